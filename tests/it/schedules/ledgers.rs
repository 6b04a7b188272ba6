//! An account's sends under limits and gaps, made by chance: planned in any order, some sent by hand, some taken back.

use super::Tally;
use super::cases::{Asked, Chance, ZONES};
use super::oracle::Answer;
use liaison::domain::day::Weekdays;
use liaison::domain::schedule::{
    Ask, Due, Gap, Hours, Key, Ledger, Limit, Opening, Range, Rule, Side, Terms, plan_instant,
};
use liaison::domain::time::Micros;
use liaison::domain::zone::Zone;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Sends of one account.
const OPS: usize = 40;
const MICRO: i64 = 1_000_000;

pub(super) struct Case {
    opening: Opening,
    told: Value,
    in24: u32,
    per_day: u32,
    ramp: Vec<u32>,
    zone: &'static str,
    /// Seconds, from and to.
    gap: Option<(u64, u64)>,
    ops: Vec<Op>,
}

enum Op {
    Plan {
        due: Micros,
        seed: u64,
    },
    /// By hand: counts, and never waits.
    Sent {
        at: Micros,
        seed: u64,
    },
    /// Takes back what stands at this place among those that are there.
    Cancel(usize),
}

impl Case {
    pub(super) fn by_chance(number: u64) -> Self {
        let mut chance = Chance(number.wrapping_mul(0x9e6c_63d0_876a_d5b3));
        let zone = chance.below(ZONES.len() as u64) as usize;
        let wide = [["09:00", "12:00"], ["13:30", "17:00"], ["00:00", "24:00"], ["22:00", "24:00"], ["00:00", "03:00"]];
        let [start, end] = chance.of(&wide);
        let days = chance.of(&[Weekdays::ALL, Weekdays::WORKING]);
        let hours = Hours::new(days, vec![Range::parse(&format!("{start}-{end}")).unwrap()]).unwrap();
        let (opening, told, ..) = chance.opening(Side::Channel, zone, hours);
        let begin = chance.within(1_704_672_000, 1_850_000_000) * MICRO;
        let width = chance.of(&[3_600, 86_400, 6 * 86_400]);
        let mut there = 0;
        let ops = (0..OPS).map(|_| op(&mut chance, begin, width, &mut there)).collect();
        let some = |chance: &mut Chance, values: &[u32]| if chance.percent(60) { chance.of(values) } else { 0 };
        Self {
            in24: some(&mut chance, &[2, 3, 5, 8]),
            per_day: some(&mut chance, &[2, 4, 7]),
            ramp: if chance.percent(40) { vec![1, 2, 2, 3, 5] } else { Vec::new() },
            zone: chance.of(&ZONES),
            gap: chance.percent(70).then(|| chance.of(&[(120, 420), (600, 3_600), (300, 300), (3_600, 7_200)])),
            opening,
            told,
            ops,
        }
    }

    fn ask(&self) -> Ask {
        let account = Key::Account("a".into());
        let zone = Zone::named(self.zone).unwrap();
        let mut limits = Vec::new();
        if self.in24 > 0 {
            limits.push(Limit { key: account.clone(), rule: Rule::In24Hours(self.in24) });
        }
        if self.per_day > 0 {
            let rule = Rule::PerDay { limit: self.per_day, zone: zone.clone() };
            limits.push(Limit { key: account.clone(), rule });
        }
        if !self.ramp.is_empty() {
            let rule = Rule::RampUp { limits: self.ramp.clone().into(), first: None, zone };
            limits.push(Limit { key: account.clone(), rule });
        }
        let gap = self.gap.and_then(|(min, max)| Gap::new(Duration::from_secs(min), Duration::from_secs(max)));
        let terms = Terms {
            zone: self.opening.zone.clone(),
            openings: vec![self.opening.clone()],
            holidays: Vec::new(),
            max_late: Duration::from_hours(24),
            gap: gap.map(|gap| (account, gap)),
        };
        Ask { due: Due::At(Micros(0)), now: Micros(0), terms: Arc::new(terms), limits: limits.into(), seed: 0 }
    }
}

fn op(chance: &mut Chance, begin: i64, width: i64, there: &mut usize) -> Op {
    if *there > 0 && chance.percent(8) {
        let place = chance.below(*there as u64) as usize;
        *there -= 1;
        return Op::Cancel(place);
    }
    *there += 1;
    let (at, seed) = (Micros(begin + chance.within(0, width) * MICRO), chance.below(u64::MAX));
    if chance.percent(10) { Op::Sent { at, seed } } else { Op::Plan { due: at, seed } }
}

impl Asked for Case {
    fn json(&self) -> String {
        let op = |op: &Op| match op {
            Op::Plan { due, seed } => json!(["plan", due.0, seed]),
            Op::Sent { at, seed } => json!(["sent", at.0, seed]),
            Op::Cancel(place) => json!(["cancel", place]),
        };
        json!({
            "openings": [self.told], "in24": self.in24, "per_day": self.per_day, "ramp": self.ramp, "zone": self.zone,
            "gap": self.gap.map(|(min, max)| [min, max]), "ops": self.ops.iter().map(op).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// Plans and reserves each send. A ledger that is filled with the same reservations anew must give the same answer.
pub(super) fn plan(case: &Case, tally: &mut Tally) -> Vec<Answer> {
    let (mut ask, key) = (case.ask(), Key::Account("a".into()));
    let (mut ledger, mut there, mut out) = (Ledger::default(), Vec::new(), Vec::new());
    for op in &case.ops {
        let (at, gap) = match op {
            Op::Cancel(place) => {
                let (at, gap) = there.remove(*place);
                ledger.release([&key], at, gap);
                continue;
            }
            Op::Sent { at, seed } => (*at, ask.terms.gap.as_ref().map_or(0, |(_, gap)| gap.after(*seed))),
            Op::Plan { due, seed } => {
                (ask.due, ask.now, ask.seed) = (Due::At(*due), *due, *seed);
                let planned = plan_instant(&ask, &mut ledger);
                let mut anew = Ledger::default();
                there.iter().rev().for_each(|(at, gap)| anew.reserve([&key], *at, *gap));
                if plan_instant(&ask, &mut anew) != planned {
                    tally.twice += 1;
                    tally.examples.push(format!("another answer from the same reservations: {}", case.json()));
                }
                let Ok(planned) = planned else {
                    out.push(Answer::Never);
                    return out;
                };
                for shift in &planned.shifts {
                    *tally.moved.entry(shift.reason.word()).or_default() += 1;
                }
                (planned.at, planned.gap)
            }
        };
        ledger.reserve([&key], at, gap);
        there.push((at, gap));
        out.push(Answer::At(at.0));
    }
    out
}
