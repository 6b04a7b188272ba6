//! How often somebody may ask: per token, and per address for those without one. Counted in memory, per process: a limit
//! keeps one program from taking all of the hub, nothing rests on its exactness.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::extract::connect_info::ConnectInfo;
use axum::http::StatusCode;
use tokio::time::Instant;

use super::known::Known;
use super::problem::Problem;
use crate::config::server::Rates;
use crate::domain::ids::TokenId;
use crate::domain::range::AddressRange;

/// Whoever is remembered at once.
pub(super) const KEYS_MAX: usize = 20_000;

/// The limits of a process. Cheap to clone.
#[derive(Clone)]
pub struct Limits(Arc<Counted>);

struct Counted {
    tokens: Buckets<TokenId>,
    refused: Buckets<IpAddr>,
    readers: Buckets<IpAddr>,
    known: Known,
    proxies: Vec<AddressRange>,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(Rates::default(), AddressRange::loopback())
    }
}

impl Limits {
    /// Nobody has asked yet. These proxies are believed when they name whom they ask for.
    pub fn new(rates: Rates, proxies: Vec<AddressRange>) -> Self {
        let Rates { per_token, refused, public } = rates;
        Self(Arc::new(Counted {
            tokens: Buckets::new(per_token),
            refused: Buckets::new(refused),
            readers: Buckets::new(public),
            known: Known::default(),
            proxies,
        }))
    }

    /// The address a request came from. Of a proxy that is believed, the one it names: the last in `X-Forwarded-For` that is none of
    /// ours. What stands before that one anybody can write.
    pub(super) fn address_of(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.0.to_canonical())?;
        let is_ours = |address: IpAddr| self.0.proxies.iter().any(|range| range.holds(address));
        if !is_ours(peer) {
            return Some(peer);
        }
        let lines = request.headers().get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
        let named: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        for name in named.into_iter().rev() {
            match named_address(name) {
                Some(address) if is_ours(address) => {}
                Some(address) => return Some(address),
                None => break,
            }
        }
        Some(peer)
    }

    /// A request with a good token.
    pub(super) fn token(&self, token: TokenId) -> Result<(), Problem> {
        self.0.tokens.take(token).map_err(|wait| too_many("this token asks too often", wait))
    }

    /// Whether a token may be looked up for this address. After too many refused tries it may not, so that guessing costs no
    /// look into the store; but one that was good before may, for behind one address there may be many.
    pub(super) fn try_token(&self, address: Option<IpAddr>, token: Option<&str>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        if token.is_some_and(|token| self.0.known.has(token)) {
            return Ok(());
        }
        self.0.refused.look(&network(address)).map_err(refused_too_often)
    }

    /// The tokens that were found to be good.
    pub(super) fn known(&self) -> &Known {
        &self.0.known
    }

    /// A request without a good token: those of one address are told to wait after a while.
    pub(super) fn refused(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        self.0.refused.take(network(address)).map_err(refused_too_often)
    }

    /// A reader of mail; how long to wait, where there were too many requests from there.
    pub(super) fn reader(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        address.map_or(Ok(()), |address| self.0.readers.take(network(address)))
    }

    /// The same for what programs watch without a token.
    pub(super) fn asked_openly(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        self.reader(address).map_err(|wait| too_many("too many requests come from this address", wait))
    }
}

/// Whoever is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(IpAddr);

impl Peer {
    pub(super) fn new(address: IpAddr) -> Self {
        Self(address)
    }
}

/// An address as proxies write it: some with the port.
fn named_address(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    let with_port = || name.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

fn refused_too_often(wait: Duration) -> Problem {
    too_many("too many requests without a good token come from this address", wait)
}

fn too_many(what: &str, wait: Duration) -> Problem {
    let seconds = seconds(wait);
    let detail = format!("{what}; ask again in {seconds} s");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(seconds)
}

/// Whole seconds after which it is worth asking again.
pub(super) fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}

/// One household has a whole /64 of IPv6: all of it counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What is left of a minute's requests, as of an instant.
#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// A bucket for everybody: it holds a minute's requests and fills up steadily.
struct Buckets<K> {
    per_minute: f64,
    all: Mutex<HashMap<K, Bucket>>,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(per_minute: u32) -> Self {
        Self { per_minute: f64::from(per_minute.max(1)), all: Mutex::default() }
    }

