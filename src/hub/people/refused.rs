//! A no is a person's, not an address's: an address that comes to somebody who wants no more mail is not written to either, and
//! one that said so before it was known whose it is speaks for all of theirs.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Clock;
use crate::domain::ids::{AgentId, InfluencerId, LedgerId};
use crate::domain::people::{Address, CARRIED_OVER, Person, SCOPE_ALL, Suppression};
use crate::domain::words::{Channel, SuppressionReason};
use crate::hub::outreach::{self, ExitReason};
use crate::store::{StoreError, Tx};

/// Whether a reason is a person's own no: one that holds for all of theirs. Calling a mail spam is the stronger one.
pub(in crate::hub) fn is_no(reason: SuppressionReason) -> bool {
    matches!(reason, SuppressionReason::OptedOut | SuppressionReason::Complaint)
}

/// The other addresses of whoever has this one.
pub(in crate::hub) async fn other_addresses(
    tx: &mut Tx,
    channel: Channel,
    key: &str,
) -> Result<Vec<String>, StoreError> {
    let owners = tx.find_addresses(channel, vec![key.to_owned()]).await?;
    let influencers: Vec<InfluencerId> = owners.iter().filter_map(|o| o.influencer_id).collect();
    let agents: Vec<AgentId> = owners.iter().filter_map(|o| o.agent_id).collect();
    let mut addresses = Vec::new();
    if !influencers.is_empty() {
        addresses.extend(tx.list_addresses_of_influencers(influencers).await?);
    }
    if !agents.is_empty() {
        addresses.extend(tx.list_addresses_of_agents(agents).await?);
    }
    let others = addresses.into_iter().filter(|a| a.channel == channel && a.value_key != key);
    Ok(others.map(|a| a.value_key).collect())
}

/// Carries a no over to every mail address of these people, and ends their runs; to be called when somebody got an address.
/// The suppressions that are new.
pub(in crate::hub) async fn spread_opt_out(
    tx: &mut Tx,
    clock: &Clock,
    people: impl IntoIterator<Item = Person>,
) -> Result<Vec<LedgerId>, StoreError> {
    let (mut influencers, mut agents) = (BTreeSet::new(), BTreeSet::new());
    for person in people {
        match person {
            Person::Influencer(id) => influencers.insert(id.0),
            Person::Agent(id) => agents.insert(id.0),
        };
    }
    let mut addresses: Vec<Address> = Vec::new();
    if !influencers.is_empty() {
        let ids = influencers.into_iter().map(InfluencerId).collect();
        addresses.extend(tx.list_addresses_of_influencers(ids).await?);
    }
    if !agents.is_empty() {
        let ids = agents.into_iter().map(AgentId).collect();
        addresses.extend(tx.list_addresses_of_agents(ids).await?);
    }
    addresses.retain(|address| address.channel == Channel::Email);
    let keys: Vec<String> = addresses.iter().map(|address| address.value_key.clone()).collect();
    let said: BTreeMap<String, Suppression> = tx
        .suppressed(Channel::Email, keys)
        .await?
        .into_iter()
        .filter(|s| is_no(s.reason) && s.scope == SCOPE_ALL)
        .map(|s| (s.value_key.clone(), s))
        .collect();
    if said.is_empty() {
        return Ok(Vec::new());
    }
    let now = clock.now();
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    for address in &addresses {
        let mut own = addresses.iter().filter(|other| other.person == address.person);
        let Some(no) = own.find_map(|other| said.get(&other.value_key)) else { continue };
        if let Person::Influencer(id) = address.person {
            refused.push(id);
        }
        if !said.contains_key(&address.value_key) {
            rows.push(Suppression {
                id: LedgerId(clock.new_id()),
                channel: Channel::Email,
                value_key: address.value_key.clone(),
                scope: SCOPE_ALL.to_owned(),
                reason: no.reason,
                evidence: format!("{} (as {}{CARRIED_OVER}", no.evidence, no.value_key),
                at: now,
            });
        }
    }
    tx.insert_suppressions(&rows).await?;
    for row in &rows {
        tx.withdraw_consents(Channel::Email, &row.value_key, now).await?;
    }
    refused.dedup();
    outreach::stop_runs(tx, clock, &refused, (&ExitReason::OptedOut, None)).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
