//! What a step does when its time has come: a mail is planned, rendered and put into the outbox; a task is made; a wait
//! begins.

use std::collections::BTreeSet;

use super::Batch;
use super::look::{Kept, blank, waits_for};
use crate::domain::address;
use crate::domain::ids::MessageId;
use crate::domain::mail::Mailbox;
use crate::domain::schedule::{Due, Planned};
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::domain::words::{Phase, StepState, TaskKind};
use crate::hub::enqueue::{self, Counting, EnqueueError, Ground, Order, Outreach, Start};
use crate::hub::outreach::dossier::Dossier;
use crate::hub::outreach::instead::is_else;
use crate::hub::outreach::outgoing::homeless_again;
use crate::hub::outreach::plan::{Planner, Request, Who, step_seed};
use crate::hub::outreach::recheck::{QUEUED_MAX, told_late};
use crate::hub::outreach::{self, shifts_json};
use crate::hub::task::{self, NewTask};
use crate::render::template::{render, render_inline};
use crate::sequence::preview;
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::outreach::person::PlaceRow;
use crate::store::outreach::reservation::ReservationRow;
use crate::store::{StoreError, Tx};

/// A mail that is planned: when, to whom, from which template.
struct Plan<'a> {
    step: &'a Step,
    kind: &'a StepKind,
    place: PlaceRow,
    template: String,
    planned: Planned,
    moves: Vec<serde_json::Value>,
}

/// How soon a run is looked at again that another node has to look at.
const ELSEWHERE: std::time::Duration = std::time::Duration::from_secs(5);

/// Moves of one send that are kept.
const MOVES_MAX: usize = 50;

