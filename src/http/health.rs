//! Whether this process lives, and whether it is ready for work. Open to everybody; says nothing about anybody.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::ApiState;
use super::problem::Problem;

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/livez", get(live)).route("/readyz", get(ready))
}

#[allow(clippy::unused_async, reason = "axum asks for an async function")]
async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Ready: the database answers, it knows every configured account, and nobody asked this process to stop.
async fn ready(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
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
    Ok(Json(json!({"status": "ok"})))
}
