//! Tasks that ask whether something was a no: nobody goes on, or is held for ever, because one was ticked off.

use super::reports::arf;
use super::*;
use liaison::domain::consequence::{GONE, MACHINE};
use liaison::domain::ids::TaskId;
use liaison::hub::task::{self, TaskError};
use liaison::store::reading::Page;
use liaison::store::reading::loose::LooseRules;

const NO: &str = "Please remove me from your list and never write to me again.";

pub(super) async fn finished(desk: &Desk, task: TaskId, answer: Option<&str>) -> Result<(), TaskError> {
    let mut tx = desk.fresh.store.begin("test.finish").await.unwrap();
    let done = task::finish(&mut tx, &desk.clock, (task, None), (answer, "kim")).await;
    if done.is_ok() {
        tx.commit().await.unwrap();
    }
    done
}

/// The open tasks that ask whether something was a no, oldest first.
pub(super) async fn asked(desk: &Desk) -> Vec<TaskId> {
    let filter = TaskFilter { kind: Some(TaskKind::Refusal), ..TaskFilter::default() };
    let mut tx = desk.fresh.store.read().await.unwrap();
    let mut all = tx.list_tasks(&filter, desk.clock.now(), Page::oldest(100)).await.unwrap().data;
    all.sort_by_key(|task| task.id);
    all.into_iter().map(|task| task.id).collect()
}

/// Who is a loose end because a hold ends only when somebody says so.
async fn loose(desk: &Desk) -> Vec<String> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let rules = LooseRules::default();
    let all = tx.list_loose_ends(&rules, desk.clock.now(), Page::oldest(100)).await.unwrap().data;
    let mut who: Vec<String> =
        all.into_iter().filter(|end| end.reason == "held").map(|end| end.influencer_handle).collect();
    who.sort();
    who
}

async fn suppressed(desk: &Desk) -> Vec<String> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let mut keys: Vec<String> = tx
        .list_suppressions(None, 100)
        .await
        .unwrap()
        .into_iter()
        .filter(|s| s.channel == Channel::Email)
        .map(|s| s.value_key)
        .collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn what_may_be_a_machines_no_holds_until_somebody_says_whether_it_is_one() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org", "s1"), sent_to("di@example.org", "s2")]).await;
        let machine = |sent: &str| format!("In-Reply-To: <{sent}@acme.example>\nAuto-Submitted: auto-replied");
        let said = [
            reply("bo@example.org", "p1", &machine("s1"), NO),
            reply("di@example.org", "p2", &machine("s2"), NO),
            reply("di@example.org", "p3", &machine("s2"), NO),
        ];
        for mail in said {
            desk.drop_into(FolderRole::Inbox, &[mail]).await;
        }
        let all = asked(&desk).await;
        assert_eq!((all.len(), loose(&desk).await), (3, vec!["bo".to_owned(), "di".to_owned()]), "{name}");
        for answer in [None, Some("had a look"), Some("said_no di@example.org")] {
            let refused = finished(&desk, all[0], answer).await.unwrap_err();
            assert!(matches!(refused, TaskError::Question { .. }), "{refused}");
            assert!(refused.to_string().contains("`said_no`") && refused.to_string().contains("`go_on`"), "{refused}");
        }
        let mut tx = desk.fresh.store.begin("test.cancel").await.unwrap();
        let refused = task::cancel(&mut tx, &desk.clock, (all[0], None), "kim").await.unwrap_err();
        assert!(matches!(refused, TaskError::Question { .. }), "{refused}");
        drop(tx);
        assert_eq!(held(&desk, "bo").await.map(|(_, why)| why).as_deref(), Some(MACHINE), "{name}");
        finished(&desk, all[0], Some("said_no")).await.unwrap();
        assert_eq!(suppressed(&desk).await, ["bo@example.org"], "{name}");
        assert_eq!((held(&desk, "bo").await, stage(&desk, "bo").await.as_str()), (None, "opted_out"));
        assert_eq!(ended(&desk, "bo").await.as_deref(), Some("opted out"));
        assert_eq!(events(&desk, "bo", EventType::InfluencerUnsubscribed).await.len(), 1);
        // Two answers of one machine: either may be the no.
        finished(&desk, all[1], Some("go_on")).await.unwrap();
        assert_eq!(loose(&desk).await, ["di"], "{name}: the other one is not answered");
        finished(&desk, all[2], Some(" Go_on ")).await.unwrap();
        assert_eq!((held(&desk, "di").await, ended(&desk, "di").await), (None, None), "{name}");
        assert_eq!((suppressed(&desk).await.len(), loose(&desk).await.len(), asked(&desk).await.len()), (1, 0, 0));
    }
}

