//! A reload, by the daemon's own parts over a simulated provider: what was edited counts from then on, and for those who are under
//! way what they began with does.

use std::path::Path;
use std::time::{Duration, Instant};

use liaison::app::{self, Hub};
use liaison::clock::Clock;
use liaison::config;
use liaison::connector::sandbox::{Person, World};
use liaison::domain::ids::{EnrollmentId, InfluencerId, MessageId};
use liaison::domain::mail::Mailbox;
use liaison::domain::time::Micros;
use liaison::domain::words::{EventType, OutboxStatus, StepState};
use liaison::hub::outreach::enroll::{Again, enroll};
use liaison::hub::people::{self, KnownStages, NewInfluencer};
use liaison::hub::signal::{self, Signal};
use liaison::lifecycle::Lifecycle;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::daemon::Installation;
use crate::northlane;
use crate::stores::{self, Raw};

/// Machine time that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Monday, 09:00 in New York.
const MONDAY: &str = "2026-11-02T14:00:00Z";

const SPRING: &str = r#"
account = "hello"
[[step]]
id = "intro"
email = "intro.md"
[[step]]
id = "nudge"
after = "1 day"
email = "nudge.md"
"#;

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "it never comes to this: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

struct Brand {
    hub: Hub,
    world: World,
    life: Lifecycle,
}

impl Brand {
    async fn somebody(&self, name: &str) -> InfluencerId {
        let address = format!("{name}@runs.example");
        let mailbox = Mailbox { name: name.to_owned(), address: address.clone() };
        self.world.add_person(Person { mailbox, ..Person::default() });
        let stages = KnownStages { start: "prospect".to_owned(), ids: vec!["prospect".to_owned()] };
        let new = NewInfluencer {
            handle: format!("@{name}"),
            first_name: name.to_owned(),
            emails: vec![address],
            timezone: Some("America/New_York".to_owned()),
            ..NewInfluencer::default()
        };
        let mut tx = self.hub.store.begin("test").await.unwrap();
        let id = people::create_influencer(&mut tx, &self.hub.clock, &stages, "test", new).await.unwrap().id;
        tx.commit().await.unwrap();
        id
    }

    async fn enroll(&self, who: InfluencerId) -> EnrollmentId {
        let mut tx = self.hub.store.begin("test").await.unwrap();
        let begun = enroll(&mut tx, &self.hub.clock, "spring", &[who], Again::Refused).await.unwrap().remove(0);
        tx.commit().await.unwrap();
        self.hub.wakes.wake("cadence");
        begun.result.unwrap()
    }

    /// Waits until the mail of a step is accepted; which it is.
    async fn sent(&self, run: EnrollmentId, step: &str) -> MessageId {
        let mail = async || {
            self.hub.wakes.wake("cadence");
            self.hub.wakes.wake("hello");
            let steps = self.hub.store.read().await.unwrap().list_steps(vec![run]).await.unwrap();
            let row = steps.into_iter().find(|s| s.step == step && s.state == StepState::Sent)?;
            row.message_id
        };
        until(step, async || mail().await.is_some()).await;
        let id = mail().await.unwrap();
        let row = self.hub.store.read().await.unwrap().get_outbox(id).await.unwrap().unwrap();
        assert_eq!(row.status, OutboxStatus::Confirmed);
        id
    }

    async fn text(&self, id: MessageId) -> String {
        self.hub.store.read().await.unwrap().get_message_view(id).await.unwrap().unwrap().text
    }

    async fn version(&self) -> Option<String> {
        self.version_of("spring").await
    }

    async fn version_of(&self, sequence: &str) -> Option<String> {
        self.hub.store.read().await.unwrap().get_sequence(sequence).await.unwrap().and_then(|row| row.active_hash)
    }

    async fn stages(&self) -> Option<String> {
        self.hub.store.read().await.unwrap().active_definition_hash("stages").await.unwrap()
    }

    async fn stage(&self, who: InfluencerId) -> String {
        self.hub.store.read().await.unwrap().get_influencer(who).await.unwrap().unwrap().stage
    }

