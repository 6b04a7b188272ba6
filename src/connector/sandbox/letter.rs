//! Mail as people's programs write it: RFC 5322 octets with MIME (RFC 2045) and encoded words (RFC 2047).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::person::{Answer, Style};
use crate::domain::mail::{Mailbox, ParsedMail};
use crate::domain::subject::reply_subject;
use crate::domain::time::Micros;

/// Octets of text in one encoded word, so that the word stays below 75 characters.
const WORD_OCTETS: usize = 42;
/// Octets in one line of base64.
const LINE_OCTETS: usize = 57;

/// A mail from somebody to us.
#[derive(Debug, Clone, Default)]
pub(super) struct Letter {
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) message_id: String,
    pub(super) in_reply_to: Option<String>,
    pub(super) references: Vec<String>,
    pub(super) date: Micros,
    pub(super) zone: String,
    pub(super) extra: Vec<(&'static str, &'static str)>,
}

impl Letter {
    /// An answer to a mail of ours, with that mail below it.
    pub(super) fn answer(from: &Mailbox, mail: &ParsedMail, answer: &Answer) -> Self {
        let letter = Self { from: from.clone(), ..Self::default() };
        let ours = mail.from.first().cloned().unwrap_or_default();
        match answer.style {
            Style::Threaded => {
                let quote: String = mail.text.trim_end().lines().map(|line| ["> ", line, "\n"].concat()).collect();
                let mut references = mail.references.clone();
                references.extend(mail.message_id.clone());
                Self {
                    subject: reply_subject(&mail.subject),
                    text: format!("{}\n\nOn {}, {} wrote:\n{quote}", answer.text, day(mail), ours.name),
                    in_reply_to: mail.message_id.clone(),
                    references,
                    ..letter
                }
            }
            Style::WithoutReferences => Self {
                subject: format!("RE: {}", mail.subject),
                text: format!(
                    "{}\n\n-----Original Message-----\nFrom: {} <{}>\nSent: {}\nTo: {} <{}>\nSubject: {}\n\n{}",
                    answer.text,
                    ours.name,
                    ours.address,
                    day(mail),
                    from.name,
                    from.address,
                    mail.subject,
                    mail.text
                ),
                extra: vec![("X-Mailer", "Microsoft Outlook 16.0")],
                ..letter
            },
        }
    }

    /// What a machine says for somebody who is away (RFC 3834).
    pub(super) fn away(from: &Mailbox, mail: &ParsedMail, (subject, text): (String, String)) -> Self {
        Self {
            from: from.clone(),
            subject: format!("{subject}: {}", mail.subject),
            text,
            in_reply_to: mail.message_id.clone(),
            references: mail.message_id.iter().cloned().collect(),
            extra: vec![("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All")],
            ..Self::default()
        }
    }

    /// What somebody else wrote, sent on in answer to a mail of ours.
    pub(super) fn forward(from: &Mailbox, mail: &ParsedMail, sent_on: (String, Mailbox, String)) -> Self {
        let (text, of, forwarded) = sent_on;
        let ours = &mail.subject;
        Self {
            from: from.clone(),
            subject: format!("Fwd: {ours}"),
            text: format!(
                "{text}\n\n---------- Forwarded message ---------\nFrom: {} <{}>\nDate: {}\nSubject: Re: {ours}\nTo: {} <{}>\n\n{forwarded}\n",
                of.name,
                of.address,
                day(mail),
                from.name,
                from.address
            ),
            in_reply_to: mail.message_id.clone(),
            references: mail.message_id.iter().cloned().collect(),
            ..Self::default()
        }
    }

    /// The octets.
    pub(super) fn compose(&self) -> Vec<u8> {
        let to: Vec<String> = self.to.iter().map(mailbox).collect();
        let mut head = format!(
            "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{}>\r\n",
            mailbox(&self.from),
            to.join(",\r\n "),
            encoded(&self.subject),
            date(self.date, &self.zone),
            self.message_id
        );
        if let Some(id) = &self.in_reply_to {
            head.extend(["In-Reply-To: <", id, ">\r\n"]);
        }
        if !self.references.is_empty() {
            let ids: Vec<String> = self.references.iter().map(|id| format!("<{id}>")).collect();
            head.extend(["References: ", &ids.join("\r\n "), "\r\n"]);
        }
        for (name, value) in &self.extra {
            head.extend([*name, ": ", *value, "\r\n"]);
        }
        head.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
        head.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
        head.push_str(&base64_lines(&self.text.replace('\n', "\r\n")));
        head.into_bytes()
    }
}

/// `Date` (RFC 5322 §3.3) in somebody's zone.
pub(super) fn date(at: Micros, zone: &str) -> String {
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    at.timestamp().to_zoned(zone).strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

fn day(mail: &ParsedMail) -> String {
    mail.date.unwrap_or_default().timestamp().strftime("%a, %d %b %Y at %H:%M").to_string()
}

pub(super) fn mailbox(of: &Mailbox) -> String {
    if of.name.is_empty() {
        return of.address.clone();
    }
    let plain = of.name.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ');
    let name = if plain { of.name.clone() } else { words(&of.name) };
    format!("{name} <{}>", of.address)
}

/// A header value: as it is where it is ASCII, else in encoded words.
fn encoded(value: &str) -> String {
    if value.is_ascii() { value.chars().filter(|c| !c.is_control()).collect() } else { words(value) }
}

fn words(value: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in value.chars() {
        if word.len() + c.len_utf8() > WORD_OCTETS {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    words.iter().map(|w| format!("=?UTF-8?B?{}?=", STANDARD.encode(w))).collect::<Vec<_>>().join("\r\n ")
}

fn base64_lines(text: &str) -> String {
    text.as_bytes().chunks(LINE_OCTETS).map(|line| STANDARD.encode(line) + "\r\n").collect()
}
