//! A database that was copied or restored sends nothing until somebody says so, by the mail server's own record.
//!
//! A short share runs with all tests; the whole is `tests/prove restores`.

use std::path::Path;

use super::place::{Place, call, get};
use super::watched::value;
use crate::kills::parameter;
use crate::mail_record::SubmissionLog;
use crate::peers::{self, MailPeer, fresh_user};

/// Messages of one round.
const SENDS: usize = 5;

/// How an older state comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `liaison backup`, `liaison restore`.
    Restored,
    /// A backup, put in place by hand.
    PutThere,
    /// The file itself, copied while nobody had it open, and copied back: as a snapshot of a disk does.
    Snapshot,
    /// A backup and the configuration on another machine: another state directory.
    Moved,
}

const WAYS: [Way; 4] = [Way::Restored, Way::PutThere, Way::Snapshot, Way::Moved];

fn copy_database(from: &Path, to: &Path) {
    for part in ["-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{part}", to.display())));
    }
    std::fs::copy(from, to).unwrap();
}

/// Queues messages; their Message-IDs.
fn queue(place: &Place) -> Vec<String> {
    let one = |n: usize| {
        let to = fresh_user("stranger");
        let subject = format!("Hello {n}");
        let sent = ["send", "--to", &to, "--subject", &subject, "--text", "t", "--unknown-ok", "--json"];
        let sent = place.run(&sent).well().json();
        sent["internet_message_id"].as_str().unwrap().trim_matches(['<', '>']).to_owned()
    };
    (0..SENDS).map(one).collect()
}

fn page(place: &Place) -> Option<String> {
    Some(get(place.metrics, "/metrics", None)?.1)
}

fn queued(page: &str) -> Option<f64> {
    value(page, "liaison_outbox_messages{account=\"hello\",status=\"queued\"}")
}

/// Waits until the loops that send have looked again and again since now.
fn await_looks(place: &Place) -> String {
    for name in ["dispatcher:hello", "cadence"] {
        let series = format!("liaison_loop_last_pulse_timestamp_seconds{{loop=\"{name}\"}}");
        let mut last = 0.0;
        for _ in 0..3 {
            last = place.until("the loop looks once more", || value(&page(place)?, &series).filter(|at| *at > last));
        }
    }
    page(place).unwrap()
}

/// One round; how many messages left once, and how many left again before anybody said so.
fn round(peer: &MailPeer, way: Way, kill: bool) -> (usize, usize) {
    let brand = fresh_user("brand");
    let place = Place::new(Some((peer, &brand)));
    let log = SubmissionLog::from_now(peer);
    let database = place.path().join("state/liaison.db");
    let spare = place.path().join("spare.db");
    // It ran before, so that the state directory knows the installation.
    assert!(place.up(&[]).stop().success());
    let ids = queue(&place);
    match way {
        Way::Restored | Way::PutThere | Way::Moved => {
            place.run(&["backup", "spare.db"]).well().says(0, "It was read back and is whole");
        }
        Way::Snapshot => copy_database(&database, &spare),
    }
    let mut service = place.up(&[]);
    place.until("all are sent", || {
        let taken = log.taken();
        ids.iter().all(|id| taken.contains_key(id)).then_some(())
    });
    place.until("that is known", || queued(&page(&place)?).filter(|n| *n == 0.0));
    if kill {
        let known: i64 = std::fs::read_to_string(place.path().join("state/seen")).unwrap().trim().parse().unwrap();
        place.until("the state directory knows how far the database is", || {
            let seen = std::fs::read_to_string(place.path().join("state/seen")).ok()?;
            seen.trim().parse::<i64>().ok().filter(|seen| *seen > known || *seen > 0)
        });
        service.0.kill().unwrap();
        drop(service);
    } else {
        assert!(service.stop().success());
    }
    match way {
        Way::Restored => {
            place.run(&["restore", "spare.db"]).well().says(0, "liaison release");
        }
        Way::PutThere | Way::Snapshot => copy_database(&spare, &database),
        Way::Moved => {
            std::fs::rename(place.path().join("state"), place.path().join("old-state")).unwrap();
            std::fs::create_dir(place.path().join("state")).unwrap();
            copy_database(&spare, &database);
        }
    }
    let service = place.up(&[]);
    let held = await_looks(&place);
    assert_eq!(value(&held, "liaison_sending_held"), Some(1.0), "{way:?}: {held}");
    let twice = || ids.iter().filter(|id| log.taken().get(*id).copied().unwrap_or(0) > 1).count();
    let again = twice();
    // That they would have left is seen when somebody says so.
    if way == Way::Restored {
        place.run(&["release"]).well().says(0, "Released");
    } else {
        let made = place.run(&["token", "create", "admin", "--scope", "admin", "--json"]).well().json();
        let (status, told) = call(place.port, "POST", "/v1/release", made["token"].as_str()).unwrap();
        assert!(status == 200 && told.contains("\"was_held\":true"), "{status}: {told}");
    }
    place.until("they leave once somebody says so", || (twice() == SENDS).then_some(()));
    let released = page(&place).unwrap();
    assert_eq!(value(&released, "liaison_sending_held"), Some(0.0), "{released}");
    assert!(service.stop().success());
    // Once: the next start is like any other.
    let service = place.up(&[]);
    assert_eq!(value(&page(&place).unwrap(), "liaison_sending_held"), Some(0.0));
    drop(service);
    (ids.len(), again)
}

