//! Connections that break, at every place.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Post, Reach, from_ana, mail_of, on_both, until};
use crate::fault::Fault;

/// 200 octets to 40 kB, in no order.
fn sizes(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(|n| [200, 9_000, 700, 2_500, 40_000, 350, 1_100][n % 7])
}

async fn cut_everywhere(post: Post, share: usize) {
    let (count, step) = (60, 1_000 * share as u64);
    let mails: Vec<_> = sizes(count).enumerate().map(|(n, size)| from_ana(&format!("m{n}"), size)).collect();
    let whole: usize = mails.iter().map(Vec::len).sum();
    post.deliver("", mails).await;
    let us = format!("Brand <{}>", post.user);
    post.deliver("Sent", (0..5).map(|n| mail_of(&us, &format!("sent{n}"), 400)).collect()).await;
    post.deliver("Junk", (0..5).map(|n| from_ana(&format!("junk{n}"), 400)).collect()).await;
    post.proxy.set(Fault::CutLater(step));
    let reading = post.read();
    post.until_synced().await;
    reading.end().await;
    assert_eq!(post.messages().await, count as i64 + 10, "{}", post.fresh.name);
    assert_eq!(post.count("SELECT COUNT(*) FROM delivery").await, count as i64 + 10);
    assert_eq!(post.count("SELECT COUNT(DISTINCT message_id) FROM delivery").await, count as i64 + 10);
    assert_eq!(post.events("message.received").await + post.events("message.sent").await, 0, "old mail fires nothing");
    let connections = post.proxy.connections.load(Ordering::SeqCst);
    println!("{}: {whole} octets of mail, cut every {step}: {connections} connections", post.fresh.name);
    let most = (whole + 30_000) / usize::try_from(step).unwrap() + 60;
    assert!(connections > 10 && connections <= most, "{connections} connections, {most} at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_connection_cut_at_every_thousandth_octet_stores_everything_once() {
    on_both!(Reach::All, cut_everywhere);
}

/// New mail is picked up with the fault, without waiting for the next look.
async fn mail_comes_despite(post: &Post, fault: Fault, n: &mut i64) {
    let is_first = fault == Fault::None || fault == Fault::CloseInIdle;
    post.proxy.set(fault.clone());
    if is_first {
        // The faults after that close by themselves; two losses in a row would rightly take the account down.
        post.proxy.close_all();
    }
    let before = post.proxy.connections.load(Ordering::SeqCst);
    until("a connection with the fault", async || {
        let now = post.proxy.connections.load(Ordering::SeqCst);
        (now > before).then_some(()).ok_or(now)
    })
    .await;
    for _ in 0..3 {
        *n += 1;
        post.deliver("", vec![from_ana(&format!("{fault:?}{n}").replace(|c: char| !c.is_alphanumeric(), ""), 500)])
            .await;
        post.until_messages(*n).await;
    }
    assert_eq!(post.events("message.received").await, *n, "{fault:?}");
    assert_eq!((post.events("account.up").await, post.events("account.down").await), (1, 0), "{fault:?}");
}

async fn bad_idles(mut post: Post, share: usize) {
    post.settings.pace.backoff = (Duration::from_millis(100), Duration::from_secs(1));
    let reading = post.read();
    post.until_synced().await;
    let mut n = 0;
    mail_comes_despite(&post, Fault::None, &mut n).await;
    mail_comes_despite(&post, Fault::CloseInIdle, &mut n).await;
    mail_comes_despite(&post, Fault::ByeInIdle, &mut n).await;
    if share == 1 {
        // Asks every 15 seconds then.
        mail_comes_despite(&post, Fault::RefuseIdle, &mut n).await;
    }
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_idle_refused_closed_or_ended_by_goodbye_still_brings_new_mail() {
    on_both!(Reach::Nothing, bad_idles);
}

async fn down_and_up(post: Post, _share: usize) {
    let reading = post.read();
    post.until_synced().await;
    let state = async |wanted: i64| {
        until("the account's state", async || {
            let found = post.count("SELECT COUNT(*) FROM account WHERE state = 'up'").await;
            (found == wanted).then_some(()).ok_or(found)
        })
        .await;
    };
    state(1).await;
    for outage in 1..=2 {
        post.proxy.set(Fault::Down);
        post.proxy.close_all();
        post.deliver("", (0..5).map(|n| from_ana(&format!("outage{outage}m{n}"), 500)).collect()).await;
        state(0).await;
        let before = post.proxy.connections.load(Ordering::SeqCst);
        until("more tries", async || {
            let now = post.proxy.connections.load(Ordering::SeqCst);
            (now > before + 10).then_some(()).ok_or(now)
        })
        .await;
        assert_eq!((post.events("account.up").await, post.events("account.down").await), (outage, outage));
        post.proxy.set(Fault::None);
        post.until_messages(5 * outage).await;
        state(1).await;
        assert_eq!((post.events("account.up").await, post.events("account.down").await), (outage + 1, outage));
        assert_eq!(post.events("message.received").await, 5 * outage);
    }
    post.until_counted("INBOX", 10).await;
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_server_that_was_down_says_so_once_and_brings_all_mail() {
    on_both!(Reach::Nothing, down_and_up);
}
