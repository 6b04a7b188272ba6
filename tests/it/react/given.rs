//! A thread that a person gives to another influencer: what moves, what follows, what comes later, and the way back.

use super::*;
use liaison::domain::consequence::MACHINE;
use liaison::domain::ids::ThreadId;
use liaison::hub::thread::{self, ThreadChange, ThreadError};

async fn give(desk: &Desk, id: ThreadId, to: InfluencerId) -> Result<(), ThreadError> {
    let mut tx = desk.fresh.store.begin("test.give").await.unwrap();
    let change = ThreadChange { influencer: Some(to), ..ThreadChange::default() };
    thread::change(&mut tx, &desk.clock, id, (change, "kim")).await?;
    tx.commit().await.unwrap();
    Ok(())
}

/// Whose turn it is with somebody, and whether anything was said with them.
async fn touch(desk: &Desk, who: &str) -> (Option<String>, bool) {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let row = tx.get_influencer(desk.people[who]).await.unwrap().unwrap();
    (row.awaiting.map(|a| a.to_string()), row.last_message_at.is_some())
}

#[tokio::test]
async fn a_thread_that_is_given_to_another_is_theirs_and_so_is_what_comes_later_until_it_goes_back() {
    for desk in both().await {
        let (ana, di) = (desk.people["ana"], desk.people["di"]);
        desk.drop_into(FolderRole::Inbox, &[reply("ana@example.org", "t1", "", "Di would like to know more, please.")])
            .await;
        let first = desk.one("Re: Shoes t1").await;
        let thread = first.parts[0].1;
        assert_eq!((first.who(), ended(&desk, "di").await), (vec![ana], None), "{}", desk.fresh.name);
        give(&desk, thread, di).await.unwrap();

        // It moved, and counts as Di's answer; what followed for Ana stays.
        assert_eq!(desk.one("Re: Shoes t1").await.who(), [di]);
        let read = "answered, and a person is to read it";
        assert_eq!(ended(&desk, "di").await.as_deref(), Some(read), "{}", desk.fresh.name);
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("replied"));
        let told = events(&desk, "di", EventType::ThreadReplied).await;
        assert_eq!((told.len(), &told[0]["data"]["assigned_by"]), (1, &json!("kim")));
        assert_eq!((touch(&desk, "di").await, touch(&desk, "ana").await), ((Some("us".into()), true), (None, false)));

        // What is said there later is Di's as well, whoever's the address is; elsewhere it is Ana's.
        let later = reply("ana@example.org", "t2", "In-Reply-To: <t1@mail.example>", "And one more thing.");
        desk.drop_into(FolderRole::Inbox, &[later, reply("ana@example.org", "t3", "", "Something else of mine.")])
            .await;
        let second = desk.one("Re: Shoes t2").await;
        assert_eq!((second.who(), second.parts[0].1), (vec![di], thread), "{}", desk.fresh.name);
        assert_eq!(desk.one("Re: Shoes t3").await.who(), [ana]);
        assert_eq!(events(&desk, "di", EventType::ThreadReplied).await.len(), 2);

        // The way back: all of it, and nothing follows a second time.
        let replied = events(&desk, "ana", EventType::ThreadReplied).await.len();
        give(&desk, thread, ana).await.unwrap();
        for subject in ["Re: Shoes t1", "Re: Shoes t2"] {
            assert_eq!(desk.one(subject).await.who(), [ana], "{}", desk.fresh.name);
        }
        assert_eq!(events(&desk, "ana", EventType::ThreadReplied).await.len(), replied);
        assert_eq!(touch(&desk, "di").await, (None, false));
        let last = reply("ana@example.org", "t4", "In-Reply-To: <t2@mail.example>", "Thank you.");
        desk.drop_into(FolderRole::Inbox, &[last]).await;
        assert_eq!(desk.one("Re: Shoes t4").await.who(), [ana]);
    }
}

#[tokio::test]
async fn what_may_be_a_no_holds_whoever_has_the_thread() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org", "s1")]).await;
        let machine = "In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied";
        let no = "Please remove me from your list and never write to me again.";
        desk.drop_into(FolderRole::Inbox, &[reply("bo@example.org", "p1", machine, no)]).await;
        let thread = desk.one("Re: Shoes p1").await.parts[0].1;
        let is_held = async |who: &str| held(&desk, who).await.is_some();
        assert_eq!((is_held("bo").await, is_held("di").await), (true, false), "{name}");
        give(&desk, thread, desk.people["di"]).await.unwrap();
        assert_eq!((is_held("bo").await, is_held("di").await), (false, true), "{name}");
        assert_eq!(held(&desk, "di").await.map(|(_, why)| why).as_deref(), Some(MACHINE), "{name}");
        give(&desk, thread, desk.people["bo"]).await.unwrap();
        assert_eq!((is_held("bo").await, is_held("di").await), (true, false), "{name}");
        give(&desk, thread, desk.people["di"]).await.unwrap();
        let task = super::asked::asked(&desk).await.remove(0);
        super::asked::finished(&desk, task, Some("go_on")).await.unwrap();
        assert_eq!((is_held("bo").await, is_held("di").await), (false, false), "{name}");
        assert_eq!((ended(&desk, "bo").await, ended(&desk, "di").await), (None, None), "{name}");
    }
}

#[tokio::test]
async fn a_thread_is_given_to_nobody_who_has_one_of_their_own_there() {
    for desk in both().await {
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org, di@example.org", "s9")]).await;
        let sent = desk.one("Shoes").await;
        let of = |who: &str| sent.parts.iter().find(|p| p.0 == desk.people[who]).unwrap().1;
        let refused = give(&desk, of("ana"), desk.people["di"]).await.unwrap_err();
        assert!(matches!(refused, ThreadError::TheirOwn { there, .. } if there == of("di")), "{refused}");
        let nobody = InfluencerId(desk.clock.new_id());
        assert!(matches!(give(&desk, of("ana"), nobody).await, Err(ThreadError::NoInfluencer(_))));
        give(&desk, of("ana"), desk.people["ana"]).await.unwrap();
        assert_eq!(desk.one("Shoes").await.parts, sent.parts, "{}: nothing changed", desk.fresh.name);
    }
}
