//! Why a step is planned for when it is: each move of its instant, with the rule that made it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::opening::{self, Opening, Side};
use crate::domain::day::Day;
use crate::domain::delay::After;
use crate::domain::time::Micros;
use crate::domain::zone::Wall;

/// One move of an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    pub from: Micros,
    pub to: Micros,
    pub reason: ShiftReason,
}

/// The rule that moved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShiftReason {
    /// The step's own `after`, with the weekdays that were left out as holidays.
    Delay {
        after: After,
        left_out: Vec<LeftOut>,
    },
    /// The clock of that zone never shows that time: it was put forward.
    ClockChange {
        wall: Wall,
        zone: String,
    },
    /// The hour it was due had passed when it was planned.
    Late {
        by: Duration,
    },
    /// It was later than `max_late` allows: the next window, spread over its beginning.
    MaxLate {
        by: Duration,
        max: Duration,
    },
    /// Not one of the days of the week.
    DayOff {
        day: Day,
        side: Side,
    },
    Holiday {
        day: Day,
        name: Arc<str>,
        side: Side,
    },
    OutsideHours {
        side: Side,
    },
    /// The account's most sends in any 24 hours.
    DailyLimit {
        account: Arc<str>,
        limit: u32,
    },
    /// The sequence's most sends in any 24 hours.
    SequenceLimit {
        limit: u32,
    },
    /// The most sends to one domain in any 24 hours.
    DomainLimit {
        domain: Arc<str>,
        limit: u32,
    },
    /// The most first steps of a day.
    NewPerDay {
        limit: u32,
    },
    /// What the account may send on a day while it is new; `day` counts from 1.
    RampUp {
        account: Arc<str>,
        limit: u32,
        day: u32,
    },
    /// Another send of the account is too near.
    Gap {
        account: Arc<str>,
    },
}

/// A weekday that a count of business days left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub day: Day,
    pub name: Arc<str>,
    pub side: Side,
}

impl ShiftReason {
    /// A stable word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::ClockChange { .. } => "clock_change",
            Self::Late { .. } => "late",
            Self::MaxLate { .. } => "max_late",
            Self::DayOff { .. } => "day_off",
            Self::Holiday { .. } => "holiday",
            Self::OutsideHours { .. } => "outside_hours",
            Self::DailyLimit { .. } => "daily_limit",
            Self::SequenceLimit { .. } => "sequence_limit",
            Self::DomainLimit { .. } => "domain_limit",
            Self::NewPerDay { .. } => "new_per_day",
            Self::RampUp { .. } => "ramp_up",
            Self::Gap { .. } => "gap",
        }
    }

    /// Whether both are the same rule, perhaps on different days.
    fn same_rule(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::RampUp { account, .. }, Self::RampUp { account: theirs, .. }) => account == theirs,
            _ => self == other,
        }
    }
}

/// Adds a move to those before it, which it follows without a gap. The rest of a night after a day that was closed belongs to
/// that day.
pub(super) fn push(shifts: &mut Vec<Shift>, shift: Shift) {
    if shift.from == shift.to {
        return;
    }
    if let (Some(last), ShiftReason::OutsideHours { side }) = (shifts.last_mut(), &shift.reason) {
        let (ShiftReason::OutsideHours { side: before }
        | ShiftReason::DayOff { side: before, .. }
        | ShiftReason::Holiday { side: before, .. }) = &last.reason
        else {
            return shifts.push(shift);
        };
        if before == side {
            last.to = shift.to;
            return;
        }
    }
    shifts.push(shift);
}

/// Adds a move that a limit or a gap made. One that moves an instant again and again, over closed hours and other limits
/// between, is told once, from its first move to its last. `openings` tell what lies between the last move and this one.
pub(super) fn push_full(shifts: &mut Vec<Shift>, openings: &[Opening], shift: Shift) {
    if let Some(at) = shifts.iter().position(|s| s.reason.same_rule(&shift.reason)) {
        shifts.truncate(at + 1);
        if let Some(same) = shifts.last_mut() {
            same.to = shift.to;
        }
        return;
    }
    catch_up(shifts, openings, shift.from);
    shifts.push(shift);
}

/// Tells what closed hours lie between the last move and `at`.
pub(super) fn catch_up(shifts: &mut Vec<Shift>, openings: &[Opening], at: Micros) {
    if let Some(last) = shifts.last().map(|s| s.to).filter(|to| *to < at) {
        // It was found open at `at` before: the search ends there.
        opening::next_open_told(last, openings, shifts);
    }
}

/// `3 h 20 min`, `2 days`
fn length(length: Duration) -> String {
    let minutes = length.as_secs() / 60;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, m) => format!("{m} min"),
        (0, h, 0) => format!("{h} h"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, 0, _) => format!("{d} d"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

impl fmt::Display for ShiftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay { after, left_out } => {
                write!(f, "{after} after the step above")?;
                for (n, LeftOut { day, name, side }) in left_out.iter().enumerate() {
                    let before = if n == 0 { ", not counting" } else { " and" };
                    write!(f, "{before} {day}, which is {name} ({side})")?;
                }
                Ok(())
            }
            Self::ClockChange { wall, zone } => write!(f, "{wall} does not exist in {zone}: the clock was put forward"),
            Self::Late { by } => write!(f, "it is late by {}", length(*by)),
            Self::MaxLate { by, max } => {
                write!(f, "it is late by {}, more than {}: the next window", length(*by), length(*max))
            }
            Self::DayOff { day, side } => write!(f, "{day} is a {} ({side})", day.weekday().full()),
            Self::Holiday { day, name, side } => write!(f, "{day} is {name} ({side})"),
            Self::OutsideHours { side: Side::Recipient } => f.write_str("outside of their hours"),
            Self::OutsideHours { side: Side::Account } => f.write_str("outside of our hours"),
            Self::OutsideHours { side: Side::Channel } => f.write_str("outside of the channel's hours"),
            Self::DailyLimit { account, limit } => write!(f, "{account} sends at most {limit} in 24 hours"),
            Self::SequenceLimit { limit } => write!(f, "the sequence sends at most {limit} in 24 hours"),
            Self::DomainLimit { domain, limit } => write!(f, "at most {limit} in 24 hours go to {domain}"),
            Self::NewPerDay { limit } => write!(f, "at most {limit} new people a day"),
            Self::RampUp { account, limit, day } => write!(f, "{account} is new: at most {limit} on its day {day}"),
            Self::Gap { account } => write!(f, "a gap to the other sends of {account}"),
        }
    }
}
