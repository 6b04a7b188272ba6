//! The routes under `/v1`, one file per resource.

use super::describe::Route;

mod accounts;
mod agents;
mod audience;
mod enrollments;
mod erasure;
mod events;
mod foresight;
mod holds;
mod imports;
mod influencers;
mod leases;
mod loose_ends;
mod messages;
mod outbox;
mod relays;
mod search;
mod sequences;
mod stats;
mod stream;
mod suppressions;
mod tasks;
mod teammates;
mod threads;
mod tokens;
mod unmatched;
mod views;
mod webhooks;

/// Every route, paths without `/v1`.
pub(super) fn routes() -> Vec<Route> {
    let mut all = accounts::routes();
    all.extend(agents::routes());
    all.extend(audience::routes());
    all.extend(enrollments::routes());
    all.extend(erasure::routes());
    all.extend(events::routes());
    all.extend(foresight::routes());
    all.extend(holds::routes());
    all.extend(imports::routes());
    all.extend(influencers::routes());
    all.extend(leases::routes());
    all.extend(loose_ends::routes());
    all.extend(messages::routes());
    all.extend(outbox::routes());
    all.extend(relays::routes());
    all.extend(search::routes());
    all.extend(stats::routes());
    all.extend(stream::routes());
    all.extend(suppressions::routes());
    all.extend(tasks::routes());
    all.extend(teammates::routes());
    all.extend(sequences::routes());
    all.extend(threads::routes());
    all.extend(tokens::routes());
    all.extend(unmatched::routes());
    all.extend(webhooks::routes());
    all.extend(views::routes());
    all
}
