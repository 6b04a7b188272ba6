//! A sequence while it is read: what it says, and where it says it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::config::reader::Found;
use crate::config::source::Span;
use crate::domain::sequence::{
    After, Definition, Limits, PauseIf, Schedule, Step, Template, Unsubscribe, Variable, ZoneRule,
};
use crate::domain::stage::StageId;
use crate::domain::words::Channel;

/// A text of the template language, and where it stands.
#[derive(Debug, Clone)]
pub(in crate::sequence) struct Script {
    pub(in crate::sequence) text: String,
    pub(in crate::sequence) key: String,
    /// Where the text itself begins, if what stands in the file is the text, letter by letter.
    pub(in crate::sequence) begin: Option<usize>,
    /// The whole of it, with its quotation marks.
    pub(in crate::sequence) whole: Span,
}

impl Script {
    /// A stretch of the text as a place in its file.
    pub(in crate::sequence) fn at(&self, range: Option<Range<usize>>) -> Found<()> {
        let span = match (self.begin, range) {
            (Some(begin), Some(range)) => {
                Span { source: self.whole.source, start: begin + range.start, end: begin + range.end }
            }
            _ => self.whole,
        };
        Found { value: (), span, key: self.key.clone() }
    }
}

/// A template while it is read.
#[derive(Debug, Clone)]
pub(in crate::sequence) struct DraftTemplate {
    pub(in crate::sequence) template: Template,
    pub(in crate::sequence) subject: Option<Script>,
    pub(in crate::sequence) preheader: Option<Script>,
    pub(in crate::sequence) body: Script,
}

/// A step while it is read.
#[derive(Debug, Clone)]
pub(in crate::sequence) struct DraftStep {
    pub(in crate::sequence) step: Step,
    /// The step as a whole: its id where it has one.
    pub(in crate::sequence) here: Found<()>,
    pub(in crate::sequence) after: Option<Found<()>>,
    pub(in crate::sequence) condition: Option<Script>,
    /// The text of a task, and that of `else`.
    pub(in crate::sequence) tasks: Vec<Script>,
    /// What it says on channels that are no mail.
    pub(in crate::sequence) says: Vec<(Channel, Script)>,
    /// Each template a step names, with where it names it; those of `else` too.
    pub(in crate::sequence) templates: Vec<(String, Found<()>)>,
    /// Where it says what it waits for.
    pub(in crate::sequence) awaits: Option<Found<()>>,
    pub(in crate::sequence) fills: Option<Found<String>>,
}

/// A variable while it is read.
#[derive(Debug, Clone)]
pub(in crate::sequence) struct DraftVariable {
    pub(in crate::sequence) variable: Variable,
    pub(in crate::sequence) name: Found<()>,
    pub(in crate::sequence) from: Option<Found<()>>,
}

/// A sequence while it is read.
#[derive(Debug, Clone)]
pub(in crate::sequence) struct Draft {
    pub(in crate::sequence) id: String,
    /// The beginning of its file.
    pub(in crate::sequence) here: Found<()>,
    pub(in crate::sequence) name: Option<String>,
    pub(in crate::sequence) accounts: Vec<Found<String>>,
    pub(in crate::sequence) enter_from: Vec<StageId>,
    pub(in crate::sequence) exit_on: Vec<StageId>,
    pub(in crate::sequence) unsubscribe: Unsubscribe,
    pub(in crate::sequence) unsubscribe_at: Option<Found<()>>,
    pub(in crate::sequence) allow_parallel: bool,
    pub(in crate::sequence) schedule: Schedule,
    pub(in crate::sequence) hours_at: Option<Found<()>>,
    pub(in crate::sequence) limits: Limits,
    pub(in crate::sequence) limits_at: Vec<(&'static str, Found<u32>)>,
    pub(in crate::sequence) variables: Vec<DraftVariable>,
    pub(in crate::sequence) steps: Vec<DraftStep>,
    pub(in crate::sequence) on_reply: Option<After>,
    pub(in crate::sequence) on_finish: Option<After>,
    /// Conditions and tasks of what follows.
    pub(in crate::sequence) follow_conditions: Vec<Script>,
    pub(in crate::sequence) follow_tasks: Vec<Script>,
    pub(in crate::sequence) pause_if: Vec<PauseIf>,
    pub(in crate::sequence) templates: BTreeMap<String, DraftTemplate>,
    /// Templates that could not be read, so that nothing more is said of them.
    pub(in crate::sequence) lost: Vec<String>,
    /// Whether all of it could be read: what could not must not echo as a warning.
    pub(in crate::sequence) is_whole: bool,
    /// Whether a step could not be read or has no id, so that asking about it is no mistake of its own.
    pub(in crate::sequence) lost_steps: bool,
    /// The accounts of channels that are no mail.
    pub(in crate::sequence) voices: BTreeMap<String, String>,
    /// Channels whose account could not be read, so that nothing more is said of it.
    pub(in crate::sequence) lost_voices: BTreeSet<String>,
    /// Files of templates that no step names.
    pub(in crate::sequence) unused: Vec<String>,
}

impl Draft {
    pub(super) fn new(id: &str, here: Span) -> Self {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        Self {
            id: id.to_owned(),
            here: Found { value: (), span: here, key: String::new() },
            name: None,
            accounts: Vec::new(),
            enter_from: Vec::new(),
            exit_on: Vec::new(),
            unsubscribe: Unsubscribe::Footer,
            unsubscribe_at: None,
            allow_parallel: false,
            schedule: Schedule {
                zone: ZoneRule::Influencer,
                fallback: "UTC".to_owned(),
                days: words(&["mon", "tue", "wed", "thu", "fri"]),
                hours: words(&["09:00-17:00"]),
                holidays: Vec::new(),
                max_late: crate::domain::sequence::MAX_LATE.to_owned(),
            },
            hours_at: None,
            limits: Limits { new_per_day: None, per_day: None, per_domain: None, gap: None },
            limits_at: Vec::new(),
            variables: Vec::new(),
            steps: Vec::new(),
            on_reply: None,
            on_finish: None,
            follow_conditions: Vec::new(),
            follow_tasks: Vec::new(),
            pause_if: Vec::new(),
            templates: BTreeMap::new(),
            lost: Vec::new(),
            is_whole: true,
            lost_steps: false,
            unused: Vec::new(),
            voices: BTreeMap::new(),
            lost_voices: BTreeSet::new(),
        }
    }

    /// Whether anything is sent.
    pub(in crate::sequence) fn sends(&self) -> bool {
        self.steps.iter().any(|step| !step.templates.is_empty())
    }

    /// The definition. Only of use where nothing was found wrong.
    pub(in crate::sequence) fn finish(self) -> Definition {
        Definition {
            name: self.name.unwrap_or_else(|| self.id.clone()),
            id: self.id,
            accounts: self.accounts.into_iter().map(|account| account.value).collect(),
            enter_from: self.enter_from,
            exit_on: self.exit_on,
            unsubscribe: self.unsubscribe,
            allow_parallel: self.allow_parallel,
            schedule: self.schedule,
            limits: self.limits,
            variables: self.variables.into_iter().map(|variable| variable.variable).collect(),
            steps: self.steps.into_iter().map(|step| step.step).collect(),
            on_reply: self.on_reply,
            on_finish: self.on_finish,
            pause_if: self.pause_if,
            templates: self.templates.into_iter().map(|(name, draft)| (name, draft.template)).collect(),
            voices: self.voices,
        }
    }
}
