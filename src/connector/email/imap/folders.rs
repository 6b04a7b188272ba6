//! Listing folders and choosing those worth reading, selecting one, and searching in it.

#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of the IMAP parser are foreign and open")]

use std::collections::BTreeSet;

use async_imap::imap_proto::{
    AttributeValue, MailboxDatum, MailboxListData, NameAttribute, Response, ResponseCode, Status,
};

use super::names::{decode_name, quote, role_by_name, unquote};
use super::session::{Selected, Session, lost};
use crate::connector::{ConnectorError, FolderSeen, FolderStatus};
use crate::domain::words::FolderRole;

/// Most folders of one mailbox that we look at.
const FOLDERS_MAX: usize = 20_000;
/// Messages searched by one command: keeps the answer, which is a single line, short.
const WINDOW: u32 = 20_000;

/// A folder with the name to use on the wire.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) seen: FolderSeen,
    pub(super) wire: String,
}

/// One line of LIST.
#[derive(Debug)]
struct Listed {
    wire: String,
    delimiter: Option<String>,
    role: Option<FolderRole>,
}

impl Session {
    /// The folders worth reading: the inbox, and by SPECIAL-USE (RFC 6154), else by name: Sent, Junk, All.
    pub(super) async fn list_folders(&mut self) -> Result<Vec<Folder>, ConnectorError> {
        let command = if self.can("SPECIAL-USE") && self.can("LIST-EXTENDED") {
            r#"LIST "" "*" RETURN (SPECIAL-USE)"#
        } else {
            r#"LIST "" "*""#
        };
        let mut listed = Vec::new();
        self.run(command, |response| {
            if let Response::MailboxData(MailboxDatum::List(data)) = response
                && listed.len() < FOLDERS_MAX
            {
                listed.extend(read_listed(data));
            }
        })
        .await?;
        Ok(choose_folders(&listed))
    }

    /// Selects a folder, read-only: looking never changes what people see in their mail program.
    pub(super) async fn examine(&mut self, wire: &str) -> Result<FolderStatus, ConnectorError> {
        self.selected = None;
        self.has_news = false;
        let (mut exists, mut validity, mut next) = (0, None, None);
        let command = format!("EXAMINE {}", quote(wire)?);
        self.run(&command, |response| match response {
            Response::MailboxData(MailboxDatum::Exists(count)) => exists = *count,
            Response::Data { status: Status::Ok, outcome } => match &outcome.code {
                Some(ResponseCode::UidValidity(value)) => validity = Some(*value),
                Some(ResponseCode::UidNext(value)) => next = Some(*value),
                _ => {}
            },
            _ => {}
        })
        .await?;
        let Some(uid_validity) = validity else {
            return Err(ConnectorError::Refused("the server gives no UIDVALIDITY for the folder".to_owned()));
        };
        self.selected = Some(Selected { uid_validity, exists });
        let uid_next = match next {
            Some(next) => next,
            None => self.last_uid(exists).await?.saturating_add(1),
        };
        Ok(FolderStatus {
            uid_validity: i64::from(uid_validity),
            uid_next: i64::from(uid_next),
            exists: i64::from(exists),
        })
    }

    /// The uid of the last message, for servers that give no UIDNEXT; 0 where the folder is empty.
    async fn last_uid(&mut self, exists: u32) -> Result<u32, ConnectorError> {
        let mut last = 0;
        if exists > 0 {
            self.run(&format!("FETCH {exists} (UID)"), |response| {
                if let Response::Fetch(_, values) = response {
                    for value in values {
                        if let AttributeValue::Uid(uid) = value {
                            last = last.max(*uid);
                        }
                    }
                }
            })
            .await?;
        }
        Ok(last)
    }

    /// The uids that match a search key, ascending. Large folders are searched in windows of message numbers.
    pub(super) async fn search(&mut self, key: &str) -> Result<Vec<i64>, ConnectorError> {
        let exists = |session: &Self| session.selected.map_or(0, |selected| selected.exists);
        let mut found = BTreeSet::new();
        if exists(self) <= WINDOW {
            self.search_once(&format!("UID SEARCH {key}"), &mut found).await?;
        } else {
            let mut first = 1_u32;
            while first <= exists(self) {
                let last = first.saturating_add(WINDOW - 1).min(exists(self));
                self.search_once(&format!("UID SEARCH {first}:{last} {key}"), &mut found).await?;
                // Messages that went moved the rest down; looking at some twice does no harm.
                first = last.saturating_add(1).saturating_sub(self.expunged).max(1);
            }
        }
        Ok(found.into_iter().map(i64::from).collect())
    }

