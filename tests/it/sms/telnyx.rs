//! Telnyx on loopback, and what is done with it.

use super::provider::{Answer, Request, Rests, Server, field, json};
use super::twilio::{Fate, Whim};
use super::{NOON, OURS, THEIRS, clock, mail, send};
use liaison::connector::feed::{Looked, Progress, Sought, Told};
use liaison::connector::{ConnectorError, SendOutcome};
use liaison::domain::time::Micros;
use serde_json::{Value, json as j};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const KEY: &str = "KEY0123456789";
/// Records of one page, whatever is asked for.
const PAGE: usize = 5;

#[derive(Clone)]
pub struct Stored {
    pub id: String,
    pub from: String,
    pub to: String,
    pub text: String,
    pub inbound: bool,
    pub at: i64,
    pub status: &'static str,
    /// Whether its words are still kept.
    pub kept: bool,
    /// The words that it was asked to send.
    pub asked: String,
    /// Where it is to be told how it fares.
    pub callback: Option<String>,
}

#[derive(Default)]
pub struct State {
    pub messages: Vec<Stored>,
    /// What time it is; noon where that is not said.
    pub clock: Option<liaison::clock::Clock>,
    pub whim: Option<Whim>,
    /// Records of one page, where not the usual few.
    pub page: Option<usize>,
    /// Seconds until a message is found in the records.
    pub indexes_after: i64,
    /// The rests that were asked for, of sending and of reading.
    pub rests: [Rests; 2],
    /// What is answered instead, once the message was taken; with `false` it was not.
    pub fates: VecDeque<(bool, u16, Value)>,
    /// What stands in place of our number.
    pub owned: Option<Value>,
    /// A number that is another's, but for its texts.
    pub hosted: Option<&'static str>,
    /// The status with which nobody is let look at numbers and profiles.
    pub closed: Option<u16>,
}

pub struct Telnyx {
    pub server: Server,
    pub state: Arc<Mutex<State>>,
}

impl Telnyx {
    pub fn new() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let server = Server::new("telnyx", move |request| answer(&mut shared.lock().unwrap(), request));
        Self { server, state }
    }

    pub fn line(&self, clock: &liaison::clock::Clock) -> Arc<dyn liaison::connector::sms::Line> {
        let base = format!("{}/v2", self.server.url());
        super::line("telnyx", &[("api_key", KEY), ("number", OURS), ("base_url", &base)], clock)
    }

    fn add(&self, inbound: bool, text: &str, at: i64) -> String {
        let (from, to) = if inbound { (THEIRS, OURS) } else { (OURS, THEIRS) };
        self.put(inbound, (from, to), text, at)
    }

    /// A message of theirs.
    pub fn comes_in(&self, from: &str, text: &str, at: i64) -> String {
        self.put(true, (from, OURS), text, at)
    }

    fn put(&self, inbound: bool, (from, to): (&str, &str), text: &str, at: i64) -> String {
        let mut state = self.state.lock().unwrap();
        let id = uuid::Uuid::from_u128(state.messages.len() as u128 * 0x9e37_79b9_7f4a_7c15).to_string();
        state.messages.push(Stored {
            id: id.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            text: text.to_owned(),
            inbound,
            at,
            status: if inbound { "received" } else { "delivered" },
            kept: true,
            asked: text.to_owned(),
            callback: None,
        });
        id
    }
}

fn time(seconds: i64) -> String {
    Micros::from_seconds(seconds).to_string()
}

fn shown(m: &Stored) -> Value {
    j!({ "id": m.id, "record_type": "message", "direction": if m.inbound { "inbound" } else { "outbound" }, "text": m.text,
         "from": { "phone_number": m.from }, "to": [{ "phone_number": m.to, "status": m.status }], "media": [], "errors": [],
         "received_at": time(m.at) })
}

