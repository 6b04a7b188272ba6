//! Events: facts that happened, append-only, each with the stage it met.
//!
//! An event gets its `seq` after its transaction committed, from whoever holds the sequencer's lease, so that a reader
//! who has seen number n has seen everything up to n.

use super::dialect::Many;
use super::sql::statements;
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::{EnrollmentId, EventId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::EventType;

/// An event to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// What happened.
    pub kind: EventType,
    /// When, in business time.
    pub at: Micros,
    /// To whom.
    pub influencer_id: Option<InfluencerId>,
    /// The stage they were in at that moment.
    pub stage: Option<String>,
    /// In which message.
    pub message_id: Option<MessageId>,
    /// What else there is to say.
    pub data: Option<serde_json::Value>,
    /// In which run of a sequence.
    pub enrollment_id: Option<EnrollmentId>,
    /// Whether a machine did it, for opens and clicks.
    pub machine: Option<bool>,
}

/// An event as it is read.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct EventRow {
    /// Its id.
    pub id: EventId,
    /// What happened.
    #[sqlx(rename = "type")]
    pub kind: EventType,
    /// When.
    pub at: Micros,
    /// To whom.
    pub influencer_id: Option<InfluencerId>,
    /// The stage it met.
    pub stage: Option<String>,
    /// In which message.
    pub message_id: Option<MessageId>,
    /// What else there is to say.
    pub data: Option<sqlx::types::Json<serde_json::Value>>,
    /// In which run of a sequence.
    pub enrollment_id: Option<EnrollmentId>,
    /// Its place in the stream; `None` for the moment until it has one.
    pub seq: Option<i64>,
}

const EVENTS: Many = Many {
    head: "INSERT INTO event (id, type, at, influencer_id, stage, message_id, data, enrollment_id, machine)",
    columns: 9,
    tail: "",
};

impl Tx {
    /// Appends events.
    pub async fn insert_events(&mut self, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let rows: Vec<Value> = events
            .into_iter()
            .flat_map(|e| {
                values![e.id, e.kind, e.at, e.influencer_id, e.stage, e.message_id, e.data, e.enrollment_id, e.machine]
            })
            .collect();
        self.insert_many(&EVENTS, rows).await?;
        Ok(())
    }

    /// Gives the next numbers to events that have none, oldest first; how many got one. The caller holds the
    /// sequencer's lease.
    pub async fn number_events(&mut self, at_most: i64) -> Result<u64, StoreError> {
        self.exec(&SEQUENCER_ENSURE, values![]).await?;
        let (noted,): (i64,) = self.one(&SEQUENCER_LOCK, values![]).await?;
        // Events of somebody who is erased may go while their numbers are given out: how many rows were changed does not say which
        // number was the last. Gaps harm nobody.
        let (given,): (i64,) = self.one(&EVENTS_LAST, values![]).await?;
        let done = self.exec(&EVENTS_NUMBER, values![noted.max(given), at_most]).await?;
        if done > 0 {
            let (last,): (i64,) = self.one(&EVENTS_LAST, values![]).await?;
            self.exec(&SEQUENCER_SET, values![last.max(noted)]).await?;
        }
        Ok(done)
    }

    /// Whether somebody said no since an instant, in whatever way.
    pub async fn has_said_no_since(&mut self, influencer: InfluencerId, since: Micros) -> Result<bool, StoreError> {
        let row: Option<(EventId,)> = self.opt(&EVENTS_NO, values![influencer, since]).await?;
        Ok(row.is_some())
    }

    /// What was said of the bounces that came back for an influencer since an instant.
    pub async fn list_bounces(
        &mut self,
        influencer: InfluencerId,
        since: Micros,
    ) -> Result<Vec<serde_json::Value>, StoreError> {
        let rows: Vec<(Option<sqlx::types::Json<serde_json::Value>>,)> =
            self.all(&EVENTS_BOUNCES, values![influencer, since]).await?;
        Ok(rows.into_iter().filter_map(|(data,)| data.map(|json| json.0)).collect())
    }

    /// Whether there are events without a number.
    pub async fn has_unnumbered_events(&mut self) -> Result<bool, StoreError> {
        let row: Option<(EventId,)> = self.opt(&EVENTS_UNNUMBERED, values![]).await?;
        Ok(row.is_some())
    }

    /// Events after a number, in order.
    pub async fn list_events(&mut self, after: i64, limit: i64) -> Result<Vec<EventRow>, StoreError> {
        self.all(&EVENTS_AFTER, values![after, limit]).await
    }

    /// Events in the order they were written, after an id; numbered or not. For a database that one process alone writes to.
    pub async fn list_events_written(&mut self, after: EventId, limit: i64) -> Result<Vec<EventRow>, StoreError> {
        self.all(&EVENTS_WRITTEN, values![after, limit]).await
    }

    /// The newest number given so far.
    pub async fn last_event_seq(&mut self) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = self.opt(&SEQUENCER_LAST, values![]).await?;
        Ok(row.map_or(0, |(seq,)| seq))
    }

    /// Events of one influencer before a place in time, newest first.
    pub async fn list_timeline_events(
        &mut self,
        influencer: InfluencerId,
        before: (Micros, uuid::Uuid),
        limit: i64,
    ) -> Result<Vec<EventRow>, StoreError> {
        self.all(&EVENTS_TIMELINE, values![influencer, before.0, before.1, limit]).await
    }
}

statements! {
    #[hot] EVENTS_WRITTEN = "SELECT id, type, at, influencer_id, stage, message_id, data, seq, enrollment_id FROM event WHERE id > $1 ORDER BY id LIMIT $2";
    SEQUENCER_ENSURE = "INSERT INTO sequencer (name, last_seq) VALUES ('event', 0) ON CONFLICT (name) DO NOTHING";
    SEQUENCER_LOCK = "SELECT last_seq FROM sequencer WHERE name = 'event' FOR UPDATE";
    #[hot] EVENTS_NUMBER = "UPDATE event SET seq = n.seq FROM (SELECT id, $1::bigint + ROW_NUMBER() OVER (ORDER BY id) AS seq FROM \
        (SELECT id FROM event WHERE seq IS NULL ORDER BY id LIMIT $2) w) n WHERE event.id = n.id";
    EVENTS_LAST = "SELECT COALESCE(MAX(seq), 0) FROM event";
    #[hot] EVENTS_UNNUMBERED = "SELECT id FROM event WHERE seq IS NULL LIMIT 1";
    #[hot] EVENTS_NO = "SELECT id FROM event WHERE influencer_id = $1 AND at >= $2 \
        AND type IN ('influencer.unsubscribed', 'message.complained') LIMIT 1";
    #[hot] EVENTS_BOUNCES = "SELECT data FROM event WHERE influencer_id = $1 AND at >= $2 AND type = 'message.bounced'";
    SEQUENCER_SET = "UPDATE sequencer SET last_seq = $1 WHERE name = 'event'";
    SEQUENCER_LAST = "SELECT last_seq FROM sequencer WHERE name = 'event'";
    #[hot] EVENTS_AFTER = "SELECT id, type, at, influencer_id, stage, message_id, data, enrollment_id, seq FROM event \
        WHERE seq > $1 ORDER BY seq LIMIT $2";
    #[hot] EVENTS_TIMELINE = "SELECT id, type, at, influencer_id, stage, message_id, data, enrollment_id, seq FROM event \
        WHERE influencer_id = $1 AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&EVENTS];
