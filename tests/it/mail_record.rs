//! What the mail server itself knows: which mails it took (Postfix's log) and which lie in the mailboxes (Dovecot's folders).
//!
//! It never asks the hub.

use crate::peers::MailPeer;
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// The part of Postfix's log that is written from now on.
pub(crate) struct SubmissionLog {
    file: PathBuf,
    from: u64,
}

impl SubmissionLog {
    pub(crate) fn from_now(peer: &MailPeer) -> Self {
        let file = peer.dir.join("postfix/log");
        let from = std::fs::metadata(&file).expect("Postfix's log").len();
        Self { file, from }
    }

    /// How often a mail with each Message-ID was taken whole, by Message-ID without its brackets.
    pub(crate) fn taken(&self) -> HashMap<String, usize> {
        let mut file = std::fs::File::open(&self.file).expect("Postfix's log");
        file.seek(SeekFrom::Start(self.from)).expect("seek");
        let mut text = Vec::new();
        file.read_to_end(&mut text).expect("read");
        count_taken(&String::from_utf8_lossy(&text))
    }
}

/// `cleanup` names the Message-ID of what comes in; `qmgr` says "queue active" once the whole of it was taken. Queue names are
/// used again, and a mail that waits becomes active again, so each naming counts once.
fn count_taken(log: &str) -> HashMap<String, usize> {
    let mut named: HashMap<&str, &str> = HashMap::new();
    let mut taken: HashMap<String, usize> = HashMap::new();
    for line in log.lines() {
        let Some((_, said)) = line.split_once("]: ") else { continue };
        let Some((queue, rest)) = said.split_once(": ") else { continue };
        if let Some(id) = rest.strip_prefix("message-id=") {
            named.insert(queue, id.trim_start_matches('<').trim_end_matches('>'));
        } else if rest.ends_with("(queue active)")
            && let Some(id) = named.remove(queue)
        {
            *taken.entry(id.to_owned()).or_default() += 1;
        }
    }
    taken
}

/// The Message-IDs, without brackets, of the mails in the Inbox of a user.
pub(crate) fn inbox_of(peer: &MailPeer, user: &str) -> Vec<String> {
    let home = peer.dir.join("dovecot/mail").join(user).join("Maildir");
    let mut mails = Vec::new();
    for part in ["new", "cur"] {
        let Ok(entries) = std::fs::read_dir(home.join(part)) else { continue };
        for entry in entries {
            let raw = std::fs::read(entry.expect("entry").path()).expect("mail");
            mails.push(message_id(&String::from_utf8_lossy(&raw)).expect("a Message-ID"));
        }
    }
    mails
}

/// The Message-ID of a mail, without brackets.
pub(crate) fn message_id(raw: &str) -> Option<String> {
    let line = raw.lines().take_while(|l| !l.is_empty()).find(|l| l.to_ascii_lowercase().starts_with("message-id:"))?;
    let (_, id) = line.split_once(':')?;
    Some(id.trim().trim_start_matches('<').trim_end_matches('>').to_owned())
}

#[test]
fn a_mail_counts_as_taken_when_the_whole_of_it_was() {
    let log = "Nov 1 mx postfix/cleanup[1]: AA: message-id=<one@x>\n\
               Nov 1 mx postfix/qmgr[2]: AA: from=<a@x>, size=9, nrcpt=1 (queue active)\n\
               Nov 1 mx postfix/cleanup[1]: BB: message-id=<cut@x>\n\
               Nov 1 mx postfix/qmgr[2]: AA: from=<a@x>, size=9, nrcpt=1 (queue active)\n\
               Nov 1 mx postfix/cleanup[1]: AA: message-id=<two@x>\n\
               Nov 1 mx postfix/qmgr[2]: AA: from=<a@x>, size=9, nrcpt=1 (queue active)\n\
               Nov 1 mx postfix/cleanup[1]: CC: message-id=<two@x>\n\
               Nov 1 mx postfix/qmgr[2]: CC: from=<a@x>, size=9, nrcpt=1 (queue active)\n";
    let taken = count_taken(log);
    assert_eq!((taken.get("one@x"), taken.get("two@x"), taken.get("cut@x")), (Some(&1), Some(&2), None));
}
