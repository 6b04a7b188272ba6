//! Secrets stay where they were put: more than forty of them, in all the ways there are to give one, everything logged at trace,
//! and everything made to fail that can; then whatever the hub wrote or said is looked through for each of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use liaison::clock::Clock;
use liaison::hub::seal::Vault;
use liaison::store::Place as Database;
use liaison::store::login::LoginTokens;
use serde_json::{Value, json};

use super::place::{Place, WAIT_MAX, call, get};
use crate::stores::{self, Fresh, Raw, raw_connection};

/// Who is written to.
const SOMEBODY: &str = "somebody-zq@b.example";

/// The secrets, by what they are.
#[derive(Default)]
struct Canaries(BTreeMap<String, String>);

impl Canaries {
    fn make(&mut self, what: &str) -> String {
        let secret = format!("cnry{}", uuid::Uuid::from_bytes(liaison::clock::random_octets().unwrap()).simple());
        self.take(what, &secret);
        secret
    }

    fn take(&mut self, what: &str, secret: &str) {
        assert!(self.0.insert(what.to_owned(), secret.to_owned()).is_none(), "{what}");
    }

    /// Which of them stand in a text, in any form they travel in.
    fn found(&self, octets: &[u8]) -> Vec<&str> {
        let stands = |secret: &str| forms(secret).iter().any(|form| contains(octets, form.as_bytes()));
        self.0.iter().filter(|(_, secret)| stands(secret)).map(|(what, _)| what.as_str()).collect()
    }
}

/// As it is, as octets in hex, and as part of base64 at each of the three places where it may begin.
fn forms(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |mut hex, b| {
        write!(hex, "{b:02x}").unwrap();
        hex
    });
    let mut all = vec![secret.to_owned(), hex];
    for (before, skip) in [(0, 0), (1, 2), (2, 3)] {
        let encoded = STANDARD_NO_PAD.encode([vec![b'x'; before], secret.as_bytes().to_vec()].concat());
        all.push(encoded[skip..(before + secret.len()) * 8 / 6].to_owned());
    }
    all
}

fn contains(octets: &[u8], form: &[u8]) -> bool {
    let first = form[0];
    let mut rest = octets;
    while let Some(at) = rest.iter().position(|b| *b == first) {
        rest = &rest[at..];
        if rest.starts_with(form) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// What a server heard.
type Heard = Arc<Mutex<Vec<u8>>>;

/// A server on a port of its own: one thread for each connection.
fn server(heard: &Heard, talk: fn(BufReader<TcpStream>, &Heard)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let heard = heard.clone();
            std::thread::spawn(move || talk(BufReader::new(stream), &heard));
        }
    });
    port
}

fn line(stream: &mut BufReader<TcpStream>, heard: &Heard) -> Option<String> {
    let mut line = String::new();
    (stream.read_line(&mut line).ok()? > 0).then_some(())?;
    heard.lock().unwrap().extend_from_slice(line.as_bytes());
    Some(line.trim_end().to_owned())
}

fn say(stream: &mut BufReader<TcpStream>, text: &str) {
    drop(stream.get_mut().write_all(text.as_bytes()));
}

/// Refuses every sign-in, and says back what it was told.
fn imap_that_refuses(mut stream: BufReader<TcpStream>, heard: &Heard) {
    say(&mut stream, "* OK hello\r\n");
    while let Some(asked) = line(&mut stream, heard) {
        let (tag, command) = asked.split_once(' ').unwrap_or((&asked, ""));
        if command.eq_ignore_ascii_case("CAPABILITY") {
            say(&mut stream, &format!("* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2\r\n{tag} OK done\r\n"));
        } else if command.to_ascii_uppercase().starts_with("AUTHENTICATE") {
            say(&mut stream, "+ \r\n");
            let Some(given) = line(&mut stream, heard) else { return };
            say(&mut stream, &format!("{tag} NO [AUTHENTICATIONFAILED] not with {given} {command}\r\n"));
        } else if command.to_ascii_uppercase().starts_with("LOGIN") {
            say(&mut stream, &format!("{tag} NO [AUTHENTICATIONFAILED] what is {}\r\n", command.replace('"', "'")));
        } else {
            say(&mut stream, &format!("{tag} BAD what is {command}\r\n"));
        }
    }
}

