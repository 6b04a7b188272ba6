//! Telnyx's list of records of messages (<https://developers.telnyx.com/api-reference/detail-records/search-detail-records>), and
//! the messages themselves: a record has no words, and a message is kept for ten days.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde_json::Value;
use url::Url;

use super::message::{Message, Record};
use super::{Desk, PROVIDER, refused};
use crate::connector::ConnectorError;
use crate::connector::feed::{Attached, FileError, Told};
use crate::connector::http::{Credentials, Question};
use crate::connector::sms::send::Rest;
use crate::connector::sms::walk::{Again, Listed, Lister, Page, mark};
use crate::connector::sms::{file_later, file_lost, is_stored_at};

/// How long after its time a record may come into the list, so that until then its absence says nothing. Not documented: it is made with
/// the message, and found once it is indexed, far sooner.
pub(super) const LAG: Duration = Duration::from_hours(6);
/// Where files lie; they need no credentials, and are given none.
const STORES: &[&str] = &["telnyx.com", "telnyxstorage.com", "telnyxcloudstorage.com", "amazonaws.com"];

/// What was said on a line.
pub(super) struct Lists {
    pub(super) desk: Arc<Desk>,
}

impl Lister for Lists {
    fn lag(&self) -> Duration {
        LAG
    }

    fn lists(&self, day: Date) -> Result<Vec<Url>, ConnectorError> {
        let days = (day, day.tomorrow().unwrap_or(day));
        match self.desk.number.as_deref() {
            Some(number) => [
                [("filter[direction]", "inbound"), ("filter[cld]", number)],
                [("filter[direction]", "outbound"), ("filter[cli]", number)],
            ]
            .map(|filters| self.desk.records(&filters, days))
            .into_iter()
            .collect(),
            None => Ok(vec![self.desk.records(&[], days)?]),
        }
    }

    fn page<'a>(&'a mut self, url: &'a Url) -> BoxFuture<'a, Result<Page, ConnectorError>> {
        Box::pin(async move {
            let (records, next) = page(&self.desk, url).await?;
            let listed = records.into_iter().filter_map(|raw| {
                let Some(record) = Record::read(&raw).filter(|record| record.created_at().is_some()) else {
                    tracing::warn!("a record of Telnyx's list can't be read, and is left out");
                    return None;
                };
                if !record.belongs_to(&self.desk) {
                    return None;
                }
                let mark = mark(record.progress().filter(|_| !record.is_inbound()));
                Some(Listed { id: record.uuid.clone(), at: record.created_at()?, mark, raw })
            });
            Ok(Page { listed: listed.collect(), next })
        })
    }

    fn tell<'a>(&'a mut self, listed: &'a Listed, new: bool) -> BoxFuture<'a, Result<Vec<Told>, ConnectorError>> {
        Box::pin(async move {
            let Some(record) = Record::read(&listed.raw) else { return Ok(Vec::new()) };
            let mut told = Vec::new();
            if new {
                let (message, raw) = match self.desk.message(&record.uuid).await {
                    Ok(Some((message, raw))) => (message, raw),
                    Ok(None) => (record.message(), listed.raw.clone()),
                    // That it was said is told all the same, and those behind it don't wait.
                    Err(error) if error.is_about_what_was_asked() => {
                        tracing::warn!(message = record.uuid, %error, "the words of a message can't be had");
                        (record.message(), listed.raw.clone())
                    }
                    Err(error) => return Err(error),
                };
                let raw = serde_json::to_vec(&raw).unwrap_or_default();
                told.push(Told::Said(Box::new(message.said(&self.desk, listed.at, raw))));
            }
            if let Some(progress) = record.progress().filter(|_| !record.is_inbound()) {
                let code = record.code();
                let id = Some(record.uuid);
                told.push(Told::Fares { id, token: None, progress, code, detail: String::new(), at: listed.at });
            }
            Ok(told)
        })
    }

    fn again<'a>(&'a mut self, id: &'a str) -> BoxFuture<'a, Result<Option<Again>, ConnectorError>> {
        Box::pin(async move {
            let found = self.desk.message(id).await?;
            let now = self.desk.means.clock.now();
            Ok(found.map(|(message, _)| Again { progress: message.progress(), told: message.fares(None, now) }))
        })
    }

    fn reading(&self) -> &Rest {
        &self.desk.reading
    }

    fn file<'a>(&'a mut self, file: &'a Attached, octets_max: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        Box::pin(async move {
            let elsewhere =
                || FileError::Elsewhere("the file lies at a host that is not Telnyx's; it was not asked".to_owned());
            let url = Url::parse(&file.url).ok().filter(|url| self.is_store(url)).ok_or_else(elsewhere)?;
            let question = Question::file(&url, Credentials::Nobody, octets_max);
            // How a store of files fares says nothing of the lists.
            let told = self.desk.means.http.ask(question).await.map_err(|error| file_lost(&error))?;
            match told.status {
                200 => Ok(told.body),
                404 | 410 => Err(FileError::Missing("Telnyx does not have the file any more".to_owned())),
                // Nobody signed in there: this is about the link.
                401 | 403 => Err(FileError::from(ConnectorError::Refused(
                    "the link to the file does not hold any more".to_owned(),
                ))),
                429 => Err(file_later(PROVIDER.spec.label, &told)),
                _ => Err(refused(&told).into()),
            }
        })
    }
}

impl Lists {
    fn is_store(&self, url: &Url) -> bool {
        let base = &self.desk.base;
        let at_base = url.scheme() == base.scheme() && url.host_str() == base.host_str() && url.port() == base.port();
        (at_base && url.username().is_empty() && url.password().is_none()) || is_stored_at(STORES, url)
    }
}

impl Desk {
    /// A message with its words; `None` where Telnyx has it no longer.
    pub(super) async fn message(&self, id: &str) -> Result<Option<(Message, Value)>, ConnectorError> {
        let url = self.url(&format!("messages/{id}"))?;
        let Some(mut answer) = self.read(&url).await? else { return Ok(None) };
        let raw = answer.get_mut("data").map(Value::take).unwrap_or_default();
        let message = Message::read(&raw).filter(|message| message.id == id);
        message.map(|message| Some((message, raw))).ok_or_else(|| {
            ConnectorError::Unreadable("Telnyx's answer is not the message that was asked for".to_owned())
        })
    }
}

/// A page of records, and the next one.
pub(super) async fn page(desk: &Desk, url: &Url) -> Result<(Vec<Value>, Option<Url>), ConnectorError> {
    let unreadable = || ConnectorError::Unreadable("Telnyx's answer is no list of records".to_owned());
    let mut answer = desk.read(url).await?.ok_or_else(unreadable)?;
    let number = |field: &str| answer.get("meta").and_then(|meta| meta.get(field)).and_then(Value::as_u64);
    // Without that it is not known whether there is more, and to leave it out would lose what is.
    let (at, all) = (number("page_number").ok_or_else(unreadable)?, number("total_pages").ok_or_else(unreadable)?);
    let Some(Value::Array(records)) = answer.get_mut("data").map(Value::take) else { return Err(unreadable()) };
    let next = (at < all).then(|| {
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != "page[number]")
            .map(|(n, v)| (n.into_owned(), v.into_owned()))
            .collect();
        let mut next = url.clone();
        next.query_pairs_mut()
            .clear()
            .extend_pairs(others)
            .append_pair("page[number]", &at.saturating_add(1).to_string());
        next
    });
    Ok((records, next))
}
