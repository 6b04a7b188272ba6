//! What is kept for a time goes when it is over, and what is still needed stays.

use crate::seed::{self, at, count};
use crate::stores::{Fresh, both};
use liaison::clock::Clock;
use liaison::config::Retention;
use liaison::domain::ids::{EventId, HitId, MessageId, RunId};
use liaison::domain::time::Micros;
use liaison::domain::words::{EventType, FileState, HitKind, Role};
use liaison::hub::retention::{Deleted, Keeper};
use liaison::store::event::NewEvent;
use liaison::store::file::{FileGrip, FilePiece, NewFile};
use liaison::store::thread::ThreadRow;
use liaison::store::tracking::HitRow;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// Long ago, and far from every bound: `seed::at` is the beginning of the tests' time.
const OLD: i64 = 0;

/// A message in a thread with original mail of its own, stored at an instant.
async fn with_original(fresh: &Fresh, clock: &Clock, thread: &ThreadRow, (n, raw): (i64, &str)) -> MessageId {
    let mut message = seed::message(clock, thread.conversation_id, n);
    let id = message.id;
    let hash = raw.as_bytes().to_vec();
    message.raw_hash = Some(hash.clone());
    let mut tx = fresh.store.begin("test.raw").await.unwrap();
    tx.insert_raws(vec![(hash, 5, raw.as_bytes().to_vec())]).await.unwrap();
    tx.commit().await.unwrap();
    seed::put(fresh, message, vec![(thread.influencer_id, thread.id, Role::Author)]).await;
    id
}

async fn has_original(fresh: &Fresh, id: MessageId) -> bool {
    fresh.store.read().await.unwrap().get_raw(id).await.unwrap().is_some()
}

fn event(clock: &Clock, kind: EventType, n: i64, message: Option<MessageId>) -> NewEvent {
    NewEvent {
        id: EventId(clock.new_id()),
        kind,
        at: at(n),
        influencer_id: None,
        stage: None,
        message_id: message,
        data: None,
        enrollment_id: None,
        machine: None,
    }
}

fn keeper(fresh: &Fresh, clock: &Clock) -> Keeper {
    Keeper { store: fresh.store.clone(), clock: clock.clone(), run: RunId(clock.new_id()) }
}

/// Everything goes that is older than this; the machine's clock is long past the tests' time.
fn all_of(length: Duration) -> Retention {
    Retention { originals: Some(length), events: Some(length), hits: Some(length), webhook_log: Some(length) }
}

/// How long ago `at(n)` was.
fn since(clock: &Clock, n: i64) -> Duration {
    clock.now().since(at(n))
}

#[tokio::test]
async fn original_mail_goes_but_for_what_is_needed_and_the_newest_of_a_thread() {
    let clock = Clock::machine();
    for fresh in both().await {
        let who = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, who, 100).await;
        let plain = with_original(&fresh, &clock, &thread, (OLD, "one")).await;
        // The same octets twice: of the second message they are needed.
        let shared = with_original(&fresh, &clock, &thread, (OLD, "shared")).await;
        let shared_too = with_original(&fresh, &clock, &thread, (99, "shared")).await;
        let mut kept = Vec::new();
        for status in ["review", "queued", "claimed", "handed_over", "deferred", "uncertain"] {
            let id = with_original(&fresh, &clock, &thread, (OLD, status)).await;
            seed::outbox(&fresh, id, status).await;
            kept.push(id);
        }
        let mut settled = Vec::new();
        for status in ["confirmed", "rejected", "cancelled"] {
            let id = with_original(&fresh, &clock, &thread, (OLD, status)).await;
            seed::outbox(&fresh, id, status).await;
            settled.push(id);
        }
        let unfiled = with_original(&fresh, &clock, &thread, (OLD, "unfiled")).await;
        seed::outbox(&fresh, unfiled, "confirmed").await;
        seed::run(&fresh, "UPDATE outbox SET file_copy = TRUE WHERE id = $1", &[unfiled.0]).await;
        let newest = with_original(&fresh, &clock, &thread, (100, "newest")).await;
        let young = with_original(&fresh, &clock, &thread, (90, "young")).await;
        kept.extend([unfiled, newest, young]);
        let done = keeper(&fresh, &clock).round(&all_of(since(&clock, 50))).await.unwrap();
        assert_eq!(done.originals, 2 + 3, "{}: {done:?}", fresh.name);
        for id in [plain, shared].into_iter().chain(settled) {
            assert!(!has_original(&fresh, id).await, "{}", fresh.name);
        }
        for id in kept.into_iter().chain([shared_too]) {
            assert!(has_original(&fresh, id).await, "{}", fresh.name);
        }
        let texts = count(&fresh, "SELECT COUNT(*) FROM message WHERE text LIKE 'Text number%'").await;
        assert_eq!(texts, 15, "{}: every text stays", fresh.name);
        assert_eq!(count(&fresh, "SELECT COUNT(*) FROM raw").await, 10, "{}: no octets without a message", fresh.name);
        // What was needed goes once it is not.
        seed::run(&fresh, "UPDATE outbox SET status = 'confirmed', file_copy = FALSE WHERE id = $1", &[unfiled.0])
            .await;
        let other = keeper(&fresh, &clock).round(&all_of(since(&clock, 50))).await.unwrap();
        assert_eq!(other, Deleted::default(), "{}: another holds the lease", fresh.name);
        seed::run(&fresh, "UPDATE lease SET until = 0 WHERE name = 'retention'", &[]).await;
        let other = keeper(&fresh, &clock).round(&all_of(since(&clock, 50))).await.unwrap();
        assert_eq!(other.originals, 1, "{}", fresh.name);
    }
}

