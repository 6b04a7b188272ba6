//! Notices of failed delivery that follow no standard: qmail, Exim, old Postfix and Sendmail, Exchange, and others.

use super::super::fields::{addresses, cut};
use super::super::mime::Parts;
use super::{DIAGNOSTIC_MAX, RECIPIENTS_MAX};
use crate::domain::address;
use crate::domain::bounce::{Action, BouncedRecipient, Severity, enhanced_status, judge_severity};
use crate::domain::subject;

/// Lines of a notice that are read.
const LINES_MAX: usize = 400;

/// Where a sender must be for its mail to be a notice, in the local part or the name.
const DAEMONS: &[&str] = &[
    "mailer-daemon",
    "mailerdaemon",
    "mailer_daemon",
    "postmaster",
    "post_master",
    "mail-daemon",
    "maildaemon",
    "mdaemon",
    "mail.delivery.system",
    "mail delivery sub",
    "mail delivery sys",
    "mail deliver system",
    "mail delivery service",
    "delivery subsystem",
    "system administrator",
    "mailadm",
    "mmdf",
    "ndr",
];
/// How the subject of a notice begins (lower case, after blobs such as `[External]`).
const SUBJECTS: &[&str] = &[
    "undeliver",
    "non-deliver",
    "nondeliver",
    "delivery fail",
    "delivery status notification",
    "delivery notification",
    "delivery error",
    "delivery report",
    "delivery problem",
    "failure notice",
    "failure delivery",
    "failed mail",
    "failed delivery",
    "mail delivery",
    "mail fail",
    "mail could not",
    "mail system error",
    "message delivery",
    "message not delivered",
    "message you sent",
    "message could not",
    "returned mail",
    "returned to sender",
    "returned message",
    "permanent delivery",
    "there was an error sending",
    "could not deliver",
    "could not send",
    "unable to deliver",
    "warning: could not",
    "warning: message",
    "warning: ",
    "error sending",
    "unzustellbar",
    "mail returned",
    "email returned",
    "rejected mail",
    "unable to deliver",
    "sorry",
    "delivery has failed",
    "недоставленное",
    "не доставлено",
    "échec de",
    "non remis",
    "non recapitabile",
    "no se puede entregar",
    "onbestelbaar",
    "niet bezorgd",
    "não entregue",
    "notificação de falha",
    "email error",
    "mail not delivered",
    "user unknown",
];
/// What the text of a notice says (lower case).
const FAILED: &[&str] = &[
    "could not be delivered",
    "couldn't be delivered",
    "can't be delivered",
    "cannot be delivered",
    "can not be delivered",
    "could not deliver",
    "couldn't deliver",
    "unable to deliver",
    "able to deliver your message",
    "able to deliver the following",
    "wasn't able to deliver",
    "was not delivered",
    "not delivered to",
    "were not delivered",
    "failed permanently",
    "permanent error",
    "permanent fatal",
    "fatal errors",
    "following address(es) failed",
    "following address failed",
    "following addresses failed",
    "did not reach the following",
    "delivery to the following recipient",
    "delivery failed",
    "delivery has failed",
    "has been returned",
    "returned to sender",
    "undeliverable",
    "invalid final delivery",
    "user unknown",
    "unknown user",
    "no such user",
    "failed recipients",
    "not accepting mail",
    "delivery problems",
    "delivery problem",
    "had delivery errors",
    "delivery error",
    "permanent errors",
    "remote host said",
    "transcript of session",
    "mailbox is full",
    "mailbox unavailable",
    "quota",
    "does not exist",
    "recipients failed",
    "couldn't be sent",
    "could not be sent",
    "failed addresses",
    "could not be reached",
    "not be delivered",
    "has been postponed",
    "not yet been delivered",
    "trouble delivering",
    "rejected your message",
    "unzustellbar",
    "konnte nicht",
    "no pudo ser entregado",
    "does not like recipient",
    "doesn't have a",
    "nameserver error",
    "не может быть",
    "message is undeliverable",
    "was rejected",
    "is undeliverable",
    "unrouteable",
    "delivery attempts",
    "rejected by",
    "has been rejected",
];
/// What a notice of mere delay says.
const DELAYED: &[&str] = &[
    "not yet been delivered",
    "warning message only",
    "will continue to try",
    "will keep trying",
    "will be retried",
    "has been delayed",
    "still being retried",
    "been postponed",
    "do not need to resend",
    "no action is required",
    "delivery to the following recipient has been delayed",
    "delayed for",
    "will retry",
    "could not be delivered yet",
];
/// Where the returned mail begins (lower case, start of a line without dashes).
const RETURNED: &[&str] = &[
    "below this line is a copy",
    "original message",
    "this is a copy of",
    "unsent message",
    "returned mail",
    "returned message",
    "message header",
    "header of the",
    "mensaje original",
    "old message",
    "your message reads",
    "message contents follow",
    "the following is a copy",
    "message follows",
    "undelivered message",
    "copy of your message",
    "the body of the message",
    "original mail",
    "original text",
    "message text follows",
    "transcript of mail",
    "forwarded message",
    "the header and top",
    "original header",
    "message log follows",
];
/// Header names with which a returned mail begins, where nothing announces it.
const RETURNED_HEADERS: &[&str] = &[
    "received:",
    "return-path:",
    "dkim-signature:",
    "x-originating-ip:",
    "mime-version:",
    "authentication-results:",
    "x-ymailisg:",
];

