//! Pages of influencers, filtered.

use std::fmt;
use std::str::FromStr;

use super::InfluencerRow;
use crate::domain::ids::{AgentId, InfluencerId};
use crate::domain::people::{Influencer, query_key};
use crate::domain::words::Awaiting;
use crate::store::dialect::ListText;
use crate::store::value::{Value, values};
use crate::store::{StoreError, Tx};

/// Greatest page.
pub const PAGE_MAX: i64 = 1_000;

/// Which influencers. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InfluencerFilter {
    /// In this stage.
    pub stage: Option<String>,
    /// Looked after by this teammate.
    pub owner: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Whose handle or a part of whose name begins so; case does not matter.
    pub q: Option<String>,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
    /// On this network, by its name in lower case.
    pub network: Option<String>,
    /// For whom this agent writes.
    pub agent: Option<AgentId>,
    /// With at least so many followers over all networks.
    pub reach_from: Option<i64>,
    /// With fewer than so many.
    pub reach_below: Option<i64>,
}

impl InfluencerFilter {
    fn wants_more(&self) -> bool {
        self.awaiting.is_some()
            || self.network.is_some()
            || self.agent.is_some()
            || self.reach_from.is_some()
            || self.reach_below.is_some()
    }
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InfluencerOrder {
    /// Newest message first; those without one last, the newest added first.
    #[default]
    NewestMessage,
    /// As they were added.
    Added,
}

/// A place in a list: where the next page begins. Its text is for programs, not for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InfluencerCursor {
    /// The message time of the last one shown; 0 without a message.
    pub at: i64,
    /// The last one shown.
    pub id: InfluencerId,
}

impl InfluencerCursor {
    /// The place after an influencer.
    pub fn after(influencer: &Influencer) -> Self {
        Self { at: influencer.last_message_at.map_or(0, |at| at.0), id: influencer.id }
    }
}

impl fmt::Display for InfluencerCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.id)
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor from an earlier page of influencers")]
pub struct CursorError;

impl FromStr for InfluencerCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (at, id) = text.split_once('.').ok_or(CursorError)?;
        Ok(Self { at: at.parse().map_err(|_| CursorError)?, id: id.parse().map_err(|_| CursorError)? })
    }
}

impl Tx {
    /// A page of influencers after a place; `limit` is cut to [`PAGE_MAX`].
    pub async fn list_influencers(
        &mut self,
        filter: &InfluencerFilter,
        order: InfluencerOrder,
        after: Option<InfluencerCursor>,
        limit: i64,
    ) -> Result<Vec<Influencer>, StoreError> {
        let q = filter.q.as_deref().map(query_key).filter(|q| !q.is_empty());
        let text = ListText {
            newest_message_first: order == InfluencerOrder::NewestMessage,
            stage: filter.stage.is_some(),
            owner: filter.owner.is_some(),
            tag: filter.tag.is_some(),
            q: q.is_some(),
            more: filter.wants_more(),
        };
        let limit = limit.clamp(1, PAGE_MAX);
        let mut bound: Vec<Value> = match (order, after) {
            (InfluencerOrder::NewestMessage, Some(c)) => values![limit, c.id, c.at],
            (InfluencerOrder::NewestMessage, None) => values![limit, uuid::Uuid::max(), i64::MAX],
            (InfluencerOrder::Added, Some(c)) => values![limit, c.id],
            (InfluencerOrder::Added, None) => values![limit, uuid::Uuid::nil()],
        };
        for value in [&filter.stage, &filter.owner, &filter.tag].into_iter().flatten() {
            bound.extend(values![value]);
        }
        if let Some(q) = q {
            // The last code point there is sorts after everything that begins with `q`.
            let end = format!("{q}\u{10ffff}");
            bound.extend(values![q, end]);
        }
        if filter.wants_more() {
            let InfluencerFilter { awaiting, network, agent, reach_from, reach_below, .. } = filter.clone();
            bound.extend(values![awaiting, network, agent, reach_from, reach_below]);
        }
        let rows: Vec<InfluencerRow> = self.all_listed(text, bound).await?;
        Ok(rows.into_iter().map(Influencer::from).collect())
    }
}
