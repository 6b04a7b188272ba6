//! How quickly instants are planned, with and without limits.

use liaison::domain::calendar::Calendar;
use liaison::domain::delay::After;
use liaison::domain::schedule::{
    Ask, Due, Gap, Hours, Key, Ledger, Limit, MAX_LATE, Opening, Rule, Side, Terms, jitter, plan_instant,
};
use liaison::domain::time::Micros;
use liaison::domain::zone::Zone;
use std::sync::Arc;
use std::time::Instant;

fn opening(side: Side, zone: &str, country: &str, hours: [&str; 2]) -> Opening {
    let holidays = Calendar::shipped(country).unwrap().unwrap();
    let days: Vec<&str> = ["mon", "tue", "wed", "thu", "fri"].to_vec();
    Opening { side, hours: Hours::parse(&days, &hours).unwrap(), zone: Zone::named(zone).unwrap(), holidays }
}

fn place(ask: &Ask, ledger: &mut Ledger) {
    let planned = plan_instant(ask, ledger).unwrap();
    let mut keys: Vec<&Key> = ask.limits.iter().map(|l| &l.key).collect();
    keys.extend(ask.terms.gap.iter().map(|(key, _)| key));
    keys.sort();
    keys.dedup();
    ledger.reserve(keys, planned.at, planned.gap);
}

/// Prints how many are planned in a second; asserts nothing about it.
#[test]
#[ignore = "a measurement: run it in a release build"]
fn instants_planned_in_a_second() {
    let theirs = opening(Side::Recipient, "America/New_York", "us", ["09:00-12:00", "13:30-17:00"]);
    let ours = opening(Side::Account, "Europe/London", "gb", ["08:00-12:00", "12:00-18:00"]);
    let terms = Terms {
        zone: theirs.zone.clone(),
        holidays: vec![(Side::Recipient, theirs.holidays.clone()), (Side::Account, ours.holidays.clone())],
        openings: vec![theirs, ours],
        max_late: MAX_LATE,
        gap: None,
    };
    let start = Micros::parse("2026-01-01T00:00:00Z").unwrap();
    let mut ask = Ask { due: Due::At(start), now: start, terms: Arc::new(terms), limits: Arc::new([]), seed: 0 };
    let account = Key::Account("partnerships".into());
    let limit = |key: Key, rule| Limit { key, rule };
    let after = After::parse("3 business days").unwrap();
    let (start, now) = (Instant::now(), ask.now.0);
    for n in 0..1_000_000 {
        let anchor = Micros(now + n * 31_000_000);
        (ask.due, ask.now) = (Due::After { anchor, after }, anchor);
        std::hint::black_box(plan_instant(&ask, &mut Ledger::default())).unwrap();
    }
    println!("without limits: {:.0} a second", 1e6 / start.elapsed().as_secs_f64());

    ask.limits = Arc::new([
        limit(account.clone(), Rule::In24Hours(200)),
        limit(Key::Sequence("spring".into()), Rule::In24Hours(150)),
        limit(
            Key::NewPeople("spring".into()),
            Rule::PerDay { limit: 100, zone: Zone::named("Europe/London").unwrap() },
        ),
    ]);
    for gap in [None, Some((account.clone(), Gap::parse("2m to 7m").unwrap()))] {
        Arc::make_mut(&mut ask.terms).gap = gap;
        let (start, mut ledger) = (Instant::now(), Ledger::default());
        for n in 0..20_000_u64 {
            (ask.seed, ask.due, ask.now) = (n, Due::At(Micros(now)), Micros(now));
            place(&ask, &mut ledger);
        }
        println!("20,000 placements from one instant: {:.2} s", start.elapsed().as_secs_f64());
        ask.limits = Arc::new([]);
    }
    let (start, mut ledger) = (Instant::now(), Ledger::default());
    for n in 0..20_000_u64 {
        let due = Micros(now + i64::try_from(jitter(n, 86_400 * 200)).unwrap() * 1_000_000);
        (ask.seed, ask.due) = (n, Due::At(due));
        place(&ask, &mut ledger);
    }
    println!("20,000 placements in any order, gaps only: {:.2} s", start.elapsed().as_secs_f64());
}
