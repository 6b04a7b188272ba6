//! Webhooks: who is told what, how far they were told, each delivery and what came of each try. Secrets are sealed elsewhere;
//! instants of tries and rests are the machine's, as those of leases.

use serde::Serialize;
use sqlx::types::Json;

use super::event::EventRow;
use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::ids::{EventId, WebhookId};
use crate::domain::time::Micros;
use crate::domain::words::{DisabledWhy, WebhookState};

pub mod delivery;

/// A webhook. Its secrets are sealed.
#[derive(Clone, PartialEq, sqlx::FromRow)]
pub struct WebhookRow {
    /// Its id.
    pub id: WebhookId,
    /// Where it leads.
    pub url: String,
    /// What it is for, in its maker's words.
    pub description: String,
    /// The names of the events it is told; empty: all.
    pub events: Json<Vec<String>>,
    /// Whether it is told anything.
    pub state: WebhookState,
    /// Why it is not.
    pub disabled_why: Option<DisabledWhy>,
    /// Since when it is not.
    pub disabled_at: Option<Micros>,
    /// What signs.
    pub secret_sealed: Vec<u8>,
    /// What signed before.
    pub old_secret_sealed: Option<Vec<u8>>,
    /// Until when that signs as well.
    pub old_secret_until: Option<Micros>,
    /// The number of the last event that was put in line for it, or that it does not want to hear.
    pub seen_seq: i64,
    /// Tries in a row that failed.
    pub failures: i64,
    /// Since when nothing was taken.
    pub failing_since: Option<Micros>,
    /// It is left alone until then.
    pub rest_until: Micros,
    /// When something was taken last.
    pub last_ok_at: Option<Micros>,
    /// Grows with each change by a person, and when it is disabled.
    pub version: i64,
    /// When it was made.
    pub created_at: Micros,
}

impl std::fmt::Debug for WebhookRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("WebhookRow");
        shown.field("id", &self.id).field("state", &self.state).field("seen_seq", &self.seen_seq);
        shown.field("failures", &self.failures).field("version", &self.version).finish_non_exhaustive()
    }
}

/// A webhook as it is shown: everything but its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct WebhookView {
    /// Its id.
    pub id: WebhookId,
    /// Where it leads.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// The names of the events it is told; empty: all.
    pub events: Vec<String>,
    /// Whether it is told anything.
    pub state: WebhookState,
    /// Why it is not.
    pub disabled_why: Option<DisabledWhy>,
    /// Since when it is not.
    pub disabled_at: Option<Micros>,
    /// Until when the secret before signs as well.
    pub old_secret_until: Option<Micros>,
    /// The number of the last event that was put in line for it.
    pub seen_seq: i64,
    /// Tries in a row that failed.
    pub failures: i64,
    /// Since when nothing was taken.
    pub failing_since: Option<Micros>,
    /// When something was taken last.
    pub last_ok_at: Option<Micros>,
    /// Grows with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: Micros,
}

impl From<WebhookRow> for WebhookView {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: row.id,
            url: row.url,
            description: row.description,
            events: row.events.0,
            state: row.state,
            disabled_why: row.disabled_why,
            disabled_at: row.disabled_at,
            old_secret_until: row.old_secret_until,
            seen_seq: row.seen_seq,
            failures: row.failures,
            failing_since: row.failing_since,
            last_ok_at: row.last_ok_at,
            version: row.version,
            created_at: row.created_at,
        }
    }
}

fn names(events: &[String]) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(events).map_err(|e| StoreError::Damaged(e.to_string()))
}

impl Tx {
    /// Keeps a new webhook.
    pub async fn insert_webhook(&mut self, row: &WebhookRow) -> Result<(), StoreError> {
        let values = values![
            row.id,
            row.url.as_str(),
            row.description.as_str(),
            names(&row.events.0)?,
            row.state,
            row.secret_sealed.clone(),
            row.seen_seq,
            row.version,
            row.created_at
        ];
        self.exec(&WEBHOOK_INSERT, values).await?;
        Ok(())
    }

    /// A webhook.
    pub async fn get_webhook(&mut self, id: WebhookId) -> Result<Option<WebhookRow>, StoreError> {
        self.opt(&WEBHOOK, values![id]).await
    }

    /// A webhook, locked until the end of the transaction.
    pub async fn lock_webhook(&mut self, id: WebhookId) -> Result<Option<WebhookRow>, StoreError> {
        self.opt(&WEBHOOK_LOCK, values![id]).await
    }

    /// All webhooks, the oldest first.
    pub async fn list_webhooks(&mut self) -> Result<Vec<WebhookRow>, StoreError> {
        self.all(&WEBHOOKS, values![]).await
    }

    /// Writes what a person may change of a locked webhook: where it leads, what it hears, its state and its secrets. What is
    /// kept of its failures is forgotten where it is enabled. Its version grows.
    pub async fn update_webhook(&mut self, row: &WebhookRow) -> Result<(), StoreError> {
        let values = values![
            row.id,
            row.url.as_str(),
            row.description.as_str(),
            names(&row.events.0)?,
            row.state,
            row.disabled_why,
            row.disabled_at,
            row.secret_sealed.clone(),
            row.old_secret_sealed.clone(),
            row.old_secret_until,
            row.seen_seq,
            row.failures,
            row.failing_since,
            row.rest_until
        ];
        self.exec(&WEBHOOK_UPDATE, values).await?;
        Ok(())
    }

    /// Forgets a webhook with all its deliveries.
    pub async fn delete_webhook(&mut self, id: WebhookId) -> Result<bool, StoreError> {
        Ok(self.exec(&WEBHOOK_DELETE, values![id]).await? > 0)
    }

