//! Problems as RFC 9457 says: what went wrong, a stable code for programs, and where in the request.
//!
//! What a problem says is for the caller; what only the operator may know goes to the log under the same request id.

use std::any::Any;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::actions::ActionError;
use super::again::Overtaken;
use crate::hub::people::PeopleError;
use crate::store::StoreError;
use crate::store::again::is_overtaken;

/// The code of a problem that another change came first.
const TRY_AGAIN: &str = "try_again";
/// Seconds after which it is worth asking again what it was not one's turn for.
const SURVEY_REST: u32 = 5;

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(super) struct Problem {
    /// The HTTP status.
    pub(super) status: u16,
    /// A stable word for programs.
    pub(super) code: &'static str,
    /// The same for people, the same for every problem of this code's status.
    pub(super) title: &'static str,
    /// What happened this time, and what to do.
    pub(super) detail: String,
    /// Where in the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<FieldError>,
    /// The number of the request, also in the header `X-Request-Id` and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
    /// Seconds after which it is worth asking again: the header `Retry-After`.
    #[serde(skip)]
    pub(super) retry_after: Option<u32>,
}

/// One field or parameter that can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(super) struct FieldError {
    /// A JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pointer: Option<String>,
    /// The name of a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameter: Option<String>,
    /// What is wrong with it.
    pub(super) detail: String,
}

impl Problem {
    /// A problem of this status.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            code,
            title: status.canonical_reason().unwrap_or("Problem"),
            detail: detail.into(),
            errors: Vec::new(),
            request_id: None,
            retry_after: None,
        }
    }

    /// The same, for a while.
    pub(super) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// There is no such thing.
    pub(super) fn not_found(sort: &str, given: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {sort} `{given}`"))
    }

    /// The same, with a query parameter that is to blame.
    pub(super) fn parameter(mut self, name: &str, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: None, parameter: Some(name.to_owned()), detail: detail.into() });
        self
    }

    /// The same, with a field of the body that is to blame.
    pub(super) fn field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: Some(pointer.into()), parameter: None, detail: detail.into() });
        self
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if is_overtaken(&error) {
            tracing::debug!(%error, "a request was overtaken by another change");
        } else if matches!(error, StoreError::Busy | StoreError::TooLong) {
            tracing::warn!(%error, "a request was not answered");
        } else {
            tracing::error!(%error, "a request failed in the store");
        }
        match error {
            StoreError::Conflict(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                TRY_AGAIN,
                "another change came first; nothing was changed; send the request again",
            ),
            StoreError::Exists(_) => {
                Self::new(StatusCode::CONFLICT, "exists", "it is there already; nothing was changed")
            }
            StoreError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "the database can't be used now: its disk may be full, or its server away; nothing was changed; try again later",
            ),
            StoreError::Commit(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "commit_unknown",
                "it is not known whether the change was kept; look before sending the request again",
            ),
            StoreError::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "others ask what takes a look at much of what is stored, and it was not your turn in time; ask again later",
            )
            .retry_after(SURVEY_REST),
            StoreError::TooLong => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "too_much",
                "this asks for a look at more than one request may look at; ask for less: numbers of a shorter time with \
                 `since` and `until`, a list with one more filter such as `stage`, `owner` or `tag`",
            ),
            StoreError::Newer(_) | StoreError::Unhandled(_) | StoreError::Damaged(_) => Self::internal(),
        }
    }
}

impl Problem {
    /// What only the operator can look into.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; the log has more under the request id",
        )
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        let detail = error.to_string();
        match error {
            ActionError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            ActionError::Invalid(flaws) => {
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
                flaws.into_iter().fold(problem, |problem, (pointer, what)| problem.field(pointer, what))
            }
            ActionError::Conflict { code, detail } => Self::new(StatusCode::CONFLICT, code, detail),
            ActionError::Store(error) => Self::from(error),
        }
    }
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let detail = error.to_string();
        match error {
            PeopleError::Store(error) => Self::from(error),
            PeopleError::NoInfluencer(_) | PeopleError::NoAgent(_) | PeopleError::NoAddress(_) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", detail)
            }
            PeopleError::Invalid(flaws) => {
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
                flaws.into_iter().fold(problem, |problem, f| problem.field(format!("/{}", f.field), f.reason))
            }
            PeopleError::UnknownStage { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail.clone()).field("/stage", detail)
            }
            PeopleError::HandleTaken { .. }
            | PeopleError::AddressTaken { .. }
            | PeopleError::MailWaits { .. }
            | PeopleError::AddressInUse(_)
            | PeopleError::InHand(_)
            | PeopleError::Chance(_)
            | PeopleError::NotMerged(_)
            | PeopleError::Changed(_)
            | PeopleError::AgentChanged(_) => Self::new(StatusCode::CONFLICT, "conflict", detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        if self.code == TRY_AGAIN {
            response.extensions_mut().insert(Overtaken);
        }
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Puts the request's number into an answer that is a problem, and makes a problem of an error that is none yet.
pub(super) fn numbered(response: Response, request_id: &str) -> Response {
    let status = response.status();
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => Problem { request_id: Some(request_id.to_owned()), ..problem.clone() },
        None if status.is_client_error() || status.is_server_error() => Problem {
            request_id: Some(request_id.to_owned()),
            ..Problem::new(status, "refused", "the request can't be taken as it is")
        },
        None => return response,
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut response: Response<Body> = problem.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// There is nothing at this path.
#[allow(clippy::unused_async, reason = "axum asks for an async function")]
pub(super) async fn no_such_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", format!("there is nothing at `{path}`"))
}

/// There is something at this path, but not for this method.
#[allow(clippy::unused_async, reason = "axum asks for an async function")]
pub(super) async fn no_such_method(method: Method) -> Problem {
    let detail = format!("this path does not take {method}; the header Allow says what it takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", detail)
}

/// A handler panicked: a bug. The process goes on.
#[allow(clippy::needless_pass_by_value, reason = "the shape the layer asks for")]
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words");
    tracing::error!(panic = what, "a handler panicked");
    Problem::internal().into_response()
}
