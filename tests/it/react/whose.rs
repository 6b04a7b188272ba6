//! What may be a no and of which it is not known whose it is, on every way by which that is settled: somebody is held and asked about
//! until a person has said it, and whoever it is not about is let go.

use super::asked::{asked, finished};
use super::given::{help_desk_says, is_held, nobody};
use super::late::matched;
use super::*;
use liaison::domain::consequence::MACHINE;
use liaison::domain::ids::AgentId;
use liaison::hub::people::erase::erase;
use liaison::hub::people::{InfluencerChange, NewInfluencer, merge, remove_agent, unmerge, update_influencer};
use liaison::hub::unmatched::MatchError;

const NO: &str = "Please remove me from your list and never write to me again.";
const MACHINE_BELOW: &str = "In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied";

async fn agent_of(desk: &Desk, address: &str) -> AgentId {
    let mut tx = desk.fresh.store.read().await.unwrap();
    tx.find_addresses(Channel::Email, vec![address.into()]).await.unwrap()[0].agent_id.unwrap()
}

async fn why(desk: &Desk, who: &str) -> Option<String> {
    held(desk, who).await.map(|(_, why)| why)
}

async fn told_whose(desk: &Desk, message: MessageId, whose: Whose) -> Result<usize, MatchError> {
    let mut tx = desk.fresh.store.begin("test.match").await.unwrap();
    let stages = KnownStages { start: "prospect".into(), ids: vec!["prospect".into()] };
    let done = match_message(&mut tx, &desk.clock, &stages, message, (whose, "kim")).await?;
    tx.commit().await.unwrap();
    Ok(done)
}

async fn given_address(desk: &Desk, who: &str, address: &str) {
    let mut tx = desk.fresh.store.begin("test.address").await.unwrap();
    let change = InfluencerChange { add_emails: vec![address.into()], ..InfluencerChange::default() };
    update_influencer(&mut tx, &desk.clock, desk.people[who], "kim", change).await.unwrap();
    tx.commit().await.unwrap();
}

async fn erased(desk: &Desk, who: &str) {
    let mut tx = desk.fresh.store.begin("test.erase").await.unwrap();
    erase(&mut tx, &desk.clock, desk.people[who], "kim", false).await.unwrap();
    tx.commit().await.unwrap();
}

async fn is_suppressed(desk: &Desk, address: &str) -> bool {
    let mut tx = desk.fresh.store.read().await.unwrap();
    !tx.suppressed(Channel::Email, vec![address.into()]).await.unwrap().is_empty()
}

/// A help desk's no below our mail to an agent of Ana, Bo and Cy, of which a person says that the agent's it is.
async fn no_of_the_agency(desk: &Desk) -> MessageId {
    desk.drop_into(FolderRole::Sent, &[sent_to("mgr@talent.example", "s1")]).await;
    desk.drop_into(FolderRole::Inbox, &[reply("helpdesk@talent.example", "p1", MACHINE_BELOW, NO)]).await;
    let said = desk.one("Re: Shoes p1").await.id;
    assert_eq!(is_held(desk, &["ana", "bo", "cy", "di"]).await, [true, true, true, false], "{}", desk.fresh.name);
    let agent = agent_of(desk, "mgr@talent.example").await;
    matched(desk, said, Whose::Agent(agent, vec![])).await;
    said
}

#[tokio::test]
async fn an_agents_of_whom_nobody_said_about_whom_it_is_goes_on_asking_and_holding() {
    for desk in both().await {
        let name = desk.fresh.name;
        let said = no_of_the_agency(&desk).await;
        // Another message that waits and is settled lets nobody go.
        desk.drop_into(FolderRole::Inbox, &[reply("who@home.example", "h1", "In-Reply-To: <s1@acme.example>", NO)])
            .await;
        matched(&desk, desk.one("Re: Shoes h1").await.id, Whose::Influencer(desk.people["di"])).await;
        assert_eq!(is_held(&desk, &["ana", "bo", "cy"]).await, [true; 3], "{name}");
        // Said once more, it says no more.
        let agent = agent_of(&desk, "mgr@talent.example").await;
        let refused = told_whose(&desk, said, Whose::Agent(agent, vec![])).await.unwrap_err();
        assert!(matches!(refused, MatchError::AboutWhom(_)), "{refused}");
        assert_eq!(is_held(&desk, &["ana", "bo", "cy"]).await, [true; 3], "{name}");
        // It stood in the thread of each, so each is asked about.
        nobody(&desk).await;
        assert_eq!((asked(&desk).await.len(), why(&desk, "cy").await.as_deref()), (3, Some(MACHINE)), "{name}");
    }
}

