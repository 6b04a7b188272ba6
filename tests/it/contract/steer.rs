//! What steering asks of the store: runs as they are read, steps counted, harm measured, versions changed.

use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{EnrollmentId, InfluencerId, MessageId};
use liaison::domain::words::{Awaiting, EnrollmentState, OutboxStatus, Phase, StepState};
use liaison::store::Tx;
use liaison::store::outreach::enrollment::{EnrollmentRow, Mark, StepRow};
use liaison::store::outreach::measure::{Harm, HarmCount};
use liaison::store::outreach::reservation::ReservationRow;
use liaison::store::reading::Page;
use liaison::store::reading::sequence::{EnrollmentFilter, FunnelRow};
use stores::Fresh;

struct Scene {
    fresh: Fresh,
    clock: Clock,
    ana: InfluencerId,
    bo: InfluencerId,
    /// Ana's and Bo's run of `spring`, and Ana's of `autumn`, which is over.
    runs: [EnrollmentId; 3],
    /// Ana's and Bo's intro, and Ana's nudge, which is planned.
    mail: [MessageId; 3],
}

pub(super) fn run(clock: &Clock, who: InfluencerId, sequence: &str, version: &str) -> EnrollmentRow {
    EnrollmentRow {
        id: EnrollmentId(clock.new_id()),
        sequence: sequence.into(),
        version: version.into(),
        influencer_id: who,
        run: 1,
        account: "brand".into(),
        state: EnrollmentState::Active,
        step: Some("nudge".into()),
        phase: Phase::Send,
        anchor_at: seed::at(0),
        next_at: None,
        first: false,
        waiting_for: None,
        held_at: None,
        exit_reason: None,
        filled: serde_json::Map::new(),
        started_at: clock.now(),
        ended_at: None,
    }
}

fn step(run: EnrollmentId, name: &str, state: StepState, message: Option<MessageId>) -> StepRow {
    let sent = state == StepState::Sent;
    StepRow {
        enrollment_id: run,
        step: name.into(),
        state,
        kind: "email".into(),
        variant: message.map(|_| format!("{name}.md")),
        planned_at: Some(seed::at(50)),
        shifts: Some(serde_json::json!([{"rule": "hours"}])),
        completed_at: (state != StepState::Planned).then_some(seed::at(if sent { 60 } else { 70 })),
        message_id: message,
        task_id: None,
        reason: (state == StepState::Skipped).then(|| "no email".into()),
        opened_at: None,
        clicked_at: None,
        replied_at: None,
    }
}

async fn scene(fresh: Fresh) -> Scene {
    let clock = Clock::machine();
    let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
    let thread = seed::thread(&fresh, &clock, ana, 1).await;
    let mut mail = Vec::new();
    for (n, status) in [(1, "confirmed"), (2, "confirmed"), (3, "review")] {
        let id = seed::message_in(&fresh, &clock, &thread, n).await;
        seed::outbox(&fresh, id, status).await;
        mail.push(id);
    }
    let mut tx = fresh.store.begin("test.steer").await.unwrap();
    for (id, hash) in [("spring", "v1"), ("spring", "v2"), ("autumn", "v3")] {
        tx.publish_sequence(id, hash, "{}", seed::at(0)).await.unwrap();
    }
    let rows = [run(&clock, ana, "spring", "v1"), run(&clock, bo, "spring", "v2"), run(&clock, ana, "autumn", "v3")];
    let runs = rows.clone().map(|r| r.id);
    let mut rows = rows.to_vec();
    rows[2].state = EnrollmentState::Finished;
    tx.insert_enrollments(rows, clock.now()).await.unwrap();
    let steps = vec![
        step(runs[0], "intro", StepState::Sent, Some(mail[0])),
        step(runs[1], "intro", StepState::Sent, Some(mail[1])),
        step(runs[0], "nudge", StepState::Planned, Some(mail[2])),
        step(runs[1], "nudge", StepState::Skipped, None),
        step(runs[2], "intro", StepState::Sent, None),
    ];
    assert_eq!(tx.insert_steps(steps).await.unwrap(), 5);
    tx.commit().await.unwrap();
    let link = "UPDATE outbox SET enrollment_id = $1, step = 'nudge' WHERE id = $2";
    // Both databases number parameters in the order in which they stand.
    seed::run(&fresh, link, &[runs[0].0, mail[2].0]).await;
    Scene { fresh, clock, ana, bo, runs, mail: [mail[0], mail[1], mail[2]] }
}

