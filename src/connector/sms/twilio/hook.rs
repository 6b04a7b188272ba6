//! What Twilio posts: messages that came in (<https://www.twilio.com/docs/messaging/guides/webhook-request>), and how ours fare
//! (<https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks>).
//!
//! Nothing here tells the time, so nothing lapses: a repeated request is known by the message's id, and how it fares never goes back.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;

use super::message::{consent, is_message, party, progress};
use super::signature::{is_body_signed, is_form_signed};
use super::{Desk, Origin};
use crate::connector::feed::{Attached, Heard, Hook, HookRefusal, HookRequest, Said, Told};
use crate::connector::sms::{conversation, token_of};
use crate::domain::phone::without_numbers;
use crate::domain::words::Direction;

/// Fields of one form.
const FIELDS_MAX: usize = 500;
/// Files of one message.
const FILES_MAX: usize = 10;
/// An answer that sends nothing (`TwiML`).
const NOTHING: &str = "<Response></Response>";

/// Takes what Twilio posts for one line.
pub(super) struct TwilioHook {
    pub(super) desk: Arc<Desk>,
    pub(super) auth_token: SecretString,
}

/// A form whose signature is right.
struct Form(Vec<(String, String)>);

impl Form {
    /// The value of a field that is there once; an empty one is none.
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
        values.next().filter(|value| !value.is_empty() && values.next().is_none())
    }

    fn need(&self, name: &str) -> Result<&str, HookRefusal> {
        self.get(name).ok_or(HookRefusal::Unreadable)
    }

    fn raw(&self) -> Vec<u8> {
        let pairs: Vec<Value> = self.0.iter().map(|(name, value)| serde_json::json!([name, value])).collect();
        serde_json::to_vec(&pairs).unwrap_or_default()
    }
}

impl Hook for TwilioHook {
    fn hear(&self, request: &HookRequest) -> Result<Heard, HookRefusal> {
        let rest = request.rest.trim_matches('/');
        let token = token_of(rest);
        if request.method != "POST" || (!rest.is_empty() && token.is_none()) {
            return Err(HookRefusal::NotFound);
        }
        let form = self.checked(request)?;
        let told = match (token, form) {
            // Signed, and no form: nothing that we asked for.
            (_, None) => Told::Other { sort: "json".to_owned() },
            (Some(token), Some(form)) => status(&form, token, request)?,
            (None, Some(form)) => self.incoming(&form, request)?,
        };
        Ok(Heard { told: vec![told], id: None, media_type: "text/xml", answer: NOTHING.to_owned() })
    }
}

impl TwilioHook {
    /// The form, once its signature was found right; `None` for another body that is signed.
    fn checked(&self, request: &HookRequest) -> Result<Option<Form>, HookRefusal> {
        let signature = request.header("x-twilio-signature").ok_or(HookRefusal::Signature)?;
        let media_type = request.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let signed = is_body_signed(&self.auth_token, &request.url, &request.body, signature);
            return if signed { Ok(None) } else { Err(HookRefusal::Signature) };
        }
        let fields: Vec<(String, String)> =
            url::form_urlencoded::parse(&request.body).into_owned().take(FIELDS_MAX + 1).collect();
        if fields.len() > FIELDS_MAX {
            return Err(HookRefusal::Unreadable);
        }
        if !is_form_signed(&self.auth_token, &request.url, &fields, signature) {
            return Err(HookRefusal::Signature);
        }
        Ok(Some(Form(fields)))
    }

    /// A message that came in.
    fn incoming(&self, form: &Form, request: &HookRequest) -> Result<Told, HookRefusal> {
        let id = form.get("MessageSid").or_else(|| form.get("SmsMessageSid")).filter(|sid| is_message(sid));
        let id = id.ok_or(HookRefusal::Unreadable)?;
        if form.get("SmsStatus").is_some_and(|status| status != "received") {
            return Ok(Told::Other { sort: "message status".to_owned() });
        }
        let (from, to) = (form.need("From")?, form.need("To")?);
        let ours = match &self.desk.origin {
            Origin::Number(number) => to == number,
            Origin::Service(service) => form.get("MessagingServiceSid") == Some(service),
        };
        if !ours || from.contains(':') {
            return Ok(Told::Other { sort: "message of another line".to_owned() });
        }
        Ok(Told::Said(Box::new(Said {
            id: id.to_owned(),
            direction: Direction::Inbound,
            conversation: conversation(self.desk.origin.name(), from),
            place: to.to_owned(),
            author: party(from),
            to: vec![party(to)],
            text: form.get("Body").unwrap_or_default().to_owned(),
            at: request.now,
            files: files(form),
            by_machine: false,
            edited: false,
            mentions: false,
            is_history: false,
            token: None,
            consent: form.get("OptOutType").and_then(consent),
            raw: form.raw(),
        })))
    }
}

fn files(form: &Form) -> Vec<Attached> {
    let number: usize = form.get("NumMedia").and_then(|n| n.parse().ok()).unwrap_or(0);
    let file = |n: usize| {
        let url = form.get(&format!("MediaUrl{n}"))?.to_owned();
        let mime = form.get(&format!("MediaContentType{n}")).unwrap_or_default().to_owned();
        Some(Attached { url, name: String::new(), mime, size: None })
    };
    (0..number.min(FILES_MAX)).filter_map(file).collect()
}

/// How a message of ours fares.
fn status(form: &Form, token: &str, request: &HookRequest) -> Result<Told, HookRefusal> {
    let id = form.get("MessageSid").or_else(|| form.get("SmsSid")).filter(|sid| is_message(sid));
    let status = form.get("MessageStatus").or_else(|| form.get("SmsStatus")).ok_or(HookRefusal::Unreadable)?;
    let Some(progress) = progress(status) else {
        return Ok(Told::Other { sort: format!("message status {}", status.chars().take(40).collect::<String>()) });
    };
    Ok(Told::Fares {
        id: id.map(str::to_owned),
        token: Some(token.to_owned()),
        progress,
        code: form.get("ErrorCode").filter(|code| *code != "0").map(str::to_owned),
        detail: without_numbers(form.get("ErrorMessage").unwrap_or(status)),
        at: request.now,
    })
}
