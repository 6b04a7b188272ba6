//! Runs of sequences, as far as they are everybody's affair: who may begin one, what ends it, what makes time stand still
//! for it, and what the outcome of a send, a task or a click means for it.
//!
//! Everything works inside the caller's transaction. When a step is due, and what it then does, is the sequence room's.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::json;

use super::settle::{self, SettleError};
use super::signal::{self, Signal};
use super::task::{self, NewTask};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId};
use crate::domain::sequence::{After, Definition};
use crate::domain::time::Micros;
use crate::domain::words::{EnrollmentState, EventType, OutboxStatus, Phase, StepState, TaskKind};
use crate::store::outreach::enrollment::{EnrollmentRow, Mark};
use crate::store::{Store, StoreError, Tx};

pub mod admission;
pub mod dossier;
pub mod elsewhere;
pub mod enroll;
pub mod funnel;
pub mod harm;
pub mod house;
pub mod instead;
pub mod outgoing;
pub mod overview;
pub mod pause;
pub mod plan;
pub mod recheck;
pub mod steer;
pub mod tidy;

/// What a run waits for while nobody knows whether its mail was sent.
pub const UNSURE: &str = "to be known whether its mail was sent";
/// What a run waits for that somebody paused.
pub const PAUSED: &str = "this run is paused";
/// Versions kept in memory.
const KEPT_MAX: usize = 2_000;
/// Live runs stopped in one go.
pub const BATCH: i64 = 500;

/// Why a run ended before its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitReason {
    /// A person answered, on any channel.
    Replied,
    /// A person answered, and somebody is to find out what that says: no stage is raised for it.
    Unclear,
    /// They said no.
    Refused,
    /// They want no more mail.
    OptedOut,
    /// They complained to their provider.
    Complained,
    /// Nothing arrives at any of their addresses.
    Bounced,
    /// They reached a stage that the sequence was for.
    StageReached(String),
    /// The sequence was deleted.
    SequenceRemoved,
    /// Somebody ended it.
    ByHand(String),
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replied => f.write_str("replied"),
            Self::Unclear => f.write_str("answered, and a person is to read it"),
            Self::Refused => f.write_str("refused"),
            Self::OptedOut => f.write_str("opted out"),
            Self::Complained => f.write_str("complained"),
            Self::Bounced => f.write_str("no address left that mail arrives at"),
            Self::StageReached(stage) => write!(f, "reached the stage {stage}"),
            Self::SequenceRemoved => f.write_str("the sequence was deleted"),
            Self::ByHand(who) => write!(f, "ended by {who}"),
        }
    }
}

/// The version of this hash. Versions never change, so each is read once per process.
///
/// # Errors
/// [`StoreError::Damaged`] where it is not there or can't be read.
async fn definition(tx: &mut Tx, hash: &str) -> Result<Arc<Definition>, StoreError> {
    static KEPT: OnceLock<Mutex<HashMap<String, Arc<Definition>>>> = OnceLock::new();
    let kept = KEPT.get_or_init(Mutex::default);
    if let Some(found) = kept.lock().unwrap_or_else(PoisonError::into_inner).get(hash) {
        return Ok(Arc::clone(found));
    }
    let body = tx.get_sequence_version(hash).await?.map(|(_, body)| body);
    let body = body.ok_or_else(|| StoreError::Damaged(format!("there is no version {hash} of a sequence")))?;
    let read: Definition = serde_json::from_str(&body)
        .map_err(|error| StoreError::Damaged(format!("the version {hash} of a sequence: {error}")))?;
    let read = Arc::new(read);
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(hash.to_owned(), Arc::clone(&read));
    Ok(read)
}

/// The same, where one that can't be read holds its own runs and nobody else: an inner error says what is wrong with it.
pub async fn readable(tx: &mut Tx, hash: &str) -> Result<Result<Arc<Definition>, String>, StoreError> {
    match definition(tx, hash).await {
        Ok(definition) => Ok(Ok(definition)),
        Err(StoreError::Damaged(why)) => {
            tracing::error!(%why, "runs of this version stand still");
            Ok(Err(format!("its version can't be read: {why}")))
        }
        Err(error) => Err(error),
    }
}

