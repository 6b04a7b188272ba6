//! When a step goes out: one instant, worked out from rules alone, with the reason for every move on the way.
//!
//! From the moment the step above was completed, [`resolve`] comes to when this one is due, by local calendar date. From there
//! [`plan_instant`] goes forward to the first instant that lies in every [`Opening`] (the recipient's window, the account's
//! working hours, the channel's hours), that no [`Limit`] forbids, and that is apart from the account's other sends. It never goes back,
//! so it finds the earliest such instant. Chance has no part: what looks like it is a hash of a seed ([`jitter`]), so a dry run
//! equals what will happen.
//!
//! This room sends nothing and keeps nothing: the caller holds the [`Ledger`] and reserves what was planned.

mod blocked;
mod due;
mod hours;
mod ledger;
mod opening;
mod shift;

use std::sync::Arc;
use std::time::Duration;

use super::calendar::Calendar;
use super::delay::{After, Delay};
use super::time::Micros;
use super::zone::Zone;

pub use due::resolve;
pub use hours::{Hours, HoursError, RANGES_MAX, Range};
pub use ledger::{Key, Ledger, Limit, Rule};
pub use opening::{Opening, SEARCH_DAYS_MAX, Side, next_open};
pub use shift::{LeftOut, Shift, ShiftReason};

/// How much later than due a step may go out, unless a sequence says otherwise.
pub const MAX_LATE: Duration = Duration::from_hours(24);
/// Over how much of a window's beginning those are spread that missed theirs.
pub const SPREAD: Duration = Duration::from_mins(30);
/// How far ahead of the hour it is due a step may be planned, days.
pub const HORIZON_DAYS: i64 = 3_660;
/// Most rounds of limits and openings for one instant.
const ROUNDS_MAX: usize = 200_000;

/// What all enrollments of one sequence, account and recipient zone share.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The recipient's.
    pub zone: Zone,
    /// All of them have to be open.
    pub openings: Vec<Opening>,
    /// What business days leave out, with whose holidays these are.
    pub holidays: Vec<(Side, Calendar)>,
    /// Usually [`MAX_LATE`].
    pub max_late: Duration,
    /// Between two sends of the account, with the account's key.
    pub gap: Option<(Key, Gap)>,
}

/// The length between two sends, from `min` up to and with `max`: for each by the hash of its seed, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    min: Duration,
    max: Duration,
}

/// From where a step counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Then: a first step, or one that was planned before and is planned again.
    At(Micros),
    /// So long after the step above was completed.
    After { anchor: Micros, after: After },
}

/// What is asked. Times are business time.
#[derive(Debug, Clone)]
pub struct Ask {
    pub due: Due,
    pub now: Micros,
    pub terms: Arc<Terms>,
    pub limits: Arc<[Limit]>,
    /// Of enrollment and step: see [`seed`].
    pub seed: u64,
}

/// When, and why then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub at: Micros,
    /// How long the account sends nothing after it, microseconds; 0 where no gap is kept. To be reserved with it.
    pub gap: i64,
    /// In order, each from where the last one ended.
    pub shifts: Vec<Shift>,
}

/// Why there is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Never {
    #[error("no window opens within {SEARCH_DAYS_MAX} days of {0}")]
    NeverOpens(Micros),
    #[error("no business day comes after {0}")]
    NoBusinessDay(Micros),
    #[error("a limit of 0 lets nothing through: {0:?}")]
    LimitIsZero(Key),
    #[error("everything is full up to {0}")]
    Full(Micros),
    #[error(
        "no hour of a day is within the send_hours of {account} wherever their phone may be ({whereabouts}), and within the hours of the \
         sequence and ours: set their time zone (an agent's number has none), or widen these hours"
    )]
    NotAtNight { account: Arc<str>, whereabouts: String },
}

