//! Keys, counted links, hits and what is noted of them.

use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{EventId, HitId, MessageId};
use liaison::domain::time::Micros;
use liaison::domain::words::{EventType, HitKind, Verdict};
use liaison::store::event::NewEvent;
use liaison::store::tracking::{HitRow, JudgedRow, LinkRow};

fn hit(clock: &Clock, message: MessageId, kind: HitKind, n: i64) -> HitRow {
    HitRow {
        id: HitId(clock.new_id()),
        message_id: message,
        influencer_id: None,
        kind,
        link: (kind == HitKind::Click).then_some(1),
        at: seed::at(n),
        method: "GET".into(),
        agent: "Agent \u{0}with a NUL".into(),
        network: Some("microsoft".into()),
        hint: Some("purpose: prefetch".into()),
        judged: None,
    }
}

async fn message(fresh: &stores::Fresh, clock: &Clock) -> MessageId {
    let influencer = seed::influencer(fresh, clock).await;
    let thread = seed::thread(fresh, clock, influencer, 1).await;
    let id = seed::message_in(fresh, clock, &thread, 1).await;
    seed::outbox(fresh, id, "confirmed").await;
    id
}

#[tokio::test]
async fn keys_are_kept_once_and_the_newest_comes_first() {
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.keys").await.unwrap();
        assert!(tx.list_signing_keys().await.unwrap().is_empty());
        assert!(tx.insert_signing_key("link 1", vec![1; 32], seed::at(1)).await.unwrap());
        assert!(!tx.insert_signing_key("link 1", vec![9; 32], seed::at(2)).await.unwrap());
        assert!(tx.insert_signing_key("link 2", vec![2; 32], seed::at(2)).await.unwrap());
        assert_eq!(tx.list_signing_keys().await.unwrap(), [vec![2; 32], vec![1; 32]], "{}", fresh.name);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn links_are_found_by_message_and_number() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (a, b) = (message(&fresh, &clock).await, message(&fresh, &clock).await);
        let link = |message_id, n| LinkRow { message_id, n, url: format!("https://x.example/{n}"), label: "x".into() };
        let mut tx = fresh.store.begin("test.links").await.unwrap();
        tx.insert_links(vec![link(a, 1), link(a, 2), link(b, 1)]).await.unwrap();
        tx.insert_links(Vec::new()).await.unwrap();
        assert_eq!(tx.list_links(a).await.unwrap(), [link(a, 1), link(a, 2)]);
        assert_eq!(tx.find_links(vec![a], vec![2, 3]).await.unwrap(), [link(a, 2)], "{}", fresh.name);
        let strange = MessageId(clock.new_id());
        assert!(tx.find_links(vec![strange], vec![1]).await.unwrap().is_empty());
        assert_eq!(tx.find_sent(vec![a, strange]).await.unwrap(), [a]);
        let tracked = tx.lock_tracked(a).await.unwrap().unwrap();
        assert_eq!((tracked.id, tracked.links, tracked.delivered_at, tracked.enrollment_id), (a, 2, None, None));
        assert_eq!(tx.lock_tracked(strange).await.unwrap(), None);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn delivery_is_when_the_server_said_yes_unless_that_was_learned_late() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let id = message(&fresh, &clock).await;
        for (handed, finished, expected) in [(100, 103, 103), (100, 90_000, 100)] {
            let sql = format!(
                "UPDATE outbox SET handed_over_at = {}, finished_at = {} WHERE id = $1",
                seed::at(handed).0,
                seed::at(finished).0
            );
            seed::run(&fresh, &sql, &[id.0]).await;
            let mut tx = fresh.store.begin("test.tracked").await.unwrap();
            let tracked = tx.lock_tracked(id).await.unwrap().unwrap();
            assert_eq!(tracked.delivered_at, Some(seed::at(expected)), "{}", fresh.name);
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn hits_wait_to_be_judged_and_keep_their_verdict() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (a, b) = (message(&fresh, &clock).await, message(&fresh, &clock).await);
        let mut tx = fresh.store.begin("test.hits").await.unwrap();
        assert_eq!(tx.next_unjudged_at().await.unwrap(), None);
        let first = hit(&clock, a, HitKind::Open, 10);
        tx.upsert_hits(vec![first.clone(), hit(&clock, a, HitKind::Click, 12), hit(&clock, b, HitKind::Hidden, 20)])
            .await
            .unwrap();
        assert_eq!(tx.next_unjudged_at().await.unwrap(), Some(seed::at(10)));
        assert_eq!(tx.list_unjudged(seed::at(15), 100).await.unwrap(), [a], "{}", fresh.name);
        assert_eq!(tx.list_unjudged(seed::at(20), 100).await.unwrap().len(), 2);
        assert_eq!(tx.list_unjudged(seed::at(20), 1).await.unwrap(), [a]);
        let mut judged = first.clone();
        judged.judged = Some(JudgedRow {
            verdict: Verdict::Human,
            confidence: 0.9,
            reasons: vec!["a browser".into()],
            at: seed::at(40),
            judge: 1,
        });
        tx.upsert_hits(vec![judged.clone()]).await.unwrap();
        assert_eq!(tx.first_unjudged_of(a).await.unwrap(), Some(seed::at(12)));
        let hits = tx.list_hits(a, Micros(0), 10).await.unwrap();
        assert_eq!(hits.len(), 2);
        assert_eq!(hits[0].judged, judged.judged);
        assert_eq!(
            (hits[0].hint.as_deref(), hits[0].network.as_deref()),
            (Some("purpose: prefetch"), Some("microsoft"))
        );
        assert_eq!(hits[1].link, Some(1));
        assert_eq!(tx.list_hits(a, seed::at(11), 10).await.unwrap().len(), 1);
        let mut since = vec![a, b];
        since.sort();
        assert_eq!(tx.list_hit_since(seed::at(10), None, 10).await.unwrap(), since);
        assert_eq!(tx.list_hit_since(seed::at(10), Some(since[0]), 10).await.unwrap(), since[1..]);
        assert_eq!(tx.list_hit_since(seed::at(13), None, 10).await.unwrap(), [b]);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn hits_that_are_new_are_kept_as_they_came() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let id = message(&fresh, &clock).await;
        let mut tx = fresh.store.begin("test.hits").await.unwrap();
        let open = hit(&clock, id, HitKind::Open, 10);
        let plain = HitRow { hint: None, network: None, ..hit(&clock, id, HitKind::Click, 12) };
        tx.insert_hits(vec![open.clone(), plain.clone()]).await.unwrap();
        tx.insert_hits(Vec::new()).await.unwrap();
        assert_eq!(tx.next_unjudged_at().await.unwrap(), Some(seed::at(10)), "what isn't filed waits as well");
        assert_eq!(tx.list_hits(id, Micros(0), 10).await.unwrap(), [], "{}", fresh.name);
        assert!(tx.next_new_hit_at().await.unwrap().is_some());
        assert_eq!(tx.file_hits(1).await.unwrap(), 1);
        assert_eq!(tx.list_hits(id, Micros(0), 10).await.unwrap().len(), 1);
        assert_eq!(tx.file_hits(10).await.unwrap(), 1);
        assert_eq!(tx.file_hits(10).await.unwrap(), 0);
        assert_eq!(tx.next_new_hit_at().await.unwrap(), None);
        let kept = tx.list_hits(id, Micros(0), 10).await.unwrap();
        // PostgreSQL's text has no NUL.
        let as_kept = |row: &HitRow| HitRow { agent: row.agent.replace('\0', "\u{fffd}"), ..row.clone() };
        assert_eq!(kept, [as_kept(&open), as_kept(&plain)], "{}", fresh.name);
        assert_eq!(tx.first_unjudged_of(id).await.unwrap(), Some(seed::at(10)));
        tx.commit().await.unwrap();
        let mut tx = fresh.store.begin("test.twice").await.unwrap();
        tx.insert_hits(vec![plain]).await.unwrap();
        assert_eq!(tx.file_hits(10).await.unwrap(), 1);
        assert_eq!(tx.list_hits(id, Micros(0), 10).await.unwrap().len(), 2, "a hit that is there is no new one");
    }
}

