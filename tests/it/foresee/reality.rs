//! What really happens: the daemon's own parts over a simulated provider, on a clock that stands still while anything is to be
//! done, in hand or on its way in, and then jumps to what is due next.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use liaison::app::{self, Hub};
use liaison::connector::sandbox::{Person, World};
use liaison::domain::address;
use liaison::domain::ids::{EnrollmentId, EventId, InfluencerId, MessageId};
use liaison::domain::mail::Mailbox;
use liaison::domain::time::Micros;
use liaison::domain::words::{Channel, EventType, StepState};
use liaison::domain::zone::Zone;
use liaison::hub::enqueue::{self, AccountFrom, Order};
use liaison::hub::outreach::steer::approve;
use liaison::hub::signal::{self, Signal};
use liaison::hub::unsubscribe::{How, unsubscribe};
use liaison::hub::{hold, task};
use liaison::lifecycle::Lifecycle;
use liaison::sequence::simulate::{Act, Given, instant_of};
use liaison::store::outreach::enrollment::StepRow;
use liaison::store::{Place, Tx};
use serde_json::json;
use sqlx::Connection;
use tokio::net::TcpListener;

use super::Sends;
use super::brand::Brand;

/// Machine time that one instant may take.
const PATIENCE: Duration = Duration::from_secs(120);

struct Pending {
    at: Option<Micros>,
    who: InfluencerId,
    given: Given,
}

struct Life {
    hub: Hub,
    world: World,
    pending: Vec<Pending>,
    zones: HashMap<InfluencerId, Zone>,
    after: EventId,
    received: usize,
    accounts: Vec<(String, String)>,
    raw: tokio::sync::Mutex<sqlx::SqliteConnection>,
}

/// Lets it all happen; what was sent.
pub(super) async fn live(brand: Brand) -> Sends {
    let clock = brand.clock.clone();
    let world = World::new(clock.clone(), 7);
    for account in brand.config.accounts.values() {
        world.add_account(Mailbox { name: "Northlane".to_owned(), address: account.address.clone() });
    }
    for n in 0..7 {
        // Bystanders, for mail that people write by hand.
        let mailbox = Mailbox { name: String::new(), address: format!("desk@d{n}.example") };
        world.add_person(Person { mailbox, ..Person::default() });
    }
    let (mut pending, mut zones) = (Vec::new(), HashMap::new());
    for them in &brand.people {
        let Some(person) = &them.sandbox else { continue };
        zones.insert(them.id, zone_of(&person.zone));
        world.add_person(person.clone());
        for (given, _) in them.given.iter().zip(&them.by_mail).filter(|(_, by_mail)| !**by_mail) {
            let given: Given = given.parse().unwrap();
            let at = given.when.step().is_none().then(|| given.when.resolve(clock.now(), &zones[&them.id]).unwrap());
            pending.push(Pending { at, who: them.id, given });
        }
    }
    brand.enroll("echo").await;
    let handles: HashMap<InfluencerId, String> = brand.people.iter().map(|p| (p.id, p.handle.clone())).collect();
    let accounts = brand.config.accounts.values().map(|a| (a.id.clone(), a.address.clone())).collect();
    brand.store.close().await;
    let life = Lifecycle::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    // Before it starts: its first tasks are made at once.
    let after = EventId(clock.new_id());
    let simulated = app::start_sandbox(&brand.config, (&world, clock.clone()), listener, &life).await.unwrap();
    let hub = simulated.hub.clone();
    let (teller, stop) = (hub.clone(), life.stop());
    let Place::Sqlite { file } = app::place_of(&brand.config) else { panic!("SQLite is what is compared with") };
    let raw = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let raw = tokio::sync::Mutex::new(raw);
    let mut told = Life { hub: teller, world, pending, zones, after, received: 0, accounts, raw };
    let living = async move {
        told.until_quiet().await;
        stop.ask();
    };
    let (outcome, ()) = tokio::join!(life.run_until_stopped(), living);
    outcome.unwrap();
    let sends = sends_of(&hub, &handles).await;
    hub.store.close().await;
    drop(brand.dir);
    sends
}

/// Whose clock counts for what is given.
fn zone_of(theirs: &str) -> Zone {
    Zone::named(theirs).unwrap_or_else(|| Zone::named("America/New_York").unwrap())
}

