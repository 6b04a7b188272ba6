//! What the store knows that files are judged against: steps in which people are, and how many are in each stage.

use std::collections::BTreeMap;

use super::load::{Known, Live};
use crate::config::Config;
use crate::store::{StoreError, Tx};

/// How things stand.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Steps in which people are, by sequence.
    pub live: Live,
    /// Influencers by stage; none where there are no influencers yet, which says nothing about those to come.
    pub audience: Option<BTreeMap<String, u64>>,
}

impl Standing {
    /// Asks the store.
    pub async fn read(tx: &mut Tx) -> Result<Self, StoreError> {
        let mut live = Live::new();
        for row in tx.list_sequences().await? {
            let steps = tx.count_live_steps(&row.id).await?;
            live.insert(row.id, steps.into_iter().filter_map(|(_, step, _)| step).collect());
        }
        let people = tx.count_people_by_stage().await?;
        let audience: BTreeMap<String, u64> =
            people.into_iter().map(|(stage, n)| (stage, u64::try_from(n).unwrap_or(0))).collect();
        Ok(Self { live, audience: Some(audience).filter(|audience| audience.values().any(|n| *n > 0)) })
    }

    /// What sequences are judged against with it.
    pub fn known<'a>(&'a self, config: &'a Config) -> Known<'a> {
        Known { config, live: Some(&self.live), audience: self.audience.as_ref() }
    }
}
