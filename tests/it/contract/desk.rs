//! What people work through: tasks, holds, loose ends, numbers by stage; and guarded moves.

use crate::stores::Fresh;
use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::connector::feed::Room;
use liaison::domain::ids::{EventId, InfluencerId, MessageId, TaskId};
use liaison::domain::time::Micros;
use liaison::domain::words::{Direction, EventType, HoldSource, Role, TaskKind, TaskState, UnmatchedReason, Word as _};
use liaison::hub::stage_stats::stage_stats;
use liaison::relay::who_hears;
use liaison::store::Store;
use liaison::store::event::NewEvent;
use liaison::store::message::{NewMessage, NewParticipation, NewUnmatched};
use liaison::store::people::StageStep;
use liaison::store::people::hold::Hold;
use liaison::store::reading::Page;
use liaison::store::reading::loose::LooseRules;
use liaison::store::reading::task::TaskFilter;
use liaison::store::task::TaskRow;

const NOW: Micros = Micros(1_772_355_600_000_000);

pub fn task(clock: &Clock, text: &str, influencer: Option<InfluencerId>, due: Option<i64>) -> TaskRow {
    TaskRow {
        id: TaskId(clock.new_id()),
        influencer_id: influencer,
        enrollment_id: None,
        step: None,
        kind: TaskKind::ByHand,
        text: text.into(),
        assignee: None,
        fills: None,
        message_id: None,
        due_at: due.map(seed::at),
        expires_at: None,
        state: TaskState::Open,
        answer: None,
        created_at: NOW,
        completed_at: None,
        completed_by: None,
    }
}