/// Filing locks hits and then their message, erasing the message and then its hits: neither waits for the other for ever.
#[tokio::test]
async fn what_is_erased_while_its_hits_are_filed_is_erased() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        // On SQLite one transaction writes at a time.
        let crate::stores::Raw::Postgres(mut raw) = crate::stores::raw_connection(&fresh.place).await else { continue };
        let (id, other) = (message(&fresh, &clock).await, message(&fresh, &clock).await);
        let mut tx = fresh.store.begin("test.hits").await.unwrap();
        tx.insert_hits(vec![hit(&clock, id, HitKind::Open, 10), hit(&clock, other, HitKind::Open, 11)]).await.unwrap();
        tx.commit().await.unwrap();
        let mut erasing = fresh.store.begin("test.erase").await.unwrap();
        erasing.lock_tracked(id).await.unwrap();
        let filing = tokio::spawn({
            let store = fresh.store.clone();
            async move {
                let mut tx = store.begin("test.file").await?;
                let filed = tx.file_hits(10).await?;
                tx.commit().await.map(|()| filed)
            }
        });
        let waiting =
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        loop {
            let waits: i64 = sqlx::query_scalar(waiting).fetch_one(&mut raw).await.unwrap();
            if waits == 1 {
                break;
            }
            assert!(!filing.is_finished(), "filing did not wait for the message that is erased");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        erasing.erase_messages(vec![id]).await.unwrap();
        erasing.commit().await.unwrap();
        assert_eq!(filing.await.unwrap().unwrap(), 2);
        let mut tx = fresh.store.read().await.unwrap();
        assert_eq!(tx.list_hits(id, Micros(0), 10).await.unwrap(), []);
        assert_eq!(tx.list_hits(other, Micros(0), 10).await.unwrap().len(), 1);
        assert_eq!(tx.next_new_hit_at().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_hit_on_what_was_erased_meanwhile_is_let_go() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let id = message(&fresh, &clock).await;
        let gone = MessageId(clock.new_id());
        let mut tx = fresh.store.begin("test.hits").await.unwrap();
        let of = |message| hit(&clock, message, HitKind::Open, 10);
        tx.insert_hits(vec![of(gone), of(id), of(gone)]).await.unwrap();
        assert_eq!(tx.file_hits(10).await.unwrap(), 3);
        let kept = (tx.list_hits(id, Micros(0), 10).await.unwrap(), tx.list_hits(gone, Micros(0), 10).await.unwrap());
        assert_eq!((kept.0.len(), kept.1.len()), (1, 0), "{}", fresh.name);
        assert_eq!(tx.next_new_hit_at().await.unwrap(), None);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_kept_adds_up() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let a = message(&fresh, &clock).await;
        let mut tx = fresh.store.begin("test.surplus").await.unwrap();
        assert_eq!(tx.get_hit_surplus(a).await.unwrap(), 0);
        tx.add_hit_surplus(vec![(a, 7)], seed::at(1)).await.unwrap();
        tx.add_hit_surplus(vec![(a, 5)], seed::at(2)).await.unwrap();
        assert_eq!(tx.get_hit_surplus(a).await.unwrap(), 12, "{}", fresh.name);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn events_of_readers_are_listed_and_corrected() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let a = message(&fresh, &clock).await;
        let event = |kind, n| NewEvent {
            id: EventId(clock.new_id()),
            kind,
            at: seed::at(n),
            influencer_id: None,
            stage: None,
            message_id: Some(a),
            data: Some(serde_json::json!({"n": n, "machine": false})),
            enrollment_id: None,
            machine: Some(false),
        };
        let mut tx = fresh.store.begin("test.events").await.unwrap();
        let opened = event(EventType::MessageOpened, 1);
        let id = opened.id;
        tx.insert_events(vec![event(EventType::InfluencerUnsubscribed, 3), opened, event(EventType::MessageSent, 2)])
            .await
            .unwrap();
        let events = tx.list_reader_events(a).await.unwrap();
        assert_eq!(
            events.iter().map(|e| e.kind).collect::<Vec<_>>(),
            [EventType::MessageOpened, EventType::InfluencerUnsubscribed]
        );
        tx.rescore_event(id, true, serde_json::json!({"rescored": true})).await.unwrap();
        let event = &tx.list_reader_events(a).await.unwrap()[0];
        assert_eq!(
            (event.machine, &event.data.as_ref().unwrap().0["rescored"]),
            (Some(true), &serde_json::json!(true))
        );
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn step_notes_what_was_read_first_and_takes_it_back() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let a = message(&fresh, &clock).await;
        let enrollment = crate::tracking::enrollment(&fresh, &clock).await;
        crate::tracking::step(&fresh, enrollment, a).await;
        let mut tx = fresh.store.begin("test.step").await.unwrap();
        tx.mark_step_read(a, None, Some(seed::at(20))).await.unwrap();
        tx.mark_step_read(a, Some(seed::at(30)), Some(seed::at(40))).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(
            crate::tracking::read_at(&fresh, a).await,
            (Some(seed::at(20).0), Some(seed::at(20).0)),
            "{}",
            fresh.name
        );
        let mut tx = fresh.store.begin("test.step").await.unwrap();
        tx.unmark_step_read(a, vec![seed::at(30)]).await.unwrap();
        tx.unmark_step_read(a, vec![seed::at(20)]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(crate::tracking::read_at(&fresh, a).await, (None, None));
    }
}

#[tokio::test]
async fn waiting_for_an_address_are_messages_to_it_alone() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let influencer = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, influencer, 1).await;
        let mut waiting = Vec::new();
        for (n, status) in [(1, "queued"), (2, "review"), (3, "confirmed"), (4, "queued")] {
            let id = seed::message_in(&fresh, &clock, &thread, n).await;
            seed::outbox(&fresh, id, status).await;
            seed::run(&fresh, "UPDATE outbox_recipient SET state = 'pending' WHERE outbox_id = $1", &[id.0]).await;
            waiting.push(id);
        }
        let other = "INSERT INTO outbox_recipient (outbox_id, position, address, address_key, name, state) \
            VALUES ($1, 1, 'kai@example.org', 'kai@example.org', '', 'pending')";
        seed::run(&fresh, other, &[waiting[3].0]).await;
        let mut tx = fresh.store.read().await.unwrap();
        let mut found = tx.list_waiting_to("ana@example.org").await.unwrap();
        found.sort();
        assert_eq!(found, waiting[..2], "{}", fresh.name);
        assert!(tx.list_waiting_to("kai@example.org").await.unwrap().is_empty());
    }
}
