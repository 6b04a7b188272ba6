//! Seeing before sending, over the API: simulations of whom a filter finds, of files that are not published, and as CSV; the
//! tests beside a sequence; files that are no text; and a preview that is really sent.

use super::described::{Described, daemon};
use crate::stores;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison::domain::words::SuppressionReason;
use liaison::hub::people::{NewSuppression, suppress_address};
use serde_json::{Value, json};

const DRAFT: &str = r#"
name = "Autumn"
account = "brand"

[schedule]
timezone = "influencer"
fallback = "Europe/Lisbon"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
hours = ["09:00-18:00"]

[[step]]
id = "hello"
email = "hello.md"
"#;

const TESTS: &str = r#"
[[test]]
name = "one mail"
timezone = "Europe/Lisbon"
start = "2027-03-02 06:00"
days = 10
expect = ["2027-03-02 hello"]
"#;

/// Octets that are no UTF-8.
const FILE: [u8; 6] = [0x89, 0x50, 0xff, 0xfe, 0x00, 0x0a];

/// The files of a sequence that is not there yet, with a file that is no text.
fn draft(tests: &str) -> Value {
    json!({
        "sequence.toml": DRAFT,
        "hello.md": "---\nsubject: Hello\nattachments: [\"shoe.png\"]\n---\nHello {{ influencer.handle }}.\n",
        "shoe.png": {"content_base64": STANDARD.encode(FILE)},
        "tests.toml": tests,
    })
}

async fn refused(api: &Described, path: &str, body: Value, pointer: &str) -> Value {
    let (status, problem) = api.ask("POST", path, Some(&body)).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{path}: {problem}");
    problem
}

fn whom(told: &Value) -> Vec<&str> {
    told["people"].as_array().unwrap().iter().map(|p| p["handle"].as_str().unwrap()).collect()
}

/// There are `@ana`, a runner, and `@ana.b`.
pub async fn simulations(api: &Described) {
    let path = "/v1/sequences/spring/simulate";
    let told = api.well("POST", path, Some(json!({"filter": {"tag": "runner"}, "days": 20}))).await;
    assert_eq!(whom(&told), ["@ana"], "{told}");
    let told = api.well("POST", path, Some(json!({"filter": {}, "days": 20}))).await;
    assert_eq!(whom(&told).len(), 2, "{told}");
    let told = api.well("POST", path, Some(json!({"influencers": ["@ana", "ana@example.org"], "days": 20}))).await;
    assert_eq!(whom(&told), ["@ana"], "{told}");
    refused(api, path, json!({"filter": {"tag": "nobody"}}), "/filter").await;
    refused(api, path, json!({"filter": {"tier": "giga"}}), "/filter/tier").await;
    refused(api, path, json!({"filter": {"stage": "nowhere"}}), "/filter/stage").await;
    refused(api, path, json!({"filter": {}, "influencers": ["@ana"]}), "").await;
    refused(api, path, json!({"influencers": ["@ana", "@nobody"]}), "/influencers/1").await;

    let csv = api.well("POST", path, Some(json!({"influencers": ["@ana"], "days": 20, "format": "csv"}))).await;
    let lines: Vec<&str> = csv.as_str().unwrap().lines().collect();
    assert!(lines.len() > 1 && lines.iter().skip(1).all(|line| line.contains("@ana")), "{csv}");
    assert!(api.head.lock().unwrap().contains("content-type: text/csv"));

    let path = "/v1/sequences/autumn/simulate";
    assert_eq!(api.ask("POST", path, Some(&json!({"influencers": ["@ana"]}))).await.0, 404);
    let asked = json!({"influencers": ["@ana"], "days": 20, "files": draft(TESTS)});
    let told = api.well("POST", path, Some(asked)).await;
    let sent = told["entries"].as_array().unwrap().iter().filter(|e| e["what"] == "sent");
    assert_eq!(sent.map(|e| e["step"].as_str().unwrap()).collect::<Vec<_>>(), ["hello"], "{told}");
    assert_eq!(api.ask("GET", "/v1/sequences/autumn", None).await.0, 404, "it was published");
    let faulty = json!({"files": {"sequence.toml": "name = 1"}});
    let (status, problem) = api.ask("POST", path, Some(&faulty)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("faulty_files")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("sequence.toml:1"), "{problem}");
    assert!(!problem["detail"].as_str().unwrap().contains("/tmp"), "{problem}");
}

