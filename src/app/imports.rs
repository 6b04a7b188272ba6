//! People from a CSV file that came over HTTP.

use super::Hub;
use crate::domain::people::check;
use crate::http::ActionError;
use crate::http::actions::{ImportOrder, ImportSort};
use crate::hub::import::{Asker, ImportError, ImportOptions, ImportReport, import_agents, import_influencers};

/// Batch by batch, each a transaction: what was imported stays where the rest can't be.
pub(super) async fn import(hub: &Hub, order: ImportOrder, by: &str) -> Result<ImportReport, ActionError> {
    let live = hub.live();
    let teammates: Vec<String> = super::desk::teammates(hub).into_iter().map(|teammate| teammate.id).collect();
    let source =
        order.source.filter(|name| !name.trim().is_empty()).map(|name| check::name("source", &name)).transpose();
    let source = source.map_err(|flaw| ActionError::Invalid(vec![("/source".to_owned(), flaw.reason)]))?;
    let source = source.unwrap_or_else(|| by.to_owned());
    let options = ImportOptions {
        phone_region: live.phone_region.clone(),
        source,
        mapping: order.mapping.into_iter().collect(),
        dry_run: order.dry_run,
        stages: live.stages.clone(),
        owners: (!teammates.is_empty()).then_some(teammates),
        asker: Asker::Program,
    };
    let (store, clock, text) = (&hub.store, &hub.clock, order.csv.as_bytes());
    let done = match order.sort {
        ImportSort::Influencers => import_influencers(store, clock, text, &options, &mut |_| {}).await,
        ImportSort::Agents => import_agents(store, clock, text, &options, &mut |_| {}).await,
    };
    hub.stored.notify_waiters();
    done.map_err(not_imported)
}

fn not_imported(error: ImportError) -> ActionError {
    let told = error.to_string();
    match error {
        ImportError::File { .. } => ActionError::Invalid(vec![("/csv".to_owned(), told)]),
        ImportError::Columns(wrong) => {
            let at = |what: &str| if what.starts_with(Asker::Program.mapping()) { "/mapping" } else { "/csv" };
            ActionError::Invalid(wrong.into_iter().map(|what| (at(&what).to_owned(), what)).collect())
        }
        ImportError::Store { rows: 0, source } => ActionError::Store(source),
        ImportError::Store { .. } => ActionError::Conflict { code: "partly_imported", detail: told },
    }
}
