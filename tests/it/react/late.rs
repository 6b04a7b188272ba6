//! What is learned of a message only later: whose it is, about whom, and that its writer is one of theirs.

use super::*;
use liaison::domain::words::SuppressionReason;
use liaison::hub::people::{AgentChange, InfluencerChange, NewAgent, create_agent, update_agent, update_influencer};

const NO: &str = "Please remove me from your list and never write to me again.";

async fn suppressed(desk: &Desk, keys: &[&str]) -> Vec<String> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let rows = tx.suppressed(Channel::Email, keys.iter().map(ToString::to_string).collect()).await.unwrap();
    assert!(rows.iter().all(|s| s.reason == SuppressionReason::OptedOut));
    let mut keys: Vec<String> = rows.into_iter().map(|s| s.value_key).collect();
    keys.sort();
    keys
}

pub(super) async fn matched(desk: &Desk, message: MessageId, whose: Whose) {
    let mut tx = desk.fresh.store.begin("test.match").await.unwrap();
    let stages = KnownStages { start: "prospect".into(), ids: vec!["prospect".into()] };
    match_message(&mut tx, &desk.clock, &stages, message, (whose, "kim")).await.unwrap();
    tx.commit().await.unwrap();
}

async fn waiting(desk: &Desk, message: MessageId) -> bool {
    let mut tx = desk.fresh.store.read().await.unwrap();
    tx.get_unmatched_view(message).await.unwrap().is_some()
}

/// A mail that names no other, from any address.
fn letter(from: &str, id: &str, more: &str, body: &str) -> Vec<u8> {
    reply(from, id, more, body)
}

#[tokio::test]
async fn whoever_wants_no_more_mail_gets_none_known_or_not() {
    for desk in both().await {
        desk.drop_into(FolderRole::Sent, &[sent_to("di@example.org", "s1")]).await;
        let mails = [
            letter("who@nowhere.example", "n1", "", NO),
            letter("di.private@mail.example", "n2", "In-Reply-To: <s1@acme.example>", NO),
            letter("mgr@talent.example", "n3", "", NO),
            letter("friendly@nowhere.example", "n4", "", "Hello, tell me more."),
        ];
        desk.drop_into(FolderRole::Inbox, &mails).await;
        let asked =
            ["who@nowhere.example", "di.private@mail.example", "mgr@talent.example", "friendly@nowhere.example"];
        assert_eq!(
            suppressed(&desk, &asked).await,
            ["di.private@mail.example", "mgr@talent.example", "who@nowhere.example"],
            "{}",
            desk.fresh.name
        );
        // Whose it may be is written to no more either, until somebody has said whose it is.
        assert!(ended(&desk, "di").await.is_some());
        assert_eq!(held(&desk, "di").await.map(|(_, why)| why).as_deref(), Some(UNASSIGNED));
        assert_eq!(suppressed(&desk, &["di@example.org", "ana@example.org"]).await, [""; 0]);
        // It was hers: then it is said for all her addresses, once.
        let message = desk.one("Re: Shoes n2").await.id;
        matched(&desk, message, Whose::Influencer(desk.people["di"])).await;
        assert_eq!(suppressed(&desk, &["di@example.org"]).await, ["di@example.org"]);
        assert_eq!(stage(&desk, "di").await, "opted_out");
        assert_eq!(held(&desk, "di").await, None, "it is known whose it is");
        assert_eq!(events(&desk, "di", EventType::InfluencerUnsubscribed).await.len(), 1);
        assert!(!waiting(&desk, message).await);
    }
}

