//! A daemon over a real configuration, a real database and the real mail server, and what people see from outside of it.

use std::path::PathBuf;

use liaison::app::{self, Parts};
use liaison::clock::Clock;
use liaison::config;
use liaison::domain::ids::RunId;
use liaison::domain::words::Scope;
use liaison::hub::import::{Asker, ImportOptions, import_agents, import_influencers};
use liaison::hub::people::KnownStages;
use liaison::hub::token::{TokenOrder, create_token};
use liaison::lifecycle::{Asked, Lifecycle, Outcome};
use liaison::store::{Place, Store};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::api::Api;
use crate::peers::{self, MailPeer, PASSWORD, fresh_user};
use crate::stores;

/// The database of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

struct Running {
    asked: mpsc::Sender<Asked>,
    ended: JoinHandle<Outcome>,
    store: Store,
}

/// The brand, its mailbox and its daemon.
pub struct World {
    pub peer: MailPeer,
    /// The brand's address.
    pub brand: String,
    pub api: Api,
    pub clock: Clock,
    pub config: PathBuf,
    running: Option<Running>,
    _dir: tempfile::TempDir,
    _fresh: Option<stores::Fresh>,
}

/// Says how the daemon is set up.
pub struct Setup {
    pub kind: Kind,
    pub undo_seconds: u32,
    /// Business time.
    pub clock: Clock,
    /// What the brand's address begins with: it decides how the server treats it.
    pub brand: &'static str,
}

impl Setup {
    pub fn new(kind: Kind) -> Self {
        Self { kind, undo_seconds: 0, clock: Clock::machine(), brand: "brand" }
    }
}

fn write_config(setup: &Setup, peer: &MailPeer, brand: &str, database: Option<&str>) -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("state")).unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let url = database.map(|url| format!("url = \"{url}\"")).unwrap_or_default();
    let sent_copy = if brand.starts_with("filed-") { "server" } else { "hub" };
    let text = format!(
        r#"
undo_seconds = {undo}
default_owner = "kim"

[server]
listen = "127.0.0.1:{port}"

[storage]
{url}

[teammates.kim]
first_name = "Kim"
email = "kim@brand.example"

[accounts.brand]
kind = "imap"
address = "{brand}"
name = "Grüne Läufer"
password = {{ file = "password" }}
imap = "imaps://127.0.0.1:{imaps}"
smtp = "smtp://127.0.0.1:{submission}"
ca = "{ca}"
poll_seconds = 1
sessions = 2
sent_copy = "{sent_copy}"
"#,
        undo = setup.undo_seconds,
        port = free_port(),
        imaps = peer.imaps,
        submission = peer.submission,
        ca = peer.ca.display(),
    );
    let file = dir.path().join("liaison.toml");
    std::fs::write(&file, text).unwrap();
    (dir, file)
}

