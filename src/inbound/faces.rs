//! Who they are whom nobody here knows: their provider is asked before what they said is stored, so that people read a name, and whose
//! mail address is an influencer's is suggested. Nothing that was said waits for it longer than a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::connector::feed::{Face, Feed, Told};
use crate::domain::chat;
use crate::domain::words::{Channel, Direction};
use crate::store::{Store, StoreError};

/// How long what was told waits for it. What is posted, and what a socket brings, is answered once it is stored, and Slack gives three
/// seconds for that (<https://docs.slack.dev/apis/events-api>).
pub const POSTED_TIME_MAX: Duration = Duration::from_millis(1_500);

/// What was told of people, by address.
pub type Faces = BTreeMap<String, Face>;

/// Asks who they are who wrote and are nobody's.
///
/// # Errors
/// The store's. That the provider does not answer is none.
pub async fn ask(store: &Store, feed: &mut dyn Feed, told: &[Told], at_most: Duration) -> Result<Faces, StoreError> {
    let until = Instant::now() + at_most;
    let wrote = |told: &Told| {
        let Told::Said(said) = told else { return None };
        let (channel, key) = chat::channel_of(&said.author.address)?;
        (said.direction == Direction::Inbound && !said.by_machine && channel == Channel::Slack).then_some(key)
    };
    let mut unknown: BTreeSet<String> = told.iter().filter_map(wrote).collect();
    let mut faces = Faces::new();
    if unknown.is_empty() {
        return Ok(faces);
    }
    for owner in store.read().await?.find_owners(unknown.iter().cloned().collect()).await? {
        unknown.remove(&owner.value_key);
    }
    for address in unknown {
        let Ok(face) = timeout_at(until, feed.who(&address)).await else { break };
        if let Some(face) = face {
            faces.insert(address, face);
        }
    }
    Ok(faces)
}
