//! The people: influencers, their agents, their addresses, and what is known of them.
//!
//! Plain facts and small pure rules. Nothing here reads a store or decides who may be written to.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::ids::{AddressId, AgentId, InfluencerId, LedgerId, NoteId};
use super::time::Micros;
use super::words::{Awaiting, Channel, SuppressionReason};

pub mod check;
pub mod merge;

/// Characters of a handle, a name, a tag, an owner or the name of a network or property.
pub const NAME_MAX: usize = 200;
/// Characters of one property's value.
pub const PROPERTY_MAX: usize = 4_000;
/// Tags of one influencer.
pub const TAGS_MAX: usize = 100;
/// Networks of one influencer.
pub const NETWORKS_MAX: usize = 50;
/// Properties of one influencer.
pub const PROPERTIES_MAX: usize = 200;
/// Characters of a note.
pub const NOTE_MAX: usize = 100_000;
/// The scope of a suppression that holds for everything.
pub const SCOPE_ALL: &str = "all";
/// How the evidence of a suppression ends that somebody's no at another address brought about; the store looks for it.
pub const CARRIED_OVER: &str = ", the same person)";

/// Someone the brand has a relationship with.
#[derive(Debug, Clone, PartialEq)]
pub struct Influencer {
    /// Its id.
    pub id: InfluencerId,
    /// What the team calls them, as written: `@anaruns`. Unique by [`handle_key`].
    pub handle: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Where the relationship stands: the id of a declared stage.
    pub stage: String,
    /// Automation leaves the stage alone until a person releases it.
    pub stage_pinned: bool,
    /// Since when they are in that stage.
    pub stage_at: Micros,
    /// The teammate who looks after them.
    pub owner: Option<String>,
    /// Their IANA zone, where it is known.
    pub timezone: Option<String>,
    /// Custom properties.
    pub properties: Map<String, Value>,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
    /// When the newest message was said.
    pub last_message_at: Option<Micros>,
    /// Nothing is sent to them by itself before this instant.
    pub held_until: Option<Micros>,
    /// When they were added.
    pub created_at: Micros,
    /// When a person or an import last changed them.
    pub updated_at: Micros,
    /// Grows with every change by a person or an import.
    pub version: i64,
}

/// Someone who writes for one or several influencers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// When they were added.
    pub created_at: Micros,
    /// When they were last changed.
    pub updated_at: Micros,
}

/// Whose an address is: an influencer's or an agent's, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Person {
    /// An influencer's own.
    Influencer(InfluencerId),
    /// An agent's.
    Agent(AgentId),
}

impl Person {
    /// The influencer, where it is one.
    pub fn influencer(self) -> Option<InfluencerId> {
        match self {
            Self::Influencer(id) => Some(id),
            Self::Agent(_) => None,
        }
    }

    /// The agent, where it is one.
    pub fn agent(self) -> Option<AgentId> {
        match self {
            Self::Influencer(_) => None,
            Self::Agent(id) => Some(id),
        }
    }
}

/// One address of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its id.
    pub id: AddressId,
    /// On which channel.
    pub channel: Channel,
    /// As written.
    pub value: String,
    /// The form it is looked up by ([`super::address::key`] for email). Unique per channel.
    pub value_key: String,
    /// Whose it is.
    pub person: Person,
    /// The one that is written to first.
    pub is_primary: bool,
    /// Since when nothing arrives there.
    pub dead_at: Option<Micros>,
    /// Why that is thought.
    pub dead_reason: Option<String>,
    /// When it was added.
    pub created_at: Micros,
}

/// A social network an influencer is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Network {
    /// Its name, lower case: `instagram`.
    pub network: String,
    /// Their handle there, as written.
    pub handle: String,
    /// How many follow them, where it is known.
    pub followers: Option<i64>,
}

/// What a teammate wrote down about an influencer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// About whom.
    pub influencer_id: InfluencerId,
    /// Who wrote it.
    pub author: String,
    /// What they wrote.
    pub text: String,
    /// When.
    pub at: Micros,
}

