//! `stages.toml`: the stages of a relationship and the custom properties of influencers.

use std::path::Path;

use super::reader::{Found, Reader, Section, choose};
use super::source::Span;
use super::tree::{self, Value};
use crate::domain::delay::Delay;
use crate::domain::profile::FIELDS;
use crate::domain::stage::{Property, PropertyType, Stage, StageId, StageKind, StageSignal, Stages};
use crate::domain::words::Word;

/// The stages that hold where there is no file.
pub const SHIPPED: &str = include_str!("../../config/stages.toml");
/// Most stages, and most properties.
pub const STAGES_MAX: usize = 100;

/// The stages that hold where there is no file.
pub fn shipped() -> Option<Stages> {
    let mut r = Reader::new(Path::new("."), std::collections::BTreeMap::new(), super::Secrets::Skip);
    read(&mut r, Path::new("(built-in stages)"), SHIPPED)
}

fn words<T: Word>() -> Vec<(&'static str, T)> {
    T::ALL.iter().map(|word| (word.as_str(), *word)).collect()
}

/// Reads the text of `path`. `None` only together with an error.
pub(super) fn read(r: &mut Reader, path: &Path, text: &str) -> Option<Stages> {
    let source = r.sources.add(path.display().to_string(), text.to_owned());
    let tree = tree::parse(r, source, text);
    let mut root = Section::new(&tree, "");
    let stages = read_stages(&mut root, r);
    let properties = read_properties(&mut root, r);
    let here = Found { value: (), span: Span { source, start: 0, end: 0 }, key: "stage".to_owned() };
    root.finish(r);
    if r.has_errors() {
        return None;
    }
    match Stages::new(stages, properties) {
        Ok(stages) => Some(stages),
        Err(error) => {
            r.error(&here, error.to_string(), "each [[stage]] has its own id; one of the path has start = true");
            None
        }
    }
}

fn read_stages(root: &mut Section<'_>, r: &mut Reader) -> Vec<Stage> {
    root.require(r, "stage", "write [[stage]] and its keys below, once per stage, in the order of the path");
    let Some(list) = root.node("stage") else { return Vec::new() };
    let items: &[tree::Node] = if let Value::List(items) = &list.value.value { items } else { &[] };
    if items.is_empty() || items.len() > STAGES_MAX {
        r.error(&list, format!("`stage` is a list of 1 to {STAGES_MAX} stages"), "write [[stage]] with two brackets");
        return Vec::new();
    }
    let mut marks = Marks::default();
    let mut stages = Vec::new();
    for item in items {
        let Value::Table(table) = &item.value else {
            let at = Found { value: (), span: item.span, key: "stage".to_owned() };
            r.error(&at, format!("a stage is a table, not {}", item.value.describe()), "write [[stage]]");
            continue;
        };
        stages.extend(read_stage(Section::new(table, "stage"), r, &mut marks));
    }
    if marks.start.is_none() && stages.len() == items.len() {
        r.error(&list, "no stage has start = true", "put start = true into the stage where imported influencers begin");
    }
    stages
}

/// What may stand only once among all stages.
#[derive(Default)]
struct Marks {
    start: Option<Span>,
    ids: Vec<(String, Span)>,
    signals: Vec<(StageSignal, Span)>,
}

