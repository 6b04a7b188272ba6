//! Which influencers: conditions that hold together, put together from constants and placeholders for whichever list asks.
//!
//! The lists of influencers, threads and runs take the same ones: each has an influencer called `i` in its text.

use crate::domain::ids::AgentId;
use crate::domain::people::query_key;
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, EnrollmentState};
use crate::store::value::Value;

/// Which influencers. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// With whom there is a thread of this account of ours.
    pub account: Option<String>,
    /// With at least so many followers over all networks.
    pub reach_from: Option<i64>,
    /// With fewer than so many.
    pub reach_below: Option<i64>,
    /// With a run of a sequence like this.
    pub run: RunFilter,
    /// With such properties.
    pub properties: Vec<PropertyFilter>,
    /// With such followers.
    pub audience: Vec<AudienceFilter>,
    /// Whose last reply was before this; those who never replied are not among them.
    pub last_reply_before: Option<Micros>,
    /// Who replied at this instant or later.
    pub last_reply_from: Option<Micros>,
}

/// What one and the same run must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this sequence.
    pub sequence: Option<String>,
    /// At this step.
    pub step: Option<String>,
    /// In this state.
    pub state: Option<EnrollmentState>,
}

/// How a property compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// The same text.
    Is,
    /// Less, or earlier.
    Below,
    /// At most.
    UpTo,
    /// More, or later.
    Above,
    /// At least.
    From,
}

impl Compare {
    fn sign(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::Below => "<",
            Self::UpTo => "<=",
            Self::Above => ">",
            Self::From => ">=",
        }
    }
}

/// A property and what it is compared with: a number with numbers, anything else (a date) as text.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyFilter {
    /// Its name.
    pub name: String,
    /// How.
    pub compare: Compare,
    /// With what.
    pub value: String,
}

/// A share of the followers.
#[derive(Debug, Clone, PartialEq)]
pub struct AudienceFilter {
    /// `country`, `age` or `gender`.
    pub dimension: String,
    /// Which, in lower case.
    pub key: String,
    /// At least this share, from 0 to 1.
    pub least: f64,
}

/// A text that grows, with what is bound in it.
pub(in crate::store) struct Wanted {
    /// Whether it is for SQLite.
    pub(in crate::store) sqlite: bool,
    /// The conditions.
    pub(in crate::store) parts: Vec<String>,
    /// What is bound.
    pub(in crate::store) bound: Vec<Value>,
}

impl Wanted {
    /// Begins with what the rest of the text binds.
    pub(in crate::store) fn new(sqlite: bool, bound: Vec<Value>) -> Self {
        Self { sqlite, parts: Vec::new(), bound }
    }

    /// Binds a value; its placeholder.
    pub(in crate::store) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.bound.push(value.into());
        format!("${}", self.bound.len())
    }

    /// One more condition.
    pub(in crate::store) fn and(&mut self, condition: String) {
        self.parts.push(condition);
    }

    /// All conditions, each with AND before it.
    pub(in crate::store) fn text(&self) -> String {
        self.parts.iter().flat_map(|part| [" AND ", part.as_str()]).collect()
    }
}

/// The followers of an influencer over all networks.
const REACH: &str = "(SELECT CAST(SUM(n.followers) AS BIGINT) FROM influencer_network n WHERE n.influencer_id = i.id)";
/// What they said themselves, since an instant or ever.
const REPLIES: &str = "SELECT 1 FROM participation p JOIN message m ON m.id = p.message_id WHERE p.influencer_id = i.id \
    AND p.role = 'author' AND m.direction = 'inbound' AND m.kind = 'human'";

impl InfluencerFilter {
    /// Whether it lets everybody pass.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has a condition that no index serves: everybody may have to be looked at for the few who meet it.
    pub fn is_broad(&self) -> bool {
        let plain = Self { stage: None, owner: None, tag: None, q: None, awaiting: None, ..self.clone() };
        !plain.is_empty()
    }

    /// The conditions on an influencer called `i`.
    pub(in crate::store) fn conditions(&self, wanted: &mut Wanted) {
        self.plain(wanted);
        self.ties(wanted);
        for property in &self.properties {
            property.condition(wanted);
        }
        for share in &self.audience {
            let (dimension, key) = (wanted.bind(share.dimension.as_str()), wanted.bind(share.key.as_str()));
            let least = wanted.bind(share.least);
            wanted.and(format!(
                "EXISTS (SELECT 1 FROM influencer_audience u WHERE u.influencer_id = i.id AND u.dimension = {dimension} \
                 AND u.key = {key} AND u.share >= {least})"
            ));
        }
        if let Some(from) = self.last_reply_from {
            let from = wanted.bind(from);
            wanted.and(format!("EXISTS ({REPLIES} AND p.at >= {from})"));
        }
        if let Some(before) = self.last_reply_before {
            let before = wanted.bind(before);
            wanted.and(format!("EXISTS ({REPLIES} AND p.at < {before})"));
            wanted.and(format!("NOT EXISTS ({REPLIES} AND p.at >= {before})"));
        }
    }

