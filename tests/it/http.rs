//! The HTTP API, driven in-process over real stores.

mod ahead;
mod described;
mod desk;
mod edit;
mod files;
mod fuzzed;
mod keys;
mod listeners;
mod many;
mod numbers;
mod often;
mod once;
mod readers;
mod said_no;
mod schema;
mod surveys;
mod touched;
mod views;

use crate::{seed, stores};
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use liaison::clock::Clock;
use liaison::domain::ids::{AgentId, InfluencerId, MessageId, NoteId, ThreadId};
use liaison::domain::words::Scope;
use liaison::http::actions::{
    About, AgentChangeOrder, AgentOrder, AttachmentContent, Done, EraseOrder, FilesOrder, ImportOrder,
    InfluencerChangeOrder, InfluencerOrder, MatchOrder, SendOrder, Settlement, SimulateOrder, StageOrder, SteerOrder,
    Teammate, ThreadOrder,
};
use liaison::http::{ActionError, Actions, ApiState, router};
use liaison::hub::import::ImportReport;
use liaison::hub::token::{TokenOrder, create_token};
use liaison::hub::touch::Touched;
use liaison::sequence::{Report, Tested};
use liaison::store::reading::message::PackedMail;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// Writes down what it was asked for, and gives what it was told to.
#[derive(Default)]
struct Recorder {
    asked: Mutex<Vec<String>>,
    message: Mutex<Option<MessageId>>,
    /// How often another change still comes first.
    overtaken: std::sync::atomic::AtomicU32,
}

impl Recorder {
    fn note<T: Send + 'static>(&self, what: String, give: Result<T, ActionError>) -> Done<'_, T> {
        self.asked.lock().unwrap().push(what);
        Box::pin(std::future::ready(give))
    }
}

