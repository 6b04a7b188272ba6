//! Conversations (messages that answer each other, found by union-find over ids) and threads (a conversation as one
//! influencer sees it).

use super::dialect::Many;
use super::sql::statements;
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::{ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel};

/// A thread, as ingest and enqueue need it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ThreadRow {
    /// Its id.
    pub id: ThreadId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Whose it is.
    pub influencer_id: InfluencerId,
    /// How it travels.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// The subject of its first message.
    pub subject: String,
    /// The subject without prefixes, for comparing.
    pub subject_key: String,
    /// Messages in it.
    pub message_count: i64,
    /// The instant of its newest message.
    pub last_message_at: Micros,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
}

/// A thread as people work with it. The instants are those of the newest message there was: a later one ends what they say.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ThreadDesk {
    /// Its id.
    pub id: ThreadId,
    /// The instant of its newest message.
    pub last_message_at: Micros,
    /// The teammate who looks after it.
    pub assignee: Option<String>,
    /// Read up to this.
    pub read_at: Option<Micros>,
    /// Out of sight since this.
    pub snoozed_at: Option<Micros>,
    /// And until this.
    pub snoozed_until: Option<Micros>,
    /// Done with since this.
    pub archived_at: Option<Micros>,
    /// Grows with every change by hand.
    pub version: i64,
}

const REFS: Many =
    Many { head: "INSERT INTO message_ref (ref, conversation_id)", columns: 2, tail: "ON CONFLICT (ref) DO NOTHING" };
const CONVERSATIONS: Many = Many { head: "INSERT INTO conversation (id, created_at)", columns: 2, tail: "" };
const THREADS: Many = Many {
    head: "INSERT INTO thread (id, conversation_id, influencer_id, channel, account, subject, subject_key, message_count, \
           last_message_at, awaiting, created_at)",
    columns: 11,
    tail: "ON CONFLICT (id) DO UPDATE SET message_count = excluded.message_count, last_message_at = excluded.last_message_at, \
           awaiting = excluded.awaiting",
};

