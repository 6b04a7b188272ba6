//! Accounts: how each is, and mail counted per folder, at the server and stored.

use axum::Json;
use axum::extract::State;

use crate::http::ApiState;
use crate::http::describe::{Route, does};
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::store::reading::view::AccountView;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::at("/accounts").get(does("How each account is, with mail counted per folder"), list)]
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<AccountView>>, Problem> {
    let data = state.store.read().await?.list_account_views().await?;
    Ok(Json(Listed { data, next_cursor: None }))
}
