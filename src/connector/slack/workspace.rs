//! One workspace as an account: everything that speaks with it, made from its tokens. Who we are there is asked once, by whoever needs
//! it first.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use url::Url;

use super::api::{Api, BASE, Settings};
use super::face::Faces;
use super::feed::SlackFeed;
use super::hook::SlackHook;
use super::ledger::SlackLedger;
use super::sender::{SlackSender, pace};
use super::{Own, manifest, room};
use crate::clock::Clock;
use crate::connector::feed::{
    Attached, Batch, Checked, Face, Feed, FileError, Heard, Hook, HookRefusal, HookRequest, Ledger, Line, Looked, Room,
    Sought,
};
use crate::connector::{ConnectorError, Sender, Wake};
use crate::domain::time::Micros;

/// What a workspace is reached with.
#[derive(Debug, Clone)]
pub struct WorkspaceSettings {
    /// The bot's token (`xoxb-`).
    pub bot_token: SecretString,
    /// The app's token (`xapp-`), with which sockets are opened.
    pub app_token: Option<SecretString>,
    /// What checks the signature of what Slack posts.
    pub signing_secret: Option<SecretString>,
    /// Where the Web API is, where that is another place.
    pub base: Option<Url>,
}

/// A workspace. Cheap to clone.
#[derive(Clone)]
pub struct Workspace {
    api: Api,
    app_token: Option<SecretString>,
    signing_secret: Option<SecretString>,
    own: Arc<OnceLock<Own>>,
    faces: Arc<Faces>,
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("own", &self.own.get()).finish_non_exhaustive()
    }
}

