//! What Slack posts to us: events, and what people press. Checks its signature over the body as it came
//! (<https://docs.slack.dev/authentication/verifying-requests-from-slack>), then only reads. A request that is posted again (Slack counts
//! them in a header) reads the same; who stores it knows it by its id.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::Sha256;

use super::Own;
use super::event::{self, Event, Shortcut};
use super::message::field;
use crate::connector::feed::{HOOK_OCTETS_MAX, Heard, Hook, HookRefusal, HookRequest};
use crate::domain::time::Micros;

/// How far the time of a signature may be from ours.
pub const TOLERANCE: Duration = Duration::from_mins(5);
/// Octets of an HMAC-SHA256.
const SIGNATURE_OCTETS: usize = 32;

/// Hears for one workspace.
#[derive(Debug)]
pub struct SlackHook {
    secret: SecretString,
    own: Own,
}

impl SlackHook {
    /// With the signing secret of the app.
    pub fn new(secret: SecretString, own: Own) -> Self {
        Self { secret, own }
    }

    /// The shortcut that a request holds, where it holds one. Checks the request as [`Hook::hear`] does.
    pub fn shortcut(&self, request: &HookRequest) -> Result<Option<Shortcut>, HookRefusal> {
        self.check(request)?;
        Ok(pressed(request)?.and_then(|payload| event::read_pressed(&payload, &self.own).1))
    }

    /// Whether it is Slack's, of now, and posted to a place there is.
    fn check(&self, request: &HookRequest) -> Result<(), HookRefusal> {
        if request.method != "POST" || !["", "events", "actions"].contains(&request.rest.trim_matches('/')) {
            return Err(HookRefusal::NotFound);
        }
        if request.body.len() > HOOK_OCTETS_MAX {
            return Err(HookRefusal::Unreadable);
        }
        let stamp = request.header("x-slack-request-timestamp").ok_or(HookRefusal::Signature)?;
        let signature = request.header("x-slack-signature").ok_or(HookRefusal::Signature)?;
        if !is_signed(&self.secret, stamp, &request.body, signature) {
            return Err(HookRefusal::Signature);
        }
        let at = stamp.parse().map(Micros::from_seconds).map_err(|_| HookRefusal::Signature)?;
        if request.now.since(at).max(at.since(request.now)) > TOLERANCE {
            return Err(HookRefusal::Stale);
        }
        Ok(())
    }
}

impl Hook for SlackHook {
    fn hear(&self, request: &HookRequest) -> Result<Heard, HookRefusal> {
        self.check(request)?;
        if let Some(payload) = pressed(request)? {
            return Ok(heard(event::read_pressed(&payload, &self.own).0));
        }
        let payload = serde_json::from_slice::<Value>(&request.body).ok().filter(Value::is_object);
        let event = event::read(&payload.ok_or(HookRefusal::Unreadable)?, &self.own);
        Ok(heard(event))
    }
}

fn heard(event: Event) -> Heard {
    let Event { id, told, challenge } = event;
    Heard { told, id, media_type: "text/plain", answer: challenge.unwrap_or_default() }
}

/// What a person pressed comes as a form with JSON in it, as do commands, which have none.
fn pressed(request: &HookRequest) -> Result<Option<Value>, HookRefusal> {
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Ok(None);
    }
    let Some((_, payload)) = url::form_urlencoded::parse(&request.body).find(|(name, _)| name == "payload") else {
        return Ok(Some(serde_json::json!({ "type": "command" })));
    };
    let payload: Value = serde_json::from_str(&payload).map_err(|_| HookRefusal::Unreadable)?;
    if field(&payload, "type").is_empty() { Err(HookRefusal::Unreadable) } else { Ok(Some(payload)) }
}

