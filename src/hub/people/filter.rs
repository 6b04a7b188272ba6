//! The filters of people as they are asked for, alike over the API and on the command line, and what they mean to the store.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::ids::AgentId;
use crate::domain::people::tier_bounds;
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, EnrollmentState};
use crate::store::people::filter::{AudienceFilter, Compare, InfluencerFilter, PropertyFilter, RunFilter};

/// Properties or shares in one filter.
const WISHES_MAX: usize = 10;
/// Days that a length of time may have.
const DAYS_MAX: u64 = 36_500;

/// What a share is of.
const DIMENSIONS: [&str; 3] = ["country", "age", "gender"];

/// The filters of `GET /v1/influencers`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterOrder {
    /// In this stage.
    pub stage: Option<String>,
    /// Looked after by this teammate.
    pub owner: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Whose handle or a part of whose name begins so.
    pub q: Option<String>,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
    /// On this network.
    pub network: Option<String>,
    /// For whom this agent writes.
    pub agent: Option<AgentId>,
    /// With whom there is a thread of this account of ours.
    pub account: Option<String>,
    /// With at least so many followers over all networks.
    #[serde(rename = "reach[gte]")]
    pub reach_from: Option<i64>,
    /// With fewer than so many.
    #[serde(rename = "reach[lt]")]
    pub reach_below: Option<i64>,
    /// In this tier: `nano`, `micro`, `macro` or `mega`.
    pub tier: Option<String>,
    /// With a run of this sequence.
    pub sequence: Option<String>,
    /// With a run at this step.
    pub sequence_step: Option<String>,
    /// With a run in this state.
    pub sequence_state: Option<EnrollmentState>,
    /// Whose last reply was before this instant, or is longer ago than this length (`30d`).
    #[serde(rename = "last_reply[lt]")]
    pub last_reply_before: Option<String>,
    /// Who replied since this instant, or within this length.
    #[serde(rename = "last_reply[gte]")]
    pub last_reply_from: Option<String>,
    /// Properties: `niche`, or `contract[lt]`, `[lte]`, `[gt]`, `[gte]`, and what each is compared with.
    pub property: BTreeMap<String, String>,
    /// Shares of followers of at least so much, from 0 to 1: `country[us][gte]`, `age[18-24][gte]`, `gender[f][gte]`.
    pub audience: BTreeMap<String, f64>,
}

/// What is wrong with one of the filters: its name, and what to do.
pub type Wrong = (String, String);

impl FilterOrder {
    /// The filter of the store; lengths of time count back from now.
    ///
    /// # Errors
    /// The filter that can't be taken, and what to write instead.
    pub fn filter(self, now: Micros) -> Result<InfluencerFilter, Wrong> {
        let (from, below) = match self.tier {
            Some(tier) => tier_bounds(&tier)
                .ok_or_else(|| {
                    ("tier".to_owned(), format!("there is no tier `{tier}`; there are: nano, micro, macro, mega"))
                })
                .map(|(from, below)| (Some(from), below))?,
            None => (None, None),
        };
        let instant = |name: &str, given: Option<String>| given.map(|given| instant(name, &given, now)).transpose();
        for (name, count) in [("property", self.property.len()), ("audience", self.audience.len())] {
            if count > WISHES_MAX {
                return Err((name.to_owned(), format!("at most {WISHES_MAX} of these at once")));
            }
        }
        Ok(InfluencerFilter {
            stage: self.stage,
            owner: self.owner,
            tag: self.tag,
            q: self.q,
            awaiting: self.awaiting,
            network: self.network.map(|name| name.trim().to_lowercase()),
            agent: self.agent,
            account: self.account,
            reach_from: self.reach_from.max(from),
            reach_below: self.reach_below.into_iter().chain(below).min(),
            run: RunFilter { sequence: self.sequence, step: self.sequence_step, state: self.sequence_state },
            properties: self.property.into_iter().map(property).collect::<Result<_, _>>()?,
            audience: self.audience.into_iter().map(share).collect::<Result<_, _>>()?,
            last_reply_before: instant("last_reply[lt]", self.last_reply_before)?,
            last_reply_from: instant("last_reply[gte]", self.last_reply_from)?,
        })
    }
}

