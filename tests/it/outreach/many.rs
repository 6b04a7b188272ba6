//! Many runs in one look: what is written for all of them together is what would be written for each, and one that can't be
//! looked at, or that ends another of the same person, harms nobody.

use super::world::{World, definition, email, house, told};
use crate::stores;
use liaison::domain::ids::{EnrollmentId, InfluencerId};
use liaison::domain::sequence::{After, Definition};
use liaison::domain::time::Micros;
use liaison::domain::words::{Awaiting, EnrollmentState, OutboxStatus, Phase, StepState};

fn two_steps() -> Definition {
    definition("spring", vec![email("intro", None, "intro.md"), email("nudge", Some("3 business days"), "nudge.md")])
}

async fn people(world: &World, count: usize) -> (Vec<InfluencerId>, Vec<EnrollmentId>) {
    let mut people = Vec::new();
    for _ in 0..count {
        people.push(world.person(Some("America/New_York")).await);
    }
    let runs = world.enroll("spring", &people).await.into_iter().map(Result::unwrap).collect();
    (people, runs)
}

/// How many rows of the outbox a run has.
async fn mails(world: &World, run: EnrollmentId) -> usize {
    world.fresh.store.read().await.unwrap().open_mail_of(vec![run]).await.unwrap().len()
}

#[tokio::test]
async fn mail_of_a_batch_is_whole() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![two_steps()]).await;
        let (people, runs) = people(&world, 23).await;
        let (looked, accounts) = world.cadence.tick().await.unwrap();
        assert_eq!((looked.runs, looked.planned, accounts), (23, 23, vec!["brand".to_owned()]), "{}", world.fresh.name);
        for (who, run) in people.iter().zip(&runs) {
            let row = world.run_of(*run).await;
            assert_eq!((row.state, row.phase, row.next_at), (EnrollmentState::Active, Phase::Send, None));
            assert!(row.waiting_for.unwrap().starts_with("the mail to be sent: intro, planned for 2026-11-02"));
            let steps = world.steps_of(*run).await;
            assert_eq!((steps.len(), steps[0].state), (1, StepState::Planned));
            let id = steps[0].message_id.unwrap();
            let mut tx = world.fresh.store.read().await.unwrap();
            let outbox = tx.get_outbox(id).await.unwrap().unwrap();
            assert_eq!((outbox.status, Some(outbox.due_at)), (OutboxStatus::Queued, steps[0].planned_at));
            let to = tx.list_recipients(vec![id]).await.unwrap();
            assert_eq!(
                to.iter().map(|r| r.address.clone()).collect::<Vec<_>>(),
                [format!("p{}@example.org", who.0.simple())]
            );
            assert_eq!(tx.list_links(id).await.unwrap()[0].url, "https://shop.example/gift");
            assert_ne!(tx.get_raw(id).await.unwrap().unwrap(), tx.get_clean_raw(id).await.unwrap().unwrap());
            let parts = tx.find_participations(vec![id]).await.unwrap();
            assert_eq!(parts.iter().map(|(_, who, _)| *who).collect::<Vec<_>>(), [*who]);
            let thread = tx.get_thread(parts[0].2).await.unwrap().unwrap();
            assert_eq!((thread.message_count, thread.awaiting), (1, Some(Awaiting::Them)));
            let place = tx.list_reservations_by_id(vec![id.0, run.0]).await.unwrap();
            assert_eq!(place.iter().map(|p| (p.id, p.at)).collect::<Vec<_>>(), [(id.0, outbox.due_at)]);
        }
        // The next batch answers what was sent: each in its own thread.
        let sent = world.run_until("2026-11-06T00:00:00Z").await;
        for who in &people {
            let of: Vec<_> = sent.iter().filter(|s| s.who == *who).cloned().collect();
            assert_eq!(told(&of), ["2026-11-02T14:00Z intro", "2026-11-05T14:00Z nudge"]);
            let mut tx = world.fresh.store.read().await.unwrap();
            let both = tx.find_participations(of.iter().map(|s| s.id).collect()).await.unwrap();
            assert_eq!((both.len(), both[0].2), (2, both[1].2));
            assert_eq!(tx.get_thread(both[0].2).await.unwrap().unwrap().message_count, 2);
            let raw = tx.get_raw(of[1].id).await.unwrap().unwrap();
            let raw = String::from_utf8(zstd::decode_all(raw.as_slice()).unwrap()).unwrap();
            let intro = tx.find_answered(vec![of[0].id]).await.unwrap().pop().unwrap();
            let intro = format!("<{}>", intro.internet_message_id.unwrap());
            assert!(raw.contains(&format!("In-Reply-To: {intro}")), "{raw}");
        }
    }
}