pub async fn insert(store: &Store, tasks: &[TaskRow]) {
    let mut tx = store.begin("test.tasks").await.unwrap();
    for task in tasks {
        tx.insert_task(task).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn tasks_come_by_when_they_are_due_page_by_page_and_those_without_a_date_last() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let mut all = vec![task(&clock, "never", None, None), task(&clock, "late", Some(ana), Some(-10))];
        all.extend([task(&clock, "soon", None, Some(10)), task(&clock, "never either", Some(ana), None)]);
        all[2].assignee = Some("kim".into());
        insert(&fresh.store, &all).await;
        let mut tx = fresh.store.begin("test.list").await.unwrap();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let slice = tx.list_tasks(&TaskFilter::default(), NOW, Page::oldest(1).after(after)).await.unwrap();
            seen.extend(slice.data.into_iter().map(|t| (t.text, t.late, t.influencer_handle.is_some())));
            after = slice.next;
            if after.is_none() {
                break;
            }
        }
        let told: Vec<&str> = seen.iter().map(|s| s.0.as_str()).collect();
        assert_eq!(told, ["late", "soon", "never", "never either"], "{}", fresh.name);
        assert_eq!(
            seen.iter().map(|s| (s.1, s.2)).collect::<Vec<_>>(),
            [(true, true), (false, false), (false, false), (false, true)]
        );
        let mut found = async |filter: TaskFilter| -> Vec<String> {
            let slice = tx.list_tasks(&filter, NOW, Page::oldest(10)).await.unwrap();
            slice.data.into_iter().map(|t| t.text).collect()
        };
        assert_eq!(found(TaskFilter { assignee: Some("kim".into()), ..TaskFilter::default() }).await, ["soon"]);
        assert_eq!(found(TaskFilter { due_before: Some(NOW), ..TaskFilter::default() }).await, ["late"]);
        let of = TaskFilter { influencer: Some(ana), ..TaskFilter::default() };
        assert_eq!(found(of).await, ["late", "never either"]);
        let kind = TaskFilter { kind: Some(TaskKind::Answer), ..TaskFilter::default() };
        assert_eq!(found(kind).await, Vec::<String>::new());
        assert!(tx.end_task(all[1].id, TaskState::Done, Some("yes"), ("kim", NOW)).await.unwrap());
        assert!(!tx.end_task(all[1].id, TaskState::Cancelled, None, ("bo", NOW)).await.unwrap());
        let view = tx.get_task_view(all[1].id, NOW).await.unwrap().unwrap();
        assert_eq!((view.state, view.late, view.answer.as_deref()), (TaskState::Done, false, Some("yes")));
        assert_eq!(tx.get_task_view(TaskId(clock.new_id()), NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn tasks_are_found_by_what_they_are_about() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let message = MessageId(clock.new_id());
        let mut rows = vec![task(&clock, "of her", Some(ana), None), task(&clock, "of the message", None, None)];
        for row in &mut rows {
            row.kind = TaskKind::Answer;
            row.message_id = Some(message);
        }
        insert(&fresh.store, &rows).await;
        let mut tx = fresh.store.begin("test.about").await.unwrap();
        for (about, kind, there) in [
            (Some(ana), TaskKind::Answer, true),
            (None, TaskKind::Answer, true),
            (Some(ana), TaskKind::Stage, false),
            (Some(InfluencerId(clock.new_id())), TaskKind::Answer, false),
        ] {
            assert_eq!(tx.has_task_about(message, kind, about).await.unwrap(), there, "{}: {about:?}", fresh.name);
        }
        assert_eq!(tx.lock_tasks_about(message, TaskKind::Answer).await.unwrap(), [rows[1].id]);
        assert!(tx.has_open_task(ana, TaskKind::Answer).await.unwrap());
        let texts = tx.list_open_texts(ana, TaskKind::Answer).await.unwrap();
        assert_eq!(texts, [rows[0].text.clone()], "{}", fresh.name);
        tx.end_task(rows[0].id, TaskState::Done, None, ("kim", NOW)).await.unwrap();
        assert!(!tx.has_open_task(ana, TaskKind::Answer).await.unwrap());
        assert!(tx.has_task_about(message, TaskKind::Answer, Some(ana)).await.unwrap(), "once is enough");
        assert!(!tx.has_open_task_about(message, TaskKind::Answer, Some(ana)).await.unwrap(), "it is done");
        assert!(tx.has_open_task_about(message, TaskKind::Answer, None).await.unwrap(), "{}", fresh.name);
    }
}

#[tokio::test]
async fn open_questions_about_a_no_name_whom_they_are_asked_of_and_who_wrote() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let thread = seed::thread(&fresh, &clock, bo, 1).await;
        let message = seed::message_in(&fresh, &clock, &thread, 2).await;
        let mut rows = vec![task(&clock, "of her", Some(ana), None), task(&clock, "of several", None, None)];
        rows.push(task(&clock, "of him, by hand", Some(bo), None));
        for row in &mut rows[..2] {
            (row.kind, row.message_id) = (TaskKind::Refusal, Some(message));
        }
        insert(&fresh.store, &rows).await;
        let mut tx = fresh.store.begin("test.asked").await.unwrap();
        assert_eq!(tx.task_kind(rows[0].id).await.unwrap(), Some(TaskKind::Refusal));
        assert_eq!(tx.task_kind(TaskId(clock.new_id())).await.unwrap(), None);
        let open = tx.list_open_refusals().await.unwrap();
        let whose: Vec<_> = open.iter().map(|question| (question.influencer_id, question.message_id)).collect();
        assert_eq!(whose, [(Some(ana), Some(message)), (None, Some(message))], "{}", fresh.name);
        let written = open.iter().all(|question| question.author_address.as_deref().is_some_and(|a| a.contains('@')));
        assert!(written, "{}: {open:?}", fresh.name);
        assert_eq!(tx.give_refusals(message, vec![bo], ana).await.unwrap(), 0, "{}: asked of her already", fresh.name);
        assert_eq!(tx.give_refusals(message, vec![ana], bo).await.unwrap(), 1, "{}", fresh.name);
        assert_eq!(tx.list_open_refusals().await.unwrap()[0].influencer_id, Some(bo), "{}", fresh.name);
        assert_eq!(tx.task_version(rows[0].id).await.unwrap(), 2, "{}", fresh.name);
        // One whose message was erased goes on asking; one of several asks nobody any more.
        let mut lone = task(&clock, "of her, without it", Some(ana), None);
        lone.kind = TaskKind::Refusal;
        tx.insert_task(&lone).await.unwrap();
        let open = tx.list_open_refusals().await.unwrap();
        assert_eq!((open.len(), open[2].influencer_id, open[2].message_id), (3, Some(ana), None), "{}", fresh.name);
        rows.push(lone);
        for row in &rows {
            tx.end_task(row.id, TaskState::Done, None, ("kim", NOW)).await.unwrap();
        }
        assert_eq!(tx.list_open_refusals().await.unwrap(), [], "{}", fresh.name);
    }
}

