//! The real servers that tests speak with: where they are, and a mailbox of one's own on them.
//!
//! `tests/run` starts them and says in `LIAISON_TEST_MAIL` and `LIAISON_TEST_POSTGRES` where they listen. A test that
//! needs one and finds none calls [`skip`], in words, and never passes silently where nothing may be skipped. This file
//! starts nothing itself.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The password of every user of the mail server.
pub(crate) const PASSWORD: &str = "secret";

/// The mail server of `tests/peers/mail.sh`, whose head says how its users behave.
#[derive(Debug, Clone)]
pub(crate) struct MailPeer {
    /// The host of all ports.
    pub(crate) host: String,
    /// IMAP, plain or STARTTLS.
    pub(crate) imap: u16,
    /// IMAP over TLS.
    pub(crate) imaps: u16,
    /// LMTP, plain: puts a mail into a mailbox as it is.
    pub(crate) lmtp: u16,
    /// Submission: STARTTLS, then AUTH.
    pub(crate) submission: u16,
    /// Submission over TLS.
    pub(crate) smtps: u16,
    /// A server that takes everything and keeps nothing: no TLS, no AUTH.
    pub(crate) sink: u16,
    /// The provider that signs people in (`tests/peers/token_server.py`), where the server was started with one.
    pub(crate) oauth: Option<url::Url>,
    /// The authority that signed the server's certificate, PEM.
    pub(crate) ca: PathBuf,
    /// The folder the servers live in: `dovecot/mail/<user>@example.test/Maildir`, `dovecot/log`, `postfix/log`.
    pub(crate) dir: PathBuf,
}

/// The mail server, where one was started.
pub(crate) fn mail() -> Option<MailPeer> {
    let text = std::env::var("LIAISON_TEST_MAIL").ok().filter(|t| !t.trim().is_empty())?;
    let fields: BTreeMap<&str, &str> = text.split_whitespace().filter_map(|f| f.split_once('=')).collect();
    let field = |name: &str| *fields.get(name).unwrap_or_else(|| panic!("LIAISON_TEST_MAIL has no {name}=: {text}"));
    let port = |name: &str| field(name).parse().unwrap_or_else(|e| panic!("{name}= in LIAISON_TEST_MAIL: {e}"));
    Some(MailPeer {
        host: field("host").to_owned(),
        imap: port("imap"),
        imaps: port("imaps"),
        lmtp: port("lmtp"),
        submission: port("submission"),
        smtps: port("smtps"),
        sink: port("sink"),
        oauth: fields.get("oauth").map(|url| url.parse().expect("oauth= in LIAISON_TEST_MAIL is a URL")),
        ca: PathBuf::from(field("ca")),
        dir: PathBuf::from(field("dir")),
    })
}

/// The URL of the PostgreSQL server's maintenance database, where one was started. The role may create databases; a
/// test makes one of its own.
pub(crate) fn postgres_url() -> Option<String> {
    std::env::var("LIAISON_TEST_POSTGRES").ok().filter(|url| !url.trim().is_empty())
}

/// The third-party test data, where its folder is given.
pub(crate) fn corpora() -> Option<PathBuf> {
    std::env::var_os("LIAISON_CORPORA").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// Says that the calling test leaves something out, and fails it where nothing may be left out.
///
/// Only the corpora may be missing then, which are not part of the project, and what a closed machine forbids.
pub(crate) fn skip(what: &str) {
    let strict = std::env::var("LIAISON_TEST_NOTHING_SKIPPED").is_ok_and(|v| v == "1");
    assert!(!strict, "nothing may be skipped here, but there is no {what}");
    announce_skipped(what);
}

/// Says that the calling test leaves out its part over the corpora.
pub(crate) fn skip_corpora() {
    announce_skipped("corpora (LIAISON_CORPORA is not set)");
}

/// Says that the calling test leaves out what this machine does not allow, however it is run: namespaces, or systemd in them.
pub(crate) fn skip_machine(what: &str) {
    announce_skipped(what);
}

/// Written past the test runner's capture, which would swallow the words of a test that passes. `tests/run` counts these lines.
fn announce_skipped(what: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // One write, so that lines of several tests do not mix.
    let line = format!("\nskipped: {test}: no {what}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr takes a line");
}

/// An address with a mailbox of its own that no other test and no other run has used. `prefix` decides how the server
/// treats it: see `tests/peers/mail.sh`.
pub(crate) fn fresh_user(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{:x}-{count}@example.test", uuid::Uuid::now_v7().simple())
}

impl MailPeer {
    /// Puts `raw` into the mailbox of `user` (`<name>@example.test`, or `<name>+Sent@…` for a folder) by LMTP, as a
    /// mail server would. Line ends are made CRLF; nothing else is touched but the trace headers that delivery adds.
    pub(crate) fn deliver(&self, raw: &[u8], user: &str) {
        self.deliver_all(std::iter::once(raw), user);
    }

    /// [`Self::deliver`] for many mails over one connection.
    pub(crate) fn deliver_all<'a>(&self, mails: impl IntoIterator<Item = &'a [u8]>, user: &str) {
        let stream = TcpStream::connect((self.host.as_str(), self.lmtp)).expect("LMTP connection");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("read timeout");
        stream.set_nodelay(true).expect("nodelay");
        let mut lmtp = Lmtp { stream: BufReader::new(stream) };
        lmtp.expect("220");
        lmtp.say("LHLO test.example.test", "250");
        for raw in mails {
            lmtp.say("MAIL FROM:<sender@example.test>", "250");
            lmtp.say(&format!("RCPT TO:<{user}>"), "250");
            lmtp.say("DATA", "354");
            lmtp.stream.get_mut().write_all(&dotted(raw)).expect("LMTP content");
            lmtp.expect("250");
        }
        lmtp.say("QUIT", "221");
    }
}

