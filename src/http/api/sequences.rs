//! Sequences: what is in force and what became of it, beginning runs, pausing, and checking files before they are used.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::http::ApiState;
use crate::http::actions::{
    EnrollOrder, FilesOrder, PauseTarget, PreviewOrder, SendPreviewOrder, SentPreview, SteerOrder,
};
use crate::http::body::{Body, Name, Optional};
use crate::http::describe::{Does, Route, does};
use crate::http::gate::Caller;
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::hub::outreach::admission::Admitted;
use crate::hub::outreach::funnel::{self, SequenceStats};
use crate::hub::outreach::overview::{self, SequenceView};
use crate::sequence::{Apply, Difference, Moves, preview};

/// The id of a sequence that is checked, where none is given.
const UNNAMED: &str = "unnamed";
/// Octets of a body that carries the files of a sequence: those are in base64, or escaped, in it.
pub(super) const FILES_BODY_MAX: usize = 10 * 1024 * 1024;

/// What pausing and going on tell; one of `all`, `account` and `sequence` says of what.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its shape is told: another room writes the answer")]
struct Steered {
    /// Whether it is paused now.
    paused: bool,
    /// Whether it was otherwise before.
    changed: bool,
    /// Everything.
    #[schemars(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    /// The account.
    #[schemars(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// The sequence.
    #[schemars(skip_serializing_if = "Option::is_none")]
    sequence: Option<SequenceView>,
}

/// What ending a sequence tells.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its shape is told: another room writes the answer")]
struct SequenceEnded {
    /// The sequence.
    sequence: String,
    /// How many live runs ended with it.
    stopped: u64,
}

fn steered(summary: &'static str) -> Does {
    does(summary).tells::<Steered>()
}

pub(super) fn routes() -> Vec<Route> {
    let checks = ["no_configuration", "not_checked"];
    vec![
        Route::at("/sequences").get(does("List sequences"), list),
        Route::at("/sequences/check").post(
            does("Say what is wrong with the files of a sequence").conflicts(&checks).body_max(FILES_BODY_MAX),
            check,
        ),
        Route::at("/sequences/{id}").get(does("Show a sequence"), one).delete(
            does("End a sequence whose folder is gone, and its live runs")
                .conflicts(&["folder_there"])
                .tells::<SequenceEnded>(),
            remove,
        ),
        Route::at("/sequences/{id}/enrollments")
            .post(does("Begin runs for influencers, or only tell").or(StatusCode::OK).tells::<Admitted>(), enroll),
        Route::at("/sequences/{id}/preview").post(
            does("Show the exact messages somebody would get of a sequence; nothing is sent")
                .conflicts(&["no_configuration", "not_read", "faulty_files", "no_run", "unreadable", "not_written"])
                .conflicts(&["not_told"])
                .tells::<preview::Preview>(),
            show,
        ),
        Route::at("/sequences/{id}/preview/send").post(
            does("Send a message of a sequence once, really, to somebody of ours")
                .status(StatusCode::ACCEPTED)
                .conflicts(&["no_configuration", "not_read", "faulty_files", "no_run", "unreadable", "not_written"])
                .conflicts(&["not_told", "do_not_contact"])
                .tells::<SentPreview>(),
            send_preview,
        ),
        Route::at("/sequences/{id}/diff").post(
            does("Say what the files of a sequence would change, and for how many live runs")
                .conflicts(&["no_configuration", "not_read", "faulty_files", "not_told"])
                .tells::<Difference>(),
            diff,
        ),
        Route::at("/sequences/{id}/migrate").post(
            does("Tell what would become of live runs in the version in force; `apply` moves them, a batch at a time")
                .conflicts(&["not_told"])
                .tells::<Moves>(),
            migrate,
        ),
        Route::at("/sequences/{id}/pause").post(steered("Send nothing of a sequence"), pause),
        Route::at("/sequences/{id}/resume").post(steered("Let a sequence go on"), resume),
        Route::at("/sequences/{id}/stats").get(does("What became of a sequence, step by step"), stats),
        Route::at("/stats/sequences").get(does("What became of every sequence"), all_stats),
        Route::at("/pause").post(steered("Send nothing for any sequence"), pause_all),
        Route::at("/resume").post(steered("Let all sequences go on"), resume_all),
        Route::at("/accounts/{name}/pause").post(steered("Send nothing for sequences from an account"), pause_account),
        Route::at("/accounts/{name}/resume").post(steered("Let an account go on"), resume_account),
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
    let found = funnel::measure(&mut state.store.survey().await?, &id).await?;
    found.map(Json).ok_or_else(|| missing(&id))
}

async fn all_stats(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<SequenceStats>>, Problem> {
    let data = funnel::measure_all(&mut state.store.survey().await?).await?;
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

async fn show(
    State(state): State<ApiState>,
    Name(id): Name,
    caller: Caller,
    Body(order): Body<PreviewOrder>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.steer(SteerOrder::Preview(id, order), caller.by()).await?))
}

async fn send_preview(
    State(state): State<ApiState>,
    Name(id): Name,
    caller: Caller,
    Body(order): Body<SendPreviewOrder>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let told = state.actions.steer(SteerOrder::SendPreview(id, order), caller.by()).await?;
    Ok((StatusCode::ACCEPTED, Json(told)))
}

async fn diff(
    State(state): State<ApiState>,
    Name(id): Name,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    Ok(Json(state.actions.steer(SteerOrder::Diff(id), caller.by()).await?))
}

/// Whether runs are moved.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct MigrateOrder {
    /// Move them; where it is not said, nothing is written and the answer tells what would become of them.
    apply: bool,
}

async fn migrate(
    State(state): State<ApiState>,
    Name(id): Name,
    caller: Caller,
    Optional(order): Optional<MigrateOrder>,
) -> Result<Json<Value>, Problem> {
    let apply = if order.apply { Apply::Yes } else { Apply::No };
    Ok(Json(state.actions.steer(SteerOrder::Migrate(id, apply), caller.by()).await?))
}

/// Why something is paused.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
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

/// The files of a sequence, `tests.toml` among them where there is one: their names and what is in them.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckOrder {
    #[serde(default)]
    id: Option<String>,
    files: FilesOrder,
}

async fn check(
    State(state): State<ApiState>,
    caller: Caller,
    Body(order): Body<CheckOrder>,
) -> Result<Json<Value>, Problem> {
    let id = order.id.unwrap_or_else(|| UNNAMED.to_owned());
    Ok(Json(state.actions.steer(SteerOrder::Check(id, order.files), caller.by()).await?))
}
