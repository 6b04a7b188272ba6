//! Text messages. One seam for all providers: a table with an entry for each, and what an entry makes from settings, a [`Line`].
//!
//! A line is one number of ours, or one pool of numbers that the provider chooses from. Providers have no idempotency: what was
//! handed over and got no answer is uncertain, and a [`super::feed::Ledger`] is asked what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::feed::{Feed, Hook, Ledger};
use super::http::{Http, HttpError};
use super::{ConnectorError, Sender};
use crate::clock::Clock;
use crate::domain::phone;

mod fault;
mod send;
pub mod telnyx;
pub mod twilio;
mod walk;

pub use fault::Fault;

/// Characters of one message: both providers take no more (Twilio: error 21617).
pub const TEXT_CHARS_MAX: usize = 1_600;
/// Octets of one answer of a provider that is no file: a page of a list has up to 1,000 messages.
const ANSWER_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// One number of ours, or one pool of them, at one provider. Cheap to ask for its parts.
pub trait Line: fmt::Debug + Send + Sync {
    /// Takes what goes out.
    fn sender(&self) -> Box<dyn Sender>;
    /// Is asked what was said.
    fn feed(&self) -> Box<dyn Feed>;
    /// Takes what the provider posts; `None` where what checks its signature is not configured.
    fn hook(&self) -> Option<Box<dyn Hook>>;
    /// Is asked what became of what was handed over.
    fn ledger(&self) -> Box<dyn Ledger>;
}

/// What every line needs.
#[derive(Debug, Clone)]
pub struct Means {
    /// Asks providers.
    pub http: Http,
    /// Tells the time.
    pub clock: Clock,
}

/// One setting of a provider, for the configuration and its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Whether nobody may see it.
    pub secret: bool,
    /// What it is, for people.
    pub about: &'static str,
}

/// Settings of one line, by name.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<String, SecretString>);

impl Settings {
    /// From names and values; an empty value is none.
    pub fn new(given: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        Self(given.into_iter().filter(|(_, value)| !value.expose_secret().trim().is_empty()).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.expose_secret().trim())
    }

    fn need(&self, name: &'static str) -> Result<&str, SettingsError> {
        self.get(name).ok_or(SettingsError::Missing(name))
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(SecretString::from)
    }

    /// Our number, where there is one: E.164, or a short code.
    fn number(&self) -> Result<Option<String>, SettingsError> {
        let Some(number) = self.get("number") else { return Ok(None) };
        let short_code = (3..=8).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        if phone::is_key(number) || short_code {
            return Ok(Some(number.to_owned()));
        }
        Err(SettingsError::Wrong("number", "write it like +14155550100, or a short code in digits".to_owned()))
    }

    /// Where the provider answers: another place only for tests and for gateways that speak the same. Ends in a slash.
    fn base(&self, usual: &str) -> Result<Url, SettingsError> {
        let text = self.get("base_url").unwrap_or(usual);
        let wrong = || SettingsError::Wrong("base_url", "write an address like https://api.example.com".to_owned());
        let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).map_err(|_| wrong())?;
        let loopback = matches!(url.host(), Some(url::Host::Ipv4(v4)) if v4.is_loopback())
            || matches!(url.host(), Some(url::Host::Ipv6(v6)) if v6.is_loopback())
            || url.host_str() == Some("localhost");
        let safe = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        if !safe || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(wrong());
        }
        Ok(url)
    }

    /// Refuses names that the provider has not.
    fn only(&self, known: &[Setting]) -> Result<(), SettingsError> {
        match self.0.keys().find(|name| known.iter().all(|setting| setting.name != **name)) {
            Some(name) => Err(SettingsError::Unknown(name.clone())),
            None => Ok(()),
        }
    }
}

