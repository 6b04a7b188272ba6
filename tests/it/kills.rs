//! Nothing is lost, stored twice or sent twice, whenever the daemon is killed: it is killed by SIGKILL at random moments
//! while mails come in and go out, and then the mail server's own record is compared with what the hub says.
//!
//! A short share runs with all tests; the whole is `tests/prove kills`.

use crate::daemon::{Answer, Daemon, Installation, OurAccount};
use crate::ledger::{self, Fates, SentRow, ServerRecord, count, outbox, rows};
use crate::mail_record::{SubmissionLog, inbox_of};
use crate::peers::{self, MailPeer, fresh_user};
use crate::stores;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

const INFLUENCERS: usize = 200;
/// SMTP sessions of an account: what a configuration has that says nothing.
const SESSIONS: i64 = 4;
/// From a start to the kill, milliseconds.
const LIFE_MS: (u64, u64) = (50, 3_000);
/// How long before the kill, at most, the second half of what a life is offered comes.
const RUSH_MS: u64 = 300;
/// The longest wait for the daemon to finish what is left when nobody kills it any more.
const FINISH_MAX: Duration = Duration::from_mins(20);
const PAUSE: Duration = Duration::from_millis(10);

/// How much is tried.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) kills: usize,
    pub(crate) mails: usize,
    pub(crate) sends: usize,
    pub(crate) seed: u64,
}

/// A number from the environment, which `tests/prove` sets.
pub(crate) fn parameter(name: &str, usual: usize) -> usize {
    let name = format!("LIAISON_PROVE_{name}");
    std::env::var(&name).map_or(usual, |v| v.parse().unwrap_or_else(|e| panic!("{name}={v}: {e}")))
}

/// `SplitMix64`: the same moments for the same seed.
pub(crate) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A run: one installation, its people, and what was offered to it so far.
pub(crate) struct Proof {
    pub(crate) home: Installation,
    peer: MailPeer,
    accounts: Vec<OurAccount>,
    people: Vec<String>,
    pub(crate) measure: Measure,
    /// How many mails and messages may have been offered by now: so that some are under way at every kill.
    allowed: [AtomicUsize; 2],
    /// Somebody gave up.
    over: AtomicBool,
}

/// What was asked of the API.
#[derive(Default)]
struct Asked {
    /// Subjects of messages that it said it took.
    taken: HashSet<String>,
    /// Subjects of messages to which no answer came.
    unanswered: HashSet<String>,
}

impl Proof {
    async fn new(peer: MailPeer, fresh: stores::Fresh, measure: Measure) -> Self {
        let smtp = format!("smtp://localhost:{}", peer.submission);
        let account =
            |name, prefix, sent_copy| OurAccount { name, address: fresh_user(prefix), smtp: smtp.clone(), sent_copy };
        let accounts = vec![account("hub", "brand", "hub"), account("server", "filed-brand", "server")];
        let people = (0..INFLUENCERS).map(|_| fresh_user("person")).collect();
        let home = Installation::new(fresh, &peer, &accounts).await;
        Self { home, peer, accounts, people, measure, allowed: Default::default(), over: AtomicBool::new(false) }
    }

    fn import_people(&self) {
        for (n, address) in self.people.iter().enumerate() {
            let order = json!({"handle": format!("@person{n}"), "first_name": "Person", "emails": [address]});
            let answer = self.home.call("POST", "/v1/influencers", Some(&order));
            assert!(matches!(answer, Answer::Said(200..=299, _)), "{answer:?}");
        }
    }

    /// Lets feeders offer their share of all up to so many half lives.
    pub(crate) fn allow(&self, halves: usize) {
        let of = self.measure.kills.max(1) * 2;
        for (allowed, all) in self.allowed.iter().zip([self.measure.mails, self.measure.sends]) {
            allowed.store((all * halves).div_ceil(of).min(all), Ordering::SeqCst);
        }
    }

    /// Lives until the next kill: half of its share comes in when it starts, half right before the kill, so that both what
    /// a start takes up and what a kill cuts off are there.
    fn live(&self, kill: usize, random: &mut u64) {
        let life = LIFE_MS.0 + next_random(random) % (LIFE_MS.1 - LIFE_MS.0);
        let rush = (next_random(random) % RUSH_MS).min(life);
        self.allow(kill * 2 - 1);
        std::thread::sleep(Duration::from_millis(life - rush));
        self.allow(kill * 2);
        std::thread::sleep(Duration::from_millis(rush));
    }

