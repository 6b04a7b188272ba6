//! Numbers.

use axum::Json;
use axum::extract::State;

use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::describe::{Parameter, Route, does, of};
use crate::http::page::{Asked, Listed};
use crate::http::problem::Problem;
use crate::hub::account_stats::{AccountStats, ResponseTime, account_stats, response_times};
use crate::hub::stage_stats::{StageStats, stage_stats};

pub(super) fn routes() -> Vec<Route> {
    let times = "How long answers took that were given in a stretch of time: ours and theirs";
    vec![
        Route::at("/stats/stages").get(does("What happened in each stage").takes(within()), stages),
        Route::at("/stats/accounts").get(does("What happened with each account of ours").takes(within()), accounts),
        Route::at("/stats/response-times").get(does(times).takes(within()), responses),
    ]
}

fn within() -> Vec<Parameter> {
    vec![of::<Micros>("since", "From this instant on"), of::<Micros>("until", "Before this instant")]
}

/// The stretch of time that is asked about.
fn stretch(asked: Asked) -> Result<(Micros, Micros), Problem> {
    let asked = asked.only(&["since", "until"])?;
    let since = asked.instant("since")?.unwrap_or(Micros(i64::MIN));
    Ok((since, asked.instant("until")?.unwrap_or(Micros(i64::MAX))))
}

async fn stages(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<StageStats>>, Problem> {
    let within = stretch(asked)?;
    let data = stage_stats(&mut state.store.survey().await?, within).await?;
    Ok(Json(Listed { data, next_cursor: None }))
}

async fn accounts(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<AccountStats>>, Problem> {
    let within = stretch(asked)?;
    let data = account_stats(&mut state.store.survey().await?, within).await?;
    Ok(Json(Listed { data, next_cursor: None }))
}

async fn responses(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<ResponseTime>>, Problem> {
    let within = stretch(asked)?;
    let data = response_times(&mut state.store.survey().await?, within).await?;
    Ok(Json(Listed { data, next_cursor: None }))
}
