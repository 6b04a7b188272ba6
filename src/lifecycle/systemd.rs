//! What the service manager is told (`sd_notify(3)`), and whether its watchdog deserves to be fed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// The service manager, if there is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Supervisor {
    present: bool,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that `NOTIFY_SOCKET` and `WATCHDOG_USEC` name.
    pub fn from_env() -> Self {
        let present = std::env::var_os("NOTIFY_SOCKET").is_some();
        // Half of what systemd waits for, as sd_watchdog_enabled(3) advises.
        let watchdog = if present { sd_notify::watchdog_enabled().map(|limit| limit / 2) } else { None };
        Self { present, watchdog: watchdog.filter(|every| !every.is_zero()) }
    }

    /// No service manager: nothing is told to anyone.
    pub fn none() -> Self {
        Self::default()
    }

    /// How often the watchdog wants to be fed.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    pub(super) fn ready(&self, status: &str) {
        let status: String = status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    /// From systemd 253 on, `RELOADING=1` counts only together with the time.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the monotonic clock can't be read"),
        }
    }

    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    pub(super) fn watchdog_fed(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if self.present
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::warn!(%error, "the service manager can't be told");
        }
    }
}

#[derive(Debug)]
struct Beats {
    name: &'static str,
    last: Instant,
    silence_max: Duration,
}

/// All pulses there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulses {
    beats: Arc<Mutex<BTreeMap<u64, Beats>>>,
    next: Arc<AtomicU64>,
}

impl Pulses {
    pub(super) fn add(&self, name: &'static str, silence_max: Duration) -> Pulse {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let beats = Beats { name, last: Instant::now(), silence_max };
        self.beats.lock().unwrap_or_else(PoisonError::into_inner).insert(id, beats);
        Pulse { id, pulses: self.clone() }
    }

    /// A pulse that has been silent for too long.
    pub(super) fn silent(&self) -> Option<&'static str> {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.values().find(|b| b.last.elapsed() > b.silence_max).map(|b| b.name)
    }
}

/// The pulse of one loop.
#[derive(Debug)]
pub struct Pulse {
    id: u64,
    pulses: Pulses,
}

impl Pulse {
    /// Says that the loop is going.
    pub fn beat(&self) {
        let mut beats = self.pulses.beats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(beats) = beats.get_mut(&self.id) {
            beats.last = Instant::now();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.pulses.beats.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stops_beating_is_found() {
        let pulses = Pulses::default();
        let poll = pulses.add("poll", Duration::from_secs(10));
        let send = pulses.add("send", Duration::from_mins(1));
        tokio::time::advance(Duration::from_secs(8)).await;
        poll.beat();
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(pulses.silent(), None);
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(pulses.silent(), Some("poll"));
        drop(poll);
        assert_eq!(pulses.silent(), None);
        drop(send);
    }
}
