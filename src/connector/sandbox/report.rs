//! What machines on the way send back: delivery status notifications (RFC 3464) and feedback reports (RFC 5965).

use super::letter::{date, mailbox};
use crate::domain::mail::Mailbox;
use crate::domain::time::Micros;

/// Which mail of ours, and to whom it went.
pub(super) struct About<'a> {
    /// Our account.
    pub(super) own: &'a Mailbox,
    pub(super) recipient: &'a str,
    /// The mail.
    pub(super) raw: &'a [u8],
    /// The Message-ID of the report.
    pub(super) id: &'a str,
    pub(super) at: Micros,
}

/// "Your mail could not be delivered."
pub(super) fn bounce(about: &About<'_>, status: &str, words: &str) -> Vec<u8> {
    let to = about.recipient;
    let machine = format!(
        "Reporting-MTA: dns; mx.example.org\r\nArrival-Date: {}\r\n\r\nFinal-Recipient: rfc822; {to}\r\n\
         Original-Recipient: rfc822; {to}\r\nAction: failed\r\nStatus: {status}\r\nDiagnostic-Code: smtp; 550 {status} {words}\r\n",
        date(about.at, "")
    );
    let people = format!(
        "This is the mail system at host mx.example.org.\r\n\r\nYour message could not be delivered to one or more \
         recipients.\r\n\r\n<{to}>: 550 {status} {words}\r\n"
    );
    report(
        about,
        ("Mail Delivery System <MAILER-DAEMON@mx.example.org>", "Undelivered Mail Returned to Sender"),
        ("delivery-status", "message/delivery-status"),
        (&people, &machine),
    )
}

/// "One of our users says your mail is spam."
pub(super) fn complaint(about: &About<'_>) -> Vec<u8> {
    let to = about.recipient;
    let machine = format!(
        "Feedback-Type: abuse\r\nUser-Agent: ExampleFeedback/1.0\r\nVersion: 1\r\nOriginal-Mail-From: <{}>\r\n\
         Original-Rcpt-To: <{to}>\r\nArrival-Date: {}\r\nReporting-MTA: dns; mx.example.org\r\n",
        about.own.address,
        date(about.at, "")
    );
    let people = "This is an email abuse report for an email message received from your domain.\r\n";
    report(
        about,
        ("Abuse Desk <feedback@mx.example.org>", "Abuse report"),
        ("feedback-report", "message/feedback-report"),
        (people, &machine),
    )
}

fn report(about: &About<'_>, heading: (&str, &str), sort: (&str, &str), parts: (&str, &str)) -> Vec<u8> {
    let ((from, subject), (report_type, machine_type), (people, machine)) = (heading, sort, parts);
    let boundary = format!("report-{}", about.id.split('@').next().unwrap_or_default());
    let original = String::from_utf8_lossy(headers_of(about.raw));
    format!(
        "Return-Path: <>\r\nFrom: {from}\r\nTo: {}\r\nSubject: {subject}\r\nDate: {}\r\nMessage-ID: <{}>\r\n\
         Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type={report_type};\r\n boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{people}\r\n\
         --{boundary}\r\nContent-Type: {machine_type}\r\n\r\n{machine}\r\n\
         --{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n{original}\r\n--{boundary}--\r\n",
        mailbox(about.own),
        date(about.at, ""),
        about.id
    )
    .into_bytes()
}

/// Everything before the first empty line.
pub(super) fn headers_of(raw: &[u8]) -> &[u8] {
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n").map_or(raw.len(), |at| at + 2);
    raw.get(..end).unwrap_or(raw)
}
