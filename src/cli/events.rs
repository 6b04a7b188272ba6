//! `liaison events tail`: what happened, as it happens.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::desk::Desk;
use super::{Global, who};
use crate::domain::ids::RunId;
use crate::hub::sequencer;
use crate::store::reading::PAGE_MAX;
use crate::store::reading::view::EventView;

/// How often `--follow` looks.
const LOOK: Duration = Duration::from_millis(500);
/// Events shown where nothing is said.
const USUAL: i64 = 20;

#[derive(Debug, Subcommand)]
pub(super) enum EventsCommand {
    /// Show the newest events
    Tail(TailArgs),
}

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// Those after this number; without it, the newest 20
    #[arg(long, value_name = "SEQ")]
    after: Option<i64>,
    /// Go on until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

pub(super) async fn run(global: &Global, command: EventsCommand) -> anyhow::Result<ExitCode> {
    let EventsCommand::Tail(args) = command;
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
