//! What became of an attempt: recorded by its holder, settled later, or taken back before it left.
//!
//! Every statement names the attempt it speaks of and the states it may leave, so that a late record can't undo what a
//! person or a successor did meanwhile.

use super::Grip;
use crate::domain::ids::{EnrollmentId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::{OutboxStatus, RecipientState};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// The new state of a row after an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The state.
    pub status: OutboxStatus,
    /// When it is due again; as it was where there is nothing new to say.
    pub due_at: Option<Micros>,
    /// Failures of this message to add: 0 or 1.
    pub failed: i64,
    /// The instant of this try; the first one is kept.
    pub tried_at: Option<Micros>,
    /// When it came to an end, where it did.
    pub finished_at: Option<Micros>,
    /// When the provider is to be asked, for an uncertain one.
    pub look_at: Option<Micros>,
    /// The last words on it.
    pub detail: Option<String>,
}

impl Outcome {
    /// A state and nothing else.
    pub fn plain(status: OutboxStatus) -> Self {
        Self { status, due_at: None, failed: 0, tried_at: None, finished_at: None, look_at: None, detail: None }
    }
}

/// An uncertain row for which the provider is to be asked.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct UncertainRow {
    /// The row.
    pub id: MessageId,
    /// The attempt whose outcome is unknown.
    pub attempt: i64,
    /// Our own token.
    pub token: String,
    /// The Message-ID.
    pub internet_message_id: Option<String>,
    /// When it was handed over.
    pub handed_over_at: Option<Micros>,
    /// When it was to be looked for.
    pub look_at: Option<Micros>,
    /// Recipients that took an earlier attempt: then a copy at the provider proves nothing about this one.
    pub accepted: i64,
}

/// A sent row whose copy is still to be filed.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct UnfiledRow {
    /// The row.
    pub id: MessageId,
    /// Our own token.
    pub token: String,
    /// The Message-ID.
    pub internet_message_id: Option<String>,
    /// When it was handed over.
    pub handed_over_at: Option<Micros>,
}

impl Tx {
    /// Records what became of an attempt. `false` where the row is no longer this attempt's: nothing was written.
    ///
    /// A definite outcome may come after the lease ran out and the row was marked uncertain: it still counts.
    pub async fn record_outbox(&mut self, grip: Grip, outcome: &Outcome) -> Result<bool, StoreError> {
        let o = outcome;
        let n = self
            .exec(
                &RECORD,
                values![
                    grip.id,
                    grip.holder,
                    grip.attempt,
                    o.status,
                    o.due_at,
                    o.failed,
                    o.tried_at,
                    o.finished_at,
                    o.look_at,
                    o.detail.clone()
                ],
            )
            .await?;
        if n == 0 {
            tracing::warn!(message = %grip.id, "an outcome was not written: the attempt is no longer this node's");
        }
        Ok(n == 1)
    }

    /// Settles an uncertain attempt. `false` where it is not uncertain any more.
    pub async fn settle_outbox(&mut self, id: MessageId, attempt: i64, outcome: &Outcome) -> Result<bool, StoreError> {
        let o = outcome;
        let n = self
            .exec(&SETTLE, values![id, attempt, o.status, o.due_at, o.finished_at, o.look_at, o.detail.clone()])
            .await?;
        Ok(n == 1)
    }

