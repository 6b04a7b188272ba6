//! Accounts of text messages and of Slack: good ones, each mistake at its place, and that no secret is shown.

use super::*;
use crate::config::accounts::TextAccount;
use crate::config::texting::SettingsError;
use crate::domain::words::Channel;

const TWILIO: &str = r#"
[accounts.text]
kind = "twilio"
name = "Acme"
account_sid = "AC0123456789abcdef0123456789abcdef"
auth_token = { env = "TWILIO" }
number = "+14155550100"
daily_limit = 200
working_hours = "08:00-18:00"
"#;
const TELNYX: &str = r#"
[accounts.pool]
kind = "telnyx"
api_key = { env = "TELNYX" }
public_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
messaging_profile_id = "30ef55db-c4a2-4c4a-9804-a68077973d07"
backfill = "none"
poll_seconds = 30
settle_minutes = 5
"#;
const SLACK: &str = r#"
[accounts.team]
kind = "slack"
bot_token = { env = "BOT" }
app_token = { env = "APP" }
signing_secret = { env = "SIGNING" }
base_url = "http://127.0.0.1:9/api"
"#;
const ENV: &[(&str, &str)] = &[
    ("TWILIO", "hunter2"),
    ("TELNYX", "KEYhunter2"),
    ("BOT", "xoxb-hunter2"),
    ("APP", "xapp-hunter2"),
    ("SIGNING", "hunter2"),
];

fn load_fine(text: &str, env: &[(&str, &str)]) -> Config {
    load_text(text, env).map_err(|findings| findings.to_string()).unwrap().config
}

fn text_account<'a>(config: &'a Config, name: &str) -> &'a TextAccount {
    let AccountKind::Text(text) = &config.accounts[name].kind else { panic!("{name}") };
    text
}

