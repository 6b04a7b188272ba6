//! A no that is easily not heard: in mail that looks automatic, with somebody else in Cc, in Junk, through a list.

use super::reports::{arf, dsn};
use super::*;
use liaison::domain::consequence::MACHINE;
use liaison::domain::token::TOKEN_CHARS;

const NO: &str = "Please remove me from your list and never write to me again.";

async fn suppressed(desk: &Desk) -> Vec<String> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let keys = ["ana@example.org", "bo@example.org", "cy@example.org", "di@example.org", "who@nowhere.example"];
    let rows = tx.suppressed(Channel::Email, keys.map(str::to_owned).to_vec()).await.unwrap();
    let mut keys: Vec<String> = rows.into_iter().map(|s| s.value_key).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_no_in_mail_that_only_looks_automatic_is_heard_and_a_machines_is_read_by_a_person() {
    for desk in both().await {
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org", "s1"), sent_to("bo@example.org", "s2")]).await;
        let group = "In-Reply-To: <s1@acme.example>\nPrecedence: list\nReturn-Path: <>\nX-Auto-Response-Suppress: All";
        let machine = "In-Reply-To: <s2@acme.example>\nAuto-Submitted: auto-replied";
        desk.drop_into(
            FolderRole::Inbox,
            &[
                reply("ana@example.org", "p1", group, NO),
                reply("bo@example.org", "p2", machine, NO),
                reply(
                    "cy@example.org",
                    "p3",
                    "Auto-Submitted: auto-replied",
                    "We have received your request: ticket 12.",
                ),
            ],
        )
        .await;
        assert_eq!(desk.one("Re: Shoes p1").await.kind, "human", "{}", desk.fresh.name);
        assert_eq!(suppressed(&desk).await, ["ana@example.org"]);
        assert!(ended(&desk, "ana").await.is_some());
        assert_eq!(desk.one("Re: Shoes p2").await.kind, "automatic");
        assert_eq!(ended(&desk, "bo").await, None, "a machine ends nothing");
        assert_eq!(held(&desk, "bo").await.map(|(_, why)| why).as_deref(), Some(MACHINE));
        let asked: Vec<_> = tasks(&desk).await.into_iter().map(|(kind, who, _)| (kind, who)).collect();
        assert_eq!(asked, [(TaskKind::Refusal, Some(desk.people["bo"]))]);
        assert_eq!(held(&desk, "cy").await, None);
    }
}

#[tokio::test]
async fn an_answer_stamped_before_our_mail_is_not_a_quick_one() {
    for desk in both().await {
        let later = mail(
            "From: Kim <team@acme.example>\nTo: ana@example.org\nSubject: Shoes\nMessage-ID: <s1@acme.example>\nDate: Sun, 1 Mar 2026 12:30:00 +0000",
            "Shall we talk about shoes?",
        );
        desk.drop_into(FolderRole::Sent, &[later]).await;
        let more = "In-Reply-To: <s1@acme.example>\nPrecedence: list";
        desk.drop_into(FolderRole::Inbox, &[reply("ana@example.org", "e1", more, "Yes, tell me more.")]).await;
        assert_eq!(desk.one("Re: Shoes e1").await.kind, "human", "{}", desk.fresh.name);
        assert!(ended(&desk, "ana").await.is_some());
    }
}

#[tokio::test]
async fn an_unknown_writers_no_counts_with_somebody_known_in_copy() {
    for desk in both().await {
        let no = reply("who@nowhere.example", "c1", "Cc: di@example.org", NO);
        let other = reply("friend@nowhere.example", "c2", "Cc: bo@example.org", "Hello, tell me more.");
        desk.drop_into(FolderRole::Inbox, &[no, other]).await;
        assert_eq!(suppressed(&desk).await, ["who@nowhere.example"], "{}", desk.fresh.name);
        assert_eq!(held(&desk, "di").await.map(|(_, why)| why).as_deref(), Some(UNASSIGNED));
        assert_eq!(ended(&desk, "di").await, None);
        assert_eq!(held(&desk, "bo").await, None);
        assert_eq!(tasks(&desk).await.len(), 1);
    }
}

#[tokio::test]
async fn what_names_our_mail_is_heard_in_junk() {
    for desk in both().await {
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org", "s1"), sent_to("bo@example.org", "s2")]).await;
        let token = "t0ken".repeat(9)[..TOKEN_CHARS].to_owned();
        let by_link = mail(
            &format!(
                "From: who@nowhere.example\nTo: team@acme.example\nSubject: unsubscribe {token}\nMessage-ID: <t1@mail.example>\nDate: Sun, 1 Mar 2026 13:00:00 +0000"
            ),
            "",
        );
        desk.drop_into(
            FolderRole::Junk,
            &[
                by_link,
                reply("ana.alias@mail.example", "j1", "In-Reply-To: <s1@acme.example>", NO),
                dsn("j2", "bo@example.org", Some("s2@acme.example")),
                arf("j3", "abuse", Some("bo@example.org"), "s2@acme.example"),
                reply("spam@bad.example", "j4", "In-Reply-To: <else@bad.example>", NO),
                dsn("j5", "cy@example.org", Some("else@bad.example")),
            ],
        )
        .await;
        assert_eq!(desk.find(&format!("unsubscribe {token}")).await.len(), 1, "{}", desk.fresh.name);
        assert!(ended(&desk, "ana").await.is_some(), "an answer from an alias");
        assert_eq!(desk.one("Undelivered j2").await.kind, "bounce");
        assert_eq!(suppressed(&desk).await, ["bo@example.org"], "who complained");
        for left_out in ["Re: Shoes j4", "Undelivered j5"] {
            assert!(desk.find(left_out).await.is_empty(), "{left_out}");
        }
    }
}

#[tokio::test]
async fn a_list_that_rewrites_from_to_ours_leaves_the_writer_who_they_are() {
    for desk in both().await {
        let through = |id: &str, from: &str, more: &str| {
            let head = format!(
                "From: {from}\nTo: collabs@acme.example\nSubject: Re: Shoes {id}\nMessage-ID: <{id}@mail.example>\nDate: Sun, 1 Mar 2026 13:00:00 +0000\n{more}"
            );
            mail(&head, NO)
        };
        let list = "List-Id: <collabs.acme.example>\n";
        let via = "\"Ana via Collabs\" <collabs@acme.example>";
        desk.drop_into(
            FolderRole::Inbox,
            &[
                through("l1", via, &format!("{list}Reply-To: Ana <ana@example.org>")),
                // ours in fact: our token, or nobody else to answer to
                through("l2", "Kim <team@acme.example>", "X-Liaison-Id: abc\nReply-To: bo@example.org"),
                through("l3", "Kim <team@acme.example>", &format!("{list}Reply-To: collabs@acme.example")),
            ],
        )
        .await;
        desk.drop_into(FolderRole::Sent, &[through("l4", "Kim <team@acme.example>", "Reply-To: cy@example.org")]).await;
        assert_eq!(suppressed(&desk).await, ["ana@example.org"], "{}", desk.fresh.name);
        assert_eq!(stage(&desk, "ana").await, "opted_out");
        for who in ["bo", "cy"] {
            assert_eq!(ended(&desk, who).await, None, "{who}");
        }
        let mut tx = desk.fresh.store.read().await.unwrap();
        let message = tx.get_message_view(desk.one("Re: Shoes l1").await.id).await.unwrap().unwrap();
        assert_eq!(message.from.address, "ana@example.org");
    }
}
