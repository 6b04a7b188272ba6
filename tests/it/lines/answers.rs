//! A lost answer is never a reason to send again, and never one to leave anything out: the outbox, its dispatcher and its reconciler
//! send to many people through a provider that loses a part of its answers, before or after it took the message, and asks us to wait.
//! What it tells by itself comes late, in any order, twice, or never. What was sent is then read from the provider's own record.

use super::house::{HOOK, posted};
use super::{House, News, Which, which};
use crate::kills::{next_random, parameter};
use crate::ledger::{count, print_table, rows};
use crate::lines::house::Luck;
use crate::stores::{self, Fresh};
use liaison::clock::Clock;
use liaison::connector::feed::Line;
use liaison::domain::ids::{LedgerId, RunId};
use liaison::domain::mail::Mailbox;
use liaison::domain::people::Consent;
use liaison::domain::words::Channel;
use liaison::hub::enqueue::{AccountFrom, WordsOrder, enqueue_words};
use liaison::hub::people::{KnownStages, NewInfluencer, create_influencer};
use liaison::inbound::heard;
use liaison::inbound::listener::{Listener, Pace, Reach, Settings, Shared};
use liaison::outbound::dispatcher::Dispatcher;
use liaison::outbound::reconcile::Reconciler;
use liaison::outbound::{SendingSettings, SentCopy, Tools, Watermark};
use liaison::worker::{Stop, Wake};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Sessions at once: what a number has.
const SESSIONS: usize = 4;
/// One message of so many has the same words as others to the same person.
const SAME_EVERY: usize = 4;
/// Of so many messages that went out one comes in.
const IN_EVERY: usize = 20;
/// How far time is moved when all that is left waits for it: longer than a provider's silence needs to say something.
const JUMP: Duration = Duration::from_mins(6 * 60 + 15);
const JUMPS_MAX: usize = 60;
const FINISH_MAX: Duration = Duration::from_mins(60);

#[derive(Clone, Copy)]
struct Measure {
    sends: usize,
    /// To one person.
    each: usize,
    lost: u64,
    seed: u64,
    limit_every: u64,
    /// A socket is cut once while so much is told.
    cut_every: u64,
}

struct Proof {
    fresh: Fresh,
    house: House,
    line: Arc<dyn Line>,
    clock: Clock,
    run: RunId,
    measure: Measure,
    /// What each message says, and to whom.
    said: HashMap<Uuid, (String, String)>,
    /// What came in.
    heard: AtomicUsize,
    told: AtomicUsize,
    cuts: AtomicUsize,
    over: AtomicBool,
}

/// A part that runs until it is stopped.
struct Sending {
    stop: Stop,
    wake: Wake,
    tasks: Vec<JoinHandle<()>>,
}

impl Proof {
    async fn new(which: Which, fresh: Fresh, measure: Measure) -> Self {
        // Telnyx's record is silent for an hour: there, time is moved.
        let clock = match which {
            Which::Telnyx => Clock::stepped(liaison::clock::machine_now()),
            Which::Slack | Which::Twilio => Clock::machine(),
        };
        let house = House::new(which, &clock).await;
        let line = house.line(&clock);
        let run = RunId(clock.new_id());
        let (heard, told, cuts, over) = Default::default();
        Self { fresh, house, line, clock, run, measure, said: HashMap::new(), heard, told, cuts, over }
    }

    fn people(&self) -> usize {
        self.measure.sends.div_ceil(self.measure.each)
    }

    fn channel(&self) -> Channel {
        self.house.which().channel()
    }

