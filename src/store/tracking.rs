//! Links that are counted, hits on them, and the keys that sign them. Nothing here judges.

use sqlx::types::Json;
use uuid::Uuid;

use super::dialect::Many;
use super::sql::statements;
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::{EnrollmentId, EventId, HitId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::{EventType, HitKind, Verdict};

/// A message, the number of a link of its, where it leads and its label.
type FoundLink = (Uuid, i64, String, String);

/// A hit as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct HitRow {
    /// Its id.
    pub id: HitId,
    /// In which message.
    pub message_id: MessageId,
    /// Whose message; known once it was judged.
    pub influencer_id: Option<InfluencerId>,
    /// Of what.
    pub kind: HitKind,
    /// Of which link, from 1.
    pub link: Option<i64>,
    /// When.
    pub at: Micros,
    /// GET or HEAD.
    pub method: String,
    /// What it said it was.
    pub agent: String,
    /// The network it came from, where that says something.
    pub network: Option<String>,
    /// What it said of its purpose.
    pub hint: Option<String>,
    /// The verdict, once there is one.
    pub judged: Option<JudgedRow>,
}

/// A verdict as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedRow {
    /// Who it was.
    pub verdict: Verdict,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// Why.
    pub reasons: Vec<String>,
    /// When it was judged.
    pub at: Micros,
    /// By which judge.
    pub judge: i64,
}

#[derive(sqlx::FromRow)]
struct Read {
    id: HitId,
    message_id: MessageId,
    influencer_id: Option<InfluencerId>,
    kind: HitKind,
    link: Option<i64>,
    at: Micros,
    method: String,
    agent: String,
    network: Option<String>,
    hints: Option<sqlx::types::Json<Vec<String>>>,
    verdict: Option<Verdict>,
    confidence: Option<f64>,
    reasons: Option<sqlx::types::Json<Vec<String>>>,
    judged_at: Option<Micros>,
    judge: Option<i64>,
}

impl From<Read> for HitRow {
    fn from(r: Read) -> Self {
        let judged = match (r.verdict, r.confidence, r.judged_at, r.judge) {
            (Some(verdict), Some(confidence), Some(at), Some(judge)) => {
                let reasons = r.reasons.map(|json| json.0).unwrap_or_default();
                Some(JudgedRow { verdict, confidence, reasons, at, judge })
            }
            _ => None,
        };
        Self {
            id: r.id,
            message_id: r.message_id,
            influencer_id: r.influencer_id,
            kind: r.kind,
            link: r.link,
            at: r.at,
            method: r.method,
            agent: r.agent,
            network: r.network,
            hint: r.hints.and_then(|json| json.0.into_iter().next()),
            judged,
        }
    }
}

impl HitRow {
    fn values(self) -> Vec<Value> {
        let hints = self.hint.map(|hint| serde_json::json!([hint]));
        let judged = self.judged;
        let reasons = judged.as_ref().map(|j| serde_json::json!(j.reasons));
        values![
            self.id,
            self.message_id,
            self.influencer_id,
            self.kind,
            self.link,
            self.at,
            self.method,
            self.agent,
            self.network,
            hints,
            judged.as_ref().map(|j| j.verdict),
            judged.as_ref().map(|j| j.confidence),
            reasons,
            judged.as_ref().map(|j| j.at),
            judged.as_ref().map(|j| j.judge),
        ]
    }
}

/// A counted link of a message.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LinkRow {
    /// The message.
    pub message_id: MessageId,
    /// Its number, from 1.
    pub n: i64,
    /// Where it leads.
    pub url: String,
    /// What people see of it.
    pub label: String,
}

/// What judging a hit needs to know of its message.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TrackedMessage {
    /// The message.
    pub id: MessageId,
    /// When its server took it. Where that was found out long after, when it was given it.
    pub delivered_at: Option<Micros>,
    /// The run of a sequence it belongs to.
    pub enrollment_id: Option<EnrollmentId>,
    /// The step of that run.
    pub step: Option<String>,
    /// How many counted links it has.
    pub links: i64,
}

