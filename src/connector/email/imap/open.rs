//! Opening a session: TCP, TLS, the greeting, what the server can do, and signing in.
//!
//! Up to the sign-in this file reads the server's lines itself: STARTTLS must leave no octet behind in a parser's
//! buffer. It never sends a credential over a connection that is not what the settings ask for.

#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of the IMAP parser are foreign and open")]

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_imap::{Authenticator, Client, error::Error as ImapError};
use futures_util::FutureExt as _;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::ImapSettings;
use super::names::quote;
use super::session::{Session, brief, lost};
use super::wire::{Buffered, Stream, Wire, buffered};
use crate::connector::email::tls::{Security, client_config};
use crate::connector::{ConnectorError, Tokens};
use crate::domain::oauth;

/// Longest line before the sign-in, octets.
const LINE_MAX: u64 = 16 * 1024;
/// Most lines a server may send in answer to one command before the sign-in.
const LINES_MAX: usize = 100;

/// Connects, secures the connection and signs in. A token that the server does not take is tried once more as a fresh one:
/// it may have ended on the way.
pub(super) async fn open(settings: &ImapSettings, tokens: Option<&dyn Tokens>) -> Result<Session, ConnectorError> {
    settings.security.check_host(&settings.host)?;
    let Some(tokens) = tokens else { return open_with(settings, None).await };
    let token = tokens.access(None).await?;
    match open_with(settings, Some(&token)).await {
        Err(ConnectorError::Login(_)) => {
            let fresh = tokens.access(Some(&token)).await?;
            open_with(settings, Some(&fresh)).await
        }
        other => other,
    }
}

async fn open_with(settings: &ImapSettings, token: Option<&SecretString>) -> Result<Session, ConnectorError> {
    let secret = token.unwrap_or(&settings.password);
    let opened = connect_and_sign_in(settings, token).await;
    opened.map_err(|error| error.veiled(&[secret.expose_secret()]))
}

async fn connect_and_sign_in(settings: &ImapSettings, token: Option<&SecretString>) -> Result<Session, ConnectorError> {
    let (stream, can) = secure(settings).await?;
    let client = Client::new(Wire::new(stream));
    let signing_in = async {
        match token {
            Some(token) => sign_in_with_token(settings, client, (&can, token)).await,
            None => sign_in(settings, client, &can).await,
        }
    };
    let step = timeout(settings.step_timeout, std::panic::AssertUnwindSafe(signing_in).catch_unwind());
    let inner = step
        .await
        .map_err(|_| lost("the server did not answer the sign-in in time"))?
        .map_err(|_| lost("the server's answer to the sign-in could not be understood"))??;
    let mut session = Session::new(inner, settings.step_timeout);
    session.learn_capabilities().await?;
    Ok(session)
}

async fn secure(settings: &ImapSettings) -> Result<(Buffered<Box<dyn Stream>>, HashSet<String>), ConnectorError> {
    let within = settings.step_timeout;
    let address = (settings.host.trim_start_matches('[').trim_end_matches(']'), settings.port);
    let tcp = timeout(within, TcpStream::connect(address))
        .await
        .map_err(|_| lost(&format!("{}:{} did not answer in time", settings.host, settings.port)))?
        .map_err(|error| lost(&format!("can't connect to {}:{}: {error}", settings.host, settings.port)))?;
    tcp.set_nodelay(true).map_err(|error| lost(&error.to_string()))?;
    if settings.security == Security::Plain && !tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()) {
        return Err(ConnectorError::Insecure(format!("{} is not this machine; use tls or starttls", settings.host)));
    }
    let mut stream: Buffered<Box<dyn Stream>> = match settings.security {
        Security::Tls => buffered(handshake(settings, tcp).await?),
        Security::StartTls => buffered(handshake(settings, start_tls(settings, tcp).await?).await?),
        Security::Plain => buffered(Box::new(tcp)),
    };
    if settings.security != Security::StartTls {
        let greeting = Lines { stream: &mut stream, within }.line().await?;
        check_greeting(settings.security, &greeting)?;
    }
    let can = Lines { stream: &mut stream, within }.capabilities("L2").await?;
    Ok((stream, can))
}

async fn start_tls(settings: &ImapSettings, tcp: TcpStream) -> Result<TcpStream, ConnectorError> {
    let mut stream = buffered(tcp);
    let mut lines = Lines { stream: &mut stream, within: settings.step_timeout };
    let greeting = lines.line().await?;
    check_greeting(Security::StartTls, &greeting)?;
    if !lines.capabilities("L0").await?.contains("STARTTLS") {
        return Err(ConnectorError::Insecure(format!(
            "{}:{} does not offer STARTTLS; something between may have removed it. Not signing in",
            settings.host, settings.port
        )));
    }
    let answer = lines.ask("L1", "STARTTLS", |_| ()).await?;
    if !answer.ok {
        return Err(ConnectorError::Insecure(format!("STARTTLS was refused: {}", answer.text)));
    }
    if !stream.buffer().is_empty() {
        return Err(ConnectorError::Insecure("plain text came after the answer to STARTTLS".to_owned()));
    }
    Ok(stream.into_inner().into_inner())
}

