//! What readers of mail reach without a token of the API: the pixel, links, and the page to unsubscribe.
//!
//! Every path carries a signed token; any other is answered 404 before anything is looked up. Where a link leads is read
//! from the database, never from the request.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method as HttpMethod, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::Notify;
use tower_http::catch_panic::CatchPanicLayer;

use super::describe::{Route, does};
use super::limit::{self, Limits};
use super::{gate, problem};
use crate::clock::Clock;
use crate::domain::hit::Method;
use crate::domain::ids::MessageId;
use crate::domain::words::HitKind;
use crate::hub::unsubscribe::{How, is_done, unsubscribe_by_token};
use crate::store::again::{again, is_overtaken};
use crate::store::{Store, StoreError};
use crate::tracking::{Answer, Seen, Tracking};
use crate::worker;

/// Octets of the body of a POST that says no.
const BODY_MAX: usize = 16 * 1024;
/// One transparent pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
/// Headers by which a browser says that it fetches ahead.
const HINTS: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const PAGE_HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex, nofollow\">\
    <title>Unsubscribe</title><style>body{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto;padding:0 1em}\
    button{font:inherit;padding:.5em 1em}</style></head><body>";
const PAGE_ASK: &str = "<h1>Unsubscribe</h1><p>Do you want to get no more mail from us at this address?</p>\
    <form method=\"post\"><button type=\"submit\">Unsubscribe</button></form>";
const PAGE_DONE: &str = "<h1>Unsubscribed</h1><p>We will not write to this address any more.</p>";
const PAGE_END: &str = "</body></html>\n";

/// What the public routes work with. Cheap to clone.
#[derive(Clone)]
pub struct PublicState {
    /// The database.
    pub store: Store,
    /// Business time and ids.
    pub clock: Clock,
    /// Keeps hits.
    pub tracking: Tracking,
    /// Rung when events were written.
    pub stored: Arc<Notify>,
    /// How often somebody may ask.
    pub limits: Limits,
}

/// What stands in a path, as far as that can be read.
type Token = Result<Path<String>, PathRejection>;

/// The public routes, to be merged into the API's or served by themselves.
pub fn public_router(state: PublicState) -> Router {
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, route.methods);
    }
    router
        .route_layer(from_fn_with_state(state.limits.clone(), limited))
        .layer(from_fn(gate::limit_time))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .with_state(state)
}

/// Holds readers to their limit. Who says no is never refused.
pub(super) async fn limited(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    if request.method() != HttpMethod::POST
        && let Err(wait) = limits.reader(limits.address_of(&request))
    {
        let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "Too many requests. Please try again in a minute.\n");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(limit::seconds(wait)));
        return response;
    }
    next.run(request).await
}