    /// Ends a row that waits to be sent again as sent: it turned out that it was. `false` where it does not wait.
    pub async fn confirm_waiting(&mut self, id: MessageId, detail: &str, now: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&CONFIRM_WAITING, values![id, detail, now]).await? == 1)
    }

    /// Takes a row back before its content left: in review, queued, deferred, or claimed and not handed over. The new state, or
    /// `None` where it is too late. One that some recipients got already ends as confirmed.
    pub async fn cancel_outbox(
        &mut self,
        id: MessageId,
        reason: &str,
        now: Micros,
    ) -> Result<Option<OutboxStatus>, StoreError> {
        let row: Option<(OutboxStatus,)> = self.opt(&CANCEL, values![id, reason, now]).await?;
        Ok(row.map(|(status,)| status))
    }

    /// Its tries are counted anew, from the next one on: a person says that it is to be sent.
    pub async fn restart_tries_of(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.exec(&TRIES_RESTART_OF, values![id]).await?;
        Ok(())
    }

    /// Puts a refused row back into the queue because a person says so: its tries are counted anew, and those who refused it are
    /// asked again. `false` where it was not refused.
    pub async fn reopen_outbox(&mut self, id: MessageId, now: Micros, said: &str) -> Result<bool, StoreError> {
        if self.exec(&REOPEN, values![id, now, said]).await? == 0 {
            return Ok(false);
        }
        self.move_recipients(id, RecipientState::Rejected, RecipientState::Pending, None).await?;
        Ok(true)
    }

    /// Leaves out of the three days of a run's mail a time in which it stood still, microseconds.
    pub async fn shift_tries(&mut self, run: EnrollmentId, by: i64) -> Result<(), StoreError> {
        self.exec(&TRIES_SHIFT, values![run, by]).await?;
        Ok(())
    }

    /// The three days of everything that waits in an account's outbox begin anew: the account stood still.
    pub async fn restart_tries(&mut self, account: &str) -> Result<(), StoreError> {
        self.exec(&TRIES_RESTART, values![account]).await?;
        Ok(())
    }

    /// Of these messages, those whose outcome is unknown: uncertain, or handed over by a holder whose lease is over.
    /// Locked until the end of the transaction.
    pub async fn lock_unsettled(&mut self, ids: Vec<MessageId>) -> Result<Vec<UncertainRow>, StoreError> {
        let now = self.lease_now().await?;
        let rows: Vec<(MessageId,)> = self.all(&UNSETTLED, values![ids, now]).await?;
        let ids: Vec<MessageId> = rows.into_iter().map(|(id,)| id).collect();
        self.all(&UNCERTAIN_OF, values![ids]).await
    }

    /// One uncertain row.
    pub async fn get_uncertain(&mut self, id: MessageId) -> Result<Option<UncertainRow>, StoreError> {
        let rows: Vec<UncertainRow> = self.all(&UNCERTAIN_OF, values![vec![id]]).await?;
        Ok(rows.into_iter().next())
    }

    /// Uncertain rows of an account for which it is time to ask the provider.
    pub async fn list_uncertain(
        &mut self,
        account: &str,
        now: Micros,
        at_most: i64,
    ) -> Result<Vec<UncertainRow>, StoreError> {
        self.all(&UNCERTAIN_DUE, values![account, now, at_most]).await
    }

    /// The newest mails of an account that were sent before an instant, by token and Message-ID: what a search of the mailbox
    /// must find, if it finds anything.
    pub async fn list_sent_before(
        &mut self,
        account: &str,
        before: Micros,
        at_most: i64,
    ) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.all(&SENT_BEFORE, values![account, before, at_most]).await
    }

    /// Sets when an uncertain attempt is looked for next, and says why it is not known yet, where that is new.
    pub async fn set_look_at(
        &mut self,
        id: MessageId,
        attempt: i64,
        at: Micros,
        why: Option<&str>,
    ) -> Result<(), StoreError> {
        self.exec(&LOOK_AT, values![id, attempt, at, why]).await?;
        Ok(())
    }

    /// Sent rows of an account whose copy is still to be filed, oldest first.
    pub async fn list_unfiled(&mut self, account: &str, at_most: i64) -> Result<Vec<UnfiledRow>, StoreError> {
        self.all(&UNFILED, values![account, at_most]).await
    }

    /// Notes that the copy is where it belongs.
    pub async fn set_filed(&mut self, id: MessageId, at: Micros) -> Result<(), StoreError> {
        self.exec(&FILED, values![id, at]).await?;
        Ok(())
    }
}

