//! How Telnyx writes messages and records, and what that is in our words.

use serde::Deserialize;
use serde_json::Value;

use super::Desk;
use crate::config::texting::is_uuid;
use crate::connector::feed::{Attached, ConsentWord, Party, Progress, Said, Told};
use crate::connector::sms::conversation;
use crate::domain::phone::without_numbers;
use crate::domain::time::Micros;
use crate::domain::words::Direction;

/// Files of one message.
const FILES_MAX: usize = 10;

/// The first of the errors of an answer.
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) words: String,
    /// The place in what was asked that it is about; empty where that is not told.
    pub(super) place: String,
}

impl Failure {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        Self::first(answer.get("errors")?)
    }

    fn first(errors: &Value) -> Option<Self> {
        let error = errors.as_array()?.first()?;
        let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
        let code = error.get("code").unwrap_or(error);
        let number = || code.as_u64().map(|code| code.to_string());
        let code = code.as_str().map(str::to_owned).or_else(number)?;
        let (title, detail) = (text("title"), text("detail"));
        let words = if detail.is_empty() { title.to_owned() } else { format!("{title}: {detail}") };
        let place = error.pointer("/source/pointer").and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self { code, words, place })
    }
}

/// Somebody: an object with a number, or in older answers the number alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum End {
    Whole {
        #[serde(default)]
        phone_number: Option<String>,
        #[serde(default)]
        status: Option<String>,
    },
    Number(String),
}

impl End {
    pub(super) fn number(&self) -> &str {
        match self {
            Self::Whole { phone_number, .. } => phone_number.as_deref().unwrap_or_default(),
            Self::Number(number) => number,
        }
    }

    fn status(&self) -> Option<&str> {
        match self {
            Self::Whole { status, .. } => status.as_deref(),
            Self::Number(_) => None,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Media {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    size: Option<u64>,
}

/// A message as answers and events have it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    #[serde(default)]
    direction: Option<String>,
    #[serde(default)]
    pub(super) from: Option<End>,
    #[serde(default)]
    pub(super) to: Vec<End>,
    #[serde(default)]
    cc: Vec<End>,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    media: Option<Vec<Media>>,
    #[serde(default)]
    messaging_profile_id: Option<String>,
    #[serde(default)]
    received_at: Option<String>,
    #[serde(default)]
    sent_at: Option<String>,
    #[serde(default)]
    completed_at: Option<String>,
    #[serde(default)]
    errors: Option<Value>,
    /// What the provider's own keyword handling read.
    #[serde(default)]
    autoresponse_type: Option<String>,
}

impl Message {
    pub(super) fn read(raw: &Value) -> Option<Self> {
        let message: Self = serde_json::from_value(raw.clone()).ok()?;
        is_uuid(&message.id).then_some(message)
    }

    pub(super) fn direction(&self) -> Direction {
        if self.direction.as_deref() == Some("inbound") { Direction::Inbound } else { Direction::Outbound }
    }

    pub(super) fn belongs_to(&self, desk: &Desk) -> bool {
        let Some(number) = desk.number.as_deref() else { return self.messaging_profile_id == desk.profile };
        match self.direction() {
            Direction::Inbound => self.to.iter().chain(&self.cc).any(|end| end.number() == number),
            Direction::Outbound => self.from.as_ref().is_some_and(|end| end.number() == number),
        }
    }

    /// The message as said, at the time that lists and events agree on.
    pub(super) fn said(&self, desk: &Desk, at: Micros, raw: Vec<u8>) -> Said {
        let from = self.from.as_ref().map(End::number).unwrap_or_default();
        let first = self.to.first().map(End::number).unwrap_or_default();
        let direction = self.direction();
        let (ours, theirs) = match direction {
            Direction::Inbound => (desk.number.as_deref().unwrap_or(first), from),
            Direction::Outbound => (from, first),
        };
        Said {
            id: self.id.clone(),
            direction,
            conversation: conversation(desk.ours(), theirs),
            place: if ours.is_empty() { desk.ours().to_owned() } else { ours.to_owned() },
            author: party(from),
            to: self.to.iter().chain(&self.cc).map(|end| party(end.number())).collect(),
            text: self.text.clone().unwrap_or_default(),
            at,
            files: self.files(),
            by_machine: false,
            edited: false,
            mentions: false,
            is_history: false,
            token: None,
            consent: self.autoresponse_type.as_deref().and_then(consent),
            raw,
        }
    }

    pub(super) fn received_at(&self) -> Option<Micros> {
        self.received_at.as_deref().and_then(Micros::parse)
    }

    fn files(&self) -> Vec<Attached> {
        let media = self.media.iter().flatten().take(FILES_MAX);
        media
            .filter_map(|m| {
                let mime = m.content_type.clone().unwrap_or_default();
                Some(Attached { url: m.url.clone()?, name: String::new(), mime, size: m.size })
            })
            .collect()
    }

    pub(super) fn progress(&self) -> Option<Progress> {
        self.to.first().and_then(End::status).and_then(progress)
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.errors.as_ref().and_then(Failure::first)
    }

    /// How it fares; `at` where it does not say when.
    pub(super) fn fares(&self, token: Option<&str>, at: Micros) -> Option<Told> {
        let progress = self.progress()?;
        let stamp = match progress {
            Progress::Delivered | Progress::Failed => &self.completed_at,
            Progress::Sent => &self.sent_at,
            Progress::Taken => &self.received_at,
        };
        let (code, detail) =
            self.failure().map_or((None, String::new()), |f| (Some(f.code), without_numbers(&f.words)));
        Some(Told::Fares {
            id: Some(self.id.clone()),
            token: token.map(str::to_owned),
            progress,
            code,
            detail,
            at: stamp.as_deref().and_then(Micros::parse).unwrap_or(at),
        })
    }
}

/// A record of a message in the list of records.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Record {
    pub(super) uuid: String,
    #[serde(default)]
    pub(super) direction: Option<String>,
    /// The sender.
    #[serde(default)]
    pub(super) cli: Option<String>,
    /// The recipient.
    #[serde(default)]
    pub(super) cld: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) profile_id: Option<String>,
    #[serde(default)]
    pub(super) errors: Option<Value>,
}

