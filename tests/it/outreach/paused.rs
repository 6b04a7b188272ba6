//! What somebody paused stays paused, whatever else becomes of its steps.

use super::world::{World, definition, email, house, instant, told};
use crate::stores;
use liaison::domain::ids::{EnrollmentId, InfluencerId, RunId};
use liaison::domain::sequence::{Definition, Step, StepKind};
use liaison::domain::words::{EnrollmentState, OutboxStatus};
use liaison::hub::outreach::steer::{self, Act};
use liaison::hub::{hold, settle, task};
use liaison::store::outbox::Grip;
use liaison::store::outbox::outcome::Outcome;

fn look() -> Step {
    let mut step = email("look", None, "intro.md");
    step.kind =
        StepKind::Task { text: "Look".to_owned(), assign: "owner".to_owned(), due: None, at_most: None, fills: None };
    step
}

/// A task, and a mail a day after it was done.
fn looked_at_first() -> Definition {
    definition("spring", vec![look(), email("intro", Some("1 day"), "intro.md")])
}

/// A mail, and another a day after it.
fn two_mails() -> Definition {
    definition("spring", vec![email("intro", None, "intro.md"), email("nudge", Some("1 day"), "intro-b.md")])
}

async fn began(definition: Definition) -> Vec<(World, EnrollmentId, InfluencerId)> {
    let mut worlds = Vec::new();
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![definition.clone()]).await;
        let who = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[who]).await[0].clone().unwrap();
        world.cadence.tick().await.unwrap();
        worlds.push((world, run, who));
    }
    worlds
}

async fn act(world: &World, run: EnrollmentId, act: Act) {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    steer::act(&mut tx, &world.clock, run, act, "kim").await.unwrap();
    tx.commit().await.unwrap();
}

async fn do_task(world: &World, run: EnrollmentId) {
    let id = world.steps_of(run).await[0].task_id.expect("a task");
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    assert!(task::complete(&mut tx, &world.clock, id, (Some("done"), "kim")).await.unwrap());
    tx.commit().await.unwrap();
}

/// It stands paused at this step, and nothing of it leaves for a week; then it goes on where it was.
async fn stays_paused(world: &World, run: EnrollmentId, step: &str, goes: &str) {
    assert!(world.run_until("2026-11-10T14:00:00Z").await.is_empty(), "{}: {step}", world.fresh.name);
    let stands = world.run_of(run).await;
    assert_eq!((stands.state, stands.step.as_deref()), (EnrollmentState::Paused, Some(step)), "{}", world.fresh.name);
    assert_eq!((stands.next_at, stands.held_at.is_some()), (None, true), "{stands:?}");
    assert_eq!(stands.waiting_for.as_deref(), Some("this run is paused"));
    act(world, run, Act::Resume).await;
    assert_eq!(told(&world.run_until("2026-11-30T00:00:00Z").await), [format!("{goes} {step}")], "{}", world.fresh.name);
}

#[tokio::test]
async fn task_that_is_done_leaves_a_paused_run_paused() {
    for (world, run, _) in began(looked_at_first()).await {
        act(&world, run, Act::Pause).await;
        world.run_until("2026-11-03T14:00:00Z").await;
        do_task(&world, run).await;
        // The day after the task begins when the pause is over: all of the week before it is none of it.
        stays_paused(&world, run, "intro", "2026-11-11T14:00Z").await;
    }
}

#[tokio::test]
async fn mail_that_was_on_its_way_leaves_a_paused_run_paused() {
    for (world, run, _) in began(two_mails()).await {
        let mail = world.steps_of(run).await[0].message_id.expect("planned");
        let holder = RunId(world.clock.new_id());
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let attempt = tx.claim_outbox(vec![mail], holder, 60).await.unwrap()[0].attempt;
        let grip = Grip { id: mail, holder, attempt };
        assert!(tx.mark_handed_over(grip, world.clock.now()).await.unwrap());
        tx.commit().await.unwrap();
        act(&world, run, Act::Pause).await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert!(tx.record_outbox(grip, &Outcome::plain(OutboxStatus::Confirmed)).await.unwrap());
        settle::note_sent(&mut tx, &world.clock, mail, world.clock.now(), serde_json::json!({})).await.unwrap();
        tx.commit().await.unwrap();
        stays_paused(&world, run, "nudge", "2026-11-11T14:00Z").await;
    }
}

#[tokio::test]
async fn held_mail_that_is_taken_back_leaves_a_paused_run_paused() {
    for (world, run, _) in began(two_mails()).await {
        let mail = world.steps_of(run).await[0].message_id.expect("planned");
        act(&world, run, Act::Pause).await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        settle::cancel(&mut tx, &world.clock, mail, "not this one").await.unwrap();
        tx.commit().await.unwrap();
        stays_paused(&world, run, "nudge", "2026-11-11T14:00Z").await;
    }
}

#[tokio::test]
async fn wait_that_begins_in_a_hold_stands_still_from_there_only() {
    for (world, run, who) in began(looked_at_first()).await {
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let until = instant("2026-11-07T14:00:00Z");
        hold::hold_by_hand(&mut tx, &world.clock, who, (until, None), "kim").await.unwrap();
        tx.commit().await.unwrap();
        world.run_until("2026-11-05T14:00:00Z").await;
        do_task(&world, run).await;
        // Two days of the hold are left, then one day passes: Sunday, so Monday. Five would make it Wednesday.
        let sent = world.run_until("2026-11-30T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-09T14:00Z intro"], "{}", world.fresh.name);
    }
}
