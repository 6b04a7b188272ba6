//! How Telnyx signs what it posts (<https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>): Ed25519 over the time,
//! a bar, and the body, octet by octet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::connector::feed::HookRefusal;
use crate::domain::time::Micros;

/// How far the time of a signature may be from ours, either way.
const TOLERANCE_SECONDS: i64 = 300;
/// Octets of a signature.
const SIGNATURE_OCTETS: usize = 64;

/// The key by which an account's signatures are checked. No secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From its octets.
    pub fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Whether a body was signed at this time, and that is not long ago.
    ///
    /// # Errors
    /// [`HookRefusal::Signature`] and [`HookRefusal::Stale`].
    pub fn check(&self, signature: &str, timestamp: &str, body: &[u8], now: Micros) -> Result<(), HookRefusal> {
        let signature = STANDARD.decode(signature).ok().filter(|s| s.len() == SIGNATURE_OCTETS);
        let signature = signature.ok_or(HookRefusal::Signature)?;
        let said = [timestamp.as_bytes(), b"|", body].concat();
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        key.verify(&said, &signature).map_err(|_| HookRefusal::Signature)?;
        // Signed as it is; only then does it say anything.
        let seconds: i64 = timestamp.parse().map_err(|_| HookRefusal::Unreadable)?;
        if now.seconds().saturating_sub(seconds).saturating_abs() > TOLERANCE_SECONDS {
            return Err(HookRefusal::Stale);
        }
        Ok(())
    }
}
