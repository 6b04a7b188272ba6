//! Saved views: filters of people under a name, which the lists of influencers, threads and runs take as `view=`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::body::{Body, Name, created};
use crate::http::describe::{Parameter, Route, does, text};
use crate::http::filter;
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::http::version::{Seen, Tagged, Versioned};
use crate::hub::view::{self, VIEWS_MAX, ViewChange, ViewError};
use crate::store::view::SavedView;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/views")
            .get(does("List saved views by name"), list)
            .post(does("Save filters under a name").conflicts(&["name_taken"]), create),
        Route::at("/views/{name}")
            .get(does("Show a saved view"), one)
            .patch(does("Change a saved view; what is left out stays"), change)
            .delete(does("Forget a saved view"), delete),
    ]
}

/// The parameters of a list: its own, and the filters of people, of which those that it has itself are left out, and a view
/// that stands for some.
pub(super) fn filters(own: Vec<Parameter>) -> Vec<Parameter> {
    let mut all = own;
    let view = text("view", "With the filters of this saved view; what is said here as well counts here");
    for parameter in filter::parameters().into_iter().chain([view]) {
        if !all.iter().any(|own| own.name == parameter.name) {
            all.push(parameter);
        }
    }
    all
}

/// The names of a list's parameters: its own, and the filters of people unless it has one of that name itself.
pub(super) fn names(own: &[&'static str]) -> Vec<&'static str> {
    let mut all: Vec<&'static str> = own.to_vec();
    all.extend(filter::NAMES.into_iter().chain(["view"]).filter(|name| !own.contains(name)));
    all
}

/// What was asked, with the filters of the view that it names.
pub(super) async fn with_view(state: &ApiState, asked: Asked) -> Result<Asked, Problem> {
    let Some(name) = asked.text("view").map(str::to_owned) else { return Ok(asked) };
    let found = state.store.read().await?.get_view(&name).await?;
    let view = found.ok_or_else(|| Asked::wrong("view", format!("there is no saved view `{name}`")))?;
    // Kept before empty ones were refused: they counted as not given.
    Ok(asked.with(view.filters.into_iter().filter(|(_, value)| !value.is_empty())))
}

/// A saved view as programs outside see one.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SavedView")]
struct ViewShown {
    /// What it is called.
    name: String,
    /// What it is for.
    about: String,
    /// The query parameters it stands for.
    filters: BTreeMap<String, String>,
    /// Who made it or changed it last.
    by: String,
    /// When it was made.
    created_at: Micros,
    /// When it was changed last.
    updated_at: Micros,
    /// Grows with every change; what `If-Match` compares.
    version: i64,
}

impl Versioned for ViewShown {
    fn version(&self) -> i64 {
        self.version
    }
}

impl From<SavedView> for ViewShown {
    fn from(view: SavedView) -> Self {
        let SavedView { name, about, filters, by, created_at, updated_at, version } = view;
        Self { name, about, filters, by, created_at, updated_at, version }
    }
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<ViewShown>>, Problem> {
    let views = state.store.read().await?.list_views("", VIEWS_MAX).await?;
    Ok(Json(Listed { data: views.into_iter().map(ViewShown::from).collect(), next_cursor: None }))
}

async fn one(State(state): State<ApiState>, Name(name): Name, _: NoQuery) -> Result<Tagged<ViewShown>, Problem> {
    let found = state.store.read().await?.get_view(&name).await?;
    found.map(|view| Tagged(view.into())).ok_or_else(|| Problem::not_found("view", name))
}

/// Filters and what they are called.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ViewOrder {
    /// By which lists take it: a-z, 0-9, - and _.
    name: String,
    /// What it is for.
    #[serde(default)]
    about: String,
    /// Query parameters as the lists take them: `{"stage": "prospect", "property.niche": "running"}`.
    filters: BTreeMap<String, String>,
}

/// What is to change of a view.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ViewChangeOrder {
    /// What it is for.
    about: Option<String>,
    /// All query parameters from now on.
    filters: Option<BTreeMap<String, String>>,
}

/// Only what every list takes can be saved.
fn check(filters: &BTreeMap<String, String>, now: Micros) -> Result<(), Problem> {
    let asked = Asked::of(filters.iter().map(|(name, value)| (name.clone(), value.clone())));
    let read = asked.only(&filter::NAMES).and_then(|asked| filter::read(&asked, now));
    read.map(|_| ()).map_err(|problem| {
        let mut invalid = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", problem.detail.clone());
        for error in problem.errors {
            let name = error.parameter.unwrap_or_default().replace('~', "~0").replace('/', "~1");
            invalid = invalid.field(format!("/filters/{name}"), error.detail);
        }
        invalid
    })
}

async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Body(order): Body<ViewOrder>,
) -> Result<(StatusCode, Json<ViewShown>), Problem> {
    check(&order.filters, state.clock.now())?;
    let mut tx = state.store.begin("http.save_view").await?;
    let named = (order.name, order.about.as_str());
    let view = view::create(&mut tx, &state.clock, named, order.filters, caller.by()).await?;
    state.commit(tx).await?;
    Ok(created(view.into()))
}

async fn change(
    State(state): State<ApiState>,
    Name(name): Name,
    caller: Caller,
    Seen(version): Seen,
    Body(order): Body<ViewChangeOrder>,
) -> Result<Tagged<ViewShown>, Problem> {
    if let Some(filters) = &order.filters {
        check(filters, state.clock.now())?;
    }
    let change = ViewChange { about: order.about, filters: order.filters, version };
    let mut tx = state.store.begin("http.change_view").await?;
    let view = view::change(&mut tx, &state.clock, &name, change, caller.by()).await?;
    state.commit(tx).await?;
    Ok(Tagged(view.into()))
}

async fn delete(
    State(state): State<ApiState>,
    Name(name): Name,
    Seen(version): Seen,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    let mut tx = state.store.begin("http.forget_view").await?;
    view::delete(&mut tx, &name, version).await?;
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        let what = error.to_string();
        match error {
            ViewError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "not_found", what),
            ViewError::Taken(_) => Self::new(StatusCode::CONFLICT, "name_taken", what.clone()).field("/name", what),
            ViewError::Changed { .. } => Self::new(StatusCode::CONFLICT, "changed_meanwhile", what),
            ViewError::Field { field, .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", what.clone()).field(format!("/{field}"), what)
            }
            ViewError::Store(error) => Self::from(error),
        }
    }
}
