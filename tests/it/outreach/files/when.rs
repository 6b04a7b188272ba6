//! When mail leaves, by what stands in `[schedule]`, `[limits]` and below the accounts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::outreach::world::{Sent, instant, told as sends};
use crate::stores::both;

/// A sequence of one or two mails with these settings; the second a day after the first.
fn toml(settings: &str, mails: usize) -> String {
    let nudge = "[[step]]\nid = \"nudge\"\nafter = \"1 day\"\nemail = \"nudge.md\"\n";
    let nudge = if mails > 1 { nudge } else { "" };
    format!("account = \"brand\"\n{settings}\n[[step]]\nid = \"intro\"\nemail = \"intro.md\"\n{nudge}")
}

/// Who of these zones gets what until then, enrolled on Monday at 09:00 in New York; sends by the place in the list.
async fn run(fresh: Fresh, house: &str, toml: &str, zones: &[Option<&str>], until: &str) -> (World, Vec<Vec<String>>) {
    let world = world(fresh, house, &[("spring", toml)], &[INTRO, NUDGE]).await;
    let mut people = Vec::new();
    for zone in zones {
        people.push(world.person(*zone).await);
    }
    enroll_all(&world, "spring", &people).await;
    let sent = world.run_until(until).await;
    let of = |who| sent.iter().filter(|s: &&Sent| s.who == who).cloned().collect::<Vec<_>>();
    let each = people.iter().map(|who| sends(&of(*who))).collect();
    (world, each)
}

/// How many left on each day of New York, in order.
fn by_day(sent: &[Vec<String>]) -> Vec<(String, usize)> {
    let mut days: BTreeMap<String, usize> = BTreeMap::new();
    for at in sent.iter().flatten() {
        *days.entry(at[..10].to_owned()).or_default() += 1;
    }
    days.into_iter().collect()
}

