//! A server that numbers a folder anew: what is known is recognised by its headers, what is new is new.

use super::{DAY, Post, Reach, from_ana, octets, on_both, until};
use crate::fault::Fault;

/// Reads `old` mails, of which the last tenth came while we were reading; then 20 more come, and a new UIDVALIDITY.
async fn renumbered(post: Post, old: usize, size: usize) {
    let (early, live) = (old - old / 10, old / 10);
    post.deliver("", (0..early).map(|n| from_ana(&format!("old{n}"), size)).collect()).await;
    let reading = post.read();
    post.until_messages(early as i64).await;
    post.until_counted("INBOX", early as i64).await;
    post.deliver("", (0..live).map(|n| from_ana(&format!("live{n}"), size)).collect()).await;
    post.until_messages(old as i64).await;
    post.until_counted("INBOX", old as i64).await;
    assert_eq!(post.events("message.received").await, live as i64);
    reading.end().await;
    let whole = octets(&post.proxy);

    post.proxy.set(Fault::None);
    post.deliver("", (0..20).map(|n| from_ana(&format!("new{n}"), size)).collect()).await;
    post.renumber().await;
    let reading = post.read();
    let all = old as i64 + 20;
    post.until_messages(all).await;
    post.until_counted("INBOX", all).await;
    let again = octets(&post.proxy) - whole;
    assert_eq!(post.messages().await, all);
    assert_eq!(post.events("message.received").await, (live + 20) as i64, "the new ones fire, the old ones do not");
    assert_eq!(post.count("SELECT COUNT(*) FROM delivery").await, all, "{}", post.fresh.name);
    assert_eq!(post.count("SELECT COUNT(DISTINCT message_id) FROM delivery").await, all);
    assert_eq!(post.count("SELECT COUNT(DISTINCT uid_validity) FROM delivery").await, 1);
    println!("{}: {old} mails of {size}: {whole} octets at first, {again} after UIDVALIDITY changed", post.fresh.name);
    // Headers of all, bodies of 20.
    assert!(again < (all as u64) * 500 + 20 * (size as u64 + 600) + 20_000, "{again} octets: bodies came again");

    post.deliver("", vec![from_ana("after", 500)]).await;
    post.until_messages(all + 1).await;
    assert_eq!(post.events("message.received").await, (live + 21) as i64);
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_folder_with_another_uidvalidity_loses_nothing_and_fires_for_new_mail_alone() {
    on_both!(Reach::Back(30 * DAY), async |post: Post, share: usize| renumbered(post, 5_000 / share, 3_000).await);
}

async fn renumbered_without_backfill(post: Post, _share: usize) {
    post.deliver("", vec![from_ana("past", 500)]).await;
    let reading = post.read();
    post.until_counted("INBOX", 0).await;
    post.deliver("", (0..5).map(|n| from_ana(&format!("seen{n}"), 500)).collect()).await;
    post.until_messages(5).await;
    post.until_counted("INBOX", 5).await;
    reading.end().await;
    post.deliver("", (0..5).map(|n| from_ana(&format!("between{n}"), 500)).collect()).await;
    post.deliver("Junk", vec![from_ana("junk", 500)]).await;
    post.renumber().await;
    let reading = post.read();
    // The one from before is read as well: it came on the day of the last reading, and fires nothing if it is older.
    until("the mails between", async || {
        let sql = "SELECT COUNT(*) FROM message WHERE subject LIKE 'About between%' OR subject = 'About junk'";
        let found = post.count(sql).await;
        (found == 6).then_some(()).ok_or(found)
    })
    .await;
    reading.wake.notify_one();
    post.until_synced().await;
    assert_eq!(post.count("SELECT COUNT(*) FROM message WHERE subject LIKE 'About seen%'").await, 5);
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_folder_with_another_uidvalidity_loses_nothing_where_no_past_is_wanted() {
    on_both!(Reach::Nothing, renumbered_without_backfill);
}
