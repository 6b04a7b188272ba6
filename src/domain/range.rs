//! Ranges of addresses of the internet, as in `192.0.2.0/24`.

use std::net::IpAddr;

/// A range, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: u128,
    bits: u32,
    is_v6: bool,
}

fn number(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), false),
        IpAddr::V6(v6) => (v6.to_bits(), true),
    }
}

impl AddressRange {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or one address.
    pub fn read(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let (first, is_v6) = number(address.trim().parse().ok()?);
        let width: u32 = if is_v6 { 128 } else { 32 };
        let bits = bits.map_or(Some(width), |bits| bits.trim().parse().ok());
        let bits: u32 = bits.filter(|bits| (1..=width).contains(bits))?;
        Some(Self { first: first >> (width - bits), bits: width - bits, is_v6 })
    }

    /// Whether an address is in it; one of IPv4 that is written as one of IPv6 is one of IPv4.
    pub fn holds(self, address: IpAddr) -> bool {
        let (address, is_v6) = number(address.to_canonical());
        self.is_v6 == is_v6 && address >> self.bits == self.first
    }

    /// This machine.
    pub fn loopback() -> Vec<Self> {
        ["127.0.0.0/8", "::1"].into_iter().filter_map(Self::read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_is_in_them_and_nothing_else() {
        let holds = |range: &str, address: &str| AddressRange::read(range).unwrap().holds(address.parse().unwrap());
        assert!(holds("192.0.2.0/24", "192.0.2.255") && !holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("192.0.2.0/24", "::ffff:192.0.2.1") && !holds("::/1", "192.0.2.1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::") && !holds("2001:db8::1", "2001:db8::2"));
        for wrong in ["", "x", "1.2.3/8", "1.2.3.4/33", "1.2.3.4/0", "::/129", "proxy.example"] {
            assert_eq!(AddressRange::read(wrong), None, "{wrong}");
        }
        let here = AddressRange::loopback();
        assert!(
            here.len() == 2 && here[0].holds("127.0.0.1".parse().unwrap()) && here[1].holds("::1".parse().unwrap())
        );
    }
}
