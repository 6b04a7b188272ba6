//! Webhooks, put together: what is configured at the moment, and the loop that tells them what happens.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Hub, LOOP_SILENCE_MAX, Live};
use crate::domain::webhook::guard::Reach;
use crate::hub::seal::{SealError, Vault};
use crate::hub::webhook::{self, NewWebhook, WebhookError};
use crate::lifecycle::Lifecycle;
use crate::store::webhook::WebhookView;
use crate::webhooks::{Means, Webhooks};
use crate::worker;

/// What seals and opens the secrets of webhooks.
pub(super) fn vault(live: &Live) -> Result<Vault, SealError> {
    Vault::of(&live.config.as_ref().ok_or(SealError::NoKey)?.oauth)
}

/// Where webhooks may lead. Nowhere without a configuration: then all people are simulated.
pub(super) fn reach(live: &Live) -> Reach {
    let nowhere = || Reach { only_allowed: true, ..Reach::default() };
    live.config.as_ref().map_or_else(nowhere, |config| webhook::reach(config))
}

/// Starts telling webhooks what happens.
pub(super) fn spawn(hub: &Hub, life: &Lifecycle) {
    let current = hub.clone();
    let webhooks = Webhooks {
        store: hub.store.clone(),
        clock: hub.clock.clone(),
        run: hub.run,
        means: Arc::new(move || {
            let now = current.live();
            Means { vault: vault(&now), reach: reach(&now) }
        }),
        numbered: Arc::clone(&hub.numbered),
        stored: Arc::clone(&hub.stored),
        wake: hub.wakes.of("webhooks"),
    };
    let (soft, hard) = life.stop().tokens();
    life.spawn("webhooks", life.watched("webhooks", LOOP_SILENCE_MAX, webhooks.run(worker::Stop { soft, hard })));
}

/// Makes a webhook, or a new secret for one, for a command line that can't read the master key itself.
pub(super) async fn answer(hub: &Hub, op: &str, arguments: &Value) -> Result<Value, String> {
    let live = hub.live();
    let asked = |key: &str| arguments.get(key).cloned().unwrap_or_default();
    let read = |error: serde_json::Error| error.to_string();
    let told = |error: WebhookError| error.to_string();
    let kept = |error: crate::store::StoreError| error.to_string();
    let vault = vault(&live).map_err(|error| told(error.into()))?;
    let mut tx = hub.store.begin("control.webhook").await.map_err(kept)?;
    let (id, secret) = if op == "webhook.create" {
        let new = NewWebhook {
            url: serde_json::from_value(asked("url")).map_err(read)?,
            description: serde_json::from_value(asked("description")).map_err(read)?,
            events: serde_json::from_value(asked("events")).map_err(read)?,
        };
        let made = webhook::create(&mut tx, &hub.clock, (&reach(&live), &vault), new).await;
        made.map(|(row, secret)| (row.id, secret)).map_err(told)?
    } else {
        let id = serde_json::from_value(asked("id")).map_err(read)?;
        let hours = serde_json::from_value(asked("overlap_hours")).map_err(read)?;
        (id, webhook::rotate(&mut tx, &vault, id, (hours, None)).await.map_err(told)?)
    };
    let row = tx.get_webhook(id).await.map_err(kept)?;
    tx.commit().await.map_err(kept)?;
    Ok(json!({ "secret": secret.expose_secret(), "webhook": row.map(WebhookView::from) }))
}
