//! Checking files that are not on this machine: they are written into a folder that lives as long as the check.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::load::{self, FILES_MAX, Known};
use crate::config::{Config, Severity};

/// Octets of all files together.
pub const FILES_OCTETS_MAX: usize = 1_000_000;
/// Characters of the name of a file.
const NAME_MAX: usize = 100;

/// Why the files can't be looked at: which one, and what is wrong.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It can't be a file of a sequence.
    #[error("{1}")]
    File(String, String),
    /// The machine.
    #[error("the files can't be written down: {0}")]
    Io(#[from] std::io::Error),
}

/// What is wrong or doubtful with a sequence of this id made of these files, as programs read it.
///
/// # Errors
/// Where a name is no name of a file, or there is too much.
pub fn check_files(known: &Known<'_>, id: &str, files: &BTreeMap<String, String>) -> Result<Value, FilesError> {
    judge_names(files)?;
    let folder = tempfile::tempdir()?;
    let own = folder.path().join(id);
    if load::is_id(id) {
        std::fs::create_dir(&own)?;
        for (name, text) in files {
            let path = own.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, text)?;
        }
    }
    let mut config: Config = known.config.clone();
    folder.path().clone_into(&mut config.outreach.sequences);
    let loaded = load::load_one(&Known { config: &config, ..*known }, id);
    let errors = loaded.errors();
    let warnings = loaded.findings.iter().filter(|f| f.severity == Severity::Warning).count();
    let findings: Vec<Value> = loaded.findings.iter().map(|f| without(&own, f.to_json())).collect();
    let version = loaded.definitions.first().map(|(_, hash)| hash.clone());
    Ok(json!({"id": id, "errors": errors, "warnings": warnings, "version": version, "findings": findings}))
}

fn judge_names(files: &BTreeMap<String, String>) -> Result<(), FilesError> {
    let wrong = |name: &str, why: &str| Err(FilesError::File(name.chars().take(80).collect(), why.to_owned()));
    if !files.contains_key("sequence.toml") {
        return wrong("sequence.toml", "there is no sequence.toml among the files");
    }
    if files.len() > FILES_MAX {
        return wrong("", "there are more files than one sequence may have");
    }
    if files.values().map(String::len).sum::<usize>() > FILES_OCTETS_MAX {
        return wrong("", "the files are larger than is taken here");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    for name in files.keys() {
        let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
        if name.len() > NAME_MAX || !name.split('/').all(part) {
            return wrong(name, "a file is named with letters, digits, `.`, `-` and `_`, and begins with no dot");
        }
    }
    Ok(())
}

/// The same with file names as they were given: where they were written is nobody's affair.
fn without(folder: &Path, value: Value) -> Value {
    let prefix = format!("{}/", folder.display());
    match value {
        Value::String(text) => Value::String(text.replace(&prefix, "")),
        Value::Array(list) => list.into_iter().map(|v| without(folder, v)).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, without(folder, v))).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}
