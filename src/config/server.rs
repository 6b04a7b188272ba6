//! `[server]`: where programs and the command line reach the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::{Found, Reader, Section};

/// `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where the HTTP API listens. Default 127.0.0.1:8420.
    pub listen: SocketAddr,
    /// The hub's address on the web, for tracking links and the page to unsubscribe: `https://hub.your-domain.example`.
    /// `None`: mail has none of these.
    pub base_url: Option<String>,
    /// The control socket. `None`: in the runtime directory, see [`crate::control::socket_path`].
    pub socket: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8420)), base_url: None, socket: None }
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
    server.base_url = s.text(r, "base_url").and_then(|url| base_url(r, &url));
    server.socket = s.text(r, "socket").map(|path| r.path(&path.value));
    s.finish(r);
    server
}

/// `https://host` or `http://host:port`, without a path, a slash at the end or anything else.
fn base_url(r: &mut Reader, written: &Found<String>) -> Option<String> {
    let url = url::Url::parse(&written.value).ok();
    let plain = |url: &url::Url| {
        matches!(url.scheme(), "https" | "http")
            && url.host_str().is_some()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
    };
    let Some(url) = url.filter(plain) else {
        let shown: String = written.value.chars().take(80).collect();
        let hint = "write it as in \"https://hub.your-domain.example\", without a path";
        r.error(written, format!("`{shown}` is no address of a site"), hint);
        return None;
    };
    let local = url.host_str().is_some_and(|host| host == "localhost" || host.starts_with("127.") || host == "[::1]");
    if url.scheme() == "http" && !local {
        r.warn(written, "links in mail would lead to an address without TLS".to_owned(), "use https://");
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}