#[tokio::test]
async fn about_whom_an_agents_is_may_be_said_later_and_lets_the_others_go() {
    for desk in both().await {
        let name = desk.fresh.name;
        let said = no_of_the_agency(&desk).await;
        let agent = agent_of(&desk, "mgr@talent.example").await;
        told_whose(&desk, said, Whose::Agent(agent, vec![desk.people["bo"]])).await.unwrap();
        assert_eq!(is_held(&desk, &["ana", "bo", "cy"]).await, [false, true, false], "{name}");
        assert_eq!(desk.one("Re: Shoes p1").await.who(), [desk.people["bo"]], "{name}");
        finished(&desk, asked(&desk).await[0], Some("said_no")).await.unwrap();
        assert!(is_suppressed(&desk, "helpdesk@talent.example").await, "{name}");
        assert_eq!(is_held(&desk, &["bo"]).await, [false], "{name}");
    }
}

#[tokio::test]
async fn a_message_may_be_about_somebody_it_was_not_shown_to() {
    for desk in both().await {
        let name = desk.fresh.name;
        let letter = reply("mgr@talent.example", "u1", "", "Not for me, thanks, and not for Di.");
        desk.drop_into(FolderRole::Inbox, &[letter]).await;
        let message = desk.one("Re: Shoes u1").await;
        assert!(!message.who().contains(&desk.people["di"]), "{name}");
        told_whose(&desk, message.id, Whose::Influencer(desk.people["di"])).await.unwrap();
        assert_eq!(desk.one("Re: Shoes u1").await.who(), [desk.people["di"]], "{name}");
        assert!(ended(&desk, "di").await.is_some() && ended(&desk, "ana").await.is_none(), "{name}");
        assert_eq!(is_held(&desk, &["ana", "bo", "cy"]).await, [false; 3], "{name}");
        let mut tx = desk.fresh.store.read().await.unwrap();
        let thread = tx.find_threads_of(vec![desk.people["di"]], Micros(i64::MIN)).await.unwrap().remove(0);
        assert_eq!(thread.message_count, 1, "{name}");
        // Nobody waits for an answer from us who has no part in it.
        let ana = tx.find_threads_of(vec![desk.people["ana"]], Micros(i64::MIN)).await.unwrap().remove(0);
        assert_eq!((ana.message_count, ana.awaiting), (0, None), "{name}");
        assert_eq!(tx.get_influencer(desk.people["ana"]).await.unwrap().unwrap().awaiting, None, "{name}");
    }
}

#[tokio::test]
async fn a_message_of_an_agent_who_is_gone_becomes_somebody_elses_who_is_new() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Inbox, &[reply("mgr@talent.example", "u1", "", "Not for any of mine.")]).await;
        let message = desk.one("Re: Shoes u1").await.id;
        let agent = agent_of(&desk, "mgr@talent.example").await;
        let mut tx = desk.fresh.store.begin("test.gone").await.unwrap();
        remove_agent(&mut tx, &desk.clock, agent, None).await.unwrap();
        tx.commit().await.unwrap();
        let new = NewInfluencer { handle: "eve".into(), ..NewInfluencer::default() };
        told_whose(&desk, message, Whose::New(Box::new(new))).await.unwrap();
        assert_eq!(is_held(&desk, &["ana", "bo", "cy"]).await, [false; 3], "{name}");
        assert!(tasks(&desk).await.iter().all(|(kind, _, _)| *kind != TaskKind::Answer), "{name}");
        let mut tx = desk.fresh.store.read().await.unwrap();
        assert!(tx.get_unmatched_view(message).await.unwrap().is_none(), "{name}");
        let eve = tx.find_addresses(Channel::Email, vec!["mgr@talent.example".into()]).await.unwrap()[0].influencer_id;
        drop(tx);
        assert_eq!(desk.one("Re: Shoes u1").await.who(), [eve.unwrap()], "{name}");
    }
}

