//! SQLite databases as files: what one holds, a copy of it made while others write, and the copy before a migration.
//!
//! A copy is held from the start: whoever puts it in place anywhere sends nothing until a person says so.

use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use uuid::Uuid;

use super::{BUSY_TIMEOUT, StoreError};

/// Room left beside a copy, octets.
const ROOM: u64 = 64 * 1024 * 1024;

/// What a database file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The newest migration that was applied to it; 0 for an empty file.
    pub schema: i64,
    /// Whose it is; `None` in one that never ran.
    pub installation: Option<Uuid>,
    /// Messages in it.
    pub messages: i64,
    /// Events in it.
    pub events: i64,
    /// Its size, octets.
    pub octets: u64,
}

/// Why a file could not be copied or used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something stands where the copy was to be.
    #[error("{} is there already; nothing was written", .0.display())]
    Exists(PathBuf),
    /// There is no database.
    #[error("{} is no database of liaison: {why}", .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The database is damaged.
    #[error("{} is damaged: {found}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// The disk has too little room.
    #[error("{} has {free} MB free, and {needed} MB are needed for a copy of the database", .folder.display())]
    NoRoom {
        /// Where it was to be.
        folder: PathBuf,
        /// What there is.
        free: u64,
        /// What is needed.
        needed: u64,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database says no.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Behind the name of a copy made before a migration, with the schema it has.
const SCHEMA_COPY: &str = ".schema-";
/// Behind the name of a database that was set aside for a copy, with the time.
pub const RESTORE_COPY: &str = ".before-restore-";

/// The newest migration that this version knows.
pub fn newest_schema() -> i64 {
    sqlx::migrate!("migrations/sqlite").iter().map(|m| m.version).max().unwrap_or(0)
}

async fn connect(file: &Path) -> Result<SqliteConnection, BackupError> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(false).busy_timeout(BUSY_TIMEOUT);
    Ok(options.disable_statement_logging().connect().await?)
}

/// Looks into a file without changing anything. `None` where there is none, or an empty one.
///
/// # Errors
/// [`BackupError::NotOurs`] where it is something else.
pub async fn look(file: &Path) -> Result<Option<Held>, BackupError> {
    let octets = match std::fs::metadata(file) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(BackupError::Io { path: file.to_owned(), source }),
    };
    let mut connection = connect(file).await?;
    let held = look_at(&mut connection, octets).await;
    connection.close().await?;
    held.map_err(|error| BackupError::NotOurs { path: file.to_owned(), why: error.to_string() })
}

async fn look_at(connection: &mut SqliteConnection, octets: u64) -> Result<Option<Held>, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(None);
    }
    let schema = sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success");
    let schema: i64 = schema.fetch_one(&mut *connection).await?;
    let mut held = Held { schema, installation: None, messages: 0, events: 0, octets };
    if schema > 0 {
        held.installation =
            sqlx::query_scalar("SELECT id FROM installation LIMIT 1").fetch_optional(&mut *connection).await?;
        held.messages = sqlx::query_scalar("SELECT COUNT(*) FROM message").fetch_one(&mut *connection).await?;
        held.events = sqlx::query_scalar("SELECT COUNT(*) FROM event").fetch_one(&mut *connection).await?;
    }
    Ok(Some(held))
}

/// Reads every page of a file and follows every reference in it.
///
/// # Errors
/// [`BackupError::Damaged`] with what was found.
pub async fn check(file: &Path) -> Result<Held, BackupError> {
    let nothing = || BackupError::NotOurs { path: file.to_owned(), why: "it is empty or not there".to_owned() };
    let held = look(file).await?.ok_or_else(nothing)?;
    let mut connection = connect(file).await?;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await?;
    let astray = sqlx::query("PRAGMA foreign_key_check").fetch_optional(&mut connection).await?;
    connection.close().await?;
    if found != "ok" {
        return Err(BackupError::Damaged { path: file.to_owned(), found });
    }
    if astray.is_some() {
        let found = "rows refer to others that are not there".to_owned();
        return Err(BackupError::Damaged { path: file.to_owned(), found });
    }
    Ok(held)
}

