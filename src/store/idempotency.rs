//! Requests that may come twice and must act once: what each did, by token and Idempotency-Key.
//!
//! A request is claimed in a transaction of its own and then works under a [`Receipt`]: every transaction that is committed
//! under one marks the row as done in that same transaction. So a row that still runs when its process is gone did nothing
//! and may be taken over, and one that is done did it, whatever became of the answer.

use std::time::Duration;

use uuid::Uuid;

use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx, TxInner};
use crate::domain::ids::TokenId;

/// How long a key is remembered.
pub const REMEMBERED: Duration = Duration::from_hours(24);
/// After this time a request that did nothing yet is not waited for any more. No request may take so long.
pub const RUNNING_MAX: Duration = Duration::from_mins(2);

tokio::task_local! {
    static UNDER: Receipt;
}

/// One attempt at a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whose key it is.
    pub token: TokenId,
    /// The key.
    pub key: String,
    /// This attempt; another one has another id, and this one can't be kept any more then.
    pub attempt: Uuid,
}

impl Receipt {
    /// Does some work under this receipt: what it commits, from this task, is marked as done.
    pub async fn cover<F: Future>(self, work: F) -> F::Output {
        UNDER.scope(self, work).await
    }
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nothing: this attempt may begin.
    Ours,
    /// It is being worked on.
    Running,
    /// The key stands for another request.
    Other,
    /// It was carried out; its answer was not kept.
    Done,
    /// It was carried out and answered.
    Answered(KeptAnswer),
}

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: i64,
    /// The media type.
    pub media: String,
    /// The content.
    pub body: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    request: Vec<u8>,
    state: String,
    begun_at: i64,
    status: Option<i64>,
    media: Option<String>,
    answer: Option<Vec<u8>>,
}

impl Tx {
    /// Claims a request for this attempt, by the hash of all that it says. Forgets what is older than [`REMEMBERED`].
    pub async fn claim_request(&mut self, receipt: &Receipt, request: Vec<u8>) -> Result<Claimed, StoreError> {
        let Receipt { token, key, attempt } = receipt.clone();
        let now = self.lease_now().await?;
        self.exec(&FORGET, values![now.minus(REMEMBERED)]).await?;
        let bound = values![token, key.as_str(), request.clone(), attempt, now];
        if self.exec(&BEGIN, bound).await? > 0 {
            return Ok(Claimed::Ours);
        }
        let row: Option<Row> = self.opt(&LOOK, values![token, key.as_str()]).await?;
        // Given back between the two statements: whoever asks again will have it.
        let Some(row) = row else { return Ok(Claimed::Running) };
        if row.request != request {
            return Ok(Claimed::Other);
        }
        Ok(match (row.state.as_str(), row.status, row.answer) {
            ("answered", Some(status), Some(body)) => {
                Claimed::Answered(KeptAnswer { status, media: row.media.unwrap_or_default(), body })
            }
            ("running", _, _) if row.begun_at < now.minus(RUNNING_MAX).0 => {
                self.exec(&TAKE_OVER, values![token, key.as_str(), attempt, now]).await?;
                Claimed::Ours
            }
            ("running", _, _) => Claimed::Running,
            _ => Claimed::Done,
        })
    }

    /// Forgets keys older than [`REMEMBERED`], a batch; how many.
    pub async fn forget_requests(&mut self, at_most: i64) -> Result<u64, StoreError> {
        let before = self.lease_now().await?.minus(REMEMBERED);
        self.exec(&FORGET_SOME, values![before, at_most]).await
    }

    /// Keeps the answer of an attempt that came to its end.
    pub async fn keep_answer(&mut self, receipt: &Receipt, answer: KeptAnswer) -> Result<(), StoreError> {
        let Receipt { token, key, attempt } = receipt.clone();
        let KeptAnswer { status, media, body } = answer;
        self.exec(&ANSWER, values![token, key, attempt, status, media, body]).await?;
        Ok(())
    }

    /// Forgets an attempt that changed nothing, so that the key can be used again.
    pub async fn give_request_back(&mut self, receipt: &Receipt) -> Result<(), StoreError> {
        let Receipt { token, key, attempt } = receipt.clone();
        self.exec(&GIVE_BACK, values![token, key, attempt]).await?;
        Ok(())
    }

    /// Marks the request this task works on as done, where it works on one and this transaction writes.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another attempt took the request over: this one must not be kept.
    pub(super) async fn mark_done(&mut self) -> Result<(), StoreError> {
        let writes = match &self.inner {
            TxInner::SqliteWrite(_) => true,
            TxInner::Postgres(_) => self.name != super::SNAPSHOT,
            TxInner::SqliteRead(_) | TxInner::SqliteSnapshot(_) | TxInner::PostgresRead(_) => false,
        };
        let Ok(receipt) = UNDER.try_with(Receipt::clone) else { return Ok(()) };
        if !writes {
            return Ok(());
        }
        let Receipt { token, key, attempt } = receipt;
        if self.exec(&MARK, values![token, key.as_str(), attempt]).await? > 0 {
            return Ok(());
        }
        // Not there at all: a scratch database, where a simulation writes.
        match self.opt::<Row>(&LOOK, values![token, key]).await? {
            Some(_) => Err(StoreError::Conflict(sqlx::Error::RowNotFound)),
            None => Ok(()),
        }
    }
}

statements! {
    #[hot] FORGET = "DELETE FROM idempotency WHERE begun_at < $1";
    #[hot] FORGET_SOME = "DELETE FROM idempotency WHERE (token_id, key) IN \
        (SELECT token_id, key FROM idempotency WHERE begun_at < $1 ORDER BY begun_at LIMIT $2)";
    #[hot] BEGIN = "INSERT INTO idempotency (token_id, key, request, attempt, state, begun_at) VALUES ($1, $2, $3, $4, 'running', $5) \
        ON CONFLICT (token_id, key) DO NOTHING";
    #[hot] LOOK = "SELECT request, state, begun_at, status, media, answer FROM idempotency WHERE token_id = $1 AND key = $2 FOR UPDATE";
    #[hot] TAKE_OVER = "UPDATE idempotency SET attempt = $3, begun_at = $4 WHERE token_id = $1 AND key = $2 AND state = 'running'";
    #[hot] MARK = "UPDATE idempotency SET state = 'done' WHERE token_id = $1 AND key = $2 AND attempt = $3 AND state IN ('running', 'done')";
    #[hot] ANSWER = "UPDATE idempotency SET state = 'answered', status = $4, media = $5, answer = $6 \
        WHERE token_id = $1 AND key = $2 AND attempt = $3";
    #[hot] GIVE_BACK = "DELETE FROM idempotency WHERE token_id = $1 AND key = $2 AND attempt = $3 AND state = 'running'";
}
