//! Asking a provider what was said, day by day, from lists that begin with the newest.
//!
//! Lists are documented by the day and in that order, and messages of one second have no order of their own; some are seen only a
//! while after the time they bear. So a cursor holds an instant and the ids that were told around it. Each question goes back
//! behind that instant by some length and leaves out what was told: nothing is lost, and doubled only what is beyond that memory.
//!
//! How a message of ours fares may be settled long after that: the phone was off. Those whose fate is open when the lists go on without
//! them stay in the cursor, and are asked for one by one, less and less often, for [`OPEN_FOR`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::send::Rest;
use crate::clock::Clock;
use crate::connector::feed::{Attached, Batch, Feed, FileError, Progress, TOLD_MAX, Told};
use crate::connector::{ConnectorError, Wake};
use crate::domain::time::Micros;
use crate::telemetry::pulse;

/// Messages told in one answer: some of them take a question each.
const MESSAGES_MAX: usize = 200;
/// Things told of one message at most.
const OF_ONE_MAX: usize = 2;
/// Ids that a cursor holds.
const SEEN_MAX: usize = 1_000;
/// Messages of ours that a cursor holds because their fate is open; of more, the oldest are not waited for.
const OPEN_MAX: usize = 500;
/// For how long after its time the fate of a message is waited for.
const OPEN_FOR: Duration = Duration::from_hours(72);
/// The least time between two looks at one; beyond that it grows with the age of the message, by a fourth of it.
const OPEN_PAUSE: Duration = Duration::from_mins(10);
/// Such looks in one answer.
const AGAIN_MAX: usize = 20;
/// Days that are looked through in one answer while nothing is found.
const DAYS_MAX: usize = 31;
/// Pages of one list of one day.
const PAGES_MAX: usize = 2_000;

/// A message of a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    /// The provider's id.
    pub(super) id: String,
    /// When, in the sense in which lists are asked for.
    pub(super) at: Micros,
    /// How it fares; another one is news as well.
    pub(super) mark: String,
    /// What came.
    pub(super) raw: Value,
}

/// How a message of ours fares, as a cursor keeps it.
pub(super) fn mark(progress: Option<Progress>) -> String {
    let mark = match progress {
        None => "",
        Some(Progress::Taken) => "t",
        Some(Progress::Sent) => "s",
        Some(Progress::Delivered) => "d",
        Some(Progress::Failed) => "f",
    };
    mark.to_owned()
}

/// A part of a list.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) listed: Vec<Listed>,
    /// Where it goes on, towards older ones.
    pub(super) next: Option<Url>,
}

/// How a message of ours fares that was asked for by its id.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) progress: Option<Progress>,
    /// The same, to be told.
    pub(super) told: Option<Told>,
}

/// A provider with such lists.
pub(super) trait Lister: Send {
    /// How long after the time it bears a message may yet come into a list.
    fn lag(&self) -> Duration;
    /// The lists of a day (UTC), the newest first in each.
    fn lists(&self, day: Date) -> Result<Vec<Url>, ConnectorError>;
    /// One page.
    fn page<'a>(&'a mut self, url: &'a Url) -> BoxFuture<'a, Result<Page, ConnectorError>>;
    /// What a message tells, at most two things; where it is not new, only how it fares.
    fn tell<'a>(&'a mut self, listed: &'a Listed, new: bool) -> BoxFuture<'a, Result<Vec<Told>, ConnectorError>>;
    /// One message of ours; `None` where the provider has it no longer.
    fn again<'a>(&'a mut self, id: &'a str) -> BoxFuture<'a, Result<Option<Again>, ConnectorError>>;
    /// A file beside a message.
    fn file<'a>(&'a mut self, file: &'a Attached, octets_max: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>>;
    /// How long the provider wants to be left alone by whoever reads.
    fn reading(&self) -> &Rest;
}

/// What a cursor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seam {
    /// Everything before is told.
    at: i64,
    /// Told before `at` by so much and still asked for: nothing older is news.
    floor: i64,
    /// What was told since `floor`: when, and how it fared.
    seen: BTreeMap<String, (i64, String)>,
    /// Messages of ours from before `floor` whose fate is open: when, how it fared, and when it is looked at next.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<String, (i64, String, i64)>,
}

/// Whether more may yet become of a message of ours that fares so.
fn is_open(fared: &str) -> bool {
    [Progress::Taken, Progress::Sent].iter().any(|progress| fared == mark(Some(*progress)))
}

