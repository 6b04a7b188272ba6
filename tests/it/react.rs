//! What follows from signals, on both databases: stages, ends of runs, addresses, holds, tasks.

mod asked;
mod given;
mod heard;
mod joined;
mod late;
mod reports;
mod told;
mod touched;
mod unassigned;
mod whose;

use crate::ingest::{Desk, mail};
use crate::stores;
use liaison::domain::consequence::{HOLD_UNASSIGNED, UNASSIGNED};
use liaison::domain::ids::{AddressId, InfluencerId, MessageId};
use liaison::domain::people::{Address, Person};
use liaison::domain::sequence::{Definition, Limits, Schedule, Step, StepKind, Unsubscribe, ZoneRule};
use liaison::domain::time::Micros;
use liaison::domain::words::{
    AccountState, Channel, EnrollmentState, EventType, FolderRole, SuppressionReason, TaskKind,
};
use liaison::hub::hold;
use liaison::hub::outreach::enroll::{Again, enroll};
use liaison::hub::people::{self, KnownStages, StageMove};
use liaison::hub::signal::{self, Signal};
use liaison::hub::unmatched::{Whose, match_message};
use liaison::hub::unsubscribe::unsubscribe_by_hand;
use liaison::store::outreach::enrollment::EnrollmentRow;
use liaison::store::reading::task::TaskFilter;
use serde_json::{Value, json};
use std::time::Duration;

fn definition() -> Definition {
    let kind = StepKind::Email { templates: vec!["intro.md".into()], split: vec![] };
    let (after, condition, otherwise) = (Some("3 days".into()), None, None);
    Definition {
        id: "spring".into(),
        name: "Spring".into(),
        accounts: vec!["brand".into()],
        enter_from: vec![],
        exit_on: vec!["agreed".into()],
        unsubscribe: Unsubscribe::Footer,
        allow_parallel: false,
        schedule: Schedule {
            zone: ZoneRule::Influencer,
            fallback: "Europe/Lisbon".into(),
            days: vec!["mon".into()],
            hours: vec!["09:00-17:00".into()],
            holidays: vec![],
            max_late: "24h".into(),
        },
        limits: Limits { new_per_day: None, per_day: None, per_domain: None, gap: None },
        variables: vec![],
        steps: vec![Step { id: "intro".into(), after, condition, kind, otherwise, stage: None, review: false }],
        voices: std::collections::BTreeMap::new(),
        on_reply: None,
        on_finish: None,
        pause_if: vec![],
        templates: std::collections::BTreeMap::new(),
    }
}

/// A desk whose four people are in a run.
async fn running(fresh: stores::Fresh) -> Desk {
    let desk = Desk::new(fresh).await;
    let mut tx = desk.fresh.store.begin("test.enroll").await.unwrap();
    let body = serde_json::to_string(&definition()).unwrap();
    tx.publish_sequence("spring", "hash-of-spring", &body, desk.clock.now()).await.unwrap();
    let all: Vec<InfluencerId> = desk.people.values().copied().collect();
    let outcomes = enroll(&mut tx, &desk.clock, "spring", &all, Again::Refused).await.unwrap();
    assert!(outcomes.iter().all(|o| o.result.is_ok()), "{outcomes:?}");
    tx.commit().await.unwrap();
    desk
}

async fn both() -> Vec<Desk> {
    let mut all = Vec::new();
    for fresh in stores::both().await {
        all.push(running(fresh).await);
    }
    all
}

async fn run_of(desk: &Desk, who: &str) -> EnrollmentRow {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let all = tx.list_enrollments(Some("spring"), None, None, 100).await.unwrap();
    all.into_iter().find(|r| r.influencer_id == desk.people[who]).unwrap()
}

/// `None` while it goes on, else why it ended.
async fn ended(desk: &Desk, who: &str) -> Option<String> {
    let run = run_of(desk, who).await;
    match run.state {
        EnrollmentState::Active => None,
        EnrollmentState::Exited => run.exit_reason,
        other => panic!("{who} is {other}"),
    }
}

async fn stage(desk: &Desk, who: &str) -> String {
    let mut tx = desk.fresh.store.read().await.unwrap();
    tx.get_influencer(desk.people[who]).await.unwrap().unwrap().stage
}

