//! `liaison sequence …`.

use std::process::ExitCode;

use clap::Subcommand;

use super::Global;

mod enroll;
mod files;
mod stats;
mod steer;

#[derive(Debug, Subcommand)]
pub(super) enum SequenceCommand {
    #[command(flatten)]
    Steer(steer::SteerCommand),
}

pub(super) async fn run(global: &Global, command: SequenceCommand) -> anyhow::Result<ExitCode> {
    match command {
        SequenceCommand::Steer(command) => steer::run(global, command).await,
    }
}
