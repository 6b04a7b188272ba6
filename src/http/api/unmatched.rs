//! Messages that wait for a person to say whose they are.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::MessageId;
use crate::http::ApiState;
use crate::http::actions::MatchOrder;
use crate::http::body::{Body, Id};
use crate::http::describe::{Route, does, paged};
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed};
use crate::http::problem::Problem;
use crate::store::reading::view::{MessageView, UnmatchedView};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/unmatched")
            .get(does("List messages that wait for somebody to say whose they are").takes(paged(vec![])), list),
        Route::at("/unmatched/{id}/match").post(
            does("Say whose a message is").conflicts(&["no_address", "about_whom", "handle_taken", "address_taken"]),
            match_one,
        ),
    ]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<UnmatchedView>>, Problem> {
    let asked = asked.only(&["limit", "cursor"])?;
    let page = asked.page()?;
    let slice = state.store.read().await?.list_unmatched(page).await?;
    Ok(asked.answer(slice))
}

async fn match_one(
    State(state): State<ApiState>,
    Id(id): Id<MessageId>,
    caller: Caller,
    Body(order): Body<MatchOrder>,
) -> Result<Json<MessageView>, Problem> {
    let said = [order.influencer_id.is_some(), order.agent_id.is_some(), order.create.is_some()];
    if said.iter().filter(|said| **said).count() != 1 {
        let what = "say whose it is: exactly one of `influencer_id`, `agent_id` and `create`";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", what).field("", what));
    }
    state.actions.match_unmatched(id, order, caller.by()).await?;
    let found = state.store.read().await?.get_message_view(id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("message", id))
}