/// When a message of this time is looked at next.
fn next_look(at: i64, now: Micros) -> i64 {
    let age = Duration::from_micros(u64::try_from(now.0.saturating_sub(at)).unwrap_or_default());
    now.plus(OPEN_PAUSE.max(age / 4)).0
}

impl Seam {
    /// From the whole second on: that is all that some providers tell of a time, and what came after the first look bears it as well.
    fn new(since: Micros) -> Self {
        let since = Micros::from_seconds(since.seconds()).0;
        Self { at: since, floor: since, seen: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// A cursor that can't be read begins anew: told twice is better than never.
    fn read(cursor: Option<&str>, since: Micros) -> Self {
        cursor.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| Self::new(since))
    }

    fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn is_news(&self, listed: &Listed) -> bool {
        listed.at.0 >= self.floor && self.seen.get(&listed.id).is_none_or(|(_, mark)| *mark != listed.mark)
    }

    fn is_new(&self, listed: &Listed) -> bool {
        !self.seen.contains_key(&listed.id)
    }

    fn note(&mut self, listed: &Listed) {
        self.at = self.at.max(listed.at.0);
        self.seen.insert(listed.id.clone(), (listed.at.0, listed.mark.clone()));
    }

    fn reach(&mut self, at: Micros) {
        self.at = self.at.max(at.0);
    }

    /// Forgets what is not asked for again, but for what is open.
    fn settle(&mut self, lag: Duration, now: Micros) {
        self.floor = self.floor.max(Micros(self.at).minus(lag).0);
        self.leave_behind(now);
        if self.seen.len() > SEEN_MAX {
            // So many in that time that the memory is full: what comes later than its oldest is not waited for.
            let mut times: Vec<i64> = self.seen.values().map(|(at, _)| *at).collect();
            times.sort_unstable();
            let oldest = times.get(times.len().saturating_sub(SEEN_MAX)).copied().unwrap_or(self.floor);
            self.floor = oldest;
            self.leave_behind(now);
        }
        let since = now.minus(OPEN_FOR).0;
        self.open.retain(|_, (at, ..)| *at >= since);
        while self.open.len() > OPEN_MAX
            && let Some(oldest) = self.open.iter().min_by_key(|(_, (at, ..))| *at).map(|(id, _)| id.clone())
        {
            self.open.remove(&oldest);
        }
    }

    fn leave_behind(&mut self, now: Micros) {
        let floor = self.floor;
        for (id, (at, fared)) in self.seen.extract_if(.., |_, (at, _)| *at < floor) {
            if is_open(&fared) {
                self.open.insert(id, (at, fared, next_look(at, now)));
            }
        }
    }

    fn put_off(&mut self, id: &str, now: Micros) {
        if let Some((at, _, next)) = self.open.get_mut(id) {
            *next = next_look(*at, now);
        }
    }

    /// Whose turn it is to be looked at, the longest waiting first.
    fn due(&self, now: Micros) -> Vec<String> {
        let mut due: Vec<(i64, &String)> =
            self.open.iter().filter(|(_, (.., next))| *next <= now.0).map(|(id, (.., next))| (*next, id)).collect();
        due.sort_unstable();
        due.into_iter().take(AGAIN_MAX).map(|(_, id)| id.clone()).collect()
    }
}

/// A feed over such lists.
pub(super) struct Walker<L> {
    lister: L,
    clock: Clock,
    /// What was found and not told yet, the oldest first.
    waiting: VecDeque<Listed>,
    /// Whether there are days behind the one in which it was found.
    days_left: bool,
    /// The cursor behind which it is.
    given: Option<String>,
}

impl<L: Lister> Walker<L> {
    pub(super) fn new(lister: L, clock: Clock) -> Self {
        Self { lister, clock, waiting: VecDeque::new(), days_left: false, given: None }
    }

    async fn answer(&mut self, cursor: Option<&str>, since: Micros) -> Result<Batch, ConnectorError> {
        let mut seam = Seam::read(cursor, since);
        let goes_on = cursor.is_some() && self.given.as_deref() == cursor && !self.waiting.is_empty();
        if !goes_on {
            self.gather(&mut seam).await?;
        }
        let mut batch = Batch::default();
        for _ in 0..MESSAGES_MAX {
            if batch.told.len() + OF_ONE_MAX > TOLD_MAX {
                break;
            }
            let Some(listed) = self.waiting.pop_front() else { break };
            pulse::beat();
            match self.lister.tell(&listed, seam.is_new(&listed)).await {
                Ok(told) => batch.told.extend(told),
                // What was told before it is not lost; it is asked for again behind that.
                Err(_) if !batch.told.is_empty() => {
                    self.waiting.push_front(listed);
                    break;
                }
                Err(error) => {
                    self.waiting.clear();
                    return Err(error);
                }
            }
            seam.note(&listed);
        }
        batch.more = self.days_left || !self.waiting.is_empty();
        if !batch.more {
            self.look_again(&mut seam, &mut batch).await;
        }
        // While some of a day wait, the seam stays within what was told of it.
        seam.settle(self.lister.lag(), self.clock.now());
        batch.cursor = seam.write();
        self.given = Some(batch.cursor.clone());
        Ok(batch)
    }

