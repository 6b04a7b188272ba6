//! Known hours: clock changes, leap days, holidays of both sides, limits and gaps. Chance is for `tests/it/schedules`.

use super::*;
use crate::domain::day::{Day, Weekday, Weekdays};
use crate::domain::words::Word as _;
use crate::domain::zone::Whereabouts;

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn at(text: &str) -> Micros {
    Micros::parse(text).unwrap()
}

fn calendar(code: &str) -> Calendar {
    Calendar::shipped(code).unwrap().unwrap()
}

const WORKING: &[&str] = &["mon", "tue", "wed", "thu", "fri"];

fn opening(side: Side, zone_name: &str, days: &[&str], hours: &[&str], holidays: Calendar) -> Opening {
    Opening { side, hours: Hours::parse(days, hours).unwrap(), zone: zone(zone_name), holidays }
}

fn terms(zone_name: &str, openings: Vec<Opening>) -> Terms {
    let holidays = openings.iter().map(|o| (o.side, o.holidays.clone())).collect();
    Terms { zone: zone(zone_name), openings, holidays, max_late: MAX_LATE, gap: None }
}

fn working(zone_name: &str, country: &str) -> Terms {
    let hours = ["09:00-12:00", "13:30-17:00"];
    terms(zone_name, vec![opening(Side::Recipient, zone_name, WORKING, &hours, calendar(country))])
}

fn ask(anchor: &str, after: &str, terms: Terms) -> Ask {
    let anchor = at(anchor);
    let due = Due::After { anchor, after: After::parse(after).unwrap() };
    Ask { due, now: anchor, terms: Arc::new(terms), limits: Arc::new([]), seed: 7 }
}

fn planned(ask: &Ask) -> Planned {
    let planned = plan_instant(ask, &mut Ledger::default()).unwrap();
    let ends = planned.shifts.iter().map(|s| s.to);
    assert!(planned.shifts.iter().skip(1).map(|s| s.from).eq(ends.take(planned.shifts.len().saturating_sub(1))));
    planned
}

fn local(ask: &Ask) -> String {
    ask.terms.zone.wall(planned(ask).at).to_string()
}

fn reasons(planned: &Planned) -> Vec<String> {
    planned.shifts.iter().map(|s| s.reason.to_string()).collect()
}

#[test]
fn nine_in_new_york_stays_nine_across_the_first_of_november() {
    for (anchor, days) in [("2026-10-29T13:00:00Z", 5), ("2026-10-31T13:00:00Z", 2), ("2026-10-30T13:00:00Z", 3)] {
        let ask = ask(anchor, &format!("{days} days"), working("America/New_York", "us"));
        assert!(local(&ask).ends_with(" 09:00"), "{anchor}: {}", local(&ask));
        assert_eq!(planned(&ask).at.to_string().get(11..16), Some("14:00"));
    }
}

#[test]
fn monday_to_friday_in_auckland_is_never_a_saturday() {
    let auckland = working("Pacific/Auckland", "nz");
    for hour in 0..24 * 400 {
        let mut ask = ask("2026-01-01T00:00:00Z", "30m", auckland.clone());
        ask.due = Due::At(Micros(ask.now.0 + hour * 3_600_000_000));
        let day = ask.terms.zone.wall(planned(&ask).at).day();
        assert!(Weekdays::WORKING.contains(day.weekday()), "{day}");
        assert!(ask.terms.openings[0].holidays.holiday(day).is_none(), "{day}");
    }
}

#[test]
fn window_inside_the_hour_that_is_left_out_is_not_there_that_day() {
    let night = opening(Side::Recipient, "America/New_York", &["sun"], &["02:00-03:00"], Calendar::default());
    let in_it = ask("2026-03-07T12:00:00Z", "1h", terms("America/New_York", vec![night]));
    assert_eq!(local(&in_it), "2026-03-15 02:00");
    let howe = opening(Side::Recipient, "Australia/Lord_Howe", &["sun"], &["02:00-02:30"], Calendar::default());
    let half = ask("2026-10-03T00:00:00Z", "1h", terms("Australia/Lord_Howe", vec![howe]));
    assert_eq!(local(&half), "2026-10-11 02:00");
}

