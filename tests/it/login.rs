//! Signing in with OAuth, against a real mail server that takes tokens, and a provider that gives them
//! (`tests/peers/token_server.py`).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use liaison::config::{self, Config};
use liaison::login::{Keeper, SignIns, Wish};
use liaison::store::Place;
use serde_json::{Map, Value, json};
use url::Url;

use crate::peers::{self, MailPeer, fresh_user};
use crate::stores::{self, Fresh};

mod keeping;
mod killed;
mod kinds;
mod revoked;
mod ways;

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(2);
/// What seals, in tests.
const MASTER_KEY: &str = "0123456789abcdef0123456789abcdef";

/// The mail server and its provider; none, with words, where they are not there.
fn provider() -> Option<(MailPeer, Url)> {
    let Some(peer) = peers::mail() else {
        peers::skip("mail server (LIAISON_TEST_MAIL)");
        return None;
    };
    let Some(url) = peer.oauth.clone() else {
        peers::skip("provider that signs people in (oauth= in LIAISON_TEST_MAIL)");
        return None;
    };
    Some((peer, url))
}

/// What a server said.
#[derive(Debug)]
struct Said {
    status: u16,
    location: Option<String>,
    body: String,
}

/// One request, with a form where one is given.
fn request_now(url: &Url, form: Option<&[(&str, &str)]>) -> Said {
    let address = (url.host_str().unwrap(), url.port_or_known_default().unwrap());
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let body = form.map(|pairs| url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    let (method, body) = body.map_or(("GET", String::new()), |body| ("POST", body));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {text:?}"));
    let location = head
        .lines()
        .find_map(|l| l.to_ascii_lowercase().starts_with("location: ").then(|| l["location: ".len()..].to_owned()));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Said { status, location, body: body.to_owned() }
}

async fn request(url: Url, form: Option<Vec<(&'static str, String)>>) -> Said {
    let work = move || {
        let pairs: Option<Vec<(&str, &str)>> = form.as_ref().map(|f| f.iter().map(|(k, v)| (*k, v.as_str())).collect());
        request_now(&url, pairs.as_deref())
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Asks again and again; what was found last is in the words of the failure.
async fn until<T, E: std::fmt::Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(last) => assert!(tokio::time::Instant::now() < end, "waited too long for {what}: {last:?}"),
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// A mailbox that signs in with OAuth, its configuration, and a store.
struct World {
    peer: MailPeer,
    url: Url,
    user: String,
    fresh: Fresh,
    config: Arc<Config>,
    file: PathBuf,
    port: u16,
    _dir: tempfile::TempDir,
}

/// The same on every database there is.
async fn worlds() -> Vec<World> {
    let Some((peer, url)) = provider() else { return Vec::new() };
    let fresh = stores::both().await;
    fresh.into_iter().map(|fresh| World::new(&peer, &url, fresh, true)).collect()
}

/// On SQLite alone.
async fn world() -> Option<World> {
    let (peer, url) = provider()?;
    Some(World::new(&peer, &url, stores::sqlite().await, true))
}

impl World {
    /// `configured`: whether the accounts `brand` and `office` are in the configuration already.
    fn new(peer: &MailPeer, url: &Url, fresh: Fresh, configured: bool) -> Self {
        let user = fresh_user("oauth");
        let dir = tempfile::tempdir().unwrap();
        let secret = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        secret("master-key", MASTER_KEY);
        secret("client-secret", "test-secret");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let database = match &fresh.place {
            Place::Sqlite { file } => format!("sqlite:{}", file.display()),
            Place::Postgres { url, .. } => url.clone(),
        };
        let registration = |kind: &str, more: &str| {
            format!(
                "[oauth.{kind}]\nclient_id = \"test-client\"\nclient_secret = {{ file = \"client-secret\" }}\n\
                 authorize = \"{url}authorize\"\ntoken = \"{url}token\"\n{more}\
                 imap = \"imap+plain://127.0.0.1:{}\"\nsmtp = \"smtps://127.0.0.1:{}\"\n",
                peer.imap, peer.smtps
            )
        };
        let mut text = format!(
            "undo_seconds = 0\n[server]\nlisten = \"127.0.0.1:{port}\"\nbase_url = \"http://127.0.0.1:{port}\"\n\
             socket = \"control.sock\"\n[storage]\nstate_dir = \"state\"\nurl = \"{database}\"\n\
             [secrets]\nmaster_key = {{ file = \"master-key\" }}\n{}{}",
            registration("gmail", ""),
            registration("microsoft365", &format!("device = \"{url}device\"\n")),
        );
        if configured {
            text.push_str(&format!(
                "[accounts.brand]\nkind = \"gmail\"\naddress = \"{user}\"\nca = \"{}\"\npoll_seconds = 1\n",
                peer.ca.display()
            ));
        }
        let file = dir.path().join("liaison.toml");
        std::fs::write(&file, text).unwrap();
        let loaded = config::load(&file, std::iter::empty()).unwrap_or_else(|e| panic!("{e}"));
        let config = Arc::new(loaded.config);
        Self { peer: peer.clone(), url: url.clone(), user, fresh, config, file, port, _dir: dir }
    }

    fn sign_ins(&self) -> SignIns {
        SignIns::new(self.fresh.store.clone(), Arc::clone(&self.config))
    }

    /// A keeper as a process of its own would have.
    fn keeper(&self) -> Keeper {
        let account = &self.config.accounts["brand"];
        Keeper::new(self.fresh.store.clone(), "brand", account.provider().unwrap(), &self.config.oauth)
    }

    /// Tells the provider how to treat this user.
    async fn control(&self, fields: &[(&'static str, &str)]) {
        let url = self.url.join(&format!("control?user={}", self.user)).unwrap();
        let form = fields.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        assert_eq!(request(url, Some(form)).await.status, 200);
    }

    /// What the provider saw of this user.
    async fn seen(&self) -> Value {
        let said = request(self.url.join(&format!("seen?user={}", self.user)).unwrap(), None).await;
        serde_json::from_str(&said.body).unwrap()
    }

    /// A person signs in as their browser would, and the address they land on comes back.
    async fn agree(&self, url: &str, more: &str) -> String {
        let said = request(Url::parse(&format!("{url}{more}")).unwrap(), None).await;
        assert_eq!(said.status, 302, "{said:?}");
        said.location.unwrap()
    }

    /// Signs in to the account `brand`.
    async fn sign_in(&self) {
        let sign_ins = self.sign_ins();
        let asked = given(&[("account", "brand"), ("redirect_uri", "http://127.0.0.1:1/")]);
        let begun = sign_ins.answer("login.begin", &asked).await.unwrap();
        let landed = self.agree(begun["url"].as_str().unwrap(), "").await;
        let done = sign_ins.answer("login.finish", &given(&[("returned", &landed)])).await.unwrap();
        assert_eq!(done["address"], json!(self.user));
    }
}

fn given(pairs: &[(&str, &str)]) -> Map<String, Value> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect()
}

fn query_of(url: &str) -> BTreeMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

fn wish(world: &World) -> Wish {
    world.sign_ins().wish(None, "brand", None).unwrap()
}
