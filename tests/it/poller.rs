//! The poller and ingest against a real mail server, through a proxy that misbehaves: nothing is lost, nothing is stored
//! twice, and facts fire once.

use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use liaison::clock::Clock;
use liaison::connector::Source;
use liaison::connector::email::imap::{ImapSettings, ImapSource};
use liaison::connector::email::tls::Security;
use liaison::domain::ids::{InfluencerId, RunId};
use liaison::domain::threading::Identity;
use liaison::inbound::poller::{Connect, Pace, Poller, Reach, Settings, Shared};
use liaison::lifecycle::Stop;
use liaison::store::StoreError;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::fault::{Fault, Proxy};
use crate::ingest::add_influencer;
use crate::peers::{self, MailPeer, PASSWORD, fresh_user};
use crate::stores::{self, Fresh};

mod faults;
mod hostile;
mod nodes;
mod old_mail;
mod refused;
mod renumbered;
mod rounds;

const DAY: Duration = Duration::from_hours(24);

/// A mailbox at the server, a proxy before it, and a store it is read into.
struct Post {
    peer: MailPeer,
    user: String,
    proxy: Proxy,
    fresh: Fresh,
    clock: Clock,
    settings: Settings,
    message_max: u64,
    ana: InfluencerId,
}

/// A poller at work.
struct Reading {
    stop: Stop,
    wake: Arc<Notify>,
    task: JoinHandle<Result<(), StoreError>>,
}

impl Reading {
    /// Stops it, and sees that it ended well.
    async fn end(self) {
        self.stop.ask();
        self.task.await.expect("the poller does not panic").expect("the poller ends well");
    }
}

impl Post {
    async fn new(peer: &MailPeer, fresh: Fresh, reach: Reach) -> Self {
        let clock = Clock::machine();
        let user = fresh_user("poller");
        let ana = add_influencer(&fresh.store, &clock, "ana", "ana@example.org").await;
        let mut tx = fresh.store.begin("test.account").await.unwrap();
        tx.ensure_account("brand", "imap", &user, clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let proxy = Proxy::start(&peer.host, peer.imap, Fault::None).await;
        let identity = Identity { addresses: [user.clone()].into(), domains: Default::default() };
        let settings = Settings {
            account: "brand".into(),
            identity: Arc::new(identity),
            reach,
            poll: Duration::from_mins(10),
            server_files_sent: false,
            pace: Pace {
                lease: Duration::from_mins(1),
                backoff: (Duration::from_millis(2), Duration::from_millis(20)),
                patience: Duration::ZERO,
            },
        };
        Self { peer: peer.clone(), user, proxy, fresh, clock, settings, message_max: 30 << 20, ana }
    }

    /// Begins to read, as a process of its own would.
    fn read(&self) -> Reading {
        let settings = ImapSettings {
            host: "127.0.0.1".into(),
            port: self.proxy.port,
            security: Security::Plain,
            user: self.user.clone(),
            password: PASSWORD.into(),
            ca_file_pem: None,
            message_max: self.message_max,
            step_timeout: Duration::from_secs(30),
        };
        let connect: Connect = Arc::new(move || {
            let source: Box<dyn Source> = Box::new(ImapSource::new(settings.clone()));
            source
        });
        let wake = Arc::new(Notify::new());
        let shared = Shared {
            store: self.fresh.store.clone(),
            clock: self.clock.clone(),
            run: RunId(self.clock.new_id()),
            wake: wake.clone(),
            stored: Arc::new(Notify::new()),
        };
        let stop = Stop::new();
        let task = tokio::spawn(Poller::new(shared, self.settings.clone(), connect).run(stop.clone()));
        Reading { stop, wake, task }
    }

    /// Puts mails of Ana's into a folder (`""` is the inbox) by LMTP.
    async fn deliver(&self, folder: &str, mails: Vec<Vec<u8>>) {
        let (peer, plus) = (self.peer.clone(), if folder.is_empty() { String::new() } else { format!("+{folder}") });
        let to = self.user.replace('@', &format!("{plus}@"));
        tokio::task::spawn_blocking(move || peer.deliver_all(mails.iter().map(Vec::as_slice), &to)).await.unwrap();
    }

    /// Speaks IMAP with the server, past the proxy.
    async fn imap<T: Send + 'static>(&self, act: impl FnOnce(&mut Imap) -> T + Send + 'static) -> T {
        let (host, port, user) = (self.peer.host.clone(), self.peer.imap, self.user.clone());
        tokio::task::spawn_blocking(move || act(&mut Imap::open(&host, port, &user))).await.unwrap()
    }

    /// The one number that a query answers.
    async fn count(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match stores::raw_connection(&self.fresh.place).await {
            stores::Raw::Sqlite(mut c) => sqlx::query_scalar(sql).fetch_one(&mut c).await.unwrap(),
            stores::Raw::Postgres(mut c) => sqlx::query_scalar(sql).fetch_one(&mut c).await.unwrap(),
        }
    }

    async fn messages(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM message").await
    }

    async fn events(&self, what: &str) -> i64 {
        self.count(&format!("SELECT COUNT(*) FROM event WHERE type = '{what}'")).await
    }

    /// Waits until so many messages are stored.
    async fn until_messages(&self, wanted: i64) {
        until(&format!("{wanted} messages on {}", self.fresh.name), async || {
            let found = self.messages().await;
            (found >= wanted).then_some(()).ok_or(found)
        })
        .await;
        assert_eq!(self.messages().await, wanted, "{}", self.fresh.name);
    }

