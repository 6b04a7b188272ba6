//! Changing people: creating, updating, moving between stages, notes, suppressions. Each change leaves its event, and
//! each event keeps the stage it met.

use serde_json::json;

use super::fares;
use super::react;
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::ids::{AgentId, InfluencerId, LedgerId, MessageId, NoteId};
use crate::domain::people::check::Flaw;
use crate::domain::people::{Influencer, NOTE_MAX, Note, Person, SCOPE_ALL, Suppression, handle_key};
use crate::domain::words::{Channel, EventType, SuppressionReason};
use crate::store::people::list::{InfluencerCursor, InfluencerFilter, InfluencerOrder, PAGE_MAX};
use crate::store::{StoreError, Tx};

mod addresses;
mod agent;
pub mod erase;
pub mod export;
pub mod filter;
mod influencer;
pub mod merge;
pub(in crate::hub) mod refused;
pub mod sweep;
mod unmerge;

pub use addresses::{remove_address, seen};
pub use agent::{AgentChange, NewAgent, create_agent, remove_agent, update_agent};
pub use influencer::{InfluencerChange, NetworkGiven, NewInfluencer, create_influencer, update_influencer};
pub use merge::{Merged, merge};
pub use unmerge::{Unmerged, find_merge, unmerge};

/// Why people could not be changed. Nothing was written; the transaction is to be dropped.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Fields that can't be taken as they are, all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Flaw>),
    /// There is no such influencer.
    #[error("there is no influencer `{0}`")]
    NoInfluencer(String),
    /// There is no such agent.
    #[error("there is no agent `{0}`")]
    NoAgent(String),
    /// The handle is another influencer's.
    #[error("the handle `{handle}` is taken by {id}")]
    HandleTaken {
        /// As given.
        handle: String,
        /// Whose it is.
        id: InfluencerId,
    },
    /// The address is somebody else's; people are never merged without being asked.
    #[error("the address `{address}` belongs to {} already", match owner { Person::Influencer(id) => id.to_string(), Person::Agent(id) => format!("the agent {id}") })]
    AddressTaken {
        /// As given.
        address: String,
        /// Whose it is.
        owner: Person,
    },
    /// The address is none of theirs.
    #[error("they have no address `{0}`")]
    NoAddress(String),
    /// Something is to leave to an address that is to go.
    #[error("message {message} waits to leave to {address}: take it back, or let it leave first")]
    MailWaits {
        /// As it is written.
        address: String,
        /// The first that waits.
        message: MessageId,
    },
    /// An address that something hangs on.
    #[error(
        "{0} was written to or from, is refused, dead or agreed to, or came with a merge: what comes back to it (a no, a complaint, an \
         answer) must find them, so it stays; make another address their primary one, and suppress this one where nobody is to write to it"
    )]
    AddressInUse(String),
    /// No such stage is declared.
    #[error("`{given}` is not a stage; there are: {}", known.join(", "))]
    UnknownStage {
        /// What was given.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Two records that can't be joined, or taken apart again.
    #[error("{0}")]
    NotMerged(String),
    /// A message that somebody is to be erased from is being handed over right now.
    #[error("message {0} is being handed over right now; erase them again in a minute")]
    InHand(MessageId),
    /// The machine has no source of chance.
    #[error("no key can be made: {0}")]
    Chance(String),
    /// Somebody else changed the influencer since it was read: read it again.
    #[error("somebody changed {0} meanwhile; read it again")]
    Changed(InfluencerId),
    /// An agent was changed since the caller saw them.
    #[error("agent `{0}` was changed meanwhile; read it again")]
    AgentChanged(AgentId),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The declared stages, as far as changing people needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStages {
    /// Where new influencers begin.
    pub start: String,
    /// Every stage there is, in the order they are declared.
    pub ids: Vec<String>,
}

impl KnownStages {
    /// The stage itself.
    ///
    /// # Errors
    /// [`PeopleError::UnknownStage`] where it is not declared.
    pub fn check(&self, given: &str) -> Result<String, PeopleError> {
        if self.ids.iter().any(|id| id == given) {
            return Ok(given.to_owned());
        }
        Err(PeopleError::UnknownStage { given: given.chars().take(80).collect(), known: self.ids.clone() })
    }
}

/// A move to another stage by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageMove {
    /// Who.
    pub influencer_id: InfluencerId,
    /// Where to.
    pub to: String,
    /// Whether automation leaves the stage alone from now on.
    pub pinned: bool,
    /// Who did it, or why.
    pub cause: String,
}