fn rounds(count: usize) {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let (mut sent, mut again) = (0, 0);
    for n in 0..count {
        let (ids, twice) = round(&peer, WAYS[n % WAYS.len()], n / WAYS.len() % 2 == 1);
        sent += ids;
        again += twice;
    }
    println!("\n| | |\n|---|--:|\n| databases restored | {count} |\n| messages sent since the backup | {sent} |");
    println!("| **sent again before a release** | {again} |\n");
    assert_eq!(again, 0);
}

#[test]
fn a_restored_database_sends_nothing_until_it_is_released() {
    rounds(WAYS.len());
}

#[test]
#[ignore = "long: tests/prove restores"]
fn many_restores() {
    rounds(parameter("COUNT", 100));
}

#[test]
fn a_daemon_in_its_place_keeps_a_restore_away_and_a_bad_file_changes_nothing() {
    let place = Place::new(None);
    let service = place.up(&[]);
    place.run(&["backup", "good.db"]).well();
    place.run(&["backup", "good.db"]).says(1, "is there already; nothing was written");
    place.run(&["restore", "good.db"]).says(73, "stop it first");
    assert!(service.stop().success());
    std::fs::write(place.path().join("bad.db"), "no database").unwrap();
    place.run(&["restore", "bad.db"]).says(1, "is no database of liaison");
    place.run(&["restore", "none.db"]).says(1, "empty or not there");
    let restored = place.run(&["restore", "good.db", "--json"]).well().json();
    assert!(restored["held"] == true && Path::new(restored["kept"].as_str().unwrap()).exists(), "{restored}");
    place.run(&["doctor", "--offline"]).says(1, "copied or restored");
}

#[test]
fn what_to_run_for_postgresql_is_said_in_full() {
    let place = Place::new(None);
    let path = place.path().join("liaison.toml");
    let config = std::fs::read_to_string(&path).unwrap().replace(
        "state_dir = \"state\"",
        "state_dir = \"state\"\nurl = \"postgres://l@db.example/l?sslmode=require\"\npassword = { file = \"db-pw\" }",
    );
    std::fs::write(&path, config).unwrap();
    std::fs::write(place.path().join("db-pw"), "hunter2").unwrap();
    let told = place.run(&["backup", "a copy"]);
    told.says(1, "pg_dump --format=custom --no-owner --file='a copy' 'postgres://l@db.example/l?sslmode=require'");
    told.says(1, "nothing was written");
    place.run(&["restore", "x.dump"]).says(1, "pg_restore --clean --if-exists");
    assert!(told.err.contains("PGPASSWORD") && !told.err.contains("hunter2"), "{}", told.err);
}

#[test]
fn completions_know_the_commands() {
    let place = Place::new(None);
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]).well().out;
        assert!(script.contains("restore") && script.contains("completions"), "{shell}");
    }
}
