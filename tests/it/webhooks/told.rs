//! What webhooks are told: signed, in order, at least once, again where it failed, and no more where it is in vain.

use super::receiver::{Received, Receiver, Says, says};
use super::{until, worlds};
use crate::kills::next_random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use liaison::domain::ids::WebhookDeliveryId;
use liaison::domain::time::Micros;
use liaison::domain::words::{DeliveryState, DisabledWhy, EventType, WebhookState};
use liaison::hub::webhook::{self, Missed, WebhookChange, WebhookError, Which};
use liaison::store::reading::Page;
use liaison::store::reading::webhook::{DeliveryFilter, WebhookDeliveryView};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;

const UP: EventType = EventType::AccountUp;
const DOWN: EventType = EventType::AccountDown;
const SENT: EventType = EventType::MessageSent;

/// The specification's check, written here a second time.
fn is_signed_by(request: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let said = format!("{}.{}.{}", request.id(), request.headers["webhook-timestamp"], request.body);
    let expected = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap().chain_update(said).finalize().into_bytes();
    let expected = format!("v1,{}", STANDARD.encode(expected));
    request.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
}

/// Lets Python's standard library (and the specification's own package, where it is installed) check requests.
fn check_with_python(requests: &[Received], secret: &str) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/check_webhook.py");
    let child = Command::new("python3").arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return crate::peers::skip("python3") };
    let mut input = child.stdin.take().unwrap();
    for request in requests {
        let line = json!({"secret": secret, "headers": request.headers, "body": request.body});
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.starts_with(&format!("{} good", requests.len())), "{told}");
}

fn assert_in_order(seqs: &[i64]) {
    assert!(seqs.windows(2).all(|w| w[0] < w[1]), "not in order: {seqs:?}");
}

#[tokio::test]
async fn webhooks_are_told_what_they_want_to_hear_signed_and_in_order() {
    for world in worlds().await {
        world.happen(&[UP; 3]).await;
        let receivers: Vec<Receiver> = (0..3).map(|_| Receiver::new(|_| says(204))).collect();
        let all = world.webhook(&receivers[0].url(), &[]).await;
        let some = world.webhook(&receivers[1].url(), &[UP, SENT]).await;
        world.webhook(&receivers[2].url(), &[SENT]).await;
        let running = world.start();
        let mut kinds = Vec::new();
        for round in 0..30 {
            let batch: Vec<EventType> = (0..20).map(|n| if (n + round) % 3 == 0 { UP } else { DOWN }).collect();
            world.happen(&batch).await;
            kinds.extend(batch);
        }
        let ups = kinds.iter().filter(|k| **k == UP).count();
        until("all are told", async || receivers[0].all().len() >= 600 && receivers[1].all().len() >= ups).await;
        until("all is written down", async || {
            let mut tx = world.fresh.store.read().await.unwrap();
            tx.count_pending_deliveries(all.0, 1_000).await.unwrap() == 0
        })
        .await;
        running.stop().await;
        let (first, second) = (receivers[0].all(), receivers[1].all());
        let seqs: Vec<i64> = first.iter().map(Received::seq).collect();
        assert_eq!(seqs, (4..=603).collect::<Vec<_>>(), "{}: what was before is not told", world.fresh.name);
        let wanted: Vec<i64> = (4..).zip(&kinds).filter(|(_, k)| **k == UP).map(|(seq, _)| seq).collect();
        assert_eq!(second.iter().map(Received::seq).collect::<Vec<_>>(), wanted, "{}", world.fresh.name);
        assert_eq!(receivers[2].all().len(), 0);
        let told = first[0].json();
        assert_eq!(told["type"], told["data"]["type"]);
        assert_eq!((&told["data"]["id"], &told["timestamp"]), (&json!(first[0].id()), &told["data"]["at"]));
        assert_eq!(first[0].headers["content-type"], "application/json");
        assert!(first.iter().all(|r| is_signed_by(r, &all.1)) && !is_signed_by(&first[0], &some.1));
        check_with_python(&first, &all.1);
        check_with_python(&second, &some.1);
        let mut tx = world.fresh.store.read().await.unwrap();
        let page = Page::newest(200);
        let listed = tx.list_webhook_deliveries(all.0, &DeliveryFilter::default(), page).await.unwrap();
        assert_eq!((listed.data[0].seq, listed.data.len()), (603, 200));
        let every = |d: &WebhookDeliveryView| d.state == DeliveryState::Delivered && d.attempts[0].status == Some(204);
        assert!(listed.data.iter().all(every), "{:?}", listed.data[0]);
        assert!(world.row(all.0).await.last_ok_at.is_some());
    }
}