#[tokio::test]
async fn each_source_holds_on_its_own_and_the_longest_counts() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let mut tx = fresh.store.begin("test.hold").await.unwrap();
        let hold = |source, until: Option<i64>, reason: &str| Hold {
            influencer_id: ana,
            source,
            until: until.map(seed::at),
            reason: Some(reason.to_owned()),
            cause: None,
            made_at: NOW,
        };
        let (away, bounces, hand) = (HoldSource::Away, HoldSource::Bounces, HoldSource::Hand);
        macro_rules! told {
            () => {{
                let row = tx.list_holds(vec![ana]).await.unwrap().remove(0);
                (row.held_until, row.hold_reason.clone().unwrap_or_default(), row.hold_by_hand)
            }};
        }
        assert!(tx.hold_longer(&hold(away, Some(100), "away"), NOW).await.unwrap());
        assert!(!tx.hold_longer(&hold(away, Some(100), "away"), NOW).await.unwrap(), "no longer than before");
        assert!(tx.hold_longer(&hold(bounces, Some(50), "bounces"), NOW).await.unwrap());
        assert!(tx.put_hold(&hold(hand, Some(10), "tour"), NOW).await.unwrap());
        assert_eq!(told!(), (Some(seed::at(100)), "away".to_owned(), false), "{}", fresh.name);
        assert_eq!(tx.list_hold_sources(vec![ana]).await.unwrap().len(), 3);
        assert_eq!(tx.lift_holds(vec![ana], &[away], NOW).await.unwrap(), [ana]);
        assert!(tx.lift_holds(vec![ana], &[away], NOW).await.unwrap().is_empty(), "lifted once");
        assert_eq!(told!(), (Some(seed::at(50)), "bounces".to_owned(), false));
        assert!(tx.put_hold(&hold(hand, Some(60), "a longer tour"), NOW).await.unwrap());
        assert_eq!(told!(), (Some(seed::at(60)), "a longer tour".to_owned(), true));
        assert!(tx.put_hold(&hold(hand, Some(20), "a shorter tour"), NOW).await.unwrap());
        assert_eq!(
            told!(),
            (Some(seed::at(50)), "bounces".to_owned(), false),
            "a person may shorten what a person set"
        );
        // Without an end: longer than any other.
        assert!(tx.put_hold(&hold(hand, None, "for good"), NOW).await.unwrap());
        assert!(!tx.hold_longer(&hold(hand, Some(1_000_000), "x"), NOW).await.unwrap());
        let (until, why, by_hand) = told!();
        assert_eq!((why.as_str(), by_hand), ("for good", true));
        assert_eq!(until.unwrap().to_string(), "9999-12-01T00:00:00.000000Z");
        // What ran out says nothing any more.
        assert_eq!(tx.lift_holds(vec![ana], &[hand], seed::at(70)).await.unwrap(), [ana]);
        assert_eq!(told!(), (None, String::new(), false));
        assert!(tx.lift_holds(vec![ana], HoldSource::ALL, seed::at(70)).await.unwrap().is_empty(), "it was over");
        assert!(tx.set_waiting(ana, Some(seed::at(5)), NOW).await.unwrap());
        let row = tx.list_holds(vec![ana]).await.unwrap().remove(0);
        assert_eq!((row.held_until, row.hold_by_hand, row.waiting_until), (None, false, Some(seed::at(5))));
        let nobody = InfluencerId(clock.new_id());
        let of_nobody = Hold { influencer_id: nobody, ..hold(hand, Some(5), "x") };
        assert!(!tx.put_hold(&of_nobody, NOW).await.unwrap() && !tx.set_waiting(nobody, None, NOW).await.unwrap());
    }
}

async fn three(fresh: &Fresh, clock: &Clock) -> [InfluencerId; 3] {
    let mut ids = [InfluencerId(uuid::Uuid::nil()); 3];
    for id in &mut ids {
        *id = seed::influencer(fresh, clock).await;
    }
    ids
}

#[tokio::test]
async fn a_step_between_stages_is_made_only_from_where_somebody_was_seen() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let [ana, bo, cy] = three(&fresh, &clock).await;
        let mut tx = fresh.store.begin("test.step").await.unwrap();
        tx.set_influencer_stage(bo, "in_talks", false, NOW).await.unwrap();
        tx.set_influencer_stage(cy, "prospect", true, NOW).await.unwrap();
        let steps: Vec<StageStep> = [ana, bo, cy]
            .map(|influencer_id| StageStep { influencer_id, from: "prospect".into(), to: "contacted".into() })
            .into();
        assert_eq!(tx.step_stages(&steps, seed::at(7)).await.unwrap(), [ana], "{}", fresh.name);
        let stages = tx.influencer_stages(vec![ana, bo, cy]).await.unwrap();
        let of = |id| stages.iter().find(|s| s.influencer_id == id).unwrap();
        assert_eq!((of(ana).stage.as_str(), of(ana).since, of(ana).running), ("contacted", seed::at(7), false));
        assert_eq!((of(bo).stage.as_str(), of(cy).stage.as_str()), ("in_talks", "prospect"));
        assert_eq!(of(ana).stages_hash, None);
        tx.publish_definition("stages", "h1", "{}", NOW).await.unwrap();
        assert_eq!(tx.influencer_stages(vec![ana]).await.unwrap()[0].stages_hash.as_deref(), Some("h1"));
    }
}

fn event(clock: &Clock, kind: EventType, who: InfluencerId, stage: &str, at: i64, data: serde_json::Value) -> NewEvent {
    NewEvent {
        id: EventId(clock.new_id()),
        kind,
        at: seed::at(at),
        influencer_id: Some(who),
        stage: Some(stage.into()),
        message_id: None,
        machine: data.get("machine").and_then(serde_json::Value::as_bool),
        data: Some(data),
        enrollment_id: None,
    }
}