    /// Waits until all folders were read to the end after this call.
    async fn until_synced(&self) {
        let since = self.clock.now().0;
        until("a full round", async || {
            let sql = "SELECT COALESCE(last_sync_at, 0) FROM account";
            let last = self.count(sql).await;
            (last > since).then_some(()).ok_or(last - since)
        })
        .await;
    }

    /// Waits until a folder, freshly compared, has so many messages at the server, and none is missing.
    async fn until_counted(&self, folder: &str, wanted: i64) {
        until(&format!("{folder} counted on {}", self.fresh.name), async || {
            let mut tx = self.fresh.store.read().await.unwrap();
            let row = tx.get_folder("brand", folder).await.unwrap();
            let counts = row.map_or((None, None, None), |r| (r.server_count, r.stored_count, r.missing_count));
            (counts == (Some(wanted), Some(wanted), Some(0))).then_some(()).ok_or(counts)
        })
        .await;
    }

    /// Makes the server number a mailbox anew: another UIDVALIDITY, and uids from 1.
    ///
    /// The server's files are not ours: without the right to delete them this asks sudo, as `tests/peers/mail.sh` does.
    async fn renumber(&self) {
        let before = self.imap(|imap| imap.uid_validity("INBOX")).await;
        let maildir = self.peer.dir.join("dovecot/mail").join(&self.user).join("Maildir");
        // The new value is made of the clock's seconds.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        for name in
            ["dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache", "dovecot-uidvalidity"]
        {
            let file = maildir.join(name);
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    assert!(Command::new("sudo").args(["-n", "rm", "-f"]).arg(&file).status().unwrap().success());
                }
                _ => {}
            }
        }
        let after = self.imap(|imap| imap.uid_validity("INBOX")).await;
        assert_ne!(before, after, "the server numbered the folder anew");
    }
}

/// Asks again and again, two minutes at most; what was found last is in the words of the failure.
async fn until<F, E: std::fmt::Debug>(what: &str, ask: impl Fn() -> F)
where
    F: Future<Output = Result<(), E>>,
{
    let mut last = None;
    for _ in 0..2_400 {
        match ask().await {
            Ok(()) => return,
            Err(found) => last = Some(found),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain for {what}: {last:?}");
}

/// A mail of Ana's with a body of about so many octets.
fn from_ana(name: &str, octets: usize) -> Vec<u8> {
    mail_of("Ana <ana@example.org>", name, octets)
}

fn mail_of(author: &str, name: &str, octets: usize) -> Vec<u8> {
    let mut raw = format!(
        "From: {author}\r\nTo: Brand <brand@example.test>\r\nSubject: About {name}\r\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{name}@example.org>\r\n\r\nHello, this is {name}.\r\n"
    )
    .into_bytes();
    let mut line = 0;
    while raw.len() < octets {
        line += 1;
        raw.extend_from_slice(format!("{name} {line:060}\r\n").as_bytes());
    }
    raw
}

/// A client that says what it is told.
struct Imap(BufReader<TcpStream>);

impl Imap {
    fn open(host: &str, port: u16, user: &str) -> Self {
        let mut imap = Self(BufReader::new(TcpStream::connect((host, port)).unwrap()));
        imap.0.get_ref().set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        imap.line();
        imap.run(&format!("LOGIN {user} {PASSWORD}"));
        imap
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "the server closed");
        line
    }

    fn run(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("x {command}\r\n").as_bytes()).unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut all = String::new();
        loop {
            let line = self.line();
            if line.starts_with("x ") {
                assert!(line.starts_with("x OK"), "{line}");
                return all;
            }
            all.push_str(&line);
        }
    }

    /// Files a mail that the server is to say it got that day.
    fn append(&mut self, folder: &str, day: &str, raw: &[u8]) {
        self.append_at(folder, &format!("{day} 10:00:00 +0000"), raw);
    }

    /// Files a mail that the server is to say it got at that time.
    fn append_at(&mut self, folder: &str, time: &str, raw: &[u8]) {
        let command = format!("x APPEND {folder} \"{time}\" {{{}}}\r\n", raw.len());
        self.0.get_mut().write_all(command.as_bytes()).unwrap();
        assert!(self.line().starts_with('+'));
        self.0.get_mut().write_all(raw).unwrap();
        self.0.get_mut().write_all(b"\r\n").unwrap();
        self.answer();
    }

    fn uid_validity(&mut self, folder: &str) -> String {
        let said = self.run(&format!("EXAMINE {folder}"));
        let (_, rest) = said.split_once("UIDVALIDITY ").expect("a UIDVALIDITY");
        rest.split(']').next().unwrap().to_owned()
    }
}

/// Runs a case on SQLite and on PostgreSQL; the share is smaller on the second.
macro_rules! on_both {
    ($reach:expr, $case:expr) => {{
        let Some(peer) = $crate::peers::mail() else {
            return $crate::peers::skip("mail server (LIAISON_TEST_MAIL)");
        };
        for fresh in $crate::stores::both().await {
            let share = if fresh.name == "postgres" { 10 } else { 1 };
            let post = $crate::poller::Post::new(&peer, fresh, $reach).await;
            $case(post, share).await;
        }
    }};
}
use on_both;

/// Octets that went through a proxy, in words for the report of a run.
fn octets(proxy: &Proxy) -> u64 {
    proxy.total.load(Ordering::SeqCst)
}
