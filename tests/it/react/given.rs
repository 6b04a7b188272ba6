//! A thread that a person gives to another influencer: what moves, what follows, what comes later, and the way back.

use super::reports::arf;
use super::*;
use liaison::domain::consequence::MACHINE;
use liaison::domain::ids::ThreadId;
use liaison::hub::people::{merge, unmerge};
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

const NO: &str = "Please remove me from your list and never write to me again.";

pub(super) async fn is_held(desk: &Desk, who: &[&str]) -> Vec<bool> {
    let mut all = Vec::new();
    for one in who {
        all.push(held(desk, one).await.is_some());
    }
    all
}

/// What a machine said at Bo's address, in a thread that is given to Di.
pub(super) async fn machine_of_bo(desk: &Desk) -> ThreadId {
    desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org", "s1")]).await;
    let machine = "In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied";
    desk.drop_into(FolderRole::Inbox, &[reply("bo@example.org", "p1", machine, NO)]).await;
    let thread = desk.one("Re: Shoes p1").await.parts[0].1;
    assert_eq!(is_held(desk, &["bo", "di"]).await, [true, false], "{}", desk.fresh.name);
    give(desk, thread, desk.people["di"]).await.unwrap();
    thread
}

#[tokio::test]
async fn what_may_be_a_no_holds_whoever_has_the_thread_and_whoever_it_was_written_from() {
    for desk in both().await {
        let name = desk.fresh.name;
        let thread = machine_of_bo(&desk).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [true, true], "{name}");
        assert_eq!(held(&desk, "di").await.map(|(_, why)| why).as_deref(), Some(MACHINE), "{name}");
        give(&desk, thread, desk.people["bo"]).await.unwrap();
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [true, false], "{name}");
        give(&desk, thread, desk.people["di"]).await.unwrap();
        // What the machine says there later is asked of Di, and may be Bo's as well.
        let task = super::asked::asked(&desk).await.remove(0);
        super::asked::finished(&desk, task, Some("go_on")).await.unwrap();
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, false], "{name}");
        assert_eq!((ended(&desk, "bo").await, ended(&desk, "di").await), (None, None), "{name}");
        let machine = "In-Reply-To: <p1@mail.example>\nAuto-Submitted: auto-replied";
        desk.drop_into(FolderRole::Inbox, &[reply("bo@example.org", "p2", machine, NO)]).await;
        assert_eq!(desk.one("Re: Shoes p2").await.who(), [desk.people["di"]]);
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [true, true], "{name}");
    }
}

#[tokio::test]
async fn a_no_that_was_read_in_a_given_thread_is_that_of_the_address_it_came_from_too() {
    for desk in both().await {
        let name = desk.fresh.name;
        machine_of_bo(&desk).await;
        let task = super::asked::asked(&desk).await.remove(0);
        super::asked::finished(&desk, task, Some("said_no")).await.unwrap();
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, false], "{name}");
        for who in ["bo", "di"] {
            assert_eq!(ended(&desk, who).await.as_deref(), Some("opted out"), "{name}: {who}");
            let key = vec![format!("{who}@example.org")];
            let listed = desk.fresh.store.read().await.unwrap().suppressed(Channel::Email, key).await.unwrap();
            assert_eq!(listed.len(), 1, "{name}: {who}");
        }
    }
}

