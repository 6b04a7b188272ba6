//! JSON bodies and path parameters, with errors that say where: a JSON pointer, or the sort of id that is wanted.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::ApiState;
use super::page::NoQuery;
use super::problem::Problem;
use crate::domain::ids::{
    AgentId, EnrollmentId, EventId, IdError, InfluencerId, MessageId, NoteId, TaskId, ThreadId, TokenId,
    WebhookDeliveryId, WebhookId,
};
use crate::hub::people::survivor;

/// Characters of a name in a path that are looked at.
const NAME_MAX: usize = 200;

/// A JSON body that was read whole. Refuses query parameters as well: what is sent in a body has none.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        NoQuery::from_request_parts(&mut parts, state).await?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" {
            let detail = "send JSON, with the header `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
        }
        let whole = Bytes::from_request(Request::from_parts(parts, body), state).await;
        let bytes = whole.map_err(|rejection| unread(rejection.status()))?;
        read(&bytes).map(Self)
    }
}

/// A body that could not be read, by the status the framework has for it.
pub(super) fn unread(status: StatusCode) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is larger than is taken here")
    } else {
        Problem::new(StatusCode::BAD_REQUEST, "cut_off", "the body did not arrive whole and in time")
    }
}

/// A JSON body that may be left out.
pub(super) struct Optional<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for Optional<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            return Body::from_request(request, state).await.map(|Body(given)| Self(given));
        }
        let (mut parts, body) = request.into_parts();
        NoQuery::from_request_parts(&mut parts, state).await?;
        match Bytes::from_request(Request::from_parts(parts, body), state).await {
            Ok(bytes) if bytes.is_empty() => Ok(Self(T::default())),
            _ => {
                let detail = "send JSON, with the header `Content-Type: application/json`, or no body";
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail))
            }
        }
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        let what = error.to_string();
        if error.is_data() {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("the body can't be taken: {what}"))
                .field(pointer, what)
        } else {
            malformed(&what)
        }
    })?;
    json.end().map_err(|e| malformed(&e.to_string()))?;
    // A list would be taken for the values of an object, in the order in which the program has its keys.
    if bytes.trim_ascii_start().starts_with(b"[") {
        let what = "a list, where an object is wanted: {\"key\": value}";
        let detail = format!("the body can't be taken: {what}");
        return Err(
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).field(String::new(), what.to_owned())
        );
    }
    Ok(value)
}

fn malformed(what: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not JSON: {what}"))
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    for segment in path {
        out.push('/');
        match segment {
            Segment::Seq { index } => out.push_str(&index.to_string()),
            Segment::Map { key } => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => out.push_str(variant),
            Segment::Unknown => out.push('?'),
        }
    }
    out
}

/// Reads base64 (RFC 4648 §4).
pub(super) fn base64<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
    STANDARD.decode(text.as_bytes()).map_err(|e| serde::de::Error::custom(format!("this is not base64: {e}")))
}

/// Tells `null` from not said.
#[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
pub(super) fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(d).map(Some)
}

async fn parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String, Problem> {
    let params = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "not_found", "the path is not UTF-8"))?;
    Ok(params.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_owned()).unwrap_or_default())
}

/// The id in the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: std::str::FromStr<Err = IdError>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        read_id(&parameter(parts, state, "id").await?).map(Self)
    }
}

fn read_id<T: std::str::FromStr<Err = IdError>>(given: &str) -> Result<T, Problem> {
    given.parse().map_err(|error: IdError| {
        let hint = sort_of(given).map(|sort| format!(" (this is the id of {sort})")).unwrap_or_default();
        Problem::new(StatusCode::NOT_FOUND, "not_found", format!("{error}{hint}"))
    })
}

/// The id of a delivery to a webhook, in a path that has two ids.
pub(super) struct DeliveryId(pub(super) WebhookDeliveryId);

impl<S: Send + Sync> FromRequestParts<S> for DeliveryId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        read_id(&parameter(parts, state, "delivery").await?).map(Self)
    }
}

/// The influencer whose id is in the path: where they are now, if their record was merged into another.
pub(super) struct Whom(pub(super) InfluencerId);

impl FromRequestParts<ApiState> for Whom {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let Id(id) = Id::<InfluencerId>::from_request_parts(parts, state).await?;
        Ok(Self(survivor(&mut state.store.read().await?, id).await?))
    }
}

/// The influencer in the path, and the mail address that is said to be theirs.
pub(super) struct WhoseAddress(pub(super) InfluencerId, pub(super) String);

impl FromRequestParts<ApiState> for WhoseAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let Whom(id) = Whom::from_request_parts(parts, state).await?;
        Ok(Self(id, parameter(parts, state, "address").await?))
    }
}

/// The name in the path: of a sequence, or of an account.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = [parameter(parts, state, "id").await?, parameter(parts, state, "name").await?];
        let given: String = params.concat().chars().take(NAME_MAX).collect();
        Ok(Self(given))
    }
}

/// What an id of another sort names.
fn sort_of(given: &str) -> Option<&'static str> {
    let (prefix, _) = given.split_once('_')?;
    Some(match prefix {
        InfluencerId::PREFIX => "an influencer",
        AgentId::PREFIX => "an agent",
        MessageId::PREFIX => "a message",
        ThreadId::PREFIX => "a thread",
        EventId::PREFIX => "an event",
        NoteId::PREFIX => "a note",
        TokenId::PREFIX => "a token",
        TaskId::PREFIX => "a task",
        EnrollmentId::PREFIX => "an enrollment",
        WebhookId::PREFIX => "a webhook",
        WebhookDeliveryId::PREFIX => "a delivery to a webhook",
        _ => return None,
    })
}

/// The number `n` in the path.
pub(super) struct Number(pub(super) usize);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let given = parameter(parts, state, "n").await?;
        given.parse().map(Self).map_err(|_| Problem::not_found("attachment", given))
    }
}

/// An answer to a request that made something.
pub(super) fn created<T: serde::Serialize>(view: T) -> (StatusCode, Json<T>) {
    (StatusCode::CREATED, Json(view))
}
