//! Runs whose time has come: each is looked at in the transaction that locked it, and ends up with another time, with a
//! mail in the outbox, with a task for a person, or over.
//!
//! Runs are taken a batch at a time: what is to be known of all of them is read with few statements, each is decided in its
//! turn, in the order in which they are due, and what was decided is written with few statements again. A run that can't be
//! looked at stops nobody: its batch is done once more, one run at a time, and it waits for a person.
//!
//! Looking too early does no harm, so whatever changes the world (a reload, the end of a pause, a click) only has to make a
//! run due.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, machine_now};
use crate::domain::ids::EnrollmentId;
use crate::hub::enqueue::{self, EnqueueError, Ground, Reserving};
use crate::hub::outreach;
use crate::hub::outreach::dossier::Dossier;
use crate::hub::outreach::house::{Desk, House};
use crate::hub::outreach::outgoing::hold_homeless;
use crate::hub::outreach::pause;
use crate::hub::outreach::plan::Planner;
use crate::lifecycle::Stop as LifeStop;
use crate::store::outreach::enrollment::EnrollmentRow;
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::pulse;
use crate::worker::Wakes;

mod above;
mod act;
mod look;
mod notify;
mod post;

/// Runs looked at in one transaction. What they lead to is written with a few statements per table; more runs would hardly
/// make it cheaper, and others that write would wait longer.
pub const BATCH: i64 = 128;
/// Octets of mail that one batch writes, as it is kept: it ends after the mail that goes beyond. A file of some megabytes at
/// each of so many mails would else be gigabytes in one transaction.
const BATCH_OCTETS: usize = 16 * 1024 * 1024;
/// Batches of what is done with all runs of a scope, before those that are due are looked at in between.
const ROUNDS_MAX: usize = 8;
/// The longest sleep between two looks. Machine time.
const POLL: Duration = Duration::from_secs(2);
/// How often mail is looked for whose account no node knows any more. Machine time.
const HOMELESS_EVERY: Duration = Duration::from_mins(1);
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
    /// Whether something is left to be done with all runs of a scope.
    pub left: bool,
    /// Whether runs are due that nobody may look at now: the installation is held.
    pub held: bool,
}

/// What the look at a batch carries along.
struct Batch<'a> {
    clock: &'a Clock,
    house: Arc<House>,
    dossier: Dossier,
    planner: Planner,
    ground: Ground,
    /// What ids of mail are reserved with, or why none can be.
    reserving: Result<Reserving, String>,
    pad: post::Pad,
    planned: usize,
    /// Accounts with new mail.
    accounts: Vec<String>,
    /// Accounts that are not in our configuration but in that of another node.
    elsewhere: Vec<String>,
}

impl Cadence {
    /// Looks at the runs that are due, once; the accounts that have something to send are woken by the caller.
    pub async fn tick(&self) -> Result<(Looked, Vec<String>), StoreError> {
        // Most looks find nothing: they cost a read or two.
        let left = self.carry_on().await?;
        let (mut looked, accounts) = self.look_at_due().await?;
        looked.left = left;
        Ok((looked, accounts))
    }

