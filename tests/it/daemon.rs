//! The daemon as users run it: the real binary on a configuration in a folder of its own, started, killed, and asked through
//! its API.
//!
//! Nothing of the daemon runs in this process while it is up: a store held open here would keep alive what a kill must take.

use crate::peers::{MailPeer, PASSWORD};
use crate::stores::Fresh;
use liaison::clock::Clock;
use liaison::domain::ids::RunId;
use liaison::domain::words::{Scope, Word as _};
use liaison::hub::token::{TokenOrder, create_token};
use liaison::store::Place;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest wait for an answer of the API.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// The longest wait for a daemon to come up.
const START_MAX: Duration = Duration::from_mins(2);

/// One of our accounts in the configuration.
pub(crate) struct OurAccount {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its address, which is also the user.
    pub(crate) address: String,
    /// Where it sends: the URL of the server.
    pub(crate) smtp: String,
    /// `hub` or `server`.
    pub(crate) sent_copy: &'static str,
}

/// A configuration, its database, and a token for its API.
pub(crate) struct Installation {
    pub(crate) fresh: Arc<Fresh>,
    pub(crate) port: u16,
    /// Words in front of the binary when the daemon is started.
    pub(crate) started_by: Vec<String>,
    dir: tempfile::TempDir,
    pub(crate) token: String,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nobody listens: nothing was asked.
    NobodyThere,
    /// It was asked, and no whole answer came: it may have been done.
    Lost,
    /// The status, and what was said.
    Said(u16, Value),
}

/// A daemon that runs.
pub(crate) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // Only ever this child: it may be gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Daemon {
    /// The end it came to by itself, where it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("child")
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// A signal to this process alone: `-STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.0.id().to_string()]).status().expect("kill");
        assert!(done.success(), "kill {name}");
    }

    /// SIGKILL, and the end of the process.
    pub(crate) fn kill(mut self) {
        self.kill_now();
    }

    /// The same, of one that is still to be replaced.
    pub(crate) fn kill_now(&mut self) {
        self.0.kill().expect("kill");
        self.0.wait().expect("end");
    }
}

