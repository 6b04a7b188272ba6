//! Seeing before sending, and the reason for everything: simulations, and `why`.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::Value;

use crate::domain::ids::{EnrollmentId, MessageId};
use crate::http::ApiState;
use crate::http::actions::{About, SimulateOrder};
use crate::http::body::{Body, Id, Whom};
use crate::http::describe::{Route, does};
use crate::http::page::NoQuery;
use crate::http::problem::Problem;
use crate::hub::why::{MessageWhy, RunWhy, Why};
use crate::sequence::Report;

pub(super) fn routes() -> Vec<Route> {
    let refusals = ["simulation_died", "no_room", "not_told"];
    vec![
        Route::at("/sequences/{id}/simulate")
            .post(does("Simulate a sequence; nothing is changed").conflicts(&refusals).tells::<Report>(), simulate),
        Route::at("/influencers/{id}/why")
            .get(does("Why something, or nothing, is planned for somebody").tells::<Why>(), influencer),
        Route::at("/enrollments/{id}/why").get(does("Why a run stands as it does").tells::<RunWhy>(), enrollment),
        Route::at("/messages/{id}/why").get(does("Why a message leaves when it does").tells::<MessageWhy>(), message),
    ]
}

async fn simulate(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Body(order): Body<SimulateOrder>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.simulate(id, order).await?))
}

async fn influencer(State(state): State<ApiState>, Whom(id): Whom, _: NoQuery) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.why(About::Influencer(id)).await?))
}

async fn enrollment(
    State(state): State<ApiState>,
    Id(id): Id<EnrollmentId>,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.why(About::Enrollment(id)).await?))
}

async fn message(State(state): State<ApiState>, Id(id): Id<MessageId>, _: NoQuery) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.why(About::Message(id)).await?))
}
