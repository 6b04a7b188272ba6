//! Forgets places that no rule looks back to any more, a batch at a time, so that what was sent long ago costs nothing.

use std::convert::Infallible;
use std::time::Duration;

use crate::clock::Clock;
use crate::lifecycle::Stop;
use crate::store::{Store, StoreError};
use crate::telemetry::pulse;

/// How long a place is kept. Limits look over 24 hours and a local day, the simulator copies a little more.
pub const KEPT: Duration = Duration::from_hours(4 * 24);
/// Places forgotten in one transaction.
const BATCH: i64 = 2_000;
/// The time between two looks. Machine time.
const IDLE: Duration = Duration::from_hours(1);

/// Forgets old places again and again until told to stop.
///
/// # Errors
/// None: what can't be done now is done an hour later.
pub async fn run(store: Store, clock: Clock, stop: Stop) -> Result<(), Infallible> {
    loop {
        pulse::beat();
        match tidy_once(&store, &clock).await {
            Ok(0) => {}
            Ok(_) if !stop.is_soft() => {
                tokio::task::yield_now().await;
                continue;
            }
            Ok(_) => return Ok(()),
            Err(error) => tracing::warn!(%error, "old places can't be forgotten now"),
        }
        pulse::rest(IDLE);
        tokio::select! {
            () = stop.soft() => return Ok(()),
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

/// Forgets one batch; how many there were.
///
/// # Errors
/// Those of the store.
pub async fn tidy_once(store: &Store, clock: &Clock) -> Result<u64, StoreError> {
    let mut tx = store.begin("outreach.tidy").await?;
    let gone = tx.prune_reservations(clock.now().minus(KEPT), BATCH).await?;
    if gone > 0 {
        tx.commit().await?;
    }
    Ok(gone)
}
