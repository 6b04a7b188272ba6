//! What people do with runs, and with mail that waits for their eyes.

use super::world::{World, definition, email, house, instant, told};
use crate::{seed, stores};
use liaison::domain::ids::{EnrollmentId, InfluencerId};
use liaison::domain::sequence::StepKind;
use liaison::domain::words::{EnrollmentState, EventType, OutboxStatus, Phase, StepState, TaskState};
use liaison::hub::outreach::admission::{Run, Whom, Wish, admit};
use liaison::hub::outreach::enroll::Again;
use liaison::hub::outreach::steer::{self, Act, SteerError};
use liaison::hub::settle;
use liaison::store::people::list::InfluencerFilter;
use serde_json::{Value, json};

fn two_steps() -> liaison::domain::sequence::Definition {
    definition("spring", vec![email("intro", None, "intro.md"), email("nudge", Some("1 day"), "nudge.md")])
}

async fn began(
    definition: liaison::domain::sequence::Definition,
    zone: &str,
) -> Vec<(World, EnrollmentId, InfluencerId)> {
    let mut worlds = Vec::new();
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![definition.clone()]).await;
        let who = world.person(Some(zone)).await;
        let run = world.enroll("spring", &[who]).await[0].clone().unwrap();
        worlds.push((world, run, who));
    }
    worlds
}

async fn act(world: &World, run: EnrollmentId, act: Act) -> Result<(), SteerError> {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let done = steer::act(&mut tx, &world.clock, run, act, "kim").await;
    if done.is_ok() {
        tx.commit().await.unwrap();
    }
    done
}

/// The data of somebody's events of one sort, oldest first.
async fn events(world: &World, who: InfluencerId, what: EventType) -> Vec<Value> {
    let mut tx = world.fresh.store.read().await.unwrap();
    let far = (liaison::domain::time::Micros(i64::MAX), uuid::Uuid::max());
    let mut all = tx.list_timeline_events(who, far, 1_000).await.unwrap();
    all.reverse();
    all.into_iter().filter(|e| e.kind == what).map(|e| e.data.unwrap().0).collect()
}

#[tokio::test]
async fn paused_run_stands_still_with_its_mail_and_goes_on_where_it_was() {
    for (world, run, who) in began(two_steps(), "America/New_York").await {
        assert_eq!(told(&world.settle().await), ["2026-11-02T14:00Z intro"]);
        // The nudge is due on Tuesday at nine, and planned for then.
        world.clock.advance_to(instant("2026-11-03T13:59:59Z"));
        act(&world, run, Act::Pause).await.unwrap();
        let again = act(&world, run, Act::Pause).await.unwrap_err().to_string();
        assert!(again.contains("paused already"), "{again}");
        assert!(world.run_until("2026-11-05T20:00:00Z").await.is_empty(), "{}", world.fresh.name);
        let paused = world.run_of(run).await;
        assert_eq!((paused.state, paused.held_at.is_some()), (EnrollmentState::Paused, true));
        act(&world, run, Act::Resume).await.unwrap();
        // One second of the day was left.
        let sent = world.run_until("2026-11-10T00:00:00Z").await;
        assert_eq!(sent.len(), 1, "{:?}", told(&sent));
        assert_eq!(&sent[0].at[..16], "2026-11-05T20:00");
        let told = events(&world, who, EventType::EnrollmentHeld).await;
        assert_eq!(told.iter().map(|d| &d["by"]).collect::<Vec<_>>(), [&json!("kim"), &json!("kim")], "{told:?}");
        assert_eq!(told[1]["reason"], Value::Null);
        let over = act(&world, run, Act::Resume).await.unwrap_err().to_string();
        assert!(over.contains("is finished"), "{over}");
    }
}

