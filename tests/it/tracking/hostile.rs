//! Links that somebody changed, and headers that somebody tried to add. A share of each runs with all tests;
//! `tests/prove links` and `tests/prove headers` run the whole.

use super::World;
use crate::stores;
use axum::http::StatusCode;
use liaison::domain::mail::Mailbox;
use liaison::render::mail::{Draft, ListUnsubscribe, compose};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// A small generator, so that a case can be had again by its seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

fn cases(name: &str, share: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(share)
}

/// A link with something changed: a bit, its length, two of its characters, another's half, or what stands beside it.
fn mutated(chance: &mut Chance, paths: &[String]) -> String {
    let path = &paths[chance.below(paths.len())];
    let start = path.rfind('/').unwrap() + 1;
    let mut octets = path.as_bytes().to_vec();
    let at = start + chance.below(44);
    match chance.below(8) {
        0 => octets[at] ^= 1 << chance.below(7),
        1 => octets.truncate(at),
        2 => octets.swap(start + chance.below(44), at),
        3 => {
            let other = paths[chance.below(paths.len())].as_bytes();
            let other = &other[other.iter().rposition(|b| *b == b'/').unwrap() + 1..];
            octets.truncate(at);
            octets.extend_from_slice(&other[at - start..]);
        }
        4 => octets.insert(at, b"Aa0-_~%/"[chance.below(8)]),
        5 => octets.extend_from_slice(
            [&b"?url=https://evil.example"[..], b"/../..", b"=", b"%0d%0aLocation:%20https://evil.example"]
                [chance.below(4)],
        ),
        6 => octets.splice(..start, [&b"/t/c/"[..], b"/t/o/", b"/u/"][chance.below(3)].iter().copied()).for_each(drop),
        _ => octets[at] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[chance.below(64)],
    }
    octets
        .into_iter()
        .map(|b| if b.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&b) { char::from(b) } else { 'x' })
        .collect()
}

async fn mutated_links(count: usize) {
    let world = World::new(stores::sqlite().await).await;
    let mut paths = Vec::new();
    for n in 1..=4 {
        let mail = world.mail(n).await;
        paths.extend(mail.links());
        paths.push(mail.pixel().replace(".gif", ""));
        paths.push(mail.unsubscribe.clone());
    }
    let destinations = ["https://shop.example/spring?a=1&b=2", "http://brand.example/faq"];
    let mut chance = Chance(0x5eed_0001);
    let (mut refused, mut same) = (0, 0);
    for n in 0..count {
        let path = mutated(&mut chance, &paths);
        // What comes after `?`, and a change that changes nothing, leave the link as it was.
        let token_path = path.split('?').next().unwrap().to_owned();
        let method = ["GET", "HEAD", "POST"][n % 3];
        let response = world.ask(method, &path, super::CHROME).await;
        if let Some(location) = response.headers().get("location") {
            assert!(destinations.contains(&location.to_str().unwrap()), "{path} leads to {location:?}");
        }
        if paths.contains(&token_path) || token_path.strip_suffix(".gif").is_some_and(|p| paths.contains(&p.to_owned()))
        {
            same += 1;
            continue;
        }
        assert!(
            matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED),
            "{method} {path}: {}",
            response.status()
        );
        refused += 1;
    }
    println!("{count} changed links: {refused} refused, {same} as they were");
    assert!(refused > count / 2);
    // Nothing was written for those that were refused: every hit belongs to a link that was not changed.
    let all: usize = {
        let mut sum = 0;
        let mut seen = std::collections::HashSet::new();
        for path in &paths {
            let mut tx = world.bench.fresh.store.begin("test.keys").await.unwrap();
            let keys = liaison::hub::signing::keys(&mut tx, &world.bench.clock).await.unwrap();
            drop(tx);
            let token = keys.read(path.rsplit('/').next().unwrap()).unwrap();
            if seen.insert(token.message) {
                sum += world.hits(token.message).await.len();
            }
        }
        sum
    };
    assert!(all <= same, "{all} hits of {same} links that were as they were");
}

#[tokio::test]
async fn changed_links_lead_nowhere_and_write_nothing() {
    mutated_links(cases("LIAISON_PROVE_LINKS", 3_000)).await;
}

#[tokio::test]
#[ignore = "tests/prove links"]
async fn many_changed_links() {
    mutated_links(cases("LIAISON_PROVE_LINKS", 100_000)).await;
}

