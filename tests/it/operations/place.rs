//! One installation in a folder of its own, and the real binary on it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::cli::{Done, liaison};
use crate::daemon::free_port;
use crate::peers::{MailPeer, PASSWORD};

/// The longest wait for anything here.
pub const WAIT_MAX: Duration = Duration::from_mins(1);

/// A folder with a configuration of one account, `hello`.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub port: u16,
    pub metrics: u16,
}

/// A daemon that runs; killed when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Place {
    /// With an account whose servers nobody reaches, or one of a real mail server.
    pub fn new(mailbox: Option<(&MailPeer, &str)>) -> Self {
        Self::on("", mailbox)
    }

    /// With these lines in `[storage]` as well.
    pub fn on(storage: &str, mailbox: Option<(&MailPeer, &str)>) -> Self {
        let (dir, port, metrics) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let (address, servers) = match mailbox {
            None => (
                "hello@acme.example".to_owned(),
                "imap = \"imap+plain://127.0.0.1:1\"\nsmtp = \"smtp+plain://127.0.0.1:1\"\n".to_owned(),
            ),
            Some((peer, user)) => (
                user.to_owned(),
                format!(
                    "imap = \"imap+plain://127.0.0.1:{}\"\nsmtp = \"smtp://localhost:{}\"\nca = \"{}\"\nsent_copy = \"hub\"\n\
                     poll_seconds = 1\n",
                    peer.imap,
                    peer.submission,
                    peer.ca.display()
                ),
            ),
        };
        let config = format!(
            "undo_seconds = 0\n[server]\nlisten = \"127.0.0.1:{port}\"\nmetrics_listen = \"127.0.0.1:{metrics}\"\n\
             socket = \"control.sock\"\n[storage]\nstate_dir = \"state\"\n{storage}[accounts.hello]\nkind = \"imap\"\n\
             address = \"{address}\"\npassword = {{ file = \"pw\" }}\n{servers}"
        );
        std::fs::write(dir.path().join("liaison.toml"), config).unwrap();
        let password = dir.path().join("pw");
        std::fs::write(&password, PASSWORD).unwrap();
        std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Self { dir, port, metrics }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A command on this folder.
    pub fn run(&self, args: &[&str]) -> Done {
        liaison(self.path(), args)
    }

    /// The same, still at work when this returns.
    pub fn begin(&self, args: &[&str]) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_liaison"))
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("TZ", "UTC"), ("LIAISON_CONFIG", "liaison.toml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Running(child)
    }

    /// Starts the daemon; it is not up yet when this returns.
    pub fn start(&self, env: &[(&str, &str)]) -> Running {
        let log = std::fs::File::options().create(true).append(true).open(self.path().join("log")).unwrap();
        self.start_telling(env, log)
    }

    /// The same, with its words going somewhere else.
    pub fn start_telling(&self, env: &[(&str, &str)], log: std::fs::File) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_liaison"))
            .arg("serve")
            .current_dir(self.path())
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("TZ", "UTC"), ("LIAISON_CONFIG", "liaison.toml")])
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Running(child)
    }

    /// Starts the daemon and waits until it is ready.
    pub fn up(&self, env: &[(&str, &str)]) -> Running {
        let mut service = self.start(env);
        self.until("the daemon is ready", || {
            assert!(service.0.try_wait().unwrap().is_none(), "it ended: {}", self.log());
            (get(self.port, "/readyz", None)?.0 == 200).then_some(())
        });
        service
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Waits until something holds.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + WAIT_MAX;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < end, "never: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Running {
    /// SIGTERM, and the end.
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.0.wait().unwrap()
    }
}

/// One request of HTTP; `None` where nobody answers.
pub fn get(port: u16, path: &str, token: Option<&str>) -> Option<(u16, String)> {
    call(port, "GET", path, token)
}

/// The same by another method, without a body.
pub fn call(port: u16, method: &str, path: &str, token: Option<&str>) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let token = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
