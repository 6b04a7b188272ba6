//! What becomes of a connection whose server went away.

use std::collections::HashSet;
use std::time::Duration;

use crate::stores::{self, Raw};
use liaison::clock::Clock;
use liaison::domain::words::Scope;
use liaison::hub::token::{TokenOrder, create_token};
use liaison::store::reading::Page;

/// Opens so many connections, and ends them all at the server, as a restart does. They lie ready as if they were alive.
async fn lay_dead(fresh: &stores::Fresh, connections: usize) {
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut tx = fresh.store.read().await.unwrap();
        tx.list_tokens().await.unwrap();
        open.push(tx);
    }
    drop(open);
    // They are given back by tasks of their own, which ask the server first.
    tokio::time::sleep(Duration::from_millis(100)).await;
    end_all(fresh, connections).await;
}

async fn end_all(fresh: &stores::Fresh, at_least: usize) {
    let Raw::Postgres(mut c) = stores::raw_connection(&fresh.place).await else { panic!("not postgres") };
    let ended: Vec<(bool,)> = sqlx::query_as(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .fetch_all(&mut c)
    .await
    .unwrap();
    assert!(ended.len() >= at_least && ended.iter().all(|(done,)| *done), "{ended:?}");
}

#[tokio::test]
async fn a_connection_that_is_gone_is_replaced_and_nobody_is_told() {
    let Some(fresh) = stores::postgres().await else { return crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    // A read that has its connection already.
    let mut tx = fresh.store.read().await.unwrap();
    tx.list_tokens().await.unwrap();
    end_all(&fresh, 1).await;
    assert_eq!(tx.list_tokens().await.unwrap(), Vec::new());
    assert_eq!(tx.list_threads(&Default::default(), Page::newest(5)).await.unwrap().data, Vec::new());
    drop(tx);

    lay_dead(&fresh, 5).await;
    let all = (0..20).map(|_| async { fresh.store.read().await.unwrap().list_tokens().await });
    for read in futures_util::future::join_all(all).await {
        assert_eq!(read.unwrap(), Vec::new());
    }

    // Transactions that write, and those that see one state.
    lay_dead(&fresh, 5).await;
    let (clock, mut made) = (Clock::machine(), HashSet::new());
    for n in 0..3 {
        let mut tx = fresh.store.begin("test.gone").await.unwrap();
        let order = TokenOrder { name: n.to_string(), scopes: vec![Scope::Read], expires_at: None };
        made.insert(create_token(&mut tx, &clock, order).await.unwrap().0.id);
        tx.commit().await.unwrap();
    }
    lay_dead(&fresh, 5).await;
    let kept = fresh.store.snapshot().await.unwrap().list_tokens().await.unwrap();
    assert_eq!(kept.into_iter().map(|token| token.id).collect::<HashSet<_>>(), made);
    lay_dead(&fresh, 5).await;
    assert_eq!(fresh.store.survey().await.unwrap().list_tokens().await.unwrap().len(), 3);
}

/// Whoever asked goes away while the server is told to begin: a request whose client is gone.
#[tokio::test]
async fn a_transaction_that_nobody_waits_for_any_more_is_nobody_elses() {
    // As many as there are at all.
    const AT_ONCE: usize = 16;
    let Some(fresh) = stores::postgres().await else { return crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    let mut all = Vec::new();
    for _ in 0..AT_ONCE {
        all.push(fresh.store.snapshot().await.unwrap());
    }
    all.clear();
    for round in 0..400 {
        let mut begun = Box::pin(fresh.store.snapshot());
        for _ in 0..=round % 40 {
            if futures_util::poll!(begun.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // Of reads alone: what is written on such a connection fails, or is written in somebody else's transaction.
    for n in 0..AT_ONCE {
        let mut tx = fresh.store.begin("test.gone").await.unwrap();
        let order = TokenOrder { name: n.to_string(), scopes: vec![Scope::Read], expires_at: None };
        create_token(&mut tx, &Clock::machine(), order).await.unwrap();
        all.push(tx);
    }
}

#[tokio::test]
async fn a_transaction_whose_connection_goes_away_fails_and_keeps_nothing() {
    let Some(fresh) = stores::postgres().await else { return crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    let mut tx = fresh.store.begin("test.gone").await.unwrap();
    let order = TokenOrder { name: "half".into(), scopes: vec![Scope::Read], expires_at: None };
    create_token(&mut tx, &Clock::machine(), order).await.unwrap();
    end_all(&fresh, 1).await;
    let error = tx.list_tokens().await.unwrap_err();
    assert!(matches!(error, liaison::store::StoreError::Unavailable(_)), "{error:?}");
    drop(tx);
    assert_eq!(fresh.store.read().await.unwrap().list_tokens().await.unwrap(), Vec::new());
}