async fn learn(desk: &Desk, who: &str, what: EventType, message: Option<MessageId>, data: Value) {
    let mut tx = desk.fresh.store.begin("test.learn").await.unwrap();
    let at = desk.clock.now();
    let signal = Signal { what, influencer: Some(desk.people[who]), message, at, data: Some(data) };
    signal::record(&mut tx, &desk.clock, vec![signal]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Events of one sort on somebody's timeline, oldest first.
async fn events(desk: &Desk, who: &str, what: EventType) -> Vec<Value> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let far = (Micros(i64::MAX), uuid::Uuid::max());
    let mut all = tx.list_timeline_events(desk.people[who], far, 1_000).await.unwrap();
    all.reverse();
    all.into_iter().filter(|e| e.kind == what).map(|e| json!({"stage": e.stage, "data": e.data.unwrap().0})).collect()
}

async fn tasks(desk: &Desk) -> Vec<(TaskKind, Option<InfluencerId>, String)> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let page = liaison::store::reading::Page::oldest(100);
    let slice = tx.list_tasks(&TaskFilter::default(), desk.clock.now(), page).await.unwrap();
    slice.data.into_iter().map(|t| (t.kind, t.influencer_id, t.text)).collect()
}

async fn held(desk: &Desk, who: &str) -> Option<(Micros, String)> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let row = tx.list_holds(vec![desk.people[who]]).await.unwrap().remove(0);
    row.held_until.zip(row.hold_reason)
}

fn sent_to(to: &str, id: &str) -> Vec<u8> {
    let head = format!(
        "From: Kim <team@acme.example>\nTo: {to}\nSubject: Shoes\nMessage-ID: <{id}@acme.example>\nDate: Sun, 1 Mar 2026 12:00:00 +0000"
    );
    mail(&head, "Shall we talk about shoes?")
}

fn reply(from: &str, id: &str, more: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "From: {from}\nTo: team@acme.example\nSubject: Re: Shoes {id}\nMessage-ID: <{id}@mail.example>\nDate: Sun, 1 Mar 2026 13:00:00 +0000\n{more}"
    );
    mail(&head, body)
}

#[tokio::test]
async fn a_send_contacts_and_a_reply_starts_talks_and_ends_the_run_with_the_cause_of_each() {
    for desk in both().await {
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org", "s1")]).await;
        assert_eq!((stage(&desk, "ana").await.as_str(), ended(&desk, "ana").await), ("contacted", None));
        let answer = reply("Ana <ana@example.org>", "r1", "In-Reply-To: <s1@acme.example>", "Gladly, tell me more.");
        desk.drop_into(FolderRole::Inbox, &[answer]).await;
        assert_eq!(stage(&desk, "ana").await, "in_talks", "{}", desk.fresh.name);
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("replied"));
        assert_eq!(ended(&desk, "bo").await, None);
        let moves = events(&desk, "ana", EventType::InfluencerStageChanged).await;
        let message = desk.one("Re: Shoes r1").await.id;
        assert_eq!(moves.len(), 2);
        let moved = &moves[1];
        assert_eq!(moved["stage"], "contacted");
        assert_eq!(moved["data"]["from"], "contacted");
        assert_eq!(moved["data"]["to"], "in_talks");
        assert_eq!(moved["data"]["cause"], "thread.replied");
        assert_eq!(moved["data"]["message_id"], message.to_string());
        assert_eq!(moved["data"]["by"], "automation");
        // The same again: nothing is done twice.
        learn(&desk, "ana", EventType::ThreadReplied, Some(message), json!({})).await;
        assert_eq!(events(&desk, "ana", EventType::InfluencerStageChanged).await.len(), 2);
        assert_eq!(events(&desk, "ana", EventType::EnrollmentExited).await.len(), 1);
    }
}

