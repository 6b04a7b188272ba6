//! `liaison influencer export` and `erase` as people use them.

use crate::cli::{liaison, ready};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;

/// Whether any file below a folder has these words in it.
fn on_disk(dir: &std::path::Path, words: &str) -> bool {
    super::look::files(dir).hits(words) > 0
}

#[test]
fn somebody_is_given_out_and_then_erased_on_the_command_line() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    let add =
        ["influencer", "add", "--handle", "@zqruns", "--email", "zqana@example.org", "--property", "shoe=zqfortytwo"];
    let id = run(&[&add[..], &["--json"]].concat()).well().json()["id"].as_str().unwrap().to_owned();
    run(&["influencer", "add", "--handle", "@bo", "--email", "bo@example.org"]).well();
    run(&["influencer", "note", "@zqruns", "zqlikes tea"]).well();
    run(&["send", "--to", "@zqruns", "--subject", "zqhello", "--text", "Hello"]).well();

    let told = run(&["influencer", "export", "@zqruns", "--json"]).well().json();
    assert_eq!((told["influencer_id"].as_str(), told["messages"].as_u64()), (Some(id.as_str()), Some(1)));
    let archive = dir.path().join(format!("{id}.zip"));
    assert_eq!(std::fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    let files = super::look::unpacked(&archive);
    let person: Value = serde_json::from_slice(&files["person.json"]).unwrap();
    assert_eq!(person["rows"]["note"][0]["text"], "zqlikes tea");
    // Not over something that is there.
    run(&["influencer", "export", "@zqruns"]).says(1, "can't be made");
    std::fs::remove_file(archive).unwrap();

    // What a restore sets aside is a copy of everybody.
    run(&["backup", "monday.db"]).well();
    run(&["restore", "monday.db"]).well();
    std::fs::remove_file(dir.path().join("monday.db")).unwrap();
    run(&["influencer", "erase", "@zqruns"]).says(2, "say --yes");
    let tried = run(&["influencer", "erase", "@zqruns", "--dry-run", "--json"]).well().json();
    assert_eq!((tried["dry_run"].as_bool(), tried["messages"].as_u64()), (Some(true), Some(1)));
    run(&["influencer", "show", "@zqruns"]).well();
    assert!(on_disk(dir.path(), "zqlikes") && on_disk(dir.path(), "zqfortytwo") && on_disk(dir.path(), "zqhello"));
    let erased = run(&["influencer", "erase", "@zqruns", "--yes"]).well();
    erased.says(0, "was rewritten");
    // It is named, and with everything that is named gone nothing is left in the folder.
    let copies: Vec<&str> = erased.err.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(!copies.is_empty() && copies.iter().all(|copy| copy.contains(".before-restore-")), "{}", erased.err);
    assert!(on_disk(dir.path(), "zqlikes"), "the copy holds them");
    for copy in copies {
        std::fs::remove_file(copy).unwrap();
    }
    run(&["influencer", "show", "@zqruns"]).says(1, "no influencer");
    run(&["influencer", "show", "@bo"]).well();
    for words in ["zqruns", "zqana", "zqfortytwo", "zqlikes", "zqhello"] {
        assert!(!on_disk(dir.path(), words), "{words} is still there");
    }
    run(&["suppression", "list", "zqana@example.org", "--json"]).well().says(0, "\"erased\"");
}
