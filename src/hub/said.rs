//! What is said where there is no mail: on a channel whose messages are plain words, or elsewhere, where a person hears it and
//! writes it down. It becomes a message on a timeline like any other, and what follows from a mail follows from it.
//!
//! Who it is from and what it is part of is known here: no thread is chosen, nobody is matched.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::erasure::Mark;
use crate::domain::ids::{AgentId, ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::mail::Mailbox;
use crate::domain::refusal::{self, judge_answer};
use crate::domain::subject::base_subject;
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel, Direction, EventType, Kind, Meaning, Role};
use crate::store::message::{NewMessage, NewParticipation};
use crate::store::people::Touch;
use crate::store::thread::ThreadRow;
use crate::store::{StoreError, Tx};

/// Something that was said, by or to one influencer.
#[derive(Debug, Clone, PartialEq)]
pub struct Saying {
    /// How it travelled.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// They or we.
    pub direction: Direction,
    /// By or to whom.
    pub influencer: InfluencerId,
    /// The agent who said it for them, or heard it.
    pub agent: Option<AgentId>,
    /// What it is part of: the same words for all that belongs together.
    pub conversation: String,
    /// What its thread is called.
    pub subject: String,
    /// Who said it.
    pub author: Mailbox,
    /// To whom.
    pub to: Vec<Mailbox>,
    /// The words.
    pub text: String,
    /// When.
    pub at: Micros,
    /// What is the same each time it comes again, and never for anything else.
    pub print: String,
    /// What it means for going on, where a person says so. Else it is judged by its words.
    pub meaning: Option<Meaning>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// A message on their timeline. How it was read, where it is theirs.
    New(MessageId, Option<Meaning>),
    /// It was there already, and stays as it was.
    Known(MessageId),
    /// Whoever said it was erased with it.
    Erased,
}

/// Enters it on the timeline, with all that follows. The caller commits.
///
/// # Errors
/// The store's.
pub async fn enter(tx: &mut Tx, clock: &Clock, saying: Saying) -> Result<Entered, StoreError> {
    tx.lock_conversations().await?;
    let fingerprint: Vec<u8> = Sha256::digest(saying.print.as_bytes()).iter().take(16).copied().collect();
    if let Some(known) = tx.find_fingerprints(vec![fingerprint.clone()]).await?.first() {
        return Ok(Entered::Known(known.id));
    }
    let mark = Mark::Print(fingerprint.clone());
    if !tx.find_erased_messages(vec![mark]).await?.is_empty() {
        return Ok(Entered::Erased);
    }
    let id = MessageId(clock.new_id());
    let conversation = conversation_of(tx, clock, &saying).await?;
    let thread = thread_of(tx, clock, conversation, &saying).await?;
    let (thread_id, at) = (thread.id, saying.at);
    tx.insert_messages(vec![message(clock, (id, conversation), fingerprint, &saying)]).await?;
    tx.upsert_threads(vec![thread], clock.now()).await?;
    let role = if saying.direction == Direction::Inbound { Role::Author } else { Role::Recipient };
    tx.insert_participations(vec![NewParticipation {
        message_id: id,
        influencer_id: saying.influencer,
        thread_id,
        role,
        agent_id: saying.agent,
        assigned: true,
        at,
    }])
    .await?;
    let turn = Some(turn_after(saying.direction));
    let touch = Touch { influencer_id: saying.influencer, last_message_at: at, awaiting: turn };
    tx.touch_influencers(vec![touch]).await?;
    let (signals, meaning) = follow(id, &saying);
    signal::record(tx, clock, signals).await?;
    Ok(Entered::New(id, meaning))
}

async fn conversation_of(tx: &mut Tx, clock: &Clock, saying: &Saying) -> Result<ConversationId, StoreError> {
    let known = tx.find_refs(vec![saying.conversation.clone()]).await?;
    if let Some((_, id)) = known.into_iter().next() {
        return Ok(id);
    }
    let id = ConversationId(clock.new_id());
    tx.insert_conversations(vec![id], clock.now()).await?;
    tx.insert_refs(vec![(saying.conversation.clone(), id)]).await?;
    Ok(id)
}

