//! `liaison send`, as a person types it, beside a daemon that runs: what it queues arrives.

use serde_json::{Value, json};

use super::api::text;
use super::mails::Letter;
use super::world::{Kind, Setup, World};
use crate::peers::fresh_user;

async fn liaison(world: &World, arguments: &[&str]) -> Value {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_liaison"));
    command.arg("--config").arg(&world.config).arg("--json").args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "liaison {arguments:?}: {} {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("liaison {arguments:?}: {e}: {errors}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_by_liaison_send_arrives() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let Some(world) = World::start(Setup::new(kind)).await else { continue };
        let (api, her) = (&world.api, fresh_user("zoe"));
        world.import(&format!("handle,first_name,last_name,email\nzoe,Zoë,Łuk,{her}\n"), None).await;
        let letter = Letter::new("question", &format!("Zo <{her}>"), &world.brand, "A question");
        world.deliver(letter.octets(), "INBOX").await;
        let id = text(&api.influencers().await["zoe"], "id").to_owned();
        let asked = api.message_on(&id, &letter.id).await;
        let file = world.config.with_file_name("Übersicht.csv");
        std::fs::write(&file, "a;b\n1;2\n").unwrap();
        let thread = text(&asked, "thread_id");
        let (words, file) = ("Here it is: 春", file.to_str().unwrap());
        let queued = liaison(&world, &["send", "--reply-to", thread, "--text", words, "--attach", file]).await;
        let sent = api.message_is(text(&queued, "id"), &["confirmed"]).await;
        assert_eq!(sent["thread_id"], asked["thread_id"]);
        let arrived = world.arrived(&her, "INBOX", 1).await;
        let mail = &arrived[0];
        assert_eq!((arrived.len(), text(mail, "subject")), (1, "Re: A question"));
        assert_eq!(mail["from"], json!([{"name": "Grüne Läufer", "address": world.brand}]));
        assert_eq!(mail["to"][0]["address"], her);
        assert_eq!(mail["in_reply_to"], format!("<{}>", letter.id));
        assert_eq!(mail["references"], json!([format!("<{}>", letter.id)]));
        assert_eq!(mail["message_id"], format!("<{}>", text(&sent, "internet_message_id")));
        let leaves = mail["leaves"].as_array().unwrap();
        assert_eq!(text(&leaves[0], "text").trim(), words);
        let attached = leaves.last().unwrap();
        assert_eq!((text(attached, "name"), text(attached, "text")), ("Übersicht.csv", "a;b\n1;2\n"));
        assert_eq!(world.arrived(&world.brand, "Sent", 1).await.len(), 1);
    }
}
