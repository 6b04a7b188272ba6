//! Influencers and agents as programs outside see them: a page of rows with all that hangs on them, in few statements.

use std::collections::HashMap;

use super::hold::HoldRow;
use crate::domain::ids::{AgentId, InfluencerId};
use crate::domain::people::{
    Address, AddressView, Agent, AgentRef, AgentView, ConsentView, Influencer, InfluencerRef, InfluencerView, Network,
    Person, reach, tier,
};
use crate::domain::words::Channel;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

fn grouped<K: Eq + std::hash::Hash, V>(pairs: impl IntoIterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

impl Tx {
    /// The views of some influencers, in the order given.
    pub async fn view_influencers(&mut self, influencers: Vec<Influencer>) -> Result<Vec<InfluencerView>, StoreError> {
        if influencers.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<InfluencerId> = influencers.iter().map(|i| i.id).collect();
        let mut tags = grouped(self.list_tags(ids.clone()).await?);
        let mut networks = grouped(self.list_networks(ids.clone()).await?);
        let addresses = self.list_addresses_of_influencers(ids.clone()).await?;
        let mut addresses = self.view_addresses(addresses).await?;
        let holds = self.list_holds(ids.clone()).await?;
        let mut holds: HashMap<InfluencerId, HoldRow> = holds.into_iter().map(|h| (h.influencer_id, h)).collect();
        let mut agents = self.refer_agents(ids).await?;
        let view = |i: Influencer| {
            let networks: Vec<Network> = networks.remove(&i.id).unwrap_or_default();
            let reach = reach(&networks);
            let hold = holds.remove(&i.id);
            InfluencerView {
                id: i.id,
                handle: i.handle,
                first_name: i.first_name,
                last_name: i.last_name,
                stage: i.stage,
                stage_pinned: i.stage_pinned,
                owner: i.owner,
                tags: tags.remove(&i.id).unwrap_or_default(),
                properties: i.properties,
                timezone: i.timezone,
                agent: agents.remove(&i.id),
                addresses: addresses.remove(&Person::Influencer(i.id)).unwrap_or_default(),
                tier: reach.and_then(tier),
                reach,
                networks,
                last_message_at: i.last_message_at,
                awaiting: i.awaiting,
                held_until: i.held_until,
                hold_reason: hold.as_ref().and_then(|h| h.hold_reason.clone()),
                waiting_until: hold.as_ref().and_then(|h| h.waiting_until),
                merged_into: hold.and_then(|h| h.merged_into),
                version: i.version,
            }
        };
        Ok(influencers.into_iter().map(view).collect())
    }

    /// The views of some agents, in the order given.
    pub async fn view_agents(&mut self, agents: Vec<Agent>) -> Result<Vec<AgentView>, StoreError> {
        let ids: Vec<AgentId> = agents.iter().map(|a| a.id).collect();
        let addresses = self.list_addresses_of_agents(ids.clone()).await?;
        let mut addresses = self.view_addresses(addresses).await?;
        let rows: Vec<(AgentId, InfluencerId, String)> = self.all(&REFS_OF_AGENTS, values![ids]).await?;
        let mut influencers =
            grouped(rows.into_iter().map(|(agent, id, handle)| (agent, InfluencerRef { id, handle })));
        let view = |a: Agent| AgentView {
            id: a.id,
            first_name: a.first_name,
            last_name: a.last_name,
            addresses: addresses.remove(&Person::Agent(a.id)).unwrap_or_default(),
            influencers: influencers.remove(&a.id).unwrap_or_default(),
            version: a.updated_at.0,
        };
        Ok(agents.into_iter().map(view).collect())
    }

    async fn view_addresses(
        &mut self,
        addresses: Vec<Address>,
    ) -> Result<HashMap<Person, Vec<AddressView>>, StoreError> {
        let mut by_channel: HashMap<Channel, Vec<String>> = HashMap::new();
        for address in &addresses {
            by_channel.entry(address.channel).or_default().push(address.value_key.clone());
        }
        let (mut consents, mut suppressed) = (HashMap::new(), HashMap::new());
        for (channel, keys) in by_channel {
            for consent in self.list_consents(channel, keys.clone()).await? {
                if consent.withdrawn_at.is_none() {
                    // Newest first: the first one stays.
                    let view = ConsentView { source: consent.source, at: consent.at };
                    consents.entry((consent.channel, consent.value_key)).or_insert(view);
                }
            }
            let listed = self.suppressed(channel, keys).await?;
            suppressed.extend(listed.into_iter().map(|s| ((s.channel, s.value_key), s.reason)));
        }
        let view = |a: Address| {
            let key = (a.channel, a.value_key);
            let view = AddressView {
                channel: a.channel,
                value: a.value,
                primary: a.is_primary,
                consent: consents.remove(&key),
                dead_at: a.dead_at,
                suppressed: suppressed.get(&key).copied(),
            };
            (a.person, view)
        };
        Ok(grouped(addresses.into_iter().map(view)))
    }

    /// Who writes for some influencers; where several do, the one that was added first.
    async fn refer_agents(&mut self, ids: Vec<InfluencerId>) -> Result<HashMap<InfluencerId, AgentRef>, StoreError> {
        let links = self.agents_of_influencers(ids).await?;
        let ids: Vec<AgentId> = links.iter().map(|(_, agent)| *agent).collect();
        let mut emails = HashMap::new();
        for address in self.list_addresses_of_agents(ids.clone()).await? {
            if address.channel == Channel::Email {
                emails.entry(address.person).or_insert((address.value, address.value_key));
            }
        }
        let keys: Vec<String> = emails.values().map(|(_, key)| key.clone()).collect();
        let listed = if keys.is_empty() { Vec::new() } else { self.suppressed(Channel::Email, keys).await? };
        let suppressed: HashMap<String, _> = listed.into_iter().map(|s| (s.value_key, s.reason)).collect();
        let agents: HashMap<AgentId, Agent> = self.get_agents(ids).await?.into_iter().map(|a| (a.id, a)).collect();
        let mut refs = HashMap::new();
        for (influencer, id) in links {
            let Some(agent) = agents.get(&id) else { continue };
            let email = emails.get(&Person::Agent(id));
            refs.entry(influencer).or_insert_with(|| AgentRef {
                id,
                first_name: agent.first_name.clone(),
                last_name: agent.last_name.clone(),
                email: email.map(|(value, _)| value.clone()),
                suppressed: email.and_then(|(_, key)| suppressed.get(key)).copied(),
            });
        }
        Ok(refs)
    }
}

statements! {
    #[hot] REFS_OF_AGENTS = "SELECT l.agent_id, i.id, i.handle FROM agent_influencer l JOIN influencer i ON i.id = l.influencer_id \
        WHERE l.agent_id = ANY($1::uuid[]) ORDER BY l.agent_id, i.id";
}
