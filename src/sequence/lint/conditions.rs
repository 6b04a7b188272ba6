//! Conditions: whether they can be read, what they ask, and whether they can ever hold.

use std::collections::{BTreeMap, BTreeSet};

use super::super::codes;
use super::super::load::{Draft, Script, tell};
use super::names::Scope;
use crate::config::reader::Reader;
use crate::domain::expression::{Facts, StepFacts, check, evaluate};
use crate::domain::sequence::{Awaited, StepKind};

/// Most steps a condition may ask about for its reach to be worked out: each makes the cases five times as many.
const STEPS_TRIED_MAX: usize = 5;

/// Judges what a condition says.
pub(super) fn judge(r: &mut Reader, scope: &Scope<'_>, condition: &Script, used: &mut BTreeSet<String>) {
    let names = match check(&condition.text) {
        Ok(names) => names,
        Err(error) => {
            let hint = "as in: not steps.intro.clicked and influencer.reach >= 50000";
            tell(r, codes::CONDITION, &condition.at(error.at), error.message, hint);
            return;
        }
    };
    for name in &names {
        used.extend(name.path.first().cloned());
        if let Some((code, message, hint)) = scope.judge(name) {
            tell(r, code, &condition.at(Some(name.at.clone())), message, &hint);
        } else if name.path.first().is_some_and(|p| p == "steps") && name.path.last().is_some_and(|p| p == "opened") {
            let message = "a condition on opens";
            let hint =
                "mail programs open mail by themselves, and many people never show that they did; ask for clicks";
            tell(r, codes::ASKS_OPENED, &condition.at(Some(name.at.clone())), message, hint);
        }
    }
}

/// Finds a step whose condition can never hold: all that can become of the steps above is tried.
pub(super) fn judge_reach(r: &mut Reader, draft: &Draft, at: usize, condition: &Script) {
    let Ok(names) = check(&condition.text) else { return };
    // What depends on the person may hold for someone.
    if names.iter().any(|name| name.path.first().is_none_or(|first| first != "steps")) {
        return;
    }
    let mut asked: Vec<&str> = names.iter().filter_map(|name| name.path.get(1).map(String::as_str)).collect();
    asked.sort_unstable();
    asked.dedup();
    let above = draft.steps.get(..at).unwrap_or_default();
    let mut cases: Vec<BTreeMap<String, StepFacts>> = vec![BTreeMap::new()];
    if asked.len() > STEPS_TRIED_MAX {
        return;
    }
    for id in asked {
        let Some(step) = above.iter().find(|step| step.step.id == id) else { return };
        let outcomes = outcomes(&step.step.kind, !step.templates.is_empty());
        cases = cases
            .iter()
            .flat_map(|case| {
                outcomes.iter().map(|facts| {
                    let mut case = case.clone();
                    case.insert(id.to_owned(), *facts);
                    case
                })
            })
            .collect();
    }
    for steps in cases {
        match evaluate(&condition.text, &Facts { steps, ..Facts::default() }) {
            Ok(false) => {}
            // What can't be answered is told elsewhere, or by the run itself.
            Ok(true) | Err(_) => return,
        }
    }
    let step = draft.steps.get(at).map_or("", |step| step.step.id.as_str());
    let hint = "a reply ends the run, only mails are sent, opened or clicked; take the step out, or ask something else";
    tell(r, codes::UNREACHABLE, &condition.at(None), format!("`{step}` is never reached: this never holds"), hint);
}

/// What can become of a step. A reply ends the run, so nobody ever asks about one that came.
fn outcomes(kind: &StepKind, sends: bool) -> Vec<StepFacts> {
    let nothing = StepFacts::default();
    let done = StepFacts { done: true, ..nothing };
    let sent = StepFacts { sent: true, done: true, ..nothing };
    let mails = [
        sent,
        StepFacts { opened: true, ..sent },
        StepFacts { clicked: true, ..sent },
        StepFacts { opened: true, clicked: true, ..sent },
    ];
    let mut all = vec![nothing];
    if sends {
        all.extend(mails);
    }
    match kind {
        StepKind::Email { .. } | StepKind::Say { .. } => {}
        StepKind::Task { .. } | StepKind::Notify { .. } => all.push(done),
        StepKind::WaitFor { what: Awaited::Clicked, .. } => all.extend([done, StepFacts { clicked: true, ..done }]),
        StepKind::WaitFor { what: Awaited::Opened, .. } => all.extend([done, StepFacts { opened: true, ..done }]),
    }
    all
}
