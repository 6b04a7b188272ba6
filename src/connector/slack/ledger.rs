//! Looks whether a message of ours was posted: through all that was said in its conversation, or in its thread, in the time it may have
//! been, for the token in its metadata. Says that there is none only after all of it was read.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::api::{Api, Trouble};
use super::member::{channel_of, next_page};
use super::message::Message;
use super::{Own, ts_of};
use crate::connector::ConnectorError;
use crate::connector::feed::{Found, Ledger, Looked, Progress, Sought};
use crate::domain::time::Micros;

/// Messages that are asked for at once: what Slack recommends at most.
pub(super) const PAGE: usize = 200;
/// Pages of one look. A conversation that says more within the time is for a person to look at.
const PAGES_MAX: usize = 500;

/// Asks one workspace.
#[derive(Debug)]
pub struct SlackLedger {
    api: Api,
    own: Own,
}

impl SlackLedger {
    /// One that asks as this app.
    pub fn new(api: Api, own: Own) -> Self {
        Self { api, own }
    }

    async fn look(&self, sought: &Sought) -> Result<Looked, Trouble> {
        let channel = channel_of(&self.api, sought.place.as_deref().unwrap_or(&sought.to)).await?;
        let place = format!("{}/{channel}/", self.own.team);
        let thread = sought.thread.as_deref().and_then(|thread| thread.strip_prefix(&place));
        let mut found = Vec::new();
        let mut page = None;
        for _ in 0..PAGES_MAX {
            let (method, arguments) = question(&channel, thread, sought, page.as_deref());
            let answer = self.api.get(method, &arguments).await?;
            let messages = answer.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            found.extend(messages.iter().filter_map(|value| self.matching(&channel, value, &sought.token)));
            page = next_page(&answer);
            if page.is_none() {
                // The first message of a thread comes with every page of it.
                found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
                found.dedup_by(|a, b| a.id == b.id);
                return Ok(Looked { found, doubt: None });
            }
        }
        Err(Trouble::Unreadable(format!("more than {} messages were said in the time", PAGES_MAX * PAGE)))
    }

    fn matching(&self, channel: &str, value: &Value, token: &str) -> Option<Found> {
        let message = Message::read(value)?;
        if message.token() != Some(token) || !message.is_ours(&self.own) {
            return None;
        }
        let id = self.own.message_id(channel, message.ts);
        // What is posted stands in the conversation: there is nothing between us and its readers.
        Some(Found { id, progress: Progress::Delivered, code: None, at: message.at, alike: true })
    }
}

fn question(
    channel: &str,
    thread: Option<&str>,
    sought: &Sought,
    page: Option<&str>,
) -> (&'static str, Vec<(&'static str, String)>) {
    let mut arguments = vec![
        ("channel", channel.to_owned()),
        ("oldest", ts_of(sought.after)),
        ("latest", ts_of(sought.before.max(sought.after))),
        ("inclusive", "true".to_owned()),
        ("limit", PAGE.to_string()),
        ("include_all_metadata", "true".to_owned()),
    ];
    arguments.extend(thread.map(|ts| ("ts", ts.to_owned())));
    arguments.extend(page.map(|page| ("cursor", page.to_owned())));
    (if thread.is_some() { "conversations.replies" } else { "conversations.history" }, arguments)
}

impl Ledger for SlackLedger {
    fn rests_until(&self) -> Option<Micros> {
        self.api.reading_rests_until()
    }

    fn find<'a>(&'a mut self, sought: &'a Sought) -> BoxFuture<'a, Result<Looked, ConnectorError>> {
        Box::pin(async { Ok(self.look(sought).await?) })
    }
}
