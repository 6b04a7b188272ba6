//! `liaison backup FILE` and `liaison restore FILE`: the database as one file, also while the daemon runs.
//!
//! PostgreSQL has tools of its own for that; the command says exactly what to run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Global;
use super::desk::load;
use super::stop::Stop;
use super::terminal::Out;
use crate::config::{Config, Database};
use crate::store::backup;

/// What a backup leaves out, for people.
const LEFT_OUT: &str = "Not in it: the configuration and its conf.d, stages and sequences as files, and the secrets that the \
    configuration names. Keep those apart from it.";

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to write; it must not be there yet
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// A file that `liaison backup` wrote
    file: PathBuf,
}

pub(super) async fn backup(global: &Global, args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let (config, out) = (load(global)?, Out::new(global));
    let path = match &config.storage.database {
        Database::Sqlite { path } => path,
        Database::Postgres { url } => return Err(by_hand(&config, url, &args.file, Tool::Dump)),
    };
    if !path.exists() {
        return Err(Stop::failed(format!("{} is not there: there is nothing to back up", path.display())).into());
    }
    let file = std::path::absolute(&args.file)?;
    let held = backup::write(path, &file).await?;
    if out.is_json() {
        out.json(&json!({
            "file": file.display().to_string(), "messages": held.messages, "events": held.events, "schema": held.schema,
            "checked": true,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = file.display();
    out.say(&format!(
        "Wrote {name}: {} messages, {} events. It was read back and is whole.",
        held.messages, held.events
    ))?;
    out.say("In it: people, messages, sequences and their runs, the outbox, and the keys of links in mail.")?;
    out.say(LEFT_OUT)?;
    out.aside("Once restored it sends nothing until `liaison release`.")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(global: &Global, args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let (config, out) = (load(global)?, Out::new(global));
    let path = match &config.storage.database {
        Database::Sqlite { path } => path,
        Database::Postgres { url } => return Err(by_hand(&config, url, &args.file, Tool::Restore)),
    };
    let restored = crate::app::restore(&config, (path, &args.file)).await?;
    let kept = restored.kept.as_ref().map(|kept| kept.display().to_string());
    if out.is_json() {
        out.json(&json!({
            "database": path.display().to_string(), "messages": restored.held.messages, "events": restored.held.events,
            "kept": kept, "held": true,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (messages, events) = (restored.held.messages, restored.held.events);
    out.say(&format!("{} is as the backup was: {messages} messages, {events} events.", path.display()))?;
    if let Some(kept) = kept {
        out.say(&format!("What was there before is kept as {kept}."))?;
    }
    out.say("Nothing is sent from it: what was sent since the backup is still in its outbox. Start the daemon, let it read the")?;
    out.say("mailboxes, look through `liaison outbox list --status queued`, and then: liaison release")?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Clone, Copy)]
enum Tool {
    Dump,
    Restore,
}

/// What to run for PostgreSQL. Nothing was done, so it is an error, with the words that help.
fn by_hand(config: &Config, url: &str, file: &Path, tool: Tool) -> anyhow::Error {
    let password = config.storage.password.as_ref().map_or(String::new(), |secret| {
        format!("\n  # the password is the {}; give it to the command as PGPASSWORD or in ~/.pgpass", secret.source)
    });
    let script = quoted(&format!("{}.sql", file.display()));
    let (url, file) = (quoted(url), quoted(&file.display().to_string()));
    let words = match tool {
        Tool::Dump => format!(
            "PostgreSQL is backed up by its own tools, also while nodes run; nothing was written. Run:{password}\n  \
             pg_dump --format=custom --no-owner --file={file} {url}\n  pg_restore --list {file}\n{LEFT_OUT}"
        ),
        Tool::Restore => format!(
            "PostgreSQL is restored by its own tools; nothing was changed. Stop every node, then run both; the second does \
             all or nothing, and holds what it restores:{password}\n  \
             pg_restore --clean --if-exists --no-owner --file={script} {file}\n  \
             psql --quiet --set=ON_ERROR_STOP=1 --single-transaction --file={script} --command='RESET search_path' \
             --command='UPDATE installation SET held = TRUE' {url}\n\
             A backup of an older version goes into an empty database. Nothing is sent from it until `liaison release`."
        ),
    };
    Stop::failed(words).into()
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@=+%".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_reads_is_quoted() {
        assert_eq!(quoted("/var/backups/liaison.db"), "/var/backups/liaison.db");
        assert_eq!(quoted("it's here"), "'it'\\''s here'");
        assert_eq!(quoted("postgres://l@db/l?sslmode=require"), "'postgres://l@db/l?sslmode=require'");
    }
}
