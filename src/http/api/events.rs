//! Events after a number: nothing that commits late is skipped, because numbers are given after the commit.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::http::ApiState;
use crate::http::describe::{Route, does, of};
use crate::http::page::Asked;
use crate::http::problem::Problem;
use crate::store::reading::view::EventView;

/// A stretch of the stream.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct EventsAfter {
    data: Vec<EventView>,
    /// What to send as `after` next time, also when there was nothing new.
    next_after: i64,
}

pub(super) fn routes() -> Vec<Route> {
    let query = vec![
        of::<i64>("after", "The number of the last event that was seen; 0 where it is not said"),
        of::<u32>("limit", "How many entries are wanted: from 1 to 200; 50 where it is not said"),
    ];
    vec![Route::at("/events").get(does("Events after a number, in order").takes(query), list)]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<EventsAfter>, Problem> {
    let asked = asked.only(&["after", "limit"])?;
    let after: i64 = asked.get("after")?.unwrap_or(0);
    let data = state.store.read().await?.list_event_views(after, asked.limit()?).await?;
    let next_after = data.last().and_then(|event| event.seq).unwrap_or(after);
    Ok(Json(EventsAfter { data, next_after }))
}
