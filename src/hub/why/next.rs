//! What is planned next of a run, with which text; and what comes in its place where its step's time runs out or nobody can be
//! written to. Planned with the planner itself.

use std::sync::Arc;

use serde::Serialize;

use super::{Asker, Instant, instant};
use crate::domain::address;
use crate::domain::schedule::Due;
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::domain::time::Micros;
use crate::domain::words::{Phase, StepState};
use crate::domain::zone::Zone;
use crate::hub::outreach::dossier::Dossier;
use crate::hub::outreach::instead::{ends_after, is_else, under_way};
use crate::hub::outreach::plan::{Request, Taken, Who, choose_variant, step_seed};
use crate::hub::outreach::shifts_json;
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};

/// What is planned.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PlannedNext")]
pub struct Next {
    /// When; for a place that is not given yet, as it would be now.
    pub when: Instant,
    /// What: `send`, `look`.
    pub what: &'static str,
    /// The text that goes, where a mail does.
    pub template: Option<String>,
    /// Whether it is what stands under the `else` of the step.
    #[serde(rename = "else")]
    pub other: bool,
    /// What moved it there.
    pub shifts: serde_json::Value,
}

/// What stands under the `else` of a step that is next or under way.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct OrElse {
    /// Why it would come: `its time runs out (2 days)`, or that nobody can be written to.
    pub why: String,
    /// What: `email`, `task`.
    pub kind: &'static str,
    /// The text that would go, where a mail would.
    pub template: Option<String>,
    /// When; of a mail the place it would get now. None where the step has not begun, so that nobody knows.
    pub when: Option<Instant>,
    /// What moves it there.
    pub shifts: serde_json::Value,
}

impl Asker<'_> {
    fn step_of(&self, run: &EnrollmentRow) -> Option<(Arc<Definition>, Step)> {
        let definition = self.dossier.definition(&run.version).cloned()?;
        let step = definition.step(run.step.as_deref()?)?.1.clone();
        Some((definition, step))
    }

    fn who_of<'w>(dossier: &'w Dossier, run: &'w EnrollmentRow, definition: &'w Arc<Definition>) -> Who<'w> {
        Who {
            definition,
            version: &run.version,
            account: &run.account,
            timezone: dossier.person(run.influencer_id).and_then(|p| p.timezone.as_deref()),
            phone: dossier.phone(run.influencer_id),
        }
    }

    /// The text they get, where it is a mail.
    fn template(run: &EnrollmentRow, step: &Step, kind: &StepKind) -> Option<String> {
        let StepKind::Email { templates, split } = kind else { return None };
        choose_variant((&run.sequence, run.influencer_id), &step.id, templates, split).cloned()
    }

    /// The domain that is written to.
    fn domain(&self, run: &EnrollmentRow) -> String {
        let place = self.dossier.place(run.influencer_id).ok();
        place.and_then(|place| address::domain(&place.value)).unwrap_or_default()
    }

    /// What is planned next. A mail in the outbox has its place; for a step that has none yet, the place it would get now.
    pub(super) fn next(&mut self, run: &EnrollmentRow, zone: &Zone) -> (Option<Next>, Vec<Taken>) {
        let ours = self.house.zone.clone();
        let look = run.next_at.map(|at| Next {
            when: instant(at, zone, &ours),
            what: "look",
            template: None,
            other: false,
            shifts: serde_json::Value::Null,
        });
        let Some((definition, step)) = self.step_of(run) else { return (look, Vec::new()) };
        let rows = self.dossier.steps(run.id);
        let kind = under_way(rows, &step);
        let other = is_else(&step, kind);
        // What is said elsewhere is planned when its time has come: until then, when that is.
        if !matches!(kind, StepKind::Email { .. }) {
            return (look, Vec::new());
        }
        let planned = rows.iter().find(|s| s.step == step.id && s.state == StepState::Planned).cloned();
        let drawn = Self::template(run, &step, kind);
        let template = planned.as_ref().and_then(|row| row.variant.clone()).or(drawn);
        let mail = |at: Micros, shifts: serde_json::Value| Next {
            when: instant(at, zone, &ours),
            what: "send",
            template: template.clone(),
            other,
            shifts,
        };
        let domain = self.domain(run);
        let seed = step_seed(&run.sequence, run.influencer_id.0, run.run, &step.id);
        // The `else` begins when the time ran out.
        let after = if other { None } else { step.after.as_deref() };
        let due = self.planner.due_of(run.anchor_at, after);
        let request = Request { due, domain: &domain, first: run.first, yields: run.first, seed };
        let who = Self::who_of(&self.dossier, run, &definition);
        let limits = self.planner.taken(&who, &request);
        // The row of an `else` that has no place yet says when it began.
        let has_place = |row: &StepRow| !other || row.shifts.is_some();
        if let Some(row) = planned.filter(has_place)
            && let Some(at) = row.planned_at
        {
            return (Some(mail(at, row.shifts.unwrap_or_default())), limits);
        }
        if run.phase != Phase::Delay {
            return (look, limits);
        }
        // Its own pencilled place is no obstacle to it.
        let request = match self.planner.reservation(run.id.0).map(|row| row.at) {
            Some(at) => Request { due: Due::At(at), ..request },
            None => request,
        };
        let would = self.planner.place_again(&who, &request, run.id.0).ok();
        (would.map(|place| mail(place.at, shifts_json(&place.shifts))).or(look), limits)
    }

    /// What stands under the `else` of the step that is next or under way, where it may still come.
    pub(super) fn or_else(&mut self, run: &EnrollmentRow, zone: &Zone) -> Option<OrElse> {
        let (definition, step) = self.step_of(run)?;
        let other = step.otherwise.clone()?;
        if is_else(&step, under_way(self.dossier.steps(run.id), &step)) {
            return None;
        }
        let blank = |why: String, template: Option<String>| OrElse {
            why,
            kind: other.word(),
            template,
            when: None,
            shifts: serde_json::Value::Null,
        };
        let is_mail = |kind: &StepKind| matches!(kind, StepKind::Email { .. });
        if let Some(channel) = step.kind.channel() {
            // What goes the same way stands in for nothing: there is no address to write to.
            let why = self.dossier.place_on(run.influencer_id, channel).err();
            return Some(blank(why.filter(|_| other.channel() != Some(channel))?, None));
        }
        let at_most = ends_after(&step.kind)?;
        let found = blank(format!("its time runs out ({at_most})"), Self::template(run, &step, &other));
        if !matches!(run.phase, Phase::Task | Phase::Event) {
            return Some(found);
        }
        let who = Self::who_of(&self.dossier, run, &definition);
        let ends = self.planner.due_at(&who, run.anchor_at, Some(at_most))?;
        let ours = self.house.zone.clone();
        let when = |at: Micros| Some(instant(at, zone, &ours));
        if !is_mail(&other) {
            return Some(OrElse { when: when(ends), ..found });
        }
        let domain = self.domain(run);
        let seed = step_seed(&run.sequence, run.influencer_id.0, run.run, &step.id);
        let request = Request { due: Due::At(ends), domain: &domain, first: run.first, yields: run.first, seed };
        Some(match self.planner.place(&who, &request) {
            Ok(place) => OrElse { when: when(place.at), shifts: shifts_json(&place.shifts), ..found },
            Err(_) => OrElse { when: when(ends), ..found },
        })
    }
}
