//! Schedules by chance: a zone, windows, working hours, holidays and a few steps, often near a clock change, a leap day or the
//! end of a year. The same number gives the same schedule.

use crate::kills::next_random;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use liaison::domain::calendar::{Calendar, shipped_countries};
use liaison::domain::day::{Day, Minute, Weekday, Weekdays};
use liaison::domain::delay::{After, Delay};
use liaison::domain::schedule::{Ask, Due, Hours, Opening, Range, Side, Terms};
use liaison::domain::time::Micros;
use liaison::domain::words::Word;
use liaison::domain::zone::Zone;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// 24 zones whose clocks change, and four whose clocks don't.
pub(super) const ZONES: [&str; 28] = [
    "America/New_York",
    "America/Los_Angeles",
    "America/Denver",
    "America/St_Johns",
    "America/Santiago",
    "America/Havana",
    "America/Nuuk",
    "Atlantic/Azores",
    "Europe/Lisbon",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Berlin",
    "Europe/Helsinki",
    "Europe/Chisinau",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Gaza",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "UTC",
];
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;
/// 2024-01-08 and 2028-12-01: the list of holidays that the oracle has goes from 2024 to 2030.
const ANCHORS: (i64, i64) = (1_704_672_000_000_000, 1_859_241_600_000_000);

static CALENDARS: LazyLock<Vec<(&str, Calendar)>> =
    LazyLock::new(|| shipped_countries().map(|c| (c, Calendar::shipped(c).unwrap().unwrap())).collect());
static LOADED: LazyLock<Vec<Zone>> = LazyLock::new(|| ZONES.iter().map(|n| Zone::named(n).unwrap()).collect());
/// The instants at which the clocks of each zone change, by another library than the one under test.
static CHANGES: LazyLock<Vec<Vec<i64>>> = LazyLock::new(|| {
    let changes = |name: &&str| {
        let start = Timestamp::from_microsecond(ANCHORS.0).unwrap();
        let times = TimeZone::get(name).unwrap();
        times.following(start).map(|t| t.timestamp().as_microsecond()).take_while(|t| *t < ANCHORS.1).collect()
    };
    ZONES.iter().map(changes).collect()
});

/// Something the oracle is asked.
pub(super) trait Asked {
    fn json(&self) -> String;
}

pub(super) struct Case {
    pub(super) anchor: Micros,
    pub(super) terms: Arc<Terms>,
    pub(super) steps: Vec<Step>,
    countries: Vec<&'static str>,
    dates: Vec<Day>,
    openings: Vec<Value>,
}

pub(super) struct Step {
    pub(super) after: Option<After>,
    /// Seconds from when it was due until it is planned; 0: it is planned when the step above is done.
    pub(super) late: i64,
    /// Seconds from when it goes out until it is completed.
    pub(super) done: i64,
    pub(super) seed: u64,
}

