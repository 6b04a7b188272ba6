//! What is one message's own trouble stops no other, and what a mailbox can't be asked proves nothing.

use super::{run, until};
use crate::outbox_bench::{self, Does, Provider, settings};
use liaison::domain::words::{AccountState, OutboxStatus};
use liaison::hub::enqueue;
use liaison::hub::outreach::pause;
use liaison::hub::settle::{self, SettleError, Settlement};
use liaison::outbound::SendingSettings;
use liaison::outbound::reconcile::Reconciler;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Absence does not settle where the same search does not find what is known to lie there: some servers don't search in headers.
#[tokio::test]
async fn absence_settles_only_where_the_search_finds_what_is_known_to_be_there() {
    for bench in outbox_bench::both().await {
        let mut tx = bench.begin().await;
        tx.set_filing_seen("brand", bench.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let provider = Provider::new(true, |n| if n == 0 { Does::TakesSilently } else { Does::Takes });
        let running = run(bench.tools(), settings(), &provider);
        let first = bench.enqueue(1).await[0];
        running.wake.wake();
        until("it is uncertain", async || bench.count(OutboxStatus::Uncertain).await == 1).await;
        let mut reconciler = Reconciler::new(bench.tools(), settings(), Some(provider.sources()), running.wake.clone());
        provider.is_blind.store(true, Ordering::SeqCst);
        let mut look = async |times: usize| {
            for _ in 0..times {
                tokio::time::sleep(Duration::from_millis(20)).await;
                bench.sql("UPDATE outbox SET look_at = 1 WHERE status = 'uncertain'").await;
                reconciler.look_once().await.unwrap();
            }
        };
        look(10).await;
        assert_eq!(bench.count(OutboxStatus::Uncertain).await, 1, "{}: nothing else was sent yet", bench.name());
        // Another one is known to be there, and is not found either.
        let mut tx = bench.begin().await;
        let order = bench.order(&[outbox_bench::address(1)]);
        enqueue::enqueue(&mut tx, &bench.clock, order).await.unwrap();
        tx.commit().await.unwrap();
        running.wake.wake();
        until("the other is sent", async || bench.count(OutboxStatus::Confirmed).await == 1).await;
        look(10).await;
        assert_eq!(bench.count(OutboxStatus::Uncertain).await, 1, "{}: the search is blind", bench.name());
        provider.is_blind.store(false, Ordering::SeqCst);
        look(1).await;
        let mut tx = bench.fresh.store.read().await.unwrap();
        assert_eq!(bench.status(&mut tx, first).await, OutboxStatus::Confirmed, "{}", bench.name());
        drop(tx);
        running.stop().await;
        assert!(provider.taken().values().all(|n| *n == 1), "{}: sent twice", bench.name());
        assert_eq!(provider.offers.lock().unwrap().len(), 2);
    }
}

/// What a server does at one message may be about that message only: an account must not be tried with it again and again.
#[tokio::test]
async fn message_at_which_a_server_stops_the_account_lets_the_others_go() {
    let held = [Does::RecipientPolicy, Does::ContentPolicy];
    for bench in outbox_bench::both().await {
        for does in [Does::RecipientPolicy, Does::ContentPolicy, Does::ClosesAtRecipient, Does::LostAtRecipient] {
            bench.sql("UPDATE account SET sending_state = 'up'").await;
            bench.sql("UPDATE outbox SET status = 'cancelled'").await;
            let ids = bench.enqueue(5).await;
            let provider = Provider::new(false, |_| Does::Takes);
            *provider.at.lock().unwrap() = Some((outbox_bench::address(0), does));
            let one = SendingSettings { sessions: 1, ..settings() };
            let tries = || {
                provider.offers.lock().unwrap().iter().filter(|m| m.recipients == [outbox_bench::address(0)]).count()
            };
            let others = async || {
                let mut tx = bench.fresh.store.read().await.unwrap();
                let mut confirmed = 0;
                for id in &ids[1..] {
                    confirmed += usize::from(bench.status(&mut tx, *id).await == OutboxStatus::Confirmed);
                }
                confirmed
            };
            let state = async || {
                let mut tx = bench.fresh.store.read().await.unwrap();
                tx.get_account("brand").await.unwrap().unwrap()
            };
            let running = run(bench.tools(), one.clone(), &provider);
            if held.contains(&does) {
                until("the account is paused", async || state().await.sending_state == AccountState::Paused).await;
                running.stop().await;
                let detail = state().await.sending_detail.unwrap();
                assert!(detail.contains(&ids[0].to_string()) && detail.contains(&outbox_bench::address(0)), "{detail}");
                let mut tx = bench.begin().await;
                assert!(pause::resume_account(&mut tx, &bench.clock, "brand", "kim").await.unwrap());
                tx.commit().await.unwrap();
                let running = run(bench.tools(), one, &provider);
                until("the others are sent", async || others().await == 4 || tries() > 1).await;
                running.stop().await;
                assert_eq!(state().await.sending_state, AccountState::Up, "{}: {does:?}", bench.name());
            } else {
                until("the others are sent", async || others().await == 4 || tries() > 2).await;
                running.stop().await;
            }
            assert_eq!((others().await, tries()), (4, 1), "{}: {does:?}", bench.name());
            let mut tx = bench.fresh.store.read().await.unwrap();
            let (row, last) =
                (tx.get_outbox(ids[0]).await.unwrap().unwrap(), tx.get_outbox(ids[4]).await.unwrap().unwrap());
            assert_eq!((row.status, row.failures), (OutboxStatus::Deferred, 1), "{}: {row:?}", bench.name());
            assert_eq!(row.held_reason.is_some(), held.contains(&does), "{}: {row:?}", bench.name());
            assert!(row.due_at > last.due_at, "{}: {row:?}", bench.name());
        }
    }
}

/// Mail that was held for a server's policy goes when a person says so, or is taken back.
#[tokio::test]
async fn message_that_a_policy_holds_is_settled_by_a_person() {
    for bench in outbox_bench::both().await {
        bench.sql("UPDATE account SET sending_state = 'up'").await;
        let ids = bench.enqueue(2).await;
        let provider = Provider::new(false, |_| Does::RecipientPolicy);
        for _ in 0..2 {
            bench.sql("UPDATE account SET sending_state = 'up'").await;
            let running = run(bench.tools(), SendingSettings { sessions: 1, ..settings() }, &provider);
            until("the account is paused", async || {
                let mut tx = bench.fresh.store.read().await.unwrap();
                tx.get_account("brand").await.unwrap().unwrap().sending_state == AccountState::Paused
            })
            .await;
            running.stop().await;
        }
        let mut tx = bench.begin().await;
        let sent = settle::settle_by_person(&mut tx, &bench.clock, ids[0], Settlement::Sent).await.unwrap_err();
        assert!(matches!(sent, SettleError::State(OutboxStatus::Deferred)), "{sent:?}");
        settle::settle_by_person(&mut tx, &bench.clock, ids[0], Settlement::SendAgain).await.unwrap();
        settle::settle_by_person(&mut tx, &bench.clock, ids[1], Settlement::Drop).await.unwrap();
        tx.commit().await.unwrap();
        bench.sql("UPDATE account SET sending_state = 'up'").await;
        let provider = Provider::new(false, |_| Does::Takes);
        let running = run(bench.tools(), settings(), &provider);
        until("the first is sent", async || bench.count(OutboxStatus::Confirmed).await == 1).await;
        running.stop().await;
        let mut tx = bench.fresh.store.read().await.unwrap();
        assert_eq!(bench.status(&mut tx, ids[0]).await, OutboxStatus::Confirmed, "{}", bench.name());
        assert_eq!(bench.status(&mut tx, ids[1]).await, OutboxStatus::Cancelled, "{}", bench.name());
    }
}
