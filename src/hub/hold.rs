//! Holds: nothing is sent to a person by itself until an instant. A person holds, and so do rules, each on its own: none of
//! them shortens what another one set, and the longest counts. A person who lets somebody go lifts them all. One that ran out
//! needs no writer: it is compared with now.

use serde_json::json;

use super::outreach;
use super::people::PeopleError;
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::consequence::Answer;
use crate::domain::ids::{InfluencerId, MessageId, TaskId};
use crate::domain::people::check::Flaw;
use crate::domain::time::Micros;
use crate::domain::words::{EventType, HoldSource, Word as _};
use crate::store::message::MayConcern;
use crate::store::people::hold::Hold;
use crate::store::{StoreError, Tx};

/// Characters of a reason.
const REASON_MAX: usize = 500;

/// What a rule says of a hold.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) struct ByRule<'a> {
    /// Which rule.
    pub(in crate::hub) source: HoldSource,
    /// Until when; without an end where it is lifted only.
    pub(in crate::hub) until: Option<Micros>,
    /// Why, for people.
    pub(in crate::hub) reason: &'a str,
    /// The message it comes from.
    pub(in crate::hub) cause: Option<MessageId>,
}

/// Holds somebody because a rule says so; nothing where that rule holds them for as long already.
pub(in crate::hub) async fn hold_by_rule(
    tx: &mut Tx,
    clock: &Clock,
    id: InfluencerId,
    rule: ByRule<'_>,
) -> Result<(), StoreError> {
    let now = clock.now();
    let ByRule { source, until, reason, cause } = rule;
    let hold = Hold {
        influencer_id: id,
        source,
        until,
        reason: Some(reason.to_owned()),
        cause: cause.map(|message| message.to_string()),
        made_at: now,
    };
    if tx.hold_longer(&hold, now).await? { tell(tx, clock, &hold).await } else { Ok(()) }
}

/// Holds somebody until a task is answered; it takes the place of one that an earlier such task set.
pub(in crate::hub) async fn hold_until_answered(
    tx: &mut Tx,
    clock: &Clock,
    (id, source): (InfluencerId, HoldSource),
    (reason, task): (&str, TaskId),
) -> Result<Hold, StoreError> {
    let (now, reason, cause) = (clock.now(), Some(reason.to_owned()), Some(task.to_string()));
    let hold = Hold { influencer_id: id, source, until: None, reason, cause, made_at: now };
    tx.put_hold(&hold, now).await?;
    tell(tx, clock, &hold).await?;
    Ok(hold)
}

/// A hold of a rule is written: the event, and what it means for runs.
async fn tell(tx: &mut Tx, clock: &Clock, hold: &Hold) -> Result<(), StoreError> {
    let id = hold.influencer_id;
    // Without an `until` the event would say that they are let go: one without an end names the row's far instant.
    let until = match hold.until {
        Some(until) => Some(until),
        None => tx.list_holds(vec![id]).await?.pop().and_then(|row| row.held_until),
    };
    let data = json!({"until": until, "reason": hold.reason, "by": "automation", "source": hold.source});
    note(tx, clock, id, data).await?;
    outreach::hold_runs(tx, clock, id).await?;
    // Looked at now, so that whoever asks is told at once.
    outreach::wake_runs(tx, clock, id).await
}

