//! Copies what planning goes by from one database into an empty one: for the simulator, which runs the engine itself on it.
//!
//! Nothing that strangers wrote is copied: no raw mail, no text of a message, no events but bounces. What is on its way is
//! copied as waiting, for a simulated world is one where every hand-over succeeds.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, FromRow, Row as _, TypeInfo as _, ValueRef as _};
use uuid::Uuid;

use super::dialect::Many;
use super::sql::{Sql, statements};
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::time::Micros;

/// How far back places in time are copied: as far as limits look.
const BACK: std::time::Duration = std::time::Duration::from_hours(60);
/// How far back bounces count.
const BOUNCES_BACK: std::time::Duration = std::time::Duration::from_hours(15 * 24);
/// Ids bound at once.
const IDS_AT_ONCE: usize = 500;

/// A row of any table, its values in the order of its columns.
struct Whole(Vec<Value>);

impl FromRow<'_, SqliteRow> for Whole {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let value = |n: usize| {
            let raw = row.try_get_raw(n)?;
            if raw.is_null() {
                return Ok(Value::Text(None));
            }
            Ok(match raw.type_info().name() {
                "INTEGER" | "BOOLEAN" => Value::Int(row.try_get_unchecked(n)?),
                "REAL" => Value::Real(row.try_get_unchecked(n)?),
                "BLOB" => Value::Octets(row.try_get_unchecked(n)?),
                _ => Value::Text(row.try_get_unchecked(n)?),
            })
        };
        (0..row.len()).map(value).collect::<Result<_, sqlx::Error>>().map(Self)
    }
}

impl FromRow<'_, PgRow> for Whole {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let value = |n: usize| {
            Ok(match row.try_column(n)?.type_info().name() {
                "INT8" => Value::Int(row.try_get(n)?),
                "BOOL" => Value::Bool(row.try_get(n)?),
                "FLOAT8" => Value::Real(row.try_get(n)?),
                "UUID" => Value::Id(row.try_get(n)?),
                "BYTEA" => Value::Octets(row.try_get(n)?),
                "JSONB" => Value::Json(row.try_get(n)?),
                _ => Value::Text(row.try_get(n)?),
            })
        };
        (0..row.len()).map(value).collect::<Result<_, sqlx::Error>>().map(Self)
    }
}

/// A table that is copied: how its rows are read, and how they are written.
struct Copied {
    read: &'static Sql,
    write: &'static Many,
}

/// `READ, WRITE: table, how many columns, [columns] from …;`, and the columns as they are read where that differs.
macro_rules! copies {
    (@read [$($columns:literal)+]) => { concat!($($columns),+) };
    (@read [$($columns:literal)+] [$($read:literal)+]) => { concat!($($read),+) };
    ($($read:ident, $write:ident: $table:literal, $count:literal, [$($columns:literal)+] $(as [$($other:literal)+])? from $from:literal;)+) => {
        statements! { $($read = concat!("SELECT ", copies!(@read [$($columns)+] $([$($other)+])?), " FROM ", $from);)+
            LIVE = "SELECT DISTINCT influencer_id FROM enrollment WHERE state IN ('active', 'held', 'paused') ORDER BY influencer_id LIMIT $1";
            MESSAGES = "SELECT s.message_id FROM enrollment_step s JOIN enrollment e ON e.id = s.enrollment_id \
                WHERE e.influencer_id = ANY($1::uuid[]) AND e.state IN ('active', 'held', 'paused') AND s.message_id IS NOT NULL \
                UNION SELECT p.message_id FROM participation p JOIN message m ON m.id = p.message_id \
                WHERE p.influencer_id = ANY($1::uuid[]) AND p.role = 'author' AND p.agent_id IS NULL AND m.channel IN ('sms', 'slack') \
                AND m.kind = 'human' AND NOT EXISTS (SELECT 1 FROM participation q JOIN message n ON n.id = q.message_id \
                  WHERE q.influencer_id = p.influencer_id AND q.role = 'author' AND q.agent_id IS NULL AND n.channel = m.channel \
                  AND n.kind = 'human' AND (q.at, q.message_id) > (p.at, p.message_id)) \
                UNION SELECT p.message_id FROM participation p JOIN message m ON m.id = p.message_id \
                WHERE p.influencer_id = ANY($1::uuid[]) AND m.direction = 'outbound' AND m.channel IN ('sms', 'slack') \
                AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.id = m.id AND o.status NOT IN ('uncertain', 'confirmed')) \
                AND NOT EXISTS (SELECT 1 FROM participation q JOIN message n ON n.id = q.message_id \
                  WHERE q.influencer_id = p.influencer_id AND n.direction = 'outbound' AND n.channel = m.channel \
                  AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.id = n.id AND o.status NOT IN ('uncertain', 'confirmed')) \
                  AND (q.at, q.message_id) > (p.at, p.message_id)) ORDER BY 1";
        }
        $(const $write: Many = Many {
            head: concat!("INSERT INTO ", $table, " (", $($columns),+, ")"),
            columns: $count,
            tail: "ON CONFLICT DO NOTHING",
        };)+
        /// Multi-row texts of this file, for the tests.
        pub(super) static MANY: &[&Many] = &[$(&$write),+];
    };
}