fn smtp_that_refuses(mut stream: BufReader<TcpStream>, heard: &Heard) {
    say(&mut stream, "220 hello\r\n");
    while let Some(asked) = line(&mut stream, heard) {
        let command = asked.to_ascii_uppercase();
        if command.starts_with("EHLO") {
            say(&mut stream, "250-hello\r\n250-AUTH PLAIN LOGIN XOAUTH2\r\n250 8BITMIME\r\n");
        } else if command.starts_with("AUTH") {
            say(&mut stream, &format!("535 5.7.8 not with {asked}\r\n"));
        } else {
            say(&mut stream, &format!("500 what is {asked}\r\n"));
        }
    }
}

/// Lets everybody in, and refuses each recipient by name, as one that takes no more for now.
fn smtp_that_names_people(mut stream: BufReader<TcpStream>, heard: &Heard) {
    say(&mut stream, "220 hello\r\n");
    while let Some(asked) = line(&mut stream, heard) {
        let command = asked.to_ascii_uppercase();
        if command.starts_with("EHLO") {
            say(&mut stream, "250-hello\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n");
        } else if command.starts_with("AUTH") {
            say(&mut stream, "235 2.7.0 come in\r\n");
        } else if command.starts_with("RCPT") {
            say(&mut stream, &format!("421 4.3.2 no more for now: {asked}\r\n"));
            return;
        } else {
            say(&mut stream, "250 2.0.0 fine\r\n");
        }
    }
}

/// Speaks no TLS.
fn garbage(mut stream: BufReader<TcpStream>, heard: &Heard) {
    let mut octets = [0; 4096];
    let n = stream.read(&mut octets).unwrap_or(0);
    heard.lock().unwrap().extend_from_slice(&octets[..n]);
    say(&mut stream, "this is no TLS\r\n");
    drop(stream.get_ref().shutdown(Shutdown::Both));
}

