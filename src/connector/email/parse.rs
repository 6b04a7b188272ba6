//! From the octets of one mail to [`ParsedMail`]. Never fails and never panics: what is wrong is named in the flaws.
//!
//! Knows nothing of people, threads or the store; looks at each octet a bounded number of times.

mod decode;
mod fields;
mod mime;
mod report;

use std::io::{self, Read};

use decode::{Base64Reader, Encoding};
use fields::{Fields, addresses, cut, date, ids, stamp, unfold};
use mime::{Part, Parts};

use crate::domain::mail::{
    ATTACHMENTS_MAX, Attachment, AutomaticHeaders, FIELD_MAX, Mailbox, PARSED_MAX, ParsedMail, REFERENCES_MAX,
    TEXT_MAX, TOKEN_HEADER,
};
use crate::domain::{html, reply, subject};

/// Octets decoded of one text part; HTML is several times its text.
const TEXT_PART_MAX: usize = 8 * 1024 * 1024;
/// The media type of a reaction sent by Gmail.
const REACTION: &str = "text/vnd.google.email-reaction+json";

/// Reads one raw mail (RFC 5322, MIME).
pub fn parse(raw: &[u8]) -> ParsedMail {
    let too_large = raw.len() > PARSED_MAX;
    let raw = raw.get(..PARSED_MAX).unwrap_or(raw);
    let parts = Parts::read(raw, false);
    let mut mail = ParsedMail { flaws: parts.flaws.iter().map(|f| (*f).to_owned()).collect(), ..ParsedMail::default() };
    if too_large {
        mail.flaws.push(format!("larger than {} MB; only the beginning was read", PARSED_MAX / 1024 / 1024));
    }
    let Some(top) = parts.top() else { return mail };
    read_headers(&mut mail, &top.fields);
    let body = Body::of(&parts);
    mail.text = body.text(&parts);
    mail.has_html = !body.pages.is_empty();
    mail.attachments =
        body.files.iter().filter_map(|index| parts.list.get(*index)).map(|p| describe(p, &parts)).collect();
    mail.automatic = automatic_headers(&top.fields, &parts);
    mail.report = report::read(&parts, &mail.text);
    mail.reply_text = reply::visible_reply(&mail.text);
    let attached = mail.report.is_none() && parts.list.iter().any(|p| p.media == "message/rfc822");
    mail.forward = attached || subject::is_forward(&mail.subject) || reply::holds_forward(&mail.reply_text);
    mail
}

/// The attachment at `index` of [`ParsedMail::attachments`], with its content decoded.
pub fn attachment(raw: &[u8], index: usize) -> Option<(Attachment, Vec<u8>)> {
    let parts = Parts::read(raw.get(..PARSED_MAX).unwrap_or(raw), false);
    let body = Body::of(&parts);
    let part = body.files.get(index).and_then(|at| parts.list.get(*at))?;
    Some((describe(part, &parts), part.encoding().decode(part.body).into_owned()))
}

/// Where an attachment stands in its mail, so that it can be decoded while it is given out.
#[derive(Debug)]
pub struct FoundAttachment {
    /// What the mail says of it. Its size is that of the decoded content.
    pub about: Attachment,
    from: u64,
    length: u64,
    way: Way,
}

/// How its content comes out.
#[derive(Debug)]
enum Way {
    /// As it stands.
    Plain,
    /// Out of base64, piece by piece.
    Base64,
    /// Decoded already: encodings that are meant for text, not for files.
    Decoded(Vec<u8>),
}

/// Finds the attachment at `index` of [`ParsedMail::attachments`].
pub fn find_attachment(raw: &[u8], index: usize) -> Option<FoundAttachment> {
    let read = raw.get(..PARSED_MAX).unwrap_or(raw);
    let parts = Parts::read(read, false);
    let body = Body::of(&parts);
    let part = body.files.get(index).and_then(|at| parts.list.get(*at))?;
    let (way, length) = match part.encoding() {
        Encoding::Plain => (Way::Plain, part.body.len()),
        Encoding::Base64 => (Way::Base64, decode::base64_end(part.body)),
        other @ (Encoding::QuotedPrintable | Encoding::Uuencode) => {
            (Way::Decoded(other.decode(part.body).into_owned()), 0)
        }
    };
    let from = part.body.as_ptr().addr().checked_sub(read.as_ptr().addr())?;
    let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Some(FoundAttachment { about: describe(part, &parts), from: wide(from), length: wide(length), way })
}

impl FoundAttachment {
    /// Its content, out of the same mail read from its beginning. Goes on to where it begins.
    ///
    /// # Errors
    /// Where the mail can't be read.
    pub fn open<R: Read + Send + 'static>(self, mut mail: R) -> io::Result<Box<dyn Read + Send>> {
        if let Way::Decoded(content) = self.way {
            return Ok(Box::new(io::Cursor::new(content)));
        }
        io::copy(&mut (&mut mail).take(self.from), &mut io::sink())?;
        let rest = mail.take(self.length);
        Ok(if matches!(self.way, Way::Base64) { Box::new(Base64Reader::new(rest)) } else { Box::new(rest) })
    }
}

