//! Reading an account is one node's at a time: under a lease, session after session, with pauses that fit why the last one ended.
//!
//! What is read, and how, is the business of whoever reads ([`Reads`]): a mailbox folder by folder, another channel from a cursor.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;

use super::ingest::IngestError;
use crate::clock::{Clock, jitter};
use crate::connector::ConnectorError;
use crate::domain::ids::RunId;
use crate::domain::words::{AccountState, EventType};
use crate::hub::signal::{self, Signal};
use crate::lifecycle::Stop;
use crate::store::lease::{Lease, poll_lease};
use crate::store::mailbox::Side;
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::pulse;

/// The pause after a refused sign-in: more tries would lock the account. A reload ends it.
const LOGIN_PAUSE: Duration = Duration::from_mins(30);
/// The pause before another look at whether somebody signed in: only the database is asked.
const SIGNED_OUT_PAUSE: Duration = Duration::from_secs(15);
/// The pause after a connection that can't be trusted. A reload ends it.
const INSECURE_PAUSE: Duration = Duration::from_mins(10);
/// How much longer than two of its rounds an account counts as read to its end: one that has much to read takes its time.
const READ_SLACK: Duration = Duration::from_mins(10);
/// Lost connections in a row after which the account counts as down.
const LOST_MAX: u32 = 2;

/// How hard a reader tries. The defaults are right for every provider; the lease is configured, and only tests have others of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long the lease of an account runs, in whole seconds; renewed at a third of it.
    pub lease: Duration,
    /// The first and the longest pause after lost connections.
    pub backoff: (Duration, Duration),
    /// How long a mail is asked for that the server refuses while it gives others, until it is entered as one that could not be
    /// read. What passes by itself must lose no mail; until then the account is not read beyond it.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(1),
            backoff: (Duration::from_secs(1), Duration::from_mins(5)),
            patience: Duration::from_hours(2),
        }
    }
}

/// Why a session with the provider ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error("a message could not be prepared: {0}")]
    Prepare(String),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Ingest(IngestError::Store(error))
    }
}

/// What whoever reads an account shares with the rest of the process.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub store: Store,
    /// Business time and ids.
    pub clock: Clock,
    /// This run of the process.
    pub run: RunId,
    /// Rung to look at once.
    pub wake: Arc<Notify>,
    /// Rung when something was stored.
    pub stored: Arc<Notify>,
}

/// An account that is read by this node as long as its lease holds.
pub(super) struct Tenure {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) run: RunId,
    /// Rung to look at once (a reload, a person).
    pub(super) wake: Arc<Notify>,
    /// Rung when something was stored.
    pub(super) stored: Arc<Notify>,
    pub(super) account: String,
    pub(super) pace: Pace,
}

/// Whoever reads an account.
pub(super) trait Reads {
    /// The account.
    fn tenure(&self) -> &Tenure;
    /// One session with the provider, until it ends. `lost` counts lost connections in a row: whoever got through sets it to none.
    async fn session(&self, lease: (&str, Lease), lost: &mut u32) -> Result<(), Ended>;
    /// What is done beside all sessions, as long as the lease holds; ends only with it.
    async fn beside(&self, lease: (&str, Lease)) -> Result<(), StoreError>;
}

/// Reads until told to stop.
///
/// # Errors
/// Only where the database answers what it never should; the process ends then.
pub(super) async fn run(reads: &impl Reads, stop: Stop) -> Result<(), StoreError> {
    let tenure = reads.tenure();
    let name = poll_lease(&tenure.account);
    loop {
        let lease = tokio::select! {
            () = stop.soft() => return Ok(()),
            lease = tenure.take_lease(&name) => lease?,
        };
        let ended = tokio::select! {
            () = stop.soft() => None,
            result = read_under(reads, &name, lease) => Some(result),
            result = reads.beside((&name, lease)) => Some(result),
            result = tenure.keep_lease(&name, lease) => Some(result),
        };
        let released = async {
            let mut tx = tenure.store.begin("poller.release").await?;
            tx.release_lease(&name, lease).await?;
            tx.commit().await
        };
        match (ended, released.await) {
            (None, _) => return Ok(()),
            (Some(Err(error @ StoreError::Damaged(_))), _) => return Err(error),
            (Some(result), _) => {
                if let Err(error) = result {
                    tracing::warn!(account = %tenure.account, %error, "reading paused");
                }
                tokio::time::sleep(jitter(tenure.pace.backoff.0)).await;
            }
        }
    }
}

