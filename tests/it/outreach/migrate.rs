//! Moving live runs to an edited sequence, and to another name.

use super::world::{World, definition, email, house, told};
use crate::{seed, stores};
use liaison::domain::ids::{EnrollmentId, InfluencerId};
use liaison::domain::sequence::{Definition, StepKind};
use liaison::domain::words::{EventType, OutboxStatus, Phase, StepState};
use liaison::sequence::{self, Loaded, Migrated, OldFolder, Planned, RenameError, To, Trust};

fn first() -> Definition {
    definition(
        "spring",
        vec![
            email("intro", None, "intro.md"),
            email("nudge", Some("1 day"), "nudge.md"),
            email("last", Some("1 day"), "last.md"),
        ],
    )
}

/// `commit`: for real; else it only tells.
async fn migrate(world: &World, commit: bool) -> Vec<Migrated> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let batch = sequence::migrate(&mut tx, &world.clock, "spring", after).await.unwrap().unwrap();
        if commit {
            tx.commit().await.unwrap();
        }
        all.extend(batch.runs);
        after = batch.last;
        if after.is_none() {
            return all;
        }
    }
}

fn moved(step: &str, planned: Planned) -> To {
    To::Moved { step: Some(step.to_owned()), planned }
}

async fn version(world: &World) -> String {
    let row = world.fresh.store.read().await.unwrap().get_sequence("spring").await.unwrap().unwrap();
    row.active_hash.unwrap()
}

#[tokio::test]
async fn planned_mail_of_a_changed_step_is_written_anew_and_a_sent_step_never_again() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![first()]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.settle().await;
        // Before the edit the nudge is in the outbox for Tuesday, nine in the morning.
        let mut late = first();
        late.steps[1].after = Some("10h".to_owned());
        world.publish(vec![late.clone()]).await;
        assert_eq!(migrate(&world, true).await[0].to, moved("nudge", Planned::Nothing), "{}", world.fresh.name);
        world.run_until("2026-11-03T02:00:00Z").await;
        let before = world.run_of(run).await;
        assert_eq!((before.phase, before.step.as_deref()), (Phase::Send, Some("nudge")));
        let mail = world.steps_of(run).await.into_iter().find(|s| s.step == "nudge").unwrap().message_id.unwrap();
        // A change that does not touch it keeps it.
        late.templates.get_mut("last.md").unwrap().body = "The very last note.".to_owned();
        world.publish(vec![late.clone()]).await;
        assert_eq!(migrate(&world, true).await[0].to, moved("nudge", Planned::Kept));
        assert_eq!(world.run_of(run).await.version, version(&world).await);
        // One that does takes it back.
        late.templates.get_mut("nudge.md").unwrap().body = "Another nudge.".to_owned();
        late.templates.get_mut("intro.md").unwrap().body = "Another intro.".to_owned();
        world.publish(vec![late]).await;
        let plan = migrate(&world, false).await;
        assert_ne!(world.run_of(run).await.version, version(&world).await, "a plan writes nothing");
        assert_eq!(plan, migrate(&world, true).await);
        assert_eq!(plan[0].to, moved("nudge", Planned::Anew));
        assert!(migrate(&world, true).await.is_empty(), "nobody is left behind");
        let old = world.fresh.store.read().await.unwrap().get_outbox(mail).await.unwrap().unwrap();
        assert_eq!(old.status, OutboxStatus::Cancelled);
        let sent = world.run_until("2026-11-30T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-03T14:00Z nudge", "2026-11-04T14:00Z last"], "{}", world.fresh.name);
        let mut tx = world.fresh.store.read().await.unwrap();
        let text = tx.get_message_view(sent[0].id).await.unwrap().unwrap().text;
        assert!(text.contains("Another nudge."), "{text}");
        let states: Vec<StepState> = tx.list_steps(vec![run]).await.unwrap().into_iter().map(|s| s.state).collect();
        assert_eq!(states, [StepState::Sent; 3]);
        let left = tx.list_reservations("brand", super::world::instant("2026-11-02T00:00:00Z")).await.unwrap();
        assert_eq!(left.len(), 3, "one place for each that was sent: {left:?}");
    }
}

/// A task that nobody does in time; then a mail.
fn with_else(template: &str) -> Definition {
    let mut look = email("look", None, "intro.md");
    look.kind = StepKind::Task {
        text: "Look".to_owned(),
        assign: "owner".to_owned(),
        due: None,
        at_most: Some("12h".to_owned()),
        fills: None,
    };
    look.otherwise = Some(StepKind::Email { templates: vec![template.to_owned()], split: vec![100] });
    definition("spring", vec![look, email("last", Some("1 day"), "last.md")])
}

