//! `liaison sequence …`.

use std::process::ExitCode;

use clap::Subcommand;

use super::Global;

mod check;
mod enroll;
mod files;
mod preview;
mod simulate;
mod stats;
mod steer;
mod test;
mod write;

#[derive(Debug, Subcommand)]
pub(super) enum SequenceCommand {
    #[command(flatten)]
    Write(write::WriteCommand),
    /// See what a sequence would do, when and why; nothing is sent
    Simulate(Box<simulate::SimulateArgs>),
    /// Run the tests that stand beside sequences (tests.toml)
    Test(test::TestArgs),
    #[command(flatten)]
    Steer(steer::SteerCommand),
}

impl SequenceCommand {
    /// Whether it looks at what is kept.
    pub(super) fn opens_the_store(&self) -> bool {
        match self {
            Self::Write(command) => command.opens_the_store(),
            Self::Test(_) => false,
            Self::Steer(_) | Self::Simulate(_) => true,
        }
    }
}

pub(super) async fn run(global: &Global, command: SequenceCommand) -> anyhow::Result<ExitCode> {
    match command {
        SequenceCommand::Write(command) => Box::pin(write::run(global, command)).await,
        SequenceCommand::Simulate(mut args) => Box::pin(simulate::run(global, &mut args)).await,
        SequenceCommand::Test(args) => Box::pin(test::run(global, &args)).await,
        SequenceCommand::Steer(command) => Box::pin(steer::run(global, command)).await,
    }
}
