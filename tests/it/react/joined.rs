//! Two at once, and two who are one: enrolling the same person twice, joining two records.

use super::*;
use liaison::domain::words::HoldSource;
use liaison::hub::outreach::enroll::{Outcome, Refusal};
use liaison::hub::people::{NewSuppression, merge, suppress_address, unmerge};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_enroll_somebody_at_once_one_does_and_the_other_is_told() {
    for fresh in stores::both().await {
        let desk = Desk::new(fresh).await;
        let mut tx = desk.fresh.store.begin("test.publish").await.unwrap();
        let body = serde_json::to_string(&definition()).unwrap();
        tx.publish_sequence("spring", "hash-of-spring", &body, desk.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let all: Vec<InfluencerId> = desk.people.values().copied().collect();
        for who in all {
            let one = || {
                let (store, clock) = (desk.fresh.store.clone(), desk.clock.clone());
                tokio::spawn(async move {
                    let mut tx = store.begin("test.enroll").await.unwrap();
                    let done = enroll(&mut tx, &clock, "spring", &[who], Again::Refused).await.unwrap();
                    tx.commit().await.unwrap();
                    done
                })
            };
            let (a, b) = (one(), one());
            let mut done: Vec<Outcome> = a.await.unwrap();
            done.extend(b.await.unwrap());
            let began: Vec<_> = done.iter().filter_map(|o| o.result.as_ref().ok()).collect();
            assert_eq!(began.len(), 1, "{}: {done:?}", desk.fresh.name);
            assert!(done.iter().any(|o| o.result == Err(Refusal::AlreadyIn)), "{done:?}");
            let mut tx = desk.fresh.store.read().await.unwrap();
            assert!(tx.get_enrollment(*began[0]).await.unwrap().is_some(), "what was told is there");
        }
        let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM event WHERE type = 'enrollment.started'";
        assert_eq!(desk.count(sql).await, 4, "{}", desk.fresh.name);
    }
}

#[tokio::test]
async fn a_joined_record_brings_its_no_and_its_holds_and_takes_them_back() {
    for desk in both().await {
        let (ana, di) = (desk.people["ana"], desk.people["di"]);
        let away = json!({"kind": "out_of_office", "role": "author", "waiting": null});
        learn(&desk, "di", EventType::MessageReceived, None, away).await;
        let until = held(&desk, "di").await.unwrap().0;
        // Afterwards they have the runs of both.
        let own = run_of(&desk, "ana").await.id;
        let mut tx = desk.fresh.store.begin("test.merge").await.unwrap();
        let no = NewSuppression {
            address: "di@example.org".into(),
            reason: SuppressionReason::OptedOut,
            evidence: "said so".into(),
        };
        suppress_address(&mut tx, &desk.clock, no).await.unwrap();
        let hand = desk.clock.now().plus(Duration::from_hours(24));
        hold::hold_by_hand(&mut tx, &desk.clock, ana, (hand, Some("on tour")), "kim").await.unwrap();
        merge(&mut tx, &desk.clock, ana, di, "kim").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(held(&desk, "ana").await, Some((until, "out of office".into())), "{}", desk.fresh.name);
        let sources = async || -> Vec<(HoldSource, Option<Micros>)> {
            let mut tx = desk.fresh.store.read().await.unwrap();
            let rows = tx.list_hold_sources(vec![ana]).await.unwrap();
            rows.into_iter().map(|hold| (hold.source, hold.until)).collect()
        };
        let both = [(HoldSource::Away, Some(until)), (HoldSource::Hand, Some(hand))];
        assert_eq!(sources().await, both, "what a rule set stays a rule's");
        let run = desk.fresh.store.read().await.unwrap().get_enrollment(own).await.unwrap().unwrap();
        assert_eq!(run.exit_reason.as_deref(), Some("opted out"), "{}", desk.fresh.name);
        let suppressed = async || {
            let mut tx = desk.fresh.store.read().await.unwrap();
            tx.suppressed(Channel::Email, vec!["ana@example.org".into()]).await.unwrap().len()
        };
        assert_eq!(suppressed().await, 1, "a no holds for all addresses of a person");
        let mut tx = desk.fresh.store.begin("test.unmerge").await.unwrap();
        unmerge(&mut tx, &desk.clock, di, "kim").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(sources().await, [(HoldSource::Hand, Some(hand))], "{}", desk.fresh.name);
        assert_eq!(held(&desk, "ana").await, Some((hand, "on tour".into())));
        assert_eq!(suppressed().await, 0);
        assert_eq!(held(&desk, "di").await.map(|(until, _)| until), Some(until));
    }
}

/// The step that was answered is known, in whatever thread the answer stands: by the references of the mail alone, and of a
/// message whose writer became known later.
#[tokio::test]
async fn a_step_learns_that_it_was_answered_by_references_and_late() {
    for desk in both().await {
        let mut answered = Vec::new();
        for (n, who) in ["ana", "bo"].into_iter().enumerate() {
            let clock = &desk.clock;
            let thread = crate::seed::thread(&desk.fresh, clock, desk.people[who], 1).await;
            let mut mail = crate::seed::message(clock, thread.conversation_id, 2);
            mail.direction = liaison::domain::words::Direction::Outbound;
            mail.internet_message_id = Some(format!("step{n}@acme.example"));
            let id = mail.id;
            let part = (desk.people[who], thread.id, liaison::domain::words::Role::Recipient);
            crate::seed::put(&desk.fresh, mail, vec![part]).await;
            let run = run_of(&desk, who).await.id;
            crate::seed::outbox(&desk.fresh, id, "confirmed").await;
            let sql = "UPDATE outbox SET enrollment_id = $2, step = 'intro' WHERE id = $1";
            crate::seed::run(&desk.fresh, sql, &[id.0, run.0]).await;
            let mut tx = desk.fresh.store.begin("test.step").await.unwrap();
            let step = liaison::store::outreach::enrollment::StepRow {
                enrollment_id: run,
                step: "intro".into(),
                state: liaison::domain::words::StepState::Sent,
                kind: "email".into(),
                variant: None,
                planned_at: None,
                shifts: None,
                completed_at: Some(clock.now()),
                message_id: Some(id),
                task_id: None,
                reason: None,
                opened_at: None,
                clicked_at: None,
                replied_at: None,
            };
            tx.insert_steps(vec![step]).await.unwrap();
            // The run is over by the time they answer.
            let why = liaison::hub::outreach::ExitReason::ByHand("kim".into());
            liaison::hub::outreach::stop_run(&mut tx, clock, run, &why).await.unwrap();
            tx.commit().await.unwrap();
            answered.push(run);
        }
        let replied = async |n: usize| {
            let mut tx = desk.fresh.store.read().await.unwrap();
            tx.list_steps(vec![answered[n]]).await.unwrap()[0].replied_at.is_some()
        };
        let mails = [
            reply(
                "ana@example.org",
                "k1",
                "References: <other@x.example> <step0@acme.example>",
                "Gladly, tell me more.",
            ),
            reply("bo@home.example", "k2", "In-Reply-To: <step1@acme.example>", "Gladly, tell me more."),
        ];
        desk.drop_into(FolderRole::Inbox, &mails).await;
        assert_eq!((replied(0).await, replied(1).await), (true, false), "{}", desk.fresh.name);
        let message = desk.one("Re: Shoes k2").await.id;
        let mut tx = desk.fresh.store.begin("test.match").await.unwrap();
        let stages = KnownStages { start: "prospect".into(), ids: vec![] };
        let whose = Whose::Influencer(desk.people["bo"]);
        match_message(&mut tx, &desk.clock, &stages, message, (whose, "kim")).await.unwrap();
        tx.commit().await.unwrap();
        assert!(replied(1).await, "{}", desk.fresh.name);
    }
}
