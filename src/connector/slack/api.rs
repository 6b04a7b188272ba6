//! Slack's Web API, one method at a time: over slack-morphism's model of it, with a connection of ours below, and with answers that
//! are told apart by what is known of what was asked.
//!
//! Every call has a time limit and every answer a largest size. Nothing is tried twice. After a 429 the method is not called again
//! before the instant that Slack named, by nobody who shares the [`Pace`]. Answers are plain JSON: one odd field must not cost the rest.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, header};
use hyper_util::client::legacy;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use slack_morphism::errors::SlackClientError;
use slack_morphism::{ClientResult, SlackApiToken, SlackApiTokenValue, SlackClient, SlackClientHttpConnector as _};
use tokio::time::timeout;
use url::Url;

use super::codes::{self, Meaning};
use super::line::{Dialler, is_same_place};
use super::wire::{Wire, request};
use crate::clock::Clock;
use crate::connector::ConnectorError;
use crate::connector::email::tls;
use crate::connector::feed::FileError;
use crate::domain::pace::Pace;
use crate::domain::time::Micros;

/// Where Slack's Web API is.
pub const BASE: &str = "https://slack.com/api";
/// How long one call may take, its answer included.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a file may take.
pub const FILE_TIME_MAX: Duration = Duration::from_mins(14);
/// The largest answer of a method, octets.
pub const ANSWER_OCTETS_MAX: usize = 8 * 1024 * 1024;
/// The rest after a 429 that does not say how long.
pub const REST_DEFAULT: Duration = Duration::from_secs(30);
/// The longest rest after a 429, whatever it says; Slack is asked again then.
pub const REST_MAX: Duration = Duration::from_hours(24);
/// The pause between two messages to one conversation (chat.postMessage: one a second).
pub const BETWEEN_MESSAGES: Duration = Duration::from_secs(1);

/// The methods with which is read what was said. Who said it (`users.info`) is only wanted, and rests by itself.
const READS: &[&str] = &["conversations.history", "conversations.replies", "users.conversations"];

/// A pace that several connectors keep together.
pub type SharedPace = Arc<Mutex<Pace>>;

/// How a workspace is reached.
#[derive(Clone)]
pub struct Settings {
    /// Where the Web API is: [`BASE`], or a stand-in of it.
    pub base: Url,
    /// Certificates (PEM) to trust in place of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Signs the calls: the token of the bot (`xoxb-`), or of the app (`xapp-`).
    pub token: SecretString,
    /// When what may be asked; shared by all connectors of the account.
    pub pace: SharedPace,
    /// The time here.
    pub clock: Clock,
}

impl Settings {
    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: SecretString) -> Self {
        Self { token, ..self.clone() }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Why a call has no good answer, by what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There was no connection: nothing was asked.
    #[error("Slack can't be reached: {0}")]
    NotConnected(String),
    /// There was no connection that can be trusted: nothing was asked.
    #[error("the connection to Slack is not secure: {0}")]
    Insecure(String),
    /// It was asked, and no answer came that says what became of it.
    #[error("no answer from Slack: {0}")]
    Lost(String),
    /// Slack asks us to wait; nothing was done.
    #[error("Slack asks us to wait until {until}")]
    Limited {
        /// Until when.
        until: Micros,
    },
    /// Slack said no.
    #[error("{}", codes::words_of(code, needed.as_deref()))]
    Said {
        /// Its code.
        code: String,
        /// The scope that is missing, where it says one.
        needed: Option<String>,
    },
    /// Something answered, and it makes no sense.
    #[error("what Slack answered can't be understood: {0}")]
    Unreadable(String),
}

impl From<Trouble> for ConnectorError {
    fn from(trouble: Trouble) -> Self {
        let words = trouble.to_string();
        match trouble {
            Trouble::NotConnected(_) | Trouble::Lost(_) | Trouble::Limited { .. } => Self::Lost(words),
            Trouble::Insecure(_) => Self::Insecure(words),
            Trouble::Unreadable(_) => Self::Unreadable(words),
            Trouble::Said { code, .. } => match codes::look_up(&code).0 {
                Meaning::Login => Self::Login(words),
                Meaning::Later | Meaning::Unknown => Self::Lost(words),
                Meaning::Never | Meaning::Gone => Self::Refused(words),
            },
        }
    }
}

