//! Reads an account of a channel that is no mail for as long as the process lives: asks its feed from the stored cursor, stores what it
//! tells, and waits for news.
//!
//! Files beside messages are fetched meanwhile, also where the account can't be read for a while ([`super::files`]).
//!
//! What the feed tells and how far it was read are kept in one transaction ([`super::heard`]): what was told and not stored is told
//! again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::faces;
use super::files;
use super::heard::{self, Context};
use super::ingest::IngestError;
use super::tenure::{self, Ended, Reads, Tenure};
use crate::connector::feed::Feed;
use crate::domain::chat::HarmOf;
use crate::domain::time::Micros;
use crate::domain::words::{AccountState, Channel};
use crate::lifecycle::Stop;
use crate::store::StoreError;
use crate::store::feed::{READING_REST_MAX, SeenRest};
use crate::store::lease::Lease;
use crate::telemetry::pulse;

pub use super::poller::Reach;
pub use super::tenure::{Pace, Shared};

/// By how much two instants may differ that mean one rest: some are counted by another clock than they are told by.
const SAME_REST: Duration = Duration::from_secs(1);

/// Makes a fresh feed that has asked nothing yet.
pub type Connect = Arc<dyn Fn() -> Box<dyn Feed> + Send + Sync>;

/// What a listener must know of its account.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub account: String,
    /// How its messages travel.
    pub channel: Channel,
    /// What its provider's codes mean for an address.
    pub harm: HarmOf,
    /// How far back the first reading goes.
    pub reach: Reach,
    /// How often to ask where there is no news by itself.
    pub poll: Duration,
    /// How hard to try.
    pub pace: Pace,
}

/// Reads one account.
pub struct Listener {
    tenure: Tenure,
    settings: Settings,
    connect: Connect,
    rest: Mutex<SeenRest>,
}

impl Listener {
    /// A listener for one account.
    pub fn new(shared: Shared, settings: Settings, connect: Connect) -> Self {
        let tenure = Tenure::new(shared, settings.account.clone(), settings.pace);
        Self { tenure, settings, connect, rest: Mutex::default() }
    }

    /// Reads until told to stop.
    ///
    /// # Errors
    /// Only where the database answers what it never should; the process ends then.
    pub async fn run(self, stop: Stop) -> Result<(), StoreError> {
        Box::pin(tenure::run(&self, stop)).await
    }

    async fn listen(&self, feed: &mut dyn Feed, lease: (&str, Lease), lost: &mut u32) -> Result<(), Ended> {
        let account = &self.settings.account;
        let fire_after = self.first_read(lease).await?;
        // Counted from the first reading: what came while we were down afterwards is not left out.
        let first = fire_after.unwrap_or_else(|| self.tenure.clock.now());
        let since = match self.settings.reach {
            Reach::Nothing => first,
            Reach::Back(span) => first.minus(span),
            Reach::All => Micros(0),
        };
        let context = Context {
            account: account.clone(),
            channel: self.settings.channel,
            harm: self.settings.harm,
            fire_after,
            lease: Some((lease.0.to_owned(), lease.1)),
            faces: faces::Faces::new(),
        };
        let (mut cursor, mut rest) = self.begin(feed).await?;
        loop {
            pulse::beat();
            let batch = feed.next(cursor.as_deref(), since).await;
            self.keep_rest(lease, feed.rests_until(), &mut rest).await?;
            let batch = batch?;
            if !batch.told.is_empty() || cursor.as_ref() != Some(&batch.cursor) {
                pulse::beat();
                let faces = faces::ask(&self.tenure.store, feed, &batch.told, faces::READ_TIME_MAX).await?;
                let context = Context { faces, ..context.clone() };
                let told = (batch.told.as_slice(), Some(batch.cursor.as_str()));
                let taken = heard::take(&self.tenure.store, &self.tenure.clock, &context, told).await?;
                if taken.news > 0 {
                    self.tenure.stored.notify_waiters();
                }
            }
            // Given back as it was given: that is how a feed learns that it is stored.
            cursor = Some(batch.cursor);
            *lost = 0;
            if batch.more {
                continue;
            }
            if !self.tenure.set_state(lease, AccountState::Up, None).await? {
                return Err(IngestError::LeaseLost.into());
            }
            // What the provider puts off may be an answer: until it is read, nothing that waits for that is let go.
            if !batch.put_off {
                self.tenure.synced(lease, (self.settings.poll, true)).await?;
            }
            pulse::rest(self.settings.poll);
            tokio::select! {
                news = feed.wait(self.settings.poll) => {
                    news?;
                }
                () = self.tenure.wake.notified() => return Ok(()),
            }
        }
    }

    /// From where to go on, and until when the provider is left alone: what it asked for of whoever read the account before holds for
    /// this session as well.
    async fn begin(&self, feed: &mut dyn Feed) -> Result<(Option<String>, Option<Micros>), Ended> {
        let mut tx = self.tenure.store.read().await?;
        let stored = tx.get_account(&self.settings.account).await?.and_then(|row| row.reading_rest_until);
        let rest = self.seen_rest(stored);
        if let Some(until) = rest {
            feed.rest(until);
        }
        Ok((tx.get_feed_cursor(&self.settings.account).await?, rest))
    }

    fn seen_rest(&self, stored: Option<Micros>) -> Option<Micros> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).until(stored, self.tenure.clock.now())
    }

    /// Keeps until when the provider wants to be left alone, for whoever goes on after a restart or on another node; `kept` is what
    /// this session knows to be kept.
    async fn keep_rest(
        &self,
        lease: (&str, Lease),
        until: Option<Micros>,
        kept: &mut Option<Micros>,
    ) -> Result<(), Ended> {
        let latest = self.tenure.clock.now().plus(READING_REST_MAX);
        let is_kept = |until: &Micros| kept.is_some_and(|kept| *until < kept.plus(SAME_REST));
        let Some(until) = until.map(|until| until.min(latest)).filter(|until| !is_kept(until)) else { return Ok(()) };
        let mut tx = self.tenure.fenced("listener.rest", lease).await?;
        tx.rest_reading(&self.settings.account, until).await?;
        tx.commit().await?;
        *kept = Some(until);
        Ok(())
    }

    /// Since when the account is read: what was said before fires nothing.
    async fn first_read(&self, lease: (&str, Lease)) -> Result<Option<Micros>, Ended> {
        let mut tx = self.tenure.fenced("listener.first_read", lease).await?;
        let at = tx.set_first_read(&self.settings.account, self.tenure.clock.now()).await?;
        tx.commit().await?;
        Ok(at)
    }
}

impl Reads for Listener {
    fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    async fn session(&self, lease: (&str, Lease), lost: &mut u32) -> Result<(), Ended> {
        let mut feed = (self.connect)();
        let ended = self.listen(feed.as_mut(), lease, lost).await;
        feed.close().await;
        ended
    }

    /// However long a file takes, what is said is heard; and however often that ends, a file goes on.
    async fn beside(&self, lease: (&str, Lease)) -> Result<(), StoreError> {
        let mut feed = (self.connect)();
        let ended = files::fetch(&self.tenure, lease, feed.as_mut()).await;
        feed.close().await;
        ended
    }
}