/// Whether a signature (`v0=` and 64 hexadecimal digits) is over `v0:stamp:body`. Compares in constant time.
pub fn is_signed(secret: &SecretString, stamp: &str, body: &[u8], signature: &str) -> bool {
    let Some(octets) = signature.strip_prefix("v0=").and_then(octets_of) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
    mac.update(b"v0:");
    mac.update(stamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    !secret.expose_secret().is_empty() && mac.verify_slice(&octets).is_ok()
}

/// The octets of exactly as many small hexadecimal digits as a signature has: one signature has one spelling.
fn octets_of(digits: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let octets: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect();
    octets.filter(|octets| octets.len() == SIGNATURE_OCTETS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::feed::Told;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

    fn sign(stamp: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("v0:{stamp}:").as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().iter().fold("v0=".to_owned(), |digits, octet| format!("{digits}{octet:02x}"))
    }

    fn request(kind: &str, body: &str, age: i64) -> HookRequest {
        let now = 1_700_000_000;
        let stamp = (now - age).to_string();
        HookRequest {
            method: "POST".into(),
            url: "https://hub.example.org/hooks/team".into(),
            rest: String::new(),
            headers: vec![
                ("content-type".into(), kind.into()),
                ("x-slack-signature".into(), sign(&stamp, body.as_bytes())),
                ("x-slack-request-timestamp".into(), stamp),
            ],
            body: body.as_bytes().to_vec(),
            now: Micros::from_seconds(now),
        }
    }

    fn hook() -> SlackHook {
        SlackHook::new(SECRET.into(), Own { team: "T1".into(), user: "UBOT".into(), bot: None, app: None })
    }

    #[test]
    fn an_event_is_heard_with_its_id() {
        let body = r#"{"type":"event_callback","team_id":"T1","event_id":"Ev1","event":{"type":"message","channel":"C1","user":"U1","text":"hi","ts":"1.000001"}}"#;
        let mut request = request("application/json", body, 299);
        let heard = hook().hear(&request).unwrap();
        assert_eq!((heard.id.as_deref(), heard.answer.as_str()), (Some("Ev1"), ""));
        assert!(matches!(&heard.told[..], [Told::Said(said)] if said.id == "T1/C1/1.000001"));
        // A repeated one is the same.
        request.headers.push(("x-slack-retry-num".into(), "1".into()));
        assert_eq!(hook().hear(&request).unwrap(), heard);
    }

    #[test]
    fn what_is_not_signed_now_is_refused() {
        let fine = request("application/json", r#"{"type":"url_verification","challenge":"c"}"#, 0);
        assert_eq!(hook().hear(&fine).unwrap().answer, "c");
        for age in [301, -301] {
            assert_eq!(hook().hear(&request("application/json", "{}", age)), Err(HookRefusal::Stale));
        }
        let changed = |change: &dyn Fn(&mut HookRequest)| {
            let mut request = fine.clone();
            change(&mut request);
            hook().hear(&request)
        };
        assert_eq!(changed(&|r| r.body.push(b' ')), Err(HookRefusal::Signature));
        assert_eq!(changed(&|r| r.headers.clear()), Err(HookRefusal::Signature));
        assert_eq!(changed(&|r| r.headers.push(r.headers[1].clone())), Err(HookRefusal::Signature));
        assert_eq!(changed(&|r| r.headers[1].1 = r.headers[1].1.to_uppercase()), Err(HookRefusal::Signature));
        assert_eq!(changed(&|r| r.headers[2].1.push(' ')), Err(HookRefusal::Signature));
        assert_eq!(changed(&|r| r.rest = "other".into()), Err(HookRefusal::NotFound));
        assert_eq!(changed(&|r| r.method = "GET".into()), Err(HookRefusal::NotFound));
        let keyless = SlackHook::new("".into(), Own::default());
        assert_eq!(keyless.hear(&fine), Err(HookRefusal::Signature));
        for bad in ["", "[]", "nonsense", "\u{0}"] {
            assert_eq!(hook().hear(&request("application/json", bad, 0)), Err(HookRefusal::Unreadable));
        }
    }

    #[test]
    fn a_shortcut_is_read_from_its_form() {
        let json = r#"{"type":"message_action","callback_id":"liaison_message","trigger_id":"1.2.a","action_ts":"3.000001","user":{"id":"U1","name":"ann"},"channel":{"id":"C1"},"message":{"ts":"1.000001","user":"U9","user_team":"T2","text":"hi"}}"#;
        let body: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", json).finish();
        let request = request("application/x-www-form-urlencoded", &body, 0);
        let heard = hook().hear(&request).unwrap();
        let [Told::Pressed { message, place, text, conversation: None, has_files: false, mentions: false, .. }] =
            heard.told.as_slice()
        else {
            panic!("{heard:?}")
        };
        assert_eq!((message.as_str(), place.as_str(), text.as_str()), ("T1/C1/1.000001", "T1/C1", "hi"));
        assert_eq!(heard.id.as_deref(), Some("message_action:1.2.a"));
        let shortcut = hook().shortcut(&request).unwrap().unwrap();
        assert_eq!((shortcut.message.as_str(), shortcut.author.address.as_str()), ("T1/C1/1.000001", "T2/U9"));
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", hook()).contains(SECRET));
    }
}
