//! Putting what was read into force: each definition is kept by its hash, and new runs begin with it. A faulty sequence keeps
//! what was in force.
//!
//! Publishing ends nothing. A folder that is not there may be unmounted, renamed, unreadable or on another node: its runs go on
//! from what they are pinned to, and [`absent`] tells of them. Only [`remove`] ends a sequence.

use std::collections::BTreeSet;

use super::codes;
use super::load::{Loaded, bare};
use crate::clock::Clock;
use crate::config::Finding;
use crate::hub::outreach::pause::{self, Target};
use crate::store::{StoreError, Tx};

/// How far files are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// They are what somebody wants to be in force: also a version that was in force before comes back, and a sequence that is
    /// gone from them and in which nobody is takes no new runs.
    Whole,
    /// They may be older than those of another node: only versions nobody has seen yet come into force.
    News,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// Sequences with a new version.
    pub changed: Vec<String>,
    /// Sequences that are gone from the files and in which nobody is: they take no new runs.
    pub closed: Vec<String>,
    /// Sequences whose files are older than what is in force, which stays.
    pub behind: Vec<String>,
    /// Sequences that are in force without files, with live runs.
    pub absent: Vec<Absent>,
}

/// A sequence that is in force and not among the files, and how many live runs go on without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Its id.
    pub id: String,
    /// Its live runs.
    pub live: i64,
}

impl Absent {
    /// As the linter tells it.
    pub fn finding(&self) -> Finding {
        let Self { id, live } = self;
        let message = format!("there is no folder `{id}`, and {live} live runs of it go on from its published version");
        let hint = format!(
            "bring the folder back; if it has another name now: liaison sequence rename {id} NEW; \
             to end the sequence and its runs: liaison sequence remove {id}"
        );
        bare(codes::ABSENT, &message, &hint)
    }
}

/// Puts the definitions in force. Live runs stay with the version they began with.
pub async fn publish(tx: &mut Tx, clock: &Clock, loaded: &Loaded, trust: Trust) -> Result<Published, StoreError> {
    let now = clock.now();
    let mut published = Published::default();
    for (definition, hash) in &loaded.definitions {
        if trust == Trust::News && is_behind(tx, &definition.id, hash).await? {
            published.behind.push(definition.id.clone());
            continue;
        }
        let body = serde_json::to_string(definition).map_err(|error| StoreError::Damaged(error.to_string()))?;
        // One that was removed and comes back before all its runs were ended: those that were found blocked meanwhile go on.
        if tx.get_sequence(&definition.id).await?.is_some_and(|row| row.active_hash.is_none()) {
            pause::wake(tx, clock, Target::Sequence(&definition.id)).await?;
        }
        if tx.publish_sequence(&definition.id, hash, &body, now).await? {
            published.changed.push(definition.id.clone());
        }
    }
    published.absent = absent(tx, &loaded.ids).await?;
    // No folder at all is rather one that could not be seen than one that was emptied.
    if trust == Trust::Whole && !loaded.ids.is_empty() {
        let kept: BTreeSet<&String> = loaded.ids.iter().chain(published.absent.iter().map(|a| &a.id)).collect();
        for row in tx.list_sequences().await? {
            if row.active_hash.is_some() && !kept.contains(&row.id) && tx.remove_sequence(&row.id, now).await? {
                published.closed.push(row.id);
            }
        }
    }
    // What stood still for want of an account or a value may go on now.
    tx.wake_stuck(now).await?;
    Ok(published)
}

/// Whether a version was in force before, and something else was done since: another version, or an end.
async fn is_behind(tx: &mut Tx, id: &str, hash: &str) -> Result<bool, StoreError> {
    let Some(row) = tx.get_sequence(id).await? else { return Ok(false) };
    Ok(row.active_hash.as_deref() != Some(hash) && tx.get_sequence_version(hash).await?.is_some())
}

/// Sequences with live runs that are in force and not among these folders.
pub async fn absent(tx: &mut Tx, folders: &[String]) -> Result<Vec<Absent>, StoreError> {
    let mut all = Vec::new();
    for row in tx.list_sequences().await? {
        if row.active_hash.is_none() || folders.contains(&row.id) {
            continue;
        }
        let live = tx.count_live_steps(&row.id).await?.iter().map(|(_, _, n)| n).sum();
        if live > 0 {
            all.push(Absent { id: row.id, live });
        }
    }
    Ok(all)
}

/// Ends a sequence because somebody wants it: from the commit on it takes no new runs, and nothing of its live ones leaves. They
/// are ended after that, a batch at a time, by [`crate::hub::outreach::end_removed`], for there may be very many. How many there are; none
/// where there is no such sequence. Its history stays.
pub async fn remove(tx: &mut Tx, clock: &Clock, id: &str) -> Result<Option<u64>, StoreError> {
    if tx.get_sequence(id).await?.is_none() {
        return Ok(None);
    }
    tx.remove_sequence(id, clock.now()).await?;
    let live: i64 = tx.count_live_steps(id).await?.iter().map(|(_, _, n)| n).sum();
    Ok(Some(u64::try_from(live).unwrap_or(0)))
}
