//! The configuration: one TOML file, `conf.d/*.toml` beside it, `LIAISON_SECTION__KEY` variables, and the stages.
//!
//! Read once, as a whole: everything that is wrong is found at once and told with its place. Reads files, changes nothing,
//! opens no connection. Secrets are read from where the configuration names them and never printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::domain::phone;
use crate::domain::stage::Stages;

pub mod accounts;
mod endpoint;
pub mod environment;
pub mod finding;
pub mod log;
pub mod oauth;
pub mod outreach;
pub(crate) mod reader;
pub mod relays;
mod restart;
pub mod retention;
pub mod secret;
pub mod server;
pub mod show;
pub(crate) mod source;
pub mod stages;
pub mod storage;
pub(crate) mod suggest;
pub mod teammates;
pub mod texting;
pub mod tracking;
pub(crate) mod tree;
pub mod webhooks;

pub use accounts::{
    Account, AccountKind, Backfill, ImapAccount, Login, RampUp, Security, SentCopy, ServerUrl, SlackAccount,
    TextAccount,
};
pub use finding::{Finding, Findings, Place, Severity};
pub use log::{Log, LogFormat};
pub use oauth::{OAuth, Registration};
pub use outreach::{Outreach, SenderInfo};
pub use reader::Secrets;
pub use relays::{Relay, RelayPlace};
pub use restart::waiting_for_restart;
pub use retention::Retention;
pub use secret::{Secret, SecretSource};
pub use server::Server;
pub use storage::{Database, Storage};
pub use teammates::Teammate;
pub use texting::Texting;
pub use tracking::Tracking;
pub use webhooks::Webhooks;

use reader::{Found, Reader, Section};

use tree::Table;

/// The whole configuration. Plain data, cheap enough to clone.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// Every file that was read, for a look at whether they changed.
    pub files: Vec<PathBuf>,
    /// The stages of a relationship and the custom properties.
    pub stages: Stages,
    /// Our side's working hours are in this zone. Default UTC.
    pub timezone: TimeZone,
    /// How long a message sent by a person can be taken back, seconds. Default 30.
    pub undo_seconds: u32,
    /// Mail from these domains is ours, whoever wrote it. Lower case, ASCII form.
    pub our_domains: Vec<String>,
    /// The teammate who owns what nobody else does.
    pub default_owner: Option<String>,
    /// Where phone numbers without a country's code are from (ISO 3166-1, two letters).
    pub phone_region: Option<String>,
    /// Sequences, and what they need.
    pub outreach: Outreach,
    /// Where programs reach the daemon.
    pub server: Server,
    /// Where everything is kept.
    pub storage: Storage,
    /// What is counted of sequence mail.
    pub tracking: Tracking,
    /// Where webhooks may lead.
    pub webhooks: Webhooks,
    /// How long what is not needed any more is kept.
    pub retention: Retention,
    /// How much is logged.
    pub log: Log,
    /// Our registrations with the providers that sign people in, and the key that seals tokens.
    pub oauth: Box<OAuth>,
    /// Our people, by id.
    pub teammates: BTreeMap<String, Teammate>,
    /// Our accounts, by id.
    pub accounts: BTreeMap<String, Account>,
    /// Where the team hears of what influencers write.
    pub relays: BTreeMap<String, Relay>,
}

impl Config {
    /// Whether the accounts are simulated; then all are.
    pub fn is_sandbox(&self) -> bool {
        self.accounts.values().any(|a| matches!(a.kind, AccountKind::Sandbox))
    }

    /// Where readers of mail reach us, for pixels, links and the page to unsubscribe: `tracking.host`, else
    /// `server.base_url`.
    pub fn site(&self) -> Option<String> {
        let host = self.tracking.host.as_ref().map(|host| format!("https://{host}"));
        host.or_else(|| self.server.base_url.clone())
    }
}

/// A configuration that can be used, and what a person should still look at.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Doubts, none of which stops the program.
    pub warnings: Vec<Finding>,
}

/// The largest file read, octets.
pub const FILE_OCTETS_MAX: u64 = 1_000_000;
/// Most files in `conf.d`.
pub const CONF_D_FILES_MAX: usize = 200;

/// Loads everything, secrets included, as the daemon needs it. `env` is the environment of the process.
pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Findings> {
    load_with(path, env, Secrets::Load)
}