#[tokio::test]
async fn a_parent_that_comes_late_holds_all_it_went_to_as_one_that_came_first() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Inbox, &[reply("helpdesk@agency.example", "p1", MACHINE_BELOW, NO)]).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, false], "{name}");
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org, di@example.org", "s1")]).await;
        assert_eq!(is_held(&desk, &["ana", "bo", "di"]).await, [false, true, true], "{name}");
        assert_eq!(desk.one("Re: Shoes p1").await.parts.len(), 2, "{name}");
        let mut tx = desk.fresh.store.read().await.unwrap();
        for who in ["bo", "di"] {
            let thread = tx.find_threads_of(vec![desk.people[who]], Micros(i64::MIN)).await.unwrap().remove(0);
            let turn = thread.awaiting.map(|turn| turn.to_string());
            assert_eq!(
                (thread.message_count, turn.as_deref()),
                (2, Some("them")),
                "{name}: a machine's is nobody's turn"
            );
        }
        drop(tx);
        nobody(&desk).await;
        assert_eq!((asked(&desk).await.len(), is_held(&desk, &["bo", "di"]).await), (2, vec![true, true]), "{name}");
    }
}

#[tokio::test]
async fn whoever_is_asked_may_be_erased_and_whose_address_it_was_is_asked_instead() {
    for (answer, is_no) in [("go_on", false), ("said_no", true)] {
        for desk in both().await {
            let name = desk.fresh.name;
            super::given::machine_of_bo(&desk).await;
            erased(&desk, "di").await;
            assert_eq!(why(&desk, "bo").await.as_deref(), Some(MACHINE), "{name}");
            let open = asked(&desk).await;
            assert_eq!(open.len(), 1, "{name}");
            finished(&desk, open[0], Some(answer)).await.unwrap();
            assert_eq!(
                (is_held(&desk, &["bo"]).await, is_suppressed(&desk, "bo@example.org").await),
                (vec![false], is_no)
            );
        }
    }
}

#[tokio::test]
async fn what_is_asked_of_somebody_is_answered_also_where_the_message_was_erased() {
    for desk in both().await {
        let name = desk.fresh.name;
        help_desk_says(&desk, "bo@example.org, di@example.org", "", NO).await;
        nobody(&desk).await;
        given_address(&desk, "bo", "helpdesk@agency.example").await;
        erased(&desk, "bo").await;
        let open = asked(&desk).await;
        assert_eq!((open.len(), why(&desk, "di").await.as_deref()), (1, Some(MACHINE)), "{name}");
        finished(&desk, open[0], None).await.unwrap_err();
        finished(&desk, open[0], Some("said_no")).await.unwrap();
        assert!(is_suppressed(&desk, "di@example.org").await, "{name}");
        assert_eq!(
            (ended(&desk, "di").await.as_deref(), is_held(&desk, &["di"]).await),
            (Some("opted out"), vec![false])
        );
    }
}

#[tokio::test]
async fn an_address_that_becomes_somebodys_brings_what_was_asked_of_it() {
    for desk in both().await {
        let name = desk.fresh.name;
        help_desk_says(&desk, "bo@example.org", "", NO).await;
        nobody(&desk).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [true, false], "{name}");
        given_address(&desk, "di", "helpdesk@agency.example").await;
        assert_eq!(
            (is_held(&desk, &["bo"]).await, why(&desk, "di").await.as_deref()),
            (vec![true], Some(MACHINE)),
            "{name}"
        );
        finished(&desk, asked(&desk).await[0], Some("go_on")).await.unwrap();
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, false], "{name}");
    }
}

