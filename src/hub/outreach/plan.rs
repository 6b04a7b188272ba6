//! Planning a send: the rules of a sequence, an account and a person put together, over the places that are taken.
//!
//! The daemon, the look before a hand-over, the simulator and the answers to "why" plan with this and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use uuid::Uuid;

use super::house::{House, Sender};
use crate::domain::calendar::Calendar;
use crate::domain::day::{Day, Minute, Weekdays};
use crate::domain::delay::{After, Delay};
use crate::domain::ids::InfluencerId;
use crate::domain::schedule::{
    Ask, Due, Gap, Hours, Key, Ledger, Limit, Never, Opening, Planned, Range, Rule, Side, Terms, jitter, next_open,
    plan_instant, resolve, seed, spread,
};
use crate::domain::sequence::{Definition, ZoneRule};
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::domain::zone::{Wall, Whereabouts, Zone, ZoneSource, choose_zone, told};
use crate::store::outreach::reservation::ReservationRow;
use crate::store::{StoreError, Tx};

/// How far back places count: a limit looks over 24 hours and over a local day.
const BACK: std::time::Duration = std::time::Duration::from_hours(50);
/// How far ahead places are read at first: most sends find theirs within it, however many wait behind.
const AHEAD: std::time::Duration = std::time::Duration::from_hours(10 * 24);
/// A place as near as this to the end of what was read may stand against one behind it: a limit looks over 24 hours or a local
/// day, a gap over 24 hours.
const EDGE: std::time::Duration = std::time::Duration::from_hours(50);
/// What a limit of 24 hours looks over.
const DAY: std::time::Duration = std::time::Duration::from_hours(24);
/// Days of a ramp that are told one by one.
const RAMP_DAYS_MAX: u32 = 400;

/// Whose run, for planning.
#[derive(Debug, Clone)]
pub struct Who<'a> {
    /// The definition of the run.
    pub definition: &'a Arc<Definition>,
    /// Its hash.
    pub version: &'a str,
    /// The account they hear from.
    pub account: &'a str,
    /// Their zone, where it is known.
    pub timezone: Option<&'a str>,
    /// Their phone number, where it is known.
    pub phone: Option<&'a str>,
}

/// What is asked of a place in time.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// From where it counts.
    pub due: Due,
    /// The domain that is written to.
    pub domain: &'a str,
    /// Whether nothing of the run was sent yet.
    pub first: bool,
    /// Whether it leaves places alone that are only pencilled in for others.
    pub yields: bool,
    /// Tells this send from all others: see [`step_seed`].
    pub seed: u64,
}

/// How much of a limit is taken.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "LimitTaken")]
pub struct Taken {
    /// Of what: `of the account hello`.
    pub what: String,
    /// The most there may be.
    pub limit: u32,
    /// How many there are.
    pub taken: u32,
    /// Over which time.
    pub span: &'static str,
    /// When there is room again; none where there is.
    pub free_at: Option<Micros>,
}

/// Plans sends, one after the other, over the same places. One per transaction.
pub struct Planner {
    house: Arc<House>,
    now: Micros,
    /// Every place that is taken, and those only that follow-ups must respect.
    all: Ledger,
    firm: Ledger,
    terms: HashMap<(String, String, String), Arc<Terms>>,
    loaded: BTreeSet<String>,
    rows: HashMap<Uuid, ReservationRow>,
    since: HashMap<String, Option<Micros>>,
    /// Up to where places are read; none: all there are.
    until: Option<Micros>,
}

/// How late a send may be and still be at its place.
pub const PUNCTUAL: std::time::Duration = std::time::Duration::from_mins(2);

/// Whether what leaves at an instant leaves at its place.
fn is_punctual(place: Micros, at: Micros) -> bool {
    place <= at && at.since(place) <= PUNCTUAL
}

/// The number that spreads a step's send: the same in a dry run, in the daemon and after a restart.
pub fn step_seed(sequence: &str, influencer: Uuid, run: i64, step: &str) -> u64 {
    seed(&[sequence, &influencer.simple().to_string(), &run.to_string(), step])
}

