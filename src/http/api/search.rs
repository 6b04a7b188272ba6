//! One search over messages and influencers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::domain::people::InfluencerView;
use crate::http::ApiState;
use crate::http::describe::{Route, does, of, text};
use crate::http::page::Asked;
use crate::http::problem::Problem;
use crate::store::people::list::{InfluencerFilter, InfluencerOrder};
use crate::store::reading::view::SearchHit;

/// Characters of a search.
const QUERY_MAX: usize = 500;

/// What was found.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SearchAnswer")]
struct Found {
    /// Messages with all the words, newest first.
    messages: Vec<SearchHit>,
    /// Influencers whose handle or name begins so.
    influencers: Vec<InfluencerView>,
}

pub(super) fn routes() -> Vec<Route> {
    let query = vec![
        text("q", "The words that are looked for"),
        of::<u32>("limit", "How many entries are wanted: from 1 to 200; 50 where it is not said"),
    ];
    vec![Route::at("/search").get(does("Find messages and influencers by their words").takes(query), search)]
}

async fn search(State(state): State<ApiState>, asked: Asked) -> Result<Json<Found>, Problem> {
    let asked = asked.only(&["q", "limit"])?;
    let limit = asked.limit()?;
    let q = asked.text("q").unwrap_or_default().to_owned();
    if q.trim().is_empty() || q.chars().count() > QUERY_MAX {
        let what = format!("expected 1 to {QUERY_MAX} characters");
        let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_query", format!("nothing to look for: {what}"));
        return Err(problem.parameter("q", what));
    }
    let mut tx = state.store.read().await?;
    let messages = tx.search_messages(&q, limit).await?;
    let filter = InfluencerFilter { q: Some(q), ..InfluencerFilter::default() };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = tx.list_influencers(&filter, InfluencerOrder::NewestMessage, None, limit).await?;
    let influencers = tx.view_influencers(found).await?;
    Ok(Json(Found { messages, influencers }))
}
