//! Deleting what was kept long enough, a batch at a time, and never what is still needed.
//!
//! A page of the oldest is read, each row with whether something still needs it; what nothing needs is deleted, and the next page
//! begins behind the last row, so that rows which stay cost one look in a round.

use uuid::Uuid;

use super::sql::{Sql, statements};
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::ids::{EventId, MessageId};
use crate::domain::time::Micros;

/// Why a file beside a message is not here any more.
pub const KEPT_LONG_ENOUGH: &str = "it was kept as long as [retention] originals says";

/// A place among messages, by when they were stored.
pub type Place = (Micros, Uuid);

#[derive(sqlx::FromRow)]
struct Old {
    id: MessageId,
    stored_at: Micros,
    raw_hash: Option<Vec<u8>>,
    clean_hash: Option<Vec<u8>>,
    needed: bool,
}

#[derive(sqlx::FromRow)]
struct OldEvent {
    id: EventId,
    seq: i64,
    at: Micros,
    needed: bool,
}

/// What came of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<P> {
    /// How many were deleted.
    pub deleted: u64,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<P>,
}

impl Tx {
    /// Deletes the original mail of messages that were stored before an instant, from a place on, and the files beside them. What stays: of messages that have
    /// not come to an end or wait for their copy in Sent, that wait for a person or whose task is open, and the newest of each
    /// thread.
    pub async fn delete_originals(
        &mut self,
        before: Micros,
        after: Option<Place>,
        at_most: i64,
    ) -> Result<Page<Place>, StoreError> {
        let (gone, next) = self.list_old(&ORIGINALS, (before, after), at_most).await?;
        let ids: Vec<MessageId> = gone.iter().map(|row| row.id).collect();
        let hashes: Vec<Vec<u8>> = gone.into_iter().flat_map(|row| [row.raw_hash, row.clean_hash]).flatten().collect();
        if ids.is_empty() {
            return Ok(Page { deleted: 0, next });
        }
        self.exec(&CLEAN_LET_GO, values![ids.clone()]).await?;
        let deleted = self.exec(&ORIGINAL_LET_GO, values![ids.clone()]).await?;
        self.let_files_go(ids, KEPT_LONG_ENOUGH).await?;
        self.exec(&RAW_DELETE, values![hashes]).await?;
        Ok(Page { deleted, next })
    }

    /// Lets the files go, from a place on, beside messages that were stored before an instant and have no original any more: one that
    /// could not be kept without somebody who was erased, say. The newest of each thread stays, and what waits for a person.
    pub async fn let_old_files_go(
        &mut self,
        before: Micros,
        after: Option<Place>,
        at_most: i64,
    ) -> Result<Page<Place>, StoreError> {
        let (gone, next) = self.list_old(&FILES_OLD, (before, after), at_most).await?;
        let ids: Vec<MessageId> = gone.into_iter().map(|row| row.id).collect();
        let deleted = if ids.is_empty() { 0 } else { self.let_files_go(ids, KEPT_LONG_ENOUGH).await? };
        Ok(Page { deleted, next })
    }

    /// A page of what is old: what nothing needs of it, and where the next begins.
    async fn list_old(
        &mut self,
        statement: &'static Sql,
        (before, after): (Micros, Option<Place>),
        at_most: i64,
    ) -> Result<(Vec<Old>, Option<Place>), StoreError> {
        let (at, id) = after.unwrap_or((Micros(i64::MIN), Uuid::nil()));
        let mut rows: Vec<Old> = self.all(statement, values![before, at, id, at_most]).await?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|n| n >= at_most);
        let next = rows.last().filter(|_| is_full).map(|row| (row.stored_at, row.id.0));
        rows.retain(|row| !row.needed);
        Ok((rows, next))
    }

    /// Deletes events of before an instant, after a number. What stays: the moves between stages, who joined, and every no; what a
    /// run that goes on or a message that has not come to an end is about; what a webhook is still to be told. Ends at the first
    /// page without anything old.
    pub async fn delete_events(
        &mut self,
        before: Micros,
        after: Option<i64>,
        at_most: i64,
    ) -> Result<Page<i64>, StoreError> {
        let (told,): (Option<i64>,) = self.one(&EVENTS_TOLD, values![]).await?;
        let bound = values![after.unwrap_or(0), at_most, told.unwrap_or(i64::MAX)];
        let rows: Vec<OldEvent> = self.all(&EVENTS_OLD, bound).await?;
        let is_old = |row: &OldEvent| row.at < before;
        let is_full = i64::try_from(rows.len()).is_ok_and(|n| n >= at_most) && rows.iter().any(is_old);
        let next = rows.last().filter(|_| is_full).map(|row| row.seq);
        let gone: Vec<EventId> = rows.iter().filter(|row| is_old(row) && !row.needed).map(|row| row.id).collect();
        if gone.is_empty() {
            return Ok(Page { deleted: 0, next });
        }
        Ok(Page { deleted: self.exec(&EVENTS_DELETE, values![gone]).await?, next })
    }

    /// Deletes hits of before an instant that were judged; how many.
    pub async fn delete_hits(&mut self, before: Micros, at_most: i64) -> Result<u64, StoreError> {
        self.exec(&HITS_DELETE, values![before, at_most]).await
    }
}

