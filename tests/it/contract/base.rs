//! Transactions, leases, the installation and events.

use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{EventId, RunId};
use liaison::domain::words::EventType;
use liaison::store::event::NewEvent;

fn event(clock: &Clock) -> NewEvent {
    NewEvent {
        id: EventId(clock.new_id()),
        kind: EventType::AccountUp,
        at: clock.now(),
        influencer_id: None,
        stage: Some("prospect".into()),
        message_id: None,
        data: Some(serde_json::json!({"account": "a", "n": 1})),
        enrollment_id: None,
        machine: None,
    }
}

#[tokio::test]
async fn lease_is_held_by_one_and_its_fence_grows_when_it_changes_hands() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (a, b) = (RunId(clock.new_id()), RunId(clock.new_id()));
        let mut tx = fresh.store.begin("test.lease").await.unwrap();
        let first = tx.acquire_lease("poll:x", a, 60).await.unwrap().unwrap();
        assert_eq!(tx.acquire_lease("poll:x", b, 60).await.unwrap(), None, "{}", fresh.name);
        assert_eq!(tx.acquire_lease("poll:x", a, 60).await.unwrap().unwrap().fence, first.fence);
        assert!(tx.holds_lease("poll:x", first).await.unwrap());
        tx.release_lease("poll:x", first).await.unwrap();
        let second = tx.acquire_lease("poll:x", b, 60).await.unwrap().unwrap();
        assert!(second.fence > first.fence);
        let leases = tx.list_leases().await.unwrap();
        let now = tx.lease_now().await.unwrap();
        assert!(leases.len() == 1 && leases[0].holder == Some(b) && leases[0].until > now, "{leases:?}");
        assert!(!tx.holds_lease("poll:x", first).await.unwrap());
        tx.end_all_leases().await.unwrap();
        assert!(!tx.holds_lease("poll:x", second).await.unwrap());
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_read_to_its_end_is_known_of_the_holder_of_a_lease_alone() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (a, b, name) = (RunId(clock.new_id()), RunId(clock.new_id()), fresh.name);
        let mut tx = fresh.store.begin("test.lease").await.unwrap();
        let first = tx.acquire_lease("poll:x", a, 60).await.unwrap().unwrap();
        let taken_at = tx.list_leases().await.unwrap()[0].taken_at.unwrap();
        assert!(!tx.is_read_to_end("poll:x").await.unwrap(), "{name}: just taken");
        assert!(tx.set_read_to_end("poll:x", first, 60).await.unwrap());
        assert!(tx.is_read_to_end("poll:x").await.unwrap(), "{name}");
        tx.acquire_lease("poll:x", a, 60).await.unwrap().unwrap();
        assert!(tx.is_read_to_end("poll:x").await.unwrap(), "{name}: renewed");
        assert_eq!(tx.list_leases().await.unwrap()[0].taken_at, Some(taken_at), "{name}: held since then");
        tx.end_leases_of(a).await.unwrap();
        assert!(!tx.is_read_to_end("poll:x").await.unwrap(), "{name}: run out");
        assert!(!tx.set_read_to_end("poll:x", first, 60).await.unwrap(), "{name}: run out");
        let second = tx.acquire_lease("poll:x", b, 60).await.unwrap().unwrap();
        assert!(!tx.is_read_to_end("poll:x").await.unwrap(), "{name}: taken over");
        assert!(!tx.set_read_to_end("poll:x", first, 60).await.unwrap(), "{name}: lost");
        assert!(tx.set_read_to_end("poll:x", second, -1).await.unwrap());
        assert!(!tx.is_read_to_end("poll:x").await.unwrap(), "{name}: too long ago");
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn events_get_their_numbers_after_the_commit_and_without_gaps() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.events").await.unwrap();
        tx.insert_events((0..300).map(|_| event(&clock)).collect()).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = fresh.store.begin("test.number").await.unwrap();
        assert_eq!(tx.number_events(200).await.unwrap(), 200);
        assert_eq!(tx.number_events(200).await.unwrap(), 100);
        assert_eq!(tx.number_events(200).await.unwrap(), 0);
        tx.commit().await.unwrap();
        // What is noted may lag behind: events went while they were numbered.
        seed::run(&fresh, "UPDATE sequencer SET last_seq = 7", &[]).await;
        let mut tx = fresh.store.begin("test.lag").await.unwrap();
        tx.insert_events(vec![event(&clock)]).await.unwrap();
        assert_eq!(tx.number_events(200).await.unwrap(), 1, "{}", fresh.name);
        tx.commit().await.unwrap();
        let mut tx = fresh.store.read().await.unwrap();
        let events = tx.list_events(0, 1_000).await.unwrap();
        let numbers: Vec<i64> = events.iter().filter_map(|e| e.seq).collect();
        assert_eq!(numbers, (1..=301).collect::<Vec<_>>(), "{}", fresh.name);
        assert_eq!(tx.last_event_seq().await.unwrap(), 301);
        assert_eq!(events[0].data.as_ref().unwrap().0["n"], 1);
    }
}

#[tokio::test]
async fn transaction_that_is_dropped_leaves_nothing_and_harms_no_other() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..200_u32 {
            let (store, clock) = (fresh.store.clone(), clock.clone());
            tasks.spawn(async move {
                let mut tx = store.begin("test.drop").await.unwrap();
                tx.insert_events(vec![event(&clock)]).await.unwrap();
                if i % 3 == 0 { drop(tx) } else { tx.commit().await.unwrap() }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let mut tx = fresh.store.begin("test.count").await.unwrap();
        assert_eq!(tx.number_events(1_000).await.unwrap(), 133, "{}", fresh.name);
    }
}

#[tokio::test]
async fn writer_survives_callers_that_go_away_at_any_moment() {
    let clock = Clock::machine();
    let fresh = stores::sqlite().await;
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..300_u64 {
        let (store, clock) = (fresh.store.clone(), clock.clone());
        tasks.spawn(async move {
            let work = async {
                let mut tx = store.begin("test.cancel").await.unwrap();
                tx.insert_events(vec![event(&clock)]).await.unwrap();
                tx.commit().await.is_ok()
            };
            tokio::select! {
                kept = work => u64::from(kept),
                () = tokio::time::sleep(std::time::Duration::from_micros((i * 37) % 9_000)) => 0,
            }
        });
    }
    let mut kept = 0;
    while let Some(done) = tasks.join_next().await {
        kept += done.unwrap();
    }
    let mut tx = fresh.store.begin("test.count").await.unwrap();
    let stored = tx.number_events(1_000).await.unwrap();
    assert!(stored >= kept, "{kept} were told they are kept, {stored} are there");
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn definitions_and_installation_read_back() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.installation").await.unwrap();
        assert_eq!(tx.get_installation().await.unwrap(), None);
        let id = clock.new_id();
        tx.insert_installation(id, clock.now()).await.unwrap();
        tx.set_installation_held(true).await.unwrap();
        assert!(tx.get_installation().await.unwrap().unwrap().held);
        for hash in ["h1", "h2", "h1"] {
            tx.publish_definition("stages", hash, "body", clock.now()).await.unwrap();
        }
        assert_eq!(tx.active_definition("stages").await.unwrap(), Some(("h1".into(), "body".into())));
    }
}
