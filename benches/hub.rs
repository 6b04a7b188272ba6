//! One liaison: its state directory, its configuration, the people in its database, and the daemon, which is the binary
//! that is shipped, started as a user would.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use liaison::clock::Clock;
use liaison::domain::ids::InfluencerId;
use liaison::domain::words::Scope;
use liaison::hub::people::{KnownStages, NewAgent, NewInfluencer, create_agent, create_influencer};
use liaison::hub::token::{TokenOrder, create_token};
use liaison::store::{Place, Store};
use secrecy::ExposeSecret;

use crate::mailbox::{OURS, People};
use crate::peers::{Http, MailServer, PASSWORD};

/// A hub on disk.
pub struct Hub {
    pub dir: PathBuf,
    pub file: PathBuf,
    pub port: u16,
    pub token: String,
    /// Ids in the order of the people.
    pub influencers: Vec<InfluencerId>,
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    pub child: Child,
    pub began: Instant,
}

impl Hub {
    /// Makes one that reads the mailbox of `user`.
    pub async fn make(dir: &Path, mail: &MailServer, user: &str, people: &People) -> Self {
        std::fs::create_dir_all(dir.join("state")).expect("state directory");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").port();
        let (imap, sink) = (mail.imap, mail.sink);
        let configuration = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nrequests_per_minute = 1000000\nsocket = \"{0}/control.sock\"\n\n[storage]\nstate_dir = \"{0}/state\"\n\n\
             [accounts.brand]\nkind = \"imap\"\naddress = \"{OURS}\"\nuser = \"{user}\"\npassword = {{ env = \"BENCH_PASSWORD\" }}\n\
             imap = \"imap+plain://127.0.0.1:{imap}\"\nsmtp = \"smtp+plain://127.0.0.1:{sink}\"\nbackfill = \"3000 days\"\n",
            dir.display()
        );
        std::fs::write(dir.join("liaison.toml"), configuration).expect("configuration");
        let file = dir.join("state/liaison.db");
        let store = Store::open(&Place::Sqlite { file: file.clone() }).await.expect("store");
        let influencers = add_people(&store, people).await;
        let mut tx = store.begin("bench.token").await.expect("transaction");
        let order = TokenOrder { name: "benchmark".into(), scopes: vec![Scope::Read], expires_at: None };
        let (_, secret) = create_token(&mut tx, &Clock::machine(), order).await.expect("token");
        tx.commit().await.expect("commit");
        store.close().await;
        Self { dir: dir.to_owned(), file, port, token: secret.expose_secret().to_owned(), influencers }
    }

    pub fn http(&self) -> Http {
        Http::new(self.port, &self.token)
    }

    /// Starts the daemon.
    pub fn serve(&self) -> Daemon {
        let log = std::fs::File::create(self.dir.join("log")).expect("log");
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_liaison"))
            .args(["serve", "--config"])
            .arg(self.dir.join("liaison.toml"))
            .env("BENCH_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("liaison");
        Daemon { child, began }
    }

    /// Waits until so many mails are stored and counted in all folders.
    pub fn wait_until_read(&self, daemon: &mut Daemon, mails: usize) {
        let mut http = self.http();
        loop {
            let answer = http.get("/v1/accounts");
            let account = answer.as_ref().and_then(|a| a["data"].get(0));
            if let Some(account) = account.filter(|a| !a["last_sync_at"].is_null()) {
                let sum = |key: &str| -> i64 {
                    account["folders"].as_array().map_or(0, |f| f.iter().filter_map(|f| f[key].as_i64()).sum())
                };
                let wanted = i64::try_from(mails).expect("count");
                if sum("server") == wanted && sum("stored") == wanted {
                    return;
                }
            }
            let ended = daemon.child.try_wait().expect("child");
            let log = || std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(ended.is_none(), "liaison ended: {ended:?}\n{}", log());
            assert!(daemon.began.elapsed() < Duration::from_hours(1), "not read within an hour: {answer:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Octets of the database with its log.
    pub fn octets(&self) -> u64 {
        ["liaison.db", "liaison.db-wal"]
            .iter()
            .filter_map(|name| std::fs::metadata(self.dir.join("state").join(name)).ok())
            .map(|m| m.len())
            .sum()
    }
}

impl Daemon {
    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        assert!(asked.success());
        self.child.wait().expect("liaison");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Puts everybody into a store.
pub async fn add_people(store: &Store, people: &People) -> Vec<InfluencerId> {
    let clock = Clock::machine();
    let stages = KnownStages { start: "prospect".into(), ids: vec!["prospect".into()] };
    let mut tx = store.begin("bench.people").await.expect("transaction");
    let mut ids = Vec::new();
    for i in &people.influencers {
        let new = NewInfluencer {
            phones: Vec::new(),
            slack: Vec::new(),
            phone_region: None,
            handle: i.handle.clone(),
            first_name: i.first.clone(),
            last_name: i.last.clone(),
            emails: i.emails.clone(),
            timezone: None,
            owner: None,
            stage: None,
            tags: Vec::new(),
            networks: Vec::new(),
            properties: serde_json::Map::new(),
        };
        ids.push(create_influencer(&mut tx, &clock, &stages, "bench", new).await.expect("influencer").id);
    }
    for a in &people.agents {
        let new = NewAgent {
            first_name: a.first.clone(),
            last_name: a.last.clone(),
            emails: vec![a.email.clone()],
            influencers: a.influencers.iter().map(|n| ids[*n]).collect(),
        };
        create_agent(&mut tx, &clock, new).await.expect("agent");
    }
    tx.commit().await.expect("commit");
    ids
}
