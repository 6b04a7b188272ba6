//! Cadence: runs whose time has come are planned, get their place, are rendered and put into the outbox, by the loop that the
//! daemon runs. Beside it, on the same table of the same database: claim, insert one row, set the next date, and nothing else.
//! And a look that finds nothing due, at three sizes.

use std::process::{Command, Stdio};
use std::time::Instant;

use clap::{Args, ValueEnum};
use liaison::clock::Clock;
use liaison::domain::sequence::{
    Definition, Format, Limits, Schedule, Step, StepKind, Template, Unsubscribe, Variable, ZoneRule,
};
use liaison::domain::time::Micros;
use liaison::domain::words::Channel;
use liaison::domain::zone::Zone;
use liaison::hub::enqueue::AccountFrom;
use liaison::hub::outreach::house::{Desk, House, Sender};
use liaison::sequence::cadence::BATCH;
use liaison::sequence::{self, Cadence, Loaded};
use liaison::store::Store;
use serde_json::{Value, json};

use crate::Bench;
use crate::mailbox::OURS;
use crate::measure::{self, Run, quantile};
use crate::rows::{Database, Raw, database, drop_database, place};

/// Looks that find nothing, at each size.
const IDLE_LOOKS: usize = 400;
/// Sizes at which they are measured, beside the whole.
const IDLE_SIZES: [usize; 2] = [10_000, 100_000];
const DAY: i64 = 86_400_000_000;

#[derive(Debug, Args)]
pub struct CadenceArgs {
    /// Live runs
    #[arg(long, default_value_t = 1_000_000)]
    live: usize,
    /// Runs that are due
    #[arg(long, default_value_t = 20_000)]
    due: usize,
    /// Where the runs are kept; PostgreSQL is the server that `LIAISON_TEST_POSTGRES` names
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Database,
    /// Sends of the account in 24 hours; none: no limit
    #[arg(long)]
    daily_limit: Option<u32>,
}

#[derive(Debug, Args)]
pub struct CadencePartArgs {
    what: Part,
    database: String,
    #[arg(long)]
    daily_limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Ours,
    Bare,
    Idle,
}

/// People with an address and a run that is due in a month.
async fn grow(raw: &mut Raw, from: usize, to: usize, (hash, now): (&str, Micros)) {
    let (numbers, id) = raw.words(from + 1, to);
    let (id, later, now) = (id("n"), now.0 + 30 * DAY, now.0);
    raw.run(&format!(
            "INSERT INTO influencer (id, handle, handle_key, first_name, last_name, stage, stage_at, properties, created_at, updated_at) \
             SELECT {id}, '@p' || n, 'p' || n, 'Ana', 'Runs', 'prospect', 0, '{{}}', 0, 0 FROM {numbers}"
        ))
        .await;
    raw.run(&format!(
        "INSERT INTO address (id, channel, value, value_key, influencer_id, is_primary, created_at) \
             SELECT {id}, 'email', 'p' || n || '@example.org', 'p' || n || '@example.org', {id}, TRUE, 0 FROM {numbers}"
    ))
    .await;
    raw.run(&format!(
            "INSERT INTO enrollment (id, sequence, version, influencer_id, run, account, state, step, phase, anchor_at, next_at, first, \
             filled, started_at, updated_at) SELECT {id}, 'spring', '{hash}', {id}, 1, 'brand', 'active', 'intro', 'delay', {now}, \
             {later} + n, TRUE, '{{}}', {now}, {now} FROM {numbers}"
        ))
        .await;
    raw.run("ANALYZE").await;
}

async fn make_due(raw: &mut Raw, from: usize, to: usize, now: Micros) {
    let (_, id) = raw.words(0, 0);
    let (from, to) = (id(&(from + 1).to_string()), id(&to.to_string()));
    raw.run(&format!("UPDATE enrollment SET next_at = {} WHERE id BETWEEN {from} AND {to}", now.0)).await;
    if matches!(raw, Raw::Postgres(_)) {
        raw.run("VACUUM ANALYZE enrollment").await;
    }
}

fn house(daily_limit: Option<u32>) -> House {
    let sender = Sender {
        from: AccountFrom { name: "brand".into(), address: OURS.into(), display_name: "Brand".into() },
        file_copy: false,
        message_id_domain: "brand.example".into(),
        channel: Channel::Email,
        working_hours: Vec::new(),
        send_hours: Vec::new(),
        daily_limit,
        ramp_up: None,
    };
    House {
        accounts: [("brand".to_owned(), sender)].into(),
        sender_name: "Brand".into(),
        sender_address: "1 Main St, Portland".into(),
        base_url: Some("https://hub.brand.example".into()),
        zone: Zone::named("America/New_York").expect("zone"),
        ..House::default()
    }
}

