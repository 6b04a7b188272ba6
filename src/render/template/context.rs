//! What a template may speak of.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::expression::{Facts, StepFacts};
use crate::domain::profile::{Profile, is_nothing};
use crate::domain::sequence::Variable;

/// The teammate who looks after an influencer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// Whole name.
    pub name: String,
    /// First name.
    pub first_name: String,
    /// A mail address of theirs; may be empty.
    pub email: String,
}

/// The account that writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Writer {
    /// The name beside the address; the address where there is none.
    pub name: String,
    /// The address.
    pub address: String,
}

/// Who answers for sequence mail, for the footer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sender {
    /// The name of the firm.
    pub name: String,
    /// Its postal address.
    pub address: String,
}

/// What a context is made of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Given {
    /// To whom.
    pub influencer: Profile,
    /// Who looks after them.
    pub owner: Owner,
    /// From which account.
    pub account: Writer,
    /// Answers to tasks, by the variable they fill.
    pub filled: Map<String, Value>,
    /// The link to unsubscribe, signed, for this message.
    pub unsubscribe_url: Option<String>,
    /// Who answers for it.
    pub sender: Option<Sender>,
}

/// What one message may speak of. Cheap enough to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    values: Map<String, Value>,
    variables: Map<String, Value>,
    influencer: Map<String, Value>,
    stage: String,
    pub(super) unsubscribe_url: Option<String>,
    pub(super) sender: Option<Sender>,
}

/// An object without what is empty.
fn present(fields: &[(&str, &str)]) -> Value {
    fields.iter().filter(|(_, v)| !v.trim().is_empty()).map(|(k, v)| ((*k).to_owned(), json!(v))).collect()
}

impl Context {
    /// Takes in what is known. A variable that comes from nothing and has no default is left out: using it is an error.
    pub fn new(given: Given, variables: &[Variable]) -> Self {
        let influencer = given.influencer.facts();
        let stage = given.influencer.stage.clone();
        let mut values = Map::new();
        values.insert("influencer".to_owned(), Value::Object(influencer.clone()));
        values.insert("stage".to_owned(), stage.clone().into());
        let owner = &given.owner;
        let owner = [("name", &*owner.name), ("first_name", &*owner.first_name), ("email", &*owner.email)];
        values.insert("owner".to_owned(), present(&owner));
        let account = [("name", &*given.account.name), ("address", &*given.account.address)];
        values.insert("account".to_owned(), present(&account));
        if let Some(sender) = &given.sender {
            let sender = [("name", &*sender.name), ("address", &*sender.address)];
            values.insert("sender".to_owned(), present(&sender));
        }
        if let Some(url) = &given.unsubscribe_url {
            values.insert("unsubscribe_url".to_owned(), url.clone().into());
        }
        let mut resolved = Map::new();
        for variable in variables {
            if let Some(value) = resolve(variable, &values) {
                resolved.insert(variable.name.clone(), value);
            }
        }
        // What a task filled under a name that is declared now is of another version: the declaration counts.
        let is_filled = |name: &str, value: &Value| !is_nothing(value) && !variables.iter().any(|v| v.name == name);
        resolved.extend(given.filled.into_iter().filter(|(name, value)| is_filled(name, value)));
        values.extend(resolved.iter().map(|(k, v)| (k.clone(), v.clone())));
        let Given { unsubscribe_url, sender, .. } = given;
        Self { values, variables: resolved, influencer, stage, unsubscribe_url, sender }
    }

    /// What conditions may ask about, with what became of the steps.
    pub fn facts(&self, steps: std::collections::BTreeMap<String, StepFacts>) -> Facts {
        let (influencer, variables) = (self.influencer.clone(), self.variables.clone());
        Facts { steps, influencer, stage: self.stage.clone(), variables }
    }

    /// Everything by name.
    pub(super) fn values(&self) -> &Map<String, Value> {
        &self.values
    }
}

/// The value of a variable: what it is set to, else where it comes from, else its default.
fn resolve(variable: &Variable, known: &Map<String, Value>) -> Option<Value> {
    if let Some(value) = &variable.value {
        return Some(value.clone());
    }
    let from = variable.from.as_deref().and_then(|path| {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let mut here = known.get(first)?;
        for part in rest.split('.').filter(|part| !part.is_empty()) {
            here = here.get(part)?;
        }
        Some(here.clone())
    });
    from.filter(|value| !is_nothing(value)).or_else(|| variable.default.clone())
}
