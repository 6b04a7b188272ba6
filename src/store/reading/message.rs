//! Messages as they are read: one, or those of a list of ids, with who takes part, where they were seen and how their
//! sending stands; and messages found by their words.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use sqlx::types::Json;
use uuid::Uuid;

use super::view::{
    AttachmentView, DeliveryView, MessageHighlights, MessageStatus, MessageView, ParticipantView, RecipientView,
    RevisionView, SearchHit,
};
use super::{Order, Page, Place, Slice};
use crate::domain::address;
use crate::domain::highlight::Sought;
use crate::domain::ids::{AgentId, InfluencerId, MessageId, ThreadId};
use crate::domain::mail::{Attachment, Mailbox};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, FileState, FolderRole, Kind, OutboxStatus, RecipientState, Role};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Messages, the newest of a search, whose words are looked at one by one before the index of words is asked.
const NEWEST: i64 = 2_000;

/// Characters of a message's text in a list. One message read by its id comes whole.
pub const LIST_TEXT_MAX: i64 = 20_000;
/// Characters of a message's text that is read by its id; more than is ever stored.
const WHOLE_TEXT: i64 = 16 * 1024 * 1024;
/// Why a file is not here that nobody fetched.
const NOT_KEPT: &str = "it is not kept here";
/// Words of one search.
const SEARCH_WORDS_MAX: usize = 32;

/// A raw mail as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedMail {
    /// Its octets when it is unpacked.
    size: usize,
    data: Vec<u8>,
}

impl std::fmt::Debug for PackedMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedMail").field("size", &self.size).finish_non_exhaustive()
    }
}

impl PackedMail {
    /// Its octets when it is unpacked.
    pub fn size(&self) -> usize {
        self.size
    }

    /// All of it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is not what was stored.
    pub fn unpack(&self) -> Result<Vec<u8>, StoreError> {
        zstd::bulk::decompress(&self.data, self.size).map_err(|e| damaged(&e))
    }

    /// Unpacks it as it is read, a little at a time.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where there is no memory for it.
    pub fn into_reader(self) -> Result<impl Read + Send + 'static, StoreError> {
        let most = u64::try_from(self.size).unwrap_or(u64::MAX);
        Ok(zstd::Decoder::new(Cursor::new(self.data)).map_err(|e| damaged(&e))?.take(most))
    }
}

fn damaged(error: &std::io::Error) -> StoreError {
    StoreError::Damaged(format!("raw mail can't be unpacked: {error}"))
}

#[derive(sqlx::FromRow)]
#[allow(clippy::struct_excessive_bools, reason = "each is one column")]
struct MessageRow {
    id: MessageId,
    direction: Direction,
    kind: Kind,
    channel: Channel,
    account: String,
    internet_message_id: Option<String>,
    author_name: String,
    author_address: String,
    recipients: Json<Recipients>,
    subject: String,
    text: String,
    text_cut: bool,
    reply_text: Option<String>,
    attachments: Option<Json<Vec<Attachment>>>,
    flaws: Option<Json<Vec<String>>>,
    has_html: bool,
    has_raw: bool,
    size: i64,
    at: Micros,
    backfilled: bool,
    status: Option<OutboxStatus>,
    due_at: Option<Micros>,
    detail: Option<String>,
    held_reason: Option<String>,
    parts: Option<Json<Vec<PartRow>>>,
    deliveries: Option<Json<Vec<DeliveryRow>>>,
    states: Option<Json<Vec<StateRow>>>,
    files: Option<Json<Vec<FileRow>>>,
}

/// A message and where it stands in a list.
#[derive(sqlx::FromRow)]
struct PlacedRow {
    place_at: Micros,
    place_id: MessageId,
    #[sqlx(flatten)]
    message: MessageRow,
}

#[derive(Debug, Default, Clone, serde::Deserialize)]
#[serde(default)]
struct Recipients {
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
}

/// Who takes part, as an array: influencer, thread, role, agent, whether it is assigned. SQLite writes ids without hyphens.
#[derive(serde::Deserialize)]
struct PartRow(Uuid, Uuid, Role, Option<Uuid>, bool);

