//! A person says whose a waiting message is: its writer's address becomes theirs, and the whole history of that address
//! appears on their timeline.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::hold::{self, ByRule};
use super::matching::{Belongs, late, rethread, show_to};
use super::people::{self, InfluencerChange, KnownStages, NewInfluencer, PeopleError};
use super::signal;
use super::task::{self, NewTask};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::consequence::{Answer, MACHINE, machine_question};
use crate::domain::ids::{AgentId, InfluencerId, MessageId};
use crate::domain::words::{Channel, HoldSource, Kind, Meaning, TaskKind, UnmatchedReason, Word as _};
use crate::store::message::WaitingRow;
use crate::store::reading::view::UnmatchedView;
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
    /// An agent wrote it, who stands for several or for nobody, and about whom was not said.
    #[error(
        "message {0} is an agent's, and waits for whom it is about: say that (--about), or link the agent to whom they write for; where \
         it is about none, answer its task `nobody`"
    )]
    AboutWhom(MessageId),
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
    // First of all: whoever finishes the task that asks for it takes the same locks.
    tx.lock_conversations().await?;
    let waiting = tx.get_unmatched_view(message).await?.ok_or(MatchError::NotWaiting(message))?;
    let whose = where_they_are(tx, whose).await?;
    let is_agents = waiting.reason == UnmatchedReason::AgentUnassigned;
    match whose {
        Whose::Influencer(id) if is_agents => Ok(assign(tx, clock, message, ((&[id], None), by)).await?),
        Whose::Agent(agent, about) if !about.is_empty() => {
            lock_all(tx, message, agent, &about).await?;
            // Before the address is the agent's, and what is written from it finds its place by what else it stands in.
            let assigned = assign(tx, clock, message, ((&about, Some(agent)), by)).await?;
            let key = chat::key(&waiting.address).ok_or(MatchError::NoAddress(message))?;
            tx.delete_stranger(&key, message).await?;
            let placed = tx.find_strangers(vec![key.clone()]).await?.len();
            let belongs = give(tx, clock, stages, &waiting.address, (Whose::Agent(agent, about), by)).await?;
            rethread(tx, clock, &HashMap::from([(key, belongs)])).await?;
            Ok(placed + assigned)
        }
        Whose::Agent(agent, _) if is_agents && is_theirs(tx, &waiting.address, agent).await? => {
            if is_to_be_asked(tx, message, agent).await? {
                late::ask_about_whom(tx, clock, message).await?;
                return Ok(0);
            }
            let about = about_whom(tx, message, agent).await?;
            Ok(assign(tx, clock, message, ((&about, Some(agent)), by)).await?)
        }
        Whose::Influencer(_) | Whose::Agent(..) | Whose::New(_) => {
            become_whose(tx, clock, stages, &waiting, (whose, by)).await
        }
    }
}

/// The address of a message that waits becomes somebody's, and all that was written from it finds its place.
async fn become_whose(
    tx: &mut Tx,
    clock: &Clock,
    stages: &KnownStages,
    waiting: &UnmatchedView,
    (whose, by): (Whose, &str),
) -> Result<usize, MatchError> {
    let message = waiting.id;
    let key = chat::key(&waiting.address).ok_or(MatchError::NoAddress(message))?;
    let placed = tx.find_strangers(vec![key.clone()]).await?.len();
    // Whoever says whose it is has ended the task that asks it, unless it goes on asking about whom.
    let told = about_whom_it_tells(tx, message, &whose).await?;
    if told.is_some() {
        late::end_tasks(tx, clock, message, by).await?;
    }
    let belongs = give(tx, clock, stages, &waiting.address, (whose, by)).await?;
    // What an address that is new to them brings along is placed already; this is for one that was theirs before.
    rethread(tx, clock, &HashMap::from([(key, belongs.clone())])).await?;
    match (tx.list_waiting(vec![message]).await?.pop().map(|row| row.reason), belongs) {
        (None, _) => {}
        (Some(UnmatchedReason::AgentUnassigned), Belongs::Agent(agent, _)) => {
            // Where nothing tells about whom, that is asked as before.
            if let Some(about) = told {
                assign(tx, clock, message, ((&about, Some(agent)), by)).await?;
            }
        }
        // It waited as that of an agent who is gone.
        (Some(UnmatchedReason::AgentUnassigned), Belongs::Influencer(id)) => {
            assign(tx, clock, message, ((&[id], None), by)).await?;
        }
        (Some(_), _) => {
            tx.resolve_unmatched(vec![message], clock.now()).await?;
            late::end_tasks(tx, clock, message, by).await?;
        }
    }
    Ok(placed)
}

