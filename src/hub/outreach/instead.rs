//! What a step does at this moment: itself, or what stands under its `else`.

use super::dossier::{choose_place, own_no};
use super::{PAUSED, readable};
use crate::clock::Clock;
use crate::domain::ids::MessageId;
use crate::domain::sequence::{Step, StepKind};
use crate::domain::words::{EnrollmentState, Phase, StepState};
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::{StoreError, Tx};

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
        StepKind::Task { .. } | StepKind::Email { .. } | StepKind::Say { .. } | StepKind::Notify { .. } => None,
    }
}

/// The mail of a step was taken back: where that is because they can't be written to any more, what stands under its `else` takes
/// its place, as it would have when the mail was planned; whether it does.
pub async fn begin(tx: &mut Tx, clock: &Clock, run: &EnrollmentRow, message: MessageId) -> Result<bool, StoreError> {
    let Ok(definition) = readable(tx, &run.version).await? else { return Ok(false) };
    let Some((_, step)) = run.step.as_deref().and_then(|id| definition.step(id)) else { return Ok(false) };
    let Some(channel) = step.kind.channel() else { return Ok(false) };
    let Some(other) = step.otherwise.as_ref().filter(|other| other.channel() != Some(channel)) else {
        return Ok(false);
    };
    let rows = tx.list_steps(vec![run.id]).await?;
    let row = rows.iter().find(|row| row.step == step.id && row.message_id == Some(message));
    let Some(row) = row.filter(|_| under_way(&rows, step) == &step.kind) else { return Ok(false) };
    let places = tx.list_places(vec![run.influencer_id]).await?;
    // Who said no themselves ends the run with it: nothing of it is done in place of its mail.
    if choose_place(&places, channel).is_ok() || own_no(&places, channel).is_some() {
        return Ok(false);
    }
    let now = clock.now();
    tx.detach_mail(message).await?;
    tx.delete_planned_step(run.id, &step.id).await?;
    let begun = StepRow {
        enrollment_id: run.id,
        step: step.id.clone(),
        state: StepState::Planned,
        kind: other.word().to_owned(),
        variant: None,
        planned_at: Some(now),
        shifts: None,
        completed_at: None,
        message_id: None,
        task_id: None,
        reason: Some(ELSE.to_owned()),
        opened_at: row.opened_at,
        clicked_at: row.clicked_at,
        replied_at: row.replied_at,
    };
    tx.insert_steps(vec![begun]).await?;
    // Only whoever paused it lets it go on.
    let paused = run.state == EnrollmentState::Paused;
    let run = EnrollmentRow {
        state: if paused { run.state } else { EnrollmentState::Active },
        phase: Phase::Delay,
        anchor_at: now,
        next_at: (!paused).then_some(now),
        held_at: run.held_at.map(|since| since.max(now)),
        waiting_for: paused.then(|| PAUSED.to_owned()),
        ..run.clone()
    };
    tx.update_enrollment(run, now).await?;
    Ok(true)
}
