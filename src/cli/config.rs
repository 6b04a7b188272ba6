//! `liaison config …`: what is wrong with the configuration, and what it says.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::terminal::{Out, clean_line};
use super::{Global, desk, environment, stop};
use crate::config::show::{Setting, show};
use crate::config::{self, Config, Finding, Secrets, Severity};
use crate::sequence::{self, Known};

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
    if out.is_json() {
        let (fine, findings) = match config::load_with(&path, environment(), Secrets::Check) {
            Ok(mut loaded) => {
                loaded.warnings.extend(of_sequences(&loaded.config));
                (true, loaded.warnings)
            }
            Err(findings) => (false, findings.0),
        };
        let findings: Vec<_> = findings.iter().map(config::Finding::to_json).collect();
        out.json(&json!({"ok": fine, "findings": findings}))?;
        return Ok(fine);
    }
    let (text, fine) = config::check(&path, environment(), out.colour());
    out.own(&text)?;
    let loaded = if fine { config::load_with(&path, environment(), Secrets::Skip).ok() } else { None };
    for finding in loaded.iter().filter_map(|loaded| of_sequences(&loaded.config)) {
        out.own(&format!("{}\n", finding.render(out.colour())))?;
    }
    Ok(fine)
}

/// What sequences want of the configuration and do not find there: told once, and only as a warning, for the rest of the hub
/// works without it. `liaison sequence check` calls it an error.
fn of_sequences(config: &Config) -> Option<Finding> {
    let loaded = sequence::load(&Known { config, live: None, audience: None });
    let found = loaded.findings.into_iter().find(|f| f.code == Some("L033"))?;
    Some(Finding { severity: Severity::Warning, ..found })
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
