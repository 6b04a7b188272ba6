//! A person says whose a waiting message is: its writer's address becomes theirs, and the whole history of that address
//! appears on their timeline.

use std::collections::HashMap;

use serde_json::json;

use super::matching::{Belongs, rethread};
use super::people::{self, InfluencerChange, KnownStages, NewInfluencer, PeopleError};
use super::signal::{self, Signal};
use super::{hold, task};
use crate::clock::Clock;
use crate::domain::address;
use crate::domain::consequence::UNASSIGNED;
use crate::domain::ids::{AgentId, InfluencerId, MessageId};
use crate::domain::words::{Channel, EventType, TaskKind, UnmatchedReason};
use crate::store::{StoreError, Tx};

/// Whose a message is.
#[derive(Debug, Clone, PartialEq)]
pub enum Whose {
    /// An influencer's.
    Influencer(InfluencerId),
    /// An agent's; of an agent's own message that waits, which of their influencers it is about.
    Agent(AgentId, Vec<InfluencerId>),
    /// Somebody's who is added with it.
    New(Box<NewInfluencer>),
}

/// Why a message was not matched.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// It does not wait.
    #[error("message {0} does not wait for a match; `liaison unmatched list` shows those that do")]
    NotWaiting(MessageId),
    /// Its writer has no address that could be anybody's.
    #[error("the writer of message {0} has no usable address; only a message with one can be matched")]
    NoAddress(MessageId),
    /// People.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Matches a waiting message; how many places on timelines were filled.
pub async fn match_message(
    tx: &mut Tx,
    clock: &Clock,
    stages: &KnownStages,
    message: MessageId,
    (whose, by): (Whose, &str),
) -> Result<usize, MatchError> {
    let waiting = tx.get_unmatched_view(message).await?.ok_or(MatchError::NotWaiting(message))?;
    if waiting.reason == UnmatchedReason::AgentUnassigned {
        if let Whose::Agent(_, about) = &whose {
            return Ok(assign(tx, clock, message, (about, by)).await?);
        }
        if let Whose::Influencer(id) = &whose {
            return Ok(assign(tx, clock, message, (&[*id], by)).await?);
        }
    }
    let key = address::key(&waiting.address).ok_or(MatchError::NoAddress(message))?;
    tx.lock_conversations().await?;
    let placed = tx.find_strangers(vec![key.clone()]).await?.len();
    let belongs = give(tx, clock, stages, &waiting.address, (whose, by)).await?;
    // What an address that is new to them brings along is placed already; this is for one that was theirs before.
    rethread(tx, clock, &HashMap::from([(key, belongs)])).await?;
    tx.resolve_unmatched(message, clock.now()).await?;
    Ok(placed)
}

/// Makes an address somebody's, unless it is theirs already.
async fn give(
    tx: &mut Tx,
    clock: &Clock,
    stages: &KnownStages,
    address: &str,
    (whose, by): (Whose, &str),
) -> Result<Belongs, MatchError> {
    let key = address::key(address).unwrap_or_default();
    let owner = tx.find_addresses(Channel::Email, vec![key]).await?.into_iter().next();
    match whose {
        Whose::Influencer(id) => {
            if owner.as_ref().and_then(|o| o.influencer_id) != Some(id) {
                let change = InfluencerChange { add_emails: vec![address.to_owned()], ..InfluencerChange::default() };
                people::update_influencer(tx, clock, id, by, change).await?;
            }
            Ok(Belongs::Influencer(id))
        }
        Whose::Agent(id, _) => {
            if owner.as_ref().and_then(|o| o.agent_id) != Some(id) {
                let change =
                    people::AgentChange { add_emails: vec![address.to_owned()], ..people::AgentChange::default() };
                people::update_agent(tx, clock, id, change).await?;
            }
            let stands_for = tx.influencers_of_agents(vec![id]).await?.into_iter().map(|(_, i)| i).collect();
            Ok(Belongs::Agent(id, stands_for))
        }
        Whose::New(mut new) => {
            if !new.emails.iter().any(|e| address::key(e) == address::key(address)) {
                new.emails.push(address.to_owned());
            }
            let influencer = people::create_influencer(tx, clock, stages, by, *new).await?;
            Ok(Belongs::Influencer(influencer.id))
        }
    }
}

/// An agent's message that was shown to all they stand for is about these alone: they answered, and the others may go on.
async fn assign(
    tx: &mut Tx,
    clock: &Clock,
    message: MessageId,
    (about, by): (&[InfluencerId], &str),
) -> Result<usize, StoreError> {
    let shown: Vec<InfluencerId> =
        tx.find_participations(vec![message]).await?.into_iter().map(|(_, influencer, _)| influencer).collect();
    for influencer in about {
        tx.set_author(message, *influencer).await?;
    }
    tx.withdraw_unassigned(message).await?;
    tx.resolve_unmatched(message, clock.now()).await?;
    let Some((author, false)) = tx.message_origin(message).await? else { return Ok(about.len()) };
    let key = address::key(&author).unwrap_or_default();
    let agent = tx.find_addresses(Channel::Email, vec![key.clone()]).await?.first().and_then(|o| o.agent_id);
    // Whoever assigns a message has read it: what it says is for them to act on.
    let data = json!({"by_agent": agent, "answer": {"verdict": "read"}, "assigned_by": by});
    let replied = |influencer: &InfluencerId| Signal {
        what: EventType::ThreadReplied,
        influencer: Some(*influencer),
        message: Some(message),
        at: clock.now(),
        data: Some(data.clone()),
    };
    signal::record(tx, clock, about.iter().map(replied).collect()).await?;
    if !tx.waits_beside(&key, message).await? {
        hold::release_for(tx, clock, shown, UNASSIGNED).await?;
    }
    for task in tx.lock_tasks_about(message, TaskKind::Answer).await? {
        task::complete(tx, clock, task, (Some("assigned"), by)).await?;
    }
    Ok(about.len())
}
