//! Joining two records of one person by hand: everything of the one that goes becomes the other's, and what is needed to
//! take that back is kept. Nobody is ever joined without a person asking for it.
//!
//! The record that goes stays as a tombstone that points to the other; its handle is free. Suppressions and consents belong
//! to addresses and move with them.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::refused::{carry_everything, spread_opt_out};
use super::{KnownStages, PeopleError, StageMove, move_stage};
use crate::clock::Clock;
use crate::domain::ids::{AgentId, EnrollmentId, InfluencerId, LedgerId, MergeId, MessageId, TaskId, ThreadId};
use crate::domain::people::merge::{Standing, choose_stage};
use crate::domain::people::{Influencer, NETWORKS_MAX, Network, PROPERTIES_MAX, Person, TAGS_MAX, handle_key};
use crate::domain::stage::{Pin, StageId, StageKind, Stages};
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel, EventType, HoldSource, Role, TaskKind, Word as _};
use crate::hub::hold;
use crate::hub::outreach::{self, ExitReason};
use crate::hub::react;
use crate::hub::signal::{self, Signal};
use crate::hub::task::{self, NewTask};
use crate::store::people::Touch;
use crate::store::people::hold::Hold;
use crate::store::people::merge::{MergeRow, Owned, SharedPart};
use crate::store::thread::ThreadRow;
use crate::store::{StoreError, Tx};

/// Why somebody is held whose record was joined with one that had said no.
const MERGED: &str = "the other record of this person said no";

/// What a joining moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Merged {
    /// The record of it.
    pub id: MergeId,
    /// Who stayed.
    pub kept: InfluencerId,
    /// Whose record went.
    pub gone: InfluencerId,
    /// Addresses that moved.
    pub addresses: usize,
    /// Messages that moved, or were on both timelines.
    pub messages: usize,
    /// Threads that moved.
    pub threads_moved: usize,
    /// Threads that were joined with one of the same conversation.
    pub threads_joined: usize,
    /// Notes that moved.
    pub notes: usize,
    /// Events that moved.
    pub events: usize,
    /// Tasks that moved.
    pub tasks: usize,
    /// Runs of sequences that were stopped; a joining that is taken back does not begin them again.
    pub runs_stopped: u64,
    /// Runs that moved, the stopped ones with them.
    pub runs_moved: usize,
    /// The stage that the one who stays was raised to.
    pub stage: Option<String>,
}

/// What was in the one that stays before, and what came to it: enough to take every row back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Undo {
    pub(super) handle_key: String,
    pub(super) addresses: Vec<Uuid>,
    /// Those that were written to first, and are not any more.
    pub(super) primary: Vec<Uuid>,
    pub(super) notes: Vec<Uuid>,
    pub(super) events: Vec<Uuid>,
    pub(super) tasks: Vec<Uuid>,
    pub(super) unmatched: Vec<Uuid>,
    pub(super) hits: Vec<Uuid>,
    /// Messages that only the one who went took part in.
    pub(super) messages: Vec<MessageId>,
    pub(super) shared: Vec<Shared>,
    pub(super) threads: Vec<ThreadId>,
    pub(super) joined: Vec<Joined>,
    pub(super) tags: Vec<String>,
    pub(super) networks: Vec<(String, String)>,
    /// All ties of the one who went, and those of them that are new to the other.
    pub(super) agents: Vec<AgentId>,
    pub(super) agents_new: Vec<AgentId>,
    pub(super) properties: Map<String, Value>,
    /// Names, owner and zone that were missing.
    pub(super) filled: Map<String, Value>,
    pub(super) runs: Vec<(EnrollmentId, i64)>,
    pub(super) stage: Option<OldStage>,
    /// Addresses that are not written to any more because the other record had said no.
    #[serde(default)]
    pub(super) suppressed: Vec<LedgerId>,
    /// Consents that were taken back with them.
    #[serde(default)]
    pub(super) consents: Vec<LedgerId>,
    /// What holds came to the one that stays.
    #[serde(default)]
    pub(super) holds: Vec<MovedHold>,
    /// The task that asks which stage holds.
    #[serde(default)]
    pub(super) asked: Option<TaskId>,
    pub(super) last_message_at: Option<Micros>,
    pub(super) awaiting: Option<Awaiting>,
}

