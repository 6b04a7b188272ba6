//! Sending with nobody to send to, for the simulator: the same claim with its last look, the same records, and between them
//! a provider that takes everything at once.
//!
//! Only for a store that is thrown away: nothing leaves, and what is written says that it did.

use super::claim::{self, Claimed};
use super::record::{self, Answer};
use super::{SendingSettings, Tools};
use crate::connector::Reply;
use crate::store::StoreError;

/// Messages in hand at once.
const AT_ONCE: usize = 50;

/// Claims what is due of an account and records it as taken at this instant; how many messages were.
///
/// # Errors
/// The store's.
pub async fn accept_due(tools: &Tools, account: &str) -> Result<usize, StoreError> {
    let settings = SendingSettings::new(account);
    let mut taken = 0;
    loop {
        let found = claim::claim(tools, &settings, AT_ONCE, false).await?;
        for claimed in &found.claimed {
            taken += usize::from(take(tools, claimed).await?);
        }
        if !found.more {
            return Ok(taken);
        }
    }
}

async fn take(tools: &Tools, claimed: &Claimed) -> Result<bool, StoreError> {
    let answers: Vec<Answer<'_>> =
        claimed.recipients.iter().map(|recipient| Answer { recipient, reply: None }).collect();
    if !record::hand_over(tools, claimed.grip, &answers).await? {
        record::give_back(tools, claimed, None).await?;
        return Ok(false);
    }
    let reply = Reply { code: 250, enhanced: Some("2.0.0".to_owned()), text: "taken, in a simulation".to_owned() };
    record::accepted(tools, claimed, &reply).await
}
