//! What a step does at this moment: itself, or what stands under its `else`.

use crate::domain::sequence::{Step, StepKind};
use crate::store::outreach::enrollment::StepRow;

/// What the row of a step says whose `else` is under way.
pub const ELSE: &str = "what stands under `else`";

/// Whether something is the `else` of a step.
pub fn is_else(step: &Step, kind: &StepKind) -> bool {
    let same = |other: &StepKind| std::ptr::eq(other, kind) || (other == kind && kind != &step.kind);
    step.otherwise.as_ref().is_some_and(same)
}

/// What of a step is under way in a run of which these are the steps: where `else` took its place, that.
pub fn under_way<'s>(rows: &[StepRow], step: &'s Step) -> &'s StepKind {
    let row = rows.iter().find(|row| row.step == step.id);
    match (row, &step.otherwise) {
        (Some(row), Some(other))
            if row.reason.as_deref() == Some(ELSE) || row.kind == other.word() && row.kind != step.kind.word() =>
        {
            other
        }
        _ => &step.kind,
    }
}

/// How long a step waits before its `else` follows; none where it never does by itself. A task whose answer is needed holds its
/// run in place of that.
pub fn ends_after(kind: &StepKind) -> Option<&str> {
    match kind {
        StepKind::WaitFor { at_most, .. } => Some(at_most),
        StepKind::Task { at_most, fills: None, .. } => at_most.as_deref(),
        StepKind::Task { .. } | StepKind::Email { .. } => None,
    }
}
