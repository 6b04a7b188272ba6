//! What the API asks others to do: the boundary between requests and the rooms that act on them.
//!
//! The composition root implements [`Actions`] over the hub; each call is one transaction there. Orders are what a
//! request says, not yet checked against the store.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use super::filter::FilterOrder;
use crate::config::Relay;
use crate::domain::ids::{AgentId, EnrollmentId, InfluencerId, MessageId, NoteId, ThreadId};
use crate::domain::mail::Mailbox;
use crate::domain::time::Micros;
use crate::domain::webhook::guard::Reach;
use crate::domain::words::{Channel, Direction, Meaning};
use crate::hub::import::ImportReport;
use crate::hub::outreach::steer::Act;
use crate::hub::people::erase::Erased;
use crate::hub::seal::{SealError, Vault};
use crate::hub::touch::Touched;
use crate::sequence::{Apply, Report, Tested, preview};
use crate::store::StoreError;
use crate::store::reading::message::PackedMail;

/// Why something was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// There is no such thing: what sort, and which.
    #[error("there is no {sort} `{given}`")]
    NotFound {
        /// `influencer`, `thread`, …
        sort: &'static str,
        /// As it was given.
        given: String,
    },
    /// Fields that can't be taken: JSON pointers, and what is wrong with each.
    #[error("{}", .0.iter().map(|(at, what)| format!("{at}: {what}")).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<(String, String)>),
    /// Things are in a state in which this can't be done.
    #[error("{detail}")]
    Conflict {
        /// A stable word for programs: `handle_taken`, `not_queued`, `changed_meanwhile`, …
        code: &'static str,
        /// For people: what is in the way and what to do.
        detail: String,
    },
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Octets that are read as they are sent. An error breaks the answer off.
pub type Pieces = BoxStream<'static, std::io::Result<Vec<u8>>>;

/// What an action gives.
pub type Done<'a, T> = BoxFuture<'a, Result<T, ActionError>>;

/// A message that is to leave.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendOrder {
    /// How it travels; as what it answers did, as the one address in `to` says, or else by email, where it is not said.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// Our account; the one of what it answers, the one they know, or the only one, where it is not said.
    #[serde(default)]
    pub account: Option<String>,
    /// To the primary address of this influencer, where `to` is empty.
    #[serde(default)]
    pub influencer_id: Option<InfluencerId>,
    /// To whom. Where it is empty in a reply: to those who are in the message that is answered.
    #[serde(default)]
    pub to: Vec<Mailbox>,
    /// With a copy to.
    #[serde(default)]
    pub cc: Vec<Mailbox>,
    /// The subject; a reply has its thread's where it is not said.
    #[serde(default)]
    pub subject: Option<String>,
    /// The text.
    pub text: String,
    /// The same as HTML.
    #[serde(default)]
    pub html: Option<String>,
    /// Files that go along.
    #[serde(default)]
    pub attachments: Vec<AttachmentOrder>,
    /// Not before this instant.
    #[serde(default)]
    pub send_at: Option<Micros>,
    /// Of a `manual` message: they said it (`inbound`, where it is not said) or we.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// Of a `manual` message: where it was said, as in `Instagram`.
    #[serde(default)]
    pub place: Option<String>,
    /// Of a `manual` message: when it was said; now where it is not said.
    #[serde(default)]
    pub said_at: Option<Micros>,
    /// Of a `manual` message of theirs: what it means for going on. Judged by its words where it is not said.
    #[serde(default)]
    pub meaning: Option<Meaning>,
    /// The message it answers.
    #[serde(default)]
    pub reply_to_message_id: Option<MessageId>,
    /// The thread it answers; set by the path of a reply.
    #[serde(skip)]
    pub reply_to_thread_id: Option<ThreadId>,
}

