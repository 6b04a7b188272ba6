//! `LIAISON_SECTION__KEY` variables, laid over what the files say.

use std::ffi::OsString;

use super::reader::{Found, Reader};
use super::source::{Span, looks_secret};
use super::tree::{self, Entry, Node, Table, Value};

/// Every variable that begins so is a setting, but those below.
pub const PREFIX: &str = "LIAISON_";
/// Names for other uses; they are no settings.
pub const RESERVED: [&str; 3] = ["LIAISON_TEST_", "LIAISON_CORPORA", "LIAISON_CONFIG"];

/// The environment of this process, as far as it is text.
pub fn of_process() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text)
}

/// Lays the variables over the tree: a variable wins over every file.
pub(super) fn overlay(r: &mut Reader, root: &mut Table) {
    let mut named_by_secrets = Vec::new();
    secret_variables(root, &mut named_by_secrets);
    for (name, value) in r.env.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        if name.ends_with("__ENV") {
            named_by_secrets.push(value.clone());
        } else if value.trim_start().starts_with('{')
            && let Some(Value::Table(table)) = tree::parse_value(value)
        {
            secret_variables(&table, &mut named_by_secrets);
        }
    }
    let settings: Vec<(String, String)> = r
        .env
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX) && !is_reserved(name) && !named_by_secrets.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in settings {
        let source = r.sources.add_variable(&name, &value);
        let key_span = Span { source, start: 0, end: name.len() };
        let value_span = Span { source, start: name.len() + 1, end: name.len() + 1 + value.len() };
        if looks_secret(&name) {
            r.sources.mask(value_span);
        }
        let path = name.strip_prefix(PREFIX).unwrap_or("").to_lowercase();
        let node = Node { value: Value::Raw(value), span: value_span };
        let segments: Vec<&str> = path.split("__").collect();
        if segments.iter().any(|s| s.is_empty()) {
            let at = Found { value: (), span: key_span, key: name.clone() };
            r.error(&at, format!("`{name}` names no setting"), "the form is LIAISON_SECTION__KEY, or LIAISON_KEY");
            continue;
        }
        place(r, root, &segments, Entry { key: String::new(), key_span, node });
    }
}

fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| if reserved.ends_with('_') { name.starts_with(reserved) } else { name == *reserved })
}

/// The variables that `{ env = "NAME" }` names anywhere: they hold secrets, and may be called `LIAISON_…` as well.
fn secret_variables(table: &Table, names: &mut Vec<String>) {
    for entry in &table.entries {
        if let Value::Table(inner) = &entry.node.value {
            secret_variables(inner, names);
        } else if let (Value::Text(name), "env") = (&entry.node.value, entry.key.as_str()) {
            names.push(name.clone());
        }
    }
}

/// Sets one value. Names of accounts match whatever the case, and `-` is written `_`.
fn place(r: &mut Reader, table: &mut Table, segments: &[&str], mut new: Entry) {
    let Some((segment, rest)) = segments.split_first() else { return };
    let at = table.entries.iter().position(|e| e.key.to_lowercase().replace('-', "_") == segment.replace('-', "_"));
    if rest.is_empty() {
        new.key = segment.to_string();
        if is_secret_source(segment) && table.entries.iter().all(|e| is_secret_source(&e.key)) {
            table.entries.clear();
            table.entries.push(new);
            return;
        }
        match at.and_then(|at| table.entries.get_mut(at)) {
            Some(old) => {
                new.key.clone_from(&old.key);
                *old = new;
            }
            None => table.entries.push(new),
        }
        return;
    }
    let span = new.key_span;
    if at.is_none() {
        let inner = Table { entries: Vec::new(), span };
        let node = Node { value: Value::Table(inner), span };
        table.entries.push(Entry { key: (*segment).to_owned(), key_span: span, node });
    }
    let at = at.unwrap_or(table.entries.len() - 1);
    if let Some(Value::Table(inner)) = table.entries.get_mut(at).map(|e| &mut e.node.value) {
        place(r, inner, rest, new);
    } else {
        let here = Found { value: (), span, key: (*segment).to_owned() };
        r.error(&here, format!("`{segment}` is no section"), "the form is LIAISON_SECTION__KEY, or LIAISON_KEY");
    }
}

fn is_secret_source(key: &str) -> bool {
    matches!(key, "credential" | "file" | "env")
}
