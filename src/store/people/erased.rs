//! What is still known of people who were erased, looked up whenever an address or a mail comes back.
//!
//! An address that is written down again gets its suppression back in the same transaction ([`Tx::insert_addresses`]), so that
//! every question asked of the suppressions sees it. As long as nobody was ever erased this costs one look at an empty table.

use std::collections::{HashMap, HashSet};

use crate::domain::erasure::Mark;
use crate::domain::ids::{ErasureId, InfluencerId, LedgerId};
use crate::domain::people::Suppression;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, SuppressionReason};
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// The name of the key.
const KEY: &str = "erasure 1";

/// A suppression that outlives the record of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewErasedAddress {
    /// Its id.
    pub id: LedgerId,
    /// The keyed hash of the address.
    pub hash: Vec<u8>,
    /// For what it holds.
    pub scope: String,
    /// Why.
    pub reason: SuppressionReason,
    /// Since when.
    pub at: Micros,
}

/// The record that somebody was erased.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct ErasureRow {
    /// Its id.
    pub id: ErasureId,
    /// Whom the id belonged to.
    pub influencer_id: InfluencerId,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: Micros,
    /// How many rows of each sort went.
    #[sqlx(json)]
    pub counts: serde_json::Value,
    /// Since when nothing of it is left in the file; none on a database of its own, which this process can't answer for.
    pub overwritten_at: Option<Micros>,
}

#[derive(sqlx::FromRow)]
struct ErasedAddressRow {
    hash: Vec<u8>,
    scope: String,
    id: LedgerId,
    reason: SuppressionReason,
    at: Micros,
}

const ADDRESSES: Many = Many {
    head: "INSERT INTO erased_address (hash, scope, id, reason, at)",
    columns: 5,
    // A no that was said after they came back is the stronger reason.
    tail: "ON CONFLICT (hash, scope) DO UPDATE SET id = excluded.id, reason = excluded.reason, at = excluded.at \
        WHERE excluded.reason IN ('opted_out', 'complaint')",
};
const MESSAGES: Many =
    Many { head: "INSERT INTO erased_message (hash, at)", columns: 2, tail: "ON CONFLICT (hash) DO NOTHING" };

impl Tx {
    /// The key of the hashes; none where nobody was ever erased.
    pub async fn erasure_key(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> = self.opt(&KEY_GET, values![KEY]).await?;
        Ok(row.map(|(key,)| key))
    }

    /// Keeps the key, unless there is one; the one that is kept.
    pub async fn ensure_erasure_key(&mut self, key: Vec<u8>, at: Micros) -> Result<Vec<u8>, StoreError> {
        self.exec(&KEY_INSERT, values![KEY, key, at]).await?;
        self.erasure_key().await?.ok_or_else(|| StoreError::Damaged("the key that was just kept is not there".into()))
    }

    /// Keeps suppressions of addresses whose record goes.
    pub async fn insert_erased_addresses(&mut self, rows: Vec<NewErasedAddress>) -> Result<u64, StoreError> {
        let rows = rows.into_iter().flat_map(|r| values![r.hash, r.scope, r.id, r.reason, r.at]).collect();
        self.insert_many(&ADDRESSES, rows).await
    }

    /// Keeps what erased mail is known by when it is read again.
    pub async fn insert_erased_messages(&mut self, hashes: Vec<Vec<u8>>, at: Micros) -> Result<u64, StoreError> {
        let rows = hashes.into_iter().flat_map(|hash| values![hash, at]).collect();
        self.insert_many(&MESSAGES, rows).await
    }

    /// Of these marks of mail, those of mail that was erased.
    pub async fn find_erased_messages(&mut self, marks: Vec<Mark>) -> Result<HashSet<Mark>, StoreError> {
        let Some(key) = self.erasure_key().await? else { return Ok(HashSet::new()) };
        let mut by_hash: HashMap<Vec<u8>, Mark> = marks.into_iter().map(|mark| (mark.hash(&key), mark)).collect();
        let rows: Vec<(Vec<u8>,)> =
            self.all(&MESSAGES_FIND, values![by_hash.keys().cloned().collect::<Vec<_>>()]).await?;
        Ok(rows.into_iter().filter_map(|(hash,)| by_hash.remove(&hash)).collect())
    }

