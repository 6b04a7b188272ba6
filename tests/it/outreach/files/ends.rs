//! What follows the end of a run: `[on.reply]`, `[on.finish]`, and the stages that only a person may change.

use super::*;
use crate::outreach::world::told as sends;
use crate::stores::both;

const TALK: &str = r#"
account = "brand"
[[step]]
id = "intro"
email = "intro.md"
[[step]]
id = "look"
after = "1 day"
task = "Look at {{ influencer.handle }}."
fills = "line"
[[step]]
id = "nudge"
email = "nudge.md"
[on.reply]
stage = "in_talks"
task = "Answer {{ influencer.handle }}, {{ owner.first_name }}."
[on.finish]
after = "2 days"
task = "Is {{ influencer.handle }} worth another try? {{ line }}."
stage = "no_response"
"#;

#[tokio::test]
async fn an_answer_makes_the_task_that_was_written_for_whoever_looks_after_them() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("talk", TALK)], &[INTRO, NUDGE]).await;
        let mut people = Vec::new();
        for owner in ["NULL", "'lou'", "'gone'"] {
            let who = world.person(Some("America/New_York")).await;
            set(&world, who, &format!("owner = {owner}")).await;
            people.push((who, if owner == "'lou'" { ("lou", "Lou") } else { ("kim", "Kim") }));
        }
        let ids: Vec<InfluencerId> = people.iter().map(|(who, _)| *who).collect();
        let runs = world.enroll("talk", &ids).await;
        assert_eq!(world.run_until("2026-11-02T20:00:00Z").await.len(), 3, "{}", world.fresh.name);
        for (who, _) in &people {
            answer(&world, *who).await;
        }
        // Nothing more leaves, and what was written is to be done, filled in, once.
        assert_eq!(sends(&world.run_until("2026-11-20T20:00:00Z").await), Vec::<String>::new());
        for ((who, (id, name)), run) in people.iter().zip(runs) {
            let handle = handle(&world, *who).await;
            assert_eq!(told(&world, *who).await, [format!("{id}: Answer {handle}, {name}.")], "{}", world.fresh.name);
            assert_eq!(stage(&world, *who).await, "in_talks");
            let run = world.run_of(run.unwrap()).await;
            assert_eq!((run.exit_reason.as_deref(), run.next_at), (Some("replied"), None));
        }
        // A second answer ends no second run.
        answer(&world, ids[0]).await;
        world.settle().await;
        assert_eq!(tasks(&world, ids[0]).await.len(), 1);
    }
}

#[tokio::test]
async fn an_answer_before_its_task_can_be_filled_in_makes_one_all_the_same() {
    for fresh in both().await {
        let toml = TALK.replace("Answer {{ influencer.handle }}, {{ owner.first_name }}.", "Answer: {{ line }}");
        let world = world(fresh, HOUSE, &[("talk", &toml)], &[INTRO, NUDGE]).await;
        let who = world.person(None).await;
        world.enroll("talk", &[who]).await;
        world.settle().await;
        answer(&world, who).await;
        world.settle().await;
        let told = told(&world, who).await;
        assert_eq!(told.len(), 1, "{}", world.fresh.name);
        assert!(told[0].starts_with("kim: Answer: {{ line }}\n(its values could not be filled in: "), "{told:?}");
        assert!(told[0].contains("line"), "{told:?}");
    }
}

#[tokio::test]
async fn only_an_answer_of_a_person_is_followed_and_a_no_is_not() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("talk", TALK)], &[INTRO, NUDGE]).await;
        let refuses = world.person(None).await;
        let away = world.person(None).await;
        world.enroll("talk", &[refuses, away]).await;
        world.settle().await;
        learn(&world, refuses, EventType::ThreadReplied, (None, json!({"answer": {"verdict": "refusal"}}))).await;
        let note = json!({"kind": "out_of_office", "role": "author", "back_on": "2026-11-09"});
        learn(&world, away, EventType::MessageReceived, (None, note)).await;
        world.settle().await;
        assert_eq!(told(&world, refuses).await, Vec::<String>::new(), "{}", world.fresh.name);
        assert_eq!(stage(&world, refuses).await, "declined");
        assert_eq!(told(&world, away).await, Vec::<String>::new());
        assert_eq!(stage(&world, away).await, "contacted");
    }
}

