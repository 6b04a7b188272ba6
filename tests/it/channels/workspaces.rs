//! A Slack workspace.

use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use liaison::clock::machine_now;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{asked, post, until};
use crate::daemon::Installation;
use crate::slack::fake::{APP_TOKEN, BOT_TOKEN, Fake, Fault};
use crate::stores;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

static EVENTS: AtomicU64 = AtomicU64::new(0);

pub(super) struct Brand {
    pub(super) installation: Installation,
    pub(super) fake: Fake,
}

impl Brand {
    pub(super) async fn new(fresh: stores::Fresh) -> Self {
        let fake = Fake::start_now().await;
        fake.join(json!({ "id": "DU1", "is_im": true, "user": "U1" }));
        fake.join(json!({ "id": "C7", "is_member": true }));
        let sections = format!(
            "[accounts.team]\nkind = \"slack\"\nbot_token = {{ file = \"bot\" }}\napp_token = {{ file = \"app\" }}\n\
             signing_secret = {{ file = \"secret\" }}\nbase_url = \"{}\"\npoll_seconds = 1\nsettle_minutes = 1\n",
            fake.base
        );
        let secrets = [("bot", BOT_TOKEN), ("app", APP_TOKEN), ("secret", SECRET)];
        Self { installation: Installation::bare(fresh, &sections, &secrets).await, fake }
    }

