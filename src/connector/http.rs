//! The one HTTP client: for the token endpoints of providers, for their messages, and for webhooks. Every request has a time limit,
//! every answer a largest size, and a redirect is an answer, never followed: what is sent here holds secrets.
//!
//! A guarded client asks before each connection whether the address may be reached. It asks about the very address that it
//! then connects to, so a name that means something else a moment later changes nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use crate::clock;
use crate::connector::email::tls;
use crate::domain::time::Micros;

/// How long one request may take, its answer included. Shorter than the lease under which tokens are renewed.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a file may take.
pub const FILE_TIME_MAX: Duration = Duration::from_mins(14);
/// How long nothing may come of an answer.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long a connection may take to be there.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// The largest answer, octets.
pub const ANSWER_OCTETS_MAX: usize = 256 * 1024;

/// Why there is no answer. Nothing here names what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The client can't be made: no trusted certificates, say.
    #[error("no connection over HTTPS can be made from here: {0}")]
    Setup(String),
    /// No connection, no answer in time, or one that broke off.
    #[error("{host} can't be reached: {why}")]
    Unreachable {
        /// Whom we asked.
        host: String,
        /// Why.
        why: String,
    },
    /// There was never a connection, so nothing was sent.
    #[error("no connection to {host}: {why}")]
    NotConnected {
        /// Whom we would have asked.
        host: String,
        /// Why.
        why: String,
    },
    /// The address may not be reached from here.
    #[error("{0} leads to an address that may not be reached ([webhooks] allow)")]
    NotAllowed(String),
    /// An answer larger than [`ANSWER_OCTETS_MAX`].
    #[error("{0} sent far more than an answer is")]
    TooLarge(String),
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What `Retry-After` says, seconds or a date.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads, and changes nothing.
    Get,
    /// Changes something.
    Post,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    /// Nobody.
    Nobody,
    /// A name and a password (RFC 7617).
    Basic(&'a str, &'a SecretString),
    /// A token (RFC 6750).
    Bearer(&'a SecretString),
}

/// What goes along.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// Nothing.
    Nothing,
    /// `application/x-www-form-urlencoded`.
    Form(&'a [(&'a str, &'a str)]),
    /// `application/json`.
    Json(&'a [u8]),
}

/// A question to a provider.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// How.
    pub method: Method,
    /// Where.
    pub url: &'a url::Url,
    /// Who asks.
    pub credentials: Credentials<'a>,
    /// What goes along.
    pub content: Content<'a>,
    /// The largest answer, octets.
    pub octets_max: u64,
    /// How long it may take, its answer included. Less of that may pass without anything that comes ([`SILENCE_MAX`]).
    pub time_max: Duration,
}

impl<'a> Question<'a> {
    /// Reads what is at an address.
    pub fn get(url: &'a url::Url, credentials: Credentials<'a>, octets_max: u64) -> Self {
        let time_max = REQUEST_TIME_MAX;
        Self { method: Method::Get, url, credentials, content: Content::Nothing, octets_max, time_max }
    }

    /// The same for a file, which takes as long as something of it comes.
    pub fn file(url: &'a url::Url, credentials: Credentials<'a>, octets_max: u64) -> Self {
        Self { time_max: FILE_TIME_MAX, ..Self::get(url, credentials, octets_max) }
    }
}

/// What a provider answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The HTTP status.
    pub status: u16,
    /// What `Retry-After` says, seconds or a date.
    pub retry_after: Option<Duration>,
    /// Where the answer says that it is to be had instead.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Whether an address may be connected to for a host.
pub type Guard = Arc<dyn Fn(&str, IpAddr) -> bool + Send + Sync>;
/// Finds the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Asks servers. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    guard: Option<Guard>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("guarded", &self.guard.is_some()).finish_non_exhaustive()
    }
}