/// A part in a message that both took part in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Shared {
    pub(super) message_id: MessageId,
    pub(super) thread_id: ThreadId,
    pub(super) role: Role,
    pub(super) agent_id: Option<AgentId>,
    pub(super) assigned: bool,
    pub(super) at: Micros,
    pub(super) kept_role: Role,
    pub(super) kept_assigned: bool,
    /// The agent for whose sake alone the one that stays was shown it, where the other stood in the thread.
    #[serde(default)]
    pub(super) kept_agent_id: Option<AgentId>,
}

/// Two threads of one conversation that became one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Joined {
    pub(super) loser: ThreadId,
    pub(super) winner: ThreadId,
    /// Threads that had been joined into the loser before.
    pub(super) below: Vec<ThreadId>,
    /// Of the winner, before.
    pub(super) last_message_at: Micros,
    pub(super) awaiting: Option<Awaiting>,
}

/// The stage before, and the one the joining moved to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OldStage {
    pub(super) was: String,
    pub(super) pinned: bool,
    pub(super) since: Micros,
    pub(super) to: String,
}

/// A hold that became the other's: what that source said of them before, and what it says since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MovedHold {
    pub(super) was: Option<Hold>,
    pub(super) to: Hold,
}

/// Locks two records that can be joined.
async fn lock(tx: &mut Tx, keep: InfluencerId, gone: InfluencerId) -> Result<(Influencer, Influencer), PeopleError> {
    if keep == gone {
        return Err(PeopleError::NotMerged(format!("{keep} can't be merged into itself; name two influencers")));
    }
    // First of all, as those do who store messages: their locks are taken in one order.
    tx.lock_conversations().await?;
    let mut found = Vec::new();
    for id in [keep.min(gone), keep.max(gone)] {
        found.push(match tx.lock_influencer(id).await? {
            Some(influencer) => influencer,
            None => match tx.merged_into(id).await? {
                Some(into) => return Err(PeopleError::NotMerged(format!("{id} was merged into {into} already"))),
                None => return Err(PeopleError::NoInfluencer(id.to_string())),
            },
        });
    }
    let missing = || PeopleError::NoInfluencer(gone.to_string());
    let place = found.iter().position(|i| i.id == gone).ok_or_else(missing)?;
    let gone = found.swap_remove(place);
    Ok((found.pop().ok_or_else(missing)?, gone))
}

