//! What people do with single runs and with mail that waits for their eyes. Each is one change in the caller's transaction,
//! and its event says who did it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::dossier::Dossier;
use super::house::House;
use super::instead::ELSE;
use super::plan::{Planner, Request, Who, step_seed};
use super::recheck::rings;
use super::{ExitReason, advance, event_of, is_live, stop_run};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, MessageId};
use crate::domain::schedule::Due;
use crate::domain::time::Micros;
use crate::domain::words::{EnrollmentState, EventType, OutboxStatus, Phase, StepState};
use crate::hub::settle::{self, SettleError};
use crate::hub::signal;
use crate::store::outreach::enrollment::{EnrollmentRow, StepMail, StepRow};
use crate::store::{StoreError, Tx};

/// What is done with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Time stands still for it.
    Pause,
    /// It goes on.
    Resume,
    /// The step under way is left out.
    Skip,
    /// It ends.
    Exit,
}

/// Why it was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    /// There is no such run.
    #[error("there is no enrollment `{0}`")]
    NoRun(EnrollmentId),
    /// There is no such message that waits.
    #[error("there is no message `{0}` in the outbox")]
    NoMessage(MessageId),
    /// It stands so that this can't be done; why, and what to do.
    #[error("{0}")]
    State(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Does something with a run.
pub async fn act(tx: &mut Tx, clock: &Clock, id: EnrollmentId, act: Act, by: &str) -> Result<(), SteerError> {
    let run = tx.lock_enrollment(id).await?.ok_or(SteerError::NoRun(id))?;
    if !is_live(&run) {
        let why = run.exit_reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        return Err(SteerError::State(format!("the run {id} is {}{why}", run.state)));
    }
    match act {
        Act::Pause => pause(tx, clock, run, by).await,
        Act::Resume => resume(tx, clock, run, by).await,
        Act::Skip => skip(tx, clock, run, by).await,
        Act::Exit => {
            stop_run(tx, clock, id, &ExitReason::ByHand(by.to_owned())).await?;
            Ok(())
        }
    }
}

async fn pause(tx: &mut Tx, clock: &Clock, run: EnrollmentRow, by: &str) -> Result<(), SteerError> {
    if run.state == EnrollmentState::Paused {
        return Err(SteerError::State(format!("the run {} is paused already", run.id)));
    }
    let now = clock.now();
    // What is only pencilled in for it is free for others.
    tx.delete_reservations(vec![run.id.0]).await?;
    let why = format!("paused by {by}");
    let paused = event_of(EventType::EnrollmentHeld, &run, now, json!({"reason": why, "by": by}));
    hold_mail(tx, &run, &why).await?;
    let run = EnrollmentRow {
        state: EnrollmentState::Paused,
        held_at: Some(run.held_at.unwrap_or(now)),
        next_at: None,
        waiting_for: Some(why),
        ..run
    };
    tx.update_enrollment(run, now).await?;
    Ok(signal::record(tx, clock, vec![paused]).await?)
}

/// What waits in the outbox for a run does not leave until the run is looked at again.
async fn hold_mail(tx: &mut Tx, run: &EnrollmentRow, why: &str) -> Result<(), StoreError> {
    for mail in tx.open_mail_of(vec![run.id]).await? {
        tx.reschedule_outbox(mail.id, mail.due_at, Some(why)).await?;
    }
    Ok(())
}

async fn resume(tx: &mut Tx, clock: &Clock, run: EnrollmentRow, by: &str) -> Result<(), SteerError> {
    if run.state != EnrollmentState::Paused {
        let hint = "only a paused run is resumed; `liaison enrollment list` says what each waits for";
        return Err(SteerError::State(format!("the run {} is {}: {hint}", run.id, run.state)));
    }
    let now = clock.now();
    let resumed = event_of(EventType::EnrollmentHeld, &run, now, json!({"reason": null, "by": by}));
    // The look at it leaves out the time it stood still, and finds its mail another place.
    let run = EnrollmentRow { state: EnrollmentState::Active, next_at: Some(now), waiting_for: None, ..run };
    tx.update_enrollment(run, now).await?;
    Ok(signal::record(tx, clock, vec![resumed]).await?)
}

/// Leaves out the step that is next or under way. A paused run stays paused, at the step below.
async fn skip(tx: &mut Tx, clock: &Clock, run: EnrollmentRow, by: &str) -> Result<(), SteerError> {
    let Some(step) = run.step.clone() else {
        let hint = "nothing is left to skip; `exit` ends the run";
        return Err(SteerError::State(format!("all steps of {} are done: {hint}", run.id)));
    };
    let now = clock.now();
    let why = format!("skipped by {by}");
    let skipped = event_of(EventType::EnrollmentStepDone, &run, now, json!({"skipped": why, "by": by}));
    if run.phase == Phase::Send {
        take_back(tx, clock, &run, &step, &why).await?;
    }
    if !tx.complete_step(run.id, &step, StepState::Skipped, (now, Some(&why))).await? {
        let row = StepRow {
            state: StepState::Skipped,
            planned_at: Some(now),
            completed_at: Some(now),
            reason: Some(why.clone()),
            ..blank(tx, &run, &step).await?
        };
        tx.insert_steps(vec![row]).await?;
    }
    if run.phase == Phase::Task {
        tx.cancel_tasks_of(vec![run.id], now).await?;
    }
    // What was pencilled in for it.
    tx.delete_reservations(vec![run.id.0]).await?;
    advance(tx, clock, run, now).await?;
    Ok(signal::record(tx, clock, vec![skipped]).await?)
}

/// A row for a step of which nothing is known yet.
async fn blank(tx: &mut Tx, run: &EnrollmentRow, step: &str) -> Result<StepRow, StoreError> {
    // Also a run whose version can't be read may be told to skip its step.
    let definition = super::readable(tx, &run.version).await?.ok();
    let kind = definition.as_ref().and_then(|d| d.step(step)).map_or("", |(_, step)| step.kind.word());
    Ok(StepRow {
        enrollment_id: run.id,
        step: step.to_owned(),
        state: StepState::Planned,
        kind: kind.to_owned(),
        variant: None,
        planned_at: None,
        shifts: None,
        completed_at: None,
        message_id: None,
        task_id: None,
        reason: None,
        opened_at: None,
        clicked_at: None,
        replied_at: None,
    })
}

/// Takes the mail of a step back. One that was refused for good needs no taking back.
async fn take_back(tx: &mut Tx, clock: &Clock, run: &EnrollmentRow, step: &str, why: &str) -> Result<(), SteerError> {
    let Some(mail) = tx.open_mail_of(vec![run.id]).await?.into_iter().find(|mail| mail.step == step) else {
        return Ok(());
    };
    match settle::withdraw(tx, clock, mail.id, why).await {
        Ok(OutboxStatus::Cancelled) => Ok(tx.delete_reservations(vec![mail.id.0]).await?),
        Ok(status) | Err(SettleError::State(status)) => Err(SteerError::State(on_its_way(&mail, status))),
        Err(SettleError::Unknown) => Ok(()),
        Err(SettleError::Store(error)) => Err(error.into()),
    }
}

fn on_its_way(mail: &StepMail, status: OutboxStatus) -> String {
    let hint = if status == OutboxStatus::Uncertain {
        format!("say first what became of it: `liaison outbox settle {} sent|send-again|drop`", mail.id)
    } else {
        "it is on its way right now".to_owned()
    };
    format!("the mail of {} is {status}; {hint}", mail.step)
}

/// What became of the mail that was planned for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replanned {
    /// There was none.
    Nothing,
    /// It was taken back; the step can be planned anew.
    Free,
    /// It is on its way, or was refused: it stays the mail of its step.
    Stays,
}