/// The recipients a notice speaks of, or `None` where the mail is none. `returned_to` are the recipients of the returned mail.
pub(super) fn read(parts: &Parts<'_>, text: &str, returned_to: &[String]) -> Option<Vec<BouncedRecipient>> {
    let fields = &parts.top()?.fields;
    let own: Vec<&str> = text.lines().take(LINES_MAX).take_while(|l| !starts_returned(l)).collect();
    let lower = own.join("\n").to_lowercase();
    let named: Vec<String> = fields
        .all("X-Failed-Recipients")
        .flat_map(addresses)
        .map(|m| m.address)
        .filter(|a| address::key(a).is_some())
        .collect();
    if named.is_empty() && !is_notice(parts, &lower) {
        return None;
    }
    let from: Vec<String> = ["From", "Sender", "Return-Path"]
        .iter()
        .flat_map(|n| fields.all(n))
        .flat_map(addresses)
        .map(|m| m.address.to_lowercase())
        .collect();
    let to: Vec<String> = ["To", "Delivered-To"]
        .iter()
        .flat_map(|n| fields.all(n))
        .flat_map(addresses)
        .map(|m| m.address.to_lowercase())
        .collect();
    let mut found =
        if named.is_empty() { recipients(&own, &from, &to) } else { named.into_iter().map(|a| (a, 0)).collect() };
    if found.is_empty() {
        found = returned_to.iter().take(RECIPIENTS_MAX).map(|a| (a.clone(), 0)).collect();
    }
    if found.is_empty() {
        return None;
    }
    let title = fields.text("Subject").unwrap_or_default().to_lowercase();
    let delayed = DELAYED.iter().any(|d| lower.contains(d)) || title.contains("delayed") || title.contains("(delay)");
    let alone = found.len() == 1;
    let ends: Vec<usize> = found.iter().skip(1).map(|(_, at)| *at).chain([own.len()]).collect();
    let results = found.into_iter().zip(ends).map(|((address, start), end)| {
        let range = if alone || end <= start { own.as_slice() } else { own.get(start..end).unwrap_or_default() };
        judge(address, &range.join(" "), delayed)
    });
    Some(results.collect())
}

fn judge(address: String, words: &str, delayed: bool) -> BouncedRecipient {
    let status = enhanced_status(words).filter(|s| !s.starts_with('2'));
    let action = if delayed { Action::Delayed } else { Action::Failed };
    let severity = if delayed { Severity::Soft } else { judge_severity(status.as_deref(), words) };
    BouncedRecipient { address, action, status, diagnostic: cut(&diagnostic(words), DIAGNOSTIC_MAX), severity }
}

/// The part of a notice that carries the other server's answer, where it can be told.
fn diagnostic(words: &str) -> String {
    let folded = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = folded.to_lowercase();
    let start = ["said:", "<<< ", "reason:", "error:", "returned:"].iter().find_map(|m| lower.find(m));
    match start.and_then(|at| folded.get(at..)) {
        Some(answer) => answer.to_owned(),
        None => folded,
    }
}

/// Whether the headers let a mail be a notice at all.
pub(super) fn may_be(parts: &Parts<'_>) -> bool {
    let Some(top) = parts.top() else { return false };
    if top.fields.get("X-Failed-Recipients").is_some() {
        return true;
    }
    let sender = top.fields.text("From").unwrap_or_default().to_lowercase();
    let title = top.fields.text("Subject").unwrap_or_default();
    DAEMONS.iter().any(|d| sender.contains(d)) || title_says(&subject::without_blobs(&title).to_lowercase())
}

/// Whether a subject (lower case, blobs removed) is that of a notice.
fn title_says(title: &str) -> bool {
    SUBJECTS.iter().any(|s| title.starts_with(s))
        || title.contains("returning message to sender")
        || title.contains("returned to sender")
}

/// Whether a mail is a notice: from a mail system and about a failure, or unmistakable in both subject and text.
fn is_notice(parts: &Parts<'_>, lower: &str) -> bool {
    let Some(top) = parts.top() else { return false };
    // an answer or a forward is a person's, whatever it quotes
    let title = top.fields.text("Subject").unwrap_or_default();
    let answers = subject::is_reply(&title)
        || subject::is_forward(&title)
        || top.fields.get("In-Reply-To").is_some_and(|_| title.to_lowercase().starts_with("re"));
    let sender = top.fields.text("From").unwrap_or_default().to_lowercase();
    let daemon = DAEMONS.iter().any(|d| sender.contains(d));
    let title = subject::without_blobs(&title).to_lowercase();
    let title_says = title_says(&title);
    let text_says = FAILED.iter().any(|f| lower.contains(f));
    let null_path = top.fields.get("Return-Path").is_some_and(|v| v.trim_ascii() == b"<>");
    let report = top.media == "multipart/report";
    if daemon && !answers {
        return title_says || text_says;
    }
    // a multipart/report without a status part, or an odd sender that says all the rest
    !answers && title_says && text_says && (null_path || report || strongly_says(lower))
}