    /// Goes on with what is to be done with all runs of a scope; whether some of it is left.
    async fn carry_on(&self) -> Result<bool, StoreError> {
        for _ in 0..ROUNDS_MAX {
            let went_on = pause::carry_on(&self.store, pause::BATCH).await?;
            let ended = match outreach::end_removed(&self.store, &self.clock, outreach::BATCH).await {
                // It must not keep others from being looked at.
                Err(error) if is_of_a_run(&error) => {
                    tracing::error!(%error, "the runs of a sequence that was removed can't be ended");
                    0
                }
                ended => ended?,
            };
            if ended == 0 && !went_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn look_at_due(&self) -> Result<(Looked, Vec<String>), StoreError> {
        let mut tx = self.store.read().await?;
        let now = self.clock.now();
        if tx.next_due_enrollment().await?.is_none_or(|at| at > now) {
            return Ok((Looked::default(), Vec::new()));
        }
        if tx.get_installation().await?.is_some_and(|i| i.held) {
            return Ok((Looked { held: true, ..Looked::default() }, Vec::new()));
        }
        drop(tx);
        match Box::pin(self.look_at_many()).await {
            Err(error) if is_of_a_run(&error) => {
                tracing::warn!(%error, "runs can't be looked at together: one at a time");
                Box::pin(self.look_at_each()).await
            }
            looked => looked,
        }
    }

    async fn look_at_many(&self) -> Result<(Looked, Vec<String>), StoreError> {
        let mut tx = self.begin().await?;
        let mut runs = tx.lock_due_enrollments(self.clock.now(), BATCH).await?;
        // What one run of somebody does may end or hold their others: those are read again, in the next batch.
        let mut seen = HashSet::new();
        runs.retain(|run| seen.insert(run.influencer_id));
        let looked = self.look_at(&mut tx, runs).await?;
        tx.commit().await?;
        Ok(looked)
    }

    /// The same, each run in a transaction of its own: one that can't be looked at is set aside.
    async fn look_at_each(&self) -> Result<(Looked, Vec<String>), StoreError> {
        let mut tx = self.begin().await?;
        let runs = tx.lock_due_enrollments(self.clock.now(), BATCH).await?;
        drop(tx);
        let is_alone = runs.len() == 1;
        let (mut all, mut accounts, mut failed) = (Looked::default(), Vec::new(), Vec::new());
        for id in runs.into_iter().map(|run| run.id) {
            match self.look_at_one(id).await {
                Err(error) if is_of_a_run(&error) => failed.push((id, error)),
                looked => {
                    let (looked, of) = looked?;
                    all.runs += looked.runs;
                    all.planned += looked.planned;
                    accounts.extend(of);
                }
            }
        }
        // Where none of several could be looked at, it is not for the runs to wait: it is tried again.
        if all.runs == 0
            && !is_alone
            && let Some((_, error)) = failed.pop()
        {
            return Err(error);
        }
        for (id, error) in failed {
            tracing::error!(enrollment = %id, %error, "a run can't be looked at: it waits for a person");
            let mut tx = self.store.begin("sequence.aside").await?;
            outreach::set_aside(&mut tx, &self.clock, id, &error.to_string()).await?;
            tx.commit().await?;
            all.runs += 1;
        }
        accounts.sort();
        accounts.dedup();
        Ok((all, accounts))
    }

    async fn look_at_one(&self, id: EnrollmentId) -> Result<(Looked, Vec<String>), StoreError> {
        let mut tx = self.begin().await?;
        let now = self.clock.now();
        let run = tx.lock_enrollment(id).await?.filter(|run| run.next_at.is_some_and(|at| at <= now));
        let looked = self.look_at(&mut tx, run.into_iter().collect()).await?;
        tx.commit().await?;
        Ok(looked)
    }

    async fn begin(&self) -> Result<Tx, StoreError> {
        let mut tx = self.store.begin("sequence.cadence").await?;
        // Places are given one after the other, also where several nodes look at runs side by side.
        tx.lock_conversations().await?;
        tx.lock_capacity().await?;
        Ok(tx)
    }

    /// Looks at runs of different people that are locked.
    async fn look_at(&self, tx: &mut Tx, runs: Vec<EnrollmentRow>) -> Result<(Looked, Vec<String>), StoreError> {
        if runs.is_empty() {
            return Ok((Looked::default(), Vec::new()));
        }
        let house = self.desk.house();
        let dossier = Dossier::load(tx, &runs).await?;
        let mut planner = Planner::near(Arc::clone(&house), self.clock.now());
        let is_limited =
            |r: &&EnrollmentRow| dossier.definition(&r.version).is_none_or(|d| planner.is_limited(&r.account, d));
        let limited: Vec<_> = runs.iter().filter(is_limited).collect();
        let accounts: Vec<&str> = limited.iter().map(|r| r.account.as_str()).collect();
        let sequences: Vec<&str> = limited.iter().map(|r| r.sequence.as_str()).collect();
        planner.load(tx, &accounts, &sequences).await?;
        planner.load_own(tx, runs.iter().map(|r| r.id.0).collect()).await?;
        let ground = act::ground_of(tx, &dossier, &runs).await?;
        let reserving = match enqueue::reserving(tx, &self.clock, house.base_url.as_deref()).await {
            Err(EnqueueError::Store(error)) => return Err(error),
            reserving => reserving.map_err(|error| error.to_string()),
        };
        let unknown: BTreeSet<&str> = runs.iter().map(|r| r.account.as_str()).collect();
        let unknown: Vec<&str> = unknown.into_iter().filter(|account| !house.accounts.contains_key(*account)).collect();
        let elsewhere = tx.list_read_elsewhere(&unknown).await?;
        let (mut count, pad) = (0, post::Pad::of(&runs));
        let clock = &self.clock;
        let mut batch = Batch {
            clock,
            house,
            dossier,
            planner,
            ground,
            reserving,
            pad,
            planned: 0,
            accounts: Vec::new(),
            elsewhere,
        };
        for run in runs {
            let kept = batch.look(tx, run).await?;
            batch.pad.runs.extend(kept);
            count += 1;
            // The others are due as before: the next batch begins with them.
            if batch.pad.octets() >= BATCH_OCTETS {
                break;
            }
        }
        batch.pad.post(tx, clock, &mut batch.ground).await?;
        batch.accounts.sort();
        batch.accounts.dedup();
        Ok((Looked { runs: count, planned: batch.planned, ..Looked::default() }, batch.accounts))
    }

    /// When the next run is to be looked at.
    pub async fn next_due(&self) -> Result<Option<crate::domain::time::Micros>, StoreError> {
        self.store.read().await?.next_due_enrollment().await
    }

    /// Looks again and again until told to stop.
    pub async fn run(self, wakes: Wakes, stop: LifeStop) -> Result<(), std::convert::Infallible> {
        let wake = wakes.of("cadence");
        let mut asked = machine_now();
        while !stop.is_soft() {
            pulse::beat();
            if machine_now().since(asked) >= HOMELESS_EVERY {
                asked = machine_now();
                self.hold_homeless().await;
            }
            let rest = match self.tick().await {
                Ok((looked, accounts)) => {
                    for account in &accounts {
                        wakes.wake(account);
                    }
                    match looked {
                        Looked { left: true, .. } => Duration::ZERO,
                        // What is due stays due until somebody releases the installation.
                        Looked { held: true, .. } => POLL,
                        Looked { runs: 0, .. } => self.rest().await,
                        Looked { .. } => Duration::ZERO,
                    }
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

    /// An account may leave the configuration of the last node that had it, while others live.
    async fn hold_homeless(&self) {
        if !self.store.is_shared() {
            return;
        }
        let held = async {
            let mut tx = self.store.begin("sequence.homeless").await?;
            let held = hold_homeless(&mut tx, &self.clock, &self.desk.house()).await?;
            tx.commit().await.map(|()| held)
        };
        match held.await {
            Ok(0) => {}
            Ok(held) => tracing::warn!(held, "runs wait for an account that is not configured on any node"),
            Err(error) => tracing::warn!(%error, "accounts that are gone can't be looked for; trying again"),
        }
    }

    async fn rest(&self) -> Duration {
        let next = self.next_due().await.ok().flatten();
        let until = next.map_or(POLL, |at| at.since(self.clock.now()));
        // Business time may jump, and machine time does not tell.
        if self.clock.is_stepped() { until.min(Duration::from_millis(100)) } else { until.min(POLL) }
    }
}

/// Whether an error comes from what is stored of a run, rather than from the database: then it comes again, and only for it.
fn is_of_a_run(error: &StoreError) -> bool {
    match error {
        StoreError::Exists(_) | StoreError::Unhandled(_) | StoreError::Damaged(_) => true,
        StoreError::Conflict(_)
        | StoreError::Newer(_)
        | StoreError::Unavailable(_)
        | StoreError::Commit(_)
        | StoreError::Busy
        | StoreError::TooLong => false,
    }
}
