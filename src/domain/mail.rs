//! What the rest of the program knows of a mail: the result of parsing one raw RFC 5322 message.
//!
//! A parsed mail is data from a stranger. Every text in it is cut to the limits below and is never used as a
//! template, a header or a path.

use super::bounce::Report;
use super::time::Micros;

/// The largest mail that is parsed whole; a larger one is parsed from its first part of this size. Octets.
pub const PARSED_MAX: usize = 48 * 1024 * 1024;
/// Ids kept of `In-Reply-To` and `References` together; the newest are kept.
pub const REFERENCES_MAX: usize = 200;
/// Addresses kept of each address header.
pub const ADDRESSES_MAX: usize = 500;
/// Octets kept of the text of one message.
pub const TEXT_MAX: usize = 1024 * 1024;
/// Octets kept of a subject, a name, a file name or an id.
pub const FIELD_MAX: usize = 998;
/// Attachments listed of one message.
pub const ATTACHMENTS_MAX: usize = 500;
/// The header that carries our own token on everything we send.
pub const TOKEN_HEADER: &str = "X-Liaison-Id";

/// A name and an address, as they stood in a header.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Mailbox {
    /// The display name, decoded; empty where there was none.
    pub name: String,
    /// The address as written; compare with [`super::address::key`].
    pub address: String,
}

/// One attachment, without its content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Attachment {
    /// The file name the sender gave, path parts and control characters removed; may be empty.
    pub name: String,
    /// The media type, lower case, for instance `application/pdf`.
    pub content_type: String,
    /// Octets after decoding.
    pub size: u64,
    /// Whether it is shown inside the text.
    pub inline: bool,
    /// Its content id, without angle brackets, where it has one.
    pub content_id: Option<String>,
}

/// Headers that speak of automatic mail (RFC 3834 and the habits of older programs).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is one header that is there or not")]
pub struct AutomaticHeaders {
    /// `Auto-Submitted`, lower case, parameters removed.
    pub auto_submitted: Option<String>,
    /// `X-Autoreply` or `X-Autorespond` is there and does not say no.
    pub autoreply: bool,
    /// `Precedence`, lower case.
    pub precedence: Option<String>,
    /// `X-Failed-Recipients` is there.
    pub failed_recipients: bool,
    /// `X-Auto-Response-Suppress`: a request, not proof.
    pub response_suppress: bool,
    /// `Return-Path: <>`.
    pub null_return_path: bool,
    /// `List-Id` or `List-Unsubscribe` is there.
    pub list: bool,
    /// `List-Unsubscribe` is there.
    pub unsubscribe: bool,
    /// The top media type is `multipart/report`.
    pub multipart_report: bool,
    /// A part of type `text/vnd.google.email-reaction+json`.
    pub reaction: bool,
}

/// One mail, parsed. Ids stand without angle brackets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedMail {
    /// `Message-ID`.
    pub message_id: Option<String>,
    /// Every id of `In-Reply-To`, in order (some programs put a mail address first: all are kept).
    pub in_reply_to: Vec<String>,
    /// `References`, oldest first.
    pub references: Vec<String>,
    /// The first 22 octets of Outlook's `Thread-Index`, as lower-case hex: the same for a whole conversation.
    pub thread_index: Option<String>,
    /// Our token in the header [`TOKEN_HEADER`].
    pub token: Option<String>,
    /// `Date`.
    pub date: Option<Micros>,
    /// When the last server on its way took it: the topmost `Received`.
    pub delivered_at: Option<Micros>,
    /// `From`; usually one.
    pub from: Vec<Mailbox>,
    /// `Sender`.
    pub sender: Option<Mailbox>,
    /// `Reply-To`.
    pub reply_to: Vec<Mailbox>,
    /// `X-Original-From`, which a list sets when it rewrites From.
    pub original_from: Option<Mailbox>,
    /// `To`.
    pub to: Vec<Mailbox>,
    /// `Cc`.
    pub cc: Vec<Mailbox>,
    /// `Bcc` (present only in our own copies).
    pub bcc: Vec<Mailbox>,
    /// `Subject`, decoded, one line.
    pub subject: String,
    /// The text to show: the text parts, or the HTML part turned into text.
    pub text: String,
    /// What the writer of this message wrote: [`Self::text`] without quotes and signature.
    pub reply_text: String,
    /// Whether there is an HTML part.
    pub has_html: bool,
    /// The attachments, in order.
    pub attachments: Vec<Attachment>,
    /// Headers of automatic mail.
    pub automatic: AutomaticHeaders,
    /// A bounce or complaint report, where this mail is one.
    pub report: Option<Report>,
    /// Whether the server that took it says, in the topmost `Authentication-Results` (RFC 8601), that DMARC failed.
    pub dmarc_failed: bool,
    /// Whether this mail forwards another one (by subject prefix, attached message or forwarding line).
    pub forward: bool,
    /// What was wrong with it, in words for a person; empty for a clean mail.
    pub flaws: Vec<String>,
}

impl ParsedMail {
    /// The author as the mail says it: From, unless a list rewrote it and says so (X-Original-From). Where From is ours, ask
    /// [`super::threading::author_of`].
    pub fn author(&self) -> Option<&Mailbox> {
        if let Some(original) = &self.original_from {
            return Some(original);
        }
        self.from.first().or(self.sender.as_ref())
    }

    /// Every id that ties this mail to others: In-Reply-To, then References newest first.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.in_reply_to.iter().chain(self.references.iter().rev()).map(String::as_str)
    }
}
