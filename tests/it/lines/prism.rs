//! Prism, a validator that is none of ours, reads the descriptions that Slack, Twilio and Telnyx publish, and is sent what the tests
//! made us ask of their stand-ins, octet for octet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::kept::{self, Kept};
use crate::ledger::print_table;

const STARTS_IN: Duration = Duration::from_mins(2);

/// One provider's description, where a request lies in it, and requests that must be refused: what lets everything pass shows nothing.
struct Described {
    provider: &'static str,
    description: Value,
    /// What stands before each path on the wire, and not in the description.
    prefix: &'static str,
    /// Why a request is not for the description, where it is not.
    beside: fn(&Kept) -> bool,
    spoilt: fn(&[Kept]) -> Vec<(&'static str, Kept)>,
}

struct Prism {
    process: Child,
    port: u16,
}

impl Drop for Prism {
    fn drop(&mut self) {
        // It may be over already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Prism {
    async fn start(program: &Path, description: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program)
            .args(["mock", "--errors", "--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(description)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{} can't be started: {e}", program.display()));
        let prism = Self { process, port };
        let until = Instant::now() + STARTS_IN;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < until, "Prism does not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        prism
    }

    /// What it has against a request.
    async fn refuses(&self, client: &reqwest::Client, kept: &Kept, prefix: &str) -> Option<String> {
        let target = plain_names(kept.target.strip_prefix(prefix).unwrap_or(&kept.target));
        let method = reqwest::Method::from_bytes(kept.method.as_bytes()).unwrap();
        let mut request = client.request(method, format!("http://127.0.0.1:{}{target}", self.port));
        for (name, value) in [("authorization", &kept.authorization), ("content-type", &kept.content_type)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let answer = request.body(kept.body.clone()).send().await.unwrap();
        let status = answer.status();
        let noted: Vec<Value> = answer
            .headers()
            .get("sl-violations")
            .map(|said| serde_json::from_slice(said.as_bytes()).unwrap())
            .unwrap_or_default();
        let said = answer.text().await.unwrap();
        // The answers that it makes up of what is published may break the description; ours to answer for is what was asked.
        let of_request = noted.iter().any(|one| one["location"][0] != "response");
        let of_answer = status.is_success() || (status.as_u16() == 500 && !noted.is_empty());
        (of_request || !of_answer).then(|| format!("{status}: {} {said}", json!(noted)))
    }
}

/// Prism 5 does not find parameters whose names have brackets: it compares the encoded name with the decoded one. So here they are
/// written with dots, in descriptions and in what is asked.
fn plain(name: &str) -> String {
    name.replace('[', ".").replace(']', "")
}

fn plain_names(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let pairs = url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (plain(&name), value.into_owned()));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}

fn plain_parameters(described: &mut Value) {
    match described {
        Value::Array(all) => all.iter_mut().for_each(plain_parameters),
        Value::Object(all) => {
            if all.get("in").is_some_and(|place| place == "query") {
                let name = plain(all["name"].as_str().unwrap());
                all.insert("name".to_owned(), name.into());
            }
            all.values_mut().for_each(plain_parameters);
        }
        _ => {}
    }
}

/// Slack's description is of a form of OpenAPI that knows no JSON in requests and no bearer tokens; its documents say that methods
/// take their arguments as a form or as JSON, and the token in the header (<https://docs.slack.dev/apis/web-api/>). The rest is as
/// published.
fn slack(root: &Path) -> Value {
    let old = read(&root.join("providers/slack_web_openapi_v2.json"));
    let mut paths = Map::new();
    for (path, verbs) in old["paths"].as_object().unwrap() {
        let verbs = verbs.as_object().unwrap().iter().map(|(verb, old)| (verb.clone(), operation(old)));
        paths.insert(path.clone(), Value::Object(verbs.collect()));
    }
    // Newer than the description: https://docs.slack.dev/reference/methods/apps.connections.open
    paths.insert("/apps.connections.open".into(), json!({ "post": operation(&json!({})) }));
    let bearer = json!({ "bearer": { "type": "http", "scheme": "bearer" } });
    json!({ "openapi": "3.0.3", "info": old["info"], "security": [{ "bearer": [] }], "paths": paths,
        "components": { "securitySchemes": bearer } })
}

/// As published, but for the days by which lists are asked for: the words and the examples of these parameters say `YYYY-MM-DD`, and
/// their format says otherwise, which would refuse the document's own examples.
fn twilio(root: &Path) -> Value {
    let mut described = read(&root.join("providers/twilio_api_v2010.json"));
    for item in described["paths"].as_object_mut().unwrap().values_mut() {
        for parameter in item["get"]["parameters"].as_array_mut().into_iter().flatten() {
            let says = |words: &str| parameter["description"].as_str().is_some_and(|said| said.contains(words));
            if parameter["schema"]["format"] == "date-time" && says("`YYYY-MM-DD`") {
                parameter["schema"]["format"] = "date".into();
            }
        }
    }
    described
}

fn operation(old: &Value) -> Value {
    let (mut parameters, mut properties, mut required) = (Vec::new(), Map::new(), Vec::new());
    for parameter in old["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let is_required = parameter["required"] == true;
        let keywords = ["type", "enum", "format", "items", "minimum", "maximum"];
        let schema = keywords.iter().filter_map(|key| Some(((*key).to_owned(), parameter.get(*key)?.clone())));
        let schema: Map<String, Value> = schema.collect();
        match parameter["in"].as_str() {
            _ if name == "token" => {}
            Some("query") => {
                parameters.push(json!({ "name": name, "in": "query", "required": is_required, "schema": schema }));
            }
            Some("formData") => {
                properties.insert(name.to_owned(), schema.into());
                required.extend(is_required.then(|| json!(name)));
            }
            other => assert_eq!(other, Some("header"), "{name}"),
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    let media = json!({ "schema": schema });
    let content = json!({ "application/json": media, "application/x-www-form-urlencoded": media });
    let mut new = json!({ "parameters": parameters, "responses": answers() });
    // Nobody sends anything along with a GET.
    if parameters.is_empty() || !properties.is_empty() {
        new["requestBody"] = json!({ "content": content });
    }
    new
}

fn answers() -> Value {
    json!({ "200": { "description": "", "content": { "application/json": { "example": { "ok": true } } } } })
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

/// The first request of a method to a path that ends so.
fn first(all: &[Kept], method: &str, end: &str) -> Kept {
    let path = |kept: &&Kept| kept.method == method && kept.target.split('?').next().unwrap().ends_with(end);
    all.iter().find(path).unwrap_or_else(|| panic!("nothing was asked by {method} {end}")).clone()
}

fn spoilt_of_slack(all: &[Kept]) -> Vec<(&'static str, Kept)> {
    let post = first(all, "POST", "/chat.postMessage");
    let history = first(all, "GET", "/conversations.history");
    vec![
        ("no channel", Kept { body: post.body.replace("\"channel\"", "\"chanel\""), ..post.clone() }),
        ("no token", Kept { authorization: String::new(), ..post.clone() }),
        ("no such method", Kept { target: "/api/chat.postMassage".into(), ..post }),
        ("words for a number", Kept { target: "/api/conversations.history?channel=C1&limit=many".into(), ..history }),
    ]
}

fn spoilt_of_twilio(all: &[Kept]) -> Vec<(&'static str, Kept)> {
    let post = first(all, "POST", "/Messages.json");
    vec![
        ("no recipient", Kept { body: post.body.replace("To=", "Too="), ..post.clone() }),
        ("nobody signed in", Kept { authorization: String::new(), ..post.clone() }),
        ("a malformed service", Kept { body: format!("{}&MessagingServiceSid=MG1", post.body), ..post.clone() }),
        ("no such place", Kept { target: post.target.replace("Messages", "Massages"), ..post }),
    ]
}

fn spoilt_of_telnyx(all: &[Kept]) -> Vec<(&'static str, Kept)> {
    let post = first(all, "POST", "/messages");
    let records = first(all, "GET", "/detail_records");
    vec![
        ("no recipient", Kept { body: post.body.replace("\"to\"", "\"too\""), ..post.clone() }),
        ("nobody signed in", Kept { authorization: String::new(), ..post.clone() }),
        ("no such place", Kept { target: "/v2/massages".into(), ..post }),
        ("no sort of records", Kept { target: records.target.replace("record_type", "record"), ..records.clone() }),
        (
            "a page too large",
            Kept { target: format!("{}&page[size]=500", records.target.replace("page[size]", "x")), ..records },
        ),
    ]
}

/// Newer than the description: <https://developers.telnyx.com/api-reference/messaging/list-messaging-hosted-numbers>.
fn with_hosted_numbers(mut described: Value) -> Value {
    let parameter =
        json!({ "name": "filter[phone_number]", "in": "query", "required": false, "schema": { "type": "string" } });
    let get = json!({ "parameters": [parameter], "responses": answers() });
    described["paths"]["/messaging/hosted/numbers"] = json!({ "get": get });
    described
}

fn described(root: &Path, telnyx: &Path) -> Vec<Described> {
    let nothing = |_: &Kept| false;
    vec![
        Described {
            provider: "slack",
            description: slack(root),
            prefix: "/api",
            beside: nothing,
            spoilt: spoilt_of_slack,
        },
        Described {
            provider: "twilio",
            description: twilio(root),
            prefix: "",
            // The file itself lies where its description is, without `.json`; the document has the description alone. The others are
            // where a test's provider led us on purpose.
            beside: |kept| {
                let is_file = kept.target.contains("/Media/") && !kept.target.ends_with(".json");
                // Messaging services are described in another document.
                let is_service = kept.target.starts_with("/v1/Services/");
                is_file
                    || is_service
                    || kept.target.contains("/Nothing/")
                    || kept.target.starts_with("/evil.example.com/")
            },
            spoilt: spoilt_of_twilio,
        },
        Described {
            provider: "telnyx",
            description: with_hosted_numbers(read(telnyx)),
            prefix: "/v2",
            beside: nothing,
            spoilt: spoilt_of_telnyx,
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Prism, the corpora and what was asked before: tests/prove prism"]
async fn what_was_asked_is_as_published() {
    let given = |name: &str| {
        PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: tests/prove prism")))
    };
    let (program, telnyx) = (given("LIAISON_PROVE_PRISM"), given("LIAISON_PROVE_TELNYX"));
    let root = crate::peers::corpora().expect("LIAISON_CORPORA: two of the descriptions lie there");
    let dir = tempfile::tempdir().unwrap();
    // Only the first may; others in this process may have been before.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for described in described(&root, &telnyx) {
        let name = described.provider;
        let path = dir.path().join(format!("{name}.json"));
        let mut description = described.description.clone();
        plain_parameters(&mut description);
        std::fs::write(&path, serde_json::to_vec(&description).unwrap()).unwrap();
        let prism = Prism::start(&program, &path).await;
        let all = kept::read(name);
        let (beside, asked): (Vec<&Kept>, Vec<&Kept>) = all.iter().partition(|kept| (described.beside)(kept));
        let (mut kinds, mut wrong) = (BTreeMap::<String, usize>::new(), Vec::new());
        for kept in &asked {
            let path = kept.target.split('?').next().unwrap();
            let kind: Vec<&str> = path.split('/').map(|part| if part.len() > 30 { "…" } else { part }).collect();
            *kinds.entry(format!("{} {}", kept.method, kind.join("/"))).or_default() += 1;
            wrong.extend(prism.refuses(&client, kept, described.prefix).await.map(|why| (*kept, why)));
        }
        assert!(
            wrong.is_empty(),
            "{name}: {} of {} are refused: {:#?}",
            wrong.len(),
            asked.len(),
            &wrong[..wrong.len().min(5)]
        );
        let spoilt = (described.spoilt)(&all);
        for (what, kept) in &spoilt {
            assert!(
                prism.refuses(&client, kept, described.prefix).await.is_some(),
                "{name}: {what} is let through: {kept:?}"
            );
        }
        let mut lines = vec![
            ("different requests", asked.len().to_string()),
            ("refused by Prism", wrong.len().to_string()),
            ("not sent to it", beside.len().to_string()),
            ("spoilt on purpose / of these refused", format!("{0} / {0}", spoilt.len())),
        ];
        lines.extend(kinds.iter().map(|(kind, times)| (kind.as_str(), times.to_string())));
        print_table(&format!("Prism over what {name} was asked"), &lines);
    }
}
