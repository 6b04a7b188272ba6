//! `liaison release`: a copied, restored or moved database may send again.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Global;
use super::desk::Desk;
use crate::app::Moved;

#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// It was moved elsewhere, and the one there is gone for good
    #[arg(long)]
    moved: bool,
}

pub(super) async fn run(global: &Global, args: &ReleaseArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let moved = if args.moved { Moved::Known } else { Moved::Unknown };
    let was_held = crate::app::release(&desk.store, &desk.config.storage.state_dir, moved).await?;
    desk.wake().await;
    if desk.out.is_json() {
        desk.out.json(&json!({"was_held": was_held, "held": false}))?;
    } else if was_held {
        desk.out.say("Released: what waits in the outbox is sent when it is due.")?;
    } else {
        desk.out.say("Nothing was held.")?;
    }
    Ok(ExitCode::SUCCESS)
}
