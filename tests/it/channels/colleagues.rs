//! Who is no stranger in a workspace: our own people, programs, and whoever spoke before our app came. And what one node, or one thing
//! that can't be stored, must not keep from being heard.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use liaison::clock::{Clock, machine_now};
use liaison::connector::feed::{Party, Progress, Said, Told};
use liaison::domain::chat::Harm;
use liaison::domain::time::Micros;
use liaison::domain::words::{Channel, Direction};
use liaison::hub::people::{self, KnownStages, NewInfluencer};
use liaison::inbound::heard::{Context, Taken, take};
use serde_json::{Value, json};

use super::workspaces::{Brand, signed};
use super::{events, events_until, post, until};
use crate::stores::{self, Raw, raw_connection};

fn guest(text: &str) -> Value {
    json!({ "user": "U9", "user_team": "T2", "team": "T2", "text": text })
}

fn stranger(text: &str) -> Value {
    json!({ "user": "U8", "user_team": "T3", "team": "T3", "text": text })
}

fn in_thread(root: &str, mut message: Value) -> Value {
    message["thread_ts"] = root.into();
    message
}

fn waiting(brand: &Brand) -> Vec<String> {
    let page = brand.installation.get("/v1/unmatched");
    page["data"].as_array().unwrap().iter().map(|row| row["message"]["text"].to_string()).collect()
}

