//! Webhooks: made (the secret is shown this once), listed, changed, taken away; what they were told; tests and repeats.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::domain::ids::WebhookId;
use crate::domain::time::Micros;
use crate::domain::webhook::OVERLAP_HOURS;
use crate::domain::words::{DeliveryState, EventType, WebhookState};
use crate::http::ApiState;
use crate::http::body::{Body, DeliveryId, Id, Optional, created};
use crate::http::describe::{Route, does, of, paged};
use crate::http::page::{Asked, Listed, NoQuery};
use crate::http::problem::Problem;
use crate::http::version::{Seen, Tagged};
use crate::hub::seal::{SealError, Vault};
use crate::hub::webhook::{self, Missed, NewWebhook, WebhookChange, WebhookError, Which};
use crate::store::reading::webhook::{DeliveryFilter, WebhookDeliveryView};
use crate::store::webhook::WebhookView;

pub(super) fn routes() -> Vec<Route> {
    let filters = vec![
        of::<DeliveryState>("state", "Only those in this state"),
        of::<String>("type", "Only those of events of this name, or `webhook.test`"),
    ];
    let made = does("Make a webhook: it is told what happens from now on").secret();
    let again = does("Make deliveries once more: of all events since an instant, or those that failed");
    vec![
        Route::at("/webhooks")
            .get(does("List webhooks, without their secrets"), list)
            .post(made.conflicts(&["no_master_key", "too_many_webhooks"]), create),
        Route::at("/webhooks/{id}")
            .get(does("Show a webhook, without its secret"), one)
            .patch(does("Change a webhook; what is left out stays"), update)
            .delete(does("Take a webhook away, with the record of what it was told"), remove),
        Route::at("/webhooks/{id}/rotate").post(
            does("Make a new secret; the one before signs as well for a while").secret().conflicts(&["no_master_key"]),
            rotate,
        ),
        Route::at("/webhooks/{id}/test").post(
            does("Send a test, as an event is sent").status(StatusCode::ACCEPTED).conflicts(&["webhook_disabled"]),
            test,
        ),
        Route::at("/webhooks/{id}/resend")
            .post(again.status(StatusCode::ACCEPTED).conflicts(&["webhook_disabled"]), resend_since),
        Route::at("/webhooks/{id}/deliveries")
            .get(does("What a webhook was told and is to be told, the newest first").takes(paged(filters)), deliveries),
        Route::at("/webhooks/{id}/deliveries/{delivery}")
            .get(does("Show a delivery and what came of each try"), delivery),
        Route::at("/webhooks/{id}/deliveries/{delivery}/resend").post(
            does("Make one delivery once more").status(StatusCode::ACCEPTED).conflicts(&["webhook_disabled"]),
            resend,
        ),
    ]
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let detail = error.to_string();
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, detail.clone());
        match error {
            WebhookError::Unknown(_) | WebhookError::NoDelivery(_) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", detail)
            }
            WebhookError::Invalid(flaws) => {
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
                flaws.into_iter().fold(problem, |problem, (field, what)| problem.field(format!("/{field}"), what))
            }
            WebhookError::Changed => conflict("changed_meanwhile"),
            WebhookError::TooMany => conflict("too_many_webhooks"),
            WebhookError::Disabled => conflict("webhook_disabled"),
            WebhookError::Seal(_) => conflict("no_master_key"),
            WebhookError::Chance(_) => Self::internal(),
            WebhookError::Store(error) => Self::from(error),
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        Self::from(WebhookError::Seal(error))
    }
}

async fn view(state: &ApiState, id: WebhookId) -> Result<WebhookView, Problem> {
    let row = state.store.read().await?.get_webhook(id).await?;
    row.map(WebhookView::from).ok_or_else(|| Problem::from(WebhookError::Unknown(id)))
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<WebhookView>>, Problem> {
    let rows = state.store.read().await?.list_webhooks().await?;
    Ok(Json(Listed { data: rows.into_iter().map(WebhookView::from).collect(), next_cursor: None }))
}

async fn one(State(state): State<ApiState>, Id(id): Id<WebhookId>, _: NoQuery) -> Result<Tagged<WebhookView>, Problem> {
    view(&state, id).await.map(Tagged)
}

/// A webhook to be made.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct WebhookOrder {
    /// Where it leads: https, on the public internet, unless the configuration allows more.
    url: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// What it is told; everything where nothing is named.
    #[serde(default)]
    events: Vec<EventType>,
}

/// A webhook with its secret.
#[derive(Serialize, schemars::JsonSchema)]
struct WebhookWithSecret {
    /// What signs: `whsec_` and base64. It can't be had again.
    secret: String,
    #[serde(flatten)]
    view: WebhookView,
}

impl WebhookWithSecret {
    fn new(secret: &SecretString, view: WebhookView) -> Self {
        Self { secret: secret.expose_secret().to_owned(), view }
    }
}

async fn create(
    State(state): State<ApiState>,
    Body(order): Body<WebhookOrder>,
) -> Result<(StatusCode, Json<WebhookWithSecret>), Problem> {
    let vault: Vault = state.actions.vault()?;
    let WebhookOrder { url, description, events } = order;
    let mut tx = state.store.begin("http.create_webhook").await?;
    let new = NewWebhook { url, description, events };
    let (row, secret) = webhook::create(&mut tx, &state.clock, (&state.actions.reach(), &vault), new).await?;
    state.commit(tx).await?;
    Ok(created(WebhookWithSecret::new(&secret, row.into())))
}

