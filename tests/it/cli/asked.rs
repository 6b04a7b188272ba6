//! What people ask about many: the same filters on every command that takes them, what is paused, and what is still to be done.

use super::{liaison, ready};
use serde_json::{Value, json};

const PEOPLE: &str = "handle,first_name,email,tags,property.niche\n@ana,Ana,ana@example.org,running;vip,trails\n\
    @bo,Bo,bo@example.org,food,soups\n@cy,Cy,cy@example.org,running,tracks\n";

fn with_people() -> tempfile::TempDir {
    let dir = ready();
    std::fs::write(dir.path().join("people.csv"), PEOPLE).unwrap();
    liaison(dir.path(), &["influencer", "import", "people.csv"]).well();
    let add =
        ["influencer", "add", "--handle", "@di", "--network", "tiktok=di:25000", "--property", "contract=2026-05-01"];
    liaison(dir.path(), &add).well();
    dir
}

#[test]
fn filters_are_alike_on_the_list_and_in_simulations() {
    let dir = with_people();
    let run = |args: &[&str]| liaison(dir.path(), args);
    let outreach = "[server]\nbase_url = \"https://hub.acme.example\"\n\n[sender]\nname = \"Acme\"\naddress = \"1 Main St, Portland\"\n";
    std::fs::create_dir_all(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/outreach.toml"), outreach).unwrap();
    run(&["sequence", "new", "spring"]).well();
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--tag", "running"], &["@ana", "@cy"]),
        (&["-q", "bo"], &["@bo"]),
        (&["--property", "niche=soups"], &["@bo"]),
        (&["--property", "contract[lt]=2026-06-01"], &["@di"]),
        (&["--tier", "micro"], &["@di"]),
        (&["--network", "TikTok", "--reach-from", "25000"], &["@di"]),
        (&["--reach-below", "25000", "--tier", "micro"], &[]),
        (&["--last-reply-before", "30d"], &[]),
        (&["--audience", "country[us]=0.4"], &[]),
    ];
    for (flags, wanted) in cases {
        let told = run(&[&["--json", "influencer", "list", "--added"], flags].concat()).well().json();
        let found: Vec<&str> = told["data"].as_array().unwrap().iter().map(|i| i["handle"].as_str().unwrap()).collect();
        assert_eq!(found, wanted, "{flags:?}");
        let simulated = run(&[&["--json", "sequence", "simulate", "spring", "--days", "5", "--all"], flags].concat());
        if wanted.is_empty() {
            simulated.says(1, "nobody is left by the filters");
            continue;
        }
        let told = simulated.well().json();
        let mut found: Vec<&str> =
            told["people"].as_array().unwrap().iter().map(|p| p["handle"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{flags:?}");
    }
    for list in
        [&["influencer", "list"][..], &["sequence", "enroll", "spring"], &["sequence", "simulate", "spring", "--all"]]
    {
        for (flag, given, code, words) in [
            ("--stage", "nowhere", 1, "nowhere"),
            ("--tier", "giga", 2, "--tier: there is no tier `giga`"),
            ("--last-reply-before", "soon", 2, "--last-reply-before: expected an instant"),
            ("--property", "niche", 2, "--property: `niche` compares nothing"),
            ("--property", "niche[ne]=x", 2, "--property niche[ne]: a property is compared with"),
            ("--audience", "country[us]=much", 2, "--audience: `much` is no share"),
            ("--audience", "shoe[9]=0.1", 2, "--audience shoe[9]: expected country[us]"),
            ("--account", "nobody", 1, "there is no account `nobody`; there are: hello"),
            ("--agent", "nobody", 1, "there is no agent `nobody`"),
            ("--sequence-state", "odd", 2, "odd"),
        ] {
            run(&[list, &[flag, given]].concat()).says(code, words);
        }
    }
    run(&["sequence", "simulate", "spring", "--tag", "running"]).says(2, "say --all, too");
    run(&["sequence", "enroll", "spring"]).says(2, "say who");
    run(&["sequence", "enroll", "spring", "@ana", "--tag", "running"]).says(2, "cannot be used with");
}

#[test]
fn what_is_paused_is_told_by_the_doctor_with_what_lets_it_go_on() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    let found = || -> Vec<Value> {
        let told = run(&["--json", "doctor", "--offline"]).json();
        let checks = told["checks"].as_array().unwrap().iter().filter(|c| c["what"] == "sequences");
        checks.map(|c| json!([c["detail"].as_str().unwrap().split(" since ").next(), c["hint"]])).collect()
    };
    run(&["account", "pause", "hello", "--reason", "a storm"]).well();
    assert_eq!(found(), [json!(["the account hello is paused", "liaison account resume hello"])]);
    run(&["pause"]).well();
    assert_eq!(found().last(), Some(&json!(["everything is paused", "liaison resume"])));
    run(&["doctor", "--offline"]).says(1, "a storm");
    run(&["resume"]).well();
    run(&["account", "resume", "hello"]).well();
    assert_eq!(found(), [Value::Null; 0]);
    run(&["account", "pause", "nobody"]).says(1, "there are: hello");
}

#[test]
fn what_is_to_be_done_stands_on_the_timeline_with_its_state() {
    let dir = with_people();
    let run = |args: &[&str]| liaison(dir.path(), args);
    let made = run(&["--json", "task", "add", "call her", "--about", "@ana", "--due", "2026-01-01"]).well().json();
    run(&["influencer", "show", "@ana"]).well().says(0, "task open, late: call her");
    let id = made["id"].as_str().unwrap();
    run(&["task", "cancel", id]).well();
    run(&["influencer", "show", "@ana"]).well().says(0, "task cancelled: call her");
    run(&["task", "done", id]).says(1, "cancelled");
    run(&["task", "list", "--about", "@nobody"]).says(1, "@nobody");
    let dry = run(&["influencer", "show", "@bo"]).well();
    assert!(!dry.out.contains("call her"), "{}", dry.out);
}

#[test]
fn names_that_are_mistyped_are_told_with_what_there_is() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    run(&["enrollment", "list", "--sequence", "sprnig"]).says(1, "there is no sequence `sprnig`; none is in force yet");
    run(&["influencer", "list", "--sequence", "sprnig"]).says(1, "there is no sequence `sprnig`");
    run(&["sequence", "simulate", "sprnig", "--days", "5"]).says(1, "`liaison sequence list` shows those in force");
    run(&["events", "tail", "--after", "x"]).says(2, "write the number of an event");
    run(&["account", "test", "helo"]).says(1, "there are: hello");
    let empty = tempfile::tempdir().unwrap();
    liaison(empty.path(), &["init"]).well();
    liaison(empty.path(), &["account", "test", "hello"]).says(1, "none is configured yet");
}

