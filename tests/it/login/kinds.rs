//! What Gmail does in its own way: one folder with everything, and an id for each conversation.

use liaison::connector::Source;
use liaison::connector::email::imap::{ImapSettings, ImapSource};
use liaison::connector::email::tls::Security;
use liaison::domain::words::FolderRole;

use crate::fault::scripted;

fn gmail(command: &str) -> Option<Vec<u8>> {
    let said: &str = match command {
        "CAPABILITY" => "* CAPABILITY IMAP4rev1 SPECIAL-USE X-GM-EXT-1\r\n{tag} OK done\r\n",
        c if c.starts_with("LIST") => {
            "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* LIST (\\All \\HasNoChildren) \"/\" \"[Gmail]/Alle Nachrichten\"\r\n\
             * LIST (\\HasNoChildren \\Sent) \"/\" \"[Gmail]/Gesendet\"\r\n* LIST (\\HasNoChildren \\Junk) \"/\" \"[Gmail]/Spam\"\r\n\
             {tag} OK done\r\n"
        }
        c if c.contains("RFC822.SIZE") && c.contains("X-GM-THRID") => {
            "* 1 FETCH (UID 2 RFC822.SIZE 3 X-GM-THRID 1278455344230334865)\r\n{tag} OK done\r\n"
        }
        c if c.starts_with("UID FETCH 2 ") => "* 1 FETCH (UID 2 BODY[]<0> {3}\r\ntwo)\r\n{tag} OK done\r\n",
        _ => return None,
    };
    Some(said.as_bytes().to_vec())
}

fn source(port: u16) -> ImapSource {
    ImapSource::new(ImapSettings {
        host: "127.0.0.1".to_owned(),
        port,
        security: Security::Plain,
        user: "me@example.test".to_owned(),
        password: "secret".into(),
        ca_file_pem: None,
        message_max: 1_000_000,
        step_timeout: std::time::Duration::from_secs(20),
    })
}

#[tokio::test]
async fn all_mail_and_junk_are_read_in_place_of_the_rest_and_conversations_are_told() {
    let port = scripted(gmail).await.port();
    let mut reader = source(port).all_in_one();
    let folders = reader.folders().await.unwrap();
    let roles: Vec<_> = folders.iter().map(|f| (f.name.as_str(), f.role)).collect();
    assert_eq!(roles, [("[Gmail]/Spam", FolderRole::Junk), ("[Gmail]/Alle Nachrichten", FolderRole::All)]);
    reader.select("[Gmail]/Alle Nachrichten").await.unwrap();
    let items = reader.fetch(&[2]).await.unwrap();
    let id = format!("{:x}", 1_278_455_344_230_334_865_u64);
    assert_eq!(items[0].conversation, Some(id));
    assert_eq!(items[0].raw, b"two");
    // Where All Mail is hidden from IMAP, the usual folders are read.
    fn hidden(command: &str) -> Option<Vec<u8>> {
        let said = "* LIST () \"/\" \"INBOX\"\r\n* LIST (\\Sent) \"/\" \"[Gmail]/Sent Mail\"\r\n{tag} OK done\r\n";
        command.starts_with("LIST").then(|| said.as_bytes().to_vec())
    }
    let folders = source(scripted(hidden).await.port()).all_in_one().folders().await.unwrap();
    let roles: Vec<_> = folders.iter().map(|f| f.role).collect();
    assert_eq!(roles, [FolderRole::Inbox, FolderRole::Sent]);
}
