//! What is said at a provider while the daemon is down, or while no socket brings it, is there afterwards: all of it, once, in the order
//! in which it was said, and as it reads by then.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::json;

use super::hub::Hub;
use super::{House, Which, which};
use crate::daemon::Daemon;
use crate::kills::{next_random, parameter};
use crate::ledger::{print_table, rows};
use crate::stores::{self, Fresh};

const PEOPLE: usize = 12;
const FINISH_MAX: Duration = Duration::from_mins(5);

/// What was done with messages while nobody listened.
#[derive(Default)]
struct Done {
    /// What each conversation says now, in its order; those that are taken back with nothing.
    now: BTreeMap<String, Vec<(String, Option<String>)>>,
    said: usize,
    answered: usize,
    changed: usize,
    taken_back: usize,
    /// Taken back without a trace in any list, before anybody could read them.
    never_seen: usize,
}

/// Where a message lies.
#[derive(Clone)]
struct Lies {
    person: usize,
    ts: String,
    /// What it said first: by that it is known.
    first: String,
    root: Option<String>,
    is_old: bool,
}

struct Proof {
    hub: Hub,
    random: u64,
    all: Vec<Lies>,
    done: Done,
    n: usize,
}

impl Proof {
    fn house(&self) -> &House {
        &self.hub.houses[0]
    }

    fn draw(&mut self, below: usize) -> usize {
        usize::try_from(next_random(&mut self.random) % u64::try_from(below).unwrap()).unwrap()
    }

    /// Somebody says something, in a thread or not.
    fn say(&mut self, root: Option<&Lies>) {
        let person = root.map_or_else(|| self.draw(PEOPLE), |root| root.person);
        let text = format!("Words {}", self.n);
        self.n += 1;
        let now = self.hub.clock.now();
        let mut lies = Lies { person, ts: String::new(), first: text.clone(), root: None, is_old: false };
        match (self.house(), root) {
            (House::Slack(fake), root) => {
                let mut message = json!({ "user": format!("U{person}"), "text": text });
                if let Some(root) = root {
                    message["thread_ts"] = root.ts.clone().into();
                }
                lies.ts = fake.say(&format!("DU{person}"), now, message);
                lies.root = root.map(|root| root.ts.clone());
            }
            (house, _) => drop(house.says(person, &text, &self.hub.clock)),
        }
        self.done.now.entry(Which::address(self.house().which(), person)).or_default().push((text.clone(), Some(text)));
        self.done.said += 1;
        self.done.answered += usize::from(root.is_some());
        self.all.push(lies);
    }

    /// One thing happens.
    fn happen(&mut self) {
        // Two in one moment have an order all the same, where a provider tells one.
        let kind = if self.house().which() == Which::Slack { self.draw(10) } else { 0 };
        let roots: Vec<Lies> = self.all.iter().filter(|m| m.root.is_none()).cloned().collect();
        let some = (!self.all.is_empty()).then(|| self.draw(self.all.len()));
        match (kind, some) {
            (5 | 6, Some(_)) if !roots.is_empty() => {
                let root = roots[self.draw(roots.len())].clone();
                self.say(Some(&root));
            }
            // A list tells of a change only where it still shows the message: in the thread, or within two weeks.
            (7 | 8, Some(at)) => self.change(at),
            (9, Some(at)) => self.take_back(at),
            _ => self.say(None),
        }
    }

    fn change(&mut self, at: usize) {
        let lies = self.all[at].clone();
        // An older answer in a thread is shown by no list once it was read.
        if lies.is_old && lies.root.is_some() {
            return self.say(None);
        }
        let text = format!("{}, or not {}", lies.first, self.n);
        self.n += 1;
        let House::Slack(fake) = self.house() else { unreachable!() };
        fake.edit(&format!("DU{}", lies.person), &lies.ts, &text, self.hub.clock.now());
        *self.entry(&lies) = Some(text);
        self.done.changed += 1;
    }

