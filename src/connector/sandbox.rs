//! A mail provider that exists in memory only, with people behind it who write and answer: for the demonstration and for
//! trying things out.
//!
//! It opens no connection and knows no address outside itself: what is sent to anybody else is refused. Everything that
//! happens is written into a journal that is only ever added to, so that what the hub believes can be held against what
//! its provider saw. Mail is made as real RFC 5322 octets, so that nothing behind the connector knows the difference. It
//! must never run beside a real account; the configuration refuses the mix.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::email::parse;
use super::{Outgoing, Sender, Source};
use crate::clock::Clock;
use crate::domain::address;
use crate::domain::mail::{Mailbox, ParsedMail};
use crate::domain::relay;
use crate::domain::time::Micros;
use crate::domain::words::FolderRole;

mod errand;
mod letter;
mod person;
mod provider;
mod report;
mod talk;

pub use errand::{Errand, Visit, Wish};
pub use person::{Answer, Habit, Person, Style};
pub use provider::{SandboxSender, SandboxSource};
pub use talk::Stands;

use letter::Letter;

/// Mails one world holds; a fuller one takes no more.
pub const MAILS_MAX: usize = 100_000;
/// The UIDVALIDITY of every folder.
const UID_VALIDITY: i64 = 1;

/// Something that happened at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The hub handed over a mail, and it was taken.
    HandedOver {
        /// The number of this hand-over, from 1.
        number: u64,
        /// To whom.
        recipients: Vec<String>,
        /// Its Message-ID.
        message_id: String,
        /// Whether the hub was told that it was taken.
        answered: bool,
    },
    /// The hub offered a mail to somebody who does not live here.
    Refused {
        /// To whom.
        recipient: String,
    },
    /// Somebody said something to a number or in a workspace of ours.
    Said {
        /// On which account.
        account: String,
    },
    /// A mail was put into a folder.
    Filed {
        /// Whose mailbox.
        account: String,
        /// Which folder.
        folder: FolderRole,
        /// Its uid there.
        uid: i64,
        /// Its Message-ID.
        message_id: String,
    },
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, in business time.
    pub at: Micros,
    /// What.
    pub what: Happened,
}

/// The journal in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Mails that were handed over and taken.
    pub taken: usize,
    /// How many of those had been taken before, by their Message-ID.
    pub taken_twice: usize,
    /// How many of those the hub was never told about.
    pub answers_lost: usize,
    /// Mails that came into Inbox or Junk.
    pub came_in: usize,
    /// What was shown to the team.
    pub shown: usize,
    /// How much of that stood there before.
    pub shown_twice: usize,
    /// What was said to numbers and in workspaces of ours.
    pub said: usize,
}

/// A mail that was delivered just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its Message-ID.
    pub message_id: String,
    /// Who wrote it.
    pub from: String,
}

/// The provider and the people behind it. Cheap to clone.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    clock: Clock,
    seed: u64,
    state: Mutex<State>,
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// By address key of the account.
    mailboxes: BTreeMap<String, Account>,
    people: Vec<Person>,
    /// Numbers and workspaces of ours, by address.
    talks: BTreeMap<String, talk::Talk>,
    /// By address key, the place in `people`.
    known: HashMap<String, usize>,
    /// The newest mail each of `people` got, and from which account of ours.
    newest: BTreeMap<usize, (String, ParsedMail)>,
    /// What is on its way, by when it arrives.
    on_its_way: BTreeMap<(Micros, u64), OnItsWay>,
    /// What people ask for over the web, by when.
    errands: BTreeMap<(Micros, u64), Errand>,
    journal: Vec<Entry>,
    hand_overs: u64,
    lose: BTreeSet<u64>,
    made: u64,
}

#[derive(Default)]
struct Account {
    own: Mailbox,
    folders: BTreeMap<FolderRole, Vec<Stored>>,
}

struct Stored {
    uid: i64,
    received_at: Micros,
    message_id: String,
    token: String,
    raw: Vec<u8>,
}

struct OnItsWay {
    account: String,
    raw: Vec<u8>,
}

/// A mail of ours, in front of whoever got it.
struct Seen<'a> {
    account: &'a str,
    recipient: &'a str,
    from: Mailbox,
    zone: String,
    mail: &'a ParsedMail,
    raw: &'a [u8],
}

