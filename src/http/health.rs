//! Whether this process lives, and whether it is ready for work. Open to everybody; says nothing about anybody.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::ApiState;
use super::describe::{Route, does};
use super::problem::Problem;

/// That all is well.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

pub(super) fn routes() -> Vec<Route> {
    let ready_problems = ["stopping", "starting", "store_unavailable"];
    let readiness = ready_problems.iter().fold(does("Whether this process is ready for work"), |does, code| {
        does.problem(StatusCode::SERVICE_UNAVAILABLE, code)
    });
    let readiness = readiness.problem(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
    vec![Route::at("/livez").get(does("Whether this process lives"), live), Route::at("/readyz").get(readiness, ready)]
}

#[allow(clippy::unused_async, reason = "axum asks for an async function")]
async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Ready: the database answers, it knows every configured account, and nobody asked this process to stop.
/// Whoever asks is held to the limit of readers: it needs no token and looks into the database.
async fn ready(State(state): State<ApiState>, request: Request) -> Result<Json<Health>, Problem> {
    let address = state.limits.address_of(&request);
    // It is no `Sync` and must not be held while somebody is waited for.
    drop(request);
    state.limits.asked_openly(address)?;
    let not_ready = |code, detail: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
    if (state.stopping)() {
        return Err(not_ready("stopping", "this process is stopping".into()));
    }
    let known = state.store.read().await?.list_accounts().await?;
    for name in state.accounts.iter() {
        if !known.iter().any(|account| account.name == *name) {
            return Err(not_ready("starting", format!("the account `{name}` was not set up yet")));
        }
    }
    Ok(Json(Health { status: "ok" }))
}
