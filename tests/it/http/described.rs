//! The description of the API is true: a running daemon answers as `/openapi.json` says, on both databases.

use super::schema::Shapes;
use crate::e2e::api::until;
use crate::{seed, stores};
use liaison::app::{self, Parts};
use liaison::clock::Clock;
use liaison::config::{self, Secrets};
use liaison::domain::ids::{InfluencerId, MessageId, RunId};
use liaison::domain::words::{Direction, Role, Scope, UnmatchedReason, Word as _};
use liaison::http::description;
use liaison::hub::token::{TokenOrder, create_token};
use liaison::lifecycle::{Asked, Lifecycle};
use liaison::store::message::NewUnmatched;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:1"
base_url = "https://hub.acme.example"

[storage]
state_dir = "state"

[sender]
name = "Acme"
address = "1 Main St, Portland"

[webhooks]
allow = ["127.0.0.1"]

[teammates.kim]
first_name = "Kim"
email = "kim@acme.example"

[accounts.brand]
kind = "imap"
address = "brand@example.test"
password = { env = "NONE" }
imap = "imaps://127.0.0.1:1"
smtp = "smtps://127.0.0.1:1"
"#;

const SEQUENCE: &str = r#"
name = "Spring"
account = "brand"

[schedule]
timezone = "influencer"
fallback = "Europe/Lisbon"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
hours = ["00:00-24:00"]

[[step]]
id = "intro"
email = "intro.md"
review = true

[[step]]
id = "nudge"
after = "3 business days"
email = "nudge.md"
"#;

const MAIL: &str = "From: Ana <ana@example.org>\r\nTo: brand@example.test\r\nSubject: A file\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHere.\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<p>Here.</p>\r\n\
    --b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nPDF\r\n--b--\r\n";

/// A daemon, and what was asked of it.
pub struct Described {
    pub fresh: stores::Fresh,
    pub clock: Clock,
    pub at: SocketAddr,
    /// Where readers of mail reach it, where that is apart.
    pub public: Option<SocketAddr>,
    pub token: String,
    document: Value,
    answered: Mutex<BTreeSet<String>>,
    /// What was not as it is described.
    wrong: Mutex<Vec<String>>,
    /// Headers of the last answer, lower case.
    pub head: Mutex<String>,
    ask: mpsc::Sender<Asked>,
    _dir: tempfile::TempDir,
}

pub async fn daemon(fresh: stores::Fresh) -> Described {
    daemon_with(fresh, "").await
}

/// With more keys of `[server]`.
pub async fn daemon_with(fresh: stores::Fresh, server: &str) -> Described {
    let dir = tempfile::tempdir().unwrap();
    let spring = dir.path().join("sequences/spring");
    std::fs::create_dir_all(&spring).unwrap();
    std::fs::create_dir(dir.path().join("state")).unwrap();
    let config = CONFIG.replacen("[server]\n", &format!("[server]\n{server}\n"), 1);
    std::fs::write(dir.path().join("liaison.toml"), config).unwrap();
    std::fs::write(spring.join("sequence.toml"), SEQUENCE).unwrap();
    std::fs::write(spring.join("intro.md"), "---\nsubject: A tee\n---\nHello {{ influencer.handle }}.\n").unwrap();
    std::fs::write(spring.join("nudge.md"), "Did it reach you?\n").unwrap();
    let config = config::load_with(&dir.path().join("liaison.toml"), std::iter::empty(), Secrets::Skip);
    let mut config = config.unwrap_or_else(|e| panic!("{e}")).config;
    let value = SecretString::from("a master key of some length, 32 or more");
    config.oauth.master_key = Some(config::Secret { source: config::SecretSource::Env("NONE".into()), value });
    let live = app::live_of(&config);
    assert_eq!(live.sequences.errors(), 0, "{:?}", live.sequences.findings);
    let clock = Clock::machine();
    let token = token(&fresh, &clock, Scope::ALL).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut readers = None;
    if config.server.public_listen.is_some() {
        readers = Some(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let public = readers.as_ref().map(|l| l.local_addr().unwrap());
    let (at, life) = (listener.local_addr().unwrap(), Lifecycle::new());
    let (store, run) = (fresh.store.clone(), RunId(clock.new_id()));
    let parts = Parts {
        store,
        clock: clock.clone(),
        run,
        live,
        listener,
        public: readers,
        reload: None,
        watermark: liaison::outbound::Watermark::none(),
    };
    app::start(parts, &life).await.unwrap();
    let (ask, told) = mpsc::channel(1);
    tokio::spawn(life.run(told));
    let (answered, head, wrong) = (Mutex::default(), Mutex::default(), Mutex::default());
    Described { fresh, clock, at, public, token, document: description(), answered, wrong, head, ask, _dir: dir }
}

async fn token(fresh: &stores::Fresh, clock: &Clock, scopes: &[Scope]) -> String {
    let mut tx = fresh.store.begin("test.token").await.unwrap();
    let order = TokenOrder { name: "tests".into(), scopes: scopes.to_vec(), expires_at: None };
    let (_, secret) = create_token(&mut tx, clock, order).await.unwrap();
    tx.commit().await.unwrap();
    secret.expose_secret().to_owned()
}

/// Every operation of a document: method, path, description.
pub fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation));
        }
    }
    all
}

