//! The page of numbers: what this process counted, and what it looks up in the store and in its loops when asked.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::Hub;
use crate::clock::machine_now;
use crate::domain::time::Micros;
use crate::domain::words::{AccountState, OutboxStatus, WebhookState, Word as _};
use crate::http::{self, MetricsPage, MetricsState};
use crate::lifecycle::Lifecycle;
use crate::store::{StoreError, Tx};
use crate::telemetry::metrics::{self, Page};

/// What has not come to an end.
const OPEN: [OutboxStatus; 6] = [
    OutboxStatus::Review,
    OutboxStatus::Queued,
    OutboxStatus::Claimed,
    OutboxStatus::HandedOver,
    OutboxStatus::Deferred,
    OutboxStatus::Uncertain,
];

/// Makes the page of a running hub.
pub(super) fn page_of(hub: &Hub, life: &Lifecycle) -> MetricsPage {
    let (hub, life) = (hub.clone(), life.clone());
    Arc::new(move || {
        let (hub, life) = (hub.clone(), life.clone());
        Box::pin(async move {
            let mut page = Page::default();
            page.set(&metrics::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
            let now = machine_now();
            for pulse in life.pulses() {
                page.set(&metrics::LOOP_PULSE, &[&pulse.name], seconds(now.minus(pulse.silent_for)));
            }
            look_up(&hub, &mut page).await?;
            Ok(page.render())
        })
    })
}

/// Serves the page on an address of its own.
pub(super) fn listen(listener: TcpListener, page: MetricsPage, life: &Lifecycle) {
    let (router, stop) = (http::metrics_router(MetricsState { page, door: None }), life.stop());
    life.spawn("metrics", http::serve(listener, router, async move { stop.soft().await }));
}

async fn look_up(hub: &Hub, page: &mut Page) -> Result<(), StoreError> {
    let mut tx = hub.store.read().await?;
    let held = tx.get_installation().await?.is_some_and(|i| i.held);
    page.set(&metrics::SENDING_HELD, &[], f64::from(u8::from(held)));
    let leases_now = tx.lease_now().await?;
    for lease in tx.list_leases().await? {
        let is_held = lease.holder.is_some() && lease.until >= leases_now;
        let ours = is_held && lease.holder == Some(hub.run);
        page.set(&metrics::LEASE_HELD, &[&lease.name], f64::from(u8::from(ours)));
        if let Some(at) = lease.taken_at.filter(|_| is_held) {
            page.set(&metrics::LEASE_TAKEN, &[&lease.name], seconds(at));
        }
    }
    let webhooks = tx.list_webhooks().await?;
    for state in WebhookState::ALL.iter().copied() {
        let count = u32::try_from(webhooks.iter().filter(|w| w.state == state).count()).unwrap_or(u32::MAX);
        page.set(&metrics::WEBHOOKS, &[state.as_str()], f64::from(count));
    }
    let (rows, logins) = (tx.list_accounts().await?, tx.list_logins().await?);
    for account in &hub.live().accounts {
        let name = account.name.as_str();
        if let Some(row) = rows.iter().find(|row| row.name == name) {
            let is_up = row.state == AccountState::Up && row.sending_state == AccountState::Up;
            page.set(&metrics::ACCOUNT_UP, &[name], f64::from(u8::from(is_up)));
            if let Some(at) = row.last_sync_at {
                page.set(&metrics::ACCOUNT_LAST_SYNC, &[name], seconds(at));
            }
        }
        if account.tokens.is_some() {
            let login = logins.iter().find(|login| login.account == name);
            let signed_in = login.is_some_and(|login| login.refused_at.is_none());
            page.set(&metrics::OAUTH_SIGNED_IN, &[name], f64::from(u8::from(signed_in)));
            if let Some(login) = login {
                page.set(&metrics::OAUTH_TOKEN_EXPIRY, &[name], seconds(login.expires_at));
            }
        }
        look_at_outbox(&mut tx, name, hub.clock.now(), page).await?;
    }
    Ok(())
}

async fn look_at_outbox(tx: &mut Tx, account: &str, now: Micros, page: &mut Page) -> Result<(), StoreError> {
    let due = tx.next_due_outbox(account).await?;
    page.set(&metrics::SEND_LAG, &[account], due.map_or(0.0, |at| now.since(at).as_secs_f64()));
    let counts = tx.count_outbox(account, &OPEN).await?;
    for status in OPEN {
        let n = counts.iter().find(|(s, _)| *s == status).map_or(0, |(_, n)| *n);
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53, which no queue reaches")]
        page.set(&metrics::OUTBOX, &[account, status.as_str()], n as f64);
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a microsecond is lost after the year 2255")]
fn seconds(at: Micros) -> f64 {
    at.0 as f64 / 1e6
}
