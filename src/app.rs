//! The composition root: opens, builds, spawns. No logic of its own.
//!
//! [`serve`] is the daemon over a configuration; [`start`] is everything below it, over parts that may as well come from a
//! simulated world, so that a demonstration runs what production runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::accounts::Account;
use crate::config::{self, Config, Database, Loaded, Relay};
use crate::connector::feed::Line;
use crate::control::{self, ControlSocket};
use crate::domain::ids::RunId;
use crate::domain::threading::Identity;
use crate::domain::words::Channel;
use crate::domain::zone::Zone;
use crate::http;
use crate::hub::enqueue::AccountFrom;
use crate::hub::outreach::house::{Desk, House, Owner, Sender};
use crate::hub::outreach::outgoing::hold_homeless;
use crate::hub::outreach::tidy;
use crate::hub::people::KnownStages;
use crate::hub::people::sweep;
use crate::hub::retention;
use crate::hub::sequencer;
use crate::inbound::{listener, poller};
use crate::lifecycle::lock::{DatabaseLock, LockError};
use crate::lifecycle::{Lifecycle, Signals};
use crate::login::{Keeper, SignIns};
use crate::outbound::reconcile;
use crate::outbound::{LedgerFactory, SenderFactory, SendingSettings, Tools, Watermark};
use crate::sequence::{self, Cadence, Trust};
use crate::store::{Place, Store, StoreError};
use crate::tracking::{self, Arrivals, Judge};
use crate::worker::Wakes;

mod accounts;
mod actions;
mod channels;
mod commands;
mod connect;
mod database;
mod desk;
mod domains;
mod erasure;
mod foresight;
mod imports;
mod installation;
mod metrics;
mod node;
mod probe;
mod relay;
mod sandbox;
pub mod simulate;
mod steering;
mod webhooks;

pub use channels::{line_parts_of, slack_manifest};
pub use connect::{account_parts, identity_of, keeper_of};
pub use database::{Restored, UnreadyError, move_to, ready_for_command, restore};
pub use domains::{DomainCheck, look_at_domains};
pub use erasure::write_export;
pub use installation::{Moved, release};
pub use probe::{ProbeStep, probe, rooms_of};
pub use sandbox::{Simulated, start_sandbox};

/// Another daemon holds the store.
pub const EXIT_TAKEN: u8 = 73;
/// The configuration can't be used.
pub const EXIT_CONFIG: u8 = 78;
/// How long a loop may be silent before the watchdog is not fed any more, beside the rests it announces: far longer than any
/// wait for a lock or a server that goes well in the end. Machine time.
const LOOP_SILENCE_MAX: Duration = Duration::from_mins(5);

/// One account, ready to run.
#[derive(Clone)]
pub struct AccountParts {
    /// Its name in the configuration.
    pub name: String,
    /// Its kind there.
    pub kind: String,
    /// Its address.
    pub address: String,
    /// The name people see; may be empty.
    pub display_name: String,
    /// Whether the hub files a copy of what it sends.
    pub file_copy: bool,
    /// How its messages travel.
    pub channel: Channel,
    /// How it is read.
    pub reading: Reading,
    /// How it sends.
    pub sending: SendingSettings,
    /// Makes a session that sends.
    pub sender: SenderFactory,
    /// Makes somebody who asks what became of what was handed over; nothing where that is looked for in the mailbox.
    pub ledger: Option<LedgerFactory>,
    /// What keeps its tokens fresh, where tokens sign in.
    pub tokens: Option<Arc<Keeper>>,
}

/// How an account is read.
#[derive(Clone)]
pub enum Reading {
    /// Folder by folder.
    Mailbox {
        /// How.
        settings: poller::Settings,
        /// Makes a reader.
        source: poller::Connect,
    },
    /// From what its provider tells.
    Line {
        /// How.
        settings: listener::Settings,
        /// What speaks with the provider.
        line: Arc<dyn Line>,
    },
}

impl AccountParts {
    /// The lease under which it is read.
    fn set_lease(&mut self, lease: Duration) {
        match &mut self.reading {
            Reading::Mailbox { settings, .. } => settings.pace.lease = lease,
            Reading::Line { settings, .. } => settings.pace.lease = lease,
        }
    }