#[tokio::test]
async fn each_stage_that_a_rule_may_not_enter_is_asked_for_once() {
    for desk in both().await {
        let ana = desk.people["ana"];
        let mut tx = desk.fresh.store.begin("test.raise").await.unwrap();
        tx.set_influencer_stage(ana, "in_talks", true, desk.clock.now()).await.unwrap();
        for (stage, cause) in [("declined", "a"), ("no_response", "b"), ("declined", "c"), ("no_response", "d")] {
            assert!(!liaison::hub::react::raise(&mut tx, &desk.clock, ana, stage, cause).await.unwrap());
        }
        tx.commit().await.unwrap();
        let asked: Vec<String> = tasks(&desk).await.into_iter().map(|(_, _, text)| text).collect();
        assert_eq!(asked.len(), 2, "{}: {asked:?}", desk.fresh.name);
        let mut tx = desk.fresh.store.begin("test.team").await.unwrap();
        let assignees = |all: Vec<liaison::store::reading::task::TaskView>| -> Vec<_> {
            all.into_iter().filter_map(|task| task.assignee).collect()
        };
        let page = liaison::store::reading::Page::oldest(100);
        let now = desk.clock.now();
        assert_eq!(assignees(tx.list_tasks(&TaskFilter::default(), now, page).await.unwrap().data), [""; 0]);
        // Who does what nobody else does is asked where there is an owner no more.
        let team = r#"{"default_owner": "kim", "teammates": ["kim", "lou"]}"#;
        tx.publish_definition(liaison::hub::task::TEAM, "hash-of-team", team, now).await.unwrap();
        assert!(!liaison::hub::react::raise(&mut tx, &desk.clock, ana, "opted_out", "e").await.unwrap());
        let all = tx.list_tasks(&TaskFilter::default(), now, page).await.unwrap().data;
        assert_eq!((all.len(), assignees(all)), (3, vec!["kim".to_owned()]), "{}", desk.fresh.name);
        tx.commit().await.unwrap();
        assert!(asked[0].contains("`declined` (a)") && asked[1].contains("`no_response` (b)"), "{asked:?}");
    }
}

#[tokio::test]
async fn an_opt_out_suppresses_all_their_addresses_once_and_a_refusal_none() {
    for desk in both().await {
        desk.drop_into(FolderRole::Inbox, &[reply("ana@example.org", "o1", "", "words of some sort about something")])
            .await;
        let message = desk.one("Re: Shoes o1").await.id;
        for _ in 0..2 {
            learn(&desk, "ana", EventType::ThreadReplied, Some(message), json!({"answer": {"verdict": "opt_out"}}))
                .await;
        }
        learn(&desk, "bo", EventType::ThreadReplied, None, json!({"answer": {"verdict": "refusal"}})).await;
        let mut tx = desk.fresh.store.read().await.unwrap();
        let keys = vec!["ana@example.org".to_owned(), "bo@example.org".to_owned()];
        let suppressed = tx.suppressed(Channel::Email, keys).await.unwrap();
        drop(tx);
        assert_eq!(suppressed.len(), 1, "{}", desk.fresh.name);
        assert_eq!(
            (suppressed[0].value_key.as_str(), suppressed[0].evidence.clone()),
            ("ana@example.org", message.to_string())
        );
        assert_eq!(events(&desk, "ana", EventType::InfluencerUnsubscribed).await.len(), 1);
        assert_eq!((stage(&desk, "ana").await, stage(&desk, "bo").await), ("opted_out".into(), "declined".into()));
        assert_eq!(ended(&desk, "bo").await.as_deref(), Some("refused"));
    }
}

#[tokio::test]
async fn a_no_that_a_teammate_was_told_is_the_persons_and_one_of_an_address_is_not() {
    for desk in both().await {
        let mut tx = desk.fresh.store.begin("test.by_hand").await.unwrap();
        let second = Address {
            id: AddressId(desk.clock.new_id()),
            channel: Channel::Email,
            value: "ana@studio.example.net".into(),
            value_key: "ana@studio.example.net".into(),
            person: Person::Influencer(desk.people["ana"]),
            is_primary: false,
            dead_at: None,
            dead_reason: None,
            created_at: desk.clock.now(),
        };
        tx.insert_addresses(&[second]).await.unwrap();
        let of = |address: &str| people::NewSuppression {
            address: address.to_owned(),
            reason: SuppressionReason::ByHand,
            evidence: "kim".into(),
        };
        people::suppress_address(&mut tx, &desk.clock, of("bo@example.org")).await.unwrap();
        people::suppress_address(&mut tx, &desk.clock, of("ana@example.org")).await.unwrap();
        assert!(unsubscribe_by_hand(&mut tx, &desk.clock, "Ana@Example.org", "kim".into()).await.unwrap());
        assert!(!unsubscribe_by_hand(&mut tx, &desk.clock, "ana@example.org", "kim".into()).await.unwrap());
        let wrong = unsubscribe_by_hand(&mut tx, &desk.clock, "ana", "kim".into()).await;
        assert!(matches!(wrong, Err(people::PeopleError::Invalid(_))), "{wrong:?}");
        tx.commit().await.unwrap();
        let keys = ["ana@example.org", "ana@studio.example.net", "bo@example.org"].map(str::to_owned).to_vec();
        let mut listed = desk.fresh.store.read().await.unwrap().suppressed(Channel::Email, keys).await.unwrap();
        listed.sort_by(|a, b| a.value_key.cmp(&b.value_key));
        let reasons: Vec<_> = listed.iter().map(|s| s.reason).collect();
        let (no, by_hand) = (SuppressionReason::OptedOut, SuppressionReason::ByHand);
        assert_eq!(reasons, [no, no, by_hand], "{}: {listed:?}", desk.fresh.name);
        assert_eq!((stage(&desk, "ana").await, stage(&desk, "bo").await), ("opted_out".into(), "prospect".into()));
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("opted out"));
        assert_eq!(ended(&desk, "bo").await, None);
    }
}

