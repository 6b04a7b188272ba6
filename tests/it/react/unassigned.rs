//! Messages that nobody says the person of: how long they hold those they may be about, and what ends that.

use super::asked::finished;
use super::*;
use liaison::domain::words::{TaskState, Word as _};
use liaison::hub::loose_ends;
use liaison::hub::task::{self, TaskError};
use liaison::store::reading::Page;

/// An agent of Ana, Bo and Cy wrote twice about nobody in particular: talk, and what may be a no.
async fn two_wait(desk: &Desk) -> (MessageId, MessageId) {
    desk.drop_into(FolderRole::Sent, &[sent_to("mgr@talent.example", "s5")]).await;
    let talk = reply("mgr@talent.example", "g5", "In-Reply-To: <s5@acme.example>", "Yes, let us talk.");
    let no = reply("mgr@talent.example", "g6", "In-Reply-To: <s5@acme.example>", "No thanks, not interested.");
    desk.drop_into(FolderRole::Inbox, &[talk]).await;
    desk.drop_into(FolderRole::Inbox, &[no]).await;
    (desk.one("Re: Shoes g5").await.id, desk.one("Re: Shoes g6").await.id)
}

async fn matched(desk: &Desk, message: MessageId, who: &str) {
    let mut tx = desk.fresh.store.begin("test.match").await.unwrap();
    let stages = KnownStages { start: "prospect".into(), ids: vec!["prospect".into()] };
    let whose = Whose::Influencer(desk.people[who]);
    match_message(&mut tx, &desk.clock, &stages, message, (whose, "kim")).await.unwrap();
    tx.commit().await.unwrap();
}

/// Whom `loose-ends` says to be held without an end.
async fn held_for_ever(desk: &Desk) -> Vec<InfluencerId> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let all = loose_ends::list(&mut tx, &desk.clock, Page::oldest(100)).await.unwrap().data;
    let mut ids: Vec<_> = all.into_iter().filter(|l| l.reason == "held").map(|l| l.influencer_id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_hold_goes_by_what_still_waits_when_the_message_that_made_it_is_assigned() {
    for desk in both().await {
        let (talk, no) = two_wait(&desk).await;
        let mut all = ["ana", "bo", "cy"].map(|who| desk.people[who]);
        all.sort();
        assert_eq!(held_for_ever(&desk).await, all, "{}", desk.fresh.name);
        matched(&desk, no, "ana").await;
        assert_eq!(held_for_ever(&desk).await, []);
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("refused"));
        for who in ["ana", "bo", "cy"] {
            let (until, why) = held(&desk, who).await.unwrap();
            assert_eq!(why, UNASSIGNED, "{}: {who}: the other one waits", desk.fresh.name);
            assert!(until <= desk.clock.now().plus(HOLD_UNASSIGNED), "{}: {who}: {until}", desk.fresh.name);
        }
        matched(&desk, talk, "ana").await;
        for who in ["ana", "bo", "cy"] {
            assert_eq!(held(&desk, who).await, None, "{}: {who}", desk.fresh.name);
        }
    }
}

/// Who was let go by hand meanwhile is not held again.
#[tokio::test]
async fn whoever_was_let_go_by_hand_is_not_held_again_by_what_waits() {
    for desk in both().await {
        let (_, no) = two_wait(&desk).await;
        let mut tx = desk.fresh.store.begin("test.release").await.unwrap();
        assert!(hold::release(&mut tx, &desk.clock, desk.people["bo"], "kim").await.unwrap());
        tx.commit().await.unwrap();
        matched(&desk, no, "ana").await;
        assert_eq!(held(&desk, "bo").await, None, "{}", desk.fresh.name);
        assert!(held(&desk, "cy").await.is_some());
    }
}

#[tokio::test]
async fn a_task_that_asks_whose_a_message_is_ends_when_that_is_said_and_no_sooner() {
    for desk in both().await {
        let (talk, no) = two_wait(&desk).await;
        let page = Page::oldest(100);
        let filter = TaskFilter { kind: Some(TaskKind::Answer), ..TaskFilter::default() };
        let all =
            desk.fresh.store.read().await.unwrap().list_tasks(&filter, desk.clock.now(), page).await.unwrap().data;
        let of = |message| all.iter().find(|t| t.message_id == Some(message)).unwrap().id;
        for answer in [None, Some("told them on the phone")] {
            let refused = finished(&desk, of(no), answer).await.unwrap_err();
            assert!(matches!(refused, TaskError::Question { .. }), "{refused}");
            assert!(refused.to_string().contains(&format!("liaison unmatched match {no}")), "{refused}");
        }
        let mut tx = desk.fresh.store.begin("test.cancel").await.unwrap();
        let refused = task::cancel(&mut tx, &desk.clock, (of(no), None), "kim").await.unwrap_err();
        assert!(matches!(refused, TaskError::Question { .. }), "{refused}");
        drop(tx);
        assert_eq!(
            held_for_ever(&desk).await.len(),
            3,
            "{}: nobody goes on because a task was ticked off",
            desk.fresh.name
        );
        finished(&desk, of(no), Some("Nobody")).await.unwrap();
        assert_eq!(held_for_ever(&desk).await, []);
        assert!(held(&desk, "bo").await.is_some(), "the other one waits");
        finished(&desk, of(talk), Some("nobody")).await.unwrap();
        for who in ["ana", "bo", "cy"] {
            assert_eq!((held(&desk, who).await, ended(&desk, who).await), (None, None), "{}: {who}", desk.fresh.name);
        }
        let mut tx = desk.fresh.store.read().await.unwrap();
        for message in [talk, no] {
            assert!(tx.get_unmatched_view(message).await.unwrap().is_none());
            let task = tx.get_task_view(of(message), desk.clock.now()).await.unwrap().unwrap();
            assert_eq!((task.state.as_str(), task.completed_by.as_deref()), (TaskState::Done.as_str(), Some("kim")));
        }
    }
}
