//! Nothing is lost, stored twice or sent twice on any channel, whenever the daemon is killed: by SIGKILL at random moments while it sends
//! and is told through Slack, a number and a mailbox at once. Then the providers' own records are compared with what the hub says.
//!
//! A short share runs with all tests; the whole is `tests/prove texted`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::house::Luck;
use super::hub::{Hub, Mailbox};
use super::{House, Which};
use crate::daemon::{Answer, Daemon};
use crate::kills::{next_random, parameter};
use crate::ledger::{Fates, SentRow, ServerRecord, count, print_table, rows};
use crate::mail_record::SubmissionLog;
use crate::peers::{self, MailPeer, fresh_user};
use crate::stores;

const PEOPLE: usize = 40;
/// From a start to the kill, milliseconds.
const LIFE_MS: (u64, u64) = (50, 3_000);
const RUSH_MS: u64 = 300;
const FINISH_MAX: Duration = Duration::from_mins(25);
const PAUSE: Duration = Duration::from_millis(5);
/// How long a provider takes to answer, so that something is in the air at most kills.
const ANSWER: Duration = Duration::from_millis(80);

#[derive(Clone, Copy)]
struct Measure {
    kills: usize,
    /// Through each account.
    sends: usize,
    /// Said to each account.
    inbound: usize,
    lost: u64,
    seed: u64,
}

/// The mailbox beside the others, and its people.
struct Post {
    peer: MailPeer,
    ours: String,
    people: Vec<String>,
    log: SubmissionLog,
}

struct Proof {
    hub: Hub,
    post: Option<Post>,
    measure: Measure,
    /// How much of a thousand may have been offered by now.
    allowed: AtomicUsize,
    over: AtomicBool,
}

/// What was asked of the API, by account: the words it took, and those to which no answer came.
#[derive(Default)]
struct Asked {
    taken: HashSet<String>,
    unanswered: HashSet<String>,
}

/// A message of the outbox.
#[derive(sqlx::FromRow)]
struct Row {
    account: String,
    text: String,
    to: String,
    status: String,
    doubts: i64,
    sent: i64,
}