/// Where it was seen: account, folder, what that is for, number of the numbering, number, when.
#[derive(serde::Deserialize)]
struct DeliveryRow(String, String, FolderRole, i64, i64, i64);

/// How one recipient stands: address, name, state, code, detail.
#[derive(serde::Deserialize)]
struct StateRow(String, String, RecipientState, Option<i64>, Option<String>);

/// How a file beside it stands: its place, state, octets, and why it is not here.
#[derive(serde::Deserialize)]
struct FileRow(u64, FileState, Option<u64>, Option<String>);

#[derive(sqlx::FromRow)]
pub(super) struct RecipientRow {
    pub(super) outbox_id: MessageId,
    address: String,
    name: String,
    state: RecipientState,
    code: Option<i64>,
    detail: Option<String>,
}

impl From<RecipientRow> for RecipientView {
    fn from(r: RecipientRow) -> Self {
        Self { address: r.address, name: r.name, state: r.state, code: r.code, detail: r.detail }
    }
}

#[derive(sqlx::FromRow)]
struct OwnedAddress {
    value_key: String,
    influencer_id: Option<InfluencerId>,
    agent_id: Option<AgentId>,
}

impl Tx {
    /// One message, whole.
    pub async fn get_message_view(&mut self, id: MessageId) -> Result<Option<MessageView>, StoreError> {
        let Some(mut view) = self.message_views(vec![id], WHOLE_TEXT).await?.pop() else { return Ok(None) };
        // Elsewhere nobody can change what they said.
        if view.channel == Channel::Slack {
            let said = self.list_revisions(id).await?.into_iter();
            view.revisions = said.map(|(until, text, deleted)| RevisionView { until, text, deleted }).collect();
        }
        Ok(Some(view))
    }

    /// These messages in the order of the ids, texts cut to [`LIST_TEXT_MAX`]; ids of no message are left out.
    pub async fn list_message_views(&mut self, ids: Vec<MessageId>) -> Result<Vec<MessageView>, StoreError> {
        self.message_views(ids, LIST_TEXT_MAX).await
    }

    /// The raw mail of a message as it came, or as it went without pixel and counted links, so that looking at it counts
    /// nothing; `None` where there is no such message or it has none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the stored blob can't be read.
    pub async fn get_raw_mail(&mut self, id: MessageId) -> Result<Option<Vec<u8>>, StoreError> {
        self.get_packed_mail(id).await?.map(|packed| packed.unpack()).transpose()
    }

    /// The same, still packed.
    pub async fn get_packed_mail(&mut self, id: MessageId) -> Result<Option<PackedMail>, StoreError> {
        let row: Option<(i64, Vec<u8>)> = self.opt(&RAW_SIZED, values![id]).await?;
        let Some((size, data)) = row else { return Ok(None) };
        let size = usize::try_from(size).map_err(|e| StoreError::Damaged(e.to_string()))?;
        Ok(Some(PackedMail { size, data }))
    }

    /// How many octets the raw mail of a message has, without reading it; `None` where there is none.
    pub async fn raw_mail_size(&mut self, id: MessageId) -> Result<Option<u64>, StoreError> {
        let row: Option<(i64,)> = self.opt(&RAW_SIZE, values![id]).await?;
        Ok(row.map(|(size,)| u64::try_from(size).unwrap_or_default()))
    }

