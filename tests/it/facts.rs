//! docs/events.md says what events say: every type is there, its example is of its shape, and so is every event that the hub raises
//! in the tests that call [`fit`].

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use liaison::domain::ids::EventId;
use liaison::domain::words::{EventType, Word as _};
use liaison::store::{Place, Store};
use serde_json::Value;

/// Raised by the story of `liaison demo`, which runs the code of the daemon.
const IN_DEMO: &[EventType] = &[
    EventType::MessageReceived,
    EventType::ThreadReplied,
    EventType::MessageBounced,
    EventType::MessageComplained,
    EventType::MessageSent,
    EventType::MessageUncertain,
    EventType::MessageOpened,
    EventType::MessageClicked,
    EventType::InfluencerCreated,
    EventType::InfluencerStageChanged,
    EventType::EnrollmentStarted,
    EventType::EnrollmentStepDone,
    EventType::EnrollmentFinished,
    EventType::EnrollmentExited,
    EventType::EnrollmentHeld,
    EventType::TaskCreated,
    EventType::TaskCompleted,
    EventType::AccountUp,
];
/// Raised where every operation of the API is asked for.
pub const BY_API: &[EventType] = &[
    EventType::MessageCancelled,
    EventType::InfluencerUpdated,
    EventType::InfluencerHeld,
    EventType::InfluencerMerged,
    EventType::SequencePaused,
    EventType::SequenceResumed,
];
/// Raised where somebody was erased.
pub const BY_ERASURE: &[EventType] = &[EventType::InfluencerErased];
/// Raised where servers refuse.
pub const BY_SERVERS: &[EventType] =
    &[EventType::MessageDeferred, EventType::MessageRejected, EventType::MessageUncertain, EventType::AccountDown];
/// Raised where a reader wants no more.
pub const BY_READERS: &[EventType] = &[EventType::InfluencerUnsubscribed];
/// Raised where a number talks.
pub const BY_NUMBERS: &[EventType] = &[EventType::MessageDelivered];
/// Raised where a workspace talks.
pub const BY_WORKSPACES: &[EventType] = &[EventType::MessageEdited];
/// Raised where a sequence tells the team something.
pub const BY_SEQUENCES: &[EventType] = &[EventType::TeamNotified];
/// Raised where a webhook is gone.
pub const BY_WEBHOOKS: &[EventType] = &[EventType::WebhookDisabled];

/// What the page says of one type.
#[derive(Debug, Default)]
struct Shape {
    always: BTreeSet<String>,
    sometimes: BTreeSet<String>,
    example: Value,
}

impl Shape {
    /// What is wrong with some data, in words.
    fn faults(&self, data: &Value) -> Vec<String> {
        let Some(data) = data.as_object() else { return vec!["it has no data".to_owned()] };
        let missing = self.always.iter().filter(|name| !data.contains_key(*name)).map(|n| format!("`{n}` is missing"));
        let known = |name: &&String| !self.always.contains(*name) && !self.sometimes.contains(*name);
        missing.chain(data.keys().filter(known).map(|n| format!("`{n}` is not described"))).collect()
    }
}

fn page() -> BTreeMap<String, Shape> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md")).expect("docs/events.md");
    let mut shapes = BTreeMap::new();
    for section in text.split("\n### `").skip(1) {
        let (name, rest) = section.split_once('`').expect("a name");
        let mut shape = Shape::default();
        for row in rest.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let names = cells[1].split(',').map(|n| n.trim().trim_matches('`').to_owned());
            match cells[2] {
                "always" => shape.always.extend(names),
                "sometimes" => shape.sometimes.extend(names),
                other => panic!("{name}: `{other}`"),
            }
        }
        let example = rest.split("```json").nth(1).and_then(|e| e.split("```").next());
        shape.example = serde_json::from_str(example.unwrap_or_else(|| panic!("{name} has no example"))).expect(name);
        assert!(shapes.insert(name.to_owned(), shape).is_none(), "{name} is there twice");
    }
    shapes
}

/// Every event of a store is as the page says, and these types are among them.
pub async fn fit(store: &Store, raised: &[EventType]) {
    fit_of(store, raised, EventType::ALL).await;
}

/// The events of these types are as the page says, and there are some of each: where a test makes up others.
pub async fn fit_some(store: &Store, raised: &[EventType]) {
    fit_of(store, raised, raised).await;
}

async fn fit_of(store: &Store, raised: &[EventType], looked_at: &[EventType]) {
    let shapes = page();
    let mut tx = store.read().await.unwrap();
    let (mut found, mut wrong, mut after) = (BTreeSet::new(), BTreeSet::new(), EventId(uuid::Uuid::nil()));
    loop {
        let events = tx.list_events_written(after, 500).await.unwrap();
        let Some(last) = events.last() else { break };
        after = last.id;
        for event in events.into_iter().filter(|event| looked_at.contains(&event.kind)) {
            let (name, data) = (event.kind.as_str(), event.data.map_or(Value::Null, |json| json.0));
            wrong.extend(shapes[name].faults(&data).into_iter().map(|fault| format!("{name}: {fault} in {data}")));
            found.insert(event.kind);
        }
    }
    assert!(wrong.is_empty(), "not as docs/events.md says:\n{wrong:#?}");
    let missing: Vec<&EventType> = raised.iter().filter(|kind| !found.contains(kind)).collect();
    assert!(missing.is_empty(), "these were not raised: {missing:?}");
}

/// Every event that the API tells is as the page says, and these types are among them.
pub fn fit_told(events: &[Value], raised: &[EventType]) {
    let shapes = page();
    let (mut found, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let name = event["type"].as_str().expect("a type");
        wrong
            .extend(shapes[name].faults(&event["data"]).into_iter().map(|fault| format!("{name}: {fault} in {event}")));
        found.insert(name);
    }
    assert!(wrong.is_empty(), "not as docs/events.md says:\n{wrong:#?}");
    let missing: Vec<&EventType> = raised.iter().filter(|kind| !found.contains(kind.as_str())).collect();
    assert!(missing.is_empty(), "these were not raised: {missing:?}");
}

#[test]
fn every_type_is_described_with_an_example_of_its_shape() {
    let shapes = page();
    let named: BTreeSet<&str> = shapes.keys().map(String::as_str).collect();
    assert_eq!(named, EventType::ALL.iter().map(|kind| kind.as_str()).collect(), "docs/events.md and the code");
    for (name, shape) in &shapes {
        assert_eq!(shape.faults(&shape.example), Vec::<String>::new(), "the example of {name}");
    }
    let raised: BTreeSet<EventType> =
        [IN_DEMO, BY_API, BY_ERASURE, BY_SERVERS, BY_READERS, BY_WEBHOOKS, BY_NUMBERS, BY_WORKSPACES, BY_SEQUENCES]
            .concat()
            .into_iter()
            .collect();
    assert_eq!(raised, EventType::ALL.iter().copied().collect(), "each is held against what is really raised");
}

#[tokio::test]
async fn the_events_of_the_demo_are_as_described() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    let output = Command::new(env!("CARGO_BIN_EXE_liaison"))
        .args(["demo", "--for", "1s", "--keep"])
        .arg(&kept)
        .env("TMPDIR", dir.path())
        .env("NO_COLOR", "1")
        .env_remove("LIAISON_CONFIG")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files = vec![kept];
    let mut database = None;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.file_name().is_some_and(|name| name == "liaison.db") {
            database = Some(path);
        }
    }
    let store = Store::open(&Place::Sqlite { file: database.expect("a database is kept") }).await.unwrap();
    fit(&store, IN_DEMO).await;
}
