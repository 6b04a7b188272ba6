//! Pulses: how a loop shows that it is going, and how whoever watches sees that it is not.
//!
//! A loop runs under its pulse and calls [`beat`] wherever it gets on, and [`rest`] before it waits for longer than it usually
//! is silent. Outside of a pulse both do nothing, so that a loop can run by itself in a test.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static PULSE: Pulse;
}

/// The loop that runs here is going.
pub fn beat() {
    rest(Duration::ZERO);
}

/// The loop that runs here waits now, and may be silent for so much longer than usual. Machine time.
pub fn rest(longer: Duration) {
    // Outside of a pulse there is nobody to tell.
    PULSE.try_with(|pulse| pulse.rest(longer)).unwrap_or_default();
}

/// Every loop may be silent for so long from now on, whatever it does: something is under way that all of them wait for. Zero ends
/// that, and each has its usual time again.
pub fn excuse(length: Duration) {
    PULSE.try_with(|pulse| pulse.pulses.excuse(length)).unwrap_or_default();
}

#[derive(Debug)]
struct Beats {
    name: Cow<'static, str>,
    last: Instant,
    /// How long it may be silent from `last` on.
    allowed: Duration,
    silence_max: Duration,
}

/// A pulse as it is seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The loop.
    pub name: String,
    /// How long ago it last beat. Machine time.
    pub silent_for: Duration,
    /// Whether that is longer than it may be silent.
    pub is_silent: bool,
}

/// All pulses there are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pulses {
    beats: Arc<Mutex<BTreeMap<u64, Beats>>>,
    next: Arc<AtomicU64>,
    /// Until when nobody's silence counts.
    excused: Arc<Mutex<Option<Instant>>>,
}

impl Pulses {
    /// One more pulse, which must beat at least once in `silence_max` (machine time) but where it said that it rests.
    pub fn add(&self, name: impl Into<Cow<'static, str>>, silence_max: Duration) -> Pulse {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let beats = Beats { name: name.into(), last: Instant::now(), allowed: silence_max, silence_max };
        self.beats.lock().unwrap_or_else(PoisonError::into_inner).insert(id, beats);
        Pulse { id, pulses: self.clone() }
    }

    /// How each of them is, in the order in which they were added.
    pub fn all(&self) -> Vec<Seen> {
        let excused = *self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_excused = excused.is_some_and(|until| Instant::now() < until);
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = |b: &Beats| {
            let silent_for = b.last.elapsed();
            Seen { name: b.name.to_string(), silent_for, is_silent: silent_for > b.allowed && !is_excused }
        };
        beats.values().map(seen).collect()
    }

    fn excuse(&self, length: Duration) {
        let now = Instant::now();
        *self.excused.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + length);
        for beats in self.beats.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            beats.last = now;
        }
    }

    /// A pulse that has been silent for too long.
    pub fn silent(&self) -> Option<String> {
        self.all().into_iter().find(|seen| seen.is_silent).map(|seen| seen.name)
    }
}

/// The pulse of one loop; gone when this is dropped.
#[derive(Debug)]
pub struct Pulse {
    id: u64,
    pulses: Pulses,
}

impl Pulse {
    /// Runs a future under this pulse: [`beat`] and [`rest`] in it are this one's.
    pub async fn over<F: Future>(self, future: F) -> F::Output {
        PULSE.scope(self, future).await
    }

    fn rest(&self, longer: Duration) {
        let mut beats = self.pulses.beats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(beats) = beats.get_mut(&self.id) {
            beats.last = Instant::now();
            beats.allowed = beats.silence_max.saturating_add(longer);
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
        poll.rest(Duration::ZERO);
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(pulses.silent(), None);
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(pulses.silent().as_deref(), Some("poll"));
        drop(poll);
        assert_eq!(pulses.silent(), None);
        drop(send);
        assert!(pulses.all().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_all_wait_for_excuses_all_until_it_is_over() {
        let pulses = Pulses::default();
        let (_poll, long) = (pulses.add("poll", Duration::from_secs(10)), Duration::from_hours(1));
        pulses
            .add("sweep", Duration::from_secs(10))
            .over(async {
                excuse(long);
                tokio::time::advance(Duration::from_mins(59)).await;
                assert_eq!(pulses.silent(), None);
                excuse(Duration::ZERO);
                tokio::time::advance(Duration::from_secs(9)).await;
                assert_eq!(pulses.silent(), None, "each has its usual time again");
                beat();
                tokio::time::advance(Duration::from_secs(2)).await;
                assert_eq!(pulses.silent().as_deref(), Some("poll"));
                excuse(long);
                tokio::time::advance(long + Duration::from_secs(11)).await;
                assert_eq!(
                    pulses.silent().as_deref(),
                    Some("poll"),
                    "what takes longer than it may is nobody's excuse"
                );
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_said_that_it_rests_is_left_alone_for_as_long() {
        let pulses = Pulses::default();
        let long = Duration::from_mins(30);
        let resting = pulses.add("poll", Duration::from_secs(10)).over(async {
            rest(long);
            tokio::time::sleep(long).await;
            beat();
            std::future::pending::<()>().await;
        });
        let watching = async {
            tokio::time::sleep(long + Duration::from_secs(9)).await;
            assert_eq!(pulses.silent(), None, "it rested, and has beaten since");
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(pulses.silent().as_deref(), Some("poll"), "the rest is over");
        };
        tokio::select! {
            () = resting => {}
            () = watching => {}
        }
        // Nobody listens here, and nobody minds.
        beat();
    }
}
