//! Threads, their messages, and answering in one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::views;
use crate::domain::ids::{InfluencerId, ThreadId};
use crate::domain::words::Awaiting;
use crate::http::ApiState;
use crate::http::actions::{SendOrder, ThreadOrder};
use crate::http::body::{Body, Id};
use crate::http::describe::{Route, does, of, paged, text};
use crate::http::filter;
use crate::http::gate::Caller;
use crate::http::page::{Asked, Direction, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::http::version::{Seen, Tagged};
use crate::store::people::filter::InfluencerFilter;
use crate::store::reading::Order;
use crate::store::reading::thread::ThreadFilter;
use crate::store::reading::view::{MessageView, ThreadView};

pub(super) fn routes() -> Vec<Route> {
    let filters = paged(views::filters(vec![
        of::<InfluencerId>("influencer", "Of this influencer"),
        of::<Awaiting>("awaiting", "Whose turn it is in it"),
        text("account", "Of this account of ours"),
        text("assignee", "Looked after by this teammate"),
        of::<bool>("archived", "Whether it is done with"),
        text("sort", "`-last_message`: the newest message first, as usual; or `last_message`: the oldest first"),
    ]));
    let order = of::<Direction>("order", "`newest` first, as usual, or `oldest`");
    vec![
        Route::at("/threads").get(
            does("List threads, the one with the newest message first unless it is asked otherwise").takes(filters),
            list,
        ),
        Route::at("/threads/{id}").get(does("Show a thread"), one).patch(
            does("Give a thread to a teammate or to another influencer, mark it as read, put it off or aside")
                .conflicts(&["thread_of_their_own"]),
            update,
        ),
        Route::at("/threads/{id}/messages").get(does("The messages of a thread").takes(paged(vec![order])), messages),
        Route::at("/threads/{id}/reply").post(super::messages::sending("Answer in a thread"), reply),
    ]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<ThreadView>>, Problem> {
    let own = ["limit", "cursor", "sort", "influencer", "awaiting", "account", "assignee", "archived"];
    let asked = asked.only(&views::names(&own))?;
    let asked = views::with_view(&state, asked).await?;
    // Whose turn it is, and which account it is of, is asked of the thread itself here.
    let of = InfluencerFilter { awaiting: None, account: None, ..filter::read(&asked, state.clock.now())? };
    let filter = ThreadFilter {
        influencer: asked.get::<InfluencerId>("influencer")?,
        awaiting: asked.get::<Awaiting>("awaiting")?,
        account: asked.text("account").map(str::to_owned),
        assignee: asked.text("assignee").map(str::to_owned),
        archived: asked.get::<bool>("archived")?,
        of,
    };
    let page = asked.page_by("last_message")?;
    // The oldest that are wanted may lie behind many that are not.
    let mut tx = match page.order {
        Order::NewestFirst => state.read_by(&filter.of).await?,
        Order::OldestFirst => state.store.survey().await?,
    };
    let slice = tx.list_threads(&filter, page).await?;
    Ok(asked.answer(slice))
}

async fn view(state: &ApiState, id: ThreadId) -> Result<ThreadView, Problem> {
    let found = state.store.read().await?.get_thread_view(id).await?;
    found.ok_or_else(|| Problem::not_found("thread", id))
}

async fn one(State(state): State<ApiState>, Id(id): Id<ThreadId>, _: NoQuery) -> Result<Tagged<ThreadView>, Problem> {
    view(&state, id).await.map(Tagged)
}

async fn update(
    State(state): State<ApiState>,
    Id(id): Id<ThreadId>,
    caller: Caller,
    Seen(version): Seen,
    Body(mut order): Body<ThreadOrder>,
) -> Result<Tagged<ThreadView>, Problem> {
    order.version = version;
    state.actions.update_thread(id, order, caller.by()).await?;
    view(&state, id).await.map(Tagged)
}

async fn messages(
    State(state): State<ApiState>,
    Id(id): Id<ThreadId>,
    asked: Asked,
) -> Result<Json<Listed<MessageView>>, Problem> {
    let asked = asked.only(&["limit", "cursor", "order"])?;
    let page = asked.page()?;
    let mut tx = state.store.read().await?;
    let slice = tx.list_thread_messages(id, page).await?;
    // Only a thread without messages, or one at its end, may be one that there is not.
    if slice.data.is_empty() && tx.get_thread(id).await?.is_none() {
        return Err(Problem::not_found("thread", id));
    }
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