fn check_greeting(security: Security, greeting: &str) -> Result<(), ConnectorError> {
    let mut words = greeting.split_ascii_whitespace();
    let (star, status) = (words.next(), words.next().unwrap_or_default().to_ascii_uppercase());
    match (star, status.as_str(), security) {
        (Some("*"), "OK", _) => Ok(()),
        (Some("*"), "PREAUTH", Security::StartTls) => {
            Err(ConnectorError::Insecure("the server says we are signed in before STARTTLS".to_owned()))
        }
        (Some("*"), "PREAUTH", _) => {
            Err(ConnectorError::Refused("the server signs everyone in without a password".to_owned()))
        }
        (Some("*"), "BYE", _) => Err(lost(&format!("the server turned us away: {}", brief(greeting)))),
        _ => Err(lost(&format!("not an IMAP server: {}", brief(greeting)))),
    }
}

async fn handshake(settings: &ImapSettings, tcp: TcpStream) -> Result<Box<dyn Stream>, ConnectorError> {
    let config = client_config(settings.ca_file_pem.as_deref())?;
    let host = settings.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host)
        .map_err(|_| ConnectorError::Insecure(format!("{} is no valid server name", settings.host)))?;
    let done = timeout(settings.step_timeout, TlsConnector::from(Arc::clone(&config)).connect(name, tcp)).await;
    match done.map_err(|_| lost("the TLS handshake took too long"))? {
        Ok(tls) => Ok(Box::new(tls)),
        Err(error) => Err(judge_tls_error(settings, &error)),
    }
}

fn judge_tls_error(settings: &ImapSettings, error: &io::Error) -> ConnectorError {
    let text = format!("TLS with {}:{}: {error}", settings.host, settings.port);
    let is_about_trust = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some();
    if is_about_trust { ConnectorError::Insecure(text) } else { ConnectorError::Lost(text) }
}

/// The tagged answer to a command.
struct Answer {
    ok: bool,
    text: String,
}

/// The server's talk before the sign-in, a line at a time.
struct Lines<'a, S> {
    stream: &'a mut Buffered<S>,
    within: std::time::Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<'_, S> {
    async fn line(&mut self) -> Result<String, ConnectorError> {
        let mut line = Vec::new();
        let mut limited = (&mut *self.stream).take(LINE_MAX);
        let read = timeout(self.within, limited.read_until(b'\n', &mut line)).await;
        read.map_err(|_| lost("the server did not answer in time"))?.map_err(|error| lost(&error.to_string()))?;
        if !line.ends_with(b"\n") {
            return Err(lost(if line.is_empty() {
                "the server closed the connection"
            } else {
                "the server closed the connection within a line, or sent an endless one"
            }));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn ask(&mut self, tag: &str, command: &str, mut on_line: impl FnMut(&str)) -> Result<Answer, ConnectorError> {
        let text = format!("{tag} {command}\r\n");
        let sent = timeout(self.within, async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        });
        sent.await.map_err(|_| lost("the server takes nothing"))?.map_err(|error| lost(&error.to_string()))?;
        for _ in 0..LINES_MAX {
            let line = self.line().await?;
            if let Some(rest) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                let ok = rest.split_ascii_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("OK"));
                return Ok(Answer { ok, text: brief(rest) });
            }
            if line.to_ascii_uppercase().starts_with("* BYE") {
                return Err(lost(&format!("the server ended the session: {}", brief(&line))));
            }
            on_line(&line);
        }
        Err(lost("the server never finishes its answer"))
    }

    /// What the server can do, in upper case.
    async fn capabilities(&mut self, tag: &str) -> Result<HashSet<String>, ConnectorError> {
        let mut can = HashSet::new();
        let answer = self.ask(tag, "CAPABILITY", |line| {
            let mut words = line.split_ascii_whitespace().map(str::to_ascii_uppercase);
            if words.next().as_deref() == Some("*") && words.next().as_deref() == Some("CAPABILITY") {
                can.extend(words);
            }
        });
        if !answer.await?.ok {
            return Err(lost("the server does not say what it can do"));
        }
        Ok(can)
    }
}

/// SASL PLAIN (RFC 4616).
struct PlainAuth<'a> {
    answer: Option<String>,
    settings: &'a ImapSettings,
}

impl Authenticator for PlainAuth<'_> {
    type Response = String;
    fn process(&mut self, _: &[u8]) -> String {
        // A second challenge is an error report; an empty answer ends it.
        let first = || format!("\0{}\0{}", self.settings.user, self.settings.password.expose_secret());
        if self.answer.is_none() {
            self.answer = Some(String::new());
            return first();
        }
        String::new()
    }
}