    /// Conditions on the row itself and its words and tags.
    fn plain(&self, wanted: &mut Wanted) {
        for (column, value) in [("stage", &self.stage), ("owner", &self.owner)] {
            if let Some(value) = value {
                let value = wanted.bind(value);
                wanted.and(format!("i.{column} = {value}"));
            }
        }
        if let Some(awaiting) = self.awaiting {
            let awaiting = wanted.bind(awaiting);
            wanted.and(format!("i.awaiting = {awaiting}"));
        }
        if let Some(tag) = &self.tag {
            let tag = wanted.bind(tag);
            wanted.and(format!("i.id IN (SELECT influencer_id FROM influencer_tag WHERE tag = {tag})"));
        }
        if let Some(q) = self.q.as_deref().map(query_key).filter(|q| !q.is_empty()) {
            // The last code point there is sorts after everything that begins with it.
            let (from, to) = (wanted.bind(q.as_str()), wanted.bind(format!("{q}\u{10ffff}")));
            wanted.and(format!(
                "i.id IN (SELECT influencer_id FROM influencer_word WHERE word >= {from} AND word < {to})"
            ));
        }
        for (sign, reach) in [(">=", self.reach_from), ("<", self.reach_below)] {
            if let Some(reach) = reach {
                let reach = wanted.bind(reach);
                wanted.and(format!("{REACH} {sign} {reach}"));
            }
        }
    }

    /// Conditions on what they are tied to.
    fn ties(&self, wanted: &mut Wanted) {
        if let Some(network) = &self.network {
            let network = wanted.bind(network);
            wanted.and(format!(
                "EXISTS (SELECT 1 FROM influencer_network n WHERE n.influencer_id = i.id AND n.network = {network})"
            ));
        }
        if let Some(agent) = self.agent {
            let agent = wanted.bind(agent);
            wanted.and(format!(
                "EXISTS (SELECT 1 FROM agent_influencer a WHERE a.influencer_id = i.id AND a.agent_id = {agent})"
            ));
        }
        if let Some(account) = &self.account {
            let account = wanted.bind(account);
            wanted.and(format!(
                "EXISTS (SELECT 1 FROM thread w WHERE w.influencer_id = i.id AND w.merged_into IS NULL AND w.account = {account})"
            ));
        }
        if self.run != RunFilter::default() {
            let mut run = "EXISTS (SELECT 1 FROM enrollment r WHERE r.influencer_id = i.id".to_owned();
            let state = self.run.state.map(|state| state.to_string());
            for (column, value) in [("sequence", &self.run.sequence), ("step", &self.run.step), ("state", &state)] {
                if let Some(value) = value {
                    let value = wanted.bind(value);
                    run = format!("{run} AND r.{column} = {value}");
                }
            }
            wanted.and(format!("{run})"));
        }
    }
}

impl PropertyFilter {
    fn condition(&self, wanted: &mut Wanted) {
        let name = wanted.bind(self.name.as_str());
        // As text, whatever it is: SQLite would give yes and no as numbers.
        let value = if wanted.sqlite {
            format!(
                "(CASE WHEN (i.properties -> {name}) IN ('true', 'false') THEN i.properties -> {name} \
                 ELSE CAST(i.properties ->> {name} AS TEXT) END)"
            )
        } else {
            format!("(i.properties ->> {name}::text)")
        };
        let sign = self.compare.sign();
        let number = self.value.trim().parse::<f64>().ok().filter(|n| n.is_finite() && self.compare != Compare::Is);
        let Some(number) = number else {
            let given = wanted.bind(self.value.as_str());
            let order = if wanted.sqlite { "" } else { " COLLATE \"C\"" };
            wanted.and(format!("{value}{order} {sign} {given}"));
            return;
        };
        let number = wanted.bind(number);
        let is_number = if wanted.sqlite {
            format!("({value} GLOB '[0-9]*' OR {value} GLOB '-[0-9]*') AND NOT {value} GLOB '?*[^0-9.]*'")
        } else {
            format!("{value} ~ '^-?[0-9]{{1,30}}([.][0-9]{{1,30}})?$'")
        };
        wanted.and(format!(
            "(CASE WHEN {is_number} THEN CAST({value} AS DOUBLE PRECISION) {sign} {number} ELSE FALSE END)"
        ));
    }
}
