//! Mails that report on other mails: delivery status (RFC 3464), complaints (RFC 5965), and the many notices that
//! follow no standard. Ordinary mail is never taken for one: the sender must be a mail system, and its text must say
//! that something was not delivered.

use super::fields::{Fields, addresses, cut, ids};
use super::mime::{Part, Parts};
use crate::domain::address;
use crate::domain::bounce::{
    Action, BounceReport, BouncedRecipient, ComplaintReport, Report, enhanced_status, judge_severity,
};
use crate::domain::mail::{FIELD_MAX, TOKEN_HEADER};

mod notice;

/// Recipients kept of one report.
const RECIPIENTS_MAX: usize = 500;
/// Octets kept of a server's words.
const DIAGNOSTIC_MAX: usize = 500;
/// Octets read of a status part.
const STATUS_MAX: usize = 512 * 1024;

/// Which of our mails a report speaks of.
#[derive(Default)]
struct Original {
    message_id: Option<String>,
    token: Option<String>,
    recipients: Vec<String>,
}

/// The report that a mail is, if it is one. `text` is the text of its own text parts.
pub(super) fn read(parts: &Parts<'_>, text: &str) -> Option<Report> {
    let part = |media: &[&str]| parts.list.iter().find(|p| !p.container && media.contains(&p.media.as_str()));
    if let Some(feedback) = part(&["message/feedback-report"]) {
        return Some(Report::Complaint(complaint(parts, feedback, text)));
    }
    let mut recipients = Vec::new();
    for status in parts
        .list
        .iter()
        .filter(|p| matches!(p.media.as_str(), "message/delivery-status" | "message/global-delivery-status"))
    {
        delivery_status(status, &mut recipients);
    }
    if recipients.is_empty() {
        // headers first: nearly all mail ends here, before any text is looked at
        if !notice::may_be(parts) {
            return None;
        }
        recipients = notice::read(parts, text, &original(parts, text).recipients)?;
    } else if let [only] = recipients.as_mut_slice()
        && only.action == Action::Failed
        && only.diagnostic.is_empty()
    {
        // some systems put the other server's words into the text alone
        only.severity = judge_severity(only.status.as_deref(), text);
    }
    recipients.truncate(RECIPIENTS_MAX);
    let original = original(parts, text);
    let (original_message_id, token) = (original.message_id, original.token);
    Some(Report::Bounce(BounceReport { recipients, original_message_id, token }))
}

/// One recipient's fields of a status part.
fn delivery_status(part: &Part<'_>, into: &mut Vec<BouncedRecipient>) {
    let octets = part.encoding().decode(part.body);
    let mut rest = octets.get(..STATUS_MAX).unwrap_or(&octets);
    while !rest.is_empty() && into.len() < RECIPIENTS_MAX {
        let (fields, after, clean) = Fields::read(rest);
        if after.len() == rest.len() || (!clean && fields.is_empty()) {
            // a line that is no field: skip it
            rest = super::fields::split_line(rest).1;
            continue;
        }
        rest = after;
        if let Some(recipient) = recipient(&fields)
            && !into.iter().any(|r| r.address.eq_ignore_ascii_case(&recipient.address))
        {
            into.push(recipient);
        }
    }
}

/// The address of a field such as `rfc822; ana@example.org`.
fn typed_address(fields: &Fields<'_>, name: &str) -> Option<String> {
    let value = fields.text(name)?;
    let bare = value.split_once(';').map_or(value.as_str(), |(_, address)| address);
    let found = addresses(bare.trim().as_bytes()).into_iter().map(|m| m.address).find(|a| address::key(a).is_some())?;
    Some(found.trim_matches(['<', '>', '"', '\'']).to_owned())
}

