//! Writing down how far a message came and what became of it. Each function is one transaction, guarded by the attempt it
//! speaks of: where the row is no longer this attempt's, nothing is written.

use std::time::Duration;

use super::Tools;
use super::claim::Claimed;
use crate::clock;
use crate::connector::Reply;
use crate::domain::bounce::Severity;
use crate::domain::chat::HarmOf;
use crate::domain::oauth::rewritten_id;
use crate::domain::retry::{AccountTrouble, Judgement, Refusal, Retry, Step, judge_refusal, plan_retry};
use crate::domain::threading::id_key;
use crate::domain::time::Micros;
use crate::domain::words::{EventType, OutboxStatus, RecipientState};
use crate::hub::fares;
use crate::hub::outreach::outgoing::STOPPED;
use crate::hub::outreach::{self, UNSURE};
use crate::hub::{settle, signal};
use crate::store::outbox::outcome::Outcome;
use crate::store::outbox::{Grip, HandedOver, RecipientRow};
use crate::store::{StoreError, Tx};

/// The longest that an account or a message waits because a provider asked for that.
const REST_MAX: Duration = Duration::from_hours(1);
/// Tries of a write that fails for another reason than a database that is away.
const ODD_ERRORS_MAX: u32 = 20;

/// One recipient of an offer, and what the server said of it: nothing where it was taken.
pub(super) struct Answer<'a> {
    pub(super) recipient: &'a RecipientRow,
    pub(super) reply: Option<&'a Reply>,
}

/// A refusal, and whether it is our account that is in trouble.
pub(super) type Trouble = Option<(AccountTrouble, String)>;

pub(super) fn judge(step: Step, reply: &Reply) -> Judgement {
    judge_refusal(Refusal { step, code: reply.code, enhanced: reply.enhanced.as_deref(), text: &reply.text })
}