fn answer(state: &mut State, request: &Request) -> Answer {
    if request.authorization != format!("Bearer {KEY}") {
        return json(401, &j!({ "errors": [{ "code": "10009", "title": "Authentication failed" }] }));
    }
    let sends = request.method == "POST";
    if let Some(wait) = state.rests[usize::from(!sends)].call() {
        return too_fast(wait);
    }
    if !sends && let Some(Fate::Refused(429, _, wait)) = state.whim.as_mut().map(|whim| whim(false)) {
        state.rests[1].ask(wait);
        return too_fast(wait);
    }
    if let Some(answer) = owned(state, request) {
        return answer;
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v2/messages") => created(state, request),
        ("GET", "/v2/detail_records") => records(state, request),
        ("GET", path) => {
            let id = path.strip_prefix("/v2/messages/").unwrap();
            match state.messages.iter().find(|m| m.id == id && m.kept) {
                Some(message) => json(200, &j!({ "data": shown(message) })),
                None => json(404, &j!({ "errors": [{ "code": "10005", "title": "Resource not found" }] })),
            }
        }
        _ => json(404, &j!({ "errors": [{ "code": "10005", "title": "Resource not found" }] })),
    }
}

/// The messaging profile that is ours.
pub const PROFILE: &str = "30ef55db-c4a2-4c4a-9804-a68077973d07";

/// What is ours: one number, one short code, one profile.
fn owned(state: &State, request: &Request) -> Option<Answer> {
    let query = request.query();
    let asked = field(&query, "filter[phone_number]");
    let list = |found: Vec<Value>| j!({ "data": found, "meta": { "page_number": 1, "total_pages": 1 } });
    let said = match request.path.as_str() {
        "/v2/phone_numbers" => {
            let ours = j!({ "phone_number": OURS, "status": "active", "messaging_profile_id": PROFILE });
            let ours = state.owned.clone().unwrap_or(ours);
            // As documented: other signs than digits find nothing, and some digits find all that have them.
            let digits = asked.filter(|asked| asked.len() >= 3 && asked.bytes().all(|b| b.is_ascii_digit()));
            let fits = digits.is_some_and(|digits| ours["phone_number"].as_str().unwrap().contains(digits));
            list(if fits { vec![ours] } else { Vec::new() })
        }
        "/v2/messaging/hosted/numbers" => {
            let found = state.hosted.filter(|hosted| asked == Some(hosted));
            list(found.iter().map(|hosted| j!({ "phone_number": hosted, "messaging_profile_id": PROFILE })).collect())
        }
        "/v2/short_codes" => list(vec![j!({ "short_code": "24365", "messaging_profile_id": PROFILE })]),
        path if path.starts_with("/v2/messaging_profiles/") => {
            if !path.ends_with(PROFILE) && state.closed.is_none() {
                return Some(json(404, &j!({ "errors": [{ "code": "10005", "title": "Resource not found" }] })));
            }
            j!({ "data": { "id": PROFILE, "enabled": true, "number_pool_settings": null } })
        }
        _ => return None,
    };
    let closed = state
        .closed
        .map(|status| json(status, &j!({ "errors": [{ "code": "10010", "title": "Authorization failed" }] })));
    Some(closed.unwrap_or_else(|| json(200, &said)))
}