statements! {
    #[hot] RECORD = "UPDATE outbox SET status = $4, due_at = COALESCE($5, due_at), failures = failures + $6, \
        first_try_at = COALESCE(first_try_at, $7), finished_at = $8, look_at = $9, detail = COALESCE($10, detail), \
        lease_holder = CASE WHEN $4::text = 'uncertain' THEN lease_holder END, lease_until = NULL \
        WHERE id = $1 AND lease_holder = $2 AND attempts = $3 \
        AND (status IN ('claimed', 'handed_over') OR (status = 'uncertain' AND $4::text <> 'uncertain'))";
    #[hot] SETTLE = "UPDATE outbox SET status = $3, due_at = COALESCE($4, due_at), finished_at = $5, look_at = $6, \
        detail = COALESCE($7, detail), lease_holder = NULL, lease_until = NULL \
        WHERE id = $1 AND attempts = $2 AND status IN ('uncertain', 'handed_over')";
    #[hot] CONFIRM_WAITING = "UPDATE outbox SET status = 'confirmed', detail = $2, finished_at = $3 \
        WHERE id = $1 AND status IN ('queued', 'deferred')";
    #[hot] CANCEL = "UPDATE outbox SET status = CASE WHEN EXISTS (SELECT 1 FROM outbox_recipient r WHERE r.outbox_id = outbox.id \
          AND r.state = 'accepted') THEN 'confirmed' ELSE 'cancelled' END, \
        detail = $2, finished_at = $3, lease_holder = NULL, lease_until = NULL \
        WHERE id = $1 AND status IN ('review', 'queued', 'deferred', 'claimed') RETURNING status";
    #[hot] REOPEN = "UPDATE outbox SET status = 'queued', due_at = $2, detail = $3, failures = 0, first_try_at = NULL, finished_at = NULL, \
        held_reason = NULL WHERE id = $1 AND status = 'rejected'";
    #[hot] TRIES_SHIFT = "UPDATE outbox SET first_try_at = first_try_at + $2 WHERE enrollment_id = $1 AND first_try_at IS NOT NULL \
        AND status IN ('review', 'queued', 'deferred')";
    #[hot] TRIES_RESTART_OF = "UPDATE outbox SET failures = 0, first_try_at = NULL WHERE id = $1 AND status IN ('queued', 'deferred')";
    #[hot] TRIES_RESTART = "UPDATE outbox SET first_try_at = NULL WHERE account = $1 AND status IN ('queued', 'deferred') \
        AND first_try_at IS NOT NULL";
    #[hot] UNSETTLED = "SELECT id FROM outbox WHERE id = ANY($1::uuid[]) \
        AND (status = 'uncertain' OR (status = 'handed_over' AND lease_until < $2)) FOR UPDATE";
    #[hot] UNCERTAIN_OF = "SELECT o.id, o.attempts AS attempt, o.token, m.internet_message_id, o.handed_over_at, o.look_at, \
        (SELECT COUNT(*) FROM outbox_recipient r WHERE r.outbox_id = o.id AND r.state = 'accepted') AS accepted \
        FROM outbox o JOIN message m ON m.id = o.id WHERE o.id = ANY($1::uuid[]) AND o.status IN ('uncertain', 'handed_over')";
    #[hot] UNCERTAIN_DUE = "SELECT o.id, o.attempts AS attempt, o.token, m.internet_message_id, o.handed_over_at, o.look_at, \
        (SELECT COUNT(*) FROM outbox_recipient r WHERE r.outbox_id = o.id AND r.state = 'accepted') AS accepted \
        FROM outbox o JOIN message m ON m.id = o.id WHERE o.account = $1 AND o.status = 'uncertain' AND o.look_at <= $2 \
        ORDER BY o.look_at, o.id LIMIT $3";
    #[hot] SENT_BEFORE = "SELECT o.token, m.internet_message_id FROM outbox o JOIN message m ON m.id = o.id \
        WHERE o.account = $1 AND o.status = 'confirmed' AND o.finished_at <= $2 ORDER BY o.id DESC LIMIT $3";
    #[hot] LOOK_AT = "UPDATE outbox SET look_at = $3, detail = COALESCE($4, detail) \
        WHERE id = $1 AND attempts = $2 AND status = 'uncertain'";
    #[hot] UNFILED = "SELECT o.id, o.token, m.internet_message_id, o.handed_over_at FROM outbox o JOIN message m ON m.id = o.id \
        WHERE o.account = $1 AND o.file_copy AND o.finished_at IS NOT NULL AND o.status = 'confirmed' ORDER BY o.finished_at, o.id LIMIT $2";
    #[hot] FILED = "UPDATE outbox SET filed_at = $2, file_copy = FALSE WHERE id = $1";
}
