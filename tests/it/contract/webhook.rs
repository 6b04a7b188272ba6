//! Webhooks: a place that moves in order, deliveries that are taken one after the other, and what came of each try.

use crate::stores;
use liaison::clock::Clock;
use liaison::domain::ids::{EventId, WebhookDeliveryId, WebhookId};
use liaison::domain::time::Micros;
use liaison::domain::words::{DeliveryState, DisabledWhy, EventType, WebhookState};
use liaison::store::Tx;
use liaison::store::event::NewEvent;
use liaison::store::reading::Page;
use liaison::store::reading::webhook::DeliveryFilter;
use liaison::store::webhook::WebhookRow;
use liaison::store::webhook::delivery::{Attempt, NewDelivery};

fn row(clock: &Clock) -> WebhookRow {
    WebhookRow {
        id: WebhookId(clock.new_id()),
        url: "https://example.com/hook".into(),
        description: "reports".into(),
        events: vec!["account.up".to_owned()].into(),
        state: WebhookState::Enabled,
        disabled_why: None,
        disabled_at: None,
        secret_sealed: vec![1, 0, 255],
        old_secret_sealed: None,
        old_secret_until: None,
        seen_seq: 0,
        failures: 0,
        failing_since: None,
        rest_until: Micros(0),
        last_ok_at: None,
        version: 1,
        created_at: Micros(5),
    }
}

async fn events(tx: &mut Tx, clock: &Clock, count: usize) -> Vec<EventId> {
    let event = |_| NewEvent {
        id: EventId(clock.new_id()),
        kind: EventType::AccountUp,
        at: clock.now(),
        influencer_id: None,
        stage: None,
        message_id: None,
        data: None,
        enrollment_id: None,
        machine: None,
    };
    let new: Vec<NewEvent> = (0..count).map(event).collect();
    let ids = new.iter().map(|e| e.id).collect();
    tx.insert_events(new).await.unwrap();
    tx.number_events(1_000).await.unwrap();
    ids
}

fn delivery(clock: &Clock, webhook: WebhookId, event: Option<EventId>, (seq, at): (i64, i64)) -> NewDelivery {
    let (id, kind) = (WebhookDeliveryId(clock.new_id()), "account.up".to_owned());
    NewDelivery { id, webhook_id: webhook, event_id: event, seq, kind, at: Micros(at) }
}

