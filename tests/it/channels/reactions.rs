//! Reactions: added, taken back and added again, in whatever order they are told.

use liaison::clock::machine_now;
use liaison::connector::slack::ts_of;
use liaison::domain::time::Micros;
use serde_json::json;

use super::workspaces::Brand;
use super::{events, events_until, until};
use crate::stores;

async fn a_reaction_is_taken_back(fresh: stores::Fresh) {
    let brand = Brand::new(fresh).await;
    let installation = &brand.installation;
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let ana = brand.person("ana", "T1/U1");
    until(installation, "a socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));
    let hello = brand.hears("DU1", json!({ "user": "U1", "text": "Hello" }));
    brand.until_says(&ana, "Hello");
    let base = machine_now();
    let reacts = |kind: &str, with: &str, second: i64| {
        let at = ts_of(Micros(base.0 + second * 1_000_000));
        brand.tells(json!({ "type": kind, "user": "U1", "reaction": with, "event_ts": at,
            "item": { "type": "message", "channel": "DU1", "ts": hello } }));
    };
    let count = |text: &str| brand.texts(&ana).iter().filter(|said| *said == text).count();
    // What is told after it is stored after it.
    let and_then = |text: &str| {
        brand.hears("DU1", json!({ "user": "U1", "text": text }));
        brand.until_says(&ana, text);
    };

    reacts("reaction_added", "tada", 1);
    brand.until_says(&ana, ":tada:");
    reacts("reaction_removed", "tada", 3);
    until(installation, "it is taken back", || (count(":tada:") == 0).then_some(()));
    let (ok, told) = installation.command(&["influencer", "show", "ana"]);
    assert!(ok && told.contains("reacted, and took that back") && !told.contains(":tada:"), "{told}");
    let edited = until(installation, "it is told", || events(installation, "message.edited").pop());
    assert_eq!((&edited["data"]["deleted"], &edited["influencer_id"]), (&json!(true), &json!(ana)));

    // Told again, and told late: the later one of both holds.
    reacts("reaction_added", "tada", 1);
    and_then("one");
    assert_eq!(count(":tada:"), 0);
    reacts("reaction_added", "tada", 6);
    brand.until_says(&ana, ":tada:");
    reacts("reaction_removed", "tada", 5);
    and_then("two");
    assert_eq!(count(":tada:"), 1);
    // Taken back before it is told that it was added; and told only the second time.
    reacts("reaction_removed", "eyes", 8);
    reacts("reaction_added", "eyes", 7);
    reacts("reaction_added", "heart", 9);
    reacts("reaction_removed", "heart", 4);
    and_then("three");
    assert_eq!((count(":eyes:"), count(":heart:")), (0, 1));

    // Whatever it is called, it is no answer.
    reacts("reaction_added", "unsubscribe", 1);
    reacts("reaction_removed", "unsubscribe", 2);
    reacts("reaction_added", "unsubscribe", 3);
    and_then("four");
    // Nobody is told that something is gone of which nobody was told.
    let edited = events_until(installation, "message.edited", 4);
    let deleted: Vec<bool> = edited.iter().map(|event| event["data"]["deleted"].as_bool().unwrap()).collect();
    assert_eq!(deleted, [true, false, true, false], "{edited:#?}");
    assert_eq!(count(":unsubscribe:"), 1);
    assert_eq!(events(installation, "thread.replied").len(), 5);
    assert_ne!(installation.get(&format!("/v1/influencers/{ana}"))["stage"], "opted_out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_is_taken_back_on_sqlite() {
    a_reaction_is_taken_back(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_is_taken_back_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => a_reaction_is_taken_back(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}
