//! The last look before a step of a run goes out: everything is asked again, in the transaction that claims it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::dossier::Dossier;
use super::house::House;
use super::plan::{Planner, Request, Who, step_seed};
use super::{cancel_planned, is_live};
use crate::clock::Clock;
use crate::domain::expression::evaluate;
use crate::domain::ids::{EnrollmentId, MessageId};
use crate::domain::schedule::Due;
use crate::domain::time::Micros;
use crate::domain::words::Phase;
use crate::store::outreach::enrollment::{EnrollmentRow, StepMail};
use crate::store::outreach::reservation::ReservationRow;
use crate::store::{StoreError, Tx};

/// How much later than planned a send may be without being placed again. Machines are a little late, always.
const PUNCTUAL: std::time::Duration = std::time::Duration::from_mins(2);

/// What the last look says.
enum Answer {
    Go,
    /// Not now: it has another place, or none until something is lifted.
    Later {
        at: Micros,
        shifts: serde_json::Value,
    },
    Held(String),
    /// Its condition does not hold any more.
    Skip(String),
    /// Its run is over.
    Over(String),
}

/// Locks what the last look needs, before any mail is locked: the capacity, and the runs of what is due.
pub async fn lock_runs(
    tx: &mut Tx,
    account: &str,
    now: Micros,
    at_most: i64,
) -> Result<Vec<EnrollmentRow>, StoreError> {
    tx.lock_capacity().await?;
    tx.lock_runs_of_due(account, now, at_most).await
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
    let dossier = Dossier::load(tx, &runs).await?;
    let runs: HashMap<EnrollmentId, EnrollmentRow> = runs.into_iter().map(|r| (r.id, r)).collect();
    let mut planner = Planner::new(Arc::clone(house), clock.now());
    let mut stopped = Vec::new();
    for mail in mails {
        let Some(run) = runs.get(&mail.enrollment_id) else {
            stopped.push(mail.id);
            continue;
        };
        if dossier.definition(&run.version).is_some_and(|d| planner.is_limited(&run.account, d)) {
            planner.load(tx, &[&run.account], &[&run.sequence]).await?;
        }
        let answer = judge(&mut planner, &dossier, house, (&mail, run), clock.now());
        match answer {
            Answer::Go => {
                // It counts from now on, so that what is looked at after it sees it, whether it is sent by then or not.
                if planner.reservation(mail.id.0).is_some_and(|place| place.at != clock.now()) {
                    tx.move_reservation(mail.id.0, clock.now()).await?;
                    planner.move_to(mail.id.0, clock.now());
                }
                continue;
            }
            Answer::Later { at, shifts } => {
                tx.reschedule_outbox(mail.id, at, None).await?;
                tx.replan_step(run.id, &mail.step, at, Some(shifts)).await?;
                tx.move_reservation(mail.id.0, at).await?;
                planner.move_to(mail.id.0, at);
            }
            Answer::Held(why) => {
                tx.reschedule_outbox(mail.id, mail.due_at, Some(&why)).await?;
            }
            // A step that is taken back counts as skipped, where its run goes on.
            Answer::Skip(why) | Answer::Over(why) => cancel_planned(tx, clock, mail.id, &why).await?,
        }
        stopped.push(mail.id);
    }
    Ok(stopped)
}

fn judge(
    planner: &mut Planner,
    dossier: &Dossier,
    house: &House,
    (mail, run): (&StepMail, &EnrollmentRow),
    now: Micros,
) -> Answer {
    if !is_live(run) || run.phase != Phase::Send || run.step.as_deref() != Some(mail.step.as_str()) {
        return Answer::Over("its run is over".to_owned());
    }
    if let Some(blocked) = dossier.blocked(run, now) {
        return Answer::Held(blocked.why);
    }
    let (Some(person), Some(definition)) = (dossier.person(run.influencer_id), dossier.definition(&run.version)) else {
        return Answer::Over("the influencer is gone".to_owned());
    };
    if let Some(condition) = definition.step(&mail.step).and_then(|(_, step)| step.condition.as_deref()) {
        match dossier.facts(house, run).map(|facts| evaluate(condition, &facts)) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => return Answer::Skip(format!("the condition does not hold any more: {condition}")),
            Some(Err(error)) => return Answer::Held(format!("the condition can't be answered: {error}")),
            None => return Answer::Over("the influencer is gone".to_owned()),
        }
    }
    let who = Who {
        definition,
        version: &run.version,
        account: &run.account,
        timezone: person.timezone.as_deref(),
        phone: None,
    };
    let seed = step_seed(&run.sequence, run.influencer_id.0, run.run, &mail.step);
    let domain = planner.reservation(mail.id.0).map(|r| r.domain.clone()).unwrap_or_default();
    let request = Request { due: Due::At(mail.due_at), domain: &domain, first: run.first, seed };
    // By its place, not by when it may leave: what stood still (a hold, a pause) may leave at once, and would all at once.
    let late = now.since(planner.reservation(mail.id.0).map_or(mail.due_at, |place| place.at));
    if late <= PUNCTUAL && planner.is_open_now(&who) && planner.has_room_now(&who, &request, mail.id.0) {
        return Answer::Go;
    }
    match planner.place_again(&who, &request, mail.id.0) {
        Ok(found) if found.at <= now => Answer::Go,
        Ok(found) => Answer::Later { at: found.at, shifts: super::shifts_json(&found.shifts) },
        Err(never) => Answer::Held(never.to_string()),
    }
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