    async fn search_once(&mut self, command: &str, found: &mut BTreeSet<u32>) -> Result<(), ConnectorError> {
        let mut answered = false;
        self.run(command, |response| {
            if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
                answered = true;
                found.extend(uids.iter().filter(|uid| **uid > 0));
            }
        })
        .await?;
        // No answer at all is not the answer "nothing": what looks absent may be sent again.
        if answered { Ok(()) } else { Err(lost("the server did not answer the search")) }
    }
}

fn read_listed(data: &MailboxListData<'_>) -> Option<Listed> {
    let mut role = None;
    for attribute in &data.name_attributes {
        match attribute {
            NameAttribute::NoSelect => return None,
            NameAttribute::Extension(name) if name.eq_ignore_ascii_case("\\NonExistent") => return None,
            NameAttribute::Sent => role = Some(FolderRole::Sent),
            NameAttribute::Junk => role = Some(FolderRole::Junk),
            NameAttribute::All => role = Some(FolderRole::All),
            _ => {}
        }
    }
    let wire = unquote(&data.name);
    if wire.eq_ignore_ascii_case("INBOX") {
        role = Some(FolderRole::Inbox);
    }
    Some(Listed { wire, delimiter: data.delimiter.as_deref().map(unquote), role })
}

/// What the server marks wins; a role it marks nothing with goes by name, the most usual name first.
fn choose_folders(listed: &[Listed]) -> Vec<Folder> {
    let folder = |entry: &Listed, role| Folder {
        seen: FolderSeen { name: decode_name(&entry.wire), role },
        wire: entry.wire.clone(),
    };
    let mut chosen = Vec::new();
    for role in [FolderRole::Inbox, FolderRole::Sent, FolderRole::Junk, FolderRole::All] {
        let marked: Vec<Folder> =
            listed.iter().filter(|entry| entry.role == Some(role)).map(|entry| folder(entry, role)).collect();
        if !marked.is_empty() {
            chosen.extend(marked);
            continue;
        }
        let mut named: Vec<(usize, Folder)> = listed
            .iter()
            .filter(|entry| entry.role.is_none())
            .filter_map(|entry| {
                let (by_name, place) = role_by_name(&decode_name(&entry.wire), entry.delimiter.as_deref())?;
                (by_name == role).then(|| (place, folder(entry, role)))
            })
            .collect();
        named.sort_by_key(|(place, _)| *place);
        chosen.extend(named.into_iter().map(|(_, folder)| folder));
    }
    if !chosen.iter().any(|folder| folder.seen.role == FolderRole::Inbox) {
        // RFC 3501 §5.1: there always is one, listed or not.
        let seen = FolderSeen { name: "INBOX".to_owned(), role: FolderRole::Inbox };
        chosen.insert(0, Folder { seen, wire: "INBOX".to_owned() });
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(wire: &str, role: Option<FolderRole>) -> Listed {
        Listed { wire: wire.to_owned(), delimiter: Some("/".to_owned()), role }
    }

    #[test]
    fn marked_folders_win_over_names() {
        let listed = [
            entry("INBOX", Some(FolderRole::Inbox)),
            entry("Sent", None),
            entry("Gesendet", Some(FolderRole::Sent)),
            entry("Spam", None),
        ];
        let names: Vec<_> = choose_folders(&listed).into_iter().map(|f| (f.seen.name, f.seen.role)).collect();
        assert_eq!(
            names,
            [
                ("INBOX".to_owned(), FolderRole::Inbox),
                ("Gesendet".to_owned(), FolderRole::Sent),
                ("Spam".to_owned(), FolderRole::Junk),
            ]
        );
    }

    #[test]
    fn unmarked_folders_go_by_name_and_keep_the_wire_name() {
        let listed = [entry("Sent Messages", None), entry("INBOX/&AMk-l&AOk-ments envoy&AOk-s", None)];
        let chosen = choose_folders(&listed);
        let names: Vec<_> = chosen.iter().map(|f| f.seen.name.as_str()).collect();
        assert_eq!(names, ["INBOX", "Sent Messages", "INBOX/Éléments envoyés"]);
        assert_eq!(chosen[2].wire, "INBOX/&AMk-l&AOk-ments envoy&AOk-s");
    }
}
