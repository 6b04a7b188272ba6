//! What Slack tells of itself: the envelopes of its Events API and of its sockets, and what people press. Pure: JSON in, [`Told`] out.
//! What is not known is counted by its name, and never an error.

use serde::Serialize;
use serde_json::Value;

use super::manifest::SHORTCUT;
use super::message::{Message, author_address, field, names_the_house, words_in};
use super::{Own, instant_of};
use crate::connector::feed::{Party, Told};
use crate::domain::time::Micros;

/// Characters of the name of something unknown.
const SORT_CHARS_MAX: usize = 80;

/// What an envelope tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Slack's id of it, by which a repeated one is known.
    pub id: Option<String>,
    /// What it tells.
    pub told: Vec<Told>,
    /// What is to be said back, where Slack only asks whether we are there.
    pub challenge: Option<String>,
}

/// A shortcut that a person chose on a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shortcut {
    /// Which one: the id in the app's manifest.
    pub callback: String,
    /// Who chose it.
    pub by: Party,
    /// The message: `TEAM/CHANNEL/TS`.
    pub message: String,
    /// The thread it is in: `TEAM/CHANNEL/TS` as well.
    pub conversation: Option<String>,
    /// Where it is: `TEAM/CHANNEL`.
    pub place: String,
    /// Who wrote it.
    pub author: Party,
    /// Its words.
    pub text: String,
    /// When it was chosen.
    pub at: Option<Micros>,
}

/// Something to be stored, then acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// By what it is acknowledged.
    pub id: String,
    /// What it tells.
    pub event: Event,
    /// The shortcut, where somebody chose one.
    pub shortcut: Option<Shortcut>,
}

/// What came through a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The socket is ready.
    Hello {
        /// The app it is for.
        app: Option<String>,
    },
    /// Slack is about to close the socket, or says that it is not for us.
    Goodbye {
        /// Why.
        why: String,
    },
    /// Something to be acknowledged once it is stored.
    Envelope(Box<Envelope>),
    /// Something that needs no answer.
    Other,
}

/// Reads what the Events API posts.
pub fn read(payload: &Value, own: &Own) -> Event {
    let id = Some(field(payload, "event_id")).filter(|id| !id.is_empty()).map(str::to_owned);
    let kind = field(payload, "type");
    if kind == "url_verification" {
        let challenge = Some(field(payload, "challenge").chars().take(1_000).collect());
        return Event { id, told: Vec::new(), challenge };
    }
    let told = match payload.get("event") {
        Some(_) if is_foreign(payload, own) => other("another_workspace"),
        Some(event) => told_of(event, own),
        None => other(kind),
    };
    Event { id, told: vec![told], challenge: None }
}

/// Reads what a socket brings; `None` where it is no JSON object.
pub fn read_frame(text: &str, own: &Own) -> Option<Frame> {
    let frame: Value = serde_json::from_str(text).ok().filter(Value::is_object)?;
    let kind = field(&frame, "type");
    let id = field(&frame, "envelope_id");
    if !id.is_empty() {
        let payload = frame.get("payload").unwrap_or(&Value::Null);
        let (event, shortcut) = match kind {
            "events_api" => (read(payload, own), None),
            "interactive" => read_pressed(payload, own),
            _ => (Event { told: vec![other(kind)], ..Event::default() }, None),
        };
        return Some(Frame::Envelope(Box::new(Envelope { id: id.to_owned(), event, shortcut })));
    }
    Some(match kind {
        "hello" => {
            let app = frame.get("connection_info").map(|info| field(info, "app_id")).filter(|id| !id.is_empty());
            Frame::Hello { app: app.map(str::to_owned) }
        }
        "disconnect" => Frame::Goodbye { why: brief(field(&frame, "reason")) },
        _ => Frame::Other,
    })
}

