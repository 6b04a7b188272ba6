//! Whose database this is. A copy or a restored one must not send by itself: the people in it have had these mails.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::hub::task::{TEAM, Team};
use crate::lifecycle::Stop;
use crate::outbound::Watermark;
use crate::store::lease::LeaseRow;
use crate::store::outbox::HandedOver;
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::pulse;

/// The file in the state directory that holds the installation's id.
const FILE: &str = "installation";
/// The file in the state directory that holds how many messages each account has handed over.
const SEEN_FILE: &str = "seen";
/// Messages that an account may hand over between two releases: far more than it will.
const ERA: i64 = 1 << 32;
/// How often what other nodes handed over is written down. Machine time.
const SEEN_EVERY: Duration = Duration::from_secs(1);
/// How long a new node waits for a sign of another one: longer than the time between two renewals of a lease. Machine time.
const ALIVE_MAX: Duration = Duration::from_secs(30);
/// How often it looks. Machine time.
const ALIVE_EVERY: Duration = Duration::from_millis(500);

/// The file of what was handed over, in the state directory.
pub(super) fn watermark(state_dir: &Path) -> anyhow::Result<Watermark> {
    let file = state_dir.join(SEEN_FILE);
    Watermark::open(&file).with_context(|| format!("{} can't be read and written", file.display()))
}

/// Compares the store with what the state directory remembers of it. Held (`true`) where the directory knows of another
/// installation, or of none while there is one, and where it knows of messages handed over that the store knows nothing of:
/// then that is a copy, or was restored. On PostgreSQL a further node has no file yet; it gets one while another node is seen
/// alive.
pub(super) async fn check(
    store: &Store,
    clock: &Clock,
    (state_dir, watermark): (&Path, &Watermark),
) -> anyhow::Result<bool> {
    let file = state_dir.join(FILE);
    let ours = read(&file).map(|text| text.parse::<Uuid>().ok());
    let mut tx = store.begin("app.installation").await?;
    let Some(installation) = tx.get_installation().await? else {
        let id = clock.new_id();
        tx.insert_installation(id, clock.now()).await?;
        // One that never ran, where another ran before: a copy from before its first start, or an empty one in its place.
        let held = ours.is_some() || !watermark.known().is_empty();
        tx.set_installation_held(held).await?;
        if !held {
            write(&file, &id.to_string())?;
        }
        tx.commit().await?;
        return Ok(held);
    };
    if installation.held {
        return Ok(true);
    }
    if ours == Some(Some(installation.id)) && !is_behind(&mut tx, &watermark.known()).await? {
        return Ok(false);
    }
    drop(tx);
    if store.is_shared() && ours.is_none() && another_lives(store).await? {
        write(&file, &installation.id.to_string())?;
        return Ok(false);
    }
    let mut tx = store.begin("app.hold").await?;
    tx.set_installation_held(true).await?;
    tx.commit().await?;
    Ok(true)
}

/// Whether messages were handed over that the store knows nothing of.
async fn is_behind(tx: &mut Tx, seen: &BTreeMap<String, i64>) -> Result<bool, StoreError> {
    let known: BTreeMap<String, i64> =
        tx.list_handed_over().await?.into_iter().map(|row| (row.account, row.count)).collect();
    Ok(seen.iter().any(|(account, count)| known.get(account).copied().unwrap_or(0) < *count))
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

/// Writes down what other nodes hand over too, again and again until told to stop: each is to know an older copy by itself.
pub(super) async fn keep_up(store: Store, watermark: Watermark, stop: Stop) -> Result<(), Infallible> {
    while !stop.is_soft() {
        if let Err(error) = keep_up_once(&store, &watermark).await {
            tracing::warn!(error = format!("{error:#}"), "what other nodes hand over is not written down now");
        }
        pulse::rest(SEEN_EVERY);
        tokio::select! {
            () = tokio::time::sleep(SEEN_EVERY) => {}
            () = stop.soft() => {}
        }
    }
    Ok(())
}

async fn keep_up_once(store: &Store, watermark: &Watermark) -> anyhow::Result<()> {
    for row in store.read().await?.list_handed_over().await? {
        watermark.reach(row).await?;
    }
    Ok(())
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

/// Whether whoever releases a database knows that it was moved elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// They do, and the other one is gone.
    Known,
    /// They did not say so.
    Unknown,
}

/// Lets a held database send: the file is written for the id in the store, which counts hand-overs on from above whatever any
/// node has seen. Whether it was held.
///
/// # Errors
/// Where it was moved elsewhere, unless `moved` says that this is known: the two would send the same.
pub async fn release(store: &Store, state_dir: &Path, moved: Moved) -> anyhow::Result<bool> {
    let seen = Watermark::read(&state_dir.join(SEEN_FILE)).context("what was handed over can't be read")?;
    let mut tx = store.begin("app.release").await?;
    let Some(installation) = tx.get_installation().await? else { return Ok(false) };
    if let Some(to) = tx.get_moved_to().await? {
        anyhow::ensure!(
            moved == Moved::Known,
            "this database was moved to {to}, which sends in its place: sent from here as well, messages would reach people twice. \
             Where the other one is gone for good: liaison release --moved"
        );
        tx.forget_move().await?;
    }
    if installation.held || is_behind(&mut tx, &seen).await? {
        for next in next_era(tx.list_handed_over().await?, seen) {
            tx.set_handed_over(&next).await?;
        }
    }
    tx.set_installation_held(false).await?;
    write(&state_dir.join(FILE), &installation.id.to_string())?;
    tx.commit().await?;
    Ok(installation.held)
}

/// Where the counts of a released database begin.
fn next_era(known: Vec<HandedOver>, seen: BTreeMap<String, i64>) -> Vec<HandedOver> {
    let mut highest = seen;
    for HandedOver { account, count } in known {
        let highest = highest.entry(account).or_insert(count);
        *highest = count.max(*highest);
    }
    let next = |count: i64| count.div_euclid(ERA).saturating_add(1).saturating_mul(ERA);
    highest.into_iter().map(|(account, count)| HandedOver { account, count: next(count) }).collect()
}

/// Puts the stages and the team of the configuration into the store, by the hash of their content, so that every node goes by
/// the same.
pub(super) async fn publish_stages(store: &Store, clock: &Clock, config: &Config) -> anyhow::Result<()> {
    let body = serde_json::to_string(&config.stages).context("the stages can't be written")?;
    let hash = hash_of(&body);
    let team =
        Team { default_owner: config.default_owner.clone(), teammates: config.teammates.keys().cloned().collect() };
    let team = serde_json::to_string(&team).context("the team can't be written")?;
    let mut tx = store.begin("app.stages").await?;
    tx.publish_definition("stages", &hash, &body, clock.now()).await?;
    tx.publish_definition(TEAM, &hash_of(&team), &team, clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// What a definition is known by.
pub(super) fn hash_of(body: &str) -> String {
    crate::store::value::hex(&Sha256::digest(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_database_counts_on_above_whatever_was_seen() {
        let of = |account: &str, count: i64| HandedOver { account: account.to_owned(), count };
        let seen = BTreeMap::from([("a".to_owned(), 57), ("gone".to_owned(), ERA + 2)]);
        let next = next_era(vec![of("a", 50), of("b", 3)], seen);
        assert_eq!(next, [of("a", ERA), of("b", ERA), of("gone", 2 * ERA)]);
    }
}
