//! Where mail of a run goes when addresses change under it: to where the person is reached now, once, and never after a no.

use super::world::{Sent, World, definition, email, house, told};
use crate::{seed, stores};
use liaison::domain::ids::{AgentId, EnrollmentId, InfluencerId, MessageId};
use liaison::domain::sequence::{Definition, StepKind};
use liaison::domain::words::{Channel, EnrollmentState, EventType, OutboxStatus, StepState, SuppressionReason};
use liaison::hub::people::{
    AgentChange, InfluencerChange, NewAgent, NewSuppression, create_agent, lift_suppression, remove_agent,
    suppress_address, update_agent, update_influencer,
};
use liaison::store::outreach::enrollment::StepRow;

/// The nudge falls due at night and is planned for the morning.
fn nightly() -> Definition {
    let steps = [("intro", None), ("nudge", Some("12h")), ("last", Some("1 day"))];
    let step = |(id, after): (&str, Option<&str>)| email(id, after, &format!("{id}.md"));
    definition("spring", steps.map(step).to_vec())
}

const NIGHT: &str = "2026-11-03T03:00:00Z";
const NOON: &str = "2026-11-03T17:00:00Z";
const DEAD: &str = "UPDATE address SET dead_at = 1, dead_reason = '5.1.1 no such user' WHERE influencer_id = $1 AND is_primary = (1 = 1)";

async fn another(world: &World, who: InfluencerId, address: &str) {
    let insert = format!(
        "INSERT INTO address (id, channel, value, value_key, influencer_id, is_primary, created_at) \
         VALUES ($1, 'email', '{address}', '{address}', $2, (1 = 0), 1)"
    );
    seed::run(&world.fresh, &insert, &[world.clock.new_id(), who.0]).await;
}

async fn nudge(world: &World, run: EnrollmentId) -> StepRow {
    world.steps_of(run).await.into_iter().find(|s| s.step == "nudge").expect("planned")
}

async fn suppress(world: &World, address: &str, reason: SuppressionReason) {
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let new = NewSuppression { address: address.to_owned(), reason, evidence: "a test".to_owned() };
    assert!(suppress_address(&mut tx, &world.clock, new).await.unwrap());
    tx.commit().await.unwrap();
}

/// To whom a sent mail went.
async fn to(world: &World, id: MessageId) -> String {
    let mut tx = world.fresh.store.read().await.unwrap();
    tx.list_recipients(vec![id]).await.unwrap().remove(0).address
}

fn of(sent: &[Sent], who: InfluencerId) -> Vec<MessageId> {
    sent.iter().filter(|s| s.who == who).map(|s| s.id).collect()
}

#[tokio::test]
async fn mail_whose_address_died_goes_to_another_of_theirs_and_never_after_a_no() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let name = world.fresh.name;
        world.accounts().await;
        world.publish(vec![nightly()]).await;
        let mut people = Vec::new();
        for _ in 0..5 {
            people.push(world.person(Some("America/New_York")).await);
        }
        let [moved, refused, elsewhere, alone, bounced] = people[..] else { panic!("five") };
        let runs: Vec<EnrollmentId> = world.enroll("spring", &people).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(world.run_until(NIGHT).await.len(), 5, "{name}: the intro");
        for (n, who) in people.iter().enumerate().filter(|(n, _)| *n != 3) {
            another(&world, *who, &format!("other{n}@example.net")).await;
        }
        for who in &people {
            seed::run(&world.fresh, DEAD, &[who.0]).await;
        }
        let before: Vec<MessageId> = [nudge(&world, runs[0]).await, nudge(&world, runs[1]).await]
            .map(|step| step.message_id.expect("a mail"))
            .to_vec();
        // One said no at the very address, one at the other, and a third is left; the last one's other only bounced.
        let primary = |who: InfluencerId| format!("p{}@example.org", who.0.simple());
        suppress(&world, &primary(refused), SuppressionReason::ByHand).await;
        suppress(&world, "other2@example.net", SuppressionReason::ByHand).await;
        another(&world, elsewhere, "third@example.net").await;
        suppress(&world, "other4@example.net", SuppressionReason::Bounced).await;
        another(&world, bounced, "fourth@example.net").await;
        let sent = world.run_until(NOON).await;
        assert_eq!(of(&sent, moved).len(), 1, "{name}: {sent:?}");
        assert_eq!(to(&world, of(&sent, moved)[0]).await, "other0@example.net", "{name}");
        let mut tx = world.fresh.store.read().await.unwrap();
        let old = tx.get_outbox(before[0]).await.unwrap().unwrap();
        assert_eq!(old.status, OutboxStatus::Cancelled);
        assert!(old.detail.as_deref().is_some_and(|why| why.contains("nothing arrives at")), "{:?}", old.detail);
        drop(tx);
        for (who, run) in [(refused, runs[1]), (elsewhere, runs[2])] {
            assert_eq!(of(&sent, who), [], "{name}: after a no");
            let step = nudge(&world, run).await;
            assert_eq!(step.state, StepState::Skipped, "{name}: {step:?}");
            assert!(step.reason.as_deref().is_some_and(|why| why.contains("by_hand")), "{name}: {step:?}");
        }
        assert_eq!(of(&sent, alone), [], "{name}");
        let step = nudge(&world, runs[3]).await;
        assert_eq!(
            (step.state, step.reason.as_deref()),
            (StepState::Skipped, Some("no email: nothing arrives at their address"))
        );
        assert_eq!(to(&world, of(&sent, bounced)[0]).await, "fourth@example.net", "{name}");
        // It was done once: the last step follows, to where they are reached now.
        let sent = world.run_until("2026-11-06T00:00:00Z").await;
        assert_eq!(of(&sent, moved).len(), 1, "{name}: {sent:?}");
        assert_eq!(to(&world, of(&sent, moved)[0]).await, "other0@example.net", "{name}");
        assert_eq!(world.run_of(runs[0]).await.state, EnrollmentState::Finished);
    }
}

