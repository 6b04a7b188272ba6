//! Pausing a sequence, an account or everything, and letting it go on. Time stands still for the runs meanwhile: nothing
//! of their waits is used up, and nothing is caught up with at once.

use serde_json::json;

use crate::clock::Clock;
use crate::domain::words::EventType;
use crate::hub::signal::{self, Signal};
use crate::store::outreach::enrollment::Scope;
use crate::store::{StoreError, Tx};

/// The scope of a pause of everything.
pub const ALL: &str = "all";

/// The scope of a pause of an account.
pub fn account_scope(name: &str) -> String {
    format!("account:{name}")
}

/// What is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A sequence.
    Sequence(&'a str),
    /// An account: nothing of a sequence leaves from it; what people write does.
    Account(&'a str),
    /// All sequences.
    All,
}

/// Pauses; `false` where it was paused, or is not there.
pub async fn pause(tx: &mut Tx, clock: &Clock, what: Target<'_>, reason: &str) -> Result<bool, StoreError> {
    let now = clock.now();
    let (changed, scope) = match what {
        Target::Sequence(id) => (tx.pause_sequence(id, reason, now).await?, Scope::Sequence(id)),
        Target::Account(name) => (tx.insert_pause(&account_scope(name), reason, now).await?, Scope::Account(name)),
        Target::All => (tx.insert_pause(ALL, reason, now).await?, Scope::All),
    };
    if changed {
        tx.hold_enrollments(scope, now).await?;
        note(tx, clock, EventType::SequencePaused, what, Some(reason)).await?;
    }
    Ok(changed)
}

/// Ends a pause; `false` where there was none.
pub async fn resume(tx: &mut Tx, clock: &Clock, what: Target<'_>) -> Result<bool, StoreError> {
    let (changed, scope) = match what {
        Target::Sequence(id) => (tx.resume_sequence(id).await?, Scope::Sequence(id)),
        Target::Account(name) => (tx.delete_pause(&account_scope(name)).await?, Scope::Account(name)),
        Target::All => (tx.delete_pause(ALL).await?, Scope::All),
    };
    if changed {
        tx.wake_enrollments(scope, clock.now()).await?;
        note(tx, clock, EventType::SequenceResumed, what, None).await?;
    }
    Ok(changed)
}

async fn note(
    tx: &mut Tx,
    clock: &Clock,
    event: EventType,
    what: Target<'_>,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let data = match what {
        Target::Sequence(id) => json!({"sequence": id, "reason": reason}),
        Target::Account(name) => json!({"account": name, "reason": reason}),
        Target::All => json!({"all": true, "reason": reason}),
    };
    let signal = Signal { what: event, influencer: None, message: None, at: clock.now(), data: Some(data) };
    signal::record(tx, clock, vec![signal]).await
}
