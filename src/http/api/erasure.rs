//! Everything that is kept about somebody, to be given to them or to be erased; and the record of who was erased.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::messages::download;
use crate::domain::ids::{ErasureId, InfluencerId};
use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::actions::EraseOrder;
use crate::http::body::Whom;
use crate::http::describe::{Does, Route, does, of, paged};
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::http::version::Seen;
use crate::hub::people::erase::Erased;
use crate::store::people::erased::ErasureRow;
use crate::store::reading::{Place, Slice};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/influencers/{id}/export").get(
            does("Everything that is kept about an influencer: a ZIP archive with all rows, mails and files")
                .octets("application/zip"),
            export,
        ),
        Route::at("/erasures")
            .get(does("Who was erased, when and by whom, the newest first").takes(paged(vec![])), list),
    ]
}

/// What is said of DELETE on an influencer.
pub(super) fn erasing() -> Does {
    does("Erase an influencer: everything that is kept about them, for ever")
        .takes(vec![
            of::<bool>("erase", "Must be `true`: there is no other way to take somebody away"),
            of::<bool>("dry_run", "Only tell how much would go"),
        ])
        .conflicts(&["in_hand"])
}

pub(super) async fn erase(
    State(state): State<ApiState>,
    Whom(id): Whom,
    caller: Caller,
    Seen(version): Seen,
    asked: Asked,
) -> Result<Json<Erased>, Problem> {
    let asked = asked.only(&["erase", "dry_run"])?;
    if asked.get::<bool>("erase")? != Some(true) {
        let what = "say `erase=true`: everything that is kept about them goes, and can't be brought back";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_query", what).parameter("erase", what));
    }
    let dry_run = asked.get("dry_run")?.unwrap_or(false);
    state.actions.erase(EraseOrder { id, dry_run, version }, caller.by()).await.map(Json).map_err(Problem::from)
}

async fn export(State(state): State<ApiState>, Whom(id): Whom, _: NoQuery) -> Result<Response, Problem> {
    let archive = Body::from_stream(state.actions.export(id).await?);
    Ok(download(archive, "application/zip", &format!("{id}.zip")))
}

/// That somebody was erased.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ErasureView {
    /// The record.
    id: ErasureId,
    /// Whose id it was; nothing else of them is known.
    influencer_id: InfluencerId,
    /// Who did it.
    by: String,
    /// When.
    at: Micros,
    /// How much of what went.
    counts: serde_json::Value,
    /// Since when no octet of it is left in the file of the database; `null` until it was rewritten, and on PostgreSQL, where
    /// that is the server's affair.
    overwritten_at: Option<Micros>,
}

impl From<ErasureRow> for ErasureView {
    fn from(row: ErasureRow) -> Self {
        let ErasureRow { id, influencer_id, by, at, counts, overwritten_at } = row;
        Self { id, influencer_id, by, at, counts, overwritten_at }
    }
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<ErasureView>>, Problem> {
    let asked = asked.only(&["limit", "cursor"])?;
    let page = asked.page()?;
    let before = page.after.map(|place| ErasureId(place.id));
    let fetch = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = state.store.read().await?.list_erasures(before, fetch).await?;
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next = rows.last().filter(|_| more).map(|row| Place { at: row.at, id: row.id.0 });
    Ok(asked.answer(Slice { data: rows.into_iter().map(ErasureView::from).collect(), next }))
}
