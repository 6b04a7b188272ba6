//! The texts of a sequence: what the API shows and moves is what the command line shows and moves, and what the engine does.

use super::{SEQUENCE, asked, configuration, daemon, folder, publish_and_look};
use crate::cli::liaison;
use liaison::app;
use liaison::lifecycle::Asked;
use liaison::store::Store;
use serde_json::{Value, json};
use std::path::Path;

const INTRO: &str = "sequences/spring/intro.md";

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

/// The first version has this text in its intro.
fn intro(text: &str) -> String {
    format!("---\nsubject: A tee\n---\n{text} {{{{ influencer.handle }}}}.\n")
}

/// The text of a step in what a preview shows.
fn text_of(shown: &Value, at: usize) -> &str {
    shown["steps"][at]["text"].as_str().unwrap_or_else(|| panic!("no text: {shown}"))
}

#[tokio::test]
async fn what_the_api_shows_and_moves_is_what_the_command_line_does() {
    let dir = folder();
    let (api, stop, store) = daemon(dir.path()).await;
    let preview = "/sequences/spring/preview";
    let told = |args: &[&str]| liaison(dir.path(), &[args, &["--json"]].concat()).well().json();
    for (more, body) in [
        (vec![], json!({"as": "@ana"})),
        (vec!["--step", "nudge"], json!({"as": "ana@example.org", "step": "nudge"})),
        (vec!["--of", "in-force"], json!({"as": "@ana", "of": "in_force"})),
    ] {
        let over_api = asked(&api, "POST", preview, Some(body), 200).await;
        let line = told(&[&["sequence", "preview", "spring", "--as", "@ana"], more.as_slice()].concat());
        assert_eq!(over_api, line, "{more:?}");
        assert!(text_of(&line, 0).len() > 10, "{line}");
    }
    let pinned = ["sequence", "preview", "spring", "--as", "@ana", "--of", "pinned"];
    liaison(dir.path(), &pinned).says(1, "has no live run");
    let of_pinned = || json!({"as": "@ana", "of": "pinned"});
    assert_eq!(asked(&api, "POST", preview, Some(of_pinned()), 409).await["code"], "no_run");
    let who = json!({"influencers": ["@ana"]});
    asked(&api, "POST", "/sequences/spring/enrollments", Some(who), 201).await;
    crate::e2e::api::until("a mail in review", || async {
        api.get("/outbox?status=review").await["data"][0]["id"].as_str().map(str::to_owned)
    })
    .await;

    // The files are another text now; then it is in force, and her run is still on the first one.
    write(dir.path(), INTRO, &intro("Hello again"));
    let diff = asked(&api, "POST", "/sequences/spring/diff", None, 200).await;
    assert_eq!(diff, told(&["sequence", "diff", "spring"]));
    assert_eq!(
        (&diff["changes"][0]["change"], &diff["changes"][0]["live"]),
        (&json!("~ template intro.md: text"), &json!(1))
    );
    let of = async |of: &str| asked(&api, "POST", preview, Some(json!({"as": "@ana", "of": of})), 200).await;
    assert!(text_of(&of("files").await, 0).starts_with("Hello again @ana."));
    assert!(text_of(&of("in_force").await, 0).starts_with("Hello @ana."));
    publish_and_look(dir.path()).await;
    assert!(text_of(&of("in_force").await, 0).starts_with("Hello again @ana."));
    let shown = of("pinned").await;
    assert!(text_of(&shown, 0).starts_with("Hello @ana."), "{shown}");
    assert_eq!(shown, told(&pinned));
    assert_ne!(shown["version"], of("in_force").await["version"]);

    // Where it is not said, it only tells.
    let migrate = "/sequences/spring/migrate";
    let plan = asked(&api, "POST", migrate, None, 200).await;
    assert_eq!(plan, told(&["sequence", "migrate", "spring", "--plan"]));
    assert_eq!(
        (&plan["applied"], &plan["moved"], &plan["runs"][0]["planned"]),
        (&json!(false), &json!(1), &json!("anew"))
    );
    assert_eq!(asked(&api, "POST", migrate, Some(json!({"apply": false})), 200).await, plan, "nothing was written");
    let done = asked(&api, "POST", migrate, Some(json!({"apply": true})), 200).await;
    assert_eq!((&done["applied"], &done["runs"]), (&json!(true), &plan["runs"]), "{done}");
    let after = asked(&api, "POST", migrate, None, 200).await;
    assert_eq!((&after["moved"], &after["runs"], &after["groups"]), (&json!(0), &json!([]), &json!([])), "{after}");
    assert!(text_of(&of("pinned").await, 0).starts_with("Hello again @ana."));

    // What is faulty is told at its place, and nothing of this machine.
    write(dir.path(), INTRO, &intro("Hello {{ nobody }}"));
    for (path, body) in [("diff", None), ("preview", Some(json!({"as": "@ana"})))] {
        let problem = asked(&api, "POST", &format!("/sequences/spring/{path}"), body, 409).await;
        assert_eq!(problem["code"], "faulty_files", "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("nobody") && detail.contains("intro.md:4"), "{detail}");
    }
    assert!(text_of(&of("in_force").await, 0).starts_with("Hello again @ana."), "what is in force is still shown");
    stop.send(Asked::Stop).await.unwrap();
    drop(store);
}

/// Two wordings of the intro, a person reads it first; where there is no address somebody calls; a mail where a task runs out.
const WHOLE: &str = r#"
[[step]]
id = "look"
task = "Look at {{ influencer.handle }}."
at_most = "2 days"
else = { email = "late.md", review = true }

[[step]]
id = "intro"
after = "1 day"
email = ["intro.md", "intro-b.md"]
review = true
else = { task = "Call {{ influencer.handle }}." }

[[step]]
id = "nudge"
after = "3 business days"
email = "nudge.md"
"#;

#[tokio::test]
async fn preview_shows_the_else_the_review_and_the_wording_that_the_engine_takes() {
    let dir = folder();
    let head = SEQUENCE.split("[[step]]").next().unwrap();
    write(dir.path(), "sequences/spring/sequence.toml", &format!("{head}{}", WHOLE.trim_start()));
    write(
        dir.path(),
        "sequences/spring/intro-b.md",
        "---\nsubject: Another tee\n---\nGood day {{ influencer.handle }}.\n",
    );
    write(dir.path(), "sequences/spring/late.md", "---\nsubject: Late\n---\nSorry {{ influencer.handle }}.\n");
    let shown = |who: &str| {
        liaison(dir.path(), &["sequence", "preview", "spring", "--as", who, "--json"]).well().json()["steps"].clone()
    };
    let kinds = |steps: &Value| -> Vec<String> {
        let kind = |s: &Value| format!("{} {} {}", s["step"].as_str().unwrap(), s["kind"].as_str().unwrap(), s["else"]);
        steps.as_array().unwrap().iter().map(kind).collect()
    };
    let ana = shown("@ana");
    assert_eq!(kinds(&ana), ["look task false", "look email true", "intro email false", "nudge email false"], "{ana}");
    assert_eq!((&ana[1]["review"], &ana[2]["review"], &ana[3]["review"]), (&json!(true), &json!(true), &json!(false)));
    assert_eq!(ana[1]["why"], "when its time runs out (2 days)");
    assert!(ana[1]["text"].as_str().unwrap().starts_with("Sorry @ana."));
    let bo = shown("@bo");
    assert_eq!(kinds(&bo), ["look task false", "look email true", "intro task true", "nudge email false"], "{bo}");
    assert_eq!((&bo[2]["text"], &bo[2]["why"]), (&json!("Call @bo."), &json!("no email: no address is known")));
    let as_text = liaison(dir.path(), &["sequence", "preview", "spring", "--as", "@ana", "--step", "look"]).well();
    as_text.says(0, "what stands under `else`: when its time runs out (2 days)");
    let both = liaison(dir.path(), &["sequence", "preview", "spring", "--as", "@ana", "--step", "intro"]).well();
    both.says(0, "one of 2 variants");

    // The wording that is shown is the one that is sent: of twenty people, each gets theirs.
    let only = "[[step]]\nid = \"intro\"\nemail = [\"intro.md\", \"intro-b.md\"]\nreview = true\n";
    write(dir.path(), "sequences/spring/sequence.toml", &format!("{head}{only}"));
    std::fs::remove_file(dir.path().join("sequences/spring/late.md")).unwrap();
    std::fs::remove_file(dir.path().join("sequences/spring/nudge.md")).unwrap();
    let mut csv = "handle,email\n".to_owned();
    for n in 0..20 {
        csv.push_str(&format!("@p{n},p{n}@example.org\n"));
    }
    write(dir.path(), "people.csv", &csv);
    liaison(dir.path(), &["influencer", "import", "people.csv"]).well();
    publish_and_look(dir.path()).await;
    let people: Vec<String> = (0..20).map(|n| format!("@p{n}")).collect();
    let enroll: Vec<&str> =
        ["sequence", "enroll", "spring"].into_iter().chain(people.iter().map(String::as_str)).collect();
    liaison(dir.path(), &enroll).well();
    publish_and_look(dir.path()).await;
    let store = Store::open(&app::place_of(&configuration(dir.path()))).await.unwrap();
    let mut wordings = std::collections::BTreeMap::new();
    for handle in &people {
        let mut tx = store.read().await.unwrap();
        let who = liaison::hub::people::find_influencer(&mut tx, handle).await.unwrap();
        let run = tx.list_enrollments_of(vec![who.id]).await.unwrap().remove(0);
        let step = tx.list_steps(vec![run.id]).await.unwrap().remove(0);
        let sent = step.variant.unwrap_or_else(|| panic!("no mail for {handle}"));
        let shown = shown(handle);
        assert_eq!(shown[0]["template"], json!(sent), "{handle}");
        *wordings.entry(sent).or_insert(0) += 1;
    }
    assert_eq!(wordings.len(), 2, "both wordings are drawn: {wordings:?}");
    store.close().await;
}

#[tokio::test]
async fn preview_that_is_sent_says_that_its_way_to_unsubscribe_does_nothing() {
    let dir = folder();
    let send = ["sequence", "preview", "spring", "--as", "@ana", "--step", "intro", "--send-to", "kim@acme.example"];
    let sent = liaison(dir.path(), &[&send[..], &["--json"]].concat()).well().json();
    let text = sent["text"].as_str().unwrap_or_else(|| panic!("no text: {sent}"));
    let (_, below) =
        text.split_once("Unsubscribe: https://hub.acme.example/u/preview").unwrap_or_else(|| panic!("{text}"));
    assert!(below.contains("This is a preview of the step intro of spring, as @ana would get it"), "{text}");
    assert!(below.contains("is a placeholder: it does nothing"), "{text}");
    // What is only shown is what they would get, and says nothing of it.
    let shown = liaison(dir.path(), &[&send[..7], &["--json"]].concat()).well().json();
    assert!(!text_of(&shown, 0).contains("preview of the step") && text_of(&shown, 0).starts_with("Hello @ana."));
}
