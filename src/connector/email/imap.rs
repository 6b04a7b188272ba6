//! A mailbox over IMAP (RFC 3501): the [`Source`] of every email account.
//!
//! It looks and files, and changes nothing else: folders are opened read-only and bodies are peeked at. It never goes
//! on with a connection whose state is in doubt: a command that fails half-way, or whose caller lost interest, takes
//! the connection with it, and the next call makes a new one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::time::{Instant, sleep, timeout};

use self::names::{encode_name, quote};
use self::session::{Session, lost};
use self::uids::valid_uids;
use crate::config::accounts::ImapAccount;
use crate::connector::email::tls::Security;
use crate::connector::{
    ConnectorError, FETCH_MAX, FolderSeen, FolderStatus, HeaderItem, RawItem, Source, Tokens, Wake,
};
use crate::domain::mail::TOKEN_HEADER;
use crate::domain::time::Micros;
use crate::domain::words::FolderRole;

mod fetch;
mod folders;
mod names;
mod open;
mod session;
mod uids;
mod wire;

/// Longest IDLE. RFC 2177 allows 29 minutes; many routers forget a silent connection after ten.
const IDLE_MAX: Duration = Duration::from_mins(9);
/// Time between two questions for news where IDLE can't be used.
const NOOP_EVERY: Duration = Duration::from_secs(15);
/// Longest silence of a server within one step.
const STEP_MAX: Duration = Duration::from_mins(1);
/// Longest goodbye.
const LOGOUT_MAX: Duration = Duration::from_secs(5);
/// Candidates of a search for a sent message that are looked at, the newest.
const CANDIDATES_MAX: usize = 20;

/// How a mailbox is reached.
#[derive(Clone)]
pub struct ImapSettings {
    /// Name or address of the server; its certificate must be for this.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// User name.
    pub user: String,
    /// Password, or app password.
    pub password: SecretString,
    /// Certificates (PEM) to trust in place of the system's.
    pub ca_file_pem: Option<Vec<u8>>,
    /// Largest message kept whole, octets; larger ones are cut.
    pub message_max: u64,
    /// Longest wait for the server at each step.
    pub step_timeout: Duration,
}

impl ImapSettings {
    /// Those of an account of the configuration. The password is empty where tokens sign in.
    pub fn of(imap: &ImapAccount) -> Self {
        Self {
            host: imap.imap.host.clone(),
            port: imap.imap.port,
            security: imap.imap.security,
            user: imap.user.clone(),
            password: imap.login.password().map(|p| p.value.clone()).unwrap_or_default(),
            ca_file_pem: imap.ca.as_ref().map(|ca| ca.pem.to_vec()),
            message_max: imap.message_max,
            step_timeout: STEP_MAX,
        }
    }
}

impl fmt::Debug for ImapSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// One mailbox. Connects when first used, and again after a loss.
#[derive(Debug)]
pub struct ImapSource {
    settings: ImapSettings,
    /// Where access tokens come from; `None` where a password signs in.
    tokens: Option<Arc<dyn Tokens>>,
    /// Whether one folder holds all mail but junk, and is read in place of the others.
    all_in_one: bool,
    session: Option<Session>,
    /// Names on the wire by names for people.
    wire_names: HashMap<String, String>,
    /// The folder selected last (by its name for people), with its UIDVALIDITY.
    folder: Option<(String, i64)>,
    /// Whether this server once went silent on IDLE; then it is not asked again.
    idle_hangs: bool,
}

impl ImapSource {
    /// A mailbox that is not connected yet.
    pub fn new(settings: ImapSettings) -> Self {
        Self {
            settings,
            tokens: None,
            all_in_one: false,
            session: None,
            wire_names: HashMap::new(),
            folder: None,
            idle_hangs: false,
        }
    }

    /// The same, signing in with access tokens (XOAUTH2) in place of the password.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<dyn Tokens>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// The same, for a server one of whose folders holds all mail but junk: that one and Junk are read, and no message
    /// twice. Where the server hides it (a setting of Gmail's), the usual folders are read.
    #[must_use]
    pub fn all_in_one(mut self) -> Self {
        self.all_in_one = true;
        self
    }

