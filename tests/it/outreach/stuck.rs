//! Nothing is stranded: what holds a mail or a run is asked again when it is mended, and shows until then.

use super::world::{World, definition, email, house, instant, told};
use crate::outbox_bench::{Does, Provider, settings};
use crate::{seed, stores};
use liaison::domain::ids::{EnrollmentId, InfluencerId, MessageId, RunId};
use liaison::domain::sequence::{Definition, StepKind};
use liaison::domain::words::{AccountState, EnrollmentState, OutboxStatus, Phase, RecipientState, StepState};
use liaison::hub::outreach::outgoing::hold_homeless;
use liaison::hub::outreach::pause::{self, Target};
use liaison::hub::outreach::steer::{self, Act};
use liaison::hub::outreach::{self, ExitReason};
use liaison::hub::people::update_influencer;
use liaison::hub::settle::{self, SettleError, Settlement};
use liaison::hub::{hold, loose_ends, why};
use liaison::outbound::dispatcher::Dispatcher;
use liaison::store::mailbox::Side;
use liaison::store::outbox::Grip;
use liaison::store::reading::Page;
use liaison::worker::{Stop, Wake};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The nudge falls due at night and is planned for the morning.
fn nightly() -> Definition {
    definition(
        "spring",
        vec![
            email("intro", None, "intro.md"),
            email("nudge", Some("12h"), "nudge.md"),
            email("last", Some("1 day"), "last.md"),
        ],
    )
}

const NIGHT: &str = "2026-11-03T03:00:00Z";
const MORNING: &str = "2026-11-03T14:00:00Z";

type Waiting = (InfluencerId, EnrollmentId, MessageId);

/// So many people whose nudge waits for the morning.
async fn waiting(world: &World, definition: Definition, count: usize) -> Vec<Waiting> {
    world.accounts().await;
    world.publish(vec![definition]).await;
    let mut people = Vec::new();
    for _ in 0..count {
        let who = world.person(Some("America/New_York")).await;
        seed::run(&world.fresh, r#"UPDATE influencer SET properties = '{"size": "m"}' WHERE id = $1"#, &[who.0]).await;
        people.push(who);
    }
    let runs: Vec<EnrollmentId> = world.enroll("spring", &people).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(world.run_until(NIGHT).await.len(), count, "the intro");
    let mut all = Vec::new();
    for (who, run) in people.into_iter().zip(runs) {
        let nudge = world.steps_of(run).await.into_iter().find(|s| s.step == "nudge").expect("planned");
        assert_eq!(world.run_of(run).await.phase, Phase::Send);
        all.push((who, run, nudge.message_id.expect("a mail")));
    }
    all
}

/// What the loose ends say of a run.
async fn loose(world: &World, run: EnrollmentId) -> Option<String> {
    let mut tx = world.fresh.store.read().await.unwrap();
    let slice = loose_ends::list(&mut tx, &world.clock, Page::oldest(100)).await.unwrap();
    let found = slice.data.into_iter().find(|l| l.enrollment_id == Some(run))?;
    assert_eq!((found.reason.as_str(), found.sequence.as_deref()), ("stuck_run", Some("spring")));
    found.waiting_for
}

async fn outbox(world: &World, id: MessageId) -> liaison::store::outbox::OutboxRow {
    world.fresh.store.read().await.unwrap().get_outbox(id).await.unwrap().unwrap()
}

/// Stops somebody or something in one of many ways, and lets it go on.
async fn halt(world: &World, way: &str, (who, run, _): Waiting, begin: bool) {
    let (clock, now) = (&world.clock, world.clock.now());
    let target = match way {
        "all" => Some(Target::All),
        "account" => Some(Target::Account("brand")),
        "sequence" => Some(Target::Sequence("spring")),
        _ => None,
    };
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    match (way, target, begin) {
        (_, Some(target), true) => assert!(pause::pause(&mut tx, clock, target, "a look").await.unwrap()),
        (_, Some(target), false) => assert!(pause::resume(&mut tx, clock, target, "kim").await.unwrap()),
        ("sending", None, _) => {
            let state = if begin { AccountState::Paused } else { AccountState::Up };
            tx.set_account_state("brand", Side::Sending, (state, None), now).await.unwrap();
        }
        ("hold", None, true) => {
            hold::hold_by_hand(&mut tx, clock, who, (now.plus(Duration::from_hours(9)), None), "kim").await.unwrap();
        }
        ("run", None, true) => steer::act(&mut tx, clock, run, Act::Pause, "kim").await.unwrap(),
        ("over", None, true) => {
            outreach::stop_runs(&mut tx, clock, &[who], (&ExitReason::Replied, None)).await.unwrap();
        }
        _ => {}
    }
    tx.commit().await.unwrap();
    if way == "address" && begin {
        seed::run(&world.fresh, "DELETE FROM address WHERE influencer_id = $1", &[who.0]).await;
    }
}

#[tokio::test]
async fn mark_before_the_content_asks_everything_again() {
    let ways = ["nothing", "all", "account", "sequence", "sending", "hold", "run", "over", "address"];
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let people = waiting(&world, nightly(), ways.len()).await;
        let holder = RunId(world.clock.new_id());
        for (way, one) in ways.into_iter().zip(people) {
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            let claimed = tx.claim_outbox(vec![one.2], holder, 60).await.unwrap();
            tx.commit().await.unwrap();
            let grip = Grip { id: one.2, holder, attempt: claimed[0].attempt };
            halt(&world, way, one, true).await;
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            let may = tx.mark_handed_over(grip, world.clock.now()).await.unwrap();
            drop(tx);
            halt(&world, way, one, false).await;
            assert_eq!(
                may.is_some(),
                way == "nothing",
                "{}: {way} between the claim and the hand-over",
                world.fresh.name
            );
        }
    }
}