/// Joins the record `gone` into `keep`: everything of the one becomes the other's. Live runs of sequences of `gone` are
/// stopped. Where both have something (a network, a property, a name), that of `keep` stays.
///
/// # Errors
/// [`PeopleError::NotMerged`] where they are the same or one is merged already; [`PeopleError::NoInfluencer`].
pub async fn merge(
    tx: &mut Tx,
    clock: &Clock,
    keep: InfluencerId,
    gone: InfluencerId,
    by: &str,
) -> Result<Merged, PeopleError> {
    let (kept, gone) = lock(tx, keep, gone).await?;
    let why = ExitReason::ByHand(format!("{by}, who merged {} into {}", gone.handle, kept.handle));
    let runs_stopped = outreach::stop_runs(tx, clock, &[gone.id], (&why, None)).await?;
    let mut undo = Undo {
        handle_key: handle_key(&gone.handle).unwrap_or_default(),
        last_message_at: kept.last_message_at,
        awaiting: kept.awaiting,
        ..Undo::default()
    };
    let pair = (kept.id, gone.id);
    move_addresses(tx, pair, &mut undo).await?;
    move_messages(tx, pair, &mut undo).await?;
    for (what, list) in [
        (Owned::Notes, &mut undo.notes),
        (Owned::Events, &mut undo.events),
        (Owned::Tasks, &mut undo.tasks),
        (Owned::Unmatched, &mut undo.unmatched),
    ] {
        *list = tx.give_owned(what, gone.id, kept.id).await?;
    }
    copy_attributes(tx, pair, &mut undo).await?;
    move_runs(tx, pair, &mut undo).await?;
    hold_as_long(tx, clock, (&kept, &gone), &mut undo).await?;
    let stage = take_stage(tx, clock, (&kept, &gone), &mut undo, by).await?;
    // A no of the one record holds for the addresses of both.
    let agreed = standing_consents(tx, kept.id).await?;
    let everything = carry_everything(tx, clock, (gone.id, kept.id)).await?;
    undo.suppressed = spread_opt_out(tx, clock, [Person::Influencer(kept.id)]).await?;
    undo.suppressed.extend(everything);
    let stands = standing_consents(tx, kept.id).await?;
    undo.consents = agreed.into_iter().filter(|id| !stands.contains(id)).collect();
    fill(tx, clock, (kept.id, &gone), &mut undo).await?;
    if let Some(at) = gone.last_message_at.filter(|at| kept.last_message_at.is_none_or(|seen| seen < *at)) {
        let touch = Touch { influencer_id: kept.id, last_message_at: at, awaiting: gone.awaiting };
        tx.touch_influencers(vec![touch]).await?;
    }
    let now = clock.now();
    tx.bury_influencer(gone.id, kept.id, now).await?;
    if !undo.handle_key.is_empty() {
        tx.put_former_handle(&undo.handle_key, gone.id, now).await?;
    }
    let id = MergeId(clock.new_id());
    let merged = summary((id, pair), &undo, runs_stopped, stage);
    let data = serde_json::to_value(&undo).map_err(|error| StoreError::Damaged(error.to_string()))?;
    tx.insert_merge(MergeRow { id, kept: kept.id, gone: gone.id, by: by.to_owned(), at: now, data }).await?;
    let told = |of, other: &Influencer, role: &str| {
        let data = json!({role: other.id, "handle": other.handle, "merge_id": id, "by": by});
        Signal { what: EventType::InfluencerMerged, influencer: Some(of), message: None, at: now, data: Some(data) }
    };
    signal::record(tx, clock, vec![told(kept.id, &gone, "from"), told(gone.id, &kept, "into")]).await?;
    outreach::wake_runs(tx, clock, kept.id).await?;
    Ok(merged)
}

/// The consents of somebody's addresses that were not taken back.
async fn standing_consents(tx: &mut Tx, of: InfluencerId) -> Result<Vec<LedgerId>, StoreError> {
    let own = tx.list_addresses_of_influencers(vec![of]).await?;
    let mut standing = Vec::new();
    for channel in Channel::ADDRESSED {
        let keys: Vec<String> = own.iter().filter(|a| a.channel == channel).map(|a| a.value_key.clone()).collect();
        if !keys.is_empty() {
            let all = tx.list_consents(channel, keys).await?.into_iter();
            standing.extend(all.filter(|consent| consent.withdrawn_at.is_none()).map(|consent| consent.id));
        }
    }
    Ok(standing)
}

fn summary(
    (id, (kept, gone)): (MergeId, (InfluencerId, InfluencerId)),
    undo: &Undo,
    runs_stopped: u64,
    stage: Option<String>,
) -> Merged {
    Merged {
        id,
        kept,
        gone,
        addresses: undo.addresses.len(),
        messages: undo.messages.len() + undo.shared.len(),
        threads_moved: undo.threads.len(),
        threads_joined: undo.joined.len(),
        notes: undo.notes.len(),
        events: undo.events.len(),
        tasks: undo.tasks.len(),
        runs_stopped,
        runs_moved: undo.runs.len(),
        stage,
    }
}

type Pair = (InfluencerId, InfluencerId);

async fn move_addresses(tx: &mut Tx, (kept, gone): Pair, undo: &mut Undo) -> Result<(), StoreError> {
    let addresses = tx.list_addresses_of_influencers(vec![kept, gone]).await?;
    let primary_of = |person: InfluencerId| {
        let of = move |a: &&crate::domain::people::Address| a.is_primary && a.person == Person::Influencer(person);
        addresses.iter().filter(of)
    };
    let taken: HashSet<_> = primary_of(kept).map(|a| a.channel.as_str()).collect();
    undo.primary = primary_of(gone).filter(|a| taken.contains(a.channel.as_str())).map(|a| a.id.0).collect();
    undo.addresses = tx.give_owned(Owned::Addresses, gone, kept).await?;
    tx.set_primary(undo.primary.clone(), false).await
}

