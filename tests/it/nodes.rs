//! Three nodes on one PostgreSQL database, of which one after another is killed or made to stand still for twice its lease, while
//! mails come in and go out: nothing is lost, stored twice or sent twice, a mailbox is taken over when its lease is over, and who
//! follows the events through all of it, from one node to the next, misses none.
//!
//! A short share with a short lease runs with all tests; the whole is `tests/prove nodes`.

mod named;
mod still;
mod watch;

use crate::daemon::{Answer, Daemon, Installation, OurAccount};
use crate::kills::{next_random, parameter};
use crate::ledger::{self, Fates, ServerRecord, count, outbox, rows};
use crate::mail_record::SubmissionLog;
use crate::peers::{self, MailPeer, fresh_user};
use crate::stores;
use liaison::store::Place;
use serde_json::json;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use watch::{Refused, Written};

const NODES: usize = 3;
/// Between two deaths, milliseconds.
const PAUSE_MS: (u64, u64) = (200, 3_000);
/// From the moment mail comes until its reader stands still, milliseconds.
const READING_MS: (u64, u64) = (20, 600);
/// A reader of events that hears nothing for so long goes to the next node.
const SILENCE: Duration = Duration::from_secs(5);
const FINISH_MAX: Duration = Duration::from_mins(20);
const INFLUENCERS: usize = 100;
/// Until something comes that must.
const PATIENCE: Duration = Duration::from_mins(3);
/// No node stands still.
const NOBODY: usize = usize::MAX;

#[derive(Clone, Copy)]
struct Measure {
    deaths: usize,
    sends: usize,
    inbound: usize,
    seed: u64,
    /// Seconds of the lease under which a mailbox is read.
    lease: u64,
    /// Of so many deaths one is a standing still; the others are kills.
    still_every: usize,
}

impl Measure {
    fn is_still(&self, death: usize) -> bool {
        death % self.still_every == self.still_every / 2
    }
}

struct Proof {
    nodes: Vec<Installation>,
    peer: MailPeer,
    accounts: Vec<OurAccount>,
    people: Vec<String>,
    measure: Measure,
    /// How much of it all may have been offered by now, of a thousand.
    allowed: AtomicUsize,
    /// The node that stands still.
    still: AtomicUsize,
    over: AtomicBool,
    /// Seconds from the moment a node stood still until all that it held was another's.
    takeovers: Mutex<Vec<f64>>,
    /// Which node each run was.
    ran: Mutex<HashMap<String, usize>>,
}

