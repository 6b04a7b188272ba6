//! Holidays: a civil date has a name or it has none.
//!
//! The days of a country are data (`config/holidays/<cc>.toml`, shipped within the program). The form is described in `config/holidays/README.md`. What a file says is worked out once,
//! for the years of [`YEARS`]; after that a look-up is a search in a sorted list.

mod rule;

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::day::Day;
use rule::{On, Shift};

/// The years holidays are known for. Outside of them no day is one.
pub const YEARS: RangeInclusive<i16> = 2000..=2199;
/// Most holidays of one file.
pub const HOLIDAYS_MAX: usize = 200;

/// The countries that are shipped: code and file.
const SHIPPED: &[(&str, &str)] = &[
    ("au", include_str!("../../config/holidays/au.toml")),
    ("br", include_str!("../../config/holidays/br.toml")),
    ("ca", include_str!("../../config/holidays/ca.toml")),
    ("de", include_str!("../../config/holidays/de.toml")),
    ("es", include_str!("../../config/holidays/es.toml")),
    ("fr", include_str!("../../config/holidays/fr.toml")),
    ("gb", include_str!("../../config/holidays/gb.toml")),
    ("ie", include_str!("../../config/holidays/ie.toml")),
    ("it", include_str!("../../config/holidays/it.toml")),
    ("jp", include_str!("../../config/holidays/jp.toml")),
    ("nl", include_str!("../../config/holidays/nl.toml")),
    ("nz", include_str!("../../config/holidays/nz.toml")),
    ("pt", include_str!("../../config/holidays/pt.toml")),
    ("us", include_str!("../../config/holidays/us.toml")),
];

/// The codes of the countries that are shipped, in order.
pub fn shipped_countries() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(code, _)| *code)
}

/// Days and their names. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Sorted, each day once.
    days: Arc<[(Day, Arc<str>)]>,
}

/// What is wrong with a file of holidays, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}; {hint}")]
pub struct HolidayError {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "name")]
    _country: String,
    #[serde(default)]
    holiday: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    on: Option<Spanned<String>>,
    #[serde(default)]
    dates: Vec<Spanned<String>>,
    moved: Option<Spanned<String>>,
    observed: Option<Spanned<String>>,
    from: Option<i16>,
    until: Option<i16>,
    #[serde(default)]
    except: Vec<i16>,
}

/// An entry that was understood.
struct Holiday {
    name: Arc<str>,
    on: Option<On>,
    dates: Vec<Day>,
    moved: Vec<Shift>,
    observed: Vec<Shift>,
    years: RangeInclusive<i16>,
    except: Vec<i16>,
}

const HINT_FORM: &str = "config/holidays/README.md describes the form";
const HINT_ON: &str =
    "write on = \"dec 25\", \"4th thu of nov\", \"last mon of may\", \"mon before may 25\" or \"easter - 2\"";
const HINT_SHIFT: &str = "write \"sat to fri, sun to mon\"; \"sun to free\" means the next day that is no holiday";

impl Calendar {
    /// The holidays of a country that is shipped, by its two-letter code in any case. `None` for others.
    ///
    /// # Errors
    /// Never for the files that are shipped: a test reads them all.
    pub fn shipped(code: &str) -> Option<Result<Self, HolidayError>> {
        let (code, text) = SHIPPED.iter().find(|(c, _)| c.eq_ignore_ascii_case(code))?;
        Some(Self::parse(&format!("config/holidays/{code}.toml"), text))
    }

    /// Reads a file of holidays. `file` is its name, for errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, HolidayError> {
        let place = Place { file, text };
        let read: File = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            place.error(start, error.message().trim().replace('\n', " "), HINT_FORM)
        })?;
        if let Some(beyond) = read.holiday.get(HOLIDAYS_MAX) {
            let message = format!("more than {HOLIDAYS_MAX} holidays");
            return Err(place.error(beyond.span().start, message, "split them over two calendars"));
        }
        let holidays = read.holiday.into_iter().map(|e| holiday(&place, e)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(expand(&holidays)))
    }

    /// Days and their names; of a day named twice, the first name counts.
    pub fn of(days: impl IntoIterator<Item = (Day, Arc<str>)>) -> Self {
        let mut days: Vec<_> = days.into_iter().collect();
        days.sort_by_key(|(day, _)| *day);
        days.dedup_by_key(|(day, _)| *day);
        Self { days: days.into() }
    }

    /// All days of several calendars; of a day that several name, the first one's name counts.
    pub fn merge<'a>(calendars: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::of(calendars.into_iter().flat_map(|c| c.days.iter().cloned()))
    }

    /// Single dates, as a sequence names them, beside the countries it names. They have no name of their own.
    pub fn of_dates(days: impl IntoIterator<Item = Day>) -> Self {
        let name: Arc<str> = "a holiday".into();
        Self::of(days.into_iter().map(|day| (day, name.clone())))
    }

    /// The name of the holiday on `day`, if it is one.
    pub fn holiday(&self, day: Day) -> Option<&Arc<str>> {
        let at = self.days.binary_search_by_key(&day, |(d, _)| *d).ok()?;
        self.days.get(at).map(|(_, name)| name)
    }

    /// Every holiday, by date.
    pub fn iter(&self) -> impl Iterator<Item = (Day, &str)> {
        self.days.iter().map(|(day, name)| (*day, &**name))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }
}

