//! Old mail is old wherever it turns up, and what came since an account is read is news wherever it turns up.

use std::time::Duration;

use super::{DAY, Post, Reach, from_ana, on_both};
use crate::seed;

/// The server's word for an instant so long ago.
fn ago(post: &Post, back: Duration) -> String {
    post.clock.now().minus(back).timestamp().strftime("%d-%b-%Y %H:%M:%S +0000").to_string()
}

/// A mail of Ana's that says itself when it was written.
fn written(post: &Post, name: &str, back: Duration) -> Vec<u8> {
    let date = post.clock.now().minus(back).timestamp().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    String::from_utf8(from_ana(name, 500)).unwrap().replace("Sun, 22 Nov 2026 10:00:00 +0000", &date).into_bytes()
}

async fn moved_in(post: Post, _share: usize) {
    let (old, now) = (ago(&post, 60 * DAY), ago(&post, Duration::ZERO));
    let mails =
        [written(&post, "kept", 60 * DAY), written(&post, "moved", 40 * DAY), written(&post, "new", Duration::ZERO)];
    let [kept, moved, new] = mails;
    let day = old.clone();
    post.imap(move |imap| {
        imap.run("CREATE Archive");
        imap.append_at("Archive", &day, &kept);
    })
    .await;
    let reading = post.read();
    post.until_synced().await;
    // The server keeps the stamp of the first, and gives the second the day of the move; the third is new.
    post.imap(move |imap| {
        imap.run("SELECT Archive");
        imap.run("UID COPY 1 INBOX");
        imap.append_at("INBOX", &now, &moved);
        imap.append_at("INBOX", &now, &new);
    })
    .await;
    post.until_counted("INBOX", 3).await;
    assert_eq!(post.messages().await, 3, "{}: all of them are kept", post.fresh.name);
    let fired = "SELECT COUNT(*) FROM event e JOIN message m ON m.id = e.message_id WHERE e.type = 'message.received' AND m.subject = 'About new'";
    assert_eq!((post.events("message.received").await, post.count(fired).await), (1, 1), "{}", post.fresh.name);
    // A wrong clock of its writer makes no old mail of what a server took just now.
    post.deliver("", vec![written(&post, "wrongclock", 4_000 * DAY)]).await;
    post.until_counted("INBOX", 4).await;
    assert_eq!(post.events("message.received").await, 2, "{}", post.fresh.name);
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_old_mail_that_is_moved_into_the_inbox_fires_nothing() {
    on_both!(Reach::Nothing, moved_in);
}

/// The first reading took two hours, and what came to Junk meanwhile is news, as the folder is only seen after it.
async fn long_first_round(post: Post, _share: usize) {
    let reading = post.read();
    post.until_synced().await;
    reading.end().await;
    assert_eq!(post.count("SELECT COUNT(*) FROM account WHERE first_read_at IS NOT NULL").await, 1);
    let since = post.clock.now().minus(Duration::from_hours(2)).0;
    seed::run(&post.fresh, &format!("UPDATE account SET first_read_at = {since}"), &[]).await;
    seed::run(&post.fresh, "DELETE FROM delivery WHERE folder_id IN (SELECT id FROM folder WHERE name = 'Junk')", &[])
        .await;
    seed::run(&post.fresh, "DELETE FROM folder WHERE name = 'Junk'", &[]).await;
    let (before, meanwhile) = (Duration::from_hours(3), Duration::from_hours(1));
    let mails = [
        (ago(&post, before), written(&post, "before", before)),
        (ago(&post, meanwhile), written(&post, "meanwhile", meanwhile)),
    ];
    post.imap(move |imap| mails.iter().for_each(|(at, raw)| imap.append_at("Junk", at, raw))).await;
    let reading = post.read();
    post.until_counted("Junk", 2).await;
    let fired = "SELECT COUNT(*) FROM event e JOIN message m ON m.id = e.message_id WHERE e.type = 'message.received' AND m.subject = 'About meanwhile'";
    assert_eq!((post.events("message.received").await, post.count(fired).await), (1, 1), "{}", post.fresh.name);
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_folder_that_is_seen_after_a_long_first_round_fires_for_what_came_meanwhile() {
    on_both!(Reach::Nothing, long_first_round);
}
