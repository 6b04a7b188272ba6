//! Who asks too often is told to wait, and nobody else is.

use super::described::{Described, daemon_with};
use crate::stores;
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
