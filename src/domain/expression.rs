//! Conditions: `not steps.intro.clicked and influencer.reach >= 50000`.
//!
//! The language is that of templates. What is not known is an error, never "no". Pure: what is asked about comes as
//! [`Facts`], and the budget of a condition bounds its time and memory.

use std::collections::BTreeMap;
use std::ops::Range;

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};
use serde_json::Map;

pub mod reading;

pub use reading::{Link, Name, Put, Reading, StrangeWord, read_expression, read_template};

/// Octets of a condition.
pub const EXPRESSION_MAX: usize = 4_000;
/// What a condition may cost, in steps of the engine; one step also pays for 64 octets.
pub const FUEL: u64 = 20_000;
/// What is known of a step of a run.
pub const STEP_FACTS: [&str; 5] = ["sent", "opened", "clicked", "replied", "done"];

/// What became of a step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "these are the five words of the language")]
pub struct StepFacts {
    /// Its mail was accepted by their server.
    pub sent: bool,
    /// A person opened it.
    pub opened: bool,
    /// A person followed a link in it.
    pub clicked: bool,
    /// A person answered it.
    pub replied: bool,
    /// It was sent, its task was done, or what it waited for happened.
    pub done: bool,
}

/// What a condition may ask about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Every step of the sequence by its id, also those that were not reached yet.
    pub steps: BTreeMap<String, StepFacts>,
    /// The influencer, as [`super::profile::Profile::facts`] gives them.
    pub influencer: Map<String, serde_json::Value>,
    /// The id of the stage they are in.
    pub stage: String,
    /// Variables of the sequence, filled ones included.
    #[serde(flatten)]
    pub variables: Map<String, serde_json::Value>,
}

/// Why a text of the template language can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where in the text, in octets, if that is known.
    pub at: Option<Range<usize>>,
    /// Whether something asked about is not known, rather than the text being wrong.
    pub undefined: bool,
}

impl ExpressionError {
    pub(crate) fn new(message: impl Into<String>, at: Option<Range<usize>>) -> Self {
        Self { message: message.into(), at, undefined: false }
    }

    /// From the engine's own words.
    pub(crate) fn of(error: &minijinja::Error) -> Self {
        let kind = error.kind();
        let message = match (kind, error.detail()) {
            (minijinja::ErrorKind::OutOfFuel, _) => "it takes too long or grows too large".to_owned(),
            (minijinja::ErrorKind::SyntaxError, Some(detail)) => detail.to_owned(),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        Self { message, at: error.range(), undefined: kind == minijinja::ErrorKind::UndefinedError }
    }
}

/// The engine of conditions and templates alike: strict, within a budget, without anything that prints its insides or
/// switches escaping off.
pub(crate) fn engine<'a>(fuel: u64) -> Environment<'a> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(fuel));
    for filter in ["safe", "pprint"] {
        engine.remove_filter(filter);
    }
    for global in ["debug", "namespace"] {
        engine.remove_global(global);
    }
    engine
}

/// Reads a condition; gives the names it asks about.
pub fn check(text: &str) -> Result<Vec<Name>, ExpressionError> {
    let reading = read_expression(text)?;
    match reading.strange.into_iter().next() {
        Some(strange) => Err(ExpressionError::new(strange.message, Some(strange.at))),
        None => Ok(reading.names),
    }
}

/// Whether a condition holds. A name that is not known is an error, and so is an answer that is not true or false.
pub fn evaluate(text: &str, facts: &Facts) -> Result<bool, ExpressionError> {
    let names = check(text)?;
    let known = serde_json::to_value(facts).map_err(|error| ExpressionError::new(error.to_string(), None))?;
    if let Some(missing) = names.iter().find(|name| !name.guarded && !name.is_in(&known)) {
        let message = format!("`{}` is not known", missing.dotted());
        return Err(ExpressionError { message, at: Some(missing.at.clone()), undefined: true });
    }
    let engine = engine(FUEL);
    let compiled = engine.compile_expression(text).map_err(|error| ExpressionError::of(&error))?;
    let answer = compiled.eval(Value::from(Serde(&known))).map_err(|error| ExpressionError::of(&error))?;
    if answer.kind() == ValueKind::Bool {
        return Ok(answer.is_true());
    }
    Err(ExpressionError::new(format!("the condition gives {}, not true or false", answer.kind()), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let serde_json::Value::Object(influencer) = serde_json::json!({"reach": 60_000, "handle": "@ana", "properties": {"niche": "running"}, "tags": ["trail"]})
        else {
            panic!("an object")
        };
        Facts {
            steps: [
                ("intro".to_owned(), StepFacts { sent: true, done: true, ..StepFacts::default() }),
                ("nudge".to_owned(), StepFacts::default()),
            ]
            .into(),
            influencer,
            stage: "contacted".to_owned(),
            variables: Map::from_iter([("product".to_owned(), "Trail Tee".into())]),
        }
    }

    #[test]
    fn conditions_are_answered_from_facts() {
        for (text, answer) in [
            ("not steps.intro.clicked", true),
            ("steps.intro.sent and not steps.nudge.sent", true),
            ("influencer.reach >= 50000 and not steps.intro.clicked", true),
            ("influencer.reach >= 50000 and steps.intro.clicked", false),
            ("stage == 'contacted' or stage in ['engaged', 'in_talks']", true),
            ("product == \"Trail Tee\"", true),
            ("'trail' in influencer.tags", true),
            ("influencer.properties.fit is defined and influencer.properties.fit == 'a'", false),
            ("influencer.properties.fit | default('b') == 'b'", true),
            ("steps['intro'].done", true),
        ] {
            assert_eq!(evaluate(text, &facts()), Ok(answer), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error_even_where_it_would_not_be_looked_at() {
        for (text, name, at) in [
            ("steps.outro.clicked", "steps.outro.clicked", 0..19),
            ("not steps.intro.klicked", "steps.intro.klicked", 4..23),
            ("influencer.properties.fit == 'a'", "influencer.properties.fit", 0..25),
            ("steps.intro.sent or colour", "colour", 20..26),
            ("shade != 'red'", "shade", 0..5),
        ] {
            let error = evaluate(text, &facts()).unwrap_err();
            assert_eq!((error.message, error.at, error.undefined), (format!("`{name}` is not known"), Some(at), true));
        }
    }

    #[test]
    fn faults_tell_their_place() {
        let at = |text: &str| check(text).unwrap_err().at;
        assert_eq!(at("steps.intro.clicked and"), Some(20..23));
        assert_eq!(at("steps.intro.clicked && x"), Some(20..21));
        assert_eq!(at("influencer.reach | uper"), Some(19..23));
        assert_eq!(at("open('/etc/passwd')"), Some(0..4));
        assert!(check(&"(".repeat(3_000)).is_err());
        assert!(check(&"a".repeat(EXPRESSION_MAX + 1)).is_err());
        assert_eq!(at(""), None);
        let error = evaluate("influencer.reach", &facts()).unwrap_err();
        assert!(!error.undefined && error.message.contains("not true or false"), "{error}");
        let error = evaluate("('x' * 90000000) == 'y'", &facts()).unwrap_err();
        assert_eq!(error.message, "it takes too long or grows too large");
    }
}
