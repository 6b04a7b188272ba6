//! API tokens: made once and shown once, stored as a hash, checked on every request.
//!
//! A secret is 256 bits of chance, so a plain SHA-256 is enough to keep it: there is nothing to guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::clock::{self, Clock};
use crate::domain::ids::TokenId;
use crate::domain::time::Micros;
use crate::domain::words::Scope;
use crate::store::token::TokenView;
use crate::store::{StoreError, Tx};

/// What every token begins with, so that scanners and people know one when they see it.
pub const PREFIX: &str = "lia_";
/// Characters of a token's name.
pub const NAME_MAX: usize = 200;
/// Octets of chance in a token.
const SECRET_OCTETS: usize = 32;

/// What a token is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOrder {
    /// What it is for, in the maker's words.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// From when on it is refused.
    pub expires_at: Option<Micros>,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The name is empty or too long.
    #[error("a token needs a name of 1 to {NAME_MAX} characters that says what it is for")]
    Name,
    /// It could do nothing.
    #[error("a token needs at least one scope")]
    Scopes,
    /// It would be refused at once.
    #[error("a token must expire after now")]
    Expiry,
    /// There is none of this id.
    #[error("there is no token `{0}`")]
    Unknown(TokenId),
    /// It is refused for good.
    #[error("the token `{0}` was revoked or has expired; make another one")]
    Over(TokenId),
    /// The system gives no random octets.
    #[error("the system gives no random octets: {0}")]
    Chance(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a presented token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// There is no such token.
    Unknown,
    /// Its time is over.
    Expired,
    /// Someone revoked it.
    Revoked,
}

/// What is to change of a token. What it may do is fixed: for something else another one is made.
#[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenChange {
    /// What it is for.
    pub name: Option<String>,
    /// From when on it is refused, earlier or later than before; `Some(None)`: never.
    pub expires_at: Option<Option<Micros>>,
}

fn name_of(given: &str) -> Result<String, TokenError> {
    let name = given.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX { Err(TokenError::Name) } else { Ok(name.to_owned()) }
}

/// Changes a token that is good.
///
/// # Errors
/// [`TokenError`].
pub async fn change_token(
    tx: &mut Tx,
    clock: &Clock,
    id: TokenId,
    change: TokenChange,
) -> Result<TokenView, TokenError> {
    let TokenChange { name, expires_at } = change;
    let name = name.map(|name| name_of(&name)).transpose()?;
    let now = clock.now();
    if expires_at.flatten().is_some_and(|at| at <= now) {
        return Err(TokenError::Expiry);
    }
    let is_changed = tx.update_token(id, (name.as_deref(), expires_at), now).await?;
    let token = tx.get_token(id).await?.ok_or(TokenError::Unknown(id))?;
    // What was let lapse stays so: whoever had its secret has none that is good.
    if is_changed { Ok(token) } else { Err(TokenError::Over(id)) }
}

/// Makes a token. The secret is returned here and can't be had again.
pub async fn create_token(
    tx: &mut Tx,
    clock: &Clock,
    order: TokenOrder,
) -> Result<(TokenView, SecretString), TokenError> {
    let name = name_of(&order.name)?;
    let mut scopes = order.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(TokenError::Scopes);
    }
    let now = clock.now();
    if order.expires_at.is_some_and(|at| at <= now) {
        return Err(TokenError::Expiry);
    }
    let octets = clock::random_octets::<SECRET_OCTETS>().map_err(|e| TokenError::Chance(e.to_string()))?;
    let secret = SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets)));
    let view = TokenView {
        id: TokenId(clock.new_id()),
        name,
        scopes,
        created_at: now,
        expires_at: order.expires_at,
        revoked_at: None,
    };
    tx.insert_token(&view, hash(secret.expose_secret())).await?;
    Ok((view, secret))
}

/// The token behind a presented secret, or why it is refused.
pub async fn check_token(
    tx: &mut Tx,
    clock: &Clock,
    presented: &str,
) -> Result<Result<TokenView, TokenRefusal>, StoreError> {
    if !is_token(presented) {
        return Ok(Err(TokenRefusal::Unknown));
    }
    Ok(match tx.find_token(hash(presented)).await? {
        None => Err(TokenRefusal::Unknown),
        Some(token) if token.revoked_at.is_some() => Err(TokenRefusal::Revoked),
        Some(token) if token.expires_at.is_some_and(|at| at <= clock.now()) => Err(TokenRefusal::Expired),
        Some(token) => Ok(token),
    })
}

/// Whether a text has the form of a token, so that nothing else costs a look into the store.
fn is_token(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.len() == 43 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
}

/// By what a secret is kept and found.
pub fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}
