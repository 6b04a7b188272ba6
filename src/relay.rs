//! The relay: what influencers write is shown to the team where the team is, and what the team says there is seen to.
//!
//! Three sorts of work, each a row before anything is done: events become posts; posts are brought to their place, in the order of each
//! thread, at least once, and looked for where an answer was lost; words of the team become notes, or messages in the outbox. One node
//! does the first and the last at a time, and one for each account the second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::Relay;
use crate::connector::Sender;
use crate::connector::feed::Line;
use crate::domain::ids::RunId;
use crate::hub::enqueue::AccountFrom;
use crate::hub::outreach::house::Desk;
use crate::lifecycle::Stop;
use crate::store::{Store, StoreError};
use crate::telemetry::pulse;
use crate::worker::Wakes;

mod post;
mod show;
mod tell;
mod words;

/// The lease of whoever turns events into posts and sees to words.
const LEASE: &str = "relay";
/// How long leases run, seconds: several times as long as a post may take.
const LEASE_SECONDS: i64 = 60;
/// The longest sleep between two looks. Machine time.
const POLL: Duration = Duration::from_secs(1);
/// The rest after the database could not be used.
const RETRY: Duration = Duration::from_secs(2);

/// Speaks where the team is.
#[derive(Clone)]
pub enum Voice {
    /// In a workspace.
    Room(Arc<dyn Line>),
    /// By mail.
    Mail {
        /// Makes a session with the account's server.
        sender: Arc<dyn Fn() -> Box<dyn Sender> + Send + Sync>,
        /// As the author.
        from: AccountFrom,
        /// The domain of its Message-IDs.
        domain: String,
    },
}

/// What is configured at the moment.
#[derive(Clone, Default)]
pub struct Means {
    /// The relays.
    pub relays: BTreeMap<String, Relay>,
    /// Who speaks for their accounts, as far as this node can.
    pub voices: HashMap<String, Voice>,
    /// How long a message of the team can be taken back.
    pub undo: Duration,
    /// Who owns what nobody else does.
    pub default_owner: Option<String>,
}

/// Gives the [`Means`] that are in force.
pub type CurrentMeans = Arc<dyn Fn() -> Means + Send + Sync>;

/// Shows the team what happens, and sees to what it says.
pub struct Relays {
    /// The database.
    pub store: Store,
    /// Business time and ids.
    pub clock: Clock,
    /// Who holds the leases.
    pub run: RunId,
    /// Our side, for answers.
    pub desk: Desk,
    /// What is configured.
    pub means: CurrentMeans,
    /// Rung when events got their numbers.
    pub numbered: Arc<Notify>,
    /// Rung when something was stored; by us as well.
    pub stored: Arc<Notify>,
    /// Wakes the dispatchers of accounts.
    pub wakes: Wakes,
    /// What is known of the rooms, for a moment.
    pub rooms: Rooms,
}

/// What is known of the rooms, for a moment.
#[derive(Debug, Default)]
pub struct Rooms(Mutex<HashMap<(String, String), post::Known>>);

impl Relays {
    /// Runs until stopped.
    ///
    /// # Errors
    /// Only where the store holds what can't be read.
    pub async fn run(self, stop: Stop) -> Result<(), StoreError> {
        loop {
            pulse::beat();
            let means = (self.means)();
            let mut rest = POLL;
            if !means.relays.is_empty() {
                tokio::select! {
                    () = stop.hard() => return Ok(()),
                    done = self.round(&means, &stop) => match done {
                        Ok(true) => rest = Duration::ZERO,
                        Ok(false) => {}
                        Err(error @ StoreError::Damaged(_)) => return Err(error),
                        Err(error) => {
                            tracing::warn!(%error, "the team can't be shown anything now");
                            rest = RETRY;
                        }
                    },
                }
            }
            tokio::select! {
                () = stop.soft() => return Ok(()),
                () = self.numbered.notified() => {}
                () = self.stored.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// One look at everything; whether there is more at once.
    async fn round(&self, means: &Means, stop: &Stop) -> Result<bool, StoreError> {
        let more = self.look(means).await?;
        let accounts: std::collections::BTreeSet<&str> = means.relays.values().map(|r| r.account.as_str()).collect();
        let speak = accounts.into_iter().filter_map(|account| {
            let voice = means.voices.get(account)?;
            Some(self.speak(means, (account, voice), stop))
        });
        for done in futures_util::future::join_all(speak).await {
            done?;
        }
        Ok(more)
    }

    /// Turns events into posts, and sees to words, in one transaction; whether there is more.
    async fn look(&self, means: &Means) -> Result<bool, StoreError> {
        let mut tx = self.store.read().await?;
        let seen = tx.relay_seen().await?;
        if let Some(seen) = seen
            && !tx.has_relay_work(seen).await?
        {
            return Ok(false);
        }
        drop(tx);
        let mut tx = self.store.begin("relay.look").await?;
        if tx.get_installation().await?.is_some_and(|installation| installation.held)
            || tx.acquire_lease(LEASE, self.run, LEASE_SECONDS).await?.is_none()
        {
            return Ok(false);
        }
        let shown = self.show_events(&mut tx, means).await?;
        tx.lock_conversations().await?;
        let seen_to = self.see_to_words(&mut tx, means).await?;
        tx.commit().await?;
        if !seen_to.accounts.is_empty() {
            self.stored.notify_waiters();
        }
        for account in &seen_to.accounts {
            self.wakes.wake(account);
        }
        Ok(shown || seen_to.more)
    }
}
