//! Lengths of business time as people write them: `30m`, `36h`, `3 days`, `1 business day`, `next tue 10:00`.

use std::fmt;

use super::day::{DAY_MINUTES, Minute, Weekday};
use super::words::Word;

/// A length of business time. Days are wall-clock days; business days leave out weekends and holidays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delay {
    /// Elapsed minutes.
    Minutes(u32),
    /// Elapsed hours.
    Hours(u32),
    /// The same wall time some days later.
    Days(u32),
    /// The same, counting working days only.
    BusinessDays(u32),
}

/// Longest delay that is taken, in its unit.
pub const DELAY_MAX: u32 = 36_500;

impl Delay {
    /// Reads `30m`, `36h`, `3 days`, `2 weeks`, `1 business day`. `None` for anything else, and for 0.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let number = number.parse::<u32>().ok().filter(|n| (1..=DELAY_MAX).contains(n))?;
        match unit.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["m" | "min" | "minute" | "minutes"] => Some(Self::Minutes(number)),
            ["h" | "hour" | "hours"] => Some(Self::Hours(number)),
            ["d" | "day" | "days"] => Some(Self::Days(number)),
            ["week" | "weeks"] => number.checked_mul(7).filter(|n| *n <= DELAY_MAX).map(Self::Days),
            ["business", "day" | "days"] => Some(Self::BusinessDays(number)),
            _ => None,
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self {
            Self::Minutes(n) => (n, "minute"),
            Self::Hours(n) => (n, "hour"),
            Self::Days(n) => (n, "day"),
            Self::BusinessDays(n) => (n, "business day"),
        };
        write!(f, "{number} {unit}{}", if *number == 1 { "" } else { "s" })
    }
}

/// When a step comes, counted from the moment the step above it was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum After {
    /// So long after it.
    Delay(Delay),
    /// At the next such weekday and time, strictly after it, by the clock where the recipient is.
    Next { weekday: Weekday, time: Minute },
}

impl After {
    /// Reads what [`Delay::parse`] does, and `next tue 10:00`. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["next", day, time] => {
                let time = Minute::parse(time).filter(|t| t.0 < DAY_MINUTES)?;
                Some(Self::Next { weekday: Weekday::parse(day)?, time })
            }
            _ => Delay::parse(text).map(Self::Delay),
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(delay) => delay.fmt(f),
            Self::Next { weekday, time } => write!(f, "next {} {time}", weekday.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_reads_what_people_write_and_what_it_prints() {
        assert_eq!(Delay::parse("36h"), Some(Delay::Hours(36)));
        assert_eq!(Delay::parse("2 weeks"), Some(Delay::Days(14)));
        assert_eq!(Delay::parse("1 business day"), Some(Delay::BusinessDays(1)));
        for wrong in ["", "3", "days", "0 days", "-1 days", "3 fortnights", "99999999999 days"] {
            assert_eq!(Delay::parse(wrong), None, "{wrong}");
        }
        for delay in [Delay::Minutes(1), Delay::Minutes(30), Delay::Hours(1), Delay::Days(90), Delay::BusinessDays(2)] {
            assert_eq!(Delay::parse(&delay.to_string()), Some(delay));
        }
    }

    #[test]
    fn step_comes_after_a_delay_or_at_a_weekday_and_time() {
        let tuesday = After::Next { weekday: Weekday::Tuesday, time: Minute(600) };
        assert_eq!(After::parse("next tue 10:00"), Some(tuesday));
        assert_eq!(After::parse(" next  Tuesday 10:00 "), Some(tuesday));
        assert_eq!(After::parse("30m"), Some(After::Delay(Delay::Minutes(30))));
        assert_eq!(After::parse("30 minutes"), Some(After::Delay(Delay::Minutes(30))));
        for wrong in ["next", "next tue", "next tue 24:00", "next 10:00", "next day 10:00", "tue 10:00", "next tue 10"]
        {
            assert_eq!(After::parse(wrong), None, "{wrong}");
        }
        for weekday in Weekday::ALL {
            let next = After::Next { weekday: *weekday, time: Minute(5) };
            assert_eq!(After::parse(&next.to_string()), Some(next));
        }
    }
}
