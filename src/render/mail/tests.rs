//! A composed mail is read back with another library and must say what the draft said.

use mail_parser::{HeaderValue as Parsed, MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::*;

fn mailbox(name: &str, address: &str) -> Mailbox {
    Mailbox { name: name.into(), address: address.into() }
}

fn draft() -> Draft {
    Draft {
        from: mailbox("Zoë from Brand, Inc.", "zoe@brand.example"),
        to: vec![mailbox("李 小龙", "li@example.org"), mailbox("", "bo@müller.example")],
        cc: vec![mailbox("Agent \"A\" O'Hara", "agent@example.net")],
        reply_to: Some(mailbox("Team", "team@brand.example")),
        subject: "Re: Kampagne für den Frühling — ça va? 🎉 and a rather long subject that has to be folded somewhere"
            .into(),
        text: "Hello Ana,\r\n.\nFrom here: https://example.org/?a=1\n\nünï \n".into(),
        html: None,
        attachments: Vec::new(),
        message_id: "0193@brand.example".into(),
        in_reply_to: Some("<parent@example.org>".into()),
        references: vec!["root@example.org".into(), "parent@example.org".into()],
        token: "tok123".into(),
        list_unsubscribe: Some(ListUnsubscribe {
            url: Some("https://u.example/x".into()),
            mailto: Some("mailto:u@brand.example?subject=unsubscribe%20x".into()),
        }),
        extra: Vec::new(),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "another crate's enum")]
fn references(raw: &[u8]) -> Vec<String> {
    let parsed = MessageParser::new().parse(raw).expect("parses");
    match parsed.references() {
        Parsed::Text(one) => vec![one.to_string()],
        Parsed::TextList(all) => all.iter().map(ToString::to_string).collect(),
        other => panic!("not ids: {other:?}"),
    }
}

#[test]
fn composed_mail_says_what_the_draft_said() {
    let raw = compose(&draft()).expect("composes");
    let mail = MessageParser::new().parse(&raw).expect("parses");
    assert_eq!(mail.subject(), Some(draft().subject.as_str()));
    let from = mail.from().and_then(|a| a.first()).expect("from");
    assert_eq!((from.name(), from.address()), (Some("Zoë from Brand, Inc."), Some("zoe@brand.example")));
    let to = mail.to().and_then(|a| a.as_list()).expect("to");
    assert_eq!((to[0].name(), to[0].address()), (Some("李 小龙"), Some("li@example.org")));
    assert_eq!(to[1].address(), Some("bo@xn--mller-kva.example"));
    assert_eq!(mail.cc().and_then(|a| a.first()).and_then(|a| a.name()), Some("Agent \"A\" O'Hara"));
    assert_eq!(mail.reply_to().and_then(|a| a.first()).and_then(|a| a.address()), Some("team@brand.example"));
    assert_eq!(mail.message_id(), Some("0193@brand.example"));
    assert_eq!(mail.in_reply_to().as_text(), Some("parent@example.org"));
    assert_eq!(references(&raw), ["root@example.org", "parent@example.org"]);
    assert_eq!(mail.header_raw("X-Liaison-Id").map(str::trim), Some("tok123"));
    assert_eq!(
        mail.body_text(0).as_deref(),
        Some("Hello Ana,\r\n.\r\nFrom here: https://example.org/?a=1\r\n\r\nünï \r\n")
    );
    let html = mail.body_html(0).expect("html");
    assert!(html.contains("<a href=\"https://example.org/?a=1\">"), "{html}");
    assert!(mail.header_raw("List-Unsubscribe").is_some_and(|v| v.contains("<https://u.example/x>")));
}

#[test]
fn composed_octets_are_ascii_lines_with_crlf_and_carry_no_date_or_bcc() {
    let raw = compose(&draft()).expect("composes");
    assert_eq!(compose(&draft()).as_deref(), Ok(raw.as_slice()), "the same draft gives the same octets");
    let text = String::from_utf8(raw).expect("utf-8");
    assert!(text.is_ascii() && text.ends_with("\r\n"));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(text.matches('\r').count(), text.matches("\r\n").count());
    assert!(text.lines().all(|l| l.len() <= 998));
    let head = text.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    assert!(!head.contains("\ndate:") && !head.starts_with("date:") && !head.contains("\nbcc:"));
    let dated = with_date(text.as_bytes(), Micros::from_seconds(1_772_355_600));
    assert!(dated.starts_with(b"Date: Sun, 01 Mar 2026 09:00:00 +0000\r\n"));
    assert_eq!(&dated[dated.len() - text.len()..], text.as_bytes());
}

#[test]
fn attachments_come_back_with_their_names() {
    let files = [
        (
            "Vertrag für Zoë – “Frühling” 2026, endgültige und wirklich allerletzte Fassung.pdf",
            "application/pdf",
            vec![0, 1, 2, 255],
        ),
        ("mail.eml", "message/rfc822", b"Subject: x\r\n\r\ny".to_vec()),
        ("a\"b.txt", "text/plain; charset=utf-8", "ü\n.\n".as_bytes().to_vec()),
    ];
    let attachments = files.iter().map(|(name, kind, content)| DraftAttachment {
        name: (*name).into(),
        content_type: (*kind).into(),
        content: content.clone(),
    });
    let raw = compose(&Draft { attachments: attachments.collect(), ..draft() }).expect("composes");
    let mail = MessageParser::new().parse(&raw).expect("parses");
    assert_eq!(mail.attachment_count(), files.len());
    for (part, (name, _, content)) in mail.attachments().zip(&files) {
        assert_eq!(part.attachment_name(), Some(*name));
        assert_eq!(part.contents(), content.as_slice());
    }
    assert!(mail.body_html(0).is_some() && mail.body_text(0).is_some());
}

#[test]
fn references_keep_the_root_and_the_newest() {
    let ids: Vec<String> = (0..90).map(|n| format!("{n}@example.org")).collect();
    let raw =
        compose(&Draft { references: ids, in_reply_to: Some("90@example.org".into()), ..draft() }).expect("composes");
    let kept = references(&raw);
    assert_eq!(kept.len(), 41);
    assert_eq!(
        (kept[0].as_str(), kept[1].as_str(), kept[40].as_str()),
        ("0@example.org", "51@example.org", "90@example.org")
    );
    let long: Vec<String> = (0..90).map(|n| format!("{n}{}@example.org", "x".repeat(700))).collect();
    let raw = compose(&Draft { references: long, in_reply_to: None, ..draft() }).expect("composes");
    assert!(references(&raw).iter().map(|r| r.len() + 5).sum::<usize>() < 4096);
    assert!(references(&raw)[0].starts_with("0x") && references(&raw).last().is_some_and(|r| r.starts_with("89x")));
}

#[test]
fn strangers_ids_that_cannot_stand_in_a_header_are_left_out() {
    let references = vec!["a b@x".into(), "ü@x".into(), "fine@x".into(), "x".repeat(2000)];
    let raw = compose(&Draft { references, in_reply_to: Some("> <evil@x".into()), ..draft() }).expect("composes");
    assert_eq!(super::tests::references(&raw), ["fine@x"]);
}

#[test]
fn what_cannot_be_written_is_refused_and_named() {
    let named = |draft: Draft| compose(&draft).expect_err("refused").to_string();
    assert!(named(Draft { to: vec![], cc: vec![], ..draft() }).contains("at least one recipient"));
    assert!(named(Draft { to: vec![mailbox("", "nobody")], ..draft() }).starts_with("to: \"nobody\""));
    assert!(named(Draft { extra: vec![("bcc".into(), "x@y".into())], ..draft() }).contains("bcc"));
    assert!(named(Draft { extra: vec![("X A".into(), "x".into())], ..draft() }).contains("header name"));
    assert!(named(Draft { text: "a\0".into(), ..draft() }).starts_with("text"));
    assert!(named(Draft { subject: "a\r\nBcc: x@y".into(), ..draft() }).starts_with("subject"));
}

#[test]
fn message_ids_are_bare_and_ascii() {
    let id = Uuid::from_u128(7);
    assert_eq!(new_message_id(id, "Müller.example"), "00000000000000000000000000000007@xn--mller-kva.example");
    assert_eq!(new_message_id(id, "no domain"), "00000000000000000000000000000007@localhost");
}

/// Puts `bad` into one field of the draft and tells which.
fn poisoned(field: usize, bad: &str) -> (&'static str, Draft) {
    let mut d = draft();
    let evil = format!("x{bad}Bcc: victim@example.org");
    let name = match field {
        0 => {
            d.from.name = evil;
            "from"
        }
        1 => {
            d.from.address = format!("a@b.example{bad}Bcc: v@x");
            "from"
        }
        2 => {
            d.to[0].name = evil;
            "to"
        }
        3 => {
            d.to[1].address = format!("{evil}@x.example");
            "to"
        }
        4 => {
            d.cc[0].name = evil;
            "cc"
        }
        5 => {
            d.reply_to = Some(mailbox(&evil, "a@b.example"));
            "reply_to"
        }
        6 => {
            d.subject = evil;
            "subject"
        }
        7 => {
            d.message_id = format!("{evil}@x");
            "message_id"
        }
        8 => {
            d.in_reply_to = Some(evil);
            "in_reply_to"
        }
        9 => {
            d.references.push(evil);
            "references"
        }
        10 => {
            d.token = evil;
            "token"
        }
        11 => {
            d.extra = vec![("X-Thing".into(), evil)];
            "extra header"
        }
        12 => {
            d.extra = vec![(evil, "v".into())];
            "extra header"
        }
        13 => {
            d.list_unsubscribe = Some(ListUnsubscribe { url: Some(evil), mailto: None });
            "list_unsubscribe"
        }
        14 => {
            d.attachments = vec![DraftAttachment { name: evil, content_type: "text/plain".into(), content: vec![] }];
            "attachment name"
        }
        _ => {
            d.attachments = vec![DraftAttachment { name: "a".into(), content_type: evil, content: vec![] }];
            "attachment content type"
        }
    };
    (name, d)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn line_ends_and_nul_in_any_field_are_refused_by_name(field in 0_usize..16, bad in "[ a]{0,2}[\r\n\0]{1,3}[ a]{0,2}") {
        let (name, draft) = poisoned(field, &bad);
        let error = compose(&draft).expect_err("refused").to_string();
        prop_assert!(error.starts_with(name), "{error}");
    }

    #[test]
    fn no_field_can_add_a_header(subject in "\\PC{0,200}", name in "\\PC{0,60}", file in "\\PC{1,60}", text in "(?s).{0,200}") {
        let mut draft = Draft { subject, ..draft() };
        draft.from.name = name.clone();
        draft.to[0].name = name;
        draft.text = text.replace('\0', "");
        draft.attachments = vec![DraftAttachment { name: file, content_type: "text/plain".into(), content: vec![1] }];
        let raw = compose(&draft).expect("composes");
        prop_assert!(raw.is_ascii());
        let mail = MessageParser::new().parse(&raw).expect("parses");
        let mut names: Vec<&str> = mail.headers().iter().map(mail_parser::Header::name).collect();
        names.sort_unstable();
        prop_assert_eq!(names, ["Cc", "Content-Type", "From", "In-Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version", "Message-ID", "References", "Reply-To", "Subject", "To", "X-Liaison-Id"]);
        prop_assert_eq!(mail.parts.len(), 5);
    }
}