#[tokio::test]
async fn a_machines_no_from_an_address_of_nobody_holds_until_it_is_known_whose_it_is_and_what_it_was() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org", "s1")]).await;
        let machine = "In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied";
        desk.drop_into(FolderRole::Inbox, &[reply("di@desk.example", "p1", machine, NO)]).await;
        assert_eq!(held(&desk, "bo").await.map(|(_, why)| why).as_deref(), Some(UNASSIGNED), "{name}");
        assert!(super::asked::asked(&desk).await.is_empty(), "{name}: whose it is comes first");
        let said = desk.one("Re: Shoes p1").await.id;
        super::late::matched(&desk, said, Whose::Influencer(desk.people["di"])).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, true], "{name}");
        let task = super::asked::asked(&desk).await.remove(0);
        super::asked::finished(&desk, task, Some("said_no")).await.unwrap();
        assert_eq!(
            (ended(&desk, "di").await.as_deref(), ended(&desk, "bo").await),
            (Some("opted out"), None),
            "{name}"
        );
        let keys = ["di@desk.example", "di@example.org", "bo@example.org"].map(str::to_owned).to_vec();
        let listed = desk.fresh.store.read().await.unwrap().suppressed(Channel::Email, keys).await.unwrap();
        assert_eq!(listed.len(), 2, "{name}: {listed:?}");
    }
}

#[tokio::test]
async fn a_machine_that_is_nobodys_may_have_said_the_no_of_whose_thread_it_stands_in() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org", "s1")]).await;
        let machine = "In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied";
        desk.drop_into(FolderRole::Inbox, &[reply("helpdesk@agency.example", "p1", machine, NO)]).await;
        nobody(&desk).await;
        assert_eq!(held(&desk, "bo").await.map(|(_, why)| why).as_deref(), Some(MACHINE), "{name}");
        let task = super::asked::asked(&desk).await.remove(0);
        super::asked::finished(&desk, task, Some("said_no")).await.unwrap();
        assert_eq!(
            (ended(&desk, "bo").await.as_deref(), is_held(&desk, &["bo"]).await),
            (Some("opted out"), vec![false])
        );
        let keys = ["helpdesk@agency.example", "bo@example.org"].map(str::to_owned).to_vec();
        let listed = desk.fresh.store.read().await.unwrap().suppressed(Channel::Email, keys).await.unwrap();
        assert_eq!(listed.len(), 2, "{name}: {listed:?}");
    }
}

/// What may be a no or an acknowledgement: nobody can tell by the words.
const UNSURE: &str = "Please do not reply to this email.";

/// What a help desk says below our mail to these.
pub(super) async fn help_desk_says(desk: &Desk, to: &str, more: &str, words: &str) -> MessageId {
    desk.drop_into(FolderRole::Sent, &[sent_to(to, "s1")]).await;
    let machine = format!("In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied{more}");
    desk.drop_into(FolderRole::Inbox, &[reply("helpdesk@agency.example", "p1", &machine, words)]).await;
    desk.one("Re: Shoes p1").await.id
}

#[tokio::test]
async fn a_machine_that_is_nobodys_below_mail_to_two_may_have_said_the_no_of_either() {
    for words in [NO, UNSURE] {
        for desk in both().await {
            let name = desk.fresh.name;
            help_desk_says(&desk, "bo@example.org, di@example.org", "", words).await;
            assert_eq!(is_held(&desk, &["bo", "di", "ana"]).await, [true, true, false], "{name}: {words}");
            nobody(&desk).await;
            assert_eq!(is_held(&desk, &["bo", "di", "ana"]).await, [true, true, false], "{name}: {words}");
            let mut tx = desk.fresh.store.read().await.unwrap();
            let open = tx.list_open_refusals().await.unwrap();
            drop(tx);
            assert_eq!(open.len(), 2, "{name}: {words}");
            assert_eq!(desk.one("Re: Shoes p1").await.parts.len(), 2, "{name}: it is still there to be read");
            let tasks = super::asked::asked(&desk).await;
            let of_bo = open.iter().position(|q| q.influencer_id == Some(desk.people["bo"])).unwrap();
            super::asked::finished(&desk, tasks[of_bo], Some("said_no")).await.unwrap();
            super::asked::finished(&desk, tasks[1 - of_bo], Some("go_on")).await.unwrap();
            let ends = (ended(&desk, "bo").await, ended(&desk, "di").await);
            assert_eq!((ends.0.as_deref(), ends.1), (Some("opted out"), None), "{name}: {words}");
            assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, false], "{name}: {words}");
        }
    }
}