    fn take_back(&mut self, at: usize) {
        // One that others answered, where there is one.
        let answered = |lies: &Lies| {
            lies.is_old && self.all.iter().any(|m| m.root.as_ref() == Some(&lies.ts) && m.person == lies.person)
        };
        let at = self.all.iter().position(answered).filter(|n| n % 3 > 0).unwrap_or(at);
        let lies = self.all[at].clone();
        let House::Slack(fake) = self.house() else { unreachable!() };
        let channel = format!("DU{}", lies.person);
        let has_answers =
            self.all.iter().any(|other| other.root.as_ref() == Some(&lies.ts) && other.person == lies.person);
        // What was read and leaves no stone is told by no list: sockets and hooks tell it.
        if lies.is_old && !has_answers {
            return self.say(None);
        }
        fake.take_back(&channel, &lies.ts);
        if has_answers && lies.is_old {
            *self.entry(&lies) = None;
            self.done.taken_back += 1;
        } else {
            let person = Which::Slack.address(lies.person);
            self.done.now.get_mut(&person).unwrap().retain(|(first, _)| *first != lies.first);
            self.done.never_seen += 1;
        }
        self.all.remove(at);
    }

    fn entry(&mut self, lies: &Lies) -> &mut Option<String> {
        let person = Which::Slack.address(lies.person);
        let all = self.done.now.get_mut(&person).unwrap();
        &mut all.iter_mut().find(|(first, _)| *first == lies.first).unwrap().1
    }

    /// What is stored of each conversation: what it says now and when, in the order in which it was said.
    async fn stored(&self) -> BTreeMap<String, Vec<String>> {
        let sql = "SELECT author_address, text, at FROM message WHERE direction = 'inbound' ORDER BY at, n";
        let all: Vec<(String, String, i64)> = rows(&self.hub.home.fresh.place, sql).await;
        let mut by: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (author, text, _) in all {
            by.entry(author).or_default().push(text);
        }
        by
    }

    fn wanted(&self) -> BTreeMap<String, Vec<String>> {
        let now = |all: &Vec<(String, Option<String>)>| {
            all.iter().map(|(_, text)| text.clone().unwrap_or_default()).collect()
        };
        self.done
            .now
            .iter()
            .map(|(who, all)| (who.clone(), now(all)))
            .filter(|(_, all): &(_, Vec<String>)| !all.is_empty())
            .collect()
    }

