//! The relay, by the real binary: what influencers write stands where the team is, what the team says there is a note, and only what is
//! surely meant to go goes.

mod across;
mod leaks;
mod mailed;
mod rooms;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use liaison::clock::machine_now;
use serde_json::{Value, json};

use crate::daemon::{Answer, Installation};
use crate::slack::fake::{APP_TOKEN, BOT_TOKEN, Fake};
use crate::sms::twilio::Twilio;
use crate::sms::{ACCOUNT, OURS, THEIRS, TOKEN};
use crate::stores;

/// Machine time that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The team's channel.
const ROOM: &str = "C9";

static EVENTS: AtomicU64 = AtomicU64::new(0);

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A brand with a workspace and a number, whose team is in a channel.
struct Brand {
    installation: Installation,
    fake: Fake,
    twilio: Twilio,
}

impl Brand {
    async fn new(fresh: stores::Fresh, relay: &str) -> Self {
        let fake = Fake::start_now().await;
        fake.join(json!({ "id": ROOM, "is_member": true, "is_channel": true }));
        fake.join(json!({ "id": "DU9", "is_im": true, "user": "U9" }));
        fake.state().members.insert(ROOM.into(), vec!["UBOT".into(), "U5".into(), "U6".into()]);
        let twilio = Twilio::new();
        twilio.state.lock().unwrap().now = Some(now);
        let sections = format!(
            "[accounts.team]\nkind = \"slack\"\nbot_token = {{ file = \"bot\" }}\napp_token = {{ file = \"app\" }}\n\
             base_url = \"{}\"\npoll_seconds = 1\nsettle_minutes = 1\n\
             [accounts.text]\nkind = \"twilio\"\naccount_sid = \"{ACCOUNT}\"\nauth_token = {{ file = \"token\" }}\n\
             number = \"{OURS}\"\nbase_url = \"{}\"\npoll_seconds = 1\nsettle_minutes = 1\n\
             [relays.room]\naccount = \"team\"\nchannel = \"{ROOM}\"\n{relay}",
            fake.base,
            twilio.server.url()
        );
        let secrets = [("bot", BOT_TOKEN), ("app", APP_TOKEN), ("token", TOKEN), ("password", crate::peers::PASSWORD)];
        Self { installation: Installation::bare(fresh, &sections, &secrets).await, fake, twilio }
    }

    fn asked(&self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        match self.installation.call(method, path, Some(body)) {
            Answer::Said(got, value) if got == status => value,
            other => panic!("{method} {path}: {other:?}\n{}", self.installation.last_words()),
        }
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "it never comes to this: {what}\n{}", self.installation.last_words());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Somebody with a number.
    fn somebody(&self) -> String {
        let order = json!({ "handle": "ana", "first_name": "Ana", "last_name": "Ruiz", "phones": [THEIRS] });
        self.asked("POST", "/v1/influencers", &order, 201)["id"].as_str().unwrap().to_owned()
    }

    fn texts_us(&self, text: &str) {
        self.twilio.comes_in(THEIRS, text, now());
    }

    /// What stands in the team's channel, in its order: the time stamp, the thread's and the words.
    fn room(&self) -> Vec<(String, Option<String>, String)> {
        let state = self.fake.state();
        let said = state.messages.get(ROOM).into_iter().flat_map(|said| said.values());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        said.filter(|message| message["user"] == "UBOT")
            .map(|m| {
                (
                    text(&m["ts"]).unwrap(),
                    text(&m["thread_ts"]).filter(|t| m["ts"] != *t.as_str()),
                    text(&m["text"]).unwrap(),
                )
            })
            .collect()
    }

    fn until_shown(&self, part: &str) -> (String, Option<String>, String) {
        self.until(part, || self.room().into_iter().find(|(_, _, text)| text.contains(part)))
    }

    /// The time stamp of what begins the thread about the one there is.
    fn root(&self) -> String {
        let shown = self.until("a thread", || self.room().into_iter().find(|(_, thread, _)| thread.is_some()));
        shown.1.unwrap()
    }

    /// A teammate writes; the sockets tell it.
    fn says(&self, channel: &str, mut message: Value) -> String {
        if message["user"].is_null() {
            message["user"] = "U5".into();
        }
        let ts = self.fake.say(channel, machine_now(), message.clone());
        message["type"] = "message".into();
        message["channel"] = channel.into();
        message["ts"] = ts.clone().into();
        self.tells(message);
        ts
    }

    fn in_thread(&self, root: &str, text: &str) -> String {
        self.says(ROOM, json!({ "text": text, "thread_ts": root }))
    }

    fn tells(&self, event: Value) {
        self.sends(
            "events_api",
            &json!({ "type": "event_callback", "team_id": "T1", "event_id": format!("Ev{}", next()), "event": event }),
        );
    }

    fn sends(&self, kind: &str, payload: &Value) {
        let frame = json!({ "envelope_id": format!("env-{}", next()), "type": kind, "accepts_response_payload": false,
            "payload": payload });
        self.fake.push(&frame);
    }

    /// The shortcut is chosen at a message.
    fn presses(&self, (by, author): (&str, &str), (ts, root): (&str, Option<&str>), text: &str) {
        let mut message = json!({ "type": "message", "user": author, "ts": ts, "text": text });
        if let Some(root) = root {
            message["thread_ts"] = root.into();
        }
        let at = liaison::connector::slack::ts_of(machine_now());
        self.sends(
            "interactive",
            &json!({ "type": "message_action", "callback_id": "liaison_message", "action_ts": at, "trigger_id": format!("t.{}", next()),
                "team": { "id": "T1" }, "user": { "id": by, "name": "kim", "team_id": "T1" }, "channel": { "id": ROOM }, "message": message }),
        );
    }

    /// What went to them, in its order.
    fn sent(&self) -> Vec<String> {
        self.twilio.messages().into_iter().filter(|m| !m.inbound).map(|m| m.body).collect()
    }

    fn until_sent(&self, text: &str) {
        self.until(text, || self.sent().iter().any(|sent| sent == text).then_some(()));
    }

    fn notes(&self, influencer: &str) -> Vec<(String, String)> {
        let page = self.installation.get(&format!("/v1/influencers/{influencer}/timeline"));
        let items = page["data"].as_array().unwrap().iter().filter(|item| item["type"] == "note");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        items.map(|item| (text(&item["note"]["author"]), text(&item["note"]["text"]))).collect()
    }

    fn until_noted(&self, influencer: &str, text: &str) {
        self.until(text, || self.notes(influencer).iter().any(|(_, note)| note == text).then_some(()));
    }
}

fn next() -> u64 {
    EVENTS.fetch_add(1, Ordering::SeqCst)
}

/// Runs a proof on both databases.
macro_rules! on_both {
    ($($name:ident, $sqlite:ident, $postgres:ident;)+) => { $(
        #[tokio::test(flavor = "multi_thread")]
        async fn $sqlite() {
            $name(crate::stores::sqlite().await).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn $postgres() {
            match crate::stores::postgres().await {
                Some(fresh) => $name(fresh).await,
                None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
            }
        }
    )+ };
}
use on_both;
