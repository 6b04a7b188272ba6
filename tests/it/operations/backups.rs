//! A database that was copied or restored sends nothing until somebody says so, by the mail server's own record.
//!
//! A short share runs with all tests; the whole is `tests/prove restores`.

use std::path::Path;

use super::place::{Place, Running, call, get};
use super::watched::value;
use crate::kills::parameter;
use crate::mail_record::SubmissionLog;
use crate::peers::{self, MailPeer, fresh_user};

/// Messages of one round.
const SENDS: usize = 5;

/// How an older state comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As `liaison backup` and `liaison restore` do it, or say to do it.
    Restored,
    /// A backup, put in place by other means.
    PutThere,
    /// The database itself, copied while nobody had it open, and copied back: as a snapshot of a disk does.
    Snapshot,
    /// A copy that another tool made while the daemon ran, with all the messages in its outbox.
    Hot,
    /// A backup and the configuration on another machine: another state directory.
    Moved,
}

const WAYS: [Way; 5] = [Way::Restored, Way::PutThere, Way::Snapshot, Way::Hot, Way::Moved];

/// Nothing is claimed of an account in this state, and the next look after it goes on.
const PAUSED: &str = "UPDATE account SET sending_state = $$paused$$";
const UP: &str = "UPDATE account SET sending_state = $$up$$";

/// Where the database is, and how it is copied behind our back.
enum Home {
    File,
    Server { base: String, name: String },
}

impl Home {
    fn on_server() -> Option<Self> {
        let base = peers::postgres_url()?.rsplit_once('/').unwrap().0.to_owned();
        let name = format!("restored_{}", liaison::clock::Clock::machine().new_id().simple());
        let home = Self::Server { base, name };
        home.sql(&format!("CREATE DATABASE {}", home.name()));
        Some(home)
    }

    fn name(&self) -> &str {
        let Self::Server { name, .. } = self else { panic!("a file") };
        name
    }

    fn url(&self, name: &str) -> String {
        let Self::Server { base, .. } = self else { panic!("a file") };
        format!("{base}/{name}")
    }

    fn sql(&self, text: &str) {
        shell(
            Path::new("."),
            &format!("psql --quiet --set=ON_ERROR_STOP=1 --command='{text}' '{}'", self.url("postgres")),
        );
    }

    fn storage(&self) -> String {
        match self {
            Self::File => String::new(),
            Self::Server { name, .. } => format!("url = \"{}\"\n", self.url(name)),
        }
    }

    /// What `liaison backup spare` and `liaison restore spare` do, or say to do.
    fn by(&self, place: &Place, verb: &str) {
        let done = place.run(&[verb, "spare"]);
        match self {
            Self::File => {
                done.says(0, if verb == "backup" { "It was read back and is whole" } else { "liaison release" })
            }
            Self::Server { .. } => {
                done.says(1, "by its own tools");
                let commands: Vec<&str> = done.err.lines().filter_map(|line| line.strip_prefix("  ")).collect();
                assert_eq!(commands.len(), 2, "{}", done.err);
                shell(place.path(), &commands.join("\n"));
            }
        }
    }

    /// Changes the database behind the daemon's back.
    fn change(&self, place: &Place, sql: &str) {
        match self {
            Self::File => {
                let open = "import sqlite3; c = sqlite3.connect(\"state/liaison.db\", timeout=60)";
                let sql = sql.replace("$$", "\\\"");
                shell(place.path(), &format!("python3 -c '{open}; c.execute(\"{sql}\"); c.commit(); c.close()'"));
            }
            Self::Server { name, .. } => {
                let psql = "psql --quiet --set=ON_ERROR_STOP=1";
                shell(place.path(), &format!("{psql} --command='{sql}' '{}'", self.url(name)));
            }
        }
    }

    /// A copy by another tool, which holds nothing.
    fn copy(&self, place: &Place, way: Way) {
        match self {
            Self::File if way == Way::Hot => {
                let into =
                    "import sqlite3; sqlite3.connect(\"state/liaison.db\").execute(\"VACUUM INTO ?\", (\"spare\",))";
                shell(place.path(), &format!("python3 -c '{into}'"));
            }
            Self::File => copy_database(&place.path().join("state/liaison.db"), &place.path().join("spare")),
            Self::Server { name, .. } if way == Way::Hot => {
                shell(place.path(), &format!("pg_dump --format=custom --file=spare '{}'", self.url(name)));
            }
            Self::Server { name, .. } => self.sql(&format!("CREATE DATABASE {name}_spare TEMPLATE {name}")),
        }
    }