#[tokio::test]
async fn originals_go_page_after_page_past_those_that_stay() {
    let clock = Clock::machine();
    for fresh in both().await {
        let who = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, who, 100).await;
        for n in 0..6 {
            let id = with_original(&fresh, &clock, &thread, (OLD, &format!("r{n}"))).await;
            if n % 2 == 0 {
                seed::outbox(&fresh, id, "queued").await;
            }
        }
        let (mut after, mut deleted, mut pages) = (None, 0, 0);
        loop {
            let mut tx = fresh.store.begin("test").await.unwrap();
            let page = tx.delete_originals(at(50), after, 2).await.unwrap();
            tx.commit().await.unwrap();
            (deleted, pages) = (deleted + page.deleted, pages + 1);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!((deleted, pages), (3, 4), "{}", fresh.name);
        assert_eq!(count(&fresh, "SELECT COUNT(*) FROM raw").await, 3, "{}", fresh.name);
    }
}

#[tokio::test]
async fn events_go_but_for_every_no_and_what_somebody_is_still_to_be_told() {
    let clock = Clock::machine();
    for fresh in both().await {
        let who = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, who, 100).await;
        let waiting = seed::message_in(&fresh, &clock, &thread, OLD).await;
        seed::outbox(&fresh, waiting, "uncertain").await;
        let over = seed::message_in(&fresh, &clock, &thread, OLD).await;
        let all = vec![
            event(&clock, EventType::AccountUp, OLD, None),
            event(&clock, EventType::MessageReceived, OLD, Some(over)),
            event(&clock, EventType::InfluencerUnsubscribed, OLD, None),
            event(&clock, EventType::MessageComplained, OLD, None),
            event(&clock, EventType::InfluencerStageChanged, OLD, None),
            event(&clock, EventType::MessageUncertain, OLD, Some(waiting)),
            event(&clock, EventType::AccountDown, 90, None),
            event(&clock, EventType::AccountUp, OLD, None),
        ];
        let told = all[7].id;
        let mut tx = fresh.store.begin("test").await.unwrap();
        tx.insert_events(all).await.unwrap();
        tx.number_events(100).await.unwrap();
        tx.commit().await.unwrap();
        seed::run(
            &fresh,
            &format!(
                "INSERT INTO webhook (id, url, description, events, state, secret_sealed, seen_seq, failures, rest_until, version, \
                 created_at) VALUES ($1, 'https://a.example', '', '[]', 'enabled', {}, 8, 0, 0, 1, 0)",
                if fresh.name == "sqlite" { "x'00'" } else { "'\\x00'" }
            ),
            &[told.0],
        )
        .await;
        seed::run(
            &fresh,
            "INSERT INTO webhook_delivery (id, webhook_id, event_id, seq, type, state, tried, due_at, created_at) \
             VALUES ($1, $1, $1, 8, 'account.up', 'pending', 0, 0, 0)",
            &[told.0],
        )
        .await;
        let keeper = keeper(&fresh, &clock);
        let rules = all_of(since(&clock, 50));
        assert_eq!(keeper.round(&rules).await.unwrap().events, 2, "{}", fresh.name);
        assert_eq!(count(&fresh, "SELECT COUNT(*) FROM event").await, 6, "{}", fresh.name);
        // Told, and settled.
        seed::run(&fresh, "UPDATE webhook_delivery SET state = 'delivered', finished_at = 1 WHERE id = $1", &[told.0])
            .await;
        seed::run(&fresh, "UPDATE outbox SET status = 'confirmed' WHERE id = $1", &[waiting.0]).await;
        // A webhook that has not come so far yet.
        seed::run(&fresh, "UPDATE webhook SET seen_seq = 6 WHERE id = $1", &[told.0]).await;
        let done = keeper.round(&rules).await.unwrap();
        assert_eq!((done.events, done.webhook_log), (1, 1), "{}: only what it has seen", fresh.name);
        seed::run(&fresh, "UPDATE webhook SET seen_seq = 8 WHERE id = $1", &[told.0]).await;
        assert_eq!(keeper.round(&rules).await.unwrap().events, 1, "{}", fresh.name);
        assert_eq!(count(&fresh, "SELECT COUNT(*) FROM event").await, 4, "{}", fresh.name);
        // The numbers go on.
        let mut tx = fresh.store.begin("test").await.unwrap();
        tx.insert_events(vec![event(&clock, EventType::AccountUp, 95, None)]).await.unwrap();
        tx.number_events(100).await.unwrap();
        assert_eq!(tx.last_event_seq().await.unwrap(), 9, "{}", fresh.name);
    }
}

