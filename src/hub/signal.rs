//! Anything that was learned becomes an event here, inside the transaction that learned it, with the stage it met.

use std::collections::HashMap;

use crate::clock::Clock;
use crate::domain::ids::{EventId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::EventType;
use crate::store::event::NewEvent;
use crate::store::{StoreError, Tx};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// What.
    pub what: EventType,
    /// To whom.
    pub influencer: Option<InfluencerId>,
    /// In which message.
    pub message: Option<MessageId>,
    /// When, in business time.
    pub at: Micros,
    /// What else there is to say.
    pub data: Option<serde_json::Value>,
}

/// Writes events, each with the stage its influencer is in at this moment.
pub async fn record(tx: &mut Tx, clock: &Clock, signals: Vec<Signal>) -> Result<(), StoreError> {
    if signals.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<InfluencerId> = signals.iter().filter_map(|s| s.influencer).collect();
    ids.sort_unstable();
    ids.dedup();
    let stages: HashMap<InfluencerId, String> =
        tx.influencer_stages(ids).await?.into_iter().map(|s| (s.influencer_id, s.stage)).collect();
    let events = signals
        .into_iter()
        .map(|s| NewEvent {
            id: EventId(clock.new_id()),
            kind: s.what,
            at: s.at,
            influencer_id: s.influencer,
            stage: s.influencer.and_then(|id| stages.get(&id).cloned()),
            message_id: s.message,
            data: s.data,
        })
        .collect();
    tx.insert_events(events).await
}
