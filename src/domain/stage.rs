//! Where relationships stand, and who may move them: the stages of `stages.toml` and the rules between them.
//!
//! Decides, never records: a move that is decided here is stored, with its cause, by the hub.

use std::fmt;

use serde_json::{Map, Value};

use super::day::Day;
use super::delay::Delay;
use super::words::Word;

/// The id of a stage, as declared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct StageId(pub String);

impl StageId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for StageId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                Self::from_word(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown word `{text}`")))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let words: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                schemars::json_schema!({ "type": "string", "enum": words })
            }
        }
    };
}

vocabulary!(
    /// What sort of stage it is.
    StageKind {
        /// On the path; the order of the file is the order of the path.
        Path = "path",
        /// Beside it: they fell silent. A human reply lifts them back.
        Dormant = "dormant",
        /// Beside it: they said no.
        Declined = "declined",
        /// Beside it: not to be contacted.
        Closed = "closed",
    }
);

vocabulary!(
    /// What can move someone into a stage by itself.
    StageSignal {
        /// A message of ours was accepted by their server.
        Sent = "message.sent",
        /// A person clicked a link; machines never count.
        Clicked = "message.clicked",
        /// A human reply that is not a refusal.
        Replied = "thread.replied",
        /// An agreement was signed.
        AgreementSigned = "agreement.signed",
        /// Product is on its way.
        GiftShipped = "gift.shipped",
        /// What was agreed was delivered.
        DeliverableDone = "deliverable.done",
    }
);

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stage {
    /// Its id, for files, the API and the database.
    pub id: StageId,
    /// Its name for people.
    pub name: String,
    /// What sort it is.
    pub kind: StageKind,
    /// Where imported influencers begin; one stage has it.
    pub start: bool,
    /// What moves someone in by itself.
    pub enter_on: Vec<StageSignal>,
    /// A thread unanswered by us for longer is a loose end.
    pub answer_within: Option<Delay>,
    /// After this long in here, it is a loose end again.
    pub reopen_after: Option<Delay>,
}

vocabulary!(
    /// What a custom property holds.
    PropertyType {
        /// Any text.
        Text = "text",
        /// One of a list.
        Choice = "choice",
        /// A day.
        Date = "date",
        /// A number.
        Number = "number",
    }
);

/// A custom property of influencers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Property {
    /// Its key.
    pub id: String,
    /// What it holds.
    pub kind: PropertyType,
    /// Its name for people.
    pub label: String,
    /// The values there are, for [`PropertyType::Choice`]; else empty.
    pub choices: Vec<String>,
}

/// Why a list of stages can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StagesError {
    /// One stage must have `start = true`.
    #[error("no stage is the start")]
    NoStart,
    /// Only one may.
    #[error("`{0}` and `{1}` are both the start")]
    TwoStarts(StageId, StageId),
    /// Relationships start on the path.
    #[error("the start `{0}` is not on the path")]
    StartBesidePath(StageId),
    /// Ids are unique.
    #[error("the stage `{0}` is there twice")]
    Duplicate(StageId),
}

/// All stages, in order, and the custom properties.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stages {
    list: Vec<Stage>,
    start: usize,
    properties: Vec<Property>,
}

impl Stages {
    /// Takes a list that has exactly one start, on the path, and no id twice.
    pub fn new(stages: Vec<Stage>, properties: Vec<Property>) -> Result<Self, StagesError> {
        let mut start = None;
        for (at, stage) in stages.iter().enumerate() {
            if stages.iter().take(at).any(|other| other.id == stage.id) {
                return Err(StagesError::Duplicate(stage.id.clone()));
            }
            if stage.start {
                if let Some((_, first)) = start {
                    let first: &Stage = first;
                    return Err(StagesError::TwoStarts(first.id.clone(), stage.id.clone()));
                }
                if stage.kind != StageKind::Path {
                    return Err(StagesError::StartBesidePath(stage.id.clone()));
                }
                start = Some((at, stage));
            }
        }
        let start = start.ok_or(StagesError::NoStart)?.0;
        Ok(Self { list: stages, start, properties })
    }

    /// Where imported influencers begin.
    pub fn start(&self) -> &StageId {
        static NONE: StageId = StageId(String::new());
        self.list.get(self.start).map_or(&NONE, |s| &s.id)
    }

    /// The stage with this id.
    pub fn get(&self, id: &StageId) -> Option<&Stage> {
        self.list.iter().find(|s| s.id == *id)
    }

    /// Every stage in the order of the file.
    pub fn all(&self) -> &[Stage] {
        &self.list
    }

