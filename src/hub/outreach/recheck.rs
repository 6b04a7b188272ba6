//! The last look before a step of a run goes out: everything is asked again, in the transaction that claims it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::dossier::{Blocked, Dossier, choose_place, own_no};
use super::house::House;
use super::outgoing::{self, LOOK_AGAIN};
use super::plan::{PUNCTUAL, Planner, Request, Who, step_seed};
use super::steer::{self, Replanned};
use super::{cancel_planned, end_reached, is_live};
use crate::clock::Clock;
use crate::domain::expression::evaluate;
use crate::domain::ids::{EnrollmentId, MessageId};
use crate::domain::schedule::{Due, Planned, Shift, ShiftReason};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EnrollmentState, Phase, RecipientState, SuppressionReason, Word as _};
use crate::store::outbox::RecipientRow;
use crate::store::outreach::enrollment::{EnrollmentRow, StepMail};
use crate::store::outreach::person::PlaceRow;
use crate::store::outreach::reservation::ReservationRow;
use crate::store::{StoreError, Tx};

/// How much later it may be and still leave at once: others were before it. What is later stood still, with others (a pause, a
/// daemon that was down), and all of that at once would be a burst: it is spread over the time after now.
pub const QUEUED_MAX: std::time::Duration = std::time::Duration::from_mins(15);

/// How soon what a paused account was to say is looked at again.
const REST_AGAIN: std::time::Duration = std::time::Duration::from_mins(5);

/// What the last look says.
enum Answer {
    Go,
    /// Not now: it has another place, or none until something is lifted.
    Later {
        at: Micros,
        shifts: serde_json::Value,
    },
    /// Time stands still for its run.
    Blocked(Blocked),
    /// Somebody has to mend something first.
    Stuck(String),
    /// The account is paused that says it.
    Rests(String),
    /// It goes to an address that is not theirs any more, or where nothing arrives: another is written in its place, to where
    /// they are reached now.
    Anew(String),
    /// Its condition does not hold any more.
    Skip(String),
    /// Its run is over.
    Over(String),
    /// They are in a stage that ends its run.
    Reached(String),
}

/// Locks what the last look needs, before any mail is locked: the capacity, and the runs of what is due. `after`: on a channel on
/// which messages to one address wait for each other, those of what need not wait (see [`Tx::lock_due_free`]). `unread`: accounts that
/// have to be read before anything goes to whoever talks with them.
pub async fn lock_runs(
    tx: &mut Tx,
    account: &str,
    (now, after, unread): (Micros, Option<Micros>, &[String]),
    at_most: i64,
) -> Result<Vec<EnrollmentRow>, StoreError> {
    tx.lock_capacity().await?;
    match (after, unread.is_empty()) {
        (Some(after), true) => tx.lock_runs_of_free(account, (now, after), at_most).await,
        (Some(after), false) => tx.lock_runs_of_free_read(account, (now, after), unread, at_most).await,
        (None, true) => tx.lock_runs_of_due(account, now, at_most).await,
        (None, false) => tx.lock_runs_of_due_read(account, now, unread, at_most).await,
    }
}

