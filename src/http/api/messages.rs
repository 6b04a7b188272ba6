//! Messages: sending one, reading one, its raw mail and its attachments, taking a queued one back.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::ids::MessageId;
use crate::domain::words::{Channel, FileState};
use crate::http::actions::SendOrder;
use crate::http::body::{Body, Id, Number};
use crate::http::describe::{Does, Route, does};
use crate::http::gate::Caller;
use crate::http::page::NoQuery;
use crate::http::problem::Problem;
use crate::http::streamed::{PIECE_OCTETS_MAX, Pieces, Room, Streamed};
use crate::http::{ApiState, MESSAGE_BODY_MAX};
use crate::store::reading::message::PackedMail;
use crate::store::reading::view::MessageView;

/// Media types that a browser may be told; anything else is handed out as plain octets.
const TYPES_SAID: &[&str] =
    &["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "text/plain", "text/csv", "video/mp4"];

/// Why a message can't be taken back.
pub(super) const TAKING_BACK: [&str; 2] = ["wrong_state", "cancelled"];

/// What sending and answering have in common.
pub(super) fn sending(summary: &'static str) -> Does {
    does(summary)
        .status(StatusCode::ACCEPTED)
        .conflicts(&["do_not_contact", "no_consent", "not_mail"])
        .body_max(MESSAGE_BODY_MAX)
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/messages").post(
            sending("Put a message into the outbox, or write down what was said elsewhere").or(StatusCode::CREATED),
            send,
        ),
        Route::at("/messages/{id}")
            .get(does("Show a message"), one)
            .delete(does("Take a queued message back").conflicts(&TAKING_BACK), cancel),
        Route::at("/messages/{id}/raw").get(does("The mail as it came").octets("message/rfc822"), raw),
        Route::at("/messages/{id}/html").get(does("Its HTML, made safe to show").octets("text/html"), html),
        Route::at("/messages/{id}/attachments/{n}")
            .get(does("A file out of a message").octets("application/octet-stream"), attachment),
        Route::at("/messages/{id}/files/{n}").get(
            does("A file beside a message, or out of a mail")
                .octets("application/octet-stream")
                .conflicts(&["not_fetched"])
                .problem(StatusCode::GONE, "gone"),
            file,
        ),
    ]
}

async fn send(
    State(state): State<ApiState>,
    caller: Caller,
    Body(order): Body<SendOrder>,
) -> Result<(StatusCode, Json<MessageView>), Problem> {
    if order.channel != Some(Channel::Manual) {
        return sent(&state, &caller, order).await;
    }
    let id = state.actions.touch(order.touched(caller.by())?).await?;
    Ok((StatusCode::CREATED, Json(view(&state, id).await?)))
}

/// Puts a message into the outbox and shows it: 202, because it leaves later.
pub(super) async fn sent(
    state: &ApiState,
    caller: &Caller,
    order: SendOrder,
) -> Result<(StatusCode, Json<MessageView>), Problem> {
    order.check_mail()?;
    let id = state.actions.send(order, caller.by()).await?;
    Ok((StatusCode::ACCEPTED, Json(view(state, id).await?)))
}

async fn view(state: &ApiState, id: MessageId) -> Result<MessageView, Problem> {
    let found = state.store.read().await?.get_message_view(id).await?;
    found.ok_or_else(|| Problem::not_found("message", id))
}

async fn one(State(state): State<ApiState>, Id(id): Id<MessageId>, _: NoQuery) -> Result<Json<MessageView>, Problem> {
    view(&state, id).await.map(Json)
}