/// Chance from a seed.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, below: u64) -> u64 {
        next_random(&mut self.0) % below
    }

    pub(super) fn within(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(u64::try_from(high - low + 1).unwrap()) as i64
    }

    pub(super) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    pub(super) fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    fn countries(&mut self) -> Vec<&'static str> {
        let many = self.of(&[0, 1, 1, 1, 2]);
        let mut chosen: Vec<_> = (0..many).map(|_| self.of(&CALENDARS).0).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    fn dates(&mut self) -> Vec<Day> {
        let many = self.of(&[0, 0, 1, 4]);
        (0..many).map(|_| Day(i32::try_from(self.within(ANCHORS.0, ANCHORS.1) / DAY).unwrap())).collect()
    }

    fn days(&mut self) -> Weekdays {
        match self.below(10) {
            0..=4 => Weekdays::WORKING,
            5..=6 => Weekdays::ALL,
            _ => {
                let many = self.within(1, 5);
                (0..many).map(|_| self.of(Weekday::ALL)).collect()
            }
        }
    }

    fn hours(&mut self) -> Hours {
        let days = self.days();
        let range = |start: i64, end: i64| Range { start: Minute(start as u16), end: Minute(end as u16) };
        let ranges = match self.below(10) {
            0..=3 => vec![range(540, 720), range(810, 1020)],
            4 => vec![range(0, 1440)],
            // Around the hours at which clocks change.
            5..=6 => {
                let start = self.within(0, 180);
                vec![range(start, start + self.within(1, 90))]
            }
            7 => vec![range(self.within(1300, 1400), 1440), range(0, self.within(1, 120))],
            _ => {
                let (a, b) = (self.within(0, 1000), self.within(0, 400));
                let second = a + b + 1 + self.within(0, 20);
                vec![range(a, a + b + 1), range(second, (second + self.within(1, 300)).min(1440))]
            }
        };
        Hours::new(days, ranges).unwrap()
    }

    fn zone(&mut self) -> usize {
        self.below(ZONES.len() as u64) as usize
    }

    fn anchor(&mut self, zones: &[usize]) -> Micros {
        let of = self.of(zones);
        let changes = &CHANGES[of];
        let at = match self.below(10) {
            0..=4 if !changes.is_empty() => self.of(changes) + self.within(-4 * DAY, DAY),
            // Before and about the 29th of February of 2024 and of 2028.
            5 => self.of(&[1_709_164_800_000_000, 1_835_395_200_000_000]) + self.within(-4 * DAY, 2 * DAY),
            // About the end of a year.
            6 => {
                self.of(&[1_735_603_200_000_000, 1_767_139_200_000_000, 1_798_675_200_000_000])
                    + self.within(-7 * DAY, 2 * DAY)
            }
            _ => self.within(ANCHORS.0, ANCHORS.1),
        };
        // Whole minutes and whole quarters more often than chance has them: that is where hours begin and end.
        let unit = self.of(&[1, 1_000_000, MINUTE, MINUTE, 15 * MINUTE]);
        Micros(at / unit * unit)
    }

    fn after(&mut self) -> Option<After> {
        let n = |chance: &mut Self, max: i64| u32::try_from(chance.within(1, max)).unwrap();
        Some(match self.below(10) {
            0 => return None,
            1 => After::Delay(Delay::Minutes(n(self, 600))),
            2 => After::Delay(Delay::Hours(n(self, 100))),
            3..=4 => After::Delay(Delay::Days(n(self, 10))),
            5 => After::Delay(Delay::Days(n(self, 60))),
            6..=7 => After::Delay(Delay::BusinessDays(n(self, 12))),
            _ => {
                let minute = self.of(&[90, 120, 150, 600, 0, 1439, 30]);
                After::Next { weekday: self.of(Weekday::ALL), time: Minute(minute) }
            }
        })
    }

    fn step(&mut self) -> Step {
        let late = if self.percent(12) { self.of(&[60, 3600, 86_400, 86_401, 200_000, 900_000]) } else { 0 };
        let late = if late > 60 { late + self.within(-60, 60) } else { late };
        Step { after: self.after(), late, done: self.of(&[0, 0, 1, 90, 4000]), seed: next_random(&mut self.0) }
    }

    pub(super) fn opening(
        &mut self,
        side: Side,
        zone: usize,
        hours: Hours,
    ) -> (Opening, Value, Vec<&'static str>, Vec<Day>) {
        let plain = side == Side::Channel;
        let (countries, dates) = if plain { (Vec::new(), Vec::new()) } else { (self.countries(), self.dates()) };
        let of_countries = CALENDARS.iter().filter(|(c, _)| countries.contains(c)).map(|(_, calendar)| calendar);
        let single = Calendar::of_dates(dates.iter().copied());
        let holidays = Calendar::merge(of_countries.chain([&single]));
        let days: Vec<u8> = Weekday::ALL.iter().filter(|d| hours.days().contains(**d)).map(|d| d.number()).collect();
        let ranges: Vec<[u16; 2]> = hours.ranges().iter().map(|r| [r.start.0, r.end.0]).collect();
        let numbers: Vec<i32> = dates.iter().map(|d| d.0).collect();
        let told = json!([ZONES[zone], days, ranges, countries, numbers]);
        (Opening { side, hours, zone: LOADED[zone].clone(), holidays }, told, countries, dates)
    }
}

