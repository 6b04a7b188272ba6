//! Files of a sequence that a request hands over: what is wrong with them, what their tests say, and the definition they make.

use std::sync::Arc;

use serde_json::Value;

use super::super::simulate::{SimulateError, run_tests};
use super::versions::{configuration, of_files};
use super::{Hub, invalid};
use crate::config::{Config, Finding, Severity};
use crate::domain::sequence::Definition;
use crate::http::actions::{ActionError, FilesOrder};
use crate::sequence::{self, Files, FilesError, Folder, Standing, Tested};

/// What is wrong with them.
pub(super) async fn check(hub: &Hub, id: String, files: FilesOrder) -> Result<Value, ActionError> {
    let (config, files) = (configuration(hub)?, contents(files));
    let zone = hub.desk.house().zone.clone();
    let standing = Standing::read(&mut hub.store.read().await?).await?;
    let checked =
        tokio::task::spawn_blocking(move || sequence::check_files(&standing.known(&config), (&id, &zone), &files));
    checked.await.map_err(|_| not_checked("the check did not come to an end; the log says why"))?.map_err(not_written)
}

/// What their tests say; without files, those of the folder of the sequence.
pub(in crate::app) async fn test(hub: &Hub, id: &str, files: Option<FilesOrder>) -> Result<Tested, ActionError> {
    let config = configuration(hub)?;
    let house = (*hub.desk.house()).clone();
    let folder = folder(&config, id, files)?;
    let loaded = folder.load_alone();
    if loaded.ids.is_empty() {
        return Err(ActionError::NotFound { sort: "folder of a sequence", given: id.to_owned() });
    }
    let mut findings: Vec<Finding> =
        loaded.findings.iter().filter(|f| f.severity == Severity::Error).cloned().collect();
    let (mut run, mut failed) = (0, 0);
    let tests = loaded.definitions.first().and_then(|found| Some((found, folder.tests(&house.zone, &found.0)?)));
    if let Some(((definition, hash), mut tests)) = tests {
        if tests.is_readable() {
            run = tests.tests.len();
            let done = run_tests((definition, hash), &house, &config.stages, &mut tests).await;
            done.map_err(|error| match error {
                SimulateError::Store(error) => ActionError::Store(error),
                other @ (SimulateError::Order(_) | SimulateError::NoSequence(_) | SimulateError::Place(_)) => {
                    not_checked(&other.to_string())
                }
            })?;
            failed = tests.failed();
        }
        findings.extend(tests.findings());
    }
    let ok = findings.iter().all(|f| f.severity != Severity::Error);
    Ok(Tested { ok, tests: run, failed, findings: folder.tell(&findings) })
}

/// The definition they make, with its hash.
pub(in crate::app) async fn definition(
    hub: &Hub,
    id: &str,
    files: FilesOrder,
) -> Result<(Definition, String), ActionError> {
    let config = configuration(hub)?;
    let text = of_files(folder(&config, id, Some(files))?.load_alone(), id)?;
    Ok((Arc::unwrap_or_clone(text.definition), text.version))
}

fn folder(config: &Config, id: &str, files: Option<FilesOrder>) -> Result<Folder, ActionError> {
    match files {
        Some(files) => Folder::written(config, id, &contents(files)).map_err(not_written),
        None => Ok(Folder::here(config, id)),
    }
}

fn contents(files: FilesOrder) -> Files {
    files.into_iter().map(|(name, file)| (name, file.content())).collect()
}

fn not_checked(detail: &str) -> ActionError {
    ActionError::Conflict { code: "not_checked", detail: detail.to_owned() }
}

fn not_written(error: FilesError) -> ActionError {
    match error {
        FilesError::File(name, what) => {
            let at = if name.is_empty() {
                String::new()
            } else {
                format!("/{}", name.replace('~', "~0").replace('/', "~1"))
            };
            invalid(&format!("/files{at}"), what)
        }
        FilesError::Io(error) => {
            tracing::error!(%error, "the files of a sequence can't be written down");
            not_checked("the files can't be looked at on this machine now; its log says why")
        }
    }
}
