//! Seeing before sending, and the reason for everything: simulations, and `why`.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;

use super::sequences::FILES_BODY_MAX;
use crate::domain::ids::{EnrollmentId, MessageId};
use crate::http::ApiState;
use crate::http::actions::{About, FilesOrder, SimulateOrder, SimulationFormat};
use crate::http::body::{Body, Id, Name, Optional, Whom};
use crate::http::describe::{Route, does};
use crate::http::page::NoQuery;
use crate::http::problem::Problem;
use crate::hub::why::{MessageWhy, RunWhy, Why};
use crate::sequence::{Report, Tested, csv_of};

/// Comma-separated values.
const CSV: &str = "text/csv";

pub(super) fn routes() -> Vec<Route> {
    let refusals = ["simulation_died", "no_room", "not_told"];
    vec![
        Route::at("/sequences/{id}/simulate").post(
            does("Simulate a sequence, as it is published or by files in the request; nothing is changed")
                .conflicts(&refusals)
                .conflicts(&["no_configuration", "not_checked", "faulty_files"])
                .tells::<Report>()
                .or_octets(CSV)
                .body_max(FILES_BODY_MAX),
            simulate,
        ),
        Route::at("/sequences/{id}/test").post(
            does("Run the tests beside a sequence: those of its folder, or of files in the request")
                .conflicts(&["no_configuration", "not_checked", "simulation_died"])
                .body_max(FILES_BODY_MAX),
            test,
        ),
        Route::at("/influencers/{id}/why")
            .get(does("Why something, or nothing, is planned for somebody").tells::<Why>(), influencer),
        Route::at("/enrollments/{id}/why").get(does("Why a run stands as it does").tells::<RunWhy>(), enrollment),
        Route::at("/messages/{id}/why").get(does("Why a message leaves when it does").tells::<MessageWhy>(), message),
    ]
}

async fn simulate(
    State(state): State<ApiState>,
    Name(id): Name,
    Body(order): Body<SimulateOrder>,
) -> Result<Response, Problem> {
    let format = order.format;
    let report = state.actions.simulate(id, order).await?;
    Ok(match format {
        SimulationFormat::Json => Json(report).into_response(),
        SimulationFormat::Csv => ([(header::CONTENT_TYPE, CSV)], csv_of(&report)).into_response(),
    })
}

/// What is tested.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct TestOrder {
    /// All files of the sequence, `tests.toml` among them; without them its folder is looked at.
    files: Option<FilesOrder>,
}

async fn test(
    State(state): State<ApiState>,
    Name(id): Name,
    Optional(order): Optional<TestOrder>,
) -> Result<Json<Tested>, Problem> {
    Ok(Json(state.actions.test(id, order.files).await?))
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
