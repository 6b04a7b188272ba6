//! What the crate is built from: no banned crates, no wildcard versions, nothing from outside the registry, and only
//! licences that go with ours. deny.toml says the same to those who have cargo-deny.

use std::process::Command;

use serde_json::Value;

/// TLS is rustls with ring, the runtime is tokio; a second of either is a mistake in a feature list.
const BANNED: &[&str] = &["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "async-std"];
/// SPDX names that go with Apache-2.0 in one binary. Keep deny.toml equal: a test compares them.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// `cargo metadata` for this machine's platform: what other platforms would need was perhaps never downloaded.
fn metadata() -> Value {
    let version = Command::new(env!("CARGO")).args(["-vV"]).output().expect("cargo runs");
    let version = String::from_utf8(version.stdout).expect("UTF-8");
    let host = version.lines().find_map(|l| l.strip_prefix("host: ")).expect("cargo says its host").to_owned();
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", &host])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What is wrong with the packages of a `cargo metadata` document.
fn wrong_packages(document: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in document["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().unwrap_or_default();
        let own = package["source"].is_null() && name == "liaison";
        if BANNED.contains(&name) {
            wrong.push(format!("{name} is banned"));
        }
        if !own && !package["source"].as_str().is_some_and(|s| s.starts_with("registry+")) {
            wrong.push(format!("{name} comes from outside the registry: {}", package["source"]));
        }
        let licence = package["license"].as_str().unwrap_or_default();
        match allowed(licence) {
            Ok(true) => {}
            Ok(false) => wrong.push(format!("{name}: the licence `{licence}` is not on the list")),
            Err(why) => wrong.push(format!("{name}: the licence `{licence}` can't be read: {why}")),
        }
        for dependency in package["dependencies"].as_array().filter(|_| own).into_iter().flatten() {
            if dependency["req"].as_str().is_none_or(|req| req.contains('*')) {
                wrong.push(format!("{} has a wildcard version: {}", dependency["name"], dependency["req"]));
            }
        }
    }
    wrong
}

/// Whether an SPDX expression can be met with the licences of the list: of `OR` any, of `AND` all. The old `A/B` is an `OR`.
fn allowed(expression: &str) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Spdx { words: &words };
    let met = reader.any()?;
    match reader.words {
        [] => Ok(met),
        [word, ..] => Err(format!("`{word}` was not expected")),
    }
}

struct Spdx<'a> {
    words: &'a [&'a str],
}

impl<'a> Spdx<'a> {
    fn take(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn take_if(&mut self, word: &str) -> bool {
        let there = self.words.first() == Some(&word);
        if there {
            self.take();
        }
        there
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut met = self.all()?;
        while self.take_if("OR") {
            met |= self.all()?;
        }
        Ok(met)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut met = self.one()?;
        while self.take_if("AND") {
            met &= self.one()?;
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<bool, String> {
        let name = self.take().ok_or("it ends too early")?;
        if name == "(" {
            let met = self.any()?;
            return if self.take_if(")") { Ok(met) } else { Err("a bracket is not closed".to_owned()) };
        }
        if ["OR", "AND", "WITH", ")"].contains(&name) {
            return Err(format!("`{name}` stands where a name should"));
        }
        if self.take_if("WITH") {
            let exception = self.take().ok_or("WITH has nothing behind it")?;
            return Ok(LICENCES.contains(&format!("{name} WITH {exception}").as_str()));
        }
        Ok(LICENCES.contains(&name))
    }
}

#[test]
fn packages_are_of_the_allowed_sort() {
    let document = metadata();
    assert!(document["packages"].as_array().is_some_and(|p| p.len() > 50), "the packages were not found");
    let wrong = wrong_packages(&document);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn wrong_packages_are_seen() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let document = serde_json::json!({ "packages": [
        { "name": "liaison", "source": null, "license": "Apache-2.0",
          "dependencies": [{ "name": "a", "req": "*" }, { "name": "b", "req": "1.*" }, { "name": "c", "req": "^1" }] },
        { "name": "openssl", "source": registry, "license": "MIT", "dependencies": [{ "name": "d", "req": "*" }] },
        { "name": "forked", "source": "git+https://example.org/forked", "license": "MIT", "dependencies": [] },
        { "name": "copyleft", "source": registry, "license": "MIT AND GPL-3.0-only", "dependencies": [] },
        { "name": "nameless", "source": registry, "license": null, "dependencies": [] },
    ]});
    let wrong = wrong_packages(&document);
    assert_eq!(wrong.len(), 6, "{wrong:#?}");
}

#[test]
fn licence_expressions_are_read() {
    for fine in [
        "MIT",
        "MIT/GPL-3.0",
        "GPL-2.0-only OR (MIT AND ISC)",
        "Apache-2.0 WITH LLVM-exception OR X",
        "(MIT) AND (X OR ISC)",
    ] {
        assert_eq!(allowed(fine), Ok(true), "{fine}");
    }
    for not in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT OR ISC) AND X", "MIT WITH X-exception", "X OR Y AND MIT"]
    {
        assert_eq!(allowed(not), Ok(false), "{not}");
    }
    for broken in ["", "MIT OR", "(MIT", "MIT ISC", "AND MIT", "MIT WITH", ")"] {
        assert!(allowed(broken).is_err(), "{broken}");
    }
}

#[test]
fn deny_configuration_says_the_same() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).expect("deny.toml");
    let deny: toml::Table = text.parse().expect("TOML");
    let listed = |section: &str, key: &str, field: Option<&str>| -> Vec<String> {
        let entries = deny[section][key].as_array().expect("a list").iter();
        entries.map(|e| field.map_or(e, |f| &e[f]).as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(listed("licenses", "allow", None), LICENCES);
    assert_eq!(listed("bans", "deny", Some("crate")), BANNED);
}
