//! Email out: one SMTP session (RFC 5321) behind [`Sender`].
//!
//! It keeps the point of no return visible: everything up to the reply 354 is known not to be sent, everything after it
//! is uncertain until the server says so. It never tries again after content went out, and never without TLS off this
//! machine. The dialogue is our own and not lettre's, whose client reads replies without a limit, keeps one line of
//! them, knows no pipelining, and can't tell on which side of the final dot a failure lies.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::time::Instant;

use self::content::{Blocks, headers_are_international};
use self::session::Session;
pub use super::tls::Security;
use crate::connector::{ConnectorError, Offer, OfferError, Outgoing, Phase, Reply, SendOutcome, Sender, Tokens};
use crate::domain::envelope::{WireAddress, ascii_domain};

mod content;
mod dialogue;
mod reply;
mod session;
mod wire;

/// A kept session that was idle for longer is asked whether it lives before it is used again.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How long each step may take. The defaults are those of RFC 5321 §4.5.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking up the name, TCP (per address), the TLS handshake.
    pub connect: Duration,
    /// The greeting.
    pub greeting: Duration,
    /// EHLO and STARTTLS.
    pub hello: Duration,
    /// Each step of AUTH.
    pub login: Duration,
    /// MAIL FROM.
    pub mail: Duration,
    /// Each RCPT TO.
    pub recipient: Duration,
    /// DATA, up to 354.
    pub data: Duration,
    /// Each block of content.
    pub block: Duration,
    /// The reply after the content. Shorter than ten minutes makes duplicates: the server may still take the mail.
    pub outcome: Duration,
    /// RSET, and QUIT.
    pub reset: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            connect: Duration::from_secs(30),
            greeting: minutes(5),
            hello: minutes(5),
            login: minutes(2),
            mail: minutes(5),
            recipient: minutes(5),
            data: minutes(2),
            block: minutes(3),
            outcome: minutes(10),
            reset: Duration::from_secs(10),
        }
    }
}

/// Where and how to sign in.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// The server's name; the certificate must name it.
    pub host: String,
    /// Its port, usually 465 or 587.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// Who signs in; `None` for a server that wants nobody to.
    pub user: Option<String>,
    /// The password.
    pub password: Option<SecretString>,
    /// A private authority to trust beside the system's, PEM.
    pub ca_file_pem: Option<Vec<u8>>,
    /// What we call ourselves in EHLO: a domain or an address literal.
    pub hello_name: String,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// Where the sender is.
enum Place {
    /// No session.
    Away,
    /// A session between mails, and since when.
    Kept(Session, Instant),
    /// The server waits for content; there is no way back but to close.
    Offered(Session),
}

/// One SMTP session at a time, opened when needed and kept between mails.
pub struct SmtpSender {
    settings: Arc<SmtpSettings>,
    /// Where access tokens come from; `None` where a password signs in.
    tokens: Option<Arc<dyn Tokens>>,
    tls: Arc<rustls::ClientConfig>,
    place: Place,
}

impl SmtpSender {
    /// Checks the settings; connects nowhere yet. Fails with [`ConnectorError::Insecure`] where the CA file can't be
    /// used and with [`ConnectorError::Refused`] where the name for EHLO is none.
    pub fn new(mut settings: SmtpSettings) -> Result<Self, ConnectorError> {
        let Some(hello_name) = ascii_domain(&settings.hello_name) else {
            let text = format!("{:?} is no name for EHLO: set it to this machine's domain name", settings.hello_name);
            return Err(ConnectorError::Refused(text));
        };
        settings.hello_name = hello_name;
        let tls = super::tls::client_config(settings.ca_file_pem.as_deref())?;
        Ok(Self { settings: Arc::new(settings), tokens: None, tls, place: Place::Away })
    }

    /// The same, signing in with access tokens (XOAUTH2) in place of the password.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<dyn Tokens>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Another sender of the same account, with a session of its own. Shares the trust store.
    #[must_use]
    pub fn another(&self) -> Self {
        let (settings, tokens, tls) = (self.settings.clone(), self.tokens.clone(), self.tls.clone());
        Self { settings, tokens, tls, place: Place::Away }
    }

    /// A kept session that still answers.
    async fn kept(&mut self) -> Option<Session> {
        let Place::Kept(mut session, since) = std::mem::replace(&mut self.place, Place::Away) else { return None };
        if !session.wire.is_quiet() {
            return None;
        }
        let alive = since.elapsed() <= IDLE_MAX || session.reset(self.settings.timeouts.reset).await;
        alive.then_some(session)
    }

    /// The session is dropped from [`Self::place`] for as long as anything is under way, so a future that is dropped
    /// half-way closes the connection.
    async fn make_offer(&mut self, mail: &Outgoing) -> Result<Offer, OfferError> {
        let mut kept = self.kept().await;
        loop {
            let was_kept = kept.is_some();
            let mut session = match kept.take() {
                Some(session) => session,
                None => Session::open(&self.settings, self.tokens.as_deref(), &self.tls).await?,
            };
            let envelope = match Envelope::plan(mail, &session) {
                Ok(envelope) => envelope,
                Err(offer) => {
                    self.place = Place::Kept(session, Instant::now());
                    return Ok(offer);
                }
            };
            let spoken = session.offer(&envelope, &self.settings.timeouts).await;
            match spoken {
                // The server went away, or said goodbye, while the session was idle: nothing was handed over.
                Err(OfferError { phase: Phase::Envelope, error: ConnectorError::Lost(_) }) if was_kept => {}
                Ok(Offer::Refused { phase: Phase::Envelope, ref replies })
                    if was_kept && replies.iter().any(|r| r.code == 421) => {}
                Err(error) => return Err(error),
                Ok(offer @ Offer::Ready { .. }) => {
                    self.place = Place::Offered(session);
                    return Ok(offer);
                }
                Ok(Offer::Refused { phase, replies }) => {
                    let closing = replies.iter().any(|r| r.code == 421);
                    if !closing && session.reset(self.settings.timeouts.reset).await {
                        self.place = Place::Kept(session, Instant::now());
                    }
                    return Ok(Offer::Refused { phase, replies });
                }
            }
        }
    }