#[tokio::test]
async fn mail_held_by_the_last_look_goes_out_when_what_held_it_is_mended() {
    let mut sequence = nightly();
    sequence.steps[1].condition = Some("influencer.properties.size == 'm'".to_owned());
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let (who, run, mail) = waiting(&world, sequence.clone(), 1).await[0];
        seed::run(&world.fresh, "UPDATE influencer SET properties = '{}' WHERE id = $1", &[who.0]).await;
        assert!(world.run_until("2026-11-03T15:00:00Z").await.is_empty(), "{}", world.fresh.name);
        let held = world.run_of(run).await;
        let said = held.waiting_for.unwrap();
        assert_eq!(held.state, EnrollmentState::Held);
        assert!(said.contains("can't be answered"), "{said}");
        assert_eq!(outbox(&world, mail).await.held_reason.as_ref(), Some(&said));
        assert_eq!(loose(&world, run).await.as_ref(), Some(&said));
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let told_why =
            why::of_enrollment(&mut tx, (&world.desk.house(), world.clock.now()), run).await.unwrap().unwrap();
        assert_eq!(told_why.waits_for.as_ref(), Some(&said));
        let change = serde_json::from_value(json!({"properties": {"size": "m"}})).unwrap();
        update_influencer(&mut tx, &world.clock, who, "kim", change).await.unwrap();
        tx.commit().await.unwrap();
        // An hour late, so spread over half an hour.
        let sent = world.run_until("2026-11-03T15:30:00Z").await;
        assert_eq!((sent.len(), sent[0].step.as_str()), (1, "nudge"), "{:?}", told(&sent));
        assert_eq!(loose(&world, run).await, None);
    }
}

#[tokio::test]
async fn run_that_lacks_a_value_goes_on_when_somebody_fills_it_in() {
    let mut sequence = nightly();
    sequence.templates.get_mut("intro.md").unwrap().body = "Size {{ influencer.properties.size }}?".to_owned();
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        assert!(world.run_until("2026-11-02T15:00:00Z").await.is_empty());
        assert_eq!(world.run_of(run).await.state, EnrollmentState::Held, "{}", world.fresh.name);
        assert!(loose(&world, run).await.unwrap().contains("size"));
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let change = serde_json::from_value(json!({"properties": {"size": "s"}})).unwrap();
        update_influencer(&mut tx, &world.clock, ana, "kim", change).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(told(&world.run_until("2026-11-02T16:00:00Z").await), ["2026-11-02T15:00Z intro"]);
    }
}