    /// The custom properties in the order of the file.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// What somebody's properties say, each as what it is declared to be: a number that was written as text is a number.
    pub fn typed(&self, properties: &Map<String, Value>) -> Map<String, Value> {
        let mut typed = properties.clone();
        for property in self.properties.iter().filter(|p| p.kind == PropertyType::Number) {
            let Some(value) = typed.get_mut(&property.id) else { continue };
            if let Some(number) = value.as_str().and_then(number) {
                *value = number;
            }
        }
        typed
    }

    /// Why a value can't be that of a property; what is not declared may be anything.
    ///
    /// # Errors
    /// What it has to be.
    pub fn judge_property(&self, id: &str, value: &Value) -> Result<(), String> {
        let Some(property) = self.properties.iter().find(|p| p.id == id) else { return Ok(()) };
        let text = value.as_str();
        if value.is_null() || text.is_some_and(|text| text.trim().is_empty()) {
            return Ok(());
        }
        let shown: String = text.map_or_else(|| value.to_string(), str::to_owned).chars().take(40).collect();
        match property.kind {
            PropertyType::Number if value.is_number() || text.and_then(number).is_some() => Ok(()),
            PropertyType::Number => Err(format!("`{shown}` is not a number: write it as 1200 or 0.5")),
            PropertyType::Date if text.and_then(Day::parse).is_some() => Ok(()),
            PropertyType::Date => Err(format!("`{shown}` is not a day: write it as 2026-11-30")),
            PropertyType::Choice if text.is_some_and(|text| property.choices.iter().any(|c| c == text)) => Ok(()),
            PropertyType::Choice => Err(format!("`{shown}` is none of its choices: {}", property.choices.join(", "))),
            PropertyType::Text => Ok(()),
        }
    }

    /// How far along the path a stage is, from 0; `None` beside the path.
    pub fn order(&self, id: &StageId) -> Option<usize> {
        self.list.iter().filter(|s| s.kind == StageKind::Path).position(|s| s.id == *id)
    }

    /// The stage a signal moves into: the furthest one that names it.
    pub fn entered_on(&self, signal: StageSignal) -> Option<&Stage> {
        self.list.iter().rev().find(|s| s.enter_on.contains(&signal))
    }
}

/// The number a text says; a whole one where nothing is lost by it.
fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::from(whole));
    }
    // Words (`inf`) and exponents are not how people write a number.
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+')) {
        return None;
    }
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
    let whole = format!("{number:.0}").parse::<i64>().ok().filter(|_| number.fract() == 0.0);
    Some(whole.map_or_else(|| Value::from(number), Value::from))
}

/// Who wants a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person, who may do anything.
    Person,
    /// A signal or a sequence.
    Rule,
    /// A human reply: a rule that may also lift someone who fell silent.
    Reply,
}

/// Whether a person fixed the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// Automation may move it.
    Free,
    /// It stays until a person releases it.
    Pinned,
}

/// What comes of a wanted move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// It happens.
    To(StageId),
    /// It does not.
    Stay(StayReason),
}

/// Why a move does not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StayReason {
    /// They are there.
    #[error("already in this stage")]
    AlreadyThere,
    /// No such stage is declared.
    #[error("there is no such stage")]
    UnknownStage,
    /// A person fixed the stage.
    #[error("the stage is pinned by hand")]
    Pinned,
    /// Automation never lowers.
    #[error("automation only raises along the path")]
    NotHigher,
    /// Too far along for automation to say so: a task for a person.
    #[error("too far along the path to be decided by automation; a person decides")]
    TooLate,
    /// They declined, are closed, or fell silent and did not answer: a person decides.
    #[error("beside the path, which only a person (or, after silence, a reply) ends")]
    BesidePath,
}

/// Decides on a move. People go anywhere; automation only raises along the path, sets dormant only before talks began and
/// declined or closed only before there is an agreement, and leaves alone what is pinned or beside the path.
pub fn decide_move(stages: &Stages, current: &StageId, pin: Pin, wanted: &StageId, by: By) -> Move {
    let Some(target) = stages.get(wanted) else { return Move::Stay(StayReason::UnknownStage) };
    if current == wanted {
        return Move::Stay(StayReason::AlreadyThere);
    }
    if by == By::Person {
        return Move::To(wanted.clone());
    }
    if pin == Pin::Pinned {
        return Move::Stay(StayReason::Pinned);
    }
    // A stage that is no longer declared says nothing of how far they are, so no rule may move them.
    let Some(from) = stages.get(current) else { return Move::Stay(StayReason::UnknownStage) };
    let allowed = match (from.kind, target.kind) {
        (StageKind::Path, StageKind::Path) => stages.order(wanted) > stages.order(current),
        (StageKind::Path, StageKind::Dormant) => {
            return before(stages, current, StageSignal::Replied, wanted);
        }
        (StageKind::Path, StageKind::Declined | StageKind::Closed) => {
            return before(stages, current, StageSignal::AgreementSigned, wanted);
        }
        (StageKind::Dormant, StageKind::Path) if by == By::Reply => true,
        (StageKind::Dormant, StageKind::Declined | StageKind::Closed) | (StageKind::Declined, StageKind::Closed) => {
            true
        }
        _ => return Move::Stay(StayReason::BesidePath),
    };
    if allowed { Move::To(wanted.clone()) } else { Move::Stay(StayReason::NotHigher) }
}