    /// What makes a reader of its mailbox, where it has one.
    pub fn source(&self) -> Option<&poller::Connect> {
        match &self.reading {
            Reading::Mailbox { source, .. } => Some(source),
            Reading::Line { .. } => None,
        }
    }
}

/// What may change while the process runs.
#[derive(Clone)]
pub struct Live {
    /// The accounts.
    pub accounts: Vec<AccountParts>,
    /// Who we are.
    pub identity: Arc<Identity>,
    /// Our side, for planning and writing.
    pub house: House,
    /// The sequences as they stand in the files.
    pub sequences: Arc<sequence::Loaded>,
    /// The configuration all this came from, for what is checked against it; `None` where there is none.
    pub config: Option<Arc<Config>>,
    /// The declared stages.
    pub stages: KnownStages,
    /// How long a message sent by a person can be taken back.
    pub undo: Duration,
    /// Who owns what nobody else does.
    pub default_owner: Option<String>,
    /// Where phone numbers without a country's code are from.
    pub phone_region: Option<String>,
    /// What is counted, and what machines are known by (this one as it was at the start).
    pub tracking: config::Tracking,
    /// Where readers of mail reach us.
    pub base_url: Option<String>,
    /// Where the team hears of what influencers write.
    pub relays: BTreeMap<String, Relay>,
}

/// Everything [`start`] needs.
pub struct Parts {
    /// The open database.
    pub store: Store,
    /// Business time and ids.
    pub clock: Clock,
    /// This run of the process.
    pub run: RunId,
    /// What may change.
    pub live: Live,
    /// Where the API listens.
    pub listener: TcpListener,
    /// Where the public routes listen; beside the API where there is none.
    pub public: Option<TcpListener>,
    /// Reads the configuration again; `None` where there is none to read.
    pub reload: Option<Reload>,
    /// How far the accounts have handed over, kept beside the database.
    pub watermark: Watermark,
}

/// Reads the configuration again.
pub type Reload = Arc<dyn Fn() -> Result<Live, String> + Send + Sync>;

/// What all parts of a running process share. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    /// The database.
    pub store: Store,
    /// Business time and ids.
    pub clock: Clock,
    /// This run of the process.
    pub run: RunId,
    /// Our side, for planning and writing.
    pub desk: Desk,
    /// Wakes the dispatcher of an account, and `cadence`.
    pub wakes: Wakes,
    /// Rung to read all mailboxes at once.
    pub look: Arc<Notify>,
    /// Rung when something was stored.
    pub stored: Arc<Notify>,
    /// Rung when events got their numbers.
    pub numbered: Arc<Notify>,
    /// How far the accounts have handed over, kept beside the database.
    pub watermark: Watermark,
    live: Arc<RwLock<Arc<Live>>>,
}

impl Hub {
    /// What is in force now.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_live(&self, live: Arc<Live>) {
        self.desk.set(live.house.clone());
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }
}

