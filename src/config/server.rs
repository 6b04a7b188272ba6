//! `[server]`: where programs and the command line reach the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::{Reader, Section};

/// `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where the HTTP API listens. Default 127.0.0.1:8420.
    pub listen: SocketAddr,
    /// The control socket. `None`: in the runtime directory, see [`crate::control::socket_path`].
    pub socket: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8420)), socket: None }
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
    server.socket = s.text(r, "socket").map(|path| r.path(&path.value));
    s.finish(r);
    server
}
