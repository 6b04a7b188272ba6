//! `[server]`: where programs and the command line reach the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::{Found, Reader, Section};
use super::source::without_passwords;
use crate::domain::range::AddressRange;

/// The largest rate that can be set.
const RATE_MAX: i64 = 1_000_000;

/// The port of a name server where none is said.
const DNS_PORT: u16 = 53;

/// `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where the HTTP API listens. Default 127.0.0.1:8420.
    pub listen: SocketAddr,
    /// Where the public routes (pixel, links, unsubscribe, the end of a sign-in) listen, and nothing else; `None`: beside the API.
    pub public_listen: Option<SocketAddr>,
    /// Where `/metrics` is served without a token, and nothing else; `None`: only beside the API, with a token.
    pub metrics_listen: Option<SocketAddr>,
    /// Where readers of mail reach them: `https://host`, without a slash at its end. `None`: nothing is counted, and mail of
    /// sequences can be declined only by mail.
    pub base_url: Option<String>,
    /// The name server that `doctor` asks about our domains; `None`: those of the machine.
    pub dns: Option<SocketAddr>,
    /// How often programs and readers may ask.
    pub rates: Rates,
    /// Which proxies are believed when they name whom they ask for (`X-Forwarded-For`). Default: those on this machine.
    pub trusted_proxies: Vec<AddressRange>,
    /// The control socket. `None`: in the runtime directory, see [`crate::control::socket_path`].
    pub socket: Option<PathBuf>,
}

/// Requests in a minute. Who asks more often is told to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of one API token. Default 6000.
    pub per_token: u32,
    /// Without a good token, from one address. Default 60.
    pub refused: u32,
    /// Of readers of mail, from one address: the proxy of a large provider is one. Default 6000.
    pub public: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { per_token: 6_000, refused: 60, public: 6_000 }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8420)),
            public_listen: None,
            metrics_listen: None,
            base_url: None,
            dns: None,
            rates: Rates::default(),
            trusted_proxies: AddressRange::loopback(),
            socket: None,
        }
    }
}

pub(super) fn read(mut s: Section<'_>, r: &mut Reader) -> Server {
    let mut server = Server::default();
    if let Some(listen) = s.text(r, "listen") {
        if let Ok(address) = listen.value.parse::<SocketAddr>() {
            server.listen = address;
            if !address.ip().is_loopback() {
                let message = format!("the API on {address} can be reached from other machines, without TLS");
                r.warn(&listen, message, "put a reverse proxy with TLS before it, or listen on 127.0.0.1");
            }
        } else {
            let message = format!("`{}` is no IP address with a port", listen.value);
            r.error(&listen, message, "write it as in \"127.0.0.1:8420\" or \"[::1]:8420\"");
        }
    }
    if let Some(listen) = s.text(r, "public_listen") {
        server.public_listen = listen.value.parse().ok();
        if server.public_listen.is_none() {
            let message = format!("`{}` is no IP address with a port", listen.value);
            r.error(&listen, message, "write it as in \"0.0.0.0:8421\"");
        }
    }
    if let Some(listen) = s.text(r, "metrics_listen") {
        server.metrics_listen = listen.value.parse().ok();
        match server.metrics_listen {
            Some(address) if !address.ip().is_loopback() => {
                let message = format!("whoever reaches {address} sees names of accounts and how much is sent");
                r.warn(&listen, message, "let a firewall keep it to who collects the numbers");
            }
            Some(_) => {}
            None => {
                let message = format!("`{}` is no IP address with a port", listen.value);
                r.error(&listen, message, "write it as in \"127.0.0.1:9464\"");
            }
        }
    }
    server.base_url = s.text(r, "base_url").and_then(|url| base_url(r, &url));
    if let Some(given) = s.text(r, "dns") {
        let with_port = |ip| SocketAddr::new(ip, DNS_PORT);
        server.dns = given.value.parse().ok().or_else(|| given.value.parse().ok().map(with_port));
        if server.dns.is_none() {
            let message = format!("`{}` is no IP address", given.value);
            r.error(&given, message, "write it as in \"9.9.9.9\" or \"127.0.0.1:5353\"");
        }
    }
    let (said, named) = (s.has("trusted_proxies"), s.texts(r, "trusted_proxies"));
    if said {
        server.trusted_proxies = proxies(named, r);
    }
    let mut rate = |key, usual: &mut u32| {
        let given = s.integer(r, key, 1..=RATE_MAX).and_then(|found| u32::try_from(found.value).ok());
        *usual = given.unwrap_or(*usual);
    };
    rate("requests_per_minute", &mut server.rates.per_token);
    rate("refused_per_minute", &mut server.rates.refused);
    rate("public_requests_per_minute", &mut server.rates.public);
    server.socket = s.text(r, "socket").map(|path| r.path(&path.value));
    s.finish(r);
    server
}

fn proxies(given: Vec<Found<String>>, r: &mut Reader) -> Vec<AddressRange> {
    let mut all = Vec::with_capacity(given.len());
    for proxy in given {
        let range = AddressRange::read(&proxy.value);
        if range.is_none() {
            let message = format!("`{}` is no address and no range of them", proxy.value);
            r.error(&proxy, message, "write it as in \"172.17.0.1\" or \"10.1.0.0/16\"");
        }
        all.extend(range);
    }
    all
}

/// An address on the web, without path: what stands in mail is short and leads to one host.
fn base_url(r: &mut Reader, given: &Found<String>) -> Option<String> {
    let url = url::Url::parse(&given.value).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let plain = |u: &url::Url| {
        u.query().is_none()
            && u.fragment().is_none()
            && u.username().is_empty()
            && u.password().is_none()
            && u.path() == "/"
    };
    let Some(url) = url.filter(plain) else {
        let shown: String = without_passwords(&given.value).chars().take(80).collect();
        r.error(
            given,
            format!("`{shown}` is no address of a host"),
            "write it as in \"https://hub.your-domain.example\"",
        );
        return None;
    };
    if url.scheme() != "https" {
        r.warn(given, "mail programs offer to unsubscribe by one click only over https", "write https://…");
    }
    Some(String::from(url).trim_end_matches('/').to_owned())
}
