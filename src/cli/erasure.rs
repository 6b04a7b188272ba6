//! `liaison influencer export` and `erase`: everything that is kept about one person, to be given to them or to go for ever.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::desk::{self, Desk};
use super::stop::Stop;
use super::terminal::remark;
use super::who;
use crate::config::Database;
use crate::hub::people::erase::{self, Erased};
use crate::hub::people::sweep;
use crate::store::StoreError;
use crate::store::again::again;
use crate::store::backup;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Handle, mail address or id
    who: String,
    /// Where the archive goes; else a file with their id in this folder
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct EraseArgs {
    /// Handle, mail address or id
    who: String,
    /// Only count what would go
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn export(desk: &Desk, args: ExportArgs) -> anyhow::Result<ExitCode> {
    let influencer = who::influencer(&mut desk.store.read().await?, &args.who).await?;
    let path = args.output.unwrap_or_else(|| PathBuf::from(format!("{}.zip", influencer.id)));
    let shown = path.display();
    // What is in it is for them and whoever asked for it.
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let mut output = std::io::BufWriter::new(file.with_context(|| format!("{shown} can't be made"))?);
    let done = crate::app::write_export(&desk.store, &desk.clock, influencer.id, &mut output).await;
    let exported = match done {
        Ok(exported) => exported,
        Err(error) => {
            drop(output);
            std::fs::remove_file(&path).with_context(|| format!("{shown} is not whole and can't be removed"))?;
            return Err(error.into());
        }
    };
    output.flush().with_context(|| format!("{shown} can't be written"))?;
    if desk.out.is_json() {
        let (id, messages, files) = (exported.influencer_id, exported.messages, exported.files);
        desk.out.json(&json!({"influencer_id": id, "file": path, "messages": messages, "files": files}))?;
    } else {
        desk.out.say(&format!("{shown}: all about {}, with {} messages", exported.handle, exported.messages))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn erase(desk: &Desk, args: EraseArgs) -> anyhow::Result<ExitCode> {
    let influencer = who::influencer(&mut desk.store.read().await?, &args.who).await?;
    let handle = influencer.handle.clone();
    if !args.dry_run && !args.yes {
        if desk.out.is_json() || !std::io::stdin().is_terminal() {
            return Err(Stop::usage("erasing can't be taken back: say --yes to do it, or --dry-run to count").into());
        }
        let trial = erase_once(desk, influencer.id, true).await?;
        desk.out.say(&words(&handle, &trial))?;
        desk.out.say(&format!("Erase {handle} for ever? [y/N]"))?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            desk.out.say("Nothing was changed.")?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    let erased = erase_once(desk, influencer.id, args.dry_run).await?;
    if desk.out.is_json() {
        desk.out.json(&erased)?;
    } else {
        desk.out.say(&words(&handle, &erased))?;
    }
    if !args.dry_run {
        overwrite(desk).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn erase_once(
    desk: &Desk,
    id: crate::domain::ids::InfluencerId,
    dry_run: bool,
) -> Result<Erased, crate::hub::people::PeopleError> {
    use crate::hub::people::PeopleError;
    let overtaken = |error: &PeopleError| matches!(error, PeopleError::Store(StoreError::Conflict(_)));
    again(overtaken, || async {
        let mut tx = desk.store.begin("cli.erase").await?;
        let erased = erase::erase(&mut tx, &desk.clock, id, &desk::by(), dry_run).await?;
        if !dry_run {
            tx.commit().await?;
        }
        Ok(erased)
    })
    .await
}

/// A running daemon rewrites the file itself.
async fn overwrite(desk: &Desk) -> anyhow::Result<()> {
    if desk.wake().await {
        if !desk.store.is_shared() {
            desk.out.aside("The daemon rewrites the file of the database in a minute; then nothing is left in it.")?;
        }
    } else if sweep::sweep(&desk.store, &desk.clock).await? > 0 {
        desk.out.aside("The file of the database was rewritten; nothing is left in it.")?;
    }
    if let Database::Sqlite { path } = &desk.config.storage.database {
        let copies = backup::copies_beside(path);
        if !copies.is_empty() {
            let named: Vec<String> = copies.iter().map(|copy| format!("  {}", copy.display())).collect();
            remark(&format!(
                "Copies from before an upgrade or a restore still hold them; delete these when you need no way back:\n{}",
                named.join("\n")
            ));
        }
    }
    if desk.store.is_shared() {
        desk.out.aside("PostgreSQL may keep dead rows, its journal and backups for a while: see docs/erasure.md.")?;
    }
    Ok(())
}

fn words(handle: &str, erased: &Erased) -> String {
    let rows: u64 = erased.rows.values().sum();
    let done = if erased.dry_run { "would be erased" } else { "is erased" };
    format!(
        "{handle} {done}: {} messages whole, {} of others without them, {rows} rows in all; {} addresses are not written to again",
        erased.messages, erased.messages_blotted, erased.addresses
    )
}
