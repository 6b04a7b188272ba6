//! A reader says no: their address is suppressed, what waits for it is taken back, and everybody who asks learns why.
//! All of it in the caller's transaction; a second no changes nothing.

use serde_json::json;

use super::people::{self, NewSuppression, PeopleError};
use super::settle::{self, SettleError};
use super::signal::{self, Signal};
use super::task::{self, NewTask};
use crate::clock::Clock;
use crate::domain::ids::{AgentId, InfluencerId, MessageId};
use crate::domain::subject;
use crate::domain::token::{Keys, TOKEN_CHARS};
use crate::domain::words::{Channel, EventType, HitKind, SuppressionReason, TaskKind};
use crate::store::{StoreError, Tx};

/// So many people are named in a task about their agent.
const NAMED_MAX: usize = 20;

/// How they said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// On our page.
    Page,
    /// By one click in their mail program (RFC 8058).
    OneClick,
    /// By the mail that List-Unsubscribe names.
    Mail,
}

impl How {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::OneClick => "one_click",
            Self::Mail => "mail",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribed {
    /// The message they answered to.
    pub message: MessageId,
    /// Whose mail ends.
    pub address: String,
    /// Messages that waited for them and were taken back.
    pub cancelled: Vec<MessageId>,
    /// Whether it was so before.
    pub again: bool,
}

/// Acts on a token of an unsubscribe link; `None` where it is no such token, or its message is gone.
///
/// # Errors
/// The store's.
pub async fn unsubscribe_by_token(
    tx: &mut Tx,
    clock: &Clock,
    keys: &Keys,
    (token, how): (&str, How),
) -> Result<Option<Unsubscribed>, StoreError> {
    match keys.read(token).filter(|t| t.kind == HitKind::Unsubscribe) {
        Some(token) => unsubscribe(tx, clock, token.message, how).await,
        None => Ok(None),
    }
}

/// The token in the subject of a mail that List-Unsubscribe asked for: `unsubscribe TOKEN`, whatever a mail system put before or
/// behind it (`[EXTERNAL]`). Who answers such a mail or forwards it asks for nothing.
pub fn token_in_subject(subject: &str) -> Option<&str> {
    if subject::is_reply(subject) || subject::is_forward(subject) {
        return None;
    }
    let words: Vec<&str> = subject.split_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let [word, token] = pair else { return None };
        let plain = token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        (word.eq_ignore_ascii_case("unsubscribe") && plain && token.len() == TOKEN_CHARS).then_some(*token)
    })
}

/// Ends mail to the one a message went to; `None` where there is no such message.
///
/// # Errors
/// The store's.
pub async fn unsubscribe(
    tx: &mut Tx,
    clock: &Clock,
    message: MessageId,
    how: How,
) -> Result<Option<Unsubscribed>, StoreError> {
    // The first of the envelope: copies may have gone to others, who did not ask for it to end.
    let Some(recipient) = tx.list_recipients(vec![message]).await?.into_iter().next() else { return Ok(None) };
    let suppression = NewSuppression {
        address: recipient.address.clone(),
        reason: SuppressionReason::OptedOut,
        evidence: format!("unsubscribed ({}) from {message} at {}", how.as_str(), clock.now()),
    };
    let added = people::suppress_address(tx, clock, suppression).await.map_err(only_store)?;
    let said = tx.list_reader_events(message).await?.iter().any(|e| e.kind == EventType::InfluencerUnsubscribed);
    // Told once for each message: an agent who ends it for one influencer and then for another said two things.
    let known = !added && said;
    let mut done = Unsubscribed { message, address: recipient.address, cancelled: Vec::new(), again: known };
    // Looked at each time: something may have been written while this one was on its way.
    for waiting in tx.list_waiting_to(&recipient.address_key).await? {
        match settle::cancel(tx, clock, waiting, "they unsubscribed").await {
            Ok(_) => done.cancelled.push(waiting),
            // It left meanwhile.
            Err(SettleError::Unknown | SettleError::State(_)) => {}
            Err(SettleError::Store(error)) => return Err(error),
        }
    }
    if !known {
        record(tx, clock, message, (&recipient.address_key, how)).await?;
    }
    Ok(Some(done))
}

/// Whether a reader said no to this message before and nothing is left to be done about it: another no would change nothing.
///
/// # Errors
/// The store's.
pub async fn is_done(tx: &mut Tx, message: MessageId) -> Result<bool, StoreError> {
    let Some(recipient) = tx.list_recipients(vec![message]).await?.into_iter().next() else { return Ok(false) };
    let said = tx.list_reader_events(message).await?.iter().any(|e| e.kind == EventType::InfluencerUnsubscribed);
    if !said || !tx.list_waiting_to(&recipient.address_key).await?.is_empty() {
        return Ok(false);
    }
    let listed = tx.suppressed(Channel::Email, vec![recipient.address_key]).await?;
    Ok(listed.iter().any(|s| s.reason == SuppressionReason::OptedOut))
}

