//! Mails as influencers and other programs write them, octet by octet.

use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A Message-ID that no other mail has, without brackets; `label` is for people.
pub fn fresh_id(label: &str) -> String {
    format!("{label}.{:x}@mail.example", uuid::Uuid::now_v7().simple())
}

/// A mail that is being written.
pub struct Letter {
    pub id: String,
    from: String,
    to: String,
    subject: String,
    more: String,
    body: String,
    date: String,
}

/// The order in which mails are written: a Date has whole seconds, and two of one second could stand either way round.
static WRITTEN: AtomicI64 = AtomicI64::new(2);

fn next_date() -> String {
    let date = jiff::Zoned::now() + jiff::SignedDuration::from_secs(WRITTEN.fetch_add(1, Ordering::Relaxed));
    jiff::fmt::rfc2822::to_string(&date).expect("a date")
}

impl Letter {
    pub fn new(label: &str, from: &str, to: &str, subject: &str) -> Self {
        let body = format!("Hello, this is about {label}.");
        let more = "Content-Type: text/plain; charset=utf-8".to_owned();
        Self {
            id: fresh_id(label),
            from: from.into(),
            to: to.into(),
            subject: subject.into(),
            more,
            body,
            date: next_date(),
        }
    }

    /// With the headers of an answer to these, the nearest last.
    pub fn answering(self, ids: &[&str]) -> Self {
        let last = ids.last().expect("something to answer").to_owned();
        let reply = format!("In-Reply-To: <{last}>");
        self.referring(ids).header(&reply)
    }

    /// With References alone.
    pub fn referring(self, ids: &[&str]) -> Self {
        let list: Vec<String> = ids.iter().map(|id| format!("<{id}>")).collect();
        self.header(&format!("References: {}", list.join("\n ")))
    }

    pub fn header(mut self, line: &str) -> Self {
        self.more = format!("{line}\n{}", self.more);
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// Instead of plain text: this type, with its parameters.
    pub fn content_type(mut self, value: &str) -> Self {
        self.more = self.more.replace("Content-Type: text/plain; charset=utf-8", &format!("Content-Type: {value}"));
        self
    }

    /// The octets of it.
    pub fn octets(&self) -> Vec<u8> {
        let Self { id, from, to, subject, more, body, date } = self;
        format!(
            "Date: {date}\nMessage-ID: <{id}>\nFrom: {from}\nTo: {to}\nSubject: {subject}\nMIME-Version: 1.0\n{more}\n\n{body}\n"
        )
        .replace('\n', "\r\n")
        .into_bytes()
    }
}

/// A mail with an attachment that makes it at least `size` octets long, and what is attached.
pub fn large(letter: Letter, size: usize) -> (Letter, Vec<u8>) {
    let content: Vec<u8> = (0..size / 4 * 3).map(|n| u8::try_from(n * 31 % 251).expect("small")).collect();
    let coded = STANDARD.encode(&content);
    let mut body = String::with_capacity(size + size / 30);
    body += "--large\nContent-Type: text/plain; charset=utf-8\n\nThe raw cut is attached.\n--large\n\
             Content-Type: video/mp4; name=cut.mp4\nContent-Disposition: attachment; filename=cut.mp4\n\
             Content-Transfer-Encoding: base64\n\n";
    for line in coded.as_bytes().chunks(76) {
        body += std::str::from_utf8(line).expect("base64 is ASCII");
        body.push('\n');
    }
    body += "--large--";
    (letter.content_type("multipart/mixed; boundary=large").body(&body), content)
}

/// A mail in which nearly everything is wrong: octets without a charset in the headers, a charset nobody knows, a NUL, base64
/// that is none, parts that never end.
pub fn broken(id: &str, from: &str, to: &str, answers: &str) -> Vec<u8> {
    let date = next_date();
    let mut raw = format!(
        "Date: {date}\r\nMessage-ID: <{id}>\r\nFrom: =?x-none?B?////?= <{from}>\r\nTo: {to}\r\n\
         In-Reply-To: <{answers}>\r\nContent-Type: multipart/mixed; boundary=\"open\r\nSubject: caf"
    )
    .into_bytes();
    raw.extend(b"\xe9 \xff\xfe =?utf-8?Q?=C3?=\r\nno colon in this line\r\n\r\n");
    raw.extend(b"--open\r\nContent-Type: text/plain; charset=klingon\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    raw.extend(b"####\r\n--open\r\nContent-Type: multipart/alternative; boundary=\"open\"\r\n\r\n--open\r\n\r\n");
    raw.extend(b"still \xc3( readable \x01 text\r\n");
    raw
}
