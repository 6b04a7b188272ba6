//! Everything that speaks to a provider stands behind the two traits of this file.
//!
//! A connector holds no business rule and never sees a transaction: a [`Source`] gives batches, a [`Sender`] takes one
//! message at a time and says what became of it. Every method has its own timeouts; a caller may drop a connector at any
//! moment, and a new one starts from what is stored.

use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use crate::domain::retry::Step;
use crate::domain::time::Micros;
use crate::domain::veil::veil;
use crate::domain::words::FolderRole;

pub mod dns;
pub mod email;
pub mod feed;
pub mod http;
pub mod oauth;
pub mod sandbox;
pub mod slack;
pub mod sms;

/// Why a connector could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// The provider refused our credentials. Trying again without a person's help makes it worse.
    #[error("sign-in refused: {0}")]
    Login(String),
    /// Nobody is signed in, or the sign-in was taken back. A person has to sign in; until then nobody is asked, so looking
    /// again harms nothing.
    #[error("needs a sign-in: {0}")]
    SignedOut(String),
    /// The connection can't be trusted (certificate, stripped STARTTLS). Not retried quickly, never downgraded.
    #[error("connection not secure: {0}")]
    Insecure(String),
    /// Network trouble, a timeout, a server that went away: try again later on a new connection.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The provider answered, and said no to this request.
    #[error("refused by the server: {0}")]
    Refused(String),
    /// The provider's answer can't be understood. This connection is of no more use; whether another one is depends on what is
    /// asked.
    #[error("not understood: {0}")]
    Unreadable(String),
}

impl ConnectorError {
    /// Whether it may be about what was asked for, and something else could be had from the same provider.
    pub fn is_about_what_was_asked(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Unreadable(_) => true,
            Self::Login(_) | Self::SignedOut(_) | Self::Insecure(_) | Self::Lost(_) => false,
        }
    }

    /// The same without these secrets: a server may have said back what it was told.
    #[must_use]
    pub fn veiled(self, secrets: &[&str]) -> Self {
        match self {
            Self::Login(why) => Self::Login(veil(&why, secrets)),
            Self::SignedOut(why) => Self::SignedOut(veil(&why, secrets)),
            Self::Insecure(why) => Self::Insecure(veil(&why, secrets)),
            Self::Lost(why) => Self::Lost(veil(&why, secrets)),
            Self::Refused(why) => Self::Refused(veil(&why, secrets)),
            Self::Unreadable(why) => Self::Unreadable(veil(&why, secrets)),
        }
    }
}

/// Where a connector that signs in with OAuth 2 gets its access token from.
pub trait Tokens: std::fmt::Debug + Send + Sync {
    /// A token that is valid now. `refused` is the one a server just did not take: then another one is got.
    ///
    /// Fails with [`ConnectorError::SignedOut`] where only a person can help, [`ConnectorError::Login`] where the provider
    /// refuses our client, and [`ConnectorError::Lost`] where it may work later.
    fn access<'a>(&'a self, refused: Option<&'a SecretString>) -> BoxFuture<'a, Result<SecretString, ConnectorError>>;
}

/// A folder (mailbox, channel) as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderSeen {
    /// The provider's name for it, decoded for people.
    pub name: String,
    /// What it is for.
    pub role: FolderRole,
}

/// The state of one folder at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderStatus {
    /// IMAP `UIDVALIDITY`: uids of another value name other messages.
    pub uid_validity: i64,
    /// The uid the next message will get (a lower bound).
    pub uid_next: i64,
    /// Messages in it now.
    pub exists: i64,
}

/// One message as the provider holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawItem {
    /// Its uid in the folder.
    pub uid: i64,
    /// When the provider got it (IMAP `INTERNALDATE`).
    pub received_at: Option<Micros>,
    /// The size the provider states, octets.
    pub size: u64,
    /// The message, octet by octet. Cut (with [`Self::cut`] set) where it is over the limit of the account.
    pub raw: Vec<u8>,
    /// Whether [`Self::raw`] is only the beginning.
    pub cut: bool,
    /// The provider's own id of the conversation it belongs to, where it has one (Gmail's `X-GM-THRID`).
    pub conversation: Option<String>,
    /// Whether it is a draft (IMAP `\Draft`): nobody has sent it.
    pub draft: bool,
}

/// The few headers that tell whether a message is known, whose it is and what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderItem {
    /// Its uid in the folder.
    pub uid: i64,
    /// When the provider got it.
    pub received_at: Option<Micros>,
    /// Message-ID, Date, From, To, Cc, Subject, In-Reply-To, References and our token header, as raw header text.
    pub raw: Vec<u8>,
}

/// Why a wait for news ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The provider says something changed.
    News,
    /// The time is over.
    Elapsed,
}

