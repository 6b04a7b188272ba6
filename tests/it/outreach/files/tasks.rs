//! Tasks of steps: who gets them, what becomes of one that nobody does, and the task that takes the place of a mail.

use liaison::domain::ids::EnrollmentId;
use liaison::domain::words::{StepState, SuppressionReason};
use liaison::hub::people::{NewSuppression, suppress_address};
use liaison::hub::task;

use super::*;
use crate::outreach::world::{instant, told as sends};
use crate::stores::both;

const LOOK: &str = r#"
account = "brand"
[[step]]
id = "look"
task = "Watch what {{ influencer.handle }} does."
at_most = "2 days"
fills = "line"
[[step]]
id = "intro"
email = "intro.md"
"#;

async fn finish(world: &World, who: InfluencerId, answer: Option<&str>) {
    let id = tasks(world, who).await[0].id;
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    assert!(task::complete(&mut tx, &world.clock, id, (answer, "kim")).await.unwrap());
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_task_whose_answer_is_needed_holds_its_run_when_its_time_is_over_and_lets_it_go_when_it_is_done() {
    for fresh in both().await {
        let intro = ("intro.md", "---\nsubject: A tee\n---\nHello. {{ line }}");
        let world = world(fresh, HOUSE, &[("look", LOOK)], &[intro]).await;
        let (late, soon) = (world.person(Some("America/New_York")).await, world.person(Some("America/New_York")).await);
        let runs = world.enroll("look", &[late, soon]).await;
        let run = runs[0].clone().unwrap();
        world.run_until("2026-11-02T16:00:00Z").await;
        finish(&world, soon, Some("Nice run.")).await;
        let sent = world.run_until("2026-11-10T16:00:00Z").await;
        assert_eq!(sent.iter().map(|s| s.who).collect::<Vec<_>>(), [soon], "{}", world.fresh.name);
        let held = world.run_of(run).await;
        let why = "nobody filled `line` in time: do the task of look or end this run";
        assert_eq!((held.state.to_string().as_str(), held.waiting_for.as_deref()), ("held", Some(why)));
        assert_eq!(told(&world, late).await.len(), 1, "the task stays to be done");
        finish(&world, late, Some("Better late.")).await;
        let sent = world.run_until("2026-11-11T16:00:00Z").await;
        assert_eq!(sends(&sent), ["2026-11-10T16:00Z intro"], "{}", world.fresh.name);
        let mail = world.fresh.store.read().await.unwrap().get_message_view(sent[0].id).await.unwrap().unwrap();
        assert!(mail.text.contains("Better late."), "{}", mail.text);
    }
}

const ASKED: &str = r#"
account = "brand"
[[step]]
id = "call"
task = "Call {{ influencer.handle }} for {{ owner.first_name }}."
assign = "lou"
at_most = "1 day"
else = { task = "Give {{ influencer.handle }} up?" }
[[step]]
id = "intro"
email = "intro.md"
"#;

#[tokio::test]
async fn a_task_is_for_whom_it_names_and_where_they_left_for_the_owner() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("asked", ASKED)], &[INTRO]).await;
        let (ana, bo, di) = (world.person(None).await, world.person(None).await, world.person(None).await);
        set(&world, bo, "owner = 'lou'").await;
        set(&world, di, "owner = 'gone'").await;
        enroll_all(&world, "asked", &[ana, bo, di]).await;
        world.settle().await;
        for (who, owner) in [(ana, "Kim"), (bo, "Lou"), (di, "Kim")] {
            let handle = handle(&world, who).await;
            assert_eq!(told(&world, who).await, [format!("lou: Call {handle} for {owner}.")], "{}", world.fresh.name);
        }
        // Its time runs out: what stands under `else` is for the owner, for it names nobody.
        let mut house = (*world.desk.house()).clone();
        world.run_until("2026-11-03T20:00:00Z").await;
        for (who, owner) in [(ana, "kim"), (bo, "lou"), (di, "kim")] {
            let handle = handle(&world, who).await;
            assert_eq!(told(&world, who).await, [format!("{owner}: Give {handle} up?")], "{}", world.fresh.name);
            assert_eq!(tasks_in(&world, who, TaskState::TimedOut).await.len(), 1);
        }
        // Lou leaves the team: what names Lou is for whoever looks after them.
        house.owners.remove("lou");
        world.desk.set(house);
        let eve = world.person(None).await;
        set(&world, eve, "owner = 'lou'").await;
        world.enroll("asked", &[eve]).await.remove(0).unwrap();
        world.settle().await;
        let handle = handle(&world, eve).await;
        assert_eq!(told(&world, eve).await, [format!("kim: Call {handle} for Kim.")], "{}", world.fresh.name);
    }
}

