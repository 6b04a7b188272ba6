//! Opens and clicks over HTTP, 128 connections that are kept: each hit is durable before its answer, and is filed and judged beside
//! it. Beside a constant answer of the same HTTP library, in the same run, asked by the same driver; and links that nobody signed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use liaison::clock::Clock;
use liaison::config::server::Rates;
use liaison::domain::hit::Books;
use liaison::domain::ids::MessageId;
use liaison::domain::mail::Mailbox;
use liaison::domain::token::Token;
use liaison::domain::words::HitKind;
use liaison::http::limit::Limits;
use liaison::http::{PublicState, public_router};
use liaison::hub::enqueue::{self, AccountFrom, Order};
use liaison::hub::signing;
use liaison::lifecycle::Stop;
use liaison::store::Store;
use liaison::store::tracking::LinkRow;
use liaison::tracking::{Arrivals, Judge};
use serde_json::{Value, json};

use crate::Bench;
use crate::load::{self, Ask, Seen};
use crate::mailbox::OURS;
use crate::measure::{self, Cost, quantile};
use crate::rows::{Database, Raw, database, drop_database, place};

const AGENT: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

#[derive(Debug, Args)]
pub struct TrackingArgs {
    /// Requests of each run
    #[arg(short, long, default_value_t = 200_000)]
    n: usize,
    /// Connections
    #[arg(long, default_value_t = 128)]
    connections: usize,
    /// Messages the requests are spread over
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// How often each is run
    #[arg(long, default_value_t = 6)]
    runs: usize,
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    database: Database,
}

#[derive(Debug, Args)]
pub struct TrackingPartArgs {
    database: Option<String>,
}

/// A server in a process of its own.
struct Server {
    child: std::process::Child,
    address: SocketAddr,
}

impl Server {
    fn start(database: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("tracking-part").args(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("server");
        let mut line = [0; 64];
        let out = child.stdout.as_mut().expect("stdout");
        let n = out.read(&mut line).expect("address");
        let address = String::from_utf8_lossy(&line[..n]).trim().parse().expect("address");
        Self { child, address }
    }

    fn cost(&self) -> Cost {
        measure::look(self.child.id())
    }

    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("server").success());
    }
}

pub fn run(bench: &Bench, args: &TrackingArgs) -> Value {
    let place = bench.runtime.block_on(database(&bench.dir, args.database, "tracking"));
    let paths = bench.runtime.block_on(fill(&place, args.messages));
    let unknown: Vec<String> = paths
        .iter()
        .map(|p| {
            let (at, last) = if p.ends_with(".gif") { (p.len() - 5, ".gif") } else { (p.len() - 1, "") };
            let other = if p.as_bytes()[at] == b'A' { 'B' } else { 'A' };
            format!("{}{other}{last}", &p[..at])
        })
        .collect();
    let constant = Server::start(None);
    let ours = Server::start(Some(&place));
    let mut seen = Vec::new();
    for _ in 0..args.runs.max(1) {
        seen.push(load(&constant, &["/".to_owned()], args, ("axum constant", "200")));
        seen.push(load(&ours, &paths, args, ("liaison", "")));
    }
    let count = |of: &str| bench.runtime.block_on(count(&place, of));
    let (before, unfiled) = (count(HITS), count(UNFILED));
    seen.push(load(&ours, &unknown, args, ("liaison, unknown", "404")));
    let after = count(HITS);
    let judged = wait_until_judged(count);
    let (cost, reference) = (ours.cost(), constant.cost());
    ours.stop();
    constant.stop();
    let stored = count(HITS);
    println!("{}", report(&seen, (cost, reference)));
    let rates: Vec<String> = seen.iter().filter(|s| s.who == "liaison").map(|s| format!("{:.0}", s.rate)).collect();
    println!("runs of liaison, answers/s: {}", rates.join(", "));
    println!(
        "hits stored: {before} for {} answers; {} more for {} unknown links",
        args.n * args.runs.max(1),
        after - before,
        args.n
    );
    println!("not filed after the last run: {unfiled}; all are judged {judged:.0} s after the unknown links");
    bench.runtime.block_on(drop_database(&place));
    assert_eq!(
        usize::try_from(stored).expect("count"),
        args.n * args.runs.max(1),
        "a hit was answered and is not stored"
    );
    assert_eq!(after, before, "an unknown link cost a write");
    let figures: Vec<Value> =
        seen.iter().map(|s| json!({"who": s.who, "rate": s.rate, "p50_ms": s.p50, "p99_ms": s.p99})).collect();
    json!({"workload": "tracking", "requests": args.n, "connections": args.connections, "figures": figures,
        "unfiled": unfiled, "judged_after_s": judged, "cpu": cost.cpu, "peak": cost.peak})
}

