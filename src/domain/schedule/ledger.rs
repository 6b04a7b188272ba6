//! What is planned and what was sent, per account, sequence, domain and new people; and when the next may go.
//!
//! Reservations count before and after an instant: one that is planned earlier than others must not make a later window too full.
//! For each rule that is asked for, the instants at which nothing more may go are kept as stretches ([`Blocked`]),
//! and only what a new reservation changes is worked out again: an answer costs a look-up, not a walk over thousands of reservations.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::blocked::Blocked;
use super::opening::DAY;
use super::shift::ShiftReason;
use crate::domain::day::{Day, Minute};
use crate::domain::time::Micros;
use crate::domain::zone::{Wall, Zone};

/// What a limit counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Every send of an account, manual ones too.
    Account(Arc<str>),
    /// Every send of a sequence.
    Sequence(Arc<str>),
    /// Every send to addresses of a domain.
    Domain(Arc<str>),
    /// Every send of a sequence (named first) to addresses of a domain.
    SequenceDomain(Arc<str>, Arc<str>),
    /// First steps of a sequence.
    NewPeople(Arc<str>),
}

/// How many there may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// At most so many in any 24 hours, wherever they begin.
    In24Hours(u32),
    /// At most so many on one date of that zone.
    PerDay { limit: u32, zone: Zone },
    /// The first send's date is day 1; so many on each day as the list says, and no limit after its end. The list must not
    /// fall. `first` is the date of the first send where that is known; else it is the first in the ledger.
    RampUp { limits: Arc<[u32]>, first: Option<Day>, zone: Zone },
}

/// One limit of a send. A limit of 0 means never.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub key: Key,
    pub rule: Rule,
}

/// Reservations, and what they leave free. Two ledgers with the same reservations give the same answers, in whatever order
/// these came.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    books: BTreeMap<Key, Book>,
}

/// The reservations of one key.
#[derive(Debug, Clone, Default)]
struct Book {
    /// By instant: how many, and how long nothing of the same account may follow, microseconds: the gaps, sorted.
    entries: BTreeMap<i64, Vec<i64>>,
    indexes: Vec<Index>,
    /// For gaps, together with the shortest gap there may be.
    gaps: Option<(i64, Blocked)>,
}

/// What one rule leaves free.
#[derive(Debug, Clone)]
struct Index {
    rule: Rule,
    blocked: Blocked,
    /// Reservations per date, where the rule counts these.
    per_day: BTreeMap<Day, u32>,
    /// Day 1 of a ramp.
    first: Option<Day>,
}

impl Ledger {
    /// The first instant at or after `at` that `limit` allows. `None`: never.
    pub(super) fn next_allowed(&mut self, limit: &Limit, at: Micros) -> Option<Micros> {
        if limit.rule.is_never() {
            return None;
        }
        let Some(book) = self.books.get_mut(&limit.key) else { return Some(at) };
        Some(Micros(book.next_free(&limit.rule, at.0)))
    }

    /// The first instant at or after `at` that is far enough from the account's other sends: theirs before it, and its own
    /// `gap` before those after it. `gap_min` is the shortest gap any send has.
    pub(super) fn next_apart(&mut self, account: &Key, at: Micros, gap: i64, gap_min: i64) -> Micros {
        let Some(book) = self.books.get_mut(account) else { return at };
        Micros(book.next_apart(at.0, gap.max(1), gap_min))
    }

