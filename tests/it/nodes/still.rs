//! A node that stands still inside a transaction keeps its locks, among them the one that everybody takes who stores a mail or puts
//! one into the outbox. The others go on while it still stands, and lose no lease meanwhile.

use std::time::{Duration, Instant};

use super::{Measure, NODES, PATIENCE, Proof, watch};
use crate::daemon::{Answer, Daemon};
use crate::ledger::{count, outbox, rows};
use crate::mail_record::SubmissionLog;
use crate::{peers, stores};
use liaison::store::Place;
use serde_json::json;

/// Mails of which the node stands still while it stores some.
const GOING_IN: usize = 600;
/// Messages that the others are asked to send, and mails that they are to store, while it stands still.
const MEANWHILE: usize = 20;

/// Which node reads the mailboxes of the two accounts, where both have a reader.
async fn readers(proof: &Proof) -> Option<[usize; 2]> {
    let sql = "SELECT name, holder::text FROM lease WHERE name LIKE 'poll:%' AND holder IS NOT NULL \
        AND until >= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint ORDER BY name";
    let held: Vec<(String, String)> = rows(&proof.nodes[0].fresh.place, sql).await;
    let node = |(_, holder): &(String, String)| (0..NODES).find(|n| proof.nodes[*n].run() == *holder);
    <[usize; 2]>::try_from(held.iter().filter_map(node).collect::<Vec<_>>()).ok()
}

/// Until each mailbox has a reader of its own: a lease that nobody has any more is taken by whoever asks first.
async fn await_two_readers(proof: &Proof) -> [usize; 2] {
    let until = Instant::now() + PATIENCE;
    loop {
        match readers(proof).await {
            Some([hub, server]) if hub != server => return [hub, server],
            Some(_) => {
                let stores::Raw::Postgres(mut raw) = stores::raw_connection(&proof.nodes[0].fresh.place).await else {
                    unreachable!()
                };
                let end = "UPDATE lease SET holder = NULL, until = 0 WHERE name = 'poll:server'";
                sqlx::query(end).execute(&mut raw).await.unwrap();
            }
            None => {}
        }
        assert!(Instant::now() < until, "one node reads both: {}", proof.nodes[0].last_words());
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

/// Makes it stand still in a transaction, with the lock of conversations in its hand.
async fn stand_still(place: &Place, node: usize, daemon: &Daemon) {
    let until = Instant::now() + PATIENCE;
    let sql = "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' \
        AND l.granted AND l.objid = 7310 AND a.datname = current_database() AND a.state = 'idle in transaction'";
    loop {
        daemon.signal("-STOP");
        let holders: Vec<(String,)> = rows(place, sql).await;
        if holders.iter().any(|(name,)| *name == watch::name_of(node)) {
            return;
        }
        daemon.signal("-CONT");
        assert!(Instant::now() < until, "it is never in a transaction");
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
}

fn deliver(proof: &Proof, to: usize, prefix: &str, mails: usize) {
    let account = &proof.accounts[to];
    let mails: Vec<String> = (0..mails)
        .map(|n| {
            format!(
                "From: Person <{}>\r\nTo: <{}>\r\nSubject: Offer {n}\r\nMessage-ID: <{prefix}-{n}@example.test>\r\n\
                 Date: Mon, 2 Mar 2026 09:00:00 +0000\r\n\r\nHello, this is mail {n}.\r\n",
                proof.people[n % proof.people.len()],
                account.address
            )
        })
        .collect();
    proof.peer.deliver_all(mails.iter().map(String::as_bytes), &account.address);
}

#[test]
fn a_node_that_stands_still_in_a_transaction_holds_nobody_up() {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(fresh) = runtime.block_on(stores::postgres()) else {
        return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
    };
    let inbound = GOING_IN + MEANWHILE;
    let measure = Measure { deaths: 1, sends: MEANWHILE, inbound, seed: 1, lease: 24, still_every: 1 };
    let proof = runtime.block_on(Proof::new(peer, fresh, measure));
    let log = SubmissionLog::from_now(&proof.peer);
    let place = proof.nodes[0].fresh.place.clone();
    let daemons: Vec<Daemon> = (proof.nodes.iter())
        .map(|node| {
            let mut daemon = node.start();
            node.await_up(&mut daemon);
            daemon
        })
        .collect();
    let [still, living] = runtime.block_on(await_two_readers(&proof));
    let lease = "SELECT holder::text, fence FROM lease WHERE name = 'poll:server'";
    let before: Vec<(String, i64)> = runtime.block_on(rows(&place, lease));
    std::thread::scope(|scope| {
        scope.spawn(|| deliver(&proof, 0, "before", GOING_IN));
        runtime.block_on(stand_still(&place, still, &daemons[still]));
    });
    let stopped_at = Instant::now();
    deliver(&proof, 1, "meanwhile", MEANWHILE);
    for n in 0..MEANWHILE {
        let node = (0..NODES).filter(|node| *node != still).nth(n % (NODES - 1)).unwrap();
        let order = json!({
            "account": proof.accounts[n % 2].name,
            "to": [{"name": "Person", "address": proof.people[n]}],
            "subject": format!("Message {n}"),
            "text": "Would you like to try the new shoes?\n"
        });
        let answer = proof.nodes[node].call("POST", "/v1/messages", Some(&order));
        assert!(matches!(answer, Answer::Said(202, _)), "{answer:?} of node {node}");
    }
    let until = Instant::now() + PATIENCE;
    let stored = "SELECT COUNT(*) FROM message WHERE internet_message_id LIKE '%meanwhile-%'";
    let confirmed = "SELECT COUNT(*) FROM outbox WHERE status = 'confirmed'";
    let both = || [stored, confirmed].map(|sql| runtime.block_on(count(&place, sql)) as usize);
    while both() != [MEANWHILE; 2] {
        assert!(Instant::now() < until, "stored and sent: {:?}\n{}", both(), proof.nodes[living].last_words());
        std::thread::sleep(Duration::from_millis(50));
    }
    let after: Vec<(String, i64)> = runtime.block_on(rows(&place, lease));
    println!("the others were done after {:.1?}; a lease is {} s", stopped_at.elapsed(), measure.lease);
    assert_eq!(before, after, "the living node lost its lease");
    daemons[still].signal("-CONT");
    runtime.block_on(proof.await_finish(&log));
    proof.note_runs();
    let written = runtime.block_on(watch::Written::read(&place, &proof.ran.lock().unwrap()));
    assert!(written.stale.is_empty(), "{:?}", written.stale);
    let twice = "SELECT COUNT(*) FROM (SELECT 1 FROM message WHERE direction = 'inbound' GROUP BY internet_message_id HAVING COUNT(*) > 1) AS t";
    assert_eq!(runtime.block_on(count(&place, twice)), 0, "stored twice");
    assert_eq!(runtime.block_on(outbox(&place)).len(), MEANWHILE);
}