/// An instant, a day, or how long ago.
fn instant(name: &str, given: &str, now: Micros) -> Result<Micros, Wrong> {
    let given = given.trim();
    if let Ok(instant) = crate::domain::people::check::instant(name, given) {
        return Ok(instant);
    }
    let ago = || {
        let (number, seconds) = match given.split_at_checked(given.len().checked_sub(1)?)? {
            (number, "d") => (number, 86_400),
            (number, "h") => (number, 3_600),
            _ => return None,
        };
        let seconds = number.parse::<u64>().ok()?.checked_mul(seconds).filter(|s| *s <= DAYS_MAX * 86_400)?;
        Some(now.minus(Duration::from_secs(seconds)))
    };
    let wanted = "expected an instant (2026-03-01T09:00:00Z), a day (2026-03-01), or how long ago (30d, 12h)";
    ago().ok_or_else(|| (name.to_owned(), wanted.to_owned()))
}

fn property((given, value): (String, String)) -> Result<PropertyFilter, Wrong> {
    let (name, compare) = match given.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((name, "lt")) => (name, Compare::Below),
        Some((name, "lte")) => (name, Compare::UpTo),
        Some((name, "gt")) => (name, Compare::Above),
        Some((name, "gte")) => (name, Compare::From),
        Some(_) => {
            let what = "a property is compared with [lt], [lte], [gt] or [gte], or with nothing behind its name";
            return Err((format!("property.{given}"), what.to_owned()));
        }
        None => (given.as_str(), Compare::Is),
    };
    // SQLite would read such a name as a path.
    if name.is_empty() || name.starts_with(['$', '[']) || name.contains('"') {
        return Err((format!("property.{given}"), "this can't be the name of a property".to_owned()));
    }
    Ok(PropertyFilter { name: name.to_owned(), compare, value })
}

fn share((given, least): (String, f64)) -> Result<AudienceFilter, Wrong> {
    let wrong = |what: &str| (format!("audience.{given}"), what.to_owned());
    let (dimension, key) = given
        .strip_suffix("][gte]")
        .and_then(|rest| rest.split_once('['))
        .filter(|(dimension, key)| DIMENSIONS.contains(dimension) && !key.is_empty())
        .ok_or_else(|| wrong("expected country[us][gte], age[18-24][gte] or gender[f][gte]"))?;
    if !(0.0..=1.0).contains(&least) {
        return Err(wrong("a share is from 0 to 1: 0.4 is 40 %"));
    }
    Ok(AudienceFilter { dimension: dimension.to_owned(), key: key.trim().to_lowercase(), least })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_days_or_how_long_ago() {
        let now = Micros::from_seconds(1_000_000_000);
        let read = |given: &str| instant("last_reply[lt]", given, now);
        assert_eq!(read("30d"), Ok(now.minus(Duration::from_hours(30 * 24))));
        assert_eq!(read("12h"), Ok(now.minus(Duration::from_hours(12))));
        assert_eq!(read("2001-09-09T01:46:40Z"), Ok(now));
        for wrong in ["", "d", "30", "-1d", "30 parsecs", "99999999999999999d", "é"] {
            assert_eq!(read(wrong).map_err(|(name, _)| name), Err("last_reply[lt]".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn properties_and_shares_are_read_or_named() {
        let read = |name: &str| property((name.to_owned(), "1".to_owned())).map(|p| (p.name, p.compare));
        assert_eq!(read("niche"), Ok(("niche".to_owned(), Compare::Is)));
        assert_eq!(read("a.b[gte]"), Ok(("a.b".to_owned(), Compare::From)));
        for wrong in ["x[ne]", "", "[lt]", "$.x"] {
            assert_eq!(read(wrong).map_err(|(name, _)| name), Err(format!("property.{wrong}")));
        }
        let read = |name: &str, least| share((name.to_owned(), least)).map(|s| (s.dimension, s.key));
        assert_eq!(read("country[US][gte]", 0.4), Ok(("country".to_owned(), "us".to_owned())));
        for (wrong, least) in
            [("country[us]", 0.4), ("shoe[9][gte]", 0.4), ("age[][gte]", 0.4), ("age[18-24][gte]", 40.0)]
        {
            assert_eq!(read(wrong, least).map_err(|(name, _)| name), Err(format!("audience.{wrong}")));
        }
    }
}