impl Actions for Recorder {
    fn send(&self, order: SendOrder, by: String) -> Done<'_, MessageId> {
        let give = self.message.lock().unwrap().ok_or(ActionError::Invalid(vec![("/to".into(), "nobody".into())]));
        let sizes: Vec<usize> = order.attachments.iter().map(|a| a.content.len()).collect();
        self.note(format!("send {:?} {:?} {sizes:?} by {by}", order.text, order.reply_to_thread_id), give)
    }
    fn touch(&self, touched: Touched) -> Done<'_, MessageId> {
        let give = self.message.lock().unwrap().ok_or(ActionError::Invalid(vec![("/text".into(), "empty".into())]));
        self.note(format!("touch {:?} {:?} {:?}", touched.text, touched.direction, touched.place), give)
    }
    fn cancel(&self, id: MessageId, _: String) -> Done<'_, ()> {
        let detail = "it has left already".to_owned();
        self.note(format!("cancel {id}"), Err(ActionError::Conflict { code: "not_queued", detail }))
    }
    fn settle(&self, id: MessageId, settlement: Settlement, _: String) -> Done<'_, ()> {
        self.note(format!("settle {id} {settlement:?}"), Ok(()))
    }
    fn match_unmatched(&self, id: MessageId, _: MatchOrder, _: String) -> Done<'_, ()> {
        self.note(format!("match {id}"), Ok(()))
    }
    fn import(&self, order: ImportOrder, by: String) -> Done<'_, ImportReport> {
        self.note(format!("import {:?} {:?} by {by}", order.sort, order.source), Ok(ImportReport::default()))
    }
    fn create_influencer(&self, order: InfluencerOrder, _: String) -> Done<'_, InfluencerId> {
        assert_ne!(order.handle, "panic", "asked to panic");
        self.note("create".into(), Err(ActionError::NotFound { sort: "stage", given: order.handle }))
    }
    fn update_influencer(&self, id: InfluencerId, order: InfluencerChangeOrder, _: String) -> Done<'_, ()> {
        self.note(format!("update {id} {:?} {:?} {:?}", order.owner, order.timezone, order.version), Ok(()))
    }
    fn move_stage(&self, id: InfluencerId, order: StageOrder, _: String) -> Done<'_, ()> {
        self.note(format!("stage {id} {order:?}"), Ok(()))
    }
    fn merge(&self, keep: InfluencerId, from: InfluencerId, by: String) -> Done<'_, Value> {
        self.note(format!("merge {from} into {keep} by {by}"), Ok(json!({"kept": keep, "gone": from})))
    }
    fn unmerge(&self, id: InfluencerId, by: String) -> Done<'_, Value> {
        self.note(format!("unmerge {id} by {by}"), Ok(json!({"restored": id})))
    }
    fn erase(&self, order: EraseOrder, by: String) -> Done<'_, liaison::hub::people::erase::Erased> {
        let EraseOrder { id, dry_run, version } = order;
        let gone = ActionError::NotFound { sort: "influencer", given: id.to_string() };
        self.note(format!("erase {id} {dry_run} {version:?} by {by}"), Err(gone))
    }
    fn remove_address(&self, id: InfluencerId, address: String, seen: Option<i64>, by: String) -> Done<'_, ()> {
        self.note(format!("remove {address} of {id} {seen:?} by {by}"), Ok(()))
    }
    fn export(&self, id: InfluencerId) -> Done<'_, liaison::http::actions::Pieces> {
        self.note(format!("export {id}"), Ok(Box::pin(futures_util::stream::empty())))
    }
    fn add_note(&self, id: InfluencerId, text: String, _: String) -> Done<'_, NoteId> {
        let left = self.overtaken.load(Ordering::SeqCst);
        self.overtaken.store(left.saturating_sub(1), Ordering::SeqCst);
        let first = || ActionError::Store(liaison::store::StoreError::Conflict(sqlx::Error::RowNotFound));
        let give = if left > 0 { Err(first()) } else { Ok(NoteId(uuid::Uuid::from_u128(1))) };
        self.note(format!("note {id} {text}"), give)
    }
    fn create_agent(&self, order: AgentOrder, _: String) -> Done<'_, AgentId> {
        self.note("agent".into(), Err(ActionError::NotFound { sort: "influencer", given: order.first_name }))
    }
    fn update_agent(&self, id: AgentId, _: AgentChangeOrder, _: String) -> Done<'_, ()> {
        self.note(format!("change {id}"), Ok(()))
    }
    fn remove_agent(&self, id: AgentId, version: Option<i64>, _: String) -> Done<'_, ()> {
        self.note(format!("remove {id} {version:?}"), Ok(()))
    }
    fn update_thread(&self, id: ThreadId, order: ThreadOrder, _: String) -> Done<'_, ()> {
        self.note(format!("desk {id} {order:?}"), Ok(()))
    }
    fn teammates(&self) -> Vec<Teammate> {
        Vec::new()
    }
    fn relays(&self) -> std::collections::BTreeMap<String, liaison::config::Relay> {
        std::collections::BTreeMap::new()
    }
    fn release(&self, by: String) -> Done<'_, bool> {
        self.note(format!("release by {by}"), Ok(false))
    }
    fn open_html(&self, _: Vec<u8>) -> Done<'_, Option<String>> {
        self.note("html".into(), Ok(None))
    }
    fn steer(&self, order: SteerOrder, by: String) -> Done<'_, Value> {
        self.note(format!("steer {order:?} by {by}"), Ok(json!({"told": true})))
    }
    fn simulate(&self, sequence: String, order: SimulateOrder) -> Done<'_, Report> {
        let nothing = ActionError::NotFound { sort: "sequence", given: sequence.clone() };
        self.note(format!("simulate {sequence} {:?}", order.events), Err(nothing))
    }
    fn test(&self, sequence: String, _: Option<FilesOrder>) -> Done<'_, Tested> {
        self.note(format!("test {sequence}"), Ok(Tested { ok: true, tests: 0, failed: 0, findings: Vec::new() }))
    }
    fn why(&self, about: About) -> Done<'_, serde_json::Value> {
        self.note(format!("why {about:?}"), Ok(json!({"runs": []})))
    }
    fn open_attachment(&self, mail: PackedMail, n: usize) -> Done<'_, Option<AttachmentContent>> {
        let (size, content) = (mail.size() as u64, Box::new(mail.into_reader().unwrap()));
        let file = AttachmentContent { name: "a\"b.html".into(), content_type: "text/html".into(), size, content };
        self.note(format!("open {n}"), Ok((n == 0).then_some(file)))
    }
}

