//! Nodes: several processes on one PostgreSQL database. How fast they claim what is due, a hundred at once, beside a plain loop that
//! skips what is locked and does nothing else; and how much more leaves with two and with four of them than with one, where the server
//! takes its time over each message.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use futures_util::future::BoxFuture;
use liaison::clock::Clock;
use liaison::connector::{Offer, OfferError, Outgoing, Reply, SendOutcome, Sender};
use liaison::domain::ids::RunId;
use liaison::hub::outreach::house::Desk;
use liaison::outbound::dispatcher::Dispatcher;
use liaison::outbound::{SendingSettings, SentCopy, Tools, Watermark};
use liaison::store::{Place, Store};
use liaison::worker::{Stop, Wake};
use serde_json::{Value, json};

use crate::Bench;
use crate::measure;
use crate::rows::{Database, Raw, database, drop_database, place};
use crate::send;

/// Rows of one claim.
const AT_ONCE: i64 = 100;
/// How long a lease runs, seconds: longer than anything here.
const LEASE: u32 = 600;
/// Nodes that send, and how much more than one of them.
const SENDING: [(usize, f64); 3] = [(1, 1.0), (2, 1.9), (4, 3.6)];
/// The longest that anything takes.
const PATIENCE: Duration = Duration::from_mins(20);