/// Copies a database, whoever writes to it meanwhile, checks the copy and holds it. It appears whole or not at all, readable to
/// its owner alone.
///
/// # Errors
/// [`BackupError::Exists`] where `to` is there already; [`BackupError::NoRoom`].
pub async fn write(from: &Path, to: &Path) -> Result<Held, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let draft = copy(from, to).await?;
    hold(&draft).await?;
    let held = check(&draft).await?;
    settle(&draft, to)?;
    Ok(held)
}

/// The copy before a migration: beside the database, named by the schema it has; a copy of that schema that is there already is
/// replaced. It is held, as every copy is: once it is in the place of the database again, what was sent since would go out a second
/// time, and the version it belongs to may not see that by itself.
///
/// # Errors
/// [`BackupError::NoRoom`]: nothing was migrated.
pub async fn before_migration(file: &Path, schema: i64) -> Result<PathBuf, BackupError> {
    let to = beside(file, &format!("{SCHEMA_COPY}{schema}"));
    // The copy, and what the migration may write anew.
    room_for(file, file.parent().unwrap_or(Path::new(".")), 2)?;
    let draft = copy(file, &to).await?;
    hold(&draft).await?;
    check(&draft).await?;
    settle(&draft, &to)?;
    Ok(to)
}

/// A path beside a file: its name with something behind it.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The copies of a database that this program made beside it: before a migration, and before a restore.
pub fn copies_beside(database: &Path) -> Vec<PathBuf> {
    let folder = database.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begins = [SCHEMA_COPY, RESTORE_COPY].map(|suffix| beside(database, suffix));
    let of_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        begins.iter().filter_map(|b| b.file_name()).any(|begin| name.starts_with(begin.as_encoded_bytes()))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(of_ours).collect();
    found.sort();
    found
}

/// Copies into a draft beside `to`; where it is.
async fn copy(from: &Path, to: &Path) -> Result<PathBuf, BackupError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = beside(to, ".part");
    let io = |source| BackupError::Io { path: draft.clone(), source };
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        Ok(()) | Err(_) => {}
    }
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    room_for(from, folder, 1)?;
    // SQLite writes into an empty file that is there, and leaves its mode alone.
    std::fs::File::options().write(true).create_new(true).mode(0o600).open(&draft).map_err(io)?;
    let mut connection = connect(from).await?;
    let path = draft.to_string_lossy().into_owned();
    let copied = sqlx::query("VACUUM INTO ?1").bind(path).execute(&mut connection).await;
    connection.close().await?;
    match copied {
        Ok(_) => Ok(draft),
        Err(error) => {
            // The error of the copy says more than one of tidying up.
            drop(std::fs::remove_file(&draft));
            Err(error.into())
        }
    }
}

/// Whether a folder has room for so many copies of a database, and some left.
///
/// # Errors
/// [`BackupError::NoRoom`] where not.
pub fn room_for(database: &Path, folder: &Path, copies: u64) -> Result<(), BackupError> {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let needed = (size(database) + size(&beside(database, "-wal"))).saturating_mul(copies).saturating_add(ROOM);
    let free = free_octets(folder).map_err(|source| BackupError::Io { path: folder.to_owned(), source })?;
    if free >= needed {
        return Ok(());
    }
    let mb = |octets: u64| octets / 1_000_000;
    Err(BackupError::NoRoom { folder: folder.to_owned(), free: mb(free), needed: mb(needed) })
}

/// Octets that this user may still write into a folder.
///
/// # Errors
/// Where the folder is not there.
pub fn free_octets(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Puts a draft in its place, for good.
fn settle(draft: &Path, to: &Path) -> Result<(), BackupError> {
    let io = |source| BackupError::Io { path: to.to_owned(), source };
    std::fs::File::open(draft).and_then(|f| f.sync_all()).map_err(io)?;
    std::fs::rename(draft, to).map_err(io)?;
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io)
}