#[test]
fn time_that_the_clock_leaves_out_becomes_the_first_after_it_and_says_so() {
    let always = opening(Side::Recipient, "America/New_York", &["sun", "mon"], &["00:00-24:00"], Calendar::default());
    let gap = planned(&ask("2026-03-05T12:00:00Z", "next sun 02:30", terms("America/New_York", vec![always])));
    assert_eq!(gap.at, at("2026-03-08T07:00:00Z"));
    assert_eq!(
        reasons(&gap),
        [
            "next sun 02:30 after the step above",
            "2026-03-08 02:30 does not exist in America/New_York: the clock was put forward"
        ]
    );
}

#[test]
fn hour_that_comes_twice_is_taken_the_first_time_and_only_once() {
    let always = opening(Side::Recipient, "America/New_York", &["sun"], &["00:00-24:00"], Calendar::default());
    let terms = terms("America/New_York", vec![always]);
    let first = planned(&ask("2026-10-30T12:00:00Z", "next sun 01:30", terms.clone())).at;
    assert_eq!(first, at("2026-11-01T05:30:00Z"));
    assert_eq!(planned(&ask(&first.to_string(), "next sun 01:30", terms)).at, at("2026-11-08T06:30:00Z"));
}

#[test]
fn leap_day_counts_as_the_day_it_is() {
    let always = opening(Side::Recipient, "Europe/Lisbon", WORKING, &["00:00-24:00"], Calendar::default());
    let terms = terms("Europe/Lisbon", vec![always]);
    assert_eq!(local(&ask("2028-02-28T10:00:00Z", "1 day", terms.clone())), "2028-02-29 10:00");
    assert_eq!(local(&ask("2028-02-29T10:00:00Z", "1 business day", terms.clone())), "2028-03-01 10:00");
    assert_eq!(local(&ask("2027-02-26T10:00:00Z", "1 business day", terms.clone())), "2027-03-01 10:00");
    assert_eq!(local(&ask("2028-02-25T10:00:00Z", "next tue 10:00", terms)), "2028-02-29 10:00");
}

#[test]
fn lisbon_kolkata_and_lord_howe_keep_their_wall_clocks() {
    let cases = [
        ("Europe/Lisbon", "2026-03-27T10:00:00Z", "3 days", "2026-03-30 10:00"),
        ("Europe/Lisbon", "2026-10-23T09:00:00Z", "3 days", "2026-10-26 10:00"),
        ("Asia/Kolkata", "2026-10-23T04:30:00Z", "3 days", "2026-10-26 10:00"),
        ("Australia/Lord_Howe", "2026-10-01T23:30:00Z", "3 days", "2026-10-05 10:00"),
        ("Australia/Lord_Howe", "2026-04-02T23:00:00Z", "3 days", "2026-04-06 10:00"),
    ];
    for (name, anchor, after, wanted) in cases {
        let all = opening(Side::Recipient, name, WORKING, &["00:00-24:00"], Calendar::default());
        assert_eq!(local(&ask(anchor, after, terms(name, vec![all]))), wanted, "{name}");
    }
    let howe = zone("Australia/Lord_Howe");
    assert_eq!(
        resolve(at("2026-10-02T15:45:00Z"), After::parse("1 day").unwrap(), &howe, &[]),
        Some(at("2026-10-03T15:30:00Z"))
    );
}

#[test]
fn business_days_leave_out_both_sides_holidays_and_the_year_ends() {
    let mut york = working("America/New_York", "us");
    york.openings.push(opening(Side::Account, "Europe/London", WORKING, &["08:00-18:00"], calendar("gb")));
    york.holidays.push((Side::Account, calendar("gb")));
    // Christmas is a holiday of both, the 28th is Boxing Day (observed) in London only, the 1st of January is New Year's Day.
    let end = planned(&ask("2026-12-24T15:00:00Z", "4 business days", york));
    assert_eq!(zone("America/New_York").wall(end.at).to_string(), "2027-01-04 10:00");
    assert_eq!(
        reasons(&end),
        [
            "4 business days after the step above, not counting 2026-12-25, which is Christmas Day (their side) and 2026-12-28, \
          which is Boxing Day (observed) (our side) and 2027-01-01, which is New Year's Day (their side)"
        ]
    );
}

#[test]
fn each_shift_says_which_rule_made_it() {
    let thanksgiving = planned(&ask("2026-11-24T15:00:00Z", "2 days", working("America/New_York", "us")));
    assert_eq!(thanksgiving.at, at("2026-11-27T14:00:00Z"));
    assert_eq!(reasons(&thanksgiving), ["2 days after the step above", "2026-11-26 is Thanksgiving Day (their side)"]);
    let mut london = working("Europe/London", "gb");
    london.openings.push(opening(Side::Account, "America/New_York", WORKING, &["09:00-17:00"], Calendar::default()));
    let weekend = planned(&ask("2026-11-20T17:30:00Z", "30m", london));
    assert_eq!(weekend.at, at("2026-11-23T14:00:00Z"));
    assert_eq!(
        reasons(&weekend),
        [
            "30 minutes after the step above",
            "outside of their hours",
            "2026-11-21 is a Saturday (their side)",
            "2026-11-22 is a Sunday (their side)",
            "outside of our hours"
        ]
    );
}