/// Whether a path is one of a template's; what stands literally in a template counts more.
fn fits(template: &str, path: &str) -> Option<usize> {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let open = |t: &str| t.contains('{');
    let all = template.len() == path.len() && template.iter().zip(&path).all(|(t, p)| open(t) || t == p);
    all.then(|| template.iter().filter(|t| !open(t)).count())
}

impl Described {
    /// Asks with any token and headers, and holds the answer to what is described of it.
    pub async fn ask_as(&self, (method, path): (&str, &str), body: Option<&Value>, more: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.at).await.expect("the API listens");
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{kind}{more}Content-Length: {}\r\n\r\n{body}",
            self.at,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let value = self.hold((method, path), (status, &head), &answer[end + 4..]);
        *self.head.lock().unwrap() = head;
        (status, value)
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let token = format!("Authorization: Bearer {}\r\n", self.token);
        self.ask_as((method, path), body, &token).await
    }

    /// As [`Self::ask`], with a key or another header.
    pub async fn ask_with(&self, header: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let more = format!("Authorization: Bearer {}\r\n{header}\r\n", self.token);
        self.ask_as((method, path), body, &more).await
    }

    /// What was not as it is described.
    pub fn faults(&self) -> String {
        self.wrong.lock().unwrap().join("\n")
    }

    pub async fn send(&self, asked: Asked) {
        self.ask.send(asked).await.unwrap();
    }

    pub async fn well(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(method, path, body.as_ref()).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Holds an answer to the description.
    fn hold(&self, (method, path): (&str, &str), (status, head): (u16, &str), body: &[u8]) -> Value {
        let plain = path.split('?').next().unwrap();
        let all = operations(&self.document);
        let found = all.iter().filter(|(m, t, _)| m == method && fits(t, plain).is_some());
        let (_, template, operation) =
            found.max_by_key(|(_, t, _)| fits(t, plain)).unwrap_or_else(|| panic!("{method} {path} is not described"));
        let text = String::from_utf8_lossy(body).into_owned();
        let described = &operation["responses"][status.to_string()];
        if !described.is_object() {
            self.wrong.lock().unwrap().push(format!("{method} {template}: {status} is not described: {text}"));
            return serde_json::from_slice(body).unwrap_or_default();
        }
        if status < 400 {
            self.answered.lock().unwrap().insert(format!("{method} {template}"));
        }
        let Some(content) = described.get("content").and_then(Value::as_object) else {
            assert!(body.is_empty(), "{method} {template}: {status} has a body: {text}");
            return Value::Null;
        };
        let told = content.iter().find(|(media, _)| head.contains(&format!("content-type: {media}")));
        let (media, shape) = told.or(content.iter().next()).unwrap();
        if let Some(schema) = shape.get("schema") {
            assert!(head.contains(&format!("content-type: {media}")), "{method} {template}: {head}");
            let value: Value = serde_json::from_slice(body).unwrap_or_else(|e| panic!("{method} {path}: {e}: {text}"));
            let wrong = Shapes(&self.document).wrong(schema, &value);
            if !wrong.is_empty() {
                let wrong = format!("{method} {template} answered {status} {value}\nnot as described: {wrong:#?}");
                self.wrong.lock().unwrap().push(wrong);
            }
            return value;
        }
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    async fn mail(&self, who: InfluencerId, direction: Direction, status: Option<&str>) -> MessageId {
        let thread = seed::thread(&self.fresh, &self.clock, who, 1).await;
        let mut message = seed::message(&self.clock, thread.conversation_id, 2);
        message.direction = direction;
        let id = message.id;
        seed::put(&self.fresh, message, vec![(who, thread.id, Role::Author)]).await;
        if let Some(status) = status {
            seed::outbox(&self.fresh, id, status).await;
        }
        id
    }
}

pub async fn people(api: &Described) -> (InfluencerId, InfluencerId) {
    let ana = json!({"handle": "@ana", "first_name": "Ana", "emails": ["ana@example.org"], "tags": ["runner"],
        "networks": [{"network": "instagram", "handle": "ana.runs", "followers": 12_000}], "timezone": "Europe/Lisbon"});
    let id = api.well("POST", "/v1/influencers", Some(ana)).await["id"].as_str().unwrap().to_owned();
    let twin = api.well("POST", "/v1/influencers", Some(json!({"handle": "@ana.b"}))).await;
    let (status, problem) = api.ask("POST", "/v1/influencers", Some(&json!({"handle": "@ANA"}))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("handle_taken")));
    api.ask("POST", "/v1/influencers", Some(&json!({"handle": "a b"}))).await;
    let path = format!("/v1/influencers/{id}");
    api.well("GET", &path, None).await;
    api.well("PATCH", &path, Some(json!({"owner": "kim", "properties": {"niche": "running"}}))).await;
    let (status, problem) = api.ask_with("If-Match: \"1\"", "PATCH", &path, Some(&json!({"owner": null}))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_meanwhile")));
    assert_eq!(api.ask_with("If-Match: x", "PATCH", &path, Some(&json!({}))).await.1["code"], "bad_if_match");
    let (one, two) = ("ana@example.org", "ana.two@example.org");
    let first = api.well("PATCH", &path, Some(json!({"add_emails": [two], "primary_email": two}))).await;
    assert_eq!((&first["addresses"][0]["value"], &first["addresses"][0]["primary"]), (&json!(two), &json!(true)));
    assert_eq!(api.ask_with("If-Match: \"1\"", "DELETE", &format!("{path}/addresses/{two}"), None).await.0, 409);
    let seen = format!("If-Match: \"{}\"", first["version"]);
    let (status, left) = api.ask_with(&seen, "DELETE", &format!("{path}/addresses/ana.two%40example.org"), None).await;
    assert_eq!((status, left["addresses"].as_array().unwrap().len()), (200, 1), "{left}");
    assert_eq!((&left["addresses"][0]["value"], &left["addresses"][0]["primary"]), (&json!(one), &json!(true)));
    assert_eq!(api.ask("DELETE", &format!("{path}/addresses/{two}"), None).await.0, 404);
    let stage = format!("{path}/stage");
    let (status, problem) = api.ask_with(&seen, "PUT", &stage, Some(&json!({"stage": "contacted"}))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_meanwhile")), "{problem}");
    let (status, problem) = api.ask_with(&seen, "DELETE", &format!("{path}?erase=true"), None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_meanwhile")), "{problem}");
    api.well("PUT", &format!("{path}/stage"), Some(json!({"stage": "contacted"}))).await;
    assert_eq!(api.ask("PUT", &format!("{path}/stage"), Some(&json!({"stage": "nowhere"}))).await.0, 422);
    api.well("POST", &format!("{path}/notes"), Some(json!({"text": "likes tea"}))).await;
    api.well("POST", &format!("{path}/hold"), Some(json!({"until": "2100-01-01T00:00:00Z"}))).await;
    api.well("DELETE", &format!("{path}/hold"), None).await;
    let agent = json!({"first_name": "Max", "emails": ["max@agency.example"], "influencers": [id]});
    let agent = api.well("POST", "/v1/agents", Some(agent)).await;
    let agent = format!("/v1/agents/{}", agent["id"].as_str().unwrap());
    api.well("GET", &agent, None).await;
    api.well("PATCH", &agent, Some(json!({"last_name": "Moll"}))).await;
    let back = format!("/v1/influencers/{}/unmerge", twin["id"].as_str().unwrap());
    assert_eq!(api.ask("POST", &back, None).await.1["code"], "not_merged");
    let itself = api.ask("POST", &format!("{path}/merge"), Some(&json!({"from": id}))).await;
    assert_eq!((itself.0, &itself.1["code"]), (409, &json!("not_merged")), "{}", itself.1);
    api.well("POST", &format!("{path}/merge"), Some(json!({"from": twin["id"]}))).await;
    api.well("POST", &back, None).await;
    let report = json!({"country": {"US": 0.4, "de": 0.1}, "gender": {"f": 0.7}});
    let kept = api.well("PUT", &format!("{path}/audience-report"), Some(report)).await;
    assert_eq!(kept["country"], json!({"us": 0.4, "de": 0.1}));
    let (status, problem) =
        api.ask("PUT", &format!("{path}/audience-report"), Some(&json!({"age": {"18-24": 40}}))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/age/18-24")));
    api.well("GET", &format!("{path}/audience-report"), None).await;
    views(api).await;
    (id.parse().unwrap(), twin["id"].as_str().unwrap().parse().unwrap())
}

/// Saved filters, and the lists that take them.
async fn views(api: &Described) {
    let view = json!({"name": "runners", "filters": {"tag": "runner", "audience.country[us][gte]": "0.3"}});
    api.well("POST", "/v1/views", Some(view.clone())).await;
    assert_eq!(api.ask("POST", "/v1/views", Some(&view)).await.1["code"], "name_taken");
    for (name, value) in [("limit", "1"), ("tier", "giga"), ("property.x[ne]", "1"), ("last_reply[lt]", "soon")] {
        let wrong = json!({"name": "wrong", "filters": {name: value}});
        let (status, problem) = api.ask("POST", "/v1/views", Some(&wrong)).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(format!("/filters/{name}"))), "{problem}");
    }
    let listed = async |path: &str| {
        let list = api.well("GET", path, None).await;
        list["data"].as_array().unwrap().iter().map(|i| i["handle"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(listed("/v1/influencers?view=runners").await, [json!("@ana")]);
    assert_eq!(listed("/v1/influencers?view=runners&tag=nobody").await, Vec::<Value>::new());
    assert_eq!(listed("/v1/influencers?sort=added&limit=1").await, [json!("@ana")]);
    for list in ["threads?sort=-last_message", "threads?sort=last_message", "enrollments?sort=started&tag=runner"] {
        api.well("GET", &format!("/v1/{list}"), None).await;
    }
    for list in ["influencers", "threads", "enrollments"] {
        let (status, problem) = api.ask("GET", &format!("/v1/{list}?sort=size"), None).await;
        assert_eq!((status, &problem["errors"][0]["parameter"]), (400, &json!("sort")), "{problem}");
        let path = format!("/v1/{list}?view=runners&property.niche=running&last_reply[gte]=30d&stage=contacted");
        api.well("GET", &path, None).await;
        for (name, value) in [
            ("view", "none"),
            ("tier", "giga"),
            ("last_reply[lt]", "soon"),
            ("audience.country[us][gte]", "40"),
            ("property.x[ne]", "1"),
        ] {
            let (status, problem) = api.ask("GET", &format!("/v1/{list}?{name}={value}"), None).await;
            let blamed = problem["errors"][0]["parameter"].as_str().unwrap_or_default();
            assert_eq!((status, &problem["code"]), (400, &json!("bad_query")), "{list} {name}: {problem}");
            assert!(name.starts_with(blamed) && !blamed.is_empty(), "{list} {name}: {problem}");
        }
    }
    let (seen, path) = ("If-Match: \"1\"", "/v1/views/runners");
    api.well("GET", "/v1/views", None).await;
    api.well("GET", path, None).await;
    let change = json!({"about": "All who run", "filters": {"tag": "runner"}});
    let (status, changed) = api.ask_with(seen, "PATCH", path, Some(&change)).await;
    assert_eq!((status, &changed["version"]), (200, &json!(2)));
    assert_eq!(api.ask_with(seen, "DELETE", path, None).await.1["code"], "changed_meanwhile");
    api.well("DELETE", path, None).await;
    assert_eq!(api.ask("GET", path, None).await.0, 404);
}

/// Everything about somebody given out, and then erased.
async fn erasure(api: &Described, who: InfluencerId) {
    let path = format!("/v1/influencers/{who}");
    api.well("GET", &format!("{path}/export"), None).await;
    let (status, problem) = api.ask("DELETE", &path, None).await;
    assert_eq!((status, &problem["errors"][0]["parameter"]), (400, &json!("erase")), "{problem}");
    let tried = api.well("DELETE", &format!("{path}?erase=true&dry_run=true"), None).await;
    let erased = api.well("DELETE", &format!("{path}?erase=true"), None).await;
    assert_eq!((&tried["rows"], &tried["id"]), (&erased["rows"], &Value::Null));
    for (method, more) in [("GET", ""), ("GET", "/export"), ("DELETE", "?erase=true")] {
        assert_eq!(api.ask(method, &format!("{path}{more}"), None).await.0, 404, "{method} {more}");
    }
    let records = api.well("GET", "/v1/erasures", None).await;
    assert_eq!((&records["data"][0]["id"], &records["data"][0]["by"]), (&erased["id"], &json!("token tests")));
}

pub async fn messages(api: &Described, ana: InfluencerId) {
    let uncertain = api.mail(ana, Direction::Outbound, Some("uncertain")).await;
    api.well("GET", &format!("/v1/outbox/{uncertain}"), None).await;
    api.well("GET", &format!("/v1/messages/{uncertain}/why"), None).await;
    api.well("POST", &format!("/v1/outbox/{uncertain}/settle"), Some(json!({"outcome": "sent"}))).await;
    let again = api.ask("POST", &format!("/v1/outbox/{uncertain}/settle"), Some(&json!({"outcome": "drop"}))).await;
    assert_eq!((again.0, &again.1["code"]), (409, &json!("wrong_state")));

    let thread = seed::thread(&api.fresh, &api.clock, ana, 5).await;
    let mut message = seed::message(&api.clock, thread.conversation_id, 6);
    (message.raw_hash, message.attachments) = (Some(vec![1; 32]), None);
    let mut tx = api.fresh.store.begin("test.raw").await.unwrap();
    let packed = zstd::bulk::compress(MAIL.as_bytes(), 1).unwrap();
    tx.insert_raws(vec![(vec![1; 32], i64::try_from(MAIL.len()).unwrap(), packed)]).await.unwrap();
    tx.commit().await.unwrap();
    let id = message.id;
    seed::put(&api.fresh, message, vec![(ana, thread.id, Role::Author)]).await;
    for path in ["", "/raw", "/html", "/attachments/0", "/files/0"] {
        api.well("GET", &format!("/v1/messages/{id}{path}"), None).await;
    }
    assert_eq!(api.ask("GET", &format!("/v1/messages/{id}/attachments/9"), None).await.0, 404);
    let thread = format!("/v1/threads/{}", thread.id);
    api.well("GET", &thread, None).await;
    api.well("GET", &format!("{thread}/messages?order=oldest"), None).await;
    api.well("PATCH", &thread, Some(json!({"assignee": "kim", "read": true, "influencer": ana}))).await;
    let far = "2100-01-01T00:00:00Z";
    api.well("POST", &format!("{thread}/reply"), Some(json!({"text": "thanks", "send_at": far}))).await;
    let send = json!({"text": "hi", "to": [{"name": "Ana", "address": "ana@example.org"}], "send_at": far});
    for way in ["messages", "outbox"] {
        let sent = api.well("POST", "/v1/messages", Some(send.clone())).await;
        let path = format!("/v1/{way}/{}", sent["id"].as_str().unwrap());
        api.well("DELETE", &path, None).await;
        assert_eq!(api.ask("DELETE", &path, None).await.0, 409);
    }
    assert_eq!(api.ask("POST", "/v1/messages", Some(&json!({"text": "hi", "to": []}))).await.0, 422);
    super::touched::touched(api, ana).await;
    super::files::files(api, ana).await;

    let waits = api.mail(ana, Direction::Inbound, None).await;
    let mut tx = api.fresh.store.begin("test.unmatched").await.unwrap();
    let row = NewUnmatched {
        message_id: waits,
        reason: UnmatchedReason::AliasProposed,
        address: "ana@home.example".into(),
        address_key: "ana@home.example".into(),
        name: "Ana".into(),
        influencer_id: Some(ana),
        agent_id: None,
        at: seed::at(2),
        facts: None,
    };
    tx.insert_unmatched(vec![row]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(api.well("GET", "/v1/unmatched", None).await["data"][0]["id"], json!(waits));
    api.well("POST", &format!("/v1/unmatched/{waits}/match"), Some(json!({"influencer_id": ana}))).await;
}

pub async fn sequences(api: &Described, ana: InfluencerId) {
    api.well("GET", "/v1/sequences/spring", None).await;
    assert_eq!(api.ask("GET", "/v1/sequences/autumn", None).await.0, 404);
    assert_eq!(api.ask("DELETE", "/v1/sequences/spring", None).await.1["code"], "folder_there");
    let tried = api.well("POST", "/v1/accounts/brand/test", None).await;
    assert_eq!(tried["account"], "brand", "{tried}");
    let waiting = format!("/v1/influencers/{ana}/waiting");
    api.well("POST", &waiting, Some(json!({"until": "2100-01-01T00:00:00Z"}))).await;
    api.well("DELETE", &waiting, None).await;
    let files = json!({"sequence.toml": SEQUENCE, "intro.md": "Hello", "nudge.md": "Well?"});
    api.well("POST", "/v1/sequences/check", Some(json!({"files": files}))).await;
    texts(api).await;
    let asked = json!({"influencer_ids": [ana], "days": 20});
    let told = api.well("POST", "/v1/sequences/spring/simulate", Some(asked)).await;
    assert!(!told["entries"].as_array().unwrap().is_empty(), "{told}");
    super::ahead::simulations(api).await;
    super::ahead::tests_and_files(api).await;
    super::ahead::previews_sent(api).await;
    let path = "/v1/sequences/spring/enrollments";
    api.well("POST", path, Some(json!({"filter": {}, "dry_run": true}))).await;
    let view = json!({"name": "sprinters", "filters": {"tag": "sprinter", "stage": "prospect"}});
    api.well("POST", "/v1/views", Some(view)).await;
    let nobody = api.well("POST", path, Some(json!({"filter": {"view": "sprinters"}, "dry_run": true}))).await;
    assert_eq!(nobody["runs"], json!([]), "{nobody}");
    let (status, problem) = api.ask("POST", path, Some(&json!({"filter": {"view": "none"}, "dry_run": true}))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/filter/view")), "{problem}");
    let real = api.well("POST", path, Some(json!({"influencers": ["@ana"]}))).await;
    let run = format!("/v1/enrollments/{}", real["runs"][0]["enrollment_id"].as_str().unwrap());
    assert_eq!(api.ask("POST", path, Some(&json!({}))).await.0, 422);
    let mail = until("a mail in review", || async {
        api.well("GET", "/v1/outbox?status=review", None).await["data"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    for path in [run.clone(), format!("{run}/why"), format!("/v1/influencers/{ana}/why")] {
        api.well("GET", &path, None).await;
    }
    api.well("GET", &format!("/v1/messages/{mail}/why"), None).await;
    api.well("POST", "/v1/accounts/brand/pause", Some(json!({"reason": "a storm"}))).await;
    api.well("POST", &format!("/v1/outbox/{mail}/approve"), None).await;
    assert_eq!(api.ask("POST", &format!("/v1/outbox/{mail}/approve"), None).await.1["code"], "wrong_state");
    api.well("PATCH", &run, Some(json!({"do": "exit"}))).await;
    assert_eq!(api.ask("PATCH", &run, Some(&json!({"do": "exit"}))).await.0, 409);
    for path in ["/v1/sequences/spring/pause", "/v1/pause"] {
        api.well("POST", path, None).await;
    }
    for path in ["/v1/sequences/spring/resume", "/v1/accounts/brand/resume", "/v1/resume"] {
        api.well("POST", path, None).await;
    }
    api.well("GET", "/v1/sequences/spring/stats", None).await;
}

/// What somebody would get, what the files would change, and moving along.
async fn texts(api: &Described) {
    let preview = "/v1/sequences/spring/preview";
    let shown = api.well("POST", preview, Some(json!({"as": "@ana"}))).await;
    assert_eq!((&shown["steps"][0]["kind"], &shown["of"]), (&json!("email"), &json!("files")), "{shown}");
    for (body, status, code) in [
        (json!({"as": "@nobody"}), 422, "invalid"),
        (json!({"as": "@ana", "step": "none"}), 422, "invalid"),
        (json!({"as": "@ana", "of": "pinned"}), 409, "no_run"),
        (json!({"as": "@ana", "of": "yesterday"}), 422, "invalid"),
    ] {
        let (got, problem) = api.ask("POST", preview, Some(&body)).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{body}: {problem}");
    }
    assert_eq!(api.ask("POST", "/v1/sequences/autumn/preview", Some(&json!({"as": "@ana"}))).await.0, 404);
    let same = api.well("POST", "/v1/sequences/spring/diff", None).await;
    assert_eq!(same["changes"], json!([]), "{same}");
    assert_eq!(api.ask("POST", "/v1/sequences/autumn/diff", None).await.0, 404);
    let none = api.well("POST", "/v1/sequences/spring/migrate", None).await;
    assert_eq!((&none["applied"], &none["runs"]), (&json!(false), &json!([])), "{none}");
    api.well("POST", "/v1/sequences/spring/migrate", Some(json!({"apply": true}))).await;
    assert_eq!(api.ask("POST", "/v1/sequences/autumn/migrate", None).await.0, 404);
}

pub async fn webhooks(api: &Described) {
    let order = json!({"url": "http://127.0.0.1:1/in", "events": ["message.received"], "description": "reports"});
    let made = api.well("POST", "/v1/webhooks", Some(order)).await;
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    for (wrong, field) in [
        (json!({"url": "http://127.0.0.2/"}), "/url"),
        (json!({"url": "https://hooks.example/", "events": ["message.eaten"]}), "/events/0"),
        (json!({"url": "https://hooks.example/", "description": "x".repeat(501)}), "/description"),
    ] {
        let (status, problem) = api.ask("POST", "/v1/webhooks", Some(&wrong)).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(field)), "{problem}");
    }
    let listed = api.well("GET", "/v1/webhooks", None).await;
    let shown = api.well("GET", &path, None).await;
    // How far it has seen may go on between the two.
    let still = |told: &Value| {
        let mut told = told.clone();
        told.as_object_mut().unwrap().remove("seen_seq");
        told
    };
    assert_eq!(still(&listed["data"][0]), still(&shown));
    assert!(shown.get("secret").is_none());
    let disabled = api.well("PATCH", &path, Some(json!({"state": "disabled"}))).await;
    assert_eq!((&disabled["disabled_why"], &disabled["version"]), (&json!("by_hand"), &json!(2)));
    let (status, problem) = api.ask_with("If-Match: \"1\"", "PATCH", &path, Some(&json!({"events": []}))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_meanwhile")));
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    let order = json!({"since": "2026-01-01T00:00:00Z", "failed_only": true});
    for (ask, body) in [("test", None), ("resend", Some(&since))] {
        assert_eq!(api.ask("POST", &format!("{path}/{ask}"), body).await.1["code"], "webhook_disabled");
    }
    api.well("PATCH", &path, Some(json!({"state": "enabled", "missed": "skip", "events": []}))).await;
    let new = api.well("POST", &format!("{path}/rotate"), Some(json!({"overlap_hours": 2}))).await;
    assert!(new["secret"] != made["secret"] && new["old_secret_until"].is_string(), "{new}");
    assert_eq!(api.ask("POST", &format!("{path}/rotate"), Some(&json!({"overlap_hours": 169}))).await.0, 422);
    let test = api.well("POST", &format!("{path}/test"), None).await;
    let delivery = format!("{path}/deliveries/{}", test["id"].as_str().unwrap());
    // Nobody listens there: what comes of it is written down.
    until("a try", || async {
        let told = api.well("GET", &delivery, None).await;
        told["attempts"][0]["error"].is_string().then_some(())
    })
    .await;
    api.well("POST", &format!("{delivery}/resend"), None).await;
    let lost = format!("{path}/deliveries/whd_{:032}/resend", 1);
    assert_eq!(api.ask("POST", &lost, None).await.0, 404);
    api.well("GET", &format!("{path}/deliveries?state=pending&type=webhook.test&limit=5"), None).await;
    assert_eq!(api.ask("GET", &format!("{path}/deliveries?state=odd"), None).await.0, 400);
    api.well("POST", &format!("{path}/resend"), Some(since)).await;
    let failed = api.well("POST", &format!("{path}/resend"), Some(order)).await;
    assert!(failed["deliveries"].is_number(), "{failed}");
    assert_eq!(api.ask_with("If-Match: \"1\"", "DELETE", &path, None).await.0, 409);
    api.well("DELETE", &path, None).await;
    assert_eq!(api.ask("GET", &path, None).await.0, 404);
}

pub async fn desk(api: &Described, ana: InfluencerId) {
    let task = json!({"text": "call her", "influencer_id": ana, "due_at": "2026-03-01T08:00:00Z"});
    let task = api.well("POST", "/v1/tasks", Some(task)).await;
    api.well("GET", "/v1/tasks?due[lt]=2027-01-01T00:00:00Z&kind=by_hand", None).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().unwrap());
    api.well("GET", &path, None).await;
    api.well("PATCH", &path, Some(json!({"text": "call her today", "assignee": "kim", "due_at": null}))).await;
    let path = format!("{path}/complete");
    api.well("POST", &path, Some(json!({"answer": "yes"}))).await;
    assert_eq!(api.ask("POST", &path, Some(&json!({}))).await.1["code"], "task_over");
    let other = api.well("POST", "/v1/tasks", Some(json!({"text": "never mind"}))).await;
    let path = format!("/v1/tasks/{}/cancel", other["id"].as_str().unwrap());
    assert_eq!(api.ask_with("If-Match: \"7\"", "POST", &path, None).await.1["code"], "changed_meanwhile");
    let gone = api.well("POST", &path, None).await;
    assert_eq!((&gone["state"], &gone["completed_by"]), (&json!("cancelled"), &json!("token tests")));
    assert_eq!(api.ask("POST", &path, None).await.1["code"], "task_over");
    api.well("POST", "/v1/suppressions", Some(json!({"address": "no@example.org"}))).await;
    api.well("GET", "/v1/suppressions", None).await;
    let lifted = api.well("DELETE", "/v1/suppressions?address=no@example.org", None).await;
    assert_eq!(lifted, json!({"address": "no@example.org", "lifted": ["no@example.org"]}));
    assert_eq!(api.ask("DELETE", "/v1/suppressions?address=no@example.org", None).await.0, 404);
    super::keys::tokens(api).await;
    until("numbered events", || async {
        let told = api.well("GET", "/v1/events?after=0&limit=200", None).await;
        (told["next_after"].as_i64() > Some(5)).then_some(())
    })
    .await;
    for path in [
        "/v1/accounts",
        "/v1/agents?limit=1",
        "/v1/enrollments?state=exited",
        "/v1/influencers?limit=1&tag=runner",
        "/v1/loose-ends",
        "/v1/outbox",
        "/v1/search?q=shoes&limit=1",
        "/v1/sequences",
        "/v1/stats/sequences",
        "/v1/stats/stages",
        "/v1/stats/accounts",
        "/v1/stats/response-times",
        "/v1/leases",
        "/v1/relays",
        "/v1/teammates",
        "/v1/threads?awaiting=us",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
    ] {
        api.well("GET", path, None).await;
    }
    api.well("GET", &format!("/v1/influencers/{ana}/timeline?limit=200"), None).await;
    for agent in api.well("GET", "/v1/agents", None).await["data"].as_array().unwrap() {
        api.well("DELETE", &format!("/v1/agents/{}", agent["id"].as_str().unwrap()), None).await;
    }
    api.well("POST", "/v1/release", None).await;
    for path in ["/v1/threads?limit=0", "/v1/threads?cursor=x", "/v1/search", "/v1/events?after=x", "/v1/threads?a=b"] {
        assert_eq!(api.ask("GET", path, None).await.0, 400, "{path}");
    }
    assert_eq!(api.ask_as(("GET", "/v1/threads"), None, "").await.0, 401);
    let raw = "POST";
    assert_eq!(api.ask(raw, "/v1/tasks", None).await.0, 415);
    assert_eq!(api.ask(raw, "/v1/tasks", Some(&json!({"text": "x", "more": 1}))).await.0, 422);
    assert_eq!(api.ask(raw, "/v1/tasks", Some(&json!({"text": "x".repeat(2_000_000)}))).await.0, 413);
}

/// What the round above does not ask for, because other tests do.
const ELSEWHERE: [&str; 8] = [
    "GET /v1/events/stream",
    "GET /t/o/{file}",
    "GET /t/c/{token}",
    "GET /u/{token}",
    "POST /u/{token}",
    "GET /oauth/callback",
    "POST /hooks/{account}",
    "POST /hooks/{account}/{rest}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_as_it_is_described() {
    for fresh in stores::both().await {
        let api = daemon(fresh).await;
        let (ana, twin) = people(&api).await;
        sequences(&api, ana).await;
        messages(&api, ana).await;
        webhooks(&api).await;
        desk(&api, ana).await;
        super::many::imports(&api, ana).await;
        // What is erased goes with its events.
        crate::facts::fit(&api.fresh.store, crate::facts::BY_API).await;
        erasure(&api, twin).await;
        erasure(&api, ana).await;
        crate::facts::fit(&api.fresh.store, crate::facts::BY_ERASURE).await;
        std::fs::remove_dir_all(api._dir.path().join("sequences/spring")).unwrap();
        api.well("DELETE", "/v1/sequences/spring", None).await;
        let wrong = api.faults();
        assert!(wrong.is_empty(), "{}:\n{wrong}", api.fresh.name);
        let answered = api.answered.lock().unwrap().clone();
        let all = operations(&api.document).into_iter().map(|(method, path, _)| format!("{method} {path}"));
        let left: Vec<String> =
            all.filter(|name| !answered.contains(name) && !ELSEWHERE.contains(&name.as_str())).collect();
        assert!(left.is_empty(), "{}: nobody asked for {left:#?}", api.fresh.name);
        api.stop().await;
    }
}

/// An example of a path: ids of the right sort, of nothing.
pub fn example(path: &str, operation: &Value, document: &Value) -> String {
    let mut path = path.to_owned();
    for parameter in operation["parameters"].as_array().unwrap().iter().filter(|p| p["in"] == "path") {
        let schema = &parameter["schema"];
        let schema = schema["$ref"].as_str().map_or(schema, |r| document.pointer(r.trim_start_matches('#')).unwrap());
        let value = match schema["pattern"].as_str() {
            Some(pattern) => format!("{}{:032}", pattern.trim_start_matches('^').split('[').next().unwrap(), 1),
            None => "0".to_owned(),
        };
        path = path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &value);
    }
    path
}

/// Whoever has no token reaches these and nothing else.
const OPEN: [&str; 11] = [
    "GET /livez",
    "GET /readyz",
    "GET /openapi.json",
    "GET /docs",
    "GET /t/o/{file}",
    "GET /t/c/{token}",
    "GET /u/{token}",
    "POST /u/{token}",
    "GET /oauth/callback",
    "POST /hooks/{account}",
    "POST /hooks/{account}/{rest}",
];

#[tokio::test]
async fn every_operation_wants_the_token_scope_and_parameters_that_it_names() {
    let api = daemon_with(stores::sqlite().await, "refused_per_minute = 100000").await;
    let document = api.document.clone();
    let mut open = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        let security = operation["security"].as_array().unwrap();
        if security.is_empty() {
            open.insert(name);
            continue;
        }
        let scope: Scope = security[0]["token"][0].as_str().unwrap().parse().unwrap();
        let path = example(&path, operation, &document);
        assert_eq!(api.ask_as((&method, &path), None, "").await.0, 401, "{name}");
        let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|s| *s != scope).collect();
        let without = format!("Authorization: Bearer {}\r\n", token(&api.fresh, &api.clock, &others).await);
        let (status, problem) = api.ask_as((&method, &path), None, &without).await;
        assert_eq!((status, &problem["code"]), (403, &json!("missing_scope")), "{name}");
        let with = format!("Authorization: Bearer {}\r\n", token(&api.fresh, &api.clock, &[scope]).await);
        let body = operation["requestBody"].is_object().then(|| json!({}));
        let (status, problem) = api.ask_as((&method, &format!("{path}?no_such=1")), body.as_ref(), &with).await;
        assert_eq!((status, &problem["code"]), (400, &json!("bad_query")), "{name}: {problem}");
        let parameters = operation["parameters"].as_array().unwrap().iter();
        let told: BTreeSet<&str> =
            parameters.filter(|p| p["in"] == "query").map(|p| p["name"].as_str().unwrap()).collect();
        let detail = problem["detail"].as_str().unwrap().split(": ").nth(1).unwrap();
        let taken: BTreeSet<&str> = detail.split(", ").filter(|name| *name != "none").collect();
        assert_eq!(told, taken, "{name}");
    }
    assert_eq!(open, OPEN.iter().map(|name| (*name).to_owned()).collect());
    api.stop().await;
}

#[test]
fn the_description_holds_together() {
    let document = description();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}: its id is taken");
        let said = operation["summary"].as_str().unwrap();
        assert!(said.len() > 8 && !said.ends_with('.'), "{method} {path}: {said}");
        let placed = path.matches('{').count();
        let parameters = operation["parameters"].as_array().unwrap().iter();
        assert_eq!(parameters.filter(|p| p["in"] == "path").count(), placed, "{method} {path}");
    }
    for (name, shape) in document["components"]["schemas"].as_object().unwrap() {
        assert!(!name.chars().last().unwrap().is_ascii_digit(), "two shapes have the name of {name}");
        assert!(shape.is_object(), "{name}");
    }
    let described: BTreeSet<String> = operations(&document).into_iter().map(|(_, path, _)| path).collect();
    for path in liaison::http::paths() {
        assert!(described.contains(&path), "{path} is not described");
    }
}

#[tokio::test]
async fn the_page_is_whole_in_itself_and_may_do_nothing_else() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let api = daemon(stores::sqlite().await).await;
    let (status, page) = api.ask_as(("GET", "/docs"), None, "").await;
    let (page, head) = (page.as_str().unwrap().to_owned(), api.head.lock().unwrap().clone());
    assert_eq!(status, 200);
    for far in ["http:", "https:", "//cdn", " src=", "@import", "innerHTML", "eval("] {
        assert!(!page.contains(far), "{far}");
    }
    let policy = head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        let inside = page.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next().unwrap();
        assert!(inside.len() > 200, "{tag}");
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(inside));
        let wanted = format!("{directive} 'sha256-{hash}'").to_ascii_lowercase();
        assert!(policy.contains(&wanted), "{wanted} is not in {policy}");
    }
    api.stop().await;
}
