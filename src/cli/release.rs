//! `liaison release`: a copied or restored database may send again.

use std::process::ExitCode;

use serde_json::json;

use super::Global;
use super::desk::Desk;

pub(super) async fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let was_held = crate::app::release(&desk.store, &desk.config.storage.state_dir).await?;
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