    /// Counts a send at `at` under each of `keys`. `gap` is how long the account sends nothing after it, microseconds.
    pub fn reserve<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>, at: Micros, gap: i64) {
        for key in keys {
            self.books.entry(key.clone()).or_default().add(at.0, gap);
        }
    }

    /// Takes a reservation back; the same arguments as it was made with. What is not there is left alone. The answers for its
    /// keys are worked out anew when they are next asked for.
    pub fn release<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>, at: Micros, gap: i64) {
        for key in keys {
            if let Some(book) = self.books.get_mut(key) {
                book.remove(at.0, gap);
            }
        }
    }

    /// How many are counted under `key` from `start` up to `end`, which is not part of it.
    pub fn count(&self, key: &Key, start: Micros, end: Micros) -> usize {
        let Some(book) = self.books.get(key).filter(|_| start < end) else { return 0 };
        book.entries.range(start.0..end.0).map(|(_, gaps)| gaps.len()).sum()
    }

    /// Why `limit` moved an instant up to `to`.
    pub(super) fn reason(&self, limit: &Limit, to: Micros) -> ShiftReason {
        match (&limit.rule, &limit.key) {
            (Rule::RampUp { limits, first, zone }, key) => {
                let name = key.name();
                let full = zone.wall(Micros(to.0.saturating_sub(1))).day();
                let first = self.books.get(key).and_then(|b| b.first_day(*first, zone)).unwrap_or(full);
                let day = usize::try_from(full.0.saturating_sub(first.0)).unwrap_or(0);
                let limit = limits.get(day).copied().unwrap_or(0);
                ShiftReason::RampUp { account: name.clone(), limit, day: u32::try_from(day + 1).unwrap_or(u32::MAX) }
            }
            (Rule::In24Hours(limit) | Rule::PerDay { limit, .. }, Key::NewPeople(_)) => {
                ShiftReason::NewPerDay { limit: *limit }
            }
            (Rule::In24Hours(limit) | Rule::PerDay { limit, .. }, Key::Account(account)) => {
                ShiftReason::DailyLimit { account: account.clone(), limit: *limit }
            }
            (Rule::In24Hours(limit) | Rule::PerDay { limit, .. }, Key::Sequence(_)) => {
                ShiftReason::SequenceLimit { limit: *limit }
            }
            (
                Rule::In24Hours(limit) | Rule::PerDay { limit, .. },
                Key::Domain(domain) | Key::SequenceDomain(_, domain),
            ) => ShiftReason::DomainLimit { domain: domain.clone(), limit: *limit },
        }
    }
}

impl Key {
    /// What it is called: the account, the sequence, the domain.
    pub(super) fn name(&self) -> &Arc<str> {
        let (Self::Account(name)
        | Self::Sequence(name)
        | Self::Domain(name)
        | Self::SequenceDomain(_, name)
        | Self::NewPeople(name)) = self;
        name
    }
}

impl Rule {
    fn is_never(&self) -> bool {
        match self {
            Self::In24Hours(limit) | Self::PerDay { limit, .. } => *limit == 0,
            Self::RampUp { limits, .. } => limits.first() == Some(&0),
        }
    }
}

impl Book {
    fn add(&mut self, at: i64, gap: i64) {
        let first = self.entries.first_key_value().map(|(at, _)| *at);
        let gaps = self.entries.entry(at).or_default();
        gaps.insert(gaps.partition_point(|g| *g <= gap), gap);
        // A new first day changes what every day of a ramp may hold.
        if first.is_none_or(|f| at < f) {
            self.indexes.retain(|index| !matches!(index.rule, Rule::RampUp { first: None, .. }));
        }
        for index in &mut self.indexes {
            index.added(&self.entries, at);
        }
        if let Some((least, blocked)) = &mut self.gaps {
            blocked.add(at, at.saturating_add(gap.max(1)), *least);
        }
    }

    fn remove(&mut self, at: i64, gap: i64) {
        let Some(gaps) = self.entries.get_mut(&at) else { return };
        let Some(found) = gaps.iter().position(|g| *g == gap) else { return };
        gaps.remove(found);
        if gaps.is_empty() {
            self.entries.remove(&at);
        }
        self.indexes.clear();
        self.gaps = None;
    }

    fn first_day(&self, known: Option<Day>, zone: &Zone) -> Option<Day> {
        known.or_else(|| self.entries.first_key_value().map(|(at, _)| zone.wall(Micros(*at)).day()))
    }

    fn next_free(&mut self, rule: &Rule, at: i64) -> i64 {
        if let Some(index) = self.indexes.iter().find(|index| index.rule == *rule) {
            return index.blocked.next_free(at);
        }
        let index = Index::of(rule, self);
        let free = index.blocked.next_free(at);
        self.indexes.push(index);
        free
    }

