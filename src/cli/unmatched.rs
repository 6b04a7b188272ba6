//! `liaison unmatched …`: messages of which a person must say whose they are.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::desk::{self, Desk};
use super::page::{MORE, PageArgs, listed};
use super::terminal::{clean_line, short};
use super::{Global, who};
use crate::domain::ids::MessageId;
use crate::hub::people::NewInfluencer;
use crate::hub::unmatched::{self, Whose};
use crate::store::Tx;
use crate::store::reading::view::UnmatchedView;
use crate::store::reading::{PAGE_MAX, Page};

#[derive(Debug, Subcommand)]
pub(super) enum UnmatchedCommand {
    /// List them, newest first
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Say whose a message is; everything else from that address follows
    Match(MatchArgs),
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whose").required(true)))]
pub(super) struct MatchArgs {
    /// The message, as `unmatched list` shows it
    message: MessageId,
    /// This influencer's: handle, mail address or id
    #[arg(long, value_name = "WHO", group = "whose")]
    influencer: Option<String>,
    /// This agent's: mail address or id
    #[arg(long, value_name = "AGENT", group = "whose")]
    agent: Option<String>,
    /// Somebody new, whom you call so
    #[arg(long, value_name = "HANDLE", group = "whose")]
    new_influencer: Option<String>,
    /// With --agent: an influencer this message is about
    #[arg(long, value_name = "WHO", requires = "agent")]
    about: Vec<String>,
}

pub(super) async fn run(global: &Global, command: UnmatchedCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    match command {
        UnmatchedCommand::List { page } => list(&desk, &page).await?,
        UnmatchedCommand::Match(args) => match_one(&desk, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(desk: &Desk, page: &PageArgs) -> anyhow::Result<()> {
    let mut tx = desk.store.read().await?;
    let slice = page.gather(Page::newest(PAGE_MAX), async |page| tx.list_unmatched(page).await).await?;
    if desk.out.is_json() {
        return desk.out.json(&listed(&slice));
    }
    if slice.data.is_empty() {
        return desk.out.say("Nothing waits.");
    }
    let proposed = who::handles(&mut tx, slice.data.iter().filter_map(|u| u.influencer_id)).await?;
    let row = |u: &UnmatchedView| {
        vec![
            desk.out.time(u.at),
            u.address.clone(),
            clean_line(&u.name),
            short(&clean_line(&u.subject), 50),
            u.reason.to_string(),
            u.influencer_id.and_then(|id| proposed.get(&id).cloned()).unwrap_or_default(),
            u.id.to_string(),
        ]
    };
    let head = ["at", "address", "name", "subject", "reason", "perhaps", "message"];
    desk.out.table(&head, slice.data.iter().map(row).collect())?;
    if slice.next.is_some() {
        desk.out.aside(MORE)?;
    }
    Ok(())
}

/// Whose a message is, as it was said.
async fn whose(desk: &Desk, tx: &mut Tx, args: &MatchArgs) -> anyhow::Result<Whose> {
    Ok(match (&args.influencer, &args.agent, &args.new_influencer) {
        (Some(given), _, _) => Whose::Influencer(who::influencer(tx, given).await?.id),
        (None, Some(given), _) => {
            let agent = who::agent(tx, given).await?;
            let mut about = Vec::new();
            for given in &args.about {
                about.push(who::influencer(tx, given).await?.id);
            }
            Whose::Agent(agent, about)
        }
        (None, None, handle) => {
            let owner = desk.config.default_owner.clone();
            let handle = handle.clone().unwrap_or_default();
            Whose::New(Box::new(NewInfluencer { handle, owner, ..NewInfluencer::default() }))
        }
    })
}

async fn match_one(desk: &Desk, args: MatchArgs) -> anyhow::Result<()> {
    let by = desk::by();
    let work = async |tx: &mut Tx| {
        let whose = whose(desk, tx, &args).await?;
        Ok(unmatched::match_message(tx, &desk.clock, &desk.stages, args.message, (whose, &by)).await?)
    };
    let placed = desk.change("cli.match", work).await?;
    desk.wake().await;
    let mut tx = desk.store.read().await?;
    let view = tx.get_message_view(args.message).await?;
    let waits = tx.get_unmatched_view(args.message).await?.is_some();
    drop(tx);
    if desk.out.is_json() {
        return desk.out.json(&json!({"placed": placed, "message": view}));
    }
    desk.out.say(&format!("matched; messages placed on timelines: {placed}"))?;
    if waits {
        desk.out.say("It still waits for whom it is about: say that with --agent … --about WHO.")?;
    }
    Ok(())
}
