//! One batch of agents.

use std::collections::{BTreeSet, HashMap};

use super::batch::{persons, write};
use super::columns::{Columns, Field};
use super::file::Record;
use super::plan::{Known, Outcome, Planner};
use super::row::{Mail, list, unguarded, width};
use super::{Import, ImportError, Seen, Use};
use crate::domain::ids::{AgentId, InfluencerId};
use crate::domain::people::check::{self, Flaw};
use crate::domain::people::{Agent, Person, handle_key};
use crate::domain::words::Channel;
use crate::hub::people::influencers_by_handles;
use crate::store::{StoreError, Tx};

/// A row that is well formed.
#[derive(Debug, Default)]
struct AgentRow {
    email: Mail,
    first_name: String,
    last_name: String,
    /// Why they are not written to where the file comes from.
    suppressed: Option<String>,
    /// Handles as written, and as they are looked up.
    influencers: Vec<(String, String)>,
}

/// What the store knows about the agents of a batch, beside the owners of their addresses.
struct KnownAgents {
    agents: HashMap<AgentId, Agent>,
    links: BTreeSet<(AgentId, InfluencerId)>,
}

struct Done {
    outcomes: Vec<Result<Outcome, Vec<String>>>,
    seen: Seen,
}

impl AgentRow {
    fn read(columns: &Columns, record: &Record) -> Result<Self, Vec<String>> {
        width(columns, record).map_err(|reason| vec![reason])?;
        let mut row = Self::default();
        let mut flaws = Vec::new();
        for (field, cell) in columns.fields.iter().zip(&record.cells) {
            if let Some(field) = field
                && let Err(flaw) = row.cell(field, unguarded(cell.trim()))
            {
                flaws.push(flaw);
            }
        }
        if flaws.is_empty() { Ok(row) } else { Err(flaws.iter().map(ToString::to_string).collect()) }
    }

