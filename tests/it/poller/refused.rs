//! A server that does not give one mail, or does not open one folder: everything else is read all the same, and a person is
//! told which.

use std::sync::atomic::Ordering;

use super::{Post, Reach, from_ana, mail_of, on_both, until};
use crate::fault::Fault;

/// Uids 1 to `count`; the proxy has the fault from the first connection on.
async fn deliver(post: &Post, count: usize) {
    post.deliver("", (1..=count).map(|n| from_ana(&format!("m{n}"), 700)).collect()).await;
}

async fn tasks(post: &Post) -> Vec<String> {
    let mut tx = post.fresh.store.read().await.unwrap();
    let filter = liaison::store::reading::task::TaskFilter {
        kind: Some(liaison::domain::words::TaskKind::Mail),
        ..Default::default()
    };
    let page = liaison::store::reading::Page::oldest(50);
    tx.list_tasks(&filter, post.clock.now(), page).await.unwrap().data.into_iter().map(|task| task.text).collect()
}

async fn read_all_but(post: Post, fault: Fault, uid: u32) {
    let reading = post.read();
    post.until_synced().await;
    post.proxy.set(fault);
    post.proxy.close_all();
    deliver(&post, 12).await;
    reading.wake.notify_one();
    post.until_counted("INBOX", 12).await;
    post.deliver("", vec![from_ana("after", 700)]).await;
    post.until_counted("INBOX", 13).await;
    assert_eq!(
        post.count("SELECT COUNT(*) FROM message WHERE text LIKE 'Hello, this is%'").await,
        12,
        "{}",
        post.fresh.name
    );
    let tasks = tasks(&post).await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert!(tasks[0].contains("`INBOX`") && tasks[0].contains(&format!("(uid {uid})")), "{tasks:?}");
    assert_eq!(post.events("account.down").await, 0);
    reading.end().await;
}

/// Its headers tell whose it is: it stands on the timeline, and as one that a person has to judge.
async fn body_refused(post: Post, _share: usize) {
    let (ana, store, clock) = (post.ana, post.fresh.store.clone(), post.clock.clone());
    let name = post.fresh.name;
    read_all_but(post, Fault::RefuseBodies(vec![5]), 5).await;
    let mut tx = store.read().await.unwrap();
    let page = liaison::store::reading::Page::oldest(50);
    let filter = liaison::store::reading::task::TaskFilter { influencer: Some(ana), ..Default::default() };
    let asked = tx.list_tasks(&filter, clock.now(), page).await.unwrap().data;
    assert!(asked.iter().all(|task| task.message_id.is_some()), "{name}: {asked:?}");
    let message = asked[0].message_id.unwrap();
    let shown = tx.get_message_view(message).await.unwrap().unwrap();
    assert_eq!(shown.subject, "About m5");
    assert!(format!("{:?}", shown.flaws).contains("only its headers could be read"), "{:?}", shown.flaws);
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_mail_whose_body_the_server_refuses_stops_no_other_and_a_person_is_told() {
    on_both!(Reach::Nothing, body_refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_mail_that_the_server_refuses_altogether_stops_no_other_and_a_person_is_told() {
    on_both!(Reach::Nothing, async |post: Post, _: usize| read_all_but(post, Fault::RefuseMails(vec![7]), 7).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_mail_that_comes_as_nonsense_stops_no_other_and_a_person_is_told() {
    on_both!(Reach::Nothing, async |post: Post, _: usize| read_all_but(post, Fault::GarbleBody(1), 1).await);
}

async fn until_down(post: &Post) {
    until("the account is down", async || {
        let found = post.events("account.down").await;
        (found == 1).then_some(()).ok_or(found)
    })
    .await;
}

/// The server gives everything again, and everything is read.
async fn until_all_read(post: &Post) {
    post.proxy.set(Fault::None);
    post.proxy.close_all();
    post.until_counted("INBOX", 12).await;
    assert_eq!((post.messages().await, tasks(post).await.len()), (12, 0), "{}", post.fresh.name);
}

/// A server that gives no mail at all is out of order, and says nothing of any of them.
async fn all_refused(post: Post, _share: usize) {
    let reading = post.read();
    post.until_synced().await;
    post.proxy.set(Fault::RefuseAllBodies);
    post.proxy.close_all();
    deliver(&post, 12).await;
    until_down(&post).await;
    let before = post.proxy.connections.load(Ordering::SeqCst);
    until("more tries", async || {
        let now = post.proxy.connections.load(Ordering::SeqCst);
        (now > before + 3).then_some(()).ok_or(now)
    })
    .await;
    assert_eq!((post.messages().await, tasks(&post).await.len()), (0, 0), "{}", post.fresh.name);
    until_all_read(&post).await;
    reading.end().await;
}

/// What passes by itself loses nothing: until it has lasted, the mail is asked for again and again.
async fn refused_for_a_while(mut post: Post, _share: usize) {
    post.settings.pace.patience = std::time::Duration::from_hours(2);
    let reading = post.read();
    post.until_synced().await;
    post.proxy.set(Fault::RefuseMails(vec![5]));
    post.proxy.close_all();
    deliver(&post, 12).await;
    until_down(&post).await;
    assert_eq!((post.messages().await, tasks(&post).await.len()), (4, 0), "{}", post.fresh.name);
    until_all_read(&post).await;
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_mail_that_is_refused_for_a_while_is_read_later() {
    on_both!(Reach::Nothing, refused_for_a_while);
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_server_that_gives_no_mail_at_all_loses_none() {
    on_both!(Reach::Nothing, all_refused);
}

async fn folder_refused(post: Post, _share: usize) {
    post.proxy.set(Fault::RefuseFolder("Junk"));
    let us = format!("Brand <{}>", post.user);
    post.deliver("Sent", vec![mail_of(&us, "sent", 400)]).await;
    post.deliver("Junk", vec![from_ana("junk", 400)]).await;
    let reading = post.read();
    post.until_synced().await;
    post.deliver("", vec![from_ana("new", 400)]).await;
    post.until_counted("INBOX", 1).await;
    let view = async || post.fresh.store.read().await.unwrap().list_account_views().await.unwrap().remove(0);
    let detail = view().await.detail.unwrap_or_default();
    assert!(detail.contains("`Junk`") && detail.contains("can't be opened"), "{detail}");
    assert_eq!(post.events("account.down").await, 0);
    post.proxy.set(Fault::None);
    post.proxy.close_all();
    until("the warning is gone", async || {
        let detail = view().await.detail;
        detail.is_none().then_some(()).ok_or(detail)
    })
    .await;
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_folder_that_is_not_opened_is_left_out_and_said() {
    on_both!(Reach::Nothing, folder_refused);
}

async fn inbox_refused(post: Post, _share: usize) {
    post.proxy.set(Fault::RefuseFolder("INBOX"));
    let reading = post.read();
    until("the account is down", async || {
        let found = post.count("SELECT COUNT(*) FROM account WHERE state = 'down' AND detail LIKE '%be opened%'").await;
        (found == 1).then_some(()).ok_or(found)
    })
    .await;
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poller_inbox_that_is_not_opened_stops_the_account() {
    on_both!(Reach::Nothing, inbox_refused);
}