/// Moves an influencer to a declared stage; `false` where they were there already, pinned the same way.
///
/// # Errors
/// [`PeopleError::UnknownStage`], [`PeopleError::NoInfluencer`].
pub async fn move_stage(
    tx: &mut Tx,
    clock: &Clock,
    stages: &KnownStages,
    change: StageMove,
) -> Result<bool, PeopleError> {
    let to = stages.check(&change.to)?;
    let id = change.influencer_id;
    let influencer = tx.lock_influencer(id).await?.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()))?;
    if influencer.stage == to && influencer.stage_pinned == change.pinned {
        return Ok(false);
    }
    let at = clock.now();
    let data = json!({
        "from": influencer.stage, "to": to, "cause": change.cause, "by": change.cause, "message_id": null,
        "pinned": change.pinned, "stayed": at.since(influencer.stage_at).as_secs(),
    });
    let kind = EventType::InfluencerStageChanged;
    let moved = Signal { what: kind, influencer: Some(id), message: None, at, data: Some(data) };
    tx.insert_events(vec![signal::event(clock, Some(&influencer.stage), moved)]).await?;
    // Pinning where they are does not begin a new time in the stage.
    let since = if influencer.stage == to { influencer.stage_at } else { at };
    tx.set_influencer_stage(id, &to, change.pinned, since).await?;
    if influencer.stage != to {
        let stages = react::stages(tx).await?;
        react::reached(tx, clock, (id, &to), Some(&*stages)).await?;
    }
    Ok(true)
}

/// Writes a note about an influencer.
///
/// # Errors
/// [`PeopleError::Invalid`] where it is empty or longer than [`NOTE_MAX`]; [`PeopleError::NoInfluencer`].
pub async fn add_note(
    tx: &mut Tx,
    clock: &Clock,
    influencer_id: InfluencerId,
    author: &str,
    text: &str,
) -> Result<Note, PeopleError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NOTE_MAX {
        let reason = format!("a note has between 1 and {NOTE_MAX} characters");
        return Err(PeopleError::Invalid(vec![Flaw::new("text", reason)]));
    }
    if tx.get_influencer(influencer_id).await?.is_none() {
        return Err(PeopleError::NoInfluencer(influencer_id.to_string()));
    }
    let id = NoteId(clock.new_id());
    let note = Note { id, influencer_id, author: author.to_owned(), text: text.to_owned(), at: clock.now() };
    tx.insert_note(&note).await?;
    Ok(note)
}

/// An address that is not to be written to any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSuppression {
    /// As written: a mail address, or a phone number with its country's code.
    pub address: String,
    /// Why.
    pub reason: SuppressionReason,
    /// What shows it, or who said so.
    pub evidence: String,
}

/// The channel of an address, and the form in which it is looked up: a mail address, a phone number with its country's code, or an
/// influencer's id, under which stands what they said of everything.
///
/// # Errors
/// [`PeopleError::Invalid`] where it is neither.
pub fn channel_of(address: &str) -> Result<(Channel, String), PeopleError> {
    let address = address.trim();
    if let Ok(id) = address.parse::<InfluencerId>() {
        return Ok((Channel::Manual, id.to_string()));
    }
    // A user of a workspace holds digits too.
    if let Some((Channel::Slack, key)) = crate::domain::chat::channel_of(address) {
        return Ok((Channel::Slack, key));
    }
    let looks_like_a_number = !address.contains('@') && address.chars().any(|c| c.is_ascii_digit());
    if !looks_like_a_number {
        return Ok((Channel::Email, address_key(address)?));
    }
    let (_, key) = crate::domain::people::check::phone("address", address, None)
        .map_err(|flaw| PeopleError::Invalid(vec![flaw]))?;
    Ok((Channel::Sms, key))
}

fn address_key(address: &str) -> Result<String, PeopleError> {
    match crate::domain::people::check::email("address", address) {
        Ok((_, key)) => Ok(key),
        // What a stranger's mail server accepts need not look right to be suppressed.
        Err(flaw) => crate::domain::address::key(address).ok_or(PeopleError::Invalid(vec![flaw])),
    }
}

async fn note_change(
    tx: &mut Tx,
    clock: &Clock,
    (channel, key): (Channel, &str),
    data: serde_json::Value,
) -> Result<(), StoreError> {
    let owners = tx.find_addresses(channel, vec![key.to_owned()]).await?;
    let changed = |influencer| Signal {
        what: EventType::InfluencerUpdated,
        influencer: Some(influencer),
        message: None,
        at: clock.now(),
        data: Some(data.clone()),
    };
    signal::record(tx, clock, owners.iter().filter_map(|o| o.influencer_id).map(changed).collect()).await
}

