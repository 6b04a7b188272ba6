//! A node is called the same wherever it is named: in the file of its own, by the API, and by `doctor`.

use std::time::Instant;

use super::PATIENCE;
use crate::daemon::{Answer, Installation};
use crate::{peers, stores};

const ACCOUNT: &str = "[accounts.hello]\nkind = \"imap\"\naddress = \"hello@acme.example\"\npassword = { file = \"password\" }\n\
    imap = \"imap+plain://127.0.0.1:1\"\nsmtp = \"smtp+plain://127.0.0.1:1\"\n";

/// Who reads the mailbox, as the API says it.
fn told_by_the_api(node: &Installation) -> Option<String> {
    let Answer::Said(200, leases) = node.call("GET", "/v1/leases", None) else { return None };
    let lease = leases["data"].as_array()?.iter().find(|lease| lease["name"] == "poll:hello")?.clone();
    assert_eq!(lease["account"], "hello", "{lease}");
    let held = lease["node"].is_string();
    assert!(lease["since"].is_string() == held && lease["until"].is_string() == held, "{lease}");
    lease["node"].as_str().map(str::to_owned)
}

/// The same by `doctor`, with what it says beside it.
fn told_by_doctor(node: &Installation) -> String {
    let (_, told) = node.command(&["doctor", "--offline"]);
    let line = told.lines().find(|line| line.contains("node that reads hello")).unwrap_or_else(|| panic!("{told}"));
    line.to_owned()
}

#[test]
fn a_node_is_named_alike_by_its_own_file_the_api_and_doctor() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(fresh) = runtime.block_on(stores::postgres()) else {
        return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)");
    };
    let first = runtime.block_on(Installation::bare(fresh, ACCOUNT, &[("password", "none")]));
    let second = first.beside();
    let state = "state_dir = \"state\"\n";
    for node in [&first, &second] {
        node.rewrite(|config| config.replace(state, &format!("{state}lease_seconds = 6\n")));
    }
    let name = |node: &Installation| {
        let text = std::fs::read_to_string(node.folder().join("state/run")).unwrap();
        assert!(text.starts_with("run_"), "{text}");
        text.trim().to_owned()
    };
    let until = Instant::now() + PATIENCE;
    let await_reader = |asked: &Installation, reader: &Installation| {
        while told_by_the_api(asked) != Some(name(reader)) {
            assert!(Instant::now() < until, "never read by {}: {:?}", name(reader), told_by_the_api(asked));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    let mut reading = first.start();
    first.await_up(&mut reading);
    await_reader(&first, &first);
    assert!(told_by_doctor(&first).contains(&format!("{} since ", name(&first))), "{}", told_by_doctor(&first));
    let mut waiting = second.start();
    second.await_up(&mut waiting);
    assert_ne!(name(&first), name(&second));
    assert_eq!(told_by_the_api(&second), Some(name(&first)), "both say the same");
    reading.kill();
    // The lease runs out, and the other takes it.
    await_reader(&second, &second);
    assert!(told_by_doctor(&first).contains(&name(&second)), "{}", told_by_doctor(&first));
    waiting.kill();
    while !told_by_doctor(&second).contains("none now") {
        assert!(Instant::now() < until, "{}", told_by_doctor(&second));
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
}