/// Moves of one person; what is left of one that was taken back.
#[tokio::test]
async fn a_move_that_a_person_takes_back_is_none() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let [ana, bo, cy] = three(&fresh, &clock).await;
        let moved = |who, from: &str, to: &str, by: &str, at| {
            let data = serde_json::json!({"from": from, "to": to, "stayed": 1, "by": by});
            event(&clock, EventType::InfluencerStageChanged, who, from, at, data)
        };
        let mut tx = fresh.store.begin("test.stats").await.unwrap();
        tx.insert_events(vec![
            // Taken back; then it was right after all, for Bo.
            moved(ana, "prospect", "contacted", "kim", 1),
            moved(ana, "contacted", "prospect", "kim", 2),
            moved(bo, "prospect", "contacted", "kim", 1),
            moved(bo, "contacted", "prospect", "kim", 2),
            moved(bo, "prospect", "contacted", "kim", 3),
            // Nobody took this one back.
            moved(cy, "prospect", "contacted", "automation", 1),
            moved(cy, "contacted", "engaged", "automation", 2),
        ])
        .await
        .unwrap();
        let within = (seed::at(0), seed::at(50));
        let mut exits = tx.count_stage_exits(within).await.unwrap();
        exits.sort_by(|a, b| (&a.stage, &a.next).cmp(&(&b.stage, &b.next)));
        let told: Vec<_> = exits.iter().map(|e| (e.stage.as_str(), e.next.as_str(), e.back, e.people)).collect();
        let expected = [
            ("contacted", "engaged", false, 1),
            ("contacted", "prospect", true, 1),
            ("prospect", "contacted", false, 1),
            ("prospect", "contacted", true, 1),
        ];
        assert_eq!(told, expected, "{}", fresh.name);
        let stats = stage_stats(&mut tx, within).await.unwrap();
        let of = |id: &str| stats.iter().find(|s| s.stage == id).map(|s| (s.left, s.moved_on)).unwrap();
        assert_eq!((of("prospect"), of("contacted")), ((2, 2), (1, 1)), "{}", fresh.name);
    }
}

