//! How messages are told that are no mail: text messages, what is said in Slack, and what a person wrote down.

use std::borrow::Cow;

use crate::domain::words::{Channel, Direction, FileState, Kind};
use crate::store::reading::view::{AttachmentView, MessageView};

/// Whether a message has a subject that says something: mail has one, and what was said elsewhere has the place.
pub(super) fn has_subject(message: &MessageView) -> bool {
    match message.channel {
        Channel::Email => true,
        Channel::Manual => !message.subject.is_empty(),
        Channel::Sms | Channel::Slack => false,
    }
}

/// What it is, in a word or two: how it travelled, where not by mail, and its sort, where no person just said it.
pub(super) fn sort_of(message: &MessageView) -> String {
    match (message.channel, message.kind) {
        (Channel::Email, kind) => kind.to_string(),
        (channel, Kind::Human) => channel.to_string(),
        (channel, kind) => format!("{channel} {kind}"),
    }
}

/// The words, as far as there are any. A reaction is told as one.
pub(super) fn words_of<'a>(message: &MessageView, words: &'a str) -> Cow<'a, str> {
    if message.kind == Kind::Reaction && message.channel != Channel::Email && words.trim().is_empty() {
        return "reacted, and took that back".into();
    }
    if message.kind == Kind::Reaction {
        return format!("reacted with {}", words.trim()).into();
    }
    if message.channel == Channel::Email || !words.trim().is_empty() {
        return words.into();
    }
    match message.attachments.len() {
        0 => "(no words: taken back, or none were written)".into(),
        1 => "(a file)".into(),
        n => format!("({n} files)").into(),
    }
}

/// Who said it, where no name and no address tells: of ours, the account did.
pub(super) fn author_of(message: &MessageView) -> Option<&str> {
    let unnamed = message.from.name.is_empty() && message.from.address.is_empty();
    (unnamed && message.direction == Direction::Outbound).then_some(message.account.as_str())
}

/// A file beside it, and why it is not here, where it is not. Some providers tell neither its name nor its size.
pub(super) fn file_of(file: &AttachmentView) -> String {
    let stands = match (file.state, &file.reason) {
        (FileState::Kept, _) => String::new(),
        (FileState::Waiting, None) => "; to be fetched".to_owned(),
        (FileState::Waiting, Some(why)) => format!("; to be fetched again: {why}"),
        (FileState::Gone, why) => format!("; gone: {}", why.as_deref().unwrap_or("nobody knows why")),
    };
    let file = &file.about;
    let name = if file.name.is_empty() { "a file" } else { file.name.as_str() };
    let size = if file.size == 0 { String::new() } else { format!(", {} octets", file.size) };
    format!("{name} ({}{size}){stands}", file.content_type)
}
