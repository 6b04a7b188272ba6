//! Messages that are no mail: what of them lies in the outbox, and what ties them to a conversation.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::address;
use super::words::Channel;
use crate::domain::phone;

/// The content of a message that is no mail, as it lies in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// The words.
    pub text: String,
    /// Our token of the attempt, by which it is found again.
    pub token: String,
    /// The provider's id of what it answers, where the channel has threads.
    pub thread: Option<String>,
    /// Where it is posted, where that is not to be found out by whom it is for: a conversation of several.
    #[serde(default)]
    pub place: Option<String>,
    /// The address at which the provider is to say how it fares, where it can reach us.
    pub callback: Option<String>,
}

/// What it says of an address that a message did not arrive there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// They told the provider to stop.
    OptedOut,
    /// Nothing arrives there.
    Dead,
    /// Nothing: it may work later, or it was about us or the message.
    Passing,
    /// Our account may not send: a person has to look.
    Ours,
}

/// What one of a provider's codes means for the address a message went to.
pub type HarmOf = fn(&str) -> Harm;

/// Which channel an address is of, by its form, and the form in which it is looked up. No address is of two.
pub fn channel_of(given: &str) -> Option<(Channel, String)> {
    let given = given.trim();
    if given.contains('@') {
        return address::key(given).map(|key| (Channel::Email, key));
    }
    if phone::is_key(given) {
        return Some((Channel::Sms, given.to_owned()));
    }
    workspace_parts(given).map(|_| (Channel::Slack, given.to_owned()))
}

/// The form in which an address is looked up, whatever channel it is of.
pub fn key(given: &str) -> Option<String> {
    channel_of(given).map(|(_, key)| key)
}

/// The two parts of an address in a workspace, `TEAM/USER`: the team, and the user or conversation.
pub fn workspace_parts(address: &str) -> Option<(&str, &str)> {
    let (team, name) = address.split_once('/')?;
    let fine = |part: &str| !part.is_empty() && part.len() <= 64 && part.chars().all(|c| c.is_ascii_alphanumeric());
    (fine(team) && fine(name)).then_some((team, name))
}

/// Whether somebody is of the workspace in which a place is: a colleague of whoever runs its app.
pub fn is_of_house(place: &str, address: &str) -> bool {
    let team = |address| workspace_parts(address).map(|(team, _)| team);
    team(place).is_some() && team(place) == team(address)
}

/// What ties a message to its conversation: the provider's own word for it, which holds within one account.
pub fn conversation_key(account: &str, conversation: &str) -> String {
    format!("chat:{account}:{conversation}")
}

/// The same for what is written to somebody before the provider has said which conversation that is.
pub fn direct_key(account: &str, to: &str) -> String {
    format!("chat:{account}:to {to}")
}

/// The provider's word for the conversation between one of our numbers, or a pool of them, and a number of theirs.
pub fn text_conversation(ours: &str, theirs: &str) -> String {
    format!("{ours} {theirs}")
}

/// Where in a workspace a conversation is, `TEAM/CHANNEL`, of a conversation as its provider names it.
pub fn place_of(conversation: &str) -> Option<&str> {
    let at = conversation.match_indices('/').nth(1).map_or(conversation.len(), |(at, _)| at);
    conversation.get(..at).filter(|place| workspace_parts(place).is_some())
}

/// What the threads of a channel are called.
pub fn subject_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "Text messages",
        Channel::Slack => "Slack",
        Channel::Email | Channel::Manual => "",
    }
}

/// 16 octets that are the same each time a provider tells one message.
pub fn print_of(account: &str, provider_id: &str) -> Vec<u8> {
    Sha256::digest(format!("chat:{account}:{provider_id}").as_bytes()).iter().take(16).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_one_channel_by_its_form() {
        for (given, expected) in [
            ("Ana@Example.org ", Some((Channel::Email, "ana@example.org"))),
            ("+14155550100", Some((Channel::Sms, "+14155550100"))),
            ("T1/U2", Some((Channel::Slack, "T1/U2"))),
            ("415 555 0100", None),
            ("T1/U1/x", None),
            ("@ana", None),
            ("", None),
        ] {
            let found = channel_of(given);
            assert_eq!(found.as_ref().map(|(channel, key)| (*channel, key.as_str())), expected, "{given}");
        }
    }

    #[test]
    fn a_conversation_names_its_place() {
        assert_eq!(place_of("T1/C2/1700000000.000100"), Some("T1/C2"));
        assert_eq!(place_of("T1/D2"), Some("T1/D2"));
        assert_eq!(place_of("+14155550100 +14155550101"), None);
    }

    #[test]
    fn only_somebody_of_a_workspace_is_of_its_house() {
        assert!(is_of_house("T1/C1", "T1/U2"));
        for (place, address) in [("T1/C1", "T2/U2"), ("+14155550100", "+14155550100"), ("T1/C1", "")] {
            assert!(!is_of_house(place, address), "{place} {address}");
        }
    }

    #[test]
    fn workspace_addresses_are_two_plain_parts() {
        assert_eq!(workspace_parts("T1/U2"), Some(("T1", "U2")));
        for bad in ["", "T1", "T1/", "/U1", "T1/U1/x", "T1/U 1", "T1/U1,U2", "T1/\u{e9}"] {
            assert_eq!(workspace_parts(bad), None, "{bad}");
        }
    }
}