copies! {
    INSTALLATION, INTO_INSTALLATION: "installation", 3, ["id, installed_at, held"] from "installation";
    DEFINITION, INTO_DEFINITION: "definition", 4, ["hash, kind, body, at"]
        from "definition WHERE hash IN (SELECT hash FROM active_definition)";
    ACTIVE, INTO_ACTIVE: "active_definition", 3, ["kind, hash, at"] from "active_definition";
    ACCOUNT, INTO_ACCOUNT: "account", 12, ["name, kind, address, state, detail, sending_state, sending_detail, changed_at, \
        last_sync_at, filing_seen_at, sending_since, first_read_at"] from "account";
    VERSION_ACTIVE, INTO_VERSION_ACTIVE: "sequence_version", 4, ["hash, sequence, body, published_at"]
        from "sequence_version WHERE hash IN (SELECT active_hash FROM sequence)";
    SEQUENCE, INTO_SEQUENCE: "sequence", 5, ["id, active_hash, paused_at, pause_reason, changed_at"] from "sequence";
    PAUSE, INTO_PAUSE: "pause", 3, ["scope, reason, at"] from "pause";
    KEY, INTO_KEY: "signing_key", 3, ["name, key, at"] from "signing_key";
    RESERVATION, INTO_RESERVATION: "reservation", 8, ["id, account, sequence, domain, first, pencilled, at, gap"]
        from "reservation WHERE at >= $1 OR id IN (SELECT id FROM outbox WHERE status IN ('review', 'queued', 'deferred', 'claimed', 'handed_over'))";
    INFLUENCER, INTO_INFLUENCER: "influencer", 21, ["id, handle, handle_key, first_name, last_name, stage, stage_pinned, stage_at, \
        owner, timezone, properties, awaiting, last_message_at, held_until, created_at, updated_at, version, hold_reason, \
        hold_by_hand, waiting_until, merged_into"] from "influencer WHERE id = ANY($1::uuid[])";
    HOLD, INTO_HOLD: "hold", 6, ["influencer_id, source, until, reason, cause, made_at"] from "hold WHERE influencer_id = ANY($1::uuid[])";
    TAG, INTO_TAG: "influencer_tag", 2, ["influencer_id, tag"] from "influencer_tag WHERE influencer_id = ANY($1::uuid[])";
    NETWORK, INTO_NETWORK: "influencer_network", 4, ["influencer_id, network, handle, followers"]
        from "influencer_network WHERE influencer_id = ANY($1::uuid[])";
    AGENT, INTO_AGENT: "agent", 5, ["id, first_name, last_name, created_at, updated_at"]
        from "agent WHERE id IN (SELECT agent_id FROM agent_influencer WHERE influencer_id = ANY($1::uuid[]))";
    STANDS_FOR, INTO_STANDS_FOR: "agent_influencer", 2, ["agent_id, influencer_id"]
        from "agent_influencer WHERE influencer_id = ANY($1::uuid[])";
    ADDRESS, INTO_ADDRESS: "address", 10, ["id, channel, value, value_key, influencer_id, agent_id, is_primary, dead_at, dead_reason, \
        created_at"] from "address WHERE influencer_id = ANY($1::uuid[]) \
        OR agent_id IN (SELECT agent_id FROM agent_influencer WHERE influencer_id = ANY($1::uuid[]))";
    SUPPRESSION, INTO_SUPPRESSION: "suppression", 7, ["id, channel, value_key, scope, reason, evidence, at"]
        from "suppression WHERE value_key IN (SELECT value_key FROM address WHERE influencer_id = ANY($1::uuid[]) \
        OR agent_id IN (SELECT agent_id FROM agent_influencer WHERE influencer_id = ANY($1::uuid[])))";
    CONSENT, INTO_CONSENT: "consent", 7, ["id, channel, value_key, source, evidence, at, withdrawn_at"]
        from "consent WHERE value_key IN (SELECT value_key FROM address WHERE influencer_id = ANY($1::uuid[]) \
        OR agent_id IN (SELECT agent_id FROM agent_influencer WHERE influencer_id = ANY($1::uuid[])))";
    VERSION, INTO_VERSION: "sequence_version", 4, ["hash, sequence, body, published_at"]
        from "sequence_version WHERE hash IN (SELECT version FROM enrollment WHERE influencer_id = ANY($1::uuid[]))";
    ENROLLMENT, INTO_ENROLLMENT: "enrollment", 19, ["id, sequence, version, influencer_id, run, account, state, step, phase, anchor_at, \
        next_at, first, waiting_for, held_at, exit_reason, filled, started_at, ended_at, updated_at"]
        from "enrollment WHERE influencer_id = ANY($1::uuid[]) ORDER BY id";
    STEP, INTO_STEP: "enrollment_step", 17, ["enrollment_id, step, state, kind, variant, planned_at, shifts, completed_at, message_id, \
        task_id, reason, opened_at, clicked_at, replied_at, bounced_at, complained_at, opted_out_at"]
        from "enrollment_step WHERE enrollment_id IN (SELECT id FROM enrollment WHERE influencer_id = ANY($1::uuid[]))";
    TASK, INTO_TASK: "task", 16, ["id, influencer_id, enrollment_id, step, kind, text, assignee, fills, message_id, due_at, expires_at, \
        state, answer, created_at, completed_at, completed_by"] from "task WHERE influencer_id = ANY($1::uuid[]) AND state = 'open'";
    CONVERSATION, INTO_CONVERSATION: "conversation", 3, ["id, merged_into, created_at"]
        from "conversation WHERE id IN (SELECT conversation_id FROM message WHERE id = ANY($1::uuid[])) \
        OR id IN (SELECT t.conversation_id FROM participation p JOIN thread t ON t.id = p.thread_id WHERE p.message_id = ANY($1::uuid[]))";
    THREAD, INTO_THREAD: "thread", 12, ["id, conversation_id, influencer_id, channel, account, subject, subject_key, message_count, \
        last_message_at, awaiting, merged_into, created_at"]
        from "thread WHERE id IN (SELECT thread_id FROM participation WHERE message_id = ANY($1::uuid[]))";
    MESSAGE, INTO_MESSAGE: "message", 22, ["id, conversation_id, direction, kind, channel, account, internet_message_id, fingerprint, \
        author_name, author_address, recipients, subject, text, reply_text, attachments, flaws, has_html, size, raw_hash, at, \
        stored_at, backfilled"] as ["id, conversation_id, direction, kind, channel, account, internet_message_id, fingerprint, \
        author_name, author_address, recipients, subject, '' AS text, NULL AS reply_text, NULL AS attachments, NULL AS flaws, has_html, \
        size, NULL AS raw_hash, at, stored_at, backfilled"] from "message WHERE id = ANY($1::uuid[])";
    PARTICIPATION, INTO_PARTICIPATION: "participation", 7, ["message_id, influencer_id, thread_id, role, agent_id, assigned, at"]
        from "participation WHERE message_id = ANY($1::uuid[])";
    OUTBOX, INTO_OUTBOX: "outbox", 20, ["id, account, status, due_at, attempts, failures, lease_holder, lease_until, token, \
        first_try_at, handed_over_at, finished_at, look_at, detail, held_reason, filed_at, file_copy, created_at, enrollment_id, step"]
        as ["id, account, CASE WHEN status IN ('claimed', 'handed_over') THEN 'queued' ELSE status END AS status, due_at, attempts, \
        failures, NULL AS lease_holder, NULL AS lease_until, token, first_try_at, handed_over_at, finished_at, look_at, detail, \
        held_reason, filed_at, file_copy, created_at, enrollment_id, step"] from "outbox WHERE id = ANY($1::uuid[])";
    RECIPIENT, INTO_RECIPIENT: "outbox_recipient", 8, ["outbox_id, position, address, address_key, name, state, code, detail"]
        from "outbox_recipient WHERE outbox_id = ANY($1::uuid[])";
    BOUNCE, INTO_BOUNCE: "event", 10, ["id, type, at, influencer_id, stage, message_id, data, seq, enrollment_id, machine"]
        as ["id, type, at, influencer_id, stage, message_id, data, NULL AS seq, enrollment_id, machine"]
        from "event WHERE influencer_id = ANY($1::uuid[]) AND type = 'message.bounced' AND at >= $2";
}