#[tokio::test]
async fn an_agents_no_is_one_for_all_addresses_of_that_agent() {
    for desk in both().await {
        let mut tx = desk.fresh.store.begin("test.agent").await.unwrap();
        let agent = tx.find_addresses(Channel::Email, vec!["mgr@talent.example".into()]).await.unwrap()[0].agent_id;
        let change = AgentChange { add_emails: vec!["max@talent.example".into()], ..AgentChange::default() };
        update_agent(&mut tx, &desk.clock, agent.unwrap(), change).await.unwrap();
        tx.commit().await.unwrap();
        desk.drop_into(FolderRole::Sent, &[sent_to("mgr@talent.example, ana@example.org", "s2")]).await;
        let no = letter("mgr@talent.example", "g2", "In-Reply-To: <s2@acme.example>", NO);
        desk.drop_into(FolderRole::Inbox, &[no]).await;
        let all = ["mgr@talent.example", "max@talent.example", "ana@example.org", "bo@example.org"];
        assert_eq!(suppressed(&desk, &all).await, ["max@talent.example", "mgr@talent.example"], "{}", desk.fresh.name);
        assert!(ended(&desk, "ana").await.is_some() && ended(&desk, "bo").await.is_none());
    }
}

#[tokio::test]
async fn an_address_that_comes_to_somebody_who_said_no_is_not_written_to() {
    for desk in both().await {
        let no = letter("ana@example.org", "a1", "", NO);
        desk.drop_into(FolderRole::Inbox, &[no]).await;
        assert_eq!(suppressed(&desk, &["ana@example.org"]).await.len(), 1);
        let add = |email: &str| InfluencerChange { add_emails: vec![email.into()], ..InfluencerChange::default() };
        let mut tx = desk.fresh.store.begin("test.add").await.unwrap();
        update_influencer(&mut tx, &desk.clock, desk.people["ana"], "kim", add("ana@new.example")).await.unwrap();
        // The other way round: an address that said no before anybody knew whose it is.
        let early = people::NewSuppression {
            address: "bo@old.example".into(),
            reason: SuppressionReason::OptedOut,
            evidence: "said so".into(),
        };
        people::suppress_address(&mut tx, &desk.clock, early).await.unwrap();
        update_influencer(&mut tx, &desk.clock, desk.people["bo"], "kim", add("bo@old.example")).await.unwrap();
        update_influencer(&mut tx, &desk.clock, desk.people["cy"], "kim", add("cy@new.example")).await.unwrap();
        tx.commit().await.unwrap();
        let all = ["ana@new.example", "bo@example.org", "cy@example.org", "cy@new.example"];
        assert_eq!(suppressed(&desk, &all).await, ["ana@new.example", "bo@example.org"], "{}", desk.fresh.name);
        assert_eq!(ended(&desk, "bo").await.as_deref(), Some("opted out"));
        assert_eq!(ended(&desk, "cy").await, None);
    }
}

#[tokio::test]
async fn what_a_stranger_wrote_follows_when_it_is_known_who_they_are_and_once() {
    for desk in both().await {
        let auto = "Auto-Submitted: auto-replied";
        let mails = [
            letter("ana@home.example", "w1", "", "Gladly, tell me more."),
            letter("bo@home.example", "w2", auto, "I am out of the office until further notice."),
            letter("cy@home.example", "w3", "", "No thanks, not interested."),
        ];
        desk.drop_into(FolderRole::Inbox, &mails).await;
        for who in ["ana", "bo", "cy"] {
            assert_eq!((ended(&desk, who).await, held(&desk, who).await), (None, None), "{who}");
        }
        for (who, n) in [("ana", 1), ("bo", 2), ("cy", 3)] {
            let message = desk.one(&format!("Re: Shoes w{n}")).await.id;
            matched(&desk, message, Whose::Influencer(desk.people[who])).await;
        }
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("replied"), "{}", desk.fresh.name);
        assert_eq!(stage(&desk, "ana").await, "in_talks");
        assert_eq!((ended(&desk, "bo").await, held(&desk, "bo").await.unwrap().1), (None, "out of office".to_owned()));
        assert_eq!(
            (ended(&desk, "cy").await.as_deref(), stage(&desk, "cy").await.as_str()),
            (Some("refused"), "declined")
        );
        assert_eq!(events(&desk, "ana", EventType::ThreadReplied).await.len(), 1);
        // Known already: nothing is learned again.
        let mut tx = desk.fresh.store.begin("test.again").await.unwrap();
        let owners = std::collections::HashMap::from([(
            "ana@home.example".to_owned(),
            liaison::hub::matching::Belongs::Influencer(desk.people["ana"]),
        )]);
        liaison::hub::matching::rethread(&mut tx, &desk.clock, &owners).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(events(&desk, "ana", EventType::ThreadReplied).await.len(), 1);
    }
}

