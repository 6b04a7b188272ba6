//! Messages as they are read: one, or those of a list of ids, with who takes part, where they were seen and how their
//! sending stands; and messages found by their words.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use sqlx::types::Json;

use super::view::{DeliveryView, MessageStatus, MessageView, ParticipantView, RecipientView, SearchHit};
use crate::domain::address;
use crate::domain::ids::{AgentId, InfluencerId, MessageId, ThreadId};
use crate::domain::mail::{Attachment, Mailbox};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, FolderRole, Kind, OutboxStatus, RecipientState, Role};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Characters of a message's text in a list. One message read by its id comes whole.
pub const LIST_TEXT_MAX: i64 = 20_000;
/// Characters of a message's text that is read by its id; more than is ever stored.
const WHOLE_TEXT: i64 = 16 * 1024 * 1024;
/// Words of one search.
const SEARCH_WORDS_MAX: usize = 32;
/// Characters of the excerpt of a hit.
const EXCERPT_MAX: usize = 200;

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
    size: i64,
    at: Micros,
    backfilled: bool,
    status: Option<OutboxStatus>,
    due_at: Option<Micros>,
    detail: Option<String>,
    held_reason: Option<String>,
}

#[derive(Debug, Default, Clone, serde::Deserialize)]
#[serde(default)]
struct Recipients {
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
}

#[derive(sqlx::FromRow)]
struct PartRow {
    message_id: MessageId,
    influencer_id: InfluencerId,
    thread_id: ThreadId,
    role: Role,
    agent_id: Option<AgentId>,
    assigned: bool,
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    message_id: MessageId,
    account: String,
    folder: String,
    role: FolderRole,
    uid_validity: i64,
    uid: i64,
    seen_at: Micros,
}

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
        Ok(self.message_views(vec![id], WHOLE_TEXT).await?.pop())
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

    /// Messages that contain all words of `query`, newest stored first.
    pub async fn search_messages(&mut self, query: &str, limit: usize) -> Result<Vec<SearchHit>, StoreError> {
        let words = search_words(query);
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = if self.is_sqlite() {
            words.iter().map(|w| format!("\"{}\"", w.replace('"', "\"\""))).collect::<Vec<_>>().join(" ")
        } else {
            words.join(" ")
        };
        let limit = i64::try_from(limit.clamp(1, super::PAGE_MAX)).unwrap_or(1);
        let rows: Vec<(MessageId,)> = self.all(&SEARCH, values![wanted, limit]).await?;
        let views = self.list_message_views(rows.into_iter().map(|(id,)| id).collect()).await?;
        Ok(views.into_iter().map(|message| SearchHit { excerpt: excerpt(&message.text, &words), message }).collect())
    }

    pub(super) async fn recipient_rows(&mut self, ids: Vec<MessageId>) -> Result<Vec<RecipientRow>, StoreError> {
        self.all(&RECIPIENTS_OF, values![ids]).await
    }

    async fn message_views(&mut self, ids: Vec<MessageId>, text_max: i64) -> Result<Vec<MessageView>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<MessageRow> = self.all(&MESSAGES_BY_ID, values![ids.clone(), text_max]).await?;
        let parts = self.all::<PartRow>(&PARTS_OF, values![ids.clone()]).await?;
        let deliveries = self.all::<DeliveryRow>(&DELIVERIES_OF, values![ids.clone()]).await?;
        let outgoing: Vec<MessageId> = rows.iter().filter(|r| r.status.is_some()).map(|r| r.id).collect();
        let recipients = if outgoing.is_empty() { Vec::new() } else { self.recipient_rows(outgoing).await? };
        let owners = self.owners_where_needed(&parts).await?;

        let mut parts = grouped(parts, |p| p.message_id);
        let mut deliveries = grouped(deliveries, |d| d.message_id);
        let mut recipients = grouped(recipients, |r| r.outbox_id);
        let mut views: HashMap<MessageId, MessageView> = rows
            .into_iter()
            .map(|row| {
                let mut view = view(row);
                view.participants = participants(&view, parts.remove(&view.id).unwrap_or_default(), &owners);
                let first = view.participants.first();
                view.thread_id = first.map(|p| p.thread_id);
                view.influencer_id = first.map(|p| p.influencer_id);
                view.deliveries = deliveries.remove(&view.id).unwrap_or_default().into_iter().map(delivery).collect();
                view.recipients =
                    recipients.remove(&view.id).unwrap_or_default().into_iter().map(RecipientView::from).collect();
                (view.id, view)
            })
            .collect();
        Ok(ids.into_iter().filter_map(|id| views.remove(&id)).collect())
    }

    /// Addresses of those who share a message without being its author: they tell who stands first in it.
    async fn owners_where_needed(&mut self, parts: &[PartRow]) -> Result<Vec<OwnedAddress>, StoreError> {
        let mut count: HashMap<MessageId, usize> = HashMap::new();
        for part in parts {
            *count.entry(part.message_id).or_default() += 1;
        }
        let shared = |p: &&PartRow| p.role != Role::Author && count.get(&p.message_id).is_some_and(|n| *n > 1);
        let influencers: Vec<InfluencerId> = parts.iter().filter(shared).map(|p| p.influencer_id).collect();
        let agents: Vec<AgentId> = parts.iter().filter(shared).filter_map(|p| p.agent_id).collect();
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

fn grouped<T>(rows: Vec<T>, key: impl Fn(&T) -> MessageId) -> HashMap<MessageId, Vec<T>> {
    let mut map: HashMap<MessageId, Vec<T>> = HashMap::new();
    for row in rows {
        map.entry(key(&row)).or_default().push(row);
    }
    map
}

fn view(row: MessageRow) -> MessageView {
    let status = match (row.direction, row.status) {
        (Direction::Inbound, _) => MessageStatus::Received,
        (Direction::Outbound, Some(status)) => MessageStatus::Outbox(status),
        // A teammate sent it from their own mail client.
        (Direction::Outbound, None) => MessageStatus::Outbox(OutboxStatus::Confirmed),
    };
    let waits = matches!(row.status, Some(OutboxStatus::Queued | OutboxStatus::Claimed | OutboxStatus::Deferred));
    MessageView {
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
        recipients: Vec::new(),
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
        attachments: row.attachments.map(|json| json.0).unwrap_or_default(),
        flaws: row.flaws.map(|json| json.0).unwrap_or_default(),
        deliveries: Vec::new(),
        size: row.size,
        backfilled: row.backfilled,
    }
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
            o.influencer_id == Some(part.influencer_id) || (part.agent_id.is_some() && o.agent_id == part.agent_id)
        };
        owners.iter().filter(theirs).filter_map(|o| stands.iter().position(|s| *s == o.value_key)).min()
    };
    parts.sort_by_cached_key(|p| (p.role, place(p).unwrap_or(usize::MAX), p.influencer_id));
    parts
        .into_iter()
        .map(|p| ParticipantView {
            influencer_id: p.influencer_id,
            thread_id: p.thread_id,
            role: p.role,
            agent_id: p.agent_id,
            assigned: p.assigned,
        })
        .collect()
}

