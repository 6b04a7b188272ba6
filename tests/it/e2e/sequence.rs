//! A sequence of three mails, from its files to the mailboxes of its readers and back: what arrives is judged by Python, what
//! readers do is done over HTTP and by mail, and what follows from it is read over the API.
//!
//! The hub's base address is https, as in life; here the part of the proxy that ends TLS is played by [`fetch`], which speaks
//! plain HTTP to the host and port that stand in the link.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use liaison::clock::{Clock, machine_now};
use liaison::domain::time::Micros;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::api::{Api, text, until};
use super::mails::Letter;
use super::world::{Kind, Setup, World};
use crate::peers::fresh_user;

/// How many get all mails, where nothing else is said.
const PEOPLE: usize = 20;
/// Those who do something after the first mail.
const CAST: [&str; 6] = ["clicks", "unsubscribes", "answers", "unknown", "away", "remove"];
const STEPS: [&str; 3] = ["intro", "nudge", "last_note"];
/// How far business time moves between two looks.
const STEP: Duration = Duration::from_secs(10);
const BROWSER: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15";

const SEQUENCE: &str = r#"
name = "Spring gifting"
account = "brand"
unsubscribe = "footer"

[schedule]
timezone = "UTC"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
hours = ["00:00-24:00"]

[variables]
product = "Trail Tee"
first_name = { from = "influencer.first_name", default = "there" }

[[step]]
id = "intro"
email = ["intro-a.md", "intro-b.md"]
split = [50, 50]

[[step]]
id = "nudge"
after = "60m"
email = "nudge.md"

[[step]]
id = "last_note"
after = "60m"
email = "last-note.md"
"#;
const INTRO_A: &str = r#"---
subject: "{{ influencer.handle }} × {{ product }}"
preheader: A small gift for your next run
---
Grüß dich {{ first_name }},

May we send you a {{ product }}? [Pick your size]({{ link("https://shop.example/gift", campaign="spring") }}) or read
[who we are](https://brand.example/story?lang=en&from=mail).

{{ account.name }}
"#;
const INTRO_B: &str = r#"---
subject: "A {{ product }} for {{ influencer.handle }}?"
---
Hi {{ first_name }},

one question: would a {{ product }} be of use? [Pick your size]({{ link("https://shop.example/gift", campaign="spring") }})
or read [who we are](https://brand.example/story?lang=en&from=mail).

{{ account.name }}
"#;
const NUDGE: &str = "Hi {{ first_name }},\n\njust checking that my note about the {{ product }} reached you. A plain \"no\" is \
    fine too.\n\n{{ account.name }}\n";
const LAST_NOTE: &str = "Hi {{ first_name }},\n\nlast note from me: [the offer]({{ link(\"https://shop.example/gift\", \
    campaign=\"last\") }}) stands.\n\n{{ account.name }}\n";

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_the_sequence_once_and_what_they_do_counts_on_sqlite() {
    whole_sequence(Kind::Sqlite, PEOPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_the_sequence_once_and_what_they_do_counts_on_postgres() {
    whole_sequence(Kind::Postgres, PEOPLE).await;
}

async fn whole_sequence(kind: Kind, usual: usize) {
    let count = std::env::var("LIAISON_PROVE_PEOPLE").ok().map_or(usual, |n| n.parse().expect("a number"));
    let Some(case) = Case::begin(kind, count).await else { return };
    case.after_intro().await;
    case.clicks().await;
    case.unsubscribes().await;
    case.answers().await;
    case.address_is_unknown().await;
    case.is_away().await;
    case.wants_to_be_removed().await;
    case.after_all_steps().await;
    case.everybody_got_three().await;
    case.sent_copies_are_clean().await;
    case.those_who_left_got_no_more().await;
    case.whoever_was_away_gets_the_rest().await;
}

/// A page of the hub, asked for as a browser at home does, through a proxy that ends TLS.
async fn fetch(method: &str, url: &str, body: &str) -> (u16, String, String) {
    let rest = url.strip_prefix("https://").expect("links lead to https");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).await.expect("the link leads to the hub");
    let kind = if body.is_empty() { "" } else { "Content-Type: application/x-www-form-urlencoded\r\n" };
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {BROWSER}\r\nX-Forwarded-For: 203.0.113.7\r\n\
         Connection: close\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, content) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("status");
    (status, head.to_owned(), content.to_owned())
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find(|l| l.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name)));
    line.unwrap_or_else(|| panic!("no {name} in {head}")).split_once(':').expect("a header").1.trim()
}

