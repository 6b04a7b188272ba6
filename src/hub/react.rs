//! What follows from what was learned, in the transaction that learned it: stages, ends of runs, suppressions, holds and
//! tasks. [`crate::domain::consequence`] decides; here it is carried out, in one pass over all signals of a transaction.
//!
//! Nothing here is done twice for one fact: a move that happened is no move any more, an ended run has ended, and a task
//! about a message is made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::future::BoxFuture;
use serde_json::json;

use super::outreach;
use super::signal::{self, Signal};
use super::task::{self, NewTask};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::consequence::{Answer, Consequence, Happened, Standing, decide, undecided};
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::stage::{By, Move, Pin, StageId, StageKind, Stages, decide_move};
use crate::domain::time::Micros;
use crate::domain::words::{EventType, TaskKind};
use crate::store::event::NewEvent;
use crate::store::people::{StageOf, StageStep};
use crate::store::{StoreError, Tx};

mod effects;

/// Who a move was made by, where no person made it.
const BY_RULE: &str = "automation";

/// The stages that are in force: those that were published, or the shipped ones where none were yet. Each version is read
/// once per process.
pub async fn stages(tx: &mut Tx) -> Result<Arc<Stages>, StoreError> {
    let hash = tx.active_definition_hash("stages").await?;
    stages_of(tx, hash.as_deref()).await
}

/// The same where the hash in force is known: costs nothing after the first time.
async fn stages_of(tx: &mut Tx, hash: Option<&str>) -> Result<Arc<Stages>, StoreError> {
    static KEPT: OnceLock<Mutex<HashMap<String, Arc<Stages>>>> = OnceLock::new();
    let kept = KEPT.get_or_init(Mutex::default);
    let hash = hash.unwrap_or_default();
    if let Some(found) = kept.lock().unwrap_or_else(PoisonError::into_inner).get(hash) {
        return Ok(Arc::clone(found));
    }
    let damaged = |error: String| StoreError::Damaged(format!("the published stages: {error}"));
    let published = if hash.is_empty() { None } else { tx.active_definition("stages").await? };
    let read: Stages = match &published {
        Some((_, body)) => serde_json::from_str(body).map_err(|error| damaged(error.to_string()))?,
        None => crate::config::stages::shipped().ok_or_else(|| damaged("none".to_owned()))?,
    };
    let read = Arc::new(read);
    let key = published.map(|(hash, _)| hash).unwrap_or_default();
    kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&read));
    Ok(read)
}

/// A signal from which something may follow.
struct Fact<'a> {
    signal: &'a Signal,
    happened: Happened,
}

/// Whether anything can follow from a signal at all.
pub(in crate::hub) fn matters(signal: &Signal) -> bool {
    Happened::read(signal.what, signal.data.as_ref()).is_some()
}

/// Carries out what follows from these signals; the events of it that are still to be written, after theirs. `standings`
/// are those the signals met.
pub(in crate::hub) fn follow<'a>(
    tx: &'a mut Tx,
    clock: &'a Clock,
    signals: &'a [Signal],
    standings: &'a HashMap<InfluencerId, StageOf>,
) -> BoxFuture<'a, Result<Vec<NewEvent>, StoreError>> {
    Box::pin(async move {
        let fact = |signal: &'a Signal| {
            let happened = Happened::read(signal.what, signal.data.as_ref())?;
            Some(Fact { signal, happened })
        };
        let facts: Vec<Fact<'_>> = signals.iter().filter_map(fact).collect();
        let facts = name_unsubscribed(tx, facts).await?;
        if facts.is_empty() {
            return Ok(Vec::new());
        }
        let stages = match facts.iter().find_map(|f| standings.get(&f.signal.influencer?)) {
            Some(standing) => Some(stages_of(tx, standing.stages_hash.as_deref()).await?),
            None => None,
        };
        let now = clock.now();
        let planned = plan(&facts, standings, stages.as_deref(), now);
        let mut events = effects::carry_out(tx, clock, &planned.effects, standings).await?;
        events.extend(make_moves(tx, clock, planned.moves, (&facts, stages.as_deref())).await?);
        Ok(events)
    })
}

