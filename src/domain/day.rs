//! Civil dates, weekdays and times of day, as cheap as schedules need them: plain numbers, no zone.

use std::fmt;

use super::words::Word;

/// Minutes of a civil day, leaving out what clock changes do to it.
pub const DAY_MINUTES: u16 = 24 * 60;

/// A civil date: whole days since 1970-01-01. Shown as `2026-12-24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i32);

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Weekdays(u8);

/// A time of day in whole minutes, 00:00 to 23:59; 24:00 only as an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Minute(pub u16);

impl Day {
    /// The date of the proleptic Gregorian calendar; `None` where there is no such day.
    pub fn new(year: i16, month: u8, day: u8) -> Option<Self> {
        let date = jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        Some(Self::from_date(date))
    }

    /// From `jiff`'s date.
    pub fn from_date(date: jiff::civil::Date) -> Self {
        // Days from civil: years begin in March, so that the leap day is the last day of a year.
        let (month, day) = (i32::from(date.month()), i32::from(date.day()));
        let year = i32::from(date.year()) - i32::from(month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        Self(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
    }

    /// As `jiff`'s date; the far ends of time are clamped.
    pub fn date(self) -> jiff::civil::Date {
        let epoch = jiff::civil::date(1970, 1, 1);
        let far = if self.0 < 0 { jiff::civil::Date::MIN } else { jiff::civil::Date::MAX };
        epoch.checked_add(jiff::SignedDuration::from_hours(i64::from(self.0) * 24)).unwrap_or(far)
    }

    /// Reads `2026-12-24`, and only that form.
    pub fn parse(text: &str) -> Option<Self> {
        let wanted = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        text.parse().ok().filter(|_| wanted).map(Self::from_date)
    }

    /// Which day of the week it is.
    pub fn weekday(self) -> Weekday {
        // 1970-01-01 was a Thursday.
        Weekday::from_number(self.0.wrapping_add(3).rem_euclid(7))
    }

    /// So many days later, or earlier; saturates.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The year it lies in.
    pub fn year(self) -> i16 {
        self.date().year()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date())
    }
}

impl Word for Weekday {
    const ALL: &'static [Self] =
        &[Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "mon",
            Self::Tuesday => "tue",
            Self::Wednesday => "wed",
            Self::Thursday => "thu",
            Self::Friday => "fri",
            Self::Saturday => "sat",
            Self::Sunday => "sun",
        }
    }
}

impl Weekday {
    /// Monday is 0.
    pub fn number(self) -> u8 {
        self as u8
    }

    fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Monday,
            1 => Self::Tuesday,
            2 => Self::Wednesday,
            3 => Self::Thursday,
            4 => Self::Friday,
            5 => Self::Saturday,
            _ => Self::Sunday,
        }
    }

    /// Reads `tue` or `tuesday`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        Self::ALL.iter().copied().find(|day| text == day.as_str() || text == day.full().to_ascii_lowercase())
    }

    /// `Tuesday`
    pub fn full(self) -> &'static str {
        match self {
            Self::Monday => "Monday",
            Self::Tuesday => "Tuesday",
            Self::Wednesday => "Wednesday",
            Self::Thursday => "Thursday",
            Self::Friday => "Friday",
            Self::Saturday => "Saturday",
            Self::Sunday => "Sunday",
        }
    }
}

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);
    /// Monday to Friday.
    pub const WORKING: Self = Self(0b001_1111);

    /// Whether `day` is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & (1 << day.number()) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Weekday> for Weekdays {
    fn from_iter<I: IntoIterator<Item = Weekday>>(days: I) -> Self {
        Self(days.into_iter().fold(0, |bits, day| bits | 1 << day.number()))
    }
}

impl Minute {
    /// Reads `09:00` or `9:00`. `24:00` is read too: whether it may stand there is for the caller to say.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let digits = |t: &str, lengths: [usize; 2]| lengths.contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(hour, [1, 2]) || !digits(minute, [2, 2]) {
            return None;
        }
        let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
        let all = hour * 60 + minute;
        (minute < 60 && all <= DAY_MINUTES).then_some(Self(all))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_counts_as_jiff_does() {
        let mut date = jiff::civil::date(1899, 12, 28);
        let mut day = Day::from_date(date);
        assert_eq!(Day::new(1970, 1, 1), Some(Day(0)));
        for _ in 0..80_000 {
            assert_eq!((Day::from_date(date), day.date()), (day, date));
            assert_eq!(i16::from(day.weekday().number()), i16::from(date.weekday().to_monday_zero_offset()));
            (date, day) = (date.tomorrow().unwrap(), day.plus(1));
        }
        assert_eq!(Day::parse("2026-12-24").map(|d| d.to_string()).as_deref(), Some("2026-12-24"));
        for wrong in ["2026-02-29", "20261224", "2026-12-24T09:00", "24.12.2026", ""] {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn time_of_day_reads_hours_and_minutes() {
        assert_eq!(Minute::parse("09:05"), Some(Minute(545)));
        assert_eq!(Minute::parse("24:00"), Some(Minute(1440)));
        for wrong in ["24:01", "9", "09:60", "9:5", "-1:00", "09:00:00", " 9:00", "+9:00", "0009:00"] {
            assert_eq!(Minute::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Weekday::parse("Tuesday"), Weekday::parse("tue"));
    }
}
