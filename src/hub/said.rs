//! What is said where there is no mail: on a channel whose messages are plain words, or elsewhere, where a person hears it and
//! writes it down. It becomes a message on a timeline like any other, and what follows from a mail follows from it.
//!
//! What it is part of is known here, for whoever tells it says so; whose it is, the address that wrote it says ([`whose`]).

use std::collections::HashMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fares;
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::erasure::Mark;
use crate::domain::ids::{AgentId, ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::mail::Mailbox;
use crate::domain::refusal::{self, judge_answer};
use crate::domain::sms::ConsentReading;
use crate::domain::subject::base_subject;
use crate::domain::threading::{Ask, Identity, Owner, Part, People, Placed, SHOWN_TO_MAX, Waiting, choose_parts};
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel, Direction, EventType, Kind, Meaning, Role};
use crate::store::message::{NewMessage, NewParticipation, NewUnmatched};
use crate::store::people::Touch;
use crate::store::thread::ThreadRow;
use crate::store::{StoreError, Tx};

/// Something that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Saying {
    /// How it travelled.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// They or we.
    pub direction: Direction,
    /// Its sort.
    pub kind: Kind,
    /// Whose it is.
    pub placed: Placed,
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
    /// What is the same each time it comes again, and never for anything else: 16 octets.
    pub print: Vec<u8>,
    /// What it means for going on, where a person says so. Else it is judged by its words.
    pub meaning: Option<Meaning>,
    /// What it says about wanting more of them, where it is a text message.
    pub consent: ConsentReading,
    /// What came, as it came: its hash, its octets, and what is kept.
    pub raw: Option<(Vec<u8>, i64, Vec<u8>)>,
    /// Files beside it, as messages list them.
    pub attachments: Option<Value>,
    /// Whether anything follows from it: not from what was said before an account was read for the first time.
    pub fires: bool,
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

/// 16 octets by which something that is told again is known.
pub fn print_of(what: &str) -> Vec<u8> {
    Sha256::digest(what.as_bytes()).iter().take(16).copied().collect()
}

/// Somebody's own, surely: where whoever writes it down says whose it is.
pub fn theirs(influencer: InfluencerId, agent: Option<AgentId>, direction: Direction) -> Placed {
    let role = if direction == Direction::Inbound { Role::Author } else { Role::Recipient };
    Placed { parts: vec![Part { influencer, role, agent, assigned: true }], ..Placed::default() }
}

/// Whose something is that an address said, or that was said to some. The caller has locked the conversations.
pub async fn whose(
    tx: &mut Tx,
    (direction, kind): (Direction, Kind),
    (author, to): (Option<&str>, &[String]),
    conversation: &str,
) -> Result<Placed, StoreError> {
    let keys: Vec<String> = author.map(str::to_owned).into_iter().chain(to.iter().cloned()).collect();
    let (mut owners, mut agents) = (HashMap::new(), Vec::new());
    for row in tx.find_owners(keys).await? {
        let owner = match (row.influencer_id, row.agent_id) {
            (Some(id), _) => Owner::Influencer(id),
            (None, Some(id)) => Owner::Agent(id),
            (None, None) => continue,
        };
        agents.extend(row.agent_id);
        owners.insert(row.value_key, owner);
    }
    let mut stands_for: HashMap<AgentId, Vec<InfluencerId>> = HashMap::new();
    if !agents.is_empty() {
        for (agent, influencer) in tx.influencers_of_agents(agents).await? {
            stands_for.entry(agent).or_default().push(influencer);
        }
    }
    let known = tx.find_refs(vec![conversation.to_owned()]).await?.first().map(|(_, id)| *id);
    let (mut in_conversation, mut sure) = (Vec::new(), Vec::new());
    if let Some(id) = known {
        in_conversation = tx.find_threads_in(vec![id]).await?.into_iter().map(|t| t.influencer_id).collect();
        sure = tx.find_sure_in(vec![id]).await?.into_iter().map(|(_, influencer)| influencer).collect();
    }
    let (identity, people) = (Identity::default(), People { owners, stands_for });
    let mut placed = choose_parts(&Ask {
        direction,
        kind,
        author,
        to,
        cc: &[],
        reported: &[],
        in_conversation: &in_conversation,
        of_parent: &[],
        sure_in_conversation: &sure,
        sure_of_parent: &[],
        identity: &identity,
        people: &people,
    });
    // What we say in a conversation of several is said to those who take part in it.
    if direction == Direction::Outbound && placed.parts.is_empty() && in_conversation.len() <= SHOWN_TO_MAX {
        // To whom is sure where it is one, who is surely in it: not where somebody unknown there was taken for them.
        let is_one = in_conversation.len() == 1;
        let assigned = |influencer: &InfluencerId| is_one && sure.contains(influencer);
        let part =
            |influencer| Part { influencer, role: Role::Recipient, agent: None, assigned: assigned(&influencer) };
        placed.parts = in_conversation.into_iter().map(part).collect();
    }
    Ok(placed)
}