/// Whoever unsubscribes is whose the address is: the agent alone where it is an agent's, and never somebody who got a copy.
async fn name_unsubscribed<'a>(tx: &mut Tx, facts: Vec<Fact<'a>>) -> Result<Vec<Fact<'a>>, StoreError> {
    let address = |fact: &Fact<'_>| {
        if let Happened::Unsubscribed(Some(address)) = &fact.happened { chat::key(address) } else { None }
    };
    let keys: Vec<String> = facts.iter().filter_map(address).collect();
    if keys.is_empty() {
        return Ok(facts);
    }
    let owners = tx.outbox_recipient_owners(keys).await?;
    let mut named = Vec::with_capacity(facts.len());
    for fact in facts {
        let Some(key) = address(&fact) else {
            named.push(fact);
            continue;
        };
        let mut theirs = owners.iter().filter(|o| o.value_key == key).peekable();
        let happened = if theirs.peek().is_none() {
            // Nobody's: somebody in their thread, at an address that is not known.
            Some(Happened::Stranger(Answer::Read))
        } else {
            theirs.find(|o| o.influencer_id == fact.signal.influencer).map(|owner| match owner.agent_id {
                Some(agent) => Happened::Answered(Answer::OptOut, Some(agent)),
                None => fact.happened.clone(),
            })
        };
        named.extend(happened.map(|happened| Fact { signal: fact.signal, happened }));
    }
    Ok(named)
}

/// One move of one person, and the signal behind it.
#[derive(Debug, Clone)]
struct Moved {
    influencer: InfluencerId,
    from: String,
    to: String,
    since: Micros,
    cause: EventType,
    message: Option<MessageId>,
    running: bool,
}

#[derive(Default)]
struct Planned<'a> {
    moves: Vec<Moved>,
    effects: Vec<(&'a Signal, Consequence)>,
}

/// What follows from all facts, each judged by the stage that those before it lead to.
fn plan<'a>(
    facts: &[Fact<'a>],
    standings: &HashMap<InfluencerId, StageOf>,
    stages: Option<&Stages>,
    now: Micros,
) -> Planned<'a> {
    let mut reached: HashMap<InfluencerId, (StageId, Micros)> = HashMap::new();
    let mut planned = Planned::default();
    for fact in facts {
        let met = fact.signal.influencer.and_then(|id| standings.get(&id));
        let (stage, since) = match met {
            Some(met) => {
                reached.get(&met.influencer_id).cloned().unwrap_or_else(|| (StageId(met.stage.clone()), met.since))
            }
            None => (StageId(String::new()), now),
        };
        let pin = if met.is_some_and(|m| m.pinned) { Pin::Pinned } else { Pin::Free };
        let standing = met.map(|_| Standing { stage: &stage, pin, stages });
        for consequence in decide(&fact.happened, standing, now) {
            match (consequence, met) {
                (Consequence::Move(to), Some(met)) => {
                    planned.moves.push(Moved {
                        influencer: met.influencer_id,
                        from: stage.0.clone(),
                        to: to.0.clone(),
                        since,
                        cause: fact.signal.what,
                        message: fact.signal.message,
                        running: met.running,
                    });
                    reached.insert(met.influencer_id, (to, now));
                }
                (other, _) => planned.effects.push((fact.signal, other)),
            }
        }
    }
    planned
}