#[tokio::test]
async fn who_only_got_a_copy_of_what_a_machine_said_is_asked_nothing_about() {
    for desk in both().await {
        let name = desk.fresh.name;
        help_desk_says(&desk, "bo@example.org", "\nCc: di@example.org", NO).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [true, false], "{name}");
        nobody(&desk).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [true, false], "{name}");
        assert_eq!(super::asked::asked(&desk).await.len(), 1, "{name}");
    }
}

/// A help desk below mail to Bo, of which a person says that it is an agent's, who stands for Ana and Di.
pub(super) async fn help_desk_of_others(desk: &Desk) -> MessageId {
    let said = help_desk_says(desk, "bo@example.org", "", UNSURE).await;
    let mut tx = desk.fresh.store.begin("test.agent").await.unwrap();
    let others = vec![desk.people["ana"], desk.people["di"]];
    let new = people::NewAgent { emails: vec!["x@agency.example".into()], influencers: others, ..Default::default() };
    let agent = people::create_agent(&mut tx, &desk.clock, new).await.unwrap().id;
    tx.commit().await.unwrap();
    super::late::matched(desk, said, Whose::Agent(agent, vec![])).await;
    said
}

#[tokio::test]
async fn a_machine_that_is_an_agents_of_others_leaves_whose_thread_it_stands_in_held_and_asked_about() {
    for desk in both().await {
        let name = desk.fresh.name;
        help_desk_of_others(&desk).await;
        assert_eq!(is_held(&desk, &["bo", "ana", "di"]).await, [true, false, false], "{name}");
        assert_eq!(desk.one("Re: Shoes p1").await.parts.len(), 3, "{name}");
        // Another message that waits and is settled lets nobody go.
        let stranger = reply("assistant@home.example", "h1", "In-Reply-To: <s1@acme.example>", NO);
        desk.drop_into(FolderRole::Inbox, &[stranger]).await;
        let other = desk.one("Re: Shoes h1").await.id;
        super::late::matched(&desk, other, Whose::Influencer(desk.people["di"])).await;
        assert_eq!(held(&desk, "bo").await.map(|(_, why)| why).as_deref(), Some(UNASSIGNED), "{name}");
        nobody(&desk).await;
        assert_eq!(held(&desk, "bo").await.map(|(_, why)| why).as_deref(), Some(MACHINE), "{name}");
        assert_eq!(super::asked::asked(&desk).await.len(), 1, "{name}");
        assert_eq!(desk.one("Re: Shoes p1").await.who(), [desk.people["bo"]], "{name}");
    }
}

/// What waits for its person is said to be nobody's.
pub(super) async fn nobody(desk: &Desk) {
    let filter = TaskFilter { kind: Some(TaskKind::Answer), ..TaskFilter::default() };
    let mut tx = desk.fresh.store.read().await.unwrap();
    let page = liaison::store::reading::Page::oldest(9);
    let open = tx.list_tasks(&filter, desk.clock.now(), page).await.unwrap().data;
    drop(tx);
    assert_eq!(open.len(), 1, "{}", desk.fresh.name);
    super::asked::finished(desk, open[0].id, Some("nobody")).await.unwrap();
}

#[tokio::test]
async fn whoever_may_have_complained_is_held_though_their_thread_is_anothers() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org, di@example.org", "s1")]).await;
        desk.drop_into(FolderRole::Inbox, &[arf("c1", "abuse", None, "s1@acme.example")]).await;
        assert_eq!(is_held(&desk, &["ana", "di", "bo"]).await, [true, true, false], "{name}");
        let sent = desk.one("Shoes").await;
        let thread = sent.parts.iter().find(|part| part.0 == desk.people["ana"]).unwrap().1;
        give(&desk, thread, desk.people["bo"]).await.unwrap();
        assert_eq!(is_held(&desk, &["ana", "di", "bo"]).await, [true, true, true], "{name}");
        // A second report is about the same people.
        desk.drop_into(FolderRole::Inbox, &[arf("c2", "abuse", None, "s1@acme.example")]).await;
        let all = super::asked::asked(&desk).await;
        assert_eq!(all.len(), 1, "{name}");
        super::asked::finished(&desk, all[0], Some("said_no ana@example.org")).await.unwrap();
        assert_eq!(is_held(&desk, &["ana", "di", "bo"]).await, [false, false, false], "{name}");
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("opted out"), "{name}");
        assert_eq!((ended(&desk, "di").await, ended(&desk, "bo").await), (None, None), "{name}");
    }
}