    /// Until all that was said is stored, and as it reads now.
    async fn await_all(&self, daemon: &mut Daemon) {
        let until = Instant::now() + FINISH_MAX;
        loop {
            let (stored, wanted) = (self.stored().await, self.wanted());
            if sorted(&stored) == sorted(&wanted) {
                return;
            }
            assert!(daemon.ended().is_none(), "{}", self.hub.home.last_words());
            if Instant::now() > until {
                let lost = diff(&wanted, &stored);
                let more = diff(&stored, &wanted);
                panic!("lost: {lost:?}\nmore: {more:?}\n{}", self.hub.home.last_words());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The same whatever the order.
fn sorted(all: &BTreeMap<String, Vec<String>>) -> BTreeMap<&String, Vec<&String>> {
    all.iter()
        .map(|(who, texts)| {
            let mut texts: Vec<&String> = texts.iter().collect();
            texts.sort_unstable();
            (who, texts)
        })
        .collect()
}

/// What one has more often than the other.
fn diff(one: &BTreeMap<String, Vec<String>>, other: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let counts = |all: &BTreeMap<String, Vec<String>>| {
        let mut counts: HashMap<String, usize> = HashMap::new();
        all.values().flatten().for_each(|text| *counts.entry(text.clone()).or_default() += 1);
        counts
    };
    let other = counts(other);
    counts(one)
        .into_iter()
        .filter(|(text, n)| other.get(text).copied().unwrap_or(0) < *n)
        .map(|(text, _)| text)
        .collect()
}

async fn prove(which: Which, fresh: Fresh, (messages, seed): (usize, u64)) {
    let began = Instant::now();
    let name = fresh.name;
    let hub = Hub::new(fresh, &[which], None).await;
    let mut proof = Proof { hub, random: seed, all: Vec::new(), done: Done::default(), n: 0 };
    let mut daemon = proof.hub.home.start();
    proof.hub.home.await_up(&mut daemon);
    proof.hub.meet(PEOPLE);
    // Some that is known before.
    for _ in 0..(messages / 10).max(10) {
        proof.say(None);
    }
    if let House::Slack(fake) = proof.house() {
        fake.cut();
    }
    proof.await_all(&mut daemon).await;
    let before = proof.done.said;
    proof.all.iter_mut().for_each(|lies| lies.is_old = true);
    // Half of it while it is down.
    daemon.kill();
    for _ in 0..messages / 2 {
        proof.happen();
    }
    let mut daemon = proof.hub.home.start();
    proof.await_all(&mut daemon).await;
    // Half while it is up, and no socket or hook brings it.
    proof.all.iter_mut().for_each(|lies| lies.is_old = true);
    for _ in 0..messages.div_ceil(2) {
        proof.happen();
    }
    if let House::Slack(fake) = proof.house() {
        fake.cut();
    }
    proof.await_all(&mut daemon).await;
    let (stored, wanted) = (proof.stored().await, proof.wanted());
    // In the order in which they were said; of one second, where a provider tells no more than that, in any.
    let is_exact = which == Which::Slack;
    let disordered = if is_exact { stored.iter().filter(|(who, texts)| wanted[*who] != **texts).count() } else { 0 };
    assert_eq!(disordered, 0, "conversations in another order");
    let raised = "SELECT m.text, m.author_address, m.at FROM event e JOIN message m ON m.id = e.message_id \
        WHERE e.type = 'message.received' ORDER BY e.id";
    let raised: Vec<(String, String, i64)> = rows(&proof.hub.home.fresh.place, raised).await;
    let mut last: HashMap<&String, i64> = HashMap::new();
    let mut late = 0;
    for (_, who, at) in &raised {
        let last = last.entry(who).or_insert(*at);
        late += usize::from(at < last);
        *last = (*last).max(*at);
    }
    let all: usize = stored.values().map(Vec::len).sum();
    assert_eq!(raised.len(), all, "each is told once");
    let done = &proof.done;
    print_table(
        &format!("missed from {} on {name}", which.name()),
        &[
            ("seed", seed.to_string()),
            ("said before / while nobody listened", format!("{before} / {}", done.said - before)),
            ("– of these, answers in threads", done.answered.to_string()),
            ("changed / taken back under answers", format!("{} / {}", done.changed, done.taken_back)),
            ("said and taken back before anybody could read it", done.never_seen.to_string()),
            ("stored", all.to_string()),
            ("lost", diff(&wanted, &stored).len().to_string()),
            ("stored twice", diff(&stored, &wanted).len().to_string()),
            ("conversations in another order", disordered.to_string()),
            ("told by an event after what was said later there", late.to_string()),
            ("seconds", began.elapsed().as_secs().to_string()),
        ],
    );
    assert_eq!(late, 0);
    drop(daemon);
    proof.house().described();
}

async fn short(which: Which) {
    for fresh in stores::both().await {
        prove(which, fresh, (60, 1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missed_at_slack_is_there_afterwards() {
    short(Which::Slack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missed_at_twilio_is_there_afterwards() {
    short(Which::Twilio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missed_at_telnyx_is_there_afterwards() {
    short(Which::Telnyx).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs for minutes: tests/prove missed"]
async fn many_missed() {
    let measure = (parameter("MESSAGES", 500), parameter("SEED", 1) as u64);
    for which in which(&Which::ALL) {
        let fresh = match std::env::var("LIAISON_PROVE_DATABASE").as_deref() {
            Ok("postgres") => stores::postgres().await.expect("PostgreSQL (LIAISON_TEST_POSTGRES)"),
            Ok("sqlite") | Err(_) => stores::sqlite().await,
            Ok(other) => panic!("LIAISON_PROVE_DATABASE={other}: sqlite or postgres"),
        };
        prove(which, fresh, measure).await;
    }
}
