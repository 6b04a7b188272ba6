//! Holds: nothing is sent to a person by itself until an instant. A person holds, and so do rules, each on its own: none of
//! them shortens what another one set, and the longest counts. A person who lets somebody go lifts them all. One that ran out
//! needs no writer: it is compared with now.

use serde_json::json;

use super::outreach;
use super::people::PeopleError;
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::ids::{InfluencerId, MessageId, TaskId};
use crate::domain::people::check::Flaw;
use crate::domain::time::Micros;
use crate::domain::words::{EventType, HoldSource, Word as _};
use crate::store::people::hold::Hold;
use crate::store::{StoreError, Tx};

mod asked;

pub(in crate::hub) use asked::{
    ASKED, ask_writers, asked_among, asked_of, hold_asked, hold_writers, release_answered, sent_to,
};

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
