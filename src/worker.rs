//! The loop every room that works through rows shares: claim no more than there is room for, run each piece, sleep until
//! something is due or somebody says so, and drain when told to stop.
//!
//! It knows nothing of what the work is. A piece that panics ends the loop with an error: the process fails, is started
//! again, and the leases make that safe.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::telemetry::pulse;

/// How long pieces may take until there is room again; a mail server alone may think about one for ten minutes. Machine time.
const PIECE_MAX: Duration = Duration::from_mins(30);

/// How a worker is told to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Begin nothing new, bring to an end what can't be taken back, give back the rest.
    pub soft: CancellationToken,
    /// Let go of everything at once.
    pub hard: CancellationToken,
}

/// Wakes a sleeping worker. Cheap to clone; a call while it works is kept for when it next looks.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// There is something to do.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Until somebody calls [`Wake::wake`].
    pub async fn woken(&self) {
        self.0.notified().await;
    }
}

/// The wakes of a room's workers, by name (of the account, for the outbox). Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Wakes(Arc<Mutex<HashMap<String, Wake>>>);

impl Wakes {
    /// The wake of this name: the same for all who ask.
    pub fn of(&self, name: &str) -> Wake {
        let mut wakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wakes.entry(name.to_owned()).or_default().clone()
    }

    /// Wakes the worker of this name.
    pub fn wake(&self, name: &str) {
        self.of(name).wake();
    }
}

/// What a claim brought.
#[derive(Debug)]
pub struct Taken<P> {
    /// The pieces.
    pub pieces: Vec<P>,
    /// How long there is nothing to claim, where that is known.
    pub rest: Option<Duration>,
    /// Whether more waits than was taken.
    pub more: bool,
}

/// Work that is claimed piece by piece.
pub trait Work: Send + Sync + 'static {
    /// One piece.
    type Piece: Send + 'static;
    /// Claims at most so many pieces. Errors are its own affair: it says so and returns nothing, with a rest.
    fn claim(&self, at_most: usize) -> impl Future<Output = Taken<Self::Piece>> + Send;
    /// Does one piece to the end, minding the stop by itself.
    fn run(&self, piece: Self::Piece) -> impl Future<Output = ()> + Send;
}

/// How a worker paces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Pieces in hand at once.
    pub permits: usize,
    /// The longest sleep between two looks.
    pub poll: Duration,
    /// The longest wait before the first look, so that many workers do not begin at one moment.
    pub start: Duration,
}

/// A piece of work panicked.
#[derive(Debug, thiserror::Error)]
#[error("a piece of work ended badly: {0}")]
pub struct WorkerError(String);

/// Runs a piece to its end, even where whoever waits for it goes away: for what must not be cut between an answer and its
/// record.
///
/// # Errors
/// Where it panicked, or the process ends.
#[allow(clippy::disallowed_methods, reason = "its panic reaches whoever waits; it ends by its own time limits")]
pub async fn to_the_end<T: Send + 'static>(piece: impl Future<Output = T> + Send + 'static) -> Result<T, WorkerError> {
    tokio::spawn(piece).await.map_err(|error| WorkerError(error.to_string()))
}

/// Runs until stopped. After a soft stop it returns when every piece has ended; after a hard stop it drops them.
pub async fn drive<W: Work>(work: Arc<W>, pace: Pace, wake: Wake, stop: Stop) -> Result<(), WorkerError> {
    let mut running = JoinSet::new();
    tokio::select! {
        () = tokio::time::sleep(clock::jitter(pace.start).saturating_sub(pace.start)) => {}
        () = stop.soft.cancelled() => {}
        () = stop.hard.cancelled() => {}
    }
    while !stop.soft.is_cancelled() && !stop.hard.is_cancelled() {
        pulse::beat();
        let room = pace.permits.saturating_sub(running.len());
        // One claim for several pieces costs little more than one for one: wait until half of the room is there.
        if room.saturating_mul(2) < pace.permits.max(1) {
            // A piece has its own time limits, and they may be long.
            pulse::rest(PIECE_MAX);
            ended(wait_for_room(&mut running, &stop).await)?;
            continue;
        }
        let taken = work.claim(room).await;
        for piece in taken.pieces {
            start(&mut running, Arc::clone(&work), piece);
        }
        if !taken.more {
            let until = Instant::now() + taken.rest.unwrap_or(pace.poll).min(pace.poll);
            pulse::rest(until.saturating_duration_since(Instant::now()));
            sleep(&mut running, until, &wake, &stop).await?;
        }
    }
    drain(running, &stop).await
}

