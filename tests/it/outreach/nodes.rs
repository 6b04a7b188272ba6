//! Several nodes on one PostgreSQL database: processes of their own, of which one is killed and one stands still for longer than
//! its lease. Each step is done once, by the record of the server that takes the mail and by what the database saw written.
//!
//! A short share runs with all tests; the whole is `tests/prove workers`.

use super::world::{World, definition, email, house};
use crate::kills::parameter;
use crate::ledger::{count, print_table, rows};
use crate::{peers, stores};
use futures_util::future::BoxFuture;
use liaison::clock::Clock;
use liaison::connector::{Offer, OfferError, Outgoing, Reply, SendOutcome, Sender};
use liaison::domain::ids::{MessageId, RunId};
use liaison::hub::outreach::house::Desk;
use liaison::hub::settle::{Settlement, settle_by_person};
use liaison::lifecycle;
use liaison::outbound::dispatcher::Dispatcher;
use liaison::outbound::reconcile::Reconciler;
use liaison::outbound::{SendingSettings, Tools, Watermark};
use liaison::sequence::Cadence;
use liaison::store::{Place, Store};
use liaison::worker::{Stop, Wakes};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Seconds of a lease on mail.
const LEASE: u32 = 3;
/// Loops that look at runs, and sessions that send, in each process.
const WORKERS: usize = 4;
/// Rows that a process has in hand and has not handed over, when it is killed or made to stand still.
const FULL: i64 = 8;
/// How long the server takes over a message: before it keeps it, and again before it answers.
const SERVER: Duration = Duration::from_millis(2);
/// The longest wait for what is left.
const FINISH_MAX: Duration = Duration::from_mins(20);

/// A session with a server that takes everything and writes down what it took, in one write each.
struct Sink(Arc<File>);

impl Sink {
    fn note(&self, what: &str) {
        (&*self.0).write_all(format!("{what}\n").as_bytes()).unwrap();
    }
}

fn message_id(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let line = text.lines().find(|l| l.to_ascii_lowercase().starts_with("message-id:")).expect("a Message-ID");
    line["message-id:".len()..].trim().trim_matches(['<', '>']).to_owned()
}

