//! Nobody gets a text at night, also where only their number says where they may be; and whom they know writes to them.

use std::sync::Arc;

use super::says::{ParseRange as _, says, talking, two_ways};
use super::world::{Sent, World, definition, email, instant, told};
use crate::{seed, stores};
use liaison::app::simulate::{Order, simulate};
use liaison::domain::ids::InfluencerId;
use liaison::domain::sequence::{Definition, StepKind};
use liaison::domain::words::{Channel, EnrollmentState, OutboxStatus};
use liaison::hub::outreach::enroll::Again;
use liaison::hub::outreach::house::House;
use liaison::hub::outreach::steer::approve;
use liaison::hub::people::{InfluencerChange, update_influencer};
use liaison::hub::why::{of_influencer, words};
use liaison::sequence::simulate::{What, csv, text};

/// In the United States, of which nobody knows where.
const SOMEWHERE: &str = "+14155550123";
/// Of a satellite.
const ANYWHERE: &str = "+881612345678";

/// A mail, and a text so long after it, at any hour as far as the sequence goes.
fn after(length: &str) -> Definition {
    let mut sequence = two_ways();
    sequence.schedule.hours = vec!["00:00-24:00".to_owned()];
    sequence.steps[1].after = Some(length.to_owned());
    sequence
}

fn text_of(sent: &[Sent], who: InfluencerId) -> Option<&str> {
    sent.iter().find(|one| one.step == "text" && one.who == who).map(|one| one.at.get(..16).unwrap())
}

async fn at_number(world: &World, zone: Option<&str>, number: &str) -> InfluencerId {
    let who = world.person(zone).await;
    world.reached_at(who, Channel::Sms, number, true).await;
    who
}

#[tokio::test]
async fn a_text_goes_when_it_is_day_wherever_its_number_may_be() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        world.publish(vec![after("15h")]).await;
        let ana = at_number(&world, None, SOMEWHERE).await;
        let bo = at_number(&world, Some("America/New_York"), "+14155550124").await;
        let cy = at_number(&world, None, "+34612345678").await;
        let di = at_number(&world, None, "+18765550125").await;
        world.enroll("spring", &[ana, bo, cy, di]).await;
        let sent = world.run_until("2026-11-04T00:00:00Z").await;
        let name = world.fresh.name;
        // The mail at 14:00 UTC; 15 hours later it is midnight in New York.
        for (who, at, why) in [
            (ana, "2026-11-03T18:00", "eight in Honolulu, one in the afternoon in New York"),
            (bo, "2026-11-03T13:00", "their own zone counts before the number"),
            (cy, "2026-11-03T08:00", "eight on the Canaries, nine in Madrid"),
            (di, "2026-11-03T13:00", "eight in Jamaica, which has one zone"),
        ] {
            assert_eq!(text_of(&sent, who), Some(at), "{name}: {why} {:?}", told(&sent));
        }
    }
}

#[tokio::test]
async fn where_no_hour_is_day_everywhere_the_run_is_held_and_says_what_to_do() {
    for fresh in stores::both().await {
        let mut house = talking();
        house.accounts.get_mut("text").unwrap().send_hours = vec!["09:00-12:00".parse_range()];
        let world = World::new(fresh, house);
        world.accounts().await;
        world.publish(vec![after("15h")]).await;
        let ana = at_number(&world, None, SOMEWHERE).await;
        let bo = at_number(&world, None, ANYWHERE).await;
        let runs = world.enroll("spring", &[ana, bo]).await;
        let sent = world.run_until("2026-11-05T00:00:00Z").await;
        let name = world.fresh.name;
        assert!(sent.iter().all(|one| one.step == "intro"), "{name} {:?}", told(&sent));
        for (run, may_be) in
            runs.iter().zip(["any zone from Pacific/Honolulu to America/New_York", "any zone of the world"])
        {
            let held = world.run_of(run.clone().unwrap()).await;
            assert_eq!((held.state, held.next_at), (EnrollmentState::Held, None), "{name}");
            let why = held.waiting_for.unwrap();
            assert!(why.contains("send_hours of text wherever their phone may be"), "{why}");
            assert!(why.contains(may_be) && why.contains("set their time zone"), "{why}");
        }
        // Somebody does: the run goes on by itself, in the hours of that zone.
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let change = InfluencerChange { timezone: Some(Some("America/Los_Angeles".to_owned())), ..Default::default() };
        update_influencer(&mut tx, &world.clock, bo, "kim", change).await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-06T00:00:00Z").await;
        // Nine in Los Angeles; what is more than a day late is spread over half an hour.
        let at = text_of(&sent, bo).unwrap_or_default();
        assert!(("2026-11-05T17:00".."2026-11-05T17:31").contains(&at), "{name} {:?}", told(&sent));
        assert_eq!(text_of(&sent, ana), None, "{name}");
    }
}

