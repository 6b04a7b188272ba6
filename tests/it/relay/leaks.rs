//! Whatever is tried, no word of the team that was not surely meant to go reaches an influencer.

use serde_json::{Value, json};

use super::{Brand, ROOM, on_both};
use crate::stores;

/// Written in the thread about them, each with a mark by which it would be found.
const IN_THREAD: [&str; 38] = [
    "LEAK they want too much",
    " !send LEAK",
    "\t!send LEAK",
    "\n!send LEAK",
    "> !send LEAK",
    ">!send LEAK",
    "&gt; !send LEAK",
    ">>> !send LEAK",
    "*!send LEAK*",
    "_!send LEAK_",
    "~!send LEAK~",
    "`!send LEAK`",
    "```!send LEAK```",
    "```\n!send LEAK\n```",
    "\"!send LEAK\"",
    "“!send LEAK”",
    "'!send' LEAK",
    "LEAK !send",
    "LEAK!send hi",
    "as I said:\n!send LEAK",
    "• !send LEAK",
    "1. !send LEAK",
    "!SEND LEAK",
    "!Send LEAK",
    "! send LEAK",
    "!sendLEAK",
    "!send: LEAK",
    "!send-LEAK",
    "!!send LEAK",
    "/send LEAK",
    "\u{200b}!send LEAK",
    "\u{feff}!send LEAK",
    "!send hi <@U012AB3CD> LEAK",
    "!send hi <@U1|zoe> LEAK",
    "!send ask <!subteam^S1|@brand-managers> LEAK",
    "!send see <#C1|ana-is-too-expensive> LEAK",
    "!send <!here|here> LEAK",
    "!send !send LEAK",
];