/// The template somebody gets of a step: always the same for them, in the shares that are asked for. Nothing where there is
/// none.
pub fn choose_variant<'t>(
    (sequence, influencer): (&str, InfluencerId),
    step: &str,
    templates: &'t [String],
    split: &[u32],
) -> Option<&'t String> {
    let seed = step_seed(sequence, influencer.0, 0, step);
    let all: u64 = split.iter().map(|share| u64::from(*share)).sum();
    let mut at = jitter(seed.wrapping_add(3), all);
    for (template, share) in templates.iter().zip(split) {
        let share = u64::from(*share);
        if at < share {
            return Some(template);
        }
        at = at.saturating_sub(share);
    }
    templates.first()
}

impl Planner {
    /// A planner at this moment.
    pub fn new(house: Arc<House>, now: Micros) -> Self {
        Self {
            house,
            now,
            all: Ledger::default(),
            firm: Ledger::default(),
            terms: HashMap::new(),
            loaded: BTreeSet::new(),
            rows: HashMap::new(),
            since: HashMap::new(),
            until: None,
        }
    }

    /// The same, which reads no further ahead than most sends need. Ask [`Planner::reach`] of every place it finds.
    pub fn near(house: Arc<House>, now: Micros) -> Self {
        Self { until: Some(now.plus(AHEAD)), ..Self::new(house, now) }
    }

    /// Whether a place lies so near to the end of what was read that the rest matters: see [`Planner::reach`].
    pub fn is_far(&self, at: Micros) -> bool {
        self.until.is_some_and(|until| at.plus(EDGE) >= until)
    }

    /// Whether a place lies so near to the end of what was read that the rest matters: as much again is read now, and the place
    /// is to be looked for again. Others wait for a place meanwhile, so not all is read that was ever planned.
    pub async fn reach(&mut self, tx: &mut Tx, at: Micros) -> Result<bool, StoreError> {
        let Some(until) = self.until.filter(|until| at.plus(EDGE) >= *until) else { return Ok(false) };
        let further = at.plus(until.since(self.now));
        self.until = Some(further);
        for name in self.loaded.clone() {
            let rows = match name.split_once(' ') {
                Some(("account", account)) => tx.list_reservations_between(account, (until, further)).await?,
                Some((_, sequence)) => tx.list_reservations_of_sequence_between(sequence, (until, further)).await?,
                None => Vec::new(),
            };
            for row in rows {
                self.note(row);
            }
        }
        Ok(true)
    }

    /// Reads the places that are taken of these accounts and sequences, as far as they are not read yet.
    pub async fn load(&mut self, tx: &mut Tx, accounts: &[&str], sequences: &[&str]) -> Result<(), StoreError> {
        let span = (self.now.minus(BACK), self.until.unwrap_or(Micros(i64::MAX)));
        for account in accounts {
            if self.loaded.insert(format!("account {account}")) {
                let rows = tx.list_reservations_between(account, span).await?;
                for row in rows {
                    self.note(row);
                }
                self.since.insert((*account).to_owned(), tx.sending_since(account).await?);
            }
        }
        for sequence in sequences {
            if self.loaded.insert(format!("sequence {sequence}")) {
                let rows = tx.list_reservations_of_sequence_between(sequence, span).await?;
                for row in rows {
                    self.note(row);
                }
            }
        }
        Ok(())
    }

    /// Reads the places of these messages or runs themselves, however old: they say how late each is, also where no limit looks
    /// at them.
    pub async fn load_own(&mut self, tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), StoreError> {
        if !ids.is_empty() {
            let rows = tx.list_reservations_by_id(ids).await?;
            for row in rows {
                self.note(row);
            }
        }
        Ok(())
    }

    /// Whether any limit or gap counts for a send: only then does it matter which places are taken. A busy account without
    /// limits has many.
    pub fn is_limited(&self, account: &str, definition: &Definition) -> bool {
        let sender = self.sender(account);
        sender.is_some_and(|s| s.daily_limit.is_some() || s.ramp_up.is_some())
            || definition.limits.new_per_day.is_some()
            || definition.limits.per_day.is_some()
            || definition.limits.per_domain.is_some()
            || definition.limits.gap.is_some()
    }

    /// The account, where it is configured.
    pub fn sender(&self, account: &str) -> Option<&Sender> {
        self.house.accounts.get(account)
    }

    /// The zone that counts for somebody, and where it comes from.
    pub fn zone(&self, who: &Who<'_>) -> (Zone, ZoneSource) {
        let fallback = Zone::named(&who.definition.schedule.fallback).unwrap_or_else(|| self.house.zone.clone());
        match who.definition.schedule.zone {
            ZoneRule::Influencer => choose_zone(who.timezone, who.phone, &fallback),
            ZoneRule::Fixed => (fallback, ZoneSource::Sequence),
        }
    }

