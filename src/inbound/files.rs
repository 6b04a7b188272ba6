//! Fetches the files beside messages of an account, as long as this node has its lease, whether what is said can be read or not:
//! providers delete them, or let their links lapse.
//!
//! A file is taken in hand before its provider is asked, and what came of it is written in one transaction with its content. Whoever
//! loses the lease of the account meanwhile writes nothing; whoever dies leaves a file that is fetched again. What fails is asked for
//! less and less often, and given up ([`crate::domain::file`]). Nothing here ends a session or keeps a message from being heard.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::sync::futures::Notified;
use tokio::time::timeout;

use super::ingest::IngestError;
use super::tenure::Tenure;
use crate::clock::jitter;
use crate::connector::ConnectorError;
use crate::connector::feed::{Attached, FILE_OCTETS_MAX, Feed, FileError};
use crate::domain::file::{Failure, decide_rest};
use crate::store::file::{FileDue, FileGrip, FilePiece};
use crate::store::lease::Lease;
use crate::store::{StoreError, Tx};

/// Files in memory at once, in the whole process.
static ROOM: Semaphore = Semaphore::const_new(4);
/// How long one may take; how long nothing of it may come is the provider's connector's business, and shorter.
const FETCH_TIME_MAX: Duration = Duration::from_mins(15);
/// Seconds for which a file is in hand: longer than it may take, and to write it.
const LEASE_SECONDS: i64 = 20 * 60;
/// The rest of an account whose sign-in was refused: more tries would lock it.
const REFUSED_REST: Duration = Duration::from_mins(30);
/// The rest where a connection can't be trusted.
const INSECURE_REST: Duration = Duration::from_mins(10);
/// The rest where nobody is signed in: nobody is asked then.
const SIGNED_OUT_REST: Duration = Duration::from_mins(1);
/// The longest rest that a provider may ask for.
const REST_MAX: Duration = Duration::from_hours(1);
/// How long it counts for nothing that a provider wants to be left alone whenever a file is asked for.
const PATIENCE: Duration = Duration::from_hours(7 * 24);
/// How often to look for files that another node heard of, by a hook.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// The rest after the database could not be asked.
const RETRY: Duration = Duration::from_secs(10);
/// Octets of a piece, before it is packed.
const PIECE_OCTETS: usize = 1024 * 1024;
/// Characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 300;

/// What is to be done next.
enum Next {
    /// The same again: there may be more.
    Look,
    /// To wait for something.
    Wait,
    /// To leave the provider alone.
    Rest(Duration),
}

/// Fetches until the lease of the account is lost.
pub(super) async fn fetch(tenure: &Tenure, lease: (&str, Lease), feed: &mut dyn Feed) -> Result<(), StoreError> {
    let mut begun = false;
    loop {
        // What is stored from here on wakes us, also while we look.
        let stored = tenure.stored.notified();
        let done = async {
            if !begun {
                free(tenure, lease).await?;
                begun = true;
            }
            fetch_next(tenure, lease, feed).await
        };
        match done.await {
            Ok(Next::Look) => {}
            Ok(Next::Wait) => rest(tenure, stored).await,
            Ok(Next::Rest(length)) => tokio::time::sleep(length).await,
            Err(IngestError::LeaseLost) => return Ok(()),
            Err(IngestError::Store(error @ StoreError::Damaged(_))) => return Err(error),
            // What is in hand is let go: nobody else has any of the account's.
            Err(IngestError::Store(StoreError::Conflict(_))) => {
                begun = false;
                tokio::time::sleep(jitter(Duration::from_millis(50))).await;
            }
            Err(error) => {
                begun = false;
                tracing::warn!(account = %tenure.account, %error, "files beside messages can't be fetched; trying again");
                tokio::time::sleep(jitter(RETRY)).await;
            }
        }
    }
}

/// Until something was stored, or a file is due.
async fn rest(tenure: &Tenure, stored: Notified<'_>) {
    let next = async { tenure.store.read().await?.next_due_file(&tenure.account).await };
    let rest = match next.await {
        Ok(Some(at)) => at.since(tenure.clock.now()).clamp(Duration::from_secs(1), LOOK_EVERY),
        Ok(None) | Err(_) => LOOK_EVERY,
    };
    tokio::select! {
        () = tokio::time::sleep(rest) => {}
        () = stored => {}
    }
}

/// What whoever read the account before had in hand: it can't write any more what became of it.
async fn free(tenure: &Tenure, lease: (&str, Lease)) -> Result<(), IngestError> {
    let mut tx = begin(tenure, lease, "inbound.files_free").await?;
    tx.free_files(&tenure.account).await?;
    Ok(tx.commit().await?)
}

async fn begin(tenure: &Tenure, (name, lease): (&str, Lease), what: &'static str) -> Result<Tx, IngestError> {
    let mut tx = tenure.store.begin(what).await?;
    if tx.holds_lease(name, lease).await? { Ok(tx) } else { Err(IngestError::LeaseLost) }
}