#[tokio::test]
async fn an_agents_opt_out_is_theirs_alone_and_asks_a_person() {
    for desk in both().await {
        desk.drop_into(FolderRole::Sent, &[sent_to("mgr@talent.example, ana@example.org", "s2")]).await;
        let answer = reply("mgr@talent.example", "g1", "In-Reply-To: <s2@acme.example>", "words of some sort");
        desk.drop_into(FolderRole::Inbox, &[answer]).await;
        let message = desk.one("Re: Shoes g1").await.id;
        let agent = {
            let mut tx = desk.fresh.store.read().await.unwrap();
            tx.find_addresses(Channel::Email, vec!["mgr@talent.example".into()]).await.unwrap()[0].agent_id
        };
        let data = json!({"by_agent": agent, "answer": {"verdict": "opt_out"}});
        learn(&desk, "ana", EventType::ThreadReplied, Some(message), data).await;
        let mut tx = desk.fresh.store.read().await.unwrap();
        let keys = vec!["mgr@talent.example".to_owned(), "ana@example.org".to_owned()];
        let suppressed = tx.suppressed(Channel::Email, keys).await.unwrap();
        drop(tx);
        assert_eq!(suppressed.iter().map(|s| s.value_key.as_str()).collect::<Vec<_>>(), ["mgr@talent.example"]);
        assert_ne!(stage(&desk, "ana").await, "opted_out");
        assert!(ended(&desk, "ana").await.is_some() && ended(&desk, "bo").await.is_none());
        let tasks = tasks(&desk).await;
        assert_eq!(tasks.len(), 1, "{}: {tasks:?}", desk.fresh.name);
        assert_eq!((tasks[0].0, tasks[0].1), (TaskKind::Answer, Some(desk.people["ana"])));
    }
}

#[tokio::test]
async fn an_agents_message_that_nothing_ties_holds_all_theirs_until_a_person_assigns_it() {
    for desk in both().await {
        let letter = reply("mgr@talent.example", "u1", "", "Hello, a question about the contract.");
        desk.drop_into(FolderRole::Inbox, &[letter]).await;
        let message = desk.one("Re: Shoes u1").await.id;
        for who in ["ana", "bo", "cy"] {
            assert_eq!(held(&desk, who).await.map(|(_, why)| why).as_deref(), Some(UNASSIGNED), "{who}");
            assert_eq!(ended(&desk, who).await, None);
            assert!(run_of(&desk, who).await.held_at.is_some(), "time stands still for {who}");
        }
        assert_eq!(held(&desk, "di").await, None);
        assert_eq!(tasks(&desk).await.len(), 1, "{}: one for the message", desk.fresh.name);
        let away = json!({"kind": "out_of_office", "role": "author", "waiting": null});
        learn(&desk, "ana", EventType::MessageReceived, None, away).await;
        let mut tx = desk.fresh.store.begin("test.assign").await.unwrap();
        let stages = KnownStages { start: "prospect".into(), ids: vec![] };
        let whose = Whose::Influencer(desk.people["bo"]);
        match_message(&mut tx, &desk.clock, &stages, message, (whose, "kim")).await.unwrap();
        tx.commit().await.unwrap();
        assert!(ended(&desk, "bo").await.is_some() && ended(&desk, "ana").await.is_none());
        assert_eq!(
            held(&desk, "ana").await.map(|(_, why)| why).as_deref(),
            Some("out of office"),
            "a rule's of its own"
        );
        for who in ["bo", "cy"] {
            assert_eq!(held(&desk, who).await, None, "{who}");
        }
        assert_eq!(stage(&desk, "bo").await, "in_talks", "it answered, as it would have at first");
        assert!(tasks(&desk).await.is_empty(), "assigning it was the task");
        assert!(HOLD_UNASSIGNED > Duration::from_hours(24));
    }
}