    /// The same, and in words where it comes from and what is not known of it.
    pub fn zone_told(&self, who: &Who<'_>) -> (Zone, String) {
        let (zone, source) = self.zone(who);
        (zone, told(source, who.phone))
    }

    /// When something that comes after an instant is due, by its own delay alone.
    pub fn due_at(&mut self, who: &Who<'_>, anchor: Micros, after: Option<&str>) -> Option<Micros> {
        let Some(after) = after.and_then(After::parse) else { return Some(anchor) };
        let terms = self.terms(who);
        resolve(anchor, after, &terms.zone, &terms.holidays)
    }

    /// When a person of ours is to be done with something.
    pub fn our_due(&self, from: Micros, length: Option<&str>) -> Option<Micros> {
        let delay = length.and_then(Delay::parse)?;
        let holidays = [(Side::Account, our_holidays(&self.house))];
        resolve(from, After::Delay(delay), &self.house.zone, &holidays)
    }

    /// From where a step counts.
    pub fn due_of(&self, anchor: Micros, after: Option<&str>) -> Due {
        after.and_then(After::parse).map_or(Due::At(anchor), |after| Due::After { anchor, after })
    }

    /// Finds the place of a send.
    pub fn place(&mut self, who: &Who<'_>, request: &Request<'_>) -> Result<Planned, Never> {
        self.place_at(who, request, self.now)
    }

    /// Whether a pencilled place whose time has come is still free. The others that are pencilled in are no obstacle: they gave
    /// way when it was found, and see to themselves when their own time comes. Clocks tick on between what is due and the look
    /// at it; a place that is reached a little late is still that place, or everything behind it would have to move.
    pub fn place_due(&mut self, who: &Who<'_>, request: &Request<'_>, place: Micros) -> Result<Planned, Never> {
        let request = Request { due: Due::At(place), yields: false, ..*request };
        let now = if is_punctual(place, self.now) { place } else { self.now };
        self.place_at(who, &request, now)
    }

    fn place_at(&mut self, who: &Who<'_>, request: &Request<'_>, now: Micros) -> Result<Planned, Never> {
        let terms = self.terms(who);
        let limits = self.limits(who, request);
        let ask = Ask { due: request.due, now, terms, limits, seed: request.seed };
        let ledger = if request.yields { &mut self.all } else { &mut self.firm };
        plan_instant(&ask, ledger).map_err(|never| self.explained(who, never))
    }

    /// That no window opens, with the reason where a phone would ring and nobody knows what time it is there.
    fn explained(&self, who: &Who<'_>, never: Never) -> Never {
        if !matches!(never, Never::NeverOpens(_)) || rings(&self.house, who.account).is_none() {
            return never;
        }
        let whereabouts = Whereabouts::of(who.timezone, who.phone);
        match whereabouts.known() {
            Some(_) => never,
            None => Never::NotAtNight { account: who.account.into(), whereabouts: whereabouts.to_string() },
        }
    }

    /// From when a mail counts that leaves now: from its place where it is punctual, so that those who wait for a day to be over
    /// do not all slip by what it was late; from now where it is late, or where a day of ours began in between.
    pub fn counts_from(&self, place: Micros) -> Micros {
        let day = |at| self.house.zone.wall(at).day();
        if is_punctual(place, self.now) && day(place) == day(self.now) { place } else { self.now }
    }

    /// Whether the last 24 hours and this day have room for a send right now, its own place aside. Looks at what was sent and
    /// what is due, never ahead: what is planned for later is looked at when its own time comes.
    pub fn has_room_now(&self, who: &Who<'_>, request: &Request<'_>, own: Uuid) -> bool {
        let to = Micros(self.now.0.saturating_add(1));
        self.limits(who, request).iter().all(|limit| {
            let (from, most) = match &limit.rule {
                Rule::In24Hours(most) => (Micros(self.now.minus(DAY).0.saturating_add(1)), *most),
                Rule::PerDay { limit, zone } => (day_of(zone, zone.wall(self.now).day()), *limit),
                Rule::RampUp { limits, first, zone } => {
                    let day = zone.wall(self.now).day();
                    (day_of(zone, day), ramp_limit(limits, *first, day))
                }
            };
            let mine = self.rows.get(&own).filter(|row| row.at >= from && row.at < to).map(keys_of).unwrap_or_default();
            let taken = self.firm.count(&limit.key, from, to).saturating_sub(usize::from(mine.contains(&limit.key)));
            taken < usize::try_from(most).unwrap_or(usize::MAX)
        })
    }

