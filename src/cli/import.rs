//! `influencer import` and `agent import`: people from a CSV file.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::desk::Desk;
use super::stop::Stop;
use super::terminal::{bar, remark};
use super::{Global, stop};
use crate::hub::import::{self, Asker, FILE_MAX, ImportOptions, ImportReport, Progress};

/// Failed rows that are shown one by one.
const SHOWN_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// A CSV file in UTF-8; `-` reads standard input
    file: PathBuf,
    /// A column that is called otherwise in the file, as in --map "Their Column=email"
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = mapping)]
    map: Vec<(String, String)>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Write the rows that are left out here, with their line and what is wrong
    #[arg(long, value_name = "FILE.csv")]
    failed: Option<PathBuf>,
}

/// Which people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Influencers,
    Agents,
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let pair = text.rsplit_once('=').map(|(column, field)| (column.trim().to_owned(), field.trim().to_owned()));
    pair.filter(|(column, field)| !column.is_empty() && !field.is_empty())
        .ok_or_else(|| "write COLUMN=FIELD, for instance \"E-Mail=email\"".to_owned())
}

/// Reads a file, or standard input, up to a limit.
pub(super) fn read(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut octets).context("standard input can't be read")?;
    } else {
        let cant = || format!("{} can't be read", path.display());
        std::fs::File::open(path).with_context(cant)?.take(limit).read_to_end(&mut octets).with_context(cant)?;
    }
    if octets.len() > most {
        return Err(Stop::failed(format!("{} has more than {most} octets", path.display())).into());
    }
    Ok(octets)
}

pub(super) async fn run(global: &Global, args: ImportArgs, sort: Sort) -> anyhow::Result<ExitCode> {
    let text = read(&args.file, FILE_MAX)?;
    let desk = Desk::open(global).await?;
    let teammates: Vec<String> = desk.config.teammates.keys().cloned().collect();
    let options = ImportOptions {
        phone_region: desk.config.phone_region.clone(),
        source: args.file.file_name().map_or_else(|| "standard input".into(), |n| n.to_string_lossy().into_owned()),
        mapping: args.map.clone(),
        dry_run: args.dry_run,
        stages: desk.stages.clone(),
        owners: (!teammates.is_empty()).then_some(teammates),
        asker: Asker::Terminal,
    };
    let bar = bar(u64::try_from(text.len()).unwrap_or(u64::MAX));
    let mut progress = |p: Progress| {
        bar.set_position(p.octets);
        bar.set_message(format!("{} rows", p.rows));
    };
    let done = match sort {
        Sort::Influencers => import::import_influencers(&desk.store, &desk.clock, &text, &options, &mut progress).await,
        Sort::Agents => import::import_agents(&desk.store, &desk.clock, &text, &options, &mut progress).await,
    };
    bar.finish_and_clear();
    let report = done.with_context(|| format!("{} was not imported", args.file.display()))?;
    if let Some(path) = &args.failed {
        std::fs::write(path, report.failed_csv()).with_context(|| format!("{} can't be written", path.display()))?;
    }
    tell(&desk, &report, &args, sort)?;
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(stop::FAILED) })
}

fn tell(desk: &Desk, report: &ImportReport, args: &ImportArgs, sort: Sort) -> anyhow::Result<()> {
    if desk.out.is_json() {
        return desk.out.json(report);
    }
    let people = if sort == Sort::Agents { "agents" } else { "influencers" };
    let would = if report.dry_run { "Nothing was written. An import would say:\n" } else { "" };
    let agents =
        if report.agents_created > 0 { format!(", {} agents added", report.agents_created) } else { String::new() };
    desk.out.say(&format!(
        "{would}{} rows: {} {people} added, {} updated, {} unchanged{agents}, {} rows left out",
        report.rows,
        report.created,
        report.updated,
        report.unchanged,
        report.failed.len()
    ))?;
    for note in &report.notes {
        desk.out.say(&format!("note: {note}"))?;
    }
    for told in report.remarks.iter().take(SHOWN_MAX) {
        desk.out.say(&format!("line {}: {}", told.line, told.remark))?;
    }
    if report.remarks.len() > SHOWN_MAX {
        desk.out.say(&format!("… and {} more such lines", report.remarks.len() - SHOWN_MAX))?;
    }
    for failed in report.failed.iter().take(SHOWN_MAX) {
        desk.out.say(&format!("line {}: {}", failed.line, failed.reasons.join("; ")))?;
    }
    if report.failed.len() > SHOWN_MAX {
        desk.out.say(&format!("… and {} more", report.failed.len() - SHOWN_MAX))?;
    }
    match &args.failed {
        Some(path) => desk.out.say(&format!("The rows left out are in {}.", path.display())),
        None if !report.failed.is_empty() => {
            remark("--failed FILE.csv writes the rows that are left out, to be put right and imported again");
            Ok(())
        }
        None => Ok(()),
    }
}
