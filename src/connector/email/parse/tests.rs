//! Whole mails through the parser; every mail here is made up.

use super::*;
use crate::domain::bounce::{Action, Report, Severity};

fn bounce(raw: &[u8]) -> crate::domain::bounce::BounceReport {
    match parse(raw).report {
        Some(Report::Bounce(report)) => report,
        other => panic!("no bounce: {other:?}"),
    }
}

#[test]
fn headers_and_ids_are_read() {
    let mail = parse(
        b"Message-ID: <1@a.test>\r\nIn-Reply-To: <ana@a.test> <0@b.test>\r\nReferences: <x@b.test>\r\n <y@b.test>\r\n\
          From: =?utf-8?q?Zo=C3=AB?= <zoe@a.test>\r\nTo: b@b.test, c@b.test\r\nSubject: =?utf-8?B?SGk=?=\r\n there\r\n\
          Date: Mon, 2 Mar 2026 09:00:00 +0100\r\nX-Liaison-Id: tok1\r\nThread-Index: AdNJz0nnAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n\r\nHello\r\n",
    );
    assert_eq!(mail.message_id.as_deref(), Some("1@a.test"));
    assert_eq!(mail.in_reply_to, ["ana@a.test", "0@b.test"]);
    assert_eq!(mail.references, ["x@b.test", "y@b.test"]);
    assert_eq!((mail.from[0].name.as_str(), mail.from[0].address.as_str()), ("Zoë", "zoe@a.test"));
    assert_eq!((mail.to.len(), mail.subject.as_str(), mail.token.as_deref()), (2, "Hi there", Some("tok1")));
    assert_eq!(mail.date.unwrap().to_string(), "2026-03-02T08:00:00.000000Z");
    assert_eq!(mail.thread_index.as_deref().map(str::len), Some(44));
    assert_eq!((mail.text.as_str(), mail.flaws.len()), ("Hello\n", 0));
}

#[test]
fn alternatives_show_the_text_and_fall_back_to_the_page() {
    let raw = |plain: &str| {
        format!(
            "From: a@a.test\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n{plain}\n--b\nContent-Type: text/html\n\n<p>page</p><blockquote>old</blockquote>\n--b--\n"
        )
    };
    let mail = parse(raw("plain").as_bytes());
    assert_eq!((mail.text.trim(), mail.has_html), ("plain", true));
    let mail = parse(raw("").as_bytes());
    assert_eq!((mail.text.trim(), mail.reply_text.as_str()), ("page\n\n> old", "page"));
    assert_eq!(html(raw("x").as_bytes()).as_deref(), Some("<p>page</p><blockquote>old</blockquote>"));
}

#[test]
fn attachments_are_listed_and_their_names_are_safe() {
    let raw = b"From: a@a.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b\nContent-Type: application/pdf\n\
        Content-Disposition: attachment; filename=\"../../etc/.pass\x07wd.pdf\"\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n\
        --b\nContent-Type: message/rfc822\n\nSubject: inner\n\nx\n--b--\n";
    let mail = parse(raw);
    assert_eq!(mail.attachments.len(), 2);
    assert_eq!(
        (mail.attachments[0].name.as_str(), mail.attachments[0].size, mail.attachments[0].inline),
        ("passwd.pdf", 5, false)
    );
    assert!(mail.forward && mail.text == "hi");
    assert_eq!(attachment(raw, 0).unwrap().1, b"hello");
    assert!(attachment(raw, 2).is_none());
}

#[test]
fn broken_mail_is_flagged_and_kept() {
    assert!(!parse(b"").flaws.is_empty());
    assert!(parse(b"Subject: x\n\ny").flaws.iter().any(|f| f.contains("From")));
    let cut = parse(b"From: a@a.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhalf a mail");
    assert_eq!((cut.text.as_str(), cut.flaws.len()), ("half a mail", 1));
    let octets: Vec<u8> = (0..=255).collect();
    assert!(!parse(&octets).flaws.is_empty());
}

#[test]
fn standard_bounce_is_read_per_recipient() {
    let raw = b"From: MAILER-DAEMON@mx.test\nTo: us@brand.test\nSubject: Undelivered Mail\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
        --b\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.test\n\n\
        Final-Recipient: rfc822; ana@a.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no\n such user\n\n\
        Final-Recipient: rfc822; bo@b.test\nAction: delayed\nStatus: 4.4.1\n\n--b\nContent-Type: message/rfc822\n\n\
        Message-ID: <m1@brand.test>\nX-Liaison-Id: tok\nTo: ana@a.test\n\nbody\n--b--\n";
    let report = bounce(raw);
    assert!(report.is_bounce());
    assert_eq!((report.original_message_id.as_deref(), report.token.as_deref()), (Some("m1@brand.test"), Some("tok")));
    let [ana, bo] = report.recipients.as_slice() else { panic!("{report:?}") };
    assert_eq!(
        (ana.address.as_str(), ana.action, ana.severity, ana.diagnostic.as_str()),
        ("ana@a.test", Action::Failed, Severity::Hard, "550 5.1.1 no such user")
    );
    assert_eq!((bo.action, bo.severity), (Action::Delayed, Severity::Soft));
}