/// What is to change of a webhook.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct WebhookChangeOrder {
    /// Where it leads.
    url: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// What it is told; everything where the list is empty.
    events: Option<Vec<EventType>>,
    /// Whether it is told anything.
    state: Option<WebhookState>,
    /// Where it is enabled: whether it is told what it missed, or never will be.
    missed: Missed,
}

async fn update(
    State(state): State<ApiState>,
    Id(id): Id<WebhookId>,
    Seen(version): Seen,
    Body(order): Body<WebhookChangeOrder>,
) -> Result<Tagged<WebhookView>, Problem> {
    let WebhookChangeOrder { url, description, events, state: wanted, missed } = order;
    let change = WebhookChange { url, description, events, state: wanted, missed, version };
    let mut tx = state.store.begin("http.update_webhook").await?;
    webhook::change(&mut tx, &state.actions.reach(), id, change).await?;
    state.commit(tx).await?;
    view(&state, id).await.map(Tagged)
}

async fn remove(
    State(state): State<ApiState>,
    Id(id): Id<WebhookId>,
    Seen(version): Seen,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    let mut tx = state.store.begin("http.remove_webhook").await?;
    webhook::remove(&mut tx, id, version).await?;
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a secret is changed.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RotateOrder {
    /// For how many hours the secret before signs as well, 0 to 168.
    overlap_hours: u32,
}

impl Default for RotateOrder {
    fn default() -> Self {
        Self { overlap_hours: OVERLAP_HOURS }
    }
}

async fn rotate(
    State(state): State<ApiState>,
    Id(id): Id<WebhookId>,
    Seen(version): Seen,
    Optional(order): Optional<RotateOrder>,
) -> Result<Json<WebhookWithSecret>, Problem> {
    let vault = state.actions.vault()?;
    let mut tx = state.store.begin("http.rotate_webhook").await?;
    let secret = webhook::rotate(&mut tx, &vault, id, (order.overlap_hours, version)).await?;
    state.commit(tx).await?;
    Ok(Json(WebhookWithSecret::new(&secret, view(&state, id).await?)))
}

async fn test(
    State(state): State<ApiState>,
    Id(id): Id<WebhookId>,
    _: NoQuery,
) -> Result<(StatusCode, Json<WebhookDeliveryView>), Problem> {
    let mut tx = state.store.begin("http.test_webhook").await?;
    let delivery = webhook::test(&mut tx, &state.clock, id).await?;
    let told = tx.get_webhook_delivery(id, delivery).await?;
    state.commit(tx).await?;
    let told = told.ok_or_else(|| Problem::from(WebhookError::NoDelivery(delivery)))?;
    Ok((StatusCode::ACCEPTED, Json(told)))
}

/// Since when deliveries are made once more.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResendOrder {
    /// An instant, by the clock of this machine.
    since: Micros,
    /// Only those that were given up, and those that wait for their next try.
    #[serde(default)]
    failed_only: bool,
}

/// What is made once more.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Resent {
    /// How many deliveries; `null` where all events since then are told, which are counted only as they are put in line.
    deliveries: Option<u64>,
}

async fn resend_since(
    State(state): State<ApiState>,
    Id(id): Id<WebhookId>,
    Body(order): Body<ResendOrder>,
) -> Result<(StatusCode, Json<Resent>), Problem> {
    let which = if order.failed_only { Which::Failed } else { Which::All };
    let mut tx = state.store.begin("http.resend_since").await?;
    let deliveries = webhook::resend_since(&mut tx, id, (order.since, which)).await?;
    state.commit(tx).await?;
    Ok((StatusCode::ACCEPTED, Json(Resent { deliveries })))
}

async fn deliveries(
    State(state): State<ApiState>,
    Id(id): Id<WebhookId>,
    asked: Asked,
) -> Result<Json<Listed<WebhookDeliveryView>>, Problem> {
    let asked = asked.only(&["limit", "cursor", "state", "type"])?;
    let filter = DeliveryFilter { state: asked.get("state")?, kind: asked.get("type")? };
    let page = asked.page()?;
    view(&state, id).await?;
    let mut tx = state.store.read().await?;
    Ok(asked.answer(tx.list_webhook_deliveries(id, &filter, page).await?))
}

async fn delivery(
    State(state): State<ApiState>,
    _: NoQuery,
    Id(id): Id<WebhookId>,
    DeliveryId(delivery): DeliveryId,
) -> Result<Json<WebhookDeliveryView>, Problem> {
    let told = state.store.read().await?.get_webhook_delivery(id, delivery).await?;
    told.map(Json).ok_or_else(|| Problem::from(WebhookError::NoDelivery(delivery)))
}

async fn resend(
    State(state): State<ApiState>,
    _: NoQuery,
    Id(id): Id<WebhookId>,
    DeliveryId(delivery): DeliveryId,
) -> Result<(StatusCode, Json<WebhookDeliveryView>), Problem> {
    let mut tx = state.store.begin("http.resend").await?;
    webhook::resend(&mut tx, id, delivery).await?;
    let told = tx.get_webhook_delivery(id, delivery).await?;
    state.commit(tx).await?;
    let told = told.ok_or_else(|| Problem::from(WebhookError::NoDelivery(delivery)))?;
    Ok((StatusCode::ACCEPTED, Json(told)))
}
