//! The end of the demonstration: one thread in full, and what the hub believes held against what the provider saw.

use super::paper::Paper;
use crate::app::Hub;
use crate::connector::sandbox::World;
use crate::domain::ids::ThreadId;
use crate::domain::mail::Mailbox;
use crate::domain::words::{Direction, FolderRole, OutboxStatus};
use crate::store::reading::{PAGE_MAX, Page};

/// Prints a thread, oldest message first.
pub(super) async fn print_thread(hub: &Hub, paper: &Paper, id: ThreadId) -> anyhow::Result<()> {
    let mut tx = hub.store.read().await?;
    let Some(thread) = tx.get_thread_view(id).await? else { return Ok(()) };
    let turn = thread.awaiting.map(|a| format!(", awaiting {a}")).unwrap_or_default();
    paper.line(&format!("{}  {}", thread.subject, thread.influencer_handle))?;
    paper.line(&format!("{} on {}, {} messages{turn}", thread.id, thread.account, thread.message_count))?;
    for message in tx.list_thread_messages(id, Page::oldest(PAGE_MAX)).await?.data {
        let arrow = match message.direction {
            Direction::Inbound => "<-",
            Direction::Outbound => "->",
        };
        let at = message.at.timestamp().strftime("%Y-%m-%d %H:%M").to_string();
        let status = message.status.as_str();
        paper.line("")?;
        paper.line(&format!("{arrow} {at}  {}  [{}, {status}]", person(&message.from), message.kind))?;
        let to: Vec<String> = message.to.iter().chain(&message.cc).map(person).collect();
        paper.line(&format!("   {}  to {}", message.id, to.join(", ")))?;
        for line in message.reply_text.trim_end().lines() {
            paper.line(&format!("   {}", line.trim_end()))?;
        }
    }
    Ok(())
}

fn person(mailbox: &Mailbox) -> String {
    if mailbox.name.is_empty() { mailbox.address.clone() } else { format!("{} <{}>", mailbox.name, mailbox.address) }
}

/// Prints the counts of both sides.
pub(super) async fn print(hub: &Hub, world: &World, paper: &Paper) -> anyhow::Result<()> {
    let tally = world.tally();
    let mut tx = hub.store.read().await?;
    let mut confirmed = 0;
    let mut uncertain = 0;
    let mut inbox = (0, 0, 0);
    for account in tx.list_account_views().await? {
        for (status, count) in tx.count_outbox(&account.id, &[OutboxStatus::Confirmed, OutboxStatus::Uncertain]).await?
        {
            if status == OutboxStatus::Confirmed {
                confirmed += count;
            } else {
                uncertain += count;
            }
        }
        for folder in account.folders.iter().filter(|f| f.role != FolderRole::Sent) {
            inbox.0 += folder.server.unwrap_or(0);
            inbox.1 += folder.stored.unwrap_or(0);
            inbox.2 += folder.missing.unwrap_or(0);
        }
    }
    paper.heading("Summary: what the hub believes, and what the provider's journal says")?;
    let lost = i64::try_from(tally.answers_lost).unwrap_or(i64::MAX);
    paper.line(&format!(
        "messages out        {confirmed} confirmed by the hub, {} taken by the provider, duplicates {}",
        tally.taken, tally.taken_twice
    ))?;
    paper.line(&format!(
        "messages in         {} delivered by the provider, {} stored by the hub, missing {}",
        tally.came_in, inbox.1, inbox.2
    ))?;
    paper.line(&format!(
        "uncertain           {} answers lost, {} settled, {uncertain} open",
        tally.answers_lost,
        lost.saturating_sub(uncertain)
    ))?;
    let waiting = tx.list_unmatched(Page::newest(PAGE_MAX)).await?.data.len();
    paper.line(&format!("wait for a person   {waiting} (see `liaison unmatched list`)"))?;
    Ok(())
}
