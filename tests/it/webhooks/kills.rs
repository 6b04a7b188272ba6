//! Every event is told at least once, whenever the daemon is killed: it is killed by SIGKILL at random moments while events
//! happen and a receiver fails half of the time, and then what the receiver wrote down is compared with the events.
//!
//! A short share runs with all tests; the whole is `tests/prove webhooks`.

use super::receiver::{Received, Receiver, says};
use super::verified::Library;
use crate::daemon::{Answer, Installation};
use crate::kills::{next_random, parameter};
use crate::{ledger, stores};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// From a start to the kill, milliseconds.
const LIFE_MS: (u64, u64) = (50, 1_500);
/// The longest wait for what is left when nobody kills it any more, and for each event of it: a webhook that fails five times in a row rests
/// for a second, then for two, up to a minute, and with half of all tries failing that is most of the time.
const FINISH_MAX: Duration = Duration::from_mins(10);
const FINISH_EACH: Duration = Duration::from_millis(600);
/// How often what failed is told to be tried again: the schedule of the daemon takes hours.
const PRESS: Duration = Duration::from_millis(700);

#[derive(Clone, Copy)]
struct Measure {
    events: usize,
    kills: usize,
    seed: u64,
}

/// Lets things happen as they are allowed; each was kept when this goes on, or nobody was there.
fn feed(home: &Installation, events: usize, (allowed, over): (&AtomicUsize, &AtomicBool)) {
    let mut n = 0;
    while n < events && !over.load(Ordering::SeqCst) {
        if n >= allowed.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let order = json!({"handle": format!("@person{n}")});
        match home.call("POST", "/v1/influencers", Some(&order)) {
            // 409: it was kept the time before, and the answer was lost.
            Answer::Said(200..=299 | 409, _) => n += 1,
            Answer::Said(..) | Answer::Lost | Answer::NobodyThere => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// All events that there are, by number.
fn events(home: &Installation) -> BTreeMap<i64, String> {
    let (mut all, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = home.get(&format!("/v1/events?after={after}&limit=200"));
        for event in page["data"].as_array().unwrap() {
            all.insert(event["seq"].as_i64().unwrap(), event["id"].as_str().unwrap().to_owned());
        }
        let next = page["next_after"].as_i64().unwrap();
        if next == after {
            return all;
        }
        after = next;
    }
}

fn said(home: &Installation, method: &str, path: &str, body: &Value) -> Option<Value> {
    match home.call(method, path, Some(body)) {
        Answer::Said(200..=299, value) => Some(value),
        // Another change came first, each time.
        Answer::Said(503, _) => None,
        Answer::Said(status, value) => panic!("{method} {path}: {status} {value}\n{}", home.last_words()),
        Answer::Lost | Answer::NobodyThere => None,
    }
}

fn prove(fresh: impl Future<Output = Option<stores::Fresh>>, measure: Measure) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(fresh) = runtime.block_on(fresh) else {
        return crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
    };
    let database = fresh.name;
    let home = runtime.block_on(Installation::bare(
        fresh,
        "[secrets]\nmaster_key = { file = \"master-key\" }\n[webhooks]\nallow = [\"127.0.0.1\"]\n",
        &[("master-key", super::MASTER_KEY)],
    ));
    let began = Instant::now();
    let dice = Mutex::new(measure.seed);
    let library: Arc<OnceLock<Option<Library>>> = Arc::default();
    let receiver = Receiver::new({
        let library = Arc::clone(&library);
        move |request| {
            // Before the first secret is known, nobody is told anything.
            if let Some(library) = library.get().and_then(Option::as_ref) {
                library.look_at(request);
            }
            match next_random(&mut dice.lock().unwrap()) % 8 {
                0..4 => says(204),
                4 | 5 => says(500),
                6 => says(429),
                _ => says(0),
            }
        }
    });
    let mut daemon = home.start();
    home.await_up(&mut daemon);
    let made = said(&home, "POST", "/v1/webhooks", &json!({"url": receiver.url()})).unwrap();
    assert!(library.set(Library::start(made["secret"].as_str().unwrap())).is_ok());
    let resend = format!("/v1/webhooks/{}/resend", made["id"].as_str().unwrap());
    let press = || said(&home, "POST", &resend, &json!({"since": "2026-01-01T00:00:00Z", "failed_only": true}));
    let (allowed, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut random = measure.seed;
    let mut lives_told = 0;
    let mut daemon = std::thread::scope(|scope| {
        let mut daemon = daemon;
        let feeder = scope.spawn(|| feed(&home, measure.events, (&allowed, &over)));
        for kill in 1..=measure.kills {
            allowed.store(measure.events * kill / measure.kills, Ordering::SeqCst);
            let life = LIFE_MS.0 + next_random(&mut random) % (LIFE_MS.1 - LIFE_MS.0);
            let (pressed_at, before) = (life / 2, receiver.all().len());
            std::thread::sleep(Duration::from_millis(pressed_at));
            press();
            std::thread::sleep(Duration::from_millis(life - pressed_at));
            assert!(daemon.ended().is_none(), "the daemon ended by itself:\n{}", home.last_words());
            daemon.kill();
            daemon = home.start();
            lives_told += usize::from(receiver.all().len() > before);
        }
        allowed.store(measure.events, Ordering::SeqCst);
        home.await_up(&mut daemon);
        while !feeder.is_finished() {
            assert!(daemon.ended().is_none(), "the daemon ended by itself:\n{}", home.last_words());
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::SeqCst);
        daemon
    });
    let until = Instant::now() + FINISH_MAX + FINISH_EACH * u32::try_from(measure.events).unwrap();
    let (all, taken) = loop {
        let all = events(&home);
        let taken: HashSet<String> =
            receiver.all().iter().filter(|r| r.was_taken()).map(|r| r.id().to_owned()).collect();
        if all.len() >= measure.events && all.values().all(|id| taken.contains(id)) {
            break (all, taken);
        }
        let missing: Vec<i64> =
            all.iter().filter(|(_, id)| !taken.contains(*id)).map(|(seq, _)| *seq).take(20).collect();
        assert!(Instant::now() < until, "never taken: {missing:?} of {}\n{}", all.len(), home.last_words());
        assert!(daemon.ended().is_none(), "the daemon ended by itself:\n{}", home.last_words());
        press();
        std::thread::sleep(PRESS);
    };
    daemon.kill();
    let got = receiver.all();
    check(database, measure, (&all, &taken), &got, (lives_told, began.elapsed()));
    if let Some(library) = library.get().and_then(Option::as_ref) {
        let verdicts = library.verdicts();
        ledger::print_table(
            "as the library standardwebhooks sees it",
            &[
                ("requests it took for genuine", verdicts.genuine.to_string()),
                ("requests it refused", verdicts.refused.len().to_string()),
                ("the same with a space put in, taken for genuine", verdicts.forged.to_string()),
            ],
        );
        assert_eq!((verdicts.genuine, verdicts.forged), (got.len(), 0), "{:?}", verdicts.refused.first());
    }
}

fn check(
    database: &str,
    measure: Measure,
    (all, taken): (&BTreeMap<i64, String>, &HashSet<String>),
    got: &[Received],
    (lives_told, took): (usize, Duration),
) {
    let ids: HashSet<&str> = all.values().map(String::as_str).collect();
    assert!(got.iter().all(|r| ids.contains(r.id())), "something was told that never happened");
    let (mut firsts, mut seen, mut by_id) = (Vec::new(), HashSet::new(), BTreeMap::new());
    for request in got {
        assert_eq!(all.get(&request.seq()).map(String::as_str), Some(request.id()), "an id that is not its event's");
        if seen.insert(request.id()) {
            firsts.push(request.seq());
        }
        let body = by_id.entry(request.id()).or_insert(&request.body);
        assert_eq!(*body, &request.body, "the same id says the same");
    }
    assert!(firsts.windows(2).all(|w| w[0] < w[1]), "first tries are not in order: {firsts:?}");
    let twice = got.iter().filter(|r| r.was_taken()).count() - taken.len();
    ledger::print_table(
        &format!("webhooks on {database}"),
        &[
            ("kills (SIGKILL)", measure.kills.to_string()),
            ("seed", measure.seed.to_string()),
            ("lives in which something was told", lives_told.to_string()),
            ("events", all.len().to_string()),
            ("requests the receiver got", got.len().to_string()),
            ("of these failed by it", got.iter().filter(|r| !r.was_taken()).count().to_string()),
            ("events never taken", (all.len() - taken.len()).to_string()),
            ("taken more than once, under the same id", twice.to_string()),
            ("first tries out of order", "0".to_owned()),
            ("seconds", took.as_secs().to_string()),
        ],
    );
}

async fn sqlite() -> Option<stores::Fresh> {
    Some(stores::sqlite().await)
}

const SHORT: Measure = Measure { events: 120, kills: 4, seed: 1 };

#[test]
fn kills_leave_no_event_untold_on_sqlite() {
    prove(sqlite(), SHORT);
}

#[test]
fn kills_leave_no_event_untold_on_postgres() {
    prove(stores::postgres(), SHORT);
}

#[test]
#[ignore = "runs for many minutes: tests/prove webhooks"]
fn many_kills() {
    let measure = Measure {
        events: parameter("EVENTS", 10_000),
        kills: parameter("KILLS", 200),
        seed: parameter("SEED", 1) as u64,
    };
    match std::env::var("LIAISON_PROVE_DATABASE").as_deref() {
        Ok("postgres") => prove(stores::postgres(), measure),
        Ok("sqlite") | Err(_) => prove(sqlite(), measure),
        Ok(other) => panic!("LIAISON_PROVE_DATABASE={other}: sqlite or postgres"),
    }
}
