//! The only way anything leaves: a message, its places on timelines and its outbox row, written together.
//!
//! The Message-ID and our token are fixed here, before the first try, and never change. Nothing is sent here. Calling
//! twice is two messages.
//!
//! One message and many go the same way: what composing needs is read ahead into a [`Ground`], [`compose()`] makes of it what
//! the mail is and where it shows, and [`write_all`] writes what was composed. So a statement serves as many messages as there are.

use sha2::{Digest, Sha256};

use super::signing::SigningError;
use crate::clock::Clock;
use crate::domain::address;
use crate::domain::ids::{ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::mail::Mailbox;
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::render::mail::ComposeError;
use crate::render::track::TrackError;
use crate::store::{StoreError, Tx};

pub use super::settle::settle_seen;
pub use crate::render::mail::DraftAttachment;

mod compose;
mod ground;
mod outreach;
mod place;
mod recipients;
mod words;
mod write;

pub use compose::{Letter, compose};
pub use ground::Ground;
pub use outreach::{Counting, Outreach, Reserved, Reserving, Start, reserve, reserving};
pub use words::{TALK_CHARS_MAX, TEXT_CHARS_MAX, WordsOrder, WordsStep, compose_words, enqueue_words};
pub use write::write_all;

/// Recipients of one message.
pub const RECIPIENTS_MAX: usize = 100;
/// Octets of one message, ready for the wire.
pub const SIZE_MAX: usize = 50 * 1024 * 1024;

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
    /// What it answers did not come by mail.
    #[error("what it answers was said on the channel `{0}`, which no mail answers: name whom to write to instead")]
    NotMail(Channel),
    /// No words.
    #[error("there are no words in it: write some")]
    NoWords,
    /// Too many for the channel.
    #[error("the text has {chars} characters; `{channel}` takes at most {most}")]
    TooLong {
        /// What it has.
        chars: usize,
        /// The limit.
        most: usize,
        /// How it was to travel.
        channel: Channel,
    },
    /// An address of another channel.
    #[error("`{0}` is no address for the channel `{1}`")]
    WrongChannel(String, Channel),
    /// Nobody agreed to text messages.
    #[error(
        "not written to: nobody has noted that {0} agrees to text messages, and they never wrote one to this number; import their consent (columns consent.sms.source and consent.sms.at) first"
    )]
    NoConsent(String),
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

/// Writes a message and its outbox row. The caller commits, then wakes the dispatcher of the account.
///
/// # Errors
/// [`EnqueueError::Stopped`] names every recipient that must not be written to; nothing was written then. The other
/// variants say what to change.
pub async fn enqueue(tx: &mut Tx, clock: &Clock, mut order: Order) -> Result<Enqueued, EnqueueError> {
    tx.lock_conversations().await?;
    let mut ground = Ground::default();
    ground.read_answered(tx, order.answers.as_slice()).await?;
    ground.complete(&mut order)?;
    let keys = order.to.iter().chain(&order.cc).filter_map(|m| address::key(&m.address));
    ground.read_addresses(tx, keys.collect()).await?;
    let letter = compose(clock, &mut ground, order)?;
    let enqueued = letter.enqueued.clone();
    write_all(tx, clock, &mut ground, vec![letter]).await?;
    Ok(enqueued)
}

/// The fingerprint of a message that carries this token of ours: the same for every copy of it.
pub fn fingerprint(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).iter().take(16).copied().collect()
}
