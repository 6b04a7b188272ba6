//! From what is to be said to the octets of a mail (RFC 5322, MIME).
//!
//! Pure: no clock, no chance; the same draft gives the same octets. Nothing in a draft can become a header or a
//! recipient of its own: a line end or NUL in a header field is an error that names it.

use lettre::Address;
use lettre::message::header::{
    Cc, ContentTransferEncoding, ContentType, From, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, ReplyTo,
    Subject, To,
};
use lettre::message::{Attachment, Body, Mailboxes, MaybeString, MultiPart, MultiPartKind, SinglePart};
use uuid::Uuid;

use crate::domain::envelope::{WireAddress, ascii_domain};
use crate::domain::mail::{Mailbox, TOKEN_HEADER};
use crate::domain::time::Micros;

mod html;

pub use html::{document as text_to_document, text_to_html};

/// Ids written in `References` beside the first: the newest.
const REFERENCES_NEWEST: usize = 40;
/// Octets of the `References` header.
const REFERENCES_OCTETS_MAX: usize = 4000;
/// Octets of one id; a longer one can't stand on a line (RFC 5322 §2.1.1).
const ID_MAX: usize = 900;
/// Octets of a subject, a name or a header value.
const FIELD_MAX: usize = 8 * 1024;

/// Headers a draft has a field for, or that others on the way set. Everything `Content-…` is ours too.
const OWN_HEADERS: [&str; 19] = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Sender",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Return-Path",
    "Received",
    "DKIM-Signature",
    "Resent-Bcc",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    TOKEN_HEADER,
];

/// A file that goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftAttachment {
    /// The file name, without path.
    pub name: String,
    /// The media type, for instance `application/pdf`.
    pub content_type: String,
    /// The file.
    pub content: Vec<u8>,
}

/// How a reader says no, in the header (RFC 2369 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListUnsubscribe {
    /// A page; a POST to it acts at once (RFC 8058).
    pub url: Option<String>,
    /// A mail to be sent, as a `mailto:` URL.
    pub mailto: Option<String>,
}

/// What is to be said, and to whom. Ids stand without angle brackets (with them is fine).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// The author.
    pub from: Mailbox,
    /// `To`; this and `cc` together are never empty.
    pub to: Vec<Mailbox>,
    /// `Cc`.
    pub cc: Vec<Mailbox>,
    /// `Reply-To`.
    pub reply_to: Option<Mailbox>,
    /// The subject, whole, with `Re:` where it is a reply.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part; made from the text where there is none.
    pub html: Option<String>,
    /// The files.
    pub attachments: Vec<DraftAttachment>,
    /// `Message-ID`.
    pub message_id: String,
    /// The id this mail answers.
    pub in_reply_to: Option<String>,
    /// The ids before it, oldest first; the one it answers is added where it is missing.
    pub references: Vec<String>,
    /// Our own token, for [`TOKEN_HEADER`].
    pub token: String,
    /// How its reader says no, for mail of a sequence.
    pub list_unsubscribe: Option<ListUnsubscribe>,
    /// More headers; none that a draft has a field for.
    pub extra: Vec<(String, String)>,
}

/// Why a draft can't become a mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// A line end or NUL where it could start a header of its own.
    #[error("{field} has a line end or a NUL character: remove it")]
    Control {
        /// Which field of the draft.
        field: String,
    },
    /// Not an address.
    #[error("{field}: {address:?} is not a mail address")]
    Address {
        /// Which field of the draft.
        field: String,
        /// What stood there.
        address: String,
    },
    /// Nobody to write to.
    #[error("to and cc are empty: name at least one recipient")]
    NoRecipient,
    /// A field that can't be written as it is.
    #[error("{field} {why}")]
    Field {
        /// Which field of the draft.
        field: String,
        /// What is wrong, and what to do.
        why: String,
    },
}

/// Builds the mail, without `Date` (see [`with_date`]) and without `Bcc`. Line ends are CRLF.
pub fn compose(draft: &Draft) -> Result<Vec<u8>, ComposeError> {
    let mut whole = body(draft)?;
    let headers = whole.headers_mut();
    let content_type = headers.remove_raw("Content-Type");
    if draft.to.is_empty() && draft.cc.is_empty() {
        return Err(ComposeError::NoRecipient);
    }
    headers.set(From::from(mailboxes("from", std::slice::from_ref(&draft.from))?));
    if !draft.to.is_empty() {
        headers.set(To::from(mailboxes("to", &draft.to)?));
    }
    if !draft.cc.is_empty() {
        headers.set(Cc::from(mailboxes("cc", &draft.cc)?));
    }
    if let Some(reply_to) = &draft.reply_to {
        headers.set(ReplyTo::from(mailboxes("reply_to", std::slice::from_ref(reply_to))?));
    }
    headers.set(Subject::from(checked("subject", &draft.subject)?));
    set_ids(headers, draft)?;
    if draft.token.is_empty() || !draft.token.bytes().all(|b| b.is_ascii_graphic()) || draft.token.len() > 200 {
        return Err(ComposeError::field("token", "must be 1 to 200 printable ASCII characters"));
    }
    headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(TOKEN_HEADER), draft.token.clone()));
    set_list_unsubscribe(headers, draft)?;
    for (name, value) in &draft.extra {
        headers.insert_raw(extra(name, value)?);
    }
    headers.set(MIME_VERSION_1_0);
    if let Some(value) = content_type {
        headers.insert_raw(value);
    }
    Ok(whole.formatted())
}

