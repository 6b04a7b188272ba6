//! A message is changed or taken back by its author, on a channel where that can be done. What it said before is kept.

use serde_json::json;

use super::said::meaning;
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::ids::MessageId;
use crate::domain::refusal::{Answer, Verdict, judge_answer};
use crate::domain::time::Micros;
use crate::domain::words::{Direction, EventType, Meaning};
use crate::store::feed::ShareRow;
use crate::store::{StoreError, Tx};

/// Writes what it says now. `false` where that is known, or older than what is.
pub async fn change(tx: &mut Tx, clock: &Clock, id: MessageId, (text, at): (&str, Micros)) -> Result<bool, StoreError> {
    revise(tx, clock, id, (text, at), (Turn::Changed, true)).await
}

/// Writes that it was taken back: it says nothing any more, and what it said is kept.
pub async fn take_back(tx: &mut Tx, clock: &Clock, id: MessageId, at: Micros) -> Result<bool, StoreError> {
    revise(tx, clock, id, ("", at), (Turn::TakenBack, true)).await
}

/// Writes that a reaction stands, or, where there is none any more, that it was taken back: the later one of both holds, in whatever
/// order they are told. Nobody is told of it where it does not fire.
pub async fn react(
    tx: &mut Tx,
    clock: &Clock,
    id: MessageId,
    (with, at): (Option<&str>, Micros),
    fires: bool,
) -> Result<bool, StoreError> {
    let turn = if with.is_some() { Turn::Reacted } else { Turn::Unreacted };
    revise(tx, clock, id, (with.unwrap_or_default(), at), (turn, fires)).await
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Changed,
    TakenBack,
    /// A reaction is no words, and no answer is seen in one.
    Reacted,
    Unreacted,
}

async fn revise(
    tx: &mut Tx,
    clock: &Clock,
    id: MessageId,
    (text, at): (&str, Micros),
    (turn, fires): (Turn, bool),
) -> Result<bool, StoreError> {
    let Some(known) = tx.get_revised(id).await? else { return Ok(false) };
    let deleted = matches!(turn, Turn::TakenBack | Turn::Unreacted);
    // Of messages, whoever tells of a change may know no more of its time than the second.
    let is_before = matches!(turn, Turn::Reacted | Turn::Unreacted) && at < known.said_at;
    let is_old = is_before || known.changed_at.is_some_and(|changed| changed >= at);
    if is_old || (known.text == text && !deleted) {
        return Ok(false);
    }
    if !tx.insert_revision((id, at), &known.text, deleted).await? {
        return Ok(false);
    }
    if let Some(mut words) = tx.message_words(vec![id]).await?.into_iter().next() {
        text.clone_into(&mut words.text);
        tx.rewrite_message(words).await?;
    }
    let mut signals = Vec::new();
    // What was no answer of that sort, and is one now, counts as if it had been said so.
    let is_words = turn == Turn::Changed && known.direction == Direction::Inbound;
    let now = Some(judged(text)).filter(|now| is_words && may_be_no(now));
    let again = now.filter(|now| now.meaning != judged(&known.text).meaning);
    let parts = tx.list_parts_of(id).await?;
    let is_waiting = parts.iter().all(|part| !part.assigned);
    for ShareRow { influencer_id: influencer, agent_id: agent, is_author, assigned } in parts {
        // Whoever was shown it for want of knowing better is not concerned.
        if !assigned {
            continue;
        }
        let raise = |what, data| Signal { what, influencer: Some(influencer), message: Some(id), at, data: Some(data) };
        signals.push(raise(EventType::MessageEdited, json!({"deleted": deleted})));
        if let Some(verdict) = again.as_ref().filter(|_| is_author) {
            let origin = tx.message_account(id).await?;
            let (account, channel) = origin.unzip();
            let data = json!({
                "account": account, "channel": channel, "by_agent": agent, "answer": meaning(verdict), "answers": null,
            });
            signals.push(raise(EventType::ThreadReplied, data));
        }
    }
    if let (true, Direction::Inbound) = (is_waiting, known.direction) {
        // What follows once it is known whose it is follows from what it says now.
        let row = tx.list_waiting(vec![id]).await?.into_iter().next().filter(|row| !row.facts.is_null());
        if let (Some(mut row), Some(verdict)) = (row, again.as_ref()) {
            if let Some(facts) = row.facts.as_object_mut() {
                facts.insert("answer".to_owned(), meaning(verdict));
            }
            tx.set_waiting_facts(id, row.facts).await?;
        }
    }
    if fires {
        signal::record(tx, clock, signals).await?;
    }
    Ok(true)
}

fn judged(text: &str) -> Verdict {
    judge_answer(&Answer { subject: "", answers: None, reply_text: text })
}

fn may_be_no(verdict: &Verdict) -> bool {
    matches!(verdict.meaning, Meaning::OptOut | Meaning::Refusal | Meaning::Unsure)
}