/// All conversations are looked at once more.
fn walk_again(brand: &Brand) {
    let asked = || brand.fake.calls("conversations.history").len();
    let (before, channels) = (asked(), brand.fake.state().channels.len());
    brand.fake.cut();
    until(&brand.installation, "another walk", || (asked() >= before + channels).then_some(()));
    until(&brand.installation, "a socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));
}

async fn the_house_talks(fresh: stores::Fresh) {
    let brand = Brand::new(fresh).await;
    let installation = &brand.installation;
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let zoe = brand.person("zoe", "T2/U9");
    until(installation, "a socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));

    // Talk of the house, and of its programs, in nobody's thread: nothing is kept. In a guest's thread a colleague answers for us.
    let lunch = brand.hears("C7", json!({ "user": "U5", "team": "T1", "text": "Lunch?" }));
    brand.hears("C7", json!({ "subtype": "bot_message", "bot_id": "B7", "text": "The build failed" }));
    brand.hears("C7", in_thread(&lunch, json!({ "user": "U6", "text": "Yes" })));
    brand.hears("DU5", json!({ "user": "U5", "text": "Hello, bot" }));
    let asked = brand.hears("C7", guest("Where is my parcel?"));
    brand.until_says(&zoe, "Where is my parcel?");
    brand.hears("C7", in_thread(&asked, json!({ "user": "U5", "team": "T1", "text": "It left today" })));
    brand.until_says(&zoe, "It left today");
    let no = "Please unsubscribe me, never write to me again";
    brand.hears("C7", in_thread(&asked, json!({ "bot_id": "B7", "user": "U77", "team": "T3", "text": no })));
    brand.until_says(&zoe, no);
    let threads = installation.get(&format!("/v1/threads?influencer={zoe}"));
    assert_eq!((threads["data"].as_array().unwrap().len(), &threads["data"][0]["awaiting"]), (1, &json!("them")));
    let last = events_until(installation, "message.received", 2).pop().unwrap();
    let sent = events_until(installation, "message.sent", 1);
    assert_eq!((&sent[0]["data"]["by"], &sent[0]["influencer_id"]), (&json!("hand"), &json!(zoe)));
    assert_eq!(events(installation, "thread.replied").len(), 1);
    assert_eq!((&last["data"]["kind"], &last["data"]["answer"]), (&json!("automatic"), &Value::Null), "{last}");
    assert_eq!(installation.get(&format!("/v1/influencers/{zoe}"))["suppressed"], Value::Null);
    // Somebody of another house still waits; nothing changes when all is told again.
    brand.hears("C7", stranger("Who are you?"));
    until(installation, "a stranger waits", || (waiting(&brand).len() == 1).then_some(()));
    walk_again(&brand);
    assert_eq!((waiting(&brand).len(), brand.texts(&zoe).len()), (1, 3));

    // Our bot comes into a conversation in which much was said since the account is read; then into one that tells nobody who comes.
    brand.fake.say("C8", machine_now(), guest("Before you came"));
    brand.fake.say("C8", machine_now(), stranger("I was here first"));
    let came = json!({ "user": "UBOT", "subtype": "channel_join", "text": "<@UBOT> has joined the channel" });
    brand.fake.say("C8", machine_now(), came);
    brand.fake.say("C8", machine_now(), guest("Welcome"));
    brand.fake.say("C9", machine_now(), guest("In a quiet place"));
    for id in ["C8", "C9"] {
        brand.fake.join(json!({ "id": id, "is_member": true }));
    }
    walk_again(&brand);
    for text in ["Before you came", "Welcome", "In a quiet place"] {
        brand.until_says(&zoe, text);
    }
    let replied = events_until(installation, "thread.replied", 2);
    let welcome = installation.get(&format!("/v1/messages/{}", replied[1]["message_id"].as_str().unwrap()));
    assert_eq!(welcome["text"], "Welcome");
    // Her question, the program's word and her welcome.
    events_until(installation, "message.received", 3);
    assert_eq!(waiting(&brand).len(), 1);
    // What is said there from now on is news.
    brand.hears("C9", guest("And now?"));
    brand.until_says(&zoe, "And now?");
    events_until(installation, "thread.replied", 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_house_talks_on_sqlite() {
    the_house_talks(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_house_talks_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => the_house_talks(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_read_the_account_hears_its_hook() {
    let Some(fresh) = stores::postgres().await else {
        return crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
    };
    let brand = Brand::new(fresh).await;
    let mut reading = brand.installation.start();
    brand.installation.await_up(&mut reading);
    until(&brand.installation, "a socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));
    let zoe = brand.person("zoe", "T2/U9");
    let beside = brand.installation.beside();
    let mut other = beside.start();
    beside.await_up(&mut other);
    let mut event = guest("By the other node");
    event["type"] = "message".into();
    event["channel"] = "C7".into();
    event["ts"] = brand.fake.say("C7", machine_now(), guest("By the other node")).into();
    let body = json!({ "type": "event_callback", "team_id": "T1", "event_id": "EvOther", "event": event }).to_string();
    let (stamp, signature) = signed(&body);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Slack-Request-Timestamp", stamp.as_str()),
        ("X-Slack-Signature", signature.as_str()),
    ];
    assert_eq!(post(beside.port, "/hooks/team", &headers, body.as_bytes()), (200, String::new()));
    assert_eq!(brand.texts(&zoe), ["By the other node"]);
    // What is for no account is answered before it is read: no octet of it was sent.
    let mut stream = TcpStream::connect(("127.0.0.1", beside.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"POST /hooks/nobody HTTP/1.1\r\nHost: hub\r\nContent-Length: 1000000\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
}

fn context(fire_after: Option<Micros>) -> Context {
    Context {
        account: "team".into(),
        channel: Channel::Slack,
        harm: |_| Harm::Passing,
        fire_after,
        lease: None,
        faces: liaison::inbound::faces::Faces::new(),
    }
}

fn said(id: &str, text: &str, direction: Direction) -> Told {
    let guest = Party { address: "T2/U9".into(), name: "Zo\0e".into() };
    let ours = Party { address: "T1/UBOT".into(), name: String::new() };
    let (author, to) = if direction == Direction::Inbound { (guest, ours) } else { (ours, guest) };
    Told::Said(Box::new(Said {
        id: id.to_owned(),
        direction,
        conversation: "T1/D1".into(),
        place: "T1/D1".into(),
        author,
        to: vec![to],
        text: text.to_owned(),
        at: Micros::from_seconds(1_700_000_000),
        files: Vec::new(),
        by_machine: false,
        edited: false,
        mentions: false,
        is_history: false,
        token: None,
        consent: None,
        raw: Vec::new(),
    }))
}

async fn refuse(fresh: &stores::Fresh, id: &str) {
    use sqlx::{AssertSqlSafe, Executor};
    match raw_connection(&fresh.place).await {
        Raw::Sqlite(mut raw) => {
            let trigger = format!(
                "CREATE TRIGGER poison BEFORE INSERT ON provider_message WHEN NEW.provider_id = '{id}' \
                 BEGIN SELECT RAISE(ABORT, 'poison'); END"
            );
            raw.execute(AssertSqlSafe(trigger)).await.unwrap();
        }
        Raw::Postgres(mut raw) => {
            let function = format!(
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.provider_id = '{id}' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$"
            );
            raw.execute(AssertSqlSafe(function)).await.unwrap();
            let trigger =
                "CREATE TRIGGER poison BEFORE INSERT ON provider_message FOR EACH ROW EXECUTE FUNCTION poison()";
            raw.execute(AssertSqlSafe(trigger)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_cant_be_stored_is_left_out_alone() {
    for fresh in stores::both().await {
        let clock = Clock::stepped(Micros::from_seconds(1_700_000_100));
        refuse(&fresh, "T1/D1/2.0").await;
        let told = ["T1/D1/1.0", "T1/D1/2.0", "T1/D1/\u{0}3.0"].map(|id| said(id, "hi\0 there", Direction::Inbound));
        let taken = take(&fresh.store, &clock, &context(None), (&told, Some("c1"))).await.unwrap();
        assert_eq!((taken.news, taken.received), (2, 2), "{}", fresh.name);
        let mut tx = fresh.store.read().await.unwrap();
        assert_eq!(tx.get_feed_cursor("team").await.unwrap().as_deref(), Some("c1"));
        let ids = ["T1/D1/1.0", "T1/D1/2.0", "T1/D1/3.0"].map(str::to_owned);
        let known = tx.find_provider_messages("team", ids.to_vec()).await.unwrap();
        let mut ids: Vec<&str> = known.iter().map(|row| row.provider_id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["T1/D1/1.0", "T1/D1/3.0"], "{}", fresh.name);
        assert_eq!(tx.get_revised(known[0].message_id).await.unwrap().unwrap().text, "hi there");
        drop(tx);
        // Where nothing of several can be stored it is not about them, and nothing counts as read.
        let told = vec![said("T1/D1/2.0", "x", Direction::Inbound), said("T1/D1/2.0", "y", Direction::Inbound)];
        take(&fresh.store, &clock, &context(None), (&told, Some("c2"))).await.unwrap_err();
        let cursor = fresh.store.read().await.unwrap().get_feed_cursor("team").await.unwrap();
        assert_eq!(cursor.as_deref(), Some("c1"), "{}", fresh.name);
    }
}

#[tokio::test]
async fn how_old_messages_fared_is_no_news() {
    for fresh in stores::both().await {
        let clock = Clock::stepped(Micros::from_seconds(1_700_000_100));
        let mut tx = fresh.store.begin("test").await.unwrap();
        let stages = KnownStages { start: "prospect".to_owned(), ids: vec!["prospect".to_owned()] };
        let zoe =
            NewInfluencer { handle: "@zoe".to_owned(), slack: vec!["T2/U9".to_owned()], ..NewInfluencer::default() };
        people::create_influencer(&mut tx, &clock, &stages, "test", zoe).await.unwrap();
        tx.commit().await.unwrap();
        let fares = |id: &str, after: Duration| Told::Fares {
            id: Some(id.to_owned()),
            token: None,
            progress: Progress::Delivered,
            code: None,
            detail: String::new(),
            at: Micros::from_seconds(1_700_000_000).plus(after),
        };
        let told = vec![
            said("T1/D1/1.0", "one", Direction::Outbound),
            fares("T1/D1/1.0", Duration::ZERO),
            said("T1/D1/2.0", "two", Direction::Outbound),
            fares("T1/D1/2.0", Duration::from_secs(60)),
        ];
        let context = context(Some(Micros::from_seconds(1_700_000_050)));
        let taken = take(&fresh.store, &clock, &context, (&told, None)).await.unwrap();
        assert_eq!(taken, Taken { news: 4, ..Taken::default() });
        let ids = vec!["T1/D1/1.0".to_owned(), "T1/D1/2.0".to_owned()];
        let known = fresh.store.read().await.unwrap().find_provider_messages("team", ids).await.unwrap();
        assert!(known.iter().all(|row| row.progress == Some(Progress::Delivered)), "{known:?}");
        let second = known.iter().find(|row| row.provider_id == "T1/D1/2.0").unwrap().message_id;
        let events: Vec<String> = match raw_connection(&fresh.place).await {
            Raw::Sqlite(mut raw) => {
                let rows =
                    sqlx::query_scalar::<_, Vec<u8>>("SELECT message_id FROM event WHERE type = 'message.delivered'");
                let rows = rows.fetch_all(&mut raw).await.unwrap();
                rows.iter().map(|id| uuid::Uuid::from_slice(id).unwrap().to_string()).collect()
            }
            Raw::Postgres(mut raw) => {
                let rows = sqlx::query_scalar::<_, uuid::Uuid>(
                    "SELECT message_id FROM event WHERE type = 'message.delivered'",
                );
                rows.fetch_all(&mut raw).await.unwrap().iter().map(ToString::to_string).collect()
            }
        };
        assert_eq!(events, [second.0.to_string()], "{}", fresh.name);
    }
}
