//! `[[step]]`: what a sequence does, top to bottom.

use super::draft::{Draft, DraftStep, Script};
use super::settings::{cut, did_you_mean, is_after, is_delay, is_name, script, stage};
use super::templates::{self, Named};
use super::{Known, codes, place, tell};
use crate::config::reader::{Found, Reader, Section, text_of};
use crate::config::tree::{Node, Table, Value};
use crate::domain::sequence::{Awaited, STEPS_MAX, Step, StepKind, VARIANTS_MAX};
use crate::domain::words::{Channel, Word as _};

const KINDS: [&str; 6] = ["email", "sms", "slack", "task", "wait_for", "notify"];

pub(super) fn read(root: &mut Section<'_>, r: &mut Reader, known: &Known<'_>, draft: &mut Draft) {
    root.require(r, "step", "write [[step]] and its keys below, once per step, in order");
    let Some(list) = root.node("step") else { return };
    let items: &[Node] = if let Value::List(items) = &list.value.value { items } else { &[] };
    if items.is_empty() {
        tell(r, codes::BAD_VALUE, &place(&list), "`step` is a list of steps", "write [[step]] with two brackets");
        return;
    }
    for (at, item) in items.iter().enumerate() {
        let here = Found { value: (), span: item.span, key: "step".to_owned() };
        if at == STEPS_MAX {
            tell(r, codes::TOO_MUCH, &here, format!("more than {STEPS_MAX} steps"), "split the sequence");
            break;
        }
        let Value::Table(table) = &item.value else {
            tell(r, codes::BAD_VALUE, &here, "a step is a table", "write [[step]] and its keys below");
            continue;
        };
        read_step(Section::new(table, "step"), r, known, draft);
    }
}

/// What belongs to one kind alone: the kind, and its keys.
const OWN_KEYS: [(&str, &[&str]); 6] = [
    ("email", &["split", "review"]),
    ("sms", &["review"]),
    ("slack", &["review"]),
    ("task", &["assign", "due", "fills", "at_most"]),
    ("wait_for", &["at_most"]),
    ("notify", &[]),
];

fn read_step(mut s: Section<'_>, r: &mut Reader, known: &Known<'_>, draft: &mut Draft) {
    let id = read_id(&mut s, r, draft);
    let here = id.as_ref().map_or_else(|| s.here(), place);
    let name = id.as_ref().map_or_else(|| format!("step{}", draft.steps.len() + 1), |id| id.value.clone());
    let after = s.text(r, "after").filter(|text| is_after(r, text));
    let condition = s.node("if").and_then(|node| condition(r, &node));
    let raises = s.text(r, "stage").and_then(|text| stage(r, known, &text));
    let mut review = s.flag(r, "review").is_some_and(|flag| flag.value);
    let mut parts = Parts { name: name.clone(), ..Parts::default() };
    let kind = read_kind(&mut s, r, known, draft, &mut parts);
    let mut otherwise = None;
    if let Some(mut section) = s.section(r, "else") {
        let mut inner = Parts { name: format!("{name}.else"), ..Parts::default() };
        otherwise = read_kind(&mut section, r, known, draft, &mut inner);
        if let Some(wait) = &inner.awaits {
            tell(r, codes::KIND, wait, "`else` can't wait", "write else = { email = \"…\" } or { task = \"…\" }");
        }
        if let Some(fills) = &inner.fills {
            tell(r, codes::KIND, &place(fills), "the task of an `else` can't fill a variable", "take `fills` out");
        }
        // A step has one message at most: its own, or that of its `else`.
        if otherwise.as_ref().is_some_and(|other| other.channel().is_some()) {
            review |= section.flag(r, "review").is_some_and(|flag| flag.value);
        }
        if let (Some(kind), Some(other)) = (&kind, &otherwise)
            && kind.channel().is_some()
            && kind.channel() == other.channel()
        {
            let hint = "an `else` is taken where there is no address to write to: write else = { task = \"…\" }";
            let same = if matches!(kind, StepKind::Email { .. }) {
                "a mail can't stand in for a mail"
            } else {
                "the `else` goes the same way"
            };
            tell(r, codes::KIND, &key_place(&section, kind.word()), same, hint);
        }
        if let Some((why, hint)) = kind.as_ref().and_then(|kind| never_else(&s, kind)) {
            tell(r, codes::ELSE_NEVER, &key_place(&s, "else"), why, hint);
        }
        parts.tasks.extend(inner.tasks);
        parts.templates.extend(inner.templates);
        parts.says.extend(inner.says);
        section.finish(r);
    }
    s.finish(r);
    draft.lost_steps |= id.is_none() || kind.is_none();
    let Some(kind) = kind else { return };
    let step = Step {
        id: id.as_ref().map_or(name, |id| id.value.clone()),
        after: after.as_ref().map(|after| after.value.clone()),
        condition: condition.as_ref().map(|script| script.text.clone()),
        kind,
        otherwise,
        stage: raises,
        review,
    };
    draft.steps.push(DraftStep {
        step,
        here,
        after: after.as_ref().map(place),
        condition,
        tasks: parts.tasks,
        templates: parts.templates,
        says: parts.says,
        awaits: parts.awaits,
        fills: parts.fills,
    });
}

