//! What stands in a link of a mail: which message it belongs to, what it is for, which link, and a signature over that.
//!
//! A token tells nothing to who reads it, leads nowhere by itself, and can't be made or changed without a key: it is checked
//! before anything is looked up. Pure; keys come from the caller, chance does not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::ids::MessageId;
use super::words::HitKind;

/// Octets of a key.
pub const KEY_OCTETS: usize = 32;
/// Octets of a signature: the beginning of an HMAC-SHA256 (RFC 2104 §5).
pub const SIGNATURE_OCTETS: usize = 14;
/// Octets of what is signed: version and kind, message, link number.
const BODY_OCTETS: usize = 1 + 16 + 2;
/// Characters of a token. Octets are a multiple of three, so that no character has bits that mean nothing.
pub const TOKEN_CHARS: usize = (BODY_OCTETS + SIGNATURE_OCTETS) / 3 * 4;
/// The way tokens are written now, in the upper half of the first octet.
const VERSION: u8 = 0x10;
/// Keys that are tried; older ones sign nothing any more.
pub const KEYS_MAX: usize = 16;

/// What a link of a mail says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// What it is for.
    pub kind: HitKind,
    /// The message it stands in.
    pub message: MessageId,
    /// Which link, from 1; 0 where there is nothing to count.
    pub link: u16,
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_OCTETS]);

impl Key {
    /// From its octets.
    pub fn new(octets: [u8; KEY_OCTETS]) -> Self {
        Self(octets)
    }

    /// From stored octets; `None` where there are not [`KEY_OCTETS`] of them.
    pub fn read(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The keys that hold, newest first. The newest signs; all are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    newest: Key,
    older: Vec<Key>,
}

impl Keys {
    /// From keys in order, newest first; those beyond [`KEYS_MAX`] do not hold. `None` where there is none.
    pub fn new(keys: Vec<Key>) -> Option<Self> {
        let mut keys = keys.into_iter();
        let newest = keys.next()?;
        Some(Self { newest, older: keys.take(KEYS_MAX - 1).collect() })
    }

    /// Writes a token.
    pub fn sign(&self, token: Token) -> String {
        let body = body_of(token);
        let signature = mac(&self.newest, &body).finalize().into_bytes();
        let mut octets = Vec::with_capacity(BODY_OCTETS + SIGNATURE_OCTETS);
        octets.extend_from_slice(&body);
        octets.extend(signature.iter().take(SIGNATURE_OCTETS));
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Reads a token; `None` where it was not signed with one of these keys. The time taken does not tell how much of a
    /// signature was right.
    pub fn read(&self, text: &str) -> Option<Token> {
        if text.len() != TOKEN_CHARS {
            return None;
        }
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, rest) = octets.split_first_chunk::<BODY_OCTETS>()?;
        let signature = rest;
        let signed = std::iter::once(&self.newest)
            .chain(&self.older)
            .any(|key| mac(key, body).verify_truncated_left(signature).is_ok());
        if !signed {
            return None;
        }
        token_of(body)
    }
}

fn code(kind: HitKind) -> u8 {
    match kind {
        HitKind::Open => 1,
        HitKind::Click => 2,
        HitKind::Hidden => 3,
        HitKind::Unsubscribe => 4,
    }
}

fn body_of(token: Token) -> [u8; BODY_OCTETS] {
    let mut body = [0; BODY_OCTETS];
    let [hi, lo] = token.link.to_be_bytes();
    let octets = std::iter::once(VERSION | code(token.kind)).chain(*token.message.0.as_bytes()).chain([hi, lo]);
    for (place, octet) in body.iter_mut().zip(octets) {
        *place = octet;
    }
    body
}

fn token_of(body: &[u8; BODY_OCTETS]) -> Option<Token> {
    let (first, rest) = body.split_first()?;
    let (message, link) = rest.split_first_chunk::<16>()?;
    let kind = [HitKind::Open, HitKind::Click, HitKind::Hidden, HitKind::Unsubscribe]
        .into_iter()
        .find(|kind| *first == VERSION | code(*kind))?;
    let link = u16::from_be_bytes(link.try_into().ok()?);
    Some(Token { kind, message: MessageId(uuid::Uuid::from_bytes(*message)), link })
}

fn mac(key: &Key, body: &[u8]) -> Hmac<Sha256> {
    // 32 octets fill less than one block: the key is used as it is.
    let mut mac = Hmac::<Sha256>::new(&block(key).into());
    mac.update(b"liaison link");
    mac.update(body);
    mac
}

fn block(key: &Key) -> [u8; 64] {
    let mut block = [0; 64];
    for (place, octet) in block.iter_mut().zip(key.0) {
        *place = octet;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(seeds: &[u8]) -> Keys {
        Keys::new(seeds.iter().map(|s| Key::new([*s; KEY_OCTETS])).collect()).unwrap()
    }

    fn token(kind: HitKind, link: u16) -> Token {
        Token { kind, message: MessageId(uuid::Uuid::from_u128(0x0192_f0c1_0000_7000_8000_0000_0000_0001)), link }
    }

    #[test]
    fn token_reads_back_and_fits_a_url() {
        for kind in [HitKind::Open, HitKind::Click, HitKind::Hidden, HitKind::Unsubscribe] {
            for link in [0, 1, 200, u16::MAX] {
                let text = keys(&[7]).sign(token(kind, link));
                assert_eq!(text.len(), TOKEN_CHARS);
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
                assert_eq!(keys(&[7]).read(&text), Some(token(kind, link)));
            }
        }
    }

    #[test]
    fn old_keys_still_hold_and_strange_ones_do_not() {
        let old = keys(&[1]).sign(token(HitKind::Click, 3));
        assert_eq!(keys(&[2, 1]).read(&old), Some(token(HitKind::Click, 3)));
        assert_eq!(keys(&[2]).read(&old), None);
        assert_eq!(keys(&[2, 1]).sign(token(HitKind::Click, 3)), keys(&[2]).sign(token(HitKind::Click, 3)));
        assert_eq!(Keys::new(Vec::new()), None);
    }

    #[test]
    fn any_other_character_anywhere_is_refused() {
        let keys = keys(&[9]);
        let text = keys.sign(token(HitKind::Click, 1));
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \u{e9}";
        for at in 0..TOKEN_CHARS {
            let (before, rest) = text.split_at(at);
            for c in alphabet.chars().filter(|c| !rest.starts_with(*c)) {
                let wrong = format!("{before}{c}{}", rest.split_at(1).1);
                assert_eq!(keys.read(&wrong), None, "{wrong}");
            }
            assert_eq!(keys.read(before), None);
        }
        assert_eq!(keys.read(&format!("{text}A")), None);
    }

    #[test]
    fn signature_is_the_beginning_of_the_published_function() {
        // HMAC-SHA256 with the key 01…01 over "liaison link" and the body, by another implementation.
        let token = Token { kind: HitKind::Open, message: MessageId(uuid::Uuid::nil()), link: 0 };
        let octets = URL_SAFE_NO_PAD.decode(keys(&[1]).sign(token)).unwrap();
        let signature: Vec<u8> = octets.iter().skip(BODY_OCTETS).copied().collect();
        assert_eq!(signature, [196, 254, 175, 15, 50, 206, 14, 92, 231, 5, 153, 91, 109, 217]);
    }
}
