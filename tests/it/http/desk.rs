//! Tasks, holds, suppressions, loose ends, numbers, and the stream of events over a real socket.

use super::*;
use liaison::domain::ids::{EventId, RunId};
use liaison::domain::words::EventType;
use liaison::http::Bells;
use liaison::hub::sequencer;
use liaison::lifecycle::Lifecycle;
use liaison::store::event::NewEvent;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_task_is_made_listed_and_done_once() {
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &Clock::machine()).await;
        let api = Api::new(fresh).await;
        let (status, made) = api
            .post("/v1/tasks", &json!({"text": "call her", "influencer_id": ana, "due_at": "2026-03-01T08:00:00Z"}))
            .await;
        assert_eq!(
            (status, &made["state"], &made["late"]),
            (StatusCode::CREATED, &json!("open"), &json!(true)),
            "{made}"
        );
        let (_, list) = api.get("/v1/tasks?assignee=kim").await;
        assert_eq!(list["data"], json!([]));
        let (_, list) = api.get(&format!("/v1/tasks?influencer_id={ana}&due[lt]=2026-03-01T09:00:00Z")).await;
        assert_eq!(list["data"][0]["id"], made["id"], "{list}");
        let path = format!("/v1/tasks/{}/complete", made["id"].as_str().unwrap());
        let (status, done) = api.post(&path, &json!({"answer": "she will think about it"})).await;
        assert_eq!(
            (status, &done["state"], &done["completed_by"]),
            (StatusCode::OK, &json!("done"), &json!("token tests"))
        );
        let (status, problem) = api.post(&path, &json!({})).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("task_over")));
        let (status, problem) = api.post("/v1/tasks", &json!({"text": "  "})).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/text")));
        let reader = api.token(&[Scope::Read], None).await;
        let body = json!({"text": "x"}).to_string();
        assert_eq!(api.call(Some(&reader), "POST", "/v1/tasks", Some(&body)).await.0, StatusCode::FORBIDDEN);
        let mut tx = api.fresh.store.read().await.unwrap();
        let far = (liaison::domain::time::Micros(i64::MAX), uuid::Uuid::max());
        let kinds: Vec<EventType> =
            tx.list_timeline_events(ana, far, 9).await.unwrap().into_iter().map(|e| e.kind).collect();
        assert!(kinds.contains(&EventType::TaskCreated) && kinds.contains(&EventType::TaskCompleted), "{kinds:?}");
    }
}

