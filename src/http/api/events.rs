//! Events after a number: nothing that commits late is skipped, because numbers are given after the commit.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;

use super::Route;
use crate::http::ApiState;
use crate::http::page::Asked;
use crate::http::problem::Problem;
use crate::store::reading::view::EventView;

/// A stretch of the stream.
#[derive(Debug, Serialize)]
struct EventsAfter {
    data: Vec<EventView>,
    /// What to send as `after` next time, also when there was nothing new.
    next_after: i64,
}

pub(super) fn routes() -> Vec<Route> {
    vec![("/events", get(list))]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<EventsAfter>, Problem> {
    let asked = asked.only(&["after", "limit"])?;
    let after: i64 = asked.get("after")?.unwrap_or(0);
    let data = state.store.read().await?.list_event_views(after, asked.limit()?).await?;
    let next_after = data.last().and_then(|event| event.seq).unwrap_or(after);
    Ok(Json(EventsAfter { data, next_after }))
}