async fn ids(tx: &mut Tx, filter: EnrollmentFilter) -> Vec<EnrollmentId> {
    tx.list_enrollment_views(&filter, Page::newest(10)).await.unwrap().data.into_iter().map(|r| r.id).collect()
}

#[tokio::test]
async fn runs_are_listed_by_every_filter_newest_first_and_in_pages() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let [first, second, over] = scene.runs;
        let mut tx = scene.fresh.store.read().await.unwrap();
        let of = EnrollmentFilter::default;
        assert_eq!(ids(&mut tx, of()).await, [over, second, first], "{}", scene.fresh.name);
        let spring = || EnrollmentFilter { sequence: Some("spring".into()), ..of() };
        assert_eq!(ids(&mut tx, spring()).await, [second, first]);
        let finished = EnrollmentFilter { state: Some(EnrollmentState::Finished), ..of() };
        assert_eq!(ids(&mut tx, finished).await, [over]);
        assert_eq!(ids(&mut tx, EnrollmentFilter { influencer: Some(scene.ana), ..of() }).await, [over, first]);
        assert_eq!(ids(&mut tx, EnrollmentFilter { influencer: Some(scene.ana), ..spring() }).await, [first]);
        assert!(ids(&mut tx, EnrollmentFilter { step: Some("intro".into()), ..of() }).await.is_empty());
        let page = tx.list_enrollment_views(&of(), Page::newest(2)).await.unwrap();
        let rest = tx.list_enrollment_views(&of(), Page::newest(2).after(page.next)).await.unwrap();
        assert_eq!(rest.data.iter().map(|r| r.id).collect::<Vec<_>>(), [first]);
        let page = tx.list_enrollment_views(&of(), Page::oldest(2)).await.unwrap();
        let rest = tx.list_enrollment_views(&of(), Page::oldest(2).after(page.next)).await.unwrap();
        let oldest: Vec<_> = page.data.into_iter().chain(rest.data).map(|r| r.id).collect();
        assert_eq!(oldest, [first, second, over], "{}", scene.fresh.name);
        let view = tx.get_enrollment_view(first).await.unwrap().unwrap();
        assert_eq!((view.influencer_id, view.next_at), (scene.ana, Some(seed::at(50))), "its mail is planned for then");
        assert!(view.influencer_handle.starts_with("@ana"));
        assert_eq!(tx.get_enrollment_view(EnrollmentId(scene.clock.new_id())).await.unwrap(), None);
        let steps = tx.list_step_views(first).await.unwrap();
        assert_eq!(steps.iter().map(|s| s.step.as_str()).collect::<Vec<_>>(), ["intro", "nudge"]);
        assert_eq!(steps[1].message_status, Some(OutboxStatus::Review));
        assert_eq!(steps[1].shifts.as_ref().unwrap()[0]["rule"], "hours");
    }
}