#[tokio::test]
async fn numbers_by_stage_keep_machines_apart_and_measure_who_left() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let json = |text: &str| serde_json::from_str(text).unwrap();
        let left = |who, from: &str, to: &str, stayed: i64, at| {
            let data = serde_json::json!({"from": from, "to": to, "stayed": stayed});
            event(&clock, EventType::InfluencerStageChanged, who, from, at, data)
        };
        let both = Some(MessageId(clock.new_id()));
        let mut tx = fresh.store.begin("test.stats").await.unwrap();
        tx.set_influencer_stage(bo, "declined", false, seed::at(6)).await.unwrap();
        tx.insert_events(vec![
            event(&clock, EventType::MessageSent, ana, "prospect", 1, json("{}")),
            event(&clock, EventType::MessageSent, ana, "contacted", 2, json("{}")),
            event(&clock, EventType::MessageOpened, ana, "contacted", 3, json(r#"{"machine": true}"#)),
            event(&clock, EventType::MessageOpened, ana, "contacted", 4, json(r#"{"machine": false}"#)),
            event(&clock, EventType::MessageOpened, ana, "contacted", 99, json(r#"{"machine": false}"#)),
            event(
                &clock,
                EventType::MessageOpened,
                ana,
                "contacted",
                5,
                json(r#"{"machine": false, "confidence": 0.5}"#),
            ),
            // One mail to two of them, opened twice.
            NewEvent { message_id: both, ..event(&clock, EventType::MessageSent, ana, "agreed", 7, json("{}")) },
            NewEvent { message_id: both, ..event(&clock, EventType::MessageSent, bo, "agreed", 7, json("{}")) },
            NewEvent {
                message_id: both,
                ..event(
                    &clock,
                    EventType::MessageOpened,
                    bo,
                    "agreed",
                    8,
                    json(r#"{"machine": false, "confidence": 0.8}"#),
                )
            },
            NewEvent {
                message_id: both,
                ..event(
                    &clock,
                    EventType::MessageOpened,
                    bo,
                    "agreed",
                    9,
                    json(r#"{"machine": false, "confidence": 0.9}"#),
                )
            },
            left(ana, "prospect", "contacted", 10, 5),
            left(bo, "prospect", "contacted", 20, 5),
            left(bo, "prospect", "declined", 60, 6),
            left(bo, "contacted", "prospect", 5, 5),
            left(bo, "prospect", "prospect", 1_000, 6),
            // After the time that is asked for: changes no number of it.
            left(ana, "contacted", "prospect", 5, 60),
            left(bo, "declined", "prospect", 5, 61),
        ])
        .await
        .unwrap();
        let within = (seed::at(0), seed::at(50));
        let counts = tx.count_by_stage(&[EventType::MessageSent, EventType::MessageOpened], within).await.unwrap();
        let of = |stage: &str, kind, machine| {
            counts
                .iter()
                .find(|c| (c.stage.as_str(), c.kind, c.machine) == (stage, kind, machine))
                .map_or(0, |c| c.events)
        };
        assert_eq!(of("prospect", EventType::MessageSent, None), 1);
        assert_eq!(of("contacted", EventType::MessageSent, None), 1);
        assert_eq!(of("contacted", EventType::MessageOpened, Some(true)), 1, "{}", fresh.name);
        assert_eq!(of("contacted", EventType::MessageOpened, Some(false)), 1, "the late one is outside");
        assert_eq!(of("contacted", EventType::MessageOpened, None), 1, "one that is only perhaps a person's");
        assert_eq!(
            (of("agreed", EventType::MessageSent, None), of("agreed", EventType::MessageOpened, Some(false))),
            (1, 1)
        );
        let mut exits = tx.count_stage_exits(within).await.unwrap();
        exits.sort_by(|a, b| a.next.cmp(&b.next));
        let told: Vec<(&str, &str, i64)> =
            exits.iter().map(|e| (e.stage.as_str(), e.next.as_str(), e.people)).collect();
        // Ana came back later, which is of another time; Bo left twice, for good the second time.
        let expected = [("prospect", "contacted", 1), ("prospect", "declined", 1), ("contacted", "prospect", 1)];
        assert_eq!(told, expected, "{}", fresh.name);
        let longer = tx.count_stage_exits((seed::at(0), seed::at(70))).await.unwrap();
        let of = |stage: &str| longer.iter().filter(|e| e.stage == stage).map(|e| e.people).sum::<i64>();
        assert_eq!((of("prospect"), of("contacted"), of("declined")), (0, 2, 1), "{}: both are back", fresh.name);
        let stays = tx.measure_stage_stays(within).await.unwrap();
        let stay = stays.iter().find(|s| s.stage == "prospect").unwrap();
        assert!((stay.mean - 30.0).abs() < 1e-9 && stay.median == 20, "{stays:?}");
        let mut people = tx.count_people_by_stage().await.unwrap();
        people.sort();
        assert_eq!(people, [("declined".to_owned(), 1), ("prospect".to_owned(), 1)]);
        let bounce = serde_json::json!({"severity": "soft", "address": "a@b.example"});
        tx.insert_events(vec![event(&clock, EventType::MessageBounced, ana, "contacted", 9, bounce.clone())])
            .await
            .unwrap();
        assert_eq!(tx.list_bounces(ana, seed::at(9)).await.unwrap(), [bounce]);
        let no = |kind, at| event(&clock, kind, ana, "contacted", at, json("{}"));
        tx.insert_events(vec![no(EventType::InfluencerUnsubscribed, 20), no(EventType::MessageComplained, 30)])
            .await
            .unwrap();
        for (since, said) in [(20, true), (21, true), (30, true), (31, false)] {
            assert_eq!(tx.has_said_no_since(ana, seed::at(since)).await.unwrap(), said, "{}: {since}", fresh.name);
        }
        assert!(!tx.has_said_no_since(bo, seed::at(0)).await.unwrap(), "{}", fresh.name);
        assert!(
            tx.list_bounces(ana, seed::at(10)).await.unwrap().is_empty()
                && tx.list_bounces(bo, NOW).await.unwrap().is_empty()
        );
    }
}

fn rules() -> LooseRules {
    LooseRules {
        needs_step: vec![("prospect".into(), Micros(i64::MAX)), ("no_response".into(), seed::at(0))],
        answer_late: vec![("prospect".into(), seed::at(50))],
    }
}

#[tokio::test]
async fn whoever_has_no_next_step_is_a_loose_end_until_somebody_gives_them_one() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push(seed::influencer(&fresh, &clock).await);
        }
        let [loose, tasked, waiting, held, sending, silent, fresh_silent, closed] = ids.clone().try_into().unwrap();
        insert(&fresh.store, &[task(&clock, "call", Some(tasked), None)]).await;
        let thread = seed::thread(&fresh, &clock, sending, 1).await;
        let mut mail = seed::message(&clock, thread.conversation_id, 2);
        mail.direction = Direction::Outbound;
        let mail_id = mail.id;
        seed::put(&fresh, mail, vec![(sending, thread.id, Role::Recipient)]).await;
        seed::outbox(&fresh, mail_id, "queued").await;
        let mut tx = fresh.store.begin("test.loose").await.unwrap();
        tx.set_waiting(waiting, Some(seed::at(500)), NOW).await.unwrap();
        let hold = Hold {
            influencer_id: held,
            source: HoldSource::Hand,
            until: Some(seed::at(500)),
            reason: None,
            cause: None,
            made_at: NOW,
        };
        tx.put_hold(&hold, NOW).await.unwrap();
        tx.set_influencer_stage(silent, "no_response", false, seed::at(-5)).await.unwrap();
        tx.set_influencer_stage(fresh_silent, "no_response", false, seed::at(5)).await.unwrap();
        tx.set_influencer_stage(closed, "opted_out", false, seed::at(-5)).await.unwrap();
        tx.commit().await.unwrap();
        let told = async |now: i64| -> Vec<InfluencerId> {
            let mut tx = fresh.store.read().await.unwrap();
            let rules = LooseRules { answer_late: vec![], ..rules() };
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let slice = tx.list_loose_ends(&rules, seed::at(now), Page::oldest(1).after(after)).await.unwrap();
                seen.extend(slice.data.into_iter().map(|l| l.influencer_id));
                after = slice.next;
                if after.is_none() {
                    return seen;
                }
            }
        };
        assert_eq!(told(0).await, [loose, silent], "{}", fresh.name);
        assert_eq!(told(501).await, [loose, waiting, held, silent], "what was waited for is over");
        let mut tx = fresh.store.begin("test.sent").await.unwrap();
        tx.cancel_outbox(mail_id, "taken back", NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert!(told(0).await.contains(&sending));
    }
}

#[tokio::test]
async fn a_thread_that_waits_for_us_too_long_is_a_loose_end_the_oldest_first() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let newer = seed::thread(&fresh, &clock, ana, 40).await;
        let older = seed::thread(&fresh, &clock, ana, 10).await;
        seed::thread(&fresh, &clock, ana, 60).await;
        let elsewhere = seed::influencer(&fresh, &clock).await;
        seed::thread(&fresh, &clock, elsewhere, 10).await;
        let mut tx = fresh.store.begin("test.late").await.unwrap();
        tx.set_influencer_stage(elsewhere, "agreed", false, NOW).await.unwrap();
        let rules = LooseRules { needs_step: vec![], ..rules() };
        let slice = tx.list_loose_ends(&rules, NOW, Page::oldest(10)).await.unwrap();
        let threads: Vec<_> = slice.data.iter().map(|l| l.thread_id).collect();
        assert_eq!(threads, [Some(older.id), Some(newer.id)], "{}", fresh.name);
        assert!(slice.data.iter().all(|l| l.reason == "unanswered" && l.influencer_id == ana));
    }
}

#[tokio::test]
async fn whoever_may_be_somebody_we_know_is_taken_for_them_until_a_person_has_said() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let name = fresh.name;
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let message = seed::message(&clock, thread.conversation_id, 2);
        let one = message.id;
        seed::put(&fresh, message, vec![]).await;
        let waits = NewUnmatched {
            message_id: one,
            reason: UnmatchedReason::UnknownSender,
            address: "T1/U7".into(),
            address_key: "T1/U7".into(),
            name: String::new(),
            influencer_id: None,
            agent_id: None,
            at: NOW,
            facts: None,
        };
        let members = vec!["T1/U5".to_owned(), "T1/U7".to_owned()];
        let room = Room { place: "T1/C1".into(), open: None, members: members.clone() };
        let mut tx = fresh.store.begin("test.proposed").await.unwrap();
        tx.insert_unmatched(vec![waits]).await.unwrap();
        assert_eq!(tx.find_proposed(members.clone()).await.unwrap(), [""; 0], "{name}: nobody in particular");
        tx.propose_alias(one, ana).await.unwrap();
        assert_eq!(tx.find_proposed(members.clone()).await.unwrap(), ["T1/U7"], "{name}");
        assert_eq!(tx.find_proposed(vec!["T1/U5".into()]).await.unwrap(), [""; 0], "{name}: another one");
        tx.commit().await.unwrap();
        // The team is shown nothing where they read along.
        let why = who_hears(&fresh.store, &room).await.unwrap().unwrap_or_default();
        assert!(why.starts_with("T1/U7, who may be an influencer here"), "{name}: {why}");
        let mut tx = fresh.store.begin("test.proposed").await.unwrap();
        tx.resolve_unmatched(vec![one], NOW).await.unwrap();
        assert_eq!(tx.find_proposed(members).await.unwrap(), [""; 0], "{name}: a person has said");
        tx.commit().await.unwrap();
        assert_eq!(who_hears(&fresh.store, &room).await.unwrap(), None, "{name}");
    }
}

