//! Send: rendered messages wait in the durable outbox and go into a sink over several sessions, each claimed, handed over
//! (committed before its content leaves), confirmed and noted as an event. References into the same sink: smtp-source,
//! which has nothing to remember, and aiosmtplib, which keeps nothing either.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use liaison::clock::Clock;
use liaison::connector::Sender;
use liaison::connector::email::smtp::{SmtpSender, SmtpSettings, Timeouts};
use liaison::connector::email::tls::Security;
use liaison::domain::ids::RunId;
use liaison::domain::mail::Mailbox;
use liaison::domain::words::OutboxStatus;
use liaison::hub::enqueue::{self, AccountFrom, Order};
use liaison::outbound::dispatcher::Dispatcher;
use liaison::outbound::{SendingSettings, SentCopy, Tools};
use liaison::store::{Place, Store};
use liaison::worker::{Stop, Wake};
use serde_json::{Value, json};

use crate::Bench;
use crate::hub::add_people;
use crate::letters::Letters;
use crate::mailbox::{Chance, OURS, People};
use crate::measure::{self, Run};
use crate::peers::MailServer;

/// Octets of each message, about.
const OCTETS: usize = 5_000;
/// Messages written into the outbox in one transaction.
const AT_ONCE: usize = 500;

#[derive(Debug, Args)]
pub struct SendArgs {
    /// Messages
    #[arg(short, long, default_value_t = 20_000)]
    n: usize,
    /// Sessions at once
    #[arg(long, default_value_t = 10)]
    sessions: usize,
    /// How often liaison sends them; the references run once more often
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Leave aiosmtplib out
    #[arg(long)]
    without_aiosmtplib: bool,
}

#[derive(Debug, Args)]
pub struct SendPartArgs {
    file: PathBuf,
    port: u16,
    sessions: usize,
    n: i64,
}

pub fn run(bench: &Bench, args: &SendArgs) -> Value {
    let server = MailServer::start(&bench.dir.join("mail"));
    let python = (!args.without_aiosmtplib).then(|| install_aiosmtplib(&bench.dir));
    let mut runs = Vec::new();
    let reference = |runs: &mut Vec<Run>| {
        runs.push(smtp_source(server.sink, args));
        if let Some(python) = &python {
            runs.push(aiosmtplib(python, server.sink, args));
        }
    };
    for round in 0..args.runs.max(1) {
        let file = bench.dir.join(format!("outbox{round}.db"));
        bench.runtime.block_on(fill(bench, &Place::Sqlite { file: file.clone() }, args.n));
        reference(&mut runs);
        runs.push(ours(&file, server.sink, args));
    }
    reference(&mut runs);
    let (table, figures) = measure::compare(&runs);
    println!("{table}");
    json!({"workload": "send", "messages": args.n, "sessions": args.sessions, "figures": figures})
}

fn smtp_source(port: u16, args: &SendArgs) -> Run {
    let mut command = Command::new("smtp-source");
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command.args(["-d", "-s", &args.sessions.to_string(), "-l", &OCTETS.to_string(), "-m", &args.n.to_string()]);
    command.args(["-f", OURS, "-t", "person@example.org", &format!("127.0.0.1:{port}")]);
    let (seconds, cost) = measure::run(&mut command, "smtp-source");
    Run { who: "smtp-source", seconds, messages: args.n, cost: Some(cost) }
}

/// A Python of its own with aiosmtplib from `PyPI`.
fn install_aiosmtplib(dir: &Path) -> PathBuf {
    let home = dir.join("python");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&home).status().expect("python3");
    assert!(made.success(), "python3 -m venv failed");
    let python = home.join("bin/python");
    let installed =
        Command::new(&python).args(["-m", "pip", "install", "--quiet", "aiosmtplib"]).status().expect("pip");
    assert!(installed.success(), "aiosmtplib can't be installed; --without-aiosmtplib leaves it out");
    python
}

