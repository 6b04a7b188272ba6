//! A disk that is full, or fails to take what is written, loses nothing that was acknowledged and repeats nothing: reading goes on,
//! what is new is refused in words, and once there is room again all goes on by itself.
//!
//! The disk is a real one: a file system of a few megabytes in memory, filled up at random moments but for a few kilobytes, with the
//! database, the state directory and the log on it. Where nothing may be mounted, and in a test of its own, the kernel refuses
//! writes past a random octet of any file (`RLIMIT_FSIZE`). A short share runs with all tests; the whole is `tests/prove full`.

use crate::daemon::{Answer, Daemon};
use crate::kills::{Measure, Proof, next_random, parameter, prove_beside};
use crate::{peers, stores};
use liaison::store::{Place, backup};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The size of the disk, megabytes.
const DISK_MB: usize = 48;
/// What is left of it at most when it is full.
const ROOM_MAX: u64 = 160 * 1024;
/// Before the harm, and while it lasts, milliseconds at most.
const BEFORE_MS: u64 = 60;
const HARMED_MS: u64 = 260;
/// So often the daemon is killed while the disk is full, and started on it.
const KILL_EVERY: usize = 10;
/// The longest wait until all goes on.
const RECOVERY_MAX: Duration = Duration::from_mins(2);

/// How writes come to fail.
enum Harm {
    /// The disk is filled.
    Full(Disk),
    /// The kernel takes nothing past a random octet.
    Limit(tempfile::TempDir),
}

