//! Two records of one person joined and taken apart: every row changes hands and comes back, on both databases.

use crate::contract::steer::run;
use crate::{cli, seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{AddressId, AgentId, HitId, InfluencerId, LedgerId, MessageId, TaskId};
use liaison::domain::people::{Address, Agent, Consent, Network, Person};
use liaison::domain::words::{
    Awaiting, Channel, EnrollmentState, EventType, HoldSource, Role, SuppressionReason, TaskKind, TaskState,
};
use liaison::hub::people::{
    PeopleError, add_note, create_influencer, find_influencer, find_merge, lift_suppression, merge, unmerge,
};
use liaison::hub::unsubscribe::unsubscribe_by_hand;
use liaison::store::people::Touch;
use liaison::store::people::hold::Hold;
use liaison::store::people::list::{InfluencerFilter, InfluencerOrder};
use liaison::store::people::merge::Owned;
use liaison::store::reading::Page;
use liaison::store::reading::task::TaskFilter;
use liaison::store::task::TaskRow;
use serde_json::{Value, json};
use stores::Fresh;

struct Scene {
    fresh: Fresh,
    clock: Clock,
    keep: InfluencerId,
    gone: InfluencerId,
    /// Of keep alone; of gone alone, in the same conversation; of both; of gone in a thread of its own.
    mail: [MessageId; 4],
}

fn address(clock: &Clock, who: InfluencerId, value: &str) -> Address {
    Address {
        id: AddressId(clock.new_id()),
        channel: Channel::Email,
        value: value.into(),
        value_key: value.into(),
        person: Person::Influencer(who),
        is_primary: true,
        dead_at: None,
        dead_reason: None,
        created_at: seed::at(0),
    }
}

fn task(clock: &Clock, who: InfluencerId) -> TaskRow {
    TaskRow {
        id: TaskId(clock.new_id()),
        influencer_id: Some(who),
        enrollment_id: None,
        step: None,
        kind: TaskKind::ByHand,
        text: "call".into(),
        assignee: None,
        fills: None,
        message_id: None,
        due_at: None,
        expires_at: None,
        state: TaskState::Open,
        answer: None,
        created_at: seed::at(0),
        completed_at: None,
        completed_by: None,
    }
}

async fn scene(fresh: Fresh) -> Scene {
    let clock = Clock::machine();
    let (keep, gone) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
    let ours = seed::thread(&fresh, &clock, keep, 1).await;
    let theirs = liaison::store::thread::ThreadRow {
        id: liaison::domain::ids::ThreadId(clock.new_id()),
        influencer_id: gone,
        awaiting: Some(Awaiting::Them),
        last_message_at: seed::at(3),
        ..ours.clone()
    };
    let mut tx = fresh.store.begin("test.merge").await.unwrap();
    tx.upsert_threads(vec![theirs.clone()], seed::at(0)).await.unwrap();
    tx.commit().await.unwrap();
    let own = seed::thread(&fresh, &clock, gone, 4).await;
    let first = seed::message_in(&fresh, &clock, &ours, 1).await;
    let second = seed::message_in(&fresh, &clock, &theirs, 3).await;
    let both = seed::message(&clock, ours.conversation_id, 2);
    let third = both.id;
    seed::put(&fresh, both, vec![(keep, ours.id, Role::Cc), (gone, theirs.id, Role::Author)]).await;
    let fourth = seed::message_in(&fresh, &clock, &own, 4).await;
    let hit = "INSERT INTO hit (id, message_id, influencer_id, kind, at, method, agent) VALUES ($1, $2, $3, 'open', 5, 'GET', 'x')";
    seed::run(&fresh, hit, &[HitId(clock.new_id()).0, fourth.0, gone.0]).await;
    let mut tx = fresh.store.begin("test.merge").await.unwrap();
    tx.recount_threads(vec![ours.id, theirs.id, own.id]).await.unwrap();
    tx.insert_addresses(&[address(&clock, keep, "keep@example.org"), address(&clock, gone, "gone@example.org")])
        .await
        .unwrap();
    tx.insert_tags(&[(keep, "a".into()), (gone, "a".into()), (gone, "b".into())]).await.unwrap();
    let network =
        |name: &str, handle: &str| Network { network: name.into(), handle: handle.into(), followers: Some(5) };
    tx.upsert_networks(&[
        (keep, network("tiktok", "keep")),
        (gone, network("tiktok", "gone")),
        (gone, network("x", "gone")),
    ])
    .await
    .unwrap();
    let agent = Agent {
        id: AgentId(clock.new_id()),
        first_name: "Mia".into(),
        last_name: String::new(),
        created_at: seed::at(0),
        updated_at: seed::at(0),
    };
    tx.insert_agents(std::slice::from_ref(&agent)).await.unwrap();
    tx.link_agents(&[(agent.id, gone)]).await.unwrap();
    add_note(&mut tx, &clock, keep, "kim", "a note of keep").await.unwrap();
    add_note(&mut tx, &clock, gone, "kim", "a note of gone").await.unwrap();
    tx.insert_task(&task(&clock, gone)).await.unwrap();
    tx.publish_sequence("spring", "m1", "{}", seed::at(0)).await.unwrap();
    let mut runs =
        vec![run(&clock, keep, "spring", "m1"), run(&clock, gone, "spring", "m1"), run(&clock, gone, "spring", "m1")];
    runs[0].state = EnrollmentState::Finished;
    runs[1].state = EnrollmentState::Finished;
    runs[2].run = 2;
    tx.insert_enrollments(runs, clock.now()).await.unwrap();
    tx.set_influencer_stage(gone, "in_talks", false, seed::at(4)).await.unwrap();
    let touch = |influencer_id, n| Touch { influencer_id, last_message_at: seed::at(n), awaiting: Some(Awaiting::Us) };
    tx.touch_influencers(vec![touch(keep, 3), touch(gone, 4)]).await.unwrap();
    let mut row = tx.get_influencer(gone).await.unwrap().unwrap();
    row.properties.insert("niche".into(), json!("running"));
    row.owner = Some("kim".into());
    assert!(tx.update_influencer(&row).await.unwrap());
    tx.commit().await.unwrap();
    Scene { fresh, clock, keep, gone, mail: [first, second, third, fourth] }
}

/// Everything of both that a merge moves, as it can be read.
async fn all_of(scene: &Scene) -> Value {
    let mut tx = scene.fresh.store.read().await.unwrap();
    let ids = vec![scene.keep, scene.gone];
    let mut people = tx.get_influencers(ids.clone()).await.unwrap();
    people.sort_by_key(|i| i.id);
    let since: Vec<_> = people.iter().map(|i| i.stage_at).collect();
    let mut views = serde_json::to_value(tx.view_influencers(people).await.unwrap()).unwrap();
    views.as_array_mut().unwrap().iter_mut().for_each(|v| drop(v.as_object_mut().unwrap().remove("version")));
    let mut threads = tx.find_threads_of(ids.clone(), seed::at(-1_000_000)).await.unwrap();
    threads.sort_by_key(|t| t.id);
    let mut parts = tx.find_participations(scene.mail.to_vec()).await.unwrap();
    parts.sort();
    let mut runs: Vec<_> = tx
        .list_enrollments_of(ids.clone())
        .await
        .unwrap()
        .into_iter()
        .map(|r| (r.influencer_id, r.run, r.id))
        .collect();
    runs.sort();
    let mut timelines = Vec::new();
    for id in ids {
        let entries = tx.list_timeline(id, seed::at(0), Page::newest(100)).await.unwrap().data;
        let texts = entries.iter().map(|e| serde_json::to_string(e).unwrap());
        let made = ["influencer.merged", "stage_changed", "enrollment."];
        timelines.push(texts.filter(|t| !made.iter().any(|m| t.contains(m))).collect::<Vec<_>>());
    }
    json!({"views": views, "since": since, "threads": format!("{threads:?}"), "parts": parts, "runs": runs, "timelines": timelines})
}

async fn merged(scene: &Scene) -> liaison::hub::people::Merged {
    let mut tx = scene.fresh.store.begin("test.merge").await.unwrap();
    let merged = merge(&mut tx, &scene.clock, scene.keep, scene.gone, "kim").await.unwrap();
    tx.commit().await.unwrap();
    merged
}

#[tokio::test]
async fn everything_moves_to_the_one_who_stays_and_the_other_is_found_no_more() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let (keep, gone) = (scene.keep, scene.gone);
        let told = merged(&scene).await;
        let counts = (told.addresses, told.messages, told.threads_moved, told.threads_joined, told.notes, told.tasks);
        assert_eq!(counts, (1, 3, 1, 1, 1, 1), "{}", scene.fresh.name);
        assert_eq!((told.runs_stopped, told.runs_moved, told.stage.as_deref()), (1, 2, Some("in_talks")));
        let mut tx = scene.fresh.store.begin("test.merge").await.unwrap();
        let list = tx.list_influencers(&InfluencerFilter::default(), InfluencerOrder::Added, None, 10).await.unwrap();
        assert_eq!(list.iter().map(|i| i.id).collect::<Vec<_>>(), [keep]);
        let q = InfluencerFilter { q: Some("ana".into()), ..InfluencerFilter::default() };
        assert_eq!(tx.list_influencers(&q, InfluencerOrder::Added, None, 10).await.unwrap().len(), 1);
        assert_eq!(tx.count_people_by_stage().await.unwrap(), [("in_talks".to_owned(), 1)]);
        assert_eq!(tx.list_reachable(vec![gone]).await.unwrap(), []);
        assert_eq!(tx.list_persons(vec![gone]).await.unwrap(), []);
        assert_eq!(tx.lock_influencer(gone).await.unwrap(), None);
        let views = tx.get_influencers(vec![keep]).await.unwrap();
        let view = serde_json::to_value(&tx.view_influencers(views).await.unwrap()[0]).unwrap();
        assert_eq!(view["addresses"][0]["value"], "keep@example.org", "{view}");
        assert_eq!(
            (&view["addresses"][1]["value"], &view["addresses"][1]["primary"]),
            (&json!("gone@example.org"), &json!(false))
        );
        assert_eq!(
            (&view["tags"], &view["owner"], &view["properties"]["niche"]),
            (&json!(["a", "b"]), &json!("kim"), &json!("running"))
        );
        assert_eq!((&view["networks"][0]["handle"], &view["networks"][1]["network"]), (&json!("keep"), &json!("x")));
        assert_eq!((&view["agent"]["first_name"], &view["stage"]), (&json!("Mia"), &json!("in_talks")));
        let old = tx.get_influencer(gone).await.unwrap().unwrap();
        assert_eq!(tx.view_influencers(vec![old.clone()]).await.unwrap()[0].merged_into, Some(keep));
        assert_eq!(find_influencer(&mut tx, &gone.to_string()).await.unwrap().id, keep);
        let mut threads = tx.find_threads_of(vec![keep, gone], seed::at(-1)).await.unwrap();
        threads.sort_by_key(|t| t.last_message_at);
        let seen: Vec<_> = threads.iter().map(|t| (t.influencer_id, t.message_count, t.awaiting)).collect();
        assert_eq!(seen, [(keep, 3, Some(Awaiting::Them)), (keep, 1, Some(Awaiting::Us))]);
        let parts = tx.find_participations(scene.mail.to_vec()).await.unwrap();
        assert_eq!((parts.len(), parts.iter().all(|p| p.1 == keep)), (4, true), "{parts:?}");
        let mut runs: Vec<_> = tx.list_enrollments_of(vec![keep, gone]).await.unwrap();
        runs.sort_by_key(|r| r.run);
        assert_eq!(
            runs.iter().map(|r| (r.influencer_id, r.run)).collect::<Vec<_>>(),
            [(keep, 1), (keep, 2), (keep, 3)]
        );
        assert_eq!(runs[2].state, EnrollmentState::Exited);
        // The handle is free for somebody else.
        let known = liaison::hub::people::KnownStages { start: "prospect".into(), ids: vec!["prospect".into()] };
        let new = serde_json::from_value(json!({"handle": old.handle})).unwrap();
        let other = create_influencer(&mut tx, &scene.clock, &known, "kim", new).await.unwrap();
        let again = merge(&mut tx, &scene.clock, keep, gone, "kim").await;
        assert!(matches!(again, Err(PeopleError::NotMerged(_))), "{again:?}");
        let itself = merge(&mut tx, &scene.clock, keep, keep, "kim").await;
        assert!(matches!(itself, Err(PeopleError::NotMerged(_))), "{itself:?}");
        let taken = unmerge(&mut tx, &scene.clock, gone, "kim").await;
        assert!(matches!(taken, Err(PeopleError::HandleTaken { id, .. }) if id == other.id), "{taken:?}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_record_that_goes_ends_what_runs_and_asks_a_person() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let mut tx = scene.fresh.store.begin("test.refused").await.unwrap();
        tx.set_influencer_stage(scene.gone, "declined", false, seed::at(5)).await.unwrap();
        tx.set_influencer_stage(scene.keep, "agreed", true, seed::at(5)).await.unwrap();
        let mut live = run(&scene.clock, scene.keep, "spring", "m1");
        live.run = 2;
        let id = live.id;
        tx.insert_enrollments(vec![live], scene.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        merged(&scene).await;
        let mut tx = scene.fresh.store.read().await.unwrap();
        let ended = tx.get_enrollment(id).await.unwrap().unwrap();
        assert_eq!(
            (ended.state, ended.exit_reason.as_deref()),
            (EnrollmentState::Exited, Some("reached the stage declined"))
        );
        assert_eq!(tx.get_influencer(scene.keep).await.unwrap().unwrap().stage, "agreed");
        assert!(tx.has_open_task(scene.keep, TaskKind::Stage).await.unwrap(), "{}", scene.fresh.name);
    }
}

#[tokio::test]
async fn what_a_merge_asks_holds_until_it_is_answered_and_tells_only_what_happened() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let (keep, name) = (scene.keep, scene.fresh.name);
        let mut tx = scene.fresh.store.begin("test.refused").await.unwrap();
        tx.set_influencer_stage(scene.gone, "declined", false, seed::at(5)).await.unwrap();
        tx.set_influencer_stage(keep, "agreed", true, seed::at(5)).await.unwrap();
        tx.commit().await.unwrap();
        let asked = async || {
            let filter = TaskFilter { kind: Some(TaskKind::Stage), influencer: Some(keep), ..TaskFilter::default() };
            let mut tx = scene.fresh.store.read().await.unwrap();
            let mut all = tx.list_tasks(&filter, scene.clock.now(), Page::oldest(10)).await.unwrap().data;
            assert_eq!(all.len(), 1, "{name}");
            all.remove(0)
        };
        let held = async || {
            let mut tx = scene.fresh.store.read().await.unwrap();
            let mut all = tx.list_hold_sources(vec![keep]).await.unwrap();
            all.retain(|hold| hold.source == HoldSource::Merge && hold.until.is_none());
            all.len()
        };
        // Taken back, nothing is asked any more.
        merged(&scene).await;
        assert_eq!((held().await, asked().await.text.contains("ended")), (1, false), "{name}: nothing of theirs ran");
        let mut tx = scene.fresh.store.begin("test.unmerge").await.unwrap();
        unmerge(&mut tx, &scene.clock, scene.gone, "kim").await.unwrap();
        assert!(!tx.has_open_task(keep, TaskKind::Stage).await.unwrap(), "{name}");
        tx.commit().await.unwrap();
        assert_eq!(held().await, 0, "{name}");
        merged(&scene).await;
        let asks = asked().await.id;
        for answer in [None, Some("had a look"), Some("lost")] {
            let mut tx = scene.fresh.store.begin("test.finish").await.unwrap();
            let refused = liaison::hub::task::finish(&mut tx, &scene.clock, (asks, None), (answer, "kim")).await;
            assert!(refused.is_err(), "{name}: {answer:?}");
        }
        assert_eq!(held().await, 1, "{name}");
        let mut tx = scene.fresh.store.begin("test.finish").await.unwrap();
        liaison::hub::task::finish(&mut tx, &scene.clock, (asks, None), (Some("declined"), "kim")).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(held().await, 0, "{name}");
        let kept = scene.fresh.store.read().await.unwrap().get_influencer(keep).await.unwrap().unwrap();
        assert_eq!((kept.stage.as_str(), kept.stage_pinned), ("declined", true), "{name}");
    }
}