    /// Puts mails into both of our mailboxes as they are allowed. Each was taken by the server when this goes on.
    fn feed_mailboxes(&self) {
        let mut offered = 0;
        while offered < self.measure.mails && !self.over.load(Ordering::SeqCst) {
            let allowed = self.allowed[0].load(Ordering::SeqCst);
            for (which, account) in self.accounts.iter().enumerate() {
                let share = (offered..allowed).filter(|n| n % self.accounts.len() == which);
                let mails: Vec<Vec<u8>> = share.map(|n| self.mail(n, account)).collect();
                if !mails.is_empty() {
                    self.peer.deliver_all(mails.iter().map(Vec::as_slice), &account.address);
                }
            }
            offered = allowed;
            std::thread::sleep(PAUSE);
        }
    }

    fn mail(&self, n: usize, account: &OurAccount) -> Vec<u8> {
        let from = &self.people[n % self.people.len()];
        format!(
            "From: Person <{from}>\r\nTo: <{}>\r\nSubject: Offer {n}\r\nMessage-ID: <in-{n}-{from}>\r\n\
             Date: Mon, 2 Mar 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             Hello, this is mail {n}.\r\n{}",
            account.address,
            "Thank you for the parcel, it came today and I will post on Friday.\r\n".repeat(12)
        )
        .into_bytes()
    }

    /// Puts messages into the outbox as they are allowed, until as many as wanted were taken for certain. One to which no
    /// answer came is never asked for again: it may have been taken.
    fn feed_outbox(&self) -> Asked {
        let mut asked = Asked::default();
        let mut n = 0;
        while asked.taken.len() < self.measure.sends && !self.over.load(Ordering::SeqCst) {
            if asked.taken.len() >= self.allowed[1].load(Ordering::SeqCst) {
                std::thread::sleep(PAUSE);
                continue;
            }
            let subject = format!("Message {n}");
            match self.home.call("POST", "/v1/messages", Some(&self.order(n, &subject))) {
                Answer::NobodyThere => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Answer::Said(202, _) => asked.taken.insert(subject),
                Answer::Said(500..=599, _) | Answer::Lost => asked.unanswered.insert(subject),
                Answer::Said(status, said) => panic!("message {n}: {status} {said}"),
            };
            n += 1;
        }
        asked
    }

    fn order(&self, n: usize, subject: &str) -> Value {
        json!({
            "account": self.accounts[n % self.accounts.len()].name,
            "to": [{"name": "Person", "address": self.people[n % self.people.len()]}],
            "subject": subject,
            "text": format!("{subject}: would you like to try the new shoes?\n")
        })
    }

    /// Starts and kills, over and over; gives the daemon that is left running, and the most that one kill left in the air.
    fn kill_over_and_over(&self, runtime: &tokio::runtime::Runtime, mut daemon: Daemon) -> (Daemon, i64) {
        let mut random = self.measure.seed;
        let mut most = 0;
        for kill in 1..=self.measure.kills {
            self.live(kill, &mut random);
            if let Some(status) = daemon.ended() {
                panic!("before kill {kill} the daemon ended by itself ({status}):\n{}", self.home.last_words());
            }
            daemon.kill();
            let sql = "SELECT lease_holder, account, COUNT(*) FROM outbox WHERE status = 'handed_over' GROUP BY lease_holder, account";
            let left: Vec<(Uuid, String, i64)> = runtime.block_on(rows(&self.home.fresh.place, sql));
            for (holder, account, handed_over) in left {
                assert!(handed_over <= SESSIONS, "kill {kill}: {handed_over} in the air on {account} of {holder}");
                most = most.max(handed_over);
            }
            if kill % 20 == 0 {
                eprintln!("{kill} kills");
            }
            daemon = self.home.start();
        }
        self.allow(self.measure.kills * 2);
        (daemon, most)
    }

