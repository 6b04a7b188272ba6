//! A run whose mail is planned: what it waits for, read from how its mail stands, so that no look at it loses the reason
//! and none is left behind that nothing would look at again.

use serde_json::json;

use super::house::House;
use super::{BATCH, UNSURE, advance, event_of};
use crate::clock::Clock;
use crate::domain::ids::MessageId;
use crate::domain::time::Micros;
use crate::domain::words::{EnrollmentState, EventType, OutboxStatus, Phase, StepState};
use crate::hub::signal;
use crate::store::outbox::OutboxRow;
use crate::store::outreach::enrollment::EnrollmentRow;
use crate::store::{StoreError, Tx};

/// How the reason begins for which mail is held at which a server stopped our whole account. Whatever else changes, only a person
/// lets it go: it would stop the account again.
pub const STOPPED: &str = "the server stopped the account at it";
/// How long a run that waits for something to be mended is left alone, where nothing wakes it before.
pub const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_hours(24);

/// The same for one whose account no node has.
const HOMELESS_AGAIN: std::time::Duration = std::time::Duration::from_mins(10);

/// Looks at a run that nothing blocks and whose mail is planned. Mail that was held is let go to be looked at once more
/// before it leaves: then the account to wake.
pub async fn look(tx: &mut Tx, clock: &Clock, house: &House, run: EnrollmentRow) -> Result<Option<String>, StoreError> {
    let now = clock.now();
    let step = run.step.clone().unwrap_or_default();
    let steps = tx.list_steps(vec![run.id]).await?;
    let planned = steps.iter().find(|s| s.step == step);
    let row = match planned.and_then(|s| s.message_id) {
        Some(id) => tx.get_outbox(id).await?,
        None => None,
    };
    let Some(row) = row else {
        // Its mail was taken away: it is planned anew.
        let run = EnrollmentRow { state: EnrollmentState::Active, phase: Phase::Delay, next_at: Some(now), ..run };
        tx.update_enrollment(run, now).await?;
        return Ok(None);
    };
    match row.status {
        // First of all: only a person lets that go, whatever else holds it.
        OutboxStatus::Queued | OutboxStatus::Deferred if is_stopped(&row) => {
            let why = row.held_reason.unwrap_or_default();
            stuck(tx, clock, run, (&why, None)).await.map(|()| None)
        }
        OutboxStatus::Queued | OutboxStatus::Deferred if is_homeless(tx, house, &row.account).await? => {
            let why = homeless(&row.account);
            tx.reschedule_outbox(row.id, row.due_at, Some(&why)).await?;
            let again = homeless_again(tx, now);
            stuck(tx, clock, run, (&why, again)).await.map(|()| None)
        }
        OutboxStatus::Review | OutboxStatus::Queued | OutboxStatus::Deferred => go_on(tx, clock, run, &row).await,
        OutboxStatus::Claimed | OutboxStatus::HandedOver => {
            let waiting_for = Some(format!("the mail to be sent: {step}, on its way"));
            let run = EnrollmentRow { state: EnrollmentState::Active, next_at: None, waiting_for, ..run };
            tx.update_enrollment(run, now).await?;
            Ok(None)
        }
        OutboxStatus::Uncertain => stuck(tx, clock, run, (UNSURE, None)).await.map(|()| None),
        OutboxStatus::Rejected => {
            let why = refused(&step, row.detail.as_deref().unwrap_or("no reason given"));
            stuck(tx, clock, run, (&why, None)).await.map(|()| None)
        }
        OutboxStatus::Cancelled | OutboxStatus::Confirmed => {
            // Over, and the run was not told: on to the next step.
            let sent = row.status == OutboxStatus::Confirmed;
            let at = row.finished_at.filter(|_| sent).unwrap_or(now);
            let state = if sent { StepState::Sent } else { StepState::Skipped };
            tx.complete_step(run.id, &step, state, (at, row.detail.as_deref())).await?;
            advance(tx, clock, run, at).await?;
            Ok(None)
        }
    }
}

