//! Judges hits when their session has settled, and says what a person did: events, and marks on the step of a sequence.
//!
//! What was judged before is looked at again where a later hit speaks of it, and by [`rescore`] as a whole: an event that
//! was wrong says so from then on, and what turns out to be a person's is raised late.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Arrivals;
use crate::clock::Clock;
use crate::domain::hit::{Books, Delivery, Hit, JUDGE, Judgement, Method, SETTLE, judge_session};
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::{EventType, HitKind, Verdict};
use crate::hub::signal::{self, Signal};
use crate::lifecycle::Stop;
use crate::store::again::{again, is_overtaken};
use crate::store::tracking::{HitRow, JudgedRow, MessageEvent, TrackedMessage};
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::pulse;

/// Hits looked at to find what is due.
const DUE_HITS: i64 = 500;
/// Hits filed in one transaction.
const FILED: i64 = 1_000;
/// Messages judged in one transaction.
const MESSAGES: usize = 50;
/// [`FILED`] in a rush.
const RUSH_FILED: i64 = 100;
/// [`MESSAGES`] in a rush.
const RUSH_MESSAGES: usize = 5;
/// How many times as long as a transaction took is rested after it in a rush: a twentieth of the time is its.
const RUSH_RESTS: u32 = 19;
/// The longest rest in a rush.
const RUSH_REST_MAX: Duration = Duration::from_secs(2);
/// Hits of one message that are looked at together.
const HITS_MAX: i64 = 5_000;
/// How long before a session hits still speak of it.
const BEFORE: Duration = Duration::from_mins(1);
/// How long at most until hits that nobody announced are looked for. Machine time.
const IDLE: Duration = Duration::from_secs(20);
/// How often a clock that is moved by hand is looked at. Machine time.
const STEP: Duration = Duration::from_millis(50);

/// Judges hits as they become due.
pub struct Judge {
    /// The database.
    pub store: Store,
    /// Business time.
    pub clock: Clock,
    /// What machines are known by.
    pub books: Arc<Books>,
    /// Rung when there are hits.
    pub arrivals: Arrivals,
    /// Rung when events were written.
    pub stored: Arc<Notify>,
}

/// What judging again changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rescored {
    /// Hits that were looked at.
    pub hits: usize,
    /// Of these, those that are a person's now and were not.
    pub now_human: usize,
    /// Those that are a machine's now and were not.
    pub now_machine: usize,
}

/// Which hits of a message are judged.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// The oldest session that was not, and what it speaks of.
    Due(Micros),
    /// All that were judged before.
    Again,
}

