//! One signed-in session: commands, their answers, and what the server says unasked.
//!
//! Every answer is read here, response by response. The command methods of `async-imap` take an end of the connection,
//! and some refusals, for an empty answer, and park what they do not expect in a channel that drops when full.

#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of the IMAP parser are foreign and open")]

use std::collections::HashSet;
use std::io;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_imap::imap_proto::{Capability, MailboxDatum, Outcome, Response, Status};
use futures_util::FutureExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::wire::Wire;
use crate::connector::ConnectorError;

/// Most responses a server may send in answer to one command.
const RESPONSES_MAX: usize = 100_000;
/// Octets of a message written between two looks at the time.
const WRITE_PIECE: usize = 64 * 1024;
/// Longest text of a server that we keep, characters.
const TEXT_MAX: usize = 300;

/// The connection is of no more use, because of `why`.
pub(super) fn lost(why: &str) -> ConnectorError {
    ConnectorError::Lost(brief(why))
}

/// A server's words, short and without control characters.
pub(super) fn brief(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_MAX).collect()
}

/// The folder that is selected, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) uid_validity: u32,
    pub(super) exists: u32,
}

/// What ends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The tagged answer.
    Done,
    /// The server's `+`, or the tagged answer.
    Continue,
}

/// A session. After [`ConnectorError::Lost`] and [`ConnectorError::Unreadable`] it must be dropped; after
/// [`ConnectorError::Refused`] it goes on.
#[derive(Debug)]
pub(super) struct Session {
    inner: async_imap::Session<Wire>,
    step_timeout: Duration,
    can: HashSet<String>,
    /// The folder that is selected.
    pub(super) selected: Option<Selected>,
    /// Whether messages came since the folder was selected or the news were told.
    pub(super) has_news: bool,
    /// Messages that went since the running command began.
    pub(super) expunged: u32,
    /// Whether the server said no to IDLE on this connection.
    pub(super) idle_refused: bool,
}

impl Session {
    pub(super) fn new(inner: async_imap::Session<Wire>, step_timeout: Duration) -> Self {
        Self {
            inner,
            step_timeout,
            can: HashSet::new(),
            selected: None,
            has_news: false,
            expunged: 0,
            idle_refused: false,
        }
    }

    /// Whether the server says it can do something (upper case).
    pub(super) fn can(&self, what: &str) -> bool {
        self.can.contains(what)
    }

    /// Asks again what the server can do: that changes with the sign-in.
    pub(super) async fn learn_capabilities(&mut self) -> Result<(), ConnectorError> {
        let mut can = HashSet::new();
        self.run("CAPABILITY", |response| {
            if let Response::Capabilities(words) = response {
                can.extend(words.iter().filter_map(|word| match word {
                    Capability::Imap4rev1 => None,
                    Capability::Auth(name) => Some(format!("AUTH={}", name.to_ascii_uppercase())),
                    Capability::Atom(name) => Some(name.to_ascii_uppercase()),
                }));
            }
        })
        .await?;
        self.can = can;
        Ok(())
    }

