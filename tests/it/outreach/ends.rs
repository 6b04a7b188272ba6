//! Where a sequence ends because of a stage, whoever moved them there and whatever the move left out; who looks at runs of
//! an account that only another node has; and how much is written at once.

use super::world::{MONDAY, World, definition, email, house, instant, told};
use crate::{seed, stores};
use liaison::domain::ids::{InfluencerId, RunId};
use liaison::domain::sequence::{Definition, TemplateFile};
use liaison::domain::words::EnrollmentState;
use liaison::hub::outreach::house::Desk;
use liaison::hub::outreach::outgoing::hold_homeless;
use liaison::hub::people::{self, KnownStages, StageMove};
use liaison::sequence::Cadence;
use liaison::store::lease::poll_lease;
use std::collections::BTreeSet;
use std::time::Duration;

/// A mail, and another the day after; over for whoever agreed.
fn until_agreed() -> Definition {
    let steps = vec![email("intro", None, "intro.md"), email("nudge", Some("1 day"), "nudge.md")];
    Definition { exit_on: vec!["agreed".into()], ..definition("spring", steps) }
}

async fn move_by_hand(world: &World, who: InfluencerId, to: &str) {
    let ids = ["contacted", "in_talks", "agreed", "active", "no_response"].map(str::to_owned).to_vec();
    let stages = KnownStages { start: "contacted".to_owned(), ids };
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let step = StageMove { influencer_id: who, to: to.to_owned(), pinned: false, cause: "kim".to_owned() };
    assert!(people::move_stage(&mut tx, &world.clock, &stages, step).await.unwrap());
    tx.commit().await.unwrap();
}

/// Puts somebody into a stage behind everybody's back, as a change of the order of stages does.
async fn put(world: &World, who: InfluencerId, stage: &str) {
    seed::run(&world.fresh, &format!("UPDATE influencer SET stage = '{stage}' WHERE id = $1"), &[who.0]).await;
}

#[tokio::test]
async fn stage_beyond_the_one_that_ends_a_sequence_ends_it_too() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![until_agreed()]).await;
        let mut people = Vec::new();
        for _ in 0..4 {
            people.push(world.person(Some("America/New_York")).await);
        }
        let runs = world.enroll("spring", &people).await;
        assert_eq!(told(&world.run_until("2026-11-02T15:00:00Z").await).len(), 4);
        for (who, to) in people.iter().zip(["agreed", "active", "in_talks", "no_response"]) {
            move_by_hand(&world, *who, to).await;
        }
        let mut ended = Vec::new();
        for run in &runs {
            let run = world.run_of(run.clone().unwrap()).await;
            ended.push(run.exit_reason);
        }
        let reached = |stage: &str| Some(format!("reached the stage {stage}"));
        assert_eq!(ended, [reached("agreed"), reached("active"), None, None], "{}", world.fresh.name);
        let sent = world.run_until("2026-11-04T00:00:00Z").await;
        assert_eq!(sent.iter().map(|s| s.who).collect::<BTreeSet<_>>(), people[2..].iter().copied().collect());
    }
}

#[tokio::test]
async fn nobody_begins_where_a_sequence_ends() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut again = until_agreed();
        again.id = "again".to_owned();
        again.enter_from = vec!["active".into()];
        world.publish(vec![until_agreed(), again]).await;
        let (agreed, active) = (world.person(None).await, world.person(None).await);
        put(&world, agreed, "agreed").await;
        put(&world, active, "active").await;
        for (at, refused) in world.enroll("spring", &[agreed, active]).await.into_iter().enumerate() {
            let refused = refused.unwrap_err();
            assert!(refused.contains("exit_on ends the sequence there or before"), "{at} {refused}");
        }
        // Named in enter_from, who is further than that is taken, and not ended at the first look.
        let run = world.enroll("again", &[active]).await[0].clone().unwrap();
        assert_eq!(world.run_until("2026-11-02T15:00:00Z").await.len(), 1, "{}", world.fresh.name);
        assert_eq!(world.run_of(run).await.state, EnrollmentState::Active);
    }
}

