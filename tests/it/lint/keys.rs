//! docs/sequences.md describes every key that is accepted, and accepted is every key it describes. What is accepted the loader
//! says itself: what it knows stands in the hint to a key that it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use liaison::config::Finding;

use super::{CONFIG, Files, config_of, read};
use liaison::sequence::simulate::read_tests;

/// Nothing that any key is like.
const ODD: &str = "qqqqqqqqqqqq";

/// Every table of a sequence, each with a key that nobody knows.
const PROBE: &str = r#"
qqqqqqqqqqqq = 1
account = "hello"

[schedule]
qqqqqqqqqqqq = 1

[limits]
qqqqqqqqqqqq = 1

[variables]
product = { value = "Tee", qqqqqqqqqqqq = 1 }

[[step]]
id = "intro"
email = { text = "Hi", qqqqqqqqqqqq = 1 }
else = { task = "Call", qqqqqqqqqqqq = 1 }
qqqqqqqqqqqq = 1

[[step]]
id = "nudge"
email = "nudge.md"

[on]
qqqqqqqqqqqq = 1

[on.reply]
task = "Answer"
qqqqqqqqqqqq = 1

[on.finish]
stage = "no_response"
qqqqqqqqqqqq = 1

[[pause_if]]
bounce_rate = 0.05
qqqqqqqqqqqq = 1
"#;

type Keys = BTreeMap<String, BTreeSet<String>>;

fn put(keys: &mut Keys, table: &str, key: &str) {
    keys.entry(table.to_owned()).or_default().insert(key.to_owned());
}

/// What the hints of these findings say of the tables in which the odd key stands.
fn known(findings: &[Finding], keys: &mut Keys) {
    for finding in findings.iter().filter(|f| f.message.contains(ODD)) {
        let hint = finding.hint.as_deref().unwrap_or_default();
        let table = finding.key.strip_suffix(ODD).expect("the key it is about").trim_end_matches('.');
        // A variable may have any name.
        let table = if table.starts_with("variables") { "variables" } else { table };
        let list = hint.strip_prefix("known keys: ").or_else(|| hint.strip_prefix("there are the keys "));
        for key in list.unwrap_or_else(|| panic!("{finding:?}")).split(", ") {
            put(keys, table, key);
        }
    }
}

fn accepted() -> Keys {
    let nudge = format!("---\n{ODD}: x\n---\nHello?\n");
    let files = Files::from([
        ("liaison.toml".to_owned(), CONFIG.to_owned()),
        ("sequences/probe/sequence.toml".to_owned(), PROBE.to_owned()),
        ("sequences/probe/nudge.md".to_owned(), nudge),
    ]);
    let mut keys = Keys::new();
    let loaded = read(&files);
    let (head, tables): (Vec<Finding>, Vec<Finding>) =
        loaded.findings.into_iter().partition(|f| f.message.contains("in the head"));
    known(&tables, &mut keys);
    assert_eq!(head.len(), 1, "{head:?}");
    let hint = head[0].hint.clone().unwrap_or_default();
    for key in hint.strip_prefix("there are the keys ").unwrap_or_else(|| panic!("{head:?}")).split(", ") {
        put(&mut keys, "head", key);
    }
    // What stands under `else` is a step's own, and less: see the page of its code.
    let other = keys.remove("step.else").expect("`else` is a table");
    assert!(other.is_subset(&keys["step"]), "{other:?}");
    keys.extend(accepted_in_tests());
    keys
}

fn accepted_in_tests() -> Keys {
    let dir = tempfile::tempdir().expect("folder");
    std::fs::write(dir.path().join("liaison.toml"), CONFIG).expect("file");
    std::fs::write(dir.path().join("tests.toml"), format!("{ODD} = 1\n[[test]]\n{ODD} = 1\n")).expect("file");
    let definition = read(&super::base()).definitions.remove(0).0;
    let zone = config_of(dir.path()).timezone;
    let zone = liaison::domain::zone::Zone::named(zone.iana_name().expect("a name")).expect("a zone");
    let tests = read_tests(dir.path(), &zone, &definition).expect("tests");
    let (mut found, mut keys) = (Keys::new(), Keys::new());
    known(&tests.findings(), &mut found);
    for (table, of) in found {
        keys.insert(if table.is_empty() { "tests.toml".to_owned() } else { table }, of);
    }
    keys
}

/// The keys of a table and of those in it.
fn walk(table: &toml::Table, path: &str, keys: &mut Keys) {
    for (key, value) in table {
        // Their keys are names of the user's own.
        let free = ["variables", "test.properties", "test.networks"].contains(&path);
        if !free {
            put(keys, path, key);
        }
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let inner = if path == "variables" { "variables".to_owned() } else { inner };
        match value {
            // What stands under `else` is a step's own.
            toml::Value::Table(_) if key == "else" => {}
            // A variable that is a table has keys of its own.
            toml::Value::Table(table) if path == "variables" => {
                table.keys().for_each(|key| put(keys, "variables", key));
            }
            toml::Value::Table(table) => walk(table, &inner, keys),
            toml::Value::Array(items) => {
                items.iter().filter_map(toml::Value::as_table).for_each(|table| walk(table, &inner, keys));
            }
            _ => {}
        }
    }
}

/// The fences of the guide with this mark.
fn fences(guide: &str, mark: &str) -> Vec<toml::Table> {
    let open = format!("```{mark}\n");
    let texts = guide.split(&open).skip(1).map(|rest| rest.split("\n```").next().expect("a fence"));
    texts.map(|text| text.parse().unwrap_or_else(|e| panic!("{e}: {text}"))).collect()
}

fn described() -> Keys {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sequences.md");
    let guide = std::fs::read_to_string(guide).expect("docs/sequences.md");
    let mut keys = Keys::new();
    for table in fences(&guide, "toml sequence") {
        walk(&table, "", &mut keys);
    }
    let mut tests = Keys::new();
    for table in fences(&guide, "toml tests") {
        walk(&table, "", &mut tests);
    }
    keys.insert("tests.toml".to_owned(), tests.remove("").expect("tests"));
    keys.extend(tests);
    keys.retain(|table, _| !["test.properties", "test.networks"].contains(&table.as_str()));
    let head = guide.lines().find(|line| line.contains("The head between two lines")).expect("the head");
    for word in head.split('`').skip(1).step_by(2).filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())) {
        put(&mut keys, "head", word.split(':').next().expect("a key"));
    }
    keys
}

#[test]
fn the_guide_describes_the_keys_that_are_accepted_and_no_other() {
    let (accepted, described) = (accepted(), described());
    let tables = |keys: &Keys| keys.keys().cloned().collect::<Vec<_>>();
    assert_eq!(tables(&accepted), tables(&described));
    for (table, keys) in &accepted {
        let told = &described[table];
        let missing: Vec<_> = keys.difference(told).collect();
        let unknown: Vec<_> = told.difference(keys).collect();
        assert!(missing.is_empty(), "`{table}`: docs/sequences.md does not describe {missing:?}");
        assert!(unknown.is_empty(), "`{table}`: docs/sequences.md describes {unknown:?}, which nothing accepts");
    }
    assert!(accepted["step"].len() >= 13 && accepted[""].len() >= 12, "{accepted:?}");
}
