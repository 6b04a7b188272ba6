//! A person signs in: where they are sent, what comes back, the look into the mailbox that signed in, and only then the
//! tokens are kept.
//!
//! A sign-in that began is a row, known by the hash of its state and good once, for a quarter of an hour: so it may begin on
//! a command line and end at the hub's own page. Asked through [`SignIns::answer`] by the daemon and the command line alike.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{access_of, client_of, how_to_sign_in, refresh_of, verifier_of};
use crate::clock::{self, machine_now};
use crate::config::{Config, ImapAccount};
use crate::connector::email::imap::{ImapSettings, ImapSource};
use crate::connector::http::{Http, HttpError};
use crate::connector::oauth::{self, Client, DeviceCode, Grant, OAuthError};
use crate::connector::{ConnectorError, Source, Tokens};
use crate::domain::address;
use crate::domain::oauth::{Asking, Provider, Returned, authorize_url, read_pasted, renew_at, url_text};
use crate::hub::seal::{SealError, Vault};
use crate::store::login::{LoginTokens, PendingLogin};
use crate::store::{Store, StoreError};

/// How long a person may take.
const PENDING_MAX: Duration = Duration::from_mins(15);

/// Who is to sign in to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The account.
    pub account: String,
    /// Who signs people in.
    pub provider: Provider,
    /// The mailbox.
    pub address: String,
}

/// Why a sign-in did not come about. Nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// What was asked for can't be.
    #[error("{0}")]
    Wish(String),
    /// An answer that nobody waits for.
    #[error(
        "this answer belongs to no sign-in that waits: it began elsewhere (another state), more than 15 minutes ago, or was used before; begin again"
    )]
    UnknownState,
    /// The person said no, or the provider did.
    #[error("the provider says: {0}")]
    Refused(String),
    /// The token endpoint.
    #[error(transparent)]
    Provider(#[from] OAuthError),
    /// No connection can be made.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// There is no refresh token: the sign-in would end within the hour.
    #[error(
        "the provider gave no refresh token; take our access away on its page of connected apps, and sign in again"
    )]
    NoRefreshToken,
    /// Another mailbox signed in.
    #[error("whoever signed in may not read {address} ({why}); sign in as that mailbox")]
    WrongMailbox {
        /// The mailbox of the account.
        address: String,
        /// The server's words.
        why: String,
    },
    /// The mailbox could not be looked at.
    #[error("the sign-in was taken, and the mailbox can't be looked at: {0}; nothing was kept, try again")]
    Mailbox(ConnectorError),
    /// Sealing.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs people in, over one configuration. Cheap to clone.
#[derive(Clone)]
pub struct SignIns {
    store: Store,
    config: Arc<Config>,
}

/// What signs in once: the look into a mailbox before its tokens are kept.
#[derive(Debug)]
struct Once(SecretString);

impl Tokens for Once {
    fn access<'a>(&'a self, refused: Option<&'a SecretString>) -> BoxFuture<'a, Result<SecretString, ConnectorError>> {
        let answer = match refused {
            None => Ok(self.0.clone()),
            Some(_) => Err(ConnectorError::Login("the server does not take the new token for this mailbox".to_owned())),
        };
        std::future::ready(answer).boxed()
    }
}

impl SignIns {
    /// Over a configuration that was loaded with its secrets.
    pub fn new(store: Store, config: Arc<Config>) -> Self {
        Self { store, config }
    }

    /// Answers `login.begin`, `login.finish`, `login.device` and `login.device_look`: what the command line asks of a daemon,
    /// or of itself where none runs.
    ///
    /// # Errors
    /// [`SignInError`]; nothing was kept then.
    pub async fn answer(&self, op: &str, given: &Map<String, Value>) -> Result<Value, SignInError> {
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        let wish = || self.wish(text("kind"), text("account").unwrap_or_default(), text("address"));
        match op {
            "login.begin" => {
                let wish = wish()?;
                let (url, state) = self.begin(&wish, text("redirect_uri").unwrap_or_default()).await?;
                Ok(json!({"url": url, "state": state, "account": wish.account, "address": wish.address,
                    "kind": wish.provider.as_str()}))
            }
            "login.finish" => {
                let returned = text("returned").and_then(read_pasted);
                let unread = || SignInError::Wish("neither an address with `code=` nor a code was given".to_owned());
                let done = self.finish(returned.ok_or_else(unread)?, text("state")).await?;
                Ok(told(&done))
            }
            "login.device" => {
                let code = self.device(&wish()?).await?;
                Ok(json!({"device_code": code.device_code.expose_secret(), "user_code": code.user_code,
                    "verification_uri": code.verification_uri, "expires_in": code.expires_in,
                    "interval": code.pause().as_secs()}))
            }
            "login.device_look" => {
                let wish = wish()?;
                let code = serde_json::from_value(Value::Object(given.clone()));
                let code: DeviceCode = code.map_err(|e| SignInError::Wish(format!("no device code: {e}")))?;
                match self.device_look(&wish, &code).await {
                    Ok(()) => Ok(told(&wish)),
                    Err(SignInError::Provider(OAuthError::Pending { slower })) => {
                        Ok(json!({"pending": true, "slower": slower}))
                    }
                    Err(error) => Err(error),
                }
            }
            other => Err(SignInError::Wish(format!("there is no `{other}`"))),
        }
    }

