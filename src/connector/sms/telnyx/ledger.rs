//! What became of a message that was handed over to Telnyx and of which nothing was heard.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::Desk;
use super::list::{LAG, page};
use super::message::Record;
use crate::connector::ConnectorError;
use crate::connector::feed::{Found, Ledger, Looked, Progress, Sought};
use crate::connector::sms::alike;
use crate::domain::time::Micros;

/// Pages of records of one recipient.
const PAGES_MAX: usize = 50;
/// Looks through the records of messages.
pub(super) struct TelnyxLedger {
    pub(super) desk: Arc<Desk>,
}

impl Ledger for TelnyxLedger {
    fn rests_until(&self) -> Option<Micros> {
        self.desk.reading.until(&self.desk.means.clock)
    }

    fn find<'a>(&'a mut self, sought: &'a Sought) -> BoxFuture<'a, Result<Looked, ConnectorError>> {
        Box::pin(self.look(sought))
    }
}

impl TelnyxLedger {
    async fn look(&self, sought: &Sought) -> Result<Looked, ConnectorError> {
        let mut found = Vec::new();
        let mut wordless = false;
        for record in self.records(sought).await? {
            match self.desk.message(&record.uuid).await? {
                Some((message, _)) => {
                    let progress = message.progress().or_else(|| record.progress()).unwrap_or(Progress::Taken);
                    let code = message.failure().map(|f| f.code).or_else(|| record.code());
                    let at = record.created_at().unwrap_or(sought.after);
                    let alike = message.text.as_deref().is_some_and(|text| alike(text, &sought.text));
                    found.push(Found { id: record.uuid, progress, code, at, alike });
                }
                None => wordless = true,
            }
        }
        // Also where something like it was found: that may be another of ours, and this one not be in the records yet.
        let is_early = self.desk.means.clock.now() < sought.before.plus(LAG);
        let doubt = match (wordless, is_early) {
            (true, _) => {
                Some("Telnyx keeps the words of messages for ten days: look in its portal whether this one was sent")
            }
            (false, true) => Some("it is not in Telnyx's records yet, which may take a while"),
            (false, false) => None,
        };
        found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(Looked { found, doubt: doubt.map(str::to_owned) })
    }

    /// Records of ours to the recipient in the time between.
    async fn records(&self, sought: &Sought) -> Result<Vec<Record>, ConnectorError> {
        let day = |at: crate::domain::time::Micros| TimeZone::UTC.to_datetime(at.timestamp()).date();
        let mut filters = vec![("filter[direction]", "outbound"), ("filter[cld]", sought.to.as_str())];
        filters.extend(self.desk.number.as_deref().map(|number| ("filter[cli]", number)));
        let last = day(sought.before);
        let mut next = Some(self.desk.records(&filters, (day(sought.after), last.tomorrow().unwrap_or(last)))?);
        let mut records: Vec<Record> = Vec::new();
        for _ in 0..PAGES_MAX {
            let Some(url) = next else { return Ok(records) };
            let (page, further) = page(&self.desk, &url).await?;
            next = further;
            for raw in &page {
                let record = Record::read(raw).and_then(|record| Some((record.created_at()?, record)));
                let Some((at, record)) = record else {
                    return Err(ConnectorError::Unreadable("a record of Telnyx's list can't be read".to_owned()));
                };
                let same = !record.is_inbound()
                    && record.cld.as_deref() == Some(sought.to.as_str())
                    && record.belongs_to(&self.desk)
                    && (sought.after..=sought.before).contains(&at)
                    && records.iter().all(|known| known.uuid != record.uuid);
                if same {
                    records.push(record);
                }
            }
        }
        Err(ConnectorError::Unreadable(format!(
            "there are more than {PAGES_MAX} pages of records; look in the portal by hand"
        )))
    }
}
