//! What is in force, value by value, each with where it comes from. Secrets are named by where they are kept, never shown.
//!
//! The keys are those that a reading asked for, so that the list can't go out of date.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::reader::{Reader, Secrets};
use super::source::{Span, looks_secret, without_passwords};
use super::tree::{Entry, Node, Table, Value};
use super::{
    Account, AccountKind, Backfill, Config, Database, Findings, ImapAccount, LogFormat, Retention, SentCopy, Storage,
};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, and the line in it, from 1.
    File(String, usize),
    /// An environment variable.
    Variable(String),
    /// Nothing says it: this is how it is without.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{path}:{line}"),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its key, as in `accounts.hello.address`.
    pub key: String,
    /// Its value; null where it is not set and has no default. Of a secret: asterisks, and where it is kept.
    pub value: Json,
    /// Where it comes from.
    pub origin: Origin,
}

impl Setting {
    /// For programs.
    pub fn to_json(&self) -> Json {
        let source = match &self.origin {
            Origin::File(file, line) => json!({"kind": "file", "file": file, "line": line}),
            Origin::Variable(name) => json!({"kind": "environment", "variable": name}),
            Origin::Default => json!({"kind": "default"}),
        };
        json!({"key": self.key, "value": self.value, "source": source})
    }

    /// For people: a line of TOML, with where it comes from behind it.
    pub fn to_line(&self) -> String {
        if self.value.is_null() {
            return format!("# {} is not set", self.key);
        }
        format!("{} = {}  # {}", self.key, self.value, self.origin)
    }
}

/// Sections that hold defaults where no file has them.
const SECTIONS: [&str; 5] = ["server", "storage", "tracking", "retention", "log"];

/// Every setting of a configuration that can be used, in the order of the sections. `env` is the environment of the process.
///
/// # Errors
/// What is wrong with the configuration, where it can't be used.
pub fn show(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Vec<Setting>, Findings> {
    let mut opened = super::open(path, env, Secrets::Skip)?;
    for name in SECTIONS {
        if opened.tree.get(name).is_none() {
            let span = Span { source: usize::MAX, start: 0, end: 0 };
            let node = Node { value: Value::Table(Table { entries: Vec::new(), span }), span };
            opened.tree.entries.push(Entry { key: name.to_owned(), key_span: span, node });
        }
    }
    let mut r = opened.reader;
    let config = super::read(&mut r, &opened.tree, opened.path, opened.files);
    match config {
        Some(config) if !r.has_errors() => Ok(settings(&r, &opened.tree, &config)),
        _ => Err(Findings(r.findings())),
    }
}

fn settings(r: &Reader, tree: &Table, config: &Config) -> Vec<Setting> {
    let known: BTreeSet<&str> = r.known.iter().map(String::as_str).collect();
    let mut told = BTreeSet::new();
    let mut all = Vec::new();
    for key in r.known.iter().map(String::as_str) {
        let is_section = known.iter().any(|other| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')));
        let within_secret =
            r.secret_keys.iter().any(|s| key.strip_prefix(s.as_str()).is_some_and(|k| k.starts_with('.')));
        let is_secret = r.secret_keys.iter().any(|s| s == key);
        if (is_section && !is_secret) || within_secret || !told.insert(key) {
            continue;
        }
        let found = find(tree, key);
        let (value, origin) = match found {
            Some(node) => (
                if is_secret { hidden(node) } else { json_of(key, node) },
                origin_of(r, if is_secret { place_of_secret(node) } else { node.span }),
            ),
            None => (default_of(config, key), Origin::Default),
        };
        all.push(Setting { key: key.to_owned(), value, origin });
    }
    // Whatever stands at the root comes first, as in a file.
    all.sort_by_key(|setting| setting.key.contains('.'));
    all
}

fn find<'t>(tree: &'t Table, key: &str) -> Option<&'t Node> {
    let mut table = tree;
    let mut parts = key.split('.').peekable();
    loop {
        let node = &table.get(parts.next()?)?.node;
        if parts.peek().is_none() {
            return Some(node);
        }
        let Value::Table(inner) = &node.value else { return None };
        table = inner;
    }
}

fn origin_of(r: &Reader, span: Span) -> Origin {
    match r.sources.variable(span) {
        Some(name) => Origin::Variable(name.to_owned()),
        None => Origin::File(r.sources.name(span).to_owned(), r.sources.line_and_column(span).0),
    }
}

/// Where it stands what a secret is kept in: a variable may name another place than the file does.
fn place_of_secret(node: &Node) -> Span {
    let Value::Table(table) = &node.value else { return node.span };
    table.entries.first().map_or(node.span, |entry| entry.node.span)
}

