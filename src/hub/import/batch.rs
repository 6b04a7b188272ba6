//! One batch of influencers: read the rows, look up what is known of all of them, plan, write.

use std::collections::{HashMap, HashSet};

use super::file::Record;
use super::plan::{Known, Outcome, Planner, Writes};
use super::row::Row;
use super::{Import, ImportError, Remark, Seen};
use crate::clock::Clock;
use crate::domain::ids::{AgentId, InfluencerId};
use crate::domain::people::{Address, Person};
use crate::domain::words::Channel;
use crate::hub::people::influencers_by_handles;
use crate::hub::{matching, outreach};
use crate::store::people::address::AddressOwner;
use crate::store::{StoreError, Tx};

/// A well-formed row and the record it was read from.
struct Item {
    record: Record,
    row: Row,
}

/// What a batch came to.
struct Done {
    outcomes: Vec<Result<Outcome, Vec<String>>>,
    seen: Seen,
    stages_left_alone: u64,
    remarks: Vec<Remark>,
}

/// Whose addresses these are.
pub(super) fn persons(owners: Vec<AddressOwner>) -> HashMap<String, Person> {
    let person = |o: &AddressOwner| match (o.influencer_id, o.agent_id) {
        (Some(id), _) => Some(Person::Influencer(id)),
        (None, Some(id)) => Some(Person::Agent(id)),
        (None, None) => None,
    };
    owners.into_iter().filter_map(|o| person(&o).map(|p| (o.value_key, p))).collect()
}

async fn look_up(tx: &mut Tx, items: &[Item]) -> Result<Known, StoreError> {
    let rows = || items.iter().map(|item| &item.row);
    let handles = rows().map(|row| row.handle_key.clone()).collect();
    let influencers = influencers_by_handles(tx, handles).await?.into_iter().collect();
    let mut known = Known { influencers, ..Known::default() };
    let keys = rows().flat_map(|row| row.email.iter().chain(&row.agent)).map(|mail| mail.key.clone()).collect();
    known.owners = persons(tx.find_addresses(Channel::Email, keys).await?);
    let phones: Vec<String> = rows().filter_map(|row| row.phone.as_ref()).map(|phone| phone.key.clone()).collect();
    if !phones.is_empty() {
        known.owners.extend(persons(tx.find_addresses(Channel::Sms, phones).await?));
    }
    let owners: Vec<InfluencerId> = known.owners.values().filter_map(|p| p.influencer()).collect();
    if !owners.is_empty() {
        known.names = tx.get_influencers(owners).await?.into_iter().map(|i| (i.id, i.handle)).collect();
    }
    let ids: Vec<InfluencerId> = known.influencers.values().map(|i| i.id).collect();
    if !ids.is_empty() {
        look_up_attached(tx, ids, &mut known).await?;
    }
    look_up_consents(tx, items, &mut known).await?;
    let own = rows().filter(|row| row.suppressed.is_some()).filter_map(|row| row.email.as_ref());
    let agents = rows().filter(|row| row.agent_suppressed.is_some()).filter_map(|row| row.agent.as_ref());
    let asked: Vec<String> = own.chain(agents).map(|mail| mail.key.clone()).collect();
    if !asked.is_empty() {
        known.heard(tx.suppressed(Channel::Email, asked).await?);
    }
    let numbers = rows().filter(|row| row.phone_suppressed.is_some()).filter_map(|row| row.phone.as_ref());
    let numbers: Vec<String> = numbers.map(|phone| phone.key.clone()).collect();
    if !numbers.is_empty() {
        known.heard(tx.suppressed(Channel::Sms, numbers).await?);
    }
    Ok(known)
}

/// What is known of the addresses and numbers for which a row brings a consent: consents, and whether their owner said no.
async fn look_up_consents(tx: &mut Tx, items: &[Item], known: &mut Known) -> Result<(), StoreError> {
    for channel in [Channel::Email, Channel::Sms] {
        let of_channel = |row: &&Row| row.consents.iter().any(|(of, _, _)| *of == channel);
        let address = |row: &Row| match channel {
            Channel::Sms => row.phone.clone(),
            Channel::Email => row.email.clone(),
            // Nobody is asked whether they may be talked to there.
            Channel::Slack | Channel::Manual => None,
        };
        let keys: Vec<String> =
            items.iter().map(|item| &item.row).filter(of_channel).filter_map(address).map(|a| a.key).collect();
        if keys.is_empty() {
            continue;
        }
        for consent in tx.list_consents(channel, keys.clone()).await? {
            known.consents.entry(consent.value_key.clone()).or_default().push(consent);
        }
        known.heard(tx.suppressed(channel, keys).await?);
    }
    Ok(())
}

async fn look_up_attached(tx: &mut Tx, ids: Vec<InfluencerId>, known: &mut Known) -> Result<(), StoreError> {
    for address in tx.list_addresses_of_influencers(ids.clone()).await? {
        if let Address { person: Person::Influencer(id), .. } = address {
            known.addresses.entry(id).or_default().push(address);
        }
    }
    for (id, tag) in tx.list_tags(ids.clone()).await? {
        known.tags.entry(id).or_default().insert(tag);
    }
    for (id, network) in tx.list_networks(ids.clone()).await? {
        known.networks.entry(id).or_default().push(network);
    }
    for (id, agent) in tx.agents_of_influencers(ids).await? {
        known.agents.entry(id).or_default().push(agent);
    }
    Ok(())
}

