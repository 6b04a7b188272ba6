//! How a message of ours fares at a provider that tells more than that it took it: it arrived, or it did not and never will.

use serde_json::json;

use super::{settle, signal};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::{LedgerId, MessageId};
use crate::domain::people::{Consent, SCOPE_ALL, Suppression};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EventType, Progress, SuppressionReason};
use crate::store::feed::NewProviderMessage;
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
    let row = NewProviderMessage { account: fares.account.clone(), provider_id: id.clone(), message_id: message };
    tx.insert_provider_messages(vec![row]).await?;
    let said = (fares.progress, fares.code.as_deref());
    if !tx.set_progress(&fares.account, id, said, fares.at).await? {
        return Ok(settled);
    }
    match fares.progress {
        Progress::Taken | Progress::Sent => {}
        Progress::Delivered => {
            let data = json!({"account": fares.account, "channel": fares.channel});
            signal::record_outcome(tx, clock, EventType::MessageDelivered, message, data).await?;
        }
        Progress::Failed => failed(tx, clock, message, fares).await?,
    }
    Ok(true)
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
        harm(tx, clock, &recipient.address_key, (fares.harm, why)).await?;
        let data = json!({
            "account": fares.account, "channel": fares.channel, "address": recipient.address, "severity": severity,
            "status": fares.code, "diagnostic": fares.detail,
        });
        signal::record_outcome(tx, clock, EventType::MessageBounced, message, data).await?;
    }
    Ok(())
}

/// What a provider says of an address, for good: that they told it to stop, or that nothing arrives there.
pub async fn harm(tx: &mut Tx, clock: &Clock, key: &str, (harm, why): (Harm, &str)) -> Result<(), StoreError> {
    let Some((channel, key)) = chat::channel_of(key) else { return Ok(()) };
    let now = clock.now();
    match harm {
        Harm::Passing | Harm::Ours => {}
        Harm::Dead => {
            tx.mark_address_dead(channel, &key, &format!("the provider says that nothing arrives there ({why})"), now).await?;
        }
        Harm::OptedOut => {
            let row = Suppression {
                id: LedgerId(clock.new_id()),
                channel,
                value_key: key.clone(),
                scope: SCOPE_ALL.to_owned(),
                reason: SuppressionReason::OptedOut,
                evidence: format!("they told the provider to stop ({why})"),
                at: now,
            };
            tx.insert_suppressions(&[row]).await?;
            tx.withdraw_consents(channel, &key, now).await?;
        }
    }
    Ok(())
}

/// Somebody asks for more, by the keyword that takes back a stop: what they had said of this address holds no more, and that they
/// agree is kept. What was said of everything, or of them by a person, stays.
pub async fn opt_in(
    tx: &mut Tx,
    clock: &Clock,
    (channel, address): (Channel, &str),
    message: MessageId,
) -> Result<(), StoreError> {
    let Some(key) = chat::key(address) else { return Ok(()) };
    tx.delete_own_opt_out(channel, &key).await?;
    let consent = Consent {
        id: LedgerId(clock.new_id()),
        channel,
        value_key: key,
        source: "keyword".to_owned(),
        evidence: message.to_string(),
        at: clock.now(),
        withdrawn_at: None,
    };
    tx.insert_consents(&[consent]).await
}