async fn nothing_leaks(fresh: stores::Fresh) {
    let brand = Brand::new(fresh, "").await;
    // The channel of others, shared with a guest of another company, and one that is the team's as well.
    brand.fake.join(json!({ "id": "C8", "is_member": true }));
    brand.fake.join(json!({ "id": "C7", "is_member": true, "is_ext_shared": true }));
    let mut daemon = brand.installation.start();
    brand.installation.await_up(&mut daemon);
    let ana = brand.somebody();
    let zoe = brand.asked("POST", "/v1/influencers", &json!({ "handle": "zoe", "slack": ["T2/U9"] }), 201);
    brand.until("a socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));
    brand.texts_us("Hello?");
    let root = brand.root();
    let mut tries = IN_THREAD.len();
    for text in IN_THREAD {
        brand.in_thread(&root, text);
    }
    let mut tried = |message: Value, channel: &str| {
        tries += 1;
        brand.says(channel, message)
    };
    let said = |text: &str| json!({ "text": text, "thread_ts": root });
    let with = |mut message: Value, more: Value| {
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    // In no thread, in another one, elsewhere.
    tried(json!({ "text": "!send LEAK" }), ROOM);
    let other = tried(json!({ "text": "lunch?" }), ROOM);
    tried(json!({ "text": "!send LEAK", "thread_ts": other }), ROOM);
    tried(json!({ "text": "!send LEAK", "thread_ts": root }), "C8");
    tried(json!({ "text": "!send LEAK" }), "C7");
    tried(json!({ "text": "!send LEAK" }), "DU9");
    // By programs, by the app itself, by what Slack says.
    tried(with(said("!send LEAK"), json!({ "bot_id": "B7", "subtype": "bot_message" })), ROOM);
    tried(with(said("!send LEAK"), json!({ "bot_id": "B7", "app_id": "A7" })), ROOM);
    tried(with(said("!send LEAK"), json!({ "user": "UBOT", "bot_id": "B1", "app_id": "A1" })), ROOM);
    tried(with(said("!send LEAK"), json!({ "user": "USLACKBOT" })), ROOM);
    for subtype in ["channel_topic", "channel_purpose", "pinned_item", "reminder_add", "file_comment", "tombstone"] {
        tried(with(said("!send LEAK"), json!({ "subtype": subtype })), ROOM);
    }
    // By guests of another company, known or not, and with files that could not go along.
    tried(with(said("!send LEAK"), json!({ "user": "U9", "user_team": "T2", "team": "T2" })), ROOM);
    tried(with(said("!send LEAK"), json!({ "user": "U77", "user_team": "T3", "team": "T3" })), ROOM);
    let file = json!([{ "id": "F1", "name": "a.png", "mimetype": "image/png", "size": 9, "url_private_download": "http://127.0.0.1:9/x" }]);
    tried(with(said("!send LEAK"), json!({ "subtype": "file_share", "files": file })), ROOM);
    // What was quoted or passed on is no word of whoever passes it on.
    let passed = json!({ "attachments": [{ "is_share": true, "text": "!send LEAK", "fallback": "!send LEAK" }] });
    tried(with(said("LEAK see below"), passed), ROOM);
    // A note that is changed into words to be sent is not sent; nor is one that was changed before it was seen to.
    let note = tried(said("LEAK a note"), ROOM);
    let at = liaison::connector::slack::ts_of(liaison::clock::machine_now());
    let changed = |ts: &str, text: &str| {
        json!({ "type": "message", "subtype": "message_changed", "channel": ROOM, "ts": at, "event_ts": at,
            "message": { "type": "message", "user": "U5", "text": text, "ts": ts, "thread_ts": root,
                "edited": { "user": "U5", "ts": at } },
            "previous_message": { "type": "message", "user": "U5", "text": "LEAK a note", "ts": ts, "thread_ts": root } })
    };
    brand.until_noted(&ana, "LEAK a note");
    brand.tells(changed(&note, "!send LEAK changed"));
    // Told after its own end, or as it was before a change that is known: the words are not what is meant any more.
    let stale = |ts: &str| json!({ "type": "message", "channel": ROOM, "user": "U5", "ts": ts, "thread_ts": root, "text": "!send LEAK stale" });
    let (one, two) = ("1999999999.000100", "1999999999.000200");
    brand.tells(json!({ "type": "message", "subtype": "message_deleted", "channel": ROOM, "deleted_ts": one, "ts": one, "event_ts": at }));
    brand.tells(changed(two, "LEAK changed before it was heard"));
    brand.tells(stale(one));
    brand.tells(stale(two));
    tried(with(said("!send LEAK"), json!({ "edited": { "user": "U5", "ts": at } })), ROOM);
    // The shortcut: at what a program wrote, at what we showed, by a stranger, elsewhere, with no words, with somebody of the team in it.
    let shown = brand.until_shown("Hello?").0;
    for (people, at, text) in [
        (("U5", "UBOT"), (shown.as_str(), Some(root.as_str())), "LEAK shown"),
        (("U5", "U9"), ("1700000000.000100", Some(other.as_str())), "LEAK elsewhere"),
        (("U5", "U5"), ("1700000000.000200", None), "LEAK no thread"),
        (("U5", "U5"), ("1700000000.000300", Some(root.as_str())), "LEAK for @U012AB3CD"),
        (("U5", "U5"), ("1700000000.000400", Some(root.as_str())), " "),
        (("U5", "U5"), ("1700000000.000500", Some(root.as_str())), "LEAK !send again"),
    ] {
        brand.presses(people, at, text);
    }
    tries += 9;
    // Told again by the list, after the socket was cut: it is as it was.
    brand.fake.cut();
    brand.until("another socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));
    // All of it was seen to: what comes last is.
    brand.in_thread(&root, "!send The only words");
    brand.until_sent("The only words");
    brand.until_noted(&ana, "!send LEAK changed");
    assert!(tries >= 60, "{tries}");
    assert_eq!(brand.sent(), ["The only words"]);
    println!("{tries} tries, 0 leaks");
    // Nothing was said to anybody in the workspace but where the team is.
    for call in brand.fake.calls("chat.postMessage") {
        assert_eq!(call.arguments["channel"], ROOM, "{call:?}");
    }
    // Nor does any of it stand on a timeline as a message of ours.
    for id in [ana.as_str(), zoe["id"].as_str().unwrap()] {
        let page = brand.installation.get(&format!("/v1/influencers/{id}/timeline?limit=200"));
        for item in page["data"].as_array().unwrap().iter().filter(|item| item["type"] == "message") {
            let message = &item["message"];
            let ours = message["direction"] == "outbound" && message["text"].as_str().unwrap().contains("LEAK");
            assert!(!ours, "{message}");
        }
    }
}

on_both! {
    nothing_leaks, nothing_leaks_on_sqlite, nothing_leaks_on_postgres;
}
