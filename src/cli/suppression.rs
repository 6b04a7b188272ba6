//! `liaison suppression …`: addresses that must not be written to.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Global;
use super::desk::{self, Desk};
use super::page::MORE;
use super::stop::Stop;
use super::terminal::{clean_line, short};
use crate::domain::ids::LedgerId;
use crate::domain::people::{Consent, Suppression};
use crate::domain::words::SuppressionReason;
use crate::hub::people::{self, NewSuppression};
use crate::hub::unsubscribe::unsubscribe_by_hand;
use crate::store::Tx;

/// Read in one go.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum SuppressionCommand {
    /// List them, the oldest first; of one address, also what it agreed to
    List {
        /// Only this address
        address: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
        limit: u32,
        /// Go on after this one (`next_cursor` of an earlier list's JSON)
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<LedgerId>,
    },
    /// Never write to an address any more
    Add {
        /// The address
        address: String,
        /// Why
        #[arg(long)]
        note: Option<String>,
        /// Its owner said so: no mail to any of their addresses, and what runs for them ends
        #[arg(long)]
        said_no: bool,
    },
    /// Let an address be written to again
    Remove {
        /// The address
        address: String,
    },
}

pub(super) async fn run(global: &Global, command: SuppressionCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    match command {
        SuppressionCommand::List { address: Some(address), .. } => list_one(&desk, &address).await?,
        SuppressionCommand::List { address: None, limit, cursor } => list(&desk, limit, cursor).await?,
        SuppressionCommand::Add { address, note, said_no } => add(&desk, &address, (note.as_deref(), said_no)).await?,
        SuppressionCommand::Remove { address } => remove(&desk, &address).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(desk: &Desk, rows: &[Suppression]) -> anyhow::Result<()> {
    if rows.is_empty() {
        return desk.out.say("None.");
    }
    let row = |s: &Suppression| {
        let evidence = clean_line(&short(&s.evidence, 60));
        vec![s.value_key.clone(), s.channel.to_string(), s.reason.to_string(), desk.out.time(s.at), evidence]
    };
    desk.out.table(&["address", "channel", "why", "since", "evidence"], rows.iter().map(row).collect())
}

async fn list(desk: &Desk, limit: u32, cursor: Option<LedgerId>) -> anyhow::Result<()> {
    let mut tx = desk.store.read().await?;
    let (mut found, mut after, mut more) = (Vec::new(), cursor, true);
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    while more && found.len() < wanted {
        let missing = u32::try_from(wanted.saturating_sub(found.len())).unwrap_or(PAGE).min(PAGE);
        let mut rows = tx.list_suppressions(after, i64::from(missing).saturating_add(1)).await?;
        let asked = usize::try_from(missing).unwrap_or(usize::MAX);
        more = rows.len() > asked;
        rows.truncate(asked);
        after = rows.last().map(|s| s.id).or(after);
        found.extend(rows);
    }
    if desk.out.is_json() {
        let next = after.filter(|_| more);
        return desk.out.json(&json!({"data": found, "next_cursor": next}));
    }
    show(desk, &found)?;
    if more { desk.out.aside(MORE) } else { Ok(()) }
}

async fn list_one(desk: &Desk, given: &str) -> anyhow::Result<()> {
    let (channel, key) = people::channel_of(given)?;
    let mut tx = desk.store.read().await?;
    let found = tx.suppressed(channel, vec![key.clone()]).await?;
    let consents = tx.list_consents(channel, vec![key]).await?;
    if desk.out.is_json() {
        let consent = |c: &Consent| json!({"source": c.source, "evidence": c.evidence, "at": c.at, "withdrawn_at": c.withdrawn_at});
        let consents: Vec<_> = consents.iter().map(consent).collect();
        return desk.out.json(&json!({"data": found, "consents": consents, "next_cursor": null}));
    }
    show(desk, &found)?;
    if consents.is_empty() {
        return Ok(());
    }
    desk.out.title("Consents")?;
    let row = |c: &Consent| {
        vec![
            desk.out.time(c.at),
            clean_line(&c.source),
            clean_line(&short(&c.evidence, 60)),
            desk.out.time_or_dash(c.withdrawn_at),
        ]
    };
    desk.out.table(&["at", "source", "evidence", "withdrawn"], consents.iter().map(row).collect())
}

async fn add(desk: &Desk, given: &str, (note, said_no): (Option<&str>, bool)) -> anyhow::Result<()> {
    let by = desk::by();
    let evidence = note.map_or_else(|| by.clone(), |note| format!("{by}: {note}"));
    let new = NewSuppression { address: given.to_owned(), reason: SuppressionReason::ByHand, evidence };
    let work = async |tx: &mut Tx| {
        Ok(if said_no {
            unsubscribe_by_hand(tx, &desk.clock, given, new.evidence.clone()).await?
        } else {
            people::suppress_address(tx, &desk.clock, new.clone()).await?
        })
    };
    let added = desk.change("cli.suppress", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        return desk.out.json(&json!({"address": given, "added": added}));
    }
    desk.out.say(if added { "nothing is written to it any more" } else { "it was on the list already" })
}

async fn remove(desk: &Desk, given: &str) -> anyhow::Result<()> {
    let work = async |tx: &mut Tx| {
        let lifted = people::lift_suppression(tx, &desk.clock, given, &desk::by()).await?;
        if lifted.is_empty() {
            return Err(Stop::failed(format!("`{given}` is not on the list")).into());
        }
        Ok(lifted)
    };
    let lifted = desk.change("cli.lift_suppression", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        return desk.out.json(&json!({"address": given, "removed": true, "lifted": lifted}));
    }
    desk.out.say("it may be written to again")?;
    match lifted.get(1..).filter(|others| !others.is_empty()) {
        Some(others) => {
            let others: Vec<String> = others.iter().map(|address| clean_line(address)).collect();
            desk.out.say(&format!("so may {}, which the same no had stopped", others.join(", ")))
        }
        None => Ok(()),
    }
}
