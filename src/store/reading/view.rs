//! What programs outside see: the same JSON from the HTTP API and from the command line.
//!
//! Fields are only ever added. What is not known is `null`; a time is RFC 3339 UTC; an id says its sort.

use serde::Serialize;
use serde_json::Value;

use super::task::TaskView;
use crate::domain::ids::{AgentId, EventId, InfluencerId, MessageId, NoteId, ThreadId};
use crate::domain::mail::{Attachment, Mailbox};
use crate::domain::time::Micros;
use crate::domain::words::{
    AccountState, Awaiting, Channel, Direction, EventType, FileState, FolderRole, Kind, OutboxStatus, RecipientState,
    Role, SignInState, UnmatchedReason,
};
use crate::store::event::EventRow;
use crate::store::outreach::PauseRow;

/// A thread.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ThreadView {
    /// Its id.
    pub id: ThreadId,
    /// Whose it is.
    pub influencer_id: InfluencerId,
    /// What the team calls them.
    pub influencer_handle: String,
    /// How it travels.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// The subject of its first message.
    pub subject: String,
    /// Messages in it.
    pub message_count: i64,
    /// When the newest one was said.
    pub last_message_at: Micros,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
    /// The teammate who looks after it.
    pub assignee: Option<String>,
    /// Whether it waits for us with a message that nobody marked as read.
    pub unread: bool,
    /// Out of sight until this instant; a new message ends that.
    pub snoozed_until: Option<Micros>,
    /// Whether it is done with; a new message ends that.
    pub archived: bool,
    /// Grows with every change by hand; what `If-Match` compares.
    pub version: i64,
}

/// How a message stands: `received`, or a state of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageStatus {
    /// It came in.
    Received,
    /// It goes or went out.
    Outbox(OutboxStatus),
}

impl MessageStatus {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        use crate::domain::words::Word as _;
        match self {
            Self::Received => "received",
            Self::Outbox(status) => status.as_str(),
        }
    }
}

impl Serialize for MessageStatus {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl schemars::JsonSchema for MessageStatus {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MessageStatus".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        use crate::domain::words::Word as _;
        let outbox = OutboxStatus::ALL.iter().map(|status| status.as_str());
        let words: Vec<&str> = std::iter::once(Self::Received.as_str()).chain(outbox).collect();
        schemars::json_schema!({ "type": "string", "enum": words })
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// The thread of the author, or else of the first recipient; `null` while nobody known takes part.
    pub thread_id: Option<ThreadId>,
    /// The author, or else the first recipient.
    pub influencer_id: Option<InfluencerId>,
    /// Everybody on whose timeline it shows.
    pub participants: Vec<ParticipantView>,
    /// How it travels.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// They or we.
    pub direction: Direction,
    /// Its sort.
    pub kind: Kind,
    /// How it stands.
    pub status: MessageStatus,
    /// Why it waits, where it is held.
    pub held_reason: Option<String>,
    /// What the server said last, or what a person decided.
    pub detail: Option<String>,
    /// The author.
    pub from: Mailbox,
    /// To whom.
    pub to: Vec<Mailbox>,
    /// With a copy to.
    pub cc: Vec<Mailbox>,
    /// With a hidden copy to; known of our own messages only.
    pub bcc: Vec<Mailbox>,
    /// How its sending stands per recipient; empty where it did not go through the outbox.
    pub recipients: Vec<RecipientView>,
    /// The subject.
    pub subject: String,
    /// The text; in lists cut to the limit [`super::message::LIST_TEXT_MAX`].
    pub text: String,
    /// Whether [`Self::text`] was cut.
    pub text_cut: bool,
    /// The text without quotes and signature.
    pub reply_text: String,
    /// Whether it has an HTML part.
    pub has_html: bool,
    /// Its place in time.
    pub at: Micros,
    /// When it is due, while it has not left.
    pub due_at: Option<Micros>,
    /// Its Message-ID, without brackets.
    pub internet_message_id: Option<String>,
    /// The sequence that sent it.
    pub sequence: Option<String>,
    /// The step of that sequence.
    pub step: Option<String>,
    /// Its attachments; the place in this list is the number to fetch one by.
    pub attachments: Vec<AttachmentView>,
    /// What was wrong with it, in words for a person.
    pub flaws: Vec<String>,
    /// Where it was seen.
    pub deliveries: Vec<DeliveryView>,
    /// Octets, as the provider holds it.
    pub size: i64,
    /// Whether it was there before the account was connected.
    pub backfilled: bool,
    /// What it said before its author changed it or took it back, the oldest first; only where it is asked for alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<RevisionView>,
}

/// A file beside a message, and how its content stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AttachmentView {
    /// What is known of it. Its octets may be none until it is here: not every provider tells them.
    #[serde(flatten)]
    pub about: Attachment,
    /// Whether its content is here.
    pub state: FileState,
    /// Why it is not, as far as that is known.
    pub reason: Option<String>,
    /// Where the API has its content, once it is here.
    pub path: Option<String>,
}

