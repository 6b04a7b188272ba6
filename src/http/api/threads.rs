//! Threads, their messages, and answering in one.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::Route;
use crate::domain::ids::{InfluencerId, ThreadId};
use crate::domain::words::Awaiting;
use crate::http::actions::SendOrder;
use crate::http::body::{Body, Id};
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::http::{ApiState, MESSAGE_BODY_MAX};
use crate::store::reading::thread::ThreadFilter;
use crate::store::reading::view::{MessageView, ThreadView};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/threads", get(list)),
        ("/threads/{id}", get(one)),
        ("/threads/{id}/messages", get(messages)),
        ("/threads/{id}/reply", post(reply).layer(DefaultBodyLimit::max(MESSAGE_BODY_MAX))),
    ]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<ThreadView>>, Problem> {
    let asked = asked.only(&["limit", "cursor", "influencer", "awaiting", "account"])?;
    let filter = ThreadFilter {
        influencer: asked.get::<InfluencerId>("influencer")?,
        awaiting: asked.get::<Awaiting>("awaiting")?,
        account: asked.text("account").map(str::to_owned),
    };
    let page = asked.page()?;
    let slice = state.store.read().await?.list_threads(&filter, page).await?;
    Ok(asked.answer(slice))
}

async fn view(state: &ApiState, id: ThreadId) -> Result<ThreadView, Problem> {
    let found = state.store.read().await?.get_thread_view(id).await?;
    found.ok_or_else(|| Problem::not_found("thread", id))
}

async fn one(State(state): State<ApiState>, Id(id): Id<ThreadId>, _: NoQuery) -> Result<Json<ThreadView>, Problem> {
    view(&state, id).await.map(Json)
}

async fn messages(
    State(state): State<ApiState>,
    Id(id): Id<ThreadId>,
    asked: Asked,
) -> Result<Json<Listed<MessageView>>, Problem> {
    let asked = asked.only(&["limit", "cursor", "order"])?;
    let page = asked.page()?;
    let thread = view(&state, id).await?;
    let slice = state.store.read().await?.list_thread_messages(thread.id, page).await?;
    Ok(asked.answer(slice))
}

async fn reply(
    State(state): State<ApiState>,
    Id(id): Id<ThreadId>,
    caller: Caller,
    Body(mut order): Body<SendOrder>,
) -> Result<(StatusCode, Json<MessageView>), Problem> {
    order.reply_to_thread_id = Some(view(&state, id).await?.id);
    super::messages::sent(&state, &caller, order).await
}