impl Http {
    /// A client that trusts what mail connections trust: `ca_pem` where given, else what the system trusts.
    ///
    /// # Errors
    /// [`HttpError::Setup`] where there are no usable certificates.
    pub fn new(ca_pem: Option<&[u8]>) -> Result<Self, HttpError> {
        let client = builder(ca_pem)?.build().map_err(|e| HttpError::Setup(words(&e)))?;
        Ok(Self { client, guard: None })
    }

    /// A client that connects to nothing its guard does not let through, and to no proxy, which would look names up by itself.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn guarded(guard: Guard, lookup: Lookup) -> Result<Self, HttpError> {
        let names = Arc::new(GuardedNames { guard: Arc::clone(&guard), lookup });
        let client = builder(None)?.no_proxy().dns_resolver(names).build().map_err(|e| HttpError::Setup(words(&e)))?;
        Ok(Self { client, guard: Some(guard) })
    }

    /// Posts a form (`application/x-www-form-urlencoded`), and reads the whole answer.
    ///
    /// # Errors
    /// [`HttpError::Unreachable`], [`HttpError::TooLarge`]; any status is an answer.
    pub async fn post_form(&self, url: &url::Url, fields: &[(&str, &str)]) -> Result<Answer, HttpError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let lost = |e: reqwest::Error| HttpError::Unreachable { host: host.clone(), why: words(&e) };
        let request = self.client.post(url.clone()).header("accept", "application/json").form(fields);
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), clock::machine_now());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            if body.len().saturating_add(piece.len()) > ANSWER_OCTETS_MAX {
                return Err(HttpError::TooLarge(host));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, retry_after, body })
    }

    /// Asks a provider something, and reads the whole answer.
    ///
    /// # Errors
    /// [`HttpError::NotConnected`] where nothing was sent, [`HttpError::TooLarge`], and [`HttpError::Unreachable`] where it may have
    /// been; any status is an answer.
    pub async fn ask(&self, question: Question<'_>) -> Result<Told, HttpError> {
        let host = question.url.host_str().unwrap_or_default().to_owned();
        let request = match question.method {
            Method::Get => self.client.get(question.url.clone()),
            Method::Post => self.client.post(question.url.clone()),
        };
        let request = match question.credentials {
            Credentials::Nobody => request,
            Credentials::Basic(name, password) => request.basic_auth(name, Some(password.expose_secret())),
            Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
        };
        let request = match question.content {
            Content::Nothing => request,
            Content::Form(fields) => request.form(fields),
            Content::Json(body) => request.header("content-type", "application/json").body(body.to_vec()),
        };
        let request = request.timeout(question.time_max);
        let lost = |e: reqwest::Error| {
            let why = words(&e);
            if was_refused(&e) {
                HttpError::NotAllowed(host.clone())
            } else if e.is_connect() || e.is_builder() {
                HttpError::NotConnected { host: host.clone(), why }
            } else {
                HttpError::Unreachable { host: host.clone(), why }
            }
        };
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), clock::machine_now());
        let location = response.headers().get("location").and_then(|v| v.to_str().ok()).map(str::to_owned);
        if response.content_length().is_some_and(|length| length > question.octets_max) {
            return Err(HttpError::TooLarge(host));
        }
        let most = usize::try_from(question.octets_max).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            if body.len().saturating_add(piece.len()) > most {
                return Err(HttpError::TooLarge(host));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Told { status, retry_after, location, body })
    }

    /// Posts JSON with these headers. Of the answer only the beginning is read, `body_max` octets, and where that does not come,
    /// the status counts all the same.
    ///
    /// # Errors
    /// [`HttpError::NotAllowed`], [`HttpError::Unreachable`]; any status is an answer.
    pub async fn post_json(
        &self,
        url: &url::Url,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        (time_max, body_max): (Duration, usize),
    ) -> Result<Answer, HttpError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        // An address that is written as one is never looked up, so the guard of names does not see it.
        let written = match url.host() {
            Some(url::Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
            Some(url::Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
            Some(url::Host::Domain(_)) | None => None,
        };
        if let (Some(guard), Some(address)) = (&self.guard, written)
            && !guard(&host, address)
        {
            return Err(HttpError::NotAllowed(host));
        }
        let mut request = self.client.post(url.clone()).timeout(time_max).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let lost = |e: reqwest::Error| {
            if was_refused(&e) {
                return HttpError::NotAllowed(host.clone());
            }
            HttpError::Unreachable { host: host.clone(), why: words(&e) }
        };
        let mut response = request.body(body).send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), clock::machine_now());
        let mut body = Vec::new();
        while let Ok(Some(piece)) = response.chunk().await {
            body.extend_from_slice(&piece);
            if body.len() >= body_max {
                break;
            }
        }
        body.truncate(body_max);
        Ok(Answer { status, retry_after, body })
    }
}

