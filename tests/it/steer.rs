//! Sequences as people and programs steer them: the command line on a folder, and the daemon's API over the same.

mod texts;

use crate::cli::{liaison, ready};
use crate::e2e::api::Api;
use liaison::app::{self, Parts};
use liaison::clock::Clock;
use liaison::config::{self, Config, Secrets};
use liaison::domain::ids::RunId;
use liaison::domain::words::Scope;
use liaison::hub::outreach::house::Desk;
use liaison::hub::token::{TokenOrder, create_token};
use liaison::lifecycle::{Asked, Lifecycle};
use liaison::sequence::{self, Cadence, Known};
use liaison::store::Store;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::Path;
use tokio::sync::mpsc;

const SEQUENCE: &str = r#"name = "Spring"
account = "hello"

[schedule]
timezone = "influencer"
fallback = "Europe/Lisbon"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
hours = ["00:00-24:00"]

[[step]]
id = "intro"
email = "intro.md"
review = true

[[step]]
id = "nudge"
after = "3 business days"
email = "nudge.md"
"#;

/// A folder with a sequence in it, and two people of whom one has an address.
fn folder() -> tempfile::TempDir {
    let dir = ready();
    let path = dir.path().join("liaison.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text =
        text.replace("# base_url = \"https://hub.your-domain.example\"", "base_url = \"https://hub.acme.example\"");
    std::fs::write(&path, text + "\n[sender]\nname = \"Acme\"\naddress = \"1 Main St, Portland\"\n").unwrap();
    let spring = dir.path().join("sequences/spring");
    // What `init` wrote is not of interest here.
    std::fs::remove_dir_all(dir.path().join("sequences")).ok();
    std::fs::create_dir_all(&spring).unwrap();
    std::fs::write(spring.join("sequence.toml"), SEQUENCE).unwrap();
    std::fs::write(spring.join("intro.md"), "---\nsubject: A tee\n---\nHello {{ influencer.handle }}.\n").unwrap();
    std::fs::write(spring.join("nudge.md"), "Did it reach you?\n").unwrap();
    let add = |more: &[&str]| liaison(dir.path(), &[&["influencer", "add", "--handle"], more].concat()).well();
    add(&["@ana", "--email", "ana@example.org", "--tag", "runner"]);
    add(&["@bo"]);
    dir
}

fn configuration(dir: &Path) -> Config {
    config::load_with(&dir.join("liaison.toml"), std::iter::empty(), Secrets::Skip)
        .unwrap_or_else(|e| panic!("{e}"))
        .config
}

/// Does what the daemon does at its start, and then looks at runs once.
async fn publish_and_look(dir: &Path) {
    let config = configuration(dir);
    let store = Store::open(&app::place_of(&config)).await.unwrap();
    let clock = Clock::machine();
    let loaded = sequence::load(&Known { config: &config, live: None, audience: None });
    assert_eq!(loaded.errors(), 0, "{:?}", loaded.findings);
    let mut tx = store.begin("test").await.unwrap();
    tx.ensure_account("hello", "imap", "hello@acme.example", clock.now()).await.unwrap();
    sequence::publish(&mut tx, &clock, &loaded, sequence::Trust::Whole).await.unwrap();
    tx.commit().await.unwrap();
    let cadence = Cadence { store: store.clone(), clock: clock.clone(), desk: Desk::new(app::house_of(&config)) };
    while cadence.tick().await.unwrap().0.runs > 0 {}
    store.close().await;
}

#[tokio::test]
async fn sequence_is_steered_from_the_command_line() {
    let dir = folder();
    let run = |args: &[&str]| liaison(dir.path(), args);
    run(&["sequence", "list"]).well().says(0, "None yet");
    run(&["sequence", "show", "spring"]).says(1, "there is no sequence `spring`");
    run(&["sequence", "enroll", "spring", "@ana"]).says(1, "there is no sequence `spring`");
    publish_and_look(dir.path()).await;
    run(&["sequence", "enroll", "spring"]).says(2, "say who");
    run(&["sequence", "enroll", "spring", "--stage", "nowhere"]).says(1, "nowhere");
    run(&["sequence", "enroll", "spring", "@ana", "@bo", "--dry-run"]).well().says(0, "Nothing was written");
    assert_eq!(run(&["enrollment", "list", "--json"]).well().json()["data"], json!([]));
    let enrolled = run(&["sequence", "enroll", "spring", "@ana", "@bo", "--json"]).well().json();
    assert_eq!((&enrolled["enrolled"], &enrolled["refused"]), (&json!(1), &json!(1)), "{enrolled}");
    assert!(enrolled["refusals"][0]["reason"].as_str().unwrap().contains("no email address"));
    run(&["sequence", "enroll", "spring", "--tag", "runner"]).says(1, "already");

    let listed = run(&["enrollment", "list", "--who", "@ana", "--state", "active", "--json"]).well().json();
    let id = listed["data"][0]["id"].as_str().unwrap().to_owned();
    run(&["enrollment", "pause", &id]).well().says(0, "paused by command line, kim");
    run(&["enrollment", "pause", &id]).says(1, "paused already");
    run(&["enrollment", "resume", &id]).well();
    run(&["enrollment", "exit", "enr_00000000000000000000000000000001"]).says(1, "there is no enrollment");

    publish_and_look(dir.path()).await;
    let review = run(&["outbox", "list", "--status", "review", "--json"]).well().json();
    assert!(review["data"][0].is_object(), "{}", run(&["enrollment", "show", &id, "--json"]).json());
    let mail = review["data"][0]["id"].as_str().unwrap().to_owned();
    run(&["outbox", "show", &mail]).well().says(0, "Hello @ana.");
    run(&["outbox", "approve", &mail]).well().says(0, "leaves at");
    run(&["outbox", "approve", &mail]).says(1, "only a message in review");
    assert_eq!(run(&["outbox", "show", &mail, "--json"]).well().json()["status"], "queued");

    run(&["sequence", "pause", "spring", "--reason", "a wrong link"]).well().says(0, "is paused now");
    run(&["sequence", "show", "spring"]).well().says(0, "a wrong link (command line, kim)");
    assert_eq!(run(&["sequence", "list", "--json"]).well().json()["data"][0]["state"], "paused");
    run(&["sequence", "resume", "spring"]).well().says(0, "goes on");
    run(&["sequence", "resume", "spring"]).well().says(0, "was not paused");
    run(&["pause", "--account", "nobody"]).says(1, "there is no account `nobody`");
    run(&["pause", "--account", "hello"]).well().says(0, "paused: what hello sends");
    run(&["resume", "--account", "hello"]).well().says(0, "goes on: what hello sends");
    assert_eq!(run(&["pause", "--json"]).well().json(), json!({"account": null, "paused": true, "changed": true}));
    run(&["pause"]).well().says(0, "was paused already: all sequences");
    run(&["resume"]).well().says(0, "goes on: all sequences");

    edited(dir.path(), &mail).await;
    let stats = run(&["sequence", "stats", "summer", "--json"]).well().json();
    assert_eq!((&stats["steps"][0]["step"], &stats["steps"][0]["planned"]), (&json!("intro"), &json!(1)), "{stats}");
    run(&["enrollment", "skip", &id]).well().says(0, "skipped by command line, kim");
    run(&["enrollment", "exit", &id]).well().says(0, "ended by command line, kim");
    run(&["sequence", "stats", "summer"]).well().says(0, "left out 1 times");
}

/// The files are edited, the run moves along, and the folder gets another name.
async fn edited(dir: &Path, mail: &str) {
    let run = |args: &[&str]| liaison(dir, args);
    run(&["sequence", "diff", "spring"]).well().says(0, "The files say what is in force.");
    let intro = dir.join("sequences/spring/intro.md");
    std::fs::write(&intro, "---\nsubject: A tee\n---\nHello again {{ influencer.handle }}.\n").unwrap();
    run(&["sequence", "diff", "spring"]).well().says(0, "~ template intro.md: text");
    std::fs::write(&intro, "---\nsubject: A tee\n---\nHello {{ nobody }}.\n").unwrap();
    run(&["sequence", "diff", "spring"]).says(1, "can't be used as they are");
    std::fs::write(&intro, "---\nsubject: A tee\n---\nHello again {{ influencer.handle }}.\n").unwrap();
    run(&["sequence", "migrate", "spring"]).says(2, "--plan");
    publish_and_look(dir).await;
    run(&["sequence", "migrate", "spring", "--plan"]).well().says(0, "what was planned is planned anew");
    assert_eq!(run(&["outbox", "show", mail, "--json"]).well().json()["status"], "queued", "a plan writes nothing");
    let moved = run(&["sequence", "migrate", "spring", "--apply", "--json"]).well().json();
    assert_eq!((&moved["moved"], &moved["runs"][0]["planned"]), (&json!(1), &json!("anew")), "{moved}");
    assert_eq!(run(&["outbox", "show", mail, "--json"]).well().json()["status"], "cancelled");
    run(&["sequence", "migrate", "spring", "--apply"]).well().says(0, "Every live run is on the version in force");
    publish_and_look(dir).await;
    let review = run(&["outbox", "list", "--status", "review", "--json"]).well().json();
    let again = review["data"][0]["id"].as_str().unwrap().to_owned();
    run(&["outbox", "show", &again]).well().says(0, "Hello again @ana.");
    run(&["sequence", "rename", "spring", "summer"]).says(1, "there is no folder `summer`");
    std::fs::rename(dir.join("sequences/spring"), dir.join("sequences/summer")).unwrap();
    run(&["sequence", "rename", "spring", "summer"]).well().says(0, "1 live runs go on");
    publish_and_look(dir).await;
    let listed = run(&["enrollment", "list", "--sequence", "summer", "--json"]).well().json();
    assert_eq!(listed["data"][0]["state"], "active", "{listed}");
}

async fn asked(api: &Api, method: &str, path: &str, body: Option<Value>, status: u16) -> Value {
    let answer = api.ask(method, path, body.as_ref()).await;
    assert_eq!(answer.status, status, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// The daemon without its accounts: nothing is read or sent.
async fn daemon(dir: &Path) -> (Api, mpsc::Sender<Asked>, Store) {
    let config = configuration(dir);
    let (store, clock) = (Store::open(&app::place_of(&config)).await.unwrap(), Clock::machine());
    let mut tx = store.begin("test").await.unwrap();
    tx.ensure_account("hello", "imap", "hello@acme.example", clock.now()).await.unwrap();
    let scopes = vec![Scope::Read, Scope::Write, Scope::MessagesSend, Scope::SequencesRun];
    let order = TokenOrder { name: "robot".into(), scopes, expires_at: None };
    let (_, secret) = create_token(&mut tx, &clock, order).await.unwrap();
    tx.commit().await.unwrap();
    let mut live = app::live_of(&config);
    live.accounts.clear();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = Api { at: listener.local_addr().unwrap(), token: secret.expose_secret().to_owned() };
    let life = Lifecycle::new();
    let run = RunId(clock.new_id());
    app::start(
        Parts {
            store: store.clone(),
            clock,
            run,
            live,
            listener,
            public: None,
            reload: None,
            watermark: liaison::outbound::Watermark::none(),
        },
        &life,
    )
    .await
    .unwrap();
    let (ask, told) = mpsc::channel(1);
    tokio::spawn(life.run(told));
    (api, ask, store)
}

#[tokio::test]
async fn sequence_is_steered_over_the_api() {
    let dir = folder();
    let (api, stop, store) = daemon(dir.path()).await;
    let listed = api.get("/sequences").await;
    assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["state"]), (&json!("spring"), &json!("active")));
    assert_eq!(api.get("/sequences/spring").await["steps"][0]["review"], true);
    asked(&api, "GET", "/sequences/autumn", None, 404).await;
    let path = "/sequences/spring/enrollments";
    let both = json!({"influencers": ["@ana"], "filter": {}});
    let said = asked(&api, "POST", path, Some(both), 422).await;
    assert!(said["detail"].as_str().unwrap().contains("exactly one"), "{said}");
    let said = asked(&api, "POST", path, Some(json!({"influencers": ["@ana", "@nobody"]})), 422).await;
    assert_eq!(said["errors"][0]["pointer"], "/influencers/1");
    let said = asked(&api, "POST", path, Some(json!({"filter": {"stage": "nowhere"}})), 422).await;
    assert_eq!(said["errors"][0]["pointer"], "/filter/stage");
    asked(&api, "POST", "/sequences/autumn/enrollments", Some(json!({"filter": {}})), 404).await;
    let dry = asked(&api, "POST", path, Some(json!({"filter": {}, "dry_run": true})), 200).await;
    assert_eq!((&dry["enrolled"], &dry["refused"], &dry["dry_run"]), (&json!(1), &json!(1), &json!(true)));
    assert_eq!(api.get("/enrollments").await["data"], json!([]));
    let real = asked(&api, "POST", path, Some(json!({"influencers": ["@ana"]})), 201).await;
    let id = real["runs"][0]["enrollment_id"].as_str().unwrap().to_owned();
    // The cadence was woken: the intro is planned, and waits for a person.
    let mail = crate::e2e::api::until("a mail in review", || async {
        api.get("/outbox?status=review").await["data"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let one = api.get(&format!("/enrollments/{id}")).await;
    assert_eq!((&one["state"], &one["steps"][0]["message_id"]), (&json!("active"), &json!(mail)), "{one}");
    assert_eq!(one["steps"][0]["message_status"], "review");

    let run = format!("/enrollments/{id}");
    let paused = asked(&api, "PATCH", &run, Some(json!({"do": "pause"})), 200).await;
    assert_eq!((&paused["state"], &paused["waiting_for"]), (&json!("paused"), &json!("paused by token robot")));
    assert_eq!(asked(&api, "PATCH", &run, Some(json!({"do": "pause"})), 409).await["code"], "wrong_state");
    asked(&api, "PATCH", &run, Some(json!({"do": "dance"})), 422).await;
    asked(&api, "PATCH", &run, Some(json!({"do": "resume"})), 200).await;
    let approve = format!("/outbox/{mail}/approve");
    assert_eq!(asked(&api, "POST", &approve, None, 200).await["status"], "queued");
    assert_eq!(asked(&api, "POST", &approve, None, 409).await["code"], "wrong_state");
    let skipped = asked(&api, "PATCH", &run, Some(json!({"do": "skip"})), 200).await;
    assert_eq!((&skipped["step"], &skipped["steps"][0]["state"]), (&json!("nudge"), &json!("skipped")), "{skipped}");

    let why = json!({"reason": "a wrong link"});
    let paused = asked(&api, "POST", "/sequences/spring/pause", Some(why), 200).await;
    assert_eq!(paused["sequence"]["pause_reason"], "a wrong link (token robot)", "{paused}");
    assert_eq!(asked(&api, "POST", "/sequences/spring/pause", None, 200).await["changed"], false);
    assert_eq!(asked(&api, "POST", "/sequences/spring/resume", None, 200).await["sequence"]["state"], "active");
    for path in ["", "/accounts/hello"] {
        assert_eq!(asked(&api, "POST", &format!("{path}/pause"), None, 200).await["changed"], true);
        assert_eq!(asked(&api, "POST", &format!("{path}/resume"), None, 200).await["changed"], true);
        assert_eq!(asked(&api, "POST", &format!("{path}/resume"), None, 200).await["changed"], false);
    }
    asked(&api, "POST", "/accounts/nobody/pause", None, 404).await;
    asked(&api, "POST", "/sequences/autumn/pause", None, 404).await;

    let stats = api.get("/sequences/spring/stats").await;
    assert_eq!((&stats["steps"][0]["step"], &stats["steps"][0]["skipped"]), (&json!("intro"), &json!(1)), "{stats}");
    assert_eq!(api.get("/stats/sequences").await["data"], json!([stats]));
    let over = asked(&api, "PATCH", &run, Some(json!({"do": "exit"})), 200).await;
    assert_eq!(over["exit_reason"], "ended by token robot");
    let listed = api.get("/enrollments?state=exited&sequence=spring").await;
    assert_eq!(listed["data"][0]["id"], json!(id));
    assert_eq!(api.get("/enrollments?state=active").await["data"], json!([]));
    asked(&api, "GET", "/enrollments?state=asleep", None, 400).await;
    stop.send(Asked::Stop).await.unwrap();
    drop(store);
}

#[tokio::test]
async fn files_are_checked_over_the_api_before_they_are_used() {
    let dir = folder();
    let (api, stop, store) = daemon(dir.path()).await;
    let check = |files: Value| json!({"id": "draft", "files": files});
    let good = json!({
        "sequence.toml": SEQUENCE, "intro.md": "---\nsubject: Hi\n---\nHello.\n", "nudge.md": "Again.\n",
    });
    let told = asked(&api, "POST", "/sequences/check", Some(check(good)), 200).await;
    assert_eq!(told["errors"], 0, "{told}");
    assert!(told["version"].as_str().is_some());
    let bad = json!({"sequence.toml": SEQUENCE, "intro.md": "---\nsubject: Hi\n---\nHello {{ fist_name }}.\n"});
    let told = asked(&api, "POST", "/sequences/check", Some(check(bad)), 200).await;
    assert!(told["errors"].as_u64().unwrap() >= 2, "{told}");
    let text = told.to_string();
    assert!(text.contains("fist_name") && text.contains("nudge.md") && !text.contains("/tmp"), "{text}");
    let unknown =
        told["findings"].as_array().unwrap().iter().find(|f| f["message"].as_str().unwrap().contains("fist_name"));
    assert_eq!(unknown.unwrap()["file"], "intro.md");
    let outside = json!({"sequence.toml": SEQUENCE, "../x.md": "Hello."});
    let told = asked(&api, "POST", "/sequences/check", Some(check(outside)), 422).await;
    assert_eq!(told["errors"][0]["pointer"], "/files/..~1x.md", "{told}");
    asked(&api, "POST", "/sequences/check", Some(check(json!({"intro.md": "x"}))), 422).await;
    assert_eq!(api.get("/sequences").await["data"].as_array().unwrap().len(), 1, "nothing of it is in force");
    stop.send(Asked::Stop).await.unwrap();
    drop(store);
}
