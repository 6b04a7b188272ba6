//! What is no mail is said once: whatever a provider tells of a message, by whichever way and however late, proves that it was sent.

use super::{Running, until};
use crate::outbox_bench::{self, Bench, settings};
use futures_util::future::BoxFuture;
use liaison::connector::feed::{Found, Ledger, Looked, Party, Progress, Said, Sought, Told};
use liaison::connector::{ConnectorError, Offer, OfferError, Outgoing, Phase, Reply, SendOutcome, Sender, wait_reply};
use liaison::domain::chat::{Harm, Words};
use liaison::domain::ids::MessageId;
use liaison::domain::mail::Mailbox;
use liaison::domain::time::Micros;
use liaison::domain::words::{Channel, Direction, EventType, OutboxStatus};
use liaison::hub::enqueue::{AccountFrom, WordsOrder, enqueue_words};
use liaison::hub::fares;
use liaison::hub::outreach::pause;
use liaison::hub::settle::{self, Settlement};
use liaison::inbound::heard;
use liaison::outbound::SendingSettings;
use liaison::outbound::dispatcher::Dispatcher;
use liaison::outbound::reconcile::Reconciler;
use liaison::store::Store;
use liaison::worker::{Stop, Wake};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a provider does with a message.
#[derive(Clone)]
enum Does {
    /// Takes it, and says so.
    Takes,
    /// Nothing is heard of it.
    Loses,
    /// It tells us by another way that it has it, while nothing is heard of it.
    TellsElsewhere,
    /// Wants to be left alone until then.
    Rests(Micros),
    /// The hub gives the message up meanwhile; then it takes it.
    TakesTooLate,
}

struct Chat {
    store: Store,
    said: Mutex<Vec<String>>,
    does: Mutex<VecDeque<Does>>,
}

impl Chat {
    fn new(bench: &Bench, does: &[Does]) -> Arc<Self> {
        let does = Mutex::new(does.iter().cloned().collect());
        Arc::new(Self { store: bench.fresh.store.clone(), said: Mutex::default(), does })
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    async fn with(&self, work: impl AsyncFnOnce(&mut liaison::store::Tx)) {
        let mut tx = self.store.begin("test").await.unwrap();
        work(&mut tx).await;
        tx.commit().await.unwrap();
    }
}

struct Session(Arc<Chat>, Does);

fn ok() -> SendOutcome {
    let reply = Reply { code: 200, enhanced: None, text: "taken".to_owned() };
    SendOutcome::Accepted { reply, id: Some("late".to_owned()) }
}

impl Sender for Session {
    fn offer<'a>(&'a mut self, _: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        Box::pin(async move {
            self.1 = self.0.does.lock().unwrap().pop_front().unwrap_or(Does::Takes);
            Ok(match self.1 {
                Does::Rests(until) => {
                    Offer::Refused { phase: Phase::Connect, replies: vec![wait_reply(until, "too fast", true)] }
                }
                Does::Takes | Does::Loses | Does::TellsElsewhere | Does::TakesTooLate => {
                    Offer::Ready { refused: vec![None] }
                }
            })
        })
    }

    fn hand_over<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let words: Words = serde_json::from_slice(&mail.content).unwrap();
            self.0.said.lock().unwrap().push(words.text.clone());
            let token = words.token.clone();
            match self.1 {
                Does::Takes | Does::Rests(_) => {
                    let reply = Reply { code: 200, enhanced: None, text: "taken".to_owned() };
                    SendOutcome::Accepted { reply, id: None }
                }
                Does::Loses => SendOutcome::Uncertain("no answer".to_owned()),
                Does::TellsElsewhere => {
                    self.0
                        .with(async |tx| {
                            let own = tx.find_tokens(vec![token]).await.unwrap()[0].id;
                            fares::note_id(tx, "brand", ("T1/D1/1.000001", own)).await.unwrap();
                        })
                        .await;
                    SendOutcome::Uncertain("no answer".to_owned())
                }
                Does::TakesTooLate => {
                    self.0
                        .with(async |tx| {
                            let own = tx.find_tokens(vec![token]).await.unwrap()[0].id;
                            let row = tx.get_uncertain(own).await.unwrap().unwrap();
                            let end = liaison::store::outbox::outcome::Outcome::plain(OutboxStatus::Cancelled);
                            assert!(tx.settle_outbox(own, row.attempt, &end).await.unwrap());
                        })
                        .await;
                    ok()
                }
            }
        })
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// What a provider says to a question.
type Answer = Result<Looked, ConnectorError>;