/// Holds a database that nobody has open: nothing is sent from it until it is released. One that never ran has no row yet that
/// could say so; it gets it.
async fn hold(file: &Path) -> Result<(), BackupError> {
    let mut connection = connect(file).await?;
    let done = sqlx::query("UPDATE installation SET held = TRUE").execute(&mut connection).await?;
    if done.rows_affected() == 0 {
        let row =
            "INSERT INTO installation (id, installed_at, held) VALUES (randomblob(16), unixepoch() * 1000000, TRUE)";
        sqlx::query(row).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Puts a copy in the place of a database that nobody has open, checked and held. The database that was there is kept beside,
/// under a name that ends in `kept`; where, is told.
///
/// # Errors
/// Until the last step the old database stands where it stood.
pub async fn put(copy_of: &Path, database: &Path, kept: &str) -> Result<(Held, Option<PathBuf>), BackupError> {
    let held = check(copy_of).await?;
    if held.schema > newest_schema() {
        return Err(StoreError::Newer(held.schema).into());
    }
    let draft = copy(copy_of, database).await?;
    hold(&draft).await?;
    check(&draft).await?;
    let aside = beside(database, kept);
    let was_there = database.exists();
    // The parts of a database go even where it is gone itself: SQLite would read them into the new one.
    for part in ["", "-wal", "-shm"] {
        let (from, to) = (beside(database, part), beside(&aside, part));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::Io { path: from, source: error });
            }
            Ok(()) | Err(_) => {}
        }
    }
    settle(&draft, database)?;
    Ok((held, was_there.then_some(aside)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Place, Store};

    async fn database(dir: &Path) -> PathBuf {
        let file = dir.join("liaison.db");
        let store = Store::open(&Place::Sqlite { file: file.clone() }).await.unwrap();
        let mut tx = store.begin("test").await.unwrap();
        tx.insert_installation(crate::clock::Clock::machine().new_id(), crate::domain::time::Micros(1)).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
        file
    }

    #[tokio::test]
    async fn a_copy_is_whole_held_and_its_owners_alone_and_never_written_over() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = database(dir.path()).await;
        let to = dir.path().join("copy");
        let held = write(&file, &to).await.unwrap();
        let original = look(&file).await.unwrap().unwrap();
        assert_eq!((held.schema, held.installation), (newest_schema(), original.installation));
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write(&file, &to).await, Err(BackupError::Exists(_))));
        let read = |file: PathBuf| async move {
            let store = Store::open(&Place::Sqlite { file }).await.unwrap();
            let held = store.read().await.unwrap().get_installation().await.unwrap().unwrap().held;
            store.close().await;
            held
        };
        assert!(read(to.clone()).await && !read(file.clone()).await);
        let (_, aside) = put(&to, &file, ".before-restore").await.unwrap();
        assert!(read(file).await && !read(aside.unwrap()).await);
    }

    #[tokio::test]
    async fn what_is_no_database_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("letter");
        std::fs::write(&file, "Dear Kim").unwrap();
        assert!(matches!(look(&file).await, Err(BackupError::NotOurs { .. })));
        assert_eq!(look(&dir.path().join("none")).await.unwrap(), None);
        assert!(matches!(check(&dir.path().join("none")).await, Err(BackupError::NotOurs { .. })));
        let there = database(dir.path()).await;
        assert!(put(&file, &there, ".kept").await.is_err());
        assert!(look(&there).await.unwrap().is_some(), "the old one stands where it stood");
    }

    #[tokio::test]
    async fn a_damaged_page_is_found() {
        use std::io::{Seek as _, SeekFrom, Write as _};
        let dir = tempfile::tempdir().unwrap();
        let file = database(dir.path()).await;
        let to = dir.path().join("copy");
        write(&file, &to).await.unwrap();
        let mut damaged = std::fs::File::options().write(true).open(&to).unwrap();
        let end = damaged.metadata().unwrap().len();
        for at in (4096 * 3..end).step_by(4096) {
            damaged.seek(SeekFrom::Start(at)).unwrap();
            damaged.write_all(&[0xA5; 64]).unwrap();
        }
        damaged.sync_all().unwrap();
        assert!(check(&to).await.is_err());
    }
}
