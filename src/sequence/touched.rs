//! What the files would change of a sequence, and how many live runs each change of a step is about.

use std::sync::Arc;

use serde::Serialize;

use super::diff::{Change, diff};
use crate::domain::sequence::{Definition, StepKind};
use crate::hub::outreach;
use crate::store::{StoreError, Tx};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SequenceChange")]
pub struct Touched {
    /// In words: `~ step intro: after`.
    pub change: String,
    /// The step it is about; of a template, none: several may use it.
    pub step: Option<String>,
    /// Live runs that stand at that step, or one that uses that template, or above it, so that it is still ahead of them.
    /// None: it is about no step.
    pub live: Option<i64>,
}

/// What the files say beside what is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SequenceDifference")]
pub struct Difference {
    /// The version in force; none: there is none yet.
    pub in_force: Option<String>,
    /// The version of the files.
    pub files: String,
    /// What differs, in the order: settings, steps, templates.
    pub changes: Vec<Touched>,
    /// Live runs on a version older than the one in force.
    pub outdated: i64,
    /// Versions that this build can't read: what is ahead of their runs is not known, and they are in no other count but
    /// `outdated`.
    pub unreadable: Vec<UnreadableVersion>,
}

/// A version that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct UnreadableVersion {
    /// Which.
    pub version: String,
    /// Why.
    pub why: String,
    /// How many live runs are on it.
    pub live: i64,
}

/// Compares the files with what is in force. Where that can't be read, everything is new.
pub async fn compare(tx: &mut Tx, files: &Definition, hash: &str) -> Result<Difference, StoreError> {
    let in_force = tx.get_sequence(&files.id).await?.and_then(|row| row.active_hash);
    let mut runs: Vec<(Arc<Definition>, Option<String>, i64)> = Vec::new();
    let mut outdated = 0;
    let mut unreadable: Vec<UnreadableVersion> = Vec::new();
    let mut note = |version: &str, why: String, live: i64| match unreadable.iter_mut().find(|u| u.version == version) {
        Some(known) => known.live += live,
        None => unreadable.push(UnreadableVersion { version: version.to_owned(), why, live }),
    };
    for (version, step, n) in tx.count_live_steps(&files.id).await? {
        if Some(&version) != in_force.as_ref() {
            outdated += n;
        }
        match outreach::readable(tx, &version).await? {
            Ok(definition) => runs.push((definition, step, n)),
            Err(why) => note(&version, why, n),
        }
    }
    let active = match &in_force {
        Some(active) => outreach::readable(tx, active).await?.map_err(|why| note(active, why, 0)).ok(),
        None => None,
    };
    let changes = match active {
        Some(active) => diff(&active, files),
        None => files.steps.iter().map(|step| Change::StepAdded(step.id.clone())).collect(),
    };
    let touched = |change: Change| {
        let (step, template) = match &change {
            Change::StepAdded(id) | Change::StepRemoved(id) | Change::StepChanged(id, _) => (Some(id.clone()), None),
            Change::TemplateAdded(name) | Change::TemplateRemoved(name) | Change::TemplateChanged(name, _) => {
                (None, Some(name.clone()))
            }
            Change::StepsReordered | Change::Setting(_) => (None, None),
        };
        let ahead = |(version, at, _): &&(Arc<Definition>, Option<String>, i64)| {
            let of_template = template.iter().flat_map(|name| users(version, files, name));
            step.as_deref().into_iter().chain(of_template).any(|step| lies_ahead((version, files), step, at.as_deref()))
        };
        let is_counted = step.is_some() || template.is_some();
        let live = is_counted.then(|| runs.iter().filter(ahead).map(|run| run.2).sum());
        Touched { change: change.to_string(), step, live }
    };
    let changes = changes.into_iter().map(touched).collect();
    Ok(Difference { in_force, files: hash.to_owned(), changes, outdated, unreadable })
}

/// The steps that use a template, in a version or in the files.
fn users<'a>(version: &'a Definition, files: &'a Definition, template: &'a str) -> impl Iterator<Item = &'a str> {
    let uses = move |kind: &StepKind| match kind {
        StepKind::Email { templates, .. } => templates.iter().any(|name| name == template),
        StepKind::Say { .. } | StepKind::Task { .. } | StepKind::WaitFor { .. } | StepKind::Notify { .. } => false,
    };
    let steps = version.steps.iter().chain(&files.steps);
    steps.filter(move |step| uses(&step.kind) || step.otherwise.as_ref().is_some_and(uses)).map(|step| step.id.as_str())
}

/// Whether a step is still ahead of a run, or under way: in its own version, or, where that has no such step, in the files.
fn lies_ahead((version, files): (&Definition, &Definition), step: &str, at: Option<&str>) -> bool {
    let Some(at) = at else { return false };
    let places = |of: &Definition| Some((of.step(at)?.0, of.step(step)?.0));
    places(version).or_else(|| places(files)).is_some_and(|(at, step)| at <= step)
}