/// Why the `else` of a step of this kind is never taken, and what to do: only a task that may run out without its answer being
/// needed has one.
fn never_else(s: &Section<'_>, kind: &StepKind) -> Option<(&'static str, &'static str)> {
    match kind {
        StepKind::Task { fills: Some(_), .. } => Some((
            "this `else` is never taken: where nobody fills what the task asks for, the run is held",
            "take `else` or `fills` out",
        )),
        StepKind::Task { .. } if !s.has("at_most") => {
            Some(("this `else` is never taken: the task waits for ever", "write at_most = \"5 business days\""))
        }
        StepKind::Notify { .. } => Some(("this `else` is never taken: the team can always be told", "take it out")),
        StepKind::Task { .. } | StepKind::Email { .. } | StepKind::Say { .. } | StepKind::WaitFor { .. } => None,
    }
}

fn read_id(s: &mut Section<'_>, r: &mut Reader, draft: &Draft) -> Option<Found<String>> {
    let hint = "lower-case letters, digits and _, a letter first, at most 40: conditions name it";
    let Some(id) = s.text(r, "id") else {
        if !s.has("id") {
            tell(
                r,
                codes::STEP_ID,
                &s.here(),
                "the step has no id",
                "write id = \"intro\"; what happened is kept by it",
            );
        }
        return None;
    };
    if !is_name(&id.value) {
        tell(r, codes::STEP_ID, &place(&id), format!("`{}` can't be the id of a step", cut(&id.value)), hint);
        return None;
    }
    if let Some(first) = draft.steps.iter().find(|step| step.step.id == id.value) {
        let span = first.here.span;
        tell(
            r,
            codes::STEP_ID,
            &place(&id),
            format!("the step `{}` is there twice", id.value),
            "give each an id of its own",
        );
        r.relate("first here", span);
        return None;
    }
    Some(id)
}

/// A condition, as text and place.
pub(super) fn condition(r: &mut Reader, node: &Found<&Node>) -> Option<Script> {
    text_of(r, node)?;
    script(r, node)
}

/// What a kind says beside itself.
#[derive(Default)]
struct Parts {
    /// What inline templates are called.
    name: String,
    tasks: Vec<Script>,
    templates: Vec<(String, Found<()>)>,
    says: Vec<(Channel, Script)>,
    awaits: Option<Found<()>>,
    fills: Option<Found<String>>,
}

