//! What Twilio's codes mean. Each has its page: <https://www.twilio.com/docs/api/errors/21610>, and so on.
//!
//! What is about one recipient, or about one recipient and our number, fails that message. Only what would be said to every other
//! message as well stops the account.

use crate::connector::sms::Fault;

/// By code, ascending.
const CODES: &[(u32, Fault)] = &[
    // The account is not active.
    (10_001, Fault::Ours),
    // More than may be sent in a time.
    (14_107, Fault::TooFast),
    // Authentication failed; permission denied.
    (20_003, Fault::SignIn),
    // The account is not active.
    (20_005, Fault::Ours),
    // No such account, service or number for these credentials.
    (20_404, Fault::Ours),
    // Too many requests.
    (20_429, Fault::TooFast),
    // 'To' is no valid number.
    (21_211, Fault::NoSuchNumber),
    // 'From' is no valid number.
    (21_212, Fault::Ours),
    // 'To' can't be reached.
    (21_214, Fault::OutOfReach),
    // 'To' does not look like a number.
    (21_217, Fault::NoSuchNumber),
    // 'To' and 'From' are one number.
    (21_266, Fault::Message),
    // Sending into that region is not switched on.
    (21_408, Fault::Region),
    // 'From' can't send text messages.
    (21_601, Fault::Ours),
    // There is no body.
    (21_602, Fault::Message),
    // There is no 'From'.
    (21_603, Fault::Ours),
    // There is no 'To'.
    (21_604, Fault::Message),
    // The body is too long.
    (21_605, Fault::Message),
    // 'From' is none of our numbers, or can't reach that country.
    (21_606, Fault::Ours),
    // A trial account, or one without an approved profile, writes to verified numbers alone: what waits goes once that is over.
    (21_608, Fault::Ours),
    // The status callback is no valid address.
    (21_609, Fault::Message),
    // They wrote STOP.
    (21_610, Fault::OptedOut),
    // The queue of 'From' is full.
    (21_611, Fault::TooFast),
    // 'To' can't be reached from 'From': that country or carrier takes no such number of ours.
    (21_612, Fault::OutOfReach),
    // 'To' is no mobile number.
    (21_614, Fault::NotMobile),
    // 'From' is several of our numbers.
    (21_616, Fault::Ours),
    // The body has more than 1,600 characters.
    (21_617, Fault::Message),
    // 'To' is a landline.
    (21_635, Fault::NotMobile),
    // 'From' is no number of Twilio's, or of another country.
    (21_659, Fault::Ours),
    // 'From' belongs to another account.
    (21_660, Fault::Ours),
    // 'From' can't send text messages.
    (21_661, Fault::Ours),
    // The messaging service has no numbers; there is no such service.
    (21_703, Fault::Ours),
    (21_704, Fault::Ours),
    (21_705, Fault::Ours),
    // The queue is full.
    (30_001, Fault::TooFast),
    // The account was suspended.
    (30_002, Fault::Ours),
    // The phone is off, or out of reach.
    (30_003, Fault::Away),
    // Blocked: by the carrier, or by the recipient.
    (30_004, Fault::Filtered),
    // The number is unknown, or in use no more.
    (30_005, Fault::NoSuchNumber),
    // A landline; from a short code also a carrier that can't be reached, which the code does not tell apart.
    (30_006, Fault::NotMobile),
    // Filtered by Twilio or by the carrier.
    (30_007, Fault::Filtered),
    // Unknown.
    (30_008, Fault::Away),
    // A part of it is missing.
    (30_009, Fault::Passing),
    // It costs more than we want to pay: to that recipient.
    (30_010, Fault::Message),
    // More than the registration allows at once, and in a day.
    (30_022, Fault::TooFast),
    (30_023, Fault::TooFast),
    // The toll-free number is not verified; the number is not registered for this traffic.
    (30_032, Fault::Ours),
    (30_034, Fault::Ours),
    // It lay in the queue for too long.
    (30_036, Fault::Passing),
    // A provider behind Twilio gave no answer in time.
    (30_410, Fault::Passing),
];

/// What a refusal of what a short code was to send means: it reaches its own country alone, and for another one Twilio says what it
/// says of a number that is none of ours (<https://www.twilio.com/docs/api/errors/21606>, 21659).
pub(super) fn fault_of_short_code(code: &str) -> Option<Fault> {
    match code {
        "21606" | "21659" => Some(Fault::OutOfReach),
        code => fault(code),
    }
}

/// What a code means; `None` where it is none that is known.
pub(super) fn fault(code: &str) -> Option<Fault> {
    let code: u32 = code.trim().parse().ok()?;
    let at = CODES.binary_search_by_key(&code, |(known, _)| *known).ok()?;
    CODES.get(at).map(|(_, fault)| *fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_found() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (code, expected) in [
            ("21610", Some(Fault::OptedOut)),
            ("21211", Some(Fault::NoSuchNumber)),
            ("21614", Some(Fault::NotMobile)),
            ("21408", Some(Fault::Region)),
            ("21612", Some(Fault::OutOfReach)),
            ("21214", Some(Fault::OutOfReach)),
            ("21606", Some(Fault::Ours)),
            ("30003", Some(Fault::Away)),
            ("30005", Some(Fault::NoSuchNumber)),
            ("30007", Some(Fault::Filtered)),
            ("20429", Some(Fault::TooFast)),
            ("14107", Some(Fault::TooFast)),
            ("99999", None),
            ("", None),
            ("nonsense", None),
        ] {
            assert_eq!(fault(code), expected, "{code}");
        }
    }
}