#[tokio::test]
async fn an_unknown_address_in_their_thread_ends_their_runs_and_moves_no_stage() {
    for desk in both().await {
        desk.drop_into(FolderRole::Sent, &[sent_to("ana@example.org", "s3")]).await;
        let answer = reply("ana.private@mail.example", "x1", "In-Reply-To: <s3@acme.example>", "Writing from home.");
        desk.drop_into(FolderRole::Inbox, &[answer]).await;
        assert!(ended(&desk, "ana").await.is_some_and(|why| why.contains("read it")), "{}", desk.fresh.name);
        assert_eq!(stage(&desk, "ana").await, "contacted");
    }
}

#[tokio::test]
async fn only_the_author_replied_not_those_who_got_a_copy() {
    for desk in both().await {
        let letter = reply("ana@example.org", "c1", "Cc: bo@example.org", "Bo should know as well.");
        desk.drop_into(FolderRole::Inbox, &[letter]).await;
        assert!(ended(&desk, "ana").await.is_some());
        assert_eq!((ended(&desk, "bo").await, stage(&desk, "bo").await.as_str()), (None, "prospect"));
    }
}

#[tokio::test]
async fn away_holds_the_person_beside_what_a_person_set_and_the_longer_counts() {
    for desk in both().await {
        let now = desk.clock.now();
        let in_days = |n: u64| now.plus(Duration::from_hours(24 * n));
        let away = |n: u64| {
            let back_on = in_days(n).to_string();
            json!({"kind": "out_of_office", "role": "author", "waiting": null, "back_on": back_on[..10]})
        };
        learn(&desk, "ana", EventType::MessageReceived, None, away(10)).await;
        let (first, why) = held(&desk, "ana").await.unwrap();
        // Their zone is not known: the sequence's fallback counts, with its holidays. Easter alone takes four days.
        assert!(first > in_days(10) && first < in_days(17) && why == "out of office", "{first}");
        assert!(run_of(&desk, "ana").await.held_at.is_some());
        learn(&desk, "ana", EventType::MessageReceived, None, away(3)).await;
        assert_eq!(held(&desk, "ana").await.unwrap().0, first, "never shortened");
        assert_eq!(events(&desk, "ana", EventType::InfluencerHeld).await.len(), 1);
        let mut tx = desk.fresh.store.begin("test.hold").await.unwrap();
        hold::hold_by_hand(&mut tx, &desk.clock, desk.people["ana"], (in_days(2), Some("on tour")), "kim")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(held(&desk, "ana").await, Some((first, why)), "{}: a hold by hand cuts none short", desk.fresh.name);
        let mut tx = desk.fresh.store.begin("test.hold").await.unwrap();
        hold::hold_by_hand(&mut tx, &desk.clock, desk.people["ana"], (in_days(60), Some("on tour")), "kim")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        learn(&desk, "ana", EventType::MessageReceived, None, away(30)).await;
        assert_eq!(held(&desk, "ana").await, Some((in_days(60), "on tour".into())), "never shortened by a rule");
        learn(&desk, "ana", EventType::MessageReceived, None, away(90)).await;
        assert!(held(&desk, "ana").await.unwrap().0 > in_days(90), "who is away for longer is held for longer");
        let mut tx = desk.fresh.store.begin("test.release").await.unwrap();
        assert!(hold::release(&mut tx, &desk.clock, desk.people["ana"], "kim").await.unwrap());
        assert!(!hold::release(&mut tx, &desk.clock, desk.people["ana"], "kim").await.unwrap());
        let past = hold::hold_by_hand(&mut tx, &desk.clock, desk.people["ana"], (now, None), "kim").await;
        assert!(past.is_err());
        tx.commit().await.unwrap();
        assert_eq!(held(&desk, "ana").await, None);
        assert_eq!((stage(&desk, "ana").await.as_str(), ended(&desk, "ana").await), ("prospect", None));
    }
}

