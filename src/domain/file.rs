//! Files beside messages that their provider keeps for a while: when one that could not be fetched is asked for again, and when it is
//! given up. Pure.

use std::time::Duration;

/// The first rest; each one after is four times as long.
const REST: Duration = Duration::from_mins(1);
/// The longest.
const REST_MAX: Duration = Duration::from_hours(6);
/// How long a file is asked for.
const ASKED_FOR: Duration = Duration::from_hours(72);
/// How long one is asked for of which its provider says that it is not there: it may have told of it before it had it.
const MISSING_FOR: Duration = Duration::from_hours(1);
/// What was stored long before it could be asked for, while nobody was signed in, say, is asked for so often all the same.
const TRIES_MIN: i64 = 4;

/// How a file could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It never will be.
    Lasting,
    /// Its provider does not have it.
    Missing,
    /// It may pass, or somebody may mend it.
    Passing,
}

/// After which rest a file is asked for again that was asked for so often and stored so long ago; `None` where it is given up.
pub fn decide_rest(failure: Failure, tries: i64, stored_for: Duration) -> Option<Duration> {
    let most = match failure {
        Failure::Lasting => return None,
        Failure::Missing => MISSING_FOR,
        Failure::Passing => ASKED_FOR,
    };
    let doubled = u32::try_from(tries.saturating_sub(1).clamp(0, 15)).unwrap_or(0);
    let rest = REST.saturating_mul(1 << (2 * doubled)).min(REST_MAX);
    (tries < TRIES_MIN || stored_for.saturating_add(rest) <= most).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is asked for, and how long after it was stored for the last time.
    fn asked(failure: Failure, stored_for: Duration) -> (i64, Duration) {
        let (mut tries, mut since) = (1, stored_for);
        while let Some(rest) = decide_rest(failure, tries, since) {
            since += rest;
            tries += 1;
        }
        (tries, since)
    }

    #[test]
    fn a_file_is_asked_for_less_and_less_often_and_given_up_after_three_days() {
        let rests: Vec<u64> =
            (1..8).map(|tries| decide_rest(Failure::Passing, tries, Duration::ZERO).unwrap().as_secs() / 60).collect();
        assert_eq!(rests, [1, 4, 16, 64, 256, 360, 360]);
        let (tries, since) = asked(Failure::Passing, Duration::ZERO);
        assert!((15..20).contains(&tries), "{tries}");
        assert!(since > Duration::from_hours(66) && since <= Duration::from_hours(72), "{since:?}");
    }

    #[test]
    fn what_is_not_there_is_given_up_within_hours_and_what_never_will_be_at_once() {
        let (tries, since) = asked(Failure::Missing, Duration::ZERO);
        assert!(tries == 4 && since < Duration::from_hours(2), "{tries} {since:?}");
        assert_eq!(asked(Failure::Lasting, Duration::ZERO), (1, Duration::ZERO));
        assert_eq!(decide_rest(Failure::Passing, i64::MAX, Duration::MAX), None);
    }

    #[test]
    fn what_was_stored_a_week_ago_is_asked_for_some_times_all_the_same() {
        let week = Duration::from_hours(7 * 24);
        assert_eq!(asked(Failure::Passing, week).0, TRIES_MIN);
    }
}
