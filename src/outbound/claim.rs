//! Claiming what is due, with everything checked again in the same transaction: the installation, the account, who said no,
//! whose address is dead; for steps of a sequence also the run, its holds and pauses, its condition, its hours and every limit.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{SendingSettings, Tools};
use crate::clock::Clock;
use crate::domain::ids::MessageId;
use crate::domain::retry::Tried;
use crate::domain::time::Micros;
use crate::domain::words::{AccountState, Channel, OutboxStatus, RecipientState};
use crate::hub::outreach::elsewhere;
use crate::hub::outreach::recheck::{lock_runs, recheck};
use crate::hub::settle;
use crate::store::outbox::claim::StoppedRecipient;
use crate::store::outbox::{Grip, RecipientRow};
use crate::store::outreach::enrollment::StepMail;
use crate::store::{StoreError, Tx};

/// How long nothing is looked at where what is due waits for another account to be read.
const UNREAD_REST: Duration = Duration::from_secs(10);

/// A message in hand.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    pub(super) grip: Grip,
    pub(super) tried: Tried,
    /// The envelope sender.
    pub(super) sender: String,
    /// Those still to be written to.
    pub(super) recipients: Vec<RecipientRow>,
}

/// What a claim found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) claimed: Vec<Claimed>,
    /// How long there is nothing to claim, in business time.
    pub(super) rest: Option<Duration>,
    /// Whether as many were due as were asked for.
    pub(super) more: bool,
}

/// Claims at most so many messages of an account. `login_refused`: this process saw the sign-in refused.
pub(super) async fn claim(
    tools: &Tools,
    settings: &SendingSettings,
    at_most: usize,
    login_refused: bool,
) -> Result<Found, StoreError> {
    // Most looks find nothing: they cost one read.
    let mut tx = tools.store.read().await?;
    let now = tools.clock.now();
    let next = tx.next_due_outbox(&settings.account).await?;
    let Some(next) = next else { return Ok(Found::default()) };
    if next > now {
        return Ok(Found { rest: Some(next.since(now)), ..Found::default() });
    }
    if !may_send(&mut tx, settings, login_refused).await? {
        return Ok(Found::default());
    }
    if let Some(until) = rests_until(&mut tx, settings, now).await? {
        return Ok(Found { rest: Some(until.since(now)), ..Found::default() });
    }
    tx.commit().await?;
    let mut tx = tools.store.begin("outbound.claim").await?;
    let found = claim_in(&mut tx, tools, settings, (at_most, login_refused)).await?;
    tx.commit().await?;
    Ok(found)
}

async fn may_send(tx: &mut Tx, settings: &SendingSettings, login_refused: bool) -> Result<bool, StoreError> {
    if tx.get_installation().await?.is_some_and(|i| i.held) {
        return Ok(false);
    }
    Ok(match tx.get_account(&settings.account).await?.map(|a| a.sending_state) {
        Some(AccountState::Paused) => false,
        // One that was refused before this process began is tried once: the password may be another one now.
        Some(AccountState::NeedsLogin) => !login_refused,
        Some(AccountState::Up | AccountState::Down) | None => true,
    })
}

/// Until when the provider wants to be left alone, whichever node it said so to.
async fn rests_until(tx: &mut Tx, settings: &SendingSettings, now: Micros) -> Result<Option<Micros>, StoreError> {
    let account = tx.get_account(&settings.account).await?;
    Ok(account.and_then(|account| account.rest_until).filter(|until| *until > now))
}