impl Judge {
    /// Judges until told to stop.
    ///
    /// # Errors
    /// Only where the store holds what can't be read.
    pub async fn run(self, stop: Stop) -> Result<(), StoreError> {
        // A clock that is moved by hand waits for nothing.
        let pace = Pace((!self.clock.is_stepped()).then(|| self.arrivals.clone()));
        loop {
            let judged = tokio::select! {
                // What was begun is rolled back, and begun anew by the next who judges.
                () = stop.soft() => return Ok(()),
                judged = judge_at(&self.store, &self.clock, &self.books, pace.clone()) => judged,
            };
            match judged {
                Ok(0) => {}
                Ok(_) => self.stored.notify_waiters(),
                Err(error @ StoreError::Damaged(_)) => return Err(error),
                Err(error) => tracing::warn!(%error, "hits can't be judged now"),
            }
            let pause = match next_due(&self.store).await {
                Ok(Some(_)) if self.clock.is_stepped() => STEP,
                Ok(Some(at)) => at.since(self.clock.now()).clamp(STEP, IDLE),
                Ok(None) | Err(_) => IDLE,
            };
            tokio::select! {
                () = stop.soft() => return Ok(()),
                () = self.arrivals.wake.woken(), if pause == IDLE => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// When the next session settles, in business time.
///
/// # Errors
/// The store's.
pub async fn next_due(store: &Store) -> Result<Option<Micros>, StoreError> {
    Ok(store.read().await?.next_unjudged_at().await?.map(|at| at.plus(SETTLE)))
}

/// Judges every session that has settled; how many hits got a verdict.
///
/// # Errors
/// The store's.
pub async fn judge_due(store: &Store, clock: &Clock, books: &Books) -> Result<usize, StoreError> {
    judge_at(store, clock, books, Pace(None)).await
}

/// How fast is judged: while hits come in a rush, little at a time and with long rests, for on SQLite one transaction writes at a time
/// and somebody waits for each answer. Verdicts come later then, by a minute at most and what is left over from it.
#[derive(Clone)]
struct Pace(Option<Arrivals>);

impl Pace {
    fn is_rush(&self) -> bool {
        self.0.as_ref().is_some_and(Arrivals::is_rush)
    }

    /// How much is done in one transaction.
    fn filed(&self) -> i64 {
        if self.is_rush() { RUSH_FILED } else { FILED }
    }

    /// See [`Pace::filed`].
    fn messages(&self) -> usize {
        if self.is_rush() { RUSH_MESSAGES } else { MESSAGES }
    }

    /// Nothing waits.
    fn caught_up(&self) {
        if let Some(arrivals) = &self.0 {
            arrivals.caught_up();
        }
    }

    /// Rests after a transaction that began at an instant.
    async fn rest(&self, began: Instant) {
        pulse::beat();
        if self.is_rush() {
            tokio::time::sleep((began.elapsed() * RUSH_RESTS).min(RUSH_REST_MAX)).await;
        }
    }
}

async fn judge_at(store: &Store, clock: &Clock, books: &Books, pace: Pace) -> Result<usize, StoreError> {
    let mut judged = 0;
    loop {
        pulse::beat();
        // Those that are too young to be judged as well: they speak for and against the older ones.
        let filed = file_all(store, clock, pace.clone()).await?;
        // Counted from what is filed: a hit that speaks against one of these may have come while they were filed.
        let until = filed.minus(SETTLE);
        let mut due = store.read().await?.list_unjudged(until, DUE_HITS).await?;
        if due.is_empty() {
            let oldest = store.read().await?.next_unjudged_at().await?;
            if oldest.is_none_or(|at| at > clock.now().minus(SETTLE)) {
                pace.caught_up();
            }
            return Ok(judged);
        }
        // In one order everywhere, for they are locked.
        due.sort_unstable();
        let before = judged;
        for messages in due.chunks(pace.messages()) {
            let began = Instant::now();
            let mut tx = store.begin("tracking.judge").await?;
            for message in messages {
                judged += judge_message(&mut tx, clock, books, (*message, Which::Due(until))).await?.hits;
            }
            tx.commit().await?;
            pace.rest(began).await;
        }
        if judged == before {
            // Somebody else judges them.
            return Ok(judged);
        }
    }
}

/// Puts what came until now with the hits of its message; until when. What comes meanwhile is left to the next time: it may come faster than
/// it is filed, and what is due must not wait for its end.
async fn file_all(store: &Store, clock: &Clock, pace: Pace) -> Result<Micros, StoreError> {
    let until = clock.now();
    while store.read().await?.next_new_hit_at().await?.is_some_and(|at| at <= until) {
        // Those that another files now are waited for: they speak of what is judged next.
        let (began, most) = (Instant::now(), pace.filed());
        again(is_overtaken, || async move {
            let mut tx = store.begin("tracking.file").await?;
            tx.file_hits(most).await?;
            tx.commit().await
        })
        .await?;
        pace.rest(began).await;
    }
    Ok(until)
}

/// Judges what was judged since an instant once more, by the judge of today.
///
/// # Errors
/// The store's.
pub async fn rescore(store: &Store, clock: &Clock, books: &Books, since: Micros) -> Result<Rescored, StoreError> {
    let mut sum = Rescored::default();
    let mut after = None;
    loop {
        let messages = store.read().await?.list_hit_since(since, after, i64::try_from(MESSAGES).unwrap_or(1)).await?;
        let Some(last) = messages.last() else { return Ok(sum) };
        after = Some(*last);
        let mut tx = store.begin("tracking.rescore").await?;
        for message in messages {
            let one = judge_message(&mut tx, clock, books, (message, Which::Again)).await?;
            sum.hits += one.hits;
            sum.now_human += one.now_human;
            sum.now_machine += one.now_machine;
        }
        tx.commit().await?;
    }
}

/// A hit, its verdict before, and its verdict now.
struct Change {
    row: HitRow,
    now: Judgement,
}

impl Change {
    fn was_human(&self) -> bool {
        self.row.judged.as_ref().is_some_and(|j| j.verdict == Verdict::Human)
    }

    fn is_human(&self) -> bool {
        self.now.verdict == Verdict::Human
    }

    fn is_new(&self) -> bool {
        self.row.judged.is_none()
    }
}

fn hit_of(row: &HitRow) -> Hit {
    Hit {
        id: row.id,
        kind: row.kind,
        link: row.link,
        at: row.at,
        method: Method::from_name(&row.method),
        agent: row.agent.clone(),
        network: row.network.clone(),
        hint: row.hint.clone(),
    }
}

/// Which hits are judged now, of those from an instant on. Those that are younger than a session is long wait for what may still come
/// after them; what is kept of them already speaks for and against the older ones.
fn is_judged_now(row: &HitRow, (which, from): (Which, Micros)) -> bool {
    match which {
        Which::Again => row.judged.is_some(),
        Which::Due(until) => row.at >= from && row.at <= until,
    }
}

async fn judge_message(
    tx: &mut Tx,
    clock: &Clock,
    books: &Books,
    (message, which): (MessageId, Which),
) -> Result<Rescored, StoreError> {
    // Locked before its hits are read: of two who judge it, the second finds nothing to do.
    let tracked = tx.lock_tracked(message).await?;
    let from = match which {
        Which::Again => Micros(i64::MIN),
        Which::Due(_) => match tx.first_unjudged_of(message).await? {
            Some(first) => first.minus(BEFORE),
            None => return Ok(Rescored::default()),
        },
    };
    // What speaks of the first of them came before it.
    let rows = tx.list_hits(message, from.minus(BEFORE), HITS_MAX).await?;
    if !rows.iter().any(|row| is_judged_now(row, (which, from))) {
        return Ok(Rescored::default());
    }
    let delivery = Delivery {
        delivered_at: tracked.as_ref().and_then(|t| t.delivered_at),
        links: tracked.as_ref().map_or(0, |t| usize::try_from(t.links).unwrap_or(0)),
    };
    let hits: Vec<Hit> = rows.iter().map(hit_of).collect();
    let verdicts = judge_session(&hits, &delivery, books);
    let judged = rows.iter().zip(verdicts).filter(|(row, _)| is_judged_now(row, (which, from)));
    let changes: Vec<Change> = judged.map(|(row, now)| Change { row: row.clone(), now }).collect();
    let parties: Vec<InfluencerId> = tx.outbox_parties(message).await?.into_iter().map(|p| p.influencer_id).collect();
    write_verdicts(tx, clock, &changes, parties.first().copied()).await?;
    if let Some(tracked) = &tracked {
        let session = Session { tracked, parties: &parties, changes: &changes };
        session.tell(tx, clock).await?;
        session.mark(tx, &rows).await?;
    }
    Ok(Rescored {
        hits: changes.iter().filter(|c| c.is_new() || matches!(which, Which::Again)).count(),
        now_human: changes.iter().filter(|c| !c.is_new() && !c.was_human() && c.is_human()).count(),
        now_machine: changes.iter().filter(|c| c.was_human() && !c.is_human()).count(),
    })
}

async fn write_verdicts(
    tx: &mut Tx,
    clock: &Clock,
    changes: &[Change],
    influencer: Option<InfluencerId>,
) -> Result<(), StoreError> {
    let same = |c: &Change| {
        c.row
            .judged
            .as_ref()
            .is_some_and(|j| j.verdict == c.now.verdict && j.reasons == c.now.reasons && j.judge == JUDGE)
    };
    let rows = changes.iter().filter(|c| !same(c)).map(|c| HitRow {
        influencer_id: c.row.influencer_id.or(influencer),
        judged: Some(JudgedRow {
            verdict: c.now.verdict,
            confidence: c.now.confidence,
            reasons: c.now.reasons.clone(),
            at: clock.now(),
            judge: JUDGE,
        }),
        ..c.row.clone()
    });
    tx.upsert_hits(rows.collect()).await
}

/// Hits of one message that were judged together.
struct Session<'a> {
    tracked: &'a TrackedMessage,
    parties: &'a [InfluencerId],
    changes: &'a [Change],
}

fn event_type(kind: HitKind) -> Option<EventType> {
    match kind {
        HitKind::Open => Some(EventType::MessageOpened),
        HitKind::Click => Some(EventType::MessageClicked),
        HitKind::Hidden | HitKind::Unsubscribe => None,
    }
}

fn datum<'e>(event: &'e MessageEvent, name: &str) -> Option<&'e serde_json::Value> {
    event.data.as_ref().and_then(|data| data.0.get(name))
}

fn set(data: &mut serde_json::Value, name: &str, value: serde_json::Value) {
    if let Some(map) = data.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}

/// The events that tell of a hit.
fn events_of<'e>(told: &'e [MessageEvent], change: &Change) -> impl Iterator<Item = &'e MessageEvent> {
    let id = json!(change.row.id);
    told.iter().filter(move |e| datum(e, "hit_id") == Some(&id))
}