/// Suppresses an address, for everything; `false` where it was already (the first reason stays). Where that was a keyword that they sent,
/// what is said besides is kept with it, so that no other keyword takes it back.
///
/// # Errors
/// [`PeopleError::Invalid`] where it can't be an address.
pub async fn suppress_address(tx: &mut Tx, clock: &Clock, new: NewSuppression) -> Result<bool, PeopleError> {
    let (channel, value_key) = channel_of(&new.address)?;
    if channel == Channel::Sms {
        // As those do who store texts: one of them may take a keyword back at this moment. Mail has none, and waits for nobody.
        tx.lock_conversations().await?;
    }
    if channel == Channel::Manual {
        let reason = "name an address or a number; what somebody told you is written down with liaison touch WHO … --means opt_out";
        return Err(PeopleError::Invalid(vec![Flaw::new("address", reason)]));
    }
    let suppression = Suppression {
        id: LedgerId(clock.new_id()),
        channel,
        value_key: value_key.clone(),
        scope: SCOPE_ALL.to_owned(),
        reason: new.reason,
        evidence: new.evidence.clone(),
        at: clock.now(),
    };
    let added = tx.insert_suppressions(&[suppression]).await? > 0;
    let again = !added && outlasts_keyword(tx, (channel, &value_key), &new.evidence).await?;
    // What a person was told is a no of its own, with all that follows from one.
    let added = added || (again && refused::is_no(new.reason));
    if added {
        let data = json!({"changed": ["suppression"], "suppressed": value_key, "reason": new.reason});
        note_change(tx, clock, (channel, &value_key), data).await?;
    }
    Ok(added)
}

/// Keeps with a stop that came by a keyword what else is known; `false` where there is none.
async fn outlasts_keyword(tx: &mut Tx, (channel, key): (Channel, &str), evidence: &str) -> Result<bool, StoreError> {
    let mut kept = false;
    for row in tx.suppressed(channel, vec![key.to_owned()]).await? {
        if fares::keyword_of(tx, &row).await?.is_some() {
            let both = format!("{evidence} (and before, by a keyword: {})", row.evidence);
            kept |= tx.set_suppression_evidence(row.id, &both).await?;
        }
    }
    Ok(kept)
}

/// Lets an address be written to again; only a person may. Where it was its owner's own no, that is taken back as a whole: all
/// their addresses were stopped by it, and any that stayed would bring it back. The addresses that were lifted, this one first; none
/// where it was not suppressed.
pub async fn lift_suppression(tx: &mut Tx, clock: &Clock, address: &str, by: &str) -> Result<Vec<String>, PeopleError> {
    let (channel, key) = channel_of(address)?;
    if let Ok(id) = key.parse::<InfluencerId>() {
        return lift_everything(tx, clock, id, by).await;
    }
    let said = tx.suppressed(channel, vec![key.clone()]).await?;
    let mut lifted = Vec::new();
    if tx.delete_suppressions(channel, &key).await? == 0 {
        return Ok(lifted);
    }
    lifted.push(key.clone());
    if said.iter().any(|s| refused::is_no(s.reason)) {
        // What the same person said of everything would bring it back with the next address.
        let owners = tx.find_addresses(channel, vec![key.clone()]).await?;
        forget_everything(tx, owners.into_iter().filter_map(|o| o.influencer_id).collect()).await?;
        let others = refused::other_addresses(tx, channel, &key).await?;
        for other in tx.suppressed(channel, others).await?.into_iter().filter(|s| refused::is_no(s.reason)) {
            if tx.delete_suppressions(channel, &other.value_key).await? > 0 {
                lifted.push(other.value_key);
            }
        }
    }
    for key in &lifted {
        note_change(tx, clock, (channel, key), json!({"changed": ["suppression"], "lifted": key, "by": by})).await?;
    }
    Ok(lifted)
}

/// Takes back what somebody said of everything: at all their addresses and numbers where they said no, and under their id.
async fn lift_everything(tx: &mut Tx, clock: &Clock, id: InfluencerId, by: &str) -> Result<Vec<String>, PeopleError> {
    let mut lifted = Vec::new();
    if refused::said_of_everything(tx, &[id]).await?.is_empty() {
        return Ok(lifted);
    }
    forget_everything(tx, vec![id]).await?;
    lifted.push(id.to_string());
    for address in tx.list_addresses_of_influencers(vec![id]).await? {
        let said = tx.suppressed(address.channel, vec![address.value_key.clone()]).await?;
        if said.iter().any(|s| refused::is_no(s.reason))
            && tx.delete_suppressions(address.channel, &address.value_key).await? > 0
        {
            let data = json!({"changed": ["suppression"], "lifted": address.value_key, "by": by});
            note_change(tx, clock, (address.channel, &address.value_key), data).await?;
            lifted.push(address.value_key);
        }
    }
    Ok(lifted)
}

