//! API tokens as they are kept: only the hash of the secret, so that a copy of the database opens nothing.

use sqlx::types::Json;

use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::ids::TokenId;
use crate::domain::time::Micros;
use crate::domain::words::Scope;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct TokenView {
    /// Its id.
    pub id: TokenId,
    /// What it is for, in words of whoever made it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Micros,
    /// From when on it is refused.
    pub expires_at: Option<Micros>,
    /// Since when it is refused, where someone revoked it.
    pub revoked_at: Option<Micros>,
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: TokenId,
    name: String,
    scopes: Json<Vec<Scope>>,
    created_at: Micros,
    expires_at: Option<Micros>,
    revoked_at: Option<Micros>,
}

impl From<TokenRow> for TokenView {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scopes: row.scopes.0,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

impl Tx {
    /// Keeps a token by the hash of its secret.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where that hash is there already.
    pub async fn insert_token(&mut self, token: &TokenView, hash: Vec<u8>) -> Result<(), StoreError> {
        let scopes = serde_json::to_value(&token.scopes).map_err(|e| StoreError::Damaged(e.to_string()))?;
        self.exec(
            &TOKEN_INSERT,
            values![token.id, token.name.as_str(), hash, scopes, token.created_at, token.expires_at],
        )
        .await?;
        Ok(())
    }

    /// The token with this hash, revoked and expired ones included. The lookup is by hash, so how long it takes says
    /// nothing about a secret.
    pub async fn find_token(&mut self, hash: Vec<u8>) -> Result<Option<TokenView>, StoreError> {
        let row: Option<TokenRow> = self.opt(&TOKEN_FIND, values![hash]).await?;
        Ok(row.map(TokenView::from))
    }

    /// All tokens, newest first.
    pub async fn list_tokens(&mut self) -> Result<Vec<TokenView>, StoreError> {
        let rows: Vec<TokenRow> = self.all(&TOKENS, values![]).await?;
        Ok(rows.into_iter().map(TokenView::from).collect())
    }

    /// One token.
    pub async fn get_token(&mut self, id: TokenId) -> Result<Option<TokenView>, StoreError> {
        let row: Option<TokenRow> = self.opt(&TOKEN_GET, values![id]).await?;
        Ok(row.map(TokenView::from))
    }

    /// What a token is for, and from when on it is refused, each where it is said; `false` where there is none that is good at `now`.
    #[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
    pub async fn update_token(
        &mut self,
        id: TokenId,
        (name, expires_at): (Option<&str>, Option<Option<Micros>>),
        now: Micros,
    ) -> Result<bool, StoreError> {
        let (is_said, expires_at) = (expires_at.is_some(), expires_at.flatten());
        Ok(self.exec(&TOKEN_UPDATE, values![id, name, is_said, expires_at, now]).await? > 0)
    }

    /// Refuses a token from now on; `false` where there is none, `true` also where it was revoked before.
    pub async fn revoke_token(&mut self, id: TokenId, at: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&TOKEN_REVOKE, values![id, at]).await? > 0)
    }
}

statements! {
    TOKEN_INSERT = "INSERT INTO api_token (id, name, hash, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    #[hot] TOKEN_FIND = "SELECT id, name, scopes, created_at, expires_at, revoked_at FROM api_token WHERE hash = $1";
    TOKENS = "SELECT id, name, scopes, created_at, expires_at, revoked_at FROM api_token ORDER BY id DESC LIMIT 1000";
    #[hot] TOKEN_GET = "SELECT id, name, scopes, created_at, expires_at, revoked_at FROM api_token WHERE id = $1";
    #[hot] TOKEN_UPDATE = "UPDATE api_token SET name = COALESCE($2::text, name), expires_at = CASE WHEN $3::boolean THEN $4::bigint ELSE expires_at END \
        WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $5)";
    #[hot] TOKEN_REVOKE = "UPDATE api_token SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1";
}