#[derive(Debug, Args)]
pub struct NodesArgs {
    /// Messages that are claimed
    #[arg(short, long, default_value_t = 20_000)]
    n: usize,
    /// Processes that claim
    #[arg(long, default_value_t = 2)]
    processes: usize,
    /// Workers of each process, and its sessions where it sends
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Messages that are sent, by however many nodes
    #[arg(long, default_value_t = 3_200)]
    sends: usize,
    /// Milliseconds after which the server answers
    #[arg(long, default_value_t = 50)]
    answer: u64,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

#[derive(Debug, Args)]
pub struct NodesPartArgs {
    what: Part,
    database: String,
    workers: usize,
    answer: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Bare,
    Claim,
    Send,
}

/// Processes that wait for a word.
struct Nodes(Vec<Child>);

impl Nodes {
    /// Starts them, and waits until each is ready.
    fn start(what: &str, database: &str, args: &NodesArgs, n: usize) -> Self {
        let start = || {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.args(["nodes-part", what, database]).args([args.workers.to_string(), args.answer.to_string()]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a node")
        };
        let mut nodes = Self((0..n).map(|_| start()).collect());
        for child in &mut nodes.0 {
            assert_eq!(line(child), "ready", "a node did not start");
        }
        nodes
    }

    fn go(&mut self) {
        for child in &mut self.0 {
            writeln!(child.stdin.as_mut().expect("stdin"), "go").expect("a node listens");
        }
    }

    /// What each says at its end, a number, summed.
    fn ended(mut self) -> i64 {
        self.0.iter_mut().map(|child| line(child).parse::<i64>().expect("a number")).sum()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended already.
            if child.kill().is_ok() {
                drop(child.wait());
            }
        }
    }
}

/// The next line that a node says; octet by octet, so that nothing of the one after it is lost.
fn line(child: &mut Child) -> String {
    let mut said = String::new();
    let mut out = BufReader::with_capacity(1, child.stdout.as_mut().expect("stdout"));
    out.read_line(&mut said).expect("a line");
    said.trim().to_owned()
}

pub fn run(bench: &Bench, args: &NodesArgs) -> Value {
    let database = bench.runtime.block_on(database(&bench.dir, Database::Postgres, "nodes"));
    bench.runtime.block_on(prepare(bench, &database, args));
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..args.runs.max(1) {
        bare.push(claims(bench, &database, "bare", args));
        ours.push(claims(bench, &database, "claim", args));
    }
    let rate = |seconds: &[f64]| measure::count(args.n) / measure::quantile(seconds, 0.5);
    let spread = |seconds: &[f64], n: usize| {
        let of = |share| measure::count(n) / measure::quantile(seconds, share);
        format!("{:.0}-{:.0}", of(1.0), of(0.0))
    };
    let mut rows = vec![
        vec!["plain loop".to_owned(), format!("{:.0}", rate(&bare)), spread(&bare, args.n), String::new()],
        vec![
            "liaison".to_owned(),
            format!("{:.0}", rate(&ours)),
            spread(&ours, args.n),
            format!("{:.2}", rate(&ours) / rate(&bare)),
        ],
    ];
    println!("{}\n", measure::table(&["claims of 100", "rows/s", "spread", "ours/plain"], &rows));
    rows.clear();
    let (mut one, mut figures) = (0.0, Vec::new());
    for (nodes, wanted) in SENDING {
        let seconds: Vec<f64> = (0..args.runs.max(1)).map(|_| sends(bench, &database, nodes, args)).collect();
        let rate = measure::count(args.sends) / measure::quantile(&seconds, 0.5);
        one = if nodes == 1 { rate } else { one };
        let more = rate / one;
        rows.push(vec![
            nodes.to_string(),
            format!("{rate:.0}"),
            spread(&seconds, args.sends),
            format!("{more:.2}"),
            format!("{wanted:.1}"),
        ]);
        figures.push(json!({"nodes": nodes, "per_second": rate, "times_one": more}));
    }
    println!("{}", measure::table(&["nodes that send", "msg/s", "spread", "times one", "wanted"], &rows));
    println!("claimed more than once: 0");
    bench.runtime.block_on(drop_database(&database));
    json!({"workload": "nodes", "messages": args.n, "claims_per_second": rate(&ours), "plain_per_second": rate(&bare),
        "ratio": rate(&ours) / rate(&bare), "sends": args.sends, "sending": figures})
}

/// Messages in an outbox of which nothing is due, and a table of the reference with the same index.
async fn prepare(bench: &Bench, database: &str, args: &NodesArgs) {
    send::fill(bench, &place(database), args.n.max(args.sends)).await;
    let mut raw = Raw::open(database).await;
    raw.run(
        "CREATE TABLE bench_queue (id UUID NOT NULL PRIMARY KEY, account TEXT NOT NULL, status TEXT NOT NULL, due_at BIGINT NOT NULL, \
         attempts BIGINT NOT NULL DEFAULT 0, lease_holder UUID, lease_until BIGINT)",
    )
    .await;
    raw.run("CREATE INDEX bench_queue_due ON bench_queue (account, due_at, id) WHERE status = 'queued'").await;
    raw.run("INSERT INTO bench_queue SELECT id, account, status, due_at FROM outbox").await;
}

/// All of it waits again, so many are due, and nothing was ever claimed.
async fn wait_again(database: &str, due: usize) {
    let mut raw = Raw::open(database).await;
    let now = Clock::machine().now().0;
    let later = now + 365 * 86_400_000_000;
    for table in ["outbox", "bench_queue"] {
        raw.run(&format!("UPDATE {table} SET status = 'queued', attempts = 0, lease_holder = NULL, lease_until = NULL, due_at = {later}"))
            .await;
        raw.run(&format!(
            "UPDATE {table} SET due_at = {now} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT {due})"
        ))
        .await;
        raw.run(&format!("VACUUM ANALYZE {table}")).await;
    }
    raw.run("UPDATE outbox SET handed_over_at = NULL, first_try_at = NULL, finished_at = NULL, filed_at = NULL").await;
    raw.run("UPDATE outbox_recipient SET state = 'pending', code = NULL, detail = NULL").await;
    raw.run("VACUUM ANALYZE").await;
}

/// Seconds until all that is due is claimed.
fn claims(bench: &Bench, database: &str, what: &str, args: &NodesArgs) -> f64 {
    bench.runtime.block_on(wait_again(database, args.n));
    let mut nodes = Nodes::start(what, database, args, args.processes);
    let began = Instant::now();
    nodes.go();
    let claimed = nodes.ended();
    let seconds = began.elapsed().as_secs_f64();
    let n = i64::try_from(args.n).expect("count");
    let table = if what == "bare" { "bench_queue" } else { "outbox" };
    let (once, twice) = bench.runtime.block_on(async {
        let mut raw = Raw::open(database).await;
        let of = |many: &str| format!("SELECT COUNT(*) FROM {table} WHERE status = 'claimed' AND attempts {many}");
        (raw.count(&of("= 1")).await, raw.count(&of("> 1")).await)
    });
    assert_eq!((claimed, once, twice), (n, n, 0), "{what}: claimed, of these once, of these more often");
    seconds
}

/// Seconds until all that is due is sent, by so many nodes.
fn sends(bench: &Bench, database: &str, nodes: usize, args: &NodesArgs) -> f64 {
    bench.runtime.block_on(wait_again(database, 0));
    let running = Nodes::start("send", database, args, nodes);
    let wanted = i64::try_from(args.sends).expect("count");
    let seconds = bench.runtime.block_on(async {
        let mut raw = Raw::open(database).await;
        let now = Clock::machine().now().0;
        raw.run(&format!(
            "UPDATE outbox SET due_at = {now} WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT {})",
            args.sends
        ))
        .await;
        let began = Instant::now();
        let mut sent = 0;
        while sent < wanted {
            assert!(began.elapsed() < PATIENCE, "{sent} of {wanted} were sent");
            tokio::time::sleep(Duration::from_millis(20)).await;
            sent = raw.count("SELECT COUNT(*) FROM outbox WHERE status = 'confirmed'").await;
        }
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(raw.count("SELECT COUNT(*) FROM outbox WHERE attempts > 1").await, 0, "claimed more than once");
        seconds
    });
    drop(running);
    seconds
}

/// A node.
pub async fn part(args: NodesPartArgs) {
    match args.what {
        Part::Bare => bare(&args).await,
        Part::Claim => claim(&args).await,
        Part::Send => send(&args).await,
    }
}

/// Says that it is ready, and waits for the word.
fn ready() {
    println!("ready");
    let mut word = String::new();
    std::io::stdin().read_line(&mut word).expect("a word");
}

async fn claim(args: &NodesPartArgs) {
    let store = Store::open(&place(&args.database)).await.expect("store");
    let clock = Clock::machine();
    let holder = RunId(clock.new_id());
    ready();
    let worker = || async {
        let mut claimed = 0;
        loop {
            let mut tx = store.begin("bench.claim").await.expect("transaction");
            let rows =
                tx.claim_due("brand", holder, clock.now(), (AT_ONCE, i64::from(LEASE))).await.expect("claimed").len();
            tx.commit().await.expect("commit");
            if rows == 0 {
                return claimed;
            }
            claimed += rows;
        }
    };
    let all = futures_util::future::join_all((0..args.workers).map(|_| worker())).await;
    println!("{}", all.into_iter().sum::<usize>());
    store.close().await;
}

/// Takes what is not locked, and does nothing else.
async fn bare(args: &NodesPartArgs) {
    let mut connections = Vec::new();
    for _ in 0..args.workers {
        connections.push(Raw::open(&args.database).await);
    }
    let holder = Clock::machine().new_id();
    ready();
    let worker = |mut raw: Raw| async move {
        let mut claimed = 0;
        loop {
            let (now, until) = (Clock::machine().now().0, Clock::machine().now().0 + i64::from(LEASE) * 1_000_000);
            let rows = raw
                .run(&format!(
                    "UPDATE bench_queue SET status = 'claimed', attempts = attempts + 1, lease_holder = '{holder}', lease_until = {until} \
                     WHERE id IN (SELECT id FROM bench_queue WHERE account = 'brand' AND status = 'queued' AND due_at <= {now} \
                     ORDER BY due_at, id LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED)"
                ))
                .await;
            if rows == 0 {
                return claimed;
            }
            claimed += rows;
        }
    };
    let all = futures_util::future::join_all(connections.into_iter().map(worker)).await;
    println!("{}", all.into_iter().sum::<u64>());
}

/// A session with a server that takes everything, after a while.
struct Slow(Duration);

impl Sender for Slow {
    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        Box::pin(async move { Ok(Offer::Ready { refused: vec![None; mail.recipients.len()] }) })
    }

    fn hand_over<'a>(&'a mut self, _: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            tokio::time::sleep(self.0).await;
            SendOutcome::Accepted { reply: Reply { code: 250, enhanced: None, text: "taken".to_owned() }, id: None }
        })
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// Sends what is due until it is killed.
async fn send(args: &NodesPartArgs) {
    let place: Place = place(&args.database);
    let store = Store::open(&place).await.expect("store");
    let clock = Clock::machine();
    let (run, answer) = (RunId(clock.new_id()), Duration::from_millis(args.answer));
    let tools = Tools { store, clock, run, desk: Desk::default(), watermark: Watermark::none() };
    let settings = SendingSettings {
        sessions: args.workers,
        lease_seconds: LEASE,
        sent_copy: SentCopy::Server,
        poll: Duration::from_millis(20),
        ..SendingSettings::new("brand")
    };
    let senders: liaison::outbound::SenderFactory = Arc::new(move || Box::new(Slow(answer)) as Box<dyn Sender>);
    println!("ready");
    Dispatcher::new(tools, settings, senders, Wake::default()).run(Stop::default()).await.expect("dispatcher");
}