    /// Asks what became of those whose fate is open. Where the provider can't be asked, or wants to be left alone, they wait: whether it
    /// can be read the lists tell. The one that was asked about waits behind the others: its question may fail each time.
    async fn look_again(&mut self, seam: &mut Seam, batch: &mut Batch) {
        let now = self.clock.now();
        for id in seam.due(now) {
            if batch.told.len() >= TOLD_MAX {
                return;
            }
            pulse::beat();
            let again = match self.lister.again(&id).await {
                Ok(Some(again)) => again,
                Ok(None) => {
                    seam.open.remove(&id);
                    continue;
                }
                Err(error) if error.is_about_what_was_asked() => Again { progress: None, told: None },
                Err(_) => {
                    seam.put_off(&id, now);
                    return;
                }
            };
            seam.put_off(&id, now);
            let Some((_, known, _)) = seam.open.get_mut(&id) else { continue };
            let Some(progress) = again.progress else { continue };
            let fares = mark(Some(progress));
            if *known != fares {
                batch.told.extend(again.told);
                known.clone_from(&fares);
            }
            if !is_open(&fares) {
                seam.open.remove(&id);
            }
        }
    }

    /// Looks for what is news, in the first day that has any.
    async fn gather(&mut self, seam: &mut Seam) -> Result<(), ConnectorError> {
        self.waiting.clear();
        let today = day_of(self.clock.now());
        let mut day = day_of(Micros(seam.floor));
        for _ in 0..DAYS_MAX {
            let found = self.day(day, seam).await?;
            self.days_left = day < today;
            if !found.is_empty() || day >= today {
                self.waiting = found.into();
                return Ok(());
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
            seam.reach(start_of(day));
        }
        Ok(())
    }

    /// What is news in one day, the oldest first.
    async fn day(&mut self, day: Date, seam: &Seam) -> Result<Vec<Listed>, ConnectorError> {
        let (mut found, mut ids) = (Vec::new(), BTreeSet::new());
        for list in self.lister.lists(day)? {
            let mut next = Some(list);
            let mut pages = 0;
            while let Some(url) = next.take() {
                pages += 1;
                if pages > PAGES_MAX {
                    let why = format!("a list of {day} has more than {PAGES_MAX} pages");
                    return Err(ConnectorError::Unreadable(why));
                }
                // Each question may take as long as one may.
                pulse::beat();
                let page = self.lister.page(&url).await?;
                let over = !page.listed.is_empty() && page.listed.iter().all(|l| l.at.0 < seam.floor);
                found.extend(page.listed.into_iter().filter(|l| seam.is_news(l) && ids.insert(l.id.clone())));
                next = page.next.filter(|_| !over);
            }
        }
        found.sort_by(|a: &Listed, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(found)
    }
}

fn day_of(at: Micros) -> Date {
    TimeZone::UTC.to_datetime(at.timestamp()).date()
}

fn start_of(day: Date) -> Micros {
    day.to_zoned(TimeZone::UTC).map_or(Micros(i64::MAX), |z| Micros(z.timestamp().as_microsecond()))
}

impl<L: Lister> Feed for Walker<L> {
    fn next<'a>(&'a mut self, cursor: Option<&'a str>, since: Micros) -> BoxFuture<'a, Result<Batch, ConnectorError>> {
        Box::pin(self.answer(cursor, since))
    }

    fn file<'a>(&'a mut self, file: &'a Attached, octets_max: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        self.lister.file(file, octets_max)
    }

    fn rests_until(&self) -> Option<Micros> {
        self.lister.reading().until(&self.clock)
    }

    fn rest(&mut self, until: Micros) {
        self.lister.reading().keep(until.since(self.clock.now()));
    }

    fn wait(&mut self, at_most: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>> {
        Box::pin(async move {
            tokio::time::sleep(at_most).await;
            Ok(Wake::Elapsed)
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

#[cfg(test)]
mod tests;