#[test]
fn notices_without_a_standard_are_read() {
    let qmail = b"From: MAILER-DAEMON@mx.test\nTo: us@brand.test\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.test.\n\
        I'm afraid I wasn't able to deliver your message to the following addresses.\n\n<ana@a.test>:\n1.2.3.4 does not like recipient.\n\
        Remote host said: 550 5.1.1 User unknown\n\n<bo@b.test>:\nMailbox full (#5.2.2)\n\n--- Below this line is a copy of the message.\n\n\
        Return-Path: <us@brand.test>\nMessage-ID: <m2@brand.test>\nX-Liaison-Id: tok2\nTo: ana@a.test\n\nhello\n";
    let report = bounce(qmail);
    let seen: Vec<_> = report.recipients.iter().map(|r| (r.address.as_str(), r.severity)).collect();
    assert_eq!(seen, [("ana@a.test", Severity::Hard), ("bo@b.test", Severity::Soft)]);
    assert_eq!((report.original_message_id.as_deref(), report.token.as_deref()), (Some("m2@brand.test"), Some("tok2")));
    let exim = b"From: Mail Delivery System <Mailer-Daemon@mx.test>\nX-Failed-Recipients: cy@c.test\nSubject: Mail delivery failed\n\n\
        The following address(es) failed:\n\n  cy@c.test\n    SMTP error: 550 relay not permitted\n";
    assert_eq!(bounce(exim).recipients[0].severity, Severity::Policy);
}

#[test]
fn people_who_write_about_bounces_are_no_bounce() {
    for raw in [
        "From: Ana <ana@a.test>\nSubject: Re: Undelivered Mail Returned to Sender\n\n<bo@b.test> could not be delivered, user unknown. What now?\n",
        "From: Ana <ana@a.test>\nSubject: delivery failed\n\nYour parcel could not be delivered to me, write to ana@a.test\n",
        "From: Postmaster <postmaster@a.test>\nSubject: Re: our domain\n\nMail to bo@b.test could not be delivered yesterday; fixed.\n",
    ] {
        assert_eq!(parse(raw.as_bytes()).report, None, "{raw}");
    }
}

#[test]
fn complaint_names_whom_to_leave_alone() {
    let raw = b"From: fbl@isp.test\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nA complaint\n--b\n\
        Content-Type: message/feedback-report\n\nFeedback-Type: Abuse\nVersion: 1\nOriginal-Rcpt-To: <ana@a.test>\n\n--b\nContent-Type: message/rfc822\n\n\
        Message-ID: <m3@brand.test>\nTo: ana@a.test\n\nx\n--b--\n";
    let Some(Report::Complaint(report)) = parse(raw).report else { panic!() };
    assert_eq!(
        (report.recipients.as_slice(), report.feedback_type.as_str()),
        (["ana@a.test".to_owned()].as_slice(), "abuse")
    );
    assert_eq!(report.original_message_id.as_deref(), Some("m3@brand.test"));
}

#[test]
fn bombs_are_read_like_other_mail() {
    let mut headers = Vec::new();
    for _ in 0..100_000 {
        headers.extend_from_slice(b"a:\n");
    }
    let to = [b"To: ".as_slice(), &b"a@b.test,".repeat(50_000), b"\n\nx"].concat();
    let words = [b"Subject: ".as_slice(), &b"=?a?q?".repeat(20_000), b"\n\nx"].concat();
    let nested = b"Content-Type: message/rfc822\n\n".repeat(50_000);
    let types = [
        b"Content-Type: multipart/mixed; boundary=b\n\n".as_slice(),
        &b"--b\nContent-Type: multipart/mixed; boundary=c\n\n".repeat(20_000),
    ]
    .concat();
    for raw in [headers, to, words, nested, types] {
        let mail = parse(&raw);
        assert!(mail.to.len() <= crate::domain::mail::ADDRESSES_MAX && mail.attachments.len() <= ATTACHMENTS_MAX);
    }
}

proptest::proptest! {
    #[test]
    fn no_octets_panic(raw in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
        let mail = parse(&raw);
        proptest::prop_assert!(mail.text.len() <= TEXT_MAX);
    }

    #[test]
    fn no_mail_like_text_panics(raw in "((From|To|Subject|Content-Type|Date|In-Reply-To): ?(multipart/mixed; boundary=b|<a@b>|=\\?utf-8\\?q\\?=C3|text/html|[ -~]{0,12})\r?\n){0,5}\n(--b(--)?\n|<[a-z]{1,10}[ >]|&#?[a-z0-9]{1,4};|> ?|[ -~é]{0,10}|\n){0,12}") {
        let _mail = parse(raw.as_bytes());
        let _leaves = leaves(raw.as_bytes());
    }
}
