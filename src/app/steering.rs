//! What the API may do with sequences and their runs, over the hub.

use serde_json::{Value, json};

use super::Hub;
use crate::domain::ids::InfluencerId;
use crate::http::actions::{ActionError, EnrollOrder, FilterOrder, PauseTarget, SteerOrder};
use crate::hub::outreach::admission::{Run, Whom, Wish, admit};
use crate::hub::outreach::enroll::{Again, EnrollError};
use crate::hub::outreach::overview;
use crate::hub::outreach::pause::{self, Target};
use crate::hub::outreach::steer::{self, SteerError};
use crate::hub::people::{self, PeopleError};
use crate::sequence;
use crate::store::Tx;
use crate::store::people::filter::InfluencerFilter;

pub(super) mod drafts;
pub(super) mod versions;

/// Influencers named in one request.
const NAMED_MAX: usize = 10_000;

/// Carries out an order; what there is to tell.
pub(super) async fn steer(hub: &Hub, order: SteerOrder, by: &str) -> Result<Value, ActionError> {
    match order {
        SteerOrder::Enroll(sequence, order) => enroll(hub, sequence, order).await,
        SteerOrder::Pause(what, reason) => pause(hub, &what, (reason.as_deref(), by)).await,
        SteerOrder::Resume(what) => resume(hub, &what, by).await,
        SteerOrder::Run(id, act) => {
            let mut tx = hub.store.begin("api.steer_run").await?;
            steer::act(&mut tx, &hub.clock, id, act, by).await.map_err(not_steered)?;
            commit(hub, tx).await?;
            Ok(Value::Null)
        }
        SteerOrder::Approve(id) => {
            let house = hub.desk.house();
            let mut tx = hub.store.begin("api.approve").await?;
            let approved = steer::approve(&mut tx, &hub.clock, &house, id, by).await.map_err(not_steered)?;
            commit(hub, tx).await?;
            hub.wakes.wake(&approved.account);
            Ok(json!({"due_at": approved.due_at}))
        }
        SteerOrder::Check(id, files) => drafts::check(hub, id, files).await,
        SteerOrder::TestAccount(name) => {
            let live = hub.live();
            let parts = live.accounts.iter().find(|a| a.name == name);
            let parts = parts.ok_or_else(|| ActionError::NotFound { sort: "account", given: name.clone() })?;
            let steps = super::probe(parts, &super::rooms_of(&live.relays, &name), Some(&hub.store)).await;
            Ok(json!({"account": name, "ok": steps.iter().all(|s| s.ok), "steps": steps}))
        }
        SteerOrder::Remove(id) => remove(hub, id).await,
        SteerOrder::Preview(id, order) => versions::preview(hub, id, order).await,
        SteerOrder::SendPreview(id, order) => versions::send_preview(hub, id, order).await,
        SteerOrder::Diff(id) => versions::diff(hub, id).await,
        SteerOrder::Migrate(id, apply) => versions::migrate(hub, id, apply).await,
    }
}

/// Commits, and wakes those who look at runs.
async fn commit(hub: &Hub, tx: Tx) -> Result<(), ActionError> {
    tx.commit().await?;
    hub.stored.notify_waiters();
    hub.wakes.wake("cadence");
    Ok(())
}

fn not_steered(error: SteerError) -> ActionError {
    let detail = error.to_string();
    match error {
        SteerError::NoRun(id) => ActionError::NotFound { sort: "enrollment", given: id.to_string() },
        SteerError::NoMessage(id) => ActionError::NotFound { sort: "outbox message", given: id.to_string() },
        SteerError::State(_) => ActionError::Conflict { code: "wrong_state", detail },
        SteerError::Store(error) => ActionError::Store(error),
    }
}

/// Where a filter stands in the body, by its name as a query parameter.
fn pointer(name: &str) -> String {
    let name = name.replace('~', "~0").replace('/', "~1");
    format!("/filter/{}", name.replacen('.', "/", 1))
}

fn invalid(pointer: &str, what: impl Into<String>) -> ActionError {
    ActionError::Invalid(vec![(pointer.to_owned(), what.into())])
}

/// The filter of a body.
pub(super) async fn filter_of(hub: &Hub, filter: FilterOrder) -> Result<InfluencerFilter, ActionError> {
    let wrong = |(name, what): (String, String)| invalid(&pointer(&name), what);
    let filter = filter.with_view(&mut hub.store.read().await?).await?.map_err(wrong)?;
    if let Some(stage) = filter.stage.as_ref().filter(|s| !hub.live().stages.ids.contains(s)) {
        let known = hub.live().stages.ids.join(", ");
        return Err(invalid("/filter/stage", format!("there is no stage `{stage}`; there are: {known}")));
    }
    filter.filter(hub.clock.now()).map_err(wrong)
}

