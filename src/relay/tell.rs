//! What is told of other events, in a line.

use serde_json::Value;

use crate::domain::words::{EventType, UnmatchedReason, Word as _};
use crate::store::event::EventRow;

/// The line that tells of an event; nothing where the team need not know.
pub(super) fn of_event(event: &EventRow) -> Option<String> {
    let data = event.data.as_ref().map_or(&Value::Null, |data| &data.0);
    let text = |name: &str| data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let because = |name: &str| text(name).map(|why| format!(": {why}")).unwrap_or_default();
    let sequence = || text("sequence").unwrap_or_default();
    Some(match event.kind {
        EventType::MessageSent => "✓ sent".to_owned(),
        EventType::MessageDelivered => "✓ arrived".to_owned(),
        EventType::MessageDeferred => format!("… not taken yet, it is tried again{}", recipients(data)),
        EventType::MessageRejected => format!("✗ not delivered{}{}", because("reason"), recipients(data)),
        EventType::MessageBounced => {
            let code = text("status").map(|code| format!(" ({code})")).unwrap_or_default();
            format!("✗ it came back{code}{}", because("diagnostic"))
        }
        EventType::MessageUncertain => {
            let why = because("reason");
            format!("? it is not known whether it was sent{why}. It is looked for, and not sent again by itself")
        }
        EventType::MessageCancelled => format!("✗ not sent{}", because("reason")),
        // Of theirs alone: see `is_only_of_theirs`.
        EventType::MessageEdited => "They changed what they wrote, or took it back: see their timeline".to_owned(),
        EventType::EnrollmentExited => format!("The sequence {} has stopped{}", sequence(), because("reason")),
        EventType::EnrollmentHeld => format!("The sequence {} waits: {}", sequence(), text("reason")?),
        EventType::InfluencerStageChanged => {
            let (from, to) = (text("from").unwrap_or("?"), text("to").unwrap_or("?"));
            format!("Stage: {from} → {to}{}", because("cause"))
        }
        EventType::InfluencerUnsubscribed if text("channel") == Some("sms") => {
            "They want no more text messages, and get none. Mail is not stopped by that".to_owned()
        }
        EventType::InfluencerUnsubscribed => "They want no more messages, and get none".to_owned(),
        EventType::InfluencerHeld => format!("Nothing goes to them by itself: {}", text("reason")?),
        EventType::MessageReceived
        | EventType::MessageComplained
        | EventType::ThreadReplied
        | EventType::InfluencerCreated
        | EventType::InfluencerUpdated
        | EventType::InfluencerMerged
        | EventType::InfluencerErased
        | EventType::MessageOpened
        | EventType::MessageClicked
        | EventType::EnrollmentStarted
        | EventType::EnrollmentStepDone
        | EventType::EnrollmentFinished
        | EventType::SequencePaused
        | EventType::SequenceResumed
        | EventType::TeamNotified
        | EventType::TaskCreated
        | EventType::TaskCompleted
        | EventType::AccountDown
        | EventType::AccountUp
        | EventType::WebhookDisabled => return None,
    })
}

fn recipients(data: &Value) -> String {
    let list = data.get("recipients").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let details = list.iter().filter_map(|one| one.get("detail").and_then(Value::as_str));
    details.fold(String::new(), |all, detail| all + " (" + detail + ")")
}

/// Whether it is told of answers of the team alone.
pub(super) fn is_only_of_answers(kind: EventType) -> bool {
    matches!(
        kind,
        EventType::MessageSent | EventType::MessageDelivered | EventType::MessageCancelled | EventType::MessageDeferred
    )
}

/// Whether it is told of messages of theirs alone.
pub(super) fn is_only_of_theirs(kind: EventType) -> bool {
    kind == EventType::MessageEdited
}

/// What is told of a message in a conversation of theirs that nobody can place: it is not shown before somebody said whose it is. Nothing
/// where it is surely theirs, or of an agent for all they stand for.
pub(super) fn of_waiting(event: &EventRow) -> Option<String> {
    let waiting = event.data.as_ref()?.0.get("waiting")?.as_str()?;
    if waiting == UnmatchedReason::AgentUnassigned.as_str() {
        return None;
    }
    let how = "`liaison unmatched list` shows it, and asks whose it is. It is not shown here before that";
    Some(format!("Somebody who is not known wrote in a conversation of theirs: {how}"))
}

/// Whether somebody has to know at once.
pub(super) fn is_trouble(kind: EventType) -> bool {
    matches!(
        kind,
        EventType::MessageRejected
            | EventType::MessageBounced
            | EventType::MessageUncertain
            | EventType::MessageCancelled
            | EventType::InfluencerUnsubscribed
    )
}