struct Api {
    fresh: stores::Fresh,
    clock: Clock,
    recorder: Arc<Recorder>,
    stopping: Arc<AtomicBool>,
    token: String,
}

const ALL: [Scope; 4] = [Scope::Read, Scope::Write, Scope::MessagesSend, Scope::Admin];

impl Api {
    async fn new(fresh: stores::Fresh) -> Self {
        let mut api = Self {
            fresh,
            clock: Clock::stepped(seed::at(0)),
            recorder: Arc::default(),
            stopping: Arc::default(),
            token: String::new(),
        };
        api.token = api.token(&ALL, None).await;
        api
    }

    async fn sqlite() -> Self {
        Self::new(stores::sqlite().await).await
    }

    async fn token(&self, scopes: &[Scope], lasts: Option<i64>) -> String {
        let mut tx = self.fresh.store.begin("test.token").await.unwrap();
        let order = TokenOrder { name: "tests".into(), scopes: scopes.to_vec(), expires_at: lasts.map(seed::at) };
        let (_, secret) = create_token(&mut tx, &self.clock, order).await.unwrap();
        tx.commit().await.unwrap();
        secret.expose_secret().to_owned()
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        let stopping = self.stopping.clone();
        let state = ApiState {
            store: self.fresh.store.clone(),
            clock: self.clock.clone(),
            actions: self.recorder.clone(),
            accounts: Arc::from(["brand".to_owned()]),
            bells: liaison::http::Bells::default(),
            limits: liaison::http::limit::Limits::default(),
            stopping: Arc::new(move || stopping.load(Ordering::SeqCst)),
        };
        router(state).oneshot(request).await.unwrap()
    }

    async fn call(&self, token: Option<&str>, method: &str, path: &str, body: Option<&str>) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let response = self.send(request.body(Body::from(body.unwrap_or_default().to_owned())).unwrap()).await;
        let (status, id) = (response.status(), response.headers().get("x-request-id").cloned());
        let kind = response.headers().get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap().to_owned());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let json: Value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(kind.as_deref(), Some("application/problem+json"), "{method} {path}: {json}");
            assert_eq!(json["status"], status.as_u16());
            assert_eq!(json["request_id"], id.unwrap().to_str().unwrap());
            for word in ["code", "title", "detail"] {
                assert!(json[word].as_str().is_some_and(|t| !t.is_empty()), "{method} {path}: no {word} in {json}");
            }
        }
        (status, json)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Some(&self.token), "GET", path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.call(Some(&self.token), "POST", path, Some(&body.to_string())).await
    }
}

fn concrete(path: &str) -> String {
    path.replace("{id}", "msg_00000000000000000000000000000001").replace("{n}", "0")
}

#[tokio::test]
async fn every_route_refuses_who_has_no_token() {
    let api = Api::sqlite().await;
    let paths = liaison::http::paths();
    assert!(paths.len() > 20, "only {paths:?}");
    for path in paths {
        let mut refused = 0;
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] {
            let request = Request::builder().method(method).uri(concrete(&path)).body(Body::empty()).unwrap();
            let status = api.send(request).await.status();
            assert!(
                [StatusCode::UNAUTHORIZED, StatusCode::METHOD_NOT_ALLOWED].contains(&status),
                "{method} {path}: {status}"
            );
            refused += u32::from(status == StatusCode::UNAUTHORIZED);
        }
        assert!(refused > 0, "{path} takes no method at all");
    }
    assert!(api.recorder.asked.lock().unwrap().is_empty());
}

