//! A stop against a claim, and against the mark before the content, many times over.

use super::world::{World, definition, email, house};
use crate::kills::parameter;
use crate::ledger::print_table;
use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{EnrollmentId, InfluencerId, RunId};
use liaison::domain::words::{OutboxStatus, RecipientState};
use liaison::hub::hold;
use liaison::hub::outreach::steer::{self, Act};
use liaison::hub::outreach::{self, ExitReason};
use liaison::outbound::SendingSettings;
use liaison::outbound::rehearsal::accept_due;
use liaison::store::outbox::Grip;
use liaison::store::{Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many races: 10,000 in the long form.
fn races() -> usize {
    std::env::var("LIAISON_TEST_RACES").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stop_that_is_committed_before_the_hand_over_wins() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![definition("spring", vec![email("intro", None, "intro.md")])]).await;
        let (mut sent_after, mut sent, mut stopped, mut left) = (0, 0, 0, races());
        let mut step = 800;
        while left > 0 {
            // However fast the machine is: later where no mail was quicker so far, sooner where all were.
            match sent {
                0 if stopped > 0 => step *= 2,
                all if stopped > 0 && all == stopped => step /= 2,
                _ => {}
            }
            let mut people = Vec::new();
            for _ in 0..left.min(50) {
                people.push(world.person(Some("America/New_York")).await);
            }
            left -= people.len();
            world.enroll("spring", &people).await;
            world.cadence.tick().await.unwrap();
            let stops = people.iter().map(|who| {
                let (store, clock, who) = (world.fresh.store.clone(), world.clock.clone(), *who);
                // Spread over the time that sending takes, so that either may be first.
                let wait = std::time::Duration::from_micros(u64::from(who.0.as_bytes()[15]) * step);
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    loop {
                        let mut tx = store.begin("test.stop").await.unwrap();
                        match outreach::stop_runs(&mut tx, &clock, &[who], (&ExitReason::Replied, None)).await {
                            Ok(_) => {}
                            Err(liaison::store::StoreError::Conflict(_)) => continue,
                            Err(error) => panic!("{error}"),
                        }
                        if tx.commit().await.is_ok() {
                            return;
                        }
                    }
                })
            });
            let stops: Vec<_> = stops.collect();
            let settings = SendingSettings::new("brand");
            loop {
                match accept_due(&world.tools, &settings).await {
                    Ok(done) if done.is_empty() => break,
                    Ok(done) => sent += done.len(),
                    Err(liaison::store::StoreError::Conflict(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            for stop in stops {
                stop.await.unwrap();
            }
            // Every stop is committed now: nothing may go any more.
            sent_after += accept_due(&world.tools, &settings).await.unwrap().len();
            world.cadence.tick().await.unwrap();
            sent_after += accept_due(&world.tools, &settings).await.unwrap().len();
            stopped += people.len();
        }
        println!(
            "{}: {stopped} stops, {sent} mails were quicker, sent after a committed stop: {sent_after}",
            world.fresh.name
        );
        assert_eq!(sent_after, 0);
        assert!(sent > 0 && sent < stopped, "no race: {sent} of {stopped}");
    }
}

/// Runs are locked before their mail, always: mail that must be stopped, and whose run another holds, is left to the other.
#[tokio::test]
async fn claim_waits_for_no_run_that_another_holds() {
    let Some(fresh) = stores::postgres().await else {
        println!("skipped: LIAISON_TEST_POSTGRES is not set");
        return;
    };
    let world = World::new(fresh, house());
    world.accounts().await;
    world.publish(vec![definition("spring", vec![email("intro", None, "intro.md")])]).await;
    let ana = world.person(Some("America/New_York")).await;
    let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
    world.cadence.tick().await.unwrap();
    let mail = world.steps_of(run).await[0].message_id.expect("planned");
    let suppress = format!(
        "INSERT INTO suppression (id, channel, value_key, scope, reason, evidence, at) \
         VALUES ($1, 'email', 'p{}@example.org', 'all', 'opted_out', 'a test', 1)",
        ana.0.simple()
    );
    seed::run(&world.fresh, &suppress, &[world.clock.new_id()]).await;
    let settings = SendingSettings::new("brand");
    let mut other = world.fresh.store.begin("test.other").await.unwrap();
    assert!(other.lock_enrollment(run).await.unwrap().is_some());
    // The other goes on to the mail, as all do who have a run.
    let claim = tokio::time::timeout(Duration::from_mins(1), accept_due(&world.tools, &settings));
    assert!(claim.await.expect("it waits for the run").unwrap().is_empty());
    assert!(other.reschedule_outbox(mail, world.clock.now(), None).await.unwrap());
    assert_eq!(other.list_recipients(vec![mail]).await.unwrap()[0].state, RecipientState::Pending, "left to the other");
    other.commit().await.unwrap();
    assert!(accept_due(&world.tools, &settings).await.unwrap().is_empty());
    let row = world.fresh.store.read().await.unwrap().get_outbox(mail).await.unwrap().unwrap();
    assert_eq!(row.status, OutboxStatus::Cancelled);
}

/// Stops somebody in one of three ways, and says so once that is committed.
async fn stop(store: Store, clock: Clock, (who, run): (InfluencerId, EnrollmentId), n: usize, done: Arc<AtomicBool>) {
    loop {
        let mut tx = store.begin("test.stop").await.unwrap();
        let stopped = match n % 3 {
            0 => outreach::stop_runs(&mut tx, &clock, &[who], (&ExitReason::Replied, None)).await.map(drop),
            1 => {
                let until = clock.now().plus(Duration::from_hours(48));
                match hold::hold_by_hand(&mut tx, &clock, who, (until, None), "kim").await {
                    Ok(()) => Ok(()),
                    Err(liaison::hub::people::PeopleError::Store(error)) => Err(error),
                    Err(error) => panic!("{error}"),
                }
            }
            _ => match steer::act(&mut tx, &clock, run, Act::Pause, "kim").await {
                Ok(()) => Ok(()),
                Err(steer::SteerError::Store(error)) => Err(error),
                Err(error) => panic!("{error}"),
            },
        };
        match stopped {
            Ok(()) if tx.commit().await.is_ok() => return done.store(true, Ordering::SeqCst),
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether the content may go out, and that is committed.
async fn mark(store: &Store, clock: &Clock, grip: Grip) -> bool {
    loop {
        let mut tx = store.begin("test.mark").await.unwrap();
        match tx.mark_handed_over(grip, clock.now()).await {
            Ok(may) if tx.commit().await.is_ok() => return may.is_some(),
            Ok(_) | Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Every mail is claimed before it is stopped: what is committed when the mark begins must be seen by it.
async fn race_marks(races: usize) {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![definition("spring", vec![email("intro", None, "intro.md")])]).await;
        let (store, clock) = (world.fresh.store.clone(), world.clock.clone());
        let (mut before, mut quicker, mut refused, mut wrong, mut left) = (0, 0, 0, 0, races);
        while left > 0 {
            let mut people = Vec::new();
            for _ in 0..left.min(50) {
                people.push(world.person(Some("America/New_York")).await);
            }
            let runs = world.enroll("spring", &people).await;
            world.cadence.tick().await.unwrap();
            let holder = RunId(clock.new_id());
            let mut tx = store.begin("test.claim").await.unwrap();
            let due = tx.lock_due_outbox("brand", clock.now(), 100).await.unwrap();
            let mut claimed = tx.claim_outbox(due, holder, 600).await.unwrap();
            tx.commit().await.unwrap();
            for (n, (who, run)) in people.into_iter().zip(runs).enumerate() {
                let run = run.unwrap();
                let mail = world.steps_of(run).await[0].message_id.unwrap();
                let at = claimed.iter().position(|c| c.id == mail).unwrap();
                let grip = Grip { id: mail, holder, attempt: claimed.swap_remove(at).attempt };
                let done = Arc::new(AtomicBool::new(false));
                // Spread over the time that both take, so that either may be first.
                let dice = u64::from(who.0.as_bytes()[15]);
                let wait = Duration::from_micros(dice / 2 * 50);
                let (first, second) =
                    if dice.is_multiple_of(2) { (wait, Duration::ZERO) } else { (Duration::ZERO, wait) };
                let stop = stop(store.clone(), clock.clone(), (who, run), n, Arc::clone(&done));
                let stopping = tokio::spawn(async move {
                    tokio::time::sleep(first).await;
                    stop.await;
                });
                tokio::time::sleep(second).await;
                let was_stopped = done.load(Ordering::SeqCst);
                let may = mark(&store, &clock, grip).await;
                stopping.await.unwrap();
                before += usize::from(was_stopped);
                quicker += usize::from(may);
                refused += usize::from(!may);
                wrong += usize::from(was_stopped && may);
                left -= 1;
            }
        }
        print_table(
            &format!("stops against the mark on {}", world.fresh.name),
            &[
                ("races", races.to_string()),
                ("stops committed before the mark began", before.to_string()),
                ("marks that were quicker", quicker.to_string()),
                ("marks that were refused", refused.to_string()),
                ("marks made after a committed stop", wrong.to_string()),
            ],
        );
        assert_eq!(wrong, 0);
        assert!(before > 0 && quicker > 0, "no race: {before} before, {quicker} quicker");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stop_that_is_committed_before_the_mark_wins() {
    race_marks(120).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "runs for minutes: tests/prove races"]
async fn many_stops_against_the_mark() {
    race_marks(parameter("RACES", 3_000)).await;
}
