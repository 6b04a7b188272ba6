//! `Idempotency-Key`: a request that is sent again acts once, whatever happened to its first answer.

use super::described::{Described, daemon};
use crate::e2e::api::until;
use crate::{seed, stores};
use futures_util::future::{Either, select};
use liaison::lifecycle::Asked;
use serde_json::{Value, json};
use std::pin::pin;

async fn with_key(api: &Described, key: &str, path: &str, body: &Value) -> (u16, Value, bool) {
    let (status, json) = api.ask_with(&format!("Idempotency-Key: {key}"), "POST", path, Some(body)).await;
    (status, json, api.head.lock().unwrap().contains("idempotent-replayed: true"))
}

async fn tasks(api: &Described) -> usize {
    api.well("GET", "/v1/tasks", None).await["data"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_acts_once_and_is_answered_as_the_first_time() {
    for fresh in stores::both().await {
        let api = daemon(fresh).await;
        let call = json!({"text": "call her"});
        let first = with_key(&api, "a 1", "/v1/tasks", &call).await;
        assert_eq!((first.0, first.2), (201, false), "{first:?}");
        let again = with_key(&api, "a 1", "/v1/tasks", &call).await;
        assert_eq!((again.0, &again.1, again.2), (201, &first.1, true));
        assert_eq!(tasks(&api).await, 1, "{}", api.fresh.name);
        let other = with_key(&api, "a 1", "/v1/tasks", &json!({"text": "call him"})).await;
        assert_eq!((other.0, &other.1["code"]), (422, &json!("key_reused")));
        let other = with_key(&api, "a 1", "/v1/suppressions", &json!({"address": "x@example.org"})).await;
        assert_eq!(other.1["code"], "key_reused", "the path belongs to the request");
        assert_eq!(with_key(&api, "b", "/v1/tasks", &call).await.0, 201, "another key is another request");
        assert_eq!(tasks(&api).await, 2);

        // A refusal changes nothing and is not kept.
        assert_eq!(with_key(&api, "c", "/v1/tasks", &json!({"text": " "})).await.0, 422);
        assert_eq!(with_key(&api, "c", "/v1/tasks", &call).await.0, 201);
        for bad in ["", &"k".repeat(201), "ä"] {
            assert_eq!(with_key(&api, bad, "/v1/tasks", &call).await.1["code"], "bad_idempotency_key", "{bad}");
        }
        let huge = json!({"text": "x".repeat(2_000_000)});
        assert_eq!(with_key(&api, "d", "/v1/tasks", &huge).await.0, 413);

        // What only computes is kept as well.
        let files = json!({"files": {"sequence.toml": "name = 1"}});
        let checked = with_key(&api, "e", "/v1/sequences/check", &files).await;
        assert_eq!(checked.0, 200, "{checked:?}");
        assert!(with_key(&api, "e", "/v1/sequences/check", &files).await.2);

        // A secret is shown once and not kept, not even for its owner.
        let new = json!({"name": "reports", "scopes": ["read"]});
        let made = with_key(&api, "f", "/v1/tokens", &new).await;
        assert!(made.1["token"].as_str().unwrap().starts_with("lia_"));
        let again = with_key(&api, "f", "/v1/tokens", &new).await;
        assert_eq!((again.0, &again.1["code"]), (409, &json!("answer_lost")));
        let listed = api.well("GET", "/v1/tokens", None).await;
        assert_eq!(listed["data"].as_array().unwrap().iter().filter(|t| t["name"] == "reports").count(), 1);
        api.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_one_does_not_overtake_the_first_and_an_asker_who_leaves_finds_the_answer() {
    let Some(fresh) = stores::postgres().await else {
        return crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
    };
    let api = daemon(fresh).await;
    let ana = seed::influencer(&api.fresh, &api.clock).await;
    let path = format!("/v1/influencers/{ana}/hold");
    let body = json!({"until": "2100-01-01T00:00:00Z"});

    // Whoever claims first waits for the row of the influencer, which is locked here.
    let mut lock = api.fresh.store.begin("test.lock").await.unwrap();
    lock.lock_influencer(ana).await.unwrap();
    let one = pin!(with_key(&api, "one", &path, &body));
    let two = pin!(with_key(&api, "one", &path, &body));
    let (early, late) = match select(one, two).await {
        Either::Left((early, late)) => (early, late),
        Either::Right((early, late)) => (early, late),
    };
    assert_eq!((early.0, &early.1["code"]), (409, &json!("in_progress")));
    drop(lock);
    assert_eq!(late.await.0, 200);
    assert!(with_key(&api, "one", &path, &body).await.2);

    // An asker who hangs up while it is worked on.
    let mut lock = api.fresh.store.begin("test.lock").await.unwrap();
    lock.lock_influencer(ana).await.unwrap();
    let body = json!({"until": "2101-01-01T00:00:00Z"});
    {
        let gone = pin!(with_key(&api, "two", &path, &body));
        let claimed = pin!(until("a claim", || async {
            (seed::count(&api.fresh, "SELECT COUNT(*) FROM idempotency WHERE key = 'two'").await == 1).then_some(())
        }));
        assert!(matches!(select(gone, claimed).await, Either::Right(_)));
    }
    drop(lock);
    let found = until("the answer", || async {
        let answer = with_key(&api, "two", &path, &body).await;
        (answer.1["code"] != "in_progress").then_some(answer)
    })
    .await;
    assert_eq!((found.0, found.2), (200, true), "{found:?}");
    assert_eq!(found.1["held_until"], "2101-01-01T00:00:00.000000Z");
    api.stop().await;
}

impl Described {
    /// Stops the daemon.
    pub async fn stop(&self) {
        self.send(Asked::Stop).await;
    }
}
