//! Twilio on loopback: its lists, newest first and in pages, and what becomes of a message is told beforehand.

use super::openapi::Document;
use super::provider::{Answer, Request, Rests, Server, field, json};
use super::{ACCOUNT, NOON, OURS, TOKEN};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json as j};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What becomes of a message that is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Taken, and said so.
    Taken,
    /// Taken, and the connection ends.
    TakenAndSilent,
    /// Taken, and half an answer comes.
    TakenAndBroken,
    /// Taken, and an answer that makes no sense.
    TakenAndGarbled,
    /// Taken, and 503.
    TakenAndUnwell,
    /// Taken with other words, and the connection ends.
    TakenOtherwise,
    /// Not taken, and 503.
    Unwell,
    /// Not taken, and the connection ends.
    Fallen,
    /// Refused with a status, a code, and so many seconds to wait.
    Refused(u16, u32, u64),
}

impl Fate {
    pub fn is_taken(self) -> bool {
        !matches!(self, Self::Fallen | Self::Unwell | Self::Refused(..))
    }
}

#[derive(Debug, Clone)]
pub struct Stored {
    pub sid: String,
    pub from: String,
    pub to: String,
    pub body: String,
    pub status: String,
    pub inbound: bool,
    pub created: i64,
    /// `None` while it waits in the queue.
    pub sent: Option<i64>,
    pub media: usize,
    /// The words that it was asked to send.
    pub asked: String,
    /// Where it is to be told how it fares.
    pub callback: Option<String>,
}

type Between = Box<dyn FnOnce(&mut State) + Send>;
/// Decides what becomes of a message of which nothing was said beforehand; of reading, with `false`.
pub type Whim = Box<dyn FnMut(bool) -> Fate + Send>;

#[derive(Default)]
pub struct State {
    pub messages: Vec<Stored>,
    pub fates: VecDeque<Fate>,
    pub made: u64,
    /// What time it is; noon where that is not said.
    pub now: Option<fn() -> i64>,
    /// What is done to a page before it is answered, once: a message that comes in between two pages, say.
    pub between: Option<Between>,
    /// What time it is, where a clock is moved.
    pub clock: Option<liaison::clock::Clock>,
    pub whim: Option<Whim>,
    /// Messages of one page, where not the usual few.
    pub page: Option<usize>,
    /// Seconds until a message that was taken is sent, and has a date of sending.
    pub sends_after: Option<i64>,
    /// The rests that were asked for, of sending and of reading.
    pub rests: [Rests; 2],
    /// Where lists go on, where that is not here.
    pub leads_to: Option<String>,
    /// What stands in place of what is ours: numbers that begin alike, say.
    pub owned: Option<Value>,
    /// The status and the code with which nobody is let look at numbers and services.
    pub closed: Option<(u16, u32)>,
}

pub struct Twilio {
    pub server: Server,
    pub state: Arc<Mutex<State>>,
}

/// The messaging service that is ours.
pub const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";
/// Messages of one page, whatever is asked for, so that there are some.
const PAGE: usize = 7;

impl Twilio {
    pub fn new() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let server = Server::new("twilio", move |request| answer(&mut shared.lock().unwrap(), request));
        Self { server, state }
    }

    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("account_sid", ACCOUNT.to_owned()),
            ("auth_token", TOKEN.to_owned()),
            ("number", OURS.to_owned()),
            ("base_url", self.server.url()),
        ]
    }

    pub fn line(&self, clock: &liaison::clock::Clock) -> Arc<dyn liaison::connector::sms::Line> {
        let settings = self.settings();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (*n, v.as_str())).collect();
        super::line("twilio", &settings, clock)
    }

    pub fn will(&self, fates: &[Fate]) {
        self.state.lock().unwrap().fates.extend(fates);
    }

    /// A message of theirs.
    pub fn comes_in(&self, from: &str, body: &str, at: i64) -> String {
        comes_in(&mut self.state.lock().unwrap(), from, body, at)
    }

    pub fn messages(&self) -> Vec<Stored> {
        self.state.lock().unwrap().messages.clone()
    }

    /// Every request is one that Twilio describes, and is signed in.
    pub fn check(&self) -> usize {
        let journal = self.server.journal();
        let credentials = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
        assert!(journal.iter().all(|request| request.authorization == credentials));
        match Document::twilio() {
            None => crate::peers::skip_corpora(),
            Some(document) => {
                // Messaging services stand in another document, where there is no more than this.
                let here = journal.iter().filter(|request| {
                    let sid = request.path.strip_prefix("/v1/Services/").filter(|_| request.method == "GET");
                    !sid.is_some_and(|sid| liaison::config::texting::is_sid("MG", sid) && request.query.is_empty())
                });
                let wrong: Vec<String> = here.flat_map(|request| document.wrong(request)).collect();
                assert!(wrong.is_empty(), "{wrong:#?}");
            }
        }
        journal.len()
    }
}

