//! Sequences from the command line and in the documents: `init` and `new` write good ones, `check` tells what is wrong in
//! every form, `preview` shows the message; what differs between versions, and where a run goes on.

use std::path::Path;
use std::process::{Command, Output};

use liaison::domain::sequence::Definition;
use liaison::sequence::{Change, Next, diff, plan_migration};

use super::lint;

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_liaison"))
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .args(["--config", "liaison.toml"])
        .args(args)
        .output()
        .expect("the binary runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A folder with the configuration of the tests.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("folder");
    std::fs::write(dir.path().join("liaison.toml"), lint::CONFIG).expect("file");
    dir
}

#[test]
fn what_new_and_init_write_passes_the_check() {
    let dir = folder();
    let made = run(dir.path(), &["sequence", "new", "spring-gifting", "--account", "second"]);
    assert!(made.status.success(), "{}", said(&made));
    let checked = run(dir.path(), &["sequence", "check", "--deny-warnings"]);
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(said(&checked).contains("1 sequence looked at: 0 errors, 0 warnings"), "{}", said(&checked));
    let text = std::fs::read_to_string(dir.path().join("sequences/spring-gifting/sequence.toml")).expect("file");
    assert!(text.contains("\"Spring gifting\"") && text.contains("account     = \"second\""), "{text}");
    assert_eq!(run(dir.path(), &["sequence", "new", "spring-gifting"]).status.code(), Some(1));
    assert_eq!(run(dir.path(), &["sequence", "new", "../x"]).status.code(), Some(2));

    let dir = tempfile::tempdir().expect("folder");
    let made = run(dir.path(), &["init"]);
    assert!(made.status.success() && dir.path().join("stages.toml").exists(), "{}", said(&made));
    std::fs::write(dir.path().join("liaison.toml"), lint::CONFIG).expect("file");
    let checked = run(dir.path(), &["sequence", "check", "first-note", "--deny-warnings"]);
    assert!(checked.status.success(), "{}", said(&checked));
}

#[test]
fn check_tells_in_every_form() {
    let dir = folder();
    run(dir.path(), &["sequence", "new", "spring"]);
    let nudge = dir.path().join("sequences/spring/nudge.md");
    std::fs::write(&nudge, "Hi {{ first_name }},\n\nHi {{ fist_name }}, [look](http://a.example)\n").expect("file");
    let text = run(dir.path(), &["sequence", "check"]);
    assert_eq!(text.status.code(), Some(1));
    for part in
        ["error[L012]: unknown variable `fist_name`", "spring/nudge.md:3:7", "^^^^^^^^^", "did you mean `first_name`?"]
    {
        assert!(said(&text).contains(part), "{part} is not in {}", said(&text));
    }
    let github = run(dir.path(), &["sequence", "check", "--format", "github"]);
    let wanted =
        "::error file=sequences/spring/nudge.md,line=3,col=7,title=L012::unknown variable `fist_name`%0Adid you";
    assert!(said(&github).contains(wanted), "{}", said(&github));
    let json = run(dir.path(), &["sequence", "check", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["ok"], &json["findings"][0]["code"]), (&false.into(), &"L012".into()));
    std::fs::write(&nudge, "Hi {{ first_name }}, [look](http://a.example)\n").expect("file");
    assert_eq!(run(dir.path(), &["sequence", "check"]).status.code(), Some(0));
    assert_eq!(run(dir.path(), &["sequence", "check", "--deny-warnings"]).status.code(), Some(1));
    assert_eq!(run(dir.path(), &["sequence", "check", "nowhere"]).status.code(), Some(1));
}

#[test]
fn what_new_writes_passes_its_tests_and_misspelt_ones_are_told() {
    let dir = folder();
    run(dir.path(), &["sequence", "new", "spring"]);
    let tested = run(dir.path(), &["sequence", "test"]);
    assert!(tested.status.success() && said(&tested).contains("2 tests run: 0 failed"), "{}", said(&tested));
    let file = dir.path().join("sequences/spring/tests.toml");
    let good = std::fs::read_to_string(&file).expect("tests.toml");
    for (from, to, says) in [
        ("intro+1d reply", "intro+1d replay", "did you mean `reply`?"),
        ("intro+1d reply", "intrro+1d reply", "did you mean `intro`?"),
        ("2026-03-05 nudge", "2026-03-05 nugde", "did you mean `nudge`?"),
        ("timezone =", "timezon =", "did you mean `timezone`?"),
    ] {
        std::fs::write(&file, good.replace(from, to)).expect("file");
        let checked = run(dir.path(), &["sequence", "check"]);
        assert_eq!(checked.status.code(), Some(1), "{to}");
        assert!(said(&checked).contains(says) && said(&checked).contains("L036"), "{to}: {}", said(&checked));
    }
    // The end is compared word for word, and followers can be set.
    std::fs::write(&file, good.replace("\"replied\"", "\"repl\"")).expect("file");
    assert_eq!(run(dir.path(), &["sequence", "test"]).status.code(), Some(1));
    let who = "[[test]]\nreach = 60000\nlast_name = \"Silva\"\nconsent = true\n";
    std::fs::write(&file, good.replace("[[test]]\n", who)).expect("file");
    let tested = run(dir.path(), &["sequence", "test"]);
    assert!(tested.status.success(), "{}", said(&tested));
}

