//! Open questions that hold people: whether something was their no, and whose a message is. Whoever such a question may be about is held
//! until it is answered, whoever's timeline it stands on by then: the one it is asked of, the one at whose address it was said, and all
//! to whom a mail went that one of them complained about.

use std::collections::{HashMap, HashSet};

use super::{ByRule, Hold, hold_by_rule, note, release_for};
use crate::clock::Clock;
use crate::domain::address;
use crate::domain::chat;
use crate::domain::consequence::{Answer, COMPLAINED, MACHINE, UNASSIGNED};
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::{HoldSource, TaskKind};
use crate::hub::outreach;
use crate::store::{StoreError, Tx};

/// Sources whose hold ends with the answer to a question about a message.
pub(in crate::hub) const ASKED: [HoldSource; 3] = [HoldSource::Machine, HoldSource::Complaint, HoldSource::Unassigned];

/// An open question that may be about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) struct Asked {
    /// Whom it may be about.
    pub(in crate::hub) influencer: InfluencerId,
    /// What holds them for it.
    pub(in crate::hub) source: HoldSource,
    /// The message it is about; none where that was erased.
    message: Option<MessageId>,
    /// Until when it holds them; without an end until it is answered.
    until: Option<Micros>,
}

/// The open questions that may be about some of these.
pub(in crate::hub) async fn asked_of(
    tx: &mut Tx,
    ids: &[InfluencerId],
    sources: &[HoldSource],
) -> Result<Vec<Asked>, StoreError> {
    let mut all = Vec::new();
    if sources.iter().any(|source| matches!(source, HoldSource::Machine | HoldSource::Complaint)) {
        all = refusals(tx, ids).await?;
        all.retain(|question| sources.contains(&question.source));
    }
    if !sources.contains(&HoldSource::Unassigned) {
        return Ok(all);
    }
    for waiting in tx.list_awaiting_assignment(ids.to_vec()).await? {
        all.push(Asked {
            influencer: waiting.influencer_id,
            source: HoldSource::Unassigned,
            message: Some(waiting.message_id),
            until: Answer::read(Some(&waiting.facts)).unassigned_until(waiting.stored_at),
        });
    }
    Ok(all)
}

/// The open questions whether something was a no.
async fn refusals(tx: &mut Tx, ids: &[InfluencerId]) -> Result<Vec<Asked>, StoreError> {
    let open = tx.list_open_refusals().await?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let own = tx.list_addresses_of_influencers(ids.to_vec()).await?.into_iter();
    let own: HashMap<String, InfluencerId> =
        own.filter_map(|a| a.person.influencer().map(|owner| (a.value_key, owner))).collect();
    let ask = |source, influencer, message| Asked { influencer, source, message, until: None };
    let mut all = Vec::new();
    let mut among = Vec::new();
    for question in open {
        let (message, Some(whose)) = (question.message_id, question.influencer_id) else {
            among.extend(question.message_id);
            continue;
        };
        let key = question.author_address.as_deref().and_then(chat::key);
        let writer = key.and_then(|key| own.get(&key)).filter(|writer| **writer != whose);
        let about = Some(whose).filter(|id| ids.contains(id)).into_iter().chain(writer.copied());
        all.extend(about.map(|id| ask(HoldSource::Machine, id, message)));
    }
    let mut several: HashSet<(MessageId, InfluencerId)> = HashSet::new();
    for (message, id, _) in tx.find_participations(among.clone()).await? {
        several.insert((message, id));
    }
    for (message, key) in sent_to(tx, among).await? {
        several.extend(own.get(&key).map(|owner| (message, *owner)));
    }
    let several = several.into_iter().filter(|(_, id)| ids.contains(id));
    all.extend(several.map(|(message, id)| ask(HoldSource::Complaint, id, Some(message))));
    Ok(all)
}

