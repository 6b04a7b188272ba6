//! Reads one account for as long as the process lives: folder after folder from the stored cursor, then waits for news.
//!
//! The network is here and the database is in [`super::ingest`]; between them lies a batch in memory, no more. One node
//! reads an account at a time, under a lease whose fence is checked in every transaction.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;

use crate::clock::{Clock, jitter};
use crate::connector::{ConnectorError, Source, Wake};
use crate::domain::ids::RunId;
use crate::domain::threading::Identity;
use crate::domain::words::{AccountState, EventType, FolderRole};
use crate::hub::signal::{self, Signal};
use crate::lifecycle::Stop;
use crate::store::lease::{Lease, poll_lease};
use crate::store::mailbox::Side;
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::pulse;

use super::ingest::IngestError;

mod alone;
mod reconcile;
mod sync;

/// The pause after a refused sign-in: more tries would lock the mailbox. A reload ends it.
const LOGIN_PAUSE: Duration = Duration::from_mins(30);
/// The pause before another look at whether somebody signed in: only the database is asked.
const SIGNED_OUT_PAUSE: Duration = Duration::from_secs(15);
/// The pause after a connection that can't be trusted. A reload ends it.
const INSECURE_PAUSE: Duration = Duration::from_mins(10);
/// How much longer than two of its rounds a mailbox counts as read to its end: one that has much to read takes its time.
const READ_SLACK: Duration = Duration::from_mins(10);
/// Lost connections in a row after which the account counts as down.
const LOST_MAX: u32 = 2;

/// Makes a fresh, unconnected source.
pub type Connect = Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>;

/// How far back the first reading goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only what comes from now on.
    Nothing,
    /// What came within this time.
    Back(Duration),
    /// Everything.
    All,
}

/// How hard a poller tries. The defaults are right for every provider; the lease is configured, and only tests have others of the rest.
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

/// What a poller must know of its account.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub account: String,
    /// Who we are.
    pub identity: Arc<Identity>,
    /// How far back the first reading goes.
    pub reach: Reach,
    /// How often to look where there is no news by itself.
    pub poll: Duration,
    /// Whether the server is said to file what we send.
    pub server_files_sent: bool,
    /// How hard to try.
    pub pace: Pace,
}

/// Reads one account.
pub struct Poller {
    store: Store,
    clock: Clock,
    settings: Settings,
    connect: Connect,
    run: RunId,
    /// Rung to look at once (a reload, a person).
    wake: Arc<Notify>,
    /// Rung when something was stored.
    stored: Arc<Notify>,
    /// Mails that the server refuses, by folder and uid, since when.
    refused: alone::Refused,
}

/// Why a session with the provider ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
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

/// What a poller shares with the rest of the process.
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

impl Poller {
    /// A poller for one account.
    pub fn new(shared: Shared, settings: Settings, connect: Connect) -> Self {
        let Shared { store, clock, run, wake, stored } = shared;
        Self { store, clock, settings, connect, run, wake, stored, refused: alone::Refused::default() }
    }

    /// Reads until told to stop.
    ///
    /// # Errors
    /// Only where the database answers what it never should; the process ends then.
    pub async fn run(self, stop: Stop) -> Result<(), StoreError> {
        let name = poll_lease(&self.settings.account);
        loop {
            let lease = tokio::select! {
                () = stop.soft() => return Ok(()),
                lease = self.take_lease(&name) => lease?,
            };
            let ended = tokio::select! {
                () = stop.soft() => None,
                result = self.read_under(&name, lease) => Some(result),
                result = self.keep_lease(&name, lease) => Some(result),
            };
            let released = async {
                let mut tx = self.store.begin("poller.release").await?;
                tx.release_lease(&name, lease).await?;
                tx.commit().await
            };
            match (ended, released.await) {
                (None, _) => return Ok(()),
                (Some(Err(error @ StoreError::Damaged(_))), _) => return Err(error),
                (Some(result), _) => {
                    if let Err(error) = result {
                        tracing::warn!(account = %self.settings.account, %error, "reading paused");
                    }
                    tokio::time::sleep(jitter(self.settings.pace.backoff.0)).await;
                }
            }
        }
    }

    async fn take_lease(&self, name: &str) -> Result<Lease, StoreError> {
        loop {
            pulse::beat();
            match self.try_lease(name).await {
                Ok(Some(lease)) => return Ok(lease),
                Ok(None) => {}
                Err(error @ StoreError::Damaged(_)) => return Err(error),
                Err(error) => tracing::warn!(account = %self.settings.account, %error, "can't ask for the lease"),
            }
            tokio::time::sleep(jitter(Duration::from_secs(2))).await;
        }
    }

