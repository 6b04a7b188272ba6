//! A person gets an email once, whatever goes wrong in between. The journal of the provider is the truth.

mod texts;
mod trouble;

use crate::outbox_bench::{self, Bench, Does, Provider, settings};
use crate::stores;
use liaison::domain::ids::{MessageId, RunId};
use liaison::domain::mail::Mailbox;
use liaison::domain::time::Micros;
use liaison::domain::words::{AccountState, Awaiting, EventType, OutboxStatus, RecipientState};
use liaison::hub::enqueue::{self, Answers, EnqueueError};
use liaison::hub::settle;
use liaison::outbound::dispatcher::Dispatcher;
use liaison::outbound::reconcile::{self, Reconciler};
use liaison::outbound::{SendingSettings, SentCopy, Tools, Watermark};
use liaison::store::Store;
use liaison::store::mailbox::Side;
use liaison::store::outbox::Grip;
use liaison::worker::{Stop, Wake, WorkerError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Upper bound of a polling loop.
const PATIENCE: Duration = Duration::from_mins(4);

struct Running {
    stop: Stop,
    wake: Wake,
    task: JoinHandle<Result<(), WorkerError>>,
}

fn run(tools: Tools, settings: SendingSettings, provider: &Arc<Provider>) -> Running {
    let (stop, wake) = (Stop::default(), Wake::default());
    let dispatcher = Dispatcher::new(tools, settings, provider.senders(), wake.clone());
    let task = tokio::spawn(dispatcher.run(stop.clone()));
    Running { stop, wake, task }
}

impl Running {
    async fn stop(self) {
        self.stop.soft.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !done().await {
        assert!(tokio::time::Instant::now() < end, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A number that looks like chance and is the same in every run.
fn hash(n: usize) -> u64 {
    let mut x = (n as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// 30 in 100 answers are lost; of those, half after the provider took the content.
fn lossy(n: usize) -> Does {
    match hash(n) % 100 {
        0..15 => Does::TakesSilently,
        15..30 => Does::LosesContent,
        _ => Does::Takes,
    }
}

/// How many are not over yet; one look, for rows move while they are counted.
async fn open(bench: &Bench) -> i64 {
    let mut tx = bench.fresh.store.read().await.unwrap();
    let open = [OutboxStatus::Queued, OutboxStatus::Claimed, OutboxStatus::HandedOver, OutboxStatus::Deferred];
    tx.count_outbox("brand", &open).await.unwrap().into_iter().map(|(_, n)| n).sum()
}

/// Answers are lost, at a provider that does not file what it sends: nobody can say, so a person decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_leave_uncertain_messages_that_are_never_sent_again_blindly() {
    for bench in outbox_bench::both().await {
        bench.enqueue(2_000).await;
        let provider = Provider::new(false, lossy);
        let hub = SendingSettings { sent_copy: SentCopy::Hub, ..settings() };
        let running = run(bench.tools(), hub.clone(), &provider);
        until("all are sent or uncertain", async || open(&bench).await == 0).await;
        let mut reconciler = Reconciler::new(bench.tools(), hub, Some(provider.sources()), running.wake.clone());
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            reconciler.look_once().await.unwrap();
        }
        running.stop().await;
        let (sent, unsure) = (bench.count(OutboxStatus::Confirmed).await, bench.count(OutboxStatus::Uncertain).await);
        let taken = provider.taken();
        println!("{}: {sent} confirmed, {unsure} uncertain, {} taken", bench.name(), taken.len());
        assert_eq!(sent + unsure, 2_000);
        assert!(unsure > 400, "the test loses answers");
        assert!(taken.values().all(|n| *n == 1), "{}: sent twice", bench.name());
        assert_eq!(provider.offers.lock().unwrap().len(), 2_000, "each was tried once");
        assert_eq!(i64::try_from(bench.events(EventType::MessageUncertain).await), Ok(unsure));
        assert_eq!(i64::try_from(bench.events(EventType::MessageSent).await), Ok(sent));
    }
}

/// The same at a provider that files what it sends and was seen to: presence and absence both settle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_are_settled_where_the_server_files_what_it_sends() {
    for bench in outbox_bench::both().await {
        bench.enqueue(2_000).await;
        let mut tx = bench.begin().await;
        tx.set_filing_seen("brand", bench.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let provider = Provider::new(true, lossy);
        let running = run(bench.tools(), settings(), &provider);
        let mut reconciler = Reconciler::new(bench.tools(), settings(), Some(provider.sources()), running.wake.clone());
        until("all are confirmed", async || {
            reconciler.look_once().await.unwrap();
            bench.count(OutboxStatus::Confirmed).await == 2_000
        })
        .await;
        running.stop().await;
        let taken = provider.taken();
        println!("{}: {} offers for 2000 messages", bench.name(), provider.offers.lock().unwrap().len());
        assert_eq!(taken.len(), 2_000);
        assert!(taken.values().all(|n| *n == 1), "{}: sent twice", bench.name());
        assert_eq!(bench.events(EventType::MessageSent).await, 2_000);
    }
}

/// An older copy of the database would send it again, and nothing would tell.
#[tokio::test]
async fn what_can_not_be_remembered_beside_the_database_is_not_sent() {
    for bench in outbox_bench::both().await {
        bench.enqueue(3).await;
        let dir = tempfile::tempdir().unwrap();
        let (folder, file) = (dir.path().join("state"), dir.path().join("state/seen"));
        std::fs::create_dir(&folder).unwrap();
        // So many lines that the next one is written into a new file, in a folder that is not there.
        std::fs::write(&file, (0..10_000).map(|n| format!("1 other{n}\n")).collect::<String>()).unwrap();
        let tools = Tools { watermark: Watermark::open(&file).unwrap(), ..bench.tools() };
        std::fs::remove_dir_all(&folder).unwrap();
        let provider = Provider::new(true, |_| Does::Takes);
        let running = run(tools, settings(), &provider);
        until("the account says so", async || {
            let mut tx = bench.fresh.store.read().await.unwrap();
            tx.get_account("brand").await.unwrap().is_some_and(|a| a.sending_state == AccountState::Down)
        })
        .await;
        assert!(provider.taken().is_empty(), "{}", bench.name());
        std::fs::create_dir(&folder).unwrap();
        until("all are sent", async || bench.count(OutboxStatus::Confirmed).await == 3).await;
        running.stop().await;
        assert!(provider.taken().values().all(|n| *n == 1) && provider.taken().len() == 3);
        let counted = bench.fresh.store.read().await.unwrap().list_handed_over().await.unwrap();
        assert_eq!(Watermark::read(&file).unwrap()["brand"], counted[0].count, "{}", bench.name());
    }
}

/// Absence proves nothing where nobody saw the server file anything.
#[tokio::test]
async fn absence_does_not_settle_before_the_server_was_seen_to_file() {
    let bench = Bench::on(stores::sqlite().await).await;
    bench.enqueue(3).await;
    let provider = Provider::new(true, |_| Does::LosesContent);
    let running = run(bench.tools(), settings(), &provider);
    until("all are uncertain", async || bench.count(OutboxStatus::Uncertain).await == 3).await;
    let mut reconciler = Reconciler::new(bench.tools(), settings(), Some(provider.sources()), running.wake.clone());
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        reconciler.look_once().await.unwrap();
    }
    assert_eq!(bench.count(OutboxStatus::Uncertain).await, 3);
    running.stop().await;
}

/// The provider does one thing once, and then takes everything.
async fn after_one(bench: &Bench, does: Does) -> (Arc<Provider>, MessageId) {
    let id = bench.enqueue(1).await[0];
    let provider = Provider::new(false, move |n| if n == 0 { does } else { Does::Takes });
    let running = run(bench.tools(), settings(), &provider);
    until("it was offered and put away", async || {
        let tried = !provider.offers.lock().unwrap().is_empty();
        let in_hand = bench.count(OutboxStatus::Claimed).await + bench.count(OutboxStatus::HandedOver).await;
        let mut tx = bench.fresh.store.read().await.unwrap();
        let row = tx.get_outbox(id).await.unwrap().unwrap();
        let touched = row.attempts > 1 || row.status != OutboxStatus::Queued || row.detail.is_some();
        tried && in_hand == 0 && touched
    })
    .await;
    running.stop().await;
    (provider, id)
}

#[tokio::test]
async fn failure_at_each_step_has_its_own_end() {
    for bench in outbox_bench::both().await {
        for (does, expected, failures) in [
            (Does::SenderLater, vec![OutboxStatus::Deferred], 1),
            (Does::RecipientLater, vec![OutboxStatus::Deferred], 1),
            (Does::ContentLater, vec![OutboxStatus::Deferred], 1),
            (Does::ContentNever, vec![OutboxStatus::Rejected], 0),
            (Does::LosesContent, vec![OutboxStatus::Uncertain], 0),
            (Does::TakesSilently, vec![OutboxStatus::Uncertain], 0),
            // These are the account's trouble: the message waits, and may have gone by now.
            (Does::NoConnection, vec![OutboxStatus::Queued, OutboxStatus::Confirmed], 0),
            // These may be its own: it waits longer than others.
            (Does::LostAtData, vec![OutboxStatus::Deferred], 1),
            (Does::LostAtRecipient, vec![OutboxStatus::Deferred], 1),
            (Does::NoLogin, vec![OutboxStatus::Queued], 0),
            (Does::RecipientNever, vec![OutboxStatus::Rejected], 0),
        ] {
            bench.sql("UPDATE account SET sending_state = 'up'").await;
            bench.sql("UPDATE outbox SET status = 'cancelled' WHERE status IN ('queued', 'deferred')").await;
            let (provider, id) = after_one(&bench, does).await;
            let mut tx = bench.fresh.store.read().await.unwrap();
            let row = tx.get_outbox(id).await.unwrap().unwrap();
            assert!(expected.contains(&row.status), "{}: {does:?}: {row:?}", bench.name());
            assert_eq!(row.failures, failures, "{}: {does:?}", bench.name());
            assert!(provider.taken().values().all(|n| *n == 1), "{does:?}");
            let account = tx.get_account("brand").await.unwrap().unwrap();
            if does == Does::NoLogin {
                assert_eq!(account.sending_state, AccountState::NeedsLogin);
                assert_eq!(row.first_try_at, None, "no count begins");
            }
        }
        crate::facts::fit(&bench.fresh.store, crate::facts::BY_SERVERS).await;
    }
}

#[tokio::test]
async fn account_comes_up_again_after_the_connection_was_lost() {
    for bench in outbox_bench::both().await {
        bench.sql("UPDATE account SET sending_state = 'up'").await;
        bench.enqueue(20).await;
        let provider = Provider::new(false, |n| if n < 3 { Does::NoConnection } else { Does::Takes });
        let running = run(bench.tools(), settings(), &provider);
        until("all are sent", async || bench.count(OutboxStatus::Confirmed).await == 20).await;
        running.stop().await;
        assert!(provider.taken().values().all(|n| *n == 1));
        assert_eq!((bench.events(EventType::AccountDown).await, bench.events(EventType::AccountUp).await), (1, 1));
        let mut tx = bench.fresh.store.read().await.unwrap();
        assert_eq!(tx.get_account("brand").await.unwrap().unwrap().sending_state, AccountState::Up);
    }
}

#[tokio::test]
async fn recipient_refused_for_now_is_tried_alone_later_with_the_same_id() {
    for bench in outbox_bench::both().await {
        let mut tx = bench.begin().await;
        let order = bench.order(&[outbox_bench::address(1), outbox_bench::address(2), outbox_bench::address(3)]);
        let id = enqueue::enqueue(&mut tx, &bench.clock, order).await.unwrap().id;
        tx.commit().await.unwrap();
        let provider = Provider::new(false, |n| if n == 0 { Does::LastLater } else { Does::Takes });
        let running = run(bench.tools(), settings(), &provider);
        until("the last one is deferred", async || bench.count(OutboxStatus::Deferred).await == 1).await;
        bench.sql("UPDATE outbox SET due_at = 1").await;
        running.wake.wake();
        until("it is sent", async || bench.count(OutboxStatus::Confirmed).await == 1).await;
        running.stop().await;
        let journal = provider.journal.lock().unwrap().clone();
        assert_eq!(journal.len(), 2);
        assert_eq!(journal[0].recipients, [outbox_bench::address(1), outbox_bench::address(2)]);
        assert_eq!(journal[1].recipients, [outbox_bench::address(3)]);
        assert_eq!(journal[0].message_id, journal[1].message_id);
        let mut tx = bench.fresh.store.read().await.unwrap();
        let recipients = tx.list_recipients(vec![id]).await.unwrap();
        assert!(recipients.iter().all(|r| r.state == RecipientState::Accepted), "{recipients:?}");
        drop(tx);
        assert_eq!(bench.events(EventType::MessageSent).await, 1, "sent once, at the first");
        assert_eq!(bench.events(EventType::MessageDeferred).await, 1);
    }
}

/// Two nodes share one database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_dispatchers_on_one_database_send_nothing_twice() {
    let Some(fresh) = stores::postgres().await else {
        println!("skipped: LIAISON_TEST_POSTGRES is not set");
        return;
    };
    let bench = Bench::on(fresh).await;
    bench.enqueue(2_000).await;
    let provider = Provider::new(false, |_| Does::Takes);
    let second = Store::open(&bench.fresh.place).await.unwrap();
    let nodes = [run(bench.tools(), settings(), &provider), run(bench.tools_on(second), settings(), &provider)];
    until("all are sent", async || bench.count(OutboxStatus::Confirmed).await == 2_000).await;
    for node in nodes {
        node.stop().await;
    }
    let taken = provider.taken();
    assert_eq!(taken.len(), 2_000);
    assert!(taken.values().all(|n| *n == 1));
    assert_eq!(provider.offers.lock().unwrap().len(), 2_000);
}

/// Nodes on one database die in the middle; their leases run out by the database's clock, and others take over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_die_lose_nothing_and_send_nothing_twice() {
    let Some(fresh) = stores::postgres().await else {
        println!("skipped: LIAISON_TEST_POSTGRES is not set");
        return;
    };
    let bench = Bench::on(fresh).await;
    bench.enqueue(1_000).await;
    let short = SendingSettings { lease_seconds: 1, sessions: 2, ..settings() };
    let provider = Provider::slow(false, Duration::from_millis(4), |_| Does::Takes);
    let stop = Stop::default();
    let sweeper = Reconciler::new(bench.tools(), short.clone(), None, Wake::default());
    let sweeping = tokio::spawn(sweeper.run(stop.clone()));
    let mut deaths = 0;
    while open(&bench).await > 0 {
        let nodes = [run(bench.tools(), short.clone(), &provider), run(bench.tools(), short.clone(), &provider)];
        for node in nodes {
            let goal = provider.journal.lock().unwrap().len() + 10 + usize::try_from(hash(deaths) % 30).unwrap();
            until("some are sent", async || provider.journal.lock().unwrap().len() >= goal || open(&bench).await == 0)
                .await;
            node.stop.hard.cancel();
            node.task.await.unwrap().unwrap();
            deaths += 1;
        }
    }
    stop.soft.cancel();
    sweeping.await.unwrap();
    let (sent, unsure) = (bench.count(OutboxStatus::Confirmed).await, bench.count(OutboxStatus::Uncertain).await);
    println!("{deaths} deaths: {sent} confirmed, {unsure} uncertain");
    assert_eq!(sent + unsure, 1_000);
    assert!(unsure <= i64::try_from(deaths * short.sessions).unwrap());
    assert!(provider.taken().values().all(|n| *n == 1));
}

/// Stops one message, in one of three ways; whether the stop was committed while it had not been handed over.
async fn stop_one(bench: &Bench, n: usize, id: MessageId) -> bool {
    let address = outbox_bench::address(n);
    let mut tx = bench.begin().await;
    if n.is_multiple_of(2) {
        let cancelled = settle::cancel(&mut tx, &bench.clock, id, "undo").await.is_ok();
        tx.commit().await.unwrap();
        return cancelled;
    }
    // Another connection can't write to SQLite beside a busy daemon, and the store has no function for it here.
    if n % 4 == 1 && bench.name() == "postgres" {
        drop(tx);
        bench.suppress(&address).await;
    } else {
        tx.set_address_dead(&address, bench.clock.now(), "no such user").await.unwrap();
        tx.commit().await.unwrap();
    }
    // A hand-over that began before that commit may still be on its way to its own; what no such one has taken never goes.
    let status = bench.settled_status(id).await;
    matches!(status, OutboxStatus::Queued | OutboxStatus::Claimed | OutboxStatus::Cancelled)
}

/// A stop that was committed while the message had not been handed over wins: 1,000 races.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_that_is_committed_before_the_hand_over_wins() {
    for bench in outbox_bench::both().await {
        let owner = bench.influencer("crowd", "crowd@example.org").await;
        bench.addresses_of(owner, 1_000).await;
        let provider = Provider::new(false, |_| Does::Takes);
        let running = run(bench.tools(), settings(), &provider);
        let mut stopped = Vec::new();
        for n in 0..1_000 {
            let mut tx = bench.begin().await;
            let order = bench.order(&[outbox_bench::address(n)]);
            let id = enqueue::enqueue(&mut tx, &bench.clock, order).await.unwrap().id;
            tx.commit().await.unwrap();
            running.wake.wake();
            tokio::time::sleep(Duration::from_micros(hash(n) % 8_000)).await;
            if stop_one(&bench, n, id).await {
                stopped.push(id);
            }
        }
        until("all are over", async || open(&bench).await == 0).await;
        running.stop().await;
        let taken = provider.taken();
        let mut tx = bench.fresh.store.read().await.unwrap();
        for id in &stopped {
            let row = tx.get_outbox(*id).await.unwrap().unwrap();
            assert!(!taken.contains_key(&row.token), "{}: sent after a committed stop: {row:?}", bench.name());
            assert_eq!(row.status, OutboxStatus::Cancelled, "{}: {row:?}", bench.name());
        }
        println!("{}: of 1000 stops {} came in time, {} mails went out", bench.name(), stopped.len(), taken.len());
        assert!(taken.values().all(|n| *n == 1));
        assert!(!stopped.is_empty() && !taken.is_empty(), "there was a race");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soft_stop_under_load_loses_nothing_and_leaves_nothing_in_hand() {
    for bench in outbox_bench::both().await {
        bench.enqueue(500).await;
        let provider = Provider::slow(false, Duration::from_millis(2), |_| Does::Takes);
        let mut stops = 0;
        while bench.count(OutboxStatus::Confirmed).await < 500 {
            let running = run(bench.tools(), settings(), &provider);
            let before = provider.journal.lock().unwrap().len();
            let goal = (before + 40).min(500);
            until("some are sent", async || provider.journal.lock().unwrap().len() >= goal).await;
            running.stop().await;
            stops += 1;
            let left = bench.count(OutboxStatus::Claimed).await + bench.count(OutboxStatus::HandedOver).await;
            assert_eq!(left, 0, "{}: left in hand", bench.name());
            assert_eq!(bench.count(OutboxStatus::Uncertain).await, 0);
            let confirmed = bench.count(OutboxStatus::Confirmed).await;
            assert_eq!(confirmed, i64::try_from(provider.journal.lock().unwrap().len()).unwrap());
        }
        println!("{}: {stops} stops", bench.name());
        assert!(stops > 3 && provider.taken().values().all(|n| *n == 1));
    }
}

/// The process is gone in the middle, again and again: at most one uncertain message per session each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_leaves_at_most_one_uncertain_message_per_session() {
    for bench in outbox_bench::both().await {
        bench.enqueue(600).await;
        let provider = Provider::slow(false, Duration::from_millis(3), |_| Does::Takes);
        let (mut kills, mut unsure) = (0, 0);
        while open(&bench).await > 0 {
            let running = run(bench.tools(), settings(), &provider);
            let goal = provider.journal.lock().unwrap().len() + 5 + usize::try_from(hash(kills) % 50).unwrap();
            until("some are sent", async || provider.journal.lock().unwrap().len() >= goal || open(&bench).await == 0)
                .await;
            running.stop.hard.cancel();
            running.task.await.unwrap().unwrap();
            kills += 1;
            let mut tx = bench.begin().await;
            let swept = reconcile::recover(&mut tx, &bench.clock).await.unwrap();
            tx.commit().await.unwrap();
            assert!(swept.uncertain <= settings().sessions, "{}: {swept:?}", bench.name());
            unsure += swept.uncertain;
        }
        println!("{}: {kills} kills, {unsure} uncertain", bench.name());
        let taken = provider.taken();
        assert!(taken.values().all(|n| *n == 1), "{}: sent twice", bench.name());
        assert_eq!(bench.count(OutboxStatus::Uncertain).await, i64::try_from(unsure).unwrap());
        assert_eq!(bench.count(OutboxStatus::Confirmed).await + bench.count(OutboxStatus::Uncertain).await, 600);
    }
}

/// A session that waits longer than a lease for the final answer keeps its message, beside a sweeper.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_is_renewed_while_the_final_answer_is_awaited() {
    for bench in outbox_bench::both().await {
        bench.enqueue(2).await;
        let provider = Provider::slow(false, Duration::from_millis(3_500), |_| Does::Takes);
        let short = SendingSettings { lease_seconds: 1, ..settings() };
        let running = run(bench.tools(), short.clone(), &provider);
        let mut sweeper = Reconciler::new(bench.tools(), short, None, Wake::default());
        until("both are over", async || {
            sweeper.look_once().await.unwrap();
            assert_eq!(bench.count(OutboxStatus::Uncertain).await, 0, "{}", bench.name());
            open(&bench).await == 0
        })
        .await;
        running.stop().await;
        assert_eq!(bench.count(OutboxStatus::Confirmed).await, 2);
        assert_eq!(provider.offers.lock().unwrap().len(), 2);
    }
}

/// A node that slept through its lease must not send what another one has taken.
#[tokio::test]
async fn node_that_slept_through_its_lease_sends_nothing() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(50).await;
        let dozing = RunId(bench.clock.new_id());
        let mut tx = bench.begin().await;
        let claimed = tx.claim_due("brand", dozing, bench.clock.now(), (50, -1)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claimed.len(), ids.len());
        let provider = Provider::new(false, |_| Does::Takes);
        let running = run(bench.tools(), settings(), &provider);
        let mut other = Reconciler::new(bench.tools(), settings(), None, running.wake.clone());
        let mut refused = 0;
        for row in claimed.iter().cycle().take(400) {
            other.look_once().await.unwrap();
            let mut tx = bench.begin().await;
            let grip = Grip { id: row.id, holder: dozing, attempt: row.attempt };
            assert!(tx.mark_handed_over(grip, bench.clock.now()).await.unwrap().is_none());
            refused += 1;
            tx.commit().await.unwrap();
        }
        until("all are sent by the other", async || bench.count(OutboxStatus::Confirmed).await == 50).await;
        running.stop().await;
        println!("{}: {refused} late hand-overs refused", bench.name());
        assert!(provider.taken().len() == 50 && provider.taken().values().all(|n| *n == 1));
    }
}