    /// Runs a command and hands each response to `on`.
    pub(super) async fn run(
        &mut self,
        command: &str,
        mut on: impl FnMut(&Response<'_>) + Send,
    ) -> Result<(), ConnectorError> {
        self.run_while(command, |response| {
            on(response);
            true
        })
        .await
        .map(|_| ())
    }

    /// Runs a command and hands each response to `on` until that says `false`: then the answer is left unread, the
    /// result is `false`, and the session must be dropped.
    pub(super) async fn run_while(
        &mut self,
        command: &str,
        on: impl FnMut(&Response<'_>) -> bool + Send,
    ) -> Result<bool, ConnectorError> {
        let tag = self.send(command).await?;
        self.finish(&tag, Until::Done, on).await
    }

    /// Starts IDLE. `Refused` where the server says no; the session can go on then.
    pub(super) async fn start_idle(&mut self) -> Result<String, ConnectorError> {
        let tag = self.send("IDLE").await?;
        self.finish(&tag, Until::Continue, |_| true).await?;
        Ok(tag)
    }

    /// Takes what comes during IDLE for at most so long; `false` when nothing came.
    pub(super) async fn listen(&mut self, at_most: Duration) -> Result<bool, ConnectorError> {
        // A read that is given up loses nothing: what came stays in the parser's buffer.
        let Ok(response) = timeout(at_most, guarded(self.inner.read_response())).await else { return Ok(false) };
        let response = response?;
        self.note(response.parsed())?;
        if matches!(response.parsed(), Response::Done { .. }) {
            return Err(lost("the server ended IDLE by itself"));
        }
        Ok(true)
    }

    /// Ends IDLE.
    pub(super) async fn end_idle(&mut self, tag: &str) -> Result<(), ConnectorError> {
        let sent = timeout(self.step_timeout, self.inner.run_command_untagged("DONE")).await;
        sent.map_err(|_| lost("the server takes nothing"))?.map_err(|error| lost(&error.to_string()))?;
        self.finish(tag, Until::Done, |_| true).await.map(|_| ())
    }

    /// Files a message: the line announces it, the server says go ahead, the octets follow.
    pub(super) async fn append(&mut self, wire_name: &str, raw: &[u8]) -> Result<(), ConnectorError> {
        let tag = self.send(&format!("APPEND {wire_name} (\\Seen) {{{}}}", raw.len())).await?;
        self.finish(&tag, Until::Continue, |_| true).await?;
        for piece in raw.chunks(WRITE_PIECE).chain([&b"\r\n"[..]]) {
            let within = self.step_timeout;
            let stream: &mut Wire = self.inner.as_mut();
            let sent = timeout(within, stream.write_all(piece)).await;
            sent.map_err(|_| lost("the server takes nothing"))?.map_err(|error| lost(&error.to_string()))?;
        }
        let within = self.step_timeout;
        let stream: &mut Wire = self.inner.as_mut();
        let sent = timeout(within, stream.flush()).await;
        sent.map_err(|_| lost("the server takes nothing"))?.map_err(|error| lost(&error.to_string()))?;
        self.finish(&tag, Until::Done, |_| true).await.map(|_| ())
    }

    async fn send(&mut self, command: &str) -> Result<String, ConnectorError> {
        self.expunged = 0;
        let sent = timeout(self.step_timeout, self.inner.run_command(command)).await;
        let tag = sent.map_err(|_| lost("the server takes nothing"))?.map_err(|error| lost(&error.to_string()))?;
        Ok(tag.0)
    }

    async fn finish(
        &mut self,
        tag: &str,
        until: Until,
        mut on: impl FnMut(&Response<'_>) -> bool + Send,
    ) -> Result<bool, ConnectorError> {
        for _ in 0..RESPONSES_MAX {
            let read = timeout(self.step_timeout, guarded(self.inner.read_response())).await;
            let response = read.map_err(|_| lost("the server did not answer in time"))??;
            self.note(response.parsed())?;
            match response.parsed() {
                Response::Done { tag: ended, status, outcome } if ended.0 == tag => {
                    return match (status, until) {
                        (Status::Ok, Until::Done) => Ok(true),
                        (Status::Ok, Until::Continue) => {
                            Err(ConnectorError::Refused("the server did not go ahead".to_owned()))
                        }
                        (Status::No | Status::Bad, _) => Err(ConnectorError::Refused(words(outcome))),
                        (Status::PreAuth | Status::Bye, _) => Err(lost("the server's answer makes no sense")),
                    };
                }
                Response::Continue(_) if until == Until::Continue => return Ok(true),
                other => {
                    if !on(other) {
                        return Ok(false);
                    }
                }
            }
        }
        Err(lost("the server never finishes its answer"))
    }

    /// Keeps what the server says unasked.
    fn note(&mut self, response: &Response<'_>) -> Result<(), ConnectorError> {
        match response {
            Response::Data { status: Status::Bye, outcome } => {
                return Err(lost(&format!("the server ended the session: {}", words(outcome))));
            }
            Response::MailboxData(MailboxDatum::Exists(count)) => {
                if let Some(selected) = &mut self.selected {
                    self.has_news |= *count > selected.exists;
                    selected.exists = *count;
                }
            }
            Response::Expunge(_) => {
                self.expunged = self.expunged.saturating_add(1);
                if let Some(selected) = &mut self.selected {
                    selected.exists = selected.exists.saturating_sub(1);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Waits for one response (whose type the library does not name). Its parser panics on some answers, a NIL date for
/// one; a server must not be able to end the process.
async fn guarded<T>(read: impl Future<Output = io::Result<Option<T>>>) -> Result<T, ConnectorError> {
    match AssertUnwindSafe(read).catch_unwind().await {
        Ok(Ok(Some(response))) => Ok(response),
        Ok(Ok(None)) => Err(lost("the server closed the connection")),
        Ok(Err(error)) if is_of_the_parser(&error) => Err(unreadable()),
        // What the wire does not let through to it.
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            Err(ConnectorError::Unreadable(brief(&error.to_string())))
        }
        Ok(Err(error)) => Err(lost(&error.to_string())),
        Err(_) => Err(unreadable()),
    }
}

fn words(outcome: &Outcome<'_>) -> String {
    brief(outcome.information.as_deref().unwrap_or("without a reason"))
}

/// The parser's errors carry the octets they could not read; those may be of a message and stay out of our logs.
fn is_of_the_parser(error: &io::Error) -> bool {
    error.to_string().contains("during parsing of")
}

fn unreadable() -> ConnectorError {
    ConnectorError::Unreadable("the server sent what could not be understood".to_owned())
}
