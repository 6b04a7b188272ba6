//! Agents, and for whom they write.

use crate::domain::ids::{AgentId, InfluencerId};
use crate::domain::people::Agent;
use crate::domain::time::Micros;
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

#[derive(sqlx::FromRow)]
struct AgentRow {
    id: AgentId,
    first_name: String,
    last_name: String,
    created_at: Micros,
    updated_at: Micros,
}

impl From<AgentRow> for Agent {
    fn from(row: AgentRow) -> Self {
        Self {
            id: row.id,
            first_name: row.first_name,
            last_name: row.last_name,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

const AGENTS: Many =
    Many { head: "INSERT INTO agent (id, first_name, last_name, created_at, updated_at)", columns: 5, tail: "" };
const LINKS: Many = Many {
    head: "INSERT INTO agent_influencer (agent_id, influencer_id)",
    columns: 2,
    tail: "ON CONFLICT (agent_id, influencer_id) DO NOTHING",
};

impl Tx {
    /// Adds agents.
    pub async fn insert_agents(&mut self, agents: &[Agent]) -> Result<(), StoreError> {
        let row = |a: &Agent| values![a.id, &a.first_name, &a.last_name, a.created_at, a.updated_at];
        self.insert_many(&AGENTS, agents.iter().flat_map(row).collect()).await?;
        Ok(())
    }

    /// Several agents by id, in no order.
    pub async fn get_agents(&mut self, ids: Vec<AgentId>) -> Result<Vec<Agent>, StoreError> {
        let rows: Vec<AgentRow> = self.all(&AGENTS_GET, values![ids]).await?;
        Ok(rows.into_iter().map(Agent::from).collect())
    }

    /// One agent.
    pub async fn get_agent(&mut self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        Ok(self.get_agents(vec![id]).await?.pop())
    }

    /// Agents in the order they were added, after one.
    pub async fn list_agents(&mut self, after: Option<AgentId>, limit: i64) -> Result<Vec<Agent>, StoreError> {
        let after = after.map_or(uuid::Uuid::nil(), |id| id.0);
        let rows: Vec<AgentRow> = self.all(&AGENTS_LIST, values![after, limit]).await?;
        Ok(rows.into_iter().map(Agent::from).collect())
    }

    /// Writes an agent's names; `false` where there is no such agent.
    pub async fn update_agent(&mut self, agent: &Agent) -> Result<bool, StoreError> {
        let row = values![agent.id, &agent.first_name, &agent.last_name, agent.updated_at];
        Ok(self.exec(&AGENT_UPDATE, row).await? > 0)
    }

    /// Locks an agent until the end of the transaction; none where there is no such agent.
    pub async fn lock_agent(&mut self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        let row: Option<AgentRow> = self.opt(&AGENT_LOCK, values![id]).await?;
        Ok(row.map(Agent::from))
    }

    /// Takes an agent away: their addresses are free, they write for nobody. What they wrote stays.
    pub async fn remove_agent(&mut self, id: AgentId, at: Micros) -> Result<(), StoreError> {
        self.exec(&AGENT_LINKS_REMOVE, values![id]).await?;
        self.exec(&AGENT_ADDRESSES_REMOVE, values![id]).await?;
        self.exec(&AGENT_REMOVE, values![id, at]).await?;
        Ok(())
    }

    /// Notes for whom agents write; what is noted already stays. How many are new.
    pub async fn link_agents(&mut self, links: &[(AgentId, InfluencerId)]) -> Result<u64, StoreError> {
        self.insert_many(&LINKS, links.iter().flat_map(|(agent, influencer)| values![*agent, *influencer]).collect())
            .await
    }

    /// Notes that an agent no longer writes for an influencer; `false` where they did not.
    pub async fn unlink_agent(&mut self, agent: AgentId, influencer: InfluencerId) -> Result<bool, StoreError> {
        Ok(self.exec(&AGENT_UNLINK, values![agent, influencer]).await? > 0)
    }

    /// For whom some agents write, ordered by agent and influencer.
    pub async fn influencers_of_agents(
        &mut self,
        ids: Vec<AgentId>,
    ) -> Result<Vec<(AgentId, InfluencerId)>, StoreError> {
        self.all(&INFLUENCERS_OF_AGENTS, values![ids]).await
    }

    /// Who writes for some influencers, ordered by influencer and agent.
    pub async fn agents_of_influencers(
        &mut self,
        ids: Vec<InfluencerId>,
    ) -> Result<Vec<(InfluencerId, AgentId)>, StoreError> {
        self.all(&AGENTS_OF_INFLUENCERS, values![ids]).await
    }
}

statements! {
    #[hot] AGENTS_GET = "SELECT id, first_name, last_name, created_at, updated_at FROM agent WHERE id = ANY($1::uuid[]) \
        AND removed_at IS NULL";
    #[hot] AGENT_LOCK = "SELECT id, first_name, last_name, created_at, updated_at FROM agent WHERE id = $1 AND removed_at IS NULL \
        FOR UPDATE";
    #[hot] AGENT_LINKS_REMOVE = "DELETE FROM agent_influencer WHERE agent_id = $1";
    #[hot] AGENT_ADDRESSES_REMOVE = "DELETE FROM address WHERE agent_id = $1";
    #[hot] AGENT_REMOVE = "UPDATE agent SET removed_at = $2, updated_at = $2 WHERE id = $1";
    #[hot] AGENTS_LIST = "SELECT id, first_name, last_name, created_at, updated_at FROM agent WHERE id > $1 AND removed_at IS NULL ORDER BY id LIMIT $2";
    #[hot] AGENT_UPDATE = "UPDATE agent SET first_name = $2, last_name = $3, updated_at = $4 WHERE id = $1";
    #[hot] AGENT_UNLINK = "DELETE FROM agent_influencer WHERE agent_id = $1 AND influencer_id = $2";
    #[hot] INFLUENCERS_OF_AGENTS = "SELECT agent_id, influencer_id FROM agent_influencer \
        WHERE agent_id = ANY($1::uuid[]) ORDER BY agent_id, influencer_id";
    #[hot] AGENTS_OF_INFLUENCERS = "SELECT influencer_id, agent_id FROM agent_influencer \
        WHERE influencer_id = ANY($1::uuid[]) ORDER BY influencer_id, agent_id";
}

/// Multi-row texts of this file, for the tests.
pub(in crate::store) static MANY: &[&Many] = &[&AGENTS, &LINKS];
