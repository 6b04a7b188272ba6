//! Files beside messages as whoever reads an account fetches them, from a provider that does as it is told.

use crate::seed::{self, count};
use crate::stores::{self, Fresh};
use futures_util::future::BoxFuture;
use liaison::clock::Clock;
use liaison::connector::feed::{Attached, Batch, Feed, FileError, Party, Said, Told};
use liaison::connector::{ConnectorError, Wake};
use liaison::domain::chat::Harm;
use liaison::domain::ids::{MessageId, RunId};
use liaison::domain::time::Micros;
use liaison::domain::words::{Channel, Direction, FileState};
use liaison::inbound::listener::{Listener, Pace, Reach, Settings, Shared};
use liaison::lifecycle::Stop;
use liaison::store::StoreError;
use liaison::store::file::FileRow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Machine time that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the provider does when it is asked for a file.
enum Does {
    Gives(Vec<u8>),
    Fails(fn() -> FileError),
    /// Gives it once it is told to.
    Waits(Arc<Notify>, Vec<u8>),
}

#[derive(Default)]
struct Script {
    told: Vec<Told>,
    /// By the address of the file; the last one is done again and again.
    files: HashMap<String, VecDeque<Does>>,
    asked: Vec<String>,
    /// What is said can't be read.
    deaf: bool,
}

/// Tells what there is from the cursor on, which is how much was told.
struct Scripted(Arc<Mutex<Script>>);

impl Feed for Scripted {
    fn next<'a>(&'a mut self, cursor: Option<&'a str>, _: Micros) -> BoxFuture<'a, Result<Batch, ConnectorError>> {
        if self.0.lock().unwrap().deaf {
            return Box::pin(async { Err(ConnectorError::Lost("HTTP 503".into())) });
        }
        let from = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let told = self.0.lock().unwrap().told[from..].to_vec();
        let cursor = (from + told.len()).to_string();
        Box::pin(async move { Ok(Batch { told, cursor, more: false, put_off: false }) })
    }