/// Starts everything below the configuration: accounts, API, numbering. The caller runs the [`Lifecycle`].
pub async fn start(parts: Parts, life: &Lifecycle) -> anyhow::Result<Hub> {
    let Parts { store, clock, run, live, listener, public, reload, watermark } = parts;
    let hub = Hub {
        run,
        store,
        clock,
        desk: Desk::new(live.house.clone()),
        wakes: Wakes::default(),
        look: Arc::default(),
        stored: Arc::default(),
        numbered: Arc::default(),
        watermark,
        live: Arc::new(RwLock::new(Arc::new(live))),
    };
    settle_after_start(&hub).await?;
    accounts::register(&hub).await?;
    // The files of another node may be newer than ours.
    publish_sequences(&hub, if hub.store.is_shared() { Trust::News } else { Trust::Whole }).await?;
    let numbering = (Arc::clone(&hub.stored), Arc::clone(&hub.numbered));
    let sequencer = sequencer::run(hub.store.clone(), hub.run, numbering, life.stop());
    life.spawn("sequencer", life.watched("sequencer", LOOP_SILENCE_MAX, sequencer));
    let cadence = Cadence { store: hub.store.clone(), clock: hub.clock.clone(), desk: hub.desk.clone() };
    let cadence = cadence.run(hub.wakes.clone(), life.stop());
    life.spawn("cadence", life.watched("cadence", LOOP_SILENCE_MAX, cadence));
    let tidy = tidy::run(hub.store.clone(), hub.clock.clone(), life.stop());
    life.spawn("tidy", life.watched("tidy", LOOP_SILENCE_MAX, tidy));
    tell_others(&hub, life);
    let sweep = sweep::run(hub.store.clone(), hub.clock.clone(), database::copies_of(&hub), life.stop());
    life.spawn("sweep", life.watched("sweep", LOOP_SILENCE_MAX, sweep));
    spawn_retention(&hub, life);
    life.spawn("accounts", accounts::run(hub.clone(), life.clone(), reload));
    let (stop, stopping) = (life.stop(), life.stop());
    let names = hub.live().accounts.iter().map(|a| a.name.clone()).collect();
    let server = hub.live().config.as_ref().map(|c| c.server.clone()).unwrap_or_default();
    let limits = http::limit::Limits::new(server.rates, server.trusted_proxies);
    let state = http::ApiState {
        limits: limits.clone(),
        store: hub.store.clone(),
        clock: hub.clock.clone(),
        actions: Arc::new(actions::HubActions::new(hub.clone())),
        accounts: names,
        bells: http::Bells {
            stored: Arc::clone(&hub.stored),
            numbered: Arc::clone(&hub.numbered),
            ..http::Bells::default()
        },
        stopping: Arc::new(move || stopping.is_soft()),
    };
    let mut readers = http::public_router(open_tracking(&hub, life, limits.clone()).await?);
    if let Some(config) = hub.live().config.clone().filter(|c| !c.is_sandbox()) {
        let (hub, store) = (hub.clone(), hub.store.clone());
        // A reload may have brought another registration.
        let current = move || {
            let config = hub.live().config.clone().unwrap_or_else(|| Arc::clone(&config));
            SignIns::new(store.clone(), config)
        };
        readers = readers.merge(http::sign_in_router(Arc::new(current), limits.clone()));
    }
    readers = readers.merge(http::hooks_router(channels::hears(&hub)));
    let mut api = http::router(state);
    match public {
        Some(public) => {
            let stop = life.stop();
            life.spawn("public", http::serve(public, readers, async move { stop.soft().await }));
        }
        None => api = api.merge(readers),
    }
    let door = Some(http::Door { store: hub.store.clone(), clock: hub.clock.clone(), limits: limits.clone() });
    api = api.merge(http::metrics_router(http::MetricsState { page: metrics::page_of(&hub, life), door }));
    life.spawn("http", http::serve(listener, api, async move { stop.soft().await }));
    Ok(hub)
}

/// How often publishing is tried where others write the same runs.
const PUBLISH_TRIES_MAX: u32 = 10;

/// Puts the sequences of the files in force. What is faulty is told, and what was in force of it stays; so does what is not
/// among the files.
async fn publish_sequences(hub: &Hub, trust: Trust) -> Result<(), StoreError> {
    let loaded = Arc::clone(&hub.live().sequences);
    for finding in &loaded.findings {
        let text = finding.render(false);
        match finding.severity {
            config::Severity::Error => tracing::error!("a sequence was not taken over, the old version stays:\n{text}"),
            config::Severity::Warning => tracing::warn!("{text}"),
        }
    }
    let mut tries = 0;
    let published = loop {
        tries += 1;
        match publish_once(hub, &loaded, trust).await {
            // Others write at the same time, and the database let them go first.
            Err(StoreError::Conflict(_)) if tries < PUBLISH_TRIES_MAX => {}
            done => break done?,
        }
    };
    let sequence::Published { changed, closed, behind, absent } = published;
    if !changed.is_empty() || !closed.is_empty() {
        tracing::info!(?changed, ?closed, "sequences published");
    }
    if !behind.is_empty() {
        tracing::warn!(
            ?behind,
            "older versions in the files of this node were not put in force; `liaison reload` does it"
        );
    }
    for absent in absent {
        tracing::warn!("{}", absent.finding().render(false));
    }
    hub.wakes.wake("cadence");
    Ok(())
}

