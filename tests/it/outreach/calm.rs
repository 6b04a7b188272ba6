//! Never a burst, never one too many: what stood still goes on spread, and every limit counts what it is about.

use super::world::{World, definition, email, house, instant, told};
use crate::{seed, stores};
use liaison::domain::ids::RunId;
use liaison::domain::mail::Mailbox;
use liaison::domain::sequence::Definition;
use liaison::domain::words::AccountState;
use liaison::hub::enqueue::{self, Order};
use liaison::hub::hold;
use liaison::hub::outreach::pause::{self, Target};
use liaison::hub::outreach::tidy;
use liaison::hub::why::of_influencer;
use liaison::outbound::SendingSettings;
use liaison::outbound::rehearsal::accept_due;
use liaison::store::lease::{Lease, poll_lease};
use liaison::store::mailbox::Side;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

async fn pause(world: &World, target: Target<'_>) {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    assert!(pause::pause(&mut tx, &world.clock, target, "a look").await.unwrap());
    tx.commit().await.unwrap();
}

async fn resume(world: &World, target: Target<'_>) {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    assert!(pause::resume(&mut tx, &world.clock, target, "kim").await.unwrap());
    tx.commit().await.unwrap();
}

fn one(id: &str) -> Definition {
    definition(id, vec![email("intro", None, "intro.md")])
}

#[tokio::test]
async fn hold_and_pause_that_overlap_use_nothing_of_the_wait_up() {
    let sequence =
        definition("spring", vec![email("intro", None, "intro.md"), email("nudge", Some("3 days"), "nudge.md")]);
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let ana = world.person(Some("America/New_York")).await;
        world.enroll("spring", &[ana]).await;
        world.run_until("2026-11-03T14:00:00Z").await;
        // One of three days is over. Held Tuesday to Friday, paused Thursday to Tuesday: a week altogether.
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let until = instant("2026-11-06T14:00:00Z");
        hold::hold_by_hand(&mut tx, &world.clock, ana, (until, None), "kim").await.unwrap();
        tx.commit().await.unwrap();
        world.run_until("2026-11-05T14:00:00Z").await;
        pause(&world, Target::Sequence("spring")).await;
        world.run_until("2026-11-10T14:00:00Z").await;
        resume(&world, Target::Sequence("spring")).await;
        let sent = world.run_until("2026-11-30T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-12T14:00Z nudge"], "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn backlog_of_a_long_pause_goes_out_in_the_next_window_and_spread() {
    let sequence =
        definition("spring", vec![email("intro", None, "intro.md"), email("nudge", Some("12h"), "nudge.md")]);
    for limit in [None, Some(15)] {
        for fresh in stores::both().await {
            let world = World::new(fresh, house());
            world.accounts().await;
            world.publish(vec![sequence.clone()]).await;
            let mut people = Vec::new();
            for _ in 0..40 {
                people.push(world.person(Some("America/New_York")).await);
            }
            world.enroll("spring", &people).await;
            assert_eq!(world.run_until("2026-11-03T03:00:00Z").await.len(), 40);
            let mut limited = house();
            limited.accounts.get_mut("brand").unwrap().daily_limit = limit;
            world.desk.set(limited);
            pause(&world, Target::Sequence("spring")).await;
            // Friday, eleven in the morning, three days after their places.
            world.run_until("2026-11-06T16:00:00Z").await;
            resume(&world, Target::Sequence("spring")).await;
            let sent = world.run_until("2026-12-01T00:00:00Z").await;
            assert_eq!(sent.len(), 40, "{} {limit:?}", world.fresh.name);
            assert!(sent.iter().all(|s| s.at.as_str() > "2026-11-09T13:59"), "not at once: {:?}", told(&sent));
            let mut at: BTreeMap<&str, usize> = BTreeMap::new();
            sent.iter().for_each(|s| *at.entry(&s.at).or_default() += 1);
            assert!(at.values().all(|n| *n <= 15), "a burst: {at:?}");
            if limit.is_none() {
                assert!(at.len() > 30, "spread over the beginning of the window: {at:?}");
            }
            let mut times: Vec<i64> = sent.iter().map(|s| instant(&s.at).0).collect();
            times.sort_unstable();
            if let Some(limit) = limit {
                let many = usize::try_from(limit).unwrap() + 1;
                assert!(times.windows(many).all(|w| w[many - 1] - w[0] >= 86_400_000_000), "{times:?}");
            }
        }
    }
}

