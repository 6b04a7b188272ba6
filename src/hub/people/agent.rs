//! Creating and updating one agent, by hand or by the API.

use serde::Deserialize;

use super::PeopleError;
use super::influencer::{Flaws, free_addresses};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::{AgentId, InfluencerId};
use crate::domain::people::check::{self, Flaw};
use crate::domain::people::{Agent, Person};
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::hub::matching;
use crate::store::Tx;

/// A new agent, as given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewAgent {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Their email addresses, the primary one first; at least one.
    pub emails: Vec<String>,
    /// For whom they write.
    pub influencers: Vec<InfluencerId>,
}

/// Changes to an agent; what is `None` or empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentChange {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Email addresses to add.
    pub add_emails: Vec<String>,
    /// Numbers (E.164) and users of workspaces from which they turned out to write.
    #[serde(skip)]
    pub add_others: Vec<String>,
    /// For whom they write from now on, too.
    pub add_influencers: Vec<InfluencerId>,
    /// For whom they no longer write.
    pub remove_influencers: Vec<InfluencerId>,
    /// The version that was seen: refused where it is another by now.
    pub version: Option<i64>,
}

async fn link(tx: &mut Tx, agent: AgentId, influencers: Vec<InfluencerId>) -> Result<(), PeopleError> {
    let known = tx.influencer_stages(influencers.clone()).await?;
    if let Some(unknown) = influencers.iter().find(|id| !known.iter().any(|k| k.influencer_id == **id)) {
        return Err(PeopleError::NoInfluencer(unknown.to_string()));
    }
    let links: Vec<(AgentId, InfluencerId)> = influencers.into_iter().map(|i| (agent, i)).collect();
    tx.link_agents(&links).await?;
    Ok(())
}

/// Creates an agent.
///
/// # Errors
/// [`PeopleError::Invalid`] with every field that is wrong; `AddressTaken`, `NoInfluencer`.
pub async fn create_agent(tx: &mut Tx, clock: &Clock, new: NewAgent) -> Result<Agent, PeopleError> {
    let mut flaws = Flaws::default();
    let emails = flaws.emails(&new.emails);
    if new.emails.is_empty() {
        flaws.take::<()>(Err(Flaw::new("emails", "an agent is known by their address: at least one is wanted")));
    }
    let agent = Agent {
        id: AgentId(clock.new_id()),
        first_name: flaws.take(check::name("first_name", &new.first_name)),
        last_name: flaws.take(check::name("last_name", &new.last_name)),
        created_at: clock.now(),
        updated_at: clock.now(),
    };
    flaws.done()?;
    tx.lock_conversations().await?;
    let addresses = free_addresses(tx, clock, Person::Agent(agent.id), (Channel::Email, emails), false).await?;
    tx.insert_agents(std::slice::from_ref(&agent)).await?;
    tx.insert_addresses(&addresses).await?;
    link(tx, agent.id, new.influencers).await?;
    matching::place_history(tx, clock, &addresses).await?;
    Ok(agent)
}

/// The agent, locked, as the caller saw them.
async fn seen(tx: &mut Tx, id: AgentId, version: Option<i64>) -> Result<Agent, PeopleError> {
    let agent = tx.lock_agent(id).await?.ok_or_else(|| PeopleError::NoAgent(id.to_string()))?;
    match version {
        Some(version) if version != agent.updated_at.0 => Err(PeopleError::AgentChanged(id)),
        _ => Ok(agent),
    }
}

/// Takes an agent away: nothing new is addressed to them, and their addresses are free. What they wrote stays on the timelines
/// it is on. What waits in the outbox for them already still leaves, unless it is taken back or the address is suppressed.
///
/// # Errors
/// `NoAgent`, `Changed`.
pub async fn remove_agent(tx: &mut Tx, clock: &Clock, id: AgentId, version: Option<i64>) -> Result<(), PeopleError> {
    tx.lock_conversations().await?;
    seen(tx, id, version).await?;
    tx.remove_agent(id, clock.now()).await?;
    Ok(())
}

/// Changes an agent.
///
/// # Errors
/// [`PeopleError::Invalid`] with every field that is wrong; `NoAgent`, `AddressTaken`, `NoInfluencer`.
pub async fn update_agent(tx: &mut Tx, clock: &Clock, id: AgentId, change: AgentChange) -> Result<Agent, PeopleError> {
    tx.lock_conversations().await?;
    let mut agent = seen(tx, id, change.version).await?;
    let mut flaws = Flaws::default();
    if let Some(name) = &change.first_name {
        agent.first_name = flaws.take(check::name("first_name", name));
    }
    if let Some(name) = &change.last_name {
        agent.last_name = flaws.take(check::name("last_name", name));
    }
    let emails = flaws.emails(&change.add_emails);
    flaws.done()?;
    let stood_for_nobody = tx.influencers_of_agents(vec![id]).await?.is_empty();
    let has_primary = tx.list_addresses_of_agents(vec![id]).await?.iter().any(|a| a.is_primary);
    let mut addresses = free_addresses(tx, clock, Person::Agent(id), (Channel::Email, emails), has_primary).await?;
    for (channel, key) in change.add_others.iter().filter_map(|other| chat::channel_of(other)) {
        let given = (channel, vec![(key.clone(), key)]);
        addresses.extend(free_addresses(tx, clock, Person::Agent(id), given, true).await?);
    }
    tx.insert_addresses(&addresses).await?;
    // The version: it grows even where two changes fall on one instant.
    agent.updated_at = Micros(clock.now().0.max(agent.updated_at.0.saturating_add(1)));
    tx.update_agent(&agent).await?;
    link(tx, id, change.add_influencers).await?;
    for influencer in change.remove_influencers {
        tx.unlink_agent(id, influencer).await.map_err(PeopleError::from)?;
    }
    if stood_for_nobody {
        // What they wrote so far has waited for this.
        addresses = tx.list_addresses_of_agents(vec![id]).await?;
    }
    matching::place_history(tx, clock, &addresses).await?;
    Ok(agent)
}
