//! The process is killed while a renewal is under way, at a provider that ends the old token with each new one: after the
//! start the account signs in, or says plainly that somebody has to; and no mail is lost or sent twice.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use liaison::clock::Clock;
use liaison::domain::words::{AccountState, OutboxStatus};

use super::revoked::{count, enqueue, states};
use super::{PATIENCE, World, until, worlds};

/// Stands before the token endpoint. Each answer is held until it is let go: the provider has ended the old token by then.
struct Gate {
    at: SocketAddr,
    /// An answer is here.
    held: Receiver<()>,
    /// Lets one go.
    go: Sender<()>,
}

impl Gate {
    fn before(provider: &url::Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let provider = provider.socket_addrs(|| None).unwrap()[0];
        let ((tell, held), (go, may)) = (channel(), channel());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                // Whoever was killed may be gone at any of these.
                let Some(request) = message(&client) else { continue };
                let mut there = TcpStream::connect(provider).unwrap();
                there.write_all(&request).unwrap();
                let answer = message(&there).unwrap();
                if tell.send(()).is_err() || may.recv().is_err() {
                    return;
                }
                drop(client.write_all(&answer));
            }
        });
        Self { at, held, go }
    }
}

/// A head and the body it announces; nothing where the other side went.
fn message(stream: &TcpStream) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut from, mut whole, mut length) = (BufReader::new(stream), Vec::new(), 0);
    loop {
        let begun = whole.len();
        if from.read_until(b'\n', &mut whole).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&whole[begun..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let head = whole.len();
            whole.resize(head + length, 0);
            from.read_exact(&mut whole[head..]).ok()?;
            return Some(whole);
        }
    }
}

