//! A channel of the team.

use serde_json::json;

use super::{Brand, ROOM, on_both};
use crate::seed;
use crate::slack::fake::Fault;
use crate::stores;

async fn the_team_hears_and_answers(fresh: stores::Fresh) {
    let brand = Brand::new(fresh, "link = \"https://crm.example/{handle}\"\n").await;
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    let ana = brand.somebody();
    brand.until("a socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));
    // An answer that is lost does not make it stand there twice.
    brand.fake.fail("chat.postMessage", [Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer]);
    brand.texts_us("What is the fee?");
    let (_, thread, shown) = brand.until_shown("What is the fee?");
    let root = thread.unwrap();
    assert!(shown.starts_with("Ana Ruiz (@ana), sms by text:\nWhat is the fee?\nstage: "), "{shown}");
    assert!(shown.ends_with("https://crm.example/ana"), "{shown}");
    let (first, none, opening) = brand.room().remove(0);
    assert_eq!((first.as_str(), none), (root.as_str(), None));
    assert!(opening.contains("Words that begin with !send go to them"), "{opening}");
    assert_eq!(brand.room().iter().filter(|(_, _, text)| text.contains("What is the fee?")).count(), 1);

    // What is said there is a note, and changes with its author's words.
    let ts = brand.in_thread(&root, "not more than 300, I think");
    brand.until_noted(&ana, "not more than 300, I think");
    let at = liaison::connector::slack::ts_of(liaison::clock::machine_now());
    brand.tells(json!({ "type": "message", "subtype": "message_changed", "channel": ROOM, "ts": at, "event_ts": at,
        "message": { "type": "message", "user": "U5", "text": "not more than 350", "ts": ts, "thread_ts": root,
            "edited": { "user": "U5", "ts": at } } }));
    brand.until_noted(&ana, "not more than 350");
    assert_eq!(brand.notes(&ana).len(), 1);
    // An older change that is told now is none.
    brand.tells(json!({ "type": "message", "subtype": "message_changed", "channel": ROOM, "ts": at, "event_ts": at,
        "message": { "type": "message", "user": "U5", "text": "not more than 320", "ts": ts, "thread_ts": root,
            "edited": { "user": "U5", "ts": ts } } }));

    // Only the marker sends it, to the number they wrote from, in their thread; what became of it stands in the team's.
    brand.in_thread(&root, "!send We pay 300 euros");
    brand.until_sent("We pay 300 euros");
    let notes: Vec<String> = brand.notes(&ana).into_iter().map(|(_, text)| text).collect();
    assert_eq!(notes, ["not more than 350"]);
    let (_, thread, _) = brand.until_shown("→ goes to them, sms by text");
    assert_eq!(thread.as_deref(), Some(root.as_str()));
    brand.until_shown("✓ sent");
    let threads = brand.installation.get(&format!("/v1/threads?influencer={ana}"));
    assert_eq!(threads["data"].as_array().unwrap().len(), 1, "{threads}");

    // The shortcut sends a note on, once; then it is a message and no note.
    let ts = brand.in_thread(&root, "Shall we ship on Monday?");
    brand.until_noted(&ana, "Shall we ship on Monday?");
    for _ in 0..2 {
        brand.presses(("U6", "U5"), (&ts, Some(&root)), "Shall we ship on Monday?");
    }
    brand.until_sent("Shall we ship on Monday?");
    brand.until("no note of it", || (brand.notes(&ana).len() == 1).then_some(()));

    // Why something did not go stands there as well.
    brand.texts_us("STOP");
    brand.until_shown("They want no more messages");
    brand.in_thread(&root, "!send Please?");
    let (_, _, why) = brand.until_shown("✗ not sent, and kept as a note");
    assert!(why.contains("suppressed") || why.contains("not written to"), "{why}");
    brand.until_noted(&ana, "!send Please?");
    assert_eq!(brand.sent(), ["We pay 300 euros", "Shall we ship on Monday?"]);
    // Not one of our posts, and not a word of the team, is on the timeline as a message.
    let page = brand.installation.get(&format!("/v1/influencers/{ana}/timeline"));
    let messages = page["data"].as_array().unwrap().iter().filter(|item| item["type"] == "message");
    assert_eq!(messages.count(), 4, "{page}");
    assert_eq!(brand.installation.get("/v1/unmatched")["data"], json!([]));
    assert_eq!(brand.fake.state().too_early, [""; 0]);
}

async fn words_are_taken_back(fresh: stores::Fresh) {
    let brand = Brand::new(fresh, "").await;
    brand.installation.rewrite(|config| config.replace("undo_seconds = 0", "undo_seconds = 600"));
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    let ana = brand.somebody();
    brand.until("a socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));
    brand.texts_us("Hello?");
    let root = brand.root();
    // Deleted in time, it does not go; changed in time, neither, and nothing of what it became.
    let one = brand.in_thread(&root, "!send one");
    brand.until_shown("Delete what you wrote within 600 seconds");
    let deleted = json!({ "type": "message", "subtype": "message_deleted", "channel": ROOM, "deleted_ts": one, "ts": one,
        "event_ts": liaison::connector::slack::ts_of(liaison::clock::machine_now()), "hidden": true });
    brand.tells(deleted);
    brand.until_shown("✗ not sent: taken back by whoever wrote it");
    let two = brand.in_thread(&root, "!send two");
    brand.until("two waits", || {
        let page = brand.installation.get("/v1/outbox");
        page["data"].as_array().unwrap().iter().any(|row| row.to_string().contains("\"queued\"")).then_some(())
    });
    let at = liaison::connector::slack::ts_of(liaison::clock::machine_now());
    brand.tells(json!({ "type": "message", "subtype": "message_changed", "channel": ROOM, "ts": at, "event_ts": at,
        "message": { "type": "message", "user": "U5", "text": "!send two and more", "ts": two, "thread_ts": root,
            "edited": { "user": "U5", "ts": at } } }));
    brand.until_shown("✗ not sent: changed by whoever wrote it");
    // A note that is taken back is gone.
    let three = brand.in_thread(&root, "three");
    brand.until_noted(&ana, "three");
    brand.tells(
        json!({ "type": "message", "subtype": "message_deleted", "channel": ROOM, "deleted_ts": three, "ts": three,
        "event_ts": liaison::connector::slack::ts_of(liaison::clock::machine_now()) }),
    );
    // What the words became that were changed is a note, and the only one.
    brand.until("one note", || {
        let notes: Vec<String> = brand.notes(&ana).into_iter().map(|(_, text)| text).collect();
        (notes == ["!send two and more"]).then_some(())
    });
    assert_eq!(brand.sent(), [""; 0]);
}

async fn a_room_that_others_hear_is_told_nothing(fresh: stores::Fresh) {
    let brand = Brand::new(fresh, "").await;
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    brand.somebody();
    // Somebody we know sits in the channel.
    let order = json!({ "handle": "zoe", "slack": ["T1/U6"] });
    brand.asked("POST", "/v1/influencers", &order, 201);
    brand.texts_us("Between us");
    let why = brand.until("it is said why", || {
        let relays = brand.installation.get("/v1/relays");
        relays["data"][0]["trouble"].as_str().map(str::to_owned)
    });
    assert!(why.contains("T1/U6, who is an influencer or an agent here"), "{why}");
    let (ok, told) = brand.installation.command(&["relay", "list"]);
    assert!(ok && told.contains("T1/U6") && told.contains("waiting"), "{told}");
    assert!(brand.room().is_empty(), "{:?}", brand.room());
    // Whoever tries the account is told the same, by the daemon and without one.
    let judged = || {
        let (ok, told) = brand.installation.command(&["account", "test", "team"]);
        assert!(!ok && told.contains("T1/U6, who is an influencer or an agent here"), "{told}");
    };
    judged();
    daemon.kill();
    judged();
    // A channel that is shared with another company.
    brand.fake.state().channels[0]["is_ext_shared"] = true.into();
    brand.fake.state().members.insert(ROOM.into(), vec!["UBOT".into(), "U5".into()]);
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    brand.texts_us("Once more");
    let (ok, told) = brand.installation.command(&["account", "test", "team"]);
    assert!(!ok && told.contains("shared with another company"), "{told}");
    assert!(brand.room().is_empty(), "{:?}", brand.room());
}

/// Whoever became one of two is talked about where it began, and a room that is told nothing more for three days does not learn of it
/// weeks later.
async fn one_of_two_has_one_thread(fresh: stores::Fresh) {
    let brand = Brand::new(fresh, "").await;
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    let ana = brand.somebody();
    brand.texts_us("Hello?");
    let root = brand.root();
    let order = json!({ "handle": "anaruiz", "emails": ["ana@ruiz.example"] });
    let kept = brand.asked("POST", "/v1/influencers", &order, 201)["id"].as_str().unwrap().to_owned();
    brand.asked("POST", &format!("/v1/influencers/{kept}/merge"), &json!({ "from": ana }), 200);
    brand.texts_us("Are you there?");
    let shown = brand.until_shown("Are you there?");
    assert_eq!(shown.1.as_deref(), Some(root.as_str()), "{:?}", brand.room());
    assert_eq!(brand.room().iter().filter(|(_, thread, _)| thread.is_none()).count(), 1, "{:?}", brand.room());
    // Her sending is stopped: nothing of ours leaves by that account, not to the team either.
    let fresh = &brand.installation.fresh;
    seed::run(fresh, "UPDATE account SET sending_state = 'paused' WHERE name = 'team'", &[]).await;
    let waits = || brand.installation.get("/v1/relays")["data"][0]["waiting"].as_u64().unwrap();
    for (text, many) in [("Stale one", 1), ("Stale two", 2)] {
        brand.texts_us(text);
        brand.until("it waits", || (waits() == many).then_some(()));
    }
    let long_ago = "UPDATE relay_post SET created_at = created_at - 260000000000 WHERE text LIKE '%Stale one%'";
    seed::run(fresh, long_ago, &[]).await;
    seed::run(fresh, "UPDATE account SET sending_state = 'up' WHERE name = 'team'", &[]).await;
    assert_eq!(brand.until_shown("Stale two").1.as_deref(), Some(root.as_str()));
    assert!(brand.room().iter().all(|(_, _, text)| !text.contains("Stale one")), "{:?}", brand.room());
    let told = brand.installation.get("/v1/relays");
    assert_eq!(told["data"][0]["failed"], 1, "{told}");
}

/// What the provider asks of one process holds for the next one, for all that leaves by the account.
async fn a_rest_holds_for_whoever_comes_next(fresh: stores::Fresh) {
    let brand = Brand::new(fresh, "").await;
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    brand.somebody();
    brand.texts_us("Hello?");
    let root = brand.root();
    brand.fake.fail("chat.postMessage", [Fault::Limit(Some("5"))]);
    brand.texts_us("Wait");
    brand.until("it is told to wait", || {
        brand.installation.get("/v1/relays")["data"][0]["trouble"].as_str().map(str::to_owned)
    });
    daemon.kill();
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    brand.texts_us("And more");
    for text in ["Wait", "And more"] {
        assert_eq!(brand.until_shown(text).1.as_deref(), Some(root.as_str()));
    }
    assert_eq!(brand.fake.state().too_early, [""; 0]);
}

on_both! {
    a_rest_holds_for_whoever_comes_next, a_rest_holds_on_sqlite, a_rest_holds_on_postgres;
    one_of_two_has_one_thread, one_of_two_has_one_thread_on_sqlite, one_of_two_has_one_thread_on_postgres;
    the_team_hears_and_answers, the_team_hears_and_answers_on_sqlite, the_team_hears_and_answers_on_postgres;
    words_are_taken_back, words_are_taken_back_on_sqlite, words_are_taken_back_on_postgres;
    a_room_that_others_hear_is_told_nothing, others_hear_on_sqlite, others_hear_on_postgres;
}
