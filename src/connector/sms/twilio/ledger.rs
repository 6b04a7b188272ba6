//! What became of a message that was handed over to Twilio and of which nothing was heard.
//!
//! Twilio's answer to a message is the message itself, as it lies there from then on; so what is in no page of the conversation, and is not
//! after `settle_minutes` either, was not taken. That the list has what was just written is not documented. The lag of lists by day is
//! another: those go by when a message was sent.
//!
//! The whole conversation is looked through, and not the list of a day: a message that waits in Twilio's queue has no `date_sent`,
//! is in no such list, and would be sent a second time.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::list::page;
use super::message::Message;
use super::{Desk, Origin, PAGE_SIZE};
use crate::connector::ConnectorError;
use crate::connector::feed::{Found, Ledger, Looked, Progress, Sought};
use crate::connector::sms::alike;
use crate::domain::time::Micros;
use crate::domain::words::Direction;

/// Pages of a conversation of two numbers.
const PAGES_MAX: usize = 20;

/// Looks through the list of messages.
pub(super) struct TwilioLedger {
    pub(super) desk: Arc<Desk>,
}

impl Ledger for TwilioLedger {
    fn rests_until(&self) -> Option<Micros> {
        self.desk.reading.until(&self.desk.means.clock)
    }

    fn find<'a>(&'a mut self, sought: &'a Sought) -> BoxFuture<'a, Result<Looked, ConnectorError>> {
        Box::pin(self.look(sought))
    }
}

impl TwilioLedger {
    async fn look(&self, sought: &Sought) -> Result<Looked, ConnectorError> {
        let mut url = self.desk.url("Messages.json")?;
        url.query_pairs_mut().append_pair("To", &sought.to);
        // While a pool has not chosen a number, the message has none to be found by.
        if let Origin::Number(number) = &self.desk.origin {
            url.query_pairs_mut().append_pair("From", number);
        }
        url.query_pairs_mut().append_pair("PageSize", PAGE_SIZE);
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let (messages, next) = page(&self.desk, &url).await?;
            for raw in &messages {
                let Some(message) = Message::read(raw).filter(|message| message.created_at().is_some()) else {
                    return Err(ConnectorError::Unreadable("a message of Twilio's list can't be read".to_owned()));
                };
                found.extend(
                    self.matched(&message, sought).filter(|f: &Found| found.iter().all(|g: &Found| g.id != f.id)),
                );
            }
            let Some(next) = next else {
                found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
                return Ok(Looked { found, doubt: None });
            };
            url = next;
        }
        Err(ConnectorError::Unreadable(format!(
            "the conversation has more than {PAGES_MAX} pages at Twilio; look there by hand"
        )))
    }

    fn matched(&self, message: &Message, sought: &Sought) -> Option<Found> {
        let at = message.created_at()?;
        // Twilio writes whole seconds.
        let after = Micros::from_seconds(sought.after.seconds());
        let near = message.direction() == Direction::Outbound
            && message.to.as_deref() == Some(sought.to.as_str())
            && (after..=sought.before).contains(&at)
            && match &self.desk.origin {
                Origin::Number(number) => message.from.as_ref() == Some(number),
                Origin::Service(service) => message.messaging_service_sid.as_ref() == Some(service),
            };
        let progress = message.progress().unwrap_or(Progress::Taken);
        let alike = message.body.as_deref().is_some_and(|body| alike(body, &sought.text));
        near.then(|| Found { id: message.sid.clone(), progress, code: message.code(), at, alike })
    }
}