impl SendOrder {
    /// Refuses what only a `manual` message has.
    pub(super) fn check_mail(&self) -> Result<(), ActionError> {
        if self.channel == Some(Channel::Manual) {
            return Err(only("/channel", "a manual message answers no thread: POST /v1/messages takes it"));
        }
        let given = [
            ("/direction", self.direction.is_some()),
            ("/place", self.place.is_some()),
            ("/said_at", self.said_at.is_some()),
            ("/meaning", self.meaning.is_some()),
        ];
        refuse(&given, "only a message with \"channel\": \"manual\" has this")
    }

    /// Refuses what only a mail has.
    pub(crate) fn check_words(&self) -> Result<(), ActionError> {
        let given = [
            ("/cc", !self.cc.is_empty()),
            ("/subject", self.subject.is_some()),
            ("/html", self.html.is_some()),
            ("/attachments", !self.attachments.is_empty()),
            ("/to", self.to.len() > 1),
        ];
        refuse(&given, "only a mail has this: on this channel plain words go to one person")
    }

    /// As a touch; refuses what only a message that leaves has.
    pub(super) fn touched(self, by: String) -> Result<Touched, ActionError> {
        let given = [
            ("/account", self.account.is_some()),
            ("/to", !self.to.is_empty()),
            ("/cc", !self.cc.is_empty()),
            ("/subject", self.subject.is_some()),
            ("/html", self.html.is_some()),
            ("/attachments", !self.attachments.is_empty()),
            ("/send_at", self.send_at.is_some()),
            ("/reply_to_message_id", self.reply_to_message_id.is_some()),
        ];
        refuse(&given, "a manual message has none: it leaves nowhere")?;
        let Some(influencer) = self.influencer_id else {
            return Err(only("/influencer_id", "say with whom it was"));
        };
        Ok(Touched {
            influencer,
            direction: self.direction.unwrap_or(Direction::Inbound),
            place: self.place.unwrap_or_default(),
            text: self.text,
            at: self.said_at,
            meaning: self.meaning,
            by,
        })
    }
}

fn only(at: &str, what: &str) -> ActionError {
    ActionError::Invalid(vec![(at.to_owned(), what.to_owned())])
}

fn refuse(given: &[(&str, bool)], what: &str) -> Result<(), ActionError> {
    let flaws: Vec<(String, String)> =
        given.iter().filter(|(_, given)| *given).map(|(at, _)| ((*at).to_owned(), what.to_owned())).collect();
    if flaws.is_empty() { Ok(()) } else { Err(ActionError::Invalid(flaws)) }
}

/// A file that goes along with a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentOrder {
    /// The file name.
    pub name: String,
    /// The media type; found from the name where it is not said.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The content, in base64 (RFC 4648 §4).
    #[serde(rename = "content_base64", deserialize_with = "super::body::base64")]
    #[schemars(with = "String", extend("contentEncoding" = "base64"))]
    pub content: Vec<u8>,
}

/// Whose a waiting message is: exactly one of these.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchOrder {
    /// An influencer's; the address becomes theirs.
    #[serde(default)]
    pub influencer_id: Option<InfluencerId>,
    /// An agent's; the address becomes theirs.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// A new influencer's.
    #[serde(default)]
    pub create: Option<InfluencerOrder>,
    /// Of an agent's message: the influencers it is about.
    #[serde(default)]
    pub about: Vec<InfluencerId>,
}

/// What a person says of an uncertain message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It was sent.
    Sent,
    /// Send it again, with the same Message-ID.
    SendAgain,
    /// Leave it.
    Drop,
}

/// Who a file lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportSort {
    /// An influencer in each row.
    #[default]
    Influencers,
    /// An agent in each row.
    Agents,
}