fn definition() -> Definition {
    let step = |id: &str, after: Option<&str>, template: &str| Step {
        id: id.into(),
        after: after.map(Into::into),
        condition: None,
        kind: StepKind::Email { templates: vec![template.into()], split: vec![100] },
        otherwise: None,
        stage: None,
        review: false,
    };
    let template = |subject: Option<&str>, body: &str| Template {
        format: Format::Markdown,
        subject: subject.map(Into::into),
        preheader: None,
        attachments: Vec::new(),
        body: body.into(),
    };
    Definition {
        id: "spring".into(),
        name: "spring".into(),
        accounts: vec!["brand".into()],
        voices: std::collections::BTreeMap::new(),
        enter_from: Vec::new(),
        exit_on: Vec::new(),
        unsubscribe: Unsubscribe::Footer,
        allow_parallel: false,
        schedule: Schedule {
            zone: ZoneRule::Influencer,
            fallback: "America/New_York".into(),
            days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(Into::into).to_vec(),
            hours: vec!["00:00-24:00".into()],
            holidays: Vec::new(),
            max_late: "24h".into(),
        },
        limits: Limits { new_per_day: None, per_day: None, per_domain: None, gap: None },
        variables: vec![Variable {
            name: "first_name".into(),
            value: None,
            from: Some("influencer.first_name".into()),
            default: Some("there".into()),
        }],
        steps: vec![step("intro", None, "intro.md"), step("nudge", Some("3 days"), "nudge.md")],
        on_reply: None,
        on_finish: None,
        pause_if: Vec::new(),
        templates: [
            (
                "intro.md".to_owned(),
                template(
                    Some("A tee for {{ influencer.handle }}"),
                    "Hi {{ first_name }},\n\nwe liked your last film, and would send you [a tee](https://shop.example/gift) of the new \
                     line, free of charge.\n\nWould you like one? Then tell us your size.\n\nThe Brand team\n",
                ),
            ),
            ("nudge.md".to_owned(), template(None, "Did my note reach you, {{ first_name }}?")),
        ]
        .into(),
    }
}

/// The account, the sequence, and the table of the reference; the hash of the version.
async fn prepare(database: &str) -> String {
    let store = Store::open(&place(database)).await.expect("store");
    let clock = Clock::machine();
    let definition = definition();
    let hash = sequence::load::hash(&definition);
    let loaded =
        Loaded { definitions: vec![(definition, hash.clone())], findings: Vec::new(), ids: vec!["spring".into()] };
    let mut tx = store.begin("bench.sequence").await.expect("transaction");
    tx.ensure_account("brand", "imap", OURS, clock.now()).await.expect("account");
    sequence::publish(&mut tx, &clock, &loaded, sequence::Trust::Whole).await.expect("published");
    tx.commit().await.expect("commit");
    store.close().await;
    let mut raw = Raw::open(database).await;
    let kind = if matches!(raw, Raw::Postgres(_)) { "UUID" } else { "BLOB" };
    raw.run(&format!(
        "CREATE TABLE bench_outbox (id {kind} NOT NULL PRIMARY KEY, account TEXT NOT NULL, status TEXT NOT NULL, due_at BIGINT NOT NULL, \
         created_at BIGINT NOT NULL)"
    ))
    .await;
    raw.run("CREATE INDEX bench_outbox_due ON bench_outbox (account, due_at, id) WHERE status = 'queued'").await;
    hash
}

