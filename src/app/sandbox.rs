//! Runs a configuration of sandbox accounts over a simulated world: the same parts as the daemon, on another provider.
//!
//! Refuses a configuration with a real account: simulated time must never move real mail.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use super::{AccountParts, Hub, Live, Parts, Reading, Reload, installation, live_of, make_state_dir, place_of, start};
use crate::clock::Clock;
use crate::config::accounts::{Account, AccountKind};
use crate::config::{self, Config, Database};
use crate::connector::sandbox::World;
use crate::domain::chat::Harm;
use crate::domain::ids::RunId;
use crate::domain::threading::Identity;
use crate::domain::words::Channel;
use crate::inbound::listener;
use crate::inbound::poller::{self, Reach};
use crate::lifecycle::Lifecycle;
use crate::lifecycle::lock::DatabaseLock;
use crate::outbound::{SendingSettings, SentCopy};
use crate::store::Store;

/// How often a sandbox mailbox is looked at where nothing rings. Machine time.
const POLL: Duration = Duration::from_secs(2);
/// How often its outbox is looked at: business time may jump, and machine time does not tell.
const OUTBOX_POLL: Duration = Duration::from_millis(200);

/// A hub that runs on a simulated world.
pub struct Simulated {
    /// The running hub.
    pub hub: Hub,
    /// Held as long as it runs.
    pub lock: Option<DatabaseLock>,
}

/// Opens the store of a sandbox configuration and starts everything on it; a reload reads its file again. The caller runs the
/// [`Lifecycle`], moves the clock and closes the store.
pub async fn start_sandbox(
    config: &Config,
    (world, clock): (&World, Clock),
    listener: TcpListener,
    life: &Lifecycle,
) -> anyhow::Result<Simulated> {
    if let Some(real) = real_account(config) {
        bail!("the account {real} is real: {ONLY_SANDBOX}");
    }
    make_state_dir(&config.storage.state_dir)?;
    let lock = match &config.storage.database {
        Database::Sqlite { path } => Some(DatabaseLock::take(path)?),
        Database::Postgres { .. } => None,
    };
    let place = place_of(config);
    let store = Store::open(&place).await.context("the database can't be opened")?;
    let watermark = installation::watermark(&config.storage.state_dir)?;
    installation::check(&store, &clock, (&config.storage.state_dir, &watermark)).await?;
    installation::publish_stages(&store, &clock, config).await?;
    let run = RunId(clock.new_id());
    let reload = Some(reload_from(config, world));
    let parts = Parts { store, clock, run, live: live_in(config, world), listener, public: None, reload, watermark };
    let hub = start(parts, life).await?;
    Ok(Simulated { hub, lock })
}

/// What is said where simulated time would move real mail.
const ONLY_SANDBOX: &str = "only a configuration whose accounts are all of kind \"sandbox\" can be simulated";

fn real_account(config: &Config) -> Option<&str> {
    config.accounts.values().find(|a| !matches!(a.kind, AccountKind::Sandbox)).map(|a| a.id.as_str())
}

fn live_in(config: &Config, world: &World) -> Live {
    let live = live_of(config);
    let accounts = config.accounts.values().map(|a| parts_of(a, world, &live.identity)).collect();
    Live { accounts, ..live }
}

fn reload_from(config: &Config, world: &World) -> Reload {
    let (path, world) = (config.path.clone(), world.clone());
    Arc::new(move || {
        let config = config::load(&path, std::iter::empty()).map_err(|findings| findings.to_string())?.config;
        match real_account(&config) {
            Some(real) => Err(format!("the account {real} is real: {ONLY_SANDBOX}")),
            None => Ok(live_in(&config, &world)),
        }
    })
}

/// A number or a workspace, with simulated people behind it.
fn talk_parts(account: &Account, world: &World) -> AccountParts {
    let line = world.line(&account.address);
    let (sender, ledger) = (Arc::clone(&line), Arc::clone(&line));
    AccountParts {
        name: account.id.clone(),
        kind: "sandbox".to_owned(),
        address: account.address.clone(),
        display_name: account.display_name.clone().unwrap_or_default(),
        file_copy: false,
        channel: account.channel(),
        reading: Reading::Line {
            settings: listener::Settings {
                account: account.id.clone(),
                channel: account.channel(),
                harm: |_| Harm::Passing,
                reach: Reach::All,
                poll: POLL,
                pace: listener::Pace::default(),
            },
            line,
        },
        sending: SendingSettings {
            channel: account.channel(),
            sessions: 2,
            sent_copy: SentCopy::ServerSometime,
            poll: OUTBOX_POLL,
            ..SendingSettings::new(account.id.clone())
        },
        sender: Arc::new(move || sender.sender()),
        ledger: Some(Arc::new(move || ledger.ledger())),
        tokens: None,
    }
}

fn parts_of(account: &Account, world: &World, identity: &Arc<Identity>) -> AccountParts {
    if account.channel() != Channel::Email {
        return talk_parts(account, world);
    }
    let (reader, sender, address) = (world.clone(), world.clone(), account.address.clone());
    AccountParts {
        name: account.id.clone(),
        kind: "sandbox".to_owned(),
        address: account.address.clone(),
        display_name: account.display_name.clone().unwrap_or_default(),
        file_copy: false,
        channel: Channel::Email,
        reading: Reading::Mailbox {
            settings: poller::Settings {
                account: account.id.clone(),
                identity: Arc::clone(identity),
                reach: Reach::All,
                poll: POLL,
                server_files_sent: true,
                pace: poller::Pace::default(),
            },
            source: Arc::new(move || reader.source(&address)),
        },
        sending: SendingSettings {
            sessions: 2,
            sent_copy: SentCopy::Server,
            poll: OUTBOX_POLL,
            ..SendingSettings::new(account.id.clone())
        },
        sender: Arc::new(move || sender.sender()),
        ledger: None,
        tokens: None,
    }
}
