//! Deletes what was kept for as long as the configuration says, in small batches that let others go first. One node does it at a
//! time, under a lease.

use std::convert::Infallible;
use std::time::Duration;

use crate::clock::{Clock, machine_now};
use crate::config::Retention;
use crate::domain::ids::RunId;
use crate::lifecycle::Stop;
use crate::store::retention::Page;
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::{metrics, pulse};

/// The lease of whoever deletes.
const LEASE: &str = "retention";
/// How long it runs, seconds; renewed by every batch.
const LEASE_SECONDS: i64 = 60;
/// Rows of one transaction.
const BATCH: i64 = 500;
/// The rest between two batches. Machine time.
const BATCH_REST: Duration = Duration::from_millis(50);
/// The time between two rounds. Machine time.
const IDLE: Duration = Duration::from_hours(6);

/// Deletes again and again until told to stop; `current` gives what is configured at the moment.
///
/// # Errors
/// None: what can't be done now is done in the next round.
pub async fn run(
    (store, clock, run): (Store, Clock, RunId),
    current: impl Fn() -> Retention + Send + Sync,
    stop: Stop,
) -> Result<(), Infallible> {
    let keeper = Keeper { store, clock, run };
    loop {
        pulse::beat();
        tokio::select! {
            () = stop.soft() => return Ok(()),
            done = keeper.round(&current()) => if let Err(error) = done {
                tracing::warn!(%error, "what was kept long enough can't be deleted now");
            },
        }
        pulse::rest(IDLE);
        tokio::select! {
            () = stop.soft() => return Ok(()),
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

/// How many of each sort went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Original mails of messages.
    pub originals: u64,
    /// Events.
    pub events: u64,
    /// Hits.
    pub hits: u64,
    /// Deliveries of webhooks.
    pub webhook_log: u64,
    /// Idempotency keys.
    pub keys: u64,
}

/// Whoever deletes.
pub struct Keeper {
    /// The database.
    pub store: Store,
    /// Business time.
    pub clock: Clock,
    /// Who holds the lease.
    pub run: RunId,
}

impl Keeper {
    /// One round, to its end; how many went. Nothing where another node is at it.
    ///
    /// # Errors
    /// Those of the store; what was deleted by then stays so.
    pub async fn round(&self, kept: &Retention) -> Result<Deleted, StoreError> {
        let now = self.clock.now();
        let before = |length: Option<Duration>| length.map(|length| now.minus(length));
        let mut gone = Deleted::default();
        if let Some(before) = before(kept.originals) {
            gone.originals = self.pages("originals", async |tx, after| tx.delete_originals(before, after, BATCH).await).await?;
        }
        if let Some(before) = before(kept.events) {
            gone.events = self.pages("events", async |tx, after| tx.delete_events(before, after, BATCH).await).await?;
        }
        if let Some(before) = before(kept.hits) {
            gone.hits = self.batches("hits", async |tx| tx.delete_hits(before, BATCH).await).await?;
        }
        if let Some(length) = kept.webhook_log {
            let work = async |tx: &mut Tx| {
                // Deliveries go by the clock of the database.
                let before = tx.lease_now().await?.minus(length);
                tx.prune_webhook_deliveries(before, BATCH).await
            };
            gone.webhook_log = self.batches("webhook_log", work).await?;
        }
        gone.keys = self.batches("idempotency_keys", async |tx| tx.forget_requests(BATCH).await).await?;
        let at = u64::try_from(machine_now().seconds()).unwrap_or_default();
        metrics::set(&metrics::RETENTION_ROUND, &[], Duration::from_secs(at).as_secs_f64());
        if gone != Deleted::default() {
            tracing::info!(?gone, "what was kept long enough was deleted");
        }
        Ok(gone)
    }

    /// Page after page, each in a transaction of its own.
    async fn pages<P>(
        &self,
        what: &str,
        mut page: impl AsyncFnMut(&mut Tx, Option<P>) -> Result<Page<P>, StoreError>,
    ) -> Result<u64, StoreError> {
        let (mut after, mut deleted) = (None, 0);
        loop {
            let Some(mut tx) = self.begin().await? else { return Ok(deleted) };
            let done = page(&mut tx, after).await?;
            tx.commit().await?;
            deleted += self.count(what, done.deleted);
            match done.next {
                None => return Ok(deleted),
                next => after = next,
            }
            rest().await;
        }
    }

    /// Batch after batch, until one is not full.
    async fn batches(
        &self,
        what: &str,
        mut batch: impl AsyncFnMut(&mut Tx) -> Result<u64, StoreError>,
    ) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let Some(mut tx) = self.begin().await? else { return Ok(deleted) };
            let done = batch(&mut tx).await?;
            tx.commit().await?;
            deleted += self.count(what, done);
            if done < BATCH.unsigned_abs() {
                return Ok(deleted);
            }
            rest().await;
        }
    }

    /// `None` where another node is at it.
    async fn begin(&self) -> Result<Option<Tx>, StoreError> {
        let mut tx = self.store.begin("hub.retention").await?;
        let lease = tx.acquire_lease(LEASE, self.run, LEASE_SECONDS).await?;
        Ok(lease.map(|_| tx))
    }

    fn count(&self, what: &str, deleted: u64) -> u64 {
        if deleted > 0 {
            metrics::count(&metrics::RETENTION_DELETED, &[what], usize::try_from(deleted).unwrap_or(usize::MAX));
        }
        deleted
    }
}

async fn rest() {
    pulse::beat();
    tokio::time::sleep(BATCH_REST).await;
}