    async fn clicks(&self, who: InfluencerId, message: MessageId) {
        let mut tx = self.hub.store.begin("test").await.unwrap();
        let data = Some(json!({"machine": false, "confidence": 0.9}));
        let (what, at) = (EventType::MessageClicked, self.hub.clock.now());
        let signal = Signal { what, influencer: Some(who), message: Some(message), at, data };
        signal::record(&mut tx, &self.hub.clock, vec![signal]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn reload(&self, (version, stages): (bool, bool)) {
        let before = (self.version().await, self.stages().await);
        self.life.ask_reload();
        until("the reload", async || {
            let (v, s) = (self.version().await, self.stages().await);
            (v != before.0) == version && (s != before.1) == stages
        })
        .await;
    }
}

/// The shipped stages, where a click leads elsewhere.
fn other_stages() -> String {
    let shipped = liaison::config::stages::SHIPPED;
    let warm = "[[stage]]\nid = \"warm\"\nname = \"Warm\"\nenter_on = [\"message.clicked\"]\n";
    let (head, tail) = shipped.split_once("[[stage]]\nid            = \"in_talks\"").expect("a stage for answers");
    let head = head.replace("enter_on = [\"message.clicked\"]", "");
    format!("{head}{warm}\n[[stage]]\nid            = \"in_talks\"{tail}")
}

/// The real binary: `liaison reload` puts edited stages in force, and a faulty file none.
#[test]
fn stages_that_are_edited_count_in_a_daemon_that_is_told_to_reload() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for fresh in runtime.block_on(stores::both()) {
        let home = runtime.block_on(Installation::bare(fresh, "", &[]));
        let file = home.folder().join("stages.toml");
        std::fs::write(&file, config::stages::SHIPPED).unwrap();
        let mut daemon = home.start();
        home.await_up(&mut daemon);
        let declared = || -> Vec<String> {
            let stages = home.get("/v1/stats/stages");
            let stages = stages["data"].as_array().unwrap_or_else(|| panic!("{stages}"));
            stages.iter().map(|s: &Value| s["stage"].as_str().unwrap().to_owned()).collect()
        };
        assert!(!declared().contains(&"warm".to_owned()), "{}", home.fresh.name);
        std::fs::write(&file, other_stages().replace("\"dormant\"", "\"dormand\"")).unwrap();
        let (_, told) = home.command(&["reload"]);
        assert!(!declared().contains(&"warm".to_owned()), "{}: {told}", home.fresh.name);
        std::fs::write(&file, other_stages()).unwrap();
        let (fine, told) = home.command(&["reload"]);
        assert!(fine, "{told}");
        let begun = Instant::now();
        while !declared().contains(&"warm".to_owned()) {
            assert!(begun.elapsed() < PATIENCE, "{}: {:?}\n{}", home.fresh.name, declared(), home.last_words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

async fn execute(home: &Installation, sql: &'static str) {
    let Raw::Sqlite(mut connection) = stores::raw_connection(&home.fresh.place).await else { panic!("SQLite") };
    sqlx::Executor::execute(&mut connection, sql).await.unwrap();
}

/// The real binary: where the store refuses what a reload brings, the daemon goes on as it was, and the next reload succeeds.
/// It says of what it reads once that it counts later. A variable that is no text is none of its settings.
#[test]
fn a_reload_that_the_store_refuses_changes_nothing_and_one_that_it_takes_says_what_waits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut home = runtime.block_on(async { Installation::bare(stores::sqlite().await, "", &[("pw", "x")]).await });
    home.started_by = ["sh", "-c", "BAD=$(printf '\\377'); export BAD; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
    let (stages, main) = (home.folder().join("stages.toml"), home.folder().join("liaison.toml"));
    std::fs::write(&stages, config::stages::SHIPPED).unwrap();
    let mut daemon = home.start();
    home.await_up(&mut daemon);
    runtime.block_on(execute(
        &home,
        "CREATE TRIGGER refuse BEFORE INSERT ON definition BEGIN SELECT RAISE(ABORT, 'not today'); END",
    ));
    let text = std::fs::read_to_string(&main).unwrap();
    let text = text.replace("level = \"info\"", "level = \"info,liaison::outbound=debug\"");
    let text = text.replace("socket =", "requests_per_minute = 5000\nsocket =");
    let account = "[accounts.hello]\nkind = \"imap\"\naddress = \"hello@acme.example\"\npassword = { file = \"pw\" }\n\
        imap = \"imap+plain://127.0.0.1:1\"\nsmtp = \"smtp+plain://127.0.0.1:1\"\n";
    std::fs::write(&main, format!("{text}{account}")).unwrap();
    std::fs::write(&stages, other_stages()).unwrap();
    let (fine, told) = home.command(&["reload"]);
    assert!(fine, "{told}");
    let mut says = |words: &str| {
        let begun = Instant::now();
        while !std::fs::read_to_string(home.log()).unwrap().contains(words) {
            assert!(daemon.ended().is_none() && begun.elapsed() < PATIENCE, "{words}:\n{}", home.last_words());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    says("the configuration was not reloaded, the old one stays: the stages can't be published");
    let declared = || home.get("/v1/stats/stages")["data"].as_array().unwrap().iter().any(|s| s["stage"] == "warm");
    assert!(!declared());
    let (_, told) = home.command(&["account", "test", "hello"]);
    assert!(told.contains("the daemon runs no account `hello`"), "{told}");
    runtime.block_on(execute(&home, "DROP TRIGGER refuse"));
    assert!(home.command(&["reload"]).0);
    says("configuration reloaded");
    assert!(declared());
    let log = std::fs::read_to_string(home.log()).unwrap();
    let waits: Vec<&str> = log.lines().filter(|l| l.contains("counts from a restart on")).collect();
    let names = |key: &str| waits.iter().filter(|l| l.contains(&format!("key=\"{key}\""))).count();
    assert_eq!((names("log.level"), names("server.requests_per_minute"), waits.len()), (1, 1, 2), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_counts_from_the_reload_on_and_whoever_is_under_way_goes_on_with_what_they_began() {
    let dir = tempfile::tempdir().unwrap();
    let intro = "---\nsubject: A tee for {{ influencer.handle }}\n---\nHello.";
    write(
        dir.path(),
        &[
            ("liaison.toml", &northlane::config("timezone = \"America/New_York\"", "")),
            ("sequences/spring/sequence.toml", SPRING),
            ("sequences/spring/intro.md", intro),
            ("sequences/spring/nudge.md", "The first wording."),
        ],
    );
    let file = dir.path().join("liaison.toml");
    let config = config::load(&file, std::iter::empty()).unwrap_or_else(|e| panic!("{e}")).config;
    let clock = Clock::stepped(Micros::parse(MONDAY).unwrap());
    let world = World::new(clock.clone(), 7);
    world.add_account(Mailbox { name: "Northlane".to_owned(), address: "hello@northlane.example".to_owned() });
    let life = Lifecycle::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let simulated = app::start_sandbox(&config, (&world, clock.clone()), listener, &life).await.unwrap();
    let brand = Brand { hub: simulated.hub.clone(), world, life: life.clone() };
    let stop = life.stop();
    let living = async move {
        let (ana, before) = (brand.somebody("ana").await, brand.somebody("cleo").await);
        let (of_ana, of_before) = (brand.enroll(ana).await, brand.enroll(before).await);
        brand.sent(of_ana, "intro").await;
        let mail = brand.sent(of_before, "intro").await;
        brand.clicks(before, mail).await;
        assert_eq!(brand.stage(before).await, "engaged");

        // A faulty file changes nothing of the sequence that is in force. All that come into force do so at once: with the sound
        // one beside it, the reload has gone over this one too.
        let pinned = brand.version().await;
        let beside = SPRING.replace("nudge.md", "later.md");
        write(
            dir.path(),
            &[
                ("sequences/spring/nudge.md", "{{ nobody_knows }}"),
                ("sequences/beside/sequence.toml", &beside),
                ("sequences/beside/intro.md", intro),
                ("sequences/beside/later.md", "Of the other one."),
                ("stages.toml", &other_stages()),
            ],
        );
        brand.reload((false, true)).await;
        until("the sequence beside it", async || brand.version_of("beside").await.is_some()).await;
        assert_eq!(brand.version().await, pinned);

        // The stages of the new file count at once: for a click, and for a step that names a new one.
        let raising = SPRING.replace("email = \"nudge.md\"", "email = \"nudge.md\"\nstage = \"warm\"");
        write(
            dir.path(),
            &[("sequences/spring/nudge.md", "Another wording."), ("sequences/spring/sequence.toml", &raising)],
        );
        brand.reload((true, false)).await;
        let (bo, di) = (brand.somebody("bo").await, brand.somebody("di").await);
        let (of_bo, of_di) = (brand.enroll(bo).await, brand.enroll(di).await);
        brand.sent(of_bo, "intro").await;
        let mail = brand.sent(of_di, "intro").await;
        brand.clicks(di, mail).await;
        assert_eq!(brand.stage(di).await, "warm", "a click leads where the stages of now say");

        brand.hub.clock.advance_to(Micros::parse("2026-11-03T14:00:00Z").unwrap());
        let (old, new) = (brand.sent(of_ana, "nudge").await, brand.sent(of_bo, "nudge").await);
        let (old, new) = (brand.text(old).await, brand.text(new).await);
        assert!(old.contains("The first wording.") && !old.contains("Another"), "{old}");
        assert!(new.contains("Another wording."), "{new}");
        assert_eq!((brand.stage(ana).await.as_str(), brand.stage(bo).await.as_str()), ("contacted", "warm"));
        stop.ask();
    };
    let (outcome, ()) = tokio::join!(life.run_until_stopped(), living);
    outcome.unwrap();
    simulated.hub.store.close().await;
}