/// Reads what a person pressed.
pub fn read_pressed(payload: &Value, own: &Own) -> (Event, Option<Shortcut>) {
    let kind = field(payload, "type");
    let null = Value::Null;
    let part = |name: &str| payload.get(name).unwrap_or(&null);
    let stamp = field(payload, "action_ts");
    let user = part("user");
    // Nothing else tells one press from another; a trigger lives too short to be met again.
    let id = [field(payload, "trigger_id"), stamp].into_iter().find(|id| !id.is_empty());
    let mut event = Event { id: id.map(|id| brief(&format!("{kind}:{id}"))), told: vec![other(kind)], challenge: None };
    if kind != "message_action" {
        return (event, None);
    }
    let message = part("message");
    let ts = [field(message, "ts"), field(payload, "message_ts")].into_iter().find(|ts| !ts.is_empty());
    let team = Some(field(user, "team_id")).filter(|team| !team.is_empty()).unwrap_or(&own.team);
    let channel = field(part("channel"), "id");
    let thread = Some(field(message, "thread_ts")).filter(|ts| instant_of(ts).is_some());
    let shortcut = Shortcut {
        callback: brief(field(payload, "callback_id")),
        by: Party { address: format!("{team}/{}", field(user, "id")), name: field(user, "name").to_owned() },
        message: own.message_id(channel, ts.unwrap_or_default()),
        conversation: thread.map(|ts| own.message_id(channel, ts)),
        place: format!("{}/{channel}", own.team),
        author: Party { address: author_address(message, own), name: field(message, "username").to_owned() },
        text: words_in(message),
        at: instant_of(stamp),
    };
    // Programs write nothing that a person means to send.
    let by_program = !field(message, "bot_id").is_empty()
        || !field(message, "subtype").is_empty()
        || field(message, "user") == own.user;
    if let Some(at) = shortcut.at.filter(|_| shortcut.callback == SHORTCUT && !by_program) {
        let Shortcut { by, message, conversation, place, author, text, .. } = shortcut.clone();
        let has_files = part("message").get("files").and_then(Value::as_array).is_some_and(|files| !files.is_empty());
        let mentions = names_the_house(part("message"));
        event.told = vec![Told::Pressed { message, conversation, place, by, author, text, has_files, mentions, at }];
    }
    (event, Some(shortcut))
}

/// What one event says.
pub fn told_of(event: &Value, own: &Own) -> Told {
    match field(event, "type") {
        "message" | "app_mention" => message_told(event, own),
        kind @ ("reaction_added" | "reaction_removed") => {
            reacted(event, kind == "reaction_removed", own).unwrap_or_else(|| other(kind))
        }
        kind => other(kind),
    }
}

fn message_told(event: &Value, own: &Own) -> Told {
    let channel = field(event, "channel");
    let subtype = field(event, "subtype");
    let told = match subtype {
        _ if channel.is_empty() => None,
        "message_changed" => changed(event, channel, own),
        "message_deleted" => deleted(event, channel, own),
        _ => Message::read(event).filter(Message::is_said).map(|message| {
            let told = message.said(own, channel, None);
            Told::Said(Box::new(told))
        }),
    };
    told.unwrap_or_else(|| other(&if subtype.is_empty() { "message".to_owned() } else { format!("message.{subtype}") }))
}

/// A change of the words. What only adds a preview, a star or an answer to the count changes nothing that was said.
fn changed(event: &Value, channel: &str, own: &Own) -> Option<Told> {
    let message = Message::read(event.get("message")?)?;
    let at = || {
        [message.edited.unwrap_or_default(), field(event, "event_ts"), field(event, "ts")]
            .into_iter()
            .find_map(instant_of)
    };
    let id = own.message_id(channel, message.ts);
    if message.is_tombstone() {
        let at = [field(event, "event_ts"), field(event, "ts")].into_iter().find_map(instant_of);
        return Some(Told::Deleted { id, at: at.unwrap_or(message.at) });
    }
    let words = message.words();
    let same = match event.get("previous_message").and_then(Message::read) {
        Some(before) => before.words() == words,
        None => message.edited.is_none(),
    };
    if same || !message.is_said() {
        return None;
    }
    Some(Told::Changed { id, text: words, at: at().unwrap_or(message.at) })
}

fn deleted(event: &Value, channel: &str, own: &Own) -> Option<Told> {
    let before = event.get("previous_message").unwrap_or(&Value::Null);
    let ts = [field(event, "deleted_ts"), field(before, "ts")].into_iter().find(|ts| instant_of(ts).is_some())?;
    let at = [field(event, "event_ts"), field(event, "ts")].into_iter().find_map(instant_of);
    Some(Told::Deleted { id: own.message_id(channel, ts), at: at.or_else(|| instant_of(ts))? })
}

