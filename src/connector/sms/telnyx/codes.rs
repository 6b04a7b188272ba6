//! What Telnyx's codes mean: those of messages (<https://developers.telnyx.com/docs/messaging/messages/error-codes>) and of the
//! interface as a whole (<https://developers.telnyx.com/development/api-fundamentals/api-errors>).
//!
//! What is about one recipient, or about one recipient and our number, fails that message. Only what would be said to every other
//! message as well stops the account.

use crate::connector::sms::Fault;

/// By code, ascending.
const CODES: &[(u32, Fault)] = &[
    // A number is inactive, or invalid: which, the place in the order tells ([`fault_at`]). An address is invalid; something is missing.
    (10_001, Fault::Message),
    (10_002, Fault::Message),
    (10_003, Fault::Message),
    (10_004, Fault::Message),
    // Unexpected; no answer in time.
    (10_007, Fault::Passing),
    (10_008, Fault::Passing),
    // Not signed in; not allowed.
    (10_009, Fault::SignIn),
    (10_010, Fault::Ours),
    // Too many requests.
    (10_011, Fault::TooFast),
    // Not well-formed; not E.164, which the place tells of as well.
    (10_015, Fault::Message),
    (10_016, Fault::Message),
    // The key was revoked, or has lapsed.
    (20_002, Fault::SignIn),
    (20_006, Fault::SignIn),
    // The account: inactive, blocked, not verified, without the feature, not verified far enough; without funds.
    (20_012, Fault::Ours),
    (20_013, Fault::Ours),
    (20_014, Fault::Ours),
    (20_015, Fault::Ours),
    (20_016, Fault::Ours),
    (20_017, Fault::Ours),
    (20_100, Fault::Ours),
    // A landline, or a number that can't be routed.
    (40_001, Fault::NotMobile),
    // Blocked as spam, for now and for good.
    (40_002, Fault::Filtered),
    (40_003, Fault::Filtered),
    // Rejected by the recipient's carrier.
    (40_004, Fault::Away),
    // Expired.
    (40_005, Fault::Passing),
    // The recipient's carrier can't be reached.
    (40_006, Fault::Away),
    // The carrier did not take it.
    (40_008, Fault::Away),
    // The words are not taken.
    (40_009, Fault::Message),
    // The number is not registered.
    (40_010, Fault::Ours),
    // Too fast.
    (40_011, Fault::TooFast),
    // The recipient's carrier takes nothing for that number: nobody has it, or it has no credit, or gets nothing from short codes. Ours
    // is invalid.
    (40_012, Fault::OutOfReach),
    (40_013, Fault::Ours),
    // Expired in the queue.
    (40_014, Fault::Passing),
    // Blocked as spam by Telnyx.
    (40_015, Fault::Filtered),
    // More than the registration allows, with two carriers.
    (40_016, Fault::TooFast),
    (40_018, Fault::TooFast),
    // Rejected by a carrier as spam.
    (40_017, Fault::Filtered),
    // The number is not set up for messages, not in the registry of toll-free numbers, or still with another provider.
    (40_100, Fault::Ours),
    (40_150, Fault::Ours),
    (40_151, Fault::Ours),
    // They wrote STOP.
    (40_300, Fault::OptedOut),
    // Not of a kind that can be sent; too large.
    (40_301, Fault::Message),
    (40_302, Fault::Message),
    (40_304, Fault::Message),
    // 'from' is invalid, or not ours; or no sender of messages with files.
    (40_305, Fault::Ours),
    (40_306, Fault::Ours),
    (40_307, Fault::Ours),
    (40_308, Fault::Message),
    // Not switched on for that region.
    (40_309, Fault::Region),
    // 'to' is invalid.
    (40_310, Fault::NoSuchNumber),
    // The profile: its secret, switched off; messages are switched off for the account; our number is ailing.
    (40_311, Fault::Ours),
    (40_312, Fault::Ours),
    (40_313, Fault::Ours),
    (40_314, Fault::Ours),
    (40_315, Fault::Ours),
    // There is nothing in it.
    (40_316, Fault::Message),
    (40_317, Fault::Message),
    // The queue is full.
    (40_318, Fault::TooFast),
    (40_319, Fault::Message),
    (40_320, Fault::Passing),
    // The profile has no number that can be used.
    (40_321, Fault::Ours),
    // Blocked for what is in it.
    (40_322, Fault::Filtered),
    (40_328, Fault::Message),
    // The toll-free number is not verified.
    (40_329, Fault::Ours),
];

/// What a code means; `None` where it is none that is known.
pub(super) fn fault(code: &str) -> Option<Fault> {
    let code: u32 = code.trim().parse().ok()?;
    CODES.iter().find(|(known, _)| *known == code).map(|(_, fault)| *fault)
}

/// The same of a refusal that names the place in the order that it is about (`source.pointer`), which says whose number is meant.
pub(super) fn fault_at(code: &str, place: &str) -> Option<Fault> {
    match (code, place) {
        ("10001" | "10002" | "10016", "/from") => Some(Fault::Ours),
        ("10002" | "10016", "/to" | "/to/0") => Some(Fault::NoSuchNumber),
        _ => fault(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_there_once() {
        let mut codes: Vec<u32> = CODES.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
        for (code, expected) in [
            ("40300", Some(Fault::OptedOut)),
            ("40310", Some(Fault::NoSuchNumber)),
            ("40001", Some(Fault::NotMobile)),
            ("40309", Some(Fault::Region)),
            ("40012", Some(Fault::OutOfReach)),
            ("20100", Some(Fault::Ours)),
            ("10001", Some(Fault::Message)),
            ("10011", Some(Fault::TooFast)),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(fault(code), expected, "{code}");
        }
        for (code, place, expected) in [
            ("10002", "/from", Fault::Ours),
            ("10016", "/to", Fault::NoSuchNumber),
            ("10001", "/to", Fault::Message),
            ("10001", "/from", Fault::Ours),
            ("40309", "/to", Fault::Region),
        ] {
            assert_eq!(fault_at(code, place), Some(expected), "{code} {place}");
        }
    }
}
