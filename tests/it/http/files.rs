//! Files beside messages over the API: in pieces as they were kept, or why not.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use liaison::clock::Clock;
use liaison::domain::ids::{InfluencerId, MessageId, RunId};
use liaison::domain::words::{Channel, Role};
use liaison::store::file::{FileGrip, FilePiece, NewFile};
use serde_json::json;

use super::Api;
use super::described::Described;
use crate::seed;
use crate::stores::Fresh;

/// A text message of hers with files: kept, to be fetched, to be fetched again, gone.
async fn with_files(fresh: &Fresh, clock: &Clock, ana: InfluencerId, mime: &str) -> MessageId {
    let thread = seed::thread(fresh, clock, ana, 1).await;
    let mut message = seed::message(clock, thread.conversation_id, 7);
    message.channel = Channel::Sms;
    let about = json!({"name": "a", "content_type": mime, "size": 0, "inline": false, "content_id": null});
    message.attachments = Some(json!([about, about, about, about]));
    let id = message.id;
    seed::put(fresh, message, vec![(ana, thread.id, Role::Author)]).await;
    let mut tx = fresh.store.begin("test.files").await.unwrap();
    let file = |position, gone: Option<&str>| NewFile {
        message_id: id,
        position,
        account: "texts".into(),
        url: "https://files.example/1".into(),
        name: "a\"b.html".into(),
        mime: mime.into(),
        size: None,
        gone: gone.map(str::to_owned),
        at: seed::at(position),
    };
    tx.insert_files(vec![file(0, None), file(1, None), file(2, None), file(3, Some("it is too large"))]).await.unwrap();
    let run = RunId(clock.new_id());
    let due = tx.claim_file("texts", run, seed::at(9), 60).await.unwrap().unwrap();
    let grip = FileGrip { message_id: id, position: 0, holder: run, tries: due.tries };
    let hash = id.0.as_bytes();
    for (n, piece) in (0..).zip(["<script>", "alert(1)", "</script>"]) {
        tx.insert_file_piece(hash, n, FilePiece::pack(piece.as_bytes()).unwrap()).await.unwrap();
    }
    assert!(tx.keep_file(grip, (hash, 25)).await.unwrap());
    let due = tx.claim_file("texts", run, seed::at(9), 60).await.unwrap().unwrap();
    let grip = FileGrip { message_id: id, position: 1, holder: run, tries: due.tries };
    assert!(tx.defer_file(grip, seed::at(99), ("HTTP 503", true)).await.unwrap());
    tx.commit().await.unwrap();
    id
}

/// Each answer is one that is described.
pub async fn files(api: &Described, ana: InfluencerId) {
    let id = with_files(&api.fresh, &api.clock, ana, "text/html").await;
    let message = api.well("GET", &format!("/v1/messages/{id}"), None).await;
    let states: Vec<&str> =
        message["attachments"].as_array().unwrap().iter().map(|file| file["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["kept", "waiting", "waiting", "gone"]);
    api.well("GET", message["attachments"][0]["path"].as_str().unwrap(), None).await;
    for (n, status, code, word) in [
        (1, 409, "not_fetched", "HTTP 503"),
        (2, 409, "not_fetched", "again later"),
        (3, 410, "gone", "too large"),
        (4, 404, "not_found", "file `4`"),
    ] {
        let (got, problem) = api.ask("GET", &format!("/v1/messages/{id}/files/{n}"), None).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{n}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    let nobody = MessageId(api.clock.new_id());
    assert_eq!(api.ask("GET", &format!("/v1/messages/{nobody}/files/0"), None).await.0, 404);
}

#[tokio::test]
async fn files_are_saved_and_never_shown() {
    let api = Api::sqlite().await;
    let ids = Clock::machine();
    let ana = seed::influencer(&api.fresh, &ids).await;
    for (given, said) in [("text/html", "application/octet-stream"), ("image/png", "image/png")] {
        let id = with_files(&api.fresh, &ids, ana, given).await;
        let request = Request::get(format!("/v1/messages/{id}/files/0"))
            .header(header::AUTHORIZATION, format!("Bearer {}", api.token))
            .body(Body::empty())
            .unwrap();
        let response = api.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("content-type").as_str(), header("content-length").as_str()), (said, "25"));
        assert!(header("content-disposition").starts_with("attachment; filename=\"a_b.html\""));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-security-policy").contains("sandbox"));
        assert_eq!(to_bytes(response.into_body(), 1_000).await.unwrap(), b"<script>alert(1)</script>".as_slice());
        // Others who are not let in get nothing.
        assert_eq!(
            api.call(None, "GET", &format!("/v1/messages/{id}/files/0"), None).await.0,
            StatusCode::UNAUTHORIZED
        );
    }
}
