//! A provider that wants to be left alone: what it puts off is not read, and it is left alone whoever asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use liaison::clock::Clock;
use liaison::connector::feed::Line;
use liaison::connector::slack::workspace::{Workspace, WorkspaceSettings};
use liaison::domain::chat::Harm;
use liaison::domain::ids::RunId;
use liaison::domain::time::Micros;
use liaison::domain::words::{AccountState, Channel};
use liaison::inbound::listener::{Listener, Pace, Reach, Settings, Shared};
use liaison::lifecycle::Stop;
use liaison::store::mailbox::AccountRow;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::PATIENCE;
use crate::slack::fake::{APP_TOKEN, BOT_TOKEN, Fake, Fault};
use crate::stores::{self, Fresh};

struct World {
    fresh: Fresh,
    fake: Fake,
}

/// Whoever reads the account, as a process of its own would: it knows nothing but what is stored.
struct Reader {
    stop: Stop,
    task: JoinHandle<()>,
}

impl Reader {
    async fn end(self) {
        self.stop.ask();
        self.task.await.unwrap();
    }
}

impl World {
    async fn new(fresh: Fresh) -> Self {
        let fake = Fake::start().await;
        fake.join(json!({ "id": "C1", "is_member": true }));
        let mut tx = fresh.store.begin("test.account").await.unwrap();
        tx.ensure_account("team", "slack", "", fake.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        Self { fresh, fake }
    }

    fn clock(&self) -> &Clock {
        &self.fake.clock
    }

    fn read(&self) -> Reader {
        let clock = self.clock().clone();
        let settings = WorkspaceSettings {
            bot_token: BOT_TOKEN.into(),
            app_token: Some(APP_TOKEN.into()),
            signing_secret: None,
            base: Some(self.fake.base.clone()),
        };
        let line = Workspace::new(settings, clock.clone()).unwrap();
        let run = RunId(clock.new_id());
        let (wake, stored) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let shared = Shared { store: self.fresh.store.clone(), clock, run, wake, stored };
        let settings = Settings {
            account: "team".into(),
            channel: Channel::Slack,
            harm: |_| Harm::Passing,
            reach: Reach::All,
            poll: Duration::from_millis(20),
            pace: Pace::default(),
        };
        let listener = Listener::new(shared, settings, Arc::new(move || line.feed()));
        let stop = Stop::new();
        let halt = stop.clone();
        Reader { stop, task: tokio::spawn(async move { Box::pin(listener.run(halt)).await.unwrap() }) }
    }

    async fn account(&self) -> AccountRow {
        self.fresh.store.read().await.unwrap().get_account("team").await.unwrap().unwrap()
    }

    /// What a step of a sequence asks before it goes.
    async fn is_read(&self) -> bool {
        self.fresh.store.read().await.unwrap().is_mailbox_read("team").await.unwrap()
    }

    async fn is_stored(&self, ts: &str) -> bool {
        let id = format!("T1/C1/{ts}");
        let mut tx = self.fresh.store.read().await.unwrap();
        !tx.find_provider_messages("team", vec![id]).await.unwrap().is_empty()
    }

    async fn until(&self, what: &str, mut look: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !look().await {
            assert!(begun.elapsed() < PATIENCE, "{}: it never comes to this: {what}", self.fresh.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Says something that the socket alone tells, and waits until it is stored: all that the reader did before is done then.
    async fn hears(&self, n: i64) {
        self.until("a socket", async || !self.fake.state().sockets.is_empty()).await;
        let ts = format!("{}.{:06}", self.clock().now().seconds(), 900_000 + n);
        self.fake.push(&json!({ "envelope_id": format!("env-{n}"), "type": "events_api",
            "payload": { "type": "event_callback", "team_id": "T1", "event_id": format!("Ev{n}"), "event": {
                "type": "message", "channel": "C1", "user": "U9", "user_team": "T2", "team": "T2", "text": "news", "ts": ts } } }));
        self.until("what the socket brought is stored", async || self.is_stored(&ts).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_puts_off_is_not_read_and_it_is_left_alone_after_a_restart_as_well() {
    for fresh in stores::both().await {
        let world = World::new(fresh).await;
        let (fake, name) = (&world.fake, &world.fresh.name);
        let hour_ago = world.clock().now().minus(Duration::from_hours(1));
        let answer = fake.say("C1", hour_ago, json!({ "user": "U9", "team": "T2", "text": "Please stop" }));
        fake.fail("conversations.history", [Fault::Limit(Some("600"))]);
        let rest_until = world.clock().now().plus(Duration::from_mins(10));

        let first = world.read();
        world.until("the rest is kept", async || world.account().await.reading_rest_until == Some(rest_until)).await;
        world.until("it is up", async || world.account().await.state == AccountState::Up).await;
        world.hears(1).await;
        assert!(!world.is_stored(&answer).await && !world.is_read().await, "{name}: a conversation was not walked yet");
        assert_eq!(world.account().await.last_sync_at, None, "{name}");
        first.end().await;
        fake.cut();

        // Another process, to which Slack said nothing.
        let second = world.read();
        world.hears(2).await;
        assert!(!world.is_read().await, "{name}");
        world.clock().advance_to(Micros(rest_until.0 - 1));
        world.hears(3).await;
        let reads = ["conversations.history", "conversations.replies", "users.conversations"];
        assert_eq!(reads.map(|method| fake.calls(method).len()), [1, 0, 1], "{name}: called too early");
        second.end().await;
        fake.cut();

        world.clock().advance_to(rest_until);
        let third = world.read();
        world.until("all is read", async || world.is_read().await).await;
        assert!(world.is_stored(&answer).await, "{name}");
        assert_eq!(fake.state().too_early, [""; 0], "{name}");
        third.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_slack_asks_for_it_is_asked_again_after_a_day() {
    for fresh in stores::both().await {
        let world = World::new(fresh).await;
        let day = world.clock().now().plus(Duration::from_hours(24));
        world.fake.fail("conversations.history", [Fault::Limit(Some("90000"))]);
        let reader = world.read();
        world.until("a day is kept", async || world.account().await.reading_rest_until == Some(day)).await;
        reader.end().await;
    }
}
