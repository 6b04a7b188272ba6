//! Taking a joining of two records back: what moved goes where it was, as far as it is still there. What came since stays
//! with the one who was kept, and runs that were stopped stay over.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::PeopleError;
use super::merge::{Joined, MovedHold, OldStage, Undo};
use super::refused::{carry_everything, is_no, is_own, said_of_everything, spread_opt_out};
use crate::clock::Clock;
use crate::domain::ids::{InfluencerId, MergeId, MessageId, TaskId, ThreadId};
use crate::domain::people::{Influencer, Person, Suppression, handle_key};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EventType, HoldSource, Role, TaskState};
use crate::hub::hold;
use crate::hub::outreach;
use crate::hub::signal::{self, Signal};
use crate::store::message::NewParticipation;
use crate::store::people::hold::Hold;
use crate::store::people::merge::{MergeRow, Owned};
use crate::store::thread::ThreadRow;
use crate::store::{StoreError, Tx};

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Unmerged {
    /// The record of the joining.
    pub id: MergeId,
    /// Who had been kept.
    pub kept: InfluencerId,
    /// Who is a record of their own again.
    pub restored: InfluencerId,
    /// Addresses that went back.
    pub addresses: u64,
    /// Messages that went back.
    pub messages: u64,
    /// Notes that went back.
    pub notes: u64,
    /// Events that went back.
    pub events: u64,
    /// Tasks that went back.
    pub tasks: u64,
    /// What does not come back, for people.
    pub stays: Vec<String>,
}

/// The joining someone means: by the id or the old handle of the record that went, or by the one that was kept where only
/// one was joined into it.
///
/// # Errors
/// [`PeopleError::NotMerged`], [`PeopleError::NoInfluencer`].
pub async fn find_merge(tx: &mut Tx, who: &str) -> Result<MergeRow, PeopleError> {
    if let Ok(id) = who.trim().parse::<InfluencerId>()
        && let Some(row) = tx.merge_of_gone(id).await?
    {
        return Ok(row);
    }
    let kept = match super::find_influencer(tx, who).await {
        Ok(kept) => kept,
        Err(PeopleError::NoInfluencer(who)) => {
            let words = format!(
                "nothing is known of `{who}`; name the influencer it was merged into, or the id of the record that went"
            );
            return Err(PeopleError::NotMerged(words));
        }
        Err(error) => return Err(error),
    };
    let mut rows = tx.merges_into(kept.id).await?;
    match rows.len() {
        0 => Err(PeopleError::NotMerged(format!("nobody was merged into {}", kept.handle))),
        1 => rows.pop().ok_or_else(|| PeopleError::NoInfluencer(kept.id.to_string())),
        _ => {
            let ids: Vec<String> = rows.iter().map(|row| row.gone.to_string()).collect();
            let words = format!("several were merged into {}; name one of: {}", kept.handle, ids.join(", "));
            Err(PeopleError::NotMerged(words))
        }
    }
}