#[tokio::test]
async fn whoever_complained_of_several_is_named_and_the_others_are_let_go() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org, di@example.org", "s1")]).await;
        desk.drop_into(FolderRole::Inbox, &[arf("c1", "abuse", None, "s1@acme.example")]).await;
        let all = asked(&desk).await;
        assert_eq!((all.len(), loose(&desk).await), (1, vec!["ana".to_owned(), "di".to_owned()]), "{name}");
        for answer in [None, Some("said_no")] {
            let refused = finished(&desk, all[0], answer).await.unwrap_err();
            assert!(matches!(refused, TaskError::Question { .. }), "{refused}");
        }
        let refused = finished(&desk, all[0], Some("said_no bo@example.org")).await.unwrap_err();
        assert!(refused.to_string().contains("it went to ana@example.org, di@example.org"), "{refused}");
        assert_eq!(loose(&desk).await.len(), 2, "{name}");
        finished(&desk, all[0], Some("said_no Di@Example.org")).await.unwrap();
        assert_eq!(suppressed(&desk).await, ["di@example.org"], "{name}");
        assert_eq!((ended(&desk, "ana").await, held(&desk, "ana").await), (None, None), "{name}");
        assert_eq!(ended(&desk, "di").await.as_deref(), Some("opted out"), "{name}");
        assert_eq!((loose(&desk).await.len(), asked(&desk).await.len()), (0, 0), "{name}");
    }
}

#[tokio::test]
async fn a_no_of_an_agents_machine_is_the_agents_and_ends_the_run_it_was_about() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("mgr@talent.example, ana@example.org", "s1")]).await;
        let machine = "In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied";
        desk.drop_into(FolderRole::Inbox, &[reply("mgr@talent.example", "p1", machine, NO)]).await;
        let all = asked(&desk).await;
        assert_eq!((all.len(), loose(&desk).await), (1, vec!["ana".to_owned()]), "{name}");
        finished(&desk, all[0], Some("said_no")).await.unwrap();
        assert_eq!(suppressed(&desk).await, ["mgr@talent.example"], "{name}: nobody else said so");
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("refused"), "{name}: nothing goes on by itself");
        assert_eq!((held(&desk, "ana").await, ended(&desk, "bo").await), (None, None), "{name}");
        assert_ne!(stage(&desk, "ana").await, "opted_out", "{name}");
    }
}

#[tokio::test]
async fn what_is_asked_again_holds_again_until_it_is_answered_again() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org, di@example.org", "s1")]).await;
        for n in ["c1", "c2"] {
            desk.drop_into(FolderRole::Inbox, &[arf(n, "abuse", None, "s1@acme.example")]).await;
            let all = asked(&desk).await;
            assert_eq!((all.len(), loose(&desk).await.len()), (1, 2), "{name}: {n}");
            finished(&desk, all[0], Some("go_on")).await.unwrap();
            assert_eq!((asked(&desk).await.len(), loose(&desk).await.len()), (0, 0), "{name}: {n}");
        }
    }
}

#[tokio::test]
async fn whoever_may_have_left_is_held_whatever_a_machine_meant() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("di@example.org", "s1")]).await;
        let gone = json!({"kind": "gone", "role": "author", "waiting": null, "sure": false});
        learn(&desk, "di", EventType::MessageReceived, None, gone).await;
        let machine = "In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied";
        desk.drop_into(FolderRole::Inbox, &[reply("di@example.org", "p1", machine, NO)]).await;
        assert_eq!(held(&desk, "di").await.map(|(_, why)| why).as_deref(), Some(MACHINE), "{name}");
        finished(&desk, asked(&desk).await[0], Some("go_on")).await.unwrap();
        assert_eq!(held(&desk, "di").await.map(|(_, why)| why).as_deref(), Some(GONE), "{name}");
    }
}