/// A teammate was told that somebody wants no more mail: a no as any other, of the person and not of one address. An agent's is the
/// agent's: it holds at all of their addresses, and says nothing of what those want for whom they write. Whether it was not known
/// before.
///
/// # Errors
/// [`PeopleError::Invalid`] where it is no address.
pub async fn unsubscribe_by_hand(
    tx: &mut Tx,
    clock: &Clock,
    given: &str,
    evidence: String,
) -> Result<bool, PeopleError> {
    // First of all, as those do who store messages: their locks are taken in one order.
    tx.lock_conversations().await?;
    let reason = SuppressionReason::OptedOut;
    let new = NewSuppression { address: given.to_owned(), reason, evidence };
    let (channel, key) = people::channel_of(given)?;
    let added = people::suppress_address(tx, clock, new.clone()).await?;
    take_back(tx, clock, &key).await?;
    let owners = tx.find_addresses(channel, vec![key.clone()]).await?;
    if let Some(agent) = owners.iter().find_map(|o| o.agent_id) {
        if !added {
            return Ok(false);
        }
        for other in people::refused::other_addresses(tx, channel, &key).await? {
            take_back(tx, clock, &other).await?;
            people::suppress_address(tx, clock, NewSuppression { address: other.clone(), ..new.clone() }).await?;
            tx.withdraw_consents(channel, &other, clock.now()).await?;
        }
        tx.withdraw_consents(channel, &key, clock.now()).await?;
        no_of_agent(tx, clock, agent, &key).await?;
        return Ok(true);
    }
    let owners: Vec<InfluencerId> = owners.into_iter().filter_map(|o| o.influencer_id).collect();
    // What was said at an address alone, or before it was known whose it is, is said of everything now.
    let known = people::refused::said_of_everything(tx, &owners).await?;
    let known = known.values().filter(|said| people::refused::is_own(said)).count();
    if !added && known == owners.len() {
        return Ok(false);
    }
    for address in tx.list_addresses_of_influencers(owners.clone()).await? {
        take_back(tx, clock, &address.value_key).await?;
    }
    let (what, at) = (EventType::InfluencerUnsubscribed, clock.now());
    let data = json!({"address": key, "how": "by_hand"});
    let told = |id| Signal { what, influencer: Some(id), message: None, at, data: Some(data.clone()) };
    signal::record(tx, clock, owners.into_iter().map(told).collect()).await?;
    Ok(true)
}

/// A person read that an influencer wants no more mail, in this message: the same as [`unsubscribe_by_hand`], of all their addresses.
/// Nothing where that was known.
pub(in crate::hub) async fn influencer_said_no(
    tx: &mut Tx,
    clock: &Clock,
    id: InfluencerId,
    (message, by): (Option<MessageId>, &str),
) -> Result<(), StoreError> {
    let own = tx.list_addresses_of_influencers(vec![id]).await?;
    let said = people::refused::said_of_everything(tx, &[id]).await?;
    // What is only carried over goes again with the merge that brought it.
    let mut unknown = !said.values().any(people::refused::is_own);
    for address in own {
        take_back(tx, clock, &address.value_key).await?;
        let said = tx.suppressed(address.channel, vec![address.value_key]).await?;
        unknown |= !said.iter().any(|s| people::refused::is_no(s.reason));
    }
    if !unknown {
        return Ok(());
    }
    let (what, at, data) = (EventType::InfluencerUnsubscribed, clock.now(), json!({"how": "by_hand", "by": by}));
    let told = Signal { what, influencer: Some(id), message, at, data: Some(data) };
    signal::record(tx, clock, vec![told]).await
}

/// What waits for an address is cancelled.
async fn take_back(tx: &mut Tx, clock: &Clock, key: &str) -> Result<(), StoreError> {
    for waiting in tx.list_waiting_to(key).await? {
        match settle::cancel(tx, clock, waiting, "they said no").await {
            // Where it can't be cancelled it left meanwhile.
            Ok(_) | Err(SettleError::Unknown | SettleError::State(_)) => {}
            Err(SettleError::Store(error)) => return Err(error),
        }
    }
    Ok(())
}

/// An agent wants no more mail: told once, as nobody's but theirs, and a person decides about those they
/// write for.
async fn no_of_agent(tx: &mut Tx, clock: &Clock, agent: AgentId, key: &str) -> Result<(), StoreError> {
    let (what, at) = (EventType::InfluencerUnsubscribed, clock.now());
    let data = json!({"address": key, "how": "by_hand", "agent_id": agent});
    signal::record(tx, clock, vec![Signal { what, influencer: None, message: None, at, data: Some(data) }]).await?;
    let of: Vec<InfluencerId> = tx.influencers_of_agents(vec![agent]).await?.into_iter().map(|(_, id)| id).collect();
    if of.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> = tx.get_influencers(of.clone()).await?.into_iter().map(|i| i.handle).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let text = format!(
        "An agent ({key}) wants no more mail, and gets none: decide how to go on with those they write for: {}{more}. They go on \
         being written to at their own addresses",
        names.join(", ")
    );
    task::create_by_rule(tx, clock, NewTask { kind: TaskKind::Answer, text, ..NewTask::default() }).await?;
    Ok(())
}

fn only_store(error: PeopleError) -> StoreError {
    let why = error.to_string();
    if let PeopleError::Store(error) = error {
        return error;
    }
    StoreError::Damaged(format!("the address of a recipient can't be suppressed: {why}"))
}

async fn record(tx: &mut Tx, clock: &Clock, message: MessageId, (key, how): (&str, How)) -> Result<(), StoreError> {
    let tracked = tx.lock_tracked(message).await?;
    let data = json!({
        "address": key,
        "how": how.as_str(),
        "enrollment_id": tracked.as_ref().and_then(|t| t.enrollment_id),
        "step": tracked.as_ref().and_then(|t| t.step.clone()),
    });
    let what = EventType::InfluencerUnsubscribed;
    let at = clock.now();
    let parties = tx.outbox_parties(message).await?;
    let mut signals: Vec<Signal> = parties
        .into_iter()
        .map(|p| Signal {
            what,
            influencer: Some(p.influencer_id),
            message: Some(message),
            at,
            data: Some(data.clone()),
        })
        .collect();
    if signals.is_empty() {
        signals.push(Signal { what, influencer: None, message: Some(message), at, data: Some(data) });
    }
    signal::record(tx, clock, signals).await
}
