//! Sign-ins with OAuth: sealed tokens per account, and sign-ins that have begun. Sealed and opened elsewhere; instants are
//! of the machine, as the tokens' are.

use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::time::Micros;

/// The sign-in of an account.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LoginRow {
    /// The account.
    pub account: String,
    /// Whose tokens they are.
    pub provider: String,
    /// The mailbox that signed in.
    pub address: String,
    /// What renews it, sealed.
    pub refresh_sealed: Vec<u8>,
    /// What signs in, sealed.
    pub access_sealed: Option<Vec<u8>>,
    /// From when on a new one is got.
    pub renew_at: Micros,
    /// Until when the access token holds.
    pub expires_at: Micros,
    /// Grows with each change: whoever writes says which one it saw.
    pub version: i64,
    /// When a person signed in.
    pub signed_in_at: Micros,
    /// When the tokens were last renewed.
    pub renewed_at: Micros,
    /// Since when the provider does not take it any more.
    pub refused_at: Option<Micros>,
    /// In its words.
    pub refused_why: Option<String>,
}

impl std::fmt::Debug for LoginRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("LoginRow");
        shown.field("account", &self.account).field("version", &self.version).field("expires_at", &self.expires_at);
        shown.field("refused_at", &self.refused_at).finish_non_exhaustive()
    }
}

/// Tokens to be kept.
#[derive(Clone)]
pub struct LoginTokens {
    /// What renews them, sealed.
    pub refresh_sealed: Vec<u8>,
    /// What signs in, sealed.
    pub access_sealed: Vec<u8>,
    /// From when on a new one is got.
    pub renew_at: Micros,
    /// Until when it holds.
    pub expires_at: Micros,
    /// When they were got.
    pub at: Micros,
}

/// A sign-in that began. Nothing in it opens anything by itself.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PendingLogin {
    /// The hash of the state.
    pub state_hash: Vec<u8>,
    /// The account it is for.
    pub account: String,
    /// Who signs in.
    pub provider: String,
    /// The mailbox it is for.
    pub address: String,
    /// The proof of who began, sealed.
    pub verifier_sealed: Vec<u8>,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// After this it is good for nothing.
    pub expires_at: Micros,
}

impl Tx {
    /// The sign-in of an account.
    pub async fn get_login(&mut self, account: &str) -> Result<Option<LoginRow>, StoreError> {
        self.opt(&LOGIN, values![account]).await
    }

    /// All sign-ins, by account.
    pub async fn list_logins(&mut self) -> Result<Vec<LoginRow>, StoreError> {
        self.all(&LOGINS, values![]).await
    }

    /// Keeps what a person's sign-in gave, in place of whatever was there.
    pub async fn put_login(
        &mut self,
        (account, provider, address): (&str, &str, &str),
        tokens: &LoginTokens,
    ) -> Result<(), StoreError> {
        let (refresh, access) = (tokens.refresh_sealed.clone(), tokens.access_sealed.clone());
        let values =
            values![account, provider, address, refresh, access, tokens.renew_at, tokens.expires_at, tokens.at];
        self.exec(&LOGIN_PUT, values).await?;
        Ok(())
    }

    /// Keeps renewed tokens, where the row is still the one that was read; `false` where it is not.
    pub async fn renew_login(&mut self, account: &str, version: i64, tokens: &LoginTokens) -> Result<bool, StoreError> {
        let (refresh, access) = (tokens.refresh_sealed.clone(), tokens.access_sealed.clone());
        let values = values![account, version, refresh, access, tokens.renew_at, tokens.expires_at, tokens.at];
        Ok(self.exec(&LOGIN_RENEW, values).await? > 0)
    }