#[tokio::test]
async fn mail_under_else_goes_to_another_address_and_its_task_is_not_asked_for_twice() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        let mut look = email("look", Some("12h"), "nudge.md");
        look.kind = StepKind::Task {
            text: "Look".to_owned(),
            assign: "owner".to_owned(),
            due: None,
            at_most: Some("1h".to_owned()),
            fills: None,
        };
        look.otherwise = Some(StepKind::Email { templates: vec!["nudge.md".to_owned()], split: vec![100] });
        world.publish(vec![definition("spring", vec![email("intro", None, "intro.md"), look])]).await;
        let ana = world.person(Some("America/New_York")).await;
        world.enroll("spring", &[ana]).await[0].clone().unwrap();
        // The task at night, given up an hour later: its mail waits for the morning.
        assert_eq!(world.run_until("2026-11-03T04:00:00Z").await.len(), 1);
        another(&world, ana, "other@example.net").await;
        seed::run(&world.fresh, DEAD, &[ana.0]).await;
        let sent = world.run_until(NOON).await;
        assert_eq!(told(&sent), ["2026-11-03T14:00Z look"], "{}", world.fresh.name);
        assert_eq!(to(&world, sent[0].id).await, "other@example.net");
        let far = (liaison::domain::time::Micros(i64::MAX), uuid::Uuid::max());
        let events = world.fresh.store.read().await.unwrap().list_timeline_events(ana, far, 200).await.unwrap();
        let tasks = events.iter().filter(|e| e.kind == EventType::TaskCreated).count();
        assert_eq!(tasks, 1, "{}", world.fresh.name);
    }
}

async fn agent(world: &World, address: &str, influencers: Vec<InfluencerId>) -> AgentId {
    let new = NewAgent {
        first_name: "Lou".to_owned(),
        last_name: String::new(),
        emails: vec![address.to_owned()],
        influencers,
    };
    let mut tx = world.fresh.store.begin("test").await.unwrap();
    let agent = create_agent(&mut tx, &world.clock, new).await.unwrap();
    tx.commit().await.unwrap();
    agent.id
}

