//! Names: what a text may speak of where it stands, and what may be missing there.

use std::collections::BTreeSet;

use super::super::codes::{self, Code};
use super::super::load::{Draft, DraftStep, Known, place, tell};
use crate::config::reader::Reader;
use crate::config::suggest::nearest;
use crate::domain::expression::{Name, STEP_FACTS};
use crate::domain::profile::{FIELDS, OPTIONAL};
use crate::domain::sequence::Unsubscribe;

const OWNER: [&str; 3] = ["name", "first_name", "email"];
const ACCOUNT: [&str; 2] = ["name", "address"];
/// Names that no variable can have.
const RESERVED: [&str; 13] = [
    "influencer",
    "owner",
    "account",
    "sender",
    "stage",
    "steps",
    "unsubscribe_url",
    "link",
    "loop",
    "range",
    "dict",
    "true",
    "false",
];

/// What a text may speak of.
pub(super) struct Scope<'a> {
    known: &'a Known<'a>,
    pub(super) draft: &'a Draft,
    /// The steps above it.
    above: usize,
    condition: bool,
    /// What kind of short text it is, where it is none of a mail.
    short: Option<Short>,
}

/// A text that stands in the step itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    Task,
    Sms,
    Slack,
    Notify,
}

impl Short {
    /// By the key behind which it stands.
    pub(super) fn of(key: &str) -> Self {
        match key.rsplit('.').next().unwrap_or_default() {
            "sms" => Self::Sms,
            "slack" => Self::Slack,
            "notify" => Self::Notify,
            _ => Self::Task,
        }
    }

    /// That it has no link to unsubscribe, and what to do.
    fn no_link(self) -> (&'static str, &'static str) {
        match self {
            Self::Task => ("a task has no `unsubscribe_url`", "it is a link of the mail: take it out"),
            Self::Sms => (
                "a text message has no `unsubscribe_url`",
                "it is a link of the mail: take it out, and end with \"Reply STOP to opt out\"",
            ),
            Self::Slack => ("a message in Slack has no `unsubscribe_url`", "it is a link of the mail: take it out"),
            Self::Notify => ("what the team is told has no `unsubscribe_url`", "it is a link of the mail: take it out"),
        }
    }
}

impl<'a> Scope<'a> {
    /// Of the condition of a step.
    pub(super) fn condition(known: &'a Known<'a>, draft: &'a Draft, above: usize) -> Self {
        Self { known, draft, above, condition: true, short: None }
    }

    /// Of the text of a step.
    pub(super) fn text(known: &'a Known<'a>, draft: &'a Draft, above: usize) -> Self {
        Self { known, draft, above, condition: false, short: None }
    }

    /// Of a text that stands in the step itself.
    pub(super) fn short(known: &'a Known<'a>, draft: &'a Draft, (above, short): (usize, Short)) -> Self {
        Self { short: Some(short), ..Self::text(known, draft, above) }
    }