/// Fetches the next one that is due.
async fn fetch_next(tenure: &Tenure, lease: (&str, Lease), feed: &mut dyn Feed) -> Result<Next, IngestError> {
    // Most looks find nothing: they cost one read.
    let next = tenure.store.read().await?.next_due_file(&tenure.account).await?;
    if next.is_none_or(|at| at > tenure.clock.now()) {
        return Ok(Next::Wait);
    }
    // Never closed. Waited for before anything is in hand.
    let _room = ROOM.acquire().await.ok();
    let Some(due) = claim(tenure, lease).await? else { return Ok(Next::Wait) };
    let grip = FileGrip { message_id: due.message_id, position: due.position, holder: tenure.run, tries: due.tries };
    let file = Attached {
        url: due.url.clone(),
        name: due.name.clone(),
        mime: due.mime.clone(),
        size: due.size.and_then(|size| u64::try_from(size).ok()),
    };
    let late = |_| FileError::Connector(ConnectorError::Lost("the file did not come in time".to_owned()));
    let fetched = timeout(FETCH_TIME_MAX, feed.file(&file, FILE_OCTETS_MAX)).await.map_err(late).flatten();
    match fetched {
        Ok(content) => {
            keep(tenure, lease, grip, &content).await?;
            Ok(Next::Look)
        }
        Err(error) => note(tenure, lease, (grip, &due), &error).await,
    }
}

async fn claim(tenure: &Tenure, lease: (&str, Lease)) -> Result<Option<FileDue>, IngestError> {
    let mut tx = begin(tenure, lease, "inbound.files_claim").await?;
    let due = tx.claim_file(&tenure.account, tenure.run, tenure.clock.now(), LEASE_SECONDS).await?;
    tx.commit().await?;
    Ok(due)
}

/// Keeps what is in it, packed piece by piece, and that it is kept, in one transaction.
async fn keep(tenure: &Tenure, lease: (&str, Lease), grip: FileGrip, content: &[u8]) -> Result<(), IngestError> {
    let hash = hash_of(content).await;
    let pieces = content.len().div_ceil(PIECE_OCTETS);
    let mut tx = begin(tenure, lease, "inbound.files_keep").await?;
    insert(&mut tx, &hash, content).await?;
    // As those do who delete contents that nothing names any more, and after what takes long: what is said elsewhere waits for it. What
    // one of them deleted until now is written again.
    tx.lock_conversations().await?;
    if usize::try_from(tx.count_file_pieces(&hash).await?) != Ok(pieces) {
        insert(&mut tx, &hash, content).await?;
    }
    // Erased meanwhile, say: then nothing of it is written at all.
    if !tx.keep_file(grip, (&hash, octets(content))).await? {
        return Ok(());
    }
    tx.commit().await?;
    tracing::debug!(account = %tenure.account, message = %grip.message_id, octets = content.len(), "a file is kept");
    Ok(())
}

/// One piece at a time: all of them packed would be the whole once more.
async fn insert(tx: &mut Tx, hash: &[u8], content: &[u8]) -> Result<(), StoreError> {
    for (position, piece) in (0..).zip(content.chunks(PIECE_OCTETS)) {
        tx.insert_file_piece(hash, position, FilePiece::pack(piece)?).await?;
    }
    Ok(())
}

fn octets(content: &[u8]) -> i64 {
    i64::try_from(content.len()).unwrap_or(i64::MAX)
}

/// Others get on meanwhile.
async fn hash_of(content: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for piece in content.chunks(PIECE_OCTETS) {
        hash.update(piece);
        tokio::task::yield_now().await;
    }
    hash.finalize().to_vec()
}

/// Notes that it could not be fetched: it is asked for again, or given up. What is not the file's fault counts for nothing.
async fn note(
    tenure: &Tenure,
    lease: (&str, Lease),
    (grip, due): (FileGrip, &FileDue),
    error: &FileError,
) -> Result<Next, IngestError> {
    let now = tenure.clock.now();
    let is_late = now.since(due.stored_at) >= PATIENCE;
    let failed = |failure| decide_rest(failure, due.failures.saturating_add(1), now.since(due.stored_at)).map(jitter);
    let (rest, next) = match error {
        FileError::Later { rest, .. } => {
            let rest = (*rest).min(REST_MAX);
            (if is_late { failed(Failure::Passing) } else { Some(rest) }, Next::Rest(rest))
        }
        FileError::Connector(ConnectorError::Login(_)) => (Some(REFUSED_REST), Next::Rest(REFUSED_REST)),
        FileError::Connector(ConnectorError::Insecure(_)) => (Some(INSECURE_REST), Next::Rest(INSECURE_REST)),
        FileError::Connector(ConnectorError::SignedOut(_)) => (Some(SIGNED_OUT_REST), Next::Rest(SIGNED_OUT_REST)),
        FileError::TooLarge | FileError::Elsewhere(_) => (failed(Failure::Lasting), Next::Look),
        FileError::Missing(_) => (failed(Failure::Missing), Next::Look),
        FileError::Connector(_) => (failed(Failure::Passing), Next::Look),
    };
    let counts = matches!(next, Next::Look) || (is_late && matches!(error, FileError::Later { .. }));
    let reason: String = error.to_string().replace('\0', "").chars().take(REASON_CHARS_MAX).collect();
    let mut tx = begin(tenure, lease, "inbound.files_note").await?;
    match rest {
        Some(rest) => tx.defer_file(grip, now.plus(rest), (&reason, counts)).await?,
        None => tx.lose_file(grip, &reason).await?,
    };
    tx.commit().await?;
    let (account, message) = (&tenure.account, due.message_id);
    tracing::info!(%account, %message, file = due.position, reason, given_up = rest.is_none(), "a file can't be fetched");
    Ok(next)
}