#[tokio::test]
async fn every_row_comes_back_and_what_was_added_since_stays() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let (keep, gone) = (scene.keep, scene.gone);
        let before = all_of(&scene).await;
        merged(&scene).await;
        assert_ne!(all_of(&scene).await, before);
        let mut tx = scene.fresh.store.begin("test.merge").await.unwrap();
        let row = find_merge(&mut tx, &keep.to_string()).await.unwrap();
        assert_eq!((row.gone, row.kept, row.by.as_str()), (gone, keep, "kim"));
        let undone = unmerge(&mut tx, &scene.clock, row.gone, "kim").await.unwrap();
        assert_eq!((undone.addresses, undone.messages, undone.notes, undone.tasks), (1, 3, 1, 1));
        let none = find_merge(&mut tx, &gone.to_string()).await;
        assert!(matches!(none, Err(PeopleError::NotMerged(_))), "{none:?}");
        tx.commit().await.unwrap();
        assert_eq!(all_of(&scene).await, before, "{}", scene.fresh.name);
        // Once more, and this time the world goes on before it is taken back.
        merged(&scene).await;
        let mut tx = scene.fresh.store.begin("test.merge").await.unwrap();
        let threads = tx.find_threads_of(vec![keep], seed::at(4)).await.unwrap();
        add_note(&mut tx, &scene.clock, keep, "kim", "since").await.unwrap();
        tx.commit().await.unwrap();
        let since = seed::message_in(&scene.fresh, &scene.clock, &threads[0], 9).await;
        let mut tx = scene.fresh.store.begin("test.merge").await.unwrap();
        unmerge(&mut tx, &scene.clock, gone, "kim").await.unwrap();
        let parts = tx.find_participations(vec![since, scene.mail[3]]).await.unwrap();
        let of = |message| parts.iter().find(|p| p.0 == message).unwrap();
        assert_eq!((of(since).1, of(scene.mail[3]).1), (keep, gone));
        assert_ne!(of(since).2, of(scene.mail[3]).2, "each has a thread of their own");
        let thread = tx.get_thread(of(since).2).await.unwrap().unwrap();
        assert_eq!((thread.influencer_id, thread.message_count), (keep, 1));
        let hits = tx.give_owned(Owned::Hits, gone, keep).await.unwrap();
        assert_eq!(hits.len(), 1, "{}", scene.fresh.name);
    }
}