const OTHER: &str = r#"
account = "brand"
[[step]]
id = "look"
task = "Look."
[[step]]
id = "intro"
after = "1 day"
email = "intro.md"
review = REVIEW
else = { task = "Reach {{ influencer.handle }} some other way.", assign = "lou" }
stage = "engaged"
[[step]]
id = "after"
task = "And then?"
"#;

async fn suppress(world: &World, who: InfluencerId) {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let address = tx.list_addresses_of_influencers(vec![who]).await.unwrap().remove(0).value;
    let reason = SuppressionReason::Bounced;
    let new = NewSuppression { address, reason, evidence: "by hand".to_owned() };
    assert!(suppress_address(&mut tx, &world.clock, new).await.unwrap());
    tx.commit().await.unwrap();
}

async fn step(world: &World, run: EnrollmentId) -> (StepState, String) {
    let steps = world.steps_of(run).await;
    let row = steps.iter().find(|s| s.step == "intro").unwrap();
    (row.state, row.kind.clone())
}

/// In each case the address is lost at another moment: before the mail is planned, while it waits for somebody to read it, and
/// while it waits for its hour.
#[tokio::test]
async fn where_there_is_no_address_to_write_to_the_task_in_its_place_is_done_whenever_that_came_about() {
    for case in ["before", "in review", "planned"] {
        for fresh in both().await {
            let toml = OTHER.replace("REVIEW", if case == "in review" { "true" } else { "false" });
            let world = world(fresh, HOUSE, &[("other", &toml)], &[INTRO]).await;
            let place = format!("{case} on {}", world.fresh.name);
            let who = world.person(Some("America/New_York")).await;
            let run = world.enroll("other", &[who]).await.remove(0).unwrap();
            world.settle().await;
            finish(&world, who, None).await;
            if case == "before" {
                suppress(&world, who).await;
            }
            world.run_until("2026-11-03T13:59:00Z").await;
            world.clock.advance_to(instant("2026-11-03T14:00:00Z"));
            if case == "planned" {
                // The look at runs plans it; nothing is claimed before the address is lost.
                world.cadence.tick().await.unwrap();
                suppress(&world, who).await;
            }
            let sent = world.settle().await;
            if case == "in review" {
                suppress(&world, who).await;
                let id = world.steps_of(run).await.iter().find_map(|s| s.message_id).unwrap();
                let mut tx = world.fresh.store.begin("test").await.unwrap();
                let house = world.desk.house();
                liaison::hub::outreach::steer::approve(&mut tx, &world.clock, &house, id, "kim").await.unwrap();
                tx.commit().await.unwrap();
                assert_eq!(sends(&world.settle().await), Vec::<String>::new(), "{place}");
            }
            assert_eq!(sends(&sent), Vec::<String>::new(), "{place}");
            let handle = handle(&world, who).await;
            assert_eq!(told(&world, who).await, [format!("lou: Reach {handle} some other way.")], "{place}");
            assert_eq!(step(&world, run).await, (StepState::Planned, "task".to_owned()), "{place}");
            // It is the step: done, it raises to the stage of the step, and the run goes on.
            finish(&world, who, None).await;
            world.settle().await;
            assert_eq!(step(&world, run).await, (StepState::Done, "task".to_owned()), "{place}");
            assert_eq!(stage(&world, who).await, "engaged", "{place}");
            assert_eq!(told(&world, who).await, ["kim: And then?"], "{place}");
        }
    }
}