pub async fn tests_and_files(api: &Described) {
    let none = api.well("POST", "/v1/sequences/spring/test", None).await;
    assert_eq!(none, json!({"ok": true, "tests": 0, "failed": 0, "findings": []}));
    assert_eq!(api.ask("POST", "/v1/sequences/autumn/test", None).await.0, 404);

    let (path, check) = ("/v1/sequences/autumn/test", "/v1/sequences/check");
    let well = api.well("POST", path, Some(json!({"files": draft(TESTS)}))).await;
    assert_eq!(well, json!({"ok": true, "tests": 1, "failed": 0, "findings": []}));
    let late = TESTS.replace("2027-03-02 hello", "2027-03-03 hello");
    let told = api.well("POST", path, Some(json!({"files": draft(&late)}))).await;
    assert_eq!((&told["ok"], &told["tests"], &told["failed"]), (&json!(false), &json!(1), &json!(1)), "{told}");
    assert_eq!(told["findings"][0]["file"], "tests.toml", "{told}");

    let checked = api.well("POST", check, Some(json!({"id": "autumn", "files": draft(TESTS)}))).await;
    let told: Vec<&str> = checked["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    // The account of this house is at another domain than its links.
    assert_eq!((&checked["errors"], told), (&json!(0), vec!["L055"]), "{checked}");
    let odd = TESTS.replace("2027-03-02 hello", "2027-03-02 hallo");
    let checked = api.well("POST", check, Some(json!({"id": "autumn", "files": draft(&odd)}))).await;
    assert_eq!(checked["errors"], 1, "{checked}");
    let told = checked["findings"].as_array().unwrap().iter().find(|f| f["severity"] == "error").unwrap();
    assert_eq!((&told["file"], &told["code"]), (&json!("tests.toml"), &json!("L036")), "{checked}");

    let mut files = draft(TESTS);
    files["shoe.png"] = json!({"content_base64": "no base64"});
    let problem = refused(api, check, json!({"files": files}), "/files/shoe.png").await;
    assert!(problem["detail"].as_str().unwrap().contains("content_base64"), "{problem}");
    files["shoe.png"] = json!("a");
    files["shoe.png/b"] = json!("b");
    refused(api, check, json!({"files": files}), "/files/shoe.png").await;
}

pub async fn previews_sent(api: &Described) {
    let path = "/v1/sequences/spring/preview/send";
    let sent = api.well("POST", path, Some(json!({"as": "@ana", "step": "intro", "to": "me"}))).await;
    assert_eq!((&sent["account"], &sent["to"]), (&json!("brand"), &json!(["brand@example.test"])), "{sent}");
    let mail = api.well("GET", &format!("/v1/messages/{}", sent["message_id"].as_str().unwrap()), None).await;
    assert_eq!((&mail["subject"], &mail["sequence"]), (&json!("A tee"), &Value::Null), "{mail}");
    assert!(mail["text"].as_str().unwrap().contains("preview of the step intro"), "{mail}");
    refused(api, path, json!({"as": "@ana", "to": "me"}), "/step").await;
    refused(api, path, json!({"as": "@ana", "step": "intro", "to": "nobody"}), "/to").await;
    refused(api, path, json!({"as": "@ana", "step": "intro", "to": "ana@example.org"}), "/to").await;
    refused(api, path, json!({"as": "@nobody", "step": "intro", "to": "me"}), "/as").await;
}

/// What is paused is seen wherever somebody looks for what is sent.
async fn pauses(api: &Described, ana: &str) {
    let seen = async || {
        let sequence = api.well("GET", "/v1/sequences/spring", None).await;
        let listed = api.well("GET", "/v1/sequences", None).await;
        assert_eq!(listed["data"][0], sequence);
        let account = api.well("GET", "/v1/accounts", None).await["data"][0].clone();
        let why = api.well("GET", &format!("/v1/influencers/{ana}/why"), None).await;
        let of = |view: &Value| view["pauses"].as_array().unwrap().iter().map(|p| p["of"].clone()).collect::<Vec<_>>();
        (sequence["state"].clone(), of(&sequence), of(&account), why["sequences"][0]["refused"].clone())
    };
    let (nothing, all, account) = (Vec::<Value>::new(), json!("all"), json!("account"));
    assert_eq!(seen().await, (json!("active"), nothing.clone(), nothing.clone(), Value::Null));
    api.well("POST", "/v1/accounts/brand/pause", Some(json!({"reason": "a storm"}))).await;
    let (state, of_sequence, of_account, refused) = seen().await;
    assert_eq!((state, of_sequence, of_account), (json!("active"), vec![account.clone()], vec![account.clone()]));
    assert!(refused.as_str().unwrap().contains("the account brand is paused since"), "{refused}");
    api.well("POST", "/v1/pause", None).await;
    let (state, of_sequence, of_account, refused) = seen().await;
    assert_eq!((state, of_sequence), (json!("paused"), vec![account.clone(), all.clone()]));
    assert_eq!(of_account, [account, all]);
    assert!(refused.as_str().unwrap().contains("is paused since"), "{refused}");
    api.well("POST", "/v1/resume", None).await;
    api.well("POST", "/v1/accounts/brand/resume", None).await;
    api.well("POST", "/v1/sequences/spring/pause", Some(json!({"reason": "new shoes"}))).await;
    let (state, of_sequence, of_account, refused) = seen().await;
    assert_eq!((state, of_sequence, of_account), (json!("paused"), vec![json!("sequence")], nothing));
    assert!(refused.as_str().unwrap().contains("the sequence is paused since"), "{refused}");
    api.well("POST", "/v1/sequences/spring/resume", None).await;
}

/// What is to be done stands on the timeline, as it stands.
async fn tasks(api: &Described, ana: &str) {
    let task = json!({"text": "call her", "influencer_id": ana, "due_at": "2026-03-01T08:00:00Z"});
    let task = api.well("POST", "/v1/tasks", Some(task)).await;
    let on_timeline = async || {
        let told = api.well("GET", &format!("/v1/influencers/{ana}/timeline"), None).await;
        let found: Vec<Value> =
            told["data"].as_array().unwrap().iter().filter(|e| e["type"] == "task").cloned().collect();
        assert_eq!(found.len(), 1, "{told}");
        found[0].clone()
    };
    let entry = on_timeline().await;
    assert_eq!((&entry["task"]["state"], &entry["task"]["late"]), (&json!("open"), &json!(true)), "{entry}");
    assert_eq!(entry["at"], task["created_at"]);
    api.well("POST", &format!("/v1/tasks/{}/cancel", task["id"].as_str().unwrap()), None).await;
    assert_eq!(on_timeline().await["task"]["state"], "cancelled");
}

/// One no stops all addresses of a person, and taking it back frees them all and says which.
async fn lifted(api: &Described, ana: &str) {
    api.well("PATCH", &format!("/v1/influencers/{ana}"), Some(json!({"add_emails": ["ana@home.example"]}))).await;
    let mut tx = api.fresh.store.begin("test.no").await.unwrap();
    for address in ["ana@example.org", "ana@home.example"] {
        let new =
            NewSuppression { address: address.into(), reason: SuppressionReason::OptedOut, evidence: "test".into() };
        suppress_address(&mut tx, &api.clock, new).await.unwrap();
    }
    tx.commit().await.unwrap();
    let told = api.well("DELETE", "/v1/suppressions?address=ana@example.org", None).await;
    assert_eq!(told["lifted"], json!(["ana@example.org", "ana@home.example"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_before_sending_is_seen_over_the_api() {
    for fresh in stores::both().await {
        let api = daemon(fresh).await;
        let ana =
            json!({"handle": "@ana", "emails": ["ana@example.org"], "tags": ["runner"], "timezone": "Europe/Lisbon"});
        let ana = api.well("POST", "/v1/influencers", Some(ana)).await;
        let ana = ana["id"].as_str().unwrap();
        api.well("POST", "/v1/influencers", Some(json!({"handle": "@ana.b"}))).await;
        simulations(&api).await;
        tests_and_files(&api).await;
        previews_sent(&api).await;
        pauses(&api, ana).await;
        tasks(&api, ana).await;
        lifted(&api, ana).await;
        assert_eq!(api.faults(), "");
        api.stop().await;
    }
}