impl Session<'_> {
    /// Raises what is new, and corrects what was said before.
    async fn tell(&self, tx: &mut Tx, clock: &Clock) -> Result<(), StoreError> {
        let told = tx.list_reader_events(self.tracked.id).await?;
        self.correct(tx, clock, &told).await?;
        self.count_links(tx, &told).await?;
        let chosen = self.choose_told(&told);
        if chosen.is_empty() {
            return Ok(());
        }
        let links = tx.list_links(self.tracked.id).await?;
        let mut signals = Vec::new();
        for (change, count) in chosen {
            let Some(what) = event_type(change.row.kind) else { continue };
            let mut data = self.data(change);
            if let Some(link) = links.iter().find(|l| Some(l.n) == change.row.link) {
                set(&mut data, "url", json!(link.url));
                set(&mut data, "label", json!(link.label));
            }
            if count > 1 {
                set(&mut data, "links", json!(count));
            }
            let (message, at) = (Some(self.tracked.id), change.row.at);
            let mut whom: Vec<Option<InfluencerId>> = self.parties.iter().copied().map(Some).collect();
            if whom.is_empty() {
                whom.push(None);
            }
            signals.extend(whom.into_iter().map(|influencer| Signal {
                what,
                influencer,
                message,
                at,
                data: Some(data.clone()),
            }));
        }
        signal::record(tx, clock, signals).await
    }

    fn data(&self, change: &Change) -> serde_json::Value {
        let mut data = json!({
            "machine": !change.is_human(),
            "confidence": change.now.confidence,
            "reasons": change.now.reasons,
            "link": change.row.link,
            "hit_id": change.row.id,
            "enrollment_id": self.tracked.enrollment_id,
            "step": self.tracked.step,
        });
        if !change.is_new() {
            set(&mut data, "rescored", json!(true));
        }
        data
    }

    /// Which hits get an event, and for a machine's clicks how many links it followed: the first open of a person and of a
    /// machine, each click of a person per link and session, one click of a machine per session.
    fn choose_told<'s>(&'s self, told: &[MessageEvent]) -> Vec<(&'s Change, usize)> {
        let fresh = || self.changes.iter().filter(|c| c.is_new() || (c.is_human() && !c.was_human()));
        let mut chosen: Vec<(&Change, usize)> = Vec::new();
        let opened = |machine: bool| {
            let mut events =
                told.iter().filter(move |e| e.kind == EventType::MessageOpened && e.machine == Some(machine));
            events.next().map(|e| datum(e, "confidence").and_then(serde_json::Value::as_f64).unwrap_or(1.0))
        };
        let open = |human: bool| fresh().filter(move |c| c.row.kind == HitKind::Open && c.is_human() == human);
        // A sure one is told even where an unsure one was.
        let sure = open(true).find(|c| c.now.is_human()).or_else(|| open(true).next());
        let known = opened(false);
        if let Some(first) = sure
            && known
                .is_none_or(|confidence| first.now.is_human() && confidence < crate::domain::hit::HUMAN_CONFIDENCE_MIN)
        {
            chosen.push((first, 1));
        }
        if opened(true).is_none()
            && let Some(first) = open(false).find(|c| c.is_new())
        {
            chosen.push((first, 1));
        }
        let mut links = Vec::new();
        for click in fresh().filter(|c| c.row.kind == HitKind::Click && c.is_human()) {
            let same = |c: &&Change| c.is_human() && c.row.link == click.row.link;
            if !links.contains(&click.row.link) && self.told_beside(told, click).find(same).is_none() {
                links.push(click.row.link);
                chosen.push((click, 1));
            }
        }
        let of_machine = |c: &&Change| !c.is_human();
        let swept: Vec<&Change> = fresh()
            .filter(|c| c.row.kind == HitKind::Click && !c.is_human() && c.is_new())
            .filter(|c| self.told_beside(told, c).find(of_machine).is_none())
            .collect();
        if let Some(first) = swept.first() {
            let mut links: Vec<Option<i64>> = swept.iter().map(|c| c.row.link).collect();
            links.sort_unstable();
            links.dedup();
            chosen.push((first, links.len()));
        }
        chosen
    }

    /// Clicks of the session of this one that have an event of what they are now: each hit is judged when it is old enough, so those
    /// of one session are not always judged together. The event of one that was a person's says by now that it is none.
    fn told_beside<'s>(&'s self, told: &'s [MessageEvent], click: &'s Change) -> impl Iterator<Item = &'s Change> {
        self.changes.iter().filter(move |c| {
            let apart = c.row.at.since(click.row.at).max(click.row.at.since(c.row.at));
            let says_so = |e: &MessageEvent| e.machine == Some(!c.is_human()) || (c.was_human() && !c.is_human());
            c.row.kind == HitKind::Click && !c.is_new() && apart <= SETTLE && events_of(told, c).any(says_so)
        })
    }

    /// The one event of a machine's clicks says how many links it followed, those that were judged after it included.
    async fn count_links(&self, tx: &mut Tx, told: &[MessageEvent]) -> Result<(), StoreError> {
        let swept = |c: &&Change| c.row.kind == HitKind::Click && !c.is_human();
        for first in self.changes.iter().filter(swept).filter(|c| !c.is_new()) {
            let beside = self.changes.iter().filter(swept).filter(|c| {
                let later = c.row.at.since(first.row.at);
                c.row.at >= first.row.at && later <= SETTLE
            });
            let mut links: Vec<Option<i64>> = beside.map(|c| c.row.link).collect();
            links.sort_unstable();
            links.dedup();
            for event in events_of(told, first).filter(|e| e.machine == Some(true)) {
                let known = datum(event, "links").and_then(serde_json::Value::as_u64).unwrap_or(1);
                let count = u64::try_from(links.len()).unwrap_or(u64::MAX);
                if count > known {
                    let mut data = event.data.as_ref().map_or_else(|| json!({}), |d| d.0.clone());
                    set(&mut data, "links", json!(count));
                    tx.rescore_event(event.id, true, data).await?;
                }
            }
        }
        Ok(())
    }

    /// An event of a hit that is no person's after all says so.
    async fn correct(&self, tx: &mut Tx, clock: &Clock, told: &[MessageEvent]) -> Result<(), StoreError> {
        for change in self.changes.iter().filter(|c| c.was_human() && !c.is_human()) {
            let id = json!(change.row.id);
            for event in told.iter().filter(|e| datum(e, "hit_id") == Some(&id)) {
                let mut data = event.data.as_ref().map_or_else(|| json!({}), |d| d.0.clone());
                set(&mut data, "machine", json!(true));
                set(&mut data, "confidence", json!(change.now.confidence));
                set(&mut data, "reasons", json!(change.now.reasons));
                set(&mut data, "rescored", json!(true));
                set(&mut data, "rescored_at", json!(clock.now()));
                tx.rescore_event(event.id, true, data).await?;
            }
        }
        Ok(())
    }

    /// What the step of the sequence knows of its reader.
    async fn mark(&self, tx: &mut Tx, rows: &[HitRow]) -> Result<(), StoreError> {
        let id = self.tracked.id;
        let gone: Vec<Micros> =
            self.changes.iter().filter(|c| c.was_human() && !c.now.is_human()).map(|c| c.row.at).collect();
        if !gone.is_empty() {
            tx.unmark_step_read(id, gone).await?;
        }
        let changed = |row: &HitRow| self.changes.iter().find(|c| c.row.id == row.id);
        let is_human = |row: &&HitRow| match (changed(row), &row.judged) {
            (Some(change), _) => change.now.is_human(),
            (None, Some(j)) => j.verdict == Verdict::Human && j.confidence >= crate::domain::hit::HUMAN_CONFIDENCE_MIN,
            (None, None) => false,
        };
        let first = |kind| rows.iter().filter(is_human).filter(|r| r.kind == kind).map(|r| r.at).min();
        let (opened, clicked) = (first(HitKind::Open), first(HitKind::Click));
        if opened.is_some() || clicked.is_some() {
            tx.mark_step_read(id, opened, clicked).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracking::MANY;

    #[tokio::test(start_paused = true)]
    async fn in_a_rush_little_is_done_at_a_time_and_a_twentieth_of_it() {
        let arrivals = Arrivals::default();
        let pace = Pace(Some(arrivals.clone()));
        assert_eq!((pace.filed(), pace.messages()), (FILED, MESSAGES));
        let began = Instant::now();
        tokio::time::advance(Duration::from_millis(10)).await;
        pace.rest(began).await;
        assert_eq!(began.elapsed(), Duration::from_millis(10), "no rest when nobody waits");
        arrivals.came(MANY);
        assert_eq!((pace.filed(), pace.messages()), (RUSH_FILED, RUSH_MESSAGES));
        let began = Instant::now();
        tokio::time::advance(Duration::from_millis(10)).await;
        pace.rest(began).await;
        assert_eq!(began.elapsed(), Duration::from_millis(200), "19 times as long as it took");
        arrivals.came(MANY);
        let began = Instant::now();
        tokio::time::advance(Duration::from_millis(900)).await;
        pace.rest(began).await;
        assert_eq!(began.elapsed(), Duration::from_millis(900) + RUSH_REST_MAX);
        let by_hand = Pace(None);
        arrivals.came(MANY);
        assert_eq!((by_hand.filed(), by_hand.messages()), (FILED, MESSAGES), "who asks for it gets it at once");
    }
}
