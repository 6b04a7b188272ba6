//! Accounts: how each is, and mail counted per folder, at the server and stored.

use axum::Json;
use axum::extract::State;
use axum::routing::get;

use super::Route;
use crate::http::ApiState;
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::store::reading::view::AccountView;

pub(super) fn routes() -> Vec<Route> {
    vec![("/accounts", get(list))]
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<AccountView>>, Problem> {
    let data = state.store.read().await?.list_account_views().await?;
    Ok(Json(Listed { data, next_cursor: None }))
}
