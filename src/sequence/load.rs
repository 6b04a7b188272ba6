//! Reads the folder of sequences: each folder in it is one, with its `sequence.toml` and its templates.
//!
//! All findings come at once. A sequence with an error gives no definition; the others do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::codes::{self, Code};
use super::lint;
use crate::config::reader::{Found, Reader, Secrets, Section, SortCodes};
use crate::config::source::Span;
use crate::config::{Config, Finding, Severity, read_text, tree};
use crate::domain::sequence::Definition;

mod draft;
mod settings;
mod steps;
mod templates;

pub(super) use draft::{Draft, DraftStep, Script};

/// Most sequences.
pub const SEQUENCES_MAX: usize = 500;
/// Most files in the folder of one.
pub const FILES_MAX: usize = 200;
/// Most findings of one sequence that are kept.
pub const FINDINGS_MAX: usize = 500;

/// Steps in which people are, by sequence.
pub type Live = BTreeMap<String, BTreeSet<String>>;

/// What sequences are judged against.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Steps in which people are; empty where nothing is known of that.
    pub live: Option<&'a Live>,
    /// How many influencers are in each stage, where that is known.
    pub audience: Option<&'a BTreeMap<String, u64>>,
}

/// A definition and its hash: SHA-256 of its canonical JSON, in hexadecimal.
pub type Published = (Definition, String);

/// What reading gave.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Sequences without errors, by id.
    pub definitions: Vec<Published>,
    /// What is wrong or doubtful, sequence by sequence.
    pub findings: Vec<Finding>,
    /// The ids of all folders that were looked at.
    pub ids: Vec<String>,
}

impl Loaded {
    /// How many findings are errors.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|f| f.severity == Severity::Error).count()
    }
}

/// Reads every sequence. No folder of sequences is no sequences.
pub fn load(known: &Known<'_>) -> Loaded {
    let folder = &known.config.outreach.sequences;
    let mut loaded = Loaded::default();
    let mut ids = match folders(folder) {
        Ok(ids) => ids,
        Err(message) => {
            loaded.findings.push(bare(codes::FOLDER, &message, "let the program read it"));
            return loaded;
        }
    };
    if ids.len() > SEQUENCES_MAX {
        let message = format!("{} holds more than {SEQUENCES_MAX} sequences", folder.display());
        loaded.findings.push(bare(codes::TOO_MUCH, &message, "move those you don't use elsewhere"));
        ids.truncate(SEQUENCES_MAX);
    }
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for id in ids {
        let alike = id.to_lowercase().replace('-', "_");
        if let Some(other) = seen.insert(alike, id.clone()) {
            let message = format!("the folders `{other}` and `{id}` would be one sequence");
            loaded.findings.push(bare(
                codes::FOLDER,
                &message,
                "give each a name that differs in more than case, - and _",
            ));
            loaded.ids.push(id);
            continue;
        }
        let one = load_one(known, &id);
        loaded.definitions.extend(one.definitions);
        loaded.findings.extend(one.findings);
        loaded.ids.push(id);
    }
    loaded
}

/// Reads one sequence.
pub fn load_one(known: &Known<'_>, id: &str) -> Loaded {
    let mut loaded = Loaded { ids: vec![id.to_owned()], ..Loaded::default() };
    if !is_id(id) {
        let shown: String = id.chars().take(60).collect();
        let hint = "lower-case letters, digits, - and _, a letter or digit first, at most 60";
        loaded.findings.push(bare(codes::FOLDER, &format!("`{shown}` can't be the id of a sequence"), hint));
        return loaded;
    }
    let folder = known.config.outreach.sequences.join(id);
    if folder.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        let message = format!("there is no sequence `{id}` in {}", shown(&known.config.outreach.sequences));
        let there = folders(&known.config.outreach.sequences).unwrap_or_default();
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        let hint = settings::did_you_mean(id, &there, "sequences");
        loaded.ids.clear();
        loaded.findings.push(bare(codes::NO_SEQUENCE, &message, &hint));
        return loaded;
    }
    let path = folder.join("sequence.toml");
    let text = match read_text(&path) {
        Ok(text) => text,
        Err((message, _)) => {
            let hint = "each folder of the sequences holds a sequence.toml; `liaison sequence new ID` writes one";
            loaded.findings.push(bare(codes::NO_TEMPLATE, &message, hint));
            return loaded;
        }
    };
    let sort_codes = SortCodes {
        syntax: codes::SYNTAX.id,
        missing: codes::MISSING_KEY.id,
        unknown: codes::UNKNOWN_KEY.id,
        value: codes::BAD_VALUE.id,
    };
    let mut r = Reader::new(&folder, BTreeMap::new(), Secrets::Skip).with_codes(sort_codes);
    // Nobody keeps a secret here, and people look for what they wrote.
    r.sources.show_everything();
    let definition = read(&mut r, known, id, &path, &text);
    let failed = r.has_errors();
    loaded.findings = r.findings();
    loaded.findings.truncate(FINDINGS_MAX);
    if let Some(definition) = definition.filter(|_| !failed) {
        let hash = hash(&definition);
        loaded.definitions.push((definition, hash));
    }
    loaded
}

fn read(r: &mut Reader, known: &Known<'_>, id: &str, path: &Path, text: &str) -> Option<Definition> {
    let source = r.sources.add(shown(path), text.to_owned());
    let table = tree::parse(r, source, text);
    // A file too broken to be read says nothing about what would be missing in it.
    let broken = r.has_errors();
    let mut root = Section::new(&table, "");
    let mut draft = Draft::new(id, Span { source, start: 0, end: 0 });
    settings::read(&mut root, r, known, &mut draft);
    steps::read(&mut root, r, known, &mut draft);
    templates::look_for_unused(r, &mut draft);
    root.finish(r);
    if broken {
        return None;
    }
    draft.is_whole = !r.has_errors();
    lint::judge(r, known, &draft);
    Some(draft.finish())
}

/// SHA-256 of the canonical JSON of a definition: keys of objects in order, no white space.
pub fn hash(definition: &Definition) -> String {
    use std::fmt::Write as _;
    let json = serde_json::to_value(definition).unwrap_or_default().to_string();
    Sha256::digest(json.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, octet| {
        // Writing to a string can't fail.
        write!(hex, "{octet:02x}").unwrap_or_default();
        hex
    })
}

/// The names of the folders in a folder, in order.
fn folders(folder: &Path) -> Result<Vec<String>, String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} can't be read: {error}", folder.display())),
    };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    Ok(names)
}

/// Whether a text can be the id of a sequence.
pub fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.len() <= 60
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

/// A path as people see it: from where they stand, if it is below. From the root it is whole.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok().filter(|here| here.parent().is_some());
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).display().to_string()
}

pub(super) fn bare(code: &Code, message: &str, hint: &str) -> Finding {
    Finding {
        code: Some(code.id),
        severity: code.severity,
        key: String::new(),
        message: message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        place: None,
        related: Vec::new(),
        hint: Some(hint.to_owned()),
    }
}

/// Raises a finding with its code.
pub(super) fn tell(r: &mut Reader, code: &Code, at: &Found<()>, message: impl AsRef<str>, hint: &str) {
    match code.severity {
        Severity::Error => r.error(at, message, hint),
        Severity::Warning => r.warn(at, message, hint),
    }
    r.code(code.id);
}

/// A place alone.
pub(super) fn place<T>(found: &Found<T>) -> Found<()> {
    Found { value: (), span: found.span, key: found.key.clone() }
}
