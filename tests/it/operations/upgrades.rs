//! An older database is brought up to date whenever that is interrupted, and a newer one is left alone.
//!
//! A short share runs with all tests; the whole is `tests/prove migrations`.

mod older;

use std::path::Path;
use std::time::Duration;

use liaison::clock::Clock;
use liaison::store::Place as Database;
use sqlx::{Connection, Executor, SqliteConnection};

use super::place::Place;
use crate::kills::{next_random, parameter};
use crate::ledger::print_table;
use crate::peers;
use older::{Columns, Content, Home};

/// Events in an old database that a daemon opens.
const EVENTS: i64 = 20_000;
/// From a start to the kill, milliseconds.
const LIFE_MAX_MS: u64 = 250;

async fn open(file: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap()
}

/// A database as the version with this schema left it, with people and events in it.
async fn old_database(file: &Path, schema: i64) {
    let all = older::migrator("sqlite", schema).await;
    let mut connection = open(file).await;
    connection.execute("PRAGMA journal_mode = WAL").await.unwrap();
    all.run(&mut connection).await.unwrap();
    connection.execute("INSERT INTO installation (id, installed_at) VALUES (randomblob(16), 1)").await.unwrap();
    let events = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EVENTS}) \
         INSERT INTO event (id, type, at, data, seq) SELECT randomblob(16), 'influencer.created', i, hex(randomblob(200)), i FROM n"
    );
    connection.execute(sqlx::AssertSqlSafe(events)).await.unwrap();
    connection.execute("INSERT INTO sequencer (name, last_seq) VALUES ('event', 20000)").await.ok();
    connection.close().await.unwrap();
}

/// The schema, the events, and what is wrong with a database.
async fn facts(file: &Path) -> (i64, i64, String) {
    let mut connection = open(file).await;
    let schema =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
    let events = sqlx::query_scalar("SELECT COUNT(*) FROM event").fetch_one(&mut connection).await.unwrap();
    let found = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    (schema, events, found)
}

/// Figures of a run.
#[derive(Default, Debug)]
struct Figures {
    kills: usize,
    before_its_end: usize,
    between: usize,
    rows: usize,
    damaged: Vec<String>,
}

impl Figures {
    /// Notes what is wrong with a database that ought to hold these rows.
    fn hold(&mut self, found: &Content, ought: &Content, when: &str) {
        let differs = found.differs_from(ought);
        if !differs.is_empty() || found.wrong != "ok" {
            self.damaged.push(format!("{when}: {differs:?} {}", found.wrong));
        }
    }
}

/// A folder whose database is a copy of this one.
async fn folder(home: &Home, old: &Database, name: &str) -> (Place, Database) {
    let Database::Postgres { url, .. } = old else {
        let place = Place::new(None);
        let file = place.path().join("state/liaison.db");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        let copy = home.copy(old, name, &file).await;
        return (place, copy);
    };
    let copy = home.copy(old, name, Path::new("")).await;
    let (base, _) = url.rsplit_once('/').unwrap();
    (Place::on(&format!("url = \"{base}/{name}\"\n"), None), copy)
}

/// A command that looks into the database, and brings it up to date before.
const LOOK: [&str; 2] = ["token", "list"];

