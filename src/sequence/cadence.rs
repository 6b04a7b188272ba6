//! Runs whose time has come: each is looked at in the transaction that locked it, and ends up with another time, with a
//! mail in the outbox, with a task for a person, or over.
//!
//! Looking too early does no harm, so whatever changes the world (a reload, the end of a pause, a click) only has to make a
//! run due.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::hub::outreach::dossier::Dossier;
use crate::hub::outreach::house::{Desk, House};
use crate::hub::outreach::plan::Planner;
use crate::lifecycle::Stop as LifeStop;
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::pulse;
use crate::worker::Wakes;

mod act;
mod look;

/// Runs looked at in one transaction.
pub const BATCH: i64 = 200;
/// The longest sleep between two looks. Machine time.
const POLL: Duration = Duration::from_secs(2);
/// The longest wait after a failure. Machine time.
const RETRY: Duration = Duration::from_secs(5);

/// What the cadence works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cadence {
    /// The store.
    pub store: Store,
    /// Business time and ids.
    pub clock: Clock,
    /// Our side.
    pub desk: Desk,
}

/// What one look did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// Runs that were looked at.
    pub runs: usize,
    /// Mails that were planned.
    pub planned: usize,
}

/// What the look at a batch carries along.
struct Batch<'a> {
    clock: &'a Clock,
    house: Arc<House>,
    dossier: Dossier,
    planner: Planner,
    planned: usize,
    /// Accounts with new mail.
    accounts: Vec<String>,
}

impl Cadence {
    /// Looks at the runs that are due, once; the accounts that have something to send are woken by the caller.
    pub async fn tick(&self) -> Result<(Looked, Vec<String>), StoreError> {
        // Most looks find nothing: they cost one read.
        let mut tx = self.store.read().await?;
        let now = self.clock.now();
        if tx.next_due_enrollment().await?.is_none_or(|at| at > now) {
            return Ok((Looked::default(), Vec::new()));
        }
        if tx.get_installation().await?.is_some_and(|i| i.held) {
            return Ok((Looked::default(), Vec::new()));
        }
        drop(tx);
        let mut tx = self.store.begin("sequence.cadence").await?;
        let looked = self.tick_in(&mut tx).await?;
        tx.commit().await?;
        Ok(looked)
    }

    /// The same inside a transaction.
    pub async fn tick_in(&self, tx: &mut Tx) -> Result<(Looked, Vec<String>), StoreError> {
        // Places are given one after the other, also where several nodes look at runs side by side.
        tx.lock_conversations().await?;
        tx.lock_capacity().await?;
        let now = self.clock.now();
        let runs = tx.lock_due_enrollments(now, BATCH).await?;
        if runs.is_empty() {
            return Ok((Looked::default(), Vec::new()));
        }
        let house = self.desk.house();
        let dossier = Dossier::load(tx, &runs).await?;
        let mut planner = Planner::new(Arc::clone(&house), now);
        let (limited, free): (Vec<_>, Vec<_>) =
            runs.iter().partition(|r| dossier.definition(&r.version).is_none_or(|d| planner.is_limited(&r.account, d)));
        let accounts: Vec<&str> = limited.iter().map(|r| r.account.as_str()).collect();
        let sequences: Vec<&str> = limited.iter().map(|r| r.sequence.as_str()).collect();
        planner.load(tx, &accounts, &sequences).await?;
        planner.load_own(tx, free.iter().map(|r| r.id.0).collect()).await?;
        let mut batch = Batch { clock: &self.clock, house, dossier, planner, planned: 0, accounts: Vec::new() };
        let count = runs.len();
        for run in runs {
            batch.look(tx, run).await?;
        }
        batch.accounts.sort();
        batch.accounts.dedup();
        Ok((Looked { runs: count, planned: batch.planned }, batch.accounts))
    }

    /// When the next run is to be looked at.
    pub async fn next_due(&self) -> Result<Option<crate::domain::time::Micros>, StoreError> {
        self.store.read().await?.next_due_enrollment().await
    }

    /// Looks again and again until told to stop.
    pub async fn run(self, wakes: Wakes, stop: LifeStop) -> Result<(), std::convert::Infallible> {
        let wake = wakes.of("cadence");
        while !stop.is_soft() {
            pulse::beat();
            let rest = match self.tick().await {
                Ok((looked, accounts)) => {
                    for account in &accounts {
                        wakes.wake(account);
                    }
                    if looked.runs > 0 { Duration::ZERO } else { self.rest().await }
                }
                Err(StoreError::Conflict(_)) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!(%error, "runs can't be looked at; trying again");
                    RETRY
                }
            };
            if rest.is_zero() {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = wake.woken() => {}
                () = stop.soft() => {}
            }
        }
        Ok(())
    }

    async fn rest(&self) -> Duration {
        let next = self.next_due().await.ok().flatten();
        let until = next.map_or(POLL, |at| at.since(self.clock.now()));
        // Business time may jump, and machine time does not tell.
        if self.clock.is_stepped() { until.min(Duration::from_millis(100)) } else { until.min(POLL) }
    }
}
