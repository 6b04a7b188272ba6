//! Opens and clicks: a token is checked, the hit is kept, and only then it is answered; who it was is judged when its
//! session has settled.
//!
//! A token is refused before anything is looked up, so that strangers cost no read and no write. What is kept of who
//! fetched is what they said of themselves and the name of their network, never an address. What follows from an open or
//! a click is decided elsewhere, from its event.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::hit::agents::AGENT_MAX;
use crate::domain::hit::{Books, Method};
use crate::domain::token::{Keys, Token};
use crate::domain::words::HitKind;
use crate::hub::signing::{self, SigningError};
use crate::store::Store;
use crate::worker::Wake;

mod judging;
mod writer;

pub use judging::{Judge, Rescored, judge_due, next_due, rescore};
pub use writer::HitWriter;

/// Hits that wait to be written; one more waits before it is taken.
const QUEUE_MAX: usize = 4_096;
/// Characters of a hint that are kept.
const HINT_MAX: usize = 80;

/// What somebody asked for, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What the link said.
    pub token: Token,
    /// How it was asked for.
    pub method: Method,
    /// The user agent; may be empty.
    pub agent: String,
    /// Where it came from; looked up and forgotten.
    pub address: Option<IpAddr>,
    /// A header that says it was fetched ahead.
    pub hint: Option<String>,
}

/// Hits that share a commit when there are many: more than a busy minute of a campaign brings, and less than a quick machine answers.
const MANY: usize = 16;
/// How long after many hits came at once more of them are awaited. Machine time.
const RUSH: Duration = Duration::from_secs(1);
/// How long answers go first: who keeps coming for longer must not keep the verdicts of all others away.
const RUSH_MAX: Duration = Duration::from_mins(1);

/// Rung when there are hits, and whether many come right now. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Arrivals {
    wake: Wake,
    rush: Arc<Mutex<Option<Rush>>>,
}

/// Many hits at once, again and again.
#[derive(Debug, Clone, Copy)]
struct Rush {
    /// When answers began to go first.
    since: Instant,
    /// When many came last.
    last: Instant,
}

impl Rush {
    fn is_on(&self) -> bool {
        self.last.elapsed() < RUSH
    }
}

impl Arrivals {
    fn rush(&self) -> std::sync::MutexGuard<'_, Option<Rush>> {
        self.rush.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many came at once.
    fn came(&self, hits: usize) {
        if hits >= MANY {
            let mut rush = self.rush();
            let now = Instant::now();
            let since = rush.filter(Rush::is_on).map_or(now, |rush| rush.since);
            *rush = Some(Rush { since, last: now });
        }
        self.wake.wake();
    }

    /// Whether so many come that their answers wait for one another, and have not gone first for too long.
    fn is_rush(&self) -> bool {
        self.rush().is_some_and(|rush| rush.is_on() && rush.since.elapsed() < RUSH_MAX)
    }

    /// Nothing waits for its verdict: answers may go first anew.
    fn caught_up(&self) {
        if let Some(rush) = self.rush().as_mut() {
            rush.since = Instant::now();
        }
    }
}

/// What is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is no such message, or no such link in it.
    Unknown,
    /// It is there; a link leads here.
    Found(Option<String>),
    /// The database can't say.
    Unavailable,
}

struct Asked {
    seen: Seen,
    network: Option<String>,
    answer: oneshot::Sender<Answer>,
}

/// What the public routes need. Cheap to clone; the writer ends when the last one is gone.
#[derive(Clone)]
pub struct Tracking {
    keys: Arc<RwLock<Arc<Keys>>>,
    books: Arc<Books>,
    queue: mpsc::Sender<Asked>,
}

/// Opens the desk: the first key is made where there is none. The caller runs the writer.
///
/// # Errors
/// Where the keys can't be read or made.
pub async fn open(
    store: &Store,
    clock: &Clock,
    books: Arc<Books>,
    arrivals: Arrivals,
) -> Result<(Tracking, HitWriter), SigningError> {
    let mut tx = store.begin("tracking.keys").await?;
    let keys = signing::keys(&mut tx, clock).await?;
    tx.commit().await?;
    let keys = Arc::new(RwLock::new(Arc::new(keys)));
    let (queue, asked) = mpsc::channel(QUEUE_MAX);
    let writer = HitWriter::new((store.clone(), clock.clone()), asked, Arc::clone(&keys), arrivals);
    Ok((Tracking { keys, books, queue }, writer))
}

impl Tracking {
    /// The keys that hold now.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a token says, where it is one of ours and of one of these kinds.
    pub fn read_token(&self, text: &str, kinds: &[HitKind]) -> Option<Token> {
        self.keys().read(text).filter(|token| kinds.contains(&token.kind))
    }

    /// Keeps a hit; answers when it is durable. Where it can't be kept, the reader still gets where they wanted to go.
    pub async fn hit(&self, mut seen: Seen) -> Answer {
        let network = seen.address.take().and_then(|a| self.books.networks.find(a)).map(str::to_owned);
        cut(&mut seen.agent, AGENT_MAX);
        if let Some(hint) = &mut seen.hint {
            cut(hint, HINT_MAX);
        }
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Asked { seen, network, answer }).await.is_err() {
            return Answer::Unavailable;
        }
        answered.await.unwrap_or(Answer::Unavailable)
    }
}

/// Cuts a stranger's text, at a character, and takes out what is no text.
fn cut(text: &mut String, octets_max: usize) {
    text.truncate(text.floor_char_boundary(octets_max));
    text.retain(|c| !c.is_control());
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn come(arrivals: &Arrivals, seconds: u64) {
        for _ in 0..seconds * 2 {
            arrivals.came(MANY);
            tokio::time::advance(Duration::from_millis(500)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_go_first_while_many_come_and_no_longer_than_a_minute() {
        let arrivals = Arrivals::default();
        assert!(!arrivals.is_rush(), "nothing came");
        arrivals.came(MANY - 1);
        assert!(!arrivals.is_rush(), "a few");
        come(&arrivals, 59).await;
        assert!(arrivals.is_rush(), "many, for less than a minute");
        come(&arrivals, 2).await;
        assert!(!arrivals.is_rush(), "many, for more than a minute: others wait for their verdict");
        come(&arrivals, 600).await;
        assert!(!arrivals.is_rush(), "and it does not begin anew by going on");
        arrivals.caught_up();
        come(&arrivals, 1).await;
        assert!(arrivals.is_rush(), "nobody waits any more");
        tokio::time::advance(RUSH).await;
        assert!(!arrivals.is_rush(), "no more came");
        arrivals.came(MANY);
        assert!(arrivals.is_rush(), "another one");
    }
}
