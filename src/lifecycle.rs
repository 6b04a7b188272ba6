//! The life of the process: supervised tasks, signals, soft and hard stop, the service manager.
//!
//! A task that fails takes the process down, softly, with a failing outcome: leases make a restart safe, and a process that
//! limps without one of its tasks is worse. Knows nothing of what the tasks do.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub mod lock;
pub mod systemd;

use crate::telemetry::pulse::{Pulses, Seen};
pub use lock::{DatabaseLock, LockError};
pub use systemd::Supervisor;

/// How long a soft stop may take, unless told otherwise; below systemd's `TimeoutStopSec=30s`.
pub const STOP_TIME: Duration = Duration::from_secs(25);

/// Tells a task to stop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Stop {
    /// One that nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a soft stop: take nothing new, finish what has begun.
    pub fn ask(&self) {
        self.soft.cancel();
    }

    /// Asks for a hard stop, which is a soft one as well: drop everything now.
    pub fn ask_hard(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Waits until a soft stop is asked for.
    pub async fn soft(&self) {
        self.soft.cancelled().await;
    }

    /// Waits until a hard stop is asked for.
    pub async fn hard(&self) {
        self.hard.cancelled().await;
    }

    /// Whether a soft stop was asked for.
    pub fn is_soft(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Whether a hard stop was asked for.
    pub fn is_hard(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// The two as tokens, for rooms that know nothing of this one: soft, hard.
    pub fn tokens(&self) -> (CancellationToken, CancellationToken) {
        (self.soft.clone(), self.hard.clone())
    }

    /// A stop below this one: asked by itself, or together with this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { soft: self.soft.child_token(), hard: self.hard.child_token() }
    }
}

/// Why a task took the process down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name it was spawned under.
    pub task: String,
    /// Its error, or the words of its panic.
    pub reason: String,
}

/// How the process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All tasks ended by themselves within the stop time.
    Clean,
    /// A task failed.
    Failed(Failure),
    /// Tasks were cut off: the stop time was over, or a second signal came.
    CutOff {
        /// How many were still running.
        tasks: usize,
    },
}

impl Outcome {
    /// What the process hands back: 0 for a clean end, 1 for the others.
    pub fn exit_code(&self) -> ExitCode {
        if *self == Self::Clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("stopped"),
            Self::Failed(Failure { task, reason }) => write!(f, "the task {task} failed: {reason}"),
            Self::CutOff { tasks } => write!(f, "stopped with {tasks} tasks cut off"),
        }
    }
}

/// What comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT. The second one is a hard stop.
    Stop,
    /// SIGHUP.
    Reload,
}

#[derive(Debug)]
struct Inner {
    stop: Stop,
    stop_time: Duration,
    tasks: TaskTracker,
    failure: Mutex<Option<Failure>>,
    reloads: watch::Sender<u64>,
    pulses: Pulses,
    service: Supervisor,
}

