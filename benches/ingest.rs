//! Ingest: a mailbox full of mail waits in Dovecot; how long until all of it is on timelines.
//!
//! References on the same mails: `notmuch new`, which only indexes files, and a client that fetches everything and throws
//! it away, which nobody who reads by IMAP can beat. The quality of what was stored is measured beside the speed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use serde_json::{Value, json};

use crate::Bench;
use crate::hub::Hub;
use crate::letters::Letters;
use crate::mailbox::{Chance, Folder, Generator, People, Truth};
use crate::measure::{self, Run, count, mega};
use crate::peers::{Imap, MailServer, subfolder};
use crate::quality;

const USER: &str = "bench@example.test";

#[derive(Debug, Args)]
pub struct IngestArgs {
    /// Mails
    #[arg(short, long, default_value_t = 20_000)]
    n: usize,
    /// How often liaison reads them; the references run once more often
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Leave notmuch out
    #[arg(long)]
    without_notmuch: bool,
}

/// A made-up mailbox on disk.
struct Corpus {
    dir: PathBuf,
    people: People,
    truths: Vec<Truth>,
    octets: u64,
}

pub fn run(bench: &Bench, args: &IngestArgs) -> Value {
    let corpus = write_corpus(bench, args.n);
    let mails = corpus.truths.len();
    println!("{mails} mails, {:.1} MB, {} influencers", mega(corpus.octets), corpus.people.influencers.len());
    let server = MailServer::start(&bench.dir.join("mail"));
    let maildir = server.mailbox(USER);
    for folder in [Folder::Inbox, Folder::Sent] {
        link_all(&corpus.dir.join(subfolder(folder)), &maildir.join(subfolder(folder)));
    }
    server.hand_over(&maildir);
    let mut runs = Vec::new();
    let reference = |runs: &mut Vec<Run>| {
        runs.push(stream(&server, mails));
        if !args.without_notmuch {
            runs.push(notmuch(bench, &corpus, mails));
        }
    };
    // The first look of the server at a mailbox makes its own index, which is nobody's work here.
    stream(&server, mails);
    let mut last = None;
    for round in 0..args.runs.max(1) {
        reference(&mut runs);
        let hub =
            bench.runtime.block_on(Hub::make(&bench.dir.join(format!("hub{round}")), &server, USER, &corpus.people));
        let mut daemon = hub.serve();
        hub.wait_until_read(&mut daemon, mails);
        let seconds = daemon.began.elapsed().as_secs_f64();
        runs.push(Run { who: "liaison", seconds, messages: mails, cost: Some(measure::look(daemon.child.id())) });
        daemon.stop();
        last = Some(hub);
    }
    reference(&mut runs);
    let (table, figures) = measure::compare(&runs);
    println!("\n{table}");
    let hub = last.expect("a run");
    let size = hub.octets();
    let ratio = mega(size) / mega(corpus.octets);
    println!("\ndatabase {:.1} MB, {ratio:.2} of the raw mail", mega(size));
    let mut graded = vec![("liaison", bench.runtime.block_on(quality::ours(&hub, &corpus.truths)))];
    if !args.without_notmuch {
        graded.push(("notmuch", quality::notmuch(&corpus.truths, &notmuch_threads(bench))));
    }
    println!("\n{}", quality::table(&graded));
    let quality: Vec<Value> = graded.iter().map(|(who, grade)| json!({"who": who, "grade": grade.json()})).collect();
    json!({
        "workload": "ingest", "mails": mails, "raw_octets": corpus.octets, "figures": figures,
        "database_octets": size, "database_to_raw": ratio, "quality": quality,
    })
}

fn write_corpus(bench: &Bench, mails: usize) -> Corpus {
    let dir = bench.dir.join("corpus");
    for folder in [Folder::Inbox, Folder::Sent] {
        let cur = dir.join(subfolder(folder));
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(cur.with_file_name(part)).expect("maildir");
        }
    }
    let mut chance = Chance::new(bench.seed);
    let letters = Letters::new(&mut chance);
    let people = People::new(&mut chance, &letters, mails);
    let mut octets = 0;
    let mut sink = |mail: &crate::mailbox::Mail, n: usize| {
        octets += mail.raw.len() as u64;
        let path = dir.join(subfolder(mail.folder)).join(format!("{}.M{n}.bench:2,S", mail.at));
        std::fs::write(&path, &mail.raw).expect("mail");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(mail.at).expect("after 1970"));
        std::fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(at)).expect("date");
    };
    let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("clock").as_secs() / 86_400 * 86_400;
    let end = i64::try_from(end).expect("clock");
    let mut generator = Generator::new(chance, &letters, &people, end, &mut sink);
    generator.write(mails);
    let truths = generator.truths;
    Corpus { dir, people, truths, octets }
}

fn link_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("corpus") {
        let entry = entry.expect("entry");
        std::fs::hard_link(entry.path(), to.join(entry.file_name())).expect("hard link");
    }
}

/// Fetches everything and throws it away.
fn stream(server: &MailServer, mails: usize) -> Run {
    let began = Instant::now();
    let mut imap = Imap::login(server.imap, USER);
    let mut messages = 0;
    for folder in ["INBOX", "Sent"] {
        imap.ask(&format!("EXAMINE {folder}"));
        messages += imap.ask("UID FETCH 1:* (UID INTERNALDATE BODY.PEEK[])").0;
    }
    assert_eq!(messages, mails, "the server has other mails than were made");
    Run { who: "bare IMAP stream", seconds: began.elapsed().as_secs_f64(), messages, cost: None }
}

fn notmuch_command(bench: &Bench) -> Command {
    let mut command = Command::new("notmuch");
    command.env("NOTMUCH_CONFIG", bench.dir.join("notmuch-config")).stdin(Stdio::null());
    command
}

/// Indexes everything anew.
fn notmuch(bench: &Bench, corpus: &Corpus, mails: usize) -> Run {
    let index = corpus.dir.join(".notmuch");
    if index.exists() {
        std::fs::remove_dir_all(&index).expect("old index");
    }
    let configuration = format!(
        "[database]\npath={}\n[user]\nname=Brand\nprimary_email={}\n[new]\ntags=new;\nignore=\n[maildir]\nsynchronize_flags=false\n",
        corpus.dir.display(),
        crate::mailbox::OURS
    );
    std::fs::write(bench.dir.join("notmuch-config"), configuration).expect("configuration");
    let mut command = notmuch_command(bench);
    command.args(["new", "--quiet"]).stdout(Stdio::null());
    let (seconds, cost) = measure::run(&mut command, "notmuch new (apt-get install notmuch)");
    let known = notmuch_command(bench).args(["count", "*"]).output().expect("notmuch count");
    let known: usize = String::from_utf8_lossy(&known.stdout).trim().parse().expect("count");
    assert_eq!(known, mails, "notmuch knows other mails than were made: {:.0}", count(known));
    Run { who: "notmuch new", seconds, messages: mails, cost: Some(cost) }
}

/// The Message-IDs of each thread.
fn notmuch_threads(bench: &Bench) -> Vec<Vec<String>> {
    let output = notmuch_command(bench)
        .args(["search", "--format=json", "--output=summary", "--exclude=false", "*"])
        .output()
        .expect("notmuch search");
    let threads: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let ids = |thread: &Value| -> Vec<String> {
        let queries = thread["query"].as_array().cloned().unwrap_or_default();
        let words = queries.iter().filter_map(Value::as_str).flat_map(|q| q.split(' '));
        words.filter_map(|w| w.strip_prefix("id:")).map(|id| id.trim_matches('"').to_owned()).collect()
    };
    threads.iter().map(ids).collect()
}
