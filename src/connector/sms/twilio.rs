//! Twilio, its REST interface of 2010-04-01 (<https://www.twilio.com/docs/messaging/api/message-resource>).

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use url::Url;

use super::send::{Rest, TextSender};
use super::walk::Walker;
use super::{ANSWER_OCTETS_MAX, Line, LineResult, Means, Provider, Settings, SettingsError, harm, lost};
use crate::config::texting::TWILIO;
use crate::connector::feed::{Checked, Feed, Hook, Ledger};
use crate::connector::http::{Credentials, Question, Told};
use crate::connector::{ConnectorError, Sender};
use crate::domain::phone::{is_key, without_numbers};

mod codes;
mod hook;
mod ledger;
mod list;
mod message;
mod owned;
mod send;
pub mod signature;

/// Where it answers.
const BASE: &str = "https://api.twilio.com";
/// Messages of one page of a list; the most there may be.
const PAGE_SIZE: &str = "1000";

/// The entry in the table of providers.
pub const PROVIDER: Provider =
    Provider { spec: &TWILIO, line, fault: codes::fault, harm: |code| harm(codes::fault(code)) };

/// What sends: one number, or a pool from which Twilio chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Number(String),
    Service(String),
}

impl Origin {
    fn name(&self) -> &str {
        match self {
            Self::Number(name) | Self::Service(name) => name,
        }
    }
}

/// What all parts of a line share.
struct Desk {
    means: Means,
    base: Url,
    account: String,
    origin: Origin,
    /// Who signs in, and with what.
    user: String,
    password: SecretString,
    /// Signs what Twilio posts.
    auth_token: Option<SecretString>,
    /// Until when nothing is to be sent.
    rest: Rest,
    /// Until when nothing is to be read.
    reading: Rest,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("account", &self.account).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A number or a pool at Twilio.
#[derive(Debug, Clone)]
struct Twilio(Arc<Desk>);

fn line(settings: &Settings, means: &Means) -> LineResult {
    TWILIO.check(settings)?;
    let account = settings.need("account_sid")?.to_owned();
    let origin = match settings.number()? {
        Some(number) => Origin::Number(number),
        None => Origin::Service(settings.need("messaging_service_sid")?.to_owned()),
    };
    let auth_token = settings.secret("auth_token");
    let (user, password) = match (settings.get("api_key"), settings.secret("api_secret")) {
        (Some(key), Some(secret)) => (key.to_owned(), secret),
        _ => (account.clone(), auth_token.clone().ok_or(SettingsError::Missing("auth_token"))?),
    };
    let base = settings.base(BASE)?;
    let means = means.clone();
    Ok(Arc::new(Twilio(Arc::new(Desk {
        means,
        base,
        account,
        origin,
        user,
        password,
        auth_token,
        rest: Rest::default(),
        reading: Rest::default(),
    }))))
}

impl Line for Twilio {
    fn sender(&self) -> Box<dyn Sender> {
        Box::new(TextSender {
            carrier: Arc::clone(&self.0),
            rest: self.0.rest.clone(),
            clock: self.0.means.clock.clone(),
        })
    }

    fn feed(&self) -> Box<dyn Feed> {
        let lists = list::Lists { desk: Arc::clone(&self.0) };
        Box::new(Walker::new(lists, self.0.means.clock.clone()))
    }

    fn hook(&self) -> Option<Box<dyn Hook>> {
        let auth_token = self.0.auth_token.clone()?;
        Some(Box::new(hook::TwilioHook { desk: Arc::clone(&self.0), auth_token }))
    }

    fn ledger(&self) -> Box<dyn Ledger> {
        Box::new(ledger::TwilioLedger { desk: Arc::clone(&self.0) })
    }

    fn check(&self) -> BoxFuture<'_, Vec<Checked>> {
        super::check(self, (PROVIDER.spec, self.0.means.clock.now()), Box::pin(owned::look(&self.0)))
    }
}

impl Desk {
    fn credentials(&self) -> Credentials<'_> {
        Credentials::Basic(&self.user, &self.password)
    }

    /// An address below the account.
    fn url(&self, path: &str) -> Result<Url, ConnectorError> {
        let below = format!("2010-04-01/Accounts/{}/{path}", self.account);
        self.base.join(&below).map_err(|_| ConnectorError::Unreadable("an id that fits in no address".to_owned()))
    }

    /// Whether what sends is a short code: a number without a country.
    fn is_short_code(&self) -> bool {
        matches!(&self.origin, Origin::Number(number) if !is_key(number))
    }

    /// Whether our credentials may be sent to an address.
    fn is_ours(&self, url: &Url) -> bool {
        url.scheme() == self.base.scheme()
            && url.host_str() == self.base.host_str()
            && url.port_or_known_default() == self.base.port_or_known_default()
            && url.path().starts_with(self.base.path())
            && url.username().is_empty()
            && url.password().is_none()
    }

    /// Asks something that changes nothing, unless Twilio wants to be left alone.
    async fn ask(&self, question: Question<'_>) -> Result<Told, ConnectorError> {
        self.reading.check(PROVIDER.spec.label)?;
        let told = self.means.http.ask(question).await.map_err(|error| lost(&error))?;
        self.reading.heed(&told);
        Ok(told)
    }

    /// Reads JSON.
    async fn read(&self, url: &Url) -> Result<serde_json::Value, ConnectorError> {
        if !self.is_ours(url) {
            return Err(ConnectorError::Insecure(
                "Twilio named another host than its own; it was not asked".to_owned(),
            ));
        }
        let told = self.ask(Question::get(url, self.credentials(), ANSWER_OCTETS_MAX)).await?;
        if told.status != 200 {
            return Err(refused(&told));
        }
        serde_json::from_slice(&told.body).map_err(|_| {
            ConnectorError::Unreadable("Twilio's answer is no JSON of the kind that was asked for".to_owned())
        })
    }
}

/// An answer that is no 200 to something that was only read.
fn refused(told: &Told) -> ConnectorError {
    let said = message::Failure::read(&told.body);
    let why = said
        .map_or_else(|| format!("HTTP {}", told.status), |f| format!("{}: {}", f.code, without_numbers(&f.message)));
    match told.status {
        401 => {
            ConnectorError::Login(format!("{why}: look at the account, the token and the API key in the configuration"))
        }
        429 | 500.. => {
            let rest = told.retry_after.map(|rest| format!("; not before {} s", rest.as_secs())).unwrap_or_default();
            ConnectorError::Lost(format!("{why}{rest}"))
        }
        _ => ConnectorError::Refused(why),
    }
}

#[cfg(test)]
mod tests;
