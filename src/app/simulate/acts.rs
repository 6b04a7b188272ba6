//! What is given is carried out as the daemon would learn it: through the hub, so that all that follows from it follows.

use serde_json::json;

use super::{SimulateError, World};
use crate::domain::day::Minute;
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EventType, Role, StepState};
use crate::hub::hold;
use crate::hub::outreach::recheck::reserve_manual;
use crate::hub::outreach::steer::{self, SteerError};
use crate::hub::people::PeopleError;
use crate::hub::signal::{self, Signal};
use crate::hub::task;
use crate::hub::unsubscribe::{How, unsubscribe};
use crate::sequence::simulate::{Act, Meaning, instant_of};
use crate::store::outreach::enrollment::StepRow;
use crate::store::{StoreError, Tx};

/// Carries one out, now; what there is to say of it.
pub(super) async fn carry_out(world: &World, who: InfluencerId, act: &Act) -> Result<String, SimulateError> {
    let mut tx = world.store.begin("simulate.act").await?;
    let said = act_in(&mut tx, world, who, act).await?;
    tx.commit().await?;
    Ok(said)
}

const NOTHING: &str = "nothing was sent yet, so nothing comes of it";

async fn act_in(tx: &mut Tx, world: &World, who: InfluencerId, act: &Act) -> Result<String, SimulateError> {
    let none = String::new();
    match act {
        Act::Open(step) => read(tx, world, (who, step.as_deref()), EventType::MessageOpened).await,
        Act::Click(step) => read(tx, world, (who, step.as_deref()), EventType::MessageClicked).await,
        Act::Complain(step) => {
            let Some(mail) = sent(tx, who, step.as_deref()).await? else { return Ok(NOTHING.to_owned()) };
            tell(tx, world, (EventType::MessageComplained, who), mail.message_id, json!({})).await?;
            Ok(none)
        }
        Act::Reply(meaning) => reply(tx, world, who, *meaning).await,
        Act::Bounce(step) => bounce(tx, world, (who, step.as_deref())).await,
        Act::Unsubscribe => {
            let mail = sent(tx, who, None).await?.and_then(|s| s.message_id);
            let Some(message) = mail else { return Ok(NOTHING.to_owned()) };
            unsubscribe(tx, &world.clock, message, How::OneClick).await?;
            Ok(none)
        }
        Act::Away(until) => {
            // The last day away, as `until` is read in a note.
            let back_on = until.map(|day| day.plus(1).to_string());
            let data = json!({"kind": "out_of_office", "role": Role::Author, "back_on": back_on});
            tell(tx, world, (EventType::MessageReceived, who), None, data).await?;
            Ok(none)
        }
        Act::Task { step, answer } => do_task(tx, world, (who, step, answer)).await,
        Act::Approve(step) => approve(tx, world, (who, step.as_deref())).await,
        Act::Manual(account) => {
            if !world.accounts.contains(account) {
                return Ok(format!("there is no account {account}"));
            }
            let domain =
                tx.list_places(vec![who]).await?.first().and_then(|p| crate::domain::address::domain(&p.value));
            let id = MessageId(world.clock.new_id());
            reserve_manual(tx, id, (account, domain.unwrap_or_default()), world.clock.now()).await?;
            Ok(none)
        }
        Act::Hold(day) => {
            let until = instant_of(&world.desk.house().zone, *day, Minute(0));
            match hold::hold_by_hand(tx, &world.clock, who, (until, Some("in this simulation")), "the simulation").await
            {
                Ok(()) => Ok(none),
                Err(PeopleError::Store(error)) => Err(error.into()),
                Err(error) => Ok(error.to_string()),
            }
        }
    }
}

/// The mail of a step of theirs that was sent, or the last one.
async fn sent(tx: &mut Tx, who: InfluencerId, step: Option<&str>) -> Result<Option<StepRow>, StoreError> {
    let rows = steps(tx, who).await?.into_iter().filter(|s| s.state == StepState::Sent && s.message_id.is_some());
    Ok(rows.filter(|s| step.is_none_or(|step| s.step == step)).max_by_key(|s| s.completed_at))
}