/// Loads everything; what becomes of the secrets is up to the caller.
pub fn load_with(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
    secrets: Secrets,
) -> Result<Loaded, Findings> {
    let show::Opened { reader: mut r, tree, path, files } = open(path, env, secrets)?;
    let config = read(&mut r, &tree, path, files);
    let failed = r.has_errors();
    let findings = r.findings();
    match config {
        Some(config) if !failed => Ok(Loaded { config, warnings: findings }),
        _ => Err(Findings(findings)),
    }
}

/// Parses all files and lays the environment over them.
fn open(path: &Path, env: impl Iterator<Item = (String, String)>, secrets: Secrets) -> Result<show::Opened, Findings> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let mut r = Reader::new(&folder, env.collect(), secrets);
    let mut files = Vec::new();
    let Some(mut tree) = read_file(&mut r, &path, &mut files) else {
        return Err(Findings(r.findings()));
    };
    for more in conf_d(&mut r, &folder.join("conf.d")) {
        if let Some(more) = read_file(&mut r, &more, &mut files) {
            tree::merge(&mut r, &mut tree, more, "");
        }
    }
    environment::overlay(&mut r, &mut tree);
    Ok(show::Opened { reader: r, tree, path, files })
}

/// What `config check` says, and whether the configuration can be used. `env` is the environment of the process.
pub fn check(path: &Path, env: impl Iterator<Item = (String, String)>, colour: bool) -> (String, bool) {
    match load_with(path, env, Secrets::Check) {
        Ok(Loaded { config, warnings }) => {
            let warnings = finding::render_all(&warnings, colour);
            let text = format!(
                "{warnings}configuration is fine: {}, {}, {}\n",
                finding::count(config.accounts.len(), "account"),
                finding::count(config.teammates.len(), "teammate"),
                finding::count(config.stages.all().len(), "stage"),
            );
            (text, true)
        }
        Err(findings) => (findings.render(colour), false),
    }
}

/// Reads a file as text; what is wrong with it as a file is a finding.
pub(crate) fn read_text(path: &Path) -> Result<String, (String, &'static str)> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|error| {
        (format!("{shown} can't be read: {error}"), "name the file with --config, or write one with `liaison init`")
    })?;
    if !meta.is_file() {
        return Err((format!("{shown} is not a file"), "name a TOML file"));
    }
    if meta.len() > FILE_OCTETS_MAX {
        return Err((format!("{shown} is larger than {FILE_OCTETS_MAX} octets"), "this can't be a configuration"));
    }
    let octets = std::fs::read(path)
        .map_err(|error| (format!("{shown} can't be read: {error}"), "let the daemon's user read it"))?;
    String::from_utf8(octets).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1;
        (format!("{shown} is not UTF-8 text (line {line})"), "save it as UTF-8")
    })
}

fn read_file(r: &mut Reader, path: &Path, files: &mut Vec<PathBuf>) -> Option<Table> {
    match read_text(path) {
        Ok(text) => {
            files.push(path.to_owned());
            let source = r.sources.add(path.display().to_string(), text.clone());
            Some(tree::parse(r, source, &text))
        }
        Err((message, hint)) => {
            r.bare(&message, hint);
            None
        }
    }
}

/// The files of `conf.d` in the order of their names.
fn conf_d(r: &mut Reader, folder: &Path) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            r.bare(&format!("{} can't be read: {error}", folder.display()), "let the daemon's user read it");
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .filter(|path| !path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")))
        .collect();
    paths.sort();
    if paths.len() > CONF_D_FILES_MAX {
        r.bare(
            &format!("{} holds more than {CONF_D_FILES_MAX} files", folder.display()),
            "put several sections into one file",
        );
        paths.truncate(CONF_D_FILES_MAX);
    }
    paths
}

/// A country whose numbers are known.
fn phone_region(r: &mut Reader, given: &Found<String>) -> Option<String> {
    let region = given.value.to_ascii_uppercase();
    if phone::is_region(&region) {
        return Some(region);
    }
    let shown: String = given.value.chars().take(60).collect();
    r.error(given, format!("`{shown}` is no country"), "write its two letters (ISO 3166-1), as in \"US\" or \"DE\"");
    None
}

