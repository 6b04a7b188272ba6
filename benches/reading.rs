//! What people do all day: a thread, a timeline, a search; on a database of a million messages, asked of the daemon as it is
//! shipped, with a token. Beside it the same page made by a bare server of the same HTTP library with one statement, and the same
//! search by one statement. And how much memory the daemon has, before and after.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use axum::extract::{Path as Of, State};
use clap::Args;
use liaison::clock::Clock;
use liaison::domain::words::Scope;
use liaison::hub::token::{TokenOrder, create_token};
use liaison::store::Store;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use crate::Bench;
use crate::hub::Daemon;
use crate::letters::Letters;
use crate::load::{self, Ask, Seen};
use crate::mailbox::{Chance, OURS};
use crate::measure::{self, mega, quantile};
use crate::rows::{Database, Raw, database, drop_database, place};

/// Messages of a thread, and so of a person.
const MESSAGES_EACH: usize = 10;
/// Texts the messages are made of; each has a number of its own beside.
const TEXTS: usize = 5_000;
/// Words of a text.
const WORDS: usize = 110;
/// Searches of each sort.
const SEARCHES: usize = 25;
/// Hits of a search that are wanted.
const HITS: usize = 50;

#[derive(Debug, Args)]
pub struct ReadingArgs {
    /// Messages in the database
    #[arg(long, default_value_t = 1_000_000)]
    messages: usize,
    /// Requests of each run
    #[arg(short, long, default_value_t = 40_000)]
    n: usize,
    /// Connections
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How often each is run
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Where the messages are kept; PostgreSQL is the server that `LIAISON_TEST_POSTGRES` names
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Database,
}

#[derive(Debug, Args)]
pub struct ReadingPartArgs {
    database: String,
}

/// A daemon over a database that is there.
struct Hub {
    daemon: Daemon,
    port: u16,
    token: String,
}

impl Hub {
    async fn start(dir: &Path, database: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").port();
        let url = if database.starts_with("postgres") { format!("url = \"{database}\"\n") } else { String::new() };
        let configuration = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nrequests_per_minute = 1000000\nsocket = \"{0}/control.sock\"\n\n\
             [storage]\nstate_dir = \"{0}/state\"\n{url}\n[accounts.brand]\nkind = \"sandbox\"\naddress = \"{OURS}\"\n",
            dir.display()
        );
        std::fs::write(dir.join("liaison.toml"), configuration).expect("configuration");
        let store = Store::open(&place(database)).await.expect("store");
        let mut tx = store.begin("bench.token").await.expect("transaction");
        let order = TokenOrder { name: "benchmark".into(), scopes: vec![Scope::Read], expires_at: None };
        let (_, secret) = create_token(&mut tx, &Clock::machine(), order).await.expect("token");
        tx.commit().await.expect("commit");
        store.close().await;
        let log = std::fs::File::create(dir.join("log")).expect("log");
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_liaison"))
            .args(["serve", "--config"])
            .arg(dir.join("liaison.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("liaison");
        Self { daemon: Daemon { child, began }, port, token: secret.expose_secret().to_owned() }
    }

    /// Seconds from its start until it is ready.
    fn ready(&mut self, dir: &Path) -> f64 {
        let asked = || -> Option<bool> {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).ok()?;
            Some(answer.ends_with(b" 200"))
        };
        while asked() != Some(true) {
            let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(self.daemon.began.elapsed().as_secs() < 120, "not ready: {}", log());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        self.daemon.began.elapsed().as_secs_f64()
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn ask(&self, path: &str) -> Ask {
        let token = &self.token;
        Ask {
            head: format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"),
            status: "200",
        }
    }

    /// Resident memory now and at most, octets.
    fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.child.id())).expect("status");
        let of = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).expect("line");
            line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).expect("number") * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

