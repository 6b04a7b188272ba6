//! An older database is brought up to date whenever that is interrupted, and a newer one is left alone.
//!
//! A short share runs with all tests; the whole is `tests/prove migrations`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::{Connection, Executor, SqliteConnection};

use super::place::Place;
use crate::kills::{next_random, parameter};

/// Events in an old database: copying and changing it takes a moment.
const EVENTS: i64 = 20_000;
/// From a start to the kill, milliseconds.
const LIFE_MAX_MS: u64 = 250;

async fn migrator() -> Migrator {
    Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite")).await.unwrap()
}

async fn open(file: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap()
}

/// A database as the version with this schema left it, with people and events in it.
async fn old_database(file: &Path, schema: i64) {
    let mut all = migrator().await;
    all.migrations = all.iter().filter(|m| m.version <= schema).cloned().collect::<Vec<_>>().into();
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
    damaged: usize,
}

async fn kill_while_migrating(kills: usize, seed: u64) -> Figures {
    let newest = migrator().await.iter().map(|m| m.version).max().unwrap();
    let mut random = seed;
    let mut figures = Figures::default();
    let scratch = tempfile::tempdir().unwrap();
    for from in migrator().await.iter().map(|m| m.version).filter(|v| *v < newest) {
        let old = scratch.path().join(format!("schema-{from}.db"));
        old_database(&old, from).await;
        for _ in 0..kills {
            let place = Place::new(None);
            let state = place.path().join("state");
            std::fs::create_dir(&state).unwrap();
            let file = state.join("liaison.db");
            std::fs::copy(&old, &file).unwrap();
            let mut service = place.start(&[]);
            std::thread::sleep(Duration::from_millis(next_random(&mut random) % LIFE_MAX_MS));
            service.0.kill().unwrap();
            drop(service);
            figures.kills += 1;
            let (schema, events, found) = facts(&file).await;
            figures.before_its_end += usize::from(schema < newest);
            figures.damaged += usize::from(events != EVENTS || found != "ok");
            assert!(place.up(&[]).stop().success());
            let (schema, events, found) = facts(&file).await;
            assert_eq!(schema, newest);
            figures.damaged += usize::from(events != EVENTS || found != "ok");
            let copy = PathBuf::from(format!("{}.schema-{from}", file.display()));
            if copy.exists() {
                let (schema, events, found) = facts(&copy).await;
                figures.damaged += usize::from((schema, events, found.as_str()) != (from, EVENTS, "ok"));
            }
        }
    }
    println!("\n| | |\n|---|--:|\n| kills while an older database was opened | {} |", figures.kills);
    println!("| of these before its schema was the newest | {} |", figures.before_its_end);
    println!("| **damaged, or not whole after the next start** | {} |\n", figures.damaged);
    figures
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_may_be_killed_at_any_moment() {
    let figures = kill_while_migrating(4, 7).await;
    assert!(figures.kills >= 4 && figures.damaged == 0, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: tests/prove migrations"]
async fn many_kills_while_migrating() {
    let figures = kill_while_migrating(parameter("KILLS", 50), parameter("SEED", 1) as u64).await;
    assert_eq!(figures.damaged, 0, "{figures:?}");
    assert!(figures.before_its_end > 0, "no kill came early enough: {figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_is_copied_first_and_a_newer_one_is_left_alone() {
    let newest = migrator().await.iter().map(|m| m.version).max().unwrap();
    let place = Place::new(None);
    let file = place.path().join("state/liaison.db");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    old_database(&file, 1).await;
    place.run(&["doctor", "--offline"]).says(1, "the next start of the daemon copies it");
    assert_eq!(facts(&file).await.0, 1, "a look changes nothing");
    place.run(&["influencer", "list"]).well();
    assert_eq!(facts(&file).await, (newest, EVENTS, "ok".to_owned()));
    let copy = PathBuf::from(format!("{}.schema-1", file.display()));
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
