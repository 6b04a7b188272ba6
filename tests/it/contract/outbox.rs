//! The outbox keeps its promises on both databases: one holder, guarded records, leases that end.

use crate::tracking::enrollment;
use crate::{outbox_bench, seed};
use liaison::domain::ids::{LedgerId, RunId};
use liaison::domain::people::Suppression;
use liaison::domain::time::Micros;
use liaison::domain::words::{Channel, OutboxStatus, RecipientState, SuppressionReason};
use liaison::hub::settle::{self, SettleError, Settlement};
use liaison::outbound::reconcile;
use liaison::store::outbox::outcome::Outcome;
use liaison::store::outbox::{Grip, HandedOver};
use std::time::Duration;

fn grip(id: liaison::domain::ids::MessageId, holder: RunId) -> Grip {
    Grip { id, holder, attempt: 1 }
}

#[tokio::test]
async fn claim_gives_each_due_row_to_one_holder_in_order() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(5).await;
        let (a, b) = (RunId(bench.clock.new_id()), RunId(bench.clock.new_id()));
        let mut tx = bench.begin().await;
        let early = tx.claim_due("brand", a, Micros(bench.clock.now().0 - 1_000_000_000), (50, 60)).await.unwrap();
        assert!(early.is_empty(), "{}: nothing is due yet", bench.name());
        let first = tx.claim_due("brand", a, bench.clock.now(), (3, 60)).await.unwrap();
        assert_eq!(first.iter().map(|r| r.id).collect::<Vec<_>>(), ids[..3]);
        let second = tx.claim_due("brand", b, bench.clock.now(), (50, 60)).await.unwrap();
        assert_eq!(second.iter().map(|r| r.id).collect::<Vec<_>>(), ids[3..]);
        assert!(tx.claim_due("other", a, bench.clock.now(), (50, 60)).await.unwrap().is_empty());
        assert!(first.iter().all(|r| r.attempt == 1 && r.sender == "hello@brand.example"));
        tx.commit().await.unwrap();
    }
}

