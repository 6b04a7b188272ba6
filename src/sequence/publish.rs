//! Putting what was read into force: each definition is kept by its hash, new runs begin with it, and a sequence that is
//! gone from the files stops. A faulty sequence keeps what was in force.

use std::collections::BTreeSet;

use super::load::Loaded;
use crate::clock::Clock;
use crate::hub::outreach::{self, ExitReason};
use crate::store::outreach::enrollment::Scope;
use crate::store::{StoreError, Tx};

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// Sequences with a new version.
    pub changed: Vec<String>,
    /// Sequences that are gone.
    pub removed: Vec<String>,
    /// Runs that ended with them.
    pub stopped: u64,
}

/// Puts the definitions in force. Live runs stay with the version they began with.
pub async fn publish(tx: &mut Tx, clock: &Clock, loaded: &Loaded) -> Result<Published, StoreError> {
    let now = clock.now();
    let mut published = Published::default();
    for (definition, hash) in &loaded.definitions {
        let body = serde_json::to_string(definition).map_err(|error| StoreError::Damaged(error.to_string()))?;
        if tx.publish_sequence(&definition.id, hash, &body, now).await? {
            published.changed.push(definition.id.clone());
        }
    }
    // A folder that is there but faulty is not gone.
    let there: BTreeSet<&String> = loaded.ids.iter().collect();
    for row in tx.list_sequences().await? {
        if row.active_hash.is_some() && !there.contains(&row.id) && tx.remove_sequence(&row.id, now).await? {
            published.stopped += outreach::stop_sequence(tx, clock, &row.id, &ExitReason::SequenceRemoved).await?;
            published.removed.push(row.id);
        }
    }
    // What stood still for want of an account or a value may go on now.
    tx.wake_enrollments(Scope::Stuck, now).await?;
    Ok(published)
}
