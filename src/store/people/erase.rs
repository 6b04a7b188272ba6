//! Taking somebody out of the database: what is theirs alone goes, what is also somebody else's stays without them.
//!
//! Nothing here decides which is which; the hub does, inside one transaction. The order of the statements is that of the
//! foreign keys. Which tables there are, and what becomes of each, stands in [`super::personal`].

use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::ids::{ConversationId, EventId, InfluencerId, MessageId, ThreadId, TokenId};
use crate::domain::words::OutboxStatus;
use crate::store::sql::{Sql, statements};
use crate::store::value::values;
use crate::store::{StoreError, Tx, TxInner};

/// A message that somebody takes part in, or that was written for a run of theirs.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct TheirMessage {
    /// Its id.
    pub id: MessageId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Who wrote it.
    pub author_address: String,
    /// Its Message-ID.
    pub internet_message_id: Option<String>,
    /// Its fingerprint.
    pub fingerprint: Vec<u8>,
    /// Its raw mail.
    pub raw_hash: Option<Vec<u8>>,
    /// Its raw mail without pixel and counted links.
    pub clean_hash: Option<Vec<u8>>,
    /// How it stands, where it is ours.
    pub status: Option<OutboxStatus>,
    /// Our token in it, where it is ours.
    pub token: Option<String>,
    /// Whether it is on the timeline of somebody else as well.
    pub shared: bool,
}

/// What a message says, as far as it may name somebody.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct MessageWords {
    /// Its id.
    pub id: MessageId,
    /// As written.
    pub author_name: String,
    /// To whom, of each sort.
    #[sqlx(json)]
    pub recipients: serde_json::Value,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The text without quotes.
    pub reply_text: Option<String>,
    /// The attachments.
    pub attachments: Option<Json<serde_json::Value>>,
    /// What was wrong with it.
    pub flaws: Option<Json<serde_json::Value>>,
}

/// An answer that was kept for a request that may come again.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct KeptRequest {
    /// Whose request.
    pub token_id: TokenId,
    /// Its key.
    pub key: String,
    /// The answer.
    pub answer: Option<Vec<u8>>,
}

/// The table a statement takes rows from, for the count.
type Step = (&'static str, &'static Sql);

/// What goes with messages, in this order.
static WITH_MESSAGES: &[Step] = &[
    ("tracked_link", &LINKS),
    ("hit", &HITS),
    ("hit_new", &HITS_NEW),
    ("hit_surplus", &SURPLUS),
    ("delivery", &DELIVERIES),
    ("provider_message", &PROVIDERS),
    ("revision", &REVISIONS),
    ("relay_post", &RELAY_SHOWN),
    ("relay_word", &RELAY_SAID),
    ("message_file", &FILES),
    ("stranger", &STRANGERS_IN),
    ("unmatched", &UNMATCHED),
    ("event", &EVENTS_OF_MESSAGES),
    ("task", &TASKS_OF_NOBODY),
    ("task", &TASKS_LET_GO),
    ("participation", &PARTS),
    ("reservation", &PLACES_FREE),
    ("reservation", &PLACES_USED),
    ("outbox_recipient", &RECIPIENTS),
    ("outbox", &OUTBOX),
    ("message_search", &SEARCH_DELETE),
    ("message", &MESSAGES),
];

/// What goes with people, once their messages are gone, in this order.
static WITH_PEOPLE: &[Step] = &[
    ("task", &TASKS),
    ("enrollment_step", &STEPS),
    ("enrollment", &RUNS),
    ("participation", &PARTS_OF),
    ("event", &EVENTS),
    ("unmatched", &PROPOSALS),
    ("thread", &THREADS),
    ("note", &NOTES),
    ("relay_word", &RELAY_WORDS),
    ("relay_post", &RELAY_POSTS),
    ("relay_thread", &RELAY_THREADS),
    ("hold", &HOLDS),
    ("influencer_word", &WORDS),
    ("influencer_tag", &TAGS),
    ("influencer_network", &NETWORKS),
    ("former_handle", &FORMER),
    ("influencer_audience", &AUDIENCE),
    ("agent_influencer", &AGENTS),
    ("address", &ADDRESSES),
    ("merge_record", &MERGES),
    ("influencer", &INFLUENCERS),
];

/// What goes with addresses.
static WITH_ADDRESSES: &[Step] = &[("consent", &CONSENTS), ("suppression", &SUPPRESSIONS), ("stranger", &STRANGERS)];