/// Moves everybody at once; who was moved by somebody else meanwhile is judged again by where they are now.
async fn make_moves(
    tx: &mut Tx,
    clock: &Clock,
    moves: Vec<Moved>,
    (facts, stages): (&[Fact<'_>], Option<&Stages>),
) -> Result<Vec<NewEvent>, StoreError> {
    if moves.is_empty() {
        return Ok(Vec::new());
    }
    let now = clock.now();
    let mut steps: Vec<StageStep> = Vec::new();
    for step in &moves {
        match steps.iter_mut().find(|s| s.influencer_id == step.influencer) {
            Some(known) => known.to.clone_from(&step.to),
            None => {
                steps.push(StageStep { influencer_id: step.influencer, from: step.from.clone(), to: step.to.clone() });
            }
        }
    }
    let done = tx.step_stages(&steps, now).await?;
    let (mut made, overtaken): (Vec<Moved>, Vec<Moved>) = moves.into_iter().partition(|m| done.contains(&m.influencer));
    if !overtaken.is_empty() {
        made.extend(move_again(tx, &overtaken, (facts, stages), now).await?);
    }
    let mut events = Vec::with_capacity(made.len());
    for step in &made {
        events.push(event_of(clock, step, now));
        if step.running {
            reached(tx, clock, (step.influencer, &step.to), stages).await?;
        }
    }
    Ok(events)
}

async fn move_again(
    tx: &mut Tx,
    overtaken: &[Moved],
    (facts, stages): (&[Fact<'_>], Option<&Stages>),
    now: Micros,
) -> Result<Vec<Moved>, StoreError> {
    let mut ids: Vec<InfluencerId> = overtaken.iter().map(|m| m.influencer).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut made = Vec::new();
    for id in ids {
        let Some(_) = tx.lock_influencer(id).await? else { continue };
        let standings = tx.influencer_stages(vec![id]).await?.into_iter().map(|s| (s.influencer_id, s)).collect();
        let own = facts.iter().filter(|f| f.signal.influencer == Some(id));
        let own: Vec<Fact<'_>> = own.map(|f| Fact { signal: f.signal, happened: f.happened.clone() }).collect();
        let again = plan(&own, &standings, stages, now).moves;
        if let Some(last) = again.last() {
            tx.set_influencer_stage(id, &last.to, false, now).await?;
        }
        made.extend(again);
    }
    Ok(made)
}

fn event_of(clock: &Clock, step: &Moved, now: Micros) -> NewEvent {
    let data = json!({
        "from": step.from, "to": step.to, "cause": step.cause, "message_id": step.message, "by": BY_RULE,
        "stayed": now.since(step.since).as_secs(),
    });
    let what = EventType::InfluencerStageChanged;
    let moved = Signal { what, influencer: Some(step.influencer), message: step.message, at: now, data: Some(data) };
    signal::event(clock, Some(&step.from), moved)
}

/// Moves somebody to a stage because a rule says so, as far as rules may; whether it did. Where only a person may, they are
/// asked to.
pub async fn raise(
    tx: &mut Tx,
    clock: &Clock,
    influencer: InfluencerId,
    stage: &str,
    cause: &str,
) -> Result<bool, StoreError> {
    let stages = stages(tx).await?;
    let Some(who) = tx.lock_influencer(influencer).await? else { return Ok(false) };
    let pin = if who.stage_pinned { Pin::Pinned } else { Pin::Free };
    let (at, wanted) = (who.stage.as_str().into(), stage.into());
    let to = match decide_move(&stages, &at, pin, &wanted, By::Rule) {
        Move::To(to) => to,
        Move::Stay(why) => {
            let asked = undecided(&stages, (&at, &wanted), why, cause);
            // Once for each stage, however many steps and runs would move them there.
            if let Some((question, text)) = asked
                && !tx
                    .list_open_texts(influencer, TaskKind::Stage)
                    .await?
                    .iter()
                    .any(|open| open.starts_with(&question))
            {
                let (influencer_id, kind) = (Some(influencer), TaskKind::Stage);
                let new = NewTask { influencer_id, kind, text, ..NewTask::default() };
                task::create_by_rule(tx, clock, new).await?;
            }
            return Ok(false);
        }
    };
    let now = clock.now();
    let data = json!({
        "from": who.stage, "to": to, "cause": cause, "message_id": null, "by": BY_RULE,
        "stayed": now.since(who.stage_at).as_secs(),
    });
    let what = EventType::InfluencerStageChanged;
    let moved = Signal { what, influencer: Some(influencer), message: None, at: now, data: Some(data) };
    tx.insert_events(vec![signal::event(clock, Some(&who.stage), moved)]).await?;
    tx.set_influencer_stage(influencer, to.as_str(), who.stage_pinned, now).await?;
    reached(tx, clock, (influencer, to.as_str()), Some(&*stages)).await?;
    Ok(true)
}

/// Somebody came to a stage: ends the runs that were for it; all of them where nobody is written to from there.
pub(in crate::hub) fn reached<'a>(
    tx: &'a mut Tx,
    clock: &'a Clock,
    (influencer, stage): (InfluencerId, &'a str),
    stages: Option<&'a Stages>,
) -> BoxFuture<'a, Result<(), StoreError>> {
    Box::pin(async move {
        let kind = stages.and_then(|s| s.get(&stage.into())).map(|s| s.kind);
        if matches!(kind, Some(StageKind::Declined | StageKind::Closed)) {
            let why = outreach::ExitReason::StageReached(stage.to_owned());
            let cause = outreach::Cause { what: EventType::InfluencerStageChanged, message: None };
            outreach::stop_runs(tx, clock, &[influencer], (&why, Some(cause))).await?;
            return Ok(());
        }
        outreach::stage_reached(tx, clock, influencer, stage).await
    })
}
