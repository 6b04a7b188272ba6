//! A version that this build can't read holds its own runs. Lists, numbers, what is learned of people, and whatever else is asked
//! of sequences are there all the same.

use super::world::{World, definition, email, house, instant};
use crate::{seed, stores};
use liaison::app::simulate::{Order, simulate};
use liaison::domain::ids::{EnrollmentId, InfluencerId};
use liaison::domain::sequence::Definition;
use liaison::domain::words::{EnrollmentState, EventType, StepState, TaskKind};
use liaison::hub::outreach::enroll::{Again, Refusal, enroll, would_take};
use liaison::hub::outreach::steer::{self, Act};
use liaison::hub::outreach::{self, funnel, overview};
use liaison::hub::signal::{self, Signal};
use liaison::sequence::simulate::What;
use liaison::sequence::{self, Apply, Becomes, Loaded, OldFolder, migrate_all};
use liaison::store::reading::Page;
use liaison::store::reading::task::TaskFilter;
use serde_json::json;

const NIGHT: &str = "2026-11-03T03:00:00Z";

fn two(id: &str) -> Definition {
    definition(id, vec![email("intro", None, "intro.md"), email("nudge", Some("2 days"), "nudge.md")])
}

fn hash(definition: &Definition) -> String {
    sequence::load::hash(definition)
}

/// Two sequences, in each somebody who had the intro; then the version of `spring` can't be read any more: the one in force
/// and the one its run is on.
struct Scene {
    world: World,
    /// The hash of the version that can't be read.
    broken: String,
    ana: InfluencerId,
    bo: InfluencerId,
    runs: [EnrollmentId; 2],
}

async fn scene(fresh: stores::Fresh) -> Scene {
    let world = World::new(fresh, house());
    world.accounts().await;
    world.publish(vec![two("spring"), two("autumn")]).await;
    // Of Ana's zone nothing is known: what her sequence says counts.
    let (ana, bo) = (world.person(None).await, world.person(Some("America/New_York")).await);
    let runs = [world.enroll("spring", &[ana]).await, world.enroll("autumn", &[bo]).await];
    let runs = runs.map(|mut all| all.remove(0).unwrap());
    assert_eq!(world.run_until(NIGHT).await.len(), 2);
    let broken = format!("broken-{}", world.clock.new_id().simple());
    let insert = format!(
        "INSERT INTO sequence_version (hash, sequence, body, published_at) VALUES ('{broken}', 'spring', '{{\"id\": 7}}', 1)"
    );
    seed::run(&world.fresh, &insert, &[]).await;
    seed::run(&world.fresh, &format!("UPDATE enrollment SET version = '{broken}' WHERE id = $1"), &[runs[0].0]).await;
    Scene { world, broken, ana, bo, runs }
}

impl Scene {
    /// The version that is in force can't be read either.
    async fn break_what_is_in_force(&self) {
        let sql = format!("UPDATE sequence SET active_hash = '{}' WHERE id = 'spring'", self.broken);
        seed::run(&self.world.fresh, &sql, &[]).await;
    }
}

#[tokio::test]
async fn lists_numbers_and_absences_are_there_beside_a_version_that_cant_be_read() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        scene.break_what_is_in_force().await;
        let (world, name) = (&scene.world, scene.world.fresh.name);
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let listed = overview::list(&mut tx).await.unwrap();
        let shown: Vec<_> =
            listed.iter().map(|v| (v.id.as_str(), v.name.as_deref(), v.steps.len(), v.runs.live)).collect();
        assert_eq!(shown, [("autumn", Some("autumn"), 2, 1), ("spring", None, 0, 1)], "{name}");
        let numbers = funnel::measure_all(&mut tx).await.unwrap();
        let sent: Vec<_> = numbers.iter().map(|s| (s.sequence.as_str(), s.total.sent, s.steps.len())).collect();
        // Of the one that can't be read, the steps that were done are known.
        assert_eq!(sent, [("autumn", 1, 2), ("spring", 1, 1)], "{name}");
        let away = Signal {
            what: EventType::MessageReceived,
            influencer: Some(scene.ana),
            message: None,
            at: world.clock.now(),
            data: Some(json!({"kind": "out_of_office", "role": "author", "waiting": null, "back_on": "2026-11-12"})),
        };
        signal::record(&mut tx, &world.clock, vec![away]).await.unwrap();
        let person = tx.list_persons(vec![scene.ana]).await.unwrap().remove(0);
        assert_eq!(person.hold_reason.as_deref(), Some("out of office"), "{name}");
        assert!(person.held_until.is_some_and(|until| until > instant("2026-11-12T00:00:00Z")), "{person:?}");
        tx.commit().await.unwrap();
        let run = world.run_of(scene.runs[0]).await;
        assert!(run.held_at.is_some(), "{name}: time stands still for her");
    }
}

