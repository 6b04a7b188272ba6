//! One folder, from its cursor to its end. While one batch is written, the next is fetched and parsed.

use std::time::Duration;

use tokio::time::Instant;

use super::alone::{self, Apart};
use super::{Ended, Poller, Reach};
use crate::connector::{FETCH_MAX, FolderSeen, FolderStatus, HeaderItem, Source};
use crate::domain::ids::FolderId;
use crate::domain::time::Micros;
use crate::domain::words::FolderRole;
use crate::inbound::ingest::{self, Arrival, Context};
use crate::store::lease::Lease;
use crate::store::mailbox::FolderRow;
use crate::store::message::NewDelivery;
use crate::telemetry::pulse;

/// Uids between the cursor and the end that are asked for without listing them first.
const GAP_MAX: i64 = 2_000;
/// How long after a counted comparison the next is due.
const CHECK_EVERY: Duration = Duration::from_mins(10);
/// Headers asked for at once when a folder is read anew.
const HEADERS_AT_ONCE: usize = 1_000;
/// What came this long before an account was first read, or before the last reading of a folder that changed its UIDVALIDITY,
/// is looked at as new: the server's clock is not ours.
const REREAD_SLACK: Duration = Duration::from_mins(10);

/// Whether the folders are to be compared with the server uid by uid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    due: bool,
    last: Instant,
}

impl Check {
    pub(super) fn due() -> Self {
        Self { due: true, last: Instant::now() }
    }

    pub(super) fn is_due(self) -> bool {
        self.due
    }

    pub(super) fn after_a_round(self) -> Self {
        let last = if self.due { Instant::now() } else { self.last };
        Self { due: last.elapsed() >= CHECK_EVERY, last }
    }
}

/// A batch in memory: what was asked for, and what came.
struct Batch {
    arrivals: Vec<Arrival>,
    last_uid: i64,
}

impl Poller {
    /// Reads a folder to its end; how it was at the server when that began.
    pub(super) async fn sync_folder(
        &self,
        source: &mut dyn Source,
        folder: &FolderSeen,
        (lease_name, lease): (&str, Lease),
        check: Check,
    ) -> Result<FolderStatus, Ended> {
        pulse::beat();
        let first_read = self.first_read().await?.map(|at| at.minus(REREAD_SLACK));
        let status = source.select(&folder.name).await?;
        let row = self.folder_row(source, folder, status, (lease_name, lease)).await?;
        let context = Context {
            account: self.settings.account.clone(),
            identity: self.settings.identity.clone(),
            folder_id: row.id,
            folder: folder.name.clone(),
            role: folder.role,
            uid_validity: row.uid_validity,
            backfill_uid: row.backfill_uid,
            fire_after: row.fire_after.max(first_read),
            server_files_sent: self.settings.server_files_sent,
            lease: Some((lease_name.to_owned(), lease)),
        };
        let mut uids = self.uids_to_read(source, &row, status).await?;
        if row.fire_after.is_some() && !uids.is_empty() {
            uids = self.remap(source, &context, uids).await?;
        }
        let news = !uids.is_empty();
        self.read(source, &context, uids).await?;
        let end = status.uid_next.saturating_sub(1);
        let mut tx = self.tenure.fenced("poller.advance", (lease_name, lease)).await?;
        tx.advance_folder(row.id, row.uid_validity, end).await?;
        tx.commit().await?;
        if check.due || news || row.counted_at.is_none() {
            self.reconcile(source, &context, &row, check.due).await?;
        }
        Ok(status)
    }

    /// When this account was read for the first time: now, where it never was. By the clock of the business: an id would tell the
    /// machine's.
    async fn first_read(&self) -> Result<Option<Micros>, Ended> {
        let account = &self.settings.account;
        let known = self.tenure.store.read().await?.get_account(account).await?;
        if let Some(at) = known.and_then(|account| account.first_read_at) {
            return Ok(Some(at));
        }
        let mut tx = self.tenure.store.begin("poller.first_read").await?;
        let at = tx.set_first_read(account, self.tenure.clock.now()).await?;
        tx.commit().await?;
        Ok(at)
    }