/// Calls methods. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    slack: Arc<SlackClient<Wire>>,
    settings: Settings,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Api {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConnectorError::Insecure`] where there are no usable certificates.
    pub fn new(settings: Settings) -> Result<Self, ConnectorError> {
        let dialler = Dialler::new(tls::client_config(settings.ca_pem.as_deref())?);
        let wire = Wire::new(dialler, &settings.base);
        Ok(Self { slack: Arc::new(SlackClient::new(wire)), settings })
    }

    /// The same, signing with another token.
    #[must_use]
    pub fn with_token(&self, token: SecretString) -> Self {
        Self { slack: Arc::clone(&self.slack), settings: self.settings.with_token(token) }
    }

    /// The time here.
    pub fn now(&self) -> Micros {
        self.settings.clock.now()
    }

    /// The pace that is kept.
    pub fn pace(&self) -> MutexGuard<'_, Pace> {
        self.settings.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instant before which a method must not be called; `None` where it may be.
    pub fn wait_until(&self, method: &str) -> Option<Micros> {
        let now = self.now();
        self.pace().wait_until(method, now)
    }

    /// Until when Slack wants to be left alone by whoever reads what was said: the latest of what it named for any of [`READS`].
    pub fn reading_rests_until(&self) -> Option<Micros> {
        READS.iter().filter_map(|method| self.wait_until(method)).max()
    }

    /// The same, as it was named to another session. Which method it was about is not kept: none of them is called before.
    pub fn rest_reading(&self, until: Micros) {
        let mut pace = self.pace();
        for method in READS {
            pace.put_off(method, until);
        }
    }

    pub(super) fn dialler(&self) -> &Dialler {
        &self.slack.http_api.connector.dialler
    }

    /// Calls a method that only looks, with its arguments in the address.
    pub async fn get(&self, method: &str, arguments: &[(&str, String)]) -> Result<Value, Trouble> {
        let arguments: Vec<(&str, Option<&String>)> = arguments.iter().map(|(name, v)| (*name, Some(v))).collect();
        let token = self.token();
        let session = self.slack.open_session(&token);
        self.call(method, session.http_session_api.http_get(method, &arguments, None)).await
    }

    /// Calls a method that does something, with its arguments as JSON.
    pub async fn post(&self, method: &str, arguments: &Value) -> Result<Value, Trouble> {
        let token = self.token();
        let session = self.slack.open_session(&token);
        self.call(method, session.http_session_api.http_post(method, arguments, None)).await
    }

    async fn call(&self, method: &str, asked: impl Future<Output = ClientResult<Value>>) -> Result<Value, Trouble> {
        if let Some(until) = self.wait_until(method) {
            return Err(Trouble::Limited { until });
        }
        let late = || Trouble::Lost(format!("{method} took longer than {} seconds", CALL_TIME_MAX.as_secs()));
        match timeout(CALL_TIME_MAX, asked).await {
            Err(_) => Err(late()),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.judge(method, error)),
        }
    }

    /// Calls a method and gives the header of its answer as well: some things stand only there.
    pub(super) async fn with_header(&self, method: &str) -> Result<(Value, HeaderMap), Trouble> {
        if let Some(until) = self.wait_until(method) {
            return Err(Trouble::Limited { until });
        }
        let wire = &self.slack.http_api.connector;
        let asked = async {
            let url = wire.create_method_uri_path(method)?;
            let token = self.token();
            let answer = wire.ask(request(&Method::GET, &url, Some(&token), None)?, ANSWER_OCTETS_MAX).await?;
            let header = answer.header.clone();
            Ok((answer.value()?, header))
        };
        let late = |_| Trouble::Lost(format!("{method} gave no answer in time"));
        timeout(CALL_TIME_MAX, asked).await.map_err(late)?.map_err(|error| self.judge(method, error))
    }

    /// Whether our token may be told to whoever answers at an address: Slack's own hosts over TLS, and the place of the Web API.
    pub fn is_slacks(&self, url: &Url) -> bool {
        let of_slack = |host: &str| host == "slack.com" || host.ends_with(".slack.com");
        let own = url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(of_slack);
        own || is_same_place(url, &self.settings.base)
    }

    /// A private file, whole. Our token is told to Slack alone, and a redirect is not followed.
    pub async fn file(&self, url: &str, octets_max: u64) -> Result<Vec<u8>, FileError> {
        let refused = |why: &str| FileError::from(ConnectorError::Refused(format!("the file can't be fetched: {why}")));
        let elsewhere = || FileError::Elsewhere("the file does not lie with Slack; open it in Slack".to_owned());
        let url = Url::parse(url).ok().filter(|url| self.is_slacks(url)).ok_or_else(elsewhere)?;
        if let Some(until) = self.wait_until("file") {
            return Err(self.no_file(Trouble::Limited { until }));
        }
        let token = self.token();
        let wire = &self.slack.http_api.connector;
        let octets_max = usize::try_from(octets_max).unwrap_or(usize::MAX);
        let asked = async { wire.ask(request(&Method::GET, &url, Some(&token), None)?, octets_max).await };
        let late = |_| ConnectorError::Lost("the file did not come in time".to_owned());
        let answer = timeout(FILE_TIME_MAX, asked).await.map_err(late)?;
        let answer = match answer {
            Err(SlackClientError::SystemError(_)) => return Err(FileError::TooLarge),
            Err(error) => return Err(self.no_file(self.judge("file", error))),
            Ok(answer) => answer,
        };
        let kind = answer.header.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        // Whom Slack does not know it shows the page where people sign in.
        let page = kind.starts_with("text/html") && !url.path().to_ascii_lowercase().contains(".htm");
        match answer.status.as_u16() {
            200 if page => Err(refused("Slack shows a sign-in page; the app needs the scope files:read")),
            200 => Ok(answer.body),
            429 => Err(self.no_file(self.judge("file", answer.limited()))),
            401 | 403 => Err(refused("Slack does not let us; the app needs the scope files:read")),
            404 | 410 => Err(FileError::Missing("Slack does not have the file any more".to_owned())),
            status @ 500.. => Err(ConnectorError::Lost(format!("Slack answered {status} for a file")).into()),
            status => Err(refused(&format!("Slack answered {status}"))),
        }
    }

    /// Why there is no file; that Slack wants to be left alone is not its fault.
    pub(super) fn no_file(&self, trouble: Trouble) -> FileError {
        let why = trouble.to_string();
        match trouble {
            Trouble::Limited { until } => FileError::Later { rest: until.since(self.now()), why },
            other @ (Trouble::NotConnected(_)
            | Trouble::Insecure(_)
            | Trouble::Lost(_)
            | Trouble::Said { .. }
            | Trouble::Unreadable(_)) => ConnectorError::from(other).into(),
        }
    }

    fn token(&self) -> SlackApiToken {
        SlackApiToken::new(SlackApiTokenValue(self.settings.token.expose_secret().to_owned()))
    }

    /// What an error says of the call. Nothing of an answer's body gets into it.
    fn judge(&self, method: &str, error: SlackClientError) -> Trouble {
        match error {
            SlackClientError::ApiError(said) if is_limit(&said.code) => self.limited(method, None),
            SlackClientError::ApiError(said) => {
                let body = said.http_response_body.as_deref().and_then(|b| serde_json::from_str::<Value>(b).ok());
                let needed = body.and_then(|b| b.get("needed")?.as_str().map(str::to_owned));
                Trouble::Said { code: said.code, needed }
            }
            SlackClientError::RateLimitError(limit) => self.limited(method, limit.retry_after),
            SlackClientError::HttpError(said) if said.status_code.is_server_error() => {
                Trouble::Lost(format!("{method} answered {}", said.status_code.as_u16()))
            }
            SlackClientError::HttpError(said) => {
                Trouble::Unreadable(format!("{method} answered {}", said.status_code.as_u16()))
            }
            SlackClientError::HttpProtocolError(broken) => lost(method, broken.cause.as_deref()),
            SlackClientError::SystemError(_) => Trouble::Unreadable(format!("{method} answered far too much")),
            SlackClientError::ProtocolError(_)
            | SlackClientError::EndOfStream(_)
            | SlackClientError::SocketModeProtocolError(_) => {
                Trouble::Unreadable(format!("{method} answered something that is no answer of Slack's"))
            }
        }
    }

    fn limited(&self, method: &str, rest: Option<Duration>) -> Trouble {
        // A rest of nothing would be an invitation to a loop.
        let rest = rest.unwrap_or(REST_DEFAULT).clamp(Duration::from_secs(1), REST_MAX);
        let until = self.now().plus(rest);
        self.pace().put_off(method, until);
        Trouble::Limited { until }
    }
}

fn is_limit(code: &str) -> bool {
    matches!(code, "ratelimited" | "rate_limited")
}

/// No answer: whether a connection was there at all.
fn lost(method: &str, cause: Option<&(dyn std::error::Error + Send + Sync + 'static)>) -> Trouble {
    let Some(error) = cause.and_then(|cause| cause.downcast_ref::<legacy::Error>()) else {
        return Trouble::Lost(format!("the answer of {method} broke off"));
    };
    let mut last: &dyn std::error::Error = error;
    let mut untrusted = false;
    while let Some(source) = last.source() {
        last = source;
        untrusted |= is_untrusted(last);
    }
    let words: String = last.to_string().chars().take(200).collect();
    match error.is_connect() {
        true if untrusted => Trouble::Insecure(words),
        true => Trouble::NotConnected(words),
        false => Trouble::Lost(format!("{method}: {words}")),
    }
}

/// Whether it is a certificate that is not trusted. An `io::Error` shows what it wraps only when asked for it.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls.or_else(|| error.downcast_ref()), Some(rustls::Error::InvalidCertificate(_)))
}
