//! `liaison events`: what happened, as it happens; and opens and clicks judged once more.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::desk::Desk;
use super::stop::Stop;
use super::{Global, who};
use crate::domain::ids::RunId;
use crate::domain::time::Micros;
use crate::hub::sequencer;
use crate::store::reading::PAGE_MAX;
use crate::store::reading::view::EventView;
use crate::tracking;

/// How often `--follow` looks.
const LOOK: Duration = Duration::from_millis(500);
/// Events shown where nothing is said.
const USUAL: i64 = 20;

#[derive(Debug, Subcommand)]
pub(super) enum EventsCommand {
    /// Show the newest events
    Tail(TailArgs),
    /// Judge opens and clicks once more, by the rules and lists of today
    Rescore(RescoreArgs),
}

#[derive(Debug, Args)]
pub(super) struct RescoreArgs {
    /// Those since this time, as in 2026-03-01T09:00:00Z; without it, all
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// Those after this number; without it, the newest 20
    #[arg(long, value_parser = number, value_name = "SEQ")]
    after: Option<i64>,
    /// Go on until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().ok().filter(|n| *n >= 0).ok_or_else(|| "write the number of an event (`seq`), or 0 for all".to_owned())
}

pub(super) async fn run(global: &Global, command: EventsCommand) -> anyhow::Result<ExitCode> {
    match command {
        EventsCommand::Tail(args) => tail(global, args).await,
        EventsCommand::Rescore(args) => rescore(global, args).await,
    }
}

async fn rescore(global: &Global, args: RescoreArgs) -> anyhow::Result<ExitCode> {
    let since = match &args.since {
        None => Micros(0),
        Some(text) => Micros::parse(text)
            .ok_or_else(|| Stop::usage(format!("`{text}` is no time; write it as in 2026-03-01T09:00:00Z")))?,
    };
    let desk = Desk::open(global).await?;
    let books = Arc::clone(&desk.config.tracking.books);
    let done = tracking::rescore(&desk.store, &desk.clock, &books, since).await?;
    desk.wake().await;
    if desk.out.is_json() {
        let line = json!({"hits": done.hits, "now_human": done.now_human, "now_machine": done.now_machine});
        desk.out.json_line(&line)?;
    } else {
        desk.out.say(&format!(
            "{} hits judged again; now a person's: {}, now a machine's: {}",
            done.hits, done.now_human, done.now_machine
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn tail(global: &Global, args: TailArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    if !desk.wake().await {
        // Numbers come from the daemon; where none runs, from here.
        sequencer::number_all(&desk.store, RunId(desk.clock.new_id())).await?;
    }
    let mut after = match args.after {
        Some(after) => after,
        None => desk.store.read().await?.last_event_seq().await?.saturating_sub(USUAL).max(0),
    };
    loop {
        let events = desk.store.read().await?.list_event_views(after, PAGE_MAX).await?;
        let done = events.is_empty();
        if let Some(seq) = events.last().and_then(|e| e.seq) {
            after = seq;
        }
        print(&desk, &events).await?;
        if done && !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        if done {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
            }
        }
    }
}

/// One line each; with `--json`, one object per line.
async fn print(desk: &Desk, events: &[EventView]) -> anyhow::Result<()> {
    if desk.out.is_json() {
        return events.iter().try_for_each(|event| desk.out.json_line(event));
    }
    let handles = {
        let mut tx = desk.store.read().await?;
        who::handles(&mut tx, events.iter().filter_map(|e| e.influencer_id)).await?
    };
    for event in events {
        let seq = event.seq.map(|seq| seq.to_string()).unwrap_or_default();
        let handle = event.influencer_id.and_then(|id| handles.get(&id).cloned()).unwrap_or_default();
        let stage = event.stage.as_ref().map(|s| format!(" (stage {s})")).unwrap_or_default();
        let message = event.message_id.map(|id| format!(" {id}")).unwrap_or_default();
        let line = format!("{seq:>6}  {}  {:<24} {handle}{stage}{message}", desk.out.time(event.at), event.kind);
        desk.out.say(line.trim_end())?;
    }
    Ok(())
}
