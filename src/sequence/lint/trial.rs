//! Writes every text and asks every condition, for people as they may be: what would hold a run is told here, at its place,
//! rather than on the day of the mail. Only of use where nothing else is wrong.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::codes;
use super::super::load::{Draft, DraftStep, Known, Script, place, tell};
use crate::config::reader::{Found, Reader};
use crate::domain::expression::{StepFacts, evaluate};
use crate::domain::profile::Profile;
use crate::domain::sequence::{Definition, StepKind};
use crate::domain::stage::{PropertyType, StageId};
use crate::render::template::{Context, Given, Owner, Part, Sender, TemplateError, Writer, render, render_inline};

/// Most people a sequence is tried with.
const PEOPLE_MAX: usize = 60;
/// Followers of those it is tried with: one on each side of what brands draw lines at.
const REACHES: [i64; 4] = [0, 5_000, 60_000, 2_000_000];

/// Somebody the texts are tried with.
struct Case {
    /// Who they are, behind "for ": `somebody without a first name`.
    who: String,
    context: Context,
}

/// Tries everything that is written or asked.
pub(super) fn judge(r: &mut Reader, known: &Known<'_>, draft: &Draft) {
    let definition = draft.clone().finish();
    let cases = cases(known, draft, &definition);
    for step in &draft.steps {
        for (name, _) in &step.templates {
            judge_template(r, draft, (&definition, name), &cases);
        }
        step.tasks.iter().for_each(|task| judge_task(r, task, &cases));
    }
    draft.follow_tasks.iter().for_each(|task| judge_task(r, task, &cases));
    let conditions = draft.steps.iter().filter_map(|step| step.condition.as_ref());
    for condition in conditions.chain(&draft.follow_conditions) {
        judge_condition(r, draft, condition, &cases);
    }
    judge_subjects(r, draft, &cases);
}

fn judge_template(r: &mut Reader, draft: &Draft, (definition, name): (&Definition, &str), cases: &[Case]) {
    let Some(template) = draft.templates.get(name) else { return };
    let failed = cases.iter().find_map(|case| Some((case, render(definition, name, &case.context).err()?)));
    let Some((case, error)) = failed else { return };
    let script = match error.part {
        Part::Subject => template.subject.as_ref().unwrap_or(&template.body),
        Part::Preheader => template.preheader.as_ref().unwrap_or(&template.body),
        Part::Body => &template.body,
    };
    // Where line ends were made the same, places count otherwise.
    let moved = error.part == Part::Body && template.template.body.len() != template.body.text.len();
    fail(r, script, case, if moved { TemplateError { at: None, ..error } } else { error });
}

fn judge_task(r: &mut Reader, task: &Script, cases: &[Case]) {
    let failed = cases.iter().find_map(|case| Some((case, render_inline(&task.text, &case.context).err()?)));
    if let Some((case, error)) = failed {
        fail(r, task, case, error);
    }
}

fn fail(r: &mut Reader, script: &Script, case: &Case, error: TemplateError) {
    let message = format!("for {} this can't be written: {}", case.who, error.message);
    tell(r, codes::FAILS, &here(script, error.at), message, "the run would be held: give it a default, or an {% if %}");
}

/// A stretch of a text; its beginning where nothing is known.
fn here(script: &Script, at: Option<std::ops::Range<usize>>) -> Found<()> {
    let first = script.text.trim_start();
    let start = script.text.len() - first.len();
    let end = start + first.lines().next().unwrap_or_default().len();
    script.at(Some(at.unwrap_or(start..end)))
}

fn judge_condition(r: &mut Reader, draft: &Draft, condition: &Script, cases: &[Case]) {
    for case in cases {
        for all in
            [StepFacts::default(), StepFacts { sent: true, opened: true, clicked: true, replied: false, done: true }]
        {
            let steps = draft.steps.iter().map(|step| (step.step.id.clone(), all)).collect();
            if let Err(error) = evaluate(&condition.text, &case.context.facts(steps)) {
                let message = format!("for {} there is no answer: {}", case.who, error.message);
                let hint = "the run would be held: a condition gives true or false for everybody";
                return tell(r, codes::FAILS, &here(condition, error.at), message, hint);
            }
        }
    }
}

/// Finds mails without a subject for which no mail above may have been sent, for all of those have conditions.
fn judge_subjects(r: &mut Reader, draft: &Draft, cases: &[Case]) {
    // Below a mail that everybody gets there is a thread to stay in.
    let everybody = |step: &&DraftStep| matches!(step.step.kind, StepKind::Email { .. }) && step.condition.is_none();
    let above = draft.steps.iter().take_while(|step| !everybody(step));
    if !above.flat_map(|step| &step.templates).any(|(name, _)| is_bare(draft, name)) {
        return;
    }
    for clicks in [false, true] {
        for case in cases {
            if let Some((name, at)) = unsubjected(draft, case, clicks) {
                let message = format!("`{name}` has no subject, and for {} no mail above is sent", case.who);
                let hint = "give it a subject of its own, or ask in its `if` whether one was: steps.intro.sent";
                return tell(r, codes::NO_SUBJECT, &place(at), message, hint);
            }
        }
    }
}

fn is_bare(draft: &Draft, template: &str) -> bool {
    draft.templates.get(template).is_some_and(|template| template.subject.is_none())
}

