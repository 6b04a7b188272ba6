//! The ledgers: who agreed to be written to, and who must not be written to.
//!
//! A suppression is added as often as one likes and taken back only by a person.

use crate::domain::ids::LedgerId;
use crate::domain::people::{Consent, Suppression};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, SuppressionReason};
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

#[derive(sqlx::FromRow)]
struct ConsentRow {
    id: LedgerId,
    channel: Channel,
    value_key: String,
    source: String,
    evidence: String,
    at: Micros,
    withdrawn_at: Option<Micros>,
}

#[derive(sqlx::FromRow)]
struct SuppressionRow {
    id: LedgerId,
    channel: Channel,
    value_key: String,
    scope: String,
    reason: SuppressionReason,
    evidence: String,
    at: Micros,
}

impl From<ConsentRow> for Consent {
    fn from(r: ConsentRow) -> Self {
        Self {
            id: r.id,
            channel: r.channel,
            value_key: r.value_key,
            source: r.source,
            evidence: r.evidence,
            at: r.at,
            withdrawn_at: r.withdrawn_at,
        }
    }
}

impl From<SuppressionRow> for Suppression {
    fn from(r: SuppressionRow) -> Self {
        Self {
            id: r.id,
            channel: r.channel,
            value_key: r.value_key,
            scope: r.scope,
            reason: r.reason,
            evidence: r.evidence,
            at: r.at,
        }
    }
}

const CONSENTS: Many = Many {
    head: "INSERT INTO consent (id, channel, value_key, source, evidence, at, withdrawn_at)",
    columns: 7,
    tail: "",
};
const SUPPRESSIONS: Many = Many {
    head: "INSERT INTO suppression (id, channel, value_key, scope, reason, evidence, at)",
    columns: 7,
    // An own reason replaces one that was only carried over from another address, and a no every other reason; what a teammate wrote
    // down stays with a text (a message's id is 36 characters long), so that no keyword takes that back. What is carried over replaces
    // nothing: it goes with the merge that brought it.
    tail: "ON CONFLICT (channel, value_key, scope) DO UPDATE SET id = excluded.id, reason = excluded.reason, \
        evidence = CASE WHEN suppression.reason = 'by_hand' AND excluded.channel = 'sms' AND LENGTH(excluded.evidence) = 36 \
          THEN excluded.evidence || ' (and before, by hand: ' || suppression.evidence || ')' ELSE excluded.evidence END, \
        at = excluded.at WHERE excluded.evidence NOT LIKE '%, the same person)' \
        AND (suppression.evidence LIKE '%, the same person)' \
        OR (excluded.reason IN ('opted_out', 'complaint') AND suppression.reason NOT IN ('opted_out', 'complaint')) \
        OR (excluded.reason = 'opted_out' AND suppression.reason <> 'opted_out'))",
};

impl Tx {
    /// Adds consents.
    pub async fn insert_consents(&mut self, consents: &[Consent]) -> Result<(), StoreError> {
        let row = |c: &Consent| values![c.id, c.channel, &c.value_key, &c.source, &c.evidence, c.at, c.withdrawn_at];
        self.insert_many(&CONSENTS, consents.iter().flat_map(row).collect()).await?;
        Ok(())
    }

    /// All consents of some addresses, withdrawn ones included, newest first.
    pub async fn list_consents(&mut self, channel: Channel, keys: Vec<String>) -> Result<Vec<Consent>, StoreError> {
        let rows: Vec<ConsentRow> = self.all(&CONSENTS_LIST, values![channel, keys]).await?;
        Ok(rows.into_iter().map(Consent::from).collect())
    }

    /// Takes back every consent of an address; how many there were.
    pub async fn withdraw_consents(
        &mut self,
        channel: Channel,
        value_key: &str,
        at: Micros,
    ) -> Result<u64, StoreError> {
        self.exec(&CONSENTS_WITHDRAW, values![channel, value_key, at]).await
    }

    /// Gives back consents that were taken back because of something that was taken back itself, unless somebody says no at their
    /// address now; how many.
    pub async fn restore_consents(&mut self, ids: Vec<LedgerId>) -> Result<u64, StoreError> {
        self.exec(&CONSENTS_RESTORE, values![ids]).await
    }