const PIECES: [&str; 22] = [
    "Spring plan",
    "\r\nBcc: victim@example.org",
    "\nX-Evil: 1",
    "\r",
    "\0",
    "=?utf-8?q?=0d=0aX-Evil:_1?=",
    "é",
    "日本語",
    " ",
    "\t",
    "\u{2028}X-Evil: 1",
    "\u{85}X-Evil: 1",
    "\u{b}",
    "\u{7f}",
    ": ",
    "<a@b.example>",
    "\"",
    "\\",
    ",",
    ";",
    "%0d%0aX-Evil: 1",
    "\r\n\r\n<html>",
];

/// A text of such pieces; with line ends and NUL, which are refused, only where that is asked for.
fn evil(chance: &mut Chance, with_line_ends: bool) -> String {
    let mut text = String::new();
    for _ in 0..chance.below(6) {
        let piece = PIECES[chance.below(PIECES.len())];
        if with_line_ends || !piece.contains(['\r', '\n', '\0']) {
            text.push_str(piece);
        }
    }
    if chance.below(40) == 0 {
        text = text.repeat(1 + chance.below(60));
    }
    text
}

fn draft(chance: &mut Chance) -> Draft {
    let refused = chance.below(3) == 0;
    let name = evil(chance, refused);
    let mut draft = Draft {
        from: Mailbox { name: name.clone(), address: "hello@brand.example".into() },
        to: vec![Mailbox { name: evil(chance, refused), address: "ana@example.org".into() }],
        subject: evil(chance, refused),
        text: "Hello".into(),
        message_id: "1@brand.example".into(),
        token: "token".into(),
        ..Draft::default()
    };
    let in_url = |chance: &mut Chance| if chance.below(4) == 0 { evil(chance, refused) } else { "x".to_owned() };
    let (url, mailto) = (in_url(chance), in_url(chance));
    draft.list_unsubscribe = Some(ListUnsubscribe {
        url: Some(format!("https://go.brand.example/u/{url}")),
        mailto: Some(format!("mailto:hello@brand.example?subject={mailto}")),
    });
    draft
}

/// The names every one of these mails has, in lower case and in order.
const NAMES: [&str; 9] = [
    "content-type",
    "from",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "message-id",
    "mime-version",
    "subject",
    "to",
    "x-liaison-id",
];

fn header_cases(count: usize, by_python: usize) {
    let mut chance = Chance(0x5eed_0002);
    let (mut composed, mut refused) = (Vec::new(), 0);
    for _ in 0..count {
        let draft = draft(&mut chance);
        let plain = |text: &str| !text.contains(['\r', '\n', '\0']);
        let is_plain = plain(&draft.subject) && plain(&draft.from.name) && plain(&draft.to[0].name);
        match compose(&draft) {
            Ok(raw) => {
                assert!(is_plain, "a line end was taken: {draft:?}");
                composed.push(raw);
            }
            Err(_) => refused += 1,
        }
    }
    for raw in &composed {
        let mail = mail_parser::MessageParser::new().parse(raw).expect("parses");
        let mut names: Vec<String> = mail.headers().iter().map(|h| h.name().to_lowercase()).collect();
        names.sort();
        assert_eq!(names, NAMES, "{}", String::from_utf8_lossy(raw));
    }
    let share = &composed[..composed.len().min(by_python)];
    ask_python(share);
    println!("{count} drafts: {} composed, {refused} refused, {} read by Python as well", composed.len(), share.len());
    assert!(composed.len() > count / 4 && refused > count / 4, "{} composed, {refused} refused", composed.len());
}

fn ask_python(mails: &[Vec<u8>]) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/header_names.py");
    let child = Command::new("python3").arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return crate::peers::skip("python3") };
    let mut input = child.stdin.take().unwrap();
    let octets: Vec<u8> = mails
        .iter()
        .flat_map(|m| u32::try_from(m.len()).unwrap().to_be_bytes().into_iter().chain(m.iter().copied()))
        .collect();
    let writing = std::thread::spawn(move || input.write_all(&octets).unwrap());
    let out = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(out.status.success());
    let lines: Vec<String> = String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), mails.len());
    assert!(lines.iter().all(|line| *line == NAMES.join(" ")), "{:?}", lines.iter().find(|l| **l != NAMES.join(" ")));
}

#[test]
fn no_field_adds_a_header() {
    header_cases(cases("LIAISON_PROVE_HEADERS", 4_000), 500);
}

#[test]
#[ignore = "tests/prove headers"]
fn many_fields_that_try_to_add_a_header() {
    header_cases(cases("LIAISON_PROVE_HEADERS", 100_000), 20_000);
}
