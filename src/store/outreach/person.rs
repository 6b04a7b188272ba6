//! People as planning and writing see them: many at once, with what a template may say and where mail arrives.

use crate::domain::ids::{AgentId, InfluencerId};
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Whether somebody may be enrolled.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ReachRow {
    /// Who.
    pub id: InfluencerId,
    /// Their stage.
    pub stage: String,
    /// Whether an address is known that mail arrives at.
    pub has_address: bool,
    /// Whether one of those may be written to.
    pub has_open_address: bool,
}

/// Somebody a step is about.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct PersonRow {
    /// Who.
    pub id: InfluencerId,
    /// As the team calls them.
    pub handle: String,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// Their stage.
    pub stage: String,
    /// Who looks after them.
    pub owner: Option<String>,
    /// Their zone, where it is known.
    pub timezone: Option<String>,
    /// Custom properties.
    #[sqlx(json)]
    pub properties: serde_json::Map<String, serde_json::Value>,
    /// Nothing is sent to them by itself before this instant.
    pub held_until: Option<Micros>,
    /// Why.
    pub hold_reason: Option<String>,
    /// How many follow them, over all networks.
    pub reach: i64,
}

/// An address of theirs or of their agent.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PlaceRow {
    /// Whose timeline it belongs to.
    pub influencer_id: InfluencerId,
    /// Whose address it is, where it is an agent's.
    pub agent_id: Option<AgentId>,
    /// On which channel.
    pub channel: Channel,
    /// Whether it is noted that they agree to be written to there.
    pub agreed: bool,
    /// As written.
    pub value: String,
    /// For lookups.
    pub value_key: String,
    /// The name of its owner; may be empty.
    pub name: String,
    /// Whether it is written to first.
    pub is_primary: bool,
    /// Since when nothing arrives there.
    pub dead_at: Option<Micros>,
    /// Why it must not be written to.
    pub suppressed: Option<String>,
}

impl Tx {
    /// Whether these people can be enrolled.
    pub async fn list_reachable(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<ReachRow>, StoreError> {
        self.all(&REACHABLE, values![ids]).await
    }

    /// These people.
    pub async fn list_persons(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<PersonRow>, StoreError> {
        self.all(&PERSONS, values![ids]).await
    }

    /// Where they are reached on every channel: their own addresses first, the primary one of each before the others, then their agents'.
    pub async fn list_places(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<PlaceRow>, StoreError> {
        let mut places: Vec<PlaceRow> = self.all(&PLACES_OWN, values![ids.clone()]).await?;
        places.extend(self.all::<PlaceRow>(&PLACES_AGENT, values![ids]).await?);
        Ok(places)
    }
}

/// Whether somebody said no of everything: it stands under their id, and nobody is written to for them either.
macro_rules! said_everything {
    ($id:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM suppression e WHERE e.channel = 'manual' AND e.value_key = 'inf_' || replace(CAST(",
            $id,
            " AS TEXT), '-', '') AND e.scope = 'all' AND e.reason IN ('opted_out', 'complaint'))"
        )
    };
}

/// Whether it is noted that whoever has an address agrees to be written to there.
macro_rules! agreed {
    () => {
        "EXISTS (SELECT 1 FROM consent c WHERE c.value_key = a.value_key AND c.channel = a.channel AND c.withdrawn_at IS NULL) AS agreed"
    };
}

statements! {
    #[hot] REACHABLE = concat!("SELECT i.id, i.stage, \
        (EXISTS (SELECT 1 FROM address a WHERE a.influencer_id = i.id AND a.channel = 'email' AND a.dead_at IS NULL) \
          OR EXISTS (SELECT 1 FROM agent_influencer g JOIN address a ON a.agent_id = g.agent_id WHERE g.influencer_id = i.id AND a.channel = 'email' AND a.dead_at IS NULL)) AS has_address, \
        (NOT ", said_everything!("i.id"), " AND NOT EXISTS (SELECT 1 FROM address a JOIN suppression s ON s.value_key = a.value_key WHERE a.influencer_id = i.id AND a.channel = 'email' \
            AND s.channel = 'email' AND s.scope IN ('all', 'email') AND s.reason IN ('opted_out', 'complaint')) AND \
          (EXISTS (SELECT 1 FROM address a WHERE a.influencer_id = i.id AND a.channel = 'email' AND a.dead_at IS NULL \
            AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.value_key = a.value_key AND s.channel = 'email' AND s.scope IN ('all', 'email'))) \
          OR EXISTS (SELECT 1 FROM agent_influencer g JOIN address a ON a.agent_id = g.agent_id WHERE g.influencer_id = i.id AND a.channel = 'email' AND a.dead_at IS NULL \
            AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.value_key = a.value_key AND s.channel = 'email' AND s.scope IN ('all', 'email'))))) AS has_open_address \
        FROM influencer i WHERE i.id = ANY($1::uuid[]) AND i.merged_into IS NULL");
    #[hot] PERSONS = "SELECT i.id, i.handle, i.first_name, i.last_name, i.stage, i.owner, i.timezone, i.properties, i.held_until, i.hold_reason, \
        CAST(COALESCE((SELECT SUM(n.followers) FROM influencer_network n WHERE n.influencer_id = i.id), 0) AS BIGINT) AS reach \
        FROM influencer i WHERE i.id = ANY($1::uuid[]) AND i.merged_into IS NULL";
    #[hot] PLACES_OWN = concat!("SELECT a.influencer_id, a.agent_id, a.channel, ", agreed!(), ", a.value, a.value_key, i.first_name || ' ' || i.last_name AS name, a.is_primary, a.dead_at, \
        CASE WHEN ", said_everything!("a.influencer_id"), " THEN 'opted_out' ELSE (SELECT MIN(s.reason) FROM suppression s WHERE s.value_key = a.value_key AND s.channel = a.channel AND s.scope IN ('all', a.channel)) END AS suppressed \
        FROM address a JOIN influencer i ON i.id = a.influencer_id WHERE a.influencer_id = ANY($1::uuid[]) \
        ORDER BY a.influencer_id, a.is_primary DESC, a.id");
    #[hot] PLACES_AGENT = concat!("SELECT l.influencer_id, a.agent_id, a.channel, ", agreed!(), ", a.value, a.value_key, g.first_name || ' ' || g.last_name AS name, a.is_primary, a.dead_at, \
        CASE WHEN ", said_everything!("l.influencer_id"), " THEN 'opted_out' ELSE (SELECT MIN(s.reason) FROM suppression s WHERE s.value_key = a.value_key AND s.channel = a.channel AND s.scope IN ('all', a.channel)) END AS suppressed \
        FROM agent_influencer l JOIN agent g ON g.id = l.agent_id JOIN address a ON a.agent_id = g.id \
        WHERE l.influencer_id = ANY($1::uuid[]) ORDER BY l.influencer_id, a.is_primary DESC, a.id");
}