/// Of these messages, those that must not go out now. What they wait for, or why they never go, is written down; mail of
/// runs that are not among the locked ones is left for the next look.
pub async fn recheck(
    tx: &mut Tx,
    clock: &Clock,
    house: &Arc<House>,
    (ids, runs): (Vec<MessageId>, Vec<EnrollmentRow>),
) -> Result<Vec<MessageId>, StoreError> {
    let mails = tx.steps_of_messages(ids).await?;
    if mails.is_empty() {
        return Ok(Vec::new());
    }
    let mut to: HashMap<MessageId, Vec<RecipientRow>> = HashMap::new();
    for recipient in tx.list_recipients(mails.iter().map(|m| m.id).collect()).await? {
        to.entry(recipient.outbox_id).or_default().push(recipient);
    }
    let dossier = Dossier::load(tx, &runs).await?;
    let runs: HashMap<EnrollmentId, EnrollmentRow> = runs.into_iter().map(|r| (r.id, r)).collect();
    let mut planner = Planner::near(Arc::clone(house), clock.now());
    planner.load_own(tx, mails.iter().map(|m| m.id.0).collect()).await?;
    let mut stopped = Vec::new();
    for mail in mails {
        let Some(run) = runs.get(&mail.enrollment_id) else {
            stopped.push(mail.id);
            continue;
        };
        if dossier.definition(&run.version).is_some_and(|d| planner.is_limited(&mail.account, d)) {
            planner.load(tx, &[&mail.account], &[&run.sequence]).await?;
        }
        let recipients = to.get(&mail.id).map(Vec::as_slice).unwrap_or_default();
        let mut answer = judge(&mut planner, &dossier, house, (&mail, run, recipients), clock.now());
        while let Answer::Later { at, .. } = &answer
            && planner.reach(tx, *at).await?
        {
            answer = judge(&mut planner, &dossier, house, (&mail, run, recipients), clock.now());
        }
        if !Box::pin(carry_out(tx, clock, &mut planner, (&mail, run), answer)).await? {
            stopped.push(mail.id);
        }
    }
    Ok(stopped)
}

/// Writes down what the last look says; whether the mail goes out.
async fn carry_out(
    tx: &mut Tx,
    clock: &Clock,
    planner: &mut Planner,
    (mail, run): (&StepMail, &EnrollmentRow),
    answer: Answer,
) -> Result<bool, StoreError> {
    let now = clock.now();
    match answer {
        Answer::Go => {
            // It counts from here on, so that what is looked at after it sees it, whether it is sent by then or not.
            if let Some(place) = planner.reservation(mail.id.0).map(|place| place.at) {
                let at = planner.counts_from(place);
                if at != place {
                    tx.move_reservation(mail.id.0, at).await?;
                    planner.move_to(mail.id.0, at);
                }
            }
            return Ok(true);
        }
        Answer::Later { at, shifts } => {
            tx.reschedule_outbox(mail.id, at, None).await?;
            // It is we who don't try it meanwhile: that uses nothing of the days it is tried for.
            tx.shift_tries(run.id, at.0.saturating_sub(now.0)).await?;
            tx.replan_step(run.id, &mail.step, at, Some(shifts)).await?;
            tx.move_reservation(mail.id.0, at).await?;
            planner.move_to(mail.id.0, at);
        }
        Answer::Blocked(blocked) => {
            tx.reschedule_outbox(mail.id, mail.due_at, Some(&blocked.why)).await?;
            let state = if run.state == EnrollmentState::Paused { run.state } else { EnrollmentState::Held };
            let held_at = Some(blocked.held_at(run, now));
            let run =
                EnrollmentRow { state, held_at, next_at: blocked.until, waiting_for: Some(blocked.why), ..run.clone() };
            tx.update_enrollment(run, now).await?;
        }
        Answer::Stuck(why) => hold_stuck(tx, clock, (mail, run), &why, LOOK_AGAIN).await?,
        Answer::Rests(why) => hold_stuck(tx, clock, (mail, run), &why, REST_AGAIN).await?,
        Answer::Anew(why) => {
            if steer::plan_anew(tx, clock, run, &mail.step, &why).await? == Replanned::Free {
                planner.give_back(mail.id.0);
                let state = EnrollmentState::Active;
                let run =
                    EnrollmentRow { state, phase: Phase::Delay, next_at: Some(now), waiting_for: None, ..run.clone() };
                tx.update_enrollment(run, now).await?;
            }
        }
        Answer::Reached(stage) => {
            end_reached(tx, clock, vec![run.clone()], &stage).await?;
            planner.give_back(mail.id.0);
        }
        // A step that is taken back counts as skipped, where its run goes on.
        Answer::Skip(why) | Answer::Over(why) => {
            cancel_planned(tx, clock, mail.id, &why).await?;
            planner.give_back(mail.id.0);
        }
    }
    Ok(false)
}

