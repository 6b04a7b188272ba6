//! Settings of Telnyx, and what it posts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::connector::feed::{ConsentWord, HookRefusal, HookRequest, Progress, Told as News};
use crate::connector::http::Http;
use crate::domain::time::Micros;

const ID: &str = "834f3d53-8a3c-4aa0-a733-7f2d682a72df";
const NOW: i64 = 1_790_000_000;

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn made(given: &[(&str, &str)]) -> Result<Arc<dyn Line>, SettingsError> {
    let means = Means { http: Http::new(None).unwrap(), clock: Clock::machine() };
    line(&Settings::new(given.iter().map(|(n, v)| ((*n).to_owned(), SecretString::from(*v)))), &means)
}

fn numbered() -> Arc<dyn Line> {
    let key = STANDARD.encode(pair().public_key().as_ref());
    made(&[("api_key", "KEYsesame"), ("public_key", &key), ("number", "+14155550100")]).unwrap()
}

#[test]
fn settings_say_what_is_missing() {
    let wrong = |given: &[(&str, &str)]| made(given).unwrap_err().to_string();
    assert!(wrong(&[]).contains("`api_key` is missing"));
    assert!(wrong(&[("api_key", "x")]).contains("`number` is missing"));
    assert!(wrong(&[("api_key", "x"), ("public_key", "AAAA")]).contains("44 characters"));
    assert!(wrong(&[("api_key", "x"), ("messaging_profile_id", "p/../q")]).contains("is written like"));
    assert!(made(&[("api_key", "x"), ("messaging_profile_id", ID)]).unwrap().hook().is_none());
    assert!(numbered().hook().is_some() && !format!("{:?}", numbered()).contains("sesame"));
}

fn request(rest: &str, body: &Value, timestamp: i64) -> HookRequest {
    let body = serde_json::to_vec(body).unwrap();
    let signature = pair().sign(&[format!("{timestamp}|").as_bytes(), &body].concat());
    HookRequest {
        method: "POST".to_owned(),
        url: "https://hub.example.com/hooks/line".to_owned(),
        rest: rest.to_owned(),
        headers: vec![
            ("telnyx-signature-ed25519".to_owned(), STANDARD.encode(signature.as_ref())),
            ("telnyx-timestamp".to_owned(), timestamp.to_string()),
        ],
        body,
        now: Micros::from_seconds(NOW),
    }
}

fn received() -> Value {
    json!({ "data": { "id": "event-1", "event_type": "message.received", "occurred_at": "2026-09-21T15:33:00Z", "payload": {
        "id": ID, "direction": "inbound", "text": "hi", "received_at": "2026-09-21T15:32:59.5Z", "autoresponse_type": "OPT_OUT",
        "from": { "phone_number": "+14155550101" }, "to": [{ "phone_number": "+14155550100", "status": "webhook_delivered" }],
        "media": [{ "url": "https://media.telnyx.com/x.jpg", "content_type": "image/jpeg", "size": 12 }] } } })
}

#[test]
fn a_message_comes_in() {
    let heard = numbered().hook().unwrap().hear(&request("", &received(), NOW)).unwrap();
    assert_eq!(heard.id.as_deref(), Some("event-1"));
    let [News::Said(said)] = heard.told.as_slice() else { panic!("{:?}", heard.told) };
    assert_eq!((said.id.as_str(), said.text.as_str()), (ID, "hi"));
    assert_eq!(said.conversation, "+14155550100 +14155550101");
    assert_eq!(said.at, Micros::parse("2026-09-21T15:32:59.5Z").unwrap());
    assert_eq!((said.consent, said.files[0].size), (Some(ConsentWord::Stop), Some(12)));
    let mut other = received();
    other["data"]["payload"]["to"][0]["phone_number"] = json!("+14155550199");
    let heard = numbered().hook().unwrap().hear(&request("", &other, NOW)).unwrap();
    assert!(matches!(heard.told.as_slice(), [News::Other { .. }]), "{:?}", heard.told);
}

#[test]
fn an_event_tells_how_it_fares() {
    for (kind, status, expected) in [
        ("message.sent", "sent", Some(Progress::Sent)),
        ("message.finalized", "delivered", Some(Progress::Delivered)),
        ("message.finalized", "delivery_unconfirmed", Some(Progress::Sent)),
        ("message.finalized", "delivery_failed", Some(Progress::Failed)),
        ("message.finalized", "sending_failed", Some(Progress::Failed)),
        ("message.finalized", "something new", None),
        ("call.hangup", "sent", None),
    ] {
        let body = json!({ "data": { "id": "event-2", "event_type": kind, "payload": {
            "id": ID, "direction": "outbound", "from": { "phone_number": "+14155550100" },
            "to": [{ "phone_number": "+14155550101", "status": status }],
            "errors": [{ "code": "40300", "title": "Blocked due to STOP message", "detail": "+14155550101" }] } } });
        let heard = numbered().hook().unwrap().hear(&request("status/tok-1", &body, NOW)).unwrap();
        match (heard.told.as_slice(), expected) {
            ([News::Fares { id, token, progress, code, detail, .. }], Some(expected)) => {
                assert_eq!((id.as_deref(), token.as_deref(), *progress), (Some(ID), Some("tok-1"), expected));
                assert_eq!((code.as_deref(), detail.contains("4155550101")), (Some("40300"), false));
            }
            ([News::Other { .. }], None) => {}
            (told, _) => panic!("{kind} {status}: {told:?}"),
        }
    }
}

#[test]
fn signatures_lapse_both_ways_and_are_needed() {
    let hook = numbered().hook().unwrap();
    for (timestamp, expected) in [
        (NOW - 300, None),
        (NOW + 300, None),
        (NOW - 301, Some(HookRefusal::Stale)),
        (NOW + 301, Some(HookRefusal::Stale)),
        (i64::MIN, Some(HookRefusal::Stale)),
        (i64::MAX, Some(HookRefusal::Stale)),
    ] {
        assert_eq!(hook.hear(&request("", &received(), timestamp)).err(), expected, "{timestamp}");
    }
    let mut bare = request("", &received(), NOW);
    bare.headers.truncate(1);
    assert_eq!(hook.hear(&bare), Err(HookRefusal::Signature));
    let mut moved = request("", &received(), NOW - 1_000);
    moved.headers[1].1 = NOW.to_string();
    assert_eq!(hook.hear(&moved), Err(HookRefusal::Signature));
    assert_eq!(hook.hear(&request("", &json!({ "data": [] }), NOW)), Err(HookRefusal::Unreadable));
    assert_eq!(hook.hear(&request("x", &received(), NOW)), Err(HookRefusal::NotFound));
}