    /// Until everything that comes in is stored and everything that goes out is settled, as far as it settles by itself.
    async fn await_finish(&self, daemon: &mut Daemon, log: &SubmissionLog) {
        let until = Instant::now() + FINISH_MAX;
        let place = &self.home.fresh.place;
        loop {
            if let Some(status) = daemon.ended() {
                panic!("the daemon ended by itself ({status}):\n{}", self.home.last_words());
            }
            let stored = count(place, "SELECT COUNT(*) FROM message WHERE direction = 'inbound'").await;
            let moving = "SELECT COUNT(*) FROM outbox WHERE status NOT IN ('confirmed', 'uncertain') \
                OR (status = 'uncertain' AND account = 'server')";
            let moving = count(place, moving).await;
            let is_stored = usize::try_from(stored).unwrap() >= self.measure.mails;
            if is_stored && moving == 0 && self.is_counted() {
                let sent = outbox(place).await;
                if ServerRecord::read(&self.peer, log, &self.people).is_at_rest(&sent) {
                    return;
                }
            }
            assert!(
                Instant::now() < until,
                "not finished: {stored} stored, {moving} on their way out\n{}",
                self.home.last_words()
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Whether each Inbox was counted since the last mail came, as the API tells, and nothing is missing.
    fn is_counted(&self) -> bool {
        let said = self.home.get("/v1/accounts");
        let accounts = said["data"].as_array().expect("accounts");
        accounts.iter().all(|account| {
            let address = account["address"].as_str().expect("address");
            let inbox = account["folders"].as_array().expect("folders").iter().find(|f| f["role"] == "inbox");
            let server = inbox_of(&self.peer, address).len();
            inbox.is_some_and(|f| f["stored"].as_u64().is_some_and(|n| usize::try_from(n) == Ok(server)))
        })
    }

    /// All subjects in the outbox, as the API lists them.
    fn listed(&self) -> Vec<String> {
        let mut subjects = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.home.get(&format!("/v1/outbox?limit=200{cursor}"));
            let data = page["data"].as_array().expect("outbox").iter();
            subjects.extend(data.map(|m| m["subject"].as_str().expect("subject").to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return subjects,
            }
        }
    }

    async fn check_inbound(&self) -> Vec<(&'static str, String)> {
        let place = &self.home.fresh.place;
        let offered: HashSet<String> =
            (0..self.measure.mails).map(|n| format!("in-{n}-{}", self.people[n % self.people.len()])).collect();
        let sql = "SELECT COALESCE(internet_message_id, ''), COUNT(*) FROM message WHERE direction = 'inbound' \
            GROUP BY internet_message_id";
        let stored: Vec<(String, i64)> = rows(place, sql).await;
        let stored: HashMap<String, i64> =
            stored.into_iter().map(|(id, n)| (id.trim_matches(['<', '>']).to_owned(), n)).collect();
        let on_server: usize = self.accounts.iter().map(|a| inbox_of(&self.peer, &a.address).len()).sum();
        let lost = offered.iter().filter(|id| !stored.contains_key(*id)).count();
        let twice = stored.values().filter(|n| **n != 1).count();
        let strangers = stored.keys().filter(|id| !offered.contains(*id)).count();
        let deliveries = "SELECT COUNT(*) FROM delivery d JOIN folder f ON f.id = d.folder_id WHERE f.role = 'inbox'";
        let deliveries = count(place, deliveries).await;
        let authors = "SELECT COUNT(*) FROM participation p JOIN message m ON m.id = p.message_id \
            WHERE p.role = 'author' AND m.direction = 'inbound'";
        let authors = count(place, authors).await;
        assert_eq!((lost, twice, strangers), (0, 0, 0), "lost, stored twice, never offered");
        assert_eq!((on_server, usize::try_from(deliveries)), (self.measure.mails, Ok(on_server)), "server, deliveries");
        assert_eq!(usize::try_from(authors), Ok(self.measure.mails), "on their author's timeline");
        vec![
            ("mails in, offered (taken by the server)", offered.len().to_string()),
            ("stored", stored.len().to_string()),
            ("lost", lost.to_string()),
            ("stored twice", twice.to_string()),
        ]
    }

    fn check_taken(&self, asked: &Asked, sent: &[SentRow]) -> (&'static str, String) {
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        for row in sent {
            *rows.entry(row.subject.as_str()).or_default() += 1;
        }
        let forgotten = asked.taken.iter().filter(|s| !rows.contains_key(s.as_str())).count();
        assert_eq!(forgotten, 0, "messages that the API took are not in the outbox");
        assert!(rows.values().all(|n| *n == 1), "one request made several messages: {rows:?}");
        assert!(rows.keys().all(|s| asked.taken.contains(*s) || asked.unanswered.contains(*s)));
        let listed = self.listed();
        assert_eq!(listed.len(), sent.len());
        assert!(asked.taken.iter().all(|s| listed.contains(s)), "the API does not list what it took");
        let unanswered = asked.unanswered.iter().filter(|s| rows.contains_key(s.as_str())).count();
        ("requests with no answer / of these, taken", format!("{} / {unanswered}", asked.unanswered.len()))
    }
}

/// Sets the flag when it goes, be it by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Everything but the kills: people, what comes in and what goes out beside `harm`, which starts the daemon over as it likes, and
/// the record in the end. `prepare` may change how the daemon is started. `None` where a server is missing.
pub(crate) fn prove_beside(
    title: &str,
    fresh: impl Future<Output = Option<stores::Fresh>>,
    measure: Measure,
    prepare: impl FnOnce(&mut Installation),
    harm: impl FnOnce(&Proof, &tokio::runtime::Runtime, Daemon) -> (Daemon, Vec<(&'static str, String)>),
) -> Option<Proof> {
    let Some(peer) = peers::mail() else {
        peers::skip("mail server (LIAISON_TEST_MAIL)");
        return None;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(fresh) = runtime.block_on(fresh) else {
        peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
        return None;
    };
    let database = fresh.name;
    let mut proof = runtime.block_on(Proof::new(peer, fresh, measure));
    prepare(&mut proof.home);
    let log = SubmissionLog::from_now(&proof.peer);
    let mut daemon = proof.home.start();
    proof.home.await_up(&mut daemon);
    proof.import_people();
    let began = Instant::now();
    let (asked, harmed, before, mut daemon) = std::thread::scope(|scope| {
        let _over = Over(&proof.over);
        let mailboxes = scope.spawn(|| proof.feed_mailboxes());
        let requests = scope.spawn(|| proof.feed_outbox());
        let (daemon, harmed) = harm(&proof, &runtime, daemon);
        let done = "SELECT COUNT(*) FROM message m LEFT JOIN outbox o ON o.id = m.id WHERE m.direction = 'inbound' \
            OR o.status = 'confirmed'";
        let before = runtime.block_on(count(&proof.home.fresh.place, done));
        mailboxes.join().expect("mails come in");
        (requests.join().expect("messages go out"), harmed, before, daemon)
    });
    proof.home.await_up(&mut daemon);
    runtime.block_on(proof.await_finish(&mut daemon, &log));
    let sent = runtime.block_on(outbox(&proof.home.fresh.place));
    let record = ServerRecord::read(&proof.peer, &log, &proof.people);
    let mut lines = harmed;
    lines.push(("seed", measure.seed.to_string()));
    lines.push(("stored or sent by the last of them", before.to_string()));
    lines.extend(runtime.block_on(proof.check_inbound()));
    lines.push(proof.check_taken(&asked, &sent));
    assert_eq!(record.strangers(&sent), 0, "mails that no row of the outbox stands for");
    for account in &proof.accounts {
        let fates = Fates::of(account.name, &sent, &record);
        fates.check(account.name);
        assert!(
            account.sent_copy == "hub" || fates.waiting == 0,
            "the server files, and some are not settled: {fates:?}"
        );
        lines.push(if account.sent_copy == "hub" {
            ("**the hub files**", String::new())
        } else {
            ("**the server files**", String::new())
        });
        lines.extend(fates.lines());
    }
    lines.push(("seconds", began.elapsed().as_secs().to_string()));
    ledger::print_table(&format!("{title} on {database}"), &lines);
    Some(proof)
}

fn prove(fresh: impl Future<Output = Option<stores::Fresh>>, measure: Measure) {
    prove_beside(
        "kills",
        fresh,
        measure,
        |_| {},
        |proof, runtime, daemon| {
            let (daemon, most) = proof.kill_over_and_over(runtime, daemon);
            let lines = vec![
                ("kills (SIGKILL)", measure.kills.to_string()),
                ("most in the air on one account after a kill (4 sessions)", most.to_string()),
            ];
            (daemon, lines)
        },
    );
}

async fn sqlite() -> Option<stores::Fresh> {
    Some(stores::sqlite().await)
}

const SHORT: Measure = Measure { kills: 8, mails: 300, sends: 120, seed: 1 };

#[test]
fn kills_lose_nothing_and_repeat_nothing_on_sqlite() {
    prove(sqlite(), SHORT);
}

#[test]
fn kills_lose_nothing_and_repeat_nothing_on_postgres() {
    prove(stores::postgres(), SHORT);
}

#[test]
#[ignore = "runs for many minutes: tests/prove kills"]
fn many_kills() {
    let measure = Measure {
        kills: parameter("KILLS", 200),
        mails: parameter("MAILS", 5_000),
        sends: parameter("SENDS", 2_000),
        seed: parameter("SEED", 1) as u64,
    };
    match std::env::var("LIAISON_PROVE_DATABASE").as_deref() {
        Ok("postgres") => prove(stores::postgres(), measure),
        Ok("sqlite") | Err(_) => prove(sqlite(), measure),
        Ok(other) => panic!("LIAISON_PROVE_DATABASE={other}: sqlite or postgres"),
    }
}