#[tokio::test]
async fn hours_and_days_are_theirs_those_of_the_fallback_or_of_one_zone_for_all() {
    let theirs = "[schedule]\nfallback = \"Asia/Tokyo\"\nhours = [\"10:00-12:00\"]";
    let fixed = "[schedule]\ntimezone = \"Europe/Madrid\"\nhours = [\"10:00-12:00\"]";
    let saturday = "[schedule]\ndays = [\"sat\"]\nhours = [\"09:00-10:00\"]";
    for fresh in both().await {
        let zones = [Some("America/New_York"), Some("Europe/Lisbon"), None];
        let (world, sent) = run(fresh, HOUSE, &toml(theirs, 1), &zones, "2026-11-04T00:00:00Z").await;
        let wanted = [["2026-11-02T15:00Z intro"], ["2026-11-03T10:00Z intro"], ["2026-11-03T01:00Z intro"]];
        assert_eq!(sent, wanted, "{}", world.fresh.name);
    }
    for fresh in both().await {
        let zones = [Some("America/New_York"), Some("Asia/Tokyo"), None];
        let (world, sent) = run(fresh, HOUSE, &toml(fixed, 1), &zones, "2026-11-04T00:00:00Z").await;
        assert_eq!(sent, [["2026-11-03T09:00Z intro"]; 3], "{}", world.fresh.name);
    }
    for fresh in both().await {
        // Saturday in Auckland begins on Friday in UTC.
        let zones = [Some("Pacific/Auckland"), Some("America/Los_Angeles")];
        let (world, sent) = run(fresh, HOUSE, &toml(saturday, 1), &zones, "2026-11-09T00:00:00Z").await;
        assert_eq!(sent, [["2026-11-06T20:00Z intro"], ["2026-11-07T17:00Z intro"]], "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn an_account_sends_in_its_own_working_hours_only_and_what_never_meets_them_waits_and_says_so() {
    for fresh in both().await {
        let house = format!("{HOUSE}working_hours = \"13:00-15:00\"\n");
        let zones = [Some("America/New_York"), Some("America/Los_Angeles"), Some("Europe/Berlin")];
        let (world, sent) = run(fresh, &house, &toml("", 1), &zones, "2026-11-12T00:00:00Z").await;
        let wanted: [&[&str]; 3] = [&["2026-11-02T18:00Z intro"], &["2026-11-02T18:00Z intro"], &[]];
        assert_eq!(sent, wanted, "{}", world.fresh.name);
        let mut tx = world.fresh.store.read().await.unwrap();
        let runs = tx.list_enrollments(None, None, None, 10).await.unwrap();
        let held: Vec<_> = runs.iter().filter(|r| r.state.to_string() == "held").collect();
        assert_eq!(held.len(), 1, "{runs:?}");
        assert!(held[0].waiting_for.is_some(), "{held:?}");
        println!("{}", held[0].waiting_for.as_deref().unwrap());
    }
}

#[tokio::test]
async fn nothing_leaves_on_holidays_of_either_side_and_business_days_skip_them() {
    for fresh in both().await {
        // A single date of the file, on the day after.
        let dated = "[schedule]\nholidays = [\"2026-11-03\"]";
        let (world, sent) = run(fresh, HOUSE, &toml(dated, 2), &[None], "2026-11-10T00:00:00Z").await;
        let wanted = ["2026-11-02T14:00Z intro", "2026-11-04T14:00Z nudge"];
        assert_eq!(sent, [wanted], "{}", world.fresh.name);
    }
    for fresh in both().await {
        // 11 November: Veterans Day here; 26 November: Thanksgiving here, and a day like any other where they are.
        let late = toml("[schedule]\nholidays = [\"fr\"]", 2).replace("\"1 day\"", "\"2 business days\"");
        let world = world(fresh, HOUSE, &[("spring", &late)], &[INTRO, NUDGE]).await;
        world.clock.advance_to(instant("2026-11-24T14:00:00Z"));
        let who = world.person(Some("Europe/Paris")).await;
        world.enroll("spring", &[who]).await.remove(0).unwrap();
        let sent = world.run_until("2026-12-05T00:00:00Z").await;
        assert_eq!(sends(&sent), ["2026-11-24T14:00Z intro", "2026-11-27T14:00Z nudge"], "{}", world.fresh.name);
    }
    for fresh in both().await {
        // A brand without a country of its own works on Thanksgiving; 14 July is theirs.
        let house = HOUSE.replace("country = \"us\"\n", "");
        let french = toml("[schedule]\nholidays = [\"fr\"]", 2);
        let world = world(fresh, &house, &[("spring", &french)], &[INTRO, NUDGE]).await;
        for (begin, wanted) in [
            ("2026-11-25T14:00:00Z", ["2026-11-25T14:00Z intro", "2026-11-26T14:00Z nudge"]),
            ("2027-07-13T14:00:00Z", ["2027-07-13T14:00Z intro", "2027-07-15T07:00Z nudge"]),
        ] {
            world.clock.advance_to(instant(begin));
            let who = world.person(Some("Europe/Paris")).await;
            world.enroll("spring", &[who]).await.remove(0).unwrap();
            let until = world.clock.now().plus(Duration::from_hours(5 * 24)).to_string();
            assert_eq!(sends(&world.run_until(&until).await), wanted, "{}", world.fresh.name);
        }
    }
}

#[tokio::test]
async fn a_new_account_sends_a_few_on_its_first_day_and_more_on_each_day_after() {
    for fresh in both().await {
        let house = format!("{HOUSE}ramp_up = {{ start = 2, step = 1 }}\ndaily_limit = 4\n");
        let (world, sent) = run(fresh, &house, &toml("", 1), &[None; 12], "2026-11-12T00:00:00Z").await;
        let wanted = [("2026-11-02", 2), ("2026-11-03", 3), ("2026-11-04", 4), ("2026-11-05", 3)];
        assert_eq!(by_day(&sent), wanted.map(|(day, n)| (day.to_owned(), n)), "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn a_sequence_keeps_to_its_own_limits_a_day_to_all_to_new_people_and_to_one_domain() {
    let counts = |wanted: &[(&str, usize)]| -> Vec<(String, usize)> {
        wanted.iter().map(|(day, n)| ((*day).to_owned(), *n)).collect()
    };
    for (limit, mails, wanted) in [
        // All of them count; the second mails go before new people.
        (
            "per_day = 2",
            2,
            vec![
                ("2026-11-02", 2),
                ("2026-11-03", 2),
                ("2026-11-04", 2),
                ("2026-11-05", 2),
                ("2026-11-06", 1),
                ("2026-11-09", 1),
            ],
        ),
        // New people alone: their second mails come beside.
        ("new_per_day = 2", 2, vec![("2026-11-02", 2), ("2026-11-03", 4), ("2026-11-04", 3), ("2026-11-05", 1)]),
        ("per_domain = 3", 1, vec![("2026-11-02", 3), ("2026-11-03", 2)]),
    ] {
        for fresh in both().await {
            let toml = toml(&format!("[limits]\n{limit}"), mails);
            let (world, sent) = run(fresh, HOUSE, &toml, &[None; 5], "2026-11-20T00:00:00Z").await;
            assert_eq!(by_day(&sent), counts(&wanted), "{limit} on {}: {sent:?}", world.fresh.name);
        }
    }
}

#[tokio::test]
async fn what_is_later_than_max_late_waits_for_the_next_window_where_it_is_spread() {
    for (max_late, leaves) in [("2h", "2026-11-04T14:"), ("6h", "2026-11-03T17:")] {
        for fresh in both().await {
            let toml = toml(&format!("[schedule]\nmax_late = \"{max_late}\""), 2);
            let world = world(fresh, HOUSE, &[("spring", &toml)], &[INTRO, NUDGE]).await;
            let mut people = Vec::new();
            for _ in 0..8 {
                people.push(world.person(None).await);
            }
            enroll_all(&world, "spring", &people).await;
            assert_eq!(world.settle().await.len(), 8);
            // Nobody looks from before the second mails are due until three hours after that.
            world.clock.advance_to(instant("2026-11-03T17:00:00Z"));
            let sent = sends(&world.run_until("2026-11-05T00:00:00Z").await);
            assert_eq!(sent.len(), 8, "{}", world.fresh.name);
            for one in &sent {
                assert!(one.starts_with(leaves), "max_late = {max_late} on {}: {sent:?}", world.fresh.name);
            }
            if max_late == "2h" {
                let mut minutes: Vec<&String> = sent.iter().collect();
                minutes.dedup();
                assert!(minutes.len() > 4, "they leave one by one: {sent:?}");
            }
        }
    }
}
