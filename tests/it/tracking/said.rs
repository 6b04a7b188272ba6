//! A no that is said again by the page, and one that a teammate was told while mail waits.

use super::*;
use liaison::hub::unsubscribe::{is_done, unsubscribe_by_hand};
use liaison::store::tracking::MessageEvent;

async fn said(world: &World, mail: &Mail) {
    let request = Request::builder().method("POST").uri(&mail.unsubscribe);
    let done = world.router.clone().oneshot(request.body(Body::from("List-Unsubscribe=One-Click")).unwrap());
    assert_eq!(done.await.unwrap().status(), StatusCode::OK);
}

async fn is_known(world: &World, mail: &Mail) -> bool {
    is_done(&mut world.bench.fresh.store.read().await.unwrap(), mail.id).await.unwrap()
}

fn unsubscribed(told: &[MessageEvent]) -> usize {
    told.iter().filter(|e| e.kind == EventType::InfluencerUnsubscribed).count()
}

/// Marks the suppression, so that a write of it would be seen: it would take the mark away or add a row.
async fn marked(world: &World) -> (i64, i64) {
    let all = crate::seed::count(&world.bench.fresh, "SELECT COUNT(*) FROM suppression").await;
    let marked =
        crate::seed::count(&world.bench.fresh, "SELECT COUNT(*) FROM suppression WHERE evidence = 'marked'").await;
    (all, marked)
}

#[tokio::test]
async fn a_no_that_is_said_again_writes_nothing_and_still_takes_back_what_came_to_wait_since() {
    for world in World::all().await {
        let name = world.bench.name();
        let mail = world.mail(1).await;
        assert!(!is_known(&world, &mail).await, "{name}: nothing was said");
        said(&world, &mail).await;
        assert!(is_known(&world, &mail).await, "{name}");
        crate::seed::run(&world.bench.fresh, "UPDATE suppression SET evidence = 'marked'", &[]).await;
        let events = async || crate::seed::count(&world.bench.fresh, "SELECT COUNT(*) FROM event").await;
        let before = events().await;
        for _ in 0..3 {
            said(&world, &mail).await;
        }
        assert_eq!((marked(&world).await, events().await), ((1, 1), before), "{name}: no write");
        // Something is on its way to them again: it is a no to that as well, told once all the same.
        // It was on its way while they said so.
        let elsewhere = async |sql| crate::seed::run(&world.bench.fresh, sql, &[]).await;
        elsewhere("UPDATE suppression SET value_key = 'x-' || value_key").await;
        let waits = world.enqueue(&address(1), None).await;
        elsewhere("UPDATE suppression SET value_key = SUBSTR(value_key, 3)").await;
        assert!(!is_known(&world, &mail).await, "{name}");
        said(&world, &mail).await;
        let mut tx = world.bench.begin().await;
        assert_eq!(world.bench.status(&mut tx, waits).await, OutboxStatus::Cancelled, "{name}");
        drop(tx);
        assert_eq!(unsubscribed(&world.told(mail.id).await), 1, "{name}");
        assert!(is_known(&world, &mail).await, "{name}");
        // A suppression that was lifted since, or is of another sort, leaves a no to be heard.
        crate::seed::run(&world.bench.fresh, "UPDATE suppression SET reason = 'by_hand'", &[]).await;
        assert!(!is_known(&world, &mail).await, "{name}");
    }
}

#[tokio::test]
async fn what_waits_at_any_of_their_addresses_is_taken_back_with_a_no_that_a_teammate_was_told() {
    for world in World::all().await {
        let name = world.bench.name();
        let mail = world.mail(1).await;
        let waits = world.enqueue(&address(1), None).await;
        let other = world.enqueue(&address(2), None).await;
        let mut tx = world.bench.begin().await;
        assert!(unsubscribe_by_hand(&mut tx, &world.bench.clock, &address(1), "kim".into()).await.unwrap());
        assert_eq!(world.bench.status(&mut tx, waits).await, OutboxStatus::Cancelled, "{name}");
        assert_eq!(world.bench.status(&mut tx, other).await, OutboxStatus::Queued, "{name}: nobody else's");
        assert_eq!(world.bench.status(&mut tx, mail.id).await, OutboxStatus::Confirmed, "{name}: it left");
        tx.commit().await.unwrap();
    }
}