    /// Messages that contain all words of `query`, the one that was stored last first: their places are numbers, no times.
    pub async fn search_messages(&mut self, query: &str, page: Page) -> Result<Slice<SearchHit>, StoreError> {
        let words = search_words(query);
        if words.is_empty() {
            return Ok(Slice { data: Vec::new(), next: None });
        }
        let wanted = if self.is_sqlite() {
            words.iter().map(|w| format!("\"{}\"", w.replace('"', "\"\""))).collect::<Vec<_>>().join(" ")
        } else {
            words.join(" ")
        };
        let page = Page { order: Order::NewestFirst, ..page };
        let (below, fetch) = (page.from().at, page.fetch());
        let mut rows: Vec<PlacedRow> = Vec::new();
        if !self.is_sqlite() {
            // A frequent word is found at once among the newest, while the index would first gather all that have it.
            rows = self.all(&SEARCH_NEWEST, values![wanted.clone(), fetch, below, LIST_TEXT_MAX, NEWEST]).await?;
        }
        if rows.len() < usize::try_from(fetch).unwrap_or(usize::MAX) {
            rows = self.all(&SEARCH, values![wanted, fetch, below, LIST_TEXT_MAX]).await?;
        }
        let slice = self.page_of_messages(page, rows).await?;
        let sought = Sought::new(words.iter().map(String::as_str));
        let data = slice.data.into_iter().map(|message| hit(message, &sought)).collect();
        Ok(Slice { data, next: slice.next })
    }

    pub(super) async fn recipient_rows(&mut self, ids: Vec<MessageId>) -> Result<Vec<RecipientRow>, StoreError> {
        self.all(&RECIPIENTS_OF, values![ids]).await
    }

    async fn message_views(&mut self, ids: Vec<MessageId>, text_max: i64) -> Result<Vec<MessageView>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<MessageRow> = self.all(&MESSAGES_BY_ID, values![ids.clone(), text_max]).await?;
        let views = self.views_of(rows).await?.into_iter();
        let mut views: HashMap<MessageId, MessageView> = views.map(|view| (view.id, view)).collect();
        Ok(ids.into_iter().filter_map(|id| views.remove(&id)).collect())
    }

    /// A page of messages that were read, in whatever order, with one more than it holds.
    async fn page_of_messages(
        &mut self,
        page: Page,
        mut rows: Vec<PlacedRow>,
    ) -> Result<Slice<MessageView>, StoreError> {
        rows.sort_unstable_by_key(|row| (row.place_at, row.place_id));
        if page.order == Order::NewestFirst {
            rows.reverse();
        }
        let slice = page.cut(rows, |row| Place { at: row.place_at, id: row.place_id.0 });
        let next = slice.next;
        let data = self.views_of(slice.data.into_iter().map(|row| row.message).collect()).await?;
        Ok(Slice { data, next })
    }

    /// What was read of messages as it is shown, in the same order.
    async fn views_of(&mut self, rows: Vec<MessageRow>) -> Result<Vec<MessageView>, StoreError> {
        let owners = self.owners_where_needed(&rows).await?;
        Ok(rows.into_iter().map(|row| view(row, &owners)).collect())
    }

    /// Addresses of those who share a message without being its author: they tell who stands first in it.
    async fn owners_where_needed(&mut self, rows: &[MessageRow]) -> Result<Vec<OwnedAddress>, StoreError> {
        let (mut influencers, mut agents) = (Vec::new(), Vec::new());
        for parts in rows.iter().filter_map(|row| row.parts.as_ref()).filter(|parts| parts.len() > 1) {
            for part in parts.iter().filter(|part| part.2 != Role::Author) {
                influencers.push(InfluencerId(part.0));
                agents.extend(part.3.map(AgentId));
            }
        }
        let mut owners = Vec::new();
        if !influencers.is_empty() {
            owners = self.all::<OwnedAddress>(&ADDRESSES_OF_INFLUENCERS, values![influencers]).await?;
        }
        if !agents.is_empty() {
            owners.extend(self.all::<OwnedAddress>(&ADDRESSES_OF_AGENTS, values![agents]).await?);
        }
        Ok(owners)
    }
}

/// Each of the attachments with how its content stands. Mail's is in its raw mail.
fn attachments_of(
    (id, channel, has_raw): (MessageId, Channel, bool),
    attachments: Vec<Attachment>,
    mut files: Vec<FileRow>,
) -> Vec<AttachmentView> {
    let view = |(n, mut about): (u64, Attachment)| {
        let found = files.iter().position(|FileRow(position, ..)| *position == n).map(|at| files.swap_remove(at));
        let (state, reason) = match found {
            Some(FileRow(_, state, size, reason)) => {
                about.size = size.unwrap_or(about.size);
                (state, reason)
            }
            None if channel == Channel::Email && has_raw => (FileState::Kept, None),
            None => (FileState::Gone, Some(NOT_KEPT.to_owned())),
        };
        let path = (state == FileState::Kept).then(|| format!("/v1/messages/{id}/files/{n}"));
        AttachmentView { about, state, reason, path }
    };
    (0..).zip(attachments).map(view).collect()
}