async fn enroll(hub: &Hub, sequence: String, order: EnrollOrder) -> Result<Value, ActionError> {
    let whom = match (order.influencers, order.filter) {
        (Some(named), None) => Whom::These(find(hub, named).await?),
        (None, Some(filter)) => Whom::Filter(filter_of(hub, *filter).await?),
        _ => return Err(invalid("", "say exactly one of influencers, filter")),
    };
    let run = if order.dry_run { Run::Dry } else { Run::Real };
    let again = if order.again { Again::Allowed } else { Again::Refused };
    let limit = order.limit.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let wish = Wish { sequence, whom, again, limit, run };
    let admitted = admit(&hub.store, &hub.clock, &wish).await.map_err(|error| match error {
        EnrollError::NoSequence(given) => ActionError::NotFound { sort: "sequence", given },
        EnrollError::TooMany(_) => invalid("/influencers", error.to_string()),
        EnrollError::Store(error) => ActionError::Store(error),
    })?;
    if run == Run::Real {
        hub.stored.notify_waiters();
        hub.wakes.wake("cadence");
    }
    serde_json::to_value(admitted).map_err(|error| invalid("", error.to_string()))
}

/// Those who are named. An id is taken as it is: whether there is somebody, enrolling says.
pub(super) async fn find(hub: &Hub, named: Vec<String>) -> Result<Vec<InfluencerId>, ActionError> {
    if named.len() > NAMED_MAX {
        return Err(invalid("/influencers", format!("at most {NAMED_MAX} at once; use a filter, or several requests")));
    }
    let mut tx = hub.store.read().await?;
    let (mut ids, mut flaws) = (Vec::with_capacity(named.len()), Vec::new());
    for (n, who) in named.iter().enumerate() {
        if let Ok(id) = who.parse() {
            ids.push(id);
            continue;
        }
        match people::find_influencer(&mut tx, who).await {
            Ok(found) => ids.push(found.id),
            Err(PeopleError::Store(error)) => return Err(error.into()),
            Err(error) => flaws.push((format!("/influencers/{n}"), error.to_string())),
        }
    }
    if flaws.is_empty() { Ok(ids) } else { Err(ActionError::Invalid(flaws)) }
}

/// What is meant, where it is there.
async fn target<'a>(hub: &Hub, tx: &mut Tx, what: &'a PauseTarget) -> Result<Target<'a>, ActionError> {
    Ok(match what {
        PauseTarget::All => Target::All,
        PauseTarget::Sequence(id) => {
            let missing = || ActionError::NotFound { sort: "sequence", given: id.clone() };
            tx.get_sequence(id).await?.ok_or_else(missing)?;
            Target::Sequence(id)
        }
        PauseTarget::Account(name) => {
            let configured = hub.live().accounts.iter().any(|a| a.name == *name);
            if !configured && tx.get_account(name).await?.is_none() {
                return Err(ActionError::NotFound { sort: "account", given: name.clone() });
            }
            Target::Account(name)
        }
    })
}

async fn told(tx: &mut Tx, what: &PauseTarget, (paused, changed): (bool, bool)) -> Result<Value, ActionError> {
    let mut told = json!({"paused": paused, "changed": changed});
    let (name, value) = match what {
        PauseTarget::All => ("all", json!(true)),
        PauseTarget::Account(name) => ("account", json!(name)),
        PauseTarget::Sequence(id) => {
            let view = overview::get(tx, id).await?;
            return Ok(json!({"paused": paused, "changed": changed, "sequence": view}));
        }
    };
    if let Some(told) = told.as_object_mut() {
        told.insert(name.to_owned(), value);
    }
    Ok(told)
}

async fn pause(hub: &Hub, what: &PauseTarget, (reason, by): (Option<&str>, &str)) -> Result<Value, ActionError> {
    let mut tx = hub.store.begin("api.pause").await?;
    let on = target(hub, &mut tx, what).await?;
    let changed = pause::pause(&mut tx, &hub.clock, on, &pause::by_hand(reason, by)).await?;
    let told = told(&mut tx, what, (true, changed)).await?;
    commit(hub, tx).await?;
    Ok(told)
}

async fn resume(hub: &Hub, what: &PauseTarget, by: &str) -> Result<Value, ActionError> {
    let on = target(hub, &mut hub.store.read().await?, what).await?;
    pause::finish_hold(&hub.store, on).await?;
    let mut tx = hub.store.begin("api.resume").await?;
    let changed = match on {
        Target::Account(name) => pause::resume_account(&mut tx, &hub.clock, name, by).await?,
        Target::Sequence(_) | Target::All => pause::resume(&mut tx, &hub.clock, on, by).await?,
    };
    let told = told(&mut tx, what, (false, changed)).await?;
    commit(hub, tx).await?;
    for account in &hub.live().accounts {
        hub.wakes.wake(&account.name);
    }
    Ok(told)
}

/// Ends a sequence. One whose folder is still there would be put in force again by the next reload.
async fn remove(hub: &Hub, id: String) -> Result<Value, ActionError> {
    let folder = hub.live().config.as_ref().map(|config| config.outreach.sequences.join(&id));
    if folder.is_some_and(|folder| sequence::load::is_id(&id) && folder.symlink_metadata().is_ok()) {
        let detail = format!("the folder of `{id}` is still there: move it away, then remove the sequence");
        return Err(ActionError::Conflict { code: "folder_there", detail });
    }
    let mut tx = hub.store.begin("api.remove_sequence").await?;
    let Some(stopped) = sequence::remove(&mut tx, &hub.clock, &id).await? else {
        return Err(ActionError::NotFound { sort: "sequence", given: id });
    };
    commit(hub, tx).await?;
    Ok(json!({"sequence": id, "stopped": stopped}))
}
