//! What keeps runs from being stranded asks of the store: those that are stuck, refused mail, tries, places, accounts.

use super::steer::run;
use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{EnrollmentId, InfluencerId, MessageId, RunId};
use liaison::domain::time::Micros;
use liaison::domain::words::{EnrollmentState, OutboxStatus, RecipientState};
use liaison::store::outreach::enrollment::EnrollmentRow;
use liaison::store::outreach::reservation::ReservationRow;
use liaison::store::outreach::round::Scope;
use liaison::store::reading::Page;
use liaison::store::reading::loose::LooseRules;
use stores::Fresh;

struct Scene {
    fresh: Fresh,
    clock: Clock,
    people: Vec<InfluencerId>,
    runs: Vec<EnrollmentId>,
    mail: Vec<MessageId>,
}

/// Three runs, each with a mail of its step `nudge` in the outbox.
async fn scene(fresh: Fresh) -> Scene {
    let clock = Clock::machine();
    let mut scene = Scene { fresh, clock, people: Vec::new(), runs: Vec::new(), mail: Vec::new() };
    let mut tx = scene.fresh.store.begin("test.stuck").await.unwrap();
    tx.publish_sequence("spring", "v1", "{}", seed::at(0)).await.unwrap();
    tx.commit().await.unwrap();
    for n in 1..=3 {
        let who = seed::influencer(&scene.fresh, &scene.clock).await;
        let thread = seed::thread(&scene.fresh, &scene.clock, who, n).await;
        let mail = seed::message_in(&scene.fresh, &scene.clock, &thread, n).await;
        seed::outbox(&scene.fresh, mail, "queued").await;
        let row = EnrollmentRow { anchor_at: seed::at(n), ..run(&scene.clock, who, "spring", "v1") };
        let mut tx = scene.fresh.store.begin("test.stuck").await.unwrap();
        tx.insert_enrollments(vec![row.clone()], seed::at(0)).await.unwrap();
        tx.commit().await.unwrap();
        let link = "UPDATE outbox SET enrollment_id = $1, step = 'nudge' WHERE id = $2";
        seed::run(&scene.fresh, link, &[row.id.0, mail.0]).await;
        scene.people.push(who);
        scene.runs.push(row.id);
        scene.mail.push(mail);
    }
    scene
}

impl Scene {
    async fn set(&self, n: usize, change: impl FnOnce(EnrollmentRow) -> EnrollmentRow) {
        let mut tx = self.fresh.store.begin("test.set").await.unwrap();
        let row = tx.lock_enrollment(self.runs[n]).await.unwrap().unwrap();
        tx.update_enrollment(change(row), seed::at(50)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn next_at(&self, n: usize) -> Option<Micros> {
        self.fresh.store.read().await.unwrap().get_enrollment(self.runs[n]).await.unwrap().unwrap().next_at
    }
}

#[tokio::test]
async fn stuck_runs_are_loose_ends_and_are_woken_those_that_stand_still_are_neither() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let stuck = |next: Option<Micros>| {
            move |r: EnrollmentRow| EnrollmentRow {
                state: EnrollmentState::Held,
                waiting_for: Some("a value".into()),
                next_at: next,
                ..r
            }
        };
        scene.set(0, stuck(None)).await;
        scene.set(1, stuck(Some(seed::at(9_000)))).await;
        scene.set(2, |r| EnrollmentRow { held_at: Some(seed::at(3)), ..stuck(None)(r) }).await;
        let mut tx = scene.fresh.store.begin("test.wake").await.unwrap();
        let slice = tx.list_loose_ends(&LooseRules::default(), seed::at(60), Page::oldest(1)).await.unwrap();
        assert_eq!(slice.data[0].enrollment_id, Some(scene.runs[0]), "{}: the oldest first", scene.fresh.name);
        assert_eq!((slice.data[0].since, slice.data[0].waiting_for.as_deref()), (seed::at(1), Some("a value")));
        let page = Page::oldest(9).after(slice.next);
        let rest = tx.list_loose_ends(&LooseRules::default(), seed::at(60), page).await.unwrap().data;
        assert_eq!(rest.iter().map(|l| l.enrollment_id).collect::<Vec<_>>(), [Some(scene.runs[1])]);
        assert_eq!(tx.wake_stuck_of(scene.people[1..].to_vec(), seed::at(70)).await.unwrap(), 1);
        assert_eq!(tx.wake_stuck(seed::at(80)).await.unwrap(), 1, "one is due already");
        // Whoever is due keeps the instant from which they go on.
        tx.wake_runs(scene.runs.clone(), seed::at(90)).await.unwrap();
        tx.commit().await.unwrap();
        let next = [scene.next_at(0).await, scene.next_at(1).await, scene.next_at(2).await];
        assert_eq!(next, [Some(seed::at(80)), Some(seed::at(70)), Some(seed::at(90))]);
    }
}

