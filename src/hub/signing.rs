//! The keys that sign what stands in links: made on first use, the newest signs, older ones still hold.

use crate::clock::{self, Clock};
use crate::domain::token::{KEY_OCTETS, Key, Keys};
use crate::store::{StoreError, Tx};

/// The name of the first key.
const FIRST: &str = "link 1";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The machine has no source of chance.
    #[error("no key can be made: {0}")]
    Chance(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys that hold. Where there are none, one is made; the caller commits.
///
/// # Errors
/// [`SigningError::Chance`] on a machine without a source of chance; the store's.
pub async fn keys(tx: &mut Tx, clock: &Clock) -> Result<Keys, SigningError> {
    if let Some(keys) = read_keys(tx).await? {
        return Ok(keys);
    }
    // Of two who make the first key at once, one is kept, and both read that.
    insert(tx, clock, FIRST).await?;
    let none = || SigningError::Store(StoreError::Damaged("the signing key that was just kept is not there".into()));
    read_keys(tx).await?.ok_or_else(none)
}

/// The keys that hold, where there are any.
pub async fn read_keys(tx: &mut Tx) -> Result<Option<Keys>, StoreError> {
    let stored = tx.list_signing_keys().await?;
    let mut keys = Vec::with_capacity(stored.len());
    for octets in stored {
        keys.push(Key::read(&octets).ok_or_else(|| StoreError::Damaged("a signing key has a wrong length".into()))?);
    }
    Ok(Keys::new(keys))
}

/// Makes a key that signs from now on. Running processes take it up within a minute; links signed before still hold.
///
/// # Errors
/// As [`keys`].
pub async fn add_key(tx: &mut Tx, clock: &Clock) -> Result<Keys, SigningError> {
    let there = tx.list_signing_keys().await?.len();
    insert(tx, clock, &format!("link {}", there.saturating_add(1))).await?;
    keys(tx, clock).await
}

async fn insert(tx: &mut Tx, clock: &Clock, name: &str) -> Result<(), SigningError> {
    let octets: [u8; KEY_OCTETS] = clock::random_octets().map_err(|e| SigningError::Chance(e.to_string()))?;
    tx.insert_signing_key(name, octets.to_vec(), clock.now()).await?;
    Ok(())
}