#[test]
fn merging_on_the_command_line_asks_for_a_yes_and_is_taken_back() {
    let dir = cli::ready();
    let add = |handle: &str, email: &str| {
        cli::liaison(dir.path(), &["influencer", "add", "--handle", handle, "--email", email]).well();
    };
    add("@ana", "ana@example.org");
    add("@ana2", "ana2@example.org");
    let call = |args: &[&str]| cli::liaison(dir.path(), args);
    call(&["influencer", "merge", "@ana2", "--into", "@ana"]).says(2, "--yes");
    call(&["influencer", "merge", "@ana2", "--into", "@nobody", "--yes"]).says(1, "@nobody");
    let merged = call(&["influencer", "merge", "@ana2", "--into", "@ana", "--yes", "--json"]).well().json();
    assert_eq!(merged["addresses"], 1, "{merged}");
    let shown = call(&["influencer", "show", "ana2@example.org", "--json"]).well().json();
    assert_eq!(shown["handle"], "@ana");
    call(&["influencer", "unmerge", "@ana"]).says(0, "@ana2 is apart from @ana again");
    call(&["influencer", "unmerge", "@ana"]).says(1, "nobody was merged into @ana");
    let shown = call(&["influencer", "show", "ana2@example.org", "--json"]).well().json();
    assert_eq!(shown["handle"], "@ana2");
}

