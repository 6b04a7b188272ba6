//! Secrets: named in the configuration, kept elsewhere, never shown.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use secrecy::SecretString;

use super::reader::{Found, Reader, Secrets, Section, parsed};
use super::tree::{Table, Value};

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A systemd credential of this name, in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A secret and where it came from. Prints only the latter.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Where it is kept.
    pub source: SecretSource,
    /// What it is. Empty where the configuration was loaded without secrets.
    pub value: SecretString,
}

/// The largest secret taken, octets.
pub const SECRET_OCTETS_MAX: u64 = 64 * 1024;

/// Where the unit that is shipped finds secrets: `LoadCredential=` in packaging/liaison.service.
pub const SECRETS_FOLDER: &str = "/etc/liaison/secrets";
/// What it puts before their names.
pub const SHIPPED_PREFIX: &str = "secret_";
/// Most credentials that are named where one is missing.
const CREDENTIALS_SHOWN_MAX: usize = 20;

const FORMS: &str = "write { credential = \"name\" }, { file = \"path\" } or { env = \"NAME\" }";

/// Reads the secret named by a key.
pub(super) fn read(s: &mut Section<'_>, r: &mut Reader, key: &'static str) -> Option<Secret> {
    r.secret_keys.push(s.full(key));
    let node = s.node(key)?;
    if matches!(node.value.value, Value::Raw(_)) {
        r.sources.mask(node.span);
    }
    let value = parsed(&node);
    let Some(Value::Table(table)) = value else {
        r.sources.mask(node.span);
        r.error(&node, format!("`{}` is a secret, and secrets are never written here", node.key), FORMS);
        return None;
    };
    let source = source_of(r, &table, &node.key)?;
    if r.secrets == Secrets::Skip {
        return Some(Secret { source: source.value, value: SecretString::default() });
    }
    load(r, &source).map(|value| Secret { source: source.value, value })
}

fn source_of(r: &mut Reader, table: &Table, key: &str) -> Option<Found<SecretSource>> {
    let mut s = Section::new(table, key);
    let credential = s.text(r, "credential");
    let file = s.text(r, "file");
    let env = s.text(r, "env");
    let here = s.here();
    let set = ["credential", "file", "env"].iter().filter(|key| s.has(key)).count();
    let unknown = table.entries.len() > set;
    s.finish(r);
    if set != 1 {
        if !unknown || set > 1 {
            r.error(&here, format!("`{key}` takes exactly one of credential, file and env"), FORMS);
        }
        return None;
    }
    if let Some(name) = credential {
        if name.value.contains('/') || name.value.starts_with('.') {
            let message = format!("`{}` is a name, not a path", name.key);
            r.error(&name, message, "the name that stands in LoadCredential=; for a path write { file = \"path\" }");
            return None;
        }
        return Some(Found { value: SecretSource::Credential(name.value), span: name.span, key: name.key });
    }
    if let Some(path) = file {
        return Some(Found { value: SecretSource::File(r.path(&path.value)), span: path.span, key: path.key });
    }
    env.map(|name| Found { value: SecretSource::Env(name.value), span: name.span, key: name.key })
}

fn load(r: &mut Reader, source: &Found<SecretSource>) -> Option<SecretString> {
    match &source.value {
        SecretSource::Env(name) => {
            let value = r.env.get(name).cloned();
            if value.is_none() {
                let message = format!("the environment variable `{name}` is not set");
                r.error(source, message, "set it where the daemon is started");
            }
            keep(r, source, value?)
        }
        SecretSource::File(path) => load_file(r, source, path),
        SecretSource::Credential(name) => {
            let folder = r.env.get("CREDENTIALS_DIRECTORY").cloned();
            if let Some(folder) = folder {
                let path = Path::new(&folder).join(name);
                if !path.exists() {
                    r.error(source, format!("the unit has no credential `{name}`"), &handed_over(Path::new(&folder)));
                    return None;
                }
                return load_file(r, source, &path);
            }
            let message = format!("the credential `{name}` can't be read here: CREDENTIALS_DIRECTORY is not set");
            if r.secrets == Secrets::Check {
                let message =
                    format!("the credential `{name}` was not looked at: systemd hands it to the daemon alone");
                r.warn(
                    source,
                    message,
                    "once the daemon runs, `liaison account test NAME` asks it to sign in with what it has",
                );
                return Some(SecretString::default());
            }
            let hint = format!(
                "LoadCredential={name}:PATH in the systemd unit (the one that is shipped hands over {SECRETS_FOLDER}/NAME as \
                 `{SHIPPED_PREFIX}NAME`); without systemd write {{ file = \"path\" }}"
            );
            r.error(source, message, &hint);
            None
        }
    }
}

fn load_file(r: &mut Reader, source: &Found<SecretSource>, path: &Path) -> Option<SecretString> {
    let shown = path.display();
    let meta = match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() <= SECRET_OCTETS_MAX => meta,
        Ok(meta) => {
            let why = if meta.is_file() { "is too large for a secret" } else { "is not a file" };
            r.error(source, format!("{shown} {why}"), "a secret is one line of text in a file");
            return None;
        }
        Err(error) => {
            r.error(source, format!("the secret {shown} can't be read: {error}"), &unreadable(&error));
            return None;
        }
    };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            if meta.permissions().mode() & 0o004 != 0 {
                r.warn(source, format!("every user can read {shown}"), &format!("chmod 600 {shown}"));
            }
            keep(r, source, text)
        }
        Err(error) => {
            r.error(source, format!("the secret {shown} can't be read: {error}"), &unreadable(&error));
            None
        }
    }
}

/// What to do about a file that can't be read.
fn unreadable(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        return "write the secret into that file, or name another; relative paths count from the main file, not from conf.d".to_owned();
    }
    if kind == io::ErrorKind::PermissionDenied {
        return format!(
            "the user of the daemon must be able to read it; with the unit that is shipped, put it into {SECRETS_FOLDER}/NAME \
             and write {{ credential = \"{SHIPPED_PREFIX}NAME\" }}"
        );
    }
    "it must be text, readable by the daemon".to_owned()
}

/// What the unit did hand over, and how to have more of it.
fn handed_over(folder: &Path) -> String {
    let found = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = found.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let more = names.len().saturating_sub(CREDENTIALS_SHOWN_MAX);
    names.truncate(CREDENTIALS_SHOWN_MAX);
    let mut there =
        if names.is_empty() { "there are none".to_owned() } else { format!("there are {}", names.join(", ")) };
    if more > 0 {
        there = format!("{there} and {more} more");
    }
    format!(
        "{there}; the unit that is shipped hands over {SECRETS_FOLDER}/NAME as `{SHIPPED_PREFIX}NAME`, and a new one from a \
         restart on"
    )
}

/// Takes off the line end that editors and `echo` leave.
fn keep(r: &mut Reader, source: &Found<SecretSource>, mut text: String) -> Option<SecretString> {
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    if text.is_empty() {
        r.error(source, format!("the secret from {} is empty", source.value), "put the secret there");
        return None;
    }
    Some(SecretString::from(text))
}
