//! How much of a list is shown, and where it goes on.

use std::fmt;
use std::str::FromStr;

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::time::Micros;
use crate::store::StoreError;
use crate::store::reading::{PAGE_MAX, Page, Place, Slice};

/// Which part of a list.
#[derive(Debug, Clone, Args)]
pub(super) struct PageArgs {
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub(super) limit: u32,
    /// Go on where an earlier list ended (`next_cursor` of its JSON)
    #[arg(long, value_name = "CURSOR")]
    pub(super) cursor: Option<Cursor>,
}

/// A place in a list as text: the microsecond and the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor(pub(super) Place);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.at.0, self.0.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = text
            .split_once('.')
            .and_then(|(at, id)| Some(Place { at: Micros(at.parse().ok()?), id: Uuid::try_parse(id).ok()? }));
        place.map(Self).ok_or_else(|| "this is not the `next_cursor` of an earlier list".to_owned())
    }
}

impl PageArgs {
    /// Entries wanted.
    pub(super) fn wanted(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// Reads page after page until there is enough.
    pub(super) async fn gather<T>(
        &self,
        first: Page,
        mut fetch: impl AsyncFnMut(Page) -> Result<Slice<T>, StoreError>,
    ) -> Result<Slice<T>, StoreError> {
        let mut all = Slice { data: Vec::new(), next: None };
        let mut after = self.cursor.map(|cursor| cursor.0);
        loop {
            let limit = self.wanted().saturating_sub(all.data.len()).min(PAGE_MAX);
            let slice = fetch(Page { limit, ..first }.after(after)).await?;
            all.data.extend(slice.data);
            all.next = slice.next;
            after = slice.next;
            if after.is_none() || all.data.len() >= self.wanted() {
                return Ok(all);
            }
        }
    }
}

/// A list as programs read it.
pub(super) fn listed<T: serde::Serialize>(slice: &Slice<T>) -> Value {
    json!({"data": slice.data, "next_cursor": slice.next.map(|place| Cursor(place).to_string())})
}

/// The words below a list that goes on.
pub(super) const MORE: &str = "There are more: --limit N shows them.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_reads_back_and_refuses_other_text() {
        let cursor = Cursor(Place { at: Micros(-5), id: Uuid::from_u128(9) });
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert!("5".parse::<Cursor>().is_err() && "x.y".parse::<Cursor>().is_err());
    }
}