#[tokio::test]
async fn messages_composed_together_stand_in_their_thread_one_after_the_other() {
    for bench in outbox_bench::both().await {
        let ana = bench.influencer("ana", "ana@example.org").await;
        let mut tx = bench.begin().await;
        let first = enqueue::enqueue(&mut tx, &bench.clock, bench.order(&["ana@example.org".into()])).await.unwrap();
        let (_, thread) = first.threads[0];
        let mut ground = enqueue::Ground::default();
        let answers = [Answers::Message(first.id), Answers::Thread(thread)];
        ground.read_answered(&mut tx, &answers).await.unwrap();
        ground.read_addresses(&mut tx, ["ana@example.org".to_owned()].into()).await.unwrap();
        let mut letters = Vec::new();
        for answers in answers {
            let mut order = bench.order(&[]);
            (order.answers, order.subject) = (Some(answers), None);
            letters.push(enqueue::compose(&bench.clock, &mut ground, order).unwrap());
        }
        let ids: Vec<_> = letters.iter().map(enqueue::Letter::id).collect();
        enqueue::write_all(&mut tx, &bench.clock, &mut ground, letters).await.unwrap();
        let row = tx.get_thread(thread).await.unwrap().unwrap();
        assert_eq!((row.message_count, row.influencer_id), (3, ana), "{}", bench.name());
        for answered in tx.find_answered(ids.clone()).await.unwrap() {
            assert_eq!(
                (answered.conversation_id, answered.subject.as_str()),
                (row.conversation_id, "Re: A plan for spring")
            );
        }
        assert_eq!(tx.list_recipients(ids.clone()).await.unwrap().len(), 2);
        // What was not read is not known, and nothing can be composed by it.
        let mut order = bench.order(&["ana@example.org".into()]);
        order.answers = Some(Answers::Message(ids[0]));
        assert!(matches!(enqueue::compose(&bench.clock, &mut ground, order), Err(EnqueueError::UnknownAnswered)));
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn cancelled_reply_leaves_the_turn_where_it_was() {
    for bench in outbox_bench::both().await {
        let ana = bench.influencer("ana", "ana@example.org").await;
        let mut tx = bench.begin().await;
        let first = enqueue::enqueue(&mut tx, &bench.clock, bench.order(&["ana@example.org".into()])).await.unwrap();
        tx.commit().await.unwrap();
        let (_, thread) = first.threads[0];
        bench.sql("UPDATE message SET direction = 'inbound', at = 5").await;
        bench.sql("UPDATE participation SET at = 5").await;
        bench.sql("UPDATE outbox SET status = 'confirmed'").await;
        let mut tx = bench.begin().await;
        let mut reply = bench.order(&[]);
        reply.answers = Some(Answers::Thread(thread));
        reply.to = vec![Mailbox { name: "Ana".into(), address: "ana@example.org".into() }];
        let reply = enqueue::enqueue(&mut tx, &bench.clock, reply).await.unwrap();
        assert_eq!(tx.get_thread(thread).await.unwrap().unwrap().awaiting, Some(Awaiting::Them));
        settle::cancel(&mut tx, &bench.clock, reply.id, "undo").await.unwrap();
        let row = tx.get_thread(thread).await.unwrap().unwrap();
        assert_eq!((row.awaiting, row.last_message_at), (Some(Awaiting::Us), Micros(5)), "{}", bench.name());
        assert_eq!(row.influencer_id, ana);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn pause_and_held_installation_stop_the_claim() {
    for bench in outbox_bench::both().await {
        bench.enqueue(10).await;
        let provider = Provider::new(false, |_| Does::Takes);
        let mut tx = bench.begin().await;
        tx.set_account_state("brand", Side::Sending, (AccountState::Paused, None), bench.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let running = run(bench.tools(), settings(), &provider);
        for _ in 0..5 {
            running.wake.wake();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert!(provider.offers.lock().unwrap().is_empty(), "{}: paused", bench.name());
        let mut tx = bench.begin().await;
        tx.insert_installation(bench.clock.new_id(), bench.clock.now()).await.unwrap();
        tx.set_installation_held(true).await.unwrap();
        tx.set_account_state("brand", Side::Sending, (AccountState::Up, None), bench.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        for _ in 0..5 {
            running.wake.wake();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert!(provider.offers.lock().unwrap().is_empty(), "{}: held", bench.name());
        let mut tx = bench.begin().await;
        tx.set_installation_held(false).await.unwrap();
        tx.commit().await.unwrap();
        until("all are sent", async || bench.count(OutboxStatus::Confirmed).await == 10).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn copy_is_filed_once_where_the_hub_files() {
    for bench in outbox_bench::both().await {
        let mut tx = bench.begin().await;
        for n in 0..5 {
            let mut order = bench.order(&[outbox_bench::address(n)]);
            order.file_copy = true;
            enqueue::enqueue(&mut tx, &bench.clock, order).await.unwrap();
        }
        tx.commit().await.unwrap();
        let provider = Provider::new(false, |_| Does::Takes);
        let hub = SendingSettings { sent_copy: SentCopy::Hub, ..settings() };
        let running = run(bench.tools(), hub.clone(), &provider);
        until("all are sent", async || bench.count(OutboxStatus::Confirmed).await == 5).await;
        running.stop().await;
        for round in 0..3 {
            // The note that it was filed is lost; the copy is there.
            if round == 2 {
                bench.sql("UPDATE outbox SET file_copy = (1 = 1), filed_at = NULL").await;
            }
            let mut reconciler = Reconciler::new(bench.tools(), hub.clone(), Some(provider.sources()), Wake::default());
            reconciler.look_once().await.unwrap();
            assert_eq!(provider.appended.lock().unwrap().len(), 5, "{}", bench.name());
        }
        let mut tx = bench.fresh.store.read().await.unwrap();
        assert!(tx.list_outbox(None, None, 10).await.unwrap().iter().all(|r| r.filed_at.is_some() && !r.file_copy));
    }
}

#[tokio::test]
async fn reply_stays_in_its_thread_and_shows_on_the_timeline() {
    for bench in outbox_bench::both().await {
        let ana = bench.influencer("ana", "ana@example.org").await;
        let mut tx = bench.begin().await;
        let first = bench.order(&["Ana@Example.org".into(), "nobody@example.org".into()]);
        let first = enqueue::enqueue(&mut tx, &bench.clock, first).await.unwrap();
        assert_eq!(first.threads.len(), 1);
        assert_eq!(first.threads[0].0, ana);
        let mut reply = bench.order(&[]);
        reply.subject = None;
        reply.answers = Some(Answers::Thread(first.threads[0].1));
        let second = enqueue::enqueue(&mut tx, &bench.clock, reply).await.unwrap();
        assert_eq!((second.conversation_id, &second.threads), (first.conversation_id, &first.threads));
        let thread = tx.get_thread(first.threads[0].1).await.unwrap().unwrap();
        assert_eq!((thread.message_count, thread.subject.as_str()), (2, "A plan for spring"));
        let raw = zstd::decode_all(tx.get_raw(second.id).await.unwrap().unwrap().as_slice()).unwrap();
        let raw = String::from_utf8(raw).unwrap();
        let id = format!("<{}>", first.internet_message_id);
        assert!(raw.contains(&format!("In-Reply-To: {id}")) && raw.contains(&format!("References: {id}")), "{raw}");
        assert!(raw.contains("Subject: Re: A plan for spring"), "{raw}");
        assert!(raw.contains("nobody@example.org") && !raw.contains("\r\nDate:"), "{raw}");
        let strangers = tx.find_strangers(vec!["nobody@example.org".into()]).await.unwrap();
        assert_eq!(strangers.len(), 2);
        tx.commit().await.unwrap();
        let provider = Provider::new(false, |_| Does::Takes);
        let running = run(bench.tools(), settings(), &provider);
        until("both are sent", async || bench.count(OutboxStatus::Confirmed).await == 2).await;
        running.stop().await;
        let mut tx = bench.begin().await;
        while tx.number_events(100).await.unwrap() > 0 {}
        let events = tx.list_events(0, 100).await.unwrap();
        let sent: Vec<_> = events.iter().filter(|e| e.kind == EventType::MessageSent).collect();
        assert_eq!(sent.len(), 2);
        assert!(sent.iter().all(|e| e.influencer_id == Some(ana) && e.stage.as_deref() == Some("contacted")));
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn enqueue_refuses_suppressed_and_dead_addresses_by_name_and_writes_nothing() {
    for bench in outbox_bench::both().await {
        bench.suppress("no@example.org").await;
        bench.influencer("bo", "dead@example.org").await;
        bench
            .sql("UPDATE address SET dead_at = 1, dead_reason = 'no such user' WHERE value_key = 'dead@example.org'")
            .await;
        let mut tx = bench.begin().await;
        let order = bench.order(&["ok@example.org".into(), "No@example.org".into(), "dead@example.org".into()]);
        let refused = enqueue::enqueue(&mut tx, &bench.clock, order).await;
        let Err(EnqueueError::Stopped(stopped)) = refused else { panic!("{refused:?}") };
        assert_eq!(
            stopped.iter().map(|s| s.address.as_str()).collect::<Vec<_>>(),
            ["No@example.org", "dead@example.org"]
        );
        assert!(stopped[0].reason.contains("opted_out") && stopped[1].reason.contains("no such user"));
        assert!(tx.list_outbox(None, None, 5).await.unwrap().is_empty());
        for (to, wanted) in [(vec![], "NoRecipient"), (vec!["nobody".to_owned()], "Address")] {
            let error = enqueue::enqueue(&mut tx, &bench.clock, bench.order(&to)).await.unwrap_err();
            assert!(format!("{error:?}").starts_with(wanted), "{error:?}");
        }
        let mut order = bench.order(&["ok@example.org".into()]);
        order.subject = Some("Hello\r\nBcc: all@example.org".into());
        assert!(matches!(enqueue::enqueue(&mut tx, &bench.clock, order).await, Err(EnqueueError::Compose(_))));
        drop(tx);
    }
}

/// A provider that gives mails ids of its own: answers to those are answers to ours, and what it does not show proves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_that_a_provider_gives_is_known_and_absence_there_proves_nothing() {
    for bench in outbox_bench::both().await {
        bench.enqueue(2).await;
        let mut tx = bench.begin().await;
        tx.set_filing_seen("brand", bench.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let provider = Provider::new(true, |n| if n == 0 { Does::Rewrites } else { Does::LosesContent });
        let sometime = SendingSettings { sent_copy: SentCopy::ServerSometime, ..settings() };
        let running = run(bench.tools(), sometime.clone(), &provider);
        until("both are sent or uncertain", async || open(&bench).await == 0).await;
        let mut reconciler = Reconciler::new(bench.tools(), sometime, Some(provider.sources()), running.wake.clone());
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            reconciler.look_once().await.unwrap();
        }
        running.stop().await;
        assert_eq!(bench.count(OutboxStatus::Confirmed).await, 1, "{}", bench.name());
        assert_eq!(bench.count(OutboxStatus::Uncertain).await, 1, "{}: absence settles nothing here", bench.name());
        assert_eq!(provider.offers.lock().unwrap().len(), 2, "nothing is sent again");
        let sql = "SELECT COUNT(*) FROM message_ref r JOIN message m ON m.conversation_id = r.conversation_id \
            JOIN outbox o ON o.id = m.id WHERE r.ref = 'id:rewritten@x.prod.outlook.com' AND o.status = 'confirmed'";
        let tied: i64 = match stores::raw_connection(&bench.fresh.place).await {
            stores::Raw::Sqlite(mut c) => sqlx::query_scalar(sql).fetch_one(&mut c).await.unwrap(),
            stores::Raw::Postgres(mut c) => sqlx::query_scalar(sql).fetch_one(&mut c).await.unwrap(),
        };
        assert_eq!(tied, 1, "{}", bench.name());
    }
}

#[tokio::test]
async fn full_mailbox_is_tried_again_kills_no_address_and_the_third_one_holds() {
    for bench in outbox_bench::both().await {
        let ana = bench.influencer("ana", "ana@example.org").await;
        let provider = Provider::new(false, |_| Does::MailboxFull);
        for n in 1..=3 {
            let mut tx = bench.begin().await;
            let order = bench.order(&["ana@example.org".into()]);
            let id = enqueue::enqueue(&mut tx, &bench.clock, order).await.unwrap().id;
            tx.commit().await.unwrap();
            let running = run(bench.tools(), settings(), &provider);
            until("it is deferred", async || {
                let mut tx = bench.fresh.store.read().await.unwrap();
                bench.status(&mut tx, id).await == OutboxStatus::Deferred
            })
            .await;
            running.stop().await;
            let mut tx = bench.fresh.store.read().await.unwrap();
            assert!(tx.list_places(vec![ana]).await.unwrap()[0].dead_at.is_none(), "{}", bench.name());
            let held = tx.list_holds(vec![ana]).await.unwrap()[0].held_until;
            assert_eq!(held.is_some(), n == 3, "{}: after {n}", bench.name());
            drop(tx);
            assert_eq!(bench.events(EventType::MessageBounced).await, n);
        }
        assert_eq!(bench.events(EventType::MessageRejected).await, 0);
    }
}

#[tokio::test]
async fn message_that_is_taken_back_gives_its_place_back() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(2).await;
        let mut tx = bench.begin().await;
        settle::cancel(&mut tx, &bench.clock, ids[0], "undo").await.unwrap();
        let left = tx.list_reservations("brand", Micros(0)).await.unwrap();
        assert_eq!(left.iter().map(|r| r.id).collect::<Vec<_>>(), [ids[1].0], "{}", bench.name());
        tx.commit().await.unwrap();
    }
}
