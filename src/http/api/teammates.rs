//! Our own people, as the configuration declares them; and letting a copied database send.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::http::ApiState;
use crate::http::actions::Teammate;
use crate::http::describe::{Route, does};
use crate::http::gate::Caller;
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;

pub(super) fn routes() -> Vec<Route> {
    let letting =
        does("Let a database send that was copied or restored").conflicts(&["no_configuration", "not_released"]);
    vec![Route::at("/teammates").get(does("List our own people"), list), Route::at("/release").post(letting, release)]
}

#[allow(clippy::unused_async, reason = "axum asks for an async function")]
async fn list(State(state): State<ApiState>, _: NoQuery) -> Json<Listed<Teammate>> {
    Json(Listed { data: state.actions.teammates(), next_cursor: None })
}

/// What letting go told.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Released {
    /// Whether it was held before.
    was_held: bool,
}

async fn release(State(state): State<ApiState>, caller: Caller, _: NoQuery) -> Result<Json<Released>, Problem> {
    let was_held = state.actions.release(caller.by()).await?;
    Ok(Json(Released { was_held }))
}
