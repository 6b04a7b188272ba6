//! What to do after a refusal: try this message again later, give it up, or stop the account for a while.
//!
//! Pure. A trouble of our account (no connection, a refused sign-in, a policy against us) is not the message's fault and
//! does not count as one of its failures.

use std::time::Duration;

use super::bounce::Severity;
use super::time::Micros;

/// How long a message is tried, from its first try.
pub const TRIED_MAX: Duration = Duration::from_hours(72);
/// The delays between tries, minutes; the last one repeats.
const DELAYS: &[u64] = &[1, 5, 15, 30, 60, 120, 240];
/// The delays before an account that can't be reached is tried again, seconds; the last one repeats.
const ACCOUNT_DELAYS: &[u64] = &[2, 5, 15, 30, 60, 120, 300];
/// The delays after a refused sign-in, seconds: a provider locks an account that is tried too often.
const LOGIN_DELAYS: &[u64] = &[300, 900, 3_600, 14_400];

/// The delays before another look at whether somebody signed in, seconds: only the database is asked.
const SIGNED_OUT_DELAYS: &[u64] = &[15];

/// Where in the dialogue something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Connecting, greeting, TLS.
    Connect,
    /// Signing in.
    Login,
    /// The sender.
    Envelope,
    /// A recipient.
    Recipient,
    /// The content, before or after it went.
    Content,
}

/// What a server said, as far as the decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// Where.
    pub step: Step,
    /// The three-digit code.
    pub code: u16,
    /// The enhanced status (RFC 3463), for instance `5.1.1`.
    pub enhanced: Option<&'a str>,
    /// The words.
    pub text: &'a str,
}

/// A trouble of our account, not of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountTrouble {
    /// No connection, or the server closes it (421): the account rests for a while.
    Unreachable,
    /// The sign-in is refused: the account waits for a person.
    Login,
    /// Nobody is signed in: the account waits for a person, and looking again costs nothing.
    SignedOut,
    /// The server refuses us (5.7.x, reputation): the account is paused until a person resumes it.
    Policy,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// May work later.
    Transient,
    /// Never will.
    Permanent(Severity),
    /// Not about this message.
    Account(AccountTrouble),
}

/// What to do with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Try again, not before this instant.
    Later(Micros),
    /// Tried for [`TRIED_MAX`]: no more.
    GiveUp,
}

/// How a message has fared so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// How often it was refused for now before this time.
    pub failures: i64,
    /// When it was first tried.
    pub first_try_at: Option<Micros>,
}

/// When a message is tried again after a refusal for now. `chance` is between 0 and 1 and adds up to a quarter of the
/// delay, so that what failed together does not come back together.
pub fn plan_retry(tried: Tried, now: Micros, chance: f64) -> Retry {
    if now.since(tried.first_try_at.unwrap_or(now)) >= TRIED_MAX {
        return Retry::GiveUp;
    }
    let minutes = pick(DELAYS, tried.failures);
    Retry::Later(now.plus(Duration::from_secs(minutes * 60).mul_f64(1.0 + chance.clamp(0.0, 1.0) / 4.0)))
}

/// How long an account rests after so many troubles in a row (from 1), before jitter. Machine time.
pub fn account_rest(trouble: AccountTrouble, troubles: u32) -> Duration {
    let delays = match trouble {
        AccountTrouble::Unreachable => ACCOUNT_DELAYS,
        AccountTrouble::SignedOut => SIGNED_OUT_DELAYS,
        AccountTrouble::Login | AccountTrouble::Policy => LOGIN_DELAYS,
    };
    Duration::from_secs(pick(delays, i64::from(troubles.saturating_sub(1))))
}

fn pick(delays: &[u64], n: i64) -> u64 {
    let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX).min(delays.len().saturating_sub(1));
    delays.get(n).copied().unwrap_or(60)
}

/// What a refusal means: by the step, the code and the enhanced status.
pub fn judge_refusal(refusal: Refusal<'_>) -> Judgement {
    let Refusal { step, code, .. } = refusal;
    if code == 421 || step == Step::Connect {
        return Judgement::Account(AccountTrouble::Unreachable);
    }
    // RFC 4954 §6: 530 authentication required, 534 too weak, 535 refused, 538 encryption required.
    if matches!(code, 530 | 534 | 535 | 538) || (step == Step::Login && code >= 500) {
        return Judgement::Account(AccountTrouble::Login);
    }
    if step == Step::Login {
        return Judgement::Account(AccountTrouble::Unreachable);
    }
    if code < 500 {
        return Judgement::Transient;
    }
    match judge_status(refusal.enhanced, step) {
        Severity::Policy => Judgement::Account(AccountTrouble::Policy),
        severity @ (Severity::Hard | Severity::Soft | Severity::Unknown) => Judgement::Permanent(severity),
    }
}

/// Whether a refusal is of this message, so that the same meets it the next time: not of our account or our address, of a mailbox that
/// is full and may be emptied, or of the state of a server (RFC 3463 §3). A size is refused at any step.
pub fn is_about_message(refusal: Refusal<'_>) -> bool {
    let status = refusal.enhanced.unwrap_or_default();
    let is_passing = ["5.1.7", "5.1.8"].contains(&status) || status.starts_with("5.3.") || status.starts_with("5.4.");
    match judge_refusal(refusal) {
        Judgement::Permanent(Severity::Hard) => true,
        Judgement::Permanent(Severity::Unknown) => {
            status == "5.3.4" || (!is_passing && matches!(refusal.step, Step::Recipient | Step::Content))
        }
        Judgement::Permanent(Severity::Soft | Severity::Policy) | Judgement::Transient | Judgement::Account(_) => false,
    }
}

