//! Addresses that must not be written to, with what they agreed to before.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::domain::ids::LedgerId;
use crate::domain::people::{Consent, Suppression};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, SuppressionReason, Word as _};
use crate::http::ApiState;
use crate::http::body::{Body, created};
use crate::http::describe::{Route, does, paged, text};
use crate::http::gate::Caller;
use crate::http::page::{Asked, Listed};
use crate::http::problem::Problem;
use crate::hub::people::{self, NewSuppression};
use crate::hub::unsubscribe::unsubscribe_by_hand;
use crate::store::reading::{Place, Slice};

pub(super) fn routes() -> Vec<Route> {
    let one = || text("address", "This address only");
    vec![
        Route::at("/suppressions")
            .get(does("List addresses that must not be written to").takes(paged(vec![one()])), list)
            .post(does("Write to an address no more"), add)
            .delete(
                does("Allow an address again, with the others that the same no had stopped").takes(vec![one()]),
                remove,
            ),
    ]
}

/// A suppression, and the consents of its address.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct SuppressionView {
    #[serde(flatten)]
    suppression: Suppression,
    /// Newest first, withdrawn ones included.
    consents: Vec<ConsentEntry>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct ConsentEntry {
    source: String,
    evidence: String,
    at: Micros,
    withdrawn_at: Option<Micros>,
}

impl From<Consent> for ConsentEntry {
    fn from(c: Consent) -> Self {
        Self { source: c.source, evidence: c.evidence, at: c.at, withdrawn_at: c.withdrawn_at }
    }
}

async fn views(state: &ApiState, rows: Vec<Suppression>) -> Result<Vec<SuppressionView>, Problem> {
    let mut consents: HashMap<(Channel, String), Vec<ConsentEntry>> = HashMap::new();
    for channel in Channel::ALL {
        let of_channel = rows.iter().filter(|s| s.channel == *channel);
        let keys: Vec<String> = of_channel.map(|s| s.value_key.clone()).collect();
        if keys.is_empty() {
            continue;
        }
        for consent in state.store.read().await?.list_consents(*channel, keys).await? {
            consents.entry((*channel, consent.value_key.clone())).or_default().push(consent.into());
        }
    }
    let view = |suppression: Suppression| {
        let key = (suppression.channel, suppression.value_key.clone());
        let consents = consents.remove(&key).unwrap_or_default();
        SuppressionView { suppression, consents }
    };
    Ok(rows.into_iter().map(view).collect())
}

async fn list(State(state): State<ApiState>, asked: Asked) -> Result<Json<Listed<SuppressionView>>, Problem> {
    let asked = asked.only(&["limit", "cursor", "address"])?;
    let page = asked.page()?;
    if let Some(address) = asked.text("address") {
        let rows = listed(&state, address).await?;
        return Ok(asked.answer(Slice { data: views(&state, rows).await?, next: None }));
    }
    let after = page.after.map(|place| LedgerId(place.id));
    let fetch = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = state.store.read().await?.list_suppressions(after, fetch).await?;
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next = rows.last().filter(|_| more).map(|s| Place { at: s.at, id: s.id.0 });
    Ok(asked.answer(Slice { data: views(&state, rows).await?, next }))
}

/// A mail address, or a phone number with its country's code.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct SuppressionOrder {
    address: String,
    #[serde(default)]
    note: Option<String>,
    /// Whether its owner said so: then it is a no of the person, at all their addresses, and what runs for them ends. Else the address
    /// alone is left in peace.
    #[serde(default)]
    said_no: bool,
}

async fn add(
    State(state): State<ApiState>,
    caller: Caller,
    Body(order): Body<SuppressionOrder>,
) -> Result<(StatusCode, Json<Option<SuppressionView>>), Problem> {
    let by = caller.by();
    let evidence = order.note.map_or_else(|| by.clone(), |note| format!("{by}: {}", note.trim()));
    let (evidence, address) = (evidence.chars().take(1_000).collect(), order.address.clone());
    let mut tx = state.store.begin("http.suppress").await?;
    if order.said_no {
        unsubscribe_by_hand(&mut tx, &state.clock, &address, evidence).await?;
    } else {
        let reason = SuppressionReason::ByHand;
        people::suppress_address(&mut tx, &state.clock, NewSuppression { address, reason, evidence }).await?;
    }
    state.commit(tx).await?;
    let rows = listed(&state, &order.address).await?;
    Ok(created(views(&state, rows).await?.pop()))
}

/// A number whose plus sign was not encoded: it arrives as a blank.
fn with_plus(address: &str) -> String {
    let number = address.strip_prefix(' ').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    number.map_or_else(|| address.to_owned(), |rest| format!("+{rest}"))
}

/// Why an address is not written to. What is none is told: an empty list would say that it may be.
async fn listed(state: &ApiState, address: &str) -> Result<Vec<Suppression>, Problem> {
    let wrong = |error: people::PeopleError| {
        let what = error.to_string();
        Problem::new(StatusCode::BAD_REQUEST, "bad_query", what.clone()).parameter("address", what)
    };
    let (channel, key) = people::channel_of(&with_plus(address)).map_err(wrong)?;
    Ok(state.store.read().await?.suppressed(channel, vec![key]).await?)
}

/// Addresses that may be written to again.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Lifted {
    /// The one that was asked for.
    address: String,
    /// All of them, that one first: the others are the same person's, which the same no had stopped.
    lifted: Vec<String>,
}

async fn remove(State(state): State<ApiState>, caller: Caller, asked: Asked) -> Result<Json<Lifted>, Problem> {
    let asked = asked.only(&["address"])?;
    let Some(address) = asked.text("address") else {
        let what = "say which: DELETE /v1/suppressions?address=…";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_query", what).parameter("address", what));
    };
    let mut tx = state.store.begin("http.lift_suppression").await?;
    let lifted = people::lift_suppression(&mut tx, &state.clock, &with_plus(address), &caller.by()).await?;
    if lifted.is_empty() {
        return Err(Problem::not_found("suppression of", address));
    }
    state.commit(tx).await?;
    Ok(Json(Lifted { address: address.to_owned(), lifted }))
}