/// What stands in its way is for a person, and looked at again after a while.
async fn hold_stuck(
    tx: &mut Tx,
    clock: &Clock,
    (mail, run): (&StepMail, &EnrollmentRow),
    why: &str,
    again: std::time::Duration,
) -> Result<(), StoreError> {
    tx.reschedule_outbox(mail.id, mail.due_at, Some(why)).await?;
    outgoing::stuck(tx, clock, run.clone(), (why, Some(clock.now().plus(again)))).await
}

fn judge(
    planner: &mut Planner,
    dossier: &Dossier,
    house: &House,
    (mail, run, recipients): (&StepMail, &EnrollmentRow, &[RecipientRow]),
    now: Micros,
) -> Answer {
    if !is_live(run) || run.phase != Phase::Send || run.step.as_deref() != Some(mail.step.as_str()) {
        return Answer::Over("its run is over".to_owned());
    }
    if let Some(blocked) = dossier.blocked(run, now) {
        return Answer::Blocked(blocked);
    }
    let Some(person) = dossier.person(run.influencer_id) else {
        return Answer::Over("the influencer is gone".to_owned());
    };
    let Some(definition) = dossier.definition(&run.version) else {
        return Answer::Stuck(dossier.unreadable(&run.version).to_owned());
    };
    if let Some(stage) = dossier.reached(run) {
        return Answer::Reached(stage.to_owned());
    }
    // Its mailbox's pause is looked at above. This one is looked at again, for its end wakes only runs of the mailbox.
    if let Some(why) = dossier.paused_account(&mail.account) {
        return Answer::Rests(why);
    }
    let Some(sender) = planner.sender(&mail.account) else {
        return Answer::Stuck(format!("the account {} is not configured any more", mail.account));
    };
    let places = dossier.places(run.influencer_id);
    if let Some(no) = own_no(places, sender.channel) {
        return Answer::Skip(format!("they must not be written to ({no})"));
    }
    if let Some(answer) = recipients.iter().find_map(|recipient| misdirected(places, recipient)) {
        return answer;
    }
    if let Some(answer) = unasked(places, sender.channel, recipients) {
        return answer;
    }
    if let Some(condition) = definition.step(&mail.step).and_then(|(_, step)| step.condition.as_deref()) {
        match dossier.facts(house, run).map(|facts| evaluate(condition, &facts)) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => return Answer::Skip(format!("the condition does not hold any more: {condition}")),
            Some(Err(error)) => return Answer::Stuck(format!("the condition can't be answered: {error}")),
            None => return Answer::Over("the influencer is gone".to_owned()),
        }
    }
    let (timezone, phone) = dossier.clock_of(person, rings(places, recipients));
    let who = Who { definition, version: &run.version, account: &mail.account, timezone, phone };
    find_room(planner, &who, (mail, run), now)
}

/// The number at which a text message rings.
pub(super) fn rings<'a>(places: &'a [PlaceRow], recipients: &[RecipientRow]) -> Option<&'a PlaceRow> {
    let to = recipients.first()?;
    places.iter().find(|place| place.channel == Channel::Sms && place.value_key == to.address_key)
}

/// What becomes of a text message that nobody agreed to any more at its number; nothing where they do.
fn unasked(places: &[PlaceRow], channel: Channel, recipients: &[RecipientRow]) -> Option<Answer> {
    let agreed = |r: &RecipientRow| places.iter().any(|p| p.value_key == r.address_key && p.agreed);
    if channel != Channel::Sms || recipients.iter().all(agreed) {
        return None;
    }
    let why = "nobody has noted that they agree to text messages, or they took it back".to_owned();
    let elsewhere =
        choose_place(places, channel).is_ok_and(|place| recipients.iter().all(|r| r.address_key != place.value_key));
    Some(if elsewhere { Answer::Anew(why) } else { Answer::Skip(why) })
}