/// The first HTML page meant to be shown, as it came; never safe to show as it is.
pub fn html(raw: &[u8]) -> Option<String> {
    let parts = Parts::read(raw.get(..PARSED_MAX).unwrap_or(raw), false);
    let body = Body::of(&parts);
    let part = body.pages.first().and_then(|at| parts.list.get(*at))?;
    Some(decoded_text(part))
}

/// One part that holds no other, opened through attached mails too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The media type, lower case.
    pub content_type: String,
    /// The content, transfer encoding removed.
    pub content: Vec<u8>,
}

/// Every leaf of the MIME tree, in order: what a full-text index or a check against another parser needs.
pub fn leaves(raw: &[u8]) -> Vec<Leaf> {
    let parts = Parts::read(raw.get(..PARSED_MAX).unwrap_or(raw), true);
    let leaf = |p: &Part<'_>| Leaf { content_type: p.media.clone(), content: p.encoding().decode(p.body).into_owned() };
    parts.list.iter().filter(|p| !p.container).map(leaf).collect()
}

/// The headers that say who, when, and in answer to what.
fn read_headers(mail: &mut ParsedMail, fields: &Fields<'_>) {
    let list = |name: &str| -> Vec<Mailbox> {
        let mut found: Vec<Mailbox> = fields.all(name).take(20).flat_map(addresses).collect();
        found.truncate(crate::domain::mail::ADDRESSES_MAX);
        found
    };
    mail.message_id = fields.all("Message-ID").flat_map(ids).next();
    mail.in_reply_to = fields.all("In-Reply-To").take(20).flat_map(ids).take(REFERENCES_MAX / 2).collect();
    let mut references: Vec<String> = fields.all("References").take(20).flat_map(ids).collect();
    let room = REFERENCES_MAX.saturating_sub(mail.in_reply_to.len());
    references.drain(..references.len().saturating_sub(room));
    mail.references = references;
    mail.thread_index = fields.get("Thread-Index").and_then(thread_index);
    let results = fields.text("Authentication-Results").unwrap_or_default().to_lowercase();
    mail.dmarc_failed = results.split(';').any(|result| result.trim_start().starts_with("dmarc=fail"));
    mail.token = fields.text(TOKEN_HEADER).filter(|t| !t.is_empty());
    mail.date = fields.get("Date").and_then(date);
    mail.delivered_at = fields.get("Received").and_then(stamp);
    mail.from = list("From");
    mail.sender = list("Sender").into_iter().next();
    mail.reply_to = list("Reply-To");
    mail.original_from = list("X-Original-From").into_iter().find(|m| !m.address.is_empty());
    (mail.to, mail.cc, mail.bcc) = (list("To"), list("Cc"), list("Bcc"));
    mail.subject = fields.text("Subject").unwrap_or_default();
    let mut flaw = |words: &str| mail.flaws.push(words.to_owned());
    if fields.is_empty() {
        flaw("no header fields");
    } else if !mail.from.iter().any(|m| m.address.contains('@')) {
        flaw("no address in From");
    }
    if mail.date.is_none() && fields.get("Date").is_some() {
        flaw("a date that can't be read");
    }
    if fields.all("From").count() > 1 {
        flaw("more than one From");
    }
}

/// The first 22 octets of Outlook's conversation index, as hex.
fn thread_index(value: &[u8]) -> Option<String> {
    use std::fmt::Write as _;
    let octets = decode::base64(value.get(..4_096).unwrap_or(value));
    let start = octets.get(..22)?;
    let mut out = String::with_capacity(44);
    for octet in start {
        // writing into a String can't fail
        let _ignored = write!(out, "{octet:02x}");
    }
    Some(out)
}

/// Headers that speak of automatic mail.
fn automatic_headers(fields: &Fields<'_>, parts: &Parts<'_>) -> AutomaticHeaders {
    let word = |name: &str| {
        let value = unfold(fields.get(name)?);
        let word = value.split([';', '(']).next().unwrap_or_default().trim().to_ascii_lowercase();
        (!word.is_empty()).then(|| cut(&word, FIELD_MAX))
    };
    let says_yes = |name: &str| word(name).is_some_and(|w| !matches!(w.as_str(), "no" | "false" | "0"));
    AutomaticHeaders {
        auto_submitted: word("Auto-Submitted"),
        autoreply: says_yes("X-Autoreply") || says_yes("X-Autorespond"),
        precedence: word("Precedence"),
        failed_recipients: fields.get("X-Failed-Recipients").is_some(),
        response_suppress: word("X-Auto-Response-Suppress").is_some_and(|w| w != "none"),
        null_return_path: fields.get("Return-Path").is_some_and(|v| v.trim_ascii() == b"<>"),
        list: fields.get("List-Id").is_some() || fields.get("List-Unsubscribe").is_some(),
        unsubscribe: fields.get("List-Unsubscribe").is_some(),
        multipart_report: parts.top().is_some_and(|p| p.media == "multipart/report"),
        reaction: parts.list.iter().any(|p| p.media == REACTION),
    }
}

