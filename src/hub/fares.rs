//! How a message of ours fares at a provider that tells more than that it took it: it arrived, or it did not and never will.

use serde_json::json;

use super::people::refused;
use super::settle;
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::{InfluencerId, LedgerId, MessageId};
use crate::domain::people::{Consent, SCOPE_ALL, Suppression};
use crate::domain::sms::{ConsentReading, read_consent};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EventType, Progress, SuppressionReason};
use crate::store::reading::view::MessageView;
use crate::store::{StoreError, Tx};

pub use crate::domain::chat::Harm;

/// What a provider tells of a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fares {
    /// Our account.
    pub account: String,
    /// How it travels.
    pub channel: Channel,
    /// The provider's id of it, where it says one.
    pub id: Option<String>,
    /// Our token of it, where it says one.
    pub token: Option<String>,
    /// How it fares.
    pub progress: Progress,
    /// The provider's code, where it failed.
    pub code: Option<String>,
    /// What the code means.
    pub harm: Harm,
    /// The provider's words.
    pub detail: String,
    /// When.
    pub at: Micros,
    /// Whether anything is told of it: not of what a first reading finds.
    pub fires: bool,
}

/// Writes it down with what follows. `false` where it is no news, or of no message of ours. The caller commits.
///
/// # Errors
/// The store's.
pub async fn note(tx: &mut Tx, clock: &Clock, fares: &Fares) -> Result<bool, StoreError> {
    let Some(message) = message_of(tx, fares).await? else { return Ok(false) };
    // That the provider speaks of it proves that it has it.
    let settled = !settle::settle_seen(tx, clock, vec![message]).await?.is_empty();
    let Some(id) = &fares.id else { return Ok(settled) };
    note_id(tx, &fares.account, (id, message)).await?;
    let said = (fares.progress, fares.code.as_deref());
    if !tx.set_progress(&fares.account, id, said, fares.at).await? {
        return Ok(settled);
    }
    match fares.progress {
        Progress::Taken | Progress::Sent => {}
        Progress::Delivered if !fares.fires => {}
        Progress::Delivered => {
            let data = json!({"account": fares.account, "channel": fares.channel});
            signal::record_outcome(tx, clock, EventType::MessageDelivered, message, data).await?;
        }
        Progress::Failed => failed(tx, clock, message, fares).await?,
    }
    Ok(true)
}

/// Keeps under which id the provider has a message of ours, and in which of its conversations that is, where the id tells.
pub async fn note_id(tx: &mut Tx, account: &str, (id, message_id): (&str, MessageId)) -> Result<(), StoreError> {
    tx.take_provider_message(account, id, message_id).await?;
    // Answers in its thread find it, and so does what is said in a direct message as a whole.
    if let Some(place) = chat::place_of(id) {
        tx.insert_ref_of(message_id, &chat::conversation_key(account, id)).await?;
        if place.contains("/D") {
            tx.insert_ref_of(message_id, &chat::conversation_key(account, place)).await?;
        }
    }
    Ok(())
}

async fn message_of(tx: &mut Tx, fares: &Fares) -> Result<Option<MessageId>, StoreError> {
    if let Some(token) = &fares.token {
        return Ok(tx.find_tokens(vec![token.clone()]).await?.first().map(|own| own.id));
    }
    let Some(id) = &fares.id else { return Ok(None) };
    Ok(tx.find_provider_messages(&fares.account, vec![id.clone()]).await?.first().map(|row| row.message_id))
}

async fn failed(tx: &mut Tx, clock: &Clock, message: MessageId, fares: &Fares) -> Result<(), StoreError> {
    let severity = match fares.harm {
        Harm::OptedOut | Harm::Dead => "hard",
        Harm::Passing => "soft",
        Harm::Ours => "policy",
    };
    for recipient in tx.list_recipients(vec![message]).await? {
        let why = fares.code.as_deref().unwrap_or("the provider gives no code");
        harm(tx, clock, &recipient.address_key, (fares.harm, why), message).await?;
        if !fares.fires {
            continue;
        }
        let data = json!({
            "account": fares.account, "channel": fares.channel, "address": recipient.address, "severity": severity,
            "status": fares.code, "diagnostic": fares.detail,
        });
        signal::record_outcome(tx, clock, EventType::MessageBounced, message, data).await?;
    }
    Ok(())
}

