//! How the relays stand: what waits, what was given up, and why.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::{Relay, RelayPlace};
use crate::domain::time::Micros;
use crate::domain::words::{AccountState, RelayState};
use crate::store::{StoreError, Tx};

/// A place where the team hears of what influencers write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RelayView {
    /// Its name in the configuration.
    pub id: String,
    /// The account that speaks there.
    pub account: String,
    /// The channel's id, or the teammate's address.
    pub place: String,
    /// What words begin with that go on to the influencer.
    pub marker: String,
    /// How much is to be shown there, and is not yet.
    pub waiting: i64,
    /// Since when the oldest of that waits.
    pub waiting_since: Option<Micros>,
    /// How much was given up.
    pub failed: i64,
    /// Why the newest of what waits, or was given up, is not there.
    pub trouble: Option<String>,
}

/// Why something is not there.
async fn trouble(tx: &mut Tx, relay: &Relay, waits: bool) -> Result<Option<String>, StoreError> {
    if waits && tx.get_installation().await?.is_some_and(|installation| installation.held) {
        return Ok(Some("nothing leaves a copied or restored database before `liaison release`".to_owned()));
    }
    let account = tx.get_account(&relay.account).await?.filter(|row| row.sending_state == AccountState::Paused);
    if let (Some(row), true) = (account, waits) {
        let why = row.sending_detail.map(|detail| format!(": {detail}")).unwrap_or_default();
        return Ok(Some(format!("sending from {} is stopped{why}", relay.account)));
    }
    tx.last_relay_trouble(&relay.id).await
}

/// How each of these relays stands.
pub async fn standing(tx: &mut Tx, relays: &BTreeMap<String, Relay>) -> Result<Vec<RelayView>, StoreError> {
    let rows = tx.list_relay_standings().await?;
    let mut views = Vec::with_capacity(relays.len());
    for relay in relays.values() {
        let own = || rows.iter().filter(|row| row.relay == relay.id);
        let waits = || own().filter(|row| row.state != RelayState::Failed);
        let place = match &relay.place {
            RelayPlace::Channel(id) => id.clone(),
            RelayPlace::Teammate { address, .. } => address.clone(),
        };
        views.push(RelayView {
            id: relay.id.clone(),
            account: relay.account.clone(),
            place,
            marker: relay.marker.clone(),
            waiting: waits().map(|row| row.posts).sum(),
            waiting_since: waits().map(|row| row.oldest).min(),
            failed: own().filter(|row| row.state == RelayState::Failed).map(|row| row.posts).sum(),
            trouble: trouble(tx, relay, waits().next().is_some()).await?,
        });
    }
    Ok(views)
}
