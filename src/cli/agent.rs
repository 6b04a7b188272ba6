//! `liaison agent …`: those who write for influencers.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::desk::Desk;
use super::import::{self, ImportArgs, Sort};
use super::{Global, who};
use crate::domain::ids::{AgentId, InfluencerId};
use crate::domain::people::AgentView;
use crate::hub::people::{self, AgentChange, NewAgent, PeopleError};
use crate::store::Tx;

/// Agents read in one go.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// Import from CSV
    Import(ImportArgs),
    /// Add one
    Add {
        /// A mail address of theirs, the usual one first
        #[arg(long, required = true)]
        email: Vec<String>,
        /// First name
        #[arg(long, default_value = "")]
        first_name: String,
        /// Last name
        #[arg(long, default_value = "")]
        last_name: String,
        /// An influencer they write for: handle, mail address or id
        #[arg(long = "for", value_name = "WHO")]
        influencer: Vec<String>,
    },
    /// List them all
    List,
    /// Show one
    Show {
        /// Mail address or id
        agent: String,
    },
    /// Say for whom they write
    Link {
        /// Mail address or id
        agent: String,
        /// Influencers: handle, mail address or id
        #[arg(required = true, value_name = "INFLUENCER")]
        influencers: Vec<String>,
        /// They do not write for them any more
        #[arg(long)]
        remove: bool,
    },
}

async fn find_all(tx: &mut Tx, given: &[String]) -> Result<Vec<InfluencerId>, PeopleError> {
    let mut ids = Vec::with_capacity(given.len());
    for who in given {
        ids.push(who::influencer(tx, who).await?.id);
    }
    Ok(ids)
}

pub(super) async fn run(global: &Global, command: AgentCommand) -> anyhow::Result<ExitCode> {
    if let AgentCommand::Import(args) = command {
        return import::run(global, args, Sort::Agents).await;
    }
    let desk = Desk::open(global).await?;
    match command {
        AgentCommand::Import(_) => {}
        AgentCommand::Add { email, first_name, last_name, influencer } => {
            let new = NewAgent { first_name, last_name, emails: email, influencers: Vec::new() };
            let work = async |tx: &mut Tx| {
                let influencers = find_all(tx, &influencer).await?;
                let added = people::create_agent(tx, &desk.clock, NewAgent { influencers, ..new.clone() }).await?;
                Ok(who::agent_view(tx, added.id).await?)
            };
            let view = desk.change("cli.agent_add", work).await?;
            tell(&desk, &view)?;
        }
        AgentCommand::List => list(&desk).await?,
        AgentCommand::Show { agent } => {
            let mut tx = desk.store.read().await?;
            let id = who::agent(&mut tx, &agent).await?;
            tell(&desk, &who::agent_view(&mut tx, id).await?)?;
        }
        AgentCommand::Link { agent, influencers, remove } => {
            let work = async |tx: &mut Tx| {
                let id = who::agent(tx, &agent).await?;
                let ids = find_all(tx, &influencers).await?;
                let change = if remove {
                    AgentChange { remove_influencers: ids, ..AgentChange::default() }
                } else {
                    AgentChange { add_influencers: ids, ..AgentChange::default() }
                };
                people::update_agent(tx, &desk.clock, id, change).await?;
                Ok(who::agent_view(tx, id).await?)
            };
            let view = desk.change("cli.agent_link", work).await?;
            tell(&desk, &view)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn handles(view: &AgentView) -> String {
    view.influencers.iter().map(|i| i.handle.as_str()).collect::<Vec<_>>().join(", ")
}

fn addresses(view: &AgentView) -> String {
    view.addresses.iter().map(|a| a.value.as_str()).collect::<Vec<_>>().join(", ")
}

fn tell(desk: &Desk, view: &AgentView) -> anyhow::Result<()> {
    if desk.out.is_json() {
        return desk.out.json(view);
    }
    desk.out.title(&format!("{} <{}>", who::full_name(&view.first_name, &view.last_name), addresses(view)))?;
    desk.out.say(&format!("  id         {}", view.id))?;
    desk.out
        .say(&format!("  writes for {}", if view.influencers.is_empty() { "nobody yet".into() } else { handles(view) }))
}

async fn list(desk: &Desk) -> anyhow::Result<()> {
    let mut tx = desk.store.read().await?;
    let mut views: Vec<AgentView> = Vec::new();
    let mut after: Option<AgentId> = None;
    loop {
        let page = tx.list_agents(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        views.extend(tx.view_agents(page).await?);
    }
    if desk.out.is_json() {
        return desk.out.json(&json!({"data": views, "next_cursor": null}));
    }
    if views.is_empty() {
        return desk.out.say("There are no agents.");
    }
    let row =
        |v: &AgentView| vec![who::full_name(&v.first_name, &v.last_name), addresses(v), handles(v), v.id.to_string()];
    desk.out.table(&["name", "address", "writes for", "id"], views.iter().map(row).collect())
}
