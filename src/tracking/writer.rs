//! Keeps hits: those that come at one moment share a transaction, and each is answered after it. Whose hits they are is looked up
//! in it as well: the connection that writes still has the pages in memory that others must read anew after each commit.
//!
//! Of one message only so many hits a minute are kept; the rest are counted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Answer, Arrivals, Asked};
use crate::clock::Clock;
use crate::domain::ids::{HitId, MessageId};
use crate::domain::time::Micros;
use crate::domain::token::Keys;
use crate::domain::words::HitKind;
use crate::hub::signing;
use crate::lifecycle::Stop;
use crate::store::again::{again, is_overtaken};
use crate::store::tracking::{HitRow, LinkRow};
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::pulse;

/// Hits that share a commit.
const BATCH_MAX: usize = 512;
/// Hits of one message that are kept within [`FLOOD_WINDOW`].
pub(super) const HITS_KEPT_MAX: u32 = 300;
/// How long a message's hits are counted together. Business time.
const FLOOD_WINDOW: Duration = Duration::from_mins(1);
/// Messages whose hits are counted at once; with more, counting begins anew.
const WINDOWS_MAX: usize = 100_000;
/// How often what was counted is written down, and keys are read again. Machine time.
const TIDY: Duration = Duration::from_secs(30);

struct Window {
    since: Micros,
    kept: u32,
    surplus: i64,
}

/// Writes hits until nobody can ask any more.
pub struct HitWriter {
    store: Store,
    clock: Clock,
    asked: mpsc::Receiver<Asked>,
    keys: Arc<RwLock<Arc<Keys>>>,
    windows: HashMap<MessageId, Window>,
    arrivals: Arrivals,
}

impl HitWriter {
    pub(super) fn new(
        (store, clock): (Store, Clock),
        asked: mpsc::Receiver<Asked>,
        keys: Arc<RwLock<Arc<Keys>>>,
        arrivals: Arrivals,
    ) -> Self {
        Self { store, clock, asked, keys, windows: HashMap::new(), arrivals }
    }

    /// Runs until the last who may ask is gone, or a hard stop.
    ///
    /// # Errors
    /// None: what can't be kept is logged, and its reader is answered.
    pub async fn run(mut self, stop: Stop) -> Result<(), StoreError> {
        let mut tidy = tokio::time::interval(TIDY);
        tidy.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            pulse::beat();
            tokio::select! {
                n = self.asked.recv_many(&mut batch, BATCH_MAX) => {
                    if n == 0 {
                        break;
                    }
                    self.take(std::mem::take(&mut batch)).await;
                }
                _ = tidy.tick() => self.tidy().await,
                () = stop.hard() => break,
            }
        }
        self.tidy().await;
        Ok(())
    }

    /// Looks up a batch, keeps it and answers. Where it can't be kept, its readers get where they wanted to go all the same; where it
    /// can't be looked up, they are told so.
    async fn take(&mut self, batch: Vec<Asked>) {
        let (mut tx, broken) = match self.store.begin("tracking.hit").await {
            Ok(tx) => (tx, None),
            Err(error) => match self.store.read().await {
                Ok(tx) => (tx, Some(error)),
                Err(_) => return refuse(batch, &error),
            },
        };
        let known = match look_up(&mut tx, &batch).await {
            Ok(known) => known,
            Err(error) => return refuse(batch, &error),
        };
        let now = self.clock.now();
        let mut rows = Vec::with_capacity(batch.len());
        let mut answers = Vec::with_capacity(batch.len());
        for asked in batch {
            let answer = known.answer(&asked);
            if matches!(answer, Answer::Found(_)) && self.admit(asked.seen.token.message, now) {
                rows.push(self.row(&asked, now));
            }
            answers.push((asked, answer));
        }
        // What nobody signed and what is only counted is no work for the judge.
        let hits = rows.len();
        let kept = match broken {
            Some(error) => Err(error),
            None => self.keep(tx, rows).await,
        };
        if let Err(error) = kept {
            tracing::error!(%error, "hits were not kept; their readers are answered all the same");
        }
        for (asked, answer) in answers {
            reply(asked, answer);
        }
        self.arrivals.came(hits);
    }

    async fn keep(&self, tx: Tx, rows: Vec<HitRow>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        match keep_in(tx, rows.clone()).await {
            Err(error) if is_overtaken(&error) => {
                again(is_overtaken, || async { keep_in(self.store.begin("tracking.hit").await?, rows.clone()).await })
                    .await
            }
            kept => kept,
        }
    }

    /// Whether one more hit of a message is kept; where not, it is counted.
    fn admit(&mut self, message: MessageId, now: Micros) -> bool {
        if self.windows.len() >= WINDOWS_MAX {
            self.windows.retain(|_, w| w.surplus > 0 || now.since(w.since) < FLOOD_WINDOW);
        }
        if self.windows.len() >= WINDOWS_MAX {
            self.windows.retain(|_, w| w.surplus > 0);
        }
        let window = self.windows.entry(message).or_insert(Window { since: now, kept: 0, surplus: 0 });
        if now.since(window.since) >= FLOOD_WINDOW {
            window.since = now;
            window.kept = 0;
        }
        if window.kept >= HITS_KEPT_MAX {
            window.surplus += 1;
            return false;
        }
        window.kept += 1;
        true
    }

    fn row(&self, asked: &Asked, at: Micros) -> HitRow {
        let seen = &asked.seen;
        HitRow {
            id: HitId(self.clock.new_id()),
            message_id: seen.token.message,
            influencer_id: None,
            kind: seen.token.kind,
            link: (seen.token.kind == HitKind::Click).then(|| i64::from(seen.token.link)),
            at,
            method: seen.method.as_str().to_owned(),
            agent: seen.agent.clone(),
            network: asked.network.clone(),
            hint: seen.hint.clone(),
            judged: None,
        }
    }

    /// Writes down what was counted and not kept, forgets what is over, and takes up new keys.
    async fn tidy(&mut self) {
        let counts: Vec<(MessageId, i64)> =
            self.windows.iter().filter(|(_, w)| w.surplus > 0).map(|(id, w)| (*id, w.surplus)).collect();
        let now = self.clock.now();
        if let Err(error) = self.note(counts, now).await {
            tracing::warn!(%error, "hits beyond the limit could not be counted now");
        } else {
            for window in self.windows.values_mut() {
                window.surplus = 0;
            }
            self.windows.retain(|_, w| now.since(w.since) < FLOOD_WINDOW);
        }
    }

    async fn note(&self, counts: Vec<(MessageId, i64)>, now: Micros) -> Result<(), StoreError> {
        if !counts.is_empty() {
            let mut tx = self.store.begin("tracking.surplus").await?;
            tx.add_hit_surplus(counts, now).await?;
            tx.commit().await?;
        }
        if let Some(keys) = signing::read_keys(&mut self.store.read().await?).await? {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        }
        Ok(())
    }
}

