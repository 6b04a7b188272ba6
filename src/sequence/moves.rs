//! Moving every live run of a sequence to the version in force, a batch per transaction; or only telling what would become of
//! each, which is the same work in transactions that are dropped.

use std::collections::BTreeMap;

use serde::Serialize;

use super::migrate::{Migrated, Planned, To, migrate};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, InfluencerId};
use crate::store::again::{again, is_overtaken};
use crate::store::{Store, StoreError};

/// Of the runs that moved, and of those that stayed, so many are named; all are counted.
pub const NAMED_MAX: usize = 1_000;

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// It is.
    Yes,
    /// Nothing is: it only tells.
    No,
}

/// What became of the live runs of a sequence, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SequenceMigration")]
pub struct Moves {
    /// The sequence.
    pub sequence: String,
    /// Whether it was done.
    pub applied: bool,
    /// How many runs go on in the version in force.
    pub moved: usize,
    /// How many stay where they are.
    pub stayed: usize,
    /// The same, by where they stood and where they go on.
    pub groups: Vec<MoveGroup>,
    /// The first [`NAMED_MAX`] that moved and the first as many that stayed, in the order in which they began.
    pub runs: Vec<MovedRun>,
}

/// Runs of which the same becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct MoveGroup {
    /// How many.
    pub runs: usize,
    /// The version they were on.
    pub from_version: String,
    /// The step they stood at; none: the end.
    pub from_step: Option<String>,
    /// Whether they go on in the version in force.
    pub becomes: Becomes,
    /// At which step; none: nothing is left but what follows the last one.
    pub step: Option<String>,
    /// What becomes of what was planned.
    pub planned: Option<Planned>,
    /// Why they stay.
    pub reason: Option<String>,
}

/// A run, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct MovedRun {
    /// The run.
    pub enrollment_id: EnrollmentId,
    /// Whose.
    pub influencer_id: InfluencerId,
    /// The version it was on.
    pub from_version: String,
    /// The step it stood at; none: the end.
    pub from_step: Option<String>,
    /// Whether it goes on in the version in force.
    pub becomes: Becomes,
    /// At which step; none: nothing is left but what follows the last one.
    pub step: Option<String>,
    /// What becomes of what was planned.
    pub planned: Option<Planned>,
    /// Why it stays.
    pub reason: Option<String>,
}

/// Whether a run goes on in the version in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Becomes {
    /// It does.
    Moved,
    /// It stays on its own.
    Stays,
}

type Fate = (Becomes, Option<String>, Option<Planned>, Option<String>);

fn fate(to: To) -> Fate {
    match to {
        To::Moved { step, planned } => (Becomes::Moved, step, Some(planned), None),
        To::Stays { reason } => (Becomes::Stays, None, None, Some(reason)),
    }
}

impl From<Migrated> for MovedRun {
    fn from(run: Migrated) -> Self {
        let Migrated { enrollment_id, influencer_id, from_version, from_step, to } = run;
        let (becomes, step, planned, reason) = fate(to);
        Self { enrollment_id, influencer_id, from_version, from_step, becomes, step, planned, reason }
    }
}

/// Moves all live runs that are on another version, or tells what would become of them. `None` where there is no such
/// sequence. One that was interrupted goes on when it is asked again: what moved is not looked at twice.
///
/// # Errors
/// Batches before the one that failed stay.
pub async fn migrate_all(
    store: &Store,
    clock: &Clock,
    sequence: &str,
    apply: Apply,
) -> Result<Option<Moves>, StoreError> {
    let mut moves = Moves {
        sequence: sequence.to_owned(),
        applied: apply == Apply::Yes,
        moved: 0,
        stayed: 0,
        groups: Vec::new(),
        runs: Vec::new(),
    };
    let mut groups: BTreeMap<(String, Option<String>, To), usize> = BTreeMap::new();
    let mut after = None;
    loop {
        // What another change overtook wrote nothing: the same batch is looked at again.
        let batch = again(is_overtaken, || async move {
            let mut tx = store.begin("sequence.migrate").await?;
            let batch = migrate(&mut tx, clock, sequence, after).await?;
            if apply == Apply::Yes {
                tx.commit().await?;
            }
            Ok::<_, StoreError>(batch)
        });
        let Some(batch) = batch.await? else { return Ok(None) };
        for run in batch.runs {
            *groups.entry((run.from_version.clone(), run.from_step.clone(), run.to.clone())).or_default() += 1;
            let count = if matches!(run.to, To::Stays { .. }) { &mut moves.stayed } else { &mut moves.moved };
            *count += 1;
            if *count <= NAMED_MAX {
                moves.runs.push(run.into());
            }
        }
        after = batch.last;
        if after.is_none() {
            break;
        }
    }
    moves.groups = groups
        .into_iter()
        .map(|((from_version, from_step, to), runs)| {
            let (becomes, step, planned, reason) = fate(to);
            MoveGroup { runs, from_version, from_step, becomes, step, planned, reason }
        })
        .collect();
    Ok(Some(moves))
}
