//! Slack's sockets (Socket Mode): what the Events API would post, over a connection that we open. Needs no address of ours.
//!
//! What comes is acknowledged only when whoever asked for it says that it is stored; Slack brings again what was not. The sockets of
//! slack-morphism are not used: they run in tasks of their own that nobody watches, read events into types that drop what they do
//! not know, trust the system's certificates alone, and write the address, which is a secret, into the log.

use std::fmt;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use super::Own;
use super::api::{Api, Trouble};
use super::event::{Envelope, Event, Frame, read_frame};
use super::line::{Line, is_fine_for_socket};
use super::message::field;
use crate::connector::ConnectorError;

/// Octets of one message of a socket.
const FRAME_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// How long it may take until a socket says that it is ready.
const HELLO_TIME_MAX: Duration = Duration::from_secs(15);
/// How long one message may take to be written.
const SEND_TIME_MAX: Duration = Duration::from_secs(10);
/// After so long a silence we ask whether the other side is there. Slack asks us more often than that.
const QUIET_MAX: Duration = Duration::from_secs(40);
/// After so long a silence it is not.
const SILENCE_MAX: Duration = Duration::from_secs(80);

/// What a socket brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// Something to be stored, then acknowledged.
    Envelope(Box<Envelope>),
    /// The time is over.
    Elapsed,
    /// The socket ends; another one is to be opened.
    Goodbye,
}

/// One open socket.
pub struct Socket {
    stream: WebSocketStream<Line>,
    own: Own,
    heard_at: Instant,
    has_asked: bool,
}

/// What is under way in it is people's words, and is not shown.
impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Where a socket is opened. It is a secret: it lets its bearer in.
pub(super) async fn address(app: &Api) -> Result<Url, ConnectorError> {
    let answer = app.post("apps.connections.open", &json!({})).await?;
    let url = Url::parse(field(&answer, "url")).ok().filter(is_fine_for_socket);
    url.ok_or_else(|| Trouble::Unreadable("apps.connections.open names no address for a socket".to_owned()).into())
}

impl Socket {
    /// Opens one and waits until it is ready: what happens from here on comes through it. `app` signs with the token of the app.
    ///
    /// # Errors
    /// [`ConnectorError::Login`] where the token is not taken, or is of another app than our bot.
    pub async fn open(app: &Api, own: &Own) -> Result<Self, ConnectorError> {
        let url = address(app).await?;
        let host = url.host_str().unwrap_or_default();
        let lost = |why: String| ConnectorError::Lost(format!("no socket to Slack: {why}"));
        let line = app.dialler().dial(url.scheme(), host, url.port()).await.map_err(|e| lost(e.to_string()))?;
        let config =
            WebSocketConfig::default().max_message_size(Some(FRAME_OCTETS_MAX)).max_frame_size(Some(FRAME_OCTETS_MAX));
        let shaken = timeout(HELLO_TIME_MAX, client_async_with_config(url.as_str(), line, Some(config))).await;
        let (stream, _) = shaken.map_err(|_| lost("no answer in time".to_owned()))?.map_err(|e| lost(words(&e)))?;
        let mut socket = Self { stream, own: own.clone(), heard_at: Instant::now(), has_asked: false };
        let until = Instant::now() + HELLO_TIME_MAX;
        loop {
            match socket.frame(until).await? {
                Some(Frame::Hello { app }) => {
                    socket.check(app.as_deref())?;
                    return Ok(socket);
                }
                Some(Frame::Goodbye { why }) => return Err(lost(why)),
                Some(Frame::Envelope(_) | Frame::Other) => {}
                None => return Err(lost("it does not say that it is ready".to_owned())),
            }
        }
    }

    fn check(&self, app: Option<&str>) -> Result<(), ConnectorError> {
        match (app, self.own.app.as_deref()) {
            (Some(its), Some(ours)) if its != ours => Err(ConnectorError::Login(format!(
                "the app token is of the app {its} and the bot token of {ours}; take both from one app"
            ))),
            _ => Ok(()),
        }
    }