async fn publish_once(hub: &Hub, loaded: &sequence::Loaded, trust: Trust) -> Result<sequence::Published, StoreError> {
    let mut tx = hub.store.begin("app.sequences").await?;
    let published = sequence::publish(&mut tx, &hub.clock, loaded, trust).await?;
    let homeless = hold_homeless(&mut tx, &hub.clock, &hub.desk.house()).await?;
    tx.commit().await?;
    if homeless > 0 {
        tracing::warn!(homeless, "runs wait for an account that is not configured");
    }
    Ok(published)
}

/// Starts telling programs and the team what happens.
fn tell_others(hub: &Hub, life: &Lifecycle) {
    webhooks::spawn(hub, life);
    relay::spawn(hub, life);
}

/// Starts deleting what was kept for as long as the configuration in force says.
fn spawn_retention(hub: &Hub, life: &Lifecycle) {
    let current = hub.clone();
    let kept = move || current.live().config.as_ref().map(|config| config.retention).unwrap_or_default();
    let retention = retention::run((hub.store.clone(), hub.clock.clone(), hub.run), kept, life.stop());
    life.spawn("retention", life.watched("retention", LOOP_SILENCE_MAX, retention));
}

/// Starts keeping and judging hits.
async fn open_tracking(hub: &Hub, life: &Lifecycle, limits: http::limit::Limits) -> anyhow::Result<http::PublicState> {
    let (books, arrivals) = (Arc::clone(&hub.live().tracking.books), Arrivals::default());
    let opened = tracking::open(&hub.store, &hub.clock, Arc::clone(&books), arrivals.clone()).await;
    let (tracking, writer) = opened.context("the keys of links can't be read")?;
    life.spawn("hits", life.watched("hits", LOOP_SILENCE_MAX, writer.run(life.stop())));
    let (store, clock, stored) = (hub.store.clone(), hub.clock.clone(), Arc::clone(&hub.stored));
    let judge = Judge { store: store.clone(), clock: clock.clone(), books, arrivals, stored: Arc::clone(&stored) };
    life.spawn("judge", life.watched("judge", LOOP_SILENCE_MAX, judge.run(life.stop())));
    Ok(http::PublicState { store, clock, tracking, stored, limits })
}

/// What a run that died may have left is taken up: on SQLite at once, for nobody else can hold it. On PostgreSQL [`node`] did
/// so for the last run of this node; what another node left is taken up when its leases have run out.
async fn settle_after_start(hub: &Hub) -> Result<(), StoreError> {
    if hub.store.is_shared() {
        return Ok(());
    }
    let mut tx = hub.store.begin("app.recover").await?;
    tx.end_all_leases().await?;
    let swept = reconcile::recover(&mut tx, &hub.clock).await?;
    tx.commit().await?;
    if swept.requeued + swept.uncertain > 0 {
        tracing::warn!(requeued = swept.requeued, uncertain = swept.uncertain, "the last run left messages in hand");
    }
    Ok(())
}

/// The place of the database of a configuration.
pub fn place_of(config: &Config) -> Place {
    match &config.storage.database {
        Database::Sqlite { path } => Place::Sqlite { file: path.clone() },
        Database::Postgres { url } => {
            let password = config.storage.password.as_ref().map(|s| s.value.clone());
            Place::Postgres { url: url.clone(), password, idle_max: idle_max(config.storage.lease) }
        }
    }
}

/// How long a transaction may do nothing: a node that stands still in one holds its locks. A third of the lease is the time between
/// two renewals, and with a quarter more a living node that waits for such a lock still has its own. Never so short that what is
/// worked out between two statements (a large mail) would end it, and never so long that people notice.
fn idle_max(lease: Duration) -> Duration {
    (lease / 4).clamp(Duration::from_secs(5), Duration::from_secs(30))
}