#[tokio::test]
async fn steps_are_counted_by_wording_and_harm_by_the_time_of_the_send() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let [ana, bo, planned] = scene.mail;
        let mut tx = scene.fresh.store.begin("test.steer").await.unwrap();
        tx.mark_step(ana, Mark::Replied, seed::at(80)).await.unwrap();
        assert!(tx.mark_harm(bo, Harm::Bounced, seed::at(81)).await.unwrap());
        assert!(!tx.mark_harm(bo, Harm::Bounced, seed::at(82)).await.unwrap(), "once");
        assert!(tx.mark_harm(bo, Harm::Complained, seed::at(81)).await.unwrap());
        assert!(tx.mark_harm(ana, Harm::OptedOut, seed::at(81)).await.unwrap());
        assert!(!tx.mark_harm(MessageId(scene.clock.new_id()), Harm::OptedOut, seed::at(81)).await.unwrap());
        let count = |sends, bounced| HarmCount { sends, bounced, complained: 1, opted_out: 1 };
        assert_eq!(tx.measure_harm("spring", seed::at(60)).await.unwrap(), count(2, 1), "{}", scene.fresh.name);
        assert_eq!(tx.measure_harm("spring", seed::at(61)).await.unwrap(), HarmCount::default(), "sent before");
        assert_eq!(tx.measure_harm("winter", seed::at(0)).await.unwrap(), HarmCount::default());
        // One that was refused was never sent, and came back all the same.
        assert!(tx.mark_harm(planned, Harm::Bounced, seed::at(81)).await.unwrap());
        assert_eq!(tx.measure_harm("spring", seed::at(60)).await.unwrap(), count(3, 2));
        let mut rows = tx.count_funnel("spring").await.unwrap();
        // Ana's run and Bo's are of two versions.
        rows.sort_by(|a, b| (&a.step, &a.variant, a.bounced).cmp(&(&b.step, &b.variant, b.bounced)));
        let told: Vec<_> = rows
            .iter()
            .map(|r| (r.step.as_str(), r.variant.as_deref(), r.sent, r.planned, r.skipped, r.replied, r.bounced))
            .collect();
        let expected = [
            ("intro", Some("intro.md"), 1, 0, 0, 1, 0),
            ("intro", Some("intro.md"), 1, 0, 0, 0, 1),
            ("nudge", None, 0, 0, 1, 0, 0),
            ("nudge", Some("nudge.md"), 0, 1, 0, 0, 1),
        ];
        assert_eq!(told, expected, "{}", scene.fresh.name);
        let both = |count: fn(&FunnelRow) -> i64| count(&rows[0]) + count(&rows[1]);
        assert_eq!((both(|r| r.opened), both(|r| r.complained), both(|r| r.opted_out), both(|r| r.done)), (1, 1, 1, 0));
        assert_ne!(rows[0].version, rows[1].version);
        // An answer that says no more is none; one that came before is.
        tx.mark_step(bo, Mark::Replied, seed::at(90)).await.unwrap();
        assert!(tx.mark_harm(bo, Harm::OptedOut, seed::at(90)).await.unwrap());
        let replied: i64 = tx.count_funnel("spring").await.unwrap().iter().map(|r| r.replied).sum();
        assert_eq!(replied, 1, "{}", scene.fresh.name);
        let skips = tx.count_skips("spring").await.unwrap();
        assert_eq!(skips.iter().map(|s| (s.reason.as_str(), s.count)).collect::<Vec<_>>(), [("no email", 1)]);
        let sent = tx.list_sent_steps(vec![scene.ana, scene.bo]).await.unwrap();
        let mut sent: Vec<_> = sent.into_iter().map(|s| (s.influencer_id, s.message_id)).collect();
        sent.sort();
        let mut expected = [(scene.ana, ana), (scene.bo, bo)];
        expected.sort();
        assert_eq!(sent, expected, "of live runs alone");
        assert_eq!(tx.run_of_message(bo).await.unwrap(), Some((scene.bo, "spring".into())));
        let strange = MessageId(scene.clock.new_id());
        assert_eq!(tx.run_of_message(strange).await.unwrap(), None);
    }
}

#[tokio::test]
async fn outdated_runs_are_found_and_moved_and_mail_leaves_its_run_once_it_is_cancelled() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let [first, second, _] = scene.runs;
        let mut tx = scene.fresh.store.begin("test.steer").await.unwrap();
        let none = EnrollmentId(uuid::Uuid::nil());
        let old = tx.lock_outdated_enrollments("spring", "v2", none, 10).await.unwrap();
        assert_eq!(old.iter().map(|r| r.id).collect::<Vec<_>>(), [first], "{}", scene.fresh.name);
        assert!(tx.lock_outdated_enrollments("spring", "v2", first, 10).await.unwrap().is_empty());
        assert!(tx.lock_outdated_enrollments("autumn", "v9", none, 10).await.unwrap().is_empty(), "it is over");
        assert_eq!(tx.repin_enrollments("v1", "v2").await.unwrap(), 1);
        assert!(tx.lock_outdated_enrollments("spring", "v2", none, 10).await.unwrap().is_empty());
        assert_eq!(tx.get_enrollment(second).await.unwrap().unwrap().version, "v2");
        let planned = scene.mail[2];
        assert!(!tx.detach_mail(planned).await.unwrap(), "it may still leave");
        assert!(tx.approve_outbox(planned, seed::at(90), "approved by kim").await.unwrap());
        assert!(!tx.approve_outbox(planned, seed::at(91), "approved by bo").await.unwrap(), "once");
        let row = tx.get_outbox(planned).await.unwrap().unwrap();
        assert_eq!((row.status, row.detail.as_deref()), (OutboxStatus::Queued, Some("approved by kim")));
        tx.cancel_outbox(planned, "changed", seed::at(92)).await.unwrap();
        assert!(tx.detach_mail(planned).await.unwrap());
        assert_eq!(tx.step_of_message(planned).await.unwrap(), None);
    }
}

