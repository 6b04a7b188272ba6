//! Asking Twilio to send (<https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>).

use futures_util::future::BoxFuture;

use super::message::{Failure, Message};
use super::{Desk, Origin, codes};
use crate::connector::feed::Words;
use crate::connector::http::{Content, HttpError, Method, Question, REQUEST_TIME_MAX, Told};
use crate::connector::sms::send::{Carrier, Said};
use crate::connector::sms::{ANSWER_OCTETS_MAX, Fault};

impl Carrier for Desk {
    fn label(&self) -> &'static str {
        "Twilio"
    }

    fn hand<'a>(&'a self, to: &'a str, words: &'a Words) -> BoxFuture<'a, Result<Told, HttpError>> {
        Box::pin(async move {
            let url = self.url("Messages.json").map_err(|error| HttpError::Setup(error.to_string()))?;
            let mut fields = vec![("To", to), ("Body", words.text.as_str())];
            fields.push(match &self.origin {
                Origin::Number(number) => ("From", number),
                Origin::Service(service) => ("MessagingServiceSid", service),
            });
            if let Some(callback) = &words.callback {
                fields.push(("StatusCallback", callback));
            }
            let question = Question {
                method: Method::Post,
                url: &url,
                credentials: self.credentials(),
                content: Content::Form(&fields),
                octets_max: ANSWER_OCTETS_MAX,
                time_max: REQUEST_TIME_MAX,
            };
            self.means.http.ask(question).await
        })
    }

    fn read(&self, told: &Told) -> Said {
        if (200..300).contains(&told.status) {
            let message = serde_json::from_slice(&told.body).ok().and_then(|raw| Message::read(&raw));
            return message.map_or(Said::Unclear, |message| Said::Taken {
                id: message.sid,
                state: message.status.unwrap_or_default(),
            });
        }
        Failure::read(&told.body).map_or(Said::Unclear, |failure| {
            let code = failure.code.to_string();
            let usual = if matches!(told.status, 401 | 403) { Fault::SignIn } else { Fault::Message };
            let fault = if self.is_short_code() { codes::fault_of_short_code(&code) } else { codes::fault(&code) };
            Said::No { fault: fault.unwrap_or(usual), code: Some(code), words: failure.message }
        })
    }
}