#[tokio::test]
async fn webhook_reads_back_changes_and_goes_with_its_deliveries() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.webhook").await.unwrap();
        let mut hook = row(&clock);
        tx.insert_webhook(&hook).await.unwrap();
        assert_eq!(tx.get_webhook(hook.id).await.unwrap().as_ref(), Some(&hook), "{}", fresh.name);
        assert!(!format!("{hook:?}").contains("255]"), "what is sealed is not printed");
        hook.events = Vec::new().into();
        (hook.url, hook.description) = ("https://example.org/".into(), String::new());
        (hook.secret_sealed, hook.old_secret_sealed, hook.old_secret_until) = (vec![2], Some(vec![1]), Some(Micros(9)));
        (hook.state, hook.disabled_why, hook.disabled_at) =
            (WebhookState::Disabled, Some(DisabledWhy::ByHand), Some(Micros(8)));
        (hook.failures, hook.failing_since, hook.rest_until, hook.seen_seq) = (3, Some(Micros(7)), Micros(6), 4);
        tx.update_webhook(&hook).await.unwrap();
        hook.version = 2;
        assert_eq!(tx.lock_webhook(hook.id).await.unwrap().as_ref(), Some(&hook));
        assert_eq!(tx.list_webhooks().await.unwrap(), vec![hook.clone()]);
        assert!(!tx.disable_webhook(hook.id, DisabledWhy::Gone, Micros(9)).await.unwrap(), "it was disabled before");
        let new = delivery(&clock, hook.id, None, (0, 1));
        tx.insert_webhook_deliveries(vec![new]).await.unwrap();
        assert!(tx.delete_webhook(hook.id).await.unwrap() && !tx.delete_webhook(hook.id).await.unwrap());
        assert_eq!(tx.count_pending_deliveries(hook.id, 5).await.unwrap(), 0);
        assert_eq!(tx.get_webhook(hook.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn webhooks_are_due_by_their_place_and_by_what_is_in_line() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.due").await.unwrap();
        let hook = row(&clock);
        tx.insert_webhook(&hook).await.unwrap();
        let due = async |tx: &mut Tx, at| tx.list_due_webhooks(Micros(at)).await.unwrap().len();
        assert_eq!(due(&mut tx, 100).await, 0, "{}: nothing happened", fresh.name);
        let ids = events(&mut tx, &clock, 3).await;
        assert_eq!(due(&mut tx, 100).await, 1);
        assert!(tx.advance_webhook(hook.id, 0, 3).await.unwrap());
        assert!(!tx.advance_webhook(hook.id, 0, 3).await.unwrap(), "only from the place that was read");
        assert_eq!(due(&mut tx, 100).await, 0);
        let new = delivery(&clock, hook.id, Some(ids[2]), (3, 50));
        tx.insert_webhook_deliveries(vec![new]).await.unwrap();
        assert_eq!((due(&mut tx, 49).await, due(&mut tx, 50).await), (0, 1));
        tx.rest_webhook(hook.id, Micros(60)).await.unwrap();
        assert_eq!((due(&mut tx, 59).await, due(&mut tx, 60).await), (0, 1));
        tx.insert_installation(clock.new_id(), clock.now()).await.unwrap();
        tx.set_installation_held(true).await.unwrap();
        assert_eq!(due(&mut tx, 60).await, 0, "a copy tells nobody anything");
        tx.set_installation_held(false).await.unwrap();
        assert!(tx.disable_webhook(hook.id, DisabledWhy::Failing, Micros(9)).await.unwrap());
        assert_eq!(due(&mut tx, 100).await, 0);
        tx.rewind_webhook(hook.id, 5).await.unwrap();
        assert_eq!(tx.get_webhook(hook.id).await.unwrap().unwrap().seen_seq, 3, "never on");
        tx.rewind_webhook(hook.id, 1).await.unwrap();
        assert_eq!(tx.get_webhook(hook.id).await.unwrap().unwrap().seen_seq, 1);
        assert_eq!(tx.first_event_seq(ids[1]).await.unwrap(), Some(2));
        assert_eq!(tx.first_event_seq(EventId(clock.new_id())).await.unwrap(), None);
        assert_eq!(tx.get_event(ids[1]).await.unwrap().unwrap().seq, Some(2));
    }
}

#[tokio::test]
async fn what_a_webhook_took_or_did_not_take_is_counted() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.counted").await.unwrap();
        let hook = row(&clock);
        tx.insert_webhook(&hook).await.unwrap();
        tx.note_webhook_failed(hook.id, Micros(10), Micros(11)).await.unwrap();
        tx.note_webhook_failed(hook.id, Micros(20), Micros(21)).await.unwrap();
        let failing = tx.get_webhook(hook.id).await.unwrap().unwrap();
        let expected = (2, Some(Micros(10)), Micros(21), 1);
        assert_eq!((failing.failures, failing.failing_since, failing.rest_until, failing.version), expected);
        tx.note_webhook_taken(hook.id, Micros(30)).await.unwrap();
        let fine = tx.get_webhook(hook.id).await.unwrap().unwrap();
        let expected = (0, None, Micros(0), Some(Micros(30)));
        assert_eq!((fine.failures, fine.failing_since, fine.rest_until, fine.last_ok_at), expected, "{}", fresh.name);
    }
}

