//! Sequences as they are shown: what is in force, what is paused and why, and how many runs stand where.

use std::collections::HashMap;

use serde::Serialize;

use super::readable;
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::domain::time::Micros;
use crate::domain::words::EnrollmentState;
use crate::store::outreach::SequenceRow;
use crate::store::reading::view::{PauseView, PausedWhat};
use crate::store::{StoreError, Tx};

/// A sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct SequenceView {
    /// The name of its folder.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// The version that new runs begin with; none: it was deleted.
    pub version: Option<String>,
    /// How it stands.
    pub state: Standing,
    /// Since when it is paused.
    pub paused_at: Option<Micros>,
    /// Why.
    pub pause_reason: Option<String>,
    /// All that stops it: its own pause, that of everything, and those of accounts it sends from.
    pub pauses: Vec<PauseView>,
    /// Its runs, by state.
    pub runs: Runs,
    /// Live runs on an older version.
    pub outdated: i64,
    /// Its steps, top to bottom.
    pub steps: Vec<StepSummary>,
}

/// How a sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SequenceState")]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It goes on.
    Active,
    /// Nothing of it is sent.
    Paused,
    /// Its folder is gone.
    Deleted,
}

impl Standing {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Deleted => "deleted",
        }
    }
}

/// Runs by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
#[schemars(rename = "RunCounts")]
pub struct Runs {
    /// All that are not over.
    pub live: i64,
    /// Of them, those that go on.
    pub active: i64,
    /// Those that something holds.
    pub held: i64,
    /// Those that a person paused.
    pub paused: i64,
    /// Those with all steps done.
    pub finished: i64,
    /// Those that something ended.
    pub exited: i64,
}

/// A step, as far as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct StepSummary {
    /// Its id.
    pub id: String,
    /// `email`, `task`, `wait_for`.
    pub kind: &'static str,
    /// How long after the step above.
    pub after: Option<String>,
    /// Its condition.
    #[serde(rename = "if")]
    pub condition: Option<String>,
    /// Its templates.
    pub templates: Vec<String>,
    /// Whether a person reads the message first.
    pub review: bool,
    /// Live runs that stand at it, whatever their version.
    pub live: i64,
}

/// Every sequence there is or was, by id.
pub async fn list(tx: &mut Tx) -> Result<Vec<SequenceView>, StoreError> {
    let mut views = Vec::new();
    for row in tx.list_sequences().await? {
        views.push(view(tx, row).await?);
    }
    Ok(views)
}

/// One sequence.
pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<SequenceView>, StoreError> {
    match tx.get_sequence(id).await? {
        Some(row) => Ok(Some(view(tx, row).await?)),
        None => Ok(None),
    }
}

async fn view(tx: &mut Tx, row: SequenceRow) -> Result<SequenceView, StoreError> {
    let runs = count_runs(&tx.count_enrollments(&row.id).await?);
    let (mut at, mut outdated): (HashMap<String, i64>, i64) = (HashMap::new(), 0);
    for (version, step, n) in tx.count_live_steps(&row.id).await? {
        if Some(&version) != row.active_hash.as_ref() {
            outdated += n;
        }
        if let Some(step) = step {
            *at.entry(step).or_default() += n;
        }
    }
    let definition = match &row.active_hash {
        // One that can't be read is told in the log and on its runs; the others are listed all the same.
        Some(hash) => readable(tx, hash).await?.ok(),
        None => None,
    };
    let pauses = pauses_of(tx, (&row, definition.as_deref())).await?;
    let state = match &row.active_hash {
        None => Standing::Deleted,
        Some(_) if pauses.iter().any(|pause| pause.of != PausedWhat::Account) => Standing::Paused,
        Some(_) => Standing::Active,
    };
    Ok(SequenceView {
        name: definition.as_ref().map(|d| d.name.clone()),
        steps: definition.as_ref().map(|d| steps(d, &at)).unwrap_or_default(),
        id: row.id,
        version: row.active_hash,
        state,
        paused_at: row.paused_at,
        pause_reason: row.pause_reason,
        pauses,
        runs,
        outdated,
    })
}

/// All that stops a sequence, or a part of what it sends.
pub async fn pauses_of(
    tx: &mut Tx,
    (row, definition): (&SequenceRow, Option<&Definition>),
) -> Result<Vec<PauseView>, StoreError> {
    let mut pauses: Vec<PauseView> = tx.list_pauses().await?.into_iter().map(PauseView::from).collect();
    let accounts = definition.map(|d| d.accounts.as_slice()).unwrap_or_default();
    pauses.retain(|pause| pause.name.as_ref().is_none_or(|name| accounts.contains(name)));
    if let Some(since) = row.paused_at {
        let (name, reason) = (Some(row.id.clone()), row.pause_reason.clone().unwrap_or_default());
        pauses.insert(0, PauseView { of: PausedWhat::Sequence, name, since, reason });
    }
    Ok(pauses)
}

/// What lets nothing of a sequence out at all, where something does: a pause of an account does where it has no other.
pub async fn stopped_by(tx: &mut Tx, row: &SequenceRow) -> Result<Option<PauseView>, StoreError> {
    let definition = match &row.active_hash {
        Some(hash) => readable(tx, hash).await?.ok(),
        None => None,
    };
    let mut pauses = pauses_of(tx, (row, definition.as_deref())).await?;
    let is_paused = |name: &String| pauses.iter().any(|pause| pause.name.as_ref() == Some(name));
    let accounts = definition.as_ref().map(|d| d.accounts.as_slice()).unwrap_or_default();
    if accounts.is_empty() || !accounts.iter().all(is_paused) {
        pauses.retain(|pause| pause.of != PausedWhat::Account);
    }
    Ok(pauses.into_iter().next())
}

fn count_runs(counts: &[(EnrollmentState, i64)]) -> Runs {
    let mut runs = Runs::default();
    for (state, n) in counts {
        match state {
            EnrollmentState::Active => runs.active = *n,
            EnrollmentState::Held => runs.held = *n,
            EnrollmentState::Paused => runs.paused = *n,
            EnrollmentState::Finished => runs.finished = *n,
            EnrollmentState::Exited => runs.exited = *n,
        }
    }
    runs.live = runs.active + runs.held + runs.paused;
    runs
}

fn steps(definition: &Definition, at: &HashMap<String, i64>) -> Vec<StepSummary> {
    let summary = |step: &Step| StepSummary {
        id: step.id.clone(),
        kind: step.kind.word(),
        after: step.after.clone(),
        condition: step.condition.clone(),
        templates: match &step.kind {
            StepKind::Email { templates, .. } => templates.clone(),
            StepKind::Say { .. } | StepKind::Task { .. } | StepKind::WaitFor { .. } | StepKind::Notify { .. } => {
                Vec::new()
            }
        },
        review: step.review,
        live: at.get(&step.id).copied().unwrap_or(0),
    };
    definition.steps.iter().map(summary).collect()
}