/// The event of a run.
pub fn event_of(what: EventType, run: &EnrollmentRow, at: Micros, more: serde_json::Value) -> Signal {
    let mut data = json!({"enrollment_id": run.id, "sequence": run.sequence, "step": run.step});
    if let (Some(data), serde_json::Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    Signal { what, influencer: Some(run.influencer_id), message: None, at, data: Some(data) }
}

/// What brought the end of a run about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// What happened.
    pub what: EventType,
    /// In which message.
    pub message: Option<MessageId>,
}

/// Ends every live run of these influencers: what waits for them is cancelled, their open tasks with it. How many ended.
pub async fn stop_runs(
    tx: &mut Tx,
    clock: &Clock,
    influencers: &[InfluencerId],
    (why, cause): (&ExitReason, Option<Cause>),
) -> Result<u64, StoreError> {
    if influencers.is_empty() {
        return Ok(0);
    }
    let runs = tx.lock_live_enrollments(influencers.to_vec()).await?;
    end(tx, clock, runs, (why, cause)).await
}

/// Ends at most so many live runs of a sequence that was removed, in a transaction of its own; how many ended. Nothing of them
/// leaves before that: whatever plans, claims or hands over asks whether their sequence is still there. One whose runs can't be ended
/// keeps no other from it.
pub async fn end_removed(store: &Store, clock: &Clock, at_most: i64) -> Result<u64, StoreError> {
    let ending = store.read().await?.list_ending().await?;
    let mut failed = None;
    for sequence in &ending {
        match end_some_of(store, clock, (sequence, at_most)).await {
            Ok(0) => {}
            Ok(ended) => return Ok(ended),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(0), Err)
}

async fn end_some_of(store: &Store, clock: &Clock, (sequence, at_most): (&str, i64)) -> Result<u64, StoreError> {
    let mut tx = store.begin("outreach.end_removed").await?;
    // It may have come back meanwhile.
    if tx.get_sequence(sequence).await?.is_none_or(|row| row.active_hash.is_some()) {
        return Ok(0);
    }
    let runs = tx.lock_some_of_sequence(sequence, at_most).await?;
    let ended = end(&mut tx, clock, runs, (&ExitReason::SequenceRemoved, None)).await?;
    tx.commit().await?;
    Ok(ended)
}

/// Ends one run by hand; `false` where it was over.
pub async fn stop_run(tx: &mut Tx, clock: &Clock, id: EnrollmentId, why: &ExitReason) -> Result<bool, StoreError> {
    let run = tx.lock_enrollment(id).await?.filter(is_live);
    Ok(end(tx, clock, run.into_iter().collect(), (why, None)).await? > 0)
}

/// Whether a run is not over.
pub fn is_live(run: &EnrollmentRow) -> bool {
    matches!(run.state, EnrollmentState::Active | EnrollmentState::Held | EnrollmentState::Paused)
}

async fn end(
    tx: &mut Tx,
    clock: &Clock,
    runs: Vec<EnrollmentRow>,
    (why, cause): (&ExitReason, Option<Cause>),
) -> Result<u64, StoreError> {
    if runs.is_empty() {
        return Ok(0);
    }
    let now = clock.now();
    let ids: Vec<EnrollmentId> = runs.iter().map(|r| r.id).collect();
    let reason = why.to_string();
    // The runs are over before their mail is looked for, so that nothing can be planned in between.
    let mut signals = Vec::new();
    let mut follows = Vec::new();
    for run in &runs {
        let follow = if *why == ExitReason::Replied { on_reply(tx, run).await? } else { Ok(None) };
        let asks = match &follow {
            Ok(follow) => follow.as_ref().is_some_and(|follow| follow.task.is_some()),
            Err(_) => true,
        };
        let mut data = json!({"reason": reason});
        if let (Some(cause), Some(data)) = (cause, data.as_object_mut()) {
            data.insert("because_of".into(), json!({"event": cause.what, "message_id": cause.message}));
        }
        signals.push(event_of(EventType::EnrollmentExited, run, now, data));
        let over = EnrollmentRow {
            state: EnrollmentState::Exited,
            phase: Phase::Over,
            // Its words need our side, which whoever looks at runs knows: it is made at the next look.
            next_at: asks.then_some(now),
            held_at: None,
            waiting_for: None,
            exit_reason: Some(reason.clone()),
            ended_at: Some(now),
            ..run.clone()
        };
        tx.update_enrollment(over, now).await?;
        follows.extend(follow.ok().flatten().map(|follow| (run, follow)));
    }
    cancel_mail(tx, clock, &ids, &reason).await?;
    tx.cancel_tasks_of(ids.clone(), now).await?;
    tx.delete_reservations(ids.iter().map(|id| id.0).collect()).await?;
    signal::record(tx, clock, signals).await?;
    for (run, follow) in follows {
        conclude(tx, clock, run, &follow).await?;
    }
    Ok(u64::try_from(runs.len()).unwrap_or(u64::MAX))
}

/// Takes back what waits in the outbox for these runs; what is on its way already stays.
async fn cancel_mail(tx: &mut Tx, clock: &Clock, runs: &[EnrollmentId], reason: &str) -> Result<(), StoreError> {
    for mail in tx.open_mail_of(runs.to_vec()).await? {
        match settle::cancel(tx, clock, mail.id, reason).await {
            Ok(OutboxStatus::Cancelled) => {
                let said = (clock.now(), Some(reason));
                tx.complete_step(mail.enrollment_id, &mail.step, StepState::Skipped, said).await?;
                tx.delete_reservations(vec![mail.id.0]).await?;
            }
            // On its way, or uncertain: what becomes of it is still recorded.
            Ok(_) | Err(SettleError::State(_) | SettleError::Unknown) => {}
            Err(SettleError::Store(error)) => return Err(error),
        }
    }
    Ok(())
}

/// The moves of a planned instant, as they are kept and shown.
pub fn shifts_json(shifts: &[crate::domain::schedule::Shift]) -> serde_json::Value {
    recheck::shifts_of(shifts)
}

/// Takes back one planned mail, with its place.
async fn cancel_planned(tx: &mut Tx, clock: &Clock, id: MessageId, why: &str) -> Result<(), StoreError> {
    match settle::cancel(tx, clock, id, why).await {
        Ok(_) => tx.delete_reservations(vec![id.0]).await,
        Err(SettleError::State(_) | SettleError::Unknown) => Ok(()),
        Err(SettleError::Store(error)) => Err(error),
    }
}

/// What a sequence wants to follow an answer. The answer counts whatever becomes of its version; where that can't be read, a
/// person is asked to look.
async fn on_reply(tx: &mut Tx, run: &EnrollmentRow) -> Result<Result<Option<After>, String>, StoreError> {
    Ok(readable(tx, &run.version).await?.map(|definition| definition.on_reply.clone()))
}

/// What a person is asked after an answer where what the sequence asks for can't be made.
pub fn unreadable_follow(run: &EnrollmentRow, why: &str) -> String {
    format!(
        "They answered, and what the sequence {} asks for then is not known ({why}): read the answer, and decide what follows",
        run.sequence
    )
}

/// Moves to the stage that stands at the end of a run.
pub async fn conclude(tx: &mut Tx, clock: &Clock, run: &EnrollmentRow, follow: &After) -> Result<(), StoreError> {
    if let Some(stage) = &follow.stage {
        let cause = format!("the sequence {} ended", run.sequence);
        super::react::raise(tx, clock, run.influencer_id, stage.as_str(), &cause).await?;
    }
    Ok(())
}

/// The influencer reached a stage: ends the runs of sequences that were for it.
pub async fn stage_reached(
    tx: &mut Tx,
    clock: &Clock,
    influencer: InfluencerId,
    stage: &str,
) -> Result<(), StoreError> {
    let mut over = Vec::new();
    let stages = super::react::stages(tx).await?;
    for run in tx.lock_live_enrollments(vec![influencer]).await? {
        match readable(tx, &run.version).await? {
            Ok(definition) if definition.reached(&stages, &stage.into()).is_some() => over.push(run),
            Ok(_) => {}
            // Whether it should end can't be known: nothing more of it is sent.
            Err(why) => Box::pin(hold_unreadable(tx, clock, run, &why)).await?,
        }
    }
    end_reached(tx, clock, over, stage).await
}

/// Ends runs of somebody who is in a stage that these sequences were for.
pub async fn end_reached(tx: &mut Tx, clock: &Clock, runs: Vec<EnrollmentRow>, stage: &str) -> Result<(), StoreError> {
    let cause = Cause { what: EventType::InfluencerStageChanged, message: None };
    end(tx, clock, runs, (&ExitReason::StageReached(stage.to_owned()), Some(cause))).await?;
    Ok(())
}

async fn hold_unreadable(tx: &mut Tx, clock: &Clock, run: EnrollmentRow, why: &str) -> Result<(), StoreError> {
    for mail in tx.open_mail_of(vec![run.id]).await? {
        tx.reschedule_outbox(mail.id, mail.due_at, Some(why)).await?;
    }
    outgoing::stuck(tx, clock, run, (why, Some(clock.now().plus(outgoing::LOOK_AGAIN)))).await
}

/// Somebody is held from now on: time stands still for their runs.
pub async fn hold_runs(tx: &mut Tx, clock: &Clock, influencer: InfluencerId) -> Result<(), StoreError> {
    tx.hold_enrollments(influencer, clock.now()).await?;
    Ok(())
}

/// A hold was changed or ended: their runs are looked at.
pub async fn wake_runs(tx: &mut Tx, clock: &Clock, influencer: InfluencerId) -> Result<(), StoreError> {
    tx.wake_enrollments(influencer, clock.now()).await?;
    Ok(())
}

/// What is known of somebody changed: those of their runs that waited for something to be mended are looked at.
pub async fn wake_stuck(tx: &mut Tx, clock: &Clock, influencers: Vec<InfluencerId>) -> Result<(), StoreError> {
    if !influencers.is_empty() {
        tx.wake_stuck_of(influencers, clock.now()).await?;
    }
    Ok(())
}

/// A person opened, clicked or answered a message: the run that waits for it is looked at.
pub async fn engaged(tx: &mut Tx, clock: &Clock, message: MessageId, mark: Mark, at: Micros) -> Result<(), StoreError> {
    let Some(mail) = tx.step_of_message(message).await? else { return Ok(()) };
    tx.mark_step(message, mark, at).await?;
    if let Some(run) = tx.lock_enrollment(mail.enrollment_id).await?.filter(is_live)
        && run.phase == Phase::Event
    {
        let now = clock.now();
        tx.update_enrollment(EnrollmentRow { next_at: Some(now), ..run }, now).await?;
    }
    Ok(())
}

/// A mail was accepted: where it is a step of a run, the delay of the next one begins.
pub async fn step_sent(tx: &mut Tx, clock: &Clock, message: MessageId, sent_at: Micros) -> Result<(), StoreError> {
    tx.note_departure(message.0, sent_at, plan::PUNCTUAL).await?;
    let Some(mail) = tx.step_of_message(message).await? else { return Ok(()) };
    let Some(run) = tx.lock_enrollment(mail.enrollment_id).await? else { return Ok(()) };
    tx.complete_step(run.id, &mail.step, StepState::Sent, (sent_at, None)).await?;
    tx.set_sending_since(&mail.account, sent_at).await?;
    if is_live(&run) && run.phase == Phase::Send && run.step.as_deref() == Some(mail.step.as_str()) {
        let run = EnrollmentRow { first: false, ..run };
        step_done(tx, clock, run, sent_at).await?;
    }
    Ok(())
}

/// A mail was taken back: a skipped step, or what stands under its `else` where they can't be written to any more. Where its run was
/// ended, that is said already.
pub async fn step_dropped(tx: &mut Tx, clock: &Clock, message: MessageId, reason: &str) -> Result<(), StoreError> {
    drop_step(tx, clock, message, (reason, true)).await
}

/// A message was left that may have arrived: nothing is sent in its place.
pub async fn step_left(tx: &mut Tx, clock: &Clock, message: MessageId, reason: &str) -> Result<(), StoreError> {
    drop_step(tx, clock, message, (reason, false)).await
}

async fn drop_step(
    tx: &mut Tx,
    clock: &Clock,
    message: MessageId,
    (reason, may_begin): (&str, bool),
) -> Result<(), StoreError> {
    let Some(mail) = tx.step_of_message(message).await? else { return Ok(()) };
    let Some(run) = tx.lock_enrollment(mail.enrollment_id).await?.filter(is_live) else { return Ok(()) };
    let now = clock.now();
    tx.delete_reservations(vec![message.0]).await?;
    let under_way = run.phase == Phase::Send && run.step.as_deref() == Some(mail.step.as_str());
    if under_way && may_begin && instead::begin(tx, clock, &run, message).await? {
        return Ok(());
    }
    tx.complete_step(run.id, &mail.step, StepState::Skipped, (now, Some(reason))).await?;
    if under_way {
        advance(tx, clock, run, now).await?;
    }
    Ok(())
}

/// A mail goes out once more: its run waits for it as before.
pub async fn step_again(tx: &mut Tx, clock: &Clock, message: MessageId) -> Result<(), StoreError> {
    let Some(mail) = tx.step_of_message(message).await? else { return Ok(()) };
    let Some(run) = tx.lock_enrollment(mail.enrollment_id).await?.filter(is_live) else { return Ok(()) };
    if run.state == EnrollmentState::Paused || run.held_at.is_some() || run.step.as_deref() != Some(&mail.step) {
        return Ok(());
    }
    let waiting_for = Some(format!("the mail to be sent: {}, once more", mail.step));
    let run = EnrollmentRow { state: EnrollmentState::Active, next_at: None, waiting_for, ..run };
    tx.update_enrollment(run, clock.now()).await
}

/// A mail was refused for good, or its outcome is not known: the run waits and says so.
pub async fn step_stuck(tx: &mut Tx, clock: &Clock, message: MessageId, why: &str) -> Result<(), StoreError> {
    let Some(mail) = tx.step_of_message(message).await? else { return Ok(()) };
    let Some(run) = tx.lock_enrollment(mail.enrollment_id).await?.filter(is_live) else { return Ok(()) };
    outgoing::stuck(tx, clock, run, (why, None)).await
}

/// A run can't be looked at, whatever is tried: it waits for a person, and says so.
pub async fn set_aside(tx: &mut Tx, clock: &Clock, id: EnrollmentId, why: &str) -> Result<(), StoreError> {
    let Some(run) = tx.lock_enrollment(id).await? else { return Ok(()) };
    if !is_live(&run) {
        // What was to follow its end can't be made, and is not tried for ever: a person learns of the answer all the same.
        if run.next_at.is_some() {
            let (influencer_id, enrollment_id) = (Some(run.influencer_id), Some(run.id));
            let (kind, text) = (TaskKind::Sequence, unreadable_follow(&run, why));
            let new = NewTask { influencer_id, enrollment_id, kind, text, ..NewTask::default() };
            task::create_by_rule(tx, clock, new).await?;
        }
        return tx.update_enrollment(EnrollmentRow { next_at: None, ..run }, clock.now()).await;
    }
    let (now, why) = (clock.now(), format!("somebody to mend what is stored of it: {why}"));
    let held = event_of(EventType::EnrollmentHeld, &run, now, json!({"reason": why}));
    let state = if run.state == EnrollmentState::Paused { run.state } else { EnrollmentState::Held };
    let run = EnrollmentRow { state, next_at: None, waiting_for: Some(why), ..run };
    tx.update_enrollment(run, now).await?;
    signal::record(tx, clock, vec![held]).await
}

/// A mail was refused for good: a run with no other address to write to ends, any other waits and says so.
pub async fn step_rejected(tx: &mut Tx, clock: &Clock, message: MessageId, why: &str) -> Result<(), StoreError> {
    let Some(mail) = tx.step_of_message(message).await? else { return Ok(()) };
    let Some(run) = tx.get_enrollment(mail.enrollment_id).await?.filter(is_live) else { return Ok(()) };
    let reach = tx.list_reachable(vec![run.influencer_id]).await?;
    if reach.iter().any(|r| !r.has_address) {
        let cause = Cause { what: EventType::MessageRejected, message: Some(message) };
        stop_runs(tx, clock, &[run.influencer_id], (&ExitReason::Bounced, Some(cause))).await?;
        return Ok(());
    }
    step_stuck(tx, clock, message, &outgoing::refused(&mail.step, why)).await
}

/// The step under way is done: raises to its stage and goes on to the next.
pub async fn step_done(tx: &mut Tx, clock: &Clock, run: EnrollmentRow, at: Micros) -> Result<(), StoreError> {
    let definition = readable(tx, &run.version).await?.ok();
    signal::record(tx, clock, vec![event_of(EventType::EnrollmentStepDone, &run, at, json!({}))]).await?;
    let done = run.step.as_deref().and_then(|id| definition.as_ref()?.step(id)).map(|(_, step)| step);
    if let Some(stage) = done.and_then(|step| step.stage.as_ref()) {
        let cause = format!("the step {} of {}", run.step.as_deref().unwrap_or_default(), run.sequence);
        super::react::raise(tx, clock, run.influencer_id, stage.as_str(), &cause).await?;
        // Reaching a stage may have ended the run.
        match tx.get_enrollment(run.id).await? {
            Some(fresh) if is_live(&fresh) => {}
            _ => return Ok(()),
        }
    }
    advance(tx, clock, run, at).await
}

/// Goes on to the step below, or to the end. A run that somebody paused stays paused, at the step below: whatever ended the
/// step above, only they let it go on.
pub async fn advance(tx: &mut Tx, clock: &Clock, run: EnrollmentRow, at: Micros) -> Result<(), StoreError> {
    let now = clock.now();
    // The wait below begins at `at`: what stood still before is none of it.
    let run = EnrollmentRow { held_at: run.held_at.map(|since| since.max(at)), ..run };
    let definition = match readable(tx, &run.version).await? {
        Ok(definition) => definition,
        // Looked at again as one whose step is done: then it goes on.
        Err(why) => {
            let run = EnrollmentRow { phase: Phase::Delay, anchor_at: at, ..run };
            return Box::pin(outgoing::stuck(tx, clock, run, (&why, Some(now.plus(outgoing::LOOK_AGAIN))))).await;
        }
    };
    let next = definition.step_after(run.step.as_deref());
    let paused = run.state == EnrollmentState::Paused;
    let run = EnrollmentRow {
        state: if paused { EnrollmentState::Paused } else { EnrollmentState::Active },
        step: next.map(|step| step.id.clone()),
        phase: if next.is_some() { Phase::Delay } else { Phase::Finish },
        anchor_at: at,
        next_at: if paused { None } else { Some(at.max(now)) },
        waiting_for: paused.then(|| PAUSED.to_owned()),
        ..run
    };
    tx.update_enrollment(run, now).await
}

/// A task of a step was done: its answer fills the variable, and the run goes on.
pub async fn task_done(
    tx: &mut Tx,
    clock: &Clock,
    run: EnrollmentId,
    step: &str,
    (fills, answer): (Option<&str>, Option<&str>),
) -> Result<(), StoreError> {
    let Some(mut run) = tx.lock_enrollment(run).await?.filter(is_live) else { return Ok(()) };
    if run.step.as_deref() != Some(step) || run.phase != Phase::Task {
        return Ok(());
    }
    if let (Some(fills), Some(answer)) = (fills, answer) {
        run.filled.insert(fills.to_owned(), json!(answer));
    }
    let now = clock.now();
    tx.complete_step(run.id, step, StepState::Done, (now, None)).await?;
    step_done(tx, clock, run, now).await
}
