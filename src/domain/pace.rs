//! How soon the next thing may go: one at a time per key, and nothing at all before an instant that a provider named. Pure.
//!
//! It is kept in memory: what a provider asks for is stored with the account by whoever was asked, and put in again from there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::time::Micros;

/// Keys that are remembered. Beyond that the pace is kept for all together, which is slower and never too fast.
pub const KEYS_MAX: usize = 10_000;

/// The next instants that are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    between: Duration,
    next_at: BTreeMap<String, Micros>,
    all_at: Option<Micros>,
}

impl Pace {
    /// A pace at which nothing went yet: `between` two things of one key.
    pub fn new(between: Duration) -> Self {
        Self { between, next_at: BTreeMap::new(), all_at: None }
    }

    /// The instant from which a thing of this key may go; `None` where that is now.
    pub fn wait_until(&self, key: &str, now: Micros) -> Option<Micros> {
        let own = self.next_at.get(key).copied();
        own.into_iter().chain(self.all_at).max().filter(|at| *at > now)
    }

    /// One of this key goes now.
    pub fn went(&mut self, key: &str, now: Micros) {
        self.put_off(key, now.plus(self.between));
        self.forget(now);
    }

    /// Nothing of this key before that.
    pub fn put_off(&mut self, key: &str, until: Micros) {
        if self.next_at.len() >= KEYS_MAX && !self.next_at.contains_key(key) {
            self.put_off_all(until);
            return;
        }
        let at = self.next_at.entry(key.to_owned()).or_insert(until);
        *at = (*at).max(until);
    }

    /// Nothing at all before that.
    pub fn put_off_all(&mut self, until: Micros) {
        self.all_at = Some(self.all_at.map_or(until, |at| at.max(until)));
    }

    /// Instants that are past say nothing any more; they are looked for only where there are many, so that one send stays cheap.
    fn forget(&mut self, now: Micros) {
        if self.next_at.len() > KEYS_MAX / 2 {
            self.next_at.retain(|_, at| *at > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Micros {
        Micros::from_seconds(seconds)
    }

    #[test]
    fn one_key_waits_and_others_do_not() {
        let mut pace = Pace::new(Duration::from_secs(1));
        pace.went("a", at(10));
        assert_eq!(pace.wait_until("a", at(10)), Some(at(11)));
        assert_eq!(pace.wait_until("b", at(10)), None);
        assert_eq!(pace.wait_until("a", at(11)), None);
    }

    #[test]
    fn an_instant_that_was_named_holds_and_is_never_shortened() {
        let mut pace = Pace::new(Duration::from_secs(1));
        pace.put_off_all(at(100));
        pace.put_off_all(at(50));
        pace.went("a", at(10));
        assert_eq!(pace.wait_until("a", at(99)), Some(at(100)));
        assert_eq!(pace.wait_until("z", at(100)), None);
    }

    #[test]
    fn too_many_keys_slow_all_down_and_never_let_one_go_early() {
        let mut pace = Pace::new(Duration::from_secs(1));
        for n in 0..=KEYS_MAX {
            pace.put_off(&n.to_string(), at(100));
        }
        assert_eq!(pace.wait_until(&KEYS_MAX.to_string(), at(99)), Some(at(100)));
        assert!(pace.next_at.len() <= KEYS_MAX);
    }
}