#[tokio::test]
async fn version_that_cant_be_read_holds_its_own_runs_and_nobody_else() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let people = waiting(&world, nightly(), 4).await;
        let broken = format!("broken-{}", world.clock.new_id().simple());
        let insert = format!(
            "INSERT INTO sequence_version (hash, sequence, body, published_at) VALUES ('{broken}', 'spring', '{{', 1)"
        );
        seed::run(&world.fresh, &insert, &[]).await;
        let pin = format!("UPDATE enrollment SET version = '{broken}' WHERE id = $1");
        for (_, run, _) in &people[..3] {
            seed::run(&world.fresh, &pin, &[run.0]).await;
        }
        // Of the second a mail is accepted, the third answers: what was learned is kept.
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let morning = instant(MORNING);
        assert!(tx.cancel_outbox(people[1].2, "sent elsewhere", morning).await.unwrap().is_some());
        outreach::step_sent(&mut tx, &world.clock, people[1].2, world.clock.now()).await.unwrap();
        outreach::stage_reached(&mut tx, &world.clock, people[0].0, "in_talks").await.unwrap();
        outreach::stop_runs(&mut tx, &world.clock, &[people[2].0], (&ExitReason::Replied, None)).await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-03T15:00:00Z").await;
        assert_eq!(sent.iter().map(|s| s.who).collect::<Vec<_>>(), [people[3].0], "{}", world.fresh.name);
        for (_, run, _) in &people[..2] {
            assert_eq!(world.run_of(*run).await.state, EnrollmentState::Held);
            assert!(loose(&world, *run).await.unwrap().contains("can't be read"));
        }
        assert_eq!(world.run_of(people[2].1).await.exit_reason.as_deref(), Some("replied"));
        // Those that are moved leave it where it is.
        let mut other = nightly();
        other.name = "Another".to_owned();
        world.publish(vec![other]).await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let moved = liaison::sequence::migrate(&mut tx, &world.clock, "spring", None).await.unwrap().unwrap();
        let stays = moved
            .runs
            .iter()
            .filter(|m| matches!(&m.to, liaison::sequence::To::Stays { reason } if reason.contains("can't be read")));
        assert_eq!(stays.count(), 2, "{:?}", moved.runs);
        drop(tx);
        world.publish(vec![nightly()]).await;
        let mend = format!(
            "UPDATE sequence_version SET body = (SELECT g.body FROM sequence_version g JOIN sequence q ON q.active_hash = g.hash \
             WHERE q.id = 'spring') WHERE hash = '{broken}'"
        );
        seed::run(&world.fresh, &mend, &[]).await;
        world.publish(vec![nightly()]).await;
        let sent = world.run_until("2026-11-10T00:00:00Z").await;
        let of = |who| sent.iter().filter(|s| s.who == who).map(|s| s.step.as_str()).collect::<Vec<_>>();
        assert_eq!((of(people[0].0), of(people[1].0)), (vec!["nudge", "last"], vec!["last"]));
    }
}

#[tokio::test]
async fn mail_of_an_account_that_is_gone_waits_for_it_and_says_so() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let (_, run, mail) = waiting(&world, nightly(), 1).await[0];
        let mut without = house();
        without.accounts.remove("brand");
        world.desk.set(without);
        for _ in 0..2 {
            // Reloads, as the daemon does them.
            world.publish(vec![nightly()]).await;
            let mut tx = world.fresh.store.begin("test").await.unwrap();
            hold_homeless(&mut tx, &world.clock, &world.desk.house()).await.unwrap();
            tx.commit().await.unwrap();
            world.settle().await;
            assert!(loose(&world, run).await.unwrap().contains("brand is not configured"), "{}", world.fresh.name);
            assert!(outbox(&world, mail).await.held_reason.is_some());
        }
        world.desk.set(house());
        world.publish(vec![nightly()]).await;
        assert_eq!(told(&world.run_until("2026-11-03T15:00:00Z").await), ["2026-11-03T14:00Z nudge"]);
    }
}

