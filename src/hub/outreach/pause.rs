//! Pausing a sequence, an account or everything, and letting it go on. Time stands still for the runs meanwhile: nothing
//! of their waits is used up, and nothing is caught up with at once.

use serde_json::json;

use crate::clock::Clock;
use crate::domain::words::{AccountState, EventType};
use crate::hub::signal::{self, Signal};
use crate::store::mailbox::Side;
use crate::store::outreach::round::Scope;
use crate::store::{Store, StoreError, Tx};

/// The round that notes on runs that time stands still for them.
const HOLD: &str = "hold";
/// The round that has runs looked at.
const WAKE: &str = "wake";
/// Runs of one transaction of a round.
pub const BATCH: i64 = 2_000;
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

impl<'a> Target<'a> {
    fn runs(self) -> Scope<'a> {
        match self {
            Self::Sequence(id) => Scope::Sequence(id),
            Self::Account(name) => Scope::Account(name),
            Self::All => Scope::All,
        }
    }

    /// The name of a round over its runs.
    fn round(self, what: &str) -> String {
        match self {
            Self::Sequence(id) => format!("{what}:sequence:{id}"),
            Self::Account(name) => format!("{what}:{}", account_scope(name)),
            Self::All => format!("{what}:{ALL}"),
        }
    }

    /// Whose runs a round is about.
    fn of_round(scope: &'a str) -> Self {
        match scope.split_once(':') {
            Some(("sequence", id)) => Self::Sequence(id),
            Some(("account", name)) => Self::Account(name),
            _ => Self::All,
        }
    }
}

/// Pauses; `false` where it was paused, or is not there.
///
/// From the commit on nothing leaves that it is about: whatever plans, claims or hands over asks for pauses. That time stands
/// still is noted on each of the runs after that, a batch at a time ([`carry_on`]), for there may be very many.
pub async fn pause(tx: &mut Tx, clock: &Clock, what: Target<'_>, reason: &str) -> Result<bool, StoreError> {
    let now = clock.now();
    let changed = match what {
        Target::Sequence(id) => tx.pause_sequence(id, reason, now).await?,
        Target::Account(name) => tx.insert_pause(&account_scope(name), reason, now).await?,
        Target::All => tx.insert_pause(ALL, reason, now).await?,
    };
    if changed {
        tx.end_round(&what.round(WAKE)).await?;
        tx.begin_round(&what.round(HOLD), now).await?;
        note(tx, clock, EventType::SequencePaused, what, json!({"reason": reason})).await?;
    }
    Ok(changed)
}

/// Ends a pause, because somebody says so; `false` where there was none. Its runs are woken a batch at a time ([`carry_on`]).
///
/// Those on which it is not noted yet that time stood still have that noted here; call [`finish_hold`] first, so that they are few.
pub async fn resume(tx: &mut Tx, clock: &Clock, what: Target<'_>, by: &str) -> Result<bool, StoreError> {
    let hold = what.round(HOLD);
    while carry_on_one(tx, &hold, BATCH).await? {}
    let changed = match what {
        Target::Sequence(id) => tx.resume_sequence(id).await?,
        Target::Account(name) => tx.delete_pause(&account_scope(name)).await?,
        Target::All => tx.delete_pause(ALL).await?,
    };
    if changed {
        wake(tx, clock, what).await?;
        note(tx, clock, EventType::SequenceResumed, what, json!({"by": by})).await?;
    }
    Ok(changed)
}

/// Has every run of these looked at again, a batch at a time: what blocked them may be over.
pub async fn wake(tx: &mut Tx, clock: &Clock, what: Target<'_>) -> Result<(), StoreError> {
    tx.begin_round(&what.round(WAKE), clock.now()).await
}

/// Goes on with at most so many runs of the oldest round that is under way; `false` where there is none.
pub async fn carry_on(store: &Store, at_most: i64) -> Result<bool, StoreError> {
    let rounds = store.read().await?.list_rounds().await?;
    let Some(round) = rounds.first() else { return Ok(false) };
    let mut tx = store.begin("outreach.round").await?;
    carry_on_one(&mut tx, &round.scope, at_most).await?;
    tx.commit().await?;
    Ok(true)
}

/// Notes on every run of what is paused that time stands still for it, a batch in each transaction.
pub async fn finish_hold(store: &Store, what: Target<'_>) -> Result<(), StoreError> {
    let hold = what.round(HOLD);
    while store.read().await?.list_rounds().await?.iter().any(|round| round.scope == hold) {
        let mut tx = store.begin("outreach.round").await?;
        carry_on_one(&mut tx, &hold, BATCH).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// One batch of a round; `false` where it is over.
async fn carry_on_one(tx: &mut Tx, scope: &str, at_most: i64) -> Result<bool, StoreError> {
    let Some(round) = tx.lock_round(scope).await? else { return Ok(false) };
    let (what, of) = scope.split_once(':').unwrap_or((scope, ALL));
    let ids = tx.lock_live_ids(Target::of_round(of).runs(), round.after(), at_most).await?;
    let Some(last) = ids.last().copied() else {
        tx.end_round(scope).await?;
        return Ok(false);
    };
    if what == HOLD {
        tx.hold_runs(ids, round.at).await?;
    } else {
        tx.wake_runs(ids, round.at).await?;
    }
    tx.move_round(scope, last).await?;
    Ok(true)
}

/// Lets an account send again because somebody says so: its sequences, what rests because its provider
/// asked for that, and, where a server's refusal had stopped it, all of its mail. `false` where neither was stopped.
pub async fn resume_account(tx: &mut Tx, clock: &Clock, name: &str, by: &str) -> Result<bool, StoreError> {
    let resumed = resume(tx, clock, Target::Account(name), by).await?;
    // Whoever says so need not wait for what its provider asked for: it is asked again.
    let resumed = tx.end_rest(name, clock.now()).await? || resumed;
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