/// Who was taken for the writer of a message and is not loses what of ours was said there with it, and nobody else does.
#[tokio::test]
async fn a_proposal_that_is_refused_takes_its_own_with_it_and_nothing_of_others() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let name = fresh.name;
        let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        let hers = seed::thread(&fresh, &clock, ana, 1).await;
        let mut his = seed::thread(&fresh, &clock, bo, 1).await;
        let sql = "UPDATE thread SET conversation_id = $1 WHERE id = $2";
        seed::run(&fresh, sql, &[hers.conversation_id.0, his.id.0]).await;
        his.conversation_id = hers.conversation_id;
        let mut ids = Vec::new();
        for (n, direction) in [(1, Direction::Inbound), (2, Direction::Outbound), (3, Direction::Inbound)] {
            let mut message = seed::message(&clock, hers.conversation_id, n);
            message.direction = direction;
            ids.push(message.id);
            // The third is shown to her alone.
            let mut parts = vec![(ana, hers.id, Role::Recipient), (bo, his.id, Role::Recipient)];
            parts.truncate(if n == 3 { 1 } else { 2 });
            seed::put(&fresh, message, parts).await;
        }
        let unsure = if name == "sqlite" { "0" } else { "FALSE" };
        seed::run(&fresh, &format!("UPDATE participation SET assigned = {unsure}"), &[]).await;
        let waits = |message_id: MessageId| NewUnmatched {
            message_id,
            reason: UnmatchedReason::AliasProposed,
            address: "T1/U7".into(),
            address_key: "T1/U7".into(),
            name: String::new(),
            influencer_id: Some(ana),
            agent_id: None,
            at: NOW,
            facts: None,
        };
        let mut tx = fresh.store.begin("test.proposed").await.unwrap();
        tx.insert_unmatched(vec![waits(ids[0]), waits(ids[2])]).await.unwrap();
        let shown = async |tx: &mut liaison::store::Tx, id: MessageId| {
            let mut parts: Vec<InfluencerId> =
                tx.list_parts_of(id).await.unwrap().iter().map(|part| part.influencer_id).collect();
            parts.sort_unstable();
            parts
        };
        // Another message of somebody who may be her still shows it: what we said stays with her, as it does with him.
        tx.withdraw_proposed(ids[2], vec![ana]).await.unwrap();
        assert_eq!(shown(&mut tx, ids[2]).await, [], "{name}");
        assert_eq!(shown(&mut tx, ids[1]).await, [ana, bo], "{name}");
        tx.withdraw_proposed(ids[0], vec![ana, bo]).await.unwrap();
        assert_eq!(shown(&mut tx, ids[0]).await, [], "{name}");
        assert_eq!(shown(&mut tx, ids[1]).await, [bo], "{name}");
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_waits_keeps_what_is_to_follow_and_tells_whom_it_may_be_about() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let message = seed::message(&clock, thread.conversation_id, 2);
        let one = message.id;
        seed::put(&fresh, message, vec![]).await;
        let bo = seed::influencer(&fresh, &clock).await;
        let theirs = seed::thread(&fresh, &clock, bo, 1).await;
        let agent = liaison::domain::ids::AgentId(clock.new_id());
        let mut tx = fresh.store.begin("test.origin").await.unwrap();
        assert_eq!(tx.message_origin(one).await.unwrap(), Some(("ana@example.org".into(), false)), "{}", fresh.name);
        assert_eq!(tx.message_origin(MessageId(clock.new_id())).await.unwrap(), None);
        let waits = NewUnmatched {
            message_id: one,
            reason: UnmatchedReason::AliasProposed,
            address: "Ana@example.org".into(),
            address_key: "ana@example.org".into(),
            name: String::new(),
            influencer_id: None,
            agent_id: None,
            at: NOW,
            facts: Some(serde_json::json!({"answer": {"verdict": "none"}})),
        };
        tx.insert_unmatched(vec![waits]).await.unwrap();
        let row = tx.list_waiting(vec![one]).await.unwrap().remove(0);
        assert_eq!((row.reason, &row.facts["answer"]["verdict"]), (UnmatchedReason::AliasProposed, &"none".into()));
        let shown = NewParticipation {
            message_id: one,
            influencer_id: ana,
            thread_id: thread.id,
            role: Role::Recipient,
            agent_id: None,
            assigned: false,
            at: NOW,
        };
        tx.insert_participations(vec![shown]).await.unwrap();
        assert!(tx.find_sure_participations(vec![one]).await.unwrap().is_empty());
        assert!(tx.find_sure_in(vec![thread.conversation_id]).await.unwrap().is_empty());
        assert!(tx.list_awaiting_assignment(vec![ana]).await.unwrap().is_empty(), "an alias that only answered");
        assert_eq!(tx.list_stands_unassigned(one).await.unwrap(), [ana], "{}", fresh.name);
        let found = tx.get_as_strangers(one).await.unwrap().unwrap();
        assert_eq!((found.message_id, found.role, found.address_key.as_str()), (one, Role::Author, "ana@example.org"));
        assert_eq!(found.conversation_id, thread.conversation_id);
        let for_agent = NewParticipation {
            message_id: one,
            influencer_id: bo,
            thread_id: theirs.id,
            role: Role::Author,
            agent_id: Some(agent),
            assigned: false,
            at: NOW,
        };
        tx.insert_participations(vec![for_agent]).await.unwrap();
        assert_eq!(tx.list_stands_unassigned(one).await.unwrap(), [ana], "{}: not for an agent's sake", fresh.name);
        tx.withdraw_agents(one).await.unwrap();
        let left: Vec<_> =
            tx.find_participations(vec![one]).await.unwrap().into_iter().map(|(_, who, _)| who).collect();
        assert_eq!(left, [ana], "{}", fresh.name);
        assert_eq!(tx.get_thread(theirs.id).await.unwrap().unwrap().message_count, 0, "{}", fresh.name);
        // Who got a copy keeps it, and what waits for nobody any more leaves the threads of several.
        let copied = NewParticipation {
            message_id: one,
            influencer_id: bo,
            thread_id: theirs.id,
            role: Role::Cc,
            agent_id: None,
            assigned: false,
            at: NOW,
        };
        tx.insert_participations(vec![copied]).await.unwrap();
        tx.withdraw_settled(vec![one]).await.unwrap();
        assert_eq!(tx.find_participations(vec![one]).await.unwrap().len(), 2, "{}: it waits", fresh.name);
        assert_eq!(tx.list_thread_starts(vec![theirs.id]).await.unwrap(), [(theirs.id, NOW)], "{}", fresh.name);
        tx.insert_strangers(vec![("who@example.net".into(), one, Role::Author)]).await.unwrap();
        tx.delete_stranger("who@example.net", one).await.unwrap();
        assert!(tx.find_strangers(vec!["who@example.net".into()]).await.unwrap().is_empty(), "{}", fresh.name);
        tx.wait_for_assignment(one, agent).await.unwrap();
        let row = tx.list_waiting(vec![one]).await.unwrap().remove(0);
        assert_eq!((row.reason, row.agent_id), (UnmatchedReason::AgentUnassigned, Some(agent)));
        let may_concern = tx.list_awaiting_assignment(vec![ana]).await.unwrap();
        assert_eq!(may_concern.iter().map(|w| w.influencer_id).collect::<Vec<_>>(), [ana], "{}", fresh.name);
        assert!(may_concern[0].facts.is_object() || may_concern[0].facts.is_null());
        tx.set_author(one, ana).await.unwrap();
        assert_eq!(tx.list_stands_unassigned(one).await.unwrap(), [bo], "{}", fresh.name);
        assert_eq!(tx.find_sure_participations(vec![one]).await.unwrap(), [(one, ana)]);
        assert_eq!(tx.find_sure_in(vec![thread.conversation_id]).await.unwrap(), [(thread.conversation_id, ana)]);
        tx.resolve_unmatched(vec![one], NOW).await.unwrap();
        assert!(tx.list_waiting(vec![one]).await.unwrap().is_empty());
        assert!(tx.list_awaiting_assignment(vec![ana]).await.unwrap().is_empty());
        tx.withdraw_unassigned(one).await.unwrap();
        let mut sure = tx.find_sure_participations(vec![one]).await.unwrap();
        sure.sort();
        assert_eq!(sure, if ana < bo { [(one, ana), (one, bo)] } else { [(one, bo), (one, ana)] }, "{}", fresh.name);
    }
}

