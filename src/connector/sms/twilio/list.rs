//! Twilio's lists of messages and of the files beside them.
//!
//! Lists are asked for by the day, `DateSent=YYYY-MM-DD` in GMT, which is all that is documented, and come newest first. A message
//! that was not sent yet has no such date and comes later. Our number is asked for twice: what came to it, and what went out from it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde_json::Value;
use url::Url;

use super::message::Message;
use super::{Desk, Origin, PAGE_SIZE, PROVIDER, refused};
use crate::connector::ConnectorError;
use crate::connector::feed::{Attached, FileError, Told};
use crate::connector::http::{Credentials, Question};
use crate::connector::sms::send::Rest;
use crate::connector::sms::walk::{Again, Listed, Lister, Page, mark};
use crate::connector::sms::{ANSWER_OCTETS_MAX, file_later, file_lost, is_stored_at};
use crate::domain::words::Direction;

/// How long after its time a message may come into a list, and for how long its further fate is looked at there; later, message by
/// message.
const LAG: Duration = Duration::from_mins(30);
/// Files of one message: ten is the most there may be.
const FILES_MAX: usize = 10;
/// Where files lie that Twilio leads to; nothing secret is sent there.
const STORES: &[&str] = &["twiliocdn.com", "amazonaws.com"];
/// How often a file may lie elsewhere.
const REDIRECTS_MAX: usize = 3;

/// What was said on a line.
pub(super) struct Lists {
    pub(super) desk: Arc<Desk>,
}

impl Lister for Lists {
    fn lag(&self) -> Duration {
        LAG
    }

    fn lists(&self, day: Date) -> Result<Vec<Url>, ConnectorError> {
        let list = |filter: Option<(&str, &str)>| {
            let mut url = self.desk.url("Messages.json")?;
            url.query_pairs_mut()
                .extend_pairs(filter)
                .append_pair("DateSent", &day.to_string())
                .append_pair("PageSize", PAGE_SIZE);
            Ok(url)
        };
        match &self.desk.origin {
            Origin::Number(number) => {
                [("To", number.as_str()), ("From", number)].map(|f| list(Some(f))).into_iter().collect()
            }
            Origin::Service(_) => Ok(vec![list(None)?]),
        }
    }

    fn page<'a>(&'a mut self, url: &'a Url) -> BoxFuture<'a, Result<Page, ConnectorError>> {
        Box::pin(async move {
            let (messages, next) = page(&self.desk, url).await?;
            let listed = messages.into_iter().filter_map(|raw| {
                let Some(message) = Message::read(&raw).filter(|message| message.sent_at().is_some()) else {
                    tracing::warn!("a message of Twilio's list can't be read, and is left out");
                    return None;
                };
                // Some of a message with files may be missing still.
                let whole = message.status.as_deref() != Some("receiving");
                (whole && message.belongs_to(&self.desk.origin)).then_some(())?;
                let mark = mark(message.progress());
                Some(Listed { id: message.sid.clone(), at: message.sent_at()?, mark, raw })
            });
            Ok(Page { listed: listed.collect(), next })
        })
    }

    fn tell<'a>(&'a mut self, listed: &'a Listed, new: bool) -> BoxFuture<'a, Result<Vec<Told>, ConnectorError>> {
        Box::pin(async move {
            let Some(message) = Message::read(&listed.raw) else { return Ok(Vec::new()) };
            let mut told = Vec::new();
            if new {
                let files = if message.media() > 0 { self.files(&message.sid).await? } else { Vec::new() };
                let raw = serde_json::to_vec(&listed.raw).unwrap_or_default();
                told.extend(message.said(&self.desk.origin, files, raw).map(|said| Told::Said(Box::new(said))));
            }
            if message.direction() == Direction::Outbound {
                told.extend(message.fares());
            }
            Ok(told)
        })
    }

    fn again<'a>(&'a mut self, id: &'a str) -> BoxFuture<'a, Result<Option<Again>, ConnectorError>> {
        Box::pin(async move {
            let url = self.desk.url(&format!("Messages/{id}.json"))?;
            let told = self.desk.ask(Question::get(&url, self.desk.credentials(), ANSWER_OCTETS_MAX)).await?;
            match told.status {
                200 => {}
                404 | 410 => return Ok(None),
                _ => return Err(refused(&told)),
            }
            let raw: Option<Value> = serde_json::from_slice(&told.body).ok();
            let message = raw.as_ref().and_then(Message::read).filter(|message| message.sid == id);
            let message = message.ok_or_else(|| {
                ConnectorError::Unreadable("Twilio's answer is not the message that was asked for".to_owned())
            })?;
            Ok(Some(Again { progress: message.progress(), told: message.fares() }))
        })
    }

