//! `liaison config check`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::terminal::Out;
use super::{Global, desk, environment, stop};
use crate::config::{self, Secrets};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say everything that is wrong with the configuration, with its place
    Check,
}

pub(super) fn run(global: &Global, command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    let ConfigCommand::Check = command;
    let out = Out::new(global);
    let path = desk::config_file(global);
    let fine = if out.is_json() {
        let (fine, findings) = match config::load_with(&path, environment(), Secrets::Check) {
            Ok(loaded) => (true, loaded.warnings),
            Err(findings) => (false, findings.0),
        };
        let findings: Vec<_> = findings.iter().map(config::Finding::to_json).collect();
        out.json(&json!({"ok": fine, "findings": findings}))?;
        fine
    } else {
        let (text, fine) = config::check(&path, environment(), out.colour());
        out.own(&text)?;
        fine
    };
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(stop::CONFIG) })
}