fn delivery(row: DeliveryRow) -> DeliveryView {
    DeliveryView {
        account: row.account,
        folder: row.folder,
        role: row.role,
        uid_validity: row.uid_validity,
        uid: row.uid,
        seen_at: row.seen_at,
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

/// The part of a text around the first word of these that stands in it, on one line.
fn excerpt(text: &str, words: &[String]) -> String {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let wanted: Vec<String> = words.iter().map(|w| w.to_lowercase()).collect();
    let hit = tokens.iter().position(|token| {
        let token = token.to_lowercase();
        wanted.iter().any(|w| token.contains(w.as_str()))
    });
    let start = hit.unwrap_or(0).saturating_sub(8);
    let mut out = String::new();
    for token in tokens.iter().skip(start) {
        if out.chars().count() + token.chars().count() >= EXCERPT_MAX {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(token);
    }
    out
}

statements! {
    #[hot] MESSAGES_BY_ID = "SELECT m.id, m.direction, m.kind, m.channel, m.account, m.internet_message_id, m.author_name, \
        m.author_address, m.recipients, m.subject, SUBSTR(m.text, 1, CAST($2::bigint AS INTEGER)) AS text, \
        LENGTH(m.text) > $2::bigint AS text_cut, SUBSTR(m.reply_text, 1, CAST($2::bigint AS INTEGER)) AS reply_text, \
        m.attachments, m.flaws, m.has_html, m.size, m.at, m.backfilled, o.status, o.due_at, o.detail, o.held_reason \
        FROM message m LEFT JOIN outbox o ON o.id = m.id WHERE m.id = ANY($1::uuid[])";
    #[hot] PARTS_OF = "SELECT message_id, influencer_id, thread_id, role, agent_id, assigned FROM participation \
        WHERE message_id = ANY($1::uuid[])";
    #[hot] DELIVERIES_OF = "SELECT d.message_id, f.account, f.name AS folder, f.role, d.uid_validity, d.uid, d.seen_at \
        FROM delivery d JOIN folder f ON f.id = d.folder_id WHERE d.message_id = ANY($1::uuid[]) ORDER BY d.seen_at, f.name, d.uid";
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
    #[hot] SEARCH = "SELECT m.id FROM message_search s JOIN message m ON m.n = s.n \
        WHERE s.document @@ plainto_tsquery('simple', $1) ORDER BY s.n + 0 DESC LIMIT $2",
        sqlite: "SELECT m.id FROM message_search s JOIN message m ON m.n = s.rowid \
        WHERE s.message_search MATCH $1 ORDER BY s.rowid DESC LIMIT $2";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_begins_near_the_word_and_stays_short() {
        let text = format!("{} Running shoes arrive {}", "word ".repeat(50), "tail ".repeat(100));
        let cut = excerpt(&text, &["SHOES".into()]);
        assert!(cut.contains("Running shoes arrive"), "{cut}");
        assert!(cut.chars().count() <= EXCERPT_MAX);
        assert_eq!(excerpt("", &["x".into()]), "");
    }

    #[test]
    fn search_keeps_words_that_can_be_found() {
        assert_eq!(search_words(" a\u{0}b  -- \"c\" "), vec!["ab".to_owned(), "\"c\"".into()]);
    }
}
