//! Claiming rows of the outbox, keeping hold of them, and finding those whose holder is gone.
//!
//! An address is of one channel by its form, so that whom it is forbidden to write to is found by it alone, whatever it is.
//!
//! Leases run by the database's clock on PostgreSQL and by the machine's on SQLite, never by business time.

use super::{Grip, HandedOver};
use crate::domain::ids::{MessageId, RunId};
use crate::domain::time::Micros;
use crate::domain::words::OutboxStatus;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// A row that was claimed, with what its sending needs.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ClaimedRow {
    /// The row.
    pub id: MessageId,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// How often a server refused it for now.
    pub failures: i64,
    /// When it was first tried.
    pub first_try_at: Option<Micros>,
    /// Our own token.
    pub token: String,
    /// The envelope sender.
    pub sender: String,
}

/// A recipient that is not written to any more.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct StoppedRecipient {
    /// The row.
    pub outbox_id: MessageId,
    /// The recipient's place.
    pub position: i64,
    /// Why.
    pub reason: String,
}

/// A row whose lease is over.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ExpiredRow {
    /// The row.
    pub id: MessageId,
    /// Claimed, or handed over.
    pub status: OutboxStatus,
    /// Its account.
    pub account: String,
}

impl Tx {
    /// Rows of an account that are due, oldest first, locked until the end of the transaction; those that another node
    /// has locked are left to it.
    pub async fn lock_due_outbox(
        &mut self,
        account: &str,
        now: Micros,
        at_most: i64,
    ) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&DUE, values![account, now, at_most]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The same of those only that people wrote: no step of a sequence.
    pub async fn lock_due_by_hand(
        &mut self,
        account: &str,
        now: Micros,
        at_most: i64,
    ) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&DUE_BY_HAND, values![account, now, at_most]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The same on a channel on which messages to one address wait for each other: without those that have to (see [`Tx::find_busy`]),
    /// so that they keep no others waiting. `all`, or only what people wrote.
    pub async fn lock_due_free(
        &mut self,
        account: &str,
        (now, after): (Micros, Micros),
        all: bool,
        at_most: i64,
    ) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&DUE_FREE, values![account, now, at_most, after, all]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// As [`Tx::lock_due_outbox`], without what sequences say to those who talk with one of these accounts as well: what they said there
    /// is not known.
    pub async fn lock_due_read(
        &mut self,
        account: &str,
        now: Micros,
        unread: &[String],
        at_most: i64,
    ) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&DUE_READ, values![account, now, at_most, unread.to_vec()]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// As [`Tx::lock_due_free`] of all, without what sequences say to those who talk with one of these accounts as well.
    pub async fn lock_due_free_read(
        &mut self,
        account: &str,
        (now, after): (Micros, Micros),
        unread: &[String],
        at_most: i64,
    ) -> Result<Vec<MessageId>, StoreError> {
        let values = values![account, now, at_most, after, unread.to_vec()];
        let rows: Vec<(MessageId,)> = self.all(&DUE_FREE_READ, values).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// When the next row of an account is due.
    pub async fn next_due_outbox(&mut self, account: &str) -> Result<Option<Micros>, StoreError> {
        let row: Option<(Micros,)> = self.opt(&DUE_NEXT, values![account]).await?;
        Ok(row.map(|(at,)| at))
    }

    /// Of the recipients of these rows that are still to be written to, those that must not be: their owner, or somebody for
    /// them, said no.
    pub async fn find_stopped_recipients(&mut self, ids: Vec<MessageId>) -> Result<Vec<StoppedRecipient>, StoreError> {
        self.all(&STOPPED, values![ids]).await
    }

    /// The same for those at whose address nothing arrives any more, which says nothing about other addresses of theirs.
    pub async fn find_dead_recipients(&mut self, ids: Vec<MessageId>) -> Result<Vec<StoppedRecipient>, StoreError> {
        self.all(&DEAD, values![ids]).await
    }

    /// Claims rows for a holder, until `seconds` from now. Only what is still waiting is claimed.
    pub async fn claim_outbox(
        &mut self,
        ids: Vec<MessageId>,
        holder: RunId,
        seconds: i64,
    ) -> Result<Vec<ClaimedRow>, StoreError> {
        let until = lease_end(self.lease_now().await?, seconds);
        let claimed: Vec<(MessageId,)> = self.all(&CLAIM, values![ids, holder, until]).await?;
        let claimed: Vec<MessageId> = claimed.into_iter().map(|(id,)| id).collect();
        self.all(&CLAIMED, values![claimed]).await
    }

    /// Claims what is due with no check beside the state: at most `bounds.0` rows, for `bounds.1` seconds. The dispatcher checks
    /// more between [`Tx::lock_due_outbox`] and [`Tx::claim_outbox`].
    pub async fn claim_due(
        &mut self,
        account: &str,
        holder: RunId,
        now: Micros,
        bounds: (i64, i64),
    ) -> Result<Vec<ClaimedRow>, StoreError> {
        let (at_most, lease_seconds) = bounds;
        let ids = self.lock_due_outbox(account, now, at_most).await?;
        self.claim_outbox(ids, holder, lease_seconds).await
    }

    /// Writes that the content is about to go out, and counts it. `None` where the row is not (or no longer) this attempt's, the account
    /// was paused, its provider has the message already, or one of the recipients in the offer must not be written to any more; for a step of a run also where the
    /// run is over or elsewhere by now, it, its sequence, its account or everything is paused, its influencer is held, or a
    /// recipient is not theirs any more. Then nothing may be sent.
    pub async fn mark_handed_over(&mut self, grip: Grip, now: Micros) -> Result<Option<HandedOver>, StoreError> {
        if self.is_shared() {
            // A statement goes by what was committed when it began, and may get the row later: a no that was committed in between
            // would not be seen. Whoever has the row sees all that was committed before.
            let _: Option<(MessageId,)> = self.opt(&HAND_OVER_LOCK, values![grip.id]).await?;
        }
        let lease_now = self.lease_now().await?;
        let n = self.exec(&HAND_OVER, values![grip.id, grip.holder, grip.attempt, now, lease_now]).await?;
        if n == 0 {
            return Ok(None);
        }
        self.opt(&HAND_OVER_COUNT, values![grip.id]).await
    }

    /// How many messages each account has handed over.
    pub async fn list_handed_over(&mut self) -> Result<Vec<HandedOver>, StoreError> {
        self.all(&HANDED_OVER, values![]).await
    }

    /// Counts on from here.
    pub async fn set_handed_over(&mut self, to: &HandedOver) -> Result<(), StoreError> {
        self.exec(&HANDED_OVER_SET, values![to.account.clone(), to.count]).await?;
        Ok(())
    }

    /// Keeps hold of rows for another `seconds` from now; how many were still held.
    pub async fn renew_outbox(&mut self, holder: RunId, ids: Vec<MessageId>, seconds: i64) -> Result<u64, StoreError> {
        let until = lease_end(self.lease_now().await?, seconds);
        self.exec(&RENEW, values![holder, ids, until]).await
    }

    /// Rows whose lease is over, locked until the end of the transaction.
    pub async fn lock_expired_outbox(&mut self, at_most: i64) -> Result<Vec<ExpiredRow>, StoreError> {
        let now = self.lease_now().await?;
        self.all(&EXPIRED, values![now, at_most]).await
    }

    /// Which rows these are, without a lock.
    pub async fn list_expired_outbox(&mut self, at_most: i64) -> Result<Vec<MessageId>, StoreError> {
        let now = self.lease_now().await?;
        let rows: Vec<(MessageId,)> = self.all(&EXPIRED_LIST, values![now, at_most]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Puts claimed rows back: nothing of them has left.
    pub async fn requeue_claimed(&mut self, ids: Vec<MessageId>) -> Result<u64, StoreError> {
        self.exec(&REQUEUE, values![ids]).await
    }

    /// Marks handed-over rows as uncertain; the provider is asked from `look_at` on.
    pub async fn expire_handed_over(
        &mut self,
        ids: Vec<MessageId>,
        look_at: Micros,
        detail: &str,
    ) -> Result<u64, StoreError> {
        self.exec(&EXPIRE, values![ids, look_at, detail]).await
    }

    /// Ends every lease on rows of the outbox. Only right on SQLite, where the process lock proves that no holder lives.
    pub async fn end_outbox_leases(&mut self) -> Result<u64, StoreError> {
        self.exec(&LEASES_END, values![]).await
    }

    /// Ends every lease on rows of the outbox that one holder has. Only right where it is known to be gone.
    pub async fn end_outbox_leases_of(&mut self, holder: RunId) -> Result<u64, StoreError> {
        self.exec(&LEASES_END_OF, values![holder]).await
    }
}

fn lease_end(now: Micros, seconds: i64) -> Micros {
    Micros(now.0.saturating_add(seconds.saturating_mul(1_000_000)))
}

/// Of an outbox row `o` of the account `$1`: nothing else is on its way to the same address, nor was anything handed over after `$4`.
macro_rules! free {
    () => {
        "NOT EXISTS (SELECT 1 FROM outbox_recipient r \
          JOIN message m ON m.id = r.outbox_id JOIN outbox_recipient x ON x.address_key = r.address_key AND x.outbox_id <> r.outbox_id \
          JOIN outbox b ON b.id = x.outbox_id JOIN message n ON n.id = b.id WHERE r.outbox_id = o.id AND b.account = $1 \
          AND (b.status IN ('claimed', 'handed_over') OR b.handed_over_at > $4 OR (b.status = 'uncertain' AND n.text = m.text)))"
    };
}
pub(in crate::store) use free;

/// Of an outbox row `o`: no sequence says it, or to nobody who talks with one of the accounts of this parameter as well.
macro_rules! read {
    ($unread:literal) => {
        concat!(
            "(o.enrollment_id IS NULL OR NOT EXISTS (SELECT 1 FROM enrollment z JOIN thread t ON t.influencer_id = z.influencer_id \
              WHERE z.id = o.enrollment_id AND t.account = ANY(",
            $unread,
            "::text[])))"
        )
    };
}
pub(in crate::store) use read;

statements! {
    #[hot] DUE = "SELECT id FROM outbox WHERE account = $1 AND status IN ('queued', 'deferred') AND due_at <= $2 \
        AND held_reason IS NULL ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED";
    #[hot] DUE_BY_HAND = "SELECT id FROM outbox WHERE account = $1 AND status IN ('queued', 'deferred') AND due_at <= $2 \
        AND held_reason IS NULL AND enrollment_id IS NULL ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED";
    #[hot] DUE_FREE = concat!("SELECT o.id FROM outbox o WHERE o.account = $1 AND o.status IN ('queued', 'deferred') AND o.due_at <= $2 \
        AND o.held_reason IS NULL AND (o.enrollment_id IS NULL OR $5::boolean) AND ", free!(), " ORDER BY o.due_at, o.id LIMIT $3 \
        FOR UPDATE SKIP LOCKED");
    #[hot] DUE_READ = concat!("SELECT o.id FROM outbox o WHERE o.account = $1 AND o.status IN ('queued', 'deferred') AND o.due_at <= $2 \
        AND o.held_reason IS NULL AND ", read!("$4"), " ORDER BY o.due_at, o.id LIMIT $3 FOR UPDATE SKIP LOCKED");
    #[hot] DUE_FREE_READ = concat!("SELECT o.id FROM outbox o WHERE o.account = $1 AND o.status IN ('queued', 'deferred') AND o.due_at <= $2 \
        AND o.held_reason IS NULL AND ", read!("$5"), " AND ", free!(), " ORDER BY o.due_at, o.id LIMIT $3 FOR UPDATE SKIP LOCKED");
    #[hot] DUE_NEXT = "SELECT due_at FROM outbox WHERE account = $1 AND status IN ('queued', 'deferred') AND held_reason IS NULL \
        ORDER BY due_at, id LIMIT 1";
    #[hot] STOPPED = "SELECT r.outbox_id, r.position, s.reason FROM outbox_recipient r \
        JOIN suppression s ON s.value_key = r.address_key AND s.scope IN ('all', s.channel) \
        WHERE r.outbox_id = ANY($1::uuid[]) AND r.state IN ('pending', 'deferred')";
    #[hot] DEAD = "SELECT r.outbox_id, r.position, COALESCE(a.dead_reason, 'the address is dead') AS reason FROM outbox_recipient r \
        JOIN address a ON a.value_key = r.address_key AND a.dead_at IS NOT NULL \
        WHERE r.outbox_id = ANY($1::uuid[]) AND r.state IN ('pending', 'deferred')";
    #[hot] CLAIM = "UPDATE outbox SET status = 'claimed', attempts = attempts + 1, lease_holder = $2, lease_until = $3 \
        WHERE id = ANY($1::uuid[]) AND status IN ('queued', 'deferred') AND held_reason IS NULL RETURNING id";
    #[hot] CLAIMED = "SELECT o.id, o.attempts AS attempt, o.failures, o.first_try_at, o.token, m.author_address AS sender \
        FROM outbox o JOIN message m ON m.id = o.id WHERE o.id = ANY($1::uuid[]) ORDER BY o.due_at, o.id";
    #[hot] HAND_OVER_LOCK = "SELECT id FROM outbox WHERE id = $1 FOR UPDATE";
    #[hot] HAND_OVER = "UPDATE outbox SET status = 'handed_over', handed_over_at = $4, first_try_at = COALESCE(first_try_at, $4) \
        WHERE id = $1 AND lease_holder = $2 AND attempts = $3 AND status = 'claimed' AND lease_until >= $5 \
        AND NOT EXISTS (SELECT 1 FROM outbox_recipient r JOIN suppression s ON s.value_key = r.address_key \
          AND s.scope IN ('all', s.channel) WHERE r.outbox_id = $1 AND r.state = 'pending') \
        AND NOT EXISTS (SELECT 1 FROM outbox_recipient r JOIN address a ON a.value_key = r.address_key \
          AND a.dead_at IS NOT NULL WHERE r.outbox_id = $1 AND r.state = 'pending') \
        AND NOT EXISTS (SELECT 1 FROM account a WHERE a.name = outbox.account AND a.sending_state = 'paused') \
        AND NOT EXISTS (SELECT 1 FROM provider_message p WHERE p.message_id = $1) \
        AND (enrollment_id IS NULL OR (\
          EXISTS (SELECT 1 FROM enrollment e JOIN influencer i ON i.id = e.influencer_id LEFT JOIN sequence q ON q.id = e.sequence \
            WHERE e.id = outbox.enrollment_id AND e.state IN ('active', 'held') AND e.phase = 'send' AND e.step = outbox.step \
            AND i.merged_into IS NULL AND (i.held_until IS NULL OR i.held_until <= $4) AND q.paused_at IS NULL AND (q.id IS NULL OR q.active_hash IS NOT NULL)) \
          AND NOT EXISTS (SELECT 1 FROM pause p WHERE p.scope IN ('all', 'account:' || outbox.account)) \
          AND NOT EXISTS (SELECT 1 FROM outbox_recipient r JOIN enrollment e ON e.id = outbox.enrollment_id \
            WHERE r.outbox_id = $1 AND r.state = 'pending' AND NOT EXISTS (SELECT 1 FROM address a LEFT JOIN agent_influencer g \
              ON g.agent_id = a.agent_id AND g.influencer_id = e.influencer_id WHERE a.value_key = r.address_key \
              AND (a.influencer_id = e.influencer_id OR g.influencer_id IS NOT NULL)))))";
    #[hot] HAND_OVER_COUNT = "INSERT INTO handed_over (account, count) SELECT account, 1 FROM outbox WHERE id = $1 \
        ON CONFLICT (account) DO UPDATE SET count = handed_over.count + 1 RETURNING account, count";
    HANDED_OVER = "SELECT account, count FROM handed_over ORDER BY account";
    HANDED_OVER_SET = "INSERT INTO handed_over (account, count) VALUES ($1, $2) \
        ON CONFLICT (account) DO UPDATE SET count = excluded.count";
    #[hot] RENEW = "UPDATE outbox SET lease_until = $3 WHERE lease_holder = $1 AND id = ANY($2::uuid[]) \
        AND status IN ('claimed', 'handed_over')";
    #[hot] EXPIRED = "SELECT id, status, account FROM outbox WHERE status IN ('claimed', 'handed_over') AND lease_until < $1 \
        ORDER BY lease_until, id LIMIT $2 FOR UPDATE SKIP LOCKED";
    #[hot] EXPIRED_LIST = "SELECT id FROM outbox WHERE status IN ('claimed', 'handed_over') AND lease_until < $1 \
        ORDER BY lease_until, id LIMIT $2";
    #[hot] REQUEUE = "UPDATE outbox SET status = CASE WHEN failures > 0 THEN 'deferred' ELSE 'queued' END, \
        lease_holder = NULL, lease_until = NULL WHERE id = ANY($1::uuid[]) AND status = 'claimed'";
    #[hot] EXPIRE = "UPDATE outbox SET status = 'uncertain', lease_until = NULL, look_at = $2, detail = $3 \
        WHERE id = ANY($1::uuid[]) AND status = 'handed_over'";
    LEASES_END = "UPDATE outbox SET lease_until = 0 WHERE status IN ('claimed', 'handed_over')";
    LEASES_END_OF = "UPDATE outbox SET lease_until = 0 WHERE lease_holder = $1 AND status IN ('claimed', 'handed_over')";
}