/// A port of loopback below those the system gives to connections that leave, so that none of them takes it meanwhile.
pub(crate) fn free_port() -> u16 {
    let start = u16::try_from(uuid::Uuid::now_v7().as_u128() % 9_000).expect("small");
    let mut ports = (0..9_000_u16).map(|n| 12_000 + (start + n) % 9_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

impl Installation {
    /// Writes the configuration beside an empty database.
    pub(crate) async fn new(fresh: Fresh, peer: &MailPeer, accounts: &[OurAccount]) -> Self {
        let mut sections = String::new();
        for account in accounts {
            let OurAccount { name, address, smtp, sent_copy } = account;
            write!(
                sections,
                "[accounts.{name}]\nkind = \"imap\"\naddress = \"{address}\"\npassword = {{ file = \"password\" }}\n\
                 imap = \"imap+plain://127.0.0.1:{}\"\nsmtp = \"{smtp}\"\nca = \"{}\"\nsent_copy = \"{sent_copy}\"\n\
                 settle_minutes = 1\npoll_seconds = 2\n",
                peer.imap,
                peer.ca.display()
            )
            .unwrap();
        }
        let scopes = vec![Scope::Read, Scope::Write, Scope::MessagesSend];
        Self::write(fresh, scopes, &sections, &[("password", PASSWORD)]).await
    }

    /// One without mailboxes, with these sections and secrets, and a token that may do all.
    pub(crate) async fn bare(fresh: Fresh, sections: &str, secrets: &[(&str, &str)]) -> Self {
        Self::write(fresh, Scope::ALL.to_vec(), sections, secrets).await
    }

    async fn write(fresh: Fresh, scopes: Vec<Scope>, sections: &str, secrets: &[(&str, &str)]) -> Self {
        let clock = Clock::machine();
        let mut tx = fresh.store.begin("test.token").await.unwrap();
        let order = TokenOrder { name: "proof".into(), scopes, expires_at: None };
        let (_, secret) = create_token(&mut tx, &clock, order).await.unwrap();
        tx.commit().await.unwrap();
        fresh.store.close().await;
        let dir = tempfile::tempdir().unwrap();
        for (name, value) in secrets {
            let file = dir.path().join(name);
            std::fs::write(&file, value).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let port = free_port();
        let url = match &fresh.place {
            Place::Sqlite { file } => format!("sqlite:{}", file.display()),
            Place::Postgres { url, .. } => url.clone(),
        };
        let config = format!(
            "undo_seconds = 0\n[server]\nlisten = \"127.0.0.1:{port}\"\nsocket = \"control.sock\"\n\
             [storage]\nstate_dir = \"state\"\nurl = \"{url}\"\n[log]\nlevel = \"info\"\n{sections}"
        );
        std::fs::write(dir.path().join("liaison.toml"), config).unwrap();
        Self { fresh: Arc::new(fresh), port, started_by: Vec::new(), dir, token: secret.expose_secret().to_owned() }
    }

    /// Another node on the same database, with a state directory and a port of its own.
    pub(crate) fn beside(&self) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        for entry in std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
            std::fs::copy(&entry, dir.path().join(entry.file_name().unwrap())).unwrap();
        }
        let file = dir.path().join("liaison.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let listen = |port: u16| format!("127.0.0.1:{port}\"\nsocket");
        assert!(config.contains(&listen(self.port)));
        std::fs::write(file, config.replace(&listen(self.port), &listen(port))).unwrap();
        Self {
            fresh: Arc::clone(&self.fresh),
            port,
            started_by: self.started_by.clone(),
            dir,
            token: self.token.clone(),
        }
    }

    /// The id of its last run on a shared database, as the database has it.
    pub(crate) fn run(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("state/run")).unwrap_or_default();
        text.trim().parse::<RunId>().map(|run| run.0.to_string()).unwrap_or_default()
    }

    /// Changes its configuration, for the next start.
    /// Writes a file beside the configuration.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let file = self.dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub(crate) fn rewrite(&self, change: impl FnOnce(String) -> String) {
        let file = self.dir.path().join("liaison.toml");
        std::fs::write(&file, change(std::fs::read_to_string(&file).unwrap())).unwrap();
    }

    /// A connection on which something was asked, to be read from; none where nobody takes it.
    pub(crate) fn open(&self, path: &str, header: &str, silence: Duration) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(silence)).unwrap();
        let token = &self.token;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        Some(stream)
    }

    /// Runs a command of the binary on it; what it printed, and whether it went well.
    pub(crate) fn command(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_liaison"))
            .arg("--config")
            .arg(self.dir.path().join("liaison.toml"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir.path())
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts");
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&told).into_owned())
    }

    /// Puts the state directory and the daemon's own words into a folder elsewhere.
    pub(crate) fn keep_state_in(&self, folder: &std::path::Path) {
        for name in ["state", "log"] {
            std::os::unix::fs::symlink(folder.join(name), self.dir.path().join(name)).unwrap();
        }
        std::fs::create_dir_all(folder.join("state")).unwrap();
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// The daemon's own words.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The end of the daemon's own words.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Starts the binary; it is not up yet when this returns.
    pub(crate) fn start(&self) -> Daemon {
        let log = OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        // Another build of it (a release, say) where one is named; else the one just built.
        let binary = std::env::var_os("LIAISON_PROVE_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_liaison").into());
        let mut words: Vec<std::ffi::OsString> = self.started_by.iter().map(Into::into).collect();
        words.push(binary);
        let child = Command::new(&words[0])
            .args(&words[1..])
            .arg("--config")
            .arg(self.dir.path().join("liaison.toml"))
            .arg("serve")
            .env_clear()
            .envs([("HOME", self.dir.path().as_os_str()), ("PATH", &std::env::var_os("PATH").unwrap_or_default())])
            // As the service manager would name it; commands beside the daemon do not have it.
            .env("CREDENTIALS_DIRECTORY", self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Daemon(child)
    }

    /// Waits until the API answers.
    pub(crate) fn await_up(&self, daemon: &mut Daemon) {
        let until = Instant::now() + START_MAX;
        while !matches!(self.call("GET", "/v1/accounts", None), Answer::Said(200, _)) {
            if let Some(status) = daemon.ended() {
                panic!("the daemon ended by itself ({status}):\n{}", self.last_words());
            }
            assert!(Instant::now() < until, "the daemon does not come up:\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One request on a connection of its own.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut stream = match TcpStream::connect(("127.0.0.1", self.port)) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Answer::NobodyThere,
            Err(_) => return Answer::Lost,
        };
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        stream.set_nodelay(true).unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let mut answer = Vec::new();
        if stream.write_all(request.as_bytes()).is_err() || stream.read_to_end(&mut answer).is_err() {
            return Answer::Lost;
        }
        read_answer(&answer).unwrap_or(Answer::Lost)
    }

    /// Asks until something is said; for what may be asked twice.
    pub(crate) fn get(&self, path: &str) -> Value {
        match self.call("GET", path, None) {
            Answer::Said(200, value) => value,
            other @ (Answer::Said(..) | Answer::Lost | Answer::NobodyThere) => {
                panic!("GET {path}: {other:?}\n{}", self.last_words())
            }
        }
    }
}

/// The status and the JSON of a whole answer; nothing where its end is missing.
fn read_answer(answer: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    if length.is_some_and(|length: usize| body.len() != length) {
        return None;
    }
    Some(Answer::Said(status, serde_json::from_str(body).ok()?))
}

#[test]
fn an_answer_cut_short_is_no_answer() {
    let whole = b"HTTP/1.1 202 Accepted\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    assert!(matches!(read_answer(whole), Some(Answer::Said(202, v)) if v["a"] == 1));
    for end in 0..whole.len() {
        assert!(read_answer(&whole[..end]).is_none(), "{end} octets were taken for an answer");
    }
}
