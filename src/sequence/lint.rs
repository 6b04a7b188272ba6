//! Judges a sequence that was read: names, conditions, links, limits, and what a careful person would ask about.

use std::collections::BTreeSet;

use super::codes;
use super::load::{Draft, DraftStep, Known, tell};
use crate::config::reader::Reader;
use crate::domain::sequence::{Awaited, StepKind, Unsubscribe};

mod conditions;
mod names;
mod say;
mod sending;
mod texts;
mod trial;

/// Steps above which people ask why.
const STEPS_USUAL: usize = 6;
/// Sends of a variant below which its answers tell nothing.
const SENDS_TELLING: u64 = 100;

/// Judges a whole sequence.
pub(super) fn judge(r: &mut Reader, known: &Known<'_>, draft: &Draft) {
    let mut used = BTreeSet::new();
    names::judge_variables(r, known, draft);
    for (at, step) in draft.steps.iter().enumerate() {
        if let Some(condition) = &step.condition {
            conditions::judge(r, &names::Scope::condition(known, draft, at), condition, &mut used);
            conditions::judge_reach(r, draft, at, condition);
        }
        for text in &step.tasks {
            let scope = names::Scope::short(known, draft, (at, names::Short::of(&text.key)));
            texts::judge_script(r, &scope, text, &mut used);
        }
    }
    let end = draft.steps.len();
    for condition in &draft.follow_conditions {
        conditions::judge(r, &names::Scope::condition(known, draft, end), condition, &mut used);
    }
    for task in &draft.follow_tasks {
        texts::judge_script(r, &names::Scope::short(known, draft, (end, names::Short::Task)), task, &mut used);
    }
    texts::judge(r, known, draft, &mut used);
    judge_steps(r, known, draft);
    judge_footer(r, known, draft);
    say::judge(r, known, draft);
    if draft.is_whole {
        names::judge_unused(r, draft, &used);
        sending::judge(r, known, draft);
        if !r.has_errors() {
            trial::judge(r, known, draft);
        }
    }
    if let Some(gone) = known.live.and_then(|live| live.get(&draft.id)) {
        for id in gone.iter().filter(|id| !draft.steps.iter().any(|step| step.step.id == **id)) {
            let message = format!("the step `{id}` is gone, and people are in it");
            let hint = "bring it back; or put it in force with `liaison reload` and move them: liaison sequence migrate ID --plan";
            tell(r, codes::LIVE_STEP, &draft.here, message, hint);
        }
    }
}

fn judge_steps(r: &mut Reader, known: &Known<'_>, draft: &Draft) {
    if let Some(step) = draft.steps.get(STEPS_USUAL) {
        let message = format!("{} steps", draft.steps.len());
        tell(r, codes::MANY_STEPS, &step.here, message, "few people answer after the sixth; most only feel pressed");
    }
    let mut ended: Option<&DraftStep> = None;
    let mut mailed = false;
    let mut right_above = false;
    for step in &draft.steps {
        // Who has no mail sent, for want of an address, still has tasks.
        let mails =
            |step: &DraftStep| matches!(step.step.kind, StepKind::Email { .. }) && step.step.otherwise.is_none();
        if let Some(above) = ended.filter(|above| !mails(above) || mails(step)) {
            let message = format!("`{}` is never reached: the step `{}` ends the run", step.step.id, above.step.id);
            tell(r, codes::UNREACHABLE, &step.here, message, "its stage stands in `exit_on`; take one of the two out");
            break;
        }
        if ends(draft, step) {
            ended = Some(step);
        }
        if let (StepKind::WaitFor { what: Awaited::Opened, .. }, Some(at)) = (&step.step.kind, &step.awaits) {
            let hint =
                "mail programs open mail by themselves, and many people never show that they did; wait for clicks";
            tell(r, codes::ASKS_OPENED, at, "it waits for an open", hint);
        }
        let sends = !step.templates.is_empty();
        if sends && !mailed && !draft.lost_steps {
            judge_subjects(r, draft, step);
        }
        if draft.is_whole && sends && mailed && is_hasty(step, right_above) {
            let at = step.after.as_ref().unwrap_or(&step.here);
            tell(
                r,
                codes::HASTY,
                at,
                "a mail within a working day of another",
                "write after = \"1 business day\" or more",
            );
        }
        mailed |= sends;
        right_above = sends;
        if let (StepKind::Email { split, .. }, Some(audience)) = (&step.step.kind, known.audience) {
            judge_audience(r, draft, step, (split, audience));
        }
    }
}

