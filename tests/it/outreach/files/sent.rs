//! What is in the mail, by the head of its template.

use super::*;
use crate::stores::both;
use mail_parser::{MessageParser, MimeHeaders};

const SPRING: &str = "account = \"brand\"\n[[step]]\nid = \"intro\"\nemail = \"intro.md\"\n[[step]]\nid = \"nudge\"\nafter = \"1 day\"\nemail = \"nudge.md\"\n";
const INTRO: &str = "---\nsubject: Our rates\npreheader: In one page\nattachments: [rates 2026.pdf, \"sizes.csv\"]\n---\nHello {{ influencer.handle }}, see below.";
const RATES: &str = "%PDF-1.7\n\u{0}\u{1}\u{7f}\r\n.\r\nFrom here on\n%%EOF";
const SIZES: &str = "size,cm\nM,96\n";

#[tokio::test]
async fn the_files_of_a_template_go_with_its_mail_octet_by_octet_and_with_no_other() {
    for fresh in both().await {
        let files = [("intro.md", INTRO), NUDGE, ("rates 2026.pdf", RATES), ("sizes.csv", SIZES)];
        let world = world(fresh, HOUSE, &[("spring", SPRING)], &files).await;
        let who = world.person(Some("America/New_York")).await;
        world.enroll("spring", &[who]).await.remove(0).unwrap();
        let sent = world.run_until("2026-11-04T00:00:00Z").await;
        assert_eq!(sent.len(), 2, "{}", world.fresh.name);
        let mut files = Vec::new();
        for one in &sent {
            let mut tx = world.fresh.store.read().await.unwrap();
            let raw = tx.get_raw_mail(one.id).await.unwrap().expect("the mail as it went out");
            let mail = MessageParser::default().parse(&raw).expect("a mail");
            let of = |part: &mail_parser::MessagePart<'_>| {
                let kind = part.content_type().map(|t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or_default()));
                (
                    part.attachment_name().unwrap_or_default().to_owned(),
                    kind.unwrap_or_default(),
                    part.contents().to_vec(),
                )
            };
            files.push(mail.attachments().map(of).collect::<Vec<_>>());
            assert!(mail.body_html(0).is_some() && mail.body_text(0).is_some(), "{}", one.step);
            let html = mail.body_html(0).unwrap().into_owned();
            assert_eq!(html.contains("In one page"), one.step == "intro", "{html}");
        }
        let wanted = [
            ("rates 2026.pdf".to_owned(), "application/pdf".to_owned(), RATES.as_bytes().to_vec()),
            ("sizes.csv".to_owned(), "text/csv".to_owned(), SIZES.as_bytes().to_vec()),
        ];
        assert_eq!(files[0], wanted, "{}", world.fresh.name);
        assert_eq!(files[1], [], "{}", world.fresh.name);
    }
}
