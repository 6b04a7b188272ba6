//! How Twilio writes messages, in lists and in what it posts, and what that is in our words.

use serde::Deserialize;
use serde_json::Value;

use super::Origin;
use crate::config::texting::is_sid;
use crate::connector::feed::{Attached, ConsentWord, Party, Progress, Said, Told};
use crate::connector::sms::conversation;
use crate::domain::phone::without_numbers;
use crate::domain::time::Micros;
use crate::domain::words::Direction;

/// A refusal (<https://www.twilio.com/docs/usage/twilios-response#exceptions>).
#[derive(Deserialize)]
pub(super) struct Failure {
    pub(super) code: u32,
    #[serde(default)]
    pub(super) message: String,
}

impl Failure {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// A message as lists and answers have it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Message {
    pub(super) sid: String,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) direction: Option<String>,
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) to: Option<String>,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) num_media: Option<Value>,
    #[serde(default)]
    pub(super) date_sent: Option<String>,
    #[serde(default)]
    pub(super) date_created: Option<String>,
    #[serde(default)]
    pub(super) error_code: Option<Value>,
    #[serde(default, rename = "error_message")]
    pub(super) detail: Option<String>,
    #[serde(default)]
    pub(super) messaging_service_sid: Option<String>,
}

impl Message {
    pub(super) fn read(raw: &Value) -> Option<Self> {
        let message: Self = serde_json::from_value(raw.clone()).ok()?;
        is_message(&message.sid).then_some(message)
    }

    pub(super) fn created_at(&self) -> Option<Micros> {
        self.date_created.as_deref().and_then(date)
    }

    /// The time by which lists are asked for.
    pub(super) fn sent_at(&self) -> Option<Micros> {
        self.date_sent.as_deref().and_then(date).or_else(|| self.created_at())
    }

    pub(super) fn direction(&self) -> Direction {
        let inbound = self.direction.as_deref() == Some("inbound");
        if inbound { Direction::Inbound } else { Direction::Outbound }
    }

    /// Whether it is one of this line's, as a text message: other channels write their name before an address.
    pub(super) fn belongs_to(&self, origin: &Origin) -> bool {
        let plain = |address: &Option<String>| address.as_deref().is_none_or(|a| !a.contains(':'));
        let ours = match self.direction() {
            Direction::Inbound => &self.to,
            Direction::Outbound => &self.from,
        };
        let belongs = match origin {
            Origin::Number(number) => ours.as_ref() == Some(number),
            Origin::Service(service) => self.messaging_service_sid.as_ref() == Some(service),
        };
        belongs && plain(&self.from) && plain(&self.to)
    }

    pub(super) fn media(&self) -> usize {
        let number = match &self.num_media {
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Number(number)) => number.as_u64().and_then(|n| usize::try_from(n).ok()),
            _ => None,
        };
        number.unwrap_or(0)
    }

    pub(super) fn progress(&self) -> Option<Progress> {
        progress(self.status.as_deref().unwrap_or_default())
    }

    pub(super) fn code(&self) -> Option<String> {
        match &self.error_code {
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn said(&self, origin: &Origin, files: Vec<Attached>, raw: Vec<u8>) -> Option<Said> {
        let (from, to) = (self.from.clone().unwrap_or_default(), self.to.clone().unwrap_or_default());
        let direction = self.direction();
        let (ours, theirs) = match direction {
            Direction::Inbound => (&to, &from),
            Direction::Outbound => (&from, &to),
        };
        Some(Said {
            id: self.sid.clone(),
            direction,
            conversation: conversation(origin.name(), theirs),
            place: if ours.is_empty() { origin.name().to_owned() } else { ours.clone() },
            author: party(&from),
            to: vec![party(&to)],
            text: self.body.clone().unwrap_or_default(),
            at: self.sent_at()?,
            files,
            by_machine: false,
            edited: false,
            mentions: false,
            is_history: false,
            token: None,
            consent: None,
            raw,
        })
    }

    pub(super) fn fares(&self) -> Option<Told> {
        Some(Told::Fares {
            id: Some(self.sid.clone()),
            token: None,
            progress: self.progress()?,
            code: self.code(),
            detail: without_numbers(self.detail.as_deref().unwrap_or_default()),
            at: self.sent_at()?,
        })
    }
}

/// An id of a message: `SM` for text, `MM` where files are with it.
pub(super) fn is_message(sid: &str) -> bool {
    is_sid("SM", sid) || is_sid("MM", sid)
}

pub(super) fn party(address: &str) -> Party {
    Party { address: address.to_owned(), name: String::new() }
}

/// A state (<https://www.twilio.com/docs/messaging/api/message-resource#message-status-values>) of a message of ours; `None` for
/// one of theirs, and for states that do not exist yet.
pub(super) fn progress(status: &str) -> Option<Progress> {
    match status {
        "accepted" | "scheduled" | "queued" | "sending" => Some(Progress::Taken),
        "sent" | "partially_delivered" => Some(Progress::Sent),
        "delivered" | "read" => Some(Progress::Delivered),
        "failed" | "undelivered" | "canceled" => Some(Progress::Failed),
        _ => None,
    }
}

/// What Twilio's own keyword handling read (<https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out>).
pub(super) fn consent(opt_out_type: &str) -> Option<ConsentWord> {
    match opt_out_type.to_ascii_uppercase().as_str() {
        "STOP" => Some(ConsentWord::Stop),
        "START" => Some(ConsentWord::Start),
        "HELP" => Some(ConsentWord::Help),
        _ => None,
    }
}

/// A time as Twilio writes it: RFC 2822.
pub(super) fn date(text: &str) -> Option<Micros> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Micros(at.as_microsecond()))
}