#[test]
fn windows_that_never_meet_never_open() {
    let day = opening(Side::Recipient, "America/New_York", WORKING, &["09:00-12:00"], Calendar::default());
    let night = opening(Side::Account, "America/New_York", WORKING, &["12:00-17:00"], Calendar::default());
    let ask = ask("2026-11-20T17:30:00Z", "1h", terms("America/New_York", vec![day, night]));
    let never = plan_instant(&ask, &mut Ledger::default()).unwrap_err();
    assert_eq!(never.to_string(), "no window opens within 400 days of 2026-11-20T18:30:00.000000Z");
}

#[test]
fn late_step_goes_at_once_but_too_late_a_step_waits_for_the_next_window() {
    let york = working("America/New_York", "us");
    let mut late = ask("2026-11-16T14:30:00Z", "30m", york);
    late.now = at("2026-11-17T15:00:00Z");
    let a_little = planned(&late);
    assert_eq!((a_little.at, reasons(&a_little)[1].as_str()), (late.now, "it is late by 1 d"));
    late.now = at("2026-11-17T15:00:01Z");
    let seen: Vec<Micros> = (0..50)
        .map(|seed| {
            late.seed = seed;
            planned(&late).at
        })
        .collect();
    let window = at("2026-11-17T18:30:00Z")..at("2026-11-17T19:00:00Z");
    assert!(seen.iter().all(|at| window.contains(at)), "{seen:?}");
    assert!(seen.iter().collect::<std::collections::BTreeSet<_>>().len() > 40);
    assert_eq!(reasons(&planned(&late))[1], "it is late by 1 d, more than 1 d: the next window");
}

fn account() -> Key {
    Key::Account("partnerships".into())
}

fn limit(key: &Key, rule: Rule) -> Limit {
    Limit { key: key.clone(), rule }
}

/// Plans `ask` and reserves what came out, under its limits' keys and the account.
fn place(ask: &Ask, ledger: &mut Ledger) -> Planned {
    let planned = plan_instant(ask, ledger).unwrap();
    let mut keys: Vec<&Key> = ask.limits.iter().map(|l| &l.key).collect();
    keys.extend(ask.terms.gap.iter().map(|(key, _)| key));
    keys.sort();
    keys.dedup();
    ledger.reserve(keys, planned.at, planned.gap);
    planned
}

#[test]
fn limits_of_every_kind_hold_and_say_so() {
    let new = Key::NewPeople("spring".into());
    let domain = Key::Domain("mail.example".into());
    let york = zone("America/New_York");
    let ramp = Rule::RampUp { limits: [1, 2, 40].into(), first: None, zone: york.clone() };
    let rules = [
        (limit(&account(), Rule::In24Hours(3)), "partnerships sends at most 3 in 24 hours"),
        (limit(&Key::Sequence("spring".into()), Rule::In24Hours(3)), "the sequence sends at most 3 in 24 hours"),
        (limit(&domain, Rule::In24Hours(3)), "at most 3 in 24 hours go to mail.example"),
        (limit(&new, Rule::PerDay { limit: 3, zone: york.clone() }), "at most 3 new people a day"),
        (limit(&account(), ramp), "partnerships is new: at most 2 on its day 2"),
    ];
    for (limit, wanted) in rules {
        let mut ledger = Ledger::default();
        let mut ask = ask("2026-11-16T15:00:00Z", "1h", working("America/New_York", "us"));
        ask.limits = Arc::new([limit]);
        let all: Vec<Planned> = (0..4).map(|_| place(&ask, &mut ledger)).collect();
        assert_eq!(all[0].at, at("2026-11-16T16:00:00Z"));
        assert!(all[3].at >= at("2026-11-17T14:00:00Z"), "{wanted}: {}", all[3].at);
        assert_eq!(reasons(&all[3]).get(1).map(String::as_str), Some(wanted));
    }
    let mut none = ask("2026-11-16T15:00:00Z", "1h", working("America/New_York", "us"));
    none.limits = Arc::new([limit(&new, Rule::In24Hours(0))]);
    assert_eq!(plan_instant(&none, &mut Ledger::default()), Err(Never::LimitIsZero(new)));
}

