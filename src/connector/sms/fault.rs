//! Why a provider of text messages says no, and how that is said in the words of mail: what judges refusals
//! (`domain::retry`) knows the codes of SMTP, and an HTTP status would mislead it. 400 is final, and would be tried for days.

use crate::connector::Reply;
use crate::domain::chat::Harm;
use crate::domain::phone::without_numbers;

/// Octets of the words of a reply.
const WORDS_MAX: usize = 500;

/// Why a message was refused, or did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The recipient told the provider to stop: nobody may write to them.
    OptedOut,
    /// There is no such number.
    NoSuchNumber,
    /// The number is there, and gets no text messages: a landline.
    NotMobile,
    /// Nothing goes from this number of ours to theirs: from another it may, so it says nothing of their number.
    OutOfReach,
    /// Sending into their country is not switched on for us; other countries go on.
    Region,
    /// The phone can't be reached now.
    Away,
    /// Carriers or the provider took it for what people do not want.
    Filtered,
    /// Our number, our account or its registration: nothing goes out until a person has seen to it.
    Ours,
    /// Our credentials.
    SignIn,
    /// We ask too often, or more than may be sent in some time.
    TooFast,
    /// The provider has trouble of its own.
    Passing,
    /// This message can't be sent as it is.
    Message,
}

impl Fault {
    /// The SMTP code that is judged alike, and the enhanced status where one is needed for that.
    ///
    /// 421 rests the account and is no failure of the message; 450 tries the message later; 535 and 5.7.x stop the account until a
    /// person has looked; 550 and 554 are final for this message.
    fn codes(self) -> (u16, Option<&'static str>) {
        match self {
            Self::OptedOut | Self::NoSuchNumber | Self::NotMobile => (550, None),
            Self::Filtered | Self::Message | Self::OutOfReach | Self::Region => (554, None),
            Self::Away | Self::Passing => (450, None),
            Self::Ours => (550, Some("5.7.1")),
            Self::SignIn => (535, None),
            Self::TooFast => (421, None),
        }
    }

    /// What it says of the address.
    pub fn harm(self) -> Harm {
        match self {
            Self::OptedOut => Harm::OptedOut,
            Self::NoSuchNumber | Self::NotMobile => Harm::Dead,
            Self::Ours | Self::SignIn => Harm::Ours,
            Self::OutOfReach
            | Self::Region
            | Self::Away
            | Self::Filtered
            | Self::TooFast
            | Self::Passing
            | Self::Message => Harm::Passing,
        }
    }

    /// What it means, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::OptedOut => "they told the provider to stop; only they can take that back, by sending START",
            Self::NoSuchNumber => "there is no such number: ask them for another",
            Self::NotMobile => "the number gets no text messages: ask for a mobile one",
            Self::OutOfReach => {
                "their number can't be reached from this number of ours: write from another, or look at what the provider says of their \
                 country and carrier"
            }
            Self::Region => {
                "texts to their country are not switched on: allow it at the provider (Twilio: Messaging, Settings, Geo permissions; Telnyx: \
                 the messaging profile, Outbound, Allowed Destinations), then send it again"
            }
            Self::Away => "their phone can't be reached now",
            Self::Filtered => {
                "it was filtered as unwanted: look at the words and links, and at the registration of our number"
            }
            Self::Ours => {
                "our number or account may not send this: look at it in the provider's console, then resume the account"
            }
            Self::SignIn => "the provider does not take our credentials: look at them in the configuration",
            Self::TooFast => "the provider asks us to be slower",
            Self::Passing => "the provider has trouble of its own",
            Self::Message => "the provider does not take this message as it is",
        }
    }

    /// A refusal of this sort. `code` is the provider's own and stands as the enhanced status, or in the words where the judgement
    /// needs one of mail's. Numbers of people are taken out of the words.
    pub fn reply(self, code: Option<&str>, said: &str) -> Reply {
        let (smtp, enhanced) = self.codes();
        let number = code.map(|c| format!("{c}: ")).unwrap_or_default();
        let said = without_numbers(said);
        let text = if said.is_empty() {
            format!("{number}{}", self.advice())
        } else {
            format!("{number}{said} ({})", self.advice())
        };
        Reply { code: smtp, enhanced: enhanced.or(code).map(str::to_owned), text: cut(&text) }
    }
}

/// Words, on one line, no longer than replies are kept.
pub(super) fn cut(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if kept.len() + c.len_utf8() > WORDS_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bounce::Severity;
    use crate::domain::retry::{AccountTrouble, Judgement, Refusal, Step, judge_refusal};

    fn judged(fault: Fault, code: &str) -> Judgement {
        let reply = fault.reply(Some(code), "no");
        let enhanced = reply.enhanced.as_deref();
        judge_refusal(Refusal { step: Step::Content, code: reply.code, enhanced, text: &reply.text })
    }

    #[test]
    fn every_fault_is_judged_as_it_should_be() {
        let dead = Judgement::Permanent(Severity::Unknown);
        for (fault, expected) in [
            (Fault::OptedOut, dead),
            (Fault::NoSuchNumber, dead),
            (Fault::NotMobile, dead),
            (Fault::OutOfReach, dead),
            (Fault::Region, dead),
            (Fault::Filtered, dead),
            (Fault::Message, dead),
            (Fault::Away, Judgement::Transient),
            (Fault::Passing, Judgement::Transient),
            (Fault::Ours, Judgement::Account(AccountTrouble::Policy)),
            (Fault::SignIn, Judgement::Account(AccountTrouble::Login)),
            (Fault::TooFast, Judgement::Account(AccountTrouble::Unreachable)),
        ] {
            for code in ["21610", "40300", "5", ""] {
                assert_eq!(judged(fault, code), expected, "{fault:?} {code}");
            }
        }
    }

    #[test]
    fn what_stands_between_two_numbers_says_nothing_of_either() {
        for fault in [Fault::OutOfReach, Fault::Region] {
            assert_eq!(fault.harm(), Harm::Passing, "{fault:?}");
        }
        let told = Fault::Region.reply(Some("21408"), "Permission to send an SMS has not been enabled").text;
        assert!(told.contains("Geo permissions") && told.contains("Allowed Destinations"), "{told}");
    }

    #[test]
    fn a_reply_keeps_the_code_and_names_nobody() {
        let reply = Fault::NoSuchNumber.reply(Some("21211"), "Invalid 'To' Phone Number: +1415867XXXX +14158675309\n");
        assert_eq!(reply.enhanced.as_deref(), Some("21211"));
        assert!(reply.text.starts_with("21211: Invalid") && !reply.text.contains("4158675309"), "{}", reply.text);
        assert!(Fault::Message.reply(None, &"é".repeat(1_000)).text.len() <= WORDS_MAX);
        assert!(Fault::Ours.reply(Some("21606"), "").text.starts_with("21606: "));
    }
}
