//! Reads what the hub recorded, tells it line by line, and lets the story wait for a fact.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use super::paper::{Paper, Tone, quote};
use crate::app::Hub;
use crate::domain::ids::MessageId;
use crate::domain::words::{Channel, Direction, EventType, Kind, RecipientState, Role};
use crate::store::Tx;
use crate::store::reading::view::{EventView, MessageView};

mod outreach;

pub(super) use outreach::Counts;

/// How long the story waits for a fact before it gives up. Machine time; a busy machine is slow.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// How often it looks where nothing rings.
const LOOK: Duration = Duration::from_millis(100);
/// Events read at once.
const BATCH: usize = 200;

/// What the hub recorded, as far as the story goes by it.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) what: EventType,
    /// The message it is about.
    pub(super) message: Option<MessageView>,
}

impl Fact {
    /// Whether it is about a message that came in on a channel.
    pub(super) fn came_by(&self, channel: Channel) -> bool {
        self.message.as_ref().is_some_and(|m| m.channel == channel && m.direction == Direction::Inbound)
    }

    /// Whether it is about a message of ours to an address.
    pub(super) fn is_to(&self, address: &str) -> bool {
        self.message.as_ref().is_some_and(|m| m.to.iter().any(|to| to.address == address))
    }

    /// Whether it is this sort, about a message with that Message-ID.
    pub(super) fn is(&self, what: EventType, internet_id: &str) -> bool {
        self.what == what && self.message.as_ref().and_then(|m| m.internet_message_id.as_deref()) == Some(internet_id)
    }
}

/// Follows the events.
pub(super) struct Watch {
    hub: Hub,
    paper: Paper,
    after: i64,
    /// One message brings one event for each on whose timeline it shows; it is told once.
    told: HashSet<(MessageId, EventType, bool)>,
    counts: Counts,
    /// What was seen since the last wait.
    facts: Vec<Fact>,
}

impl Watch {
    pub(super) fn new(hub: Hub, paper: Paper) -> Self {
        Self { hub, paper, after: 0, told: HashSet::new(), counts: Counts::default(), facts: Vec::new() }
    }

    /// The outreach so far, in numbers.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Reads and tells what is new.
    pub(super) async fn drain(&mut self) -> anyhow::Result<()> {
        loop {
            let mut tx = self.hub.store.read().await?;
            let events = tx.list_event_views(self.after, BATCH).await?;
            let Some(last) = events.last().and_then(|e| e.seq) else { return Ok(()) };
            self.after = last;
            for event in events {
                let message = match event.message_id {
                    Some(id) => tx.get_message_view(id).await?,
                    None => None,
                };
                self.counts.take(&mut tx, &event).await?;
                let machine = event.data.as_ref().and_then(|d| d.get("machine")).is_some_and(|m| m == true);
                if event.message_id.is_none_or(|id| self.told.insert((id, event.kind, machine)))
                    && let Some((tone, line)) = line(&mut tx, &event, message.as_ref()).await?
                {
                    self.paper.tell(event.at, tone, &line)?;
                }
                self.facts.push(Fact { what: event.kind, message });
            }
        }
    }

    /// Takes a fact that was seen and not waited for; whether there is one.
    pub(super) fn take(&mut self, is_it: impl Fn(&Fact) -> bool) -> bool {
        let at = self.facts.iter().position(is_it);
        at.map(|at| self.facts.remove(at)).is_some()
    }

