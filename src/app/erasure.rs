//! Giving out and erasing what is kept about one person.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::Hub;
use crate::clock::Clock;
use crate::connector::email::parse;
use crate::domain::ids::InfluencerId;
use crate::http::ActionError;
use crate::http::actions::{EraseOrder, Pieces};
use crate::hub::people::erase::{self, Erased};
use crate::hub::people::export::{self, Attached, ExportError, Exported, Subject, Taker};
use crate::hub::people::{self, PeopleError};
use crate::store::{Store, StoreError};

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
    taker: &mut impl Taker,
) -> Result<Exported, ExportError> {
    let subject = Subject::find(&mut store.read().await?, id).await?;
    export::export((store, clock), subject, &attachments, taker).await
}

/// Hands each piece over once the one before it is on its way.
struct Handing {
    sender: mpsc::Sender<Vec<u8>>,
    /// How long its reader let it wait.
    waited: Duration,
    octets: u64,
}

impl Taker for Handing {
    async fn take(&mut self, octets: Vec<u8>) -> std::io::Result<()> {
        use std::io::{Error, ErrorKind};
        let (began, length) = (Instant::now(), u64::try_from(octets.len()).unwrap_or(u64::MAX));
        self.sender.send(octets).await.map_err(|_| Error::new(ErrorKind::BrokenPipe, "nobody reads it any more"))?;
        self.waited = self.waited.saturating_add(began.elapsed());
        self.octets = self.octets.saturating_add(length);
        let seconds = self.waited.saturating_sub(SLOW_FOR_MAX).as_secs();
        if seconds.saturating_mul(OCTETS_PER_SECOND_MIN) > self.octets {
            return Err(Error::new(ErrorKind::TimedOut, "it is read too slowly, and others wait"));
        }
        Ok(())
    }
}

/// Archives that are given away at once: each has a mail with its files in memory. Whoever wants another one waits, as long as a
/// request may take; a reader who stands still is cut off by the listener, one who hardly reads by [`Handing`].
static PLACES: Semaphore = Semaphore::const_new(4);
/// How fast an archive is read at least, once it was waited for a while: a slow line of today. Looked at between two pieces.
const OCTETS_PER_SECOND_MIN: u64 = 16 * 1024;
/// That while.
const SLOW_FOR_MAX: Duration = Duration::from_secs(30);

/// The archive, read as it is sent. Where it can't be read to its end, it breaks off.
pub(super) async fn export(hub: &Hub, id: InfluencerId) -> Result<Pieces, ActionError> {
    // Never closed.
    let place = PLACES.acquire().await.ok();
    let subject = match Subject::find(&mut hub.store.read().await?, id).await {
        Ok(subject) => subject,
        Err(ExportError::Store(error)) => return Err(error.into()),
        Err(ExportError::People(error)) => return Err(super::actions::not_changed(error)),
        Err(error @ (ExportError::Output(_) | ExportError::Archive(_))) => {
            return Err(StoreError::Damaged(error.to_string()).into());
        }
    };
    let (sender, mut receiver) = mpsc::channel(1);
    let (store, clock) = (hub.store.clone(), hub.clock.clone());
    let mut handing = Handing { sender, waited: Duration::ZERO, octets: 0 };
    // Driven by whoever reads the answer, and gone with it.
    let reading = async move {
        let done = export::export((&store, &clock), subject, &attachments, &mut handing).await;
        drop(place);
        done.err().map(|error| {
            tracing::warn!(influencer = %id, %error, "an export broke off");
            Err(std::io::Error::other(error))
        })
    };
    let pieces = stream::poll_fn(move |cx| receiver.poll_recv(cx)).map(Ok);
    let failed = stream::once(reading).filter_map(std::future::ready);
    Ok(stream::select(pieces, failed).boxed())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads that many pieces of as many octets, and rests before each; gives what became of the last one.
    async fn read_with(pieces: u32, octets: usize, rest: Duration) -> std::io::Result<()> {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut handing = Handing { sender, waited: Duration::ZERO, octets: 0 };
        let reader = async move {
            loop {
                tokio::time::sleep(rest).await;
                if receiver.recv().await.is_none() {
                    break;
                }
            }
        };
        let giver = async move {
            for _ in 0..pieces {
                handing.take(vec![0; octets]).await?;
            }
            Ok(())
        };
        tokio::join!(reader, giver).1
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_hardly_read_breaks_off_and_one_on_a_slow_line_does_not() {
        let second = Duration::from_secs(1);
        // 8 KiB a second, for two minutes; then twice as fast as is wanted, for an hour.
        let slow = read_with(120, 8 * 1024, second).await.unwrap_err();
        assert_eq!(slow.kind(), std::io::ErrorKind::TimedOut);
        read_with(3_600, 32 * 1024, second).await.unwrap();
        // A short one that is read as slowly takes nobody's place for long.
        read_with(25, 8 * 1024, second).await.unwrap();
        let mut gone = Handing { sender: mpsc::channel(1).0, waited: Duration::ZERO, octets: 0 };
        assert_eq!(gone.take(vec![0]).await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    }
}