#[tokio::test]
async fn run_that_can_not_be_looked_at_waits_for_a_person_and_stops_nobody() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![two_steps()]).await;
        let (_, runs) = people(&world, 3).await;
        let hash = format!("broken-{}", runs[1].0.simple());
        let version = format!(
            "INSERT INTO sequence_version (hash, sequence, body, published_at) VALUES ('{hash}', 'spring', '[]', 0)"
        );
        crate::seed::run(&world.fresh, &version, &[]).await;
        let pinned = format!("UPDATE enrollment SET version = '{hash}' WHERE id = $1");
        crate::seed::run(&world.fresh, &pinned, &[runs[1].0]).await;
        let (looked, _) = world.cadence.tick().await.unwrap();
        assert_eq!((looked.runs, looked.planned), (3, 2), "{}", world.fresh.name);
        assert_eq!(
            (mails(&world, runs[0]).await, mails(&world, runs[1]).await, mails(&world, runs[2]).await),
            (1, 0, 1)
        );
        let row = world.run_of(runs[1]).await;
        assert_eq!((row.state, row.next_at), (EnrollmentState::Held, None));
        let why = row.waiting_for.unwrap();
        assert!(why.contains("can't be read") && why.contains(&hash), "{why}");
        assert_eq!(world.cadence.tick().await.unwrap().0.runs, 0, "it is not looked at again and again");
    }
}

#[tokio::test]
async fn step_that_has_a_mail_gets_no_second_one_and_its_batch_goes_on() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![two_steps()]).await;
        let (_, before) = people(&world, 1).await;
        world.cadence.tick().await.unwrap();
        // As after a backup that lost the step and the run's place, but not the mail.
        crate::seed::run(&world.fresh, "DELETE FROM enrollment_step WHERE enrollment_id = $1", &[before[0].0]).await;
        let now = world.clock.now().0;
        let back = format!("UPDATE enrollment SET phase = 'delay', next_at = {now} WHERE id = $1");
        crate::seed::run(&world.fresh, &back, &[before[0].0]).await;
        let (_, others) = people(&world, 4).await;
        let (looked, _) = world.cadence.tick().await.unwrap();
        assert_eq!((looked.runs, looked.planned), (5, 4), "{}", world.fresh.name);
        assert_eq!(mails(&world, before[0]).await, 1);
        assert_eq!(world.run_of(before[0]).await.state, EnrollmentState::Held);
        for run in others {
            assert_eq!(mails(&world, run).await, 1);
        }
    }
}

#[tokio::test]
async fn run_that_another_of_the_same_person_ends_in_the_same_look_sends_nothing() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut ends = definition("autumn", Vec::new());
        ends.allow_parallel = true;
        ends.on_finish = Some(After { after: None, condition: None, stage: Some("in_talks".into()), task: None });
        let mut spring = two_steps();
        spring.allow_parallel = true;
        spring.exit_on = vec!["in_talks".into()];
        world.publish(vec![ends, spring]).await;
        let ana = world.person(Some("America/New_York")).await;
        let autumn = world.enroll("autumn", &[ana]).await[0].clone().unwrap();
        let spring = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        // The one that ends the other is due before it.
        crate::seed::run(&world.fresh, "UPDATE enrollment SET next_at = 1 WHERE id = $1", &[autumn.0]).await;
        assert!(world.run_until("2026-12-01T00:00:00Z").await.is_empty(), "{}", world.fresh.name);
        assert_eq!(world.run_of(autumn).await.state, EnrollmentState::Finished);
        let over = world.run_of(spring).await;
        assert_eq!((over.state, over.next_at), (EnrollmentState::Exited, None));
        assert_eq!(mails(&world, spring).await, 0);
        let mut tx = world.fresh.store.read().await.unwrap();
        assert!(tx.list_reservations("brand", Micros(0)).await.unwrap().is_empty());
    }
}
