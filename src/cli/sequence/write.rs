//! `liaison sequence …`: write a sequence to begin with; checking and showing one stand beside.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::check::{self, CheckArgs};
use super::preview::{self, PreviewArgs};
use crate::cli::desk;
use crate::cli::init::write_new;
use crate::cli::stop::Stop;
use crate::cli::terminal::Out;
use crate::cli::{Global, environment};
use crate::config::{self, Config, Secrets};
use crate::sequence::{self, first};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WriteCommand {
    /// Write a sequence to begin with
    New {
        /// Its id, which is the name of its folder
        id: String,
        /// The account that sends; else the first one
        #[arg(long)]
        account: Option<String>,
    },
    /// Say everything that is wrong or doubtful, with its place
    Check(CheckArgs),
    /// Show the exact message an influencer would get, or send it to yourself
    Preview(PreviewArgs),
}

impl WriteCommand {
    /// Whether it looks at what is kept.
    pub(in crate::cli) fn opens_the_store(&self) -> bool {
        matches!(self, Self::Preview(_))
    }
}

pub(super) async fn run(global: &Global, command: WriteCommand) -> anyhow::Result<ExitCode> {
    match command {
        WriteCommand::New { id, account } => new(global, &id, account.as_deref()),
        WriteCommand::Check(args) => check::check(global, &args).await,
        WriteCommand::Preview(args) => preview::run(global, &args).await,
    }
}

/// The configuration as far as files can tell; passwords are not looked at.
pub(super) fn configuration(global: &Global) -> anyhow::Result<Config> {
    Ok(config::load_with(&desk::config_file(global), environment(), Secrets::Skip)?.config)
}

fn new(global: &Global, id: &str, account: Option<&str>) -> anyhow::Result<ExitCode> {
    let config = configuration(global)?;
    if !sequence::load::is_id(id) {
        let words = "lower-case letters, digits, - and _, a letter or digit first, at most 60";
        return Err(Stop::usage(format!("`{id}` can't be the id of a sequence: {words}")).into());
    }
    let account = match account {
        Some(name) if !config.accounts.contains_key(name) => {
            return Err(Stop::failed(format!("there is no account `{name}`")).into());
        }
        Some(name) => name.to_owned(),
        None => config.accounts.keys().next().cloned().unwrap_or_else(|| "hello".to_owned()),
    };
    let folder = config.outreach.sequences.join(id);
    if folder.symlink_metadata().is_ok() {
        return Err(Stop::failed(format!("{} is there already; nothing was written", folder.display())).into());
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let out = Out::new(global);
    let mut written = Vec::new();
    for (name, text) in first::files(&title(id), &account) {
        let path = folder.join(name);
        write_new(&path, &text)?;
        written.push(path.display().to_string());
    }
    if out.is_json() {
        out.json(&json!({"written": written}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for path in &written {
        out.say(&format!("wrote {path}"))?;
    }
    out.say(&format!(
        "\nNext:\n  1. Make it yours.\n  2. liaison sequence check {id}\n  3. liaison sequence preview {id} --as HANDLE"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// `spring-gifting` is "Spring gifting".
fn title(id: &str) -> String {
    let words = id.replace(['-', '_'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