fn view(row: MessageRow, owners: &[OwnedAddress]) -> MessageView {
    let status = match (row.direction, row.status) {
        (Direction::Inbound, _) => MessageStatus::Received,
        (Direction::Outbound, Some(status)) => MessageStatus::Outbox(status),
        // A teammate sent it from their own mail client.
        (Direction::Outbound, None) => MessageStatus::Outbox(OutboxStatus::Confirmed),
    };
    let waits = matches!(row.status, Some(OutboxStatus::Queued | OutboxStatus::Claimed | OutboxStatus::Deferred));
    let parts = row.parts.map(|json| json.0).unwrap_or_default();
    let attachments = row.attachments.map(|json| json.0).unwrap_or_default();
    let files = row.files.map(|json| json.0).unwrap_or_default();
    let attachments = attachments_of((row.id, row.channel, row.has_raw), attachments, files);
    let mut view = MessageView {
        id: row.id,
        thread_id: None,
        influencer_id: None,
        participants: Vec::new(),
        channel: row.channel,
        account: row.account,
        direction: row.direction,
        kind: row.kind,
        status,
        held_reason: row.held_reason,
        detail: row.detail,
        from: Mailbox { name: row.author_name, address: row.author_address },
        to: row.recipients.0.to,
        cc: row.recipients.0.cc,
        bcc: row.recipients.0.bcc,
        recipients: row.states.map(|json| json.0).unwrap_or_default().into_iter().map(RecipientView::from).collect(),
        subject: row.subject,
        reply_text: row.reply_text.unwrap_or_else(|| row.text.clone()),
        text: row.text,
        text_cut: row.text_cut,
        has_html: row.has_html,
        at: row.at,
        due_at: if waits { row.due_at } else { None },
        internet_message_id: row.internet_message_id,
        sequence: None,
        step: None,
        attachments,
        flaws: row.flaws.map(|json| json.0).unwrap_or_default(),
        deliveries: row.deliveries.map(|json| json.0).unwrap_or_default().into_iter().map(DeliveryView::from).collect(),
        size: row.size,
        backfilled: row.backfilled,
        revisions: Vec::new(),
    };
    view.participants = participants(&view, parts, owners);
    let first = view.participants.first().map(|p| (p.thread_id, p.influencer_id));
    (view.thread_id, view.influencer_id) = first.unzip();
    view
}

/// Who takes part: the author first, then those in To in the order they stand there, then those in Cc.
fn participants(view: &MessageView, mut parts: Vec<PartRow>, owners: &[OwnedAddress]) -> Vec<ParticipantView> {
    let stands: Vec<String> = if parts.len() > 1 {
        view.to.iter().chain(&view.cc).chain(&view.bcc).filter_map(|m| address::key(&m.address)).collect()
    } else {
        Vec::new()
    };
    let place = |part: &PartRow| {
        let theirs = |o: &&OwnedAddress| {
            o.influencer_id.is_some_and(|id| id.0 == part.0)
                || (part.3.is_some() && o.agent_id.map(|id| id.0) == part.3)
        };
        owners.iter().filter(theirs).filter_map(|o| stands.iter().position(|s| *s == o.value_key)).min()
    };
    parts.sort_by_cached_key(|p| (p.2, place(p).unwrap_or(usize::MAX), p.0));
    parts
        .into_iter()
        .map(|PartRow(influencer, thread, role, agent, assigned)| ParticipantView {
            influencer_id: InfluencerId(influencer),
            thread_id: ThreadId(thread),
            role,
            agent_id: agent.map(AgentId),
            assigned,
        })
        .collect()
}

