//! What somebody paused stays paused, whatever else becomes of its steps; a pause of many is in force before it is noted on each.

use super::world::{World, definition, email, house, instant, told};
use crate::stores;
use liaison::domain::ids::{EnrollmentId, InfluencerId, RunId};
use liaison::domain::sequence::{Definition, Step, StepKind};
use liaison::domain::time::Micros;
use liaison::domain::words::{EnrollmentState, OutboxStatus};
use liaison::hub::outreach::pause::{self, Target};
use liaison::hub::outreach::steer::{self, Act};
use liaison::hub::{hold, outreach, settle, task};
use liaison::outbound::SendingSettings;
use liaison::outbound::rehearsal::accept_due;
use liaison::sequence;
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
    assert_eq!(
        told(&world.run_until("2026-11-30T00:00:00Z").await),
        [format!("{goes} {step}")],
        "{}",
        world.fresh.name
    );
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
        assert!(tx.mark_handed_over(grip, world.clock.now()).await.unwrap().is_some());
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

/// So many people, the first step behind them, the second three days ahead.
async fn many(world: &World, count: usize) -> Vec<EnrollmentId> {
    world.accounts().await;
    let steps = vec![email("intro", None, "intro.md"), email("nudge", Some("3 days"), "nudge.md")];
    world.publish(vec![definition("spring", steps)]).await;
    let mut people = Vec::new();
    for _ in 0..count {
        people.push(world.person(Some("America/New_York")).await);
    }
    let runs = world.enroll("spring", &people).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(world.settle().await.len(), count);
    runs
}

async fn held_since(world: &World, runs: &[EnrollmentId]) -> Vec<Option<Micros>> {
    let mut held = Vec::new();
    for run in runs {
        held.push(world.run_of(*run).await.held_at);
    }
    held
}

#[tokio::test]
async fn pause_is_in_force_at_once_and_is_noted_on_its_runs_a_few_at_a_time() {
    for target in [Target::Sequence("spring"), Target::Account("brand"), Target::All] {
        for fresh in stores::both().await {
            let world = World::new(fresh, house());
            let store = &world.fresh.store;
            let runs = many(&world, 5).await;
            world.run_until("2026-11-03T14:00:00Z").await;
            let mut tx = store.begin("test").await.unwrap();
            assert!(pause::pause(&mut tx, &world.clock, target, "a look").await.unwrap());
            tx.commit().await.unwrap();
            let paused_at = world.clock.now();
            assert_eq!(held_since(&world, &runs).await, [None; 5], "{}: none was touched", world.fresh.name);
            // Days later one batch of two was written, and whoever did that is gone.
            world.clock.advance_to(instant("2026-11-06T14:00:00Z"));
            assert!(pause::carry_on(store, 2).await.unwrap());
            let held = held_since(&world, &runs).await;
            assert_eq!(held.iter().filter(|at| **at == Some(paused_at)).count(), 2, "{}: {held:?}", world.fresh.name);
            assert_eq!(held.iter().flatten().count(), 2);
            world.clock.advance_to(instant("2026-11-10T14:00:00Z"));
            let mut tx = store.begin("test").await.unwrap();
            assert!(pause::resume(&mut tx, &world.clock, target, "kim").await.unwrap());
            tx.commit().await.unwrap();
            assert_eq!(held_since(&world, &runs).await, [Some(paused_at); 5]);
            // Of those that are to go on, a day passes before the rest is woken: by when it was resumed.
            assert!(pause::carry_on(store, 2).await.unwrap());
            let mut woken = 0;
            for run in &runs {
                woken += usize::from(world.run_of(*run).await.next_at == Some(instant("2026-11-10T14:00:00Z")));
            }
            assert_eq!(woken, 2, "{}", world.fresh.name);
            world.clock.advance_to(instant("2026-11-11T14:00:00Z"));
            let sent = world.run_until("2026-11-30T00:00:00Z").await;
            assert_eq!(told(&sent), ["2026-11-12T14:00Z nudge"; 5], "{}: {target:?}", world.fresh.name);
            assert!(!pause::carry_on(store, 2).await.unwrap(), "nothing is left to be done");
        }
    }
}

#[tokio::test]
async fn pause_that_comes_before_all_were_woken_holds_them_again() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let store = &world.fresh.store;
        let runs = many(&world, 4).await;
        for n in 0..2 {
            let mut tx = store.begin("test").await.unwrap();
            assert!(pause::pause(&mut tx, &world.clock, Target::All, "a look").await.unwrap());
            tx.commit().await.unwrap();
            if n == 0 {
                let mut tx = store.begin("test").await.unwrap();
                assert!(pause::resume(&mut tx, &world.clock, Target::All, "kim").await.unwrap());
                tx.commit().await.unwrap();
                pause::carry_on(store, 2).await.unwrap();
            }
        }
        assert!(world.run_until("2026-11-20T00:00:00Z").await.is_empty(), "{}", world.fresh.name);
        assert_eq!(held_since(&world, &runs).await.iter().flatten().count(), 4);
    }
}

#[tokio::test]
async fn removed_sequence_sends_nothing_while_its_runs_are_ended_a_few_at_a_time() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let store = &world.fresh.store;
        let runs = many(&world, 5).await;
        // The nudges are planned, and one is claimed already.
        world.clock.advance_to(instant("2026-11-05T14:00:00Z"));
        world.cadence.tick().await.unwrap();
        let mail = world.steps_of(runs[0]).await.into_iter().find_map(|s| (s.step == "nudge").then_some(s.message_id));
        let mail = mail.flatten().expect("planned");
        let holder = RunId(world.clock.new_id());
        let mut tx = store.begin("test").await.unwrap();
        let attempt = tx.claim_outbox(vec![mail], holder, 60).await.unwrap()[0].attempt;
        tx.commit().await.unwrap();
        let mut tx = store.begin("test").await.unwrap();
        assert_eq!(sequence::remove(&mut tx, &world.clock, "spring").await.unwrap(), Some(5));
        tx.commit().await.unwrap();
        let mut tx = store.begin("test").await.unwrap();
        let grip = Grip { id: mail, holder, attempt };
        assert!(
            tx.mark_handed_over(grip, world.clock.now()).await.unwrap().is_none(),
            "{}: it leaves",
            world.fresh.name
        );
        drop(tx);
        assert!(accept_due(&world.tools, &SendingSettings::new("brand")).await.unwrap().is_empty(), "the rest");
        // The one that was claimed, and then of those that the last look held.
        for ended in [1, 2] {
            assert_eq!(outreach::end_removed(store, &world.clock, 2).await.unwrap(), ended, "{}", world.fresh.name);
        }
        // Whoever did that is gone; the daemon carries it on.
        assert!(world.run_until("2026-11-30T00:00:00Z").await.is_empty(), "{}", world.fresh.name);
        for run in &runs {
            assert_eq!(world.run_of(*run).await.exit_reason.as_deref(), Some("the sequence was deleted"));
        }
        assert_eq!(outreach::end_removed(store, &world.clock, 2).await.unwrap(), 0);
    }
}