#[test]
fn gap_lies_before_and_after_each_send_and_is_as_long_as_its_hash_says() {
    let gap = Gap::parse("2m to 7m").unwrap();
    let lengths: Vec<i64> = (0..1000).map(|seed| gap.after(seed) / 1_000_000).collect();
    assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&120), Some(&420)));
    for wrong in ["7m to 2m", "2 days", "2m to", "2m-7m", "25h", ""] {
        assert_eq!(Gap::parse(wrong), None, "{wrong}");
    }
    let mut ask = ask("2026-11-16T15:00:00Z", "1h", working("America/New_York", "us"));
    Arc::make_mut(&mut ask.terms).gap = Some((account(), gap));
    let mut ledger = Ledger::default();
    let mut all = Vec::new();
    for n in 0..300_u64 {
        (ask.seed, ask.due) = (n, Due::At(Micros(ask.now.0 + i64::try_from(jitter(n, 20_000)).unwrap() * 1_000_000)));
        all.push(place(&ask, &mut ledger));
    }
    all.sort_by_key(|p| p.at);
    assert!(all.windows(2).all(|two| two[1].at.0 - two[0].at.0 >= two[0].gap));
    assert!(reasons(&all[299]).contains(&"a gap to the other sends of partnerships".to_owned()), "{:?}", all[299]);
}

#[test]
fn reservation_that_is_taken_back_leaves_its_place() {
    let mut ask = ask("2026-11-16T15:00:00Z", "1h", working("America/New_York", "us"));
    ask.limits = Arc::new([limit(&account(), Rule::In24Hours(1))]);
    let mut ledger = Ledger::default();
    let first = place(&ask, &mut ledger);
    assert_eq!(ledger.count(&account(), first.at, Micros(first.at.0 + 1)), 1);
    assert!(plan_instant(&ask, &mut ledger).unwrap().at > first.at);
    ledger.release([&account()], first.at, first.gap);
    assert_eq!(plan_instant(&ask, &mut ledger).unwrap(), first);
}

#[test]
fn hash_is_the_same_everywhere_and_for_ever() {
    assert_eq!(seed(&["enrollment", "step"]), 0xec34_ec5d_5d4d_04e1);
    assert_ne!(seed(&["ab", "c"]), seed(&["a", "bc"]));
    assert_eq!((jitter(0, 1 << 32), jitter(1, 0), jitter(42, 300)), (0xe220_a839, 0, 222));
}

#[test]
fn weekday_of_a_day_is_read_off_its_zone() {
    // Friday evening in New York is Saturday in Auckland.
    let instant = at("2026-11-20T23:00:00Z");
    let day = |name| zone(name).wall(instant).day();
    assert_eq!(
        (day("America/New_York").weekday(), day("Pacific/Auckland").weekday()),
        (Weekday::Friday, Weekday::Saturday)
    );
    assert_eq!(day("Pacific/Auckland"), Day::parse("2026-11-21").unwrap());
}

#[test]
fn window_ends_at_midnight_whatever_the_clock_does_then() {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let cairo = [opening(Side::Recipient, "Africa/Cairo", &days, &["00:00-24:00"], Calendar::default())];
    let ends = |from: &str| opening::window_end(at(from), &cairo);
    assert_eq!(ends("2026-06-01T12:00:00Z"), Some(at("2026-06-01T21:00:00Z")));
    // Forward at midnight: the new day begins at 01:00.
    assert_eq!(ends("2026-04-23T12:00:00Z"), Some(at("2026-04-23T22:00:00Z")));
    // Back at midnight: 23:00 to 24:00 comes twice, and is one window with what is before it.
    assert_eq!(ends("2026-10-29T12:00:00Z"), Some(at("2026-10-29T22:00:00Z")));
}

#[test]
fn sends_exactly_a_day_apart_are_not_in_one_day() {
    let one = limit(&account(), Rule::In24Hours(1));
    let (sent, day) = (at("2026-11-16T15:00:00Z"), 86_400_000_000);
    let mut ledger = Ledger::default();
    for build_first in [true, false] {
        if build_first {
            assert_eq!(ledger.next_allowed(&one, sent), Some(sent));
            ledger.reserve([&account()], Micros(sent.0 + 10 * day), 0);
            assert_eq!(ledger.next_allowed(&one, sent), Some(sent));
        }
        ledger.reserve([&account()], sent, 0);
        let next = |ledger: &mut Ledger, from: i64| ledger.next_allowed(&one, Micros(from)).unwrap().0;
        assert_eq!(next(&mut ledger, sent.0 - day), sent.0 - day);
        assert_eq!(next(&mut ledger, sent.0 - day + 1), sent.0 + day);
        assert_eq!(next(&mut ledger, sent.0 + day - 1), sent.0 + day);
        ledger = Ledger::default();
    }
}

