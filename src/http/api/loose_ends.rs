//! Loose ends: who has no next step, which answers of ours are late, and which runs wait for somebody to mend something.

use axum::Json;
use axum::extract::State;

use crate::http::ApiState;
use crate::http::describe::{Route, does, paged};
use crate::http::page::{Asked, Listed};
use crate::http::problem::Problem;
use crate::hub::loose_ends;
use crate::store::reading::loose::LooseEnd;

pub(super) fn routes() -> Vec<Route> {
    let what = "Who has no next step or is held without an end, and which answers of ours are late; the oldest first";
    vec![Route::at("/loose-ends").get(does(what).takes(paged(vec![])), list)]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<LooseEnd>>, Problem> {
    let asked = asked.only(&["limit", "cursor"])?;
    let page = asked.page()?;
    let mut tx = state.store.read().await?;
    let slice = loose_ends::list(&mut tx, &state.clock, page).await?;
    Ok(asked.answer(slice))
}