    /// What is wanted: an account of the configuration, or one that is to come into it.
    ///
    /// # Errors
    /// [`SignInError::Wish`] with what to say instead.
    pub fn wish(&self, kind: Option<&str>, account: &str, mailbox: Option<&str>) -> Result<Wish, SignInError> {
        let wrong = |what: String| Err(SignInError::Wish(what));
        let kind = match kind {
            None => None,
            Some(kind) => match Provider::named(kind) {
                Some(provider) => Some(provider),
                None => return wrong(format!("`{kind}` is no kind that signs in; there are: gmail, microsoft365")),
            },
        };
        let Some(there) = self.config.accounts.get(account) else {
            let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if account.is_empty() || account.len() > 64 || !account.chars().all(fine) {
                return wrong("the name of an account is made of letters, digits, - and _".to_owned());
            }
            let Some(provider) = kind else {
                return wrong(format!("`{account}` is not configured yet: say its kind, gmail or microsoft365"));
            };
            let Some(mailbox) = mailbox.filter(|a| address::key(a).is_some() && !a.contains(['<', '>', ' ', ',', '"']))
            else {
                return wrong(format!(
                    "`{account}` is not configured yet: say its address (--address name@your-domain)"
                ));
            };
            return Ok(Wish { account: account.to_owned(), provider, address: mailbox.to_owned() });
        };
        let Some(provider) = there.provider() else {
            return wrong(format!(
                "`{account}` is of kind `{}`: it signs in with what the configuration names, if at all",
                there.kind_name()
            ));
        };
        if kind.is_some_and(|kind| kind != provider) {
            return wrong(format!("`{account}` is configured as {provider}"));
        }
        if mailbox.is_some_and(|given| address::key(given) != address::key(&there.address)) {
            return wrong(format!("`{account}` is configured with the address {}", there.address));
        }
        Ok(Wish { account: account.to_owned(), provider, address: there.address.clone() })
    }

    fn client(&self, provider: Provider) -> Result<Client, SignInError> {
        client_of(&self.config.oauth, provider).ok_or_else(|| {
            let what = format!(
                "write [oauth.{provider}] with client_id into the configuration first; docs/accounts.md says how"
            );
            SignInError::Wish(what)
        })
    }

    fn vault(&self) -> Result<Vault, SignInError> {
        let key = self.config.oauth.master_key.as_ref().ok_or_else(|| {
            let what = "write [secrets] with master_key into the configuration first; docs/accounts.md says how";
            SignInError::Wish(what.to_owned())
        })?;
        Ok(Vault::new(&key.value)?)
    }

    /// Begins: the address to send a person to, and the state that will come back.
    async fn begin(&self, wish: &Wish, redirect_uri: &str) -> Result<(String, String), SignInError> {
        let (client, vault) = (self.client(wish.provider)?, self.vault()?);
        if !url::Url::parse(redirect_uri).is_ok_and(|u| matches!(u.scheme(), "http" | "https")) {
            return Err(SignInError::Wish("the answer has no address to go to".to_owned()));
        }
        let chance = || clock::random_octets::<32>().map_err(|e| SealError::Chance(e.to_string()));
        let (state, verifier) = (url_text(&chance()?), url_text(&chance()?));
        let pending = PendingLogin {
            state_hash: hash(&state),
            account: wish.account.clone(),
            provider: wish.provider.as_str().to_owned(),
            address: wish.address.clone(),
            verifier_sealed: vault.seal(&verifier_of(&wish.account), &SecretString::from(verifier.clone()))?,
            redirect_uri: redirect_uri.to_owned(),
            expires_at: machine_now().plus(PENDING_MAX),
        };
        let mut tx = self.store.begin("login.begin").await?;
        tx.insert_pending_login(&pending, machine_now()).await?;
        tx.commit().await?;
        let asking = Asking {
            provider: wish.provider,
            client_id: &client.id,
            redirect_uri,
            state: &state,
            verifier: &verifier,
            address: &wish.address,
        };
        let url = authorize_url(&self.config.oauth.of(wish.provider).authorize, &asking);
        Ok((url.into(), state))
    }