#[tokio::test]
async fn backlog_of_a_few_hours_goes_out_spread_and_in_the_open_window() {
    let sequence =
        definition("spring", vec![email("intro", None, "intro.md"), email("nudge", Some("12h"), "nudge.md")]);
    for (resumed, last) in [("2026-11-03T18:00:00Z", "2026-11-03T18:30"), ("2026-11-03T21:50:00Z", "2026-11-03T22:00")]
    {
        for fresh in stores::both().await {
            let world = World::new(fresh, house());
            world.accounts().await;
            world.publish(vec![sequence.clone()]).await;
            let mut people = Vec::new();
            for _ in 0..60 {
                people.push(world.person(Some("America/New_York")).await);
            }
            world.enroll("spring", &people).await;
            assert_eq!(world.run_until("2026-11-03T03:00:00Z").await.len(), 60);
            // From before their places at nine on, four hours and more.
            pause(&world, Target::Sequence("spring")).await;
            world.run_until(resumed).await;
            resume(&world, Target::Sequence("spring")).await;
            let sent = world.run_until("2026-12-01T00:00:00Z").await;
            assert_eq!(sent.len(), 60, "{}", world.fresh.name);
            let mut at: BTreeMap<&str, usize> = BTreeMap::new();
            sent.iter().for_each(|s| *at.entry(&s.at).or_default() += 1);
            assert!(at.len() > 40 && at.values().all(|n| *n <= 5), "{}: a burst: {at:?}", world.fresh.name);
            assert!(at.keys().all(|at| at[..16] >= resumed[..16] && &at[..16] < last), "{}: {at:?}", world.fresh.name);
        }
    }
}

#[tokio::test]
async fn places_pencilled_in_for_a_paused_sequence_are_free_for_others() {
    for fresh in stores::both().await {
        let mut house = house();
        house.accounts.get_mut("brand").unwrap().daily_limit = Some(1);
        let world = World::new(fresh, house);
        world.accounts().await;
        world.publish(vec![one("spring"), one("autumn")]).await;
        let mut people = Vec::new();
        for _ in 0..6 {
            people.push(world.person(Some("America/New_York")).await);
        }
        world.enroll("spring", &people[..5]).await;
        assert_eq!(world.settle().await.len(), 1);
        pause(&world, Target::Sequence("spring")).await;
        world.enroll("autumn", &people[5..]).await;
        let sent = world.run_until("2026-11-04T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-03T14:00Z intro"], "{}", world.fresh.name);
        assert_eq!(sent[0].who, people[5]);
        resume(&world, Target::Sequence("spring")).await;
        assert_eq!(world.run_until("2026-12-01T00:00:00Z").await.len(), 4, "nobody is forgotten");
    }
}

#[tokio::test]
async fn limit_of_a_day_holds_where_a_mail_slips_over_midnight() {
    let mut sequence = one("spring");
    sequence.schedule.hours = vec!["00:00-24:00".to_owned()];
    sequence.limits.new_per_day = Some(1);
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        // Half a minute before midnight in New York.
        world.clock.advance_to(instant("2026-11-03T04:59:30Z"));
        world.enroll("spring", &[ana]).await;
        world.cadence.tick().await.unwrap();
        world.enroll("spring", &[bo]).await;
        world.cadence.tick().await.unwrap();
        world.clock.advance_to(instant("2026-11-03T05:00:30Z"));
        let sent = world.run_until("2026-11-20T00:00:00Z").await;
        let days: BTreeSet<String> =
            sent.iter().map(|s| world.desk.house().zone.wall(instant(&s.at)).to_string()[..10].to_owned()).collect();
        assert_eq!((sent.len(), days.len()), (2, 2), "{}: {:?}", world.fresh.name, told(&sent));
    }
}