/// Puts `Date` (RFC 5322 §3.6.1, UTC) before a composed mail; done at the hand-over, which knows the instant.
pub fn with_date(composed: &[u8], at: Micros) -> Vec<u8> {
    let date = at.timestamp().strftime("Date: %a, %d %b %Y %H:%M:%S +0000\r\n").to_string();
    let mut dated = Vec::with_capacity(date.len() + composed.len());
    dated.extend_from_slice(date.as_bytes());
    dated.extend_from_slice(composed);
    dated
}

/// A Message-ID, without angle brackets, that nobody else makes. A domain that is none becomes `localhost`.
pub fn new_message_id(id: Uuid, domain: &str) -> String {
    let domain = ascii_domain(domain).filter(|d| !d.starts_with('[')).unwrap_or_else(|| "localhost".to_owned());
    format!("{}@{}", id.simple(), domain.to_ascii_lowercase())
}

impl ComposeError {
    fn field(field: &str, why: &str) -> Self {
        Self::Field { field: field.to_owned(), why: why.to_owned() }
    }
}

/// The value, where it has no line end or NUL and is not too long; other control characters become spaces.
fn checked(field: &str, value: &str) -> Result<String, ComposeError> {
    if value.contains(['\r', '\n', '\0']) {
        return Err(ComposeError::Control { field: field.to_owned() });
    }
    if value.len() > FIELD_MAX {
        return Err(ComposeError::field(field, &format!("has more than {FIELD_MAX} octets: shorten it")));
    }
    Ok(value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

fn mailboxes(field: &str, boxes: &[Mailbox]) -> Result<Mailboxes, ComposeError> {
    let mut out = Mailboxes::new();
    for mailbox in boxes {
        let name = checked(field, &mailbox.name)?;
        checked(field, &mailbox.address)?;
        let address = WireAddress::read(&mailbox.address)
            .ok_or_else(|| ComposeError::Address { field: field.to_owned(), address: mailbox.address.clone() })?;
        let name = name.trim();
        let name = (!name.is_empty()).then(|| name.to_owned());
        // Judged above; lettre's own check refuses addresses that are in use.
        out.push(lettre::message::Mailbox::new(name, Address::new_dangerous(address.local, address.domain)));
    }
    Ok(out)
}

/// Message-ID, In-Reply-To, References.
fn set_ids(headers: &mut Headers, draft: &Draft) -> Result<(), ComposeError> {
    checked("message_id", &draft.message_id)?;
    let Some(message_id) = bare_id(&draft.message_id).filter(|id| id.contains('@')) else {
        return Err(ComposeError::field("message_id", "must look like unique@domain, in ASCII"));
    };
    headers.insert_raw(id_header(HeaderName::new_from_ascii_str("Message-ID"), &[message_id]));
    if let Some(id) = &draft.in_reply_to {
        checked("in_reply_to", id)?;
    }
    for id in &draft.references {
        checked("references", id)?;
    }
    // A stranger's id that can't stand in a header is left out: the others still tie the thread.
    let parent = draft.in_reply_to.as_deref().and_then(bare_id);
    if let Some(parent) = parent {
        headers.insert_raw(id_header(HeaderName::new_from_ascii_str("In-Reply-To"), &[parent]));
    }
    let mut references: Vec<&str> = Vec::new();
    for id in draft.references.iter().filter_map(|id| bare_id(id)) {
        if Some(id) != parent && !references.contains(&id) {
            references.push(id);
        }
    }
    references.extend(parent);
    let references = trimmed(&references);
    if !references.is_empty() {
        headers.insert_raw(id_header(HeaderName::new_from_ascii_str("References"), &references));
    }
    Ok(())
}

/// List-Unsubscribe, one way a line; and, where there is a page, that one POST to it is enough.
fn set_list_unsubscribe(headers: &mut Headers, draft: &Draft) -> Result<(), ComposeError> {
    let Some(ways) = &draft.list_unsubscribe else { return Ok(()) };
    let urls: Vec<&str> = ways.url.as_deref().into_iter().chain(ways.mailto.as_deref()).collect();
    for url in &urls {
        let sound = url.bytes().all(|b| b.is_ascii_graphic() && !b"<>,\"\\".contains(&b));
        if !sound || url.is_empty() || url.len() > ID_MAX {
            return Err(ComposeError::field("list_unsubscribe", "is no URL that can stand in a header"));
        }
    }
    if urls.is_empty() {
        return Ok(());
    }
    let value = urls.iter().map(|url| format!("<{url}>")).collect::<Vec<_>>().join(",\r\n ");
    let name = HeaderName::new_from_ascii_str("List-Unsubscribe");
    headers.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
    if ways.url.is_some() {
        let (name, value) = ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned());
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    Ok(())
}

/// The first id and the newest ones that fit.
fn trimmed<'a>(ids: &[&'a str]) -> Vec<&'a str> {
    let Some((root, later)) = ids.split_first() else { return Vec::new() };
    let mut octets = root.len();
    let mut kept: Vec<&str> = Vec::new();
    for id in later.iter().rev().take(REFERENCES_NEWEST) {
        // "\r\n <", ">"
        octets += id.len() + 5;
        if octets > REFERENCES_OCTETS_MAX {
            break;
        }
        kept.push(id);
    }
    kept.push(root);
    kept.reverse();
    kept
}

