//! Deletes what was kept for as long as the configuration says, in small batches that let others go first. One node does it at a
//! time, under a lease.

use std::convert::Infallible;
use std::time::Duration;

use crate::clock::{Clock, machine_now};
use crate::config::Retention;
use crate::domain::ids::RunId;
use crate::domain::time::Micros;
use crate::lifecycle::Stop;
use crate::store::retention::Place;
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
        let kept = current();
        tokio::select! {
            () = stop.soft() => return Ok(()),
            done = keeper.round(&kept) => if let Err(error) = done {
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
    /// Files beside messages that have no original.
    pub files: u64,
    /// Events.
    pub events: u64,
    /// Hits.
    pub hits: u64,
    /// Deliveries of webhooks.
    pub webhook_log: u64,
    /// Idempotency keys.
    pub keys: u64,
}

/// What is deleted, and how old it must be.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Originals(Micros),
    /// Beside messages without an original.
    Files(Micros),
    Events(Micros),
    Hits(Micros),
    /// Deliveries go by the clock of the database.
    WebhookLog(Duration),
    Keys,
}

/// Where a batch begins.
#[derive(Debug, Clone, Copy)]
enum After {
    Beginning,
    Message(Place),
    Event(i64),
}

impl Sort {
    fn name(self) -> &'static str {
        match self {
            Self::Originals(_) => "originals",
            Self::Files(_) => "files",
            Self::Events(_) => "events",
            Self::Hits(_) => "hits",
            Self::WebhookLog(_) => "webhook_log",
            Self::Keys => "idempotency_keys",
        }
    }

    /// Deletes one batch: how many went, and where the next begins, if there is one.
    async fn delete(self, tx: &mut Tx, after: After) -> Result<(u64, Option<After>), StoreError> {
        let full = |deleted: u64| (deleted, (deleted >= BATCH.unsigned_abs()).then_some(After::Beginning));
        Ok(match (self, after) {
            (Self::Originals(before), after) => {
                let after = if let After::Message(place) = after { Some(place) } else { None };
                // As those do who keep the contents of files.
                tx.lock_conversations().await?;
                let page = tx.delete_originals(before, after, BATCH).await?;
                (page.deleted, page.next.map(After::Message))
            }
            (Self::Files(before), after) => {
                let after = if let After::Message(place) = after { Some(place) } else { None };
                tx.lock_conversations().await?;
                let page = tx.let_old_files_go(before, after, BATCH).await?;
                (page.deleted, page.next.map(After::Message))
            }
            (Self::Events(before), after) => {
                let after = if let After::Event(seq) = after { Some(seq) } else { None };
                let page = tx.delete_events(before, after, BATCH).await?;
                (page.deleted, page.next.map(After::Event))
            }
            (Self::Hits(before), _) => full(tx.delete_hits(before, BATCH).await?),
            (Self::WebhookLog(length), _) => {
                let before = tx.lease_now().await?.minus(length);
                full(tx.prune_webhook_deliveries(before, BATCH).await?)
            }
            (Self::Keys, _) => full(tx.forget_requests(BATCH).await?),
        })
    }
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
        let mut gone = Deleted::default();
        if let Some(length) = kept.originals {
            gone.originals = self.all(Sort::Originals(now.minus(length))).await?;
            gone.files = self.all(Sort::Files(now.minus(length))).await?;
        }
        if let Some(length) = kept.events {
            gone.events = self.all(Sort::Events(now.minus(length))).await?;
        }
        if let Some(length) = kept.hits {
            gone.hits = self.all(Sort::Hits(now.minus(length))).await?;
        }
        if let Some(length) = kept.webhook_log {
            gone.webhook_log = self.all(Sort::WebhookLog(length)).await?;
        }
        gone.keys = self.all(Sort::Keys).await?;
        let at = u64::try_from(machine_now().seconds()).unwrap_or_default();
        metrics::set(&metrics::RETENTION_ROUND, &[], Duration::from_secs(at).as_secs_f64());
        if gone != Deleted::default() {
            tracing::info!(?gone, "what was kept long enough was deleted");
        }
        Ok(gone)
    }

    /// Batch after batch, each in a transaction of its own.
    async fn all(&self, sort: Sort) -> Result<u64, StoreError> {
        let (mut after, mut deleted) = (After::Beginning, 0);
        loop {
            let Some(mut tx) = self.begin().await? else { return Ok(deleted) };
            let (gone, next) = sort.delete(&mut tx, after).await?;
            tx.commit().await?;
            deleted += gone;
            if gone > 0 {
                let count = usize::try_from(gone).unwrap_or(usize::MAX);
                metrics::count(&metrics::RETENTION_DELETED, &[sort.name()], count);
            }
            match next {
                None => return Ok(deleted),
                Some(next) => after = next,
            }
            pulse::beat();
            tokio::time::sleep(BATCH_REST).await;
        }
    }

    /// `None` where another node is at it.
    async fn begin(&self) -> Result<Option<Tx>, StoreError> {
        let mut tx = self.store.begin("hub.retention").await?;
        let lease = tx.acquire_lease(LEASE, self.run, LEASE_SECONDS).await?;
        Ok(lease.map(|_| tx))
    }
}