pub fn comes_in(state: &mut State, from: &str, body: &str, at: i64) -> String {
    let sid = sid(state, "SM");
    state.messages.push(Stored {
        sid: sid.clone(),
        from: from.to_owned(),
        to: OURS.to_owned(),
        body: body.to_owned(),
        status: "received".to_owned(),
        inbound: true,
        created: at,
        sent: Some(at),
        media: 0,
        asked: body.to_owned(),
        callback: None,
    });
    sid
}

fn sid(state: &mut State, prefix: &str) -> String {
    state.made += 1;
    // No order: ids tell nothing of the time.
    format!("{prefix}{:016x}{:016x}", state.made.wrapping_mul(0x9e37_79b9_7f4a_7c15), state.made)
}

fn rfc2822(seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

fn shown(message: &Stored) -> Value {
    j!({
        "sid": message.sid, "account_sid": ACCOUNT, "from": message.from, "to": message.to, "body": message.body,
        "status": message.status, "direction": if message.inbound { "inbound" } else { "outbound-api" },
        "date_created": rfc2822(message.created), "date_sent": message.sent.map(rfc2822), "num_media": message.media.to_string(),
        "num_segments": "1", "error_code": null, "error_message": null, "messaging_service_sid": null,
    })
}

/// What is ours: one number, one short code, one service.
fn owned(state: &State, request: &Request) -> Option<Answer> {
    let query = request.query();
    // A pattern, as documented: whatever holds it is found.
    let matching = |name: &str, all: &[&str], more: Value| {
        let pattern = field(&query, name).unwrap();
        let found = all.iter().filter(|number| number.contains(pattern)).map(|number| {
            let mut one = more.clone();
            one[if name == "ShortCode" { "short_code" } else { "phone_number" }] = j!(number);
            one
        });
        found.collect::<Vec<Value>>()
    };
    let sms = j!({ "capabilities": { "sms": true, "mms": true, "voice": true } });
    let path = request.path.strip_prefix("/2010-04-01").unwrap_or(&request.path);
    let path = path.strip_prefix(&format!("/Accounts/{ACCOUNT}")).unwrap_or(path);
    let said = match path {
        "/IncomingPhoneNumbers.json" => {
            let found = state.owned.clone().map_or_else(|| matching("PhoneNumber", &[OURS], sms), |given| vec![given]);
            j!({ "incoming_phone_numbers": found, "next_page_uri": null })
        }
        "/SMS/ShortCodes.json" => {
            j!({ "short_codes": matching("ShortCode", &["24365"], j!({})), "next_page_uri": null })
        }
        path if path.starts_with("/v1/Services/") => {
            if state.closed.is_none() && !path.ends_with(SERVICE) {
                return Some(failure(404, 20_404, "The requested resource was not found", 0));
            }
            j!({ "sid": SERVICE, "account_sid": ACCOUNT, "friendly_name": "Outreach" })
        }
        _ => return None,
    };
    let closed = state.closed.map(|(status, code)| failure(status, code, "Authorization Error", 0));
    Some(closed.unwrap_or_else(|| json(200, &said)))
}

fn answer(state: &mut State, request: &Request) -> Answer {
    if let Some(answer) = owned(state, request) {
        return answer;
    }
    let below = format!("/2010-04-01/Accounts/{ACCOUNT}/");
    let Some(path) = request.path.strip_prefix(&below) else { return failure(404, 20_404, "no such resource", 0) };
    let sends = request.method == "POST";
    if let Some(wait) = state.rests[usize::from(!sends)].call() {
        return failure(429, 20_429, "Too many requests", wait);
    }
    if !sends && let Some(Fate::Refused(429, _, wait)) = state.whim.as_mut().map(|whim| whim(false)) {
        if wait > 1 {
            state.rests[1].ask(wait);
        }
        return failure(429, 20_429, "Too many requests", wait);
    }
    match (request.method.as_str(), path) {
        ("POST", "Messages.json") => created(state, request),
        ("GET", "Messages.json") => list(state, request),
        ("GET", path) if path.ends_with("/Media.json") => {
            let sid = path.split('/').nth(1).unwrap();
            let media = state.messages.iter().find(|m| m.sid == sid).map_or(0, |m| m.media);
            let list: Vec<Value> = (0..media)
                .map(|n| j!({ "sid": format!("ME{n:032x}"), "content_type": "image/jpeg", "parent_sid": sid }))
                .collect();
            json(200, &j!({ "media_list": list, "next_page_uri": null }))
        }
        ("GET", path) if path.starts_with("Messages/") && !path.contains("/Media") => {
            let sid = path.trim_start_matches("Messages/").trim_end_matches(".json");
            let found = state.messages.iter().find(|m| m.sid == sid);
            found.map_or_else(|| failure(404, 20_404, "no such resource", 0), |message| json(200, &shown(message)))
        }
        ("GET", path) if path.contains("/Media/") => {
            let number = u64::from_str_radix(path.rsplit("/ME").next().unwrap(), 16).unwrap_or(u64::MAX);
            match number {
                0 => Answer::Says(307, format!("location: {below}{}1\r\n", &path[..path.len() - 1]), Vec::new()),
                1 => Answer::Says(200, String::new(), vec![7; 1_000]),
                2 => Answer::Says(307, "location: https://files.example.com/x\r\n".to_owned(), Vec::new()),
                _ => Answer::Says(307, format!("location: {}\r\n", request.path), Vec::new()),
            }
        }
        _ => failure(404, 20_404, "no such resource", 0),
    }
}

fn failure(status: u16, code: u32, message: &str, wait: u64) -> Answer {
    let body = j!({ "code": code, "message": message, "more_info": "", "status": status });
    let head = if wait > 0 { format!("retry-after: {wait}\r\n") } else { String::new() };
    Answer::Says(status, head, serde_json::to_vec(&body).unwrap())
}

fn created(state: &mut State, request: &Request) -> Answer {
    let form = request.form();
    let fate = state.fates.pop_front().or_else(|| state.whim.as_mut().map(|whim| whim(true))).unwrap_or(Fate::Taken);
    let body = field(&form, "Body").unwrap_or_default().to_owned();
    let created = state.now();
    let message = Stored {
        sid: sid(state, "SM"),
        from: field(&form, "From").unwrap_or_default().to_owned(),
        to: field(&form, "To").unwrap().to_owned(),
        body: if fate == Fate::TakenOtherwise { "Other words of a filter".to_owned() } else { body.clone() },
        status: "queued".to_owned(),
        inbound: false,
        created,
        sent: state.sends_after.map(|after| created + after),
        media: 0,
        asked: body,
        callback: field(&form, "StatusCallback").map(str::to_owned),
    };
    let said = json(201, &shown(&message));
    if fate.is_taken() {
        state.messages.push(message);
    }
    match fate {
        Fate::Taken => said,
        Fate::TakenAndSilent | Fate::TakenOtherwise | Fate::Fallen => Answer::Falls,
        Fate::TakenAndBroken => Answer::Breaks,
        Fate::TakenAndGarbled => Answer::Says(201, String::new(), b"<html>".to_vec()),
        Fate::TakenAndUnwell | Fate::Unwell => Answer::Says(503, String::new(), Vec::new()),
        Fate::Refused(status, code, wait) => {
            if status == 429 && wait > 1 {
                state.rests[0].ask(wait);
            }
            failure(status, code, "no: +14155550101", wait)
        }
    }
}

impl State {
    fn now(&self) -> i64 {
        let clock = self.clock.as_ref().map(|clock| clock.now().seconds());
        clock.or_else(|| self.now.map(|now| now())).unwrap_or(NOON)
    }
}

fn list(state: &mut State, request: &Request) -> Answer {
    let query = request.query();
    let from: usize = field(&query, "Page").map_or(0, |page| page.parse().unwrap());
    let day = field(&query, "DateSent").map(|day| {
        let day: jiff::civil::Date = day.parse().unwrap();
        let start = day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
        start..start + 86_400
    });
    let now = state.now();
    // What waits to be sent has no such date yet.
    let sent = |m: &Stored| m.sent.filter(|at| *at <= now || state.sends_after.is_none());
    let fits = |m: &&Stored| {
        field(&query, "To").is_none_or(|to| m.to == to)
            && field(&query, "From").is_none_or(|from| m.from == from)
            && day.as_ref().is_none_or(|day| sent(m).is_some_and(|at| day.contains(&at)))
    };
    let mut found: Vec<&Stored> = state.messages.iter().filter(fits).collect();
    found.sort_by_key(|m| std::cmp::Reverse(sent(m).unwrap_or(i64::MAX)));
    let size = state.page.unwrap_or(PAGE);
    let at = from * size;
    let next = (at + size < found.len()).then(|| {
        let mut others: Vec<(String, String)> = query.iter().filter(|(n, _)| !n.starts_with("Page")).cloned().collect();
        others.extend([("PageSize".to_owned(), size.to_string()), ("Page".to_owned(), (from + 1).to_string())]);
        others.push(("PageToken".to_owned(), format!("PA{from}")));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish();
        let uri = format!("{}?{query}", request.path);
        state.leads_to.clone().map_or(uri.clone(), |host| format!("{host}{uri}"))
    });
    let page: Vec<Value> =
        found.iter().skip(at).take(size).map(|m| shown(&Stored { sent: sent(m), ..(*m).clone() })).collect();
    if let Some(between) = state.between.take() {
        between(state);
    }
    json(200, &j!({ "messages": page, "next_page_uri": next, "page": from, "page_size": size }))
}