/// About whom a message is once it is known whose it is: of an agent's by its thread, or because they stand for one; nothing where that is
/// still to be said.
async fn about_whom_it_tells(
    tx: &mut Tx,
    message: MessageId,
    whose: &Whose,
) -> Result<Option<Vec<InfluencerId>>, StoreError> {
    let Whose::Agent(agent, _) = whose else { return Ok(Some(Vec::new())) };
    let stands_for: Vec<InfluencerId> =
        tx.influencers_of_agents(vec![*agent]).await?.into_iter().map(|(_, id)| id).collect();
    let Some(row) = tx.get_as_strangers(message).await? else { return Ok(None) };
    let sure = tx.find_sure_in(vec![row.conversation_id]).await?;
    let tied: Vec<InfluencerId> =
        stands_for.iter().copied().filter(|id| sure.contains(&(row.conversation_id, *id))).collect();
    let chosen = if tied.is_empty() && stands_for.len() == 1 { stands_for } else { tied };
    Ok((!chosen.is_empty()).then_some(chosen))
}

/// Locks all that saying about whom an agent's message is may touch, in the order in which everybody locks them.
async fn lock_all(tx: &mut Tx, message: MessageId, agent: AgentId, about: &[InfluencerId]) -> Result<(), StoreError> {
    let mut all = about.to_vec();
    all.extend(tx.influencers_of_agents(vec![agent]).await?.into_iter().map(|(_, id)| id));
    all.extend(tx.find_participations(vec![message]).await?.into_iter().map(|(_, id, _)| id));
    tx.lock_influencers(all).await
}

/// Whether an address is this agent's.
async fn is_theirs(tx: &mut Tx, address: &str, agent: AgentId) -> Result<bool, StoreError> {
    let key = chat::key(address);
    let owners = tx.find_owners(key.into_iter().collect()).await?;
    Ok(owners.iter().any(|owner| owner.agent_id == Some(agent)))
}

/// Whether a message of an agent who stands for nobody yet may be the no of whom they turn out to write for, and nobody asks so far.
async fn is_to_be_asked(tx: &mut Tx, message: MessageId, agent: AgentId) -> Result<bool, StoreError> {
    if !tx.influencers_of_agents(vec![agent]).await?.is_empty() {
        return Ok(false);
    }
    let may_be_no = tx.list_waiting(vec![message]).await?.iter().any(late::may_be_somebodys_no);
    Ok(may_be_no && !tx.has_open_task_about(message, TaskKind::Answer, None).await?)
}

/// About whom an agent's message is of which that was not said: the only one they stand for, or nobody, where nothing is asked.
async fn about_whom(tx: &mut Tx, message: MessageId, agent: AgentId) -> Result<Vec<InfluencerId>, MatchError> {
    let stands_for = tx.influencers_of_agents(vec![agent]).await?;
    if let [(_, only)] = stands_for.as_slice() {
        return Ok(vec![*only]);
    }
    let parts = tx.find_participations(vec![message]).await?;
    let shown = parts.into_iter().map(|(_, influencer, _)| influencer).collect();
    let awaits = tx.list_awaiting_assignment(shown).await?.iter().any(|waiting| waiting.message_id == message);
    if awaits || tx.has_open_task_about(message, TaskKind::Answer, None).await? {
        return Err(MatchError::AboutWhom(message));
    }
    Ok(Vec::new())
}

