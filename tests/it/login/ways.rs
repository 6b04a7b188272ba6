//! The ways to sign in, with the binary as people run it, and an HTTP client in the place of their browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use url::Url;

use super::{Said, World, provider, query_of, request, request_now, until};
use crate::peers::fresh_user;
use crate::stores;

/// A command that runs.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only ever this child: it may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Running {
    /// The next line, which is JSON.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?} {}", self.errors()))
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        drop(self.child.wait());
        self.child.stderr.take().map(|mut e| e.read_to_string(&mut text));
        text
    }

    /// Its exit code, and what it complained of.
    fn end(mut self) -> (i32, String) {
        let errors = self.errors();
        (self.child.wait().unwrap().code().unwrap(), errors)
    }
}

/// A world whose account is not configured yet.
async fn bare() -> Option<World> {
    let (peer, url) = provider()?;
    Some(World::new(&peer, &url, stores::sqlite().await, false))
}

fn run(world: &World, args: &[&str]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_liaison"))
        .arg("--config")
        .arg(&world.file)
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    Running { child, out }
}

fn get(url: &str) -> Said {
    request_now(&Url::parse(url).unwrap(), None)
}

fn add<'a>(world: &'a World, kind: &'a str, more: &[&'a str]) -> Running {
    let mut args = vec!["account", "add", kind, "team", "--address", &world.user, "--json"];
    args.extend_from_slice(more);
    run(world, &args)
}

