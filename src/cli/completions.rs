//! `liaison completions SHELL`: what a shell needs to complete commands.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::terminal::Out;
use super::{Cli, Global};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Which shell: write the output to where it looks, as in ~/.local/share/bash-completion/completions/liaison
    shell: Shell,
}

pub(super) fn run(global: &Global, args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "liaison", &mut script);
    Out::new(global).own(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
