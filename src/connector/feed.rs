//! Channels whose messages are no mail: text messages, workspaces. What they tell and how they are asked, in words that name no
//! provider.
//!
//! What was said comes by three ways that may all be open at once: a [`Feed`] is asked from a cursor, a [`Hook`] takes what the
//! provider posts to us, and a socket gives the same as a hook. Each thing said has the provider's own id, so that what comes twice
//! is known. What goes out goes through a [`super::Sender`] with [`Words`] as its content; a [`Ledger`] is asked what became of it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{ConnectorError, Sender, Wake};
use crate::domain::time::Micros;
use crate::domain::words::Direction;

pub use crate::domain::chat::Words;
pub use crate::domain::words::Progress;

/// Things told in one answer of a feed, at most.
pub const TOLD_MAX: usize = 1_000;
/// Octets of one file that is fetched, at most.
pub const FILE_OCTETS_MAX: u64 = 50 * 1024 * 1024;
/// Octets of the body of a hook, at most.
pub const HOOK_OCTETS_MAX: usize = 1024 * 1024;

/// Somebody on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Party {
    /// A number (E.164), or a user of a workspace (`TEAM/USER`).
    pub address: String,
    /// What they call themselves; empty where it is not told.
    pub name: String,
}

/// What a provider says of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Face {
    /// What they are called; empty where it is not told.
    pub name: String,
    /// Their mail address, where it is told and they are a person who is there.
    pub email: Option<String>,
}

/// A file beside a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Where the provider keeps it.
    pub url: String,
    /// Its name; empty where it has none.
    pub name: String,
    /// Its media type as the provider says.
    pub mime: String,
    /// Its octets, where the provider says.
    pub size: Option<u64>,
}

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is one thing that is so or not")]
pub struct Said {
    /// The provider's id of it, unique within the account.
    pub id: String,
    /// They or we.
    pub direction: Direction,
    /// What it is part of, at the provider: two numbers, or a thread of a workspace's conversation.
    pub conversation: String,
    /// Where in the provider's house it was said: our number, or the conversation of a workspace.
    pub place: String,
    /// Who says it.
    pub author: Party,
    /// To whom, as far as that can be told.
    pub to: Vec<Party>,
    /// The words.
    pub text: String,
    /// When, by the provider's clock.
    pub at: Micros,
    /// Files beside it.
    pub files: Vec<Attached>,
    /// Whether a program said it.
    pub by_machine: bool,
    /// Whether it was changed since it was said.
    pub edited: bool,
    /// Whether it names somebody, or a place, of the house, as the provider marks that.
    pub mentions: bool,
    /// Whether it was said where we were not yet: nothing follows from it, however new it is.
    pub is_history: bool,
    /// Our own token of it, where we sent it.
    pub token: Option<String>,
    /// What the provider itself reads in it about wanting more: `OptOutType`, say.
    pub consent: Option<ConsentWord>,
    /// What came, as it came, for the record: JSON.
    pub raw: Vec<u8>,
}

/// What a text message says about wanting more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentWord {
    /// No more.
    Stop,
    /// Again.
    Start,
    /// What is this?
    Help,
}

/// What a provider tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// Something was said.
    Said(Box<Said>),
    /// A message was changed by its author.
    Changed {
        /// The provider's id of the message.
        id: String,
        /// The words it has now.
        text: String,
        /// When.
        at: Micros,
    },
    /// A message was taken back.
    Deleted {
        /// The provider's id of the message.
        id: String,
        /// When.
        at: Micros,
    },
    /// Somebody reacted to a message.
    Reacted {
        /// The provider's id of the reaction.
        id: String,
        /// That of the message.
        to: String,
        /// Who.
        author: Party,
        /// With what: the name of an emoji.
        with: String,
        /// When.
        at: Micros,
        /// Whether it was taken back.
        removed: bool,
    },
    /// Somebody chose our shortcut at a message.
    Pressed {
        /// The provider's id of the message.
        message: String,
        /// What the message is part of, where that is told.
        conversation: Option<String>,
        /// Where it was said.
        place: String,
        /// Who chose it.
        by: Party,
        /// Who wrote the message.
        author: Party,
        /// Its words.
        text: String,
        /// Whether there are files beside it.
        has_files: bool,
        /// Whether it names somebody, or a place, of the house.
        mentions: bool,
        /// When it was chosen.
        at: Micros,
    },
    /// How a message of ours fares.
    Fares {
        /// The provider's id of the message, where it says one.
        id: Option<String>,
        /// Our own token of the attempt, where the way it came tells it.
        token: Option<String>,
        /// How.
        progress: Progress,
        /// The provider's code, where it failed.
        code: Option<String>,
        /// The provider's words.
        detail: String,
        /// When.
        at: Micros,
    },
    /// Something that means nothing to us: kept in count, never refused.
    Other {
        /// What the provider calls it.
        sort: String,
    },
}