#[tokio::test]
async fn everybody_a_mail_to_many_went_to_is_held_when_one_of_them_complained() {
    for desk in both().await {
        let name = desk.fresh.name;
        let mut to = vec!["ana@example.org".to_owned()];
        let mut others = Vec::new();
        for n in 0..6 {
            let address = format!("many{n}@example.org");
            let handle = format!("many{n}");
            others.push(crate::ingest::add_influencer(&desk.fresh.store, &desk.clock, &handle, &address).await);
            to.push(address);
        }
        desk.drop_into(FolderRole::Sent, &[sent_to(&to.join(", "), "s1")]).await;
        desk.drop_into(FolderRole::Inbox, &[arf("c1", "abuse", None, "s1@acme.example")]).await;
        assert_eq!(is_held(&desk, &["ana", "di"]).await, [true, false], "{name}");
        let all = super::asked::asked(&desk).await;
        assert_eq!(all.len(), 1, "{name}");
        let holds = async || desk.fresh.store.read().await.unwrap().list_hold_sources(others.clone()).await.unwrap();
        assert_eq!(holds().await.len(), 6, "{name}");
        super::asked::finished(&desk, all[0], Some("go_on")).await.unwrap();
        assert_eq!((holds().await.len(), is_held(&desk, &["ana"]).await), (0, vec![false]), "{name}");
    }
}

#[tokio::test]
async fn what_nobody_has_assigned_holds_whoever_has_the_thread() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org", "s1")]).await;
        let stranger = reply("assistant@home.example", "h1", "In-Reply-To: <s1@acme.example>", NO);
        desk.drop_into(FolderRole::Inbox, &[stranger]).await;
        let said = desk.one("Re: Shoes h1").await;
        assert_eq!(held(&desk, "bo").await.map(|(_, why)| why).as_deref(), Some(UNASSIGNED), "{name}");
        give(&desk, said.parts[0].1, desk.people["di"]).await.unwrap();
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, true], "{name}");
        nobody(&desk).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, false], "{name}");
    }
}

#[tokio::test]
async fn records_that_part_are_both_held_for_what_may_be_the_no_of_either() {
    for desk in both().await {
        let (name, ana, di) = (desk.fresh.name, desk.people["ana"], desk.people["di"]);
        desk.drop_into(FolderRole::Sent, &[sent_to("di@example.org, bo@example.org", "s1")]).await;
        let mut tx = desk.fresh.store.begin("test.merge").await.unwrap();
        merge(&mut tx, &desk.clock, ana, di, "kim").await.unwrap();
        tx.commit().await.unwrap();
        desk.drop_into(FolderRole::Inbox, &[arf("c1", "abuse", None, "s1@acme.example")]).await;
        assert_eq!(is_held(&desk, &["ana", "bo"]).await, [true, true], "{name}");
        let mut tx = desk.fresh.store.begin("test.unmerge").await.unwrap();
        unmerge(&mut tx, &desk.clock, di, "kim").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(is_held(&desk, &["di", "ana", "bo"]).await, [true, false, true], "{name}");
        let all = super::asked::asked(&desk).await;
        super::asked::finished(&desk, all[0], Some("go_on")).await.unwrap();
        assert_eq!(is_held(&desk, &["di", "ana", "bo"]).await, [false, false, false], "{name}");
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