/// Takes back what is planned for a step and forgets that it was, so that the step, or another, can be planned in its place.
/// The step does not count as done or skipped.
pub async fn unplan(
    tx: &mut Tx,
    clock: &Clock,
    run: &EnrollmentRow,
    step: &str,
    why: &str,
) -> Result<Replanned, StoreError> {
    let steps = tx.list_steps(vec![run.id]).await?;
    let Some(row) = steps.iter().find(|s| s.step == step && s.state == StepState::Planned) else {
        return Ok(Replanned::Nothing);
    };
    if let Some(message) = row.message_id {
        match settle::withdraw(tx, clock, message, why).await {
            Ok(OutboxStatus::Cancelled) => {}
            Ok(_) | Err(SettleError::State(_) | SettleError::Unknown) => return Ok(Replanned::Stays),
            Err(SettleError::Store(error)) => return Err(error),
        }
        tx.delete_reservations(vec![message.0]).await?;
        tx.detach_mail(message).await?;
    }
    if row.task_id.is_some() {
        tx.cancel_tasks_of(vec![run.id], clock.now()).await?;
    }
    // What was only pencilled in.
    tx.delete_reservations(vec![run.id.0]).await?;
    tx.delete_planned_step(run.id, step).await?;
    Ok(Replanned::Free)
}