    async fn send_content(&mut self, mail: &Outgoing) -> SendOutcome {
        let Place::Offered(mut session) = std::mem::replace(&mut self.place, Place::Away) else {
            return SendOutcome::Refused(reply::own(503, "5.5.1", "no offer is open; nothing was sent"));
        };
        // Not one octet of content has gone: a connection found closed here is as good as a 421.
        if !session.wire.is_quiet() {
            let text = "the server ended the session before the content; nothing was sent";
            return SendOutcome::Refused(reply::own(421, "4.4.2", text));
        }
        let timeouts = &self.settings.timeouts;
        let reply = match session.send_content(Blocks::of(&mail.content), timeouts).await {
            Ok(reply) => reply,
            Err(error) => return SendOutcome::Uncertain(error.to_string()),
        };
        if reply.code != 421 && session.wire.is_quiet() {
            self.place = Place::Kept(session, Instant::now());
        }
        match reply.code {
            200..300 => SendOutcome::Accepted { reply, id: None },
            400..600 => SendOutcome::Refused(reply),
            code => {
                self.place = Place::Away;
                SendOutcome::Uncertain(format!("the server answered {code} to the content"))
            }
        }
    }
}

impl Sender for SmtpSender {
    fn open(&mut self) -> BoxFuture<'_, Result<(), OfferError>> {
        async {
            let session = match self.kept().await {
                Some(session) => session,
                None => Session::open(&self.settings, self.tokens.as_deref(), &self.tls).await?,
            };
            self.place = Place::Kept(session, Instant::now());
            Ok(())
        }
        .boxed()
    }

    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        self.make_offer(mail).boxed()
    }

    fn hand_over<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        self.send_content(mail).boxed()
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        // After 354 every octet is content, and a lone dot would send an empty mail.
        if matches!(self.place, Place::Offered(_)) {
            self.place = Place::Away;
        }
        futures_util::future::ready(()).boxed()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            if let Place::Kept(mut session, _) = std::mem::replace(&mut self.place, Place::Away) {
                drop(session.ask("QUIT\r\n", self.settings.timeouts.reset).await);
            }
        }
        .boxed()
    }
}

/// What will be said to the server: the command lines, and the recipients that can't even be asked for.
struct Envelope {
    mail: String,
    /// Per recipient: the command, or the refusal of our own.
    recipients: Vec<Result<String, Reply>>,
}

impl Envelope {
    /// Plans it for what this server can do; the offer where it must be refused as a whole.
    fn plan(mail: &Outgoing, session: &Session) -> Result<Self, Offer> {
        let extensions = &session.extensions;
        let refused = |reply: Reply| Offer::Refused {
            phase: Phase::Envelope,
            replies: mail.recipients.iter().map(|_| reply.clone()).collect(),
        };
        let from = match mail.from.trim() {
            "" => None,
            from => Some(WireAddress::read(from).ok_or_else(|| refused(not_an_address(from)))?),
        };
        if let Some(limit) = extensions.size_max.filter(|&limit| mail.content.len() > limit) {
            let text = format!("the message has {} octets, the server takes {limit}", mail.content.len());
            return Err(refused(reply::own(552, "5.3.4", text)));
        }
        let headers = headers_are_international(&mail.content);
        if !extensions.utf8 && (headers || from.as_ref().is_some_and(WireAddress::is_international)) {
            return Err(refused(no_international()));
        }
        let recipients = mail.recipients.iter().map(|to| recipient_line(to, extensions.utf8)).collect::<Vec<_>>();
        if !recipients.iter().any(Result::is_ok) {
            let replies = recipients.into_iter().filter_map(Result::err).collect();
            return Err(Offer::Refused { phase: Phase::Recipient, replies });
        }
        let international = headers
            || from.as_ref().is_some_and(WireAddress::is_international)
            || recipients.iter().flatten().any(|line| !line.is_ascii());
        let mut line = format!("MAIL FROM:<{}>", from.map(|a| a.to_string()).unwrap_or_default());
        if extensions.size {
            line.push_str(" SIZE=");
            line.push_str(&mail.content.len().to_string());
        }
        // Without the extension, 8-bit content goes as it is: servers that don't say they take it do.
        if extensions.eight_bit && !mail.content.is_ascii() {
            line.push_str(" BODY=8BITMIME");
        }
        if international {
            line.push_str(" SMTPUTF8");
        }
        line.push_str("\r\n");
        Ok(Self { mail: line, recipients })
    }
}

fn recipient_line(address: &str, utf8: bool) -> Result<String, Reply> {
    let read = WireAddress::read(address).ok_or_else(|| not_an_address(address))?;
    if read.is_international() && !utf8 {
        return Err(no_international());
    }
    Ok(format!("RCPT TO:<{read}>\r\n"))
}

fn no_international() -> Reply {
    reply::own(553, "5.6.7", "the server does not take international addresses (SMTPUTF8)")
}

fn not_an_address(text: &str) -> Reply {
    let text: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
    reply::own(553, "5.1.3", format!("{text:?} is not a mail address"))
}
