//! A sequence as it is published: an outreach plan, its steps and its templates, checked and complete.
//!
//! Made from TOML by the sequence room, kept in the store by content hash, and read from there by everything that plans.
//! Lengths of time and hours are kept as people write them: they were checked when the sequence was loaded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stage::{StageId, Stages};
use super::words::{Channel, Word as _};

/// Steps of one sequence.
pub const STEPS_MAX: usize = 50;
/// Templates of one email step.
pub const VARIANTS_MAX: usize = 10;
/// Octets of one template.
pub const TEMPLATE_MAX: usize = 256 * 1024;
/// A send that is later than this much after its planned instant waits for the next window.
pub const MAX_LATE: &str = "24h";

/// One version of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The name of its folder.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The accounts that send, shared out; one influencer always hears from one of them.
    pub accounts: Vec<String>,
    /// Stages that may be enrolled; empty: all on the path and dormant ones.
    pub enter_from: Vec<StageId>,
    /// Stages whose reaching ends a run: see [`Definition::reached`].
    pub exit_on: Vec<StageId>,
    /// Where the link to unsubscribe stands. The header is always there.
    pub unsubscribe: Unsubscribe,
    /// Whether someone in another sequence may be enrolled.
    pub allow_parallel: bool,
    /// When it may send.
    pub schedule: Schedule,
    /// How much it may send.
    pub limits: Limits,
    /// Variables beside `influencer`, `account` and `owner`.
    pub variables: Vec<Variable>,
    /// The steps, top to bottom.
    pub steps: Vec<Step>,
    /// What follows when a person answered.
    pub on_reply: Option<After>,
    /// What follows when all steps are done and nothing was heard.
    pub on_finish: Option<After>,
    /// When the whole sequence pauses.
    pub pause_if: Vec<PauseIf>,
    /// Templates by the name steps use.
    pub templates: BTreeMap<String, Template>,
    /// The accounts of channels that are no mail, where the sequence names one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub voices: BTreeMap<String, String>,
}

/// Where the link to unsubscribe stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsubscribe {
    /// Below the text, with the postal address.
    Footer,
    /// Where the template puts it.
    Inline,
    /// Only in the header.
    Header,
}

/// When a sequence may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Whether times are theirs, or those of the zone given in `fallback`.
    pub zone: ZoneRule,
    /// IANA zone where theirs is not known.
    pub fallback: String,
    /// Days on which it sends, `mon` to `sun`.
    pub days: Vec<String>,
    /// Hours in which it sends: `09:00-12:00`.
    pub hours: Vec<String>,
    /// Countries (`us`) and single dates (`2026-12-24`) on which it does not.
    pub holidays: Vec<String>,
    /// A send later than this waits for the next window.
    pub max_late: String,
}

/// Whose zone the schedule is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneRule {
    /// The influencer's.
    Influencer,
    /// Always the one named as `fallback`.
    Fixed,
}

/// How much a sequence may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// First steps in a local day of the account.
    pub new_per_day: Option<u32>,
    /// Sends of this sequence in any 24 hours.
    pub per_day: Option<u32>,
    /// Sends of this sequence to one recipient domain in any 24 hours.
    pub per_domain: Option<u32>,
    /// Shortest and longest pause between two sends of one account: `2m to 7m`.
    pub gap: Option<String>,
}