pub fn run(bench: &Bench, args: &CadenceArgs) -> Value {
    let wait = |work: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| bench.runtime.block_on(work);
    let database = bench.runtime.block_on(database(&bench.dir, args.database, "cadence"));
    let hash = bench.runtime.block_on(prepare(&database));
    let now = Clock::machine().now();
    let live = args.live.max(args.due * 2);
    let mut there = 0;
    let mut idle = Vec::new();
    for size in IDLE_SIZES.into_iter().filter(|n| *n < live).chain([live]) {
        wait(Box::pin(async { grow(&mut Raw::open(&database).await, there, size, (&hash, now)).await }));
        there = size;
        idle.push((size, idle_looks(&database)));
    }
    let part = |what: &str, who: &'static str| {
        let mut command = command(&database, what);
        if let Some(limit) = args.daily_limit {
            command.args(["--daily-limit", &limit.to_string()]);
        }
        let (seconds, cost) = measure::run(command.stdin(Stdio::null()), who);
        Run { who, seconds, messages: args.due, cost: Some(cost) }
    };
    let mut runs = Vec::new();
    wait(Box::pin(async { make_due(&mut Raw::open(&database).await, 0, args.due, now).await }));
    runs.push(part("bare", "bare loop"));
    wait(Box::pin(async { make_due(&mut Raw::open(&database).await, args.due, args.due * 2, now).await }));
    runs.push(part("ours", "liaison"));
    let done = bench.runtime.block_on(async {
        let mut raw = Raw::open(&database).await;
        (
            raw.count("SELECT COUNT(*) FROM bench_outbox").await,
            raw.count("SELECT COUNT(*) FROM outbox WHERE status = 'queued'").await,
        )
    });
    let due = i64::try_from(args.due).expect("count");
    assert_eq!(done.0, due, "the reference's rows");
    assert!(done.1 == due || args.daily_limit.is_some(), "{} of {due} are in the outbox", done.1);
    let (table, figures) = measure::compare(&runs);
    println!("{table}\n");
    let rows: Vec<Vec<String>> = idle
        .iter()
        .map(|(size, (p50, p99))| vec![size.to_string(), format!("{p50:.3}"), format!("{p99:.3}")])
        .collect();
    println!("{}", measure::table(&["live runs, none due", "one look, ms, p50", "p99"], &rows));
    println!("in the outbox: {} of {due}, in {:.1} s", done.1, runs[1].seconds);
    let idle: Vec<Value> =
        idle.iter().map(|(size, (p50, p99))| json!({"live": size, "p50_ms": p50, "p99_ms": p99})).collect();
    wait(Box::pin(drop_database(&database)));
    json!({"workload": "cadence", "database": format!("{:?}", args.database).to_lowercase(), "live": live, "due": due,
        "seconds": runs[1].seconds, "reference_seconds": runs[0].seconds, "figures": figures, "idle": idle})
}

fn command(database: &str, what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["cadence-part", what, database]);
    command
}

/// p50 and p99 of a look that finds nothing due, milliseconds.
fn idle_looks(database: &str) -> (f64, f64) {
    let said = command(database, "idle").stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("looks");
    assert!(said.status.success(), "the looks failed: {}", said.status);
    let said = String::from_utf8(said.stdout).expect("figures");
    let mut figures = said.split_whitespace().map(|n| n.parse().expect("a figure"));
    (figures.next().expect("p50"), figures.next().expect("p99"))
}

/// One half, in a process of its own, so that what it costs can be told.
pub async fn part(args: CadencePartArgs) {
    match args.what {
        Part::Bare => bare(&args.database).await,
        Part::Ours => {
            let cadence = cadence(&args).await;
            while cadence.tick().await.expect("look").0.runs > 0 {}
            cadence.store.close().await;
        }
        Part::Idle => {
            let cadence = cadence(&args).await;
            let mut times = Vec::new();
            for _ in 0..IDLE_LOOKS {
                let began = Instant::now();
                let (looked, _) = cadence.tick().await.expect("look");
                times.push(began.elapsed().as_secs_f64() * 1000.0);
                assert_eq!(looked.runs, 0, "something was due");
            }
            println!("{} {}", quantile(&times, 0.5), quantile(&times, 0.99));
            cadence.store.close().await;
        }
    }
}

async fn cadence(args: &CadencePartArgs) -> Cadence {
    let store = Store::open(&place(&args.database)).await.expect("store");
    Cadence { store, clock: Clock::machine(), desk: Desk::new(house(args.daily_limit)) }
}

/// Claims as many at once as liaison does, writes one row for each, and sets the next date.
async fn bare(database: &str) {
    let mut raw = Raw::open(database).await;
    let due = format!(
        "SELECT id FROM enrollment WHERE first = TRUE AND next_at <= {} ORDER BY next_at, id LIMIT {BATCH}",
        Clock::machine().now().0
    );
    loop {
        let (now, next) = (Clock::machine().now().0, Clock::machine().now().0 + 3 * DAY);
        let n = if matches!(raw, Raw::Postgres(_)) {
            raw.run(&format!(
                "WITH claimed AS ({due} FOR UPDATE SKIP LOCKED), written AS (INSERT INTO bench_outbox (id, account, status, due_at, created_at) \
                 SELECT id, 'brand', 'queued', {now}, {now} FROM claimed) \
                 UPDATE enrollment e SET next_at = {next}, updated_at = {now} FROM claimed c WHERE e.id = c.id"
            ))
            .await
        } else {
            raw.run("BEGIN IMMEDIATE").await;
            raw.run(&format!(
                "INSERT INTO bench_outbox (id, account, status, due_at, created_at) SELECT id, 'brand', 'queued', {now}, {now} FROM ({due})"
            ))
            .await;
            let n = raw
                .run(&format!("UPDATE enrollment SET next_at = {next}, updated_at = {now} WHERE id IN ({due})"))
                .await;
            raw.run("COMMIT").await;
            n
        };
        if n == 0 {
            return;
        }
    }
}
