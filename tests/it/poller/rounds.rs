//! The first reading, and the comparison with the server.

use super::{DAY, Post, Reach, from_ana, mail_of, on_both, until};
use crate::seed;

/// The server's word for the day so many days ago.
fn day(post: &Post, ago: u32) -> String {
    post.clock.now().minus(ago * DAY).timestamp().strftime("%d-%b-%Y").to_string()
}

async fn backfill(post: Post, share: usize) {
    let old = 300 / share;
    // A third lies further back than we read.
    let days: Vec<String> = (0..old).map(|n| day(&post, if n < old / 3 { 60 } else { 20 })).collect();
    let junk_day = day(&post, 5);
    post.imap(move |imap| {
        for (n, day) in days.iter().enumerate() {
            imap.append("INBOX", day, &from_ana(&format!("old{n}"), 800));
        }
        imap.append("Junk", &junk_day, &from_ana("oldjunk", 800));
        imap.append("Sent", &junk_day, &mail_of("Ana <ana@example.org>", "oldsent", 800));
    })
    .await;
    let reading = post.read();
    let kept = (old - old / 3) as i64 + 1;
    post.until_messages(kept).await;
    post.until_counted("INBOX", kept - 1).await;
    post.until_counted("Junk", 0).await;
    assert_eq!(post.count("SELECT COUNT(*) FROM message WHERE backfilled").await, kept);
    assert_eq!(post.count("SELECT COUNT(*) FROM event WHERE type LIKE 'message.%' OR type LIKE 'thread.%'").await, 0);

    post.deliver("", vec![from_ana("new", 800)]).await;
    post.until_messages(kept + 1).await;
    assert_eq!(post.events("message.received").await, 1);
    // Junk is not watched: it is read together with the next news.
    post.deliver("Junk", vec![from_ana("newjunk", 800), mail_of("Eve <eve@example.org>", "spam", 800)]).await;
    reading.wake.notify_one();
    post.until_messages(kept + 2).await;
    post.until_counted("Junk", 2).await;
    assert_eq!(post.events("message.received").await, 2);
    assert_eq!(post.count("SELECT COUNT(*) FROM delivery WHERE message_id IS NULL AND left_out IS NOT NULL").await, 1);
    reading.end().await;
    println!("{}: {old} old mails, {kept} within reach, none fired", post.fresh.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_old_mail_within_reach_fires_nothing_and_the_next_mail_does() {
    on_both!(Reach::Back(30 * DAY), backfill);
}

/// Servers that make Junk for the first mail that goes there: it is no mail of the past.
async fn made_late(post: Post, _share: usize) {
    let junk_day = day(&post, 5);
    post.imap(move |imap| imap.append("Junk", &junk_day, &from_ana("oldjunk", 800))).await;
    let reading = post.read();
    post.until_synced().await;
    reading.end().await;
    // As if the folder had not been there until now.
    seed::run(&post.fresh, "DELETE FROM delivery WHERE folder_id IN (SELECT id FROM folder WHERE name = 'Junk')", &[])
        .await;
    seed::run(&post.fresh, "DELETE FROM folder WHERE name = 'Junk'", &[]).await;
    post.deliver("Junk", vec![from_ana("no", 800)]).await;
    let reading = post.read();
    post.until_counted("Junk", if matches!(post.settings.reach, Reach::All) { 2 } else { 1 }).await;
    assert_eq!(post.count("SELECT COUNT(*) FROM message WHERE subject = 'About no'").await, 1, "{}", post.fresh.name);
    assert_eq!(post.events("message.received").await, 1, "{}: what came now, not what lay there", post.fresh.name);
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_folder_that_is_made_late_is_read_and_fires_however_little_of_the_past_is_wanted() {
    on_both!(Reach::Nothing, made_late);
    on_both!(Reach::Back(30 * DAY), made_late);
    on_both!(Reach::All, made_late);
}

async fn compared(post: Post, share: usize) {
    let count = 400 / share as i64;
    post.deliver("", (0..count).map(|n| from_ana(&format!("m{n}"), 600)).collect()).await;
    let reading = post.read();
    post.until_messages(count).await;
    post.until_counted("INBOX", count).await;
    // As if they had never been seen: 30 deliveries are gone.
    seed::run(&post.fresh, "DELETE FROM delivery WHERE uid > 5 AND uid <= 35", &[]).await;
    reading.wake.notify_one();
    until("the deliveries", async || {
        let found = post.count("SELECT COUNT(*) FROM delivery").await;
        (found == count).then_some(()).ok_or(found)
    })
    .await;
    assert_eq!(post.messages().await, count, "{}", post.fresh.name);
    post.until_counted("INBOX", count).await;
    reading.end().await;

    // A cursor that ran ahead of what was read: the three mails it jumped over are found, and they are news.
    seed::run(&post.fresh, "UPDATE folder SET last_uid = last_uid + 3 WHERE name = 'INBOX'", &[]).await;
    post.deliver("", (0..4).map(|n| from_ana(&format!("jumped{n}"), 600)).collect()).await;
    let reading = post.read();
    post.until_messages(count + 4).await;
    post.until_counted("INBOX", count + 4).await;
    assert_eq!(post.events("message.received").await, 4);

    // What a person deletes at the server is not missing here, and stays.
    post.imap(|imap| {
        imap.run("SELECT INBOX");
        imap.run("UID STORE 7:9 +FLAGS.SILENT (\\Deleted)");
        imap.run("EXPUNGE");
    })
    .await;
    reading.wake.notify_one();
    post.until_counted("INBOX", count + 1).await;
    assert_eq!(post.messages().await, count + 4);
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_comparison_with_the_server_finds_what_was_missed() {
    on_both!(Reach::Back(30 * DAY), compared);
}
