//! Who somebody of a workspace is, and how a direct message reaches them.

use serde_json::{Value, json};

use super::api::{Api, Trouble};
use super::message::field;
use super::{Own, is_user, parts_of};

/// Somebody a workspace knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `TEAM/USER`, with the team they belong to.
    pub address: String,
    /// Their name.
    pub name: String,
    /// Their mail address. Guests over Slack Connect show none.
    pub email: Option<String>,
    /// Whether it is a program.
    pub is_bot: bool,
    /// Whether they belong to another workspace.
    pub is_stranger: bool,
    /// Whether they left.
    pub is_gone: bool,
}

/// Who a user is (`users.info`).
///
/// # Errors
/// [`Trouble::Said`] with `user_not_found` where nobody is.
pub async fn member(api: &Api, own: &Own, user: &str) -> Result<Member, Trouble> {
    let answer = api.get("users.info", &[("user", user.to_owned())]).await?;
    answer.get("user").and_then(|user| read(user, own)).ok_or_else(|| unreadable("users.info"))
}

/// The cursor of the next page of an answer.
pub(super) fn next_page(answer: &Value) -> Option<String> {
    let cursor = field(answer.get("response_metadata")?, "next_cursor");
    (!cursor.is_empty()).then(|| cursor.to_owned())
}

/// The conversation that an address names: of a person the direct message with them, which is opened where it is not.
pub(super) async fn channel_of(api: &Api, address: &str) -> Result<String, Trouble> {
    let none = || Trouble::Said { code: "channel_not_found".to_owned(), needed: None };
    let (_, id) = parts_of(address).ok_or_else(none)?;
    if !is_user(id) {
        return Ok(id.to_owned());
    }
    // As Slack's own description has it: a text with commas, no list.
    let answer = api.post("conversations.open", &json!({ "users": id })).await?;
    let channel = answer.get("channel").map(|channel| field(channel, "id")).unwrap_or_default();
    if channel.is_empty() { Err(unreadable("conversations.open")) } else { Ok(channel.to_owned()) }
}

fn unreadable(method: &str) -> Trouble {
    Trouble::Unreadable(format!("what {method} answered lacks what was asked for"))
}

fn read(user: &Value, own: &Own) -> Option<Member> {
    let id = field(user, "id");
    if id.is_empty() {
        return None;
    }
    let profile = user.get("profile").unwrap_or(&Value::Null);
    let flag = |name: &str| user.get(name).and_then(Value::as_bool).unwrap_or_default();
    let team =
        [field(user, "team_id"), field(profile, "team")].into_iter().find(|t| !t.is_empty()).unwrap_or(&own.team);
    let names =
        [field(profile, "real_name"), field(user, "real_name"), field(profile, "display_name"), field(user, "name")];
    let email = field(profile, "email").trim();
    Some(Member {
        address: format!("{team}/{id}"),
        name: names.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned(),
        email: (!email.is_empty()).then(|| email.to_owned()),
        is_bot: flag("is_bot"),
        is_stranger: flag("is_stranger") || team != own.team,
        is_gone: flag("deleted"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_shows_no_mail_address_and_their_own_team() {
        let own = Own { team: "T1".into(), ..Own::default() };
        let guest = json!({"id":"U9","team_id":"T2","name":"zoe","profile":{"real_name":"Zoë","email":null},"is_stranger":true});
        let member = read(&guest, &own).unwrap();
        assert_eq!((member.address.as_str(), member.name.as_str(), member.email), ("T2/U9", "Zoë", None));
        assert!(member.is_stranger && !member.is_bot && !member.is_gone);
        let ours = json!({"id":"U1","name":"ann","deleted":true,"profile":{"email":" ann@example.org "}});
        let member = read(&ours, &own).unwrap();
        assert_eq!((member.address.as_str(), member.email.as_deref()), ("T1/U1", Some("ann@example.org")));
        assert!(!member.is_stranger && member.is_gone);
        assert_eq!(read(&json!({"name":"x"}), &own), None);
    }

    #[test]
    fn the_next_page_is_there_only_where_it_is_named() {
        assert_eq!(next_page(&json!({"response_metadata":{"next_cursor":""}})), None);
        assert_eq!(next_page(&json!({"response_metadata":{"next_cursor":"c"}})).as_deref(), Some("c"));
        assert_eq!(next_page(&json!({})), None);
    }
}
