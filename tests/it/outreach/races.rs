//! A stop against a claim, many times over.

use super::world::{World, definition, email, house};
use crate::stores;
use liaison::hub::outreach::{self, ExitReason};
use liaison::outbound::SendingSettings;
use liaison::outbound::rehearsal::accept_due;

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
        while left > 0 {
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
                let wait = std::time::Duration::from_micros(u64::from(who.0.as_bytes()[15]) * 800);
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    loop {
                        let mut tx = store.begin("test.stop").await.unwrap();
                        match outreach::stop_runs(&mut tx, &clock, &[who], &ExitReason::Replied).await {
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