/// Answers whatever is posted with a failure that says it back.
fn http_that_fails(mut stream: BufReader<TcpStream>, heard: &Heard) {
    let (mut said, mut length) = (String::new(), 0);
    while let Some(head) = line(&mut stream, heard) {
        if let Some(value) = head.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if head.is_empty() {
            break;
        }
        said.push_str(&head);
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    heard.lock().unwrap().extend_from_slice(&body);
    let why = format!("not with {} {said}", String::from_utf8_lossy(&body));
    let told = json!({"error": "invalid_client", "error_description": why}).to_string();
    let head = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nConnection: close";
    say(&mut stream, &format!("{head}\r\nContent-Length: {}\r\n\r\n{told}", told.len()));
}

/// An installation full of secrets.
struct World {
    place: Place,
    fresh: Fresh,
    canaries: Canaries,
    /// For the daemon and the commands alike.
    env: Vec<(String, String)>,
    accounts: Vec<String>,
    heard: Heard,
    /// What was said to people and programs, by who said it.
    said: Vec<(String, Vec<u8>)>,
}

impl World {
    async fn new(fresh: Fresh) -> Self {
        let place = Place::new(None);
        let credentials = place.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        let env = vec![("CREDENTIALS_DIRECTORY".to_owned(), credentials.display().to_string())];
        let (canaries, accounts) = (Canaries::default(), Vec::new());
        let mut world = Self { place, fresh, canaries, env, accounts, heard: Heard::default(), said: Vec::new() };
        world.configure().await;
        world
    }

    /// Whether there is an account whose server refuses recipients by name. Where the words of servers go does not depend on the
    /// database: one of them is enough.
    fn names_people(&self) -> bool {
        matches!(self.fresh.place, Database::Sqlite { .. })
    }

    /// Puts a secret where the three forms of naming one look for it, in turn; how the configuration names it.
    fn secret(&mut self, what: &str) -> String {
        let (secret, n) = (self.canaries.make(what), self.canaries.0.len());
        let keep = |path: &Path| {
            std::fs::write(path, &secret).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        let name = format!("secret{n}");
        match n % 3 {
            0 => {
                keep(&self.place.path().join(&name));
                format!("{{ file = \"{name}\" }}")
            }
            1 => {
                keep(&self.place.path().join("credentials").join(&name));
                format!("{{ credential = \"{name}\" }}")
            }
            _ => {
                let name = format!("LIAISON_S{n}");
                self.env.push((name.clone(), secret));
                format!("{{ env = \"{name}\" }}")
            }
        }
    }

    async fn configure(&mut self) {
        let heard = self.heard.clone();
        let (imap, smtp) = (server(&heard, imap_that_refuses), server(&heard, smtp_that_refuses));
        let (garbled, tokens) = (server(&heard, garbage), server(&heard, http_that_fails));
        let naming = server(&heard, smtp_that_names_people);
        let mut sections = String::new();
        let ways = [
            ("dead", 6, "imap+plain://127.0.0.1:1".to_owned(), "smtp+plain://127.0.0.1:1".to_owned()),
            ("refused", 12, format!("imap+plain://127.0.0.1:{imap}"), format!("smtp+plain://127.0.0.1:{smtp}")),
            ("garbled", 6, format!("imaps://127.0.0.1:{garbled}"), format!("smtps://127.0.0.1:{garbled}")),
            (
                "naming",
                usize::from(self.names_people()),
                "imap+plain://127.0.0.1:1".to_owned(),
                format!("smtp+plain://127.0.0.1:{naming}"),
            ),
        ];
        for (way, count, imap, smtp) in ways {
            for n in 0..count {
                let name = format!("{way}{n}");
                let password = self.secret(&format!("password of {name}"));
                writeln!(
                    sections,
                    "[accounts.{name}]\nkind = \"imap\"\naddress = \"{name}@acme.example\"\npassword = {password}\n\
                     imap = \"{imap}\"\nsmtp = \"{smtp}\"\npoll_seconds = 1\n"
                )
                .unwrap();
                self.accounts.push(name);
            }
        }
        for kind in ["gmail", "microsoft365"] {
            let secret = self.secret(&format!("client secret of {kind}"));
            writeln!(
                sections,
                "[oauth.{kind}]\nclient_id = \"client\"\nclient_secret = {secret}\nauthorize = \"http://127.0.0.1:1/authorize\"\n\
                 token = \"http://127.0.0.1:{tokens}/token\"\nimap = \"imap+plain://127.0.0.1:{imap}\"\n\
                 smtp = \"smtp+plain://127.0.0.1:{smtp}\"\n"
            )
            .unwrap();
            for name in [format!("{kind}-ended"), format!("{kind}-valid")] {
                let ca = "poll_seconds = 1";
                writeln!(sections, "[accounts.{name}]\nkind = \"{kind}\"\naddress = \"{name}@acme.example\"\n{ca}\n")
                    .unwrap();
                self.accounts.push(name);
            }
        }
        let master = self.secret("master key");
        let database = match self.fresh.place.clone() {
            Database::Sqlite { file } => format!("url = \"sqlite:{}\"\n", file.display()),
            // The server asks for none, and is given one all the same.
            Database::Postgres { url, .. } => {
                let password = self.secret("password of the database");
                format!("url = \"{url}\"\npassword = {password}\n")
            }
        };
        let (port, metrics) = (self.place.port, self.place.metrics);
        let text = format!(
            "undo_seconds = 0\n[log]\nlevel = \"trace\"\n[server]\nlisten = \"127.0.0.1:{port}\"\nmetrics_listen = \"127.0.0.1:{metrics}\"\n\
             base_url = \"http://127.0.0.1:{port}\"\nsocket = \"control.sock\"\n[storage]\nstate_dir = \"state\"\n{database}\
             [secrets]\nmaster_key = {master}\n[webhooks]\nallow = [\"127.0.0.1\"]\n{sections}"
        );
        std::fs::write(self.place.path().join("liaison.toml"), text).unwrap();
        self.sign_in().await;
    }

    /// As if somebody had signed in: tokens that have ended, and such that hold.
    async fn sign_in(&mut self) {
        let vault = Vault::new(&self.canaries.0["master key"].clone().into()).unwrap();
        let now = Clock::machine().now();
        let mut tx = self.fresh.store.begin("test.tokens").await.unwrap();
        for kind in ["gmail", "microsoft365"] {
            for (state, until) in [("ended", now), ("valid", now.plus(std::time::Duration::from_hours(1)))] {
                let name = format!("{kind}-{state}");
                let mut seal = |what: &str| {
                    let token = self.canaries.make(&format!("{what} token of {name}"));
                    vault.seal(&format!("{what} token of account {name}"), &token.into()).unwrap()
                };
                let (refresh_sealed, access_sealed) = (seal("refresh"), seal("access"));
                let tokens = LoginTokens { refresh_sealed, access_sealed, renew_at: until, expires_at: until, at: now };
                let address = format!("{name}@acme.example");
                tx.put_login((&name, kind, &address), &tokens).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
        // Nothing of this process is to keep the database open.
        self.fresh.store.close().await;
    }

    /// Runs a command; what it said is looked through later, but for what it says on purpose.
    fn run(&mut self, args: &[&str]) -> (i32, String) {
        let (code, told) = self.quietly(args);
        self.said.push((args.join(" "), told.clone().into_bytes()));
        (code, told)
    }

    fn quietly(&self, args: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_liaison"))
            .args(args)
            .current_dir(self.place.path())
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("TZ", "UTC"), ("USER", "kim"), ("LIAISON_CONFIG", "liaison.toml")])
            .envs(self.env.iter().map(|(k, v)| (k.as_str(), v.as_str())))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&told).into_owned())
    }

    fn token(&mut self, name: &str, scopes: &[&str]) -> String {
        let mut args = vec!["token", "create", name, "--json"];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
        let (code, told) = self.quietly(&args);
        assert_eq!(code, 0, "{told}");
        let told = &told[told.find('{').unwrap()..];
        let made = serde_json::Deserializer::from_str(told).into_iter::<Value>().next().unwrap().unwrap();
        let token = made["token"].as_str().unwrap().to_owned();
        self.canaries.take(&format!("token {name}"), &token);
        token
    }

    /// One request, whose answer is looked through later.
    fn ask(&mut self, method: &str, path: &str, token: &str) -> u16 {
        let (status, told) = call(self.place.port, method, path, Some(token)).unwrap();
        self.said.push((format!("{method} {path}"), told.into_bytes()));
        status
    }

    /// A request with a body.
    fn post(&self, path: &str, token: &str, body: &Value) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.place.port)).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// One line on the control socket.
    fn control(&mut self, request: &str) {
        let mut socket = UnixStream::connect(self.place.path().join("control.sock")).unwrap();
        socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
        writeln!(socket, "{request}").unwrap();
        let mut told = String::new();
        BufReader::new(socket).read_line(&mut told).unwrap();
        let op: String = request.chars().take(20).collect();
        self.said.push((format!("control {op}"), told.into_bytes()));
    }

    /// Everything that is kept, and the log.
    async fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = vec![("log".to_owned(), self.place.log().into_bytes())];
        let mut folders = vec![self.place.path().join("state")];
        match &self.fresh.place {
            Database::Sqlite { file } => folders.push(file.parent().unwrap().to_owned()),
            Database::Postgres { .. } => {
                let Raw::Postgres(mut c) = raw_connection(&self.fresh.place).await else { panic!("not PostgreSQL") };
                let names: Vec<String> =
                    sqlx::query_scalar("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'")
                        .fetch_all(&mut c)
                        .await
                        .unwrap();
                assert!(names.len() > 20, "{names:?}");
                for name in names {
                    let rows = sqlx::AssertSqlSafe(format!("SELECT CAST(t AS TEXT) FROM \"{name}\" t"));
                    let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut c).await.unwrap();
                    all.push((format!("table {name}"), rows.join("\n").into_bytes()));
                }
            }
        }
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_type().unwrap().is_file() {
                    all.push((entry.path().display().to_string(), std::fs::read(entry.path()).unwrap()));
                }
            }
        }
        all
    }
}