    async fn try_lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.store.begin("poller.lease").await?;
        let seconds = i64::try_from(self.settings.pace.lease.as_secs()).unwrap_or(i64::MAX);
        let lease = tx.acquire_lease(name, self.run, seconds).await?;
        tx.commit().await?;
        Ok(lease)
    }

    /// Renews the lease; returns when it is lost.
    async fn keep_lease(&self, name: &str, lease: Lease) -> Result<(), StoreError> {
        let pause = self.settings.pace.lease / 3;
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
                Err(error) => tracing::warn!(account = %self.settings.account, %error, "can't renew the lease"),
            }
        }
    }

    /// Session after session, with pauses between them that fit the reason.
    async fn read_under(&self, name: &str, lease: Lease) -> Result<(), StoreError> {
        let mut lost = 0_u32;
        loop {
            pulse::beat();
            let mut source = (self.connect)();
            let ended = self.session(source.as_mut(), (name, lease), &mut lost).await;
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
                    tracing::info!(account = %self.settings.account, reason = %other, "session ended");
                    let (first, longest) = self.settings.pace.backoff;
                    let pause = jitter((first * 2_u32.saturating_pow(lost.min(16) - 1)).min(longest));
                    ((lost >= LOST_MAX).then_some(AccountState::Down), other.to_string(), pause)
                }
            };
            if let Some(state) = state
                && !self.set_state((name, lease), state, Some(&why)).await?
            {
                return Ok(());
            }
            pulse::rest(pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// One connection: all folders to the end, then news, for ever.
    async fn session(&self, source: &mut dyn Source, lease: (&str, Lease), lost: &mut u32) -> Result<(), Ended> {
        let mut check = sync::Check::due();
        let mut told = None;
        loop {
            let mut folders = source.folders().await?;
            if check.is_due() {
                // Much may have gathered on both sides. What we wrote comes first: it tells whose the answers are.
                folders.sort_by_key(|folder| folder.role != FolderRole::Sent);
            }
            let mut inbox = None;
            let mut skipped = Vec::new();
            for folder in &folders {
                let needed = matches!(folder.role, FolderRole::Inbox | FolderRole::All);
                let status = match Box::pin(self.sync_folder(source, folder, lease, check)).await {
                    Ok(status) => status,
                    // One that can't be read stops no other; without the inbox there is nothing to go by.
                    Err(Ended::Connector(error)) if !needed && error.is_about_what_was_asked() => {
                        skipped.push(format!("`{}` ({error})", folder.name));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if needed && inbox.is_none() {
                    inbox = Some((folder, status));
                }
            }
            *lost = 0;
            let not_read = (!skipped.is_empty()).then(|| format!("not read: {}", skipped.join(", ")));
            if not_read != told {
                if let Some(not_read) = &not_read {
                    tracing::warn!(account = %self.settings.account, not_read, "folders that can't be read are left out");
                }
                told.clone_from(&not_read);
            }
            if !self.set_state(lease, AccountState::Up, not_read.as_deref()).await? {
                return Err(IngestError::LeaseLost.into());
            }
            let mut tx = self.fenced("poller.synced", lease).await?;
            tx.set_account_synced(&self.settings.account, self.clock.now()).await?;
            let counts = i64::try_from((self.settings.poll * 2 + READ_SLACK).as_secs()).unwrap_or(i64::MAX);
            // A folder that was left out may hold a no: what sequences write waits.
            if skipped.is_empty() && !tx.set_read_to_end(lease.0, lease.1, counts).await? {
                return Err(IngestError::LeaseLost.into());
            }
            tx.commit().await?;
            check = check.after_a_round();
            let Some((inbox, read)) = inbox else {
                return Err(ConnectorError::Refused("the server lists no Inbox".into()).into());
            };
            let now = source.select(&inbox.name).await?;
            // What came while the other folders were read is no news to the server: it would not tell us in IDLE.
            if now.uid_next > read.uid_next || now.uid_validity != read.uid_validity {
                continue;
            }
            pulse::rest(self.settings.poll);
            tokio::select! {
                news = source.wait(self.settings.poll) => match news? {
                    Wake::News | Wake::Elapsed => {}
                },
                // Dropping the wait half-way makes the connection unusable: a new session begins.
                () = self.wake.notified() => return Ok(()),
            }
        }
    }

    /// A transaction that writes only where the lease still holds: a node that stood still for longer must not write over the
    /// one that took its place.
    async fn fenced(&self, what: &'static str, (name, lease): (&str, Lease)) -> Result<Tx, Ended> {
        let mut tx = self.store.begin(what).await?;
        if tx.holds_lease(name, lease).await? { Ok(tx) } else { Err(IngestError::LeaseLost.into()) }
    }

    /// `false` where the lease is lost, and the account another's.
    async fn set_state(
        &self,
        (name, lease): (&str, Lease),
        state: AccountState,
        detail: Option<&str>,
    ) -> Result<bool, StoreError> {
        let account = &self.settings.account;
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