    fn reading(&self) -> &Rest {
        &self.desk.reading
    }

    fn file<'a>(&'a mut self, file: &'a Attached, octets_max: u64) -> BoxFuture<'a, Result<Vec<u8>, FileError>> {
        Box::pin(self.fetch(file, octets_max))
    }
}

/// A page of messages, and where the list goes on. That must be at Twilio: our credentials go there.
pub(super) async fn page(desk: &Desk, url: &Url) -> Result<(Vec<Value>, Option<Url>), ConnectorError> {
    let mut answer = desk.read(url).await?;
    let Some(Value::Array(messages)) = answer.get_mut("messages").map(Value::take) else {
        return Err(ConnectorError::Unreadable("Twilio's answer is no list of messages".to_owned()));
    };
    let next = answer.get("next_page_uri").and_then(Value::as_str).filter(|uri| !uri.is_empty());
    let next = next.map(|uri| {
        // It begins at the root of the host, which may lie below a path here.
        let next = desk.base.join(uri.trim_start_matches('/')).ok().filter(|next| desk.is_ours(next));
        next.ok_or_else(|| {
            ConnectorError::Insecure("Twilio's list goes on at another host; it was not asked".to_owned())
        })
    });
    Ok((messages, next.transpose()?))
}

impl Lists {
    /// The files beside a message (<https://www.twilio.com/docs/messaging/api/media-resource>).
    async fn files(&self, sid: &str) -> Result<Vec<Attached>, ConnectorError> {
        let url = self.desk.url(&format!("Messages/{sid}/Media.json"))?;
        let answer = match self.desk.read(&url).await {
            Ok(answer) => answer,
            // They were deleted there, say; the words are not lost for that, and those behind them don't wait.
            Err(error) if error.is_about_what_was_asked() => {
                tracing::warn!(message = sid, %error, "the files beside a message can't be had");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let Some(list) = answer.get("media_list").and_then(Value::as_array) else {
            return Err(ConnectorError::Unreadable("Twilio's answer is no list of files".to_owned()));
        };
        let text = |media: &Value, field: &str| media.get(field).and_then(Value::as_str).map(str::to_owned);
        let files = list.iter().take(FILES_MAX).filter_map(|media| {
            let url = self.desk.url(&format!("Messages/{sid}/Media/{}", text(media, "sid")?)).ok()?;
            let mime = text(media, "content_type").unwrap_or_default();
            Some(Attached { url: url.into(), name: String::new(), mime, size: None })
        });
        Ok(files.collect())
    }

    /// Twilio leads to where a file lies. Our credentials go to Twilio alone, and nobody is asked but its stores.
    async fn fetch(&self, file: &Attached, octets_max: u64) -> Result<Vec<u8>, FileError> {
        let elsewhere =
            || FileError::Elsewhere("the file lies at a host that is not Twilio's; it was not asked".to_owned());
        let mut url = Url::parse(&file.url).ok().filter(|url| self.desk.is_ours(url)).ok_or_else(elsewhere)?;
        for _ in 0..=REDIRECTS_MAX {
            let is_ours = self.desk.is_ours(&url);
            let credentials = if is_ours { self.desk.credentials() } else { Credentials::Nobody };
            // How a store of files fares says nothing of the lists.
            if is_ours {
                self.desk.reading.check_file(PROVIDER.spec.label)?;
            }
            let told = self
                .desk
                .means
                .http
                .ask(Question::file(&url, credentials, octets_max))
                .await
                .map_err(|error| file_lost(&error))?;
            if is_ours {
                self.desk.reading.heed(&told);
            }
            match (told.status, told.location.as_deref()) {
                (200, _) => return Ok(told.body),
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    let next = url.join(location).ok();
                    url = next.filter(|u| self.desk.is_ours(u) || is_stored_at(STORES, u)).ok_or_else(elsewhere)?;
                }
                (404 | 410, _) => return Err(FileError::Missing("Twilio does not have the file any more".to_owned())),
                // Nobody signed in there: this is about the link.
                (401 | 403, _) if !is_ours => {
                    let why = "the link to the file does not hold any more";
                    return Err(ConnectorError::Refused(why.to_owned()).into());
                }
                (429, _) => return Err(file_later(PROVIDER.spec.label, &told)),
                _ => return Err(refused(&told).into()),
            }
        }
        Err(ConnectorError::Unreadable("the file is led on and on".to_owned()).into())
    }
}
