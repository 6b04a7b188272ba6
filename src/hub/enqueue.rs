//! The only way anything leaves: a message, its places on timelines and its outbox row, written together.
//!
//! The Message-ID and our token are fixed here, before the first try, and never change. Nothing is sent here. Calling
//! twice is two messages.

use sha2::{Digest, Sha256};

use super::outreach::recheck::reserve_manual;
use super::signing::SigningError;
use crate::clock::{self, Clock};
use crate::domain::address;
use crate::domain::ids::{ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::mail::{Attachment, Mailbox, TEXT_MAX};
use crate::domain::subject::reply_subject;
use crate::domain::threading::id_key;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, Kind, OutboxStatus};
use crate::render::mail::{self, ComposeError, Draft};
use crate::render::track::{Link, TrackError};
use crate::store::message::NewMessage;
use crate::store::outbox::{Answered, NewOutbox, NewRecipient};
use crate::store::{StoreError, Tx};

pub use super::settle::settle_seen;
pub use crate::render::mail::DraftAttachment;

mod outreach;
mod place;
mod recipients;

pub use outreach::{Counting, Outreach, Reserved, Start, reserve};

/// Recipients of one message.
pub const RECIPIENTS_MAX: usize = 100;
/// Octets of one message, ready for the wire.
pub const SIZE_MAX: usize = 50 * 1024 * 1024;
/// How hard raw mail is compressed.
const COMPRESSION: i32 = 3;

/// Our account, as the author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFrom {
    /// Its name in the configuration.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The name people see; may be empty.
    pub display_name: String,
}

/// What a message answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// This message.
    Message(MessageId),
    /// The newest message of theirs in this thread, or else the newest.
    Thread(ThreadId),
}

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// From whom.
    pub account: AccountFrom,
    /// To whom. Where this and `cc` are empty, a reply goes to everybody in the message it answers.
    pub to: Vec<Mailbox>,
    /// To whom else.
    pub cc: Vec<Mailbox>,
    /// The subject; a reply without one uses that of the message it answers.
    pub subject: Option<String>,
    /// The text.
    pub text: String,
    /// The HTML part, where there is one.
    pub html: Option<String>,
    /// The files.
    pub attachments: Vec<DraftAttachment>,
    /// What it answers, where it is a reply.
    pub answers: Option<Answers>,
    /// Not before this instant: now, and the time there is to think again.
    pub due_at: Micros,
    /// Whether the hub files a copy in Sent.
    pub file_copy: bool,
    /// The domain of its Message-ID.
    pub message_id_domain: String,
    /// What makes it one of a sequence; `None` for what a person writes: no pixel, no counted links, no List-Unsubscribe.
    pub outreach: Option<Outreach>,
}

/// A message that waits in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// The message and its outbox row.
    pub id: MessageId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// On whose timelines it shows, in which threads.
    pub threads: Vec<(InfluencerId, ThreadId)>,
    /// Its Message-ID, without angle brackets.
    pub internet_message_id: String,
    /// Our own token.
    pub token: String,
    /// Not before this instant.
    pub due_at: Micros,
}

/// Why an address is not written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The address.
    pub address: String,
    /// Why.
    pub reason: String,
}

