//! How the messages of sequences were taken: each answer, bounce, complaint and opt-out is noted on the step it is about,
//! and a sequence that goes badly pauses by itself.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::pause::{self, Target};
use super::{engaged, readable};
use crate::clock::Clock;
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::sequence::PauseIf;
use crate::domain::words::EventType;
use crate::hub::signal::Signal;
use crate::store::outreach::enrollment::Mark;
use crate::store::outreach::measure::{Harm, HarmCount};
use crate::store::people::StageOf;
use crate::store::{StoreError, Tx};

/// What a sequence is judged by.
pub const WINDOW: Duration = Duration::from_hours(7 * 24);
/// Fewer sends than this tell nothing.
pub const SENDS_MIN: i64 = 50;

/// Notes on steps what these signals say of their messages. Before anything follows from them, for an answer belongs to the
/// runs that it ends. The sequences that have more harm now.
pub(in crate::hub) async fn note(
    tx: &mut Tx,
    clock: &Clock,
    signals: &[Signal],
    standings: &HashMap<InfluencerId, StageOf>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut harmed = BTreeSet::new();
    for signal in signals {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other fact says nothing of how a message was taken")]
        let harm = match signal.what {
            EventType::ThreadReplied => {
                let steps = answered(tx, clock, signal, standings).await?;
                if verdict(signal) == Some("opt_out") {
                    for message in steps {
                        harmed.extend(mark(tx, message, Harm::OptedOut, signal).await?);
                    }
                }
                continue;
            }
            // A mailbox that is full, or a server that is busy, says nothing about a list.
            EventType::MessageBounced if text(signal, "severity") != Some("soft") => Harm::Bounced,
            // Nor does one that was given up after days of trying: nobody refused it.
            EventType::MessageRejected if !is_given_up(signal) => Harm::Bounced,
            EventType::MessageComplained => Harm::Complained,
            EventType::InfluencerUnsubscribed => Harm::OptedOut,
            _ => continue,
        };
        if let Some(message) = signal.message {
            harmed.extend(mark(tx, message, harm, signal).await?);
        }
    }
    Ok(harmed)
}

fn text<'s>(signal: &'s Signal, name: &str) -> Option<&'s str> {
    signal.data.as_ref()?.get(name)?.as_str()
}

fn is_given_up(signal: &Signal) -> bool {
    signal.data.as_ref().and_then(|data| data.get("given_up")).and_then(serde_json::Value::as_bool) == Some(true)
}

fn verdict(signal: &Signal) -> Option<&str> {
    signal.data.as_ref()?.pointer("/answer/verdict")?.as_str()
}

/// The sequence, where that is news.
async fn mark(tx: &mut Tx, message: MessageId, harm: Harm, signal: &Signal) -> Result<Option<String>, StoreError> {
    if !tx.mark_harm(message, harm, signal.at).await? {
        return Ok(None);
    }
    Ok(tx.run_of_message(message).await?.map(|(_, sequence)| sequence))
}

/// Notes an answer on the step it answers: the one whose message it names, or else the newest that was sent in each of the
/// runs under way. The messages of those steps.
async fn answered(
    tx: &mut Tx,
    clock: &Clock,
    signal: &Signal,
    standings: &HashMap<InfluencerId, StageOf>,
) -> Result<Vec<MessageId>, StoreError> {
    let Some(id) = signal.influencer else { return Ok(Vec::new()) };
    if let Some(named) = text(signal, "answers").and_then(|id| id.parse::<MessageId>().ok())
        && tx.run_of_message(named).await?.is_some_and(|(whose, _)| whose == id)
    {
        engaged(tx, clock, named, Mark::Replied, signal.at).await?;
        return Ok(vec![named]);
    }
    if !standings.get(&id).is_some_and(|s| s.running) {
        return Ok(Vec::new());
    }
    let mut runs = HashSet::new();
    let mut newest = tx.list_sent_steps(vec![id]).await?;
    newest.retain(|step| runs.insert(step.enrollment_id));
    for step in &newest {
        engaged(tx, clock, step.message_id, Mark::Replied, signal.at).await?;
    }
    Ok(newest.into_iter().map(|step| step.message_id).collect())
}

/// Pauses those of these sequences that go worse than their `pause_if` allows.
pub(in crate::hub) fn judge<'a>(
    tx: &'a mut Tx,
    clock: &'a Clock,
    sequences: BTreeSet<String>,
) -> BoxFuture<'a, Result<(), StoreError>> {
    Box::pin(async move {
        for sequence in sequences {
            let Some(row) = tx.get_sequence(&sequence).await?.filter(|s| s.paused_at.is_none()) else { continue };
            let Some(hash) = row.active_hash else { continue };
            let Ok(definition) = readable(tx, &hash).await? else { continue };
            if definition.pause_if.is_empty() {
                continue;
            }
            let count = tx.measure_harm(&sequence, clock.now().minus(WINDOW)).await?;
            if let Some(why) = definition.pause_if.iter().find_map(|limits| judge_harm(limits, count)) {
                tracing::warn!(%sequence, %why, "a sequence was paused by its own rule");
                pause::pause(tx, clock, Target::Sequence(&sequence), &why).await?;
            }
        }
        Ok(())
    })
}

/// Why a sequence is to pause, with the figures; nothing while there are too few sends to tell.
pub fn judge_harm(limits: &PauseIf, count: HarmCount) -> Option<String> {
    if count.sends < SENDS_MIN {
        return None;
    }
    let per_cent = |share: f64| format!("{:.1} %", share * 100.0);
    let rates = [
        ("bounce", count.bounced, limits.bounce_rate),
        ("complaint", count.complained, limits.complaint_rate),
        ("unsubscribe", count.opted_out, limits.unsubscribe_rate),
    ];
    let share = |n: i64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    rates.into_iter().find_map(|(name, n, limit)| {
        let (limit, rate) = (limit?, share(n) / share(count.sends));
        (rate > limit).then(|| {
            format!(
                "{name} rate {} ({n} of {} sends in 7 days), more than {} of pause_if",
                per_cent(rate),
                count.sends,
                per_cent(limit)
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_pauses_above_its_limit_and_from_fifty_sends_on() {
        let limits = PauseIf { bounce_rate: Some(0.05), complaint_rate: Some(0.001), unsubscribe_rate: None };
        let count = |sends, bounced, complained, opted_out| HarmCount { sends, bounced, complained, opted_out };
        let why = judge_harm(&limits, count(50, 3, 0, 0)).unwrap();
        assert!(why.contains("bounce rate 6.0 % (3 of 50 sends"), "{why}");
        assert_eq!(judge_harm(&limits, count(49, 40, 40, 40)), None);
        assert_eq!(judge_harm(&limits, count(100, 5, 0, 99)), None, "at the limit, and no limit");
        assert!(judge_harm(&limits, count(900, 0, 1, 0)).unwrap().contains("complaint rate 0.1 %"));
        assert_eq!(judge_harm(&limits, count(1_000, 0, 1, 0)), None);
    }
}
