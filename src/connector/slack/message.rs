//! One message of Slack's, read leniently: whatever a field holds, the rest is read, and what makes no message at all is none. Pure.

use serde_json::Value;

use super::{METADATA_TYPE, Own, emoji, instant_of, is_direct, text};
use crate::connector::feed::{Attached, Party, Said};
use crate::domain::time::Micros;
use crate::domain::words::Direction;

/// Files of one message that are looked at.
const FILES_MAX: usize = 100;
/// How deep blocks are searched for words.
const DEPTH_MAX: usize = 12;
/// Characters of words that are put together from blocks.
const WORDS_MAX: usize = text::TEXT_CHARS_MAX;
/// What the address of a file begins with whose place Slack tells only when asked for it by its id.
pub const FILE_BY_ID: &str = "slack-file:";
/// The user that speaks for Slack itself.
const SLACKBOT: &str = "USLACKBOT";

/// A field's text; empty where it is not there or no text.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The first of some fields that is not empty.
fn first_of<'a>(value: &'a Value, names: &[&str]) -> &'a str {
    names.iter().map(|name| field(value, name)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// What matters of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Slack's subtype; empty for an ordinary one.
    pub subtype: &'a str,
    /// Its time stamp, which is its id within the conversation.
    pub ts: &'a str,
    /// When.
    pub at: Micros,
    /// The time stamp of the message its thread hangs on, where it is in one.
    pub thread: Option<&'a str>,
    /// The time stamp of the newest answer in its thread, where it has one.
    pub latest_reply: Option<&'a str>,
    /// When it was changed last, where it was.
    pub edited: Option<&'a str>,
    value: &'a Value,
}

impl<'a> Message<'a> {
    /// `None` where there is no time stamp that can be read.
    pub fn read(value: &'a Value) -> Option<Self> {
        let some = |text: &'a str| (!text.is_empty()).then_some(text);
        let stamp = |text: &'a str| some(text).filter(|ts| instant_of(ts).is_some());
        let ts = field(value, "ts");
        Some(Self {
            subtype: field(value, "subtype"),
            ts,
            at: instant_of(ts)?,
            thread: stamp(field(value, "thread_ts")),
            latest_reply: stamp(field(value, "latest_reply")),
            edited: value.get("edited").and_then(|edited| stamp(field(edited, "ts"))),
            value,
        })
    }

    /// Whether somebody says something with it. The others tell of joining, renaming, pins and so on.
    pub fn is_said(&self) -> bool {
        let sayings = ["", "file_share", "me_message", "bot_message", "thread_broadcast", "reply_broadcast"];
        // The note that somebody answered comes without its subtype at times; it carries the message within.
        sayings.contains(&self.subtype) && self.value.get("message").is_none()
    }

    /// Whether it tells that our bot came into the conversation.
    pub fn is_our_coming(&self, own: &Own) -> bool {
        ["channel_join", "group_join"].contains(&self.subtype) && field(self.value, "user") == own.user
    }

    /// Whether it is what is left of a message that was taken back while others had answered it.
    pub fn is_tombstone(&self) -> bool {
        self.subtype == "tombstone"
    }

    /// The words, as a person reads them.
    pub fn words(&self) -> String {
        let written = field(self.value, "text");
        if !written.is_empty() {
            return words_in(self.value);
        }
        let mut words = String::new();
        for (name, fields) in [("blocks", &["text"][..]), ("attachments", &["pretext", "title", "text", "fallback"])] {
            if words.is_empty()
                && let Some(list) = self.value.get(name)
            {
                gather(list, fields, 0, &mut words);
            }
        }
        words.trim().to_owned()
    }

    /// Whether our app said it.
    pub fn is_ours(&self, own: &Own) -> bool {
        let is = |one: &str, other: Option<&str>| !one.is_empty() && other == Some(one);
        is(field(self.value, "user"), Some(&own.user))
            || is(field(self.value, "bot_id"), own.bot.as_deref())
            || is(self.app(), own.app.as_deref())
    }

