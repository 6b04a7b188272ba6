//! The rules of a run, one by one.

use super::world::{World, definition, email, house, instant, told};
use crate::stores;
use liaison::domain::sequence::{After, Awaited, StepKind};
use liaison::domain::words::{EnrollmentState, OutboxStatus, Phase, StepState, TaskState};
use liaison::hub::outreach::enroll::{Again, EnrollError, enroll};
use liaison::hub::outreach::pause::{self, Target};
use liaison::hub::outreach::{self, ExitReason};
use liaison::hub::{settle, task};
use liaison::sequence;
use liaison::store::outreach::enrollment::Mark;

fn three_steps() -> liaison::domain::sequence::Definition {
    definition(
        "spring",
        vec![
            email("intro", None, "intro.md"),
            email("nudge", Some("3 business days"), "nudge.md"),
            email("last", Some("1 week"), "last.md"),
        ],
    )
}

#[tokio::test]
async fn steps_go_out_one_after_the_other_in_local_hours_and_in_one_thread() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![three_steps()]).await;
        let (ana, kaito) = (world.person(Some("America/New_York")).await, world.person(Some("Asia/Tokyo")).await);
        let runs = world.enroll("spring", &[ana, kaito]).await;
        let sent = world.run_until("2026-12-01T00:00:00Z").await;
        let of = |who| told(&sent.iter().filter(|s| s.who == who).cloned().collect::<Vec<_>>());
        assert_eq!(
            of(ana),
            ["2026-11-02T14:00Z intro", "2026-11-05T14:00Z nudge", "2026-11-12T14:00Z last"],
            "{}",
            world.fresh.name
        );
        // 14:00 UTC on Monday is 23:00 in Tokyo: Tuesday, 09:00.
        assert_eq!(of(kaito), ["2026-11-03T00:00Z intro", "2026-11-06T00:00Z nudge", "2026-11-13T00:00Z last"]);
        let run = world.run_of(runs[0].clone().unwrap()).await;
        assert_eq!((run.state, run.phase), (EnrollmentState::Finished, Phase::Over));
        let mut tx = world.fresh.store.read().await.unwrap();
        let mut conversations = Vec::new();
        for message in sent.iter().filter(|s| s.who == ana) {
            conversations.push(tx.find_answered(vec![message.id]).await.unwrap()[0].conversation_id);
        }
        conversations.dedup();
        assert_eq!(conversations.len(), 1, "follow-ups stay in the thread");
    }
}

#[tokio::test]
async fn reply_ends_the_run_and_takes_back_what_is_planned() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![three_steps()]).await;
        let ana = world.person(Some("Asia/Tokyo")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        let intro = world.run_until("2026-11-04T00:00:00Z").await;
        assert_eq!(told(&intro), ["2026-11-03T00:00Z intro"]);
        // As if two days had gone by: the follow-up is due at night.
        let hurry = "UPDATE enrollment SET anchor_at = anchor_at - 172800000000 WHERE id = $1";
        crate::seed::run(&world.fresh, hurry, &[run.0]).await;
        world.run_until("2026-11-04T12:00:00Z").await;
        let woken = "UPDATE enrollment SET next_at = 1 WHERE id = $1";
        crate::seed::run(&world.fresh, woken, &[run.0]).await;
        world.cadence.tick().await.unwrap();
        assert_eq!(world.run_of(run).await.phase, Phase::Send, "it is planned for the morning");
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let stopped = outreach::stop_runs(&mut tx, &world.clock, &[ana], (&ExitReason::Replied, None)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(stopped, 1);
        assert!(world.run_until("2026-12-01T00:00:00Z").await.is_empty());
        let over = world.run_of(run).await;
        assert_eq!((over.state, over.exit_reason.as_deref()), (EnrollmentState::Exited, Some("replied")));
        let again = world.enroll("spring", &[ana]).await;
        assert!(again[0].as_ref().unwrap_err().contains("before"), "{again:?}");
        let mut tx = world.fresh.store.read().await.unwrap();
        let taken = tx.list_reservations("brand", instant("2026-11-01T00:00:00Z")).await.unwrap();
        let taken: Vec<_> = taken.iter().map(|r| r.id).collect();
        assert_eq!(taken, [intro[0].id.0], "only what was sent counts");
    }
}