/// Why no line can be made of settings. Names what is wrong, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not given.
    #[error("`{0}` is missing: give it")]
    Missing(&'static str),
    /// Given, and it can't be.
    #[error("`{0}` can't be right: {1}")]
    Wrong(&'static str, String),
    /// The provider has no such setting.
    #[error("`{0}` is no setting of this provider: remove it, or look at its spelling")]
    Unknown(String),
}

/// A line, or why there can be none.
pub type LineResult = Result<Arc<dyn Line>, SettingsError>;

/// A provider.
#[derive(Clone, Copy)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its settings.
    pub settings: &'static [Setting],
    /// Makes a line.
    pub line: fn(&Settings, &Means) -> LineResult,
    /// What one of its codes means, of a refusal or of a message that failed later.
    pub fault: fn(&str) -> Option<Fault>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every provider there is.
pub const PROVIDERS: &[Provider] = &[twilio::PROVIDER, telnyx::PROVIDER];

/// The provider of a name.
pub fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// Why something could not be read.
fn lost(error: &HttpError) -> ConnectorError {
    let why = error.to_string();
    match error {
        HttpError::TooLarge(_) => ConnectorError::Unreadable(why),
        HttpError::Setup(_) => ConnectorError::Insecure(why),
        HttpError::NotAllowed(_) | HttpError::NotConnected { .. } | HttpError::Unreachable { .. } => {
            ConnectorError::Lost(why)
        }
    }
}

/// Whether a file lies at one of these hosts or below, where it may be fetched without credentials.
fn is_stored_at(stores: &[&str], url: &Url) -> bool {
    let within = |host: &str| {
        stores
            .iter()
            .any(|store| host.strip_suffix(store).is_some_and(|before| before.is_empty() || before.ends_with('.')))
    };
    let plain = url.port().is_none() && url.username().is_empty() && url.password().is_none();
    url.scheme() == "https" && plain && url.host_str().is_some_and(within)
}

/// The key of a conversation: our side, and their number. Where a pool sends, it is the pool: the provider may change its number.
fn conversation(ours: &str, theirs: &str) -> String {
    format!("{ours} {theirs}")
}

/// The token in `status/{token}`, where providers tell how a message fares.
fn token_of(rest: &str) -> Option<&str> {
    let token = rest.trim_matches('/').strip_prefix("status/")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (!token.is_empty() && token.len() <= 200 && token.bytes().all(plain)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: &[(&str, &str)]) -> Settings {
        Settings::new(given.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))))
    }

    #[test]
    fn providers_are_found_by_name_and_have_names_of_their_own() {
        for p in PROVIDERS {
            assert_eq!(provider(p.name).map(|found| found.label), Some(p.label));
            assert!(p.settings.iter().any(|s| s.secret) && p.settings.iter().all(|s| !s.about.is_empty()));
        }
        assert!(provider("pigeon").is_none());
    }

    #[test]
    fn settings_name_what_is_wrong_and_never_show_it() {
        let wrong = settings(&[("number", "my secret"), ("base_url", "http://evil.example")]);
        assert!(matches!(wrong.number(), Err(SettingsError::Wrong("number", _))));
        assert!(matches!(wrong.base("https://api.example.com"), Err(SettingsError::Wrong("base_url", _))));
        assert_eq!(wrong.need("auth_token").unwrap_err(), SettingsError::Missing("auth_token"));
        assert!(!format!("{wrong:?}").contains("my secret"));
        let fine = settings(&[("number", "+14155550100"), ("base_url", "http://127.0.0.1:9/x"), ("auth_token", " ")]);
        assert_eq!(fine.number().unwrap().as_deref(), Some("+14155550100"));
        assert_eq!(fine.base("").unwrap().as_str(), "http://127.0.0.1:9/x/");
        assert!(fine.get("auth_token").is_none());
        for bad in ["https://a:b@api.example.com", "ftp://127.0.0.1", "https://api.example.com?x=1", "http://[::2]/"] {
            assert!(settings(&[("base_url", bad)]).base("").is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_fetched_from_stores_alone() {
        let stored = |url: &str| is_stored_at(&["twiliocdn.com", "amazonaws.com"], &Url::parse(url).unwrap());
        assert!(stored("https://mms.twiliocdn.com/x?y") && stored("https://amazonaws.com/"));
        for not in [
            "http://mms.twiliocdn.com/",
            "https://mms.twiliocdn.com:8443/",
            "https://eviltwiliocdn.com/",
            "https://twiliocdn.com.example.com/",
            "https://x:y@twiliocdn.com/",
            "https://127.0.0.1/twiliocdn.com",
        ] {
            assert!(!stored(not), "{not}");
        }
    }

    #[test]
    fn tokens_are_read_from_the_path() {
        assert_eq!(token_of("status/abc-1_Z"), Some("abc-1_Z"));
        for not in ["", "status/", "status", "status/a/b", "inbound", "status/a%2f", "status/\u{e9}"] {
            assert_eq!(token_of(not), None, "{not}");
        }
    }
}