/// The same where the step itself is planned anew in its place: one whose `else` is under way goes on with that, for what came
/// before it is over and is not done twice.
pub async fn plan_anew(
    tx: &mut Tx,
    clock: &Clock,
    run: &EnrollmentRow,
    step: &str,
    why: &str,
) -> Result<Replanned, StoreError> {
    let steps = tx.list_steps(vec![run.id]).await?;
    let other = steps.into_iter().find(|s| s.step == step && s.reason.as_deref() == Some(ELSE));
    let done = unplan(tx, clock, run, step, why).await?;
    if let (Replanned::Free, Some(row)) = (done, other) {
        let row = StepRow { variant: None, shifts: None, message_id: None, task_id: None, ..row };
        tx.insert_steps(vec![row]).await?;
    }
    Ok(done)
}

/// A message that a person let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The account that sends it.
    pub account: String,
    /// When it leaves.
    pub due_at: Micros,
}

/// Lets a message go that waited for a person: at its planned instant, or, where that is past, at the next free place.
pub async fn approve(
    tx: &mut Tx,
    clock: &Clock,
    house: &Arc<House>,
    id: MessageId,
    by: &str,
) -> Result<Approved, SteerError> {
    let row = tx.get_outbox(id).await?.ok_or(SteerError::NoMessage(id))?;
    if row.status != OutboxStatus::Review {
        return Err(SteerError::State(format!("{id} is {}: only a message in review is approved", row.status)));
    }
    let (now, said) = (clock.now(), format!("approved by {by}"));
    let Some(mail) = tx.step_of_message(id).await? else {
        let due_at = row.due_at.max(now);
        tx.approve_outbox(id, due_at, &said).await?;
        return Ok(Approved { account: row.account, due_at });
    };
    tx.lock_capacity().await?;
    let run = tx.lock_enrollment(mail.enrollment_id).await?.filter(is_live);
    let run = run.ok_or_else(|| SteerError::State(format!("the run of {id} is over; cancel the message")))?;
    let mut due_at = mail.due_at;
    if due_at <= now {
        due_at = place_again(tx, house, &run, (&mail, now)).await?;
    }
    if !tx.approve_outbox(id, due_at, &said).await? {
        return Err(SteerError::State(format!("{id} changed meanwhile; look at it again")));
    }
    if run.phase == Phase::Send && run.state == EnrollmentState::Active {
        let waiting_for = Some(format!("the mail to be sent: {}, planned for {due_at}", mail.step));
        tx.update_enrollment(EnrollmentRow { waiting_for, ..run }, now).await?;
    }
    Ok(Approved { account: row.account, due_at })
}

/// Finds another place for mail whose own is past, and takes it.
async fn place_again(
    tx: &mut Tx,
    house: &Arc<House>,
    run: &EnrollmentRow,
    (mail, now): (&StepMail, Micros),
) -> Result<Micros, SteerError> {
    let dossier = Dossier::load(tx, std::slice::from_ref(run)).await?;
    let gone = || SteerError::State(format!("the influencer of {} is gone", mail.id));
    let person = dossier.person(run.influencer_id).ok_or_else(gone)?;
    let definition = dossier.definition(&run.version).ok_or_else(gone)?;
    let mut planner = Planner::near(Arc::clone(house), now);
    planner.load(tx, &[&mail.account], &[&run.sequence]).await?;
    planner.load_own(tx, vec![mail.id.0]).await?;
    // As it was planned: by the account it leaves from, and for a text by the clock of where it rings.
    let recipients = tx.list_recipients(vec![mail.id]).await?;
    let (timezone, phone) = dossier.clock_of(person, rings(dossier.places(run.influencer_id), &recipients));
    let who = Who { definition, version: &run.version, account: &mail.account, timezone, phone };
    let seed = step_seed(&run.sequence, run.influencer_id.0, run.run, &mail.step);
    let domain = planner.reservation(mail.id.0).map(|r| r.domain.clone()).unwrap_or_default();
    let request = Request { due: Due::At(now), domain: &domain, first: run.first, yields: false, seed };
    let mut place = planner.place_again(&who, &request, mail.id.0);
    while let Ok(found) = &place
        && planner.reach(tx, found.at).await?
    {
        place = planner.place_again(&who, &request, mail.id.0);
    }
    let place = place.map_err(|never| SteerError::State(format!("{} finds no place: {never}", mail.id)))?;
    tx.replan_step(run.id, &mail.step, place.at, Some(super::shifts_json(&place.shifts))).await?;
    tx.move_reservation(mail.id.0, place.at).await?;
    Ok(place.at)
}