impl World {
    /// An empty one. The same seed and the same calls make the same mails.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self(Arc::new(Inner { clock, seed, state: Mutex::default(), news: watch::Sender::new(0) }))
    }

    /// Adds a mailbox of ours, empty.
    pub fn add_account(&self, own: Mailbox) {
        let key = address::key(&own.address).unwrap_or_default();
        self.state().mailboxes.insert(key, Account { own, folders: BTreeMap::new() });
    }

    /// Somebody moves in.
    pub fn add_person(&self, person: Person) {
        let mut state = self.state();
        let place = state.people.len();
        for mailbox in std::iter::once(&person.mailbox).chain(&person.others) {
            if let Some(key) = address::key(&mailbox.address) {
                state.known.insert(key, place);
            }
        }
        state.people.push(person);
    }

    /// A reader of one of our mailboxes.
    pub fn source(&self, account: &str) -> Box<dyn Source> {
        Box::new(SandboxSource::new(self.clone(), account))
    }

    /// A session that sends.
    pub fn sender(&self) -> Box<dyn Sender> {
        Box::new(SandboxSender::new(self.clone()))
    }

    /// The fault: the n-th hand-over (from 1) is taken, but the answer never arrives.
    pub fn lose_answer_of(&self, number: u64) {
        self.state().lose.insert(number);
    }

    /// As [`Self::lose_answer_of`], of the next one.
    pub fn lose_next_answer(&self) {
        let mut state = self.state();
        let next = state.hand_overs + 1;
        state.lose.insert(next);
    }

    /// Somebody writes to one of our accounts, about nothing that was said before. It arrives after that time.
    pub fn write(&self, account: &str, from: &Mailbox, (subject, text): (&str, &str), after: Duration) {
        let mut state = self.state();
        let Some(own) = state.own(account) else { return };
        let at = self.0.clock.now().plus(after);
        let letter = Letter {
            from: from.clone(),
            to: vec![own],
            subject: subject.to_owned(),
            text: text.to_owned(),
            message_id: state.next_id(self.0.seed, &from.address),
            date: at,
            zone: state.zone_of(&from.address),
            ..Letter::default()
        };
        state.send_off(account, at, letter.compose());
    }

    /// Somebody who has had mail from us says something more about it; `false` where nobody has anything to say. `turn`
    /// chooses who and what.
    pub fn chat(&self, turn: u64, after: Duration) -> bool {
        let mut state = self.state();
        let talkers: Vec<usize> = (0..state.people.len())
            .filter(|n| state.newest.contains_key(n) && state.people.get(*n).is_some_and(|p| !p.usual.is_empty()))
            .collect();
        let mixed = mix(self.0.seed ^ turn);
        let Some(talker) = pick(&talkers, mixed).copied() else { return false };
        let Some(person) = state.people.get(talker) else { return false };
        let Some((account, mail)) = state.newest.get(&talker).cloned() else { return false };
        let answer = person.usual_answer(mixed, after);
        let from = person.mailbox.clone();
        state.answer(self, &account, (&from, &mail), &answer);
        true
    }

    /// When the next mail arrives.
    pub fn next_arrival(&self) -> Option<Micros> {
        self.state().on_its_way.keys().next().map(|(at, _)| *at)
    }

    /// When somebody next asks for something over the web.
    pub fn next_errand(&self) -> Option<Micros> {
        self.state().errands.keys().next().map(|(at, _)| *at)
    }

    /// What somebody asks for by now; each is given once.
    pub fn take_errand(&self) -> Option<Errand> {
        let now = self.0.clock.now();
        let mut state = self.state();
        let entry = state.errands.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    /// Puts every mail whose time has come into its mailbox, and wakes those who wait there.
    pub fn deliver(&self) -> Vec<Delivered> {
        let now = self.0.clock.now();
        let mut delivered = Vec::new();
        let mut state = self.state();
        while let Some(entry) = state.on_its_way.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                break;
            }
            let mail = entry.remove();
            let parsed = parse::parse(&mail.raw);
            let from = parsed.from.first().map(|m| m.address.clone()).unwrap_or_default();
            if state.file(&mail.account, FolderRole::Inbox, (&parsed, mail.raw), at).is_some() {
                delivered.push(Delivered { message_id: parsed.message_id.unwrap_or_default(), from });
            }
        }
        drop(state);
        if !delivered.is_empty() {
            self.ring();
        }
        delivered
    }

    /// The journal so far.
    pub fn journal(&self) -> Vec<Entry> {
        self.state().journal.clone()
    }

    /// The journal in numbers.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut seen = BTreeSet::new();
        for entry in &self.state().journal {
            match &entry.what {
                Happened::HandedOver { message_id, .. } if message_id.starts_with(relay::TOKEN) => {
                    tally.shown += 1;
                    tally.shown_twice += usize::from(!seen.insert(message_id.clone()));
                }
                Happened::HandedOver { message_id, answered, .. } => {
                    tally.taken += 1;
                    tally.taken_twice += usize::from(!seen.insert(message_id.clone()));
                    tally.answers_lost += usize::from(!answered);
                }
                Happened::Filed { folder: FolderRole::Inbox | FolderRole::Junk, .. } => tally.came_in += 1,
                Happened::Said { .. } => tally.said += 1,
                Happened::Filed { .. } | Happened::Refused { .. } => {}
            }
        }
        tally
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        self.0.news.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Takes a mail that the hub handed over; whether the hub is to hear of it. `None` where there is no room.
    fn take(&self, mail: &Outgoing, recipients: &[String]) -> Option<bool> {
        let parsed = parse::parse(&mail.content);
        let now = self.0.clock.now();
        let account = address::key(&mail.from).unwrap_or_default();
        let mut state = self.state();
        // The provider files what it sends by itself.
        state.file(&account, FolderRole::Sent, (&parsed, mail.content.clone()), now)?;
        state.hand_overs += 1;
        let number = state.hand_overs;
        let answered = !state.lose.remove(&number);
        let message_id = parsed.message_id.clone().unwrap_or_default();
        let what = Happened::HandedOver { number, recipients: recipients.to_vec(), message_id, answered };
        state.journal.push(Entry { at: now, what });
        for recipient in recipients {
            state.react(self, &account, recipient, (&parsed, &mail.content));
        }
        drop(state);
        self.ring();
        Some(answered)
    }
}

