//! `liaison teammate …`: our own people. They stand in the configuration; nothing is changed here, and no database is needed.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Global;
use super::desk::load;
use super::terminal::Out;
use crate::config::Teammate;

#[derive(Debug, Subcommand)]
pub(super) enum TeammateCommand {
    /// List all that the configuration declares
    List,
}

pub(super) fn run(global: &Global, command: &TeammateCommand) -> anyhow::Result<ExitCode> {
    let TeammateCommand::List = command;
    let (config, out) = (load(global)?, Out::new(global));
    let teammates = config.teammates.values();
    let last_name = |t: &Teammate| t.last_name.clone().unwrap_or_default();
    let email = |t: &Teammate| t.emails.first().cloned().unwrap_or_default();
    if out.is_json() {
        // As `GET /v1/teammates` answers.
        let shown = |t: &Teammate| json!({"id": t.id, "first_name": t.first_name, "last_name": last_name(t), "email": email(t)});
        out.json(&json!({"data": teammates.map(shown).collect::<Vec<_>>(), "next_cursor": null}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if config.teammates.is_empty() {
        out.say("No teammates are declared: write [teammates.NAME] with first_name and email into the configuration.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |t: &Teammate| {
        let name = format!("{} {}", t.first_name, last_name(t));
        vec![t.id.clone(), name.trim_end().to_owned(), email(t)]
    };
    out.table(&["id", "name", "address"], teammates.map(row).collect())?;
    Ok(ExitCode::SUCCESS)
}