/// Makes the record `gone` one of its own again and gives back what moved with it.
///
/// # Errors
/// [`PeopleError::NotMerged`] where it is not merged, or the one who was kept went into another since (that is to be taken
/// back first); [`PeopleError::HandleTaken`] where its handle is somebody else's by now.
pub async fn unmerge(tx: &mut Tx, clock: &Clock, gone: InfluencerId, by: &str) -> Result<Unmerged, PeopleError> {
    tx.lock_conversations().await?;
    let not_merged = || PeopleError::NotMerged(format!("{gone} is not merged into anybody"));
    let row = tx.merge_of_gone(gone).await?.ok_or_else(not_merged)?;
    let undo: Undo = serde_json::from_value(row.data.clone())
        .map_err(|error| StoreError::Damaged(format!("the record {} of a merge: {error}", row.id)))?;
    let Some(kept) = tx.lock_influencer(row.kept).await? else {
        let words = format!("{} was merged into another since: unmerge that first", row.kept);
        return Err(PeopleError::NotMerged(words));
    };
    let restored = tx.lock_merged(gone, row.kept).await?.ok_or_else(not_merged)?;
    if let Some(other) = tx.get_influencer_by_handle(&undo.handle_key).await? {
        return Err(PeopleError::HandleTaken { handle: restored.handle, id: other.id });
    }
    let now = clock.now();
    if !tx.close_merge(row.id, now).await? {
        return Err(not_merged());
    }
    let key = handle_key(&restored.handle).unwrap_or_else(|| undo.handle_key.clone());
    tx.unbury_influencer(&restored, &key, now).await?;
    tx.delete_former_handle(&undo.handle_key, gone).await?;
    let pair = (kept.id, gone);
    let asked = hold::asked_of(tx, &[kept.id], &hold::ASKED).await?;
    let addresses = tx.return_owned(Owned::Addresses, undo.addresses.clone(), kept.id, gone).await?;
    tx.set_primary(undo.primary.clone(), true).await?;
    let messages = return_messages(tx, clock, pair, &undo).await?;
    let [mut notes, mut events, mut tasks] = [0; 3];
    for (what, ids, count) in [
        (Owned::Notes, &undo.notes, &mut notes),
        (Owned::Events, &undo.events, &mut events),
        (Owned::Tasks, &undo.tasks, &mut tasks),
    ] {
        *count = tx.return_owned(what, ids.clone(), kept.id, gone).await?;
    }
    tx.return_owned(Owned::Unmatched, undo.unmatched.clone(), kept.id, gone).await?;
    tx.return_owned(Owned::Hits, undo.hits.clone(), kept.id, gone).await?;
    return_attributes(tx, pair, &undo).await?;
    for (run, number) in &undo.runs {
        tx.give_enrollment(*run, gone, *number).await?;
    }
    if let Some(asked) = undo.asked {
        tx.end_task(asked, TaskState::Cancelled, None, (by, now)).await?;
    }
    return_standing(tx, clock, (&kept, row.at), &undo, by).await?;
    hold::hold_asked(tx, clock, &[gone, kept.id], &asked).await?;
    drop_answered(tx, clock, [gone, kept.id]).await?;
    said_no_since(tx, clock, (row.kept, &restored), row.at).await?;
    empty(tx, clock, kept.id, &undo).await?;
    let stays = vec![
        "messages, notes and tasks that were added since the merge stay with the one who was kept".to_owned(),
        "runs of sequences that the merge stopped stay over; enroll again where that is wanted".to_owned(),
    ];
    let told = |of, role: &str, other: InfluencerId| {
        let data = json!({role: other, "merge_id": row.id, "by": by, "undone": true});
        Signal { what: EventType::InfluencerMerged, influencer: Some(of), message: None, at: now, data: Some(data) }
    };
    signal::record(tx, clock, vec![told(kept.id, "from", gone), told(gone, "into", kept.id)]).await?;
    outreach::wake_runs(tx, clock, kept.id).await?;
    Ok(Unmerged { id: row.id, kept: kept.id, restored: gone, addresses, messages, notes, events, tasks, stays })
}

type Pair = (InfluencerId, InfluencerId);

/// Messages by the thread of the kept one they are in now: conversations may have been joined since.
async fn by_thread(
    tx: &mut Tx,
    kept: InfluencerId,
    undo: &Undo,
) -> Result<BTreeMap<ThreadId, Vec<MessageId>>, StoreError> {
    let mut messages = undo.messages.clone();
    messages.extend(undo.shared.iter().map(|s| s.message_id));
    let mut groups: BTreeMap<ThreadId, Vec<MessageId>> = BTreeMap::new();
    for (message, who, thread) in tx.find_participations(messages).await? {
        if who == kept {
            groups.entry(thread).or_default().push(message);
        }
    }
    Ok(groups)
}

