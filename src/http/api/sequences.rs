//! Sequences: what is in force and what became of it, beginning runs, pausing, and checking files before they are used.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::Value;

use super::Route;
use crate::http::ApiState;
use crate::http::actions::{EnrollOrder, PauseTarget, SteerOrder};
use crate::http::body::{Body, Name, Optional};
use crate::http::gate::Caller;
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::hub::outreach::funnel::{self, SequenceStats};
use crate::hub::outreach::overview::{self, SequenceView};

/// The id of a sequence that is checked, where none is given.
const UNNAMED: &str = "unnamed";

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/sequences", get(list)),
        ("/sequences/check", post(check)),
        ("/sequences/{id}", get(one).delete(remove)),
        ("/sequences/{id}/enrollments", post(enroll)),
        ("/sequences/{id}/pause", post(pause)),
        ("/sequences/{id}/resume", post(resume)),
        ("/sequences/{id}/stats", get(stats)),
        ("/stats/sequences", get(all_stats)),
        ("/pause", post(pause_all)),
        ("/resume", post(resume_all)),
        ("/accounts/{name}/pause", post(pause_account)),
        ("/accounts/{name}/resume", post(resume_account)),
    ]
}

fn missing(id: &str) -> Problem {
    Problem::not_found("sequence", id)
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<SequenceView>>, Problem> {
    let data = overview::list(&mut state.store.read().await?).await?;
    Ok(Json(Listed { data, next_cursor: None }))
}

async fn one(State(state): State<ApiState>, Name(id): Name, _: NoQuery) -> Result<Json<SequenceView>, Problem> {
    let found = overview::get(&mut state.store.read().await?, &id).await?;
    found.map(Json).ok_or_else(|| missing(&id))
}

/// Ends a sequence and its live runs; its folder must be gone.
async fn remove(
    State(state): State<ApiState>,
    Name(id): Name,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.steer(SteerOrder::Remove(id), caller.by()).await?))
}

async fn stats(State(state): State<ApiState>, Name(id): Name, _: NoQuery) -> Result<Json<SequenceStats>, Problem> {
    let found = funnel::measure(&mut state.store.read().await?, &id).await?;
    found.map(Json).ok_or_else(|| missing(&id))
}

async fn all_stats(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<SequenceStats>>, Problem> {
    let data = funnel::measure_all(&mut state.store.read().await?).await?;
    Ok(Json(Listed { data, next_cursor: None }))
}

async fn enroll(
    State(state): State<ApiState>,
    Name(id): Name,
    caller: Caller,
    Body(order): Body<EnrollOrder>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let status = if order.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let told = state.actions.steer(SteerOrder::Enroll(id, order), caller.by()).await?;
    Ok((status, Json(told)))
}

/// Why something is paused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PauseOrder {
    reason: Option<String>,
}

async fn paused(
    state: &ApiState,
    caller: &Caller,
    what: PauseTarget,
    order: PauseOrder,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.steer(SteerOrder::Pause(what, order.reason), caller.by()).await?))
}

async fn resumed(state: &ApiState, caller: &Caller, what: PauseTarget) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.steer(SteerOrder::Resume(what), caller.by()).await?))
}

async fn pause(
    State(state): State<ApiState>,
    Name(id): Name,
    caller: Caller,
    Optional(order): Optional<PauseOrder>,
) -> Result<Json<Value>, Problem> {
    paused(&state, &caller, PauseTarget::Sequence(id), order).await
}

async fn resume(
    State(state): State<ApiState>,
    Name(id): Name,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    resumed(&state, &caller, PauseTarget::Sequence(id)).await
}

async fn pause_account(
    State(state): State<ApiState>,
    Name(name): Name,
    caller: Caller,
    Optional(order): Optional<PauseOrder>,
) -> Result<Json<Value>, Problem> {
    paused(&state, &caller, PauseTarget::Account(name), order).await
}

async fn resume_account(
    State(state): State<ApiState>,
    Name(name): Name,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    resumed(&state, &caller, PauseTarget::Account(name)).await
}

async fn pause_all(
    State(state): State<ApiState>,
    caller: Caller,
    Optional(order): Optional<PauseOrder>,
) -> Result<Json<Value>, Problem> {
    paused(&state, &caller, PauseTarget::All, order).await
}

async fn resume_all(State(state): State<ApiState>, caller: Caller, _: NoQuery) -> Result<Json<Value>, Problem> {
    resumed(&state, &caller, PauseTarget::All).await
}

/// The files of a sequence: their names and what is in them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckOrder {
    #[serde(default)]
    id: Option<String>,
    files: BTreeMap<String, String>,
}

async fn check(
    State(state): State<ApiState>,
    caller: Caller,
    Body(order): Body<CheckOrder>,
) -> Result<Json<Value>, Problem> {
    let id = order.id.unwrap_or_else(|| UNNAMED.to_owned());
    Ok(Json(state.actions.steer(SteerOrder::Check(id, order.files), caller.by()).await?))
}