    /// What is in a bucket by now.
    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let more = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_minute / 60.0;
        (bucket.left + more).min(self.per_minute)
    }

    /// How long until there is a whole one.
    fn wait(&self, left: f64) -> Duration {
        Duration::from_secs_f64(((1.0 - left) * 60.0 / self.per_minute).max(0.0))
    }

    /// Whether there is one, without taking it; else how long to wait.
    fn look(&self, key: &K) -> Result<(), Duration> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.get(key).map_or(self.per_minute, |bucket| self.filled(*bucket, Instant::now()));
        if left >= 1.0 { Ok(()) } else { Err(self.wait(left)) }
    }

    /// Takes one; else how long to wait.
    fn take(&self, key: K) -> Result<(), Duration> {
        let now = Instant::now();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEYS_MAX && !all.contains_key(&key) {
            all.retain(|_, bucket| self.filled(*bucket, now) < self.per_minute);
            if all.len() >= KEYS_MAX {
                // So many at once are no one program: memory has an end, and the limits begin anew.
                all.clear();
            }
        }
        let bucket = all.entry(key).or_insert(Bucket { left: self.per_minute, at: now });
        let left = self.filled(*bucket, now);
        let taken = left >= 1.0;
        *bucket = Bucket { left: if taken { left - 1.0 } else { left }, at: now };
        if taken { Ok(()) } else { Err(self.wait(left)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_fills_up_steadily_and_holds_a_minute() {
        let buckets = Buckets::new(60);
        for _ in 0..60 {
            assert_eq!(buckets.take('a'), Ok(()));
        }
        assert_eq!(buckets.take('a'), Err(Duration::from_secs(1)));
        assert_eq!(buckets.take('b'), Ok(()), "everybody has their own");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(buckets.take('a'), Err(Duration::from_millis(500)));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(buckets.take('a'), Ok(()));
        assert!(buckets.take('a').is_err());
        tokio::time::advance(Duration::from_hours(5)).await;
        assert_eq!((0..100).filter(|_| buckets.take('a').is_ok()).count(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn after_too_many_refusals_only_tokens_that_were_good_are_looked_up() {
        let limits = Limits::new(Rates { refused: 2, ..Rates::default() }, Vec::new());
        let there = Some(IpAddr::from([192, 0, 2, 1]));
        let token = crate::http::known::tests::token();
        limits.known().note("good", &token, limits.known().now());
        for _ in 0..2 {
            assert_eq!(limits.try_token(there, Some("guess")), Ok(()));
            assert_eq!(limits.refused(there), Ok(()));
        }
        assert_eq!(limits.try_token(there, Some("guess")).unwrap_err().code, "too_many_requests");
        assert!(limits.try_token(there, None).is_err());
        assert_eq!(limits.try_token(there, Some("good")), Ok(()));
        assert_eq!(limits.try_token(Some(IpAddr::from([192, 0, 2, 2])), Some("guess")), Ok(()), "others are let");
        limits.known().forget("good");
        assert!(limits.try_token(there, Some("good")).is_err(), "it was revoked");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(limits.try_token(there, Some("guess")), Ok(()), "a look takes nothing");
        assert_eq!(limits.try_token(there, Some("guess")), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_has_an_end() {
        let buckets = Buckets::new(1);
        for key in 0..KEYS_MAX {
            assert_eq!(buckets.take(key), Ok(()));
        }
        assert!(buckets.take(0).is_err());
        tokio::time::advance(Duration::from_mins(2)).await;
        assert_eq!(buckets.take(KEYS_MAX), Ok(()));
        assert_eq!(buckets.all.lock().unwrap().len(), 1, "who waits no longer is forgotten");
        for key in 0..3 * KEYS_MAX {
            buckets.take(key).ok();
        }
        assert!(buckets.all.lock().unwrap().len() <= KEYS_MAX);
    }

    #[test]
    fn a_household_counts_as_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn only_a_proxy_that_is_named_is_believed() {
        let address = |peer: &str, proxies: &[&str], said: &[&str]| {
            let proxies = proxies.iter().map(|p| AddressRange::read(p).unwrap()).collect();
            let mut request = Request::builder();
            for line in said {
                request = request.header("x-forwarded-for", *line);
            }
            let mut request = request.body(axum::body::Body::empty()).unwrap();
            request.extensions_mut().insert(ConnectInfo(Peer::new(peer.parse().unwrap())));
            Limits::new(Rates::default(), proxies).address_of(&request).unwrap().to_string()
        };
        let (near, docker) = (["127.0.0.0/8", "::1"], ["172.17.0.0/16", "198.51.100.9"]);
        let said = ["203.0.113.7"];
        // A neighbour in a private network is believed only where the operator says so.
        for peer in ["10.0.0.5", "172.17.0.1", "192.168.1.2", "fd00::1", "169.254.0.1", "198.51.100.9"] {
            assert_eq!(address(peer, &near, &said), peer, "{peer}");
        }
        assert_eq!(address("127.0.0.1", &near, &said), "203.0.113.7");
        assert_eq!(address("::ffff:127.0.0.1", &near, &said), "203.0.113.7");
        assert_eq!(address("172.17.0.1", &docker, &said), "203.0.113.7");
        assert_eq!(address("127.0.0.1", &docker, &said), "127.0.0.1");
        // What stands before the last one that is none of ours was written by whoever asked.
        assert_eq!(address("172.17.0.1", &docker, &["1.2.3.4, 203.0.113.7", "198.51.100.9"]), "203.0.113.7");
        assert_eq!(address("172.17.0.1", &docker, &["1.2.3.4, 10.9.9.9"]), "10.9.9.9");
        assert_eq!(address("172.17.0.1", &docker, &["1.2.3.4, unknown"]), "172.17.0.1");
        assert_eq!(address("172.17.0.1", &docker, &[]), "172.17.0.1");
        assert_eq!(address("172.17.0.1", &docker, &["203.0.113.7:443"]), "203.0.113.7");
        assert_eq!(address("172.17.0.1", &docker, &["[2001:db8::1]:443"]), "2001:db8::1");
    }
}