#[tokio::test]
async fn a_hold_is_set_shown_and_released() {
    let api = Api::sqlite().await;
    let ana = seed::influencer(&api.fresh, &api.clock).await;
    let path = format!("/v1/influencers/{ana}/hold");
    let (status, view) = api.post(&path, &json!({"until": "2026-04-01T00:00:00Z", "reason": "on tour"})).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    assert_eq!((&view["held_until"], &view["hold_reason"]), (&json!("2026-04-01T00:00:00.000000Z"), &json!("on tour")));
    let (status, problem) = api.post(&path, &json!({"until": "2020-04-01T00:00:00Z"})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/until")));
    let (status, view) = api.call(Some(&api.token), "DELETE", &path, None).await;
    assert_eq!((status, &view["held_until"], &view["hold_reason"]), (StatusCode::OK, &Value::Null, &Value::Null));
    let nobody = format!("/v1/influencers/{}/hold", InfluencerId(api.clock.new_id()));
    assert_eq!(api.post(&nobody, &json!({"until": "2026-04-01T00:00:00Z"})).await.0, StatusCode::NOT_FOUND);
}

/// An id that was written down before two records were joined leads to who is there now.
#[tokio::test]
async fn the_id_of_a_merged_record_leads_to_the_one_that_was_kept() {
    for fresh in stores::both().await {
        let api = Api::new(fresh).await;
        let (kept, gone) =
            (seed::influencer(&api.fresh, &api.clock).await, seed::influencer(&api.fresh, &api.clock).await);
        let mut tx = api.fresh.store.begin("test.merge").await.unwrap();
        liaison::hub::people::merge(&mut tx, &api.clock, kept, gone, "kim").await.unwrap();
        tx.commit().await.unwrap();
        let order = json!({"until": "2026-04-01T00:00:00Z"});
        let (status, view) = api.post(&format!("/v1/influencers/{gone}/hold"), &order).await;
        assert_eq!((status, &view["id"]), (StatusCode::OK, &json!(kept)), "{}: {view}", api.fresh.name);
        let (status, task) = api.post("/v1/tasks", &json!({"influencer_id": gone, "text": "call"})).await;
        assert_eq!((status, &task["influencer_id"]), (StatusCode::CREATED, &json!(kept)), "{task}");
        let (status, note) = api.post(&format!("/v1/influencers/{gone}/notes"), &json!({"text": "called"})).await;
        assert_eq!((status, &note["influencer_id"]), (StatusCode::CREATED, &json!(kept)), "{note}");
        let (status, line) = api.get(&format!("/v1/influencers/{gone}/timeline")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!line["data"].as_array().unwrap().is_empty(), "{line}");
    }
}

#[tokio::test]
async fn until_when_we_wait_is_set_and_taken_back() {
    let api = Api::sqlite().await;
    let ana = seed::influencer(&api.fresh, &api.clock).await;
    let path = format!("/v1/influencers/{ana}/waiting");
    let (status, view) = api.post(&path, &json!({"until": "2099-04-01T00:00:00Z"})).await;
    assert_eq!((status, &view["waiting_until"]), (StatusCode::OK, &json!("2099-04-01T00:00:00.000000Z")), "{view}");
    let (status, problem) = api.post(&path, &json!({"until": "2020-04-01T00:00:00Z"})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/until")));
    let (status, view) = api.call(Some(&api.token), "DELETE", &path, None).await;
    assert_eq!((status, &view["waiting_until"]), (StatusCode::OK, &Value::Null));
    let nobody = format!("/v1/influencers/{}/waiting", InfluencerId(api.clock.new_id()));
    assert_eq!(api.call(Some(&api.token), "DELETE", &nobody, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn suppressions_are_added_listed_with_consents_and_lifted() {
    let api = Api::sqlite().await;
    let (status, made) =
        api.post("/v1/suppressions", &json!({"address": "Ana@Example.org", "note": "asked by phone"})).await;
    assert_eq!(
        (status, &made["value_key"], &made["reason"]),
        (StatusCode::CREATED, &json!("ana@example.org"), &json!("by_hand"))
    );
    assert_eq!(made["evidence"], "token tests: asked by phone");
    for n in 0..3 {
        api.post("/v1/suppressions", &json!({"address": format!("b{n}@example.org")})).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = api.get(&format!("/v1/suppressions?limit=3{cursor}")).await;
        seen.extend(page["data"].as_array().unwrap().iter().map(|s| s["value_key"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["ana@example.org", "b0@example.org", "b1@example.org", "b2@example.org"]);
    let (_, one) = api.get("/v1/suppressions?address=ANA@example.org").await;
    assert_eq!((one["data"].as_array().unwrap().len(), &one["data"][0]["consents"]), (1, &json!([])));
    let lift = "/v1/suppressions?address=ana@example.org";
    let (status, lifted) = api.call(Some(&api.token), "DELETE", lift, None).await;
    let told = json!({"address": "ana@example.org", "lifted": ["ana@example.org"]});
    assert_eq!((status, lifted), (StatusCode::OK, told));
    assert_eq!(api.call(Some(&api.token), "DELETE", lift, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.call(Some(&api.token), "DELETE", "/v1/suppressions", None).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn loose_ends_and_stages_are_told() {
    let api = Api::sqlite().await;
    let ana = seed::influencer(&api.fresh, &api.clock).await;
    let (status, list) = api.get("/v1/loose-ends").await;
    assert_eq!((status, &list["data"][0]["influencer_id"]), (StatusCode::OK, &json!(ana)), "{list}");
    assert_eq!(list["data"][0]["reason"], "no_next_step");
    let (status, stats) = api.get("/v1/stats/stages?since=2026-01-01T00:00:00Z").await;
    assert_eq!(status, StatusCode::OK);
    let prospect = stats["data"].as_array().unwrap().iter().find(|s| s["stage"] == "prospect").unwrap();
    assert_eq!((&prospect["people"], &prospect["conversion"]), (&json!(1), &json!(0.0)));
    let (status, problem) = api.get("/v1/stats/stages?since=yesterday").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("bad_query")));
}

/// A running server, its numbering, and what stops them.
struct Server {
    at: std::net::SocketAddr,
    bells: Bells,
    life: Lifecycle,
}

async fn serve(api: &Api) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, bells, life) = (listener.local_addr().unwrap(), Bells::default(), Lifecycle::new());
    let stopping = life.stop();
    let state = ApiState {
        store: api.fresh.store.clone(),
        clock: api.clock.clone(),
        actions: api.recorder.clone(),
        accounts: Arc::from([]),
        bells: bells.clone(),
        limits: liaison::http::limit::Limits::default(),
        stopping: Arc::new(move || stopping.is_soft()),
    };
    let stop = life.stop();
    tokio::spawn(liaison::http::serve(listener, router(state), async move { stop.soft().await }));
    let rung = (bells.stored.clone(), bells.numbered.clone());
    tokio::spawn(sequencer::run(api.fresh.store.clone(), RunId(api.clock.new_id()), rung, life.stop()));
    Server { at, bells, life }
}

async fn open(server: &Server, token: &str, from: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.at).await.unwrap();
    let request =
        format!("GET /v1/events/stream{from} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// Reads until so many events were told; their numbers.
async fn read_ids(socket: &mut TcpStream, wanted: usize) -> Vec<i64> {
    let mut text = Vec::new();
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        let ids: Vec<i64> =
            whole.split('\n').filter_map(|line| line.strip_prefix("id: ")).filter_map(|id| id.parse().ok()).collect();
        // The last line may be cut off; an event is told when its data line is there.
        let told = whole.matches("\n\n").count().saturating_sub(1);
        if told >= wanted {
            return ids.into_iter().take(wanted).collect();
        }
        let mut piece = [0; 65_536];
        let n = tokio::time::timeout(Duration::from_secs(60), socket.read(&mut piece)).await.expect("silence").unwrap();
        assert!(n > 0, "the stream ended: {whole}");
        text.extend_from_slice(&piece[..n]);
    }
}

async fn write_events(api: &Api, bells: &Bells, n: usize) {
    for _ in 0..n {
        let mut tx = api.fresh.store.begin("test.event").await.unwrap();
        let event = NewEvent {
            id: EventId(api.clock.new_id()),
            kind: EventType::InfluencerUpdated,
            at: seed::at(0),
            influencer_id: None,
            stage: None,
            message_id: None,
            data: Some(json!({"line": "one\nand two"})),
            enrollment_id: None,
            machine: None,
        };
        tx.insert_events(vec![event]).await.unwrap();
        tx.commit().await.unwrap();
        bells.stored.notify_waiters();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_misses_nothing_while_events_are_written_resumes_and_ends_at_a_stop() {
    const EACH: usize = 60;
    for fresh in stores::both().await {
        let api = Api::new(fresh).await;
        let server = serve(&api).await;
        let writing = async {
            tokio::join!(
                write_events(&api, &server.bells, EACH),
                write_events(&api, &server.bells, EACH),
                write_events(&api, &server.bells, EACH)
            )
        };
        let reading = async {
            let mut socket = open(&server, &api.token, "?after=0").await;
            socket.write_all(b"\r\n").await.unwrap();
            let mut ids = read_ids(&mut socket, EACH).await;
            drop(socket);
            // As a browser does that lost its connection.
            let mut socket = open(&server, &api.token, "").await;
            let last = format!("Last-Event-ID: {}\r\n\r\n", ids.last().unwrap());
            socket.write_all(last.as_bytes()).await.unwrap();
            ids.extend(read_ids(&mut socket, 2 * EACH).await);
            (ids, socket)
        };
        let (_, (ids, mut socket)) = tokio::join!(writing, reading);
        let all: Vec<i64> = (1..=i64::try_from(3 * EACH).unwrap()).collect();
        assert_eq!(ids, all, "{}", api.fresh.name);
        server.life.stop().ask();
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(60), socket.read_to_end(&mut rest))
            .await
            .expect("it goes on")
            .unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "it ends as HTTP ends a body");
    }
}

#[tokio::test]
async fn the_stream_wants_a_token_and_a_number() {
    let api = Api::sqlite().await;
    assert_eq!(api.call(None, "GET", "/v1/events/stream", None).await.0, StatusCode::UNAUTHORIZED);
    let writer = api.token(&[Scope::Write], None).await;
    assert_eq!(api.call(Some(&writer), "GET", "/v1/events/stream", None).await.0, StatusCode::FORBIDDEN);
    let (status, problem) = api.get("/v1/events/stream?after=x").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("bad_query")));
    let request = Request::get("/v1/events/stream")
        .header(header::AUTHORIZATION, format!("Bearer {}", api.token))
        .header("last-event-id", "none");
    assert_eq!(api.send(request.body(Body::empty()).unwrap()).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn two_records_are_merged_and_taken_apart_by_whoever_may_write() {
    let api = Api::sqlite().await;
    let (ana, twin) = (InfluencerId(api.clock.new_id()), InfluencerId(api.clock.new_id()));
    let path = format!("/v1/influencers/{ana}/merge");
    let (status, merged) = api.post(&path, &json!({"from": twin})).await;
    assert_eq!((status, &merged["kept"], &merged["gone"]), (StatusCode::OK, &json!(ana), &json!(twin)), "{merged}");
    let back = format!("/v1/influencers/{twin}/unmerge");
    let (status, undone) = api.call(Some(&api.token), "POST", &back, None).await;
    assert_eq!((status, &undone["restored"]), (StatusCode::OK, &json!(twin)), "{undone}");
    let asked = api.recorder.asked.lock().unwrap().clone();
    assert_eq!(asked, [format!("merge {twin} into {ana} by token tests"), format!("unmerge {twin} by token tests")]);
    let (status, _) = api.post(&path, &json!({"into": twin})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let reader = api.token(&[Scope::Read], None).await;
    let body = json!({"from": twin}).to_string();
    assert_eq!(api.call(Some(&reader), "POST", &path, Some(&body)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(api.call(Some(&reader), "POST", &back, None).await.0, StatusCode::FORBIDDEN);
}
