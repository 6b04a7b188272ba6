//! `/hooks/{account}/…`: where the providers of channels that are no mail post what happens. One route for all of them.
//!
//! It needs no token: a provider signs what it posts, and the account's own connector checks that. It is answered when all that it
//! tells is stored; until then a provider posts it again.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use tower_http::catch_panic::CatchPanicLayer;

use super::describe::{Route, does};
use super::{gate, problem};
use crate::worker;

/// Octets of a body.
const BODY_MAX: usize = 1024 * 1024;
/// Header fields that are looked at.
const FIELDS_MAX: usize = 100;

/// What a provider posted.
#[derive(Clone, PartialEq, Eq)]
pub struct Posted {
    /// The account it is for.
    pub account: String,
    /// What stands in the path behind that.
    pub rest: String,
    /// The method.
    pub method: String,
    /// The path and the query as they came.
    pub path_and_query: String,
    /// By which name the provider reached us.
    pub host: String,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no such account, or none that anything is posted for.
    Unknown,
    /// It is not the provider's, or not of now.
    Unsigned,
    /// It is the provider's, and makes no sense.
    Unreadable,
    /// It can't be stored now.
    NotNow,
}

/// What is answered when all is stored, the media type and the body, or why nothing is.
pub type Answered = Result<(&'static str, String), Refused>;

/// Hears what providers post.
#[derive(Clone)]
pub struct Hears {
    /// Whether anything is posted for an account of this name: what is posted for no other is not even read.
    pub knows: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Hears it.
    pub hears: Arc<dyn Fn(Posted) -> BoxFuture<'static, Answered> + Send + Sync>,
}

const PLAINLY: &[StatusCode] = &[
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// What providers reach.
pub(super) fn routes() -> Vec<Route<Hears>> {
    let hears = || does("What the provider of an account tells, signed by it").plainly(PLAINLY);
    vec![
        Route::at("/hooks/{account}").post(hears().octets("text/plain"), heard_bare),
        Route::at("/hooks/{account}/{*rest}").post(hears().octets("text/plain"), heard),
    ]
}

/// The route, to be merged into the public ones. It has no limit for an address: a provider posts for many from a few.
pub fn hooks_router(hears: Hears) -> Router {
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, route.methods);
    }
    router.layer(from_fn(gate::limit_time)).layer(CatchPanicLayer::custom(problem::panicked)).with_state(hears)
}

async fn heard_bare(hears: State<Hears>, Path(account): Path<String>, request: Request) -> Response {
    hear(hears, (account, String::new()), request).await
}

async fn heard(hears: State<Hears>, Path(named): Path<(String, String)>, request: Request) -> Response {
    hear(hears, named, request).await
}

async fn hear(State(hears): State<Hears>, (account, rest): (String, String), request: Request) -> Response {
    if !(hears.knows)(&account) {
        return refusal(Refused::Unknown);
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return plainly(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB, or broke off");
    };
    let posted = Posted {
        account,
        rest,
        method: parts.method.as_str().to_owned(),
        path_and_query: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        host: field(&parts.headers, &header::HOST),
        headers: fields(&parts.headers),
        body: body.to_vec(),
    };
    // A provider that goes away must not cut what is being stored.
    match worker::to_the_end(async move { (hears.hears)(posted).await }).await {
        Ok(Ok((media, answer))) => {
            let mut response = Response::new(Body::from(answer));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
            response
        }
        Ok(Err(refused)) => refusal(refused),
        Err(_) => refusal(Refused::NotNow),
    }
}

fn refusal(refused: Refused) -> Response {
    let (status, words) = match refused {
        Refused::Unknown => (StatusCode::NOT_FOUND, "nothing is posted here"),
        Refused::Unsigned => (StatusCode::FORBIDDEN, "the signature is not the provider's, or not of now"),
        Refused::Unreadable => (StatusCode::BAD_REQUEST, "it can't be understood"),
        Refused::NotNow => (StatusCode::SERVICE_UNAVAILABLE, "it can't be stored now; post it again"),
    };
    plainly(status, words)
}

fn plainly(status: StatusCode, words: &'static str) -> Response {
    (status, format!("{words}\n")).into_response()
}

fn field(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&header::HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().take(FIELDS_MAX).filter_map(text).collect()
}
