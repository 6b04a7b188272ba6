//! Query parameters, held to those a route knows, and the pages of lists.
//!
//! A cursor is opaque: it holds the last place that was seen and a check over it and the list it belongs to, so that one
//! that was changed, or comes from another list or filter, is refused instead of silently giving a wrong page.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::problem::Problem;
use crate::domain::time::Micros;
use crate::store::reading::{Order, PAGE_MAX, PAGE_USUAL, Page, Place, Slice};

/// How the entries of a list are ordered.
#[derive(Debug, Clone, Copy, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Order")]
#[expect(dead_code, reason = "only its shape is told: the parameter is read as text")]
pub(super) enum Direction {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
}

/// Query parameters of one request.
const PARAMETERS_MAX: usize = 50;
/// Octets of the check in a cursor.
const CHECK_OCTETS: usize = 6;

/// The query parameters of a request, not yet held to anything.
pub(super) struct Asked {
    path: String,
    given: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let given: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().take(PARAMETERS_MAX + 1).collect();
        if given.len() > PARAMETERS_MAX {
            return Err(bad(format!("more than {PARAMETERS_MAX} query parameters")));
        }
        Ok(Self { path: parts.uri.path().to_owned(), given })
    }
}

/// A request that takes no query parameters.
pub(super) struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Asked::from_request_parts(parts, state).await?.only(&[])?;
        Ok(Self)
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_query", detail)
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Whether a parameter is a known one; `{…}` in it stands for any text without brackets that is not empty.
fn fits(known: &str, given: &str) -> bool {
    let Some((before, rest)) = known.split_once('{') else { return known == given };
    let Some((_, after)) = rest.split_once('}') else { return false };
    let inside = given.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    inside.is_some_and(|inside| !inside.is_empty() && !inside.contains(['[', ']']))
}

impl Asked {
    /// Refuses parameters that are not among these, and any that is there twice or empty: whoever's variable is empty must not
    /// get everybody's.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        let takes = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let mut problem = bad(format!("this takes these query parameters: {takes}"));
        for (n, (name, value)) in self.given.iter().enumerate() {
            if !known.iter().any(|known| fits(known, name)) {
                problem = problem.parameter(&short(name), "there is no such parameter here");
            } else if self.given.iter().take(n).any(|(earlier, _)| earlier == name) {
                problem = problem.parameter(name, "it is there twice");
            } else if value.is_empty() {
                problem = problem.parameter(name, "it is empty; leave it out or give a value");
            }
        }
        if problem.errors.is_empty() { Ok(self) } else { Err(problem) }
    }

    /// A parameter as it was given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The parameters that begin so, without that.
    pub(super) fn starting<'a>(&'a self, with: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let rest = move |(n, v): &'a (String, String)| Some((n.strip_prefix(with)?, v.as_str()));
        self.given.iter().filter_map(rest)
    }

    /// Takes parameters along that were not given here.
    pub(super) fn with(mut self, more: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, value) in more {
            if !self.given.iter().any(|(given, _)| *given == name) {
                self.given.push((name, value));
            }
        }
        self
    }

    /// Parameters that come from elsewhere than a request.
    pub(super) fn of(given: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { path: String::new(), given: given.into_iter().collect() }
    }

    /// That a parameter can't be taken.
    pub(super) fn wrong(name: &str, what: impl Into<String>) -> Problem {
        let what = what.into();
        bad(format!("the query parameter `{name}` can't be read: {what}")).parameter(name, what)
    }

    /// A parameter, read.
    pub(super) fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T::Err: std::fmt::Display,
    {
        let read = |text: &str| {
            text.parse::<T>().map_err(|e| {
                let what = e.to_string();
                bad(format!("the query parameter `{name}` can't be read: {what}")).parameter(name, what)
            })
        };
        self.text(name).map(read).transpose()
    }

    /// An instant: RFC 3339.
    pub(super) fn instant(&self, name: &str) -> Result<Option<Micros>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        Micros::parse(text).map(Some).ok_or_else(|| {
            let what = "expected a time like 2026-03-01T09:00:00Z";
            bad(format!("the query parameter `{name}` can't be read: {what}")).parameter(name, what)
        })
    }

    /// How many entries are wanted.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit: usize = self.get("limit")?.unwrap_or(PAGE_USUAL);
        if (1..=PAGE_MAX).contains(&limit) {
            return Ok(limit);
        }
        let what = format!("expected a number from 1 to {PAGE_MAX}");
        Err(bad(format!("the query parameter `limit` can't be taken: {what}")).parameter("limit", what))
    }

    /// The page that is wanted, in the order that `order=newest|oldest` says where the route takes it.
    pub(super) fn page(&self) -> Result<Page, Problem> {
        let order = match self.text("order") {
            None | Some("newest") => Order::NewestFirst,
            Some("oldest") => Order::OldestFirst,
            Some(_) => {
                let what = "expected `newest` or `oldest`";
                return Err(bad(format!("the query parameter `order` can't be read: {what}")).parameter("order", what));
            }
        };
        let after = self.text("cursor").map(|text| self.place(text)).transpose()?;
        Ok(Page { limit: self.limit()?, after, order })
    }

    /// The page of a list that is sorted by the newest, as usual, or the oldest of something: `-name` or `name`.
    pub(super) fn page_by(&self, name: &str) -> Result<Page, Problem> {
        let order = match self.text("sort") {
            None => Order::NewestFirst,
            Some(sort) if sort.strip_prefix('-') == Some(name) => Order::NewestFirst,
            Some(sort) if sort == name => Order::OldestFirst,
            Some(_) => return Err(Self::wrong("sort", format!("expected `-{name}` or `{name}`"))),
        };
        Ok(Page { order, ..self.page()? })
    }

    fn place(&self, cursor: &str) -> Result<Place, Problem> {
        let what = "it is not one that this list gave, with these filters";
        self.decode(cursor).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "bad_cursor", format!("the cursor can't be used: {what}"))
                .parameter("cursor", what)
        })
    }

    /// The cursor of a place in this list.
    pub(super) fn cursor(&self, place: Place) -> String {
        let mut octets = place.at.0.to_be_bytes().to_vec();
        octets.extend(place.id.as_bytes());
        let check = self.check(&octets);
        octets.extend(check);
        URL_SAFE_NO_PAD.encode(octets)
    }

    fn decode(&self, cursor: &str) -> Option<Place> {
        let octets = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (at, rest) = octets.split_first_chunk::<8>()?;
        let (id, check) = rest.split_first_chunk::<16>()?;
        let place = octets.get(..24)?;
        (check == self.check(place)).then(|| Place { at: Micros(i64::from_be_bytes(*at)), id: Uuid::from_bytes(*id) })
    }

    /// Over the place, the path and every parameter that says which list it is.
    fn check(&self, place: &[u8]) -> Vec<u8> {
        let mut filters: Vec<&(String, String)> =
            self.given.iter().filter(|(name, _)| name != "cursor" && name != "limit").collect();
        filters.sort();
        let mut hash = Sha256::new();
        hash.update(place);
        hash.update(self.path.as_bytes());
        for (name, value) in filters {
            hash.update([0]);
            hash.update(name.as_bytes());
            hash.update([1]);
            hash.update(value.as_bytes());
        }
        hash.finalize().iter().take(CHECK_OCTETS).copied().collect()
    }

    /// A page as it is answered.
    pub(super) fn answer<T: Serialize>(&self, slice: Slice<T>) -> axum::Json<Listed<T>> {
        let next_cursor = slice.next.map(|place| self.cursor(place));
        axum::Json(Listed { data: slice.data, next_cursor })
    }
}

