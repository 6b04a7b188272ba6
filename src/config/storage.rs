//! `[storage]`: where everything is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::{Found, Reader, Section};
use super::secret::{self, Secret};

/// `[storage]`.
#[derive(Debug, Clone)]
pub struct Storage {
    /// A folder for the database and other files of this node.
    pub state_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// The password of a PostgreSQL role.
    pub password: Option<Secret>,
    /// How long a node may be silent before another reads its mailboxes.
    pub lease: Duration,
}

/// Which database, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file on this machine.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A server.
    Postgres {
        /// `postgres://user@host:port/name`; never holds a password.
        url: String,
    },
}

/// The name of the SQLite file in the state directory.
const SQLITE_FILE: &str = "liaison.db";
/// See [`Storage::lease`], seconds.
const LEASE_DEFAULT: u64 = 60;
const FORMS: &str =
    "a path as in \"liaison.db\" or \"sqlite:///var/lib/liaison/liaison.db\", or \"postgres://user@host/name\"";

/// What holds where the file says nothing: `/var/lib/liaison` for a configuration under /etc, else `state` beside it.
/// Not taken from the environment, so that daemon and command line always agree.
pub(super) fn default(folder: &Path) -> Storage {
    let state_dir = if folder.starts_with("/etc") { PathBuf::from("/var/lib/liaison") } else { folder.join("state") };
    let database = Database::Sqlite { path: state_dir.join(SQLITE_FILE) };
    Storage { state_dir, database, password: None, lease: Duration::from_secs(LEASE_DEFAULT) }
}

pub(super) fn read(mut s: Section<'_>, r: &mut Reader) -> Storage {
    let mut storage = default(&r.folder);
    if let Some(written) = s.text(r, "state_dir") {
        storage.state_dir = r.path(&written.value);
        storage.database = Database::Sqlite { path: storage.state_dir.join(SQLITE_FILE) };
        // The folder itself, or the one in which the first start would make it.
        let there = storage.state_dir.ancestors().find(|path| path.symlink_metadata().is_ok());
        if let Some(no_folder) = there.filter(|path| !path.is_dir()) {
            r.error(
                &written,
                format!("{} is not a folder", no_folder.display()),
                "name a folder: the database and what belongs to it are kept there",
            );
        }
    }
    if let Some(url) = s.text(r, "url")
        && let Some(database) = database(r, &url)
    {
        storage.database = database;
    }
    let password = s.node("password").map(|node| Found { value: (), span: node.span, key: node.key });
    storage.password = secret::read(&mut s, r, "password");
    if let (Some(password), Database::Sqlite { .. }) = (&password, &storage.database) {
        r.warn(password, "SQLite takes no password", "take the line out, or set a postgres:// url");
    }
    // Below the least a busy machine would lose it while all is well: it is renewed at each third.
    if let Some(seconds) = s.integer(r, "lease_seconds", 6..=600).and_then(|n| u64::try_from(n.value).ok()) {
        storage.lease = Duration::from_secs(seconds);
    }
    s.finish(r);
    storage
}

fn database(r: &mut Reader, url: &Found<String>) -> Option<Database> {
    let text = url.value.as_str();
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return postgres(r, url);
    }
    let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
    if path.is_empty() || path.contains("://") || path.contains(['?', '\0']) || path == ":memory:" {
        r.error(url, format!("`{}` is no database this program knows", url.key), FORMS);
        return None;
    }
    let path = r.path(path);
    if path.is_dir() {
        r.error(url, format!("{} is a folder", path.display()), "name the database file in it");
        return None;
    }
    Some(Database::Sqlite { path })
}

fn postgres(r: &mut Reader, url: &Found<String>) -> Option<Database> {
    match url::Url::parse(&url.value) {
        Ok(parsed) if parsed.password().is_some() || parsed.query_pairs().any(|(key, _)| key == "password") => {
            let hint =
                "take it out of the url and write password = { credential = \"name\" }, { file = … } or { env = … }";
            r.sources.mask(url.span);
            r.error(url, format!("`{}` holds a password", url.key), hint);
            None
        }
        Ok(parsed) if parsed.path().trim_matches('/').is_empty() => {
            r.error(url, format!("`{}` names no database", url.key), "write postgres://user@host/name");
            None
        }
        Ok(parsed) => Some(Database::Postgres { url: parsed.to_string() }),
        Err(error) => {
            r.error(url, format!("`{}` is no URL: {error}", url.key), FORMS);
            None
        }
    }
}
