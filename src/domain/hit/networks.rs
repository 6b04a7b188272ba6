//! Which networks say something about who fetched: a list of ranges with a name each.
//!
//! An address is looked up and forgotten; the name is what is kept.

use std::net::IpAddr;

use serde::Deserialize;

/// The ranges that are shipped; `[tracking] networks` puts others in their place.
pub const SHIPPED: &str = include_str!("../../../config/networks.toml");

/// One network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name in the file and with a hit.
    pub name: String,
    /// Whose it is, for people.
    pub title: String,
    /// Whether clicks from it are a machine's.
    pub clicks_are_machine: bool,
    /// Whether opens from it are.
    pub opens_are_machine: bool,
    ranges: Vec<Range>,
}

/// Networks that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u128,
    bits: u32,
    is_v6: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    title: String,
    #[serde(default)]
    machine: Vec<Which>,
    ranges: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Which {
    Opens,
    Clicks,
}

fn number(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), false),
        IpAddr::V6(v6) => (v6.to_bits(), true),
    }
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (first, is_v6) = number(address.trim().parse().ok()?);
        let width: u32 = if is_v6 { 128 } else { 32 };
        let bits: u32 = bits.trim().parse().ok().filter(|bits| (1..=width).contains(bits))?;
        Some(Self { first: first >> (width - bits), bits: width - bits, is_v6 })
    }

    fn holds(self, address: u128, is_v6: bool) -> bool {
        self.is_v6 == is_v6 && address >> self.bits == self.first
    }
}

impl Networks {
    /// Reads a file of ranges.
    ///
    /// # Errors
    /// What is wrong with it, with the line where the TOML is.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut all = Vec::new();
        for entry in file.network {
            let mut ranges = Vec::new();
            for range in &entry.ranges {
                ranges.push(Range::read(range).ok_or_else(|| {
                    format!("`{range}` in the network `{}` is no range: write it as in \"192.0.2.0/24\"", entry.name)
                })?);
            }
            all.push(Network {
                name: entry.name,
                title: entry.title,
                clicks_are_machine: entry.machine.contains(&Which::Clicks),
                opens_are_machine: entry.machine.contains(&Which::Opens),
                ranges,
            });
        }
        Ok(Self(all))
    }

    /// Those that are shipped; a test holds that they can be read.
    pub fn shipped() -> Self {
        Self::read(SHIPPED).unwrap_or_default()
    }

    /// The name of the network an address belongs to.
    pub fn find(&self, address: IpAddr) -> Option<&str> {
        let (number, is_v6) = number(address.to_canonical());
        let found = self.0.iter().find(|n| n.ranges.iter().any(|r| r.holds(number, is_v6)))?;
        Some(&found.name)
    }

    /// A network by its name.
    pub fn get(&self, name: &str) -> Option<&Network> {
        self.0.iter().find(|n| n.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_networks_can_be_read_and_know_an_address() {
        let networks = Networks::read(SHIPPED).unwrap();
        let find = |a: &str| networks.find(a.parse().unwrap()).map(str::to_owned);
        assert_eq!(find("40.94.20.1").as_deref(), Some("microsoft"));
        assert_eq!(find("::ffff:104.47.1.2").as_deref(), Some("microsoft"));
        assert_eq!(find("2a01:111:f400::1").as_deref(), Some("microsoft"));
        assert_eq!(find("192.0.2.7"), None);
        assert!(networks.get("microsoft").unwrap().clicks_are_machine);
        assert!(!networks.get("microsoft").unwrap().opens_are_machine);
    }

    #[test]
    fn a_wrong_range_is_named() {
        let text = |range: &str| format!("[[network]]\nname = \"x\"\ntitle = \"X\"\nranges = [\"{range}\"]\n");
        for wrong in ["1.2.3.4", "1.2.3.4/33", "1.2.3/8", "x", "1.2.3.4/0", "::/129"] {
            let error = Networks::read(&text(wrong)).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
        assert!(Networks::read("nonsense = 1").is_err());
    }
}
