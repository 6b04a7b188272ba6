//! `liaison pause` and `liaison resume`: nothing of any sequence leaves, or nothing that one account sends for. What people
//! write leaves all the same.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Global;
use super::desk::{self, Desk};
use crate::hub::outreach::pause::{self as hub, Target};
use crate::store::Tx;

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// Only what this account sends for sequences
    #[arg(long, value_name = "NAME")]
    pub(super) account: Option<String>,
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// Only this account
    #[arg(long, value_name = "NAME")]
    pub(super) account: Option<String>,
}

/// What is meant, and its name for people.
fn target<'a>(desk: &Desk, account: Option<&'a String>) -> anyhow::Result<(Target<'a>, String)> {
    match account {
        Some(name) => {
            desk.account(name)?;
            Ok((Target::Account(name), format!("what {name} sends for sequences")))
        }
        None => Ok((Target::All, "all sequences".to_owned())),
    }
}

pub(super) async fn pause(global: &Global, args: &PauseArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let (what, name) = target(&desk, args.account.as_ref())?;
    let why = hub::by_hand(args.reason.as_deref(), &desk::by());
    let work = async |tx: &mut Tx| Ok(hub::pause(tx, &desk.clock, what, &why).await?);
    let changed = desk.change("cli.pause", work).await?;
    desk.wake().await;
    tell(&desk, args.account.as_deref(), (changed, true), &name)
}

pub(super) async fn resume(global: &Global, args: &ResumeArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let (what, name) = target(&desk, args.account.as_ref())?;
    hub::finish_hold(&desk.store, what).await?;
    let work = async |tx: &mut Tx| {
        Ok(match what {
            Target::Account(name) => hub::resume_account(tx, &desk.clock, name, &desk::by()).await?,
            Target::All | Target::Sequence(_) => hub::resume(tx, &desk.clock, what, &desk::by()).await?,
        })
    };
    let changed = desk.change("cli.resume", work).await?;
    desk.wake().await;
    tell(&desk, args.account.as_deref(), (changed, false), &name)
}

fn tell(desk: &Desk, account: Option<&str>, (changed, paused): (bool, bool), name: &str) -> anyhow::Result<ExitCode> {
    if desk.out.is_json() {
        desk.out.json(&json!({"account": account, "paused": paused, "changed": changed}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let words = match (changed, paused) {
        (true, true) => "paused: ",
        (true, false) => "goes on: ",
        (false, true) => "was paused already: ",
        (false, false) => "was not paused: ",
    };
    desk.out.say(&format!("{words}{name}"))?;
    Ok(ExitCode::SUCCESS)
}
