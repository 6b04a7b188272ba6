//! A stand-in for Slack over loopback: the Web API by HTTP, and sockets. It keeps what was posted, writes down every request, and can
//! be told to lose answers, to make us wait, to repeat and to cut.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use liaison::clock::Clock;
use liaison::connector::slack::{instant_of, ts_of};
use liaison::domain::time::Micros;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::lines::kept::{Kept, keep};
use crate::sms::provider::Rests;

pub const BOT_TOKEN: &str = "xoxb-canary-of-the-bot";
pub const APP_TOKEN: &str = "xapp-canary-of-the-app";
pub const TEAM: &str = "T1";

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Entry {
    pub method: String,
    pub verb: String,
    pub token: String,
    pub arguments: BTreeMap<String, Value>,
    pub at: Micros,
}

/// Decides what becomes of a call of which nothing was said beforehand.
pub type Whim = Box<dyn FnMut(&Entry) -> Option<Fault> + Send>;

/// What happens to the next call of a method.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is lost before it is done.
    LoseRequest,
    /// 429, with this `Retry-After`.
    Limit(Option<&'static str>),
    /// A status and nothing else.
    Status(u16),
    /// `ok: false`.
    Code(&'static str),
    /// 200 with something that is no JSON.
    Garbage,
}

#[derive(Default)]
pub struct State {
    pub journal: Vec<Entry>,
    pub faults: HashMap<String, VecDeque<Fault>>,
    pub whim: Option<Whim>,
    /// The rests that a whim asked for, by method, in machine time.
    pub rests: HashMap<String, Rests>,
    /// All that was posted, in order: the conversation, and the message with its time stamp.
    pub posted: Vec<(String, Value)>,
    /// For how long the answer to a post takes its time, half before anything is done and half after.
    pub pause: Duration,
    pub channels: Vec<Value>,
    pub messages: BTreeMap<String, BTreeMap<Micros, Value>>,
    pub members: BTreeMap<String, Vec<String>>,
    /// What is told of people, where there is something to tell.
    pub people: BTreeMap<String, Value>,
    pub acknowledged: Vec<String>,
    pub scopes: String,
    /// The instants before which a method must not be called.
    pub limits: HashMap<String, Micros>,
    pub too_early: Vec<String>,
    pub sockets: Vec<mpsc::UnboundedSender<Option<String>>>,
    pub page: usize,
    pub stranger_heard: Vec<String>,
    /// The files that were asked for, each time.
    pub files: Vec<String>,
    /// What a file is answered before it is given: a status, or 0 for an answer that never ends.
    pub file_answers: HashMap<String, VecDeque<u16>>,
    /// What is in a file, where that matters.
    pub file_contents: HashMap<String, Vec<u8>>,
}

pub struct Fake {
    pub base: url::Url,
    pub clock: Clock,
    state: Arc<Mutex<State>>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Inner {
    state: Arc<Mutex<State>>,
    clock: Clock,
    port: u16,
    socket_port: u16,
}

impl Fake {
    pub async fn start() -> Self {
        Self::start_at(Clock::stepped(Micros::from_seconds(1_700_000_000))).await
    }

    /// By the machine's clock.
    pub async fn start_now() -> Self {
        Self::start_at(Clock::machine()).await
    }

    async fn start_at(clock: Clock) -> Self {
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sockets = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = http.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { page: 100, ..State::default() }));
        let inner = Inner {
            state: Arc::clone(&state),
            clock: clock.clone(),
            port,
            socket_port: sockets.local_addr().unwrap().port(),
        };
        let app = Router::new().fallback(answer).with_state(inner.clone());
        let tasks = vec![
            tokio::spawn(async move { axum::serve(http, app).await.unwrap() }),
            tokio::spawn(async move {
                while let Ok((stream, _)) = sockets.accept().await {
                    tokio::spawn(socket(stream, Arc::clone(&inner.state)));
                }
            }),
        ];
        Self { base: format!("http://127.0.0.1:{port}/api").parse().unwrap(), clock, state, tasks }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn fail(&self, method: &str, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.entry(method.to_owned()).or_default().extend(faults);
    }

    pub fn join(&self, channel: Value) {
        self.state().channels.push(channel);
    }

    /// Somebody says something at an instant; gives the time stamp.
    pub fn say(&self, channel: &str, at: Micros, message: Value) -> String {
        self.state().say(channel, at, message)
    }

    pub fn calls(&self, method: &str) -> Vec<Entry> {
        self.state().journal.iter().filter(|entry| entry.method == method).cloned().collect()
    }

    /// The author changes a message.
    pub fn edit(&self, channel: &str, ts: &str, text: &str, at: Micros) {
        let mut state = self.state();
        let said = state.messages.get_mut(channel).unwrap().get_mut(&instant_of(ts).unwrap()).unwrap();
        said["text"] = text.into();
        said["edited"] = json!({ "user": said["user"], "ts": ts_of(at) });
    }

    /// The author takes a message back: it is gone, or a stone where others answered it.
    pub fn take_back(&self, channel: &str, ts: &str) {
        let mut state = self.state();
        let all = state.messages.get_mut(channel).unwrap();
        let at = instant_of(ts).unwrap();
        if all[&at]["reply_count"].as_i64().unwrap_or(0) == 0 {
            all.remove(&at);
            return;
        }
        let said = all.get_mut(&at).unwrap();
        said["subtype"] = "tombstone".into();
        said["text"] = "This message was deleted.".into();
        said["user"] = "USLACKBOT".into();
    }

    /// Sends a text to all open sockets.
    pub fn push(&self, text: &Value) {
        let text = text.to_string();
        self.state().sockets.retain(|socket| socket.send(Some(text.clone())).is_ok());
    }

    /// Cuts all sockets.
    pub fn cut(&self) {
        // One that is closed already need not be cut.
        self.state().sockets.drain(..).for_each(|socket| drop(socket.send(None)));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl State {
    pub fn say(&mut self, channel: &str, at: Micros, mut message: Value) -> String {
        let said = self.messages.entry(channel.to_owned()).or_default();
        let mut at = at;
        while said.contains_key(&at) {
            at = Micros(at.0 + 1);
        }
        let ts = ts_of(at);
        message["type"] = "message".into();
        message["ts"] = ts.clone().into();
        if let Some(root) = message["thread_ts"].as_str().and_then(instant_of)
            && let Some(root) = said.get_mut(&root)
        {
            root["thread_ts"] = root["ts"].clone();
            let newest = root["latest_reply"].as_str().and_then(instant_of).max(Some(at));
            root["latest_reply"] = newest.map(ts_of).into();
            root["reply_count"] = (root["reply_count"].as_i64().unwrap_or(0) + 1).into();
        }
        said.insert(at, message);
        ts
    }

    fn window(&self, entry: &Entry, thread: Option<&str>) -> Vec<Value> {
        let text = |name: &str| entry.arguments.get(name).and_then(Value::as_str);
        let (oldest, latest) = (text("oldest").and_then(instant_of), text("latest").and_then(instant_of));
        let said = self.messages.get(text("channel").unwrap()).cloned().unwrap_or_default();
        let within = |at: Micros| at >= oldest.unwrap_or_default() && at <= latest.unwrap_or(Micros(i64::MAX));
        let mut found: Vec<Value> = said
            .into_iter()
            .filter(|(at, message)| match thread {
                Some(thread) => message["ts"] == thread || (message["thread_ts"] == thread && within(*at)),
                None => {
                    let is_answer = message["thread_ts"].is_string() && message["thread_ts"] != message["ts"];
                    within(*at) && (!is_answer || message["subtype"] == "thread_broadcast")
                }
            })
            .map(|(_, message)| message)
            .collect();
        if thread.is_none() {
            found.reverse();
        }
        if text("include_all_metadata") != Some("true") {
            found.iter_mut().for_each(|message| {
                message.as_object_mut().unwrap().remove("metadata");
            });
        }
        found
    }

    fn page(&self, entry: &Entry, name: &str, all: Vec<Value>) -> Value {
        let text = |name: &str| entry.arguments.get(name).and_then(Value::as_str);
        let from: usize = text("cursor").map_or(0, |cursor| cursor.strip_prefix("at-").unwrap().parse().unwrap());
        let size = text("limit").map_or(100, |limit| limit.parse().unwrap()).min(self.page);
        let more = all.len() > from + size;
        let next = if more { format!("at-{}", from + size) } else { String::new() };
        let part: Vec<Value> = all.into_iter().skip(from).take(size).collect();
        json!({ "ok": true, name: part, "has_more": more, "response_metadata": { "next_cursor": next } })
    }
}

async fn answer(Shared(inner): Shared<Inner>, verb: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let pause =
        if uri.path().ends_with("chat.postMessage") { inner.state.lock().unwrap().pause } else { Duration::ZERO };
    tokio::time::sleep(pause / 2).await;
    let response = answer_now(&inner, (&verb, &uri, &headers), &body);
    tokio::time::sleep(pause / 2).await;
    response
}

fn answer_now(inner: &Inner, (verb, uri, headers): (&Method, &Uri, &HeaderMap), body: &Bytes) -> Response {
    let token = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or_default().to_owned();
    if let Some(file) = uri.path().strip_prefix("/files/") {
        return file_of(inner, file, &token);
    }
    let method = uri.path().strip_prefix("/api/").unwrap_or("nowhere").to_owned();
    let mut arguments: BTreeMap<String, Value> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
    if *verb == Method::POST {
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        arguments.extend(serde_json::from_slice::<serde_json::Map<String, Value>>(body).expect("an object"));
    }
    keep("slack", || Kept {
        method: verb.to_string(),
        target: uri.to_string(),
        authorization: headers.get("authorization").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default(),
        content_type: headers.get("content-type").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let entry = Entry { method, verb: verb.to_string(), token, arguments, at: inner.clock.now() };
    let mut state = inner.state.lock().unwrap();
    state.journal.push(entry.clone());
    if state.limits.get(&entry.method).is_some_and(|until| entry.at < *until) {
        state.too_early.push(entry.method.clone());
    }
    if let Some(wait) = state.rests.get_mut(&entry.method).and_then(Rests::call) {
        return too_fast(&wait.to_string());
    }
    let mut fault = state.faults.get_mut(&entry.method).and_then(VecDeque::pop_front);
    if fault.is_none() {
        fault = state.whim.as_mut().and_then(|whim| whim(&entry));
        if let Some(Fault::Limit(Some(after))) = &fault {
            state.rests.entry(entry.method.clone()).or_default().ask(after.parse().unwrap());
            return too_fast(after);
        }
    }
    match fault {
        Some(Fault::LoseRequest) => return cut(),
        Some(Fault::LoseAnswer) => {
            perform(&mut state, inner, &entry);
            return cut();
        }
        Some(Fault::Limit(after)) => {
            // Where it says nothing that can be read, a careful caller rests for half a minute.
            let seconds = after.and_then(|text| text.trim().parse().ok()).unwrap_or(30);
            state.limits.insert(entry.method.clone(), Micros(entry.at.0 + seconds * 1_000_000));
            let mut response = (StatusCode::TOO_MANY_REQUESTS, String::new()).into_response();
            if let Some(after) = after {
                response.headers_mut().insert("retry-after", after.parse().unwrap());
            }
            return response;
        }
        Some(Fault::Status(status)) => return (StatusCode::from_u16(status).unwrap(), "oops").into_response(),
        Some(Fault::Code(code)) => {
            return axum::Json(json!({ "ok": false, "error": code, "needed": "x:y" })).into_response();
        }
        Some(Fault::Garbage) => return "<html>not Slack</html>".into_response(),
        None => {}
    }
    let scopes = state.scopes.clone();
    let mut response = axum::Json(perform(&mut state, inner, &entry)).into_response();
    response.headers_mut().insert("x-oauth-scopes", scopes.parse().unwrap());
    response
}

fn too_fast(after: &str) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [("retry-after", after.to_owned())], String::new()).into_response()
}

/// An answer that breaks off: the other side learns nothing.
fn cut() -> Response {
    let broken = futures_util::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("cut")) });
    Body::from_stream(broken).into_response()
}

