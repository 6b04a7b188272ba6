//! What most commands need: the configuration, the open store, the clock and where to write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use super::stop::Stop;
use super::terminal::{Out, remark};
use super::{Global, environment};
use crate::clock::Clock;
use crate::config::{self, Config, Database, Loaded, Secrets};
use crate::control::{self, ControlError, Request};
use crate::hub::people::KnownStages;
use crate::store::Store;

/// The configuration of a machine.
const SYSTEM_FILE: &str = "/etc/liaison/liaison.toml";
/// The configuration of a folder.
const LOCAL_FILE: &str = "liaison.toml";
/// How long a daemon may take to answer.
const CALL_TIME: Duration = Duration::from_secs(5);

/// An open configuration and store.
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) stages: KnownStages,
    pub(super) out: Out,
}

/// The file that holds the configuration.
pub(super) fn config_file(global: &Global) -> PathBuf {
    match &global.config {
        Some(path) => path.clone(),
        None if Path::new(SYSTEM_FILE).exists() => PathBuf::from(SYSTEM_FILE),
        None => PathBuf::from(LOCAL_FILE),
    }
}

/// Loads the configuration for a command, which needs no password of a mailbox: that may be readable to the daemon alone.
pub(super) fn load(global: &Global) -> anyhow::Result<Config> {
    let path = config_file(global);
    let Loaded { config, .. } = config::load_with(&path, environment(), Secrets::Skip)?;
    if !matches!(config.storage.database, Database::Postgres { .. }) || config.storage.password.is_none() {
        return Ok(config);
    }
    // Those of mailboxes may be out of reach here; this one must not be.
    let config = config::load_with(&path, environment(), Secrets::Check)?.config;
    if config.storage.password.as_ref().is_some_and(|password| password.value.expose_secret().is_empty()) {
        let words = "storage.password is a credential, which systemd gives to the daemon alone; this command needs it too: write \
                     { file = \"db-password\" }, a file of the daemon's user that nobody else can read";
        return Err(Stop::failed(words).into());
    }
    Ok(config)
}

/// Whose command this is, for the record.
pub(super) fn by() -> String {
    let name = ["LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    name.map_or_else(|| "command line".to_owned(), |name| format!("command line, {name}"))
}

impl Desk {
    /// Opens everything. A database that is not there yet is made.
    pub(super) async fn open(global: &Global) -> anyhow::Result<Self> {
        let config = load(global)?;
        let out = Out::new(global);
        if let Database::Sqlite { path } = &config.storage.database
            && let Some(folder) = path.parent().filter(|folder| !folder.exists())
        {
            crate::app::make_state_dir(folder)?;
        }
        crate::app::ready_for_command(&config).await?;
        let store = Store::open(&crate::app::place_of(&config)).await.context("the database can't be opened")?;
        let stages = KnownStages {
            start: config.stages.start().0.clone(),
            ids: config.stages.all().iter().map(|stage| stage.id.0.clone()).collect(),
        };
        Ok(Self { config, store, clock: Clock::machine(), stages, out })
    }

    /// Tells a running daemon that there is something to do; whether one runs.
    pub(super) async fn wake(&self) -> bool {
        match call(&self.config, &Request::new("wake")).await {
            Ok(_) => true,
            Err(ControlError::NotRunning(_)) => false,
            Err(error) => {
                remark(&format!("the daemon was not told ({error}); it will see it by itself"));
                true
            }
        }
    }

    /// The accounts' names, for messages.
    pub(super) fn account_names(&self) -> String {
        self.config.accounts.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// An account by name.
    ///
    /// # Errors
    /// [`Stop`] where it is not configured.
    pub(super) fn account(&self, name: &str) -> Result<&config::Account, Stop> {
        let found = self.config.accounts.get(name);
        found.ok_or_else(|| {
            let there = match self.account_names() {
                names if names.is_empty() => "none is configured yet: docs/accounts.md says how".to_owned(),
                names => format!("there are: {names}"),
            };
            Stop::failed(format!("there is no account `{name}`; {there}"))
        })
    }
}

/// Where the daemon of a configuration listens.
pub(super) fn socket(config: &Config) -> PathBuf {
    let environment = |name: &str| std::env::var(name).ok();
    control::find_socket(config.server.socket.as_deref(), &config.storage.state_dir, environment)
}

/// Asks the daemon of a configuration.
pub(super) async fn call(config: &Config, request: &Request) -> Result<serde_json::Value, ControlError> {
    control::call(&socket(config), request, CALL_TIME).await
}
