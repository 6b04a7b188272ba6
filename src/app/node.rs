//! The run of this node before this one. On a shared database leases outlive whoever held them; a node that comes back after
//! a crash ends those of its own last run, instead of waiting for them like everybody else.
//!
//! The lock on the state directory is what proves that the last run is gone. Leases of other nodes are never touched.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::clock::Clock;
use crate::domain::ids::RunId;
use crate::outbound::reconcile;
use crate::store::Store;
use anyhow::Context as _;

/// The file in the state directory that holds the id of the run.
const FILE: &str = "run";

/// Ends what the last run of this node held, and leaves the id of this run for the next one. Called before this run takes any
/// lease, with the lock on the state directory held.
pub(super) async fn take_over(store: &Store, clock: &Clock, state_dir: &Path, run: RunId) -> anyhow::Result<()> {
    let file = state_dir.join(FILE);
    let last = std::fs::read_to_string(&file).ok().and_then(|text| read(text.trim()));
    if let Some(last) = last {
        let mut tx = store.begin("app.take_over").await?;
        tx.end_leases_of(last).await?;
        let swept = reconcile::take_over(&mut tx, clock, last).await?;
        tx.commit().await?;
        if swept.requeued + swept.uncertain > 0 {
            let (requeued, uncertain) = (swept.requeued, swept.uncertain);
            tracing::warn!(requeued, uncertain, "the last run left messages in hand");
        }
    }
    write(&file, run).with_context(|| format!("{} can't be written", file.display()))
}

/// As `liaison doctor` and the API name it; older versions left the number alone.
fn read(text: &str) -> Option<RunId> {
    text.parse().ok().or_else(|| text.parse().ok().map(RunId))
}

/// The old id or the new one is there, whenever this is interrupted.
fn write(path: &Path, run: RunId) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(format!("{run}\n").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;

    #[tokio::test]
    async fn a_node_ends_the_leases_of_its_last_run_and_of_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Place::Sqlite { file: dir.path().join("liaison.db") }).await.unwrap();
        let clock = Clock::machine();
        let [last, now, other] = [0; 3].map(|_| RunId(clock.new_id()));
        take_over(&store, &clock, dir.path(), last).await.unwrap();
        let mut tx = store.begin("test").await.unwrap();
        tx.acquire_lease("ours", last, 60).await.unwrap().unwrap();
        tx.acquire_lease("theirs", other, 60).await.unwrap().unwrap();
        assert_eq!(tx.acquire_lease("ours", now, 60).await.unwrap(), None);
        tx.commit().await.unwrap();
        take_over(&store, &clock, dir.path(), now).await.unwrap();
        let mut tx = store.begin("test").await.unwrap();
        assert!(tx.acquire_lease("ours", now, 60).await.unwrap().is_some());
        assert_eq!(tx.acquire_lease("theirs", now, 60).await.unwrap(), None);
        let left = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(left.trim(), now.to_string());
        assert_eq!((read(left.trim()), read(&now.0.to_string()), read("")), (Some(now), Some(now), None));
    }
}