/// How many tasks were ever made for somebody.
async fn tasks_of(world: &World, who: InfluencerId) -> usize {
    let far = (liaison::domain::time::Micros(i64::MAX), uuid::Uuid::max());
    let events = world.fresh.store.read().await.unwrap().list_timeline_events(who, far, 200).await.unwrap();
    events.iter().filter(|e| e.kind == EventType::TaskCreated).count()
}

#[tokio::test]
async fn planned_mail_under_else_is_written_anew_where_its_text_changed_and_only_there() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![with_else("intro.md")]).await;
        let ana = world.person(Some("America/New_York")).await;
        // Her first mail is pencilled in; one of somebody who had mail before lies in the outbox at once.
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.settle().await;
        seed::run(&world.fresh, "UPDATE enrollment SET first = (1 = 0) WHERE id = $1", &[run.0]).await;
        world.run_until("2026-11-03T03:00:00Z").await;
        let planned = world.steps_of(run).await.remove(0);
        assert_eq!((planned.step.as_str(), planned.state), ("look", StepState::Planned), "{}", world.fresh.name);
        let mail = planned.message_id.expect("the mail under else is in the outbox");
        let mut edited = with_else("intro.md");
        edited.templates.get_mut("last.md").unwrap().body = "Another last note.".to_owned();
        world.publish(vec![edited.clone()]).await;
        assert_eq!(migrate(&world, true).await[0].to, moved("look", Planned::Kept), "{}", world.fresh.name);
        edited.templates.get_mut("intro.md").unwrap().body = "Another intro.".to_owned();
        world.publish(vec![edited]).await;
        assert_eq!(migrate(&world, true).await[0].to, moved("look", Planned::Anew), "{}", world.fresh.name);
        let old = world.fresh.store.read().await.unwrap().get_outbox(mail).await.unwrap().unwrap();
        assert_eq!(old.status, OutboxStatus::Cancelled);
        // It is planned anew as what it is: nobody is asked to do the task again.
        let sent = world.run_until("2026-11-03T23:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-03T14:00Z look"], "{}", world.fresh.name);
        let hers: Vec<_> = sent.iter().filter(|s| s.step == "look").collect();
        assert_eq!(tasks_of(&world, ana).await, 1, "{}", world.fresh.name);
        let mut tx = world.fresh.store.read().await.unwrap();
        let text = tx.get_message_view(hers[0].id).await.unwrap().unwrap().text;
        assert!(text.contains("Another intro."), "{text}");
    }
}

#[tokio::test]
async fn run_whose_step_is_gone_goes_on_below_and_one_that_can_not_be_moved_says_why() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![first()]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("Asia/Tokyo")).await);
        let runs: Vec<EnrollmentId> =
            world.enroll("spring", &[ana, bo]).await.into_iter().map(Result::unwrap).collect();
        world.settle().await;
        // Ana has the intro and waits for the nudge; Bo's intro is pencilled in for Tokyo's morning.
        let mut edited = first();
        edited.steps.remove(1);
        edited.steps[0].kind = StepKind::Task {
            text: "Write by hand".to_owned(),
            assign: "owner".to_owned(),
            due: None,
            at_most: None,
            fills: None,
        };
        world.publish(vec![edited]).await;
        let done = migrate(&world, true).await;
        let of = |run: EnrollmentId| &done.iter().find(|m| m.enrollment_id == run).unwrap().to;
        assert_eq!(of(runs[0]), &moved("last", Planned::Nothing), "{}", world.fresh.name);
        assert!(matches!(of(runs[1]), To::Stays { reason } if reason.contains("`intro`")), "{:?}", of(runs[1]));
        let sent = world.run_until("2026-11-03T23:00:00Z").await;
        let mut steps: Vec<_> = sent.iter().map(|s| (s.who, s.step.as_str())).collect();
        steps.sort();
        let mut expected = [(ana, "last"), (bo, "intro")];
        expected.sort();
        assert_eq!(steps, expected, "each goes on by its own version");
    }
}

#[tokio::test]
async fn run_whose_answer_would_have_another_name_stays() {
    let filling = |name: &str| {
        let mut sequence = with_else("intro.md");
        sequence.steps[0].otherwise = None;
        if let StepKind::Task { fills, .. } = &mut sequence.steps[0].kind {
            *fills = Some(name.to_owned());
        }
        sequence
    };
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![filling("line")]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        world.settle().await;
        assert_eq!(world.run_of(run).await.phase, Phase::Task);
        world.publish(vec![filling("words")]).await;
        let stays = migrate(&world, true).await.remove(0).to;
        assert!(matches!(&stays, To::Stays { reason } if reason.contains("fills `words` now")), "{stays:?}");
        let mut same = filling("line");
        same.steps[1].after = Some("2 days".to_owned());
        world.publish(vec![same]).await;
        assert_eq!(migrate(&world, true).await[0].to, moved("look", Planned::Kept), "{}", world.fresh.name);
    }
}