    /// Takes the session out, or opens one. It comes back through [`Self::keep`] after a command that ended well;
    /// a future dropped half-way drops it.
    async fn take(&mut self) -> Result<Session, ConnectorError> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => open::open(&self.settings, self.tokens.as_deref()).await,
        }
    }

    /// Like [`Self::take`], with the folder selected last.
    async fn take_selected(&mut self) -> Result<Session, ConnectorError> {
        let Some((folder, uid_validity)) = self.folder.clone() else {
            return Err(ConnectorError::Refused("no folder is selected".to_owned()));
        };
        let mut session = self.take().await?;
        if session.selected.is_none() {
            let status = session.examine(&self.wire_name(&folder)).await?;
            if status.uid_validity != uid_validity {
                self.folder = None;
                return Err(lost("the folder was renumbered; select it again"));
            }
        }
        Ok(session)
    }

    fn keep<T>(&mut self, session: Session, result: Result<T, ConnectorError>) -> Result<T, ConnectorError> {
        match &result {
            Ok(_) | Err(ConnectorError::Refused(_)) => self.session = Some(session),
            Err(
                ConnectorError::Lost(_)
                | ConnectorError::Unreadable(_)
                | ConnectorError::Login(_)
                | ConnectorError::SignedOut(_)
                | ConnectorError::Insecure(_),
            ) => drop(session),
        }
        result
    }

    fn wire_name(&self, folder: &str) -> String {
        self.wire_names.get(folder).cloned().unwrap_or_else(|| encode_name(folder))
    }

    async fn list(&mut self) -> Result<Vec<FolderSeen>, ConnectorError> {
        let mut session = self.take().await?;
        let listed = session.list_folders().await;
        let folders = self.keep(session, listed)?;
        self.wire_names = folders.iter().map(|folder| (folder.seen.name.clone(), folder.wire.clone())).collect();
        let mut seen: Vec<FolderSeen> = folders.into_iter().map(|folder| folder.seen).collect();
        if self.all_in_one && seen.iter().any(|folder| folder.role == FolderRole::All) {
            seen.retain(|folder| matches!(folder.role, FolderRole::All | FolderRole::Junk));
        }
        Ok(seen)
    }

    async fn select_folder(&mut self, folder: &str) -> Result<FolderStatus, ConnectorError> {
        self.folder = None;
        let mut session = self.take().await?;
        let selected = session.examine(&self.wire_name(folder)).await;
        let status = self.keep(session, selected)?;
        self.folder = Some((folder.to_owned(), status.uid_validity));
        Ok(status)
    }

    async fn search(&mut self, key: &str) -> Result<Vec<i64>, ConnectorError> {
        let mut session = self.take_selected().await?;
        let found = session.search(key).await;
        self.keep(session, found)
    }

    async fn fetch_batch(&mut self, uids: &[i64]) -> Result<Vec<RawItem>, ConnectorError> {
        let mut uids = valid_uids(uids);
        uids.truncate(FETCH_MAX);
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let mut session = self.take_selected().await?;
        let fetched = session.fetch_messages(&uids, self.settings.message_max).await;
        if let Ok((items, true)) = fetched {
            // The rest of the answer is unread.
            return Ok(items);
        }
        self.keep(session, fetched.map(|(items, _)| items))
    }

    async fn headers(&mut self, uids: &[i64]) -> Result<Vec<HeaderItem>, ConnectorError> {
        let uids = valid_uids(uids);
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let mut session = self.take_selected().await?;
        let fetched = session.fetch_header_items(&uids).await;
        self.keep(session, fetched)
    }

    async fn wait_for_news(&mut self, at_most: Duration) -> Result<Wake, ConnectorError> {
        let until = Instant::now() + at_most;
        loop {
            let mut session = self.take_selected().await?;
            if std::mem::take(&mut session.has_news) {
                return self.keep(session, Ok(Wake::News));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.keep(session, Ok(Wake::Elapsed));
            }
            let waited = if session.can("IDLE") && !session.idle_refused && !self.idle_hangs {
                self.idle(&mut session, left.min(IDLE_MAX)).await
            } else {
                sleep(left.min(NOOP_EVERY)).await;
                session.run("NOOP", |_| ()).await
            };
            self.keep(session, waited)?;
        }
    }

    /// One IDLE, ended by news, by the time, or by the server's no.
    async fn idle(&mut self, session: &mut Session, at_most: Duration) -> Result<(), ConnectorError> {
        let began = Instant::now();
        let tag = match session.start_idle().await {
            Ok(tag) => tag,
            Err(ConnectorError::Refused(_)) => {
                session.idle_refused = true;
                return Ok(());
            }
            Err(error) => {
                // A server that is silent on IDLE would be so each time.
                self.idle_hangs |= began.elapsed() >= self.settings.step_timeout;
                return Err(error);
            }
        };
        while !session.has_news {
            let left = at_most.saturating_sub(began.elapsed());
            if left.is_zero() || !session.listen(left).await? {
                break;
            }
        }
        session.end_idle(&tag).await
    }

    async fn find_message(&mut self, message_id: &str, token: &str) -> Result<Option<i64>, ConnectorError> {
        let mut keys = Vec::new();
        for (header, value) in [("Message-ID", message_id), (TOKEN_HEADER, token)] {
            if value.is_empty() {
                continue;
            }
            if !value.is_ascii() {
                return Err(ConnectorError::Refused("only ASCII can be searched for in headers".to_owned()));
            }
            keys.push((format!("HEADER {header} {}", quote(value)?), value));
        }
        for (key, value) in keys {
            let found = self.search(&key).await?;
            let newest = found.get(found.len().saturating_sub(CANDIDATES_MAX)..).unwrap_or_default();
            // Some servers search by words, or not at all; what settles whether a mail was sent is looked at.
            let headers = self.headers(newest).await?;
            let is_it = |item: &&HeaderItem| String::from_utf8_lossy(&item.raw).contains(value);
            if let Some(item) = headers.iter().rev().find(is_it) {
                return Ok(Some(item.uid));
            }
        }
        Ok(None)
    }

    async fn file(&mut self, folder: &str, raw: &[u8]) -> Result<(), ConnectorError> {
        let name = quote(&self.wire_name(folder))?;
        let mut session = self.take().await?;
        let appended = session.append(&name, raw).await;
        self.keep(session, appended)
    }
}

