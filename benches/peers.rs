//! The servers a workload runs against, and the plain clients it measures with: IMAP, LMTP and HTTP in the fewest words.
//! Loopback only.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::mailbox::Folder;

/// The password of everybody on the test server.
pub const PASSWORD: &str = "secret";
/// No answer within this time means that something is wrong.
const PATIENCE: Duration = Duration::from_mins(2);

/// The mail server of `tests/peers/mail.sh`; stopped when dropped.
pub struct MailServer {
    pub imap: u16,
    pub lmtp: u16,
    pub sink: u16,
    dir: PathBuf,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/mail.sh")
}

impl MailServer {
    pub fn start(dir: &Path) -> Self {
        let output = Command::new(script()).arg("start").arg(dir).output().expect("tests/peers/mail.sh");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        let (_, inner) = text.trim().trim_end_matches('\'').split_once('\'').expect("LIAISON_TEST_MAIL='…'");
        let fields: BTreeMap<&str, &str> = inner.split_whitespace().filter_map(|f| f.split_once('=')).collect();
        let port = |name: &str| fields[name].parse().expect("port");
        Self { imap: port("imap"), lmtp: port("lmtp"), sink: port("sink"), dir: PathBuf::from(fields["dir"]) }
    }

    /// The folder of a user's mailbox, made with what a Maildir needs.
    pub fn mailbox(&self, user: &str) -> PathBuf {
        let maildir = self.dir.join("dovecot/mail").join(user).join("Maildir");
        for folder in ["", ".Sent"] {
            for part in ["cur", "new", "tmp"] {
                std::fs::create_dir_all(maildir.join(folder).join(part)).expect("maildir");
            }
        }
        maildir
    }

    /// Gives everything in a mailbox to the user the server runs as.
    pub fn hand_over(&self, maildir: &Path) {
        use std::os::unix::fs::{MetadataExt, chown};
        let owner = std::fs::metadata(self.dir.join("dovecot/mail")).expect("mail folder");
        let mut waiting = vec![maildir.parent().expect("home").to_owned()];
        while let Some(path) = waiting.pop() {
            chown(&path, Some(owner.uid()), Some(owner.gid())).expect("chown (run this as root)");
            if path.is_dir() {
                waiting.extend(std::fs::read_dir(&path).expect("folder").map(|e| e.expect("entry").path()));
            }
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let stopped = Command::new(script()).arg("stop").arg(&self.dir).status();
        if !stopped.is_ok_and(|s| s.success()) {
            eprintln!("the mail server in {} may still run", self.dir.display());
        }
    }
}

/// The folder below a Maildir.
pub fn subfolder(folder: Folder) -> &'static str {
    match folder {
        Folder::Inbox => "cur",
        Folder::Sent => ".Sent/cur",
    }
}

/// An IMAP client that parses as little as it can: the bare stream.
pub struct Imap {
    stream: BufReader<TcpStream>,
    tag: u32,
}

impl Imap {
    pub fn login(port: u16, user: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("IMAP connection");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
        let mut imap = Self { stream: BufReader::with_capacity(256 * 1024, stream), tag: 0 };
        imap.line();
        imap.ask(&format!("LOGIN {user} {PASSWORD}"));
        imap
    }

    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("IMAP line");
        String::from_utf8_lossy(&line).into_owned()
    }

    pub fn say(&mut self, line: &str) {
        self.stream.get_mut().write_all(line.as_bytes()).expect("IMAP command");
    }

    /// One command; octets of literals and their number are all that is kept of the answer.
    pub fn ask(&mut self, command: &str) -> (usize, u64) {
        self.tag += 1;
        let tag = format!("A{} ", self.tag);
        self.say(&format!("{tag}{command}\r\n"));
        let (mut literals, mut octets) = (0, 0);
        loop {
            let line = self.line();
            if let Some(rest) = line.strip_prefix(&tag) {
                assert!(rest.starts_with("OK"), "{command}: {line}");
                return (literals, octets);
            }
            let length = line.trim_end().strip_suffix('}').and_then(|l| l.rsplit_once('{')?.1.parse::<u64>().ok());
            if let Some(length) = length {
                std::io::copy(&mut (&mut self.stream).take(length), &mut std::io::sink()).expect("literal");
                literals += 1;
                octets += length;
            }
        }
    }
}

/// An LMTP client.
pub struct Lmtp(BufReader<TcpStream>);

impl Lmtp {
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("LMTP connection");
        stream.set_nodelay(true).expect("nodelay");
        let mut lmtp = Self(BufReader::new(stream));
        lmtp.expect("220");
        lmtp.say("LHLO bench.example.test", "250");
        lmtp
    }

    fn say(&mut self, line: &str, code: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("LMTP command");
        self.expect(code);
    }

    fn expect(&mut self, code: &str) {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("LMTP answer");
            assert!(line.starts_with(code), "LMTP answered {line:?}");
            if line.as_bytes().get(3) != Some(&b'-') {
                return;
            }
        }
    }

    /// Returns when the server said 250.
    pub fn deliver(&mut self, raw: &str, user: &str) {
        self.say("MAIL FROM:<sender@example.test>", "250");
        self.say(&format!("RCPT TO:<{user}>"), "250");
        self.say("DATA", "354");
        let mut content = String::with_capacity(raw.len() + 200);
        for line in raw.lines() {
            if line.starts_with('.') {
                content.push('.');
            }
            content.push_str(line);
            content.push_str("\r\n");
        }
        content.push_str(".\r\n");
        self.0.get_mut().write_all(content.as_bytes()).expect("LMTP content");
        self.expect("250");
    }
}

/// An HTTP client with one kept connection.
pub struct Http {
    port: u16,
    token: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Http {
    pub fn new(port: u16, token: &str) -> Self {
        Self { port, token: token.to_owned(), stream: None }
    }

    /// The answer to a GET; none where nobody answers (yet).
    pub fn get(&mut self, path: &str) -> Option<serde_json::Value> {
        let answer = self.try_get(path);
        if answer.is_none() {
            self.stream = None;
        }
        answer
    }

    fn try_get(&mut self, path: &str) -> Option<serde_json::Value> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n\r\n", self.token);
        stream.get_mut().write_all(request.as_bytes()).ok()?;
        let (mut length, mut ok, mut first) = (0_usize, false, true);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if std::mem::take(&mut first) {
                ok = line.contains(" 200 ");
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        assert!(ok, "GET {path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).ok()
    }
}