/// People to be imported.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportOrder {
    /// Who the file lists; influencers where it is not said.
    #[serde(default)]
    pub sort: ImportSort,
    /// The file: CSV with the names of the columns in its first line.
    pub csv: String,
    /// What the file is called, for the evidence of consents.
    #[serde(default)]
    pub source: Option<String>,
    /// Columns that are called otherwise: `{"E-Mail": "email"}`.
    #[serde(default)]
    pub mapping: BTreeMap<String, String>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// Someone new.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InfluencerOrder {
    /// What the team calls them.
    pub handle: String,
    /// First name.
    #[serde(default)]
    pub first_name: String,
    /// Last name.
    #[serde(default)]
    pub last_name: String,
    /// Their email addresses, the primary one first.
    #[serde(default)]
    pub emails: Vec<String>,
    /// Their phone numbers, the primary one first; without a country's code they are of `phone_region`.
    #[serde(default)]
    pub phones: Vec<String>,
    /// The users they are in Slack workspaces (`TEAM/USER`), the primary one first.
    #[serde(default)]
    pub slack: Vec<String>,
    /// Their IANA zone.
    #[serde(default)]
    pub timezone: Option<String>,
    /// The teammate who looks after them.
    #[serde(default)]
    pub owner: Option<String>,
    /// A declared stage; the start stage where it is not said.
    #[serde(default)]
    pub stage: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Networks they are on.
    #[serde(default)]
    pub networks: Vec<NetworkOrder>,
    /// Custom properties.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// A network someone is on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkOrder {
    /// Its name.
    pub network: String,
    /// Their handle there.
    pub handle: String,
    /// How many follow them.
    #[serde(default)]
    pub followers: Option<i64>,
}

/// What is to change of an influencer; what is left out stays.
#[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
#[derive(Debug, Clone, PartialEq, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InfluencerChangeOrder {
    /// Another handle.
    pub handle: Option<String>,
    /// Another first name.
    pub first_name: Option<String>,
    /// Another last name.
    pub last_name: Option<String>,
    /// Another teammate; `null` takes the present one away.
    #[serde(deserialize_with = "super::body::said")]
    pub owner: Option<Option<String>>,
    /// Another zone; `null` takes the present one away.
    #[serde(deserialize_with = "super::body::said")]
    pub timezone: Option<Option<String>>,
    /// Properties to set; a property set to `null` is taken away.
    pub properties: Map<String, Value>,
    /// All tags from now on.
    pub tags: Option<Vec<String>>,
    /// Networks to add or bring up to date.
    pub networks: Vec<NetworkOrder>,
    /// Addresses to add.
    pub add_emails: Vec<String>,
    /// Users of Slack workspaces (`TEAM/USER`) to add.
    pub add_slack: Vec<String>,
    /// Phone numbers to add.
    pub add_phones: Vec<String>,
    /// Which of their addresses is written to first.
    pub primary_email: Option<String>,
    /// Which of their numbers is written to first.
    pub primary_phone: Option<String>,
    /// The version that was seen (`If-Match`): refused where it is another by now.
    #[serde(skip)]
    pub version: Option<i64>,
}

/// Who is to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EraseOrder {
    /// Who.
    pub id: InfluencerId,
    /// Only tell how much would go.
    pub dry_run: bool,
    /// The version that was seen (`If-Match`): refused where it is another by now.
    pub version: Option<i64>,
}

/// A move to another stage by hand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageOrder {
    /// The declared stage.
    pub stage: String,
    /// Whether automation leaves the stage alone from now on.
    #[serde(default)]
    pub pinned: bool,
    /// The version that was seen (`If-Match`): refused where it is another by now.
    #[serde(skip)]
    pub version: Option<i64>,
}

/// Someone who writes for influencers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentOrder {
    /// First name.
    #[serde(default)]
    pub first_name: String,
    /// Last name.
    #[serde(default)]
    pub last_name: String,
    /// Their email addresses, the primary one first.
    #[serde(default)]
    pub emails: Vec<String>,
    /// For whom they write.
    #[serde(default)]
    pub influencers: Vec<InfluencerId>,
}

