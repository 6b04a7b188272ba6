//! `liaison sequence …`.

use std::process::ExitCode;

use clap::Subcommand;

use super::Global;

mod enroll;
mod files;
mod stats;
mod steer;
mod write;

#[derive(Debug, Subcommand)]
pub(super) enum SequenceCommand {
    #[command(flatten)]
    Write(write::WriteCommand),
    #[command(flatten)]
    Steer(steer::SteerCommand),
}

impl SequenceCommand {
    /// Whether it looks at what is kept.
    pub(super) fn opens_the_store(&self) -> bool {
        match self {
            Self::Write(command) => command.opens_the_store(),
            Self::Steer(_) => true,
        }
    }
}

pub(super) async fn run(global: &Global, command: SequenceCommand) -> anyhow::Result<ExitCode> {
    match command {
        SequenceCommand::Write(command) => write::run(global, command).await,
        SequenceCommand::Steer(command) => steer::run(global, command).await,
    }
}
