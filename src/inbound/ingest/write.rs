//! Writes what was planned, in an order that no foreign key minds.

use super::Context;
use super::place::Plan;
use crate::clock::Clock;
use crate::domain::address;
use crate::domain::ids::{LedgerId, MessageId};
use crate::domain::people::{SCOPE_ALL, Suppression};
use crate::domain::threading::books::Move;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, SuppressionReason};
use crate::hub;
use crate::store::message::{NewMessage, NewParticipation};
use crate::store::people::Touch;
use crate::store::thread::ThreadRow;
use crate::store::{StoreError, Tx};

pub(super) async fn write(tx: &mut Tx, clock: &Clock, context: &Context, plan: Plan) -> Result<(), StoreError> {
    let now = clock.now();
    write_conversations(tx, &plan, now).await?;
    let parts = plan
        .parts
        .iter()
        .filter_map(|p| {
            let conversation = plan.books.find(p.conversation);
            plan.books.thread_id(conversation, p.part.influencer).map(|thread_id| NewParticipation {
                message_id: p.message,
                influencer_id: p.part.influencer,
                thread_id,
                role: p.part.role,
                agent_id: p.part.agent,
                assigned: p.part.assigned,
                at: p.at,
            })
        })
        .collect();
    let refs = plan.books.new_refs();
    let written_by_hand = sent_by_hand(&plan.messages, now);
    let messages = plan
        .messages
        .into_iter()
        .map(|mut m| {
            m.conversation_id = plan.books.find(m.conversation_id);
            m
        })
        .collect();
    tx.insert_raws(plan.raws).await?;
    tx.insert_messages(messages).await?;
    tx.insert_participations(parts).await?;
    tx.insert_refs(refs).await?;
    tx.insert_deliveries(plan.deliveries).await?;
    tx.insert_unmatched(plan.unmatched).await?;
    tx.insert_strangers(plan.strangers).await?;
    let touches = plan
        .touches
        .into_iter()
        .map(|(influencer_id, last_message_at, awaiting)| Touch { influencer_id, last_message_at, awaiting })
        .collect();
    tx.touch_influencers(touches).await?;
    reserve_sent(tx, written_by_hand).await?;
    // Runs before their mail, as everywhere.
    tx.lock_runs_of(plan.proven.clone()).await?;
    // What is known of addresses comes before what follows from it.
    write_consequences(tx, clock, plan.dead, plan.complained).await?;
    hub::signal::record(tx, clock, plan.signals).await?;
    for task in plan.tasks {
        hub::task::create_by_rule(tx, clock, task).await?;
    }
    hub::settle::settle_seen(tx, clock, plan.proven).await?;
    if plan.filing_seen {
        tx.set_filing_seen(&context.account, now).await?;
    }
    let recheck = plan.recheck.iter().map(|id| plan.books.find(*id)).collect();
    hub::matching::place_waiting(tx, clock, recheck).await
}

/// How far back mail counts against an account: more than any limit looks over.
const COUNTS: std::time::Duration = std::time::Duration::from_hours(50);

/// Mail that a teammate sent with a program of their own and that was found in Sent: which, from where, to which domain, when.
fn sent_by_hand(messages: &[NewMessage], now: Micros) -> Vec<(MessageId, String, String, Micros)> {
    let recent = |m: &&NewMessage| m.direction == Direction::Outbound && now.since(m.at) < COUNTS;
    let domain = |m: &NewMessage| {
        let first = ["to", "cc", "bcc"].into_iter().find_map(|list| m.recipients.get(list)?.get(0)?.get("address"));
        first.and_then(|a| a.as_str()).and_then(address::domain).unwrap_or_default()
    };
    messages.iter().filter(recent).map(|m| (m.id, m.account.clone(), domain(m), m.at.min(now))).collect()
}

/// It counts as what is written in the hub does, and never waits.
async fn reserve_sent(tx: &mut Tx, sent: Vec<(MessageId, String, String, Micros)>) -> Result<(), StoreError> {
    for (id, account, domain, at) in sent {
        hub::outreach::recheck::reserve_manual(tx, id, (&account, domain), at).await?;
    }
    Ok(())
}

/// Threads and conversations: those that go along with others first, then new and changed ones, then those that were
/// joined into another.
async fn write_conversations(tx: &mut Tx, plan: &Plan, now: Micros) -> Result<(), StoreError> {
    tx.insert_conversations(plan.books.new_conversations().to_vec(), now).await?;
    for step in plan.books.moves() {
        if let Move::Thread(thread, conversation) = step {
            tx.move_thread(*thread, *conversation).await?;
        }
    }
    let threads = plan
        .books
        .changed_threads()
        .map(|(conversation_id, influencer_id, entry)| ThreadRow {
            id: entry.id,
            conversation_id,
            influencer_id,
            channel: Channel::Email,
            account: entry.account.clone(),
            subject: entry.subject.clone(),
            subject_key: entry.subject_key.clone(),
            message_count: entry.message_count,
            last_message_at: entry.last_message_at,
            awaiting: entry.awaiting,
        })
        .collect();
    tx.upsert_threads(threads, now).await?;
    for step in plan.books.moves() {
        match step {
            Move::Thread(..) => {}
            Move::Threads(loser, winner) => tx.merge_thread(*loser, *winner).await?,
            Move::Conversations(loser, winner) => tx.merge_conversation(*loser, *winner).await?,
        }
    }
    Ok(())
}

async fn write_consequences(
    tx: &mut Tx,
    clock: &Clock,
    dead: Vec<(String, String)>,
    complained: Vec<(String, MessageId)>,
) -> Result<(), StoreError> {
    let now = clock.now();
    for (key, reason) in dead {
        tx.mark_address_dead(Channel::Email, &key, &reason, now).await?;
    }
    let suppressions: Vec<Suppression> = complained
        .into_iter()
        .map(|(value_key, message)| Suppression {
            id: LedgerId(clock.new_id()),
            channel: Channel::Email,
            value_key,
            scope: SCOPE_ALL.to_owned(),
            reason: SuppressionReason::Complaint,
            evidence: message.to_string(),
            at: now,
        })
        .collect();
    tx.insert_suppressions(&suppressions).await?;
    Ok(())
}