impl Tx {
    /// The mailbox of ours in which there was mail with somebody last; what never left is none.
    pub async fn last_mail_account(&mut self, influencer: InfluencerId) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = self.opt(&MAIL_ACCOUNT, values![influencer]).await?;
        Ok(row.map(|(account,)| account))
    }

    /// To which conversations these ids belong.
    pub async fn find_refs(&mut self, refs: Vec<String>) -> Result<Vec<(String, ConversationId)>, StoreError> {
        self.all(&REFS_FIND, values![refs]).await
    }

    /// Ties ids to conversations; an id that is tied already stays where it is.
    pub async fn insert_refs(&mut self, refs: Vec<(String, ConversationId)>) -> Result<u64, StoreError> {
        let rows: Vec<Value> = refs.into_iter().flat_map(|(key, id)| values![key, id]).collect();
        self.insert_many(&REFS, rows).await
    }

    /// Ties one more id to the conversation of a message; an id that is tied already stays where it is.
    pub async fn insert_ref_of(&mut self, message: MessageId, key: &str) -> Result<(), StoreError> {
        self.exec(&REF_OF, values![message, key]).await?;
        Ok(())
    }

    /// Makes conversations.
    pub async fn insert_conversations(&mut self, ids: Vec<ConversationId>, at: Micros) -> Result<(), StoreError> {
        let rows: Vec<Value> = ids.into_iter().flat_map(|id| values![id, at]).collect();
        self.insert_many(&CONVERSATIONS, rows).await?;
        Ok(())
    }

    /// Joins one conversation into another: its messages and ids move; its threads must have been moved or merged.
    pub async fn merge_conversation(
        &mut self,
        loser: ConversationId,
        winner: ConversationId,
    ) -> Result<(), StoreError> {
        self.exec(&MERGE_MESSAGES, values![loser, winner]).await?;
        self.exec(&MERGE_REFS, values![loser, winner]).await?;
        self.exec(&MERGE_MARK, values![loser, winner]).await?;
        Ok(())
    }

    /// Moves a thread to another conversation, in which its influencer has none.
    pub async fn move_thread(&mut self, thread: ThreadId, conversation: ConversationId) -> Result<(), StoreError> {
        self.exec(&THREAD_MOVE, values![thread, conversation]).await?;
        Ok(())
    }

    /// Joins one thread into another of the same influencer.
    pub async fn merge_thread(&mut self, loser: ThreadId, winner: ThreadId) -> Result<(), StoreError> {
        self.exec(&THREAD_PARTS, values![loser, winner]).await?;
        self.exec(&THREAD_MERGED, values![loser, winner]).await?;
        Ok(())
    }

    /// The live threads of these conversations.
    pub async fn find_threads_in(&mut self, conversations: Vec<ConversationId>) -> Result<Vec<ThreadRow>, StoreError> {
        self.all(&THREADS_IN, values![conversations]).await
    }

    /// Live threads of these influencers with a message since `since`, for matching by subject.
    pub async fn find_threads_of(
        &mut self,
        influencers: Vec<InfluencerId>,
        since: Micros,
    ) -> Result<Vec<ThreadRow>, StoreError> {
        self.all(&THREADS_OF, values![influencers, since]).await
    }

    /// The account of the newest live thread of each of these influencers that has one, by email.
    pub async fn newest_accounts(
        &mut self,
        influencers: Vec<InfluencerId>,
    ) -> Result<Vec<(InfluencerId, String)>, StoreError> {
        self.all(&NEWEST_ACCOUNTS, values![influencers]).await
    }

    /// One thread; where it was merged into another, that other one.
    pub async fn get_thread(&mut self, id: ThreadId) -> Result<Option<ThreadRow>, StoreError> {
        let row: Option<(ThreadId,)> = self.opt(&THREAD_RESOLVE, values![id]).await?;
        let Some((id,)) = row else { return Ok(None) };
        self.opt(&THREAD_GET, values![id]).await
    }

    /// A thread as people work with it, locked until the end of the transaction; where it was merged into another, that one.
    pub async fn lock_thread_desk(&mut self, id: ThreadId) -> Result<Option<ThreadDesk>, StoreError> {
        let row: Option<(ThreadId,)> = self.opt(&THREAD_RESOLVE, values![id]).await?;
        let Some((id,)) = row else { return Ok(None) };
        self.opt(&DESK_LOCK, values![id]).await
    }

    /// Writes what people did with a thread; its version grows by one.
    pub async fn update_thread_desk(&mut self, desk: ThreadDesk) -> Result<(), StoreError> {
        let ThreadDesk { id, assignee, read_at, snoozed_at, snoozed_until, archived_at, .. } = desk;
        self.exec(&DESK_UPDATE, values![id, assignee, read_at, snoozed_at, snoozed_until, archived_at]).await?;
        Ok(())
    }

    /// Gives a live thread from one influencer to another, who has none in its conversation, with its place on their timelines and the
    /// open tasks about it. What happened stays where it happened. Given back to whom it belonged, it is as it was.
    pub async fn give_thread(&mut self, id: ThreadId, from: InfluencerId, to: InfluencerId) -> Result<(), StoreError> {
        self.exec(&GIVE_TASKS, values![id, from, to]).await?;
        self.exec(&GIVE_PARTS, values![id, from, to]).await?;
        self.exec(&GIVE_THREAD, values![id, from, to]).await?;
        Ok(())
    }

    /// Threads of these conversations that were given away: (conversation, from whom, to whom).
    pub async fn list_given(
        &mut self,
        conversations: Vec<ConversationId>,
    ) -> Result<Vec<(ConversationId, InfluencerId, InfluencerId)>, StoreError> {
        self.all(&GIVEN, values![conversations]).await
    }

    /// The newest thing a person said in a thread that is no old mail: the message and our account.
    pub async fn newest_said(&mut self, id: ThreadId) -> Result<Option<(MessageId, String)>, StoreError> {
        self.opt(&NEWEST_SAID, values![id]).await
    }

    /// Whose turn it is in the newest live thread of an influencer, and when its newest message was said.
    pub async fn newest_turn(&mut self, of: InfluencerId) -> Result<Option<(Micros, Option<Awaiting>)>, StoreError> {
        self.opt(&NEWEST_TURN, values![of]).await
    }

    /// Writes threads, new ones and those whose count, time or turn changed.
    pub async fn upsert_threads(&mut self, threads: Vec<ThreadRow>, at: Micros) -> Result<(), StoreError> {
        let rows: Vec<Value> = threads
            .into_iter()
            .flat_map(|t| {
                values![
                    t.id,
                    t.conversation_id,
                    t.influencer_id,
                    t.channel,
                    t.account,
                    t.subject,
                    t.subject_key,
                    t.message_count,
                    t.last_message_at,
                    t.awaiting,
                    at
                ]
            })
            .collect();
        self.insert_many(&THREADS, rows).await?;
        Ok(())
    }
}