/// What a message said until it was changed or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RevisionView {
    /// Until when.
    pub until: Micros,
    /// What it said.
    pub text: String,
    /// Whether it was taken back then; else it was changed.
    pub deleted: bool,
}

/// Someone on whose timeline a message shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ParticipantView {
    /// Who.
    pub influencer_id: InfluencerId,
    /// In which thread of theirs.
    pub thread_id: ThreadId,
    /// As what.
    pub role: Role,
    /// The agent who wrote or got it for them.
    pub agent_id: Option<AgentId>,
    /// `false` where a person may want to look whether it is theirs.
    pub assigned: bool,
}

/// A place where a message was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DeliveryView {
    /// Our account.
    pub account: String,
    /// The folder.
    pub folder: String,
    /// What that folder is for.
    pub role: FolderRole,
    /// The folder's UIDVALIDITY.
    pub uid_validity: i64,
    /// The uid.
    pub uid: i64,
    /// When it was first seen there.
    pub seen_at: Micros,
}

/// How the sending to one recipient stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RecipientView {
    /// The address.
    pub address: String,
    /// The name.
    pub name: String,
    /// How it stands.
    pub state: RecipientState,
    /// The server's reply code.
    pub code: Option<i64>,
    /// What the server said.
    pub detail: Option<String>,
}

/// A message that waits for a person to say whose it is. Its id is the message's.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow, schemars::JsonSchema)]
pub struct UnmatchedView {
    /// The message.
    pub id: MessageId,
    /// Why it waits.
    pub reason: UnmatchedReason,
    /// Who wrote it.
    pub address: String,
    /// The name they use.
    pub name: String,
    /// Whose it may be.
    pub influencer_id: Option<InfluencerId>,
    /// The agent who wrote it.
    pub agent_id: Option<AgentId>,
    /// When it was said.
    pub at: Micros,
    /// How it travels.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// Its sort.
    pub kind: Kind,
    /// Its subject.
    pub subject: String,
    /// The beginning of its text.
    pub excerpt: String,
}

/// One outbox row. Its id is the message's.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct OutboxView {
    /// The message.
    pub id: MessageId,
    /// Our account.
    pub account: String,
    /// How it stands.
    pub status: OutboxStatus,
    /// When it is to leave next.
    pub due_at: Micros,
    /// Times it was tried.
    pub attempts: i64,
    /// When it was tried first.
    pub first_try_at: Option<Micros>,
    /// When its content was handed to the server.
    pub handed_over_at: Option<Micros>,
    /// When its outcome was known.
    pub finished_at: Option<Micros>,
    /// What the server said last, or what a person decided.
    pub detail: Option<String>,
    /// Why it waits, where it is held.
    pub held_reason: Option<String>,
    /// The subject.
    pub subject: String,
    /// How each recipient stands.
    pub recipients: Vec<RecipientView>,
    /// When it was queued.
    pub created_at: Micros,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// Its place in the stream; `null` for the moment until it has one.
    pub seq: Option<i64>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When.
    pub at: Micros,
    /// To whom.
    pub influencer_id: Option<InfluencerId>,
    /// The stage they were in.
    pub stage: Option<String>,
    /// In which message.
    pub message_id: Option<MessageId>,
    /// In which run of a sequence.
    pub enrollment_id: Option<String>,
    /// What else there is to say.
    pub data: Option<Value>,
}

impl From<EventRow> for EventView {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            seq: row.seq,
            kind: row.kind,
            at: row.at,
            influencer_id: row.influencer_id,
            stage: row.stage,
            message_id: row.message_id,
            enrollment_id: row.enrollment_id.map(|id| id.to_string()),
            data: row.data.map(|json| json.0),
        }
    }
}

/// What a teammate wrote down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, schemars::JsonSchema)]
pub struct NoteView {
    /// Its id.
    pub id: NoteId,
    /// About whom.
    pub influencer_id: InfluencerId,
    /// Who wrote it.
    pub author: String,
    /// What they wrote.
    pub text: String,
    /// When.
    pub at: Micros,
}

/// One entry of a timeline: `at`, `type`, and the thing itself under the name of its type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelineEntry {
    /// Its place in time.
    pub at: Micros,
    /// The thing.
    #[serde(flatten)]
    pub item: TimelineItem,
}

/// The thing in a timeline entry.
#[derive(Debug, Clone, PartialEq)]
pub enum TimelineItem {
    /// Something was said.
    Message(Box<MessageView>),
    /// Something happened.
    Event(EventView),
    /// Someone wrote something down.
    Note(NoteView),
    /// Someone is to do something, or was.
    Task(Box<TaskView>),
}