fn read_kind(
    s: &mut Section<'_>,
    r: &mut Reader,
    known: &Known<'_>,
    draft: &mut Draft,
    parts: &mut Parts,
) -> Option<StepKind> {
    s.know(&KINDS);
    let mut given = KINDS.iter().filter(|kind| s.has(kind));
    let kind = given.next().copied();
    if let (Some(kind), Some(second)) = (kind, given.next()) {
        let at = key_place(s, second);
        let message = format!("a step is either `{kind}` or `{second}`");
        tell(r, codes::KIND, &at, message, "make two steps of it");
    }
    s.know(&["split", "review", "assign", "due", "fills", "at_most"]);
    let Some(kind) = kind else {
        // A misspelt kind is told as an unknown key.
        let misspelt =
            s.table.entries.iter().any(|entry| crate::config::suggest::nearest(&entry.key, &KINDS).is_some());
        if !misspelt {
            tell(
                r,
                codes::KIND,
                &s.here(),
                "the step does nothing",
                "write email = \"…\", sms = \"…\", slack = \"…\", task = \"…\", notify = \"…\" or wait_for = \"…\"",
            );
        }
        return None;
    };
    judge_keys(s, r, kind);
    match kind {
        "email" => read_email(s, r, draft, parts),
        "sms" => read_say(s, r, Channel::Sms, parts),
        "slack" => read_say(s, r, Channel::Slack, parts),
        "task" => read_task(s, r, known, parts),
        "notify" => read_notify(s, r, known, parts),
        _ => read_wait(s, r, parts),
    }
}

fn key_place(s: &Section<'_>, key: &str) -> Found<()> {
    s.table.get(key).map_or_else(|| s.here(), |e| Found { value: (), span: e.key_span, key: s.full(key) })
}

/// Keys that belong to another kind.
fn judge_keys(s: &Section<'_>, r: &mut Reader, kind: &str) {
    let own = OWN_KEYS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, keys)| keys);
    for (other, keys) in &OWN_KEYS {
        for key in *keys {
            // `wait_for` after `task`: `at_most` belongs to both and is told once.
            let first = OWN_KEYS.iter().find(|(_, keys)| keys.contains(key)).is_some_and(|(name, _)| name == other);
            if first && s.has(key) && !own.contains(key) {
                let message = format!("`{key}` has no meaning for `{kind}`");
                tell(r, codes::KIND, &key_place(s, key), message, &format!("it belongs to `{other}`"));
            }
        }
    }
}

fn read_email(s: &mut Section<'_>, r: &mut Reader, draft: &mut Draft, parts: &mut Parts) -> Option<StepKind> {
    let node = s.node("email")?;
    let name = parts.name.clone();
    let nodes: &[Node] =
        if let Value::List(items) = &node.value.value { items } else { std::slice::from_ref(node.value) };
    let items: Vec<Found<&Node>> =
        nodes.iter().map(|item| Found { value: item, span: item.span, key: node.key.clone() }).collect();
    if items.is_empty() {
        tell(r, codes::BAD_VALUE, &place(&node), "`email` names no template", "write email = \"intro.md\"");
    }
    if let Some(one) = items.get(VARIANTS_MAX) {
        tell(r, codes::TOO_MUCH, &place(one), format!("more than {VARIANTS_MAX} variants"), "take some out");
    }
    for (at, item) in items.iter().take(VARIANTS_MAX).enumerate() {
        let named = if let Value::Table(table) = &item.value.value {
            let inline = if items.len() == 1 { name.clone() } else { format!("{name}.{}", at + 1) };
            templates::read_inline(r, draft, inline, (table as &Table, &item.key))
        } else {
            text_of(r, item).and_then(|file| templates::read_file(r, draft, &file))
        };
        let Some(Named(template)) = named else { continue };
        if parts.templates.iter().any(|(other, _)| *other == template) {
            tell(r, codes::BAD_VALUE, &place(item), format!("`{template}` is named twice"), "name each variant once");
        }
        parts.templates.push((template, place(item)));
    }
    let templates: Vec<String> = parts.templates.iter().map(|(name, _)| name.clone()).collect();
    let split = read_split(s, r, items.len());
    Some(StepKind::Email { templates, split })
}