async fn sends_of(hub: &Hub, handles: &HashMap<InfluencerId, String>) -> Sends {
    let mut sends = Sends::new();
    let mut tx = hub.store.read().await.unwrap();
    let ids: Vec<InfluencerId> = handles.keys().copied().collect();
    for ids in ids.chunks(400) {
        let runs = tx.list_enrollments_of(ids.to_vec()).await.unwrap();
        let who: HashMap<EnrollmentId, InfluencerId> = runs.iter().map(|r| (r.id, r.influencer_id)).collect();
        for step in tx.list_steps(runs.iter().map(|r| r.id).collect()).await.unwrap() {
            if step.state != StepState::Sent {
                continue;
            }
            let handle = handles[&who[&step.enrollment_id]].clone();
            let when = format!("planned for {}, left {}", step.planned_at.unwrap(), step.completed_at.unwrap());
            sends.insert((handle, step.step, step.variant.unwrap()), when);
        }
    }
    sends
}

impl Life {
    async fn until_quiet(&mut self) {
        let wait = Instant::now();
        while self
            .hub
            .store
            .read()
            .await
            .unwrap()
            .list_accounts()
            .await
            .unwrap()
            .iter()
            .any(|a| a.last_sync_at.is_none())
        {
            assert!(wait.elapsed() < PATIENCE, "the accounts are not read");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        loop {
            self.act().await;
            self.settle().await;
            self.learn().await;
            let now = self.hub.clock.now();
            if self.pending.iter().any(|p| p.at.is_some_and(|at| at <= now)) {
                continue;
            }
            let mut next = self.next_due().await.filter(|at| *at > now);
            let given = self.pending.iter().filter_map(|p| p.at).min();
            next = [next, given, self.world.next_arrival()].into_iter().flatten().min();
            let Some(next) = next else { return };
            self.hub.clock.advance_to(next);
            self.received += self.world.deliver().len();
            self.hub.wakes.wake("cadence");
            for (account, _) in &self.accounts {
                self.hub.wakes.wake(account);
            }
        }
    }

    async fn next_due(&self) -> Option<Micros> {
        let mut tx = self.hub.store.read().await.unwrap();
        let mut next = tx.next_due_enrollment().await.unwrap();
        for (account, _) in &self.accounts {
            next = [next, tx.next_due_outbox(account).await.unwrap()].into_iter().flatten().min();
        }
        next
    }

    /// Waits until nothing is due, in hand or on its way in.
    async fn settle(&mut self) {
        let (wait, mut calm) = (Instant::now(), 0);
        while calm < 2 {
            let now = self.hub.clock.now();
            let busy = self.next_due().await.is_some_and(|at| at <= now) || self.in_hand().await;
            calm = if busy { 0 } else { calm + 1 };
            assert!(wait.elapsed() < PATIENCE, "it does not come to rest at {now}");
            tokio::time::sleep(Duration::from_millis(if busy { 2 } else { 1 })).await;
        }
    }

    /// Whether anything is claimed, or mail that arrived is not taken in.
    async fn in_hand(&self) -> bool {
        let mut raw = self.raw.lock().await;
        let (in_hand, stored): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM outbox WHERE status IN ('claimed', 'handed_over', 'uncertain')), \
             (SELECT COUNT(*) FROM message WHERE direction = 'inbound')",
        )
        .fetch_one(&mut *raw)
        .await
        .unwrap();
        in_hand > 0 || usize::try_from(stored).unwrap() < self.received
    }

    async fn learn(&mut self) {
        let mut tx = self.hub.store.read().await.unwrap();
        loop {
            let events = tx.list_events_written(self.after, 500).await.unwrap();
            let Some(last) = events.last() else { return };
            self.after = last.id;
            for event in events {
                let Some(who) = event.influencer_id else { continue };
                let step = match event.kind {
                    EventType::MessageSent => {
                        let mail = tx.step_of_message(event.message_id.unwrap()).await.unwrap();
                        mail.map(|m| m.step)
                    }
                    EventType::TaskCreated => event.data.as_ref().and_then(|d| d.0["step"].as_str().map(str::to_owned)),
                    _ => None,
                };
                let Some(step) = step else { continue };
                for p in self.pending.iter_mut().filter(|p| p.at.is_none() && p.who == who) {
                    if p.given.when.step() == Some(step.as_str()) {
                        p.at = p.given.when.resolve(event.at, &self.zones[&who]);
                    }
                }
            }
        }
    }

    async fn act(&mut self) {
        let now = self.hub.clock.now();
        let (due, left) = std::mem::take(&mut self.pending).into_iter().partition(|p| p.at.is_some_and(|at| at <= now));
        self.pending = left;
        let due: Vec<Pending> = due;
        if due.is_empty() {
            return;
        }
        let mut tx = self.hub.store.begin("test").await.unwrap();
        for p in &due {
            self.carry_out(&mut tx, p.who, &p.given.act).await;
        }
        tx.commit().await.unwrap();
        self.hub.stored.notify_waiters();
        self.hub.wakes.wake("cadence");
        for (account, _) in &self.accounts {
            self.hub.wakes.wake(account);
        }
    }

    async fn steps(tx: &mut Tx, who: InfluencerId) -> Vec<StepRow> {
        let runs = tx.list_enrollments_of(vec![who]).await.unwrap().iter().map(|r| r.id).collect();
        tx.list_steps(runs).await.unwrap()
    }

    async fn carry_out(&self, tx: &mut Tx, who: InfluencerId, act: &Act) {
        let clock = &self.hub.clock;
        let steps = Self::steps(tx, who).await;
        let sent = steps.iter().filter(|s| s.state == StepState::Sent && s.message_id.is_some());
        let last: Option<MessageId> = sent.clone().max_by_key(|s| s.completed_at).and_then(|s| s.message_id);
        match act {
            Act::Open(Some(step)) | Act::Click(Some(step)) => {
                let Some(row) = sent.clone().find(|s| s.step == *step) else { return };
                let what =
                    if matches!(act, Act::Open(_)) { EventType::MessageOpened } else { EventType::MessageClicked };
                let data = Some(json!({"machine": false, "confidence": 0.9, "step": step}));
                let signal = Signal { what, influencer: Some(who), message: row.message_id, at: clock.now(), data };
                signal::record(tx, clock, vec![signal]).await.unwrap();
            }
            Act::Unsubscribe => {
                if let Some(message) = last {
                    unsubscribe(tx, clock, message, How::OneClick).await.unwrap();
                }
            }
            Act::Task { step, answer } => {
                let row = steps.iter().find(|s| s.step == *step && s.state == StepState::Planned);
                if let Some(id) = row.and_then(|s| s.task_id) {
                    task::complete(tx, clock, id, (Some(answer), "kim")).await.unwrap();
                }
            }
            Act::Approve(Some(step)) => {
                let row = steps.iter().find(|s| s.step == *step && s.state == StepState::Planned);
                if let Some(id) = row.and_then(|s| s.message_id) {
                    // Refused where the run ended meanwhile: in the simulation as well.
                    drop(approve(tx, clock, &self.hub.desk.house(), id, "kim").await);
                }
            }
            Act::Hold(day) => {
                let until =
                    instant_of(&Zone::named("America/New_York").unwrap(), *day, liaison::domain::day::Minute(0));
                // A hold that would be over already can't be set: neither here nor there.
                if until > clock.now() {
                    hold::hold_by_hand(tx, clock, who, (until, Some("in this simulation")), "kim").await.unwrap();
                }
            }
            Act::Manual(account) => self.write(tx, who, account).await,
            other => panic!("{other:?} is done by mail"),
        }
    }

    /// A person writes to somebody at the same provider.
    async fn write(&self, tx: &mut Tx, who: InfluencerId, account: &str) {
        let theirs = tx.list_addresses_of_influencers(vec![who]).await.unwrap();
        let theirs = theirs.iter().find(|a| a.channel == Channel::Email).unwrap();
        let to = format!("desk@{}", address::domain(&theirs.value).unwrap());
        let from = self.accounts.iter().find(|(name, _)| name == account).unwrap();
        let order = Order {
            account: AccountFrom { name: from.0.clone(), address: from.1.clone(), display_name: String::new() },
            to: vec![Mailbox { name: String::new(), address: to }],
            cc: Vec::new(),
            subject: Some("By hand".to_owned()),
            text: "Hello!".to_owned(),
            html: None,
            attachments: Vec::new(),
            answers: None,
            due_at: self.hub.clock.now(),
            file_copy: false,
            message_id_domain: "northlane.example".to_owned(),
            outreach: None,
        };
        enqueue::enqueue(tx, &self.hub.clock, order).await.unwrap();
    }
}