/// Seconds until every hit has its verdict.
fn wait_until_judged(count: impl Fn(&str) -> i64) -> f64 {
    let began = Instant::now();
    let mut left = i64::MAX;
    loop {
        let now = count(UNJUDGED);
        if now == 0 {
            return began.elapsed().as_secs_f64();
        }
        assert!(now <= left, "hits are neither filed nor judged: {now} of {left}");
        left = now;
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn report(seen: &[Seen], (cost, reference): (Cost, Cost)) -> String {
    let mut rows = Vec::new();
    let median = |who: &str, of: fn(&Seen) -> f64| {
        quantile(&seen.iter().filter(|s| s.who == who).map(of).collect::<Vec<_>>(), 0.5)
    };
    let base = median("axum constant", |s| s.rate);
    for (who, cost) in [("liaison", Some(cost)), ("liaison, unknown", None), ("axum constant", Some(reference))] {
        let rate = median(who, |s| s.rate);
        rows.push(vec![
            who.to_owned(),
            format!("{rate:.0}"),
            format!("{:.2}", rate / base),
            format!("{:.1}", median(who, |s| s.p50)),
            format!("{:.1}", median(who, |s| s.p99)),
            cost.map_or_else(String::new, |c| format!("{:.1}", c.cpu)),
            cost.map_or_else(String::new, |c| {
                format!("{:.0}", measure::count(usize::try_from(c.peak).unwrap_or(0)) / 1e6)
            }),
        ]);
    }
    measure::table(&["", "answers/s (median)", "ratio", "p50 ms", "p99 ms", "CPU s, all runs", "peak MB"], &rows)
}

/// Asks for these paths, and is answered as the path says: a pixel is there, a link leads on.
fn load(server: &Server, paths: &[String], args: &TrackingArgs, (who, status): (&'static str, &'static str)) -> Seen {
    let asks = paths.iter().map(|path| Ask {
        head: format!("GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: {AGENT}\r\n\r\n"),
        status: if !status.is_empty() {
            status
        } else if path.ends_with(".gif") {
            "200"
        } else {
            "302"
        },
    });
    load::load(server.address, asks.collect(), (args.n, args.connections), who)
}

/// Messages with two links each; the paths of their pixels and links in turn.
async fn fill(database: &str, n: usize) -> Vec<String> {
    let store = Store::open(&place(database)).await.expect("store");
    let clock = Clock::machine();
    let mut tx = store.begin("bench.account").await.expect("transaction");
    tx.ensure_account("brand", "imap", OURS, clock.now()).await.expect("account");
    let keys = signing::keys(&mut tx, &clock).await.expect("keys");
    tx.commit().await.expect("commit");
    let mut paths = Vec::new();
    for piece in (0..n).collect::<Vec<_>>().chunks(500) {
        let mut tx = store.begin("bench.enqueue").await.expect("transaction");
        for number in piece {
            let id = enqueue::enqueue(&mut tx, &clock, order(*number, &clock)).await.expect("enqueued").id;
            let link = |n| LinkRow { message_id: id, n, url: format!("https://shop.example/{n}"), label: "x".into() };
            tx.insert_links(vec![link(1), link(2)]).await.expect("links");
            let token = |kind, link| keys.sign(Token { kind, message: MessageId(id.0), link });
            paths.push(format!("/t/o/{}.gif", token(HitKind::Open, 0)));
            paths.push(format!("/t/c/{}", token(HitKind::Click, 1 + u16::from(number % 2 == 0))));
        }
        tx.commit().await.expect("commit");
    }
    store.close().await;
    paths
}

fn order(number: usize, clock: &Clock) -> Order {
    Order {
        account: AccountFrom { name: "brand".into(), address: OURS.into(), display_name: "Brand".into() },
        to: vec![Mailbox { name: String::new(), address: format!("person{number}@example.org") }],
        cc: Vec::new(),
        subject: Some("A plan".into()),
        text: "Hello".into(),
        html: None,
        attachments: Vec::new(),
        answers: None,
        due_at: clock.now(),
        file_copy: false,
        message_id_domain: "brand.example".into(),
        outreach: None,
    }
}

const HITS: &str = "SELECT (SELECT COUNT(*) FROM hit) + (SELECT COUNT(*) FROM hit_new)";
const UNFILED: &str = "SELECT COUNT(*) FROM hit_new";
const UNJUDGED: &str = "SELECT (SELECT COUNT(*) FROM hit WHERE judged_at IS NULL) + (SELECT COUNT(*) FROM hit_new)";

/// How many there are, by the database itself.
async fn count(database: &str, of: &str) -> i64 {
    Raw::open(database).await.count(of).await
}

/// The server: the public routes over a database, or a constant answer.
pub async fn part(args: TrackingPartArgs) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    listener.set_nonblocking(true).expect("listener");
    println!("{}", listener.local_addr().expect("address"));
    std::io::stdout().flush().expect("stdout");
    let listener = tokio::net::TcpListener::from_std(listener).expect("listener");
    let told = async {
        let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0; 1]));
        drop(waiting.await);
    };
    let Some(database) = args.database else {
        let router = axum::Router::new().route("/", axum::routing::get(|| async { "ok" }));
        return liaison::http::serve(listener, router, told).await.expect("serve");
    };
    let store = Store::open(&place(&database)).await.expect("store");
    let clock = Clock::machine();
    let (books, arrivals, stop, stored) =
        (Arc::new(Books::shipped()), Arrivals::default(), Stop::new(), Arc::default());
    let opened = liaison::tracking::open(&store, &clock, Arc::clone(&books), arrivals.clone()).await.expect("tracking");
    let (tracking, writer) = opened;
    let writing = tokio::spawn(writer.run(stop.clone()));
    let judge = Judge { store: store.clone(), clock: clock.clone(), books, arrivals, stored: Arc::clone(&stored) };
    let judging = tokio::spawn(judge.run(stop.clone()));
    // What is measured is the hub, not its limit.
    let limits = Limits::new(Rates { public: u32::MAX, ..Rates::default() }, Vec::new());
    let state = PublicState { store: store.clone(), clock, tracking, stored, limits };
    liaison::http::serve(listener, public_router(state), told).await.expect("serve");
    stop.ask();
    for ending in [writing, judging] {
        tokio::time::timeout(Duration::from_secs(20), ending).await.expect("ends").expect("ends").expect("store");
    }
    store.close().await;
}