/// How bad a permanent refusal with this enhanced status is.
fn judge_status(enhanced: Option<&str>, step: Step) -> Severity {
    let Some(status) = enhanced else { return Severity::Unknown };
    let mut parts = status.split('.').map(|p| p.parse::<u16>().unwrap_or(0));
    match (parts.next(), parts.next(), parts.next()) {
        // Of 5.1.x, 7 and 8 speak of the sender, 9 of a relay.
        (Some(5), Some(1), Some(1 | 2 | 3 | 6 | 10)) | (Some(5), Some(4), Some(4)) if step == Step::Recipient => {
            Severity::Hard
        }
        (Some(5), Some(2), Some(2)) => Severity::Soft,
        (Some(5), Some(7), _) => Severity::Policy,
        _ => Severity::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(step: Step, code: u16, enhanced: Option<&str>) -> Judgement {
        judge_refusal(Refusal { step, code, enhanced, text: "" })
    }

    #[test]
    fn delays_grow_and_end_after_three_days() {
        let start = Micros::from_seconds(1_000_000);
        let mut now = start;
        let mut minutes = Vec::new();
        for failures in 0.. {
            let tried = Tried { failures, first_try_at: Some(start) };
            let Retry::Later(at) = plan_retry(tried, now, 0.0) else { break };
            minutes.push(at.since(now).as_secs() / 60);
            now = at;
        }
        assert_eq!(minutes[..8], [1, 5, 15, 30, 60, 120, 240, 240]);
        assert!(now.since(start) >= TRIED_MAX && now.since(start) < TRIED_MAX + Duration::from_hours(5));
    }

    #[test]
    fn chance_moves_a_retry_by_a_quarter_at_most() {
        let now = Micros::from_seconds(50);
        let tried = Tried { failures: 4, first_try_at: None };
        assert_eq!(plan_retry(tried, now, 1.0), Retry::Later(now.plus(Duration::from_mins(75))));
        assert_eq!(plan_retry(tried, now, f64::INFINITY), Retry::Later(now.plus(Duration::from_mins(75))));
    }

    #[test]
    fn refusals_are_told_apart() {
        use AccountTrouble::{Login, Policy, Unreachable};
        use Judgement::{Account, Permanent, Transient};
        for (step, code, enhanced, expected) in [
            (Step::Recipient, 450, Some("4.2.0"), Transient),
            (Step::Recipient, 550, Some("5.1.1"), Permanent(Severity::Hard)),
            (Step::Recipient, 550, None, Permanent(Severity::Unknown)),
            (Step::Envelope, 550, Some("5.1.8"), Permanent(Severity::Unknown)),
            (Step::Envelope, 550, Some("5.1.1"), Permanent(Severity::Unknown)),
            (Step::Recipient, 552, Some("5.2.2"), Permanent(Severity::Soft)),
            (Step::Content, 554, Some("5.7.1"), Account(Policy)),
            (Step::Content, 421, None, Account(Unreachable)),
            (Step::Login, 535, Some("5.7.8"), Account(Login)),
            (Step::Login, 454, Some("4.7.0"), Account(Unreachable)),
            (Step::Envelope, 530, Some("5.7.0"), Account(Login)),
            (Step::Connect, 554, None, Account(Unreachable)),
        ] {
            assert_eq!(refusal(step, code, enhanced), expected, "{step:?} {code} {enhanced:?}");
        }
    }

    #[test]
    fn what_is_refused_again_is_told_from_what_may_pass() {
        for (step, code, enhanced, expected) in [
            (Step::Recipient, 550, Some("5.1.1"), true),
            (Step::Recipient, 550, Some("5.4.4"), true),
            (Step::Recipient, 550, None, true),
            (Step::Content, 554, Some("5.6.0"), true),
            (Step::Envelope, 552, Some("5.3.4"), true),
            (Step::Envelope, 550, None, false),
            (Step::Envelope, 550, Some("5.1.8"), false),
            (Step::Envelope, 530, None, false),
            (Step::Login, 535, Some("5.7.8"), false),
            (Step::Connect, 554, None, false),
            (Step::Recipient, 450, Some("4.2.0"), false),
            (Step::Recipient, 550, Some("5.7.1"), false),
            (Step::Recipient, 552, Some("5.2.2"), false),
            (Step::Recipient, 550, Some("5.4.1"), false),
            (Step::Content, 554, Some("5.3.0"), false),
            (Step::Content, 550, Some("5.4.5"), false),
            (Step::Content, 554, Some("5.7.1"), false),
            (Step::Content, 452, Some("4.3.1"), false),
            (Step::Content, 421, None, false),
        ] {
            let refusal = Refusal { step, code, enhanced, text: "" };
            assert_eq!(is_about_message(refusal), expected, "{step:?} {code} {enhanced:?}");
        }
    }

    #[test]
    fn account_rests_longer_each_time() {
        assert_eq!(account_rest(AccountTrouble::Unreachable, 1), Duration::from_secs(2));
        assert_eq!(account_rest(AccountTrouble::Unreachable, 99), Duration::from_mins(5));
        assert_eq!(account_rest(AccountTrouble::Login, 1), Duration::from_mins(5));
    }
}