    /// Variables that have a value here.
    fn variables(&self) -> Vec<&'a str> {
        let filled = self.draft.steps.iter().take(self.above).filter_map(|step| step.fills.as_ref());
        let declared = self.draft.variables.iter().map(|v| v.variable.name.as_str());
        declared.chain(filled.map(|fills| fills.value.as_str())).collect()
    }

    /// What is wrong with a name, and a hint.
    pub(super) fn judge(&self, name: &Name) -> Option<(&'static Code, String, String)> {
        let dotted = name.dotted();
        let parts: Vec<&str> = name.path.iter().map(String::as_str).collect();
        let fields = |known: &[&str], field: &str| (!known.contains(&field)).then(|| unknown(&dotted, field, known));
        match parts.as_slice() {
            ["stage" | "influencer"] | [] => None,
            ["influencer", "properties", property, ..] => self.judge_property(name, property),
            ["influencer", "owner"] => self.judge_owner(name),
            ["influencer", field, ..] => {
                fields(&FIELDS, field).or_else(|| (OPTIONAL.contains(field) && !name.guarded).then(|| missing(&dotted)))
            }
            ["steps", step, rest @ ..] if self.condition => self.judge_step(&dotted, step, rest),
            ["owner", field, ..] if !self.condition => fields(&OWNER, field).or_else(|| self.judge_owner(name)),
            ["account", field, ..] if !self.condition => fields(&ACCOUNT, field),
            ["sender", field, ..] if !self.condition => fields(&ACCOUNT, field)
                .or_else(|| (self.known.config.outreach.sender.is_none() && !name.guarded).then(|| missing(&dotted))),
            ["unsubscribe_url"] if let Some(short) = self.short => {
                let (message, hint) = short.no_link();
                Some((codes::UNKNOWN_NAME, message.to_owned(), hint.to_owned()))
            }
            ["unsubscribe_url"] if !self.condition => {
                let is_told = self.draft.unsubscribe != Unsubscribe::Header || name.guarded;
                (!is_told && self.known.config.site().is_none()).then(|| {
                    let message = "nothing says where the link to unsubscribe leads".to_owned();
                    (codes::NO_SITE, message, "write base_url below [server] in liaison.toml".to_owned())
                })
            }
            [variable, ..] => self.judge_variable(&dotted, variable).or_else(|| self.judge_filled(name, variable)),
        }
    }

    /// A variable that a task fills which may be skipped, unless the step asks whether it was done.
    fn judge_filled(&self, name: &Name, variable: &str) -> Option<(&'static Code, String, String)> {
        let fills = |step: &&DraftStep| step.fills.as_ref().is_some_and(|fills| fills.value == variable);
        let task = self.draft.steps.iter().take(self.above).find(fills).filter(|step| step.step.condition.is_some())?;
        let id = &task.step.id;
        let asks = self.draft.steps.get(self.above).and_then(|step| step.step.condition.as_ref());
        let asked =
            asks.is_some_and(|text| text == task.step.condition.as_deref().unwrap_or_default() || asks_done(text, id));
        if name.guarded || asked {
            return None;
        }
        let message = format!("`{variable}` is missing where the task `{id}` is skipped");
        let hint = format!("write {variable} | default(\"…\"), or let the step ask: if = \"steps.{id}.done\"");
        Some((codes::MAY_BE_MISSING, message, hint))
    }

    fn judge_variable(&self, dotted: &str, variable: &str) -> Option<(&'static Code, String, String)> {
        let variables = self.variables();
        if variables.contains(&variable) {
            return None;
        }
        let later = self.draft.steps.iter().find(|s| s.fills.as_ref().is_some_and(|fills| fills.value == variable));
        if let Some(later) = later {
            let message = format!("`{variable}` is not filled yet");
            return Some((codes::UNKNOWN_NAME, message, format!("the task `{}` comes later", later.step.id)));
        }
        let mut known = variables;
        known.extend(["influencer", "stage"]);
        known.extend(if self.condition { &["steps"][..] } else { &["owner", "account", "sender", "unsubscribe_url"] });
        let hint = match variable {
            "first_name" | "last_name" | "handle"
                if nearest(variable, &known).is_none_or(|near| near == "influencer") =>
            {
                format!(
                    "write influencer.{variable}, or [variables] {variable} = {{ from = \"influencer.{variable}\" }}"
                )
            }
            _ => nearest(variable, &known)
                .map_or_else(|| format!("there is {}", known.join(", ")), |near| format!("did you mean `{near}`?")),
        };
        let shown: String = dotted.chars().take(80).collect();
        Some((codes::UNKNOWN_NAME, format!("unknown variable `{shown}`"), hint))
    }

    fn judge_property(&self, name: &Name, property: &str) -> Option<(&'static Code, String, String)> {
        let declared: Vec<&str> = self.known.config.stages.properties().iter().map(|p| p.id.as_str()).collect();
        if declared.contains(&property) {
            return (!name.guarded).then(|| missing(&name.dotted()));
        }
        let hint = match nearest(property, &declared) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it below [properties] in stages.toml: {property} = {{ type = \"text\" }}"),
        };
        Some((codes::UNKNOWN_PROPERTY, format!("unknown property `{property}`"), hint))
    }

    fn judge_owner(&self, name: &Name) -> Option<(&'static Code, String, String)> {
        if name.guarded {
            return None;
        }
        self.known.config.default_owner.is_none().then(|| {
            let message = format!("`{}` is missing where nobody looks after someone", name.dotted());
            (codes::MAY_BE_MISSING, message, "set default_owner in liaison.toml".to_owned())
        })
    }

    fn judge_step(&self, dotted: &str, step: &str, rest: &[&str]) -> Option<(&'static Code, String, String)> {
        let above: Vec<&str> = self.draft.steps.iter().take(self.above).map(|s| s.step.id.as_str()).collect();
        if !above.contains(&step) {
            if self.draft.lost_steps {
                return None;
            }
            let later = self.draft.steps.iter().any(|s| s.step.id == step);
            let message = if later {
                format!("the step `{step}` does not stand above")
            } else {
                format!("there is no step `{step}`")
            };
            let hint = nearest(step, &above).filter(|_| !later).map_or_else(
                || "a condition can ask only about steps above it".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Some((codes::UNKNOWN_STEP, message, hint));
        }
        match rest {
            [fact] if STEP_FACTS.contains(fact) => None,
            _ => {
                let fact = rest.first().copied().unwrap_or_default();
                let hint = nearest(fact, &STEP_FACTS).map_or_else(
                    || format!("there is {}", STEP_FACTS.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                Some((codes::UNKNOWN_STEP, format!("`{dotted}` is nothing that is known of a step"), hint))
            }
        }
    }
}

/// Whether a condition holds only where a step was done: it is one of what must all hold.
fn asks_done(condition: &str, step: &str) -> bool {
    let words: Vec<&str> = condition.split_whitespace().collect();
    let is_plain = !words.iter().any(|word| matches!(*word, "or" | "if" | "else") || word.contains("not("));
    let fact = format!("steps.{step}.done");
    is_plain
        && !condition.contains("not (")
        && words.split(|word| *word == "and").any(|part| matches!(part, [one] if one.trim_matches(['(', ')']) == fact))
}

fn unknown(dotted: &str, field: &str, known: &[&str]) -> (&'static Code, String, String) {
    let hint = nearest(field, known)
        .map_or_else(|| format!("there is {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
    (codes::UNKNOWN_NAME, format!("unknown variable `{dotted}`"), hint)
}

fn missing(dotted: &str) -> (&'static Code, String, String) {
    let hint = format!("write {dotted} | default(\"…\"), or a variable with `from` and `default`");
    (codes::MAY_BE_MISSING, format!("`{dotted}` may be missing"), hint)
}

/// Judges what variables come from and what they are called.
pub(super) fn judge_variables(r: &mut Reader, known: &Known<'_>, draft: &Draft) {
    for declared in &draft.variables {
        let variable = &declared.variable;
        if RESERVED.contains(&variable.name.as_str()) {
            let message = format!("`{}` is built in", variable.name);
            tell(r, codes::TAKEN_NAME, &declared.name, message, "call the variable something else");
        }
        let (Some(from), Some(at)) = (&variable.from, &declared.from) else { continue };
        let path: Vec<String> = from.split('.').map(str::to_owned).collect();
        let known_roots = ["influencer", "owner", "account", "sender", "stage"];
        if !known_roots.contains(&path.first().map_or("", String::as_str)) {
            let hint = "variables come from influencer.…, owner.…, account.…, sender.… or stage";
            tell(r, codes::UNKNOWN_NAME, at, format!("unknown variable `{from}`"), hint);
            continue;
        }
        let name = Name { path, at: 0..0, guarded: variable.default.is_some() };
        if let Some((code, message, hint)) = Scope::text(known, draft, 0).judge(&name) {
            let hint = if code == codes::MAY_BE_MISSING { "give it a default = \"…\"".to_owned() } else { hint };
            tell(r, code, at, message, &hint);
        }
    }
    let mut taken: Vec<&str> = draft.variables.iter().map(|v| v.variable.name.as_str()).collect();
    for fills in draft.steps.iter().filter_map(|step| step.fills.as_ref()) {
        if taken.contains(&fills.value.as_str()) || RESERVED.contains(&fills.value.as_str()) {
            let message = format!("`{}` is taken", fills.value);
            tell(r, codes::TAKEN_NAME, &place(fills), message, "let each answer fill a variable of its own");
        }
        taken.push(&fills.value);
    }
}

/// Finds variables and templates that nothing uses.
pub(super) fn judge_unused(r: &mut Reader, draft: &Draft, used: &BTreeSet<String>) {
    let hint = "take it out, or use it";
    for declared in &draft.variables {
        let name = declared.variable.name.as_str();
        if !used.contains(name) && !RESERVED.contains(&name) {
            let message = format!("`{}` is not used", declared.variable.name);
            tell(r, codes::UNUSED_VARIABLE, &declared.name, message, hint);
        }
    }
    for fills in draft.steps.iter().filter_map(|step| step.fills.as_ref()) {
        if !used.contains(&fills.value) {
            let message = format!("`{}` is filled and not used", fills.value);
            tell(r, codes::UNUSED_VARIABLE, &place(fills), message, hint);
        }
    }
    for name in &draft.unused {
        let message = format!("no step uses `{name}`");
        tell(r, codes::UNUSED_TEMPLATE, &draft.here, message, "name it in a step, or delete the file");
    }
}

#[cfg(test)]
mod tests {
    use super::asks_done;

    #[test]
    fn only_a_condition_that_needs_the_step_asks_whether_it_was_done() {
        for asks in ["steps.look.done", "(steps.look.done) and influencer.reach > 5", "a and steps.look.done"] {
            assert!(asks_done(asks, "look"), "{asks}");
        }
        for other in [
            "not steps.look.done",
            "steps.look.done or influencer.reach > 5",
            "not (steps.look.done and influencer.reach > 5)",
            "steps.looks.done",
            "influencer.reach > 5",
            "steps.look.done if influencer.reach > 5 else true",
        ] {
            assert!(!asks_done(other, "look"), "{other}");
        }
    }
}
