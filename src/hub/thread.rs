//! Threads on a desk: whose one is, who looks after it, whether it was read, until when it is out of sight, whether it is done with.

use serde_json::json;

use crate::clock::Clock;
use crate::domain::ids::{InfluencerId, ThreadId};
use crate::domain::time::Micros;
use crate::domain::words::{EventType, HoldSource};
use crate::hub::signal::{self, Signal};
use crate::hub::{hold, people};
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
    /// Whose it is.
    pub influencer: Option<InfluencerId>,
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
    /// There is nobody to give it to.
    #[error("there is no influencer `{0}`")]
    NoInfluencer(InfluencerId),
    /// They have a thread of their own in the same conversation.
    #[error("influencer {to} takes part in this conversation already, in thread {there}; work with that one")]
    TheirOwn {
        /// To whom it was to be given.
        to: InfluencerId,
        /// Their thread.
        there: ThreadId,
    },
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes a thread; where it was merged into another, that other one. Gives its id. `by` says who does.
pub async fn change(
    tx: &mut Tx,
    clock: &Clock,
    id: ThreadId,
    (change, by): (ThreadChange, &str),
) -> Result<ThreadId, ThreadError> {
    if change.influencer.is_some() {
        // Before the thread, as those do who store messages.
        tx.lock_conversations().await?;
    }
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
    if let Some(to) = change.influencer {
        give(tx, clock, id, (to, by)).await?;
    }
    Ok(id)
}

/// A person says that a thread is another influencer's: it moves to their timeline, what is said in this conversation from now on
/// follows it, and what was said there last counts as their answer, read by whoever gave it. What followed for the one who had it
/// (runs that ended, a stage) stays as it is. Given back to them, the thread is as it was, and nothing follows a second time.
async fn give(tx: &mut Tx, clock: &Clock, id: ThreadId, (to, by): (InfluencerId, &str)) -> Result<(), ThreadError> {
    let thread = tx.get_thread(id).await?.ok_or(ThreadError::Unknown(id))?;
    let to = people::survivor(tx, to).await?;
    if tx.get_influencer(to).await?.is_none() {
        return Err(ThreadError::NoInfluencer(to));
    }
    let from = thread.influencer_id;
    if from == to {
        return Ok(());
    }
    let beside = tx.find_threads_in(vec![thread.conversation_id]).await?;
    if let Some(own) = beside.iter().find(|other| other.influencer_id == to) {
        return Err(ThreadError::TheirOwn { to, there: own.id });
    }
    let is_back = tx.list_given(vec![thread.conversation_id]).await?.contains(&(thread.conversation_id, to, from));
    // Before it is asked what is open: an answer may be on its way.
    tx.lock_influencers(vec![from, to]).await?;
    let asked = hold::asked_of(tx, &[from, to], &hold::ASKED).await?;
    tx.give_thread(id, from, to).await?;
    // Whoever the questions of this thread are about now is held by them, and who is asked nothing any more is let go.
    hold::hold_asked(tx, clock, &[to], &asked).await?;
    let of_thread: Vec<HoldSource> = asked.iter().filter(|q| q.influencer == from).map(|q| q.source).collect();
    hold::release_answered(tx, clock, vec![from], &of_thread).await?;
    for who in [from, to] {
        let newest = tx.newest_turn(who).await?;
        let awaiting = newest.and_then(|(_, awaiting)| awaiting);
        let last = tx.newest_part(who).await?;
        tx.set_touch(who, last, awaiting).await?;
    }
    if !is_back && let Some((message, account)) = tx.newest_said(id).await? {
        let data = json!({"account": account, "by_agent": null, "answer": {"verdict": "read"}, "assigned_by": by});
        let what = EventType::ThreadReplied;
        let said = Signal { what, influencer: Some(to), message: Some(message), at: clock.now(), data: Some(data) };
        signal::record(tx, clock, vec![said]).await?;
    }
    Ok(())
}