#[tokio::test]
async fn an_answer_asks_a_person_where_what_follows_it_cant_be_read() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let (world, name) = (&scene.world, scene.world.fresh.name);
        let asked = async || {
            let filter = TaskFilter { kind: Some(TaskKind::Sequence), ..TaskFilter::default() };
            let mut tx = world.fresh.store.read().await.unwrap();
            let all = tx.list_tasks(&filter, world.clock.now(), Page::oldest(100)).await.unwrap().data;
            all.into_iter().map(|task| (task.influencer_id, task.text)).collect::<Vec<_>>()
        };
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let answered = |who| Signal {
            what: EventType::ThreadReplied,
            influencer: Some(who),
            message: None,
            at: world.clock.now(),
            data: Some(json!({"account": "brand", "answer": {"verdict": "none"}})),
        };
        signal::record(&mut tx, &world.clock, vec![answered(scene.ana), answered(scene.bo)]).await.unwrap();
        tx.commit().await.unwrap();
        world.run_until("2026-11-05T03:00:00Z").await;
        let all = asked().await;
        assert_eq!(all.len(), 1, "{name}: the sequence of the other asks for nothing: {all:?}");
        assert_eq!(all[0].0, Some(scene.ana));
        assert!(all[0].1.starts_with("They answered") && all[0].1.contains("spring"), "{all:?}");
        // One that is set aside while that waits asks as well, once.
        seed::run(&world.fresh, "UPDATE enrollment SET next_at = 1 WHERE id = $1", &[scene.runs[1].0]).await;
        for _ in 0..2 {
            let mut tx = world.fresh.store.begin("test.aside").await.unwrap();
            outreach::set_aside(&mut tx, &world.clock, scene.runs[1], "it can't be looked at").await.unwrap();
            tx.commit().await.unwrap();
        }
        let all = asked().await;
        assert_eq!(all.iter().filter(|(who, _)| *who == Some(scene.bo)).count(), 1, "{name}: {all:?}");
        assert_eq!(world.run_of(scene.runs[1]).await.next_at, None);
    }
}

#[tokio::test]
async fn enrolling_steering_and_simulating_fail_nobody_else() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let (world, name) = (&scene.world, scene.world.fresh.name);
        let order = |sequence: Option<&str>, events: &[&str]| Order {
            sequence: sequence.map(str::to_owned),
            enroll: Vec::new(),
            from: None,
            days: 10,
            given: events.iter().map(|text| (None, text.parse().unwrap())).collect(),
            again: Again::Refused,
            local: None,
            tasks_after: None,
        };
        let at = world.clock.now();
        let foreseen = async |order: Order| {
            simulate((&world.fresh.store, at), house(), None, order).await.map(|report| report.entries)
        };
        for broken in ["a run's", "the one in force"] {
            // An event may name a step of the version that can't be read: it is known nowhere else.
            let all = foreseen(order(None, &[])).await.unwrap();
            let sent = |who| all.iter().filter(|e| e.influencer_id == who && e.what == What::Sent).count();
            assert!(sent(scene.bo) > 0 && sent(scene.ana) == 0, "{name}, {broken}: {all:?}");
            foreseen(order(Some("spring"), &["nudge+1h open elsewhere"])).await.unwrap();
            foreseen(order(Some("autumn"), &["nudge+1h open nudge"])).await.unwrap();
            let unknown = foreseen(order(Some("autumn"), &["+1h open elsewhere"])).await;
            assert!(unknown.is_err(), "{name}: a step that is in no version is told where all can be read");
            scene.break_what_is_in_force().await;
        }
        let cy = world.person(Some("America/New_York")).await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let refused = enroll(&mut tx, &world.clock, "spring", &[cy], Again::Refused).await.unwrap().remove(0).result;
        assert!(
            matches!(&refused, Err(Refusal::Unreadable(why)) if why.contains("can't be read")),
            "{name}: {refused:?}"
        );
        assert_eq!(would_take(&mut tx, "spring", cy, Again::Refused).await.unwrap(), refused.err());
        assert!(enroll(&mut tx, &world.clock, "autumn", &[cy], Again::Refused).await.unwrap()[0].result.is_ok());
        // A person may still leave out its step, or end it.
        steer::act(&mut tx, &world.clock, scene.runs[0], Act::Skip, "kim").await.unwrap();
        let steps = tx.list_steps(vec![scene.runs[0]]).await.unwrap();
        assert!(steps.iter().any(|s| s.step == "nudge" && s.state == StepState::Skipped), "{name}: {steps:?}");
        steer::act(&mut tx, &world.clock, scene.runs[0], Act::Exit, "kim").await.unwrap();
        assert_eq!(tx.get_enrollment(scene.runs[0]).await.unwrap().unwrap().state, EnrollmentState::Exited);
    }
}