#[allow(clippy::disallowed_methods, reason = "this is where workers spawn; the set is joined before the worker ends")]
fn start<W: Work>(running: &mut JoinSet<()>, work: Arc<W>, piece: W::Piece) {
    running.spawn(async move { work.run(piece).await });
}

fn ended(result: Option<Result<(), tokio::task::JoinError>>) -> Result<(), WorkerError> {
    match result {
        Some(Err(error)) if error.is_panic() => Err(WorkerError(error.to_string())),
        _ => Ok(()),
    }
}

async fn wait_for_room(running: &mut JoinSet<()>, stop: &Stop) -> Option<Result<(), tokio::task::JoinError>> {
    tokio::select! {
        done = running.join_next() => done,
        () = stop.soft.cancelled() => None,
        () = stop.hard.cancelled() => None,
    }
}

/// Until the instant, a call, or a stop; pieces that end meanwhile are taken off the list.
async fn sleep(running: &mut JoinSet<()>, until: Instant, wake: &Wake, stop: &Stop) -> Result<(), WorkerError> {
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(until) => return Ok(()),
            () = wake.woken() => return Ok(()),
            () = stop.soft.cancelled() => return Ok(()),
            () = stop.hard.cancelled() => return Ok(()),
            done = running.join_next(), if !running.is_empty() => ended(done)?,
        }
    }
}

async fn drain(mut running: JoinSet<()>, stop: &Stop) -> Result<(), WorkerError> {
    loop {
        tokio::select! {
            done = running.join_next() => match done {
                None => return Ok(()),
                done => ended(done)?,
            },
            () = stop.hard.cancelled() => {
                running.shutdown().await;
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Counted {
        left: AtomicUsize,
        running: AtomicUsize,
        most: AtomicUsize,
        done: AtomicUsize,
        bad: bool,
    }

    impl Work for Counted {
        type Piece = usize;

        async fn claim(&self, at_most: usize) -> Taken<usize> {
            let left = self.left.load(Ordering::SeqCst);
            let count = left.min(at_most);
            self.left.store(left - count, Ordering::SeqCst);
            Taken { pieces: (0..count).collect(), rest: None, more: left > count }
        }

        async fn run(&self, _: usize) {
            assert!(!self.bad, "as the test wants");
            let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            self.done.fetch_add(1, Ordering::SeqCst);
        }
    }

    const PACE: Pace = Pace { permits: 5, poll: Duration::from_hours(1), start: Duration::ZERO };

    #[tokio::test]
    async fn worker_never_has_more_in_hand_than_permits_and_drains_when_stopped() {
        let work = Arc::new(Counted { left: AtomicUsize::new(1_000), ..Counted::default() });
        let (wake, stop) = (Wake::default(), Stop::default());
        let running = drive(Arc::clone(&work), PACE, wake.clone(), stop.clone());
        let watch = async {
            while work.done.load(Ordering::SeqCst) < 1_000 {
                tokio::task::yield_now().await;
            }
            // Nothing is due for an hour; the call wakes it.
            work.left.store(7, Ordering::SeqCst);
            wake.wake();
            while work.done.load(Ordering::SeqCst) < 1_007 {
                tokio::task::yield_now().await;
            }
            stop.soft.cancel();
        };
        let (result, ()) = futures_util::future::join(running, watch).await;
        assert!(result.is_ok());
        assert_eq!(work.most.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn piece_that_panics_ends_the_worker_with_an_error() {
        let work = Arc::new(Counted { left: AtomicUsize::new(1), bad: true, ..Counted::default() });
        assert!(drive(work, PACE, Wake::default(), Stop::default()).await.is_err());
    }

    #[test]
    fn wake_of_one_name_is_one() {
        let wakes = Wakes::default();
        assert!(Arc::ptr_eq(&wakes.of("a").0, &wakes.of("a").0));
        assert!(!Arc::ptr_eq(&wakes.of("a").0, &wakes.of("b").0));
    }
}
