//! Pages of influencers, filtered.

use std::fmt;
use std::str::FromStr;

use super::InfluencerRow;
use super::filter::Wanted;
use crate::domain::ids::InfluencerId;
use crate::domain::people::Influencer;
use crate::store::value::{Value, values};
use crate::store::{StoreError, Tx};

pub use super::filter::InfluencerFilter;

/// Greatest page.
pub const PAGE_MAX: i64 = 1_000;

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

/// The text of a page: `$1` is the limit, `$2` the id before the page (and `$3` its message time).
fn page_text(
    filter: &InfluencerFilter,
    order: InfluencerOrder,
    sqlite: bool,
    bound: Vec<Value>,
) -> (String, Vec<Value>) {
    let (place, by) = match order {
        InfluencerOrder::NewestMessage => {
            ("(COALESCE(i.last_message_at, 0), i.id) < ($3, $2)", "COALESCE(i.last_message_at, 0) DESC, i.id DESC")
        }
        InfluencerOrder::Added => ("i.id > $2", "i.id"),
    };
    let mut wanted = Wanted::new(sqlite, bound);
    filter.conditions(&mut wanted);
    let conditions = wanted.text();
    let columns = super::COLUMNS;
    let text = format!(
        "SELECT {columns} FROM influencer i WHERE {place} AND i.merged_into IS NULL{conditions} ORDER BY {by} LIMIT $1"
    );
    (text, wanted.bound)
}

/// The text of a page as it is sent, and how many values are bound in it, for the test of its plan.
pub fn explain_text(filter: &InfluencerFilter, order: InfluencerOrder, sqlite: bool) -> (String, usize) {
    let bound = match order {
        InfluencerOrder::NewestMessage => values![1_i64, uuid::Uuid::max(), i64::MAX],
        InfluencerOrder::Added => values![1_i64, uuid::Uuid::nil()],
    };
    let (text, bound) = page_text(filter, order, sqlite, bound);
    (if sqlite { crate::store::dialect::for_sqlite(&text) } else { text }, bound.len())
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
        let limit = limit.clamp(1, PAGE_MAX);
        let bound: Vec<Value> = match (order, after) {
            (InfluencerOrder::NewestMessage, Some(c)) => values![limit, c.id, c.at],
            (InfluencerOrder::NewestMessage, None) => values![limit, uuid::Uuid::max(), i64::MAX],
            (InfluencerOrder::Added, Some(c)) => values![limit, c.id],
            (InfluencerOrder::Added, None) => values![limit, uuid::Uuid::nil()],
        };
        let (text, bound) = page_text(filter, order, self.is_sqlite(), bound);
        let rows: Vec<InfluencerRow> = self.all_listed(text, bound).await?;
        Ok(rows.into_iter().map(Influencer::from).collect())
    }
}
