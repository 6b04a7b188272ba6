//! Whose database this is. A copy or a restored one must not send by itself: the people in it have had these mails.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Place, Store};

/// The file in the state directory that holds the installation's id.
const FILE: &str = "installation";

/// Compares the id in the store with the one in the state directory. Held (`true`) where the store has data and the file is
/// missing or names another. On PostgreSQL a further node has no file yet: it gets one while nothing was ever sent.
pub(super) async fn check(store: &Store, clock: &Clock, state_dir: &Path, place: &Place) -> anyhow::Result<bool> {
    let file = state_dir.join(FILE);
    let mut tx = store.begin("app.installation").await?;
    let Some(installation) = tx.get_installation().await? else {
        let id = clock.new_id();
        tx.insert_installation(id, clock.now()).await?;
        write(&file, id)?;
        tx.commit().await?;
        return Ok(false);
    };
    if installation.held {
        return Ok(true);
    }
    let ours = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<Uuid>().ok());
    if ours == Some(installation.id) {
        return Ok(false);
    }
    let empty = !tx.has_outbox().await?;
    if empty || (matches!(place, Place::Postgres { .. }) && ours.is_none()) {
        write(&file, installation.id)?;
        return Ok(false);
    }
    tx.set_installation_held(true).await?;
    tx.commit().await?;
    Ok(true)
}

fn write(file: &Path, id: Uuid) -> anyhow::Result<()> {
    // Whole or not at all: an empty file beside a committed id would hold this node after a power cut.
    let draft = file.with_extension("new");
    let written = || -> std::io::Result<()> {
        let mut out = std::fs::File::create(&draft)?;
        writeln!(out, "{id}")?;
        out.sync_all()?;
        std::fs::rename(&draft, file)
    };
    written().with_context(|| format!("{} can't be written", file.display()))
}

/// Lets a held database send: the file is written for the id in the store. Whether it was held.
pub async fn release(store: &Store, state_dir: &Path) -> anyhow::Result<bool> {
    let mut tx = store.begin("app.release").await?;
    let Some(installation) = tx.get_installation().await? else { return Ok(false) };
    tx.set_installation_held(false).await?;
    write(&state_dir.join(FILE), installation.id)?;
    tx.commit().await?;
    Ok(installation.held)
}

/// Puts the stages of the configuration into the store, by the hash of their content, so that every node goes by the same.
pub(super) async fn publish_stages(store: &Store, clock: &Clock, config: &Config) -> anyhow::Result<()> {
    let body = serde_json::to_string(&config.stages).context("the stages can't be written")?;
    let hash = hash_of(&body);
    let mut tx = store.begin("app.stages").await?;
    tx.publish_definition("stages", &hash, &body, clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// What a definition is known by.
pub(super) fn hash_of(body: &str) -> String {
    crate::store::value::hex(&Sha256::digest(body.as_bytes()))
}
