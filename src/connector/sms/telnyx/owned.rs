//! Whether what a line writes from is ours at Telnyx: a number (<https://developers.telnyx.com/api-reference/phone-number-configurations/list-phone-numbers>)
//! that belongs to a messaging profile, a number that is hosted elsewhere
//! (<https://developers.telnyx.com/api-reference/messaging/list-messaging-hosted-numbers>), a short code, or a profile
//! (<https://developers.telnyx.com/api-reference/profiles/retrieve-a-messaging-profile>).

use serde_json::Value;
use url::Url;

use super::list::page;
use super::{Desk, PROVIDER};
use crate::connector::ConnectorError;
use crate::connector::feed::Checked;
use crate::connector::sms::is_ours;
use crate::domain::phone::is_key;

/// Short codes of one page; the most there may be.
const CODES_SIZE: &str = "250";
/// Pages of short codes.
const PAGES_MAX: usize = 20;
/// States of a number that is in use.
const IN_USE: &[&str] = &["active", "port-out-pending"];

pub(super) async fn look(desk: &Desk) -> Vec<Checked> {
    let mut all = Vec::new();
    if let Some(number) = &desk.number {
        all.push(told(format!("number {number}"), of_number(desk, number).await));
    }
    if let Some(profile) = &desk.profile {
        all.push(told(format!("messaging profile {profile}"), of_profile(desk, profile).await));
    }
    all
}

/// Why something is not as it must be, or what could not be seen.
enum Doubt {
    Wrong(String),
    Unsure(String),
    Failed(ConnectorError),
}

impl From<ConnectorError> for Doubt {
    fn from(error: ConnectorError) -> Self {
        match error {
            // A key that reads messages and may not look at numbers; something that speaks for Telnyx and knows messages alone.
            ConnectorError::Refused(why) | ConnectorError::Unreadable(why) | ConnectorError::Login(why) => {
                let label = PROVIDER.spec.label;
                Self::Unsure(format!(
                    "{label} did not let us look whether it is ours ({why}): look in its portal; the first message shows it"
                ))
            }
            error @ (ConnectorError::Lost(_) | ConnectorError::Insecure(_) | ConnectorError::SignedOut(_)) => {
                Self::Failed(error)
            }
        }
    }
}

fn told(what: String, outcome: Result<String, Doubt>) -> Checked {
    match outcome {
        Ok(detail) => Checked::new(what, Ok(detail)),
        Err(Doubt::Wrong(why)) => Checked::wrong(what, why),
        Err(Doubt::Unsure(why)) => Checked::unsure(what, why),
        Err(Doubt::Failed(error)) => Checked::new(what, Err(error)),
    }
}

fn text<'a>(found: &'a Value, field: &str) -> &'a str {
    found.get(field).and_then(Value::as_str).unwrap_or_default()
}

async fn of_number(desk: &Desk, number: &str) -> Result<String, Doubt> {
    let found = if is_key(number) {
        match listed(desk, "phone_numbers", number).await? {
            Some(found) => found,
            None => hosted(desk, number).await?,
        }
    } else {
        short_code(desk, number).await?.ok_or_else(not_ours)?
    };
    let state = text(&found, "status");
    if !state.is_empty() && !IN_USE.contains(&state) {
        return Err(Doubt::Wrong(format!(
            "it is ours at Telnyx and not in use (`{state}`): look at it in the portal, Numbers, My Numbers"
        )));
    }
    let profile = found.get("messaging_profile_id");
    match (profile.map(|profile| profile.as_str().unwrap_or_default()), desk.profile.as_deref()) {
        (Some(""), _) => Err(Doubt::Wrong(
            "it is ours at Telnyx and belongs to no messaging profile, without which no text leaves it: choose one in the portal, Numbers, \
             My Numbers, the number, Messaging"
                .to_owned(),
        )),
        (Some(of), Some(given)) if !of.eq_ignore_ascii_case(given) => Err(Doubt::Wrong(format!(
            "it belongs to the messaging profile {of}: correct `messaging_profile_id`, or give the number that profile in the portal"
        ))),
        (Some(_), _) => Ok(is_ours("Telnyx", ", and belongs to a messaging profile")),
        (None, _) => Ok(is_ours("Telnyx", "")),
    }
}

