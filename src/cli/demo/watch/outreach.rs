//! What the hub recorded of sequences, in words and in numbers.

use serde_json::Value;

use super::super::paper::{Tone, quote};
use crate::domain::time::Micros;
use crate::domain::words::EventType;
use crate::domain::zone::Zone;
use crate::store::Tx;
use crate::store::reading::view::EventView;

/// The outreach in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli::demo) struct Counts {
    pub(in crate::cli::demo) enrolled: usize,
    pub(in crate::cli::demo) sent: usize,
    pub(in crate::cli::demo) opens_by_people: usize,
    pub(in crate::cli::demo) opens_by_machines: usize,
    pub(in crate::cli::demo) clicks: usize,
    pub(in crate::cli::demo) replies: usize,
    pub(in crate::cli::demo) held: usize,
    pub(in crate::cli::demo) opted_out: usize,
    pub(in crate::cli::demo) bounced: usize,
    pub(in crate::cli::demo) tasks: usize,
    /// What came by text and in Slack.
    pub(in crate::cli::demo) talked: usize,
}

impl Counts {
    /// Takes in an event. What is no mail of a sequence does not count.
    pub(super) async fn take(&mut self, tx: &mut Tx, event: &EventView) -> anyhow::Result<()> {
        let machine = event.data.as_ref().and_then(|d| d.get("machine")).and_then(Value::as_bool) == Some(true);
        let of_step = match event.message_id {
            Some(id) => tx.step_of_message(id).await?.is_some(),
            None => false,
        };
        #[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is counted")]
        let count = match event.kind {
            EventType::EnrollmentStarted => &mut self.enrolled,
            EventType::MessageSent if of_step => &mut self.sent,
            EventType::MessageOpened if machine => &mut self.opens_by_machines,
            EventType::MessageOpened => &mut self.opens_by_people,
            EventType::MessageClicked if !machine => &mut self.clicks,
            EventType::EnrollmentExited if text(event, "reason") == "replied" => &mut self.replies,
            EventType::InfluencerHeld if !text(event, "until").is_empty() => &mut self.held,
            EventType::InfluencerUnsubscribed => &mut self.opted_out,
            EventType::MessageBounced if of_step => &mut self.bounced,
            EventType::TaskCompleted => &mut self.tasks,
            EventType::MessageReceived if ["sms", "slack"].contains(&text(event, "channel")) => &mut self.talked,
            _ => return Ok(()),
        };
        *count += 1;
        Ok(())
    }
}

fn text<'e>(event: &'e EventView, name: &str) -> &'e str {
    event.data.as_ref().and_then(|d| d.get(name)).and_then(Value::as_str).unwrap_or_default()
}

/// An instant where they are, and where we are.
pub(super) fn both_zones(at: Micros, zone: Option<&str>) -> String {
    let ours = at.timestamp().strftime("%H:%M").to_string();
    let zone = zone.and_then(Zone::named).unwrap_or_else(Zone::utc);
    let theirs = at.timestamp().in_tz(zone.name()).map(|there| there.strftime("%a %H:%M").to_string());
    match theirs {
        Ok(theirs) => format!("at {theirs} in {} ({ours} UTC)", zone.name()),
        Err(_) => format!("at {ours} UTC"),
    }
}

/// What an event of sequences, readers and tasks is in words; `None` where it is another, or another line says it.
pub(super) async fn line(tx: &mut Tx, event: &EventView) -> anyhow::Result<Option<(Tone, String)>> {
    let Some(id) = event.influencer_id else { return Ok(None) };
    let Some(who) = tx.get_influencer(id).await? else { return Ok(None) };
    let (handle, sequence) = (&who.handle, text(event, "sequence"));
    let reason = text(event, "reason");
    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest is told elsewhere")]
    Ok(match event.kind {
        EventType::EnrollmentStarted => Some((Tone::Plain, format!("{handle} is enrolled in {sequence}"))),
        EventType::EnrollmentExited => Some((Tone::Plain, format!("{handle} the run of {sequence} ends: {reason}"))),
        EventType::EnrollmentFinished => Some((Tone::Plain, format!("{handle} {sequence} is done to its end"))),
        EventType::EnrollmentHeld if !reason.is_empty() => {
            Some((Tone::Alarm, format!("{handle} the run of {sequence} waits: {reason}")))
        }
        EventType::EnrollmentStepDone if !text(event, "skipped").is_empty() => {
            let (step, why) = (text(event, "step"), text(event, "skipped"));
            Some((Tone::Plain, format!("{handle} the step {step} is left out: {why}")))
        }
        EventType::InfluencerStageChanged => {
            let (from, to, cause) = (text(event, "from"), text(event, "to"), text(event, "cause"));
            Some((Tone::Plain, format!("{handle} goes from the stage {from} to {to} ({cause})")))
        }
        EventType::InfluencerHeld => Some(match Micros::parse(text(event, "until")) {
            Some(until) => {
                let day = until.timestamp().strftime("%a %-d %B").to_string();
                let until = both_zones(until, who.timezone.as_deref());
                (Tone::Plain, format!("{handle} is held until {day}, {until}: {reason}"))
            }
            None => (Tone::Plain, format!("{handle} is held no longer")),
        }),
        EventType::InfluencerUnsubscribed => {
            let by = [text(event, "by"), text(event, "how")].concat().replace('_', " ");
            Some((Tone::Alarm, format!("{handle} opted out ({by}): suppressed from now on")))
        }
        EventType::TaskCreated => Some((Tone::Plain, format!("{handle} a task: {}", quote(text(event, "text"))))),
        EventType::TaskCompleted => {
            let (by, answer) = (text(event, "by"), text(event, "answer"));
            let said = if answer.is_empty() { String::new() } else { format!(", and fills in {}", quote(answer)) };
            Some((Tone::Plain, format!("{handle} the task is done by {by}{said}")))
        }
        EventType::MessageOpened => Some((Tone::In, read_line(event, handle, "opened"))),
        EventType::MessageClicked => Some((Tone::In, read_line(event, handle, "clicked"))),
        _ => None,
    })
}

/// An open or a click, by whom and how that is known.
fn read_line(event: &EventView, handle: &str, what: &str) -> String {
    let datum = |name: &str| event.data.as_ref().and_then(|d| d.get(name));
    let by = if datum("machine").and_then(Value::as_bool) == Some(true) { "a machine" } else { "a person" };
    let sure = datum("confidence").and_then(Value::as_f64).unwrap_or_default();
    let reasons = datum("reasons").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
    let link = text(event, "url");
    let link = if link.is_empty() { String::new() } else { format!(" {link}") };
    format!("{handle} {what}{link} by {by} ({sure:.2}): {}", reasons.join("; "))
}