#[tokio::test]
async fn difference_migration_and_another_name_go_on_beside_it() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let (world, name) = (&scene.world, scene.world.fresh.name);
        let di = world.person(Some("America/New_York")).await;
        let runs_of_di = world.enroll("spring", &[di]).await.remove(0).unwrap();
        let mut edited = two("spring");
        edited.steps[1].after = Some("3 days".to_owned());
        let mut tx = world.fresh.store.read().await.unwrap();
        let found = sequence::compare(&mut tx, &edited, &hash(&edited)).await.unwrap();
        drop(tx);
        assert_eq!(found.changes.len(), 1, "{name}: {found:?}");
        assert_eq!((found.changes[0].change.as_str(), found.changes[0].live), ("~ step nudge: after", Some(1)));
        let unread: Vec<_> = found.unreadable.iter().map(|u| (u.version.as_str(), u.live)).collect();
        assert_eq!((unread, found.outdated), (vec![(scene.broken.as_str(), 1)], 1), "{name}");

        world.publish(vec![edited.clone(), two("autumn")]).await;
        let moves = migrate_all(&world.fresh.store, &world.clock, "spring", Apply::Yes).await.unwrap().unwrap();
        assert_eq!((moves.moved, moves.stayed), (1, 1), "{name}: {moves:?}");
        let stays = moves.runs.iter().find(|run| run.becomes == Becomes::Stays).unwrap();
        assert_eq!(stays.enrollment_id, scene.runs[0]);
        assert!(stays.reason.as_deref().is_some_and(|why| why.contains("can't be read")), "{stays:?}");

        // Both go along when the folder gets another name.
        let renamed = Definition { id: "summer".to_owned(), ..edited.clone() };
        let there = Loaded {
            definitions: vec![(renamed.clone(), hash(&renamed))],
            findings: Vec::new(),
            ids: vec!["summer".to_owned()],
        };
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let moved =
            sequence::rename(&mut tx, &world.clock, ("spring", "summer"), &there, OldFolder::Gone).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(moved, 2, "{name}");
        for run in [scene.runs[0], runs_of_di] {
            assert_eq!(world.run_of(run).await.sequence, "summer", "{name}");
        }
        // What can be read again moves like any other, though its text has the old name.
        let body = serde_json::to_string(&two("spring")).unwrap().replace('\'', "''");
        let mend = format!("UPDATE sequence_version SET body = '{body}' WHERE hash = '{}'", scene.broken);
        seed::run(&world.fresh, &mend, &[]).await;
        let moves = migrate_all(&world.fresh.store, &world.clock, "summer", Apply::Yes).await.unwrap().unwrap();
        assert_eq!((moves.moved, moves.stayed), (1, 0), "{name}: {moves:?}");
        // Where the one in force can't be read, nobody moves and everything is new.
        let other = Definition { name: "Another".to_owned(), ..renamed.clone() };
        let fresh_hash = format!("broken-{}", world.clock.new_id().simple());
        let insert = format!(
            "INSERT INTO sequence_version (hash, sequence, body, published_at) VALUES ('{fresh_hash}', 'summer', '{{', 1)"
        );
        seed::run(&world.fresh, &insert, &[]).await;
        let point = format!("UPDATE sequence SET active_hash = '{fresh_hash}' WHERE id = 'summer'");
        seed::run(&world.fresh, &point, &[]).await;
        let moves = migrate_all(&world.fresh.store, &world.clock, "summer", Apply::Yes).await.unwrap().unwrap();
        assert_eq!((moves.moved, moves.stayed), (0, 2), "{name}: {moves:?}");
        let mut tx = world.fresh.store.read().await.unwrap();
        let found = sequence::compare(&mut tx, &other, &hash(&other)).await.unwrap();
        let told: Vec<&str> = found.changes.iter().map(|c| c.change.as_str()).collect();
        assert_eq!(told, ["+ step intro", "+ step nudge"], "{name}");
    }
}
