//! Webhooks: made, changed and taken away by people; what they are told is put in line elsewhere. Secrets are shown once, when
//! they are made, and kept sealed.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::seal::{SealError, Vault};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::domain::ids::{EventId, WebhookDeliveryId, WebhookId};
use crate::domain::time::Micros;
use crate::domain::webhook::guard::Reach;
use crate::domain::webhook::{DESCRIPTION_CHARS_MAX, OVERLAP_HOURS_MAX, SECRET_OCTETS, TEST, WEBHOOKS_MAX, secret_of};
use crate::domain::words::{DisabledWhy, EventType, WebhookState, Word as _};
use crate::store::webhook::WebhookRow;
use crate::store::webhook::delivery::NewDelivery;
use crate::store::{StoreError, Tx};

/// How long a transaction may have taken at most whose events got their numbers after those of later ones.
const LATE_MAX: Duration = Duration::from_mins(2);

/// A webhook to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where it leads.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it is told; empty: everything.
    pub events: Vec<EventType>,
}

/// What is to change. What is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// Where it leads.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it is told; empty: everything.
    pub events: Option<Vec<EventType>>,
    /// Whether it is told anything.
    pub state: Option<WebhookState>,
    /// What becomes of what it missed, where it is enabled.
    pub missed: Missed,
    /// The version that was seen: refused where it is another by now.
    pub version: Option<i64>,
}

/// What becomes of what happened while a webhook was disabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// It is told, from where it stopped.
    #[default]
    Deliver,
    /// It is never told.
    Skip,
}

