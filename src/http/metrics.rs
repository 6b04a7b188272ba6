//! `/metrics`: numbers for Prometheus. On the API it takes a token with the scope `metrics`; on an address of its own, which
//! whoever runs the hub keeps private, it takes none.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;

use super::describe::{Route, does};
use super::gate::{self, Door};
use super::page::NoQuery;
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

/// Described with its scope, for that is how the API has it.
pub(super) fn routes() -> Vec<Route<MetricsState>> {
    let numbers = does("Numbers for Prometheus")
        .octets("text/plain")
        .problem(StatusCode::BAD_REQUEST, "bad_query")
        .problem(StatusCode::SERVICE_UNAVAILABLE, "busy")
        .problem(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable");
    vec![Route::at("/metrics").get(numbers, metrics)]
}

/// The route, to be merged into the API's or served by itself.
pub fn metrics_router(state: MetricsState) -> Router {
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, route.methods);
    }
    router.with_state(state)
}

async fn metrics(State(state): State<MetricsState>, _: NoQuery, request: Request) -> Result<Response, Problem> {
    let asks = state.door.as_ref().map(|door| (door, gate::bearer(&request), door.limits.address_of(&request)));
    // It is no `Sync` and must not be held while somebody is waited for.
    drop(request);
    if let Some((door, presented, address)) = asks {
        door.admit((presented, address), Scope::Metrics).await?;
    }
    let page = (state.page)().await?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], page).into_response())
}
