//! The dispatcher of one account: keeps as many sessions busy as it may, and keeps hold of what is in hand.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::account::Breaker;
use super::session::Sessions;
use super::{SenderFactory, SendingSettings, Tools};
use crate::worker::{self, Pace, Stop, Wake, WorkerError};

/// Messages in hand at once.
const IN_HAND_MAX: usize = 50;
/// Messages in hand for each session, so that one is ready when a session is free.
const IN_HAND_EACH: usize = 4;
/// The longest wait before the first look.
const START: Duration = Duration::from_millis(200);
/// The longest goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Sends what is due from one account.
pub struct Dispatcher {
    tools: Tools,
    settings: SendingSettings,
    senders: SenderFactory,
    wake: Wake,
}

impl Dispatcher {
    /// For an account; `wake` is called by whoever puts something into its outbox.
    pub fn new(tools: Tools, settings: SendingSettings, senders: SenderFactory, wake: Wake) -> Self {
        Self { tools, settings, senders, wake }
    }

    /// Runs until stopped. After a soft stop nothing new is handed over, what is claimed is given back, and it returns when
    /// the answers to what is handed over have come; after a hard stop it returns at once.
    ///
    /// # Errors
    /// Where a session panicked.
    pub async fn run(self, stop: Stop) -> Result<(), WorkerError> {
        let sessions = self.settings.sessions.max(1);
        let pace = Pace {
            permits: sessions.saturating_mul(IN_HAND_EACH).min(IN_HAND_MAX).max(sessions),
            poll: self.settings.poll,
            start: START,
        };
        let work = Arc::new(Sessions {
            tools: self.tools,
            settings: self.settings,
            senders: self.senders,
            wake: self.wake.clone(),
            stop: stop.clone(),
            breaker: Breaker::default(),
            free: Semaphore::new(sessions),
            idle: Mutex::default(),
            in_hand: Mutex::new(HashSet::new()),
            lost_answers: Mutex::default(),
        });
        let result = tokio::select! {
            result = worker::drive(Arc::clone(&work), pace, self.wake, stop.clone()) => result,
            never = keep_hold(&work) => match never {},
        };
        let idle = std::mem::take(&mut *work.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let goodbyes = futures_util::future::join_all(idle.into_iter().map(crate::connector::Sender::close));
        tokio::select! {
            _ = tokio::time::timeout(GOODBYE, goodbyes) => {}
            () = stop.hard.cancelled() => {}
        }
        result
    }
}

/// Renews the leases of what is in hand, three times in the length of one.
async fn keep_hold(work: &Sessions) -> std::convert::Infallible {
    let seconds = work.settings.lease_seconds.max(1);
    let mut beat = tokio::time::interval(Duration::from_secs(u64::from(seconds)) / 3);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let held = work.held();
        if held.is_empty() {
            continue;
        }
        let renewed = async {
            let mut tx = work.tools.store.begin("outbound.renew").await?;
            tx.renew_outbox(work.tools.run, held, i64::from(seconds)).await?;
            tx.commit().await
        };
        if let Err(error) = renewed.await {
            tracing::warn!(account = work.settings.account, %error, "leases can't be renewed");
        }
    }
}