/// Whether nobody gets past a step: it raises everybody to a stage that ends the run. A wait or a task that may run out lets
/// them pass.
fn ends(draft: &Draft, step: &DraftStep) -> bool {
    let always = match &step.step.kind {
        StepKind::Email { .. }
        | StepKind::Say { .. }
        | StepKind::Notify { .. }
        | StepKind::Task { at_most: None, .. } => step.step.otherwise.is_none(),
        StepKind::Task { .. } | StepKind::WaitFor { .. } => false,
    };
    always
        && step.step.condition.is_none()
        && step.step.stage.as_ref().is_some_and(|stage| draft.exit_on.contains(stage))
}

/// Whether a mail comes soon after the step above it: so soon that they hardly had time to read it.
fn is_hasty(step: &DraftStep, right_below_a_mail: bool) -> bool {
    use crate::domain::delay::{After, Delay};
    match step.step.after.as_deref().and_then(After::parse) {
        Some(After::Delay(Delay::Minutes(n))) => n < 24 * 60,
        Some(After::Delay(Delay::Hours(n))) => n < 24,
        Some(After::Delay(Delay::Days(_) | Delay::BusinessDays(_)) | After::Next { .. }) => false,
        // A wait or a task above takes its own time.
        None => right_below_a_mail && step.after.is_none(),
    }
}

fn judge_subjects(r: &mut Reader, draft: &Draft, step: &DraftStep) {
    for (name, at) in &step.templates {
        if draft.templates.get(name).is_some_and(|template| template.subject.is_none()) {
            let message = format!("`{name}` has no subject, and no mail stands above it");
            tell(r, codes::NO_SUBJECT, at, message, "write subject: \"…\" between two lines of --- at its beginning");
        }
    }
}

fn judge_audience(
    r: &mut Reader,
    draft: &Draft,
    step: &DraftStep,
    (split, audience): (&[u32], &std::collections::BTreeMap<String, u64>),
) {
    if split.len() < 2 {
        return;
    }
    let open = |stage: &String| draft.enter_from.is_empty() || draft.enter_from.iter().any(|id| id.as_str() == stage);
    let people: u64 = audience.iter().filter(|(stage, _)| open(stage)).map(|(_, count)| count).sum();
    for (share, (name, at)) in split.iter().zip(&step.templates) {
        let sends = people.saturating_mul(u64::from(*share)) / 100;
        if sends < SENDS_TELLING {
            let message = format!("about {sends} people would get `{name}`");
            tell(r, codes::FEW_SENDS, at, message, "below 100 sends its answers tell nothing; write one text");
        }
    }
}

fn judge_footer(r: &mut Reader, known: &Known<'_>, draft: &Draft) {
    if !draft.sends() {
        return;
    }
    if draft.unsubscribe != Unsubscribe::Header && known.config.site().is_none() {
        let at = draft.unsubscribe_at.as_ref().unwrap_or(&draft.here);
        let hint = "write base_url = \"https://hub.your-domain.example\" below [server] in liaison.toml: where readers reach the hub";
        tell(r, codes::NO_SITE, at, "nothing says where the link to unsubscribe leads, so no mail could be sent", hint);
    }
    if draft.unsubscribe == Unsubscribe::Footer && known.config.outreach.sender.is_none() {
        let at = draft.unsubscribe_at.as_ref().unwrap_or(&draft.here);
        let hint = "write [sender] with name and address into liaison.toml";
        tell(r, codes::NO_ADDRESS, at, "there is no postal address for the footer", hint);
    }
}