/// Mistakes in a configuration that show a secret to whoever reads the message.
fn mistakes(world: &mut World) {
    let usual = std::fs::read_to_string(world.place.path().join("liaison.toml")).unwrap();
    let port = world.place.port;
    for (what, from, to) in [
        ("a password in its place", "password = { file", "password = \"SECRET\"\n#"),
        ("a password in the URL of a server", "imap = \"imap+plain://", "imap = \"imap+plain://me:SECRET@"),
        ("a password in the URL of a server that is none", "imap = \"imap+plain://", "imap = \"ftp://me:SECRET@"),
        (
            "a password in the base URL",
            &format!("base_url = \"http://127.0.0.1:{port}"),
            "base_url = \"http://me:SECRET@hub",
        ),
        ("a password in the URL of a provider", "authorize = \"http://", "authorize = \"http://me:SECRET@"),
        ("a password in the URL of the database", "[storage]\n", "[storage]\n#\n"),
        (
            "a password in the host of links",
            "[secrets]\n",
            "[tracking]\nhost = \"https://me:SECRET@links\"\n[secrets]\n",
        ),
        ("a password in a host of webhooks", "allow = [", "allow = [\"https://me:SECRET@hook\", "),
        ("a key nobody knows", "[secrets]\n", "[secrets]\nmaster_keey = \"SECRET\"\n"),
    ] {
        let secret = world.canaries.make(what);
        let mut text = usual.replacen(from, &to.replace("SECRET", &secret), 1);
        if what.ends_with("database") {
            let at = text.find("\nurl = \"").unwrap() + 1;
            let end = at + text[at..].find('\n').unwrap();
            text.replace_range(at..end, &format!("url = \"postgres://me:{secret}@127.0.0.1:1/x\""));
        }
        assert!(text.contains(&secret), "{what}");
        std::fs::write(world.place.path().join("wrong.toml"), text).unwrap();
        for command in [["config", "check"], ["config", "show"]] {
            let (code, told) = world.run(&["--config", "wrong.toml", command[0], command[1]]);
            assert_ne!(code, 0, "{what}: {told}");
        }
    }
}

