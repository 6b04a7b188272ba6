//! What a mail of a run answers: the mail above, where there is one. Nothing claims to answer what was never sent.

use super::Batch;
use super::act::choose_variant;
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::domain::subject::base_subject;
use crate::domain::words::StepState;
use crate::hub::enqueue::Answers;
use crate::render::template::{Context, render};
use crate::store::outreach::enrollment::EnrollmentRow;
use crate::store::{StoreError, Tx};

impl Batch<'_> {
    /// The subject of a mail and what it answers. One without a subject of its own, or with the same as the mail above, stays
    /// in its thread; where nothing above was sent, it begins one with the subject that the first mail would have had. `None`:
    /// there is no subject.
    pub(super) async fn answers(
        &self,
        tx: &mut Tx,
        run: &EnrollmentRow,
        (definition, step): (&Definition, &Step),
        (subject, context): (Option<String>, &Context),
    ) -> Result<Option<(Option<String>, Option<Answers>)>, StoreError> {
        let above = self.dossier.steps(run.id).iter().filter(|s| s.state == StepState::Sent);
        let above = above.filter_map(|s| Some((s.completed_at?, s.message_id?))).max_by_key(|(at, _)| *at);
        Ok(match (subject, above) {
            (Some(subject), None) => Some((Some(subject), None)),
            (Some(subject), Some((_, message))) => {
                let before = tx.get_answered(message).await?.map(|m| base_subject(&m.subject));
                let same = before.is_some_and(|before| before == base_subject(&subject));
                Some((Some(subject), same.then_some(Answers::Message(message))))
            }
            (None, Some((_, message))) => Some((None, Some(Answers::Message(message)))),
            (None, None) => subject_above(run, (definition, step), context).map(|subject| (Some(subject), None)),
        })
    }
}

/// The subject of the nearest mail above that has one, as it would have read for them.
fn subject_above(run: &EnrollmentRow, (definition, step): (&Definition, &Step), context: &Context) -> Option<String> {
    let (at, _) = definition.step(&step.id)?;
    definition.steps.iter().take(at).rev().find_map(|step| {
        let StepKind::Email { templates, split } = &step.kind else { return None };
        let template = choose_variant(run, step, templates, split);
        render(definition, &template, context).ok()?.subject
    })
}
