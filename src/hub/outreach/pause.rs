//! Pausing a sequence, an account or everything, and letting it go on. Time stands still for the runs meanwhile: nothing
//! of their waits is used up, and nothing is caught up with at once.

use serde_json::json;

use crate::clock::Clock;
use crate::domain::words::{AccountState, EventType};
use crate::hub::signal::{self, Signal};
use crate::store::mailbox::Side;
use crate::store::outreach::enrollment::Scope;
use crate::store::{StoreError, Tx};

/// Characters of a reason; what is beyond is cut.
const REASON_MAX: usize = 500;

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
        note(tx, clock, EventType::SequencePaused, what, json!({"reason": reason})).await?;
    }
    Ok(changed)
}

/// Ends a pause, because somebody says so; `false` where there was none.
pub async fn resume(tx: &mut Tx, clock: &Clock, what: Target<'_>, by: &str) -> Result<bool, StoreError> {
    let (changed, scope) = match what {
        Target::Sequence(id) => (tx.resume_sequence(id).await?, Scope::Sequence(id)),
        Target::Account(name) => (tx.delete_pause(&account_scope(name)).await?, Scope::Account(name)),
        Target::All => (tx.delete_pause(ALL).await?, Scope::All),
    };
    if changed {
        tx.wake_enrollments(scope, clock.now()).await?;
        note(tx, clock, EventType::SequenceResumed, what, json!({"by": by})).await?;
    }
    Ok(changed)
}

/// Lets an account send again because somebody says so: its sequences, and, where a server's refusal had stopped it, all of
/// its mail. `false` where neither was stopped.
pub async fn resume_account(tx: &mut Tx, clock: &Clock, name: &str, by: &str) -> Result<bool, StoreError> {
    let resumed = resume(tx, clock, Target::Account(name), by).await?;
    let stopped = tx.get_account(name).await?.is_some_and(|a| a.sending_state == AccountState::Paused);
    if stopped {
        tx.restart_tries(name).await?;
    }
    if stopped && tx.set_account_state(name, Side::Sending, (AccountState::Up, None), clock.now()).await? {
        let data = json!({"account": name, "side": "sending", "state": AccountState::Up, "by": by});
        let (what, at) = (EventType::AccountUp, clock.now());
        let up = Signal { what, influencer: None, message: None, at, data: Some(data) };
        signal::record(tx, clock, vec![up]).await?;
        return Ok(true);
    }
    Ok(resumed)
}

async fn note(
    tx: &mut Tx,
    clock: &Clock,
    event: EventType,
    what: Target<'_>,
    mut data: serde_json::Value,
) -> Result<(), StoreError> {
    let (name, value) = match what {
        Target::Sequence(id) => ("sequence", json!(id)),
        Target::Account(name) => ("account", json!(name)),
        Target::All => ("all", json!(true)),
    };
    if let Some(data) = data.as_object_mut() {
        data.insert(name.to_owned(), value);
    }
    let signal = Signal { what: event, influencer: None, message: None, at: clock.now(), data: Some(data) };
    signal::record(tx, clock, vec![signal]).await
}

/// The reason of a pause that a person made: what they said, and who they are.
pub fn by_hand(said: Option<&str>, by: &str) -> String {
    match said.map(str::trim).filter(|said| !said.is_empty()) {
        Some(said) => {
            let said: String = said.chars().take(REASON_MAX).collect();
            format!("{said} ({by})")
        }
        None => format!("by {by}"),
    }
}