#[tokio::test]
async fn run_of_somebody_who_is_there_already_ends_at_the_next_look() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut nightly = until_agreed();
        nightly.steps[1].after = Some("12h".to_owned());
        world.publish(vec![nightly]).await;
        let (waits, planned) = (world.person(None).await, world.person(None).await);
        let runs = world.enroll("spring", &[planned]).await;
        assert_eq!(world.run_until("2026-11-03T03:00:00Z").await.len(), 1, "its nudge is planned for the morning");
        let later = world.enroll("spring", &[waits]).await;
        world.run_until("2026-11-03T04:00:00Z").await;
        put(&world, planned, "active").await;
        put(&world, waits, "agreed").await;
        assert_eq!(world.run_until("2026-11-10T00:00:00Z").await, [], "{}", world.fresh.name);
        for run in runs.into_iter().chain(later) {
            let run = world.run_of(run.unwrap()).await;
            assert!(run.exit_reason.as_deref().is_some_and(|why| why.starts_with("reached the stage")), "{run:?}");
        }
    }
}

#[tokio::test]
async fn what_fell_due_while_nobody_looked_is_spread() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![until_agreed()]).await;
        let mut people = Vec::new();
        for _ in 0..30 {
            people.push(world.person(Some("America/New_York")).await);
        }
        let runs = world.enroll("spring", &people).await;
        assert_eq!(world.run_until("2026-11-02T16:00:00Z").await.len(), 30);
        // Due on Tuesday from 14:00 on; a daemon that was down begins again at 18:00.
        world.clock.advance_to(instant("2026-11-03T18:00:00Z"));
        let now = world.clock.now();
        while world.cadence.tick().await.unwrap().0.runs > 0 {}
        let mut places = BTreeSet::new();
        for run in runs {
            let nudge = world.steps_of(run.unwrap()).await.into_iter().find(|s| s.step == "nudge").expect("planned");
            let at = nudge.planned_at.unwrap();
            assert!(at >= now && at <= now.plus(Duration::from_hours(4)), "{at}");
            assert_eq!(nudge.shifts.unwrap()[0]["rule"], "late");
            places.insert(at);
        }
        assert!(places.len() > 20, "{}: {places:?}", world.fresh.name);
    }
}

#[tokio::test]
async fn run_of_an_account_that_another_node_has_is_left_to_it() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![until_agreed()]).await;
        let mut without = house();
        without.accounts.remove("brand");
        let stranger = Cadence { desk: Desk::new(without), ..world.cadence.clone() };
        let who = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[who]).await[0].clone().unwrap();
        let holder = RunId(world.clock.new_id());
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let lease = tx.acquire_lease(&poll_lease("brand"), holder, 600).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        stranger.tick().await.unwrap();
        let looked = world.run_of(run).await;
        if !world.fresh.store.is_shared() {
            // There is no other node: a lease that is left over means nothing.
            assert!(looked.waiting_for.unwrap().contains("is not configured any more"));
            continue;
        }
        assert_eq!(looked.state, EnrollmentState::Active);
        assert!(looked.waiting_for.unwrap().contains("a node that has the account brand"));
        let sent = world.run_until("2026-11-02T16:00:00Z").await;
        assert_eq!(sent.iter().map(|s| s.step.as_str()).collect::<Vec<_>>(), ["intro"]);
        // Its nudge waits in the outbox; the stranger holds it only when nobody has the account any more.
        world.clock.advance_to(instant("2026-11-03T15:00:00Z"));
        world.cadence.tick().await.unwrap();
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert_eq!(hold_homeless(&mut tx, &world.clock, &stranger.desk.house()).await.unwrap(), 0);
        tx.release_lease(&poll_lease("brand"), lease).await.unwrap();
        assert_eq!(hold_homeless(&mut tx, &world.clock, &stranger.desk.house()).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert!(world.run_of(run).await.waiting_for.unwrap().contains("is not configured any more"));
        // The node that has it was only away for a moment: whoever looks next lets its mail go.
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        tx.acquire_lease(&poll_lease("brand"), holder, 600).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        world.clock.advance_to(world.clock.now().plus(Duration::from_mins(11)));
        stranger.tick().await.unwrap();
        let sent = world.run_until("2026-11-03T20:00:00Z").await;
        assert_eq!(sent.iter().map(|s| s.step.as_str()).collect::<Vec<_>>(), ["nudge"]);
    }
}

