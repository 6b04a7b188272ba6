//! Joining two records of one person, and taking them apart again: rows that change hands, and what is kept of that.
//!
//! Nothing here decides what moves; the hub does, inside one transaction.

use uuid::Uuid;

use crate::domain::ids::{AgentId, EnrollmentId, InfluencerId, MergeId, MessageId, ThreadId};
use crate::domain::people::Influencer;
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Role};
use crate::store::people::{InfluencerRow, WORDS, WORDS_DELETE, select_influencer, words_of};
use crate::store::sql::{Sql, statements};
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Rows that name an influencer and are known by an id of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// Mail addresses and the like.
    Addresses,
    /// Notes on the timeline.
    Notes,
    /// What happened.
    Events,
    /// What a person is to do.
    Tasks,
    /// Messages that wait for a person, with whom they may be from; known by the message.
    Unmatched,
    /// Hits of pixels and links.
    Hits,
}

/// One joining.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct MergeRow {
    /// Its id.
    pub id: MergeId,
    /// Who stayed.
    pub kept: InfluencerId,
    /// Whose record went.
    pub gone: InfluencerId,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: Micros,
    /// What is needed to take it back.
    #[sqlx(json)]
    pub data: serde_json::Value,
}

/// A part in a message in which both take part.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SharedPart {
    /// The message.
    pub message_id: MessageId,
    /// In which thread, of the one who goes.
    pub thread_id: ThreadId,
    /// As what, of the one who goes.
    pub role: Role,
    /// The agent who wrote or got it for them.
    pub agent_id: Option<AgentId>,
    /// Whether that is sure.
    pub assigned: bool,
    /// Its place in time.
    pub at: Micros,
    /// As what, of the one who is kept.
    pub kept_role: Role,
    /// Whether that was sure.
    pub kept_assigned: bool,
    /// The agent of the other.
    pub kept_agent_id: Option<AgentId>,
}

impl Owned {
    fn statements(self) -> (&'static Sql, &'static Sql) {
        match self {
            Self::Addresses => (&ADDRESSES_GIVE, &ADDRESSES_RETURN),
            Self::Notes => (&NOTES_GIVE, &NOTES_RETURN),
            Self::Events => (&EVENTS_GIVE, &EVENTS_RETURN),
            Self::Tasks => (&TASKS_GIVE, &TASKS_RETURN),
            Self::Unmatched => (&UNMATCHED_GIVE, &UNMATCHED_RETURN),
            Self::Hits => (&HITS_GIVE, &HITS_RETURN),
        }
    }
}