/// Answers what it is told to, one after the other, and then that there is nothing.
struct Answers {
    store: Store,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Sought>>>,
    /// Of what is asked for, the provider tells by another way meanwhile.
    tells: bool,
}

impl Ledger for Answers {
    fn find<'a>(&'a mut self, sought: &'a Sought) -> BoxFuture<'a, Result<Looked, ConnectorError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(sought.clone());
            if self.tells {
                let mut tx = self.store.begin("test").await.unwrap();
                let own = tx.find_tokens(vec![sought.token.clone()]).await.unwrap()[0].id;
                fares::note_id(&mut tx, "brand", ("told", own)).await.unwrap();
                tx.commit().await.unwrap();
            }
            self.answers.lock().unwrap().pop_front().unwrap_or(Ok(Looked::default()))
        })
    }
}

fn slack() -> SendingSettings {
    SendingSettings { channel: Channel::Slack, settle_after: Duration::ZERO, ..settings() }
}

fn run(bench: &Bench, chat: &Arc<Chat>) -> Running {
    let (stop, wake) = (Stop::default(), Wake::default());
    let chat = Arc::clone(chat);
    let senders = Arc::new(move || Box::new(Session(Arc::clone(&chat), Does::Takes)) as Box<dyn Sender>);
    let dispatcher = Dispatcher::new(bench.tools(), slack(), senders, wake.clone());
    let task = tokio::spawn(dispatcher.run(stop.clone()));
    Running { stop, wake, task }
}

type Asked = Arc<Mutex<Vec<Sought>>>;

fn reconciler(bench: &Bench, answers: Vec<Answer>, tells: bool) -> (Reconciler, Asked) {
    let (answers, asked) = (Arc::new(Mutex::new(VecDeque::from(answers))), Asked::default());
    let (store, heard) = (bench.fresh.store.clone(), asked.clone());
    let ledgers = Arc::new(move || {
        let (store, answers, asked) = (store.clone(), answers.clone(), heard.clone());
        Box::new(Answers { store, answers, asked, tells }) as Box<dyn Ledger>
    });
    (Reconciler::new(bench.tools(), slack(), None, Wake::default()).with_ledger(ledgers), asked)
}

async fn say(bench: &Bench, to: &str, text: &str) -> MessageId {
    let account = AccountFrom { name: "brand".into(), address: "T1/UBOT".into(), display_name: "Brand".into() };
    let order = WordsOrder {
        account,
        channel: Channel::Slack,
        to: Mailbox { name: String::new(), address: to.into() },
        text: text.into(),
        answers: None,
        due_at: bench.clock.now(),
        step: None,
    };
    let mut tx = bench.begin().await;
    let id = enqueue_words(&mut tx, &bench.clock, order).await.unwrap().id;
    tx.commit().await.unwrap();
    id
}

async fn status(bench: &Bench, id: MessageId) -> OutboxStatus {
    let mut tx = bench.fresh.store.read().await.unwrap();
    bench.status(&mut tx, id).await
}