/// What these people said of everything is taken back, with what stands under records that were joined into theirs.
async fn forget_everything(tx: &mut Tx, mut ids: Vec<InfluencerId>) -> Result<(), StoreError> {
    let mut seen: Vec<InfluencerId> = Vec::new();
    while !ids.is_empty() {
        for id in &ids {
            tx.delete_suppressions(Channel::Manual, &id.to_string()).await?;
        }
        seen.extend(&ids);
        ids = tx.merged_into_any(ids).await?.into_iter().filter(|id| !seen.contains(id)).collect();
    }
    Ok(())
}

/// Where somebody is now: whoever they were merged into, or they themselves.
///
/// # Errors
/// The store's.
pub async fn survivor(tx: &mut Tx, mut id: InfluencerId) -> Result<InfluencerId, StoreError> {
    while let Some(into) = tx.merged_into(id).await? {
        id = into;
    }
    Ok(id)
}

/// Everybody who is one person by now: who they are, and all who were joined into them.
///
/// # Errors
/// The store's.
pub async fn everyone_in(tx: &mut Tx, id: InfluencerId) -> Result<Vec<InfluencerId>, StoreError> {
    let mut all = vec![survivor(tx, id).await?];
    let mut last = all.clone();
    while !last.is_empty() {
        last = tx.merged_into_any(last).await?.into_iter().filter(|id| !all.contains(id)).collect();
        all.extend(&last);
    }
    Ok(all)
}

/// The influencers who have these handles, each with the handle that was asked for; or who had one before, where nobody has it now: then
/// as they are called since.
///
/// # Errors
/// The store's.
pub(in crate::hub) async fn influencers_by_handles(
    tx: &mut Tx,
    keys: Vec<String>,
) -> Result<Vec<(String, Influencer)>, StoreError> {
    let found = tx.get_influencers_by_handles(keys.clone()).await?;
    let key_of = |influencer: &Influencer| handle_key(&influencer.handle).unwrap_or_default();
    let mut all: Vec<(String, Influencer)> = found.into_iter().map(|i| (key_of(&i), i)).collect();
    let missing: Vec<String> = keys.into_iter().filter(|key| !all.iter().any(|(known, _)| known == key)).collect();
    if missing.is_empty() {
        return Ok(all);
    }
    for (key, id) in tx.find_former_handles(missing).await? {
        let now = survivor(tx, id).await?;
        all.extend(tx.get_influencer(now).await?.map(|influencer| (key, influencer)));
    }
    Ok(all)
}

/// The influencer someone means by an id, a handle or an email address.
///
/// # Errors
/// [`PeopleError::NoInfluencer`].
pub async fn find_influencer(tx: &mut Tx, who: &str) -> Result<Influencer, PeopleError> {
    let who = who.trim();
    if let Ok(mut id) = who.parse::<InfluencerId>()
        && tx.get_influencer(id).await?.is_some()
    {
        id = survivor(tx, id).await?;
        return tx.get_influencer(id).await?.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()));
    }
    if let Some(key) = handle_key(who)
        && let Some(influencer) = tx.get_influencer_by_handle(&key).await?
    {
        return Ok(influencer);
    }
    if let Some(key) = crate::domain::address::key(who)
        && let Some(influencer) = tx.get_influencer_by_address(Channel::Email, &key).await?
    {
        return Ok(influencer);
    }
    if let Ok(key) = crate::domain::phone::key(who, None)
        && let Some(influencer) = tx.get_influencer_by_address(Channel::Sms, &key).await?
    {
        return Ok(influencer);
    }
    Err(PeopleError::NoInfluencer(who.chars().take(80).collect()))
}

/// All whom a filter finds, in the order in which they were added, at most so many.
///
/// # Errors
/// Those of the store.
pub async fn list_ids(tx: &mut Tx, filter: &InfluencerFilter, at_most: usize) -> Result<Vec<InfluencerId>, StoreError> {
    let (mut ids, mut after) = (Vec::new(), None);
    while ids.len() < at_most {
        let page = tx.list_influencers(filter, InfluencerOrder::Added, after, PAGE_MAX).await?;
        let Some(last) = page.last() else { break };
        after = Some(InfluencerCursor::after(last));
        ids.extend(page.iter().map(|i| i.id));
    }
    ids.truncate(at_most);
    Ok(ids)
}

/// The agent someone means by an id or an email address.
///
/// # Errors
/// [`PeopleError::NoAgent`].
pub async fn find_agent(tx: &mut Tx, who: &str) -> Result<AgentId, PeopleError> {
    let who = who.trim();
    if let Ok(id) = who.parse::<AgentId>()
        && tx.get_agent(id).await?.is_some()
    {
        return Ok(id);
    }
    if let Some(key) = crate::domain::address::key(who) {
        let owners = tx.find_addresses(Channel::Email, vec![key]).await?;
        if let Some(id) = owners.first().and_then(|o| o.agent_id) {
            return Ok(id);
        }
    }
    Err(PeopleError::NoAgent(who.chars().take(80).collect()))
}
