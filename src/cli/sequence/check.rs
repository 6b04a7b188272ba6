//! `liaison sequence check`: everything that is wrong or doubtful, against the files and, where there is a store, against those
//! who are in the sequences.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::write::configuration;
use crate::app;
use crate::cli::terminal::{Out, remark};
use crate::cli::{Global, desk, stop};
use crate::config::{self, Config, Database, Finding, Severity};
use crate::sequence::{self, Known, Loaded, Standing, simulate};
use crate::store::{Store, StoreError};

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Only this one
    id: Option<String>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Fail on warnings too
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// Annotations of a GitHub workflow
    Github,
}

pub(super) async fn check(global: &Global, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = configuration(global)?;
    let store = open(global).await;
    let standing = match &store {
        Some(store) => Some(Standing::read(&mut store.read().await?).await?),
        None => None,
    };
    let known = match &standing {
        Some(standing) => standing.known(&config),
        None => Known { config: &config, live: None, audience: None },
    };
    let mut loaded = match &args.id {
        Some(id) => sequence::load_one(&known, id),
        None => sequence::load(&known),
    };
    if let Some(store) = &store {
        let absent = sequence::absent(&mut store.read().await?, &loaded.ids).await?;
        let asked = |id: &String| args.id.as_ref().is_none_or(|one| one == id);
        loaded.findings.extend(absent.iter().filter(|absent| asked(&absent.id)).map(sequence::Absent::finding));
        store.close().await;
    }
    loaded.findings.extend(tests(&config, &loaded));
    let out = Out::new(global);
    let errors = loaded.errors();
    let warnings = loaded.findings.len() - errors;
    let fine = errors == 0 && !(args.deny_warnings && warnings > 0);
    match args.format {
        Format::Json => out.json(&report(&loaded, fine))?,
        Format::Text if out.is_json() => out.json(&report(&loaded, fine))?,
        Format::Github => {
            for finding in &loaded.findings {
                out.say(&annotation(finding))?;
            }
        }
        Format::Text => {
            for finding in loaded.findings.iter().take(config::finding::FINDINGS_SHOWN_MAX) {
                out.own(&format!("{}\n\n", finding.render(out.colour())))?;
            }
            let sequences = config::finding::count(loaded.ids.len(), "sequence");
            let words = format!(
                "{sequences} looked at: {}, {}",
                config::finding::count(errors, "error"),
                config::finding::count(warnings, "warning")
            );
            out.say(&words)?;
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(stop::FAILED) })
}

/// The store, where there is one that can be opened. A check makes none.
async fn open(global: &Global) -> Option<Store> {
    let config = desk::load(global).ok()?;
    match &config.storage.database {
        Database::Sqlite { path } if !path.exists() => return None,
        Database::Sqlite { .. } | Database::Postgres { .. } => {}
    }
    let opened: Result<Store, StoreError> = Store::open(&app::place_of(&config)).await;
    match opened {
        Ok(store) => Some(store),
        Err(error) => {
            remark(&format!("who is in the sequences is not looked at: {error}"));
            None
        }
    }
}

/// What is wrong with the tests beside sequences.
fn tests(config: &Config, loaded: &Loaded) -> Vec<Finding> {
    let zone = app::house_of(config).zone;
    let read = |definition: &crate::domain::sequence::Definition| {
        let folder = config.outreach.sequences.join(&definition.id);
        simulate::read_tests(&folder, &zone, definition).map(simulate::Tests::findings)
    };
    loaded.definitions.iter().filter_map(|(definition, _)| read(definition)).flatten().collect()
}

fn report(loaded: &Loaded, fine: bool) -> serde_json::Value {
    let sequences: Vec<_> = loaded
        .definitions
        .iter()
        .map(|(definition, hash)| json!({"id": definition.id, "hash": hash, "steps": definition.steps.len()}))
        .collect();
    let findings: Vec<_> = loaded.findings.iter().map(Finding::to_json).collect();
    json!({"ok": fine, "sequences": sequences, "findings": findings})
}

/// A finding as a GitHub workflow reads it, on one line.
fn annotation(finding: &Finding) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = finding.place.as_ref().map_or_else(String::new, |place| {
        format!("file={},line={},col={},", property(&place.file), place.line, place.column)
    });
    let hint = finding.hint.as_ref().map_or_else(String::new, |hint| format!("\n{hint}"));
    let code = finding.code.unwrap_or("liaison");
    format!("::{level} {place}title={code}::{}", escape(&format!("{}{hint}", finding.message)))
}
