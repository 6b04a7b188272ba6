//! What Twilio's own library signs is taken by the hook of a running node, as it is reached: by its name, by a port, behind a proxy, with
//! a query; and nothing that was changed on its way is.
//!
//! What the library signed is kept in `tests/fixtures/twilio-signed.json`, and every run posts that. `tests/prove signed` asks the library
//! itself, for these and for a thousand others.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Which;
use super::hub::{Hub, post};
use crate::kills::{next_random, parameter};
use crate::ledger::{count, print_table};
use crate::sms::{ACCOUNT, OURS, TOKEN};
use crate::stores;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/twilio-signed.json");
/// As whom the node is known: behind a proxy at the usual port, and at another.
const SITES: [&str; 2] = ["https://hub.example.com", "https://hub.example.com:8443"];
/// What a signature may hold, and other texts besides.
const LETTERS: [&str; 14] = ["a", "Z", "7", " ", "+", "%", "&", "=", "é", "ß", "✓", "😀", "\n", "\""];

/// Something that Twilio posts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Posted {
    site: String,
    /// The address as Twilio wrote it when it signed, where it is another one than that it came to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    signed_as: Option<String>,
    path: String,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    fields: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    body: Option<String>,
    signature: String,
}

impl Posted {
    fn url(&self) -> String {
        self.signed_as.clone().unwrap_or_else(|| format!("{}{}", self.site, self.path))
    }
}