fn perform(state: &mut State, inner: &Inner, entry: &Entry) -> Value {
    let text = |name: &str| entry.arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let wants = if entry.method == "apps.connections.open" { APP_TOKEN } else { BOT_TOKEN };
    if entry.token != wants {
        return json!({ "ok": false, "error": "invalid_auth" });
    }
    match entry.method.as_str() {
        "auth.test" => {
            json!({ "ok": true, "url": "https://brand.slack.com/", "team": "Brand", "user": "liaison", "team_id": TEAM,
                "user_id": "UBOT", "bot_id": "B1", "is_enterprise_install": false })
        }
        "bots.info" => json!({ "ok": true, "bot": { "id": "B1", "app_id": "A1", "name": "liaison" } }),
        "apps.connections.open" => {
            json!({ "ok": true, "url": format!("ws://127.0.0.1:{}/link/?ticket=canary-of-the-ticket", inner.socket_port) })
        }
        "users.conversations" => state.page(entry, "channels", state.channels.clone()),
        "conversations.info" => match state.channels.iter().find(|channel| channel["id"] == text("channel")) {
            Some(channel) => json!({ "ok": true, "channel": channel }),
            None => json!({ "ok": false, "error": "channel_not_found" }),
        },
        "conversations.members" => {
            let members = state.members.get(text("channel")).cloned().unwrap_or_default();
            state.page(entry, "members", members.into_iter().map(Value::String).collect())
        }
        "conversations.open" => {
            let user = entry.arguments["users"].as_str().expect("a text, as Slack's description says");
            json!({ "ok": true, "channel": { "id": format!("D{user}") } })
        }
        "users.info" => match (text("user"), state.people.get(text("user"))) {
            (_, Some(person)) => json!({ "ok": true, "user": person }),
            ("U9", None) => {
                json!({ "ok": true, "user": { "id": "U9", "team_id": "T2", "name": "zoe", "is_bot": false,
                    "is_stranger": true, "profile": { "real_name": "Zoë", "email": null } } })
            }
            (_, None) => json!({ "ok": false, "error": "user_not_found" }),
        },
        "files.info" => {
            let url = format!("http://127.0.0.1:{}/files/{}", inner.port, text("file"));
            json!({ "ok": true, "file": { "id": text("file"), "url_private_download": url } })
        }
        "conversations.history" => state.page(entry, "messages", state.window(entry, None)),
        "conversations.replies" => state.page(entry, "messages", state.window(entry, Some(text("ts")))),
        "chat.postMessage" => {
            let mut message = json!({ "user": "UBOT", "bot_id": "B1", "app_id": "A1", "text": text("text"),
                "metadata": entry.arguments.get("metadata") });
            if let Some(thread) = entry.arguments.get("thread_ts") {
                message["thread_ts"] = thread.clone();
            }
            let ts = state.say(text("channel"), entry.at, message.clone());
            message["ts"] = ts.clone().into();
            state.posted.push((text("channel").to_owned(), message.clone()));
            json!({ "ok": true, "channel": text("channel"), "ts": ts, "message": message })
        }
        method => json!({ "ok": false, "error": "unknown_method", "method": method }),
    }
}

