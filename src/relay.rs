//! The relay: what influencers write is shown to the team where the team is, and what the team says there is seen to.
//!
//! Three sorts of work, each a row before anything is done: events become posts; posts are brought to their place, in the order of each
//! thread, at least once, and looked for where an answer was lost; words of the team become notes, or messages in the outbox. One node
//! does the first and the last at a time, and one for each account the second.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::{Clock, machine_now};
use crate::config::Relay;
use crate::connector::Sender;
use crate::connector::feed::Line;
use crate::domain::ids::RunId;
use crate::domain::words::RelayWordState;
use crate::hub::enqueue::AccountFrom;
use crate::hub::outreach::house::Desk;
use crate::lifecycle::Stop;
use crate::store::relay::RelayWordRow;
use crate::store::{Store, StoreError};
use crate::telemetry::pulse;
use crate::worker::Wakes;

mod post;
mod show;
mod tell;
mod words;

pub use post::who_hears;

/// The lease of whoever turns events into posts and sees to words.
const LEASE: &str = "relay";
/// The lease of whoever forgets what is old.
const TIDY_LEASE: &str = "relay-tidy";
/// How long leases run, seconds: longer than a post may take.
const LEASE_SECONDS: i64 = 180;
/// The longest sleep between two looks. Machine time.
const POLL: Duration = Duration::from_secs(1);
/// How long it is kept what was shown.
const KEPT: Duration = Duration::from_hours(90 * 24);
/// How often that is looked after. Machine time.
const TIDY_EVERY: Duration = Duration::from_mins(10);
/// How many statements that takes at most, and how much goes in one.
const PRUNES: usize = 50;
const PRUNED_AT_ONCE: i64 = 100;
/// The same where there is no relay. Machine time.
const IDLE: Duration = Duration::from_secs(10);
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
    /// None: what can't be done now is done later, and what never can be is left out, and told.
    pub async fn run(self, stop: Stop) -> Result<(), Infallible> {
        // A place that is slow must not keep words of the team waiting, least of all that something is taken back.
        tokio::join!(self.looks(&stop), self.speaks(&stop));
        Ok(())
    }

    /// Turns events into posts and sees to words, again and again.
    async fn looks(&self, stop: &Stop) {
        let mut tidied: Option<Instant> = None;
        loop {
            pulse::beat();
            if tidied.is_none_or(|at| at.elapsed() > TIDY_EVERY) {
                tidied = Some(Instant::now());
                if let Err(error) = self.tidy().await {
                    tracing::warn!(%error, "what the team was shown long ago is not forgotten now");
                }
            }
            let means = (self.means)();
            let mut rest = if means.relays.is_empty() { IDLE } else { POLL };
            let looked = tokio::select! {
                () = stop.hard() => return,
                looked = self.look(&means) => looked,
            };
            match looked {
                Ok(true) => rest = Duration::ZERO,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the team can't be shown anything now");
                    rest = RETRY;
                }
            }
            if self.rest(stop, rest).await {
                return;
            }
        }
    }

    /// Brings posts to their places, again and again.
    async fn speaks(&self, stop: &Stop) {
        loop {
            let means = (self.means)();
            let accounts: BTreeSet<&str> = means.relays.values().map(|relay| relay.account.as_str()).collect();
            let speak = accounts.into_iter().filter_map(|account| {
                let voice = means.voices.get(account)?;
                Some(self.speak(&means, (account, voice), stop))
            });
            let spoken = tokio::select! {
                () = stop.hard() => return,
                spoken = join_all(speak) => spoken,
            };
            let mut rest = POLL;
            for error in spoken.into_iter().filter_map(Result::err) {
                tracing::warn!(%error, "the team can't be shown anything now");
                rest = RETRY;
            }
            if self.rest(stop, rest).await {
                return;
            }
        }
    }

    /// Gives up what waits for too long, and forgets what was shown long ago, whether there is a relay still or not.
    async fn tidy(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin("relay.tidy").await?;
        if let Some(lease) = tx.acquire_lease(TIDY_LEASE, self.run, LEASE_SECONDS).await? {
            let now = machine_now();
            post::expire(&mut tx, now).await?;
            let before = now.minus(KEPT);
            for _ in 0..PRUNES {
                if tx.prune_relay_posts(before, PRUNED_AT_ONCE).await? == 0 {
                    break;
                }
            }
            tx.prune_relay_words(before).await?;
            tx.release_lease(TIDY_LEASE, lease).await?;
        }
        tx.commit().await
    }

    /// Until there is news or the time is over; whether it is to end.
    async fn rest(&self, stop: &Stop, rest: Duration) -> bool {
        tokio::select! {
            () = stop.soft() => true,
            () = self.numbered.notified() => false,
            () = self.stored.notified() => false,
            () = tokio::time::sleep(rest) => false,
        }
    }

    /// Turns events into posts, and sees to words; whether there is more.
    async fn look(&self, means: &Means) -> Result<bool, StoreError> {
        let mut tx = self.store.read().await?;
        // Words are seen to also where no relay is configured any more.
        let seen = if means.relays.is_empty() { Some(i64::MAX) } else { tx.relay_seen().await? };
        if let Some(seen) = seen
            && !tx.has_relay_work(seen).await?
        {
            return Ok(false);
        }
        drop(tx);
        match self.look_at(means, (show::BATCH, words::BATCH)).await {
            Err(error) if is_lasting(&error) => self.look_alone(means).await,
            looked => looked,
        }
    }

    /// The same in one transaction, at no more than so many events and words.
    async fn look_at(&self, means: &Means, (events, words): (i64, i64)) -> Result<bool, StoreError> {
        let mut tx = self.store.begin("relay.look").await?;
        if tx.get_installation().await?.is_some_and(|installation| installation.held)
            || tx.acquire_lease(LEASE, self.run, LEASE_SECONDS).await?.is_none()
        {
            return Ok(false);
        }
        // Before any row, as those do who erase somebody.
        tx.lock_conversations().await?;
        let mut shown = false;
        if !means.relays.is_empty() && events > 0 {
            shown = self.show_events(&mut tx, means, events).await?;
        }
        let seen_to = self.see_to_words(&mut tx, means, words).await?;
        tx.commit().await?;
        if !seen_to.accounts.is_empty() {
            self.stored.notify_waiters();
        }
        for account in &seen_to.accounts {
            self.wakes.wake(account);
        }
        Ok(shown || seen_to.more)
    }

    /// One event and one word, each by itself: what the database never takes is left out, so that the rest goes on.
    async fn look_alone(&self, means: &Means) -> Result<bool, StoreError> {
        let mut tx = self.store.read().await?;
        let seen = tx.relay_seen().await?.unwrap_or(0);
        let event = tx.list_events(seen, 1).await?.into_iter().next();
        let word = tx.list_waiting_relay_words(1).await?.into_iter().next();
        drop(tx);
        if let Err(error) = self.look_at(means, (1, 0)).await {
            if !is_lasting(&error) {
                return Err(error);
            }
            if let Some((seq, id)) = event.and_then(|event| event.seq.map(|seq| (seq, event.id))) {
                let mut tx = self.store.begin("relay.skip").await?;
                // Another node, or what was written meanwhile, may be further already.
                if tx.acquire_lease(LEASE, self.run, LEASE_SECONDS).await?.is_some()
                    && tx.relay_seen().await? == Some(seen)
                {
                    tracing::error!(event = %id, %error, "the team can't be shown what happened: look at it in the hub");
                    tx.set_relay_seen(seq).await?;
                }
                tx.commit().await?;
            }
        }
        if let Err(error) = self.look_at(means, (0, 1)).await {
            if !is_lasting(&error) {
                return Err(error);
            }
            if let Some(word) = word {
                let mut tx = self.store.begin("relay.skip").await?;
                if tx.acquire_lease(LEASE, self.run, LEASE_SECONDS).await?.is_some()
                    && tx.list_waiting_relay_words(1).await?.first() == Some(&word)
                {
                    let RelayWordRow { account, provider_id, .. } = &word;
                    tracing::error!(account, provider_id, %error, "words of the team can't be seen to, and were not sent");
                    tx.update_relay_word(&RelayWordRow { state: RelayWordState::Done, ..word }).await?;
                }
                tx.commit().await?;
            }
        }
        Ok(true)
    }
}

/// Whether the database would say the same again: neither others nor its own state are the reason.
fn is_lasting(error: &StoreError) -> bool {
    matches!(error, StoreError::Exists(_) | StoreError::Unhandled(_) | StoreError::Damaged(_))
}
