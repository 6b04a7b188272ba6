//! Token endpoints of OAuth 2 (RFC 6749), and device codes (RFC 8628): one question, one answer, told apart by what is to
//! be done about it. Keeps nothing.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::http::{Answer, Http, HttpError};
use crate::domain::oauth::{Provider, brief};
use crate::domain::veil::veil;

/// The life of a token whose answer says none.
const LIFE_DEFAULT: Duration = Duration::from_mins(30);
/// The longest life that is believed.
const LIFE_MAX: Duration = Duration::from_hours(24);
/// The usual pause between two questions about a device code (RFC 8628 §3.5).
const DEVICE_PAUSE: Duration = Duration::from_secs(5);

/// Our registration with a provider, and where it answers.
#[derive(Debug, Clone)]
pub struct Client {
    /// Whose.
    pub provider: Provider,
    /// The id it gave us.
    pub id: String,
    /// Its secret, where there is one.
    pub secret: Option<SecretString>,
    /// Where tokens are had.
    pub token_url: Url,
    /// Where device codes are had, where it has any.
    pub device_url: Option<Url>,
}

/// Tokens, as the provider gave them.
#[derive(Clone)]
pub struct Grant {
    /// Signs in until it ends.
    pub access: SecretString,
    /// How long it lives.
    pub life: Duration,
    /// Gets the next one. `None`: the one that was used stays.
    pub refresh: Option<SecretString>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("life", &self.life)
            .field("rotated", &self.refresh.is_some())
            .finish_non_exhaustive()
    }
}

/// What a person types at their provider's page.
#[derive(Clone, Deserialize)]
pub struct DeviceCode {
    /// What we ask with.
    pub device_code: SecretString,
    /// What the person types.
    pub user_code: String,
    /// Where.
    #[serde(alias = "verification_url")]
    pub verification_uri: String,
    /// How long, seconds.
    pub expires_in: u64,
    /// The pause between two questions, seconds.
    #[serde(default)]
    pub interval: Option<u64>,
}

impl DeviceCode {
    /// The pause between two questions.
    pub fn pause(&self) -> Duration {
        self.interval.map_or(DEVICE_PAUSE, |s| Duration::from_secs(s.clamp(1, 60)))
    }
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// `invalid_grant`: the code or refresh token is used, expired or taken back. Only a person can go on.
    #[error("the provider does not take this sign-in any more: {0}")]
    Revoked(String),
    /// It does not take our client, or the request: the configuration is wrong.
    #[error("the provider refuses our client: {0}")]
    Refused(String),
    /// No connection, no answer, an answer of its machines (5xx, 429): it may work later.
    #[error("{why}")]
    Unreachable {
        /// Why.
        why: String,
        /// Not before.
        after: Option<Duration>,
    },
    /// The person has not typed the code yet.
    #[error("the sign-in is not finished yet")]
    Pending {
        /// Whether we ask too often.
        slower: bool,
    },
}

impl OAuthError {
    /// The same without these secrets: a provider may have said back what it was told.
    fn veiled(self, secrets: &[&str]) -> Self {
        match self {
            Self::Revoked(why) => Self::Revoked(veil(&why, secrets)),
            Self::Refused(why) => Self::Refused(veil(&why, secrets)),
            Self::Unreachable { why, after } => Self::Unreachable { why: veil(&why, secrets), after },
            Self::Pending { slower } => Self::Pending { slower },
        }
    }
}

impl From<HttpError> for OAuthError {
    fn from(error: HttpError) -> Self {
        Self::Unreachable { why: error.to_string(), after: None }
    }
}

#[derive(Deserialize)]
struct Tokens {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<Seconds>,
    #[serde(default)]
    refresh_token: Option<SecretString>,
}

/// Some servers write the number as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

#[derive(Deserialize)]
struct Failure {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

/// A new access token for a refresh token.
pub async fn refresh(http: &Http, client: &Client, token: &SecretString) -> Result<Grant, OAuthError> {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
    ask(http, client, &client.token_url, &fields).await.and_then(|answer| read_grant(&answer))
}

/// Tokens for the code of a sign-in.
pub async fn exchange(
    http: &Http,
    client: &Client,
    code: &str,
    (redirect_uri, verifier): (&str, &str),
) -> Result<Grant, OAuthError> {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier),
    ];
    ask(http, client, &client.token_url, &fields).await.and_then(|answer| read_grant(&answer))
}

/// A code to be typed on another device.
///
/// # Errors
/// [`OAuthError::Refused`] where the provider has none for mail.
pub async fn device_code(http: &Http, client: &Client) -> Result<DeviceCode, OAuthError> {
    let none = || OAuthError::Refused(format!("{} has no device codes for mail", client.provider));
    let url = client.device_url.as_ref().ok_or_else(none)?;
    let answer = ask(http, client, url, &[("scope", client.provider.scope())]).await?;
    serde_json::from_slice(&answer.body).map_err(|_| garbled(&answer))
}