fn read_stage(mut s: Section<'_>, r: &mut Reader, marks: &mut Marks) -> Option<Stage> {
    let id = s.text(r, "id");
    s.require(r, "id", "write id = \"…\": lower-case letters, digits and _");
    let name = s.text(r, "name").map(|n| n.value);
    let kind =
        if s.has("kind") { s.choice(r, "kind", &words::<StageKind>()).map(|k| k.value) } else { Some(StageKind::Path) };
    s.know(&["kind"]);
    let start = s.flag(r, "start");
    let enter_on: Vec<Found<StageSignal>> =
        s.texts(r, "enter_on").iter().filter_map(|text| choose(r, text, &words::<StageSignal>())).collect();
    let answer_within = s.text(r, "answer_within").and_then(|text| delay(r, &text));
    let reopen_after = s.text(r, "reopen_after").and_then(|text| delay(r, &text));
    s.finish(r);
    for signal in &enter_on {
        if let Some((_, first)) = marks.signals.iter().find(|(other, _)| *other == signal.value) {
            let first = *first;
            r.error(signal, format!("`{}` leads into two stages", signal.value), "let one stage name it");
            r.relate("first here", first);
        }
        marks.signals.push((signal.value, signal.span));
    }
    if let Some(start) = start.as_ref().filter(|s| s.value) {
        if kind.is_some_and(|kind| kind != StageKind::Path) {
            r.error(start, "the start must be on the path", "a stage with kind = \"path\", which is the default");
        }
        match marks.start {
            Some(first) => {
                r.error(start, "two stages have start = true", "keep one");
                r.relate("first here", first);
            }
            None => marks.start = Some(start.span),
        }
    }
    let id = check_id(r, id?, marks)?;
    Some(Stage {
        name: name.unwrap_or_else(|| id.clone()),
        id: StageId(id),
        kind: kind?,
        start: start.is_some_and(|s| s.value),
        enter_on: enter_on.into_iter().map(|s| s.value).collect(),
        answer_within,
        reopen_after,
    })
}

fn check_id(r: &mut Reader, id: Found<String>, marks: &mut Marks) -> Option<String> {
    if !is_id(&id.value) {
        let shown: String = id.value.chars().take(60).collect();
        r.error(
            &id,
            format!("`{shown}` can't be the id of a stage"),
            "lower-case letters, digits and _, a letter first, at most 40",
        );
        return None;
    }
    if let Some((_, first)) = marks.ids.iter().find(|(other, _)| *other == id.value) {
        let first = *first;
        r.error(&id, format!("the stage `{}` is there twice", id.value), "give each stage an id of its own");
        r.relate("first here", first);
    }
    marks.ids.push((id.value.clone(), id.span));
    Some(id.value)
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 40
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn delay(r: &mut Reader, text: &Found<String>) -> Option<Delay> {
    let delay = Delay::parse(&text.value);
    if delay.is_none() {
        let message = format!("`{}` is no length of time", text.key);
        r.error(text, message, "write it as in \"36h\", \"3 days\", \"2 weeks\" or \"1 business day\"");
    }
    delay
}

fn read_properties(root: &mut Section<'_>, r: &mut Reader) -> Vec<Property> {
    let mut properties = Vec::new();
    for (name, mut s) in root.named(r, "properties") {
        if FIELDS.contains(&name.value.as_str()) {
            r.error(&name, format!("`{}` is built in", name.value), "call the property something else");
        }
        let kind = s.choice(r, "type", &words::<PropertyType>());
        s.require(r, "type", "write type = \"text\", \"choice\", \"date\" or \"number\"");
        let label = s.text(r, "label").map(|l| l.value);
        let is_choice = kind.as_ref().is_some_and(|k| k.value == PropertyType::Choice);
        let given = s.node("choices").map(|node| Found { value: (), span: node.span, key: node.key });
        let choices: Vec<String> = s.texts(r, "choices").into_iter().map(|c| c.value).collect();
        match (&given, &kind) {
            (Some(given), Some(_)) if !is_choice => {
                r.error(given, "only a choice has choices", "write type = \"choice\", or take the choices out");
            }
            (None, _) if is_choice => s.require(r, "choices", "write choices = [\"…\", \"…\"]"),
            (Some(given), _) if is_choice && choices.is_empty() => {
                r.error(given, "a choice needs something to choose from", "write choices = [\"…\", \"…\"]");
            }
            _ => {}
        }
        s.finish(r);
        if let Some(kind) = kind {
            let label = label.unwrap_or_else(|| name.value.clone());
            properties.push(Property { id: name.value, kind: kind.value, label, choices });
        }
    }
    properties
}
