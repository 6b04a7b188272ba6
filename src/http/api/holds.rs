//! Holds by hand: nothing is sent to someone by itself until a date; and the release of a database that was copied or restored.

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use serde::Deserialize;
use serde_json::Value;

use super::Route;
use crate::domain::ids::InfluencerId;
use crate::domain::people::InfluencerView;
use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::actions::SteerOrder;
use crate::http::body::{Body, Id};
use crate::http::gate::Caller;
use crate::http::page::NoQuery;
use crate::http::problem::Problem;
use crate::hub::hold;

pub(super) fn routes() -> Vec<Route> {
    vec![("/influencers/{id}/hold", post(put).delete(release)), ("/release", post(release_all))]
}

/// Until when, and why.
#[derive(Debug, Deserialize)]
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

async fn release_all(State(state): State<ApiState>, caller: Caller, _: NoQuery) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.steer(SteerOrder::Release, caller.by()).await?))
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