/// Holds somebody because a person says so, in place of what a person said before. What rules say stays: who is out of office
/// for longer is held for longer.
///
/// # Errors
/// [`PeopleError::Invalid`] where the end is not after now or the reason is too long; [`PeopleError::NoInfluencer`].
pub async fn hold_by_hand(
    tx: &mut Tx,
    clock: &Clock,
    id: InfluencerId,
    (until, reason): (Micros, Option<&str>),
    by: &str,
) -> Result<(), PeopleError> {
    let now = clock.now();
    if until <= now {
        return Err(PeopleError::Invalid(vec![Flaw::new("until", "a hold ends after now")]));
    }
    let reason = reason.map(str::trim).filter(|r| !r.is_empty());
    if reason.is_some_and(|r| r.chars().count() > REASON_MAX) {
        let what = format!("a reason has at most {REASON_MAX} characters");
        return Err(PeopleError::Invalid(vec![Flaw::new("reason", what)]));
    }
    let hold = Hold {
        influencer_id: id,
        source: HoldSource::Hand,
        until: Some(until),
        reason: reason.map(str::to_owned),
        cause: Some(by.to_owned()),
        made_at: now,
    };
    if tx.lock_influencer(id).await?.is_none() || !tx.put_hold(&hold, now).await? {
        return Err(PeopleError::NoInfluencer(id.to_string()));
    }
    note(tx, clock, id, json!({"until": until, "reason": reason, "by": by, "source": HoldSource::Hand})).await?;
    outreach::hold_runs(tx, clock, id).await?;
    // Whoever was held for longer before goes on earlier.
    Ok(outreach::wake_runs(tx, clock, id).await?)
}

/// Lets somebody go, whatever holds them; `false` where they were not held.
///
/// # Errors
/// [`PeopleError::NoInfluencer`].
pub async fn release(tx: &mut Tx, clock: &Clock, id: InfluencerId, by: &str) -> Result<bool, PeopleError> {
    let now = clock.now();
    tx.lock_influencer(id).await?.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()))?;
    if tx.lift_holds(vec![id], HoldSource::ALL, now).await?.is_empty() {
        return Ok(false);
    }
    note(tx, clock, id, json!({"until": null, "by": by})).await?;
    outreach::wake_runs(tx, clock, id).await?;
    Ok(true)
}

/// Takes back what one rule says of these people; whatever else holds them goes on.
pub(in crate::hub) async fn release_for(
    tx: &mut Tx,
    clock: &Clock,
    ids: Vec<InfluencerId>,
    source: HoldSource,
) -> Result<(), StoreError> {
    for id in tx.lift_holds(ids, &[source], clock.now()).await? {
        let still = tx.list_holds(vec![id]).await?.pop().and_then(|row| row.held_until);
        note(tx, clock, id, json!({"until": still, "lifted": source, "by": "automation"})).await?;
        outreach::wake_runs(tx, clock, id).await?;
    }
    Ok(())
}

/// Sources whose hold ends with the answer to a question about a message that a thread has.
pub(in crate::hub) const ASKED: [HoldSource; 2] = [HoldSource::Machine, HoldSource::Complaint];

/// About whom of these the question is open with whose answer such a hold ends; nobody for holds that end otherwise.
pub(in crate::hub) async fn asked_of(
    tx: &mut Tx,
    ids: Vec<InfluencerId>,
    source: HoldSource,
) -> Result<Vec<InfluencerId>, StoreError> {
    match source {
        HoldSource::Machine => tx.list_asked_for_no(ids, false).await,
        HoldSource::Complaint => tx.list_asked_for_no(ids, true).await,
        HoldSource::Unassigned => {
            Ok(tx.list_awaiting_assignment(ids).await?.into_iter().map(|w| w.influencer_id).collect())
        }
        HoldSource::Hand | HoldSource::Away | HoldSource::Bounces | HoldSource::Gone | HoldSource::Merge => {
            Ok(Vec::new())
        }
    }
}

/// Questions went from one to another: whoever they are about now is held by them, and who is asked nothing any more is let go.
/// `before` are those which were open about the one who had them.
pub(in crate::hub) async fn follow_questions(
    tx: &mut Tx,
    clock: &Clock,
    (from, to): (InfluencerId, InfluencerId),
    before: &[HoldSource],
) -> Result<(), StoreError> {
    let theirs = tx.list_hold_sources(vec![from]).await?;
    for &source in before {
        let asked = asked_of(tx, vec![from, to], source).await?;
        let hold = theirs.iter().find(|hold| hold.source == source);
        if asked.contains(&to) {
            let reason =
                hold.and_then(|hold| hold.reason.as_deref()).unwrap_or("it may be a no, and nobody has said yet");
            let cause = hold.and_then(|hold| hold.cause.as_deref()).and_then(|cause| cause.parse().ok());
            hold_by_rule(tx, clock, to, ByRule { source, until: None, reason, cause }).await?;
        }
        if !asked.contains(&from) {
            release_for(tx, clock, vec![from], source).await?;
        }
    }
    Ok(())
}

