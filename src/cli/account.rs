//! `liaison account`: our mailboxes, numbers and workspaces, whether all that is there is here, adding them, and trying them.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::desk::Desk;
use super::terminal::Out;
use super::{Global, pause};
use crate::domain::words::SignInState;
use crate::store::reading::view::{AccountView, SignInView};

mod add;
mod test;

pub(super) use test::unread_secret;

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// List accounts with their folders: messages at the server, stored here, missing
    List,
    /// Sign in to a mailbox of Gmail or Microsoft 365, or say step by step how a number or a Slack workspace is added
    Add(add::AddArgs),
    /// Sign in to read and to send, and say how each step went; sends nothing
    Test {
        /// The account
        name: String,
    },
    /// Send nothing from it that is of a sequence; what people write leaves all the same
    Pause {
        /// The account
        name: String,
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let it go on, also where a server's refusal stopped it
    Resume {
        /// The account
        name: String,
    },
}

pub(super) async fn run(global: &Global, command: AccountCommand) -> anyhow::Result<ExitCode> {
    match command {
        AccountCommand::List => list(global).await,
        AccountCommand::Add(args) => add::run(global, &args).await,
        AccountCommand::Test { name } => test::run(global, &name).await,
        AccountCommand::Pause { name, reason } => {
            pause::pause(global, &pause::PauseArgs { account: Some(name), reason }).await
        }
        AccountCommand::Resume { name } => pause::resume(global, &pause::ResumeArgs { account: Some(name) }).await,
    }
}

async fn list(global: &Global) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let accounts = desk.store.read().await?.list_account_views().await?;
    if desk.out.is_json() {
        desk.out.json(&json!({"data": accounts, "next_cursor": null}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let unknown: Vec<&str> =
        desk.config.accounts.keys().map(String::as_str).filter(|n| !accounts.iter().any(|a| a.id == *n)).collect();
    if !unknown.is_empty() {
        desk.out.say(&format!("Not started yet (the daemon was not): {}", unknown.join(", ")))?;
    }
    for account in &accounts {
        print(&desk, account)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How a sign-in with OAuth is, in one line.
pub(super) fn sign_in_words(out: &Out, sign_in: &SignInView) -> String {
    let time = |at| out.time_or_dash(Some(at));
    let renewed = time(sign_in.renewed_at);
    match sign_in.state {
        SignInState::Valid => format!("its token holds until {}, renewed {renewed}", time(sign_in.expires_at)),
        SignInState::Due => {
            format!("its token ended {}, renewed {renewed}; the next use gets another one", time(sign_in.expires_at))
        }
        SignInState::Refused => {
            let (since, why) = (out.time_or_dash(sign_in.refused_at), sign_in.refused_why.as_deref());
            format!("the provider does not take it since {since} ({})", why.unwrap_or("without a reason"))
        }
    }
}

fn print(desk: &Desk, account: &AccountView) -> anyhow::Result<()> {
    let gone = if desk.config.accounts.contains_key(&account.id) { "" } else { ", not in the configuration any more" };
    // A workspace has no address of its own.
    let what =
        if account.address.is_empty() { format!("({})", account.kind) } else { format!("<{}>", account.address) };
    desk.out.title(&format!("{} {what}  {}{gone}", account.id, account.state))?;
    if let Some(detail) = &account.detail {
        desk.out.say(&format!("  {}", super::terminal::clean_line(detail)))?;
    }
    for pause in &account.pauses {
        let words = pause.words(&desk.out.time(pause.since));
        desk.out.say(&format!("  sends nothing of sequences: {}", super::terminal::clean_line(&words)))?;
    }
    desk.out.aside(&format!("  last read to the end: {}", desk.out.time_or_dash(account.last_sync_at)))?;
    if let Some(sign_in) = &account.sign_in {
        desk.out.aside(&format!("  sign-in: {}", super::terminal::clean_line(&sign_in_words(&desk.out, sign_in))))?;
    }
    if account.folders.is_empty() {
        return Ok(());
    }
    let count = |n: Option<i64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let rows = account.folders.iter().map(|f| {
        let counted = desk.out.time_or_dash(f.counted_at);
        vec![f.name.clone(), f.role.to_string(), count(f.server), count(f.stored), count(f.missing), counted]
    });
    desk.out.table(&["  folder", "role", "server", "stored", "missing", "counted"], rows.collect())
}