#[tokio::test]
async fn records_that_are_joined_keep_what_stands_in_the_thread_of_either_and_get_it_back() {
    for desk in both().await {
        let name = desk.fresh.name;
        let said = super::given::help_desk_of_others(&desk).await;
        let (ana, bo) = (desk.people["ana"], desk.people["bo"]);
        let mut tx = desk.fresh.store.begin("test.merge").await.unwrap();
        merge(&mut tx, &desk.clock, ana, bo, "kim").await.unwrap();
        assert_eq!(tx.list_stands_unassigned(said).await.unwrap(), [ana], "{name}");
        tx.commit().await.unwrap();
        let mut tx = desk.fresh.store.begin("test.unmerge").await.unwrap();
        unmerge(&mut tx, &desk.clock, bo, "kim").await.unwrap();
        assert_eq!(tx.list_stands_unassigned(said).await.unwrap(), [bo], "{name}");
        tx.commit().await.unwrap();
        let mut tx = desk.fresh.store.begin("test.merge").await.unwrap();
        merge(&mut tx, &desk.clock, ana, bo, "kim").await.unwrap();
        tx.commit().await.unwrap();
        nobody(&desk).await;
        assert_eq!((asked(&desk).await.len(), why(&desk, "ana").await.as_deref()), (1, Some(MACHINE)), "{name}");
    }
}

#[tokio::test]
async fn who_is_named_counts_and_not_whose_thread_it_stands_in() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org", "s1")]).await;
        let words = "Hello from the agency. Never write to Di again, please.";
        let said = reply("assistant@talent.example", "a1", "In-Reply-To: <s1@acme.example>", words);
        desk.drop_into(FolderRole::Inbox, &[said]).await;
        let said = desk.one("Re: Shoes a1").await.id;
        let agent = agent_of(&desk, "mgr@talent.example").await;
        let di = desk.people["di"];
        let before = (ended(&desk, "di").await, events(&desk, "bo", EventType::ThreadReplied).await.len());
        told_whose(&desk, said, Whose::Agent(agent, vec![di, di])).await.unwrap();
        assert_eq!(desk.one("Re: Shoes a1").await.who(), [di], "{name}");
        assert_eq!(events(&desk, "bo", EventType::ThreadReplied).await.len(), before.1, "{name}");
        assert_eq!(events(&desk, "di", EventType::ThreadReplied).await.len(), 1, "{name}: once, though named twice");
        assert!(before.0.is_none() && ended(&desk, "di").await.is_some(), "{name}");
        assert_eq!(agent_of(&desk, "assistant@talent.example").await, agent, "{name}");
    }
}

#[tokio::test]
async fn a_note_of_an_agency_is_put_away_without_saying_about_whom() {
    for desk in both().await {
        let name = desk.fresh.name;
        let machine = "Auto-Submitted: auto-replied";
        let note = reply("mgr@talent.example", "n1", machine, "We got your mail and will answer soon.");
        desk.drop_into(FolderRole::Inbox, &[note]).await;
        let note = desk.one("Re: Shoes n1").await.id;
        assert_eq!(is_held(&desk, &["ana", "bo", "cy"]).await, [false; 3], "{name}");
        let agent = agent_of(&desk, "mgr@talent.example").await;
        told_whose(&desk, note, Whose::Agent(agent, vec![])).await.unwrap();
        let mut tx = desk.fresh.store.read().await.unwrap();
        assert!(tx.get_unmatched_view(note).await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_persons_answer_that_is_nobodys_stays_in_the_threads_it_stands_in() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org, di@example.org", "s1")]).await;
        let words = "Thanks, we pass it on.";
        let said = reply("who@agency.example", "a1", "In-Reply-To: <s1@acme.example>", words);
        desk.drop_into(FolderRole::Inbox, &[said]).await;
        nobody(&desk).await;
        assert_eq!(desk.one("Re: Shoes a1").await.parts.len(), 2, "{name}");
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, false], "{name}");
    }
}

