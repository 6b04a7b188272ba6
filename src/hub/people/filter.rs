//! The filters of people as they are asked for, alike over the API and on the command line, and what they mean to the store.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::ids::AgentId;
use crate::domain::people::tier_bounds;
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, EnrollmentState};
use crate::store::people::filter::{AudienceFilter, Compare, InfluencerFilter, PropertyFilter, RunFilter};
use crate::store::{StoreError, Tx};

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
    /// What this saved view asks for; what is said beside it counts instead.
    pub view: Option<String>,
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
    /// The same with what its view asks for.
    ///
    /// # Errors
    /// Where there is no such view, or it can't be read any more, which names `view`; where the store can't be read.
    pub async fn with_view(mut self, tx: &mut Tx) -> Result<Result<Self, Wrong>, StoreError> {
        let Some(name) = self.view.take() else { return Ok(Ok(self)) };
        let wrong = |what: String| Ok(Err(("view".to_owned(), what)));
        let Some(saved) = tx.get_view(&name).await? else {
            return wrong(format!("there is no saved view `{name}`"));
        };
        match Self::saved(&saved.filters) {
            Ok(base) => Ok(Ok(self.over(base))),
            Err((filter, what)) => wrong(format!("the view `{name}` can't be read: {filter}: {what}")),
        }
    }

    /// Filters as a view keeps them: query parameters.
    ///
    /// # Errors
    /// The parameter that can't be taken.
    fn saved(filters: &BTreeMap<String, String>) -> Result<Self, Wrong> {
        let mut order = Self::default();
        for (name, value) in filters.iter().filter(|(_, value)| !value.is_empty()) {
            let wrong = || (name.clone(), format!("`{value}` can't be taken"));
            if let Some(property) = name.strip_prefix("property.") {
                order.property.insert(property.to_owned(), value.clone());
            } else if let Some(of) = name.strip_prefix("audience.") {
                order.audience.insert(of.to_owned(), value.parse().map_err(|_| wrong())?);
            } else {
                order.take(name, value).ok_or_else(wrong)?;
            }
        }
        Ok(order)
    }

    /// One parameter that is no property and no share.
    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        let text = || Some(value.to_owned());
        match name {
            "stage" => self.stage = text(),
            "owner" => self.owner = text(),
            "tag" => self.tag = text(),
            "q" => self.q = text(),
            "awaiting" => self.awaiting = Some(value.parse().ok()?),
            "network" => self.network = text(),
            "agent" => self.agent = Some(value.parse().ok()?),
            "account" => self.account = text(),
            "reach[gte]" => self.reach_from = Some(value.parse().ok()?),
            "reach[lt]" => self.reach_below = Some(value.parse().ok()?),
            "tier" => self.tier = text(),
            "sequence" => self.sequence = text(),
            "sequence_step" => self.sequence_step = text(),
            "sequence_state" => self.sequence_state = Some(value.parse().ok()?),
            "last_reply[lt]" => self.last_reply_before = text(),
            "last_reply[gte]" => self.last_reply_from = text(),
            _ => return None,
        }
        Some(())
    }

    /// What is said here, and below it what is said there.
    fn over(self, base: Self) -> Self {
        let Self { mut property, mut audience, .. } = base;
        property.extend(self.property);
        audience.extend(self.audience);
        Self {
            view: self.view,
            stage: self.stage.or(base.stage),
            owner: self.owner.or(base.owner),
            tag: self.tag.or(base.tag),
            q: self.q.or(base.q),
            awaiting: self.awaiting.or(base.awaiting),
            network: self.network.or(base.network),
            agent: self.agent.or(base.agent),
            account: self.account.or(base.account),
            reach_from: self.reach_from.or(base.reach_from),
            reach_below: self.reach_below.or(base.reach_below),
            tier: self.tier.or(base.tier),
            sequence: self.sequence.or(base.sequence),
            sequence_step: self.sequence_step.or(base.sequence_step),
            sequence_state: self.sequence_state.or(base.sequence_state),
            last_reply_before: self.last_reply_before.or(base.last_reply_before),
            last_reply_from: self.last_reply_from.or(base.last_reply_from),
            property,
            audience,
        }
    }

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
    fn a_view_is_read_below_what_is_said() {
        let saved = |pairs: &[(&str, &str)]| {
            FilterOrder::saved(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let view = [
            ("stage", "prospect"),
            ("reach[gte]", "1000"),
            ("awaiting", "us"),
            ("tag", ""),
            ("property.niche", "running"),
        ];
        let base = saved(&view).unwrap();
        assert_eq!((base.reach_from, base.awaiting, base.tag.as_deref()), (Some(1000), Some(Awaiting::Us), None));
        let said = FilterOrder {
            stage: Some("agreed".into()),
            property: [("size".into(), "M".into())].into(),
            ..FilterOrder::default()
        };
        let both = said.over(base);
        assert_eq!((both.stage.as_deref(), both.reach_from), (Some("agreed"), Some(1000)));
        assert_eq!(both.property.keys().collect::<Vec<_>>(), ["niche", "size"]);
        for (name, value) in
            [("reach[gte]", "many"), ("shoe", "9"), ("audience.country[us][gte]", "half"), ("awaiting", "me")]
        {
            assert_eq!(saved(&[(name, value)]).map_err(|(name, _)| name), Err(name.to_owned()));
        }
        let share = saved(&[("audience.country[us][gte]", "0.4")]).unwrap();
        assert_eq!(share.audience.get("country[us][gte]"), Some(&0.4));
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