/// Sets the flag when it goes, be it by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Proof {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn share(&self, all: usize) -> usize {
        (all * self.allowed.load(Ordering::SeqCst)).div_ceil(1_000).min(all)
    }

    fn accounts(&self) -> Vec<&'static str> {
        let houses = self.hub.houses.iter().map(|house| house.which().name());
        houses.chain(self.post.iter().map(|_| "mail")).collect()
    }

    /// Puts messages of one account into the outbox as they are allowed. One to which no answer came is never asked for again.
    fn ask(&self, account: &'static str) -> Asked {
        let mut asked = Asked::default();
        let mut n = 0;
        while asked.taken.len() < self.measure.sends && !self.is_over() {
            if asked.taken.len() >= self.share(self.measure.sends) {
                std::thread::sleep(PAUSE);
                continue;
            }
            let text = format!("Message {n} by {account}: would you like to try the new shoes?");
            match self.hub.home.call("POST", "/v1/messages", Some(&self.order(account, n, &text))) {
                Answer::NobodyThere => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Answer::Said(202, _) => asked.taken.insert(text),
                Answer::Said(500..=599, _) | Answer::Lost => asked.unanswered.insert(text),
                Answer::Said(status, said) => panic!("{text}: {status} {said}"),
            };
            n += 1;
        }
        asked
    }

    fn order(&self, account: &str, n: usize, text: &str) -> Value {
        let house = self.hub.houses.iter().find(|house| house.which().name() == account);
        match (house, &self.post) {
            (Some(house), _) => {
                let which = house.which();
                let to = json!([{ "name": "", "address": which.address(n % PEOPLE) }]);
                let channel = if which == Which::Slack { "slack" } else { "sms" };
                json!({ "account": account, "channel": channel, "to": to, "text": text })
            }
            (None, Some(post)) => {
                let to = json!([{ "name": "", "address": post.people[n % PEOPLE] }]);
                json!({ "account": account, "to": to, "subject": text, "text": text })
            }
            (None, None) => panic!("{account}"),
        }
    }

    /// What is said at a provider, and all that it tells by itself: whoever is not there is told later, and of some never.
    fn tell(&self, house: &House) {
        let mut random = self.measure.seed ^ house.which().name().len() as u64;
        let (mut seen, mut said, mut bag) = (0, 0, Vec::new());
        while !self.is_over() {
            let news = house.news_of_taken(seen);
            seen += news.len();
            bag.extend(news.into_iter().flatten());
            while said < self.share(self.measure.inbound) {
                bag.push(house.says(
                    said % PEOPLE,
                    &format!("Answer {said} by {}", house.which().name()),
                    &self.hub.clock,
                ));
                said += 1;
            }
            if bag.is_empty() {
                std::thread::sleep(PAUSE);
                continue;
            }
            let at = usize::try_from(next_random(&mut random) % bag.len() as u64).unwrap();
            let news = bag.swap_remove(at);
            let drawn = next_random(&mut random) % 100;
            if drawn < 30 {
                continue;
            }
            if !self.hub.tell(house, &news) {
                bag.push(news);
                std::thread::sleep(PAUSE);
            } else if drawn > 85 {
                bag.push(news);
            }
        }
    }

    /// Puts mails into our mailbox as they are allowed.
    fn deliver(&self, post: &Post) {
        let mut offered = 0;
        while offered < self.measure.inbound && !self.is_over() {
            let allowed = self.share(self.measure.inbound);
            let mails: Vec<Vec<u8>> = (offered..allowed).map(|n| post.mail(n)).collect();
            if !mails.is_empty() {
                post.peer.deliver_all(mails.iter().map(Vec::as_slice), &post.ours);
            }
            offered = allowed;
            std::thread::sleep(PAUSE);
        }
    }

    /// Lives until the next kill; half of its share comes when it starts, half right before the end.
    fn live(&self, kill: usize, random: &mut u64) {
        let life = LIFE_MS.0 + next_random(random) % (LIFE_MS.1 - LIFE_MS.0);
        let rush = (next_random(random) % RUSH_MS).min(life);
        let halves = |halves: usize| self.allowed.store(1_000 * halves / (self.measure.kills * 2), Ordering::SeqCst);
        halves(kill * 2 - 1);
        std::thread::sleep(Duration::from_millis(life - rush));
        halves(kill * 2);
        std::thread::sleep(Duration::from_millis(rush));
    }

    /// Starts and kills; the daemon that is left, and how many were in the air at a kill, on all accounts together and at most.
    fn kill_over_and_over(&self, runtime: &tokio::runtime::Runtime, mut daemon: Daemon) -> (Daemon, i64, i64) {
        let (mut random, mut all, mut most) = (self.measure.seed, 0, 0);
        for kill in 1..=self.measure.kills {
            self.live(kill, &mut random);
            if let Some(status) = daemon.ended() {
                panic!("before kill {kill} the daemon ended by itself ({status}):\n{}", self.hub.home.last_words());
            }
            daemon.kill();
            let sql = "SELECT COUNT(*) FROM outbox WHERE status = 'handed_over'";
            let left = runtime.block_on(count(&self.hub.home.fresh.place, sql));
            (all, most) = (all + left, most.max(left));
            if kill % 20 == 0 {
                eprintln!("{kill} kills");
            }
            daemon = self.hub.home.start();
        }
        self.allowed.store(1_000, Ordering::SeqCst);
        (daemon, all, most)
    }

    async fn rows(&self) -> Vec<Row> {
        let sql = "SELECT o.account, m.text, (SELECT r.address FROM outbox_recipient r WHERE r.outbox_id = o.id) AS \"to\", o.status, \
            (SELECT COUNT(*) FROM event e WHERE e.message_id = o.id AND e.type = 'message.uncertain') AS doubts, \
            (SELECT COUNT(*) FROM event e WHERE e.message_id = o.id AND e.type = 'message.sent') AS sent \
            FROM outbox o JOIN message m ON m.id = o.id";
        let mut all: Vec<Row> = rows(&self.hub.home.fresh.place, sql).await;
        all.iter_mut().for_each(|row| row.text = row.text.trim_end().to_owned());
        all
    }

    /// Addresses at which a provider has something with words that nobody here wrote.
    async fn hopeless(&self) -> HashSet<String> {
        let known: Vec<(String,)> = rows(
            &self.hub.home.fresh.place,
            "SELECT p.provider_id FROM provider_message p JOIN outbox o ON o.id = p.message_id",
        )
        .await;
        let known = known.into_iter().map(|(id,)| id).collect();
        self.hub.houses.iter().flat_map(|house| house.unexplained(&known)).collect()
    }

    /// Whether a row is left to a person for good: Telnyx's records say nothing for an hour.
    fn is_left(row: &Row, hopeless: &HashSet<String>) -> bool {
        row.status == "uncertain" && (row.account == "telnyx" || hopeless.contains(&row.to))
    }

    /// Until everything that comes in is stored and everything that goes out is settled, as far as it settles by itself.
    async fn await_finish(&self, daemon: &mut Daemon) {
        let until = Instant::now() + FINISH_MAX;
        loop {
            if let Some(status) = daemon.ended() {
                panic!("the daemon ended by itself ({status}):\n{}", self.hub.home.last_words());
            }
            let stored =
                count(&self.hub.home.fresh.place, "SELECT COUNT(*) FROM message WHERE direction = 'inbound'").await;
            let (all, hopeless) = (self.rows().await, self.hopeless().await);
            let moving = all.iter().filter(|row| row.status != "confirmed" && !Self::is_left(row, &hopeless)).count();
            let wanted = self.measure.inbound * self.accounts().len();
            if usize::try_from(stored).unwrap() >= wanted && moving == 0 {
                return;
            }
            let words = self.hub.home.last_words();
            assert!(
                Instant::now() < until,
                "not finished: {stored} of {wanted} stored, {moving} on their way\n{words}"
            );
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn check_inbound(&self) -> Vec<(&'static str, String)> {
        let sql = "SELECT text, COUNT(*) FROM message WHERE direction = 'inbound' GROUP BY text";
        let stored: Vec<(String, i64)> = rows(&self.hub.home.fresh.place, sql).await;
        let stored: HashMap<String, i64> =
            stored.into_iter().map(|(text, n)| (text.trim_end().to_owned(), n)).collect();
        let each = |account: &'static str| (0..self.measure.inbound).map(move |n| format!("Answer {n} by {account}"));
        let wanted: HashSet<String> = self.accounts().into_iter().flat_map(each).collect();
        let lost = wanted.iter().filter(|text| !stored.contains_key(*text)).count();
        let strangers = stored.keys().filter(|text| !wanted.contains(*text)).count();
        let twice = stored.values().filter(|n| **n > 1).count();
        assert_eq!((lost, twice, strangers), (0, 0, 0), "lost, stored twice, never said");
        vec![("said to us / lost / stored twice", format!("{} / {lost} / {twice}", wanted.len()))]
    }

    fn check_asked(&self, asked: &BTreeMap<&'static str, Asked>, all: &[Row]) -> (&'static str, String) {
        let mut times: HashMap<&str, usize> = HashMap::new();
        all.iter().for_each(|row| *times.entry(&row.text).or_default() += 1);
        let taken = asked.values().flat_map(|asked| &asked.taken);
        let forgotten = taken.filter(|text| !times.contains_key(text.as_str())).count();
        assert_eq!(forgotten, 0, "messages that the API took are not in the outbox");
        assert!(times.values().all(|n| *n == 1), "one request made several messages");
        let unanswered: Vec<&String> = asked.values().flat_map(|asked| &asked.unanswered).collect();
        let among = unanswered.iter().filter(|text| times.contains_key(text.as_str())).count();
        ("requests with no answer / of these, taken", format!("{} / {among}", unanswered.len()))
    }

    /// What one provider has, beside what the hub says that it has.
    fn check_house(&self, house: &House, all: &[Row], hopeless: &HashSet<String>) -> Vec<(&'static str, String)> {
        let name = house.which().name();
        let theirs = house.counts();
        let ours: Vec<&Row> = all.iter().filter(|row| row.account == name).collect();
        let times = |row: &Row| theirs.get(&(row.to.clone(), row.text.clone())).copied().unwrap_or_default();
        let of = |status: &str| ours.iter().filter(|row| row.status == status).count();
        let lost = ours.iter().filter(|row| row.status == "confirmed" && times(row) == 0).count();
        let twice = ours.iter().filter(|row| times(row) > 1).count();
        let misnoted = ours.iter().filter(|row| row.sent != i64::from(row.status == "confirmed")).count();
        let strangers = theirs.keys().filter(|(to, text)| !ours.iter().any(|r| r.to == *to && r.text == *text)).count();
        let left: Vec<&&Row> = ours.iter().filter(|row| row.status == "uncertain").collect();
        let known = left.iter().filter(|row| !Self::is_left(row, hopeless)).count();
        assert_eq!(
            (lost, twice, strangers, misnoted),
            (0, 0, 0, 0),
            "{name}: lost, sent twice, never asked for, misnoted"
        );
        assert_eq!(
            (known, of("confirmed") + left.len()),
            (0, ours.len()),
            "{name}: uncertain though it can be asked, all"
        );
        let (requests, described) = house.described();
        vec![
            (section_of(house.which()), String::new()),
            ("taken into the outbox", ours.len().to_string()),
            ("noted as sent", of("confirmed").to_string()),
            ("there, by the provider's record", theirs.values().sum::<usize>().to_string()),
            ("lost (noted as sent, not there)", lost.to_string()),
            ("sent twice", twice.to_string()),
            ("ever uncertain", ours.iter().filter(|row| row.doubts > 0).count().to_string()),
            ("– left for a person", left.len().to_string()),
            ("requests", format!("{requests}, {described}")),
        ]
    }

    async fn check_mail(&self, post: &Post) -> Vec<(&'static str, String)> {
        let sql = "SELECT m.subject, COALESCE(m.internet_message_id, '') AS internet_message_id, o.account, o.status, \
            COALESCE(o.detail, '') AS detail, \
            (SELECT COUNT(*) FROM event e WHERE e.message_id = o.id AND e.type = 'message.uncertain') AS uncertain, \
            (SELECT COUNT(*) FROM event e WHERE e.message_id = o.id AND e.type = 'message.sent') AS sent \
            FROM outbox o JOIN message m ON m.id = o.id WHERE o.account = 'mail'";
        let mut sent: Vec<SentRow> = rows(&self.hub.home.fresh.place, sql).await;
        sent.iter_mut()
            .for_each(|row| row.internet_message_id = row.internet_message_id.trim_matches(['<', '>']).to_owned());
        let until = Instant::now() + FINISH_MAX;
        let mut record = ServerRecord::read(&post.peer, &post.log, &post.people);
        while !record.is_at_rest(&sent) {
            assert!(Instant::now() < until, "the server does not deliver what it took");
            tokio::time::sleep(Duration::from_millis(200)).await;
            record = ServerRecord::read(&post.peer, &post.log, &post.people);
        }
        assert_eq!(record.strangers(&sent), 0, "mails that no row of the outbox stands for");
        let fates = Fates::of("mail", &sent, &record);
        fates.check("mail");
        assert_eq!(fates.waiting, 0, "the server files, and some are not settled: {fates:?}");
        let mut lines = vec![("**mail, the server files**", String::new())];
        lines.extend(fates.lines());
        lines
    }
}

impl Post {
    fn mail(&self, n: usize) -> Vec<u8> {
        let from = &self.people[n % self.people.len()];
        format!(
            "From: Person <{from}>\r\nTo: <{}>\r\nSubject: Answer {n}\r\nMessage-ID: <in-{n}-{from}>\r\n\
             Date: Mon, 2 Mar 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             Answer {n} by mail\r\n",
            self.ours
        )
        .into_bytes()
    }
}

fn section_of(which: Which) -> &'static str {
    match which {
        Which::Slack => "**Slack**",
        Which::Twilio => "**Twilio**",
        Which::Telnyx => "**Telnyx, whose records say nothing for an hour**",
    }
}