/// A file system of its own, gone with this.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None` where this user may not mount anything.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={DISK_MB}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "liaison-test"]).arg(dir.path()).output();
        mounted.is_ok_and(|done| done.status.success()).then(|| Self(dir))
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Leaves so many octets.
    fn fill(&self, room: u64) {
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        let zeros = vec![0; 256 * 1024];
        while filler.write(&zeros).is_ok_and(|n| n > 0) {}
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.saturating_sub(room)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

impl Harm {
    fn folder(&self) -> &Path {
        match self {
            Self::Full(disk) => disk.0.path(),
            Self::Limit(dir) => dir.path(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Full(_) => "disk full",
            Self::Limit(_) => "writes refused",
        }
    }

    fn begin(&self, daemon: &mut Daemon, random: &mut u64) {
        match self {
            Self::Full(disk) => disk.fill(next_random(random) % ROOM_MAX),
            Self::Limit(dir) => {
                let size = std::fs::metadata(dir.path().join("liaison.db-wal")).map_or(0, |m| m.len());
                limit(daemon, &(next_random(random) % (size + 64 * 1024)).to_string());
            }
        }
    }

    fn end(&self, daemon: &mut Daemon) {
        match self {
            Self::Full(disk) => std::fs::remove_file(disk.filler()).unwrap(),
            Self::Limit(_) => limit(daemon, "unlimited"),
        }
    }
}

/// Only the soft limit: it can be raised again.
fn limit(daemon: &mut Daemon, octets: &str) {
    let arguments = [format!("--pid={}", daemon.id()), format!("--fsize={octets}:unlimited")];
    let done = Command::new("prlimit").args(arguments).output().expect("prlimit of util-linux");
    let there = done.status.success() || daemon.ended().is_some();
    assert!(there, "{}", String::from_utf8_lossy(&done.stderr));
}

/// What was seen.
#[derive(Default)]
struct Seen {
    /// Points at which something was refused.
    refused: usize,
    /// Read while writes failed.
    reads: usize,
    /// Ends of the daemon, each with a failing exit code: of one that ran before writes failed, and of one that was started then.
    ends: [usize; 2],
    /// Kills while writes failed.
    kills: usize,
    /// The longest time from the end of the harm to the first thing taken.
    recovery: Duration,
    /// People that the API said it took.
    taken: Vec<String>,
}

impl Seen {
    /// Asks for one more person; whether it was taken. Where not, it is said in words, and retried under another name.
    fn offer(&mut self, proof: &Proof, name: &str) -> bool {
        let order = json!({"handle": name, "first_name": "Room"});
        match proof.home.call("POST", "/v1/influencers", Some(&order)) {
            Answer::Said(200..=299, _) => {
                self.taken.push(name.to_owned());
                true
            }
            Answer::Said(503, told) => {
                let code = told["code"].as_str().unwrap_or_default();
                assert!(["store_unavailable", "commit_unknown", "try_again"].contains(&code), "{told}");
                false
            }
            Answer::Said(status, told) => panic!("{status} {told}\n{}", proof.home.last_words()),
            Answer::Lost | Answer::NobodyThere => false,
        }
    }

    fn read(&mut self, proof: &Proof, daemon: &mut Daemon) {
        match proof.home.call("GET", "/v1/influencers?limit=1", None) {
            Answer::Said(200, _) => self.reads += 1,
            other => {
                assert!(daemon.ended().is_some(), "nothing can be read: {other:?}\n{}", proof.home.last_words());
            }
        }
    }

    /// Where it ended, it ended as one that failed, and is started again as the service manager would.
    fn look_after(&mut self, proof: &Proof, daemon: &mut Daemon, was_started: bool) {
        if let Some(status) = daemon.ended() {
            assert_eq!(status.code(), Some(1), "{status}\n{}", proof.home.last_words());
            self.ends[usize::from(was_started)] += 1;
            *daemon = proof.home.start();
        }
    }

    fn point(&mut self, proof: &Proof, daemon: &mut Daemon, harm: &Harm, (n, random): (usize, &mut u64)) {
        proof.allow(n * 2 - 1);
        std::thread::sleep(Duration::from_millis(next_random(random) % BEFORE_MS));
        harm.begin(daemon, random);
        proof.allow(n * 2);
        let until = Instant::now() + Duration::from_millis(next_random(random) % HARMED_MS);
        let mut refused = false;
        for offer in 0.. {
            refused |= !self.offer(proof, &format!("@full{n}x{offer}"));
            if Instant::now() >= until {
                break;
            }
        }
        self.refused += usize::from(refused);
        self.read(proof, daemon);
        if n % KILL_EVERY == 0 {
            self.kills += 1;
            daemon.kill_now();
            *daemon = proof.home.start();
            if matches!(harm, Harm::Limit(_)) {
                harm.begin(daemon, random);
            }
            std::thread::sleep(Duration::from_millis(next_random(random) % HARMED_MS));
        }
        harm.end(daemon);
        let began = Instant::now();
        for offer in 0.. {
            self.look_after(proof, daemon, n % KILL_EVERY == 0);
            if self.offer(proof, &format!("@room{n}x{offer}")) {
                break;
            }
            assert!(began.elapsed() < RECOVERY_MAX, "point {n}: it does not go on\n{}", proof.home.last_words());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.recovery = self.recovery.max(began.elapsed());
        if n % 50 == 0 {
            eprintln!("{n} points");
        }
    }

    fn lines(&self, harm: &Harm, points: usize) -> Vec<(&'static str, String)> {
        vec![
            (harm.name(), format!("{points} times")),
            ("– of these, the API refused something", self.refused.to_string()),
            ("– of these, the API could be read", self.reads.to_string()),
            ("killed meanwhile, and started on it", self.kills.to_string()),
            ("– of these starts, ended with a failing exit code", self.ends[1].to_string()),
            ("others that ended by themselves, with a failing exit code", self.ends[0].to_string()),
            ("longest until all went on, ms", self.recovery.as_millis().to_string()),
            ("people the API took", self.taken.len().to_string()),
        ]
    }
}

fn prove(harm: &Harm, measure: Measure) {
    let mut seen = Seen::default();
    let folder = harm.folder().to_owned();
    let proof = prove_beside(
        harm.name(),
        async { Some(stores::sqlite_in(&folder).await) },
        measure,
        |home| {
            home.keep_state_in(&folder);
            // A process that is told of a refused write by a signal, and ignores it, gets an error.
            home.started_by = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
        },
        |proof, _, mut daemon| {
            let mut random = measure.seed;
            for n in 1..=measure.kills {
                seen.point(proof, &mut daemon, harm, (n, &mut random));
            }
            let lines = seen.lines(harm, measure.kills);
            (daemon, lines)
        },
    );
    let Some(proof) = proof else { return };
    assert!(seen.refused > 0 && seen.reads > 0, "no write ever failed: nothing was tried");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let Place::Sqlite { file } = &proof.home.fresh.place else { panic!("SQLite") };
        backup::check(file).await.unwrap_or_else(|error| panic!("the database is not whole: {error}"));
        let there: Vec<(String,)> = crate::ledger::rows(&proof.home.fresh.place, "SELECT handle FROM influencer").await;
        let there: std::collections::HashSet<&str> = there.iter().map(|(h,)| h.trim_start_matches('@')).collect();
        let lost: Vec<&String> = seen.taken.iter().filter(|h| !there.contains(h.trim_start_matches('@'))).collect();
        assert!(lost.is_empty(), "taken and not there: {lost:?}");
    });
    println!("| integrity | ok |\n| acknowledged and lost | 0 |\n");
}

fn disk() -> Option<Harm> {
    Disk::mount().map(Harm::Full)
}

fn limited() -> Harm {
    Harm::Limit(tempfile::tempdir().unwrap())
}

const SHORT: Measure = Measure { kills: 25, mails: 100, sends: 50, seed: 1 };

#[test]
fn a_full_disk_loses_nothing_and_all_goes_on_once_there_is_room() {
    match disk() {
        Some(harm) => prove(&harm, SHORT),
        None => peers::skip("right to mount a file system (root)"),
    }
}

#[test]
fn writes_that_fail_lose_nothing_and_all_goes_on_once_they_succeed() {
    prove(&limited(), SHORT);
}

#[test]
#[ignore = "long: tests/prove full"]
fn many_points() {
    let points = parameter("POINTS", 500);
    let measure = |kills: usize| Measure {
        kills,
        mails: parameter("MAILS", 2_000) * kills / points.max(1),
        sends: parameter("SENDS", 800) * kills / points.max(1),
        seed: parameter("SEED", 1) as u64,
    };
    if let Some(harm) = disk() {
        prove(&harm, measure(points / 2));
        prove(&limited(), measure(points - points / 2));
    } else {
        println!("this user may not mount a file system: no disk was filled, writes are refused by the kernel instead");
        prove(&limited(), measure(points));
    }
}
