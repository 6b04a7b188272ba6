//! How an account fares: whether it may try now, how long it rests after trouble, and what the store is told.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Tools;
use crate::clock;
use crate::domain::ids::EventId;
use crate::domain::retry::{AccountTrouble, account_rest};
use crate::domain::words::{AccountState, EventType};
use crate::store::event::NewEvent;
use crate::store::mailbox::Side;
use crate::store::{StoreError, Tx};

/// A circuit breaker: closed while all is well, open while the account rests, and then tried with one message.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    troubles: u32,
    until: Option<Instant>,
    login: bool,
}

/// Whether an account may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// As much as there is room for.
    Well,
    /// One message, to see.
    Probe,
    /// Not before this long.
    Resting(Duration),
}

impl Breaker {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn standing(&self) -> Standing {
        let state = self.lock();
        match state.until {
            None => Standing::Well,
            Some(until) => match until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => Standing::Resting(left),
                _ => Standing::Probe,
            },
        }
    }

    /// Whether the sign-in was refused and nothing went well since.
    pub(super) fn login_refused(&self) -> bool {
        self.lock().login
    }

    /// Notes trouble. Sessions that meet it at one moment count once. `true` where the account was well before.
    pub(super) fn trouble(&self, trouble: AccountTrouble) -> bool {
        let mut state = self.lock();
        let first = state.until.is_none();
        if state.until.is_some_and(|until| until > Instant::now()) {
            state.login |= trouble == AccountTrouble::Login;
            return false;
        }
        state.troubles = state.troubles.saturating_add(1);
        state.login |= trouble == AccountTrouble::Login;
        state.until = Some(Instant::now() + clock::jitter(account_rest(trouble, state.troubles)));
        first
    }

    /// Notes that it went well. `true` where there was trouble before.
    pub(super) fn well(&self) -> bool {
        let mut state = self.lock();
        let was = state.until.is_some();
        *state = State::default();
        was
    }
}

/// Tells the store that an account is in trouble, with an event where that is a change.
pub(super) async fn write_down(
    tools: &Tools,
    account: &str,
    trouble: AccountTrouble,
    why: &str,
) -> Result<(), StoreError> {
    let state = match trouble {
        AccountTrouble::Unreachable => AccountState::Down,
        AccountTrouble::Login | AccountTrouble::SignedOut => AccountState::NeedsLogin,
        AccountTrouble::Policy => AccountState::Paused,
    };
    let mut tx = tools.store.begin("outbound.account_down").await?;
    let current = tx.get_account(account).await?.map(|a| a.sending_state);
    // A pause is a person's (or a policy's) word; a refused sign-in says more than a lost connection.
    let stays = match current {
        None | Some(AccountState::Paused) => true,
        Some(AccountState::NeedsLogin) => state == AccountState::Down,
        Some(AccountState::Up | AccountState::Down) => false,
    };
    if !stays {
        set(&mut tx, tools, account, (state, why)).await?;
    }
    tx.commit().await
}

/// Tells the store that an account sends again, where it was sending that was in trouble.
pub(super) async fn write_up(tools: &Tools, account: &str) -> Result<(), StoreError> {
    let mut tx = tools.store.begin("outbound.account_up").await?;
    let row = tx.get_account(account).await?;
    let needed_login = row.as_ref().is_some_and(|a| a.sending_state == AccountState::NeedsLogin);
    let ours = row.is_some_and(|a| matches!(a.sending_state, AccountState::Down | AccountState::NeedsLogin));
    if ours {
        // No time in which it could not sign in counts against what waited for it.
        if needed_login {
            tx.restart_tries(account).await?;
        }
        set(&mut tx, tools, account, (AccountState::Up, "")).await?;
    }
    tx.commit().await
}

async fn set(tx: &mut Tx, tools: &Tools, account: &str, to: (AccountState, &str)) -> Result<(), StoreError> {
    let (state, detail) = to;
    let detail = if detail.is_empty() { None } else { Some(detail) };
    if tx.set_account_state(account, Side::Sending, (state, detail), tools.clock.now()).await? {
        let kind = if state == AccountState::Up { EventType::AccountUp } else { EventType::AccountDown };
        let event = NewEvent {
            id: EventId(tools.clock.new_id()),
            kind,
            at: tools.clock.now(),
            influencer_id: None,
            stage: None,
            message_id: None,
            data: Some(serde_json::json!({"account": account, "side": "sending", "state": state, "detail": detail})),
            enrollment_id: None,
            machine: None,
        };
        tx.insert_events(vec![event]).await?;
    }
    Ok(())
}