/// A variable of templates and conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, where it is the same for all.
    pub value: Option<serde_json::Value>,
    /// Where it comes from: `influencer.first_name`.
    pub from: Option<String>,
    /// What it is where there is nothing.
    pub default: Option<serde_json::Value>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its id, unique in the sequence.
    pub id: String,
    /// How long after the step above: `3 business days`, `next tue 10:00`.
    pub after: Option<String>,
    /// The condition, asked when it is planned and right before it goes out.
    pub condition: Option<String>,
    /// What it does.
    pub kind: StepKind,
    /// What is done instead where the channel lacks an address or consent, or `at_most` ran out.
    pub otherwise: Option<StepKind>,
    /// The stage it raises to when it is done.
    pub stage: Option<StageId>,
    /// Whether a person reads the message first.
    pub review: bool,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum StepKind {
    /// Sends an email.
    Email {
        /// Names of templates; several: A/B.
        templates: Vec<String>,
        /// Shares of the variants in percent; as many as there are templates.
        split: Vec<u32>,
    },
    /// Says something on a channel that is no mail.
    Say {
        /// Which.
        channel: Channel,
        /// The words, a template.
        text: String,
    },
    /// Asks a person to do something.
    Task {
        /// What, a template.
        text: String,
        /// `owner`, or the name of a teammate.
        assign: String,
        /// Late after this.
        due: Option<String>,
        /// Given up after this.
        at_most: Option<String>,
        /// The variable that the answer becomes.
        fills: Option<String>,
    },
    /// Waits until something happened in this run.
    WaitFor {
        /// What: `clicked`, `opened`.
        what: Awaited,
        /// And no longer than this.
        at_most: String,
    },
    /// Something is told to the team, where it hears of the influencer.
    Notify {
        /// The words, a template.
        text: String,
    },
}

/// What a step may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    /// A human click in this run, earlier ones included.
    Clicked,
    /// A human open.
    Opened,
}

/// What follows the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// How long after it.
    pub after: Option<String>,
    /// Only if this holds then.
    pub condition: Option<String>,
    /// The stage it moves to.
    pub stage: Option<StageId>,
    /// A task for a person.
    pub task: Option<String>,
}

/// When a whole sequence pauses, measured over its last 7 days once there were 50 sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PauseIf {
    /// Bounces per send.
    pub bounce_rate: Option<f64>,
    /// Complaints per send.
    pub complaint_rate: Option<f64>,
    /// Opt-outs per send.
    pub unsubscribe_rate: Option<f64>,
}

impl Eq for PauseIf {}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// How it is written.
    pub format: Format,
    /// The subject, a template; without one the mail stays in the thread of the mail above.
    pub subject: Option<String>,
    /// What mail programs show beside the subject, a template.
    pub preheader: Option<String>,
    /// Files to go with it.
    pub attachments: Vec<TemplateFile>,
    /// The text, a template.
    pub body: String,
}

/// A file that goes with a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateFile {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// What is in it, in base64.
    pub content: String,
}

/// How a template is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Markdown, which becomes HTML and text.
    Markdown,
    /// HTML, from which the text is made.
    Html,
    /// Text alone.
    Text,
}

impl StepKind {
    /// The key it is written with.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Say { channel, .. } => channel.as_str(),
            Self::Task { .. } => "task",
            Self::WaitFor { .. } => "wait_for",
            Self::Notify { .. } => "notify",
        }
    }
}

impl StepKind {
    /// On which channel it writes to them, where it does.
    pub fn channel(&self) -> Option<Channel> {
        match self {
            Self::Email { .. } => Some(Channel::Email),
            Self::Say { channel, .. } => Some(*channel),
            Self::Task { .. } | Self::WaitFor { .. } | Self::Notify { .. } => None,
        }
    }
}

impl Awaited {
    /// The word it is written with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clicked => "clicked",
            Self::Opened => "opened",
        }
    }
}

impl Definition {
    /// The step of this id, with its place.
    pub fn step(&self, id: &str) -> Option<(usize, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.id == id)
    }

    /// The step that follows; the first one without an id.
    pub fn step_after(&self, id: Option<&str>) -> Option<&Step> {
        match id {
            None => self.steps.first(),
            Some(id) => self.steps.get(self.step(id)?.0.checked_add(1)?),
        }
    }

    /// The stage of `exit_on` that somebody reached who is in this one: the same, or one before it on the path, for a move may
    /// leave stages out. Who is further than that, in a stage the sequence takes people from, reached none.
    pub fn reached(&self, stages: &Stages, stage: &StageId) -> Option<&StageId> {
        if let Some(same) = self.exit_on.iter().find(|wanted| *wanted == stage) {
            return Some(same);
        }
        let at = stages.order(stage).filter(|_| !self.enter_from.contains(stage))?;
        self.exit_on.iter().find(|wanted| stages.order(wanted).is_some_and(|order| order < at))
    }
}
