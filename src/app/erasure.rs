//! Giving out and erasing what is kept about one person.

use std::io::Write;

use tokio::sync::Semaphore;

use super::Hub;
use crate::clock::Clock;
use crate::connector::email::parse;
use crate::domain::ids::InfluencerId;
use crate::http::ActionError;
use crate::http::actions::EraseOrder;
use crate::hub::people::erase::{self, Erased};
use crate::hub::people::export::{self, Attached, ExportError, Exported, Means, Output};
use crate::hub::people::{self, PeopleError};
use crate::store::Store;

/// Octets of an archive that is given over HTTP.
const EXPORT_MAX: usize = 512 * 1024 * 1024;
/// Files looked for in one mail.
const FILES_MAX: usize = 1_000;

fn attachments(raw: &[u8]) -> Vec<Attached> {
    (0..FILES_MAX).map_while(|n| parse::attachment(raw, n)).map(|(about, content)| (about.name, content)).collect()
}

/// Writes everything that is kept about somebody as a ZIP archive.
///
/// # Errors
/// [`ExportError`].
pub async fn write_export(
    store: &Store,
    clock: &Clock,
    id: InfluencerId,
    output: &mut Output,
) -> Result<Exported, ExportError> {
    let mut tx = store.snapshot().await?;
    export::export(&mut tx, clock, id, Means { attachments: &attachments, output }).await
}

/// Takes as much as is given at once.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        if self.0.len().saturating_add(octets.len()) > EXPORT_MAX {
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "more than is given at once"));
        }
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One archive at a time is put together in memory; whoever else wants one waits, and holds nothing meanwhile.
static ONE: Semaphore = Semaphore::const_new(1);

/// The archive; none where it is larger than is given at once.
pub(super) async fn export(hub: &Hub, id: InfluencerId) -> Result<Option<Vec<u8>>, ActionError> {
    // Never closed.
    let _one = ONE.acquire().await.ok();
    let mut output = Bounded(Vec::new());
    match write_export(&hub.store, &hub.clock, id, &mut output).await {
        Ok(_) => Ok(Some(output.0)),
        Err(ExportError::Output(_) | ExportError::Archive(_)) => Ok(None),
        Err(ExportError::Store(error)) => Err(error.into()),
        Err(ExportError::People(error)) => Err(super::actions::not_changed(error)),
    }
}

/// Erases somebody; only tries to, where it is a dry run.
pub(super) async fn erase(hub: &Hub, order: EraseOrder, by: &str) -> Result<Erased, PeopleError> {
    let EraseOrder { id, dry_run, version } = order;
    let mut tx = hub.store.begin("api.erase").await?;
    if version.is_some() {
        // In the order in which erasing takes them.
        tx.lock_conversations().await?;
        people::seen(&mut tx, id, version).await?;
    }
    let erased = erase::erase(&mut tx, &hub.clock, id, by, dry_run).await?;
    if !dry_run {
        tx.commit().await?;
        hub.stored.notify_waiters();
        tracing::info!(influencer = %id, messages = erased.messages, by, "somebody was erased");
    }
    Ok(erased)
}