/// What is due, locked: of sequences too, or only what people wrote; of sequences nothing to whoever talks with an unread account.
async fn lock_due(
    tx: &mut Tx,
    settings: &SendingSettings,
    (now, room): (Micros, i64),
    (all, unread): (bool, &[String]),
) -> Result<Vec<MessageId>, StoreError> {
    let account = &settings.account;
    let after = now.minus(settings.gap);
    match (settings.channel == Channel::Email, all && !unread.is_empty()) {
        (false, true) => tx.lock_due_free_read(account, (now, after), unread, room).await,
        (false, false) => tx.lock_due_free(account, (now, after), all, room).await,
        (true, true) => tx.lock_due_read(account, now, unread, room).await,
        (true, false) if all => tx.lock_due_outbox(account, now, room).await,
        (true, false) => tx.lock_due_by_hand(account, now, room).await,
    }
}

/// Leaves of what is due what can't go beside something else: on a channel without an id of ours for each message, the same words must
/// not be under way to one address twice, or nobody could tell which of them arrived; and some providers ask for a time between two.
async fn leave_busy(
    tx: &mut Tx,
    settings: &SendingSettings,
    now: Micros,
    due: Vec<MessageId>,
) -> Result<Vec<MessageId>, StoreError> {
    if settings.channel == Channel::Email || due.is_empty() {
        return Ok(due);
    }
    let busy = tx.find_busy(due.clone(), &settings.account, now.minus(settings.gap)).await?;
    let mut seen = HashSet::new();
    let first: HashSet<MessageId> = tx
        .list_recipients(due.clone())
        .await?
        .into_iter()
        .map(|recipient| (recipient.address_key, recipient.outbox_id))
        .collect::<Vec<_>>()
        .into_iter()
        .filter(|(key, _)| seen.insert(key.clone()))
        .map(|(_, id)| id)
        .collect();
    Ok(due.into_iter().filter(|id| !busy.contains(id) && first.contains(id)).collect())
}

/// Whether what came into the account's mailbox is known. While it is not (the hub just began, or can't sign in), nobody knows who
/// answered or said no: what people write leaves all the same, what sequences write waits.
async fn is_read(tx: &mut Tx, settings: &SendingSettings) -> Result<bool, StoreError> {
    Ok(!settings.read_first || tx.is_mailbox_read(&settings.account).await?)
}

async fn claim_in(
    tx: &mut Tx,
    tools: &Tools,
    settings: &SendingSettings,
    asked: (usize, bool),
) -> Result<Found, StoreError> {
    let (at_most, login_refused) = asked;
    if !may_send(tx, settings, login_refused).await? {
        return Ok(Found::default());
    }
    let room = i64::try_from(at_most).unwrap_or(i64::MAX);
    let now = tools.clock.now();
    let all = is_read(tx, settings).await?;
    let after = (settings.channel != Channel::Email).then(|| now.minus(settings.gap));
    // What they may have said to another account is read first as well.
    let unread = if all && settings.read_first {
        elsewhere::unread_but(tx, &tools.desk.house(), &settings.account).await?
    } else {
        Vec::new()
    };
    let runs = if all { lock_runs(tx, &settings.account, (now, after, &unread), room).await? } else { Vec::new() };
    let mut due = lock_due(tx, settings, (now, room), (all, &unread)).await?;
    if settings.channel != Channel::Email {
        // Two nodes must not each take a message to the same address.
        tx.lock_account(&settings.account).await?;
    }
    due = leave_busy(tx, settings, now, due).await?;
    // Runs are locked before their mail, always: mail whose run another holds is left to it before anything is written of it.
    let is_ours = |mail: &StepMail| runs.iter().any(|run| run.id == mail.enrollment_id);
    let of_runs = tx.steps_of_messages(due.clone()).await?;
    let mut more = i64::try_from(due.len()).unwrap_or(i64::MAX) >= room;
    due.retain(|id| of_runs.iter().find(|mail| mail.id == *id).is_none_or(is_ours));
    if settings.channel != Channel::Email {
        // Where all that was found waits for something else, so does what comes after it.
        more &= !due.is_empty();
    }
    if settings.channel != Channel::Email {
        let known = settle::settle_known(tx, &tools.clock, due.clone()).await?;
        due.retain(|id| !known.contains(id));
    }
    let stopped = tx.find_stopped_recipients(due.clone()).await?;
    if !stopped.is_empty() {
        let over = stop_recipients(tx, &tools.clock, stopped).await?;
        due.retain(|id| !over.contains(id));
    }
    let over = stop_dead(tx, &tools.clock, due.clone()).await?;
    due.retain(|id| !over.contains(id));
    let later = recheck(tx, &tools.clock, &tools.desk.house(), (due.clone(), runs)).await?;
    due.retain(|id| !later.contains(id));
    let claimed = take(tx, tools, settings, due).await?;
    // What waits for another message is looked at when that is over, and what waits for the time between two when that is.
    let rest = Some(settings.gap).filter(|gap| !gap.is_zero());
    // So is what waits for another account to be read, now and then.
    let rest = if claimed.is_empty() && !unread.is_empty() { Some(UNREAD_REST) } else { rest };
    Ok(Found { claimed, rest, more })
}