/// What somebody may have answered elsewhere is not known: what sequences say to them stays, and keeps no others waiting.
#[tokio::test]
async fn what_goes_to_whoever_talks_with_an_unread_account_stays_where_it_is() {
    for bench in outbox_bench::both().await {
        let name = bench.name();
        let ids = bench.enqueue(3).await;
        let (theirs, other) =
            (enrollment(&bench.fresh, &bench.clock).await, enrollment(&bench.fresh, &bench.clock).await);
        for (run, id) in [(theirs, ids[0]), (other, ids[1])] {
            let sql = "UPDATE outbox SET enrollment_id = $1, step = 'intro' WHERE id = $2";
            seed::run(&bench.fresh, sql, &[run.0, id.0]).await;
        }
        let mut tx = bench.begin().await;
        let person = tx.get_enrollment(theirs).await.unwrap().unwrap().influencer_id;
        tx.commit().await.unwrap();
        let thread = seed::thread(&bench.fresh, &bench.clock, person, 1).await;
        seed::run(&bench.fresh, "UPDATE thread SET account = 'texts' WHERE id = $1", &[thread.id.0]).await;
        let now = bench.clock.now();
        for (unread, open, runs) in [("texts", &ids[1..], vec![other]), ("desk", &ids[..], vec![theirs, other])] {
            let unread = [unread.to_owned()];
            let mut tx = bench.begin().await;
            assert_eq!(tx.lock_due_read("brand", now, &unread, 9).await.unwrap(), open, "{name}");
            assert_eq!(tx.lock_due_read("brand", now, &unread, 1).await.unwrap(), open[..1], "{name}");
            assert_eq!(tx.lock_due_free_read("brand", (now, now), &unread, 9).await.unwrap(), open, "{name}");
            let locked = tx.lock_runs_of_due_read("brand", now, &unread, 9).await.unwrap();
            assert_eq!(locked.iter().map(|run| run.id).collect::<Vec<_>>(), runs, "{name}");
            let locked = tx.lock_runs_of_free_read("brand", (now, now), &unread, 9).await.unwrap();
            assert_eq!(locked.iter().map(|run| run.id).collect::<Vec<_>>(), runs, "{name}");
            let waits = tx.find_talks_elsewhere(ids.clone(), unread.to_vec()).await.unwrap();
            let expected = if unread == ["texts"] { vec![(ids[0], "texts".to_owned())] } else { Vec::new() };
            assert_eq!(waits, expected, "{name}");
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn record_counts_only_for_the_attempt_that_holds_the_row() {
    for bench in outbox_bench::both().await {
        let id = bench.enqueue(1).await[0];
        let (a, b) = (RunId(bench.clock.new_id()), RunId(bench.clock.new_id()));
        let now = bench.clock.now();
        let mut tx = bench.begin().await;
        tx.claim_due("brand", a, now, (1, 60)).await.unwrap();
        assert!(tx.mark_handed_over(grip(id, b), now).await.unwrap().is_none());
        assert!(tx.mark_handed_over(Grip { attempt: 2, ..grip(id, a) }, now).await.unwrap().is_none());
        assert!(tx.mark_handed_over(grip(id, a), now).await.unwrap().is_some());
        assert!(tx.mark_handed_over(grip(id, a), now).await.unwrap().is_none(), "only once");
        let done = Outcome { finished_at: Some(now), ..Outcome::plain(OutboxStatus::Confirmed) };
        assert!(!tx.record_outbox(grip(id, b), &done).await.unwrap());
        assert!(tx.record_outbox(grip(id, a), &done).await.unwrap());
        assert!(!tx.record_outbox(grip(id, a), &done).await.unwrap(), "only once");
        assert_eq!(tx.get_outbox(id).await.unwrap().unwrap().status, OutboxStatus::Confirmed);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_handed_over_is_counted_in_the_same_transaction() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(3).await;
        let (run, now) = (RunId(bench.clock.new_id()), bench.clock.now());
        let of = |count: i64| HandedOver { account: "brand".to_owned(), count };
        let mut tx = bench.begin().await;
        assert_eq!(tx.list_handed_over().await.unwrap(), []);
        tx.claim_due("brand", run, now, (3, 60)).await.unwrap();
        assert_eq!(tx.mark_handed_over(grip(ids[0], run), now).await.unwrap(), Some(of(1)), "{}", bench.name());
        assert_eq!(tx.mark_handed_over(grip(ids[0], run), now).await.unwrap(), None, "only once");
        tx.commit().await.unwrap();
        let mut tx = bench.begin().await;
        assert_eq!(tx.mark_handed_over(grip(ids[1], run), now).await.unwrap(), Some(of(2)));
        drop(tx);
        let mut tx = bench.begin().await;
        assert_eq!(tx.list_handed_over().await.unwrap(), [of(1)], "what is taken back is not counted");
        tx.set_handed_over(&of(70)).await.unwrap();
        tx.set_handed_over(&HandedOver { account: "a".to_owned(), count: 5 }).await.unwrap();
        assert_eq!(tx.mark_handed_over(grip(ids[2], run), now).await.unwrap(), Some(of(71)));
        let all = tx.list_handed_over().await.unwrap();
        assert_eq!(all.iter().map(|row| row.count).collect::<Vec<_>>(), [5, 71]);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn lease_that_ran_out_requeues_what_was_claimed_and_marks_what_was_handed_over() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(3).await;
        let run = RunId(bench.clock.new_id());
        let now = bench.clock.now();
        let mut tx = bench.begin().await;
        tx.claim_due("brand", run, now, (2, 60)).await.unwrap();
        assert!(tx.mark_handed_over(grip(ids[1], run), now).await.unwrap().is_some());
        assert_eq!(reconcile::sweep(&mut tx, &bench.clock, Duration::ZERO).await.unwrap(), reconcile::Swept::default());
        // A lease of no length: over by the next statement.
        tx.renew_outbox(run, ids.clone(), -1).await.unwrap();
        assert!(
            tx.mark_handed_over(grip(ids[0], run), now).await.unwrap().is_none(),
            "{}: lease is over",
            bench.name()
        );
        let swept = reconcile::sweep(&mut tx, &bench.clock, Duration::ZERO).await.unwrap();
        assert_eq!(swept, reconcile::Swept { requeued: 1, uncertain: 1 });
        assert_eq!(bench.status(&mut tx, ids[0]).await, OutboxStatus::Queued);
        assert_eq!(bench.status(&mut tx, ids[1]).await, OutboxStatus::Uncertain);
        assert_eq!(bench.status(&mut tx, ids[2]).await, OutboxStatus::Queued);
        // The answer came after all: what is known counts.
        let done = Outcome { finished_at: Some(now), ..Outcome::plain(OutboxStatus::Confirmed) };
        assert!(tx.record_outbox(grip(ids[1], run), &done).await.unwrap());
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn start_ends_the_leases_of_former_runs() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(120).await;
        let run = RunId(bench.clock.new_id());
        let mut tx = bench.begin().await;
        tx.claim_due("brand", run, bench.clock.now(), (120, 6_000)).await.unwrap();
        for id in &ids[..60] {
            assert!(tx.mark_handed_over(grip(*id, run), bench.clock.now()).await.unwrap().is_some());
        }
        let swept = reconcile::recover(&mut tx, &bench.clock).await.unwrap();
        assert_eq!(swept, reconcile::Swept { requeued: 60, uncertain: 60 });
        assert_eq!(
            tx.count_outbox("brand", &[OutboxStatus::Queued, OutboxStatus::Uncertain]).await.unwrap(),
            [(OutboxStatus::Queued, 60), (OutboxStatus::Uncertain, 60)]
        );
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn cancelled_row_can_not_be_handed_over_and_handed_over_row_can_not_be_cancelled() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(2).await;
        let run = RunId(bench.clock.new_id());
        let mut tx = bench.begin().await;
        tx.claim_due("brand", run, bench.clock.now(), (2, 60)).await.unwrap();
        assert_eq!(settle::cancel(&mut tx, &bench.clock, ids[0], "undo").await.unwrap(), OutboxStatus::Cancelled);
        assert!(tx.mark_handed_over(grip(ids[0], run), bench.clock.now()).await.unwrap().is_none());
        assert!(tx.mark_handed_over(grip(ids[1], run), bench.clock.now()).await.unwrap().is_some());
        let late = settle::cancel(&mut tx, &bench.clock, ids[1], "undo").await;
        assert!(matches!(late, Err(SettleError::State(OutboxStatus::HandedOver))), "{late:?}");
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn suppression_after_the_claim_still_stops_the_hand_over() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(2).await;
        let run = RunId(bench.clock.new_id());
        let mut tx = bench.begin().await;
        tx.claim_due("brand", run, bench.clock.now(), (2, 60)).await.unwrap();
        tx.commit().await.unwrap();
        bench.suppress(&outbox_bench::address(0)).await;
        let mut tx = bench.begin().await;
        assert!(tx.mark_handed_over(grip(ids[0], run), bench.clock.now()).await.unwrap().is_none());
        assert!(tx.mark_handed_over(grip(ids[1], run), bench.clock.now()).await.unwrap().is_some());
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_no_stops_what_goes_to_an_address_of_its_channel_whatever_channel_that_is() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(4).await;
        let keys = ["+14155550100", "+14155550101", "T1/U2", "T1/U3"];
        for (key, id) in keys.iter().zip(&ids) {
            let sql =
                format!("UPDATE outbox_recipient SET address = '{key}', address_key = '{key}' WHERE outbox_id = $1");
            crate::seed::run(&bench.fresh, &sql, &[id.0]).await;
        }
        let said = |(channel, key, scope): (Channel, &str, &str)| Suppression {
            id: LedgerId(bench.clock.new_id()),
            channel,
            value_key: key.to_owned(),
            scope: scope.to_owned(),
            reason: SuppressionReason::OptedOut,
            evidence: "a test".to_owned(),
            at: bench.clock.now(),
        };
        // The second one said no to something else.
        let rows = [(Channel::Sms, keys[0], "sms"), (Channel::Sms, keys[1], "email"), (Channel::Slack, keys[2], "all")];
        let (run, now) = (RunId(bench.clock.new_id()), bench.clock.now());
        let mut tx = bench.begin().await;
        tx.claim_due("brand", run, now, (4, 60)).await.unwrap();
        tx.insert_suppressions(&rows.map(said)).await.unwrap();
        let mut stopped: Vec<_> =
            tx.find_stopped_recipients(ids.clone()).await.unwrap().into_iter().map(|s| s.outbox_id).collect();
        stopped.sort();
        let mut expected = vec![ids[0], ids[2]];
        expected.sort();
        assert_eq!(stopped, expected, "{}", bench.name());
        let mut told = tx.outbox_suppressed(keys.map(str::to_owned).to_vec()).await.unwrap();
        told.sort();
        let no = |key: &str| (key.to_owned(), "opted_out".to_owned());
        assert_eq!(told, [no(keys[0]), no(keys[2])], "{}", bench.name());
        for (id, leaves) in ids.iter().zip([false, true, false, true]) {
            let left = tx.mark_handed_over(grip(*id, run), now).await.unwrap().is_some();
            assert_eq!(left, leaves, "{}: {id}", bench.name());
        }
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn recipients_who_said_no_and_addresses_that_died_are_told_apart() {
    for bench in outbox_bench::both().await {
        let owner = bench.influencer("crowd", "crowd@example.org").await;
        bench.addresses_of(owner, 3).await;
        let ids = bench.enqueue(4).await;
        bench.suppress(&outbox_bench::address(0)).await;
        let mut tx = bench.begin().await;
        for n in 0..2 {
            tx.set_address_dead(&outbox_bench::address(n), bench.clock.now(), "no such user").await.unwrap();
        }
        let told = |found: Vec<liaison::store::outbox::claim::StoppedRecipient>| {
            let mut all: Vec<_> = found.into_iter().map(|f| (f.outbox_id, f.reason)).collect();
            all.sort();
            all
        };
        let stopped = tx.find_stopped_recipients(ids.clone()).await.unwrap();
        assert_eq!(told(stopped), [(ids[0], "opted_out".to_owned())], "{}", bench.name());
        let dead = tx.find_dead_recipients(ids.clone()).await.unwrap();
        let why = || "no such user".to_owned();
        assert_eq!(told(dead), [(ids[0], why()), (ids[1], why())], "{}", bench.name());
        // What is decided already is not asked again.
        for id in &ids[..2] {
            tx.set_recipient(*id, 0, RecipientState::Suppressed, (None, None)).await.unwrap();
        }
        assert_eq!(tx.find_stopped_recipients(ids.clone()).await.unwrap(), []);
        assert_eq!(tx.find_dead_recipients(ids).await.unwrap(), []);
    }
}

#[tokio::test]
async fn person_settles_what_is_uncertain_and_nothing_else() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(4).await;
        let run = RunId(bench.clock.new_id());
        let mut tx = bench.begin().await;
        tx.claim_due("brand", run, bench.clock.now(), (3, 60)).await.unwrap();
        for id in &ids[..3] {
            assert!(tx.mark_handed_over(grip(*id, run), bench.clock.now()).await.unwrap().is_some());
            let unsure = Outcome { look_at: Some(bench.clock.now()), ..Outcome::plain(OutboxStatus::Uncertain) };
            assert!(tx.record_outbox(grip(*id, run), &unsure).await.unwrap());
        }
        assert_eq!(tx.list_uncertain("brand", bench.clock.now(), 50).await.unwrap().len(), 3);
        for (id, settlement, expected) in [
            (ids[0], Settlement::Sent, OutboxStatus::Confirmed),
            (ids[1], Settlement::SendAgain, OutboxStatus::Queued),
            (ids[2], Settlement::Drop, OutboxStatus::Cancelled),
        ] {
            assert_eq!(settle::settle_by_person(&mut tx, &bench.clock, id, settlement).await.unwrap(), expected);
            let again = settle::settle_by_person(&mut tx, &bench.clock, id, settlement).await;
            assert!(matches!(again, Err(SettleError::State(_))), "{again:?}");
        }
        let queued = settle::settle_by_person(&mut tx, &bench.clock, ids[3], Settlement::Drop).await;
        assert!(matches!(queued, Err(SettleError::State(OutboxStatus::Queued))), "{queued:?}");
        let recipients = tx.list_recipients(vec![ids[0]]).await.unwrap();
        assert_eq!(recipients[0].state, RecipientState::Accepted);
        // What its former holder says of an attempt that a person decided on does not count.
        let done = Outcome { finished_at: Some(bench.clock.now()), ..Outcome::plain(OutboxStatus::Confirmed) };
        assert!(!tx.record_outbox(grip(ids[1], run), &done).await.unwrap());
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_came_in_settles_what_is_uncertain() {
    for bench in outbox_bench::both().await {
        let ids = bench.enqueue(3).await;
        let run = RunId(bench.clock.new_id());
        let mut tx = bench.begin().await;
        tx.claim_due("brand", run, bench.clock.now(), (2, 60)).await.unwrap();
        for id in &ids[..2] {
            tx.mark_handed_over(grip(*id, run), bench.clock.now()).await.unwrap();
        }
        // Both are still in the hands of a living session: it will say itself.
        assert!(settle::settle_seen(&mut tx, &bench.clock, ids.clone()).await.unwrap().is_empty());
        tx.renew_outbox(run, vec![ids[0]], -1).await.unwrap();
        assert_eq!(settle::settle_seen(&mut tx, &bench.clock, ids.clone()).await.unwrap(), vec![ids[0]]);
        assert_eq!(bench.status(&mut tx, ids[0]).await, OutboxStatus::Confirmed);
        assert_eq!(bench.status(&mut tx, ids[1]).await, OutboxStatus::HandedOver);
        assert_eq!(bench.status(&mut tx, ids[2]).await, OutboxStatus::Queued);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn list_goes_back_page_by_page() {
    for bench in outbox_bench::both().await {
        let mut ids = bench.enqueue(7).await;
        ids.reverse();
        let mut tx = bench.begin().await;
        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let page = tx.list_outbox(Some(OutboxStatus::Queued), before, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            seen.extend(page.iter().map(|r| r.id));
        }
        assert_eq!(seen, ids, "{}", bench.name());
        assert_eq!(tx.list_outbox(None, None, 50).await.unwrap().len(), 7);
        drop(tx);
    }
}
