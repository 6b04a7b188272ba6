//! Lengths of business time as people write them: `36h`, `3 days`, `1 business day`.

use std::fmt;

/// A length of business time. Days are wall-clock days; business days leave out weekends and holidays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delay {
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
    /// Reads `36h`, `3 days`, `2 weeks`, `1 business day`. `None` for anything else, and for 0.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let number = number.parse::<u32>().ok().filter(|n| (1..=DELAY_MAX).contains(n))?;
        match unit.split_whitespace().collect::<Vec<_>>().as_slice() {
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
            Self::Hours(n) => (n, "hour"),
            Self::Days(n) => (n, "day"),
            Self::BusinessDays(n) => (n, "business day"),
        };
        write!(f, "{number} {unit}{}", if *number == 1 { "" } else { "s" })
    }
}

impl serde::Serialize for Delay {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Delay {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no length of time")))
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
        for delay in [Delay::Hours(1), Delay::Days(90), Delay::BusinessDays(2)] {
            assert_eq!(Delay::parse(&delay.to_string()), Some(delay));
        }
    }
}