/// Sets the flag when it goes, be it by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Proof {
    async fn new(peer: MailPeer, fresh: stores::Fresh, measure: Measure) -> Self {
        let smtp = format!("smtp://localhost:{}", peer.submission);
        let account =
            |name, prefix, sent_copy| OurAccount { name, address: fresh_user(prefix), smtp: smtp.clone(), sent_copy };
        let accounts = vec![account("hub", "brand", "hub"), account("server", "filed-brand", "server")];
        let people = (0..INFLUENCERS).map(|_| fresh_user("person")).collect();
        let mut nodes = vec![Installation::new(fresh, &peer, &accounts).await];
        for _ in 1..NODES {
            nodes.push(nodes[0].beside());
        }
        watch::watch(&nodes[0].fresh.place).await;
        let state = "state_dir = \"state\"\n";
        for (n, node) in nodes.iter().enumerate() {
            let Place::Postgres { url, .. } = &node.fresh.place else { panic!("PostgreSQL") };
            let named = format!("\"{url}?application_name={}\"", watch::name_of(n));
            let lease = format!("{state}lease_seconds = {}\n", measure.lease);
            node.rewrite(|config| config.replace(&format!("\"{url}\""), &named).replace(state, &lease));
        }
        Self {
            nodes,
            peer,
            accounts,
            people,
            measure,
            allowed: AtomicUsize::new(0),
            still: AtomicUsize::new(NOBODY),
            over: AtomicBool::new(false),
            takeovers: Mutex::default(),
            ran: Mutex::default(),
        }
    }

    /// Remembers which node the present run of each is.
    fn note_runs(&self) {
        let mut ran = self.ran.lock().unwrap();
        ran.extend(self.nodes.iter().enumerate().map(|(n, node)| (node.run(), n)).filter(|(run, _)| !run.is_empty()));
    }

    fn share(&self, of: usize) -> usize {
        (of * self.allowed.load(Ordering::SeqCst)).div_ceil(1_000).min(of)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn feed_mailboxes(&self) {
        let mut offered = 0;
        while offered < self.measure.inbound && !self.is_over() {
            let allowed = self.share(self.measure.inbound);
            for (which, account) in self.accounts.iter().enumerate() {
                let share = (offered..allowed).filter(|n| n % self.accounts.len() == which);
                let mails: Vec<String> = share
                    .map(|n| {
                        format!(
                            "From: Person <{}>\r\nTo: <{}>\r\nSubject: Offer {n}\r\nMessage-ID: <in-{n}@example.test>\r\n\
                             Date: Mon, 2 Mar 2026 09:00:00 +0000\r\n\r\nHello, this is mail {n}.\r\n",
                            self.people[n % self.people.len()],
                            account.address
                        )
                    })
                    .collect();
                if !mails.is_empty() {
                    self.peer.deliver_all(mails.iter().map(String::as_bytes), &account.address);
                }
            }
            offered = allowed;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks the nodes in turn; the subjects of those that one said it took, and of those to which no answer came.
    fn feed_outbox(&self) -> (HashSet<String>, HashSet<String>) {
        let (mut taken, mut unanswered) = (HashSet::new(), HashSet::new());
        let mut n = 0;
        while taken.len() < self.measure.sends && !self.is_over() {
            n += 1;
            if taken.len() >= self.share(self.measure.sends) || self.still.load(Ordering::SeqCst) == n % NODES {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            let subject = format!("Message {n}");
            let order = json!({
                "account": self.accounts[n % self.accounts.len()].name,
                "to": [{"name": "Person", "address": self.people[n % self.people.len()]}],
                "subject": subject,
                "text": format!("{subject}: would you like to try the new shoes?\n")
            });
            match self.nodes[n % NODES].call("POST", "/v1/messages", Some(&order)) {
                Answer::NobodyThere => {}
                Answer::Said(202, _) => {
                    taken.insert(subject);
                }
                Answer::Said(500..=599, _) | Answer::Lost => {
                    unanswered.insert(subject);
                }
                Answer::Said(status, said) => panic!("{subject}: {status} {said}"),
            }
        }
        (taken, unanswered)
    }

    /// Follows the events from node to node until told to stop and everything up to `last` was heard; their numbers as they came.
    fn follow(&self, first: usize, last: &AtomicUsize) -> (Vec<i64>, usize) {
        let (mut heard, mut node, mut connections) = (Vec::new(), first, 0);
        while !self.is_over() {
            let seen = heard.last().copied().unwrap_or(0);
            if usize::try_from(seen).unwrap() >= last.load(Ordering::SeqCst) {
                break;
            }
            node = (node + 1) % NODES;
            let Some(stream) =
                self.nodes[node].open("/v1/events/stream", &format!("Last-Event-ID: {seen}\r\n"), SILENCE)
            else {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            connections += 1;
            let (mut stream, mut line, mut id) = (BufReader::new(stream), String::new(), None);
            // A line that was cut short is none, and an event counts once its last line, which is empty, is there.
            while stream.read_line(&mut line).is_ok() && line.ends_with('\n') {
                if let Some(said) = line.strip_prefix("id:") {
                    id = Some(said.trim().parse::<i64>().unwrap());
                } else if line.trim().is_empty() {
                    heard.extend(id.take());
                }
                line.clear();
                let is_all = heard.last().is_some_and(|n| *n as usize >= last.load(Ordering::SeqCst));
                if is_all || self.still.load(Ordering::SeqCst) == node {
                    break;
                }
            }
        }
        (heard, connections)
    }

    /// A node that reads a mailbox: only from such a one is there anything to take over. After a kill there may be none at first.
    async fn await_reader(&self) -> usize {
        let until = Instant::now() + PATIENCE;
        loop {
            let holders: Vec<(String,)> = rows(
                &self.nodes[0].fresh.place,
                "SELECT holder::text FROM lease WHERE name LIKE 'poll:%' AND holder IS NOT NULL \
                 AND until >= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
            )
            .await;
            let holds = |n: &usize| holders.iter().any(|(h,)| *h == self.nodes[*n].run());
            if let Some(node) = (0..NODES).find(holds) {
                return node;
            }
            assert!(Instant::now() < until, "nobody reads a mailbox: {holders:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Seconds until all that a node held when it stood still was taken over by others, by the database's clock; none where it
    /// held nothing.
    async fn await_takeover(&self, node: usize, daemon: &Daemon) -> Option<f64> {
        let place = &self.nodes[0].fresh.place;
        let run = self.nodes[node].run();
        // Those that every node asks for all the time; events are numbered only where there are new ones. A lease that has run
        // out is nobody's, though its last holder is still named.
        let leases = "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) \
            SELECT name, CASE WHEN until >= now THEN COALESCE(holder::text, '') ELSE '' END, fence, COALESCE(taken_at, 0), now \
            FROM lease, clock WHERE name LIKE 'poll:%'";
        daemon.signal("-STOP");
        let began: Vec<(String, String, i64, i64, i64)> = rows(place, leases).await;
        let held: HashMap<String, i64> = began.iter().filter(|l| l.1 == run).map(|l| (l.0.clone(), l.2)).collect();
        if held.is_empty() {
            // It lost what it read, or was one that had only just died.
            daemon.signal("-CONT");
            return None;
        }
        let stood_at = began.first()?.4;
        let began_at = Instant::now();
        let mut last = 0;
        let mut left = held.len();
        while left > 0 || began_at.elapsed() < Duration::from_secs(self.measure.lease * 2) {
            assert!(began_at.elapsed() < PATIENCE, "of {held:?} some were never taken over");
            let now: Vec<(String, String, i64, i64, i64)> = rows(place, leases).await;
            let over: Vec<_> = now.iter().filter(|l| held.get(&l.0).is_some_and(|f| l.2 > *f)).collect();
            if left > 0 && over.len() == held.len() {
                last = over.iter().map(|l| l.3).max().unwrap_or(0);
                left = 0;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        daemon.signal("-CONT");
        Some((last - stood_at) as f64 / 1e6)
    }

    /// Has one that reads a mailbox stand still until all that it held is another's: how many seconds that took.
    async fn await_still(&self, daemons: &[Option<Daemon>], random: &mut u64) -> f64 {
        loop {
            let node = self.await_reader().await;
            // While it has mail in hand, as often as not.
            let pause = READING_MS.0 + next_random(random) % (READING_MS.1 - READING_MS.0);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.still.store(node, Ordering::SeqCst);
            let took = self.await_takeover(node, daemons[node].as_ref().unwrap()).await;
            self.still.store(NOBODY, Ordering::SeqCst);
            if let Some(took) = took {
                return took;
            }
        }
    }

    fn let_die(&self, runtime: &tokio::runtime::Runtime, daemons: &mut [Option<Daemon>]) {
        let mut random = self.measure.seed;
        for death in 1..=self.measure.deaths {
            self.allowed.store(1_000 * death / self.measure.deaths, Ordering::SeqCst);
            if self.measure.is_still(death) {
                let took = runtime.block_on(self.await_still(daemons, &mut random));
                self.takeovers.lock().unwrap().push(took);
            } else {
                let pause = PAUSE_MS.0 + next_random(&mut random) % (PAUSE_MS.1 - PAUSE_MS.0);
                std::thread::sleep(Duration::from_millis(pause));
                let node = (next_random(&mut random) % NODES as u64) as usize;
                self.note_runs();
                daemons[node].take().unwrap().kill();
                std::thread::sleep(Duration::from_millis(next_random(&mut random) % 1_000));
                daemons[node] = Some(self.nodes[node].start());
            }
            for (n, daemon) in daemons.iter_mut().enumerate() {
                let ended = daemon.as_mut().unwrap().ended();
                assert!(ended.is_none(), "node {n} ended by itself ({ended:?}):\n{}", self.nodes[n].last_words());
            }
        }
        self.allowed.store(1_000, Ordering::SeqCst);
    }

    async fn await_finish(&self, log: &SubmissionLog) {
        let until = Instant::now() + FINISH_MAX;
        let place = &self.nodes[0].fresh.place;
        loop {
            let stored = count(place, "SELECT COUNT(*) FROM message WHERE direction = 'inbound'").await;
            let moving = "SELECT COUNT(*) FROM outbox WHERE status NOT IN ('confirmed', 'uncertain') \
                OR (status = 'uncertain' AND account = 'server')";
            let moving = count(place, moving).await;
            let unnumbered = count(place, "SELECT COUNT(*) FROM event WHERE seq IS NULL").await;
            if usize::try_from(stored).unwrap() >= self.measure.inbound && moving == 0 && unnumbered == 0 {
                let sent = outbox(place).await;
                if ServerRecord::read(&self.peer, log, &self.people).is_at_rest(&sent) {
                    return;
                }
            }
            let words = self.nodes[0].last_words();
            assert!(Instant::now() < until, "not finished: {stored} stored, {moving} on their way\n{words}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

fn prove(measure: Measure) {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(fresh) = runtime.block_on(stores::postgres()) else {
        return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
    };
    let proof = runtime.block_on(Proof::new(peer, fresh, measure));
    let log = SubmissionLog::from_now(&proof.peer);
    let mut daemons: Vec<Option<Daemon>> = Vec::new();
    // The first makes the installation; the others see that it lives and join.
    for node in &proof.nodes {
        let mut daemon = node.start();
        node.await_up(&mut daemon);
        daemons.push(Some(daemon));
    }
    for (n, address) in proof.people.iter().enumerate() {
        let order = json!({"handle": format!("@person{n}"), "first_name": "Person", "emails": [address]});
        let answer = proof.nodes[0].call("POST", "/v1/influencers", Some(&order));
        assert!(matches!(answer, Answer::Said(200..=299, _)), "{answer:?}");
    }
    let began = Instant::now();
    let last = AtomicUsize::new(usize::MAX);
    let place = proof.nodes[0].fresh.place.clone();
    let (heard, (taken, unanswered)) = std::thread::scope(|scope| {
        let _over = Over(&proof.over);
        let readers: Vec<_> = (0..2)
            .map(|n| {
                scope.spawn({
                    let (proof, last) = (&proof, &last);
                    move || proof.follow(n, last)
                })
            })
            .collect();
        let mailboxes = scope.spawn(|| proof.feed_mailboxes());
        let requests = scope.spawn(|| proof.feed_outbox());
        proof.let_die(&runtime, &mut daemons);
        mailboxes.join().expect("mails come in");
        let asked = requests.join().expect("messages go out");
        runtime.block_on(proof.await_finish(&log));
        let newest = runtime.block_on(count(&place, "SELECT COALESCE(MAX(seq), 0) FROM event"));
        last.store(usize::try_from(newest).unwrap(), Ordering::SeqCst);
        let heard: Vec<_> = readers.into_iter().map(|r| r.join().expect("a reader")).collect();
        (heard, asked)
    });
    let seconds = began.elapsed().as_secs();
    let newest = last.load(Ordering::SeqCst) as i64;
    let events: Vec<(i64,)> = runtime.block_on(rows(&place, "SELECT seq FROM event ORDER BY seq"));
    let events: BTreeSet<i64> = events.into_iter().map(|(n,)| n).filter(|n| *n <= newest).collect();
    let sent = runtime.block_on(outbox(&place));
    let record = ServerRecord::read(&proof.peer, &log, &proof.people);
    let stored: Vec<(String, i64)> = runtime.block_on(rows(
        &place,
        "SELECT COALESCE(internet_message_id, ''), COUNT(*) FROM message WHERE direction = 'inbound' GROUP BY 1",
    ));
    let twice_in = stored.iter().filter(|(_, n)| *n != 1).count();
    let lost_in = measure.inbound.saturating_sub(stored.len());
    let forgotten = taken.iter().filter(|s| !sent.iter().any(|row| row.subject == **s)).count();
    let stills = (1..=measure.deaths).filter(|d| measure.is_still(*d)).count();
    proof.note_runs();
    let written = runtime.block_on(Written::read(&place, &proof.ran.lock().unwrap()));
    let refused = Refused::read(&proof.nodes);
    let takeovers = proof.takeovers.lock().unwrap().clone();
    let missed: Vec<usize> =
        heard.iter().map(|(h, _)| events.difference(&h.iter().copied().collect()).count()).collect();
    let mut lines = vec![
        ("deaths: SIGKILL / SIGSTOP for twice the lease", format!("{} / {stills}", measure.deaths - stills)),
        ("seed", measure.seed.to_string()),
        ("mails in, offered / stored", format!("{} / {}", measure.inbound, stored.len())),
        ("lost / stored twice", format!("{lost_in} / {twice_in}")),
        ("requests taken / unanswered", format!("{} / {}", taken.len(), unanswered.len())),
        ("taken and forgotten", forgotten.to_string()),
        ("events / streams opened", format!("{} / {}", events.len(), heard.iter().map(|h| h.1).sum::<usize>())),
        ("missed by readers of events", format!("{missed:?}")),
        ("lease, seconds", measure.lease.to_string()),
        ("takeovers of one that stood still, seconds", format!("{takeovers:.1?}")),
        ("writes under a lease", written.all.to_string()),
        ("**by a node whose lease it was not**", written.stale.len().to_string()),
        ("refused: writes and renewals of who reads", format!("{} / {}", refused.reading, refused.renewals)),
        ("refused: hand-overs, outcomes of who sends", format!("{} / {}", refused.hand_overs, refused.outcomes)),
    ];
    for account in &proof.accounts {
        let fates = Fates::of(account.name, &sent, &record);
        lines.push(if account.name == "hub" {
            ("**the hub files**", String::new())
        } else {
            ("**the server files**", String::new())
        });
        lines.extend(fates.lines());
    }
    lines.push(("seconds", seconds.to_string()));
    ledger::print_table("nodes", &lines);
    for account in &proof.accounts {
        Fates::of(account.name, &sent, &record).check(account.name);
    }
    assert_eq!((lost_in, twice_in, forgotten, record.strangers(&sent)), (0, 0, 0, 0));
    assert!(written.all > measure.inbound, "the database saw {written:?}");
    assert!(written.stale.is_empty(), "written by a node that had lost its lease: {:?}", written.stale);
    assert!(missed.iter().all(|n| *n == 0), "events that a reader missed: {missed:?}");
    assert!(heard.iter().all(|(h, _)| h.windows(2).all(|w| w[0] < w[1])), "each once and in order");
    assert_eq!(takeovers.len(), stills, "each that stood still held something");
}

#[test]
fn deaths_of_nodes_lose_nothing_and_repeat_nothing() {
    prove(Measure { deaths: 6, sends: 200, inbound: 200, seed: 1, lease: 6, still_every: 3 });
}

#[test]
#[ignore = "runs for hours: tests/prove nodes"]
fn many_deaths_of_nodes() {
    prove(Measure {
        deaths: parameter("DEATHS", 200),
        sends: parameter("SENDS", 20_000),
        inbound: parameter("INBOUND", 20_000),
        seed: parameter("SEED", 1) as u64,
        lease: parameter("LEASE", 60) as u64,
        still_every: 6,
    });
}