#[tokio::test]
async fn judged_hits_go_and_keys_that_are_over() {
    let clock = Clock::machine();
    for fresh in both().await {
        let hit = |n: i64| HitRow {
            id: HitId(clock.new_id()),
            message_id: MessageId(clock.new_id()),
            influencer_id: None,
            kind: HitKind::Open,
            link: None,
            at: at(n),
            method: "GET".to_owned(),
            agent: "Mail".to_owned(),
            network: None,
            hint: None,
            judged: None,
        };
        let mut tx = fresh.store.begin("test").await.unwrap();
        tx.upsert_hits(vec![hit(OLD), hit(OLD), hit(90)]).await.unwrap();
        tx.commit().await.unwrap();
        let keeper = keeper(&fresh, &clock);
        let rules = all_of(since(&clock, 50));
        assert_eq!(keeper.round(&rules).await.unwrap().hits, 0, "{}: not judged yet", fresh.name);
        seed::run(
            &fresh,
            "UPDATE hit SET judged_at = 1, verdict = 'human', confidence = 1, reasons = '[]', judge = 1",
            &[],
        )
        .await;
        assert_eq!(keeper.round(&rules).await.unwrap().hits, 2, "{}", fresh.name);
        assert_eq!(count(&fresh, "SELECT COUNT(*) FROM hit").await, 1, "{}", fresh.name);
        let token = clock.new_id();
        let key = |name: &str, begun: Micros| {
            let sql = if fresh.name == "sqlite" { "x'00'" } else { "'\\x00'" };
            format!(
                "INSERT INTO idempotency (token_id, key, request, attempt, state, begun_at) \
                 VALUES ($1, '{name}', {sql}, $1, 'done', {})",
                begun.0
            )
        };
        let hash = if fresh.name == "sqlite" { "x'01'" } else { "'\\x01'" };
        let made =
            format!("INSERT INTO api_token (id, name, hash, scopes, created_at) VALUES ($1, 't', {hash}, '[]', 0)");
        seed::run(&fresh, &made, &[token]).await;
        seed::run(&fresh, &key("old", clock.now().minus(DAY * 2)), &[token]).await;
        seed::run(&fresh, &key("new", clock.now()), &[token]).await;
        assert_eq!(keeper.round(&Retention::default()).await.unwrap().keys, 1, "{}", fresh.name);
        assert_eq!(count(&fresh, "SELECT COUNT(*) FROM idempotency WHERE key = 'new'").await, 1, "{}", fresh.name);
    }
}

#[tokio::test]
async fn files_beside_a_message_go_with_what_came() {
    let clock = Clock::machine();
    for fresh in both().await {
        let who = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, who, 100).await;
        let old = with_original(&fresh, &clock, &thread, (OLD, "old")).await;
        // Its original could not be kept, since somebody was erased.
        let bare = with_original(&fresh, &clock, &thread, (OLD, "bare")).await;
        seed::run(&fresh, "UPDATE message SET raw_hash = NULL WHERE id = $1", &[bare.0]).await;
        let newest = with_original(&fresh, &clock, &thread, (100, "newest")).await;
        let run = RunId(clock.new_id());
        for message_id in [old, bare, newest] {
            let mut tx = fresh.store.begin("test.file").await.unwrap();
            let file = NewFile {
                message_id,
                position: 0,
                account: "texts".into(),
                url: "https://files.example/1".into(),
                name: "1.jpg".into(),
                mime: "image/jpeg".into(),
                size: None,
                gone: None,
                at: at(1),
            };
            tx.insert_files(vec![file]).await.unwrap();
            let due = tx.claim_file("texts", run, at(2), 60).await.unwrap().unwrap();
            let grip = FileGrip { message_id, position: 0, holder: run, tries: due.tries };
            assert!(tx.insert_file_piece(message_id.0.as_bytes(), 0, FilePiece::pack(b"x").unwrap()).await.unwrap());
            assert!(tx.keep_file(grip, (message_id.0.as_bytes(), 1)).await.unwrap());
            tx.commit().await.unwrap();
        }
        let deleted = keeper(&fresh, &clock).round(&all_of(since(&clock, 50))).await.unwrap();
        assert_eq!((deleted.originals, deleted.files), (1, 1), "{}", fresh.name);
        let mut tx = fresh.store.read().await.unwrap();
        for id in [old, bare] {
            let gone = tx.get_file(id, 0).await.unwrap().unwrap();
            assert_eq!((gone.state, gone.hash), (FileState::Gone, None), "{}", fresh.name);
            assert!(gone.reason.unwrap().contains("[retention]"));
        }
        assert_eq!(tx.get_file(newest, 0).await.unwrap().unwrap().state, FileState::Kept, "{}", fresh.name);
        drop(tx);
        assert_eq!(count(&fresh, "SELECT COUNT(*) FROM file_piece").await, 1, "{}", fresh.name);
    }
}
