//! What became of an outbound message, written with everything that follows from it: its recipients, its place in time,
//! and one event for each influencer it concerns, with the stage it met.

use super::{outreach, signal};
use crate::clock::Clock;
use crate::domain::ids::MessageId;
use crate::domain::time::Micros;
use crate::domain::words::{EventType, OutboxStatus, RecipientState};
use crate::store::outbox::outcome::{Outcome, UncertainRow};
use crate::store::{StoreError, Tx};

/// How it is known that a message was sent whose provider has it.
pub const HAS_IT: &str = "the provider has it";

/// What a person says of an uncertain message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It was sent.
    Sent,
    /// Send it again, with the same Message-ID.
    SendAgain,
    /// Leave it.
    Drop,
}

/// Why a message can't be settled or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// No such row.
    #[error("there is no such message in the outbox")]
    Unknown,
    /// It is in a state in which this can't be done.
    #[error("it is {0}")]
    State(OutboxStatus),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts a message where it belongs in time now that it is sent, and appends `message.sent`. Once per message: at the first
/// recipient that took it.
pub async fn note_sent(
    tx: &mut Tx,
    clock: &Clock,
    message: MessageId,
    sent_at: Micros,
    data: serde_json::Value,
) -> Result<(), StoreError> {
    tx.move_message_to(message, sent_at).await?;
    tx.touch_sent(message, sent_at).await?;
    outreach::step_sent(tx, clock, message, sent_at).await?;
    signal::record_outcome(tx, clock, EventType::MessageSent, message, data).await
}

/// Settles an uncertain attempt as sent. `false` where somebody else settled it, or where an earlier attempt reached some
/// of the recipients, so that evidence of the message says nothing about this attempt.
pub async fn settle_found(tx: &mut Tx, clock: &Clock, row: &UncertainRow, how: &str) -> Result<bool, StoreError> {
    if row.accepted > 0 {
        return Ok(false);
    }
    settle_sent(tx, clock, row, how).await
}

async fn settle_sent(tx: &mut Tx, clock: &Clock, row: &UncertainRow, how: &str) -> Result<bool, StoreError> {
    let now = clock.now();
    let recipients = tx.list_recipients(vec![row.id]).await?;
    let waiting = recipients.iter().any(|r| r.state == RecipientState::Deferred);
    let outcome = if waiting {
        Outcome { due_at: Some(now), ..Outcome::plain(OutboxStatus::Deferred) }
    } else {
        Outcome { finished_at: Some(now), ..Outcome::plain(OutboxStatus::Confirmed) }
    };
    let outcome = Outcome { detail: Some(how.to_owned()), ..outcome };
    if !tx.settle_outbox(row.id, row.attempt, &outcome).await? {
        return Ok(false);
    }
    tx.move_recipients(row.id, RecipientState::Pending, RecipientState::Accepted, None).await?;
    if row.accepted == 0 {
        let sent_at = row.handed_over_at.unwrap_or(now);
        note_sent(tx, clock, row.id, sent_at, serde_json::json!({"settled": how})).await?;
    }
    Ok(true)
}

/// Puts an uncertain attempt back into the queue, with the same Message-ID: it is known not to have been sent, or a person
/// says so. `false` where somebody else settled it.
pub async fn settle_again(tx: &mut Tx, row: &UncertainRow, now: Micros, why: &str) -> Result<bool, StoreError> {
    let outcome = Outcome { due_at: Some(now), detail: Some(why.to_owned()), ..Outcome::plain(OutboxStatus::Queued) };
    tx.settle_outbox(row.id, row.attempt, &outcome).await
}

/// Something that came in (a reply, a bounce, a copy in Sent) proves that these messages were sent: those whose outcome was
/// unknown are settled. Which ones were.
pub async fn settle_seen(tx: &mut Tx, clock: &Clock, messages: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    // Runs before their mail, as everywhere.
    tx.lock_runs_of(messages.clone()).await?;
    let mut settled = Vec::new();
    for row in tx.lock_unsettled(messages).await? {
        if settle_found(tx, clock, &row, "seen in a mailbox").await? {
            settled.push(row.id);
        }
    }
    Ok(settled)
}

/// Settles as sent those of these messages that their provider has under an id of its own, whether nobody knew what became of them or
/// they wait to be sent again: none of them may be. Only a person's word that it is to be sent all the same takes that back. Which
/// ones were; the caller holds their runs.
pub async fn settle_known(tx: &mut Tx, clock: &Clock, ids: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
    let mut known: Vec<MessageId> = tx.list_provider_messages(ids).await?.iter().map(|row| row.message_id).collect();
    known.dedup();
    let mut settled = Vec::new();
    for id in known {
        let done = match tx.get_uncertain(id).await? {
            Some(row) => settle_found(tx, clock, &row, HAS_IT).await?,
            None => settle_waiting(tx, clock, id).await?,
        };
        if done {
            settled.push(id);
        }
    }
    Ok(settled)
}

/// One that was put back into the queue before its provider spoke of it.
async fn settle_waiting(tx: &mut Tx, clock: &Clock, id: MessageId) -> Result<bool, StoreError> {
    let now = clock.now();
    if !tx.confirm_waiting(id, HAS_IT, now).await? {
        return Ok(false);
    }
    let sent_at = tx.get_outbox(id).await?.and_then(|row| row.handed_over_at).unwrap_or(now);
    tx.move_recipients(id, RecipientState::Pending, RecipientState::Accepted, None).await?;
    tx.move_recipients(id, RecipientState::Deferred, RecipientState::Accepted, None).await?;
    note_sent(tx, clock, id, sent_at, serde_json::json!({"settled": HAS_IT})).await?;
    Ok(true)
}