/// Writes a batch.
///
/// # Errors
/// [`StoreError::Exists`] and [`StoreError::Conflict`] where somebody changed the same people meanwhile.
pub(super) async fn write(tx: &mut Tx, clock: &Clock, writes: Writes) -> Result<(), StoreError> {
    let mut linked: Vec<AgentId> = writes.links.iter().map(|(agent, _)| *agent).collect();
    linked.sort_unstable();
    linked.dedup();
    let stood_for: HashSet<AgentId> =
        tx.influencers_of_agents(linked.clone()).await?.into_iter().map(|(agent, _)| agent).collect();
    linked.retain(|agent| !stood_for.contains(agent));
    tx.insert_influencers(&writes.influencers).await?;
    tx.insert_agents(&writes.agents).await?;
    tx.insert_addresses(&writes.addresses).await?;
    tx.link_agents(&writes.links).await?;
    tx.insert_tags(&writes.tags).await?;
    tx.upsert_networks(&writes.networks).await?;
    tx.insert_consents(&writes.consents).await?;
    for influencer in &writes.updates {
        if !tx.update_influencer(influencer).await? {
            return Err(StoreError::Exists(format!("a newer version of {}", influencer.id)));
        }
    }
    for agent in &writes.agent_updates {
        tx.update_agent(agent).await?;
    }
    let mut changed: Vec<_> = writes.events.iter().filter_map(|e| e.influencer_id).collect();
    changed.extend(writes.links.iter().map(|(_, influencer)| *influencer));
    outreach::wake_stuck(tx, clock, changed).await?;
    tx.insert_events(writes.events).await?;
    // The history of addresses that are new, and of agents who stand for somebody now.
    let mut addresses = writes.addresses;
    addresses.retain(|a| a.person.influencer().is_some());
    addresses.extend(tx.list_addresses_of_agents(linked).await?);
    matching::place_history(tx, clock, &addresses).await?;
    Ok(())
}

impl Import<'_> {
    /// Imports a batch of influencers.
    pub(super) async fn influencers(&mut self, batch: Vec<Record>) -> Result<(), ImportError> {
        let mut items = Vec::with_capacity(batch.len());
        for record in batch {
            match Row::read(&self.columns, &record, (self.options, &self.declared)) {
                Ok(row) => items.push(Item { record, row }),
                Err(reasons) => self.fail(record, reasons),
            }
        }
        if items.is_empty() {
            return Ok(());
        }
        let mut tries = 0;
        let done = loop {
            tries += 1;
            match self.try_influencers(&items).await {
                Ok(done) => break done,
                Err(error) if Self::try_again(&error, tries) => {}
                Err(error) => return Err(self.store_error(error)),
            }
        };
        self.settle(done.seen);
        self.stages_left_alone += done.stages_left_alone;
        self.report.remarks.extend(done.remarks);
        for (item, outcome) in items.into_iter().zip(done.outcomes) {
            match outcome {
                Ok(outcome) => self.count(outcome),
                Err(reasons) => self.fail(item.record, reasons),
            }
        }
        Ok(())
    }

    async fn try_influencers(&self, items: &[Item]) -> Result<Done, StoreError> {
        let mut tx =
            if self.options.dry_run { self.store.read().await? } else { self.store.begin("hub.import").await? };
        if !self.options.dry_run {
            // First of all, as those do who store messages: their locks are taken in one order.
            tx.lock_conversations().await?;
        }
        let known = look_up(&mut tx, items).await?;
        let mut planner = self.planner(&known);
        let outcomes = items.iter().map(|item| planner.plan(item.record.line, &item.row)).collect();
        let Planner { seen, writes, stages_left_alone, remarks, .. } = planner;
        if !self.options.dry_run {
            write(&mut tx, self.clock, writes).await?;
            tx.commit().await?;
        }
        Ok(Done { outcomes, seen, stages_left_alone, remarks })
    }

    pub(super) fn planner<'b>(&'b self, known: &'b Known) -> Planner<'b> {
        Planner {
            clock: self.clock,
            options: self.options,
            known,
            before: &self.seen,
            seen: Seen::default(),
            writes: Writes::default(),
            stages_left_alone: 0,
            remarks: Vec::new(),
        }
    }

    /// Keeps what a batch has seen, once it is kept itself.
    pub(super) fn settle(&mut self, seen: Seen) {
        self.report.agents_created += u64::try_from(seen.agents.len()).unwrap_or_default();
        self.seen.handles.extend(seen.handles);
        self.seen.addresses.extend(seen.addresses);
        self.seen.agents.extend(seen.agents);
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created => self.report.created += 1,
            Outcome::Updated => self.report.updated += 1,
            Outcome::Unchanged => self.report.unchanged += 1,
        }
    }
}
