//! Sending: rows of the outbox are claimed, handed over and recorded; what is uncertain is looked for.
//!
//! The order that everything rests on: claim, commit; offer; mark as handed over, commit; only then the content; record,
//! commit. Whatever dies in between leaves a row that says how far it came. No network call while a transaction is open.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::connector::feed::Ledger;
use crate::connector::{Sender, Source};
use crate::domain::chat::{Harm, HarmOf};
use crate::domain::ids::RunId;
use crate::domain::words::Channel;
use crate::hub::outreach::house::Desk;
use crate::store::Store;

mod account;
mod claim;
pub mod dispatcher;
mod filing;
mod ledger;
pub mod reconcile;
pub mod record;
pub mod rehearsal;
mod session;
mod watermark;

pub use watermark::Watermark;

/// Makes a session with an account's provider. It connects when it is first used.
pub type SenderFactory = Arc<dyn Fn() -> Box<dyn Sender> + Send + Sync>;
/// Makes a reader of an account's mailbox. It connects when it is first used.
pub type SourceFactory = Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>;

/// Who files the copy of what we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SentCopy {
    /// We do.
    Hub,
    /// The provider does. Only then can a missing copy mean that a mail was not sent.
    Server,
    /// The provider does, and is not known to do so in time or under our ids: a missing copy means nothing.
    ServerSometime,
}

/// Makes somebody who asks a provider what became of what was handed over.
pub type LedgerFactory = Arc<dyn Fn() -> Box<dyn Ledger> + Send + Sync>;

/// How an account sends.
#[derive(Debug, Clone)]
pub struct SendingSettings {
    /// The account's name.
    pub account: String,
    /// How its messages travel.
    pub channel: Channel,
    /// What its provider's codes mean for an address; a mail server's are judged elsewhere.
    pub harm: HarmOf,
    /// Where the provider can tell how a message fares, without its token at the end; nothing where it can't reach us.
    pub callback: Option<String>,
    /// The least time between two messages to one address, where the provider asks for one.
    pub gap: Duration,
    /// Sessions at once.
    pub sessions: usize,
    /// Seconds of a lease. Machine time.
    pub lease_seconds: u32,
    /// Who files the copy.
    pub sent_copy: SentCopy,
    /// How long after the hand-over, and after it was first missed, a missing copy means that it was not sent.
    pub settle_after: Duration,
    /// How long until an uncertain message is first looked for.
    pub look_after: Duration,
    /// The longest sleep between two looks into the outbox.
    pub poll: Duration,
    /// Whether a node of the hub reads the account's mailbox: it must then have been read to its end since that one took it over,
    /// and lately, before mail of sequences leaves. A no that lies there counts, and so does an answer.
    pub read_first: bool,
}

impl SendingSettings {
    /// The usual settings of an account.
    pub fn new(account: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            channel: Channel::Email,
            harm: |_| Harm::Passing,
            callback: None,
            gap: Duration::ZERO,
            sessions: 4,
            lease_seconds: 60,
            sent_copy: SentCopy::Hub,
            settle_after: Duration::from_mins(10),
            look_after: Duration::from_secs(5),
            poll: Duration::from_secs(2),
            read_first: false,
        }
    }
}

/// What every part of this room works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The store.
    pub store: Store,
    /// Business time and ids.
    pub clock: Clock,
    /// Who holds the leases: this process.
    pub run: RunId,
    /// Our side, for the last look at steps of sequences.
    pub desk: Desk,
    /// How far the accounts have handed over, kept beside the database.
    pub watermark: Watermark,
}
