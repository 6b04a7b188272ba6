//! The read side: lists, pages and single things, put together as views.
//!
//! Nothing here writes or decides. The HTTP API and the command line print the same views, so that both say the same.
//! Every list is a page served by an index: its cost grows with the page, never with what is stored.

use uuid::Uuid;

use super::sql::Sql;
use crate::domain::time::Micros;

pub mod loose;
pub mod message;
pub mod outbox;
pub mod sequence;
pub mod stats;
pub mod task;
pub mod thread;
pub mod timeline;
pub mod view;
pub mod webhook;

/// Every statement of this part of the room.
pub(super) fn statement_lists() -> Vec<&'static Sql> {
    [
        loose::STATEMENTS,
        message::STATEMENTS,
        outbox::STATEMENTS,
        sequence::STATEMENTS,
        stats::STATEMENTS,
        task::STATEMENTS,
        thread::STATEMENTS,
        timeline::STATEMENTS,
        webhook::STATEMENTS,
    ]
    .concat()
}

/// Entries of one page at most.
pub const PAGE_MAX: usize = 200;
/// Entries of one page where the caller does not say.
pub const PAGE_USUAL: usize = 50;

/// A place in a list that is ordered by time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The instant.
    pub at: Micros,
    /// The id, which tells entries of one instant apart.
    pub id: Uuid,
}

impl Place {
    /// Before everything.
    pub const FIRST: Self = Self { at: Micros(i64::MIN), id: Uuid::nil() };
    /// After everything.
    pub const LAST: Self = Self { at: Micros(i64::MAX), id: Uuid::max() };
}

/// In which direction a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

impl Order {
    /// How a place is compared with the one before it, and the order, in SQL.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NewestFirst => ("<", "DESC"),
            Self::OldestFirst => (">", "ASC"),
        }
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Entries at most; held to 1..=[`PAGE_MAX`].
    pub limit: usize,
    /// The last place that was seen; `None` begins at the beginning.
    pub after: Option<Place>,
    /// The direction.
    pub order: Order,
}

impl Page {
    /// The newest entries.
    pub fn newest(limit: usize) -> Self {
        Self { limit, after: None, order: Order::NewestFirst }
    }

    /// The oldest entries.
    pub fn oldest(limit: usize) -> Self {
        Self { limit, after: None, order: Order::OldestFirst }
    }

    /// The page that follows `place`.
    #[must_use]
    pub fn after(self, place: Option<Place>) -> Self {
        Self { after: place, ..self }
    }

    fn size(self) -> usize {
        self.limit.clamp(1, PAGE_MAX)
    }

    /// One more than the page holds, which tells whether another one follows.
    fn fetch(self) -> i64 {
        i64::try_from(self.size()).unwrap_or(i64::MAX).saturating_add(1)
    }

    fn from(self) -> Place {
        self.after.unwrap_or(match self.order {
            Order::NewestFirst => Place::LAST,
            Order::OldestFirst => Place::FIRST,
        })
    }

    /// Cuts what was fetched to the page; where there is more, the place to go on from.
    fn cut<T>(self, mut rows: Vec<T>, place: impl Fn(&T) -> Place) -> Slice<T> {
        let more = rows.len() > self.size();
        rows.truncate(self.size());
        let next = if more { rows.last().map(place) } else { None };
        Slice { data: rows, next }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice<T> {
    /// The entries.
    pub data: Vec<T>,
    /// From where the next page goes on; `None` at the end.
    pub next: Option<Place>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_says_where_to_go_on_only_where_there_is_more() {
        let place = |n: &i64| Place { at: Micros(*n), id: Uuid::nil() };
        let page = Page::newest(2);
        assert_eq!(page.fetch(), 3);
        let cut = page.cut(vec![9, 8, 7], place);
        assert_eq!((cut.data, cut.next.map(|p| p.at)), (vec![9, 8], Some(Micros(8))));
        assert_eq!(page.cut(vec![9, 8], place).next, None);
        assert_eq!(Page::newest(0).fetch(), 2);
        assert_eq!(Page::newest(usize::MAX).fetch(), 201);
    }
}