#[tokio::test]
async fn what_left_for_somebody_is_found_with_its_envelope_and_what_waits_to_leave_is_not() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &clock).await;
        let thread = seed::thread(&fresh, &clock, ana, 1).await;
        let sent = |n: i64, mail: &mut NewMessage| {
            mail.direction = Direction::Outbound;
            mail.account = "brand".into();
            mail.recipients = serde_json::json!({"to": [{"name": "", "address": format!("a{n}@example.org")}]});
        };
        let part = vec![(ana, thread.id, Role::Recipient)];
        let ids = seed::messages(&fresh, &clock, &thread, (3, part), sent).await;
        seed::outbox(&fresh, ids[2], "queued").await;
        let mut tx = fresh.store.read().await.unwrap();
        let sent = tx.list_sent_to(vec![ana], "brand", seed::at(0)).await.unwrap();
        assert_eq!(sent.iter().map(|s| s.id).collect::<Vec<_>>(), [ids[1], ids[0]], "{}", fresh.name);
        assert_eq!(sent[0].recipients.0["to"][0]["address"], "a1@example.org");
        assert!(tx.list_sent_to(vec![ana], "another", seed::at(0)).await.unwrap().is_empty());
        assert_eq!(tx.list_sent_to(vec![ana], "brand", seed::at(1)).await.unwrap().len(), 1);
        assert_eq!(tx.list_envelopes(vec![ids[2]]).await.unwrap()[0].0, ids[2]);
    }
}