#[test]
fn findings_show_what_was_written_and_where_it_ends() {
    let dir = folder();
    run(dir.path(), &["sequence", "new", "spring"]);
    let file = dir.path().join("sequences/spring/sequence.toml");
    let text = std::fs::read_to_string(&file).expect("file");
    std::fs::write(&file, format!("nam = \"Spring\"\n{text}")).expect("file");
    let checked = run(dir.path(), &["sequence", "check"]);
    assert!(said(&checked).contains("nam = \"Spring\""), "{}", said(&checked));
    let json = run(dir.path(), &["sequence", "check", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let found = &json["findings"][0];
    assert_eq!([&found["line"], &found["column"], &found["end_line"], &found["end_column"]], [1, 1, 1, 4], "{found}");
}

#[test]
fn a_sequence_is_removed_only_when_its_folder_is_gone() {
    let dir = folder();
    run(dir.path(), &["sequence", "new", "spring"]);
    let there = run(dir.path(), &["sequence", "remove", "spring", "--yes"]);
    assert!(!there.status.success() && said(&there).contains("still there"), "{}", said(&there));
    std::fs::remove_dir_all(dir.path().join("sequences/spring")).expect("folder");
    let unknown = run(dir.path(), &["sequence", "remove", "spring", "--yes"]);
    assert!(
        !unknown.status.success() && said(&unknown).contains("there is no sequence `spring`"),
        "{}",
        said(&unknown)
    );
    let checked = run(dir.path(), &["sequence", "check", "spring"]);
    assert!(said(&checked).contains("L035"), "{}", said(&checked));
}

#[test]
fn preview_shows_the_message_someone_would_get() {
    let dir = folder();
    run(dir.path(), &["sequence", "new", "spring"]);
    let add = ["influencer", "add", "--handle", "@ana", "--email", "ana@runs.example", "--first-name", "Ana"];
    assert!(run(dir.path(), &add).status.success());
    let shown = run(dir.path(), &["sequence", "preview", "spring", "--as", "@ana"]);
    let text = said(&shown);
    for part in [
        "Look at @ana's latest post",
        "From: Acme <hello@acme.example>",
        "To: ana@runs.example",
        "Subject: @ana, a question",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Hi Ana,\n\n[the answer to `look`]",
        "Acme, 1 Main St, Portland\nUnsubscribe: https://",
        "nudge, after 3 business days",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let html =
        run(dir.path(), &["sequence", "preview", "spring", "--as", "@ana", "--step", "intro", "--html", "out.html"]);
    assert!(html.status.success(), "{}", said(&html));
    assert!(std::fs::read_to_string(dir.path().join("out.html")).expect("file").contains("<p>Hi Ana,</p>"));
    assert_eq!(
        run(dir.path(), &["sequence", "preview", "spring", "--as", "@ana", "--step", "x"]).status.code(),
        Some(1)
    );
    assert_eq!(
        run(dir.path(), &["sequence", "preview", "spring", "--as", "@ana", "--html", "o"]).status.code(),
        Some(2)
    );
    assert!(text.contains("<mailto:hello@acme.example?subject=unsubscribe%20preview>"), "{text}");
}

#[test]
fn preview_is_sent_once_to_oneself_and_never_to_somebody_of_theirs() {
    let dir = folder();
    run(dir.path(), &["sequence", "new", "spring"]);
    let add = ["influencer", "add", "--handle", "@ana", "--email", "ana@runs.example", "--first-name", "Ana"];
    assert!(run(dir.path(), &add).status.success());
    let send = |step: &str, to: &str| {
        run(dir.path(), &["sequence", "preview", "spring", "--as", "@ana", "--step", step, "--send-to", to])
    };
    let sent = send("intro", "me");
    assert!(sent.status.success() && said(&sent).contains("leaves from hello"), "{}", said(&sent));
    let sent = send("nudge", "kim@acme.example");
    assert!(sent.status.success(), "{}", said(&sent));
    let listed = run(dir.path(), &["outbox", "list", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let text = json.to_string();
    for part in ["hello@acme.example", "kim@acme.example", "@ana, a question", "Re: @ana, a question"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let theirs = send("intro", "ana@runs.example");
    assert!(!theirs.status.success() && said(&theirs).contains("one of your own"), "{}", said(&theirs));
    let none = run(dir.path(), &["sequence", "preview", "spring", "--as", "@ana", "--send-to", "me"]);
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    let shown = run(dir.path(), &["influencer", "show", "@ana", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["last_message_at"], serde_json::Value::Null, "it is none of theirs: {shown}");
}

fn definition() -> Definition {
    lint::read(&lint::base()).definitions.remove(0).0
}

#[test]
fn versions_differ_in_what_was_changed_and_nothing_else() {
    let old = definition();
    assert_eq!(diff(&old, &old), []);
    let mut new = old.clone();
    new.name = "Autumn".to_owned();
    new.steps[2].id = "chosen".to_owned();
    new.steps[3].condition = None;
    new.templates.get_mut("nudge.md").expect("template").body.push('!');
    new.templates.remove("intro-b.md");
    let told: Vec<String> = diff(&old, &new).iter().map(Change::to_string).collect();
    assert_eq!(
        told,
        [
            "~ name",
            "- step picked",
            "~ step nudge: if",
            "+ step chosen",
            "- template intro-b.md",
            "~ template nudge.md: text"
        ]
    );
    let mut turned = old.clone();
    turned.steps.swap(0, 1);
    assert_eq!(diff(&old, &turned), [Change::StepsReordered]);
}

#[test]
fn a_run_goes_on_by_step_id_and_repeats_nothing() {
    let old = definition();
    let done = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let step = |id: &str| Next::Step(id.to_owned());
    assert_eq!(plan_migration(&old, &old, &done(&["look"]), Some("intro")), step("intro"));
    assert_eq!(plan_migration(&old, &old, &[], None), step("look"));
    let mut new = old.clone();
    new.steps.remove(2);
    assert_eq!(plan_migration(&old, &new, &done(&["look", "intro"]), Some("picked")), step("nudge"));
    // What it did last is gone: what comes below may be that under another name, and nobody gets it twice.
    let mut renamed = old.clone();
    renamed.steps[1].id = "hello".to_owned();
    assert!(matches!(plan_migration(&old, &renamed, &done(&["look", "intro"]), None), Next::Stay(_)));
    assert_eq!(plan_migration(&old, &renamed, &done(&["look", "intro"]), Some("picked")), step("picked"));
    new.steps.swap(0, 2);
    // nudge, intro, look: the last done one is at the bottom.
    assert_eq!(plan_migration(&old, &new, &done(&["look", "intro"]), Some("picked")), step("last_note"));
    new.steps.truncate(3);
    assert_eq!(plan_migration(&old, &new, &done(&["look", "intro"]), Some("picked")), Next::Finish);
    let mut other = old.clone();
    for (at, step) in other.steps.iter_mut().enumerate() {
        step.id = format!("s{at}");
    }
    assert!(matches!(plan_migration(&old, &other, &done(&["look"]), Some("intro")), Next::Stay(_)));
    other.id = "else".to_owned();
    assert!(matches!(plan_migration(&old, &other, &[], None), Next::Stay(_)));
    let mut kinds = old.clone();
    kinds.steps[1].kind = kinds.steps[0].kind.clone();
    assert!(matches!(plan_migration(&old, &kinds, &done(&["look"]), Some("intro")), Next::Stay(_)));
    // Whatever is done and wherever the run stands, a done step never comes again.
    let ids: Vec<&str> = old.steps.iter().map(|step| step.id.as_str()).collect();
    for mask in 0_u32..64 {
        let behind: Vec<&str> =
            ids.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, id)| *id).collect();
        for current in ids.iter().map(|id| Some(*id)).chain([None]) {
            if let Next::Step(next) = plan_migration(&old, &new, &done(&behind), current) {
                assert!(!behind.contains(&next.as_str()), "{behind:?} {current:?} {next}");
            }
        }
    }
}
