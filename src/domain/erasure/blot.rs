//! Blots out names and addresses in text that is somebody else's.

use serde_json::Value;

/// What stands where something was blotted out.
pub const BLOT: &str = "[erased]";
/// Characters of a handle or name below which it is a word like any other, and is left where it stands.
const SHORT: usize = 4;

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blot {
    /// Addresses, lower case.
    addresses: Vec<Vec<char>>,
    /// Handles and whole names, lower case.
    names: Vec<Vec<char>>,
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn folded(text: &str) -> Vec<char> {
    text.trim().chars().map(lower).collect()
}

impl Blot {
    /// For addresses, and for handles and whole names; of these, short ones are left out.
    pub fn new<'a>(addresses: impl IntoIterator<Item = &'a str>, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut addresses: Vec<Vec<char>> = addresses.into_iter().map(folded).filter(|a| !a.is_empty()).collect();
        let mut names: Vec<Vec<char>> = names.into_iter().map(folded).filter(|n| n.len() >= SHORT).collect();
        for list in [&mut addresses, &mut names] {
            // The longest first: a name that begins like another is blotted out whole.
            list.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
            list.dedup();
        }
        Self { addresses, names }
    }

    /// The text without them; `None` where there is nothing to blot out.
    pub fn text(&self, text: &str) -> Option<String> {
        let chars: Vec<char> = text.chars().collect();
        let small: Vec<char> = chars.iter().copied().map(lower).collect();
        let mut out = String::with_capacity(text.len());
        let (mut at, mut found) = (0, false);
        while let Some(c) = chars.get(at) {
            if let Some(length) = self.here(&small, at) {
                out.push_str(BLOT);
                found = true;
                at += length;
            } else {
                out.push(*c);
                at += 1;
            }
        }
        found.then_some(out)
    }

    /// How long what stands at a place is, if it is to be blotted out.
    fn here(&self, small: &[char], at: usize) -> Option<usize> {
        let before = at.checked_sub(1).and_then(|n| small.get(n)).copied();
        let fits = |needle: &&Vec<char>| small.get(at..at + needle.len()) == Some(needle.as_slice());
        let after = |n: usize| small.get(n).copied();
        let address = self.addresses.iter().filter(fits).find(|needle| {
            let part_of = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
            let end = at + needle.len();
            let goes_on = match after(end) {
                Some(c @ ('.' | '-')) => after(end + 1).is_some_and(char::is_alphanumeric) || c == '-',
                Some(c) => c.is_alphanumeric(),
                None => false,
            };
            !before.is_some_and(part_of) && !goes_on
        });
        let name = || {
            self.names.iter().filter(fits).find(|needle| {
                let part_of = |c: char| c.is_alphanumeric() || c == '_';
                !before.is_some_and(part_of) && !after(at + needle.len()).is_some_and(part_of)
            })
        };
        address.or_else(name).map(Vec::len)
    }

    /// Whether a text is to be blotted anywhere.
    pub fn is_in(&self, text: &str) -> bool {
        self.text(text).is_some()
    }

    /// JSON without them, in every text and name of it; `None` where there is nothing to blot out.
    pub fn json(&self, value: &Value) -> Option<Value> {
        let mut changed = false;
        let clean = self.json_of(value, &mut changed);
        changed.then_some(clean)
    }

    fn json_of(&self, value: &Value, changed: &mut bool) -> Value {
        match value {
            Value::String(text) => Value::String(self.of(text, changed)),
            Value::Array(list) => Value::Array(list.iter().map(|v| self.json_of(v, changed)).collect()),
            Value::Object(map) => {
                Value::Object(map.iter().map(|(k, v)| (self.of(k, changed), self.json_of(v, changed))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn of(&self, text: &str, changed: &mut bool) -> String {
        match self.text(text) {
            Some(clean) => {
                *changed = true;
                clean
            }
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blot() -> Blot {
        Blot::new(["ana@example.org"], ["anaruns", "Ana Müller", "May"])
    }

    #[test]
    fn addresses_handles_and_whole_names_go_and_nothing_else() {
        let clean = |text: &str| blot().text(text).unwrap_or_else(|| text.to_owned());
        assert_eq!(clean("Ask ANA@Example.org, or @AnaRuns (ana MÜLLER)."), "Ask [erased], or @[erased] ([erased]).");
        assert_eq!(clean("Write to ana@example.org."), "Write to [erased].");
        for other in [
            "susana@example.org",
            "mary-ana@example.org",
            "ana@example.org.uk",
            "ana@example.organic",
            "anaruns2 runs",
            "In May Ana Mü",
        ] {
            assert_eq!(clean(other), other);
        }
    }

    #[test]
    fn json_is_blotted_in_its_texts_and_its_names() {
        let given = serde_json::json!({"to": ["ana@example.org", 7], "anaruns": {"a": null}});
        let clean = serde_json::json!({"to": ["[erased]", 7], "[erased]": {"a": null}});
        assert_eq!(blot().json(&given), Some(clean.clone()));
        assert_eq!(blot().json(&clean), None);
    }
}