/// Nothing of it was written: whoever asked need not ask again, unless it goes on for ever.
#[tokio::test]
async fn a_change_that_another_one_overtook_is_done_again_a_bounded_number_of_times() {
    use liaison::store::again::TRIES_MAX;
    let api = Api::sqlite().await;
    let path = format!("/v1/influencers/{}/notes", seed::influencer(&api.fresh, &api.clock).await);
    for (overtaken, status, tries) in [
        (0, StatusCode::CREATED, 1),
        (3, StatusCode::CREATED, 4),
        (u32::MAX, StatusCode::SERVICE_UNAVAILABLE, usize::try_from(TRIES_MAX).unwrap()),
    ] {
        api.recorder.asked.lock().unwrap().clear();
        api.recorder.overtaken.store(overtaken, Ordering::SeqCst);
        let (got, json) = api.post(&path, &json!({"text": "called"})).await;
        assert_eq!(got, status, "{json}");
        let asked = api.recorder.asked.lock().unwrap().clone();
        assert_eq!(asked.len(), tries);
        assert!(asked.iter().all(|a| a.ends_with(" called")), "the same each time: {asked:?}");
    }
}

#[tokio::test]
async fn token_that_is_wrong_expired_or_revoked_is_refused_with_the_reason() {
    for fresh in stores::both().await {
        let api = Api::new(fresh).await;
        let short = api.token(&ALL, Some(60)).await;
        let path = "/v1/accounts";
        assert_eq!(api.call(Some(&short), "GET", path, None).await.0, StatusCode::OK);
        for (token, code) in [(None, "no_token"), (Some("lia_x"), "bad_token"), (Some("' OR 1=1"), "bad_token")] {
            let (status, json) = api.call(token, "GET", path, None).await;
            assert_eq!((status, json["code"].as_str()), (StatusCode::UNAUTHORIZED, Some(code)), "{}", api.fresh.name);
        }
        api.clock.advance(std::time::Duration::from_secs(61));
        assert_eq!(api.call(Some(&short), "GET", path, None).await.1["code"], "token_expired");

        let new = json!({"name": "reports", "scopes": ["read"], "expires_at": "2030-01-01T00:00:00Z"});
        let (status, made) = api.post("/v1/tokens", &new).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let secret = made["token"].as_str().unwrap();
        assert_eq!(api.call(Some(secret), "GET", path, None).await.0, StatusCode::OK);
        let (_, listed) = api.get("/v1/tokens").await;
        assert_eq!(listed["data"].as_array().unwrap().len(), 3);
        assert!(!listed.to_string().contains(secret));
        let one = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
        assert_eq!(api.call(Some(&api.token), "DELETE", &one, None).await.0, StatusCode::NO_CONTENT);
        assert_eq!(api.call(Some(secret), "GET", path, None).await.1["code"], "token_revoked");
        // Revoked by another process, it is refused a moment later.
        let (_, made) = api.post("/v1/tokens", &new).await;
        let secret = made["token"].as_str().unwrap();
        assert_eq!(api.call(Some(secret), "GET", path, None).await.0, StatusCode::OK);
        let mut tx = api.fresh.store.begin("test.elsewhere").await.unwrap();
        assert!(tx.revoke_token(made["id"].as_str().unwrap().parse().unwrap(), api.clock.now()).await.unwrap());
        tx.commit().await.unwrap();
        let refused = async {
            while api.call(Some(secret), "GET", path, None).await.1["code"] != "token_revoked" {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), refused).await.unwrap();
        let (status, json) = api.post("/v1/tokens", &json!({"name": "", "scopes": ["read"]})).await;
        assert_eq!((status, &json["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/name")));
    }
}