/// Each table is compared: with what stood there before, and with what an upgrade makes of it that nobody disturbs.
async fn kill_while_migrating(home: Home, kills: usize, seed: u64) -> Figures {
    let versions = older::versions(home.kind()).await;
    let newest = *versions.last().unwrap();
    let mut random = seed;
    let mut figures = Figures::default();
    let run = Clock::machine().new_id().simple().to_string();
    for from in versions.into_iter().filter(|v| *v < newest) {
        let name = |what: &str| format!("u{run}_{from}_{what}");
        let old = home.make(&name("old")).await;
        older::fill(&old, from).await;
        let columns = Columns::of(&old).await;
        let before = Content::read(&old, Some(&columns)).await;
        let (place, whole) = folder(&home, &old, &name("whole")).await;
        place.run(&LOOK).well();
        let ought = Content::read(&whole, None).await;
        assert_eq!((before.version, ought.version), (from, newest));
        let kept = Content::read(&whole, Some(&columns)).await;
        figures.hold(&kept, &before, &format!("{from}, undisturbed"));
        home.forget(&whole).await;
        figures.rows = before.rows.values().map(Vec::len).sum();
        for kill in 0..kills {
            let (place, database) = folder(&home, &old, &name(&kill.to_string())).await;
            let mut command = place.begin(&LOOK);
            std::thread::sleep(Duration::from_millis(next_random(&mut random) % LIFE_MAX_MS));
            command.0.kill().unwrap();
            drop(command);
            figures.kills += 1;
            let then = Content::read(&database, Some(&columns)).await;
            figures.before_its_end += usize::from(then.version < newest);
            figures.between += usize::from(from < then.version && then.version < newest);
            figures.hold(&then, &before, &format!("{from}, kill {kill}, then"));
            place.run(&LOOK).well();
            let after = Content::read(&database, None).await;
            assert_eq!(after.version, newest);
            figures.hold(&after, &ought, &format!("{from}, kill {kill}, afterwards"));
            if let Database::Sqlite { file } = &database {
                let copy = older::kept(file, from);
                if copy.exists() {
                    let copy = Content::read(&Database::Sqlite { file: copy }, Some(&columns)).await;
                    figures.hold(&copy, &before, &format!("{from}, kill {kill}, the copy"));
                }
            }
            home.forget(&database).await;
        }
        home.forget(&old).await;
    }
    print_table(
        &format!("migrations on {}", home.kind()),
        &[
            ("rows of the last old database", figures.rows.to_string()),
            ("kills (SIGKILL) while an older database was opened", figures.kills.to_string()),
            ("seed", seed.to_string()),
            ("of these before its schema was the newest", figures.before_its_end.to_string()),
            ("of these between two migrations", figures.between.to_string()),
            ("**a row changed or lost, then or after the next start**", figures.damaged.len().to_string()),
        ],
    );
    figures
}

fn on_a_file() -> Home {
    Home::File(tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_may_be_killed_at_any_moment() {
    let figures = kill_while_migrating(on_a_file(), 2, 7).await;
    assert!(figures.kills > 20 && figures.before_its_end > 0 && figures.damaged.is_empty(), "{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_may_on_postgresql() {
    let Some(url) = peers::postgres_url() else { return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    let figures = kill_while_migrating(Home::Server(url), 1, 7).await;
    assert!(figures.kills > 10 && figures.before_its_end > 0 && figures.damaged.is_empty(), "{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: tests/prove migrations"]
async fn many_kills_while_migrating() {
    let (kills, seed) = (parameter("KILLS", 50), parameter("SEED", 1) as u64);
    let home = match std::env::var("LIAISON_PROVE_DATABASE").as_deref() {
        Ok("postgres") => Home::Server(peers::postgres_url().expect("LIAISON_TEST_POSTGRES")),
        _ => on_a_file(),
    };
    let figures = kill_while_migrating(home, kills, seed).await;
    assert!(figures.damaged.is_empty(), "{figures:?}");
    assert!(figures.before_its_end > 0, "no kill came early enough: {figures:?}");
}

/// The daemon does as a command does, and goes on from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_while_it_migrates_starts_again() {
    let newest = *older::versions("sqlite").await.last().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let old = scratch.path().join("old.db");
    old_database(&old, 1).await;
    for millis in [40, 80, 120, 160] {
        let place = Place::new(None);
        let file = place.path().join("state/liaison.db");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::copy(&old, &file).unwrap();
        let mut service = place.start(&[]);
        std::thread::sleep(Duration::from_millis(millis));
        service.0.kill().unwrap();
        drop(service);
        assert!(place.up(&[]).stop().success());
        let (schema, events, found) = facts(&file).await;
        assert!((schema, found.as_str()) == (newest, "ok") && events >= EVENTS, "{schema} {events} {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_is_copied_first_and_a_newer_one_is_left_alone() {
    let newest = *older::versions("sqlite").await.last().unwrap();
    let place = Place::new(None);
    let file = place.path().join("state/liaison.db");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    old_database(&file, 1).await;
    place.run(&["doctor", "--offline"]).says(1, "the next start of the daemon copies it");
    assert_eq!(facts(&file).await.0, 1, "a look changes nothing");
    place.run(&["influencer", "list"]).well();
    assert_eq!(facts(&file).await, (newest, EVENTS, "ok".to_owned()));
    let copy = older::kept(&file, 1);
    assert_eq!(facts(&copy).await, (1, EVENTS, "ok".to_owned()));
    let mut connection = open(&file).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of a later version', 1, x'00', 0)";
    connection.execute(newer).await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&file).unwrap();
    place.run(&["influencer", "list"]).says(78, "written by a newer version");
    let mut service = place.start(&[]);
    let ended = place.until("it ends by itself", || service.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(78), "{}", place.log());
    assert_eq!(std::fs::read(&file).unwrap(), before, "not an octet of it was changed");
}