#[tokio::test]
async fn whoever_is_not_there_is_told_so_and_nothing_changes() {
    for desk in both().await {
        let name = desk.fresh.name;
        let said = no_of_the_agency(&desk).await;
        let agent = agent_of(&desk, "mgr@talent.example").await;
        let nobody = InfluencerId(desk.clock.new_id());
        let no_agent = AgentId(desk.clock.new_id());
        for whose in [
            Whose::Influencer(nobody),
            Whose::Agent(agent, vec![nobody]),
            Whose::Agent(no_agent, vec![desk.people["bo"]]),
        ] {
            let refused = told_whose(&desk, said, whose).await.unwrap_err();
            let is_told = matches!(
                refused,
                MatchError::People(people::PeopleError::NoInfluencer(_) | people::PeopleError::NoAgent(_))
            );
            assert!(is_told, "{name}: {refused}");
        }
        assert_eq!(is_held(&desk, &["ana", "bo", "cy"]).await, [true; 3], "{name}");
    }
}

#[tokio::test]
async fn whoever_says_whose_it_is_ends_the_task_that_asked() {
    for desk in both().await {
        let name = desk.fresh.name;
        help_desk_says(&desk, "bo@example.org", "", NO).await;
        let said = desk.one("Re: Shoes p1").await.id;
        let mut tx = desk.fresh.store.begin("test.agent").await.unwrap();
        let new = people::NewAgent {
            emails: vec!["x@agency.example".into()],
            influencers: vec![desk.people["bo"]],
            ..Default::default()
        };
        let agent = people::create_agent(&mut tx, &desk.clock, new).await.unwrap().id;
        let task = tx.lock_tasks_about(said, TaskKind::Answer).await.unwrap()[0];
        tx.commit().await.unwrap();
        told_whose(&desk, said, Whose::Agent(agent, vec![])).await.unwrap();
        let mut tx = desk.fresh.store.begin("test.task").await.unwrap();
        let task = tx.lock_task(task).await.unwrap().unwrap();
        assert_eq!(task.completed_by.as_deref(), Some("kim"), "{name}");
    }
}