/// Runs the dispatcher against a provider until something is so.
async fn dispatch(world: &World, provider: &Arc<Provider>, what: &str, mut done: impl AsyncFnMut() -> bool) {
    let stop = Stop::default();
    let dispatcher = Dispatcher::new(world.tools.clone(), settings(), provider.senders(), Wake::default());
    let running = tokio::spawn(dispatcher.run(stop.clone()));
    let end = tokio::time::Instant::now() + Duration::from_mins(2);
    while !done().await {
        assert!(tokio::time::Instant::now() < end, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.soft.cancel();
    running.await.unwrap().unwrap();
}

async fn settled(world: &World, id: MessageId, how: Settlement) -> Result<OutboxStatus, SettleError> {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let done = settle::settle_by_person(&mut tx, &world.clock, id, how).await;
    if done.is_ok() {
        tx.commit().await.unwrap();
    }
    done
}

#[tokio::test]
async fn mail_that_was_given_up_holds_its_run_until_a_person_settles_it() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let people = waiting(&world, nightly(), 2).await;
        world.clock.advance_to(instant(MORNING));
        let old = world.clock.now().minus(Duration::from_hours(80)).0;
        for (_, _, mail) in &people {
            seed::run(&world.fresh, &format!("UPDATE outbox SET first_try_at = {old} WHERE id = $1"), &[mail.0]).await;
        }
        let provider = Provider::new(false, |_| Does::NoConnection);
        dispatch(&world, &provider, "both are given up", async || {
            let mut all = true;
            for (_, _, mail) in &people {
                all &= outbox(&world, *mail).await.status == OutboxStatus::Rejected;
            }
            all
        })
        .await;
        for (_, run, _) in &people {
            let held = world.run_of(*run).await;
            assert_eq!((held.state, held.next_at), (EnrollmentState::Held, None), "{}", world.fresh.name);
            assert!(loose(&world, *run).await.unwrap().contains("given up"), "{:?}", held.waiting_for);
        }
        let since = liaison::domain::time::Micros(0);
        let harm = world.fresh.store.read().await.unwrap().measure_harm("spring", since).await.unwrap();
        assert_eq!(harm.bounced, 0, "{}: nobody refused them", world.fresh.name);
        // Whatever makes it look again, the reason stays.
        world.publish(vec![nightly()]).await;
        world.settle().await;
        assert!(world.run_of(people[0].1).await.waiting_for.unwrap().contains("given up"));
        let refused = settled(&world, people[0].2, Settlement::Sent).await.unwrap_err();
        assert!(matches!(refused, SettleError::State(OutboxStatus::Rejected)), "{refused:?}");
        assert_eq!(settled(&world, people[0].2, Settlement::SendAgain).await.unwrap(), OutboxStatus::Queued);
        settled(&world, people[1].2, Settlement::Drop).await.unwrap();
        assert!(settled(&world, people[1].2, Settlement::Drop).await.is_err(), "once");
        let sent = world.run_until("2026-11-03T15:00:00Z").await;
        assert_eq!(sent.iter().map(|s| s.id).collect::<Vec<_>>(), [people[0].2]);
        let dropped = world.steps_of(people[1].1).await.into_iter().find(|s| s.step == "nudge").unwrap();
        assert_eq!(dropped.state, StepState::Skipped);
        assert_eq!(world.run_of(people[1].1).await.step.as_deref(), Some("last"));
    }
}

