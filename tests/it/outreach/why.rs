//! Why: what is planned, moved, held or ended is told with its reason, and so is why nothing is planned.

use std::sync::Arc;

use liaison::domain::ids::InfluencerId;
use liaison::domain::sequence::StepKind;
use liaison::domain::time::Micros;
use liaison::domain::words::EventType;
use liaison::hub::hold;
use liaison::hub::outreach::pause::{Target, pause};
use liaison::hub::signal::{self, Signal};
use liaison::hub::why::{Why, of_influencer, of_message, words};
use serde_json::json;

use super::world::{MONDAY, World, definition, email, house, instant};
use crate::seed;
use crate::stores::both;

async fn ask(world: &World, who: InfluencerId) -> (Why, String) {
    let mut tx = world.fresh.store.read().await.unwrap();
    let house = Arc::clone(&world.desk.house());
    let why = of_influencer(&mut tx, (&house, world.clock.now()), who).await.unwrap().unwrap();
    let text = words::of_influencer(&why).join("\n");
    (why, text)
}

#[tokio::test]
async fn the_reason_of_everything_is_told() {
    for fresh in both().await {
        let mut house = house();
        house.accounts.get_mut("brand").unwrap().daily_limit = Some(1);
        let world = World::new(fresh, house);
        world.accounts().await;
        let mut gift =
            definition("gift", vec![email("intro", None, "intro.md"), email("nudge", Some("2 days"), "nudge.md")]);
        gift.schedule.days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(str::to_owned).to_vec();
        let mut other = definition("other", vec![email("intro", None, "intro.md")]);
        other.enter_from = vec!["agreed".into()];
        world.publish(vec![gift, other]).await;
        let (ana, bo) = (world.person(Some("Europe/Berlin")).await, world.person(Some("America/New_York")).await);

        // In no sequence: which would take her, and which not and why.
        let (why, text) = ask(&world, ana).await;
        assert!(why.runs.is_empty() && why.held.is_none());
        assert!(text.contains("in no sequence") && text.contains("gift would take them"), "{text}");
        assert!(text.contains("other would not: their stage is prospect"), "{text}");

        let ids = world.enroll("gift", &[ana, bo]).await;
        world.settle().await;
        // Both want Monday; the account sends one mail in 24 hours.
        let (first, text) = ask(&world, ana).await;
        let (second, told) = ask(&world, bo).await;
        let has_mail = |why: &Why| why.runs[0].steps.iter().any(|s| s.completed.is_some());
        assert!(has_mail(&first) != has_mail(&second), "one of them had a mail");
        let moved = if has_mail(&first) { told } else { text };
        assert!(moved.contains("brand sends at most 1 in 24 hours"), "{moved}");
        assert!(moved.contains("where they are ("), "{moved}");

        world.run_until("2026-11-03T23:00:00Z").await;
        let sent = world.steps_of(*ids[0].as_ref().unwrap()).await[0].clone();
        let mut tx = world.fresh.store.read().await.unwrap();
        let house = Arc::clone(&world.desk.house());
        let message =
            of_message(&mut tx, (&house, world.clock.now()), sent.message_id.unwrap()).await.unwrap().unwrap();
        drop(tx);
        assert_eq!(message.step.as_ref().unwrap().planned.as_ref().unwrap().at, sent.planned_at.unwrap());
        assert!(words::of_message(&message).join("\n").contains("As the step intro it was planned for"));

        // A person holds her; then the account is paused; then she answers.
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let until = instant("2026-11-20T12:00:00Z");
        hold::hold_by_hand(&mut tx, &world.clock, ana, (until, Some("on tour")), "kim").await.unwrap();
        tx.commit().await.unwrap();
        world.settle().await;
        let (why, text) = ask(&world, ana).await;
        assert_eq!(why.held.as_ref().map(|h| (h.until.at, h.by_hand)), Some((until, true)));
        assert!(why.runs[0].next.is_none() && text.contains("A person holds them until 2026-11-20 13:00"), "{text}");
        assert!(text.contains("Time stands still") && text.contains("on tour"), "{text}");

        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert!(pause(&mut tx, &world.clock, Target::Account("brand"), "a new password").await.unwrap());
        let answered = Signal {
            what: EventType::ThreadReplied,
            influencer: Some(ana),
            message: sent.message_id,
            // As a Date header says it: another instant than that at which it was read.
            at: Micros(world.clock.now().0 - 90_000_000),
            data: Some(json!({"answer": {"verdict": "none"}})),
        };
        signal::record(&mut tx, &world.clock, vec![answered]).await.unwrap();
        tx.commit().await.unwrap();
        let (_, text) = ask(&world, bo).await;
        assert!(text.contains("the account brand is paused") && text.contains("a new password"), "{text}");
        let refused = "UPDATE account SET sending_state = 'needs_login', sending_detail = '535 5.7.8 no'";
        seed::run(&world.fresh, refused, &[]).await;
        let (_, text) = ask(&world, bo).await;
        assert!(
            text.contains("Nothing leaves for now: the account brand has to sign in anew: 535 5.7.8 no."),
            "{text}"
        );
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        tx.insert_installation(world.clock.new_id(), world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        seed::run(&world.fresh, "UPDATE installation SET held = (1 = 1)", &[]).await;
        let (_, text) = ask(&world, bo).await;
        assert!(text.contains("`liaison release`"), "{text}");
        let (why, text) = ask(&world, ana).await;
        let end = why.runs[0].ended.as_ref().unwrap();
        assert_eq!((end.event, end.message_id), (Some(EventType::ThreadReplied), sent.message_id));
        assert!(text.contains("replied (thread.replied in"), "{text}");
        assert!(world.clock.now() > instant(MONDAY));
    }
}

#[tokio::test]
async fn text_under_else_is_foreseen_and_goes_as_it_was_said() {
    for fresh in both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut look = email("look", None, "intro.md");
        look.kind = StepKind::Task {
            text: "Look".to_owned(),
            assign: "owner".to_owned(),
            due: None,
            at_most: Some("1 day".to_owned()),
            fills: None,
        };
        let templates = ["intro.md", "intro-b.md"].map(str::to_owned).to_vec();
        look.otherwise = Some(StepKind::Email { templates, split: vec![50, 50] });
        let mut call = email("call", Some("30 days"), "nudge.md");
        call.otherwise = Some(StepKind::Task {
            text: "Call".to_owned(),
            assign: "owner".to_owned(),
            due: None,
            at_most: None,
            fills: None,
        });
        world.publish(vec![definition("spring", vec![look, call])]).await;
        let mut people = Vec::new();
        for n in 0..12 {
            people.push(world.person(Some(if n == 0 { "Asia/Tokyo" } else { "America/New_York" })).await);
        }
        let runs = world.enroll("spring", &people).await;
        world.settle().await;
        let mut foreseen = Vec::new();
        for who in &people {
            let (why, text) = ask(&world, *who).await;
            assert_eq!(why.runs[0].next.as_ref().map(|n| (n.what, n.template.clone())), Some(("look", None)));
            let other = why.runs[0].or_else.clone().expect("something stands under else");
            assert_eq!((other.kind, other.why.as_str()), ("email", "its time runs out (1 day)"));
            let template = other.template.expect("a text");
            let line = format!("its time runs out (1 day); then the mail {template} under `else` follows, ");
            assert!(text.contains(&line), "{text}");
            foreseen.push((template, other.when.expect("when").at));
        }
        // In Tokyo it is night when the time runs out: the mail has its place, and is the next thing.
        world.run_until("2026-11-03T15:00:00Z").await;
        let (why, text) = ask(&world, people[0]).await;
        let next = why.runs[0].next.clone().expect("its place");
        assert_eq!((next.what, next.other, why.runs[0].or_else.is_none()), ("send", true, true), "{text}");
        assert_eq!((next.template, next.when.at), (Some(foreseen[0].0.clone()), foreseen[0].1), "{}", world.fresh.name);
        assert!(text.contains("The mail under `else` (intro"), "{text}");
        world.run_until("2026-11-06T00:00:00Z").await;
        let mut texts = std::collections::BTreeSet::new();
        for (run, (template, at)) in runs.iter().zip(&foreseen) {
            let step = world.steps_of(*run.as_ref().unwrap()).await.remove(0);
            assert_eq!(step.variant.as_ref(), Some(template), "{}", world.fresh.name);
            assert_eq!(step.planned_at, Some(*at), "{}", world.fresh.name);
            texts.insert(template);
        }
        assert_eq!(texts.len(), 2, "both wordings are drawn");
        // A mail to somebody who has no address any more: the task is what comes.
        seed::run(&world.fresh, "UPDATE address SET dead_at = 1 WHERE influencer_id = $1", &[people[1].0]).await;
        let (why, text) = ask(&world, people[1]).await;
        let other = why.runs[0].or_else.clone().expect("the task");
        assert_eq!((other.kind, other.why.as_str()), ("task", "no email: nothing arrives at their address"), "{text}");
        let (why, _) = ask(&world, people[2]).await;
        assert_eq!(why.runs[0].or_else, None, "who can be written to gets the mail");
        assert_eq!(why.runs[0].next.as_ref().and_then(|n| n.template.as_deref()), Some("nudge.md"));
    }
}
