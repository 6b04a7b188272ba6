//! Anything that was learned becomes an event here, inside the transaction that learned it, with the stage it met; what
//! follows from it is carried out in the same pass by [`super::react`].

use std::collections::HashMap;

use super::{outreach, react};
use crate::clock::Clock;
use crate::domain::consequence::CONFIDENT;
use crate::domain::ids::{EventId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::EventType;
use crate::store::event::NewEvent;
use crate::store::outreach::enrollment::Mark;
use crate::store::people::StageOf;
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

/// The event of a signal that met this stage, for those who know the stage. `enrollment_id` and `machine` of its data are
/// kept in columns of their own as well, so that they can be counted.
pub fn event(clock: &Clock, stage: Option<&str>, signal: Signal) -> NewEvent {
    let datum = |name: &str| signal.data.as_ref().and_then(|d| d.get(name));
    let enrollment_id = datum("enrollment_id").and_then(|v| v.as_str()).and_then(|text| text.parse().ok());
    let machine = datum("machine").and_then(serde_json::Value::as_bool);
    NewEvent {
        enrollment_id,
        machine,
        id: EventId(clock.new_id()),
        kind: signal.what,
        at: signal.at,
        influencer_id: signal.influencer,
        stage: stage.map(str::to_owned),
        message_id: signal.message,
        data: signal.data,
    }
}

/// Writes what became of an outgoing message: one event per influencer it concerns, with the stage each is in; one without
/// an influencer where there is none.
pub async fn record_outcome(
    tx: &mut Tx,
    clock: &Clock,
    what: EventType,
    message: MessageId,
    data: serde_json::Value,
) -> Result<(), StoreError> {
    let at = clock.now();
    let signal = |influencer| Signal { what, influencer, message: Some(message), at, data: Some(data.clone()) };
    let parties = tx.outbox_parties(message).await?;
    let mut signals: Vec<Signal> = parties.iter().map(|p| signal(Some(p.influencer_id))).collect();
    if signals.is_empty() {
        signals.push(signal(None));
    }
    write(tx, clock, signals, parties).await
}

/// Writes events, each with the stage its influencer is in at this moment.
pub async fn record(tx: &mut Tx, clock: &Clock, signals: Vec<Signal>) -> Result<(), StoreError> {
    if signals.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<InfluencerId> = signals.iter().filter_map(|s| s.influencer).collect();
    ids.sort_unstable();
    ids.dedup();
    let standings = if ids.is_empty() { Vec::new() } else { tx.influencer_stages(ids).await? };
    write(tx, clock, signals, standings).await
}

/// What a person did with a message of ours, as far as waits and conditions go by it: a machine's doing is nothing, nor is
/// what may have been one's.
fn mark_of(signal: &Signal) -> Option<Mark> {
    let marks = [(EventType::MessageOpened, Mark::Opened), (EventType::MessageClicked, Mark::Clicked)];
    let (_, mark) = marks.into_iter().find(|(what, _)| *what == signal.what)?;
    let data = signal.data.as_ref()?;
    let human = data.get("machine").and_then(serde_json::Value::as_bool) == Some(false);
    let confidence = data.get("confidence").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    (human && confidence >= CONFIDENT).then_some(mark)
}

/// Writes events and what follows from them. Those of the signals come first.
async fn write(tx: &mut Tx, clock: &Clock, signals: Vec<Signal>, standings: Vec<StageOf>) -> Result<(), StoreError> {
    let standings: HashMap<InfluencerId, StageOf> = standings.into_iter().map(|s| (s.influencer_id, s)).collect();
    let stage = |s: &Signal| s.influencer.and_then(|id| standings.get(&id)).map(|s| s.stage.as_str());
    let mut events: Vec<NewEvent> = signals.iter().map(|s| event(clock, stage(s), s.clone())).collect();
    let harmed = outreach::harm::note(tx, clock, &signals, &standings).await?;
    for signal in &signals {
        if let (Some(message), Some(mark)) = (signal.message, mark_of(signal)) {
            outreach::engaged(tx, clock, message, mark, signal.at).await?;
        }
    }
    if signals.iter().any(react::matters) {
        events.extend(react::follow(tx, clock, &signals, &standings).await?);
    }
    let changed = |s: &&Signal| matches!(s.what, EventType::InfluencerUpdated | EventType::InfluencerMerged);
    let changed = signals.iter().filter(changed).filter_map(|s| s.influencer).collect();
    outreach::wake_stuck(tx, clock, changed).await?;
    tx.insert_events(events).await?;
    if harmed.is_empty() { Ok(()) } else { outreach::harm::judge(tx, clock, harmed).await }
}
