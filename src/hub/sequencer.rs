//! Gives events their numbers after they were committed, so that a reader who has seen number n has seen everything up to
//! n. One node does it at a time, under a lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::ids::RunId;
use crate::lifecycle::Stop;
use crate::store::{Store, StoreError};
use crate::telemetry::pulse;

/// The lease of whoever numbers.
const LEASE: &str = "sequencer";
/// How long it runs, seconds.
const LEASE_SECONDS: i64 = 15;
/// Events numbered in one transaction.
const BATCH: i64 = 2_000;
/// How long at most until an event that nobody announced gets its number. Machine time.
const IDLE: Duration = Duration::from_millis(500);

/// Numbers events until told to stop. `stored` is rung by whoever writes some; `numbered` is rung when some got a number.
///
/// # Errors
/// Only where the store holds what can't be read.
pub async fn run(
    store: Store,
    run: RunId,
    (stored, numbered): (Arc<Notify>, Arc<Notify>),
    stop: Stop,
) -> Result<(), StoreError> {
    loop {
        pulse::beat();
        match number_once(&store, run).await {
            Ok(0) => {}
            Ok(_) => {
                numbered.notify_waiters();
                continue;
            }
            Err(error @ StoreError::Damaged(_)) => return Err(error),
            Err(error) => tracing::warn!(%error, "events can't be numbered now"),
        }
        tokio::select! {
            () = stop.soft() => return Ok(()),
            () = stored.notified() => {}
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

/// Numbers everything that has no number, for a command that runs while no daemon does. Where another holds the lease, it
/// is left to that one.
pub async fn number_all(store: &Store, run: RunId) -> Result<(), StoreError> {
    while number_once(store, run).await? > 0 {}
    let mut tx = store.begin("sequencer.release").await?;
    if let Some(lease) = tx.acquire_lease(LEASE, run, LEASE_SECONDS).await? {
        tx.release_lease(LEASE, lease).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Numbers what has none; how many there were. Costs one read where there is nothing to do.
async fn number_once(store: &Store, run: RunId) -> Result<u64, StoreError> {
    let mut tx = store.read().await?;
    if !tx.has_unnumbered_events().await? {
        return Ok(0);
    }
    drop(tx);
    let mut tx = store.begin("sequencer.number").await?;
    if tx.acquire_lease(LEASE, run, LEASE_SECONDS).await?.is_none() {
        return Ok(0);
    }
    let done = tx.number_events(BATCH).await?;
    tx.commit().await?;
    Ok(done)
}