impl Record {
    pub(super) fn read(raw: &Value) -> Option<Self> {
        let record: Self = serde_json::from_value(raw.clone()).ok()?;
        is_uuid(&record.uuid).then_some(record)
    }

    pub(super) fn created_at(&self) -> Option<Micros> {
        self.created_at.as_deref().and_then(Micros::parse)
    }

    pub(super) fn is_inbound(&self) -> bool {
        self.direction.as_deref().is_some_and(|d| d.eq_ignore_ascii_case("inbound"))
    }

    pub(super) fn belongs_to(&self, desk: &Desk) -> bool {
        let ours = if self.is_inbound() { &self.cld } else { &self.cli };
        match &desk.number {
            Some(number) => ours.as_ref() == Some(number),
            None => self.profile_id == desk.profile,
        }
    }

    /// The final states of records: two of them say that nobody knows.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self.status.as_deref().unwrap_or_default().to_ascii_lowercase().as_str() {
            "gw_timeout" | "dlr_unconfirmed" | "dlr_timeout" => Some(Progress::Sent),
            "gw_reject" | "failed" => Some(Progress::Failed),
            other => progress(other),
        }
    }

    pub(super) fn code(&self) -> Option<String> {
        self.errors.as_ref().and_then(Failure::first).map(|f| f.code)
    }

    /// What is left of a message whose words Telnyx keeps no longer.
    pub(super) fn message(&self) -> Message {
        let end = |number: &Option<String>| End::Number(number.clone().unwrap_or_default());
        Message {
            id: self.uuid.clone(),
            direction: self.direction.clone().map(|d| d.to_ascii_lowercase()),
            from: Some(end(&self.cli)),
            to: vec![end(&self.cld)],
            cc: Vec::new(),
            text: None,
            media: None,
            messaging_profile_id: self.profile_id.clone(),
            received_at: None,
            sent_at: None,
            completed_at: None,
            errors: None,
            autoresponse_type: None,
        }
    }
}

pub(super) fn party(address: &str) -> Party {
    Party { address: address.to_owned(), name: String::new() }
}

/// A state of a message of ours (<https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>).
pub(super) fn progress(status: &str) -> Option<Progress> {
    match status {
        "queued" | "sending" => Some(Progress::Taken),
        // Nobody will say whether it arrived.
        "sent" | "delivery_unconfirmed" => Some(Progress::Sent),
        "delivered" => Some(Progress::Delivered),
        "sending_failed" | "delivery_failed" | "expired" => Some(Progress::Failed),
        _ => None,
    }
}

fn consent(word: &str) -> Option<ConsentWord> {
    match word.to_ascii_lowercase().as_str() {
        "opt_out" | "stop" => Some(ConsentWord::Stop),
        "opt_in" | "start" => Some(ConsentWord::Start),
        "help" => Some(ConsentWord::Help),
        _ => None,
    }
}