    /// Notes that the provider does not take a sign-in any more, where the row is still the one that was read.
    pub async fn refuse_login(
        &mut self,
        account: &str,
        version: i64,
        (why, at): (&str, Micros),
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&LOGIN_REFUSE, values![account, version, why, at]).await? > 0)
    }

    /// Notes that a sign-in began; those that ended more than a day before are forgotten.
    pub async fn insert_pending_login(&mut self, pending: &PendingLogin, now: Micros) -> Result<(), StoreError> {
        self.exec(&PENDING_FORGET, values![now.minus(std::time::Duration::from_hours(24))]).await?;
        let p = pending;
        let (hash, verifier) = (p.state_hash.clone(), p.verifier_sealed.clone());
        let (account, provider, address) = (p.account.as_str(), p.provider.as_str(), p.address.as_str());
        let values = values![hash, account, provider, address, verifier, p.redirect_uri.as_str(), p.expires_at];
        self.exec(&PENDING_INSERT, values).await?;
        Ok(())
    }

    /// Whether a sign-in waits for its answer: [`Self::use_pending_login`] would take it up.
    pub async fn is_login_pending(&mut self, state_hash: Vec<u8>, now: Micros) -> Result<bool, StoreError> {
        let row: Option<(i64,)> = self.opt(&PENDING_WAITS, values![state_hash, now]).await?;
        Ok(row.is_some_and(|(count,)| count > 0))
    }

    /// Takes up a sign-in that began, once; `None` where there is none, it was taken up before, or its time is over.
    pub async fn use_pending_login(
        &mut self,
        state_hash: Vec<u8>,
        now: Micros,
    ) -> Result<Option<PendingLogin>, StoreError> {
        self.opt(&PENDING_USE, values![state_hash, now]).await
    }

    /// Notes how a sign-in ended.
    pub async fn finish_pending_login(
        &mut self,
        state_hash: Vec<u8>,
        failure: Option<&str>,
        now: Micros,
    ) -> Result<(), StoreError> {
        self.exec(&PENDING_FINISH, values![state_hash, failure, now]).await?;
        Ok(())
    }

    /// How a sign-in ended: `None` while it has not, else why it failed, where it did.
    pub async fn get_pending_outcome(&mut self, state_hash: Vec<u8>) -> Result<Option<Option<String>>, StoreError> {
        let row: Option<(Option<String>,)> = self.opt(&PENDING_OUTCOME, values![state_hash]).await?;
        Ok(row.map(|(failure,)| failure))
    }
}

statements! {
    #[hot] LOGIN = "SELECT account, provider, address, refresh_sealed, access_sealed, renew_at, expires_at, version, signed_in_at, \
        renewed_at, refused_at, refused_why FROM login WHERE account = $1";
    LOGINS = "SELECT account, provider, address, refresh_sealed, access_sealed, renew_at, expires_at, version, signed_in_at, \
        renewed_at, refused_at, refused_why FROM login ORDER BY account";
    LOGIN_PUT = "INSERT INTO login (account, provider, address, refresh_sealed, access_sealed, renew_at, expires_at, version, \
        signed_in_at, renewed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8) ON CONFLICT (account) DO UPDATE SET \
        provider = excluded.provider, address = excluded.address, refresh_sealed = excluded.refresh_sealed, \
        access_sealed = excluded.access_sealed, renew_at = excluded.renew_at, expires_at = excluded.expires_at, \
        version = login.version + 1, signed_in_at = excluded.signed_in_at, renewed_at = excluded.renewed_at, \
        refused_at = NULL, refused_why = NULL";
    #[hot] LOGIN_RENEW = "UPDATE login SET refresh_sealed = $3, access_sealed = $4, renew_at = $5, expires_at = $6, renewed_at = $7, \
        version = version + 1, refused_at = NULL, refused_why = NULL WHERE account = $1 AND version = $2";
    #[hot] LOGIN_REFUSE = "UPDATE login SET refused_why = $3, refused_at = $4, version = version + 1 WHERE account = $1 AND version = $2";
    PENDING_FORGET = "DELETE FROM login_pending WHERE expires_at < $1";
    PENDING_INSERT = "INSERT INTO login_pending (state_hash, account, provider, address, verifier_sealed, redirect_uri, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    #[hot] PENDING_WAITS = "SELECT COUNT(*) FROM login_pending WHERE state_hash = $1 AND used_at IS NULL AND expires_at > $2";
    #[hot] PENDING_USE = "UPDATE login_pending SET used_at = $2 WHERE state_hash = $1 AND used_at IS NULL AND expires_at > $2 \
        RETURNING state_hash, account, provider, address, verifier_sealed, redirect_uri, expires_at";
    #[hot] PENDING_FINISH = "UPDATE login_pending SET finished_at = $3, failure = $2 WHERE state_hash = $1 AND finished_at IS NULL";
    #[hot] PENDING_OUTCOME = "SELECT failure FROM login_pending WHERE state_hash = $1 AND finished_at IS NOT NULL";
}
