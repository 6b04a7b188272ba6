//! Where the team hears of what influencers write.

use axum::Json;
use axum::extract::State;

use crate::http::ApiState;
use crate::http::describe::{Route, does};
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::hub::relay::standing::{RelayView, standing};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::at("/relays").get(does("List where the team hears of what influencers write"), list)]
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<RelayView>>, Problem> {
    let mut tx = state.store.read().await?;
    let data = standing(&mut tx, &state.actions.relays()).await?;
    Ok(Json(Listed { data, next_cursor: None }))
}
