//! What the stand-ins of providers were asked, kept for another program to judge.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The folder of what is kept; nothing is where it is not named.
const FOLDER: &str = "LIAISON_PROVE_KEPT";

/// A request as it came over the wire, as far as a description of an interface speaks of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) method: String,
    /// The path and the query, as they were written.
    pub(crate) target: String,
    pub(crate) authorization: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

fn file(provider: &str) -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(|folder| PathBuf::from(folder).join(format!("{provider}.jsonl")))
}

/// Adds a request to those of its provider.
pub(crate) fn keep(provider: &str, request: impl FnOnce() -> Kept) {
    let Some(path) = file(provider) else { return };
    let mut line = serde_json::to_string(&request()).unwrap();
    line.push('\n');
    // One write to a file that is only added to: others may write beside.
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
}

/// What was kept of a provider, each once.
pub(crate) fn read(provider: &str) -> Vec<Kept> {
    let path = file(provider).unwrap_or_else(|| panic!("{FOLDER} is not set: tests/prove prism"));
    let text =
        std::io::read_to_string(File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap();
    let all: std::collections::BTreeSet<Kept> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    all.into_iter().collect()
}