/// The move, if they are not yet where `signal` leads, or any that comes after it in a partnership: a file that names no stage
/// for answers may name one for agreements, and whoever is there talked to us. Without any such stage there is no bound.
fn before(stages: &Stages, current: &StageId, signal: StageSignal, wanted: &StageId) -> Move {
    let later = StageSignal::ALL.iter().filter(|other| **other >= signal);
    let bound = later.filter_map(|other| stages.entered_on(*other)).filter_map(|s| stages.order(&s.id)).min();
    match (stages.order(current), bound) {
        (Some(at), Some(bound)) if at >= bound => Move::Stay(StayReason::TooLate),
        _ => Move::To(wanted.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(id: &str, kind: StageKind, enter_on: &[StageSignal]) -> Stage {
        Stage {
            id: id.into(),
            name: id.to_owned(),
            kind,
            start: id == "prospect",
            enter_on: enter_on.to_vec(),
            answer_within: None,
            reopen_after: None,
        }
    }

    fn stages() -> Stages {
        let list = vec![
            stage("applicant", StageKind::Path, &[]),
            stage("prospect", StageKind::Path, &[]),
            stage("contacted", StageKind::Path, &[StageSignal::Sent]),
            stage("in_talks", StageKind::Path, &[StageSignal::Replied]),
            stage("agreed", StageKind::Path, &[StageSignal::AgreementSigned]),
            stage("active", StageKind::Path, &[]),
            stage("no_response", StageKind::Dormant, &[]),
            stage("declined", StageKind::Declined, &[]),
            stage("opted_out", StageKind::Closed, &[]),
        ];
        Stages::new(list, Vec::new()).unwrap()
    }

    fn decide(current: &str, wanted: &str, by: By) -> Result<String, StayReason> {
        match decide_move(&stages(), &current.into(), Pin::Free, &wanted.into(), by) {
            Move::To(id) => Ok(id.0),
            Move::Stay(reason) => Err(reason),
        }
    }

    #[test]
    fn a_person_moves_anywhere_that_exists_even_when_pinned() {
        for from in stages().all() {
            for to in stages().all().iter().filter(|to| to.id != from.id) {
                let decided = decide_move(&stages(), &from.id, Pin::Pinned, &to.id, By::Person);
                assert_eq!(decided, Move::To(to.id.clone()));
            }
        }
        assert_eq!(decide("prospect", "nowhere", By::Person), Err(StayReason::UnknownStage));
        assert_eq!(decide("gone_from_the_file", "prospect", By::Person), Ok("prospect".to_owned()));
    }

    #[test]
    fn automation_never_lowers_along_the_path() {
        assert_eq!(decide("prospect", "contacted", By::Rule), Ok("contacted".to_owned()));
        assert_eq!(decide("prospect", "in_talks", By::Reply), Ok("in_talks".to_owned()));
        assert_eq!(decide("agreed", "contacted", By::Rule), Err(StayReason::NotHigher));
        assert_eq!(decide("agreed", "in_talks", By::Reply), Err(StayReason::NotHigher));
        assert_eq!(decide("gone_from_the_file", "contacted", By::Rule), Err(StayReason::UnknownStage));
    }

    #[test]
    fn automation_leaves_a_pinned_stage_alone() {
        let decided = decide_move(&stages(), &"prospect".into(), Pin::Pinned, &"contacted".into(), By::Reply);
        assert_eq!(decided, Move::Stay(StayReason::Pinned));
    }

    #[test]
    fn declared_properties_are_what_they_are_declared_to_be() {
        let property = |id: &str, kind, choices: &[&str]| Property {
            id: id.to_owned(),
            kind,
            label: String::new(),
            choices: choices.iter().map(|c| (*c).to_owned()).collect(),
        };
        let properties = vec![
            property("fee", PropertyType::Number, &[]),
            property("size", PropertyType::Choice, &["s", "m"]),
            property("since", PropertyType::Date, &[]),
            property("niche", PropertyType::Text, &[]),
        ];
        let stages = Stages::new(stages().all().to_vec(), properties).unwrap();
        let given = serde_json::json!({"fee": " 50.00", "size": "5", "niche": "7", "other": "9"});
        let typed = stages.typed(given.as_object().unwrap());
        assert_eq!(serde_json::json!(typed), serde_json::json!({"fee": 50, "size": "5", "niche": "7", "other": "9"}));
        for (text, wanted) in [("0.5", Some(0.5)), ("-3", Some(-3.0)), ("inf", None), ("1e9", None), ("about 5", None)]
        {
            assert_eq!(number(text).and_then(|n| n.as_f64()), wanted, "{text}");
        }
        for (id, value, fits) in [
            ("fee", serde_json::json!("1,000"), false),
            ("fee", serde_json::json!(12), true),
            ("fee", serde_json::json!(""), true),
            ("size", serde_json::json!("m"), true),
            ("size", serde_json::json!("xl"), false),
            ("since", serde_json::json!("2026-02-30"), false),
            ("since", serde_json::json!("2026-02-28"), true),
            ("other", serde_json::json!([1]), true),
        ] {
            assert_eq!(stages.judge_property(id, &value).is_ok(), fits, "{id} {value}");
        }
    }

    #[test]
    fn only_a_reply_lifts_the_silent_back_onto_the_path() {
        assert_eq!(decide("no_response", "in_talks", By::Reply), Ok("in_talks".to_owned()));
        assert_eq!(decide("no_response", "contacted", By::Rule), Err(StayReason::BesidePath));
        assert_eq!(decide("declined", "in_talks", By::Reply), Err(StayReason::BesidePath));
        assert_eq!(decide("opted_out", "in_talks", By::Reply), Err(StayReason::BesidePath));
    }

    #[test]
    fn automation_gives_up_on_someone_only_early() {
        assert_eq!(decide("contacted", "no_response", By::Rule), Ok("no_response".to_owned()));
        assert_eq!(decide("in_talks", "no_response", By::Rule), Err(StayReason::TooLate));
        assert_eq!(decide("in_talks", "declined", By::Reply), Ok("declined".to_owned()));
        assert_eq!(decide("agreed", "declined", By::Reply), Err(StayReason::TooLate));
        assert_eq!(decide("no_response", "declined", By::Reply), Ok("declined".to_owned()));
        assert_eq!(decide("declined", "opted_out", By::Rule), Ok("opted_out".to_owned()));
        assert_eq!(decide("opted_out", "declined", By::Rule), Err(StayReason::BesidePath));
    }

    #[test]
    fn the_bounds_follow_what_the_file_declares_whatever_its_stages_are_called() {
        let renamed = |signals: [&[StageSignal]; 4]| {
            let ids = ["neu", "im_gespraech", "vertrag", "partner"];
            let mut list: Vec<Stage> = ids.iter().zip(signals).map(|(id, on)| stage(id, StageKind::Path, on)).collect();
            list[0].start = true;
            list.push(stage("still", StageKind::Dormant, &[]));
            list.push(stage("nein", StageKind::Declined, &[]));
            Stages::new(list, Vec::new()).unwrap()
        };
        let goes = |stages: &Stages, from: &str, to: &str| {
            matches!(decide_move(stages, &from.into(), Pin::Free, &to.into(), By::Rule), Move::To(_))
        };
        let all = renamed([&[], &[StageSignal::Replied], &[StageSignal::AgreementSigned], &[]]);
        assert!(goes(&all, "neu", "still") && !goes(&all, "im_gespraech", "still"));
        assert!(goes(&all, "im_gespraech", "nein") && !goes(&all, "vertrag", "nein") && !goes(&all, "partner", "nein"));
        // No stage for answers: whoever agreed is not silent all the same.
        let few = renamed([&[], &[], &[StageSignal::AgreementSigned], &[]]);
        assert!(goes(&few, "im_gespraech", "still") && !goes(&few, "vertrag", "still"));
        // None for agreements: the product that was sent says as much.
        let late = renamed([&[], &[StageSignal::Replied], &[], &[StageSignal::GiftShipped]]);
        assert!(goes(&late, "vertrag", "nein") && !goes(&late, "partner", "nein"));
        let none = renamed([&[], &[], &[], &[]]);
        assert!(goes(&none, "partner", "still") && goes(&none, "partner", "nein"), "nothing declared, no bound");
    }

    #[test]
    fn a_list_needs_exactly_one_start_on_the_path_and_no_id_twice() {
        let path = |id: &str, start: bool| Stage { start, ..stage(id, StageKind::Path, &[]) };
        let make = |list| Stages::new(list, Vec::new()).map(|_| ());
        assert_eq!(make(vec![path("a", false)]), Err(StagesError::NoStart));
        assert_eq!(make(vec![path("a", true), path("b", true)]), Err(StagesError::TwoStarts("a".into(), "b".into())));
        assert_eq!(make(vec![path("a", true), path("a", false)]), Err(StagesError::Duplicate("a".into())));
        let beside = Stage { start: true, ..stage("a", StageKind::Closed, &[]) };
        assert_eq!(make(vec![beside]), Err(StagesError::StartBesidePath("a".into())));
    }
}