impl Tx {
    /// Gives all rows of one influencer to another; which. Hits must be given before participations: they are found by them.
    pub async fn give_owned(
        &mut self,
        what: Owned,
        from: InfluencerId,
        to: InfluencerId,
    ) -> Result<Vec<Uuid>, StoreError> {
        let rows: Vec<(Uuid,)> = self.all(what.statements().0, values![from, to]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Gives those of these rows that are still one influencer's to another; how many.
    pub async fn return_owned(
        &mut self,
        what: Owned,
        ids: Vec<Uuid>,
        from: InfluencerId,
        to: InfluencerId,
    ) -> Result<u64, StoreError> {
        self.exec(what.statements().1, values![ids, from, to]).await
    }

    /// Says of addresses whether each is written to first.
    pub async fn set_primary(&mut self, addresses: Vec<Uuid>, primary: bool) -> Result<(), StoreError> {
        self.exec(&PRIMARY, values![addresses, primary]).await?;
        Ok(())
    }

    /// The parts of `gone` in messages in which `kept` takes part too.
    pub async fn shared_parts(
        &mut self,
        gone: InfluencerId,
        kept: InfluencerId,
    ) -> Result<Vec<SharedPart>, StoreError> {
        self.all(&SHARED, values![gone, kept]).await
    }

    /// Takes an influencer out of messages.
    pub async fn delete_parts(&mut self, of: InfluencerId, messages: Vec<MessageId>) -> Result<(), StoreError> {
        self.exec(&PARTS_DELETE, values![messages, of]).await?;
        Ok(())
    }

    /// Says as what an influencer takes part in a message.
    pub async fn set_part(
        &mut self,
        message: MessageId,
        of: InfluencerId,
        role: Role,
        assigned: bool,
    ) -> Result<(), StoreError> {
        self.exec(&PART_SET, values![message, of, role, assigned]).await?;
        Ok(())
    }

    /// Says by which agent an influencer takes part in a message, if by any.
    pub async fn set_part_agent(
        &mut self,
        message: MessageId,
        of: InfluencerId,
        agent: Option<AgentId>,
    ) -> Result<(), StoreError> {
        self.exec(&PART_AGENT, values![message, of, agent]).await?;
        Ok(())
    }

    /// Gives all parts of one influencer to another, who takes part in none of those messages; which messages.
    pub async fn give_parts(&mut self, from: InfluencerId, to: InfluencerId) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&PARTS_GIVE, values![from, to]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Gives the parts in these messages back, in a thread; how many.
    pub async fn return_parts(
        &mut self,
        messages: Vec<MessageId>,
        from: InfluencerId,
        (to, thread): (InfluencerId, ThreadId),
    ) -> Result<u64, StoreError> {
        self.exec(&PARTS_RETURN, values![messages, from, to, thread]).await
    }

    /// Whether an influencer has a part in this thread.
    pub async fn has_parts(&mut self, thread: ThreadId, of: InfluencerId) -> Result<bool, StoreError> {
        let row: Option<(MessageId,)> = self.opt(&PARTS_ANY, values![thread, of]).await?;
        Ok(row.is_some())
    }

    /// Moves an influencer's parts in one thread to another thread.
    pub async fn move_parts(&mut self, (from, to): (ThreadId, ThreadId), of: InfluencerId) -> Result<(), StoreError> {
        self.exec(&PARTS_MOVE, values![from, to, of]).await?;
        Ok(())
    }

    /// Gives live threads to an influencer who has none in their conversations.
    pub async fn give_threads(&mut self, threads: Vec<ThreadId>, to: InfluencerId) -> Result<(), StoreError> {
        self.exec(&THREADS_GIVE, values![threads, to]).await?;
        Ok(())
    }

    /// The threads that were joined into one.
    pub async fn threads_merged_into(&mut self, thread: ThreadId) -> Result<Vec<ThreadId>, StoreError> {
        let rows: Vec<(ThreadId,)> = self.all(&THREADS_BELOW, values![thread]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Brings a joined thread back to life, in a conversation in which its influencer has none.
    pub async fn revive_thread(
        &mut self,
        thread: ThreadId,
        conversation: crate::domain::ids::ConversationId,
    ) -> Result<(), StoreError> {
        self.exec(&THREAD_REVIVE, values![thread, conversation]).await?;
        Ok(())
    }

    /// Says into which thread others were joined.
    pub async fn redirect_threads(&mut self, threads: Vec<ThreadId>, into: ThreadId) -> Result<(), StoreError> {
        self.exec(&THREADS_REDIRECT, values![threads, into]).await?;
        Ok(())
    }

    /// Counts the messages of threads anew, and when the newest was said; without any, that stays as it is.
    pub async fn recount_threads(&mut self, threads: Vec<ThreadId>) -> Result<(), StoreError> {
        self.exec(&THREADS_RECOUNT, values![threads]).await?;
        Ok(())
    }

    /// Says whose turn it is in a thread.
    pub async fn set_thread_turn(&mut self, thread: ThreadId, awaiting: Option<Awaiting>) -> Result<(), StoreError> {
        self.exec(&THREAD_TURN, values![thread, awaiting]).await?;
        Ok(())
    }

    /// Says when the newest message of an influencer was said and whose turn it is.
    pub async fn set_touch(
        &mut self,
        id: InfluencerId,
        last_message_at: Option<Micros>,
        awaiting: Option<Awaiting>,
    ) -> Result<(), StoreError> {
        self.exec(&TOUCH_SET, values![id, last_message_at, awaiting]).await?;
        Ok(())
    }

    /// When the newest message on an influencer's timeline was said.
    pub async fn newest_part(&mut self, id: InfluencerId) -> Result<Option<Micros>, StoreError> {
        let row: Option<(Micros,)> = self.opt(&PARTS_NEWEST, values![id]).await?;
        Ok(row.map(|(at,)| at))
    }

    /// Takes a network with this handle from an influencer.
    pub async fn delete_network(&mut self, id: InfluencerId, network: &str, handle: &str) -> Result<(), StoreError> {
        self.exec(&NETWORK_DELETE, values![id, network, handle]).await?;
        Ok(())
    }

    /// Makes a run that is over somebody's, under a number they have not had yet.
    pub async fn give_enrollment(&mut self, id: EnrollmentId, to: InfluencerId, run: i64) -> Result<(), StoreError> {
        self.exec(&ENROLLMENT_GIVE, values![id, to, run]).await?;
        Ok(())
    }

    /// Marks a record as merged into another: its handle is free, and no word finds it.
    pub async fn bury_influencer(
        &mut self,
        id: InfluencerId,
        into: InfluencerId,
        at: Micros,
    ) -> Result<(), StoreError> {
        // No key of a handle has a blank: nobody can type this one.
        let key = format!("merged {}", id.0.simple());
        self.exec(&BURY, values![id, into, key, at]).await?;
        self.exec(&WORDS_DELETE, values![id]).await?;
        Ok(())
    }

    /// Makes a merged record one of its own again.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the handle was taken meanwhile.
    pub async fn unbury_influencer(&mut self, i: &Influencer, handle_key: &str, at: Micros) -> Result<(), StoreError> {
        self.exec(&UNBURY, values![i.id, handle_key, at]).await?;
        self.insert_many(&WORDS, words_of(&[i])).await?;
        Ok(())
    }

    /// A merged record, locked; none where it is not merged into this one.
    pub async fn lock_merged(
        &mut self,
        id: InfluencerId,
        into: InfluencerId,
    ) -> Result<Option<Influencer>, StoreError> {
        let row: Option<InfluencerRow> = self.opt(&MERGED_LOCK, values![id, into]).await?;
        Ok(row.map(Influencer::from))
    }

    /// Into whom a record was merged.
    pub async fn merged_into(&mut self, id: InfluencerId) -> Result<Option<InfluencerId>, StoreError> {
        let row: Option<(InfluencerId,)> = self.opt(&MERGED_INTO, values![id]).await?;
        Ok(row.map(|(id,)| id))
    }

    /// Keeps what was done.
    pub async fn insert_merge(&mut self, row: MergeRow) -> Result<(), StoreError> {
        self.exec(&MERGE_INSERT, values![row.id, row.kept, row.gone, row.by, row.at, row.data]).await?;
        Ok(())
    }

    /// The joining in which a record went, as long as it was not taken back.
    pub async fn merge_of_gone(&mut self, gone: InfluencerId) -> Result<Option<MergeRow>, StoreError> {
        self.opt(&MERGE_OF_GONE, values![gone]).await
    }

    /// What was joined into a record and not taken back, newest first.
    pub async fn merges_into(&mut self, kept: InfluencerId) -> Result<Vec<MergeRow>, StoreError> {
        self.all(&MERGES_INTO, values![kept]).await
    }

    /// Notes that a joining was taken back; `false` where it was before.
    pub async fn close_merge(&mut self, id: MergeId, at: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&MERGE_CLOSE, values![id, at]).await? > 0)
    }
}

statements! {
    #[hot] ADDRESSES_GIVE = "UPDATE address SET influencer_id = $2 WHERE influencer_id = $1 RETURNING id";
    #[hot] ADDRESSES_RETURN = "UPDATE address SET influencer_id = $3 WHERE id = ANY($1::uuid[]) AND influencer_id = $2";
    #[hot] NOTES_GIVE = "UPDATE note SET influencer_id = $2 WHERE influencer_id = $1 RETURNING id";
    #[hot] NOTES_RETURN = "UPDATE note SET influencer_id = $3 WHERE id = ANY($1::uuid[]) AND influencer_id = $2";
    #[hot] EVENTS_GIVE = "UPDATE event SET influencer_id = $2 WHERE influencer_id = $1 RETURNING id";
    #[hot] EVENTS_RETURN = "UPDATE event SET influencer_id = $3 WHERE id = ANY($1::uuid[]) AND influencer_id = $2";
    #[hot] TASKS_GIVE = "UPDATE task SET influencer_id = $2 WHERE influencer_id = $1 RETURNING id";
    #[hot] TASKS_RETURN = "UPDATE task SET influencer_id = $3 WHERE id = ANY($1::uuid[]) AND influencer_id = $2";
    // Few wait, and a person joins two seldom: no index for it.
    UNMATCHED_GIVE = "UPDATE unmatched SET influencer_id = $2 WHERE influencer_id = $1 RETURNING message_id";
    #[hot] UNMATCHED_RETURN = "UPDATE unmatched SET influencer_id = $3 WHERE message_id = ANY($1::uuid[]) AND influencer_id = $2";
    #[hot] HITS_GIVE = "UPDATE hit SET influencer_id = $2 WHERE message_id IN (SELECT p.message_id FROM participation p WHERE p.influencer_id = $1) \
        AND influencer_id = $1 RETURNING id";
    #[hot] HITS_RETURN = "UPDATE hit SET influencer_id = $3 WHERE id = ANY($1::uuid[]) AND influencer_id = $2";
    #[hot] PRIMARY = "UPDATE address SET is_primary = $2 WHERE id = ANY($1::uuid[])";
    #[hot] SHARED = "SELECT g.message_id, g.thread_id, g.role, g.agent_id, g.assigned, g.at, k.role AS kept_role, k.assigned AS kept_assigned, k.agent_id AS kept_agent_id \
        FROM participation g JOIN participation k ON k.message_id = g.message_id AND k.influencer_id = $2 WHERE g.influencer_id = $1";
    #[hot] PARTS_DELETE = "DELETE FROM participation WHERE message_id = ANY($1::uuid[]) AND influencer_id = $2";
    #[hot] PART_SET = "UPDATE participation SET role = $3, assigned = $4 WHERE message_id = $1 AND influencer_id = $2";
    #[hot] PART_AGENT = "UPDATE participation SET agent_id = $3 WHERE message_id = $1 AND influencer_id = $2";
    #[hot] PARTS_GIVE = "UPDATE participation SET influencer_id = $2 WHERE influencer_id = $1 RETURNING message_id";
    #[hot] PARTS_RETURN = "UPDATE participation SET influencer_id = $3, thread_id = $4 WHERE message_id = ANY($1::uuid[]) AND influencer_id = $2";
    #[hot] PARTS_ANY = "SELECT message_id FROM participation WHERE thread_id = $1 AND influencer_id = $2 LIMIT 1";
    #[hot] PARTS_MOVE = "UPDATE participation SET thread_id = $2 WHERE thread_id = $1 AND influencer_id = $3";
    #[hot] PARTS_NEWEST = "SELECT at FROM participation WHERE influencer_id = $1 ORDER BY at DESC LIMIT 1";
    #[hot] THREADS_GIVE = "UPDATE thread SET influencer_id = $2 WHERE id = ANY($1::uuid[])";
    #[hot] THREADS_BELOW = "SELECT id FROM thread WHERE merged_into = $1 ORDER BY id";
    #[hot] THREAD_REVIVE = "UPDATE thread SET merged_into = NULL, conversation_id = $2 WHERE id = $1";
    #[hot] THREADS_REDIRECT = "UPDATE thread SET merged_into = $2 WHERE id = ANY($1::uuid[]) AND merged_into IS NOT NULL";
    #[hot] THREADS_RECOUNT = "UPDATE thread SET \
        message_count = (SELECT COUNT(*) FROM participation p WHERE p.thread_id = thread.id), \
        last_message_at = COALESCE((SELECT MAX(p.at) FROM participation p WHERE p.thread_id = thread.id), last_message_at) \
        WHERE id = ANY($1::uuid[])";
    #[hot] THREAD_TURN = "UPDATE thread SET awaiting = $2 WHERE id = $1";
    #[hot] TOUCH_SET = "UPDATE influencer SET last_message_at = $2, awaiting = $3 WHERE id = $1";
    #[hot] NETWORK_DELETE = "DELETE FROM influencer_network WHERE influencer_id = $1 AND network = $2 AND handle = $3";
    #[hot] ENROLLMENT_GIVE = "UPDATE enrollment SET influencer_id = $2, run = $3 WHERE id = $1";
    #[hot] BURY = "UPDATE influencer SET merged_into = $2, handle_key = $3, updated_at = $4, version = version + 1 WHERE id = $1";
    #[hot] UNBURY = "UPDATE influencer SET merged_into = NULL, handle_key = $2, updated_at = $3, version = version + 1 WHERE id = $1";
    #[hot] MERGED_LOCK = select_influencer!("WHERE i.id = $1 AND i.merged_into = $2 FOR UPDATE");
    #[hot] MERGED_INTO = "SELECT merged_into FROM influencer WHERE id = $1 AND merged_into IS NOT NULL";
    #[hot] MERGE_INSERT = "INSERT INTO merge_record (id, kept, gone, by, at, data) VALUES ($1, $2, $3, $4, $5, $6)";
    #[hot] MERGE_OF_GONE = "SELECT id, kept, gone, by, at, data FROM merge_record WHERE gone = $1 AND undone_at IS NULL";
    #[hot] MERGES_INTO = "SELECT id, kept, gone, by, at, data FROM merge_record WHERE kept = $1 AND undone_at IS NULL ORDER BY at DESC, id DESC";
    #[hot] MERGE_CLOSE = "UPDATE merge_record SET undone_at = $2 WHERE id = $1 AND undone_at IS NULL";
}