#[tokio::test]
async fn an_agent_ends_only_the_runs_their_answer_is_about() {
    for desk in both().await {
        // Ana and Bo are in one conversation; the agent answers the mail that was about Ana alone.
        let about_bo =
            reply("bo@example.org", "b0", "In-Reply-To: <s4@acme.example>\nAuto-Submitted: auto-replied", "Thanks.");
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org, mgr@talent.example", "s4")]).await;
        desk.drop_into(FolderRole::Inbox, &[about_bo]).await;
        let answer = reply("mgr@talent.example", "g4", "In-Reply-To: <s4@acme.example>", "Gladly, what do you offer?");
        desk.drop_into(FolderRole::Inbox, &[answer]).await;
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("replied"), "{}", desk.fresh.name);
        assert_eq!((ended(&desk, "bo").await, ended(&desk, "cy").await), (None, None));
        // What was written to the agent about nobody in particular ties their answer to nobody.
        desk.drop_into(FolderRole::Sent, &[sent_to("mgr@talent.example", "s5")]).await;
        let vague = reply("mgr@talent.example", "g5", "In-Reply-To: <s5@acme.example>", "Yes, let us talk.");
        desk.drop_into(FolderRole::Inbox, &[vague]).await;
        for who in ["bo", "cy"] {
            assert_eq!(ended(&desk, who).await, None, "{}: {who}", desk.fresh.name);
            assert_eq!(held(&desk, who).await.map(|(_, why)| why).as_deref(), Some(UNASSIGNED), "{who}");
        }
        assert!(waiting(&desk, desk.one("Re: Shoes g5").await.id).await);
        assert_eq!(tasks(&desk).await.iter().filter(|t| t.0 == TaskKind::Answer).count(), 1);
    }
}

#[tokio::test]
async fn a_stranger_who_turns_out_to_be_an_agent_of_several_waits_on_and_holds_them() {
    for desk in both().await {
        let hello = letter("new@agency.example", "q1", "", "Hello, I have a question.");
        desk.drop_into(FolderRole::Inbox, &[hello]).await;
        let message = desk.one("Re: Shoes q1").await.id;
        let mut tx = desk.fresh.store.begin("test.agent").await.unwrap();
        let both = vec![desk.people["ana"], desk.people["di"]];
        let new = NewAgent { emails: vec!["new@agency.example".into()], influencers: both, ..NewAgent::default() };
        create_agent(&mut tx, &desk.clock, new).await.unwrap();
        tx.commit().await.unwrap();
        assert!(waiting(&desk, message).await, "{}", desk.fresh.name);
        for who in ["ana", "di"] {
            assert_eq!(held(&desk, who).await.map(|(_, why)| why).as_deref(), Some(UNASSIGNED), "{who}");
        }
        matched(&desk, message, Whose::Influencer(desk.people["di"])).await;
        assert_eq!((ended(&desk, "ana").await, ended(&desk, "di").await), (None, Some("replied".into())));
        assert_eq!((held(&desk, "ana").await, held(&desk, "di").await), (None, None));
    }
}

#[tokio::test]
async fn a_late_parent_ties_a_strangers_answer_to_somebody_and_ends_their_runs() {
    for desk in both().await {
        let answer = reply("assistant@home.example", "l1", "In-Reply-To: <s6@acme.example>", "Writing for her: yes.");
        desk.drop_into(FolderRole::Inbox, &[answer]).await;
        assert_eq!(ended(&desk, "di").await, None);
        desk.drop_into(FolderRole::Sent, &[sent_to("di@example.org", "s6")]).await;
        assert!(ended(&desk, "di").await.is_some_and(|why| why.contains("read it")), "{}", desk.fresh.name);
    }
}