fn message(n: usize, body: &str) -> Vec<(String, String)> {
    let sid = format!("SM{n:032x}");
    let fields = [
        ("AccountSid", ACCOUNT),
        ("Body", body),
        ("From", "+14155550142"),
        ("MessageSid", &sid),
        ("NumMedia", "0"),
        ("To", OURS),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// What is kept, unsigned.
fn cases() -> Vec<Posted> {
    let mut all = Vec::new();
    for (at, site) in SITES.iter().enumerate() {
        let mut add = |path: &str, fields: Vec<(String, String)>| {
            let site = (*site).to_owned();
            all.push(Posted {
                site,
                signed_as: None,
                path: path.to_owned(),
                fields,
                body: None,
                signature: String::new(),
            });
        };
        let n = |n: usize| at * 100 + n;
        add("/hooks/twilio", message(n(1), "Hello"));
        add("/hooks/twilio", message(n(2), "Grüße ✓ 😀\n100% sure + more & so on = \"yes\""));
        add("/hooks/twilio?brand=a%20b+c&x=%C3%A9&x=2", message(n(3), "with a query"));
        let mut repeated = message(n(4), "names that are there again");
        for (name, value) in [("Tag", "b"), ("Tag", "a"), ("Tag", "b"), ("Empty", ""), ("tag", "c")] {
            repeated.push((name.to_owned(), value.to_owned()));
        }
        repeated.reverse();
        add("/hooks/twilio", repeated);
        let fares = [
            ("AccountSid", ACCOUNT),
            ("MessageSid", "SM00000000000000000000000000000abc"),
            ("MessageStatus", "delivered"),
        ];
        add("/hooks/twilio/status/0192aa-token_of_ours", fares.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec());
        let body = r#"[{"type":"com.twilio.messaging.message.delivered"}]"#;
        let sum: String = Sha256::digest(body).iter().map(|octet| format!("{octet:02x}")).collect();
        add(&format!("/hooks/twilio?bodySHA256={sum}"), Vec::new());
        let last = all.last_mut().unwrap();
        last.body = Some(body.to_owned());
    }
    // Twilio may write the port that goes without saying, and leave out one that was said.
    for (site, signed_as) in
        [(SITES[0], "https://hub.example.com:443/hooks/twilio"), (SITES[1], "https://hub.example.com/hooks/twilio")]
    {
        let fields = message(900 + site.len(), "another spelling");
        let (site, path) = (site.to_owned(), "/hooks/twilio".to_owned());
        all.push(Posted {
            site,
            signed_as: Some(signed_as.to_owned()),
            path,
            fields,
            body: None,
            signature: String::new(),
        });
    }
    all
}

/// So many others, of anything that a form may hold.
fn others(count: usize, seed: u64) -> Vec<Posted> {
    let mut random = seed;
    let mut draw = |below: usize| usize::try_from(next_random(&mut random) % below as u64).unwrap();
    let mut all = Vec::new();
    for n in 0..count {
        let mut word = |most: usize| (0..draw(most)).map(|_| LETTERS[draw(LETTERS.len())]).collect::<String>();
        let mut fields = message(10_000 + n, &format!("x{}", word(60)));
        for _ in 0..6 {
            let name = format!("X{}", word(6));
            fields.push((name, word(12)));
        }
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &word(8)).finish();
        let path = if draw(2) == 0 { "/hooks/twilio".to_owned() } else { format!("/hooks/twilio?{query}") };
        let site = SITES[draw(SITES.len())].to_owned();
        all.push(Posted { site, signed_as: None, path, fields, body: None, signature: String::new() });
    }
    all
}

/// Twilio's library, beside us.
struct Library {
    child: Child,
    ask: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Library {
    /// `LIAISON_PROVE_TWILIO` names the Python that has it.
    fn start() -> Self {
        let python = std::env::var_os("LIAISON_PROVE_TWILIO").expect("LIAISON_PROVE_TWILIO: tests/prove signed");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/texts.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let (ask, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, ask, said }
    }

    fn sign(&mut self, posted: &mut Posted) {
        let asked =
            serde_json::json!({ "token": TOKEN, "url": posted.url(), "fields": posted.fields, "body": posted.body });
        writeln!(self.ask, "{asked}").expect("the library is there");
        let mut signature = String::new();
        self.said.read_line(&mut signature).expect("the library answers");
        posted.signature = signature.trim().to_owned();
        assert_eq!(posted.signature.len(), 28, "{posted:?}");
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Posts it as it comes through a proxy that ends TLS; what it is answered.
fn answer(hub: &Hub, posted: &Posted, signature: &str) -> Option<u16> {
    let (kind, body) = match &posted.body {
        Some(body) => ("application/json", body.clone()),
        None => {
            let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&posted.fields).finish();
            ("application/x-www-form-urlencoded; charset=UTF-8", form)
        }
    };
    let headers = [
        ("Content-Type", kind),
        ("X-Twilio-Signature", signature),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "somewhere.example.net"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("I-Twilio-Idempotency-Token", "0192aa"),
    ];
    post(hub.home.port, "proxy.internal:8080", &posted.path, &headers, body.as_bytes())
}

async fn are_taken(all: &[Posted]) -> usize {
    let mut stored = 0;
    for site in SITES {
        let hub = Hub::new(stores::sqlite().await, &[Which::Twilio], None).await;
        hub.home.rewrite(|config| config.replace(&format!("http://127.0.0.1:{}", hub.home.port), site));
        let mut daemon = hub.home.start();
        hub.home.await_up(&mut daemon);
        for posted in all.iter().filter(|posted| posted.site == site) {
            assert_eq!(answer(&hub, posted, &posted.signature), Some(200), "{posted:?}\n{}", hub.home.last_words());
            let mut other = posted.clone();
            match (&mut other.body, other.fields.first_mut()) {
                (Some(body), _) => body.push(' '),
                (None, Some((_, value))) => value.push('x'),
                (None, None) => unreachable!(),
            }
            assert_eq!(answer(&hub, &other, &posted.signature), Some(403), "changed: {other:?}");
            let elsewhere = Posted { path: posted.path.replace("/hooks/twilio", "/hooks/twilio/"), ..posted.clone() };
            assert_ne!(answer(&hub, &elsewhere, &posted.signature), Some(200), "elsewhere: {elsewhere:?}");
        }
        let count = count(&hub.home.fresh.place, "SELECT COUNT(*) FROM message WHERE direction = 'inbound'").await;
        let wanted = all.iter().filter(|posted| posted.site == site && posted.fields.iter().any(|(n, _)| n == "Body"));
        assert_eq!(usize::try_from(count), Ok(wanted.count()), "each is stored, once");
        stored += usize::try_from(count).unwrap();
    }
    stored
}

fn kept() -> Vec<Posted> {
    serde_json::from_slice(&std::fs::read(KEPT).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilios_library_signed_is_taken() {
    let kept = kept();
    let unsigned: Vec<Posted> = kept.iter().map(|p| Posted { signature: String::new(), ..p.clone() }).collect();
    assert_eq!(unsigned, cases(), "tests/fixtures/twilio-signed.json holds others: tests/prove signed says which");
    assert_eq!(are_taken(&kept).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "asks Twilio's own library, in Python: tests/prove signed"]
async fn what_twilios_library_signs_is_taken() {
    let mut library = Library::start();
    let mut all = cases();
    all.iter_mut().for_each(|posted| library.sign(posted));
    let signed = serde_json::to_string_pretty(&all).unwrap();
    assert!(all == kept(), "the library signs otherwise than {KEPT} says:\n{signed}");
    let mut more = others(parameter("FORMS", 1_000), parameter("SEED", 1) as u64);
    more.iter_mut().for_each(|posted| library.sign(posted));
    let kept = all.len();
    all.extend(more);
    let stored = are_taken(&all).await;
    print_table(
        "signed by Twilio's library",
        &[
            ("signatures kept, and the same", kept.to_string()),
            ("posted to a running node, and taken", all.len().to_string()),
            ("stored messages", stored.to_string()),
            ("changed on their way, and taken", "0".to_owned()),
        ],
    );
}