/// Writes until it is written: what a server said must not be lost because the database is away for a moment.
pub(super) async fn insist<T, F>(what: &'static str, mut write: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut odd = 0;
    let mut pause = Duration::from_millis(20);
    loop {
        match write().await {
            Ok(value) => return Some(value),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => {
                let passing = matches!(error, StoreError::Unavailable(_) | StoreError::Commit(_));
                odd += u32::from(!passing);
                tracing::warn!(what, %error, "a record can't be written; trying again");
                if odd >= ODD_ERRORS_MAX {
                    tracing::error!(what, "a record was not written; its lease will run out");
                    return None;
                }
            }
        }
        tokio::time::sleep(clock::jitter(pause)).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Writes, right before the content goes out, which recipients are in the offer, and that it is handed over. `None`: the
/// row is not ours any more, or it was stopped meanwhile; nothing may be sent.
pub(super) async fn hand_over(
    tools: &Tools,
    grip: Grip,
    answers: &[Answer<'_>],
) -> Result<Option<HandedOver>, StoreError> {
    let mut tx = tools.store.begin("outbound.hand_over").await?;
    if tx.get_installation().await?.is_some_and(|i| i.held) {
        return Ok(None);
    }
    for answer in answers {
        match answer.reply {
            Some(reply) => write_refusal(&mut tx, tools, Step::Recipient, (answer.recipient, reply)).await?,
            None if answer.recipient.state == RecipientState::Pending => {}
            None => {
                tx.set_recipient(grip.id, answer.recipient.position, RecipientState::Pending, (None, None)).await?;
            }
        }
    }
    let Some(handed_over) = tx.mark_handed_over(grip, tools.clock.now()).await? else { return Ok(None) };
    tx.commit().await?;
    Ok(Some(handed_over))
}

/// Writes what the server said of one recipient; a dead address is marked as such.
async fn write_refusal(tx: &mut Tx, tools: &Tools, step: Step, of: (&RecipientRow, &Reply)) -> Result<(), StoreError> {
    let (recipient, reply) = of;
    let judgement = judge(step, reply);
    let state = match judgement {
        // What a server has against us burns nobody's mail; a mailbox that is full may be emptied.
        Judgement::Transient | Judgement::Account(_) | Judgement::Permanent(Severity::Soft) => RecipientState::Deferred,
        Judgement::Permanent(_) => RecipientState::Rejected,
    };
    let said = (Some(i64::from(reply.code)), Some(words(reply)));
    tx.set_recipient(recipient.outbox_id, recipient.position, state, said).await?;
    if judgement == Judgement::Permanent(Severity::Hard) {
        tx.set_address_dead(&recipient.address_key, tools.clock.now(), &words(reply)).await?;
    }
    Ok(())
}

/// A full mailbox counts as a soft bounce, once per message: the third one in 14 days holds the person.
async fn count_soft(tx: &mut Tx, tools: &Tools, step: Step, of: (&RecipientRow, &Reply)) -> Result<(), StoreError> {
    let (recipient, reply) = of;
    if judge(step, reply) != Judgement::Permanent(Severity::Soft) {
        return Ok(());
    }
    let data = serde_json::json!({
        "address": recipient.address, "severity": "soft", "status": reply.enhanced, "diagnostic": words(reply),
    });
    signal::record_outcome(tx, &tools.clock, EventType::MessageBounced, recipient.outbox_id, data).await
}

fn words(reply: &Reply) -> String {
    match &reply.enhanced {
        Some(enhanced) => format!("{} {enhanced} {}", reply.code, reply.text),
        None => format!("{} {}", reply.code, reply.text),
    }
}

/// A share between 0 and 1.
fn chance() -> f64 {
    let length = Duration::from_secs(1000);
    (clock::jitter(length).saturating_sub(length).as_secs_f64() / 500.0).clamp(0.0, 1.0)
}

/// Records that the server took the message for everybody in the offer that it had not refused.
pub(super) async fn accepted(
    tools: &Tools,
    claimed: &Claimed,
    reply: &Reply,
    (account, provider_id): (&str, Option<&str>),
) -> Result<bool, StoreError> {
    let mut tx = tools.store.begin("outbound.record_accepted").await?;
    let (grip, now) = (claimed.grip, tools.clock.now());
    tx.lock_run_of(grip.id).await?;
    let recipients = tx.list_recipients(vec![grip.id]).await?;
    let is_first = !recipients.iter().any(|r| r.state == RecipientState::Accepted);
    let later = recipients.iter().any(|r| r.state == RecipientState::Deferred);
    let retry = if later { Some(plan_retry(claimed.tried, now, chance())) } else { None };
    let outcome =
        Outcome { tried_at: Some(now), detail: Some(words(reply)), ..after(retry, OutboxStatus::Confirmed, now) };
    let is_ours = tx.record_outbox(grip, &outcome).await?;
    // The id proves that it was sent, also where the row is another attempt's by now; what was erased meanwhile stays so.
    if let Some(id) = provider_id
        && (is_ours || tx.get_outbox(grip.id).await?.is_some())
    {
        fares::note_id(&mut tx, account, (id, grip.id)).await?;
    }
    if !is_ours {
        tx.commit().await?;
        return Ok(false);
    }
    let code = Some(i64::from(reply.code));
    tx.move_recipients(grip.id, RecipientState::Pending, RecipientState::Accepted, code).await?;
    if is_first {
        let data = serde_json::json!({"reply": words(reply), "refused": refused(&recipients)});
        settle::note_sent(&mut tx, &tools.clock, grip.id, now, data).await?;
    }
    // A provider that gives the mail an id of its own says it here or never: answers to it name that one.
    if let Some(id) = rewritten_id(&reply.text) {
        tx.insert_ref_of(grip.id, &id_key(id)).await?;
    }
    end_refused(&mut tx, tools, claimed, (retry, &recipients)).await?;
    tx.commit().await?;
    Ok(true)
}

/// Records that a message has to wait until an instant that the provider named, and with it everything of the account where one is given.
/// It is no failure of the message. What a provider asks for is heeded for an hour at most, and then it is asked again.
pub(super) async fn wait(
    tools: &Tools,
    claimed: &Claimed,
    (until, why): (Micros, &str),
    account: Option<&str>,
) -> Result<bool, StoreError> {
    let mut tx = tools.store.begin("outbound.wait").await?;
    let until = until.min(tools.clock.now().plus(REST_MAX));
    if let Some(account) = account {
        tx.rest_account(account, until).await?;
    }
    if plan_retry(claimed.tried, tools.clock.now(), 0.0) == Retry::GiveUp {
        return give_up(tx, tools, claimed, why).await;
    }
    let status = if claimed.tried.failures > 0 { OutboxStatus::Deferred } else { OutboxStatus::Queued };
    let outcome = Outcome {
        // Where all of the account rests, it goes first as soon as the rest ends, also where a person ends it.
        due_at: Some(until).filter(|_| account.is_none()),
        tried_at: Some(tools.clock.now()),
        detail: Some(why.to_owned()),
        ..Outcome::plain(status)
    };
    let done = tx.record_outbox(claimed.grip, &outcome).await?;
    tx.commit().await?;
    Ok(done)
}

/// The state after an attempt: waiting for another one, or the end.
fn after(retry: Option<Retry>, end: OutboxStatus, now: Micros) -> Outcome {
    match retry {
        Some(Retry::Later(at)) => Outcome { due_at: Some(at), failed: 1, ..Outcome::plain(OutboxStatus::Deferred) },
        Some(Retry::GiveUp) | None => Outcome { finished_at: Some(now), ..Outcome::plain(end) },
    }
}

/// The refused recipients, for an event.
fn refused(recipients: &[RecipientRow]) -> serde_json::Value {
    recipients
        .iter()
        .filter(|r| matches!(r.state, RecipientState::Rejected | RecipientState::Deferred))
        .map(|r| serde_json::json!({"address": r.address, "state": r.state, "detail": r.detail}))
        .collect()
}

/// Events for recipients that did not get it this time; those that are given up are marked so.
async fn end_refused(
    tx: &mut Tx,
    tools: &Tools,
    claimed: &Claimed,
    so_far: (Option<Retry>, &[RecipientRow]),
) -> Result<(), StoreError> {
    let (retry, recipients) = so_far;
    let id = claimed.grip.id;
    if retry == Some(Retry::GiveUp) {
        tx.move_recipients(id, RecipientState::Deferred, RecipientState::Rejected, None).await?;
    }
    let asked = |r: &&RecipientRow| claimed.recipients.iter().any(|c| c.position == r.position);
    let rejected = recipients.iter().filter(asked).any(|r| r.state == RecipientState::Rejected);
    match retry {
        Some(Retry::Later(_)) => {
            let data = serde_json::json!({"recipients": refused(recipients)});
            signal::record_outcome(tx, &tools.clock, EventType::MessageDeferred, id, data).await?;
        }
        Some(Retry::GiveUp) | None => {}
    }
    if rejected || retry == Some(Retry::GiveUp) {
        // Whom nobody could deliver to for three days refused nothing.
        let data = serde_json::json!({"recipients": refused(recipients), "given_up": !rejected});
        signal::record_outcome(tx, &tools.clock, EventType::MessageRejected, id, data).await?;
    }
    Ok(())
}

/// Records a refusal of the whole attempt: nothing of it was sent. Says whether our account is in trouble.
pub(super) async fn refused_all(
    tools: &Tools,
    claimed: &Claimed,
    (step, harm): (Step, HarmOf),
    replies: &[(&RecipientRow, &Reply)],
) -> Result<Trouble, StoreError> {
    let trouble = replies.iter().find_map(|(_, reply)| match judge(step, reply) {
        Judgement::Account(trouble) => Some((trouble, words(reply))),
        Judgement::Transient | Judgement::Permanent(_) => None,
    });
    if let Some((kind, why)) = trouble {
        if !is_at_this_message(step, kind) {
            give_back(tools, claimed, Some((kind, &why))).await?;
            return Ok(Some((kind, why)));
        }
        return stopped_at(tools, claimed, (step, replies), (kind, why)).await.map(Some);
    }
    let mut tx = tools.store.begin("outbound.record_refused").await?;
    let (grip, now) = (claimed.grip, tools.clock.now());
    tx.lock_run_of(grip.id).await?;
    let passing = |j| matches!(j, Judgement::Transient | Judgement::Permanent(Severity::Soft));
    let transient = replies.iter().any(|(_, reply)| passing(judge(step, reply)));
    let retry = if transient { Some(plan_retry(claimed.tried, now, chance())) } else { None };
    let before = tx.list_recipients(vec![grip.id]).await?;
    let some_have_it = before.iter().any(|r| r.state == RecipientState::Accepted);
    let end = if some_have_it { OutboxStatus::Confirmed } else { OutboxStatus::Rejected };
    let detail = replies.first().map(|(_, reply)| match retry {
        Some(Retry::GiveUp) => format!("given up after three days: {}", words(reply)),
        _ => words(reply),
    });
    let outcome = Outcome { tried_at: Some(now), detail, ..after(retry, end, now) };
    if !tx.record_outbox(grip, &outcome).await? {
        return Ok(None);
    }
    for (recipient, reply) in replies {
        write_refusal(&mut tx, tools, step, (recipient, reply)).await?;
        if let Some(code) = &reply.enhanced {
            fares::harm(&mut tx, &tools.clock, &recipient.address_key, (harm(code), code), grip.id).await?;
        }
        if claimed.tried.failures == 0 {
            count_soft(&mut tx, tools, step, (recipient, reply)).await?;
        }
    }
    if outcome.status == OutboxStatus::Rejected {
        tx.untouch(grip.id).await?;
        let why = outcome.detail.as_deref().unwrap_or("no reason given");
        outreach::step_rejected(&mut tx, &tools.clock, grip.id, why).await?;
    }
    let recipients = tx.list_recipients(vec![grip.id]).await?;
    end_refused(&mut tx, tools, claimed, (retry, &recipients)).await?;
    tx.commit().await?;
    Ok(None)
}

/// Whether a trouble of our account came up at something of the message itself: at one of its recipients or at its content. It
/// may be all about that message, so the account must not be tried with it again and again.
pub(super) fn is_at_this_message(step: Step, kind: AccountTrouble) -> bool {
    matches!(step, Step::Recipient | Step::Content)
        && matches!(kind, AccountTrouble::Unreachable | AccountTrouble::Policy)
}

/// Records that a server stopped our account at this message: it is tried later than others, and after a policy only when a
/// person says so. Nothing of it was sent. The trouble, with the message named where it waits for somebody.
pub(super) async fn stopped_at(
    tools: &Tools,
    claimed: &Claimed,
    (step, replies): (Step, &[(&RecipientRow, &Reply)]),
    (kind, why): (AccountTrouble, String),
) -> Result<(AccountTrouble, String), StoreError> {
    let mut tx = tools.store.begin("outbound.record_stopped").await?;
    let (grip, now) = (claimed.grip, tools.clock.now());
    tx.lock_run_of(grip.id).await?;
    let retry = plan_retry(claimed.tried, now, chance());
    let held = kind == AccountTrouble::Policy;
    if retry == Retry::GiveUp && !held {
        give_up(tx, tools, claimed, &why).await?;
        return Ok((kind, why));
    }
    let due_at = if let Retry::Later(at) = retry { Some(at) } else { None };
    let outcome = Outcome {
        due_at,
        failed: 1,
        tried_at: Some(now),
        detail: Some(why.clone()),
        ..Outcome::plain(OutboxStatus::Deferred)
    };
    if !tx.record_outbox(grip, &outcome).await? {
        return Ok((kind, why));
    }
    for (recipient, reply) in replies {
        write_refusal(&mut tx, tools, step, (recipient, reply)).await?;
    }
    let recipients = tx.list_recipients(vec![grip.id]).await?;
    end_refused(&mut tx, tools, claimed, (Some(Retry::Later(due_at.unwrap_or(now))), &recipients)).await?;
    if !held {
        tx.commit().await?;
        return Ok((kind, why));
    }
    let reason = format!("{STOPPED}: {why}");
    tx.reschedule_outbox(grip.id, due_at.unwrap_or(now), Some(&reason)).await?;
    outreach::step_stuck(&mut tx, &tools.clock, grip.id, &reason).await?;
    tx.commit().await?;
    let to: Vec<&str> = claimed.recipients.iter().map(|r| r.address.as_str()).collect();
    let detail = format!("{why} (at the message {} to {}, which is held)", grip.id, to.join(", "));
    Ok((kind, detail))
}

/// Puts a message back that did not leave: the account is in trouble, or we are told to stop. It does not count as a failure of
/// the message; only one that could not leave for three days is given up, so that nobody waits for ever.
pub(super) async fn give_back(
    tools: &Tools,
    claimed: &Claimed,
    why: Option<(AccountTrouble, &str)>,
) -> Result<bool, StoreError> {
    let mut tx = tools.store.begin("outbound.give_back").await?;
    let now = tools.clock.now();
    let status = if claimed.tried.failures > 0 { OutboxStatus::Deferred } else { OutboxStatus::Queued };
    let mut outcome = Outcome { detail: why.map(|(_, w)| w.to_owned()), ..Outcome::plain(status) };
    // A refused sign-in starts no count: nothing is lost, however long it takes to find the password.
    if let Some((AccountTrouble::Unreachable, words)) = why {
        outcome.tried_at = Some(now);
        if plan_retry(claimed.tried, now, 0.0) == Retry::GiveUp {
            return give_up(tx, tools, claimed, words).await;
        }
    }
    let done = tx.record_outbox(claimed.grip, &outcome).await?;
    tx.commit().await?;
    Ok(done)
}

async fn give_up(mut tx: Tx, tools: &Tools, claimed: &Claimed, words: &str) -> Result<bool, StoreError> {
    let (grip, now) = (claimed.grip, tools.clock.now());
    tx.lock_run_of(grip.id).await?;
    let recipients = tx.list_recipients(vec![grip.id]).await?;
    let some_have_it = recipients.iter().any(|r| r.state == RecipientState::Accepted);
    let end = if some_have_it { OutboxStatus::Confirmed } else { OutboxStatus::Rejected };
    let detail = format!("given up after three days: {words}");
    let outcome = Outcome { finished_at: Some(now), detail: Some(detail.clone()), ..Outcome::plain(end) };
    let done = tx.record_outbox(grip, &outcome).await?;
    if done {
        if end == OutboxStatus::Rejected {
            tx.untouch(grip.id).await?;
            outreach::step_rejected(&mut tx, &tools.clock, grip.id, &detail).await?;
        }
        tx.move_recipients(grip.id, RecipientState::Pending, RecipientState::Rejected, None).await?;
        tx.move_recipients(grip.id, RecipientState::Deferred, RecipientState::Rejected, None).await?;
        let data = serde_json::json!({"reason": detail, "given_up": true});
        signal::record_outcome(&mut tx, &tools.clock, EventType::MessageRejected, grip.id, data).await?;
    }
    tx.commit().await?;
    Ok(done)
}

/// Records that a message can't be sent as it is stored.
pub(super) async fn unsendable(tools: &Tools, claimed: &Claimed, why: &str) -> Result<bool, StoreError> {
    let mut tx = tools.store.begin("outbound.record_unsendable").await?;
    let now = tools.clock.now();
    tx.lock_run_of(claimed.grip.id).await?;
    let outcome =
        Outcome { finished_at: Some(now), detail: Some(why.to_owned()), ..Outcome::plain(OutboxStatus::Rejected) };
    let done = tx.record_outbox(claimed.grip, &outcome).await?;
    if done {
        tx.untouch(claimed.grip.id).await?;
        outreach::step_rejected(&mut tx, &tools.clock, claimed.grip.id, why).await?;
        let data = serde_json::json!({"reason": why});
        signal::record_outcome(&mut tx, &tools.clock, EventType::MessageRejected, claimed.grip.id, data).await?;
    }
    tx.commit().await?;
    Ok(done)
}

/// Records that the outcome is unknown.
pub(super) async fn uncertain(tools: &Tools, grip: Grip, look_after: Duration, why: &str) -> Result<bool, StoreError> {
    let mut tx = tools.store.begin("outbound.record_uncertain").await?;
    let now = tools.clock.now();
    tx.lock_run_of(grip.id).await?;
    let outcome = Outcome {
        look_at: Some(now.plus(look_after)),
        detail: Some(why.to_owned()),
        ..Outcome::plain(OutboxStatus::Uncertain)
    };
    let done = tx.record_outbox(grip, &outcome).await?;
    // The provider may have spoken of it before its answer was given up.
    if done && settle::settle_known(&mut tx, &tools.clock, vec![grip.id]).await?.is_empty() {
        let data = serde_json::json!({"reason": why});
        signal::record_outcome(&mut tx, &tools.clock, EventType::MessageUncertain, grip.id, data).await?;
        outreach::step_stuck(&mut tx, &tools.clock, grip.id, UNSURE).await?;
    }
    tx.commit().await?;
    Ok(done)
}