fn not_ours() -> Doubt {
    Doubt::Wrong(
        "the account has no such number at Telnyx: correct `number` (portal: Numbers, My Numbers), or `api_key`, which says whose \
         numbers they are"
            .to_owned(),
    )
}

/// A number in a list that is asked by it.
async fn listed(desk: &Desk, path: &str, number: &str) -> Result<Option<Value>, Doubt> {
    let mut url = desk.url(path)?;
    // Of numbers, digits alone are documented to find anything; hosted ones are asked for as they are written.
    let asked = if path == "phone_numbers" { number.trim_start_matches('+') } else { number };
    url.query_pairs_mut().append_pair("filter[phone_number]", asked);
    let Some(answer) = desk.read(&url).await? else { return Err(unknown(&url).into()) };
    let Some(all) = answer.get("data").and_then(Value::as_array) else { return Err(unknown(&url).into()) };
    Ok(all.iter().find(|one| text(one, "phone_number") == number).cloned())
}

fn unknown(url: &Url) -> ConnectorError {
    ConnectorError::Unreadable(format!("there is no list at {}", url.path()))
}

/// A number whose calls are another's, and whose texts are Telnyx's.
async fn hosted(desk: &Desk, number: &str) -> Result<Value, Doubt> {
    match listed(desk, "messaging/hosted/numbers", number).await {
        Ok(found) => found.ok_or_else(not_ours),
        Err(Doubt::Unsure(_)) => Err(Doubt::Unsure(
            "it is none of the account's numbers at Telnyx, and whether it is one that is hosted for its texts was not seen: compare \
             `number` with the portal"
                .to_owned(),
        )),
        Err(doubt) => Err(doubt),
    }
}

async fn short_code(desk: &Desk, code: &str) -> Result<Option<Value>, Doubt> {
    let mut url = desk.url("short_codes")?;
    url.query_pairs_mut().append_pair("page[size]", CODES_SIZE).append_pair("page[number]", "1");
    for _ in 0..PAGES_MAX {
        let (codes, next) = page(desk, &url).await?;
        if let Some(found) = codes.into_iter().find(|one| text(one, "short_code") == code) {
            return Ok(Some(found));
        }
        let Some(next) = next else { return Ok(None) };
        url = next;
    }
    Err(Doubt::Unsure(format!("there are more than {PAGES_MAX} pages of short codes: look for it in the portal")))
}

async fn of_profile(desk: &Desk, profile: &str) -> Result<String, Doubt> {
    let url = desk.url(&format!("messaging_profiles/{profile}"))?;
    let page = "portal: Messaging, Programmable Messaging";
    let Some(answer) = desk.read(&url).await? else {
        return Err(Doubt::Wrong(format!(
            "the account has no such messaging profile at Telnyx: correct `messaging_profile_id` ({page}), or `api_key`"
        )));
    };
    let found = answer.get("data").filter(|found| text(found, "id").eq_ignore_ascii_case(profile));
    let found = found.ok_or_else(|| unknown(&url))?;
    if found.get("enabled") == Some(&Value::Bool(false)) {
        return Err(Doubt::Wrong(format!("the messaging profile is switched off at Telnyx: switch it on ({page})")));
    }
    if desk.number.is_none() && found.get("number_pool_settings") == Some(&Value::Null) {
        return Err(Doubt::Wrong(format!(
            "the messaging profile has no number pool, and so can't choose what it writes from: give `number` as well, or switch the pool \
             on ({page}, the profile, Outbound)"
        )));
    }
    Ok(is_ours("Telnyx", ""))
}
