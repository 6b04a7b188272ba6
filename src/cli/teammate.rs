//! `liaison teammate …`: our own people. They stand in the configuration; nothing is changed here, and no database is needed.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Global;
use super::desk::load;
use super::terminal::Out;
use crate::http::actions::Teammate;

#[derive(Debug, Subcommand)]
pub(super) enum TeammateCommand {
    /// List all that the configuration declares
    List,
}

pub(super) fn run(global: &Global, command: &TeammateCommand) -> anyhow::Result<ExitCode> {
    let TeammateCommand::List = command;
    let (config, out) = (load(global)?, Out::new(global));
    let teammates: Vec<Teammate> = config.teammates.values().map(Teammate::from).collect();
    if out.is_json() {
        out.json(&json!({"data": teammates, "next_cursor": null}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if teammates.is_empty() {
        out.say("No teammates are declared: write [teammates.NAME] with first_name and email into the configuration.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |t: &Teammate| {
        let name = format!("{} {}", t.first_name, t.last_name);
        vec![t.id.clone(), name.trim_end().to_owned(), t.email.clone()]
    };
    out.table(&["id", "name", "address"], teammates.iter().map(row).collect())?;
    Ok(ExitCode::SUCCESS)
}