/// A secret: that there is one, and where it is kept.
fn hidden(node: &Node) -> Json {
    let kept = match &node.value {
        Value::Table(table) => table.entries.first().and_then(|e| Some(format!("{} {}", e.key, e.node.value.text()?))),
        Value::Raw(_) => Some("as the variable says".to_owned()),
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Moment | Value::List(_) => None,
    };
    Json::String(kept.map_or_else(|| "********".to_owned(), |kept| format!("******** ({kept})")))
}

fn json_of(key: &str, node: &Node) -> Json {
    if looks_secret(key.rsplit('.').next().unwrap_or(key)) {
        return Json::String("********".to_owned());
    }
    match &node.value {
        Value::Text(text) => Json::String(without_passwords(text)),
        Value::Raw(text) => {
            let trimmed = text.trim();
            let number = trimmed.parse::<i64>().map(Json::from);
            let flag = trimmed.parse::<bool>().map(Json::from);
            number.or(flag).unwrap_or_else(|_| Json::String(without_passwords(trimmed)))
        }
        Value::Integer(n) => json!(n),
        Value::Float(n) => json!(n),
        Value::Flag(flag) => json!(flag),
        Value::Moment => Json::String("a date or time".to_owned()),
        Value::List(items) => items.iter().map(|item| json_of(key, item)).collect(),
        Value::Table(table) => {
            Json::Object(table.entries.iter().map(|e| (e.key.clone(), json_of(&e.key, &e.node))).collect())
        }
    }
}

fn shown(path: &Path) -> Json {
    Json::String(path.display().to_string())
}

/// How it is where nothing says it, taken from what was read; null where that is nothing.
fn default_of(config: &Config, key: &str) -> Json {
    let parts: Vec<&str> = key.split('.').collect();
    match parts.as_slice() {
        ["timezone"] => json!(config.timezone.iana_name()),
        ["undo_seconds"] => json!(config.undo_seconds),
        ["sequences"] => shown(&config.outreach.sequences),
        ["stages"] => {
            let beside = config.path.with_file_name("stages.toml");
            if config.files.contains(&beside) { shown(&beside) } else { json!("(built-in stages)") }
        }
        ["server", "listen"] => json!(config.server.listen.to_string()),
        ["server", "trusted_proxies"] => json!(["127.0.0.0/8", "::1"]),
        ["server", "socket"] => json!("control.sock in the runtime directory"),
        ["storage", of] => default_of_storage(&config.storage, of),
        ["tracking", "opens"] => json!(config.tracking.opens),
        ["tracking", "clicks"] => json!(config.tracking.clicks),
        ["tracking", "agents" | "networks"] => json!("(shipped list)"),
        ["retention", of] => default_of_retention(&config.retention, of),
        ["log", "level"] => json!(config.log.level),
        ["log", "format"] => json!(if config.log.format == LogFormat::Json { "json" } else { "text" }),
        ["accounts", name, of] => {
            config.accounts.get(*name).map_or(Json::Null, |account| default_of_account(account, of))
        }
        _ => Json::Null,
    }
}

fn default_of_storage(storage: &Storage, key: &str) -> Json {
    match (key, &storage.database) {
        ("state_dir", _) => shown(&storage.state_dir),
        ("lease_seconds", _) => json!(storage.lease.as_secs()),
        ("url", Database::Sqlite { path }) => Json::String(format!("sqlite:{}", path.display())),
        _ => Json::Null,
    }
}

fn default_of_retention(retention: &Retention, key: &str) -> Json {
    let length = match key {
        "originals" => retention.originals,
        "events" => retention.events,
        "hits" => retention.hits,
        "webhook_log" => retention.webhook_log,
        _ => return Json::Null,
    };
    Json::String(super::retention::written(length))
}

fn default_of_account(account: &Account, key: &str) -> Json {
    let (backfill, poll, settle) = match &account.kind {
        AccountKind::Imap(imap) => (imap.backfill, imap.poll, imap.settle),
        AccountKind::Text(text) => (text.backfill, text.poll, text.settle),
        AccountKind::Slack(slack) => (slack.backfill, slack.poll, slack.settle),
        AccountKind::Sandbox => return Json::Null,
    };
    match key {
        "backfill" => match backfill {
            Backfill::None => json!("none"),
            Backfill::Days(days) => json!(format!("{days} days")),
        },
        "poll_seconds" => json!(poll.as_secs()),
        "settle_minutes" => json!(settle.as_secs() / 60),
        "send_hours" => json!(account.send_hours().iter().map(ToString::to_string).collect::<Vec<_>>()),
        _ => account.imap().map_or(Json::Null, |imap| default_of_mailbox(imap, key)),
    }
}

fn default_of_mailbox(imap: &ImapAccount, key: &str) -> Json {
    match key {
        "user" => json!(imap.user),
        "sessions" => json!(imap.sessions),
        "sent_copy" => json!(if imap.sent_copy == SentCopy::Hub { "hub" } else { "server" }),
        "message_max" => json!(format!("{} MB", imap.message_max / 1_000_000)),
        _ => Json::Null,
    }
}