#[tokio::test]
async fn number_that_a_file_wrote_as_text_is_compared_as_a_number() {
    use liaison::domain::stage::{Property, PropertyType, Stages};
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let shipped = liaison::config::stages::shipped().unwrap();
        let fee =
            Property { id: "fee".to_owned(), kind: PropertyType::Number, label: String::new(), choices: Vec::new() };
        let stages = Stages::new(shipped.all().to_vec(), vec![fee]).unwrap();
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let body = serde_json::to_string(&stages).unwrap();
        tx.publish_definition("stages", "with a fee", &body, world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let mut cheap = until_agreed();
        cheap.steps[0].condition = Some("influencer.properties.fee <= 500".to_owned());
        cheap.steps.truncate(1);
        world.publish(vec![cheap]).await;
        let mut people = Vec::new();
        for fee in ["50", "900", "500.0"] {
            let who = world.person(Some("America/New_York")).await;
            let set = format!("UPDATE influencer SET properties = '{{\"fee\": \"{fee}\"}}' WHERE id = $1");
            seed::run(&world.fresh, &set, &[who.0]).await;
            people.push(who);
        }
        world.enroll("spring", &people).await;
        let sent = world.run_until("2026-11-02T16:00:00Z").await;
        let mut got: Vec<_> = sent.iter().map(|s| s.who).collect();
        got.sort_unstable();
        assert_eq!(got, [people[0], people[2]], "{}", world.fresh.name);
    }
}

/// Text in base64 that hardly gets smaller: numbers that a simple generator makes.
fn noise(octets: usize) -> String {
    use base64::Engine as _;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut data = Vec::with_capacity(octets);
    while data.len() < octets {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend(state.to_le_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(data)
}

#[tokio::test]
async fn batch_ends_where_its_mail_gets_large() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut large = until_agreed();
        let file = TemplateFile {
            name: "lookbook.bin".to_owned(),
            content_type: "application/octet-stream".to_owned(),
            content: noise(4_500_000),
        };
        large.templates.get_mut("intro.md").unwrap().attachments.push(file);
        world.publish(vec![large]).await;
        let mut people = Vec::new();
        for _ in 0..7 {
            people.push(world.person(Some("America/New_York")).await);
        }
        world.enroll("spring", &people).await;
        let (first, _) = world.cadence.tick().await.unwrap();
        assert!(first.planned > 0 && first.planned < 7, "{}: {first:?}", world.fresh.name);
        let mut planned = first.planned;
        loop {
            let (looked, _) = world.cadence.tick().await.unwrap();
            if looked.runs == 0 {
                break;
            }
            planned += looked.planned;
        }
        assert_eq!(planned, 7);
    }
}

#[tokio::test]
async fn held_installation_is_told_and_looked_at_later() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![until_agreed()]).await;
        let who = world.person(Some("America/New_York")).await;
        world.enroll("spring", &[who]).await;
        let set = async |held: bool| {
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            if tx.get_installation().await.unwrap().is_none() {
                tx.insert_installation(world.clock.new_id(), instant(MONDAY)).await.unwrap();
            }
            tx.set_installation_held(held).await.unwrap();
            tx.commit().await.unwrap();
        };
        set(true).await;
        let (looked, _) = world.cadence.tick().await.unwrap();
        assert!(looked.held && looked.runs == 0, "{}: {looked:?}", world.fresh.name);
        set(false).await;
        let (looked, _) = world.cadence.tick().await.unwrap();
        assert!(!looked.held && looked.planned == 1, "{looked:?}");
    }
}

#[tokio::test]
async fn places_are_found_however_many_wait_before_them() {
    for fresh in stores::both().await {
        let mut house = house();
        house.accounts.get_mut("brand").unwrap().daily_limit = Some(1);
        let world = World::new(fresh, house);
        world.accounts().await;
        world.publish(vec![definition("spring", vec![email("intro", None, "intro.md")])]).await;
        let mut people = Vec::new();
        for _ in 0..45 {
            people.push(world.person(Some("America/New_York")).await);
        }
        let runs = world.enroll("spring", &people).await;
        while world.cadence.tick().await.unwrap().0.runs > 0 {}
        let mut places = Vec::new();
        for run in runs {
            places.extend(world.steps_of(run.unwrap()).await.into_iter().filter_map(|step| step.planned_at));
        }
        places.sort_unstable();
        assert_eq!(places.len(), 45);
        // One in any 24 hours, Monday to Friday: nine weeks.
        for (one, next) in places.iter().zip(places.iter().skip(1)) {
            assert!(next.since(*one) >= Duration::from_hours(24), "{}: {one} {next}", world.fresh.name);
        }
        let last = places.last().unwrap();
        assert!(*last < instant("2027-01-08T00:00:00Z") && *last > instant("2026-12-30T00:00:00Z"), "{last}");
    }
}