#[tokio::test]
async fn mail_to_an_agent_does_not_leave_once_they_no_longer_write_for_the_influencer() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let name = world.fresh.name;
        world.accounts().await;
        world.publish(vec![nightly()]).await;
        let mut people = Vec::new();
        for _ in 0..4 {
            people.push(world.person(Some("America/New_York")).await);
        }
        let [parted, gone, kept, own] = people[..] else { panic!("four") };
        let lou = agent(&world, "lou@agency.example", vec![parted, kept, own]).await;
        let max = agent(&world, "max@agency.example", vec![gone]).await;
        // They are reached through their agents only, but for one who has an address of their own by then.
        seed::run(&world.fresh, "DELETE FROM address WHERE influencer_id IS NOT NULL", &[]).await;
        let runs: Vec<EnrollmentId> = world.enroll("spring", &people).await.into_iter().map(Result::unwrap).collect();
        let sent = world.run_until(NIGHT).await;
        assert_eq!(to(&world, of(&sent, gone)[0]).await, "max@agency.example", "{name}");
        assert_eq!(sent.len(), 4, "{name}: the intro");
        another(&world, own, "own@example.net").await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let change = AgentChange { remove_influencers: vec![parted, own], ..AgentChange::default() };
        update_agent(&mut tx, &world.clock, lou, change).await.unwrap();
        remove_agent(&mut tx, &world.clock, max, None).await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until(NOON).await;
        assert_eq!((of(&sent, parted), of(&sent, gone)), (vec![], vec![]), "{name}: {sent:?}");
        for run in [runs[0], runs[1]] {
            let step = nudge(&world, run).await;
            assert_eq!(
                (step.state, step.reason.as_deref()),
                (StepState::Skipped, Some("no email: no address is known"))
            );
        }
        assert_eq!(to(&world, of(&sent, kept)[0]).await, "lou@agency.example", "{name}");
        assert_eq!(to(&world, of(&sent, own)[0]).await, "own@example.net", "{name}");
    }
}

#[tokio::test]
async fn who_said_no_themselves_is_not_written_to_over_their_agent() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let name = world.fresh.name;
        world.accounts().await;
        world.publish(vec![nightly()]).await;
        let (no, mistaken) = (world.person(None).await, world.person(None).await);
        agent(&world, "lou@agency.example", vec![no, mistaken]).await;
        another(&world, no, "no@example.net").await;
        another(&world, mistaken, "mistaken@example.net").await;
        seed::run(&world.fresh, "DELETE FROM address WHERE influencer_id IS NOT NULL AND is_primary = (1 = 1)", &[])
            .await;
        suppress(&world, "no@example.net", SuppressionReason::OptedOut).await;
        suppress(&world, "mistaken@example.net", SuppressionReason::ByHand).await;
        let runs = world.enroll("spring", &[no, mistaken]).await;
        assert!(runs[0].as_ref().is_err_and(|why| why.contains("on the list")), "{name}: {runs:?}");
        let sent = world.run_until(NIGHT).await;
        assert_eq!(sent.len(), 1, "{name}: {sent:?}");
        assert_eq!(to(&world, of(&sent, mistaken)[0]).await, "lou@agency.example", "{name}");
        // Said while a run is under way, by whatever path: its next mail goes to nobody.
        seed::run(&world.fresh, "UPDATE suppression SET reason = 'complaint' WHERE reason = 'by_hand'", &[]).await;
        let sent = world.run_until(NOON).await;
        assert!(sent.is_empty(), "{name}: {sent:?}");
        let step = nudge(&world, *runs[1].as_ref().unwrap()).await;
        assert_eq!(step.reason.as_deref(), Some("they must not be written to (complaint)"), "{name}");
    }
}

#[tokio::test]
async fn no_that_was_taken_back_does_not_come_back_by_itself() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        let name = world.fresh.name;
        let ana = world.person(None).await;
        for address in ["one@example.net", "two@example.net"] {
            another(&world, ana, address).await;
            suppress(&world, address, SuppressionReason::OptedOut).await;
        }
        another(&world, ana, "typo@example.net").await;
        suppress(&world, "typo@example.net", SuppressionReason::ByHand).await;
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let lifted = lift_suppression(&mut tx, &world.clock, "two@example.net", "kim").await.unwrap();
        assert_eq!(lifted, ["two@example.net", "one@example.net"], "{name}");
        let change = InfluencerChange { add_emails: vec!["three@example.net".into()], ..InfluencerChange::default() };
        update_influencer(&mut tx, &world.clock, ana, "kim", change).await.unwrap();
        let all = ["one", "two", "three", "typo"].map(|n| format!("{n}@example.net")).to_vec();
        let said = tx.suppressed(Channel::Email, all).await.unwrap();
        assert_eq!(said.iter().map(|s| s.value_key.as_str()).collect::<Vec<_>>(), ["typo@example.net"], "{name}");
        tx.commit().await.unwrap();
    }
}
