//! Reads that may have to look at a great part of what is stored: numbers over all time, conditions that no index serves.
//!
//! Only so many run at once, and each only for so long, so that the readers of everything else are never all taken: a poller
//! or a dispatcher that finds none would stand still.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqlitePool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::sql::statements;
use super::value::values;
use super::{Inner, Store, StoreError, Tx, TxInner};

/// Surveys of one process at once.
pub const SURVEYS_MAX: u32 = 2;
/// How long one waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long one statement of it may take.
const TIME_MAX: Duration = Duration::from_secs(15);
/// Steps of SQLite's machine between two looks at the time: some hundredths of a millisecond.
const STEPS: i32 = 1_000;

/// The places for surveys. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Surveys {
    places: Arc<Semaphore>,
    limits: SurveyLimits,
}

/// How long surveys may take.
#[derive(Debug, Clone, Copy)]
pub struct SurveyLimits {
    /// How long one waits for its turn.
    pub wait: Duration,
    /// How long all of it may take on SQLite, and one statement of it on PostgreSQL.
    pub time: Duration,
}

impl Default for SurveyLimits {
    fn default() -> Self {
        Self { wait: WAIT_MAX, time: TIME_MAX }
    }
}

impl Default for Surveys {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(SURVEYS_MAX as usize)), limits: SurveyLimits::default() }
    }
}

impl Store {
    /// The same database with other limits for surveys; they share their places.
    #[must_use]
    pub fn with_survey_limits(mut self, limits: SurveyLimits) -> Self {
        self.surveys.limits = limits;
        self
    }

    /// Begins reads that may have to look at a great part of what is stored, once it is their turn.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where it was not their turn in time; a read itself fails with [`StoreError::TooLong`].
    pub async fn survey(&self) -> Result<Tx, StoreError> {
        let SurveyLimits { wait, time } = self.surveys.limits;
        let turn = timeout(wait, Arc::clone(&self.surveys.places).acquire_owned()).await;
        // Nobody closes the semaphore.
        let place = turn.ok().and_then(Result::ok).ok_or(StoreError::Busy)?;
        match &self.inner {
            Inner::Sqlite { survey, .. } => on_sqlite(survey, time, place).await,
            Inner::Postgres(server) => {
                let inner = TxInner::Postgres(server.begin("BEGIN READ ONLY").await?);
                let mut tx = Tx { inner, name: "survey", _place: Some(place) };
                // For this transaction alone.
                let _: (String,) = tx.one(&TIME, values![time.as_millis().max(1).to_string()]).await?;
                Ok(tx)
            }
        }
    }
}

/// On a connection of its own: what ends a statement stays with the connection.
async fn on_sqlite(pool: &SqlitePool, time: Duration, place: OwnedSemaphorePermit) -> Result<Tx, StoreError> {
    let mut connection = pool.acquire().await?;
    let until = Instant::now() + time;
    connection.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < until);
    Ok(Tx { inner: TxInner::SqliteRead(connection), name: "survey", _place: Some(place) })
}

statements! {
    // SQLite has none: a connection is told otherwise.
    TIME = "SELECT set_config('statement_timeout', $1, TRUE)", sqlite: "SELECT $1";
}