statements! {
    #[hot] ORIGINALS = "SELECT m.id, m.stored_at, m.raw_hash, o.clean_hash, \
        (COALESCE(o.status IN ('review', 'queued', 'claimed', 'handed_over', 'deferred', 'uncertain') OR o.file_copy, FALSE) \
          OR EXISTS (SELECT 1 FROM unmatched u WHERE u.message_id = m.id AND u.resolved_at IS NULL) \
          OR EXISTS (SELECT 1 FROM task k WHERE k.message_id = m.id AND k.state = 'open') \
          OR EXISTS (SELECT 1 FROM participation p JOIN thread t ON t.id = p.thread_id \
            WHERE p.message_id = m.id AND p.at >= t.last_message_at)) AS needed \
        FROM message m LEFT JOIN outbox o ON o.id = m.id \
        WHERE m.raw_hash IS NOT NULL AND m.stored_at < $1 AND (m.stored_at, m.id) > ($2, $3) ORDER BY m.stored_at, m.id LIMIT $4";
    #[hot] FILES_OLD = "SELECT m.id, f.stored_at, m.raw_hash, m.raw_hash AS clean_hash, \
        (EXISTS (SELECT 1 FROM unmatched u WHERE u.message_id = m.id AND u.resolved_at IS NULL) \
          OR EXISTS (SELECT 1 FROM task k WHERE k.message_id = m.id AND k.state = 'open') \
          OR EXISTS (SELECT 1 FROM participation p JOIN thread t ON t.id = p.thread_id \
            WHERE p.message_id = m.id AND p.at >= t.last_message_at)) AS needed \
        FROM (SELECT DISTINCT stored_at, message_id FROM message_file WHERE state <> 'gone' AND stored_at < $1 \
          AND (stored_at, message_id) > ($2, $3)) f JOIN message m ON m.id = f.message_id \
        WHERE m.raw_hash IS NULL ORDER BY f.stored_at, m.id LIMIT $4";
    #[hot] CLEAN_LET_GO = "UPDATE outbox SET clean_hash = NULL WHERE id = ANY($1::uuid[])";
    #[hot] ORIGINAL_LET_GO = "UPDATE message SET raw_hash = NULL WHERE id = ANY($1::uuid[])";
    #[hot] RAW_DELETE = "DELETE FROM raw WHERE hash = ANY($1::bytea[]) AND NOT EXISTS (SELECT 1 FROM message m WHERE m.raw_hash = raw.hash) \
        AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.clean_hash = raw.hash)";
    #[hot] EVENTS_OLD = "SELECT e.id, e.seq, e.at, \
        (e.type IN ('influencer.created', 'influencer.stage_changed', 'influencer.unsubscribed', 'message.complained') \
          OR (e.type = 'influencer.updated' AND e.data ->> 'removed' IS NOT NULL) \
          OR EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.event_id = e.id AND d.state = 'pending') \
          OR e.seq > $3 \
          OR EXISTS (SELECT 1 FROM enrollment r WHERE r.id = e.enrollment_id AND r.state IN ('active', 'held', 'paused')) \
          OR EXISTS (SELECT 1 FROM outbox o WHERE o.id = e.message_id \
            AND o.status IN ('review', 'queued', 'claimed', 'handed_over', 'deferred', 'uncertain'))) AS needed \
        FROM event e WHERE e.seq > $1 ORDER BY e.seq LIMIT $2";
    EVENTS_TOLD = "SELECT MIN(seen_seq) FROM webhook WHERE state = 'enabled'";
    #[hot] EVENTS_DELETE = "DELETE FROM event WHERE id = ANY($1::uuid[])";
    #[hot] HITS_DELETE = "DELETE FROM hit WHERE id IN (SELECT id FROM hit WHERE at < $1 AND judged_at IS NOT NULL ORDER BY at, id LIMIT $2)";
}
