//! Keeps the tokens of one account fresh: the access token that is valid now, renewed by one at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{access_of, client_of, how_to_sign_in, refresh_of};
use crate::clock::{Clock, jitter, machine_now};
use crate::config::OAuth;
use crate::connector::http::{Http, HttpError};
use crate::connector::oauth::{self, Client, Grant, OAuthError};
use crate::connector::{ConnectorError, Tokens};
use crate::domain::ids::RunId;
use crate::domain::oauth::{Provider, renew_at};
use crate::domain::time::Micros;
use crate::hub::seal::{SealError, Vault};
use crate::store::lease::Lease;
use crate::store::login::{LoginRow, LoginTokens};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics;
use crate::worker;

/// How long the lease of a renewal runs: longer than the provider may take to answer.
const LEASE_SECONDS: i64 = 60;
/// How long we wait for another process that renews.
const BUSY_MAX: Duration = Duration::from_secs(75);
/// Between two looks at whether it has.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// The rests after a token endpoint that did not answer, seconds; the last one repeats.
const RESTS: [u64; 7] = [1, 2, 5, 15, 30, 60, 300];
/// The rest after a provider refused our client: the configuration is wrong, and asking does not mend it.
const REFUSED_REST: Duration = Duration::from_mins(5);
/// How often tokens are tried to be kept before the database is left alone for a while.
const KEEP_TRIES: u32 = 8;
/// The longest wait for a renewal at the end of the process.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// Keeps the tokens of one account. Cheap to clone; one per account and process.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keeper").field(&self.0.account).finish()
    }
}

struct Inner {
    store: Store,
    account: String,
    provider: Provider,
    /// Who holds the lease: this keeper, and no other of this process.
    holder: RunId,
    /// What is needed to ask; why it is not there, where it is not.
    means: Result<Means, String>,
    state: Mutex<State>,
}

struct Means {
    http: Http,
    client: Client,
    vault: Vault,
}

/// An access token, and what stands in the row it came from.
#[derive(Clone)]
struct Held {
    token: SecretString,
    renew_at: Micros,
    expires_at: Micros,
}

impl Held {
    fn was(&self, refused: Option<&SecretString>) -> bool {
        refused.is_some_and(|r| r.expose_secret() == self.token.expose_secret())
    }

    /// Whether it is to be used without a second thought.
    fn is_fresh(&self, refused: Option<&SecretString>) -> bool {
        machine_now() < self.renew_at && !self.was(refused)
    }

    /// Whether it may still be used while no other can be had.
    fn is_valid(&self, refused: Option<&SecretString>) -> bool {
        machine_now() < self.expires_at && !self.was(refused)
    }
}

/// Tokens the provider gave and the database has not taken yet: they are in memory alone.
struct Unsaved {
    version: i64,
    tokens: LoginTokens,
    held: Held,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    unsaved: Option<Unsaved>,
    failures: usize,
    /// The endpoint is left alone until then, because of this.
    rest: Option<(Instant, ConnectorError)>,
}

/// What a look at the store came to.
enum Look {
    Token(Held),
    /// Another process renews.
    Busy,
    /// It is ours to renew.
    Mine(Box<LoginRow>, Lease),
}

impl Keeper {
    /// For an account of the configuration.
    pub fn new(store: Store, account: &str, provider: Provider, config: &OAuth) -> Self {
        let means = || {
            let missing = || format!("[oauth.{provider}] has no client_id");
            let client = client_of(config, provider).ok_or_else(missing)?;
            let key = config.master_key.as_ref().ok_or_else(|| SealError::NoKey.to_string())?;
            let vault = Vault::new(&key.value).map_err(|e| e.to_string())?;
            let http = Http::new(None).map_err(|e: HttpError| e.to_string())?;
            Ok(Means { http, client, vault })
        };
        Self(Arc::new(Inner {
            store,
            account: account.to_owned(),
            provider,
            holder: RunId(Clock::machine().new_id()),
            means: means(),
            state: Mutex::default(),
        }))
    }

    /// Waits until no renewal is under way, for a while: before the process ends and the database is closed.
    pub async fn settle(&self) {
        if timeout(SETTLE_MAX, self.0.state.lock()).await.is_err() {
            tracing::warn!(account = %self.0.account, "a renewal of its sign-in was cut off");
        }
    }
}

impl Tokens for Keeper {
    fn access<'a>(&'a self, refused: Option<&'a SecretString>) -> BoxFuture<'a, Result<SecretString, ConnectorError>> {
        async move {
            {
                let state = self.0.state.lock().await;
                if let Some(held) = state.held.as_ref().filter(|held| held.is_fresh(refused)) {
                    return Ok(held.token.clone());
                }
            }
            // Whoever asked may go away; the answer of the provider must be kept all the same.
            let (inner, refused) = (Arc::clone(&self.0), refused.cloned());
            let renewed = worker::to_the_end(async move { inner.get(refused.as_ref()).await }).await;
            renewed.unwrap_or_else(|error| Err(ConnectorError::Lost(error.to_string())))
        }
        .boxed()
    }
}

