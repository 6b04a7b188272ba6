//! Holds requests against Slack's own description of its Web API (Swagger 2, as published in 2021): the method is there, what it
//! requires is given, and every name is known. What is newer than the description is listed here, with the page that tells of it.

use std::path::Path;

use serde_json::Value;

use super::fake::Entry;

/// Arguments that came later.
const NEWER: &[(&str, &str)] = &[
    // https://docs.slack.dev/reference/methods/chat.postMessage
    ("chat.postMessage", "metadata"),
    // https://docs.slack.dev/reference/methods/conversations.history and .replies
    ("conversations.history", "include_all_metadata"),
    ("conversations.replies", "include_all_metadata"),
];
/// Methods that came later, and take no arguments: https://docs.slack.dev/reference/methods/apps.connections.open
const NEWER_METHODS: &[&str] = &["apps.connections.open"];

pub struct Description(Value);

impl Description {
    pub fn read(corpora: &Path) -> Self {
        let text =
            std::fs::read_to_string(corpora.join("providers/slack_web_openapi_v2.json")).expect("the description");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    /// What is wrong with a request.
    pub fn faults(&self, entry: &Entry) -> Vec<String> {
        let method = entry.method.as_str();
        let mut wrong = Vec::new();
        if entry.token.is_empty() {
            wrong.push(format!("{method}: no token"));
        }
        if NEWER_METHODS.contains(&method) {
            return wrong;
        }
        let Some(path) = self.0["paths"].get(format!("/{method}")).and_then(Value::as_object) else {
            return vec![format!("{method}: there is no such method")];
        };
        let known: Vec<&Value> = path.values().flat_map(|verb| verb["parameters"].as_array().unwrap()).collect();
        for parameter in known.iter().filter(|p| p["required"] == true && p["name"] != "token") {
            if !entry.arguments.contains_key(parameter["name"].as_str().unwrap()) {
                wrong.push(format!("{method}: {} is missing", parameter["name"]));
            }
        }
        for (name, value) in &entry.arguments {
            match known.iter().find(|p| p["name"] == name.as_str()) {
                Some(parameter) if !fits(parameter["type"].as_str().unwrap_or("string"), value) => {
                    wrong.push(format!("{method}: {name} is no {}: {value}", parameter["type"]));
                }
                None if !NEWER.contains(&(method, name.as_str())) => {
                    wrong.push(format!("{method}: {name} is not known"))
                }
                _ => {}
            }
        }
        wrong
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        "boolean" => value.is_boolean() || text.is_some_and(|t| t == "true" || t == "false"),
        "integer" => value.is_i64() || text.is_some_and(|t| t.parse::<i64>().is_ok()),
        "number" => value.is_number() || text.is_some_and(|t| t.parse::<f64>().is_ok()),
        _ => text.is_some(),
    }
}
