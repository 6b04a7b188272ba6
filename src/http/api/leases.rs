//! Which node does what only one may do at a time: read a mailbox, number the events.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::domain::ids::RunId;
use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::describe::{Route, does};
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::store::lease::{LeaseRow, READING};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::at("/leases").get(does("List which node does what only one may do at a time, and since when"), list)]
}

/// A lease, and who holds it. Its instants are by the clock of the database.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Lease")]
struct LeaseView {
    /// Its name: `poll:brand`, `sequencer`.
    name: String,
    /// The account whose mailbox is read under it.
    account: Option<String>,
    /// The run of the node that holds it; none: nobody does.
    node: Option<RunId>,
    /// Since when that node holds it.
    since: Option<Micros>,
    /// Until when, where it does not renew it before.
    until: Option<Micros>,
}

fn view(row: LeaseRow, now: Micros) -> LeaseView {
    let is_held = row.holder.is_some() && row.until >= now;
    LeaseView {
        account: row.name.strip_prefix(READING).map(str::to_owned),
        name: row.name,
        node: row.holder.filter(|_| is_held),
        since: row.taken_at.filter(|_| is_held),
        until: is_held.then_some(row.until),
    }
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<LeaseView>>, Problem> {
    let mut tx = state.store.read().await?;
    let now = tx.lease_now().await?;
    let data = tx.list_leases().await?.into_iter().map(|row| view(row, now)).collect();
    Ok(Json(Listed { data, next_cursor: None }))
}