    fn put_back(&self, place: &Place, way: Way) {
        match self {
            Self::File => copy_database(&place.path().join("spare"), &place.path().join("state/liaison.db")),
            Self::Server { name, .. } if way == Way::Snapshot => {
                self.sql(&format!("DROP DATABASE {name}"));
                self.sql(&format!("ALTER DATABASE {name}_spare RENAME TO {name}"));
            }
            Self::Server { name, .. } => {
                let restore = "pg_restore --clean --if-exists --single-transaction --exit-on-error";
                shell(place.path(), &format!("{restore} --dbname='{}' spare", self.url(name)));
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let (Self::Server { name, .. }, false) = (&self, std::thread::panicking()) {
            self.sql(&format!("DROP DATABASE {name}"));
        }
    }
}

fn shell(dir: &Path, script: &str) {
    let done = std::process::Command::new("sh").args(["-euc", script]).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
}

/// With what SQLite has not yet written into the file itself: a command that has ended may leave that beside it.
fn copy_database(from: &Path, to: &Path) {
    for part in ["", "-wal", "-shm"] {
        let (from, to) = (format!("{}{part}", from.display()), format!("{}{part}", to.display()));
        drop(std::fs::remove_file(&to));
        if part != "-shm" && (part.is_empty() || Path::new(&from).exists()) {
            std::fs::copy(from, to).unwrap();
        }
    }
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

/// Queues messages, copies the database, and starts the daemon that sends them.
fn queue_and_copy(place: &Place, home: &Home, way: Way) -> (Vec<String>, Running) {
    if way == Way::Hot {
        home.change(place, PAUSED);
        let running = place.up(&[]);
        let ids = queue(place);
        home.copy(place, way);
        home.change(place, UP);
        return (ids, running);
    }
    let ids = queue(place);
    if way == Way::Snapshot {
        home.copy(place, way)
    } else {
        home.by(place, "backup")
    }
    (ids, place.up(&[]))
}

/// One round; how many messages left once, and how many left again before anybody said so.
fn round(peer: &MailPeer, home: &Home, way: Way, kill: bool) -> (usize, usize) {
    let brand = fresh_user("brand");
    let place = Place::on(&home.storage(), Some((peer, &brand)));
    let log = SubmissionLog::from_now(peer);
    // It ran before, so that the state directory knows the installation.
    assert!(place.up(&[]).stop().success());
    let (ids, mut running) = queue_and_copy(&place, home, way);
    place.until("all are sent", || {
        let taken = log.taken();
        ids.iter().all(|id| taken.contains_key(id)).then_some(())
    });
    if kill {
        running.0.kill().unwrap();
        drop(running);
    } else {
        assert!(running.stop().success());
    }
    match way {
        Way::Restored => home.by(&place, "restore"),
        Way::PutThere | Way::Snapshot | Way::Hot => home.put_back(&place, way),
        Way::Moved => {
            std::fs::rename(place.path().join("state"), place.path().join("old-state")).unwrap();
            std::fs::create_dir(place.path().join("state")).unwrap();
            home.put_back(&place, way);
        }
    }
    if way == Way::Hot {
        home.change(&place, UP);
    }
    let running = place.up(&[]);
    let held = await_looks(&place);
    assert_eq!(value(&held, "liaison_sending_held"), Some(1.0), "{way:?} {kill}: {held}");
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
    assert_eq!(value(&page(&place).unwrap(), "liaison_sending_held"), Some(0.0), "{way:?}");
    assert!(running.stop().success());
    // Once: the next start is like any other.
    let running = place.up(&[]);
    assert_eq!(value(&page(&place).unwrap(), "liaison_sending_held"), Some(0.0), "{way:?}");
    assert!(running.stop().success());
    (ids.len(), again)
}

/// So many rounds, going through these ways; SIGKILL in every other one.
fn rounds(on_server: bool, ways: &[Way], count: usize) {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let (mut sent, mut again) = (0, 0);
    for n in 0..count {
        let home = if on_server { Home::on_server() } else { Some(Home::File) };
        let Some(home) = home else { return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
        let (ids, twice) = round(&peer, &home, ways[n % ways.len()], (n + n / ways.len()) % 2 == 1);
        sent += ids;
        again += twice;
    }
    let name = if on_server { "PostgreSQL" } else { "SQLite" };
    println!(
        "\n| {name} | |\n|---|--:|\n| databases restored | {count} |\n| messages sent since the backup | {sent} |"
    );
    println!("| **sent again before a release** | {again} |\n");
    assert_eq!(again, 0);
}

#[test]
fn a_restored_database_sends_nothing_until_it_is_released() {
    rounds(false, &WAYS, WAYS.len());
}

#[test]
fn neither_does_one_on_postgresql() {
    // A new state directory waits for half a minute whether another node lives: the long proof does that.
    let ways = WAYS.map(|way| if way == Way::Moved { Way::Restored } else { way });
    rounds(true, &ways, ways.len());
}

#[test]
#[ignore = "long: tests/prove restores"]
fn many_restores() {
    let on_server = match std::env::var("LIAISON_PROVE_DATABASE").as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("LIAISON_PROVE_DATABASE={other}: sqlite or postgres"),
    };
    rounds(on_server, &WAYS, parameter("COUNT", 100));
}

#[test]
fn a_copy_from_before_the_first_start_is_held_too() {
    let place = Place::new(None);
    let (state, spare) = (place.path().join("state"), place.path().join("spare.db"));
    // A command made the database; no daemon ran on it.
    place.run(&["influencer", "list"]).well();
    copy_database(&state.join("liaison.db"), &spare);
    place.run(&["backup", "early.db"]).well();
    assert!(place.up(&[]).stop().success());
    let is_held = || {
        let running = place.up(&[]);
        let held = value(&page(&place).unwrap(), "liaison_sending_held");
        assert!(running.stop().success());
        held == Some(1.0)
    };
    assert!(!is_held());
    copy_database(&spare, &state.join("liaison.db"));
    assert!(is_held(), "put back by hand");
    place.run(&["release"]).well();
    assert!(!is_held());
    place.run(&["restore", "early.db"]).well();
    assert!(is_held(), "restored");
    std::fs::remove_dir_all(&state).unwrap();
    place.run(&["restore", "early.db"]).well();
    assert!(is_held(), "restored where none ever ran");
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
    let told = place.run(&["restore", "x.dump"]);
    told.says(1, "pg_restore --clean --if-exists --no-owner --file=x.dump.sql x.dump");
    told.says(1, "--single-transaction --file=x.dump.sql");
    told.says(1, "UPDATE installation SET held = TRUE");
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
