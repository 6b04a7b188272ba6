//! Connections to Slack, for the Web API and for sockets alike: TLS with what `connector::email::tls` trusts, or plain to this machine
//! alone. The whole of connecting has one time limit, so that a request that never left is told from one whose answer is missing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connector::email::tls::{Security, is_loopback};

/// How long a connection may take to be there, TLS included.
pub(super) const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// A connection.
#[derive(Debug)]
pub(super) enum Line {
    /// To this machine.
    Plain(TcpStream),
    /// To anybody.
    Secure(Box<TlsStream<TcpStream>>),
}

/// Makes connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Dialler {
    tls: Arc<ClientConfig>,
}

impl Dialler {
    pub(super) fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tls }
    }

    /// Connects to what an address names: `https` and `wss` with TLS, `http` and `ws` without.
    pub(super) async fn dial(&self, scheme: &str, host: &str, port: Option<u16>) -> io::Result<Line> {
        let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
        let secure = match scheme {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(wrong("only http, https, ws and wss lead to Slack")),
        };
        if !secure && Security::Plain.check_host(host).is_err() {
            return Err(wrong("a connection without TLS is only allowed to this machine"));
        }
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
        timeout(CONNECT_TIME_MAX, self.connect(secure, bare, port)).await.map_err(late)?
    }

    async fn connect(&self, secure: bool, host: &str, port: u16) -> io::Result<Line> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        if !secure {
            return Ok(Line::Plain(stream));
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the name of the server is none"))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        Ok(Line::Secure(Box::new(stream)))
    }
}

/// Whether two addresses lead to one place, where a secret that one may hear may be told to the other.
pub(super) fn is_same_place(one: &url::Url, other: &url::Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Whether a socket may be opened at this address: with TLS anywhere, without it on this machine.
pub(super) fn is_fine_for_socket(url: &url::Url) -> bool {
    url.scheme() == "wss" || (url.scheme() == "ws" && url.host_str().is_some_and(is_loopback))
}

impl tower::Service<Uri> for Dialler {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Line>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialler = self.clone();
        Box::pin(async move {
            let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
            dialler.dial(scheme, host, uri.port_u16()).await.map(TokioIo::new)
        })
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