/// People, each with one thread of ten messages and an event for each.
async fn fill(raw: &mut Raw, chance: &mut Chance, letters: &Letters, messages: usize) {
    let people = (messages / MESSAGES_EACH).max(1);
    raw.run("CREATE TABLE bench_text (k INTEGER NOT NULL PRIMARY KEY, subject TEXT NOT NULL, body TEXT NOT NULL)")
        .await;
    for k in 0..TEXTS {
        let (subject, body) = (letters.subject(chance), letters.text(chance, WORDS));
        let quoted = |text: String| text.replace('\'', "''");
        raw.run(&format!("INSERT INTO bench_text VALUES ({k}, '{}', '{}')", quoted(subject), quoted(body))).await;
    }
    let (numbers, id) = raw.words(1, people);
    let (id, json) = (id("n"), matches!(raw, Raw::Postgres(_)).then_some("::jsonb").unwrap_or_default());
    raw.run(&format!(
        "INSERT INTO influencer (id, handle, handle_key, first_name, last_name, stage, stage_at, properties, awaiting, last_message_at, \
         created_at, updated_at) SELECT {id}, '@p' || n, 'p' || n, 'Ana', 'Reads', 'prospect', 0, '{{}}'{json}, 'us', 1700000000000000 + n, 0, 0 \
         FROM {numbers}"
    ))
    .await;
    raw.run(&format!(
        "INSERT INTO address (id, channel, value, value_key, influencer_id, is_primary, created_at) \
         SELECT {id}, 'email', 'p' || n || '@example.org', 'p' || n || '@example.org', {id}, TRUE, 0 FROM {numbers}"
    ))
    .await;
    raw.run(&format!("INSERT INTO conversation (id, created_at) SELECT {id}, 0 FROM {numbers}")).await;
    raw.run(&format!(
        "INSERT INTO thread (id, conversation_id, influencer_id, channel, account, subject, subject_key, message_count, last_message_at, \
         awaiting, created_at) SELECT {id}, {id}, {id}, 'email', 'brand', 'A plan', 'a plan', {MESSAGES_EACH}, 1700000000000000 + n, 'us', 0 \
         FROM {numbers}"
    ))
    .await;
    let all = people * MESSAGES_EACH;
    for from in (0..all).step_by(100_000) {
        letters_of(raw, (from + 1, (from + 100_000).min(all)), people).await;
    }
    raw.run("DROP TABLE bench_text").await;
    raw.run("ANALYZE").await;
}

async fn letters_of(raw: &mut Raw, (from, to): (usize, usize), people: usize) {
    let (numbers, id) = raw.words(from, to);
    let is_postgres = matches!(raw, Raw::Postgres(_));
    let json = if is_postgres { "::jsonb" } else { "" };
    let person = id(&format!("(1 + n % {people})"));
    let id = id("n");
    let to_us = format!("{{\"to\":[{{\"name\":\"Brand\",\"address\":\"{OURS}\"}}],\"cc\":[],\"bcc\":[]}}");
    let at = "1600000000000000 + CAST(n AS BIGINT) * 1000000";
    raw.run(&format!(
        "INSERT INTO message (n, id, conversation_id, direction, kind, channel, account, internet_message_id, fingerprint, author_name, \
         author_address, recipients, subject, text, reply_text, has_html, size, at, stored_at, backfilled){own} \
         SELECT n, {id}, {person}, 'inbound', 'human', 'email', 'brand', 'm' || n || '@example.org', {fingerprint}, 'Ana Reads', \
         'p' || (1 + n % {people}) || '@example.org', '{to_us}'{json}, t.subject, t.body || ' number' || n, t.body || ' number' || n, \
         FALSE, 4300, {at}, {at}, FALSE FROM {numbers} JOIN bench_text t ON t.k = CAST(n AS BIGINT) * 7919 % {TEXTS}",
        own = if is_postgres { " OVERRIDING SYSTEM VALUE" } else { "" },
        fingerprint = if is_postgres { "decode(lpad(to_hex(n), 32, '0'), 'hex')" } else { &id },
    ))
    .await;
    raw.run(&format!(
        "INSERT INTO participation (message_id, influencer_id, thread_id, role, assigned, at) \
         SELECT {id}, {person}, {person}, 'author', TRUE, {at} FROM {numbers}"
    ))
    .await;
    raw.run(&format!(
        "INSERT INTO event (id, type, at, influencer_id, message_id, data, seq) \
         SELECT {id}, 'message.received', {at}, {person}, {id}, '{{}}'{json}, n FROM {numbers}"
    ))
    .await;
    raw.run(&if is_postgres {
        format!(
            "INSERT INTO message_search (n, document) SELECT n, to_tsvector('simple', left(subject || ' ' || author_name || ' ' || \
             author_address || ' ' || text, 100000)) FROM message WHERE n BETWEEN {from} AND {to}"
        )
    } else {
        format!(
            "INSERT INTO message_search (rowid, subject, body, names) SELECT n, subject, text, author_name || ' ' || author_address \
             FROM message WHERE n BETWEEN {from} AND {to}"
        )
    })
    .await;
}

