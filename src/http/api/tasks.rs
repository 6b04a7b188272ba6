//! Tasks: what people are to do.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::domain::ids::{InfluencerId, MessageId, TaskId};
use crate::domain::time::Micros;
use crate::domain::words::{TaskKind, TaskState};
use crate::http::ApiState;
use crate::http::body::{Body, Id, created};
use crate::http::describe::{Route, does, of, paged, text};
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::http::version::{Seen, Tagged};
use crate::hub::task::{self, NewTask, TaskChange, TaskError};
use crate::store::reading::task::{TaskFilter, TaskView};

pub(super) fn routes() -> Vec<Route> {
    let filters = paged(vec![
        of::<TaskState>("state", "How they stand; `open` where it is not said"),
        text("assignee", "Of this teammate"),
        of::<TaskKind>("kind", "Of this sort"),
        of::<InfluencerId>("influencer_id", "About this influencer"),
        of::<Micros>("due[lt]", "Due before this instant"),
    ]);
    vec![
        Route::at("/tasks")
            .get(does("List tasks, what is due first").takes(filters), list)
            .post(does("Make a task"), add),
        Route::at("/tasks/{id}")
            .get(does("Show a task"), one)
            .patch(does("Change an open task").conflicts(&["task_over"]), update),
        Route::at("/tasks/{id}/complete").post(does("Say that a task is done").conflicts(&["task_over"]), complete),
        Route::at("/tasks/{id}/cancel")
            .post(does("Take a task away that is not to be done any more").conflicts(&["task_over"]), cancel),
    ]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<TaskView>>, Problem> {
    let asked = asked.only(&["limit", "cursor", "state", "assignee", "kind", "influencer_id", "due[lt]"])?;
    let filter = TaskFilter {
        state: asked.get::<TaskState>("state")?.unwrap_or(TaskState::Open),
        assignee: asked.text("assignee").map(str::to_owned),
        kind: asked.get::<TaskKind>("kind")?,
        influencer: asked.get::<InfluencerId>("influencer_id")?,
        due_before: asked.instant("due[lt]")?,
    };
    let page = asked.page()?;
    let slice = state.store.read().await?.list_tasks(&filter, state.clock.now(), page).await?;
    Ok(asked.answer(slice))
}

/// What is to be done.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct TaskOrder {
    text: String,
    #[serde(default)]
    influencer_id: Option<InfluencerId>,
    #[serde(default)]
    message_id: Option<MessageId>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    due_at: Option<Micros>,
}

async fn add(
    State(state): State<ApiState>,
    Body(order): Body<TaskOrder>,
) -> Result<(StatusCode, Json<TaskView>), Problem> {
    let new = NewTask {
        influencer_id: order.influencer_id,
        text: order.text,
        assignee: order.assignee,
        message_id: order.message_id,
        due_at: order.due_at,
        ..NewTask::default()
    };
    let mut tx = state.store.begin("http.add_task").await?;
    let id = task::add(&mut tx, &state.clock, new).await?;
    state.commit(tx).await?;
    view(&state, id).await.map(created)
}

async fn one(State(state): State<ApiState>, Id(id): Id<TaskId>, _: NoQuery) -> Result<Tagged<TaskView>, Problem> {
    view(&state, id).await.map(Tagged)
}

/// What is to change of a task; what is left out stays.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
#[serde(deny_unknown_fields, default)]
struct TaskChangeOrder {
    /// What is to be done.
    text: Option<String>,
    /// The teammate who is to do it; `null` takes the present one away.
    #[serde(deserialize_with = "crate::http::body::said")]
    assignee: Option<Option<String>>,
    /// Late after this; `null`: never.
    #[serde(deserialize_with = "crate::http::body::said")]
    due_at: Option<Option<Micros>>,
}

async fn update(
    State(state): State<ApiState>,
    Id(id): Id<TaskId>,
    Seen(version): Seen,
    Body(order): Body<TaskChangeOrder>,
) -> Result<Tagged<TaskView>, Problem> {
    let TaskChangeOrder { text, assignee, due_at } = order;
    let mut tx = state.store.begin("http.update_task").await?;
    task::change(&mut tx, id, (TaskChange { text, assignee, due_at }, version)).await?;
    state.commit(tx).await?;
    view(&state, id).await.map(Tagged)
}

async fn view(state: &ApiState, id: TaskId) -> Result<TaskView, Problem> {
    let found = state.store.read().await?.get_task_view(id, state.clock.now()).await?;
    found.ok_or_else(|| Problem::not_found("task", id))
}

/// What came of it.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Completion {
    /// What it asks for. Where it asks whether something was a no: `said_no` (after a complaint of one of several: `said_no ADDRESS`), and
    /// nothing goes to them any more; or `go_on`, and their hold ends.
    answer: Option<String>,
}

async fn complete(
    State(state): State<ApiState>,
    Id(id): Id<TaskId>,
    caller: Caller,
    Seen(version): Seen,
    Body(said): Body<Completion>,
) -> Result<Json<TaskView>, Problem> {
    let mut tx = state.store.begin("http.complete_task").await?;
    task::finish(&mut tx, &state.clock, (id, version), (said.answer.as_deref(), &caller.by())).await?;
    state.commit(tx).await?;
    view(&state, id).await.map(Json)
}

async fn cancel(
    State(state): State<ApiState>,
    Id(id): Id<TaskId>,
    caller: Caller,
    Seen(version): Seen,
    _: NoQuery,
) -> Result<Json<TaskView>, Problem> {
    let mut tx = state.store.begin("http.cancel_task").await?;
    task::cancel(&mut tx, &state.clock, (id, version), &caller.by()).await?;
    state.commit(tx).await?;
    view(&state, id).await.map(Json)
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Self {
        let what = error.to_string();
        let invalid = |field: &str| {
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", what.clone())
                .field(format!("/{field}"), what.clone())
        };
        match error {
            TaskError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "not_found", what),
            TaskError::Over { .. } => Self::new(StatusCode::CONFLICT, "task_over", what),
            TaskError::Changed { .. } => Self::new(StatusCode::CONFLICT, "changed_meanwhile", what),
            TaskError::NoAnswer { .. } | TaskError::Question { .. } => invalid("answer"),
            TaskError::Text { field, .. } => invalid(field),
            TaskError::NoInfluencer(_) => invalid("influencer_id"),
            TaskError::People(error) => Self::from(error),
            TaskError::Store(error) => Self::from(error),
        }
    }
}