fn texts<'a>(value: &'a Value, field: &str) -> Vec<&'a str> {
    value[field].as_array().expect("a list").iter().map(|v| v.as_str().expect("a text")).collect()
}

fn write_files(config: &Path, base: &str) {
    let text = std::fs::read_to_string(config).unwrap();
    let text = text.replace("[server]\n", &format!("[server]\nbase_url = \"{base}\"\n"));
    let text = text + "\n[sender]\nname = \"Grüne Läufer\"\naddress = \"1 Main St, Portland, OR 97201, USA\"\n";
    std::fs::write(config, text).unwrap();
    let folder = config.with_file_name("sequences").join("spring");
    std::fs::create_dir_all(&folder).unwrap();
    let files = [
        ("sequence.toml", SEQUENCE),
        ("intro-a.md", INTRO_A),
        ("intro-b.md", INTRO_B),
        ("nudge.md", NUDGE),
        ("last-note.md", LAST_NOTE),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

struct Person {
    id: String,
    address: String,
}

struct Case {
    world: World,
    /// Where links of the hub lead.
    base: String,
    people: BTreeMap<String, Person>,
}

impl Case {
    /// A hub with the sequence in its files and everybody enrolled.
    async fn begin(kind: Kind, count: usize) -> Option<Self> {
        let setup = Setup { clock: Clock::stepped(machine_now()), ..Setup::new(kind) };
        let mut world = World::prepare(setup).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        write_files(&world.config, &base);
        world.up_on(listener).await;
        let mut csv = String::from("handle,first_name,email\n");
        let mut addresses = BTreeMap::new();
        let others = (0..count).map(|n| format!("plain{n}"));
        for (n, handle) in CAST.iter().map(|h| (*h).to_owned()).chain(others).enumerate() {
            let address = fresh_user(&handle);
            csv += &format!("{handle},Żofia{n},{address}\n");
            addresses.insert(handle, address);
        }
        world.import(&csv, None).await;
        let seen = world.api.influencers().await;
        let people: BTreeMap<String, Person> = addresses
            .into_iter()
            .map(|(handle, address)| {
                let id = text(&seen[&handle], "id").to_owned();
                (handle, Person { id, address })
            })
            .collect();
        let ids: Vec<&str> = people.values().map(|p| p.id.as_str()).collect();
        let told = world.api.post("/sequences/spring/enrollments", json!({"influencers": ids})).await;
        let case = Self { world, base, people };
        assert_eq!(case.runs().await.len(), case.people.len(), "{told}");
        Some(case)
    }

    fn api(&self) -> &Api {
        &self.world.api
    }

    fn id(&self, handle: &str) -> &str {
        &self.people[handle].id
    }

    /// Those who get all mails, in order.
    fn everybody(&self) -> impl Iterator<Item = (&str, &Person)> {
        self.people
            .iter()
            .map(|(handle, p)| (handle.as_str(), p))
            .filter(|(h, _)| h.starts_with("plain") || *h == "clicks")
    }

    /// The runs, by the handle of whose they are.
    async fn runs(&self) -> BTreeMap<String, Value> {
        let all = self.api().list("/enrollments?sequence=spring").await;
        all.into_iter().map(|run| (text(&run, "influencer_handle").to_owned(), run)).collect()
    }

    async fn run_of(&self, handle: &str) -> Value {
        let run = self.runs().await.remove(handle).expect("a run");
        self.api().get(&format!("/enrollments/{}", text(&run, "id"))).await
    }

    async fn influencer(&self, handle: &str) -> Value {
        self.api().get(&format!("/influencers/{}", self.id(handle))).await
    }

    /// Moves business time on until every run that goes on is as asked.
    async fn runs_are(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        until(what, || async {
            self.world.clock.advance(STEP);
            let runs = self.runs().await;
            runs.values().filter(|r| r["state"] != "exited" && r["held_at"].is_null()).all(&is_so).then_some(())
        })
        .await;
    }

    /// What Python makes of these places.
    async fn judged(&self, places: &[String]) -> Value {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/check_sequence.py");
        let mut command = std::process::Command::new("python3");
        let peer = &self.world.peer;
        command.arg(script).arg(&peer.host).arg(peer.imap.to_string()).arg(&peer.ca).arg(&self.base).args(places);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("python3 is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The mails in somebody's mailbox, once there are so many.
    async fn mails_of(&self, handle: &str, count: usize) -> Vec<Value> {
        let place = format!("{}/INBOX", self.people[handle].address);
        until(&format!("{count} mails for {handle}"), || async {
            let mut seen = self.judged(std::slice::from_ref(&place)).await;
            let mails: Vec<Value> = serde_json::from_value(seen[&place].take()).unwrap();
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    /// Waits until somebody's run has ended, and gives it.
    async fn ended(&self, handle: &str) -> Value {
        until(&format!("the run of {handle} ends"), || async {
            Some(self.run_of(handle).await).filter(|run| run["state"] == "exited")
        })
        .await
    }

    async fn after_intro(&self) {
        self.runs_are("every intro is sent", |run| run["step"] == "nudge").await;
    }

    async fn is_suppressed(&self, handle: &str) -> bool {
        let address = &self.people[handle].address;
        let found = self.api().get(&format!("/suppressions?address={address}")).await;
        found["data"].as_array().is_some_and(|all| !all.is_empty())
    }

    fn answer(&self, handle: &str, mail: &Value, subject: &str) -> Letter {
        let id = text(mail, "message_id").trim_matches(['<', '>']);
        let from = format!("Zo <{}>", self.people[handle].address);
        Letter::new(handle, &from, &self.world.brand, subject).answering(&[id])
    }

    async fn clicks(&self) {
        let mail = self.mails_of("clicks", 1).await.remove(0);
        self.world.clock.advance(Duration::from_mins(2));
        let pixel = texts(&mail, "pixels")[0].to_owned();
        let (status, head, content) = fetch("GET", &pixel, "").await;
        assert_eq!((status, header(&head, "content-type")), (200, "image/gif"));
        assert!(content.starts_with("GIF89a"));
        let links: Vec<&str> = texts(&mail, "links").into_iter().filter(|l| l.contains("/t/c/")).collect();
        assert_eq!(links.len(), 2, "{mail}");
        let (status, head, _) = fetch("GET", links[1], "").await;
        assert_eq!((status, header(&head, "location")), (302, "https://brand.example/story?lang=en&from=mail"));
        let (status, _, _) = fetch("GET", &links[1].replace("/t/c/", "/t/c/A"), "").await;
        assert_eq!(status, 404);
        self.world.clock.advance(Duration::from_mins(2));
        let step = until("the click counts", || async {
            let run = self.run_of("clicks").await;
            Some(run["steps"][0].clone()).filter(|s| s["clicked_at"].is_string() && s["opened_at"].is_string())
        })
        .await;
        assert_eq!(step["step"], "intro");
        assert_eq!(text(&self.influencer("clicks").await, "stage"), "engaged");
    }

    async fn unsubscribes(&self) {
        let mail = self.mails_of("unsubscribes", 1).await.remove(0);
        let page = texts(&mail, "unsubscribe")[0].to_owned();
        let (status, _, content) = fetch("GET", &page, "").await;
        assert_eq!(status, 200);
        assert!(content.contains("<form"), "looking asks, and does nothing: {content}");
        assert_eq!(text(&self.run_of("unsubscribes").await, "state"), "active");
        let (status, _, _) = fetch("POST", &page, "List-Unsubscribe=One-Click").await;
        assert_eq!(status, 200);
        let run = self.ended("unsubscribes").await;
        assert_eq!(text(&run, "exit_reason"), "opted out");
        assert!(self.is_suppressed("unsubscribes").await);
        assert_eq!(text(&self.influencer("unsubscribes").await, "stage"), "opted_out");
    }

    async fn answers(&self) {
        let mail = self.mails_of("answers", 1).await.remove(0);
        let letter =
            self.answer("answers", &mail, &format!("Re: {}", text(&mail, "subject"))).body("Gladly! Size M. Zo");
        self.world.deliver(letter.octets(), "INBOX").await;
        let run = self.ended("answers").await;
        assert_eq!(text(&run, "exit_reason"), "replied");
        assert!(run["steps"][0]["replied_at"].is_string(), "{run}");
        assert_eq!(text(&self.influencer("answers").await, "stage"), "in_talks");
        assert!(!self.is_suppressed("answers").await);
        let message = self.api().message_on(self.id("answers"), &letter.id).await;
        assert_eq!(message["thread_id"], self.api().messages_of(self.id("answers")).await[0]["thread_id"]);
    }

    /// Postfix takes it, and then says that there is nobody: by a delivery report of its own.
    async fn address_is_unknown(&self) {
        let run = self.ended("unknown").await;
        assert_eq!(text(&run, "exit_reason"), "no address left that mail arrives at");
        let influencer = self.influencer("unknown").await;
        assert!(influencer["addresses"][0]["dead_at"].is_string(), "{influencer}");
        let bounced = self.api().events_of(self.id("unknown"), "message.bounced").await;
        assert_eq!((bounced.len(), &bounced[0]["data"]["status"]), (1, &json!("5.1.1")));
        assert_eq!(bounced[0]["message_id"], run["steps"][0]["message_id"]);
    }

    async fn is_away(&self) {
        let mail = self.mails_of("away", 1).await.remove(0);
        let letter = self
            .answer("away", &mail, &format!("Automatic reply: {}", text(&mail, "subject")))
            .header("Auto-Submitted: auto-replied")
            .body("I am out of the office and will read your mail when I am back.");
        self.world.deliver(letter.octets(), "INBOX").await;
        let run = until("the run is held", || async {
            Some(self.run_of("away").await).filter(|run| run["held_at"].is_string())
        })
        .await;
        assert_eq!(text(&run, "step"), "nudge");
        let influencer = self.influencer("away").await;
        assert!(influencer["held_until"].is_string(), "{influencer}");
        assert_eq!(text(&influencer, "stage"), "contacted", "an automatic answer is none");
    }

    async fn wants_to_be_removed(&self) {
        let mail = self.mails_of("remove", 1).await.remove(0);
        let letter = self
            .answer("remove", &mail, &format!("Re: {}", text(&mail, "subject")))
            .body("Please remove me from your list.");
        self.world.deliver(letter.octets(), "INBOX").await;
        let run = self.ended("remove").await;
        assert_eq!(text(&run, "exit_reason"), "opted out");
        assert!(self.is_suppressed("remove").await);
        assert_eq!(text(&self.influencer("remove").await, "stage"), "opted_out");
    }

    async fn after_all_steps(&self) {
        self.world.clock.advance(Duration::from_mins(50));
        self.runs_are("every nudge is sent", |run| run["step"] == "last_note" || run["state"] == "finished").await;
        self.world.clock.advance(Duration::from_mins(50));
        self.runs_are("every run is at its end", |run| run["state"] == "finished").await;
    }

    async fn everybody_got_three(&self) {
        let places: Vec<String> = self.everybody().map(|(_, p)| format!("{}/INBOX", p.address)).collect();
        let seen = until("three mails in every mailbox", || async {
            let seen = self.judged(&places).await;
            places.iter().all(|p| seen[p].as_array().is_some_and(|m| m.len() >= 3)).then_some(seen)
        })
        .await;
        let (mut first, mut second) = (0_usize, 0_usize);
        for (handle, person) in self.everybody() {
            let mails = seen[format!("{}/INBOX", person.address)].as_array().unwrap();
            let run = self.run_of(handle).await;
            match text(&run["steps"][0], "variant") {
                "intro-a.md" => first += 1,
                "intro-b.md" => second += 1,
                other => panic!("{other}"),
            }
            self.judge_mails(handle, mails, &run).await;
        }
        // By chance this fails for one in 80,000 sequences, 4.4 standard deviations.
        let n = (first + second) as f64;
        let off = (first as f64 - n / 2.0).abs();
        assert!(off < 4.4 * n.sqrt() / 2.0 && first > 0 && second > 0, "{first} and {second}");
    }

    /// The three mails of one person against each other, the run and the thread of the API.
    async fn judge_mails(&self, handle: &str, mails: &[Value], run: &Value) {
        assert_eq!(mails.len(), 3, "{handle} got each once: {mails:?}");
        let person = &self.people[handle];
        let wanted = match text(&run["steps"][0], "variant") {
            "intro-a.md" => format!("{handle} × Trail Tee"),
            _ => format!("A Trail Tee for {handle}?"),
        };
        let ids: Vec<&str> = mails.iter().map(|m| text(m, "message_id")).collect();
        let mut tokens = BTreeSet::new();
        for (n, mail) in mails.iter().enumerate() {
            assert_eq!(mail["faults"], json!([]), "{handle} {}: {mail}", STEPS[n]);
            assert_eq!(
                (texts(mail, "from"), texts(mail, "to")),
                (vec![self.world.brand.as_str()], vec![person.address.as_str()])
            );
            let subject = if n == 0 { wanted.clone() } else { format!("Re: {wanted}") };
            assert_eq!(text(mail, "subject"), subject);
            assert_eq!(texts(mail, "references"), ids[..n]);
            assert_eq!(mail["in_reply_to"].as_str(), n.checked_sub(1).map(|before| ids[before]));
            let words = ["reached you", "stands"];
            for part in ["text", "html_text"] {
                let said = text(mail, part);
                assert!(said.contains("Żofia") && said.contains("1 Main St, Portland"), "{said}");
                assert_eq!(words.map(|w| said.contains(w)), [n == 1, n == 2], "{said}");
            }
            let pixels = texts(mail, "pixels");
            assert_eq!(pixels.len(), 1, "{mail}");
            let page = texts(mail, "unsubscribe")[0];
            assert!(texts(mail, "links").contains(&page) && text(mail, "text").contains(page), "{mail}");
            let counted = texts(mail, "links").into_iter().filter(|l| l.starts_with(&format!("{}/t/c/", self.base)));
            assert_eq!(counted.clone().count(), [2, 0, 1][n], "{mail}");
            assert!(!text(mail, "html_text").contains("/t/"));
            for link in counted.chain(pixels).chain([page]) {
                assert!(tokens.insert(link.to_owned()), "{link} stands in two places");
            }
        }
        let messages = self.api().messages_of(&person.id).await;
        let listed: Vec<String> = messages.iter().map(|m| format!("<{}>", text(m, "internet_message_id"))).collect();
        assert_eq!(listed, ids, "{handle}");
        assert!(messages.iter().all(|m| m["status"] == "confirmed" && m["thread_id"] == messages[0]["thread_id"]));
        let thread = self.api().get(&format!("/threads/{}", text(&messages[0], "thread_id"))).await;
        assert_eq!((&thread["message_count"], text(&thread, "subject")), (&json!(3), wanted.as_str()));
        let steps: Vec<&str> = run["steps"].as_array().unwrap().iter().map(|s| text(s, "step")).collect();
        assert_eq!(steps, STEPS);
    }

    async fn sent_copies_are_clean(&self) {
        let place = format!("{}/Sent", self.world.brand);
        let count = self.everybody().count() * 3 + CAST.len() - 1;
        let seen = until("a copy of every mail in Sent", || async {
            let mut seen = self.judged(std::slice::from_ref(&place)).await;
            let mails: Vec<Value> = serde_json::from_value(seen[&place].take()).unwrap();
            (mails.len() >= count).then_some(mails)
        })
        .await;
        let once: BTreeSet<&str> = seen.iter().map(|m| text(m, "message_id")).collect();
        assert_eq!((seen.len(), once.len()), (count, count), "each once");
        for mail in &seen {
            assert_eq!(mail["faults"], json!([]), "{mail}");
            assert_eq!((&mail["pixels"], &mail["hidden"]), (&json!([]), &json!([])), "{mail}");
            let links = texts(mail, "links");
            assert!(links.iter().all(|l| !l.contains("/t/")), "{mail}");
            if mail["in_reply_to"].is_null() {
                assert!(links[0].starts_with("https://shop.example/gift?") && links[0].contains("spring"), "{mail}");
                assert_eq!(links[1], "https://brand.example/story?lang=en&from=mail");
            }
        }
    }

    async fn those_who_left_got_no_more(&self) {
        for handle in ["unsubscribes", "answers", "away", "remove"] {
            assert_eq!(self.mails_of(handle, 1).await.len(), 1, "{handle}");
        }
        assert_eq!(text(&self.run_of("away").await, "state"), "held");
        for handle in ["unsubscribes", "answers", "unknown", "remove"] {
            let run = self.run_of(handle).await;
            let sent: Vec<&Value> =
                run["steps"].as_array().unwrap().iter().filter(|s| s["state"] == "sent").map(|s| &s["step"]).collect();
            assert_eq!((text(&run, "state"), sent), ("exited", vec![&json!("intro")]), "{handle}");
            assert_eq!(run["next_at"], Value::Null);
        }
    }

    /// Time stood still for them: what was left of the delay passes after the hold.
    async fn whoever_was_away_gets_the_rest(&self) {
        let held = self.influencer("away").await;
        self.world.clock.advance_to(Micros::parse(text(&held, "held_until")).expect("an instant"));
        self.away_is("let go", |run| run["held_at"].is_null()).await;
        self.world.clock.advance(Duration::from_mins(45));
        self.away_is("past the nudge", |run| run["step"] == "last_note").await;
        self.world.clock.advance(Duration::from_mins(50));
        self.away_is("at its end", |run| run["state"] == "finished").await;
        let mails = self.mails_of("away", 3).await;
        assert_eq!(mails.len(), 3);
        for mail in &mails {
            assert_eq!(mail["faults"], json!([]), "{mail}");
        }
    }

    async fn away_is(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        until(&format!("the run of who was away is {what}"), || async {
            self.world.clock.advance(STEP);
            is_so(&self.run_of("away").await).then_some(())
        })
        .await;
    }
}
