//! `liaison webhook`, as people run it beside a daemon.

use super::receiver::{Receiver, says};
use crate::daemon::Installation;
use crate::stores;
use serde_json::Value;

fn json(home: &Installation, arguments: &[&str]) -> Value {
    let (well, told) = home.command(&[arguments, &["--json"]].concat());
    assert!(well, "{arguments:?}: {told}\n{}", home.last_words());
    serde_json::from_str(&told).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {told}"))
}

/// `key` is how the configuration names the master key; as a credential only the daemon can read it.
fn go_through(key: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sections = format!("[secrets]\nmaster_key = {key}\n[webhooks]\nallow = [\"127.0.0.1\"]\n");
    let fresh = runtime.block_on(stores::sqlite());
    let home = runtime.block_on(Installation::bare(fresh, &sections, &[("master-key", super::MASTER_KEY)]));
    let receiver = Receiver::new(|_| says(204));
    let mut daemon = home.start();
    home.await_up(&mut daemon);
    let made = json(&home, &["webhook", "add", &receiver.url(), "--event", "account.up,task.created"]);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(secret.starts_with("whsec_") && made["events"].as_array().unwrap().len() == 2, "{made}");
    let (well, told) = home.command(&["webhook", "add", "https://[::1]/"]);
    assert!(!well && told.contains("[webhooks] allow"), "{told}");
    let (well, told) = home.command(&["webhook", "add", "https://a.example/", "--event", "message.eaten"]);
    assert!(!well && told.contains("message.eaten"), "{told}");
    let (well, told) = home.command(&["webhook", "test", id]);
    assert!(well && told.starts_with("204 after "), "{told}\n{}", home.last_words());
    assert_eq!(receiver.all()[0].json()["type"], "webhook.test");
    let new = json(&home, &["webhook", "rotate", id, "--overlap", "2"]);
    assert!(new["secret"] != made["secret"] && new["old_secret_until"].is_string(), "{new}");
    let delivery = json(&home, &["webhook", "deliveries", id, "--state", "delivered"])["data"][0].clone();
    assert_eq!(delivery["attempts"][0]["status"], 204);
    let again = json(&home, &["webhook", "resend", id, delivery["id"].as_str().unwrap()]);
    assert_eq!(again["deliveries"], 1);
    assert_eq!(json(&home, &["webhook", "resend", id, "--since", "2026-01-01", "--failed"])["deliveries"], 0);
    assert!(json(&home, &["webhook", "resend", id, "--since", "2026-01-01"])["deliveries"].is_null());
    assert_eq!(json(&home, &["webhook", "disable", id])["state"], "disabled");
    let (well, told) = home.command(&["webhook", "test", id]);
    assert!(!well && told.contains("enable it first"), "{told}");
    assert_eq!(json(&home, &["webhook", "enable", id, "--skip-missed"])["state"], "enabled");
    let changed = json(&home, &["webhook", "change", id, "--all-events", "--description", "reports"]);
    assert_eq!((&changed["events"], &changed["description"]), (&serde_json::json!([]), &serde_json::json!("reports")));
    for arguments in [vec!["webhook", "list"], vec!["webhook", "deliveries", id]] {
        let (well, told) = home.command(&arguments);
        assert!(well && (told.contains("enabled") || told.contains("webhook.test")), "{told}");
    }
    assert_eq!(json(&home, &["webhook", "remove", id])["removed"], true);
    assert_eq!(json(&home, &["webhook", "list"])["data"], serde_json::json!([]));
    daemon.kill();
}

#[test]
fn webhooks_are_made_tried_changed_and_taken_away() {
    go_through("{ file = \"master-key\" }");
}

#[test]
fn daemon_makes_the_secret_where_only_it_can_read_the_key() {
    go_through("{ credential = \"master-key\" }");
}

#[test]
fn without_a_key_it_is_said_what_to_do() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fresh = runtime.block_on(stores::sqlite());
    let home = runtime.block_on(Installation::bare(fresh, "", &[]));
    let (well, told) = home.command(&["webhook", "add", "https://a.example/"]);
    assert!(!well && told.contains("write [secrets] master_key"), "{told}");
}