    /// What is taken now of each limit that a send must keep to, and when there is room again.
    pub fn taken(&self, who: &Who<'_>, request: &Request<'_>) -> Vec<Taken> {
        self.limits(who, request)
            .iter()
            .map(|limit| {
                let (from, to, most, zone) = match &limit.rule {
                    Rule::In24Hours(most) => (Micros(self.now.minus(DAY).0.saturating_add(1)), self.now, *most, None),
                    Rule::PerDay { limit, zone } => {
                        let day = zone.wall(self.now).day();
                        (day_of(zone, day), day_of(zone, day.plus(1)), *limit, Some(zone))
                    }
                    Rule::RampUp { limits, first, zone } => {
                        let day = zone.wall(self.now).day();
                        let most = ramp_limit(limits, *first, day);
                        (day_of(zone, day), day_of(zone, day.plus(1)), most, Some(zone))
                    }
                };
                let taken = self.all.count(&limit.key, from, Micros(to.0.saturating_add(1)));
                let oldest = self.rows.values().filter(|r| keys_of(r).contains(&limit.key));
                let oldest = oldest.map(|r| r.at).filter(|at| *at >= from && *at <= to).min();
                let is_full = taken >= usize::try_from(most).unwrap_or(usize::MAX);
                let free_at = if zone.is_some() { Some(to) } else { oldest.map(|at| at.plus(DAY)) };
                Taken {
                    what: what_of(limit),
                    limit: most,
                    taken: u32::try_from(taken).unwrap_or(u32::MAX),
                    span: if zone.is_some() { "today" } else { "in the last 24 h" },
                    free_at: free_at.filter(|_| is_full),
                }
            })
            .filter(|taken| taken.limit != u32::MAX)
            .collect()
    }

    /// Finds another place for a send that has one.
    pub fn place_again(&mut self, who: &Who<'_>, request: &Request<'_>, own: Uuid) -> Result<Planned, Never> {
        let mine = self.rows.get(&own).cloned();
        if let Some(row) = &mine {
            self.release(row);
        }
        let planned = self.place(who, request);
        if let Some(row) = mine {
            self.note(row);
        }
        planned
    }

    /// Moves a place.
    pub fn move_to(&mut self, id: Uuid, at: Micros) {
        if let Some(row) = self.rows.get(&id).cloned() {
            self.take(ReservationRow { at, ..row });
        }
    }

    /// A place that is taken.
    pub fn reservation(&self, id: Uuid) -> Option<&ReservationRow> {
        self.rows.get(&id)
    }

    /// Whether the hours of both sides are open now.
    pub fn is_open_now(&mut self, who: &Who<'_>) -> bool {
        let terms = self.terms(who);
        next_open(self.now, &terms.openings) == Some(self.now)
    }

    /// An instant soon after now, while the hours of both sides are open, for a send of what piled up.
    pub fn spread_from_now(&mut self, who: &Who<'_>, seed: u64) -> Micros {
        let terms = self.terms(who);
        spread(self.now, &terms.openings, seed)
    }

    /// Takes a place; one of the same id is given back first.
    pub fn take(&mut self, row: ReservationRow) {
        self.give_back(row.id);
        self.note(row);
    }

    /// Gives a place back.
    pub fn give_back(&mut self, id: Uuid) {
        if let Some(row) = self.rows.remove(&id) {
            self.release(&row);
        }
    }

    fn note(&mut self, row: ReservationRow) {
        if self.rows.contains_key(&row.id) {
            return;
        }
        let keys = keys_of(&row);
        self.all.reserve(&keys, row.at, row.gap);
        if !row.pencilled {
            self.firm.reserve(&keys, row.at, row.gap);
        }
        self.rows.insert(row.id, row);
    }

    fn release(&mut self, row: &ReservationRow) {
        let keys = keys_of(row);
        self.all.release(&keys, row.at, row.gap);
        if !row.pencilled {
            self.firm.release(&keys, row.at, row.gap);
        }
        self.rows.remove(&row.id);
    }

