//! After somebody was erased: rewrites the database, so that no octet of theirs is left in its file, and notes that in the record.
//!
//! Several who are erased one after the other share one rewriting: it begins when none came for a while.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;
use crate::lifecycle::Stop;
use crate::store::{Store, StoreError};
use crate::telemetry::pulse;

/// The time between two looks. Machine time.
const IDLE: Duration = Duration::from_secs(20);
/// How long the whole database may take to be rewritten before the watchdog may think that nobody is there.
const REWRITE_MAX: Duration = Duration::from_hours(2);

/// Rewrites whenever somebody was erased, until told to stop. On PostgreSQL there is nothing to do. `copies` tells where older
/// states of the database lie beside it: those are the way back, so they are named and not deleted.
///
/// # Errors
/// None: what can't be done now is tried again.
pub async fn run(
    store: Store,
    clock: Clock,
    copies: impl Fn() -> Vec<PathBuf> + Send,
    stop: Stop,
) -> Result<(), Infallible> {
    let mut seen = None;
    loop {
        pulse::rest(IDLE);
        tokio::select! {
            () = stop.soft() => return Ok(()),
            () = tokio::time::sleep(IDLE) => {}
        }
        if store.is_shared() {
            continue;
        }
        let newest = match newest(&store).await {
            Ok(newest) => newest,
            Err(error) => {
                tracing::warn!(%error, "it can't be seen whether anything is to be overwritten");
                continue;
            }
        };
        // One more came since the last look: another may follow.
        if newest.is_some() && newest == seen {
            // Whoever writes waits for it.
            pulse::excuse(REWRITE_MAX);
            let done = sweep(&store, &clock).await;
            pulse::excuse(Duration::ZERO);
            match done {
                Ok(done) => {
                    tracing::info!(erasures = done, "the database was rewritten without those who were erased");
                    for copy in copies() {
                        tracing::warn!(copy = %copy.display(), "this copy still holds them; delete it when it is not needed any more");
                    }
                }
                Err(error) => tracing::warn!(%error, "the database can't be rewritten now; it is tried again"),
            }
        }
        seen = newest;
    }
}

async fn newest(store: &Store) -> Result<Option<crate::domain::time::Micros>, StoreError> {
    store.read().await?.newest_open_erasure().await
}

/// Rewrites the database if somebody was erased since it last was; of how many the record was closed.
///
/// # Errors
/// Those of [`Store::overwrite_deleted`].
pub async fn sweep(store: &Store, clock: &Clock) -> Result<u64, StoreError> {
    let Some(newest) = newest(store).await? else { return Ok(0) };
    if !store.overwrite_deleted().await? {
        return Ok(0);
    }
    let mut tx = store.begin("people.sweep").await?;
    let closed = tx.close_erasures(newest, clock.now()).await?;
    tx.commit().await?;
    Ok(closed)
}