/// The shares of variants; without a word, the same for all.
fn read_split(s: &mut Section<'_>, r: &mut Reader, variants: usize) -> Vec<u32> {
    let count = u32::try_from(variants.max(1)).unwrap_or(1);
    let Some(node) = s.node("split") else {
        // What does not divide goes to the first ones.
        return (0..count).map(|at| 100 / count + u32::from(at < 100 % count)).collect();
    };
    let numbers: Option<Vec<u32>> = if let Value::List(items) = &node.value.value {
        items.iter().map(|item| u32::try_from(item.value.integer()?).ok().filter(|n| *n <= 100)).collect()
    } else {
        None
    };
    let Some(numbers) = numbers else {
        tell(r, codes::SPLIT, &place(&node), "`split` is a list of whole numbers", "write split = [50, 50]");
        return Vec::new();
    };
    let sum: u32 = numbers.iter().sum();
    if numbers.len() != variants {
        let message = format!("`split` has {} shares for {variants} templates", numbers.len());
        tell(r, codes::SPLIT, &place(&node), message, "one share for each template");
    } else if sum != 100 || numbers.contains(&0) {
        let message =
            if sum == 100 { "a share of `split` is 0".to_owned() } else { format!("`split` adds up to {sum}") };
        tell(r, codes::SPLIT, &place(&node), message, "shares are percent above 0 and add up to 100");
    }
    numbers
}

/// Words on a channel that is no mail.
fn read_say(s: &mut Section<'_>, r: &mut Reader, channel: Channel, parts: &mut Parts) -> Option<StepKind> {
    let node = s.node(channel.as_str())?;
    text_of(r, &node)?;
    let script = script(r, &node)?;
    let text = script.text.clone();
    parts.says.push((channel, script.clone()));
    parts.tasks.push(script);
    Some(StepKind::Say { channel, text })
}

/// Words for the team.
fn read_notify(s: &mut Section<'_>, r: &mut Reader, known: &Known<'_>, parts: &mut Parts) -> Option<StepKind> {
    let node = s.node("notify")?;
    text_of(r, &node)?;
    let script = script(r, &node)?;
    if known.config.relays.is_empty() {
        let hint = "write [relays.NAME] into the configuration, see docs/relay.md; until then nobody hears it";
        tell(r, codes::NOBODY_HEARS, &place(&node), "there is no relay by which the team could be told", hint);
    }
    let text = script.text.clone();
    parts.tasks.push(script);
    Some(StepKind::Notify { text })
}

fn read_task(s: &mut Section<'_>, r: &mut Reader, known: &Known<'_>, parts: &mut Parts) -> Option<StepKind> {
    let node = s.node("task")?;
    text_of(r, &node)?;
    let script = script(r, &node)?;
    let assign = s.text(r, "assign");
    if let Some(assign) =
        assign.as_ref().filter(|a| a.value != "owner" && !known.config.teammates.contains_key(&a.value))
    {
        let mut names: Vec<&str> = known.config.teammates.keys().map(String::as_str).collect();
        names.push("owner");
        let hint = did_you_mean(&assign.value, &names, "teammates");
        tell(r, codes::NOBODY, &place(assign), format!("there is no teammate `{}`", cut(&assign.value)), &hint);
    }
    let due = s.text(r, "due").filter(|text| is_delay(r, text));
    let at_most = s.text(r, "at_most").filter(|text| is_delay(r, text));
    let fills = s.text(r, "fills");
    if let Some(fills) = fills.as_ref().filter(|fills| !is_name(&fills.value)) {
        let message = format!("`{}` can't be the name of a variable", cut(&fills.value));
        tell(
            r,
            codes::VARIABLE,
            &place(fills),
            message,
            "lower-case letters, digits and _, a letter first, at most 40",
        );
    }
    let kind = StepKind::Task {
        text: script.text.clone(),
        assign: assign.map_or_else(|| "owner".to_owned(), |assign| assign.value),
        due: due.map(|due| due.value),
        at_most: at_most.map(|most| most.value),
        fills: fills.as_ref().map(|fills| fills.value.clone()),
    };
    parts.tasks.push(script);
    parts.fills = fills.filter(|fills| is_name(&fills.value));
    Some(kind)
}

fn read_wait(s: &mut Section<'_>, r: &mut Reader, parts: &mut Parts) -> Option<StepKind> {
    let what = s.choice(r, "wait_for", &[("clicked", Awaited::Clicked), ("opened", Awaited::Opened)]);
    s.require(r, "at_most", "write at_most = \"5 business days\": nobody waits for ever");
    let at_most = s.text(r, "at_most").filter(|text| is_delay(r, text));
    parts.awaits = what.as_ref().map(place);
    Some(StepKind::WaitFor { what: what?.value, at_most: at_most?.value })
}