fn created(state: &mut State, request: &Request) -> Answer {
    let order: Value = serde_json::from_slice(&request.body).unwrap();
    let known = ["to", "from", "text", "webhook_url", "messaging_profile_id"];
    assert!(order.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{order}");
    let text = |name: &str| order[name].as_str().unwrap().to_owned();
    let id = uuid::Uuid::from_u128(1 << 100 | state.messages.len() as u128).to_string();
    let (from, to, text) = (text("from"), text("to"), text("text"));
    let at = state.now();
    let fate = state.fates.pop_front();
    let whim = fate.is_none().then(|| state.whim.as_mut().map(|whim| whim(true))).flatten().unwrap_or(Fate::Taken);
    let asked = text.clone();
    let text = if whim == Fate::TakenOtherwise { "Other words of a filter".to_owned() } else { text };
    let callback = order["webhook_url"].as_str().map(str::to_owned);
    let message = Stored { id, from, to, text, inbound: false, at, status: "queued", kept: true, asked, callback };
    let said = j!({ "data": shown(&message) });
    if fate.as_ref().map_or(whim.is_taken(), |(taken, ..)| *taken) {
        state.messages.push(message);
    }
    match fate {
        None => match whim {
            Fate::Taken => json(200, &said),
            Fate::TakenAndSilent | Fate::TakenOtherwise | Fate::Fallen => Answer::Falls,
            Fate::TakenAndBroken => Answer::Breaks,
            Fate::TakenAndGarbled => Answer::Says(200, String::new(), b"<html>".to_vec()),
            Fate::TakenAndUnwell | Fate::Unwell => Answer::Says(503, String::new(), Vec::new()),
            Fate::Refused(_, _, wait) => {
                state.rests[0].ask(wait);
                too_fast(wait)
            }
        },
        Some((_, 0, _)) => Answer::Falls,
        Some((_, status, body)) => json(status, &body),
    }
}

fn too_fast(wait: u64) -> Answer {
    let body = j!({ "errors": [{ "code": "10011", "title": "Too many requests" }] });
    let head = format!("content-type: application/json\r\nretry-after: {wait}\r\n");
    Answer::Says(429, head, serde_json::to_vec(&body).unwrap())
}

impl State {
    fn now(&self) -> i64 {
        self.clock.as_ref().map_or(NOON, |clock| clock.now().seconds())
    }
}

fn records(state: &State, request: &Request) -> Answer {
    let query = request.query();
    let get = |name: &str| field(&query, name);
    assert_eq!((get("filter[record_type]"), get("sort")), (Some("messaging"), Some("-created_at")));
    let fits = |m: &&Stored| {
        let day = time(m.at)[..10].to_owned();
        (m.inbound || state.indexes_after == 0 || m.at + state.indexes_after <= state.now())
            && get("filter[direction]").is_none_or(|d| (d == "inbound") == m.inbound)
            && get("filter[cld]").is_none_or(|to| m.to == to)
            && get("filter[cli]").is_none_or(|from| m.from == from)
            && get("filter[created_at][gte]").unwrap() <= day.as_str()
            && day.as_str() < get("filter[created_at][lt]").unwrap()
    };
    let mut found: Vec<&Stored> = state.messages.iter().filter(fits).collect();
    found.sort_by_key(|m| std::cmp::Reverse(m.at));
    let page: usize = get("page[number]").unwrap().parse().unwrap();
    let size = state.page.unwrap_or(PAGE);
    let data = found.iter().skip((page - 1) * size).take(size).map(|m| {
        j!({ "record_type": "message_detail_record", "uuid": m.id, "cld": m.to, "cli": m.from, "created_at": time(m.at),
             "direction": if m.inbound { "inbound" } else { "outbound" }, "status": m.status, "errors": null })
    });
    let all = found.len().div_ceil(size).max(1);
    json(
        200,
        &j!({ "data": data.collect::<Vec<_>>(), "meta": { "page_number": page, "total_pages": all, "page_size": size } }),
    )
}

pub fn sought(text: &str) -> Sought {
    Sought {
        thread: None,
        place: None,
        token: "tok-1".to_owned(),
        from: OURS.to_owned(),
        to: THEIRS.to_owned(),
        text: text.to_owned(),
        after: Micros::from_seconds(NOON - 60),
        before: Micros::from_seconds(NOON + 60),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_telnyx_took_in_silence_is_found() {
    let (telnyx, clock) = (Telnyx::new(), clock());
    let line = telnyx.line(&clock);
    let callback = "https://hub.example.com/hooks/line/status/tok-1";
    let SendOutcome::Accepted { id: Some(id), .. } = send(&*line, &mail(THEIRS, "first", Some(callback))).await else {
        panic!("not taken")
    };
    assert_eq!(telnyx.state.lock().unwrap().messages[0].id, id);
    telnyx.state.lock().unwrap().fates.extend([
        (true, 0, Value::Null),
        (false, 0, Value::Null),
        (true, 502, Value::Null),
    ]);
    for text in ["second", "third", "fourth"] {
        let outcome = send(&*line, &mail(THEIRS, text, None)).await;
        assert!(matches!(outcome, SendOutcome::Uncertain(_)), "{text}: {outcome:?}");
    }
    let mut ledger = line.ledger();
    for text in ["second", "fourth"] {
        let (alike, others): (Vec<_>, Vec<_>) =
            ledger.find(&sought(text)).await.unwrap().found.into_iter().partition(|found| found.alike);
        assert_eq!((alike.len(), alike[0].progress, others.len()), (1, Progress::Taken, 2), "{text}");
    }
    // Records come late: for hours their silence says nothing, and what is there of the same words may be another's.
    for text in ["second", "third"] {
        let doubt = ledger.find(&sought(text)).await.unwrap().doubt;
        assert!(doubt.is_some_and(|why| why.contains("records yet")), "{text}");
    }
    clock.advance(Duration::from_mins(6 * 60 + 2));
    let Looked { found, doubt } = ledger.find(&sought("third")).await.unwrap();
    assert!(found.len() == 3 && found.iter().all(|found| !found.alike) && doubt.is_none(), "{found:?}");
    let elsewhere = Sought { to: "+14155550199".to_owned(), ..sought("third") };
    assert_eq!(ledger.find(&elsewhere).await, Ok(Looked::default()));
    // Words that are kept no longer can't be compared.
    telnyx.state.lock().unwrap().messages[0].kept = false;
    let doubt = ledger.find(&sought("third")).await.unwrap().doubt;
    assert!(doubt.is_some_and(|why| why.contains("ten days")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_telnyx_refuses_is_told() {
    let (telnyx, clock) = (Telnyx::new(), clock());
    let line = telnyx.line(&clock);
    let no = |code: &str| j!({ "errors": [{ "code": code, "title": "No", "detail": "not +14155550101" }] });
    for (status, code, smtp) in [
        (400, "40300", 550),
        (400, "40310", 550),
        (401, "10009", 535),
        (403, "40305", 550),
        (422, "1", 554),
        (400, "40309", 554),
    ] {
        telnyx.state.lock().unwrap().fates.push_back((false, status, no(code)));
        let SendOutcome::Refused(reply) = send(&*line, &mail(THEIRS, "x", None)).await else { panic!("{code}") };
        assert_eq!(reply.code, smtp, "{code}");
        assert!(reply.text.starts_with(code) && !reply.text.contains("4155550101"), "{}", reply.text);
    }
    // Whose number is meant, the place says.
    for (place, smtp) in [("/from", 550), ("/to", 550), ("/text", 554)] {
        let body =
            j!({ "errors": [{ "code": "10002", "title": "Invalid phone number", "source": { "pointer": place } }] });
        telnyx.state.lock().unwrap().fates.push_back((false, 422, body));
        let SendOutcome::Refused(reply) = send(&*line, &mail(THEIRS, "x", None)).await else { panic!("{place}") };
        assert_eq!((reply.code, reply.enhanced.as_deref() == Some("5.7.1")), (smtp, place == "/from"), "{place}");
    }
    let wrong = super::line(
        "telnyx",
        &[("api_key", "KEYwrong"), ("number", OURS), ("base_url", &format!("{}/v2", telnyx.server.url()))],
        &clock,
    );
    let Err(ConnectorError::Login(why)) = wrong.feed().next(None, Micros::from_seconds(NOON)).await else {
        panic!("not refused")
    };
    assert!(why.contains("API key") && !why.contains("KEYwrong"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_at_telnyx_is_told_once() {
    let (telnyx, clock) = (Telnyx::new(), clock());
    let mut expected = BTreeSet::new();
    for n in 0..60_i64 {
        expected.insert(telnyx.add(n % 3 > 0, &format!("text {n}"), NOON - 90_000 + n / 4 * 6_000));
    }
    telnyx.state.lock().unwrap().messages[7].kept = false;
    let mut feed = telnyx.line(&clock).feed();
    let (mut told, mut fares, mut cursor, mut last) = (Vec::new(), 0, None::<String>, Micros(0));
    for round in 0..4 {
        loop {
            let batch = feed.next(cursor.as_deref(), Micros::from_seconds(NOON - 3 * 86_400)).await.unwrap();
            for one in batch.told {
                match one {
                    Told::Said(said) => {
                        assert!(said.at >= last || round > 0, "not in order");
                        last = said.at;
                        told.push(said.id.clone());
                        assert!(said.text.starts_with("text") || said.text.is_empty());
                    }
                    Told::Fares { progress, .. } => fares += usize::from(progress == Progress::Delivered),
                    other => panic!("{other:?}"),
                }
            }
            cursor = Some(batch.cursor);
            if !batch.more {
                break;
            }
        }
        // Some more of the last second, seen later; and a process that begins anew.
        expected.insert(telnyx.add(true, "text, late", NOON - 90_000 + 14 * 6_000));
        feed = telnyx.line(&clock).feed();
    }
    assert_eq!(fares, 20);
    assert_eq!(told.len(), expected.len() - 1);
    assert!(told.iter().all(|id| expected.contains(id)));
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len());
}
