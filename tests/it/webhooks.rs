//! Webhooks out, over real stores and real connections to loopback.

mod command;
mod guard;
mod kills;
mod receiver;
mod told;
mod verified;

use crate::stores::{self, Fresh};
use liaison::clock::Clock;
use liaison::domain::ids::{EventId, RunId, WebhookId};
use liaison::domain::webhook::guard::{Allowed, Reach};
use liaison::domain::words::EventType;
use liaison::hub::seal::Vault;
use liaison::hub::sequencer;
use liaison::hub::webhook::{self, NewWebhook};
use liaison::store::event::NewEvent;
use liaison::store::webhook::WebhookRow;
use liaison::webhooks::{Means, Webhooks};
use liaison::worker::{Stop, Wake};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The longest wait for what must come.
const WAIT_MAX: Duration = Duration::from_mins(2);
pub const MASTER_KEY: &str = "a master key of some length, 32 or more";

/// A store, and what is needed to tell webhooks what happens in it.
pub struct World {
    pub fresh: Fresh,
    pub clock: Clock,
    pub vault: Vault,
    pub reach: Reach,
    numbered: Arc<Notify>,
    wake: Wake,
}

/// A loop that runs.
pub struct Running {
    stop: Stop,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.soft.cancel();
        self.task.await.unwrap();
    }
}

pub async fn worlds() -> Vec<World> {
    let world = |fresh| World {
        fresh,
        clock: Clock::machine(),
        vault: Vault::new(&SecretString::from(MASTER_KEY)).unwrap(),
        reach: Reach { allowed: vec![Allowed::read("127.0.0.1").unwrap()], only_allowed: false },
        numbered: Arc::default(),
        wake: Wake::default(),
    };
    stores::both().await.into_iter().map(world).collect()
}

impl World {
    /// Starts a loop as a process would have it.
    pub fn start(&self) -> Running {
        let (vault, reach) = (self.vault.clone(), self.reach.clone());
        let webhooks = Webhooks {
            store: self.fresh.store.clone(),
            clock: self.clock.clone(),
            run: RunId(self.clock.new_id()),
            means: Arc::new(move || Means { vault: Ok(vault.clone()), reach: reach.clone() }),
            numbered: self.numbered.clone(),
            stored: Arc::default(),
            wake: self.wake.clone(),
        };
        let stop = Stop::default();
        let running = webhooks.run(stop.clone());
        Running { stop, task: tokio::spawn(async move { running.await.unwrap() }) }
    }

    /// Makes a webhook; its id and secret.
    pub async fn webhook(&self, url: &str, events: &[EventType]) -> (WebhookId, String) {
        let new = NewWebhook { url: url.to_owned(), description: String::new(), events: events.to_vec() };
        let mut tx = self.fresh.store.begin("test.webhook").await.unwrap();
        let made = webhook::create(&mut tx, &self.clock, (&self.reach, &self.vault), new).await;
        let (row, secret) = made.unwrap();
        tx.commit().await.unwrap();
        (row.id, secret.expose_secret().to_owned())
    }

    /// Writes events and gives them their numbers.
    pub async fn happen(&self, kinds: &[EventType]) {
        let event = |(n, kind): (usize, &EventType)| NewEvent {
            id: EventId(self.clock.new_id()),
            kind: *kind,
            at: self.clock.now(),
            influencer_id: None,
            stage: Some("prospect".into()),
            message_id: None,
            data: Some(json!({"n": n, "text": "ünïcode \u{1f600} \"quoted\""})),
            enrollment_id: None,
            machine: None,
        };
        let mut tx = self.fresh.store.begin("test.events").await.unwrap();
        tx.insert_events(kinds.iter().enumerate().map(event).collect()).await.unwrap();
        tx.commit().await.unwrap();
        sequencer::number_all(&self.fresh.store, RunId(self.clock.new_id())).await.unwrap();
        self.numbered.notify_waiters();
    }

    pub async fn row(&self, id: WebhookId) -> WebhookRow {
        self.fresh.store.read().await.unwrap().get_webhook(id).await.unwrap().unwrap()
    }

    /// Changes rows beside the store, as time would.
    pub async fn sql(&self, text: &str) {
        use sqlx::Executor;
        let text = sqlx::AssertSqlSafe(text.to_owned());
        match stores::raw_connection(&self.fresh.place).await {
            stores::Raw::Sqlite(mut c) => drop(c.execute(text).await.unwrap()),
            stores::Raw::Postgres(mut c) => drop(c.execute(text).await.unwrap()),
        }
    }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + WAIT_MAX;
    while !is_so().await {
        assert!(Instant::now() < end, "{what}: it never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