    fn cell(&mut self, field: &Field, cell: &str) -> Result<(), Flaw> {
        if matches!(field, Field::Email) {
            let (value, key) = check::email("email", cell)?;
            self.email = Mail { value, key };
        } else if matches!(field, Field::FirstName) {
            self.first_name = check::name("first_name", cell)?;
        } else if matches!(field, Field::LastName) {
            self.last_name = check::name("last_name", cell)?;
        } else if matches!(field, Field::Suppressed) {
            self.suppressed =
                Some(cell).filter(|cell| !cell.is_empty()).map(|cell| check::name("suppressed", cell)).transpose()?;
        } else if matches!(field, Field::Influencers) {
            let handle = |given| check::handle(given).map_err(|flaw| Flaw::new("influencers", flaw.reason));
            self.influencers = list(cell).map(handle).collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}

async fn look_up(tx: &mut Tx, items: &[(Record, AgentRow)]) -> Result<(Known, KnownAgents), StoreError> {
    let mut known = Known::default();
    let keys = items.iter().map(|(_, row)| row.email.key.clone()).collect();
    known.owners = persons(tx.find_addresses(Channel::Email, keys).await?);
    let handles = items.iter().flat_map(|(_, row)| row.influencers.iter().map(|(_, key)| key.clone())).collect();
    known.influencers = influencers_by_handles(tx, handles).await?.into_iter().collect();
    let owners: Vec<InfluencerId> = known.owners.values().filter_map(|p| p.influencer()).collect();
    known.names = tx.get_influencers(owners).await?.into_iter().map(|i| (i.id, i.handle)).collect();
    let said = items.iter().filter(|(_, row)| row.suppressed.is_some());
    let said: Vec<String> = said.map(|(_, row)| row.email.key.clone()).collect();
    if !said.is_empty() {
        known.heard(tx.suppressed(Channel::Email, said).await?);
    }
    let ids: Vec<AgentId> = known.owners.values().filter_map(|p| p.agent()).collect();
    let agents = tx.get_agents(ids.clone()).await?.into_iter().map(|a| (a.id, a)).collect();
    let links = tx.influencers_of_agents(ids).await?.into_iter().collect();
    Ok((known, KnownAgents { agents, links }))
}

impl Planner<'_> {
    fn plan_agent(&mut self, line: u64, row: &AgentRow, there: &KnownAgents) -> Result<Outcome, Vec<String>> {
        let mut reasons = Vec::new();
        if let Some((earlier, _)) = self.seen_address(&row.email.key) {
            reasons.push(format!("email: {} is in line {earlier} already", row.email.value));
        }
        if let Some(Person::Influencer(id)) = self.known.owners.get(&row.email.key) {
            let name = self.known.names.get(id).cloned().unwrap_or_else(|| id.to_string());
            reasons.push(format!(
                "email: {} is the own address of {name}; an address is either theirs or their agent's",
                row.email.value
            ));
        }
        reasons.extend(self.unheard("suppressed", &row.email, row.suppressed.as_deref()));
        let agent = self.known.owners.get(&row.email.key).and_then(|owner| owner.agent());
        let mut influencers = BTreeSet::new();
        for (handle, key) in &row.influencers {
            let Some(influencer) = self.known.influencers.get(key) else {
                reasons.push(format!("influencers: there is no influencer {handle}; import them first"));
                continue;
            };
            let is_linked = agent.is_some_and(|agent| there.links.contains(&(agent, influencer.id)));
            // Somebody else may have taken the handle.
            if !is_linked && handle_key(&influencer.handle).as_ref() != Some(key) {
                reasons.push(format!(
                    "influencers: {handle} was {}'s before; if it is the same person, write {}; if somebody else has the handle now, \
                     import them first",
                    influencer.handle, influencer.handle
                ));
            }
            influencers.insert(influencer.id);
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }
        self.seen.addresses.insert(row.email.key.clone(), (line, Use::Agent));
        let existing = match self.known.owners.get(&row.email.key) {
            Some(Person::Agent(id)) => there.agents.get(id),
            _ => None,
        };
        let Some(existing) = existing else {
            let id = self.create_agent(&row.email, &row.first_name, &row.last_name);
            self.writes.links.extend(influencers.into_iter().map(|i| (id, i)));
            return Ok(Outcome::Created);
        };
        let mut agent = existing.clone();
        for (now, given) in [(&mut agent.first_name, &row.first_name), (&mut agent.last_name, &row.last_name)] {
            if !given.is_empty() {
                now.clone_from(given);
            }
        }
        let links: Vec<_> =
            influencers.into_iter().map(|i| (agent.id, i)).filter(|link| !there.links.contains(link)).collect();
        if agent == *existing && links.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        agent.updated_at = self.clock.now();
        self.writes.links.extend(links);
        self.writes.agent_updates.push(agent);
        Ok(Outcome::Updated)
    }
}

impl Import<'_> {
    /// Imports a batch of agents.
    pub(super) async fn agents(&mut self, batch: Vec<Record>) -> Result<(), ImportError> {
        let mut items = Vec::with_capacity(batch.len());
        for record in batch {
            match AgentRow::read(&self.columns, &record) {
                Ok(row) => items.push((record, row)),
                Err(reasons) => self.fail(record, reasons),
            }
        }
        if items.is_empty() {
            return Ok(());
        }
        let mut tries = 0;
        let mut done = loop {
            tries += 1;
            match self.try_agents(&items).await {
                Ok(done) => break done,
                Err(error) if Self::try_again(&error, tries) => {}
                Err(error) => return Err(self.store_error(error)),
            }
        };
        // Agents are what is counted here, not something beside it.
        done.seen.agents.clear();
        self.settle(done.seen);
        for ((record, _), outcome) in items.into_iter().zip(done.outcomes) {
            match outcome {
                Ok(outcome) => self.count(outcome),
                Err(reasons) => self.fail(record, reasons),
            }
        }
        Ok(())
    }

    async fn try_agents(&self, items: &[(Record, AgentRow)]) -> Result<Done, StoreError> {
        let mut tx =
            if self.options.dry_run { self.store.read().await? } else { self.store.begin("hub.import").await? };
        if !self.options.dry_run {
            tx.lock_conversations().await?;
        }
        let (known, there) = look_up(&mut tx, items).await?;
        let mut planner = self.planner(&known);
        let outcomes = items.iter().map(|(record, row)| planner.plan_agent(record.line, row, &there)).collect();
        let Planner { seen, writes, .. } = planner;
        if !self.options.dry_run {
            write(&mut tx, self.clock, writes).await?;
            tx.commit().await?;
        }
        Ok(Done { outcomes, seen })
    }
}
