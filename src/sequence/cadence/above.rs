//! What a mail of a run answers: the mail above, where there is one. Nothing claims to answer what was never sent.

use super::Batch;
use super::act::{choose_variant, last_sent};
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::domain::subject::base_subject;
use crate::hub::enqueue::Answers;
use crate::render::template::{Context, render};
use crate::store::outreach::enrollment::EnrollmentRow;

impl Batch<'_> {
    /// The subject of a mail and what it answers. One without a subject of its own, or with the same as the mail above, stays
    /// in its thread; where nothing above was sent, it begins one with the subject that the first mail would have had. `None`:
    /// there is no subject.
    pub(super) fn answers(
        &self,
        run: &EnrollmentRow,
        (definition, step): (&Definition, &Step),
        (subject, context): (Option<String>, &Context),
    ) -> Option<(Option<String>, Option<Answers>)> {
        match (subject, last_sent(&self.dossier, run)) {
            (Some(subject), None) => Some((Some(subject), None)),
            (Some(subject), Some(message)) => {
                let before = self.ground.subject(message).map(base_subject);
                let same = before.is_some_and(|before| before == base_subject(&subject));
                Some((Some(subject), same.then_some(Answers::Message(message))))
            }
            (None, Some(message)) => Some((None, Some(Answers::Message(message)))),
            (None, None) => subject_above(run, (definition, step), context).map(|subject| (Some(subject), None)),
        }
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