    /// Webhooks for which there is something to do now. None while a copied database is held.
    pub async fn list_due_webhooks(&mut self, now: Micros) -> Result<Vec<WebhookId>, StoreError> {
        let rows: Vec<(WebhookId,)> = self.all(&WEBHOOKS_DUE, values![now]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Moves the place up to which a webhook was told, where it still is the one that was read.
    pub async fn advance_webhook(&mut self, id: WebhookId, from: i64, to: i64) -> Result<bool, StoreError> {
        Ok(self.exec(&WEBHOOK_ADVANCE, values![id, from, to]).await? > 0)
    }

    /// Moves that place back, never on: what comes after it is told once more.
    pub async fn rewind_webhook(&mut self, id: WebhookId, to: i64) -> Result<(), StoreError> {
        self.exec(&WEBHOOK_REWIND, values![id, to]).await?;
        Ok(())
    }

    /// It took something.
    pub async fn note_webhook_taken(&mut self, id: WebhookId, at: Micros) -> Result<(), StoreError> {
        self.exec(&WEBHOOK_TAKEN, values![id, at]).await?;
        Ok(())
    }

    /// It took nothing, once more; it gets a rest until then.
    pub async fn note_webhook_failed(&mut self, id: WebhookId, at: Micros, until: Micros) -> Result<(), StoreError> {
        self.exec(&WEBHOOK_FAILED, values![id, at, until]).await?;
        Ok(())
    }

    /// Leaves a webhook alone until then, without blame.
    pub async fn rest_webhook(&mut self, id: WebhookId, until: Micros) -> Result<(), StoreError> {
        self.exec(&WEBHOOK_REST, values![id, until]).await?;
        Ok(())
    }

    /// Tells it nothing any more; `false` where that was so before.
    pub async fn disable_webhook(&mut self, id: WebhookId, why: DisabledWhy, at: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&WEBHOOK_DISABLE, values![id, why, at]).await? > 0)
    }

    /// An event.
    pub async fn get_event(&mut self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        self.opt(&EVENT_ONE, values![id]).await
    }

    /// The number of the first event, by its id, from this id on; `None` where there is none yet.
    pub async fn first_event_seq(&mut self, from: EventId) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> = self.opt(&EVENT_FIRST, values![from]).await?;
        Ok(row.map(|(seq,)| seq))
    }
}

/// The columns of [`WebhookRow`].
macro_rules! webhook_columns {
    () => {
        "SELECT id, url, description, events, state, disabled_why, disabled_at, secret_sealed, old_secret_sealed, \
         old_secret_until, seen_seq, failures, failing_since, rest_until, last_ok_at, version, created_at FROM webhook "
    };
}

statements! {
    WEBHOOK_INSERT = "INSERT INTO webhook (id, url, description, events, state, secret_sealed, seen_seq, failures, rest_until, \
        version, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8, $9)";
    #[hot] WEBHOOK = concat!(webhook_columns!(), "WHERE id = $1");
    #[hot] WEBHOOK_LOCK = concat!(webhook_columns!(), "WHERE id = $1 FOR UPDATE");
    WEBHOOKS = concat!(webhook_columns!(), "ORDER BY id LIMIT 1000");
    WEBHOOK_UPDATE = "UPDATE webhook SET url = $2, description = $3, events = $4, state = $5, disabled_why = $6, disabled_at = $7, \
        secret_sealed = $8, old_secret_sealed = $9, old_secret_until = $10, seen_seq = $11, failures = $12, failing_since = $13, \
        rest_until = $14, version = version + 1 WHERE id = $1";
    WEBHOOK_DELETE = "DELETE FROM webhook WHERE id = $1";
    WEBHOOKS_DUE = "SELECT h.id FROM webhook h WHERE h.state = 'enabled' AND h.rest_until <= $1 \
        AND NOT EXISTS (SELECT 1 FROM installation i WHERE i.held) \
        AND (h.seen_seq < (SELECT s.last_seq FROM sequencer s WHERE s.name = 'event') \
        OR EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.webhook_id = h.id AND d.state = 'pending' AND d.due_at <= $1)) \
        ORDER BY h.id LIMIT 1000";
    #[hot] WEBHOOK_ADVANCE = "UPDATE webhook SET seen_seq = $3 WHERE id = $1 AND seen_seq = $2";
    WEBHOOK_REWIND = "UPDATE webhook SET seen_seq = CASE WHEN seen_seq < $2 THEN seen_seq ELSE $2 END WHERE id = $1";
    #[hot] WEBHOOK_TAKEN = "UPDATE webhook SET failures = 0, failing_since = NULL, rest_until = 0, last_ok_at = $2 WHERE id = $1";
    #[hot] WEBHOOK_FAILED = "UPDATE webhook SET failures = failures + 1, failing_since = COALESCE(failing_since, $2), rest_until = $3 \
        WHERE id = $1";
    #[hot] WEBHOOK_REST = "UPDATE webhook SET rest_until = $2 WHERE id = $1";
    WEBHOOK_DISABLE = "UPDATE webhook SET state = 'disabled', disabled_why = $2, disabled_at = $3, version = version + 1 \
        WHERE id = $1 AND state = 'enabled'";
    #[hot] EVENT_ONE = "SELECT id, type, at, influencer_id, stage, message_id, data, enrollment_id, seq FROM event WHERE id = $1";
    #[hot] EVENT_FIRST = "SELECT seq FROM event WHERE id >= $1 AND seq IS NOT NULL ORDER BY id LIMIT 1";
}
