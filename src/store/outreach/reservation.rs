//! Capacity that is taken, by the instant it is planned for: one row per send, and one per first step that is pencilled in.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::time::Micros;
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::{Value, values};
use crate::store::{StoreError, Tx};

/// A place that is taken. Its id is that of the message, or of the run where it is only pencilled in.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ReservationRow {
    /// The message, or the run.
    pub id: Uuid,
    /// The account that sends.
    pub account: String,
    /// The sequence; none: a person wrote it.
    pub sequence: Option<String>,
    /// The domain of the recipient.
    pub domain: String,
    /// Whether it is the first step of a run.
    pub first: bool,
    /// Whether it gives way to follow-ups.
    pub pencilled: bool,
    /// When.
    pub at: Micros,
    /// How long the account sends nothing of a sequence after it, microseconds.
    pub gap: i64,
}

const INSERT: Many = Many {
    head: "INSERT INTO reservation (id, account, sequence, domain, first, pencilled, at, gap)",
    columns: 8,
    tail: "ON CONFLICT (id) DO UPDATE SET at = excluded.at, pencilled = excluded.pencilled",
};

impl Tx {
    /// Takes places; one that is there is moved.
    pub async fn upsert_reservations(&mut self, rows: Vec<ReservationRow>) -> Result<(), StoreError> {
        let rows: Vec<Value> = rows
            .into_iter()
            .flat_map(|r| values![r.id, r.account, r.sequence, r.domain, r.first, r.pencilled, r.at, r.gap])
            .collect();
        self.insert_many(&INSERT, rows).await?;
        Ok(())
    }

    /// The places of an account that are taken from an instant on.
    pub async fn list_reservations(&mut self, account: &str, from: Micros) -> Result<Vec<ReservationRow>, StoreError> {
        self.all(&OF_ACCOUNT, values![account, from]).await
    }

    /// The places of an account that are taken from an instant up to another, which is not part of it.
    pub async fn list_reservations_between(
        &mut self,
        account: &str,
        (from, until): (Micros, Micros),
    ) -> Result<Vec<ReservationRow>, StoreError> {
        self.all(&OF_ACCOUNT_BETWEEN, values![account, from, until]).await
    }

    /// The places of a sequence that are taken from an instant up to another, whatever the account.
    pub async fn list_reservations_of_sequence_between(
        &mut self,
        sequence: &str,
        (from, until): (Micros, Micros),
    ) -> Result<Vec<ReservationRow>, StoreError> {
        self.all(&OF_SEQUENCE_BETWEEN, values![sequence, from, until]).await
    }

    /// The places with these ids, of messages or of runs.
    pub async fn list_reservations_by_id(&mut self, ids: Vec<Uuid>) -> Result<Vec<ReservationRow>, StoreError> {
        self.all(&BY_ID, values![ids]).await
    }

    /// Gives places back.
    pub async fn delete_reservations(&mut self, ids: Vec<Uuid>) -> Result<(), StoreError> {
        self.exec(&DELETE, values![ids]).await?;
        Ok(())
    }

    /// Notes that a message left; one that did so no later than `punctual` after its place counts from there.
    pub async fn note_departure(&mut self, id: Uuid, at: Micros, punctual: Duration) -> Result<(), StoreError> {
        self.exec(&DEPARTED, values![id, at, at.minus(punctual)]).await?;
        Ok(())
    }

    /// Moves the place of a message.
    pub async fn move_reservation(&mut self, id: Uuid, at: Micros) -> Result<(), StoreError> {
        self.exec(&MOVE, values![id, at]).await?;
        Ok(())
    }

    /// Forgets places older than an instant, at most so many at once; how many. Mail that still waits keeps its place, which
    /// says how late it is.
    pub async fn prune_reservations(&mut self, before: Micros, at_most: i64) -> Result<u64, StoreError> {
        self.exec(&PRUNE, values![before, at_most]).await
    }

    /// When an account first sent for a sequence: the beginning of its ramp.
    pub async fn sending_since(&mut self, account: &str) -> Result<Option<Micros>, StoreError> {
        let row: Option<(Option<Micros>,)> = self.opt(&SINCE, values![account]).await?;
        Ok(row.and_then(|(at,)| at))
    }

    /// Notes when an account first sent for a sequence; an earlier note stays.
    pub async fn set_sending_since(&mut self, account: &str, at: Micros) -> Result<(), StoreError> {
        self.exec(&SINCE_SET, values![account, at]).await?;
        Ok(())
    }

    /// Only one plans at a time, so that no place is given twice. Until the end of the transaction.
    pub async fn lock_capacity(&mut self) -> Result<(), StoreError> {
        if !self.is_sqlite() {
            let _: Option<(i64,)> = self.opt(&LOCK, values![]).await?;
        }
        Ok(())
    }
}

statements! {
    #[hot] OF_ACCOUNT = "SELECT id, account, sequence, domain, first, pencilled, at, gap FROM reservation \
        WHERE account = $1 AND at >= $2 ORDER BY at, id";
    #[hot] BY_ID = "SELECT id, account, sequence, domain, first, pencilled, at, gap FROM reservation \
        WHERE id = ANY($1::uuid[]) ORDER BY id";
    #[hot] DELETE = "DELETE FROM reservation WHERE id = ANY($1::uuid[])";
    #[hot] MOVE = "UPDATE reservation SET at = $2 WHERE id = $1 AND at <> $2";
    #[hot] DEPARTED = "UPDATE reservation SET at = $2 WHERE id = $1 AND (at > $2 OR at < $3)";
    #[hot] OF_ACCOUNT_BETWEEN = "SELECT id, account, sequence, domain, first, pencilled, at, gap FROM reservation \
        WHERE account = $1 AND at >= $2 AND at < $3 ORDER BY at, id";
    #[hot] OF_SEQUENCE_BETWEEN = "SELECT id, account, sequence, domain, first, pencilled, at, gap FROM reservation \
        WHERE sequence = $1 AND at >= $2 AND at < $3 ORDER BY at, id";
    #[hot] PRUNE = "DELETE FROM reservation WHERE id IN (SELECT r.id FROM reservation r LEFT JOIN outbox o ON o.id = r.id \
        WHERE r.at < $1 AND (o.status IS NULL OR o.status IN ('confirmed', 'rejected', 'cancelled')) ORDER BY r.at, r.id LIMIT $2)";
    SINCE = "SELECT sending_since FROM account WHERE name = $1";
    SINCE_SET = "UPDATE account SET sending_since = $2 WHERE name = $1 AND sending_since IS NULL";
    LOCK = "SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_xact_lock(7206317201)) AS l", sqlite: "SELECT 1";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&INSERT];