/// Whether the code was typed.
///
/// # Errors
/// [`OAuthError::Pending`] while it was not.
pub async fn device_grant(http: &Http, client: &Client, code: &DeviceCode) -> Result<Grant, OAuthError> {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", code.device_code.expose_secret()),
    ];
    ask(http, client, &client.token_url, &fields).await.and_then(|answer| read_grant(&answer))
}

/// An answer of the sort 2xx; anything else is an error.
async fn ask(http: &Http, client: &Client, url: &Url, fields: &[(&str, &str)]) -> Result<Answer, OAuthError> {
    let mut all = vec![("client_id", client.id.as_str())];
    if let Some(secret) = &client.secret {
        all.push(("client_secret", secret.expose_secret()));
    }
    all.extend_from_slice(fields);
    let answer = http.post_form(url, &all).await?;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    // What is public need not be taken out, and says which client it is about.
    let public = ["client_id", "grant_type", "redirect_uri", "scope"];
    let secrets: Vec<&str> = all.iter().filter(|(name, _)| !public.contains(name)).map(|(_, value)| *value).collect();
    Err(judge(&answer).veiled(&secrets))
}

/// What a refusal is about. Words that only look like one of a person's sign-in are taken for trouble that passes: asking
/// a person to sign in again is the last thing to do.
fn judge(answer: &Answer) -> OAuthError {
    let status = answer.status;
    let unreachable = |why: String| OAuthError::Unreachable { why, after: answer.retry_after };
    if status == 429 || status == 408 || status >= 500 {
        return unreachable(format!("the token endpoint answered {status}"));
    }
    let Ok(said) = serde_json::from_slice::<Failure>(&answer.body) else {
        return unreachable(format!("the token endpoint answered {status} without a reason"));
    };
    let why = said.error_description.map_or_else(|| said.error.clone(), |d| format!("{}: {d}", said.error));
    let why = brief(&why);
    match said.error.as_str() {
        "invalid_grant" | "interaction_required" | "consent_required" | "access_denied" | "expired_token" => {
            OAuthError::Revoked(why)
        }
        "authorization_pending" => OAuthError::Pending { slower: false },
        "slow_down" => OAuthError::Pending { slower: true },
        "temporarily_unavailable" | "server_error" => unreachable(why),
        _ => OAuthError::Refused(why),
    }
}

fn read_grant(answer: &Answer) -> Result<Grant, OAuthError> {
    let tokens: Tokens = serde_json::from_slice(&answer.body).map_err(|_| garbled(answer))?;
    let life = tokens.expires_in.and_then(|seconds| match seconds {
        Seconds::Number(n) => Some(n),
        Seconds::Text(text) => text.trim().parse().ok(),
    });
    let filled = |token: &SecretString| !token.expose_secret().is_empty();
    if !filled(&tokens.access_token) {
        return Err(garbled(answer));
    }
    Ok(Grant {
        access: tokens.access_token,
        life: life.map_or(LIFE_DEFAULT, |s| Duration::from_secs(s).min(LIFE_MAX)),
        refresh: tokens.refresh_token.filter(filled),
    })
}

/// The body is not shown: it may hold half of a token.
fn garbled(answer: &Answer) -> OAuthError {
    let why = format!("the token endpoint answered {} and what it said can't be understood", answer.status);
    OAuthError::Unreachable { why, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: Some(Duration::from_secs(9)), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn only_the_providers_own_word_ends_a_sign_in() {
        assert!(matches!(judge(&answer(400, r#"{"error":"invalid_grant"}"#)), OAuthError::Revoked(_)));
        assert!(matches!(judge(&answer(401, r#"{"error":"invalid_client"}"#)), OAuthError::Refused(_)));
        for (status, body) in
            [(500, r#"{"error":"invalid_grant"}"#), (503, ""), (429, ""), (400, "<html>"), (302, ""), (404, "")]
        {
            let judged = judge(&answer(status, body));
            assert!(matches!(judged, OAuthError::Unreachable { .. }), "{status} {body}: {judged:?}");
        }
    }

    #[test]
    fn tokens_are_read_and_never_printed() {
        let grant =
            read_grant(&answer(200, r#"{"access_token":"sesame","expires_in":"3600","refresh_token":""}"#)).unwrap();
        assert_eq!((grant.life, grant.refresh.is_some()), (Duration::from_hours(1), false));
        assert!(!format!("{grant:?}").contains("sesame"));
        for bad in [r#"{"access_token":""}"#, "{}", "sesame"] {
            let error = read_grant(&answer(200, bad)).unwrap_err();
            assert!(matches!(&error, OAuthError::Unreachable { .. }) && !error.to_string().contains("sesame"), "{bad}");
        }
    }
}
