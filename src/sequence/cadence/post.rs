//! What was decided of the runs of a batch, written together: each table with a few statements.

use std::collections::HashMap;

use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::ids::EnrollmentId;
use crate::hub::enqueue::{self, Ground, Letter};
use crate::hub::signal::{self, Signal};
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::outreach::reservation::ReservationRow;
use crate::store::{StoreError, Tx};

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Pad {
    /// The runs as they were read.
    before: HashMap<EnrollmentId, EnrollmentRow>,
    /// The runs as they are to be kept.
    pub(super) runs: Vec<EnrollmentRow>,
    pub(super) letters: Vec<Letter>,
    pub(super) steps: Vec<StepRow>,
    /// Places that were taken.
    pub(super) taken: Vec<ReservationRow>,
    /// Runs that give back the place that was pencilled in for them.
    pub(super) given_back: Vec<Uuid>,
    pub(super) signals: Vec<Signal>,
}

impl Pad {
    /// An empty one, for these runs.
    pub(super) fn of(runs: &[EnrollmentRow]) -> Self {
        Self { before: runs.iter().map(|run| (run.id, run.clone())).collect(), ..Self::default() }
    }

    /// Octets of the mail that waits to be written, as they are kept.
    pub(super) fn octets(&self) -> usize {
        self.letters.iter().map(Letter::octets).sum()
    }

    /// Writes everything; the pad is empty then. The mail comes first, for steps name it.
    pub(super) async fn post(&mut self, tx: &mut Tx, clock: &Clock, ground: &mut Ground) -> Result<(), StoreError> {
        let now = clock.now();
        enqueue::write_all(tx, clock, ground, std::mem::take(&mut self.letters)).await?;
        tx.insert_steps(std::mem::take(&mut self.steps)).await?;
        self.places(tx).await?;
        // Most only wait for something else from now on.
        let before = &self.before;
        let (moved, changed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.runs)
            .into_iter()
            .partition(|run| before.get(&run.id).is_some_and(|before| is_moved(before, run)));
        tx.move_enrollments(moved, now).await?;
        for run in changed {
            tx.update_enrollment(run, now).await?;
        }
        signal::record(tx, clock, std::mem::take(&mut self.signals)).await
    }

    /// Writes the places that were taken and given back so far.
    pub(super) async fn places(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.upsert_reservations(std::mem::take(&mut self.taken)).await?;
        if !self.given_back.is_empty() {
            tx.delete_reservations(std::mem::take(&mut self.given_back)).await?;
        }
        Ok(())
    }
}

/// Whether nothing of a run changed but what [`Tx::move_enrollments`] writes.
fn is_moved(before: &EnrollmentRow, run: &EnrollmentRow) -> bool {
    let moved = EnrollmentRow {
        phase: run.phase,
        anchor_at: run.anchor_at,
        next_at: run.next_at,
        waiting_for: run.waiting_for.clone(),
        held_at: run.held_at,
        ..before.clone()
    };
    moved == *run
}
