//! The files of a sequence that are not on this machine, as a request hands them over: they are written into a folder that
//! lives as long as they are looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::load::{self, FILES_MAX, Known, Loaded};
use super::simulate::{self, Tests};
use crate::config::{Config, Finding, Severity};
use crate::domain::sequence::Definition;
use crate::domain::zone::Zone;

/// Octets of all files together: those of one mail, and the texts.
pub const FILES_OCTETS_MAX: usize = 6_000_000;
/// Characters of the name of a file.
const NAME_MAX: usize = 100;

/// What is in files, by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

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

/// The folder of a sequence: one of this machine, or one that was handed over and goes when this does.
#[derive(Debug)]
pub struct Folder {
    id: String,
    config: Config,
    written: Option<tempfile::TempDir>,
}

impl Folder {
    /// The one that stands among the sequences of the configuration.
    pub fn here(config: &Config, id: &str) -> Self {
        Self { id: id.to_owned(), config: config.clone(), written: None }
    }

    /// Writes down files that were handed over.
    ///
    /// # Errors
    /// Where a name is no name of a file, or there is too much.
    pub fn written(config: &Config, id: &str, files: &Files) -> Result<Self, FilesError> {
        judge_names(files)?;
        let folder = tempfile::tempdir()?;
        if load::is_id(id) {
            let own = folder.path().join(id);
            std::fs::create_dir(&own)?;
            for (name, content) in files {
                let path = own.join(name);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                std::fs::write(path, content)?;
            }
        }
        let mut config = config.clone();
        folder.path().clone_into(&mut config.outreach.sequences);
        Ok(Self { id: id.to_owned(), config, written: Some(folder) })
    }

    fn path(&self) -> PathBuf {
        self.config.outreach.sequences.join(&self.id)
    }

    /// Reads it, judged against what is known of live runs and people.
    pub fn load(&self, known: &Known<'_>) -> Loaded {
        let mut loaded = load::load_one(&Known { config: &self.config, ..*known }, &self.id);
        if self.written.is_some() {
            // Where they were written is nobody's affair.
            let prefix = format!("{}/", self.path().display());
            for finding in &mut loaded.findings {
                finding.message = finding.message.replace(&prefix, "");
                if let Some(place) = &mut finding.place {
                    place.file = place.file.replace(&prefix, "");
                }
            }
        }
        loaded
    }

    /// Reads it alone.
    pub fn load_alone(&self) -> Loaded {
        self.load(&Known { config: &self.config, live: None, audience: None })
    }

    /// The tests in it; none where there is no such file.
    pub fn tests(&self, zone: &Zone, definition: &Definition) -> Option<Tests> {
        simulate::read_tests(&self.path(), zone, definition)
    }

    /// Findings as programs read them, with the names of files as they were given: where they were written is nobody's affair.
    pub fn tell(&self, findings: &[Finding]) -> Vec<Value> {
        let own = self.path();
        findings.iter().map(|finding| without(&own, finding.to_json())).collect()
    }
}

/// What is wrong or doubtful with a sequence of this id made of these files, their tests included, as programs read it.
///
/// # Errors
/// Those of [`Folder::written`].
pub fn check_files(known: &Known<'_>, (id, zone): (&str, &Zone), files: &Files) -> Result<Value, FilesError> {
    let folder = Folder::written(known.config, id, files)?;
    let mut loaded = folder.load(known);
    if let Some((definition, _)) = loaded.definitions.first() {
        let tests = folder.tests(zone, definition);
        loaded.findings.extend(tests.map(Tests::findings).unwrap_or_default());
    }
    let errors = loaded.errors();
    let warnings = loaded.findings.iter().filter(|f| f.severity == Severity::Warning).count();
    let version = loaded.definitions.first().map(|(_, hash)| hash.clone());
    let findings = folder.tell(&loaded.findings);
    Ok(json!({"id": id, "errors": errors, "warnings": warnings, "version": version, "findings": findings}))
}

fn judge_names(files: &Files) -> Result<(), FilesError> {
    let wrong = |name: &str, why: &str| Err(FilesError::File(name.chars().take(80).collect(), why.to_owned()));
    if !files.contains_key("sequence.toml") {
        return wrong("sequence.toml", "there is no sequence.toml among the files");
    }
    if files.len() > FILES_MAX {
        return wrong("", "there are more files than one sequence may have");
    }
    if files.values().map(Vec::len).sum::<usize>() > FILES_OCTETS_MAX {
        return wrong("", "the files are larger than is taken here");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    for name in files.keys() {
        let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
        if name.len() > NAME_MAX || !name.split('/').all(part) {
            return wrong(name, "a file is named with letters, digits, `.`, `-` and `_`, and begins with no dot");
        }
    }
    // `a` and `a/b` can't both be files.
    let is_folder =
        |name: &String| files.keys().any(|other| other.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('/')));
    if let Some(name) = files.keys().find(|name| is_folder(name)) {
        return wrong(name, "it is a file and a folder at once: give one of the two another name");
    }
    Ok(())
}

fn without(folder: &Path, value: Value) -> Value {
    let prefix = format!("{}/", folder.display());
    match value {
        Value::String(text) => Value::String(text.replace(&prefix, "")),
        Value::Array(list) => list.into_iter().map(|v| without(folder, v)).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, without(folder, v))).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}
