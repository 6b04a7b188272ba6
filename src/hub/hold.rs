//! Holds: nothing is sent to a person by itself until an instant. Set by rules, which never shorten one and never touch one
//! that a person set, and by people, who may do anything. One that ran out needs no writer: it is compared with now.

use serde_json::json;

use super::outreach;
use super::people::PeopleError;
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::ids::InfluencerId;
use crate::domain::people::check::Flaw;
use crate::domain::time::Micros;
use crate::domain::words::EventType;
use crate::store::{StoreError, Tx};

/// Characters of a reason.
const REASON_MAX: usize = 500;

/// Holds somebody because a rule says so.
pub(in crate::hub) async fn hold_by_rule(
    tx: &mut Tx,
    clock: &Clock,
    id: InfluencerId,
    (until, reason): (Micros, &str),
) -> Result<(), StoreError> {
    if tx.hold_longer(id, until, reason, clock.now()).await? {
        note(tx, clock, id, json!({"until": until, "reason": reason, "by": "automation"})).await?;
        outreach::hold_runs(tx, clock, id).await?;
        // Looked at now, so that whoever asks is told at once.
        outreach::wake_runs(tx, clock, id).await?;
    }
    Ok(())
}

/// Holds somebody because a person says so.
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
    if !tx.set_hold(id, Some(until), reason, now).await? {
        return Err(PeopleError::NoInfluencer(id.to_string()));
    }
    note(tx, clock, id, json!({"until": until, "reason": reason, "by": by})).await?;
    outreach::hold_runs(tx, clock, id).await?;
    // Whoever was held for longer before goes on earlier.
    Ok(outreach::wake_runs(tx, clock, id).await?)
}

/// Lets somebody go; `false` where they were not held.
///
/// # Errors
/// [`PeopleError::NoInfluencer`].
pub async fn release(tx: &mut Tx, clock: &Clock, id: InfluencerId, by: &str) -> Result<bool, PeopleError> {
    let now = clock.now();
    let who = tx.lock_influencer(id).await?.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()))?;
    if who.held_until.is_none_or(|until| until <= now) {
        return Ok(false);
    }
    tx.set_hold(id, None, None, now).await?;
    note(tx, clock, id, json!({"until": null, "by": by})).await?;
    outreach::wake_runs(tx, clock, id).await?;
    Ok(true)
}

/// Lets those go whom a rule holds for this very reason.
pub(in crate::hub) async fn release_for(
    tx: &mut Tx,
    clock: &Clock,
    ids: Vec<InfluencerId>,
    reason: &str,
) -> Result<(), StoreError> {
    for id in tx.release_held_for(ids, reason, clock.now()).await? {
        note(tx, clock, id, json!({"until": null, "reason": reason, "by": "automation"})).await?;
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
