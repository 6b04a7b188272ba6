//! The real servers that tests speak to, as `tests/run` announces them in the environment.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A mail server that knows every user `…@example.test` with the password `secret`.
#[derive(Debug, Clone)]
pub struct MailPeer {
    pub host: String,
    pub imap: u16,
    pub imaps: u16,
    pub lmtp: u16,
    pub submission: u16,
    pub smtps: u16,
    pub ca_pem: Vec<u8>,
}

/// The password of every user.
pub const PASSWORD: &str = "secret";

/// The mail server of `LIAISON_TEST_MAIL` (`host=… imap=… imaps=… lmtp=… submission=… smtps=… ca=…`), or `None`, said.
pub fn mail() -> Option<MailPeer> {
    let Ok(line) = std::env::var("LIAISON_TEST_MAIL") else {
        println!("skipped: LIAISON_TEST_MAIL is not set");
        return None;
    };
    let word = |key: &str| {
        let found = line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("LIAISON_TEST_MAIL has no {key}")).to_owned()
    };
    let port = |key: &str| word(key).parse::<u16>().unwrap();
    Some(MailPeer {
        host: word("host"),
        imap: port("imap"),
        imaps: port("imaps"),
        lmtp: port("lmtp"),
        submission: port("submission"),
        smtps: port("smtps"),
        ca_pem: std::fs::read(word("ca")).unwrap(),
    })
}

/// A user name that no other test has.
pub fn fresh_user(stem: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    format!("{stem}-{since}-{}@example.test", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl MailPeer {
    /// Puts raw messages into a user's mailbox, by LMTP.
    pub async fn deliver<'a>(&self, user: &str, messages: impl IntoIterator<Item = &'a [u8]>) {
        let mut lmtp = BufReader::new(TcpStream::connect((self.host.as_str(), self.lmtp)).await.unwrap());
        expect(&mut lmtp, "220").await;
        say(&mut lmtp, b"LHLO localhost\r\n", "250").await;
        for message in messages {
            say(&mut lmtp, b"MAIL FROM:<from@example.org>\r\n", "250").await;
            say(&mut lmtp, format!("RCPT TO:<{user}>\r\n").as_bytes(), "250").await;
            say(&mut lmtp, b"DATA\r\n", "354").await;
            let mut content = Vec::with_capacity(message.len() + 16);
            for line in message.split_inclusive(|octet| *octet == b'\n') {
                if line.starts_with(b".") {
                    content.push(b'.');
                }
                content.extend_from_slice(line);
            }
            if !content.ends_with(b"\r\n") {
                content.extend_from_slice(b"\r\n");
            }
            content.extend_from_slice(b".\r\n");
            say(&mut lmtp, &content, "250").await;
        }
        say(&mut lmtp, b"QUIT\r\n", "221").await;
    }
}

async fn say(stream: &mut BufReader<TcpStream>, line: &[u8], code: &str) {
    stream.write_all(line).await.unwrap();
    expect(stream, code).await;
}

async fn expect(stream: &mut BufReader<TcpStream>, code: &str) {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.starts_with(code), "expected {code}, got {line:?}");
        if line.get(3..4) != Some("-") {
            return;
        }
    }
}