impl Inner {
    fn lost(&self, error: &StoreError) -> ConnectorError {
        ConnectorError::Lost(format!("the sign-in of {} can't be read: {error}", self.account))
    }

    fn signed_out(&self, why: &str) -> ConnectorError {
        ConnectorError::SignedOut(format!("{why}: {}", how_to_sign_in(self.provider, &self.account)))
    }

    async fn get(&self, refused: Option<&SecretString>) -> Result<SecretString, ConnectorError> {
        let means = self.means.as_ref().map_err(|why| self.signed_out(why))?;
        let mut state = self.state.lock().await;
        // Somebody may have renewed while we waited.
        if let Some(held) = state.held.as_ref().filter(|held| held.is_fresh(refused)) {
            return Ok(held.token.clone());
        }
        if let Some(unsaved) = state.unsaved.take() {
            // Not used before it is kept; a look at the row tells whether it still is the newest.
            self.keep(&mut state, unsaved, None).await?;
        }
        let until = Instant::now() + BUSY_MAX;
        loop {
            let look = self.look(means, &mut state, refused).await;
            match look? {
                Look::Token(held) => {
                    let token = held.token.clone();
                    state.held = Some(held);
                    return Ok(token);
                }
                Look::Busy if Instant::now() < until => sleep(BUSY_PAUSE).await,
                Look::Busy => {
                    let why = "another process has been renewing this sign-in for more than a minute";
                    return Err(ConnectorError::Lost(why.to_owned()));
                }
                Look::Mine(row, lease) => {
                    if let Some(token) = self.renew(means, &mut state, (&row, lease)).await? {
                        return Ok(token);
                    }
                }
            }
        }
    }

    /// Looks at the row, and takes the lease where a renewal is due.
    async fn look(
        &self,
        means: &Means,
        state: &mut State,
        refused: Option<&SecretString>,
    ) -> Result<Look, ConnectorError> {
        let tx = self.store.read().await;
        let row = async { tx?.get_login(&self.account).await }.await.map_err(|e| self.lost(&e))?;
        let held = self.read(means, row.as_ref())?;
        if let Some(held) = held.clone().filter(|held| held.is_fresh(refused)) {
            return Ok(Look::Token(held));
        }
        if let Some((until, why)) = &state.rest
            && *until > Instant::now()
        {
            return held.filter(|held| held.is_valid(refused)).map(Look::Token).ok_or_else(|| why.clone());
        }
        let (lease, row) = self.claim().await.map_err(|e| self.lost(&e))?;
        let Some(lease) = lease else { return Ok(Look::Busy) };
        // Read again under the lease: another process may have renewed since.
        let held = self.read(means, row.as_ref());
        match (held, row) {
            (Ok(Some(held)), _) if held.is_fresh(refused) => {
                self.release(lease).await;
                Ok(Look::Token(held))
            }
            (Ok(_), Some(row)) => Ok(Look::Mine(Box::new(row), lease)),
            (held, _) => {
                self.release(lease).await;
                Err(held.err().unwrap_or_else(|| self.signed_out("nobody has signed in yet")))
            }
        }
    }

    async fn claim(&self) -> Result<(Option<Lease>, Option<LoginRow>), StoreError> {
        let mut tx = self.store.begin("login.claim").await?;
        let lease = tx.acquire_lease(&self.lease_name(), self.holder, LEASE_SECONDS).await?;
        let row = tx.get_login(&self.account).await?;
        tx.commit().await?;
        Ok((lease, row))
    }

    fn lease_name(&self) -> String {
        format!("login:{}", self.account)
    }

    async fn release(&self, lease: Lease) {
        let released = async {
            let mut tx = self.store.begin("login.release").await?;
            tx.release_lease(&self.lease_name(), lease).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            tracing::warn!(account = %self.account, %error, "a lease was not given back; it runs out by itself");
        }
    }

    /// The access token of a row, where it has one; an error where only a person can help.
    fn read(&self, means: &Means, row: Option<&LoginRow>) -> Result<Option<Held>, ConnectorError> {
        let row = row.ok_or_else(|| self.signed_out("nobody has signed in yet"))?;
        if row.refused_at.is_some() {
            let why = row.refused_why.as_deref().unwrap_or("without a reason");
            return Err(self.signed_out(&format!("the provider does not take the sign-in any more ({why})")));
        }
        if row.provider != self.provider.as_str() {
            return Err(self.signed_out(&format!("it was signed in with {}", row.provider)));
        }
        let Some(sealed) = &row.access_sealed else { return Ok(None) };
        let token = means.vault.open(&access_of(&self.account), sealed).map_err(|e| self.signed_out(&e.to_string()))?;
        Ok(Some(Held { token, renew_at: row.renew_at, expires_at: row.expires_at }))
    }