/// Signs in wrongly in every way there is.
fn provoke(world: &mut World, admin: &str) {
    let forged = ["forged token", "no token at all"].map(|what| world.canaries.make(what));
    let forged = [format!("lia_{:A<43}", forged[0]), forged[1].clone()];
    for token in &forged {
        for (method, path) in [("GET", "/v1/accounts"), ("POST", "/v1/messages"), ("GET", "/metrics")] {
            assert_eq!(world.ask(method, path, token), 401);
        }
    }
    let (code, state) = (world.canaries.make("code of a provider"), world.canaries.make("state of a sign-in"));
    world.ask("GET", &format!("/oauth/callback?code={code}&state={state}"), "x");
    let returned = world.canaries.make("code pasted back");
    world.control(
        &json!({"op": "login.finish", "returned": format!("http://127.0.0.1:1/?code={returned}&state=x")}).to_string(),
    );
    let stray = world.canaries.make("argument nobody knows");
    world.control(&json!({"op": "nothing", "password": stray}).to_string());
    let torn = world.canaries.make("request that is no JSON");
    world.control(&format!("{{\"op\": \"login.begin\", \"{torn}"));
    world.control(&json!({"op": "status"}).to_string());
    for n in 0..2 {
        let receiver = server(&world.heard, http_that_fails);
        let url = format!("http://127.0.0.1:{receiver}/");
        let (status, told) = world.post("/v1/webhooks", admin, &json!({"url": url}));
        assert_eq!(status, 201, "{told}");
        let made: Value = serde_json::from_str(&told).unwrap();
        world.canaries.take(&format!("secret of webhook {n}"), made["secret"].as_str().unwrap());
        let id = made["id"].as_str().unwrap();
        let (status, told) = world.post(&format!("/v1/webhooks/{id}/rotate"), admin, &json!({"overlap_hours": 1}));
        assert_eq!(status, 200, "{told}");
        let made: Value = serde_json::from_str(&told).unwrap();
        world.canaries.take(&format!("new secret of webhook {n}"), made["secret"].as_str().unwrap());
        let (status, _) = world.post(&format!("/v1/webhooks/{id}/test"), admin, &json!({}));
        assert!(status < 300, "{status}");
    }
}