#[tokio::test]
async fn limit_per_domain_counts_the_mail_of_its_own_sequence() {
    let limited = |id: &str| {
        let mut sequence = one(id);
        sequence.limits.per_domain = Some(1);
        sequence
    };
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![limited("spring"), limited("autumn")]).await;
        let mut people = Vec::new();
        for _ in 0..3 {
            people.push(world.person(Some("America/New_York")).await);
        }
        world.enroll("spring", &people[..2]).await;
        world.enroll("autumn", &people[2..]).await;
        let sent = world.settle().await;
        let who: BTreeSet<_> = sent.iter().map(|s| s.who).collect();
        assert_eq!(who, BTreeSet::from([people[0], people[2]]), "{}", world.fresh.name);
        assert_eq!(told(&world.run_until("2026-11-04T00:00:00Z").await), ["2026-11-03T14:00Z intro"]);
    }
}

#[tokio::test]
async fn many_who_wait_behind_the_end_of_what_is_read_get_places_of_their_own() {
    let mut sequence = one("spring");
    sequence.limits.new_per_day = Some(1);
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let mut people = Vec::new();
        for _ in 0..20 {
            people.push(world.person(Some("America/New_York")).await);
        }
        // One after the other, so that each is planned knowing only what is stored.
        for who in &people {
            world.enroll("spring", std::slice::from_ref(who)).await;
            world.cadence.tick().await.unwrap();
        }
        let sent = world.run_until("2026-12-31T00:00:00Z").await;
        let days: BTreeSet<&str> = sent.iter().map(|s| &s.at[..10]).collect();
        assert_eq!((sent.len(), days.len()), (20, 20), "{}", world.fresh.name);
        let order: Vec<_> = sent.iter().map(|s| s.who).collect();
        assert_eq!(order, people, "in the order they came");
    }
}

#[tokio::test]
async fn places_that_no_limit_looks_back_to_are_forgotten() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![one("spring")]).await;
        let ana = world.person(Some("America/New_York")).await;
        world.enroll("spring", &[ana]).await;
        world.settle().await;
        assert_eq!(tidy::tidy_once(&world.fresh.store, &world.clock).await.unwrap(), 0, "still counts");
        world.clock.advance_to(world.clock.now().plus(tidy::KEPT + Duration::from_hours(1)));
        // What still waits keeps its place.
        let bo = world.person(Some("America/New_York")).await;
        world.enroll("spring", &[bo]).await;
        world.cadence.tick().await.unwrap();
        seed::run(&world.fresh, "UPDATE reservation SET at = 1", &[]).await;
        assert_eq!(tidy::tidy_once(&world.fresh.store, &world.clock).await.unwrap(), 1, "{}", world.fresh.name);
        assert_eq!(tidy::tidy_once(&world.fresh.store, &world.clock).await.unwrap(), 0);
        let mut tx = world.fresh.store.read().await.unwrap();
        assert_eq!(tx.list_reservations("brand", liaison::domain::time::Micros(0)).await.unwrap().len(), 1);
    }
}

