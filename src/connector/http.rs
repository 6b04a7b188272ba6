//! The one HTTP client: for the token endpoints of providers. Every request has a time limit, every answer a largest size,
//! and a redirect is an answer, never followed: what is sent here holds secrets.

use std::time::Duration;

use crate::connector::email::tls;

/// How long one request may take, its answer included. Shorter than the lease under which tokens are renewed.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
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
    /// An answer larger than [`ANSWER_OCTETS_MAX`].
    #[error("{0} sent far more than an answer is")]
    TooLarge(String),
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What `Retry-After` says, where it says seconds.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks servers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client that trusts what mail connections trust: `ca_pem` where given, else what the system trusts.
    ///
    /// # Errors
    /// [`HttpError::Setup`] where there are no usable certificates.
    pub fn new(ca_pem: Option<&[u8]>) -> Result<Self, HttpError> {
        let config = tls::client_config(ca_pem).map_err(|e| HttpError::Setup(e.to_string()))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*config).clone())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(REQUEST_TIME_MAX)
            .user_agent(concat!("liaison/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| HttpError::Setup(words(&e)))?;
        Ok(Self { client })
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
        let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok());
        let retry_after = retry_after.and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            if body.len().saturating_add(piece.len()) > ANSWER_OCTETS_MAX {
                return Err(HttpError::TooLarge(host));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, retry_after, body })
    }
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