/// Mail that waits: what held it is asked once more before it leaves.
async fn go_on(tx: &mut Tx, clock: &Clock, run: EnrollmentRow, row: &OutboxRow) -> Result<Option<String>, StoreError> {
    let now = clock.now();
    let held = row.held_reason.is_some();
    if held {
        // Its place says how late it is: it goes out at once only where that is not too late.
        tx.reschedule_outbox(row.id, row.due_at, None).await?;
    }
    let step = run.step.as_deref().unwrap_or_default();
    let review = row.status == OutboxStatus::Review;
    let what = if review { "somebody to read and approve the mail of" } else { "the mail to be sent:" };
    let waiting_for = Some(format!("{what} {step}, planned for {}", row.due_at));
    let account = row.account.clone();
    let run = EnrollmentRow { state: EnrollmentState::Active, next_at: None, waiting_for, ..run };
    tx.update_enrollment(run, now).await?;
    Ok(held.then_some(account))
}

/// Whether mail is held because a server stopped our whole account at it.
pub fn is_stopped(row: &OutboxRow) -> bool {
    row.held_reason.as_deref().is_some_and(|why| why.starts_with(STOPPED))
}

fn homeless(account: &str) -> String {
    format!("the account {account} is not configured any more")
}

/// When a run of an account that no node has is looked at again: where there may be other nodes, the one that has it may only have
/// been down for a moment.
pub fn homeless_again(tx: &Tx, now: Micros) -> Option<Micros> {
    tx.is_shared().then(|| now.plus(HOMELESS_AGAIN))
}

/// Whether no node that lives has an account in its configuration.
async fn is_homeless(tx: &mut Tx, house: &House, account: &str) -> Result<bool, StoreError> {
    Ok(!house.accounts.contains_key(account) && tx.list_read_elsewhere(&[account]).await?.is_empty())
}

/// Mail that waits for an account that is not configured, on any node, is held, and its run says so: nobody would ever claim it.
/// How many.
pub async fn hold_homeless(tx: &mut Tx, clock: &Clock, house: &House) -> Result<u64, StoreError> {
    let mut held = 0;
    for account in &tx.list_waiting_accounts().await? {
        if !is_homeless(tx, house, account).await? {
            continue;
        }
        let why = homeless(account);
        loop {
            let runs = tx.lock_runs_of_due(account, Micros(i64::MAX), BATCH).await?;
            let mails = tx.open_mail_of(runs.iter().map(|r| r.id).collect()).await?;
            let mut moved = false;
            for mail in mails {
                moved |= tx.reschedule_outbox(mail.id, mail.due_at, Some(&why)).await?;
            }
            if !moved {
                break;
            }
            for run in runs {
                held += 1;
                let again = homeless_again(tx, clock.now());
                stuck(tx, clock, run, (&why, again)).await?;
            }
        }
    }
    Ok(held)
}

/// What a run says whose mail was refused for good.
pub(super) fn refused(step: &str, why: &str) -> String {
    format!("the mail of {step} was refused: {why}")
}

/// A run waits for somebody to mend something: says so, and is looked at again then, if not before.
pub(super) async fn stuck(
    tx: &mut Tx,
    clock: &Clock,
    run: EnrollmentRow,
    (why, again): (&str, Option<Micros>),
) -> Result<(), StoreError> {
    let now = clock.now();
    if run.waiting_for.as_deref() != Some(why) {
        let held = event_of(EventType::EnrollmentHeld, &run, now, json!({"reason": why}));
        signal::record(tx, clock, vec![held]).await?;
    }
    let state = if run.state == EnrollmentState::Paused { run.state } else { EnrollmentState::Held };
    // Where time stands still for it as well, it is looked at when that is over.
    let next_at = if run.held_at.is_some() { run.next_at } else { again };
    let run = EnrollmentRow { state, next_at, waiting_for: Some(why.to_owned()), ..run };
    tx.update_enrollment(run, now).await
}

/// The refused mail of a run that waits because of it, locked; none where it is no such mail.
pub(in crate::hub) async fn waits_for_refused(
    tx: &mut Tx,
    message: MessageId,
) -> Result<Option<EnrollmentRow>, StoreError> {
    let Some(mail) = tx.step_of_message(message).await? else { return Ok(None) };
    let run = tx.lock_enrollment(mail.enrollment_id).await?.filter(super::is_live);
    Ok(run.filter(|r| r.phase == Phase::Send && r.step.as_deref() == Some(mail.step.as_str())))
}