/// A webhook in the database of a folder, with these states.
fn webhook_is(dir: &std::path::Path, change: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = dir.join("state/liaison.db");
    runtime.block_on(async {
        use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
        let mut c = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        c.execute(AssertSqlSafe(change.to_owned())).await.unwrap();
        c.close().await.unwrap();
    });
}

#[test]
fn a_webhook_that_takes_nothing_is_told_by_the_doctor_and_one_that_somebody_ended_is_not() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    run(&["influencer", "list"]).well();
    webhook_is(
        dir.path(),
        "INSERT INTO webhook (id, url, description, events, state, secret_sealed, seen_seq, failures, rest_until, version, created_at) \
         VALUES (x'00112233445566778899aabbccddeeff', 'https://example.com/hook', '', '[]', 'enabled', x'01', 0, 0, 0, 1, 5)",
    );
    run(&["doctor", "--offline"]).says(0, "All is well");
    webhook_is(dir.path(), "UPDATE webhook SET failing_since = 1700000000000000, failures = 9");
    run(&["doctor", "--offline"]).says(1, "https://example.com/hook takes nothing since 2023-11-14");
    webhook_is(
        dir.path(),
        "UPDATE webhook SET state = 'disabled', disabled_why = 'failing', disabled_at = 1700000000000000",
    );
    run(&["doctor", "--offline"]).says(1, "when it takes again: liaison webhook enable");
    webhook_is(dir.path(), "UPDATE webhook SET disabled_why = 'by_hand'");
    run(&["doctor", "--offline"]).says(0, "All is well");
}