impl Case {
    pub(super) fn by_chance(number: u64) -> Self {
        let mut chance = Chance(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let theirs = chance.zone();
        let ours = if chance.percent(50) { theirs } else { chance.zone() };
        let hours = chance.hours();
        let mut all = vec![chance.opening(Side::Recipient, theirs, hours)];
        if chance.percent(50) {
            // Mostly wide: narrow hours on both sides rarely meet.
            let wide = [["00:00", "24:00"], ["07:00", "20:00"], ["00:00", "12:00"]].map(|[a, b]| format!("{a}-{b}"));
            let wide = Hours::new(
                chance.of(&[Weekdays::ALL, Weekdays::WORKING]),
                vec![Range::parse(&chance.of(&wide)).unwrap()],
            );
            let hours = if chance.percent(80) { wide.unwrap() } else { chance.hours() };
            all.push(chance.opening(Side::Account, ours, hours));
        }
        if chance.percent(20) {
            let day = Hours::new(Weekdays::ALL, vec![Range::parse("08:00-21:00").unwrap()]).unwrap();
            all.push(chance.opening(Side::Channel, theirs, day));
        }
        let mut steps: Vec<Step> = (0..chance.within(1, 4)).map(|_| chance.step()).collect();
        let mut anchor = chance.anchor(&[theirs, ours]);
        if chance.percent(10) && !CHANGES[theirs].is_empty() {
            // So many days later it is a time that a change leaves out, or brings twice.
            let days = chance.within(1, 10);
            anchor = Micros(chance.of(&CHANGES[theirs]) - days * DAY + chance.within(-60, 60) * MINUTE);
            steps[0].after = Some(After::Delay(Delay::Days(u32::try_from(days).unwrap())));
        }
        let terms = Terms {
            zone: LOADED[theirs].clone(),
            holidays: all.iter().map(|(opening, ..)| (opening.side, opening.holidays.clone())).collect(),
            openings: all.iter().map(|(opening, ..)| opening.clone()).collect(),
            max_late: Duration::from_secs(chance.of(&[86_400, 86_400, 3_600, 259_200])),
            gap: None,
        };
        let countries = all.iter().flat_map(|(_, _, countries, _)| countries.clone()).collect();
        let dates = all.iter().flat_map(|(_, _, _, dates)| dates.clone()).collect();
        let openings = all.into_iter().map(|(_, told, ..)| told).collect();
        Self { anchor, terms: Arc::new(terms), steps, countries, dates, openings }
    }

    /// The step, planned at `now`.
    pub(super) fn ask(&self, step: &Step, anchor: Micros, now: Micros) -> Ask {
        let due = step.after.map_or(Due::At(anchor), |after| Due::After { anchor, after });
        Ask { due, now, terms: Arc::clone(&self.terms), limits: Arc::new([]), seed: step.seed }
    }
}

impl Asked for Case {
    fn json(&self) -> String {
        let after = |step: &Step| match step.after {
            None => json!(["at"]),
            Some(After::Delay(Delay::Minutes(n))) => json!(["minutes", n]),
            Some(After::Delay(Delay::Hours(n))) => json!(["minutes", n * 60]),
            Some(After::Delay(Delay::Days(n))) => json!(["days", n]),
            Some(After::Delay(Delay::BusinessDays(n))) => json!(["business", n]),
            Some(After::Next { weekday, time }) => json!(["next", weekday.number(), time.0]),
        };
        let step = |s: &Step| json!({"after": after(s), "late": s.late, "done": s.done, "seed": s.seed});
        let dates: Vec<i32> = self.dates.iter().map(|d| d.0).collect();
        json!({
            "zone": self.terms.zone.name(), "anchor": self.anchor.0, "openings": self.openings,
            "countries": self.countries, "dates": dates, "max_late": self.terms.max_late.as_secs(),
            "last": super::LAST_ANCHOR, "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
        .to_string()
    }
}
