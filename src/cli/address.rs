//! `liaison influencer address`: the mail addresses, phone numbers and Slack users of somebody.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::desk::{self, Desk};
use super::who;
use crate::domain::chat;
use crate::hub::people::{self, InfluencerChange};
use crate::store::Tx;

#[derive(Debug, Subcommand)]
pub(super) enum AddressCommand {
    /// Give them one more
    Add(AddressArgs),
    /// Take one away; where it is suppressed, it stays so
    Remove(AddressArgs),
    /// Write to this one of theirs first
    Primary(AddressArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddressArgs {
    /// Handle, mail address or id
    who: String,
    /// The mail address, the phone number, or the user in a Slack workspace, as in T012AB3C4/U012AB3C4
    address: String,
}

pub(super) async fn run(desk: &Desk, command: AddressCommand) -> anyhow::Result<ExitCode> {
    let (AddressCommand::Add(args) | AddressCommand::Remove(args) | AddressCommand::Primary(args)) = &command;
    let region = &desk.config.phone_region;
    let work = async |tx: &mut Tx| {
        let (id, by, clock) = (who::influencer(tx, &args.who).await?.id, desk::by(), &desk.clock);
        let given = args.address.clone();
        match &command {
            AddressCommand::Add(_) => {
                people::update_influencer(tx, clock, id, &by, added(given, region.clone())).await?;
            }
            AddressCommand::Remove(_) => {
                people::remove_address(tx, clock, (id, None), (&given, region.as_deref()), &by).await?;
            }
            AddressCommand::Primary(_) => {
                people::update_influencer(tx, clock, id, &by, first(given, region.clone())).await?;
            }
        }
        let after = who::influencer(tx, &id.to_string()).await?;
        Ok(who::view(tx, after).await?)
    };
    let view = desk.change("cli.address", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        desk.out.json(&view)?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = |a: &crate::domain::people::AddressView| {
        if a.primary { format!("{} (primary)", a.value) } else { a.value.clone() }
    };
    let addresses: Vec<String> = view.addresses.iter().map(shown).collect();
    let addresses = if addresses.is_empty() { "none".to_owned() } else { addresses.join(", ") };
    desk.out.say(&format!("the addresses of {}: {addresses}", view.handle))?;
    Ok(ExitCode::SUCCESS)
}

fn is_mail(given: &str) -> bool {
    given.contains('@')
}

/// Teams of Slack begin with T, and with E where an organisation has several; no way to write a number does.
fn is_workspace(given: &str) -> bool {
    given.starts_with(['T', 'E']) && chat::workspace_parts(given).is_some()
}

/// A user of Slack without the workspace: no number looks like that.
fn is_bare_user(given: &str) -> bool {
    given.len() > 1
        && given.starts_with(['U', 'W'])
        && given.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

fn added(given: String, phone_region: Option<String>) -> InfluencerChange {
    if is_mail(&given) {
        return InfluencerChange { add_emails: vec![given], ..InfluencerChange::default() };
    }
    if is_workspace(given.trim()) || is_bare_user(given.trim()) {
        return InfluencerChange { add_slack: vec![given], ..InfluencerChange::default() };
    }
    InfluencerChange { add_phones: vec![given], phone_region, ..InfluencerChange::default() }
}

fn first(given: String, phone_region: Option<String>) -> InfluencerChange {
    if is_mail(&given) {
        return InfluencerChange { primary_email: Some(given), ..InfluencerChange::default() };
    }
    InfluencerChange { primary_phone: Some(given), phone_region, ..InfluencerChange::default() }
}