#[tokio::test]
async fn a_hard_bounce_ends_runs_only_where_nothing_else_reaches_them() {
    for desk in both().await {
        let mut tx = desk.fresh.store.begin("test.dead").await.unwrap();
        // Ana has an agent; Di has nobody.
        for who in ["ana", "di"] {
            tx.mark_address_dead(Channel::Email, &format!("{who}@example.org"), "hard bounce", desk.clock.now())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        for who in ["ana", "di"] {
            let data = json!({"severity": "hard", "address": format!("{who}@example.org")});
            learn(&desk, who, EventType::MessageBounced, None, data).await;
        }
        assert_eq!(ended(&desk, "ana").await, None, "{}", desk.fresh.name);
        assert!(ended(&desk, "di").await.is_some());
    }
}

#[tokio::test]
async fn the_third_soft_bounce_in_14_days_holds_and_asks_once() {
    for desk in both().await {
        let bounce = json!({"severity": "soft", "address": "Ana@example.org"});
        for n in 1..=4 {
            learn(&desk, "ana", EventType::MessageBounced, None, bounce.clone()).await;
            assert_eq!(held(&desk, "ana").await.is_some(), n >= 3, "{}: bounce {n}", desk.fresh.name);
            assert_eq!(tasks(&desk).await.len(), usize::from(n >= 3));
        }
        assert_eq!(ended(&desk, "ana").await, None);
    }
}

#[tokio::test]
async fn three_soft_bounces_read_at_once_hold_as_three_one_by_one_do() {
    for desk in both().await {
        let at = desk.clock.now();
        let bounce = |address: &str| {
            let data = Some(json!({"severity": "soft", "address": address}));
            Signal { what: EventType::MessageBounced, influencer: Some(desk.people["ana"]), message: None, at, data }
        };
        let learn_all = async |addresses: &[&str]| {
            let mut tx = desk.fresh.store.begin("test.batch").await.unwrap();
            let batch = addresses.iter().map(|address| bounce(address)).collect();
            signal::record(&mut tx, &desk.clock, batch).await.unwrap();
            tx.commit().await.unwrap();
        };
        learn_all(&["ana@example.org", "ana@old.example"]).await;
        assert_eq!(held(&desk, "ana").await, None, "{}: of two addresses", desk.fresh.name);
        learn_all(&["ana@example.org", "Ana@example.org"]).await;
        assert!(held(&desk, "ana").await.is_some(), "{}", desk.fresh.name);
        assert_eq!(tasks(&desk).await.len(), 1);
    }
}

#[tokio::test]
async fn what_may_be_a_no_of_an_unassigned_agent_holds_without_an_end() {
    for desk in both().await {
        let no = reply("mgr@talent.example", "u9", "", "No thanks, not interested.");
        desk.drop_into(FolderRole::Inbox, &[no]).await;
        let far = desk.clock.now().plus(100 * HOLD_UNASSIGNED);
        for who in ["ana", "bo", "cy"] {
            assert!(held(&desk, who).await.is_some_and(|(until, why)| until > far && why == UNASSIGNED), "{who}");
        }
        let message = desk.one("Re: Shoes u9").await.id;
        let mut tx = desk.fresh.store.begin("test.assign").await.unwrap();
        let stages = KnownStages { start: "prospect".into(), ids: vec![] };
        let whose = Whose::Influencer(desk.people["bo"]);
        match_message(&mut tx, &desk.clock, &stages, message, (whose, "kim")).await.unwrap();
        tx.commit().await.unwrap();
        for who in ["ana", "bo", "cy"] {
            assert_eq!(held(&desk, who).await, None, "{}: {who} is let go by it", desk.fresh.name);
        }
    }
}

#[tokio::test]
async fn a_refusal_of_us_pauses_our_account_and_keeps_their_address() {
    for desk in both().await {
        let data = json!({"severity": "policy", "address": "ana@example.org", "status": "5.7.1", "account": "brand"});
        for _ in 0..2 {
            learn(&desk, "ana", EventType::MessageBounced, None, data.clone()).await;
        }
        let mut tx = desk.fresh.store.read().await.unwrap();
        let account = tx.get_account("brand").await.unwrap().unwrap();
        assert_eq!(account.sending_state, AccountState::Paused);
        assert!(account.sending_detail.unwrap().contains("5.7.1"));
        let address = tx.find_addresses(Channel::Email, vec!["ana@example.org".into()]).await.unwrap().remove(0);
        assert_eq!(address.dead_at, None);
        drop(tx);
        assert_eq!(desk.count("SELECT CAST(COUNT(*) AS TEXT) FROM event WHERE type = 'account.down'").await, 1);
        assert_eq!(ended(&desk, "ana").await, None);
    }
}

#[tokio::test]
async fn a_complaint_ends_runs_and_whoever_left_leaves_a_dead_address_of_their_own_only() {
    for desk in both().await {
        learn(&desk, "bo", EventType::MessageComplained, None, json!({"address": "bo@example.org"})).await;
        assert_eq!(ended(&desk, "bo").await.as_deref(), Some("complained"));
        let gone = |address: &str| json!({"kind": "gone", "role": "author", "gone_address": address, "instead": "new@talent.example", "sure": true});
        // A stranger's address is not Di's to declare dead.
        learn(&desk, "di", EventType::MessageReceived, None, gone("ana@example.org")).await;
        assert_eq!(ended(&desk, "di").await, None);
        learn(&desk, "di", EventType::MessageReceived, None, gone("di@example.org")).await;
        assert!(ended(&desk, "di").await.is_some(), "{}", desk.fresh.name);
        let mut tx = desk.fresh.store.read().await.unwrap();
        let keys = vec!["ana@example.org".to_owned(), "di@example.org".to_owned()];
        let dead: Vec<String> = tx
            .find_addresses(Channel::Email, keys)
            .await
            .unwrap()
            .into_iter()
            .filter(|a| a.dead_at.is_some())
            .map(|a| a.value_key)
            .collect();
        assert_eq!(dead, ["di@example.org"]);
        drop(tx);
        assert!(tasks(&desk).await.iter().any(|t| t.0 == TaskKind::Address && t.2.contains("new@talent.example")));
    }
}

#[tokio::test]
async fn reaching_the_goal_or_being_closed_by_hand_ends_runs_and_a_pin_stops_automation() {
    for desk in both().await {
        let ids = ["prospect", "contacted", "agreed", "opted_out"].map(str::to_owned).to_vec();
        let stages = KnownStages { start: "prospect".into(), ids };
        for (who, to, pinned) in [("ana", "agreed", false), ("bo", "opted_out", false), ("cy", "contacted", true)] {
            let mut tx = desk.fresh.store.begin("test.stage").await.unwrap();
            let step = StageMove { influencer_id: desk.people[who], to: to.into(), pinned, cause: "kim".into() };
            assert!(people::move_stage(&mut tx, &desk.clock, &stages, step).await.unwrap());
            tx.commit().await.unwrap();
        }
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("reached the stage agreed"));
        assert_eq!(ended(&desk, "bo").await.as_deref(), Some("reached the stage opted_out"));
        assert_eq!(ended(&desk, "cy").await, None);
        learn(&desk, "cy", EventType::MessageClicked, None, json!({"machine": false, "confidence": 0.9})).await;
        assert_eq!(stage(&desk, "cy").await, "contacted", "{}", desk.fresh.name);
        assert_eq!(events(&desk, "ana", EventType::InfluencerStageChanged).await[0]["data"]["by"], "kim");
    }
}