/// What is to change of an agent; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AgentChangeOrder {
    /// Another first name.
    pub first_name: Option<String>,
    /// Another last name.
    pub last_name: Option<String>,
    /// Addresses to add.
    pub add_emails: Vec<String>,
    /// For whom they write from now on, too.
    pub add_influencers: Vec<InfluencerId>,
    /// For whom they no longer write.
    pub remove_influencers: Vec<InfluencerId>,
    /// The version that was seen (`If-Match`): refused where it is another by now.
    #[serde(skip)]
    pub version: Option<i64>,
}

/// What people do with a thread; what is left out stays.
#[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ThreadOrder {
    /// The teammate who looks after it; `null` takes the present one away.
    #[serde(deserialize_with = "super::body::said")]
    pub assignee: Option<Option<String>>,
    /// Whether everything in it was read.
    pub read: Option<bool>,
    /// Out of sight until this instant, or until the next message; `null` brings it back.
    #[serde(deserialize_with = "super::body::said")]
    pub snoozed_until: Option<Option<Micros>>,
    /// Done with, until the next message.
    pub archived: Option<bool>,
    /// Whose it is: it moves to their timeline, and what is said in this conversation from now on follows it.
    pub influencer: Option<InfluencerId>,
    /// The version that was seen (`If-Match`): refused where it is another by now.
    #[serde(skip)]
    pub version: Option<i64>,
}

/// One of our own people, as the configuration declares them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Teammate {
    /// The id there.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Their first address; may be empty.
    pub email: String,
}

/// Something done with sequences and their runs.
#[derive(Debug, Clone, PartialEq)]
pub enum SteerOrder {
    /// Begin runs.
    Enroll(String, EnrollOrder),
    /// Send nothing of these, with a reason.
    Pause(PauseTarget, Option<String>),
    /// Let these go on.
    Resume(PauseTarget),
    /// Do something with a run.
    Run(EnrollmentId, Act),
    /// Let a message go that waits for a person.
    Approve(MessageId),
    /// Say what is wrong with the files of a sequence of this id.
    Check(String, FilesOrder),
    /// Sign in to an account to read and to send, and say how each step went.
    TestAccount(String),
    /// End a sequence and its live runs.
    Remove(String),
    /// Show what somebody would get of a sequence.
    Preview(String, PreviewOrder),
    /// Send such a message once, to somebody of ours.
    SendPreview(String, SendPreviewOrder),
    /// Say what the files of a sequence would change.
    Diff(String),
    /// Move the live runs of a sequence to the version in force, or only tell.
    Migrate(String, Apply),
}

/// What is to be shown of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewOrder {
    /// For whom: an id, a handle or a mail address.
    #[serde(rename = "as")]
    pub who: String,
    /// Only this step.
    #[serde(default)]
    pub step: Option<String>,
    /// Another of the variants of an email than the one they would get, from 1.
    #[serde(default)]
    pub variant: Option<usize>,
    /// Which text: that of the `files` as they are now, where it is not said; that `in_force`; or the one their live run is
    /// `pinned` to.
    #[serde(default)]
    pub of: preview::Of,
}

/// Which message of a sequence is sent once, really, and to whom of ours. Nothing of it is counted, it belongs to no run, and its
/// link to unsubscribe does nothing, which the mail says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendPreviewOrder {
    /// As whom: an id, a handle or a mail address.
    #[serde(rename = "as")]
    pub who: String,
    /// To this address of ours, or to `me`, the account it goes out from.
    pub to: String,
    /// This step; it may be left out where only one sends.
    #[serde(default)]
    pub step: Option<String>,
    /// Another of the variants of an email than the one they would get, from 1.
    #[serde(default)]
    pub variant: Option<usize>,
    /// Which text, as in a preview.
    #[serde(default)]
    pub of: preview::Of,
}

/// A preview that waits in the outbox to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct SentPreview {
    /// The message.
    pub message_id: MessageId,
    /// From which account.
    pub account: String,
    /// To whom.
    pub to: Vec<String>,
    /// Not before this instant.
    pub due_at: Micros,
}

