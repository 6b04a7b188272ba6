//! `liaison influencer merge` and `unmerge`: joins two records of one person, after showing both, and takes that back.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;

use super::desk::{self, Desk};
use super::stop::Stop;
use super::who;
use crate::domain::people::{Influencer, InfluencerView};
use crate::hub::people::{self, Merged, Unmerged};
use crate::store::Tx;

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// Whose record goes: handle, mail address or id
    who: String,
    /// Who stays: handle, mail address or id
    #[arg(long, value_name = "WHO")]
    into: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct UnmergeArgs {
    /// Who they were merged into (handle, mail address or id), or the id of the record that went
    who: String,
}

pub(super) async fn merge(desk: &Desk, args: MergeArgs) -> anyhow::Result<ExitCode> {
    if !args.yes && (desk.out.is_json() || !std::io::stdin().is_terminal()) {
        return Err(Stop::usage("merging moves everything of one influencer to another: say --yes to do it").into());
    }
    let (kept, gone) = pair(desk, &args).await?;
    if !args.yes {
        show(desk, &kept, &gone).await?;
        desk.out.say(&format!("Merge {} into {}? [y/N]", gone.handle, kept.handle))?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            desk.out.say("Nothing was changed.")?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    let work = async |tx: &mut Tx| Ok(people::merge(tx, &desk.clock, kept.id, gone.id, &desk::by()).await?);
    let merged = desk.change("cli.merge", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        desk.out.json(&merged)?;
        return Ok(ExitCode::SUCCESS);
    }
    desk.out.say(&format!("{} is merged into {}: {}", gone.handle, kept.handle, words(&merged)))?;
    desk.out.aside(&format!("To take it back: liaison influencer unmerge {}", gone.id))?;
    Ok(ExitCode::SUCCESS)
}

async fn pair(desk: &Desk, args: &MergeArgs) -> anyhow::Result<(Influencer, Influencer)> {
    let mut tx = desk.store.read().await?;
    let gone = who::influencer(&mut tx, &args.who).await?;
    Ok((who::influencer(&mut tx, &args.into).await?, gone))
}

/// Both of them, and what would move: done for trial in a transaction that is dropped before anybody is asked.
async fn show(desk: &Desk, kept: &Influencer, gone: &Influencer) -> anyhow::Result<()> {
    let mut tx = desk.store.begin("cli.merge_trial").await?;
    let views = tx.view_influencers(vec![gone.clone(), kept.clone()]).await?;
    let trial = people::merge(&mut tx, &desk.clock, kept.id, gone.id, &desk::by()).await?;
    drop(tx);
    let row = |(role, i): (&str, &InfluencerView)| {
        vec![
            role.to_owned(),
            i.handle.clone(),
            who::full_name(&i.first_name, &i.last_name),
            i.stage.clone(),
            i.addresses.iter().map(|a| a.value.clone()).collect::<Vec<_>>().join(", "),
            i.owner.clone().unwrap_or_default(),
            desk.out.time_or_dash(i.last_message_at),
        ]
    };
    let head = ["", "handle", "name", "stage", "addresses", "owner", "last message"];
    desk.out.table(&head, ["goes", "stays"].into_iter().zip(&views).map(row).collect())?;
    desk.out.say(&format!("What moves: {}", words(&trial)))
}

fn words(m: &Merged) -> String {
    let mut words = format!(
        "{} addresses, {} messages, {} threads ({} joined), {} notes, {} events, {} tasks, {} runs ({} stopped)",
        m.addresses,
        m.messages,
        m.threads_moved + m.threads_joined,
        m.threads_joined,
        m.notes,
        m.events,
        m.tasks,
        m.runs_moved,
        m.runs_stopped
    );
    if let Some(stage) = &m.stage {
        words = format!("{words}; the stage becomes {stage}");
    }
    words
}

pub(super) async fn unmerge(desk: &Desk, args: UnmergeArgs) -> anyhow::Result<ExitCode> {
    let work = async |tx: &mut Tx| {
        let row = people::find_merge(tx, &args.who).await?;
        let undone: Unmerged = people::unmerge(tx, &desk.clock, row.gone, &desk::by()).await?;
        let handles = who::handles(tx, [undone.kept, undone.restored]).await?;
        Ok((undone, handles))
    };
    let (undone, handles) = desk.change("cli.unmerge", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        desk.out.json(&undone)?;
        return Ok(ExitCode::SUCCESS);
    }
    let handle = |id| handles.get(&id).cloned().unwrap_or_default();
    desk.out.say(&format!(
        "{} is apart from {} again: {} addresses, {} messages, {} notes, {} events and {} tasks went back",
        handle(undone.restored),
        handle(undone.kept),
        undone.addresses,
        undone.messages,
        undone.notes,
        undone.events,
        undone.tasks
    ))?;
    for words in &undone.stays {
        desk.out.aside(words)?;
    }
    Ok(ExitCode::SUCCESS)
}
