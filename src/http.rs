//! The HTTP API: `/v1` for programs, `/livez` and `/readyz` for whoever watches; and the public routes for readers of mail.
//!
//! Handlers are thin: they check a request, call the store's read side or an [`Actions`], and print a view. Nothing is
//! decided here, and nothing of axum leaves this room but the [`axum::Router`] that the composition root serves.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::Notify;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::store::{Store, StoreError, Tx};

pub mod actions;
mod api;
mod body;
mod gate;
mod health;
mod metrics;
mod page;
mod problem;
mod track;

pub use actions::{ActionError, Actions};
pub use metrics::{MetricsPage, MetricsState, metrics_router};
pub use track::{PublicState, public_router};

/// Octets of a request body.
pub const BODY_MAX: usize = 1024 * 1024;
/// Octets of a request body that carries a message with attachments (base64 makes them a third larger).
pub const MESSAGE_BODY_MAX: usize = 30 * 1024 * 1024;
/// How long one request may take, its body included.
pub const REQUEST_TIME_MAX: Duration = Duration::from_mins(1);
/// How long open requests may still take after a stop was asked for.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

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
    /// Whether a stop was asked for: then this process is not ready any more.
    pub stopping: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// The whole API.
pub fn router(state: ApiState) -> Router {
    let mut v1 = Router::new();
    for (path, methods) in api::routes() {
        v1 = v1.route(path, methods);
    }
    let v1 = v1
        .route_layer(from_fn_with_state(state.clone(), gate::authorize))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_MAX));
    Router::new()
        .nest("/v1", v1)
        .merge(health::routes())
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn(gate::limit_time))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn_with_state(state.clone(), gate::number))
        .with_state(state)
}

impl ApiState {
    /// Keeps what was changed, and rings for it.
    async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.bells.stored.notify_waiters();
        Ok(())
    }
}

/// Every path under `/v1`, for the test that none of them answers a stranger.
pub fn paths() -> Vec<String> {
    api::routes().into_iter().map(|(path, _)| format!("/v1{path}")).collect()
}

/// Serves until `stop` is done; then takes no more connections and gives open requests a moment to end.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (asked, was_asked) = tokio::sync::oneshot::channel();
    let service = router.into_make_service_with_connect_info::<track::Peer>();
    let served = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop.await;
        if asked.send(()).is_err() {
            tracing::debug!("the server was gone before it was asked to stop");
        }
    });
    let drained = async move {
        match was_asked.await {
            Ok(()) => tokio::time::sleep(DRAIN_TIME_MAX).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = async { served.await } => result,
        () = drained => {
            tracing::warn!("some requests did not end in time and were cut off");
            Ok(())
        }
    }
}