#[tokio::test]
async fn receiver_that_fails_half_of_the_time_is_told_everything_under_the_same_ids() {
    for world in worlds().await {
        let dice = Mutex::new(7_u64);
        let receiver = Receiver::new(move |_| match next_random(&mut dice.lock().unwrap()) % 8 {
            0..4 => Says { body: "taken".into(), ..says(200) },
            4 | 5 => Says { body: "out of order".into(), ..says(500) },
            6 => says(301),
            _ => says(0),
        });
        let (id, secret) = world.webhook(&receiver.url(), &[]).await;
        let running = world.start();
        for _ in 0..4 {
            world.happen(&[UP; 15]).await;
        }
        let begun = Micros::from_seconds(0);
        until("all are taken", async || {
            let taken: BTreeSet<i64> = receiver.all().iter().filter(|r| r.was_taken()).map(Received::seq).collect();
            if taken.len() < 60 && receiver.all().iter().map(Received::seq).collect::<BTreeSet<_>>().len() == 60 {
                // Every one was tried: what is left need not wait for hours here.
                let mut tx = world.fresh.store.begin("test.press").await.unwrap();
                webhook::resend_since(&mut tx, id, (begun, Which::Failed)).await.unwrap();
                tx.commit().await.unwrap();
                world.sql("UPDATE webhook SET rest_until = 0").await;
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            taken.len() == 60
        })
        .await;
        running.stop().await;
        let got = receiver.all();
        let (mut firsts, mut by_id) = (Vec::new(), HashMap::new());
        for request in &got {
            assert!(is_signed_by(request, &secret));
            let same = by_id.entry(request.id().to_owned()).or_insert_with(|| {
                firsts.push(request.seq());
                request.body.clone()
            });
            assert_eq!(same, &request.body, "the same id says the same");
        }
        assert_eq!(by_id.len(), 60, "{}", world.fresh.name);
        assert_in_order(&firsts);
        assert!(got.len() > 60, "nothing was repeated");
        let mut tx = world.fresh.store.read().await.unwrap();
        let listed = tx.list_webhook_deliveries(id, &DeliveryFilter::default(), Page::newest(200)).await.unwrap();
        let tries: usize = listed.data.iter().map(|d| d.attempts.len()).sum();
        assert_eq!(tries, got.len(), "{}: every try is written down", world.fresh.name);
        let attempts: Vec<_> = listed.data.iter().flat_map(|d| &d.attempts).collect();
        assert!(attempts.iter().any(|a| a.status == Some(500) && a.answer.as_deref() == Some("out of order")));
        assert!(attempts.iter().any(|a| a.status.is_none() && a.error.is_some()));
        assert!(listed.data.iter().all(|d| d.state == DeliveryState::Delivered && d.finished_at.is_some()));
    }
}

#[tokio::test]
async fn two_nodes_tell_each_event_once() {
    for world in worlds().await {
        let receiver = Receiver::new(|_| says(200));
        for _ in 0..3 {
            world.webhook(&receiver.url(), &[]).await;
        }
        let nodes = [world.start(), world.start()];
        for _ in 0..10 {
            world.happen(&[UP; 10]).await;
        }
        until("all are told", async || receiver.all().len() >= 300).await;
        for node in nodes {
            node.stop().await;
        }
        assert_eq!(receiver.all().len(), 300, "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn one_that_is_gone_or_takes_nothing_for_days_is_disabled_with_an_event() {
    for world in worlds().await {
        let gone = Receiver::new(|_| says(410));
        let broken = Receiver::new(|_| says(503));
        let (gone_id, _) = world.webhook(&gone.url(), &[SENT]).await;
        let (broken_id, _) = world.webhook(&broken.url(), &[SENT]).await;
        let witness = Receiver::new(|_| says(200));
        world.webhook(&witness.url(), &[EventType::WebhookDisabled]).await;
        world.sql(&format!("UPDATE webhook SET failures = 20, failing_since = 1 WHERE url = '{}'", broken.url())).await;
        let running = world.start();
        world.happen(&[SENT, SENT]).await;
        until("both are disabled", async || {
            let disabled = async |id| world.row(id).await.state == WebhookState::Disabled;
            disabled(gone_id).await && disabled(broken_id).await
        })
        .await;
        assert_eq!(world.row(gone_id).await.disabled_why, Some(DisabledWhy::Gone));
        assert_eq!(world.row(broken_id).await.disabled_why, Some(DisabledWhy::Failing));
        assert_eq!((gone.all().len(), broken.all().len()), (1, 1), "nothing more is tried");
        world.happen(&[]).await;
        until("it is told", async || witness.all().len() == 2).await;
        let said = witness.all()[0].json();
        assert_eq!((&said["type"], said["data"]["data"]["url"].is_string()), (&json!("webhook.disabled"), true));
        crate::facts::fit_some(&world.fresh.store, crate::facts::BY_WEBHOOKS).await;
        let mut tx = world.fresh.store.begin("test.refused").await.unwrap();
        let refused = webhook::test(&mut tx, &world.clock, gone_id).await;
        assert!(matches!(refused, Err(WebhookError::Disabled)), "{refused:?}");
        drop(tx);
        running.stop().await;
    }
}

#[tokio::test]
async fn what_was_missed_while_disabled_is_told_or_not_as_is_said() {
    for world in worlds().await {
        let receivers = [Receiver::new(|_| says(200)), Receiver::new(|_| says(200))];
        let mut ids = Vec::new();
        for receiver in &receivers {
            ids.push(world.webhook(&receiver.url(), &[]).await.0);
        }
        let set = async |id, state, missed, version| {
            let mut tx = world.fresh.store.begin("test.state").await.unwrap();
            let change = WebhookChange { state: Some(state), missed, version, ..WebhookChange::default() };
            let changed = webhook::change(&mut tx, &world.reach, id, change).await;
            tx.commit().await.unwrap();
            changed
        };
        for id in &ids {
            set(*id, WebhookState::Disabled, Missed::Deliver, Some(1)).await.unwrap();
            assert_eq!(world.row(*id).await.disabled_why, Some(DisabledWhy::ByHand));
        }
        let late = set(ids[0], WebhookState::Enabled, Missed::Deliver, Some(1)).await;
        assert!(matches!(late, Err(WebhookError::Changed)), "{late:?}");
        let running = world.start();
        world.happen(&[UP; 3]).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        assert_eq!(receivers[0].all().len() + receivers[1].all().len(), 0, "disabled");
        set(ids[0], WebhookState::Enabled, Missed::Deliver, None).await.unwrap();
        set(ids[1], WebhookState::Enabled, Missed::Skip, None).await.unwrap();
        world.happen(&[DOWN]).await;
        until("told", async || receivers[0].all().len() == 4 && receivers[1].all().len() == 1).await;
        running.stop().await;
        assert_eq!(receivers[0].all().iter().map(Received::seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(receivers[1].all()[0].seq(), 4, "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn both_secrets_sign_for_a_while_after_a_change() {
    for world in worlds().await {
        let receiver = Receiver::new(|_| says(200));
        let (id, old) = world.webhook(&receiver.url(), &[]).await;
        let mut tx = world.fresh.store.begin("test.rotate").await.unwrap();
        let refused = webhook::rotate(&mut tx, &world.vault, id, (169, None)).await;
        assert!(matches!(refused, Err(WebhookError::Invalid(_))), "{refused:?}");
        let new = webhook::rotate(&mut tx, &world.vault, id, (1, Some(1))).await.unwrap();
        tx.commit().await.unwrap();
        let new = secrecy::ExposeSecret::expose_secret(&new).to_owned();
        let running = world.start();
        world.happen(&[UP]).await;
        until("told", async || receiver.all().len() == 1).await;
        world.sql("UPDATE webhook SET old_secret_until = 1").await;
        world.happen(&[UP]).await;
        until("told again", async || receiver.all().len() == 2).await;
        running.stop().await;
        let got = receiver.all();
        assert!(is_signed_by(&got[0], &old) && is_signed_by(&got[0], &new), "{}", world.fresh.name);
        assert_eq!(got[0].headers["webhook-signature"].split(' ').count(), 2);
        assert!(!is_signed_by(&got[1], &old) && is_signed_by(&got[1], &new));
        check_with_python(&got, &new);
        let row = world.row(id).await;
        let octets = [row.secret_sealed.clone(), row.old_secret_sealed.clone().unwrap()].concat();
        assert!(!octets.windows(8).any(|w| new.as_bytes()[6..].windows(8).any(|s| s == w)), "it is kept sealed");
    }
}

#[tokio::test]
async fn one_or_all_are_sent_once_more_under_the_same_ids_and_tests_are_sent() {
    for world in worlds().await {
        let receiver = Receiver::new(|_| says(200));
        let (id, _) = world.webhook(&receiver.url(), &[]).await;
        let before = world.clock.now();
        let running = world.start();
        world.happen(&[UP; 5]).await;
        until("told", async || receiver.all().len() == 5).await;
        let tx = async || world.fresh.store.begin("test.again").await.unwrap();
        until("written down", async || tx().await.count_pending_deliveries(id, 10).await.unwrap() == 0).await;
        let all = tx().await.list_webhook_deliveries(id, &DeliveryFilter::default(), Page::newest(9)).await.unwrap();
        let third: WebhookDeliveryId = all.data.iter().find(|d| d.seq == 3).unwrap().id;
        let mut begun = tx().await;
        webhook::resend(&mut begun, id, third).await.unwrap();
        let unknown = webhook::resend(&mut begun, id, WebhookDeliveryId(world.clock.new_id())).await;
        assert!(matches!(unknown, Err(WebhookError::NoDelivery(_))), "{unknown:?}");
        begun.commit().await.unwrap();
        until("one more", async || receiver.all().len() == 6).await;
        assert_eq!(receiver.all()[5].id(), receiver.all()[2].id());
        let mut begun = tx().await;
        let none = webhook::resend_since(&mut begun, id, (before, Which::Failed)).await.unwrap();
        assert_eq!(none, Some(0), "nothing failed");
        webhook::resend_since(&mut begun, id, (before, Which::All)).await.unwrap();
        begun.commit().await.unwrap();
        until("all once more", async || receiver.all().len() == 11).await;
        let ids =
            |from: usize| -> Vec<String> { receiver.all()[from..from + 5].iter().map(|r| r.id().to_owned()).collect() };
        assert_eq!(ids(0), ids(6), "{}", world.fresh.name);
        let mut begun = tx().await;
        let test = webhook::test(&mut begun, &world.clock, id).await.unwrap();
        begun.commit().await.unwrap();
        until("a test", async || receiver.all().len() == 12).await;
        running.stop().await;
        let told = receiver.all()[11].clone();
        assert_eq!((told.id(), &told.json()["type"]), (test.to_string().as_str(), &json!("webhook.test")));
        let view = tx().await.get_webhook_delivery(id, test).await.unwrap().unwrap();
        assert_eq!((view.event_id, view.state, view.attempts.len()), (None, DeliveryState::Delivered, 1));
    }
}

#[tokio::test]
async fn a_copied_database_tells_nobody_anything_and_a_webhook_that_was_taken_away_leaves_nothing() {
    for world in worlds().await {
        let receiver = Receiver::new(|_| says(200));
        let (id, _) = world.webhook(&receiver.url(), &[]).await;
        let mut tx = world.fresh.store.begin("test.held").await.unwrap();
        tx.insert_installation(world.clock.new_id(), world.clock.now()).await.unwrap();
        tx.set_installation_held(true).await.unwrap();
        tx.commit().await.unwrap();
        let running = world.start();
        world.happen(&[UP; 2]).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        assert_eq!(receiver.all().len(), 0, "{}", world.fresh.name);
        let mut tx = world.fresh.store.begin("test.released").await.unwrap();
        tx.set_installation_held(false).await.unwrap();
        tx.commit().await.unwrap();
        until("told", async || receiver.all().len() == 2).await;
        running.stop().await;
        let mut tx = world.fresh.store.begin("test.remove").await.unwrap();
        webhook::remove(&mut tx, id, None).await.unwrap();
        let left = tx.list_webhook_deliveries(id, &DeliveryFilter::default(), Page::newest(9)).await.unwrap();
        assert!(left.data.is_empty() && tx.list_webhooks().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_long_or_endless_answers_do_no_harm() {
    for world in worlds().await {
        let inside = Receiver::new(|_| says(200));
        let lead = format!("Location: {}\r\n", inside.url());
        let receiver = Receiver::new(move |r| match r.seq() {
            1 => Says { head: lead.clone(), ..says(307) },
            2 => Says { body: "x\u{1}".repeat(300_000), ..says(200) },
            _ => says(200),
        });
        let (id, _) = world.webhook(&receiver.url(), &[]).await;
        let running = world.start();
        world.happen(&[UP; 3]).await;
        until("told", async || receiver.all().len() == 3).await;
        until("written down", async || {
            let mut tx = world.fresh.store.read().await.unwrap();
            tx.count_pending_deliveries(id, 10).await.unwrap() == 1
        })
        .await;
        running.stop().await;
        let mut tx = world.fresh.store.read().await.unwrap();
        let listed = tx.list_webhook_deliveries(id, &DeliveryFilter::default(), Page::newest(9)).await.unwrap();
        let of = |seq| listed.data.iter().find(|d| d.seq == seq).unwrap();
        assert_eq!((of(1).state, of(1).attempts[0].status), (DeliveryState::Pending, Some(307)));
        assert!(of(1).next_at.is_some());
        assert_eq!(of(2).attempts[0].answer.as_deref().map(str::len), Some(1_000), "{}", world.fresh.name);
        assert_eq!(inside.connections.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}
