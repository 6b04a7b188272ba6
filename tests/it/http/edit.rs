//! What two people may edit at once, and what people do at their desk, through a running daemon on both databases.

use super::described::{Described, daemon};
use crate::{seed, stores};
use liaison::domain::words::Role;
use serde_json::{Value, json};

fn tag(api: &Described) -> String {
    let head = api.head.lock().unwrap().clone();
    head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an ETag").to_owned()
}

/// Reads something, changes it as it was read, and is refused where it tries the same again.
async fn changed_once(api: &Described, path: &str, change: &Value) -> Value {
    api.well("GET", path, None).await;
    let seen = format!("If-Match: {}", tag(api));
    let (status, now) = api.ask_with(&seen, "PATCH", path, Some(change)).await;
    assert_eq!(status, 200, "{path}: {now}");
    assert_eq!(tag(api), format!("\"{}\"", now["version"]));
    assert_ne!(seen, format!("If-Match: {}", tag(api)), "{path}");
    let (status, problem) = api.ask_with(&seen, "PATCH", path, Some(change)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_meanwhile")), "{path}");
    let (status, problem) = api.ask_with("If-Match: \"new\"", "PATCH", path, Some(change)).await;
    assert_eq!((status, &problem["code"]), (400, &json!("bad_if_match")), "{path}");
    assert_eq!(api.ask_with("If-Match: *", "PATCH", path, Some(change)).await.0, 200, "{path}");
    now
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_people_edit_is_changed_only_as_it_was_seen() {
    for fresh in stores::both().await {
        let api = daemon(fresh).await;
        let ana = seed::influencer(&api.fresh, &api.clock).await;
        changed_once(&api, &format!("/v1/influencers/{ana}"), &json!({"owner": "kim"})).await;
        let new = json!({"first_name": "Max", "emails": ["max@agency.example"], "influencers": [ana]});
        let agent = api.well("POST", "/v1/agents", Some(new)).await;
        let path = format!("/v1/agents/{}", agent["id"].as_str().unwrap());
        let change = json!({"last_name": "Moll", "add_emails": ["moll@agency.example"], "remove_influencers": [ana]});
        let (status, problem) = api.ask("PATCH", &path, Some(&json!({"add_emails": ["nobody"]}))).await;
        assert_eq!((status, &problem["code"]), (422, &json!("invalid")), "{problem}");
        api.well("PATCH", &path, Some(change)).await;
        let now = changed_once(&api, &path, &json!({"first_name": "Maxi"})).await;
        assert_eq!((&now["first_name"], &now["last_name"]), (&json!("Maxi"), &json!("Moll")));
        assert_eq!((now["addresses"].as_array().unwrap().len(), &now["influencers"]), (2, &json!([])));

        let task = api.well("POST", "/v1/tasks", Some(json!({"text": "call her", "assignee": "kim"}))).await;
        let task = format!("/v1/tasks/{}", task["id"].as_str().unwrap());
        let now = changed_once(&api, &task, &json!({"text": "write to her", "assignee": null})).await;
        assert_eq!((&now["text"], &now["assignee"]), (&json!("write to her"), &Value::Null), "{}", api.fresh.name);
        let done = format!("{task}/complete");
        let (status, problem) = api.ask_with("If-Match: \"1\"", "POST", &done, Some(&json!({}))).await;
        assert_eq!((status, &problem["code"]), (409, &json!("changed_meanwhile")), "{problem}");
        api.well("POST", &done, Some(json!({}))).await;
        let (status, problem) = api.ask("PATCH", &task, Some(&json!({"text": "too late"}))).await;
        assert_eq!((status, &problem["code"]), (409, &json!("task_over")), "{problem}");

        // An agent who is taken away frees their addresses, and is seen by nobody any more.
        let (status, problem) = api.ask_with("If-Match: \"1\"", "DELETE", &path, None).await;
        assert_eq!((status, &problem["code"]), (409, &json!("changed_meanwhile")));
        api.well("DELETE", &path, None).await;
        for (method, body) in [("GET", None), ("DELETE", None), ("PATCH", Some(json!({"first_name": "X"})))] {
            assert_eq!(api.ask(method, &path, body.as_ref()).await.0, 404, "{method}");
        }
        assert_eq!(api.well("GET", "/v1/agents", None).await["data"], json!([]), "{}", api.fresh.name);
        let again = json!({"first_name": "Max", "emails": ["max@agency.example"]});
        api.well("POST", "/v1/agents", Some(again)).await;
        api.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_is_given_read_put_off_and_aside_until_the_next_message() {
    for fresh in stores::both().await {
        let api = daemon(fresh).await;
        let ana = seed::influencer(&api.fresh, &api.clock).await;
        let mut thread = seed::thread(&api.fresh, &api.clock, ana, 1).await;
        let other = seed::thread(&api.fresh, &api.clock, ana, 2).await;
        let path = format!("/v1/threads/{}", thread.id);
        let fresh = api.well("GET", &path, None).await;
        assert_eq!((&fresh["unread"], &fresh["archived"]), (&json!(true), &json!(false)), "{fresh}");
        for (order, pointer) in [
            (json!({"assignee": "nobody"}), "/assignee"),
            (json!({"snoozed_until": "2020-01-01T00:00:00Z"}), "/snoozed_until"),
            (json!({"influencer": liaison::domain::ids::InfluencerId(uuid::Uuid::from_u128(1))}), "/influencer"),
        ] {
            let (status, problem) = api.ask("PATCH", &path, Some(&order)).await;
            assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
        }
        let until = "2100-01-01T00:00:00.000000Z";
        let order = json!({"assignee": "kim", "read": true, "snoozed_until": until, "archived": true});
        let now = changed_once(&api, &path, &order).await;
        let told = (&now["assignee"], &now["unread"], &now["snoozed_until"], &now["archived"]);
        assert_eq!(told, (&json!("kim"), &json!(false), &json!(until), &json!(true)), "{}", api.fresh.name);
        for (filter, wanted) in [
            ("archived=true".to_owned(), thread.id),
            ("archived=false".to_owned(), other.id),
            ("assignee=kim".to_owned(), thread.id),
            (format!("assignee=kim&influencer={ana}"), thread.id),
            ("archived=false&awaiting=us".to_owned(), other.id),
            ("archived=true&account=brand".to_owned(), thread.id),
        ] {
            let list = api.well("GET", &format!("/v1/threads?{filter}"), None).await;
            let ids: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|t| &t["id"]).collect();
            assert_eq!(ids, [&json!(wanted)], "{filter}");
        }

        // The next message ends all of it but whose it is.
        thread.last_message_at = seed::at(9);
        let mut tx = api.fresh.store.begin("test.next").await.unwrap();
        tx.upsert_threads(vec![thread], seed::at(9)).await.unwrap();
        tx.commit().await.unwrap();
        let now = api.well("GET", &path, None).await;
        let told = (&now["assignee"], &now["unread"], &now["snoozed_until"], &now["archived"]);
        assert_eq!(told, (&json!("kim"), &json!(true), &Value::Null, &json!(false)));
        let now = api.well("PATCH", &path, Some(json!({"assignee": null, "read": true}))).await;
        assert_eq!((&now["assignee"], &now["unread"]), (&Value::Null, &json!(false)));
        api.stop().await;
    }
}

const PAGE: &str = "From: Ana <ana@example.org>\r\nTo: brand@example.test\r\nSubject: A page\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/html; charset=utf-8\r\n\r\n<p onclick=\"x()\">Hi <b>you</b></p><script>x()</script>\
    <img src=\"https://pixel.example/1.gif\"><a href=\"/v1/tokens\">here</a>\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_html_of_a_stranger_is_shown_without_rights() {
    let api = daemon(stores::sqlite().await).await;
    let ana = seed::influencer(&api.fresh, &api.clock).await;
    let thread = seed::thread(&api.fresh, &api.clock, ana, 1).await;
    let mut message = seed::message(&api.clock, thread.conversation_id, 2);
    message.raw_hash = Some(vec![7; 32]);
    let id = message.id;
    let mut tx = api.fresh.store.begin("test.raw").await.unwrap();
    let packed = zstd::bulk::compress(PAGE.as_bytes(), 1).unwrap();
    tx.insert_raws(vec![(vec![7; 32], i64::try_from(PAGE.len()).unwrap(), packed)]).await.unwrap();
    tx.commit().await.unwrap();
    seed::put(&api.fresh, message, vec![(ana, thread.id, Role::Author)]).await;
    let page = api.well("GET", &format!("/v1/messages/{id}/html"), None).await;
    let (page, head) = (page.as_str().unwrap().to_owned(), api.head.lock().unwrap().clone());
    assert!(page.contains("Hi <b>you</b>"), "{page}");
    for bad in ["script", "onclick", "/v1/tokens"] {
        assert!(!page.contains(bad), "{page}");
    }
    let policy = head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    assert!(!policy.contains("img-src") && !policy.contains("allow-scripts") && !policy.contains("allow-same-origin"));
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    let bare = seed::message_in(&api.fresh, &api.clock, &thread, 3).await;
    assert_eq!(api.ask("GET", &format!("/v1/messages/{bare}/html"), None).await.0, 404);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_people_are_listed_and_a_held_database_is_released() {
    for fresh in stores::both().await {
        let api = daemon(fresh).await;
        let list = api.well("GET", "/v1/teammates", None).await;
        let kim = json!({"id": "kim", "first_name": "Kim", "last_name": "", "email": "kim@acme.example"});
        assert_eq!(list["data"], json!([kim]));
        let mut tx = api.fresh.store.begin("test.hold").await.unwrap();
        tx.insert_installation(uuid::Uuid::from_u128(5), seed::at(0)).await.unwrap();
        tx.set_installation_held(true).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(api.well("POST", "/v1/release", None).await["was_held"], true, "{}", api.fresh.name);
        assert_eq!(api.well("POST", "/v1/release", None).await["was_held"], false);
        let mut tx = api.fresh.store.read().await.unwrap();
        assert!(!tx.get_installation().await.unwrap().unwrap().held);
        api.stop().await;
    }
}
