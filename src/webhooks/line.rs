//! The line of one webhook: events put into it in their order, what is said of one, and what came of a try. Always inside the
//! caller's transaction, who holds the webhook's lease.

use serde_json::json;

use crate::clock::{self, Clock};
use crate::domain::ids::{EventId, WebhookDeliveryId};
use crate::domain::time::Micros;
use crate::domain::webhook::{Heard, Next, Payload, TEST, is_given_up, plan_next, plan_rest};
use crate::domain::words::{DeliveryState, DisabledWhy, EventType, Word as _};
use crate::store::event::NewEvent;
use crate::store::reading::view::EventView;
use crate::store::webhook::WebhookRow;
use crate::store::webhook::delivery::{Attempt, DueDelivery, NewDelivery};
use crate::store::{StoreError, Tx};

/// Events looked at in one go.
const BATCH: i64 = 500;
/// Such goes in one transaction.
pub(super) const BATCHES_MAX: usize = 8;
/// Deliveries in line for one webhook; further events wait in their table.
const LINE_MAX: i64 = 10_000;

/// What became of a webhook by a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It goes on.
    Goes,
    /// It is told nothing any more.
    Disabled,
}

/// Puts the next events in line that the webhook wants to hear, and moves its place on; `false` where there is nothing to do.
pub(super) async fn advance(tx: &mut Tx, clock: &Clock, row: &mut WebhookRow, now: Micros) -> Result<bool, StoreError> {
    if tx.count_pending_deliveries(row.id, LINE_MAX).await? >= LINE_MAX {
        return Ok(false);
    }
    let events = tx.list_events(row.seen_seq, BATCH).await?;
    let Some(last) = events.last().and_then(|event| event.seq) else { return Ok(false) };
    let wanted = |kind: EventType| row.events.0.is_empty() || row.events.0.iter().any(|name| name == kind.as_str());
    let new: Vec<NewDelivery> = events
        .iter()
        .filter(|event| wanted(event.kind))
        .map(|event| NewDelivery {
            id: WebhookDeliveryId(clock.new_id()),
            webhook_id: row.id,
            event_id: Some(event.id),
            seq: event.seq.unwrap_or(0),
            kind: event.kind.as_str().to_owned(),
            at: now,
        })
        .collect();
    tx.insert_webhook_deliveries(new).await?;
    tx.advance_webhook(row.id, row.seen_seq, last).await?;
    row.seen_seq = last;
    Ok(true)
}

/// What is said of a delivery, and under which id: that of the event, or of the test.
pub(super) async fn say(tx: &mut Tx, row: &WebhookRow, due: &DueDelivery) -> Result<(String, Vec<u8>), StoreError> {
    let damaged = |e: serde_json::Error| StoreError::Damaged(e.to_string());
    let event = match due.event_id {
        Some(id) => tx.get_event(id).await?.map(EventView::from),
        None => None,
    };
    let Some(event) = event else {
        let data = json!({ "webhook_id": row.id, "text": "this is a test" });
        let payload = Payload { kind: TEST.to_owned(), timestamp: due.created_at, data };
        return Ok((due.id.to_string(), serde_json::to_vec(&payload).map_err(damaged)?));
    };
    let (id, kind, timestamp) = (event.id.to_string(), event.kind.as_str().to_owned(), event.at);
    Ok((id, serde_json::to_vec(&Payload { kind, timestamp, data: event }).map_err(damaged)?))
}

/// Writes what came of a try, and what follows for the webhook as a whole.
pub(super) async fn settle(
    tx: &mut Tx,
    clock: &Clock,
    (row, now): (&WebhookRow, Micros),
    (delivery, tried, heard): (WebhookDeliveryId, i64, &Heard),
    attempt: Attempt,
) -> Result<Settled, StoreError> {
    let next = plan_next(heard, tried);
    let (state, due_at, finished_at) = match next {
        Next::Delivered => (DeliveryState::Delivered, now, Some(now)),
        Next::Again(rest) => (DeliveryState::Pending, now.plus(clock::jitter(rest)), None),
        Next::GiveUp | Next::Gone => (DeliveryState::Failed, now, Some(now)),
    };
    if tx.settle_webhook_delivery(delivery, state, (due_at, finished_at)).await? {
        tx.insert_webhook_attempt(clock.new_id(), delivery, attempt).await?;
    }
    if next == Next::Delivered {
        tx.note_webhook_taken(row.id, now).await?;
        return Ok(Settled::Goes);
    }
    let failures = row.failures.saturating_add(1);
    tx.note_webhook_failed(row.id, now, now.plus(plan_rest(failures))).await?;
    let why = if next == Next::Gone {
        DisabledWhy::Gone
    } else if is_given_up(failures, row.failing_since.unwrap_or(now), now) {
        DisabledWhy::Failing
    } else {
        return Ok(Settled::Goes);
    };
    if !tx.disable_webhook(row.id, why, now).await? {
        return Ok(Settled::Goes);
    }
    tracing::error!(webhook = %row.id, %why, "a webhook is told nothing any more until somebody enables it");
    let data = json!({ "webhook_id": row.id, "url": row.url, "reason": why, "failing_since": row.failing_since });
    let event = NewEvent {
        id: EventId(clock.new_id()),
        kind: EventType::WebhookDisabled,
        at: clock.now(),
        influencer_id: None,
        stage: None,
        message_id: None,
        data: Some(data),
        enrollment_id: None,
        machine: None,
    };
    tx.insert_events(vec![event]).await?;
    Ok(Settled::Disabled)
}