/// A batch in which somebody is written to, clicks and answers moves them once in the row and once for each in the events.
#[tokio::test]
async fn several_facts_of_one_transaction_are_judged_one_after_the_other() {
    for desk in both().await {
        let at = desk.clock.now();
        let fact =
            |what, data| Signal { what, influencer: Some(desk.people["ana"]), message: None, at, data: Some(data) };
        let mut tx = desk.fresh.store.begin("test.batch").await.unwrap();
        let click = json!({"machine": false, "confidence": 1.0});
        let batch = vec![
            fact(EventType::MessageSent, json!({})),
            fact(EventType::MessageClicked, click),
            fact(EventType::ThreadReplied, json!({})),
        ];
        signal::record(&mut tx, &desk.clock, batch).await.unwrap();
        tx.commit().await.unwrap();
        let moves = events(&desk, "ana", EventType::InfluencerStageChanged).await;
        let path: Vec<&str> = moves.iter().map(|m| m["data"]["to"].as_str().unwrap()).collect();
        assert_eq!(path, ["contacted", "engaged", "in_talks"], "{}", desk.fresh.name);
        assert_eq!(stage(&desk, "ana").await, "in_talks");
    }
}

/// The page was used by whoever has an address: the influencer, their agent, or nobody we know.
#[tokio::test]
async fn whoever_unsubscribes_is_whose_the_address_is() {
    for desk in both().await {
        let left = |address: &str| json!({"address": address, "how": "page"});
        learn(&desk, "ana", EventType::InfluencerUnsubscribed, None, left("ana@example.org")).await;
        // Bo got a copy; Cy's agent had the mail; of Di somebody else asked.
        learn(&desk, "bo", EventType::InfluencerUnsubscribed, None, left("ana@example.org")).await;
        learn(&desk, "cy", EventType::InfluencerUnsubscribed, None, left("mgr@talent.example")).await;
        learn(&desk, "di", EventType::InfluencerUnsubscribed, None, left("who@nowhere.example")).await;
        let mut tx = desk.fresh.store.read().await.unwrap();
        let all = ["ana", "bo", "cy", "di"].map(|who| format!("{who}@example.org"));
        let keys = all.into_iter().chain(["mgr@talent.example".to_owned()]).collect();
        let mut suppressed: Vec<String> =
            tx.suppressed(Channel::Email, keys).await.unwrap().into_iter().map(|s| s.value_key).collect();
        drop(tx);
        suppressed.sort();
        assert_eq!(suppressed, ["ana@example.org", "mgr@talent.example"], "{}", desk.fresh.name);
        assert_eq!(
            (stage(&desk, "ana").await, ended(&desk, "ana").await),
            ("opted_out".into(), Some("opted out".into()))
        );
        assert_eq!((stage(&desk, "bo").await, ended(&desk, "bo").await), ("prospect".into(), None));
        assert_eq!((stage(&desk, "cy").await, ended(&desk, "cy").await.is_some()), ("prospect".into(), true));
        assert_eq!((stage(&desk, "di").await, ended(&desk, "di").await.is_some()), ("prospect".into(), true));
        assert_eq!(events(&desk, "ana", EventType::InfluencerUnsubscribed).await.len(), 1);
    }
}

