//! `liaison account add` for numbers and workspaces: what it says, what it writes and what it refuses. Nobody is asked.

use std::path::Path;

use liaison::connector::slack::manifest::SCOPES;

use super::{Done, liaison, ready};
use crate::sms;
use crate::sms::telnyx::Telnyx;

/// Writes a secret as the command says to.
fn keep(dir: &Path, name: &str, secret: &str) {
    let file = dir.join(name);
    std::fs::write(&file, secret).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn reached_at(dir: &Path, base_url: &str) {
    std::fs::create_dir_all(dir.join("conf.d")).unwrap();
    std::fs::write(dir.join("conf.d/site.toml"), format!("[server]\nbase_url = \"{base_url}\"\n")).unwrap();
}

fn says_all(done: &Done, parts: &[&str]) {
    let told = format!("{}{}", done.out, done.err);
    for part in parts {
        assert!(told.contains(part), "{part}\n{told}");
    }
}

#[test]
fn a_number_is_added_step_by_step() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    let told = run(&["account", "add", "text", "--kind", "twilio"]).well();
    let secret = format!("(umask 077; cat > {}/text-auth-token)", dir.path().display());
    says_all(
        &told,
        &[
            "1. Twilio: https://console.twilio.com",
            "[accounts.text]",
            "account_sid           = \"AC…\"   # needed: ",
            "auth_token            = { file = \"text-auth-token\" }",
            "# messaging_service_sid = \"MG…\"   # in place of `number`: ",
            &secret,
            "base_url is not set",
        ],
    );
    reached_at(dir.path(), "https://hub.acme.example");
    says_all(
        &run(&["account", "add", "text", "--kind", "twilio"]).well(),
        &["\n  https://hub.acme.example/hooks/text\n", "HTTP POST"],
    );
    let told = run(&["account", "add", "text", "--kind", "twilio", "--json"]).well().json();
    assert_eq!(told["webhook"], "https://hub.acme.example/hooks/text");
    // An API key signs in, and the token is what checks posts: it stands in the entry and is to be kept as well.
    let key = ["--set", "api_key=SK0123456789abcdef0123456789abcdef"];
    let keyed = run(&[&["account", "add", "text", "--kind", "twilio"][..], &key].concat()).well();
    says_all(&keyed, &["\nauth_token ", "/text-auth-token)", "\n  https://hub.acme.example/hooks/text\n"]);
    assert!(told["manifest"].is_null() && told["toml"].as_str().unwrap().starts_with("[accounts.text]\n"), "{told}");
    assert_eq!(told["secrets"][0]["command"], secret.as_str());

    // Written only where nothing is missing for it, secrets included: without them the daemon would not start again.
    let settings = ["--set", "account_sid=AC0123456789abcdef0123456789abcdef", "--set", "number=+14155550100"];
    let write = |more: &[&str]| run(&[&["account", "add", "text", "--kind", "twilio", "--write"][..], more].concat());
    let lacking = write(&[]);
    lacking.says(2, "--write needs more, and nothing was written");
    says_all(&lacking, &["--set account_sid=AC…   (needed: ", "--set number=+14155550100   (", &secret]);
    write(&settings).says(2, &secret);
    let file = dir.path().join("conf.d/account-text.toml");
    assert!(!file.exists());
    keep(dir.path(), "text-auth-token", "the token");
    write(&settings).well().says(0, "Then try it: liaison account add text");
    run(&["config", "check"]).well().says(0, "2 accounts");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("\nnumber                = \"+14155550100\"") && written.contains("\n# api_key "),
        "{written}"
    );
    run(&["account", "add", "text", "--kind", "slack"]).says(1, "`text` is configured as twilio");
    // The configuration takes no second account of the same number, and the file that would bring one is taken away again.
    keep(dir.path(), "other-auth-token", "the token");
    let other = run(&[&["account", "add", "other", "--kind", "twilio", "--write"][..], &settings].concat());
    other.says(78, "belongs to one account");
    assert!(!dir.path().join("conf.d/account-other.toml").exists());
}

/// Whether nothing of it is said.
fn says_none(done: &Done, parts: &[&str]) {
    let told = format!("{}{}", done.out, done.err);
    for part in parts {
        assert!(!told.contains(part), "{part}\n{told}");
    }
}