fn recipient(fields: &Fields<'_>) -> Option<BouncedRecipient> {
    // whom we wrote to, rather than where an alias led
    let found =
        ["Original-Recipient", "Final-Recipient", "X-Actual-Recipient"].iter().find_map(|n| typed_address(fields, n));
    let address = found?;
    let status = fields.text("Status").and_then(|s| enhanced_status(&s));
    let diagnostic = fields.text("Diagnostic-Code").unwrap_or_default();
    let diagnostic = match diagnostic.split_once(';') {
        Some((kind, words)) if kind.len() < 20 && !kind.trim().contains(' ') => words.trim().to_owned(),
        _ => diagnostic,
    };
    let word = fields.text("Action").unwrap_or_default().to_ascii_lowercase();
    let action = match word.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default() {
        "delayed" => Action::Delayed,
        "delivered" | "relayed" | "expanded" | "deliverable" => Action::Delivered,
        "" if status.as_deref().is_some_and(|s| s.starts_with('2')) => Action::Delivered,
        "" if status.as_deref().is_some_and(|s| s.starts_with('4')) => Action::Delayed,
        _ => Action::Failed,
    };
    let severity = judge_severity(status.as_deref(), &diagnostic);
    Some(BouncedRecipient { address, action, status, diagnostic: cut(&diagnostic, DIAGNOSTIC_MAX), severity })
}

fn complaint(parts: &Parts<'_>, feedback: &Part<'_>, text: &str) -> ComplaintReport {
    let octets = feedback.encoding().decode(feedback.body);
    let start = octets.get(..STATUS_MAX).unwrap_or(&octets).trim_ascii_start();
    let (fields, ..) = Fields::read(start);
    let original = original(parts, text);
    let mut recipients: Vec<String> = Vec::new();
    for name in ["Original-Rcpt-To", "Removal-Recipient"] {
        for value in fields.all(name) {
            let found = addresses(value).into_iter().map(|m| m.address).filter(|a| address::key(a).is_some());
            recipients.extend(found);
        }
        if !recipients.is_empty() {
            break;
        }
    }
    let redacted = recipients.is_empty();
    if redacted {
        recipients = original.recipients;
    }
    recipients.dedup();
    recipients.truncate(RECIPIENTS_MAX);
    let feedback_type = fields.text("Feedback-Type").unwrap_or_else(|| "abuse".to_owned()).to_ascii_lowercase();
    let (original_message_id, token) = (original.message_id, original.token);
    ComplaintReport { recipients, redacted, feedback_type, original_message_id, token }
}

/// What the returned mail, its headers or the text tell of the mail it is about.
fn original(parts: &Parts<'_>, text: &str) -> Original {
    let mut found = Original::default();
    let returned = [
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "text/rfc822-header",
        "message/rfc822-headers",
        "message/global-headers",
    ];
    for part in parts.list.iter().filter(|p| !p.container && returned.contains(&p.media.as_str())) {
        let start = part.body.get(..STATUS_MAX).unwrap_or(part.body);
        let octets = part.encoding().decode(start);
        let (fields, ..) = Fields::read(octets.trim_ascii_start());
        fill(&mut found, &fields);
    }
    if found.message_id.is_none() || found.token.is_none() || found.recipients.is_empty() {
        for (name, value) in header_lines(text) {
            let line = format!("{name}: {value}\n");
            let (fields, ..) = Fields::read(line.as_bytes());
            fill(&mut found, &fields);
        }
    }
    found
}

fn fill(found: &mut Original, fields: &Fields<'_>) {
    if found.message_id.is_none() {
        found.message_id = fields.get("Message-ID").and_then(|v| ids(v).into_iter().next());
    }
    if found.token.is_none() {
        found.token = fields.text(TOKEN_HEADER).filter(|t| !t.is_empty()).map(|t| cut(&t, FIELD_MAX));
    }
    if found.recipients.is_empty() {
        let named = fields.all("To").flat_map(addresses).map(|m| m.address);
        found.recipients = named.filter(|a| address::key(a).is_some()).take(RECIPIENTS_MAX).collect();
    }
}

/// The header lines of a returned mail that stand in a text, as far as they are of use here.
fn header_lines(text: &str) -> impl Iterator<Item = (&str, String)> {
    let lines: Vec<&str> = text.lines().take(5_000).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim_start_matches(['>', ' ', '|', '*']);
        let Some((name, value)) = line.split_once(':') else { continue };
        let wanted = ["Message-ID", TOKEN_HEADER, "To"].iter().any(|n| name.trim().eq_ignore_ascii_case(n));
        if !wanted || found.len() >= 50 {
            continue;
        }
        let folded = lines.get(at + 1).filter(|next| next.starts_with([' ', '\t'])).map_or("", |next| next.trim());
        found.push((name.trim(), format!("{} {folded}", value.trim())));
    }
    found.into_iter()
}
