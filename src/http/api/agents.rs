//! Agents: people who write for one or several influencers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::ids::AgentId;
use crate::domain::people::AgentView;
use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::actions::{AgentChangeOrder, AgentOrder};
use crate::http::body::{Body, Id, created};
use crate::http::describe::{Route, does, paged};
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::http::version::{Seen, Tagged};
use crate::store::reading::{Place, Slice};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/agents")
            .get(does("List agents").takes(paged(vec![])), list)
            .post(does("Add an agent").conflicts(&["address_taken"]), create),
        Route::at("/agents/{id}")
            .get(does("Show an agent"), one)
            .patch(does("Change an agent; what is left out stays").conflicts(&["address_taken"]), update)
            .delete(
                does("Take an agent away; what they wrote stays, and what waits in the outbox for them still leaves"),
                remove,
            ),
    ]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<AgentView>>, Problem> {
    let asked = asked.only(&["limit", "cursor"])?;
    let page = asked.page()?;
    let mut tx = state.store.read().await?;
    let fetch = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut agents = tx.list_agents(page.after.map(|p| AgentId(p.id)), fetch).await?;
    let more = agents.len() > page.limit;
    agents.truncate(page.limit);
    let next = agents.last().filter(|_| more).map(|a| Place { at: Micros(0), id: a.id.0 });
    let data = tx.view_agents(agents).await?;
    Ok(asked.answer(Slice { data, next }))
}

async fn one(State(state): State<ApiState>, Id(id): Id<AgentId>, _: NoQuery) -> Result<Tagged<AgentView>, Problem> {
    view(&state, id).await.map(Tagged)
}

async fn view(state: &ApiState, id: AgentId) -> Result<AgentView, Problem> {
    let mut tx = state.store.read().await?;
    let agent = tx.get_agent(id).await?.ok_or_else(|| Problem::not_found("agent", id))?;
    tx.view_agents(vec![agent]).await?.pop().ok_or_else(|| Problem::not_found("agent", id))
}

async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Body(order): Body<AgentOrder>,
) -> Result<(StatusCode, Json<AgentView>), Problem> {
    let id = state.actions.create_agent(order, caller.by()).await?;
    view(&state, id).await.map(created)
}

async fn update(
    State(state): State<ApiState>,
    Id(id): Id<AgentId>,
    caller: Caller,
    Seen(version): Seen,
    Body(mut order): Body<AgentChangeOrder>,
) -> Result<Tagged<AgentView>, Problem> {
    order.version = version;
    state.actions.update_agent(id, order, caller.by()).await?;
    view(&state, id).await.map(Tagged)
}

async fn remove(
    State(state): State<ApiState>,
    Id(id): Id<AgentId>,
    caller: Caller,
    Seen(version): Seen,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    state.actions.remove_agent(id, version, caller.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}
