//! One SMTP connection as lines and replies: reading with limits, every wait with a timeout. It knows no command.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::reply;
use crate::connector::{ConnectorError, Reply};

/// Octets of one reply line; RFC 5321 §4.5.3.1.5 allows 512, some servers write more.
const LINE_MAX: usize = 4096;
/// Lines of one reply.
const LINES_MAX: usize = 128;

/// What a connection runs over: TCP, or TLS over it.
pub(super) trait Channel: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Channel for T {}

/// Stands in while the channel itself is being turned into a TLS one.
struct Closed;

impl AsyncRead for Closed {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Closed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::NotConnected.into()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A whole reply, as read: all its lines, for the extension list.
pub(super) struct Answer {
    /// The reply in short.
    pub(super) reply: Reply,
    /// The text of each line.
    pub(super) lines: Vec<String>,
}

/// The connection.
pub(super) struct Wire {
    channel: Box<dyn Channel>,
    /// Read, and not yet used.
    unread: Vec<u8>,
    /// A write failed or was given up: how much of it went is unknown.
    broken: bool,
}

impl Wire {
    /// Over a fresh channel.
    pub(super) fn over(channel: Box<dyn Channel>) -> Self {
        Self { channel, unread: Vec::new(), broken: false }
    }

    /// Takes the channel out, to put TLS on it. Fails where the server has already said more than it should have:
    /// that text came unprotected and must not be taken for what comes after (the STARTTLS injection).
    pub(super) fn take_channel(&mut self) -> Result<Box<dyn Channel>, ConnectorError> {
        if !self.unread.is_empty() {
            return Err(ConnectorError::Insecure("the server sent text between STARTTLS and TLS".into()));
        }
        Ok(std::mem::replace(&mut self.channel, Box::new(Closed)))
    }

    /// Whether nothing stands unread: no late reply, no closed connection. Does not wait.
    pub(super) fn is_quiet(&mut self) -> bool {
        !self.broken && self.unread.is_empty() && self.channel.read_buf(&mut self.unread).now_or_never().is_none()
    }

    /// Writes and flushes. Fails where a reply stands unread: it answers nothing that was asked, and every later one
    /// would be taken for the answer to something else.
    pub(super) async fn write(&mut self, octets: &[u8], within: Duration) -> Result<(), ConnectorError> {
        if self.broken || !self.unread.is_empty() {
            return Err(ConnectorError::Lost("the server said more than it was asked".into()));
        }
        self.broken = true;
        let written = async {
            self.channel.write_all(octets).await?;
            self.channel.flush().await
        };
        match timeout(within, written).await {
            Ok(Ok(())) => {
                self.broken = false;
                Ok(())
            }
            Ok(Err(e)) => Err(ConnectorError::Lost(format!("the connection broke while writing: {e}"))),
            Err(_) => Err(ConnectorError::Lost(format!("the server took nothing for {} s", within.as_secs_f32()))),
        }
    }

    /// Waits for one whole reply.
    pub(super) async fn answer(&mut self, within: Duration) -> Result<Answer, ConnectorError> {
        match timeout(within, self.read_answer()).await {
            Ok(answer) => answer,
            Err(_) => Err(ConnectorError::Lost(format!("no answer within {} s", within.as_secs_f32()))),
        }
    }

    async fn read_answer(&mut self) -> Result<Answer, ConnectorError> {
        let mut lines = Vec::new();
        let mut first: Option<u16> = None;
        loop {
            let line = self.read_line().await?;
            let Some(read) = reply::read_line(&line) else {
                let shown: String = String::from_utf8_lossy(&line).chars().take(80).collect();
                return Err(ConnectorError::Lost(format!("not an SMTP reply: {shown:?}")));
            };
            if *first.get_or_insert(read.code) != read.code {
                return Err(ConnectorError::Lost("one reply with two codes".into()));
            }
            lines.push(String::from_utf8_lossy(read.text).into_owned());
            if read.last {
                return Ok(Answer { reply: reply::assemble(read.code, &lines), lines });
            }
            if lines.len() >= LINES_MAX {
                return Err(ConnectorError::Lost(format!("a reply of more than {LINES_MAX} lines")));
            }
        }
    }

    async fn read_line(&mut self) -> Result<Vec<u8>, ConnectorError> {
        loop {
            if let Some(end) = self.unread.iter().take(LINE_MAX).position(|&b| b == b'\n') {
                let mut line: Vec<u8> = self.unread.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.unread.len() >= LINE_MAX {
                return Err(ConnectorError::Lost(format!("a reply line of more than {LINE_MAX} octets")));
            }
            match self.channel.read_buf(&mut self.unread).await {
                Ok(0) => return Err(ConnectorError::Lost("the server closed the connection".into())),
                Ok(_) => {}
                Err(e) => return Err(ConnectorError::Lost(format!("the connection broke: {e}"))),
            }
        }
    }
}
