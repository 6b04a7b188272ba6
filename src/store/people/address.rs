//! Addresses of influencers and agents: who is behind one, and whether anything still arrives there.

use crate::domain::ids::{AddressId, AgentId, InfluencerId, MessageId};
use crate::domain::people::{Address, Person};
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Who is behind an address.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AddressOwner {
    /// The address, in its looked-up form.
    pub value_key: String,
    /// The row.
    #[sqlx(rename = "id")]
    pub address_id: AddressId,
    /// The influencer, where it is an influencer's.
    pub influencer_id: Option<InfluencerId>,
    /// The agent, where it is an agent's.
    pub agent_id: Option<AgentId>,
    /// Since when nothing arrives there.
    pub dead_at: Option<Micros>,
}

#[derive(sqlx::FromRow)]
struct AddressRow {
    id: AddressId,
    channel: Channel,
    value: String,
    value_key: String,
    influencer_id: Option<InfluencerId>,
    agent_id: Option<AgentId>,
    is_primary: bool,
    dead_at: Option<Micros>,
    dead_reason: Option<String>,
    created_at: Micros,
}

impl TryFrom<AddressRow> for Address {
    type Error = StoreError;

    fn try_from(row: AddressRow) -> Result<Self, StoreError> {
        let person = match (row.influencer_id, row.agent_id) {
            (Some(id), None) => Person::Influencer(id),
            (None, Some(id)) => Person::Agent(id),
            _ => return Err(StoreError::Damaged(format!("address {} has not exactly one owner", row.id))),
        };
        Ok(Self {
            id: row.id,
            channel: row.channel,
            value: row.value,
            value_key: row.value_key,
            person,
            is_primary: row.is_primary,
            dead_at: row.dead_at,
            dead_reason: row.dead_reason,
            created_at: row.created_at,
        })
    }
}

const ADDRESSES: Many = Many {
    head: "INSERT INTO address (id, channel, value, value_key, influencer_id, agent_id, is_primary, dead_at, dead_reason, created_at)",
    columns: 10,
    tail: "",
};

impl Tx {
    /// Adds addresses.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where one is somebody's already; ask [`Tx::find_addresses`] first to say whose.
    pub async fn insert_addresses(&mut self, addresses: &[Address]) -> Result<(), StoreError> {
        let row = |a: &Address| {
            values![
                a.id,
                a.channel,
                &a.value,
                &a.value_key,
                a.person.influencer(),
                a.person.agent(),
                a.is_primary,
                a.dead_at,
                a.dead_reason.clone(),
                a.created_at
            ]
        };
        self.insert_many(&ADDRESSES, addresses.iter().flat_map(row).collect()).await?;
        // Whose record was erased before is no more written to than then.
        for channel in Channel::ADDRESSED {
            let keys: Vec<String> =
                addresses.iter().filter(|a| a.channel == channel).map(|a| a.value_key.clone()).collect();
            if !keys.is_empty() {
                self.restore_suppressions(channel, &keys).await?;
            }
        }
        Ok(())
    }

    /// Who is behind some addresses (in their looked-up form); those nobody has are left out. In no order.
    pub async fn find_addresses(
        &mut self,
        channel: Channel,
        keys: Vec<String>,
    ) -> Result<Vec<AddressOwner>, StoreError> {
        self.all(&ADDRESSES_FIND, values![channel, keys]).await
    }

    /// The same whatever channel they are of: no address is of two.
    pub async fn find_owners(&mut self, keys: Vec<String>) -> Result<Vec<AddressOwner>, StoreError> {
        self.all(&OWNERS_FIND, values![keys]).await
    }

    /// All addresses of some influencers' own: per influencer, the primary one first, then in the order they were added.
    pub async fn list_addresses_of_influencers(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<Address>, StoreError> {
        let rows: Vec<AddressRow> = self.all(&ADDRESSES_OF_INFLUENCERS, values![ids]).await?;
        rows.into_iter().map(Address::try_from).collect()
    }

    /// All addresses of some agents, ordered as above.
    pub async fn list_addresses_of_agents(&mut self, ids: Vec<AgentId>) -> Result<Vec<Address>, StoreError> {
        let rows: Vec<AddressRow> = self.all(&ADDRESSES_OF_AGENTS, values![ids]).await?;
        rows.into_iter().map(Address::try_from).collect()
    }

    /// Takes an address away from whoever has it.
    pub async fn delete_address(&mut self, id: AddressId) -> Result<(), StoreError> {
        self.exec(&ADDRESS_DELETE, values![id]).await?;
        Ok(())
    }

    /// The first message that is still to leave to an address.
    pub async fn mail_waiting_for(&mut self, value_key: &str) -> Result<Option<MessageId>, StoreError> {
        let row: Option<(MessageId,)> = self.opt(&MAIL_WAITING, values![value_key]).await?;
        Ok(row.map(|(id,)| id))
    }

    /// Whether something of ours went to an address, or was to. Reads much.
    pub async fn has_mail_gone_to(&mut self, value_key: &str) -> Result<bool, StoreError> {
        Ok(self.opt::<(MessageId,)>(&MAIL_GONE, values![value_key]).await?.is_some())
    }

    /// Whoever wrote something on their timeline, as written.
    pub async fn list_authors_met(&mut self, id: InfluencerId) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.all(&AUTHORS_MET, values![id]).await?;
        Ok(rows.into_iter().map(|(author,)| author).collect())
    }

