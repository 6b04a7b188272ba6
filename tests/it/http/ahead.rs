//! Seeing before sending, over the API: simulations of whom a filter finds, of files that are not published, and as CSV; the
//! tests beside a sequence; files that are no text; and a preview that is really sent.

use super::described::{Described, daemon};
use crate::stores;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
    assert!(lines.len() > 2 && lines.iter().skip(1).all(|line| line.contains("@ana")), "{csv}");
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
    let place = &told["findings"][0]["place"];
    assert_eq!(place["file"], "tests.toml", "{told}");

    let checked = api.well("POST", check, Some(json!({"id": "autumn", "files": draft(TESTS)}))).await;
    assert_eq!((&checked["errors"], &checked["findings"]), (&json!(0), &json!([])), "{checked}");
    let odd = TESTS.replace("2027-03-02 hello", "2027-03-02 hallo");
    let checked = api.well("POST", check, Some(json!({"id": "autumn", "files": draft(&odd)}))).await;
    assert_eq!(checked["errors"], 1, "{checked}");
    assert!(checked["findings"][0].to_string().contains("tests.toml"), "{checked}");

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_before_sending_is_seen_over_the_api() {
    for fresh in stores::both().await {
        let api = daemon(fresh).await;
        let ana =
            json!({"handle": "@ana", "emails": ["ana@example.org"], "tags": ["runner"], "timezone": "Europe/Lisbon"});
        api.well("POST", "/v1/influencers", Some(ana)).await;
        api.well("POST", "/v1/influencers", Some(json!({"handle": "@ana.b"}))).await;
        simulations(&api).await;
        tests_and_files(&api).await;
        previews_sent(&api).await;
        assert_eq!(api.faults(), "");
        api.stop().await;
    }
}
