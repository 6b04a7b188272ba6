//! What every request passes: its number, its time limit, and the check of its token.
//!
//! A route needs the scope that its method and path say here; one that is not named here needs `read` to be looked at and
//! `write` for anything else, so that a new route is never open by accident.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::limit::Limits;
use super::problem::{Problem, numbered};
use super::{ApiState, REQUEST_TIME_MAX};
use crate::clock::Clock;
use crate::domain::words::{Scope, Word as _};
use crate::hub::token::{TokenRefusal, check_token};
use crate::store::Store;
use crate::store::token::TokenView;
use crate::telemetry::metrics;

/// Whoever asks, once the token was checked.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Arc<TokenView>);

impl Caller {
    /// Who it is, for the record.
    pub(super) fn by(&self) -> String {
        format!("token {}", self.0.name)
    }
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unauthorized)
    }
}

/// The scope that a route needs. Paths are those of the routes, with their `{…}`.
pub(super) fn needed_scope(method: &Method, path: &str) -> Scope {
    match (method, path) {
        (_, "/metrics") => Scope::Metrics,
        // Whoever makes a webhook hears everything from then on, as with a token. What lets mail go to somebody who said no is for
        // those who answer for it, not for every program that writes.
        (_, "/v1/tokens" | "/v1/tokens/{id}" | "/v1/release")
        | (&Method::POST, "/v1/webhooks" | "/v1/webhooks/{id}/rotate")
        | (&Method::PATCH | &Method::DELETE, "/v1/webhooks/{id}")
        | (&Method::DELETE, "/v1/suppressions" | "/v1/influencers/{id}") => Scope::Admin,
        (
            &Method::POST,
            "/v1/messages"
            | "/v1/threads/{id}/reply"
            | "/v1/outbox/{id}/settle"
            | "/v1/outbox/{id}/approve"
            | "/v1/sequences/{id}/preview/send",
        ) => Scope::MessagesSend,
        (
            &Method::POST,
            "/v1/sequences/{id}/enrollments"
            | "/v1/sequences/{id}/pause"
            | "/v1/sequences/{id}/resume"
            | "/v1/sequences/{id}/migrate"
            | "/v1/accounts/{name}/pause"
            | "/v1/accounts/{name}/resume"
            | "/v1/pause"
            | "/v1/resume",
        )
        | (&Method::PATCH, "/v1/enrollments/{id}")
        | (&Method::DELETE, "/v1/sequences/{id}") => Scope::SequencesRun,
        // What they are asked is too much for a query; they change nothing.
        (
            &Method::POST,
            "/v1/sequences/check"
            | "/v1/sequences/{id}/preview"
            | "/v1/sequences/{id}/diff"
            | "/v1/sequences/{id}/simulate"
            | "/v1/sequences/{id}/test",
        )
        | (&Method::GET | &Method::HEAD, _) => Scope::Read,
        _ => Scope::Write,
    }
}

fn unauthorized() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "no_token",
        "send a token in the header `Authorization: Bearer lia_…`; `liaison token create` makes one",
    )
}

pub(super) fn bearer(request: &Request) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Lets a request pass whose token is good for the route.
pub(super) async fn authorize(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let (presented, address) = (bearer(&request), state.limits.address_of(&request));
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let needed = needed_scope(request.method(), path);
    let door = Door { store: state.store, clock: state.clock, limits: state.limits };
    let admitted = door.admit((presented, address), needed).await;
    match admitted.and_then(|caller| door.limits.token(caller.0.id).map(|()| caller)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Where tokens are looked at. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    /// Where they are looked up.
    pub store: Store,
    /// Time, for their end.
    pub clock: Clock,
    /// How often somebody without a good one may try.
    pub limits: Limits,
}

impl Door {
    /// Whoever presents a token from an address, where it is good for the scope. Whoever was refused there too often is told to
    /// wait before anything is looked up.
    pub(super) async fn admit(
        &self,
        (presented, address): (Option<String>, Option<IpAddr>),
        needed: Scope,
    ) -> Result<Caller, Problem> {
        let now = self.clock.now();
        let is_over = |token: &TokenView| token.expires_at.is_some_and(|at| at <= now);
        let fresh = presented.as_deref().and_then(|token| self.limits.known().fresh(token));
        let token = match fresh.filter(|token| !is_over(token)) {
            Some(token) => token,
            None => self.look_up((presented.as_deref(), address)).await?,
        };
        if !token.scopes.contains(&needed) {
            let has = token.scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
            let detail = format!("this needs a token with the scope `{needed}`; this one has: {has}");
            return Err(Problem::new(StatusCode::FORBIDDEN, "missing_scope", detail));
        }
        Ok(Caller(token))
    }

    async fn look_up(&self, (presented, address): (Option<&str>, Option<IpAddr>)) -> Result<Arc<TokenView>, Problem> {
        self.limits.try_token(address, presented)?;
        let Some(presented) = presented else {
            self.limits.refused(address)?;
            return Err(unauthorized());
        };
        let (known, seen) = (self.limits.known(), self.limits.known().now());
        let mut tx = self.store.read().await?;
        // Where the store could not say, nothing is known.
        let (code, detail) = match check_token(&mut tx, &self.clock, presented).await? {
            Ok(token) => {
                let token = Arc::new(token);
                known.note(presented, &token, seen);
                return Ok(token);
            }
            Err(TokenRefusal::Unknown) => ("bad_token", "there is no such token"),
            Err(TokenRefusal::Expired) => ("token_expired", "this token has expired; make another one"),
            Err(TokenRefusal::Revoked) => ("token_revoked", "this token was revoked; make another one"),
        };
        known.forget(presented);
        self.limits.refused(address)?;
        Err(Problem::new(StatusCode::UNAUTHORIZED, code, detail))
    }
}

/// Ends a request that takes too long; what it began is rolled back.
pub(super) async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => too_slow().into_response(),
    }
}

/// A request was ended half-way.
pub(super) fn too_slow() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "too_slow",
        "the request took too long and was ended; look before sending it again",
    )
}

/// Gives a request its number: in the answer's header, in a problem, and in the log.
pub(super) async fn number(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let request_id = format!("req_{}", state.clock.new_id().simple());
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map(|p| p.as_str().to_owned()).unwrap_or_default();
    let span = tracing::info_span!("http.request", request_id, %method, path = path.as_str());
    let begun = tokio::time::Instant::now();
    let response = tracing::Instrument::instrument(next.run(request), span.clone()).await;
    let mut response = numbered(response, &request_id);
    span.in_scope(|| {
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(status = response.status().as_u16(), took_ms, "answered");
        metrics::http_request(method.as_str(), &path, response.status().as_u16(), begun.elapsed());
    });
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
