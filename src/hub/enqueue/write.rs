//! Writes messages that are composed: each table once, however many messages there are.

use std::collections::BTreeMap;

use super::compose::Letter;
use super::ground::Ground;
use crate::clock::Clock;
use crate::domain::ids::InfluencerId;
use crate::domain::time::Micros;
use crate::hub::outreach::recheck::reserve_manual;
use crate::store::{StoreError, Tx};

/// Writes messages with their places on timelines and their outbox rows: everything that was composed on this ground since it
/// was last written. The caller commits, then wakes the dispatchers of the accounts.
///
/// # Errors
/// The store's; [`StoreError::Exists`] where a step of a run has a mail already. Then none of them was written.
pub async fn write_all(
    tx: &mut Tx,
    clock: &Clock,
    ground: &mut Ground,
    letters: Vec<Letter>,
) -> Result<(), StoreError> {
    if letters.is_empty() {
        return Ok(());
    }
    let now = clock.now();
    let new = letters.iter().filter(|l| l.is_new).map(|l| l.enqueued.conversation_id).collect();
    tx.insert_conversations(new, now).await?;
    let refs = letters.iter().flat_map(|l| l.refs.iter().cloned()).collect();
    let (mut raws, mut messages, mut links) = (Vec::new(), Vec::new(), Vec::new());
    let (mut parts, mut strangers, mut outbox) = (Vec::new(), Vec::new(), Vec::new());
    let (mut written, mut by_hand) = (BTreeMap::<InfluencerId, Micros>::new(), Vec::new());
    for letter in letters {
        if let Some(domain) = letter.by_hand {
            by_hand.push((letter.enqueued.id, letter.outbox.account.clone(), domain, letter.enqueued.due_at));
        }
        for part in &letter.parts {
            let at = written.entry(part.influencer_id).or_insert(part.at);
            *at = (*at).max(part.at);
        }
        raws.extend(letter.raws);
        messages.push(letter.message);
        links.extend(letter.links);
        parts.extend(letter.parts);
        strangers.extend(letter.strangers);
        outbox.push(letter.outbox);
    }
    tx.insert_raws(raws).await?;
    tx.insert_messages(messages).await?;
    tx.insert_refs(refs).await?;
    tx.insert_links(links).await?;
    tx.upsert_threads(ground.take_touched(), now).await?;
    tx.insert_participations(parts).await?;
    tx.touch_written_to(written.into_iter().collect()).await?;
    tx.insert_strangers(strangers).await?;
    for (id, account, domain, due_at) in by_hand {
        // What a person writes counts against the limits of sequences, and never waits for them.
        reserve_manual(tx, id, (&account, domain), due_at).await?;
    }
    tx.insert_outbox(outbox).await
}
