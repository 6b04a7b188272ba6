//! `/metrics`: numbers for Prometheus. On the API it takes a token with the scope `metrics`; on an address of its own, which
//! whoever runs the hub keeps private, it takes none.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;

use super::gate::{self, Door};
use super::problem::Problem;
use crate::domain::words::Scope;
use crate::store::StoreError;
use crate::telemetry::metrics::CONTENT_TYPE;

/// Makes the page.
pub type MetricsPage = Arc<dyn Fn() -> BoxFuture<'static, Result<String, StoreError>> + Send + Sync>;

/// What `/metrics` works with. Cheap to clone.
#[derive(Clone)]
pub struct MetricsState {
    /// Makes the page.
    pub page: MetricsPage,
    /// Where tokens are looked at; `None` where none is asked for.
    pub door: Option<Door>,
}

/// The route, to be merged into the API's or served by itself.
pub fn metrics_router(state: MetricsState) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(state)
}

async fn metrics(State(state): State<MetricsState>, request: Request) -> Result<Response, Problem> {
    let asks = state.door.as_ref().map(|door| (door, gate::bearer(&request), door.limits.address_of(&request)));
    // It is no `Sync` and must not be held while somebody is waited for.
    drop(request);
    if let Some((door, presented, address)) = asks {
        door.admit((presented, address), Scope::Metrics).await?;
    }
    let page = (state.page)().await?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], page).into_response())
}
