//! The rules by which a holiday finds its day in a year, and by which it is shifted.

use crate::domain::day::{Day, Weekday};

/// A day of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// `dec 25`. The 29th of February is there in leap years only.
    Fixed { month: u8, day: u8 },
    /// `4th thu of nov`
    Nth { nth: u8, weekday: Weekday, month: u8 },
    /// `last mon of may`
    Last { weekday: Weekday, month: u8 },
    /// `mon before may 25`: the last Monday before that day.
    Before { weekday: Weekday, month: u8, day: u8 },
    /// `easter - 2`: days from Easter Sunday of the western churches.
    Easter(i32),
}

/// Where a holiday goes that falls on a certain weekday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shift {
    from: Weekday,
    /// The nearest such day; `None` for the next one that is no holiday.
    to: Option<Weekday>,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

fn month(text: &str) -> Option<u8> {
    let at = MONTHS.iter().position(|m| *m == text)?;
    u8::try_from(at + 1).ok()
}

fn month_day(month_name: &str, day: &str) -> Option<(u8, u8)> {
    let (month, day) = (month(month_name)?, day.parse().ok()?);
    // Any leap year will do.
    Day::new(2024, month, day).map(|_| (month, day))
}

impl On {
    /// `None` where it is none of the forms.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["easter"] => Some(Self::Easter(0)),
            ["easter", sign @ ("+" | "-"), days] => {
                let days: i32 = days.parse().ok().filter(|d| (0..=100).contains(d))?;
                Some(Self::Easter(if *sign == "-" { -days } else { days }))
            }
            ["last", weekday, "of", m] => Some(Self::Last { weekday: Weekday::parse(weekday)?, month: month(m)? }),
            [nth, weekday, "of", m] => {
                let nth = ["1st", "2nd", "3rd", "4th"].iter().position(|n| n == nth)?;
                let nth = u8::try_from(nth + 1).ok()?;
                Some(Self::Nth { nth, weekday: Weekday::parse(weekday)?, month: month(m)? })
            }
            [weekday, "before", m, day] => {
                let (month, day) = month_day(m, day)?;
                Some(Self::Before { weekday: Weekday::parse(weekday)?, month, day })
            }
            [m, day] => month_day(m, day).map(|(month, day)| Self::Fixed { month, day }),
            _ => None,
        }
    }

    /// Its day in `year`, if it has one.
    pub(super) fn in_year(self, year: i16) -> Option<Day> {
        match self {
            Self::Fixed { month, day } => Day::new(year, month, day),
            Self::Nth { nth, weekday, month } => {
                let first = on_or_after(Day::new(year, month, 1)?, weekday);
                Some(first.plus(7 * (i32::from(nth) - 1)))
            }
            Self::Last { weekday, month } => {
                let next = if month == 12 { Day::new(year + 1, 1, 1) } else { Day::new(year, month + 1, 1) };
                Some(before(next?, weekday))
            }
            Self::Before { weekday, month, day } => Some(before(Day::new(year, month, day)?, weekday)),
            Self::Easter(days) => Some(easter(year)?.plus(days)),
        }
    }
}

impl Shift {
    /// Reads `sat to fri, sun to mon`.
    pub(super) fn parse_list(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            [from, "to", "free"] => Some(Self { from: Weekday::parse(from)?, to: None }),
            [from, "to", to] => {
                let (from, to) = (Weekday::parse(from)?, Weekday::parse(to)?);
                (from != to).then_some(Self { from, to: Some(to) })
            }
            _ => None,
        }
    }

    /// Whether a holiday on `day` is shifted.
    pub(super) fn applies(self, day: Day) -> bool {
        day.weekday() == self.from
    }

    /// Where to, if that does not depend on what else is a holiday.
    pub(super) fn fixed(self, day: Day) -> Option<Day> {
        let to = self.to.filter(|_| self.applies(day))?;
        let ahead = (i32::from(to.number()) - i32::from(self.from.number())).rem_euclid(7);
        Some(day.plus(if ahead > 3 { ahead - 7 } else { ahead }))
    }
}

fn on_or_after(day: Day, weekday: Weekday) -> Day {
    day.plus((i32::from(weekday.number()) - i32::from(day.weekday().number())).rem_euclid(7))
}

fn before(day: Day, weekday: Weekday) -> Day {
    on_or_after(day.plus(-7), weekday)
}

/// Easter Sunday, by the anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8).
#[allow(clippy::many_single_char_names, reason = "the names it is published with")]
fn easter(year: i16) -> Option<Day> {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e, f) = (b / 4, b % 4, (b + 8) / 25);
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    Day::new(year, u8::try_from(n / 31).ok()?, u8::try_from(n % 31 + 1).ok()?)
}