impl Workspace {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConnectorError::Insecure`] where there are no usable certificates.
    pub fn new(settings: WorkspaceSettings, clock: Clock) -> Result<Self, ConnectorError> {
        let base = match settings.base {
            Some(base) => base,
            None => Url::parse(BASE).map_err(|error| ConnectorError::Unreadable(error.to_string()))?,
        };
        let shared = Arc::new(Mutex::new(pace()));
        let api = Api::new(Settings { base, ca_pem: None, token: settings.bot_token, pace: shared, clock })?;
        let (app_token, signing_secret) = (settings.app_token, settings.signing_secret);
        Ok(Self { api, app_token, signing_secret, own: Arc::default(), faces: Arc::default() })
    }

    /// Asks the Web API as the bot.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Asks it as the app, where there is a token for that.
    pub fn app(&self) -> Option<Api> {
        self.app_token.clone().map(|token| self.api.with_token(token))
    }

    async fn own(&self) -> Result<Own, ConnectorError> {
        if let Some(own) = self.own.get() {
            return Ok(own.clone());
        }
        let own = manifest::who(&self.api).await?;
        Ok(self.own.get_or_init(|| own).clone())
    }
}

impl Line for Workspace {
    fn sender(&self) -> Box<dyn Sender> {
        let sender = SlackSender::new(self.api.clone());
        Box::new(match self.own.get() {
            Some(own) => sender.known_as(own.clone()),
            None => sender,
        })
    }

    fn feed(&self) -> Box<dyn Feed> {
        Box::new(WorkspaceFeed { workspace: self.clone(), feed: None })
    }

    fn hook(&self) -> Option<Box<dyn Hook>> {
        let secret = self.signing_secret.clone()?;
        Some(Box::new(WorkspaceHook { secret, own: Arc::clone(&self.own) }))
    }

    /// Who we are there: a node that does not read the account was never told.
    fn ready(&self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { self.own().await.map(|_| ()) })
    }

    fn ledger(&self) -> Box<dyn Ledger> {
        Box::new(WorkspaceLedger { workspace: self.clone() })
    }

    fn room<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Room, ConnectorError>> {
        Box::pin(async move {
            let own = self.own().await?;
            Ok(room::look(&self.api, &own, id).await?)
        })
    }

    fn check(&self) -> BoxFuture<'_, Vec<Checked>> {
        Box::pin(async {
            let mut all = Vec::new();
            match manifest::check(&self.api).await {
                Ok(workspace) => {
                    all.push(Checked::new(
                        "token",
                        Ok(format!("the bot of {} ({})", workspace.name, workspace.own.team)),
                    ));
                    let missing = |missing: &manifest::Missing| {
                        let why = format!("the app lacks the scope {} ({})", missing.scope, missing.purpose);
                        let what = format!("scope {}", missing.scope);
                        if missing.is_needed {
                            return Checked::new(what, Err(ConnectorError::Login(why)));
                        }
                        let how = "it goes without, and is there once the app is installed anew";
                        Checked::unsure(what, format!("{why}; {how}"))
                    };
                    all.extend(workspace.missing.iter().map(missing));
                }
                Err(error) => all.push(Checked::new("token", Err(error))),
            }
            if let Some(app) = self.app() {
                let opened = manifest::check_socket(&app).await.map(|()| "a socket can be opened".to_owned());
                all.push(Checked::new("socket", opened));
            } else {
                let words = "there is no app token: conversations are asked, or Slack posts what happens";
                all.push(Checked::new("socket", Ok(words.to_owned())));
            }
            all
        })
    }
}

struct WorkspaceFeed {
    workspace: Workspace,
    feed: Option<SlackFeed>,
}

impl WorkspaceFeed {
    async fn open(&mut self) -> Result<&mut SlackFeed, ConnectorError> {
        let own = self.workspace.own().await?;
        let Workspace { api, app_token, .. } = &self.workspace;
        Ok(self.feed.get_or_insert_with(|| SlackFeed::new(api.clone(), app_token.clone(), own)))
    }
}

impl Feed for WorkspaceFeed {
    fn next<'a>(&'a mut self, cursor: Option<&'a str>, since: Micros) -> BoxFuture<'a, Result<Batch, ConnectorError>> {
        Box::pin(async move { self.open().await?.next(cursor, since).await })
    }

    fn file<'a>(&'a mut self, file: &'a Attached, octets_max: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        Box::pin(async move { self.open().await?.file(file, octets_max).await })
    }

    fn rests_until(&self) -> Option<Micros> {
        self.workspace.api.reading_rests_until()
    }

    fn rest(&mut self, until: Micros) {
        self.workspace.api.rest_reading(until);
    }

    fn who<'a>(&'a mut self, address: &'a str) -> BoxFuture<'a, Option<Face>> {
        Box::pin(async move {
            let own = self.workspace.own().await.ok()?;
            self.workspace.faces.ask(&self.workspace.api, &own, address).await
        })
    }

    fn wait(&mut self, at_most: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>> {
        Box::pin(async move { self.open().await?.wait(at_most).await })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Some(feed) = self.feed {
                Box::new(feed).close().await;
            }
        })
    }
}

struct WorkspaceHook {
    secret: SecretString,
    own: Arc<OnceLock<Own>>,
}

impl Hook for WorkspaceHook {
    fn hear(&self, request: &HookRequest) -> Result<Heard, HookRefusal> {
        // Without it our own messages could not be told from those of others; Slack posts it again.
        let own = self.own.get().cloned().ok_or(HookRefusal::NotReady);
        let checked = SlackHook::new(self.secret.clone(), own.clone().unwrap_or_default());
        let heard = checked.hear(request)?;
        // Whether the address is ours is asked before anybody is installed anywhere.
        if heard.answer.is_empty() { own.map(|_| heard) } else { Ok(heard) }
    }
}

struct WorkspaceLedger {
    workspace: Workspace,
}

impl Ledger for WorkspaceLedger {
    fn rests_until(&self) -> Option<Micros> {
        self.workspace.api.reading_rests_until()
    }

    fn find<'a>(&'a mut self, sought: &'a Sought) -> BoxFuture<'a, Result<Looked, ConnectorError>> {
        Box::pin(async move {
            let own = self.workspace.own().await?;
            SlackLedger::new(self.workspace.api.clone(), own).find(sought).await
        })
    }
}