/// Spawns tasks and watches over them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<Inner>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// With [`STOP_TIME`], talking to the service manager that `NOTIFY_SOCKET` names, if any.
    pub fn new() -> Self {
        Self::with(STOP_TIME, Supervisor::from_env())
    }

    /// With another stop time and service manager.
    pub fn with(stop_time: Duration, service: Supervisor) -> Self {
        Self(Arc::new(Inner {
            stop: Stop::new(),
            stop_time,
            tasks: TaskTracker::new(),
            failure: Mutex::new(None),
            reloads: watch::Sender::new(0),
            pulses: Pulses::default(),
            service,
        }))
    }

    /// The stop that every task is to listen to.
    pub fn stop(&self) -> Stop {
        self.0.stop.clone()
    }

    /// Spawns a task. An error or a panic of it stops the process; a hard stop drops it where it is.
    #[allow(clippy::disallowed_methods, reason = "this is where tasks are supervised")]
    pub fn spawn<E: fmt::Display>(
        &self,
        name: impl Into<Cow<'static, str>>,
        future: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let name = name.into();
        let inner = Arc::clone(&self.0);
        self.0.tasks.spawn(async move {
            let result = tokio::select! {
                result = AssertUnwindSafe(future).catch_unwind() => result,
                () = inner.stop.hard.cancelled() => return,
            };
            let reason = match result {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("panicked: {}", words(panic.as_ref())),
            };
            tracing::error!(task = %name, %reason, "a task failed; stopping");
            let mut failure = inner.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(Failure { task: name.into_owned(), reason });
            drop(failure);
            inner.stop.ask();
        });
    }

    /// Asks for a reload, as SIGHUP does.
    pub fn ask_reload(&self) {
        self.0.service.reloading();
        if self.0.reloads.receiver_count() == 0 {
            tracing::warn!("nothing here can be reloaded");
            self.0.service.ready("running");
        }
        self.0.reloads.send_modify(|n| *n += 1);
    }

    /// Hears of reloads that are asked for from now on.
    pub fn reloads(&self) -> Reloads {
        Reloads(self.0.reloads.subscribe())
    }

    /// Tells the service manager that all is up, after the start and after each reload. `status` is shown by
    /// `systemctl status`.
    pub fn ready(&self, status: &str) {
        self.0.service.ready(status);
    }

    /// A loop under a pulse of its own: the watchdog of the service manager is fed only while each beats at least once in
    /// `silence_max` (machine time), but where it says that it rests.
    pub fn watched<N: Into<Cow<'static, str>>, F: Future + Send>(
        &self,
        name: N,
        silence_max: Duration,
        future: F,
    ) -> impl Future<Output = F::Output> + Send + use<N, F> {
        self.0.pulses.add(name, silence_max).over(future)
    }

    /// How the loops are.
    pub fn pulses(&self) -> Vec<Seen> {
        self.0.pulses.all()
    }

    /// Serves signals and the watchdog until everything has stopped. Fails only if signals can't be listened to.
    pub async fn run_until_stopped(self) -> std::io::Result<Outcome> {
        let signals = Signals::listen()?;
        Ok(self.run_until_stopped_by(signals).await)
    }

    /// The same with signals that were listened to before: one that came since is not lost.
    pub async fn run_until_stopped_by(self, signals: Signals) -> Outcome {
        let Signals { mut terminate, mut interrupt, mut hang_up } = signals;
        let (asked, asked_of) = mpsc::channel(8);
        let listen = async {
            loop {
                let what = tokio::select! {
                    Some(()) = terminate.recv() => Asked::Stop,
                    Some(()) = interrupt.recv() => Asked::Stop,
                    Some(()) = hang_up.recv() => Asked::Reload,
                    else => std::future::pending().await,
                };
                if asked.send(what).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            outcome = self.run(asked_of) => outcome,
            () = listen => Outcome::Clean,
        }
    }

    /// As [`Self::run_until_stopped`], told what to do by a channel.
    pub async fn run(self, mut asked: mpsc::Receiver<Asked>) -> Outcome {
        let inner = &self.0;
        inner.tasks.close();
        let mut tick = inner.service.watchdog().map(tokio::time::interval);
        let mut deadline: Option<Instant> = None;
        // Once nobody can ask any more, the tasks decide by themselves.
        let mut askable = true;
        loop {
            if deadline.is_none() && inner.stop.is_soft() {
                tracing::info!(tasks = inner.tasks.len(), "stopping");
                inner.service.stopping();
                deadline = Some(Instant::now() + inner.stop_time);
            }
            tokio::select! {
                biased;
                () = inner.tasks.wait(), if deadline.is_some() => break,
                () = sleep_until(deadline) => return self.cut_off().await,
                () = inner.stop.hard.cancelled() => return self.cut_off().await,
                what = asked.recv(), if askable => match what {
                    Some(Asked::Reload) => self.ask_reload(),
                    Some(Asked::Stop) if inner.stop.is_soft() => inner.stop.ask_hard(),
                    Some(Asked::Stop) => inner.stop.ask(),
                    None => askable = false,
                },
                () = inner.stop.soft.cancelled(), if deadline.is_none() => {}
                () = next(&mut tick) => if let Some(silent) = inner.pulses.silent() {
                    tracing::error!(pulse = silent, "a loop has stopped beating; the watchdog is not fed");
                } else {
                    inner.service.watchdog_fed();
                },
            }
        }
        self.failure().map_or(Outcome::Clean, Outcome::Failed)
    }

    async fn cut_off(self) -> Outcome {
        let tasks = self.0.tasks.len();
        self.0.stop.ask_hard();
        // Dropping a future is quick; what blocks its thread can't be waited for.
        let dropped = tokio::time::timeout(Duration::from_secs(1), self.0.tasks.wait()).await;
        tracing::warn!(tasks, all_dropped = dropped.is_ok(), "tasks were cut off");
        match self.failure() {
            Some(failure) => Outcome::Failed(failure),
            None if tasks == 0 => Outcome::Clean,
            None => Outcome::CutOff { tasks },
        }
    }

    fn failure(&self) -> Option<Failure> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The signals of the process. From the first of these on, they do not end it by themselves any more.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Listens from now on. Fails only if signals can't be listened to.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Hears of reloads.
#[derive(Debug)]
pub struct Reloads(watch::Receiver<u64>);

impl Reloads {
    /// Waits for the next one; several that came meanwhile are one. Never ends once the process is going.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn next(tick: &mut Option<tokio::time::Interval>) {
    match tick {
        Some(tick) => {
            tick.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".to_owned())
}

#[cfg(test)]
mod tests;
