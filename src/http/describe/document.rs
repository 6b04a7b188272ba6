//! The description of the whole API as OpenAPI 3.1 says it, made from the routes themselves.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Operation, Parameter, shape};
use crate::domain::words::Word as _;
use crate::http::gate;
use crate::http::problem::Problem;

/// Where shapes are kept in the document.
const SHAPES: &str = "#/components/schemas/";
const ABOUT: &str = "Every message of a relationship on one timeline per influencer, sent once, at the right hour, and never \
    again after a no. JSON over HTTP; times are RFC 3339 in UTC; ids say what they name; lists come in pages of `data` and \
    `next_cursor`; what went wrong is a problem (RFC 9457) with a stable `code`.";
const TOKEN: &str =
    "`liaison token create` makes one. Each operation names the scope that it needs; no scope implies another.";

/// An operation where it stands.
pub(in crate::http) struct Placed {
    /// The whole path, with `{…}`.
    pub(in crate::http) path: String,
    /// Whether it asks for a token.
    pub(in crate::http) guarded: bool,
    /// The operation.
    pub(in crate::http) operation: Operation,
}

/// Shapes of what is sent differ from shapes of what is answered: what has a default may be left out of the one and is always
/// in the other.
struct Shapes {
    sent: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Shapes {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|s| {
                s.definitions_path = "/components/schemas".into();
                s.meta_schema = None;
            })
        };
        Self {
            sent: settings().for_deserialize().into_generator(),
            answered: settings().for_serialize().into_generator(),
        }
    }
}

/// The document.
pub(in crate::http) fn document(operations: &[Placed]) -> Value {
    let mut shapes = Shapes::new();
    shape::<Problem>(&mut shapes.answered);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for placed in operations {
        let method = placed.operation.method.as_str().to_ascii_lowercase();
        paths.entry(&placed.path).or_default().insert(method, describe(placed, &mut shapes));
    }
    let tags: BTreeSet<&str> = operations.iter().map(|placed| tag(&placed.path)).collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "liaison",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags.into_iter().map(|name| json!({ "name": name })).collect::<Value>(),
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": TOKEN } },
            "schemas": definitions(&mut shapes).0,
        },
    });
    unlink(&mut document);
    document
}

/// All named shapes, and the names of those that mean one thing where they are sent and another where they are answered:
/// there must be none.
fn definitions(shapes: &mut Shapes) -> (Map<String, Value>, Vec<String>) {
    let mut all = shapes.answered.take_definitions(true);
    let mut torn = Vec::new();
    for (name, sent) in shapes.sent.take_definitions(true) {
        if all.get(&name).is_some_and(|answered| *answered != sent) {
            torn.push(name.clone());
        }
        all.entry(name).or_insert(sent);
    }
    (all, torn)
}