async fn note(bench: &Bench, id: MessageId) {
    let mut tx = bench.begin().await;
    fares::note_id(&mut tx, "brand", (&format!("told {id}"), id)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn look(bench: &Bench, reconciler: &mut Reconciler) {
    bench.sql("UPDATE outbox SET look_at = 1 WHERE status = 'uncertain'").await;
    reconciler.look_once().await.unwrap();
}

/// What a provider tells that has these, and why it may have more.
fn looked(bench: &Bench, found: &[(&str, bool)], doubt: Option<&str>) -> Answer {
    let at = bench.clock.now();
    let found = found.iter().map(|(id, alike)| Found {
        id: (*id).to_owned(),
        progress: Progress::Taken,
        code: None,
        at,
        alike: *alike,
    });
    Ok(Looked { found: found.collect(), doubt: doubt.map(str::to_owned) })
}

/// What is shown with it.
async fn why(bench: &Bench, id: MessageId) -> String {
    let mut tx = bench.fresh.store.read().await.unwrap();
    tx.get_outbox(id).await.unwrap().unwrap().detail.unwrap_or_default()
}

/// A message of which nothing was heard.
async fn lost(bench: &Bench, running: &Running, to: &str, text: &str) -> MessageId {
    let id = say(bench, to, text).await;
    running.wake.wake();
    until("it is uncertain", async || status(bench, id).await == OutboxStatus::Uncertain).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_told_of_while_it_was_in_hand_is_sent() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::TellsElsewhere, Does::TakesTooLate]);
        let running = run(&bench, &chat);
        let id = say(&bench, "T1/U1", "hello").await;
        running.wake.wake();
        until("it is sent", async || status(&bench, id).await == OutboxStatus::Confirmed).await;
        assert_eq!(bench.events(EventType::MessageUncertain).await, 0, "{}", bench.name());
        // An answer that comes after the row was given up still says under which id it is there.
        let late = say(&bench, "T1/U2", "hello").await;
        running.wake.wake();
        let noted = async || {
            let mut tx = bench.fresh.store.read().await.unwrap();
            tx.list_provider_messages(vec![late]).await.unwrap().iter().any(|row| row.provider_id == "late")
        };
        until("its id is noted", noted).await;
        assert_eq!(status(&bench, late).await, OutboxStatus::Cancelled);
        running.stop().await;
        assert_eq!(chat.said().len(), 2);
        assert_eq!(bench.events(EventType::MessageSent).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_told_of_is_not_sent_again_whatever_its_ledger_says() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::Loses, Does::Loses]);
        let running = run(&bench, &chat);
        // It is told while the ledger is asked, or while it waits to be sent again.
        let first = lost(&bench, &running, "T1/U1", "one").await;
        let second = lost(&bench, &running, "T1/U2", "two").await;
        running.stop().await;
        let (mut tells, _) = reconciler(&bench, Vec::new(), true);
        bench.sql("UPDATE outbox SET look_at = NULL WHERE status = 'uncertain'").await;
        let mut tx = bench.begin().await;
        tx.set_look_at(first, 1, Micros(1), None).await.unwrap();
        tx.commit().await.unwrap();
        tells.look_once().await.unwrap();
        assert_eq!(status(&bench, first).await, OutboxStatus::Confirmed, "{}", bench.name());
        let (mut silent, asked) = reconciler(&bench, Vec::new(), false);
        look(&bench, &mut silent).await;
        assert_eq!(status(&bench, second).await, OutboxStatus::Queued, "{}", bench.name());
        assert_eq!(asked.lock().unwrap().len(), 1);
        note(&bench, second).await;
        let running = run(&bench, &chat);
        until("it is settled", async || status(&bench, second).await == OutboxStatus::Confirmed).await;
        running.stop().await;
        assert_eq!(chat.said(), ["one", "two"], "{}", bench.name());
        assert_eq!(bench.events(EventType::MessageSent).await, 2);
        // What is in hand by then is not handed over.
        let third = say(&bench, "T1/U3", "three").await;
        let tools = bench.tools();
        let mut tx = bench.begin().await;
        let claimed = tx.claim_due("brand", tools.run, bench.clock.now(), (10, 60)).await.unwrap();
        assert_eq!(claimed.len(), 1);
        fares::note_id(&mut tx, "brand", ("three", third)).await.unwrap();
        let grip = liaison::store::outbox::Grip { id: third, holder: tools.run, attempt: claimed[0].attempt };
        assert_eq!(tx.mark_handed_over(grip, bench.clock.now()).await.unwrap(), None, "{}", bench.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_have_it_sent_again_all_the_same() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::Loses]);
        let running = run(&bench, &chat);
        let id = lost(&bench, &running, "T1/U1", "hello").await;
        note(&bench, id).await;
        let mut tx = bench.begin().await;
        settle::settle_by_person(&mut tx, &bench.clock, id, Settlement::SendAgain).await.unwrap();
        tx.commit().await.unwrap();
        running.wake.wake();
        until("it is sent", async || status(&bench, id).await == OutboxStatus::Confirmed).await;
        running.stop().await;
        assert_eq!(chat.said(), ["hello", "hello"], "{}", bench.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_can_not_be_told_keeps_no_others_waiting() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::Loses, Does::Loses]);
        let running = run(&bench, &chat);
        let first = lost(&bench, &running, "T1/U1", "one").await;
        let second = lost(&bench, &running, "T1/U2", "two").await;
        let broken = Err(ConnectorError::Unreadable("odd".into()));
        let (is_it, other) = (looked(&bench, &[("it is", true)], None), looked(&bench, &[("other", false)], None));
        let (mut reconciler, asked) = reconciler(&bench, vec![broken, is_it, other], false);
        look(&bench, &mut reconciler).await;
        let texts: Vec<String> = asked.lock().unwrap().iter().map(|sought| sought.text.clone()).collect();
        let (open, done) = if texts == ["one", "two"] { (first, second) } else { (second, first) };
        assert_eq!(status(&bench, done).await, OutboxStatus::Confirmed, "{}", bench.name());
        let mut tx = bench.fresh.store.read().await.unwrap();
        let row = tx.get_uncertain(open).await.unwrap().unwrap();
        drop(tx);
        assert!(row.look_at.is_some_and(|at| at > Micros(1)), "{row:?}");
        // It is looked for in a time that ends, however late it is asked, with room for clocks that differ.
        let handed_over = row.handed_over_at.unwrap();
        let sought = asked.lock().unwrap()[0].clone();
        assert_eq!(handed_over.since(sought.after), Duration::from_mins(5));
        assert_eq!(sought.before.since(handed_over), Duration::from_secs(30 + 300));
        // Other words at the time may be it: it is not sent again, and not taken for it either.
        look(&bench, &mut reconciler).await;
        assert_eq!(status(&bench, open).await, OutboxStatus::Uncertain, "{}", bench.name());
        running.stop().await;
        assert_eq!(chat.said().len(), 2);
    }
}

