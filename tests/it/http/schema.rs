//! Says what is wrong with a value by a JSON schema, as far as the API's description uses them. A keyword that is not known
//! here fails the test: nothing is passed over in silence.

use liaison::domain::time::Micros;
use serde_json::{Map, Value};

/// What only tells.
const TELLING: [&str; 6] = ["description", "title", "default", "contentEncoding", "examples", "$schema"];

/// A document with shapes.
pub struct Shapes<'a>(pub &'a Value);

impl Shapes<'_> {
    /// What is wrong with `value`, each with a pointer; nothing where it is as `schema` says.
    pub fn wrong(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.look(schema, value, "", &mut wrong);
        wrong
    }

    fn resolve(&self, reference: &str) -> &Value {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("a reference outside: {reference}"));
        self.0.pointer(pointer).unwrap_or_else(|| panic!("a reference to nothing: {reference}"))
    }

    fn look(&self, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        let map = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return wrong.push(format!("{at}: nothing is allowed here")),
            Value::Object(map) => map,
            _ => panic!("no schema: {schema}"),
        };
        for (keyword, says) in map {
            match keyword.as_str() {
                "$ref" => self.look(self.resolve(says.as_str().unwrap()), value, at, wrong),
                "type" => {
                    let types: Vec<&Value> = says.as_array().map_or(vec![says], |list| list.iter().collect());
                    if !types.iter().any(|t| is_a(t.as_str().unwrap(), value)) {
                        wrong.push(format!("{at}: expected {says}, found {value}"));
                    }
                }
                "enum" if !says.as_array().unwrap().contains(value) => {
                    wrong.push(format!("{at}: {value} is not one of {says}"))
                }
                "const" if says != value => wrong.push(format!("{at}: expected {says}, found {value}")),
                "allOf" => says.as_array().unwrap().iter().for_each(|s| self.look(s, value, at, wrong)),
                "anyOf" | "oneOf" => self.choose(keyword, says.as_array().unwrap(), (value, at), wrong),
                "items" => {
                    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.look(says, item, &format!("{at}/{n}"), wrong);
                    }
                }
                "properties" => self.fields(map, (value, at), wrong),
                "additionalProperties" if !map.contains_key("properties") => {
                    for (name, field) in value.as_object().into_iter().flatten() {
                        self.look(says, field, &format!("{at}/{name}"), wrong);
                    }
                }
                "required" => {
                    let there = |name: &Value| value.as_object().is_none_or(|v| v.contains_key(name.as_str().unwrap()));
                    for name in says.as_array().unwrap().iter().filter(|name| !there(name)) {
                        wrong.push(format!("{at}: no {name}"));
                    }
                }
                "pattern" => wrong.extend(
                    value
                        .as_str()
                        .filter(|v| !is_id(says.as_str().unwrap(), v))
                        .map(|v| format!("{at}: `{v}` is not as {says}")),
                ),
                "format" => {
                    wrong.extend(not_formatted(says.as_str().unwrap(), value).map(|what| format!("{at}: {what}")))
                }
                "minimum" if value.as_f64().is_some_and(|v| v < says.as_f64().unwrap()) => {
                    wrong.push(format!("{at}: {value} is less than {says}"));
                }
                "maximum" if value.as_f64().is_some_and(|v| v > says.as_f64().unwrap()) => {
                    wrong.push(format!("{at}: {value} is more than {says}"));
                }
                "enum" | "const" | "additionalProperties" | "minimum" | "maximum" => {}
                other => assert!(TELLING.contains(&other), "{at}: the keyword `{other}` is not known here"),
            }
        }
    }

    fn choose(&self, keyword: &str, choices: &[Value], (value, at): (&Value, &str), wrong: &mut Vec<String>) {
        let found: Vec<Vec<String>> = choices.iter().map(|schema| self.wrong(schema, value)).collect();
        let fit = found.iter().filter(|wrong| wrong.is_empty()).count();
        if fit == 0 || (keyword == "oneOf" && fit > 1) {
            wrong.push(format!("{at}: {fit} of {} choices fit: {found:?}", choices.len()));
        }
    }

    /// Fields as they are described; where the whole object is described, one that is not is wrong.
    fn fields(&self, schema: &Map<String, Value>, (value, at): (&Value, &str), wrong: &mut Vec<String>) {
        let known = schema["properties"].as_object().unwrap();
        for (name, field) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{name}");
            match (known.get(name), schema.get("additionalProperties")) {
                (Some(schema), _) => self.look(schema, field, &at, wrong),
                (None, Some(more)) => self.look(more, field, &at, wrong),
                (None, None) if schema.contains_key("type") => wrong.push(format!("{at} is not described")),
                (None, None) => {}
            }
        }
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}

/// The one form of patterns there is: `^inf_[0-9a-f]{32}$`.
fn is_id(pattern: &str, value: &str) -> bool {
    let prefix = pattern.strip_prefix('^').and_then(|p| p.strip_suffix("[0-9a-f]{32}$"));
    let prefix = prefix.unwrap_or_else(|| panic!("the pattern {pattern} is not known here"));
    let digits = value.strip_prefix(prefix).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|d| d.is_ascii_digit() || (b'a'..=b'f').contains(&d))
}

fn not_formatted(format: &str, value: &Value) -> Option<String> {
    let good = match (format, value) {
        ("date-time", Value::String(text)) => Micros::parse(text).is_some(),
        ("int64", Value::Number(n)) => n.is_i64(),
        ("uint" | "uint64", Value::Number(n)) => n.is_u64(),
        ("uint32", Value::Number(n)) => n.as_u64().is_some_and(|n| u32::try_from(n).is_ok()),
        ("uint16", Value::Number(n)) => n.as_u64().is_some_and(|n| u16::try_from(n).is_ok()),
        ("double", Value::Number(_)) => true,
        ("date-time" | "int64" | "uint" | "uint64" | "uint32" | "uint16" | "double", _) => true,
        _ => panic!("the format {format} is not known here"),
    };
    (!good).then(|| format!("{value} is no {format}"))
}

#[test]
fn what_is_wrong_is_seen() {
    let shapes = serde_json::json!({ "shapes": { "id": { "type": "string", "pattern": "^inf_[0-9a-f]{32}$" } } });
    let shapes = Shapes(&shapes);
    let schema = serde_json::json!({
        "type": "object",
        "properties": {
            "id": { "$ref": "#/shapes/id" },
            "at": { "type": ["string", "null"], "format": "date-time" },
            "list": { "type": "array", "items": { "anyOf": [{ "type": "integer", "format": "int64" }, { "enum": ["a"] }] } },
        },
        "required": ["id"],
    });
    let id = format!("inf_{}", "0".repeat(32));
    let fine = serde_json::json!({ "id": id, "at": null, "list": [1, "a"] });
    assert_eq!(shapes.wrong(&schema, &fine), [""; 0]);
    for (value, said) in [
        (serde_json::json!({ "id": "inf_1" }), "is not as"),
        (serde_json::json!({ "at": null }), "no \"id\""),
        (serde_json::json!({ "id": id, "at": "yesterday" }), "date-time"),
        (serde_json::json!({ "id": id, "list": ["b"] }), "0 of 2"),
        (serde_json::json!({ "id": id, "more": 1 }), "/more is not described"),
        (serde_json::json!([]), "expected \"object\""),
    ] {
        let wrong = shapes.wrong(&schema, &value).join("; ");
        assert!(wrong.contains(said), "{value}: {wrong}");
    }
}