#[tokio::test]
async fn rounds_go_over_live_runs_in_batches_and_remember_how_far_they_came() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        // One that is over, one that somebody paused, and one for which time stands still already.
        scene.set(0, |r| EnrollmentRow { state: EnrollmentState::Paused, held_at: Some(seed::at(2)), ..r }).await;
        scene.set(1, |r| EnrollmentRow { anchor_at: seed::at(60), ..r }).await;
        let mut tx = scene.fresh.store.begin("test.round").await.unwrap();
        tx.begin_round("hold:sequence:spring", seed::at(40)).await.unwrap();
        tx.insert_pause("all", "a look", seed::at(41)).await.unwrap();
        assert_eq!(tx.list_pauses().await.unwrap().len(), 1, "a round is no pause");
        let round = tx.lock_round("hold:sequence:spring").await.unwrap().unwrap();
        assert_eq!((round.at, round.after().0), (seed::at(40), uuid::Uuid::nil()));
        let mut runs = scene.runs.clone();
        runs.sort();
        for scope in [Scope::Sequence("spring"), Scope::All] {
            assert_eq!(tx.lock_live_ids(scope, round.after(), 2).await.unwrap(), runs[..2], "{}", scene.fresh.name);
            assert_eq!(tx.lock_live_ids(scope, runs[1], 2).await.unwrap(), runs[2..]);
        }
        assert!(tx.lock_live_ids(Scope::Sequence("autumn"), round.after(), 2).await.unwrap().is_empty());
        let account = tx.get_enrollment(runs[0]).await.unwrap().unwrap().account;
        assert_eq!(tx.lock_live_ids(Scope::Account(&account), runs[0], 9).await.unwrap(), runs[1..]);
        assert!(tx.lock_live_ids(Scope::Account("nobody"), round.after(), 9).await.unwrap().is_empty());
        tx.move_round("hold:sequence:spring", runs[1]).await.unwrap();
        assert_eq!(tx.list_rounds().await.unwrap()[0].after(), runs[1]);
        tx.begin_round("hold:sequence:spring", seed::at(50)).await.unwrap();
        let anew = tx.list_rounds().await.unwrap();
        assert_eq!((anew.len(), anew[0].at, anew[0].after().0), (1, seed::at(50), uuid::Uuid::nil()));
        tx.hold_runs(runs, seed::at(50)).await.unwrap();
        let mut held = Vec::new();
        for run in &scene.runs {
            let row = tx.get_enrollment(*run).await.unwrap().unwrap();
            held.push((row.held_at, row.next_at));
        }
        // Since the pause, since the wait began, or since it stood still for another reason.
        let at = |n| (Some(seed::at(n)), None);
        assert_eq!(held, [at(2), at(60), at(50)], "{}", scene.fresh.name);
        tx.wake_runs(scene.runs.clone(), seed::at(70)).await.unwrap();
        let woken = tx.lock_enrollments(scene.runs.clone()).await.unwrap();
        assert_eq!(woken.iter().filter(|r| r.next_at == Some(seed::at(70))).count(), 2, "not who is paused");
        assert!(tx.end_round("hold:sequence:spring").await.unwrap());
        assert!(!tx.end_round("hold:sequence:spring").await.unwrap());
        let states = async |tx: &mut liaison::store::Tx, at_most: i64| {
            let some = tx.lock_some_of_sequence("spring", at_most).await.unwrap();
            some.into_iter().map(|r| r.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&mut tx, 1).await, [EnrollmentState::Active]);
        assert_eq!(states(&mut tx, 9).await, [EnrollmentState::Active; 2], "{}", scene.fresh.name);
        assert!(tx.lock_some_of_sequence("autumn", 9).await.unwrap().is_empty());
        assert!(tx.list_ending().await.unwrap().is_empty());
        tx.remove_sequence("spring", seed::at(80)).await.unwrap();
        assert_eq!(tx.list_ending().await.unwrap(), ["spring"]);
        for run in tx.lock_some_of_sequence("spring", 9).await.unwrap() {
            tx.update_enrollment(EnrollmentRow { state: EnrollmentState::Exited, ..run }, seed::at(81)).await.unwrap();
        }
        assert_eq!(states(&mut tx, 9).await, [EnrollmentState::Paused], "those as well, in the end");
    }
}

