//! Nothing is sent too early, too late or twice, in whatever zone: schedules made by chance from a seed are planned by the
//! program and by an oracle that knows nothing of how the program does it (`tests/oracle/schedule.py`), and compared step by step.
//!
//! A short share runs with all tests; the whole is `tests/prove schedules`.

mod cases;
mod ledgers;
mod oracle;
mod speed;

use crate::kills::parameter;
use crate::ledger::print_table;
use crate::peers;
use cases::{Asked, Case, Step};
use liaison::domain::schedule::{Due, Ledger, Planned, plan_instant, resolve};
use liaison::domain::time::Micros;
use oracle::{Answer, Oracle};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Most schedules asked of the oracle at once.
const BATCH_MAX: usize = 1_000;
/// Processes of the oracle, and threads of the program beside them.
const ORACLES: usize = 2;
/// The list of holidays that the oracle has ends with 2030: no step is planned from later than this, 2029-07-01.
pub(super) const LAST_ANCHOR: i64 = 1_877_558_400_000_000;

/// What came out.
#[derive(Default)]
struct Tally {
    schedules: usize,
    steps: usize,
    never: usize,
    missed: usize,
    early: usize,
    twice: usize,
    /// How many steps each rule moved.
    moved: BTreeMap<&'static str, usize>,
    /// What differed, the first few.
    examples: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.never += other.never;
        self.missed += other.missed;
        self.early += other.early;
        self.twice += other.twice;
        for (word, count) in other.moved {
            *self.moved.entry(word).or_default() += count;
        }
        self.examples.extend(other.examples);
        self.examples.truncate(5);
    }

    /// Compares what the program planned with what the oracle did, up to the first difference: later steps count from it.
    fn compare(&mut self, planned: &[Answer], oracle: &[Answer], case: &dyn Fn() -> String) {
        self.schedules += 1;
        for step in 0..planned.len().max(oracle.len()) {
            let (ours, theirs) = (planned.get(step).copied(), oracle.get(step).copied());
            self.steps += 1;
            self.never += usize::from(theirs == Some(Answer::Never));
            if ours == theirs {
                continue;
            }
            let early = match (ours, theirs) {
                (Some(Answer::At(ours)), Some(Answer::At(theirs))) => ours < theirs,
                (ours, _) => matches!(ours, Some(Answer::At(_))),
            };
            *(if early { &mut self.early } else { &mut self.missed }) += 1;
            self.examples.push(format!("step {step}: planned {ours:?}, oracle {theirs:?}: {}", case()));
            break;
        }
    }

    fn print(&self, title: &str, seed: usize, seconds: f64) {
        let mut lines = vec![
            ("seed", seed.to_string()),
            ("schedules", self.schedules.to_string()),
            ("steps", self.steps.to_string()),
            ("missed (later than the oracle, or never)", self.missed.to_string()),
            ("early", self.early.to_string()),
            ("twice", self.twice.to_string()),
            ("never opens, as the oracle says too", self.never.to_string()),
        ];
        lines.extend(self.moved.iter().map(|(word, count)| (*word, count.to_string())));
        lines.push(("seconds", format!("{seconds:.0}")));
        print_table(title, &lines);
    }

    fn judge(&self) {
        assert_eq!((self.missed, self.early, self.twice), (0, 0, 0), "{}", self.examples.join("\n"));
    }
}

/// Plans the steps of a case, each counted from when the one above was completed.
fn plan(case: &Case, tally: &mut Tally) -> Vec<Answer> {
    let (mut anchor, mut ledger) = (case.anchor, Ledger::default());
    let mut out = Vec::new();
    for step in &case.steps {
        if anchor.0 > LAST_ANCHOR {
            break;
        }
        let ask = case.ask(step, anchor, late_now(case, step, anchor));
        let Ok(planned) = plan_instant(&ask, &mut ledger) else {
            out.push(Answer::Never);
            break;
        };
        for shift in &planned.shifts {
            *tally.moved.entry(shift.reason.word()).or_default() += 1;
        }
        // Asked again, and asked again when its hour has come, it is the same instant; and it is not that of the step above.
        let again = plan_instant(&ask, &mut ledger).ok();
        let mut hour = ask.clone();
        (hour.due, hour.now) = (Due::At(planned.at), planned.at);
        let same = Planned { shifts: Vec::new(), ..planned.clone() };
        let is_first = matches!(ask.due, Due::At(_)) || planned.at > anchor;
        if again.as_ref() != Some(&planned) || plan_instant(&hour, &mut ledger).ok() != Some(same) || !is_first {
            tally.twice += 1;
            tally.examples.push(format!("twice: {planned:?}: {}", case.json()));
        }
        out.push(Answer::At(planned.at.0));
        anchor = Micros(planned.at.0 + step.done * 1_000_000);
    }
    out
}

fn late_now(case: &Case, step: &Step, anchor: Micros) -> Micros {
    if step.late == 0 {
        return anchor;
    }
    let due = step.after.map_or(Some(anchor), |after| resolve(anchor, after, &case.terms.zone, &case.terms.holidays));
    anchor.max(Micros(due.expect("a business day").0 + step.late * 1_000_000))
}

/// Plans `count` schedules and has them judged, on as many threads as there are oracles.
fn prove<C>(
    count: usize,
    seed: usize,
    make: impl Fn(u64) -> C + Sync,
    run: impl Fn(&C, &mut Tally) -> Vec<Answer> + Sync,
) -> Tally
where
    C: Asked,
{
    let next = AtomicUsize::new(0);
    let each = (count / ORACLES / 4).clamp(1, BATCH_MAX);
    let worker = || {
        let (mut oracle, mut tally) = (Oracle::start(), Tally::default());
        loop {
            let batch = next.fetch_add(1, Ordering::SeqCst) * each;
            if batch >= count {
                return tally;
            }
            let numbers = batch..count.min(batch + each);
            let cases: Vec<C> = numbers.map(|n| make(((seed as u64) << 40) + n as u64)).collect();
            let answers = oracle.ask(&cases.iter().map(Asked::json).collect::<Vec<_>>(), || {
                cases.iter().map(|case| run(case, &mut tally)).collect::<Vec<_>>()
            });
            for ((case, ours), theirs) in cases.iter().zip(&answers.0).zip(&answers.1) {
                tally.compare(ours, theirs, &|| case.json());
            }
        }
    };
    let mut all = Tally::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..ORACLES).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().for_each(|w| all.add(w.join().expect("a worker")));
    });
    all
}

fn prove_all(schedules: usize, ledgers: usize, seed: usize) {
    if !oracle::is_there() {
        return peers::skip("python3 with zoneinfo");
    }
    let start = Instant::now();
    let of_schedules = prove(schedules, seed, Case::by_chance, plan);
    of_schedules.print("schedules", seed, start.elapsed().as_secs_f64());
    let start = Instant::now();
    let of_ledgers = prove(ledgers, seed, ledgers::Case::by_chance, ledgers::plan);
    of_ledgers.print("with limits and gaps, 40 sends of an account each", seed, start.elapsed().as_secs_f64());
    of_schedules.judge();
    of_ledgers.judge();
}

#[test]
fn schedules_are_what_the_oracle_says() {
    prove_all(20_000, 200, 1);
}

#[test]
#[ignore = "runs for many minutes: tests/prove schedules"]
fn many_schedules() {
    prove_all(parameter("COUNT", 1_000_000), parameter("LEDGERS", 5_000), parameter("SEED", 1));
}