#[tokio::test]
async fn places_are_found_by_their_ids() {
    for fresh in stores::both().await {
        let clock = Clock::machine();
        let place = |at: i64| ReservationRow {
            id: clock.new_id(),
            account: "brand".into(),
            sequence: Some("spring".into()),
            domain: "example.org".into(),
            first: true,
            pencilled: true,
            at: seed::at(at),
            gap: 0,
        };
        let mut places = vec![place(3), place(1), place(2)];
        places.sort_by_key(|p| p.id);
        let mut tx = fresh.store.begin("test").await.unwrap();
        tx.upsert_reservations(places.clone()).await.unwrap();
        let ids = vec![places[2].id, clock.new_id(), places[0].id];
        let found = tx.list_reservations_by_id(ids).await.unwrap();
        assert_eq!(found, [places[0].clone(), places[2].clone()], "{}", fresh.name);
        assert!(tx.list_reservations_by_id(Vec::new()).await.unwrap().is_empty());
        // What left a little late counts from its place; what left late or early, from when it left.
        let (id, place) = (places[0].id, places[0].at);
        let slack = std::time::Duration::from_secs(120);
        for (after, counts) in [(0, 0), (90, 0), (120, 0), (121, 121), (60, 60)] {
            let left = place.plus(std::time::Duration::from_secs(after));
            tx.note_departure(id, left, slack).await.unwrap();
            let at = tx.list_reservations_by_id(vec![id]).await.unwrap()[0].at;
            assert_eq!(at.since(place).as_secs(), counts, "{}, {after} s after its place", fresh.name);
        }
    }
}

#[tokio::test]
async fn runs_are_moved_together_and_keep_everything_else() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let mut tx = scene.fresh.store.begin("test.move").await.unwrap();
        let before = tx.lock_enrollments(scene.runs.to_vec()).await.unwrap();
        let moved: Vec<EnrollmentRow> = (0..)
            .zip(&before[..2])
            .map(|(n, run)| EnrollmentRow {
                phase: Phase::Delay,
                anchor_at: seed::at(90 + n),
                next_at: (n == 0).then_some(seed::at(100)),
                waiting_for: Some("\"3 days\" to pass\0, says {}".into()),
                held_at: (n == 1).then_some(seed::at(95)),
                ..run.clone()
            })
            .collect();
        // What this statement does not write is not written, whatever is given.
        let given = moved.iter().map(|run| EnrollmentRow { account: "other".into(), first: true, ..run.clone() });
        tx.move_enrollments(given.collect(), seed::at(200)).await.unwrap();
        tx.move_enrollments(Vec::new(), seed::at(201)).await.unwrap();
        let words = |run: &EnrollmentRow| EnrollmentRow {
            waiting_for: run.waiting_for.clone().map(|text| text.replace('\0', "\u{fffd}")),
            ..run.clone()
        };
        let after = tx.lock_enrollments(scene.runs.to_vec()).await.unwrap();
        assert_eq!(after[..2], [words(&moved[0]), words(&moved[1])], "{}", scene.fresh.name);
        assert_eq!(after[2], before[2]);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_many_replies_need_is_read_at_once() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let thread = seed::thread(&scene.fresh, &scene.clock, scene.bo, 9).await;
        let other = seed::message_in(&scene.fresh, &scene.clock, &thread, 9).await;
        let mut tx = scene.fresh.store.begin("test.replies").await.unwrap();
        let strange = MessageId(scene.clock.new_id());
        let ids = vec![scene.mail[1], other, strange];
        let mut found: Vec<MessageId> = tx.find_answered(ids.clone()).await.unwrap().iter().map(|a| a.id).collect();
        found.sort();
        assert_eq!(found, [scene.mail[1], other], "{}", scene.fresh.name);
        let refs = tx.list_reference_ids(ids).await.unwrap();
        let of = |id: MessageId| refs.iter().filter(|(of, _)| *of == id).map(|(_, r)| r.clone()).collect::<Vec<_>>();
        let ids = |ids: &[MessageId]| ids.iter().map(|id| format!("{}@example.org", id.0.simple())).collect::<Vec<_>>();
        // All of the thread, oldest first; nothing of another.
        assert_eq!((of(scene.mail[1]), of(other)), (ids(&scene.mail), ids(&[other])));
        tx.touch_written_to(vec![(scene.ana, seed::at(500)), (scene.bo, seed::at(600))]).await.unwrap();
        tx.touch_written_to(vec![(scene.ana, seed::at(400))]).await.unwrap();
        tx.touch_written_to(Vec::new()).await.unwrap();
        for (who, at) in [(scene.ana, 500), (scene.bo, 600)] {
            let row = tx.get_influencer(who).await.unwrap().unwrap();
            assert_eq!((row.awaiting, row.last_message_at), (Some(Awaiting::Them), Some(seed::at(at))));
        }
        tx.commit().await.unwrap();
    }
}
