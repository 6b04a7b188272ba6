//! What was told to a webhook, and what came of it.

use std::collections::HashMap;

use serde::Serialize;

use super::{Order, Page, Place, Slice};
use crate::domain::ids::{EventId, WebhookDeliveryId, WebhookId};
use crate::domain::time::Micros;
use crate::domain::words::DeliveryState;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// A delivery as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct WebhookDeliveryView {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// To whom.
    pub webhook_id: WebhookId,
    /// The event; `null` for a test.
    pub event_id: Option<EventId>,
    /// The event's number; 0 for a test.
    pub seq: i64,
    /// The event's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// How it stands.
    pub state: DeliveryState,
    /// When it is tried next, while it is pending.
    pub next_at: Option<Micros>,
    /// When it was put in line.
    pub created_at: Micros,
    /// When it was taken or given up.
    pub finished_at: Option<Micros>,
    /// What came of each try, the oldest first; the newest [`ATTEMPTS_SHOWN`].
    pub attempts: Vec<WebhookAttemptView>,
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct WebhookAttemptView {
    /// When it began.
    pub at: Micros,
    /// How long it took, milliseconds.
    pub duration_ms: i64,
    /// The status of the answer; `null` where none came.
    pub status: Option<i64>,
    /// Why none came.
    pub error: Option<String>,
    /// The beginning of what was answered.
    pub answer: Option<String>,
}

/// Tries shown of one delivery.
pub const ATTEMPTS_SHOWN: usize = 20;
/// Tries read for one page.
const ATTEMPTS_READ: i64 = 10_000;

#[derive(sqlx::FromRow)]
struct ListedRow {
    id: WebhookDeliveryId,
    webhook_id: WebhookId,
    event_id: Option<EventId>,
    seq: i64,
    #[sqlx(rename = "type")]
    kind: String,
    state: DeliveryState,
    due_at: Micros,
    created_at: Micros,
    finished_at: Option<Micros>,
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    delivery_id: WebhookDeliveryId,
    at: Micros,
    took_ms: i64,
    status: Option<i64>,
    error: Option<String>,
    answer: Option<String>,
}

/// Which deliveries are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only those of events of this name.
    pub kind: Option<String>,
}

impl Tx {
    /// Deliveries of a webhook, the newest first.
    pub async fn list_webhook_deliveries(
        &mut self,
        webhook: WebhookId,
        filter: &DeliveryFilter,
        page: Page,
    ) -> Result<Slice<WebhookDeliveryView>, StoreError> {
        let page = Page { order: Order::NewestFirst, ..page };
        let (from, kind) = (page.from(), filter.kind.as_deref());
        let values = values![webhook, from.at, from.id, page.fetch(), filter.state, kind];
        let rows: Vec<ListedRow> = self.all(&DELIVERIES_LIST, values).await?;
        let slice = page.cut(rows, |r| Place { at: r.created_at, id: r.id.0 });
        let next = slice.next;
        Ok(Slice { data: self.delivery_views(slice.data).await?, next })
    }

    /// One delivery of a webhook.
    pub async fn get_webhook_delivery(
        &mut self,
        webhook: WebhookId,
        id: WebhookDeliveryId,
    ) -> Result<Option<WebhookDeliveryView>, StoreError> {
        let row: Option<ListedRow> = self.opt(&DELIVERY_ONE, values![webhook, id]).await?;
        Ok(self.delivery_views(row.into_iter().collect()).await?.pop())
    }

    async fn delivery_views(&mut self, rows: Vec<ListedRow>) -> Result<Vec<WebhookDeliveryView>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<WebhookDeliveryId> = rows.iter().map(|r| r.id).collect();
        let newest: Vec<AttemptRow> = self.all(&ATTEMPTS_OF, values![ids, ATTEMPTS_READ]).await?;
        let mut attempts: HashMap<WebhookDeliveryId, Vec<WebhookAttemptView>> = HashMap::new();
        for row in newest {
            let of = attempts.entry(row.delivery_id).or_default();
            if of.len() < ATTEMPTS_SHOWN {
                let AttemptRow { at, took_ms, status, error, answer, .. } = row;
                of.push(WebhookAttemptView { at, duration_ms: took_ms, status, error, answer });
            }
        }
        let view = |r: ListedRow| {
            let mut attempts = attempts.remove(&r.id).unwrap_or_default();
            attempts.reverse();
            WebhookDeliveryView {
                id: r.id,
                webhook_id: r.webhook_id,
                event_id: r.event_id,
                seq: r.seq,
                kind: r.kind,
                state: r.state,
                next_at: (r.state == DeliveryState::Pending).then_some(r.due_at),
                created_at: r.created_at,
                finished_at: r.finished_at,
                attempts,
            }
        };
        Ok(rows.into_iter().map(view).collect())
    }
}

/// The columns of a delivery as it is listed.
macro_rules! delivery_columns {
    () => {
        "SELECT id, webhook_id, event_id, seq, type, state, due_at, created_at, finished_at FROM webhook_delivery "
    };
}

statements! {
    #[hot] DELIVERIES_LIST = concat!(delivery_columns!(), "WHERE webhook_id = $1 AND (created_at, id) < ($2, $3) \
        AND (state = $5 OR $5 IS NULL) AND (type = $6 OR $6 IS NULL) ORDER BY created_at DESC, id DESC LIMIT $4");
    #[hot] DELIVERY_ONE = concat!(delivery_columns!(), "WHERE webhook_id = $1 AND id = $2");
    #[hot] ATTEMPTS_OF = "SELECT delivery_id, at, took_ms, status, error, answer FROM webhook_attempt \
        WHERE delivery_id = ANY($1::uuid[]) ORDER BY id DESC LIMIT $2";
}