impl From<DeliveryRow> for DeliveryView {
    fn from(DeliveryRow(account, folder, role, uid_validity, uid, seen_at): DeliveryRow) -> Self {
        Self { account, folder, role, uid_validity, uid, seen_at: Micros(seen_at) }
    }
}

impl From<StateRow> for RecipientView {
    fn from(StateRow(address, name, state, code, detail): StateRow) -> Self {
        Self { address, name, state, code, detail }
    }
}

/// The words of a search; what has no letter or digit can't be found and is left out.
fn search_words(query: &str) -> Vec<String> {
    query
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(SEARCH_WORDS_MAX)
        .map(|word| word.chars().filter(|c| !c.is_control()).take(100).collect())
        .collect()
}

fn hit(message: MessageView, sought: &Sought) -> SearchHit {
    let excerpt = sought.excerpt(&message.text);
    let Mailbox { name, address } = &message.from;
    let from = if name.is_empty() { address.clone() } else { format!("{name} <{address}>") };
    let highlights = MessageHighlights {
        subject: sought.mark(&message.subject),
        from: sought.mark(&from),
        excerpt: sought.mark(&excerpt),
    };
    SearchHit { excerpt, highlights, message }
}

/// All about messages at once, since each further statement costs a page as much as all of this: what a message itself says, of no
/// more text than so many characters, who takes part, where it was seen, how its sending stands.
macro_rules! messages {
    (postgres, $text_max:literal, $from:expr) => {
        concat!(
            message_columns!($text_max),
            ", (SELECT json_agg(json_build_array(p.influencer_id, p.thread_id, p.role, p.agent_id, p.assigned)) \
              FROM participation p WHERE p.message_id = m.id) AS parts, \
            (SELECT json_agg(json_build_array(f.account, f.name, f.role, d.uid_validity, d.uid, d.seen_at) ORDER BY d.seen_at, f.name, d.uid) \
              FROM delivery d JOIN folder f ON f.id = d.folder_id WHERE d.message_id = m.id) AS deliveries, \
            CASE WHEN o.id IS NOT NULL THEN (SELECT json_agg(json_build_array(r.address, r.name, r.state, r.code, r.detail) ORDER BY r.position) \
              FROM outbox_recipient r WHERE r.outbox_id = m.id) END AS states, \
            CASE WHEN m.attachments IS NOT NULL THEN (SELECT json_agg(json_build_array(x.position, x.state, x.size, x.reason)) \
              FROM message_file x WHERE x.message_id = m.id) END AS files ",
            $from
        )
    };
    (sqlite, $text_max:literal, $from:expr) => {
        concat!(
            message_columns!($text_max),
            ", (SELECT json_group_array(json_array(hex(p.influencer_id), hex(p.thread_id), p.role, \
                CASE WHEN p.agent_id IS NOT NULL THEN hex(p.agent_id) END, json(CASE WHEN p.assigned THEN 'true' ELSE 'false' END))) \
              FROM participation p WHERE p.message_id = m.id) AS parts, \
            (SELECT json_group_array(json_array(f.account, f.name, f.role, d.uid_validity, d.uid, d.seen_at) ORDER BY d.seen_at, f.name, d.uid) \
              FROM delivery d JOIN folder f ON f.id = d.folder_id WHERE d.message_id = m.id) AS deliveries, \
            CASE WHEN o.id IS NOT NULL THEN (SELECT json_group_array(json_array(r.address, r.name, r.state, r.code, r.detail) ORDER BY r.position) \
              FROM outbox_recipient r WHERE r.outbox_id = m.id) END AS states, \
            CASE WHEN m.attachments IS NOT NULL THEN (SELECT json_group_array(json_array(x.position, x.state, x.size, x.reason)) \
              FROM message_file x WHERE x.message_id = m.id) END AS files ",
            $from
        )
    };
}

