//! `liaison demo` tells its story to the end, by itself, and leaves nothing behind.

use std::path::Path;
use std::process::{Command, Output};

fn demo(temporary: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_liaison"))
        .arg("demo")
        .args(args)
        .env("TMPDIR", temporary)
        .env("NO_COLOR", "1")
        .env_remove("LIAISON_CONFIG")
        .output()
        .unwrap()
}

/// The story waits for each fact and fails without it; here its end is held against the lines.
#[test]
fn demo_tells_its_story_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(temporary.path(), &["--for", "1s"]);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
    for fact in [
        "the account hello is up",
        "added @anaruns  Ana Ortiz <ana@example.org>",
        "→ ana@example.org “Spring shoes” sent",
        "← lukas@example.org out of office",
        "! tomas@example.org bounced (5.1.1)",
        "tomas@example.org (dead address: hard bounce 5.1.1)",
        "← ana@example.org replied (thread thr_",
        "← kenji@example.org replied without references",
        "← dana@talent.example.org replied for @priyapaces, as their agent",
        "← mc.studio@example.org an unknown address in the thread of @mayamoves",
        "mc.studio@example.org is @mayamoves: matched, 1 message placed",
        "← zoe@example.org forwards what somebody wrote",
        "shown with @priyapaces, @noortrails, @ivobeh, waits for a person",
        "sofia@example.org (suppressed: complaint)",
        "noor@example.org “The desert trail” uncertain",
        "not sent again",
        "messages out 10 confirmed by the hub, 10 taken by the provider, duplicates 0",
        "answers lost 1, settled 1, open 0",
        "on hello, 4 messages, awaiting us",
        "not read yet 0",
    ] {
        let one = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let fact = fact.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one.contains(&fact), "`{fact}` is missing in:\n{text}\n{errors}");
    }
    assert!(!text.contains('\x1b'), "no colour where it is not a terminal");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What is kept is a database that the other commands read.
#[test]
fn kept_demo_is_read_by_the_other_commands() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = temporary.path().join("kept");
    let kept = kept.to_str().unwrap();
    let output = demo(temporary.path(), &["--for", "1s", "--keep", kept]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = Command::new(env!("CARGO_BIN_EXE_liaison"))
        .args(["thread", "show", "@anaruns", "--json", "--config", &format!("{kept}/liaison.toml")])
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 4);
    let again = demo(temporary.path(), &["--for", "1s", "--keep", kept]);
    assert_ne!(again.status.code(), Some(0), "a directory that is in use is not written over");
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"));
}