/// When each left, in whole minutes, sorted.
fn minutes(sent: &[super::world::Sent]) -> Vec<i64> {
    let mut all: Vec<i64> = sent.iter().map(|s| instant(&s.at).0.div_euclid(60_000_000)).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn clock_that_is_never_exact_changes_nothing() {
    let mut apart = one("spring");
    apart.limits.gap = Some("2m to 7m".to_owned());
    apart.schedule.hours = vec!["00:00-24:00".to_owned()];
    let mut limited = apart.clone();
    limited.limits.gap = None;
    for (sequence, people, limit) in [(apart, 12, None), (limited, 30, Some(8))] {
        for which in ["sqlite", "postgres"] {
            let mut seen = Vec::new();
            for late in [0, 3, 1_700] {
                let Some(fresh) = stores::both().await.into_iter().find(|f| f.name == which) else { continue };
                let mut house = house();
                house.accounts.get_mut("brand").unwrap().daily_limit = limit;
                let world = World::new(fresh, house);
                world.accounts().await;
                world.publish(vec![sequence.clone()]).await;
                let mut all = Vec::new();
                for _ in 0..people {
                    all.push(world.person(Some("America/New_York")).await);
                }
                world.enroll("spring", &all).await;
                let sent = world.run_late_until("2026-11-06T23:00:00Z", Duration::from_millis(late)).await;
                assert_eq!(sent.len(), people, "{which}, {late} ms late: {:?}", told(&sent));
                seen.push(minutes(&sent));
            }
            // The gaps follow from ids, which differ in each world: not the instants, but how many and how far apart.
            for minutes in &seen {
                let apart = minutes.windows(2).all(|w| w[1] - w[0] >= 1);
                assert!(limit.is_some() || apart, "{which}: {minutes:?}");
                let within = |n: usize| minutes.windows(n).all(|w| w[n - 1] - w[0] >= 24 * 60 - 2);
                assert!(limit.is_none_or(|limit| within(usize::try_from(limit).unwrap() + 1)), "{which}: {minutes:?}");
            }
            let ends: Vec<i64> = seen.iter().filter_map(|m| Some(m.last()? - m.first()?)).collect();
            assert!(limit.is_none() || ends.iter().all(|e| (e - ends[0]).abs() <= 1), "{which}: {ends:?}");
        }
    }
}

#[tokio::test]
async fn places_missed_by_an_hour_are_all_made_up_for() {
    let mut sequence = one("spring");
    sequence.limits.gap = Some("2m to 7m".to_owned());
    sequence.schedule.hours = vec!["00:00-24:00".to_owned()];
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let mut all = Vec::new();
        for _ in 0..25 {
            all.push(world.person(Some("America/New_York")).await);
        }
        world.enroll("spring", &all).await;
        let mut sent = world.run_late_until("2026-11-02T14:10:00Z", Duration::from_millis(4)).await;
        // Nobody looks for an hour.
        world.clock.advance_to(instant("2026-11-02T15:10:00Z"));
        sent.extend(world.run_late_until("2026-11-03T14:00:00Z", Duration::from_millis(4)).await);
        assert_eq!(sent.len(), 25, "{}: {:?}", world.fresh.name, told(&sent));
        let minutes = minutes(&sent);
        assert!(minutes.windows(2).all(|w| w[1] - w[0] >= 1), "{}: {minutes:?}", world.fresh.name);
    }
}

