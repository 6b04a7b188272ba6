//! Moving live runs to the version in force, by the ids of steps. A step that is done is never done again; a mail that is
//! planned and would read otherwise now is taken back and planned anew.

use std::sync::Arc;

use serde::Serialize;

use super::diff::{Next, StayReason, plan_migration};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, InfluencerId};
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::domain::words::{Phase, StepState};
use crate::hub::outreach::{self, steer};
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::{StoreError, Tx};

/// Runs moved in one transaction.
pub const MIGRATED_MAX: i64 = 200;

/// Where to begin, and what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What became of each run.
    pub runs: Vec<Migrated>,
    /// The last run that was looked at: the next batch begins after it. None: that was all.
    pub last: Option<EnrollmentId>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The run.
    pub enrollment_id: EnrollmentId,
    /// Whose.
    pub influencer_id: InfluencerId,
    /// The version it was on.
    pub from_version: String,
    /// The step it stood at.
    pub from_step: Option<String>,
    /// Where it goes on.
    pub to: To,
}

/// Where a run goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// It goes on at this step of the new version.
    Moved {
        /// The step; none: nothing is left but what follows the last one.
        step: Option<String>,
        /// What becomes of what was planned.
        planned: Planned,
    },
    /// It stays on its version.
    Stays {
        /// Why.
        reason: String,
    },
}

/// What becomes of what was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PlannedMail")]
#[serde(rename_all = "snake_case")]
pub enum Planned {
    /// Nothing was.
    Nothing,
    /// It stays: it says the same, or it is on its way.
    Kept,
    /// It is taken back and planned anew.
    Anew,
}

/// Moves the next batch of live runs of a sequence that are on another version. `None` where there is no such sequence. The
/// caller commits, or drops the transaction to know what would happen.
pub async fn migrate(
    tx: &mut Tx,
    clock: &Clock,
    sequence: &str,
    after: Option<EnrollmentId>,
) -> Result<Option<Batch>, StoreError> {
    let Some(hash) = tx.get_sequence(sequence).await?.and_then(|row| row.active_hash) else { return Ok(None) };
    let new = outreach::readable(tx, &hash).await?;
    tx.lock_capacity().await?;
    let after = after.unwrap_or(EnrollmentId(uuid::Uuid::nil()));
    let outdated = tx.lock_outdated_enrollments(sequence, &hash, after, MIGRATED_MAX).await?;
    let last = outdated.last().map(|run| run.id);
    let all_steps = tx.list_steps(outdated.iter().map(|run| run.id).collect()).await?;
    let mut runs = Vec::with_capacity(outdated.len());
    for run in outdated {
        let steps: Vec<&StepRow> = all_steps.iter().filter(|s| s.enrollment_id == run.id).collect();
        let (enrollment_id, influencer_id) = (run.id, run.influencer_id);
        let (from_version, from_step) = (run.version.clone(), run.step.clone());
        let to = match (outreach::readable(tx, &run.version).await?, &new) {
            (Ok(old), Ok(new)) => {
                // One that could not be read when its sequence was renamed still has the old name in it.
                let own = old.id == sequence;
                let old = if own { old } else { Arc::new(Definition { id: sequence.to_owned(), ..(*old).clone() }) };
                move_one(tx, clock, run, (&old, new, &hash), &steps).await?
            }
            // The others move.
            (Err(reason), _) => To::Stays { reason },
            (Ok(_), Err(reason)) => To::Stays { reason: format!("in force is another one, and {reason}") },
        };
        runs.push(Migrated { enrollment_id, influencer_id, from_version, from_step, to });
    }
    Ok(Some(Batch { runs, last }))
}

