//! Webhooks out: numbered events become signed requests to addresses of others, at least once each and in their order.
//!
//! Each webhook is worked on by one process at a time, under a lease. In one transaction what came of the last try is written,
//! events after the webhook's place are put in line and the next try is marked as begun; only then, with no transaction open, the
//! request leaves. Whatever dies in between leaves a row that is tried again under the same id.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::connector::http::{Guard, Http, Lookup, system_lookup};
use crate::domain::ids::RunId;
use crate::domain::webhook::guard::Reach;
use crate::hub::seal::{SealError, Vault};
use crate::store::Store;
use crate::worker::{self, Pace, Stop, Wake, WorkerError};

mod line;
mod rounds;

use rounds::{Hand, Rounds};

/// Webhooks told at once.
const PERMITS: usize = 16;
/// The longest sleep between two looks: at what another node numbered, and at what is due again.
const POLL: Duration = Duration::from_secs(1);
/// The longest wait before the first look.
const START: Duration = Duration::from_millis(200);

/// What is needed to tell anybody anything, as it is configured at the moment.
#[derive(Debug, Clone)]
pub struct Means {
    /// Opens the secrets that sign.
    pub vault: Result<Vault, SealError>,
    /// Where webhooks may lead.
    pub reach: Reach,
}

/// Gives the [`Means`] that are in force.
pub type CurrentMeans = Arc<dyn Fn() -> Means + Send + Sync>;

/// Tells webhooks what happens.
pub struct Webhooks {
    /// The database.
    pub store: Store,
    /// Ids, and the time of events.
    pub clock: Clock,
    /// Who holds the leases.
    pub run: RunId,
    /// What is configured.
    pub means: CurrentMeans,
    /// Rung when events got their numbers.
    pub numbered: Arc<Notify>,
    /// Rung by us when an event was written.
    pub stored: Arc<Notify>,
    /// Rung by whoever changed something about a webhook.
    pub wake: Wake,
}

impl Webhooks {
    /// Runs until stopped. After a soft stop no new try begins, and what has begun is brought to its end.
    ///
    /// # Errors
    /// Where a try panicked.
    pub async fn run(self, stop: Stop) -> Result<(), WorkerError> {
        self.run_with(system_lookup(), stop).await
    }

    /// As [`Webhooks::run`], with names looked up in another way.
    ///
    /// # Errors
    /// As [`Webhooks::run`].
    pub async fn run_with(self, lookup: Lookup, stop: Stop) -> Result<(), WorkerError> {
        let means = Arc::clone(&self.means);
        let guard: Guard = Arc::new(move |host, address| means().reach.lets(host, address));
        let (wake, numbered) = (self.wake.clone(), Arc::clone(&self.numbered));
        let work = Arc::new(Rounds {
            store: self.store,
            clock: self.clock,
            run: self.run,
            means: self.means,
            http: Http::guarded(guard, lookup),
            stored: self.stored,
            wake: self.wake,
            stop: stop.clone(),
            hand: Mutex::new(Hand { held: HashSet::new(), served: HashMap::new(), rounds: 0 }),
        });
        let pace = Pace { permits: PERMITS, poll: POLL, start: START };
        tokio::select! {
            result = worker::drive(work, pace, wake.clone(), stop) => result,
            never = pass_on(&numbered, &wake) => match never {},
        }
    }
}

/// Wakes us when events got their numbers.
async fn pass_on(numbered: &Notify, wake: &Wake) -> std::convert::Infallible {
    loop {
        numbered.notified().await;
        wake.wake();
    }
}
