//! Many influencers or agents at once: taken from CSV, and given as CSV.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use futures_util::stream;
use serde::Serialize;

use super::messages::download;
use super::views;
use crate::http::ApiState;
use crate::http::actions::ImportOrder;
use crate::http::body::Body;
use crate::http::describe::{Route, does};
use crate::http::filter;
use crate::http::gate::Caller;
use crate::http::page::Asked;
use crate::http::problem::Problem;
use crate::hub::import::ImportReport;
use crate::hub::roster::Roster;
use crate::store::StoreError;
use crate::store::people::list::{InfluencerCursor, InfluencerFilter, InfluencerOrder};

/// Octets of a file that is imported in one request, as JSON has them.
const IMPORT_BODY_MAX: usize = 8 * 1024 * 1024;
/// How often a page waits for its turn to look at much; each time for some seconds.
const BUSY_MAX: u32 = 20;
/// Influencers read at once.
const PAGE: i64 = 500;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/imports").post(
            does("Import influencers or agents from CSV: what is wrong is left out and told")
                .conflicts(&["partly_imported"])
                .body_max(IMPORT_BODY_MAX)
                .repeatable(),
            import,
        ),
        Route::at("/influencers.csv").get(
            does("All influencers as CSV, with the columns that an import takes, as they were added")
                .octets("text/csv; charset=utf-8")
                .takes(views::filters(vec![])),
            csv,
        ),
    ]
}

/// What an import did, or would do.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ImportedView {
    #[serde(flatten)]
    report: ImportReport,
    /// The rows that were left out as CSV, each with its line and what is wrong with it, to be put right and imported again; `null`
    /// where none was.
    failed_csv: Option<String>,
}

async fn import(
    State(state): State<ApiState>,
    caller: Caller,
    Body(order): Body<ImportOrder>,
) -> Result<Json<ImportedView>, Problem> {
    let report = state.actions.import(order, caller.by()).await?;
    let failed_csv = (!report.failed.is_empty()).then(|| report.failed_csv());
    Ok(Json(ImportedView { report, failed_csv }))
}

async fn csv(State(state): State<ApiState>, asked: Asked) -> Result<Response, Problem> {
    let asked = views::with_view(&state, asked.only(&views::names(&[]))?).await?;
    let filter = filter::read(&asked, state.clock.now())?;
    let roster = Roster::of(&mut state.store.survey().await?).await?;
    let header = Bytes::from(roster.header());
    // What can't be read is told before anything is sent.
    let (first, next) = page(&state, &roster, (&filter, None)).await?.unwrap_or_default();
    // Read page by page as it is sent: none of them is held while a slow reader takes its time.
    let pages = stream::try_unfold(next, move |place| {
        let (state, roster, filter) = (state.clone(), roster.clone(), filter.clone());
        async move {
            let Some(after) = place else { return Ok(None) };
            patiently(&state, &roster, (&filter, after)).await
        }
    });
    let whole = futures_util::StreamExt::chain(stream::iter([Ok::<_, StoreError>(header), Ok(first)]), pages);
    Ok(download(axum::body::Body::from_stream(whole), "text/csv; charset=utf-8", "influencers.csv"))
}

/// One page as CSV, and the place where the next begins; none where this was the last.
type Page = (Bytes, Option<Option<InfluencerCursor>>);

/// A page, though others look at much as well: what was begun is not broken off for that.
async fn patiently(
    state: &ApiState,
    roster: &Roster,
    (filter, after): (&InfluencerFilter, Option<InfluencerCursor>),
) -> Result<Option<Page>, StoreError> {
    let mut waits = 0;
    loop {
        match page(state, roster, (filter, after)).await {
            Err(StoreError::Busy) if waits < BUSY_MAX => waits += 1,
            read => return read,
        }
    }
}

async fn page(
    state: &ApiState,
    roster: &Roster,
    (filter, after): (&InfluencerFilter, Option<InfluencerCursor>),
) -> Result<Option<Page>, StoreError> {
    let mut tx = state.read_by(filter).await?;
    let found = tx.list_influencers(filter, InfluencerOrder::Added, after, PAGE).await?;
    let is_last = found.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| !is_last).map(|last| Some(InfluencerCursor::after(last)));
    let people = tx.view_influencers(found).await?;
    Ok((!people.is_empty()).then(|| (Bytes::from(roster.rows(&people)), next)))
}
