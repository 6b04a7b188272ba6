//! One signed-in SMTP session: TCP, TLS, greeting, EHLO, AUTH, and the commands of a mail. It decides nothing about mails.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::wire::{Answer, Channel, Wire};
use super::{Security, SmtpSettings};
use crate::connector::{ConnectorError, OfferError, Phase, Reply, Tokens};
use crate::domain::oauth;

/// What the server says it can do.
#[allow(clippy::struct_excessive_bools, reason = "each is one line of the EHLO answer, there or not")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) start_tls: bool,
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    /// RFC 1870.
    pub(super) size: bool,
    /// The most octets it takes, where it says so.
    pub(super) size_max: Option<usize>,
    pub(super) auth_plain: bool,
    pub(super) auth_login: bool,
    pub(super) auth_xoauth2: bool,
}

impl Extensions {
    fn read(lines: &[String]) -> Self {
        let mut found = Self::default();
        for line in lines.iter().skip(1) {
            // `AUTH=PLAIN` is how servers wrote it before RFC 2554.
            let line = line.to_ascii_uppercase().replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("STARTTLS") => found.start_tls = true,
                Some("PIPELINING") => found.pipelining = true,
                Some("8BITMIME") => found.eight_bit = true,
                Some("SMTPUTF8") => found.utf8 = true,
                Some("SIZE") => {
                    found.size = true;
                    found.size_max = words.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0);
                }
                Some("AUTH") => {
                    for mechanism in words {
                        found.auth_plain |= mechanism == "PLAIN";
                        found.auth_login |= mechanism == "LOGIN";
                        found.auth_xoauth2 |= mechanism == "XOAUTH2";
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// The session.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) extensions: Extensions,
}

impl Session {
    /// Connects, secures, greets and signs in. A token that the server does not take is tried once more as a fresh one, on
    /// a connection of its own: it may have ended on the way.
    pub(super) async fn open(
        settings: &SmtpSettings,
        tokens: Option<&dyn Tokens>,
        tls: &Arc<rustls::ClientConfig>,
    ) -> Result<Self, OfferError> {
        let at = |phase| move |error| OfferError { phase, error };
        let Some(tokens) = tokens else {
            let mut session = Self::connect(settings, tls).await.map_err(at(Phase::Connect))?;
            let password = settings.password.as_ref().map_or("", |p| p.expose_secret());
            let signed_in = session.sign_in(settings).await;
            signed_in.map_err(|error| error.veiled(&[password])).map_err(at(Phase::Login))?;
            return Ok(session);
        };
        let token = tokens.access(None).await.map_err(at(Phase::Login))?;
        let mut session = Self::connect(settings, tls).await.map_err(at(Phase::Connect))?;
        match session.sign_in_with_token(settings, &token).await {
            Ok(()) => Ok(session),
            Err(ConnectorError::Login(_)) => {
                let fresh = tokens.access(Some(&token)).await.map_err(at(Phase::Login))?;
                let mut session = Self::connect(settings, tls).await.map_err(at(Phase::Connect))?;
                session.sign_in_with_token(settings, &fresh).await.map_err(at(Phase::Login))?;
                Ok(session)
            }
            Err(error) => Err(at(Phase::Login)(error)),
        }
    }

    async fn sign_in_with_token(
        &mut self,
        settings: &SmtpSettings,
        token: &SecretString,
    ) -> Result<(), ConnectorError> {
        let signed_in = self.say_token(settings, token).await;
        signed_in.map_err(|error| error.veiled(&[token.expose_secret()]))
    }

    /// SASL XOAUTH2. A 334 is the server's error report, which an empty line ends.
    async fn say_token(&mut self, settings: &SmtpSettings, token: &SecretString) -> Result<(), ConnectorError> {
        let user = settings.user.as_deref().unwrap_or_default();
        if !oauth::fits_xoauth2(user) || !oauth::fits_xoauth2(token.expose_secret()) {
            return Err(ConnectorError::Login("a control character can't be part of a user name or token".into()));
        }
        if !self.extensions.auth_xoauth2 {
            return Err(ConnectorError::Insecure(
                "the server does not offer a sign-in with OAuth (AUTH XOAUTH2) here".into(),
            ));
        }
        let within = settings.timeouts.login;
        let said = oauth::xoauth2(user, token.expose_secret());
        let mut reply = self.ask(&format!("AUTH XOAUTH2 {said}\r\n"), within).await?.reply;
        let mut report = String::new();
        if reply.code == 334 {
            let challenge = STANDARD.decode(reply.text.trim()).unwrap_or_default();
            report = format!(" [{}]", oauth::xoauth2_error(&challenge));
            reply = self.ask("\r\n", within).await?.reply;
        }
        match reply.code {
            235 => Ok(()),
            400..500 => Err(ConnectorError::Lost(format!("sign-in put off: {}", shown(&reply)))),
            500..600 => Err(ConnectorError::Login(format!("{}{report}{}", shown(&reply), hint(&reply)))),
            _ => Err(ConnectorError::Lost(format!("unexpected answer to AUTH: {}", reply.code))),
        }
    }

    async fn connect(settings: &SmtpSettings, tls: &Arc<rustls::ClientConfig>) -> Result<Self, ConnectorError> {
        let tcp = connect_tcp(settings).await?;
        let mut channel: Box<dyn Channel> = Box::new(tcp);
        if settings.security == Security::Tls {
            channel = secure(channel, settings, tls).await?;
        }
        let mut session = Self { wire: Wire::over(channel), extensions: Extensions::default() };
        let greeting = session.wire.answer(settings.timeouts.greeting).await?.reply;
        if greeting.code != 220 {
            return Err(refusal("the server does not take connections", &greeting));
        }
        session.hello(settings).await?;
        if settings.security == Security::StartTls {
            session.start_tls(settings, tls).await?;
            session.hello(settings).await?;
        }
        Ok(session)
    }

    async fn hello(&mut self, settings: &SmtpSettings) -> Result<(), ConnectorError> {
        let answer = self.ask(&format!("EHLO {}\r\n", settings.hello_name), settings.timeouts.hello).await?;
        if answer.reply.code == 250 {
            self.extensions = Extensions::read(&answer.lines);
            return Ok(());
        }
        if !matches!(answer.reply.code, 500..=504 | 550) {
            return Err(refusal("EHLO refused", &answer.reply));
        }
        self.extensions = Extensions::default();
        let answer = self.ask(&format!("HELO {}\r\n", settings.hello_name), settings.timeouts.hello).await?;
        if answer.reply.code == 250 { Ok(()) } else { Err(refusal("HELO refused", &answer.reply)) }
    }

    async fn start_tls(
        &mut self,
        settings: &SmtpSettings,
        tls: &Arc<rustls::ClientConfig>,
    ) -> Result<(), ConnectorError> {
        if !self.extensions.start_tls {
            return Err(ConnectorError::Insecure(
                "the server does not offer STARTTLS, or something on the way removed it; nothing was sent".into(),
            ));
        }
        let reply = self.ask("STARTTLS\r\n", settings.timeouts.hello).await?.reply;
        match reply.code {
            220 => {}
            400..500 => return Err(ConnectorError::Lost(format!("STARTTLS put off: {}", shown(&reply)))),
            _ => return Err(ConnectorError::Insecure(format!("STARTTLS refused: {}", shown(&reply)))),
        }
        let channel = secure(self.wire.take_channel()?, settings, tls).await?;
        self.wire = Wire::over(channel);
        Ok(())
    }

    async fn sign_in(&mut self, settings: &SmtpSettings) -> Result<(), ConnectorError> {
        let Some(user) = &settings.user else { return Ok(()) };
        let password = settings.password.as_ref().map_or("", |p| p.expose_secret());
        if user.contains('\0') || password.contains('\0') {
            return Err(ConnectorError::Login("user name or password has a NUL character".into()));
        }
        let within = settings.timeouts.login;
        let mut reply = if self.extensions.auth_plain {
            let token = STANDARD.encode(format!("\0{user}\0{password}"));
            self.ask(&format!("AUTH PLAIN {token}\r\n"), within).await?.reply
        } else if self.extensions.auth_login {
            self.ask("AUTH LOGIN\r\n", within).await?.reply
        } else {
            return Err(ConnectorError::Login("the server offers neither AUTH PLAIN nor AUTH LOGIN here".into()));
        };
        if !self.extensions.auth_plain {
            for secret in [user.as_str(), password] {
                if reply.code == 334 {
                    reply = self.ask(&format!("{}\r\n", STANDARD.encode(secret)), within).await?.reply;
                }
            }
        }
        match reply.code {
            235 => Ok(()),
            400..500 => Err(ConnectorError::Lost(format!("sign-in put off: {}", shown(&reply)))),
            500..600 => Err(ConnectorError::Login(shown(&reply))),
            _ => Err(ConnectorError::Lost(format!("unexpected answer to AUTH: {}", reply.code))),
        }
    }

    /// Sends one line and waits for its reply.
    pub(super) async fn ask(&mut self, line: &str, within: std::time::Duration) -> Result<Answer, ConnectorError> {
        self.wire.write(line.as_bytes(), within).await?;
        self.wire.answer(within).await
    }
}

/// What to do where Exchange Online refuses every sign-in to SMTP, whoever it is.
fn hint(reply: &Reply) -> &'static str {
    if reply.text.contains("SmtpClientAuthentication is disabled") {
        return "; turn on \"Authenticated SMTP\" for this mailbox (or the tenant) in the Microsoft 365 admin centre";
    }
    ""
}

/// A reply in one line for people.
pub(super) fn shown(reply: &Reply) -> String {
    let enhanced = reply.enhanced.as_deref().unwrap_or_default();
    format!("{} {enhanced}{}{}", reply.code, if enhanced.is_empty() { "" } else { " " }, reply.text)
}

fn refusal(what: &str, reply: &Reply) -> ConnectorError {
    let text = format!("{what}: {}", shown(reply));
    if (500..600).contains(&reply.code) { ConnectorError::Refused(text) } else { ConnectorError::Lost(text) }
}

async fn connect_tcp(settings: &SmtpSettings) -> Result<TcpStream, ConnectorError> {
    let (host, port) = (settings.host.as_str(), settings.port);
    let within = settings.timeouts.connect;
    let lost = |why: String| ConnectorError::Lost(format!("can't connect to {host}:{port}: {why}"));
    let addresses = match timeout(within, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found,
        Ok(Err(e)) => return Err(lost(e.to_string())),
        Err(_) => return Err(lost("looking up the name took too long".into())),
    };
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        if settings.security == Security::Plain && !address.ip().is_loopback() {
            return Err(ConnectorError::Insecure(format!(
                "{host} is not this machine, and a connection without TLS is only allowed there: set security to tls or starttls"
            )));
        }
        match timeout(within, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Without this, the last short write of each mail waits 40 ms for a delayed ACK.
                tcp.set_nodelay(true).map_err(|e| lost(e.to_string()))?;
                return Ok(tcp);
            }
            Ok(Err(e)) => why = e.to_string(),
            Err(_) => why = format!("no answer within {} s", within.as_secs_f32()),
        }
    }
    Err(lost(why))
}