#[tokio::test]
async fn days_of_trying_do_not_count_a_pause() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let (_, _, mail) = waiting(&world, nightly(), 1).await[0];
        let first = world.clock.now().minus(Duration::from_hours(1));
        let tried = format!("UPDATE outbox SET first_try_at = {}, status = 'deferred' WHERE id = $1", first.0);
        seed::run(&world.fresh, &tried, &[mail.0]).await;
        let one = (InfluencerId(uuid::Uuid::nil()), EnrollmentId(uuid::Uuid::nil()), mail);
        halt(&world, "sequence", one, true).await;
        world.run_until("2026-11-08T03:00:00Z").await;
        halt(&world, "sequence", one, false).await;
        world.cadence.tick().await.unwrap();
        let row = outbox(&world, mail).await;
        assert_eq!(row.first_try_at, Some(instant("2026-11-08T02:00:00Z")), "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn days_of_trying_do_not_count_closed_hours() {
    let mut sequence = definition("spring", vec![email("intro", None, "intro.md")]);
    sequence.schedule.holidays = vec!["2026-11-09".to_owned()];
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![sequence.clone()]).await;
        let ana = world.person(Some("America/New_York")).await;
        // A minute before five on a Friday before a long weekend: 88 hours later it is Tuesday, nine in the morning.
        world.clock.advance_to(instant("2026-11-06T21:59:00Z"));
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.cadence.tick().await.unwrap();
        let mail = world.steps_of(run).await[0].message_id.expect("planned");
        let provider = Provider::new(false, |_| Does::RecipientLater);
        let tried = async |times: i64| {
            dispatch(&world, &provider, "it is tried", async || {
                let row = outbox(&world, mail).await;
                row.failures == times || row.status == OutboxStatus::Rejected
            })
            .await;
            let row = outbox(&world, mail).await;
            assert_eq!((row.status, row.failures), (OutboxStatus::Deferred, times), "{}: {row:?}", world.fresh.name);
        };
        tried(1).await;
        assert!(world.run_until("2026-11-10T13:00:00Z").await.is_empty(), "it waits for the window");
        world.clock.advance_to(instant("2026-11-10T14:01:00Z"));
        tried(2).await;
        assert_eq!(world.run_until("2026-11-10T16:00:00Z").await.len(), 1, "greylisted twice, and through");
    }
}

#[tokio::test]
async fn servers_policy_pauses_the_account_and_burns_no_step() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let (who, run, mail) = waiting(&world, nightly(), 1).await[0];
        world.clock.advance_to(instant(MORNING));
        let provider = Provider::new(false, |_| Does::PolicyNever);
        dispatch(&world, &provider, "the account is paused", async || {
            let mut tx = world.fresh.store.read().await.unwrap();
            tx.get_account("brand").await.unwrap().unwrap().sending_state == AccountState::Paused
        })
        .await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert_eq!(tx.get_outbox(mail).await.unwrap().unwrap().status, OutboxStatus::Queued, "{}", world.fresh.name);
        assert_eq!(tx.list_recipients(vec![mail]).await.unwrap()[0].state, RecipientState::Pending);
        assert!(tx.list_places(vec![who]).await.unwrap()[0].dead_at.is_none());
        assert_eq!(tx.get_enrollment(run).await.unwrap().unwrap().state, EnrollmentState::Active);
        assert!(pause::resume_account(&mut tx, &world.clock, "brand", "kim").await.unwrap());
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-03T14:30:00Z").await;
        assert_eq!(sent.iter().map(|s| s.id).collect::<Vec<_>>(), [mail]);
    }
}