async fn return_messages(tx: &mut Tx, clock: &Clock, (kept, gone): Pair, undo: &Undo) -> Result<u64, StoreError> {
    let mut returned = 0;
    for (id, messages) in by_thread(tx, kept, undo).await? {
        let Some(thread) = tx.get_thread(id).await? else { continue };
        let split = undo.threads.contains(&id);
        let to = if split { id } else { own_thread(tx, clock, (kept, gone), &thread, undo).await? };
        if split {
            tx.give_threads(vec![id], gone).await?;
        }
        let (back, shared): (Vec<MessageId>, Vec<MessageId>) =
            messages.into_iter().partition(|m| !undo.shared.iter().any(|s| s.message_id == *m));
        returned += tx.return_parts(back, kept, (gone, to)).await?;
        returned += return_shared(tx, (kept, gone), &shared, to, undo).await?;
        let mut counted = vec![id, to];
        if split && tx.has_parts(id, kept).await? {
            // What came since, in the same conversation, is theirs alone.
            let rest = ThreadId(clock.new_id());
            let row = ThreadRow { id: rest, influencer_id: kept, ..thread.clone() };
            tx.upsert_threads(vec![row], clock.now()).await?;
            tx.move_parts((id, rest), kept).await?;
            counted.push(rest);
        }
        counted.sort_unstable();
        counted.dedup();
        tx.recount_threads(counted).await?;
        restore_turn(tx, id, undo).await?;
    }
    // Threads without a message go back as they are.
    let threads = tx.find_threads_of(vec![kept], Micros(i64::MIN)).await?;
    let empty = threads.iter().filter(|t| undo.threads.contains(&t.id)).map(|t| t.id).collect();
    tx.give_threads(empty, gone).await?;
    Ok(returned)
}

/// A thread of the restored one in the conversation of a thread: the one they had, or a new one.
async fn own_thread(
    tx: &mut Tx,
    clock: &Clock,
    (_, gone): Pair,
    thread: &ThreadRow,
    undo: &Undo,
) -> Result<ThreadId, StoreError> {
    let below = tx.threads_merged_into(thread.id).await?;
    let losers: Vec<&Joined> = undo.joined.iter().filter(|j| below.contains(&j.loser)).collect();
    let Some((first, others)) = losers.split_first() else {
        let id = ThreadId(clock.new_id());
        let row = ThreadRow { id, influencer_id: gone, ..thread.clone() };
        tx.upsert_threads(vec![row], clock.now()).await?;
        return Ok(id);
    };
    tx.revive_thread(first.loser, thread.conversation_id).await?;
    tx.redirect_threads(first.below.clone(), first.loser).await?;
    tx.redirect_threads(others.iter().map(|j| j.loser).collect(), first.loser).await?;
    Ok(first.loser)
}

async fn return_shared(
    tx: &mut Tx,
    (kept, gone): Pair,
    messages: &[MessageId],
    thread: ThreadId,
    undo: &Undo,
) -> Result<u64, StoreError> {
    let mut parts = Vec::new();
    let sure = tx.find_sure_participations(messages.to_vec()).await?;
    for part in undo.shared.iter().filter(|s| messages.contains(&s.message_id)) {
        // What a person said of it since stays.
        let by_merge = part.role == Role::Author && part.assigned;
        let was_unsure = !part.kept_assigned || !part.assigned;
        let is_said = was_unsure && !by_merge && sure.contains(&(part.message_id, kept));
        if !is_said {
            tx.set_part(part.message_id, kept, part.kept_role, part.kept_assigned).await?;
        }
        if part.kept_agent_id.is_some() && !is_said {
            tx.set_part_agent(part.message_id, kept, part.kept_agent_id).await?;
        }
        parts.push(NewParticipation {
            message_id: part.message_id,
            influencer_id: gone,
            thread_id: thread,
            role: part.role,
            agent_id: part.agent_id,
            assigned: part.assigned,
            at: part.at,
        });
    }
    tx.insert_participations(parts).await
}

/// Whose turn it was in a thread, where nothing was said in it since.
async fn restore_turn(tx: &mut Tx, id: ThreadId, undo: &Undo) -> Result<(), StoreError> {
    let Some(joined) = undo.joined.iter().find(|j| j.winner == id) else { return Ok(()) };
    match tx.get_thread(id).await? {
        Some(thread) if thread.last_message_at == joined.last_message_at => {
            tx.set_thread_turn(id, joined.awaiting).await
        }
        _ => Ok(()),
    }
}

