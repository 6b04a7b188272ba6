//! What Telnyx posts: messages that came in, and how ours fare.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::Desk;
use super::message::Message;
use super::signature::PublicKey;
use crate::connector::feed::{Heard, Hook, HookRefusal, HookRequest, Told};
use crate::connector::sms::token_of;
use crate::domain::time::Micros;
use crate::domain::words::Direction;

/// Takes what Telnyx posts for one line.
pub(super) struct TelnyxHook {
    pub(super) desk: Arc<Desk>,
    pub(super) key: PublicKey,
}

#[derive(Deserialize)]
struct Posted {
    data: Event,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "event_type")]
    sort: String,
    #[serde(default)]
    occurred_at: Option<String>,
    #[serde(default)]
    payload: Value,
}

impl Hook for TelnyxHook {
    fn hear(&self, request: &HookRequest) -> Result<Heard, HookRefusal> {
        let rest = request.rest.trim_matches('/');
        let token = token_of(rest);
        if request.method != "POST" || (!rest.is_empty() && token.is_none()) {
            return Err(HookRefusal::NotFound);
        }
        let signature = request.header("telnyx-signature-ed25519").ok_or(HookRefusal::Signature)?;
        let timestamp = request.header("telnyx-timestamp").ok_or(HookRefusal::Signature)?;
        self.key.check(signature, timestamp, &request.body, request.now)?;
        let Posted { data: event } = serde_json::from_slice(&request.body).map_err(|_| HookRefusal::Unreadable)?;
        if event.id.is_empty() || event.id.len() > 200 {
            return Err(HookRefusal::Unreadable);
        }
        let at = event.occurred_at.as_deref().and_then(Micros::parse).unwrap_or(request.now);
        let told = self.told(&event, token, at)?;
        Ok(Heard { told: vec![told], id: Some(event.id), media_type: "application/json", answer: "{}".to_owned() })
    }
}

impl TelnyxHook {
    fn told(&self, event: &Event, token: Option<&str>, at: Micros) -> Result<Told, HookRefusal> {
        let message = || Message::read(&event.payload).ok_or(HookRefusal::Unreadable);
        let other = |sort: &str| Told::Other { sort: sort.chars().take(80).collect() };
        match event.sort.as_str() {
            "message.received" => {
                let message = message()?;
                if message.direction() != Direction::Inbound || !message.belongs_to(&self.desk) {
                    return Ok(other("message of another line"));
                }
                let raw = serde_json::to_vec(&event.payload).unwrap_or_default();
                let at = message.received_at().unwrap_or(at);
                Ok(Told::Said(Box::new(message.said(&self.desk, at, raw))))
            }
            sort @ ("message.sent" | "message.finalized") => {
                let message = message()?;
                // An address of ours that is in none of our messages may still be another line's.
                if token.is_none() && !message.belongs_to(&self.desk) {
                    return Ok(other("message of another line"));
                }
                Ok(message.fares(token, at).unwrap_or_else(|| other(sort)))
            }
            sort => Ok(other(sort)),
        }
    }
}