async fn steps(tx: &mut Tx, who: InfluencerId) -> Result<Vec<StepRow>, StoreError> {
    let runs: Vec<EnrollmentId> = tx.list_enrollments_of(vec![who]).await?.iter().map(|r| r.id).collect();
    tx.list_steps(runs).await
}

async fn tell(
    tx: &mut Tx,
    world: &World,
    (what, who): (EventType, InfluencerId),
    message: Option<MessageId>,
    data: serde_json::Value,
) -> Result<(), StoreError> {
    let at: Micros = world.clock.now();
    let told = Signal { what, influencer: Some(who), message, at, data: Some(data) };
    signal::record(tx, &world.clock, vec![told]).await
}

/// A person opens or clicks: as it is told when hits were judged.
async fn read(
    tx: &mut Tx,
    world: &World,
    (who, step): (InfluencerId, Option<&str>),
    what: EventType,
) -> Result<String, SimulateError> {
    let Some(mail) = sent(tx, who, step).await? else { return Ok(NOTHING.to_owned()) };
    let data = json!({
        "machine": false, "confidence": 1.0, "enrollment_id": mail.enrollment_id, "step": mail.step,
    });
    tell(tx, world, (what, who), mail.message_id, data).await?;
    Ok(String::new())
}

async fn reply(tx: &mut Tx, world: &World, who: InfluencerId, meaning: Meaning) -> Result<String, SimulateError> {
    let data = json!({"answer": {"verdict": meaning.word(), "confidence": 1.0}});
    tell(tx, world, (EventType::ThreadReplied, who), None, data).await?;
    Ok(String::new())
}

async fn bounce(
    tx: &mut Tx,
    world: &World,
    (who, step): (InfluencerId, Option<&str>),
) -> Result<String, SimulateError> {
    let mail = sent(tx, who, step).await?.and_then(|s| s.message_id);
    let Some(message) = mail else { return Ok(NOTHING.to_owned()) };
    let Some(to) = tx.list_recipients(vec![message]).await?.into_iter().next() else { return Ok(NOTHING.to_owned()) };
    tx.mark_address_dead(Channel::Email, &to.address_key, "hard bounce 5.1.1", world.clock.now()).await?;
    let data = json!({"severity": "hard", "status": "5.1.1", "address": to.address});
    tell(tx, world, (EventType::MessageBounced, who), Some(message), data).await?;
    Ok(String::new())
}

async fn do_task(
    tx: &mut Tx,
    world: &World,
    (who, step, answer): (InfluencerId, &str, &str),
) -> Result<String, SimulateError> {
    let open = steps(tx, who).await?.into_iter().find(|s| s.step == step && s.state == StepState::Planned);
    let Some(id) = open.and_then(|s| s.task_id) else { return Ok(format!("no task of {step} is open")) };
    let answer = Some(answer).filter(|a| !a.is_empty());
    task::complete(tx, &world.clock, id, (answer, "the simulation")).await?;
    Ok(String::new())
}

async fn approve(
    tx: &mut Tx,
    world: &World,
    (who, step): (InfluencerId, Option<&str>),
) -> Result<String, SimulateError> {
    let planned = steps(tx, who).await?.into_iter().filter(|s| s.state == StepState::Planned);
    let wanted = planned.filter(|s| step.is_none_or(|step| s.step == step)).find_map(|row| row.message_id);
    let Some(message) = wanted else { return Ok("nothing waits for approval".to_owned()) };
    match steer::approve(tx, &world.clock, &world.desk.house(), message, "the simulation").await {
        Ok(_) => Ok(String::new()),
        Err(SteerError::Store(error)) => Err(error.into()),
        Err(error) => Ok(error.to_string()),
    }
}
