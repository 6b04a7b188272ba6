//! What the server does not take: each recipient has its own end, and the others get their mail once.

use std::time::Duration;

use liaison::clock::{Clock, machine_now};
use serde_json::{Value, json};

use super::api::{text, until};
use super::world::{Kind, Setup, World};
use crate::peers::fresh_user;

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_greylisted_recipients_hold_up_nobody_on_sqlite() {
    each_recipient_for_itself(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_greylisted_recipients_hold_up_nobody_on_postgres() {
    each_recipient_for_itself(Kind::Postgres).await;
}

fn state_of<'a>(message: &'a Value, address: &str) -> (&'a str, &'a str) {
    let all = message["recipients"].as_array().expect("recipients");
    let found = all.iter().find(|r| r["address"] == address).unwrap_or_else(|| panic!("{address} in {message}"));
    (text(found, "state"), found["detail"].as_str().unwrap_or_default())
}

async fn each_recipient_for_itself(kind: Kind) {
    // Business time stands still until it is moved: a retry is due in minutes.
    let setup = Setup { clock: Clock::stepped(machine_now()), ..Setup::new(kind) };
    let Some(world) = World::start(setup).await else { return };
    let (api, good) = (&world.api, fresh_user("good"));
    let (refused, grey) = (fresh_user("refused"), fresh_user("greylisted"));
    world.import(&format!("handle,email\ngood,{good}\nrefused,{refused}\ngrey,{grey}\n"), None).await;
    let people = api.influencers().await;
    let to = json!([{"name": "", "address": refused}, {"name": "", "address": good}, {"name": "", "address": grey}]);
    let sent = api.post("/messages", json!({"to": to, "subject": "To three", "text": "Hello three"})).await;
    let id = text(&sent, "id");
    let first = api.message_is(id, &["deferred"]).await;
    assert_eq!(state_of(&first, &good).0, "accepted");
    let (state, words) = state_of(&first, &refused);
    assert_eq!(state, "rejected");
    assert!(words.contains("550 5.1.1") && words.contains("User unknown"), "{words}");
    let (state, words) = state_of(&first, &grey);
    assert_eq!(state, "deferred");
    assert!(words.contains("450 4.7.1") && words.contains("Greylisted"), "{words}");
    assert!(text(&first, "due_at") > text(&sent, "due_at"), "later: {first}");
    assert_eq!(world.arrived(&good, "INBOX", 1).await.len(), 1);
    // 550 5.1.1 speaks of the address; 450 of nothing that lasts.
    let dead = |influencer: &Value| influencer["addresses"][0]["dead_at"].is_string();
    let now = api.influencers().await;
    assert_eq!([dead(&now["good"]), dead(&now["refused"]), dead(&now["grey"])], [false, true, false]);
    assert_eq!(api.events_of(text(&people["refused"], "id"), "message.rejected").await.len(), 1);
    // The next try asks for the one that is left, and nobody gets it again.
    world.clock.advance(Duration::from_mins(3));
    until("the second try", || async {
        let row = api.get(&format!("/outbox/{id}")).await;
        (row["attempts"].as_i64() >= Some(2) && row["status"] == "deferred").then_some(())
    })
    .await;
    assert_eq!(world.mails_in(&good, "INBOX").await.len(), 1);
    let again = api.get(&format!("/messages/{id}")).await;
    assert_eq!((state_of(&again, &good).0, state_of(&again, &refused).0), ("accepted", "rejected"));

    // Nobody will be written to at an address that is dead; the answer says so.
    let order = json!({"to": [{"name": "", "address": refused}], "subject": "Again", "text": "Hello"});
    let answer = api.ask("POST", "/messages", Some(&order)).await;
    assert_eq!((answer.status, text(&answer.json(), "code")), (409, "do_not_contact"));
    let fresh = fresh_user("refused");
    let order = json!({"to": [{"name": "", "address": fresh}], "subject": "Alone", "text": "Hello"});
    let alone = api.post("/messages", order).await;
    let alone = api.message_is(text(&alone, "id"), &["rejected"]).await;
    assert!(text(&alone, "detail").contains("550 5.1.1"), "{alone}");
    let elsewhere = json!({"to": [{"name": "", "address": "x@elsewhere.example"}], "subject": "Far", "text": "Hello"});
    let far = api.post("/messages", elsewhere).await;
    let far = api.message_is(text(&far, "id"), &["rejected"]).await;
    assert!(text(&far, "detail").contains("5.4.4"), "{far}");
}