    /// The stored row of a folder: made at the first reading, begun anew where the UIDVALIDITY changed.
    async fn folder_row(
        &self,
        source: &mut dyn Source,
        folder: &FolderSeen,
        status: FolderStatus,
        lease: (&str, Lease),
    ) -> Result<FolderRow, Ended> {
        let mut tx = self.tenure.store.read().await?;
        let stored = tx.get_folder(&self.settings.account, &folder.name).await?;
        let account = tx.get_account(&self.settings.account).await?;
        drop(tx);
        if let Some(row) = &stored
            && row.uid_validity == status.uid_validity
        {
            return Ok(row.clone());
        }
        // From when on all of it is news, whatever its uids say: since it was read last, or, where it is not known though the
        // account was read to its end (some servers make Junk for the first mail that goes there), since the account is read.
        let news_from = match &stored {
            Some(row) => Some(row.last_sync_at.unwrap_or_else(|| self.tenure.clock.now())),
            None => account.filter(|a| a.last_sync_at.is_some()).and_then(|account| account.first_read_at),
        }
        .map(|at| at.minus(REREAD_SLACK));
        let first_uid = match news_from {
            None => self.first_uid(source, folder.role, status).await?,
            Some(from) => self.first_uid_since(source, folder.role, (from, status)).await?,
        };
        let row = FolderRow {
            id: stored.as_ref().map_or_else(|| FolderId(self.tenure.clock.new_id()), |row| row.id),
            account: self.settings.account.clone(),
            name: folder.name.clone(),
            role: folder.role,
            uid_validity: status.uid_validity,
            first_uid,
            last_uid: first_uid.saturating_sub(1),
            backfill_uid: if news_from.is_some() { 0 } else { status.uid_next.saturating_sub(1) },
            fire_after: news_from,
            server_count: None,
            stored_count: None,
            missing_count: None,
            counted_at: None,
            last_sync_at: None,
        };
        if stored.is_some() {
            tracing::warn!(account = %row.account, folder = %row.name, "UIDVALIDITY changed: the folder is read anew");
        }
        let mut tx = self.tenure.fenced("poller.folder", lease).await?;
        tx.put_folder(&row).await?;
        tx.delete_stale_deliveries(row.id, row.uid_validity).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// The uid from which on a folder is read.
    async fn first_uid(&self, source: &mut dyn Source, role: FolderRole, status: FolderStatus) -> Result<i64, Ended> {
        Ok(match self.settings.reach {
            Reach::All => 1,
            Reach::Nothing => status.uid_next,
            // Old junk tells nothing.
            Reach::Back(_) if role == FolderRole::Junk => status.uid_next,
            Reach::Back(back) => {
                let since = source.uids_since(self.tenure.clock.now().minus(back)).await?;
                since.first().copied().unwrap_or(status.uid_next)
            }
        })
    }

    /// The uid from which on a folder is read that was made or numbered anew since the account was read: what came since then
    /// is there under uids that tell nothing, however little of the past is wanted.
    async fn first_uid_since(
        &self,
        source: &mut dyn Source,
        role: FolderRole,
        (from, status): (Micros, FolderStatus),
    ) -> Result<i64, Ended> {
        let wanted = self.first_uid(source, role, status).await?;
        let since = source.uids_since(from).await?;
        Ok(since.first().map_or(wanted, |uid| wanted.min(*uid)))
    }

    async fn uids_to_read(
        &self,
        source: &mut dyn Source,
        row: &FolderRow,
        status: FolderStatus,
    ) -> Result<Vec<i64>, Ended> {
        let (from, to) = (row.last_uid.saturating_add(1), status.uid_next.saturating_sub(1));
        if from > to || status.exists == 0 {
            return Ok(Vec::new());
        }
        if to - from < GAP_MAX {
            return Ok((from..=to).collect());
        }
        Ok(source.uids().await?.into_iter().filter(|uid| (from..=to).contains(uid)).collect())
    }

    /// Reads messages and stores them, batch by batch.
    pub(super) async fn read(&self, source: &mut dyn Source, context: &Context, uids: Vec<i64>) -> Result<(), Ended> {
        let mut rest = uids.as_slice();
        let mut waiting: Option<Batch> = None;
        loop {
            pulse::beat();
            let ahead = rest.get(..rest.len().min(FETCH_MAX)).unwrap_or_default();
            if ahead.is_empty() && waiting.is_none() {
                return Ok(());
            }
            let (fetched, stored) =
                tokio::join!(self.fetch(source, context, ahead), self.store_batch(context, waiting.take()));
            stored?;
            let Some((batch, done)) = fetched? else { continue };
            rest = rest.get(done..).unwrap_or_default();
            waiting = Some(batch);
        }
    }

    async fn store_batch(&self, context: &Context, batch: Option<Batch>) -> Result<(), Ended> {
        let Some(batch) = batch else { return Ok(()) };
        let done =
            ingest::ingest(&self.tenure.store, &self.tenure.clock, context, &batch.arrivals, batch.last_uid).await?;
        if done.new > 0 {
            tracing::info!(account = %context.account, new = done.new, copies = done.copies, "messages stored");
            self.tenure.stored.notify_waiters();
        }
        Ok(())
    }

    /// In a folder whose UIDVALIDITY changed, most messages are known: their headers tell, and they need not be fetched
    /// again. What is left is read in full.
    async fn remap(&self, source: &mut dyn Source, context: &Context, uids: Vec<i64>) -> Result<Vec<i64>, Ended> {
        let mut unknown = Vec::new();
        for piece in uids.chunks(HEADERS_AT_ONCE) {
            pulse::beat();
            let items = match source.fetch_headers(piece).await {
                Ok(items) => items,
                Err(error) if error.is_about_what_was_asked() => {
                    unknown.extend_from_slice(piece);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let prints: Vec<(HeaderItem, Vec<u8>)> = items
                .into_iter()
                .map(|item| {
                    let print = ingest::weak_print_of_headers(&item.raw);
                    (item, print)
                })
                .collect();
            let mut tx = self.tenure.store.begin("poller.remap").await?;
            if !tx.holds_lease_of(context.lease.as_ref()).await? {
                return Err(ingest::IngestError::LeaseLost.into());
            }
            let wanted = prints.iter().map(|(_, print)| print.clone()).filter(|p| !p.is_empty()).collect();
            let known: std::collections::HashMap<Vec<u8>, _> =
                tx.find_fingerprints(wanted).await?.into_iter().map(|m| (m.fingerprint, m.id)).collect();
            let mut deliveries = Vec::new();
            for (item, print) in prints {
                match known.get(&print) {
                    Some(id) => deliveries.push(NewDelivery {
                        folder_id: context.folder_id,
                        uid_validity: context.uid_validity,
                        uid: item.uid,
                        message_id: Some(*id),
                        left_out: None,
                        seen_at: self.tenure.clock.now(),
                    }),
                    None => unknown.push(item.uid),
                }
            }
            tx.insert_deliveries(deliveries).await?;
            tx.commit().await?;
        }
        Ok(unknown)
    }

    /// Fetches and prepares the next batch; how many of the asked-for uids it settles.
    async fn fetch(
        &self,
        source: &mut dyn Source,
        context: &Context,
        uids: &[i64],
    ) -> Result<Option<(Batch, usize)>, Ended> {
        let Some(last) = uids.last() else { return Ok(None) };
        let apart = match source.fetch(uids).await {
            Ok(items) => {
                // Fewer may come back: what lies behind the last one is asked for again, what lies before it and is missing is gone.
                let last_uid = items.iter().map(|i| i.uid).max().unwrap_or(*last);
                Apart { items, withheld: Vec::new(), last_uid }
            }
            Err(error) if error.is_about_what_was_asked() => {
                let apart = Box::pin(alone::ask_apart(source, uids, error)).await?;
                self.refused.ripe(context, apart, self.settings.pace.patience)?
            }
            Err(error) => return Err(error.into()),
        };
        batch_of(context, apart, uids).await
    }
}

async fn batch_of(context: &Context, apart: Apart, uids: &[i64]) -> Result<Option<(Batch, usize)>, Ended> {
    for mail in &apart.withheld {
        let (account, folder, uid, why) = (&context.account, &context.folder, mail.uid, &mail.why);
        tracing::error!(%account, folder, uid, why, "the server does not give this mail: it is entered as one that could not be read");
    }
    let last_uid = apart.last_uid;
    let done = uids.partition_point(|uid| *uid <= last_uid);
    let arrivals = prepare(context.clone(), apart).await?;
    Ok(Some((Batch { arrivals, last_uid }, done)))
}

async fn prepare(context: Context, apart: Apart) -> Result<Vec<Arrival>, Ended> {
    tokio::task::spawn_blocking(move || {
        let mut arrivals = ingest::prepare(apart.items)?;
        arrivals.extend(ingest::prepare_withheld(&context, apart.withheld)?);
        Ok(arrivals)
    })
    .await
    .map_err(|e| Ended::Prepare(e.to_string()))?
    .map_err(|e: std::io::Error| Ended::Prepare(e.to_string()))
}
