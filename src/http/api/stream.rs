//! Events as they happen, as server-sent events: nothing is skipped, for a reader that has seen number n is given n + 1.
//!
//! A stream ends when this process stops, after [`STREAM_TIME_MAX`] (the token is looked at again when the reader comes
//! back), or when the reader goes. Readers resume with `Last-Event-ID`, or with `after`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use tokio::time::Instant;

use crate::http::ApiState;
use crate::http::describe::{Route, does, of};
use crate::http::page::Asked;
use crate::http::problem::Problem;
use crate::store::StoreError;
use crate::store::reading::PAGE_MAX;

/// Streams of one process.
const STREAMS_MAX: usize = 64;
/// How long one lasts.
const STREAM_TIME_MAX: Duration = Duration::from_mins(15);
/// How often the store is looked at where no bell of this process rings: other nodes number as well.
const LOOK: Duration = Duration::from_secs(1);
/// Silence after which a comment is sent, so that nothing in between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Vec<Route> {
    let query = vec![of::<i64>(
        "after",
        "The number of the last event that was seen; what comes from now on where it is not said",
    )];
    vec![
        Route::at("/events/stream").get(
            does("Events as they happen, as server-sent events")
                .takes(query)
                .header("Last-Event-ID", "The number of the last event that was seen")
                .problem(StatusCode::BAD_REQUEST, "bad_last_event_id")
                .problem(StatusCode::TOO_MANY_REQUESTS, "too_many_streams")
                .octets("text/event-stream"),
            stream,
        ),
    ]
}

/// One of the places there are for streams; given back when the stream is dropped.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < STREAMS_MAX).then(|| n + 1));
        taken.ok().map(|_| Self(Arc::clone(open)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Reader {
    state: ApiState,
    after: i64,
    ready: VecDeque<Bytes>,
    ends: Instant,
    spoke: Instant,
    _seat: Seat,
}

async fn stream(State(state): State<ApiState>, asked: Asked, headers: HeaderMap) -> Result<Response, Problem> {
    let asked = asked.only(&["after"])?;
    let after = match seen(&headers)? {
        Some(seen) => seen,
        None => match asked.get::<i64>("after")? {
            Some(after) => after,
            None => state.store.read().await?.last_event_seq().await?,
        },
    };
    let Some(seat) = Seat::take(&state.bells.streams) else {
        let detail = format!("there are {STREAMS_MAX} streams already; use GET /v1/events?after= meanwhile");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail));
    };
    let now = Instant::now();
    // The first words tell the reader that it is connected, and how soon to come back.
    let ready = VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]);
    let reader = Reader { state, after, ready, ends: now + STREAM_TIME_MAX, spoke: now, _seat: seat };
    let chunks = futures_util::stream::unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((Ok::<Bytes, Infallible>(chunk), reader))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let kind = header::HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// `Last-Event-ID`: the number of the last event that was seen.
fn seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| {
        let detail = "the header `Last-Event-ID` takes the number of an event, as the stream gave it";
        Problem::new(StatusCode::BAD_REQUEST, "bad_last_event_id", detail)
    })
}

impl Reader {
    /// What to send next; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let numbered = Arc::clone(&self.state.bells.numbered);
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                self.spoke = Instant::now();
                return Some(chunk);
            }
            if (self.state.stopping)() || Instant::now() >= self.ends {
                return None;
            }
            // Listening begins before the look, so that what is numbered in between is not slept through.
            let rung = numbered.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if let Err(error) = self.fetch().await {
                tracing::warn!(%error, "a stream of events ends: the store can't be read");
                return None;
            }
            if !self.ready.is_empty() {
                continue;
            }
            if self.spoke.elapsed() >= HEARTBEAT {
                self.ready.push_back(Bytes::from_static(b": still here\n\n"));
                continue;
            }
            tokio::select! {
                () = rung => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        for event in self.state.store.read().await?.list_event_views(self.after, PAGE_MAX).await? {
            let Some(seq) = event.seq else { continue };
            let data = serde_json::to_string(&event).map_err(|e| StoreError::Damaged(e.to_string()))?;
            self.ready.push_back(Bytes::from(format!("id: {seq}\nevent: {}\ndata: {data}\n\n", event.kind)));
            self.after = seq;
        }
        Ok(())
    }
}
