//! Who follows an influencer, as the last report says.

use crate::domain::ids::InfluencerId;
use crate::domain::time::Micros;
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// A share of somebody's followers.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct AudienceShare {
    /// `country`, `age` or `gender`.
    pub dimension: String,
    /// Which, in lower case.
    pub key: String,
    /// From 0 to 1.
    pub share: f64,
    /// When that was measured.
    pub at: Micros,
}

const SHARES: Many =
    Many { head: "INSERT INTO influencer_audience (influencer_id, dimension, key, share, at)", columns: 5, tail: "" };

impl Tx {
    /// Writes a report in the place of the one before.
    pub async fn replace_audience(&mut self, id: InfluencerId, shares: Vec<AudienceShare>) -> Result<(), StoreError> {
        self.exec(&FORGET, values![id]).await?;
        let row = |s: AudienceShare| values![id, s.dimension, s.key, s.share, s.at];
        self.insert_many(&SHARES, shares.into_iter().flat_map(row).collect()).await?;
        Ok(())
    }

    /// The last report; empty where there is none.
    pub async fn list_audience(&mut self, id: InfluencerId) -> Result<Vec<AudienceShare>, StoreError> {
        self.all(&LIST, values![id]).await
    }
}

statements! {
    #[hot] FORGET = "DELETE FROM influencer_audience WHERE influencer_id = $1";
    #[hot] LIST = "SELECT dimension, key, share, at FROM influencer_audience WHERE influencer_id = $1 ORDER BY dimension, key";
}

/// Multi-row texts of this file, for the tests.
pub(in crate::store) static MANY: &[&Many] = &[&SHARES];