async fn made(fresh: stores::Fresh, measure: Measure) -> Proof {
    let post = peers::mail().map(|peer| Post {
        ours: fresh_user("filed-brand"),
        people: (0..PEOPLE).map(|_| fresh_user("person")).collect(),
        log: SubmissionLog::from_now(&peer),
        peer,
    });
    let mailbox = post.as_ref().map(|post| Mailbox { peer: &post.peer, address: &post.ours });
    // Where there is no mail, another number stands for it.
    let which =
        if post.is_some() { &[Which::Slack, Which::Twilio][..] } else { &[Which::Slack, Which::Telnyx, Which::Twilio] };
    let hub = Hub::new(fresh, which, mailbox).await;
    for (n, house) in hub.houses.iter().enumerate() {
        house.pause(ANSWER);
        house.tempt(Luck { lost: measure.lost, seed: measure.seed + n as u64, limit_every: 400 });
    }
    Proof { hub, post, measure, allowed: AtomicUsize::default(), over: AtomicBool::default() }
}

fn prove(fresh: impl Future<Output = Option<stores::Fresh>>, measure: Measure) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(fresh) = runtime.block_on(fresh) else { return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    let database = fresh.name;
    let proof = runtime.block_on(made(fresh, measure));
    let mut daemon = proof.hub.home.start();
    proof.hub.home.await_up(&mut daemon);
    proof.hub.meet(PEOPLE);
    for (n, address) in proof.post.iter().flat_map(|post| post.people.iter().enumerate()) {
        proof
            .hub
            .ask("/v1/influencers", &json!({ "handle": format!("mail{n}"), "first_name": "Ana", "emails": [address] }));
    }
    let began = Instant::now();
    let (asked, mut daemon, all, most) = std::thread::scope(|scope| {
        let over = Over(&proof.over);
        let asking: Vec<_> = proof.accounts().into_iter().map(|name| (name, scope.spawn(|| proof.ask(name)))).collect();
        proof.hub.houses.iter().for_each(|house| drop(scope.spawn(|| proof.tell(house))));
        proof.post.iter().for_each(|post| drop(scope.spawn(|| proof.deliver(post))));
        let (mut daemon, all, most) = proof.kill_over_and_over(&runtime, daemon);
        let asked: BTreeMap<_, _> =
            asking.into_iter().map(|(name, asking)| (name, asking.join().expect("messages go out"))).collect();
        proof.hub.home.await_up(&mut daemon);
        // What a socket brought that was never told is found by the walk that follows the next one.
        proof.hub.houses.iter().for_each(|house| assert!(house.cut() || house.which() != Which::Slack));
        runtime.block_on(proof.await_finish(&mut daemon));
        drop(over);
        (asked, daemon, all, most)
    });
    let (rows, hopeless) = runtime.block_on(async { (proof.rows().await, proof.hopeless().await) });
    let mut lines = vec![
        ("kills (SIGKILL)", measure.kills.to_string()),
        ("seed", measure.seed.to_string()),
        ("answers lost beside that, of a hundred", measure.lost.to_string()),
        ("in the air at kills / at one kill, at most", format!("{all} / {most}")),
        proof.check_asked(&asked, &rows),
    ];
    lines.extend(runtime.block_on(proof.check_inbound()));
    for house in &proof.hub.houses {
        lines.extend(proof.check_house(house, &rows, &hopeless));
    }
    if let Some(post) = &proof.post {
        lines.extend(runtime.block_on(proof.check_mail(post)));
    }
    assert!(daemon.ended().is_none());
    lines.push(("seconds", began.elapsed().as_secs().to_string()));
    print_table(&format!("kills beside channels on {database}"), &lines);
}

async fn sqlite() -> Option<stores::Fresh> {
    Some(stores::sqlite().await)
}

const SHORT: Measure = Measure { kills: 4, sends: 24, inbound: 24, lost: 10, seed: 1 };

#[test]
fn kills_lose_and_repeat_nothing_on_any_channel_on_sqlite() {
    prove(sqlite(), SHORT);
}

#[test]
fn kills_lose_and_repeat_nothing_on_any_channel_on_postgres() {
    prove(stores::postgres(), SHORT);
}

#[test]
#[ignore = "runs for many minutes: tests/prove texted"]
fn many_kills() {
    let measure = Measure {
        kills: parameter("KILLS", 200),
        sends: parameter("SENDS", 1_000),
        inbound: parameter("INBOUND", 1_000),
        lost: parameter("LOST", 10) as u64,
        seed: parameter("SEED", 1) as u64,
    };
    match std::env::var("LIAISON_PROVE_DATABASE").as_deref() {
        Ok("postgres") => prove(stores::postgres(), measure),
        Ok("sqlite") | Err(_) => prove(sqlite(), measure),
        Ok(other) => panic!("LIAISON_PROVE_DATABASE={other}: sqlite or postgres"),
    }
}