fn aiosmtplib(python: &Path, port: u16, args: &SendArgs) -> Run {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/aiosmtplib_send.py");
    let mut command = Command::new(python);
    command.arg(program).args([port.to_string(), args.sessions.to_string(), args.n.to_string(), OCTETS.to_string()]);
    let (seconds, cost) = measure::run(&mut command, "aiosmtplib");
    Run { who: "aiosmtplib", seconds, messages: args.n, cost: Some(cost) }
}

/// Puts the messages into an outbox.
pub async fn fill(bench: &Bench, place: &Place, n: usize) {
    let store = Store::open(place).await.expect("store");
    let clock = Clock::machine();
    let mut chance = Chance::new(bench.seed);
    let letters = Letters::new(&mut chance);
    let people = People::new(&mut chance, &letters, 40_000);
    add_people(&store, &people).await;
    let mut tx = store.begin("bench.account").await.expect("transaction");
    tx.ensure_account("brand", "imap", OURS, clock.now()).await.expect("account");
    tx.commit().await.expect("commit");
    let numbers: Vec<usize> = (0..n).collect();
    for piece in numbers.chunks(AT_ONCE) {
        let mut tx = store.begin("bench.enqueue").await.expect("transaction");
        for number in piece {
            let i = &people.influencers[number % people.influencers.len()];
            let mut text = letters.text(&mut chance, 900);
            text.truncate(text.floor_char_boundary(OCTETS - 700));
            let order = Order {
                account: AccountFrom { name: "brand".into(), address: OURS.into(), display_name: "Brand".into() },
                to: vec![Mailbox { name: i.first.clone(), address: i.emails[0].clone() }],
                cc: Vec::new(),
                subject: Some(letters.subject(&mut chance)),
                text,
                html: None,
                attachments: Vec::new(),
                answers: None,
                due_at: clock.now(),
                file_copy: false,
                message_id_domain: "brand.example".into(),
                outreach: None,
            };
            enqueue::enqueue(&mut tx, &clock, order).await.expect("enqueued");
        }
        tx.commit().await.expect("commit");
    }
    store.close().await;
}

fn ours(file: &Path, port: u16, args: &SendArgs) -> Run {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("send-part").arg(file);
    command.args([port.to_string(), args.sessions.to_string(), args.n.to_string()]).stdin(Stdio::null());
    let (seconds, cost) = measure::run(&mut command, "the sending half");
    Run { who: "liaison", seconds, messages: args.n, cost: Some(cost) }
}

/// Sends all there is, from the start of the process to its end.
pub async fn part(args: SendPartArgs) {
    let store = Store::open(&Place::Sqlite { file: args.file.clone() }).await.expect("store");
    let clock = Clock::machine();
    let tools = Tools {
        store: store.clone(),
        run: RunId(clock.new_id()),
        clock,
        desk: liaison::hub::outreach::house::Desk::default(),
        watermark: liaison::outbound::Watermark::open(&args.file.with_extension("seen")).expect("state"),
    };
    let settings =
        SendingSettings { sessions: args.sessions, sent_copy: SentCopy::Server, ..SendingSettings::new("brand") };
    let smtp = SmtpSettings {
        host: "127.0.0.1".into(),
        port: args.port,
        security: Security::Plain,
        user: None,
        password: None,
        ca_file_pem: None,
        hello_name: "brand.example".into(),
        timeouts: Timeouts::default(),
    };
    let first = SmtpSender::new(smtp).expect("sender");
    let senders: liaison::outbound::SenderFactory = Arc::new(move || Box::new(first.another()) as Box<dyn Sender>);
    let stop = Stop::default();
    let dispatcher = Dispatcher::new(tools, settings, senders, Wake::default());
    let sending = tokio::spawn(dispatcher.run(stop.clone()));
    let began = Instant::now();
    while count(&store, OutboxStatus::Confirmed).await < args.n {
        assert!(began.elapsed() < Duration::from_hours(1), "not sent within an hour");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.soft.cancel();
    sending.await.expect("dispatcher").expect("dispatcher");
    store.close().await;
}

async fn count(store: &Store, status: OutboxStatus) -> i64 {
    let mut tx = store.read().await.expect("read");
    tx.count_outbox("brand", &[status]).await.expect("count").first().map_or(0, |(_, n)| *n)
}