async fn said_no(scene: &Scene, address: &str) {
    let mut tx = scene.fresh.store.begin("test.no").await.unwrap();
    unsubscribe_by_hand(&mut tx, &scene.clock, address, "kim".into()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn parted(scene: &Scene) {
    let mut tx = scene.fresh.store.begin("test.unmerge").await.unwrap();
    unmerge(&mut tx, &scene.clock, scene.gone, "kim").await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_no_that_came_to_an_address_while_it_was_the_others_is_the_restored_records_as_well() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let name = scene.fresh.name;
        merged(&scene).await;
        said_no(&scene, "gone@example.org").await;
        parted(&scene).await;
        let mut tx = scene.fresh.store.read().await.unwrap();
        let gone = tx.get_influencer(scene.gone).await.unwrap().unwrap();
        assert_eq!((gone.stage.as_str(), gone.handle.is_empty()), ("opted_out", false), "{name}");
        let said = tx.suppressed(Channel::Email, vec!["gone@example.org".into()]).await.unwrap();
        assert_eq!(said.iter().map(|s| s.reason).collect::<Vec<_>>(), [SuppressionReason::OptedOut], "{name}");
        let far = (liaison::domain::time::Micros(i64::MAX), uuid::Uuid::max());
        for who in [scene.keep, scene.gone] {
            let told = tx.list_timeline_events(who, far, 100).await.unwrap();
            let told = told.iter().filter(|e| e.kind == EventType::InfluencerUnsubscribed).count();
            assert_eq!(told, 1, "{name}: each has it on their timeline");
        }
        drop(tx);
        // One that said nothing stands where it stood.
        let quiet = self::scene(stores::sqlite().await).await;
        merged(&quiet).await;
        parted(&quiet).await;
        let gone = quiet.fresh.store.read().await.unwrap().get_influencer(quiet.gone).await.unwrap().unwrap();
        assert_eq!(gone.stage, "in_talks");
    }
}

#[tokio::test]
async fn consents_that_a_merge_took_back_are_given_back_with_it_unless_a_no_came_since() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let name = scene.fresh.name;
        let consent = |source: &str, withdrawn_at| Consent {
            id: LedgerId(scene.clock.new_id()),
            channel: Channel::Email,
            value_key: "keep@example.org".into(),
            source: source.into(),
            evidence: "a form".into(),
            at: seed::at(0),
            withdrawn_at,
        };
        let mut tx = scene.fresh.store.begin("test.consent").await.unwrap();
        tx.insert_consents(&[consent("form", None), consent("old form", Some(seed::at(1)))]).await.unwrap();
        tx.commit().await.unwrap();
        let standing = async || {
            let mut tx = scene.fresh.store.read().await.unwrap();
            let all = tx.list_consents(Channel::Email, vec!["keep@example.org".into()]).await.unwrap();
            let stands = all.into_iter().filter(|c| c.withdrawn_at.is_none()).map(|c| c.source);
            stands.collect::<Vec<_>>()
        };
        said_no(&scene, "gone@example.org").await;
        assert_eq!(standing().await, ["form"], "{name}");
        merged(&scene).await;
        assert_eq!(standing().await, [""; 0], "{name}: whoever said no with the one said no");
        parted(&scene).await;
        assert_eq!(standing().await, ["form"], "{name}: that record said no, this one did not");
        merged(&scene).await;
        said_no(&scene, "keep@example.org").await;
        // A person lets them be written to again, which gives no consent back.
        let mut tx = scene.fresh.store.begin("test.lift").await.unwrap();
        lift_suppression(&mut tx, &scene.clock, "keep@example.org", "kim").await.unwrap();
        tx.commit().await.unwrap();
        parted(&scene).await;
        assert_eq!(standing().await, [""; 0], "{name}: by then they had");
    }
}