#[tokio::test]
async fn policy_at_one_recipient_holds_that_run_until_a_person_settles_its_mail() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let (_, run, mail) = waiting(&world, nightly(), 1).await[0];
        world.clock.advance_to(instant(MORNING));
        let provider = Provider::new(false, |_| Does::RecipientPolicy);
        dispatch(&world, &provider, "the account is paused", async || {
            let mut tx = world.fresh.store.read().await.unwrap();
            tx.get_account("brand").await.unwrap().unwrap().sending_state == AccountState::Paused
        })
        .await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert!(pause::resume_account(&mut tx, &world.clock, "brand", "kim").await.unwrap());
        tx.commit().await.unwrap();
        // Whatever makes it look again, it stays.
        for _ in 0..2 {
            assert!(loose(&world, run).await.unwrap().contains("5.7.133"), "{}", world.fresh.name);
            assert!(outbox(&world, mail).await.held_reason.unwrap().contains("5.7.133"));
            world.publish(vec![nightly()]).await;
            assert!(world.run_until("2026-11-03T16:00:00Z").await.is_empty());
        }
        assert_eq!(settled(&world, mail, Settlement::SendAgain).await.unwrap(), OutboxStatus::Deferred);
        let row = outbox(&world, mail).await;
        assert_eq!((row.failures, row.first_try_at), (0, None), "its days of trying begin anew");
        let sent = world.run_until("2026-11-03T20:00:00Z").await;
        assert_eq!(sent.iter().map(|s| s.id).collect::<Vec<_>>(), [mail]);
        assert_eq!(loose(&world, run).await, None);
    }
}

#[tokio::test]
async fn mail_goes_to_the_address_they_have_now() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let people = waiting(&world, nightly(), 2).await;
        let (ana, run, mail) = people[0];
        let moved = "UPDATE address SET influencer_id = $1, is_primary = (1 = 0) WHERE influencer_id = $2";
        seed::run(&world.fresh, moved, &[people[1].0.0, ana.0]).await;
        let new = "INSERT INTO address (id, channel, value, value_key, influencer_id, is_primary, created_at) \
            VALUES ($1, 'email', 'new@example.net', 'new@example.net', $2, (1 = 1), 1)";
        seed::run(&world.fresh, new, &[world.clock.new_id(), ana.0]).await;
        let sent = world.run_until("2026-11-03T16:00:00Z").await;
        let hers: Vec<MessageId> = sent.iter().filter(|s| s.who == ana && s.step == "nudge").map(|s| s.id).collect();
        assert_eq!((hers.len(), hers.contains(&mail)), (1, false), "{}: {:?}", world.fresh.name, told(&sent));
        let mut tx = world.fresh.store.read().await.unwrap();
        assert_eq!(tx.list_recipients(hers).await.unwrap()[0].address, "new@example.net");
        assert_eq!(tx.get_outbox(mail).await.unwrap().unwrap().status, OutboxStatus::Cancelled);
        assert_eq!(world.run_of(run).await.step.as_deref(), Some("last"));
    }
}

#[tokio::test]
async fn else_of_a_task_is_done_once_and_waits_for_nothing_twice() {
    let mut look = email("look", Some("1 day"), "intro.md");
    look.kind = StepKind::Task {
        text: "Look".to_owned(),
        assign: "owner".to_owned(),
        due: None,
        at_most: Some("1 day".to_owned()),
        fills: None,
    };
    look.otherwise = Some(StepKind::Email { templates: vec!["intro.md".to_owned()], split: vec![100] });
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![definition("spring", vec![look.clone()])]).await;
        let ana = world.person(Some("Asia/Tokyo")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        // The task on Tuesday at eleven at night, given up a day later: pencilled in for Thursday morning.
        let sent = world.run_until("2026-11-04T15:00:00Z").await;
        assert!(sent.is_empty(), "{:?}", told(&sent));
        assert_eq!(world.run_of(run).await.phase, Phase::Delay, "its place is pencilled in");
        let sent = world.run_until("2026-11-12T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-05T00:00Z look"], "{}", world.fresh.name);
        assert_eq!(world.run_of(run).await.state, EnrollmentState::Finished);
        let far = (liaison::domain::time::Micros(i64::MAX), uuid::Uuid::max());
        let mut tx = world.fresh.store.read().await.unwrap();
        let events = tx.list_timeline_events(ana, far, 100).await.unwrap();
        let tasks = events.iter().filter(|e| e.kind == liaison::domain::words::EventType::TaskCreated).count();
        assert_eq!(tasks, 1, "one task");
    }
}