struct Lmtp {
    stream: BufReader<TcpStream>,
}

impl Lmtp {
    fn say(&mut self, line: &str, code: &str) {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("LMTP command");
        self.expect(code);
    }

    fn expect(&mut self, code: &str) {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("LMTP answer");
            assert!(line.starts_with(code), "LMTP answered {line:?} where {code} was expected");
            if line.as_bytes().get(3) != Some(&b'-') {
                return;
            }
        }
    }
}

/// The content of DATA: CRLF line ends, leading dots doubled (RFC 5321 4.5.2), the final dot.
fn dotted(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 40 + 8);
    let body = raw.strip_suffix(b"\n").unwrap_or(raw);
    for line in body.split(|&b| b == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[test]
fn dots_and_line_ends_are_made_fit_for_the_wire() {
    assert_eq!(dotted(b"a\n.b\r\n\n..\n"), b"a\r\n..b\r\n\r\n...\r\n.\r\n");
    assert_eq!(dotted(b"no end"), b"no end\r\n.\r\n");
}

#[test]
fn delivered_mail_is_in_the_mailbox() {
    let Some(peer) = mail() else { return skip("mail server (LIAISON_TEST_MAIL)") };
    let user = fresh_user("plain");
    peer.deliver(b"Subject: one\n\nbody\n", &user);
    peer.deliver_all([&b"Subject: two\n\n.dot\n"[..], b"Subject: three\n\n"], &user);
    let maildir = peer.dir.join("dovecot/mail").join(&user).join("Maildir/new");
    let stored: Vec<_> = std::fs::read_dir(maildir).expect("maildir").map(|e| e.expect("entry").path()).collect();
    assert_eq!(stored.len(), 3);
    let texts: Vec<_> = stored.iter().map(|p| std::fs::read_to_string(p).expect("mail")).collect();
    assert!(texts.iter().any(|t| t.ends_with("\n.dot\n")), "{texts:?}");
}

#[test]
fn mail_server_greets_on_every_port() {
    let Some(peer) = mail() else { return skip("mail server (LIAISON_TEST_MAIL)") };
    let greeting = |port: u16| {
        let stream = TcpStream::connect((peer.host.as_str(), port)).expect("connection");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("read timeout");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("greeting");
        line
    };
    assert!(greeting(peer.imap).starts_with("* OK"));
    assert!(greeting(peer.submission).starts_with("220 "));
    assert!(greeting(peer.sink).starts_with("220 "));
    // TLS from the first octet: the client speaks first, so a connection is all there is to see in the clear.
    for port in [peer.imaps, peer.smtps] {
        TcpStream::connect((peer.host.as_str(), port)).expect("connection");
    }
    let authority = std::fs::read_to_string(&peer.ca).expect("authority");
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn postgres_answers() {
    let Some(text) = postgres_url() else { return skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    let url = url::Url::parse(&text).expect("URL");
    let port = url.port().expect("port");
    let mut stream = TcpStream::connect((url.host_str().expect("host"), port)).expect("connection");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("read timeout");
    // SSLRequest (protocol 3.0, "Message Formats"): a server answers S or N.
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).expect("request");
    let mut answer = [0_u8; 1];
    stream.read_exact(&mut answer).expect("answer");
    assert!(matches!(&answer, b"N" | b"S"), "{answer:?}");
}

#[test]
fn corpora_are_a_folder_where_given() {
    let Some(dir) = corpora() else { return skip_corpora() };
    assert!(dir.join("README.md").is_file(), "LIAISON_CORPORA={} holds no README.md", dir.display());
}