impl State {
    fn own(&self, account: &str) -> Option<Mailbox> {
        self.mailboxes.get(&address::key(account)?).map(|a| a.own.clone())
    }

    fn person_at(&self, to: &str) -> Option<usize> {
        self.known.get(&address::key(to)?).copied()
    }

    fn zone_of(&self, from: &str) -> String {
        self.person_at(from).and_then(|n| self.people.get(n)).map(|p| p.zone.clone()).unwrap_or_default()
    }

    /// A Message-ID that is the same in every run of the same seed.
    fn next_id(&mut self, seed: u64, from: &str) -> String {
        self.made += 1;
        let domain = address::domain(from).unwrap_or_else(|| "example.org".to_owned());
        format!("{:016x}.{}@{domain}", mix(seed ^ mix(self.made)), self.made)
    }

    fn send_off(&mut self, account: &str, at: Micros, raw: Vec<u8>) {
        if self.on_its_way.len() < MAILS_MAX {
            let account = address::key(account).unwrap_or_default();
            self.made += 1;
            self.on_its_way.insert((at, self.made), OnItsWay { account, raw });
        }
    }

    /// Puts a mail into a folder; its uid, or `None` where there is no such mailbox or no room.
    fn file(&mut self, account: &str, role: FolderRole, mail: (&ParsedMail, Vec<u8>), at: Micros) -> Option<i64> {
        let (parsed, raw) = mail;
        let mailbox = self.mailboxes.get_mut(&address::key(account)?)?;
        let all: usize = mailbox.folders.values().map(Vec::len).sum();
        if all >= MAILS_MAX {
            return None;
        }
        let folder = mailbox.folders.entry(role).or_default();
        let uid = folder.last().map_or(1, |m| m.uid + 1);
        let message_id = parsed.message_id.clone().unwrap_or_default();
        let token = parsed.token.clone().unwrap_or_default();
        folder.push(Stored { uid, received_at: at, message_id: message_id.clone(), token, raw });
        let what = Happened::Filed { account: account.to_owned(), folder: role, uid, message_id };
        self.journal.push(Entry { at, what });
        Some(uid)
    }