/// The files of a sequence, by their names.
pub type FilesOrder = BTreeMap<String, FileOrder>;

/// A file of a sequence: its text, or the octets of one that is no text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a text, or {\"content_base64\": …} with base64 (RFC 4648 §4) for a file that is no text"
)]
pub enum FileOrder {
    /// What is in it.
    Text(String),
    /// The same in base64.
    Octets(OctetsOrder),
}

/// The octets of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OctetsOrder {
    /// In base64 (RFC 4648 §4).
    #[serde(rename = "content_base64", deserialize_with = "super::body::base64")]
    #[schemars(with = "String", extend("contentEncoding" = "base64"))]
    pub content: Vec<u8>,
}

impl FileOrder {
    /// What is in it.
    pub fn content(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Octets(octets) => octets.content,
        }
    }
}

/// What is paused or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseTarget {
    /// A sequence.
    Sequence(String),
    /// What an account sends for sequences.
    Account(String),
    /// All sequences.
    All,
}

/// Who is to be enrolled: exactly one of `influencers` and `filter`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnrollOrder {
    /// Ids, handles or mail addresses.
    pub influencers: Option<Vec<String>>,
    /// All whom this finds.
    pub filter: Option<Box<FilterOrder>>,
    /// How many runs begin at most.
    pub limit: Option<u32>,
    /// Only tell.
    pub dry_run: bool,
    /// Also those who had this sequence before.
    pub again: bool,
}

/// A file out of a message.
pub struct AttachmentContent {
    /// The file name the sender gave; may be empty.
    pub name: String,
    /// The media type the sender gave.
    pub content_type: String,
    /// Octets of the content.
    pub size: u64,
    /// The content, decoded as it is read.
    pub content: Box<dyn std::io::Read + Send>,
}

/// How a simulation is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulationFormat {
    /// All of it.
    #[default]
    Json,
    /// Every line of it as comma-separated values.
    Csv,
}

/// What is to be simulated.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimulateOrder {
    /// Who is enrolled. Without `influencer_ids`, `influencers` and `filter`, those who are in it are looked at.
    pub influencer_ids: Vec<InfluencerId>,
    /// Who is enrolled, by ids, handles or mail addresses.
    pub influencers: Option<Vec<String>>,
    /// All whom this finds are enrolled.
    pub filter: Option<Box<FilterOrder>>,
    /// The files of the sequence as it shall be, in place of what is published: it need not be there yet.
    pub files: Option<FilesOrder>,
    /// How it is told; as JSON where it is not said.
    pub format: SimulationFormat,
    /// When; now where it is not said.
    pub from: Option<Micros>,
    /// How many days are looked at; 90 where it is not said.
    pub days: Option<u32>,
    /// What shall happen, as on the command line: `+1d click intro`.
    pub events: Vec<String>,
    /// Whether those who had the sequence before may have it again.
    pub again: bool,
    /// How long people take to do tasks; they are left undone where it is not said.
    pub tasks_after_minutes: Option<u32>,
}

/// About what it is asked why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Somebody.
    Influencer(InfluencerId),
    /// A run.
    Enrollment(EnrollmentId),
    /// A message of ours.
    Message(MessageId),
}

