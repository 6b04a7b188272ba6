//! `liaison init`: the shipped example configuration, to be edited.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::Global;
use super::stop::Stop;
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

/// The folder of the first sequence.
const FIRST: &str = "first-note";

/// Writes a file that must not be there yet.
pub(super) fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let cant = || format!("{} can't be written", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).with_context(cant)?;
    file.write_all(text.as_bytes()).with_context(cant)
}

pub(super) fn run(global: &Global, args: &InitArgs) -> anyhow::Result<ExitCode> {
    let folder = args.dir.join("sequences").join(FIRST);
    let mut files =
        vec![(args.dir.join("liaison.toml"), CONFIG.to_owned()), (args.dir.join("stages.toml"), SHIPPED.to_owned())];
    files.extend(first::files("First note", "hello").into_iter().map(|(name, text)| (folder.join(name), text)));
    if let Some((there, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        let words = format!("{} is there already; nothing was written", there.display());
        return Err(Stop::failed(words).into());
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    for (path, text) in &files {
        write_new(path, text)?;
    }
    let out = Out::new(global);
    if out.is_json() {
        let written: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
        out.json(&json!({"written": written}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (path, _) in &files {
        out.say(&format!("wrote {}", path.display()))?;
    }
    let there = if args.dir == Path::new(".") { String::new() } else { format!("cd {} && ", args.dir.display()) };
    out.say(&format!(
        "\nNext:\n  1. Write your mailbox into liaison.toml ([accounts.hello]) and put its password into a file.\n  \
         2. {there}liaison config check   names every mistake with its place\n  \
         3. {there}liaison doctor         looks whether the mailbox can be reached\n  \
         4. {there}liaison serve          reads and sends mail until you stop it"
    ))?;
    Ok(ExitCode::SUCCESS)
}
