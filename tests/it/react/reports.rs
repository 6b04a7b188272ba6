//! Bounces and complaints count where they are about mail of ours, and only for whom it went to.

use super::*;

pub(super) fn dsn(id: &str, rcpt: &str, original: Option<&str>) -> Vec<u8> {
    let head = format!(
        "From: MAILER-DAEMON@mx.example\nTo: team@acme.example\nSubject: Undelivered {id}\nMessage-ID: <{id}@mx.example>\n\
         Date: Sun, 1 Mar 2026 12:30:00 +0000\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"x\""
    );
    let returned = original.map_or_else(String::new, |id| {
        format!("--x\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{id}>\nSubject: Shoes\n\n")
    });
    let body = format!(
        "--x\nContent-Type: text/plain\n\nNo such user.\n--x\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {rcpt}\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n{returned}--x--"
    );
    mail(&head, &body)
}

pub(super) fn arf(id: &str, kind: &str, rcpt: Option<&str>, original: &str) -> Vec<u8> {
    let head = format!(
        "From: fbl@isp.example\nTo: team@acme.example\nSubject: Complaint {id}\nMessage-ID: <{id}@isp.example>\n\
         Date: Sun, 1 Mar 2026 12:32:00 +0000\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=\"y\""
    );
    let rcpt = rcpt.map_or_else(String::new, |rcpt| format!("Original-Rcpt-To: <{rcpt}>\n"));
    let body = format!(
        "--y\nContent-Type: text/plain\n\nAbuse.\n--y\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\n\
         User-Agent: F/1\nVersion: 1\n{rcpt}\n--y\nContent-Type: message/rfc822\n\n\
         Message-ID: <{original}>\nFrom: team@acme.example\nTo: redacted@isp.example\nSubject: Shoes\n\nHi\n--y--"
    );
    mail(&head, &body)
}

async fn dead(desk: &Desk) -> Vec<String> {
    let keys = ["ana", "bo", "cy", "di"].map(|who| format!("{who}@example.org"));
    let mut tx = desk.fresh.store.read().await.unwrap();
    let rows = tx.find_addresses(Channel::Email, keys.to_vec()).await.unwrap();
    rows.into_iter().filter(|a| a.dead_at.is_some()).map(|a| a.value_key).collect()
}

