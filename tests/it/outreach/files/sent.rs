//! What is in the mail, by the head of its template.

use liaison::domain::words::OutboxStatus;
use liaison::hub::outreach::steer::approve;

use super::*;
use crate::outreach::world::told as sends;
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

/// The mail as it went out: its head, and its texts.
async fn mail(world: &World, id: MessageId) -> (String, String, Option<String>) {
    let raw = world.fresh.store.read().await.unwrap().get_raw_mail(id).await.unwrap().expect("a mail");
    let head = String::from_utf8_lossy(&raw).split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let mail = MessageParser::default().parse(&raw).expect("a mail");
    let html = if mail.html_body_count() > 0 && head.contains("multipart") { mail.body_html(0) } else { None };
    (head, mail.body_text(0).unwrap_or_default().into_owned(), html.map(|h| h.into_owned()))
}

#[tokio::test]
async fn the_way_to_unsubscribe_stands_where_the_file_says_and_always_in_the_head() {
    let link = "https://hub.acme.example/";
    let inline = "---\nsubject: A tee\n---\nHello. [No more]({{ unsubscribe_url }})";
    let plain = "---\nsubject: A tee\n---\nHello.";
    for (place, text, in_text, address) in
        [("footer", plain, true, true), ("inline", inline, true, false), ("header", plain, false, false)]
    {
        for fresh in both().await {
            let toml = format!(
                "account = \"brand\"\nunsubscribe = \"{place}\"\n[[step]]\nid = \"intro\"\nemail = \"intro.md\"\n"
            );
            let world = world(fresh, HOUSE, &[("spring", &toml)], &[("intro.md", text)]).await;
            let who = world.person(Some("America/New_York")).await;
            world.enroll("spring", &[who]).await.remove(0).unwrap();
            let sent = world.settle().await;
            let (head, text, html) = mail(&world, sent[0].id).await;
            assert!(head.contains("List-Unsubscribe: <https://hub.acme.example/"), "{place}: {head}");
            assert!(head.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{place}: {head}");
            assert_eq!(text.contains(link), in_text, "{place}: {text}");
            assert_eq!(text.contains("1 Main St, Portland"), address, "{place}: {text}");
            let html = html.expect("Markdown becomes HTML");
            assert_eq!(html.contains("1 Main St, Portland"), address, "{place}: {html}");
            assert_eq!(html.contains(">No more<"), place == "inline", "{place}: {html}");
        }
    }
}

#[tokio::test]
async fn texts_stand_in_files_of_each_kind_or_in_the_sequence_itself() {
    let toml = r#"
account = "brand"
[variables]
product = "Trail Tee"
first_name = { from = "influencer.first_name", default = "there" }
[[step]]
id = "inline"
email = { subject = "A {{ product }}", preheader = "It is short", text = "Hi **{{ first_name }}**, a {{ product }}?" }
[[step]]
id = "plain"
after = "1 day"
email = "plain.txt"
[[step]]
id = "page"
after = "1 day"
email = "page.html"
"#;
    let page = "---\nsubject: A page\n---\n<style>p { color: red }</style><p>Hi {{ first_name }} &amp; all</p>";
    let files = [("plain.txt", "**Hi** {{ first_name }}, did my note reach you?"), ("page.html", page)];
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("spring", toml)], &files).await;
        let who = world.person(Some("America/New_York")).await;
        set(&world, who, "first_name = '<Ana> & *Bo*'").await;
        world.enroll("spring", &[who]).await.remove(0).unwrap();
        let sent = world.run_until("2026-11-06T00:00:00Z").await;
        assert_eq!(sent.iter().map(|s| s.step.as_str()).collect::<Vec<_>>(), ["inline", "plain", "page"]);
        let (head, text, html) = mail(&world, sent[0].id).await;
        assert!(head.contains("Subject: A Trail Tee"), "{head}");
        assert!(text.contains("<Ana> & *Bo*, a Trail Tee?"), "{text}");
        let html = html.unwrap();
        assert!(html.contains("<strong>&lt;Ana&gt; &amp; *Bo*</strong>") && html.contains("It is short"), "{html}");
        let (head, text, html) = mail(&world, sent[1].id).await;
        assert!(head.contains("Subject: Re: A Trail Tee") && head.contains("In-Reply-To: <"), "{head}");
        assert!(text.contains("**Hi** <Ana> & *Bo*, did"), "{text}");
        // The HTML beside it reads the same: nothing of a text is taken for a mark.
        assert!(html.unwrap().contains("<p>**Hi** &lt;Ana&gt; &amp; *Bo*, did my note reach you?"));
        let (head, text, html) = mail(&world, sent[2].id).await;
        assert!(head.contains("Subject: A page") && !head.contains("In-Reply-To:"), "{head}");
        assert!(text.contains("Hi <Ana> & *Bo* & all"), "{text}");
        let html = html.unwrap();
        assert!(html.contains("<p style=") && html.contains("red"), "what a style says stands in the elements: {html}");
    }
}