statements! {
    #[hot] MAIL_ACCOUNT = "SELECT t.account FROM participation p JOIN thread t ON t.id = p.thread_id \
        LEFT JOIN outbox o ON o.id = p.message_id WHERE p.influencer_id = $1 AND t.channel = 'email' AND t.merged_into IS NULL \
        AND (o.id IS NULL OR o.handed_over_at IS NOT NULL) ORDER BY p.at DESC, p.message_id DESC LIMIT 1";
    #[hot] GIVE_TASKS = "UPDATE task SET influencer_id = $3, version = version + 1 WHERE influencer_id = $2 AND state = 'open' \
        AND kind <> 'step' AND message_id IN (SELECT p.message_id FROM participation p WHERE p.thread_id = $1)";
    #[hot] GIVE_PARTS = "UPDATE participation SET influencer_id = $3 WHERE thread_id = $1 AND influencer_id = $2";
    #[hot] GIVE_THREAD = "UPDATE thread SET influencer_id = $3, given_from = CASE WHEN given_from = $3 THEN NULL \
        ELSE COALESCE(given_from, $2) END WHERE id = $1";
    #[hot] GIVEN = "SELECT conversation_id, given_from, influencer_id FROM thread WHERE conversation_id = ANY($1::uuid[]) \
        AND given_from IS NOT NULL AND merged_into IS NULL";
    #[hot] NEWEST_SAID = "SELECT m.id, m.account FROM participation p JOIN message m ON m.id = p.message_id WHERE p.thread_id = $1 \
        AND p.role = 'author' AND m.direction = 'inbound' AND m.kind = 'human' AND NOT m.backfilled ORDER BY p.at DESC, p.message_id DESC LIMIT 1";
    #[hot] NEWEST_TURN = "SELECT last_message_at, awaiting FROM thread WHERE influencer_id = $1 AND merged_into IS NULL \
        ORDER BY last_message_at DESC, id DESC LIMIT 1";
    #[hot] REF_OF = "INSERT INTO message_ref (ref, conversation_id) SELECT $2::text, conversation_id FROM message WHERE id = $1 \
        ON CONFLICT (ref) DO NOTHING";
    #[hot] DESK_LOCK = "SELECT id, last_message_at, assignee, read_at, snoozed_at, snoozed_until, archived_at, version FROM thread \
        WHERE id = $1 FOR UPDATE";
    #[hot] DESK_UPDATE = "UPDATE thread SET assignee = $2, read_at = $3, snoozed_at = $4, snoozed_until = $5, archived_at = $6, \
        version = version + 1 WHERE id = $1";
    #[hot] REFS_FIND = "SELECT ref, conversation_id FROM message_ref WHERE ref = ANY($1::text[])";
    #[hot] MERGE_MESSAGES = "UPDATE message SET conversation_id = $2 WHERE conversation_id = $1";
    #[hot] MERGE_REFS = "UPDATE message_ref SET conversation_id = $2 WHERE conversation_id = $1";
    #[hot] MERGE_MARK = "UPDATE conversation SET merged_into = $2 WHERE id = $1";
    #[hot] THREAD_MOVE = "UPDATE thread SET conversation_id = $2 WHERE id = $1";
    #[hot] THREAD_PARTS = "UPDATE participation SET thread_id = $2 WHERE thread_id = $1";
    #[hot] THREAD_MERGED = "UPDATE thread SET merged_into = $2, message_count = 0 WHERE id = $1 OR merged_into = $1";
    #[hot] THREADS_IN = "SELECT id, conversation_id, influencer_id, channel, account, subject, subject_key, message_count, \
        last_message_at, awaiting FROM thread WHERE conversation_id = ANY($1::uuid[]) AND merged_into IS NULL";
    #[hot] THREADS_OF = "SELECT id, conversation_id, influencer_id, channel, account, subject, subject_key, message_count, \
        last_message_at, awaiting FROM thread WHERE influencer_id = ANY($1::uuid[]) AND last_message_at >= $2 AND merged_into IS NULL";
    #[hot] NEWEST_ACCOUNTS = "SELECT t.influencer_id, t.account FROM thread t WHERE t.influencer_id = ANY($1::uuid[]) AND t.merged_into IS NULL \
        AND t.id = (SELECT n.id FROM thread n WHERE n.influencer_id = t.influencer_id AND n.merged_into IS NULL AND n.channel = 'email' \
          ORDER BY n.last_message_at DESC, n.id DESC LIMIT 1)";
    #[hot] THREAD_RESOLVE = "SELECT COALESCE(merged_into, id) FROM thread WHERE id = $1";
    #[hot] THREAD_GET = "SELECT id, conversation_id, influencer_id, channel, account, subject, subject_key, message_count, \
        last_message_at, awaiting FROM thread WHERE id = $1";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&REFS, &CONVERSATIONS, &THREADS];