fn file_of(inner: &Inner, file: &str, token: &str) -> Response {
    if token != BOT_TOKEN {
        inner.state.lock().unwrap().stranger_heard.push(token.to_owned());
        return ([("content-type", "text/html")], "<html>sign in</html>").into_response();
    }
    let mut state = inner.state.lock().unwrap();
    state.files.push(file.to_owned());
    match state.file_answers.get_mut(file).and_then(VecDeque::pop_front) {
        Some(0) => {
            let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
            return Body::from_stream(never).into_response();
        }
        Some(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        None => {}
    }
    if let Some(content) = state.file_contents.get(file) {
        return content.clone().into_response();
    }
    match file {
        "large" => {
            let pieces = (0..51).map(|_| Ok::<_, std::io::Error>(vec![0; 1024 * 1024]));
            Body::from_stream(futures_util::stream::iter(pieces)).into_response()
        }
        "page" => ([("content-type", "text/html; charset=utf-8")], "<html>sign in</html>").into_response(),
        "moved" => (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response(),
        name => ([("content-type", "image/png")], format!("octets of {name}")).into_response(),
    }
}

async fn socket(stream: TcpStream, state: Arc<Mutex<State>>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (sender, mut texts) = mpsc::unbounded_channel();
    let hello = json!({ "type": "hello", "num_connections": 1, "connection_info": { "app_id": "A1" } });
    // What is said from here on is heard: first the place, then the word that it is ready.
    state.lock().unwrap().sockets.push(sender);
    if socket.send(Message::text(hello.to_string())).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            text = texts.recv() => match text {
                Some(Some(text)) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        return;
                    }
                }
                Some(None) | None => return,
            },
            came = socket.next() => match came {
                Some(Ok(Message::Text(text))) => {
                    let text: Value = serde_json::from_str(text.as_str()).unwrap();
                    state.lock().unwrap().acknowledged.push(text["envelope_id"].as_str().unwrap().to_owned());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}