#[tokio::test]
async fn refused_mail_is_put_back_and_its_tries_are_counted_anew() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let mail = scene.mail[0];
        let mut tx = scene.fresh.store.begin("test.reopen").await.unwrap();
        assert!(!tx.reopen_outbox(mail, seed::at(5), "again").await.unwrap(), "it was not refused");
        tx.commit().await.unwrap();
        let refused =
            "UPDATE outbox SET status = 'rejected', failures = 4, first_try_at = 7, finished_at = 9 WHERE id = $1";
        seed::run(&scene.fresh, refused, &[mail.0]).await;
        let insert = "INSERT INTO outbox_recipient (outbox_id, position, address, address_key, name, state) \
            VALUES ($1, 7, 'a@example.org', 'a@example.org', '', 'rejected')";
        seed::run(&scene.fresh, insert, &[mail.0]).await;
        let mut tx = scene.fresh.store.begin("test.reopen").await.unwrap();
        assert!(tx.reopen_outbox(mail, seed::at(5), "again").await.unwrap(), "{}", scene.fresh.name);
        let row = tx.get_outbox(mail).await.unwrap().unwrap();
        assert_eq!((row.status, row.due_at, row.failures), (OutboxStatus::Queued, seed::at(5), 0));
        assert_eq!((row.first_try_at, row.finished_at, row.detail.as_deref()), (None, None, Some("again")));
        let recipients = tx.list_recipients(vec![mail]).await.unwrap();
        assert_eq!(recipients.iter().find(|r| r.position == 7).unwrap().state, RecipientState::Pending);
    }
}

#[tokio::test]
async fn sent_mail_is_listed_newest_first_up_to_an_instant() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        for (mail, at) in scene.mail.iter().zip([40, 20, 30]) {
            let sent =
                format!("UPDATE outbox SET status = 'confirmed', finished_at = {} WHERE id = $1", seed::at(at).0);
            seed::run(&scene.fresh, &sent, &[mail.0]).await;
        }
        let mut tx = scene.fresh.store.read().await.unwrap();
        let account = tx.get_outbox(scene.mail[0]).await.unwrap().unwrap().account;
        let token = async |n: usize| {
            let mut tx = scene.fresh.store.read().await.unwrap();
            tx.get_outbox(scene.mail[n]).await.unwrap().unwrap().token
        };
        let listed = |rows: Vec<(String, Option<String>)>| rows.into_iter().map(|(token, _)| token).collect::<Vec<_>>();
        let all = listed(tx.list_sent_before(&account, seed::at(30), 9).await.unwrap());
        assert_eq!(all, [token(2).await, token(1).await], "{}", scene.fresh.name);
        assert_eq!(listed(tx.list_sent_before(&account, seed::at(90), 1).await.unwrap()), [token(2).await]);
        assert!(tx.list_sent_before("nobody", seed::at(90), 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn tries_leave_out_a_time_or_begin_anew() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        for mail in &scene.mail[..2] {
            seed::run(&scene.fresh, "UPDATE outbox SET first_try_at = 100 WHERE id = $1", &[mail.0]).await;
        }
        let mut tx = scene.fresh.store.begin("test.tries").await.unwrap();
        tx.shift_tries(scene.runs[0], 11).await.unwrap();
        tx.shift_tries(scene.runs[2], 11).await.unwrap();
        let mut first = Vec::new();
        for mail in &scene.mail {
            first.push(tx.get_outbox(*mail).await.unwrap().unwrap().first_try_at);
        }
        assert_eq!(first, [Some(Micros(111)), Some(Micros(100)), None], "{}", scene.fresh.name);
        let account = tx.get_outbox(scene.mail[0]).await.unwrap().unwrap().account;
        tx.restart_tries("another").await.unwrap();
        assert!(tx.get_outbox(scene.mail[0]).await.unwrap().unwrap().first_try_at.is_some());
        tx.restart_tries_of(scene.mail[1]).await.unwrap();
        assert!(tx.get_outbox(scene.mail[1]).await.unwrap().unwrap().first_try_at.is_none());
        tx.restart_tries(&account).await.unwrap();
        assert!(tx.get_outbox(scene.mail[0]).await.unwrap().unwrap().first_try_at.is_none());
        assert_eq!(tx.list_waiting_accounts().await.unwrap(), [account]);
        tx.lock_runs_of(scene.mail.clone()).await.unwrap();
        tx.lock_runs_of(Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn rows_whose_lease_is_over_are_listed_without_a_lock() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let mut tx = scene.fresh.store.begin("test.expired").await.unwrap();
        let holder = RunId(scene.clock.new_id());
        assert_eq!(tx.claim_outbox(vec![scene.mail[0]], holder, -1).await.unwrap().len(), 1);
        assert_eq!(tx.claim_outbox(vec![scene.mail[1]], holder, 60).await.unwrap().len(), 1);
        assert_eq!(tx.list_expired_outbox(10).await.unwrap(), [scene.mail[0]], "{}", scene.fresh.name);
    }
}

#[tokio::test]
async fn places_between_two_instants_are_read_and_old_ones_forgotten() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let place = |id: uuid::Uuid, at: i64| ReservationRow {
            id,
            account: "brand".into(),
            sequence: Some("spring".into()),
            domain: "example.org".into(),
            first: false,
            pencilled: false,
            at: seed::at(at),
            gap: 0,
        };
        let new = || scene.clock.new_id();
        // The first is that of mail which still waits.
        let rows = vec![place(scene.mail[0].0, 1), place(new(), 2), place(new(), 3), place(new(), 4)];
        let mut tx = scene.fresh.store.begin("test.places").await.unwrap();
        tx.upsert_reservations(rows.clone()).await.unwrap();
        let span = (seed::at(2), seed::at(4));
        assert_eq!(tx.list_reservations_between("brand", span).await.unwrap(), rows[1..3], "{}", scene.fresh.name);
        assert_eq!(tx.list_reservations_of_sequence_between("spring", span).await.unwrap(), rows[1..3]);
        assert!(tx.list_reservations_between("other", span).await.unwrap().is_empty());
        assert_eq!(tx.prune_reservations(seed::at(4), 1).await.unwrap(), 1, "a batch");
        assert_eq!(tx.prune_reservations(seed::at(4), 10).await.unwrap(), 1);
        let left = tx.list_reservations("brand", seed::at(0)).await.unwrap();
        assert_eq!(left, [rows[0].clone(), rows[3].clone()]);
    }
}