async fn keep_in(mut tx: Tx, rows: Vec<HitRow>) -> Result<(), StoreError> {
    tx.insert_hits(rows).await?;
    tx.commit().await
}

async fn look_up(tx: &mut Tx, batch: &[Asked]) -> Result<Known, StoreError> {
    let messages: HashSet<MessageId> = batch.iter().map(|a| a.seen.token.message).collect();
    let clicks = batch.iter().map(|a| a.seen.token).filter(|t| t.kind == HitKind::Click);
    let (of, numbers): (HashSet<MessageId>, HashSet<i64>) = clicks.map(|t| (t.message, i64::from(t.link))).unzip();
    let sent = tx.find_sent(messages.into_iter().collect()).await?.into_iter().collect();
    let links = if of.is_empty() {
        Vec::new()
    } else {
        tx.find_links(of.into_iter().collect(), numbers.into_iter().collect()).await?
    };
    let links = links.into_iter().map(|LinkRow { message_id, n, url, .. }| ((message_id, n), url)).collect();
    Ok(Known { sent, links })
}

/// What the database knows of a batch.
struct Known {
    sent: HashSet<MessageId>,
    links: HashMap<(MessageId, i64), String>,
}

impl Known {
    fn answer(&self, asked: &Asked) -> Answer {
        let token = asked.seen.token;
        if !self.sent.contains(&token.message) {
            return Answer::Unknown;
        }
        match token.kind {
            HitKind::Click => match self.links.get(&(token.message, i64::from(token.link))) {
                Some(url) => Answer::Found(Some(url.clone())),
                None => Answer::Unknown,
            },
            HitKind::Open | HitKind::Hidden | HitKind::Unsubscribe => Answer::Found(None),
        }
    }
}

fn refuse(batch: Vec<Asked>, error: &StoreError) {
    tracing::warn!(%error, hits = batch.len(), "links can't be looked up");
    for asked in batch {
        reply(asked, Answer::Unavailable);
    }
}

fn reply(asked: Asked, answer: Answer) {
    // Who went away does not care.
    drop(asked.answer.send(answer));
}
