//! Holds by hand: nothing is sent to someone by itself until a date. And until when we wait for somebody to do something.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::domain::people::InfluencerView;
use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::body::{Body, Whom};
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
        Route::at("/influencers/{id}/waiting")
            .post(does("Say until when we wait for somebody to do something"), wait)
            .delete(does("Wait for them no longer"), stop_waiting),
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
    Whom(id): Whom,
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
    Whom(id): Whom,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<InfluencerView>, Problem> {
    let mut tx = state.store.begin("http.release_hold").await?;
    hold::release(&mut tx, &state.clock, id, &caller.by()).await?;
    state.commit(tx).await?;
    super::influencers::view(&state, id).await.map(Json)
}

/// Until when we wait for them.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitOrder {
    until: Micros,
}

async fn wait(
    State(state): State<ApiState>,
    Whom(id): Whom,
    caller: Caller,
    Body(order): Body<WaitOrder>,
) -> Result<Json<InfluencerView>, Problem> {
    let mut tx = state.store.begin("http.wait").await?;
    hold::wait_for(&mut tx, &state.clock, id, Some(order.until), &caller.by()).await?;
    state.commit(tx).await?;
    super::influencers::view(&state, id).await.map(Json)
}

async fn stop_waiting(
    State(state): State<ApiState>,
    Whom(id): Whom,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<InfluencerView>, Problem> {
    let mut tx = state.store.begin("http.stop_waiting").await?;
    hold::wait_for(&mut tx, &state.clock, id, None, &caller.by()).await?;
    state.commit(tx).await?;
    super::influencers::view(&state, id).await.map(Json)
}
