//! Whose database this is. A copy or a restored one must not send by itself: the people in it have had these mails.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::lifecycle::Stop;
use crate::store::lease::LeaseRow;
use crate::store::{Place, Store, StoreError};
use crate::telemetry::pulse;

/// The file in the state directory that holds the installation's id.
const FILE: &str = "installation";
/// The file in the state directory that holds the number of the newest event it knows of.
const SEEN_FILE: &str = "seen";
/// How often that number is written down. Machine time.
const SEEN_EVERY: Duration = Duration::from_secs(1);
/// How long a new node waits for a sign of another one: longer than the time between two renewals of a lease. Machine time.
const ALIVE_MAX: Duration = Duration::from_secs(30);
/// How often it looks. Machine time.
const ALIVE_EVERY: Duration = Duration::from_millis(500);

/// Compares the store with what the state directory remembers of it. Held (`true`) where it has an installation and the
/// directory knows none or another, and where its newest event is older than one the directory has seen: then it is a copy, or
/// was restored. On PostgreSQL a further node has no file yet; it gets one while another node is seen alive.
pub(super) async fn check(store: &Store, clock: &Clock, state_dir: &Path, place: &Place) -> anyhow::Result<bool> {
    let file = state_dir.join(FILE);
    let mut tx = store.begin("app.installation").await?;
    let Some(installation) = tx.get_installation().await? else {
        let id = clock.new_id();
        tx.insert_installation(id, clock.now()).await?;
        write(&file, &id.to_string())?;
        write(&state_dir.join(SEEN_FILE), "0")?;
        tx.commit().await?;
        return Ok(false);
    };
    if installation.held {
        return Ok(true);
    }
    let ours = read(&file).and_then(|text| text.parse::<Uuid>().ok());
    let seen = read(&state_dir.join(SEEN_FILE)).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    if ours == Some(installation.id) && tx.last_event_seq().await? >= seen {
        return Ok(false);
    }
    drop(tx);
    if matches!(place, Place::Postgres { .. }) && ours.is_none() && another_lives(store).await? {
        write(&file, &installation.id.to_string())?;
        return Ok(false);
    }
    let mut tx = store.begin("app.hold").await?;
    tx.set_installation_held(true).await?;
    tx.commit().await?;
    Ok(true)
}

/// Whether somebody renews a lease: the leases of a copy stand still.
async fn another_lives(store: &Store) -> Result<bool, StoreError> {
    let first = store.read().await?.list_leases().await?;
    let until = tokio::time::Instant::now() + ALIVE_MAX;
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(ALIVE_EVERY).await;
        let now = store.read().await?.list_leases().await?;
        let renewed = |lease: &LeaseRow| first.iter().all(|f| f.name != lease.name || f.until < lease.until);
        if now.iter().any(renewed) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes down how far the store has come, again and again until told to stop, and once more then.
pub(super) async fn remember(store: Store, state_dir: PathBuf, stop: Stop) -> Result<(), String> {
    let file = state_dir.join(SEEN_FILE);
    let mut last = None;
    loop {
        pulse::rest(SEEN_EVERY);
        let is_last = tokio::select! {
            () = tokio::time::sleep(SEEN_EVERY) => false,
            () = stop.soft() => true,
        };
        let seen = async { store.read().await?.last_event_seq().await };
        match seen.await {
            Ok(seq) if last != Some(seq) => match write(&file, &seq.to_string()) {
                Ok(()) => last = Some(seq),
                // The disk may be full; what is known stays as it is.
                Err(error) => tracing::warn!(%error, "how far the database has come was not written down"),
            },
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "how far the database has come can't be read"),
        }
        if is_last {
            return Ok(());
        }
    }
}

fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    // Whole or not at all: an empty file beside a committed id would hold this node after a power cut.
    let draft = file.with_extension("new");
    let written = || -> std::io::Result<()> {
        let mut out = std::fs::File::create(&draft)?;
        writeln!(out, "{text}")?;
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
    write(&state_dir.join(FILE), &installation.id.to_string())?;
    write(&state_dir.join(SEEN_FILE), &tx.last_event_seq().await?.to_string())?;
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