/// One mailbox read by polling. All uids are within the folder selected last.
pub trait Source: Send {
    /// Connects and signs in where that is not done, and lists the folders worth reading: Inbox, Sent, Junk.
    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<FolderSeen>, ConnectorError>>;
    /// Selects a folder and tells its state, fresh.
    fn select<'a>(&'a mut self, folder: &'a str) -> BoxFuture<'a, Result<FolderStatus, ConnectorError>>;
    /// All uids in the selected folder, ascending.
    fn uids(&mut self) -> BoxFuture<'_, Result<Vec<i64>, ConnectorError>>;
    /// Uids of messages that the provider got on or after that day (UTC), ascending; perhaps a day more, never less.
    fn uids_since(&mut self, day: Micros) -> BoxFuture<'_, Result<Vec<i64>, ConnectorError>>;
    /// The whole of some messages, ascending by uid. The caller asks for at most [`FETCH_MAX`]; fewer may come back
    /// where they are large. Everything up to the last uid returned is settled (what is left out is gone); what is past
    /// it the caller asks for again. Only when nothing comes back are all of them gone.
    fn fetch<'a>(&'a mut self, uids: &'a [i64]) -> BoxFuture<'a, Result<Vec<RawItem>, ConnectorError>>;
    /// Only the identifying headers of some messages, ascending by uid.
    fn fetch_headers<'a>(&'a mut self, uids: &'a [i64]) -> BoxFuture<'a, Result<Vec<HeaderItem>, ConnectorError>>;
    /// Waits in the selected folder until there is news or the time is over (IDLE where the provider has it).
    fn wait(&mut self, at_most: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>>;
    /// Looks in the selected folder for a message by its Message-ID (without brackets) or our token. `None` is only
    /// ever said when the provider searched and found nothing; an empty id or token is not searched for.
    fn find<'a>(
        &'a mut self,
        message_id: &'a str,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Option<i64>, ConnectorError>>;
    /// Files a message in a folder, marked as read.
    fn append<'a>(&'a mut self, folder: &'a str, raw: &'a [u8]) -> BoxFuture<'a, Result<(), ConnectorError>>;
    /// Says goodbye; errors are of no interest.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Most messages asked for in one [`Source::fetch`].
pub const FETCH_MAX: usize = 200;
/// Octets after which [`Source::fetch`] returns what it has.
pub const FETCH_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// What goes out, ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Envelope sender.
    pub from: String,
    /// Envelope recipients; never empty.
    pub recipients: Vec<String>,
    /// The whole message, CRLF line ends, headers included.
    pub content: Vec<u8>,
}

/// What the provider said of one recipient, or of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three-digit SMTP code, or the HTTP status.
    pub code: u16,
    /// The enhanced status (RFC 3463), for instance `5.1.1`.
    pub enhanced: Option<String>,
    /// The text, cut to 500 octets.
    pub text: String,
}

impl Reply {
    /// 4xx: may work later.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

const NOT_BEFORE: &str = "not before ";
/// The enhanced status of a wait that is only about one conversation, and not about all of the account's (RFC 3463: system not accepting
/// network messages).
const ONE_CONVERSATION: &str = "4.3.2";

/// That a message has to wait: HTTP's 429, and the instant in the words, where [`not_before`] finds it. `whole` where nothing of the
/// account may be offered before then.
pub fn wait_reply(until: Micros, why: &str, whole: bool) -> Reply {
    let enhanced = if whole { "4.4.5" } else { ONE_CONVERSATION };
    Reply { code: 429, enhanced: Some(enhanced.to_owned()), text: format!("{NOT_BEFORE}{until}: {why}") }
}

/// The instant before which a message is not to be offered again, where the reply says one, and whether that holds for all of the
/// account's.
pub fn not_before(reply: &Reply) -> Option<(Micros, bool)> {
    let rest = reply.text.strip_prefix(NOT_BEFORE).filter(|_| reply.code == 429)?;
    let until = Micros::parse(rest.split(": ").next()?)?;
    Some((until, reply.enhanced.as_deref() != Some(ONE_CONVERSATION)))
}

/// At which step a try failed before anything was handed over. Everything up to here is known not to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// TCP, TLS, greeting, EHLO.
    Connect,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Envelope,
    /// RCPT TO.
    Recipient,
    /// DATA, before the content.
    Data,
}

impl Phase {
    /// The same as decisions know it.
    pub fn step(self) -> Step {
        match self {
            Self::Connect => Step::Connect,
            Self::Login => Step::Login,
            Self::Envelope => Step::Envelope,
            Self::Recipient => Step::Recipient,
            Self::Data => Step::Content,
        }
    }
}

/// What [`Sender::offer`] learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// The provider waits for the content. Same order as the recipients; at least one is `None` (taken).
    Ready {
        /// Per recipient: `None` if taken, else the refusal.
        refused: Vec<Option<Reply>>,
    },
    /// The provider refuses; nothing was handed over; the session can go on.
    Refused {
        /// Where.
        phase: Phase,
        /// Per recipient, same order; the message's own refusal stands for each.
        replies: Vec<Reply>,
    },
}

/// What became of content that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Taken, for all recipients that were not refused in the offer.
    Accepted {
        /// The provider's final words, which may carry its own id for the message.
        reply: Reply,
        /// The provider's own id for it, where it says one in so many words.
        id: Option<String>,
    },
    /// Refused after the content: 4xx or 5xx. Known not to be sent.
    Refused(Reply),
    /// No answer came. It may have been sent.
    Uncertain(String),
}

/// Why an offer could not be made at all: nothing was handed over, and the session is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error} (at {phase:?})")]
pub struct OfferError {
    /// Where.
    pub phase: Phase,
    /// Why.
    pub error: ConnectorError,
}

/// One session with a provider that takes messages.
pub trait Sender: Send {
    /// Connects and signs in where that is not done, and offers nothing: to see whether it could.
    fn open(&mut self) -> BoxFuture<'_, Result<(), OfferError>> {
        Box::pin(async { Ok(()) })
    }
    /// Opens the session where it is not, and offers the envelope, up to the moment before the content goes.
    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>>;
    /// Sends the content of the mail offered last. The caller has committed the hand-over before.
    fn hand_over<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, SendOutcome>;
    /// Takes back an offer without sending the content (RSET, or a closed connection).
    fn withdraw(&mut self) -> BoxFuture<'_, ()>;
    /// Says goodbye; errors are of no interest.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}