    /// Asks the provider, and keeps what it says. `None` says that the row is worth another look.
    async fn renew(
        &self,
        means: &Means,
        state: &mut State,
        (row, lease): (&LoginRow, Lease),
    ) -> Result<Option<SecretString>, ConnectorError> {
        let opened = means.vault.open(&refresh_of(&self.account), &row.refresh_sealed);
        let refresh = match opened {
            Ok(refresh) => refresh,
            Err(error) => {
                self.release(lease).await;
                return Err(self.signed_out(&error.to_string()));
            }
        };
        match oauth::refresh(&means.http, &means.client, &refresh).await {
            Ok(grant) => {
                let (tokens, held) = self.seal(means, &grant, &refresh).map_err(|e| self.signed_out(&e.to_string()))?;
                state.failures = 0;
                state.rest = None;
                metrics::count(&metrics::OAUTH_RENEWALS, &[&self.account, "renewed"], 1);
                tracing::info!(account = %self.account, rotated = grant.refresh.is_some(), "sign-in renewed");
                self.keep(state, Unsaved { version: row.version, tokens, held }, Some(lease)).await
            }
            Err(OAuthError::Revoked(why)) => {
                metrics::count(&metrics::OAUTH_RENEWALS, &[&self.account, "refused"], 1);
                let refused = self.refuse(row, &why).await;
                self.release(lease).await;
                refused.map(|()| None).map_err(|e| self.lost(&e))
            }
            Err(error) => {
                metrics::count(&metrics::OAUTH_RENEWALS, &[&self.account, "failed"], 1);
                self.rest(state, &error);
                self.release(lease).await;
                Ok(None)
            }
        }
    }

    /// Leaves the token endpoint alone for a while; a token that still holds is used meanwhile.
    fn rest(&self, state: &mut State, error: &OAuthError) {
        let pause = RESTS.get(state.failures.min(RESTS.len() - 1)).map_or(Duration::ZERO, |s| Duration::from_secs(*s));
        state.failures = state.failures.saturating_add(1);
        let (pause, shown) = match error {
            OAuthError::Refused(_) => {
                (REFUSED_REST, ConnectorError::Login(format!("{error}: look at [oauth.{}]", self.provider)))
            }
            OAuthError::Unreachable { after, .. } => (
                jitter(pause).max(after.unwrap_or_default()),
                ConnectorError::Lost(format!("no access token: {error}")),
            ),
            OAuthError::Revoked(_) | OAuthError::Pending { .. } => {
                (jitter(pause), ConnectorError::Lost(format!("no access token: {error}")))
            }
        };
        tracing::warn!(account = %self.account, %error, seconds = pause.as_secs(), "the sign-in could not be renewed");
        state.rest = Some((Instant::now() + pause, shown));
    }

    fn seal(&self, means: &Means, grant: &Grant, old: &SecretString) -> Result<(LoginTokens, Held), SealError> {
        let now = machine_now();
        let (renew_at, expires_at) = (renew_at(now, grant.life), now.plus(grant.life));
        let refresh = grant.refresh.as_ref().unwrap_or(old);
        let tokens = LoginTokens {
            refresh_sealed: means.vault.seal(&refresh_of(&self.account), refresh)?,
            access_sealed: means.vault.seal(&access_of(&self.account), &grant.access)?,
            renew_at,
            expires_at,
            at: now,
        };
        Ok((tokens, Held { token: grant.access.clone(), renew_at, expires_at }))
    }

    /// Keeps tokens before anything uses them. What the database does not take is tried again and again, and stays in
    /// memory for the next who asks. `None` where somebody signed in meanwhile, or another process renewed after our lease
    /// had run out: theirs is newer.
    async fn keep(
        &self,
        state: &mut State,
        unsaved: Unsaved,
        lease: Option<Lease>,
    ) -> Result<Option<SecretString>, ConnectorError> {
        let mut tries = 0;
        loop {
            match self.write(&unsaved, lease).await {
                Ok(true) => {
                    let token = unsaved.held.token.clone();
                    state.held = Some(unsaved.held);
                    return Ok(Some(token));
                }
                Ok(false) => return Ok(None),
                Err(error) if tries >= KEEP_TRIES => {
                    tracing::error!(account = %self.account, %error, "renewed tokens can't be kept; they are in memory alone");
                    state.unsaved = Some(unsaved);
                    return Err(self.lost(&error));
                }
                Err(error) => tracing::warn!(account = %self.account, %error, "renewed tokens are not kept yet"),
            }
            tries += 1;
            sleep(jitter(Duration::from_millis(50 << tries.min(6)))).await;
        }
    }

    async fn write(&self, unsaved: &Unsaved, lease: Option<Lease>) -> Result<bool, StoreError> {
        let mut tx = self.store.begin("login.renew").await?;
        let kept = tx.renew_login(&self.account, unsaved.version, &unsaved.tokens).await?;
        if let Some(lease) = lease {
            tx.release_lease(&self.lease_name(), lease).await?;
        }
        tx.commit().await?;
        Ok(kept)
    }

    async fn refuse(&self, row: &LoginRow, why: &str) -> Result<(), StoreError> {
        let mut tx = self.store.begin("login.refuse").await?;
        let noted = tx.refuse_login(&self.account, row.version, (why, machine_now())).await?;
        tx.commit().await?;
        if noted {
            tracing::error!(account = %self.account, why, "the provider does not take the sign-in any more; somebody has to sign in");
        }
        Ok(())
    }
}
