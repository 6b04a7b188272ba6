//! Hours of a week as people write them: `days = ["mon"]`, `hours = ["09:00-12:00", "13:30-17:00"]`.

use std::fmt;

use crate::domain::day::{DAY_MINUTES, Minute, Weekday, Weekdays};
use crate::domain::words::Word;

/// Most ranges of one day.
pub const RANGES_MAX: usize = 48;

/// The same ranges of minutes on some weekdays. There is always at least one of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    days: Weekdays,
    /// Sorted, apart from each other, each with its end after its start.
    ranges: Vec<Range>,
}

/// From one minute of a day up to another, which is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    pub start: Minute,
    pub end: Minute,
}

/// Why hours can't be taken. The text says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    #[error("`{0}` is no range of hours; write it as in \"09:00-17:00\"")]
    NotARange(String),
    #[error("`{0}` ends when it starts; a whole day is \"00:00-24:00\"")]
    Empty(String),
    #[error("`{start}-{end}` goes past midnight; write two: \"{start}-24:00\" and \"00:00-{end}\"")]
    PastMidnight { start: Minute, end: Minute },
    #[error("`{0}` and `{1}` overlap; write one range for both")]
    Overlap(Range, Range),
    #[error("`{0}` is no weekday; write mon, tue, wed, thu, fri, sat or sun")]
    NotADay(String),
    #[error("no days, so it would never open; name at least one")]
    NoDays,
    #[error("no hours, so it would never open; name at least one range")]
    NoRanges,
    #[error("more than {RANGES_MAX} ranges")]
    TooMany,
}

impl Range {
    /// Reads `09:00-12:00`; the end may be `24:00`.
    pub fn parse(text: &str) -> Result<Self, HoursError> {
        let parts = text.split_once('-').map(|(start, end)| (Minute::parse(start.trim()), Minute::parse(end.trim())));
        let Some((Some(start), Some(end))) = parts else { return Err(HoursError::NotARange(text.to_owned())) };
        match start.cmp(&end) {
            _ if start.0 >= DAY_MINUTES => Err(HoursError::NotARange(text.to_owned())),
            std::cmp::Ordering::Less => Ok(Self { start, end }),
            std::cmp::Ordering::Equal => Err(HoursError::Empty(text.to_owned())),
            std::cmp::Ordering::Greater => Err(HoursError::PastMidnight { start, end }),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

impl Hours {
    /// Reads what a sequence says. Ranges that touch are one.
    pub fn parse<S: AsRef<str>>(days: &[S], ranges: &[S]) -> Result<Self, HoursError> {
        let day = |text: &S| Weekday::parse(text.as_ref()).ok_or_else(|| HoursError::NotADay(text.as_ref().to_owned()));
        let days: Weekdays = days.iter().map(day).collect::<Result<_, _>>()?;
        let ranges = ranges.iter().map(|text| Range::parse(text.as_ref())).collect::<Result<_, _>>()?;
        Self::new(days, ranges)
    }

    /// These ranges on these days.
    pub fn new(days: Weekdays, mut ranges: Vec<Range>) -> Result<Self, HoursError> {
        if days.is_empty() {
            return Err(HoursError::NoDays);
        }
        if ranges.is_empty() || ranges.len() > RANGES_MAX {
            return Err(if ranges.is_empty() { HoursError::NoRanges } else { HoursError::TooMany });
        }
        ranges.sort_unstable();
        let mut joined: Vec<Range> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start < last.end => return Err(HoursError::Overlap(*last, range)),
                Some(last) if range.start == last.end => last.end = range.end,
                Some(_) | None => joined.push(range),
            }
        }
        Ok(Self { days, ranges: joined })
    }

    /// The days.
    pub fn days(&self) -> Weekdays {
        self.days
    }

    /// The ranges of each day, in order.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = Weekday::ALL.iter().filter(|d| self.days.contains(**d)).map(|d| d.as_str()).collect();
        let ranges: Vec<String> = self.ranges.iter().map(ToString::to_string).collect();
        write!(f, "{} {}", days.join(" "), ranges.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_sorted_and_joined() {
        let hours =
            Hours::parse(&["fri", "Mon"], &["13:30-17:00", "09:00-12:00", "12:00-13:00", "20:00-24:00"]).unwrap();
        assert_eq!(hours.to_string(), "mon fri 09:00-13:00 13:30-17:00 20:00-24:00");
    }

    #[test]
    fn bad_hours_say_what_to_write() {
        let cases = [
            ("9-17", "`9-17` is no range of hours; write it as in \"09:00-17:00\""),
            ("24:00-24:00", "`24:00-24:00` is no range of hours; write it as in \"09:00-17:00\""),
            ("09:00-09:00", "`09:00-09:00` ends when it starts; a whole day is \"00:00-24:00\""),
            ("22:00-02:00", "`22:00-02:00` goes past midnight; write two: \"22:00-24:00\" and \"00:00-02:00\""),
        ];
        for (text, wanted) in cases {
            assert_eq!(Hours::parse(&["mon"], &[text]).unwrap_err().to_string(), wanted);
        }
        let overlap = Hours::parse(&["mon"], &["09:00-12:00", "11:00-13:00"]).unwrap_err();
        assert_eq!(overlap.to_string(), "`09:00-12:00` and `11:00-13:00` overlap; write one range for both");
        assert_eq!(Hours::parse(&[], &["09:00-12:00"]), Err(HoursError::NoDays));
        assert_eq!(Hours::parse(&["mon"], &[]), Err(HoursError::NoRanges));
        assert_eq!(Hours::parse(&["moon"], &["09:00-12:00"]), Err(HoursError::NotADay("moon".to_owned())));
    }
}