impl Serialize for TimelineItem {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = s.serialize_map(Some(2))?;
        match self {
            Self::Message(message) => {
                map.serialize_entry("type", "message")?;
                map.serialize_entry("message", message)?;
            }
            Self::Event(event) => {
                map.serialize_entry("type", "event")?;
                map.serialize_entry("event", event)?;
            }
            Self::Note(note) => {
                map.serialize_entry("type", "note")?;
                map.serialize_entry("note", note)?;
            }
            Self::Task(task) => {
                map.serialize_entry("type", "task")?;
                map.serialize_entry("task", task)?;
            }
        }
        map.end()
    }
}

impl schemars::JsonSchema for TimelineEntry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimelineEntry".into()
    }

    fn json_schema(schemas: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let at = schemas.subschema_for::<Micros>();
        let shapes = [
            ("message", schemas.subschema_for::<MessageView>()),
            ("event", schemas.subschema_for::<EventView>()),
            ("note", schemas.subschema_for::<NoteView>()),
            ("task", schemas.subschema_for::<TaskView>()),
        ];
        let entry = |(kind, thing): (&str, schemars::Schema)| {
            serde_json::json!({
                "type": "object",
                "properties": { "at": at, "type": { "type": "string", "const": kind }, kind: thing },
                "required": ["at", "type", kind],
            })
        };
        let entries: Vec<Value> = shapes.into_iter().map(entry).collect();
        schemars::json_schema!({ "oneOf": entries })
    }
}

/// A message that was found by its words.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SearchHit {
    /// The part of its text around the first word that was found; plain text without marks.
    pub excerpt: String,
    /// The same and more with the words marked.
    pub highlights: MessageHighlights,
    /// The message.
    pub message: MessageView,
}

/// HTML that is safe to show: all of the message is escaped, and `<mark>` around the words that were found is the only tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct MessageHighlights {
    /// Its subject.
    pub subject: String,
    /// Its author: name and address.
    pub from: String,
    /// The excerpt.
    pub excerpt: String,
}

/// One account of ours.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct AccountView {
    /// Its name in the configuration; it has no other id.
    pub id: String,
    /// Its kind there.
    pub kind: String,
    /// Its address.
    pub address: String,
    /// How it is.
    pub state: AccountState,
    /// Why, where there is something to say.
    pub detail: Option<String>,
    /// Since when.
    pub changed_at: Micros,
    /// Why nothing of a sequence leaves from it, where that is so: mail that people write does.
    pub pauses: Vec<PauseView>,
    /// When all its folders were last read to the end.
    pub last_sync_at: Option<Micros>,
    /// Its sign-in, where it signs in with OAuth and somebody has done so.
    pub sign_in: Option<SignInView>,
    /// Its folders.
    pub folders: Vec<FolderView>,
}

/// Something that is paused by hand, or because too much came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PauseView {
    /// What stands still.
    pub of: PausedWhat,
    /// The account or the sequence.
    pub name: Option<String>,
    /// Since when.
    pub since: Micros,
    /// Why.
    pub reason: String,
}

/// What stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PausedWhat {
    /// All sequences.
    All,
    /// What an account sends for sequences.
    Account,
    /// A sequence.
    Sequence,
}

impl From<PauseRow> for PauseView {
    fn from(row: PauseRow) -> Self {
        let name = row.scope.strip_prefix("account:").map(str::to_owned);
        let of = if name.is_some() { PausedWhat::Account } else { PausedWhat::All };
        Self { of, name, since: row.at, reason: row.reason }
    }
}

impl PauseView {
    /// `everything is paused since …: why`
    pub fn words(&self, since: &str) -> String {
        let what = match (self.of, &self.name) {
            (PausedWhat::Account, Some(name)) => format!("the account {name}"),
            (PausedWhat::Sequence, _) => "the sequence".to_owned(),
            (PausedWhat::All | PausedWhat::Account, _) => "everything".to_owned(),
        };
        format!("{what} is paused since {since}: {}", self.reason)
    }
}

/// The sign-in of an account, without anything that signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct SignInView {
    /// How it is.
    pub state: SignInState,
    /// When somebody signed in.
    pub signed_in_at: Micros,
    /// When the access token was last renewed.
    pub renewed_at: Micros,
    /// Until when it holds.
    pub expires_at: Micros,
    /// Since when the provider does not take the sign-in any more.
    pub refused_at: Option<Micros>,
    /// In its words.
    pub refused_why: Option<String>,
}

/// One folder of an account, with the last counted comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FolderView {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: FolderRole,
    /// Messages at the server, from the backfill on.
    pub server: Option<i64>,
    /// Of those, stored or left out for a stated reason.
    pub stored: Option<i64>,
    /// Of those, not seen yet.
    pub missing: Option<i64>,
    /// When that was counted.
    pub counted_at: Option<Micros>,
    /// When it was last read to the end.
    pub last_sync_at: Option<Micros>,
}