    /// The suppressions that some addresses have from when they were erased.
    pub async fn suppressed_when_erased(
        &mut self,
        channel: Channel,
        keys: &[String],
    ) -> Result<Vec<Suppression>, StoreError> {
        let Some(key) = self.erasure_key().await? else { return Ok(Vec::new()) };
        let mark = |value: &String| Mark::Address(channel.to_string(), value.clone()).hash(&key);
        let by_hash: HashMap<Vec<u8>, &String> = keys.iter().map(|value| (mark(value), value)).collect();
        let hashes: Vec<Vec<u8>> = by_hash.keys().cloned().collect();
        let rows: Vec<ErasedAddressRow> = self.all(&ADDRESSES_FIND, values![hashes]).await?;
        let read = |row: ErasedAddressRow| {
            let value_key = (*by_hash.get(&row.hash)?).clone();
            let evidence = "kept when the record of this address was erased".to_owned();
            Some(Suppression {
                id: row.id,
                channel,
                value_key,
                scope: row.scope,
                reason: row.reason,
                evidence,
                at: row.at,
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Gives addresses that are written down again the suppressions they had.
    pub(in crate::store) async fn restore_suppressions(
        &mut self,
        channel: Channel,
        keys: &[String],
    ) -> Result<(), StoreError> {
        let kept = self.suppressed_when_erased(channel, keys).await?;
        if !kept.is_empty() {
            self.insert_suppressions(&kept).await?;
        }
        Ok(())
    }

    /// Forgets what is kept of an address whose suppression a person lifts; how much there was.
    pub(in crate::store) async fn forget_erased_address(
        &mut self,
        channel: Channel,
        value_key: &str,
    ) -> Result<u64, StoreError> {
        let Some(key) = self.erasure_key().await? else { return Ok(0) };
        let hash = Mark::Address(channel.to_string(), value_key.to_owned()).hash(&key);
        self.exec(&ADDRESS_FORGET, values![hash]).await
    }

    /// Keeps the record that somebody was erased.
    pub async fn insert_erasure(&mut self, row: ErasureRow) -> Result<(), StoreError> {
        self.exec(&ERASURE_INSERT, values![row.id, row.influencer_id, row.by, row.at, row.counts]).await?;
        Ok(())
    }

    /// Who was erased, the newest first, before one.
    pub async fn list_erasures(
        &mut self,
        before: Option<ErasureId>,
        limit: i64,
    ) -> Result<Vec<ErasureRow>, StoreError> {
        let before = before.map_or(uuid::Uuid::max(), |id| id.0);
        self.all(&ERASURES_LIST, values![before, limit]).await
    }

    /// The newest that is not overwritten yet.
    pub async fn newest_open_erasure(&mut self) -> Result<Option<Micros>, StoreError> {
        let row: Option<(Micros,)> = self.opt(&ERASURE_OPEN, values![]).await?;
        Ok(row.map(|(at,)| at))
    }

    /// Notes since when nothing is left of those who were erased up to an instant; how many.
    pub async fn close_erasures(&mut self, up_to: Micros, at: Micros) -> Result<u64, StoreError> {
        self.exec(&ERASURES_CLOSE, values![up_to, at]).await
    }
}

statements! {
    #[hot] KEY_GET = "SELECT key FROM erasure_key WHERE name = $1";
    KEY_INSERT = "INSERT INTO erasure_key (name, key, at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
    #[hot] MESSAGES_FIND = "SELECT hash FROM erased_message WHERE hash = ANY($1::bytea[])";
    #[hot] ADDRESSES_FIND = "SELECT hash, scope, id, reason, at FROM erased_address WHERE hash = ANY($1::bytea[])";
    #[hot] ADDRESS_FORGET = "DELETE FROM erased_address WHERE hash = $1";
    ERASURE_INSERT = "INSERT INTO erasure (id, influencer_id, by, at, counts) VALUES ($1, $2, $3, $4, $5)";
    #[hot] ERASURES_LIST = "SELECT id, influencer_id, by, at, counts, overwritten_at FROM erasure WHERE id < $1 ORDER BY id DESC LIMIT $2";
    #[hot] ERASURE_OPEN = "SELECT at FROM erasure WHERE overwritten_at IS NULL ORDER BY at DESC LIMIT 1";
    #[hot] ERASURES_CLOSE = "UPDATE erasure SET overwritten_at = $2 WHERE overwritten_at IS NULL AND at <= $1";
}

/// Multi-row texts of this file, for the tests.
pub(in crate::store) static MANY: &[&Many] = &[&ADDRESSES, &MESSAGES];