/// That someone agreed to be written to at an address, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Its id.
    pub id: LedgerId,
    /// On which channel.
    pub channel: Channel,
    /// At which address, in its looked-up form.
    pub value_key: String,
    /// Where they said so: a form, a contract.
    pub source: String,
    /// What proves it.
    pub evidence: String,
    /// When they said so.
    pub at: Micros,
    /// When they took it back.
    pub withdrawn_at: Option<Micros>,
}

/// An address that must not be written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Suppression {
    /// Its id.
    pub id: LedgerId,
    /// On which channel.
    pub channel: Channel,
    /// Which address, in its looked-up form.
    pub value_key: String,
    /// For what it holds; [`SCOPE_ALL`] is everything.
    pub scope: String,
    /// Why.
    pub reason: SuppressionReason,
    /// What shows it: a message, a report, who did it by hand.
    pub evidence: String,
    /// Since when.
    pub at: Micros,
}

/// An influencer as programs outside see one.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct InfluencerView {
    /// Its id.
    pub id: InfluencerId,
    /// What the team calls them.
    pub handle: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// The id of the stage they are in.
    pub stage: String,
    /// Whether a person pinned the stage.
    pub stage_pinned: bool,
    /// The teammate who looks after them.
    pub owner: Option<String>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Custom properties.
    pub properties: Map<String, Value>,
    /// Their IANA zone.
    pub timezone: Option<String>,
    /// Who writes for them.
    pub agent: Option<AgentRef>,
    /// Their own addresses, the primary one first.
    pub addresses: Vec<AddressView>,
    /// The networks they are on, sorted by name.
    pub networks: Vec<Network>,
    /// Followers over all networks.
    pub reach: Option<i64>,
    /// `nano`, `micro`, `macro` or `mega`, from the reach.
    pub tier: Option<&'static str>,
    /// When the newest message was said.
    pub last_message_at: Option<Micros>,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
    /// Nothing is sent to them by itself before this instant.
    pub held_until: Option<Micros>,
    /// Why.
    pub hold_reason: Option<String>,
    /// Until when we wait for them to do something.
    pub waiting_until: Option<Micros>,
    /// Into whom this record was merged: they are elsewhere, and this is left out of every list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<InfluencerId>,
    /// Grows with every change; what `If-Match` compares.
    pub version: i64,
}

/// An address as programs outside see one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AddressView {
    /// On which channel.
    pub channel: Channel,
    /// As written.
    pub value: String,
    /// The one that is written to first.
    pub primary: bool,
    /// The newest consent that was not withdrawn.
    pub consent: Option<ConsentView>,
    /// Since when nothing arrives there.
    pub dead_at: Option<Micros>,
    /// Why it must not be written to, where it must not.
    pub suppressed: Option<SuppressionReason>,
}

/// A consent as programs outside see one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ConsentView {
    /// Where they said so.
    pub source: String,
    /// When.
    pub at: Micros,
}

/// Who writes for an influencer, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AgentRef {
    /// Its id.
    pub id: AgentId,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Their primary email address.
    pub email: Option<String>,
    /// Why it must not be written to, where it must not.
    pub suppressed: Option<SuppressionReason>,
}

/// An agent as programs outside see one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AgentView {
    /// Its id.
    pub id: AgentId,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Their addresses, the primary one first.
    pub addresses: Vec<AddressView>,
    /// For whom they write.
    pub influencers: Vec<InfluencerRef>,
    /// Grows with every change; what `If-Match` compares.
    pub version: i64,
}

/// An influencer in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct InfluencerRef {
    /// Its id.
    pub id: InfluencerId,
    /// What the team calls them.
    pub handle: String,
}

/// The form in which handles are compared and looked up: trimmed, one leading `@` removed, lower case. `None` where it
/// can't be a handle: empty, longer than [`NAME_MAX`], or with spaces or control characters inside.
pub fn handle_key(handle: &str) -> Option<String> {
    let handle = handle.trim();
    let handle = handle.strip_prefix('@').unwrap_or(handle);
    let bad = handle.is_empty()
        || handle.chars().count() > NAME_MAX
        || handle.chars().any(|c| c.is_whitespace() || c.is_control());
    (!bad).then(|| handle.to_lowercase())
}