#[test]
fn numbers_pools_and_workspaces_become_accounts() {
    let config = load_fine(&format!("{TWILIO}{TELNYX}{SLACK}"), ENV);
    let account = &config.accounts["text"];
    assert_eq!(
        (account.channel(), account.kind_name(), account.address.as_str()),
        (Channel::Sms, "twilio", "+14155550100")
    );
    assert_eq!((account.display_name.as_deref(), account.daily_limit), (Some("Acme"), Some(200)));
    assert!(account.working_hours.is_some() && account.imap().is_none() && account.provider().is_none());
    let text = text_account(&config, "text");
    assert_eq!((text.provider.label, text.settings.get("auth_token")), ("Twilio", Some("hunter2")));
    assert_eq!((text.backfill, text.poll.as_secs(), text.settle.as_secs()), (Backfill::Days(30), 60, 900));
    assert_eq!(text.provider.check(&text.settings), Ok(()));

    let pool = &config.accounts["pool"];
    assert_eq!((pool.kind_name(), pool.address.as_str()), ("telnyx", "30ef55db-c4a2-4c4a-9804-a68077973d07"));
    let text = text_account(&config, "pool");
    assert_eq!((text.backfill, text.poll.as_secs(), text.settle.as_secs()), (Backfill::None, 30, 300));
    assert_eq!(text.provider.check(&text.settings), Ok(()));

    let team = &config.accounts["team"];
    assert_eq!((team.channel(), team.kind_name(), team.address.as_str()), (Channel::Slack, "slack", ""));
    let AccountKind::Slack(slack) = &team.kind else { panic!("{team:?}") };
    assert_eq!(slack.bot_token.value.expose_secret(), "xoxb-hunter2");
    assert!(slack.app_token.is_some() && slack.signing_secret.is_some());
    assert_eq!(slack.base_url.as_ref().map(url::Url::as_str), Some("http://127.0.0.1:9/api/"));
    assert_eq!((slack.backfill, slack.poll.as_secs(), slack.settle.as_secs()), (Backfill::Days(30), 60, 900));
    assert!(!config.is_sandbox() && !format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_is_not_needed_may_be_left_out() {
    let config = load_fine("[accounts.team]\nkind = \"slack\"\nbot_token = { env = \"BOT\" }\n", ENV);
    let AccountKind::Slack(slack) = &config.accounts["team"].kind else { panic!("no Slack") };
    assert!(slack.app_token.is_none() && slack.signing_secret.is_none() && slack.base_url.is_none());
    let keyed = "[accounts.a]\nkind = \"twilio\"\naccount_sid = \"AC0123456789abcdef0123456789abcdef\"\n\
                 api_key = \"SK0123456789abcdef0123456789abcdef\"\napi_secret = { env = \"TWILIO\" }\n\
                 messaging_service_sid = \"MG0123456789abcdef0123456789abcdef\"\n";
    assert_eq!(load_fine(keyed, ENV).accounts["a"].address, "MG0123456789abcdef0123456789abcdef");
    // A number counts more than the profile with which it sends.
    let both = format!("{TELNYX}number = \"24365\"\n");
    assert_eq!(load_fine(&both, ENV).accounts["pool"].address, "24365");
}

#[test]
fn the_environment_reaches_them() {
    let env = [ENV, &[("LIAISON_ACCOUNTS__TEXT__NUMBER", "24365"), ("LIAISON_ACCOUNTS__TEXT__AUTH_TOKEN__ENV", "APP")]];
    let config = load_fine(TWILIO, &env.concat());
    assert_eq!(config.accounts["text"].address, "24365");
    assert_eq!(text_account(&config, "text").settings.get("auth_token"), Some("xapp-hunter2"));
    let open = [ENV, &[("LIAISON_ACCOUNTS__POOL__API_KEY", "hunter2")]].concat();
    let told = text_of(load_text(TELNYX, &open));
    assert!(told.contains("is a secret") && !told.contains("hunter2"), "{told}");
}

#[test]
fn without_secrets_they_load_and_say_what_is_not_there() {
    let folder = Folder::new(&format!("{TWILIO}{SLACK}").replace("{ env", "{ credential"));
    let path = folder.0.path().join("liaison.toml");
    let config = load_with(&path, std::iter::empty(), Secrets::Skip).unwrap().config;
    let text = text_account(&config, "text");
    assert_eq!(text.provider.check(&text.settings), Err(SettingsError::Missing("auth_token")));
    let checked = load_with(&path, std::iter::empty(), Secrets::Check).unwrap();
    assert_eq!((checked.config.accounts.len(), checked.warnings.len()), (2, 4), "{:?}", checked.warnings);
    assert_eq!(load_with(&path, std::iter::empty(), Secrets::Load).unwrap_err().0.len(), 4);
}

/// An account, the keys that are taken out of it, what is added with its place marked by `§` (nothing: the account itself is the
/// place), and a part of what must be said.
const FAULTY: &[(&str, &[&str], &str, &str)] = &[
    (TWILIO, &["number"], "", "`number` or `messaging_service_sid` is missing in `accounts.text`"),
    (
        TWILIO,
        &["number"],
        "",
        "write number = \"+14155550100\" (our number), or messaging_service_sid = \"MG…\" (a pool",
    ),
    (TWILIO, &["account_sid"], "", "`account_sid` is missing in `accounts.text`"),
    (TWILIO, &["auth_token"], "", "`auth_token` or `api_key` is missing in `accounts.text`"),
    (TWILIO, &["auth_token"], "", "auth_token = { credential = \"name\" }"),
    (TELNYX, &["api_key"], "", "`api_key` is missing in `accounts.pool`"),
    (TELNYX, &["messaging_profile_id"], "", "`number` or `messaging_profile_id` is missing"),
    (TWILIO, &[], "messaging_service_sid = §\"MG0123456789abcdef0123456789abcdef\"", "don't go together"),
    (TWILIO, &["account_sid"], "account_sid = §\"AC12\"", "`accounts.text.account_sid` can't be right"),
    (TWILIO, &["account_sid"], "account_sid = §\"hunter2\"", "it begins with AC, and 32 digits"),
    (TWILIO, &["number"], "number = §\"415 555 0100\"", "write it like +14155550100"),
    (TWILIO, &["number"], "number = §14155550100", "takes text, not a number"),
    (TWILIO, &["number"], "§numbr = \"+14155550100\"", "did you mean `number`?"),
    (TWILIO, &["account_sid"], "§acount_sid = \"AC0123456789abcdef0123456789abcdef\"", "did you mean `account_sid`?"),
    (TWILIO, &["auth_token"], "auth_token = §\"hunter2\"", "never written here"),
    (TWILIO, &["auth_token"], "§auth_tokn = \"hunter2\"", "did you mean `auth_token`?"),
    (TELNYX, &["api_key"], "api_key = §\"hunter2\"", "never written here"),
    (TELNYX, &["api_key"], "§api_kye = \"hunter2\"", "did you mean `api_key`?"),
    (TELNYX, &["public_key"], "public_key = §\"hunter2\"", "44 characters of base64"),
    (TELNYX, &["messaging_profile_id"], "messaging_profile_id = §\"main\"", "it is written like 30ef55db"),
    (TELNYX, &[], "§account_sid = \"AC0123456789abcdef0123456789abcdef\"", "unknown key `account_sid`"),
    (TWILIO, &[], "base_url = §\"http://api.example.com\"", "write an address like https://"),
    (TWILIO, &[], "base_url = §\"https://me:hunter2@api.example.com\"", "`accounts.text.base_url` can't be right"),
    (TWILIO, &[], "backfill = §\"long\"", "365 days"),
    (TWILIO, &[], "poll_seconds = §0", "from 1 to 3600"),
    (TWILIO, &[], "address = §\"a@acme.example\"", "an account of kind `twilio` has no `address`"),
    (TWILIO, &[], "address = §\"a@acme.example\"", "it writes from this: number = \"+14155550100\" (our number), or"),
    (TWILIO, &[], "aliases = §[\"a@acme.example\"]", "has no `aliases`"),
    (TWILIO, &[], "ramp_up = §{ start = 1, step = 1 }", "only mail has it: leave it out"),
    (TWILIO, &[], "dkim_selector = §\"s1\"", "has no `dkim_selector`"),
    (TWILIO, &[], "imap = §\"imaps://mail.acme.example\"", "has no `imap`"),
    (TWILIO, &[], "password = §\"hunter2\"", "has no `password`"),
    (TWILIO, &["kind"], "kind = §\"twillio\"", "did you mean \"twilio\"?"),
    (TWILIO, &["kind"], "", "`kind` is missing in `accounts.text`"),
    (SLACK, &["bot_token"], "", "`bot_token` is missing in `accounts.team`"),
    (SLACK, &["bot_token"], "", "\"OAuth & Permissions\""),
    (SLACK, &["bot_token"], "bot_token = §\"xoxb-hunter2\"", "never written here"),
    (SLACK, &["bot_token"], "bot_token = §{ env = \"APP\" }", "what environment variable APP holds is no `bot_token`"),
    (SLACK, &["bot_token"], "§bot_tokn = { env = \"BOT\" }", "did you mean `bot_token`?"),
    (SLACK, &["app_token"], "app_token = §{ env = \"BOT\" }", "it does not begin with xapp-"),
    (SLACK, &["signing_secret"], "signing_secret = §\"hunter2\"", "never written here"),
    (SLACK, &["base_url"], "base_url = §\"http://slack.com/api\"", "no address that tokens may be sent to"),
    (SLACK, &[], "address = §\"a@acme.example\"", "which workspace it is says its token"),
    (SLACK, &[], "user = §\"kim\"", "an account of kind `slack` has no `user`"),
    (SLACK, &[], "§number = \"+14155550100\"", "unknown key `number`"),
];

#[test]
fn each_mistake_is_told_at_its_place_and_alone() {
    for (account, out, added, wanted) in FAULTY {
        let kept = account.lines().filter(|line| !out.iter().any(|key| line.starts_with(&format!("{key} "))));
        let mut marked: String = kept.map(|line| line.to_owned() + "\n").collect();
        match *added {
            "" => marked = marked.replace('[', "§["),
            added => marked += added,
        }
        let findings = load_text(&marked.replace('§', ""), ENV).expect_err(&marked);
        assert_told(&marked, &findings, "liaison.toml", wanted);
        assert_eq!(findings.0.len(), 1, "{marked}\n{findings}");
        for shown in [findings.to_string(), findings.to_json().to_string(), findings.render(true)] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

#[test]
fn a_key_that_is_refused_is_not_among_those_that_are_known() {
    let findings = load_text(&format!("{SLACK}address = \"a@acme.example\"\ncolour = \"red\"\n"), ENV).unwrap_err();
    let [refused, unknown] = findings.0.as_slice() else { panic!("{findings}") };
    assert!(refused.message.contains("an account of kind `slack` has no `address`"), "{findings}");
    let hint = unknown.hint.clone().unwrap_or_default();
    assert!(hint.starts_with("known keys: ") && hint.contains("bot_token"), "{hint}");
    assert!(!hint.contains("address") && !hint.contains("aliases"), "{hint}");
}

#[test]
fn what_belongs_together_is_asked_for_together() {
    let told = |from: &str, to: &str| {
        let findings = load_text(&TWILIO.replace(from, to), ENV).unwrap_err();
        let [finding] = findings.0.as_slice() else { panic!("{findings}") };
        (finding.message.clone(), finding.hint.clone().unwrap_or_default())
    };
    let (message, hint) = told("name = \"Acme\"", "api_key = \"SK0123456789abcdef0123456789abcdef\"");
    assert_eq!(message, "`api_secret` is missing in `accounts.text`");
    assert!(hint.starts_with("`api_key` needs it: write api_secret = {"), "{hint}");
    // The same key is not asked for twice, although it is also one of two that may sign in.
    let (message, _) = told("auth_token", "api_secret");
    assert_eq!(message, "`api_key` is missing in `accounts.text`");
}

#[test]
fn a_number_or_a_pool_belongs_to_one_account() {
    for (first, second, key) in [
        (TWILIO.to_owned(), TWILIO.replace("accounts.text", "accounts.other"), "accounts.other.number"),
        (
            TELNYX.to_owned(),
            TELNYX.replace(".pool", ".other").replace("30ef", "30EF"),
            "accounts.other.messaging_profile_id",
        ),
        (TWILIO.to_owned(), format!("{TELNYX}number = \"+14155550100\"\n"), "accounts.pool.number"),
    ] {
        let findings = load_text(&(first + &second), ENV).unwrap_err();
        let [finding] = findings.0.as_slice() else { panic!("{findings}") };
        assert!(finding.key == key && finding.message.contains("is there twice"), "{findings}");
        let (label, place) = &finding.related[0];
        assert!(label == "first here" && place.line < finding.place.as_ref().unwrap().line, "{findings}");
    }
    // A number sends with the profile that is another account's pool.
    let with_profile = TELNYX.replace(".pool", ".one") + "number = \"+14155550100\"\n";
    assert_eq!(load_fine(&format!("{TELNYX}{with_profile}"), ENV).accounts.len(), 2);
}

#[test]
fn real_numbers_and_workspaces_do_not_go_with_simulated_people() {
    for real in [TWILIO, TELNYX, SLACK] {
        let marked = format!("[accounts.§box]\nkind = \"sandbox\"\naddress = \"a@acme.example\"\n{real}");
        let findings = load_text(&marked.replace('§', ""), ENV).unwrap_err();
        assert_told(&marked, &findings, "liaison.toml", "don't go together");
        assert_eq!(findings.0[0].related[0].0, "a real account");
    }
}

#[test]
fn secrets_of_providers_are_not_shown_where_the_file_is_broken() {
    for line in [
        "api_key = \"hunter2",
        "api_key = hunter2",
        "api_secret = \"hunter2",
        "signing_secret = hunter2",
        "bot_token = [\"hunter2\"",
    ] {
        for kind in ["twilio", "telnyx", "slack", "none"] {
            let findings = load_text(&format!("[accounts.a]\nkind = \"{kind}\"\n{line}\n"), ENV).unwrap_err();
            assert!(!findings.to_string().contains("hunter2"), "{findings}");
            assert!(!findings.to_json().to_string().contains("hunter2"), "{findings}");
        }
    }
    let broken = load_text("[secrets]\nmaster_key = \"hunter2\n", ENV).unwrap_err();
    assert!(!broken.to_string().contains("hunter2"), "{broken}");
}

#[test]
fn show_masks_their_secrets_and_knows_their_defaults() {
    let folder = Folder::new(&format!("{TWILIO}{TELNYX}{SLACK}"));
    let env = ENV.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let all = show::show(&folder.0.path().join("liaison.toml"), env).unwrap_or_else(|e| panic!("{e}"));
    let value = |key: &str| {
        let setting = all.iter().find(|s| s.key == key).unwrap_or_else(|| panic!("no {key}"));
        setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned)
    };
    for (key, expected) in [
        ("accounts.text.account_sid", "AC0123456789abcdef0123456789abcdef"),
        ("accounts.text.auth_token", "******** (env TWILIO)"),
        ("accounts.text.number", "+14155550100"),
        ("accounts.text.api_secret", "null"),
        ("accounts.text.backfill", "30 days"),
        ("accounts.text.poll_seconds", "60"),
        ("accounts.text.settle_minutes", "15"),
        ("accounts.pool.api_key", "******** (env TELNYX)"),
        ("accounts.pool.backfill", "none"),
        ("accounts.pool.poll_seconds", "30"),
        ("accounts.team.bot_token", "******** (env BOT)"),
        ("accounts.team.app_token", "******** (env APP)"),
        ("accounts.team.signing_secret", "******** (env SIGNING)"),
        ("accounts.team.base_url", "http://127.0.0.1:9/api"),
        ("accounts.team.backfill", "30 days"),
        ("accounts.team.settle_minutes", "15"),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    assert!(!all.iter().any(|s| s.key == "accounts.text.address" || s.key == "accounts.team.imap"));
    assert!(!format!("{all:?}").contains("hunter2"));
}