/// Threads, messages and the hits of those. Threads of one conversation become one.
async fn move_messages(tx: &mut Tx, (kept, gone): Pair, undo: &mut Undo) -> Result<(), StoreError> {
    undo.hits = tx.give_owned(Owned::Hits, gone, kept).await?;
    let threads = tx.find_threads_of(vec![kept, gone], Micros(i64::MIN)).await?;
    let theirs: HashMap<_, &ThreadRow> =
        threads.iter().filter(|t| t.influencer_id == kept).map(|t| (t.conversation_id, t)).collect();
    let shared = tx.shared_parts(gone, kept).await?;
    tx.delete_parts(gone, shared.iter().map(|s| s.message_id).collect()).await?;
    for part in shared.iter().filter(|s| s.role == Role::Author && s.kept_role != Role::Author) {
        tx.set_part(part.message_id, kept, part.role, part.assigned).await?;
    }
    for part in shared.iter().filter(|part| stood_in_thread(part)) {
        tx.set_part_agent(part.message_id, kept, None).await?;
    }
    let copied = |part: &&SharedPart| !part.assigned && part.kept_assigned && part.kept_role != Role::Author;
    let waits = tx.list_waiting(shared.iter().filter(copied).map(|part| part.message_id).collect()).await?;
    for part in shared.iter().filter(copied).filter(|part| waits.iter().any(|w| w.message_id == part.message_id)) {
        // The one that goes may have said it: so may whoever they are now, who only got a copy by their other address.
        tx.set_part(part.message_id, kept, part.kept_role, false).await?;
    }
    undo.shared = shared.into_iter().map(Shared::from).collect();
    undo.messages = tx.give_parts(gone, kept).await?;
    let mut turns = Vec::new();
    for thread in threads.iter().filter(|t| t.influencer_id == gone) {
        let Some(winner) = theirs.get(&thread.conversation_id) else {
            undo.threads.push(thread.id);
            continue;
        };
        let below = tx.threads_merged_into(thread.id).await?;
        let (last_message_at, awaiting) = (winner.last_message_at, winner.awaiting);
        undo.joined.push(Joined { loser: thread.id, winner: winner.id, below, last_message_at, awaiting });
        tx.merge_thread(thread.id, winner.id).await?;
        if thread.last_message_at > last_message_at {
            turns.push((winner.id, thread.awaiting));
        }
    }
    tx.give_threads(undo.threads.clone(), kept).await?;
    tx.recount_threads(undo.joined.iter().map(|j| j.winner).collect()).await?;
    for (thread, awaiting) in turns {
        tx.set_thread_turn(thread, awaiting).await?;
    }
    Ok(())
}

/// Whether a message that waits stood in the thread of the one that goes, and was shown to the other for the sake of an agent alone:
/// what it asks of the one it asks of both.
fn stood_in_thread(part: &SharedPart) -> bool {
    !part.assigned && part.agent_id.is_none() && !part.kept_assigned && part.kept_agent_id.is_some()
}

impl From<SharedPart> for Shared {
    fn from(part: SharedPart) -> Self {
        let kept_agent_id = part.kept_agent_id.filter(|_| stood_in_thread(&part));
        Self {
            message_id: part.message_id,
            thread_id: part.thread_id,
            role: part.role,
            agent_id: part.agent_id,
            assigned: part.assigned,
            at: part.at,
            kept_role: part.kept_role,
            kept_assigned: part.kept_assigned,
            kept_agent_id,
        }
    }
}