/// What stands for itself.
static WHOLE: &[Copied] = &[
    Copied { read: &INSTALLATION, write: &INTO_INSTALLATION },
    Copied { read: &DEFINITION, write: &INTO_DEFINITION },
    Copied { read: &ACTIVE, write: &INTO_ACTIVE },
    Copied { read: &ACCOUNT, write: &INTO_ACCOUNT },
    Copied { read: &VERSION_ACTIVE, write: &INTO_VERSION_ACTIVE },
    Copied { read: &SEQUENCE, write: &INTO_SEQUENCE },
    Copied { read: &PAUSE, write: &INTO_PAUSE },
    Copied { read: &KEY, write: &INTO_KEY },
];
/// What belongs to people, whoever is named first coming first.
static OF_PEOPLE: &[Copied] = &[
    Copied { read: &INFLUENCER, write: &INTO_INFLUENCER },
    Copied { read: &HOLD, write: &INTO_HOLD },
    Copied { read: &TAG, write: &INTO_TAG },
    Copied { read: &NETWORK, write: &INTO_NETWORK },
    Copied { read: &AGENT, write: &INTO_AGENT },
    Copied { read: &STANDS_FOR, write: &INTO_STANDS_FOR },
    Copied { read: &ADDRESS, write: &INTO_ADDRESS },
    Copied { read: &SUPPRESSION, write: &INTO_SUPPRESSION },
    Copied { read: &CONSENT, write: &INTO_CONSENT },
    Copied { read: &VERSION, write: &INTO_VERSION },
    Copied { read: &ENROLLMENT, write: &INTO_ENROLLMENT },
    Copied { read: &STEP, write: &INTO_STEP },
    Copied { read: &TASK, write: &INTO_TASK },
];
/// What belongs to the messages of their runs, and to the last ones that each wrote or was written on a channel that is no mail: which
/// account they know.
static OF_MESSAGES: &[Copied] = &[
    Copied { read: &CONVERSATION, write: &INTO_CONVERSATION },
    Copied { read: &THREAD, write: &INTO_THREAD },
    Copied { read: &MESSAGE, write: &INTO_MESSAGE },
    Copied { read: &PARTICIPATION, write: &INTO_PARTICIPATION },
    Copied { read: &OUTBOX, write: &INTO_OUTBOX },
    Copied { read: &RECIPIENT, write: &INTO_RECIPIENT },
];