#[tokio::test]
async fn the_hours_are_looked_at_again_right_before_it_goes_out() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        world.publish(vec![after("12h")]).await;
        let ana = at_number(&world, Some("America/New_York"), SOMEWHERE).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.run_until("2026-11-03T08:00:00Z").await;
        let step = world.steps_of(run).await.into_iter().find(|step| step.step == "text").unwrap();
        assert_eq!(step.planned_at, Some(instant("2026-11-03T13:00:00Z")), "eight in New York");
        // It turns out that nobody knows where she is.
        seed::run(&world.fresh, "UPDATE influencer SET timezone = NULL WHERE id = $1", &[ana.0]).await;
        let sent = world.run_until("2026-11-03T23:00:00Z").await;
        assert_eq!(text_of(&sent, ana), Some("2026-11-03T18:00"), "{} {:?}", world.fresh.name, told(&sent));
    }
}

#[tokio::test]
async fn a_text_that_is_approved_at_night_waits_for_the_day() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mut sequence = after("1h");
        sequence.steps.remove(0);
        sequence.steps.truncate(1);
        (sequence.steps[0].after, sequence.steps[0].review) = (None, true);
        world.publish(vec![sequence]).await;
        let ana = at_number(&world, None, SOMEWHERE).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        assert!(world.run_until("2026-11-03T06:00:00Z").await.is_empty());
        let id = world.steps_of(run).await[0].message_id.unwrap();
        // One at night in New York, eight in the evening in Honolulu.
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert_eq!(tx.get_outbox(id).await.unwrap().unwrap().status, OutboxStatus::Review);
        let approved = approve(&mut tx, &world.clock, &world.desk.house(), id, "kim").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((approved.account.as_str(), approved.due_at), ("text", instant("2026-11-03T18:00:00Z")));
        let sent = world.run_until("2026-11-03T23:00:00Z").await;
        assert_eq!(text_of(&sent, ana), Some("2026-11-03T18:00"), "{}", world.fresh.name);
    }
}

/// The same house with another number.
fn two_numbers() -> House {
    let mut house = talking();
    let mut other = house.accounts["text"].clone();
    "other".clone_into(&mut other.from.name);
    "+14155550190".clone_into(&mut other.from.address);
    house.accounts.insert("other".to_owned(), other);
    house
}

#[tokio::test]
async fn whoever_they_know_writes_to_them_whatever_the_sequence_names() {
    for fresh in stores::both().await {
        let world = World::new(fresh, two_numbers());
        world.accounts().await;
        let only = |id: &str, named: &str, review: bool| {
            let mut step = says("text", None, Channel::Sms, "Hi! Reply STOP to opt out");
            step.review = review;
            let mut sequence = definition(id, vec![step]);
            sequence.voices.insert("sms".to_owned(), named.to_owned());
            sequence.allow_parallel = true;
            sequence
        };
        let waits = only("waits", "text", true);
        world.publish(vec![only("first", "text", false), waits, only("second", "other", false)]).await;
        let zone = Some("America/New_York");
        let written_to = at_number(&world, zone, "+14155550141").await;
        let wrote = at_number(&world, zone, "+14155550142").await;
        let never = at_number(&world, zone, "+14155550143").await;
        let nobody = at_number(&world, zone, "+14155550144").await;
        let elsewhere = at_number(&world, zone, "+14155550145").await;
        world.enroll("first", &[written_to]).await;
        // What waits for somebody to approve it was never said.
        world.enroll("waits", &[never]).await;
        world.hears(wrote, Channel::Sms, "text", "hello there").await;
        // Another channel is another conversation.
        world.hears(elsewhere, Channel::Slack, "team", "hello from there").await;
        let name = world.fresh.name;
        assert_eq!(world.run_until("2026-11-03T14:00:00Z").await.len(), 1, "{name}");
        world.enroll("second", &[written_to, wrote, never, nobody, elsewhere]).await;
        let sent = world.run_until("2026-11-03T20:00:00Z").await;
        let mut tx = world.fresh.store.read().await.unwrap();
        for (who, account, why) in [
            (written_to, "text", "it wrote to them before"),
            (wrote, "text", "they wrote to it"),
            (never, "other", "what never left is nothing they know"),
            (nobody, "other", "the sequence names it"),
            (elsewhere, "other", "they know no number"),
        ] {
            let one = sent.iter().find(|one| one.who == who).unwrap_or_else(|| panic!("{name}: {why}"));
            let view = tx.get_message_view(one.id).await.unwrap().unwrap();
            assert_eq!(view.account, account, "{name}: {why}");
        }
        drop(tx);
        // What is foreseen is the same.
        let all = vec![("second".to_owned(), vec![written_to, nobody])];
        let order = Order { enroll: all, again: Again::Allowed, ..order(only("second", "other", false)) };
        let report = simulate((&world.fresh.store, world.clock.now()), two_numbers(), None, order).await.unwrap();
        let foreseen: Vec<_> =
            report.sends().map(|entry| (entry.influencer_id, entry.account.clone().unwrap())).collect();
        assert_eq!(foreseen.len(), 2, "{name} {foreseen:?}");
        assert!(foreseen.contains(&(written_to, "text".to_owned())), "{name} {foreseen:?}");
        assert!(foreseen.contains(&(nobody, "other".to_owned())), "{name} {foreseen:?}");
    }
}

