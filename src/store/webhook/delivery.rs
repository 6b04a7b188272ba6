//! What is told to webhooks: a row per event and webhook, and one per try.

use crate::domain::ids::{EventId, WebhookDeliveryId, WebhookId};
use crate::domain::time::Micros;
use crate::domain::words::DeliveryState;
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::{Value, values};
use crate::store::{StoreError, Tx};

/// A delivery to be put in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id, if it was not in line before.
    pub id: WebhookDeliveryId,
    /// To whom.
    pub webhook_id: WebhookId,
    /// What; `None` for a test.
    pub event_id: Option<EventId>,
    /// The event's number; 0 for a test.
    pub seq: i64,
    /// The event's name.
    pub kind: String,
    /// When it was put in line; due at once.
    pub at: Micros,
}

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DueDelivery {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// What; `None` for a test.
    pub event_id: Option<EventId>,
    /// Tries before this one.
    pub tried: i64,
    /// When it was put in line.
    pub created_at: Micros,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Micros,
    /// How long it took, milliseconds.
    pub took_ms: i64,
    /// The status of the answer.
    pub status: Option<i64>,
    /// Why there was none.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

/// An event that was told before is told once more, as if it never had been.
const DELIVERIES: Many = Many {
    head: "INSERT INTO webhook_delivery (id, webhook_id, event_id, seq, type, state, tried, due_at, created_at)",
    columns: 9,
    tail: "ON CONFLICT (webhook_id, event_id) DO UPDATE SET state = 'pending', tried = 0, due_at = excluded.due_at, finished_at = NULL",
};

impl Tx {
    /// Puts deliveries in line.
    pub async fn insert_webhook_deliveries(&mut self, new: Vec<NewDelivery>) -> Result<(), StoreError> {
        let rows: Vec<Value> = new
            .into_iter()
            .flat_map(|d| {
                values![d.id, d.webhook_id, d.event_id, d.seq, d.kind, DeliveryState::Pending, 0_i64, d.at, d.at]
            })
            .collect();
        self.insert_many(&DELIVERIES, rows).await?;
        Ok(())
    }

    /// How many deliveries are in line for a webhook, counted up to a number.
    pub async fn count_pending_deliveries(&mut self, webhook: WebhookId, up_to: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) = self.one(&DELIVERIES_PENDING, values![webhook, up_to]).await?;
        Ok(count)
    }

    /// The delivery that is next, marked as begun. The caller holds the webhook's lease.
    pub async fn take_webhook_delivery(
        &mut self,
        webhook: WebhookId,
        now: Micros,
    ) -> Result<Option<DueDelivery>, StoreError> {
        let due: Option<DueDelivery> = self.opt(&DELIVERY_NEXT, values![webhook, now]).await?;
        if let Some(due) = &due {
            self.exec(&DELIVERY_BEGIN, values![due.id, now]).await?;
        }
        Ok(due)
    }

    /// Writes how a delivery stands after a try; `false` where it is not there any more.
    pub async fn settle_webhook_delivery(
        &mut self,
        id: WebhookDeliveryId,
        state: DeliveryState,
        (due_at, finished_at): (Micros, Option<Micros>),
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&DELIVERY_SETTLE, values![id, state, due_at, finished_at]).await? > 0)
    }

    /// Keeps what came of a try.
    pub async fn insert_webhook_attempt(
        &mut self,
        id: uuid::Uuid,
        delivery: WebhookDeliveryId,
        attempt: Attempt,
    ) -> Result<(), StoreError> {
        let Attempt { at, took_ms, status, error, answer } = attempt;
        self.exec(&ATTEMPT_INSERT, values![id, delivery, at, took_ms, status, error, answer]).await?;
        Ok(())
    }

    /// Puts one delivery in line once more, whatever became of it; `false` where there is none.
    pub async fn resend_webhook_delivery(
        &mut self,
        webhook: WebhookId,
        id: WebhookDeliveryId,
        now: Micros,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&DELIVERY_RESEND, values![webhook, id, now]).await? > 0)
    }

    /// Puts what failed since an instant in line once more, and lets what waits for its next try wait no more; how many.
    pub async fn resend_failed_deliveries(
        &mut self,
        webhook: WebhookId,
        since: Micros,
        now: Micros,
    ) -> Result<u64, StoreError> {
        self.exec(&DELIVERIES_RESEND, values![webhook, since, now]).await
    }

    /// Gives up what is in line for a webhook; how many.
    pub async fn drop_pending_deliveries(&mut self, webhook: WebhookId, now: Micros) -> Result<u64, StoreError> {
        self.exec(&DELIVERIES_DROP, values![webhook, now]).await
    }

    /// Forgets what was finished before an instant, a batch; how many.
    pub async fn prune_webhook_deliveries(&mut self, before: Micros, at_most: i64) -> Result<u64, StoreError> {
        self.exec(&DELIVERIES_PRUNE, values![before, at_most]).await
    }
}

statements! {
    #[hot] DELIVERIES_PENDING = "SELECT COUNT(*) FROM (SELECT 1 FROM webhook_delivery WHERE webhook_id = $1 AND state = 'pending' LIMIT $2) w";
    #[hot] DELIVERY_NEXT = "SELECT id, event_id, tried, created_at FROM webhook_delivery \
        WHERE webhook_id = $1 AND state = 'pending' AND due_at <= $2 ORDER BY due_at, seq LIMIT 1";
    #[hot] DELIVERY_BEGIN = "UPDATE webhook_delivery SET tried = tried + 1, begun_at = $2 WHERE id = $1";
    #[hot] DELIVERY_SETTLE = "UPDATE webhook_delivery SET state = $2, due_at = $3, finished_at = $4 WHERE id = $1 AND state = 'pending'";
    #[hot] DELIVERY_RESEND = "UPDATE webhook_delivery SET state = 'pending', tried = 0, due_at = $3, finished_at = NULL \
        WHERE webhook_id = $1 AND id = $2";
    #[hot] DELIVERIES_RESEND = "UPDATE webhook_delivery SET state = 'pending', tried = 0, due_at = $3, finished_at = NULL \
        WHERE webhook_id = $1 AND created_at >= $2 AND (state = 'failed' OR (state = 'pending' AND tried > 0 AND due_at > $3))";
    #[hot] DELIVERIES_DROP = "UPDATE webhook_delivery SET state = 'failed', finished_at = $2 WHERE webhook_id = $1 AND state = 'pending'";
    #[hot] DELIVERIES_PRUNE = "DELETE FROM webhook_delivery WHERE id IN \
        (SELECT id FROM webhook_delivery WHERE finished_at < $1 ORDER BY finished_at LIMIT $2)";
    #[hot] ATTEMPT_INSERT = "INSERT INTO webhook_attempt (id, delivery_id, at, took_ms, status, error, answer) VALUES ($1, $2, $3, $4, $5, $6, $7)";
}

/// Multi-row texts of this file, for the tests.
pub(in crate::store) static MANY: &[&Many] = &[&DELIVERIES];
