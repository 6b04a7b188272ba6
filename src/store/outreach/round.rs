//! Rounds: what is done with all runs of a scope, a batch at a time, because there may be too many for one transaction.
//!
//! A round is a row beside the pauses, so that whoever looks next carries it on, also after a crash. It ends with its last run.

use uuid::Uuid;

use crate::domain::ids::EnrollmentId;
use crate::domain::time::Micros;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Whose runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Those of one sequence.
    Sequence(&'a str),
    /// Those that one account sends for.
    Account(&'a str),
    /// All.
    All,
}

/// A round that is under way.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RoundRow {
    /// What is done with whose runs: `hold:all`, `wake:account:NAME`, `hold:sequence:ID`.
    pub scope: String,
    /// The last run that was reached; empty at the beginning.
    pub reached: String,
    /// The instant it speaks of.
    pub at: Micros,
}

impl RoundRow {
    /// The last run that was reached.
    pub fn after(&self) -> EnrollmentId {
        self.reached.parse().unwrap_or(EnrollmentId(Uuid::nil()))
    }
}

impl Tx {
    /// Begins a round; one of the same scope begins anew.
    pub async fn begin_round(&mut self, scope: &str, at: Micros) -> Result<(), StoreError> {
        self.exec(&BEGIN, values![scope, at]).await?;
        Ok(())
    }

    /// The rounds that are under way, the oldest first.
    pub async fn list_rounds(&mut self) -> Result<Vec<RoundRow>, StoreError> {
        self.all(&LIST, values![]).await
    }

    /// A round, locked until the end of the transaction.
    pub async fn lock_round(&mut self, scope: &str) -> Result<Option<RoundRow>, StoreError> {
        self.opt(&LOCK, values![scope]).await
    }

    /// Notes how far a round came.
    pub async fn move_round(&mut self, scope: &str, reached: EnrollmentId) -> Result<(), StoreError> {
        self.exec(&MOVE, values![scope, reached.to_string()]).await?;
        Ok(())
    }

    /// Ends a round; `false` where there is none.
    pub async fn end_round(&mut self, scope: &str) -> Result<bool, StoreError> {
        Ok(self.exec(&END, values![scope]).await? > 0)
    }

    /// The next live runs of a scope after an id, locked until the end of the transaction.
    pub async fn lock_live_ids(
        &mut self,
        of: Scope<'_>,
        after: EnrollmentId,
        at_most: i64,
    ) -> Result<Vec<EnrollmentId>, StoreError> {
        let rows: Vec<(EnrollmentId,)> = match of {
            Scope::Sequence(id) => self.all(&IDS_SEQUENCE, values![after, at_most, id]).await?,
            Scope::Account(name) => self.all(&IDS_ACCOUNT, values![after, at_most, name]).await?,
            Scope::All => self.all(&IDS_ALL, values![after, at_most]).await?,
        };
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Time stands still for these runs since an instant, or since their wait began where that was later; for those for which it
    /// does already nothing changes. Nobody knows for how long: what is only pencilled in for them is free for others.
    pub async fn hold_runs(&mut self, ids: Vec<EnrollmentId>, since: Micros) -> Result<(), StoreError> {
        self.exec(&ERASE_MANY, values![ids.clone()]).await?;
        self.exec(&HOLD_MANY, values![ids, since]).await?;
        Ok(())
    }

    /// Has these runs looked at, but not those that somebody paused. One that is due before keeps its instant, which says when it
    /// went on.
    pub async fn wake_runs(&mut self, ids: Vec<EnrollmentId>, at: Micros) -> Result<(), StoreError> {
        self.exec(&WAKE_MANY, values![ids, at]).await?;
        Ok(())
    }

    /// Sequences that were removed and still have live runs.
    pub async fn list_ending(&mut self) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.all(&ENDING, values![]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}

macro_rules! ids {
    ($scope:literal) => {
        concat!(
            "SELECT id FROM enrollment WHERE state IN ('active', 'held', 'paused')",
            $scope,
            " AND id > $1 ORDER BY id LIMIT $2 FOR UPDATE"
        )
    };
}

statements! {
    BEGIN = "INSERT INTO pause (scope, reason, at) VALUES ($1, '', $2) ON CONFLICT (scope) DO UPDATE SET reason = '', at = excluded.at";
    LIST = "SELECT scope, reason AS reached, at FROM pause WHERE scope LIKE 'hold:%' OR scope LIKE 'wake:%' ORDER BY at, scope";
    #[hot] LOCK = "SELECT scope, reason AS reached, at FROM pause WHERE scope = $1 FOR UPDATE";
    MOVE = "UPDATE pause SET reason = $2 WHERE scope = $1";
    END = "DELETE FROM pause WHERE scope = $1";
    #[hot] IDS_SEQUENCE = ids!(" AND sequence = $3");
    #[hot] IDS_ACCOUNT = ids!(" AND account = $3");
    #[hot] IDS_ALL = ids!("");
    #[hot] ERASE_MANY = "DELETE FROM reservation WHERE pencilled AND id = ANY($1::uuid[])";
    #[hot] HOLD_MANY = "UPDATE enrollment SET held_at = COALESCE(held_at, CASE WHEN anchor_at > $2 THEN anchor_at ELSE $2 END), next_at = NULL \
        WHERE id = ANY($1::uuid[])";
    #[hot] WAKE_MANY = "UPDATE enrollment SET next_at = CASE WHEN next_at < $2 THEN next_at ELSE $2 END \
        WHERE id = ANY($1::uuid[]) AND state <> 'paused'";
    ENDING = "SELECT q.id FROM sequence q WHERE q.active_hash IS NULL AND EXISTS (SELECT 1 FROM enrollment e \
        WHERE e.sequence = q.id AND e.state IN ('active', 'held', 'paused')) ORDER BY q.id";
}
