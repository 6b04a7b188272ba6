//! What became of a sent message, learned from elsewhere.
use crate::clock::Clock;
use crate::domain::ids::MessageId;
use crate::store::{StoreError, Tx};
/// (until the outbox lands)
pub async fn settle_seen(_tx: &mut Tx, _clock: &Clock, _ids: Vec<MessageId>) -> Result<(), StoreError> {
    Ok(())
}
