//! Looking at one run: what holds it, whether its time has come, and what its step does.
//!
//! A look gives back the run as it is to be kept, for all of a batch to be written together; nothing where what it led to was
//! written at once.

use serde_json::json;

use super::Batch;
use crate::domain::expression::evaluate;
use crate::domain::sequence::{Awaited, Definition, Step, StepKind};
use crate::domain::time::Micros;
use crate::domain::words::{EnrollmentState, EventType, Phase, StepState, TaskKind, TaskState};
use crate::hub::outreach::dossier::Blocked;
use crate::hub::outreach::instead::{self, ELSE, is_else};
use crate::hub::outreach::{self, event_of, outgoing};
use crate::hub::signal;
use crate::hub::task::{self, NewTask};
use crate::render::template::render_inline;
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::{StoreError, Tx};

/// The run as it is to be kept; nothing where it is written already.
pub(super) type Kept = Result<Option<EnrollmentRow>, StoreError>;

/// What a run waits for whose step is a task or a wait.
pub(super) fn waits_for(step: &Step, kind: &StepKind) -> Option<String> {
    match kind {
        StepKind::Email { .. } | StepKind::Say { .. } | StepKind::Notify { .. } => None,
        StepKind::Task { .. } => Some(format!("a person to do the task of {}", step.id)),
        StepKind::WaitFor { what, .. } => Some(format!("{} to happen ({})", what.word(), step.id)),
    }
}