async fn complained(desk: &Desk) -> Vec<String> {
    let keys = ["ana", "bo", "cy", "di", "home"].map(|who| format!("{who}@example.org"));
    let mut tx = desk.fresh.store.read().await.unwrap();
    let mut all: Vec<String> =
        tx.suppressed(Channel::Email, keys.to_vec()).await.unwrap().into_iter().map(|s| s.value_key).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_bounce_counts_only_where_it_is_about_mail_of_ours() {
    for desk in both().await {
        // Anybody can write such a report: of a mail that is not ours, or of nothing that we sent.
        desk.drop_into(FolderRole::Inbox, &[dsn("f1", "di@example.org", Some("theirs@rival.example"))]).await;
        desk.drop_into(FolderRole::Inbox, &[dsn("f2", "di@example.org", None)]).await;
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org, bo@example.org", "s1")]).await;
        desk.drop_into(FolderRole::Inbox, &[dsn("f3", "di@example.org", Some("s1@acme.example"))]).await;
        assert_eq!((dead(&desk).await, ended(&desk, "di").await), (vec![], None), "{}", desk.fresh.name);
        assert_eq!(desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM event WHERE type = 'message.bounced'").await, 0);
        assert_eq!(desk.one("Undelivered f1").await.kind, "bounce", "kept and shown all the same");
        desk.drop_into(FolderRole::Inbox, &[dsn("r1", "bo@example.org", Some("s1@acme.example"))]).await;
        assert_eq!(dead(&desk).await, ["bo@example.org"]);
        // Where an alias led, ours did not go; who is meant is clear all the same.
        desk.drop_into(FolderRole::Sent, &[sent_to("di@example.org", "s2")]).await;
        desk.drop_into(FolderRole::Inbox, &[dsn("r2", "di@forwarded.example", Some("s2@acme.example"))]).await;
        assert_eq!(dead(&desk).await, ["bo@example.org", "di@example.org"]);
        assert!(ended(&desk, "di").await.is_some());
        // A notice that names no message counts where we wrote to that address not long ago.
        desk.drop_into(FolderRole::Sent, &[sent_to("cy@example.org", "s3")]).await;
        desk.drop_into(FolderRole::Inbox, &[dsn("r3", "cy@example.org", None)]).await;
        assert_eq!(dead(&desk).await, ["bo@example.org", "cy@example.org", "di@example.org"]);
    }
}

#[tokio::test]
async fn a_complaint_suppresses_who_complained_and_asks_where_that_is_not_known() {
    for desk in both().await {
        let both = sent_to("ana@example.org, di@example.org", "s1");
        desk.drop_into(FolderRole::Sent, &[both, sent_to("bo@example.org", "s2")]).await;
        let none_of_these = [
            arf("c1", "abuse", Some("ana@example.org"), "theirs@rival.example"),
            arf("c2", "auth-failure", Some("ana@example.org"), "s1@acme.example"),
            arf("c3", "not-spam", Some("ana@example.org"), "s1@acme.example"),
            arf("c4", "virus", Some("ana@example.org"), "s1@acme.example"),
        ];
        desk.drop_into(FolderRole::Inbox, &none_of_these).await;
        assert_eq!(complained(&desk).await, [""; 0], "{}", desk.fresh.name);
        assert_eq!(desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM event WHERE type = 'message.complained'").await, 0);
        // Somebody of two, and it is not said who: nobody is suppressed, and a person is asked, once.
        desk.drop_into(FolderRole::Inbox, &[arf("c5", "abuse", None, "s1@acme.example")]).await;
        assert_eq!(complained(&desk).await, [""; 0]);
        assert_eq!((ended(&desk, "ana").await, ended(&desk, "di").await), (None, None));
        for who in ["ana", "di"] {
            assert_eq!(
                held(&desk, who).await.map(|(_, why)| why).as_deref(),
                Some("one of several complained"),
                "{who}"
            );
        }
        assert_eq!(tasks(&desk).await.iter().filter(|t| t.2.contains("called it spam")).count(), 1);
        // One alone: it is they, said or not.
        desk.drop_into(FolderRole::Inbox, &[arf("c6", "abuse", None, "s2@acme.example")]).await;
        desk.drop_into(FolderRole::Inbox, &[arf("c7", "abuse", Some("di@example.org"), "s1@acme.example")]).await;
        assert_eq!(complained(&desk).await, ["bo@example.org", "di@example.org"]);
        assert_eq!(ended(&desk, "bo").await.as_deref(), Some("complained"));
        assert_eq!(ended(&desk, "ana").await, None);
    }
}

#[tokio::test]
async fn a_bounce_of_an_address_that_nobody_had_counts_when_it_becomes_somebodys() {
    for desk in both().await {
        desk.drop_into(FolderRole::Sent, &[sent_to("di@old.example", "s1")]).await;
        desk.drop_into(FolderRole::Inbox, &[dsn("o1", "di@old.example", Some("s1@acme.example"))]).await;
        let change = people::InfluencerChange {
            add_emails: vec!["di@old.example".into()],
            ..people::InfluencerChange::default()
        };
        let mut tx = desk.fresh.store.begin("test.add").await.unwrap();
        people::update_influencer(&mut tx, &desk.clock, desk.people["di"], "kim", change).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = desk.fresh.store.read().await.unwrap();
        let row = tx.find_addresses(Channel::Email, vec!["di@old.example".into()]).await.unwrap().remove(0);
        assert!(row.dead_at.is_some(), "{}", desk.fresh.name);
        drop(tx);
        assert_eq!(events(&desk, "di", EventType::MessageBounced).await.len(), 1);
        assert_eq!(ended(&desk, "di").await, None, "another address of theirs is alive");
        assert!(tasks(&desk).await.is_empty());
    }
}
