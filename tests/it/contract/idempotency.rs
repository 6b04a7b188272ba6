//! Requests with a key: what is committed under one is marked in the same transaction, and one that is gone leaves no lie.

use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::TokenId;
use liaison::domain::words::Scope;
use liaison::store::StoreError;
use liaison::store::idempotency::{Claimed, KeptAnswer, Receipt};
use liaison::store::token::TokenView;

async fn token(fresh: &stores::Fresh, clock: &Clock) -> TokenId {
    let id = TokenId(clock.new_id());
    let view = TokenView {
        id,
        name: "tests".into(),
        scopes: vec![Scope::Write],
        created_at: seed::at(0),
        expires_at: None,
        revoked_at: None,
    };
    let mut tx = fresh.store.begin("test.token").await.unwrap();
    tx.insert_token(&view, id.0.as_bytes().to_vec()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn claim(fresh: &stores::Fresh, receipt: &Receipt, request: u8) -> Claimed {
    let mut tx = fresh.store.begin("test.claim").await.unwrap();
    let claimed = tx.claim_request(receipt, vec![request]).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

/// An effect: an account of this name.
async fn act(fresh: &stores::Fresh, name: &str) -> Result<(), StoreError> {
    let mut tx = fresh.store.begin("test.act").await?;
    tx.ensure_account(name, "imap", "a@example.test", seed::at(0)).await?;
    tx.commit().await
}

async fn accounts(fresh: &stores::Fresh) -> usize {
    fresh.store.read().await.unwrap().list_accounts().await.unwrap().len()
}

#[tokio::test]
async fn a_request_is_marked_with_its_effect_and_with_nothing_else() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let token = token(&fresh, &clock).await;
        let attempt = |key: &str| Receipt { token, key: key.into(), attempt: clock.new_id() };
        let (first, again) = (attempt("k"), attempt("k"));
        assert_eq!(claim(&fresh, &first, 1).await, Claimed::Ours, "{}", fresh.name);
        assert_eq!(claim(&fresh, &again, 1).await, Claimed::Running);
        assert_eq!(claim(&fresh, &again, 2).await, Claimed::Other);

        // A transaction that is given up marks nothing, nor do reads and what others commit.
        let given_up = async {
            let mut tx = fresh.store.begin("test.act").await.unwrap();
            tx.ensure_account("dropped", "imap", "a@example.test", seed::at(0)).await.unwrap();
            drop(tx);
            fresh.store.snapshot().await.unwrap().commit().await.unwrap();
            fresh.store.read().await.unwrap().commit().await.unwrap();
        };
        first.clone().cover(given_up).await;
        act(&fresh, "beside").await.unwrap();
        assert_eq!(claim(&fresh, &again, 1).await, Claimed::Running);

        first.clone().cover(act(&fresh, "one")).await.unwrap();
        assert_eq!(claim(&fresh, &again, 1).await, Claimed::Done);
        first.clone().cover(act(&fresh, "two")).await.unwrap();
        let mut tx = fresh.store.begin("test.give_back").await.unwrap();
        tx.give_request_back(&first).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim(&fresh, &again, 1).await, Claimed::Done, "what acted is not given back");
        let answer = KeptAnswer { status: 201, media: "application/json".into(), body: b"{}".to_vec() };
        let mut tx = fresh.store.begin("test.answer").await.unwrap();
        tx.keep_answer(&first, answer.clone()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim(&fresh, &again, 1).await, Claimed::Answered(answer));

        let refused = attempt("refused");
        assert_eq!(claim(&fresh, &refused, 1).await, Claimed::Ours);
        let mut tx = fresh.store.begin("test.give_back").await.unwrap();
        tx.give_request_back(&refused).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim(&fresh, &attempt("refused"), 9).await, Claimed::Ours);
    }
}

#[tokio::test]
async fn one_that_sleeps_through_its_time_can_keep_nothing_any_more() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let token = token(&fresh, &clock).await;
        let attempt = || Receipt { token, key: "k".into(), attempt: clock.new_id() };
        let (slow, quick) = (attempt(), attempt());
        assert_eq!(claim(&fresh, &slow, 1).await, Claimed::Ours);
        let age = |seconds: i64| format!("UPDATE idempotency SET begun_at = begun_at - {}", seconds * 1_000_000);
        seed::run(&fresh, &age(119), &[]).await;
        assert_eq!(claim(&fresh, &quick, 1).await, Claimed::Running);
        seed::run(&fresh, &age(2), &[]).await;
        assert_eq!(claim(&fresh, &quick, 1).await, Claimed::Ours, "{}", fresh.name);
        let refused = slow.clone().cover(act(&fresh, "slow")).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
        assert_eq!(accounts(&fresh).await, 0, "nothing of the slow one was kept");
        quick.clone().cover(act(&fresh, "quick")).await.unwrap();
        assert_eq!(accounts(&fresh).await, 1);

        // What acted is never done again, however old, until it is forgotten after a day.
        seed::run(&fresh, &age(23 * 3_600), &[]).await;
        assert_eq!(claim(&fresh, &attempt(), 1).await, Claimed::Done);
        seed::run(&fresh, &age(3_600), &[]).await;
        assert_eq!(claim(&fresh, &attempt(), 2).await, Claimed::Ours);
    }
}