/// To whom messages of ours went, also where they did not leave by us.
pub(in crate::hub) async fn sent_to(
    tx: &mut Tx,
    messages: Vec<MessageId>,
) -> Result<Vec<(MessageId, String)>, StoreError> {
    let rows = tx.list_recipients(messages.clone()).await?.into_iter();
    let mut all: Vec<(MessageId, String)> = rows.map(|row| (row.outbox_id, row.address_key)).collect();
    for (message, envelope) in tx.list_envelopes(messages).await? {
        all.extend(address::written_to(&envelope.0).into_iter().map(|key| (message, key)));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Holds those about whom a question is by now that was not about them before: it went from one to another.
pub(in crate::hub) async fn hold_asked(
    tx: &mut Tx,
    clock: &Clock,
    ids: &[InfluencerId],
    before: &[Asked],
) -> Result<(), StoreError> {
    let is_new = |now: &Asked| {
        !before.iter().any(|b| (b.influencer, b.source, b.message) == (now.influencer, now.source, now.message))
    };
    for question in asked_of(tx, ids, &ASKED).await?.into_iter().filter(is_new) {
        let Asked { influencer, source, message, until } = question;
        let reasons = [(HoldSource::Complaint, COMPLAINED), (HoldSource::Unassigned, UNASSIGNED)];
        let reason = reasons.into_iter().find(|(of, _)| *of == source).map_or(MACHINE, |(_, reason)| reason);
        if until.is_none_or(|until| until > clock.now()) {
            hold_by_rule(tx, clock, influencer, ByRule { source, until, reason, cause: message }).await?;
        }
    }
    Ok(())
}

/// Holds whoever an address became of at which something was said that may be a no, and of whom it was not asked.
pub(in crate::hub) async fn hold_writers(
    tx: &mut Tx,
    clock: &Clock,
    addresses: &[(String, InfluencerId)],
) -> Result<(), StoreError> {
    let mut held = Vec::new();
    for question in tx.list_open_refusals().await? {
        let (Some(whose), Some(message)) = (question.influencer_id, question.message_id) else { continue };
        let Some(key) = question.author_address.as_deref().and_then(chat::key) else { continue };
        let writers = addresses.iter().filter(|(of, writer)| *of == key && *writer != whose);
        held.extend(writers.map(|(_, writer)| (*writer, message)));
    }
    // In the order in which everybody locks them.
    held.sort_unstable();
    for (writer, message) in held {
        let rule = ByRule { source: HoldSource::Machine, until: None, reason: MACHINE, cause: Some(message) };
        hold_by_rule(tx, clock, writer, rule).await?;
    }
    Ok(())
}

/// Asks those at whose address something was said that may be a no what was asked of these, who are no more.
pub(in crate::hub) async fn ask_writers(tx: &mut Tx, gone: &[InfluencerId]) -> Result<(), StoreError> {
    for question in tx.list_open_refusals().await? {
        let (Some(whose), Some(message)) = (question.influencer_id, question.message_id) else { continue };
        let key = question.author_address.as_deref().and_then(chat::key);
        let Some(key) = key.filter(|_| gone.contains(&whose)) else { continue };
        let owners = tx.find_owners(vec![key]).await?;
        let Some(writer) = owners.iter().find_map(|owner| owner.influencer_id) else { continue };
        let is_asked = tx.has_open_task_about(message, TaskKind::Refusal, Some(writer)).await?;
        if !gone.contains(&writer) && !is_asked {
            tx.give_refusals(message, vec![whose], writer).await?;
        }
    }
    Ok(())
}

/// Whose address messages went to of which it is asked who of several complained.
pub(in crate::hub) async fn asked_among(tx: &mut Tx, messages: &[MessageId]) -> Result<Vec<InfluencerId>, StoreError> {
    let open = tx.list_open_refusals().await?.into_iter().filter(|question| question.influencer_id.is_none());
    let among: Vec<MessageId> = open.filter_map(|q| q.message_id).filter(|id| messages.contains(id)).collect();
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let keys = sent_to(tx, among).await?.into_iter().map(|(_, key)| key).collect();
    let owners = tx.find_owners(keys).await?;
    Ok(owners.into_iter().filter_map(|owner| owner.influencer_id).collect())
}

/// Lets those of these go about whom no question is open any more that such a hold waits for. Where another message waits to be
/// assigned, they are held as long as that one says, and no longer because of what is settled.
pub(in crate::hub) async fn release_answered(
    tx: &mut Tx,
    clock: &Clock,
    mut ids: Vec<InfluencerId>,
    sources: &[HoldSource],
) -> Result<(), StoreError> {
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    // Before it is asked what is open: another message, or another answer, may be on its way.
    tx.lock_influencers(ids.clone()).await?;
    let open = asked_of(tx, &ids, sources).await?;
    for hold in tx.list_hold_sources(ids).await?.into_iter().filter(|hold| sources.contains(&hold.source)) {
        let left = open.iter().filter(|q| q.influencer == hold.influencer_id && q.source == hold.source);
        match left.max_by_key(|question| question.until.unwrap_or(Micros(i64::MAX))) {
            None => release_for(tx, clock, vec![hold.influencer_id], hold.source).await?,
            Some(longest) => shorten(tx, clock, hold, longest).await?,
        }
    }
    Ok(())
}

/// Lets a hold end earlier: what made it longer is settled.
async fn shorten(tx: &mut Tx, clock: &Clock, hold: Hold, longest: &Asked) -> Result<(), StoreError> {
    let (id, now) = (hold.influencer_id, clock.now());
    let Some(until) = longest.until.filter(|until| hold.until.is_none_or(|end| *until < end)) else { return Ok(()) };
    if until <= now {
        return release_for(tx, clock, vec![id], hold.source).await;
    }
    let (source, reason) = (hold.source, hold.reason.clone());
    let shorter =
        Hold { until: Some(until), cause: longest.message.map(|message| message.to_string()), made_at: now, ..hold };
    tx.put_hold(&shorter, now).await?;
    note(tx, clock, id, serde_json::json!({"until": until, "reason": reason, "by": "automation", "source": source}))
        .await?;
    outreach::wake_runs(tx, clock, id).await
}