    /// The account, its people, and all that is to be said to them.
    async fn prepare(&mut self) {
        let (which, people) = (self.house.which(), self.people());
        self.house.meet(people);
        let mut tx = self.fresh.store.begin("test").await.unwrap();
        tx.ensure_account("line", which.name(), "ours", self.clock.now()).await.unwrap();
        let stages = KnownStages { start: "prospect".into(), ids: vec!["prospect".into()] };
        for n in 0..people {
            let address = vec![which.address(n)];
            let (phones, slack) = if which == Which::Slack { (Vec::new(), address) } else { (address, Vec::new()) };
            let new = NewInfluencer { handle: format!("@person{n}"), phones, slack, ..NewInfluencer::default() };
            create_influencer(&mut tx, &self.clock, &stages, "test", new).await.unwrap();
            if which != Which::Slack {
                let agreed = Consent {
                    id: LedgerId(self.clock.new_id()),
                    channel: Channel::Sms,
                    value_key: which.address(n),
                    source: "a form".into(),
                    evidence: "a test".into(),
                    at: self.clock.now(),
                    withdrawn_at: None,
                };
                tx.insert_consents(&[agreed]).await.unwrap();
            }
        }
        for n in 0..self.measure.sends {
            let (person, turn) = (n % people, n / people);
            let text = if turn % SAME_EVERY == 0 { "Are you there?".to_owned() } else { format!("Message {n}: yes?") };
            let to = which.address(person);
            let account = AccountFrom { name: "line".into(), address: "ours".into(), display_name: "Brand".into() };
            let order = WordsOrder {
                account,
                channel: self.channel(),
                to: Mailbox { name: String::new(), address: to.clone() },
                text: text.clone(),
                answers: None,
                due_at: self.clock.now(),
                step: None,
            };
            let id = enqueue_words(&mut tx, &self.clock, order).await.unwrap().id;
            self.said.insert(id.0, (to, text));
        }
        tx.commit().await.unwrap();
    }

    fn settings(&self) -> SendingSettings {
        SendingSettings {
            channel: self.channel(),
            callback: self.house.callback(),
            gap: if self.house.which() == Which::Slack { Duration::from_secs(1) } else { Duration::ZERO },
            sessions: SESSIONS,
            lease_seconds: 60,
            sent_copy: SentCopy::ServerSometime,
            settle_after: Duration::from_millis(500),
            look_after: Duration::from_millis(100),
            poll: Duration::from_millis(50),
            ..SendingSettings::new("line")
        }
    }

    fn tools(&self) -> Tools {
        Tools {
            store: self.fresh.store.clone(),
            clock: self.clock.clone(),
            run: self.run,
            desk: liaison::hub::outreach::house::Desk::default(),
            watermark: Watermark::none(),
        }
    }

    fn send(&self) -> Sending {
        let (stop, wake) = (Stop::default(), Wake::default());
        let (sender, ledger) = (self.line.clone(), self.line.clone());
        let senders = Arc::new(move || sender.sender());
        let dispatcher = Dispatcher::new(self.tools(), self.settings(), senders, wake.clone());
        let reconciler = Reconciler::new(self.tools(), self.settings(), None, wake.clone())
            .with_ledger(Arc::new(move || ledger.ledger()));
        let (halt, end) = (stop.clone(), stop.clone());
        let tasks =
            vec![tokio::spawn(async move { dispatcher.run(halt).await.unwrap() }), tokio::spawn(reconciler.run(end))];
        Sending { stop, wake, tasks }
    }

    fn listen(&self) -> (liaison::lifecycle::Stop, JoinHandle<()>) {
        let shared = Shared {
            store: self.fresh.store.clone(),
            clock: self.clock.clone(),
            run: self.run,
            wake: Arc::new(Notify::new()),
            stored: Arc::new(Notify::new()),
        };
        let settings = Settings {
            account: "line".into(),
            channel: self.channel(),
            harm: |_| liaison::domain::chat::Harm::Passing,
            reach: Reach::Nothing,
            poll: Duration::from_millis(500),
            pace: Pace::default(),
        };
        let (line, stop) = (self.line.clone(), liaison::lifecycle::Stop::new());
        let listener = Listener::new(shared, settings, Arc::new(move || line.feed()));
        let halt = stop.clone();
        (stop, tokio::spawn(async move { Box::pin(listener.run(halt)).await.unwrap() }))
    }

