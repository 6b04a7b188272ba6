//! Text messages. One seam for all providers: a table with an entry for each, and what an entry makes from settings, a [`Line`].
//!
//! A line is one number of ours, or one pool of numbers that the provider chooses from. Providers have no idempotency: what was
//! handed over and got no answer is uncertain, and a [`super::feed::Ledger`] is asked what became of it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use url::Url;

use super::ConnectorError;
use super::feed::{Checked, FileError};
use super::http::{Http, HttpError, Told};
use crate::clock::Clock;
use crate::domain::chat::{Harm, HarmOf, text_conversation};
use crate::domain::time::Micros;

mod fault;
mod send;
pub mod telnyx;
pub mod twilio;
mod walk;

pub use crate::config::texting::{Setting, Settings, SettingsError, Texting};
pub use crate::connector::feed::Line;
pub use fault::Fault;

/// Characters of one message: both providers take no more (Twilio: error 21617).
pub const TEXT_CHARS_MAX: usize = 1_600;
/// Octets of one answer of a provider that is no file: a page of a list has up to 1,000 messages.
const ANSWER_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// What every line needs.
#[derive(Debug, Clone)]
pub struct Means {
    /// Asks providers.
    pub http: Http,
    /// Tells the time.
    pub clock: Clock,
}

/// A line, or why there can be none.
pub type LineResult = Result<Arc<dyn Line>, SettingsError>;

/// A provider.
#[derive(Clone, Copy)]
pub struct Provider {
    /// Its names, and what it must be told.
    pub spec: &'static Texting,
    /// Makes a line.
    pub line: fn(&Settings, &Means) -> LineResult,
    /// What one of its codes means, of a refusal or of a message that failed later.
    pub fault: fn(&str) -> Option<Fault>,
    /// What that says of the address it went to.
    pub harm: HarmOf,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.spec.name).finish_non_exhaustive()
    }
}

/// Every provider there is.
pub const PROVIDERS: &[Provider] = &[twilio::PROVIDER, telnyx::PROVIDER];

/// The provider of a name.
pub fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.spec.name == name)
}

/// The step of [`check`] that says that what is posted can be checked, and the one that says that it can't.
const HOOK: &str = "hook";
const NO_HOOK: &str = "no hook";

/// Tries a line: whether its list can be read, whether what it writes from is ours (`ours`, asked only where something can be read at
/// all), and whether what is posted for it can be checked. Nothing is sent, so that something may be sent nobody claims.
fn check<'a>(
    line: &'a dyn Line,
    (provider, now): (&'a Texting, Micros),
    ours: BoxFuture<'a, Vec<Checked>>,
) -> BoxFuture<'a, Vec<Checked>> {
    Box::pin(async move {
        let label = provider.label;
        let mut feed = line.feed();
        let read = feed.next(None, now).await.map(|_| format!("{label} lets us read its messages"));
        feed.close().await;
        let is_read = read.is_ok();
        let mut all = vec![Checked::new("reading", read)];
        if is_read {
            all.extend(ours.await);
        }
        let checks = provider.checks;
        all.push(if line.hook().is_some() {
            Checked::new(HOOK, Ok(format!("what {label} posts can be checked")))
        } else {
            let why = "is not configured, so nothing of that is taken; messages are only asked for";
            Checked::new(NO_HOOK, Ok(format!("`{checks}`, which checks what {label} posts, {why}")))
        });
        all
    })
}

/// What is said of a number or a pool that is ours: of the rest the provider tells with the first message.
fn is_ours(label: &str, more: &str) -> String {
    format!(
        "it is ours at {label}{more}; whether a text from it may go out (registration, countries) is seen with the first"
    )
}

/// What it says of an address that a message did not arrive there.
fn harm(fault: Option<Fault>) -> Harm {
    fault.map_or(Harm::Passing, Fault::harm)
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

/// The same of a file, which may be too large.
fn file_lost(error: &HttpError) -> FileError {
    match error {
        HttpError::TooLarge(_) => FileError::TooLarge,
        HttpError::Setup(_)
        | HttpError::NotAllowed(_)
        | HttpError::NotConnected { .. }
        | HttpError::Unreachable { .. } => lost(error).into(),
    }
}

/// A store of files that wants to be left alone.
fn file_later(label: &str, told: &Told) -> FileError {
    // `0`, or a time that is over, would have us ask again and again.
    let rest = told.retry_after.unwrap_or_default().clamp(send::REST_USUAL, send::REST_MAX);
    FileError::Later { rest, why: format!("{label} asked us to wait before the next file") }
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

/// Whether two texts are one as far as providers keep them: blanks and line ends may be other ones, and characters that need a larger
/// alphabet may have been written in the smaller one (<https://www.twilio.com/docs/messaging/services#smart-encoding>).
fn alike(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

fn plain(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{2032}' => kept.push('\''),
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => kept.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => kept.push('-'),
            '\u{2026}' => kept.push_str("..."),
            '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' => {}
            c => kept.push(c),
        }
    }
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The key of a conversation: our side, and their number. Where a pool sends, it is the pool: the provider may change its number.
fn conversation(ours: &str, theirs: &str) -> String {
    text_conversation(ours, theirs)
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
    use crate::config::texting;

    #[test]
    fn providers_are_those_of_the_configuration_in_its_order() {
        let built: Vec<&str> = PROVIDERS.iter().map(|p| p.spec.name).collect();
        let known: Vec<&str> = texting::PROVIDERS.iter().map(|p| p.name).collect();
        assert_eq!(built, known);
        for p in PROVIDERS {
            assert_eq!(provider(p.spec.name).map(|found| found.spec), texting::texting(p.spec.name));
        }
        assert!(provider("pigeon").is_none());
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
    fn texts_are_alike_whatever_a_provider_does_to_blanks_and_signs() {
        let text = "“Hi” Ana – it\u{2019}s on…\r\nBye  \n";
        assert!(alike(text, "\"Hi\" Ana - it's on...\nBye") && alike("a\u{a0}b", "a b"));
        assert!(!alike(text, "\"Hi\" Ana - it's on...\nBy") && !alike("hello", "Hello"));
    }

    #[test]
    fn tokens_are_read_from_the_path() {
        assert_eq!(token_of("status/abc-1_Z"), Some("abc-1_Z"));
        for not in ["", "status/", "status", "status/a/b", "inbound", "status/a%2f", "status/\u{e9}"] {
            assert_eq!(token_of(not), None, "{not}");
        }
    }
}
