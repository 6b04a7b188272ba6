//! What the API asks of the simulator and of `why`.

use std::time::Duration;

use serde_json::Value;

use super::Hub;
use super::simulate::{Order, SimulateError, simulate};
use super::steering::{self, drafts::definition};
use crate::domain::ids::InfluencerId;
use crate::http::ActionError;
use crate::http::actions::{About, FilterOrder, SimulateOrder};
use crate::hub::outreach::enroll::Again;
use crate::hub::people::{self, PeopleError};
use crate::hub::why;
use crate::sequence::Report;
use crate::sequence::simulate::{DAYS_USUAL, Given, GivenError, PEOPLE_MAX};

/// Runs a simulation: of what is published, or of files that were handed over.
pub(super) async fn simulate_for(hub: &Hub, sequence: String, asked: SimulateOrder) -> Result<Report, ActionError> {
    let invalid = |at: String, what: String| ActionError::Invalid(vec![(at, what)]);
    let whom = whom(hub, (asked.influencer_ids, asked.influencers, asked.filter)).await?;
    let mut events = Vec::new();
    for (n, text) in asked.events.iter().enumerate() {
        let at = format!("/events/{n}");
        let event: Given = text.parse().map_err(|error: GivenError| invalid(at.clone(), error.to_string()))?;
        events.push((at, event));
    }
    let mut given = Vec::new();
    for (at, event) in events {
        let whose = match event.who.clone() {
            Some(who) => Some(find(hub, who, at).await?),
            None => None,
        };
        given.push((whose, event));
    }
    let local = match asked.files {
        Some(files) => Some(definition(hub, &sequence, files).await?),
        None => None,
    };
    let enroll = whom.map(|whom| (sequence.clone(), whom)).into_iter().collect();
    let order = Order {
        sequence: Some(sequence),
        enroll,
        from: asked.from,
        days: asked.days.unwrap_or(DAYS_USUAL),
        given,
        again: if asked.again { Again::Allowed } else { Again::Refused },
        local,
        tasks_after: asked.tasks_after_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
    };
    let house = (*hub.desk.house()).clone();
    Box::pin(simulate((&hub.store, hub.clock.now()), house, None, order)).await.map_err(|error| match error {
        SimulateError::Order(why) => invalid(String::new(), why),
        SimulateError::NoSequence(given) => ActionError::NotFound { sort: "sequence", given },
        SimulateError::Store(error) => ActionError::Store(error),
        SimulateError::Place(error) => ActionError::Conflict { code: "no_room", detail: error.to_string() },
    })
}

type Wanted = (Vec<InfluencerId>, Option<Vec<String>>, Option<Box<FilterOrder>>);

/// Who is enrolled; none: those who are in it are looked at.
async fn whom(hub: &Hub, wanted: Wanted) -> Result<Option<Vec<InfluencerId>>, ActionError> {
    let invalid = |at: &str, what: String| ActionError::Invalid(vec![(at.to_owned(), what)]);
    let (at, ids) = match wanted {
        (ids, None, None) if ids.is_empty() => return Ok(None),
        (ids, None, None) => ("/influencer_ids", ids),
        (ids, Some(named), None) if ids.is_empty() => ("/influencers", steering::find(hub, named).await?),
        (ids, None, Some(filter)) if ids.is_empty() => {
            let filter = steering::filter_of(hub, *filter).await?;
            let found = people::list_ids(&mut hub.store.survey().await?, &filter, PEOPLE_MAX + 1).await?;
            if found.is_empty() {
                return Err(invalid("/filter", "it leaves nobody".to_owned()));
            }
            ("/filter", found)
        }
        _ => return Err(invalid("", "say at most one of influencer_ids, influencers, filter".to_owned())),
    };
    if ids.len() > PEOPLE_MAX {
        return Err(invalid(at, format!("more than {PEOPLE_MAX} people; narrow them")));
    }
    Ok(Some(ids))
}

async fn find(hub: &Hub, who: String, at: String) -> Result<InfluencerId, ActionError> {
    let mut tx = hub.store.read().await?;
    people::find_influencer(&mut tx, &who).await.map(|i| i.id).map_err(|error| match error {
        PeopleError::Store(error) => ActionError::Store(error),
        other @ (PeopleError::NoInfluencer(_)
        | PeopleError::NoAgent(_)
        | PeopleError::UnknownStage { .. }
        | PeopleError::Invalid(_)
        | PeopleError::HandleTaken { .. }
        | PeopleError::AddressTaken { .. }
        | PeopleError::NoAddress(_)
        | PeopleError::MailWaits { .. }
        | PeopleError::AddressInUse(_)
        | PeopleError::InHand(_)
        | PeopleError::Chance(_)
        | PeopleError::NotMerged(_)
        | PeopleError::Changed(_)
        | PeopleError::AgentChanged(_)) => ActionError::Invalid(vec![(at, other.to_string())]),
    })
}

/// Answers "why".
pub(super) async fn why_of(hub: &Hub, about: About) -> Result<Value, ActionError> {
    let (house, now) = (hub.desk.house(), hub.clock.now());
    let mut tx = hub.store.read().await?;
    let missing = |sort, given: String| ActionError::NotFound { sort, given };
    match about {
        About::Influencer(id) => {
            let why = why::of_influencer(&mut tx, (&house, now), id).await?;
            to_value(&why.ok_or_else(|| missing("influencer", id.to_string()))?)
        }
        About::Enrollment(id) => {
            let why = why::of_enrollment(&mut tx, (&house, now), id).await?;
            to_value(&why.ok_or_else(|| missing("enrollment", id.to_string()))?)
        }
        About::Message(id) => {
            let why = why::of_message(&mut tx, (&house, now), id).await?;
            to_value(&why.ok_or_else(|| missing("message in the outbox", id.to_string()))?)
        }
    }
}

fn to_value(what: &impl serde::Serialize) -> Result<Value, ActionError> {
    serde_json::to_value(what).map_err(|error| ActionError::Conflict { code: "not_told", detail: error.to_string() })
}