async fn is_stored(world: &World) -> bool {
    world.fresh.store.read().await.unwrap().get_login("team").await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_on_this_machine_takes_the_answer_with_its_state_and_no_other() {
    let Some(world) = bare().await else { return };
    let mut adding = add(&world, "gmail", &["--write"]);
    let url = adding.line()["url"].as_str().unwrap().to_owned();
    let asked = query_of(&url);
    assert_eq!(
        (asked["code_challenge_method"].as_str(), asked["scope"].as_str()),
        ("S256", "https://mail.google.com/")
    );
    assert!(asked["redirect_uri"].starts_with("http://127.0.0.1:"), "{asked:?}");
    let landed = world.agree(&url, "").await;
    // Somebody else's answer, and one without a state, are refused; the page goes on waiting.
    let forged = landed.replace(&asked["state"], "another-state");
    assert_ne!(forged, landed);
    assert_eq!(get(&forged).status, 400);
    assert_eq!(get(&format!("{}?code=abc", asked["redirect_uri"])).status, 400);
    assert_eq!(get(&format!("{}favicon.ico", asked["redirect_uri"])).status, 404);
    assert!(!is_stored(&world).await);
    assert_eq!(get(&landed).status, 200);
    let told = adding.line();
    assert_eq!((told["signed_in"].as_bool(), told["address"].as_str()), (Some(true), Some(world.user.as_str())));
    assert_eq!(adding.end().0, 0);
    assert!(is_stored(&world).await);
    let written = std::fs::read_to_string(told["written"].as_str().unwrap()).unwrap();
    assert!(written.contains("[accounts.team]") && written.contains(&world.user), "{written}");
    let config = liaison::config::load(&world.file, std::iter::empty()).unwrap_or_else(|e| panic!("{e}")).config;
    assert_eq!(config.accounts["team"].kind_name(), "gmail");
    // A code is good once, and so is the state that came with it.
    let again = world.sign_ins().answer("login.finish", &super::given(&[("returned", &landed)])).await;
    assert!(again.unwrap_err().to_string().contains("another state"));
}

/// `conf.d` is root's on a machine of its own; here it is none at all, which not even root can write into.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_that_could_not_be_written_is_told_before_anybody_signs_in() {
    let Some(world) = bare().await else { return };
    let folder = world.file.parent().unwrap().join("conf.d");
    std::os::unix::fs::symlink("nowhere/at-all", &folder).unwrap();
    let (code, words) = add(&world, "gmail", &["--write"]).end();
    let typed =
        format!("sudo tee {}/account-team.toml <<'TOML'\n[accounts.team]\nkind    = \"gmail\"\n", folder.display());
    assert!(code == 1 && words.contains(&typed) && words.contains("sudo liaison account add team"), "{code} {words}");
    // Where it can be, nothing is left of the look.
    std::fs::remove_file(&folder).unwrap();
    let mut adding = add(&world, "gmail", &["--write"]);
    assert!(adding.line()["url"].is_string());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn address_that_is_pasted_signs_in() {
    let Some(world) = bare().await else { return };
    let mut adding = add(&world, "microsoft365", &["--paste"]);
    let url = adding.line()["url"].as_str().unwrap().to_owned();
    assert!(query_of(&url)["redirect_uri"].starts_with("http://localhost:"));
    assert!(query_of(&url)["scope"].contains("IMAP.AccessAsUser.All"));
    let landed = world.agree(&url, "").await;
    writeln!(adding.child.stdin.take().unwrap(), "  {landed}").unwrap();
    let told = adding.line();
    assert!(told["toml"].as_str().unwrap().contains("kind    = \"microsoft365\""), "{told}");
    assert_eq!(adding.end().0, 0);
    assert!(is_stored(&world).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_with_another_state_is_refused_where_it_is_pasted() {
    let Some(world) = bare().await else { return };
    let mut adding = add(&world, "gmail", &["--paste"]);
    let url = adding.line()["url"].as_str().unwrap().to_owned();
    let landed = world.agree(&url, "").await.replace(&query_of(&url)["state"], "another-state");
    writeln!(adding.child.stdin.take().unwrap(), "{landed}").unwrap();
    let (code, errors) = adding.end();
    assert!(code == 1 && errors.contains("another state"), "{code} {errors}");
    assert!(!is_stored(&world).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_mailbox_that_signs_in_is_refused_and_nothing_is_kept() {
    let Some(world) = bare().await else { return };
    let mut adding = add(&world, "gmail", &["--paste"]);
    let url = adding.line()["url"].as_str().unwrap().to_owned();
    let landed = world.agree(&url, &format!("&as={}", fresh_user("somebody-else"))).await;
    writeln!(adding.child.stdin.take().unwrap(), "{landed}").unwrap();
    let (code, errors) = adding.end();
    assert!(code == 1 && errors.contains(&world.user) && errors.contains("may not read"), "{code} {errors}");
    assert!(!is_stored(&world).await);
    // Neither is one where the person says no.
    let mut adding = add(&world, "gmail", &[]);
    let url = adding.line()["url"].as_str().unwrap().to_owned();
    assert_eq!(get(&world.agree(&url, "&deny=yes").await).status, 200);
    let (code, errors) = adding.end();
    assert!(code == 1 && errors.contains("the person said no"), "{code} {errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_on_another_device_signs_in_where_the_provider_has_such_codes() {
    let Some(world) = bare().await else { return };
    let mut adding = add(&world, "microsoft365", &["--device"]);
    let shown = adding.line();
    let approve = format!(
        "{}?user_code={}&user={}",
        shown["url"].as_str().unwrap(),
        shown["user_code"].as_str().unwrap(),
        world.user
    );
    assert_eq!(get(&approve).status, 200);
    assert_eq!(adding.line()["signed_in"], true);
    assert_eq!(adding.end().0, 0);
    assert!(is_stored(&world).await);
    let (code, errors) = add(&world, "gmail", &["--device"]).end();
    assert!(code == 1 && errors.contains("no device codes for mail"), "{code} {errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_that_comes_to_the_daemon_signs_in() {
    let Some(world) = bare().await else { return };
    let base = format!("http://127.0.0.1:{}", world.port);
    let _daemon = run(&world, &["serve"]);
    let live = Url::parse(&format!("{base}/livez")).unwrap();
    until("the daemon", async || {
        let there = std::net::TcpStream::connect(("127.0.0.1", world.port)).is_ok();
        if there { Ok(()) } else { Err("nobody listens") }
    })
    .await;
    assert_eq!(request(live, None).await.status, 200);
    let mut adding = add(&world, "gmail", &["--via-hub"]);
    let url = adding.line()["url"].as_str().unwrap().to_owned();
    assert_eq!(query_of(&url)["redirect_uri"], format!("{base}/oauth/callback"));
    let landed = world.agree(&url, "").await;
    for stranger in ["/oauth/callback", "/oauth/callback?code=x&state=unknown", "/oauth/callback?code=x"] {
        assert_eq!(get(&format!("{base}{stranger}")).status, 400, "{stranger}");
    }
    assert!(!is_stored(&world).await);
    let page = get(&landed);
    assert!(page.status == 200 && page.body.contains("team is signed in"), "{page:?}");
    assert_eq!(adding.line()["signed_in"], true);
    assert_eq!(adding.end().0, 0);
    assert!(is_stored(&world).await);
    assert_eq!(get(&landed).status, 400, "an answer is good once");
    // What failed at the hub's page is said where it began, markup or not.
    let mut adding = add(&world, "gmail", &["--via-hub"]);
    let url = adding.line()["url"].as_str().unwrap().to_owned();
    let landed = world.agree(&url, "").await;
    let state = query_of(&landed)["state"].clone();
    let refused = get(&format!("{base}/oauth/callback?state={state}&error=%3Cscript%3E"));
    assert!(refused.status == 400 && !refused.body.contains("<script>"), "{refused:?}");
    let (code, errors) = adding.end();
    assert!(code == 1 && errors.contains("the provider says"), "{code} {errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_test_says_how_each_step_went() {
    let Some(world) = super::world().await else { return };
    let tried = |world: &World| {
        let mut trying = run(world, &["account", "test", "brand", "--json"]);
        let mut text = String::new();
        trying.out.read_to_string(&mut text).unwrap();
        let (code, errors) = trying.end();
        (code, serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e}: {text} {errors}")))
    };
    let (code, told) = tried(&world);
    assert!(code == 1 && told["steps"].to_string().contains("nobody has signed in yet"), "{told}");
    world.sign_in().await;
    let (code, told) = tried(&world);
    assert!(code == 0 && told["ok"] == true, "{told}");
    assert!(told["steps"].to_string().contains("folder INBOX"), "{told}");
    let wish = super::wish(&world);
    assert_eq!((wish.account.as_str(), wish.address.as_str()), ("brand", world.user.as_str()));
    for (given, part) in [
        ((Some("microsoft365"), "brand", None), "configured as gmail"),
        ((None, "brand", Some("else@example.test")), "configured with the address"),
        ((None, "new", Some("else@example.test")), "say its kind"),
        ((Some("gmail"), "new", None), "say its address"),
        ((Some("imap"), "new", None), "no kind that signs in"),
        ((Some("gmail"), "a b", Some("else@example.test")), "letters, digits"),
    ] {
        let (kind, name, address) = given;
        let error = world.sign_ins().wish(kind, name, address).unwrap_err().to_string();
        assert!(error.contains(part), "{given:?}: {error}");
    }
}