/// What is looked for when someone types the beginning of a handle or a name: trimmed, one leading `@` removed, lower
/// case, single spaces.
pub fn query_key(typed: &str) -> String {
    let typed = typed.trim();
    let typed = typed.strip_prefix('@').unwrap_or(typed);
    typed.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The words under which an influencer is found: the handle, the whole name, and each part of the name.
pub fn search_words(handle: &str, first_name: &str, last_name: &str) -> BTreeSet<String> {
    let whole = query_key(&format!("{first_name} {last_name}"));
    let mut words: BTreeSet<String> = whole.split(' ').map(str::to_owned).collect();
    words.extend([query_key(handle), query_key(last_name), whole]);
    words.remove("");
    words
}

/// Followers over all networks; `None` where none is known.
pub fn reach(networks: &[Network]) -> Option<i64> {
    networks.iter().filter_map(|n| n.followers).reduce(i64::saturating_add)
}

/// The tier of a reach; lower bounds are inclusive, below 1,000 there is none.
pub fn tier(reach: i64) -> Option<&'static str> {
    match reach {
        1_000_000.. => Some("mega"),
        100_000.. => Some("macro"),
        10_000.. => Some("micro"),
        1_000.. => Some("nano"),
        _ => None,
    }
}

/// The reach from which on somebody is in a tier, and from which on no more; `None` where there is no such tier.
pub fn tier_bounds(tier: &str) -> Option<(i64, Option<i64>)> {
    match tier {
        "mega" => Some((1_000_000, None)),
        "macro" => Some((100_000, Some(1_000_000))),
        "micro" => Some((10_000, Some(100_000))),
        "nano" => Some((1_000, Some(10_000))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_tiers_are_those_by_which_they_are_told() {
        for reach in [0, 999, 1_000, 9_999, 10_000, 99_999, 100_000, 999_999, 1_000_000, i64::MAX] {
            for name in ["nano", "micro", "macro", "mega"] {
                let (from, below) = tier_bounds(name).unwrap();
                let within = reach >= from && below.is_none_or(|below| reach < below);
                assert_eq!(within, tier(reach) == Some(name), "{reach} {name}");
            }
        }
        assert_eq!(tier_bounds("giga"), None);
    }

    #[test]
    fn handles_compare_without_at_sign_and_case() {
        assert_eq!(handle_key(" @AnaRuns "), Some("anaruns".into()));
        for bad in ["", "@", "  ", "ana runs", "a\u{0}b"] {
            assert_eq!(handle_key(bad), None, "{bad:?}");
        }
        assert_eq!(handle_key(&"a".repeat(NAME_MAX + 1)), None);
    }

    #[test]
    fn people_are_found_by_handle_and_by_each_part_of_the_name() {
        let words = search_words("@AnaRuns", "Ana  Maria", "da Silva");
        for word in ["anaruns", "ana", "maria", "silva", "da silva", "ana maria da silva"] {
            assert!(words.contains(word), "{word}");
        }
        assert_eq!(search_words("@x", "", "").len(), 1);
    }

    #[test]
    fn tiers_begin_at_their_lower_bound() {
        let followers = |followers| Network { network: "n".into(), handle: "h".into(), followers };
        assert_eq!(reach(&[followers(Some(600)), followers(None), followers(Some(400))]), Some(1_000));
        assert_eq!(reach(&[followers(None)]), None);
        let tiers = [999, 1_000, 9_999, 10_000, 99_999, 100_000, 999_999, 1_000_000].map(tier);
        assert_eq!(
            tiers,
            [
                None,
                Some("nano"),
                Some("nano"),
                Some("micro"),
                Some("micro"),
                Some("macro"),
                Some("macro"),
                Some("mega")
            ]
        );
    }
}
