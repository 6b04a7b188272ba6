//! Accounts: how each is, and mail counted per folder, at the server and stored; and a try whether it can read and send.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::http::ApiState;
use crate::http::actions::SteerOrder;
use crate::http::body::Name;
use crate::http::describe::{Route, does};
use crate::http::gate::Caller;
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::store::reading::view::AccountView;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/accounts").get(does("How each account is, with mail counted per folder"), list),
        Route::at("/accounts/{name}/test")
            .post(does("Try whether an account can read and send; nothing is sent").tells::<Tried>(), test),
    ]
}

/// What a try of an account told.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its shape is told: another room writes the answer")]
struct Tried {
    /// The account.
    account: String,
    /// Whether everything went well.
    ok: bool,
    /// Each thing that was tried, in order.
    steps: Vec<TriedStep>,
}

/// One thing that was tried.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its shape is told: another room writes the answer")]
struct TriedStep {
    /// What: `reading`, `folder NAME`, `sending`.
    what: String,
    /// Whether it went well, or nothing is known against it.
    ok: bool,
    /// Whether it could not be seen, so that it may go wrong yet.
    warning: bool,
    /// What came of it.
    detail: String,
}

async fn test(
    State(state): State<ApiState>,
    Name(name): Name,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.steer(SteerOrder::TestAccount(name), caller.by()).await?))
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<AccountView>>, Problem> {
    let data = state.store.read().await?.list_account_views().await?;
    Ok(Json(Listed { data, next_cursor: None }))
}