#[tokio::test]
async fn a_mail_that_a_person_takes_back_is_a_skipped_step_and_nothing_takes_its_place() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("other", &OTHER.replace("REVIEW", "true"))], &[INTRO]).await;
        let who = world.person(Some("America/New_York")).await;
        let run = world.enroll("other", &[who]).await.remove(0).unwrap();
        world.settle().await;
        finish(&world, who, None).await;
        world.run_until("2026-11-03T15:00:00Z").await;
        let id = world.steps_of(run).await.iter().find_map(|s| s.message_id).unwrap();
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        liaison::hub::settle::cancel(&mut tx, &world.clock, id, "no, not that").await.unwrap();
        tx.commit().await.unwrap();
        world.settle().await;
        assert_eq!(step(&world, run).await, (StepState::Skipped, "email".to_owned()), "{}", world.fresh.name);
        assert_eq!(told(&world, who).await, ["kim: And then?"], "{}", world.fresh.name);
    }
}

const CALL: &str = r#"
account = "brand"
[[step]]
id = "call"
after = "3 days"
task = "Call."
due = "1 business day"
at_most = "2 business days"
[[step]]
id = "intro"
email = "intro.md"
"#;

#[tokio::test]
async fn a_task_comes_after_its_delay_is_late_after_due_and_given_up_after_at_most() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("call", CALL)], &[INTRO]).await;
        let who = world.person(Some("America/New_York")).await;
        let run = world.enroll("call", &[who]).await.remove(0).unwrap();
        world.run_until("2026-11-05T13:59:00Z").await;
        assert_eq!(tasks(&world, who).await.len(), 0, "{}", world.fresh.name);
        // Thursday; one business day later is Friday, two are Monday.
        world.run_until("2026-11-05T14:01:00Z").await;
        let task = tasks(&world, who).await.remove(0);
        assert_eq!((task.due_at, task.late), (Some(instant("2026-11-06T14:00:00Z")), false), "{}", world.fresh.name);
        world.run_until("2026-11-06T14:01:00Z").await;
        assert!(tasks(&world, who).await[0].late, "{}", world.fresh.name);
        let sent = world.run_until("2026-11-10T00:00:00Z").await;
        assert_eq!(sends(&sent), ["2026-11-09T14:00Z intro"], "{}", world.fresh.name);
        assert_eq!(tasks_in(&world, who, TaskState::TimedOut).await.len(), 1);
        let steps = world.steps_of(run).await;
        let call = steps.iter().find(|s| s.step == "call").unwrap();
        assert_eq!((call.state, call.reason.as_deref()), (StepState::TimedOut, Some("its time ran out")));
    }
}

#[tokio::test]
async fn whoever_unsubscribes_while_their_mail_waits_ends_the_run_and_nothing_is_done_in_its_place() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("other", &OTHER.replace("REVIEW", "true"))], &[INTRO]).await;
        let who = world.person(Some("America/New_York")).await;
        let run = world.enroll("other", &[who]).await.remove(0).unwrap();
        world.settle().await;
        finish(&world, who, None).await;
        world.run_until("2026-11-03T15:00:00Z").await;
        let id = world.steps_of(run).await.iter().find_map(|s| s.message_id).unwrap();
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let how = liaison::hub::unsubscribe::How::OneClick;
        let done = liaison::hub::unsubscribe::unsubscribe(&mut tx, &world.clock, id, how).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert_eq!(done.cancelled, [id], "{}", world.fresh.name);
        world.run_until("2026-11-20T15:00:00Z").await;
        let steps = world.steps_of(run).await;
        let row = steps.iter().find(|s| s.step == "intro").unwrap();
        let said = (row.state, row.reason.as_deref(), row.message_id);
        assert_eq!(said, (StepState::Skipped, Some("they unsubscribed"), Some(id)), "{}", world.fresh.name);
        assert_eq!(told(&world, who).await, Vec::<String>::new(), "{}", world.fresh.name);
        assert_eq!(world.run_of(run).await.exit_reason.as_deref(), Some("opted out"));
    }
}