async fn return_attributes(tx: &mut Tx, (kept, gone): Pair, undo: &Undo) -> Result<(), StoreError> {
    tx.delete_tags(kept, undo.tags.clone()).await?;
    for (network, handle) in &undo.networks {
        tx.delete_network(kept, network, handle).await?;
    }
    for agent in &undo.agents_new {
        tx.unlink_agent(*agent, kept).await?;
    }
    tx.link_agents(&undo.agents.iter().map(|agent| (*agent, gone)).collect::<Vec<_>>()).await?;
    Ok(())
}

/// The stage, the hold and the newest message of the one who was kept, each as far as nobody changed it since.
async fn return_standing(
    tx: &mut Tx,
    clock: &Clock,
    (kept, merged): (&Influencer, Micros),
    undo: &Undo,
    by: &str,
) -> Result<(), StoreError> {
    let now = clock.now();
    // Those that were carried over only: an own no since then took their place under an id of its own.
    tx.delete_suppressions_by_id(undo.suppressed.clone()).await?;
    // What others said of everything who are still one with them holds on.
    for other in tx.merged_into_any(vec![kept.id]).await? {
        carry_everything(tx, clock, (other, kept.id)).await?;
    }
    spread_opt_out(tx, clock, [Person::Influencer(kept.id)]).await?;
    // Whoever said no meanwhile took them back themselves, whatever became of that no.
    if !tx.has_said_no_since(kept.id, merged).await? {
        tx.restore_consents(undo.consents.clone()).await?;
    }
    let refused = !nos_of(tx, kept.id).await?.is_empty();
    // Who said no meanwhile stays where that brought them.
    let was = undo.stage.as_ref().filter(|old| old.to == kept.stage && !refused);
    if let Some(OldStage { was, pinned, since, to }) = was {
        let data = json!({
            "from": to, "to": was, "cause": format!("{by}, who took a merge back"), "by": by, "message_id": null,
            "stayed": now.since(kept.stage_at).as_secs(),
        });
        let what = EventType::InfluencerStageChanged;
        let moved = Signal { what, influencer: Some(kept.id), message: None, at: now, data: Some(data) };
        tx.insert_events(vec![signal::event(clock, Some(to), moved)]).await?;
        tx.set_influencer_stage(kept.id, was, *pinned, *since).await?;
    }
    return_holds(tx, kept, undo, now).await?;
    let newest = tx.newest_part(kept.id).await?;
    let newest = newest.max(undo.last_message_at);
    if kept.last_message_at != newest {
        let awaiting = if newest == undo.last_message_at { undo.awaiting } else { kept.awaiting };
        tx.set_touch(kept.id, newest, awaiting).await?;
    }
    Ok(())
}

/// The nos at somebody's addresses and numbers, and what they said of everything.
async fn nos_of(tx: &mut Tx, id: InfluencerId) -> Result<Vec<Suppression>, StoreError> {
    let own = tx.list_addresses_of_influencers(vec![id]).await?;
    let mut nos: Vec<Suppression> = said_of_everything(tx, &[id]).await?.into_values().collect();
    for channel in Channel::ADDRESSED {
        let keys: Vec<String> = own.iter().filter(|a| a.channel == channel).map(|a| a.value_key.clone()).collect();
        if !keys.is_empty() {
            nos.extend(tx.suppressed(channel, keys).await?.into_iter().filter(|s| is_no(s.reason)));
        }
    }
    Ok(nos)
}

