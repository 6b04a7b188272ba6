//! Webhooks out, as far as they need no network: what is said (Standard Webhooks, <https://www.standardwebhooks.com>), how it is
//! signed, what an answer means, when it is tried again. Pure.
//!
//! The promise: every event that a webhook wants to hear is told at least once, always under the same `webhook-id`; first tries
//! are made one at a time in the order of the events' numbers; a repeat may come after newer ones, and the number is in the body.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use super::time::Micros;

pub mod guard;

/// Webhooks of one installation.
pub const WEBHOOKS_MAX: usize = 100;
/// Characters of an address.
pub const URL_CHARS_MAX: usize = 2_000;
/// Characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 500;
/// What every secret begins with.
pub const SECRET_PREFIX: &str = "whsec_";
/// Octets of chance in a secret; the specification asks for 24 to 64.
pub const SECRET_OCTETS: usize = 32;
/// How long the secret before signs as well, where nobody says, hours.
pub const OVERLAP_HOURS: u32 = 24;
/// The longest it may be said, hours.
pub const OVERLAP_HOURS_MAX: u32 = 168;
/// Characters kept of what the other side answered, and of why there was no answer.
pub const ANSWER_CHARS_MAX: usize = 1_000;
/// The type of a test, which is no event.
pub const TEST: &str = "webhook.test";
/// How long one try may take, the answer included.
pub const TRY_TIME_MAX: Duration = Duration::from_secs(15);
/// The rests between the tries of one delivery; after the last one it is given up.
pub const RETRIES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
];
/// The longest that an answer's `Retry-After` puts a try off.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// How long a webhook may take nothing before it is told nothing any more.
pub const FAILING_MAX: Duration = Duration::from_hours(5 * 24);
/// How many tries in a row must have failed by then.
pub const FAILURES_MIN: i64 = 10;
/// From how many failures in a row on the webhook as a whole gets a rest.
const FAILURES_REST: i64 = 5;
/// The longest such rest.
const REST_MAX: Duration = Duration::from_mins(1);

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An answer.
    Status {
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// None.
    Nothing,
}

/// What a delivery does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Delivered,
    /// Once more, so long after.
    Again(Duration),
    /// No more.
    GiveUp,
    /// The webhook is gone: nothing more at all.
    Gone,
}

/// What follows from a try, `tried` tries after the delivery was put in line (this one counts).
pub fn plan_next(heard: &Heard, tried: i64) -> Next {
    let retry_after = match heard {
        Heard::Status { status: 200..=299, .. } => return Next::Delivered,
        Heard::Status { status: 410, .. } => return Next::Gone,
        Heard::Status { retry_after, .. } => retry_after.unwrap_or_default().min(RETRY_AFTER_MAX),
        Heard::Nothing => Duration::ZERO,
    };
    let rest = usize::try_from(tried.saturating_sub(1)).ok().and_then(|n| RETRIES.get(n));
    rest.map_or(Next::GiveUp, |rest| Next::Again((*rest).max(retry_after)))
}

/// The rest of a whole webhook after so many failures in a row, so that nobody is beaten who lies down.
pub fn plan_rest(failures: i64) -> Duration {
    let over = failures.saturating_sub(FAILURES_REST);
    let Ok(over) = u32::try_from(over) else { return Duration::ZERO };
    Duration::from_secs(1 << over.min(10)).min(REST_MAX)
}

/// Whether a webhook that failed so often in a row, since then, is given up.
pub fn is_given_up(failures: i64, failing_since: Micros, now: Micros) -> bool {
    failures >= FAILURES_MIN && now.since(failing_since) >= FAILING_MAX
}

/// What is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payload<T> {
    /// What happened, or [`TEST`].
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub timestamp: Micros,
    /// The event.
    pub data: T,
}

/// The octets of a secret as it is shown, `whsec_` and base64; `None` where it is none.
pub fn key_of(secret: &str) -> Option<Vec<u8>> {
    let octets = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    (24..=64).contains(&octets.len()).then_some(octets)
}

/// A secret as it is shown.
pub fn secret_of(octets: &[u8]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(octets))
}

/// One signature, as `webhook-signature` lists them: HMAC-SHA256 over `id.timestamp.body`.
pub fn sign(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// The beginning of a text, on one line as far as it can be shown.
pub fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(ANSWER_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's own libraries test with.
    #[test]
    fn signature_is_the_published_one() {
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn secret_reads_back_and_what_is_none_does_not() {
        assert_eq!(key_of(&secret_of(&[7; 32])), Some(vec![7; 32]));
        for bad in ["", "whsec_", "whsec_!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8G"] {
            assert_eq!(key_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn tries_follow_the_schedule_and_end() {
        let failed = |status| Heard::Status { status, retry_after: None };
        let mut sum = Duration::ZERO;
        for (n, rest) in RETRIES.iter().enumerate() {
            let tried = i64::try_from(n).unwrap() + 1;
            assert_eq!(plan_next(&failed(500), tried), Next::Again(*rest));
            sum += *rest;
        }
        assert_eq!((RETRIES[0], sum.as_secs() / 3_600), (Duration::from_secs(5), 27));
        assert_eq!(plan_next(&Heard::Nothing, 8), Next::GiveUp);
        for (status, next) in [(200, Next::Delivered), (204, Next::Delivered), (410, Next::Gone)] {
            assert_eq!(plan_next(&failed(status), 8), next, "{status}");
        }
        // A redirect is a refusal, and so is what asks for something first.
        for status in [100, 301, 302, 307, 308, 400, 401, 404, 429, 500, 503] {
            assert_eq!(plan_next(&failed(status), 1), Next::Again(RETRIES[0]), "{status}");
        }
        let asked = |hours| Heard::Status { status: 429, retry_after: Some(Duration::from_hours(hours)) };
        assert_eq!(plan_next(&asked(3), 1), Next::Again(Duration::from_hours(3)));
        assert_eq!(plan_next(&asked(1_000), 1), Next::Again(RETRY_AFTER_MAX));
        assert_eq!(plan_next(&asked(3), 6), Next::Again(Duration::from_hours(10)));
    }

    #[test]
    fn one_that_lies_down_gets_rests_and_is_given_up_after_days() {
        assert_eq!([0, 4, 5, 6, 10, 11, 1_000].map(|n| plan_rest(n).as_secs()), [0, 0, 1, 2, 32, 60, 60]);
        let since = Micros::from_seconds(0);
        let days = |days: u64| since.plus(Duration::from_hours(days * 24));
        assert!(!is_given_up(1_000, since, days(4)) && !is_given_up(9, since, days(30)));
        assert!(is_given_up(10, since, days(5)));
    }
}