impl Batch<'_> {
    pub(super) fn now(&self) -> Micros {
        self.clock.now()
    }

    /// Looks at a run that is due.
    pub(super) async fn look(&mut self, tx: &mut Tx, mut run: EnrollmentRow) -> Kept {
        if run.phase == Phase::Over {
            return self.after_end(tx, run).await;
        }
        if let Some(blocked) = self.dossier.blocked(&run, self.now()) {
            return Ok(Some(self.stand_still(run, blocked)));
        }
        if let Some(since) = run.held_at.take() {
            self.go_on(tx, &mut run, since).await?;
        }
        if run.state == EnrollmentState::Held {
            run.state = EnrollmentState::Active;
        }
        let Some(definition) = self.dossier.definition(&run.version).cloned() else {
            let why = self.dossier.unreadable(&run.version).to_owned();
            return Ok(Some(self.stuck(run, &why)));
        };
        if let Some(stage) = self.dossier.reached(&run).map(str::to_owned) {
            self.planner.give_back(run.id.0);
            outreach::end_reached(tx, self.clock, vec![run], &stage).await?;
            return Ok(None);
        }
        match run.phase {
            Phase::Delay => match run.step.as_deref().and_then(|id| definition.step(id)) {
                Some((_, step)) => self.delay(tx, run, (&definition, step)).await,
                None => Ok(Some(self.stuck(run, "its version has no such step"))),
            },
            Phase::Task | Phase::Event => self.expire(tx, run, &definition).await,
            Phase::Finish => self.finish(tx, run, &definition).await,
            Phase::Send => {
                // Mail that waited gets another place: the look before the hand-over finds it one.
                self.accounts.extend(Box::pin(outgoing::look(tx, self.clock, &self.house, run)).await?);
                Ok(None)
            }
            Phase::Over => Ok(Some(EnrollmentRow { next_at: None, ..run })),
        }
    }

    /// Time stands still for it.
    fn stand_still(&mut self, run: EnrollmentRow, blocked: Blocked) -> EnrollmentRow {
        let now = self.now();
        if run.waiting_for.as_deref() != Some(&blocked.why) {
            self.pad.signals.push(event_of(EventType::EnrollmentHeld, &run, now, json!({"reason": blocked.why})));
        }
        // A place that comes while it stands still is free for others; one after that is kept.
        let place = self.planner.reservation(run.id.0).map(|row| row.at);
        if place.is_some_and(|at| blocked.until.is_none_or(|until| at < until)) {
            self.pad.given_back.push(run.id.0);
            self.planner.give_back(run.id.0);
        }
        let state = if run.state == EnrollmentState::Paused { run.state } else { EnrollmentState::Held };
        let held_at = Some(blocked.held_at(&run, now));
        EnrollmentRow { state, held_at, next_at: blocked.until, waiting_for: Some(blocked.why), ..run }
    }

    /// What held it is over: the time it stood still is not counted.
    async fn go_on(&mut self, tx: &mut Tx, run: &mut EnrollmentRow, since: Micros) -> Result<(), StoreError> {
        let until = self.went_on(run, since);
        run.anchor_at = run.anchor_at.plus(until.since(since));
        run.state = EnrollmentState::Active;
        run.waiting_for = None;
        if run.phase == Phase::Send {
            tx.shift_tries(run.id, until.0.saturating_sub(since.0)).await?;
        }
        Ok(())
    }

    /// When what held it since an instant was over: when its hold ran out or somebody let it go on, not when somebody looked.
    /// Whatever ended last had it looked at, for no hold or pause that ends while another lasts does.
    fn went_on(&self, run: &EnrollmentRow, since: Micros) -> Micros {
        let now = self.now();
        if let Some(at) = run.next_at.filter(|at| *at > since && *at <= now) {
            return at;
        }
        let person = self.dossier.person(run.influencer_id);
        person.and_then(|p| p.held_until).filter(|until| *until > since && *until <= now).unwrap_or(now)
    }

    /// Something stands in the way that only a person can mend.
    pub(super) fn stuck(&mut self, run: EnrollmentRow, why: &str) -> EnrollmentRow {
        let now = self.now();
        if run.waiting_for.as_deref() != Some(why) {
            self.pad.signals.push(event_of(EventType::EnrollmentHeld, &run, now, json!({"reason": why})));
        }
        EnrollmentRow { state: EnrollmentState::Held, next_at: None, waiting_for: Some(why.to_owned()), ..run }
    }

    /// Its delay is over, or not yet.
    async fn delay(&mut self, tx: &mut Tx, run: EnrollmentRow, (definition, step): (&Definition, &Step)) -> Kept {
        let now = self.now();
        if self.dossier.steps(run.id).iter().any(|s| s.step == step.id && s.state != StepState::Planned) {
            // Done before, say before a migration. It is never done again.
            outreach::advance(tx, self.clock, run, now).await?;
            return Ok(None);
        }
        let kind = self.under_way(&run, step);
        // The wait of an `else` is over: it began when the time of its step ran out.
        let after = if is_else(step, kind) { None } else { step.after.as_deref() };
        let due = self.who(&run, |planner, who| planner.due_at(who, run.anchor_at, after));
        let Some(due) = due else { return Ok(Some(self.stuck(run, "the influencer is gone"))) };
        let Some(due) = due else { return Ok(Some(self.stuck(run, "its delay never ends"))) };
        if due > now {
            let waiting_for = step.after.as_ref().map(|after| format!("{after} to pass before {}", step.id));
            return Ok(Some(EnrollmentRow { next_at: Some(due), waiting_for, ..run }));
        }
        if let Some(condition) = &step.condition {
            match self.dossier.facts(&self.house, &run).map(|facts| evaluate(condition, &facts)) {
                Some(Ok(true)) => {}
                Some(Ok(false)) => {
                    let why = format!("the condition does not hold: {condition}");
                    return self.skip(tx, run, step, &why).await;
                }
                Some(Err(error)) => {
                    let why = format!("the condition of {} can't be answered: {error}", step.id);
                    return Ok(Some(self.stuck(run, &why)));
                }
                None => return Ok(Some(self.stuck(run, "the influencer is gone"))),
            }
        }
        self.carry_out(tx, run, (definition, step), kind).await
    }

    /// A step that is left out, with the reason. The run goes on.
    pub(super) async fn skip(&mut self, tx: &mut Tx, run: EnrollmentRow, step: &Step, why: &str) -> Kept {
        let now = self.now();
        let row = StepRow {
            state: StepState::Skipped,
            planned_at: Some(now),
            completed_at: Some(now),
            reason: Some(why.to_owned()),
            ..blank(&run, step, &step.kind)
        };
        if tx.insert_steps(vec![row]).await? == 0 {
            tx.complete_step(run.id, &step.id, StepState::Skipped, (now, Some(why))).await?;
        }
        tx.delete_reservations(vec![run.id.0]).await?;
        self.planner.give_back(run.id.0);
        let skipped = event_of(EventType::EnrollmentStepDone, &run, now, json!({"skipped": why}));
        signal::record(tx, self.clock, vec![skipped]).await?;
        outreach::advance(tx, self.clock, run, now).await?;
        Ok(None)
    }

    /// A task or a wait: it happened, or its time has run out, or neither.
    async fn expire(&mut self, tx: &mut Tx, run: EnrollmentRow, definition: &Definition) -> Kept {
        let now = self.now();
        let Some((_, step)) = run.step.as_deref().and_then(|id| definition.step(id)) else {
            return Ok(Some(self.stuck(run, "its version has no such step")));
        };
        let kind = self.under_way(&run, step);
        if let StepKind::WaitFor { what, .. } = kind
            && self.happened(&run, *what)
        {
            tx.complete_step(run.id, &step.id, StepState::Done, (now, None)).await?;
            outreach::step_done(tx, self.clock, run, now).await?;
            return Ok(None);
        }
        let (StepKind::WaitFor { at_most, .. } | StepKind::Task { at_most: Some(at_most), .. }) = kind else {
            return Ok(Some(EnrollmentRow { next_at: None, waiting_for: waits_for(step, kind), ..run }));
        };
        let ends = self.who(&run, |planner, who| planner.due_at(who, run.anchor_at, Some(at_most))).flatten();
        match ends {
            Some(ends) if ends > now => {
                Ok(Some(EnrollmentRow { next_at: Some(ends), waiting_for: waits_for(step, kind), ..run }))
            }
            Some(_) => self.ran_out(tx, run, (definition, step), kind).await,
            None => Ok(Some(self.stuck(run, "its time never ends"))),
        }
    }

    /// What a step does at this moment: where `else` took its place, that.
    fn under_way<'s>(&self, run: &EnrollmentRow, step: &'s Step) -> &'s StepKind {
        instead::under_way(self.dossier.steps(run.id), step)
    }

    /// The time of a task or wait has run out: what stands under `else`, or on with the run.
    async fn ran_out(
        &mut self,
        tx: &mut Tx,
        run: EnrollmentRow,
        (definition, step): (&Definition, &Step),
        kind: &StepKind,
    ) -> Kept {
        let now = self.now();
        if let StepKind::Task { fills: Some(fills), .. } = kind {
            // The task stays open: doing it late lets the run go on.
            let why = format!("nobody filled `{fills}` in time: do the task of {} or end this run", step.id);
            return Ok(Some(self.stuck(run, &why)));
        }
        let task = self.dossier.steps(run.id).iter().find(|s| s.step == step.id).and_then(|s| s.task_id);
        if let Some(task) = task {
            tx.end_task(task, TaskState::TimedOut, None, ("at_most", now)).await?;
        }
        if !is_else(step, kind)
            && let Some(other) = &step.otherwise
        {
            // From now on it is the `else`, also where that finds no place yet or can't be written: the step is never done again.
            tx.delete_planned_step(run.id, &step.id).await?;
            tx.insert_steps(vec![StepRow { planned_at: Some(now), ..blank(&run, step, other) }]).await?;
            let run = EnrollmentRow { phase: Phase::Delay, anchor_at: now, ..run };
            return self.carry_out(tx, run, (definition, step), other).await;
        }
        tx.complete_step(run.id, &step.id, StepState::TimedOut, (now, Some("its time ran out"))).await?;
        let done = event_of(EventType::EnrollmentStepDone, &run, now, json!({"timed_out": true}));
        signal::record(tx, self.clock, vec![done]).await?;
        outreach::advance(tx, self.clock, run, now).await?;
        Ok(None)
    }

    /// Whether a person opened or clicked anything of this run.
    pub(super) fn happened(&self, run: &EnrollmentRow, what: Awaited) -> bool {
        self.dossier.steps(run.id).iter().any(|s| match what {
            Awaited::Clicked => s.clicked_at.is_some(),
            Awaited::Opened => s.opened_at.is_some(),
        })
    }

    /// The task that follows an answer, of a run that the answer ended.
    async fn after_end(&mut self, tx: &mut Tx, run: EnrollmentRow) -> Kept {
        let Some(definition) = self.dossier.definition(&run.version) else {
            if run.next_at.is_some() {
                let text = outreach::unreadable_follow(&run, self.dossier.unreadable(&run.version));
                task::create(tx, self.clock, NewTask { text, ..self.follow_blank(&run) }).await?;
            }
            return Ok(Some(EnrollmentRow { next_at: None, ..run }));
        };
        let text = definition.on_reply.as_ref().and_then(|follow| follow.task.clone());
        if let Some(text) = text.filter(|_| run.next_at.is_some()) {
            // Nothing can wait for somebody to mend it here, and an answer is never left lying: where a value is missing, as of a
            // task that was not done yet, the task says so.
            let task = self.follow_task(&run, &text).unwrap_or_else(|why| {
                let text = format!("{text}\n(its values could not be filled in: {why})");
                NewTask { text, ..self.follow_blank(&run) }
            });
            task::create(tx, self.clock, task).await?;
        }
        Ok(Some(EnrollmentRow { next_at: None, ..run }))
    }

    /// A task that follows the end of a run, with its text filled in; an error says what is missing.
    fn follow_task(&self, run: &EnrollmentRow, text: &str) -> Result<NewTask, String> {
        let context = self.dossier.context(&self.house, run, None).ok_or("the influencer is gone")?;
        let text = render_inline(text, &context).map_err(|error| error.to_string())?;
        Ok(NewTask { text, ..self.follow_blank(run) })
    }

    fn follow_blank(&self, run: &EnrollmentRow) -> NewTask {
        NewTask {
            influencer_id: Some(run.influencer_id),
            enrollment_id: Some(run.id),
            kind: TaskKind::Sequence,
            assignee: self.dossier.owner(&self.house, run.influencer_id).cloned(),
            ..NewTask::default()
        }
    }

    /// All steps are done.
    async fn finish(&mut self, tx: &mut Tx, run: EnrollmentRow, definition: &Definition) -> Kept {
        let now = self.now();
        if let Some(follow) = &definition.on_finish {
            let due = self.who(&run, |p, who| p.due_at(who, run.anchor_at, follow.after.as_deref())).flatten();
            if let Some(due) = due.filter(|due| *due > now) {
                let waiting_for = Some("what follows the last step".to_owned());
                return Ok(Some(EnrollmentRow { next_at: Some(due), waiting_for, ..run }));
            }
            let holds = match (&follow.condition, self.dossier.facts(&self.house, &run)) {
                (Some(condition), Some(facts)) => match evaluate(condition, &facts) {
                    Ok(holds) => holds,
                    Err(error) => {
                        let why = format!("the condition of [on.finish] can't be answered: {error}");
                        return Ok(Some(self.stuck(run, &why)));
                    }
                },
                (Some(_), None) => false,
                (None, _) => true,
            };
            if holds {
                let task = match follow.task.as_ref().map(|text| self.follow_task(&run, text)).transpose() {
                    Ok(task) => task,
                    Err(why) => return Ok(Some(self.stuck(run, &format!("the task of [on.finish]: {why}")))),
                };
                // The stage may end the run, and with it every task it had: its last one is made after that.
                outreach::conclude(tx, self.clock, &run, follow).await?;
                if let Some(task) = task {
                    task::create(tx, self.clock, task).await?;
                }
            }
        }
        // The stage it moved to may have ended it.
        if !tx.get_enrollment(run.id).await?.is_some_and(|fresh| outreach::is_live(&fresh)) {
            return Ok(None);
        }
        let finished = event_of(EventType::EnrollmentFinished, &run, now, json!({}));
        signal::record(tx, self.clock, vec![finished]).await?;
        let run = EnrollmentRow {
            state: EnrollmentState::Finished,
            phase: Phase::Over,
            next_at: None,
            waiting_for: None,
            ended_at: Some(now),
            ..run
        };
        Ok(Some(run))
    }
}

/// A step that is planned, with nothing known of it yet.
pub(super) fn blank(run: &EnrollmentRow, step: &Step, kind: &StepKind) -> StepRow {
    StepRow {
        enrollment_id: run.id,
        step: step.id.clone(),
        state: StepState::Planned,
        kind: kind.word().to_owned(),
        variant: None,
        planned_at: None,
        shifts: None,
        completed_at: None,
        message_id: None,
        task_id: None,
        reason: is_else(step, kind).then(|| ELSE.to_owned()),
        opened_at: None,
        clicked_at: None,
        replied_at: None,
    }
}