/// The id of the thread and the influencer of a number, as the API writes ids.
fn id_of(database: Database, n: usize, prefix: &str) -> String {
    let uuid = match database {
        Database::Sqlite => Uuid::from_slice(format!("{n:016}").as_bytes()).expect("sixteen octets"),
        Database::Postgres => Uuid::from_u128(n as u128),
    };
    let sample = json!(liaison::domain::ids::ThreadId(uuid));
    let text = sample.as_str().expect("an id").to_owned();
    format!("{prefix}{}", &text[text.find('_').expect("a prefix")..])
}

/// Searches as people make them: one frequent word, two words, a rare word, a name.
fn searches(chance: &mut Chance, letters: &Letters, messages: usize) -> Vec<String> {
    let words = |chance: &mut Chance| -> Vec<String> {
        let text = letters.text(chance, 40);
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() > 3);
        words.skip(1).map(str::to_owned).collect()
    };
    let mut all = Vec::new();
    for _ in 0..SEARCHES {
        let some = words(chance);
        all.push(some[0].clone());
        all.push(format!("{} {}", some[1], some[2]));
        all.push(format!("number{}", 1 + chance.below(messages)));
        all.push(format!("reads {}", some[3]));
    }
    all
}

pub fn run(bench: &Bench, args: &ReadingArgs) -> Value {
    let mut chance = Chance::new(bench.seed);
    let letters = Letters::new(&mut chance);
    let people = (args.messages / MESSAGES_EACH).max(1);
    std::fs::create_dir_all(bench.dir.join("state")).expect("state directory");
    let database = bench.runtime.block_on(async {
        let database = match args.database {
            Database::Sqlite => bench.dir.join("state/liaison.db").display().to_string(),
            Database::Postgres => database(&bench.dir, args.database, "reading").await,
        };
        Store::open(&place(&database)).await.expect("store").close().await;
        fill(&mut Raw::open(&database).await, &mut chance, &letters, args.messages).await;
        database
    });
    let mut hub = bench.runtime.block_on(Hub::start(&bench.dir, &database));
    let start = hub.ready(&bench.dir);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let idle = hub.memory().0;
    let bare = Bare::start(&database);
    let numbers: Vec<usize> = (0..2_000).map(|_| 1 + chance.below(people)).collect();
    let asks = |of: &dyn Fn(usize) -> Ask| -> Vec<Ask> { numbers.iter().map(|n| of(*n)).collect() };
    let id = |n: usize, prefix: &str| id_of(args.database, n, prefix);
    let mut seen = Vec::new();
    for _ in 0..args.runs.max(1) {
        let with = (args.n, args.connections);
        let page = |n: usize| Ask { head: format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n"), status: "200" };
        seen.push(load::load(bare.address, asks(&page), with, "bare page"));
        let thread = |n: usize| hub.ask(&format!("/v1/threads/{}/messages?limit=10", id(n, "thr")));
        seen.push(load::load(hub.address(), asks(&thread), with, "liaison, thread"));
        let timeline = |n: usize| hub.ask(&format!("/v1/influencers/{}/timeline?limit=10", id(n, "inf")));
        seen.push(load::load(hub.address(), asks(&timeline), with, "liaison, timeline"));
    }
    println!("{}\n", pages(&seen));
    let searched = search(bench, &hub, &database, searches(&mut chance, &letters, args.messages));
    println!("{}\n", searched.0);
    let (after, peak) = hub.memory();
    bare.stop();
    hub.daemon.stop();
    println!(
        "ready after {start:.2} s; resident: {:.0} MB idle, {:.0} MB after serving, {:.0} MB at most",
        mega(idle),
        mega(after),
        mega(peak)
    );
    bench.runtime.block_on(drop_database(&database));
    let figures: Vec<Value> =
        seen.iter().map(|s| json!({"who": s.who, "rate": s.rate, "p50_ms": s.p50, "p99_ms": s.p99})).collect();
    json!({"workload": "reading", "database": format!("{:?}", args.database).to_lowercase(), "messages": args.messages,
        "connections": args.connections, "pages": figures, "search": searched.1, "ready_seconds": start,
        "resident_idle": idle, "resident_after": after, "resident_peak": peak})
}

fn pages(seen: &[Seen]) -> String {
    let median = |who: &str, of: fn(&Seen) -> f64| {
        quantile(&seen.iter().filter(|s| s.who == who).map(of).collect::<Vec<_>>(), 0.5)
    };
    let base = median("bare page", |s| s.rate);
    let rows: Vec<Vec<String>> = ["liaison, thread", "liaison, timeline", "bare page"]
        .into_iter()
        .map(|who| {
            let rate = median(who, |s| s.rate);
            let (p50, p99) = (median(who, |s| s.p50), median(who, |s| s.p99));
            vec![
                who.to_owned(),
                format!("{rate:.0}"),
                format!("{:.2}", rate / base),
                format!("{p50:.1}"),
                format!("{p99:.1}"),
            ]
        })
        .collect();
    measure::table(&["", "pages/s (median)", "ratio", "p50 ms", "p99 ms"], &rows)
}

/// Each search by the API and by one statement, in turn; the second time counts, when both have read what they need.
fn search(bench: &Bench, hub: &Hub, database: &str, searches: Vec<String>) -> (String, Value) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut raw = bench.runtime.block_on(Raw::open(database));
    for q in &searches {
        let ask = || hub.ask(&format!("/v1/search?limit={HITS}&q={}", q.replace(' ', "%20")));
        load::load(hub.address(), vec![ask()], (1, 1), "liaison");
        bench.runtime.block_on(by_hand(&mut raw, q));
        let began = Instant::now();
        let found = bench.runtime.block_on(by_hand(&mut raw, q));
        theirs.push(began.elapsed().as_secs_f64() * 1000.0);
        assert!(found > 0 || !q.starts_with("number"), "nothing is found for {q}");
        ours.push(load::load(hub.address(), vec![ask()], (1, 1), "liaison").p50);
    }
    let row = |who: &str, list: &[f64]| {
        vec![who.to_owned(), format!("{:.2}", quantile(list, 0.5)), format!("{:.2}", quantile(list, 0.99))]
    };
    let rows = [row("liaison", &ours), row("one statement", &theirs)];
    let ratio = quantile(&ours, 0.5) / quantile(&theirs, 0.5);
    let table = measure::table(&["searches", "p50 ms", "p99 ms"], &rows);
    let figures = json!({"searches": searches.len(), "p50_ms": quantile(&ours, 0.5), "p99_ms": quantile(&ours, 0.99),
        "statement_p50_ms": quantile(&theirs, 0.5), "statement_p99_ms": quantile(&theirs, 0.99)});
    (format!("{table}\n{} searches, ours / statement at p50: {ratio:.2}", searches.len()), figures)
}

