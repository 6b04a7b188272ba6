//! Moving live runs to another version: finding them, and giving back what was planned for a step that says something else.

use crate::domain::ids::{EnrollmentId, MessageId};
use crate::store::outreach::enrollment::EnrollmentRow;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

impl Tx {
    /// Live runs of a sequence on another version than this one, after an id, locked until the end of the transaction.
    pub async fn lock_outdated_enrollments(
        &mut self,
        sequence: &str,
        version: &str,
        after: EnrollmentId,
        limit: i64,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        self.all(&OUTDATED, values![sequence, version, after, limit]).await
    }

    /// Takes a cancelled message out of its run, so that its step can be planned anew; `false` where it is not cancelled.
    pub async fn detach_mail(&mut self, id: MessageId) -> Result<bool, StoreError> {
        Ok(self.exec(&DETACH, values![id]).await? > 0)
    }

    /// Pins the live runs of a version to another one that says the same; how many.
    pub async fn repin_enrollments(&mut self, from: &str, to: &str) -> Result<u64, StoreError> {
        self.exec(&REPIN, values![from, to]).await
    }
}

statements! {
    #[hot] OUTDATED = "SELECT e.id, e.sequence, e.version, e.influencer_id, e.run, e.account, e.state, e.step, e.phase, e.anchor_at, \
        e.next_at, e.first, e.waiting_for, e.held_at, e.exit_reason, e.filled, e.started_at, e.ended_at FROM enrollment e \
        WHERE e.sequence = $1 AND e.id > $3 AND e.version <> $2 AND e.state IN ('active', 'held', 'paused') ORDER BY e.id LIMIT $4 FOR UPDATE";
    #[hot] DETACH = "UPDATE outbox SET enrollment_id = NULL, step = NULL WHERE id = $1 AND status = 'cancelled'";
    #[hot] REPIN = "UPDATE enrollment SET version = $2 WHERE version = $1 AND state IN ('active', 'held', 'paused')";
}