    /// Tells what happens at the provider, as unreliably as providers do, until all is over and told.
    async fn tell(&self) {
        let mut random = self.measure.seed ^ 0x7e11;
        let (mut seen, mut bag) = (0, Vec::new());
        loop {
            let news = self.house.news_of_taken(seen);
            seen += news.len();
            for all in news {
                // Of a third nothing is ever told.
                let drawn = next_random(&mut random);
                bag.extend(all.into_iter().filter(|_| !drawn.is_multiple_of(3)));
            }
            let due =
                if self.over.load(Ordering::SeqCst) { self.inbound() } else { (seen / IN_EVERY).min(self.inbound()) };
            while self.heard.load(Ordering::SeqCst) < due {
                let n = self.heard.fetch_add(1, Ordering::SeqCst);
                let news = self.house.says(n % self.people(), &format!("Answer {n}"), &self.clock);
                if next_random(&mut random).is_multiple_of(2) {
                    bag.push(news);
                }
            }
            if bag.is_empty() {
                if self.over.load(Ordering::SeqCst) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            }
            let at = usize::try_from(next_random(&mut random)).unwrap() % bag.len();
            let news = bag.swap_remove(at);
            let is_told = self.tell_one(&news).await;
            self.told.fetch_add(1, Ordering::SeqCst);
            // One that could not be stored is told again, and one of five is all the same.
            if !is_told || next_random(&mut random).is_multiple_of(5) {
                bag.push(news);
            }
            if next_random(&mut random).is_multiple_of(self.measure.cut_every) && self.house.cut() {
                self.cuts.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn inbound(&self) -> usize {
        self.measure.sends / IN_EVERY
    }

    async fn tell_one(&self, news: &News) -> bool {
        let request = match (news, &self.house) {
            (News::Frame(frame), House::Slack(fake)) => {
                fake.push(frame);
                // A socket is no store: give it time.
                tokio::time::sleep(Duration::from_millis(1)).await;
                return true;
            }
            _ => posted(news, HOOK, &self.clock),
        };
        let heard = self.line.hook().expect("a hook").hear(&request).expect("signed");
        let context = heard::Context {
            account: "line".into(),
            channel: self.channel(),
            harm: |_| liaison::domain::chat::Harm::Passing,
            fire_after: None,
            lease: None,
            faces: liaison::inbound::faces::Faces::new(),
        };
        heard::take(&self.fresh.store, &self.clock, &context, (&heard.told, None)).await.is_ok()
    }

    /// Until nothing moves by itself any more. Where all that is left waits for time to pass, it passes.
    async fn finish(&self, mut sending: Sending) -> Sending {
        let until = Instant::now() + FINISH_MAX;
        let place = &self.fresh.place;
        let mut jumps = 0;
        loop {
            let moving: Vec<(Uuid, String)> =
                rows(place, "SELECT id, status FROM outbox WHERE status <> 'confirmed' AND status <> 'uncertain'")
                    .await;
            // Whether somebody asks at this moment, from the same look: time that moved then would end the question.
            let asked: Vec<(Uuid, Option<i64>, i64)> = rows(
                place,
                "SELECT id, look_at, (SELECT COUNT(*) FROM lease WHERE name LIKE 'reconcile:%' AND holder IS NOT NULL) \
                 FROM outbox WHERE status = 'uncertain'",
            )
            .await;
            let is_asked = asked.iter().any(|(_, _, held)| *held > 0);
            let open: Vec<(Uuid, Option<i64>)> = asked.into_iter().map(|(id, at, _)| (id, at)).collect();
            let hopeless = self.hopeless().await;
            // The same words wait for those of which nobody knows.
            let doubtful: HashSet<&(String, String)> = open.iter().map(|(id, _)| &self.said[id]).collect();
            let stuck = moving.iter().all(|(id, status)| status == "queued" && doubtful.contains(&self.said[id]));
            if stuck && doubtful.iter().all(|(to, _)| hopeless.contains(to)) {
                return sending;
            }
            let (busy, unsure) = (moving.len(), open.len());
            assert!(
                Instant::now() < until,
                "not finished: {busy} under way, {unsure} uncertain: {:?}",
                self.house.rests()
            );
            let soon = self.clock.now().plus(Duration::from_secs(3)).0;
            let all_wait = open.iter().all(|(_, at)| at.is_some_and(|at| at > soon));
            if stuck && all_wait && !is_asked && self.clock.is_stepped() {
                jumps += 1;
                let hoped = open.iter().filter(|(id, _)| !hopeless.contains(&self.said[id].0)).count();
                assert!(jumps < JUMPS_MAX, "{} stay uncertain, of {hoped} the provider can tell", open.len());
                // Nothing may be on its way while time is moved: it would seem to have left hours ago.
                sending.end().await;
                self.clock.advance(JUMP);
                sending = self.send();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Addresses at which the provider has something with words that nobody here wrote: nobody can tell what that was.
    async fn hopeless(&self) -> HashSet<String> {
        let known: Vec<(String,)> = rows(
            &self.fresh.place,
            "SELECT p.provider_id FROM provider_message p JOIN outbox o ON o.id = p.message_id",
        )
        .await;
        self.house.unexplained(&known.into_iter().map(|(id,)| id).collect())
    }

    async fn check(&self) -> Vec<(&'static str, String)> {
        let place = &self.fresh.place;
        let sql = "SELECT o.id, o.status, (SELECT COUNT(*) FROM event e WHERE e.message_id = o.id AND e.type = 'message.uncertain'), \
            (SELECT COUNT(*) FROM event e WHERE e.message_id = o.id AND e.type = 'message.sent'), COALESCE(o.detail, '') FROM outbox o";
        let all: Vec<(Uuid, String, i64, i64, String)> = rows(place, sql).await;
        assert_eq!(all.len(), self.measure.sends);
        // By address and words: how many are confirmed, and how many nobody knows of.
        let mut ours: HashMap<&(String, String), (usize, usize)> = HashMap::new();
        let (mut uncertain, mut asked, mut again, mut misnoted, mut waits) = (0, 0, 0, 0, 0);
        for (id, status, doubts, sent, detail) in &all {
            let (confirmed, open) = ours.entry(&self.said[id]).or_default();
            *confirmed += usize::from(status == "confirmed");
            *open += usize::from(status == "uncertain");
            waits += usize::from(status == "queued");
            uncertain += usize::from(*doubts > 0);
            asked += usize::from(*doubts > 0 && status == "confirmed" && detail.starts_with("the provider has it"));
            again += usize::from(*doubts > 1);
            misnoted += usize::from(*sent != i64::from(status == "confirmed"));
        }
        let theirs = self.house.counts();
        let times = |what: &(String, String)| theirs.get(what).copied().unwrap_or_default();
        let lost: usize = ours.iter().map(|(what, (confirmed, _))| confirmed.saturating_sub(times(what))).sum();
        let twice: usize =
            ours.iter().map(|(what, (confirmed, open))| times(what).saturating_sub(confirmed + open)).sum();
        let strangers = theirs.keys().filter(|what| !ours.contains_key(what)).count();
        let hopeless = self.hopeless().await;
        let waiting: Vec<&(String, String)> =
            all.iter().filter(|row| row.1 == "uncertain").map(|row| &self.said[&row.0]).collect();
        let known = waiting.iter().filter(|(to, _)| !hopeless.contains(to)).count();
        assert_eq!((lost, twice, strangers), (0, 0, 0), "lost, sent twice, never asked for");
        assert_eq!((known, misnoted), (0, 0), "left to a person though the provider tells, not noted once as sent");
        let [rests, air, most, early] = self.house.rests();
        assert_eq!(early, 0, "called before a rest was over");
        // Whoever reads and whoever asks for what is uncertain may be on their way beside the sessions.
        assert!(most < SESSIONS + 2, "{most} calls were on their way");
        let (requests, described) = self.house.described();
        let mut lines = vec![
            ("messages to be sent / people", format!("{} / {}", all.len(), self.people())),
            ("taken by the provider, by its record", theirs.values().sum::<usize>().to_string()),
            ("lost (noted as sent, not there)", lost.to_string()),
            ("sent twice", twice.to_string()),
            ("ever uncertain / more than once", format!("{uncertain} / {again}")),
            ("– asked for, found and settled", asked.to_string()),
            ("– left for a person", waiting.len().to_string()),
            ("– – of these, such that the provider can tell", known.to_string()),
            ("– – the same words to the same person, behind these", waits.to_string()),
            ("rests asked for (429) / calls on their way then", format!("{rests} / {air}")),
            ("calls before a rest was over", early.to_string()),
        ];
        lines.extend(self.check_inbound().await);
        lines.push(("requests", format!("{requests}, {described}")));
        lines
    }

    async fn check_inbound(&self) -> Vec<(&'static str, String)> {
        let sql = "SELECT text, COUNT(*) FROM message WHERE direction = 'inbound' GROUP BY text";
        let stored: Vec<(String, i64)> = rows(&self.fresh.place, sql).await;
        let stored: HashMap<String, i64> = stored.into_iter().collect();
        let said = self.heard.load(Ordering::SeqCst);
        let lost = (0..said).filter(|n| !stored.contains_key(&format!("Answer {n}"))).count();
        let twice = stored.values().filter(|n| **n > 1).count();
        assert_eq!((said, lost, twice, stored.len()), (self.inbound(), 0, 0, said), "said, lost, stored twice, stored");
        vec![
            ("said to us / lost / stored twice", format!("{said} / {lost} / {twice}")),
            ("told by itself, twice and in any order", self.told.load(Ordering::SeqCst).to_string()),
            ("sockets cut", self.cuts.load(Ordering::SeqCst).to_string()),
        ]
    }

    /// Until all that was said to us is stored, however it comes.
    async fn await_inbound(&self) {
        let until = Instant::now() + FINISH_MAX;
        while usize::try_from(
            count(&self.fresh.place, "SELECT COUNT(*) FROM message WHERE direction = 'inbound'").await,
        ) != Ok(self.inbound())
        {
            assert!(Instant::now() < until, "not all that was said to us is stored");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Sending {
    async fn end(self) {
        self.stop.soft.cancel();
        self.wake.wake();
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// A clock that is moved goes on by itself all the same.
fn tick(clock: &Clock) -> JoinHandle<()> {
    let clock = clock.clone();
    tokio::spawn(async move {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = Instant::now();
            clock.advance(now - last);
            last = now;
        }
    })
}

async fn prove(which: Which, fresh: Fresh, measure: Measure) {
    let began = Instant::now();
    let name = fresh.name;
    let mut proof = Proof::new(which, fresh, measure).await;
    proof.prepare().await;
    let proof = Arc::new(proof);
    let ticking = tick(&proof.clock);
    proof.house.tempt(Luck { lost: measure.lost, seed: measure.seed, limit_every: measure.limit_every });
    let (stop, listening) = proof.listen();
    let telling = tokio::spawn({
        let proof = Arc::clone(&proof);
        async move { proof.tell().await }
    });
    let sending = proof.finish(proof.send()).await;
    proof.over.store(true, Ordering::SeqCst);
    telling.await.unwrap();
    // What a socket lost is found by the walk that follows the next one.
    proof.house.cut();
    proof.await_inbound().await;
    // What was told last may have moved something.
    let sending = proof.finish(sending).await;
    sending.end().await;
    stop.ask();
    listening.await.unwrap();
    ticking.abort();
    let mut lines = vec![("seed", measure.seed.to_string()), ("answers lost, of a hundred", measure.lost.to_string())];
    lines.extend(proof.check().await);
    lines.push(("seconds", began.elapsed().as_secs().to_string()));
    print_table(&format!("answers of {} on {name}", which.name()), &lines);
}

const SHORT: Measure = Measure { sends: 60, each: 4, lost: 30, seed: 1, limit_every: 200, cut_every: 40 };

async fn short(which: Which) {
    // Each round of doubt takes Telnyx some looks: fewer rounds there.
    let sends = if which == Which::Telnyx { SHORT.sends / 3 } else { SHORT.sends };
    for fresh in stores::both().await {
        prove(which, fresh, Measure { sends, ..SHORT }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_of_slack_lose_and_repeat_nothing() {
    short(Which::Slack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_of_twilio_lose_and_repeat_nothing() {
    short(Which::Twilio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_of_telnyx_lose_and_repeat_nothing() {
    short(Which::Telnyx).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs for many minutes: tests/prove answers"]
async fn many_lost_answers() {
    let measure = Measure {
        sends: parameter("SENDS", 10_000),
        each: 20,
        lost: parameter("LOST", 30) as u64,
        seed: parameter("SEED", 1) as u64,
        limit_every: 400,
        cut_every: 700,
    };
    for which in which(&Which::ALL) {
        let fresh = match std::env::var("LIAISON_PROVE_DATABASE").as_deref() {
            Ok("postgres") => stores::postgres().await.expect("PostgreSQL (LIAISON_TEST_POSTGRES)"),
            Ok("sqlite") | Err(_) => stores::sqlite().await,
            Ok(other) => panic!("LIAISON_PROVE_DATABASE={other}: sqlite or postgres"),
        };
        prove(which, fresh, measure).await;
    }
}