async fn secure(
    channel: Box<dyn Channel>,
    settings: &SmtpSettings,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<Box<dyn Channel>, ConnectorError> {
    let name = ServerName::try_from(settings.host.clone()).map_err(|_| {
        ConnectorError::Insecure(format!("{:?} is no host name that a certificate can name", settings.host))
    })?;
    match timeout(settings.timeouts.connect, TlsConnector::from(tls.clone()).connect(name, channel)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(e)) if e.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) => {
            Err(ConnectorError::Insecure(format!("TLS with {} failed: {e}", settings.host)))
        }
        Ok(Err(e)) => Err(ConnectorError::Lost(format!("TLS with {} broke off: {e}", settings.host))),
        Err(_) => Err(ConnectorError::Lost(format!("TLS with {} took too long", settings.host))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case_and_old_spelling() {
        let lines = ["mx greets", "size 1000", "Pipelining", "AUTH=LOGIN", "AUTH PLAIN XOAUTH2", "8BITMIME"];
        let found = Extensions::read(&lines.map(str::to_owned));
        assert_eq!((found.size, found.size_max), (true, Some(1000)));
        assert!(found.pipelining && found.auth_login && found.auth_plain && found.eight_bit);
        assert!(!found.start_tls && !found.utf8);
        assert_eq!(Extensions::read(&["STARTTLS".to_owned()]), Extensions::default(), "the first line only greets");
    }
}