/// Comments link to code as `[`name`]`, which means nothing to readers of the document.
fn unlink(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if let (Value::String(text), "description") = (&mut *value, key.as_str()) {
                    *text = text.replace("[`", "`").replace("`]", "`");
                } else {
                    unlink(value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(unlink),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn tag(path: &str) -> &str {
    let below = path.strip_prefix("/v1/");
    below.map_or("operations", |below| below.split('/').next().unwrap_or(below))
}

fn describe(placed: &Placed, shapes: &mut Shapes) -> Value {
    let Operation { method, does, signature } = &placed.operation;
    let named: String = placed.path.replace("/v1", "").chars().filter(|c| !"{}".contains(*c)).collect();
    let id = format!("{}{}", method.as_str().to_ascii_lowercase(), named.replace(['/', '.', '-'], "_"));
    let mut told = json!({
        "operationId": id,
        "summary": does.summary,
        "tags": [tag(&placed.path)],
        "parameters": parameters(placed, shapes),
        "responses": responses(placed, shapes),
    });
    let Some(map) = told.as_object_mut() else { return told };
    if let Some((body, optional)) = signature.body {
        let content = json!({ "application/json": { "schema": body(&mut shapes.sent) } });
        map.insert("requestBody".into(), json!({ "required": !optional, "content": content }));
    }
    let security = if placed.guarded {
        let scope = gate::needed_scope(method, &placed.path);
        map.insert("description".into(), format!("Needs a token with the scope `{scope}`.").into());
        json!([{ "token": [scope.as_str()] }])
    } else {
        json!([])
    };
    map.insert("security".into(), security);
    told
}

fn parameters(placed: &Placed, shapes: &mut Shapes) -> Vec<Value> {
    let Operation { method, does, signature } = &placed.operation;
    let mut all = Vec::new();
    for name in placed.path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
        let schema = match (name, signature.id) {
            ("id", Some(id)) => json!(id(&mut shapes.sent)),
            ("n", _) => json!({ "type": "integer", "minimum": 0 }),
            _ => json!({ "type": "string" }),
        };
        all.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    let mut add = |place: &str, parameter: &Parameter| {
        let mut schema = json!((parameter.shape)(&mut shapes.sent));
        // An empty one is refused.
        if let (Some(schema), "query") = (schema.as_object_mut(), place)
            && schema.get("type").is_some_and(|kind| kind == "string")
        {
            schema.entry("minLength").or_insert(json!(1));
        }
        all.push(json!({ "name": parameter.name, "in": place, "description": parameter.about, "schema": schema }));
    };
    does.query.iter().for_each(|parameter| add("query", parameter));
    does.headers.iter().for_each(|parameter| add("header", parameter));
    if signature.seen {
        add("header", &super::if_match());
    }
    if *method == Method::POST && placed.guarded && !does.repeatable {
        add("header", &super::idempotency_key());
    }
    all
}

fn responses(placed: &Placed, shapes: &mut Shapes) -> Map<String, Value> {
    let Operation { does, signature, .. } = &placed.operation;
    let usual = does.status.or(signature.status).unwrap_or(StatusCode::OK);
    let content = match (does.octets, does.answer.or(signature.answer)) {
        (Some(media), _) => Some(json!({ media: {} })),
        (None, Some(answer)) => Some(json!({ "application/json": { "schema": answer(&mut shapes.answered) } })),
        (None, None) => None,
    };
    let content = content.map(|mut content| {
        if let (Some(media), Some(content)) = (does.or_octets, content.as_object_mut()) {
            content.insert(media.to_owned(), json!({}));
        }
        content
    });
    let mut all = Map::new();
    for status in std::iter::once(usual).chain(does.or) {
        let mut told = json!({ "description": status.canonical_reason().unwrap_or("Done") });
        if let (Some(told), Some(content)) = (told.as_object_mut(), &content) {
            told.insert("content".into(), content.clone());
        }
        if let (Some(told), true) = (told.as_object_mut(), signature.tagged) {
            let tag = json!({ "description": "The `version`, in quotes", "schema": { "type": "string" } });
            told.insert("headers".into(), json!({ "ETag": tag }));
        }
        all.insert(status.as_str().to_owned(), told);
    }
    for (statuses, media) in [(does.plainly, "text/plain"), (does.pages, "text/html")] {
        for status in statuses {
            let reason = status.canonical_reason().unwrap_or("Problem");
            all.insert(status.as_str().to_owned(), json!({ "description": reason, "content": { media: {} } }));
        }
    }
    for (status, codes) in problems(placed) {
        let schema = json!({ "allOf": [
            { "$ref": format!("{SHAPES}Problem") },
            { "properties": { "status": { "const": status.as_u16() }, "code": { "enum": codes } } },
        ]});
        let told = json!({
            "description": status.canonical_reason().unwrap_or("Problem"),
            "content": { "application/problem+json": { "schema": schema } },
        });
        all.insert(status.as_str().to_owned(), told);
    }
    all
}

/// Every problem an operation may answer with: those of its own, and those that its kind brings with it.
fn problems(placed: &Placed) -> BTreeMap<StatusCode, BTreeSet<&'static str>> {
    let Operation { method, does, signature } = &placed.operation;
    let mut all: Vec<(StatusCode, &str)> = does.problems.clone();
    if placed.path.starts_with("/v1/") {
        all.extend([
            (StatusCode::BAD_REQUEST, "bad_query"),
            (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            (StatusCode::SERVICE_UNAVAILABLE, "try_again"),
            (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            (StatusCode::GATEWAY_TIMEOUT, "too_slow"),
            (StatusCode::GATEWAY_TIMEOUT, "too_much"),
        ]);
    }
    // These are not said plainly: they come from what stands around the pages.
    if !does.plainly.is_empty() {
        all.extend([(StatusCode::INTERNAL_SERVER_ERROR, "internal"), (StatusCode::GATEWAY_TIMEOUT, "too_slow")]);
    }
    if placed.guarded {
        let codes = ["no_token", "bad_token", "token_expired", "token_revoked"];
        all.extend(codes.map(|code| (StatusCode::UNAUTHORIZED, code)));
        all.push((StatusCode::FORBIDDEN, "missing_scope"));
        all.push((StatusCode::TOO_MANY_REQUESTS, "too_many_requests"));
        if *method != Method::GET {
            all.extend([
                (StatusCode::NOT_FOUND, "not_found"),
                (StatusCode::CONFLICT, "exists"),
                (StatusCode::SERVICE_UNAVAILABLE, "commit_unknown"),
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            ]);
        }
        if *method == Method::POST {
            all.extend(super::IDEMPOTENCY_PROBLEMS);
        }
    }
    if does.query.iter().any(|parameter| parameter.name == "cursor") {
        all.push((StatusCode::BAD_REQUEST, "bad_cursor"));
    }
    if placed.guarded && placed.path.contains('{') {
        all.push((StatusCode::NOT_FOUND, "not_found"));
    }
    if signature.seen {
        all.extend([(StatusCode::BAD_REQUEST, "bad_if_match"), (StatusCode::CONFLICT, "changed_meanwhile")]);
    }
    if signature.body.is_some() {
        all.extend([
            (StatusCode::BAD_REQUEST, "malformed_json"),
            (StatusCode::BAD_REQUEST, "cut_off"),
            (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json"),
        ]);
    }
    let mut by_status: BTreeMap<StatusCode, BTreeSet<&'static str>> = BTreeMap::new();
    for (status, code) in all {
        by_status.entry(status).or_default().insert(code);
    }
    by_status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_has_two_meanings() {
        let mut shapes = Shapes::new();
        for placed in crate::http::operations() {
            describe(&placed, &mut shapes);
        }
        let (all, torn) = definitions(&mut shapes);
        assert!(all.len() > 50, "{}", all.len());
        assert_eq!(torn, [""; 0]);
    }
}