    /// The next thing that is to be stored. May be dropped at any moment; nothing is lost.
    ///
    /// # Errors
    /// [`ConnectorError::Lost`] where the socket is gone.
    pub async fn next(&mut self, at_most: Duration) -> Result<Arrived, ConnectorError> {
        let until = Instant::now() + at_most;
        loop {
            match self.frame(until).await? {
                Some(Frame::Envelope(envelope)) => return Ok(Arrived::Envelope(envelope)),
                Some(Frame::Goodbye { .. }) => return Ok(Arrived::Goodbye),
                Some(Frame::Hello { .. } | Frame::Other) => {}
                None => return Ok(Arrived::Elapsed),
            }
        }
    }

    /// The next thing, stored by `keep` and acknowledged only where that says `true`.
    ///
    /// # Errors
    /// [`ConnectorError::Lost`] where the socket is gone; what was stored comes again then.
    pub async fn deliver<K, F>(&mut self, at_most: Duration, keep: K) -> Result<Arrived, ConnectorError>
    where
        K: FnOnce(Event) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        let arrived = self.next(at_most).await?;
        if let Arrived::Envelope(envelope) = &arrived
            && keep(envelope.event.clone()).await
        {
            self.acknowledge(&envelope.id).await?;
        }
        Ok(arrived)
    }

    /// Says that something is stored.
    ///
    /// # Errors
    /// [`ConnectorError::Lost`] where the socket is gone; it comes again then.
    pub async fn acknowledge(&mut self, id: &str) -> Result<(), ConnectorError> {
        let text = json!({ "envelope_id": id }).to_string();
        self.send(Message::text(text)).await
    }

    /// Says goodbye; errors are of no interest.
    pub async fn close(mut self) {
        if timeout(SEND_TIME_MAX, self.stream.close(None)).await.is_err() {
            tracing::debug!("the socket did not close in time");
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), ConnectorError> {
        let sent = timeout(SEND_TIME_MAX, self.stream.send(message)).await;
        sent.map_err(|_| gone("nothing can be written to it"))?.map_err(|error| gone(&words(&error)))
    }

    /// The next message that is one of Slack's; `None` when the time is over.
    async fn frame(&mut self, until: Instant) -> Result<Option<Frame>, ConnectorError> {
        loop {
            let quiet = self.heard_at + if self.has_asked { SILENCE_MAX } else { QUIET_MAX };
            let came = tokio::time::timeout_at(until.min(quiet), self.stream.next()).await;
            match came {
                Err(_) if quiet > until => return Ok(None),
                Err(_) if self.has_asked => return Err(gone("it has been silent for too long")),
                Err(_) => {
                    self.has_asked = true;
                    self.send(Message::Ping(Vec::new().into())).await?;
                }
                Ok(None) => return Err(gone("it was closed")),
                Ok(Some(Err(error))) => return Err(gone(&words(&error))),
                Ok(Some(Ok(message))) => {
                    self.heard_at = Instant::now();
                    self.has_asked = false;
                    if let Message::Text(text) = message
                        && let Some(frame) = read_frame(text.as_str(), &self.own)
                    {
                        return Ok(Some(frame));
                    }
                }
            }
        }
    }
}

fn gone(why: &str) -> ConnectorError {
    ConnectorError::Lost(format!("the socket to Slack is gone: {why}"))
}

/// An error without what it is about: an address or a header may stand in it.
fn words(error: &WsError) -> String {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => "it was closed".to_owned(),
        WsError::Io(error) => error.to_string(),
        WsError::Http(answer) => format!("the other side answered {}", answer.status().as_u16()),
        WsError::Capacity(_) => "a message is too large".to_owned(),
        WsError::Tls(_)
        | WsError::Protocol(_)
        | WsError::WriteBufferFull(_)
        | WsError::Utf8(_)
        | WsError::AttackAttempt
        | WsError::Url(_)
        | WsError::HttpFormat(_) => "what came is no WebSocket".to_owned(),
    }
}