#[tokio::test]
async fn mail_of_a_paused_run_does_not_leave_and_gets_another_place() {
    // Eleven at night in Tokyo: planned for the morning.
    let mut sequence = two_steps();
    sequence.steps[0].review = true;
    for (world, run, _) in began(sequence, "America/New_York").await {
        world.settle().await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let mail = tx.open_mail_of(vec![run]).await.unwrap().remove(0);
        tx.approve_outbox(mail.id, instant("2026-11-03T15:00:00Z"), "read").await.unwrap();
        tx.commit().await.unwrap();
        act(&world, run, Act::Pause).await.unwrap();
        let held = world.fresh.store.read().await.unwrap().get_outbox(mail.id).await.unwrap().unwrap();
        assert_eq!(held.held_reason.as_deref(), Some("paused by kim"));
        assert!(world.run_until("2026-11-03T18:00:00Z").await.is_empty());
        act(&world, run, Act::Resume).await.unwrap();
        let sent = world.run_until("2026-11-03T23:00:00Z").await;
        assert_eq!(sent.len(), 1, "{}", world.fresh.name);
        // Three hours late, so spread over half an hour.
        assert!(("2026-11-03T18:00".."2026-11-03T18:30").contains(&&sent[0].at[..16]), "{:?}", told(&sent));
    }
}

#[tokio::test]
async fn skipped_step_is_left_out_whatever_it_waits_for() {
    let mut sequence = two_steps();
    let mut look = email("look", None, "intro.md");
    look.kind =
        StepKind::Task { text: "Look".to_owned(), assign: "owner".to_owned(), due: None, at_most: None, fills: None };
    sequence.steps.insert(0, look);
    sequence.steps[1].review = true;
    sequence.steps.push(email("last", Some("1 day"), "intro-b.md"));
    for (world, run, who) in began(sequence, "America/New_York").await {
        world.settle().await;
        let task = world.steps_of(run).await[0].task_id.unwrap();
        act(&world, run, Act::Skip).await.unwrap();
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert_eq!(tx.lock_task(task).await.unwrap().unwrap().state, TaskState::Cancelled);
        drop(tx);
        world.settle().await;
        assert_eq!(world.run_of(run).await.phase, Phase::Send, "the intro waits for review");
        let mail = world.steps_of(run).await.into_iter().find(|s| s.step == "intro").unwrap().message_id.unwrap();
        act(&world, run, Act::Skip).await.unwrap();
        let row = world.fresh.store.read().await.unwrap().get_outbox(mail).await.unwrap().unwrap();
        assert_eq!(row.status, OutboxStatus::Cancelled);
        let mut tx = world.fresh.store.read().await.unwrap();
        assert!(tx.list_reservations("brand", instant("2026-11-01T00:00:00Z")).await.unwrap().is_empty());
        drop(tx);
        world.settle().await;
        assert_eq!(world.run_of(run).await.step.as_deref(), Some("nudge"), "its delay runs");
        act(&world, run, Act::Pause).await.unwrap();
        act(&world, run, Act::Skip).await.unwrap();
        let stands = world.run_of(run).await;
        assert_eq!((stands.state, stands.step.as_deref()), (EnrollmentState::Paused, Some("last")));
        act(&world, run, Act::Resume).await.unwrap();
        let sent = world.run_until("2026-11-30T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-03T14:00Z last"], "{}", world.fresh.name);
        let states: Vec<StepState> = world.steps_of(run).await.into_iter().map(|s| s.state).collect();
        assert_eq!(states.iter().filter(|s| **s == StepState::Skipped).count(), 3, "{states:?}");
        let told = events(&world, who, EventType::EnrollmentStepDone).await;
        assert_eq!(told.iter().filter(|d| d["by"] == "kim").count(), 3, "{told:?}");
    }
}

#[tokio::test]
async fn run_ended_by_hand_is_over_and_says_by_whom() {
    for (world, run, who) in began(two_steps(), "Asia/Tokyo").await {
        world.settle().await;
        act(&world, run, Act::Exit).await.unwrap();
        assert!(world.run_until("2026-11-30T00:00:00Z").await.is_empty(), "{}", world.fresh.name);
        assert_eq!(world.run_of(run).await.exit_reason.as_deref(), Some("ended by kim"));
        let told = events(&world, who, EventType::EnrollmentExited).await;
        assert_eq!(told[0]["reason"], "ended by kim");
        let over = act(&world, run, Act::Skip).await.unwrap_err().to_string();
        assert!(over.contains("ended by kim"), "{over}");
    }
}

