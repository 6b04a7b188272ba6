//! Who asks too often is told to wait, and nobody else is.

use super::Api;
use super::described::{Described, daemon_with};
use super::listeners::{Server, limits};
use crate::stores;
use liaison::config::server::Rates;
use liaison::http::limit::Limits;
use serde_json::{Value, json};

/// Asks until there is a 429, which must come; how many answers came before it, and the wait it names.
async fn until_refused(api: &Described, path: &str, more: &str, well: u16) -> (usize, Value) {
    for n in 0..200 {
        let (status, problem) = api.ask_as(("GET", path), None, more).await;
        if status == 429 {
            let head = api.head.lock().unwrap().clone();
            let wait = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).expect("how long to wait");
            assert!((1..=61).contains(&wait.parse::<u64>().unwrap()), "{wait}");
            return (n, problem);
        }
        assert_eq!(status, well, "{problem}");
    }
    panic!("{path}: nobody was refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_often_is_told_to_wait() {
    let rates = "requests_per_minute = 20\nrefused_per_minute = 10\npublic_requests_per_minute = 10";
    let api = daemon_with(stores::sqlite().await, rates).await;
    let made = api.well("POST", "/v1/tokens", Some(json!({"name": "reports", "scopes": ["read"]}))).await;
    let token = format!("Authorization: Bearer {}\r\n", made["token"].as_str().unwrap());
    let (before, problem) = until_refused(&api, "/v1/accounts", &token, 200).await;
    assert!(before >= 20, "{before}");
    assert_eq!(problem["code"], "too_many_requests");
    api.well("GET", "/v1/accounts", None).await;

    // Guessing tokens ends for the address; whoever has a good one there goes on.
    let (before, problem) = until_refused(&api, "/v1/accounts", "Authorization: Bearer lia_x\r\n", 401).await;
    assert!(before >= 10, "{before}");
    assert!(problem["detail"].as_str().unwrap().contains("from this address"), "{problem}");
    api.well("GET", "/v1/accounts", None).await;
    assert_eq!(api.ask_as(("GET", "/livez"), None, "").await.0, 200, "whoever watches is answered");

    // Readers of mail have a limit of their own, and whoever says no is never refused.
    let (before, _) = until_refused(&api, "/u/nothing", "", 404).await;
    assert!(before >= 10, "{before}");
    assert_eq!(api.ask_as(("POST", "/u/nothing"), None, "").await.0, 404);
    api.stop().await;
}

/// The store is closed: whatever is looked up fails, so an answer that is no failure looked nothing up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_refused_too_often_costs_no_look_into_the_store() {
    let api = Api::sqlite().await;
    let server =
        Server::api_with(&api, limits(8), Limits::new(Rates { refused: 3, ..Rates::default() }, Vec::new())).await;
    let ask = async |token: &str| {
        let head = format!(
            "GET /v1/accounts HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        server.ask(head.as_bytes()).await[9..12].to_owned()
    };
    let guess = |n: usize| format!("lia_{n:043}");
    assert_eq!(ask(&api.token).await, "200");
    for n in 0..3 {
        assert_eq!(ask(&guess(n)).await, "401");
    }
    assert_eq!(ask(&api.token).await, "200", "who was good before goes on");
    api.fresh.store.close().await;
    assert!(ask(&api.token).await.starts_with('5'), "it is looked up all the same");
    for n in 10..20 {
        assert_eq!(ask(&guess(n)).await, "429");
    }
}
