//! `liaison config …`: what is wrong with the configuration, and what it says.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::terminal::{Out, clean_line};
use super::{Global, desk, environment, stop};
use crate::config::show::{Setting, show};
use crate::config::{self, Secrets};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say everything that is wrong with the configuration, with its place
    Check,
    /// Show every value and where it comes from: a file and line, an environment variable, or the default
    Show,
}

pub(super) fn run(global: &Global, command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    let out = Out::new(global);
    let fine = match command {
        ConfigCommand::Check => check(global, &out)?,
        ConfigCommand::Show => {
            print(&out, &show(&desk::config_file(global), environment())?)?;
            true
        }
    };
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(stop::CONFIG) })
}

fn check(global: &Global, out: &Out) -> anyhow::Result<bool> {
    let path = desk::config_file(global);
    if !out.is_json() {
        let (text, fine) = config::check(&path, environment(), out.colour());
        out.own(&text)?;
        return Ok(fine);
    }
    let (fine, findings) = match config::load_with(&path, environment(), Secrets::Check) {
        Ok(loaded) => (true, loaded.warnings),
        Err(findings) => (false, findings.0),
    };
    let findings: Vec<_> = findings.iter().map(config::Finding::to_json).collect();
    out.json(&json!({"ok": fine, "findings": findings}))?;
    Ok(fine)
}

fn print(out: &Out, settings: &[Setting]) -> anyhow::Result<()> {
    if out.is_json() {
        let settings: Vec<Value> = settings.iter().map(Setting::to_json).collect();
        return out.json(&json!({"settings": settings}));
    }
    for setting in settings {
        out.say(&clean_line(&setting.to_line()))?;
    }
    Ok(())
}