/// What is listened on. Bound before anything answers: whoever finds one of them up finds all.
struct Listeners {
    api: TcpListener,
    public: Option<TcpListener>,
    numbers: Option<TcpListener>,
}

impl Listeners {
    async fn bind(server: &config::Server) -> anyhow::Result<Self> {
        let bind = async |name: &str, address: std::net::SocketAddr| {
            let bound = TcpListener::bind(address).await;
            bound.with_context(|| format!("server.{name}: can't listen on {address}"))
        };
        let mut all = Self { api: bind("listen", server.listen).await?, public: None, numbers: None };
        if let Some(address) = server.public_listen {
            all.public = Some(bind("public_listen", address).await?);
        }
        if let Some(address) = server.metrics_listen {
            all.numbers = Some(bind("metrics_listen", address).await?);
        }
        Ok(all)
    }
}

/// Runs the daemon until it is told to stop.
pub async fn serve(loaded: Loaded) -> anyhow::Result<ExitCode> {
    let config = loaded.config;
    make_state_dir(&config.storage.state_dir)?;
    // Where nodes share a database, each has a state directory of its own.
    let locked = match &config.storage.database {
        Database::Sqlite { path } => path.clone(),
        Database::Postgres { .. } => config.storage.state_dir.join("node"),
    };
    let _lock = match DatabaseLock::take(&locked) {
        Ok(lock) => lock,
        Err(error @ LockError::Taken { .. }) => {
            tracing::error!(%error, "not started");
            return Ok(ExitCode::from(EXIT_TAKEN));
        }
        Err(error) => return Err(error.into()),
    };
    database::keep_copy(&config).await?;
    let place = place_of(&config);
    let store = Store::open(&place).await.context("the database can't be opened")?;
    let clock = Clock::machine();
    let watermark = installation::watermark(&config.storage.state_dir)?;
    if installation::check(&store, &clock, (&config.storage.state_dir, &watermark)).await? {
        tracing::error!("this database was copied or restored: nothing is sent until `liaison release`");
    }
    installation::publish_stages(&store, &clock, &config).await?;
    let Listeners { api: listener, public, numbers } = Listeners::bind(&config.server).await?;
    let environment = |name: &str| std::env::var(name).ok();
    let socket = control::socket_path(config.server.socket.as_deref(), &config.storage.state_dir, environment);
    let control = ControlSocket::bind(&socket).await.context("server.socket: the control socket can't be made")?;
    control.announce(&config.storage.state_dir)?;
    let life = Lifecycle::new();
    let run = RunId(clock.new_id());
    if store.is_shared() {
        node::take_over(&store, &clock, &config.storage.state_dir, run).await?;
    }
    let parts = Parts {
        store: store.clone(),
        clock,
        run,
        live: live_with(&config, &store),
        listener,
        public,
        reload: Some(reload_from(config.path.clone(), store.clone())),
        watermark: watermark.clone(),
    };
    // Before anybody can see that this process is up: whoever stops it then is to find it listening.
    let signals = Signals::listen().context("signals can't be listened to")?;
    let hub = start(parts, &life).await?;
    if store.is_shared() {
        let seen = installation::keep_up(store.clone(), watermark, life.stop());
        life.spawn("seen", life.watched("seen", LOOP_SILENCE_MAX, seen));
    }
    if let Some(listener) = numbers {
        metrics::listen(listener, metrics::page_of(&hub, &life), &life);
    }
    let (handler, stop) = (commands::Commands::new(hub.clone(), life.clone()), life.stop());
    life.spawn("control", async move { control::serve(control, &handler, stop).await });
    tracing::info!(listen = %config.server.listen, accounts = config.accounts.len(), "liaison is up");
    life.ready("running");
    let outcome = life.run_until_stopped_by(signals).await;
    for keeper in hub.live().accounts.iter().filter_map(|a| a.tokens.as_ref()) {
        keeper.settle().await;
    }
    store.close().await;
    tracing::info!(%outcome, "stopped");
    Ok(outcome.exit_code())
}

