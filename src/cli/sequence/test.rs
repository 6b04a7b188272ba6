//! `liaison sequence test`: the tests that stand beside sequences, run through the engine itself.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::super::terminal::Out;
use super::super::{Global, stop};
use super::write::configuration;
use crate::app::{self, simulate as engine};
use crate::config::finding::count;
use crate::config::{Finding, Severity};
use crate::sequence::{self, Known, simulate};

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArgs {
    /// Only this sequence
    id: Option<String>,
}

pub(super) async fn run(global: &Global, args: &TestArgs) -> anyhow::Result<ExitCode> {
    let config = configuration(global)?;
    let known = Known { config: &config, live: None, audience: None };
    let loaded = match &args.id {
        Some(id) => sequence::load_one(&known, id),
        None => sequence::load(&known),
    };
    let house = app::house_of(&config);
    let mut findings: Vec<Finding> =
        loaded.findings.iter().filter(|f| f.severity == Severity::Error).cloned().collect();
    let (mut run, mut failed) = (0, 0);
    for (definition, hash) in &loaded.definitions {
        let folder = config.outreach.sequences.join(&definition.id);
        let Some(mut tests) = simulate::read_tests(&folder, &house.zone, definition) else { continue };
        if tests.is_readable() {
            run += tests.tests.len();
            engine::run_tests((definition, hash), &house, &config.stages, &mut tests).await?;
            failed += tests.failed();
        }
        findings.extend(tests.findings());
    }
    let out = Out::new(global);
    let fine = findings.iter().all(|f| f.severity != Severity::Error);
    if out.is_json() {
        let findings: Vec<_> = findings.iter().map(Finding::to_json).collect();
        out.json(&json!({"ok": fine, "tests": run, "failed": failed, "findings": findings}))?;
    } else {
        for finding in &findings {
            out.own(&format!("{}\n\n", finding.render(out.colour())))?;
        }
        out.say(&format!("{} run: {failed} failed", count(run, "test")))?;
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(stop::FAILED) })
}
