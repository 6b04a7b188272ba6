//! Numbers.

use axum::Json;
use axum::extract::State;

use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::describe::{Route, does, of};
use crate::http::page::{Asked, Listed};
use crate::http::problem::Problem;
use crate::hub::stage_stats::{StageStats, stage_stats};

pub(super) fn routes() -> Vec<Route> {
    let query = vec![of::<Micros>("since", "From this instant on"), of::<Micros>("until", "Before this instant")];
    vec![Route::at("/stats/stages").get(does("What happened in each stage").takes(query), stages)]
}

async fn stages(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<StageStats>>, Problem> {
    let asked = asked.only(&["since", "until"])?;
    let since = asked.instant("since")?.unwrap_or(Micros(i64::MIN));
    let until = asked.instant("until")?.unwrap_or(Micros(i64::MAX));
    let mut tx = state.store.read().await?;
    Ok(Json(Listed { data: stage_stats(&mut tx, (since, until)).await?, next_cursor: None }))
}