/// What a feed told of ours, in words that are not those that were sent.
async fn read_at_the_provider(bench: &Bench, id: &str, text: &str) {
    let party = |address: &str| Party { address: address.into(), name: String::new() };
    let said = Said {
        id: id.into(),
        direction: Direction::Outbound,
        conversation: "T1/D1".into(),
        place: "T1/D1".into(),
        author: party("T1/UBOT"),
        to: vec![party("T1/U1")],
        text: text.into(),
        at: bench.clock.now(),
        files: Vec::new(),
        by_machine: true,
        edited: false,
        mentions: false,
        is_history: false,
        token: None,
        consent: None,
        raw: Vec::new(),
    };
    let account = "brand".into();
    let context = heard::Context {
        account,
        channel: Channel::Slack,
        harm: |_| Harm::Passing,
        fire_after: None,
        lease: None,
        faces: liaison::inbound::faces::Faces::new(),
    };
    let told = [Told::Said(Box::new(said))];
    let taken = heard::take(&bench.fresh.store, &bench.clock, &context, (&told, None)).await.unwrap();
    assert_eq!(taken.news, 1);
}

/// A provider that changes words: what is read there then seems to be somebody else's, and is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_in_other_words_is_no_proof_that_it_was_not_sent() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::Loses]);
        let running = run(&bench, &chat);
        let id = lost(&bench, &running, "T1/U1", "hello").await;
        let other = say(&bench, "T1/U1", "and another").await;
        running.wake.wake();
        until("the other is sent", async || status(&bench, other).await == OutboxStatus::Confirmed).await;
        note(&bench, other).await;
        read_at_the_provider(&bench, "changed", "From your account on trial - hello").await;
        let sent = format!("told {other}");
        let answers = (0..3).map(|_| looked(&bench, &[(&sent, false), ("changed", false)], None)).collect();
        let (mut looking, asked) = reconciler(&bench, answers, false);
        for _ in 0..3 {
            look(&bench, &mut looking).await;
            assert_eq!(status(&bench, id).await, OutboxStatus::Uncertain, "{}", bench.name());
            assert!(why(&bench, id).await.contains("a person has to look"), "{}", bench.name());
        }
        assert_eq!(asked.lock().unwrap().len(), 3);
        // Where only the other is there, which went from here, this one is not.
        let (mut looking, _) = reconciler(&bench, vec![looked(&bench, &[(&sent, false)], None)], false);
        look(&bench, &mut looking).await;
        assert_eq!(status(&bench, id).await, OutboxStatus::Queued, "{}", bench.name());
        running.stop().await;
    }
}

