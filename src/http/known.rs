//! Tokens that were good when they were last looked up: each is taken at its word for a moment, so that a program that asks often
//! does not have it looked up each time.
//!
//! A token that this process revokes is refused from then on; one that is revoked elsewhere (on another node, by the command line
//! beside a daemon) within [`TRUSTED`]. That it expires is looked at each time. Kept by the hash that the store keeps, too: nothing
//! that could be taken from memory and used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limit::KEYS_MAX;
use crate::hub::token::hash;
use crate::store::token::TokenView;

/// For how long a token is good without being looked up again.
pub(super) const TRUSTED: Duration = Duration::from_secs(1);

/// What is remembered of tokens.
#[derive(Default)]
pub(super) struct Known(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// How often something was revoked here.
    revoked: u64,
    tokens: HashMap<Vec<u8>, Entry>,
}

struct Entry {
    token: Arc<TokenView>,
    seen: SeenAt,
}

/// When a look at a token began, and what had been revoked by then: what was read before a revocation says nothing after it.
#[derive(Clone, Copy)]
pub(super) struct SeenAt {
    at: Instant,
    revoked: u64,
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a token is looked up.
    pub(super) fn now(&self) -> SeenAt {
        SeenAt { at: Instant::now(), revoked: self.lock().revoked }
    }

    /// A token that need not be looked up.
    pub(super) fn fresh(&self, token: &str) -> Option<Arc<TokenView>> {
        let (key, now) = (hash(token), Instant::now());
        let known = self.lock();
        let is_fresh =
            |e: &&Entry| e.seen.revoked == known.revoked && now.saturating_duration_since(e.seen.at) < TRUSTED;
        known.tokens.get(&key).filter(is_fresh).map(|entry| Arc::clone(&entry.token))
    }

    /// Whether a token was good when it was last looked up, however long ago.
    pub(super) fn has(&self, token: &str) -> bool {
        self.lock().tokens.contains_key(&hash(token))
    }

    /// It was looked up, and is good.
    pub(super) fn note(&self, token: &str, view: &Arc<TokenView>, seen: SeenAt) {
        let (key, mut known) = (hash(token), self.lock());
        if known.tokens.len() >= KEYS_MAX {
            known.tokens.clear();
        }
        known.tokens.insert(key, Entry { token: Arc::clone(view), seen });
    }

    /// It was looked up, and is not.
    pub(super) fn forget(&self, token: &str) {
        self.lock().tokens.remove(&hash(token));
    }

    /// A token was revoked here: all are looked up again.
    pub(super) fn revoked(&self) {
        self.lock().revoked += 1;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::ids::TokenId;
    use crate::domain::time::Micros;

    pub(in crate::http) fn token() -> Arc<TokenView> {
        let view = TokenView {
            id: TokenId(uuid::Uuid::from_u128(7)),
            name: "reports".into(),
            scopes: Vec::new(),
            created_at: Micros(0),
            expires_at: None,
            revoked_at: None,
        };
        Arc::new(view)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_taken_at_its_word_for_a_moment_and_never_after_a_revocation() {
        let known = Known::default();
        assert_eq!(known.fresh("t"), None);
        known.note("t", &token(), known.now());
        assert_eq!(known.fresh("t"), Some(token()));
        assert_eq!(known.fresh("u"), None);
        tokio::time::advance(TRUSTED / 2).await;
        assert!(known.fresh("t").is_some());
        tokio::time::advance(TRUSTED / 2).await;
        assert_eq!(known.fresh("t"), None, "it is looked up again");
        assert!(known.has("t"), "but it was good");

        // It was being looked up while it was revoked: what was read then says nothing.
        let before = known.now();
        known.revoked();
        known.note("t", &token(), before);
        assert_eq!(known.fresh("t"), None);
        known.note("t", &token(), known.now());
        assert!(known.fresh("t").is_some());
        known.revoked();
        assert_eq!(known.fresh("t"), None);
        known.forget("t");
        assert!(!known.has("t"));
    }

    #[test]
    fn memory_has_an_end() {
        let known = Known::default();
        for n in 0..=KEYS_MAX {
            known.note(&n.to_string(), &token(), known.now());
        }
        assert_eq!(known.lock().tokens.len(), 1);
    }
}