/// Which deliveries are made once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Of every event since then.
    All,
    /// Those that were given up, and those that wait for their next try.
    Failed,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no such webhook.
    #[error("there is no webhook `{0}`")]
    Unknown(WebhookId),
    /// It has no such delivery.
    #[error("this webhook has no delivery `{0}`; deliveries are forgotten after a while: resend by `since` instead")]
    NoDelivery(WebhookDeliveryId),
    /// Fields that can't be taken.
    #[error("{}", .0.iter().map(|(field, what)| format!("{field}: {what}")).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<(&'static str, String)>),
    /// Somebody else changed it.
    #[error("it was changed meanwhile: look at it again")]
    Changed,
    /// There are enough.
    #[error("there are {WEBHOOKS_MAX} webhooks already; take one away first")]
    TooMany,
    /// It is told nothing.
    #[error("this webhook is disabled; enable it first")]
    Disabled,
    /// Secrets can't be kept.
    #[error("the secret of a webhook can't be kept: {0}")]
    Seal(#[from] SealError),
    /// The machine has no source of chance.
    #[error("no secret can be made: {0}")]
    Chance(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where webhooks may lead. With simulated people nothing leaves this machine but to what is allowed by name.
pub fn reach(config: &Config) -> Reach {
    Reach { allowed: config.webhooks.allow.clone(), only_allowed: config.is_sandbox() }
}

/// What the secret of a webhook is sealed for.
pub fn secret_of_webhook(id: WebhookId) -> String {
    format!("secret of webhook {id}")
}

fn new_secret() -> Result<SecretString, WebhookError> {
    let octets: [u8; SECRET_OCTETS] = clock::random_octets().map_err(|e| WebhookError::Chance(e.to_string()))?;
    Ok(SecretString::from(secret_of(&octets)))
}

fn check(
    reach: &Reach,
    (url, description): (Option<&str>, Option<&str>),
) -> Result<(Option<String>, Option<String>), WebhookError> {
    let mut flaws = Vec::new();
    let url = url.map(str::trim).map(|url| reach.check(url));
    if let Some(Err(what)) = &url {
        flaws.push(("url", what.clone()));
    }
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX) {
        flaws.push(("description", format!("it has at most {DESCRIPTION_CHARS_MAX} characters")));
    }
    if !flaws.is_empty() {
        return Err(WebhookError::Invalid(flaws));
    }
    Ok((url.and_then(Result::ok).map(String::from), description.map(str::to_owned)))
}

fn names(events: &[EventType]) -> Vec<String> {
    let mut names: Vec<String> = events.iter().map(|e| e.as_str().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Makes a webhook: it is told what happens from now on. The secret is given here and can't be had again.
///
/// # Errors
/// [`WebhookError::Invalid`] with every field that is wrong, [`WebhookError::TooMany`], [`WebhookError::Seal`].
pub async fn create(
    tx: &mut Tx,
    clock: &Clock,
    (reach, vault): (&Reach, &Vault),
    new: NewWebhook,
) -> Result<(WebhookRow, SecretString), WebhookError> {
    let (url, description) = check(reach, (Some(&new.url), Some(&new.description)))?;
    if tx.list_webhooks().await?.len() >= WEBHOOKS_MAX {
        return Err(WebhookError::TooMany);
    }
    let (id, secret) = (WebhookId(clock.new_id()), new_secret()?);
    let row = WebhookRow {
        id,
        url: url.unwrap_or_default(),
        description: description.unwrap_or_default(),
        events: names(&new.events).into(),
        state: WebhookState::Enabled,
        disabled_why: None,
        disabled_at: None,
        secret_sealed: vault.seal(&secret_of_webhook(id), &secret)?,
        old_secret_sealed: None,
        old_secret_until: None,
        seen_seq: tx.last_event_seq().await?,
        failures: 0,
        failing_since: None,
        rest_until: Micros(0),
        last_ok_at: None,
        version: 1,
        created_at: tx.lease_now().await?,
    };
    tx.insert_webhook(&row).await?;
    Ok((row, secret))
}

/// The webhook, locked, as the caller saw it.
async fn seen(tx: &mut Tx, id: WebhookId, version: Option<i64>) -> Result<WebhookRow, WebhookError> {
    let row = tx.lock_webhook(id).await?.ok_or(WebhookError::Unknown(id))?;
    if version.is_some_and(|version| version != row.version) {
        return Err(WebhookError::Changed);
    }
    Ok(row)
}

/// Changes a webhook.
///
/// # Errors
/// As [`create`]; [`WebhookError::Unknown`], [`WebhookError::Changed`].
pub async fn change(tx: &mut Tx, reach: &Reach, id: WebhookId, change: WebhookChange) -> Result<(), WebhookError> {
    let mut row = seen(tx, id, change.version).await?;
    let (url, description) = check(reach, (change.url.as_deref(), change.description.as_deref()))?;
    row.url = url.unwrap_or(row.url);
    row.description = description.unwrap_or(row.description);
    if let Some(events) = change.events {
        row.events = names(&events).into();
    }
    let now = tx.lease_now().await?;
    match change.state {
        Some(WebhookState::Disabled) if row.state == WebhookState::Enabled => {
            row.state = WebhookState::Disabled;
            row.disabled_why = Some(DisabledWhy::ByHand);
            row.disabled_at = Some(now);
        }
        Some(WebhookState::Enabled) => {
            row.state = WebhookState::Enabled;
            (row.disabled_why, row.disabled_at) = (None, None);
            (row.failures, row.failing_since, row.rest_until) = (0, None, Micros(0));
            if change.missed == Missed::Skip {
                row.seen_seq = tx.last_event_seq().await?;
                tx.drop_pending_deliveries(id, now).await?;
            }
        }
        Some(WebhookState::Disabled) | None => {}
    }
    tx.update_webhook(&row).await?;
    Ok(())
}

/// Takes a webhook away, with the record of what it was told.
///
/// # Errors
/// [`WebhookError::Unknown`], [`WebhookError::Changed`].
pub async fn remove(tx: &mut Tx, id: WebhookId, version: Option<i64>) -> Result<(), WebhookError> {
    seen(tx, id, version).await?;
    tx.delete_webhook(id).await?;
    Ok(())
}

/// Makes a new secret. The one before signs as well for so many hours, so that the other side can be given the new one meanwhile.
///
/// # Errors
/// As [`change`]; [`WebhookError::Seal`].
pub async fn rotate(
    tx: &mut Tx,
    vault: &Vault,
    id: WebhookId,
    (overlap_hours, version): (u32, Option<i64>),
) -> Result<SecretString, WebhookError> {
    if overlap_hours > OVERLAP_HOURS_MAX {
        let what = format!("expected a number of hours from 0 to {OVERLAP_HOURS_MAX}");
        return Err(WebhookError::Invalid(vec![("overlap_hours", what)]));
    }
    let mut row = seen(tx, id, version).await?;
    let secret = new_secret()?;
    let sealed = vault.seal(&secret_of_webhook(id), &secret)?;
    let until = tx.lease_now().await?.plus(Duration::from_hours(u64::from(overlap_hours)));
    let old = std::mem::replace(&mut row.secret_sealed, sealed);
    (row.old_secret_sealed, row.old_secret_until) =
        if overlap_hours > 0 { (Some(old), Some(until)) } else { (None, None) };
    tx.update_webhook(&row).await?;
    Ok(secret)
}

async fn enabled(tx: &mut Tx, id: WebhookId) -> Result<WebhookRow, WebhookError> {
    let row = seen(tx, id, None).await?;
    if row.state == WebhookState::Disabled {
        return Err(WebhookError::Disabled);
    }
    Ok(row)
}

/// Puts a test in line, which is told as an event is.
///
/// # Errors
/// [`WebhookError::Unknown`], [`WebhookError::Disabled`].
pub async fn test(tx: &mut Tx, clock: &Clock, id: WebhookId) -> Result<WebhookDeliveryId, WebhookError> {
    enabled(tx, id).await?;
    let at = tx.lease_now().await?;
    let delivery = WebhookDeliveryId(clock.new_id());
    let new = NewDelivery { id: delivery, webhook_id: id, event_id: None, seq: 0, kind: TEST.to_owned(), at };
    tx.insert_webhook_deliveries(vec![new]).await?;
    Ok(delivery)
}

/// Puts one delivery in line once more, whatever became of it.
///
/// # Errors
/// As [`test()`]; [`WebhookError::NoDelivery`].
pub async fn resend(tx: &mut Tx, id: WebhookId, delivery: WebhookDeliveryId) -> Result<(), WebhookError> {
    enabled(tx, id).await?;
    let now = tx.lease_now().await?;
    if tx.resend_webhook_delivery(id, delivery, now).await? {
        return Ok(());
    }
    Err(WebhookError::NoDelivery(delivery))
}

/// Tells a webhook once more what happened since an instant, by this machine's clock: everything, or what it did not take.
/// What was told before comes under the same id. How many deliveries it is, where that is known already.
///
/// # Errors
/// As [`test()`].
pub async fn resend_since(
    tx: &mut Tx,
    id: WebhookId,
    (since, which): (Micros, Which),
) -> Result<Option<u64>, WebhookError> {
    enabled(tx, id).await?;
    match which {
        Which::Failed => {
            let now = tx.lease_now().await?;
            Ok(Some(tx.resend_failed_deliveries(id, since, now).await?))
        }
        Which::All => {
            // Numbers follow ids, but for what was kept late; ids begin with the time they were made at.
            if let Some(first) = tx.first_event_seq(first_id(since.minus(LATE_MAX))).await? {
                tx.rewind_webhook(id, first.saturating_sub(1)).await?;
            }
            Ok(None)
        }
    }
}

/// The lowest id that can have been made at an instant (RFC 9562 §5.7).
fn first_id(at: Micros) -> EventId {
    let ms = u128::try_from(at.0 / 1_000).unwrap_or(0);
    EventId(Uuid::from_u128(ms << 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_id_of_an_instant_is_before_those_made_then_and_after_those_before() {
        let clock = Clock::machine();
        let (id, at) = (clock.new_id(), clock::machine_now());
        let ms = Duration::from_millis(1);
        assert!(first_id(at.minus(ms * 2_000)).0 < id && first_id(at.plus(ms)).0 > id);
        assert_eq!(first_id(Micros(-5)).0, Uuid::nil());
    }
}
