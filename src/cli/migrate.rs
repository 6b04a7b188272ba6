//! `liaison migrate --to URL`: an SQLite database becomes one of PostgreSQL.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Global;
use super::desk::load;
use super::stop::Stop;
use super::terminal::Out;
use crate::config::Database;
use crate::store::transfer::Copied;

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// An empty database, as in `postgres://user@host/name`; the password comes from PGPASSWORD or ~/.pgpass
    #[arg(long, value_name = "URL")]
    to: String,
}

pub(super) async fn run(global: &Global, args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let (config, out) = (load(global)?, Out::new(global));
    let Database::Sqlite { path } = &config.storage.database else {
        return Err(Stop::failed("storage.url is PostgreSQL already; only an SQLite database can be moved").into());
    };
    if !path.exists() {
        return Err(Stop::failed(format!("{} is not there: there is nothing to move", path.display())).into());
    }
    check(&args.to)?;
    let copied = crate::app::move_to(&config, (path, &args.to), |table: &Copied| {
        tracing::info!(table = table.table, rows = table.rows, "copied");
    })
    .await?;
    let rows: i64 = copied.iter().map(|table| table.rows).sum();
    if out.is_json() {
        let tables: Vec<_> = copied.iter().map(|t| json!({"table": t.table, "rows": t.rows})).collect();
        out.json(&json!({"to": args.to, "tables": tables, "rows": rows, "held": true}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for Copied { table, rows } in copied.iter().filter(|table| table.rows > 0) {
        out.say(&format!("{rows:>10}  {table}"))?;
    }
    out.say(&format!("{rows:>10}  rows in {} tables are there, as many as were read.", copied.len()))?;
    out.say(&format!("{} is as it was, but marked: nothing is sent from it any more.", path.display()))?;
    out.say(&format!(
        "Next: write url = \"{}\" into [storage], start the daemon, let it read the mailboxes, look through",
        args.to
    ))?;
    out.say("`liaison outbox list --status queued`, and then: liaison release")?;
    Ok(ExitCode::SUCCESS)
}

/// What can be seen of a URL before anything is asked.
fn check(url: &str) -> Result<(), Stop> {
    let forms = "write --to postgres://user@host/name";
    let parsed = url::Url::parse(url).map_err(|error| Stop::failed(format!("--to is no URL ({error}); {forms}")))?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(Stop::failed(format!("--to takes a database of PostgreSQL; {forms}")));
    }
    if parsed.password().is_some() || parsed.query_pairs().any(|(key, _)| key == "password") {
        return Err(Stop::failed("--to holds a password, which others can see: give it as PGPASSWORD or in ~/.pgpass"));
    }
    if parsed.path().trim_matches('/').is_empty() {
        return Err(Stop::failed(format!("--to names no database; {forms}")));
    }
    Ok(())
}