/// An event of a message, as far as counting needs it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct MessageEvent {
    /// Its id.
    pub id: EventId,
    /// What happened.
    #[sqlx(rename = "type")]
    pub kind: EventType,
    /// To whom.
    pub influencer_id: Option<InfluencerId>,
    /// What else there is to say.
    pub data: Option<sqlx::types::Json<serde_json::Value>>,
    /// Whether a machine did it.
    pub machine: Option<bool>,
}

const LINKS: Many = Many { head: "INSERT INTO tracked_link (message_id, n, url, label)", columns: 4, tail: "" };
const HITS: Many = Many {
    head: "INSERT INTO hit (id, message_id, influencer_id, kind, link, at, method, agent, network, hints, verdict, confidence, \
           reasons, judged_at, judge)",
    columns: 15,
    tail: "ON CONFLICT (id) DO UPDATE SET influencer_id = excluded.influencer_id, verdict = excluded.verdict, \
           confidence = excluded.confidence, reasons = excluded.reasons, judged_at = excluded.judged_at, judge = excluded.judge",
};
const SURPLUS: Many = Many {
    head: "INSERT INTO hit_surplus (message_id, hits, last_at)",
    columns: 3,
    tail: "ON CONFLICT (message_id) DO UPDATE SET hits = hit_surplus.hits + excluded.hits, last_at = excluded.last_at",
};

impl Tx {
    /// The keys that links are signed with, newest first.
    pub async fn list_signing_keys(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = self.all(&KEYS, values![]).await?;
        Ok(rows.into_iter().map(|(key,)| key).collect())
    }