fn order(definition: Definition) -> Order {
    Order {
        sequence: Some(definition.id),
        enroll: Vec::new(),
        from: None,
        days: 10,
        given: Vec::new(),
        again: Again::Refused,
        local: None,
        tasks_after: None,
    }
}

#[tokio::test]
async fn a_simulation_shows_who_sends_and_by_which_clock() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mut sequence = two_ways();
        sequence.steps[1].otherwise = None;
        sequence.steps[2] = says("say", Some("1 day"), Channel::Slack, "Did my notes reach you?");
        world.publish(vec![sequence.clone()]).await;
        let (ana, bo) = (world.person(None).await, world.person(None).await);
        world.reached_at(ana, Channel::Sms, "+81312345678", true).await;
        world.reached_at(ana, Channel::Slack, "T1/U1", true).await;
        world.reached_at(bo, Channel::Sms, SOMEWHERE, true).await;
        let order = Order { enroll: vec![("spring".to_owned(), vec![ana, bo])], ..order(sequence) };
        let report = simulate((&world.fresh.store, world.clock.now()), talking(), None, order).await.unwrap();
        let name = world.fresh.name;
        // Nine in Tokyo, of which her number tells; each from the account that says it.
        let hers = report.sends().filter(|entry| entry.influencer_id == ana);
        let hers: Vec<_> = hers.map(|e| (e.theirs.as_str(), e.zone.as_str(), e.account.as_deref().unwrap())).collect();
        assert_eq!(
            hers,
            [
                ("2026-11-03 09:00", "Asia/Tokyo", "brand"),
                ("2026-11-04 09:00", "Asia/Tokyo", "text"),
                ("2026-11-05 09:00", "Asia/Tokyo", "team"),
            ],
            "{name}"
        );
        let load: Vec<_> =
            report.load.iter().map(|load| (load.day.as_str(), load.account.as_str(), load.sent)).collect();
        assert_eq!(load, [("2026-11-02", "brand", 2), ("2026-11-03", "text", 2), ("2026-11-04", "team", 1),], "{name}");
        // A message is told once.
        let done = report.entries.iter().filter(|entry| entry.what == What::Done).count();
        assert_eq!(done, 0, "{name} {:?}", report.entries);
        let shown = text(&report);
        for said in [
            "sent from text (Asia/Tokyo)",
            "Asia/Tokyo, 1 of 2: by the country of their phone number",
            "America/New_York, 1 of 2: the sequence's fallback; by their number it may be any zone from Pacific/Honolulu to America/New_York",
        ] {
            assert!(shown.contains(said), "{name}: {said} is not said in\n{shown}");
        }
        let lines = csv(&report);
        assert!(lines.lines().any(|line| line.contains(",text,sent,,text,")), "{name} {lines}");
        assert!(lines.lines().any(|line| line.contains(",say,sent,,team,")), "{name} {lines}");
    }
}

#[tokio::test]
async fn why_speaks_by_the_clock_of_their_number() {
    for fresh in stores::both().await {
        let world = World::new(fresh, talking());
        world.accounts().await;
        let mail = definition("spring", vec![email("intro", None, "intro.md")]);
        assert!(matches!(mail.steps[0].kind, StepKind::Email { .. }));
        world.publish(vec![mail]).await;
        let (ana, bo, cy) = (world.person(None).await, world.person(None).await, world.person(None).await);
        world.reached_at(ana, Channel::Sms, "+81312345678", true).await;
        world.reached_at(bo, Channel::Sms, SOMEWHERE, true).await;
        world.reached_at(cy, Channel::Sms, "+81312345679", true).await;
        world.enroll("spring", &[ana, bo]).await;
        world.settle().await;
        let house = Arc::clone(&world.desk.house());
        let range = "by their number it may be any zone from Pacific/Honolulu to America/New_York";
        for (who, zone, from) in [
            (ana, "Asia/Tokyo", "by the country of their phone number"),
            (bo, "America/New_York", range),
            (cy, "Asia/Tokyo", "by the country of their phone number"),
        ] {
            let mut tx = world.fresh.store.read().await.unwrap();
            let why = of_influencer(&mut tx, (&house, world.clock.now()), who).await.unwrap().unwrap();
            assert_eq!(why.zone, zone, "{}", world.fresh.name);
            assert!(why.zone_from.contains(from), "{} {}", world.fresh.name, why.zone_from);
            assert!(words::of_influencer(&why)[0].contains(from), "{:?}", words::of_influencer(&why));
            if who == ana {
                let next = why.runs[0].next.as_ref().unwrap();
                assert_eq!(
                    (next.when.at, next.when.theirs.as_str()),
                    (instant("2026-11-03T00:00:00Z"), "2026-11-03 09:00")
                );
            }
        }
    }
}