async fn by_hand(raw: &mut Raw, q: &str) -> usize {
    match raw {
        Raw::Sqlite(c) => {
            let words: Vec<String> = q.split(' ').map(|w| format!("\"{w}\"")).collect();
            let sql = "SELECT m.id, m.subject, m.text, m.author_name, m.author_address, m.at FROM message_search s \
                 JOIN message m ON m.n = s.rowid WHERE s.message_search MATCH ?1 ORDER BY s.rowid DESC LIMIT ?2";
            sqlx::query(sql).bind(words.join(" ")).bind(HITS as i64).fetch_all(c).await.expect("search").len()
        }
        Raw::Postgres(c) => {
            let sql = "SELECT m.id, m.subject, m.text, m.author_name, m.author_address, m.at FROM message_search s \
                 JOIN message m ON m.n = s.n WHERE s.document @@ plainto_tsquery('simple', $1) ORDER BY s.n DESC LIMIT $2";
            sqlx::query(sql).bind(q).bind(HITS as i64).fetch_all(c).await.expect("search").len()
        }
    }
}

/// The bare server, in a process of its own.
struct Bare {
    child: std::process::Child,
    address: SocketAddr,
}

impl Bare {
    fn start(database: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["reading-part", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("server");
        let mut line = [0; 64];
        let n = child.stdout.as_mut().expect("stdout").read(&mut line).expect("address");
        let address = String::from_utf8_lossy(&line[..n]).trim().parse().expect("address");
        Self { child, address }
    }

    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("server").success());
    }
}

