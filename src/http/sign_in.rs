//! `GET /oauth/callback`: where a provider sends a person who signed in, when the sign-in began with the hub's own address.
//!
//! It needs no token: the state that comes back is known to nobody else, and is good once. Nothing of the request is kept
//! or logged.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;

use super::describe::{Route, does, text};
use super::limit::Limits;
use super::{gate, problem, track};
use crate::domain::oauth::read_query;
use crate::login::{SignInError, SignIns};
use crate::worker;

/// What signs people in under the configuration that is in force now.
pub type CurrentSignIns = Arc<dyn Fn() -> SignIns + Send + Sync>;

/// The longest query that is read, octets.
const QUERY_MAX: usize = 8 * 1024;

/// How an answer that is no sign-in is said, on a page as well.
const PAGES: &[StatusCode] = &[StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE];
const PLAINLY: &[StatusCode] = &[StatusCode::TOO_MANY_REQUESTS];

/// What a provider sends people to.
pub(super) fn routes() -> Vec<Route<CurrentSignIns>> {
    let query = vec![
        text("code", "What the sign-in is exchanged for"),
        text("state", "Which sign-in this answers; known to nobody else, and good once"),
        text("error", "Why there is no code"),
    ];
    let ends = does("The end of a sign-in at a provider, for the browser that comes from there");
    vec![
        Route::at("/oauth/callback").get(ends.takes(query).octets("text/html").pages(PAGES).plainly(PLAINLY), callback),
    ]
}

/// The route, to be merged into the public ones, and held to the limit of readers.
pub fn sign_in_router(current: CurrentSignIns, limits: Limits) -> Router {
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, route.methods);
    }
    router
        .route_layer(from_fn_with_state(limits, track::limited))
        .layer(from_fn(gate::limit_time))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .with_state(current)
}

async fn callback(State(current): State<CurrentSignIns>, RawQuery(query): RawQuery) -> Response {
    let returned = query.filter(|q| q.len() <= QUERY_MAX).and_then(|q| read_query(&q));
    let Some(returned) = returned else {
        return page(StatusCode::BAD_REQUEST, "There is no answer of a sign-in here.");
    };
    // A browser that goes away must not cut the exchange: the code is good once.
    let done = worker::to_the_end(async move { current().finish(returned, None).await }).await;
    let Ok(done) = done else {
        return page(StatusCode::INTERNAL_SERVER_ERROR, "The sign-in ended badly; the log says why.");
    };
    match done {
        Ok(done) => {
            let words = format!("{} is signed in. This page can be closed.", escape(&done.account));
            page(StatusCode::OK, &words)
        }
        Err(error) => {
            let status = match &error {
                SignInError::Store(_) | SignInError::Http(_) | SignInError::Mailbox(_) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                SignInError::Provider(_) => StatusCode::BAD_GATEWAY,
                SignInError::Wish(_)
                | SignInError::UnknownState
                | SignInError::Refused(_)
                | SignInError::NoRefreshToken
                | SignInError::WrongMailbox { .. }
                | SignInError::Seal(_) => StatusCode::BAD_REQUEST,
            };
            // Anybody may bring a state that nobody knows, as often as they like.
            if matches!(error, SignInError::UnknownState) {
                tracing::debug!(%error, "a sign-in did not come about");
            } else {
                tracing::warn!(%error, "a sign-in did not come about");
            }
            page(status, &format!("The sign-in did not come about: {}.", escape(&error.to_string())))
        }
    }
}

fn escape(text: &str) -> String {
    html_escape::encode_text(text).into_owned()
}

fn page(status: StatusCode, words: &str) -> Response {
    let text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Sign-in</title></head><body><p>{words}</p></body></html>\n"
    );
    let mut response = (status, Html(text)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, max-age=0"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    );
    response
}
