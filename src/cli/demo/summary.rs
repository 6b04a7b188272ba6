//! The end of the demonstration: what the hub believes held against what the provider saw.

use super::cast;
use super::paper::Paper;
use super::watch::Counts;
use crate::app::Hub;
use crate::connector::sandbox::World;
use crate::domain::words::{FolderRole, OutboxStatus};
use crate::store::reading::{PAGE_MAX, Page};

/// Prints the counts of both sides.
pub(super) async fn print(hub: &Hub, world: &World, (paper, counts): (&Paper, Counts)) -> anyhow::Result<()> {
    let tally = world.tally();
    let mut tx = hub.store.read().await?;
    let mut confirmed = 0;
    let mut uncertain = 0;
    let mut stored = 0;
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
            stored += folder.stored.unwrap_or(0);
        }
    }
    paper.heading("Summary: what the hub believes, and what the provider's journal says")?;
    let lost = i64::try_from(tally.answers_lost).unwrap_or(i64::MAX);
    paper.line(&format!(
        "messages out        {confirmed} confirmed by the hub, {} taken by the provider, duplicates {}",
        tally.taken, tally.taken_twice
    ))?;
    paper.line(&format!(
        "messages in         {} delivered by the provider, {} stored by the hub, not read yet {}",
        tally.came_in,
        stored,
        i64::try_from(tally.came_in).unwrap_or(i64::MAX).saturating_sub(stored)
    ))?;
    paper.line(&format!(
        "uncertain           answers lost {}, settled {}, open {uncertain}",
        tally.answers_lost,
        lost.saturating_sub(uncertain)
    ))?;
    let talk = world.stands(cast::NUMBER).into_iter().chain(world.stands(cast::WORKSPACE));
    let said = talk.filter(|stands| stands.token.is_none() && stands.by != cast::MARA_SLACK).count();
    paper.line(&format!("by text and Slack   {said} said by people, {} stored by the hub", counts.talked))?;
    let (shown, twice) = (tally.shown, tally.shown_twice);
    paper.line(&format!("shown to the team   {shown} posts in its channel, duplicates {twice}"))?;
    let waiting = tx.list_unmatched(Page::newest(PAGE_MAX)).await?.data.len();
    paper.line(&format!("wait for a person   {waiting} (see `liaison unmatched list`)"))?;
    print_outreach(paper, counts)?;
    Ok(())
}

/// What came of the sequences, by the events that the hub recorded.
fn print_outreach(paper: &Paper, counts: Counts) -> std::io::Result<()> {
    let Counts { enrolled, sent, opens_by_people, opens_by_machines, clicks, .. } = counts;
    let Counts { replies, held, opted_out, bounced, tasks, .. } = counts;
    paper.line(&format!("sequences           enrolled {enrolled}, sent {sent}, tasks done {tasks}"))?;
    paper.line(&format!(
        "read                opens {opens_by_people} by people and {opens_by_machines} by machines, clicks {clicks}"
    ))?;
    paper.line(&format!("ended or held       replies {replies}, held {held}, opted out {opted_out}, bounced {bounced}"))
}