    /// Our token of it, where it carries one.
    pub fn token(&self) -> Option<&'a str> {
        let metadata = self.value.get("metadata")?;
        if field(metadata, "event_type") != METADATA_TYPE {
            return None;
        }
        Some(field(metadata.get("event_payload")?, "token")).filter(|token| !token.is_empty())
    }

    fn app(&self) -> &'a str {
        let profile = self.value.get("bot_profile").unwrap_or(&Value::Null);
        [field(self.value, "app_id"), field(profile, "app_id")]
            .into_iter()
            .find(|id| !id.is_empty())
            .unwrap_or_default()
    }

    fn is_by_machine(&self) -> bool {
        self.subtype == "bot_message"
            || !field(self.value, "bot_id").is_empty()
            || field(self.value, "user") == SLACKBOT
    }

    fn author(&self, own: &Own) -> Party {
        let profile = self.value.get("user_profile").unwrap_or(&Value::Null);
        let bot = self.value.get("bot_profile").unwrap_or(&Value::Null);
        let names = [
            first_of(profile, &["real_name", "display_name", "name"]),
            field(self.value, "username"),
            field(bot, "name"),
        ];
        Party {
            address: author_address(self.value, own),
            name: names.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned(),
        }
    }

    /// What was said, in a conversation; `peer` is whom a direct message is with, where that is known.
    pub fn said(&self, own: &Own, channel: &str, peer: Option<&str>) -> Said {
        let ours = self.is_ours(own);
        let place = format!("{}/{channel}", own.team);
        let to = match (is_direct(channel), ours) {
            (true, false) => Some(own.address()),
            (true, true) => peer.map(str::to_owned),
            (false, _) => Some(place.clone()),
        };
        Said {
            id: own.message_id(channel, self.ts),
            direction: if ours { Direction::Outbound } else { Direction::Inbound },
            conversation: self.conversation(own, channel),
            place,
            author: self.author(own),
            to: to.map(|address| Party { address, name: String::new() }).into_iter().collect(),
            text: self.words(),
            at: self.at,
            files: self.files(),
            by_machine: self.is_by_machine() || ours,
            edited: self.edited.is_some(),
            mentions: names_the_house(self.value),
            is_history: false,
            token: self.token().filter(|_| ours).map(str::to_owned),
            consent: None,
            raw: self.value.to_string().into_bytes(),
        }
    }

    /// All of a direct message is one; elsewhere each thread is, and what stands alone may become one.
    fn conversation(&self, own: &Own, channel: &str) -> String {
        if is_direct(channel) {
            return format!("{}/{channel}", own.team);
        }
        own.message_id(channel, self.thread.unwrap_or(self.ts))
    }

    fn files(&self) -> Vec<Attached> {
        let files = self.value.get("files").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        files.iter().take(FILES_MAX).filter_map(read_file).collect()
    }
}

/// The text of a message, as a person reads it.
pub(super) fn words_in(message: &Value) -> String {
    text::plain_with(field(message, "text"), &emoji::told(message))
}

/// Whether a message names somebody, a group or a channel, in its text or in its blocks.
pub(super) fn names_the_house(value: &Value) -> bool {
    let text = field(value, "text");
    let marks = ["<@", "<#", "<!subteam", "<!here", "<!channel", "<!everyone"];
    if marks.iter().any(|mark| text.contains(mark)) {
        return true;
    }
    let blocks = value.get("blocks").map(Value::to_string).unwrap_or_default();
    ["user", "usergroup", "channel", "broadcast"].iter().any(|sort| blocks.contains(&format!("\"type\":\"{sort}\"")))
}

/// `TEAM/USER`, with the team the author belongs to; that of a bot without a user names the bot.
pub(super) fn author_address(value: &Value, own: &Own) -> String {
    let profile = value.get("user_profile").unwrap_or(&Value::Null);
    let teams = [first_of(value, &["user_team", "source_team"]), field(profile, "team"), field(value, "team")];
    let who = first_of(value, &["user", "bot_id"]);
    // With a file, Slack may tell the team of whoever wrote it there alone.
    let files = value.get("files").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let theirs = files.iter().filter(|file| field(file, "user") == who).map(|file| field(file, "user_team"));
    let team = teams.into_iter().chain(theirs).find(|team| !team.is_empty()).unwrap_or(&own.team);
    let team = if who == own.user { &own.team } else { team };
    if who.is_empty() { String::new() } else { format!("{team}/{who}") }
}

/// A file; `None` where nothing of it can be had.
fn read_file(file: &Value) -> Option<Attached> {
    let url = first_of(file, &["url_private_download", "url_private"]);
    let gone = ["tombstone", "hidden_by_limit"].contains(&field(file, "mode"));
    let url = match (url, field(file, "id")) {
        _ if gone => return None,
        ("", "") => return None,
        // Over Slack Connect only the id is told.
        ("", id) => format!("{FILE_BY_ID}{id}"),
        (url, _) => url.to_owned(),
    };
    Some(Attached {
        url,
        name: first_of(file, &["name", "title"]).to_owned(),
        mime: field(file, "mimetype").to_owned(),
        size: file.get("size").and_then(Value::as_u64),
    })
}