/// Takes recipients off that must not be written to; the messages that nobody is left for are cancelled.
async fn stop_recipients(
    tx: &mut Tx,
    clock: &Clock,
    stopped: Vec<StoppedRecipient>,
) -> Result<Vec<MessageId>, StoreError> {
    let mut reasons: HashMap<MessageId, String> = HashMap::new();
    for s in stopped {
        let said = (None, Some(s.reason.clone()));
        tx.set_recipient(s.outbox_id, s.position, RecipientState::Suppressed, said).await?;
        reasons.insert(s.outbox_id, s.reason);
    }
    let mut over = Vec::new();
    if reasons.is_empty() {
        return Ok(over);
    }
    let left = tx.list_recipients(reasons.keys().copied().collect()).await?;
    for (id, reason) in reasons {
        let open = left
            .iter()
            .any(|r| r.outbox_id == id && matches!(r.state, RecipientState::Pending | RecipientState::Deferred));
        if !open {
            over.push(id);
            match settle::cancel(tx, clock, id, &reason).await {
                Ok(OutboxStatus::Cancelled | OutboxStatus::Confirmed) => {}
                Ok(other) => tracing::warn!(message = %id, status = %other, "not cancelled"),
                Err(settle::SettleError::Store(error)) => return Err(error),
                Err(error) => tracing::warn!(message = %id, %error, "not cancelled"),
            }
        }
    }
    Ok(over)
}

/// The same for addresses at which nothing arrives any more, in mail that a person wrote. Mail of a run may go to another
/// address of theirs: that is for the last look at it, which knows all of them.
async fn stop_dead(tx: &mut Tx, clock: &Clock, due: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
    let mut dead = tx.find_dead_recipients(due).await?;
    if dead.is_empty() {
        return Ok(Vec::new());
    }
    let steps = tx.steps_of_messages(dead.iter().map(|d| d.outbox_id).collect()).await?;
    dead.retain(|d| !steps.iter().any(|step| step.id == d.outbox_id));
    stop_recipients(tx, clock, dead).await
}

async fn take(
    tx: &mut Tx,
    tools: &Tools,
    settings: &SendingSettings,
    due: Vec<MessageId>,
) -> Result<Vec<Claimed>, StoreError> {
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.claim_outbox(due, tools.run, i64::from(settings.lease_seconds)).await?;
    let recipients = tx.list_recipients(rows.iter().map(|r| r.id).collect()).await?;
    let mut of: HashMap<MessageId, Vec<RecipientRow>> = HashMap::new();
    for recipient in recipients {
        if matches!(recipient.state, RecipientState::Pending | RecipientState::Deferred) {
            of.entry(recipient.outbox_id).or_default().push(recipient);
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| Claimed {
            grip: Grip { id: row.id, holder: tools.run, attempt: row.attempt },
            tried: Tried { failures: row.failures, first_try_at: row.first_try_at },
            sender: row.sender,
            recipients: of.remove(&row.id).unwrap_or_default(),
        })
        .collect())
}
