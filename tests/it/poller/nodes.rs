//! Two nodes on one database.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Post, Reach, from_ana, peers, stores, until};
use crate::fault::{Fault, Proxy};
use liaison::telemetry::metrics;

#[tokio::test(flavor = "multi_thread")]
async fn poller_of_a_node_that_died_is_taken_over_and_nothing_is_stored_twice() {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let Some(fresh) = stores::postgres().await else { return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    let mut post = Post::new(&peer, fresh, Reach::All).await;
    post.settings.pace.lease = Duration::from_secs(3);
    post.deliver("", (0..300).map(|n| from_ana(&format!("m{n}"), 900)).collect()).await;
    let first = post.read();
    post.until_messages(300).await;
    // The second node goes through a proxy of its own, so that its connections can be told.
    let first_proxy = std::mem::replace(&mut post.proxy, Proxy::start(&peer.host, peer.imap, Fault::None).await);
    let second = post.read();
    for n in 0..6 {
        post.deliver("", vec![from_ana(&format!("one{n}"), 900)]).await;
        post.until_messages(301 + n).await;
        // Two leases' time in all.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(post.proxy.connections.load(Ordering::SeqCst), 0, "only one node reads");

    let read = "SELECT COUNT(*) FROM lease WHERE name = 'poll:brand' AND fence = 1 AND read_until > until";
    assert_eq!(post.count(read).await, 1, "the first node noted that it was at the end");

    first.task.abort();
    post.deliver("", (0..50).map(|n| from_ana(&format!("two{n}"), 900)).collect()).await;
    post.until_messages(356).await;
    until("the second node", async || {
        let n = post.proxy.connections.load(Ordering::SeqCst);
        (n > 0).then_some(()).ok_or(n)
    })
    .await;
    post.until_counted("INBOX", 356).await;
    assert_eq!(post.count("SELECT COUNT(*) FROM delivery").await, 356);
    assert_eq!(post.events("message.received").await, 56);
    assert_eq!(post.events("account.up").await, 1, "it was never down");
    assert_eq!(post.count("SELECT fence FROM lease WHERE name = 'poll:brand'").await, 2);
    let read = "SELECT COUNT(*) FROM lease WHERE name = 'poll:brand' AND fence = 2 AND read_until > until";
    until("the second node at the end", async || {
        let n = post.count(read).await;
        (n > 0).then_some(()).ok_or(n)
    })
    .await;
    drop(first_proxy);
    second.end().await;
}

/// How often a write under the lease of the mailbox was refused in this process.
fn refusals() -> f64 {
    let page = metrics::Page::default().render();
    let series = "liaison_lease_refused_writes_total{lease=\"poll:brand\"} ";
    page.lines().find_map(|line| line.strip_prefix(series)?.parse().ok()).unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_poller_writes_after_another_took_its_lease_is_refused() {
    let Some(peer) = peers::mail() else { return peers::skip("mail server (LIAISON_TEST_MAIL)") };
    let Some(fresh) = stores::postgres().await else { return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    // A lease of a minute: it is not renewed before mail comes.
    let post = Post::new(&peer, fresh, Reach::All).await;
    let reading = post.read();
    post.until_synced().await;
    let change = async |sql: &'static str| {
        let stores::Raw::Postgres(mut raw) = stores::raw_connection(&post.fresh.place).await else { unreachable!() };
        sqlx::query(sql).execute(&mut raw).await.unwrap();
    };
    change("UPDATE lease SET holder = gen_random_uuid(), fence = fence + 1, until = until + 3600000000 WHERE name = 'poll:brand'").await;
    let before = refusals();
    post.deliver("", vec![from_ana("late", 900)]).await;
    until("a write that is refused", async || {
        let now = refusals();
        (now > before).then_some(()).ok_or(now)
    })
    .await;
    assert_eq!(post.messages().await, 0, "stored under the lease of another");
    assert_eq!(post.count("SELECT fence FROM lease WHERE name = 'poll:brand'").await, 2);
    // The other is gone: whoever asks first reads on.
    change("UPDATE lease SET until = 0 WHERE name = 'poll:brand'").await;
    post.until_messages(1).await;
    assert_eq!(post.count("SELECT fence FROM lease WHERE name = 'poll:brand'").await, 3);
    reading.end().await;
}