/// One page of a list.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(super) struct Listed<T> {
    /// The entries.
    pub(super) data: Vec<T>,
    /// What to send as `cursor` for the next page; `null` at the end.
    pub(super) next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str, given: &[(&str, &str)]) -> Asked {
        let given = given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Asked { path: path.into(), given }
    }

    #[test]
    fn cursor_is_good_for_its_own_list_only() {
        let place = Place { at: Micros(-5), id: Uuid::from_u128(9) };
        let list = asked("/v1/threads", &[("awaiting", "us"), ("limit", "2")]);
        let cursor = list.cursor(place);
        let same = asked("/v1/threads", &[("cursor", &cursor), ("limit", "50"), ("awaiting", "us")]);
        assert_eq!(same.page().ok().and_then(|p| p.after), Some(place));
        for other in [asked("/v1/outbox", &[("awaiting", "us")]), asked("/v1/threads", &[])] {
            assert_eq!(other.decode(&cursor), None);
        }
        for n in 0..cursor.len() {
            let mut changed: Vec<char> = cursor.chars().collect();
            changed[n] = if changed[n] == 'x' { 'y' } else { 'x' };
            assert_eq!(list.decode(&changed.into_iter().collect::<String>()), None);
        }
        assert_eq!(list.decode(""), None);
    }

    #[test]
    fn an_empty_parameter_is_named_and_refused() {
        let known = ["limit", "influencer_id", "property.{name}"];
        let refused = |given: &[(&str, &str)]| {
            let problem = asked("/v1/tasks", given).only(&known).err()?;
            Some((problem.status, format!("{:?}", problem.errors)))
        };
        for name in ["influencer_id", "property.niche"] {
            let (status, told) = refused(&[("limit", "2"), (name, "")]).unwrap();
            assert!(status == 400 && told.contains(name) && told.contains("leave it out or give a value"), "{told}");
            assert!(!told.contains("limit"), "{told}");
        }
        assert_eq!(refused(&[("limit", "2"), ("influencer_id", "inf_1")]), None);
    }
}
