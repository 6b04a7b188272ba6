//! Holds by hand: nothing is sent to someone by itself until a date.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::domain::ids::InfluencerId;
use crate::domain::people::InfluencerView;
use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::body::{Body, Id};
use crate::http::describe::{Route, does};
use crate::http::gate::Caller;
use crate::http::page::NoQuery;
use crate::http::problem::Problem;
use crate::hub::hold;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/influencers/{id}/hold")
            .post(does("Send nothing to somebody by itself until a date"), put)
            .delete(does("End a hold"), release),
    ]
}

/// Until when, and why.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct HoldOrder {
    until: Micros,
    #[serde(default)]
    reason: Option<String>,
}

async fn put(
    State(state): State<ApiState>,
    Id(id): Id<InfluencerId>,
    caller: Caller,
    Body(order): Body<HoldOrder>,
) -> Result<Json<InfluencerView>, Problem> {
    let mut tx = state.store.begin("http.hold").await?;
    let until = (order.until, order.reason.as_deref());
    hold::hold_by_hand(&mut tx, &state.clock, id, until, &caller.by()).await?;
    state.commit(tx).await?;
    super::influencers::view(&state, id).await.map(Json)
}

async fn release(
    State(state): State<ApiState>,
    Id(id): Id<InfluencerId>,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<InfluencerView>, Problem> {
    let mut tx = state.store.begin("http.release_hold").await?;
    hold::release(&mut tx, &state.clock, id, &caller.by()).await?;
    state.commit(tx).await?;
    super::influencers::view(&state, id).await.map(Json)
}