impl Batch<'_> {
    /// Plans with what is known of a run; nothing where its influencer or version is gone.
    pub(super) fn who<T>(&mut self, run: &EnrollmentRow, ask: impl FnOnce(&mut Planner, &Who<'_>) -> T) -> Option<T> {
        let person = self.dossier.person(run.influencer_id)?;
        let who = Who {
            definition: self.dossier.definition(&run.version)?,
            version: &run.version,
            account: &run.account,
            timezone: person.timezone.as_deref(),
            phone: None,
        };
        Some(ask(&mut self.planner, &who))
    }

    /// Does what a step says.
    pub(super) async fn carry_out(
        &mut self,
        tx: &mut Tx,
        run: EnrollmentRow,
        (definition, step): (&Definition, &Step),
        kind: &StepKind,
    ) -> Kept {
        match kind {
            StepKind::Email { templates, split } => {
                let place = match self.dossier.place(run.influencer_id) {
                    Ok(place) => place.clone(),
                    Err(why) => return self.instead(tx, run, (definition, step, kind), &why).await,
                };
                let template = choose_variant(&run, step, templates, split);
                self.email(tx, run, definition, (step, kind, place, template)).await
            }
            StepKind::Task { .. } => self.task(tx, run, step, kind).await,
            StepKind::WaitFor { what, .. } => {
                let now = self.now();
                let happened = self.happened(&run, *what);
                let state = if happened { StepState::Done } else { StepState::Planned };
                let row = StepRow {
                    state,
                    planned_at: Some(now),
                    completed_at: happened.then_some(now),
                    ..blank(&run, step, kind)
                };
                tx.insert_steps(vec![row]).await?;
                if happened {
                    outreach::step_done(tx, self.clock, run, now).await?;
                    return Ok(None);
                }
                let waiting_for = waits_for(step, kind);
                let run = EnrollmentRow { phase: Phase::Event, anchor_at: now, next_at: Some(now), waiting_for, ..run };
                Ok(Some(run))
            }
        }
    }

    /// The channel has no address: what stands under `else`, or the step is skipped.
    async fn instead(
        &mut self,
        tx: &mut Tx,
        run: EnrollmentRow,
        (definition, step, kind): (&Definition, &Step, &StepKind),
        why: &str,
    ) -> Kept {
        match &step.otherwise {
            Some(other) if kind == &step.kind && !matches!(other, StepKind::Email { .. }) => {
                Box::pin(self.carry_out(tx, run, (definition, step), other)).await
            }
            _ => self.skip(tx, run, step, why).await,
        }
    }

    async fn task(&mut self, tx: &mut Tx, run: EnrollmentRow, step: &Step, kind: &StepKind) -> Kept {
        let StepKind::Task { text, assign, due, fills, .. } = kind else { return Ok(None) };
        let now = self.now();
        let Some(context) = self.dossier.context(&self.house, &run, None) else {
            return Ok(Some(self.stuck(run, "the influencer is gone")));
        };
        let text = match render_inline(text, &context) {
            Ok(text) => text,
            Err(error) => return Ok(Some(self.stuck(run, &format!("the task of {}: {error}", step.id)))),
        };
        let owner = self.dossier.owner(&self.house, run.influencer_id);
        // A teammate who has left since does nothing any more.
        let named = Some(assign).filter(|name| self.house.owners.contains_key(*name));
        let assignee = named.or(owner).cloned();
        let new = NewTask {
            influencer_id: Some(run.influencer_id),
            enrollment_id: Some(run.id),
            step: Some(step.id.clone()),
            kind: TaskKind::Step,
            text,
            assignee,
            fills: fills.clone(),
            due_at: self.planner.our_due(now, due.as_deref()),
            ..NewTask::default()
        };
        let id = task::create(tx, self.clock, new).await?;
        self.pad.steps.push(StepRow { planned_at: Some(now), task_id: Some(id), ..blank(&run, step, kind) });
        let waiting_for = waits_for(step, kind);
        let run = EnrollmentRow { phase: Phase::Task, anchor_at: now, next_at: Some(now), waiting_for, ..run };
        Ok(Some(run))
    }

    async fn email(
        &mut self,
        tx: &mut Tx,
        run: EnrollmentRow,
        definition: &Definition,
        (step, kind, place, template): (&Step, &StepKind, PlaceRow, String),
    ) -> Kept {
        let now = self.now();
        if self.planner.sender(&run.account).is_none() {
            if self.elsewhere.contains(&run.account) {
                let waiting_for = Some(format!("a node that has the account {} in its configuration", run.account));
                return Ok(Some(EnrollmentRow { next_at: Some(now.plus(ELSEWHERE)), waiting_for, ..run }));
            }
            let why = format!("the account {} is not configured any more", run.account);
            let next_at = homeless_again(tx, now);
            return Ok(Some(EnrollmentRow { next_at, ..self.stuck(run, &why) }));
        }
        let domain = address::domain(&place.value).unwrap_or_default();
        let seed = step_seed(&run.sequence, run.influencer_id.0, run.run, &step.id);
        // What is pencilled in for this very run is no obstacle to it, and the instant from which it counts now.
        let pencilled = self.planner.reservation(run.id.0).map(|row| row.at);
        self.planner.give_back(run.id.0);
        let due = match (pencilled, run.phase) {
            (Some(at), _) => Due::At(at),
            // An `else` begins when the time ran out.
            (None, _) if is_else(step, kind) => Due::At(run.anchor_at),
            (None, Phase::Delay) => self.planner.due_of(run.anchor_at, step.after.as_deref()),
            (None, Phase::Send | Phase::Task | Phase::Event | Phase::Finish | Phase::Over) => Due::At(now),
        };
        let request = Request { due, domain: &domain, first: run.first, yields: run.first, seed };
        let kept = pencilled.filter(|at| *at <= now);
        let kept = kept.and_then(|at| self.who(&run, |planner, who| planner.place_due(who, &request, at)));
        let mut found = match kept {
            Some(Ok(planned)) if planned.at <= now => Some(Ok(planned)),
            _ => self.who(&run, |planner, who| planner.place(who, &request)),
        };
        // Where nobody looked when it was to be looked at (a daemon that was down), that is so for others, too: all of that at
        // once would be a burst.
        let looked_for = run.next_at.unwrap_or(now);
        let late = now.since(looked_for);
        let mut request = request;
        if late > QUEUED_MAX && matches!(&found, Some(Ok(planned)) if planned.at <= now) {
            let due = self.who(&run, |planner, who| planner.spread_from_now(who, seed));
            request = Request { due: Due::At(due.unwrap_or(now)), ..request };
            let again = self.who(&run, |planner, who| planner.place(who, &request));
            found = again.map(|again| again.map(|again| told_late((looked_for, late), again)));
        }
        while let Some(Ok(place)) = &found
            && self.planner.is_far(place.at)
        {
            // What this batch took and gave back is to be among what is read.
            self.pad.places(tx).await?;
            self.planner.reach(tx, place.at).await?;
            self.planner.give_back(run.id.0);
            found = self.who(&run, |planner, who| planner.place(who, &request));
        }
        let planned = match found {
            Some(Ok(planned)) => planned,
            Some(Err(never)) => return Ok(Some(self.stuck(run, &never.to_string()))),
            None => return Ok(Some(self.stuck(run, "the influencer is gone"))),
        };
        let planned = self.with_moves_before(&run, step, planned);
        // New people take a place only when its time has come, so that follow-ups that fall due until then go first.
        if run.first && planned.0.at > now {
            return Ok(Some(self.pencil(run, (step, kind, &domain), planned)));
        }
        let (planned, moves) = planned;
        let plan = Plan { step, kind, place, template, planned, moves };
        self.write(tx, run, definition, (plan, domain)).await
    }

    /// The moves that brought a pencilled place about, before those of now.
    fn with_moves_before(
        &self,
        run: &EnrollmentRow,
        step: &Step,
        planned: Planned,
    ) -> (Planned, Vec<serde_json::Value>) {
        let row = self.dossier.steps(run.id).iter().find(|s| s.step == step.id);
        let before = row.and_then(|row| row.shifts.as_ref()).and_then(|shifts| shifts.as_array());
        let mut moves = before.cloned().unwrap_or_default();
        if let serde_json::Value::Array(new) = shifts_json(&planned.shifts) {
            moves.extend(new);
        }
        moves.truncate(MOVES_MAX);
        (planned, moves)
    }

    /// A first step whose place is ahead: it is pencilled in, and looked at again when its time has come.
    fn pencil(
        &mut self,
        run: EnrollmentRow,
        (step, kind, domain): (&Step, &StepKind, &str),
        (planned, moves): (Planned, Vec<serde_json::Value>),
    ) -> EnrollmentRow {
        let row = ReservationRow {
            id: run.id.0,
            account: run.account.clone(),
            sequence: Some(run.sequence.clone()),
            domain: domain.to_owned(),
            first: true,
            pencilled: true,
            at: planned.at,
            gap: planned.gap,
        };
        self.pad.taken.push(row.clone());
        self.planner.take(row);
        let shifts = Some(serde_json::Value::Array(moves));
        self.pad.steps.push(StepRow { planned_at: Some(planned.at), shifts, ..blank(&run, step, kind) });
        let waiting_for = Some(format!("its place, about {}", planned.at));
        EnrollmentRow { next_at: Some(planned.at), waiting_for, ..run }
    }

    /// Renders the mail for its place in time; it goes into the outbox with those of the whole batch.
    async fn write(
        &mut self,
        tx: &mut Tx,
        run: EnrollmentRow,
        definition: &Definition,
        (plan, domain): (Plan<'_>, String),
    ) -> Kept {
        let order = match self.order(&run, definition, &plan) {
            Ok(order) => order,
            Err(why) => return Ok(Some(self.stuck(run, &why))),
        };
        let at = plan.planned.at;
        let letter = match enqueue::compose(self.clock, &mut self.ground, order) {
            Ok(letter) => letter,
            Err(EnqueueError::Store(error)) => return Err(error),
            Err(EnqueueError::Stopped(stopped)) => {
                let why = stopped.iter().map(|s| format!("{}: {}", s.address, s.reason)).collect::<Vec<_>>().join(", ");
                return self.skip(tx, run, plan.step, &why).await;
            }
            Err(error) => return Ok(Some(self.stuck(run, &format!("the mail of {}: {error}", plan.step.id)))),
        };
        let row = ReservationRow {
            id: letter.id().0,
            account: run.account.clone(),
            sequence: Some(run.sequence.clone()),
            domain,
            first: run.first,
            pencilled: false,
            at,
            gap: plan.planned.gap,
        };
        self.planner.take(row.clone());
        self.pad.taken.push(row);
        self.pad.given_back.push(run.id.0);
        self.pad.steps.push(StepRow {
            variant: Some(plan.template),
            planned_at: Some(at),
            shifts: Some(serde_json::Value::Array(plan.moves)),
            message_id: Some(letter.id()),
            ..blank(&run, plan.step, plan.kind)
        });
        self.pad.letters.push(letter);
        self.planned += 1;
        self.accounts.push(run.account.clone());
        let what = if plan.step.review { "somebody to read and approve the mail of" } else { "the mail to be sent:" };
        let waiting_for = Some(format!("{what} {}, planned for {at}", plan.step.id));
        Ok(Some(EnrollmentRow { phase: Phase::Send, next_at: None, waiting_for, ..run }))
    }

    /// The mail itself; an error says what a person has to mend.
    fn order(&self, run: &EnrollmentRow, definition: &Definition, plan: &Plan<'_>) -> Result<Order, String> {
        let Some(sender) = self.house.accounts.get(&run.account) else {
            return Err(format!("the account {} is not configured any more", run.account));
        };
        let reserved = self.reserving.as_ref().map_err(Clone::clone)?.reserve(self.clock);
        let url = reserved.unsubscribe_url();
        let Some(context) = self.dossier.context(&self.house, run, url) else {
            return Err("the influencer is gone".to_owned());
        };
        let rendered = render(definition, &plan.template, &context);
        let rendered = rendered.map_err(|error| format!("the template can't be filled in: {error}"))?;
        let given = (rendered.subject, &context);
        let Some((subject, answers)) = self.answers(run, (definition, plan.step), given) else {
            return Err(format!("{} has no subject, and no mail above was sent", plan.template));
        };
        let attachments = preview::attachments_of(definition, &plan.template)?;
        Ok(Order {
            account: sender.from.clone(),
            to: vec![Mailbox { name: plan.place.name.trim().to_owned(), address: plan.place.value.clone() }],
            cc: Vec::new(),
            subject,
            text: rendered.text,
            html: rendered.html,
            attachments,
            answers,
            due_at: plan.planned.at,
            file_copy: sender.file_copy,
            message_id_domain: sender.message_id_domain.clone(),
            outreach: Some(Outreach {
                reserved,
                enrollment_id: run.id,
                influencer_id: run.influencer_id,
                step: plan.step.id.clone(),
                opens: if self.house.opens { Counting::On } else { Counting::Off },
                clicks: if self.house.clicks { Counting::On } else { Counting::Off },
                start: if plan.step.review { Start::Review } else { Start::Queued },
            }),
        })
    }
}

/// The newest mail of a run that was sent: a step without a subject answers it.
pub(super) fn last_sent(dossier: &Dossier, run: &EnrollmentRow) -> Option<MessageId> {
    let sent = dossier.steps(run.id).iter().filter(|s| s.state == StepState::Sent);
    sent.filter_map(|s| Some((s.completed_at?, s.message_id?))).max_by_key(|(at, _)| *at).map(|(_, message)| message)
}

/// Reads what the mail of these runs needs to know beside the dossier.
pub(super) async fn ground_of(tx: &mut Tx, dossier: &Dossier, runs: &[EnrollmentRow]) -> Result<Ground, StoreError> {
    let places = runs.iter().filter_map(|run| dossier.place(run.influencer_id).ok());
    let keys: BTreeSet<String> = places.filter_map(|place| address::key(&place.value)).collect();
    let answered: BTreeSet<MessageId> = runs.iter().filter_map(|run| last_sent(dossier, run)).collect();
    let mut ground = Ground::default();
    ground.read_addresses(tx, keys).await?;
    ground.read_messages(tx, answered).await?;
    Ok(ground)
}

/// The template somebody gets: always the same for them, in the shares that are asked for.
pub(super) fn choose_variant(run: &EnrollmentRow, step: &Step, templates: &[String], split: &[u32]) -> String {
    let chosen = preview::choose_variant((&run.sequence, run.influencer_id), &step.id, templates, split);
    chosen.cloned().unwrap_or_default()
}
