//! The simulator against what really happens: the same people, sequences, events and manual mail once through `simulate` and
//! once through the daemon's own parts over a simulated provider. Every send must be the same one at the same planned instant.

mod beside;
mod brand;
mod reality;

use std::collections::BTreeMap;
use std::time::Instant;

use liaison::app;
use liaison::app::simulate::{Order, simulate};
use liaison::hub::outreach::enroll::Again;
use liaison::sequence::simulate::{Ended, Report, What};

use brand::Brand;

/// Who got which step in which wording; for when it was planned and when it left. The two differ where a person approved late.
type Sends = BTreeMap<(String, String, String), String>;

fn sends(report: &Report) -> Sends {
    let key = |e: &liaison::sequence::simulate::Entry| {
        (e.handle.clone(), e.step.clone().unwrap(), e.variant.clone().unwrap())
    };
    let mut all = Sends::new();
    for e in report.sends() {
        let planned = e.planned_at.unwrap();
        let when = format!("planned for {planned}, left {}", e.at);
        assert!(all.insert(key(e), when).is_none(), "{} got {:?} twice", e.handle, e.step);
    }
    all
}

async fn foreseen(brand: &Brand) -> Report {
    let order = Order {
        sequence: None,
        enroll: vec![("echo".to_owned(), brand.of("echo"))],
        from: None,
        days: 60,
        given: brand.given(),
        again: Again::Refused,
        local: None,
        tasks_after: None,
    };
    let house = app::house_of(&brand.config);
    simulate((&brand.store, brand.clock.now()), house, None, order).await.unwrap()
}

async fn compare(people: usize, least: usize) {
    let began = Instant::now();
    let brand = Brand::new(people).await;
    let report = foreseen(&brand).await;
    let again = foreseen(&brand).await;
    assert_eq!(sends(&report), sends(&again), "two simulations of the same thing differ");
    let took = began.elapsed();
    let foreseen = sends(&report);
    assert_eq!(report.ended, Ended::Quiet, "60 days are not enough");
    let began = Instant::now();
    let real = reality::live(brand).await;
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for entry in &report.entries {
        *counts.entry(entry.what.word()).or_default() += 1;
    }
    let same = foreseen.iter().filter(|(key, at)| real.get(*key) == Some(*at)).count();
    let days = report.entries.last().unwrap().at.since(report.from).as_secs() / 86_400;
    println!("| people | {people} |\n| days until the last of it | {} |", days);
    println!("| sends foreseen | {} |\n| sends that happened | {} |", foreseen.len(), real.len());
    println!("| of these the same: who, step, wording, planned instant | {same} |");
    println!(
        "| two simulations | {:.1} s |\n| the daemon's parts | {:.1} s |",
        took.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    println!("| what else was foreseen | {counts:?} |");
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in report.entries.iter().filter(|e| e.what == What::Held) {
        *reasons.entry(entry.detail.get(..60).unwrap_or(&entry.detail)).or_default() += 1;
    }
    println!("| why runs stood still | {reasons:?} |");
    let missing: Vec<_> = foreseen.iter().filter(|(key, at)| real.get(*key) != Some(*at)).take(20).collect();
    let unforeseen: Vec<_> = real.iter().filter(|(key, at)| foreseen.get(*key) != Some(*at)).take(20).collect();
    assert!(missing.is_empty() && unforeseen.is_empty(), "foreseen only: {missing:#?}\nhappened only: {unforeseen:#?}");
    assert!(foreseen.len() >= least, "only {} sends: nothing is shown by that", foreseen.len());
    for what in [What::Skipped, What::Exited, What::Finished, What::Task, What::TimedOut, What::Held, What::Stage] {
        assert!(
            counts.get(what.word()).copied().unwrap_or(0) > 0,
            "nothing was {what}: the comparison shows too little"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_foreseen_is_what_happens() {
    compare(60, 60).await;
}

/// `tests/prove simulate [--people 1000]`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: tests/prove simulate"]
async fn many_people_are_foreseen() {
    let people = std::env::var("LIAISON_PROVE_PEOPLE").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    compare(people, people).await;
}
