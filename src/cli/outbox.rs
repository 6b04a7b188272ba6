//! `liaison outbox …`: what is to leave and what became of it.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::Global;
use super::desk::{self, Desk};
use super::page::{MORE, PageArgs, listed};
use super::stop::Stop;
use super::terminal::{clean_line, short};
use crate::domain::ids::MessageId;
use crate::domain::words::OutboxStatus;
use crate::hub::outreach::steer;
use crate::hub::settle::{self, SettleError, Settlement};
use crate::store::Tx;
use crate::store::reading::view::OutboxView;
use crate::store::reading::{PAGE_MAX, Page};

#[derive(Debug, Subcommand)]
pub(super) enum OutboxCommand {
    /// List, the one queued last first
    List {
        /// Only those in this state: review, queued, confirmed, uncertain, …
        #[arg(long)]
        status: Option<OutboxStatus>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one, with how each recipient stands
    Show {
        /// The message
        id: MessageId,
    },
    /// Say what became of a message whose outcome is unknown
    ///
    /// The refused mail of a step whose run waits because of it can be settled too: send-again, or drop.
    Settle {
        /// The message
        id: MessageId,
        /// What you found
        verdict: Verdict,
    },
    /// Let messages leave that wait for you to read them
    Approve {
        /// The messages
        #[arg(required = true)]
        ids: Vec<MessageId>,
        /// Don't show them first
        #[arg(long)]
        quiet: bool,
    },
    /// Take a message back before it leaves
    Cancel {
        /// The message
        id: MessageId,
    },
}

/// What a person found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Verdict {
    /// It was sent
    Sent,
    /// It was not: send it again
    SendAgain,
    /// Leave it
    Drop,
}

