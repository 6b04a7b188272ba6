//! What people do at their desk over the API: threads, our own people, letting a copied database send.

use super::Hub;
use super::installation::Moved;
use crate::domain::ids::ThreadId;
use crate::http::ActionError;
use crate::http::actions::{Teammate, ThreadOrder};
use crate::hub::thread::{self, ThreadChange, ThreadError};

/// Changes how a thread stands.
pub(super) async fn update_thread(
    hub: &Hub,
    id: ThreadId,
    (order, by): (ThreadOrder, String),
) -> Result<(), ActionError> {
    let ThreadOrder { assignee, read, snoozed_until, archived, influencer, version } = order;
    if let Some(Some(assignee)) = &assignee {
        let house = hub.desk.house();
        if !house.owners.contains_key(assignee) {
            let known = house.owners.keys().cloned().collect::<Vec<_>>().join(", ");
            let what = format!("there is no teammate `{assignee}`; there are: {known}");
            return Err(ActionError::Invalid(vec![("/assignee".to_owned(), what)]));
        }
    }
    let change = ThreadChange { assignee, read, snoozed_until, archived, influencer, version };
    let mut tx = hub.store.begin("api.update_thread").await?;
    thread::change(&mut tx, &hub.clock, id, (change, &by)).await.map_err(not_changed)?;
    tx.commit().await?;
    hub.stored.notify_waiters();
    if influencer.is_some() {
        hub.wakes.wake("cadence");
    }
    Ok(())
}

fn not_changed(error: ThreadError) -> ActionError {
    let detail = error.to_string();
    match error {
        ThreadError::Unknown(id) => ActionError::NotFound { sort: "thread", given: id.to_string() },
        ThreadError::Changed { .. } => ActionError::Conflict { code: "changed_meanwhile", detail },
        ThreadError::Past(_) => ActionError::Invalid(vec![("/snoozed_until".to_owned(), detail)]),
        ThreadError::NoInfluencer(_) => ActionError::Invalid(vec![("/influencer".to_owned(), detail)]),
        ThreadError::TheirOwn { .. } => ActionError::Conflict { code: "thread_of_their_own", detail },
        ThreadError::Store(error) => ActionError::Store(error),
    }
}

/// Our own people, by id.
pub(super) fn teammates(hub: &Hub) -> Vec<Teammate> {
    let house = hub.desk.house();
    let mut all: Vec<Teammate> = house
        .owners
        .values()
        .map(|owner| Teammate {
            id: owner.id.clone(),
            first_name: owner.first_name.clone(),
            last_name: owner.last_name.clone(),
            email: owner.email.clone(),
        })
        .collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

/// Lets a copied database send; whether it was held.
pub(super) async fn release(hub: &Hub, by: &str) -> Result<bool, ActionError> {
    let live = hub.live();
    let Some(config) = &live.config else {
        let detail = "this hub runs without a configuration, so there is nothing to release".to_owned();
        return Err(ActionError::Conflict { code: "no_configuration", detail });
    };
    let released = super::installation::release(&hub.store, &config.storage.state_dir, Moved::Unknown).await;
    let was_held = released.map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "the database was not released");
        let detail = "the database was not released; the log says why".to_owned();
        ActionError::Conflict { code: "not_released", detail }
    })?;
    if was_held {
        tracing::warn!(by, "the database was released: it sends from now on");
    }
    for account in &live.accounts {
        hub.wakes.wake(&account.name);
    }
    hub.wakes.wake("cadence");
    Ok(was_held)
}