    /// Waits for a fact that was not waited for before, telling what happens meanwhile.
    ///
    /// # Errors
    /// Where it does not come: then the story does not come out as it should.
    pub(super) async fn until(&mut self, what: &str, is_it: impl Fn(&Fact) -> bool) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.drain().await?;
            if let Some(at) = self.facts.iter().position(&is_it) {
                self.facts.remove(at);
                return Ok(());
            }
            if Instant::now() > end {
                bail!("the demonstration waited in vain for {what}");
            }
            tokio::select! {
                () = self.hub.numbered.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// What a recorded fact is in words; `None` where another line says it.
#[allow(clippy::wildcard_enum_match_arm, reason = "another line says it, or none needs to")]
async fn line(tx: &mut Tx, event: &EventView, message: Option<&MessageView>) -> anyhow::Result<Option<(Tone, String)>> {
    if let Some(told) = outreach::line(tx, event).await? {
        return Ok(Some(told));
    }
    let datum = |name: &str| {
        let value = event.data.as_ref().and_then(|d| d.get(name));
        value.and_then(|v| v.as_str()).unwrap_or_default().to_owned()
    };
    let Some(message) = message else {
        return Ok(match event.kind {
            EventType::AccountUp => Some((Tone::Plain, format!("the account {} is up", datum("account")))),
            EventType::AccountDown => Some((Tone::Alarm, format!("the account {} is down", datum("account")))),
            _ => None,
        });
    };
    let to: Vec<&str> = message.to.iter().chain(&message.cc).map(|m| m.address.as_str()).collect();
    let (to, subject) = (to.join(", "), quote(&message.subject));
    Ok(match event.kind {
        EventType::MessageSent => {
            let settled = datum("settled");
            let how =
                if settled.is_empty() { "sent".to_owned() } else { format!("confirmed ({settled}): not sent again") };
            let whose = message.participants.first().map(|p| p.influencer_id);
            let zone = match whose {
                Some(id) => tx.get_influencer(id).await?.and_then(|i| i.timezone),
                None => None,
            };
            let when = outreach::both_zones(event.at, zone.as_deref());
            Some((Tone::Out, format!("{to}  {subject} {how} {when}")))
        }
        EventType::MessageReceived => received(tx, message).await?.map(|line| (Tone::In, line)),
        EventType::MessageBounced => {
            let said = format!("{} bounced ({}): the address is dead now", datum("address"), datum("status"));
            Some((Tone::Alarm, said))
        }
        EventType::MessageComplained => {
            Some((Tone::Alarm, format!("{to}  {subject} brought a complaint: suppressed from now on")))
        }
        EventType::MessageUncertain => {
            let why = "the answer was lost after the content: nobody knows whether it was sent, so it is looked for";
            Some((Tone::Alarm, format!("{to}  {subject} uncertain: {why}")))
        }
        EventType::MessageDeferred => {
            Some((Tone::Alarm, format!("{subject} deferred: {}", said_of(message, RecipientState::Deferred))))
        }
        EventType::MessageRejected => {
            Some((Tone::Alarm, format!("{subject} rejected: {}", said_of(message, RecipientState::Rejected))))
        }
        EventType::MessageCancelled => Some((Tone::Alarm, format!("{to}  {subject} cancelled: {}", datum("reason")))),
        _ => None,
    })
}

/// What the provider said of the recipients in a state; of the whole where it said nothing of any.
fn said_of(message: &MessageView, state: RecipientState) -> String {
    let of = message.recipients.iter().filter(|r| r.state == state);
    let said: Vec<String> =
        of.map(|r| format!("{} ({})", r.address, r.detail.as_deref().unwrap_or("no reason"))).collect();
    if said.is_empty() { message.detail.clone().unwrap_or_default() } else { said.join(", ") }
}

/// A mail that came in, by its sort and by who wrote it.
async fn received(tx: &mut Tx, message: &MessageView) -> anyhow::Result<Option<String>> {
    let from = &message.from.address;
    let said = quote(&message.reply_text);
    match message.kind {
        // The lines of the bounce and of the complaint say it.
        Kind::Bounce | Kind::Complaint => return Ok(None),
        Kind::OutOfOffice => return Ok(Some(format!("{from}  out of office, changes nobody's turn: {said}"))),
        Kind::Automatic | Kind::Gone | Kind::Reaction => return Ok(Some(format!("{from}  {}: {said}", message.kind))),
        Kind::Human => {}
    }
    let mut handles = Vec::new();
    for part in &message.participants {
        handles.extend(tx.get_influencer(part.influencer_id).await?.map(|i| i.handle));
    }
    let whose = handles.join(", ");
    let thread = message.thread_id.map(|id| id.to_string()).unwrap_or_default();
    let Some(part) = message.participants.first() else {
        return Ok(Some(format!("{from}  a stranger, waits in unmatched: {said}")));
    };
    Ok(Some(match (part.role, part.agent_id.is_some(), part.assigned) {
        (Role::Author, true, true) => format!("{from}  replied for {whose}, as their agent (thread {thread}): {said}"),
        (Role::Author, true, false) => {
            format!(
                "{from}  their agent wrote about nobody in particular: shown with {whose}, waits for a person: {said}"
            )
        }
        (Role::Author, false, true) if message.subject.starts_with("Fwd:") => {
            format!("{from}  forwards what somebody wrote (thread {thread}): {said}")
        }
        (Role::Author, false, true) => format!("{from}  replied (thread {thread}): {said}"),
        (Role::Author, false, false) => {
            format!("{from}  replied without references: placed by its subject, marked (thread {thread}): {said}")
        }
        (Role::Recipient | Role::Cc, ..) => {
            format!(
                "{from}  an unknown address in the thread of {whose}: proposed as another address of theirs: {said}"
            )
        }
    }))
}