/// The mail that List-Unsubscribe asks for, from an address we do not know: the token says who wants out.
#[tokio::test]
async fn an_unsubscribe_mail_is_redeemed_by_its_token_whoever_wrote_it() {
    for desk in both().await {
        let clock = &desk.clock;
        let thread = crate::seed::thread(&desk.fresh, clock, desk.people["ana"], 1).await;
        let mut mail_of_ours = crate::seed::message(clock, thread.conversation_id, 2);
        mail_of_ours.direction = liaison::domain::words::Direction::Outbound;
        let id = mail_of_ours.id;
        let part = (desk.people["ana"], thread.id, liaison::domain::words::Role::Recipient);
        crate::seed::put(&desk.fresh, mail_of_ours, vec![part]).await;
        crate::seed::outbox(&desk.fresh, id, "confirmed").await;
        let mut tx = desk.fresh.store.begin("test.keys").await.unwrap();
        let keys = liaison::hub::signing::keys(&mut tx, clock).await.unwrap();
        tx.commit().await.unwrap();
        let token = keys.sign(liaison::domain::token::Token {
            kind: liaison::domain::words::HitKind::Unsubscribe,
            message: id,
            link: 0,
        });
        let forged = format!("{}{}", if token.starts_with('A') { "B" } else { "A" }, &token[1..]);
        for (n, token) in [forged, token].into_iter().enumerate() {
            let head = format!(
                "From: someone@elsewhere.example\nTo: team@acme.example\nSubject: unsubscribe {token}\nMessage-ID: <m{n}@elsewhere.example>\nDate: Sun, 1 Mar 2026 13:00:00 +0000"
            );
            desk.drop_into(FolderRole::Inbox, &[mail(&head, "")]).await;
            assert_eq!(ended(&desk, "ana").await.is_some(), n == 1, "{}: mail {n}", desk.fresh.name);
        }
        assert_eq!(stage(&desk, "ana").await, "opted_out");
    }
}