/// Makes the folder of a node or of its database, for its user alone.
pub(crate) fn make_state_dir(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| {
        let what = "make it for the user who runs this, or name another place in [storage]";
        format!("the folder {} can't be made; {what}", dir.display())
    })
}

/// What may change of a configuration none of whose accounts signs in with OAuth: those are left out, for their tokens are
/// in a store.
pub fn live_of(config: &Config) -> Live {
    live_over(config, None)
}

/// What may change of a configuration, over the store that keeps its tokens.
pub fn live_with(config: &Config, store: &Store) -> Live {
    live_over(config, Some(store))
}

fn live_over(config: &Config, store: Option<&Store>) -> Live {
    let identity = Arc::new(identity_of(config));
    let usable = config.accounts.values().filter(|a| store.is_some() || a.provider().is_none());
    let keeper = |account: &Account| store.and_then(|store| keeper_of(config, store, account));
    let with_lease = |mut parts: AccountParts| {
        parts.set_lease(config.storage.lease);
        parts
    };
    let clock = Clock::machine();
    let parts = |account: &Account| {
        account_parts(account, &identity, keeper(account))
            .or_else(|| channels::line_parts(account, (&clock, config.server.base_url.as_deref())))
    };
    let accounts: Vec<AccountParts> = usable.filter_map(parts).map(with_lease).collect();
    let ids = config.stages.all().iter().map(|s| s.id.0.clone()).collect();
    Live {
        house: house_of(config),
        sequences: Arc::new(sequence::load(&sequence::Known { config, live: None, audience: None })),
        config: Some(Arc::new(config.clone())),
        accounts,
        identity,
        stages: KnownStages { start: config.stages.start().0.clone(), ids },
        undo: Duration::from_secs(u64::from(config.undo_seconds)),
        default_owner: config.default_owner.clone(),
        phone_region: config.phone_region.clone(),
        tracking: config.tracking.clone(),
        base_url: config.server.base_url.clone(),
        relays: config.relays.clone(),
    }
}

/// Our side, as planning and writing see it.
pub fn house_of(config: &Config) -> House {
    let owner = |t: &crate::config::teammates::Teammate| Owner {
        id: t.id.clone(),
        first_name: t.first_name.clone(),
        last_name: t.last_name.clone().unwrap_or_default(),
        email: t.emails.first().cloned().unwrap_or_default(),
    };
    House {
        accounts: config.accounts.values().map(|a| (a.id.clone(), sender_of(a))).collect(),
        owners: config.teammates.values().map(|t| (t.id.clone(), owner(t))).collect(),
        default_owner: config.default_owner.clone(),
        sender_name: config.outreach.sender.as_ref().map(|s| s.name.clone()).unwrap_or_default(),
        sender_address: config.outreach.sender.as_ref().map(|s| s.address.clone()).unwrap_or_default(),
        base_url: config.site(),
        opens: config.tracking.opens,
        clicks: config.tracking.clicks,
        zone: config.timezone.iana_name().and_then(Zone::named).unwrap_or_else(Zone::utc),
        country: config.outreach.country.clone(),
    }
}

fn sender_of(account: &Account) -> Sender {
    let domain = crate::domain::address::domain(&account.address).unwrap_or_else(|| "localhost".to_owned());
    Sender {
        from: AccountFrom {
            name: account.id.clone(),
            address: account.address.clone(),
            display_name: account.display_name.clone().unwrap_or_default(),
        },
        channel: account.channel(),
        file_copy: account.imap().is_some_and(|imap| imap.sent_copy == config::accounts::SentCopy::Hub),
        message_id_domain: domain,
        send_hours: account.send_hours(),
        working_hours: account.working_hours.clone().unwrap_or_default(),
        daily_limit: account.daily_limit,
        ramp_up: account.ramp_up.as_ref().map(|ramp| (ramp.start, ramp.step)),
    }
}

fn reload_from(path: std::path::PathBuf, store: Store) -> Reload {
    Arc::new(move || match config::load(&path, config::environment::of_process()) {
        Ok(loaded) => Ok(live_with(&loaded.config, &store)),
        Err(findings) => Err(findings.to_string()),
    })
}
