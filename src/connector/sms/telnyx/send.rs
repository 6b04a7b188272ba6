//! Asking Telnyx to send (<https://developers.telnyx.com/api-reference/messages/send-a-message>).

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use super::message::{Failure, Message};
use super::{Desk, codes};
use crate::connector::feed::Words;
use crate::connector::http::{Content, Credentials, HttpError, Method, Question, REQUEST_TIME_MAX, Told};
use crate::connector::sms::send::{Carrier, Said};
use crate::connector::sms::{ANSWER_OCTETS_MAX, Fault};

#[derive(Serialize)]
struct Order<'a> {
    to: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messaging_profile_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<&'a str>,
}

impl Carrier for Desk {
    fn label(&self) -> &'static str {
        "Telnyx"
    }

    fn hand<'a>(&'a self, to: &'a str, words: &'a Words) -> BoxFuture<'a, Result<Told, HttpError>> {
        Box::pin(async move {
            let order = Order {
                to,
                text: &words.text,
                from: self.number.as_deref(),
                messaging_profile_id: self.profile.as_deref(),
                webhook_url: words.callback.as_deref(),
            };
            let setup = |why: String| HttpError::Setup(why);
            let body = serde_json::to_vec(&order).map_err(|error| setup(error.to_string()))?;
            let url = self.url("messages").map_err(|error| setup(error.to_string()))?;
            let question = Question {
                method: Method::Post,
                url: &url,
                credentials: Credentials::Bearer(&self.api_key),
                content: Content::Json(&body),
                octets_max: ANSWER_OCTETS_MAX,
                time_max: REQUEST_TIME_MAX,
            };
            self.means.http.ask(question).await
        })
    }

    fn read(&self, told: &Told) -> Said {
        if (200..300).contains(&told.status) {
            let answer: Option<Value> = serde_json::from_slice(&told.body).ok();
            let message = answer.as_ref().and_then(|a| a.get("data")).and_then(Message::read);
            return message.map_or(Said::Unclear, |message| Said::Taken {
                state: message.progress().map(|p| format!("{p:?}").to_lowercase()).unwrap_or_default(),
                id: message.id,
            });
        }
        Failure::read(&told.body).map_or(Said::Unclear, |failure| {
            let usual = match told.status {
                401 => Fault::SignIn,
                403 => Fault::Ours,
                _ => Fault::Message,
            };
            let fault = codes::fault_at(&failure.code, &failure.place).unwrap_or(usual);
            Said::No { fault, code: Some(failure.code), words: failure.words }
        })
    }
}