/// The same, of whoever is meant by the id of a record that was merged; each once, and only who is there.
async fn where_they_are(tx: &mut Tx, whose: Whose) -> Result<Whose, PeopleError> {
    Ok(match whose {
        Whose::Influencer(id) => Whose::Influencer(who_is_there(tx, id).await?),
        Whose::Agent(agent, mut about) => {
            if tx.get_agent(agent).await?.is_none() {
                return Err(PeopleError::NoAgent(agent.to_string()));
            }
            for id in &mut about {
                *id = who_is_there(tx, *id).await?;
            }
            about.sort_unstable();
            about.dedup();
            Whose::Agent(agent, about)
        }
        new @ Whose::New(_) => new,
    })
}

async fn who_is_there(tx: &mut Tx, id: InfluencerId) -> Result<InfluencerId, PeopleError> {
    let id = people::survivor(tx, id).await?;
    tx.get_influencer(id).await?.map(|found| found.id).ok_or_else(|| PeopleError::NoInfluencer(id.to_string()))
}

/// Makes an address somebody's, unless it is theirs already.
async fn give(
    tx: &mut Tx,
    clock: &Clock,
    stages: &KnownStages,
    address: &str,
    (whose, by): (Whose, &str),
) -> Result<Belongs, MatchError> {
    let (channel, key) = chat::channel_of(address).unwrap_or((Channel::Email, String::new()));
    let owner = tx.find_owners(vec![key.clone()]).await?.into_iter().next();
    match whose {
        Whose::Influencer(id) => {
            if owner.as_ref().and_then(|o| o.influencer_id) != Some(id) {
                let (given, none) = (vec![address.to_owned()], InfluencerChange::default());
                let change = match channel {
                    Channel::Sms => InfluencerChange { add_phones: given, ..none },
                    Channel::Slack => InfluencerChange { add_slack: given, ..none },
                    Channel::Email | Channel::Manual => InfluencerChange { add_emails: given, ..none },
                };
                people::update_influencer(tx, clock, id, by, change).await?;
            }
            Ok(Belongs::Influencer(id))
        }
        Whose::Agent(id, _) => {
            if owner.as_ref().and_then(|o| o.agent_id) != Some(id) {
                let (given, none) = (vec![address.to_owned()], people::AgentChange::default());
                let change = match channel {
                    Channel::Sms | Channel::Slack => people::AgentChange { add_others: given, ..none },
                    Channel::Email | Channel::Manual => people::AgentChange { add_emails: given, ..none },
                };
                people::update_agent(tx, clock, id, change).await?;
            }
            let stands_for = tx.influencers_of_agents(vec![id]).await?.into_iter().map(|(_, i)| i).collect();
            Ok(Belongs::Agent(id, stands_for))
        }
        Whose::New(mut new) => {
            let given = match channel {
                Channel::Sms => &mut new.phones,
                Channel::Slack => &mut new.slack,
                Channel::Email | Channel::Manual => &mut new.emails,
            };
            if !given.iter().any(|known| chat::key(known).as_ref() == Some(&key)) {
                given.push(address.to_owned());
            }
            let influencer = people::create_influencer(tx, clock, stages, by, *new).await?;
            Ok(Belongs::Influencer(influencer.id))
        }
    }
}