/// How each table is written, for the test that no column is forgotten.
pub fn heads() -> Vec<&'static str> {
    MANY.iter().map(|many| many.head).collect()
}

impl Tx {
    /// Those with a run that is not over, by id; at most so many.
    pub async fn list_people_of_live_runs(&mut self, at_most: i64) -> Result<Vec<InfluencerId>, StoreError> {
        let rows: Vec<(InfluencerId,)> = self.all(&LIVE, values![at_most]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Copies from `source` what planning for these people goes by, as of `now`: the accounts, the sequences and their versions,
    /// pauses, places in time, and of each of them addresses, suppressions, holds, runs, steps, open tasks and planned mail.
    pub async fn copy_outreach(
        &mut self,
        source: &mut Tx,
        people: &[InfluencerId],
        now: Micros,
    ) -> Result<(), StoreError> {
        for table in WHOLE {
            self.copy(source, table, Vec::new()).await?;
        }
        let places = Copied { read: &RESERVATION, write: &INTO_RESERVATION };
        self.copy(source, &places, values![now.minus(BACK)]).await?;
        let bounces = Copied { read: &BOUNCE, write: &INTO_BOUNCE };
        for ids in people.chunks(IDS_AT_ONCE) {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
            for table in OF_PEOPLE {
                self.copy(source, table, values![ids.clone()]).await?;
            }
            self.copy(source, &bounces, values![ids.clone(), now.minus(BOUNCES_BACK)]).await?;
            let messages: Vec<(MessageId,)> = source.all(&MESSAGES, values![ids]).await?;
            let messages: Vec<Uuid> = messages.into_iter().map(|(id,)| id.0).collect();
            for messages in messages.chunks(IDS_AT_ONCE) {
                for table in OF_MESSAGES {
                    self.copy(source, table, values![messages.to_vec()]).await?;
                }
            }
        }
        Ok(())
    }

    async fn copy(&mut self, source: &mut Tx, table: &Copied, values: Vec<Value>) -> Result<(), StoreError> {
        let rows: Vec<Whole> = source.all(table.read, values).await?;
        if rows.iter().any(|row| row.0.len() != table.write.columns) {
            return Err(StoreError::Damaged(format!("{} does not give what is written", table.read.name())));
        }
        self.insert_many(table.write, rows.into_iter().flat_map(|row| row.0).collect()).await?;
        Ok(())
    }
}
