//! Accounts: how each is, and mail counted per folder, at the server and stored; and a try whether it can read and send.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde_json::Value;

use super::Route;
use crate::http::ApiState;
use crate::http::actions::SteerOrder;
use crate::http::gate::Caller;
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::store::reading::view::AccountView;

pub(super) fn routes() -> Vec<Route> {
    vec![("/accounts", get(list)), ("/accounts/{name}/test", post(test))]
}

async fn test(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.steer(SteerOrder::TestAccount(name), caller.by()).await?))
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<AccountView>>, Problem> {
    let data = state.store.read().await?.list_account_views().await?;
    Ok(Json(Listed { data, next_cursor: None }))
}