    fn next_apart(&mut self, at: i64, gap: i64, least: i64) -> i64 {
        if let Some((_, blocked)) = self.gaps.as_ref().filter(|(l, _)| *l == least) {
            return blocked.next_room(at, gap);
        }
        let mut blocked = Blocked::default();
        for (at, gaps) in &self.entries {
            let gap = gaps.last().copied().unwrap_or(0).max(1);
            blocked.add(*at, at.saturating_add(gap), least);
        }
        let free = blocked.next_room(at, gap);
        self.gaps = Some((least, blocked));
        free
    }
}

impl Index {
    fn of(rule: &Rule, book: &Book) -> Self {
        let first = match rule {
            Rule::RampUp { first, zone, .. } => book.first_day(*first, zone),
            Rule::In24Hours(_) | Rule::PerDay { .. } => None,
        };
        let mut index = Self { rule: rule.clone(), blocked: Blocked::default(), per_day: BTreeMap::new(), first };
        if let Rule::In24Hours(limit) = rule {
            let all: Vec<i64> = flat(&book.entries).collect();
            index.block_full(&all, *limit, all.len());
        } else {
            flat(&book.entries).for_each(|at| index.count_day(at));
        }
        index
    }

    /// One more at `at`, which is among `entries` by now.
    fn added(&mut self, entries: &BTreeMap<i64, Vec<i64>>, at: i64) {
        let Rule::In24Hours(limit) = self.rule else { return self.count_day(at) };
        // Those that can lie in one window with it: fewer than the limit on each side.
        let others = usize::try_from(limit.saturating_sub(1)).unwrap_or(usize::MAX);
        let near = |times: (&i64, &Vec<i64>)| std::iter::repeat_n(*times.0, times.1.len());
        let before = entries.range(at.saturating_sub(DAY) + 1..=at).rev().flat_map(near).skip(1).take(others);
        let mut around: Vec<i64> = before.collect();
        around.reverse();
        let here = around.len();
        around.push(at);
        around.extend(entries.range(at + 1..at.saturating_add(DAY)).flat_map(near).take(others));
        self.block_full(&around, limit, here + 1);
    }

    /// Blocks what would make a window of 24 hours too full: all that lies in one with `limit` reservations in a row, the
    /// first of them among the first `firsts`.
    fn block_full(&mut self, sorted: &[i64], limit: u32, firsts: usize) {
        let Some(ahead) = usize::try_from(limit).ok().and_then(|l| l.checked_sub(1)) else { return };
        let mut taken: Option<(i64, i64)> = None;
        for (first, last) in sorted.iter().take(firsts).zip(sorted.iter().skip(ahead)) {
            if last.saturating_sub(*first) >= DAY {
                continue;
            }
            let (start, end) = (last.saturating_sub(DAY) + 1, first.saturating_add(DAY));
            taken = match taken {
                Some((from, until)) if start <= until => Some((from, end)),
                Some((from, until)) => {
                    self.blocked.add(from, until, 0);
                    Some((start, end))
                }
                None => Some((start, end)),
            };
        }
        if let Some((from, until)) = taken {
            self.blocked.add(from, until, 0);
        }
    }

    fn count_day(&mut self, at: i64) {
        let (zone, day, limit) = match &self.rule {
            Rule::In24Hours(_) => return,
            Rule::PerDay { limit, zone } => (zone, zone.wall(Micros(at)).day(), *limit),
            Rule::RampUp { limits, zone, .. } => {
                let day = zone.wall(Micros(at)).day();
                let since = self.first.map_or(0, |first| day.0.saturating_sub(first.0));
                let limit = usize::try_from(since).ok().and_then(|n| limits.get(n)).copied();
                (zone, day, limit.unwrap_or(u32::MAX))
            }
        };
        let count = self.per_day.entry(day).or_insert(0);
        *count = count.saturating_add(1);
        if *count >= limit {
            let [start, end] = [day, day.plus(1)].map(|d| zone.instant(Wall::new(d, Minute(0))).0);
            self.blocked.add(start, end, 0);
        }
    }
}

/// Each reservation's instant, in order.
fn flat(entries: &BTreeMap<i64, Vec<i64>>) -> impl Iterator<Item = i64> {
    entries.iter().flat_map(|(at, gaps)| std::iter::repeat_n(*at, gaps.len()))
}