#[tokio::test]
async fn token_may_do_only_what_its_scopes_say() {
    let api = Api::sqlite().await;
    let note = "/v1/influencers/inf_00000000000000000000000000000001/notes";
    for (method, path, body, needed) in [
        ("GET", "/v1/threads", None, Scope::Read),
        ("POST", note, Some(r#"{"text":"n"}"#), Scope::Write),
        ("POST", "/v1/sequences/spring/simulate", Some("{}"), Scope::Read),
        ("POST", "/v1/sequences/spring/test", Some("{}"), Scope::Read),
        ("POST", "/v1/sequences/check", Some("{}"), Scope::Read),
        ("POST", "/v1/messages", Some(r#"{"text":"n"}"#), Scope::MessagesSend),
        ("GET", "/v1/tokens", None, Scope::Admin),
    ] {
        for scope in ALL {
            let token = api.token(&[scope], None).await;
            let (status, json) = api.call(Some(&token), method, path, body).await;
            assert_eq!(status == StatusCode::FORBIDDEN, scope != needed, "{method} {path} with {scope}: {json}");
        }
    }
}

#[tokio::test]
async fn pages_are_complete_while_rows_are_added_and_cursors_hold_to_their_list() {
    for fresh in stores::both().await {
        let api = Api::new(fresh).await;
        let ids = Clock::machine();
        let ana = seed::influencer(&api.fresh, &ids).await;
        let thread = seed::thread(&api.fresh, &ids, ana, 1).await;
        let mut expected = HashSet::new();
        for n in 0..11 {
            expected.insert(seed::message_in(&api.fresh, &ids, &thread, n / 2).await.to_string());
        }
        let list = format!("/v1/threads/{}/messages?limit=3", thread.id);
        let (mut seen, mut path, mut first_cursor) = (Vec::new(), list.clone(), None);
        loop {
            let (status, json) = api.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{json}");
            seen.extend(json["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()));
            seed::message_in(&api.fresh, &ids, &thread, 100).await;
            let Some(cursor) = json["next_cursor"].as_str() else { break };
            first_cursor.get_or_insert(cursor.to_owned());
            path = format!("{list}&cursor={cursor}");
        }
        assert_eq!(seen.len(), 11, "{}", api.fresh.name);
        assert_eq!(seen.into_iter().collect::<HashSet<_>>(), expected);
        let cursor = first_cursor.unwrap();
        for bad in [
            format!("{list}&cursor=x{cursor}"),
            format!("{list}&cursor=AAAA"),
            format!("{list}&order=oldest&cursor={cursor}"),
            format!("/v1/threads?cursor={cursor}"),
        ] {
            let (status, json) = api.get(&bad).await;
            assert_eq!((status, &json["code"]), (StatusCode::BAD_REQUEST, &json!("bad_cursor")), "{bad}");
            assert_eq!(json["errors"][0]["parameter"], "cursor");
        }
    }
}

#[tokio::test]
async fn every_list_and_view_answers_from_a_store_with_data() {
    for fresh in stores::both().await {
        let api = Api::new(fresh).await;
        let ids = Clock::machine();
        let ana = seed::influencer(&api.fresh, &ids).await;
        let thread = seed::thread(&api.fresh, &ids, ana, 1).await;
        let message = seed::message_in(&api.fresh, &ids, &thread, 2).await;
        seed::outbox(&api.fresh, message, "uncertain").await;
        let mut tx = api.fresh.store.begin("test.account").await.unwrap();
        tx.ensure_account("brand", "imap", "brand@example.test", seed::at(0)).await.unwrap();
        tx.commit().await.unwrap();
        for (path, pointer, expected) in [
            ("/v1/influencers".to_owned(), "/data/0/id", ana.to_string()),
            (format!("/v1/influencers/{ana}"), "/stage", "prospect".into()),
            (format!("/v1/influencers/{ana}/timeline?order=oldest"), "/data/0/message/id", message.to_string()),
            (format!("/v1/threads?influencer={ana}&awaiting=us&account=brand"), "/data/0/id", thread.id.to_string()),
            (format!("/v1/threads/{}", thread.id), "/influencer_id", ana.to_string()),
            (format!("/v1/messages/{message}"), "/thread_id", thread.id.to_string()),
            ("/v1/search?q=shoes".into(), "/messages/0/message/id", message.to_string()),
            ("/v1/search?q=ana".into(), "/messages/0/excerpt", "Text number 2 about running shoes".into()),
            (
                "/v1/search?q=shoes".into(),
                "/messages/0/highlights/excerpt",
                "Text number 2 about running <mark>shoes</mark>".into(),
            ),
            ("/v1/outbox?status=uncertain".into(), "/data/0/id", message.to_string()),
            (format!("/v1/outbox/{message}"), "/status", "uncertain".into()),
            ("/v1/accounts".into(), "/data/0/id", "brand".into()),
        ] {
            let (status, json) = api.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{path}: {json}");
            assert_eq!(json.pointer(pointer).and_then(Value::as_str), Some(expected.as_str()), "{path}: {json}");
        }
        for path in ["/v1/unmatched", "/v1/agents", "/v1/events?after=0", "/v1/outbox?status=queued"] {
            assert_eq!(api.get(path).await.1["data"], json!([]), "{path}");
        }
        assert_eq!(api.get("/v1/events?after=7").await.1["next_after"], 7);
    }
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong_and_where() {
    let api = Api::sqlite().await;
    let (status, json) = api.get("/v1/threads?limit=5&colour=red&awaiting=us&awaiting=us").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(json["errors"][0]["parameter"], "colour");
    assert_eq!(json["errors"][1]["parameter"], "awaiting");
    assert!(json["detail"].as_str().unwrap().contains("influencer, awaiting, account"), "{json}");
    for (path, parameter) in [
        ("/v1/threads?limit=0", "limit"),
        ("/v1/threads?limit=201", "limit"),
        ("/v1/threads?awaiting=you", "awaiting"),
        ("/v1/threads?influencer=thr_1", "influencer"),
        ("/v1/outbox?status=gone", "status"),
        ("/v1/accounts?x=1", "x"),
        ("/v1/search", "q"),
        ("/v1/events?after=x", "after"),
    ] {
        let (status, json) = api.get(path).await;
        if path != "/v1/search" {
            assert_eq!(json["errors"][0]["parameter"], parameter, "{path}: {json}");
        }
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
    }
    let thread = "thr_00000000000000000000000000000001";
    let (status, json) = api.get(&format!("/v1/influencers/{thread}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let detail = json["detail"].as_str().unwrap();
    assert!(detail.contains("expected `inf_`") && detail.contains("the id of a thread"), "{detail}");
    assert_eq!(api.get(&format!("/v1/threads/{thread}")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.get("/v1/nothing").await.1["code"], "no_such_route");
    assert_eq!(api.get("/nothing").await.1["code"], "no_such_route");
    let (status, json) = api.call(Some(&api.token), "DELETE", "/v1/threads", None).await;
    assert_eq!((status, &json["code"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("no_such_method")));
    for (body, pointer) in [
        (json!({"text": "x", "to": [{"name": "A"}]}), "/to/0"),
        (json!({"text": "x", "color": 1}), "/color"),
        (json!({"text": "x", "attachments": [{"name": "a", "content_base64": "§"}]}), "/attachments/0/content_base64"),
        (json!({"text": "x"}), "/to"),
    ] {
        let (status, json) = api.post("/v1/messages", &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{json}");
        assert_eq!(json["errors"][0]["pointer"], pointer, "{json}");
    }
    let raw = |body: &'static str| api.call(Some(&api.token), "POST", "/v1/messages", Some(body));
    for broken in ["{", "", "{\"text\": \"x\"} x", "{text: 1}"] {
        assert_eq!(raw(broken).await.0, StatusCode::BAD_REQUEST, "{broken}");
    }
    // Values without their names, which the program could take in the order it has its keys in.
    let (status, json) = api.post("/v1/influencers", &json!(["@listed"])).await;
    assert_eq!((status, &json["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid")), "{json}");
    assert_eq!(json["errors"][0]["pointer"], "", "{json}");
    let (status, json) = api.post("/v1/messages?x=1", &json!({"text": "x"})).await;
    assert_eq!((status, &json["code"]), (StatusCode::BAD_REQUEST, &json!("bad_query")));
    let (status, _) = api.call(Some(&api.token), "POST", "/v1/messages", None).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (status, json) = api.post("/v1/unmatched/msg_00000000000000000000000000000001/match", &json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{json}");
    let (status, json) = api.post("/v1/influencers", &json!({"handle": "panic"})).await;
    assert_eq!((status, &json["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("internal")));
}

#[tokio::test]
async fn large_bodies_are_taken_only_where_messages_are_sent() {
    let api = Api::sqlite().await;
    let big = "x".repeat(2 * 1024 * 1024);
    let (status, json) = api.post("/v1/tokens", &json!({"name": big, "scopes": ["read"]})).await;
    assert_eq!((status, &json["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));
    let attachment = json!([{"name": "a.bin", "content_base64": "A".repeat(4 * 1024 * 1024)}]);
    let (status, _) = api.post("/v1/messages", &json!({"text": "hi", "attachments": attachment})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "the recorder refuses it, not the limit");
    assert!(api.recorder.asked.lock().unwrap()[0].contains("[3145728]"));
    let huge = "A".repeat(liaison::http::MESSAGE_BODY_MAX);
    assert_eq!(api.post("/v1/messages", &json!({"text": huge})).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn actions_get_what_was_asked_and_their_refusals_are_told() {
    let api = Api::sqlite().await;
    let ids = Clock::machine();
    let ana = seed::influencer(&api.fresh, &ids).await;
    let thread = seed::thread(&api.fresh, &ids, ana, 1).await;
    let message = seed::message_in(&api.fresh, &ids, &thread, 2).await;
    seed::outbox(&api.fresh, message, "uncertain").await;
    *api.recorder.message.lock().unwrap() = Some(message);
    let (status, json) = api.post(&format!("/v1/threads/{}/reply", thread.id), &json!({"text": "yes"})).await;
    assert_eq!((status, json["id"].as_str()), (StatusCode::ACCEPTED, Some(message.to_string().as_str())));
    let (status, json) = api.call(Some(&api.token), "DELETE", &format!("/v1/messages/{message}"), None).await;
    assert_eq!((status, &json["code"]), (StatusCode::CONFLICT, &json!("not_queued")));
    let settle = format!("/v1/outbox/{message}/settle");
    assert_eq!(api.post(&settle, &json!({"outcome": "send_again"})).await.0, StatusCode::OK);
    assert_eq!(api.post(&settle, &json!({"outcome": "perhaps"})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let request = Request::builder()
        .method("PATCH")
        .uri(format!("/v1/influencers/{ana}"))
        .header(header::AUTHORIZATION, format!("bearer {}", api.token))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::IF_MATCH, "\"3\"")
        .body(Body::from(r#"{"owner": null}"#))
        .unwrap();
    assert_eq!(api.send(request).await.status(), StatusCode::OK);
    let asked = api.recorder.asked.lock().unwrap().clone();
    assert_eq!(
        asked,
        [
            format!("send \"yes\" Some({:?}) [] by token tests", thread.id),
            format!("cancel {message}"),
            format!("settle {message} SendAgain"),
            format!("update {ana} Some(None) None Some(3)"),
        ]
    );
}

#[tokio::test]
async fn raw_mail_and_attachments_are_saved_and_never_shown() {
    let api = Api::sqlite().await;
    let ids = Clock::machine();
    let ana = seed::influencer(&api.fresh, &ids).await;
    let thread = seed::thread(&api.fresh, &ids, ana, 1).await;
    let mut message = seed::message(&ids, thread.conversation_id, 1);
    message.raw_hash = Some(vec![1; 32]);
    let id = message.id;
    let mut tx = api.fresh.store.begin("test.raw").await.unwrap();
    let raw = b"<script>alert(1)</script>".to_vec();
    tx.insert_raws(vec![(vec![1; 32], 25, zstd::bulk::compress(&raw, 1).unwrap())]).await.unwrap();
    tx.commit().await.unwrap();
    seed::put(&api.fresh, message, vec![]).await;
    for (path, kind, name) in [
        ("raw", "message/rfc822", format!("{id}.eml")),
        ("attachments/0", "application/octet-stream", "a_b.html".into()),
    ] {
        let request = Request::get(format!("/v1/messages/{id}/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", api.token))
            .body(Body::empty())
            .unwrap();
        let response = api.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let said = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(said("content-type"), kind);
        assert!(said("content-disposition").starts_with(&format!("attachment; filename=\"{name}\"")));
        assert_eq!(said("x-content-type-options"), "nosniff");
        assert!(said("content-security-policy").contains("sandbox"));
        assert_eq!(to_bytes(response.into_body(), 1_000).await.unwrap(), raw);
    }
    assert_eq!(api.get(&format!("/v1/messages/{id}/attachments/1")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.get(&format!("/v1/messages/{id}/attachments/x")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn process_is_ready_once_accounts_are_known_and_until_it_stops() {
    let api = Api::sqlite().await;
    assert_eq!(api.call(None, "GET", "/livez", None).await.0, StatusCode::OK);
    assert_eq!(api.call(None, "GET", "/readyz", None).await.1["code"], "starting");
    let mut tx = api.fresh.store.begin("test.account").await.unwrap();
    tx.ensure_account("brand", "imap", "brand@example.test", seed::at(0)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(api.call(None, "GET", "/readyz", None).await.0, StatusCode::OK);
    api.stopping.store(true, Ordering::SeqCst);
    assert_eq!(api.call(None, "GET", "/readyz", None).await.1["code"], "stopping");
    assert_eq!(api.call(None, "GET", "/livez", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn server_answers_over_tcp_and_ends_when_it_is_told_to() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let api = Api::sqlite().await;
    let state = ApiState {
        store: api.fresh.store.clone(),
        clock: api.clock.clone(),
        actions: api.recorder.clone(),
        accounts: Arc::from([]),
        bells: liaison::http::Bells::default(),
        limits: liaison::http::limit::Limits::default(),
        stopping: Arc::new(|| false),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(liaison::http::serve(listener, router(state), async move {
        stopped.await.ok();
    }));
    let mut c = tokio::net::TcpStream::connect(address).await.unwrap();
    c.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    c.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn steering_needs_its_own_scope() {
    let api = Api::sqlite().await;
    let (write, run) =
        (api.token(&[Scope::Read, Scope::Write], None).await, api.token(&[Scope::SequencesRun], None).await);
    let message = "msg_00000000000000000000000000000001";
    let steering = [
        ("POST", "/v1/sequences/spring/enrollments".to_owned(), json!({"filter": {}})),
        ("POST", "/v1/sequences/spring/pause".to_owned(), json!({})),
        ("POST", "/v1/sequences/spring/resume".to_owned(), Value::Null),
        ("POST", "/v1/sequences/spring/migrate".to_owned(), Value::Null),
        ("POST", "/v1/accounts/brand/pause".to_owned(), json!({})),
        ("POST", "/v1/accounts/brand/resume".to_owned(), Value::Null),
        ("POST", "/v1/pause".to_owned(), json!({"reason": "a storm"})),
        ("POST", "/v1/resume".to_owned(), Value::Null),
    ];
    for (method, path, body) in steering {
        let body = (!body.is_null()).then(|| body.to_string());
        let refused = api.call(Some(&write), method, &path, body.as_deref()).await;
        assert_eq!(refused.1["code"], "missing_scope", "{path}");
        let (status, told) = api.call(Some(&run), method, &path, body.as_deref()).await;
        assert!(status.is_success() && told["told"] == true, "{path}: {status} {told}");
    }
    let refused = api.call(Some(&run), "POST", &format!("/v1/outbox/{message}/approve"), None).await;
    assert_eq!(refused.1["code"], "missing_scope", "a message leaves");
    let asked = api.recorder.asked.lock().unwrap().join("\n");
    assert!(asked.contains("Pause(All, Some(\"a storm\")) by token tests"), "{asked}");
    assert!(asked.contains("Migrate(\"spring\", No) by token tests"), "nothing moves where it is not said: {asked}");
    // What only shows needs no more than looking does.
    let read = api.token(&[Scope::Read], None).await;
    for (path, body) in [("preview", Some(r#"{"as": "@ana"}"#)), ("diff", None)] {
        let path = format!("/v1/sequences/spring/{path}");
        let (status, told) = api.call(Some(&read), "POST", &path, body).await;
        assert!(status.is_success(), "{path}: {told}");
        assert_eq!(api.call(Some(&run), "POST", &path, body).await.1["code"], "missing_scope", "{path}");
    }
}