/// Enters it on the timelines it belongs to, with all that follows. The caller commits.
///
/// # Errors
/// The store's.
pub async fn enter(tx: &mut Tx, clock: &Clock, mut saying: Saying) -> Result<Entered, StoreError> {
    tx.lock_conversations().await?;
    if let Some(known) = tx.find_fingerprints(vec![saying.print.clone()]).await?.first() {
        return Ok(Entered::Known(known.id));
    }
    if !tx.find_erased_messages(vec![Mark::Print(saying.print.clone())]).await?.is_empty() {
        return Ok(Entered::Erased);
    }
    let id = MessageId(clock.new_id());
    let conversation = conversation_of(tx, clock, &saying).await?;
    let threads = threads_of(tx, clock, conversation, &saying).await?;
    let raw = saying.raw.take();
    let kept = raw.as_ref().map(|(hash, size, _)| (hash.clone(), *size));
    tx.insert_raws(raw.into_iter().collect()).await?;
    tx.insert_messages(vec![message(clock, (id, conversation), kept, &saying)]).await?;
    let parts = saying.placed.parts.iter().zip(&threads).map(|(part, thread)| NewParticipation {
        message_id: id,
        influencer_id: part.influencer,
        thread_id: thread.id,
        role: part.role,
        agent_id: part.agent,
        assigned: part.assigned,
        at: saying.at,
    });
    let parts: Vec<NewParticipation> = parts.collect();
    let turn = turn_after(&saying);
    let touch = |part: &Part| Touch { influencer_id: part.influencer, last_message_at: saying.at, awaiting: turn };
    let touches: Vec<Touch> = saying.placed.parts.iter().map(touch).collect();
    tx.upsert_threads(threads, clock.now()).await?;
    tx.insert_participations(parts).await?;
    tx.touch_influencers(touches).await?;
    let verdict = verdict_of(&saying);
    wait(tx, (id, &saying), verdict.as_ref()).await?;
    if saying.consent == ConsentReading::Stop && !saying.fires {
        // It holds also where it was said before the account was read for the first time, and nothing else follows.
        fares::stop(tx, clock, (saying.channel, &saying.author.address), (id, saying.at)).await?;
    }
    if saying.fires {
        signal::record(tx, clock, follow(id, &saying, verdict.as_ref())).await?;
    }
    Ok(Entered::New(id, verdict.map(|verdict| verdict.meaning)))
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

/// Whose turn it leaves; what no person said leaves it as it was.
fn turn_after(saying: &Saying) -> Option<Awaiting> {
    match (saying.direction, saying.kind) {
        (Direction::Outbound, _) => Some(Awaiting::Them),
        (Direction::Inbound, Kind::Human) => Some(Awaiting::Us),
        (Direction::Inbound, _) => None,
    }
}

/// The thread of each of them in the conversation, as this leaves it.
async fn threads_of(
    tx: &mut Tx,
    clock: &Clock,
    conversation: ConversationId,
    saying: &Saying,
) -> Result<Vec<ThreadRow>, StoreError> {
    if saying.placed.parts.is_empty() {
        return Ok(Vec::new());
    }
    let threads = tx.find_threads_in(vec![conversation]).await?;
    let of = |part: &Part| {
        let known = threads.iter().find(|t| t.influencer_id == part.influencer).cloned();
        let mut thread = known.unwrap_or_else(|| ThreadRow {
            id: ThreadId(clock.new_id()),
            conversation_id: conversation,
            influencer_id: part.influencer,
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
            thread.awaiting = turn_after(saying).or(thread.awaiting);
        }
        thread
    };
    Ok(saying.placed.parts.iter().map(of).collect())
}

fn message(
    clock: &Clock,
    (id, conversation_id): (MessageId, ConversationId),
    raw: Option<(Vec<u8>, i64)>,
    saying: &Saying,
) -> NewMessage {
    let (raw_hash, size) = raw.unzip();
    NewMessage {
        id,
        conversation_id,
        direction: saying.direction,
        kind: saying.kind,
        channel: saying.channel,
        account: saying.account.clone(),
        internet_message_id: None,
        fingerprint: saying.print.clone(),
        author_name: saying.author.name.clone(),
        author_address: saying.author.address.clone(),
        recipients: json!({"to": saying.to, "cc": [], "bcc": [], "reply_to": []}),
        subject: saying.subject.clone(),
        text: saying.text.clone(),
        reply_text: None,
        attachments: saying.attachments.clone(),
        flaws: None,
        has_html: false,
        size: size.unwrap_or_else(|| octets(&saying.text)),
        raw_hash,
        at: saying.at,
        stored_at: clock.now(),
        backfilled: !saying.fires,
    }
}

fn octets(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// What is to follow once it is known whose it is, and by which addresses it is found then.
async fn wait(
    tx: &mut Tx,
    (id, saying): (MessageId, &Saying),
    verdict: Option<&refusal::Verdict>,
) -> Result<(), StoreError> {
    let strangers = saying.placed.strangers.iter().map(|(key, role)| (key.clone(), id, *role)).collect();
    tx.insert_strangers(strangers).await?;
    let Some(Waiting { reason, influencer, agent }) =
        saying.placed.waiting.filter(|_| saying.direction == Direction::Inbound)
    else {
        return Ok(());
    };
    let facts = json!({
        "received": received(saying, None), "answer": verdict.map(meaning), "answers": null, "reports": [],
    });
    tx.insert_unmatched(vec![NewUnmatched {
        message_id: id,
        reason,
        address: saying.author.address.clone(),
        address_key: saying.author.address.clone(),
        name: saying.author.name.clone(),
        influencer_id: influencer,
        agent_id: agent,
        at: saying.at,
        facts: Some(facts).filter(|_| saying.fires),
    }])
    .await?;
    Ok(())
}

/// What `message.received` says of it.
fn received(saying: &Saying, part: Option<&Part>) -> Value {
    let mut data = json!({
        "account": saying.account, "channel": saying.channel, "kind": saying.kind,
        "by_agent": part.and_then(|part| part.agent), "waiting": null,
    });
    if let (Some(data), Some(part)) = (data.as_object_mut(), part) {
        data.insert("role".to_owned(), json!(part.role));
    }
    with_consent(data, saying)
}

fn with_consent(mut data: Value, saying: &Saying) -> Value {
    let word = match saying.consent {
        ConsentReading::Stop => "stop",
        ConsentReading::Start => "start",
        ConsentReading::Help => "help",
        ConsentReading::PerhapsStop => "perhaps_stop",
        ConsentReading::None => return data,
    };
    if let Some(data) = data.as_object_mut() {
        data.insert("consent".to_owned(), json!(word));
    }
    data
}

/// The facts that follow.
fn follow(id: MessageId, saying: &Saying, verdict: Option<&refusal::Verdict>) -> Vec<Signal> {
    let raise = |what: EventType, influencer: Option<InfluencerId>, data: Value| Signal {
        what,
        influencer,
        message: Some(id),
        at: saying.at,
        data: Some(data),
    };
    let (account, channel) = (&saying.account, saying.channel);
    let mut signals = Vec::new();
    if saying.direction == Direction::Outbound {
        let data = json!({"account": account, "channel": channel, "by": "hand"});
        let sent = |part: &Part| raise(EventType::MessageSent, Some(part.influencer), data.clone());
        return saying.placed.parts.iter().map(sent).collect();
    }
    let waiting = saying.placed.waiting.map(|waiting| waiting.reason);
    let answer = verdict.map(meaning);
    let with_answer = |mut data: Value| {
        if let Some(data) = data.as_object_mut() {
            data.insert("waiting".to_owned(), json!(waiting));
            data.insert("answer".to_owned(), json!(answer));
        }
        data
    };
    for part in &saying.placed.parts {
        let data = received(saying, Some(part));
        let is_sure = waiting.is_none() && part.role == Role::Author;
        let waits = waiting.is_some() || saying.kind == Kind::Automatic;
        let data = if waits { with_answer(data) } else { data };
        signals.push(raise(EventType::MessageReceived, Some(part.influencer), data));
        if is_sure && saying.kind == Kind::Human {
            let replied = json!({
                "account": account, "channel": channel, "by_agent": part.agent, "answer": answer, "answers": null,
            });
            signals.push(raise(EventType::ThreadReplied, Some(part.influencer), with_consent(replied, saying)));
        }
    }
    // Whoever wants no more gets none, known or not.
    let is_no = verdict.is_some_and(|verdict| verdict.meaning == Meaning::OptOut);
    if saying.placed.parts.is_empty() && waiting.is_some() && is_no {
        signals.push(raise(EventType::MessageReceived, None, with_answer(received(saying, None))));
    }
    signals
}

/// How it is read, where it is theirs.
fn verdict_of(saying: &Saying) -> Option<refusal::Verdict> {
    if saying.direction == Direction::Outbound {
        return None;
    }
    match saying.kind {
        // A machine of theirs says yes or no for nobody.
        Kind::Reaction | Kind::Automatic => return None,
        Kind::Human | Kind::OutOfOffice | Kind::Gone | Kind::Bounce | Kind::Complaint => {}
    }
    Some(match (saying.meaning, saying.consent) {
        (Some(meaning), _) => said_by_a_person(meaning),
        (None, ConsentReading::Stop) => keyword(Meaning::OptOut),
        // Asked of a person; until then nothing goes out.
        (None, ConsentReading::PerhapsStop) => keyword(Meaning::Unsure),
        (None, ConsentReading::Start | ConsentReading::Help) => keyword(Meaning::Neither),
        (None, ConsentReading::None) => judged(&saying.text),
    })
}

fn judged(text: &str) -> refusal::Verdict {
    judge_answer(&refusal::Answer { subject: "", answers: None, reply_text: text })
}

/// How a keyword is read.
pub(super) fn keyword(meaning: Meaning) -> refusal::Verdict {
    refusal::Verdict {
        meaning,
        confidence: 100,
        phrase: None,
        language: None,
        reasons: vec!["a keyword of text messages"],
    }
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