    fn file<'a>(&'a mut self, file: &'a Attached, octets_max: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        assert_eq!(octets_max, 50 * 1024 * 1024);
        let mut script = self.0.lock().unwrap();
        script.asked.push(file.url.clone());
        let does = script.files.get_mut(&file.url).unwrap();
        let does = if does.len() > 1 { does.pop_front().unwrap() } else { does[0].again() };
        Box::pin(async move {
            match does {
                Does::Gives(content) => Ok(content),
                Does::Fails(error) => Err(error()),
                Does::Waits(until, content) => {
                    until.notified().await;
                    Ok(content)
                }
            }
        })
    }

    fn wait(&mut self, at_most: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>> {
        Box::pin(async move {
            tokio::time::sleep(at_most).await;
            Ok(Wake::Elapsed)
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

impl Does {
    fn again(&self) -> Self {
        match self {
            Self::Gives(content) => Self::Gives(content.clone()),
            Self::Fails(error) => Self::Fails(*error),
            Self::Waits(until, content) => Self::Waits(Arc::clone(until), content.clone()),
        }
    }
}

struct World {
    fresh: Fresh,
    clock: Clock,
    script: Arc<Mutex<Script>>,
    stored: Arc<Notify>,
}

/// One who reads the account, as a process would.
struct Reader {
    stop: Stop,
    task: JoinHandle<Result<(), StoreError>>,
}

impl World {
    async fn new(fresh: Fresh) -> Self {
        let clock = Clock::stepped(Micros::from_seconds(1_700_000_000));
        let mut tx = fresh.store.begin("test.account").await.unwrap();
        tx.ensure_account("texts", "twilio", "+14155550100", clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        Self { fresh, clock, script: Arc::default(), stored: Arc::default() }
    }

    fn read(&self) -> Reader {
        let shared = Shared {
            store: self.fresh.store.clone(),
            clock: self.clock.clone(),
            run: RunId(self.clock.new_id()),
            wake: Arc::new(Notify::new()),
            stored: Arc::clone(&self.stored),
        };
        let settings = Settings {
            account: "texts".into(),
            channel: Channel::Sms,
            harm: |_| Harm::Passing,
            reach: Reach::All,
            poll: Duration::from_millis(20),
            pace: Pace {
                lease: Duration::from_mins(1),
                backoff: (Duration::from_millis(2), Duration::from_millis(20)),
                patience: Duration::ZERO,
            },
        };
        let script = Arc::clone(&self.script);
        let connect = Arc::new(move || Box::new(Scripted(Arc::clone(&script))) as Box<dyn Feed>);
        let stop = Stop::new();
        let task = tokio::spawn(Listener::new(shared, settings, connect).run(stop.clone()));
        Reader { stop, task }
    }

    /// Somebody says something with files at these addresses.
    fn says(&self, id: &str, files: Vec<(&str, Option<u64>, Vec<Does>)>) {
        let mut script = self.script.lock().unwrap();
        let party = |address: &str| Party { address: address.into(), name: String::new() };
        let attached = |(url, size, _): &(&str, Option<u64>, Vec<Does>)| Attached {
            url: (*url).to_owned(),
            name: format!("{url}.jpg"),
            mime: "image/jpeg".into(),
            size: *size,
        };
        script.told.push(Told::Said(Box::new(Said {
            id: id.to_owned(),
            direction: Direction::Inbound,
            conversation: "+14155550100 +14155550199".into(),
            place: "+14155550100".into(),
            author: party("+14155550199"),
            to: vec![party("+14155550100")],
            text: "look".into(),
            at: self.clock.now(),
            files: files.iter().map(attached).collect(),
            by_machine: false,
            edited: false,
            mentions: false,
            is_history: false,
            token: None,
            consent: None,
            raw: b"{}".to_vec(),
        })));
        script.files.extend(files.into_iter().map(|(url, _, does)| (url.to_owned(), VecDeque::from(does))));
    }

    fn asked(&self, url: &str) -> usize {
        self.script.lock().unwrap().asked.iter().filter(|asked| *asked == url).count()
    }

    async fn message(&self, id: &str) -> Option<MessageId> {
        let mut tx = self.fresh.store.read().await.unwrap();
        let known = tx.find_provider_messages("texts", vec![id.to_owned()]).await.unwrap();
        known.first().map(|row| row.message_id)
    }

    async fn file(&self, id: &str, position: i64) -> Option<FileRow> {
        let message = self.message(id).await?;
        self.fresh.store.read().await.unwrap().get_file(message, position).await.unwrap()
    }

    async fn until_state(&self, id: &str, position: i64, state: FileState) -> FileRow {
        self.until(&format!("file {position} of {id} is {state}"), async || {
            self.file(id, position).await.filter(|file| file.state == state)
        })
        .await
    }

    async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            let asked = self.script.lock().unwrap().asked.clone();
            assert!(begun.elapsed() < PATIENCE, "{}: it never comes to this: {what}; asked {asked:?}", self.fresh.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn content(&self, file: &FileRow) -> Vec<u8> {
        let mut tx = self.fresh.store.read().await.unwrap();
        let mut content = Vec::new();
        for n in 0.. {
            let piece = tx.get_file_piece(file.hash.as_ref().unwrap(), n).await.unwrap();
            let Some(piece) = piece else { break };
            content.extend(piece.unpack().unwrap());
        }
        content
    }
}

impl Reader {
    /// As a process that is killed.
    async fn die(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    async fn end(self) {
        self.stop.ask();
        self.task.await.unwrap().unwrap();
    }
}

/// Octets that no compression makes less of.
fn noise(octets: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap()
    };
    (0..octets).map(|_| next()).collect()
}

#[tokio::test]
async fn a_file_is_fetched_once_whoever_dies_over_it_and_keeps_nothing_waiting() {
    for fresh in stores::both().await {
        let world = World::new(fresh).await;
        let large = noise(5 * 1024 * 1024 / 2);
        let waits = Does::Waits(Arc::new(Notify::new()), Vec::new());
        world.says(
            "SM1",
            vec![
                ("a", None, vec![waits, Does::Gives(large.clone())]),
                ("b", Some(1), vec![Does::Gives(large.clone())]),
            ],
        );
        let first = world.read();
        world.until("it is asked for", async || (world.asked("a") == 1).then_some(())).await;
        // What is said while the file is on its way is heard.
        world.says("SM2", vec![("c", None, vec![Does::Gives(Vec::new())])]);
        world.until("the next message", async || world.message("SM2").await).await;
        let file = world.file("SM1", 0).await.unwrap();
        assert_eq!((file.state, file.reason), (FileState::Waiting, None), "{}", world.fresh.name);
        first.die().await;
        seed::run(&world.fresh, "UPDATE lease SET until = 0", &[]).await;
        // Another one fetches it again, without waiting for the first.
        let second = world.read();
        let kept = world.until_state("SM1", 0, FileState::Kept).await;
        assert_eq!((kept.size, kept.name.as_str(), kept.mime.as_str()), (Some(2_621_440), "a.jpg", "image/jpeg"));
        assert!(world.content(&kept).await == large, "{}: octet by octet", world.fresh.name);
        let same = world.until_state("SM1", 1, FileState::Kept).await;
        assert_eq!(
            (same.hash, same.size),
            (kept.hash, Some(2_621_440)),
            "{}: as it is, not as it was told",
            world.fresh.name
        );
        assert_eq!(world.until_state("SM2", 0, FileState::Kept).await.size, Some(0));
        assert_eq!(count(&world.fresh, "SELECT COUNT(*) FROM file_piece").await, 3, "{}: once", world.fresh.name);
        // Told again, it is known.
        let again = world.script.lock().unwrap().told[0].clone();
        world.script.lock().unwrap().told.push(again);
        world.says("SM3", Vec::new());
        world.until("the last message", async || world.message("SM3").await).await;
        world.stored.notify_waiters();
        second.end().await;
        assert_eq!([world.asked("a"), world.asked("b"), world.asked("c")], [2, 1, 1], "{}", world.fresh.name);
        let tries = count(&world.fresh, "SELECT CAST(SUM(tries) AS BIGINT) FROM message_file").await;
        assert_eq!(tries, 4, "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn who_lost_the_account_writes_nothing_of_what_it_fetched() {
    for fresh in stores::both().await {
        let world = World::new(fresh).await;
        let gate = Arc::new(Notify::new());
        let stale = Does::Waits(Arc::clone(&gate), b"stale".to_vec());
        world.says("SM1", vec![("a", None, vec![stale, Does::Gives(b"new".to_vec())])]);
        let reader = world.read();
        world.until("it is asked for", async || (world.asked("a") == 1).then_some(())).await;
        seed::run(&world.fresh, "UPDATE lease SET fence = fence + 1", &[]).await;
        gate.notify_one();
        let kept = world.until_state("SM1", 0, FileState::Kept).await;
        assert_eq!(world.content(&kept).await, b"new", "{}", world.fresh.name);
        reader.end().await;
        assert_eq!(world.asked("a"), 2, "{}", world.fresh.name);
        assert_eq!(count(&world.fresh, "SELECT COUNT(*) FROM file_piece").await, 1, "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn a_file_is_fetched_where_what_is_said_cant_be_read() {
    let lost: fn() -> FileError = || ConnectorError::Lost("HTTP 503".into()).into();
    for fresh in stores::both().await {
        let world = World::new(fresh).await;
        world.says("SM1", vec![("a", None, vec![Does::Fails(lost), Does::Gives(b"here".to_vec())])]);
        let reader = world.read();
        world.until("a reason", async || world.file("SM1", 0).await?.reason).await;
        world.script.lock().unwrap().deaf = true;
        let state = "SELECT COUNT(*) FROM account WHERE state = 'down'";
        world.until("it can't be read", async || (count(&world.fresh, state).await == 1).then_some(())).await;
        world.clock.advance(Duration::from_hours(1));
        let kept = world
            .until("the file", async || {
                world.stored.notify_waiters();
                world.file("SM1", 0).await.filter(|file| file.state == FileState::Kept)
            })
            .await;
        assert_eq!(world.content(&kept).await, b"here", "{}", world.fresh.name);
        assert_eq!(world.asked("a"), 2, "{}: no session that ended cost a try", world.fresh.name);
        reader.end().await;
    }
}

#[tokio::test]
async fn a_rest_that_the_provider_asks_for_is_no_fault_of_a_file() {
    let later: fn() -> FileError = || FileError::Later { rest: Duration::from_hours(2), why: "wait".into() };
    let nobody: fn() -> FileError = || ConnectorError::SignedOut("nobody is signed in".into()).into();
    for fresh in stores::both().await {
        let world = World::new(fresh).await;
        let name = world.fresh.name;
        let here = || Does::Gives(b"here".to_vec());
        world.says(
            "SM1",
            vec![("a", None, vec![Does::Fails(later), Does::Fails(nobody), here()]), ("b", None, vec![here()])],
        );
        let reader = world.read();
        let said = world.until("a reason", async || world.file("SM1", 0).await?.reason).await;
        assert_eq!(said, "wait", "{name}");
        let due = world.fresh.store.read().await.unwrap().next_due_file("texts").await.unwrap();
        assert!(due.is_some_and(|at| at <= world.clock.now()), "{name}: the other is due");
        // The provider is left alone, whatever else it could be asked for.
        world.says("SM2", Vec::new());
        world.until("the next message", async || world.message("SM2").await).await;
        world.stored.notify_waiters();
        assert_eq!(world.asked("b"), 0, "{name}");
        reader.end().await;
        // Whoever comes after asks again; an hour is the longest rest.
        world.clock.advance(Duration::from_mins(61));
        let reader = world.read();
        let reason = "SELECT COUNT(*) FROM message_file WHERE reason LIKE '%signed in%'";
        world.until("nobody is signed in", async || (count(&world.fresh, reason).await == 1).then_some(())).await;
        reader.end().await;
        world.clock.advance(Duration::from_mins(2));
        let reader = world.read();
        world.until_state("SM1", 0, FileState::Kept).await;
        world.until_state("SM1", 1, FileState::Kept).await;
        reader.end().await;
        assert_eq!((world.asked("a"), world.asked("b")), (3, 1), "{name}");
        let failures = "SELECT CAST(SUM(failures) AS BIGINT) FROM message_file";
        assert_eq!(count(&world.fresh, failures).await, 0, "{name}");
    }
}

#[tokio::test]
async fn what_cant_be_fetched_is_asked_for_less_and_less_often_and_given_up() {
    let lost: fn() -> FileError = || ConnectorError::Lost("HTTP 503".into()).into();
    let missing: fn() -> FileError = || FileError::Missing("the provider does not have it".into());
    for fresh in stores::both().await {
        let world = World::new(fresh).await;
        world.says(
            "SM1",
            vec![
                ("later", None, vec![Does::Fails(lost), Does::Gives(b"here".to_vec())]),
                ("missing", None, vec![Does::Fails(missing)]),
                ("lost", None, vec![Does::Fails(lost)]),
                ("large", None, vec![Does::Fails(|| FileError::TooLarge)]),
                ("told", Some(50 * 1024 * 1024 + 1), Vec::new()),
                ("elsewhere", None, vec![Does::Fails(|| FileError::Elsewhere("it lies elsewhere".into()))]),
            ],
        );
        let reader = world.read();
        let name = world.fresh.name;
        for (position, word) in [(3, "larger than"), (4, "larger than"), (5, "elsewhere")] {
            let gone = world.until_state("SM1", position, FileState::Gone).await;
            assert!(gone.reason.clone().unwrap().contains(word), "{name}: {gone:?}");
        }
        let said = world.until("a reason", async || world.file("SM1", 0).await?.reason).await;
        assert!(said.contains("HTTP 503"), "{name}: {said}");
        // Nothing is asked for again before its time.
        world.stored.notify_waiters();
        world
            .until("all are asked for", async || {
                (world.asked("missing") == 1 && world.asked("lost") == 1).then_some(())
            })
            .await;
        let begun = world.clock.now();
        let mut given_up = None;
        for _ in 0..80 {
            let next = world.fresh.store.read().await.unwrap().next_due_file("texts").await.unwrap();
            let Some(next) = next else { break };
            let before = world.script.lock().unwrap().asked.len();
            world.clock.advance_to(next.max(world.clock.now()));
            world
                .until("the next is asked for", async || {
                    world.stored.notify_waiters();
                    let asked = world.script.lock().unwrap().asked.len();
                    (asked > before).then_some(())
                })
                .await;
            world
                .until("what came of it", async || {
                    let in_hand = "SELECT COUNT(*) FROM message_file WHERE lease_until IS NOT NULL";
                    (count(&world.fresh, in_hand).await == 0).then_some(())
                })
                .await;
            if given_up.is_none() && world.file("SM1", 1).await.unwrap().state == FileState::Gone {
                given_up = Some(world.clock.now().since(begun));
            }
        }
        let kept = world.until_state("SM1", 0, FileState::Kept).await;
        assert_eq!((world.content(&kept).await.as_slice(), kept.reason), (b"here".as_slice(), None), "{name}");
        assert!(given_up.unwrap() < Duration::from_hours(3), "{name}: {given_up:?}");
        let gone = world.until_state("SM1", 2, FileState::Gone).await;
        assert!(gone.reason.unwrap().contains("HTTP 503"), "{name}");
        let took = world.clock.now().since(begun);
        assert!(took > Duration::from_hours(54) && took <= Duration::from_hours(81), "{name}: {took:?}");
        reader.end().await;
        let asked = |url| world.asked(url);
        assert_eq!(
            [asked("later"), asked("missing"), asked("large"), asked("told"), asked("elsewhere")],
            [2, 4, 1, 0, 1]
        );
        assert!((10..20).contains(&asked("lost")), "{name}: {}", asked("lost"));
    }
}

#[tokio::test]
async fn a_file_that_is_put_off_for_a_week_is_given_up() {
    let later: fn() -> FileError = || FileError::Later { rest: Duration::ZERO, why: "wait".into() };
    for fresh in stores::both().await {
        let world = World::new(fresh).await;
        let name = world.fresh.name;
        world.says("SM1", vec![("a", None, vec![Does::Fails(later)])]);
        let reader = world.read();
        for hours in [0, 24, 100] {
            let asked = world.asked("a");
            world.clock.advance(Duration::from_hours(hours));
            world.until("it is asked for again", async || (world.asked("a") > asked + 1).then_some(())).await;
            assert_eq!(world.file("SM1", 0).await.unwrap().state, FileState::Waiting, "{name}");
        }
        let failures = "SELECT CAST(SUM(failures) AS BIGINT) FROM message_file";
        assert_eq!(count(&world.fresh, failures).await, 0, "{name}");
        // From then on each counts as a failure.
        let gone = world
            .until("it is given up", async || {
                world.clock.advance(Duration::from_hours(12));
                world.stored.notify_waiters();
                world.file("SM1", 0).await.filter(|file| file.state == FileState::Gone)
            })
            .await;
        assert_eq!(gone.reason.as_deref(), Some("wait"), "{name}");
        reader.end().await;
    }
}