/// Session after session, with pauses between them that fit the reason.
async fn read_under(reads: &impl Reads, name: &str, lease: Lease) -> Result<(), StoreError> {
    let tenure = reads.tenure();
    let mut lost = 0_u32;
    loop {
        pulse::beat();
        let ended = reads.session((name, lease), &mut lost).await;
        let Err(ended) = ended else { continue };
        let (state, why, pause) = match ended {
            Ended::Ingest(IngestError::LeaseLost) => return Ok(()),
            Ended::Ingest(IngestError::Store(error)) => return Err(error),
            Ended::Connector(ConnectorError::Login(why)) => (Some(AccountState::NeedsLogin), why, LOGIN_PAUSE),
            Ended::Connector(ConnectorError::SignedOut(why)) => {
                (Some(AccountState::NeedsLogin), why, jitter(SIGNED_OUT_PAUSE))
            }
            Ended::Connector(error @ ConnectorError::Insecure(_)) => {
                (Some(AccountState::Down), error.to_string(), INSECURE_PAUSE)
            }
            other @ (Ended::Connector(_) | Ended::Prepare(_)) => {
                lost = lost.saturating_add(1);
                tracing::info!(account = %tenure.account, reason = %other, "session ended");
                let (first, longest) = tenure.pace.backoff;
                let pause = jitter((first * 2_u32.saturating_pow(lost.min(16) - 1)).min(longest));
                ((lost >= LOST_MAX).then_some(AccountState::Down), other.to_string(), pause)
            }
        };
        if let Some(state) = state
            && !tenure.set_state((name, lease), state, Some(&why)).await?
        {
            return Ok(());
        }
        pulse::rest(pause);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = tenure.wake.notified() => {}
        }
    }
}

impl Tenure {
    pub(super) fn new(shared: Shared, account: String, pace: Pace) -> Self {
        let Shared { store, clock, run, wake, stored } = shared;
        Self { store, clock, run, wake, stored, account, pace }
    }

    async fn take_lease(&self, name: &str) -> Result<Lease, StoreError> {
        loop {
            pulse::beat();
            match self.try_lease(name).await {
                Ok(Some(lease)) => return Ok(lease),
                Ok(None) => {}
                Err(error @ StoreError::Damaged(_)) => return Err(error),
                Err(error) => tracing::warn!(account = %self.account, %error, "can't ask for the lease"),
            }
            tokio::time::sleep(jitter(Duration::from_secs(2))).await;
        }
    }

    async fn try_lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.store.begin("poller.lease").await?;
        let seconds = i64::try_from(self.pace.lease.as_secs()).unwrap_or(i64::MAX);
        let lease = tx.acquire_lease(name, self.run, seconds).await?;
        tx.commit().await?;
        Ok(lease)
    }

    /// Renews the lease; returns when it is lost.
    async fn keep_lease(&self, name: &str, lease: Lease) -> Result<(), StoreError> {
        let pause = self.pace.lease / 3;
        loop {
            tokio::time::sleep(pause).await;
            match self.try_lease(name).await {
                Ok(Some(now)) if now == lease => {}
                Ok(_) => {
                    tracing::warn!(
                        lease = name,
                        "the lease is lost: this node stood still, or could not reach the database"
                    );
                    return Ok(());
                }
                // The fence is checked in every write: a lease that could not be renewed in time harms nobody.
                Err(error) => tracing::warn!(account = %self.account, %error, "can't renew the lease"),
            }
        }
    }

    /// A transaction that writes only where the lease still holds: a node that stood still for longer must not write over the
    /// one that took its place.
    pub(super) async fn fenced(&self, what: &'static str, (name, lease): (&str, Lease)) -> Result<Tx, Ended> {
        let mut tx = self.store.begin(what).await?;
        if tx.holds_lease(name, lease).await? { Ok(tx) } else { Err(IngestError::LeaseLost.into()) }
    }

    /// Notes that the account was read to its end, which counts for as long as its rounds take; where something had to be left
    /// out, it may hold a no, and what sequences write waits.
    pub(super) async fn synced(&self, lease: (&str, Lease), (poll, whole): (Duration, bool)) -> Result<(), Ended> {
        let mut tx = self.fenced("poller.synced", lease).await?;
        tx.set_account_synced(&self.account, self.clock.now()).await?;
        let counts = i64::try_from((poll * 2 + READ_SLACK).as_secs()).unwrap_or(i64::MAX);
        if whole && !tx.set_read_to_end(lease.0, lease.1, counts).await? {
            return Err(IngestError::LeaseLost.into());
        }
        tx.commit().await?;
        Ok(())
    }

    /// `false` where the lease is lost, and the account another's.
    pub(super) async fn set_state(
        &self,
        (name, lease): (&str, Lease),
        state: AccountState,
        detail: Option<&str>,
    ) -> Result<bool, StoreError> {
        let account = &self.account;
        let mut tx = self.store.begin("poller.state").await?;
        if !tx.holds_lease(name, lease).await? {
            return Ok(false);
        }
        if tx.set_account_state(account, Side::Reading, (state, detail), self.clock.now()).await? {
            let what = if state == AccountState::Up { EventType::AccountUp } else { EventType::AccountDown };
            let data = json!({"account": account, "side": "reading", "state": state, "detail": detail});
            let signal = Signal { what, influencer: None, message: None, at: self.clock.now(), data: Some(data) };
            signal::record(&mut tx, &self.clock, vec![signal]).await?;
            match state {
                AccountState::Up => tracing::info!(%account, "account is up"),
                AccountState::Down | AccountState::Paused | AccountState::NeedsLogin => {
                    tracing::error!(%account, %state, detail, "account is not read");
                }
            }
        }
        tx.commit().await?;
        self.stored.notify_waiters();
        Ok(true)
    }
}
