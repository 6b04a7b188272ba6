//! What is sent arrives whole: read at the other end by Python's imaplib and email, which know nothing of us.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::api::text;
use super::mails::Letter;
use super::people::People;
use super::world::{Kind, Setup, World};
use crate::peers::fresh_user;

#[tokio::test(flavor = "multi_thread")]
async fn reply_arrives_whole_on_sqlite() {
    reply_arrives_whole(Setup::new(Kind::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_arrives_whole_on_postgres() {
    reply_arrives_whole(Setup::new(Kind::Postgres)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_is_in_sent_once_where_the_server_files_it() {
    reply_arrives_whole(Setup { brand: "filed", ..Setup::new(Kind::Sqlite) }).await;
}

/// Octets that a wrong encoding would not leave alone.
fn contract() -> Vec<u8> {
    (0..70_000_u32).map(|n| u8::try_from(n * 7 % 256).unwrap()).chain(*b"\r\n.\r\n\nFrom x\r\n").collect()
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn bracketed(id: &str) -> String {
    format!("<{id}>")
}

async fn reply_arrives_whole(setup: Setup) {
    let Some(world) = World::start(setup).await else { return };
    let (api, her) = (&world.api, fresh_user("zoe"));
    world.import(&format!("handle,first_name,last_name,email\nzoe,Zoë,\"Łukasz, 美咲\",{her}\n"), None).await;
    let zoe = api.influencers().await["zoe"].clone();
    let first = api.send_to(text(&zoe, "id"), "Frühling — 春 ✨", "Hallo!").await;
    let first_id = text(&first, "internet_message_id");
    let answer = Letter::new(
        "answer",
        &format!("=?utf-8?B?Wm/Dqw==?= <{her}>"),
        &world.brand,
        "Re: =?utf-8?B?RnLDvGhsaW5nIOKAlCDmmKUg4pyo?=",
    )
    .answering(&[first_id]);
    world.deliver(answer.octets(), "INBOX").await;
    let answered = api.message_on(text(&zoe, "id"), &answer.id).await;
    assert_eq!(answered["thread_id"], first["thread_id"]);
    let order = json!({
        "text": "Liebe Zoë,\n\nhier der Vertrag.\n.\nFrom us with 💚",
        "html": "<p>Liebe Zoë,</p><p>hier der <b>Vertrag</b>.</p>",
        "attachments": [{"name": "Vertrag für Zoë 春.pdf", "content_type": "application/pdf", "content_base64": STANDARD.encode(contract())}],
    });
    let reply = api.post(&format!("/threads/{}/reply", text(&answered, "thread_id")), order).await;
    let reply = api.message_is(text(&reply, "id"), &["confirmed"]).await;
    assert_eq!((text(&reply, "subject"), &reply["thread_id"]), ("Re: Frühling — 春 ✨", &first["thread_id"]));

    let arrived = world.arrived(&her, "INBOX", 2).await;
    check_first(&arrived[0], first_id, (&world.brand, &her));
    check_reply(&arrived[1], &reply, (first_id, &answer.id), (&world.brand, &her));
    // A copy of each in our Sent folder, exactly once, and it is the same message to us.
    world.arrived(&world.brand, "Sent", 2).await;
    world.folders_in_step().await;
    let sent = world.mails_in(&world.brand, "Sent").await;
    assert_eq!(sent.len(), 2);
    check_first(&sent[0], first_id, (&world.brand, &her));
    check_reply(&sent[1], &reply, (first_id, &answer.id), (&world.brand, &her));
    let timeline = api.messages_of(text(&zoe, "id")).await;
    assert_eq!(timeline.len(), 3, "{timeline:?}");
    assert!(timeline.iter().all(|m| m["deliveries"].as_array().unwrap().len() == 1), "{timeline:?}");
    assert_eq!(world.mails_in(&her, "INBOX").await.len(), 2);
}

fn check_people(mail: &Value, (brand, her): (&str, &str)) {
    assert_eq!(mail["from"], json!([{"name": "Grüne Läufer", "address": brand}]));
    assert_eq!(mail["to"][0]["address"], her);
    assert_eq!((mail["to"].as_array().unwrap().len(), &mail["cc"]), (1, &json!([])));
    assert_eq!(mail["token"].as_array().unwrap().len(), 1, "our token once: {mail}");
    assert_eq!(mail["defects"], json!([]));
    let headers = mail["headers"].as_array().unwrap();
    assert!(mail["date"].is_string() && !headers.contains(&json!("bcc")));
    assert!(!headers.contains(&json!("list-unsubscribe")), "a letter from a person, not a list: {mail}");
}

fn check_first(mail: &Value, id: &str, people: (&str, &str)) {
    check_people(mail, people);
    assert_eq!((text(mail, "subject"), text(mail, "message_id")), ("Frühling — 春 ✨", bracketed(id).as_str()));
    assert_eq!(mail["to"][0]["name"], "Zoë Łukasz, 美咲");
    assert_eq!((&mail["in_reply_to"], &mail["references"]), (&Value::Null, &json!([])));
}

fn check_reply(mail: &Value, reply: &Value, (first, answer): (&str, &str), people: (&str, &str)) {
    check_people(mail, people);
    assert_eq!(text(mail, "subject"), "Re: Frühling — 春 ✨");
    assert_eq!(mail["to"][0]["name"], "Zoë");
    assert_eq!(mail["message_id"], bracketed(text(reply, "internet_message_id")));
    assert_eq!(mail["in_reply_to"], bracketed(answer));
    assert_eq!(mail["references"], json!([bracketed(first), bracketed(answer)]));
    let leaves = mail["leaves"].as_array().unwrap();
    let types: Vec<&str> = leaves.iter().map(|l| text(l, "type")).collect();
    assert_eq!(types, ["text/plain", "text/html", "application/pdf"], "{}", mail["structure"]);
    let plain = text(&leaves[0], "text").replace("\r\n", "\n");
    assert_eq!(plain.trim_end(), "Liebe Zoë,\n\nhier der Vertrag.\n.\nFrom us with 💚");
    assert!(text(&leaves[1], "text").contains("<p>Liebe Zoë,</p><p>hier der <b>Vertrag</b>.</p>"));
    assert_eq!((text(&leaves[2], "name"), text(&leaves[2], "disposition")), ("Vertrag für Zoë 春.pdf", "attachment"));
    assert_eq!((text(&leaves[2], "sha256"), &leaves[2]["size"]), (hex(&contract()).as_str(), &json!(contract().len())));
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_in_a_thread_goes_to_the_person_of_that_thread() {
    let Some(world) = World::start(Setup::new(Kind::Sqlite)).await else { return };
    let (api, one, two) = (&world.api, fresh_user("one"), fresh_user("two"));
    world.import(&format!("handle,email\none,{one}\ntwo,{two}\n"), None).await;
    let people = api.influencers().await;
    let both = json!([{"name": "", "address": one}, {"name": "", "address": two}]);
    let blast = api.post("/messages", json!({"to": both, "subject": "To both", "text": "Hello both"})).await;
    let blast = api.message_is(text(&blast, "id"), &["confirmed"]).await;
    let blast_id = text(&blast, "internet_message_id");
    let mut threads = Vec::new();
    for (handle, address) in [("one", &one), ("two", &two)] {
        let answer = Letter::new(handle, address, &world.brand, "Re: To both").answering(&[blast_id]);
        world.deliver(answer.octets(), "INBOX").await;
        threads.push(api.message_on(text(&people[handle], "id"), &answer.id).await["thread_id"].clone());
    }
    // The first one is away after all: an automatic answer is not what a reply answers.
    let away = Letter::new("away", &format!("robot@{}", "away.example"), &world.brand, "Out of office")
        .answering(&[blast_id])
        .header("Auto-Submitted: auto-replied");
    world.deliver(away.octets(), "INBOX").await;
    world.folders_in_step().await;
    let path = format!("/threads/{}/reply", threads[0].as_str().unwrap());
    let reply = api.post(&path, json!({"text": "For the first one alone"})).await;
    assert_eq!(reply["to"], json!([{"name": "", "address": one}]), "{reply}");
    let reply = api.message_is(text(&reply, "id"), &["confirmed"]).await;
    assert_eq!(reply["thread_id"], threads[0]);
    assert_eq!(world.arrived(&one, "INBOX", 2).await.len(), 2);
    assert_eq!(world.mails_in(&two, "INBOX").await.len(), 1, "the second one gets nothing of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn message_taken_back_in_time_never_arrives() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let Some(world) = World::start(Setup { undo_seconds: 2, ..Setup::new(kind) }).await else { continue };
        let api = &world.api;
        let people = People::import(&world).await;
        let (id, address) = (people.id("plain"), people.address("plain"));
        let order = |subject: &str| json!({"influencer_id": id, "subject": subject, "text": "Hello"});
        let regretted = api.post("/messages", order("Regretted")).await;
        assert_eq!(text(&regretted, "status"), "queued");
        let taken_back = api.ask("DELETE", &format!("/messages/{}", text(&regretted, "id")), None).await;
        assert_eq!((taken_back.status, text(&taken_back.json(), "status")), (200, "cancelled"));
        let meant = api.post("/messages", order("Meant")).await;
        assert!(text(&meant, "due_at") > text(&regretted, "due_at"));
        let left = api.message_is(text(&meant, "id"), &["confirmed"]).await;
        assert!(text(&left, "at") >= text(&meant, "due_at"), "not before the time to take it back is over: {left}");
        let arrived = world.arrived(address, "INBOX", 1).await;
        assert_eq!(arrived.iter().map(|m| text(m, "subject")).collect::<Vec<_>>(), ["Meant"]);
        let late = api.ask("DELETE", &format!("/messages/{}", text(&meant, "id")), None).await;
        assert_eq!(late.status, 409, "what has left can't be taken back");
        assert_eq!(api.events_of(id, "message.cancelled").await.len(), 1);
        assert_eq!(text(&api.get(&format!("/messages/{}", text(&regretted, "id"))).await, "status"), "cancelled");
    }
}