/// Everything the API can change, and reading that needs more than the store. `by` says who asked, for the record:
/// `token NAME`.
pub trait Actions: Send + Sync {
    /// Puts a message into the outbox.
    fn send(&self, order: SendOrder, by: String) -> Done<'_, MessageId>;
    /// Writes down what was said elsewhere.
    fn touch(&self, touched: Touched) -> Done<'_, MessageId>;
    /// Takes a queued message back.
    fn cancel(&self, id: MessageId, by: String) -> Done<'_, ()>;
    /// Settles an uncertain message.
    fn settle(&self, id: MessageId, settlement: Settlement, by: String) -> Done<'_, ()>;
    /// Says whose a waiting message is, and re-threads its writer's history.
    fn match_unmatched(&self, id: MessageId, order: MatchOrder, by: String) -> Done<'_, ()>;
    /// Adds an influencer.
    fn create_influencer(&self, order: InfluencerOrder, by: String) -> Done<'_, InfluencerId>;
    /// Changes an influencer.
    fn update_influencer(&self, id: InfluencerId, order: InfluencerChangeOrder, by: String) -> Done<'_, ()>;
    /// Moves an influencer to another stage.
    fn move_stage(&self, id: InfluencerId, order: StageOrder, by: String) -> Done<'_, ()>;
    /// Joins the record `from` into another; what moved.
    fn merge(&self, keep: InfluencerId, from: InfluencerId, by: String) -> Done<'_, Value>;
    /// Takes that back, by the record that went or the one that was kept; what went back.
    fn unmerge(&self, id: InfluencerId, by: String) -> Done<'_, Value>;
    /// Erases somebody, or only tells how much would go.
    fn erase(&self, order: EraseOrder, by: String) -> Done<'_, Erased>;
    /// Takes an address away from an influencer, where they are still in the version that was seen.
    fn remove_address(&self, id: InfluencerId, address: String, seen: Option<i64>, by: String) -> Done<'_, ()>;
    /// Everything that is kept about somebody, as a ZIP archive.
    fn export(&self, id: InfluencerId) -> Done<'_, Pieces>;
    /// Imports influencers or agents.
    fn import(&self, order: ImportOrder, by: String) -> Done<'_, ImportReport>;
    /// Writes a note on a timeline.
    fn add_note(&self, id: InfluencerId, text: String, by: String) -> Done<'_, NoteId>;
    /// Adds an agent.
    fn create_agent(&self, order: AgentOrder, by: String) -> Done<'_, AgentId>;
    /// Changes an agent.
    fn update_agent(&self, id: AgentId, order: AgentChangeOrder, by: String) -> Done<'_, ()>;
    /// Takes an agent away, where they are still in the version that was seen.
    fn remove_agent(&self, id: AgentId, version: Option<i64>, by: String) -> Done<'_, ()>;
    /// Changes how a thread stands on the desk.
    fn update_thread(&self, id: ThreadId, order: ThreadOrder, by: String) -> Done<'_, ()>;
    /// What seals and opens secrets of webhooks.
    fn vault(&self) -> Result<Vault, SealError> {
        Err(SealError::NoKey)
    }
    /// Where webhooks may lead.
    fn reach(&self) -> Reach {
        Reach::default()
    }
    /// Our own people, by id.
    fn teammates(&self) -> Vec<Teammate>;
    /// Where the team hears of what influencers write.
    fn relays(&self) -> BTreeMap<String, Relay>;
    /// Lets a copied database send; whether it was held.
    fn release(&self, by: String) -> Done<'_, bool>;
    /// Steers sequences and their runs; what there is to tell of it.
    fn steer(&self, order: SteerOrder, by: String) -> Done<'_, Value>;
    /// Runs a simulation of a sequence; nothing is changed.
    fn simulate(&self, sequence: String, order: SimulateOrder) -> Done<'_, Report>;
    /// Runs the tests beside a sequence: those of these files, or of its folder.
    fn test(&self, sequence: String, files: Option<FilesOrder>) -> Done<'_, Tested>;
    /// Says why something is, or is not, planned.
    fn why(&self, about: About) -> Done<'_, Value>;
    /// The `n`th attachment of a raw mail, counted as in its list of attachments; `None` where there is none.
    fn open_attachment(&self, mail: PackedMail, n: usize) -> Done<'_, Option<AttachmentContent>>;
    /// The HTML of a raw mail, made safe to show; `None` where it has none.
    fn open_html(&self, raw: Vec<u8>) -> Done<'_, Option<String>>;
}