/// Phrases that no person writes about their own mail.
fn strongly_says(lower: &str) -> bool {
    [
        "failed recipients",
        "smtp error",
        "non-delivery report",
        "rcpt to:",
        "created automatically by mail delivery",
        "automatically generated delivery",
    ]
    .iter()
    .any(|p| lower.contains(p))
}

/// Whether the returned mail begins at this line.
fn starts_returned(line: &str) -> bool {
    let line = line.trim();
    if line.len() > 300 {
        return false;
    }
    let lower = line.to_lowercase();
    if RETURNED_HEADERS.iter().any(|h| lower.starts_with(h)) {
        return true;
    }
    let framed = lower.starts_with("--")
        || lower.starts_with("==")
        || lower.starts_with("**")
        || lower.ends_with(':')
        || lower.ends_with('.')
        || lower.starts_with('|');
    let inner = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    framed && RETURNED.iter().any(|r| inner.starts_with(r)) && !inner.starts_with("original message was")
}

/// How surely an address in a notice is one that failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Somewhere in the text.
    Anywhere,
    /// Behind "to", "recipient" and the like.
    Named,
    /// In a command or answer of the SMTP dialogue.
    Dialogue,
    /// At the start of a line.
    Start,
}

/// The addresses that failed, with the lines they stand on.
fn recipients(lines: &[&str], from: &[String], to: &[String]) -> Vec<(String, usize)> {
    let mut seen: Vec<(String, usize, Place)> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for (address, place) in addresses_in(line) {
            let lower = address.to_lowercase();
            let local = lower.split('@').next().unwrap_or_default();
            let system = ["postmaster", "mailer-daemon", "abuse", "help", "support"].contains(&local)
                && !lines.iter().any(|l| l.trim_start().starts_with(&format!("<{address}>:")));
            if system || from.contains(&lower) || (to.contains(&lower) && place < Place::Start) {
                continue;
            }
            let room = seen.len() < RECIPIENTS_MAX;
            match seen.iter_mut().find(|(known, ..)| known.eq_ignore_ascii_case(&address)) {
                Some((_, _, best)) => *best = (*best).max(place),
                None if room => seen.push((address, at, place)),
                None => {}
            }
        }
    }
    let best = seen.iter().map(|(_, _, place)| *place).max();
    seen.into_iter().filter(|(_, _, place)| Some(*place) == best).map(|(address, at, _)| (address, at)).collect()
}

/// The addresses of a line and where they stand.
fn addresses_in(line: &str) -> Vec<(String, Place)> {
    let lower = line.to_lowercase();
    let trimmed = lower.trim_start();
    let about_sender =
        ["from ", "from:", "mail from", "reply-to", "message-id", "in-reply-to", "references:", "sender", ">>> mail"];
    if about_sender.iter().any(|s| trimmed.starts_with(s))
        || lower.contains("please contact")
        || lower.contains("for further assistance")
        || lower.contains("mail from:")
    {
        return Vec::new();
    }
    let dialogue = lower.contains("rcpt to:")
        || trimmed.starts_with("<<<")
        || trimmed.starts_with(">>>")
        || trimmed.starts_with(['5', '4']);
    let named = ["to ", "to:", "recipient", "user ", "address", "for "].iter().any(|w| lower.contains(w));
    let start = line
        .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '<' | '"' | '\'' | '*' | '-' | '[' | '(' | '>'));
    let start = start.trim_start_matches("SMTP:").trim_start_matches("smtp:");
    line.split(|c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | ',' | ';' | '[' | ']' | '\'' | '=' | '`')
    })
    .take(200)
    .filter_map(|word| {
        let word = word
            .trim_matches([':', '.', '*', '!', '?'])
            .trim_start_matches("SMTP:")
            .trim_start_matches("smtp:")
            .trim_start_matches("mailto:");
        let word = word.rsplit_once(':').map_or(word, |(_, behind)| if behind.contains('@') { behind } else { word });
        let (local, domain) = word.split_once('@')?;
        let fits = !local.is_empty()
            && domain.contains('.')
            && !domain.contains('@')
            && word.len() <= 320
            && domain.split('.').all(|l| !l.is_empty());
        if !fits {
            return None;
        }
        let place = if start.starts_with(word) {
            Place::Start
        } else if dialogue {
            Place::Dialogue
        } else if named {
            Place::Named
        } else {
            Place::Anywhere
        };
        Some((word.to_owned(), place))
    })
    .collect()
}