/// Tags, networks and agents. The tombstone keeps its tags and networks; an agent writes for it no more.
async fn copy_attributes(tx: &mut Tx, (kept, gone): Pair, undo: &mut Undo) -> Result<(), StoreError> {
    let (own, new): (Vec<_>, Vec<_>) =
        tx.list_tags(vec![kept, gone]).await?.into_iter().partition(|(id, _)| *id == kept);
    let own: HashSet<String> = own.into_iter().map(|(_, tag)| tag).collect();
    let room = TAGS_MAX.saturating_sub(own.len());
    undo.tags = new.into_iter().map(|(_, tag)| tag).filter(|tag| !own.contains(tag)).take(room).collect();
    tx.insert_tags(&undo.tags.iter().map(|tag| (kept, tag.clone())).collect::<Vec<_>>()).await?;

    let (own, new): (Vec<_>, Vec<_>) =
        tx.list_networks(vec![kept, gone]).await?.into_iter().partition(|(id, _)| *id == kept);
    let own: HashSet<String> = own.into_iter().map(|(_, n)| n.network).collect();
    let room = NETWORKS_MAX.saturating_sub(own.len());
    let new: Vec<Network> = new.into_iter().map(|(_, n)| n).filter(|n| !own.contains(&n.network)).take(room).collect();
    undo.networks = new.iter().map(|n| (n.network.clone(), n.handle.clone())).collect();
    tx.upsert_networks(&new.into_iter().map(|n| (kept, n)).collect::<Vec<_>>()).await?;

    let (own, new): (Vec<_>, Vec<_>) =
        tx.agents_of_influencers(vec![kept, gone]).await?.into_iter().partition(|(id, _)| *id == kept);
    let own: HashSet<AgentId> = own.into_iter().map(|(_, agent)| agent).collect();
    undo.agents = new.into_iter().map(|(_, agent)| agent).collect();
    undo.agents_new = undo.agents.iter().copied().filter(|agent| !own.contains(agent)).collect();
    tx.link_agents(&undo.agents_new.iter().map(|agent| (*agent, kept)).collect::<Vec<_>>()).await?;
    for agent in &undo.agents {
        tx.unlink_agent(*agent, gone).await?;
    }
    Ok(())
}

/// Runs that are over, numbered after those there are.
async fn move_runs(tx: &mut Tx, (kept, gone): Pair, undo: &mut Undo) -> Result<(), StoreError> {
    let (own, mut new): (Vec<_>, Vec<_>) =
        tx.list_enrollments_of(vec![kept, gone]).await?.into_iter().partition(|run| run.influencer_id == kept);
    let mut last: HashMap<String, i64> = HashMap::new();
    for run in own {
        let highest = last.entry(run.sequence).or_default();
        *highest = run.run.max(*highest);
    }
    new.sort_by_key(|run| run.run);
    for run in new {
        let highest = last.entry(run.sequence).or_default();
        *highest += 1;
        undo.runs.push((run.id, run.run));
        tx.give_enrollment(run.id, kept, *highest).await?;
    }
    Ok(())
}

/// Who was not to be written to is not written to under the other record either.
async fn hold_as_long(
    tx: &mut Tx,
    clock: &Clock,
    (kept, gone): (&Influencer, &Influencer),
    undo: &mut Undo,
) -> Result<(), StoreError> {
    let now = clock.now();
    let (own, theirs): (Vec<Hold>, Vec<Hold>) =
        tx.list_hold_sources(vec![kept.id, gone.id]).await?.into_iter().partition(|hold| hold.influencer_id == kept.id);
    for hold in theirs.into_iter().filter(|hold| hold.until.is_none_or(|until| until > now)) {
        // Whoever held the one holds the other: what a rule set stays a rule's.
        let to = Hold { influencer_id: kept.id, ..hold };
        if tx.hold_longer(&to, now).await? {
            let was = own.iter().find(|hold| hold.source == to.source).cloned();
            undo.holds.push(MovedHold { was, to });
        }
    }
    if undo.holds.is_empty() { Ok(()) } else { outreach::hold_runs(tx, clock, kept.id).await }
}

