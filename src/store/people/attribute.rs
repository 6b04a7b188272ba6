//! Tags and networks of influencers.

use crate::domain::ids::InfluencerId;
use crate::domain::people::Network;
use crate::domain::time::Micros;
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::{Value, values};
use crate::store::{StoreError, Tx};

const TAGS: Many = Many {
    head: "INSERT INTO influencer_tag (influencer_id, tag)",
    columns: 2,
    tail: "ON CONFLICT (influencer_id, tag) DO NOTHING",
};
const NETWORKS: Many = Many {
    head: "INSERT INTO influencer_network (influencer_id, network, handle, followers)",
    columns: 4,
    tail: "ON CONFLICT (influencer_id, network) DO UPDATE SET handle = excluded.handle, \
           followers = COALESCE(excluded.followers, influencer_network.followers)",
};

impl Tx {
    /// Adds tags; those that are there stay. How many are new.
    pub async fn insert_tags(&mut self, tags: &[(InfluencerId, String)]) -> Result<u64, StoreError> {
        self.insert_many(&TAGS, tags.iter().flat_map(|(id, tag)| values![*id, tag]).collect()).await
    }

    /// Takes tags from an influencer.
    pub async fn delete_tags(&mut self, id: InfluencerId, tags: Vec<String>) -> Result<(), StoreError> {
        self.exec(&TAGS_DELETE, values![id, tags]).await?;
        Ok(())
    }

    /// The tags of some influencers, sorted.
    pub async fn list_tags(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<(InfluencerId, String)>, StoreError> {
        self.all(&TAGS_LIST, values![ids]).await
    }

    /// Adds networks or writes their handle and followers anew; unknown followers leave a known number as it is.
    /// No two of one call may be the same network of the same influencer.
    pub async fn upsert_networks(&mut self, networks: &[(InfluencerId, Network)]) -> Result<(), StoreError> {
        let row = |(id, n): &(InfluencerId, Network)| values![*id, &n.network, &n.handle, Value::Int(n.followers)];
        self.insert_many(&NETWORKS, networks.iter().flat_map(row).collect()).await?;
        Ok(())
    }

    /// Notes that somebody had a handle before; whoever gave it up last has it.
    pub async fn put_former_handle(&mut self, key: &str, id: InfluencerId, at: Micros) -> Result<(), StoreError> {
        self.exec(&FORMER_PUT, values![key, id, at]).await?;
        Ok(())
    }

    /// Forgets that somebody had a handle before: it is theirs again.
    pub async fn delete_former_handle(&mut self, key: &str, id: InfluencerId) -> Result<(), StoreError> {
        self.exec(&FORMER_DELETE, values![key, id]).await?;
        Ok(())
    }

    /// Who had these handles before, in no order; they may have been joined with somebody since.
    pub async fn find_former_handles(&mut self, keys: Vec<String>) -> Result<Vec<(String, InfluencerId)>, StoreError> {
        self.all(&FORMER_FIND, values![keys]).await
    }

    /// The networks of some influencers, sorted by name.
    pub async fn list_networks(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<(InfluencerId, Network)>, StoreError> {
        let rows: Vec<(InfluencerId, String, String, Option<i64>)> = self.all(&NETWORKS_LIST, values![ids]).await?;
        let read = |(id, network, handle, followers)| (id, Network { network, handle, followers });
        Ok(rows.into_iter().map(read).collect())
    }

    /// The names of networks that anybody is on, and of properties that anybody has, sorted; of each at most so many. Reads
    /// everybody.
    pub async fn list_attribute_names(&mut self, limit: i64) -> Result<(Vec<String>, Vec<String>), StoreError> {
        let networks: Vec<(String,)> = self.all(&NETWORK_NAMES, values![limit]).await?;
        let properties: Vec<(String,)> = self.all(&PROPERTY_NAMES, values![limit]).await?;
        let names = |rows: Vec<(String,)>| rows.into_iter().map(|(name,)| name).collect();
        Ok((names(networks), names(properties)))
    }
}

statements! {
    #[hot] FORMER_PUT = "INSERT INTO former_handle (handle_key, influencer_id, at) VALUES ($1, $2, $3) \
        ON CONFLICT (handle_key) DO UPDATE SET influencer_id = excluded.influencer_id, at = excluded.at";
    #[hot] FORMER_DELETE = "DELETE FROM former_handle WHERE handle_key = $1 AND influencer_id = $2";
    #[hot] FORMER_FIND = "SELECT handle_key, influencer_id FROM former_handle WHERE handle_key = ANY($1::text[])";
    #[hot] TAGS_DELETE = "DELETE FROM influencer_tag WHERE influencer_id = $1 AND tag = ANY($2::text[])";
    #[hot] TAGS_LIST = "SELECT influencer_id, tag FROM influencer_tag WHERE influencer_id = ANY($1::uuid[]) \
        ORDER BY influencer_id, tag";
    #[hot] NETWORKS_LIST = "SELECT influencer_id, network, handle, followers FROM influencer_network \
        WHERE influencer_id = ANY($1::uuid[]) ORDER BY influencer_id, network";
    NETWORK_NAMES = "SELECT DISTINCT network FROM influencer_network ORDER BY network LIMIT $1";
    PROPERTY_NAMES = "SELECT DISTINCT p.key FROM influencer i, jsonb_each(i.properties) AS p WHERE i.merged_into IS NULL \
        ORDER BY p.key LIMIT $1",
        sqlite: "SELECT DISTINCT p.key FROM influencer i, json_each(i.properties) AS p WHERE i.merged_into IS NULL \
        ORDER BY p.key LIMIT $1";
}

/// Multi-row texts of this file, for the tests.
pub(in crate::store) static MANY: &[&Many] = &[&TAGS, &NETWORKS];
