//! Which networks say something about who fetched: a list of ranges with a name each.
//!
//! An address is looked up and forgotten; the name is what is kept.

use std::net::IpAddr;

use serde::Deserialize;

use crate::domain::range::AddressRange;

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
    ranges: Vec<AddressRange>,
}

/// Networks that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

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
                // One address is no network.
                let read = AddressRange::read(range).filter(|_| range.contains('/'));
                ranges.push(read.ok_or_else(|| {
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
        let found = self.0.iter().find(|n| n.ranges.iter().any(|r| r.holds(address)))?;
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