    /// To whom each mail of ours on their timeline went, also where a teammate wrote it in another program: as
    /// [`Tx::list_envelopes`]. Reads much.
    pub async fn list_envelopes_to(&mut self, id: InfluencerId) -> Result<Vec<serde_json::Value>, StoreError> {
        let rows: Vec<(sqlx::types::Json<serde_json::Value>,)> = self.all(&ENVELOPES_TO, values![id]).await?;
        Ok(rows.into_iter().map(|(envelope,)| envelope.0).collect())
    }

    /// The addresses that events tell were taken away from some influencers, in their looked-up form.
    pub async fn removed_addresses(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.all(&ADDRESSES_REMOVED, values![ids]).await?;
        Ok(rows.into_iter().map(|(key,)| key).collect())
    }

    /// Notes that nothing arrives at an address any more; the first reason stays. `false` where there is no such
    /// address or it was dead before.
    pub async fn mark_address_dead(
        &mut self,
        channel: Channel,
        value_key: &str,
        reason: &str,
        at: Micros,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&ADDRESS_MARK_DEAD, values![channel, value_key, reason, at]).await? > 0)
    }
}

statements! {
    #[hot] ADDRESSES_FIND = "SELECT value_key, id, influencer_id, agent_id, dead_at FROM address \
        WHERE channel = $1 AND value_key = ANY($2::text[])";
    #[hot] OWNERS_FIND = "SELECT value_key, id, influencer_id, agent_id, dead_at FROM address WHERE value_key = ANY($1::text[])";
    #[hot] ADDRESSES_OF_INFLUENCERS = "SELECT id, channel, value, value_key, influencer_id, agent_id, is_primary, dead_at, \
        dead_reason, created_at FROM address WHERE influencer_id = ANY($1::uuid[]) ORDER BY influencer_id, is_primary DESC, id";
    #[hot] ADDRESSES_OF_AGENTS = "SELECT id, channel, value, value_key, influencer_id, agent_id, is_primary, dead_at, \
        dead_reason, created_at FROM address WHERE agent_id = ANY($1::uuid[]) ORDER BY agent_id, is_primary DESC, id";
    #[hot] ADDRESS_DELETE = "DELETE FROM address WHERE id = $1";
    #[hot] MAIL_WAITING = "SELECT o.id FROM outbox_recipient r JOIN outbox o ON o.id = r.outbox_id WHERE r.address_key = $1 \
        AND r.state IN ('pending', 'deferred') AND o.status IN ('review', 'queued', 'deferred', 'claimed', 'handed_over') ORDER BY o.id LIMIT 1";
    // Reads every recipient there ever was: whoever's timeline it is on by now. Seldom asked.
    MAIL_GONE = "SELECT outbox_id FROM outbox_recipient WHERE address_key = $1 LIMIT 1";
    #[hot] AUTHORS_MET = "SELECT DISTINCT m.author_address FROM participation p JOIN message m ON m.id = p.message_id \
        WHERE p.influencer_id = $1";
    #[hot] ENVELOPES_TO = "SELECT m.recipients FROM participation p JOIN message m ON m.id = p.message_id \
        WHERE p.influencer_id = $1 AND m.direction = 'outbound'";
    #[hot] ADDRESSES_REMOVED = "SELECT DISTINCT data ->> 'removed' AS removed FROM event WHERE influencer_id = ANY($1::uuid[]) \
        AND type = 'influencer.updated' AND data ->> 'removed' IS NOT NULL ORDER BY 1";
    #[hot] ADDRESS_MARK_DEAD = "UPDATE address SET dead_at = $4, dead_reason = $3 \
        WHERE channel = $1 AND value_key = $2 AND dead_at IS NULL";
}

/// Multi-row texts of this file, for the tests.
pub(in crate::store) static MANY: &[&Many] = &[&ADDRESSES];
