//! Seeing before sending, and the reason for everything: simulations, and `why`.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde_json::Value;

use super::Route;
use crate::domain::ids::{EnrollmentId, MessageId};
use crate::http::ApiState;
use crate::http::actions::{About, SimulateOrder};
use crate::http::body::{Body, Id, Whom};
use crate::http::page::NoQuery;
use crate::http::problem::Problem;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/sequences/{id}/simulate", post(simulate)),
        ("/influencers/{id}/why", get(influencer)),
        ("/enrollments/{id}/why", get(enrollment)),
        ("/messages/{id}/why", get(message)),
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
