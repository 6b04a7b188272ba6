//! One process per SQLite file, and one per state directory where nodes share a database: a lock held for life.
//!
//! The kernel drops it with the process, however that ends, so a stale file never blocks.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it. The caller exits with 73.
    #[error("another liaison runs here: it holds {}", .path.display())]
    Taken {
        /// The lock file.
        path: PathBuf,
    },
    /// The file can't be made or locked.
    #[error("{} can't be locked: {source}", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Held as long as this lives.
#[derive(Debug)]
pub struct DatabaseLock {
    file: File,
}

impl DatabaseLock {
    /// Takes the lock beside a file: `liaison.db.lock` beside `liaison.db`. Never waits.
    pub fn take(database: &Path) -> Result<Self, LockError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let io = |source| LockError::Io { path: path.clone(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Taken { path }),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let lock = Self { file };
        lock.sign().map_err(io)?;
        Ok(lock)
    }

    /// Leaves our process id in the file, for people who look.
    fn sign(&self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).write_all(format!("{}\n", std::process::id()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_had_once_and_again_after_its_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("liaison.db");
        let first = DatabaseLock::take(&database).unwrap();
        let second = DatabaseLock::take(&database);
        assert!(matches!(second, Err(LockError::Taken { path }) if path.ends_with("liaison.db.lock")));
        drop(first);
        assert!(folder.path().join("liaison.db.lock").exists(), "a stale file stays and blocks nobody");
        DatabaseLock::take(&database).unwrap();
        let nowhere = DatabaseLock::take(&folder.path().join("none/liaison.db"));
        assert!(matches!(nowhere, Err(LockError::Io { .. })));
    }
}