/// SASL XOAUTH2. A challenge after ours is the server's error report, which an empty line ends.
struct TokenAuth {
    /// What is still to be said.
    first: Option<String>,
    /// What the server reported.
    report: Arc<Mutex<Option<String>>>,
}

impl Authenticator for TokenAuth {
    type Response = String;
    fn process(&mut self, challenge: &[u8]) -> String {
        if let Some(first) = self.first.take() {
            return first;
        }
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(oauth::xoauth2_error(challenge));
        String::new()
    }
}

async fn sign_in_with_token(
    settings: &ImapSettings,
    client: Client<Wire>,
    (can, token): (&HashSet<String>, &SecretString),
) -> Result<async_imap::Session<Wire>, ConnectorError> {
    let secret = token.expose_secret();
    if !oauth::fits_xoauth2(&settings.user) || !oauth::fits_xoauth2(secret) {
        return Err(ConnectorError::Login("a control character can't be part of a user name or token".to_owned()));
    }
    if !can.contains("AUTH=XOAUTH2") {
        return Err(ConnectorError::Insecure(
            "the server does not offer a sign-in with OAuth (AUTH=XOAUTH2)".to_owned(),
        ));
    }
    let report = Arc::new(Mutex::new(None));
    let said = oauth::xoauth2(&settings.user, secret);
    // The library makes base64 of what an authenticator says, and sends a mechanism as it is.
    let (mechanism, first) = if can.contains("SASL-IR") {
        (format!("XOAUTH2 {said}"), None)
    } else {
        ("XOAUTH2".to_owned(), Some(oauth::xoauth2_bare(&settings.user, secret)))
    };
    let done = client.authenticate(mechanism, TokenAuth { first, report: Arc::clone(&report) }).await;
    done.map_err(|(error, _)| {
        let reported = report.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (judge_login_error(&error), reported) {
            (ConnectorError::Login(text), Some(report)) => ConnectorError::Login(format!("{text} [{report}]")),
            (other, _) => other,
        }
    })
}

async fn sign_in(
    settings: &ImapSettings,
    client: Client<Wire>,
    can: &HashSet<String>,
) -> Result<async_imap::Session<Wire>, ConnectorError> {
    let password = settings.password.expose_secret();
    if settings.user.contains('\0') || password.contains('\0') {
        return Err(ConnectorError::Login("a zero octet can't be part of a user name or password".to_owned()));
    }
    let fits_login =
        [settings.user.as_str(), password].iter().all(|text| text.bytes().all(|o| matches!(o, b' '..=b'~')));
    let login_is_off = can.contains("LOGINDISABLED");
    let done = if can.contains("AUTH=PLAIN") && (login_is_off || !fits_login) {
        client.authenticate("PLAIN", PlainAuth { answer: None, settings }).await
    } else if login_is_off {
        return Err(ConnectorError::Login("the server takes no password sign-in (LOGINDISABLED)".to_owned()));
    } else if quote(&settings.user).is_err() || quote(password).is_err() {
        return Err(ConnectorError::Login("a line end can't be part of a user name or password here".to_owned()));
    } else {
        client.login(&settings.user, password).await
    };
    done.map_err(|(error, _)| judge_login_error(&error))
}

/// Tells a wrong password, which must not be tried again, from trouble that passes. The codes of RFC 5530 come as text.
fn judge_login_error(error: &ImapError) -> ConnectorError {
    let text = match error {
        ImapError::No(text) | ImapError::Bad(text) => text,
        other => return lost(&brief(&other.to_string())),
    };
    let shown = brief(text);
    let lower = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["authenticationfailed", "authorizationfailed", "[expired]"]) {
        return ConnectorError::Login(shown);
    }
    if says(&["[unavailable]", "[inuse]", "[limit]", "[serverbug]", "temporar", "too many", "try again later"]) {
        return ConnectorError::Lost(shown);
    }
    ConnectorError::Login(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_sign_in_is_told_from_passing_trouble() {
        let no = |text: &str| judge_login_error(&ImapError::No(text.to_owned()));
        assert!(matches!(
            no("code: None, info: Some(\"[AUTHENTICATIONFAILED] Authentication failed.\")"),
            ConnectorError::Login(_)
        ));
        assert!(matches!(no("Invalid credentials (Failure)"), ConnectorError::Login(_)));
        assert!(matches!(no("[UNAVAILABLE] Temporary authentication failure."), ConnectorError::Lost(_)));
        assert!(matches!(no("code: Some(Alert), info: Too many simultaneous connections."), ConnectorError::Lost(_)));
        assert!(matches!(judge_login_error(&ImapError::ConnectionLost), ConnectorError::Lost(_)));
        assert!(!no("bad LOGIN me hunter22").veiled(&["hunter22"]).to_string().contains("hunter22"));
    }
}