#[tokio::test]
async fn hold_stops_time_for_a_person_and_nothing_of_the_wait_is_used_up() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![three_steps()]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.settle().await;
        // Held on Tuesday for a week, one of three business days being over.
        world.run_until("2026-11-03T14:00:00Z").await;
        let hold = "UPDATE influencer SET held_until = 1794319200000000, hold_reason = 'away' WHERE id = $1";
        crate::seed::run(&world.fresh, hold, &[ana.0]).await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        outreach::hold_runs(&mut tx, &world.clock, ana).await.unwrap();
        outreach::wake_runs(&mut tx, &world.clock, ana).await.unwrap();
        tx.commit().await.unwrap();
        world.settle().await;
        let held = world.run_of(run).await;
        assert_eq!(held.state, EnrollmentState::Held);
        assert!(held.waiting_for.unwrap().contains("away"));
        let sent = world.run_until("2026-12-20T00:00:00Z").await;
        // Held until Tuesday 10 November, 14:00: two more business days.
        assert_eq!(told(&sent), ["2026-11-12T14:00Z nudge", "2026-11-19T14:00Z last"], "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn paused_sequence_sends_nothing_and_goes_on_without_a_burst() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![three_steps()]).await;
        let mut people = Vec::new();
        for _ in 0..4 {
            people.push(world.person(Some("Asia/Tokyo")).await);
        }
        world.enroll("spring", &people).await;
        world.settle().await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert!(pause::pause(&mut tx, &world.clock, Target::Sequence("spring"), "a wrong link").await.unwrap());
        tx.commit().await.unwrap();
        assert!(world.run_until("2026-11-09T12:00:00Z").await.is_empty());
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert!(pause::resume(&mut tx, &world.clock, Target::Sequence("spring"), "kim").await.unwrap());
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-11T00:00:00Z").await;
        assert_eq!(sent.len(), 4, "{} {:?}", world.fresh.name, told(&sent));
        // A week late is more than max_late: the next window, spread over its beginning.
        assert!(sent.iter().all(|s| s.at.starts_with("2026-11-10T00:")), "{:?}", told(&sent));
    }
}

#[tokio::test]
async fn task_fills_a_variable_and_the_run_waits_for_it() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut sequence = three_steps();
        let mut look = email("look", None, "intro.md");
        look.kind = StepKind::Task {
            text: "Watch {{ influencer.handle }}'s latest post".to_owned(),
            assign: "owner".to_owned(),
            due: Some("2 business days".to_owned()),
            at_most: None,
            fills: Some("personal_line".to_owned()),
        };
        sequence.steps.insert(0, look);
        sequence.templates.get_mut("intro.md").unwrap().body = "Hi {{ first_name }}, {{ personal_line }}".to_owned();
        world.publish(vec![sequence]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        assert!(world.run_until("2026-11-04T15:00:00Z").await.is_empty());
        let step = world.steps_of(run).await.remove(0);
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let id = step.task_id.unwrap();
        let made = tx.lock_task(id).await.unwrap().unwrap();
        assert_eq!((made.state, made.assignee.as_deref()), (TaskState::Open, Some("kim")));
        assert!(task::complete(&mut tx, &world.clock, id, (Some("Loved your trail run."), "kim")).await.unwrap());
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-05T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-04T15:00Z intro"], "{}", world.fresh.name);
        let answered = world.fresh.store.read().await.unwrap().get_message_view(sent[0].id).await.unwrap().unwrap();
        assert!(answered.text.contains("Loved your trail run."), "{}", answered.text);
    }
}

