//! Telnyx, its interface of version 2 (<https://developers.telnyx.com/api-reference/messages/send-a-message>).

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::send::{Rest, TextSender};
use super::walk::Walker;
use super::{ANSWER_OCTETS_MAX, Line, LineResult, Means, Provider, Settings, SettingsError, harm, lost};
use crate::config::texting::{TELNYX, key32};
use crate::connector::feed::{Checked, Feed, Hook, Ledger};
use crate::connector::http::{Credentials, Question, Told};
use crate::connector::{ConnectorError, Sender};
use crate::domain::phone::without_numbers;

mod codes;
mod hook;
mod ledger;
mod list;
mod message;
mod owned;
mod send;
pub mod signature;

use message::Failure;
use signature::PublicKey;

/// Where it answers.
const BASE: &str = "https://api.telnyx.com/v2";
/// Records of one page of a list; the most there may be.
const PAGE_SIZE: &str = "50";

/// The entry in the table of providers.
pub const PROVIDER: Provider =
    Provider { spec: &TELNYX, line, fault: codes::fault, harm: |code| harm(codes::fault(code)) };

/// What all parts of a line share.
struct Desk {
    means: Means,
    base: Url,
    api_key: SecretString,
    public_key: Option<PublicKey>,
    /// Our number; `None` where the profile chooses one of its pool.
    number: Option<String>,
    profile: Option<String>,
    /// Until when nothing is to be sent.
    rest: Rest,
    /// Until when nothing is to be read.
    reading: Rest,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("number", &self.number).field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// A number or a pool at Telnyx.
#[derive(Debug, Clone)]
struct Telnyx(Arc<Desk>);

fn line(settings: &Settings, means: &Means) -> LineResult {
    TELNYX.check(settings)?;
    let api_key = settings.secret("api_key").ok_or(SettingsError::Missing("api_key"))?;
    let public_key = settings.get("public_key").and_then(key32).map(PublicKey::new);
    let number = settings.number()?;
    let profile = settings.get("messaging_profile_id").map(str::to_owned);
    let base = settings.base(BASE)?;
    let means = means.clone();
    let (rest, reading) = (Rest::default(), Rest::default());
    Ok(Arc::new(Telnyx(Arc::new(Desk { means, base, api_key, public_key, number, profile, rest, reading }))))
}

impl Line for Telnyx {
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
        let key = self.0.public_key.clone()?;
        Some(Box::new(hook::TelnyxHook { desk: Arc::clone(&self.0), key }))
    }

    fn ledger(&self) -> Box<dyn Ledger> {
        Box::new(ledger::TelnyxLedger { desk: Arc::clone(&self.0) })
    }

    fn check(&self) -> BoxFuture<'_, Vec<Checked>> {
        super::check(self, (PROVIDER.spec, self.0.means.clock.now()), Box::pin(owned::look(&self.0)))
    }
}

impl Desk {
    /// What stands for us in a conversation.
    fn ours(&self) -> &str {
        self.number.as_deref().or(self.profile.as_deref()).unwrap_or_default()
    }

    fn url(&self, path: &str) -> Result<Url, ConnectorError> {
        self.base.join(path).map_err(|_| ConnectorError::Unreadable("an id that fits in no address".to_owned()))
    }

    /// A list of records between two days, the second left out, the newest first.
    fn records(&self, filters: &[(&str, &str)], (from, to): (Date, Date)) -> Result<Url, ConnectorError> {
        let mut url = self.url("detail_records")?;
        url.query_pairs_mut()
            .append_pair("filter[record_type]", "messaging")
            .extend_pairs(filters)
            .append_pair("filter[created_at][gte]", &from.to_string())
            .append_pair("filter[created_at][lt]", &to.to_string())
            .append_pair("sort", "-created_at")
            .append_pair("page[size]", PAGE_SIZE)
            .append_pair("page[number]", "1");
        Ok(url)
    }

    /// Asks something that changes nothing, unless Telnyx wants to be left alone.
    async fn ask(&self, question: Question<'_>) -> Result<Told, ConnectorError> {
        self.reading.check(PROVIDER.spec.label)?;
        let told = self.means.http.ask(question).await.map_err(|error| lost(&error))?;
        self.reading.heed(&told);
        Ok(told)
    }

    /// Reads JSON, of which `data` is what counts. `None` where there is none of that id.
    async fn read(&self, url: &Url) -> Result<Option<Value>, ConnectorError> {
        let credentials = Credentials::Bearer(&self.api_key);
        let told = self.ask(Question::get(url, credentials, ANSWER_OCTETS_MAX)).await?;
        match told.status {
            200 => {}
            404 => return Ok(None),
            _ => return Err(refused(&told)),
        }
        let unreadable =
            || ConnectorError::Unreadable("Telnyx's answer is no JSON of the kind that was asked for".to_owned());
        let answer: Value = serde_json::from_slice(&told.body).map_err(|_| unreadable())?;
        if answer.get("data").is_none() { Err(unreadable()) } else { Ok(Some(answer)) }
    }
}

/// An answer that is no 200 to something that was only read.
fn refused(told: &Told) -> ConnectorError {
    let said = Failure::read(&told.body);
    let why =
        said.map_or_else(|| format!("HTTP {}", told.status), |f| format!("{}: {}", f.code, without_numbers(&f.words)));
    match told.status {
        401 => ConnectorError::Login(format!("{why}: look at the API key in the configuration")),
        429 | 500.. => {
            let rest = told.retry_after.map(|rest| format!("; not before {} s", rest.as_secs())).unwrap_or_default();
            ConnectorError::Lost(format!("{why}{rest}"))
        }
        _ => ConnectorError::Refused(why),
    }
}

#[cfg(test)]
mod tests;