fn read(r: &mut Reader, tree: &Table, path: PathBuf, mut files: Vec<PathBuf>) -> Option<Config> {
    let mut root = Section::new(tree, "");
    let stages = root.text(r, "stages");
    let timezone = root.text(r, "timezone").and_then(|zone| timezone(r, &zone));
    let undo = root.integer(r, "undo_seconds", 0..=3600).and_then(|n| u32::try_from(n.value).ok());
    let our_domains = root.texts(r, "our_domains").iter().filter_map(|domain| our_domain(r, domain)).collect();
    let default_owner = root.text(r, "default_owner");
    let phone_region = root.text(r, "phone_region").and_then(|region| phone_region(r, &region));
    let outreach = outreach::read(&mut root, r);
    let server = root.section(r, "server").map(|s| server::read(s, r)).unwrap_or_default();
    let storage = match root.section(r, "storage") {
        Some(section) => storage::read(section, r),
        None => storage::default(&r.folder),
    };
    let tracking = root.section(r, "tracking").map(|s| tracking::read(s, r)).unwrap_or_default();
    let webhooks = root.section(r, "webhooks").map(|s| webhooks::read(s, r)).unwrap_or_default();
    let retention = root.section(r, "retention").map(|s| retention::read(s, r)).unwrap_or_default();
    let log = root.section(r, "log").map(|s| log::read(s, r)).unwrap_or_default();
    let teammates = teammates::read(&mut root, r);
    let oauth = oauth::read(&mut root, r)?;
    let accounts = accounts::read(&mut root, r, &oauth);
    let stages = read_stages(r, stages.as_ref(), &mut files);
    let known: Vec<Account> = accounts.values().cloned().collect();
    let around = relays::Around { accounts: &known, teammates: &teammates, stages: stages.as_ref() };
    let relays = relays::read(&mut root, r, &around);
    if let Some(owner) = &default_owner
        && !root.table.get("teammates").is_some_and(|t| has_entry(&t.node, &owner.value))
    {
        let shown: String = owner.value.chars().take(60).collect();
        let known: Vec<&str> = teammates.keys().map(String::as_str).collect();
        let hint = suggest::nearest(&owner.value, &known)
            .map_or_else(|| format!("write [teammates.{shown}]"), |name| format!("did you mean \"{name}\"?"));
        r.error(owner, format!("there is no teammate `{shown}`"), &hint);
    }
    if !root.has("accounts") {
        r.warn_bare("there are no accounts: nothing is read, nothing is sent", "write [accounts.NAME]");
    }
    root.finish(r);
    Some(Config {
        path,
        files,
        stages: stages?,
        timezone: timezone.unwrap_or(TimeZone::UTC),
        undo_seconds: undo.unwrap_or(30),
        our_domains,
        default_owner: default_owner.map(|o| o.value),
        phone_region,
        outreach,
        server,
        storage,
        tracking,
        webhooks,
        retention,
        log,
        oauth: Box::new(oauth),
        teammates,
        accounts,
        relays,
    })
}

fn has_entry(node: &tree::Node, key: &str) -> bool {
    matches!(&node.value, tree::Value::Table(table) if table.get(key).is_some())
}

/// The stages of the file that is named, else of `stages.toml` beside the main file, else the shipped ones.
fn read_stages(r: &mut Reader, written: Option<&Found<String>>, files: &mut Vec<PathBuf>) -> Option<Stages> {
    let path = r.path(written.map_or("stages.toml", |w| w.value.as_str()));
    if written.is_none() && !path.exists() {
        return stages::read(r, Path::new("(built-in stages)"), stages::SHIPPED);
    }
    match read_text(&path) {
        Ok(text) => {
            files.push(path.clone());
            stages::read(r, &path, &text)
        }
        Err((message, _)) => {
            let hint = "relative paths count from the main file; without the key, the built-in stages hold";
            match written {
                Some(written) => r.error(written, message, hint),
                None => r.bare(&message, hint),
            }
            None
        }
    }
}

fn timezone(r: &mut Reader, zone: &Found<String>) -> Option<TimeZone> {
    let found = TimeZone::get(&zone.value).ok();
    if found.is_none() {
        let shown: String = zone.value.chars().take(60).collect();
        let all: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let names: Vec<&str> = all.iter().map(String::as_str).collect();
        let hint = match suggest::nearest(&zone.value, &names) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None if names.is_empty() => "this machine has no time zones: install the package tzdata".to_owned(),
            None => "a name of the IANA list, as in \"Europe/Madrid\"".to_owned(),
        };
        r.error(zone, format!("there is no time zone `{shown}`"), &hint);
    }
    found
}

fn our_domain(r: &mut Reader, domain: &Found<String>) -> Option<String> {
    let ascii = match url::Host::parse(&domain.value) {
        Ok(url::Host::Domain(name)) if name.contains('.') && !domain.value.contains(['@', '/', '*']) => Some(name),
        _ => None,
    };
    if ascii.is_none() {
        let shown: String = domain.value.chars().take(60).collect();
        r.error(domain, format!("`{shown}` is no domain"), "the part behind the @, as in \"your-domain.example\"");
    }
    ascii
}

#[cfg(test)]
mod tests;