/// The id names who reacted with what to which message: the same for adding and taking back, so the later one of both holds.
fn reacted(event: &Value, removed: bool, own: &Own) -> Option<Told> {
    let item = event.get("item").filter(|item| field(item, "type") == "message")?;
    let (channel, ts) = (field(item, "channel"), field(item, "ts"));
    instant_of(ts).filter(|_| !channel.is_empty())?;
    let at = instant_of(field(event, "event_ts"))?;
    let (user, with) = (field(event, "user"), field(event, "reaction"));
    if user.is_empty() || with.is_empty() {
        return None;
    }
    let to = own.message_id(channel, ts);
    let author = Party { address: author_address(event, own), name: String::new() };
    let with: String = with.chars().take(SORT_CHARS_MAX).collect();
    Some(Told::Reacted { id: format!("{to}/{user}/{with}"), to, author, with, at, removed })
}

/// Whether an event is of an installation in another workspace. Of a conversation that is shared, its team may be another one.
fn is_foreign(payload: &Value, own: &Own) -> bool {
    let named = [field(payload, "team_id"), field(payload, "context_team_id")];
    let list = |name: &str| payload.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let authorized = list("authorizations").iter().map(|one| field(one, "team_id"));
    let authed = list("authed_teams").iter().filter_map(Value::as_str);
    let mut teams = named.into_iter().chain(authorized).chain(authed).filter(|team| !team.is_empty()).peekable();
    teams.peek().is_some() && teams.all(|team| team != own.team)
}

fn other(sort: &str) -> Told {
    Told::Other { sort: brief(if sort.is_empty() { "nameless" } else { sort }) }
}

fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SORT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own() -> Own {
        Own { team: "T1".into(), user: "UBOT".into(), bot: Some("B1".into()), app: Some("A1".into()) }
    }

    #[allow(clippy::needless_pass_by_value, reason = "events are written where they are used")]
    fn told(event: Value) -> Told {
        let payload = json!({"type":"event_callback","team_id":"T1","event_id":"Ev1","event":event});
        let mut event = read(&payload, &own());
        assert_eq!((event.id.as_deref(), event.told.len()), (Some("Ev1"), 1));
        event.told.remove(0)
    }

    fn sort(event: Value) -> String {
        let told = told(event);
        let Told::Other { sort } = told else { panic!("{told:?}") };
        sort
    }

    #[test]
    fn only_a_change_of_the_words_is_a_change() {
        let change = |before: &str, after: &str| {
            told(
                json!({"type":"message","subtype":"message_changed","channel":"C1","ts":"9.000001","event_ts":"9.000001",
                "message":{"type":"message","user":"U1","text":after,"ts":"1.000001","edited":{"user":"U1","ts":"9.000000"}},
                "previous_message":{"user":"U1","text":before,"ts":"1.000001"}}),
            )
        };
        assert_eq!(
            change("a", "b &amp; c"),
            Told::Changed { id: "T1/C1/1.000001".into(), text: "b & c".into(), at: Micros(9_000_000) }
        );
        assert_eq!(change("a", "a"), Told::Other { sort: "message.message_changed".into() });
        let tombstone = json!({"type":"message","subtype":"message_changed","channel":"C1","event_ts":"9.000001",
            "message":{"subtype":"tombstone","user":"USLACKBOT","text":"This message was deleted.","ts":"1.000001"}});
        assert_eq!(told(tombstone), Told::Deleted { id: "T1/C1/1.000001".into(), at: Micros(9_000_001) });
    }

    #[test]
    fn a_message_taken_back_is_named() {
        let event = json!({"type":"message","subtype":"message_deleted","channel":"D1","hidden":true,"ts":"5.000001","deleted_ts":"1.000001"});
        assert_eq!(told(event), Told::Deleted { id: "T1/D1/1.000001".into(), at: Micros(5_000_001) });
    }

    #[test]
    fn adding_and_taking_back_a_reaction_have_one_id() {
        let react = |kind: &str| {
            told(
                json!({"type":kind,"user":"U1","reaction":"tada","item":{"type":"message","channel":"C1","ts":"1.000001"},"event_ts":"2.000001"}),
            )
        };
        let (Told::Reacted { id: a, to, removed: false, .. }, Told::Reacted { id: b, removed: true, .. }) =
            (react("reaction_added"), react("reaction_removed"))
        else {
            panic!("no reactions");
        };
        assert_eq!((a.as_str(), to.as_str()), ("T1/C1/1.000001/U1/tada", "T1/C1/1.000001"));
        assert_eq!(a, b);
        assert_eq!(
            sort(json!({"type":"reaction_added","user":"U1","item":{"type":"file","file":"F1"}})),
            "reaction_added"
        );
    }

    #[test]
    fn what_says_nothing_is_counted_by_its_name() {
        for (event, name) in [
            (
                json!({"type":"message","subtype":"channel_join","channel":"C1","ts":"1.0","user":"U1"}),
                "message.channel_join",
            ),
            (json!({"type":"message","subtype":"bot_add","channel":"C1","ts":"1.0"}), "message.bot_add"),
            (json!({"type":"message","channel":"C1","ts":"1.0","message":{"reply_count":2}}), "message"),
            (json!({"type":"message","text":"no place","ts":"1.0"}), "message"),
            (json!({"type":"shared_channel_invite_received","invite":{"id":"I1"}}), "shared_channel_invite_received"),
            (json!({"kind":7}), "nameless"),
            (json!("text"), "nameless"),
        ] {
            assert_eq!(sort(event), name);
        }
    }

    #[test]
    fn a_broadcast_answer_is_said_once_by_one_id() {
        let one = json!({"type":"message","subtype":"thread_broadcast","channel":"C1","user":"U1","text":"x","ts":"2.000001","thread_ts":"1.000001"});
        let two =
            json!({"type":"message","channel":"C1","user":"U1","text":"x","ts":"2.000001","thread_ts":"1.000001"});
        let (Told::Said(one), Told::Said(two)) = (told(one), told(two)) else { panic!("not said") };
        assert_eq!((one.id.as_str(), one.conversation.as_str()), ("T1/C1/2.000001", "T1/C1/1.000001"));
        assert_eq!((one.id, one.conversation), (two.id, two.conversation));
    }

    #[test]
    fn another_workspaces_event_is_not_ours_and_a_guests_is() {
        let event = json!({"type":"message","channel":"C1","user":"U1","text":"x","ts":"2.000001"});
        let foreign = json!({"team_id":"T9","authorizations":[{"team_id":"T9"}],"event":event});
        assert_eq!(read(&foreign, &own()).told, [Told::Other { sort: "another_workspace".into() }]);
        let shared = json!({"team_id":"T9","authorizations":[{"team_id":"T1"}],"event":event});
        assert!(matches!(read(&shared, &own()).told[..], [Told::Said(_)]));
    }

    #[test]
    fn frames_of_a_socket_are_told_apart() {
        let read = |text: &str| read_frame(text, &own());
        assert_eq!(
            read(r#"{"type":"hello","connection_info":{"app_id":"A1"}}"#),
            Some(Frame::Hello { app: Some("A1".into()) })
        );
        assert_eq!(
            read(r#"{"type":"disconnect","reason":"refresh_requested"}"#),
            Some(Frame::Goodbye { why: "refresh_requested".into() })
        );
        assert_eq!(read("[]"), None);
        assert_eq!(read("not json"), None);
        let event =
            json!({"envelope_id":"e1","type":"events_api","payload":{"event_id":"Ev1","event":{"type":"goodbye"}}});
        let Some(Frame::Envelope(envelope)) = read(&event.to_string()) else { panic!("no envelope") };
        assert_eq!((envelope.id.as_str(), envelope.event.id.as_deref()), ("e1", Some("Ev1")));
        assert_eq!(envelope.shortcut, None);
        let pressed = json!({"envelope_id":"e2","type":"interactive","payload":{"type":"message_action","callback_id":"assign","action_ts":"3.000001",
            "trigger_id":"t.1","user":{"id":"U1","name":"ann","team_id":"T1"},"channel":{"id":"C1"},
            "message":{"ts":"1.000001","user":"U9","team":"T2","text":"hi &lt;3"}}});
        let Some(Frame::Envelope(envelope)) = read(&pressed.to_string()) else { panic!("none") };
        let Envelope { event, shortcut: Some(shortcut), .. } = *envelope else { panic!("no shortcut") };
        assert_eq!(event.told, [Told::Other { sort: "message_action".into() }]);
        assert_eq!((shortcut.callback.as_str(), shortcut.message.as_str()), ("assign", "T1/C1/1.000001"));
        assert_eq!((shortcut.by.address.as_str(), shortcut.author.address.as_str()), ("T1/U1", "T2/U9"));
        assert_eq!((shortcut.text.as_str(), shortcut.at), ("hi <3", Some(Micros(3_000_001))));
    }

    #[test]
    fn the_question_whether_we_are_there_is_answered() {
        let event = read(&json!({"type":"url_verification","challenge":"abc"}), &own());
        assert_eq!((event.challenge.as_deref(), event.told.len()), (Some("abc"), 0));
    }
}