#[derive(Clone)]
enum Pool {
    Sqlite(sqlx::SqlitePool),
    Postgres(sqlx::PgPool),
}

const PAGE: &str = "SELECT m.id, m.direction, m.kind, m.channel, m.account, m.internet_message_id, m.author_name, m.author_address, \
    m.recipients, m.subject, m.text, m.reply_text, m.size, m.at, p.influencer_id, p.thread_id, p.role \
    FROM participation p JOIN message m ON m.id = p.message_id WHERE p.thread_id = $1 ORDER BY p.at DESC, p.message_id DESC LIMIT 10";

/// One statement, and the answer that liaison gives.
macro_rules! page {
    ($pool:expr, $id:expr) => {{
        let rows = sqlx::query(AssertSqlSafe(PAGE)).bind($id).fetch_all($pool).await.expect("page");
        let entries: Vec<Value> = rows
            .iter()
            .map(|r| {
                let text = |name: &str| r.get::<String, _>(name);
                let id = |name: &str| r.get::<Uuid, _>(name).simple().to_string();
                let recipients: sqlx::types::Json<Value> = r.get("recipients");
                json!({
                    "id": id("id"), "direction": text("direction"), "kind": text("kind"), "channel": text("channel"),
                    "account": text("account"), "from": {"name": text("author_name"), "address": text("author_address")},
                    "to": recipients.0["to"], "cc": recipients.0["cc"], "bcc": recipients.0["bcc"], "recipients": [],
                    "subject": text("subject"), "text": text("text"), "reply_text": text("reply_text"), "text_cut": false,
                    "has_html": false, "at": Clock::machine().now(), "internet_message_id": text("internet_message_id"),
                    "attachments": [], "flaws": [], "deliveries": [], "size": r.get::<i64, _>("size"), "backfilled": false,
                    "participants": [{"influencer_id": id("influencer_id"), "thread_id": id("thread_id"), "role": text("role"),
                        "assigned": true}],
                })
            })
            .collect();
        axum::Json(json!({"data": entries, "next_cursor": null}))
    }};
}

async fn bare_page(State(pool): State<Pool>, Of(n): Of<usize>) -> axum::Json<Value> {
    match &pool {
        Pool::Sqlite(pool) => page!(pool, format!("{n:016}").into_bytes()),
        Pool::Postgres(pool) => page!(pool, Uuid::from_u128(n as u128)),
    }
}

pub async fn part(args: ReadingPartArgs) {
    let pool = if args.database.starts_with("postgres") {
        Pool::Postgres(
            sqlx::postgres::PgPoolOptions::new().max_connections(8).connect(&args.database).await.expect("pool"),
        )
    } else {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&args.database).pragma("cache_size", "-16384");
        Pool::Sqlite(
            sqlx::sqlite::SqlitePoolOptions::new().max_connections(8).connect_with(options).await.expect("pool"),
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    println!("{}", listener.local_addr().expect("address"));
    std::io::stdout().flush().expect("stdout");
    let told = async {
        let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0; 1]));
        drop(waiting.await);
    };
    let router = axum::Router::new().route("/{n}", axum::routing::get(bare_page)).with_state(pool);
    liaison::http::serve(listener, router, told).await.expect("serve");
}