/// An agent's message that was shown to all they stand for is about these alone: they answered, and the others may go on. The agent is
/// the one whose the address is, where none is named.
async fn assign(
    tx: &mut Tx,
    clock: &Clock,
    message: MessageId,
    ((about, agent), by): ((&[InfluencerId], Option<AgentId>), &str),
) -> Result<usize, StoreError> {
    let shown: Vec<InfluencerId> =
        tx.find_participations(vec![message]).await?.into_iter().map(|(_, influencer, _)| influencer).collect();
    let waiting = tx.list_waiting(vec![message]).await?.pop();
    let origin = tx.message_origin(message).await?;
    let key = origin.as_ref().and_then(|(author, _)| chat::key(author));
    let owners = tx.find_owners(key.into_iter().collect()).await?;
    let agent = agent.or_else(|| owners.first().and_then(|owner| owner.agent_id));
    // In the order in which everybody locks them.
    tx.lock_influencers(shown.iter().chain(about).copied().collect()).await?;
    for influencer in about {
        if shown.contains(influencer) {
            tx.set_author(message, *influencer).await?;
        } else {
            show_to(tx, clock, message, (*influencer, agent)).await?;
        }
    }
    if about.is_empty() {
        // In somebody's thread it stays to be read.
        tx.withdraw_agents(message).await?;
    } else {
        tx.withdraw_unassigned(message).await?;
    }
    tx.resolve_unmatched(vec![message], clock.now()).await?;
    late::end_tasks(tx, clock, message, by).await?;
    if !matches!(origin, Some((_, false))) {
        hold::release_answered(tx, clock, shown, &[HoldSource::Unassigned]).await?;
        return Ok(about.len());
    }
    let mut signals = Vec::new();
    if let Some(mut waiting) = waiting {
        read_by_a_person(&mut waiting, by);
        for influencer in about {
            let was_shown = shown.contains(influencer);
            signals.extend(late::signals_of(&waiting, (*influencer, agent), clock.now(), was_shown));
        }
    }
    signal::record(tx, clock, signals).await?;
    hold::release_answered(tx, clock, shown, &[HoldSource::Unassigned]).await?;
    Ok(about.len())
}

/// A person says that a message which waits is nobody's: whoever it might have been about goes on, unless another one waits.
pub(in crate::hub) async fn is_nobodys(tx: &mut Tx, clock: &Clock, waiting: &WaitingRow) -> Result<(), StoreError> {
    let message = waiting.message_id;
    let shown: Vec<InfluencerId> =
        tx.find_participations(vec![message]).await?.into_iter().map(|(_, influencer, _)| influencer).collect();
    tx.lock_influencers(shown.clone()).await?;
    ask_whether_no(tx, clock, waiting).await?;
    // In somebody's thread it stays to be read, whoever wrote it.
    tx.withdraw_agents(message).await?;
    tx.resolve_unmatched(vec![message], clock.now()).await?;
    hold::release_answered(tx, clock, shown, &[HoldSource::Unassigned]).await
}

/// A machine whose address is nobody's may still have said the no of those in whose thread it stands: a help desk answers for many.
async fn ask_whether_no(tx: &mut Tx, clock: &Clock, waiting: &WaitingRow) -> Result<(), StoreError> {
    let (message, answer) = (waiting.message_id, Answer::read(Some(&waiting.facts)));
    if waiting.kind != Kind::Automatic || !answer.may_be_no() {
        return Ok(());
    }
    for influencer in tx.list_stands_unassigned(message).await? {
        let rule = ByRule { source: HoldSource::Machine, until: None, reason: MACHINE, cause: Some(message) };
        hold::hold_by_rule(tx, clock, influencer, rule).await?;
        if !tx.has_open_task_about(message, TaskKind::Refusal, Some(influencer)).await? {
            let (influencer_id, message_id) = (Some(influencer), Some(message));
            let (kind, text) = (TaskKind::Refusal, machine_question(answer).to_owned());
            task::create_by_rule(tx, clock, NewTask { influencer_id, kind, text, message_id, ..NewTask::default() })
                .await?;
        }
    }
    Ok(())
}

/// Whoever assigns a message has read it: where no rule could tell what it says, that is for them to act on.
fn read_by_a_person(waiting: &mut WaitingRow, by: &str) {
    if waiting.facts.is_null() {
        waiting.facts = json!({"answer": {"verdict": "unsure"}});
    }
    let is_machines = waiting.kind == Kind::Automatic;
    let Some(facts) = waiting.facts.as_object_mut() else { return };
    facts.insert("assigned_by".to_owned(), json!(by));
    // What a machine says is asked of whoever it turns out to be of.
    if let Some(Value::Object(answer)) = facts.get_mut("answer").filter(|_| !is_machines)
        && answer.get("verdict").and_then(Value::as_str) == Some(Meaning::Unsure.as_str())
    {
        answer.insert("verdict".to_owned(), json!("read"));
    }
}
