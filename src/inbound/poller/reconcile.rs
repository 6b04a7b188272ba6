//! After an outage nothing is skipped: what the server holds is compared with what is stored, uid by uid, and what is
//! missing is fetched. The figures are shown by `doctor` and the API.

use std::collections::HashSet;

use super::{Ended, Poller};
use crate::connector::Source;
use crate::inbound::ingest::{Context, IngestError};
use crate::store::mailbox::FolderRow;

/// Messages of a folder beyond which it is compared only when that is due, not after each new message.
const ALWAYS_MAX: i64 = 20_000;

impl Poller {
    pub(super) async fn reconcile(
        &self,
        source: &mut dyn Source,
        context: &Context,
        row: &FolderRow,
        due: bool,
    ) -> Result<(), Ended> {
        if !due && row.server_count.unwrap_or(0) > ALWAYS_MAX {
            return Ok(());
        }
        let server: Vec<i64> = source.uids().await?.into_iter().filter(|uid| *uid >= row.first_uid).collect();
        let missing = self.missing(context, &server).await?;
        // What arrived since the folder was selected is not missing: the next round reads it.
        let mut tx = self.tenure.store.read().await?;
        let cursor = tx.get_folder(&row.account, &row.name).await?.map_or(row.last_uid, |f| f.last_uid);
        drop(tx);
        let late: Vec<i64> = missing.iter().copied().filter(|uid| *uid <= cursor).collect();
        if !late.is_empty() {
            tracing::warn!(account = %row.account, folder = %row.name, count = late.len(), "messages were missing: fetching them");
            self.read(source, context, late).await?;
        }
        let missing = self.missing(context, &server).await?.len();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let mut tx = self.tenure.store.begin("poller.count").await?;
        if !tx.holds_lease_of(context.lease.as_ref()).await? {
            return Err(IngestError::LeaseLost.into());
        }
        let counts = (count(server.len()), count(server.len() - missing), count(missing));
        tx.count_folder(row.id, counts, self.tenure.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Uids at the server that were never seen here.
    async fn missing(&self, context: &Context, server: &[i64]) -> Result<Vec<i64>, Ended> {
        let mut tx = self.tenure.store.read().await?;
        let stored = tx.list_delivered_uids(context.folder_id, context.uid_validity).await?;
        let stored: HashSet<i64> = stored.into_iter().collect();
        Ok(server.iter().copied().filter(|uid| !stored.contains(uid)).collect())
    }
}