async fn look(fresh: Fresh) {
    let mut world = World::new(fresh).await;
    let name = world.fresh.name;
    let [admin, metrics] = [("all", &["read", "write", "messages:send", "admin"][..]), ("numbers", &["metrics"][..])]
        .map(|(name, scopes)| world.token(name, scopes));
    let revoked = world.token("revoked", &["read"]);
    for account in world.accounts.clone() {
        let mail = ["send", "--account", &account, "--to", SOMEBODY, "--subject", "s", "--text", "t", "--unknown-ok"];
        let (code, told) = world.run(&mail);
        assert_eq!(code, 0, "{told}");
    }
    mistakes(&mut world);
    let env: Vec<(String, String)> = world.env.clone();
    let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let service = world.place.up(&env);
    provoke(&mut world, &admin);
    assert_eq!(world.ask("GET", "/v1/accounts", &revoked), 200);
    // Every account has tried to read and to send, and says why not.
    let accounts = world.accounts.clone();
    world.place.until("every account says what is wrong with it", || {
        let page = get(world.place.port, "/v1/accounts", Some(&admin))?.1;
        let told: Value = serde_json::from_str(&page).ok()?;
        let wrong = told["data"].as_array()?.iter().filter(|a| !a["detail"].is_null()).count();
        (wrong == accounts.len()).then_some(())
    });
    for account in ["dead0", "refused0", "garbled0", "gmail-ended", "gmail-valid", "microsoft365-ended"] {
        world.run(&["account", "test", account]);
    }
    for args in [
        &["config", "check"][..],
        &["config", "show"],
        &["config", "show", "--json"],
        &["account", "list"],
        &["account", "list", "--json"],
        &["token", "list", "--json"],
        &["webhook", "list", "--json"],
        &["outbox", "list", "--json"],
        &["events", "tail", "--json"],
        &["doctor"],
    ] {
        world.run(args);
    }
    for path in liaison::http::paths().into_iter().filter(|path| !path.contains('{') && !path.ends_with("/stream")) {
        world.ask("GET", &path, &admin);
    }
    assert_eq!(world.ask("GET", "/metrics", &metrics), 200);
    let tried =
        |series: &str| get(world.place.metrics, "/metrics", None).is_some_and(|(_, page)| page.contains(series));
    world.place.until("webhooks and renewals were tried", || {
        let all = [
            "webhook_deliveries_total{result=\"failed\"}",
            "oauth_renewals_total{account=\"gmail-ended\",result=\"failed\"}",
        ];
        all.into_iter().all(tried).then_some(())
    });
    world.said.push(("metrics".to_owned(), get(world.place.metrics, "/metrics", None).unwrap().1.into_bytes()));
    let naming = world.names_people();
    if naming {
        let told = || world.place.log().contains("no more for now").then_some(());
        world.place.until("a server refused somebody by name", told);
    }
    assert!(service.stop().success(), "{}", world.place.log());

    // They were used: servers heard them.
    let heard = world.heard.lock().unwrap().clone();
    if naming {
        // A server that was told of somebody says so, and the log names nobody.
        assert!(contains(&heard, format!("RCPT TO:<{SOMEBODY}>").as_bytes()), "{name}: nobody was written to");
        let log = world.place.log();
        let named: Vec<&str> = log.lines().filter(|line| line.contains(SOMEBODY)).collect();
        assert!(named.is_empty(), "{name}: {named:#?}");
    }
    let used = world.canaries.found(&heard);
    let meant = [
        "password of refused0",
        "password of refused11",
        "client secret of gmail",
        "refresh token of microsoft365-ended",
        "access token of gmail-valid",
    ];
    for what in meant {
        assert!(used.contains(&what), "{name}: {what} was never used: {used:?}");
    }
    let mut places = world.kept().await;
    places.append(&mut world.said);
    // What may be seen is found in the same way.
    let seen = |what: &str| places.iter().filter(|(_, octets)| contains(octets, what.as_bytes())).count();
    assert!(seen("refused11") > 5 && seen("TRACE") > 0, "{name}: the search finds nothing");
    let hits: Vec<String> = places
        .iter()
        .flat_map(|(place, octets)| {
            world.canaries.found(octets).into_iter().map(move |what| format!("{what} in {place}"))
        })
        .collect();
    println!(
        "{name}: {} secrets, {} of them heard by servers, {} places, {} hits",
        world.canaries.0.len(),
        used.len(),
        places.len(),
        hits.len()
    );
    assert!(world.canaries.0.len() >= 40);
    assert!(hits.is_empty(), "{name}:\n{}\n", hits.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_in_no_log_no_error_no_number_and_no_table() {
    for fresh in stores::both().await {
        look(fresh).await;
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    let mut canaries = Canaries::default();
    let secret = canaries.make("it");
    let plain = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    for text in [
        secret.clone(),
        format!("x={secret}&y"),
        plain(&format!("\0me\0{secret}")),
        plain(&format!("\0you\0{secret}")),
        plain(&format!("user=a@b.example\x01auth=Bearer {secret}\x01\x01")),
    ] {
        assert_eq!(canaries.found(text.as_bytes()), ["it"], "{text}");
    }
    assert_eq!(canaries.found(plain("nothing").as_bytes()), [""; 0]);
}
