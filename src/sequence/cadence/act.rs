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
use crate::domain::words::{Channel, Phase, StepState, TaskKind, Word as _};
use crate::hub::enqueue::{
    self, Counting, EnqueueError, Ground, Letter, Order, Outreach, Start, WordsOrder, WordsStep,
};
use crate::hub::outreach::dossier::Dossier;
use crate::hub::outreach::house::House;
use crate::hub::outreach::instead::is_else;
use crate::hub::outreach::outgoing::homeless_again;
use crate::hub::outreach::plan::{Planner, Request, Who, step_seed};
use crate::hub::outreach::recheck::{QUEUED_MAX, told_late};
use crate::hub::outreach::{self, shifts_json};
use crate::hub::task::{self, NewTask};
use crate::render::template::{render, render_inline, render_words};
use crate::sequence::preview;
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::outreach::person::PlaceRow;
use crate::store::outreach::reservation::ReservationRow;
use crate::store::{StoreError, Tx};

/// Which way a step goes: from which account, to whom, and of a mail from which template.
struct Route {
    account: String,
    place: PlaceRow,
    template: Option<String>,
    /// What is counted against the limits for one domain: of a mail its own, of words nobody else's.
    domain: String,
}

/// A message that is planned: when, to whom, with what.
struct Plan<'a> {
    step: &'a Step,
    kind: &'a StepKind,
    route: Route,
    planned: Planned,
    moves: Vec<serde_json::Value>,
}

/// How soon a run is looked at again that another node has to look at.
const ELSEWHERE: std::time::Duration = std::time::Duration::from_secs(5);

/// How long nobody may have read an account that somebody knows before another one speaks to them.
const EXPECTED_BACK: std::time::Duration = std::time::Duration::from_hours(1);

/// Moves of one send that are kept.
const MOVES_MAX: usize = 50;