/// Records of a provider come late: that the same words of an earlier message are there already says nothing of this one.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_words_of_another_are_no_proof_that_it_was_not_sent() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::Takes, Does::Loses]);
        let running = run(&bench, &chat);
        let other = say(&bench, "T1/U1", "hello").await;
        running.wake.wake();
        until("the other is sent", async || status(&bench, other).await == OutboxStatus::Confirmed).await;
        note(&bench, other).await;
        let id = lost(&bench, &running, "T1/U1", "hello").await;
        let of_other = format!("told {other}");
        let early = || looked(&bench, &[(&of_other, true)], Some("it may take a while"));
        let (mut looking, asked) = reconciler(&bench, vec![early(), early()], false);
        for _ in 0..2 {
            look(&bench, &mut looking).await;
            assert_eq!(status(&bench, id).await, OutboxStatus::Uncertain, "{}", bench.name());
            assert_eq!(why(&bench, id).await, "it may take a while", "{}", bench.name());
        }
        assert_eq!(asked.lock().unwrap().len(), 2);
        // Once it says for sure that it has no more, it is sent again.
        let (mut looking, _) = reconciler(&bench, vec![looked(&bench, &[(&of_other, true)], None)], false);
        look(&bench, &mut looking).await;
        assert_eq!(status(&bench, id).await, OutboxStatus::Queued, "{}", bench.name());
        running.stop().await;
    }
}

/// What could not be asked for is asked for once somebody answers, and not an hour later.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_asked_for_is_not_put_off() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::Loses]);
        let running = run(&bench, &chat);
        let id = lost(&bench, &running, "T1/U1", "hello").await;
        running.stop().await;
        bench.sql("UPDATE outbox SET handed_over_at = handed_over_at - 3000000000").await;
        let (mut looking, asked) = reconciler(&bench, vec![Err(ConnectorError::Lost("it rests".into()))], false);
        look(&bench, &mut looking).await;
        assert_eq!(asked.lock().unwrap().len(), 1, "{}", bench.name());
        let mut tx = bench.fresh.store.read().await.unwrap();
        let at = tx.get_uncertain(id).await.unwrap().unwrap().look_at.unwrap();
        assert!(at.since(bench.clock.now()) <= slack().look_after, "{}", bench.name());
    }
}