/// What a provider says of an address to which a message of ours went, for good: that they told it to stop, or that nothing arrives
/// there.
pub async fn harm(
    tx: &mut Tx,
    clock: &Clock,
    key: &str,
    (harm, why): (Harm, &str),
    message: MessageId,
) -> Result<(), StoreError> {
    let Some((channel, key)) = chat::channel_of(key) else { return Ok(()) };
    let now = clock.now();
    match harm {
        Harm::Passing | Harm::Ours => {}
        Harm::Dead => {
            tx.mark_address_dead(channel, &key, &format!("the provider says that nothing arrives there ({why})"), now)
                .await?;
        }
        Harm::OptedOut => {
            let evidence = format!("they told the provider to stop ({why})");
            if opt_out(tx, clock, (channel, &key), (evidence, now)).await? {
                told_provider(tx, clock, (channel, &key), message).await?;
            }
        }
    }
    Ok(())
}

/// Somebody ends text messages by a keyword: nothing goes to that number any more.
pub async fn stop(
    tx: &mut Tx,
    clock: &Clock,
    (channel, address): (Channel, &str),
    (message, at): (MessageId, Micros),
) -> Result<(), StoreError> {
    let Some(key) = chat::key(address) else { return Ok(()) };
    opt_out(tx, clock, (channel, &key), (message.to_string(), at)).await?;
    Ok(())
}

/// Whether it was not known.
async fn opt_out(
    tx: &mut Tx,
    clock: &Clock,
    (channel, key): (Channel, &str),
    (evidence, at): (String, Micros),
) -> Result<bool, StoreError> {
    let row = Suppression {
        id: LedgerId(clock.new_id()),
        channel,
        value_key: key.to_owned(),
        scope: SCOPE_ALL.to_owned(),
        reason: SuppressionReason::OptedOut,
        evidence,
        at,
    };
    let is_new = tx.insert_suppressions(&[row]).await? > 0;
    tx.withdraw_consents(channel, key, clock.now()).await?;
    Ok(is_new)
}

/// A keyword that takes back a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptIn<'a> {
    /// On which channel.
    pub channel: Channel,
    /// Who sent it.
    pub address: &'a str,
    /// The message that says so.
    pub message: MessageId,
    /// When it was said.
    pub at: Micros,
    /// Whether it was said since the account is read.
    pub fires: bool,
}

/// Somebody asks for more, by the keyword that takes back a stop: the stop that the same number sent before holds no more, and that
/// they agree is kept. What was said in other words, elsewhere, of everything, to the provider or by a person, stays, and then nothing
/// is agreed to: only a person lifts that.
pub async fn opt_in(tx: &mut Tx, clock: &Clock, given: OptIn<'_>) -> Result<(), StoreError> {
    let Some(key) = chat::key(given.address) else { return Ok(()) };
    // Told late, it takes nothing back that they said since.
    if !is_newest(tx, given.message).await? {
        return Ok(());
    }
    // Nor what they said to a person: each of their addresses is closed by that.
    if is_said_of_everything(tx, &key).await? {
        return Ok(());
    }
    let mut others = false;
    let mut lifted = Vec::new();
    for row in tx.suppressed(given.channel, vec![key.clone()]).await? {
        if is_own_stop(tx, &row, &given).await? {
            lifted.push(row.id);
        } else {
            others = true;
        }
    }
    if !lifted.is_empty() {
        tx.delete_suppressions_by_id(lifted).await?;
    }
    if others || !given.fires {
        return Ok(());
    }
    let consent = Consent {
        id: LedgerId(clock.new_id()),
        channel: given.channel,
        value_key: key,
        source: "keyword".to_owned(),
        evidence: given.message.to_string(),
        at: clock.now(),
        withdrawn_at: None,
    };
    tx.insert_consents(&[consent]).await
}

