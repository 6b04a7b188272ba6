//! Whom a person means by what they typed.

use super::stop::Stop;
use crate::domain::ids::AgentId;
use crate::domain::people::{AgentView, Influencer, InfluencerView};
use crate::hub::people::{self, PeopleError};
use crate::store::{StoreError, Tx};

/// The influencer with this handle, address or id.
pub(super) async fn influencer(tx: &mut Tx, who: &str) -> Result<Influencer, PeopleError> {
    people::find_influencer(tx, who).await
}

/// Refuses the name of a sequence that there never was: a list of its runs would be empty, as if all were well.
pub(super) async fn sequence(tx: &mut Tx, id: &str) -> anyhow::Result<()> {
    if tx.get_sequence(id).await?.is_some() {
        return Ok(());
    }
    let there: Vec<String> = tx.list_sequences().await?.into_iter().map(|row| row.id).collect();
    let there =
        if there.is_empty() { "none is in force yet".to_owned() } else { format!("there are: {}", there.join(", ")) };
    Err(Stop::failed(format!("there is no sequence `{id}`; {there}")).into())
}

/// The agent with this address or id.
pub(super) async fn agent(tx: &mut Tx, who: &str) -> Result<AgentId, PeopleError> {
    people::find_agent(tx, who).await
}

/// An influencer as everybody sees them.
pub(super) async fn view(tx: &mut Tx, influencer: Influencer) -> Result<InfluencerView, PeopleError> {
    let id = influencer.id;
    let view = tx.view_influencers(vec![influencer]).await?.pop();
    view.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()))
}

/// An agent as everybody sees them.
pub(super) async fn agent_view(tx: &mut Tx, id: AgentId) -> Result<AgentView, PeopleError> {
    let agent = tx.get_agent(id).await?.ok_or_else(|| PeopleError::NoAgent(id.to_string()))?;
    let view = tx.view_agents(vec![agent]).await?.pop();
    view.ok_or_else(|| PeopleError::NoAgent(id.to_string()))
}

/// First and last name with one blank between them.
pub(super) fn full_name(first: &str, last: &str) -> String {
    format!("{first} {last}").trim().to_owned()
}

/// The handles of some influencers, by id.
pub(super) async fn handles(
    tx: &mut Tx,
    ids: impl IntoIterator<Item = crate::domain::ids::InfluencerId>,
) -> Result<std::collections::HashMap<crate::domain::ids::InfluencerId, String>, StoreError> {
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let mut handles = std::collections::HashMap::new();
    for piece in ids.chunks(500) {
        handles.extend(tx.get_influencers(piece.to_vec()).await?.into_iter().map(|i| (i.id, i.handle)));
    }
    Ok(handles)
}
