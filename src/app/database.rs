//! Before an SQLite database is opened: is it ours to open, and what is kept before it is changed for good.

use std::path::PathBuf;

use super::Hub;
use crate::clock::Clock;
use crate::config::{Config, Database};
use crate::domain::time::Micros;
use crate::lifecycle::{DatabaseLock, LockError};
use crate::store::backup::{self, BackupError, Held};
use crate::store::transfer::{self, Copied};
use crate::store::{Place, Store, StoreError};

/// Why a database can't be used by this version now.
#[derive(Debug, thiserror::Error)]
pub enum UnreadyError {
    /// The daemon that runs is of an older version than this command. Exit code 73.
    #[error(
        "the daemon that runs is of an older version than this command ({}); restart it: it brings the database up to date",
        .0.display()
    )]
    OlderDaemon(PathBuf),
    /// A daemon runs, and what was asked for needs the database for itself. Exit code 73.
    #[error("a daemon runs on this database ({}); stop it first", .0.display())]
    Taken(PathBuf),
    /// The lock can't be had.
    #[error(transparent)]
    Lock(LockError),
    /// The copy could not be made, or the file is no database.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// Looks at the database of a configuration, and copies it where this version will change its schema. Called by whoever holds its
/// lock; on PostgreSQL there is nothing to do.
pub(super) async fn keep_copy(config: &Config) -> Result<(), UnreadyError> {
    let Database::Sqlite { path } = &config.storage.database else { return Ok(()) };
    let Some(held) = backup::look(path).await? else { return Ok(()) };
    refuse_newer(&held)?;
    if held.schema > 0 && held.schema < backup::newest_schema() {
        let copy = backup::before_migration(path, held.schema).await?;
        let (from, to) = (held.schema, backup::newest_schema());
        tracing::warn!(from, to, copy = %copy.display(), "the database is brought up to date; it was copied first");
    }
    Ok(())
}

/// Tells where copies lie beside the database that is configured.
pub(super) fn copies_of(hub: &Hub) -> impl Fn() -> Vec<PathBuf> + Send + use<> {
    let hub = hub.clone();
    move || match hub.live().config.as_ref().map(|config| &config.storage.database) {
        Some(Database::Sqlite { path }) => backup::copies_beside(path),
        Some(Database::Postgres { .. }) | None => Vec::new(),
    }
}

fn refuse_newer(held: &Held) -> Result<(), BackupError> {
    if held.schema > backup::newest_schema() {
        return Err(StoreError::Newer(held.schema).into());
    }
    Ok(())
}

/// The same for a command, which holds no lock: where the schema is older, it brings it up to date only if no daemon runs.
///
/// # Errors
/// [`UnreadyError::OlderDaemon`] where one does.
pub async fn ready_for_command(config: &Config) -> Result<(), UnreadyError> {
    let Database::Sqlite { path } = &config.storage.database else { return Ok(()) };
    let Some(held) = backup::look(path).await? else { return Ok(()) };
    refuse_newer(&held)?;
    if held.schema == 0 || held.schema == backup::newest_schema() {
        return Ok(());
    }
    let _lock = DatabaseLock::take(path).map_err(|error| match error {
        LockError::Taken { path } => UnreadyError::OlderDaemon(path),
        error @ LockError::Io { .. } => UnreadyError::Lock(error),
    })?;
    keep_copy(config).await?;
    // Opened, it is up to date; whoever comes next finds it so.
    let store = Store::open(&super::place_of(config)).await.map_err(BackupError::from)?;
    store.close().await;
    Ok(())
}

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// What is in the database now. It is held.
    pub held: Held,
    /// Where the database is that was there before.
    pub kept: Option<PathBuf>,
}

/// Puts a copy in the place of an SQLite database. Nothing is sent from it until it is released.
///
/// # Errors
/// [`UnreadyError::Taken`] while a daemon runs; where the copy is damaged or newer than this version. The old database stands
/// where it stood then.
pub async fn restore(
    config: &Config,
    (database, copy): (&std::path::Path, &std::path::Path),
) -> anyhow::Result<Restored> {
    super::make_state_dir(&config.storage.state_dir)?;
    let _lock = DatabaseLock::take(database).map_err(|error| match error {
        LockError::Taken { path } => UnreadyError::Taken(path),
        error @ LockError::Io { .. } => UnreadyError::Lock(error),
    })?;
    let suffix = format!("{}{}", backup::RESTORE_COPY, stamp(Clock::machine().now()));
    let (held, kept) = backup::put(copy, database, &suffix).await.map_err(UnreadyError::from)?;
    Ok(Restored { held, kept })
}

/// Moves an SQLite database into an empty one of PostgreSQL. Nothing is sent from either until the new one is released.
///
/// # Errors
/// [`UnreadyError::Taken`] while a daemon runs; where the other one is not empty or can't be reached.
pub async fn move_to(
    config: &Config,
    (database, url): (&std::path::Path, &str),
    told: impl FnMut(&Copied),
) -> anyhow::Result<Vec<Copied>> {
    let _lock = DatabaseLock::take(database).map_err(|error| match error {
        LockError::Taken { path } => UnreadyError::Taken(path),
        error @ LockError::Io { .. } => UnreadyError::Lock(error),
    })?;
    keep_copy(config).await?;
    // Both with the newest tables.
    Store::open(&super::place_of(config)).await?.close().await;
    let to = Place::Postgres { url: url.to_owned(), password: None, idle_max: super::idle_max(config.storage.lease) };
    Ok(transfer::transfer(database, (&to, url), told).await?)
}

/// An instant as a part of a file name.
fn stamp(at: Micros) -> String {
    at.to_string().chars().filter(char::is_ascii_alphanumeric).collect()
}
