//! Runs of sequences: where each stands, what became of its steps, and what a person does with it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::views;
use crate::domain::ids::{EnrollmentId, InfluencerId};
use crate::domain::words::EnrollmentState;
use crate::http::ApiState;
use crate::http::actions::SteerOrder;
use crate::http::body::{Body, Id};
use crate::http::describe::{Route, does, of, paged, text};
use crate::http::filter;
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::hub::outreach::steer::Act;
use crate::store::people::filter::{InfluencerFilter, RunFilter};
use crate::store::reading::Order;
use crate::store::reading::sequence::{EnrollmentFilter, EnrollmentStepView, EnrollmentView};

pub(super) fn routes() -> Vec<Route> {
    let filters = paged(views::filters(vec![
        text("sequence", "Of this sequence"),
        of::<EnrollmentState>("state", "In this state"),
        of::<EnrollmentState>("sequence_state", "The same, as the other lists call it"),
        text("step", "At this step"),
        text("sequence_step", "The same, as the other lists call it"),
        of::<InfluencerId>("influencer", "Of this influencer"),
        text("sort", "`-started`: the one that began last first, as usual; or `started`: the one that began first"),
    ]));
    vec![
        Route::at("/enrollments").get(does("List runs of sequences, the newest first").takes(filters), list),
        Route::at("/enrollments/{id}")
            .get(does("Show a run and what became of its steps"), one)
            .patch(does("Pause, resume or end a run, or leave out a step").conflicts(&["wrong_state"]), change),
    ]
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<EnrollmentView>>, Problem> {
    let own = ["limit", "cursor", "sort", "sequence", "state", "sequence_state", "step", "sequence_step", "influencer"];
    let asked = asked.only(&views::names(&own))?;
    let asked = views::with_view(&state, asked).await?;
    // Which sequence, step and state is asked of the run itself here.
    let of = InfluencerFilter { run: RunFilter::default(), ..filter::read(&asked, state.clock.now())? };
    let filter = EnrollmentFilter {
        sequence: asked.text("sequence").map(str::to_owned),
        state: asked.get::<EnrollmentState>("state")?.or(asked.get("sequence_state")?),
        step: asked.text("step").or(asked.text("sequence_step")).map(str::to_owned),
        influencer: asked.get::<InfluencerId>("influencer")?,
        of,
    };
    let page = asked.page_by("started")?;
    // The oldest that are wanted may lie behind many that are not.
    let mut tx = match page.order {
        Order::NewestFirst => state.read_by(&filter.of).await?,
        Order::OldestFirst => state.store.survey().await?,
    };
    let slice = tx.list_enrollment_views(&filter, page).await?;
    Ok(asked.answer(slice))
}

/// A run with its steps.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "EnrollmentWithSteps")]
struct Whole {
    #[serde(flatten)]
    run: EnrollmentView,
    steps: Vec<EnrollmentStepView>,
}

async fn view(state: &ApiState, id: EnrollmentId) -> Result<Json<Whole>, Problem> {
    let mut tx = state.store.read().await?;
    let run = tx.get_enrollment_view(id).await?.ok_or_else(|| Problem::not_found("enrollment", id))?;
    let steps = tx.list_step_views(id).await?;
    Ok(Json(Whole { run, steps }))
}

async fn one(State(state): State<ApiState>, Id(id): Id<EnrollmentId>, _: NoQuery) -> Result<Json<Whole>, Problem> {
    view(&state, id).await
}

/// What is done with a run.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActOrder {
    #[serde(rename = "do")]
    act: Act,
}

async fn change(
    State(state): State<ApiState>,
    Id(id): Id<EnrollmentId>,
    caller: Caller,
    Body(order): Body<ActOrder>,
) -> Result<Json<Whole>, Problem> {
    state.actions.steer(SteerOrder::Run(id, order.act), caller.by()).await?;
    view(&state, id).await
}
