//! Versions: what two people may edit at once is answered with its version as `ETag`, and, where `If-Match` names one, changed
//! only as it was seen.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::describe::{Given, Signature, Taken};
use super::problem::Problem;
use crate::domain::people::{AgentView, InfluencerView};
use crate::store::reading::task::TaskView;
use crate::store::reading::view::ThreadView;
use crate::store::webhook::WebhookView;

/// What has a version.
pub(super) trait Versioned {
    /// Grows with every change.
    fn version(&self) -> i64;
}

impl Versioned for InfluencerView {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Versioned for AgentView {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Versioned for ThreadView {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Versioned for TaskView {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Versioned for WebhookView {
    fn version(&self) -> i64 {
        self.version
    }
}

/// An answer with its version.
pub(super) struct Tagged<T>(pub(super) T);

impl<T: Serialize + Versioned> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.0.version()));
        let mut response = Json(self.0).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl<T: JsonSchema> Given for Tagged<T> {
    fn tell(signature: &mut Signature) {
        <Json<T> as Given>::tell(signature);
        signature.tagged = true;
    }
}

/// `If-Match: "3"`: the version as the caller saw it; none where it is not said, or is `*`.
pub(super) struct Seen(pub(super) Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        text.trim_matches('"').parse().map(|version| Self(Some(version))).map_err(|_| {
            let detail = "the header `If-Match` takes the `version` as it was read, for instance \"3\"";
            Problem::new(StatusCode::BAD_REQUEST, "bad_if_match", detail)
        })
    }
}

impl Taken for Seen {
    fn tell(signature: &mut Signature) {
        signature.seen = true;
    }
}