/// What each part of a mail is for, as indices into its parts.
#[derive(Default)]
struct Body {
    /// Shown as text, in order.
    shown: Vec<usize>,
    /// HTML pages, shown or beside a text that is.
    pages: Vec<usize>,
    /// Attachments, in order.
    files: Vec<usize>,
}

impl Body {
    fn of(parts: &Parts<'_>) -> Self {
        let mut body = Self::default();
        let hidden = hidden_alternatives(parts);
        for (index, part) in parts.list.iter().enumerate() {
            if part.container || part.media == REACTION {
                continue;
            }
            let is_text = matches!(part.media.as_str(), "text/plain" | "text/html" | "text/enriched" | "text/richtext");
            let file = part.disposition().as_deref() == Some("attachment")
                || (part.file_name().is_some() && part.parent != index);
            // a multipart that could not be opened still has its text
            let unopened = part.media.starts_with("multipart/") && index == 0;
            if (is_text && !file) || unopened {
                if part.media == "text/html" {
                    body.pages.push(index);
                }
                if !hidden.contains(&index) {
                    body.shown.push(index);
                }
            } else if body.files.len() < ATTACHMENTS_MAX {
                body.files.push(index);
            }
        }
        // a text part with nothing in it must not hide the page beside it
        let empty = body.shown.iter().filter_map(|i| parts.list.get(*i)).all(|p| p.body.trim_ascii().is_empty());
        if empty {
            body.shown.clone_from(&body.pages);
        }
        body
    }

    /// The text to show, cut.
    fn text(&self, parts: &Parts<'_>) -> String {
        let mut out = String::new();
        for part in self.shown.iter().filter_map(|index| parts.list.get(*index)) {
            let room = TEXT_MAX.saturating_sub(out.len());
            if room == 0 {
                break;
            }
            let text = decoded_text(part);
            let text = if part.media == "text/html" { html::to_text(&text, room) } else { text };
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            push_text(&mut out, &text);
        }
        out
    }
}

/// The text parts that only repeat what a better part of the same alternative says.
fn hidden_alternatives(parts: &Parts<'_>) -> Vec<usize> {
    // the alternative a part stands in, if any, through the containers between
    let alternative_of = |mut index: usize| {
        for _ in 0..parts.list.len().min(32) {
            let part = parts.list.get(index)?;
            if part.parent == index {
                return None;
            }
            if parts.container_of(part) == "multipart/alternative" {
                return Some(part.parent);
            }
            index = part.parent;
        }
        None
    };
    let filled = |p: &Part<'_>| !p.body.trim_ascii().is_empty();
    let mut plain: Vec<usize> = Vec::new();
    for (index, part) in parts.list.iter().enumerate() {
        if part.media == "text/plain"
            && !part.container
            && filled(part)
            && let Some(alternative) = alternative_of(index)
        {
            plain.push(alternative);
        }
    }
    let mut hidden = Vec::new();
    for (index, part) in parts.list.iter().enumerate() {
        let Some(alternative) = alternative_of(index).filter(|_| !part.container) else { continue };
        let has_plain = plain.binary_search(&alternative).is_ok() || plain.contains(&alternative);
        if (part.media == "text/html" || part.media == "text/enriched") && has_plain
            || (part.media == "text/plain" && !filled(part))
        {
            hidden.push(index);
        }
    }
    hidden
}

/// The decoded text of a part, at most about [`TEXT_PART_MAX`] octets of it.
fn decoded_text(part: &Part<'_>) -> String {
    let start = part.body.get(..TEXT_PART_MAX).unwrap_or(part.body);
    let octets = part.encoding().decode(start);
    decode::to_text(&octets, part.charset().as_deref()).into_owned()
}

/// Adds text with `\n` line ends and without control characters, up to the limit.
fn push_text(out: &mut String, text: &str) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if out.len() + c.len_utf8() > TEXT_MAX {
            break;
        }
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            c if c.is_control() && c != '\n' && c != '\t' => {}
            c => out.push(c),
        }
    }
}

/// An attachment without its content.
fn describe(part: &Part<'_>, parts: &Parts<'_>) -> Attachment {
    let inline = match part.disposition().as_deref() {
        Some("attachment") => false,
        Some("inline") => true,
        _ => parts.container_of(part) == "multipart/related",
    };
    Attachment {
        name: safe_name(&decode::words(&part.file_name().unwrap_or_default())),
        content_type: part.media.clone(),
        size: part.encoding().decoded_len(part.body),
        inline,
        content_id: part
            .fields
            .get("Content-ID")
            .map(|v| cut(unfold(v).trim_matches(['<', '>', ' ']), FIELD_MAX))
            .filter(|id| !id.is_empty()),
    }
}

/// A file name that is no path, hides nothing and steers no terminal.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible = last.chars().filter(|c| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    });
    let name: String = visible.collect();
    let name = name.trim().trim_start_matches('.');
    let mut end = name.len().min(255);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