/// A question that gets no answer where others do is put off as one that can't be told, and the account does not rest for it.
#[tokio::test(flavor = "multi_thread")]
async fn one_question_that_gets_no_answer_keeps_no_others_waiting() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::Loses, Does::Loses]);
        let running = run(&bench, &chat);
        let first = lost(&bench, &running, "T1/U1", "one").await;
        let second = lost(&bench, &running, "T1/U2", "two").await;
        running.stop().await;
        bench.sql("UPDATE outbox SET handed_over_at = handed_over_at - 3000000000").await;
        let silence = || Err(ConnectorError::Lost("no answer came".into()));
        let doubt = || looked(&bench, &[], Some("it may take a while"));
        let (mut looking, asked) = reconciler(&bench, vec![doubt(), silence(), doubt(), doubt()], false);
        look(&bench, &mut looking).await;
        let texts: Vec<String> = asked.lock().unwrap().iter().map(|sought| sought.text.clone()).collect();
        let unanswered = if texts == ["one", "two"] { second } else { first };
        assert!(why(&bench, unanswered).await.contains("no answer came"), "{}", bench.name());
        let mut tx = bench.fresh.store.read().await.unwrap();
        let at = tx.get_uncertain(unanswered).await.unwrap().unwrap().look_at.unwrap();
        let wait = at.since(bench.clock.now());
        assert!(wait > Duration::from_mins(40), "{}: {wait:?}", bench.name());
        drop(tx);
        // Once both are due, both are asked for: nothing rests.
        look(&bench, &mut looking).await;
        assert_eq!(asked.lock().unwrap().len(), 4, "{}", bench.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_is_kept_for_an_hour_at_most_and_ended_by_a_person() {
    for bench in outbox_bench::both().await {
        let until_then = bench.clock.now().plus(Duration::from_hours(48));
        let chat = Chat::new(&bench, &[Does::Rests(until_then)]);
        let running = run(&bench, &chat);
        let id = say(&bench, "T1/U1", "hello").await;
        running.wake.wake();
        let rest = async || {
            let mut tx = bench.fresh.store.read().await.unwrap();
            tx.get_account("brand").await.unwrap().unwrap().rest_until
        };
        until("the account rests", async || rest().await.is_some()).await;
        let left = rest().await.unwrap().since(bench.clock.now());
        assert!(left > Duration::from_mins(58) && left <= Duration::from_hours(1), "{left:?}");
        running.wake.wake();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!((status(&bench, id).await, chat.said().len()), (OutboxStatus::Queued, 0), "{}", bench.name());
        let mut tx = bench.begin().await;
        assert!(pause::resume_account(&mut tx, &bench.clock, "brand", "a test").await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(rest().await, None);
        running.wake.wake();
        until("it is sent", async || status(&bench, id).await == OutboxStatus::Confirmed).await;
        running.stop().await;
        assert_eq!(bench.events(EventType::AccountDown).await, 0, "{}", bench.name());
    }
}

/// More than are claimed at once wait for one address; whoever comes after them does not.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_one_address_keeps_no_others_waiting() {
    for bench in outbox_bench::both().await {
        let chat = Chat::new(&bench, &[Does::Loses]);
        let running = run(&bench, &chat);
        lost(&bench, &running, "T1/U1", "again").await;
        let mut waiting = Vec::new();
        for _ in 0..40 {
            waiting.push(say(&bench, "T1/U1", "again").await);
        }
        let other = say(&bench, "T1/U2", "hello").await;
        running.wake.wake();
        until("the other is sent", async || status(&bench, other).await == OutboxStatus::Confirmed).await;
        for id in &waiting {
            assert_eq!(status(&bench, *id).await, OutboxStatus::Queued, "{}", bench.name());
        }
        // And in the order in which they were written they go, one after the other.
        let mut tx = bench.begin().await;
        let first = tx.list_outbox(Some(OutboxStatus::Uncertain), None, 1).await.unwrap()[0].id;
        settle::settle_by_person(&mut tx, &bench.clock, first, Settlement::Sent).await.unwrap();
        tx.commit().await.unwrap();
        running.wake.wake();
        until("all are sent", async || super::open(&bench).await == 0).await;
        running.stop().await;
        assert_eq!(chat.said().len(), 42, "{}", bench.name());
    }
}
