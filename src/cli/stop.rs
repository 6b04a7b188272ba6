//! Why a command ended early, and the exit code for it: 1 it failed, 2 usage, 69 not reachable, 73 another daemon holds the
//! store, 78 configuration.

use super::change;
use crate::app::UnreadyError;
use crate::config::Findings;
use crate::control::ControlError;
use crate::store::StoreError;
use crate::store::backup::BackupError;

/// It failed, or there are findings.
pub(super) const FAILED: u8 = 1;
/// The command line can't be understood.
pub(super) const USAGE: u8 = 2;
/// The database, the daemon or a server can't be reached.
pub(super) const UNREACHABLE: u8 = 69;
/// Another daemon holds the store.
pub(super) const TAKEN: u8 = 73;
/// The configuration can't be used.
pub(super) const CONFIG: u8 = 78;
/// Whoever read our output went away: nothing to tell anybody.
pub(super) const QUIET: u8 = 0;

/// An end with words for a person and a code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(super) struct Stop {
    code: u8,
    words: String,
}

impl Stop {
    pub(super) fn failed(words: impl Into<String>) -> Self {
        Self { code: FAILED, words: words.into() }
    }

    pub(super) fn usage(words: impl Into<String>) -> Self {
        Self { code: USAGE, words: words.into() }
    }

    pub(super) fn config(words: impl Into<String>) -> Self {
        Self { code: CONFIG, words: words.into() }
    }
}

fn of_store(error: &StoreError) -> u8 {
    match error {
        StoreError::Unavailable(_) => UNREACHABLE,
        // An older program on it would not help: the service manager is not to try again.
        StoreError::Newer(_) => CONFIG,
        StoreError::Conflict(_)
        | StoreError::Exists(_)
        | StoreError::Commit(_)
        | StoreError::Busy
        | StoreError::TooLong
        | StoreError::Unhandled(_)
        | StoreError::Damaged(_) => FAILED,
    }
}

fn of_unready(error: &UnreadyError) -> u8 {
    match error {
        UnreadyError::OlderDaemon(_) | UnreadyError::Taken(_) => TAKEN,
        UnreadyError::Backup(BackupError::Store(store)) => of_store(store),
        UnreadyError::Lock(_) | UnreadyError::Backup(_) => FAILED,
    }
}

fn of_control(error: &ControlError) -> u8 {
    match error {
        ControlError::NotRunning(_) | ControlError::Denied(_) | ControlError::TimedOut(_) => UNREACHABLE,
        ControlError::InUse(_) => TAKEN,
        ControlError::NotASocket(_) | ControlError::Garbled(_) | ControlError::Refused(_) | ControlError::Io { .. } => {
            FAILED
        }
    }
}

/// The exit code for an error, from what caused it.
pub(super) fn code_of(error: &anyhow::Error) -> u8 {
    if let Some(store) = change::of_store(error) {
        return of_store(store);
    }
    for cause in error.chain() {
        if let Some(stop) = cause.downcast_ref::<Stop>() {
            return stop.code;
        }
        if cause.is::<Findings>() {
            return CONFIG;
        }
        if let Some(unready) = cause.downcast_ref::<UnreadyError>() {
            return of_unready(unready);
        }
        if let Some(BackupError::Store(store)) = cause.downcast_ref() {
            return of_store(store);
        }
        if let Some(control) = cause.downcast_ref::<ControlError>() {
            return of_control(control);
        }
        if cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
            return QUIET;
        }
    }
    FAILED
}

/// An error and its causes in one line; a cause that its effect has told already is not told again.
pub(super) fn words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_say_what_to_do() {
        let io = |kind| anyhow::Error::from(std::io::Error::from(kind));
        assert_eq!(code_of(&Stop::usage("x").into()), USAGE);
        assert_eq!(code_of(&anyhow::Error::from(Findings(Vec::new())).context("loading")), CONFIG);
        let away = ControlError::NotRunning("/run/x".into());
        assert_eq!(code_of(&away.into()), UNREACHABLE);
        assert_eq!(code_of(&io(std::io::ErrorKind::BrokenPipe)), QUIET);
        assert_eq!(code_of(&io(std::io::ErrorKind::NotFound)), FAILED);
    }

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::anyhow!("disk full").context("the file can't be written");
        assert_eq!(words(&error), "the file can't be written: disk full");
        let error = anyhow::Error::from(Stop::failed("disk full")).context("not written: disk full");
        assert_eq!(words(&error), "not written: disk full");
    }
}