fn turn_after(direction: Direction) -> Awaiting {
    match direction {
        Direction::Inbound => Awaiting::Us,
        Direction::Outbound => Awaiting::Them,
    }
}

/// Their thread of the conversation, as this leaves it.
async fn thread_of(
    tx: &mut Tx,
    clock: &Clock,
    conversation: ConversationId,
    saying: &Saying,
) -> Result<ThreadRow, StoreError> {
    let threads = tx.find_threads_in(vec![conversation]).await?;
    let known = threads.into_iter().find(|t| t.influencer_id == saying.influencer);
    let mut thread = known.unwrap_or_else(|| ThreadRow {
        id: ThreadId(clock.new_id()),
        conversation_id: conversation,
        influencer_id: saying.influencer,
        channel: saying.channel,
        account: saying.account.clone(),
        subject: saying.subject.clone(),
        subject_key: base_subject(&saying.subject),
        message_count: 0,
        last_message_at: saying.at,
        awaiting: None,
    });
    thread.message_count = thread.message_count.saturating_add(1);
    // What is written down later than it was said leaves the turn to whoever spoke since.
    if saying.at >= thread.last_message_at {
        thread.last_message_at = saying.at;
        thread.awaiting = Some(turn_after(saying.direction));
    }
    Ok(thread)
}

fn message(
    clock: &Clock,
    (id, conversation_id): (MessageId, ConversationId),
    fingerprint: Vec<u8>,
    saying: &Saying,
) -> NewMessage {
    NewMessage {
        id,
        conversation_id,
        direction: saying.direction,
        kind: Kind::Human,
        channel: saying.channel,
        account: saying.account.clone(),
        internet_message_id: None,
        fingerprint,
        author_name: saying.author.name.clone(),
        author_address: saying.author.address.clone(),
        recipients: json!({"to": saying.to, "cc": [], "bcc": [], "reply_to": []}),
        subject: saying.subject.clone(),
        text: saying.text.clone(),
        reply_text: None,
        attachments: None,
        flaws: None,
        has_html: false,
        size: i64::try_from(saying.text.len()).unwrap_or(i64::MAX),
        raw_hash: None,
        at: saying.at,
        stored_at: clock.now(),
        backfilled: false,
    }
}

/// The facts that follow, and what an answer of theirs means.
fn follow(id: MessageId, saying: &Saying) -> (Vec<Signal>, Option<Meaning>) {
    let raise = |what: EventType, data: Value| Signal {
        what,
        influencer: Some(saying.influencer),
        message: Some(id),
        at: saying.at,
        data: Some(data),
    };
    let (account, channel) = (&saying.account, saying.channel);
    if saying.direction == Direction::Outbound {
        return (
            vec![raise(EventType::MessageSent, json!({"account": account, "channel": channel, "by": "hand"}))],
            None,
        );
    }
    let verdict = saying.meaning.map_or_else(|| judged(&saying.text), said_by_a_person);
    let received = json!({
        "account": account, "channel": channel, "kind": Kind::Human, "role": Role::Author, "by_agent": saying.agent, "waiting": null,
    });
    let replied = json!({
        "account": account, "channel": channel, "by_agent": saying.agent, "answer": meaning(&verdict), "answers": null,
    });
    let signals = vec![raise(EventType::MessageReceived, received), raise(EventType::ThreadReplied, replied)];
    (signals, Some(verdict.meaning))
}

fn judged(text: &str) -> refusal::Verdict {
    judge_answer(&refusal::Answer { subject: "", answers: None, reply_text: text })
}

fn said_by_a_person(meaning: Meaning) -> refusal::Verdict {
    refusal::Verdict { meaning, confidence: 100, phrase: None, language: None, reasons: vec!["a person says so"] }
}

/// What `thread.replied` says of the answer's meaning.
pub fn meaning(verdict: &refusal::Verdict) -> Value {
    json!({
        "verdict": verdict.meaning,
        "confidence": f64::from(verdict.confidence) / 100.0,
        "phrase": verdict.phrase,
        "language": verdict.language,
    })
}
