//! Whether what a line writes from is ours at Twilio: a number (<https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>;
//! one that is hosted stands there as well), a short code (<https://www.twilio.com/docs/messaging/api/short-code-resource>), or a
//! messaging service (<https://www.twilio.com/docs/messaging/api/service-resource>).

use serde_json::Value;
use url::Url;

use super::message::Failure;
use super::{Desk, Origin, PROVIDER, refused};
use crate::connector::ConnectorError;
use crate::connector::feed::Checked;
use crate::connector::http::{Question, Told};
use crate::connector::sms::{ANSWER_OCTETS_MAX, is_ours};
use crate::domain::phone::without_numbers;

/// The code of what is not there for these credentials.
const NOT_THERE: u32 = 20_404;

pub(super) async fn look(desk: &Desk) -> Vec<Checked> {
    vec![match &desk.origin {
        Origin::Number(number) if desk.is_short_code() => {
            let page = "Phone Numbers, Manage, Short codes";
            let list =
                List { path: "SMS/ShortCodes.json", filter: "ShortCode", all: "short_codes", name: "short_code", page };
            number_of(desk, number, &list).await
        }
        Origin::Number(number) => {
            let page = "Phone Numbers, Manage, Active numbers";
            let (path, all) = ("IncomingPhoneNumbers.json", "incoming_phone_numbers");
            number_of(desk, number, &List { path, filter: "PhoneNumber", all, name: "phone_number", page }).await
        }
        Origin::Service(sid) => service(desk, sid).await,
    }]
}

/// A list of what is ours.
struct List {
    path: &'static str,
    /// What it is asked by: a pattern, so that longer numbers may come as well.
    filter: &'static str,
    /// Where they stand in the answer.
    all: &'static str,
    /// Where the number stands in each.
    name: &'static str,
    /// Where a person sees the same.
    page: &'static str,
}

async fn number_of(desk: &Desk, number: &str, list: &List) -> Checked {
    let what = format!("number {number}");
    let told = match desk.url(list.path) {
        Ok(mut url) => {
            url.query_pairs_mut().append_pair(list.filter, number);
            asked(desk, &url).await
        }
        Err(error) => Err(error),
    };
    let told = match told {
        Ok(told) if told.status == 200 => told,
        Ok(told) => return unseen(what, &told),
        Err(error) => return Checked::new(what, Err(error)),
    };
    let answer: Value = serde_json::from_slice(&told.body).unwrap_or_default();
    let Some(all) = answer.get(list.all).and_then(Value::as_array) else {
        return Checked::unsure(
            what,
            "what answered in Twilio's place lists no numbers, so whether it is ours was not seen",
        );
    };
    let Some(found) = all.iter().find(|one| one.get(list.name).and_then(Value::as_str) == Some(number)) else {
        let (account, page) = (&desk.account, list.page);
        let why = format!(
            "account {account} has no such number at Twilio: correct `number` (console: {page}), or `account_sid`, for a subaccount has \
             numbers of its own"
        );
        return Checked::wrong(what, why);
    };
    match found.pointer("/capabilities/sms").or_else(|| found.pointer("/capabilities/SMS")).and_then(Value::as_bool) {
        Some(false) => {
            let why =
                "it is ours at Twilio, and can't send text messages: take one that has SMS among its capabilities";
            Checked::wrong(what, format!("{why} (console: {})", list.page))
        }
        Some(true) => Checked::new(what, Ok(is_ours("Twilio", ", made for text messages"))),
        None => Checked::new(what, Ok(is_ours("Twilio", ""))),
    }
}

async fn service(desk: &Desk, sid: &str) -> Checked {
    let what = format!("messaging service {sid}");
    let told = match services(desk).join(&format!("v1/Services/{sid}")) {
        Ok(url) => asked(desk, &url).await,
        Err(_) => Err(ConnectorError::Unreadable("an id that fits in no address".to_owned())),
    };
    let told = match told {
        Ok(told) => told,
        Err(error) => return Checked::new(what, Err(error)),
    };
    let code = Failure::read(&told.body).map(|failure| failure.code);
    let answer: Value = serde_json::from_slice(&told.body).unwrap_or_default();
    let says = |field: &str| answer.get(field).and_then(Value::as_str);
    let is_of_another = says("account_sid").is_some_and(|account| account != desk.account);
    match (told.status, says("sid")) {
        (200, Some(found)) if found == sid && !is_of_another => Checked::new(what, Ok(is_ours("Twilio", ""))),
        (404, _) if code == Some(NOT_THERE) => not_ours(what, desk),
        (200, Some(_)) => not_ours(what, desk),
        _ => unseen(what, &told),
    }
}

fn not_ours(what: String, desk: &Desk) -> Checked {
    let account = &desk.account;
    let why = format!(
        "account {account} has no such messaging service at Twilio: correct `messaging_service_sid` (console: Messaging, Services), or \
         `account_sid`"
    );
    Checked::wrong(what, why)
}

/// Where messaging services are asked for. Twilio has them at a host of their own, also in its regions; what answers in its place
/// (`base_url`) has everything at one.
fn services(desk: &Desk) -> Url {
    let mut base = desk.base.clone();
    let rest = base.host_str().and_then(|host| host.strip_prefix("api."));
    let own = rest.filter(|rest| *rest == "twilio.com" || rest.ends_with(".twilio.com"));
    if let Some(host) = own.map(|rest| format!("messaging.{rest}"))
        && base.set_host(Some(&host)).is_err()
    {
        return desk.base.clone();
    }
    base
}

/// Asks; what asks for patience, and trouble of Twilio's own, are no answer.
async fn asked(desk: &Desk, url: &Url) -> Result<Told, ConnectorError> {
    let told = desk.ask(Question::get(url, desk.credentials(), ANSWER_OCTETS_MAX)).await?;
    if matches!(told.status, 429 | 500..) { Err(refused(&told)) } else { Ok(told) }
}

/// A key may read messages and not look at numbers; a gateway may know messages alone.
fn unseen(what: String, told: &Told) -> Checked {
    let said = Failure::read(&told.body);
    let said = said
        .map_or_else(|| format!("HTTP {}", told.status), |f| format!("{}: {}", f.code, without_numbers(&f.message)));
    let label = PROVIDER.spec.label;
    Checked::unsure(
        what,
        format!(
            "{label} did not let us look whether it is ours ({said}): look in its console; the first message shows it"
        ),
    )
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::clock::Clock;
    use crate::connector::http::Http;
    use crate::connector::sms::Means;
    use crate::connector::sms::send::Rest;

    #[test]
    fn services_are_asked_for_at_the_host_that_has_them() {
        for (base, expected) in [
            ("https://api.twilio.com/", "https://messaging.twilio.com/"),
            ("https://api.dublin.ie1.twilio.com/", "https://messaging.dublin.ie1.twilio.com/"),
            ("https://api.twilio.com.example.org/", "https://api.twilio.com.example.org/"),
            ("https://texts.example.org/twilio/", "https://texts.example.org/twilio/"),
            ("http://127.0.0.1:9/", "http://127.0.0.1:9/"),
        ] {
            let desk = Desk {
                means: Means { http: Http::new(None).unwrap(), clock: Clock::machine() },
                base: Url::parse(base).unwrap(),
                account: "AC".to_owned(),
                origin: Origin::Service("MG".to_owned()),
                user: "AC".to_owned(),
                password: SecretString::from("x"),
                auth_token: None,
                rest: Rest::default(),
                reading: Rest::default(),
            };
            assert_eq!(services(&desk).as_str(), expected);
        }
    }
}