/// A file and its text: turns an offset into a place.
struct Place<'a> {
    file: &'a str,
    text: &'a str,
}

impl Place<'_> {
    fn error(&self, offset: usize, message: String, hint: &'static str) -> HolidayError {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        HolidayError { file: self.file.to_owned(), line, column, message, hint }
    }

    fn shifts(&self, text: Option<&Spanned<String>>) -> Result<Vec<Shift>, HolidayError> {
        let Some(text) = text else { return Ok(Vec::new()) };
        let wrong = || self.error(text.span().start, format!("`{}` is no shift", text.get_ref()), HINT_SHIFT);
        Shift::parse_list(text.get_ref()).ok_or_else(wrong)
    }
}

fn holiday(place: &Place<'_>, entry: Spanned<Entry>) -> Result<Holiday, HolidayError> {
    let start = entry.span().start;
    let entry = entry.into_inner();
    let on =
        match &entry.on {
            None if entry.dates.is_empty() => {
                return Err(place.error(start, "a holiday without `on` and without `dates`".to_owned(), HINT_ON));
            }
            None => None,
            Some(on) => Some(On::parse(on.get_ref()).ok_or_else(|| {
                place.error(on.span().start, format!("`{}` is no day of a year", on.get_ref()), HINT_ON)
            })?),
        };
    if entry.name.get_ref().trim().is_empty() {
        return Err(place.error(entry.name.span().start, "an empty name".to_owned(), "say what people call it"));
    }
    let day = |date: &Spanned<String>| {
        let wrong = || place.error(date.span().start, format!("`{}` is no date", date.get_ref()), "write 2026-12-24");
        Day::parse(date.get_ref()).ok_or_else(wrong)
    };
    Ok(Holiday {
        name: entry.name.get_ref().trim().into(),
        on,
        dates: entry.dates.iter().map(day).collect::<Result<_, _>>()?,
        moved: place.shifts(entry.moved.as_ref())?,
        observed: place.shifts(entry.observed.as_ref())?,
        years: entry.from.unwrap_or(*YEARS.start())..=entry.until.unwrap_or(*YEARS.end()),
        except: entry.except,
    })
}

/// Every day of every year. What is observed on another day comes after all others, for `free` asks what else is a holiday.
fn expand(holidays: &[Holiday]) -> Vec<(Day, Arc<str>)> {
    let mut days: Vec<(Day, Arc<str>)> = Vec::new();
    let mut observed: Vec<(Day, &Holiday, Shift)> = Vec::new();
    for holiday in holidays {
        // A year more at each end: the first of January may be observed in December.
        let years = YEARS.start().saturating_sub(1)..=YEARS.end().saturating_add(1);
        let by_rule = years
            .filter(|y| holiday.years.contains(y) && !holiday.except.contains(y))
            .filter_map(|y| holiday.on.and_then(|on| on.in_year(y)));
        for day in by_rule.chain(holiday.dates.iter().copied()) {
            let moved = holiday.moved.iter().find_map(|s| s.fixed(day)).unwrap_or(day);
            days.push((moved, holiday.name.clone()));
            observed.extend(holiday.observed.iter().filter(|s| s.applies(moved)).map(|s| (moved, holiday, *s)));
        }
    }
    let mut taken: std::collections::BTreeSet<Day> = days.iter().map(|(day, _)| *day).collect();
    observed.sort_by_key(|(day, ..)| *day);
    for (day, holiday, shift) in observed {
        let at = shift
            .fixed(day)
            .unwrap_or_else(|| (1..=366).map(|n| day.plus(n)).find(|d| !taken.contains(d)).unwrap_or(day));
        taken.insert(at);
        days.push((at, format!("{} (observed)", holiday.name).into()));
    }
    days.retain(|(day, _)| YEARS.contains(&day.year()));
    days
}

#[cfg(test)]
mod tests;