/// A port that was free a moment ago, for a daemon in a process of its own.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl World {
    /// A brand with an empty mailbox, its configuration and database, and no daemon yet; none where a server is not there.
    pub async fn prepare(setup: Setup) -> Option<Self> {
        let Some(peer) = peers::mail() else {
            peers::skip("mail server (LIAISON_TEST_MAIL)");
            return None;
        };
        let fresh = match setup.kind {
            Kind::Sqlite => None,
            Kind::Postgres => {
                let Some(fresh) = stores::postgres().await else {
                    peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
                    return None;
                };
                Some(fresh)
            }
        };
        let url = fresh.as_ref().map(|f| match &f.place {
            Place::Postgres { url, .. } => url.clone(),
            Place::Sqlite { .. } => unreachable!("asked for PostgreSQL"),
        });
        let brand = fresh_user(setup.brand);
        let (dir, config) = write_config(&setup, &peer, &brand, url.as_deref());
        let api = Api { at: ([127, 0, 0, 1], 0).into(), token: String::new() };
        let clock = setup.clock;
        Some(Self { peer, brand, api, clock, config, running: None, _dir: dir, _fresh: fresh })
    }

    /// The same with the daemon up.
    pub async fn start(setup: Setup) -> Option<Self> {
        let mut world = Self::prepare(setup).await?;
        world.up().await;
        Some(world)
    }

    /// Starts the daemon, as `liaison serve` does below its locks and sockets.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.up_on(listener).await;
    }

    /// The same on a listener that is there already: what links in mail lead to must be known before.
    pub async fn up_on(&mut self, listener: TcpListener) {
        let config = config::load(&self.config, std::iter::empty()).unwrap_or_else(|e| panic!("{e}")).config;
        let store = Store::open(&app::place_of(&config)).await.unwrap();
        let live = app::live_of(&config);
        assert_eq!(live.accounts.len(), 1);
        self.api.at = listener.local_addr().unwrap();
        if self.api.token.is_empty() {
            self.api.token = make_token(&store, &self.clock).await;
        }
        let lifecycle = Lifecycle::new();
        let (clock, run) = (self.clock.clone(), RunId(self.clock.new_id()));
        let parts = Parts {
            store: store.clone(),
            clock,
            run,
            live,
            listener,
            public: None,
            reload: None,
            watermark: liaison::outbound::Watermark::none(),
        };
        app::start(parts, &lifecycle).await.unwrap();
        let (asked, told) = mpsc::channel(1);
        let ended = tokio::spawn(lifecycle.run(told));
        self.running = Some(Running { asked, ended, store });
    }

    /// Stops the daemon as a signal does, and waits for its end.
    pub async fn down(&mut self) -> Outcome {
        let running = self.running.take().expect("it runs");
        running.asked.send(Asked::Stop).await.expect("the daemon still runs");
        let outcome = running.ended.await.expect("the daemon does not panic");
        running.store.close().await;
        outcome
    }

    /// Imports influencers, and agents where given; every row must be taken.
    pub async fn import(&self, influencers: &str, agents: Option<&str>) {
        let store = &self.running.as_ref().expect("it runs").store;
        let config = config::load(&self.config, std::iter::empty()).unwrap_or_else(|e| panic!("{e}")).config;
        let options = ImportOptions {
            phone_region: None,
            source: "people.csv".into(),
            mapping: Vec::new(),
            dry_run: false,
            stages: known_stages(&config),
            owners: None,
            asker: Asker::Terminal,
        };
        let report = import_influencers(store, &self.clock, influencers.as_bytes(), &options, &mut |_| {}).await;
        let report = report.unwrap();
        assert_eq!((report.failed.len(), report.created), (0, report.rows), "{report:?}");
        if let Some(agents) = agents {
            let report = import_agents(store, &self.clock, agents.as_bytes(), &options, &mut |_| {}).await.unwrap();
            assert!(report.failed.is_empty(), "{report:?}");
        }
    }

    /// Puts a mail into a folder of the brand's mailbox.
    pub async fn deliver(&self, raw: Vec<u8>, folder: &str) {
        let (name, domain) = self.brand.split_once('@').unwrap();
        let to = if folder == "INBOX" { self.brand.clone() } else { format!("{name}+{folder}@{domain}") };
        let peer = self.peer.clone();
        tokio::task::spawn_blocking(move || peer.deliver(&raw, &to)).await.unwrap();
    }

    /// What Python finds in mailboxes (`user/folder`), each as a list of mails.
    pub async fn look(&self, brief: bool, places: &[String]) -> Value {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/check_mail.py");
        let mut command = std::process::Command::new("python3");
        command.arg(script);
        if brief {
            command.arg("--brief");
        }
        let peer = &self.peer;
        command.arg(&peer.host).arg(peer.imap.to_string()).arg(&peer.ca).args(places);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("python3 is there");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "check_mail.py: {errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The mails in one place, by Python.
    pub async fn mails_in(&self, user: &str, folder: &str) -> Vec<Value> {
        let place = format!("{user}/{folder}");
        let mut seen = self.look(false, std::slice::from_ref(&place)).await;
        serde_json::from_value(seen[&place].take()).unwrap()
    }

    /// Waits until at least so many mails are in one place.
    pub async fn arrived(&self, user: &str, folder: &str, count: usize) -> Vec<Value> {
        super::api::until(&format!("{count} mails in {user}/{folder}"), || async {
            Some(self.mails_in(user, folder).await).filter(|mails| mails.len() >= count)
        })
        .await
    }

    /// Waits until every folder of the mailbox was compared and nothing is missing; gives (name, server, stored).
    pub async fn folders_in_step(&self) -> Vec<(String, i64, i64)> {
        let places: Vec<String> = ["INBOX", "Sent", "Junk"].iter().map(|f| format!("{}/{f}", self.brand)).collect();
        super::api::until("stored mail equals the server's", || async {
            let seen = self.look(true, &places).await;
            let accounts = self.api.get("/accounts").await;
            let folders = accounts["data"][0]["folders"].as_array().cloned().unwrap_or_default();
            let rows: Vec<(String, i64, i64)> = folders
                .iter()
                .filter(|f| f["missing"] == 0)
                .filter_map(|f| Some((f["name"].as_str()?.to_owned(), f["server"].as_i64()?, f["stored"].as_i64()?)))
                .collect();
            let agrees = |name: &str, count: i64| {
                let there = seen[format!("{}/{name}", self.brand)].as_array().map_or(0, Vec::len);
                i64::try_from(there) == Ok(count)
            };
            let all =
                rows.len() == 3 && rows.iter().all(|(name, server, stored)| server == stored && agrees(name, *server));
            all.then_some(rows)
        })
        .await
    }
}

fn known_stages(config: &config::Config) -> KnownStages {
    let ids = config.stages.all().iter().map(|s| s.id.0.clone()).collect();
    KnownStages { start: config.stages.start().0.clone(), ids }
}

async fn make_token(store: &Store, clock: &Clock) -> String {
    let mut tx = store.begin("test.token").await.unwrap();
    let scopes = vec![Scope::Read, Scope::Write, Scope::MessagesSend, Scope::SequencesRun, Scope::Admin];
    let order = TokenOrder { name: "tests".into(), scopes, expires_at: None };
    let (_, secret) = create_token(&mut tx, clock, order).await.unwrap();
    tx.commit().await.unwrap();
    secret.expose_secret().to_owned()
}