impl Batch<'_> {
    /// Plans with what is known of a run; nothing where its influencer or version is gone.
    pub(super) fn who<T>(&mut self, run: &EnrollmentRow, ask: impl FnOnce(&mut Planner, &Who<'_>) -> T) -> Option<T> {
        self.who_at(run, None, ask)
    }

    /// The same for what goes to a place of theirs.
    fn who_at<T>(
        &mut self,
        run: &EnrollmentRow,
        place: Option<&PlaceRow>,
        ask: impl FnOnce(&mut Planner, &Who<'_>) -> T,
    ) -> Option<T> {
        let person = self.dossier.person(run.influencer_id)?;
        let (timezone, phone) = self.dossier.clock_of(person, place.filter(|place| place.channel == Channel::Sms));
        let definition = self.dossier.definition(&run.version)?;
        let who = Who { definition, version: &run.version, account: &run.account, timezone, phone };
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
                let route = Route {
                    account: run.account.clone(),
                    domain: address::domain(&place.value).unwrap_or_default(),
                    template: Some(choose_variant(&run, step, templates, split)),
                    place,
                };
                self.send(tx, run, definition, (step, kind, route)).await
            }
            StepKind::Say { channel, .. } => {
                let place = match self.dossier.place_on(run.influencer_id, *channel) {
                    Ok(place) => place.clone(),
                    Err(why) => return self.instead(tx, run, (definition, step, kind), &why).await,
                };
                let account = match self.voice(tx, &run, definition, *channel).await? {
                    Ok(account) => account,
                    Err(Voiceless::Stuck(why)) => {
                        // The node that has such an account may only be down for a moment.
                        let next_at = homeless_again(tx, self.now());
                        return Ok(Some(EnrollmentRow { next_at, ..self.stuck(run, &why) }));
                    }
                    Err(Voiceless::Elsewhere(account)) => {
                        self.elsewhere.push(account.clone());
                        return Ok(Some(self.homeless(tx, run, &account)));
                    }
                };
                let route = Route { account, domain: run.id.to_string(), template: None, place };
                self.send(tx, run, definition, (step, kind, route)).await
            }
            StepKind::Task { .. } => self.task(tx, run, step, kind).await,
            StepKind::Notify { text } => self.notify(tx, run, step, (kind, text)).await,
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
            Some(other) if kind == &step.kind && other.channel() != kind.channel() => {
                Box::pin(self.carry_out(tx, run, (definition, step), other)).await
            }
            _ => self.skip(tx, run, step, why).await,
        }
    }

    /// The account that says something on a channel that is no mail: the one they know, the one the sequence names, or the only one
    /// there is.
    async fn voice(
        &mut self,
        tx: &mut Tx,
        run: &EnrollmentRow,
        definition: &Definition,
        channel: Channel,
    ) -> Result<Result<String, Voiceless>, StoreError> {
        let known = tx.known_account(run.influencer_id, channel).await?;
        let named = definition.voices.get(channel.as_str());
        let is_here = |name: &&String| self.house.accounts.contains_key(*name);
        for name in [known.as_ref(), named].into_iter().flatten().take_while(|name| !is_here(name)) {
            // Whoever has it says it: another voice than the one they know would be a stranger to them.
            if tx.list_read_elsewhere(&[name.as_str()]).await?.iter().any(|read| read == name) {
                return Ok(Err(Voiceless::Elsewhere(name.clone())));
            }
            let expected = known.as_ref() == Some(name) && self.is_expected_back(tx, name, named.is_some()).await?;
            if expected {
                let why = format!(
                    "no node that runs has the account {name}, which they know: start it, or write {channel}_account for when it \
                     is gone for good (nobody read it for an hour)"
                );
                return Ok(Err(Voiceless::Stuck(why)));
            }
        }
        let chosen = match choose_voice(&self.house, channel, (known.as_ref(), named)) {
            Ok(chosen) => chosen,
            Err(why) => return Ok(Err(Voiceless::Stuck(why))),
        };
        if self.planner.is_limited(&chosen, definition) {
            self.planner.load(tx, &[&chosen], &[&run.sequence]).await?;
        }
        Ok(Ok(chosen))
    }

    /// Whether an account that no node has may be there again in a moment, for a node that restarts reads nothing meanwhile: that is no
    /// reason to be a stranger. Where the sequence names another, only as long as it was read lately.
    async fn is_expected_back(&self, tx: &mut Tx, account: &str, has_other: bool) -> Result<bool, StoreError> {
        let now = self.now();
        if homeless_again(tx, now).is_none() {
            return Ok(false);
        }
        let read_at = tx.get_account(account).await?.and_then(|row| row.last_sync_at);
        Ok(!has_other || read_at.is_some_and(|at| now.since(at) < EXPECTED_BACK))
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

    async fn send(
        &mut self,
        tx: &mut Tx,
        run: EnrollmentRow,
        definition: &Definition,
        (step, kind, route): (&Step, &StepKind, Route),
    ) -> Kept {
        let now = self.now();
        if self.planner.sender(&route.account).is_none() {
            return Ok(Some(self.homeless(tx, run, &route.account)));
        }
        // As it is planned: the account counts that it leaves from.
        let via = EnrollmentRow { account: route.account.clone(), ..run.clone() };
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
        let request = Request { due, domain: &route.domain, first: run.first, yields: run.first, seed };
        let kept = pencilled.filter(|at| *at <= now);
        let kept = kept
            .and_then(|at| self.who_at(&via, Some(&route.place), |planner, who| planner.place_due(who, &request, at)));
        let mut found = match kept {
            Some(Ok(planned)) if planned.at <= now => Some(Ok(planned)),
            _ => self.who_at(&via, Some(&route.place), |planner, who| planner.place(who, &request)),
        };
        // Where nobody looked when it was to be looked at (a daemon that was down), that is so for others, too: all of that at
        // once would be a burst.
        let looked_for = run.next_at.unwrap_or(now);
        let late = now.since(looked_for);
        let mut request = request;
        if late > QUEUED_MAX && matches!(&found, Some(Ok(planned)) if planned.at <= now) {
            let due = self.who_at(&via, Some(&route.place), |planner, who| planner.spread_from_now(who, seed));
            request = Request { due: Due::At(due.unwrap_or(now)), ..request };
            let again = self.who_at(&via, Some(&route.place), |planner, who| planner.place(who, &request));
            found = again.map(|again| again.map(|again| told_late((looked_for, late), again)));
        }
        while let Some(Ok(place)) = &found
            && self.planner.is_far(place.at)
        {
            // What this batch took and gave back is to be among what is read.
            self.pad.places(tx).await?;
            self.planner.reach(tx, place.at).await?;
            self.planner.give_back(run.id.0);
            found = self.who_at(&via, Some(&route.place), |planner, who| planner.place(who, &request));
        }
        let planned = match found {
            Some(Ok(planned)) => planned,
            Some(Err(never)) => return Ok(Some(self.stuck(run, &never.to_string()))),
            None => return Ok(Some(self.stuck(run, "the influencer is gone"))),
        };
        let planned = self.with_moves_before(&run, step, planned);
        // New people take a place only when its time has come, so that follow-ups that fall due until then go first.
        if run.first && planned.0.at > now {
            return Ok(Some(self.pencil(run, (step, kind, &route), planned)));
        }
        let (planned, moves) = planned;
        let plan = Plan { step, kind, route, planned, moves };
        self.write(tx, run, definition, plan).await
    }

    /// No node of ours has the account: it waits for one that has, or for somebody to mend it.
    fn homeless(&mut self, tx: &Tx, run: EnrollmentRow, account: &str) -> EnrollmentRow {
        let now = self.now();
        if self.elsewhere.iter().any(|other| other == account) {
            let waiting_for = Some(format!("a node that has the account {account} in its configuration"));
            return EnrollmentRow { next_at: Some(now.plus(ELSEWHERE)), waiting_for, ..run };
        }
        let why = format!("the account {account} is not configured any more");
        let next_at = homeless_again(tx, now);
        EnrollmentRow { next_at, ..self.stuck(run, &why) }
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
        (step, kind, route): (&Step, &StepKind, &Route),
        (planned, moves): (Planned, Vec<serde_json::Value>),
    ) -> EnrollmentRow {
        let row = ReservationRow {
            id: run.id.0,
            account: route.account.clone(),
            sequence: Some(run.sequence.clone()),
            domain: route.domain.clone(),
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

    /// Renders the message for its place in time; it goes into the outbox with those of the whole batch.
    async fn write(&mut self, tx: &mut Tx, run: EnrollmentRow, definition: &Definition, plan: Plan<'_>) -> Kept {
        let at = plan.planned.at;
        let letter = match self.compose(tx, &run, definition, &plan).await {
            Ok(letter) => letter,
            Err(Unwritten::Stuck(why)) => return Ok(Some(self.stuck(run, &why))),
            Err(Unwritten::Refused(EnqueueError::Store(error))) => return Err(error),
            Err(Unwritten::Refused(EnqueueError::Stopped(stopped))) => {
                let why = stopped.iter().map(|s| format!("{}: {}", s.address, s.reason)).collect::<Vec<_>>().join(", ");
                return self.skip(tx, run, plan.step, &why).await;
            }
            // They took it back since it was looked at.
            Err(Unwritten::Refused(error @ EnqueueError::NoConsent(_))) => {
                return self.skip(tx, run, plan.step, &error.to_string()).await;
            }
            Err(Unwritten::Refused(error)) => {
                let why = format!("the message of {}: {error}", plan.step.id);
                return Ok(Some(self.stuck(run, &why)));
            }
        };
        let row = ReservationRow {
            id: letter.id().0,
            account: plan.route.account.clone(),
            sequence: Some(run.sequence.clone()),
            domain: plan.route.domain,
            first: run.first,
            pencilled: false,
            at,
            gap: plan.planned.gap,
        };
        self.planner.take(row.clone());
        self.pad.taken.push(row);
        self.pad.given_back.push(run.id.0);
        self.pad.steps.push(StepRow {
            variant: plan.route.template,
            planned_at: Some(at),
            shifts: Some(serde_json::Value::Array(plan.moves)),
            message_id: Some(letter.id()),
            ..blank(&run, plan.step, plan.kind)
        });
        self.pad.letters.push(letter);
        self.planned += 1;
        self.accounts.push(plan.route.account);
        let sort = if matches!(plan.kind, StepKind::Email { .. }) { "mail" } else { "message" };
        let what = if plan.step.review {
            format!("somebody to read and approve the {sort} of")
        } else {
            format!("the {sort} to be sent:")
        };
        let waiting_for = Some(format!("{what} {}, planned for {at}", plan.step.id));
        Ok(Some(EnrollmentRow { phase: Phase::Send, next_at: None, waiting_for, ..run }))
    }

    async fn compose(
        &mut self,
        tx: &mut Tx,
        run: &EnrollmentRow,
        definition: &Definition,
        plan: &Plan<'_>,
    ) -> Result<Letter, Unwritten> {
        let StepKind::Say { channel, text } = plan.kind else {
            let order = self.order(run, definition, plan).map_err(Unwritten::Stuck)?;
            return enqueue::compose(self.clock, &mut self.ground, order).map_err(Unwritten::Refused);
        };
        let stuck = |why: String| Unwritten::Stuck(why);
        let sender = self.house.accounts.get(&plan.route.account);
        let sender = sender.ok_or_else(|| stuck(format!("the account {} is gone", plan.route.account)))?;
        let context = self.dossier.context(&self.house, run, None);
        let context = context.ok_or_else(|| stuck("the influencer is gone".to_owned()))?;
        let text = render_words(text, &context, *channel);
        let text = text.map_err(|error| stuck(format!("the text of {} can't be filled in: {error}", plan.step.id)))?;
        let order = WordsOrder {
            account: sender.from.clone(),
            channel: *channel,
            to: Mailbox { name: plan.route.place.name.trim().to_owned(), address: plan.route.place.value_key.clone() },
            text,
            answers: None,
            due_at: plan.planned.at,
            step: Some(WordsStep {
                id: MessageId(self.clock.new_id()),
                enrollment_id: run.id,
                step: plan.step.id.clone(),
                influencer_id: run.influencer_id,
                review: plan.step.review,
            }),
        };
        enqueue::compose_words(tx, self.clock, &mut self.ground, order).await.map_err(Unwritten::Refused)
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
        let template = plan.route.template.as_deref().unwrap_or_default();
        let rendered = render(definition, template, &context);
        let rendered = rendered.map_err(|error| format!("the template can't be filled in: {error}"))?;
        let given = (rendered.subject, &context);
        let Some((subject, answers)) = self.answers(run, (definition, plan.step), given) else {
            return Err(format!("{template} has no subject, and no mail above was sent"));
        };
        let attachments = preview::attachments_of(definition, template)?;
        Ok(Order {
            account: sender.from.clone(),
            to: vec![Mailbox {
                name: plan.route.place.name.trim().to_owned(),
                address: plan.route.place.value.clone(),
            }],
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

/// Why a message was not written.
enum Unwritten {
    /// A person has to mend something.
    Stuck(String),
    /// It may not, or can't, be sent.
    Refused(EnqueueError),
}

/// Why nobody says it from here.
enum Voiceless {
    /// A person has to mend something.
    Stuck(String),
    /// The account is another node's.
    Elsewhere(String),
}

/// The account that says something on a channel that is no mail: the one they know, the one that is named, or the only one there is.
/// Whoever heard from one hears from no other as long as it is there.
pub(super) fn choose_voice(
    house: &House,
    channel: Channel,
    (known, named): (Option<&String>, Option<&String>),
) -> Result<String, String> {
    let is_there = |name: &&String| house.accounts.get(*name).is_some_and(|sender| sender.channel == channel);
    if let Some(name) = known.filter(is_there) {
        return Ok(name.clone());
    }
    if let Some(name) = named {
        let gone = || format!("the account {name} of the channel {channel} is not configured any more");
        return Some(name).filter(is_there).cloned().ok_or_else(gone);
    }
    let mut all = house.accounts.iter().filter(|(_, sender)| sender.channel == channel).map(|(name, _)| name);
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => Err(format!("there is no account of the channel {channel}")),
        (Some(_), Some(_)) => Err(format!("several accounts are of the channel {channel}: write {channel}_account")),
    }
}

/// The newest mail of a run that was sent: a step without a subject answers it.
pub(super) fn last_sent(dossier: &Dossier, run: &EnrollmentRow) -> Option<MessageId> {
    let is_mail = |s: &&StepRow| s.state == StepState::Sent && s.kind == "email";
    let sent = dossier.steps(run.id).iter().filter(is_mail);
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