macro_rules! message_columns {
    ($text_max:literal) => {
        concat!(
            "SELECT m.id, m.direction, m.kind, m.channel, m.account, m.internet_message_id, m.author_name, \
            m.author_address, m.recipients, m.subject, SUBSTR(m.text, 1, CAST(CAST(",
            $text_max,
            " AS BIGINT) AS INTEGER)) AS text, LENGTH(m.text) > CAST(",
            $text_max,
            " AS BIGINT) AS text_cut, SUBSTR(m.reply_text, 1, CAST(CAST(",
            $text_max,
            " AS BIGINT) AS INTEGER)) AS reply_text, \
            m.attachments, m.flaws, m.has_html, m.raw_hash IS NOT NULL AS has_raw, m.size, m.at, m.backfilled, o.status, o.due_at, o.detail, o.held_reason"
        )
    };
}
/// The messages of a search, whole and in no order; their places are their numbers.
macro_rules! found {
    ($server:ident, $numbers_and_messages:literal) => {
        messages!(
            $server,
            "$4",
            concat!(
                ", m.n AS place_at, m.id AS place_id FROM ",
                $numbers_and_messages,
                " LEFT JOIN outbox o ON o.id = m.id"
            )
        )
    };
}

statements! {
    #[hot] MESSAGES_BY_ID = messages!(postgres, "$2", "FROM message m LEFT JOIN outbox o ON o.id = m.id WHERE m.id = ANY($1::uuid[])"),
        sqlite: messages!(sqlite, "$2", "FROM message m LEFT JOIN outbox o ON o.id = m.id WHERE m.id IN (SELECT unhex(value) FROM json_each($1))");
    #[hot] RECIPIENTS_OF = "SELECT outbox_id, address, name, state, code, detail FROM outbox_recipient \
        WHERE outbox_id = ANY($1::uuid[]) ORDER BY outbox_id, position";
    #[hot] ADDRESSES_OF_INFLUENCERS = "SELECT value_key, influencer_id, agent_id FROM address WHERE influencer_id = ANY($1::uuid[])";
    #[hot] ADDRESSES_OF_AGENTS = "SELECT value_key, influencer_id, agent_id FROM address WHERE agent_id = ANY($1::uuid[])";
    #[hot] RAW_SIZED = "SELECT r.size, r.data FROM message m LEFT JOIN outbox o ON o.id = m.id \
        JOIN raw r ON r.hash = COALESCE(o.clean_hash, m.raw_hash) WHERE m.id = $1";
    #[hot] RAW_SIZE = "SELECT r.size FROM message m LEFT JOIN outbox o ON o.id = m.id \
        JOIN raw r ON r.hash = COALESCE(o.clean_hash, m.raw_hash) WHERE m.id = $1";
    // `+ 0`: PostgreSQL is to look the words up and sort the hits; walking the table in order until enough rows happen to
    // match would read all of it for a rare word.
    #[hot] SEARCH = found!(postgres, "(SELECT s.n FROM message_search s WHERE s.document @@ plainto_tsquery('simple', $1) AND s.n + 0 < $3 \
        ORDER BY s.n + 0 DESC LIMIT $2) w JOIN message m ON m.n = w.n"),
        sqlite: found!(sqlite, "(SELECT rowid AS n FROM message_search WHERE message_search MATCH $1 AND rowid < $3 \
        ORDER BY rowid DESC LIMIT $2) w JOIN message m ON m.n = w.n");
    #[hot] SEARCH_NEWEST = found!(postgres, "(SELECT s.n FROM (SELECT n, document FROM message_search WHERE n < $3 ORDER BY n DESC LIMIT $5) s \
        WHERE s.document @@ plainto_tsquery('simple', $1) ORDER BY s.n DESC LIMIT $2) w JOIN message m ON m.n = w.n"),
        sqlite: found!(sqlite, "(SELECT rowid AS n FROM message_search WHERE message_search MATCH $1 AND rowid < $3 AND rowid >= $3 - $5 \
        ORDER BY rowid DESC LIMIT $2) w JOIN message m ON m.n = w.n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_keeps_words_that_can_be_found() {
        assert_eq!(search_words(" a\u{0}b  -- \"c\" "), vec!["ab".to_owned(), "\"c\"".into()]);
    }
}
