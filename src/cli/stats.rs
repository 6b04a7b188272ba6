//! `liaison stats stages`: what happened by stage.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::desk::Desk;
use super::{Global, date};
use crate::domain::time::Micros;
use crate::hub::stage_stats::{StageStats, stage_stats};

#[derive(Debug, Subcommand)]
pub(super) enum StatsCommand {
    /// By stage: what was sent, opened, clicked and answered, who moved on, and how long it took
    Stages {
        /// From this day or instant on
        #[arg(long, value_name = "DATE", value_parser = date::parse)]
        since: Option<Micros>,
        /// Before this day or instant
        #[arg(long, value_name = "DATE", value_parser = date::parse)]
        until: Option<Micros>,
    },
}

pub(super) async fn run(global: &Global, command: StatsCommand) -> anyhow::Result<ExitCode> {
    let StatsCommand::Stages { since, until } = command;
    let desk = Desk::open(global).await?;
    let within = (since.unwrap_or(Micros(i64::MIN)), until.unwrap_or(Micros(i64::MAX)));
    let list = stage_stats(&mut desk.store.read().await?, within).await?;
    if desk.out.is_json() {
        desk.out.json(&json!({"data": list}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |s: &StageStats| {
        vec![
            s.stage.clone(),
            s.people.to_string(),
            s.sends.to_string(),
            format!("{} (+{})", s.opens, s.machine_opens),
            s.clicks.to_string(),
            s.replies.to_string(),
            format!("{} of {}", s.moved_on, s.left),
            s.conversion.map(|c| format!("{:.0} %", c * 100.0)).unwrap_or_default(),
            s.median_stay.map(stay).unwrap_or_default(),
        ]
    };
    let head =
        ["stage", "now", "sends", "opens (+machines)", "clicks", "replies", "moved on", "conversion", "median stay"];
    desk.out.table(&head, list.iter().map(row).collect())?;
    Ok(ExitCode::SUCCESS)
}

/// A length of time in the unit that says most.
fn stay(seconds: i64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} hours", seconds / 3_600),
        _ => format!("{} minutes", seconds / 60),
    }
}
