//! Seeing before sending, as far as it is pure: what people write to say what shall happen in a simulation, and what a
//! simulation found, as text, CSV and a picture.
//!
//! Nothing runs here: the composition root drives the engine itself over a store that is thrown away.

use std::fmt;

use serde::Serialize;

use crate::domain::day::{Day, Minute};
use crate::domain::ids::{EnrollmentId, InfluencerId};
use crate::domain::time::Micros;
use crate::domain::zone::{Wall, Zone};

mod given;
mod table;
mod tests_file;

pub use given::{Act, Given, GivenError, Meaning, When};
pub use table::{csv, picture, text};
pub use tests_file::{FILE as TESTS_FILE, Somebody, Test, Tests, read as read_tests};

/// Days a simulation looks ahead at most.
pub const DAYS_MAX: u32 = 1_000;
/// Days where nothing is said.
pub const DAYS_USUAL: u32 = 90;
/// People in one simulation.
pub const PEOPLE_MAX: usize = 20_000;
/// Events that may be given.
pub const GIVEN_MAX: usize = 100_000;
/// Instants at which something is looked at.
pub const INSTANTS_MAX: usize = 2_000_000;

/// What happened at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SimulatedEntry")]
pub struct Entry {
    /// When.
    pub at: Micros,
    /// The same where they are: `2026-03-02 09:12`.
    pub theirs: String,
    /// The same where we are.
    pub ours: String,
    /// To whom.
    pub influencer_id: InfluencerId,
    /// What the team calls them.
    pub handle: String,
    /// Their zone.
    pub zone: String,
    /// In which sequence.
    pub sequence: Option<String>,
    /// In which run.
    pub enrollment_id: Option<EnrollmentId>,
    /// At which step.
    pub step: Option<String>,
    /// What.
    pub what: What,
    /// The template of a send.
    pub variant: Option<String>,
    /// The account of a send.
    pub account: Option<String>,
    /// For when a send was planned.
    pub planned_at: Option<Micros>,
    /// What moved a send, one move after the other.
    pub shifts: Vec<Moved>,
    /// Why, or what else there is to say.
    pub detail: String,
}

/// One move of a planned instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[schemars(rename = "PlaceMoved")]
pub struct Moved {
    /// From when.
    pub from: Micros,
    /// To when.
    pub to: Micros,
    /// The rule, a word for programs.
    pub rule: String,
    /// The rule, for people.
    pub why: String,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SimulatedWhat")]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A run began.
    Started,
    /// They were not enrolled.
    Refused,
    /// A mail left.
    Sent,
    /// A step was left out.
    Skipped,
    /// A task or wait ran out.
    TimedOut,
    /// A step was done.
    Done,
    /// A task was made.
    Task,
    /// A run stands still.
    Held,
    /// A run ended before its end.
    Exited,
    /// A run ended.
    Finished,
    /// They moved to another stage.
    Stage,
    /// An event that was given.
    Given,
}

impl What {
    /// The word people see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "begins",
            Self::Refused => "refused",
            Self::Sent => "sent",
            Self::Skipped => "skipped",
            Self::TimedOut => "ran out",
            Self::Done => "done",
            Self::Task => "task",
            Self::Held => "held",
            Self::Exited => "exit",
            Self::Finished => "finished",
            Self::Stage => "stage",
            Self::Given => "given",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Where somebody stands at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SimulatedStanding")]
pub struct Standing {
    /// Who.
    pub influencer_id: InfluencerId,
    /// What the team calls them.
    pub handle: String,
    /// Their zone.
    pub zone: String,
    /// Where that comes from.
    pub zone_from: String,
    /// Their stage.
    pub stage: String,
    /// Mails they got in this simulation.
    pub sent: usize,
    /// How their run stands, or why there is none.
    pub state: String,
    /// What the run waits for, or why it ended.
    pub why: String,
}

/// How much an account sends on one of our days.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SimulatedLoad")]
pub struct Load {
    /// The day.
    pub day: String,
    /// The account.
    pub account: String,
    /// Mails of the sequence that was asked for.
    pub sent: usize,
    /// Mails of other sequences.
    pub others: usize,
    /// Mails that people write.
    pub by_hand: usize,
}

/// Why a simulation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Nothing is left that could happen by itself.
    Quiet,
    /// The days that were asked for are over.
    Days,
    /// The installation sends nothing until it is released.
    Installation,
}

/// What a simulation found.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Simulation")]
pub struct Report {
    /// The sequence that was asked for; none: all.
    pub sequence: Option<String>,
    /// When it begins.
    pub from: Micros,
    /// How far it looked.
    pub until: Micros,
    /// Our zone.
    pub zone: String,
    /// Why it ended.
    pub ended: Ended,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// Where everybody stands at the end.
    pub people: Vec<Standing>,
    /// What accounts send by day.
    pub load: Vec<Load>,
}

/// What came of the tests beside a sequence.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Tested {
    /// Whether all came out as expected, and nothing stands in the way of running them.
    pub ok: bool,
    /// How many were run.
    pub tests: usize,
    /// How many came out otherwise.
    pub failed: usize,
    /// What is wrong, with its place.
    pub findings: Vec<serde_json::Value>,
}

impl Report {
    /// What was sent.
    pub fn sends(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.what == What::Sent)
    }
}

/// The clock of a zone as it is shown: `2026-03-02 09:12`.
pub fn clock_of(zone: &Zone, at: Micros) -> String {
    zone.wall(at).to_string()
}

/// The first instant of a day and minute of a zone.
pub fn instant_of(zone: &Zone, day: Day, minute: Minute) -> Micros {
    zone.instant(Wall::new(day, minute))
}

/// Reads `2026-03-02`, `2026-03-02 09:00` (in a zone) or RFC 3339.
pub fn read_instant(text: &str, zone: &Zone) -> Option<Micros> {
    let text = text.trim();
    if let Some(at) = Micros::parse(text) {
        return Some(at);
    }
    match text.split_once([' ', 'T']) {
        Some((day, time)) => Some(instant_of(zone, Day::parse(day)?, Minute::parse(time)?)),
        None => Some(instant_of(zone, Day::parse(text)?, Minute(0))),
    }
}