    /// What somebody does about a mail of ours.
    fn react(&mut self, world: &World, account: &str, recipient: &str, (mail, raw): (&ParsedMail, &[u8])) {
        let seed = mix(world.0.seed ^ self.hand_overs);
        let Some(place) = self.person_at(recipient) else { return };
        self.newest.insert(place, (account.to_owned(), mail.clone()));
        let Some(person) = self.people.get_mut(place) else { return };
        let habit = person.script.pop_front();
        let usual = (!person.usual.is_empty()).then(|| Habit::Answers(person.usual_answer(seed, person::USUAL_AFTER)));
        let (from, zone) = (person.mailbox.clone(), person.zone.clone());
        let sight = Seen { account, recipient, from, zone, mail, raw };
        self.follow(world, &sight, habit.or(usual).unwrap_or(Habit::Reads));
    }

    fn follow(&mut self, world: &World, seen: &Seen<'_>, habit: Habit) {
        let Seen { account, recipient, mail, raw, .. } = *seen;
        let (from, zone) = (&seen.from, seen.zone.clone());
        match habit {
            Habit::Reads => {}
            Habit::Each(habits) => habits.into_iter().for_each(|habit| self.follow(world, seen, habit)),
            Habit::Visits(visits) => self.plan_visits(world, seen, visits),
            Habit::Answers(answer) => self.answer(world, account, (from, mail), &answer),
            Habit::IsAway { after, subject, text } => {
                let letter = Letter::away(from, mail, (subject, text));
                self.post(world, account, (letter, zone), after);
            }
            Habit::Forwards { after, text, of, forwarded } => {
                let letter = Letter::forward(from, mail, (text, of, forwarded));
                self.post(world, account, (letter, zone), after);
            }
            Habit::Bounces { after, status, words } => {
                let at = world.0.clock.now().plus(after);
                let id = self.next_id(world.0.seed, &from.address);
                let Some(own) = self.own(account) else { return };
                let raw = report::bounce(&report::About { own: &own, recipient, raw, id: &id, at }, &status, &words);
                self.send_off(account, at, raw);
            }
            Habit::Complains { after } => {
                let at = world.0.clock.now().plus(after);
                let id = self.next_id(world.0.seed, &from.address);
                let Some(own) = self.own(account) else { return };
                let raw = report::complaint(&report::About { own: &own, recipient, raw, id: &id, at });
                self.send_off(account, at, raw);
            }
        }
    }

    fn plan_visits(&mut self, world: &World, seen: &Seen<'_>, visits: Vec<Visit>) {
        let now = world.0.clock.now();
        for Visit { after, wish, agent } in visits {
            let Some(url) = errand::find_url(seen.raw, wish) else { continue };
            if self.errands.len() < MAILS_MAX {
                self.made += 1;
                let who = seen.recipient.to_owned();
                self.errands.insert((now.plus(after), self.made), Errand { who, wish, agent, url });
            }
        }
    }

    fn answer(&mut self, world: &World, account: &str, (from, mail): (&Mailbox, &ParsedMail), answer: &Answer) {
        let writer = answer.from.as_ref().unwrap_or(from);
        let zone = self.zone_of(&writer.address);
        let letter = Letter::answer(writer, mail, answer);
        self.post(world, account, (letter, zone), answer.after);
    }

    fn post(&mut self, world: &World, account: &str, (mut letter, zone): (Letter, String), after: Duration) {
        let Some(own) = self.own(account) else { return };
        let at = world.0.clock.now().plus(after);
        letter.message_id = self.next_id(world.0.seed, &letter.from.address);
        letter.to = vec![own];
        (letter.date, letter.zone) = (at, zone);
        self.send_off(account, at, letter.compose());
    }
}

/// A number that looks like chance and is the same in every run (splitmix64's finisher).
fn mix(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn pick<T>(from: &[T], mixed: u64) -> Option<&T> {
    let many = u64::try_from(from.len()).ok().filter(|n| *n > 0)?;
    from.get(usize::try_from(mixed % many).ok()?)
}

#[cfg(test)]
mod tests;
