//! `liaison account add` for numbers and workspaces: what it says, what it writes and what it refuses. Nobody is asked.

use std::path::Path;

use liaison::connector::slack::manifest::SCOPES;

use super::{Done, liaison, ready};

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
    let told = run(&["account", "add", "telnyx", "pool"]).well();
    says_all(&told, &["# messaging_profile_id = ", "\n  https://hub.acme.example/hooks/pool\n", "\"Inbound\""]);
    let told = run(&["account", "add", "text", "--kind", "twilio", "--json"]).well().json();
    assert_eq!(told["webhook"], "https://hub.acme.example/hooks/text");
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
