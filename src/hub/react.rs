//! What follows from what was learned: stages that are raised.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::json;

use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::ids::InfluencerId;
use crate::domain::stage::{By, Move, Pin, Stages, decide_move};
use crate::domain::words::EventType;
use crate::store::{StoreError, Tx};

/// The stages that are in force: those that were published, or the shipped ones where none were yet. Each version is read
/// once per process.
pub async fn stages(tx: &mut Tx) -> Result<Arc<Stages>, StoreError> {
    static KEPT: OnceLock<Mutex<HashMap<String, Arc<Stages>>>> = OnceLock::new();
    let kept = KEPT.get_or_init(Mutex::default);
    let hash = tx.active_definition_hash("stages").await?.unwrap_or_default();
    if let Some(found) = kept.lock().unwrap_or_else(PoisonError::into_inner).get(&hash) {
        return Ok(Arc::clone(found));
    }
    let damaged = |error: String| StoreError::Damaged(format!("the published stages: {error}"));
    let read: Stages = match tx.active_definition("stages").await? {
        Some((_, body)) => serde_json::from_str(&body).map_err(|error| damaged(error.to_string()))?,
        None => crate::config::stages::shipped().ok_or_else(|| damaged("none".to_owned()))?,
    };
    let read = Arc::new(read);
    kept.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, Arc::clone(&read));
    Ok(read)
}

/// Moves somebody to a stage because a rule says so, as far as rules may; whether it did.
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
    let Move::To(to) = decide_move(&stages, &who.stage.as_str().into(), pin, &stage.into(), By::Rule) else {
        return Ok(false);
    };
    let now = clock.now();
    let data = json!({"from": who.stage, "to": to, "cause": cause});
    let moved = Signal {
        what: EventType::InfluencerStageChanged,
        influencer: Some(influencer),
        message: None,
        at: now,
        data: Some(data),
    };
    tx.insert_events(vec![signal::event(clock, Some(&who.stage), moved)]).await?;
    tx.set_influencer_stage(influencer, to.as_str(), who.stage_pinned, now).await?;
    Box::pin(super::outreach::stage_reached(tx, clock, influencer, to.as_str())).await?;
    Ok(true)
}
