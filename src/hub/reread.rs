//! A text message that is known already is told again, and now with what the provider itself reads in it: its list, which says nothing of
//! that, was read before it posted. What follows from the keyword follows then, once.

use serde_json::json;

use super::fares::{self, OptIn};
use super::said::{keyword, meaning};
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::MessageId;
use crate::domain::sms::ConsentReading;
use crate::domain::words::{EventType, Meaning};
use crate::store::reading::view::MessageView;
use crate::store::{StoreError, Tx};

/// Applies what the provider reads in a message of theirs, where its words were read otherwise. `fires` says whether the message was said
/// since the account is read. The caller has noted that it is read so, and commits.
///
/// # Errors
/// The store's.
pub async fn reread(
    tx: &mut Tx,
    clock: &Clock,
    (id, reading): (MessageId, ConsentReading),
    fires: impl FnOnce(&MessageView) -> bool + Send,
) -> Result<(), StoreError> {
    let Some(said) = tx.get_message_view(id).await? else { return Ok(()) };
    let fires = fires(&said);
    match reading {
        ConsentReading::Stop => stop(tx, clock, (id, &said), fires).await,
        ConsentReading::Start => {
            let address = &said.from.address;
            fares::opt_in(tx, clock, OptIn { channel: said.channel, address, message: id, at: said.at, fires }).await
        }
        ConsentReading::Help | ConsentReading::PerhapsStop | ConsentReading::None => Ok(()),
    }
}

async fn stop(
    tx: &mut Tx,
    clock: &Clock,
    (id, said): (MessageId, &MessageView),
    fires: bool,
) -> Result<(), StoreError> {
    let Some(key) = chat::key(&said.from.address) else { return Ok(()) };
    // Told late, it takes nothing back that they said since.
    if fares::agreed_since(tx, (said.channel, &key), said.at).await? {
        return Ok(());
    }
    let answer = meaning(&keyword(Meaning::OptOut));
    let mut signals = Vec::new();
    for part in tx.list_parts_of(id).await?.into_iter().filter(|part| fires && part.assigned && part.is_author) {
        let data = json!({
            "account": said.account, "channel": said.channel, "by_agent": part.agent_id, "answer": answer, "answers": null,
            "consent": fares::STOP,
        });
        let influencer = Some(part.influencer_id);
        signals.push(Signal {
            what: EventType::ThreadReplied,
            influencer,
            message: Some(id),
            at: said.at,
            data: Some(data),
        });
    }
    // What follows once it is known whose it is.
    let waiting = tx.list_waiting(vec![id]).await?.into_iter().next();
    if let Some(mut row) = waiting.filter(|row| row.facts.pointer("/received").is_some()) {
        if let Some(facts) = row.facts.as_object_mut() {
            facts.insert("answer".to_owned(), answer);
        }
        if let Some(received) = row.facts.pointer_mut("/received").and_then(|received| received.as_object_mut()) {
            received.insert("consent".to_owned(), json!(fares::STOP));
        }
        tx.set_waiting_facts(id, row.facts).await?;
    }
    // Whoever wants no more gets none, known or not.
    if signals.is_empty() {
        return fares::stop(tx, clock, (said.channel, &said.from.address), (id, said.at)).await;
    }
    signal::record(tx, clock, signals).await
}
