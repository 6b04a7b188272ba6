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

/// What was said to a person is said of everything and stands under the person, so that an address that comes later does not escape it.
/// Whether each of these is known to have said so.
pub(in crate::hub) async fn said_of_everything(
    tx: &mut Tx,
    ids: &[InfluencerId],
) -> Result<BTreeMap<InfluencerId, Suppression>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = tx.suppressed(Channel::Manual, ids.iter().map(ToString::to_string).collect()).await?;
    let of = |s: Suppression| Some((s.value_key.parse().ok()?, s));
    Ok(rows.into_iter().filter(|s| is_no(s.reason) && s.scope == SCOPE_ALL).filter_map(of).collect())
}

/// Whether it was said there itself, and not only at another address or record of the same person.
pub(in crate::hub) fn is_own(said: &Suppression) -> bool {
    !said.evidence.ends_with(CARRIED_OVER)
}

/// The evidence of a no that is carried over from where it was said.
fn carried(no: &Suppression) -> String {
    let from = if no.channel == Channel::Manual { "said to a person" } else { no.value_key.as_str() };
    format!("{} (as {from}{CARRIED_OVER}", no.evidence)
}

/// What one record of a person said of everything is said by the other, too, which it is joined into. The suppression that is new.
pub(in crate::hub) async fn carry_everything(
    tx: &mut Tx,
    clock: &Clock,
    (from, to): (InfluencerId, InfluencerId),
) -> Result<Option<LedgerId>, StoreError> {
    let mut said = said_of_everything(tx, &[from, to]).await?;
    let Some(no) = said.remove(&from).filter(|_| !said.contains_key(&to)) else { return Ok(None) };
    let id = LedgerId(clock.new_id());
    let evidence = carried(&no);
    let row = Suppression { id, value_key: to.to_string(), at: clock.now(), evidence, ..no };
    tx.insert_suppressions(&[row]).await?;
    Ok(Some(id))
}

/// Carries a no over to every address and number of these people of the channel it was said for, and to all of them where it was said
/// of everything; ends their runs. To be called when somebody got an address. The suppressions that are new.
pub(in crate::hub) async fn spread_opt_out(
    tx: &mut Tx,
    clock: &Clock,
    people: impl IntoIterator<Item = Person>,
) -> Result<Vec<LedgerId>, StoreError> {
    let people: Vec<Person> = people.into_iter().collect();
    let mut influencers: Vec<InfluencerId> = people.iter().filter_map(|person| person.influencer()).collect();
    influencers.sort_unstable();
    influencers.dedup();
    let everything = said_of_everything(tx, &influencers).await?;
    let addresses = addresses_of(tx, people).await?;
    let mut said: BTreeMap<(Channel, String), Suppression> = BTreeMap::new();
    for channel in Channel::ADDRESSED {
        let own = addresses.iter().filter(|a| a.channel == channel);
        let keys: Vec<String> = own.map(|a| a.value_key.clone()).collect();
        if keys.is_empty() {
            continue;
        }
        let listed = tx.suppressed(channel, keys).await?.into_iter();
        let nos = listed.filter(|s| is_no(s.reason) && s.scope == SCOPE_ALL);
        said.extend(nos.map(|s| ((channel, s.value_key.clone()), s)));
    }
    if said.is_empty() && everything.is_empty() {
        return Ok(Vec::new());
    }
    let now = clock.now();
    let (mut rows, mut refused): (Vec<Suppression>, Vec<InfluencerId>) =
        (Vec::new(), everything.keys().copied().collect());
    for address in &addresses {
        let own = addresses.iter().filter(|other| other.person == address.person && other.channel == address.channel);
        let mut own = own.filter_map(|other| said.get(&(other.channel, other.value_key.clone())));
        let whole = address.person.influencer().and_then(|id| everything.get(&id));
        let Some(no) = whole.or(own.next()) else { continue };
        // Runs write mail: a no to text messages alone ends none of them.
        if let (Person::Influencer(id), Channel::Email) = (address.person, address.channel) {
            refused.push(id);
        }
        if !said.contains_key(&(address.channel, address.value_key.clone())) {
            rows.push(Suppression {
                id: LedgerId(clock.new_id()),
                channel: address.channel,
                value_key: address.value_key.clone(),
                scope: SCOPE_ALL.to_owned(),
                reason: no.reason,
                evidence: carried(no),
                at: now,
            });
        }
    }
    tx.insert_suppressions(&rows).await?;
    for row in &rows {
        tx.withdraw_consents(row.channel, &row.value_key, now).await?;
    }
    refused.sort_unstable();
    refused.dedup();
    outreach::stop_runs(tx, clock, &refused, (&ExitReason::OptedOut, None)).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The addresses and numbers of these people.
async fn addresses_of(tx: &mut Tx, people: impl IntoIterator<Item = Person>) -> Result<Vec<Address>, StoreError> {
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
    Ok(addresses)
}