    pub(super) fn person(&self, handle: &str, user: &str) -> String {
        let order = json!({ "handle": handle, "first_name": handle, "slack": [user] });
        let made = asked(&self.installation, "POST", "/v1/influencers", &order, 201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Somebody says something; the sockets tell it.
    pub(super) fn hears(&self, channel: &str, message: Value) -> String {
        let ts = self.fake.say(channel, machine_now(), message.clone());
        let mut event = message;
        event["type"] = "message".into();
        event["channel"] = channel.into();
        event["ts"] = ts.clone().into();
        self.tells(event);
        ts
    }

    pub(super) fn tells(&self, event: Value) {
        let n = EVENTS.fetch_add(1, Ordering::SeqCst);
        self.fake
            .push(&json!({ "envelope_id": format!("env-{n}"), "type": "events_api", "accepts_response_payload": false,
            "payload": { "type": "event_callback", "team_id": "T1", "event_id": format!("Ev{n}"), "event": event } }));
    }

    pub(super) fn texts(&self, influencer: &str) -> Vec<String> {
        let page = self.installation.get(&format!("/v1/influencers/{influencer}/timeline"));
        let items = page["data"].as_array().unwrap().iter().filter(|item| item["type"] == "message");
        items.map(|item| item["message"]["text"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn until_says(&self, influencer: &str, text: &str) {
        until(&self.installation, text, || self.texts(influencer).iter().any(|t| t == text).then_some(()));
    }

    fn until_sent(&self, id: &Value) -> Value {
        until(&self.installation, "it is sent", || {
            let message = self.installation.get(&format!("/v1/messages/{}", id.as_str().unwrap()));
            (message["status"] == "confirmed").then_some(message)
        })
    }
}

/// The time of a signature of Slack's over a body, and the signature.
pub(super) fn signed(body: &str) -> (String, String) {
    let stamp = (machine_now().0 / 1_000_000).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("v0:{stamp}:{body}").as_bytes());
    let signature = mac.finalize().into_bytes().iter().fold("v0=".to_owned(), |s, o| format!("{s}{o:02x}"));
    (stamp, signature)
}

async fn a_workspace_talks(fresh: stores::Fresh) {
    let brand = Brand::new(fresh).await;
    let Brand { installation, fake } = &brand;
    // Said while nobody listened: a backfill, which fires nothing.
    fake.say(
        "DU1",
        liaison::domain::time::Micros(machine_now().0 - 3_600_000_000),
        json!({ "user": "U1", "text": "old" }),
    );
    // A member of our own team whom nobody knew would be a colleague.
    let (ok, told) = installation.command(&["influencer", "add", "--handle", "@ana", "--slack", "T1/U1"]);
    assert!(ok, "{told}");
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let ana = installation.get("/v1/influencers")["data"][0]["id"].as_str().unwrap().to_owned();
    let zoe = brand.person("zoe", "T2/U9");
    brand.until_says(&ana, "old");
    assert!(super::events(installation, "thread.replied").is_empty());
    until(installation, "a socket", || (!fake.state().sockets.is_empty()).then_some(()));

    // A direct message, answered where it was said.
    let hello = brand.hears("DU1", json!({ "user": "U1", "text": "Hello, about the shoes" }));
    brand.until_says(&ana, "Hello, about the shoes");
    let threads = installation.get(&format!("/v1/threads?influencer={ana}"));
    assert_eq!(threads["data"].as_array().unwrap().len(), 1, "{threads}");
    let thread = threads["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/threads/{thread}/reply");
    let said = asked(installation, "POST", &path, &json!({ "text": "Hi <Ana> & co" }), 202);
    brand.until_sent(&said["id"]);
    let posted = fake.calls("chat.postMessage");
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].arguments["channel"], "DU1");
    assert_eq!(posted[0].arguments["text"], "Hi &lt;Ana&gt; &amp; co");
    assert!(!posted[0].arguments.contains_key("thread_ts"));
    // A reaction is told as one, and is no answer.
    let at = liaison::connector::slack::ts_of(machine_now());
    brand.tells(json!({ "type": "reaction_added", "user": "U1", "reaction": "tada", "event_ts": at,
        "item": { "type": "message", "channel": "DU1", "ts": hello } }));
    brand.until_says(&ana, ":tada:");
    let (ok, told) = installation.command(&["influencer", "show", "ana"]);
    assert!(ok && told.contains("inbound slack received: reacted with :tada:"), "{told}");
    let (ok, told) = installation.command(&["thread", "show", &thread]);
    assert!(ok && told.contains("[slack reaction, received]") && told.contains("[slack, confirmed]"), "{told}");

    // In a channel of several, a guest of another workspace in a thread: it is theirs, and the answer goes into that thread.
    let root = brand.hears("C7", json!({ "user": "U5", "text": "Everybody, the plan" }));
    let theirs = brand
        .hears("C7", json!({ "user": "U9", "user_team": "T2", "team": "T2", "thread_ts": root, "text": "I am in" }));
    brand.until_says(&zoe, "I am in");
    let threads = installation.get(&format!("/v1/threads?influencer={zoe}"));
    let path = format!("/v1/threads/{}/reply", threads["data"][0]["id"].as_str().unwrap());
    let said = asked(installation, "POST", &path, &json!({ "text": "Great!" }), 202);
    brand.until_sent(&said["id"]);
    let posted = fake.calls("chat.postMessage");
    assert_eq!((&posted[1].arguments["channel"], &posted[1].arguments["thread_ts"]), (&json!("C7"), &json!(root)));

    // Changed, then taken back: the timeline says what it says now.
    let at = liaison::connector::slack::ts_of(machine_now());
    brand.tells(json!({ "type": "message", "subtype": "message_changed", "channel": "C7", "ts": at, "event_ts": at,
        "message": { "type": "message", "user": "U9", "user_team": "T2", "team": "T2", "text": "I am in, twice", "ts": theirs,
            "edited": { "user": "U9", "ts": at } } }));
    brand.until_says(&zoe, "I am in, twice");
    let edited = until(installation, "the change", || super::events(installation, "message.edited").into_iter().next());
    assert_eq!((&edited["data"]["deleted"], &edited["influencer_id"]), (&json!(false), &json!(zoe)));
    let message = installation.get(&format!("/v1/messages/{}", edited["message_id"].as_str().unwrap()));
    assert_eq!(
        (&message["revisions"][0]["text"], &message["revisions"][0]["deleted"]),
        (&json!("I am in"), &json!(false))
    );

    // The same is told again by the walk after a cut, and by the hook: once.
    fake.cut();
    until(installation, "another socket", || (!fake.state().sockets.is_empty()).then_some(()));
    let body = json!({ "type": "event_callback", "team_id": "T1", "event_id": "EvHook", "event": { "type": "message", "channel": "C7",
        "user": "U9", "user_team": "T2", "team": "T2", "thread_ts": root, "text": "By the hook", "ts": fake.say("C7", machine_now(),
        json!({ "user": "U9", "user_team": "T2", "team": "T2", "thread_ts": root, "text": "By the hook" })) } })
    .to_string();
    let (stamp, signature) = signed(&body);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Slack-Request-Timestamp", stamp.as_str()),
        ("X-Slack-Signature", signature.as_str()),
    ];
    for _ in 0..2 {
        assert_eq!(post(installation.port, "/hooks/team", &headers, body.as_bytes()), (200, String::new()));
    }
    let (status, _) = post(installation.port, "/hooks/team", &headers, body.replace("hook", "hooK").as_bytes());
    assert_eq!(status, 403);
    let mut texts = brand.texts(&zoe);
    texts.sort_unstable();
    assert_eq!(texts, ["By the hook", "Great!", "I am in, twice"]);

    // An answer that gets lost is found by the token; a limit is kept to.
    fake.fail("chat.postMessage", [Fault::LoseAnswer]);
    let order = json!({ "channel": "slack", "influencer_id": ana, "text": "Did it arrive?" });
    let said = asked(installation, "POST", "/v1/messages", &order, 202);
    brand.until_sent(&said["id"]);
    fake.fail("chat.postMessage", [Fault::Limit(Some("2"))]);
    let order = json!({ "channel": "slack", "influencer_id": ana, "text": "And this?" });
    let said = asked(installation, "POST", "/v1/messages", &order, 202);
    brand.until_sent(&said["id"]);
    for text in ["Did it arrive?", "And this?"] {
        let there = fake.state().messages["DU1"].values().filter(|m| m["text"] == text).count();
        assert_eq!(there, 1, "{text}");
        assert_eq!(brand.texts(&ana).iter().filter(|t| *t == text).count(), 1, "{text}");
    }
    let threads = installation.get(&format!("/v1/threads?influencer={ana}"));
    assert_eq!(threads["data"].as_array().unwrap().len(), 1, "{threads}");

    // An opt-out in talk is of everything.
    brand.hears("DU1", json!({ "user": "U1", "text": "Please do not contact me again" }));
    brand.until_says(&ana, "Please do not contact me again");
    let last = super::events_until(installation, "thread.replied", 4).pop().unwrap();
    assert_eq!(last["data"]["answer"]["verdict"], "opt_out", "{last}");
    let person = until(installation, "she is left alone", || {
        let person = installation.get(&format!("/v1/influencers/{ana}"));
        (person["stage"] == "opted_out").then_some(person)
    });
    assert!(person["suppressed"].is_object() || person.to_string().contains("opted_out"), "{person}");
    let order = json!({ "channel": "slack", "influencer_id": ana, "text": "Why?" });
    asked(installation, "POST", "/v1/messages", &order, 409);
    let (ok, told) = installation.command(&["account", "test", "team"]);
    assert!(told.contains("Brand (T1)") && told.contains("lacks the scope") && !ok, "{told}");
    // What it lacks is named, with the description of the app that has it.
    let (ok, told) = installation.command(&["account", "add", "team"]);
    assert!(!ok && told.contains("scope users:read.email: ") && told.contains("Reinstall to Workspace"), "{told}");
    assert!(
        told.contains("\"socket_mode_enabled\": true") && told.contains("socket: a socket can be opened"),
        "{told}"
    );
    let (ok, told) = installation.command(&["account", "list"]);
    assert!(ok && told.contains("team (slack)"), "{told}");
    super::events_fit(installation, crate::facts::BY_WORKSPACES);
    assert_eq!(fake.state().too_early, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_talks_on_sqlite() {
    a_workspace_talks(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_talks_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => a_workspace_talks(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}
