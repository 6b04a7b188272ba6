//! `liaison relay …`: where the team hears of what influencers write, and whether it does.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Global;
use super::desk::Desk;
use super::terminal::{clean_line, short};
use crate::hub::relay::standing::{RelayView, standing};

#[derive(Debug, Subcommand)]
pub(super) enum RelayCommand {
    /// List them, with what waits and why
    List,
}

pub(super) async fn run(global: &Global, command: RelayCommand) -> anyhow::Result<ExitCode> {
    let RelayCommand::List = command;
    let desk = Desk::open(global).await?;
    let mut tx = desk.store.read().await?;
    let views = standing(&mut tx, &desk.config.relays).await?;
    if desk.out.is_json() {
        // As `GET /v1/relays` answers.
        desk.out.json(&json!({"data": views, "next_cursor": null}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if views.is_empty() {
        desk.out.say(
            "There are no relays: write [relays.NAME] with account, and channel or teammate, into the configuration.",
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |view: &RelayView| {
        let since = view.waiting_since.map(|since| format!(" since {}", desk.out.time(since))).unwrap_or_default();
        vec![
            view.id.clone(),
            view.account.clone(),
            view.place.clone(),
            if view.waiting > 0 { format!("{} waiting{since}", view.waiting) } else { "nothing waits".to_owned() },
            if view.failed > 0 { format!("{} given up", view.failed) } else { String::new() },
            clean_line(&short(view.trouble.as_deref().unwrap_or_default(), 120)),
        ]
    };
    desk.out.table(&["name", "account", "where", "to be shown", "", "why"], views.iter().map(row).collect())?;
    Ok(ExitCode::SUCCESS)
}