#[tokio::test]
async fn renamed_sequence_keeps_its_runs_and_its_pause() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![first()]).await;
        let ana = world.person(Some("America/New_York")).await;
        let run = world.enroll("spring", &[ana]).await[0].clone().unwrap();
        assert_eq!(world.settle().await.len(), 1);
        let renamed = Definition { id: "autumn".to_owned(), ..first() };
        let hash = sequence::load::hash(&renamed);
        let there = Loaded { definitions: vec![(renamed, hash)], findings: Vec::new(), ids: vec!["autumn".to_owned()] };
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let nothing = Loaded::default();
        let names = ("spring", "autumn");
        let missing = sequence::rename(&mut tx, &world.clock, names, &nothing, OldFolder::Gone).await;
        assert!(matches!(missing, Err(RenameError::Files(_))), "{missing:?}");
        let both = sequence::rename(&mut tx, &world.clock, names, &there, OldFolder::Stays).await;
        assert!(both.unwrap_err().to_string().contains("mv spring autumn"));
        tx.pause_sequence("spring", "for a day", world.clock.now()).await.unwrap();
        assert_eq!(sequence::rename(&mut tx, &world.clock, names, &there, OldFolder::Gone).await.unwrap(), 1);
        tx.commit().await.unwrap();
        // The next reload finds the new folder and not the old one: nobody is stopped.
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        assert_eq!(
            sequence::publish(&mut tx, &world.clock, &there, Trust::Whole).await.unwrap(),
            sequence::Published::default()
        );
        let row = tx.get_sequence("autumn").await.unwrap().unwrap();
        assert_eq!(row.pause_reason.as_deref(), Some("for a day"));
        tx.resume_sequence("autumn").await.unwrap();
        tx.commit().await.unwrap();
        let sent = world.run_until("2026-11-30T00:00:00Z").await;
        assert_eq!(told(&sent), ["2026-11-03T14:00Z nudge", "2026-11-04T14:00Z last"], "{}", world.fresh.name);
        assert_eq!(world.run_of(run).await.sequence, "autumn");
        let mut tx = world.fresh.store.begin("test").await.unwrap();
        let again = sequence::rename(&mut tx, &world.clock, ("winter", "autumn"), &there, OldFolder::Gone).await;
        assert!(matches!(again, Err(RenameError::Unknown(_))));
    }
}

#[tokio::test]
async fn difference_counts_the_live_runs_that_have_a_step_before_them() {
    for fresh in stores::both().await {
        let world = World::new(fresh, house());
        world.accounts().await;
        world.publish(vec![first()]).await;
        let (ana, bo) = (world.person(Some("America/New_York")).await, world.person(Some("Asia/Tokyo")).await);
        world.enroll("spring", &[ana, bo]).await;
        world.settle().await;
        let mut edited = first();
        edited.steps[0].review = true;
        edited.steps[1].after = Some("2 days".to_owned());
        edited.steps.push(email("more", Some("1 day"), "nudge.md"));
        edited.limits.per_day = Some(5);
        let hash = sequence::load::hash(&edited);
        let mut tx = world.fresh.store.read().await.unwrap();
        let found = sequence::compare(&mut tx, &edited, &hash).await.unwrap();
        let changes: Vec<(&str, Option<i64>)> = found.changes.iter().map(|c| (c.change.as_str(), c.live)).collect();
        // Ana has the intro behind her; Bo has everything before him.
        let mut text = edited.clone();
        text.templates.get_mut("intro.md").unwrap().body.push('!');
        text.templates.get_mut("nudge.md").unwrap().body.push('!');
        let told = sequence::compare(&mut tx, &text, &hash).await.unwrap().changes;
        let told: Vec<(&str, Option<i64>)> = told.iter().skip(4).map(|c| (c.change.as_str(), c.live)).collect();
        assert_eq!(told, [("~ template intro.md: text", Some(1)), ("~ template nudge.md: text", Some(2))]);
        let expected = [
            ("~ limits", None),
            ("~ step intro: review", Some(1)),
            ("~ step nudge: after", Some(2)),
            ("+ step more", Some(2)),
        ];
        assert_eq!(changes, expected, "{}", world.fresh.name);
        assert_eq!(found.outdated, 0);
    }
}