/// The daemon; killed when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Daemon {
    fn start(world: &World) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log_of(world)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_liaison"))
            .arg("--config")
            .arg(&world.file)
            .arg("serve")
            .env_clear()
            .env("HOME", world.file.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn log_of(world: &World) -> std::path::PathBuf {
    world.file.with_file_name("log")
}

/// Makes the access token end, as time would.
async fn end_token(world: &World) {
    let now = Clock::machine().now();
    let mut tx = world.fresh.store.begin("test.end").await.unwrap();
    let row = tx.get_login("brand").await.unwrap().unwrap();
    let access_sealed = row.access_sealed.unwrap();
    let refresh_sealed = row.refresh_sealed;
    let tokens =
        liaison::store::login::LoginTokens { refresh_sealed, access_sealed, renew_at: now, expires_at: now, at: now };
    assert!(tx.renew_login("brand", row.version, &tokens).await.unwrap());
    tx.commit().await.unwrap();
}

async fn version(world: &World) -> i64 {
    world.fresh.store.read().await.unwrap().get_login("brand").await.unwrap().unwrap().version
}

/// What a command prints.
fn run(world: &World, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liaison"));
    let output = command.arg("--config").arg(&world.file).args(args).env_clear().stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// How the sign-in is, in each place that tells it.
fn is_told(world: &World, token: &str, is_good: bool) {
    let (_, page) = crate::operations::place::get(world.port, "/metrics", Some(token)).unwrap();
    let number = |name: &str| {
        let series = format!("liaison_{name}{{account=\"brand\"}}");
        crate::operations::watched::value(&page, &series).unwrap_or_else(|| panic!("no {series}: {page}"))
    };
    assert_eq!(number("oauth_signed_in"), if is_good { 1.0 } else { 0.0 });
    let (_, told) = crate::operations::place::get(world.port, "/v1/accounts", Some(token)).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let sign_in = &told["data"][0]["sign_in"];
    let expires = liaison::domain::time::Micros::parse(sign_in["expires_at"].as_str().unwrap()).unwrap();
    #[allow(clippy::cast_precision_loss, reason = "exact to less than a second")]
    let seconds = expires.0 as f64 / 1e6;
    assert!((number("oauth_token_expiry_timestamp_seconds") - seconds).abs() < 1.0, "{sign_in} {page}");
    assert_eq!(expires > Clock::machine().now(), is_good, "{sign_in}");
    assert_eq!(sign_in["state"], if is_good { "valid" } else { "refused" }, "{sign_in}");
    assert_eq!(sign_in["refused_why"].is_null(), is_good, "{sign_in}");
    let words = if is_good { "sign-in: its token holds until" } else { "sign-in: the provider does not take it since" };
    for args in [&["doctor", "--offline"][..], &["account", "list"]] {
        let told = run(world, args);
        assert!(told.contains(words), "{args:?}: {told}");
    }
    let told = run(world, &["doctor", "--offline"]);
    assert_eq!(told.contains("sign in again: liaison account add gmail brand"), !is_good, "{told}");
}

/// When the daemon is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The provider has answered, and the answer is on its way.
    BeforeTheAnswer,
    /// So long after the answer was let go.
    After(Duration),
    /// The new tokens are kept.
    Kept,
}

/// One life and its end, and the next life; whether the account signed in by itself.
async fn kill_and_start(world: &World, (gate, token): (&Gate, &str), moment: Moment, round: i64) -> bool {
    let clock = Clock::machine();
    end_token(world).await;
    let mail =
        format!("From: a@example.test\r\nSubject: in {round}\r\nMessage-ID: <in-{round}@example.test>\r\n\r\nbody\r\n");
    world.peer.deliver(mail.as_bytes(), &world.user);
    let id = enqueue(world, &clock).await;
    let before = version(world).await;
    let daemon = Daemon::start(world);
    gate.held.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{}", std::fs::read_to_string(log_of(world)).unwrap()));
    match moment {
        Moment::BeforeTheAnswer => daemon.kill(),
        Moment::After(wait) => {
            gate.go.send(()).unwrap();
            std::thread::sleep(wait);
            daemon.kill();
        }
        Moment::Kept => {
            gate.go.send(()).unwrap();
            until(
                "the new tokens in the store",
                async || {
                    if version(world).await > before { Ok(()) } else { Err(before) }
                },
            )
            .await;
            daemon.kill();
        }
    }
    if matches!(moment, Moment::BeforeTheAnswer) {
        gate.go.send(()).unwrap();
    }
    let kept = version(world).await > before;
    let _daemon = Daemon::start(world);
    // What is asked from now on is answered at once.
    let pass = || {
        while gate.held.try_recv().is_ok() {
            gate.go.send(()).unwrap()
        }
    };
    let by_itself = until("the account is up, or says what it needs", async || {
        pass();
        // What stands there may be of the life before; what is sent can only be of this one.
        let status = world.fresh.store.read().await.unwrap().get_outbox(id).await.unwrap().unwrap().status;
        match (status, states(world).await) {
            (OutboxStatus::Confirmed, _) => Ok(true),
            (_, (AccountState::NeedsLogin, _, detail)) if detail.contains("liaison account add gmail brand") => {
                Ok(false)
            }
            other => Err(other),
        }
    })
    .await;
    assert_eq!(by_itself, kept, "what was kept signs in, and nothing else can ({moment:?})");
    is_told(world, token, by_itself);
    if !by_itself {
        world.sign_in().await;
    }
    until("all mail is here and sent", async || {
        pass();
        let status = world.fresh.store.read().await.unwrap().get_outbox(id).await.unwrap().unwrap().status;
        let inbound = count(world, "SELECT COUNT(*) FROM message WHERE direction = 'inbound'").await;
        // What the brand sends to itself comes back as the same message.
        let (reading, sending, detail) = states(world).await;
        let is_up = (reading, sending) == (AccountState::Up, AccountState::Up);
        if is_up && status == OutboxStatus::Confirmed && inbound == round {
            Ok(())
        } else {
            Err((status, inbound, detail))
        }
    })
    .await;
    by_itself
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_the_provider_answers_a_renewal_it_signs_in_or_says_who_has_to() {
    for world in worlds().await {
        world.sign_in().await;
        world.control(&[("rotate", "yes")]).await;
        let gate = Gate::before(&world.url);
        let text = std::fs::read_to_string(&world.file).unwrap();
        let direct = format!("token = \"{}token\"", world.url);
        assert!(text.contains(&direct));
        std::fs::write(&world.file, text.replace(&direct, &format!("token = \"http://{}/token\"", gate.at))).unwrap();
        let made = run(&world, &["token", "create", "numbers", "--scope", "metrics", "--scope", "read", "--json"]);
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let token = made["token"].as_str().unwrap().to_owned();
        let ms = |n| Moment::After(Duration::from_millis(n));
        // On PostgreSQL each kill leaves a lease that has to run out.
        let moments: &[Moment] = match world.fresh.name {
            "sqlite" => &[Moment::BeforeTheAnswer, Moment::Kept, ms(0), ms(1), ms(3), ms(8)],
            _ => &[Moment::BeforeTheAnswer],
        };
        let mut rounds = Vec::new();
        for (n, moment) in (1..).zip(moments) {
            rounds.push(kill_and_start(&world, (&gate, &token), *moment, n).await);
        }
        println!("{}: signed in by itself {rounds:?}", world.fresh.name);
        assert!(!rounds[0], "nobody has the token that was in that answer");
        assert!(rounds.get(1).is_none_or(|by_itself| *by_itself), "what was kept is used");
    }
}
