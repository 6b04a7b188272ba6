//! The files beside what is in force: what differs, moving live runs along, and a folder with another name.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::steer::unknown;
use crate::cli::desk::Desk;
use crate::cli::stop::{self, Stop};
use crate::cli::terminal::short;
use crate::cli::who;
use crate::config::Severity;
use crate::hub::outreach::{self, overview};
use crate::sequence::{self, Apply, Becomes, Known, Loaded, Moves, OldFolder, Planned};
use crate::store::{StoreError, Tx};

/// Runs that can't be moved and are shown one by one.
const SHOWN: usize = 50;

#[derive(Debug, Args)]
pub(in crate::cli) struct MigrateArgs {
    /// The sequence
    id: String,
    /// Only tell what would become of each live run
    #[arg(long, required_unless_present = "apply", conflicts_with = "apply")]
    plan: bool,
    /// Do it
    #[arg(long)]
    apply: bool,
}

fn read(desk: &Desk, id: &str) -> Loaded {
    sequence::load_one(&Known { config: &desk.config, live: None, audience: None }, id)
}

pub(super) async fn diff(desk: &Desk, id: &str) -> anyhow::Result<ExitCode> {
    let loaded = read(desk, id);
    let Some((definition, hash)) = loaded.definitions.first() else {
        if desk.out.is_json() {
            let findings: Vec<_> = loaded.findings.iter().map(crate::config::Finding::to_json).collect();
            desk.out.json(&json!({"findings": findings}))?;
        } else {
            for finding in loaded.findings.iter().filter(|f| f.severity == Severity::Error) {
                desk.out.own(&format!("{}\n", finding.render(desk.out.colour())))?;
            }
            desk.out.say("The files can't be used as they are, so there is nothing to compare.")?;
        }
        return Ok(ExitCode::from(stop::FAILED));
    };
    let found = sequence::compare(&mut desk.store.read().await?, definition, hash).await?;
    if desk.out.is_json() {
        desk.out.json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    for version in &found.unreadable {
        let (why, n, hash) = (&version.why, version.live, short(&version.version, 13));
        let in_force = if found.in_force.as_ref() == Some(&version.version) { ", which is in force" } else { "" };
        desk.out.aside(&format!("the version {hash}{in_force}: {why}; {n} live runs are on it and stand still"))?;
    }
    if found.in_force.is_none() {
        desk.out.say("Nothing of this sequence is in force yet; everything is new.")?;
    } else if found.changes.is_empty() {
        desk.out.say("The files say what is in force.")?;
    }
    for change in &found.changes {
        let live = change.live.map(|n| format!("  ({n} live runs have it before them)")).unwrap_or_default();
        desk.out.say(&format!("{}{live}", change.change))?;
    }
    if !found.changes.is_empty() {
        desk.out.aside("`liaison reload` puts the files in force for new runs; live ones stay with their version.")?;
    }
    if found.outdated > 0 {
        let n = found.outdated;
        desk.out.aside(&format!("{n} live runs are on an older version: `liaison sequence migrate {id} --plan`"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn migrate(desk: &Desk, args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let apply = if args.apply { Apply::Yes } else { Apply::No };
    let moves = sequence::migrate_all(&desk.store, &desk.clock, &args.id, apply).await?;
    let moves = moves.ok_or_else(|| unknown(&args.id))?;
    if args.apply {
        desk.wake().await;
    }
    if desk.out.is_json() {
        desk.out.json(&moves)?;
        return Ok(ExitCode::SUCCESS);
    }
    tell_moves(desk, args, &moves).await?;
    Ok(ExitCode::SUCCESS)
}

async fn tell_moves(desk: &Desk, args: &MigrateArgs, moves: &Moves) -> anyhow::Result<()> {
    if moves.groups.is_empty() {
        return desk.out.say("Every live run is on the version in force.");
    }
    let end = || "(the end)".to_owned();
    let rows = moves.groups.iter().map(|group| {
        let planned = match group.planned {
            None | Some(Planned::Nothing) => "",
            Some(Planned::Kept) => "what is planned stays",
            Some(Planned::Anew) => "what was planned is planned anew",
        };
        let goes_on = match group.becomes {
            Becomes::Moved => group.step.clone().unwrap_or_else(end),
            Becomes::Stays => "stays".to_owned(),
        };
        vec![
            group.runs.to_string(),
            short(&group.from_version, 13),
            group.from_step.clone().unwrap_or_else(end),
            goes_on,
            group.reason.clone().unwrap_or_else(|| planned.to_owned()),
        ]
    });
    let head = ["runs", "version", "at", "goes on at", ""];
    desk.out.table(&head, rows.collect())?;
    let stays: Vec<_> = moves.runs.iter().filter(|run| run.becomes == Becomes::Stays).take(SHOWN).collect();
    if !stays.is_empty() {
        let mut tx = desk.store.read().await?;
        let handles = who::handles(&mut tx, stays.iter().map(|run| run.influencer_id)).await?;
        desk.out.say("\nThese can't be moved:")?;
        for run in stays {
            let handle = handles.get(&run.influencer_id).cloned().unwrap_or_default();
            desk.out.say(&format!("  {handle}  {}", run.enrollment_id))?;
        }
    }
    if !args.apply {
        desk.out.aside(&format!("Nothing was written: `liaison sequence migrate {} --apply` does it.", args.id))?;
    }
    Ok(())
}

/// Whether the folder of a sequence is there, readable or not.
fn has_folder(desk: &Desk, id: &str) -> bool {
    sequence::load::is_id(id) && desk.config.outreach.sequences.join(id).symlink_metadata().is_ok()
}

pub(super) async fn remove(desk: &Desk, id: &str, yes: bool) -> anyhow::Result<ExitCode> {
    if has_folder(desk, id) {
        let words = format!(
            "the folder of `{id}` is still there, and the next reload would put it in force again: move it away, then \
             `liaison sequence remove {id}`; to stop for a while: `liaison sequence pause {id}`"
        );
        return Err(Stop::failed(words).into());
    }
    let view = overview::get(&mut desk.store.read().await?, id).await?.ok_or_else(|| unknown(id))?;
    if !yes {
        let question = format!("This ends `{id}` and stops its {}", count(view.runs.live, "live run"));
        if desk.out.is_json() || !std::io::stdin().is_terminal() {
            return Err(Stop::usage(format!("{question}: say --yes to do it")).into());
        }
        desk.out.say(&format!("{question}. Go on? [y/N]"))?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            desk.out.say("Nothing was changed.")?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    let work = async |tx: &mut Tx| Ok(sequence::remove(tx, &desk.clock, id).await?.ok_or_else(|| unknown(id))?);
    let stopped = desk.change("cli.sequence_remove", work).await?;
    desk.wake().await;
    end_runs(desk).await;
    if desk.out.is_json() {
        desk.out.json(&json!({"sequence": id, "stopped": stopped}))?;
    } else {
        let runs = count(i64::try_from(stopped).unwrap_or(i64::MAX), "live run");
        desk.out.say(&format!("{id} is removed; {runs} stopped"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends the runs of what was removed. Where that does not come to its end, the daemon carries it on; nothing of them leaves.
async fn end_runs(desk: &Desk) {
    loop {
        match outreach::end_removed(&desk.store, &desk.clock, outreach::BATCH).await {
            Ok(0) => return,
            Ok(_) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return tracing::warn!(%error, "its runs are ended by the daemon"),
        }
    }
}

fn count(n: i64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

pub(super) async fn rename(desk: &Desk, old: &str, new: &str) -> anyhow::Result<ExitCode> {
    let there = read(desk, new);
    let old_folder = if has_folder(desk, old) { OldFolder::Stays } else { OldFolder::Gone };
    let work = async |tx: &mut Tx| {
        let moved = sequence::rename(tx, &desk.clock, (old, new), &there, old_folder).await;
        moved.map_err(|error| match error {
            sequence::RenameError::Unknown(ref id) => unknown(id).into(),
            sequence::RenameError::Store(error) => anyhow::Error::from(error),
            sequence::RenameError::Files(_) | sequence::RenameError::Taken(_) => Stop::failed(error.to_string()).into(),
        })
    };
    let moved = desk.change("cli.sequence_rename", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        desk.out.json(&json!({"from": old, "to": new, "live": moved}))?;
    } else {
        desk.out.say(&format!("{old} is {new} now; {moved} live runs go on under the new name"))?;
        desk.out.aside("A running daemon takes the folder's new name over with `liaison reload`.")?;
    }
    Ok(ExitCode::SUCCESS)
}
