//! Good files load, faulty ones are told with their place, mutated ones do no harm.

use std::collections::BTreeSet;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;
use crate::domain::range::AddressRange;
use crate::domain::stage::{StageId, StageKind};

mod channels;
mod relays;

const GOOD: &str = r#"timezone = "America/New_York"
undo_seconds = 10
our_domains = ["Acme.example"]
default_owner = "kim"

[server]
listen = "127.0.0.1:0"

[storage]
state_dir = "state"

[log]
level = "info,liaison::outbound=debug"
format = "json"

[teammates.kim]
first_name = "Kim"
email = ["kim@acme.example", "kim@home.example"]

[accounts.hello]
kind = "imap"
address = "hello@acme.example"
name = "Acme Outdoors"
aliases = ["collabs@acme.example"]
password = { file = "secret" }
imap = "imaps://mail.acme.example"
smtp = "smtp://mail.acme.example:2525"
backfill = "90 days"
sessions = 8
sent_copy = "server"
message_max = "20 MB"
daily_limit = 40

[accounts.local-box]
kind = "imap"
address = "box@acme.example"
user = "box"
password = { env = "LIAISON_BOX_PASSWORD" }
imap = "imap+plain://[::1]:1143"
smtp = "smtp+plain://localhost:1025"
backfill = "none"
"#;

/// What stands below a section of an imap account, to be added to.
const ACCOUNT: &str = r#"
[accounts.hello]
kind = "imap"
address = "hello@acme.example"
password = { file = "secret" }
imap = "imaps://mail.acme.example"
smtp = "smtps://mail.acme.example"
"#;

struct Folder(TempDir);