pub(super) async fn run(global: &Global, command: OutboxCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    match command {
        OutboxCommand::List { status, page } => list(&desk, status, &page).await?,
        OutboxCommand::Show { id } => show(&desk, id).await?,
        OutboxCommand::Settle { id, verdict } => {
            let settlement = match verdict {
                Verdict::Sent => Settlement::Sent,
                Verdict::SendAgain => Settlement::SendAgain,
                Verdict::Drop => Settlement::Drop,
            };
            let work = async |tx: &mut Tx| {
                let settled = settle::settle_by_person(tx, &desk.clock, id, settlement).await;
                settled.map_err(|error| refuse(error, id, "settled"))
            };
            desk.change("cli.settle", work).await?;
            desk.wake().await;
            show(&desk, id).await?;
        }
        OutboxCommand::Approve { ids, quiet } => approve(&desk, &ids, quiet).await?,
        OutboxCommand::Cancel { id } => {
            let why = format!("taken back ({})", desk::by());
            let work = async |tx: &mut Tx| {
                let cancelled = settle::cancel(tx, &desk.clock, id, &why).await;
                cancelled.map_err(|error| refuse(error, id, "taken back"))
            };
            desk.change("cli.cancel", work).await?;
            desk.wake().await;
            show(&desk, id).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what is about to leave, then lets it go. All of them, or none.
async fn approve(desk: &Desk, ids: &[MessageId], quiet: bool) -> anyhow::Result<()> {
    if !quiet && !desk.out.is_json() {
        for id in ids {
            show(desk, *id).await?;
        }
    }
    let house = std::sync::Arc::new(crate::app::house_of(&desk.config));
    let work = async |tx: &mut Tx| {
        let mut approved = Vec::new();
        for id in ids {
            let done = steer::approve(tx, &desk.clock, &house, *id, &desk::by()).await?;
            approved.push((*id, done.due_at));
        }
        Ok(approved)
    };
    let approved = desk.change("cli.approve", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        let mut tx = desk.store.read().await?;
        let mut rows = Vec::new();
        for (id, _) in approved {
            rows.extend(tx.get_outbox_view(id).await?);
        }
        return desk.out.json(&serde_json::json!({"data": rows, "next_cursor": null}));
    }
    for (id, due_at) in approved {
        desk.out.say(&format!("{id} leaves at {}", desk.out.time(due_at)))?;
    }
    Ok(())
}

fn refuse(error: SettleError, id: MessageId, what: &str) -> anyhow::Error {
    match error {
        SettleError::Unknown => Stop::failed(format!("there is no message `{id}` in the outbox")).into(),
        SettleError::State(status) => {
            let hint = match status {
                OutboxStatus::HandedOver | OutboxStatus::Claimed => "; it is on its way right now",
                OutboxStatus::Confirmed => "; it was sent",
                OutboxStatus::Queued
                | OutboxStatus::Review
                | OutboxStatus::Deferred
                | OutboxStatus::Rejected
                | OutboxStatus::Uncertain
                | OutboxStatus::Cancelled => "",
            };
            Stop::failed(format!("{id} can't be {what}: it is {status}{hint}")).into()
        }
        SettleError::Store(error) => error.into(),
    }
}

fn recipients(row: &OutboxView) -> String {
    row.recipients.iter().map(|r| r.address.as_str()).collect::<Vec<_>>().join(", ")
}

async fn list(desk: &Desk, status: Option<OutboxStatus>, page: &PageArgs) -> anyhow::Result<()> {
    let mut tx = desk.store.read().await?;
    let slice = page.gather(Page::newest(PAGE_MAX), async |page| tx.view_outbox(status, page).await).await?;
    if desk.out.is_json() {
        return desk.out.json(&listed(&slice));
    }
    if slice.data.is_empty() {
        return desk.out.say("Nothing there.");
    }
    let row = |o: &OutboxView| {
        vec![
            o.status.to_string(),
            desk.out.time(o.due_at),
            short(&recipients(o), 50),
            short(&clean_line(&o.subject), 50),
            o.account.clone(),
            o.id.to_string(),
        ]
    };
    desk.out.table(&["status", "due", "to", "subject", "account", "id"], slice.data.iter().map(row).collect())?;
    if slice.data.iter().any(|o| o.status == OutboxStatus::Uncertain) {
        desk.out.aside("Uncertain ones may have been sent: look, then say so with `liaison outbox settle`.")?;
    }
    if slice.next.is_some() {
        desk.out.aside(MORE)?;
    }
    Ok(())
}

async fn show(desk: &Desk, id: MessageId) -> anyhow::Result<()> {
    let row = desk.store.read().await?.get_outbox_view(id).await?;
    let row = row.ok_or_else(|| Stop::failed(format!("there is no message `{id}` in the outbox")))?;
    let message = desk.store.read().await?.get_message_view(id).await?;
    if desk.out.is_json() {
        let mut shown = serde_json::to_value(&row)?;
        if let (Some(shown), Some(message)) = (shown.as_object_mut(), &message) {
            shown.insert("text".to_owned(), serde_json::json!(message.text));
        }
        return desk.out.json(&shown);
    }
    desk.out.title(&format!("{}  {}", row.status, row.subject))?;
    let facts = [
        ("id", Some(row.id.to_string())),
        ("account", Some(row.account.clone())),
        ("due", Some(desk.out.time(row.due_at))),
        ("tries", Some(row.attempts.to_string())),
        ("handed over", row.handed_over_at.map(|at| desk.out.time(at))),
        ("finished", row.finished_at.map(|at| desk.out.time(at))),
        ("held", row.held_reason.clone()),
        ("detail", row.detail.clone()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            desk.out.say(&format!("  {name:<12} {}", clean_line(&value)))?;
        }
    }
    for r in &row.recipients {
        let said = r.detail.as_deref().map(|d| format!(": {}", clean_line(d))).unwrap_or_default();
        desk.out.say(&format!("  {:<12} {}{said}", r.state, clean_line(&r.address)))?;
    }
    if let Some(message) = message.filter(|_| row.status == OutboxStatus::Review) {
        desk.out.say(&format!("\n{}\n", message.text.trim_end()))?;
        desk.out
            .aside(&format!("It waits for you: `liaison outbox approve {id}`, or `liaison outbox cancel {id}`."))?;
    }
    Ok(())
}