    /// Adds suppressions; one that holds already stays with its first reason, unless somebody says no to an address that was
    /// closed for another reason, or only because the same person had said no elsewhere ([`CARRIED_OVER`](crate::domain::people::CARRIED_OVER)). How many are new or
    /// replaced.
    pub async fn insert_suppressions(&mut self, suppressions: &[Suppression]) -> Result<u64, StoreError> {
        let row = |s: &Suppression| values![s.id, s.channel, &s.value_key, &s.scope, s.reason, &s.evidence, s.at];
        self.insert_many(&SUPPRESSIONS, suppressions.iter().flat_map(row).collect()).await
    }

    /// Which of some addresses must not be written to, and why. In no order.
    pub async fn suppressed(&mut self, channel: Channel, keys: Vec<String>) -> Result<Vec<Suppression>, StoreError> {
        let rows: Vec<SuppressionRow> = self.all(&SUPPRESSED, values![channel, keys.clone()]).await?;
        let mut found: Vec<Suppression> = rows.into_iter().map(Suppression::from).collect();
        for kept in self.suppressed_when_erased(channel, &keys).await? {
            if !found.iter().any(|s| s.value_key == kept.value_key && s.scope == kept.scope) {
                found.push(kept);
            }
        }
        Ok(found)
    }

    /// Suppressions in the order they were added, after one.
    pub async fn list_suppressions(
        &mut self,
        after: Option<LedgerId>,
        limit: i64,
    ) -> Result<Vec<Suppression>, StoreError> {
        let after = after.map_or(uuid::Uuid::nil(), |id| id.0);
        let rows: Vec<SuppressionRow> = self.all(&SUPPRESSIONS_LIST, values![after, limit]).await?;
        Ok(rows.into_iter().map(Suppression::from).collect())
    }

    /// Takes back suppressions that followed from something that was taken back itself; how many there were.
    pub async fn delete_suppressions_by_id(&mut self, ids: Vec<LedgerId>) -> Result<u64, StoreError> {
        self.exec(&SUPPRESSIONS_DELETE_IDS, values![ids]).await
    }

    /// Says by what else an address is suppressed; since when stays.
    pub async fn set_suppression_evidence(&mut self, id: LedgerId, evidence: &str) -> Result<bool, StoreError> {
        Ok(self.exec(&SUPPRESSION_EVIDENCE, values![id, evidence]).await? == 1)
    }

    /// Lifts every suppression of an address. Only a person may; how many there were.
    pub async fn delete_suppressions(&mut self, channel: Channel, value_key: &str) -> Result<u64, StoreError> {
        let kept = self.forget_erased_address(channel, value_key).await?;
        Ok(kept + self.exec(&SUPPRESSIONS_DELETE, values![channel, value_key]).await?)
    }
}

statements! {
    #[hot] CONSENTS_LIST = "SELECT id, channel, value_key, source, evidence, at, withdrawn_at FROM consent \
        WHERE channel = $1 AND value_key = ANY($2::text[]) ORDER BY at DESC, id DESC";
    #[hot] CONSENTS_WITHDRAW = "UPDATE consent SET withdrawn_at = $3 \
        WHERE channel = $1 AND value_key = $2 AND withdrawn_at IS NULL";
    #[hot] CONSENTS_RESTORE = "UPDATE consent SET withdrawn_at = NULL WHERE id = ANY($1::uuid[]) AND NOT EXISTS (SELECT 1 FROM suppression s \
        WHERE s.channel = consent.channel AND s.value_key = consent.value_key AND s.reason IN ('opted_out', 'complaint'))";
    #[hot] SUPPRESSED = "SELECT id, channel, value_key, scope, reason, evidence, at FROM suppression \
        WHERE channel = $1 AND value_key = ANY($2::text[])";
    #[hot] SUPPRESSIONS_LIST = "SELECT id, channel, value_key, scope, reason, evidence, at FROM suppression \
        WHERE id > $1 ORDER BY id LIMIT $2";
    SUPPRESSION_EVIDENCE = "UPDATE suppression SET evidence = $2 WHERE id = $1";
    #[hot] SUPPRESSIONS_DELETE_IDS = "DELETE FROM suppression WHERE id = ANY($1::uuid[])";
    #[hot] SUPPRESSIONS_DELETE = "DELETE FROM suppression WHERE channel = $1 AND value_key = $2";
}

/// Multi-row texts of this file, for the tests.
pub(in crate::store) static MANY: &[&Many] = &[&CONSENTS, &SUPPRESSIONS];