/// What goes with conversations in which nothing is left, in this order.
static WITH_CONVERSATIONS: &[Step] = &[("message_ref", &REFS_LEFT), ("conversation", &CONVERSATIONS)];

/// How many rows of which table went.
pub type Gone = Vec<(&'static str, u64)>;

impl Tx {
    /// From here on what is deleted is overwritten with zeros at once, on SQLite, as long as the writer is not told otherwise.
    pub async fn overwrite_what_is_deleted(&mut self) -> Result<(), StoreError> {
        if let TxInner::SqliteWrite(tx) = &mut self.inner {
            sqlx::raw_sql("PRAGMA secure_delete = ON").execute(tx.connection()?).await?;
        }
        Ok(())
    }

    /// The records that were merged into these, and into those.
    pub async fn merged_into_any(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<InfluencerId>, StoreError> {
        let rows: Vec<(InfluencerId,)> = self.all(&MERGED, values![ids]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Those who were joined with one of these once and are apart from them now.
    pub async fn once_merged_with(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<InfluencerId>, StoreError> {
        let rows: Vec<(InfluencerId, InfluencerId)> = self.all(&MERGED_ONCE, values![ids.clone()]).await?;
        let mut others: Vec<InfluencerId> = rows.into_iter().flat_map(|(kept, gone)| [kept, gone]).collect();
        others.retain(|id| !ids.contains(id));
        others.sort_unstable();
        others.dedup();
        Ok(others)
    }

    /// Every message of these influencers, locked against those who would send it.
    pub async fn messages_of_people(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<TheirMessage>, StoreError> {
        let _: Vec<(MessageId,)> = self.all(&OUTBOX_LOCK, values![ids.clone()]).await?;
        self.all(&MESSAGES_OF, values![ids]).await
    }

    /// The ids of the messages of these influencers, without locking them.
    pub async fn list_message_ids_of(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&IDS_OF, values![ids]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Of these messages, the threads and people other than these.
    pub async fn others_in(
        &mut self,
        messages: Vec<MessageId>,
        people: Vec<InfluencerId>,
    ) -> Result<Vec<(InfluencerId, ThreadId)>, StoreError> {
        self.all(&OTHERS, values![messages, people]).await
    }

    /// Takes messages out, with all that hangs on them.
    pub async fn erase_messages(&mut self, ids: Vec<MessageId>) -> Result<Gone, StoreError> {
        let mut gone = Gone::new();
        let contents = self.list_file_hashes(ids.clone()).await?;
        for (table, sql) in WITH_MESSAGES {
            gone.push((table, self.exec(sql, values![ids.clone()]).await?));
        }
        gone.push(("file_piece", self.delete_file_pieces(contents).await?));
        Ok(gone)
    }

    /// Takes raw mail out that no message needs any more.
    pub async fn erase_raws(&mut self, hashes: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        self.exec(&RAWS, values![hashes]).await
    }

    /// Takes people out whose messages are gone, with their addresses and what is known of those.
    pub async fn erase_people(&mut self, ids: Vec<InfluencerId>, keys: Vec<String>) -> Result<Gone, StoreError> {
        let mut gone = Gone::new();
        // What somebody said of everything stands under their id.
        let keys: Vec<String> = keys.into_iter().chain(ids.iter().map(ToString::to_string)).collect();
        for (table, sql) in WITH_ADDRESSES {
            gone.push((table, self.exec(sql, values![keys.clone()]).await?));
        }
        for (table, sql) in WITH_PEOPLE {
            gone.push((table, self.exec(sql, values![ids.clone()]).await?));
        }
        Ok(gone)
    }

    /// Takes conversations out in which nothing is left.
    pub async fn erase_conversations(&mut self, ids: Vec<ConversationId>) -> Result<Gone, StoreError> {
        let mut gone = Gone::new();
        for (table, sql) in WITH_CONVERSATIONS {
            gone.push((table, self.exec(sql, values![ids.clone()]).await?));
        }
        Ok(gone)
    }

    /// Puts threads and people right that lost messages: how many there are, the newest, whose turn it is. Threads in which
    /// nothing is left go; how many.
    pub async fn recount(&mut self, people: Vec<InfluencerId>, threads: Vec<ThreadId>) -> Result<u64, StoreError> {
        self.recount_kept(people, threads.clone()).await?;
        self.exec(&THREADS_CHANGED, values![threads.clone()]).await?;
        self.exec(&THREADS_BELOW_EMPTY, values![threads.clone()]).await?;
        self.exec(&THREADS_EMPTY, values![threads]).await
    }

    /// The same; threads in which nothing is left stay, and nobody who changes one has to read it again.
    pub async fn recount_kept(&mut self, people: Vec<InfluencerId>, threads: Vec<ThreadId>) -> Result<(), StoreError> {
        self.exec(&THREADS_RECOUNT, values![threads]).await?;
        self.exec(&PEOPLE_RECOUNT, values![people]).await?;
        Ok(())
    }

    /// What these messages say.
    pub async fn message_words(&mut self, ids: Vec<MessageId>) -> Result<Vec<MessageWords>, StoreError> {
        self.all(&WORDS_OF_MESSAGES, values![ids]).await
    }

    /// Writes what a message says, and makes it found by that and nothing else.
    pub async fn rewrite_message(&mut self, words: MessageWords) -> Result<(), StoreError> {
        let MessageWords { id, author_name, recipients, subject, text, reply_text, attachments, flaws } = words;
        let (attachments, flaws) = (attachments.map(|json| json.0), flaws.map(|json| json.0));
        self.exec(&SEARCH_DELETE, values![vec![id]]).await?;
        let row = values![id, author_name, recipients, subject, text, reply_text, attachments, flaws];
        self.exec(&WORDS_SET, row).await?;
        self.index_messages(vec![id]).await
    }

    /// Gives a message other raw mail, or none.
    pub async fn replace_raw(&mut self, id: MessageId, hash: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.exec(&RAW_SET, values![id, hash]).await?;
        self.exec(&RAW_CLEAN_SET, values![id]).await?;
        Ok(())
    }

    /// Takes recipients with these addresses off messages of ours.
    pub async fn erase_recipients(&mut self, messages: Vec<MessageId>, keys: Vec<String>) -> Result<u64, StoreError> {
        self.exec(&RECIPIENTS_OF_KEYS, values![messages, keys]).await
    }

    /// Takes these people's hits off messages that stay.
    pub async fn erase_hits_of(
        &mut self,
        messages: Vec<MessageId>,
        people: Vec<InfluencerId>,
    ) -> Result<u64, StoreError> {
        self.exec(&HITS_OF_PEOPLE, values![messages, people]).await
    }

    /// What the events say that are about these messages or these people.
    pub async fn event_words(
        &mut self,
        messages: Vec<MessageId>,
        people: Vec<InfluencerId>,
    ) -> Result<Vec<(EventId, Json<serde_json::Value>)>, StoreError> {
        let mut rows: Vec<(EventId, Json<serde_json::Value>)> =
            self.all(&EVENT_WORDS_MESSAGES, values![messages]).await?;
        rows.extend(self.all::<(EventId, Json<serde_json::Value>)>(&EVENT_WORDS_PEOPLE, values![people]).await?);
        Ok(rows)
    }

    /// Writes what an event says.
    pub async fn rewrite_event(&mut self, id: EventId, data: serde_json::Value) -> Result<(), StoreError> {
        self.exec(&EVENT_SET, values![id, data]).await?;
        Ok(())
    }

    /// Texts of other tables that may name somebody, of these messages, people and threads: the table, the id and the text.
    pub async fn loose_words(
        &mut self,
        (messages, people, threads): (Vec<MessageId>, Vec<InfluencerId>, Vec<ThreadId>),
    ) -> Result<Vec<(LooseWords, Uuid, i64, String)>, StoreError> {
        let mut all = Vec::new();
        for (what, bound) in [
            (LooseWords::Subject, values![threads.clone()]),
            (LooseWords::SubjectKey, values![threads]),
            (LooseWords::LinkUrl, values![messages.clone()]),
            (LooseWords::LinkLabel, values![messages.clone()]),
            (LooseWords::OutboxDetail, values![messages.clone()]),
            (LooseWords::HeldReason, values![messages.clone()]),
            (LooseWords::UnmatchedFacts, values![messages.clone()]),
            (LooseWords::Revision, values![messages.clone()]),
            (LooseWords::FileName, values![messages.clone()]),
            (LooseWords::FileUrl, values![messages.clone()]),
            (LooseWords::FileReason, values![messages.clone()]),
            (LooseWords::TaskText, values![messages]),
            (LooseWords::ExitReason, values![people]),
        ] {
            let rows: Vec<(Uuid, i64, Option<String>)> = self.all(what.statements().0, bound).await?;
            all.extend(rows.into_iter().filter_map(|(id, n, text)| Some((what, id, n, text?))));
        }
        Ok(all)
    }

    /// Writes one of them.
    pub async fn rewrite_loose(
        &mut self,
        (what, id, n): (LooseWords, Uuid, i64),
        text: String,
    ) -> Result<(), StoreError> {
        self.exec(what.statements().1, values![id, n, text]).await?;
        Ok(())
    }

    /// The ids that tie mail to these conversations.
    pub async fn list_refs(&mut self, ids: Vec<ConversationId>) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.all(&REFS, values![ids]).await?;
        Ok(rows.into_iter().map(|(key,)| key).collect())
    }

    /// Takes such ids out.
    pub async fn erase_refs(&mut self, refs: Vec<String>) -> Result<u64, StoreError> {
        self.exec(&REFS_DELETE, values![refs]).await
    }

    /// The messages that are left in these conversations, with their Message-IDs.
    pub async fn messages_left_in(
        &mut self,
        ids: Vec<ConversationId>,
    ) -> Result<Vec<(MessageId, Option<String>)>, StoreError> {
        self.all(&LEFT_IN, values![ids]).await
    }

    /// Requests whose answers are kept, after one, in the order of their keys.
    pub async fn list_kept_requests(
        &mut self,
        after: (TokenId, &str),
        limit: i64,
    ) -> Result<Vec<KeptRequest>, StoreError> {
        self.all(&REQUESTS, values![after.0, after.1, limit]).await
    }

    /// Forgets the answer of a request, and that it was ever asked where its key says too much.
    pub async fn erase_kept_request(&mut self, request: &KeptRequest, key_too: bool) -> Result<(), StoreError> {
        let sql = if key_too { &REQUEST_DELETE } else { &REQUEST_EMPTY };
        self.exec(sql, values![request.token_id, request.key.as_str()]).await?;
        Ok(())
    }
}

/// A text that stands alone in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LooseWords {
    /// The subject of a thread.
    Subject,
    /// The same, for comparing.
    SubjectKey,
    /// Where a link leads.
    LinkUrl,
    /// What it is called.
    LinkLabel,
    /// The last words on a message.
    OutboxDetail,
    /// Why it is held.
    HeldReason,
    /// What follows from a message that waits: JSON.
    UnmatchedFacts,
    /// What a message said before.
    Revision,
    /// What a file beside a message is called.
    FileName,
    /// Where its provider has it.
    FileUrl,
    /// Why it is not here.
    FileReason,
    /// What somebody is to do about a message.
    TaskText,
    /// Why a run ended.
    ExitReason,
}

impl LooseWords {
    fn statements(self) -> (&'static Sql, &'static Sql) {
        match self {
            Self::Subject => (&SUBJECTS, &SUBJECT_SET),
            Self::SubjectKey => (&SUBJECT_KEYS, &SUBJECT_KEY_SET),
            Self::LinkUrl => (&LINK_URLS, &LINK_URL_SET),
            Self::LinkLabel => (&LINK_LABELS, &LINK_LABEL_SET),
            Self::OutboxDetail => (&DETAILS, &DETAIL_SET),
            Self::HeldReason => (&HELD_REASONS, &HELD_REASON_SET),
            Self::UnmatchedFacts => (&FACTS, &FACTS_SET),
            Self::Revision => (&REVISION_TEXTS, &REVISION_TEXT_SET),
            Self::FileName => (&FILE_NAMES, &FILE_NAME_SET),
            Self::FileUrl => (&FILE_URLS, &FILE_URL_SET),
            Self::FileReason => (&FILE_REASONS, &FILE_REASON_SET),
            Self::TaskText => (&TASK_TEXTS, &TASK_TEXT_SET),
            Self::ExitReason => (&EXIT_REASONS, &EXIT_REASON_SET),
        }
    }
}

/// Their messages: on their timelines, or written for their runs.
macro_rules! theirs {
    () => {
        "(SELECT p.message_id FROM participation p WHERE p.influencer_id = ANY($1::uuid[]) \
         UNION SELECT o.id FROM enrollment e JOIN outbox o ON o.enrollment_id = e.id WHERE e.influencer_id = ANY($1::uuid[]))"
    };
}

/// The newest message of a person of one thread or influencer that counts: whose turn it leaves.
macro_rules! turn_of {
    ($which:literal) => {
        concat!(
            "(SELECT CASE WHEN m.direction = 'inbound' THEN 'us' ELSE 'them' END FROM participation p JOIN message m ON m.id = p.message_id ",
            "LEFT JOIN outbox o ON o.id = m.id WHERE ",
            $which,
            " AND m.kind = 'human' AND (o.status IS NULL OR o.status NOT IN ('cancelled', 'rejected')) ORDER BY p.at DESC, p.message_id DESC LIMIT 1)"
        )
    };
}

/// When the newest message came or went that was not taken back.
macro_rules! newest_of {
    ($which:literal) => {
        concat!(
            "(SELECT p.at FROM participation p LEFT JOIN outbox o ON o.id = p.message_id WHERE ",
            $which,
            " AND (o.status IS NULL OR o.status NOT IN ('cancelled', 'rejected')) ORDER BY p.at DESC, p.message_id DESC LIMIT 1)"
        )
    };
}

statements! {
    #[hot] MERGED = "SELECT gone FROM merge_record WHERE kept = ANY($1::uuid[]) AND undone_at IS NULL";
    #[hot] MERGED_ONCE = "SELECT kept, gone FROM merge_record WHERE kept = ANY($1::uuid[]) OR gone = ANY($1::uuid[])";
    #[hot] OUTBOX_LOCK = concat!("SELECT id FROM outbox WHERE id IN ", theirs!(), " ORDER BY id FOR UPDATE");
    #[hot] MESSAGES_OF = concat!("SELECT m.id, m.conversation_id, m.author_address, m.internet_message_id, m.fingerprint, m.raw_hash, \
        o.clean_hash, o.status, o.token, EXISTS (SELECT 1 FROM participation q WHERE q.message_id = m.id \
          AND NOT (q.influencer_id = ANY($1::uuid[]))) AS shared \
        FROM message m LEFT JOIN outbox o ON o.id = m.id WHERE m.id IN ", theirs!(), " ORDER BY m.id");
    #[hot] IDS_OF = concat!("SELECT m.id FROM message m WHERE m.id IN ", theirs!(), " ORDER BY m.id");
    #[hot] OTHERS = "SELECT DISTINCT influencer_id, thread_id FROM participation WHERE message_id = ANY($1::uuid[]) \
        AND NOT (influencer_id = ANY($2::uuid[]))";

    #[hot] LINKS = "DELETE FROM tracked_link WHERE message_id = ANY($1::uuid[])";
    #[hot] HITS = "DELETE FROM hit WHERE message_id = ANY($1::uuid[])";
    // Without an index, for it holds what came within seconds.
    // One that is being filed is let go by who files it: its message is locked, and gone when it gets there.
    HITS_NEW = "DELETE FROM hit_new WHERE id IN (SELECT id FROM hit_new WHERE message_id = ANY($1::uuid[]) FOR UPDATE SKIP LOCKED)";
    #[hot] SURPLUS = "DELETE FROM hit_surplus WHERE message_id = ANY($1::uuid[])";
    // That it was seen stays, without it: nobody fetches it again.
    #[hot] PROVIDERS = "DELETE FROM provider_message WHERE message_id = ANY($1::uuid[])";
    #[hot] REVISIONS = "DELETE FROM revision WHERE message_id = ANY($1::uuid[])";
    #[hot] REVISION_TEXTS = "SELECT message_id, at, text FROM revision WHERE message_id = ANY($1::uuid[])";
    #[hot] REVISION_TEXT_SET = "UPDATE revision SET text = $3 WHERE message_id = $1 AND at = $2";
    #[hot] FILES = "DELETE FROM message_file WHERE message_id = ANY($1::uuid[])";
    #[hot] FILE_NAMES = "SELECT message_id, position, name FROM message_file WHERE message_id = ANY($1::uuid[])";
    #[hot] FILE_NAME_SET = "UPDATE message_file SET name = $3 WHERE message_id = $1 AND position = $2";
    #[hot] FILE_URLS = "SELECT message_id, position, url FROM message_file WHERE message_id = ANY($1::uuid[])";
    #[hot] FILE_URL_SET = "UPDATE message_file SET url = $3 WHERE message_id = $1 AND position = $2";
    #[hot] FILE_REASONS = "SELECT message_id, position, reason FROM message_file WHERE message_id = ANY($1::uuid[])";
    #[hot] FILE_REASON_SET = "UPDATE message_file SET reason = $3 WHERE message_id = $1 AND position = $2";
    #[hot] DELIVERIES = "UPDATE delivery SET message_id = NULL, left_out = 'erased' WHERE message_id = ANY($1::uuid[])";
    #[hot] STRANGERS_IN = "DELETE FROM stranger WHERE message_id = ANY($1::uuid[])";
    #[hot] UNMATCHED = "DELETE FROM unmatched WHERE message_id = ANY($1::uuid[])";
    #[hot] EVENTS_OF_MESSAGES = "DELETE FROM event WHERE message_id = ANY($1::uuid[])";
    #[hot] TASKS_OF_NOBODY = "DELETE FROM task WHERE message_id = ANY($1::uuid[]) AND influencer_id IS NULL";
    #[hot] TASKS_LET_GO = "UPDATE task SET message_id = NULL WHERE message_id = ANY($1::uuid[])";
    #[hot] PARTS = "DELETE FROM participation WHERE message_id = ANY($1::uuid[])";
    // What was sent counts on, so that no limit is passed, but does not say to which domain.
    #[hot] PLACES_FREE = "DELETE FROM reservation WHERE id = ANY($1::uuid[]) \
        AND id IN (SELECT o.id FROM outbox o WHERE o.id = ANY($1::uuid[]) AND o.handed_over_at IS NULL)";
    #[hot] PLACES_USED = "UPDATE reservation SET domain = '' WHERE id = ANY($1::uuid[])";
    #[hot] RECIPIENTS = "DELETE FROM outbox_recipient WHERE outbox_id = ANY($1::uuid[])";
    #[hot] OUTBOX = "DELETE FROM outbox WHERE id = ANY($1::uuid[])";
    SEARCH_DELETE = "DELETE FROM message_search WHERE n IN (SELECT m.n FROM message m WHERE m.id = ANY($1::uuid[]))",
        sqlite: "DELETE FROM message_search WHERE rowid IN (SELECT m.n FROM message m WHERE m.id IN (SELECT unhex(value) FROM json_each($1)))";
    #[hot] MESSAGES = "DELETE FROM message WHERE id = ANY($1::uuid[])";
    #[hot] RAWS = "DELETE FROM raw WHERE hash = ANY($1::bytea[]) AND NOT EXISTS (SELECT 1 FROM message m WHERE m.raw_hash = raw.hash) \
        AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.clean_hash = raw.hash)";

    #[hot] TASKS = "DELETE FROM task WHERE id IN (SELECT k.id FROM task k WHERE k.influencer_id = ANY($1::uuid[]) \
        UNION SELECT k.id FROM enrollment e JOIN task k ON k.enrollment_id = e.id WHERE e.influencer_id = ANY($1::uuid[]))";
    #[hot] STEPS = "DELETE FROM enrollment_step WHERE enrollment_id IN (SELECT e.id FROM enrollment e WHERE e.influencer_id = ANY($1::uuid[]))";
    #[hot] RUNS = "DELETE FROM enrollment WHERE influencer_id = ANY($1::uuid[])";
    #[hot] PARTS_OF = "DELETE FROM participation WHERE influencer_id = ANY($1::uuid[])";
    #[hot] EVENTS = "DELETE FROM event WHERE influencer_id = ANY($1::uuid[])";
    // Few wait, and somebody is erased seldom: no index for it.
    PROPOSALS = "UPDATE unmatched SET influencer_id = NULL, reason = CASE WHEN reason = 'alias_proposed' THEN 'unknown_sender' ELSE reason END \
        WHERE influencer_id = ANY($1::uuid[])";
    #[hot] THREADS = "DELETE FROM thread WHERE influencer_id = ANY($1::uuid[])";
    #[hot] RELAY_SHOWN = "DELETE FROM relay_post WHERE message_id = ANY($1::uuid[])";
    #[hot] RELAY_SAID = "UPDATE relay_word SET message_id = NULL, text = '' WHERE message_id = ANY($1::uuid[])";
    #[hot] RELAY_WORDS = "DELETE FROM relay_word WHERE thread_id IN (SELECT id FROM relay_thread WHERE influencer_id = ANY($1::uuid[]))";
    #[hot] RELAY_POSTS = "DELETE FROM relay_post WHERE thread_id IN (SELECT id FROM relay_thread WHERE influencer_id = ANY($1::uuid[]))";
    #[hot] RELAY_THREADS = "DELETE FROM relay_thread WHERE influencer_id = ANY($1::uuid[])";
    #[hot] NOTES = "DELETE FROM note WHERE influencer_id = ANY($1::uuid[])";
    #[hot] HOLDS = "DELETE FROM hold WHERE influencer_id = ANY($1::uuid[])";
    #[hot] WORDS = "DELETE FROM influencer_word WHERE influencer_id = ANY($1::uuid[])";
    #[hot] TAGS = "DELETE FROM influencer_tag WHERE influencer_id = ANY($1::uuid[])";
    #[hot] NETWORKS = "DELETE FROM influencer_network WHERE influencer_id = ANY($1::uuid[])";
    #[hot] FORMER = "DELETE FROM former_handle WHERE influencer_id = ANY($1::uuid[])";
    #[hot] AUDIENCE = "DELETE FROM influencer_audience WHERE influencer_id = ANY($1::uuid[])";
    #[hot] AGENTS = "DELETE FROM agent_influencer WHERE influencer_id = ANY($1::uuid[])";
    #[hot] ADDRESSES = "DELETE FROM address WHERE influencer_id = ANY($1::uuid[])";
    #[hot] MERGES = "DELETE FROM merge_record WHERE kept = ANY($1::uuid[]) OR gone = ANY($1::uuid[])";
    #[hot] INFLUENCERS = "DELETE FROM influencer WHERE id = ANY($1::uuid[])";

    #[hot] CONSENTS = "DELETE FROM consent WHERE value_key = ANY($1::text[])";
    #[hot] SUPPRESSIONS = "DELETE FROM suppression WHERE value_key = ANY($1::text[])";
    #[hot] STRANGERS = "DELETE FROM stranger WHERE address_key = ANY($1::text[])";

    #[hot] REFS_LEFT = "DELETE FROM message_ref WHERE conversation_id = ANY($1::uuid[]) \
        AND NOT EXISTS (SELECT 1 FROM message m WHERE m.conversation_id = message_ref.conversation_id)";
    #[hot] CONVERSATIONS = "DELETE FROM conversation WHERE id = ANY($1::uuid[]) \
        AND NOT EXISTS (SELECT 1 FROM message m WHERE m.conversation_id = conversation.id) \
        AND NOT EXISTS (SELECT 1 FROM thread t WHERE t.conversation_id = conversation.id) \
        AND NOT EXISTS (SELECT 1 FROM message_ref r WHERE r.conversation_id = conversation.id)";
    #[hot] THREADS_RECOUNT = concat!("UPDATE thread SET message_count = (SELECT COUNT(*) FROM participation p WHERE p.thread_id = thread.id), \
        last_message_at = COALESCE(", newest_of!("p.thread_id = thread.id"), ", last_message_at), \
        awaiting = ", turn_of!("p.thread_id = thread.id"), " WHERE id = ANY($1::uuid[])");
    #[hot] THREADS_CHANGED = "UPDATE thread SET version = version + 1 WHERE id = ANY($1::uuid[])";
    #[hot] PEOPLE_RECOUNT = concat!("UPDATE influencer SET last_message_at = ", newest_of!("p.influencer_id = influencer.id"), ", \
        awaiting = ", turn_of!("p.influencer_id = influencer.id"), " WHERE id = ANY($1::uuid[])");
    #[hot] THREADS_BELOW_EMPTY = "DELETE FROM thread WHERE merged_into IN (SELECT t.id FROM thread t WHERE t.id = ANY($1::uuid[]) \
        AND NOT EXISTS (SELECT 1 FROM participation p WHERE p.thread_id = t.id)) AND merged_into IS NOT NULL";
    #[hot] THREADS_EMPTY = "DELETE FROM thread WHERE id = ANY($1::uuid[]) AND NOT EXISTS (SELECT 1 FROM participation p WHERE p.thread_id = thread.id)";

    #[hot] WORDS_OF_MESSAGES = "SELECT id, author_name, recipients, subject, text, reply_text, attachments, flaws FROM message WHERE id = ANY($1::uuid[])";
    #[hot] WORDS_SET = "UPDATE message SET author_name = $2, recipients = $3, subject = $4, text = $5, reply_text = $6, attachments = $7, \
        flaws = $8 WHERE id = $1";
    #[hot] RAW_SET = "UPDATE message SET raw_hash = $2 WHERE id = $1";
    #[hot] RAW_CLEAN_SET = "UPDATE outbox SET clean_hash = NULL WHERE id = $1";
    #[hot] RECIPIENTS_OF_KEYS = "DELETE FROM outbox_recipient WHERE outbox_id = ANY($1::uuid[]) AND address_key = ANY($2::text[])";
    #[hot] HITS_OF_PEOPLE = "DELETE FROM hit WHERE message_id = ANY($1::uuid[]) AND influencer_id = ANY($2::uuid[])";
    #[hot] EVENT_WORDS_MESSAGES = "SELECT id, data FROM event WHERE message_id = ANY($1::uuid[]) AND data IS NOT NULL";
    #[hot] EVENT_WORDS_PEOPLE = "SELECT id, data FROM event WHERE influencer_id = ANY($1::uuid[]) AND data IS NOT NULL";
    #[hot] EVENT_SET = "UPDATE event SET data = $2 WHERE id = $1";

    #[hot] SUBJECTS = "SELECT id, CAST(0 AS BIGINT), subject FROM thread WHERE id = ANY($1::uuid[])";
    #[hot] SUBJECT_SET = "UPDATE thread SET subject = $3 WHERE id = $1 AND $2::bigint = 0";
    #[hot] SUBJECT_KEYS = "SELECT id, CAST(0 AS BIGINT), subject_key FROM thread WHERE id = ANY($1::uuid[])";
    #[hot] SUBJECT_KEY_SET = "UPDATE thread SET subject_key = $3 WHERE id = $1 AND $2::bigint = 0";
    #[hot] LINK_URLS = "SELECT message_id, n, url FROM tracked_link WHERE message_id = ANY($1::uuid[])";
    #[hot] LINK_URL_SET = "UPDATE tracked_link SET url = $3 WHERE message_id = $1 AND n = $2";
    #[hot] LINK_LABELS = "SELECT message_id, n, label FROM tracked_link WHERE message_id = ANY($1::uuid[])";
    #[hot] LINK_LABEL_SET = "UPDATE tracked_link SET label = $3 WHERE message_id = $1 AND n = $2";
    #[hot] DETAILS = "SELECT id, CAST(0 AS BIGINT), detail FROM outbox WHERE id = ANY($1::uuid[])";
    #[hot] DETAIL_SET = "UPDATE outbox SET detail = $3 WHERE id = $1 AND $2::bigint = 0";
    #[hot] HELD_REASONS = "SELECT id, CAST(0 AS BIGINT), held_reason FROM outbox WHERE id = ANY($1::uuid[])";
    #[hot] HELD_REASON_SET = "UPDATE outbox SET held_reason = $3 WHERE id = $1 AND $2::bigint = 0";
    #[hot] FACTS = "SELECT message_id, CAST(0 AS BIGINT), CAST(facts AS TEXT) FROM unmatched WHERE message_id = ANY($1::uuid[])";
    #[hot] FACTS_SET = "UPDATE unmatched SET facts = CAST($3 AS JSONB) WHERE message_id = $1 AND $2::bigint = 0",
        sqlite: "UPDATE unmatched SET facts = $3 WHERE message_id = $1 AND $2 = 0";
    #[hot] TASK_TEXTS = "SELECT id, CAST(0 AS BIGINT), text FROM task WHERE message_id = ANY($1::uuid[])";
    #[hot] TASK_TEXT_SET = "UPDATE task SET text = $3 WHERE id = $1 AND $2::bigint = 0";
    #[hot] EXIT_REASONS = "SELECT id, CAST(0 AS BIGINT), exit_reason FROM enrollment WHERE influencer_id = ANY($1::uuid[])";
    #[hot] EXIT_REASON_SET = "UPDATE enrollment SET exit_reason = $3 WHERE id = $1 AND $2::bigint = 0";

    #[hot] REFS = "SELECT ref FROM message_ref WHERE conversation_id = ANY($1::uuid[])";
    #[hot] REFS_DELETE = "DELETE FROM message_ref WHERE ref = ANY($1::text[])";
    #[hot] LEFT_IN = "SELECT id, internet_message_id FROM message WHERE conversation_id = ANY($1::uuid[])";
    #[hot] REQUESTS = "SELECT token_id, key, answer FROM idempotency WHERE (token_id, key) > ($1, $2) ORDER BY token_id, key LIMIT $3";
    #[hot] REQUEST_DELETE = "DELETE FROM idempotency WHERE token_id = $1 AND key = $2 AND state <> 'running'";
    #[hot] REQUEST_EMPTY = "UPDATE idempotency SET state = 'done', status = NULL, media = NULL, answer = NULL \
        WHERE token_id = $1 AND key = $2 AND state = 'answered'";
}