#[tokio::test]
async fn wait_ends_with_a_click_or_takes_its_else() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut sequence = three_steps();
        let mut picked = email("picked", None, "intro.md");
        picked.kind = StepKind::WaitFor { what: Awaited::Clicked, at_most: "2 days".to_owned() };
        picked.otherwise = Some(StepKind::Email { templates: vec!["nudge.md".to_owned()], split: vec![100] });
        sequence.steps = vec![email("intro", None, "intro.md"), picked, email("last", Some("1 day"), "last.md")];
        world.publish(vec![sequence]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        let runs = world.enroll("spring", &[ana, bo]).await;
        let first = world.settle().await;
        world.run_until("2026-11-03T15:00:00Z").await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let of_ana = first.iter().find(|s| s.who == ana).unwrap().id;
        outreach::engaged(&mut tx, &world.clock, of_ana, Mark::Clicked, world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-10T00:00:00Z").await;
        let of = |who| told(&sent.iter().filter(|s| s.who == who).cloned().collect::<Vec<_>>());
        assert_eq!(of(ana), ["2026-11-04T15:00Z last"], "{}", world.fresh.name);
        assert_eq!(of(bo), ["2026-11-04T14:00Z picked", "2026-11-05T14:00Z last"], "{}", world.fresh.name);
        let steps = world.steps_of(runs[0].clone().unwrap()).await;
        assert_eq!(steps.iter().find(|s| s.step == "picked").unwrap().state, StepState::Done);
    }
}

#[tokio::test]
async fn condition_is_asked_again_right_before_it_goes_out() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut sequence = three_steps();
        sequence.steps[1].after = Some("12h".to_owned());
        sequence.steps[1].condition = Some("not steps.intro.clicked".to_owned());
        world.publish(vec![sequence]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        let intro = world.settle().await.remove(0);
        // Twelve hours later the condition holds, and it is planned for the morning; then she clicks.
        world.run_until("2026-11-03T03:00:00Z").await;
        assert_eq!(world.run_of(run).await.phase, Phase::Send);
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        outreach::engaged(&mut tx, &world.clock, intro.id, Mark::Clicked, world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-30T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-10T14:00Z last"], "{}", world.fresh.name);
        let steps = world.steps_of(run).await;
        let nudge = steps.iter().find(|s| s.step == "nudge").unwrap();
        assert_eq!(nudge.state, StepState::Skipped);
        assert!(nudge.reason.as_ref().unwrap().contains("condition"), "{nudge:?}");
    }
}

#[tokio::test]
async fn account_limit_spreads_people_over_days_and_follow_ups_come_first() {
    for fresh in stores::both().await {
        let mut house = house();
        house.accounts.get_mut("brand").unwrap().daily_limit = Some(3);
        let world = World::new(fresh, house);
        world.accounts().await;
        world.publish(vec![three_steps()]).await;
        let mut people = Vec::new();
        for _ in 0..12 {
            people.push(world.person(Some("America/New_York")).await);
        }
        world.enroll("spring", &people).await;
        let sent = world.run_until("2026-12-31T00:00:00Z").await;
        assert_eq!(sent.len(), 36, "{}", world.fresh.name);
        let mut times: Vec<i64> = sent.iter().map(|s| instant(&s.at).0).collect();
        times.sort_unstable();
        for four in times.windows(4) {
            assert!(four[3] - four[0] >= 86_400_000_000, "four within 24 hours: {four:?}");
        }
        // Of the first three, every follow-up goes on its day, although nine new people wait.
        for first in &people[..3] {
            let of: Vec<_> = told(&sent.iter().filter(|s| s.who == *first).cloned().collect::<Vec<_>>());
            assert_eq!(of[1], "2026-11-05T14:00Z nudge", "{of:?}");
        }
    }
}