/// Whether nothing came after it in its thread.
async fn is_newest(tx: &mut Tx, message: MessageId) -> Result<bool, StoreError> {
    let thread = tx.get_message_view(message).await?.and_then(|view| view.thread_id);
    let Some(thread) = thread else { return Ok(true) };
    Ok(tx.newest_answered(thread).await?.is_none_or(|newest| newest.id == message))
}

/// Whether a suppression comes from a keyword that the same number sent, before.
async fn is_own_stop(tx: &mut Tx, row: &Suppression, given: &OptIn<'_>) -> Result<bool, StoreError> {
    let said = keyword_of(tx, row).await?.filter(|said| said.channel == given.channel && said.at <= given.at);
    Ok(said.is_some_and(|said| chat::key(&said.from.address).as_deref() == Some(row.value_key.as_str())))
}

/// The text that a suppression comes from, where that is nothing but a keyword.
pub(super) async fn keyword_of(tx: &mut Tx, row: &Suppression) -> Result<Option<MessageView>, StoreError> {
    let Ok(message) = row.evidence.parse::<MessageId>() else { return Ok(None) };
    if row.reason != SuppressionReason::OptedOut || row.channel != Channel::Sms {
        return Ok(None);
    }
    let said = tx.get_message_view(message).await?.filter(|said| said.channel == row.channel);
    let Some(said) = said else { return Ok(None) };
    // A keyword of ours at the provider ("ARRET") is one as much as those that all know.
    let is_keyword = read_consent(&said.text) == ConsentReading::Stop || is_read_there(tx, message, STOP).await?;
    Ok(Some(said).filter(|_| is_keyword))
}

/// What is noted of a message in which the provider itself reads a stop.
pub const STOP: &str = "stop";

async fn is_read_there(tx: &mut Tx, message: MessageId, word: &str) -> Result<bool, StoreError> {
    let rows = tx.list_provider_messages(vec![message]).await?;
    Ok(rows.iter().any(|row| row.progress.is_none() && row.code.as_deref() == Some(word)))
}

/// Whether a number has agreed to texts by a keyword that it sent after this.
pub(super) async fn agreed_since(tx: &mut Tx, (channel, key): (Channel, &str), at: Micros) -> Result<bool, StoreError> {
    for consent in tx.list_consents(channel, vec![key.to_owned()]).await? {
        if consent.withdrawn_at.is_some() {
            continue;
        }
        let Ok(message) = consent.evidence.parse::<MessageId>() else { continue };
        if tx.get_message_view(message).await?.is_some_and(|said| said.at > at) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether whoever has an address said no to everything.
async fn is_said_of_everything(tx: &mut Tx, key: &str) -> Result<bool, StoreError> {
    let owners = owners_of(tx, key).await?;
    Ok(!refused::said_of_everything(tx, &owners).await?.is_empty())
}

async fn owners_of(tx: &mut Tx, key: &str) -> Result<Vec<InfluencerId>, StoreError> {
    let owners = tx.find_owners(vec![key.to_owned()]).await?;
    Ok(owners.into_iter().filter_map(|owner| owner.influencer_id).collect())
}

/// What they told the provider has the consequences of what they tell us.
async fn told_provider(
    tx: &mut Tx,
    clock: &Clock,
    (channel, key): (Channel, &str),
    message: MessageId,
) -> Result<(), StoreError> {
    let (what, at) = (EventType::InfluencerUnsubscribed, clock.now());
    let data = json!({"address": key, "channel": channel, "how": "provider"});
    let told = |id| Signal { what, influencer: Some(id), message: Some(message), at, data: Some(data.clone()) };
    let signals = owners_of(tx, key).await?.into_iter().map(told).collect();
    signal::record(tx, clock, signals).await
}
