//! Tokens: made (and shown this once), listed without their secret, revoked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::domain::ids::TokenId;
use crate::domain::time::Micros;
use crate::domain::words::Scope;
use crate::http::ApiState;
use crate::http::body::{Body, Id, created};
use crate::http::describe::{Route, does};
use crate::http::page::{Listed, NoQuery};
use crate::http::problem::Problem;
use crate::hub::token::{TokenChange, TokenError, TokenOrder, change_token, create_token};
use crate::store::token::TokenView;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/tokens")
            .get(does("List tokens, without their secrets"), list)
            .post(does("Make a token").secret(), create),
        Route::at("/tokens/{id}")
            .get(does("Show a token, without its secret"), one)
            .patch(
                does("Say what a token is for and until when it holds; what is left out stays")
                    .conflicts(&["token_over"]),
                change,
            )
            .delete(does("Refuse a token from now on"), revoke),
    ]
}

async fn list(State(state): State<ApiState>, _: NoQuery) -> Result<Json<Listed<TokenView>>, Problem> {
    let data = state.store.read().await?.list_tokens().await?;
    Ok(Json(Listed { data, next_cursor: None }))
}

/// What a token is to be.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    scopes: Vec<Scope>,
    #[serde(default)]
    expires_at: Option<Micros>,
}

/// A new token, with its secret.
#[derive(Serialize, schemars::JsonSchema)]
struct CreatedToken {
    /// The secret; it can't be had again.
    token: String,
    #[serde(flatten)]
    view: TokenView,
}

async fn create(
    State(state): State<ApiState>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let order = TokenOrder { name: new.name, scopes: new.scopes, expires_at: new.expires_at };
    let mut tx = state.store.begin("http.create_token").await?;
    let (view, secret) = create_token(&mut tx, &state.clock, order).await?;
    tx.commit().await?;
    Ok(created(CreatedToken { token: secret.expose_secret().to_owned(), view }))
}

async fn one(State(state): State<ApiState>, Id(id): Id<TokenId>, _: NoQuery) -> Result<Json<TokenView>, Problem> {
    let found = state.store.read().await?.get_token(id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("token", id))
}

/// What is to change of a token. What it may do is fixed.
#[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct TokenChangeOrder {
    /// What it is for.
    name: Option<String>,
    /// From when on it is refused; `null`: never.
    #[serde(deserialize_with = "crate::http::body::said")]
    expires_at: Option<Option<Micros>>,
}

async fn change(
    State(state): State<ApiState>,
    Id(id): Id<TokenId>,
    Body(order): Body<TokenChangeOrder>,
) -> Result<Json<TokenView>, Problem> {
    let change = TokenChange { name: order.name, expires_at: order.expires_at };
    let mut tx = state.store.begin("http.change_token").await?;
    let view = change_token(&mut tx, &state.clock, id, change).await?;
    let kept = tx.commit().await;
    // Also where it is not known whether it was kept.
    state.limits.known().revoked();
    kept?;
    Ok(Json(view))
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let what = error.to_string();
        let invalid = |pointer: &str| {
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", what.clone()).field(pointer, what.clone())
        };
        match error {
            TokenError::Name => invalid("/name"),
            TokenError::Scopes => invalid("/scopes"),
            TokenError::Expiry => invalid("/expires_at"),
            TokenError::Unknown(id) => Self::not_found("token", id),
            TokenError::Over(_) => Self::new(StatusCode::CONFLICT, "token_over", what.clone()),
            TokenError::Chance(_) => Self::internal(),
            TokenError::Store(error) => Self::from(error),
        }
    }
}

async fn revoke(State(state): State<ApiState>, Id(id): Id<TokenId>, _: NoQuery) -> Result<StatusCode, Problem> {
    let mut tx = state.store.begin("http.revoke_token").await?;
    if !tx.revoke_token(id, state.clock.now()).await? {
        return Err(Problem::not_found("token", id));
    }
    let kept = tx.commit().await;
    // Also where it is not known whether it was kept.
    state.limits.known().revoked();
    kept?;
    Ok(StatusCode::NO_CONTENT)
}
