//! Sending without a provider: what is due is claimed, handed over and recorded as the dispatcher does it, and nothing
//! leaves. For the simulator, on a store of its own, and for tests.

use super::claim::claim;
use super::record::{self, Answer};
use super::{SendingSettings, Tools};
use crate::connector::Reply;
use crate::domain::ids::MessageId;
use crate::store::StoreError;

/// Most messages of one call.
const AT_MOST: usize = 500;

/// Claims what is due of an account now and records every message as accepted; which these are, in their order. Call it
/// again until it gives nothing.
///
/// # Errors
/// Those of the store.
pub async fn accept_due(tools: &Tools, settings: &SendingSettings) -> Result<Vec<MessageId>, StoreError> {
    accept_at_most(tools, settings, AT_MOST).await
}

/// The same with room for so many at once.
///
/// # Errors
/// Those of the store.
pub async fn accept_at_most(
    tools: &Tools,
    settings: &SendingSettings,
    room: usize,
) -> Result<Vec<MessageId>, StoreError> {
    let mut found = claim(tools, settings, room, false).await?;
    // Where the last look moved or stopped everything that was claimed, what is due behind it comes next.
    while found.more && found.claimed.is_empty() {
        found = claim(tools, settings, room, false).await?;
    }
    let reply = Reply { code: 250, enhanced: Some("2.0.0".to_owned()), text: "accepted".to_owned() };
    let mut accepted = Vec::new();
    for claimed in found.claimed {
        let answers: Vec<Answer<'_>> =
            claimed.recipients.iter().map(|recipient| Answer { recipient, reply: None }).collect();
        if record::hand_over(tools, claimed.grip, &answers).await?.is_none() {
            record::give_back(tools, &claimed, None).await?;
        } else if record::accepted(tools, &claimed, &reply, ("", None)).await? {
            accepted.push(claimed.grip.id);
        }
    }
    Ok(accepted)
}
