//! `liaison init`: the shipped example configuration, to be edited.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::Global;
use super::terminal::Out;
use crate::config::stages::SHIPPED;
use crate::sequence::first;

/// The configuration, every key commented.
const CONFIG: &str = include_str!("../../config/liaison.toml");

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The folder
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
}

/// Where the package keeps its configuration.
const SYSTEM_DIR: &str = "/etc/liaison";
/// The folder of the first sequence.
const FIRST: &str = "first-note";

/// Writes a file that must not be there yet.
pub(super) fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let cant = || format!("{} can't be written", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).with_context(cant)?;
    file.write_all(text.as_bytes()).with_context(cant)
}

/// What is there already stays as it is: a package may have brought the configuration, and somebody may have edited it.
pub(super) fn run(global: &Global, args: &InitArgs) -> anyhow::Result<ExitCode> {
    let sequences = args.dir.join("sequences");
    let mut files =
        vec![(args.dir.join("liaison.toml"), CONFIG.to_owned()), (args.dir.join("stages.toml"), SHIPPED.to_owned())];
    let mut left = Vec::new();
    // Whoever has sequences wants no example among them, nor half of one.
    if holds_something(&sequences) {
        left.push(sequences);
    } else {
        let folder = sequences.join(FIRST);
        std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        files.extend(first::files("First note", "hello").into_iter().map(|(name, text)| (folder.join(name), text)));
    }
    let (there, missing): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| path.symlink_metadata().is_ok());
    for (path, text) in &missing {
        write_new(path, text)?;
    }
    let shown = |path: &PathBuf| path.display().to_string();
    let written: Vec<String> = missing.iter().map(|(path, _)| shown(path)).collect();
    let left: Vec<String> = there.iter().map(|(path, _)| path).chain(&left).map(shown).collect();
    let out = Out::new(global);
    if out.is_json() {
        out.json(&json!({"written": written, "left": left}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for path in &written {
        out.say(&format!("wrote {path}"))?;
    }
    for path in &left {
        out.say(&format!("left {path} as it was"))?;
    }
    out.say(&next(&args.dir))?;
    Ok(ExitCode::SUCCESS)
}

/// What to do now: where the unit that is shipped looks, it is the unit that starts the daemon and has the passwords.
fn next(dir: &Path) -> String {
    if dir == Path::new(SYSTEM_DIR) {
        return format!(
            "\nNext:\n  1. Write your mailbox into {SYSTEM_DIR}/liaison.toml ([accounts.hello]), its password into a file of\n     \
             {SYSTEM_DIR}/secrets: /usr/share/doc/liaison/operations.md.\n  \
             2. liaison config check             names every mistake with its place\n  \
             3. systemctl enable --now liaison   reads and sends mail from now on; journalctl -u liaison says how it goes\n  \
             4. liaison account test hello       looks whether the mailbox can be reached"
        );
    }
    let there = if dir == Path::new(".") { String::new() } else { format!("cd {} && ", dir.display()) };
    format!(
        "\nNext:\n  1. Write your mailbox into liaison.toml ([accounts.hello]) and put its password into a file.\n  \
         2. {there}liaison config check   names every mistake with its place\n  \
         3. {there}liaison doctor         looks whether the mailbox can be reached\n  \
         4. {there}liaison serve          reads and sends mail until you stop it"
    )
}

/// Whether a folder is there and not empty; what can't be looked into counts.
fn holds_something(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}
