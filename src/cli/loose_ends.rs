//! `liaison loose-ends`: who has no next step, which answers of ours are late, which runs wait for somebody to mend something,
//! and who is held until somebody says otherwise.

use std::process::ExitCode;

use clap::Args;

use super::Global;
use super::desk::Desk;
use super::page::{MORE, PageArgs, listed};
use super::terminal::{clean_line, short};
use crate::hub::loose_ends;
use crate::store::reading::loose::LooseEnd;
use crate::store::reading::{PAGE_MAX, Page};

#[derive(Debug, Args)]
pub(super) struct LooseEndsArgs {
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(global: &Global, args: LooseEndsArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let mut tx = desk.store.read().await?;
    let first = Page::oldest(PAGE_MAX);
    let slice = args.page.gather(first, async |page| loose_ends::list(&mut tx, &desk.clock, page).await).await?;
    if desk.out.is_json() {
        desk.out.json(&listed(&slice))?;
        return Ok(ExitCode::SUCCESS);
    }
    if slice.data.is_empty() {
        desk.out.say("No loose ends: everybody has a next step, no answer is late, no run is stuck, and nobody is held for ever.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |l: &LooseEnd| {
        vec![
            l.influencer_handle.clone(),
            l.stage.clone(),
            l.owner.clone().unwrap_or_default(),
            match (l.reason.as_str(), l.thread_id, &l.sequence) {
                ("held", ..) => "held without an end".to_owned(),
                (_, Some(_), _) => "no answer from us".to_owned(),
                (_, None, Some(sequence)) => format!("stuck in {sequence}"),
                (_, None, None) => "no next step".to_owned(),
            },
            desk.out.time(l.since),
            clean_line(&short(l.subject.as_ref().or(l.waiting_for.as_ref()).map_or("", String::as_str), 60)),
        ]
    };
    desk.out.table(
        &["who", "stage", "owner", "what", "since", "thread, or what it waits for"],
        slice.data.iter().map(row).collect(),
    )?;
    if slice.next.is_some() {
        desk.out.aside(MORE)?;
    }
    Ok(ExitCode::SUCCESS)
}
