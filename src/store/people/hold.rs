//! Holds: until when nothing is sent to somebody by itself, and why; and until when we wait for them.

use crate::domain::ids::InfluencerId;
use crate::domain::time::Micros;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// How somebody is held.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HoldRow {
    /// Who.
    #[sqlx(rename = "id")]
    pub influencer_id: InfluencerId,
    /// Until when; over where this is past.
    pub held_until: Option<Micros>,
    /// Why.
    pub hold_reason: Option<String>,
    /// Whether a person set it: then no rule touches it while it lasts.
    pub hold_by_hand: bool,
    /// Until when it is their turn, and nothing is expected of us.
    pub waiting_until: Option<Micros>,
    /// Into whom they were merged.
    pub merged_into: Option<InfluencerId>,
}

impl Tx {
    /// How some influencers are held, in no order.
    pub async fn list_holds(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<HoldRow>, StoreError> {
        self.all(&HOLDS, values![ids]).await
    }

    /// Holds somebody because a rule says so: never for shorter than they are held, and never where a person holds them.
    /// Whether that changed anything.
    pub async fn hold_longer(
        &mut self,
        id: InfluencerId,
        until: Micros,
        reason: &str,
        now: Micros,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&HOLD_LONGER, values![id, until, reason, now]).await? > 0)
    }

    /// Holds somebody because a person says so, or lets them go where there is no `until`. `false` where there is no such
    /// influencer.
    pub async fn set_hold(
        &mut self,
        id: InfluencerId,
        until: Option<Micros>,
        reason: Option<&str>,
        now: Micros,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&HOLD_SET, values![id, until, reason, now]).await? > 0)
    }

    /// Lets those go who are held for this very reason by a rule; who they are.
    pub async fn release_held_for(
        &mut self,
        ids: Vec<InfluencerId>,
        reason: &str,
        now: Micros,
    ) -> Result<Vec<InfluencerId>, StoreError> {
        let rows: Vec<(InfluencerId,)> = self.all(&HOLD_RELEASE_FOR, values![ids, reason, now]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Says until when we wait for somebody; nothing where we don't. `false` where there is no such influencer.
    pub async fn set_waiting(
        &mut self,
        id: InfluencerId,
        until: Option<Micros>,
        now: Micros,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&WAITING_SET, values![id, until, now]).await? > 0)
    }
}

statements! {
    #[hot] HOLDS = "SELECT id, held_until, hold_reason, hold_by_hand, waiting_until, merged_into FROM influencer WHERE id = ANY($1::uuid[])";
    #[hot] HOLD_LONGER = "UPDATE influencer SET held_until = $2, hold_reason = $3, hold_by_hand = FALSE, updated_at = $4, version = version + 1 \
        WHERE id = $1 AND (held_until IS NULL OR held_until < $2) AND NOT (hold_by_hand AND held_until IS NOT NULL AND held_until > $4)";
    #[hot] HOLD_SET = "UPDATE influencer SET held_until = $2, hold_reason = $3, hold_by_hand = ($2::bigint IS NOT NULL), updated_at = $4, \
        version = version + 1 WHERE id = $1";
    #[hot] HOLD_RELEASE_FOR = "UPDATE influencer SET held_until = NULL, hold_reason = NULL, updated_at = $3, version = version + 1 \
        WHERE id = ANY($1::uuid[]) AND hold_reason = $2 AND NOT hold_by_hand AND held_until > $3 RETURNING id";
    #[hot] WAITING_SET = "UPDATE influencer SET waiting_until = $2, updated_at = $3, version = version + 1 WHERE id = $1";
}