#[tokio::test]
async fn mail_under_else_waits_for_a_person_where_it_says_so() {
    let toml = r#"
account = "brand"
[[step]]
id = "intro"
email = "intro.md"
[[step]]
id = "picked"
wait_for = "clicked"
at_most = "1 day"
else = { email = "nudge.md", review = true }
[[step]]
id = "size"
task = "Ask {{ influencer.handle }}."
"#;
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("spring", toml)], &[("intro.md", INTRO_PLAIN), NUDGE]).await;
        let who = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[who]).await.remove(0).unwrap();
        let sent = world.run_until("2026-11-05T00:00:00Z").await;
        assert_eq!(sends(&sent), ["2026-11-02T14:00Z intro"], "{}", world.fresh.name);
        let id = world.steps_of(run).await.iter().find(|s| s.step == "picked").and_then(|s| s.message_id).unwrap();
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert_eq!(tx.get_outbox(id).await.unwrap().unwrap().status, OutboxStatus::Review);
        approve(&mut tx, &world.clock, &world.desk.house(), id, "kim").await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-06T00:00:00Z").await;
        assert_eq!(sends(&sent), ["2026-11-05T14:00Z picked"], "{}", world.fresh.name);
        assert_eq!(told(&world, who).await.len(), 1, "the run goes on");
    }
}

/// Without files.
const INTRO_PLAIN: &str = "---\nsubject: A tee\n---\nHello, a tee?";

#[tokio::test]
async fn several_accounts_share_people_and_each_hears_from_one() {
    let house = format!("{HOUSE}\n[accounts.second]\nkind = \"sandbox\"\naddress = \"second@acme.example\"\n");
    let toml = SPRING.replace("account = \"brand\"", "account = [\"brand\", \"second\"]");
    for fresh in both().await {
        let world = world(fresh, &house, &[("spring", &toml)], &[("intro.md", INTRO_PLAIN), NUDGE]).await;
        let mut people = Vec::new();
        for _ in 0..24 {
            people.push(world.person(Some("America/New_York")).await);
        }
        enroll_all(&world, "spring", &people).await;
        let sent = world.run_until("2026-11-05T00:00:00Z").await;
        assert_eq!(sent.len(), 48, "{}", world.fresh.name);
        let mut from: std::collections::BTreeMap<InfluencerId, Vec<String>> = std::collections::BTreeMap::new();
        for one in &sent {
            let row = world.fresh.store.read().await.unwrap().get_outbox(one.id).await.unwrap().unwrap();
            from.entry(one.who).or_default().push(row.account);
        }
        assert!(from.values().all(|all| all.len() == 2 && all[0] == all[1]), "{from:?}");
        let of_second = from.values().filter(|all| all[0] == "second").count();
        assert!((4..=20).contains(&of_second), "{of_second} of 24 hear from the second");
    }
}
