//! When something may be sent: hours in a zone, less holidays; and the first instant at which several of these are open.
//!
//! Open is what the clock on the wall says: an instant lies in `09:00-12:00` if a clock of the zone shows 09:00 or later and
//! earlier than 12:00, on one of the days, and that date is no holiday. An hour that a clock change leaves out does not come,
//! so a window wholly inside it is not there that day; an hour that comes twice is open twice. Each step taken here stays
//! within a stretch of constant offset, so no open instant is ever passed over.

use std::fmt;
use std::sync::Arc;

use super::hours::Hours;
use super::shift::{self, Shift, ShiftReason};
use crate::domain::calendar::Calendar;
use crate::domain::day::{Day, Minute};
use crate::domain::time::Micros;
use crate::domain::zone::{Wall, Zone};

/// How far a search for an open instant goes, days.
pub const SEARCH_DAYS_MAX: i64 = 400;
const MINUTE: i64 = 60_000_000;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

/// Whose hours, or whose holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The influencer's, as the sequence's `[schedule]` says.
    Recipient,
    /// Our account's.
    Account,
    /// The channel's `send_hours`.
    Channel,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recipient => "their side",
            Self::Account => "our side",
            Self::Channel => "the channel",
        })
    }
}

/// When one side is open.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    pub side: Side,
    pub hours: Hours,
    pub zone: Zone,
    pub holidays: Calendar,
}

impl Opening {
    /// Whether it is open at `at`.
    pub fn is_open(&self, at: Micros) -> bool {
        self.closed(at).is_none()
    }

    /// `None` while it is open; else why it is not, and up to when that is so for sure.
    fn closed(&self, at: Micros) -> Option<(Micros, Cause<'_>)> {
        let (offset, until) = self.zone.span(at);
        let wall = Wall(at.0.saturating_add(offset));
        let day = wall.day();
        let midnight = || Wall::new(day.plus(1), Minute(0));
        let (ends, cause) = match self.ahead(wall, day) {
            Ahead::Open(_) => return None,
            Ahead::Closed(ends) => (ends, Cause::OutsideHours),
            Ahead::DayOff => (midnight(), Cause::DayOff(day)),
            Ahead::Holiday(name) => (midnight(), Cause::Holiday(day, name)),
        };
        Some((Micros(ends.0.saturating_sub(offset).min(until.0)), cause))
    }

    /// When the range ends that is open at `at`; or the next clock change, if that comes first. `None` where it is not open.
    fn range_end(&self, at: Micros) -> Option<RangeEnd> {
        let (offset, until) = self.zone.span(at);
        let wall = Wall(at.0.saturating_add(offset));
        let Ahead::Open(end) = self.ahead(wall, wall.day()) else { return None };
        let end = Micros(end.0.saturating_sub(offset));
        Some(if until <= end { RangeEnd::Perhaps(until) } else { RangeEnd::Surely(end) })
    }

    fn ahead(&self, wall: Wall, day: Day) -> Ahead<'_> {
        if !self.hours.days().contains(day.weekday()) {
            return Ahead::DayOff;
        }
        if let Some(name) = self.holidays.holiday(day) {
            return Ahead::Holiday(name);
        }
        let of_day = wall.of_day();
        for range in self.hours.ranges() {
            if of_day < i64::from(range.start.0) * MINUTE {
                return Ahead::Closed(Wall::new(day, range.start));
            }
            if of_day < i64::from(range.end.0) * MINUTE {
                return Ahead::Open(Wall::new(day, range.end));
            }
        }
        Ahead::Closed(Wall::new(day.plus(1), Minute(0)))
    }
}

/// What the clock's day has ahead.
enum Ahead<'a> {
    /// Open up to then.
    Open(Wall),
    /// Between ranges, or after the last; up to then.
    Closed(Wall),
    DayOff,
    Holiday(&'a Arc<str>),
}

/// Why it is closed.
enum Cause<'a> {
    OutsideHours,
    DayOff(Day),
    Holiday(Day, &'a Arc<str>),
}

impl Cause<'_> {
    fn reason(self, side: Side) -> ShiftReason {
        match self {
            Self::OutsideHours => ShiftReason::OutsideHours { side },
            Self::DayOff(day) => ShiftReason::DayOff { day, side },
            Self::Holiday(day, name) => ShiftReason::Holiday { day, name: name.clone(), side },
        }
    }
}

/// When an open range ends.
enum RangeEnd {
    /// Then.
    Surely(Micros),
    /// The clock changes then, and may still show a time of the range.
    Perhaps(Micros),
}

/// The first instant at or after `from` that lies inside all `openings`. `None` if there is none within
/// [`SEARCH_DAYS_MAX`] days.
pub fn next_open(from: Micros, openings: &[Opening]) -> Option<Micros> {
    search(from, openings, |_, _, _, _| {})
}

/// The same, telling each shift on the way.
pub(super) fn next_open_told(from: Micros, openings: &[Opening], shifts: &mut Vec<Shift>) -> Option<Micros> {
    search(from, openings, |from, to, cause, side| shift::push(shifts, Shift { from, to, reason: cause.reason(side) }))
}

fn search(from: Micros, openings: &[Opening], mut tell: impl FnMut(Micros, Micros, Cause<'_>, Side)) -> Option<Micros> {
    let last = from.0.saturating_add(SEARCH_DAYS_MAX * DAY);
    let mut at = from;
    while at.0 <= last {
        let closed = openings.iter().find_map(|opening| Some((opening.closed(at)?, opening.side)));
        let Some(((to, cause), side)) = closed else { return Some(at) };
        tell(at, to, cause, side);
        at = to;
    }
    None
}

/// When the window ends that is open at `at`: where something closes, or at the midnight of one of the zones, whichever comes
/// first. `at` where it is closed; `None` where there are no openings, for then there are no windows.
pub(super) fn window_end(at: Micros, openings: &[Opening]) -> Option<Micros> {
    let mut now = at;
    loop {
        let mut surely: Option<Micros> = None;
        let mut perhaps: Option<Micros> = None;
        for opening in openings {
            let (end, known) = match opening.range_end(now) {
                None => return Some(now),
                Some(RangeEnd::Surely(end)) => (end, &mut surely),
                Some(RangeEnd::Perhaps(change)) => (change, &mut perhaps),
            };
            *known = Some(known.map_or(end, |e| e.min(end)));
        }
        let Some(change) = perhaps.filter(|change| surely.is_none_or(|end| *change < end)) else { return surely };
        let day = |o: &Opening, at| o.zone.wall(at).day();
        if openings.iter().any(|o| day(o, change) != day(o, Micros(change.0.saturating_sub(1)))) {
            return Some(change);
        }
        now = change;
    }
}