/// Moves a run, where it can be.
async fn move_one(
    tx: &mut Tx,
    clock: &Clock,
    run: EnrollmentRow,
    (old, new, hash): (&Definition, &Definition, &str),
    steps: &[&StepRow],
) -> Result<To, StoreError> {
    let done: Vec<String> = steps.iter().filter(|s| s.state != StepState::Planned).map(|s| s.step.clone()).collect();
    let next = match plan_migration(old, new, &done, run.step.as_deref()) {
        Next::Step(id) => Some(id),
        Next::Finish => None,
        Next::Stay(reason) => return Ok(stays(&reason)),
    };
    let open = run.step.as_deref().filter(|_| run.phase == Phase::Task);
    let answered = steps.iter().filter(|s| s.state == StepState::Done).map(|s| s.step.as_str());
    if let Some(reason) = answered.chain(open).find_map(|step| fills_otherwise(old, new, step)) {
        return Ok(To::Stays { reason });
    }
    let now = clock.now();
    // A first step may be pencilled in while its delay runs.
    let pencilled = steps.iter().any(|s| s.state == StepState::Planned && Some(&s.step) == run.step.as_ref());
    let under_way = pencilled || matches!(run.phase, Phase::Send | Phase::Task | Phase::Event);
    let same = next.is_some() && next == run.step;
    let renewed = EnrollmentRow { version: hash.to_owned(), next_at: Some(now), ..run.clone() };
    let must_replan = match (&run.step, under_way) {
        (_, false) => false,
        (Some(step), true) if same => {
            matches!(run.phase, Phase::Send | Phase::Delay) && reads_otherwise(old, new, step)
        }
        (_, true) => true,
    };
    let mut planned = if under_way { Planned::Kept } else { Planned::Nothing };
    if must_replan && let Some(step) = &run.step {
        let why = "planned anew: the sequence was changed";
        // What stands under `else` goes on as that, where the new version has one.
        let other = same && new.step(step).is_some_and(|(_, is)| is.otherwise.is_some());
        let taken = if other {
            steer::plan_anew(tx, clock, &run, step, why).await?
        } else {
            steer::unplan(tx, clock, &run, step, why).await?
        };
        match taken {
            steer::Replanned::Free | steer::Replanned::Nothing => planned = Planned::Anew,
            // It is on its way: what becomes of it is still recorded, and the run goes on from there.
            steer::Replanned::Stays if same => {}
            steer::Replanned::Stays => {
                let reason =
                    format!("the mail of {step} is on its way, or was refused: wait, or settle it, then migrate again");
                return Ok(To::Stays { reason });
            }
        }
    }
    let phase = match (&next, planned) {
        (None, _) => Phase::Finish,
        (Some(_), Planned::Kept) => run.phase,
        (Some(_), Planned::Nothing | Planned::Anew) => Phase::Delay,
    };
    // What waits for its outcome is looked at when that is known.
    let next_at = if phase == Phase::Send { run.next_at } else { renewed.next_at };
    let waiting_for = if planned == Planned::Kept { run.waiting_for } else { None };
    tx.update_enrollment(EnrollmentRow { step: next.clone(), phase, next_at, waiting_for, ..renewed }, now).await?;
    Ok(To::Moved { step: next, planned })
}

/// Why the answer of a task that was done, or is open, would be missing: it fills another variable in the new version, and no task
/// is done twice.
fn fills_otherwise(old: &Definition, new: &Definition, step: &str) -> Option<String> {
    let ((_, was), (_, is)) = (old.step(step)?, new.step(step)?);
    let (StepKind::Task { fills: was, .. }, StepKind::Task { fills: Some(is), .. }) = (&was.kind, &is.kind) else {
        return None;
    };
    (was.as_ref() != Some(is))
        .then(|| format!("the task of {step} fills `{is}` now, and was given for another: keep its `fills`"))
}

fn stays(reason: &StayReason) -> To {
    To::Stays { reason: reason.to_string() }
}

/// Whether the mail of a step would be another one now, or go out at another time.
fn reads_otherwise(old: &Definition, new: &Definition, step: &str) -> bool {
    let templates = |definition: &Definition, step: &Step| -> Vec<_> {
        // The mail that is planned may be the one under `else`.
        let names = std::iter::once(&step.kind).chain(&step.otherwise).flat_map(|kind| match kind {
            StepKind::Email { templates, .. } => templates.clone(),
            StepKind::Say { .. } | StepKind::Task { .. } | StepKind::WaitFor { .. } | StepKind::Notify { .. } => {
                Vec::new()
            }
        });
        names.map(|name| definition.templates.get(&name).cloned()).collect()
    };
    let (Some((_, was)), Some((_, is))) = (old.step(step), new.step(step)) else { return true };
    was != is
        || templates(old, was) != templates(new, is)
        || old.variables != new.variables
        || old.unsubscribe != new.unsubscribe
        || old.schedule != new.schedule
        || old.limits != new.limits
}