#[tokio::test]
async fn who_only_got_a_copy_by_the_other_address_of_one_person_is_held_with_them() {
    for desk in both().await {
        let name = desk.fresh.name;
        help_desk_says(&desk, "bo@example.org", "\nCc: di@example.org", NO).await;
        let (bo, di) = (desk.people["bo"], desk.people["di"]);
        let mut tx = desk.fresh.store.begin("test.merge").await.unwrap();
        merge(&mut tx, &desk.clock, di, bo, "kim").await.unwrap();
        tx.commit().await.unwrap();
        // Another message that waits and is settled lets nobody go.
        desk.drop_into(FolderRole::Sent, &[sent_to("di@example.org", "s2")]).await;
        let other = reply("assistant@home.example", "h1", "In-Reply-To: <s2@acme.example>", NO);
        desk.drop_into(FolderRole::Inbox, &[other]).await;
        matched(&desk, desk.one("Re: Shoes h1").await.id, Whose::Influencer(desk.people["ana"])).await;
        assert_eq!(why(&desk, "di").await.as_deref(), Some(UNASSIGNED), "{name}");
        nobody(&desk).await;
        assert_eq!(
            (!asked(&desk).await.is_empty(), why(&desk, "di").await.as_deref()),
            (true, Some(MACHINE)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_parent_that_comes_late_is_found_also_where_somebody_else_got_a_copy() {
    for desk in both().await {
        let name = desk.fresh.name;
        let machine = format!("{MACHINE_BELOW}\nCc: di@example.org");
        desk.drop_into(FolderRole::Inbox, &[reply("helpdesk@agency.example", "p1", &machine, NO)]).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [false, false], "{name}");
        desk.drop_into(FolderRole::Sent, &[sent_to("bo@example.org", "s1")]).await;
        assert_eq!(is_held(&desk, &["bo", "di"]).await, [true, false], "{name}");
    }
}

#[tokio::test]
async fn what_an_agent_of_nobody_refused_is_kept_for_whom_they_turn_out_to_write_for() {
    // From an address that is theirs already, and from one that becomes theirs.
    for from in ["new@agency.example", "max@agency.example"] {
        for desk in both().await {
            let name = format!("{}: {from}", desk.fresh.name);
            let mut tx = desk.fresh.store.begin("test.agent").await.unwrap();
            let new = people::NewAgent { emails: vec!["new@agency.example".into()], ..Default::default() };
            let agent = people::create_agent(&mut tx, &desk.clock, new).await.unwrap().id;
            tx.commit().await.unwrap();
            desk.drop_into(FolderRole::Inbox, &[reply(from, "r1", "", "No thanks, not interested.")]).await;
            let said = desk.one("Re: Shoes r1").await.id;
            told_whose(&desk, said, Whose::Agent(agent, vec![])).await.unwrap();
            assert!(
                tasks(&desk).await.iter().any(|(kind, who, _)| (*kind, *who) == (TaskKind::Answer, None)),
                "{name}"
            );
            let refused = told_whose(&desk, said, Whose::Agent(agent, vec![])).await.unwrap_err();
            assert!(matches!(refused, MatchError::AboutWhom(_)), "{name}: {refused}");
            let mut tx = desk.fresh.store.begin("test.link").await.unwrap();
            let link = people::AgentChange { add_influencers: vec![desk.people["di"]], ..Default::default() };
            people::update_agent(&mut tx, &desk.clock, agent, link).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(ended(&desk, "di").await.as_deref(), Some("refused"), "{name}");
            assert!(tasks(&desk).await.iter().all(|(kind, _, _)| *kind != TaskKind::Answer), "{name}: it is said");
        }
    }
}

#[tokio::test]
async fn what_an_agent_wrote_who_is_gone_is_about_whom_the_next_one_writes_for() {
    for desk in both().await {
        let name = desk.fresh.name;
        desk.drop_into(FolderRole::Inbox, &[reply("mgr@talent.example", "u1", "", "Not for mine, no thanks.")]).await;
        let message = desk.one("Re: Shoes u1").await.id;
        let gone = agent_of(&desk, "mgr@talent.example").await;
        let mut tx = desk.fresh.store.begin("test.gone").await.unwrap();
        remove_agent(&mut tx, &desk.clock, gone, None).await.unwrap();
        let influencers = vec![desk.people["bo"]];
        let new = people::NewAgent { emails: vec!["new@talent.example".into()], influencers, ..Default::default() };
        let agent = people::create_agent(&mut tx, &desk.clock, new).await.unwrap().id;
        tx.commit().await.unwrap();
        told_whose(&desk, message, Whose::Agent(agent, vec![])).await.unwrap();
        assert_eq!(desk.one("Re: Shoes u1").await.who(), [desk.people["bo"]], "{name}");
        assert_eq!(is_held(&desk, &["ana", "bo", "cy"]).await, [false; 3], "{name}");
        assert_eq!((ended(&desk, "bo").await.is_some(), ended(&desk, "ana").await), (true, None), "{name}");
        assert_eq!(agent_of(&desk, "mgr@talent.example").await, agent, "{name}");
    }
}

#[tokio::test]
async fn who_comes_into_a_conversation_later_is_not_meant_by_what_was_said_before() {
    for desk in both().await {
        let name = desk.fresh.name;
        let theirs = "From: who@home.example\nTo: team@acme.example\nCc: di@example.org\nSubject: Re: Shoes w1\n\
            Message-ID: <w1@mail.example>\nDate: Sun, 1 Mar 2026 12:00:00 +0000";
        desk.drop_into(FolderRole::Inbox, &[mail(theirs, "Shall we talk?")]).await;
        // It was read as it came.
        let came = desk.one("Re: Shoes w1").await.id;
        crate::seed::run(&desk.fresh, "UPDATE message SET stored_at = at WHERE id = $1", &[came.0]).await;
        let ours = "From: Kim <team@acme.example>\nTo: bo@example.org\nCc: di@example.org\nSubject: For Bo\n\
            Message-ID: <o1@acme.example>\nIn-Reply-To: <w1@mail.example>\nDate: Sun, 1 Mar 2026 13:01:00 +0000";
        desk.drop_into(FolderRole::Sent, &[mail(ours, "Bo, would you?")]).await;
        let message = desk.one("Re: Shoes w1").await;
        assert_eq!(message.parts.len(), 1, "{name}: Di's copy alone");
        assert_eq!((ended(&desk, "bo").await, is_held(&desk, &["bo"]).await), (None, vec![false]), "{name}");
    }
}