/// A no that came to an address of the one who is restored, while it was the other's: it is theirs as well, or their record would stand
/// where nobody ever said no.
async fn said_no_since(
    tx: &mut Tx,
    clock: &Clock,
    (kept, restored): (InfluencerId, &Influencer),
    merged: Micros,
) -> Result<(), StoreError> {
    // Said of everything while they were one: of both.
    let said_since = tx.has_said_no_since(kept, merged).await?;
    let everything = said_of_everything(tx, &[kept]).await?.remove(&kept);
    let everything = everything.filter(|no| is_own(no) && (no.at >= merged || said_since));
    if everything.is_some() {
        carry_everything(tx, clock, (kept, restored.id)).await?;
        spread_opt_out(tx, clock, [Person::Influencer(restored.id)]).await?;
    }
    let own = nos_of(tx, restored.id).await?.into_iter().find(|no| no.at >= merged);
    let Some(no) = everything.or(own) else { return Ok(()) };
    let mut data = json!({"how": "unmerge", "evidence": no.evidence});
    if let Some(data) = data.as_object_mut().filter(|_| no.channel != Channel::Manual) {
        data.insert("address".to_owned(), json!(no.value_key));
    }
    let (what, at) = (EventType::InfluencerUnsubscribed, clock.now());
    let told = Signal { what, influencer: Some(restored.id), message: None, at, data: Some(data) };
    signal::record(tx, clock, vec![told]).await
}

/// What each source said of the one who was kept, where it says still what the joining made it say.
async fn return_holds(tx: &mut Tx, kept: &Influencer, undo: &Undo, now: Micros) -> Result<(), StoreError> {
    let held = tx.list_hold_sources(vec![kept.id]).await?;
    let asked = hold::asked_of(tx, &[kept.id], &hold::ASKED).await?;
    for MovedHold { was, to } in undo.holds.iter().filter(|moved| held.contains(&moved.to)) {
        // It stands for a question about them by now as well, which came since.
        if asked.iter().any(|question| question.source == to.source) {
            continue;
        }
        // What it asked may have been answered meanwhile.
        let stands = match was {
            Some(was) if was.source == HoldSource::Merge => is_asked(tx, was).await?,
            Some(_) => true,
            None => false,
        };
        match was {
            Some(was) if stands => {
                tx.put_hold(was, now).await?;
            }
            Some(_) | None => {
                tx.lift_holds(vec![kept.id], &[to.source], now).await?;
            }
        }
    }
    Ok(())
}

/// Whether the task that set a hold is open.
async fn is_asked(tx: &mut Tx, hold: &Hold) -> Result<bool, StoreError> {
    let Some(id) = hold.cause.as_deref().and_then(|cause| cause.parse::<TaskId>().ok()) else { return Ok(false) };
    Ok(tx.lock_task(id).await?.is_some_and(|task| task.state == TaskState::Open))
}

/// What held somebody until something was answered, and was answered while the two were one, or went with the other: it ends with it.
async fn drop_answered(tx: &mut Tx, clock: &Clock, parted: [InfluencerId; 2]) -> Result<(), StoreError> {
    for held in tx.list_hold_sources(parted.to_vec()).await?.into_iter().filter(|h| h.source == HoldSource::Merge) {
        if !is_asked(tx, &held).await? {
            hold::release_for(tx, clock, vec![held.influencer_id], held.source).await?;
        }
    }
    hold::release_answered(tx, clock, parted.to_vec(), &hold::ASKED).await
}

/// Takes away what was filled in, where it is still the same.
async fn empty(tx: &mut Tx, clock: &Clock, kept: InfluencerId, undo: &Undo) -> Result<(), PeopleError> {
    let read = tx.get_influencer(kept).await?;
    let mut kept = read.ok_or_else(|| PeopleError::NoInfluencer(kept.to_string()))?;
    kept.properties.retain(|name, value| undo.properties.get(name) != Some(value));
    let filled = |name: &str| undo.filled.get(name).and_then(|v| v.as_str());
    for (name, own) in [("first_name", &mut kept.first_name), ("last_name", &mut kept.last_name)] {
        if filled(name) == Some(own.as_str()) {
            own.clear();
        }
    }
    for (name, own) in [("owner", &mut kept.owner), ("timezone", &mut kept.timezone)] {
        if own.is_some() && filled(name) == own.as_deref() {
            *own = None;
        }
    }
    kept.updated_at = clock.now();
    if tx.update_influencer(&kept).await? { Ok(()) } else { Err(PeopleError::Changed(kept.id)) }
}