/// Why nothing was put into the outbox.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// Some recipients must not be written to.
    #[error("not written to: {}", .0.iter().map(|s| format!("{} ({})", s.address, s.reason)).collect::<Vec<_>>().join(", "))]
    Stopped(Vec<Stopped>),
    /// Nobody to write to.
    #[error("there is no recipient: name at least one")]
    NoRecipient,
    /// Too many recipients.
    #[error("there are {0} recipients; at most {RECIPIENTS_MAX} go into one message")]
    TooManyRecipients(usize),
    /// Not an address.
    #[error("`{0}` is not a mail address")]
    Address(String),
    /// What it answers is not there.
    #[error("the message or thread it answers is not known")]
    UnknownAnswered,
    /// The text or the whole is too large.
    #[error("the {what} has {octets} octets; at most {most} are sent")]
    TooLarge {
        /// Text, or message.
        what: &'static str,
        /// What it has.
        octets: usize,
        /// The limit.
        most: usize,
    },
    /// It can't be written as a mail.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// Its links can't be counted.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// There is no key to sign its links with.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The machine has no source of chance.
    #[error("no token can be made: {0}")]
    Chance(String),
    /// The raw mail can't be compressed.
    #[error("the mail can't be compressed: {0}")]
    Compress(#[from] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was composed and decided, ready to be written.
struct Ready {
    id: MessageId,
    conversation: ConversationId,
    is_new: bool,
    token: String,
    draft: Draft,
    raw: Vec<u8>,
    /// The same without pixel and counted links, where that is another.
    clean: Option<Vec<u8>>,
    links: Vec<Link>,
}

/// Writes a message and its outbox row. The caller commits, then wakes the dispatcher of the account.
///
/// # Errors
/// [`EnqueueError::Stopped`] names every recipient that must not be written to; nothing was written then. The other
/// variants say what to change.
pub async fn enqueue(tx: &mut Tx, clock: &Clock, mut order: Order) -> Result<Enqueued, EnqueueError> {
    if order.text.len() > TEXT_MAX {
        return Err(EnqueueError::TooLarge { what: "text", octets: order.text.len(), most: TEXT_MAX });
    }
    tx.lock_conversations().await?;
    let (answered, thread) = find_answered(tx, order.answers).await?;
    if order.to.is_empty()
        && order.cc.is_empty()
        && let Some(answered) = &answered
    {
        (order.to, order.cc) = recipients::of_answer(answered, &order.account.address);
    }
    let envelope = recipients::envelope(&order.to, &order.cc)?;
    let owners = recipients::check(tx, &envelope).await?;
    let mut ready = compose(tx, clock, &order, answered.as_ref()).await?;
    if ready.is_new {
        tx.insert_conversations(vec![ready.conversation], clock.now()).await?;
    }
    let clean_hash = write_message(tx, clock, &order, &ready).await?;
    tx.insert_links(outreach::link_rows(ready.id, std::mem::take(&mut ready.links))).await?;
    let about = match &order.outreach {
        Some(outreach) => tx.get_enrollment(outreach.enrollment_id).await?.map(|run| run.influencer_id),
        None => None,
    };
    let place = place::Place {
        message: ready.id,
        conversation: ready.conversation,
        account: &order.account.name,
        subject: &ready.draft.subject,
        at: order.due_at,
        thread,
        about,
    };
    let threads = place::on_timelines(tx, clock, &place, &envelope, &owners).await?;
    if order.outreach.is_none() {
        // What a person writes counts against the limits of sequences, and never waits for them.
        let domain = envelope.first().and_then(|r| address::domain(&r.mailbox.address)).unwrap_or_default();
        reserve_manual(tx, ready.id, (&order.account.name, domain), order.due_at).await?;
    }
    tx.insert_outbox(NewOutbox {
        id: ready.id,
        account: order.account.name,
        due_at: order.due_at,
        token: ready.token.clone(),
        file_copy: order.file_copy,
        status: order.outreach.as_ref().map_or(OutboxStatus::Queued, Outreach::status),
        step: order.outreach.map(|o| (o.enrollment_id, o.step)),
        clean_hash,
        created_at: clock.now(),
        recipients: envelope
            .into_iter()
            .map(|r| NewRecipient { address: r.mailbox.address, address_key: r.key, name: r.mailbox.name })
            .collect(),
    })
    .await?;
    Ok(Enqueued {
        id: ready.id,
        conversation_id: ready.conversation,
        threads,
        internet_message_id: ready.draft.message_id,
        token: ready.token,
        due_at: order.due_at,
    })
}

async fn find_answered(
    tx: &mut Tx,
    answers: Option<Answers>,
) -> Result<(Option<Answered>, Option<(InfluencerId, ThreadId)>), EnqueueError> {
    match answers {
        None => Ok((None, None)),
        Some(Answers::Message(id)) => {
            let answered = tx.get_answered(id).await?.ok_or(EnqueueError::UnknownAnswered)?;
            Ok((Some(answered), None))
        }
        Some(Answers::Thread(id)) => {
            let thread = tx.get_thread(id).await?.ok_or(EnqueueError::UnknownAnswered)?;
            let answered = tx.newest_answered(thread.id).await?.ok_or(EnqueueError::UnknownAnswered)?;
            Ok((Some(answered), Some((thread.influencer_id, thread.id))))
        }
    }
}

async fn compose(
    tx: &mut Tx,
    clock: &Clock,
    order: &Order,
    answered: Option<&Answered>,
) -> Result<Ready, EnqueueError> {
    let id = order.outreach.as_ref().map_or_else(|| MessageId(clock.new_id()), |o| o.reserved.id());
    let token = new_token()?;
    let references = match answered {
        Some(answered) => tx.list_reference_ids(answered.id).await?,
        None => Vec::new(),
    };
    let subject = match (&order.subject, answered) {
        (Some(subject), _) => subject.clone(),
        (None, Some(answered)) => reply_subject(&answered.subject),
        (None, None) => String::new(),
    };
    let mut draft = Draft {
        from: Mailbox { name: order.account.display_name.clone(), address: order.account.address.clone() },
        to: order.to.clone(),
        cc: order.cc.clone(),
        reply_to: None,
        subject,
        text: order.text.clone(),
        html: order.html.clone(),
        attachments: order.attachments.clone(),
        message_id: mail::new_message_id(clock.new_id(), &order.message_id_domain),
        in_reply_to: answered.and_then(|a| a.internet_message_id.clone()),
        references,
        token: token.clone(),
        list_unsubscribe: outreach::list_unsubscribe(order),
        extra: Vec::new(),
    };
    let mut raw = mail::compose(&draft)?;
    let (mut clean, mut links) = (None, Vec::new());
    if let Some(counted) = outreach::counted(order)? {
        draft.html = Some(counted.html);
        links = counted.links;
        clean = Some(std::mem::replace(&mut raw, mail::compose(&draft)?));
    }
    if raw.len() > SIZE_MAX {
        return Err(EnqueueError::TooLarge { what: "message", octets: raw.len(), most: SIZE_MAX });
    }
    let conversation = answered.map_or_else(|| ConversationId(clock.new_id()), |a| a.conversation_id);
    Ok(Ready { id, conversation, is_new: answered.is_none(), token, draft, raw, clean, links })
}

/// Writes the message and its raw mail; the hash of the clean copy, where there is one.
async fn write_message(
    tx: &mut Tx,
    clock: &Clock,
    order: &Order,
    ready: &Ready,
) -> Result<Option<Vec<u8>>, EnqueueError> {
    let (hash, size) = insert_raw(tx, &ready.raw).await?;
    let clean_hash = match &ready.clean {
        Some(clean) => Some(insert_raw(tx, clean).await?.0),
        None => None,
    };
    let draft = &ready.draft;
    let attachments: Vec<Attachment> = draft
        .attachments
        .iter()
        .map(|a| Attachment {
            name: a.name.clone(),
            content_type: a.content_type.clone(),
            size: u64::try_from(a.content.len()).unwrap_or(u64::MAX),
            inline: false,
            content_id: None,
        })
        .collect();
    let message = NewMessage {
        id: ready.id,
        conversation_id: ready.conversation,
        direction: Direction::Outbound,
        kind: Kind::Human,
        channel: Channel::Email,
        account: order.account.name.clone(),
        internet_message_id: Some(draft.message_id.clone()),
        fingerprint: fingerprint(&ready.token),
        author_name: draft.from.name.clone(),
        author_address: draft.from.address.clone(),
        recipients: serde_json::json!({"to": draft.to, "cc": draft.cc, "bcc": [], "reply_to": []}),
        subject: draft.subject.clone(),
        text: draft.text.clone(),
        reply_text: None,
        attachments: if attachments.is_empty() { None } else { Some(serde_json::json!(attachments)) },
        flaws: None,
        has_html: order.html.is_some(),
        size,
        raw_hash: Some(hash),
        at: order.due_at,
        stored_at: clock.now(),
        backfilled: false,
    };
    tx.insert_messages(vec![message]).await?;
    tx.insert_refs(vec![(id_key(&draft.message_id), ready.conversation)]).await?;
    Ok(clean_hash)
}

/// Keeps raw mail; its hash and its octets.
async fn insert_raw(tx: &mut Tx, raw: &[u8]) -> Result<(Vec<u8>, i64), EnqueueError> {
    let hash = Sha256::digest(raw).to_vec();
    let size = i64::try_from(raw.len()).unwrap_or(i64::MAX);
    let packed = zstd::encode_all(raw, COMPRESSION)?;
    tx.insert_raws(vec![(hash.clone(), size, packed)]).await?;
    Ok((hash, size))
}

/// The fingerprint of a message that carries this token of ours: the same for every copy of it.
pub fn fingerprint(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).iter().take(16).copied().collect()
}

fn new_token() -> Result<String, EnqueueError> {
    let octets: [u8; 16] = clock::random_octets().map_err(|e| EnqueueError::Chance(e.to_string()))?;
    Ok(uuid::Uuid::from_bytes(octets).simple().to_string())
}