/// Settles an uncertain message by a person's word; its new state.
pub async fn settle_by_person(
    tx: &mut Tx,
    clock: &Clock,
    id: MessageId,
    settlement: Settlement,
) -> Result<OutboxStatus, SettleError> {
    tx.lock_run_of(id).await?;
    let row = tx.get_outbox(id).await?.ok_or(SettleError::Unknown)?;
    let status = row.status;
    if settlement == Settlement::SendAgain {
        // Where it can't be sent again, the caller commits nothing.
        tx.forget_provider_messages(id).await?;
    }
    if status == OutboxStatus::Rejected {
        return settle_refused(tx, clock, id, settlement).await;
    }
    if outreach::outgoing::is_stopped(&row) {
        return settle_stopped(tx, clock, (id, status), settlement).await;
    }
    let row = tx.get_uncertain(id).await?.filter(|_| status == OutboxStatus::Uncertain);
    let row = row.ok_or(SettleError::State(status))?;
    let done = match settlement {
        Settlement::Sent => settle_sent(tx, clock, &row, "a person says it was sent").await?,
        Settlement::SendAgain => {
            let done = settle_again(tx, &row, clock.now(), "a person says: send it again").await?;
            if done {
                tx.restart_tries_of(id).await?;
                outreach::step_again(tx, clock, id).await?;
            }
            done
        }
        Settlement::Drop => {
            let why = "a person says: leave it";
            let outcome = Outcome {
                finished_at: Some(clock.now()),
                detail: Some(why.to_owned()),
                ..Outcome::plain(OutboxStatus::Cancelled)
            };
            let done = tx.settle_outbox(id, row.attempt, &outcome).await?;
            if done {
                tx.untouch(id).await?;
                signal::record_outcome(tx, clock, EventType::MessageCancelled, id, serde_json::json!({"reason": why}))
                    .await?;
                outreach::step_left(tx, clock, id, why).await?;
                tx.delete_reservations(vec![id.0]).await?;
            }
            done
        }
    };
    let status = tx.get_outbox(id).await?.ok_or(SettleError::Unknown)?.status;
    if done { Ok(status) } else { Err(SettleError::State(status)) }
}

/// Settles the refused mail of a step whose run waits because of it: it is tried once more, or its step is left out. What was
/// refused was not sent, whatever anybody says.
async fn settle_refused(
    tx: &mut Tx,
    clock: &Clock,
    id: MessageId,
    settlement: Settlement,
) -> Result<OutboxStatus, SettleError> {
    let waits = outreach::outgoing::waits_for_refused(tx, id).await?.is_some();
    match settlement {
        Settlement::SendAgain if waits => {
            let now = clock.now();
            if !tx.reopen_outbox(id, now, "a person says: send it again").await? {
                return Err(SettleError::State(OutboxStatus::Rejected));
            }
            tx.move_reservation(id.0, now).await?;
            outreach::step_again(tx, clock, id).await?;
            Ok(OutboxStatus::Queued)
        }
        Settlement::Drop if waits => {
            outreach::step_dropped(tx, clock, id, "a person says: leave it").await?;
            Ok(OutboxStatus::Rejected)
        }
        Settlement::SendAgain | Settlement::Drop | Settlement::Sent => Err(SettleError::State(OutboxStatus::Rejected)),
    }
}

/// Settles mail that is held because a server stopped our account at it: it is tried once more, or taken back. It was not sent.
async fn settle_stopped(
    tx: &mut Tx,
    clock: &Clock,
    (id, status): (MessageId, OutboxStatus),
    settlement: Settlement,
) -> Result<OutboxStatus, SettleError> {
    match settlement {
        Settlement::Sent => Err(SettleError::State(status)),
        Settlement::Drop => cancel(tx, clock, id, "a person says: leave it").await,
        Settlement::SendAgain => {
            if !tx.reschedule_outbox(id, clock.now(), None).await? {
                return Err(SettleError::State(status));
            }
            tx.restart_tries_of(id).await?;
            outreach::step_again(tx, clock, id).await?;
            Ok(status)
        }
    }
}

/// Takes a message back before its content left; its new state, which is `confirmed` where some recipients have it already.
/// A step of a sequence counts as skipped then.
pub async fn cancel(tx: &mut Tx, clock: &Clock, id: MessageId, reason: &str) -> Result<OutboxStatus, SettleError> {
    let status = withdraw(tx, clock, id, reason).await?;
    if status == OutboxStatus::Cancelled {
        outreach::step_dropped(tx, clock, id, reason).await?;
    }
    Ok(status)
}

/// The same for a message in whose place another is written: its step, if it is one, is not over.
pub(in crate::hub) async fn withdraw(
    tx: &mut Tx,
    clock: &Clock,
    id: MessageId,
    reason: &str,
) -> Result<OutboxStatus, SettleError> {
    tx.lock_run_of(id).await?;
    let Some(status) = tx.cancel_outbox(id, reason, clock.now()).await? else {
        let row = tx.get_outbox(id).await?.ok_or(SettleError::Unknown)?;
        return Err(SettleError::State(row.status));
    };
    if status == OutboxStatus::Cancelled {
        tx.untouch(id).await?;
        tx.delete_reservations(vec![id.0]).await?;
        signal::record_outcome(tx, clock, EventType::MessageCancelled, id, serde_json::json!({"reason": reason}))
            .await?;
    }
    Ok(status)
}
