//! Sealing of secrets that must be had again (XChaCha20-Poly1305): tokens that sign in, secrets that sign. A copy of the database
//! opens no mailbox, and what is sealed holds only for whom and for what it was sealed.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::config::OAuth;

/// The first octet of everything sealed: how it is sealed.
const FORM: u8 = 1;
const MARK_OCTETS: usize = 4;
const NONCE_OCTETS: usize = 24;

/// Why something can't be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no master key, or it can't be read here.
    #[error("there is no master key ([secrets] master_key), or it can't be read here; only the service may be able to")]
    NoKey,
    /// It was sealed with another key.
    #[error("it was sealed with another master key; put that one back, or make it anew")]
    OtherKey,
    /// It was changed, or belongs to something else.
    #[error("what is stored was changed or is damaged; make it anew")]
    Damaged,
    /// The machine has no source of chance.
    #[error("nothing can be sealed: {0}")]
    Chance(String),
}

/// Seals and opens with the master key.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
    /// Tells keys apart, and nothing of them.
    mark: [u8; MARK_OCTETS],
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// A vault for a master key, which is text of any form.
    ///
    /// # Errors
    /// [`SealError::NoKey`] where it is empty: the configuration was loaded without secrets.
    pub fn new(master: &SecretString) -> Result<Self, SealError> {
        let master = master.expose_secret();
        if master.is_empty() {
            return Err(SealError::NoKey);
        }
        let derive = |what: &[u8]| Sha256::new().chain_update(what).chain_update(master.as_bytes()).finalize();
        let cipher =
            XChaCha20Poly1305::new_from_slice(&derive(b"liaison tokens key 1\0")).map_err(|_| SealError::NoKey)?;
        let mut mark = [0; MARK_OCTETS];
        for (to, from) in mark.iter_mut().zip(derive(b"liaison tokens mark 1\0")) {
            *to = from;
        }
        Ok(Self { cipher, mark })
    }

    /// The vault of a configuration.
    ///
    /// # Errors
    /// [`SealError::NoKey`] where it names no key, or was loaded without secrets.
    pub fn of(config: &OAuth) -> Result<Self, SealError> {
        Self::new(&config.master_key.as_ref().ok_or(SealError::NoKey)?.value)
    }

    /// Seals a secret. `about` says whose it is and what for; it is needed to open it, and not kept.
    ///
    /// # Errors
    /// [`SealError::Chance`].
    pub fn seal(&self, about: &str, secret: &SecretString) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_OCTETS] = clock::random_octets().map_err(|e| SealError::Chance(e.to_string()))?;
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: about.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Damaged)?;
        let mut out = vec![FORM];
        out.extend_from_slice(&self.mark);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Vault::seal`] made.
    ///
    /// # Errors
    /// [`SealError::OtherKey`], [`SealError::Damaged`].
    pub fn open(&self, about: &str, sealed: &[u8]) -> Result<SecretString, SealError> {
        let rest = sealed.strip_prefix(&[FORM]).ok_or(SealError::Damaged)?;
        let (mark, rest) = rest.split_first_chunk::<MARK_OCTETS>().ok_or(SealError::Damaged)?;
        if *mark != self.mark {
            return Err(SealError::OtherKey);
        }
        let (nonce, text) = rest.split_first_chunk::<NONCE_OCTETS>().ok_or(SealError::Damaged)?;
        let payload = Payload { msg: text, aad: about.as_bytes() };
        let opened = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Damaged)?;
        String::from_utf8(opened).map(SecretString::from).map_err(|_| SealError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_secret_opens_only_with_its_key_for_its_use_and_unchanged() {
        let vault = Vault::new(&SecretString::from("a master key of some length, 32 or more")).unwrap();
        let other = Vault::new(&SecretString::from("another master key of some length, 32+")).unwrap();
        let sealed = vault.seal("refresh of a", &SecretString::from("sesame")).unwrap();
        let again = vault.seal("refresh of a", &SecretString::from("sesame")).unwrap();
        assert_ne!(sealed, again, "a nonce is used once");
        assert!(!sealed.windows(6).any(|w| w == b"sesame"));
        assert_eq!(vault.open("refresh of a", &sealed).unwrap().expose_secret(), "sesame");
        assert_eq!(vault.open("refresh of b", &sealed).unwrap_err(), SealError::Damaged);
        assert_eq!(vault.open("access of a", &sealed).unwrap_err(), SealError::Damaged);
        assert_eq!(other.open("refresh of a", &sealed).unwrap_err(), SealError::OtherKey);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.open("refresh of a", &changed).is_err(), "octet {at}");
            assert!(vault.open("refresh of a", &sealed[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(Vault::new(&SecretString::default()).unwrap_err(), SealError::NoKey);
    }
}
