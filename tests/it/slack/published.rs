//! What Slack published: every payload of its events is taken, its example of a signature verifies, and no signature with one bit
//! changed does.

use std::collections::BTreeMap;

use liaison::connector::feed::{Hook, HookRefusal, HookRequest, Told};
use liaison::connector::slack::event;
use liaison::connector::slack::hook::{SlackHook, is_signed};
use liaison::domain::time::Micros;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{corpora, own};

/// The published payloads are patterns whose texts are empty: this puts something of the right sort into each.
pub fn filled(name: &str, value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| filled(name, item)),
        Value::Object(object) => object.iter_mut().for_each(|(name, item)| filled(name, item)),
        Value::String(text) if text.is_empty() || text.starts_with("0000000000") => {
            *text = match name {
                "ts" | "event_ts" | "deleted_ts" => "1700000000.000100",
                "thread_ts" => "1699999999.000100",
                "latest_reply" => "1700000001.000100",
                "channel" => "C024BE7LR",
                "user" => "U061F7AUR",
                "team" | "team_id" | "user_team" | "source_team" => "T1",
                "text" => "hello &amp; <@U061F7AUR>",
                "reaction" => "tada",
                "event_id" => "Ev08MFMKH6",
                _ => "",
            }
            .to_owned();
        }
        _ => {}
    }
}

fn kind_of(told: &Told) -> &'static str {
    match told {
        Told::Said(_) => "said",
        Told::Changed { .. } => "changed",
        Told::Deleted { .. } => "deleted",
        Told::Reacted { .. } => "reacted",
        Told::Pressed { .. } => "pressed",
        Told::Fares { .. } => "fares",
        Told::Other { .. } => "other",
    }
}

#[test]
fn every_published_payload_is_taken() {
    let Some(root) = corpora("Slack's event payloads") else { return };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = 0;
    for entry in std::fs::read_dir(root.join("providers/slack-events")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let payload: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let bare = event::read(&payload, &own());
        assert!(bare.told.len() == 1 && bare.challenge.is_none(), "{name}: {bare:?}");
        let mut full = payload;
        filled("", &mut full);
        full["type"] = "event_callback".into();
        // In the pattern what was and what is are the same.
        if name == "MessageChangedPayload" {
            full["event"]["message"]["text"] = "something else".into();
            full["event"]["message"]["subtype"] = Value::Null;
        }
        let told = event::read(&full, &own()).told.remove(0);
        let expected = match name.as_str() {
            "MessagePayload"
            | "MessageBotPayload"
            | "MessageFileSharePayload"
            | "MessageMePayload"
            | "MessageThreadBroadcastPayload"
            | "AppMentionPayload" => "said",
            "MessageChangedPayload" => "changed",
            "MessageDeletedPayload" => "deleted",
            "ReactionAddedPayload" | "ReactionRemovedPayload" => "reacted",
            _ => "other",
        };
        assert_eq!(kind_of(&told), expected, "{name}: {told:?}");
        if let Told::Said(said) = &told {
            assert_eq!(said.id, "T1/C024BE7LR/1700000000.000100", "{name}");
            assert!(["hello & @U061F7AUR", ""].contains(&said.text.as_str()), "{name}: {}", said.text);
        }
        *counts.entry(kind_of(&told)).or_default() += 1;
        all += 1;
        // The same through a socket.
        let frame = json!({"envelope_id": "e", "type": "events_api", "payload": full}).to_string();
        let Some(event::Frame::Envelope(envelope)) = event::read_frame(&frame, &own()) else { panic!("{name}") };
        assert_eq!(envelope.event.told, [told], "{name}");
    }
    println!("{all} payloads: {counts:?}");
    assert!(all >= 96);
}

struct Vector {
    secret: SecretString,
    stamp: String,
    body: String,
    signature: String,
}

fn vector() -> Option<Vector> {
    let root = corpora("Slack's example of a signature")?;
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(root.join("signatures/vectors.json")).unwrap()).unwrap();
    let one = all.as_array().unwrap().iter().find(|v| v["provider"] == "slack").unwrap().clone();
    let text = |name: &str| one[name].as_str().unwrap().to_owned();
    Some(Vector {
        secret: text("secret").into(),
        stamp: text("timestamp"),
        body: text("body"),
        signature: text("expect"),
    })
}

#[test]
fn the_published_signature_verifies_and_no_other_does() {
    let Some(Vector { secret, stamp, body, signature }) = vector() else { return };
    assert!(is_signed(&secret, &stamp, body.as_bytes(), &signature));
    // One bit of the stamp, of the body or of the signature at a time, again and again, then two.
    let whole = [stamp.as_bytes(), body.as_bytes(), signature.as_bytes()].concat();
    let (a, b) = (stamp.len(), stamp.len() + body.len());
    let mut tried = 0_u32;
    for n in 0_usize.. {
        if tried == 100_000 {
            break;
        }
        let bits = whole.len() * 8;
        let (first, second) = (n % bits, (n / bits * 7 + n) % bits);
        let mut octets = whole.clone();
        octets[first / 8] ^= 1 << (first % 8);
        if n >= bits && second != first {
            octets[second / 8] ^= 1 << (second % 8);
        }
        // What is no text any more is no header field either.
        let (Ok(stamp), Ok(signature)) = (std::str::from_utf8(&octets[..a]), std::str::from_utf8(&octets[b..])) else {
            continue;
        };
        assert!(!is_signed(&secret, stamp, &octets[a..b], signature), "bits {first} and {second}");
        tried += 1;
    }
    println!("{tried} changed signatures refused");
}

#[test]
fn a_command_is_heard_and_a_late_one_is_not() {
    let Some(Vector { secret, stamp, body, signature }) = vector() else { return };
    let hook = SlackHook::new(secret, own());
    let at: i64 = stamp.parse().unwrap();
    let request = |now: i64| HookRequest {
        method: "POST".into(),
        url: "https://hub.example.org/hooks/slack".into(),
        rest: String::new(),
        headers: vec![
            ("content-type".into(), "application/x-www-form-urlencoded".into()),
            ("x-slack-request-timestamp".into(), stamp.clone()),
            ("x-slack-signature".into(), signature.clone()),
        ],
        body: body.clone().into_bytes(),
        now: Micros::from_seconds(now),
    };
    assert_eq!(hook.hear(&request(at + 300)).unwrap().told, [Told::Other { sort: "command".into() }]);
    assert_eq!(hook.hear(&request(at + 301)), Err(HookRefusal::Stale));
    assert_eq!(hook.hear(&request(at - 301)), Err(HookRefusal::Stale));
}