#[tokio::test]
async fn approved_mail_leaves_at_its_place_or_at_another_where_that_is_past() {
    let mut sequence = two_steps();
    sequence.steps[0].review = true;
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        let runs: Vec<EnrollmentId> =
            world.enroll("spring", &[ana, bo]).await.into_iter().map(Result::unwrap).collect();
        world.settle().await;
        // Monday night, long after its place at nine in the morning.
        world.run_until("2026-11-03T03:00:00Z").await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let mail = tx.open_mail_of(runs.clone()).await.unwrap();
        let house = world.desk.house();
        let of = |run: EnrollmentId| mail.iter().find(|m| m.enrollment_id == run).unwrap().id;
        let approved = steer::approve(&mut tx, &world.clock, &house, of(runs[0]), "kim").await.unwrap();
        assert!(approved.due_at >= instant("2026-11-03T14:00:00Z"), "{} {approved:?}", world.fresh.name);
        let twice = steer::approve(&mut tx, &world.clock, &house, of(runs[0]), "kim").await.unwrap_err();
        assert!(twice.to_string().contains("is queued"), "{twice}");
        // A message that is taken back in review is a skipped step.
        settle::cancel(&mut tx, &world.clock, of(runs[1]), "not her").await.unwrap();
        tx.commit().await.unwrap();
        let row = world.fresh.store.read().await.unwrap().get_outbox(of(runs[0])).await.unwrap().unwrap();
        assert_eq!((row.status, row.detail.as_deref()), (OutboxStatus::Queued, Some("approved by kim")));
        let sent = world.run_until("2026-11-03T23:00:00Z").await;
        assert_eq!(sent.iter().map(|s| (s.who, s.step.as_str())).collect::<Vec<_>>(), [(ana, "intro")]);
        assert!(instant(&sent[0].at) >= instant("2026-11-03T14:00:00Z"));
        let skipped = world.steps_of(runs[1]).await.remove(0);
        assert_eq!((skipped.state, skipped.reason.as_deref()), (StepState::Skipped, Some("not her")));
    }
}

#[tokio::test]
async fn many_are_enrolled_in_batches_and_a_dry_run_writes_nothing() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![two_steps()]).await;
        let mut people = Vec::new();
        for _ in 0..6 {
            people.push(world.person(Some("America/New_York")).await);
        }
        // Nothing arrives at one of them.
        seed::run(&world.fresh, "UPDATE address SET dead_at = 1 WHERE influencer_id = $1", &[people[1].0]).await;
        let wish = |whom: Whom, limit: Option<usize>, run: Run| Wish {
            sequence: "spring".to_owned(),
            whom,
            again: Again::Refused,
            limit,
            run,
        };
        let everybody = || Whom::Filter(InfluencerFilter { stage: Some("prospect".to_owned()), ..Default::default() });
        let (store, clock) = (&world.fresh.store, &world.clock);
        let dry = admit(store, clock, &wish(everybody(), None, Run::Dry)).await.unwrap();
        assert_eq!((dry.enrolled, dry.refused, dry.dry_run), (5, 1, true), "{dry:?}");
        assert!(dry.runs.iter().all(|run| run.enrollment_id.is_none()));
        let none = store.read().await.unwrap().list_enrollments(None, None, None, 10).await.unwrap();
        assert!(none.is_empty(), "{}", world.fresh.name);
        let two = admit(store, clock, &wish(everybody(), Some(2), Run::Real)).await.unwrap();
        let begun: Vec<InfluencerId> = two.runs.iter().map(|run| run.influencer_id).collect();
        assert_eq!((begun, two.refused), (vec![people[0], people[2]], 1), "the second has no address");
        let twice = Whom::These([people.clone(), people.clone()].concat());
        let named = admit(store, clock, &wish(twice, None, Run::Real)).await.unwrap();
        assert_eq!((named.enrolled, named.refused), (3, 3), "each is taken once: {named:?}");
        assert_eq!(named.reasons["they are in this sequence already"], 2, "{named:?}");
        let unknown = Wish { sequence: "autumn".to_owned(), ..wish(everybody(), None, Run::Dry) };
        assert!(admit(store, clock, &unknown).await.unwrap_err().to_string().contains("`autumn`"));
    }
}