/// When texts go to a number that may be in any of these zones.
fn in_all(phone: &str, hours: &str) -> Vec<Opening> {
    let all = Whereabouts::of(None, Some(phone));
    let days: Vec<&str> = Weekday::ALL.iter().map(|day| day.as_str()).collect();
    all.zones().iter().map(|zone| opening(Side::Channel, zone.name(), &days, &[hours], Calendar::default())).collect()
}

#[test]
fn a_number_of_several_zones_is_open_when_all_of_them_are() {
    let openings = in_all("+14155550123", "08:00-21:00");
    let is_open = |text: &str| openings.iter().all(|opening| opening.is_open(at(text)));
    // At 03:05 in California: eight in Honolulu is the first hour of the day that is eight or later everywhere.
    for (from, opens) in [
        ("2026-01-15T11:05:00Z", "2026-01-15T18:00:00Z"),
        ("2026-07-15T10:05:00Z", "2026-07-15T18:00:00Z"),
        // Nine in the evening in New York, an hour earlier in summer.
        ("2026-01-16T02:00:00Z", "2026-01-16T18:00:00Z"),
        ("2026-07-16T01:00:00Z", "2026-07-16T18:00:00Z"),
    ] {
        assert_eq!(next_open(at(from), &openings), Some(at(opens)), "{from}");
    }
    for last in ["2026-01-16T01:59:59Z", "2026-07-16T00:59:59Z"] {
        assert!(is_open(last), "{last}");
    }
}

#[test]
fn instants_are_compared_and_not_offsets() {
    // Around the days on which the clocks of some are changed and those of others are not.
    for (phone, days) in [
        ("+14155550123", ["2026-03-07", "2026-10-31"]),
        ("+5215512345678", ["2026-03-07", "2026-10-31"]),
        ("+61412345678", ["2026-04-04", "2026-10-03"]),
        ("+79161234567", ["2026-03-28", "2026-10-24"]),
    ] {
        let (openings, all) = (in_all(phone, "08:00-21:00"), Whereabouts::of(None, Some(phone)));
        for day in days {
            let first = at(&format!("{day}T00:00:00Z"));
            let mut opened = 0;
            for minute in 0..3 * 24 * 60 {
                let now = first.plus(Duration::from_secs(minute * 60));
                let hour = |zone: &Zone| zone.wall(now).of_day() / 3_600_000_000;
                let is_day = all.zones().iter().all(|zone| (8..21).contains(&hour(zone)));
                let opens = next_open(now, &openings).unwrap();
                assert_eq!(opens == now, is_day, "{phone} {now}");
                assert!(
                    all.zones().iter().all(|zone| zone.wall(opens).of_day() >= 8 * 3_600_000_000),
                    "{phone} {opens}"
                );
                opened += usize::from(is_day);
            }
            assert!(opened > 300, "{phone} {day}: {opened} minutes");
        }
    }
}

#[test]
fn where_no_hour_is_day_for_all_nothing_opens() {
    let from = at("2026-01-15T11:05:00Z");
    // Noon in New York is seven in Honolulu.
    assert_eq!(next_open(from, &in_all("+14155550123", "08:00-12:00")), None);
    let canaries = Some(at("2026-01-16T08:00:00Z"));
    assert_eq!(next_open(from, &in_all("+34612345678", "08:00-12:00")), canaries, "five past twelve in Madrid");
    // Of no country: it may be anywhere, where it is always night somewhere.
    let anywhere = |hours: &str| -> Vec<Opening> {
        let hours = Hours::new(Weekdays::ALL, vec![Range::parse(hours).unwrap()]).unwrap();
        let zones = Whereabouts::Anywhere.zones().iter().cloned();
        zones
            .map(|zone| Opening { side: Side::Channel, hours: hours.clone(), zone, holidays: Calendar::default() })
            .collect()
    };
    assert_eq!(next_open(from, &anywhere("08:00-21:00")), None);
    assert_eq!(next_open(from, &anywhere("00:00-24:00")), Some(from));
}
