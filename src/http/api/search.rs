//! One search over messages and influencers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::domain::highlight::mark_beginnings;
use crate::domain::people::{InfluencerView, query_key};
use crate::http::ApiState;
use crate::http::describe::{Route, does, paged, text};
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
    /// Messages with all the words, the one that was stored last first.
    messages: Vec<SearchHit>,
    /// Influencers whose handle or name begins so, on the first page only: `GET /v1/influencers?q=` has all of them, page by page.
    influencers: Vec<FoundInfluencer>,
    /// What to send as `cursor` for more messages; `null` at the end.
    next_cursor: Option<String>,
}

/// An influencer who was found.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct FoundInfluencer {
    #[serde(flatten)]
    influencer: InfluencerView,
    /// What they are called, with what was found marked.
    highlights: InfluencerHighlights,
}

/// HTML that is safe to show: everything is escaped, and `<mark>` around what was found is the only tag.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct InfluencerHighlights {
    /// The handle.
    handle: String,
    /// First and last name.
    name: String,
}

impl FoundInfluencer {
    fn new(influencer: InfluencerView, q: &str) -> Self {
        let begins = query_key(q);
        let name = [influencer.first_name.as_str(), influencer.last_name.as_str()].join(" ");
        let highlights = InfluencerHighlights {
            handle: mark_beginnings(&influencer.handle, &begins),
            name: mark_beginnings(name.trim(), &begins),
        };
        Self { influencer, highlights }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let query = paged(vec![text("q", "The words that are looked for")]);
    vec![Route::at("/search").get(does("Find messages and influencers by their words").takes(query), search)]
}

async fn search(State(state): State<ApiState>, asked: Asked) -> Result<Json<Found>, Problem> {
    let asked = asked.only(&["q", "limit", "cursor"])?;
    let page = asked.page()?;
    let q = asked.text("q").unwrap_or_default();
    if q.trim().is_empty() || q.chars().count() > QUERY_MAX {
        let what = format!("expected 1 to {QUERY_MAX} characters");
        let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_query", format!("nothing to look for: {what}"));
        return Err(problem.parameter("q", what));
    }
    let mut tx = state.store.read().await?;
    let found = tx.search_messages(q, page).await?;
    let mut influencers = Vec::new();
    if page.after.is_none() {
        let filter = InfluencerFilter { q: Some(q.to_owned()), ..InfluencerFilter::default() };
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
        let rows = tx.list_influencers(&filter, InfluencerOrder::NewestMessage, None, limit).await?;
        influencers = tx.view_influencers(rows).await?;
    }
    let influencers = influencers.into_iter().map(|influencer| FoundInfluencer::new(influencer, q)).collect();
    let next_cursor = found.next.map(|place| asked.cursor(place));
    Ok(Json(Found { messages: found.data, influencers, next_cursor }))
}