#[tokio::test]
async fn deliveries_are_taken_in_order_settled_and_sent_once_more() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.deliveries").await.unwrap();
        let hook = row(&clock);
        tx.insert_webhook(&hook).await.unwrap();
        let ids = events(&mut tx, &clock, 3).await;
        let new: Vec<NewDelivery> = [(3, 20), (2, 20), (1, 30)]
            .map(|(seq, at)| delivery(&clock, hook.id, Some(ids[usize::try_from(seq).unwrap() - 1]), (seq, at)))
            .to_vec();
        tx.insert_webhook_deliveries(new.clone()).await.unwrap();
        assert_eq!(tx.count_pending_deliveries(hook.id, 2).await.unwrap(), 2, "no further than is asked");
        assert_eq!(tx.take_webhook_delivery(hook.id, Micros(19)).await.unwrap(), None);
        let first = tx.take_webhook_delivery(hook.id, Micros(40)).await.unwrap().unwrap();
        assert_eq!((first.event_id, first.tried), (Some(ids[1]), 0), "{}: the earliest, then by number", fresh.name);
        let again = tx.take_webhook_delivery(hook.id, Micros(40)).await.unwrap().unwrap();
        assert_eq!((again.id, again.tried), (first.id, 1), "what has begun and was not settled is still first");
        let attempt = |status| Attempt {
            at: Micros(41),
            took_ms: 7,
            status,
            error: status.is_none().then(|| "no answer".into()),
            answer: status.map(|_| "ok".into()),
        };
        assert!(tx.settle_webhook_delivery(first.id, DeliveryState::Pending, (Micros(99), None)).await.unwrap());
        tx.insert_webhook_attempt(clock.new_id(), first.id, attempt(None)).await.unwrap();
        let second = tx.take_webhook_delivery(hook.id, Micros(40)).await.unwrap().unwrap();
        assert_eq!(second.event_id, Some(ids[2]));
        let done = (Micros(42), Some(Micros(42)));
        assert!(tx.settle_webhook_delivery(second.id, DeliveryState::Failed, done).await.unwrap());
        tx.insert_webhook_attempt(clock.new_id(), second.id, attempt(Some(500))).await.unwrap();
        assert!(!tx.settle_webhook_delivery(second.id, DeliveryState::Delivered, done).await.unwrap(), "it is over");
        // What failed is due again, and what waits for later; the third was not tried.
        assert_eq!(tx.resend_failed_deliveries(hook.id, Micros(21), Micros(50)).await.unwrap(), 0);
        assert_eq!(tx.resend_failed_deliveries(hook.id, Micros(0), Micros(50)).await.unwrap(), 2);
        let third = tx.take_webhook_delivery(hook.id, Micros(50)).await.unwrap().unwrap();
        assert_eq!(third.event_id, Some(ids[0]));
        tx.settle_webhook_delivery(third.id, DeliveryState::Delivered, (Micros(51), Some(Micros(51)))).await.unwrap();
        let filter = DeliveryFilter { state: Some(DeliveryState::Pending), kind: Some("account.up".into()) };
        let pending = tx.list_webhook_deliveries(hook.id, &filter, Page::newest(10)).await.unwrap().data;
        assert_eq!(pending.iter().map(|d| d.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((pending[0].next_at, pending[0].attempts.len()), (Some(Micros(50)), 1));
        assert_eq!((pending[1].attempts[0].status, pending[1].attempts[0].answer.as_deref()), (Some(500), Some("ok")));
        let none = DeliveryFilter { state: None, kind: Some("account.down".into()) };
        assert!(tx.list_webhook_deliveries(hook.id, &none, Page::newest(10)).await.unwrap().data.is_empty());
        let page = tx.list_webhook_deliveries(hook.id, &DeliveryFilter::default(), Page::newest(2)).await.unwrap();
        let rest = Page::newest(2).after(page.next);
        let rest = tx.list_webhook_deliveries(hook.id, &DeliveryFilter::default(), rest).await.unwrap();
        assert_eq!((page.data.len(), rest.data.len(), rest.next), (2, 1, None));
        // An event that is put in line once more keeps its delivery.
        tx.insert_webhook_deliveries(vec![delivery(&clock, hook.id, Some(ids[0]), (1, 60))]).await.unwrap();
        let anew = tx.get_webhook_delivery(hook.id, third.id).await.unwrap().unwrap();
        assert_eq!((anew.state, anew.next_at, anew.finished_at), (DeliveryState::Pending, Some(Micros(60)), None));
        assert!(tx.resend_webhook_delivery(hook.id, second.id, Micros(70)).await.unwrap());
        let unknown = WebhookDeliveryId(clock.new_id());
        assert!(!tx.resend_webhook_delivery(hook.id, unknown, Micros(70)).await.unwrap());
        assert_eq!(tx.drop_pending_deliveries(hook.id, Micros(80)).await.unwrap(), 3);
        assert_eq!(tx.prune_webhook_deliveries(Micros(80), 10).await.unwrap(), 0);
        assert_eq!(tx.prune_webhook_deliveries(Micros(81), 2).await.unwrap(), 2);
        assert_eq!(tx.prune_webhook_deliveries(Micros(81), 2).await.unwrap(), 1);
    }
}
