//! A request whose change another one overtook is done again here: nothing of it was written. Only after that does whoever
//! asked hear of it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::BODY_MAX;
use super::problem::Problem;
use crate::store::again::rest_before_next;

/// Marks an answer that says: another change came first, and nothing was changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overtaken;

/// Runs what answers a request, again where it was overtaken. A body that is large, or whose size is not said, is passed on as
/// it comes, once.
pub(super) async fn retry(request: Request, next: Next) -> Response {
    use axum::body::HttpBody as _;
    let is_small = request.body().size_hint().upper().is_some_and(|size| size <= BODY_MAX as u64);
    if request.method().is_safe() || !is_small {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return Problem::new(StatusCode::BAD_REQUEST, "cut_off", "the body did not arrive whole and in time")
            .into_response();
    };
    let mut tried = 0;
    loop {
        tried += 1;
        let again: (Parts, Body) = (parts.clone(), Body::from(body.clone()));
        let response = next.clone().run(Request::from_parts(again.0, again.1)).await;
        if response.extensions().get::<Overtaken>().is_none() || !rest_before_next(tried).await {
            return response;
        }
    }
}