/// How long a server wants to be left alone (RFC 9110, 10.2.3): seconds, or a date, which is read by the server's own clock where it
/// tells the time.
fn retry_after(headers: &HeaderMap, now: Micros) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let date = |text: &str| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = Micros(date(value)?.as_microsecond());
    let now = text("date").and_then(date).map_or(now, |at| Micros(at.as_microsecond()));
    Some(until.since(now))
}

/// Looks names up as the operating system does.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    })
}

fn builder(ca_pem: Option<&[u8]>) -> Result<reqwest::ClientBuilder, HttpError> {
    let config = tls::client_config(ca_pem).map_err(|e| HttpError::Setup(e.to_string()))?;
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured((*config).clone())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIME_MAX)
        .timeout(REQUEST_TIME_MAX)
        .read_timeout(SILENCE_MAX)
        .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION"))))
}

/// Gives a connection only addresses that the guard lets through.
struct GuardedNames {
    guard: Guard,
    lookup: Lookup,
}

/// A name that leads nowhere it may lead.
#[derive(Debug, thiserror::Error)]
#[error("none of its addresses may be reached")]
struct Refused;

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, host) = (Arc::clone(&self.guard), name.as_str().to_owned());
        let found = (self.lookup)(host.clone());
        Box::pin(async move {
            let found = found.await?;
            let let_through: Vec<SocketAddr> =
                found.into_iter().filter(|ip| guard(&host, *ip)).map(|ip| SocketAddr::new(ip, 0)).collect();
            if let_through.is_empty() {
                return Err(Refused.into());
            }
            Ok(Box::new(let_through.into_iter()) as Addrs)
        })
    }
}

fn was_refused(error: &reqwest::Error) -> bool {
    let mut last: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = last {
        if cause.is::<Refused>() {
            return true;
        }
        last = cause.source();
    }
    false
}

/// An error with its causes, without the address: its query may hold what nobody is to read.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let text = last.to_string();
    // The error at the top names the whole address.
    if text.contains("://") { "the request failed".to_owned() } else { text.chars().take(200).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_read_in_both_forms() {
        let now = Micros::from_seconds(1_445_412_400);
        let read = |fields: &[(&'static str, &str)]| {
            let headers = fields.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_static(name), reqwest::header::HeaderValue::from_str(value).unwrap())
            });
            retry_after(&headers.collect(), now)
        };
        let later = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(read(&[("retry-after", "120")]), Some(Duration::from_mins(2)));
        assert_eq!(read(&[("retry-after", later)]), Some(Duration::from_secs(80)));
        // Our clock is wrong, and theirs counts.
        let theirs = "Wed, 21 Oct 2015 07:27:30 GMT";
        assert_eq!(read(&[("retry-after", later), ("date", theirs)]), Some(Duration::from_secs(30)));
        assert_eq!(read(&[("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT")]), Some(Duration::ZERO));
        for none in ["", "soon", "-1"] {
            assert_eq!(read(&[("retry-after", none)]), None, "{none}");
        }
        assert_eq!(read(&[]), None);
    }
}
