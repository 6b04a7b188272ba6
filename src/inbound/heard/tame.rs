//! What others wrote, made fit to be stored: no text of a database holds U+0000 (PostgreSQL refuses it), and no list shows a line break.

use serde_json::{Value, json};

use crate::connector::feed::{Attached, FILE_OCTETS_MAX, FileError, Party, Said, Told};
use crate::domain::ids::MessageId;
use crate::domain::mail::{Attachment, Mailbox, TEXT_MAX};
use crate::domain::time::Micros;
use crate::inbound::faces::Faces;
use crate::store::file::NewFile;

/// Characters of a name or an address.
const NAME_CHARS_MAX: usize = 300;
/// Octets of the address of a file.
const URL_OCTETS_MAX: usize = 4_000;

/// The same with the name of who wrote it, where only their provider tells that.
pub(super) fn named(mut told: Told, faces: &Faces) -> Told {
    if let Told::Said(said) = &mut told
        && said.author.name.is_empty()
        && let Some(face) = faces.get(&said.author.address)
    {
        said.author.name.clone_from(&face.name);
    }
    told
}

/// The same without U+0000 in any text of it.
pub(super) fn without_nul(mut told: Told) -> Told {
    match &mut told {
        Told::Said(said) => strip_said(said),
        Told::Changed { id, text, at: _ } => [id, text].into_iter().for_each(strip),
        Told::Deleted { id, at: _ } => strip(id),
        Told::Reacted { id, to, author, with, at: _, removed: _ } => {
            [id, to, with].into_iter().for_each(strip);
            strip_party(author);
        }
        Told::Pressed { message, conversation, place, by, author, text, has_files: _, mentions: _, at: _ } => {
            [message, place, text].into_iter().for_each(strip);
            conversation.iter_mut().for_each(strip);
            [by, author].into_iter().for_each(strip_party);
        }
        Told::Fares { id, token, progress: _, code, detail, at: _ } => {
            [id, token, code].into_iter().flatten().for_each(strip);
            strip(detail);
        }
        Told::Other { sort } => strip(sort),
    }
    told
}

fn strip_said(said: &mut Said) {
    [&mut said.id, &mut said.conversation, &mut said.place, &mut said.text].into_iter().for_each(strip);
    said.token.iter_mut().for_each(strip);
    strip_party(&mut said.author);
    said.to.iter_mut().for_each(strip_party);
    said.files.iter_mut().for_each(|file| [&mut file.url, &mut file.name, &mut file.mime].into_iter().for_each(strip));
}

fn strip_party(party: &mut Party) {
    [&mut party.address, &mut party.name].into_iter().for_each(strip);
}

fn strip(text: &mut String) {
    text.retain(|c| c != '\0');
}

/// The words as far as they are kept.
pub(super) fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// A text in one line, no longer than names are.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(NAME_CHARS_MAX).collect()
}

/// Somebody as messages name them.
pub(super) fn mailbox(party: &Party) -> Mailbox {
    Mailbox { name: plain(&party.name), address: plain(&party.address) }
}

/// Files beside it, as messages list them.
pub(super) fn attachments(files: &[Attached]) -> Option<Value> {
    let list: Vec<Attachment> = files
        .iter()
        .map(|file| Attachment {
            name: plain(&file.name),
            content_type: plain(&file.mime).to_lowercase(),
            size: file.size.unwrap_or(0),
            inline: false,
            content_id: None,
        })
        .collect();
    (!list.is_empty()).then(|| json!(list))
}

/// The same, as they wait to be fetched.
pub(super) fn files_of(message_id: MessageId, account: &str, files: &[Attached], at: Micros) -> Vec<NewFile> {
    let file = |(position, file): (i64, &Attached)| {
        let is_long = file.url.len() > URL_OCTETS_MAX;
        let too_large = file.size.is_some_and(|size| size > FILE_OCTETS_MAX);
        let gone = match (is_long, too_large) {
            (true, _) => Some("its address makes no sense".to_owned()),
            (false, true) => Some(FileError::TooLarge.to_string()),
            (false, false) => None,
        };
        NewFile {
            message_id,
            position,
            account: account.to_owned(),
            url: if is_long { String::new() } else { file.url.clone() },
            name: plain(&file.name),
            mime: plain(&file.mime).to_lowercase(),
            size: file.size.and_then(|size| i64::try_from(size).ok()),
            gone,
            at,
        }
    };
    (0..).zip(files).map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::words::{Direction, Progress};

    #[test]
    fn a_file_that_is_too_large_or_nowhere_is_not_waited_for() {
        let file = |url: &str, size| Attached { url: url.into(), name: "A\nb".into(), mime: "Image/PNG".into(), size };
        let long = "x".repeat(URL_OCTETS_MAX + 1);
        let files = [file("u", None), file("u", Some(FILE_OCTETS_MAX)), file("u", Some(u64::MAX)), file(&long, None)];
        let rows = files_of(MessageId(uuid::Uuid::nil()), "texts", &files, Micros(7));
        let told: Vec<_> = rows.iter().map(|row| (row.position, row.size, row.gone.is_some(), row.url.len())).collect();
        let most = i64::try_from(FILE_OCTETS_MAX).unwrap();
        assert_eq!(told, [(0, None, false, 1), (1, Some(most), false, 1), (2, None, true, 1), (3, None, true, 0)]);
        let first = &rows[0];
        assert_eq!((first.name.as_str(), first.mime.as_str(), first.at), ("A b", "image/png", Micros(7)));
    }

    #[test]
    fn nothing_told_holds_a_nul() {
        let party = Party { address: "T2/U\09".into(), name: "Zo\0e".into() };
        let file = Attached { url: "u\0".into(), name: "\0a".into(), mime: "b\0".into(), size: None };
        let said = Said {
            id: "a\0b".into(),
            direction: Direction::Inbound,
            conversation: "c\0".into(),
            place: "\0d".into(),
            author: party.clone(),
            to: vec![party.clone()],
            text: "hi\0 there".into(),
            at: Micros(1),
            files: vec![file],
            by_machine: false,
            edited: false,
            mentions: false,
            is_history: false,
            token: Some("t\0".into()),
            consent: None,
            raw: Vec::new(),
        };
        let at = Micros(1);
        let all = [
            Told::Said(Box::new(said)),
            Told::Changed { id: "\0i".into(), text: "\0".into(), at },
            Told::Deleted { id: "\0i".into(), at },
            Told::Reacted { id: "\0".into(), to: "x\0".into(), author: party, with: "\0".into(), at, removed: false },
            Told::Fares {
                id: Some("\0".into()),
                token: Some("\0".into()),
                progress: Progress::Failed,
                code: Some("3\u{0}0".into()),
                detail: "\0".into(),
                at,
            },
            Told::Other { sort: "\0".into() },
        ];
        for told in all {
            let clean = format!("{:?}", without_nul(told));
            assert!(!clean.contains("\\0"), "{clean}");
        }
    }
}
