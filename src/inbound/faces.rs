//! Who they are whom nobody here knows: their provider is asked before what they said is stored, so that people read a name, and whose
//! mail address is an influencer's is suggested. Nothing that was said waits for it longer than a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::connector::feed::{Face, Feed, Told};
use crate::domain::chat;
use crate::domain::words::{Channel, Direction};
use crate::store::{Store, StoreError};

/// How long a batch that is read waits for it. A socket's envelope that is acknowledged later is told again, and known then; whoever is
/// not asked about may be taken for a colleague, whose words are not kept.
pub(super) const READ_TIME_MAX: Duration = Duration::from_secs(10);
/// How long what a provider posts waits for it: Slack gives three seconds for the answer (<https://docs.slack.dev/apis/events-api>).
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
