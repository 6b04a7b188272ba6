//! What is still known of somebody who was erased: keyed hashes, by which an address that must not be written to and a mail that
//! must not be stored again are told when they come back, and which tell nothing to whoever reads them without the key.
//!
//! And what is blotted out where somebody else's message names them. Pure; the key comes from the caller.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

mod blot;
mod mail;

pub use blot::{BLOT, Blot};
pub use mail::{Blotted, blot_mail, is_in_octets};

/// Octets of a key.
pub const KEY_OCTETS: usize = 32;

/// What a hash is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// An address of a channel, in its looked-up form.
    Address(String, String),
    /// The fingerprint of a message.
    Print(Vec<u8>),
    /// Our own token in a message of ours.
    Token(String),
    /// The Message-ID of a message of ours.
    OwnId(String),
}

impl Mark {
    /// Its keyed hash (HMAC-SHA256); none for a key that has no octets.
    pub fn hash(&self, key: &[u8]) -> Vec<u8> {
        let (sort, parts): (&str, [&[u8]; 2]) = match self {
            Self::Address(channel, value) => ("address", [channel.as_bytes(), value.as_bytes()]),
            Self::Print(print) => ("print", [print, b""]),
            Self::Token(token) => ("token", [token.as_bytes(), b""]),
            Self::OwnId(id) => ("id", [id.as_bytes(), b""]),
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
        mac.update(sort.as_bytes());
        for part in parts {
            mac.update(&[0]);
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_differ_by_key_by_sort_and_by_what_they_are_of() {
        let address = Mark::Address("email".into(), "ana@example.org".into());
        let hash = address.hash(&[1; KEY_OCTETS]);
        assert_eq!(hash.len(), 32);
        assert_eq!(hash, address.hash(&[1; KEY_OCTETS]));
        assert_ne!(hash, address.hash(&[2; KEY_OCTETS]));
        for other in [
            Mark::Address("email".into(), "bo@example.org".into()),
            Mark::Address("sms".into(), "ana@example.org".into()),
            Mark::Token("email\0ana@example.org".into()),
            Mark::OwnId("ana@example.org".into()),
            Mark::Print(b"ana@example.org".to_vec()),
        ] {
            assert_ne!(hash, other.hash(&[1; KEY_OCTETS]), "{other:?}");
        }
    }
}
