//! `liaison config check`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::terminal::Out;
use super::{Global, desk, environment, stop};
use crate::config::{self, Config, Finding, Secrets, Severity};
use crate::sequence::{self, Known};

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
            Ok(mut loaded) => {
                loaded.warnings.extend(of_sequences(&loaded.config));
                (true, loaded.warnings)
            }
            Err(findings) => (false, findings.0),
        };
        let findings: Vec<_> = findings.iter().map(config::Finding::to_json).collect();
        out.json(&json!({"ok": fine, "findings": findings}))?;
        fine
    } else {
        let (text, fine) = config::check(&path, environment(), out.colour());
        out.own(&text)?;
        let loaded = if fine { config::load_with(&path, environment(), Secrets::Skip).ok() } else { None };
        for finding in loaded.iter().filter_map(|loaded| of_sequences(&loaded.config)) {
            out.own(&format!("{}\n", finding.render(out.colour())))?;
        }
        fine
    };
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(stop::CONFIG) })
}

/// What sequences want of the configuration and do not find there: told once, and only as a warning, for the rest of the hub
/// works without it. `liaison sequence check` calls it an error.
fn of_sequences(config: &Config) -> Option<Finding> {
    let loaded = sequence::load(&Known { config, live: None, audience: None });
    let found = loaded.findings.into_iter().find(|f| f.code == Some("L033"))?;
    Some(Finding { severity: Severity::Warning, ..found })
}
