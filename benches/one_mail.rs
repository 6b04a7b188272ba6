//! One mail: from the moment the server has taken a reply (250) until the API shows it on its timeline. The daemon waits in
//! IDLE. Beside it a plain client waits in IDLE on the same mailbox: before the server tells, nobody can know.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::Bench;
use crate::hub::Hub;
use crate::letters::Letters;
use crate::mailbox::{Chance, OURS, People};
use crate::measure::{self, mega, quantile};
use crate::peers::{Http, Imap, Lmtp, MailServer};

const USER: &str = "bench@example.test";
/// Between two looks at the API.
const LOOK_EVERY: Duration = Duration::from_millis(2);

#[derive(Debug, Args)]
pub struct OneMailArgs {
    /// Mails, one after the other
    #[arg(short, long, default_value_t = 60)]
    n: usize,
}

pub fn run(bench: &Bench, args: &OneMailArgs) -> Value {
    let mut chance = Chance::new(bench.seed);
    let letters = Letters::new(&mut chance);
    let people = People::new(&mut chance, &letters, 4_000);
    let server = MailServer::start(&bench.dir.join("mail"));
    let maildir = server.mailbox(USER);
    server.hand_over(&maildir);
    let hub = bench.runtime.block_on(Hub::make(&bench.dir.join("hub"), &server, USER, &people));
    let mut daemon = hub.serve();
    hub.wait_until_read(&mut daemon, 0);
    let told = watch(&server);
    let mut lmtp = Lmtp::connect(server.lmtp);
    let mut http = hub.http();
    let (mut shown, mut notified, mut beyond) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..args.n {
        // Not in step with the server's own beat.
        std::thread::sleep(Duration::from_millis(700 + u64::try_from(chance.below(600)).unwrap_or(0)));
        let who = chance.below(people.influencers.len());
        let i = &people.influencers[who];
        let raw = format!(
            "From: {} {} <{}>\nTo: Brand <{OURS}>\nSubject: Re: number {n}\nMessage-ID: <{n}.{:x}@example.org>\nDate: {}\n\n{}\n",
            i.first,
            i.last,
            i.emails[0],
            chance.next(),
            letters.date(
                i64::try_from(
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("clock").as_secs()
                )
                .expect("clock")
            ),
            letters.text(&mut chance, 150)
        );
        lmtp.deliver(&raw, USER);
        let taken = Instant::now();
        let path = format!("/v1/influencers/{}/timeline?limit=5", hub.influencers[who]);
        let seen = until_shown(&mut http, &path, &format!("Re: number {n}"));
        let heard = told.recv_timeout(Duration::from_mins(1)).expect("a notification");
        let milli = |at: Instant| at.saturating_duration_since(taken).as_secs_f64() * 1_000.0;
        shown.push(milli(seen));
        notified.push(milli(heard));
        beyond.push(milli(seen) - milli(heard));
    }
    let cost = measure::look(daemon.child.id());
    daemon.stop();
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for (who, list) in
        [("liaison: shown by the API", &shown), ("Dovecot: notification", &notified), ("ours beyond it", &beyond)]
    {
        let [least, middle, most] = [0.0, 0.5, 0.99].map(|share| quantile(list, share));
        rows.push(vec![
            who.to_owned(),
            list.len().to_string(),
            format!("{least:.1}"),
            format!("{middle:.1}"),
            format!("{most:.1}"),
        ]);
        all.push(json!({"who": who, "mails": list.len(), "least_ms": least, "p50_ms": middle, "p99_ms": most}));
    }
    println!("{}", measure::table(&["milliseconds after 250", "mails", "least", "p50", "p99"], &rows));
    println!("\ndaemon: {:.2} CPU s, peak {:.1} MB", cost.cpu, mega(cost.peak));
    json!({"workload": "one-mail", "figures": all, "cpu_seconds": cost.cpu, "peak_octets": cost.peak})
}

/// Waits in IDLE, in a thread of its own; sends the instant of each EXISTS.
fn watch(server: &MailServer) -> mpsc::Receiver<Instant> {
    let mut imap = Imap::login(server.imap, USER);
    imap.ask("SELECT INBOX");
    imap.say("I IDLE\r\n");
    imap.line();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            let line = imap.line();
            let at = Instant::now();
            if line.is_empty() || (line.ends_with("EXISTS\r\n") && tell.send(at).is_err()) {
                return;
            }
        }
    });
    told
}

fn until_shown(http: &mut Http, path: &str, subject: &str) -> Instant {
    let began = Instant::now();
    loop {
        let answer = http.get(path).expect("an answer");
        let at = Instant::now();
        let is_there = answer["data"].as_array().is_some_and(|entries| {
            entries.iter().any(|e| e["message"]["subject"] == subject || e["item"]["subject"] == subject)
        });
        if is_there {
            return at;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{subject} is not shown after a minute: {answer}");
        std::thread::sleep(LOOK_EVERY);
    }
}
