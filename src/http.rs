//! The HTTP API: `/v1` for programs, `/livez` and `/readyz` for whoever watches; and the public routes for readers of mail.
//!
//! A route is made together with its description (`describe`), and `/openapi.json` is made of all of them; `/docs` shows it.
//!
//! Handlers are thin: they check a request, call the store's read side or an [`Actions`], and print a view. Nothing is
//! decided here, and nothing of axum leaves this room but the [`axum::Router`] that the composition root serves.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::Notify;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::store::people::filter::InfluencerFilter;
use crate::store::{Store, StoreError, Tx};

pub mod actions;
mod again;
mod api;
mod body;
mod describe;
mod docs;
mod filter;
mod gate;
mod health;
mod hooks;
mod idempotency;
mod known;
pub mod limit;
pub mod listen;
mod metrics;
mod page;
mod problem;
mod sign_in;
mod streamed;
mod track;
mod version;

use describe::document::Placed;
use describe::{Operation, Route};

pub use actions::{ActionError, Actions};
pub use gate::Door;
pub use hooks::{Answered, Hears, Posted, Refused, hooks_router};
pub use listen::serve_within;
pub use metrics::{MetricsPage, MetricsState, metrics_router};
pub use sign_in::{CurrentSignIns, sign_in_router};
pub use track::{PublicState, public_router};

/// Octets of a request body.
pub const BODY_MAX: usize = 1024 * 1024;
/// Octets of a request body that carries a message with attachments (base64 makes them a third larger).
pub const MESSAGE_BODY_MAX: usize = 30 * 1024 * 1024;
/// How long one request may take, its body included.
pub const REQUEST_TIME_MAX: Duration = Duration::from_mins(1);

/// What wakes others in this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Bells {
    /// Something was stored: events wait for their numbers.
    pub stored: Arc<Notify>,
    /// Events got their numbers.
    pub numbered: Arc<Notify>,
    /// Streams of events that are open.
    pub(crate) streams: Arc<AtomicUsize>,
}

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// Time and ids.
    pub clock: Clock,
    /// Everything that changes something.
    pub actions: Arc<dyn Actions>,
    /// The accounts of the configuration: ready means that the store knows them all.
    pub accounts: Arc<[String]>,
    /// Rung by whoever stored something, and by whoever gave events their numbers.
    pub bells: Bells,
    /// How often somebody may ask.
    pub limits: limit::Limits,
    /// Whether a stop was asked for: then this process is not ready any more.
    pub stopping: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// The whole API.
pub fn router(state: ApiState) -> Router {
    let mut v1 = Router::new();
    for route in api::routes() {
        v1 = v1.route(route.path, route.methods);
    }
    let mut open = Router::new();
    for route in open_routes() {
        open = open.route(route.path, route.methods);
    }
    let v1 = v1
        // A change that another one overtook is done again below the key of its request: its answer is the last one.
        .route_layer(from_fn(again::retry))
        .route_layer(from_fn_with_state(state.clone(), idempotency::once))
        .route_layer(from_fn_with_state(state.clone(), gate::authorize))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method);
    Router::new()
        .nest("/v1", v1)
        .merge(open)
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn(gate::limit_time))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn_with_state(state.clone(), gate::number))
        .with_state(state)
}

impl ApiState {
    /// Begins the reads of a list.
    async fn read_by(&self, filter: &InfluencerFilter) -> Result<Tx, StoreError> {
        if filter.is_broad() { self.store.survey().await } else { self.store.read().await }
    }

    /// Keeps what was changed, and rings for it.
    async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.bells.stored.notify_waiters();
        Ok(())
    }
}

/// What answers whoever asks, beside what readers of mail reach.
fn open_routes() -> Vec<Route> {
    let mut all = health::routes();
    all.extend(docs::routes());
    all
}

/// Every path under `/v1`, for the test that none of them answers a stranger.
pub fn paths() -> Vec<String> {
    api::routes().into_iter().map(|route| format!("/v1{}", route.path)).collect()
}

/// Every operation where it stands.
fn operations() -> Vec<Placed> {
    let placed = |(path, guarded): (String, bool), operations: Vec<Operation>| {
        operations.into_iter().map(move |operation| Placed { path: path.clone(), guarded, operation })
    };
    let mut all = Vec::new();
    for route in api::routes() {
        all.extend(placed((format!("/v1{}", route.path), true), route.operations));
    }
    for route in open_routes() {
        all.extend(placed((route.path.to_owned(), false), route.operations));
    }
    for route in track::routes() {
        all.extend(placed((route.path.to_owned(), false), route.operations));
    }
    for route in sign_in::routes() {
        all.extend(placed((route.path.to_owned(), false), route.operations));
    }
    for route in hooks::routes() {
        // What stands for the rest of a path is an ordinary parameter in the description.
        all.extend(placed((route.path.replace("{*", "{"), false), route.operations));
    }
    for route in metrics::routes() {
        all.extend(placed((route.path.to_owned(), true), route.operations));
    }
    all
}

/// The description of every route, as OpenAPI 3.1.
pub fn description() -> serde_json::Value {
    describe::document::document(&operations())
}

/// Serves until `stop` is done, with the usual limits; see [`serve_within`].
///
/// # Errors
/// As [`serve_within`].
pub async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    serve_within(listener, router, listen::Limits::default(), stop).await
}