/// The words within blocks, a line for each.
fn gather(value: &Value, fields: &[&str], depth: usize, words: &mut String) {
    if depth > DEPTH_MAX || words.len() > WORDS_MAX {
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|item| gather(item, fields, depth + 1, words)),
        Value::Object(object) => {
            let mut found = false;
            for name in fields {
                match object.get(*name) {
                    Some(Value::String(text)) if !text.is_empty() && !found => {
                        words.push_str(&text::plain(text));
                        words.push('\n');
                        found = true;
                    }
                    Some(nested @ Value::Object(_)) => gather(nested, fields, depth + 1, words),
                    _ => {}
                }
            }
            if let Some(nested) = object.get("elements").or_else(|| object.get("fields")) {
                gather(nested, fields, depth + 1, words);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own() -> Own {
        Own { team: "T1".into(), user: "UBOT".into(), bot: Some("B1".into()), app: Some("A1".into()) }
    }

    #[test]
    fn a_guests_message_has_the_guests_team_and_our_id() {
        let value = json!({"type":"message","user":"U9","team":"T1","user_team":"T2","source_team":"T2","text":"hi &amp; bye",
            "ts":"1700000000.000200","thread_ts":"1700000000.000100","user_profile":{"real_name":"Zoë"}});
        let said = Message::read(&value).unwrap().said(&own(), "C1", None);
        assert_eq!(said.id, "T1/C1/1700000000.000200");
        assert_eq!(said.conversation, "T1/C1/1700000000.000100");
        assert_eq!((said.author.address.as_str(), said.author.name.as_str()), ("T2/U9", "Zoë"));
        assert_eq!((said.text.as_str(), said.direction, said.by_machine), ("hi & bye", Direction::Inbound, false));
        assert_eq!(said.to[0].address, "T1/C1");
    }

    #[test]
    fn a_direct_message_is_one_conversation_threads_included() {
        let value = json!({"user":"U9","ts":"1.000002","thread_ts":"1.000001","text":"x"});
        let said = Message::read(&value).unwrap().said(&own(), "D1", Some("T1/U9"));
        assert_eq!((said.conversation.as_str(), said.place.as_str()), ("T1/D1", "T1/D1"));
        assert_eq!(said.to[0].address, "T1/UBOT");
    }

    #[test]
    fn our_own_message_is_known_by_any_of_our_names_and_tells_its_token() {
        for (name, value) in [("user", "UBOT"), ("bot_id", "B1"), ("app_id", "A1")] {
            let mut message = json!({"ts":"1.000001","text":"x","user":"U5",
                "metadata":{"event_type":METADATA_TYPE,"event_payload":{"token":"tok","n":7}}});
            message[name] = value.into();
            let said = Message::read(&message).unwrap().said(&own(), "D1", Some("T1/U9"));
            assert_eq!((said.direction, said.by_machine), (Direction::Outbound, true), "{name}");
            assert_eq!((said.token.as_deref(), said.to[0].address.as_str()), (Some("tok"), "T1/U9"));
        }
        // Somebody else who writes our token into theirs is not believed.
        let other = json!({"ts":"1.000001","user":"U5","metadata":{"event_type":METADATA_TYPE,"event_payload":{"token":"tok"}}});
        assert_eq!(Message::read(&other).unwrap().said(&own(), "C1", None).token, None);
    }

    #[test]
    fn odd_fields_cost_nothing_else() {
        let odd = json!({"ts":"1.000001","text":["no"],"user":{"a":1},"files":[7,{"id":"F1","name":"a.png","size":"big"}],
            "metadata":{"event_type":5},"edited":"soon","thread_ts":9,"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"*hello*"}}]});
        let said = Message::read(&odd).unwrap().said(&own(), "C1", None);
        assert_eq!((said.text.as_str(), said.author.address.as_str()), ("*hello*", ""));
        assert_eq!((said.files.len(), said.files[0].url.as_str()), (1, "slack-file:F1"));
        for none in [json!(null), json!([]), json!({}), json!({"ts":1.5}), json!({"ts":"soon"})] {
            assert_eq!(Message::read(&none), None);
        }
    }

    #[test]
    fn a_machines_words_are_found_where_it_put_them() {
        let value = json!({"ts":"1.000001","subtype":"bot_message","bot_id":"B7","text":"","blocks":[
            {"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"one"}]}]},
            {"type":"section","text":{"text":"two"},"fields":[{"text":"three"}]}]});
        let said = Message::read(&value).unwrap().said(&own(), "C1", None);
        assert_eq!(
            (said.text.as_str(), said.author.address.as_str(), said.by_machine),
            ("one\ntwo\nthree", "T1/B7", true)
        );
        let mut deep = json!({"text":"x"});
        for _ in 0..100 {
            deep = json!({"elements":[deep]});
        }
        assert_eq!(Message::read(&json!({"ts":"1.0","blocks":[deep]})).unwrap().words(), "");
    }
}
