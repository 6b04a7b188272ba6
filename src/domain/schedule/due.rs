//! From the moment the step above was completed to the instant this one is due, by the calendar where the recipient is.
//!
//! Days are reckoned by local calendar date, never by a fixed length: the same time on the clock, some dates later. A business day
//! is a Monday to Friday that is a holiday on neither side, by the recipient's date; the days a sequence sends on do not count
//! here (they only say when a window is open), so three business days are the same three for a sequence that sends on Tuesdays.

use super::opening::Side;
use super::shift::LeftOut;
use crate::domain::calendar::Calendar;
use crate::domain::day::{Day, Weekdays};
use crate::domain::delay::{After, Delay};
use crate::domain::time::Micros;
use crate::domain::zone::{Wall, Zone};

/// Days without a single business day after which a count gives up.
const IDLE_DAYS_MAX: u32 = 400;
/// Most left-out days that are told.
const LEFT_OUT_MAX: usize = 8;

/// When a step is due.
pub(super) struct Resolved {
    pub(super) at: Micros,
    /// The time its clock should have shown, where that never came.
    pub(super) missing: Option<Wall>,
    pub(super) left_out: Vec<LeftOut>,
}

/// The instant `after` comes to, counted from `anchor`. Where the clock never shows the time, the first instant after the gap;
/// where it shows it twice, the earlier one. `None` if no business day comes.
pub fn resolve(anchor: Micros, after: After, zone: &Zone, holidays: &[(Side, Calendar)]) -> Option<Micros> {
    resolve_told(anchor, after, zone, holidays).map(|resolved| resolved.at)
}

pub(super) fn resolve_told(
    anchor: Micros,
    after: After,
    zone: &Zone,
    holidays: &[(Side, Calendar)],
) -> Option<Resolved> {
    let elapsed = |minutes: u32| Resolved {
        at: Micros(anchor.0.saturating_add(i64::from(minutes) * 60_000_000)),
        missing: None,
        left_out: Vec::new(),
    };
    let wall = zone.wall(anchor);
    match after {
        After::Delay(Delay::Minutes(n)) => Some(elapsed(n)),
        After::Delay(Delay::Hours(n)) => Some(elapsed(n.saturating_mul(60))),
        After::Delay(Delay::Days(n)) => {
            let day = wall.day().plus(i32::try_from(n).unwrap_or(i32::MAX));
            Some(shown(wall.on(day), zone, Vec::new()))
        }
        After::Delay(Delay::BusinessDays(n)) => {
            let (day, left_out) = business_days(wall.day(), n, holidays)?;
            Some(shown(wall.on(day), zone, left_out))
        }
        After::Next { weekday, time } => {
            // The day itself, and the week after: a time in a gap may come to nothing later than the anchor on the day itself.
            let days = (0..=14).map(|n| wall.day().plus(n)).filter(|day| day.weekday() == weekday);
            days.map(|day| shown(Wall::new(day, time), zone, Vec::new())).find(|next| next.at > anchor)
        }
    }
}

fn shown(wall: Wall, zone: &Zone, left_out: Vec<LeftOut>) -> Resolved {
    let at = zone.instant(wall);
    Resolved { at, missing: Some(wall).filter(|w| zone.wall(at) != *w), left_out }
}

/// The `count`-th business day after `from`, and the holidays on the way.
fn business_days(from: Day, count: u32, holidays: &[(Side, Calendar)]) -> Option<(Day, Vec<LeftOut>)> {
    let (mut day, mut left, mut idle) = (from, count, 0);
    let mut left_out = Vec::new();
    while left > 0 {
        day = day.plus(1);
        idle += 1;
        if idle > IDLE_DAYS_MAX {
            return None;
        }
        if !Weekdays::WORKING.contains(day.weekday()) {
            continue;
        }
        match holidays.iter().find_map(|(side, calendar)| calendar.holiday(day).map(|name| (*side, name))) {
            Some((side, name)) if left_out.len() < LEFT_OUT_MAX => {
                left_out.push(LeftOut { day, name: name.clone(), side });
            }
            Some(_) => {}
            None => (left, idle) = (left - 1, 0),
        }
    }
    Some((day, left_out))
}