    fn terms(&mut self, who: &Who<'_>) -> Arc<Terms> {
        let (zone, _) = self.zone(who);
        let mut zones = zone.name().to_owned();
        if rings(&self.house, who.account).is_some() {
            zones.push(' ');
            zones.push_str(&names_of(&Whereabouts::of(who.timezone, who.phone)));
        }
        let key = (who.version.to_owned(), who.account.to_owned(), zones);
        if let Some(found) = self.terms.get(&key) {
            return Arc::clone(found);
        }
        let made = Arc::new(terms_of(&self.house, who, zone));
        self.terms.insert(key, Arc::clone(&made));
        made
    }

    fn limits(&self, who: &Who<'_>, request: &Request<'_>) -> Arc<[Limit]> {
        let limits = &who.definition.limits;
        let account = Key::Account(who.account.into());
        let mut list = Vec::new();
        let sender = self.house.accounts.get(who.account);
        if let Some(limit) = sender.and_then(|s| s.daily_limit) {
            list.push(Limit { key: account.clone(), rule: Rule::In24Hours(limit) });
        }
        if let Some((start, step)) = sender.and_then(|s| s.ramp_up) {
            let first = self.since.get(who.account).copied().flatten();
            let first = first.map(|at| self.house.zone.wall(at).day());
            let limits = ramp(start, step, sender.and_then(|s| s.daily_limit));
            list.push(Limit { key: account, rule: Rule::RampUp { limits, first, zone: self.house.zone.clone() } });
        }
        let sequence: Arc<str> = who.definition.id.as_str().into();
        if let Some(limit) = limits.per_day {
            list.push(Limit { key: Key::Sequence(Arc::clone(&sequence)), rule: Rule::In24Hours(limit) });
        }
        if let Some(limit) = limits.per_domain {
            let key = Key::SequenceDomain(Arc::clone(&sequence), request.domain.into());
            list.push(Limit { key, rule: Rule::In24Hours(limit) });
        }
        if let Some(limit) = limits.new_per_day.filter(|_| request.first) {
            let rule = Rule::PerDay { limit, zone: self.house.zone.clone() };
            list.push(Limit { key: Key::NewPeople(sequence), rule });
        }
        list.into()
    }
}

/// The most sends of each day of a ramp, up to the account's own limit, where the ramp ends.
fn ramp(start: u32, step: u32, end: Option<u32>) -> Arc<[u32]> {
    let mut limits = Vec::new();
    for day in 0..RAMP_DAYS_MAX {
        let limit = start.saturating_add(step.saturating_mul(day));
        if end.is_some_and(|end| limit >= end) {
            break;
        }
        limits.push(limit);
    }
    limits.into()
}

/// When a day begins.
fn day_of(zone: &Zone, day: Day) -> Micros {
    zone.instant(Wall::new(day, Minute(0)))
}

/// The most sends of a day of a ramp; on its first day where nothing was sent yet.
fn ramp_limit(limits: &[u32], first: Option<Day>, day: Day) -> u32 {
    let nth = day.0.saturating_sub(first.unwrap_or(day).0);
    usize::try_from(nth).ok().and_then(|n| limits.get(n)).copied().unwrap_or(u32::MAX)
}

fn what_of(limit: &Limit) -> String {
    let ramp = if matches!(limit.rule, Rule::RampUp { .. }) { ", which is new" } else { "" };
    match &limit.key {
        Key::Account(name) => format!("of the account {name}{ramp}"),
        Key::Sequence(id) => format!("of the sequence {id}"),
        Key::Domain(domain) => format!("of mail to {domain}"),
        Key::SequenceDomain(id, domain) => format!("of mail of {id} to {domain}"),
        Key::NewPeople(id) => format!("of new people of {id}"),
    }
}

fn keys_of(row: &ReservationRow) -> Vec<Key> {
    let mut keys = vec![Key::Account(row.account.as_str().into())];
    if let Some(sequence) = &row.sequence {
        let sequence: Arc<str> = sequence.as_str().into();
        keys.push(Key::Sequence(Arc::clone(&sequence)));
        keys.push(Key::SequenceDomain(Arc::clone(&sequence), row.domain.as_str().into()));
        if row.first {
            keys.push(Key::NewPeople(sequence));
        }
    }
    keys
}

