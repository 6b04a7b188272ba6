//! What is in force of sequences: looking at it, and letting it pause and go on.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::enroll::{self, EnrollArgs};
use super::files::{self, MigrateArgs};
use super::stats;
use crate::cli::Global;
use crate::cli::desk::{self, Desk};
use crate::cli::stop::Stop;
use crate::cli::terminal::{clean_line, short};
use crate::hub::outreach::overview::{self, SequenceView};
use crate::hub::outreach::pause::{self, Target};
use crate::store::Tx;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SteerCommand {
    /// List those in force, with their runs
    List,
    /// Show one: its version, its steps, its runs, and why it is paused
    Show {
        /// The sequence
        id: String,
    },
    /// Begin runs for influencers
    Enroll(Box<EnrollArgs>),
    /// Send nothing of a sequence until it is resumed; time stands still for its runs
    Pause {
        /// The sequence
        id: String,
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let a paused sequence go on
    Resume {
        /// The sequence
        id: String,
    },
    /// What the files would change, and how many runs each change of a step is about
    Diff {
        /// The sequence
        id: String,
    },
    /// Move live runs to the version in force
    Migrate(MigrateArgs),
    /// A folder was renamed: its runs go on under the new name
    Rename {
        /// The name it had
        old: String,
        /// The name its folder has now
        new: String,
    },
    /// End a sequence whose folder is gone, and its live runs; says how many, and asks
    Remove {
        /// The sequence
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// What became of each step and wording
    Stats {
        /// The sequence
        id: String,
    },
}

pub(in crate::cli) async fn run(global: &Global, command: SteerCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    match command {
        SteerCommand::List => list(&desk).await,
        SteerCommand::Show { id } => show(&desk, &id).await,
        SteerCommand::Enroll(args) => enroll::enroll(&desk, *args).await,
        SteerCommand::Pause { id, reason } => {
            let why = pause::by_hand(reason.as_deref(), &desk::by());
            let work = async |tx: &mut Tx| {
                let changed = pause::pause(tx, &desk.clock, Target::Sequence(&id), &why).await?;
                Ok((changed, overview::get(tx, &id).await?.ok_or_else(|| unknown(&id))?))
            };
            let (changed, view) = desk.change("cli.sequence_pause", work).await?;
            desk.wake().await;
            tell(&desk, &view, if changed { "is paused now" } else { "was paused already" })
        }
        SteerCommand::Resume { id } => {
            pause::finish_hold(&desk.store, Target::Sequence(&id)).await?;
            let work = async |tx: &mut Tx| {
                let changed = pause::resume(tx, &desk.clock, Target::Sequence(&id), &desk::by()).await?;
                Ok((changed, overview::get(tx, &id).await?.ok_or_else(|| unknown(&id))?))
            };
            let (changed, view) = desk.change("cli.sequence_resume", work).await?;
            desk.wake().await;
            tell(&desk, &view, if changed { "goes on" } else { "was not paused" })
        }
        SteerCommand::Diff { id } => files::diff(&desk, &id).await,
        SteerCommand::Migrate(args) => files::migrate(&desk, &args).await,
        SteerCommand::Rename { old, new } => files::rename(&desk, &old, &new).await,
        SteerCommand::Remove { id, yes } => files::remove(&desk, &id, yes).await,
        SteerCommand::Stats { id } => stats::stats(&desk, &id).await,
    }
}

/// There is no such sequence.
pub(super) fn unknown(id: &str) -> Stop {
    let hint = "`liaison sequence list` shows those in force; a new folder comes into force with `liaison reload`";
    Stop::failed(format!("there is no sequence `{id}`; {hint}"))
}

fn tell(desk: &Desk, view: &SequenceView, words: &str) -> anyhow::Result<ExitCode> {
    if desk.out.is_json() {
        desk.out.json(view)?;
    } else {
        desk.out.say(&format!("{} {words} ({} live runs)", view.id, view.runs.live))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(desk: &Desk) -> anyhow::Result<ExitCode> {
    let views = overview::list(&mut desk.store.read().await?).await?;
    if desk.out.is_json() {
        desk.out.json(&json!({"data": views, "next_cursor": null}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if views.is_empty() {
        desk.out.say(
            "None yet. `liaison sequence new ID` writes one; the daemon puts it in force when it starts or reloads.",
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |view: &SequenceView| {
        let runs = view.runs;
        let counts = [runs.live, runs.held, runs.finished, runs.exited].map(|n| n.to_string());
        let mut row = vec![view.id.clone(), view.state.word().to_owned()];
        row.extend(counts);
        let why = view.pauses.iter().map(|pause| pause.words(&desk.out.time(pause.since)));
        row.push(short(&clean_line(&why.collect::<Vec<_>>().join("; ")), 100));
        row
    };
    let head = ["id", "state", "live", "held", "finished", "exited", "why"];
    desk.out.table(&head, views.iter().map(row).collect())?;
    Ok(ExitCode::SUCCESS)
}

async fn show(desk: &Desk, id: &str) -> anyhow::Result<ExitCode> {
    let view = overview::get(&mut desk.store.read().await?, id).await?.ok_or_else(|| unknown(id))?;
    if desk.out.is_json() {
        desk.out.json(&view)?;
        return Ok(ExitCode::SUCCESS);
    }
    desk.out.title(&format!("{}  {}", view.id, view.name.as_deref().unwrap_or_default()))?;
    let runs = view.runs;
    let paused = view.pauses.iter().map(|pause| clean_line(&pause.words(&desk.out.time(pause.since))));
    let paused = Some(paused.collect::<Vec<_>>().join("; ")).filter(|words| !words.is_empty());
    let facts = [
        ("state", Some(view.state.word().to_owned())),
        ("paused", paused),
        ("version", view.version.as_deref().map(|hash| short(hash, 13))),
        ("live", Some(format!("{} ({} go on, {} held, {} paused)", runs.live, runs.active, runs.held, runs.paused))),
        ("over", Some(format!("{} finished, {} ended before", runs.finished, runs.exited))),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            desk.out.say(&format!("  {name:<9} {value}"))?;
        }
    }
    let rows = view.steps.iter().map(|step| {
        let what = if step.templates.is_empty() { step.kind.to_owned() } else { step.templates.join(", ") };
        let review = if step.review { " (review)" } else { "" };
        vec![
            step.id.clone(),
            format!("{what}{review}"),
            step.after.clone().unwrap_or_default(),
            step.condition.clone().unwrap_or_default(),
            step.live.to_string(),
        ]
    });
    desk.out.table(&["step", "what", "after", "if", "live"], rows.collect())?;
    if view.outdated > 0 {
        let (n, id) = (view.outdated, &view.id);
        desk.out.aside(&format!("{n} live runs are on an older version: `liaison sequence migrate {id} --plan`"))?;
    }
    Ok(ExitCode::SUCCESS)
}