/// One id without its brackets; `None` where it can't stand in a header.
fn bare_id(id: &str) -> Option<&str> {
    let id = id.trim();
    let id = id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(id);
    let sound = id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>');
    (sound && !id.is_empty() && id.len() <= ID_MAX).then_some(id)
}

/// One id a line: ids must be neither encoded nor broken.
fn id_header(name: HeaderName, ids: &[&str]) -> HeaderValue {
    let value = ids.iter().map(|id| format!("<{id}>")).collect::<Vec<_>>().join("\r\n ");
    HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
}

fn extra(name: &str, value: &str) -> Result<HeaderValue, ComposeError> {
    let field = |name: &str| format!("extra header {name:?}");
    let sound = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let parsed = HeaderName::new_from_ascii(name.to_owned()).ok().filter(|_| sound);
    let Some(parsed) = parsed else {
        return Err(ComposeError::field(&field(name), "is no header name: use ASCII letters, digits and hyphens"));
    };
    if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) || starts_with_content(name) {
        return Err(ComposeError::field(&field(name), "can't be set here: the draft has a field for it"));
    }
    Ok(HeaderValue::new(parsed, checked(&field(name), value)?))
}

fn starts_with_content(name: &str) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"))
}

/// The parts: text and HTML as alternatives, and the files beside them.
fn body(draft: &Draft) -> Result<MultiPart, ComposeError> {
    if draft.text.contains('\0') {
        return Err(ComposeError::Control { field: "text".to_owned() });
    }
    let html = match &draft.html {
        Some(html) if html.contains('\0') => return Err(ComposeError::Control { field: "html".to_owned() }),
        Some(html) => html.clone(),
        None => html::document(&draft.text),
    };
    let alternative = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(boundary(&draft.token, "alternative"))
        .singlepart(text_part(ContentType::TEXT_PLAIN, &draft.text))
        .singlepart(text_part(ContentType::TEXT_HTML, &html));
    if draft.attachments.is_empty() {
        return Ok(alternative);
    }
    let mut mixed = MultiPart::builder()
        .kind(MultiPartKind::Mixed)
        .boundary(boundary(&draft.token, "mixed"))
        .multipart(alternative);
    for attachment in &draft.attachments {
        mixed = mixed.singlepart(attached(attachment)?);
    }
    Ok(mixed)
}

/// A boundary that no part can contain: every part is quoted-printable or base64, and neither can write `=_`.
fn boundary(token: &str, part: &str) -> String {
    let token: String = token.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    format!("=_{part}_{token}")
}

fn text_part(content_type: ContentType, text: &str) -> SinglePart {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let beyond = text.bytes().filter(|b| !b.is_ascii()).count();
    let encoding = if beyond > text.len() / 6 {
        ContentTransferEncoding::Base64
    } else {
        ContentTransferEncoding::QuotedPrintable
    };
    SinglePart::builder().header(content_type).body(encoded(text.into(), encoding))
}

/// lettre takes any content for these two encodings; were it to refuse, base64 is what is left.
fn encoded(content: MaybeString, encoding: ContentTransferEncoding) -> Body {
    Body::new_with_encoding(content, encoding).unwrap_or_else(Body::new)
}

fn attached(attachment: &DraftAttachment) -> Result<SinglePart, ComposeError> {
    let name = checked("attachment name", &attachment.name)?;
    checked("attachment content type", &attachment.content_type)?;
    let mut wanted = attachment.content_type.trim().to_ascii_lowercase();
    // RFC 2046 §5.2.1 forbids base64 for these, so they travel as plain files.
    if wanted.is_empty() || wanted.starts_with("message/") || wanted.starts_with("multipart/") {
        "application/octet-stream".clone_into(&mut wanted);
    }
    let content_type = ContentType::parse(&wanted)
        .ok()
        .filter(|_| wanted.is_ascii())
        .ok_or_else(|| ComposeError::field("attachment content type", "is no media type like application/pdf"))?;
    let content = encoded(attachment.content.clone().into(), ContentTransferEncoding::Base64);
    Ok(Attachment::new(name).body(content, content_type))
}

#[cfg(test)]
mod tests;