#[tokio::test]
async fn newest_thread_of_each_says_the_account() {
    for fresh in stores::both().await {
        let clock = Clock::machine();
        let (ana, bo) = (seed::influencer(&fresh, &clock).await, seed::influencer(&fresh, &clock).await);
        for (at, account) in [(5, "late"), (1, "early")] {
            let thread = seed::thread(&fresh, &clock, ana, at).await;
            seed::run(&fresh, &format!("UPDATE thread SET account = '{account}' WHERE id = $1"), &[thread.id.0]).await;
        }
        let mut tx = fresh.store.read().await.unwrap();
        let known = tx.newest_accounts(vec![ana, bo]).await.unwrap();
        assert_eq!(known, [(ana, "late".to_owned())], "{}", fresh.name);
    }
}

#[tokio::test]
async fn runs_of_what_waits_for_another_message_keep_no_others_from_being_locked() {
    for fresh in stores::both().await {
        let scene = scene(fresh).await;
        let name = scene.fresh.name;
        // The first is on its way to a number that the second goes to as well; the third goes elsewhere.
        for (n, to) in [(0, "+14155550101"), (1, "+14155550101"), (2, "+14155550102")] {
            let sql =
                format!("UPDATE outbox_recipient SET address = '{to}', address_key = '{to}' WHERE outbox_id = $1");
            seed::run(&scene.fresh, &sql, &[scene.mail[n].0]).await;
        }
        seed::run(&scene.fresh, "UPDATE outbox SET status = 'claimed' WHERE id = $1", &[scene.mail[0].0]).await;
        let locked = async |account: &str, now: i64, at_most: i64| {
            let mut tx = scene.fresh.store.begin("test.stuck").await.unwrap();
            let rows = tx.lock_runs_of_free(account, (seed::at(now), seed::at(5)), at_most).await.unwrap();
            // Dropped, its locks would last until somebody rolls it back, and what is locked is left out.
            tx.commit().await.unwrap();
            rows.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(locked("brand", 9, 1).await, [scene.runs[2]], "{name}");
        assert_eq!(locked("brand", 9, 9).await, [scene.runs[2]], "{name}");
        assert_eq!(locked("other", 9, 9).await, [], "{name}: of another account");
        assert_eq!(locked("brand", 0, 9).await, [], "{name}: not due");
        let mut tx = scene.fresh.store.begin("test.stuck").await.unwrap();
        let free = tx.lock_due_free("brand", (seed::at(9), seed::at(5)), true, 9).await.unwrap();
        assert_eq!(free, [scene.mail[2]], "{name}: what is taken is what runs are locked for");
        tx.commit().await.unwrap();
        // With nothing on its way all of them go.
        seed::run(&scene.fresh, "UPDATE outbox SET status = 'queued' WHERE id = $1", &[scene.mail[0].0]).await;
        let mut all = scene.runs.clone();
        all.sort();
        assert_eq!(locked("brand", 9, 9).await, all, "{name}");
    }
}
