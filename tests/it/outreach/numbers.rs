//! A sequence in numbers, answers on the step they answer, and a sequence that pauses by its own rule.

use super::world::{Sent, World, definition, email, house};
use crate::stores;
use liaison::domain::ids::InfluencerId;
use liaison::domain::sequence::{Definition, PauseIf, StepKind};
use liaison::domain::words::EventType;
use liaison::hub::outreach::{funnel, overview};
use liaison::hub::signal::{self, Signal};
use liaison::store::outreach::enrollment::Mark;
use serde_json::{Value, json};

fn two_wordings() -> Definition {
    let mut sequence = definition(
        "spring",
        vec![
            email("intro", None, "intro.md"),
            email("nudge", Some("1 day"), "nudge.md"),
            email("last", Some("2 weeks"), "last.md"),
        ],
    );
    let templates = vec!["intro.md".to_owned(), "intro-b.md".to_owned()];
    sequence.steps[0].kind = StepKind::Email { templates, split: vec![50, 50] };
    sequence
}

async fn learn(world: &World, what: EventType, sent: (&Sent, InfluencerId), data: Value) {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let (at, message) = (world.clock.now(), if what == EventType::ThreadReplied { None } else { Some(sent.0.id) });
    let signal = Signal { what, influencer: Some(sent.1), message, at, data: Some(data) };
    signal::record(&mut tx, &world.clock, vec![signal]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn enrolled(fresh: stores::Fresh, sequence: Definition, count: usize) -> (World, Vec<Sent>) {
    let world = World::new(fresh, house());
    world.accounts().await;
    world.publish(vec![sequence]).await;
    let mut people = Vec::new();
    for _ in 0..count {
        people.push(world.person(Some("America/New_York")).await);
    }
    world.enroll("spring", &people).await;
    let sent = world.settle().await;
    (world, sent)
}

#[tokio::test]
async fn funnel_counts_each_step_and_wording_and_answers_go_to_the_step_they_answer() {
    for fresh in stores::both().await {
        let (world, intro) = enrolled(fresh, two_wordings(), 12).await;
        assert_eq!(intro.len(), 12, "{}", world.fresh.name);
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let now = world.clock.now();
        liaison::hub::outreach::engaged(&mut tx, &world.clock, intro[0].id, Mark::Clicked, now).await.unwrap();
        tx.commit().await.unwrap();
        // One answers at once, one opts out with a link; a day later one answers the intro and one what came last.
        learn(&world, EventType::ThreadReplied, (&intro[0], intro[0].who), json!({"answer": {"verdict": "none"}}))
            .await;
        learn(&world, EventType::InfluencerUnsubscribed, (&intro[1], intro[1].who), json!({"address": "x"})).await;
        let nudges = world.run_until("2026-11-03T20:00:00Z").await;
        assert_eq!(nudges.len(), 10);
        let late = intro.iter().find(|s| s.who == nudges[0].who).unwrap();
        learn(&world, EventType::ThreadReplied, (late, late.who), json!({"answers": late.id})).await;
        learn(&world, EventType::ThreadReplied, (&nudges[1], nudges[1].who), json!({"answers": null})).await;
        // Somebody else's message is not theirs to have answered.
        learn(&world, EventType::ThreadReplied, (&nudges[2], nudges[2].who), json!({"answers": intro[3].id})).await;

        let mut tx = world.fresh.store.read().await.unwrap();
        let stats = funnel::measure(&mut tx, "spring").await.unwrap().unwrap();
        let (first, second) = (&stats.steps[0], &stats.steps[1]);
        assert_eq!((first.step.as_str(), second.step.as_str()), ("intro", "nudge"));
        let counts = first.counts;
        assert_eq!(
            (counts.sent, counts.opened, counts.clicked, counts.replied, counts.opted_out),
            (12, 2, 1, 2, 1),
            "{}: {stats:?}",
            world.fresh.name
        );
        assert_eq!((second.counts.sent, second.counts.replied, second.counts.planned), (10, 2, 0));
        assert_eq!(first.variants.iter().map(|v| v.counts.sent).sum::<i64>(), 12);
        assert_eq!(first.variants.len(), 2);
        assert_eq!(first.verdict.as_deref(), Some("no difference can be told yet"));
        let rate = first.reply_rate.unwrap();
        assert!((rate.share - 2.0 / 12.0).abs() < 1e-9 && rate.low < rate.share && rate.share < rate.high);
        assert_eq!(second.verdict, None);
        assert_eq!(stats.total.sent, 22);
        assert_eq!(funnel::measure_all(&mut tx).await.unwrap(), [stats]);
        assert_eq!(funnel::measure(&mut tx, "autumn").await.unwrap(), None);
        let view = overview::get(&mut tx, "spring").await.unwrap().unwrap();
        assert_eq!((view.runs.exited, view.runs.finished, view.runs.live), (5, 0, 7), "{view:?}");
    }
}

#[tokio::test]
async fn answers_to_a_text_that_was_changed_say_nothing_of_the_new_one() {
    for fresh in stores::both().await {
        let (world, intro) = enrolled(fresh, two_wordings(), 12).await;
        for one in &intro[..4] {
            learn(&world, EventType::ThreadReplied, (one, one.who), json!({"answers": one.id})).await;
        }
        let mut changed = two_wordings();
        let StepKind::Email { templates, .. } = &changed.steps[0].kind else { panic!("a mail") };
        let names = templates.clone();
        changed.templates.get_mut(&names[0]).unwrap().body.push_str(" And a cap?");
        world.publish(vec![changed]).await;
        let mut people = Vec::new();
        for _ in 0..12 {
            people.push(world.person(Some("America/New_York")).await);
        }
        world.enroll("spring", &people).await;
        assert_eq!(world.settle().await.len(), 12, "{}", world.fresh.name);
        let mut tx = world.fresh.store.read().await.unwrap();
        let stats = funnel::measure(&mut tx, "spring").await.unwrap().unwrap();
        let told: Vec<_> = stats.steps[0].variants.iter().map(|v| (v.variant.as_str(), v.older)).collect();
        // By name, what is in force first.
        assert_eq!(told, [(names[1].as_str(), false), (names[0].as_str(), false), (names[0].as_str(), true)]);
        let counts = |at: usize| stats.steps[0].variants[at].counts;
        assert_eq!(counts(1).replied, 0, "{stats:?}");
        assert_eq!(counts(0).sent + counts(1).sent + counts(2).sent, 24);
        assert_eq!(counts(0).replied + counts(2).replied, 4);
    }
}

#[tokio::test]
async fn sequence_pauses_itself_when_too_much_comes_back_and_says_the_figures() {
    for fresh in stores::both().await {
        let mut sequence = two_wordings();
        sequence.pause_if = vec![PauseIf { bounce_rate: Some(0.05), complaint_rate: None, unsubscribe_rate: None }];
        let (world, sent) = enrolled(fresh, sequence, 60).await;
        assert_eq!(sent.len(), 60, "{}", world.fresh.name);
        let paused = async || {
            let mut tx = world.fresh.store.read().await.unwrap();
            tx.get_sequence("spring").await.unwrap().unwrap().pause_reason
        };
        let bounce = |severity: &str| json!({"severity": severity, "address": "x@example.org"});
        for back in &sent[..3] {
            learn(&world, EventType::MessageBounced, (back, back.who), bounce("hard")).await;
            // The same message twice is one.
            learn(&world, EventType::MessageBounced, (back, back.who), bounce("hard")).await;
        }
        learn(&world, EventType::MessageBounced, (&sent[10], sent[10].who), bounce("soft")).await;
        assert_eq!(paused().await, None, "three of sixty are not more than five in a hundred");
        learn(&world, EventType::MessageBounced, (&sent[3], sent[3].who), bounce("hard")).await;
        let why = paused().await.unwrap();
        assert!(why.contains("6.7 %") && why.contains("4 of 60 sends"), "{why}");
        assert!(world.run_until("2026-11-10T00:00:00Z").await.is_empty(), "nothing more is sent");
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        tx.number_events(10_000).await.unwrap();
        let events = tx.list_events(0, 10_000).await.unwrap();
        let told: Vec<_> = events.iter().filter(|e| e.kind == EventType::SequencePaused).collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].data.as_ref().unwrap().0["sequence"], "spring");
        assert_eq!(told[0].data.as_ref().unwrap().0["reason"], why);
    }
}