/// The hash of an enrollment and a step, and what else tells one send from another: FNV-1a of 64 bits over each part and a
/// byte 0xff after it, which no UTF-8 text holds.
pub fn seed(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A number from 0 up to `below`, by hash: the output function of `SplitMix64` over the seed, its upper bits taken by
/// multiplication. 0 where `below` is.
pub fn jitter(seed: u64, below: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    u64::try_from((u128::from(z) * u128::from(below)) >> 64).unwrap_or(0)
}

impl Gap {
    /// Longest gap.
    pub const MAX: Duration = Duration::from_hours(24);

    /// `None` where `max` is shorter than `min`, or longer than [`Gap::MAX`].
    pub fn new(min: Duration, max: Duration) -> Option<Self> {
        (min <= max && max <= Self::MAX).then_some(Self { min, max })
    }

    /// Reads `2m to 7m`, or one length. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let length = |text: &str| match Delay::parse(text)? {
            Delay::Minutes(n) => Some(Duration::from_secs(u64::from(n) * 60)),
            Delay::Hours(n) => Some(Duration::from_secs(u64::from(n) * 3600)),
            Delay::Days(_) | Delay::BusinessDays(_) => None,
        };
        match text.split_once(" to ") {
            Some((min, max)) => Self::new(length(min)?, length(max)?),
            None => length(text).and_then(|both| Self::new(both, both)),
        }
    }

    /// The gap after the send with this seed, microseconds.
    pub fn after(self, seed: u64) -> i64 {
        let seconds = self.max.saturating_sub(self.min).as_secs();
        micros(self.min).saturating_add(micros(Duration::from_secs(jitter(seed.wrapping_add(1), seconds + 1))))
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// Plans a step: the first instant that every rule allows. The ledger is only asked, and must not hold the step itself.
pub fn plan_instant(ask: &Ask, ledger: &mut Ledger) -> Result<Planned, Never> {
    let mut shifts = Vec::new();
    let terms = &*ask.terms;
    let due = plan_due(ask, &mut shifts)?;
    let mut at = open(due, terms, &mut shifts)?;
    if ask.now > at {
        at = plan_late(at, ask, &mut shifts)?;
    }
    let gap = terms.gap.as_ref().map_or(0, |(_, gap)| gap.after(ask.seed));
    let horizon = due.max(ask.now).0.saturating_add(HORIZON_DAYS * opening::DAY);
    for _ in 0..ROUNDS_MAX {
        let before = at;
        for limit in &*ask.limits {
            let Some(to) = ledger.next_allowed(limit, at) else { return Err(Never::LimitIsZero(limit.key.clone())) };
            if to > at {
                let reason = ledger.reason(limit, to);
                shift::push_full(&mut shifts, &terms.openings, Shift { from: at, to, reason });
                at = to;
            }
        }
        if let Some((key, range)) = &terms.gap {
            let to = ledger.next_apart(key, at, gap, micros(range.min));
            if to > at {
                let reason = ShiftReason::Gap { account: name(key) };
                shift::push_full(&mut shifts, &terms.openings, Shift { from: at, to, reason });
                at = to;
            }
        }
        if at == before {
            shift::catch_up(&mut shifts, &terms.openings, at);
            return Ok(Planned { at, gap, shifts });
        }
        if at.0 > horizon {
            break;
        }
        at = next_open(at, &terms.openings).ok_or(Never::NeverOpens(at))?;
    }
    Err(Never::Full(at))
}

fn name(key: &Key) -> Arc<str> {
    key.name().clone()
}

/// When it is due, by its own `after` alone.
fn plan_due(ask: &Ask, shifts: &mut Vec<Shift>) -> Result<Micros, Never> {
    let (anchor, after) = match ask.due {
        Due::At(at) => return Ok(at),
        Due::After { anchor, after } => (anchor, after),
    };
    let due = due::resolve_told(anchor, after, &ask.terms.zone, &ask.terms.holidays);
    let due = due.ok_or(Never::NoBusinessDay(anchor))?;
    let reason = ShiftReason::Delay { after, left_out: due.left_out };
    let Some(wall) = due.missing else {
        shift::push(shifts, Shift { from: anchor, to: due.at, reason });
        return Ok(due.at);
    };
    // What the clock would have shown: as far before the instant after the gap as the gap is long.
    let meant = Micros(due.at.0.saturating_sub(ask.terms.zone.wall(due.at).0.saturating_sub(wall.0)));
    shift::push(shifts, Shift { from: anchor, to: meant, reason });
    let reason = ShiftReason::ClockChange { wall, zone: ask.terms.zone.name().to_owned() };
    shift::push(shifts, Shift { from: meant, to: due.at, reason });
    Ok(due.at)
}

fn open(at: Micros, terms: &Terms, shifts: &mut Vec<Shift>) -> Result<Micros, Never> {
    opening::next_open_told(at, &terms.openings, shifts).ok_or(Never::NeverOpens(at))
}

/// It is later than `at`, the first open instant after it was due. A little late, it goes as soon as it is open; too late, at
/// the beginning of the next window, spread by hash, so that what piled up is no burst.
fn plan_late(at: Micros, ask: &Ask, shifts: &mut Vec<Shift>) -> Result<Micros, Never> {
    let (terms, by) = (&*ask.terms, ask.now.since(at));
    if by <= terms.max_late {
        shift::push(shifts, Shift { from: at, to: ask.now, reason: ShiftReason::Late { by } });
        return open(ask.now, terms, shifts);
    }
    let closes = opening::window_end(ask.now, &terms.openings).unwrap_or(ask.now);
    let reason = ShiftReason::MaxLate { by, max: terms.max_late };
    shift::push(shifts, Shift { from: at, to: closes, reason: reason.clone() });
    let opens = open(closes, terms, shifts)?;
    let at = spread(opens, &terms.openings, ask.seed);
    shift::push(shifts, Shift { from: opens, to: at, reason });
    Ok(at)
}

/// An instant of the first [`SPREAD`] from an open one on, while it stays open: by hash, so that what piled up is no burst.
pub fn spread(from: Micros, openings: &[Opening], seed: u64) -> Micros {
    let ends = opening::window_end(from, openings).unwrap_or(Micros(i64::MAX));
    let width = ends.since(from).min(SPREAD);
    from.plus(Duration::from_secs(jitter(seed.wrapping_add(2), width.as_secs())))
}

#[cfg(test)]
mod tests;