#[tokio::test]
async fn reviewed_step_waits_for_a_person_and_a_dropped_one_is_skipped() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut sequence = three_steps();
        sequence.steps[0].review = true;
        world.publish(vec![sequence]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        let runs = world.enroll("spring", &[ana, bo]).await;
        assert!(world.run_until("2026-11-03T14:00:00Z").await.is_empty());
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let mail = tx.open_mail_of(vec![runs[0].clone().unwrap(), runs[1].clone().unwrap()]).await.unwrap();
        assert!(mail.iter().all(|m| m.status == OutboxStatus::Review));
        let of = |who: usize| mail.iter().find(|m| m.enrollment_id == runs[who].clone().unwrap()).unwrap().id;
        assert!(tx.approve_outbox(of(0), world.clock.now(), "read by kim").await.unwrap());
        settle::cancel(&mut tx, &world.clock, of(1), "not her").await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-04T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-03T14:00Z intro"], "{}", world.fresh.name);
        let skipped = world.steps_of(runs[1].clone().unwrap()).await;
        assert_eq!((skipped[0].state, skipped[0].reason.as_deref()), (StepState::Skipped, Some("not her")));
    }
}

#[tokio::test]
async fn deleted_sequence_stops_and_an_edited_one_reaches_only_new_runs() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![three_steps(), definition("other", vec![email("intro", None, "intro.md")])]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.settle().await;
        let mut edited = three_steps();
        edited.steps.truncate(1);
        world.publish(vec![edited, definition("other", vec![email("intro", None, "intro.md")])]).await;
        world.enroll("spring", &[bo]).await;
        let sent = world.run_until("2026-11-06T00:00:00Z").await;
        assert!(sent.iter().any(|s| s.who == ana && s.step == "nudge"), "{:?}", told(&sent));
        // A folder that is not there ends nothing; somebody who wants it does.
        world.publish(vec![definition("other", vec![email("intro", None, "intro.md")])]).await;
        world.publish(Vec::new()).await;
        assert!(outreach::is_live(&world.run_of(run).await));
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert_eq!(sequence::remove(&mut tx, &world.clock, "spring").await.unwrap(), Some(1));
        tx.commit().await.unwrap();
        assert!(world.run_until("2026-12-06T00:00:00Z").await.is_empty());
        assert_eq!(world.run_of(run).await.exit_reason.as_deref(), Some("the sequence was deleted"));
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let gone = enroll(&mut tx, &world.clock, "spring", &[ana], Again::Allowed).await;
        assert!(matches!(gone, Err(EnrollError::NoSequence(_))), "{gone:?}");
    }
}

#[tokio::test]
async fn finish_waits_and_moves_to_its_stage_where_its_condition_holds() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut sequence = three_steps();
        sequence.on_finish = Some(After {
            after: Some("5 business days".to_owned()),
            condition: Some("not steps.intro.clicked".to_owned()),
            stage: Some("no_response".into()),
            task: Some("Think of something else".to_owned()),
        });
        world.publish(vec![sequence]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.run_until("2026-11-18T00:00:00Z").await;
        assert_eq!(world.run_of(run).await.phase, Phase::Finish);
        world.run_until("2026-11-20T00:00:00Z").await;
        assert_eq!(world.run_of(run).await.state, EnrollmentState::Finished);
        let mut tx = world.fresh.store.read().await.unwrap();
        assert_eq!(tx.get_influencer(ana).await.unwrap().unwrap().stage, "no_response");
    }
}

#[tokio::test]
async fn run_without_an_account_or_a_value_is_held_and_says_so() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut sequence = three_steps();
        sequence.templates.get_mut("intro.md").unwrap().body = "Hi {{ personal_line }}".to_owned();
        world.publish(vec![sequence]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        assert!(world.run_until("2026-11-04T00:00:00Z").await.is_empty());
        let held = world.run_of(run).await;
        assert_eq!(held.state, EnrollmentState::Held, "{held:?}");
        assert!(held.waiting_for.unwrap().contains("personal_line"));
    }
}