    /// Keeps a key under a name, unless there is one under it.
    pub async fn insert_signing_key(&mut self, name: &str, key: Vec<u8>, at: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&KEY_INSERT, values![name, key, at]).await? > 0)
    }

    /// Keeps where the links of a message lead.
    pub async fn insert_links(&mut self, links: Vec<LinkRow>) -> Result<(), StoreError> {
        let rows = links.into_iter().flat_map(|l| values![l.message_id, l.n, l.url, l.label]).collect();
        self.insert_many(&LINKS, rows).await?;
        Ok(())
    }

    /// Links of these messages with these numbers.
    pub async fn find_links(
        &mut self,
        messages: Vec<MessageId>,
        numbers: Vec<i64>,
    ) -> Result<Vec<LinkRow>, StoreError> {
        // In one row: each row of SQLite's crosses from its thread to ours and wakes somebody.
        let found: Option<(Json<Vec<FoundLink>>,)> =
            self.opt(&LINKS_FIND, values![messages, Value::Ints(numbers)]).await?;
        let rows = found.map(|(json,)| json.0).unwrap_or_default().into_iter();
        Ok(rows.map(|(id, n, url, label)| LinkRow { message_id: MessageId(id), n, url, label }).collect())
    }

    /// The links of a message, in order.
    pub async fn list_links(&mut self, message: MessageId) -> Result<Vec<LinkRow>, StoreError> {
        self.all(&LINKS_OF, values![message]).await
    }

    /// Of these messages, those that are in the outbox.
    pub async fn find_sent(&mut self, messages: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
        let found: Option<(Json<Vec<Uuid>>,)> = self.opt(&OUTBOX_THERE, values![messages]).await?;
        Ok(found.map(|(json,)| json.0).unwrap_or_default().into_iter().map(MessageId).collect())
    }

    /// Keeps hits as they come; [`Tx::file_hits`] puts them with the others. In one statement, whatever their number: they come
    /// by the thousand.
    pub async fn insert_hits(&mut self, hits: Vec<HitRow>) -> Result<(), StoreError> {
        let row = |h: HitRow| {
            let (id, message) = (h.id.0.simple().to_string(), h.message_id.0.simple().to_string());
            // As every other text: PostgreSQL keeps no NUL.
            let plain = |text: String| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
            let (agent, network, said) = (plain(h.agent), h.network.map(plain), h.hint.map(|hint| [plain(hint)]));
            serde_json::json!([id, message, h.kind, h.link, h.at.0, plain(h.method), agent, network, said])
        };
        let rows: Vec<serde_json::Value> = hits.into_iter().map(row).collect();
        if !rows.is_empty() {
            self.exec(&HITS_ADD, values![serde_json::Value::Array(rows)]).await?;
        }
        Ok(())
    }

    /// When the oldest hit came that is not filed; in the order of the clocks of those who took them.
    pub async fn next_new_hit_at(&mut self) -> Result<Option<Micros>, StoreError> {
        let row: Option<(Micros,)> = self.opt(&HITS_NEW, values![]).await?;
        Ok(row.map(|(at,)| at))
    }

    /// Files so many of the hits that came, the oldest first: from then on they are among those of their message. How many
    /// there were; one that is filed already is let go. Waits for those that another files at the same time, and does not
    /// count them.
    pub async fn file_hits(&mut self, limit: i64) -> Result<u64, StoreError> {
        if self.is_sqlite() {
            self.exec(&HITS_FILE, values![limit]).await?;
            return self.exec(&HITS_FILED, values![limit]).await;
        }
        let row: Option<(i64,)> = self.opt(&HITS_FILE, values![limit]).await?;
        Ok(row.map_or(0, |(n,)| n.unsigned_abs()))
    }

    /// Keeps hits; of those that are there already, the verdict.
    pub async fn upsert_hits(&mut self, hits: Vec<HitRow>) -> Result<(), StoreError> {
        let rows = hits.into_iter().flat_map(HitRow::values).collect();
        self.insert_many(&HITS, rows).await?;
        Ok(())
    }

    /// Adds to what was counted and not kept: (message, how many).
    pub async fn add_hit_surplus(&mut self, counts: Vec<(MessageId, i64)>, at: Micros) -> Result<(), StoreError> {
        let rows = counts.into_iter().flat_map(|(id, n)| values![id, n, at]).collect();
        self.insert_many(&SURPLUS, rows).await?;
        Ok(())
    }

    /// How many hits of a message were counted and not kept.
    pub async fn get_hit_surplus(&mut self, message: MessageId) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = self.opt(&SURPLUS_OF, values![message]).await?;
        Ok(row.map_or(0, |(n,)| n))
    }

    /// Hits of a message from an instant on, in the order they came.
    pub async fn list_hits(&mut self, message: MessageId, from: Micros, limit: i64) -> Result<Vec<HitRow>, StoreError> {
        let rows: Vec<Read> = self.all(&HITS_OF, values![message, from, limit]).await?;
        Ok(rows.into_iter().map(HitRow::from).collect())
    }

    /// When the oldest hit of a message came that was not judged.
    pub async fn first_unjudged_of(&mut self, message: MessageId) -> Result<Option<Micros>, StoreError> {
        let row: Option<(Micros,)> = self.opt(&UNJUDGED_OF, values![message]).await?;
        Ok(row.map(|(at,)| at))
    }

    /// When the oldest hit came that was not judged, filed or not.
    pub async fn next_unjudged_at(&mut self) -> Result<Option<Micros>, StoreError> {
        let filed: Option<(Micros,)> = self.opt(&UNJUDGED_NEXT, values![]).await?;
        let new = self.next_new_hit_at().await?;
        Ok(filed.map(|(at,)| at).into_iter().chain(new).min())
    }

    /// Messages with a hit up to an instant that was not judged: of so many hits, oldest first.
    pub async fn list_unjudged(&mut self, until: Micros, hits: i64) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&UNJUDGED, values![until, hits]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Messages hit since an instant, in the order of their ids, after one of them. Reads every hit.
    pub async fn list_hit_since(
        &mut self,
        since: Micros,
        after: Option<MessageId>,
        limit: i64,
    ) -> Result<Vec<MessageId>, StoreError> {
        let after = after.unwrap_or(MessageId(uuid::Uuid::nil()));
        let rows: Vec<(MessageId,)> = self.all(&HIT_SINCE, values![since, after, limit]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// What judging needs to know of a message; locked, so that two do not judge it at once.
    pub async fn lock_tracked(&mut self, message: MessageId) -> Result<Option<TrackedMessage>, StoreError> {
        self.opt(&TRACKED, values![message]).await
    }

    /// The events of a message that say it was opened, clicked, or its reader unsubscribed; oldest first.
    pub async fn list_reader_events(&mut self, message: MessageId) -> Result<Vec<MessageEvent>, StoreError> {
        self.all(&READER_EVENTS, values![message]).await
    }

    /// Says anew what an event says, and whether a machine did it.
    pub async fn rescore_event(
        &mut self,
        id: EventId,
        machine: bool,
        data: serde_json::Value,
    ) -> Result<(), StoreError> {
        self.exec(&EVENT_RESCORE, values![id, machine, data]).await?;
        Ok(())
    }

    /// Notes on the step of a message that a person opened or clicked it, where that was not known. A click is an open.
    pub async fn mark_step_read(
        &mut self,
        message: MessageId,
        opened_at: Option<Micros>,
        clicked_at: Option<Micros>,
    ) -> Result<(), StoreError> {
        self.exec(&STEP_READ, values![message, opened_at, clicked_at]).await?;
        Ok(())
    }

    /// Takes back from the step of a message what [`Tx::mark_step_read`] noted at one of these instants.
    pub async fn unmark_step_read(&mut self, message: MessageId, at: Vec<Micros>) -> Result<(), StoreError> {
        let at: Vec<i64> = at.into_iter().map(|at| at.0).collect();
        self.exec(&STEP_UNOPENED, values![message, Value::Ints(at.clone())]).await?;
        self.exec(&STEP_UNCLICKED, values![message, Value::Ints(at)]).await?;
        Ok(())
    }

    /// What waits to go to this address and to nobody else.
    pub async fn list_waiting_to(&mut self, address_key: &str) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&WAITING_TO, values![address_key]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}

statements! {
    KEYS = "SELECT key FROM signing_key ORDER BY at DESC, name DESC";
    KEY_INSERT = "INSERT INTO signing_key (name, key, at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
    #[hot] LINKS_FIND = "SELECT COALESCE(jsonb_agg(jsonb_build_array(message_id, n, url, label)), '[]') FROM tracked_link \
        WHERE message_id = ANY($1::uuid[]) AND n = ANY($2::bigint[])",
        sqlite: "SELECT json_group_array(json_array(lower(hex(message_id)), n, url, label)) FROM tracked_link \
        WHERE message_id IN (SELECT unhex(value) FROM json_each($1)) AND n IN (SELECT value FROM json_each($2))";
    #[hot] LINKS_OF = "SELECT message_id, n, url, label FROM tracked_link WHERE message_id = $1 ORDER BY n";
    #[hot] OUTBOX_THERE = "SELECT COALESCE(jsonb_agg(id), '[]') FROM outbox WHERE id = ANY($1::uuid[])",
        sqlite: "SELECT json_group_array(lower(hex(id))) FROM outbox WHERE id IN (SELECT unhex(value) FROM json_each($1))";
    HITS_ADD = "INSERT INTO hit_new (id, message_id, kind, link, at, method, agent, network, hints) SELECT (v->>0)::uuid, (v->>1)::uuid, \
        v->>2, (v->>3)::bigint, (v->>4)::bigint, v->>5, v->>6, v->>7, NULLIF(v->8, 'null'::jsonb) FROM jsonb_array_elements($1::jsonb) AS v",
        sqlite: "INSERT INTO hit_new (id, message_id, kind, link, at, method, agent, network, hints) SELECT unhex(value->>0), \
        unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, NULLIF(value->8, 'null') \
        FROM json_each($1)";
    // The first row of a table that is kept in this order.
    HITS_NEW = "SELECT at FROM hit_new ORDER BY id LIMIT 1";
    // In the order of the index they are put under: neighbours share its pages. What came while its message was erased is let go.
    // Locked before the messages they are of; erasing, which locks in the other order, passes over those that are filed now.
    HITS_FILE = "WITH gone AS (DELETE FROM hit_new WHERE id IN (SELECT id FROM hit_new ORDER BY id LIMIT $1 FOR UPDATE) \
        RETURNING id, message_id, kind, link, at, method, agent, network, hints), \
        there AS (SELECT gone.* FROM gone JOIN outbox o ON o.id = gone.message_id ORDER BY o.id, gone.at FOR KEY SHARE OF o), \
        kept AS (INSERT INTO hit (id, message_id, kind, link, at, method, agent, network, hints) \
        SELECT * FROM there ON CONFLICT (id) DO NOTHING) SELECT COUNT(*) FROM gone",
        sqlite: "INSERT INTO hit (id, message_id, kind, link, at, method, agent, network, hints) \
        SELECT * FROM (SELECT id, message_id, kind, link, at, method, agent, network, hints FROM hit_new ORDER BY id LIMIT $1) n \
        WHERE EXISTS (SELECT 1 FROM outbox o WHERE o.id = n.message_id) ORDER BY message_id, at ON CONFLICT (id) DO NOTHING";
    HITS_FILED = "DELETE FROM hit_new WHERE id IN (SELECT id FROM hit_new ORDER BY id LIMIT $1)";
    #[hot] SURPLUS_OF = "SELECT hits FROM hit_surplus WHERE message_id = $1";
    #[hot] HITS_OF = "SELECT id, message_id, influencer_id, kind, link, at, method, agent, network, hints, verdict, confidence, \
        reasons, judged_at, judge FROM hit WHERE message_id = $1 AND at >= $2 ORDER BY at, id LIMIT $3";
    #[hot] UNJUDGED_OF = "SELECT at FROM hit WHERE message_id = $1 AND judged_at IS NULL ORDER BY at LIMIT 1";
    #[hot] UNJUDGED_NEXT = "SELECT at FROM hit WHERE judged_at IS NULL ORDER BY at, id LIMIT 1";
    #[hot] UNJUDGED = "SELECT message_id FROM (SELECT message_id FROM hit WHERE judged_at IS NULL AND at <= $1 \
        ORDER BY at, id LIMIT $2) w GROUP BY message_id";
    HIT_SINCE = "SELECT message_id FROM hit WHERE at >= $1 AND message_id > $2 GROUP BY message_id ORDER BY message_id LIMIT $3";
    #[hot] TRACKED = "SELECT o.id, CASE WHEN o.status = 'confirmed' AND o.finished_at - o.handed_over_at < 600000000 THEN o.finished_at \
          WHEN o.status = 'confirmed' THEN COALESCE(o.handed_over_at, o.finished_at) ELSE o.handed_over_at END AS delivered_at, o.enrollment_id, o.step, (SELECT COUNT(*) FROM tracked_link l WHERE l.message_id = o.id) AS links \
        FROM outbox o WHERE o.id = $1 FOR UPDATE";
    #[hot] READER_EVENTS = "SELECT id, type, influencer_id, data, machine FROM event WHERE message_id = $1 \
        AND type IN ('message.opened', 'message.clicked', 'influencer.unsubscribed') ORDER BY at, id";
    #[hot] EVENT_RESCORE = "UPDATE event SET machine = $2, data = $3 WHERE id = $1";
    #[hot] STEP_READ = "UPDATE enrollment_step SET opened_at = COALESCE(opened_at, $2, $3), clicked_at = COALESCE(clicked_at, $3) \
        WHERE message_id = $1";
    #[hot] STEP_UNOPENED = "UPDATE enrollment_step SET opened_at = NULL WHERE message_id = $1 AND opened_at = ANY($2::bigint[])";
    #[hot] STEP_UNCLICKED = "UPDATE enrollment_step SET clicked_at = NULL WHERE message_id = $1 AND clicked_at = ANY($2::bigint[])";
    #[hot] WAITING_TO = "SELECT o.id FROM outbox_recipient r JOIN outbox o ON o.id = r.outbox_id WHERE r.address_key = $1 \
        AND r.state IN ('pending', 'deferred') AND o.status IN ('review', 'queued', 'deferred', 'claimed') \
        AND NOT EXISTS (SELECT 1 FROM outbox_recipient e WHERE e.outbox_id = o.id AND e.address_key <> $1) ORDER BY o.id";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&LINKS, &HITS, &SURPLUS];