impl Folder {
    fn new(main: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("liaison.toml", main);
        folder.write("secret", "correct horse\n");
        folder.restrict("secret", 0o600);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn restrict(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.0.path().join(name), permissions).unwrap();
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Loaded, Findings> {
        load(&self.0.path().join("liaison.toml"), variables(env))
    }
}

fn variables(env: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
    let mut all: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    all.push(("LIAISON_BOX_PASSWORD".to_owned(), "battery".to_owned()));
    all.into_iter()
}

fn load_good(env: &[(&str, &str)]) -> Config {
    Folder::new(GOOD).load(env).map_err(|f| f.to_string()).unwrap().config
}

/// Without the variable that only [`GOOD`] names.
fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Loaded, Findings> {
    let mut env = env.to_vec();
    env.retain(|(name, _)| *name != "LIAISON_BOX_PASSWORD");
    let folder = Folder::new(text);
    load(&folder.0.path().join("liaison.toml"), env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

fn text_of(result: Result<Loaded, Findings>) -> String {
    result.map(|l| format!("{:?}", l.config)).unwrap_err().to_string()
}

#[test]
fn a_good_file_becomes_typed_settings() {
    let config = load_good(&[]);
    assert_eq!(config.timezone.iana_name(), Some("America/New_York"));
    assert_eq!((config.undo_seconds, config.our_domains.as_slice()), (10, ["acme.example".to_owned()].as_slice()));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.teammates["kim"].emails.len(), 2);
    assert_eq!(config.storage.database, Database::Sqlite { path: config.storage.state_dir.join("liaison.db") });
    assert_eq!(config.stages.start().as_str(), "prospect");
    let hello = &config.accounts["hello"];
    let imap = hello.imap().unwrap();
    assert_eq!((hello.daily_limit, imap.user.as_str()), (Some(40), "hello@acme.example"));
    assert_eq!(imap.login.password().unwrap().value.expose_secret(), "correct horse");
    let server = |host: &str, port, security| ServerUrl { host: host.to_owned(), port, security };
    assert_eq!(imap.imap, server("mail.acme.example", 993, Security::Tls));
    assert_eq!(imap.smtp, server("mail.acme.example", 2525, Security::StartTls));
    assert_eq!((imap.backfill, imap.sessions, imap.message_max), (Backfill::Days(90), 8, 20_000_000));
    assert_eq!((imap.sent_copy, imap.poll.as_secs(), imap.settle.as_secs()), (SentCopy::Server, 60, 900));
    let local = config.accounts["local-box"].imap().unwrap();
    assert_eq!(local.login.password().unwrap().value.expose_secret(), "battery");
    assert_eq!(local.imap, server("::1", 1143, Security::Plain));
    assert_eq!(local.smtp, server("localhost", 1025, Security::Plain));
    assert!(!config.is_sandbox());
    assert!(!format!("{config:?}").contains("correct horse"));
}

#[test]
fn the_environment_wins_over_the_files() {
    let config = load_good(&[
        ("LIAISON_LOG__LEVEL", "warn"),
        ("LIAISON_UNDO_SECONDS", "0"),
        ("LIAISON_OUR_DOMAINS", "one.example, two.example"),
        ("LIAISON_ACCOUNTS__LOCAL_BOX__SESSIONS", "2"),
        ("LIAISON_ACCOUNTS__HELLO__PASSWORD__ENV", "LIAISON_OTHER"),
        ("LIAISON_OTHER", "staple"),
        ("LIAISON_TEST_SMTP", "reserved"),
        ("LIAISON_CORPORA", "reserved"),
        ("LIAISON_CONFIG", "reserved"),
    ]);
    assert_eq!((config.log.level.as_str(), config.undo_seconds), ("warn", 0));
    assert_eq!(config.our_domains, ["one.example", "two.example"]);
    assert_eq!(config.accounts["local-box"].imap().unwrap().sessions, 2);
    let password = config.accounts["hello"].imap().unwrap().login.password().unwrap();
    assert_eq!(password.source, SecretSource::Env("LIAISON_OTHER".to_owned()));
    assert_eq!(password.value.expose_secret(), "staple");
}

#[test]
fn an_unknown_variable_is_an_error_that_does_not_show_its_value() {
    for (name, hint) in [
        ("LIAISON_LOG__LEVLE", "did you mean `level`?"),
        ("LIAISON_SERVRE__LISTEN", "did you mean `server`?"),
        ("LIAISON_TOTALLY_OTHER", "known keys: stages"),
        ("LIAISON_TIMEZONE__X", "takes text, not a table"),
        ("LIAISON_LOG____LEVEL", "LIAISON_SECTION__KEY"),
    ] {
        let text = text_of(load_text(ACCOUNT, &[(name, "hunter2")]));
        assert!(text.contains(name) && text.contains(hint) && text.contains("environment"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn files_of_conf_d_add_but_never_replace() {
    let folder = Folder::new("[log]\nlevel = \"warn\"\n");
    folder.write("conf.d/10-hello.toml", ACCOUNT);
    folder.write("conf.d/20-log.toml", "[log]\nformat = \"json\"\n");
    folder.write("conf.d/notes.txt", "not read");
    folder.write("conf.d/.hidden.toml", "not = read");
    let config = folder.load(&[("LIAISON_BOX_PASSWORD", "")]);
    assert!(config.is_err(), "a variable that nothing names is unknown");
    let load = |folder: &Folder| load(&folder.0.path().join("liaison.toml"), std::iter::empty());
    let config = load(&folder).unwrap().config;
    assert_eq!((config.log.level.as_str(), config.log.format, config.files.len()), ("warn", LogFormat::Json, 3));
    assert!(config.accounts.contains_key("hello"));

    folder.write("conf.d/30-again.toml", "# twice\n[log]\nlevel = \"info\"\n");
    let findings = load(&folder).unwrap_err();
    let [finding] = findings.0.as_slice() else { panic!("{findings}") };
    let place = finding.place.as_ref().unwrap();
    assert!(place.file.ends_with("30-again.toml") && (place.line, place.column) == (3, 1), "{findings}");
    let (_, first) = &finding.related[0];
    assert!(first.file.ends_with("liaison.toml") && (first.line, first.column) == (2, 1), "{findings}");
    assert!(
        findings.to_string().contains("30-again.toml") && findings.to_string().contains("`log.level` is set twice")
    );
}

#[test]
fn the_shipped_examples_load_and_every_commented_key_exists() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/liaison.toml");
    let loaded = load(&config, std::iter::empty()).map_err(|f| f.to_string()).unwrap();
    assert_eq!(loaded.config.stages.all().len(), 11);
    assert_eq!(loaded.config.stages.properties().len(), 3);
    let kind = |id: &str| loaded.config.stages.get(&StageId::from(id)).map(|s| s.kind);
    assert_eq!(kind("partner"), Some(StageKind::Path));
    assert_eq!(kind("no_response"), Some(StageKind::Dormant));
    assert_eq!(kind("opted_out"), Some(StageKind::Closed));

    let text = std::fs::read_to_string(&config).unwrap();
    let uncommented: String = text.lines().map(|line| setting(line).to_owned() + "\n").collect();
    let folder = Folder::new(&uncommented);
    folder.write("credentials/secret_hello-mail", "x");
    folder.write("db-password", "x");
    folder.write("credentials/secret_master-key", "0123456789abcdef0123456789abcdef");
    folder.write("credentials/secret_google-client", "x");
    for (name, token) in
        [("twilio", "x"), ("twilio-key", "x"), ("slack-signing", "x"), ("slack-bot", "xoxb-x"), ("slack-app", "xapp-x")]
    {
        folder.write(&format!("credentials/secret_{name}"), token);
    }
    folder.write("your-ca.pem", "-----BEGIN CERTIFICATE-----\n");
    folder.write("stages.toml", stages::SHIPPED);
    folder.write("agents.toml", crate::domain::hit::agents::SHIPPED);
    folder.write("networks.toml", crate::domain::hit::networks::SHIPPED);
    let credentials = folder.0.path().join("credentials").display().to_string();
    let env = [("CREDENTIALS_DIRECTORY".to_owned(), credentials)];
    let loaded = load(&folder.0.path().join("liaison.toml"), env.into_iter()).map_err(|f| f.to_string()).unwrap();
    assert_eq!((loaded.config.accounts.len(), loaded.config.teammates.len()), (4, 1));
    let usual = load(&config, std::iter::empty()).unwrap().config.oauth;
    let (shown, usual) = (&loaded.config.oauth.gmail, &usual.gmail);
    assert_eq!(
        (&shown.authorize, &shown.token, &shown.imap, &shown.smtp),
        (&usual.authorize, &usual.token, &usual.imap, &usual.smtp)
    );
    let mut known = accounts::IMAP_KEYS.iter().chain(&accounts::slack::KEYS);
    assert!(known.all(|key| uncommented.lines().any(|l| l.starts_with(key))), "a key is not in the example");
    let told: BTreeSet<&str> = uncommented.split(|c: char| !c.is_ascii_lowercase() && c != '_').collect();
    let mut settings = texting::PROVIDERS.iter().flat_map(|provider| provider.settings);
    assert!(settings.all(|setting| told.contains(setting.name)), "a provider's setting is not in the example");
}

/// The line without the `# ` before a setting or a section.
fn setting(line: &str) -> &str {
    let bare = line.strip_prefix("# ").unwrap_or(line);
    let is_setting = bare.split_once('=').is_some_and(|(key, _)| {
        !key.trim().is_empty() && key.trim().chars().all(|c| c.is_ascii_lowercase() || c == '_')
    });
    if is_setting || bare.starts_with('[') { bare } else { line }
}

#[test]
fn every_error_of_a_file_is_found_at_once() {
    let text = "undo_seconds = \"x\"\nnonsense = 1\n[server]\nlisten = \"here\"\n[accounts.a]\nkind = \"imap\"\nimap = \"ftp://x\"\n";
    let findings = load_text(text, &[]).unwrap_err();
    let keys: Vec<&str> = findings.0.iter().map(|f| f.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "undo_seconds",
            "nonsense",
            "server.listen",
            "accounts.a.address",
            "accounts.a.password",
            "accounts.a.smtp",
            "accounts.a.imap"
        ],
        "{findings}"
    );
    assert!(findings.to_string().ends_with("7 errors found; nothing was changed\n"));
    let json = findings.to_json();
    assert_eq!((json[2]["line"].as_u64(), json[2]["column"].as_u64()), (Some(4), Some(10)));
    assert!(json[2]["file"].as_str().unwrap().ends_with("liaison.toml"));
}

#[test]
fn syntax_errors_do_not_hide_other_findings_nor_echo() {
    let findings = load_text("undo_seconds = \n[server]\nlisten = \"here\"\n", &[]).unwrap_err();
    let places: Vec<_> = findings.0.iter().map(|f| f.place.as_ref().map_or(0, |p| p.line)).collect();
    assert_eq!(places, [1, 3], "{findings}");
}

#[test]
fn secrets_are_never_shown() {
    let cases = [
        "password = \"hunter2\"",
        "passwrd = \"hunter2\"",
        "password = \"\"\"\nhunter2\"\"\"",
        "password = \"hunter2",
        "password = hunter2",
        "password = { plain = \"hunter2\" }",
        "password = [\"hunter2\"]",
        "password = { file = \"secret\" }, \"hunter2\"",
        "imap = \"imaps://me:hunter2@mail.example\"",
        "smtp = \"smtps://me:hunter2@mail.example",
        "bot_token = \"hunter2\"",
        "\"pass\\u0077ord\" = \"hunter2\"",
    ];
    for case in cases {
        for text in [format!("[accounts.x]\n{case}\n"), format!("[storage]\n{case}\n"), format!("{case}\n")] {
            let findings = load_text(&text, &[]).unwrap_err();
            assert!(!findings.to_string().contains("hunter2"), "{findings}");
            assert!(!findings.to_json().to_string().contains("hunter2"), "{findings}");
            assert!(!findings.render(true).contains("hunter2"), "{findings}");
        }
    }
    let url = load_text("[storage]\nurl = \"postgres://me:hunter2@db/x\"\n", &[]).unwrap_err();
    assert!(!url.to_string().contains("hunter2") && url.to_string().contains("take it out of the url"), "{url}");
    let variable = load_text(ACCOUNT, &[("LIAISON_ACCOUNTS__HELLO__PASSWORD", "hunter2")]).unwrap_err();
    assert!(!variable.to_string().contains("hunter2") && variable.to_string().contains("secret"), "{variable}");
}

#[test]
fn a_secret_everyone_can_read_is_a_warning_and_a_missing_one_an_error() {
    let folder = Folder::new(ACCOUNT);
    let load = |secrets| load_with(&folder.0.path().join("liaison.toml"), std::iter::empty(), secrets);
    assert_eq!(load(Secrets::Load).unwrap().warnings, []);
    folder.restrict("secret", 0o644);
    let warnings = load(Secrets::Load).unwrap().warnings;
    assert!(warnings[0].message.starts_with("every user can read"), "{warnings:?}");
    std::fs::remove_file(folder.0.path().join("secret")).unwrap();
    assert!(load(Secrets::Load).unwrap_err().to_string().contains("can't be read"));
    let skipped = load(Secrets::Skip).unwrap().config;
    assert_eq!(skipped.accounts["hello"].imap().unwrap().login.password().unwrap().value.expose_secret(), "");
}

#[test]
fn a_credential_that_is_missing_is_told_with_those_that_are_there() {
    let folder = Folder::new(&ACCOUNT.replace("file = \"secret\"", "credential = \"hello-mail\""));
    let handed = folder.0.path().join("credentials");
    std::fs::create_dir(&handed).unwrap();
    let told = || folder.load(&[("CREDENTIALS_DIRECTORY", &handed.display().to_string())]).unwrap_err().to_string();
    assert!(
        told().contains("the unit has no credential `hello-mail`") && told().contains("there are none"),
        "{}",
        told()
    );
    folder.write("credentials/secret_hello-mail", "x");
    folder.write("credentials/secret_master-key", "x");
    assert!(told().contains("there are secret_hello-mail, secret_master-key; the unit that is shipped"), "{}", told());
    assert!(told().contains("/etc/liaison/secrets/NAME as `secret_NAME`"), "{}", told());
}

#[test]
fn check_says_in_one_line_that_all_is_fine() {
    let with_credential = ACCOUNT.replace("file = \"secret\"", "credential = \"hello\"");
    let folder = Folder::new(&with_credential);
    let path = folder.0.path().join("liaison.toml");
    let (text, fine) = check(&path, std::iter::empty(), false);
    assert!(fine && text.ends_with("configuration is fine: 1 account, 0 teammates, 11 stages\n"), "{text}");
    assert!(text.starts_with("warning: the credential `hello` was not looked at"), "{text}");
    assert!(load(&path, std::iter::empty()).is_err(), "the daemon does need it");
    let (text, fine) = check(&folder.0.path().join("none.toml"), std::iter::empty(), false);
    assert!(!fine && text.contains("liaison init"), "{text}");
}

/// Each with the place of its finding marked by `§`, and a part of what must be said.
const FAULTY: &[(&str, &str)] = &[
    ("undo_seconds = §", "not valid TOML"),
    ("a = 1\n§a = 2", "a name of its own, or take it out"),
    ("<account>[accounts.§hello]\nkind = \"imap\"\naddress = \"a@b.example\"", "a name of its own, or take it out"),
    ("[server§\nlisten = 1", "not valid TOML"),
    ("§unod_seconds = 3", "did you mean `undo_seconds`?"),
    ("§county = \"US\"", "unknown key `county`"),
    ("country = §\"UK\"", "no holidays are known for `UK`"),
    ("undo_seconds = §\"30\"", "takes a whole number, not text"),
    ("undo_seconds = §3.5", "takes a whole number, not a number with a fraction"),
    ("undo_seconds = §-1", "from 0 to 3600"),
    ("undo_seconds = §99999999999999999999999", "out of bounds"),
    ("timezone = §\"America/New_Yrok\"", "did you mean \"America/New_York\"?"),
    ("timezone = §5", "takes text, not a number"),
    ("timezone = §2026-01-01", "takes text, not a date or time"),
    ("timezone = §\" \"", "is empty"),
    ("our_domains = §1", "takes a list of texts"),
    ("our_domains = [\"a.example\", §\"kim@b.example\"]", "is no domain"),
    ("our_domains = [\"a.example\", §2]", "takes text, not a number"),
    (
        "default_owner = §\"kmi\"\n[teammates.kim]\nfirst_name = \"Kim\"\nemail = \"k@b.example\"",
        "did you mean \"kim\"?",
    ),
    ("stages = §\"none.toml\"", "can't be read"),
    ("server = §1", "`server` is a section, not a number"),
    ("[server]\nlisten = §\"8420\"", "no IP address with a port"),
    ("[server]\nlisten = §\"localhost:8420\"", "127.0.0.1:8420"),
    ("[server]\nlisten = \"127.0.0.1:1\"\n§lisen = \"127.0.0.1:2\"", "did you mean `listen`?"),
    ("[storage]\nstate_dir = §\"secret\"", "is not a folder"),
    ("[storage]\nstate_dir = §\"secret/state/a\"", "secret is not a folder"),
    ("[storage]\nurl = §\"mysql://db/x\"", "no database this program knows"),
    ("[storage]\nurl = §\"sqlite::memory:\"", "no database this program knows"),
    ("[storage]\nurl = §\"postgres://db\"", "names no database"),
    ("[storage]\nurl = §\"postgres://me:pw@db/x\"", "holds a password"),
    ("[storage]\nurl = §\".\"", "is a folder"),
    ("[storage]\nlease_seconds = §5", "from 6 to 600"),
    ("[log]\nlevel = §\"loud\"", "is no log level"),
    ("[log]\nlevel = §\"inof\"", "did you mean \"info\"?"),
    ("[log]\nlevel = §\"info,x y=debug\"", "`x y=debug` is no log level"),
    ("[log]\nformat = §\"jsno\"", "did you mean \"json\"?"),
    ("§[teammates.kim]\nemail = \"k@b.example\"", "`first_name` is missing"),
    ("§[teammates.kim]\nfirst_name = \"Kim\"", "`email` is missing"),
    ("[teammates.kim]\nfirst_name = \"Kim\"\nemail = §\"kim\"", "is no mail address"),
    (
        "[teammates.kim]\nfirst_name = \"Kim\"\nemail = \"k@b.example\"\n[teammates.lee]\nfirst_name = \"Lee\"\nemail = §\"K@B.example\"",
        "is there twice",
    ),
    ("[teammates.§\"Kim D\"]\nfirst_name = \"Kim\"\nemail = \"k@b.example\"", "can't be a name"),
    ("[accounts.a]\nkind = §\"imapp\"\naddress = \"a@b.example\"", "did you mean \"imap\"?"),
    ("§[accounts.a]\naddress = \"a@b.example\"", "`kind` is missing"),
    ("[accounts.a]\nkind = \"sandbox\"\naddress = \"a@b.example\"\n§imap = \"imaps://x\"", "unknown key `imap`"),
    ("[accounts.§manual]\nkind = \"sandbox\"\naddress = \"a@b.example\"", "can't be the name of an account"),
    ("[accounts.§a]\nkind = \"sandbox\"\naddress = \"a@b.example\"\n<account>", "don't go together"),
    ("<account>§pasword = 1", "did you mean `password`?"),
    ("<account>aliases = [§\"HELLO@acme.example\"]", "is there twice"),
    ("<account>aliases = [§\"Hello <x@acme.example>\"]", "is no mail address"),
    ("<account>ca = §\"none.pem\"", "can't be read"),
    ("<account>ca = §\"secret\"", "holds no certificate"),
    ("<account>backfill = §\"long\"", "365 days"),
    ("<account>backfill = §365", "takes text, not a number"),
    ("<account>backfill = §\"0 days\"", "no length of time"),
    ("<account>poll_seconds = §0", "from 1 to 3600"),
    ("<account>sessions = §33", "from 1 to 32"),
    ("<account>sent_copy = §\"sever\"", "did you mean \"server\"?"),
    ("<account>settle_minutes = §true", "takes a whole number, not true or false"),
    ("<account>message_max = §\"50\"", "is no size"),
    ("<account>message_max = §\"99999999999999999999 GB\"", "is no size"),
    ("<account>daily_limit = §0", "from 1 to 1000000"),
    ("<account without imap>imap = §\"imap.acme.example\"", "does not say how to connect"),
    ("<account without imap>imap = §\"smtps://mail.acme.example\"", "can't begin with smtps://"),
    ("<account without imap>imap = §\"imap+plain://mail.acme.example\"", "in the clear"),
    ("<account without imap>imap = §\"imaps://\"", "names no host"),
    ("<account without imap>imap = §\"imaps://mail.acme.example:99999\"", "is no URL"),
    ("<account without imap>imap = §\"imaps://mail.acme.example/inbox\"", "something behind the port"),
    ("<account without imap>imap = §\"imaps://me@mail.acme.example\"", "holds a user name"),
    ("<account without imap>imap = §\"imaps://mail.acme.example:0\"", "has port 0"),
    ("<account without smtp>smtp = §\"smtp+plain://127.0.0.1.acme.example\"", "in the clear"),
    ("<account without password>password = §\"hunter2\"", "never written here"),
    ("<account without password>password = { §credentail = \"x\" }", "did you mean `credential`?"),
    ("<account without password>password = §{ }", "exactly one of"),
    ("<account without password>password = §{ file = \"secret\", env = \"HOME\" }", "exactly one of"),
    ("<account without password>password = { file = §\"none\" }", "can't be read"),
    ("<account without password>password = { file = §\".\" }", "is not a file"),
    ("<account without password>password = { env = §\"NOT_SET_AT_ALL\" }", "is not set"),
    ("<account without password>password = { credential = §\"hello\" }", "LoadCredential=hello:PATH"),
    ("<account without password>password = { credential = §\"../x\" }", "a name, not a path"),
    ("accounts = §[]", "`accounts` is a section"),
];

/// The same for `stages.toml`.
const FAULTY_STAGES: &[(&str, &str)] = &[
    ("§", "`stage` is missing"),
    ("[[stage]]\nid = §", "not valid TOML"),
    ("stage = §1", "is a list of"),
    ("stage = [§1]", "a stage is a table"),
    ("§[[stage]]\nid = \"a\"", "no stage has start = true"),
    ("[[stage]]\nid = \"a\"\nstart = true\n[[stage]]\nid = \"b\"\nstart = §true", "two stages have start"),
    ("[[stage]]\nid = \"a\"\nstart = true\n[[stage]]\nid = §\"a\"", "is there twice"),
    ("[[stage]]\nid = \"a\"\nkind = \"closed\"\nstart = §true", "must be on the path"),
    ("[[stage]]\nid = \"a\"\nstart = §1", "takes true or false"),
    ("[[stage]]\nid = \"a\"\nstart = true\nkind = §\"dormnat\"", "did you mean \"dormant\"?"),
    ("[[stage]]\nid = \"a\"\nstart = true\nenter_on = [§\"message.send\"]", "did you mean \"message.sent\"?"),
    ("[[stage]]\nid = §\"A b\"\nstart = true", "can't be the id"),
    ("§[[stage]]\nname = \"a\"\nstart = true", "`id` is missing"),
    ("[[stage]]\nid = \"a\"\nstart = true\nanswer_within = §\"soon\"", "no length of time"),
    ("[[stage]]\nid = \"a\"\nstart = true\n§strat = 1", "did you mean `start`?"),
    (
        "<start>enter_on = [\"message.sent\"]\n[[stage]]\nid = \"b\"\nenter_on = [§\"message.sent\"]",
        "leads into two stages",
    ),
    ("<start>[properties]\nniche = §1", "is a section"),
    ("<start>[properties]\nniche = §{ label = \"x\" }", "`type` is missing"),
    ("<start>[properties]\nniche = { type = §\"list\" }", "one of \"text\""),
    ("<start>[properties]\nniche = §{ type = \"choice\" }", "`choices` is missing"),
    ("<start>[properties]\nniche = { type = \"choice\", choices = §[] }", "something to choose from"),
    ("<start>[properties]\nniche = { type = \"text\", choices = §[\"a\"] }", "only a choice has choices"),
    ("[[§stages]]\nid = \"a\"", "did you mean `stage`?"),
];

fn expand(text: &str) -> String {
    let without = |key: &str| -> String {
        ACCOUNT.lines().filter(|l| !l.starts_with(&format!("{key} "))).map(|l| l.to_owned() + "\n").collect()
    };
    text.replace("<account>", ACCOUNT)
        .replace("<account without imap>", &without("imap"))
        .replace("<account without smtp>", &without("smtp"))
        .replace("<account without password>", &without("password"))
        .replace("<start>", "[[stage]]\nid = \"a\"\nstart = true\n")
}

fn assert_told(marked: &str, findings: &Findings, file: &str, wanted: &str) {
    let before = marked.split('§').next().unwrap();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    let told = findings.0.iter().any(|f| {
        let here = f.place.as_ref().is_some_and(|p| p.file.ends_with(file) && (p.line, p.column) == (line, column));
        here && (f.message.contains(wanted) || f.hint.as_ref().is_some_and(|h| h.contains(wanted)))
    });
    assert!(told, "wanted `{wanted}` at {line}:{column}\n{marked}\n{findings}");
    let rendered = findings.to_string();
    assert!(rendered.contains(&format!("{file}:{line}:{column}")), "{rendered}");
}

#[test]
fn each_fault_is_told_at_its_place() {
    assert!(FAULTY.len() >= 40);
    for (text, wanted) in FAULTY {
        let marked = expand(text);
        let findings = load_text(&marked.replace('§', ""), &[]).expect_err(&marked);
        assert_told(&marked, &findings, "liaison.toml", wanted);
    }
}

#[test]
fn each_fault_of_the_stages_is_told_at_its_place() {
    for (text, wanted) in FAULTY_STAGES {
        let marked = expand(text);
        let folder = Folder::new("");
        folder.write("stages.toml", &marked.replace('§', ""));
        let findings = load(&folder.0.path().join("liaison.toml"), std::iter::empty()).expect_err(&marked);
        assert_told(&marked, &findings, "stages.toml", wanted);
    }
}

#[test]
fn files_that_are_no_text_are_told() {
    let folder = Folder::new("");
    std::fs::write(folder.0.path().join("liaison.toml"), b"a = 1\n\xff").unwrap();
    let load = || load(&folder.0.path().join("liaison.toml"), std::iter::empty());
    assert!(load().unwrap_err().to_string().contains("is not UTF-8 text (line 2)"));
    folder.write("liaison.toml", &"#".repeat(usize::try_from(FILE_OCTETS_MAX).unwrap() + 1));
    assert!(load().unwrap_err().to_string().contains("is larger than"));
}

/// Small, even, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n.max(1)
    }
}

fn mutate(text: &str, dice: &mut Dice) -> String {
    const INSERTS: [&str; 14] =
        ["\"", "[", "]", "=", "{", "}", "\n", ".", "é", "\u{0}", "\t", "-1", "\"\"\"", "\u{202e}"];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(6) {
        let at = dice.below(chars.len());
        match dice.below(4) {
            0 => drop(chars.drain(at..(at + 1 + dice.below(8)).min(chars.len()))),
            1 => chars.splice(at..at, INSERTS[dice.below(INSERTS.len())].chars()).for_each(drop),
            2 => {
                let other = dice.below(chars.len());
                chars.swap(at, other);
            }
            _ => chars.truncate(chars.len() - dice.below(20).min(chars.len())),
        }
    }
    chars.into_iter().collect()
}

#[test]
fn mutated_files_never_panic_and_every_finding_can_be_shown() {
    let mut dice = Dice(20_261_122);
    let folder = Folder::new(GOOD);
    for round in 0..600 {
        folder.write("liaison.toml", &if round % 3 == 0 { GOOD.to_owned() } else { mutate(GOOD, &mut dice) });
        folder.write(
            "stages.toml",
            &if round % 3 == 1 { stages::SHIPPED.to_owned() } else { mutate(stages::SHIPPED, &mut dice) },
        );
        if let Err(findings) = folder.load(&[]) {
            assert!(findings.0.iter().any(|f| f.severity == Severity::Error));
            assert!(!findings.render(true).is_empty() && !findings.to_string().contains("correct horse"));
            for finding in &findings.0 {
                if let Some(place) = &finding.place {
                    assert!(place.text.get(place.caret.clone()).is_some(), "{place:?}");
                }
            }
        }
    }
}

#[test]
fn outreach_is_read_and_its_mistakes_are_told() {
    let good = "sequences = \"outreach\"\ncountry = \"US\"\n[sender]\nname = \"Acme\"\naddress = \"1 Main St\"\n\
                [tracking]\nopens = false\nhost = \"links.acme.example\"\n[accounts.hello]\nkind = \"sandbox\"\n\
                address = \"hello@acme.example\"\nworking_hours = [\"13:00-17:00\", \"08:00-12:00\"]\n\
                ramp_up = { start = 10, step = 5 }\n";
    let folder = Folder::new(good);
    let read = |folder: &Folder| load(&folder.0.path().join("liaison.toml"), std::iter::empty());
    let config = read(&folder).unwrap().config;
    assert_eq!(config.outreach.sequences, folder.0.path().join("outreach"));
    assert_eq!(config.outreach.country.as_deref(), Some("us"));
    assert_eq!(
        (config.tracking.opens, config.tracking.clicks, config.tracking.host.as_deref()),
        (false, true, Some("links.acme.example"))
    );
    let account = &config.accounts["hello"];
    let hours: Vec<String> = account.working_hours.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(hours, ["08:00-12:00", "13:00-17:00"]);
    assert_eq!(account.ramp_up, Some(RampUp { start: 10, step: 5 }));
    for (from, to, message) in [
        ("country = \"US\"", "country = \"uk\"", "no holidays are known for `uk`"),
        ("address = \"1 Main St\"", "", "`address` is missing in `sender`"),
        ("links.acme.example", "https://links.acme.example/", "is no host"),
        ("13:00-17:00", "22:00-02:00", "goes past midnight"),
        ("13:00-17:00", "11:00-13:00", "overlap"),
        ("start = 10, ", "", "`start` is missing in `accounts.hello.ramp_up`"),
    ] {
        assert!(good.contains(from));
        let findings = read(&Folder::new(&good.replacen(from, to, 1))).unwrap_err();
        assert!(findings.0.len() == 1 && findings.0[0].message.contains(message), "{findings}");
    }
}

#[test]
fn lists_of_machines_and_the_address_for_readers_are_checked_at_their_keys() {
    let folder = Folder::new(
        "[server]\nbase_url = \"https://go.brand.example/path\"\npublic_listen = \"everywhere\"\n[tracking]\nagents = \"mine.toml\"\nnetworks = \"none.toml\"\n",
    );
    folder.write("mine.toml", "machines = [\"\"]\n[people]\nprograms = []\nplatforms = []\napps = []\nproducts = []\n");
    let findings = load(&folder.0.path().join("liaison.toml"), std::iter::empty()).unwrap_err().to_string();
    for part in
        ["is no address of a host", "is no IP address", "`machines` has an empty word", "none.toml can't be read"]
    {
        assert!(findings.contains(part), "{part}: {findings}");
    }
    let fine = Folder::new("[server]\nbase_url = \"https://go.brand.example/\"\n[tracking]\nopens = false\n");
    let config =
        load(&fine.0.path().join("liaison.toml"), std::iter::empty()).map_err(|f| f.to_string()).unwrap().config;
    assert_eq!(config.server.base_url.as_deref(), Some("https://go.brand.example"));
    assert!(!config.tracking.opens && config.tracking.clicks);
}

#[test]
fn proxies_are_believed_where_they_are_named_and_else_those_of_this_machine() {
    let of = |text: &str| {
        let folder = Folder::new(text);
        load(&folder.0.path().join("liaison.toml"), std::iter::empty()).map(|l| l.config.server.trusted_proxies)
    };
    let holds = |ranges: &[AddressRange], address: &str| ranges.iter().any(|r| r.holds(address.parse().unwrap()));
    let usual = of("").map_err(|f| f.to_string()).unwrap();
    assert!(holds(&usual, "127.0.0.1") && holds(&usual, "::1") && !holds(&usual, "10.1.2.3"));
    let named = "[server]\ntrusted_proxies = [\"172.17.0.1\", \"10.1.0.0/16\"]\n";
    let named = of(named).map_err(|f| f.to_string()).unwrap();
    assert!(holds(&named, "172.17.0.1") && holds(&named, "10.1.2.3") && !holds(&named, "127.0.0.1"));
    assert!(of("[server]\ntrusted_proxies = []\n").map_err(|f| f.to_string()).unwrap().is_empty());
    let wrong = of("[server]\ntrusted_proxies = [\"proxy.example\"]\n").unwrap_err().to_string();
    assert!(wrong.contains("`proxy.example` is no address and no range") && wrong.contains(":2:20"), "{wrong}");
}

/// An account that a provider signs people in to, with everything it needs.
const OAUTH: &str = r#"
[secrets]
master_key = { env = "LIAISON_MASTER" }
[oauth.microsoft365]
client_id = "id"
tenant = "acme.example"
[accounts.team]
kind = "microsoft365"
address = "team@acme.example"
"#;
const MASTER: (&str, &str) = ("LIAISON_MASTER", "0123456789abcdef0123456789abcdef");

#[test]
fn accounts_that_a_provider_signs_in_know_where_it_is() {
    let loaded = load_text(OAUTH, &[MASTER]).unwrap().config;
    let team = loaded.accounts["team"].imap().unwrap();
    assert_eq!(
        (team.imap.host.as_str(), team.imap.port, team.imap.security),
        ("outlook.office365.com", 993, Security::Tls)
    );
    assert_eq!(
        (team.smtp.host.as_str(), team.smtp.port, team.smtp.security),
        ("smtp.office365.com", 587, Security::StartTls)
    );
    assert_eq!((team.sent_copy, loaded.accounts["team"].kind_name()), (SentCopy::Server, "microsoft365"));
    let token = loaded.oauth.microsoft365.token.as_str();
    assert_eq!(token, "https://login.microsoftonline.com/acme.example/oauth2/v2.0/token");
    let own = OAUTH.replace("tenant =", "imap = \"imap://mail.acme.example\"\ntenant =");
    assert_eq!(
        load_text(&own, &[MASTER]).unwrap().config.accounts["team"].imap().unwrap().imap.host,
        "mail.acme.example"
    );
}

#[test]
fn what_an_account_with_a_provider_lacks_or_must_not_have_is_told() {
    let account = "[accounts.team]\nkind = \"gmail\"\naddress = \"team@acme.example\"\n";
    let registered = "[oauth.gmail]\nclient_id = \"id\"\n";
    let key = "[secrets]\nmaster_key = { env = \"LIAISON_MASTER\" }\n";
    for (text, env, part) in [
        (account.to_owned(), MASTER, "needs our registration"),
        (format!("{registered}{account}"), MASTER, "needs a key that seals"),
        (format!("{key}{registered}{account}"), ("LIAISON_MASTER", "too short"), "fewer than 32 characters"),
        (format!("{key}{registered}{account}password = \"hunter22\"\n"), MASTER, "has no `password`"),
        (format!("{key}{registered}{account}sent_copy = \"hub\"\n"), MASTER, "files sent mail itself"),
        (format!("{key}{registered}token = \"http://login.example/t\"\n{account}"), MASTER, "secrets may be sent to"),
        (format!("{key}{registered}device = \"https://x.example\"\n{account}"), MASTER, "unknown key `device`"),
        (format!("{key}{OAUTH_TENANT}{account}"), MASTER, "is no tenant"),
        ("[oauth.gmail]\ntoken = \"https://x.example\"\n".to_owned(), MASTER, "`client_id` is missing"),
    ] {
        let findings = load_text(&text, &[env]).map(|_| ()).unwrap_err().to_string();
        assert!(findings.contains(part) && !findings.contains("hunter22"), "{part}: {findings}");
    }
}

const OAUTH_TENANT: &str = "[oauth.microsoft365]\nclient_id = \"id\"\ntenant = \"a/b\"\n";

#[test]
fn what_is_kept_for_a_time_has_bounds() {
    let with = |lines: &str| load_text(&format!("[retention]\n{lines}"), &[]);
    let days = |n: u64| Some(std::time::Duration::from_secs(n * 86_400));
    let loaded =
        with("originals = \"365 days\"\nevents = \"keep\"\nwebhook_log = \"1 day\"\n").unwrap().config.retention;
    let expected = Retention { originals: days(365), events: None, hits: None, webhook_log: days(1) };
    assert_eq!(loaded, expected);
    assert_eq!(load_good(&[]).retention, Retention { webhook_log: days(30), ..Retention::default() });
    for (line, least) in [
        ("originals = \"29 days\"", "30 days"),
        ("events = \"89 days\"", "90 days"),
        ("hits = \"0 days\"", "30 days"),
        ("webhook_log = \"a while\"", "1 days"),
        ("hits = \"36501 days\"", "36500 days"),
    ] {
        let told = text_of(with(line));
        assert!(told.contains(least) && told.contains("\"keep\""), "{line}: {told}");
    }
    assert!(text_of(with("original = \"30 days\"")).contains("did you mean `originals`"));
}

#[test]
fn what_counts_from_a_restart_on_is_named_by_its_key() {
    let load = |text: String| Folder::new(&text).load(&[]).map_err(|f| f.to_string()).unwrap().config;
    let place = "state_dir = \"/tmp/liaison\"";
    let started = load(GOOD.replace("state_dir = \"state\"", place));
    let keys = |from: &str, to: &str| {
        let text = GOOD.replace("state_dir = \"state\"", place);
        assert!(text.contains(from), "{from}");
        waiting_for_restart(&started, &load(text.replace(from, to)))
    };
    let none: [&str; 0] = [];
    assert_eq!(keys("undo_seconds = 10", "undo_seconds = 20"), none);
    assert_eq!(keys("level = \"info,liaison::outbound=debug\"", "level = \"info\""), ["log.level"]);
    assert_eq!(keys(place, "state_dir = \"/tmp/other\""), ["storage.state_dir", "storage.url"]);
    let lease = format!("{place}\nlease_seconds = 30");
    assert_eq!(keys(place, &lease), ["storage.lease_seconds"]);
    let listen = "listen = \"127.0.0.1:0\"";
    for (key, value) in [
        ("listen", "\"127.0.0.1:1\""),
        ("public_listen", "\"127.0.0.1:1\""),
        ("metrics_listen", "\"127.0.0.1:1\""),
        ("socket", "\"other.sock\""),
        ("requests_per_minute", "1"),
        ("refused_per_minute", "1"),
        ("public_requests_per_minute", "1"),
        ("trusted_proxies", "[\"10.0.0.1\"]"),
    ] {
        let kept = if key == "listen" { "" } else { listen };
        assert_eq!(keys(listen, &format!("{kept}\n{key} = {value}")), [format!("server.{key}")].as_slice(), "{key}");
    }
}
