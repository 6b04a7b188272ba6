//! The only source of time, ids and chance.
//!
//! Business time (due instants, stamps) comes from a [`Clock`] and may be sped up or simulated. Machine time (timeouts,
//! backoff) is `tokio::time` and never is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::domain::time::Micros;

/// Business time and ids. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Machine,
    Stepped(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        Self { source: Source::Machine }
    }

    /// A clock that stands still until it is moved: for tests, the simulator and sandbox accounts.
    pub fn stepped(start: Micros) -> Self {
        Self { source: Source::Stepped(Arc::new(AtomicI64::new(start.0))) }
    }

    /// Now, in business time.
    pub fn now(&self) -> Micros {
        match &self.source {
            Source::Machine => machine_now(),
            Source::Stepped(at) => Micros(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a stepped clock on; the machine's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Stepped(at) = &self.source {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            at.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Moves a stepped clock to an instant, never back.
    pub fn advance_to(&self, to: Micros) {
        if let Source::Stepped(at) = &self.source {
            at.fetch_max(to.0, Ordering::SeqCst);
        }
    }

    /// Whether this clock is moved by hand.
    pub fn is_stepped(&self) -> bool {
        matches!(self.source, Source::Stepped(_))
    }

    /// A fresh time-ordered id.
    #[allow(clippy::disallowed_methods, reason = "this is the id source")]
    pub fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Now by the machine's clock, for leases on SQLite and for log lines; never for what is due.
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn machine_now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// `N` octets from the operating system's source of chance, for tokens and keys.
///
/// Fails only where the system has none, which is a broken machine.
#[allow(clippy::disallowed_methods, reason = "this is the chance source")]
pub fn random_octets<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut octets = [0_u8; N];
    getrandom::fill(&mut octets)?;
    Ok(octets)
}

/// A length between `length` and one and a half times `length`, so that many clients do not come back at one moment.
pub fn jitter(length: Duration) -> Duration {
    let [a, b] = random_octets::<2>().unwrap_or([127, 127]);
    let share = f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX);
    length.mul_f64(1.0 + share / 2.0)
}