fn always() -> Range {
    Range { start: Minute(0), end: Minute(crate::domain::day::DAY_MINUTES) }
}

fn our_holidays(house: &House) -> Calendar {
    house.country.as_deref().and_then(country).unwrap_or_default()
}

/// The holidays of a country; each file is read once per process.
pub(in crate::hub) fn country(code: &str) -> Option<Calendar> {
    static READ: OnceLock<Mutex<HashMap<String, Calendar>>> = OnceLock::new();
    let read = READ.get_or_init(Mutex::default);
    let code = code.to_ascii_lowercase();
    if let Some(found) = read.lock().unwrap_or_else(PoisonError::into_inner).get(&code) {
        return Some(found.clone());
    }
    let calendar = Calendar::shipped(&code)?.ok()?;
    read.lock().unwrap_or_else(PoisonError::into_inner).insert(code, calendar.clone());
    Some(calendar)
}

/// The holidays that a sequence names: countries and single dates.
fn their_holidays(definition: &Definition) -> Calendar {
    let named = &definition.schedule.holidays;
    let dates = Calendar::of_dates(named.iter().filter_map(|text| Day::parse(text)));
    let mut all: Vec<Calendar> = named.iter().filter_map(|text| country(text)).collect();
    all.push(dates);
    Calendar::merge(all.iter())
}

/// The account, where its messages make a phone ring.
fn rings<'a>(house: &'a House, account: &str) -> Option<&'a Sender> {
    house.accounts.get(account).filter(|sender| sender.channel == Channel::Sms)
}

/// All zones by name: two sets may begin and end with the same ones.
fn names_of(whereabouts: &Whereabouts) -> String {
    match whereabouts {
        Whereabouts::Anywhere => "anywhere".to_owned(),
        Whereabouts::One(_) | Whereabouts::Several(_) => {
            let names: Vec<&str> = whereabouts.zones().iter().map(Zone::name).collect();
            names.join(" ")
        }
    }
}

fn terms_of(house: &House, who: &Who<'_>, zone: Zone) -> Terms {
    let schedule = &who.definition.schedule;
    let (theirs, ours) = (their_holidays(who.definition), our_holidays(house));
    let whole = || Hours::new(Weekdays::ALL, vec![always()]).ok();
    let mut openings = Vec::new();
    let hours = Hours::parse(&schedule.days, &schedule.hours).ok().or_else(whole);
    if let Some(hours) = hours {
        openings.push(Opening { side: Side::Recipient, hours, zone: zone.clone(), holidays: theirs.clone() });
    }
    // A text makes a phone ring: it goes out in its account's hours as well, on their own clock, whatever the sequence goes by. Where
    // it is not known which clock that is, on every one that it may be.
    if let Some(hours) = rings(house, who.account).and_then(|s| Hours::new(Weekdays::ALL, s.send_hours.clone()).ok()) {
        for zone in Whereabouts::of(who.timezone, who.phone).zones() {
            let (hours, zone, holidays) = (hours.clone(), zone.clone(), Calendar::default());
            openings.push(Opening { side: Side::Channel, hours, zone, holidays });
        }
    }
    let working = house.accounts.get(who.account).map(|s| s.working_hours.as_slice()).unwrap_or_default();
    let hours = if working.is_empty() { whole() } else { Hours::new(Weekdays::ALL, working.to_vec()).ok() };
    if let Some(hours) = hours {
        openings.push(Opening { side: Side::Account, hours, zone: house.zone.clone(), holidays: ours.clone() });
    }
    let max_late = match Delay::parse(&schedule.max_late) {
        Some(Delay::Minutes(n)) => std::time::Duration::from_secs(u64::from(n) * 60),
        Some(Delay::Hours(n)) => std::time::Duration::from_secs(u64::from(n) * 3_600),
        Some(Delay::Days(n) | Delay::BusinessDays(n)) => std::time::Duration::from_secs(u64::from(n) * 86_400),
        None => crate::domain::schedule::MAX_LATE,
    };
    let gap = who.definition.limits.gap.as_deref().and_then(Gap::parse);
    Terms {
        zone,
        openings,
        holidays: vec![(Side::Recipient, theirs), (Side::Account, ours)],
        max_late,
        gap: gap.map(|gap| (Key::Account(who.account.into()), gap)),
    }
}