/// Does the only open task of somebody, with this answer.
async fn do_task(world: &World, who: InfluencerId, answer: &str) {
    let id = tasks(world, who).await[0].id;
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    assert!(liaison::hub::task::complete(&mut tx, &world.clock, id, (Some(answer), "kim")).await.unwrap());
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn the_end_of_all_steps_makes_the_task_that_was_written_with_its_answers_filled_in() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("talk", TALK)], &[INTRO, NUDGE]).await;
        let who = world.person(Some("America/New_York")).await;
        let run = world.enroll("talk", &[who]).await.remove(0).unwrap();
        world.run_until("2026-11-03T20:00:00Z").await;
        do_task(&world, who, "She runs trails").await;
        let sent = world.run_until("2026-11-20T20:00:00Z").await;
        assert_eq!(sent.len(), 1, "{}", world.fresh.name);
        let handle = handle(&world, who).await;
        let wanted = format!("kim: Is {handle} worth another try? She runs trails.");
        assert_eq!(told(&world, who).await, [wanted], "{}", world.fresh.name);
        assert_eq!(stage(&world, who).await, "no_response");
        assert_eq!(world.run_of(run).await.state.to_string(), "finished");
    }
}

const SILENT: &str = r#"
account = "brand"
enter_from = ["prospect", "contacted", "in_talks", "no_response"]
[[step]]
id = "intro"
email = "intro.md"
[on.finish]
after = "1 day"
stage = "no_response"
"#;

#[tokio::test]
async fn where_only_a_person_may_change_a_stage_one_is_asked_once() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("silent", SILENT), ("again", SILENT)], &[INTRO]).await;
        let (talks, pinned, free) = (world.person(None).await, world.person(None).await, world.person(None).await);
        set(&world, talks, "stage = 'in_talks', owner = 'lou'").await;
        set(&world, pinned, "stage_pinned = TRUE").await;
        let all = [talks, pinned, free];
        for sequence in ["silent", "again"] {
            enroll_all(&world, sequence, &all).await;
            world.run_until(if sequence == "silent" { "2026-11-05T20:00:00Z" } else { "2026-11-09T20:00:00Z" }).await;
        }
        let told_talks = told(&world, talks).await;
        assert_eq!(told_talks.len(), 1, "{}: {told_talks:?}", world.fresh.name);
        assert!(
            told_talks[0].starts_with("lou: They were to move to `no_response` (the sequence silent ended): too far")
        );
        assert!(told_talks[0].ends_with("so they stay in stage `in_talks`: decide"), "{told_talks:?}");
        let told_pinned = told(&world, pinned).await;
        assert_eq!(told_pinned.len(), 1, "{told_pinned:?}");
        assert!(told_pinned[0].contains("pinned by hand, so they stay in stage `prospect`: decide"), "{told_pinned:?}");
        assert_eq!(told(&world, free).await, Vec::<String>::new());
        let stages = [stage(&world, talks).await, stage(&world, pinned).await, stage(&world, free).await];
        assert_eq!(stages, ["in_talks", "prospect", "no_response"]);
    }
}

const FRIENDS: &str = r#"
account = "brand"
allow_parallel = true
[[step]]
id = "intro"
email = "intro.md"
stage = "engaged"
"#;

#[tokio::test]
async fn a_step_raises_to_its_stage_when_it_is_done_and_never_lowers() {
    for fresh in both().await {
        let world = world(fresh, HOUSE, &[("friends", FRIENDS)], &[INTRO]).await;
        let (new, talks, pinned) = (world.person(None).await, world.person(None).await, world.person(None).await);
        set(&world, talks, "stage = 'in_talks'").await;
        set(&world, pinned, "stage_pinned = TRUE").await;
        enroll_all(&world, "friends", &[new, talks, pinned]).await;
        assert_eq!(world.run_until("2026-11-03T20:00:00Z").await.len(), 3);
        let stages = [stage(&world, new).await, stage(&world, talks).await, stage(&world, pinned).await];
        assert_eq!(stages, ["engaged", "in_talks", "prospect"], "{}", world.fresh.name);
        // That they are further, or fixed on the path, is no news to anybody.
        for who in [new, talks, pinned] {
            assert_eq!(told(&world, who).await, Vec::<String>::new());
        }
    }
}