#[test]
fn an_address_is_to_be_entered_only_where_posts_are_taken() {
    let dir = ready();
    reached_at(dir.path(), "https://hub.acme.example");
    let run = |args: &[&str]| liaison(dir.path(), args);
    let add = ["account", "add", "telnyx", "pool"];
    let without = run(&add).well();
    says_all(
        &without,
        &["# messaging_profile_id = ", "# public_key ", "can't post to us as it is", "needs `public_key` in the entry"],
    );
    says_none(&without, &["enter this address", "/hooks/pool", "goes along with each"]);
    let json = |more: &[&str]| run(&[&add[..], more, &["--json"]].concat()).well().json();
    assert!(json(&[])["webhook"].is_null());
    let key = ["--set", "public_key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="];
    let with = run(&[&add[..], &key].concat()).well();
    says_all(&with, &["\npublic_key ", "\n  https://hub.acme.example/hooks/pool\n", "\"Inbound\""]);
    says_none(&with, &["can't post"]);
    assert_eq!(json(&key)["webhook"], "https://hub.acme.example/hooks/pool");
    // Written without the token, there is nothing that could check a post.
    keep(dir.path(), "text-api-secret", "s");
    let written = run(&[
        "account",
        "add",
        "text",
        "--kind",
        "twilio",
        "--write",
        "--json",
        "--set",
        "account_sid=AC0123456789abcdef0123456789abcdef",
        "--set",
        "api_key=SK0123456789abcdef0123456789abcdef",
        "--set",
        "number=+14155550100",
    ]);
    assert!(written.well().json()["webhook"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_tried_says_whose_it_is_and_whether_posts_are_taken() {
    let (dir, telnyx) = (ready(), Telnyx::new());
    reached_at(dir.path(), "https://hub.acme.example");
    keep(dir.path(), "pool-api-key", sms::telnyx::KEY);
    let entry = |number: &str, more: &str| {
        let base = format!("{}/v2", telnyx.server.url());
        let text = format!(
            "[accounts.pool]\nkind = \"telnyx\"\napi_key = {{ file = \"pool-api-key\" }}\nnumber = \"{number}\"\nbase_url = \"{base}\"\n{more}"
        );
        std::fs::write(dir.path().join("conf.d/account-pool.toml"), text).unwrap();
    };
    let run = |args: &[&str]| liaison(dir.path(), args);
    entry("+14155550100", "");
    let told = run(&["account", "add", "pool"]).well();
    says_all(
        &told,
        &[
            "ok       reading: Telnyx lets us read its messages\n",
            "ok       number +14155550100: it is ours at Telnyx",
            "is seen with the first",
            "no hook: `public_key`",
            "can't post to us as it is",
            "pool can be used.",
        ],
    );
    says_none(&told, &["enter this address", "/hooks/pool", "and send"]);
    assert!(run(&["account", "add", "pool", "--json"]).well().json()["webhook"].is_null());
    entry("+14155550100", "public_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n");
    let told = run(&["account", "add", "pool"]).well();
    says_all(&told, &["hook: what Telnyx posts can be checked", "\n  https://hub.acme.example/hooks/pool\n"]);
    // A mistyped number does not pass.
    entry("+14155550101", "");
    let told = run(&["account", "test", "pool"]);
    told.says(1, "PROBLEM  number +14155550101: the account has no such number at Telnyx: correct `number`");
    let told = run(&["account", "add", "pool"]);
    told.says(1, "PROBLEM  number");
    says_none(&told, &["can be used"]);
    // What could not be seen is said so.
    telnyx.state.lock().unwrap().closed = Some(403);
    let told = run(&["account", "add", "pool"]).well();
    says_all(&told, &["WARNING  number +14155550101: ", "pool can be used, as far as could be seen."]);
    let steps = run(&["account", "test", "pool", "--json"]).well().json()["steps"].clone();
    assert_eq!((&steps[1]["ok"], &steps[1]["warning"]), (&true.into(), &true.into()), "{steps}");
}

#[test]
fn slack_posts_only_to_a_daemon_that_has_its_secret() {
    let dir = ready();
    reached_at(dir.path(), "https://hub.acme.example");
    let told = liaison(dir.path(), &["account", "add", "team", "--kind", "slack"]).well();
    let secret = format!("(umask 077; cat > {}/team-signing-secret)   # signing_secret", dir.path().display());
    // In this order, for Slack asks the address as soon as it is entered.
    let mut from = 0;
    for part in [
        "[accounts.team]",
        "# signing_secret = ",
        &secret,
        "then `liaison reload`",
        "enter https://hub.acme.example/hooks/team at",
    ] {
        let at = told.out[from..].find(part).unwrap_or_else(|| panic!("{part} is not behind {from}:\n{}", told.out));
        from += at + part.len();
    }
    assert_eq!(told.out.matches("/hooks/team").count(), 1);
}

#[test]
fn a_workspace_is_added_step_by_step() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    let told = run(&["account", "add", "team", "--kind", "slack"]).well();
    says_all(
        &told,
        &[
            "\"From a manifest\"",
            "\"socket_mode_enabled\": true",
            "connections:write",
            "for which [server] base_url has to be set first",
            "bot_token      = { file = \"team-bot-token\" }",
            "# signing_secret = { file = \"team-signing-secret\" }",
            "(/invite in Slack)",
        ],
    );
    let told = run(&["account", "add", "team", "--kind", "slack", "--json"]).well().json();
    let scopes = told["manifest"]["oauth_config"]["scopes"]["bot"].as_array().unwrap();
    assert_eq!(scopes.len(), SCOPES.len());
    let write = || run(&["account", "add", "team", "--kind", "slack", "--write", "--json"]);
    write().says(2, "team-bot-token");
    keep(dir.path(), "team-bot-token", "xoxb-1");
    keep(dir.path(), "team-signing-secret", "5ec7e7");
    let written = write().well().json();
    let toml = std::fs::read_to_string(written["written"].as_str().unwrap()).unwrap();
    for line in ["bot_token ", "# app_token ", "signing_secret "] {
        assert!(toml.lines().any(|l| l.starts_with(line)), "{line}\n{toml}");
    }
    run(&["config", "check"]).well().says(0, "2 accounts");
}

#[test]
fn what_can_not_be_added_says_what_to_say_instead() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), &[&["account", "add"][..], args].concat());
    for (given, code, words) in [
        (&["x", "--kind", "pigeon"][..], 2, "`pigeon` is no kind of account; there are: imap, gmail, microsoft365, "),
        (&["x"], 2, "say its kind with --kind; there are: imap, gmail"),
        (&["slack"], 2, "say the name of the account as well: liaison account add slack NAME"),
        (&["twilio", "x", "--kind", "slack"], 2, "is it of kind `twilio` or of kind `slack`?"),
        (&["a b", "--kind", "slack"], 2, "letters, digits"),
        (&["manual", "--kind", "slack"], 2, "no account is called `manual`"),
        (&["x", "--kind", "imap"], 2, "nobody signs in to an account of kind `imap`"),
        (&["hello"], 1, "`hello` is of kind `imap`"),
        (&["x", "--kind", "slack", "--paste"], 2, "--paste: only mailboxes that somebody signs in to"),
        (&["x", "--kind", "slack", "--set", "bot_token=1"], 2, "a workspace has only secrets"),
        (&["x", "--kind", "twilio", "--set", "auth_token=1"], 2, "it is a secret, which is never said here"),
        (
            &["x", "--kind", "twilio", "--set", "colour=red"],
            2,
            "has no such setting; there are: account_sid, api_key, number",
        ),
        (&["x", "--kind", "twilio", "--set", "number=12"], 2, "write it like +14155550100"),
        (&["x", "--kind", "twilio", "--set", "base_url=https://a.example/\"b"], 2, "write a plain value"),
        (
            &[
                "x",
                "--kind",
                "twilio",
                "--set",
                "number=24365",
                "--set",
                "messaging_service_sid=MG0123456789abcdef0123456789abcdef",
            ],
            2,
            "don't go together",
        ),
        (
            &["gmail", "x", "--address", "a@acme.example", "--set", "number=1"],
            2,
            "only numbers (twilio, telnyx) have settings",
        ),
    ] {
        run(given).says(code, words);
    }
    // A secret that only the service gets is named, and nobody is asked with an empty one.
    std::fs::create_dir_all(dir.path().join("conf.d")).unwrap();
    let team = "[accounts.team]\nkind = \"slack\"\nbot_token = { credential = \"secret_team-bot\" }\n";
    std::fs::write(dir.path().join("conf.d/team.toml"), team).unwrap();
    run(&["team"]).says(1, "`bot_token` (credential secret_team-bot) can't be read here");
    liaison(dir.path(), &["account", "test", "team"]).says(1, "start the daemon");
}

#[test]
fn a_slack_user_is_an_address_of_somebody() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    run(&["influencer", "add", "--handle", "@bo", "--email", "bo@example.org"]).well();
    let user = "T012AB3C4/U012AB3C4";
    run(&["influencer", "address", "add", "@bo", user]).well().says(0, user);
    run(&["influencer", "address", "remove", "@bo", user]).well().says(0, "the addresses of @bo: bo@example.org");
}
