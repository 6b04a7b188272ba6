//! What differs between two versions of a sequence, and where a run of the old one goes on in the new one. Pure.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::sequence::{Definition, Step};

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A step that was not there.
    StepAdded(String),
    /// A step that is gone.
    StepRemoved(String),
    /// A step that says something else: which of its keys.
    StepChanged(String, Vec<&'static str>),
    /// Steps that stayed stand in another order.
    StepsReordered,
    /// A template that was not there.
    TemplateAdded(String),
    /// A template that is gone.
    TemplateRemoved(String),
    /// A template that says something else: which of its parts.
    TemplateChanged(String, Vec<&'static str>),
    /// A setting of the whole sequence.
    Setting(&'static str),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StepAdded(id) => write!(f, "+ step {id}"),
            Self::StepRemoved(id) => write!(f, "- step {id}"),
            Self::StepChanged(id, keys) => write!(f, "~ step {id}: {}", keys.join(", ")),
            Self::StepsReordered => f.write_str("~ the order of the steps"),
            Self::TemplateAdded(name) => write!(f, "+ template {name}"),
            Self::TemplateRemoved(name) => write!(f, "- template {name}"),
            Self::TemplateChanged(name, parts) => write!(f, "~ template {name}: {}", parts.join(", ")),
            Self::Setting(key) => write!(f, "~ {key}"),
        }
    }
}

/// What differs, in the order: settings, steps, templates.
pub fn diff(old: &Definition, new: &Definition) -> Vec<Change> {
    let mut changes: Vec<Change> = settings(old, new).into_iter().map(Change::Setting).collect();
    for step in &old.steps {
        match new.step(&step.id) {
            None => changes.push(Change::StepRemoved(step.id.clone())),
            Some((_, now)) if now != step => changes.push(Change::StepChanged(step.id.clone(), step_keys(step, now))),
            Some(_) => {}
        }
    }
    let added = new.steps.iter().filter(|step| old.step(&step.id).is_none());
    changes.extend(added.map(|step| Change::StepAdded(step.id.clone())));
    let stayed = |of: &Definition, other: &Definition| -> Vec<String> {
        of.steps.iter().filter(|step| other.step(&step.id).is_some()).map(|step| step.id.clone()).collect()
    };
    if stayed(old, new) != stayed(new, old) {
        changes.push(Change::StepsReordered);
    }
    let names: BTreeSet<&String> = old.templates.keys().chain(new.templates.keys()).collect();
    for name in names {
        match (old.templates.get(name), new.templates.get(name)) {
            (None, Some(_)) => changes.push(Change::TemplateAdded(name.clone())),
            (Some(_), None) => changes.push(Change::TemplateRemoved(name.clone())),
            (Some(was), Some(is)) if was != is => {
                let parts = [
                    ("format", was.format != is.format),
                    ("subject", was.subject != is.subject),
                    ("preheader", was.preheader != is.preheader),
                    ("attachments", was.attachments != is.attachments),
                    ("text", was.body != is.body),
                ];
                changes.push(Change::TemplateChanged(name.clone(), differing(&parts)));
            }
            _ => {}
        }
    }
    changes
}

fn differing(parts: &[(&'static str, bool)]) -> Vec<&'static str> {
    parts.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect()
}

fn settings(old: &Definition, new: &Definition) -> Vec<&'static str> {
    differing(&[
        ("id", old.id != new.id),
        ("name", old.name != new.name),
        ("account", old.accounts != new.accounts),
        ("enter_from", old.enter_from != new.enter_from),
        ("exit_on", old.exit_on != new.exit_on),
        ("unsubscribe", old.unsubscribe != new.unsubscribe),
        ("allow_parallel", old.allow_parallel != new.allow_parallel),
        ("schedule", old.schedule != new.schedule),
        ("limits", old.limits != new.limits),
        ("variables", old.variables != new.variables),
        ("on.reply", old.on_reply != new.on_reply),
        ("on.finish", old.on_finish != new.on_finish),
        ("pause_if", old.pause_if != new.pause_if),
    ])
}

fn step_keys(was: &Step, is: &Step) -> Vec<&'static str> {
    differing(&[
        ("after", was.after != is.after),
        ("if", was.condition != is.condition),
        ("what it does", was.kind != is.kind),
        ("else", was.otherwise != is.otherwise),
        ("stage", was.stage != is.stage),
        ("review", was.review != is.review),
    ])
}

/// Where a run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// At this step, which it has not done.
    Step(String),
    /// Nothing is left to do: what follows the last step comes next.
    Finish,
    /// It can't be moved by itself.
    Stay(StayReason),
}

/// Why a run stays on its old version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StayReason {
    /// They are different sequences.
    #[error("`{0}` and `{1}` are different sequences")]
    OtherSequence(String, String),
    /// Nothing ties the run to a place in the new version.
    #[error("no step that the run has done, or stands at, is left in the new version")]
    NothingInCommon,
    /// What the run did last is gone, and what comes next may be the same under another name.
    #[error(
        "the step `{0}`, which it did last, is gone, and `{1}` below may be the same under another name: keep the id, or end the run"
    )]
    LastGone(String, String),
    /// The step is half done: a task is open, or an event is awaited, and it is another kind of step now.
    #[error("the step `{0}` does something else now")]
    KindChanged(String),
}

/// Decides where a run of `old` goes on in `new`, by the ids of steps. `done` are the steps it has behind it, skipped ones
/// too; `current` is the one it stands at, if any. A step that is done never comes again: the run goes on at its current
/// step where that is left, else at the first step below the last done one, and past any that are done.
pub fn plan_migration(old: &Definition, new: &Definition, done: &[String], current: Option<&str>) -> Next {
    if old.id != new.id {
        return Next::Stay(StayReason::OtherSequence(old.id.clone(), new.id.clone()));
    }
    let is_done = |id: &str| done.iter().any(|step| step == id);
    if let Some(id) = current.filter(|id| !is_done(id))
        && let (Some((_, was)), Some((_, is))) = (old.step(id), new.step(id))
    {
        if std::mem::discriminant(&was.kind) != std::mem::discriminant(&is.kind) {
            return Next::Stay(StayReason::KindChanged(id.to_owned()));
        }
        return Next::Step(id.to_owned());
    }
    let last = done.iter().filter_map(|id| new.step(id).map(|(at, _)| at)).max();
    // A run that has done nothing starts at the top; one whose every step is gone is for a person.
    let from = match last {
        Some(at) => at + 1,
        None if done.is_empty() => 0,
        None => return Next::Stay(StayReason::NothingInCommon),
    };
    let next = new.steps.iter().skip(from).find(|step| !is_done(&step.id));
    let newest = old.steps.iter().rev().find(|step| is_done(&step.id));
    if let (Some(newest), Some(next)) = (newest, next)
        && new.step(&newest.id).is_none()
    {
        return Next::Stay(StayReason::LastGone(newest.id.clone(), next.id.clone()));
    }
    next.map_or(Next::Finish, |step| Next::Step(step.id.clone()))
}
