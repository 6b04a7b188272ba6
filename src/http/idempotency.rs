//! `Idempotency-Key` on POST: the same request with the same key acts once, for 24 hours, and is answered as the first time.
//!
//! A program that lost an answer sends its request again with the same key. What the request did was marked as done in the
//! transaction that did it (`store::idempotency`), so a process that dies in between leaves no lie: a request that did
//! nothing may run again, and one that did something never does. A refusal changes nothing and is not kept.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;

use super::body::unread;
use super::gate::Caller;
use super::problem::Problem;
use super::{ApiState, BODY_MAX, REQUEST_TIME_MAX};
use crate::store::StoreError;
use crate::store::again::rest_before_next;
use crate::store::idempotency::{Claimed, KeptAnswer, Receipt};
use crate::worker;

/// Characters of a key.
const KEY_MAX: usize = 200;
/// Octets of an answer that is kept; of a larger one it is only known that the request was carried out.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// Says that an answer is not the first one.
const REPLAYED: &str = "idempotent-replayed";

/// What matters of an operation here.
#[derive(Clone, Copy)]
struct Facts {
    body_max: usize,
    secret: bool,
    repeatable: bool,
}

fn facts(path: &str) -> Facts {
    static ALL: OnceLock<HashMap<String, Facts>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let posts = super::operations().into_iter().filter(|placed| placed.operation.method == Method::POST);
        posts
            .map(|p| {
                let does = &p.operation.does;
                (p.path, Facts { body_max: does.body_max, secret: does.secret, repeatable: does.repeatable })
            })
            .collect()
    });
    all.get(path).copied().unwrap_or(Facts { body_max: BODY_MAX, secret: false, repeatable: false })
}

fn path_of(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str)
}

fn key_of(request: &Request) -> Result<Option<String>, Problem> {
    let mut given = request.headers().get_all("idempotency-key").iter();
    let Some(key) = given.next() else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| {
        (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ')
    });
    if let (Some(key), None) = (key, given.next()) {
        return Ok(Some(key.to_owned()));
    }
    let detail = format!("the header `Idempotency-Key` takes one key of 1 to {KEY_MAX} printable ASCII characters");
    Err(Problem::new(StatusCode::BAD_REQUEST, "bad_idempotency_key", detail))
}

/// All that a request says: another path, query or body is another request.
fn hash_of(request: &Request, body: &[u8]) -> Vec<u8> {
    let kind = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let mut hash = Sha256::new();
    for part in [request.uri().path().as_bytes(), request.uri().query().unwrap_or_default().as_bytes(), kind, body] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// Lets a request act that has no key, or whose key is new.
pub(super) async fn once(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let key = match key_of(&request) {
        // It is done in several transactions, and its key would stand for the first of them.
        Ok(Some(_)) if facts(path_of(&request)).repeatable => return next.run(request).await,
        Ok(Some(key)) => key,
        Ok(None) => return next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    match claim(&state, key, request).await {
        Ok(Step::Answer(response)) => response,
        Ok(Step::Run { receipt, request, secret }) => {
            let work = run(state, (receipt, secret), request, next).in_current_span();
            // Whoever asks may lose patience; the answer is kept all the same.
            match worker::to_the_end(work).await {
                Ok(response) => response,
                Err(error) => {
                    tracing::error!(%error, "a request ended badly");
                    Problem::internal().into_response()
                }
            }
        }
        Err(problem) => problem.into_response(),
    }
}

/// What is to be done with a request.
enum Step {
    Answer(Response),
    Run { receipt: Receipt, request: Request, secret: bool },
}

async fn claim(state: &ApiState, key: String, request: Request) -> Result<Step, Problem> {
    let path = path_of(&request);
    let Facts { body_max, secret, .. } = facts(path);
    let token = request.extensions().get::<Caller>().map(|caller| caller.0.id).ok_or_else(Problem::internal)?;
    let (request, body) = read(request, body_max).await?;
    let receipt = Receipt { token, key, attempt: state.clock.new_id() };
    let hash = hash_of(&request, &body);
    let mut tried = 0;
    let claimed = loop {
        let mut tx = state.store.begin("http.claim_request").await?;
        let claimed = tx.claim_request(&receipt, hash.clone()).await?;
        tx.commit().await?;
        tried += 1;
        // What was done a moment ago may not have its answer beside it yet.
        if !matches!(claimed, Claimed::Done) || !rest_before_next(tried).await {
            break claimed;
        }
    };
    let conflict = |code, detail| Problem::new(StatusCode::CONFLICT, code, detail);
    match claimed {
        Claimed::Ours => {
            let request = request.map(|_| Body::from(body));
            Ok(Step::Run { receipt, request, secret })
        }
        Claimed::Answered(answer) => Ok(Step::Answer(replay(answer))),
        Claimed::Running => {
            let detail = "the first request with this key is being worked on; ask again in a moment";
            Err(conflict("in_progress", detail).retry_after(1))
        }
        Claimed::Done => Err(conflict(
            "answer_lost",
            "the request with this key was carried out, but its answer is not kept; nothing was done now: look at what came \
             of it, and use another key for another request",
        )),
        Claimed::Other => {
            let detail = "this key was used for another request; use another key for what is not the same";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", detail))
        }
    }
}

/// The request with its body read, up to what its path takes.
async fn read(request: Request, body_max: usize) -> Result<(Request, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let mut whole = Request::from_parts(parts.clone(), body);
    DefaultBodyLimit::max(body_max).apply(&mut whole);
    let body = Bytes::from_request(whole, &()).await.map_err(|rejection| unread(rejection.status()))?;
    Ok((Request::from_parts(parts, Body::empty()), body))
}

fn replay(answer: KeptAnswer) -> Response {
    let status = u16::try_from(answer.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), answer.body).into_response();
    let kind = HeaderValue::from_str(&answer.media);
    response.headers_mut().insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/json")));
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

async fn run(state: ApiState, (receipt, secret): (Receipt, bool), request: Request, next: Next) -> Response {
    let work = tokio::time::timeout(REQUEST_TIME_MAX, next.run(request));
    let Ok(response) = receipt.clone().cover(work).await else {
        settle(&state, &receipt, None).await;
        return super::gate::too_slow().into_response();
    };
    if !response.status().is_success() {
        settle(&state, &receipt, None).await;
        return response;
    }
    if secret {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else { return Problem::internal().into_response() };
    let media = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    if body.len() <= ANSWER_MAX {
        let answer = KeptAnswer { status: i64::from(parts.status.as_u16()), media, body: body.to_vec() };
        settle(&state, &receipt, Some(answer)).await;
    }
    Response::from_parts(parts, Body::from(body))
}

/// Keeps the answer, or gives back the key of a request that changed nothing. Where that fails, the row says less than could be
/// known, and nothing false.
async fn settle(state: &ApiState, receipt: &Receipt, answer: Option<KeptAnswer>) {
    let kept: Result<(), StoreError> = async {
        let mut tx = state.store.begin("http.settle_request").await?;
        match answer {
            Some(answer) => tx.keep_answer(receipt, answer).await?,
            None => tx.give_request_back(receipt).await?,
        }
        tx.commit().await
    }
    .await;
    if let Err(error) = kept {
        tracing::warn!(%error, "the answer to a request with an Idempotency-Key was not kept");
    }
}
