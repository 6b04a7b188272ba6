//! Every payload that Slack published of its events, posted to the hook of a running node as Slack posts it: each is answered well,
//! those that mean nothing to us are counted, and what is posted again changes nothing.

use std::io::Read as _;
use std::time::Duration;

use serde_json::Value;

use super::post;
use super::workspaces::{Brand, signed};
use crate::ledger::count;
use crate::slack::published::filled;
use crate::stores;

/// The published payload, as it is and with something in it; each with ids and an instant of its own.
fn payloads() -> Option<Vec<(String, Value)>> {
    let root = crate::peers::corpora()?.join("providers/slack-events");
    let mut files: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for (n, path) in files.iter().enumerate() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let bare: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut full = bare.clone();
        filled("", &mut full);
        full["type"] = "event_callback".into();
        full["event_id"] = format!("Ev{n:08}").into();
        if full["event"]["ts"].is_string() && name != "MessageChangedPayload" && name != "MessageDeletedPayload" {
            full["event"]["ts"] = format!("1700000000.{:06}", 100 + n).into();
        }
        all.push((format!("{name}, bare"), bare));
        all.push((name, full));
    }
    Some(all)
}

/// What is kept that an event may change.
async fn kept(brand: &Brand) -> [i64; 5] {
    let place = &brand.installation.fresh.place;
    [
        count(place, "SELECT COUNT(*) FROM message").await,
        count(place, "SELECT COUNT(*) FROM provider_message").await,
        count(place, "SELECT COUNT(*) FROM participation").await,
        count(place, "SELECT COUNT(*) FROM event").await,
        count(place, "SELECT COUNT(*) FROM unmatched").await,
    ]
}

/// How many things meant nothing so far, by the numbers of the node.
fn unknown(brand: &Brand) -> usize {
    let mut stream = brand.installation.open("/metrics", "Connection: close\r\n", Duration::from_secs(30)).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let line = page.lines().find(|l| l.contains("told_unknown_total{") && l.contains("account=\"team\""));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

async fn payloads_are_posted(fresh: stores::Fresh) {
    let Some(payloads) = payloads() else { return crate::peers::skip_corpora() };
    let brand = Brand::new(fresh).await;
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    // Whom the payloads are about, so that what they say is somebody's.
    brand.person("zoe", "T1/U061F7AUR");
    let round = |word: &str| {
        for (name, payload) in &payloads {
            let body = payload.to_string();
            let (stamp, signature) = signed(&body);
            let headers = [
                ("Content-Type", "application/json"),
                ("X-Slack-Request-Timestamp", stamp.as_str()),
                ("X-Slack-Signature", signature.as_str()),
                ("X-Slack-Retry-Num", word),
            ];
            let (status, answer) = post(brand.installation.port, "/hooks/team", &headers, body.as_bytes());
            assert_eq!(status, 200, "{name}: {answer}\n{}", brand.installation.last_words());
        }
        unknown(&brand)
    };
    let others = round("0");
    let first = kept(&brand).await;
    let again = round("1");
    assert_eq!(
        kept(&brand).await,
        first,
        "what is posted again changes something: messages, ids, timelines, events, strangers"
    );
    assert!(daemon.ended().is_none());
    let log = std::fs::read_to_string(brand.installation.log()).unwrap();
    assert!(!log.contains("panicked"), "{}", brand.installation.last_words());
    let (all, stored) = (payloads.len() / 2, first[1]);
    println!(
        "{all} payloads, each as published and filled in: {stored} messages and reactions stored, {others} of {} counted as unknown",
        payloads.len()
    );
    assert!(all >= 96 && stored >= 5, "{all} {stored}");
    // Whatever means nothing is counted, each time; what does is not.
    assert!(others >= 150 && again == 2 * others, "{others} {again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_published_payload_is_answered_on_sqlite() {
    payloads_are_posted(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_published_payload_is_answered_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => payloads_are_posted(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}