/// What becomes of mail that can't go to this recipient any more; nothing where it can. `places` are theirs and their agents'.
fn misdirected(places: &[PlaceRow], recipient: &RecipientRow) -> Option<Answer> {
    if !matches!(recipient.state, RecipientState::Pending | RecipientState::Deferred) {
        return None;
    }
    let address = &recipient.address;
    let Some(place) = places.iter().find(|place| place.value_key == recipient.address_key) else {
        return Some(Answer::Anew(format!("{address} is not their address any more")));
    };
    place.dead_at?;
    // A no is a person's: what would have reached them at one address is not sent to another then.
    let own = places.iter().filter(|p| p.agent_id.is_none() && p.channel == place.channel);
    let mut stops = own.filter_map(|p| p.suppressed.as_deref());
    Some(match stops.find(|reason| *reason != SuppressionReason::Bounced.as_str()) {
        Some(reason) => Answer::Skip(format!("they must not be written to ({reason})")),
        None => Answer::Anew(format!("nothing arrives at {address} any more")),
    })
}

/// Whether there is room for it right now, or when there will be.
fn find_room(planner: &mut Planner, who: &Who<'_>, (mail, run): (&StepMail, &EnrollmentRow), now: Micros) -> Answer {
    let seed = step_seed(&run.sequence, run.influencer_id.0, run.run, &mail.step);
    let place = planner.reservation(mail.id.0);
    let domain = place.map(|r| r.domain.clone()).unwrap_or_default();
    // By its place, or by when it was to be tried again: what stood still (a hold, a pause) would all leave at once.
    let place = place.map_or(mail.due_at, |place| place.at.max(mail.due_at));
    // What is in the outbox has its place: nobody's pencilled one is in its way.
    let request = Request { due: Due::At(place), domain: &domain, first: run.first, yields: false, seed };
    let late = now.since(place);
    if late <= PUNCTUAL && planner.is_open_now(who) && planner.has_room_now(who, &request, mail.id.0) {
        return Answer::Go;
    }
    let mut found = planner.place_again(who, &request, mail.id.0);
    if late > QUEUED_MAX && found.as_ref().is_ok_and(|found| found.at <= now) {
        let spread = Request { due: Due::At(planner.spread_from_now(who, seed)), ..request };
        found = planner.place_again(who, &spread, mail.id.0).map(|again| told_late((place, late), again));
    }
    match found {
        Ok(found) if found.at <= now => Answer::Go,
        Ok(found) => Answer::Later { at: found.at, shifts: super::shifts_json(&found.shifts) },
        Err(never) => Answer::Stuck(never.to_string()),
    }
}

/// The place of what is late, with that as the first reason.
pub fn told_late((place, by): (Micros, std::time::Duration), mut found: Planned) -> Planned {
    let to = found.shifts.first().map_or(found.at, |shift| shift.from);
    found.shifts.insert(0, Shift { from: place, to, reason: ShiftReason::Late { by } });
    found
}

/// A place for what a person writes: it counts, and never waits.
pub async fn reserve_manual(
    tx: &mut Tx,
    message: MessageId,
    (account, domain): (&str, String),
    at: Micros,
) -> Result<(), StoreError> {
    let row = ReservationRow {
        id: message.0,
        account: account.to_owned(),
        sequence: None,
        domain,
        first: false,
        pencilled: false,
        at,
        gap: 0,
    };
    tx.upsert_reservations(vec![row]).await
}

/// The moves of a send, as they are kept.
pub(super) fn shifts_of(shifts: &[crate::domain::schedule::Shift]) -> serde_json::Value {
    shifts
        .iter()
        .map(|s| json!({"from": s.from, "to": s.to, "rule": s.reason.word(), "why": s.reason.to_string()}))
        .collect()
}
