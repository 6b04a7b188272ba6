//! Holds: until when nothing is sent to somebody by itself, who says so and why; and until when we wait for them.
//!
//! Each source holds on its own. What an influencer's row says (`held_until` and what belongs to it) is the longest of them,
//! written anew whenever one changes.

use crate::domain::ids::InfluencerId;
use crate::domain::time::Micros;
use crate::domain::words::HoldSource;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// How somebody is held, all sources together.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HoldRow {
    /// Who.
    #[sqlx(rename = "id")]
    pub influencer_id: InfluencerId,
    /// Until when, the longest of all; over where this is past.
    pub held_until: Option<Micros>,
    /// Why, of that one.
    pub hold_reason: Option<String>,
    /// Whether a person set that one.
    pub hold_by_hand: bool,
    /// Until when it is their turn, and nothing is expected of us.
    pub waiting_until: Option<Micros>,
    /// Into whom they were merged.
    pub merged_into: Option<InfluencerId>,
}

/// One source's hold of somebody.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::FromRow)]
pub struct Hold {
    /// Who is held.
    pub influencer_id: InfluencerId,
    /// Who or what holds them.
    pub source: HoldSource,
    /// Until when; without it, until it is lifted.
    pub until: Option<Micros>,
    /// Why, for people.
    pub reason: Option<String>,
    /// What it comes from: a message, or who set it.
    pub cause: Option<String>,
    /// When it was set.
    pub made_at: Micros,
}

impl Tx {
    /// How some influencers are held, in no order.
    pub async fn list_holds(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<HoldRow>, StoreError> {
        self.all(&HOLDS, values![ids]).await
    }

    /// What holds some influencers, source by source, those that ran out with them.
    pub async fn list_hold_sources(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<Hold>, StoreError> {
        self.all(&SOURCES, values![ids]).await
    }

    /// Holds somebody for one source, in place of what that source said before. `false` where there is no such influencer.
    pub async fn put_hold(&mut self, hold: &Hold, now: Micros) -> Result<bool, StoreError> {
        self.write_hold(hold, now, true).await
    }

    /// The same where that source does not hold them for as long already. Whether that changed anything.
    pub async fn hold_longer(&mut self, hold: &Hold, now: Micros) -> Result<bool, StoreError> {
        self.write_hold(hold, now, false).await
    }

    async fn write_hold(&mut self, hold: &Hold, now: Micros, always: bool) -> Result<bool, StoreError> {
        let (reason, cause) = (hold.reason.clone(), hold.cause.clone());
        // Locked first: what a hold comes to is reckoned from all of them, and another may be on its way.
        self.lock_influencers(vec![hold.influencer_id]).await?;
        let row = values![hold.influencer_id, hold.source, hold.until, reason, cause, hold.made_at, always];
        if self.exec(&HOLD_PUT, row).await? == 0 {
            return Ok(false);
        }
        self.sum_up_holds(vec![hold.influencer_id], now).await?;
        Ok(true)
    }

    /// Lifts what these sources say of some influencers; who was held by one of them.
    pub async fn lift_holds(
        &mut self,
        ids: Vec<InfluencerId>,
        sources: &[HoldSource],
        now: Micros,
    ) -> Result<Vec<InfluencerId>, StoreError> {
        self.lock_influencers(ids.clone()).await?;
        let words = sources.iter().map(ToString::to_string).collect::<Vec<_>>();
        let rows: Vec<(InfluencerId, Option<Micros>)> = self.all(&HOLDS_LIFT, values![ids, words]).await?;
        let mut lifted: Vec<InfluencerId> =
            rows.into_iter().filter(|(_, until)| until.is_none_or(|until| until > now)).map(|(id, _)| id).collect();
        lifted.sort_unstable();
        lifted.dedup();
        self.sum_up_holds(lifted.clone(), now).await?;
        Ok(lifted)
    }

    /// Writes into the rows of influencers what their holds come to: the longest counts, a person's first of those that are
    /// as long.
    async fn sum_up_holds(&mut self, ids: Vec<InfluencerId>, now: Micros) -> Result<(), StoreError> {
        self.exec(&HOLDS_SUM_UP, values![ids, now]).await?;
        Ok(())
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

/// A hold without an end, as an instant: 9999-12-01T00:00:00Z.
macro_rules! open_end {
    () => {
        "253399622400000000"
    };
}

statements! {
    #[hot] HOLDS = "SELECT id, held_until, hold_reason, hold_by_hand, waiting_until, merged_into FROM influencer WHERE id = ANY($1::uuid[])";
    #[hot] SOURCES = "SELECT influencer_id, source, until, reason, cause, made_at FROM hold WHERE influencer_id = ANY($1::uuid[]) \
        ORDER BY influencer_id, source";
    #[hot] HOLD_PUT = concat!("INSERT INTO hold (influencer_id, source, until, reason, cause, made_at) \
        SELECT i.id, $2::text, $3::bigint, $4::text, $5::text, $6::bigint FROM influencer i WHERE i.id = $1 \
        ON CONFLICT (influencer_id, source) DO UPDATE SET until = excluded.until, reason = excluded.reason, cause = excluded.cause, \
        made_at = excluded.made_at WHERE $7::boolean OR COALESCE(hold.until, ", open_end!(), ") < COALESCE(excluded.until, ", open_end!(), ")");
    #[hot] HOLDS_LIFT = "DELETE FROM hold WHERE influencer_id = ANY($1::uuid[]) AND source = ANY($2::text[]) RETURNING influencer_id, until";
    #[hot] HOLDS_SUM_UP = concat!("UPDATE influencer SET held_until = (SELECT MAX(COALESCE(h.until, ", open_end!(), ")) FROM hold h \
          WHERE h.influencer_id = influencer.id AND COALESCE(h.until, ", open_end!(), ") > $2), \
        hold_reason = (SELECT h.reason FROM hold h WHERE h.influencer_id = influencer.id AND COALESCE(h.until, ", open_end!(), ") > $2 \
          ORDER BY COALESCE(h.until, ", open_end!(), ") DESC, (h.source = 'hand') DESC, h.source LIMIT 1), \
        hold_by_hand = COALESCE((SELECT h.source = 'hand' FROM hold h WHERE h.influencer_id = influencer.id \
          AND COALESCE(h.until, ", open_end!(), ") > $2 \
          ORDER BY COALESCE(h.until, ", open_end!(), ") DESC, (h.source = 'hand') DESC, h.source LIMIT 1), FALSE), \
        updated_at = $2, version = version + 1 WHERE id = ANY($1::uuid[])");
    #[hot] WAITING_SET = "UPDATE influencer SET waiting_until = $2, updated_at = $3, version = version + 1 WHERE id = $1";
}