/// What a feed answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// In the order in which it was said.
    pub told: Vec<Told>,
    /// From where to go on.
    pub cursor: String,
    /// Whether there is more at once.
    pub more: bool,
    /// Whether there is more that the provider lets be asked for only later: what is known then is not all that was said.
    pub put_off: bool,
}

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is larger than is allowed.
    #[error("it is larger than is fetched: at most {FILE_OCTETS_MAX} octets")]
    TooLarge,
    /// It lies where nobody is asked: our credentials, and what we look for, are nobody's business there.
    #[error("{0}")]
    Elsewhere(String),
    /// Its provider does not have it: not yet, or not any more.
    #[error("{0}")]
    Missing(String),
    /// Its provider wants to be left alone for so long: this says nothing of the file.
    #[error("{why}")]
    Later {
        /// For how long.
        rest: Duration,
        /// In words.
        why: String,
    },
    /// The provider could not be asked, or said something else.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

/// An account that is asked what was said.
pub trait Feed: Send {
    /// What was said after a cursor of an earlier answer. `None` begins at `since`. What lies at the seam may be told twice, nothing is
    /// left out.
    fn next<'a>(&'a mut self, cursor: Option<&'a str>, since: Micros) -> BoxFuture<'a, Result<Batch, ConnectorError>>;
    /// A file beside a message, whole, where it has at most so many octets.
    fn file<'a>(&'a mut self, file: &'a Attached, octets_max: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>>;
    /// Until when the provider wants to be left alone by whoever reads, where it said so.
    fn rests_until(&self) -> Option<Micros> {
        None
    }
    /// Asks nothing before that: the provider said so to another session.
    fn rest(&mut self, _until: Micros) {}
    /// Who somebody is, by their address, as far as the provider tells; it is asked seldom, and soon given up.
    fn who<'a>(&'a mut self, _address: &'a str) -> BoxFuture<'a, Option<Face>> {
        Box::pin(std::future::ready(None))
    }
    /// Waits until there is news or the time is over.
    fn wait(&mut self, at_most: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>>;
    /// Says goodbye; errors are of no interest.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// One account of such a channel. Cheap to ask for its parts.
pub trait Line: std::fmt::Debug + Send + Sync {
    /// Takes what goes out.
    fn sender(&self) -> Box<dyn Sender>;
    /// Is asked what was said.
    fn feed(&self) -> Box<dyn Feed>;
    /// Takes what the provider posts; `None` where what checks its signature is not configured.
    fn hook(&self) -> Option<Box<dyn Hook>>;
    /// Asks the provider for whatever a hook lacks that says [`HookRefusal::NotReady`]. Most lack nothing.
    fn ready(&self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Is asked what became of what was handed over.
    fn ledger(&self) -> Box<dyn Ledger>;
    /// Looks at a conversation in which a team talks, by the provider's id of it: who hears what is said there.
    fn room<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<Room, ConnectorError>> {
        let none = ConnectorError::Refused("there are no rooms on this channel".to_owned());
        Box::pin(std::future::ready(Err(none)))
    }
    /// Tries what can be tried without saying anything to anybody, step by step.
    fn check(&self) -> BoxFuture<'_, Vec<Checked>>;
}

/// A conversation in which a team talks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// How it is named where something is posted: `TEAM/CHANNEL`.
    pub place: String,
    /// Why nothing that is the team's may be said there: people from outside hear it.
    pub open: Option<String>,
    /// Who hears it.
    pub members: Vec<String>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What.
    pub what: String,
    /// What came of it, or why nothing did.
    pub outcome: Result<String, String>,
    /// Whether it could not be seen: it may be well, and may not.
    pub unsure: bool,
}

impl Checked {
    /// From what was answered.
    pub fn new(what: impl Into<String>, outcome: Result<String, ConnectorError>) -> Self {
        Self { what: what.into(), outcome: outcome.map_err(|error| error.to_string()), unsure: false }
    }

    /// What is not as it must be, and what to do.
    pub fn wrong(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: Err(why.into()), unsure: false }
    }

    /// What could not be seen, and why.
    pub fn unsure(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: Ok(why.into()), unsure: true }
    }
}