#[tokio::test]
async fn sequences_wait_until_the_mailbox_is_read_and_people_do_not() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![one("spring")]).await;
        let ana = world.person(Some("America/New_York")).await;
        world.enroll("spring", &[ana]).await;
        world.cadence.tick().await.unwrap();
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let order = Order {
            account: world.desk.house().accounts["brand"].from.clone(),
            to: vec![Mailbox { name: String::new(), address: "bo@example.org".into() }],
            cc: Vec::new(),
            subject: Some("A word".into()),
            text: "Hello".into(),
            html: None,
            attachments: Vec::new(),
            answers: None,
            due_at: world.clock.now(),
            file_copy: false,
            message_id_domain: "acme.example".into(),
            outreach: None,
        };
        let by_hand = enqueue::enqueue(&mut tx, &world.clock, order).await.unwrap().id;
        tx.commit().await.unwrap();
        let settings = SendingSettings { read_first: true, ..SendingSettings::new("brand") };
        let lease_of = poll_lease("brand");
        let set_state = async |state: AccountState| {
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            tx.set_account_state("brand", Side::Reading, (state, None), world.clock.now()).await.unwrap();
            tx.commit().await.unwrap();
        };
        let take = async |node: RunId| {
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            let lease = tx.acquire_lease(&lease_of, node, 60).await.unwrap().unwrap();
            tx.commit().await.unwrap();
            lease
        };
        let read = async |lease: Lease, seconds: i64| {
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            let noted = tx.set_read_to_end(&lease_of, lease, seconds).await.unwrap();
            tx.commit().await.unwrap();
            noted
        };
        let accepted = async || accept_due(&world.tools, &settings).await.unwrap();
        let name = world.fresh.name;
        set_state(AccountState::Up).await;
        assert_eq!(accepted().await, [by_hand], "{name}: nobody reads");
        // Another node reads it, and was at its end before a third took over.
        let (second, third) = (RunId(world.clock.new_id()), RunId(world.clock.new_id()));
        let before = take(second).await;
        assert!(read(before, 60).await);
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        tx.end_leases_of(second).await.unwrap();
        tx.commit().await.unwrap();
        let lease = take(third).await;
        assert!(accepted().await.is_empty(), "{name}: taken over and not read");
        let waits = async || {
            let mut tx = world.fresh.store.read().await.unwrap();
            let house = world.desk.house();
            let why = of_influencer(&mut tx, (&house, world.clock.now()), ana).await.unwrap().unwrap();
            why.runs[0].waits_for.clone()
        };
        let told = waits().await.unwrap_or_default();
        assert!(told.contains("the account brand, which is to be read to its end first"), "{name}: {told}");
        assert!(!read(before, 60).await, "{name}: who lost it notes nothing");
        assert!(accepted().await.is_empty(), "{name}");
        assert!(read(lease, -1).await);
        assert!(accepted().await.is_empty(), "{name}: too long ago");
        assert!(read(lease, 60).await);
        set_state(AccountState::NeedsLogin).await;
        assert!(accepted().await.is_empty(), "{name}: nobody can sign in");
        set_state(AccountState::Up).await;
        // This process reads nothing itself, and waits for no round of its own.
        take(third).await;
        let told = waits().await.unwrap_or_default();
        assert!(!told.contains("account brand"), "{name}: {told}");
        assert_eq!(accepted().await.len(), 1, "{name}");
    }
}

/// Who talks with us elsewhere may have answered or said no there while nobody looked.
#[tokio::test]
async fn nothing_leaves_before_every_account_that_they_talk_with_is_read() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![one("spring")]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        let there = seed::thread(&world.fresh, &world.clock, ana, 1).await;
        seed::run(&world.fresh, "UPDATE thread SET account = 'creators' WHERE id = $1", &[there.id.0]).await;
        world.enroll("spring", &[ana, bo]).await;
        world.cadence.tick().await.unwrap();
        let name = world.fresh.name;
        let node = RunId(world.clock.new_id());
        let read = async |account: &str, state: AccountState, seconds: i64| {
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            tx.set_account_state(account, Side::Reading, (state, None), world.clock.now()).await.unwrap();
            let lease = tx.acquire_lease(&poll_lease(account), node, 60).await.unwrap().unwrap();
            assert!(tx.set_read_to_end(&poll_lease(account), lease, seconds).await.unwrap());
            tx.commit().await.unwrap();
        };
        let settings = SendingSettings { read_first: true, ..SendingSettings::new("brand") };
        let accepted = async || accept_due(&world.tools, &settings).await.unwrap().len();
        read("brand", AccountState::Up, 60).await;
        assert_eq!(accepted().await, 1, "{name}: whoever talks with nobody else waits for nothing");
        for (state, seconds) in [(AccountState::Up, -1), (AccountState::NeedsLogin, 60), (AccountState::Down, 60)] {
            read("creators", state, seconds).await;
            assert_eq!(accepted().await, 0, "{name}: {state}");
            let mut tx = world.fresh.store.read().await.unwrap();
            let why = of_influencer(&mut tx, (&world.desk.house(), world.clock.now()), ana).await.unwrap().unwrap();
            let told = why.runs[0].waits_for.clone().unwrap_or_default();
            assert!(told.contains("the account creators, which is to be read to its end"), "{name}: {told}");
        }
        read("creators", AccountState::Up, 60).await;
        assert_eq!(accepted().await, 1, "{name}");
    }
}