/// Lets those go who waited for a message to be assigned that may be about them. Where another one waits, they are held as long
/// as that one says, and no longer because of what is settled.
pub(in crate::hub) async fn release_assigned(
    tx: &mut Tx,
    clock: &Clock,
    mut ids: Vec<InfluencerId>,
) -> Result<(), StoreError> {
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    // Before it is asked what waits: another message may be on its way.
    tx.lock_influencers(ids.clone()).await?;
    let waiting = tx.list_awaiting_assignment(ids.clone()).await?;
    let of_messages: Vec<Hold> = tx
        .list_hold_sources(ids.clone())
        .await?
        .into_iter()
        .filter(|hold| hold.source == HoldSource::Unassigned)
        .collect();
    for hold in of_messages {
        let left = waiting.iter().filter(|w| w.influencer_id == hold.influencer_id);
        let Some((until, cause)) = longest(left) else { continue };
        ids.retain(|id| *id != hold.influencer_id);
        shorten(tx, clock, hold, (until, cause)).await?;
    }
    release_for(tx, clock, ids, HoldSource::Unassigned).await
}

/// Until when the messages that wait hold somebody, without an end where one of them may be a no; and which one does.
fn longest<'a>(waiting: impl Iterator<Item = &'a MayConcern>) -> Option<(Option<Micros>, MessageId)> {
    let ends = waiting.map(|w| (Answer::read(Some(&w.facts)).unassigned_until(w.stored_at), w.message_id));
    ends.max_by_key(|(until, _)| until.unwrap_or(Micros(i64::MAX)))
}

/// Lets a hold end earlier: what made it longer is settled.
async fn shorten(
    tx: &mut Tx,
    clock: &Clock,
    hold: Hold,
    (until, cause): (Option<Micros>, MessageId),
) -> Result<(), StoreError> {
    let (id, now) = (hold.influencer_id, clock.now());
    let Some(until) = until.filter(|until| hold.until.is_none_or(|end| *until < end)) else { return Ok(()) };
    if until <= now {
        return release_for(tx, clock, vec![id], HoldSource::Unassigned).await;
    }
    let (source, reason) = (hold.source, hold.reason.clone());
    let shorter = Hold { until: Some(until), cause: Some(cause.to_string()), made_at: now, ..hold };
    tx.put_hold(&shorter, now).await?;
    note(tx, clock, id, json!({"until": until, "reason": reason, "by": "automation", "source": source})).await?;
    outreach::wake_runs(tx, clock, id).await
}

/// Says until when we wait for somebody to do something; nothing ends it.
///
/// # Errors
/// [`PeopleError::Invalid`] where the end is not after now; [`PeopleError::NoInfluencer`].
pub async fn wait_for(
    tx: &mut Tx,
    clock: &Clock,
    id: InfluencerId,
    until: Option<Micros>,
    by: &str,
) -> Result<(), PeopleError> {
    let now = clock.now();
    if until.is_some_and(|until| until <= now) {
        return Err(PeopleError::Invalid(vec![Flaw::new("until", "what is waited for lies after now")]));
    }
    if !tx.set_waiting(id, until, now).await? {
        return Err(PeopleError::NoInfluencer(id.to_string()));
    }
    let data = json!({"changed": ["waiting_until"], "waiting_until": until, "by": by});
    let what = EventType::InfluencerUpdated;
    let changed = Signal { what, influencer: Some(id), message: None, at: now, data: Some(data) };
    Ok(signal::record(tx, clock, vec![changed]).await?)
}

async fn note(tx: &mut Tx, clock: &Clock, id: InfluencerId, data: serde_json::Value) -> Result<(), StoreError> {
    let what = EventType::InfluencerHeld;
    let held = Signal { what, influencer: Some(id), message: None, at: clock.now(), data: Some(data) };
    signal::record(tx, clock, vec![held]).await
}
