//! Which addresses a webhook may lead to. Whoever makes one chooses an address that this machine then connects to, so nothing
//! inside may be reached by it: not this machine, not its network, not what a provider of machines answers on. Pure: the name
//! is resolved elsewhere, and what it was resolved to is asked for here right before the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::URL_CHARS_MAX;

/// Networks of IPv4 that are not the public internet (the IANA registry of special addresses, RFC 6890), and 6to4 relays.
const INSIDE_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];
/// The only network of IPv6 that is given out to the public internet. Mapped and compatible addresses, NAT64, local, link-local
/// and multicast ones are all outside of it.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// What of it is not: protocol assignments (Teredo among them), documentation, and 6to4, in which any IPv4 address may hide.
const INSIDE_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is on the public internet, and hides no other one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !INSIDE_V4.iter().any(|net| holds_v4(*net, v4)),
        IpAddr::V6(v6) => {
            // ISATAP (RFC 5214): an IPv4 address behind 0000:5efe or 0200:5efe.
            let [.., a, b, _, _] = v6.segments();
            let isatap = (a & 0xfdff, b) == (0, 0x5efe);
            holds_v6(GLOBAL_V6, v6) && !isatap && !INSIDE_V6.iter().any(|net| holds_v6(*net, v6))
        }
    }
}

fn holds_v4((net, bits): (Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    let shift = 32_u32.saturating_sub(bits);
    net.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
}

fn holds_v6((net, bits): (Ipv6Addr, u32), address: Ipv6Addr) -> bool {
    let shift = 128_u32.saturating_sub(bits);
    net.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
}

/// One host or network that the configuration lets webhooks reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Whatever this name leads to.
    Host(String),
    /// A network of IPv4.
    V4(Ipv4Addr, u32),
    /// A network of IPv6.
    V6(Ipv6Addr, u32),
}

impl Allowed {
    /// Reads a name, an address, or a network as in `10.0.0.0/8`.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let bits = |most: u32| bits.map_or(Some(most), |b| b.parse().ok().filter(|b| (1..=most).contains(b)));
        match address.trim_matches(['[', ']']).parse() {
            Ok(IpAddr::V4(v4)) => Some(Self::V4(v4, bits(32)?)),
            Ok(IpAddr::V6(v6)) => Some(Self::V6(v6, bits(128)?)),
            Err(_) if text.contains(['/', ':', '@', '*', ' ']) => None,
            Err(_) => match Host::parse(text).ok()? {
                Host::Domain(name) => Some(Self::Host(bare(&name))),
                Host::Ipv4(_) | Host::Ipv6(_) => None,
            },
        }
    }

    fn lets(&self, host: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Host(name), _) => *name == bare(host),
            (Self::V4(net, bits), Some(IpAddr::V4(v4))) => holds_v4((*net, *bits), v4),
            (Self::V6(net, bits), Some(IpAddr::V6(v6))) => holds_v6((*net, *bits), v6),
            (Self::V4(..) | Self::V6(..), _) => false,
        }
    }
}

fn bare(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// How far webhooks may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Beside the public internet.
    pub allowed: Vec<Allowed>,
    /// Nothing but what is allowed: with simulated people nothing leaves by itself.
    pub only_allowed: bool,
}

impl Reach {
    /// Whether this address, which the host stands for at the moment, may be connected to.
    pub fn lets(&self, host: &str, address: IpAddr) -> bool {
        (!self.only_allowed && is_public(address)) || self.allowed.iter().any(|a| a.lets(host, Some(address)))
    }

    /// The address of a webhook.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn check(&self, text: &str) -> Result<Url, String> {
        if text.chars().count() > URL_CHARS_MAX {
            return Err(format!("an address has at most {URL_CHARS_MAX} characters"));
        }
        let url = Url::parse(text)
            .map_err(|e| format!("this is no address ({e}); write it as in https://example.com/hook"))?;
        let Some(host) = url.host() else { return Err("the address names no host".to_owned()) };
        if !matches!(url.scheme(), "https" | "http") {
            return Err("a webhook is reached over https".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address with a name or password in it is not taken; check the signature instead".to_owned());
        }
        if url.fragment().is_some() {
            return Err("what stands behind # is never sent; leave it out".to_owned());
        }
        let name = url.host_str().unwrap_or_default();
        let address = match host {
            Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
            Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
            Host::Domain(_) => None,
        };
        let named = self.allowed.iter().any(|a| a.lets(name, address));
        let local = bare(name);
        let inside = match address {
            Some(address) => !self.lets(name, address),
            None => !named && (self.only_allowed || local == "localhost" || local.ends_with(".localhost")),
        };
        if inside {
            let why = "is not on the public internet; [webhooks] allow in the configuration lets it be reached";
            return Err(format!("{name} {why}"));
        }
        // A name may lead to an allowed network today and elsewhere tomorrow: over http only where it is named itself.
        if url.scheme() == "http" && !named {
            return Err(
                "a webhook is reached over https; over http only where [webhooks] allow names its host".to_owned()
            );
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_is_told_from_what_is_not() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "198.20.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "2620:fe::fe",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::7f00:1",
            "100::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "2a00::5efe:7f00:1",
            "2a00::200:5efe:a00:1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[test]
    fn allowed_hosts_and_networks_are_reached_and_no_others() {
        let allowed =
            ["10.1.0.0/16", "127.0.0.1", "fd00::/8", "Hooks.Internal."].map(|t| Allowed::read(t).unwrap()).to_vec();
        let reach = Reach { allowed, only_allowed: false };
        let lets = |host: &str, address: &str| reach.lets(host, address.parse().unwrap());
        assert!(lets("a", "10.1.2.3") && lets("a", "127.0.0.1") && lets("a", "fd00::1") && lets("a", "9.9.9.9"));
        assert!(lets("hooks.internal", "192.168.0.1") && lets("HOOKS.internal.", "192.168.0.1"));
        assert!(
            !lets("a", "10.2.0.1")
                && !lets("a", "127.0.0.2")
                && !lets("a", "::ffff:10.1.2.3")
                && !lets("a", "192.168.0.1")
        );
        let only = Reach { only_allowed: true, ..reach };
        assert!(!only.lets("a", "9.9.9.9".parse().unwrap()) && only.lets("a", "10.1.2.3".parse().unwrap()));
        assert!(only.check("https://example.com/").is_err() && only.check("http://hooks.internal:81/x").is_ok());
        for bad in ["", "10.0.0.0/0", "10.0.0.0/33", "::/129", "a b", "http://x", "x/8", "*.x", "x:80", "me@x"] {
            assert_eq!(Allowed::read(bad), None, "{bad}");
        }
    }
}