/// What is said in plain words: people see it in a browser. Who says no is never refused for asking too often.
const READERS: &[StatusCode] = &[StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
const SAYING_NO: &[StatusCode] =
    &[StatusCode::NOT_FOUND, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::SERVICE_UNAVAILABLE];

/// What readers of mail reach; any answer that is not the one described is a page of plain text.
pub(super) fn routes() -> Vec<Route<PublicState>> {
    vec![
        Route::at("/t/o/{file}").get(does("The pixel of a message").octets("image/gif").plainly(READERS), open),
        Route::at("/t/c/{token}").get(
            does("A link of a message; leads to where it was meant to")
                .status(StatusCode::FOUND)
                .octets("text/plain")
                .plainly(READERS),
            click,
        ),
        Route::at("/u/{token}")
            .get(does("The page that asks whether to unsubscribe").octets("text/html").plainly(READERS), ask)
            .post(
                does("Unsubscribe, by the page or by one click (RFC 8058)")
                    .octets("text/html")
                    .plainly(SAYING_NO)
                    .body_max(BODY_MAX),
                unsubscribe,
            ),
    ]
}

fn hint_of(headers: &HeaderMap) -> Option<String> {
    HINTS.iter().find_map(|name| {
        let value = headers.get(*name)?.to_str().ok()?;
        let lower = value.to_ascii_lowercase();
        (lower.contains("prefetch") || lower.contains("preview") || lower.contains("prerender"))
            .then(|| format!("{name}: {value}"))
    })
}

/// What is seen of a request for a token; `None` where it is no token of these kinds.
fn see(state: &PublicState, token: &str, kinds: &[HitKind], request: &Request) -> Option<Seen> {
    let token = state.tracking.read_token(token, kinds)?;
    let agent = request.headers().get(header::USER_AGENT).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    Some(Seen {
        token,
        method: if request.method() == HttpMethod::HEAD { Method::Head } else { Method::Get },
        agent: agent.unwrap_or_default(),
        address: state.limits.address_of(request),
        hint: hint_of(request.headers()),
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = (status, text).into_response();
    quiet(response.headers_mut());
    response
}

fn unknown() -> Response {
    plain(StatusCode::NOT_FOUND, "There is nothing here.\n")
}

fn unavailable() -> Response {
    plain(StatusCode::SERVICE_UNAVAILABLE, "This can't be answered now. Please try again in a minute.\n")
}

/// Nothing of an answer is kept, told to others, or listed.
fn quiet(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, max-age=0"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
}

async fn open(State(state): State<PublicState>, file: Token, request: Request) -> Response {
    let Ok(Path(file)) = file else { return unknown() };
    let Some(token) = file.strip_suffix(".gif") else { return unknown() };
    let Some(seen) = see(&state, token, &[HitKind::Open], &request) else { return unknown() };
    drop(request);
    match state.tracking.hit(seen).await {
        Answer::Unknown => unknown(),
        // A mail program that gets no picture shows a hole.
        Answer::Found(_) | Answer::Unavailable => {
            let mut response = Body::from(PIXEL).into_response();
            quiet(response.headers_mut());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
            response
        }
    }
}

async fn click(State(state): State<PublicState>, token: Token, request: Request) -> Response {
    let Ok(Path(token)) = token else { return unknown() };
    let Some(seen) = see(&state, &token, &[HitKind::Click, HitKind::Hidden], &request) else { return unknown() };
    drop(request);
    match state.tracking.hit(seen).await {
        Answer::Unknown => unknown(),
        Answer::Unavailable => unavailable(),
        Answer::Found(None) => page(""),
        Answer::Found(Some(url)) => match HeaderValue::from_str(&url) {
            Ok(location) => {
                let mut response = StatusCode::FOUND.into_response();
                quiet(response.headers_mut());
                response.headers_mut().insert(header::LOCATION, location);
                response
            }
            Err(_) => unknown(),
        },
    }
}

fn page(body: &str) -> Response {
    let mut response = axum::response::Html(format!("{PAGE_HEAD}{body}{PAGE_END}")).into_response();
    quiet(response.headers_mut());
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    response
}

/// The page that asks. Looking at it changes nothing: scanners follow links.
async fn ask(State(state): State<PublicState>, token: Token, request: Request) -> Response {
    let Ok(Path(token)) = token else { return unknown() };
    let Some(seen) = see(&state, &token, &[HitKind::Unsubscribe], &request) else { return unknown() };
    drop(request);
    match state.tracking.hit(seen).await {
        Answer::Unknown => unknown(),
        Answer::Found(_) | Answer::Unavailable => page(PAGE_ASK),
    }
}

/// Acts at once, by the form or by one click (RFC 8058 §3.2).
async fn unsubscribe(State(state): State<PublicState>, token: Token, body: Bytes) -> Response {
    let Ok(Path(token)) = token else { return unknown() };
    let Some(of) = state.tracking.read_token(&token, &[HitKind::Unsubscribe]) else { return unknown() };
    // Whoever says it again and again costs reads and no write.
    if let Ok(true) = is_done_before(&state, of.message).await {
        return page(PAGE_DONE);
    }
    let how =
        if String::from_utf8_lossy(&body).contains("List-Unsubscribe=One-Click") { How::OneClick } else { How::Page };
    // To its end though the reader closes the page or their provider gives up waiting: a no was said.
    let acted = worker::to_the_end(async move { again(is_overtaken, || act(&state, &token, how)).await }).await;
    match acted {
        Ok(Ok(true)) => page(PAGE_DONE),
        Ok(Ok(false)) => unknown(),
        Ok(Err(error)) => {
            tracing::error!(%error, "an unsubscribe could not be kept");
            unavailable()
        }
        Err(error) => {
            tracing::error!(%error, "an unsubscribe was not carried to its end");
            unavailable()
        }
    }
}

async fn is_done_before(state: &PublicState, message: MessageId) -> Result<bool, StoreError> {
    is_done(&mut state.store.read().await?, message).await
}

async fn act(state: &PublicState, token: &str, how: How) -> Result<bool, StoreError> {
    let keys = state.tracking.keys();
    let mut tx = state.store.begin("public.unsubscribe").await?;
    let done = unsubscribe_by_token(&mut tx, &state.clock, &keys, (token, how)).await?;
    tx.commit().await?;
    state.stored.notify_waiters();
    Ok(done.is_some())
}