    /// Ends: exchanges the code, looks into the mailbox, keeps the tokens. `own` is the state of whoever began, where the
    /// answer came to them; a code that was pasted alone belongs to it.
    ///
    /// # Errors
    /// [`SignInError`]; nothing was kept then, and the sign-in is used up.
    pub async fn finish(&self, returned: Returned, own: Option<&str>) -> Result<Wish, SignInError> {
        let (came, code) = match returned {
            Returned::Code { code, state } => (state, Ok(code)),
            Returned::Refused { state, why } => (state, Err(why)),
        };
        if own.zip(came.as_deref()).is_some_and(|(own, came)| own != came) {
            return Err(SignInError::UnknownState);
        }
        let state = came.or_else(|| own.map(str::to_owned)).ok_or(SignInError::UnknownState)?;
        // Anybody may ask: who guesses costs no write.
        if !self.store.read().await?.is_login_pending(hash(&state), machine_now()).await? {
            return Err(SignInError::UnknownState);
        }
        let mut tx = self.store.begin("login.use").await?;
        let pending = tx.use_pending_login(hash(&state), machine_now()).await?;
        tx.commit().await?;
        let pending = pending.ok_or(SignInError::UnknownState)?;
        let done = match code {
            Ok(code) => self.exchange(&pending, &code).await,
            Err(why) => Err(SignInError::Refused(why)),
        };
        let failure = done.as_ref().err().map(ToString::to_string);
        let mut tx = self.store.begin("login.finish").await?;
        tx.finish_pending_login(pending.state_hash.clone(), failure.as_deref(), machine_now()).await?;
        tx.commit().await?;
        done
    }

    async fn exchange(&self, pending: &PendingLogin, code: &str) -> Result<Wish, SignInError> {
        let gone = || SignInError::Wish(format!("`{}` signs nobody in", pending.provider));
        let wish = Wish {
            account: pending.account.clone(),
            provider: Provider::named(&pending.provider).ok_or_else(gone)?,
            address: pending.address.clone(),
        };
        let verifier = self.vault()?.open(&verifier_of(&wish.account), &pending.verifier_sealed)?;
        let (http, client) = (Http::new(None)?, self.client(wish.provider)?);
        let proof = (pending.redirect_uri.as_str(), verifier.expose_secret());
        let grant = oauth::exchange(&http, &client, code, proof).await?;
        self.keep(&wish, grant).await?;
        Ok(wish)
    }

    /// How the sign-in with this state ended: `None` while it has not.
    ///
    /// # Errors
    /// The store's.
    pub async fn outcome(&self, state: &str) -> Result<Option<Result<(), String>>, StoreError> {
        let outcome = self.store.read().await?.get_pending_outcome(hash(state)).await?;
        Ok(outcome.map(|failure| failure.map_or(Ok(()), Err)))
    }

    async fn device(&self, wish: &Wish) -> Result<DeviceCode, SignInError> {
        if wish.provider == Provider::Gmail {
            let what = "Google has no device codes for mail; leave --device out, or use --paste on a machine without a browser";
            return Err(SignInError::Wish(what.to_owned()));
        }
        self.vault()?;
        Ok(oauth::device_code(&Http::new(None)?, &self.client(wish.provider)?).await?)
    }

    async fn device_look(&self, wish: &Wish, code: &DeviceCode) -> Result<(), SignInError> {
        let grant = oauth::device_grant(&Http::new(None)?, &self.client(wish.provider)?, code).await?;
        self.keep(wish, grant).await
    }

    /// Looks into the mailbox with the new token, and keeps what was given.
    async fn keep(&self, wish: &Wish, grant: Grant) -> Result<(), SignInError> {
        let refresh = grant.refresh.clone().ok_or(SignInError::NoRefreshToken)?;
        self.look_into(wish, grant.access.clone()).await?;
        let (vault, now) = (self.vault()?, machine_now());
        let tokens = LoginTokens {
            refresh_sealed: vault.seal(&refresh_of(&wish.account), &refresh)?,
            access_sealed: vault.seal(&access_of(&wish.account), &grant.access)?,
            renew_at: renew_at(now, grant.life),
            expires_at: now.plus(grant.life),
            at: now,
        };
        let mut tx = self.store.begin("login.keep").await?;
        tx.put_login((&wish.account, wish.provider.as_str(), &wish.address), &tokens).await?;
        tx.commit().await?;
        tracing::info!(account = %wish.account, provider = %wish.provider, "signed in");
        Ok(())
    }

    /// Signs in to the mailbox itself: the provider's page lets a person choose another one than was asked for.
    async fn look_into(&self, wish: &Wish, token: SecretString) -> Result<(), SignInError> {
        let configured = self.config.accounts.get(&wish.account).and_then(|a| a.imap().cloned());
        let imap =
            configured.unwrap_or_else(|| ImapAccount::of_provider(wish.provider, &wish.address, &self.config.oauth));
        let mut source = ImapSource::new(ImapSettings::of(&imap)).with_tokens(Arc::new(Once(token)));
        let looked = source.folders().await;
        Box::new(source).close().await;
        match looked {
            Ok(_) => Ok(()),
            Err(ConnectorError::Login(why)) => Err(SignInError::WrongMailbox { address: wish.address.clone(), why }),
            Err(error) => Err(SignInError::Mailbox(error)),
        }
    }
}

fn told(done: &Wish) -> Value {
    json!({"account": done.account, "kind": done.provider.as_str(), "address": done.address,
        "again": how_to_sign_in(done.provider, &done.account)})
}

fn hash(state: &str) -> Vec<u8> {
    Sha256::digest(state.as_bytes()).to_vec()
}