async fn answered(scene: &Scene, task: TaskId, answer: Option<&str>) {
    let mut tx = scene.fresh.store.begin("test.finish").await.unwrap();
    liaison::hub::task::finish(&mut tx, &scene.clock, (task, None), (answer, "kim")).await.unwrap();
    tx.commit().await.unwrap();
}

async fn held(scene: &Scene, who: InfluencerId) -> Vec<HoldSource> {
    let mut tx = scene.fresh.store.read().await.unwrap();
    tx.list_hold_sources(vec![who]).await.unwrap().into_iter().map(|hold| hold.source).collect()
}

#[tokio::test]
async fn what_was_answered_while_two_records_were_one_holds_neither_when_they_are_parted() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let (keep, gone, name) = (scene.keep, scene.gone, scene.fresh.name);
        let third = seed::influencer(&scene.fresh, &scene.clock).await;
        let asks = TaskRow { kind: TaskKind::Refusal, message_id: Some(scene.mail[3]), ..task(&scene.clock, gone) };
        let machine = Hold {
            influencer_id: gone,
            source: HoldSource::Machine,
            until: None,
            reason: Some("a machine".into()),
            cause: Some(scene.mail[3].to_string()),
            made_at: seed::at(6),
        };
        let mut tx = scene.fresh.store.begin("test.held").await.unwrap();
        tx.set_influencer_stage(keep, "agreed", true, seed::at(5)).await.unwrap();
        for refused in [gone, third] {
            tx.set_influencer_stage(refused, "declined", false, seed::at(5)).await.unwrap();
        }
        tx.insert_task(&asks).await.unwrap();
        tx.put_hold(&machine, seed::at(6)).await.unwrap();
        merge(&mut tx, &scene.clock, keep, third, "kim").await.unwrap();
        tx.commit().await.unwrap();
        let stage_tasks = async || {
            let filter = TaskFilter { kind: Some(TaskKind::Stage), ..TaskFilter::default() };
            let mut tx = scene.fresh.store.read().await.unwrap();
            let mut all = tx.list_tasks(&filter, scene.clock.now(), Page::oldest(10)).await.unwrap().data;
            all.sort_by_key(|task| task.id);
            all.into_iter().map(|task| task.id).collect::<Vec<_>>()
        };
        let first = stage_tasks().await[0];
        merged(&scene).await;
        assert_eq!(held(&scene, keep).await, [HoldSource::Machine, HoldSource::Merge], "{name}");
        // All but what the second merge asks; that goes with it.
        answered(&scene, first, Some("agreed")).await;
        answered(&scene, asks.id, Some("go_on")).await;
        parted(&scene).await;
        assert_eq!((held(&scene, keep).await, held(&scene, gone).await), (vec![], vec![]), "{name}");
        assert_eq!(stage_tasks().await, [], "{name}");
    }
}