/// `DD-Mon-YYYY` of the day before: servers compare the date in a zone of their own.
fn search_day(day: Micros) -> String {
    day.minus(Duration::from_hours(24)).timestamp().strftime("%-d-%b-%Y").to_string()
}

impl Source for ImapSource {
    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<FolderSeen>, ConnectorError>> {
        self.list().boxed()
    }

    fn select<'a>(&'a mut self, folder: &'a str) -> BoxFuture<'a, Result<FolderStatus, ConnectorError>> {
        self.select_folder(folder).boxed()
    }

    fn uids(&mut self) -> BoxFuture<'_, Result<Vec<i64>, ConnectorError>> {
        self.search("ALL").boxed()
    }

    fn uids_since(&mut self, day: Micros) -> BoxFuture<'_, Result<Vec<i64>, ConnectorError>> {
        async move { self.search(&format!("SINCE {}", search_day(day))).await }.boxed()
    }

    fn fetch<'a>(&'a mut self, uids: &'a [i64]) -> BoxFuture<'a, Result<Vec<RawItem>, ConnectorError>> {
        self.fetch_batch(uids).boxed()
    }

    fn fetch_headers<'a>(&'a mut self, uids: &'a [i64]) -> BoxFuture<'a, Result<Vec<HeaderItem>, ConnectorError>> {
        self.headers(uids).boxed()
    }

    fn wait(&mut self, at_most: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>> {
        self.wait_for_news(at_most).boxed()
    }

    fn find<'a>(
        &'a mut self,
        message_id: &'a str,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Option<i64>, ConnectorError>> {
        self.find_message(message_id, token).boxed()
    }

    fn append<'a>(&'a mut self, folder: &'a str, raw: &'a [u8]) -> BoxFuture<'a, Result<(), ConnectorError>> {
        self.file(folder, raw).boxed()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            if let Some(mut session) = self.session.take() {
                // The server answers with BYE, which is an error everywhere else.
                drop(timeout(LOGOUT_MAX, session.run("LOGOUT", |_| ())).await);
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_day_is_one_earlier_and_has_the_form_of_imap() {
        let day = Micros::parse("2026-03-01T09:00:00Z").unwrap();
        assert_eq!(search_day(day), "28-Feb-2026");
        assert_eq!(search_day(Micros::parse("2026-03-09T00:00:00Z").unwrap()), "8-Mar-2026");
    }

    #[test]
    fn settings_print_without_the_password() {
        let settings = ImapSettings {
            host: "mail.example.org".to_owned(),
            port: 993,
            security: Security::Tls,
            user: "me".to_owned(),
            password: SecretString::from("hunter22"),
            ca_file_pem: None,
            message_max: 1,
            step_timeout: Duration::from_secs(1),
        };
        assert!(!format!("{:?}", ImapSource::new(settings)).contains("hunter22"));
    }
}
