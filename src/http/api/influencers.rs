//! Influencers, their stage, their timeline and notes on it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::views;
use crate::domain::ids::{InfluencerId, NoteId};
use crate::domain::people::InfluencerView;
use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::actions::{InfluencerChangeOrder, InfluencerOrder, StageOrder};
use crate::http::body::{Body, Id, Whom, WhoseAddress, created};
use crate::http::describe::{Route, does, of, paged, text};
use crate::http::filter;
use crate::http::gate::Caller;
use crate::http::page::{Asked, Direction, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::http::version::{Seen, Tagged};
use crate::hub::people::{Merged, Unmerged, survivor};
use crate::store::people::list::{InfluencerCursor, InfluencerOrder as ListOrder};
use crate::store::reading::view::TimelineEntry;
use crate::store::reading::{Place, Slice};

pub(super) fn routes() -> Vec<Route> {
    let order = of::<Direction>("order", "`newest` first, as usual, or `oldest`");
    let sort = text("sort", "`-last_message`: the newest message first, as usual; or `added`: as they were added");
    let changes = ["handle_taken", "address_taken"];
    vec![
        Route::at("/influencers")
            .get(
                does("List influencers, the one with the newest message first")
                    .takes(paged(views::filters(vec![sort]))),
                list,
            )
            .post(does("Add an influencer").conflicts(&["handle_taken", "address_taken"]), create),
        Route::at("/influencers/{id}")
            .get(does("Show an influencer"), one)
            .patch(does("Change an influencer; what is left out stays").conflicts(&changes), update)
            .delete(super::erasure::erasing(), super::erasure::erase),
        Route::at("/influencers/{id}/addresses/{address}").delete(
            does("Take a mail address away from an influencer; where it is suppressed, it stays so")
                .conflicts(&["mail_waits", "address_in_use"]),
            remove_address,
        ),
        Route::at("/influencers/{id}/stage").put(does("Move an influencer to another stage by hand"), stage),
        Route::at("/influencers/{id}/timeline")
            .get(does("Everything about an influencer in time order").takes(paged(vec![order])), timeline),
        Route::at("/influencers/{id}/notes").post(does("Write a note"), note),
        Route::at("/influencers/{id}/merge").post(
            does("Join another record of the same person into this one").tells::<Merged>().conflicts(&["not_merged"]),
            merge,
        ),
        Route::at("/influencers/{id}/unmerge")
            .post(does("Take a joining back").tells::<Unmerged>().conflicts(&["not_merged", "handle_taken"]), unmerge),
    ]
}

/// How the list is ordered.
const SORTS: [(&str, ListOrder); 2] = [("-last_message", ListOrder::NewestMessage), ("added", ListOrder::Added)];

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<InfluencerView>>, Problem> {
    let asked = asked.only(&views::names(&["limit", "cursor", "sort"]))?;
    let asked = views::with_view(&state, asked).await?;
    let page = asked.page()?;
    let sort = asked.text("sort").unwrap_or("-last_message");
    let (_, order) = SORTS
        .into_iter()
        .find(|(name, _)| *name == sort)
        .ok_or_else(|| Asked::wrong("sort", "expected `-last_message` or `added`"))?;
    let filter = filter::read(&asked, state.clock.now())?;
    let after = page.after.map(|p| InfluencerCursor { at: p.at.0, id: InfluencerId(p.id) });
    let fetch = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut tx = state.read_by(&filter).await?;
    let mut found = tx.list_influencers(&filter, order, after, fetch).await?;
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let next = found.last().filter(|_| more).map(|i| {
        let cursor = InfluencerCursor::after(i);
        Place { at: Micros(cursor.at), id: cursor.id.0 }
    });
    let data = tx.view_influencers(found).await?;
    Ok(asked.answer(Slice { data, next }))
}

async fn one(
    State(state): State<ApiState>,
    Id(id): Id<InfluencerId>,
    _: NoQuery,
) -> Result<Tagged<InfluencerView>, Problem> {
    view(&state, id).await.map(Tagged)
}

pub(super) async fn view(state: &ApiState, id: InfluencerId) -> Result<InfluencerView, Problem> {
    let mut tx = state.store.read().await?;
    let missing = || Problem::not_found("influencer", id);
    let influencer = tx.get_influencer(id).await?.ok_or_else(missing)?;
    tx.view_influencers(vec![influencer]).await?.pop().ok_or_else(missing)
}

async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Body(order): Body<InfluencerOrder>,
) -> Result<(StatusCode, Json<InfluencerView>), Problem> {
    let id = state.actions.create_influencer(order, caller.by()).await?;
    view(&state, id).await.map(created)
}

async fn update(
    State(state): State<ApiState>,
    Whom(id): Whom,
    caller: Caller,
    Seen(version): Seen,
    Body(mut order): Body<InfluencerChangeOrder>,
) -> Result<Tagged<InfluencerView>, Problem> {
    order.version = version;
    state.actions.update_influencer(id, order, caller.by()).await?;
    view(&state, id).await.map(Tagged)
}

async fn stage(
    State(state): State<ApiState>,
    Whom(id): Whom,
    caller: Caller,
    Seen(version): Seen,
    Body(mut order): Body<StageOrder>,
) -> Result<Tagged<InfluencerView>, Problem> {
    order.version = version;
    state.actions.move_stage(id, order, caller.by()).await?;
    view(&state, id).await.map(Tagged)
}

async fn remove_address(
    State(state): State<ApiState>,
    WhoseAddress(id, address): WhoseAddress,
    caller: Caller,
    Seen(version): Seen,
    _: NoQuery,
) -> Result<Tagged<InfluencerView>, Problem> {
    state.actions.remove_address(id, address, version, caller.by()).await?;
    view(&state, id).await.map(Tagged)
}

async fn timeline(
    State(state): State<ApiState>,
    Id(id): Id<InfluencerId>,
    asked: Asked,
) -> Result<Json<Listed<TimelineEntry>>, Problem> {
    let asked = asked.only(&["limit", "cursor", "order"])?;
    let page = asked.page()?;
    let mut tx = state.store.read().await?;
    let id = survivor(&mut tx, id).await?;
    let slice = tx.list_timeline(id, state.clock.now(), page).await?;
    // Only an empty timeline may be one of nobody.
    if slice.data.is_empty() && tx.get_influencer(id).await?.is_none() {
        return Err(Problem::not_found("influencer", id));
    }
    Ok(asked.answer(slice))
}

/// What is written down.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoteOrder {
    text: String,
}

/// The note that was written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct NoteMade {
    id: NoteId,
    influencer_id: InfluencerId,
}

async fn note(
    State(state): State<ApiState>,
    Whom(influencer_id): Whom,
    caller: Caller,
    Body(order): Body<NoteOrder>,
) -> Result<(StatusCode, Json<NoteMade>), Problem> {
    let id = state.actions.add_note(influencer_id, order.text, caller.by()).await?;
    Ok(created(NoteMade { id, influencer_id }))
}

/// Whose record goes.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct MergeOrder {
    from: InfluencerId,
}

async fn merge(
    State(state): State<ApiState>,
    Id(id): Id<InfluencerId>,
    caller: Caller,
    Body(order): Body<MergeOrder>,
) -> Result<Json<Value>, Problem> {
    state.actions.merge(id, order.from, caller.by()).await.map(Json).map_err(Problem::from)
}

async fn unmerge(
    State(state): State<ApiState>,
    Id(id): Id<InfluencerId>,
    caller: Caller,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    state.actions.unmerge(id, caller.by()).await.map(Json).map_err(Problem::from)
}