/// A request that a provider made to us.
#[derive(Clone, PartialEq, Eq)]
pub struct HookRequest {
    /// The method.
    pub method: String,
    /// The whole address as the provider asked for it: what signatures are made of. Behind a proxy that is the public one.
    pub url: String,
    /// What stands in the path behind the account's name.
    pub rest: String,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, octet by octet.
    pub body: Vec<u8>,
    /// The time here, for signatures that lapse.
    pub now: Micros,
}

impl HookRequest {
    /// The value of a header field, where there is exactly one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }
}

impl std::fmt::Debug for HookRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookRequest")
            .field("method", &self.method)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What a request tells, and what it is answered once that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it tells.
    pub told: Vec<Told>,
    /// The provider's id of the request, by which a repeated one is known; `None` where each thing told has an id of its own.
    pub id: Option<String>,
    /// The media type of the answer.
    pub media_type: &'static str,
    /// The body of the answer.
    pub answer: String,
}

/// Why a request is refused. Nothing of it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HookRefusal {
    /// Not signed, or not by the provider.
    #[error("the signature is not the provider's")]
    Signature,
    /// Signed too long ago, or in the future.
    #[error("it was signed at another time")]
    Stale,
    /// Signed, but it makes no sense.
    #[error("it can't be understood")]
    Unreadable,
    /// It can't be told yet what it means: it is to be posted again.
    #[error("the provider was not asked yet who we are")]
    NotReady,
    /// There is nothing at this path.
    #[error("there is nothing here")]
    NotFound,
}

/// Takes what a provider posts. It only looks: what it gives is stored by others, and answered after that.
pub trait Hook: Send + Sync {
    /// Checks a request and reads it.
    fn hear(&self, request: &HookRequest) -> Result<Heard, HookRefusal>;
}

/// A message of ours that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// Our token of the attempt.
    pub token: String,
    /// From which of our addresses.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The words.
    pub text: String,
    /// The provider's id of what it answers, as it stood in [`Words::thread`]: there it is looked for.
    pub thread: Option<String>,
    /// Where it was posted, as it stood in [`Words::place`]; otherwise where messages to whom it is for go.
    pub place: Option<String>,
    /// Not before this, by any clock: how far the provider's may be from ours is in it.
    pub after: Micros,
    /// Not after this, likewise.
    pub before: Micros,
}

/// A message of ours that the provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The provider's id of it.
    pub id: String,
    /// How it fares.
    pub progress: Progress,
    /// The provider's code, where it failed.
    pub code: Option<String>,
    /// When the provider got it.
    pub at: Micros,
    /// Whether it is what is sought as far as can be told; otherwise it went to the same person at the time with other words, which the
    /// provider may have changed.
    pub alike: bool,
}

/// What a provider tells of something that is sought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// What it has that is, or may be, what is sought, the oldest first: all of it in the time between.
    pub found: Vec<Found>,
    /// Why it may have been sent all the same where none of these is it; none where the provider has it for sure not then. These may
    /// all be others' with the same words, so it is said whatever was found.
    pub doubt: Option<String>,
}

/// Asks a provider what became of something that was handed over.
pub trait Ledger: Send {
    /// Until when the provider wants to be left alone by whoever reads, where it said so.
    fn rests_until(&self) -> Option<Micros> {
        None
    }
    /// Looks through all of the time between; where that can't be done, it is an error and no answer.
    fn find<'a>(&'a mut self, sought: &'a Sought) -> BoxFuture<'a, Result<Looked, ConnectorError>>;
}