/// Goes through the steps with somebody who clicks everything or nothing: the first mail that would have no thread to stay in.
fn unsubjected<'d>(draft: &'d Draft, case: &Case, clicks: bool) -> Option<(&'d str, &'d Found<()>)> {
    let mut facts: BTreeMap<String, StepFacts> =
        draft.steps.iter().map(|step| (step.step.id.clone(), StepFacts::default())).collect();
    let mut mailed = false;
    for step in &draft.steps {
        let holds = step
            .condition
            .as_ref()
            .is_none_or(|condition| evaluate(&condition.text, &case.context.facts(facts.clone())).unwrap_or(false));
        if !holds {
            continue;
        }
        let mails = matches!(step.step.kind, StepKind::Email { .. });
        let bare = step.templates.iter().find(|(name, _)| is_bare(draft, name));
        if mails
            && !mailed
            && let Some((name, at)) = bare
        {
            return Some((name, at));
        }
        mailed |= mails;
        let now = StepFacts { sent: mails, opened: false, clicked: clicks, replied: false, done: true };
        facts.insert(step.step.id.clone(), now);
    }
    None
}

/// Those it is tried with: somebody of whom everything is known, somebody of whom nothing is, and those between.
fn cases(known: &Known<'_>, draft: &Draft, definition: &Definition) -> Vec<Case> {
    let config = known.config;
    let stages: Vec<&str> = if draft.enter_from.is_empty() {
        config.stages.all().iter().map(|stage| stage.id.as_str()).collect()
    } else {
        draft.enter_from.iter().map(StageId::as_str).collect()
    };
    let first = stages.first().copied().unwrap_or_default();
    let whole = whole(known, first);
    let bare = Profile { handle: whole.handle.clone(), stage: first.to_owned(), ..Profile::default() };
    let bare = Profile { owner: config.default_owner.clone(), ..bare };
    let mut people = vec![
        ("somebody of whom everything is known".to_owned(), whole.clone()),
        ("somebody of whom only the handle is known".to_owned(), bare),
    ];
    for stage in stages.iter().skip(1) {
        people.push((format!("somebody in `{stage}`"), Profile { stage: (*stage).to_owned(), ..whole.clone() }));
    }
    people
        .extend(REACHES.map(|reach| (format!("somebody with {reach} followers"), Profile { reach, ..whole.clone() })));
    for (field, one) in [
        ("first_name", Profile { first_name: String::new(), ..whole.clone() }),
        ("last_name", Profile { last_name: String::new(), ..whole.clone() }),
        ("timezone", Profile { timezone: None, ..whole.clone() }),
        ("email", Profile { email: None, ..whole.clone() }),
        ("tags", Profile { tags: Vec::new(), ..whole.clone() }),
    ] {
        people.push((format!("somebody without influencer.{field}"), one));
    }
    for property in config.stages.properties() {
        let mut one = whole.clone();
        one.properties.remove(&property.id);
        people.push((format!("somebody without influencer.properties.{}", property.id), one));
    }
    people.truncate(PEOPLE_MAX);
    people.into_iter().map(|(who, profile)| Case { context: context(known, definition, profile), who }).collect()
}

fn whole(known: &Known<'_>, stage: &str) -> Profile {
    let properties = known.config.stages.properties().iter().map(|property| {
        let value = match property.kind {
            PropertyType::Text => json!("something"),
            PropertyType::Choice => property.choices.first().map_or(json!("something"), |choice| json!(choice)),
            PropertyType::Date => json!("2026-03-02"),
            PropertyType::Number => json!(7),
        };
        (property.id.clone(), value)
    });
    Profile {
        handle: "@ana.runs".to_owned(),
        first_name: "Ana".to_owned(),
        last_name: "Silva".to_owned(),
        stage: stage.to_owned(),
        timezone: Some("Europe/Lisbon".to_owned()),
        email: Some("ana@example.org".to_owned()),
        owner: known.config.default_owner.clone().or_else(|| known.config.teammates.keys().next().cloned()),
        reach: 25_000,
        tags: vec!["running".to_owned()],
        properties: properties.collect(),
    }
}

fn context(known: &Known<'_>, definition: &Definition, influencer: Profile) -> Context {
    let owner = influencer.owner.as_ref().and_then(|id| known.config.teammates.get(id));
    let account = definition.accounts.first().and_then(|name| known.config.accounts.get(name));
    let sender = known.config.outreach.sender.as_ref();
    let filled: Map<String, Value> = super::super::preview::stand_ins(definition);
    let given = Given {
        influencer,
        owner: owner.map_or_else(Owner::default, |one| Owner {
            name: one.first_name.clone(),
            first_name: one.first_name.clone(),
            // A teammate without an address is no fault of the template.
            email: one.emails.first().cloned().unwrap_or_else(|| "owner@example.org".to_owned()),
        }),
        account: account.map_or_else(Writer::default, |one| Writer {
            name: one.display_name.clone().unwrap_or_else(|| one.address.clone()),
            address: one.address.clone(),
        }),
        filled,
        unsubscribe_url: Some("https://unsubscribe.invalid/u/preview".to_owned()),
        sender: sender.map(|sender| Sender { name: sender.name.clone(), address: sender.address.clone() }),
    };
    Context::new(given, &definition.variables)
}
