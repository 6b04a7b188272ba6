//! The outbox: what is to leave and what happened to it, settling what is uncertain, letting go what waits for a person,
//! taking back what is queued.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::domain::ids::MessageId;
use crate::domain::words::OutboxStatus;
use crate::http::ApiState;
use crate::http::actions::{Settlement, SteerOrder};
use crate::http::body::{Body, Id};
use crate::http::describe::{Route, does, of, paged};
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::store::reading::view::OutboxView;

pub(super) fn routes() -> Vec<Route> {
    let filters = paged(vec![of::<OutboxStatus>("status", "In this state")]);
    let wrong = ["wrong_state", "cancelled"];
    vec![
        Route::at("/outbox").get(does("List what is to leave, and what became of it").takes(filters), list),
        Route::at("/outbox/{id}").get(does("Show a message in the outbox"), one).delete(
            does("Take a queued message back").conflicts(&super::messages::TAKING_BACK),
            super::messages::cancel,
        ),
        Route::at("/outbox/{id}/settle")
            .post(does("Say what became of an uncertain message").conflicts(&wrong), settle),
        Route::at("/outbox/{id}/approve")
            .post(does("Let a message go that waits for a person").conflicts(&wrong), approve),
    ]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<OutboxView>>, Problem> {
    let asked = asked.only(&["limit", "cursor", "status"])?;
    let (page, status) = (asked.page()?, asked.get::<OutboxStatus>("status")?);
    let slice = state.store.read().await?.view_outbox(status, page).await?;
    Ok(asked.answer(slice))
}

async fn view(state: &ApiState, id: MessageId) -> Result<Json<OutboxView>, Problem> {
    let found = state.store.read().await?.get_outbox_view(id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("message in the outbox", id))
}

async fn one(State(state): State<ApiState>, Id(id): Id<MessageId>, _: NoQuery) -> Result<Json<OutboxView>, Problem> {
    view(&state, id).await
}

/// What a person says of an uncertain message.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct SettleOrder {
    outcome: Settlement,
}

async fn settle(
    State(state): State<ApiState>,
    Id(id): Id<MessageId>,
    caller: Caller,
    Body(order): Body<SettleOrder>,
) -> Result<Json<OutboxView>, Problem> {
    state.actions.settle(id, order.outcome, caller.by()).await?;
    view(&state, id).await
}

/// Lets a message go that waits for a person.
async fn approve(
    State(state): State<ApiState>,
    Id(id): Id<MessageId>,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<OutboxView>, Problem> {
    state.actions.steer(SteerOrder::Approve(id), caller.by()).await?;
    view(&state, id).await
}
