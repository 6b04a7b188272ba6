//! The filters of people, alike wherever there is a list of them: influencers, threads, runs of sequences, who is enrolled, and
//! views that were saved. As query parameters (`property.niche=running`) and in a body (`{"property": {"niche": "running"}}`).

use super::describe::{Parameter, of, text};
use super::page::Asked;
use super::problem::Problem;
use crate::domain::ids::AgentId;
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, EnrollmentState};
pub use crate::hub::people::filter::FilterOrder;
use crate::store::people::filter::InfluencerFilter;

/// The filters as query parameters, in the order they are told.
pub(super) const NAMES: [&str; 24] = [
    "stage",
    "owner",
    "tag",
    "q",
    "awaiting",
    "network",
    "agent",
    "account",
    "reach[gte]",
    "reach[lt]",
    "tier",
    "sequence",
    "sequence_step",
    "sequence_state",
    "last_reply[lt]",
    "last_reply[gte]",
    "property.{name}",
    "property.{name}[lt]",
    "property.{name}[lte]",
    "property.{name}[gt]",
    "property.{name}[gte]",
    "audience.country[{code}][gte]",
    "audience.age[{range}][gte]",
    "audience.gender[{gender}][gte]",
];

/// The same, described.
pub(super) fn parameters() -> Vec<Parameter> {
    vec![
        text("stage", "In this stage"),
        text("owner", "Looked after by this teammate"),
        text("tag", "With this tag"),
        text("q", "Whose handle or a part of whose name begins so"),
        of::<Awaiting>("awaiting", "Whose turn it is"),
        text("network", "On this network"),
        of::<AgentId>("agent", "For whom this agent writes"),
        text("account", "With whom there is a thread of this account of ours"),
        of::<i64>("reach[gte]", "With at least so many followers over all networks"),
        of::<i64>("reach[lt]", "With fewer than so many"),
        text("tier", "In this tier: `nano`, `micro`, `macro` or `mega`"),
        text("sequence", "With a run of this sequence"),
        text("sequence_step", "With a run at this step"),
        of::<EnrollmentState>("sequence_state", "With a run in this state"),
        text("last_reply[lt]", "Whose last reply was before this instant, or is longer ago than a length like `30d`"),
        text("last_reply[gte]", "Who replied since this instant, or within a length like `30d`"),
        text("property.{name}", "Whose property of this name is exactly this"),
        text("property.{name}[lt]", "Whose property is less or earlier: a number among numbers, anything else as text"),
        text("property.{name}[lte]", "Whose property is at most this"),
        text("property.{name}[gt]", "Whose property is more or later"),
        text("property.{name}[gte]", "Whose property is at least this"),
        of::<f64>("audience.country[{code}][gte]", "At least this share of whose followers is in a country: `us`"),
        of::<f64>("audience.age[{range}][gte]", "At least this share of whose followers is of an age: `18-24`"),
        of::<f64>("audience.gender[{gender}][gte]", "At least this share of whose followers is of a gender: `f`"),
    ]
}

/// Reads the filters of a request.
pub(super) fn read(asked: &Asked, now: Micros) -> Result<InfluencerFilter, Problem> {
    let text = |name| asked.text(name).map(str::to_owned);
    let mut order = FilterOrder {
        stage: text("stage"),
        owner: text("owner"),
        tag: text("tag"),
        q: text("q"),
        awaiting: asked.get("awaiting")?,
        network: text("network"),
        agent: asked.get("agent")?,
        account: text("account"),
        reach_from: asked.get("reach[gte]")?,
        reach_below: asked.get("reach[lt]")?,
        tier: text("tier"),
        sequence: text("sequence"),
        sequence_step: text("sequence_step"),
        sequence_state: asked.get("sequence_state")?,
        last_reply_before: text("last_reply[lt]"),
        last_reply_from: text("last_reply[gte]"),
        ..FilterOrder::default()
    };
    for (name, value) in asked.starting("property.") {
        order.property.insert(name.to_owned(), value.to_owned());
    }
    for (name, _) in asked.starting("audience.") {
        let whole = format!("audience.{name}");
        if let Some(share) = asked.get::<f64>(&whole)? {
            order.audience.insert(name.to_owned(), share);
        }
    }
    order.filter(now).map_err(|(name, what)| Asked::wrong(&name, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_taken() {
        let told: Vec<&str> = parameters().iter().map(|p| p.name).collect();
        assert_eq!(told, NAMES);
    }
}