/// A configuration that was opened and not read yet.
pub(super) struct Opened {
    pub(super) reader: Reader,
    pub(super) tree: Table,
    pub(super) path: PathBuf,
    pub(super) files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "undo_seconds = 5\nour_domains = [\"acme.example\"]\n[server]\nlisten = \"127.0.0.1:9000\"\n\
        [accounts.hello]\nkind = \"imap\"\naddress = \"hello@acme.example\"\npassword = { file = \"secret-file\" }\n\
        imap = \"imaps://mail.acme.example\"\nsmtp = \"smtps://mail.acme.example\"\n";

    #[test]
    fn every_value_is_shown_with_its_source_and_no_secret_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("liaison.toml");
        std::fs::write(&path, MAIN).unwrap();
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        let more = dir.path().join("conf.d/10-log.toml");
        std::fs::write(&more, "# how much\n[log]\nlevel = \"debug\"\n[accounts.two]\nkind = \"imap\"\naddress = \"two@acme.example\"\n\
            password = { credential = \"pw\" }\nimap = \"imaps://mail.acme.example\"\nsmtp = \"smtps://mail.acme.example\"\nsessions = 2\n").unwrap();
        let env = [
            ("LIAISON_SERVER__LISTEN", "127.0.0.1:9001"),
            ("LIAISON_ACCOUNTS__TWO__PASSWORD__ENV", "HUSH"),
            ("HUSH", "hunter2"),
        ];
        let env = || env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let all = show(&path, env()).unwrap_or_else(|e| panic!("{e}"));
        let line =
            |key: &str| all.iter().find(|s| s.key == key).unwrap_or_else(|| panic!("no {key}: {all:#?}")).to_line();
        let (main, more) = (path.display(), more.display());
        assert_eq!(line("undo_seconds"), format!("undo_seconds = 5  # {main}:1"));
        assert_eq!(line("our_domains"), format!("our_domains = [\"acme.example\"]  # {main}:2"));
        assert_eq!(line("server.listen"), "server.listen = \"127.0.0.1:9001\"  # environment LIAISON_SERVER__LISTEN");
        assert_eq!(line("log.level"), format!("log.level = \"debug\"  # {more}:3"));
        assert_eq!(line("log.format"), "log.format = \"text\"  # default");
        assert_eq!(line("timezone"), "timezone = \"UTC\"  # default");
        assert_eq!(line("server.base_url"), "# server.base_url is not set");
        assert_eq!(
            line("accounts.hello.password"),
            format!("accounts.hello.password = \"******** (file secret-file)\"  # {main}:8")
        );
        let two = "accounts.two.password = \"******** (env HUSH)\"  # environment LIAISON_ACCOUNTS__TWO__PASSWORD__ENV";
        assert_eq!(line("accounts.two.password"), two);
        assert_eq!(line("accounts.hello.sessions"), "accounts.hello.sessions = 4  # default");
        assert_eq!(line("accounts.two.sessions"), format!("accounts.two.sessions = 2  # {more}:10"));
        let url = format!("storage.url = \"sqlite:{}\"  # default", dir.path().join("state/liaison.db").display());
        assert_eq!(line("storage.url"), url);
        let text = all.iter().map(|s| s.to_json().to_string()).collect::<String>();
        assert!(!text.contains("hunter2") && text.contains("\"kind\":\"environment\""), "{text}");
        let keys: BTreeSet<&str> = all.iter().map(|s| s.key.as_str()).collect();
        assert_eq!(keys.len(), all.len(), "each once");
        assert!(!keys.contains("server") && !keys.contains("accounts.hello.password.file"), "{keys:?}");
    }

    #[test]
    fn every_key_of_the_shipped_file_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("liaison.toml");
        std::fs::write(&path, MAIN).unwrap();
        let all = show(&path, std::iter::empty()).unwrap_or_else(|e| panic!("{e}"));
        let shipped = include_str!("../../config/liaison.toml");
        let mut section = String::new();
        let mut missing = Vec::new();
        for line in shipped.lines().map(|l| l.trim_start_matches(['#', ' '])) {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.split_once(']')) {
                section = format!("{}.", name.0);
            } else if let Some((key, _)) = line.split_once(" = ")
                && SECTIONS.iter().any(|s| section == format!("{s}."))
                && key.trim().chars().all(|c| c.is_ascii_lowercase() || c == '_')
            {
                let key = format!("{section}{}", key.trim());
                if !all.iter().any(|s| s.key == key) {
                    missing.push(key);
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn a_configuration_that_can_not_be_used_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("liaison.toml");
        std::fs::write(&path, "undo_second = 5\n").unwrap();
        let findings = show(&path, std::iter::empty()).unwrap_err().to_string();
        assert!(findings.contains("did you mean `undo_seconds`"), "{findings}");
    }
}