impl Sender for Sink {
    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        Box::pin(async move { Ok(Offer::Ready { refused: vec![None; mail.recipients.len()] }) })
    }

    fn hand_over<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            tokio::time::sleep(SERVER).await;
            self.note(&format!("took {}", message_id(&mail.content)));
            tokio::time::sleep(SERVER).await;
            SendOutcome::Accepted { reply: Reply { code: 250, enhanced: None, text: "taken".to_owned() }, id: None }
        })
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        self.note("withdrawn");
        Box::pin(async {})
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// A process of the proofs below, never run by itself: plans and sends until it is killed.
#[test]
#[ignore = "a node of the proofs beside it, in a process of its own"]
fn node() {
    let (Ok(url), Ok(record)) = (std::env::var("LIAISON_NODE_DATABASE"), std::env::var("LIAISON_NODE_RECORD")) else {
        return;
    };
    let run = RunId(std::env::var("LIAISON_NODE_RUN").unwrap().parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    runtime.block_on(async move {
        let store = Store::open(&Place::Postgres { url, password: None, idle_max: stores::IDLE_MAX }).await.unwrap();
        let (clock, desk, wakes) = (Clock::machine(), Desk::new(house()), Wakes::default());
        let stop = lifecycle::Stop::new();
        for _ in 0..WORKERS {
            let cadence = Cadence { store: store.clone(), clock: clock.clone(), desk: desk.clone() };
            tokio::spawn(cadence.run(wakes.clone(), stop.clone()));
        }
        let tools = Tools { store, clock, run, desk, watermark: Watermark::none() };
        let settings = SendingSettings {
            sessions: WORKERS,
            lease_seconds: LEASE,
            poll: Duration::from_millis(200),
            ..SendingSettings::new("brand")
        };
        let sink = Arc::new(File::options().append(true).create(true).open(record).unwrap());
        let senders: liaison::outbound::SenderFactory =
            Arc::new(move || Box::new(Sink(Arc::clone(&sink))) as Box<dyn Sender>);
        tokio::spawn(Reconciler::new(tools.clone(), settings.clone(), None, wakes.of("brand")).run(Stop::default()));
        Dispatcher::new(tools, settings, senders, wakes.of("brand")).run(Stop::default()).await.unwrap();
    });
}

/// A node that runs. Killed, by its id, when dropped.
struct Node {
    child: Child,
    run: Uuid,
}

impl Node {
    fn start(url: &str, record: &Path) -> Self {
        let run = Uuid::now_v7();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["outreach::nodes::node", "--exact", "--ignored", "--nocapture"])
            // So that the database can tell who writes.
            .env("LIAISON_NODE_DATABASE", format!("{url}?application_name={run}"))
            .env("LIAISON_NODE_RECORD", record)
            .env("LIAISON_NODE_RUN", run.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, run }
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success(), "kill {name}");
    }

    fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn kill(mut self) -> Uuid {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.run
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// What the database writes down of every change of a row of the outbox: who made it, and who held the row.
const WATCH: [&str; 3] = [
    "CREATE TABLE seen (n BIGSERIAL, at BIGINT, writer TEXT, id UUID, was TEXT, becomes TEXT, holder TEXT, until BIGINT)",
    "CREATE FUNCTION see() RETURNS trigger AS $$ BEGIN INSERT INTO seen (at, writer, id, was, becomes, holder, until) VALUES \
     ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, current_setting('application_name'), OLD.id, OLD.status, NEW.status, \
      OLD.lease_holder::text, OLD.lease_until); RETURN NULL; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER see AFTER UPDATE ON outbox FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION see()",
];

/// People with an address each.
const PEOPLE: [&str; 2] = [
    "INSERT INTO influencer (id, handle, handle_key, first_name, last_name, stage, stage_at, properties, created_at, updated_at) \
     SELECT lpad(to_hex(n), 32, '0')::uuid, '@p' || n, 'p' || n, 'Ana', 'Runs', 'prospect', 0, '{}', 0, 0 FROM generate_series(1, $1) n",
    "INSERT INTO address (id, channel, value, value_key, influencer_id, is_primary, created_at) \
     SELECT lpad(to_hex(n), 32, '0')::uuid, 'email', 'p' || n || '@example.org', 'p' || n || '@example.org', lpad(to_hex(n), 32, '0')::uuid, \
     TRUE, 0 FROM generate_series(1, $1) n",
];

struct Proof {
    world: World,
    url: String,
    due: i64,
    record: PathBuf,
    _dir: tempfile::TempDir,
}

impl Proof {
    async fn new(fresh: stores::Fresh, due: usize) -> Self {
        let Place::Postgres { url, .. } = fresh.place.clone() else { unreachable!() };
        let mut world = World::new(fresh, house());
        world.clock = Clock::machine();
        world.accounts().await;
        let mut sequence = definition("spring", vec![email("intro", None, "intro.md")]);
        sequence.schedule.days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(str::to_owned).to_vec();
        sequence.schedule.hours = vec!["00:00-24:00".to_owned()];
        world.publish(vec![sequence]).await;
        let due = i64::try_from(due).unwrap();
        let stores::Raw::Postgres(mut raw) = stores::raw_connection(&world.fresh.place).await else { unreachable!() };
        for sql in PEOPLE {
            sqlx::query(sql).bind(due).execute(&mut raw).await.unwrap();
        }
        // A node that stands still in a transaction holds its locks until the server ends it: here sooner than usual.
        let (_, name) = url.rsplit_once('/').unwrap();
        let idle = format!("ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '2s'");
        sqlx::query(sqlx::AssertSqlSafe(idle)).execute(&mut raw).await.unwrap();
        for sql in WATCH {
            sqlx::query(sql).execute(&mut raw).await.unwrap();
        }
        let people: Vec<_> =
            (1..=due).map(|n| liaison::domain::ids::InfluencerId(Uuid::from_u128(n as u128))).collect();
        for piece in people.chunks(1_000) {
            assert!(world.enroll("spring", piece).await.iter().all(Result::is_ok));
        }
        let dir = tempfile::tempdir().unwrap();
        Self { world, url, due, record: dir.path().join("record"), _dir: dir }
    }

    fn node(&self) -> Node {
        Node::start(&self.url, &self.record)
    }

    async fn count(&self, sql: &'static str) -> i64 {
        count(&self.world.fresh.place, sql).await
    }

    /// Until a share of all is sent, while these are alive.
    async fn until_sent(&self, hundredths: i64, nodes: &mut [&mut Node]) {
        let until = Instant::now() + FINISH_MAX;
        while self.count("SELECT COUNT(*) FROM outbox WHERE status = 'confirmed'").await * 100 < self.due * hundredths {
            assert!(nodes.iter_mut().all(|n| n.is_alive()), "a node ended by itself");
            assert!(Instant::now() < until, "never sent: {hundredths} of 100");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes a process stand still at a moment when its hands are full; how many rows it has in hand.
    async fn stand_still(&self, node: &Node) -> i64 {
        let until = Instant::now() + FINISH_MAX;
        loop {
            node.signal("-STOP");
            let claimed: Vec<(String, i64)> = rows(
                &self.world.fresh.place,
                "SELECT lease_holder::text, COUNT(*) FROM outbox WHERE status = 'claimed' GROUP BY lease_holder",
            )
            .await;
            let own = claimed.iter().find(|(holder, _)| *holder == node.run.to_string()).map_or(0, |(_, n)| *n);
            if own >= FULL {
                return own;
            }
            assert!(Instant::now() < until, "its hands are never full");
            node.signal("-CONT");
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    }

    /// Until nothing is left but what nobody can know; then a person says of each what the server's record says. The
    /// uncertain ones: how many, and how many of them the server has.
    async fn until_over(&self, nodes: &mut [&mut Node]) -> (usize, usize) {
        let until = Instant::now() + FINISH_MAX;
        let (mut uncertain, mut there) = (0, 0);
        loop {
            let left = "SELECT COUNT(*) FROM enrollment WHERE state <> 'finished' AND id NOT IN (SELECT enrollment_id FROM outbox WHERE status = 'uncertain')";
            if self.count(left).await == 0 {
                let ids: Vec<(MessageId, String)> = rows(
                    &self.world.fresh.place,
                    "SELECT o.id, m.internet_message_id FROM outbox o JOIN message m ON m.id = o.id WHERE o.status = 'uncertain'",
                )
                .await;
                if ids.is_empty() {
                    return (uncertain, there);
                }
                let took = self.record();
                for (id, internet_message_id) in ids {
                    let known = took.0.contains_key(internet_message_id.trim_matches(['<', '>']));
                    println!(
                        "uncertain: {internet_message_id}, {}",
                        if known { "the server has it" } else { "the server never took it" }
                    );
                    let said = if known { Settlement::Sent } else { Settlement::SendAgain };
                    let mut tx = self.world.fresh.store.begin("test").await.unwrap();
                    settle_by_person(&mut tx, &self.world.clock, id, said).await.unwrap();
                    tx.commit().await.unwrap();
                    uncertain += 1;
                    there += usize::from(known);
                }
            }
            assert!(nodes.iter_mut().all(|n| n.is_alive()), "a node ended by itself");
            assert!(Instant::now() < until, "never over");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How often the server took each message, and how many offers were taken back.
    fn record(&self) -> (HashMap<String, usize>, usize) {
        let text = std::fs::read_to_string(&self.record).unwrap();
        let mut took: HashMap<String, usize> = HashMap::new();
        for id in text.lines().filter_map(|l| l.strip_prefix("took ")) {
            *took.entry(id.to_owned()).or_default() += 1;
        }
        (took, text.lines().filter(|l| *l == "withdrawn").count())
    }
}

async fn prove(due: usize) {
    let Some(fresh) = stores::postgres().await else { return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    let proof = Proof::new(fresh, due).await;
    let began = Instant::now();
    let (mut first, mut second) = (proof.node(), proof.node());
    proof.until_sent(25, &mut [&mut first, &mut second]).await;
    let in_hand_killed = proof.stand_still(&first).await;
    let killed = first.kill().to_string();
    let mut third = proof.node();
    proof.until_sent(50, &mut [&mut second, &mut third]).await;
    let in_hand = proof.stand_still(&second).await;
    tokio::time::sleep(Duration::from_secs(u64::from(LEASE) * 2)).await;
    let stood = proof.count("SELECT COUNT(*) FROM outbox WHERE status = 'confirmed'").await;
    second.signal("-CONT");
    let (uncertain, there) = proof.until_over(&mut [&mut second, &mut third]).await;
    let seconds = began.elapsed().as_secs();
    for node in [second, third] {
        node.kill();
    }

    let steps = proof.count("SELECT COUNT(*) FROM enrollment_step WHERE state = 'sent'").await;
    let all = proof.count("SELECT COUNT(*) FROM outbox").await;
    let confirmed = proof.count("SELECT COUNT(*) FROM outbox WHERE status = 'confirmed'").await;
    let told = proof.count("SELECT COUNT(*) FROM event WHERE type = 'message.sent'").await;
    let (took, withdrawn) = proof.record();
    let double = took.values().filter(|n| **n > 1).count();
    // Only the holder writes while its lease runs; when it is over, others put the row back or mark it as uncertain.
    let taken_away = proof
        .count("SELECT COUNT(*) FROM seen WHERE was IN ('claimed', 'handed_over') AND writer <> holder AND until >= at")
        .await;
    // Whoever lost a row never writes to it again: neither that it goes out now nor what became of it. A person may (no name).
    let stale = proof
        .count(
            "SELECT COUNT(*) FROM seen WHERE (was = 'claimed' AND becomes = 'handed_over' OR was IN ('handed_over', 'uncertain') AND becomes \
             IN ('confirmed', 'deferred', 'rejected')) AND writer NOT IN (holder, '')",
        )
        .await;
    let twice = proof
        .count("SELECT COUNT(*) FROM (SELECT id FROM seen WHERE becomes = 'confirmed' GROUP BY id HAVING COUNT(*) > 1) AS t")
        .await;
    let back = proof
        .count("SELECT COUNT(*) FROM seen WHERE was = 'claimed' AND becomes = 'queued' AND writer <> holder")
        .await;
    let late = proof
        .count("SELECT COUNT(*) FROM seen WHERE was = 'uncertain' AND becomes = 'confirmed' AND writer = holder")
        .await;
    let writers: Vec<(String, i64)> = rows(
        &proof.world.fresh.place,
        "SELECT writer, COUNT(*) FROM seen WHERE becomes = 'confirmed' AND holder IS NOT NULL GROUP BY writer ORDER BY writer",
    )
    .await;
    let by_killed = writers.iter().find(|(w, _)| *w == killed).map_or(0, |(_, n)| *n);
    print_table(
        "workers on postgres",
        &[
            ("steps due", proof.due.to_string()),
            ("processes (killed / stood still / started later)", "3 (1 / 1 / 1)".to_owned()),
            ("workers in each: looking at runs, sending", format!("{WORKERS}, {WORKERS}")),
            ("sent by the process that was killed", by_killed.to_string()),
            ("in hand of the one that was killed, then", in_hand_killed.to_string()),
            ("in hand of the one that stood still, then", in_hand.to_string()),
            ("sent when it went on", stood.to_string()),
            ("steps sent", steps.to_string()),
            ("messages in the outbox / confirmed", format!("{all} / {confirmed}")),
            ("message.sent", told.to_string()),
            ("taken by the server", took.len().to_string()),
            ("taken twice", double.to_string()),
            ("rows put back whose lease had run out", back.to_string()),
            ("offers taken back before the content", withdrawn.to_string()),
            ("uncertain, settled by a person / the server had it", format!("{uncertain} / {there}")),
            ("answers of the holder after it was uncertain", late.to_string()),
            ("rows taken from a holder whose lease ran", taken_away.to_string()),
            ("stale writes", stale.to_string()),
            ("seconds", seconds.to_string()),
        ],
    );
    let due = proof.due;
    assert_eq!((steps, all, confirmed, told), (due, due, due, due), "steps, outbox, confirmed, events");
    assert_eq!((i64::try_from(took.len()).unwrap(), double), (due, 0), "taken by the server, taken twice");
    assert_eq!((taken_away, twice), (0, 0), "taken away, confirmed twice");
    assert_eq!(stale, 0, "stale writes");
    // What it had in hand was another's when it went on: each of its hand-overs was refused.
    assert!(withdrawn > 0, "no late hand-over was tried, so none was refused");
    assert!(writers.len() >= 2, "several sent: {writers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_done_once_by_several_nodes_of_which_one_dies_and_one_stands_still() {
    prove(400).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs for minutes: tests/prove workers"]
async fn many_steps_on_several_nodes() {
    prove(parameter("DUE", 10_000)).await;
}