async fn take_stage(
    tx: &mut Tx,
    clock: &Clock,
    (kept, gone): (&Influencer, &Influencer),
    undo: &mut Undo,
    by: &str,
) -> Result<Option<String>, PeopleError> {
    let stages = react::stages(tx).await?;
    let pin = |i: &Influencer| if i.stage_pinned { Pin::Pinned } else { Pin::Free };
    let (from, other) = (StageId::from(kept.stage.as_str()), StageId::from(gone.stage.as_str()));
    let standing = Standing { stage: &from, pin: pin(kept) };
    let Some(to) = choose_stage(&stages, standing, Standing { stage: &other, pin: pin(gone) }) else {
        refused_once(tx, clock, &stages, (kept, gone), undo).await?;
        return Ok(None);
    };
    let known = KnownStages {
        start: stages.start().0.clone(),
        ids: stages.all().iter().map(|stage| stage.id.0.clone()).collect(),
    };
    let cause = format!("{by}, who merged {} into {}", gone.handle, kept.handle);
    let step = StageMove { influencer_id: kept.id, to: to.0.clone(), pinned: gone.stage_pinned, cause };
    move_stage(tx, clock, &known, step).await?;
    let (was, since) = (kept.stage.clone(), kept.stage_at);
    undo.stage = Some(OldStage { was, pinned: kept.stage_pinned, since, to: to.0.clone() });
    Ok(Some(to.0))
}

/// The record that goes said no, and the stage of the one that is kept stands all the same: nothing is written to them by itself
/// until a person has said which of the two holds.
async fn refused_once(
    tx: &mut Tx,
    clock: &Clock,
    stages: &Stages,
    (kept, gone): (&Influencer, &Influencer),
    undo: &mut Undo,
) -> Result<(), PeopleError> {
    let kind = stages.get(&gone.stage.as_str().into()).map(|stage| stage.kind);
    if gone.stage == kept.stage || !matches!(kind, Some(StageKind::Declined | StageKind::Closed)) {
        return Ok(());
    }
    let ran = tx.list_enrollments_of(vec![kept.id]).await?.iter().any(outreach::is_live);
    react::reached(tx, clock, (kept.id, &gone.stage), Some(stages)).await?;
    let (kind, influencer_id) = (TaskKind::Stage, Some(kept.id));
    let ended = if ran { " Their runs of sequences were ended." } else { "" };
    let text = format!(
        "{} was {} and is the same person as {}, who is {}.{ended} Say which stage holds (liaison task done TASK --answer STAGE): \
         until then nothing goes to them by itself.",
        gone.handle, gone.stage, kept.handle, kept.stage
    );
    let new = NewTask { influencer_id, kind, text, assignee: kept.owner.clone(), ..NewTask::default() };
    let asked = task::create(tx, clock, new).await?;
    let own = tx.list_hold_sources(vec![kept.id]).await?;
    let was = own.into_iter().find(|hold| hold.source == HoldSource::Merge);
    let to = hold::hold_until_answered(tx, clock, (kept.id, HoldSource::Merge), (MERGED, asked)).await?;
    undo.holds.push(MovedHold { was, to });
    undo.asked = Some(asked);
    Ok(())
}

/// Fills in what is missing: properties, names, owner and zone.
async fn fill(
    tx: &mut Tx,
    clock: &Clock,
    (kept, gone): (InfluencerId, &Influencer),
    undo: &mut Undo,
) -> Result<(), PeopleError> {
    // Read anew: a stage or a hold may have changed it meanwhile.
    let read = tx.get_influencer(kept).await?;
    let mut kept = read.ok_or_else(|| PeopleError::NoInfluencer(kept.to_string()))?;
    let room = PROPERTIES_MAX.saturating_sub(kept.properties.len());
    let missing = gone.properties.iter().filter(|(name, _)| !kept.properties.contains_key(*name)).take(room);
    undo.properties = missing.map(|(name, value)| (name.clone(), value.clone())).collect();
    kept.properties.extend(undo.properties.clone());
    if kept.first_name.is_empty() && kept.last_name.is_empty() {
        (kept.first_name, kept.last_name) = (gone.first_name.clone(), gone.last_name.clone());
        undo.filled.insert("first_name".to_owned(), gone.first_name.clone().into());
        undo.filled.insert("last_name".to_owned(), gone.last_name.clone().into());
    }
    for (name, own, other) in
        [("owner", &mut kept.owner, &gone.owner), ("timezone", &mut kept.timezone, &gone.timezone)]
    {
        if let (None, Some(other)) = (&own, other) {
            undo.filled.insert(name.to_owned(), other.clone().into());
            *own = Some(other.clone());
        }
    }
    kept.updated_at = clock.now();
    if tx.update_influencer(&kept).await? { Ok(()) } else { Err(PeopleError::Changed(kept.id)) }
}
