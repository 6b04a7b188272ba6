//! A sequence whose folder was renamed: everything that names it moves along, so that its runs go on.

use std::collections::BTreeMap;

use super::load::{self, Loaded};
use crate::clock::Clock;
use crate::domain::sequence::Definition;
use crate::hub::outreach::{self, pause};
use crate::store::{StoreError, Tx};

/// Why it was not renamed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// There is no sequence of the old name.
    #[error("there is no sequence `{0}`")]
    Unknown(String),
    /// The files don't say what they should.
    #[error("{0}")]
    Files(String),
    /// Something of the new name is there already.
    #[error("`{0}` has runs of its own: two sequences can't become one")]
    Taken(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Moves a sequence to the id that its folder has now; how many live runs went along. `there` is what the files say of the new
/// name; `old_folder` whether the old one is still there too.
pub async fn rename(
    tx: &mut Tx,
    clock: &Clock,
    (from, to): (&str, &str),
    there: &Loaded,
    old_folder: OldFolder,
) -> Result<u64, RenameError> {
    let row = tx.get_sequence(from).await?.ok_or_else(|| RenameError::Unknown(from.to_owned()))?;
    let found = there.definitions.iter().find(|(definition, _)| definition.id == to);
    let (definition, hash) = found.ok_or_else(|| {
        let words = format!(
            "there is no folder `{to}` with a sequence that can be used; `liaison sequence check {to}` says why"
        );
        RenameError::Files(words)
    })?;
    if old_folder == OldFolder::Stays {
        let words = format!("the folder `{from}` is still there: move it (`mv {from} {to}`), then rename");
        return Err(RenameError::Files(words));
    }
    if !tx.count_enrollments(to).await?.is_empty() {
        return Err(RenameError::Taken(to.to_owned()));
    }
    let now = clock.now();
    let mut moved = 0;
    let mut versions: BTreeMap<String, u64> = BTreeMap::new();
    for (version, _, n) in tx.count_live_steps(from).await? {
        *versions.entry(version).or_default() += u64::try_from(n).unwrap_or(0);
    }
    for (version, live) in versions {
        // What a run is pinned to names its sequence: the same text under the new name is another version.
        let Ok(old) = outreach::readable(tx, &version).await? else {
            // Its runs go along on the version as it is, and stand still until a build looks at them that can read it.
            moved += live;
            continue;
        };
        let renamed = Definition { id: to.to_owned(), ..(*old).clone() };
        let hash = load::hash(&renamed);
        tx.publish_sequence(to, &hash, &body(&renamed)?, now).await?;
        moved += tx.repin_enrollments(&version, &hash).await?;
    }
    tx.rename_sequence(from, to, now).await?;
    tx.publish_sequence(to, hash, &body(definition)?, now).await?;
    if row.paused_at.is_some() {
        tx.pause_sequence(to, row.pause_reason.as_deref().unwrap_or("paused before it was renamed"), now).await?;
    } else {
        // Those that were still being woken after a pause are found under the new name.
        pause::wake(tx, clock, pause::Target::Sequence(to)).await?;
    }
    Ok(moved)
}

/// Whether the folder of the old name is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldFolder {
    /// It was moved.
    Gone,
    /// It is.
    Stays,
}

fn body(definition: &Definition) -> Result<String, StoreError> {
    serde_json::to_string(definition).map_err(|error| StoreError::Damaged(error.to_string()))
}