pub(super) async fn cancel(
    State(state): State<ApiState>,
    Id(id): Id<MessageId>,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<MessageView>, Problem> {
    state.actions.cancel(id, caller.by()).await?;
    view(&state, id).await.map(Json)
}

/// A mail that is open, and the room it takes.
struct OpenMail {
    packed: PackedMail,
    room: Room,
}

/// Reads a mail once there is room for it.
async fn open(state: &ApiState, id: MessageId) -> Result<OpenMail, Problem> {
    let none = || Problem::not_found("message with raw mail", id);
    let size = state.store.read().await?.raw_mail_size(id).await?.ok_or_else(none)?;
    let room = Room::of(size).await;
    let packed = state.store.read().await?.get_packed_mail(id).await?.ok_or_else(none)?;
    Ok(OpenMail { packed, room })
}

async fn raw(State(state): State<ApiState>, Id(id): Id<MessageId>, _: NoQuery) -> Result<Response, Problem> {
    let OpenMail { packed, room } = open(&state, id).await?;
    let length = u64::try_from(packed.size()).unwrap_or(u64::MAX);
    let content = Streamed { length, content: Box::new(packed.into_reader()?), room };
    Ok(download(content, "message/rfc822", &format!("{id}.eml")))
}

/// For a frame without rights: no script, nothing is fetched, and what is opened is opened outside of it.
const HTML_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; sandbox \
    allow-popups allow-popups-to-escape-sandbox";

async fn html(State(state): State<ApiState>, Id(id): Id<MessageId>, _: NoQuery) -> Result<Response, Problem> {
    let OpenMail { packed, room } = open(&state, id).await?;
    let page = state.actions.open_html(packed.unpack()?).await?;
    drop(room);
    let page = page.ok_or_else(|| Problem::not_found("message with HTML", id))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(HTML_POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok((headers, page).into_response())
}

async fn attachment(
    State(state): State<ApiState>,
    Id(id): Id<MessageId>,
    Number(n): Number,
    _: NoQuery,
) -> Result<Response, Problem> {
    let OpenMail { packed, room } = open(&state, id).await?;
    let found = state.actions.open_attachment(packed, n).await?;
    let found = found.ok_or_else(|| Problem::not_found("attachment", n))?;
    let said = TYPES_SAID.iter().find(|t| **t == found.content_type).copied();
    let name = if found.name.is_empty() { format!("{id}-{n}") } else { found.name };
    let content = Streamed { length: found.size, content: found.content, room };
    Ok(download(content, said.unwrap_or("application/octet-stream"), &name))
}

/// A file as `attachments` of a message lists it: out of a mail, or beside what came another way.
async fn file(
    State(state): State<ApiState>,
    Id(id): Id<MessageId>,
    Number(n): Number,
    query: NoQuery,
) -> Result<Response, Problem> {
    let position = i64::try_from(n).unwrap_or(i64::MAX);
    let mut tx = state.store.read().await?;
    let (_, channel) = tx.message_account(id).await?.ok_or_else(|| Problem::not_found("message", id))?;
    let found = tx.get_file(id, position).await?;
    drop(tx);
    if channel == Channel::Email && found.is_none() {
        return attachment(State(state), Id(id), Number(n), query).await;
    }
    let found = found.ok_or_else(|| Problem::not_found("file", n))?;
    let why = found.reason.unwrap_or_default();
    let hash = match (found.state, found.hash) {
        (FileState::Kept, Some(hash)) => hash,
        (FileState::Waiting | FileState::Kept, _) => {
            let so_far = if why.is_empty() { String::new() } else { format!("; so far: {why}") };
            let detail = format!("the file is not fetched yet, ask again later{so_far}");
            return Err(Problem::new(StatusCode::CONFLICT, "not_fetched", detail));
        }
        (FileState::Gone, _) => {
            return Err(Problem::new(StatusCode::GONE, "gone", format!("the file is not here: {why}")));
        }
    };
    let said = TYPES_SAID.iter().find(|said| **said == found.mime).copied();
    let name = if found.name.is_empty() { format!("{id}-{n}") } else { found.name };
    let length = found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    let content = Pieces { length, hash, store: state.store, room: Room::of(PIECE_OCTETS_MAX).await };
    Ok(download(content, said.unwrap_or("application/octet-stream"), &name))
}

/// Content from a stranger: saved, never shown in place, and without any right where a browser opens it all the same.
pub(super) fn download(content: impl IntoResponse, kind: &'static str, name: &str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, disposition(name));
    let policy = HeaderValue::from_static("default-src 'none'; sandbox");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    (headers, content).into_response()
}

/// RFC 6266: a plain name for all, and the whole one percent-encoded (RFC 8187).
fn disposition(name: &str) -> HeaderValue {
    let name: String = name.chars().filter(|c| !c.is_control() && !"/\\".contains(*c)).take(150).collect();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_ ".contains(c) { c } else { '_' }).collect();
    let mut whole = String::new();
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b".-_".contains(&octet) {
            whole.push(char::from(octet));
        } else {
            whole.push('%');
            for half in [octet >> 4, octet & 15] {
                whole.extend(char::from_digit(u32::from(half), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    let value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}");
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_of_a_stranger_breaks_out_of_nothing() {
        let header = disposition("../a\"b\r\nSet-Cookie: x=1; é.pdf");
        let text = header.to_str().unwrap();
        assert_eq!(
            text,
            "attachment; filename=\"..a_bSet-Cookie_ x_1_ _.pdf\"; \
             filename*=UTF-8''..a%22bSet-Cookie%3A%20x%3D1%3B%20%C3%A9.pdf"
        );
    }
}
