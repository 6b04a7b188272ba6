//! Threads on a desk: who looks after one, whether it was read, until when it is out of sight, whether it is done with.

use crate::clock::Clock;
use crate::domain::ids::ThreadId;
use crate::domain::time::Micros;
use crate::store::thread::ThreadDesk;
use crate::store::{StoreError, Tx};

/// What is to change; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
pub struct ThreadChange {
    /// The teammate who looks after it.
    pub assignee: Option<Option<String>>,
    /// Whether everything in it was read.
    pub read: Option<bool>,
    /// Out of sight until this instant, or until the next message.
    pub snoozed_until: Option<Option<Micros>>,
    /// Done with, until the next message.
    pub archived: Option<bool>,
    /// The version that was seen.
    pub version: Option<i64>,
}

/// Why it was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// There is no such thread.
    #[error("there is no thread `{0}`")]
    Unknown(ThreadId),
    /// It was changed since it was seen.
    #[error("thread `{id}` was changed meanwhile: it is at version {version} now; read it again")]
    Changed {
        /// The thread.
        id: ThreadId,
        /// Its version now.
        version: i64,
    },
    /// Out of sight until an instant that is over.
    #[error("snoozed until {0}, which is over; expected an instant to come")]
    Past(Micros),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes a thread; where it was merged into another, that other one. Gives its id.
pub async fn change(tx: &mut Tx, clock: &Clock, id: ThreadId, change: ThreadChange) -> Result<ThreadId, ThreadError> {
    let mut desk = tx.lock_thread_desk(id).await?.ok_or(ThreadError::Unknown(id))?;
    if change.version.is_some_and(|seen| seen != desk.version) {
        return Err(ThreadError::Changed { id: desk.id, version: desk.version });
    }
    if let Some(past) = change.snoozed_until.flatten().filter(|until| *until <= clock.now()) {
        return Err(ThreadError::Past(past));
    }
    let newest = desk.last_message_at;
    if let Some(assignee) = change.assignee {
        desk.assignee = assignee;
    }
    if let Some(read) = change.read {
        desk.read_at = read.then_some(newest);
    }
    if let Some(until) = change.snoozed_until {
        (desk.snoozed_at, desk.snoozed_until) = (until.map(|_| newest), until);
    }
    if let Some(archived) = change.archived {
        desk.archived_at = archived.then_some(newest);
    }
    let ThreadDesk { id, .. } = desk;
    tx.update_thread_desk(desk).await?;
    Ok(id)
}
