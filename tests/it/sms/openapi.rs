//! Requests held against the document by which Twilio describes its interface: the path is there, what is required is given, and
//! names, words, patterns and bounds are kept.

use super::provider::Request;
use regex::Regex;
use serde_json::Value;

pub struct Document(Value);

impl Document {
    /// The document, where the corpora are.
    pub fn twilio() -> Option<Self> {
        let path = crate::peers::corpora()?.join("providers/twilio_api_v2010.json");
        Some(Self(serde_json::from_slice(&std::fs::read(path).expect("the document")).expect("JSON")))
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(path) => self.0.pointer(path.trim_start_matches('#')).expect("what is referred to"),
            None => schema,
        }
    }

    /// What is wrong with a request.
    pub fn wrong(&self, request: &Request) -> Vec<String> {
        // Not described, and documented in words: the file itself lies where its description is, without `.json`.
        let path = match request.path.rsplit_once("/Media/") {
            Some((_, sid)) if !sid.ends_with(".json") => format!("{}.json", request.path),
            _ => request.path.clone(),
        };
        let method = request.method.to_lowercase();
        let operations = self.0["paths"].as_object().expect("paths").iter();
        let mut found = operations.filter_map(|(template, item)| {
            let parts = parts_of(template, &path)?;
            Some((item.get(&method)?, parts))
        });
        let Some((operation, parts)) = found.next() else {
            return vec![format!("{} {path} is not described", request.method)];
        };
        let mut wrong = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            let given: Vec<String> = match parameter["in"].as_str() {
                Some("path") => parts.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect(),
                Some("query") => request.query().into_iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect(),
                other => panic!("a parameter in {other:?}"),
            };
            if parameter["required"] == true && given.is_empty() {
                wrong.push(format!("{name} is missing"));
            }
            wrong.extend(given.iter().filter_map(|value| self.wrong_value(name, &parameter["schema"], value)));
        }
        let named = |name: &str, place: &str| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            parameters.filter(|p| p["in"] == place).any(|p| p["name"] == name)
        };
        wrong
            .extend(request.query().iter().filter(|(n, _)| !named(n, "query")).map(|(n, _)| format!("{n} is unknown")));
        wrong.extend(self.wrong_form(operation, request));
        wrong.dedup();
        wrong
    }

    fn wrong_form(&self, operation: &Value, request: &Request) -> Vec<String> {
        let schema = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        if schema.is_null() {
            return if request.body.is_empty() { Vec::new() } else { vec!["a body where there is none".to_owned()] };
        }
        let form = request.form();
        let mut wrong = Vec::new();
        for required in schema["required"].as_array().into_iter().flatten() {
            if !form.iter().any(|(name, _)| required == name) {
                wrong.push(format!("{required} is missing"));
            }
        }
        for (name, value) in &form {
            match schema["properties"].get(name) {
                None => wrong.push(format!("{name} is unknown")),
                Some(property) => {
                    let item = if property["type"] == "array" { &property["items"] } else { property };
                    if property["type"] != "array" && form.iter().filter(|(n, _)| n == name).count() > 1 {
                        wrong.push(format!("{name} is given twice"));
                    }
                    wrong.extend(self.wrong_value(name, item, value));
                }
            }
        }
        wrong
    }

    fn wrong_value(&self, name: &str, schema: &Value, value: &str) -> Option<String> {
        let schema = self.resolved(schema);
        let say = |why: &str| Some(format!("{name}: `{value}` {why}"));
        let length = value.chars().count() as u64;
        if schema["minLength"].as_u64().is_some_and(|least| length < least)
            || schema["maxLength"].as_u64().is_some_and(|most| length > most)
        {
            return say("has not the length");
        }
        if schema["pattern"].as_str().is_some_and(|pattern| !Regex::new(pattern).expect("a pattern").is_match(value)) {
            return say("has not the form");
        }
        if schema["enum"].as_array().is_some_and(|words| !words.iter().any(|word| word == value)) {
            return say("is none of the words");
        }
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("integer"), _) => {
                let Ok(number) = value.parse::<i64>() else { return say("is no number") };
                let low = schema["minimum"].as_i64().is_some_and(|least| number < least);
                let high = schema["maximum"].as_i64().is_some_and(|most| number > most);
                if low || high { say("is out of bounds") } else { None }
            }
            (Some("boolean"), _) if !["true", "false"].contains(&value) => say("is neither true nor false"),
            (_, Some("uri")) if url::Url::parse(value).is_err() => say("is no address"),
            // A short code is one as well, as the words of `From` say.
            (_, Some("phone-number")) if !value.starts_with('+') && !is_short_code(value) => say("is no number"),
            (_, Some("date-time")) if value.parse::<jiff::civil::Date>().is_err() => say("is no day"),
            _ => None,
        }
    }
}

fn is_short_code(value: &str) -> bool {
    (3..=8).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

/// The parameters of a path, where it fits a template.
fn parts_of(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut parts = Vec::new();
    for (expected, given) in template.into_iter().zip(path) {
        match expected.split_once('{') {
            None if expected == given => {}
            None => return None,
            Some((before, rest)) => {
                let (name, after) = rest.split_once('}')?;
                let value = given.strip_prefix(before)?.strip_suffix(after)?;
                parts.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    Some(parts)
}

#[test]
fn a_wrong_request_is_seen() {
    let Some(document) = Document::twilio() else { return crate::peers::skip_corpora() };
    let request = |method: &str, path: &str, query: &str, body: &str| Request {
        content_type: String::new(),
        method: method.to_owned(),
        path: format!("/2010-04-01/Accounts/{}/{path}", super::ACCOUNT),
        query: query.to_owned(),
        authorization: String::new(),
        body: body.as_bytes().to_vec(),
    };
    let wrong = |method: &str, path: &str, query: &str, body: &str| document.wrong(&request(method, path, query, body));
    let nothing: Vec<String> = Vec::new();
    assert_eq!(wrong("POST", "Messages.json", "", "To=%2B14155550101&From=%2B14155550100&Body=x"), nothing);
    assert_eq!(wrong("GET", "Messages.json", "DateSent=2026-11-20&PageSize=1000", ""), nothing);
    for (method, path, query, body) in [
        ("POST", "Messages.json", "", "From=%2B14155550100&Body=x"),
        ("POST", "Messages.json", "", "To=%2B14155550101&Text=x"),
        ("POST", "Messages.json", "", "To=%2B14155550101&MessagingServiceSid=MG1"),
        ("POST", "Messages.json", "", "To=%2B14155550101&StatusCallback=nowhere"),
        ("POST", "Messages.json", "", "To=%2B14155550101&Body=x&Body=y"),
        ("POST", "Messages.json", "", "To=%2B14155550101&RiskCheck=perhaps"),
        ("GET", "Messages.json", "PageSize=1001", ""),
        ("GET", "Messages.json", "SentDate=2026-11-20", ""),
        ("GET", "Messages.json", "DateSent=yesterday", ""),
        ("GET", "Messages/SM1/Media.json", "", ""),
        ("PUT", "Messages.json", "", ""),
        ("GET", "Letters.json", "", ""),
    ] {
        assert_eq!(
            wrong(method, path, query, body).len(),
            1,
            "{method} {path} {query} {body}: {:?}",
            wrong(method, path, query, body)
        );
    }
}
